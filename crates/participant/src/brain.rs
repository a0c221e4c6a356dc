//! The part of a participant that turns frames into a response, and the built-in one.

pub use crate::temporal::Drive;
use crate::{
    Person,
    eye::LocalContrast,
    participant::{PrepareError, Setup},
    temporal::{Course, FrameEnergy},
};
use timeline::NS_PER_S;

/// Turns the frames that a person sees into the drive of the response. A caller may hand in its own, for example one
/// around an encoding model.
///
/// Neither method may allocate, lock or fail. A call of `drive` uses only frames whose onset is at least `delay_ns`
/// before it.
pub trait Brain: Send {
    /// Takes the frame that was shown from `onset_ns`; frames come in order. `cells`: linear light 0..1, row-major.
    /// `false`: the frame cannot be used (another size, a number that is none) and has changed nothing.
    fn see(&mut self, onset_ns: i64, cells: &[f64]) -> bool;
    /// The drive at a sample; consecutive calls are one sample apart.
    fn drive(&mut self, at_ns: i64) -> Drive;
    /// Drives of further populations at the sample of the last call of [`Brain::drive`], each with a leadfield of its own; see
    /// [`crate::Participant::spread_over`].
    fn others(&self) -> &[Drive] {
        &[]
    }
    /// Least time from a photon to a sample that it moves.
    fn delay_ns(&self) -> i64;
    /// Back to the state after preparation.
    fn reset(&mut self);
}

/// The built-in brain: contrast energy, rectified, through a contrast response function (Naka-Rushton on the envelope,
/// as in the normalisation model of Heeger 1992), delayed and low-passed.
///
/// 1. [`LocalContrast`] gives the signed local contrasts of a frame.
/// 2. Each passes a first-order low-pass in time (`early_tau_s`), exact between frames. So a square reversal, whose
///    energy would be constant, dips at each reversal.
/// 3. The pooled energy loses the sign: contrast `c(t)`. Counterphase thereby responds at 2f.
/// 4. The envelope is the largest frame contrast of the last flicker cycle, smoothed over half a cycle. The drive is
///    `naka_rushton(envelope) * (c / peak)^rectification`, later by the latency.
/// 5. A high-pass at 2 Hz and two cortical low-passes (`late_tau_s`) follow. All is scaled so that the amplitude at the
///    response frequency of the declared flicker is `naka_rushton(envelope)`.
#[derive(Debug, Clone)]
pub struct ContrastResponse {
    eye: LocalContrast,
    course: Course,
    early_tau_s: f64,
    /// Contrasts of the frame on screen, as the eye sees them at once.
    held: Vec<f64>,
    /// The frame that comes next, until it proves usable.
    next: Vec<f64>,
    /// What the eye's low-pass made of all until the frame on screen began.
    eased: Vec<f64>,
    onset_ns: Option<i64>,
}

impl ContrastResponse {
    /// The brain of `person` in front of this screen.
    ///
    /// # Errors
    /// When the retina is too coarse for the grating, or the flicker cannot move this person.
    pub fn prepare(person: &Person, setup: &Setup) -> Result<Self, PrepareError> {
        let eye = LocalContrast::prepare(
            setup.retina_width,
            setup.retina_height,
            setup.cells_per_deg,
            setup.cells_per_cycle,
            setup.pixels_per_cell,
        )
        .ok_or(PrepareError::Retina {
            width: setup.retina_width,
            height: setup.retina_height,
            cells_per_deg: setup.cells_per_deg,
            cells_per_cycle: setup.cells_per_cycle,
        })?;
        let course = Course::prepare(person, setup.flicker, setup.refresh_hz, setup.rate_hz)
            .ok_or(PrepareError::NoResponse { hz: setup.flicker.response_hz(), name: person.name.clone() })?;
        let places = eye.len();
        Ok(Self {
            eye,
            course,
            early_tau_s: person.early_tau_s,
            held: vec![0.0; places],
            next: vec![0.0; places],
            eased: vec![0.0; places],
            onset_ns: None,
        })
    }

    /// Lets the low-pass run on under the old frame until `onset_ns`.
    fn ease(&mut self, onset_ns: i64) {
        let Some(before_ns) = self.onset_ns else { return };
        let left = libm::exp(-((onset_ns - before_ns).max(0) as f64 / NS_PER_S) / self.early_tau_s);
        for (eased, held) in self.eased.iter_mut().zip(&self.held) {
            *eased = held + (*eased - held) * left;
        }
    }
}

impl Brain for ContrastResponse {
    fn see(&mut self, onset_ns: i64, cells: &[f64]) -> bool {
        if !self.eye.see(cells, &mut self.next) || !self.next.iter().sum::<f64>().is_finite() {
            return false;
        }
        self.ease(onset_ns);
        core::mem::swap(&mut self.held, &mut self.next);
        if self.onset_ns.is_none() {
            self.eased.copy_from_slice(&self.held);
        }
        self.onset_ns = Some(onset_ns);
        let (mut held, mut fading, mut faded) = (0.0, 0.0, 0.0);
        for ((v, e), w) in self.held.iter().zip(&self.eased).zip(self.eye.weights()) {
            let left = e - v;
            held += w * v * v;
            fading += w * v * left;
            faded += w * left * left;
        }
        // Twice the mean square: the square of the Michelson contrast of a sinusoidal pattern.
        self.course
            .push(onset_ns, FrameEnergy { held: 2.0 * held, fading: 4.0 * fading, faded: 2.0 * faded });
        true
    }

    fn drive(&mut self, at_ns: i64) -> Drive {
        self.course.drive(at_ns)
    }

    fn delay_ns(&self) -> i64 {
        self.course.delay_ns()
    }

    fn reset(&mut self) {
        self.course.reset();
        self.onset_ns = None;
        self.held.fill(0.0);
        self.eased.fill(0.0);
    }
}

/// The part of a brain that is not ours: how strongly a population answers to a frame that stands still.
pub trait Population: Send {
    /// Part of the full drive, 0..1, for linear light 0..1 per retina cell, row-major.
    fn level(&mut self, cells: &[f64]) -> f64;
    /// Where each lies in the visual field, [x, y] in degrees with y up, where there are several; else empty.
    fn centres_deg(&self) -> &[[f64; 2]] {
        &[]
    }
    /// The same of each; `levels` has as many values as there are populations.
    fn levels(&mut self, cells: &[f64], levels: &mut [f64]) {
        let level = self.level(cells);
        levels.iter_mut().take(1).for_each(|first| *first = level);
    }
}

/// Any population as a brain: what it answers to a frame is the strength of the response, and the time course is that of
/// [`ContrastResponse`]. The strength is the largest of the last flicker cycle, smoothed over half a cycle, so that a
/// reversing picture counts by its best phase.
pub struct PopulationResponse {
    population: Box<dyn Population>,
    /// One per population.
    courses: Vec<Course>,
    /// Drives of all but the first at the last sample.
    others: Vec<Drive>,
    early_tau_s: f64,
    held: Vec<f64>,
    eased: Vec<f64>,
    onset_ns: Option<i64>,
    /// Frames that were answered to, with the level of each population, oldest replaced first: a flicker shows few frames
    /// again and again.
    known: Vec<(Vec<f64>, Vec<f64>)>,
    next_known: usize,
}

/// Different frames of one flicker cycle that are remembered; a ramp of contrast has more, and costs more.
const KNOWN: usize = 32;

impl PopulationResponse {
    /// The brain of `person` with another population.
    ///
    /// # Errors
    /// When the flicker cannot move this person.
    pub fn prepare(
        person: &Person,
        setup: &Setup,
        population: Box<dyn Population>,
    ) -> Result<Self, PrepareError> {
        let course = Course::prepare_told(person, setup.flicker, setup.refresh_hz, setup.rate_hz)
            .ok_or(PrepareError::NoResponse { hz: setup.flicker.response_hz(), name: person.name.clone() })?;
        let cells = setup.retina_width * setup.retina_height;
        let count = population.centres_deg().len().max(1);
        Ok(Self {
            population,
            courses: vec![course; count],
            others: vec![Drive::default(); count - 1],
            early_tau_s: person.early_tau_s,
            held: vec![0.0; cells],
            eased: vec![0.0; cells],
            onset_ns: None,
            known: vec![(vec![f64::NAN; cells], vec![0.0; count]); KNOWN],
            next_known: 0,
        })
    }

    /// Which of [`PopulationResponse::known`] has the levels for these cells.
    fn known(&mut self, cells: &[f64]) -> usize {
        if let Some(at) = self.known.iter().position(|(known, _)| known == cells) {
            return at;
        }
        let at = self.next_known;
        let (known, levels) = &mut self.known[at];
        known.copy_from_slice(cells);
        self.population.levels(cells, levels);
        levels.iter_mut().for_each(|level| *level = level.clamp(0.0, 1.0));
        self.next_known = (at + 1) % KNOWN;
        at
    }
}

impl Brain for PopulationResponse {
    fn see(&mut self, onset_ns: i64, cells: &[f64]) -> bool {
        if cells.len() != self.held.len() || !cells.iter().sum::<f64>().is_finite() {
            return false;
        }
        if let Some(before_ns) = self.onset_ns {
            let left = libm::exp(-((onset_ns - before_ns).max(0) as f64 / NS_PER_S) / self.early_tau_s);
            for (eased, held) in self.eased.iter_mut().zip(&self.held) {
                *eased = held + (*eased - held) * left;
            }
        }
        for (held, light) in self.held.iter_mut().zip(cells) {
            *held = 2.0 * light - 1.0;
        }
        if self.onset_ns.replace(onset_ns).is_none() {
            self.eased.copy_from_slice(&self.held);
        }
        let (mut held, mut fading, mut faded) = (0.0, 0.0, 0.0);
        for (v, e) in self.held.iter().zip(&self.eased) {
            let left = e - v;
            held += v * v;
            fading += v * left;
            faded += left * left;
        }
        let share = 2.0 / cells.len() as f64;
        let energy = FrameEnergy { held: share * held, fading: 2.0 * share * fading, faded: share * faded };
        let known = self.known(cells);
        for (course, &level) in self.courses.iter_mut().zip(&self.known[known].1) {
            course.push_told(onset_ns, energy, level);
        }
        true
    }

    fn drive(&mut self, at_ns: i64) -> Drive {
        let mut courses = self.courses.iter_mut();
        let first = courses.next().map_or_else(Drive::default, |course| course.drive(at_ns));
        self.others.iter_mut().zip(courses).for_each(|(drive, course)| *drive = course.drive(at_ns));
        first
    }

    fn others(&self) -> &[Drive] {
        &self.others
    }

    fn delay_ns(&self) -> i64 {
        self.courses.first().map_or(0, Course::delay_ns)
    }

    fn reset(&mut self) {
        self.courses.iter_mut().for_each(Course::reset);
        self.others.fill(Drive::default());
        self.onset_ns = None;
        self.held.fill(0.0);
        self.eased.fill(0.0);
    }
}
