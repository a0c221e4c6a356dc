//! Another decoder on recorded samples: the recorded turns through a loop with that decoder, and what it would have said.
//! The screen stays as it was, so this answers what a decoder makes of these samples, not what it would have led to.

use closedloop::{Loop, Outputs};
use recording::RecordedSession;
use serde::Serialize;
use timeline::Decision;

use super::Other;
use crate::error::SessionError;
use crate::replay::{Cursor, Tracks};
use crate::summary::Summary;

/// Decisions of the recorded decoder or of the other one.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    /// `recorded`, or `recomputed on the recorded samples`.
    pub source: &'static str,
    /// How many.
    pub decisions: usize,
    /// Mean absolute distance from the set point.
    pub measured_error_uv: Option<f64>,
    /// Mean of the stated standard errors.
    pub mean_spread: Option<f64>,
    /// Part of the cued decisions that were right.
    pub accuracy: Option<f64>,
    /// The decisions themselves.
    #[serde(skip)]
    pub all: Vec<Decision>,
}

/// The recorded decisions and those of the other decoder.
///
/// # Errors
/// When the session cannot be replayed.
pub fn redecide(session: &RecordedSession, other: &Other) -> Result<[Decided; 2], SessionError> {
    let mut plan = other.experiment.lower(session.meta.seed)?.plan;
    for (source, entry) in plan.sources.iter_mut().zip(&session.meta.sources) {
        source.time_scale = entry.time_scale;
    }
    let mut step = Loop::prepare(&plan)?;
    let tracks = Tracks::of(session)?;
    let (mut cursor, mut outputs) = (Cursor::default(), Outputs::default());
    let mut decisions = Vec::new();
    for turn in &session.turns {
        if tracks.check(turn).is_err() {
            // A torn end: what is there was decided.
            break;
        }
        tracks.step(&mut step, &mut cursor, turn, &mut outputs);
        decisions.extend(outputs.decisions.iter().copied());
    }
    let recomputed = RecordedSession { decisions, ..session.clone() };
    Ok([
        Decided::of("recorded", session, &other.experiment.protocol),
        Decided::of("recomputed on the recorded samples", &recomputed, &other.experiment.protocol),
    ])
}

impl Decided {
    /// What a session's decisions come to. Set points and cues are the same in both protocols.
    fn of(source: &'static str, session: &RecordedSession, protocol: &protocol::Protocol) -> Self {
        let summary = Summary::with_protocol(session, Some(protocol));
        let spreads: Vec<f64> = session
            .decisions
            .iter()
            .map(|decision| decision.spread)
            .filter(|spread| spread.is_finite())
            .collect();
        Self {
            source,
            decisions: session.decisions.len(),
            measured_error_uv: summary.tracking_error.and_then(|error| error.measured),
            mean_spread: (!spreads.is_empty()).then(|| spreads.iter().sum::<f64>() / spreads.len() as f64),
            accuracy: summary.accuracy,
            all: session.decisions.clone(),
        }
    }
}
