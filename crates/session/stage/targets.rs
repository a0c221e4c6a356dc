//! What flickers and codes of a scene really are on the screen: their spectra, and how far they lie apart.

use stimulus::element::{Course, Modulation};
use stimulus::separation::{Pair, Target};
use stimulus::{Moment, Realised, Scene, SeparationError, Spectrum, separate};

/// Targets of one scene are compared over this long from their onset, or over a code's period where that is longer.
const COMPARED_S: f64 = 2.0;

/// Longest course that is looked at, in frames.
const MOST_FRAMES: u64 = 100_000;

/// What the targets of a scene come to; a scene without any has an empty list.
#[derive(Default)]
pub struct Targets {
    /// One per course that flickers or follows a code.
    pub targets: Vec<Target>,
    /// Refresh rate in Hz.
    refresh_hz: f64,
}

impl Targets {
    /// Those of a scene.
    pub fn of(scene: &Scene, refresh_hz: f64) -> Self {
        let courses = scene.courses.iter().filter_map(|course| Some((course, period_frames(course)?)));
        let targets = courses.enumerate().map(|(place, (course, frames))| Target {
            name: format!("{}", place + 1),
            levels: levels(course, frames.min(MOST_FRAMES)),
            frequency_hz: course.flicker().map(stimulus::Flicker::frequency_hz),
        });
        Self { targets: targets.collect(), refresh_hz }
    }

    /// The same with one for all neighbours that show the same, as dots do: `1 to 100`.
    #[must_use]
    pub fn alike(self) -> Self {
        let mut targets: Vec<(Target, Option<String>)> = Vec::new();
        for target in self.targets {
            match targets.last_mut() {
                Some((first, last)) if first.levels == target.levels => *last = Some(target.name),
                _ => targets.push((target, None)),
            }
        }
        let named = |(target, last): (Target, Option<String>)| match last {
            Some(last) => Target { name: format!("{} to {last}", target.name), ..target },
            None => target,
        };
        Self { targets: targets.into_iter().map(named).collect(), ..self }
    }

    /// Whether one of these shows the same as one of those: then over how many frames they were compared.
    pub fn shares_one_with(&self, others: &Self) -> Option<usize> {
        let pairs = self.targets.iter().flat_map(|one| others.targets.iter().map(move |other| [one, other]));
        pairs
            .map(|pair| Self { targets: pair.map(Clone::clone).to_vec(), refresh_hz: self.refresh_hz })
            .find_map(|pair| match pair.separation() {
                Err(SeparationError::Same { window_frames, .. }) => Some(window_frames),
                _ => None,
            })
    }

    /// The realised spectrum of each, in their order; none where nothing changes.
    pub fn spectra(&self) -> impl Iterator<Item = (&Target, Option<Realised>)> {
        self.targets.iter().map(|target| {
            let spectrum = Spectrum::of(&target.levels, self.refresh_hz);
            (target, spectrum.ok().and_then(|spectrum| spectrum.realised(target.frequency_hz).ok()))
        })
    }

    /// How far each pair lies apart.
    ///
    /// # Errors
    /// When two show the same.
    pub fn separation(&self) -> Result<Vec<Pair>, SeparationError> {
        if self.targets.len() < 2 {
            return Ok(Vec::new());
        }
        let longest = self.targets.iter().filter(|target| target.frequency_hz.is_none());
        let longest = longest.map(|target| target.levels.len()).max().unwrap_or(0);
        let window = ((COMPARED_S * self.refresh_hz).round() as usize).max(longest);
        separate(&self.targets, window, 0)
    }
}

/// The two pairs that say how well targets can be told apart: nearest by their levels, most alike by correlation.
pub fn closest(pairs: &[Pair]) -> Option<(Pair, Pair)> {
    let near = pairs.iter().min_by(|one, other| one.distance.total_cmp(&other.distance))?;
    let alike =
        pairs.iter().max_by(|one, other| one.correlation.abs().total_cmp(&other.correlation.abs()))?;
    Some((*near, *alike))
}

/// Frames after which a course that flickers or follows a code repeats.
fn period_frames(course: &Course) -> Option<u64> {
    match &course.modulation {
        Modulation::Flicker(flicker) | Modulation::OnsetFlicker(flicker) => {
            Some(flicker.cycles_per_frame().1)
        }
        Modulation::Code { code, .. } => Some(code.period_frames()),
        Modulation::Steady => None,
    }
}

/// Light about the mean, 0..=1 for a full range.
fn levels(course: &Course, frames: u64) -> Vec<f64> {
    (0..frames).map(|frame| 0.5 * (1.0 + course.modulation.at(&Moment::new(frame, 1.0)))).collect()
}
