//! Waves, checks, dots and noise.

use std::f64::consts::{FRAC_PI_2, TAU};

use protocol::{Carrier, CheckRings};
use stimulus::dots::{Dot, Field};
use stimulus::element::{Aperture, Course, Draw, Motion, Outline, Pattern, Renewal, Wave};
use stimulus::noise::{Spectrum, filtered};
use stimulus::sheet::{Between, Sheet, Source, Transfer};

use super::{Lowering, Part};
use crate::error::SessionError;

fn wave(carrier: Carrier) -> Wave {
    match carrier {
        Carrier::Sine => Wave::Sine,
        Carrier::Square => Wave::Square,
    }
}

impl Lowering<'_> {
    pub(super) fn grating(&mut self, grating: &protocol::Grating) -> Result<Vec<Part>, SessionError> {
        self.cycles_per_px(grating.sf_cpd)?;
        let pattern = Pattern::Grating {
            cycles_per_px: self.screen.wave_vector(grating.sf_cpd, grating.orientation_deg),
            phase: grating.phase_deg / 360.0,
            wave: wave(grating.carrier),
        };
        let aperture = self.disc(grating.diameter_deg, grating.edge_deg)?;
        self.drifting(pattern, aperture, grating.drift_hz)
    }

    pub(super) fn gabor(&mut self, gabor: &protocol::Gabor) -> Result<Vec<Part>, SessionError> {
        self.cycles_per_px(gabor.sf_cpd)?;
        let pattern = Pattern::Grating {
            cycles_per_px: self.screen.wave_vector(gabor.sf_cpd, gabor.orientation_deg),
            phase: gabor.phase_deg / 360.0,
            wave: wave(gabor.carrier),
        };
        let sigma_px = [self.screen.size_px(gabor.sigma_deg); 2];
        self.drifting(pattern, Aperture::new(Outline::Gauss { sigma_px }, 0.0), gabor.drift_hz)
    }

    pub(super) fn plaid(&mut self, plaid: &protocol::Plaid) -> Result<Vec<Part>, SessionError> {
        self.cycles_per_px(plaid.sf_cpd)?;
        let aperture = self.disc(plaid.diameter_deg, plaid.edge_deg)?;
        let paint = self.direction(0.5)?;
        let wave = |orientation_deg: f64| Pattern::Grating {
            cycles_per_px: self.screen.wave_vector(plaid.sf_cpd, orientation_deg),
            phase: plaid.phase_deg / 360.0,
            wave: Wave::Sine,
        };
        let waves = plaid.orientations_deg.map(wave).map(|pattern| self.element(pattern, aperture, paint));
        let course = self.drift(plaid.drift_hz)?;
        Ok(vec![Part { elements: waves.to_vec(), course }])
    }

    pub(super) fn spokes(&mut self, spokes: &protocol::Spokes) -> Result<Vec<Part>, SessionError> {
        let pattern = Pattern::Polar {
            rings_per_px: 0.0,
            spokes: f64::from(spokes.spokes),
            phase: spokes.phase_deg / 360.0,
            wave: wave(spokes.carrier),
        };
        let aperture = self.disc(spokes.diameter_deg, spokes.edge_deg)?;
        // A turn anticlockwise takes the phase back by as many cycles as there are spokes.
        self.drifting(pattern, aperture, spokes.rotation_hz * f64::from(spokes.spokes))
    }

    pub(super) fn rings(&mut self, rings: &protocol::Rings) -> Result<Vec<Part>, SessionError> {
        let pattern = Pattern::Polar {
            rings_per_px: self.cycles_per_px(rings.sf_cpd)?,
            spokes: 0.0,
            phase: rings.phase_deg / 360.0,
            wave: wave(rings.carrier),
        };
        let aperture = self.disc(rings.diameter_deg, rings.edge_deg)?;
        self.drifting(pattern, aperture, rings.drift_hz)
    }

    pub(super) fn checkerboard(&mut self, board: &protocol::Checkerboard) -> Result<Vec<Part>, SessionError> {
        self.cycles_per_px(0.5 / board.check_deg)?;
        let check_px = [self.screen.size_px(board.check_deg); 2];
        let half_px = board.size_deg.map(|size| 0.5 * self.screen.size_px(size));
        let aperture = Aperture::new(Outline::Rectangle { half_px }, 0.0);
        let paint = self.direction(1.0)?;
        let element = self.element(Pattern::Checkerboard { check_px }, aperture, paint);
        let course = self.course()?;
        Ok(vec![Part::new(element.turned(board.orientation_deg.to_radians()), course)])
    }

    pub(super) fn radial_checkerboard(
        &mut self,
        board: &protocol::RadialCheckerboard,
    ) -> Result<Vec<Part>, SessionError> {
        let pattern = self.radial_checks(&board.rings, board.checks_around)?;
        let outline = Outline::Sector {
            inner_px: 0.5 * self.screen.size_px(board.inner_deg),
            outer_px: 0.5 * self.diameter_px(board.diameter_deg)?,
            middle_rad: 0.0,
            half_rad: TAU,
        };
        let element = self.element(pattern, Aperture::new(outline, 0.0), self.direction(1.0)?);
        let course = self.turning(board.rotation_hz)?;
        Ok(vec![Part::new(element, course)])
    }

    /// Checks in polar coordinates.
    pub(super) fn radial_checks(&self, rings: &CheckRings, around: u32) -> Result<Pattern, SessionError> {
        let (rings_per_px, rings_per_fold) = match *rings {
            CheckRings::Even { ring_deg } => (2.0 * self.cycles_per_px(0.5 / ring_deg)?, 0.0),
            CheckRings::Growing { rings_per_fold } => (0.0, rings_per_fold),
        };
        let checks_around = f64::from(around);
        Ok(Pattern::RadialCheckerboard { rings_per_px, from_px: 0.0, rings_per_fold, checks_around })
    }

    pub(super) fn dots(&mut self, dots: &protocol::Dots) -> Result<Vec<Part>, SessionError> {
        let half_px = 0.5 * self.diameter_px(dots.field_deg)?;
        let radius_px = 0.5 * self.screen.size_px(dots.dot_deg);
        let refresh_hz = self.screen.refresh_hz;
        let field = Field {
            half_px,
            // Dots vanish at the field's edge as a whole, so that they need no window.
            seen_px: half_px - radius_px,
            px_per_frame: dots.speed_deg_s * self.screen.px_per_deg / refresh_hz,
            direction_rad: dots.direction_deg.to_radians(),
            coherence: dots.coherence,
            lifetime_frames: (dots.lifetime_s * refresh_hz).round() as u32,
            seed: dots.seed,
        };
        if field.seen_px <= 0.0 {
            let reason =
                format!("dot_deg = {} is not smaller than field_deg = {}", dots.dot_deg, dots.field_deg);
            return Err(self.refuse(reason));
        }
        let paint = self.cover_or_direction()?;
        let course = self.course()?;
        let aperture = Aperture::new(Outline::Ellipse { radii_px: [radius_px; 2] }, 0.0);
        Ok((0..dots.count)
            .map(|index| {
                let element = self.element(Pattern::Uniform, aperture, paint);
                let motion = Motion::Dot(Dot { index, field });
                Part::new(element, Course { motion, ..course.clone() })
            })
            .collect())
    }

    pub(super) fn noise(&mut self, noise: &protocol::Noise) -> Result<Vec<Part>, SessionError> {
        let cell_px = self.whole_px("cell_deg", noise.cell_deg)?;
        // Whole cells on whole pixels.
        let cells =
            noise.size_deg.map(|deg| (self.screen.size_px(deg) / f64::from(cell_px)).round().max(1.0));
        let size_px = cells.map(|cells| cells as u32 * cell_px);
        let position = self.centres_px(&self.stimulus.look);
        if position.len() > 1 {
            return Err(self.refuse("noise cannot stand on a grid: one field of it is larger".into()));
        }
        let [mx, my] = self.middle_px();
        let left_px = (mx + position[0][0] - 0.5 * f64::from(size_px[0])).round();
        let top_px = (my + position[0][1] - 0.5 * f64::from(size_px[1])).round();
        let pattern = Pattern::Noise {
            left_px: left_px as i32,
            top_px: top_px as i32,
            cell_px,
            draw: match noise.draw {
                protocol::Draw::Uniform => Draw::Uniform,
                protocol::Draw::Binary => Draw::Binary,
                protocol::Draw::Gaussian(sd) => Draw::Gaussian { sd },
                protocol::Draw::Sparse(density) => Draw::Sparse { density },
            },
            seed: noise.seed,
        };
        let half_px = size_px.map(|size| 0.5 * f64::from(size));
        let mut element = self.element(pattern, Aperture::OPEN, self.direction(1.0)?).with_half_px(half_px);
        // The look's position is added when the scene is put together.
        element.place.center_px =
            [left_px + half_px[0] - position[0][0], top_px + half_px[1] - position[0][1]];
        let renewal =
            if noise.renew_hz > 0.0 { self.renewal(noise.renew_hz, 0, true)? } else { Renewal::Never };
        Ok(vec![Part::new(element, Course { renewal, ..self.course()? })])
    }

    pub(super) fn filtered_noise(
        &mut self,
        noise: &protocol::FilteredNoise,
    ) -> Result<Vec<Part>, SessionError> {
        let side_px = self.screen.size_px(noise.size_deg).round().max(1.0) as u32;
        let spectrum = match noise.spectrum {
            protocol::Spectrum::Band([low, high]) => {
                Spectrum::Band([self.screen.cycles_per_px(low), self.cycles_per_px(high)?])
            }
            protocol::Spectrum::Power(exponent) => Spectrum::Power(exponent),
        };
        let sheets = filtered(side_px, spectrum, noise.contrast_rms, noise.frames, u64::from(noise.seed));
        let sheets = sheets.ok_or_else(|| {
            self.refuse(format!("no spatial frequency of the band fits into {} deg", noise.size_deg))
        })?;
        let first = self.shared.sheets.values.len() as u32;
        self.shared.sheets.values.extend(sheets);
        let sheet = Sheet {
            source: Source::Place(first),
            width: side_px,
            height: side_px,
            texel_px: 1.0,
            between: Between::Nearest,
            transfer: Transfer::Linear,
        };
        let element = self.element(Pattern::Values(sheet), Aperture::OPEN, self.direction(1.0)?);
        let renewal = match noise.frames {
            1 => Renewal::Never,
            frames => self.renewal(noise.renew_hz, frames, true)?,
        };
        Ok(vec![Part::new(self.on_pixels(element), Course { renewal, ..self.course()? })])
    }

    // ------------------------------------------------------------------------------------------- what they share

    pub(super) fn disc(&self, diameter_deg: f64, edge_deg: f64) -> Result<Aperture, SessionError> {
        let outline = Outline::Ellipse { radii_px: [0.5 * self.diameter_px(diameter_deg)?; 2] };
        Ok(Aperture::new(outline, self.screen.size_px(edge_deg)))
    }

    fn drifting(
        &mut self,
        pattern: Pattern,
        aperture: Aperture,
        drift_hz: f64,
    ) -> Result<Vec<Part>, SessionError> {
        let element = self.element(pattern, aperture, self.direction(1.0)?);
        let course = self.drift(drift_hz)?;
        Ok(vec![Part::new(element, course)])
    }

    /// The look's course with a drift: a wave runs along its direction while its phase goes back.
    pub(super) fn drift(&mut self, drift_hz: f64) -> Result<Course, SessionError> {
        if drift_hz.abs() > self.screen.refresh_hz / LEAST_FRAMES_PER_CYCLE {
            return Err(self.refuse(format!(
                "a drift of {drift_hz} Hz has {:.2} frames per cycle at {} Hz, at least {LEAST_FRAMES_PER_CYCLE} are needed",
                self.screen.refresh_hz / drift_hz.abs(),
                self.screen.refresh_hz
            )));
        }
        Ok(Course { drift: -drift_hz / self.screen.refresh_hz, ..self.course()? })
    }

    pub(super) fn turning(&mut self, rotation_hz: f64) -> Result<Course, SessionError> {
        let cycles_per_frame = rotation_hz / self.screen.refresh_hz;
        let motion = if rotation_hz == 0.0 { Motion::Still } else { Motion::Turn { cycles_per_frame } };
        Ok(Course { motion, ..self.course()? })
    }

    /// A checkerboard bar that sweeps.
    pub(super) fn bar(&mut self, bar: &protocol::Bar) -> Result<Vec<Part>, SessionError> {
        self.cycles_per_px(0.5 / bar.check_deg)?;
        let px = |deg: f64| self.screen.size_px(deg);
        let half_px = [0.5 * px(bar.width_deg), 0.5 * px(bar.length_deg)];
        let angle = bar.direction_deg.to_radians();
        let travel_px = self.screen.offset_px(0.5 * bar.travel_deg);
        let frames = (bar.sweep_s * self.screen.refresh_hz).round().max(2.0);
        let along = [libm::cos(angle), -libm::sin(angle)];
        let step = 2.0 * travel_px / (frames - 1.0);
        let paint = self.direction(1.0)?;
        let aperture = Aperture::new(Outline::Rectangle { half_px }, 0.0);
        let pattern = Pattern::Checkerboard { check_px: [px(bar.check_deg); 2] };
        let mut element = self.element(pattern, aperture, paint).turned(angle);
        element.place.center_px[0] -= along[0] * travel_px;
        element.place.center_px[1] -= along[1] * travel_px;
        let motion = Motion::Linear { px_per_frame: along.map(|part| part * step), frames: frames as u64 };
        Ok(vec![Part::new(element, Course { motion, ..self.course()? })])
    }

    /// A wedge of checks that turns.
    pub(super) fn wedge(&mut self, wedge: &protocol::Wedge) -> Result<Vec<Part>, SessionError> {
        let outline = Outline::Sector {
            inner_px: 0.5 * self.screen.size_px(wedge.diameters_deg[0]),
            outer_px: 0.5 * self.diameter_px(wedge.diameters_deg[1])?,
            middle_rad: 0.0,
            half_rad: 0.5 * wedge.extent_deg.to_radians(),
        };
        let pattern = self.radial_checks(&wedge.rings, wedge.checks_around)?;
        let element = self.element(pattern, Aperture::new(outline, 0.0), self.direction(1.0)?);
        let course = self.turning(wedge.rotation_hz)?;
        Ok(vec![Part::new(element.turned(wedge.direction_deg.to_radians()), course)])
    }

    /// A disc that approaches.
    pub(super) fn looming(&mut self, looming: &protocol::Looming) -> Result<Vec<Part>, SessionError> {
        let refresh_hz = self.screen.refresh_hz;
        let outline = Outline::Ellipse { radii_px: [0.5 * self.screen.size_px(looming.diameter_deg); 2] };
        let element = self.element(Pattern::Uniform, Aperture::new(outline, 0.0), self.cover_or_direction()?);
        let motion = Motion::Loom {
            l_over_v_frames: looming.l_over_v_s * refresh_hz,
            collision_frames: looming.collision_s * refresh_hz,
            largest: libm::tan(0.5 * looming.diameter_deg.to_radians().min(FRAC_PI_2 * 1.99)),
        };
        Ok(vec![Part::new(element, Course { motion, ..self.course()? })])
    }
}

/// Fewest frames per cycle of something that drifts: with fewer it may seem to go the other way.
const LEAST_FRAMES_PER_CYCLE: f64 = 4.0;
