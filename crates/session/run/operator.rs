//! The operator's dead-man key: from the window's events, or, where there is no window, from a script.

use std::str::FromStr;
use std::sync::Arc;

use display::interlock::{Key, KeyState};
use timeline::ns_from_s;

use super::display_mode;
use crate::cli::{ClockMode, DisplayMode, RunArgs};
use crate::error::SessionError;
use crate::experiment::Experiment;

/// Spans of time in which the key is held, in ns since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSpans(Vec<(i64, i64)>);

impl FromStr for HeldSpans {
    type Err = String;

    /// `0-10,12.5-20`: seconds, each span with its begin and its end.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let spans = text.split(',').map(|span| {
            let (from, to) = span.split_once('-')?;
            let (from_s, to_s) = (from.trim().parse::<f64>().ok()?, to.trim().parse::<f64>().ok()?);
            (from_s >= 0.0 && to_s > from_s && to_s < 1e9).then(|| (ns_from_s(from_s), ns_from_s(to_s)))
        });
        let spans: Option<Vec<_>> = spans.collect();
        spans.map(Self).ok_or_else(|| format!("`{text}`: spans in s are wanted, as in 0-10,12.5-20"))
    }
}

/// Where the loop learns whether the key is held.
#[derive(Debug, Clone)]
pub enum Operator {
    /// The protocol wants no key.
    None,
    /// The window's.
    Key(Arc<KeyState>),
    /// Nobody: a script.
    Script(HeldSpans),
}

impl Operator {
    /// Whether the key that the protocol wants can be held at all.
    ///
    /// # Errors
    /// Without a window and without a script, or with a script where a person could sit before a window.
    pub fn check(experiment: &Experiment, args: &RunArgs) -> Result<(), SessionError> {
        let text = match (dead_man(experiment).is_some(), has_window(args), &args.held) {
            (true, false, None) => {
                "limits.dead_man: a key can be held in a window only; without one, --held SPANS says when it is held"
            }
            (_, true, Some(_)) => "--held: in a window the dead-man key is the operator's",
            (false, _, Some(_)) => "--held: the protocol has no limits.dead_man",
            _ => return Ok(()),
        };
        Err(SessionError::Usage(text.into()))
    }

    /// The loop's side, and what the display needs to know of the key.
    pub fn seat(experiment: &Experiment, args: &RunArgs) -> (Self, Option<(Key, Arc<KeyState>)>) {
        let Some(key) = dead_man(experiment) else { return (Self::None, None) };
        if let Some(spans) = &args.held {
            return (Self::Script(spans.clone()), None);
        }
        let state = Arc::new(KeyState::default());
        (Self::Key(Arc::clone(&state)), Some((key, state)))
    }

    /// Whether it is held, `since_ns` after the start.
    pub fn held(&self, since_ns: i64) -> bool {
        match self {
            Self::None => false,
            Self::Key(state) => state.held(),
            Self::Script(HeldSpans(spans)) => {
                spans.iter().any(|&(from_ns, to_ns)| (from_ns..to_ns).contains(&since_ns))
            }
        }
    }
}

fn dead_man(experiment: &Experiment) -> Option<Key> {
    let dead_man = experiment.protocol.limits.as_ref()?.dead_man.as_ref()?;
    Some(match dead_man.key {
        protocol::Key::Space => Key::Space,
        protocol::Key::Enter => Key::Enter,
    })
}

fn has_window(args: &RunArgs) -> bool {
    args.clock == ClockMode::Live && display_mode(args) != DisplayMode::Offscreen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_or_refused() {
        let operator = Operator::Script("0-1.5, 2-3".parse().unwrap());
        let held: Vec<bool> = [0, 1_499_999_999, 1_500_000_000, 2_000_000_000, 3_000_000_000]
            .into_iter()
            .map(|since_ns| operator.held(since_ns))
            .collect();
        assert_eq!(held, [true, true, false, true, false]);
        for wrong in ["", "1", "2-1", "a-b", "-1-2", "0-nan"] {
            assert!(wrong.parse::<HeldSpans>().is_err(), "{wrong}");
        }
    }
}
