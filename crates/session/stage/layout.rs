//! Spellers and multifocal patches: many parts with courses of their own.

use std::f64::consts::TAU;

use protocol::{CodeKind, Targets};
use stimulus::code::m_sequence;
use stimulus::element::{Aperture, Contrast, Course, Modulation, Outline, Pattern};
use stimulus::{Code, Element};

use super::{Lowering, Part};
use crate::error::SessionError;

impl Lowering<'_> {
    pub(super) fn speller(&mut self, speller: &protocol::Speller) -> Result<Vec<Part>, SessionError> {
        let letters = places(&speller.rows);
        let modulations = self.targets(&speller.targets, &letters)?;
        let colour = self.light("letter_colour", &speller.letter_colour)?;
        let half_px = speller.box_deg.map(|size| 0.5 * self.screen.size_px(size));
        let paint = self.direction(1.0)?;
        let base = self.course()?;
        let (mut boxes, mut marks) = (Vec::new(), Vec::new());
        for ((letter, [column, row]), modulation) in letters.iter().zip(modulations) {
            let offset = [
                self.screen.offset_px(column * speller.pitch_deg[0]),
                self.screen.offset_px(row * speller.pitch_deg[1]),
            ];
            let aperture = Aperture::new(Outline::Rectangle { half_px }, 0.0);
            let target = moved(self.element(Pattern::Uniform, aperture, paint), offset);
            boxes.push(Part::new(target, Course { modulation, ..base.clone() }));
            let mark = self.letters(&letter.to_string(), speller.letter_deg, colour)?;
            marks.push(moved(mark, offset.map(libm::round)));
        }
        let course = Course { contrast: Contrast::Own(1.0), ..Course::STEADY };
        boxes.push(Part { elements: marks, course });
        Ok(boxes)
    }

    /// One course per target.
    fn targets(
        &mut self,
        targets: &Targets,
        letters: &[(char, [f64; 2])],
    ) -> Result<Vec<Modulation>, SessionError> {
        let count = letters.len();
        let told = |code: Code, reverses: bool| Modulation::Code { code, reverses };
        match targets {
            Targets::Flickers(flickers) => {
                let made = flickers.iter().zip(letters).map(|(flicker, (letter, _))| {
                    self.part = format!(", target `{letter}`");
                    self.modulation(flicker)
                });
                made.collect()
            }
            Targets::Shifted(shared) => {
                let code = self.code(shared)?;
                let shifted = (0..count).map(|target| code.target(target, count));
                let shifted: Result<Vec<Code>, _> = shifted.collect();
                let shifted = shifted.map_err(|error| self.refuse(error.to_string()))?;
                Ok(shifted.into_iter().map(|code| told(code, shared.reverses)).collect())
            }
            Targets::Gold(shared) => (0..count)
                .map(|target| {
                    let kind = match shared.kind {
                        CodeKind::Gold { order, index } => CodeKind::Gold { order, index: index + target },
                        ref other => other.clone(),
                    };
                    self.code_of(shared, &kind).map(|code| told(code, shared.reverses))
                })
                .collect(),
        }
    }

    pub(super) fn multifocal(&mut self, fields: &protocol::Multifocal) -> Result<Vec<Part>, SessionError> {
        let bits =
            m_sequence(fields.m_sequence, None, None).map_err(|error| self.refuse(error.to_string()))?;
        let code = Code::realise(bits, fields.bit_rate_hz, self.screen.refresh_hz)
            .map_err(|error| self.refuse(error.to_string()))?;
        let rings = fields.diameters_deg.len() - 1;
        let count = rings * fields.sectors as usize;
        let paint = self.direction(1.0)?;
        let base = self.course()?;
        let sector = TAU / f64::from(fields.sectors);
        let around = f64::from(fields.sectors * fields.checks[1]);
        if around % 2.0 != 0.0 {
            return Err(
                self.refuse(format!("{around} checks lie around the centre, an even number is needed"))
            );
        }
        let mut parts = Vec::new();
        for ring in 0..rings {
            let edges = [fields.diameters_deg[ring], fields.diameters_deg[ring + 1]];
            let [inner_px, outer_px] = edges.map(|diameter| 0.5 * self.screen.size_px(diameter));
            self.diameter_px(edges[1])?;
            let ring_px = (outer_px - inner_px) / f64::from(fields.checks[0]);
            self.check_has(&format!("checks = {:?} in the ring of {edges:?} deg", fields.checks), ring_px)?;
            self.check_has(
                &format!("checks = {:?} of {} sectors", fields.checks, fields.sectors),
                TAU * outer_px / around,
            )?;
            let pattern = Pattern::RadialCheckerboard {
                rings_per_px: f64::from(fields.checks[0]) / (outer_px - inner_px),
                from_px: inner_px,
                rings_per_fold: 0.0,
                checks_around: around,
            };
            for place in 0..fields.sectors {
                let outline = Outline::Sector {
                    inner_px,
                    outer_px,
                    middle_rad: sector * (f64::from(place) + 0.5),
                    half_rad: 0.5 * sector,
                };
                let target = ring * fields.sectors as usize + place as usize;
                let code = code.target(target, count).map_err(|error| self.refuse(error.to_string()))?;
                let modulation = Modulation::Code { code, reverses: true };
                let element = self.element(pattern, Aperture::new(outline, 0.0), paint);
                parts.push(Part::new(element, Course { modulation, ..base.clone() }));
            }
        }
        Ok(parts)
    }
}

/// The letters of a matrix with their places from its middle: to the right and down, in pitches.
fn places(rows: &[String]) -> Vec<(char, [f64; 2])> {
    let columns = rows.iter().map(|row| row.chars().count()).max().unwrap_or(0);
    let from_middle = |place: usize, count: usize| place as f64 - 0.5 * (count as f64 - 1.0);
    let mut places = Vec::new();
    for (row, letters) in rows.iter().enumerate() {
        for (column, letter) in letters.chars().enumerate().filter(|(_, letter)| !letter.is_whitespace()) {
            places.push((letter, [from_middle(column, columns), from_middle(row, rows.len())]));
        }
    }
    places
}

fn moved(mut element: Element, [x, y]: [f64; 2]) -> Element {
    element.place.center_px[0] += x;
    element.place.center_px[1] += y;
    element
}
