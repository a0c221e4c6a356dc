//! What the photosensitivity governor did not show as it was drawn, and what people did: two things that whoever sat beside the
//! screen asks first.

use std::collections::BTreeMap;

use recording::RecordedSession;
use serde::Serialize;
use stimulus::safety::flag;
use timeline::{Drawn, NoticeKind, s_from_ns};

/// What the governor did in a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Governed {
    /// Since the first turn, in s: when it first held a frame back.
    pub first_s: f64,
    /// The rules that would have been broken.
    pub rules: Vec<&'static str>,
    /// Frames on record that were not shown as they were drawn.
    pub frames: u64,
    /// The least part of the contrast around grey that it let through, of a frame that it did let through.
    pub least_gain: f64,
}

impl Governed {
    /// `None` where it stopped nothing.
    pub fn of(session: &RecordedSession) -> Option<Self> {
        let told: Vec<_> =
            session.notices.iter().filter(|notice| notice.kind == NoticeKind::Governed).collect();
        let first = told.first()?;
        let start_ns = session.turns.first().map_or(first.at_ns, |turn| turn.now_ns);
        let broken = told.iter().fold(0, |all, notice| all | notice.count);
        let rules = flag::NAMES.iter().enumerate().filter(|(bit, _)| broken >> bit & 1 == 1);
        let let_through = session.drawn.iter().filter(|drawn| drawn.shown == 0).map(|drawn| drawn.gain);
        let is_whole = |drawn: &&Drawn| drawn.shown == 0 && drawn.gain == Drawn::WHOLE;
        Some(Self {
            first_s: s_from_ns((first.at_ns - start_ns).max(0)),
            rules: rules.map(|(_, name)| *name).collect(),
            frames: (session.drawn.len() - session.drawn.iter().filter(is_whole).count()) as u64,
            least_gain: f64::from(let_through.min().unwrap_or(0)) / f64::from(Drawn::WHOLE),
        })
    }

    /// In words.
    pub fn describe(&self) -> String {
        let lowered = match self.least_gain {
            gain if gain < 1.0 && gain > 0.0 => format!(", contrast lowered to {gain:.2} of it at the least"),
            _ => String::new(),
        };
        format!(
            "held back {} frames from {:.3} s on: {}{lowered}",
            self.frames,
            self.first_s,
            self.rules.join(", ")
        )
    }
}

/// Attempts at trials by what came of them.
pub fn attempts(session: &RecordedSession) -> Option<BTreeMap<&'static str, u64>> {
    // How well somebody did may tell the arm.
    if crate::arms::is_blinded(session) {
        return None;
    }
    let mut outcomes = BTreeMap::new();
    for attempt in session.attempts.iter().filter(|attempt| attempt.condition.is_some()) {
        *outcomes.entry(attempt.outcome.name()).or_default() += 1;
    }
    (!outcomes.is_empty()).then_some(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_governor_did_is_said_in_words() {
        let mut governed =
            Governed { first_s: 0.25, rules: vec![flag::NAMES[0]], frames: 12, least_gain: 1.0 };
        assert_eq!(governed.describe(), "held back 12 frames from 0.250 s on: WCAG 2.2 general flash");
        governed.least_gain = 0.75;
        assert!(governed.describe().ends_with(", contrast lowered to 0.75 of it at the least"));
    }
}
