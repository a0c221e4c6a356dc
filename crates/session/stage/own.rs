//! Patterns of one's own: WGSL files.

use protocol::{Declared, Window};
use recording::sha256_hex;
use stimulus::element::{Aperture, Course, Outline, Pattern};
use stimulus::own::{MOST_PARAMETERS, Own, Program};

use super::kept::{Namer, UsedFile};
use super::{LEAST_PX_PER_CYCLE, Lowering, Part};
use crate::error::SessionError;

impl Lowering<'_> {
    pub(super) fn wgsl(&mut self, wgsl: &protocol::Wgsl) -> Result<Vec<Part>, SessionError> {
        let finest_per_px = self.screen.cycles_per_px(wgsl.finest_cpd);
        if 1.0 / finest_per_px < LEAST_PX_PER_CYCLE {
            return Err(self.refuse(format!(
                "finest_cpd = {} has {:.2} px per cycle on this screen, at least {LEAST_PX_PER_CYCLE} are needed: at most {:.2} cpd",
                wgsl.finest_cpd,
                1.0 / finest_per_px,
                self.screen.px_per_deg / LEAST_PX_PER_CYCLE
            )));
        }
        let program = self.program(&wgsl.file)?;
        let declared: Vec<Declared<'_>> = self.shared.sheets.programs[program]
            .parameters()
            .iter()
            .map(|p| Declared { name: &p.name, low: p.low, high: p.high, absent: p.absent })
            .collect();
        let mut parameters = [0.0; MOST_PARAMETERS];
        for (place, value) in parameters.iter_mut().zip(wgsl.parameters.values(&declared, &wgsl.file)?) {
            *place = value as f32;
        }
        let pattern = Pattern::Own(Own {
            program: program as u32,
            px_per_deg: self.screen.px_per_deg as f32,
            frame_s: (1.0 / self.screen.refresh_hz) as f32,
            parameters,
            finest_per_px,
        });
        let px = |deg: f64| self.screen.size_px(deg);
        let aperture = match wgsl.window {
            Window::Disc { diameter_deg, edge_deg } => self.disc(diameter_deg, edge_deg)?,
            Window::Gauss(sigma_deg) => Aperture::new(Outline::Gauss { sigma_px: [px(sigma_deg); 2] }, 0.0),
            Window::Rectangle { size_deg, edge_deg } => {
                let half_px = size_deg.map(|deg| 0.5 * px(deg));
                Aperture::new(Outline::Rectangle { half_px }, px(edge_deg))
            }
        };
        let element = self.element(pattern, aperture, self.direction(1.0)?);
        let turned = element.turned(wgsl.orientation_deg.to_radians());
        let motion = self.turning(wgsl.rotation_hz, 1.0)?.motion;
        Ok(vec![Part::new(turned, Course { motion, ..self.drift(wgsl.drift_hz)? })])
    }

    /// The place of a file among the programs; one that several stimuli use is there once.
    fn program(&mut self, file: &str) -> Result<usize, SessionError> {
        let path = self.experiment.files.path(Namer::Protocol, file);
        let bytes = self.experiment.files.read(Namer::Protocol, file);
        let bytes = bytes.map_err(|error| self.refuse(format!("`{}`: {error}", path.display())))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            self.refuse(format!("`{}`:{line}: not UTF-8 text", path.display()))
        })?;
        // Some editors begin a file with a mark of its byte order.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = Program::read(text, &path.display().to_string());
        let program = read.map_err(|error| self.refuse(error.to_string()))?;
        self.shared.used.push(UsedFile { name: file.to_owned(), path, sha256: sha256_hex(&bytes) });
        let programs = &mut self.shared.sheets.programs;
        Ok(programs.iter().position(|known| *known == program).unwrap_or_else(|| {
            programs.push(program);
            programs.len() - 1
        }))
    }
}
