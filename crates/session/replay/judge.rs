//! What a replay puts out, against what was recorded.

use std::fmt::Write as _;

use closedloop::Outputs;
use recording::RecordedSession;
use timeline::{Attempt, Command, Decision, Onset, Row, Score, State, Trial, Turn, s_from_ns};

use super::Replayed;

/// Records of one kind: what the session has of them, and how far the replay has come in it.
struct Compared<'a, T> {
    what: &'static str,
    recorded: &'a [T],
    seen: usize,
    /// Turn and index of a record.
    number: fn(&T) -> (u64, u64),
    /// What else says which one it is.
    detail: fn(&T) -> String,
}

impl<'a, T: Row> Compared<'a, T> {
    fn of(what: &'static str, recorded: &'a [T], number: fn(&T) -> (u64, u64)) -> Self {
        Self { what, recorded, seen: 0, number, detail: |_| String::new() }
    }

    /// The first difference in what a turn put out.
    fn compare(&mut self, replayed: &[T], is_closed: bool) -> Option<String> {
        for record in replayed {
            let (turn, index) = (self.number)(record);
            let place = || format!("{} {index} of turn {turn}{}", self.what, (self.detail)(record));
            match self.recorded.get(self.seen) {
                Some(recorded) => {
                    if let Some(difference) = difference(recorded, record) {
                        return Some(format!("{}: {difference}", place()));
                    }
                    self.seen += 1;
                }
                None if is_closed => return Some(format!("{}: replayed, but not recorded", place())),
                // The tail of a torn recording may hold a turn but not yet its outputs.
                None => {}
            }
        }
        None
    }

    /// What was recorded before this turn, but not replayed.
    fn lacks(&self, turns_end: u64) -> Option<String> {
        let all = self.recorded.partition_point(|record| (self.number)(record).0 < turns_end);
        let (what, seen) = (self.what, self.seen);
        (seen < all).then(|| format!("{what} {seen} of {all} was recorded, but not replayed"))
    }
}

/// Compares what comes out with what was recorded.
pub(super) struct Judge<'a> {
    decisions: Compared<'a, Decision>,
    onsets: Compared<'a, Onset>,
    states: Compared<'a, State>,
    trials: Compared<'a, Trial>,
    attempts: Compared<'a, Attempt>,
    scores: Compared<'a, Score>,
    commands: Compared<'a, Command>,
    /// Turns that were run.
    pub(super) turns: u64,
    /// What is not repeated, because it is sealed.
    pub(super) sealed: Option<String>,
    /// What the recording lacks at its end.
    pub(super) ends_early: Option<String>,
    session: &'a RecordedSession,
    /// Whether only what is decided counts, not when, and nothing else.
    content_only: bool,
    difference: Option<String>,
}

impl<'a> Judge<'a> {
    /// Of everything that a turn puts out.
    pub(super) fn of(session: &'a RecordedSession) -> Self {
        let samples =
            |decision: &Decision| format!(" (samples {}..{})", decision.first_sample, decision.end_sample);
        let decisions = Compared::of("decision", &session.decisions, |row| (row.turn, row.index));
        Self {
            decisions: Compared { detail: samples, ..decisions },
            onsets: Compared::of("onset", &session.onsets, |row| (row.turn, row.index)),
            states: Compared::of("state", &session.states, |row| (row.turn, row.index)),
            trials: Compared::of("trial", &session.trials, |row| (row.turn, row.index)),
            attempts: Compared::of("attempt", &session.attempts, |row| (row.turn, row.index)),
            scores: Compared::of("score", &session.scores, |row| (row.turn, row.index)),
            commands: Compared::of("command", &session.commands, |row| (row.turn, row.index)),
            turns: 0,
            sealed: None,
            ends_early: None,
            session,
            content_only: false,
            difference: None,
        }
    }

    /// Of what is decided, whatever the turns.
    pub(super) fn of_content(session: &'a RecordedSession) -> Self {
        Self { content_only: true, ..Self::of(session) }
    }

    /// `false` at the first difference.
    pub(super) fn compare(&mut self, outputs: &Outputs) -> bool {
        self.difference = if self.content_only { self.content_of(outputs) } else { self.all_of(outputs) };
        self.difference.is_none()
    }

    fn all_of(&mut self, outputs: &Outputs) -> Option<String> {
        let is_closed = self.session.is_closed;
        (self.decisions.compare(&outputs.decisions, is_closed))
            .or_else(|| self.onsets.compare(&outputs.onsets, is_closed))
            .or_else(|| self.states.compare(&outputs.states, is_closed))
            .or_else(|| self.trials.compare(&outputs.trials, is_closed))
            .or_else(|| self.attempts.compare(&outputs.attempts, is_closed))
            .or_else(|| self.scores.compare(&outputs.scores, is_closed))
            .or_else(|| self.commands.compare(&outputs.commands, is_closed))
    }

    fn content_of(&mut self, outputs: &Outputs) -> Option<String> {
        let timeless = |decision: &Decision| Decision { turn: 0, decided_ns: 0, ..*decision };
        for decision in &outputs.decisions {
            let Some(recorded) = self.decisions.recorded.get(self.decisions.seen) else {
                // The live session ended before this epoch was complete.
                break;
            };
            if let Some(difference) = difference(&timeless(recorded), &timeless(decision)) {
                let samples = (self.decisions.detail)(decision);
                return Some(format!("decision {}{samples}: {difference}", decision.index));
            }
            self.decisions.seen += 1;
        }
        None
    }

    /// What was recorded, but not replayed.
    fn lacks(&self) -> Option<String> {
        // A recording torn between a turn's outputs and the turn itself holds outputs of a turn that it does not have.
        let last = self.session.turns.last().map_or(0, |turn| turn.index + 1);
        let turns_end = if self.session.is_closed { u64::MAX } else { last };
        let decisions = self.decisions.lacks(turns_end);
        if self.content_only {
            return decisions;
        }
        (self.states.lacks(turns_end))
            .or_else(|| self.trials.lacks(turns_end))
            .or_else(|| self.attempts.lacks(turns_end))
            .or_else(|| self.scores.lacks(turns_end))
            .or_else(|| self.onsets.lacks(turns_end))
            .or(decisions)
            .or_else(|| self.commands.lacks(turns_end))
    }

    pub(super) fn verdict(self) -> Replayed {
        let lacks = if self.ends_early.is_none() { self.lacks() } else { None };
        let difference = self.difference.or(lacks);
        let turns = &self.session.turns;
        let span = |(first, last): (&Turn, &Turn)| s_from_ns(last.now_ns - first.now_ns);
        Replayed {
            turns: self.turns,
            decisions: self.decisions.seen,
            commands: self.commands.seen,
            session_s: turns.first().zip(turns.last()).map_or(0.0, span),
            identical: difference.is_none(),
            first_difference: difference,
            sealed: self.sealed,
            ends_early: self.ends_early,
        }
    }
}

/// The first column in which two records differ.
fn difference<T: Row>(recorded: &T, replayed: &T) -> Option<String> {
    let (was, is) = (columns(recorded), columns(replayed));
    let column = was.iter().zip(&is).position(|(was, is)| was != is)?;
    let name = T::COLUMNS.get(column).copied().unwrap_or("?");
    let mut text = format!("`{name}` was recorded as {}, replayed as {}", was[column], is[column]);
    if name.ends_with("_f64") {
        let value = |bits: i64| f64::from_bits(bits as u64);
        let _ = write!(text, " ({:?} and {:?})", value(was[column]), value(is[column]));
    }
    Some(text)
}

fn columns(record: &impl Row) -> Vec<i64> {
    let mut row = Vec::new();
    record.write(&mut |value| row.push(value));
    row
}
