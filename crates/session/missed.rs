//! Frames that were not seen when they should have been, joined to the blocks, trials and presentations in which that was.

use recording::RecordedSession;
use serde::Serialize;
use timeline::Flip;

use crate::report::{Block, Span};

/// What went wrong with the frames of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Faults {
    /// Refreshes that showed an old frame again.
    pub missed: u64,
    /// Frames that were seen at another refresh than the one that they were drawn for.
    pub late: u64,
    /// Frames that another replaced in the same refresh, so that nobody saw them.
    pub replaced: u64,
}

impl Faults {
    /// Whether every frame was seen when it should have been.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A stretch of time by its name or number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Faulty<T> {
    /// Which.
    pub which: T,
    /// What went wrong in it.
    #[serde(flatten)]
    pub faults: Faults,
}

/// The faults of a session's frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Of the whole session.
    #[serde(flatten)]
    pub all: Faults,
    /// Of every block, in the order in which they ran.
    pub blocks: Vec<Faulty<String>>,
    /// Of the trials that have any, by their index.
    pub trials: Vec<Faulty<u64>>,
    /// Of the presentations of pictures that have any, by their index.
    pub presentations: Vec<Faulty<u64>>,
}

/// The instants at which something went wrong, each list rising.
struct Instants {
    missed_ns: Vec<i64>,
    late_ns: Vec<i64>,
    replaced_ns: Vec<i64>,
}

impl Missed {
    /// Joins the session's flips to what was shown.
    pub fn of(session: &RecordedSession, blocks: &[Block]) -> Self {
        let instants = Instants::of(&session.flips);
        let within = |start_ns, end_ns| instants.within(&Span { start_ns, end_ns });
        let faulty = |which, faults: Faults| (!faults.is_none()).then_some(Faulty { which, faults });
        let named =
            |block: &Block| Faulty { which: block.name.clone(), faults: instants.within(&block.span) };
        Self {
            all: within(i64::MIN, i64::MAX),
            blocks: blocks.iter().map(named).collect(),
            trials: session
                .trials
                .iter()
                .filter_map(|trial| faulty(trial.index, within(trial.begin_ns, trial.end_ns)))
                .collect(),
            presentations: session
                .presentations
                .iter()
                .filter_map(|shown| faulty(shown.index, within(shown.begin_ns, shown.end_ns)))
                .collect(),
        }
    }
}

impl Instants {
    fn of(flips: &[Flip]) -> Self {
        let mut missed_ns = Vec::new();
        for pair in flips.windows(2) {
            // The refreshes that should have shown the newer flip, or one between the two.
            let (from_ns, to_ns) = (pair[0].onset_ns, pair[1].onset_ns);
            let count = i64::from(pair[1].missed);
            missed_ns.extend((1..=count).map(|n| from_ns + (to_ns - from_ns) / (count + 1) * n));
        }
        let onsets = |wanted: fn(&Flip) -> bool| {
            flips.iter().filter(|flip| wanted(flip)).map(|flip| flip.onset_ns).collect()
        };
        Self { missed_ns, late_ns: onsets(|flip| flip.late != 0), replaced_ns: onsets(|flip| flip.replaces) }
    }

    fn within(&self, span: &Span) -> Faults {
        let count = |instants: &[i64]| {
            let before = |at_ns: i64| instants.partition_point(|&instant| instant < at_ns);
            before(span.end_ns).saturating_sub(before(span.start_ns)) as u64
        };
        Faults {
            missed: count(&self.missed_ns),
            late: count(&self.late_ns),
            replaced: count(&self.replaced_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::{OnsetClass, SceneId};

    #[test]
    fn a_missed_refresh_counts_where_it_was() {
        let flip = |frame: u64, missed, late, replaces| Flip {
            frame,
            onset_ns: 1_000 + 10 * frame as i64,
            class: OnsetClass::Predicted,
            submitted_ns: 0,
            command: None,
            scene: SceneId::GREY,
            contrast: 0.0,
            veil: 1.0,
            missed,
            late,
            replaces,
            gaze: None,
        };
        // Refreshes 3, 4 and 5 showed frame 2 again; frame 6 was drawn for 3; two frames came at 7.
        let flips = [
            flip(0, 0, 0, false),
            flip(1, 0, 0, false),
            flip(2, 0, 0, false),
            flip(6, 3, 3, false),
            flip(7, 0, 0, false),
            flip(7, 0, -1, true),
        ];
        let instants = Instants::of(&flips);
        assert_eq!(instants.missed_ns, [1_030, 1_040, 1_050]);
        let within = |start_ns, end_ns| instants.within(&Span { start_ns, end_ns });
        assert_eq!(within(i64::MIN, i64::MAX), Faults { missed: 3, late: 2, replaced: 1 });
        assert_eq!(within(1_000, 1_035), Faults { missed: 1, late: 0, replaced: 0 });
        assert_eq!(within(1_035, 1_065), Faults { missed: 2, late: 1, replaced: 0 });
        assert_eq!(within(1_070, 1_071), Faults { missed: 0, late: 1, replaced: 1 });
        assert!(within(1_000, 1_030).is_none());
    }
}
