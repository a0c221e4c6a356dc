//! What a turn of the loop is handed and what it answers.

use arrayvec::ArrayVec;
use timeline::{
    Answer, Attempt, Attenuation, Command, Decision, Flip, Marker, Notice, Onset, Presentation, Reply,
    Request, Response, Score, State, Trial,
};

/// What a turn is handed; by default nothing came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// Index of the turn.
    pub turn: u64,
    /// Its instant.
    pub now_ns: i64,
    /// Whether the operator asked for the end.
    pub stop: bool,
    /// Whether the operator holds the dead-man key.
    pub held: bool,
    /// Flips that came since the turn before, oldest first.
    pub flips: &'a [Flip],
    /// Markers of all marker sources that came since the turn before, oldest first per source.
    pub markers: &'a [Marker],
    /// Per source, in the order of the plan (marker sources stay empty).
    pub sources: &'a [SourceInput<'a>],
    /// What the planner answered since the turn before, oldest first.
    pub answers: &'a [Answer],
    /// What a program outside replied since the turn before, oldest first.
    pub replies: &'a [Reply],
    /// What was pressed since the turn before, in the order in which it was taken.
    pub responses: &'a [Response],
    /// What the display told since the turn before of what the governor lets through, oldest first.
    pub attenuations: &'a [Attenuation],
}

/// One contiguous run of samples of one source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceInput<'a> {
    /// Samples passed over right before this run.
    pub skipped: u64,
    /// Index of the run's first sample.
    pub first_sample: u64,
    /// The source's stamps on this machine's clock, one per sample; empty when nothing came.
    pub at_ns: &'a [i64],
    /// Values, one row of channels per sample.
    pub values: &'a [f64],
}

impl SourceInput<'_> {
    /// Whole samples in the run: a caller that hands fewer values than stamps must not cause a panic.
    pub(crate) fn count(&self, channels: usize) -> usize {
        self.at_ns.len().min(self.values.len() / channels.max(1))
    }

    /// Whether one sample at least is made of numbers only.
    pub(crate) fn has_numbers(&self, channels: usize) -> bool {
        self.values.chunks_exact(channels.max(1)).any(|row| row.iter().all(|value| value.is_finite()))
    }
}

/// What a turn answers; cleared by [`crate::Loop::step`] at its entry.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// Decisions taken.
    pub decisions: ArrayVec<Decision, 32>,
    /// Presentations that began, or were left out, with the state that they met.
    pub onsets: ArrayVec<Onset, 4>,
    /// Commands to publish, oldest first; the display draws the last.
    pub commands: ArrayVec<Command, 8>,
    /// What is asked of the planner.
    pub requests: ArrayVec<Request, 2>,
    /// Presentations that are over.
    pub presentations: ArrayVec<Presentation, 2>,
    /// Trials that are over.
    pub trials: ArrayVec<Trial, 2>,
    /// Attempts that are over.
    pub attempts: ArrayVec<Attempt, 4>,
    /// Values scored against a baseline.
    pub scores: ArrayVec<Score, 32>,
    /// What a program outside is told.
    pub states: ArrayVec<State, 32>,
    /// What somebody should know of afterwards.
    pub notices: ArrayVec<Notice, 32>,
    /// The run is over and the screen is grey.
    pub finished: bool,
}

impl Outputs {
    pub(crate) fn clear(&mut self) {
        self.decisions.clear();
        self.commands.clear();
        self.onsets.clear();
        self.requests.clear();
        self.presentations.clear();
        self.trials.clear();
        self.scores.clear();
        self.attempts.clear();
        self.states.clear();
        self.notices.clear();
        self.finished = false;
    }
}
