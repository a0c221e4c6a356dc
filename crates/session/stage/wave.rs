//! Waves, checks, dots and noise.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use protocol::{Carrier, CheckRings};
use stimulus::dots::{Dot, Field};
use stimulus::element::{Aperture, Course, Draw, Motion, Outline, Pattern, Renewal, Wave};
use stimulus::noise::{Spectrum, filtered};
use stimulus::sheet::{Between, Sheet, Source, Transfer};

use super::{LEAST_PX_PER_CYCLE, Lowering, Part};
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
        let rim_px = PI * self.diameter_px(spokes.diameter_deg)? / f64::from(spokes.spokes);
        if rim_px < LEAST_PX_PER_CYCLE {
            return Err(self.refuse(format!(
                "spokes = {} have {rim_px:.2} px each at the rim of diameter_deg = {}, at least {LEAST_PX_PER_CYCLE} are needed: \
                 at most {:.0} spokes",
                spokes.spokes,
                spokes.diameter_deg,
                (rim_px * f64::from(spokes.spokes) / LEAST_PX_PER_CYCLE).floor()
            )));
        }
        self.turns_slowly(spokes.rotation_hz, f64::from(spokes.spokes))?;
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
        self.check_carries("check_deg", board.check_deg)?;
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
        let outer_px = 0.5 * self.diameter_px(board.diameter_deg)?;
        let pattern = self.radial_checks(&board.rings, board.checks_around, outer_px)?;
        let outline = Outline::Sector {
            inner_px: 0.5 * self.screen.size_px(board.inner_deg),
            outer_px,
            middle_rad: 0.0,
            half_rad: TAU,
        };
        let element = self.element(pattern, Aperture::new(outline, 0.0), self.direction(1.0)?);
        let course = self.turning(board.rotation_hz, 0.5 * f64::from(board.checks_around))?;
        Ok(vec![Part::new(element, course)])
    }

    /// Checks in polar coordinates, out to a radius: there at least they are large enough.
    pub(super) fn radial_checks(
        &self,
        rings: &CheckRings,
        around: u32,
        outer_px: f64,
    ) -> Result<Pattern, SessionError> {
        let (rings_per_px, rings_per_fold) = match *rings {
            CheckRings::Even { ring_deg } => {
                self.check_carries("ring_deg", ring_deg)?;
                (self.screen.cycles_per_px(1.0 / ring_deg), 0.0)
            }
            CheckRings::Growing { rings_per_fold } => {
                let outermost_px = outer_px * (1.0 - libm::exp(-1.0 / rings_per_fold));
                self.check_has(&format!("rings_per_fold = {rings_per_fold}"), outermost_px)?;
                (0.0, rings_per_fold)
            }
        };
        self.check_has(&format!("checks_around = {around}"), TAU * outer_px / f64::from(around))?;
        let checks_around = f64::from(around);
        Ok(Pattern::RadialCheckerboard { rings_per_px, from_px: 0.0, rings_per_fold, checks_around })
    }

    /// A check of this side is large enough for the screen.
    fn check_carries(&self, key: &str, check_deg: f64) -> Result<(), SessionError> {
        self.check_has(&format!("{key} = {check_deg}"), self.screen.px_per_deg * check_deg)
    }

    /// What makes checks of so many px, where they are largest.
    pub(super) fn check_has(&self, what: &str, check_px: f64) -> Result<(), SessionError> {
        // The two sides may have been reckoned on different ways.
        if check_px < LEAST_PX_PER_CHECK * (1.0 - 1e-9) {
            return Err(self.refuse(format!(
                "{what}: a check has {check_px:.2} px on this screen, at least {LEAST_PX_PER_CHECK} are needed"
            )));
        }
        Ok(())
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
        let texels = u64::from(side_px).pow(2) * u64::from(noise.frames);
        if texels > MOST_NOISE {
            return Err(self.refuse(format!(
                "size_deg = {} is {side_px} px, and {} frames of that are {texels} values: at most {MOST_NOISE} are allowed",
                noise.size_deg, noise.frames
            )));
        }
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
                "drift_hz = {drift_hz} has {:.2} frames per cycle at {} Hz, at least {LEAST_FRAMES_PER_CYCLE} are needed",
                self.screen.refresh_hz / drift_hz.abs(),
                self.screen.refresh_hz
            )));
        }
        Ok(Course { drift: -drift_hz / self.screen.refresh_hz, ..self.course()? })
    }

    /// A pattern that looks the same so many times in a turn must not seem to turn the other way.
    fn turns_slowly(&self, rotation_hz: f64, alike_per_turn: f64) -> Result<(), SessionError> {
        let refresh_hz = self.screen.refresh_hz;
        let cycles_hz = rotation_hz.abs() * alike_per_turn;
        if cycles_hz > refresh_hz / LEAST_FRAMES_PER_CYCLE {
            return Err(self.refuse(format!(
                "rotation_hz = {rotation_hz} takes a pattern that is the same {alike_per_turn} times around through {:.2} frames per \
                 cycle at {refresh_hz} Hz, at least {LEAST_FRAMES_PER_CYCLE} are needed: at most {:.4} turns per second",
                refresh_hz / cycles_hz,
                refresh_hz / LEAST_FRAMES_PER_CYCLE / alike_per_turn
            )));
        }
        Ok(())
    }

    pub(super) fn turning(&mut self, rotation_hz: f64, alike_per_turn: f64) -> Result<Course, SessionError> {
        self.turns_slowly(rotation_hz, alike_per_turn)?;
        let cycles_per_frame = rotation_hz / self.screen.refresh_hz;
        let motion = if rotation_hz == 0.0 { Motion::Still } else { Motion::Turn { cycles_per_frame } };
        Ok(Course { motion, ..self.course()? })
    }

    /// A checkerboard bar that sweeps.
    pub(super) fn bar(&mut self, bar: &protocol::Bar) -> Result<Vec<Part>, SessionError> {
        self.check_carries("check_deg", bar.check_deg)?;
        let px = |deg: f64| self.screen.size_px(deg);
        let half_px = [0.5 * px(bar.width_deg), 0.5 * px(bar.length_deg)];
        let angle = bar.direction_deg.to_radians();
        let travel_px = self.screen.offset_px(0.5 * bar.travel_deg);
        let frames = (bar.sweep_s * self.screen.refresh_hz).round().max(2.0);
        let along = [libm::cos(angle), -libm::sin(angle)];
        let step = 2.0 * travel_px / (frames - 1.0);
        if step > 2.0 * half_px[0] {
            return Err(self.refuse(format!(
                "sweep_s = {}: with travel_deg = {} the bar goes {step:.1} px per refresh and is {:.1} px wide, so that it would \
                 leave places out",
                bar.sweep_s,
                bar.travel_deg,
                2.0 * half_px[0]
            )));
        }
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
        let outer_px = 0.5 * self.diameter_px(wedge.diameters_deg[1])?;
        let outline = Outline::Sector {
            inner_px: 0.5 * self.screen.size_px(wedge.diameters_deg[0]),
            outer_px,
            middle_rad: 0.0,
            half_rad: 0.5 * wedge.extent_deg.to_radians(),
        };
        let pattern = self.radial_checks(&wedge.rings, wedge.checks_around, outer_px)?;
        let element = self.element(pattern, Aperture::new(outline, 0.0), self.direction(1.0)?);
        let course = self.turning(wedge.rotation_hz, 0.5 * f64::from(wedge.checks_around))?;
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

/// Smallest side of a check.
const LEAST_PX_PER_CHECK: f64 = 2.0;

/// Most values of filtered noise, all its frames together: a quarter of a gigabyte.
const MOST_NOISE: u64 = 1 << 26;
