//! Counterfactual replay: what another controller or decoder would have done in a recorded session.
//!
//! A decoder acts on samples, and the samples are there: its decisions are computed again ([`redecide`]). A controller
//! acts on the participant, who would have answered otherwise: the simulated participant is fitted to the session
//! ([`Fit`]), and the loop is closed through it with both the recorded controller and the other one, on the recorded day
//! and on other days ([`Draws`]). Every number says whether it was recorded or modelled.

mod closed;
mod course;
mod draw;
mod fit;
mod observe;
mod other;
mod page;
mod redecide;
mod spatial;

use std::fs;
use std::path::{Path, PathBuf};

use recording::{ClockKind, RecordedSession};

use crate::cli::ReplayArgs;
use crate::cores::over_cores;
use crate::error::SessionError;
use crate::experiment::Experiment;
use crate::inspect::Seen;
use crate::run::simulated::{Instead, in_memory};

pub use closed::{Came, Closed};
pub use course::{Dynamics, Process};
pub use fit::{Fit, NAMES, PARAMETERS};
pub use observe::Observed;
pub use other::Other;
pub use page::Counterfactual;
pub use redecide::{Decided, redecide};

use closed::same_commands;
pub(crate) use draw::surrogate;

use draw::Drawn;

/// What `photic replay --controller` and `--participant fitted` do; text, JSON and page.
///
/// # Errors
/// A session that cannot be replayed or fitted, another controller that does not fit it, a folder that cannot be written.
pub fn replay(args: &ReplayArgs) -> Result<Seen, SessionError> {
    let session = RecordedSession::open(&args.session)?;
    if crate::arms::is_blinded(&session) {
        let path = args.session.clone();
        let reason =
            "its controller was fed what is sealed, so what another one would have done is not known".into();
        return Err(SessionError::NotReplayable { path, reason });
    }
    let recorded = crate::replay::experiment(&session)?;
    let other = args.controller.as_deref().map(|path| Other::load(path, &session, &recorded)).transpose()?;
    let out = args.out.clone().unwrap_or_else(|| folder(&session, args.controller.as_deref()));
    let result = match (&other, args.participant.as_deref()) {
        (_, Some("fitted")) => {
            let draws = Draws { same_day: args.draws, other_days: args.draws, seed: args.draw_seed };
            let fitted = fitted(&session, &recorded, other.as_ref(), draws, args.threads)?;
            Counterfactual::Closed { session: &session, other: other.as_ref(), fitted: Box::new(fitted) }
        }
        (_, Some(unknown)) => {
            let reason = "allowed: fitted".to_owned();
            return Err(SessionError::Argument { argument: format!("--participant {unknown}"), reason });
        }
        (Some(other), None) if other.controller => {
            let reason = format!(
                "its {} would have shown another contrast, to which nobody answered: give --participant fitted",
                other.words()
            );
            return Err(SessionError::Argument { argument: other.file.clone(), reason });
        }
        (Some(other), None) => {
            Counterfactual::Redecided { session: &session, other, decided: redecide(&session, other)? }
        }
        (None, None) => {
            return Err(SessionError::Usage("give --controller FILE, --participant fitted or both".into()));
        }
    };
    fs::create_dir_all(&out).map_err(|error| SessionError::io("create", &out, error))?;
    let json = result.json();
    let text = serde_json::to_string_pretty(&json).unwrap_or_default();
    for (name, bytes) in [("counterfactual.json", text), ("counterfactual.html", result.page())] {
        let path = out.join(name);
        fs::write(&path, bytes).map_err(|error| SessionError::io("write", &path, error))?;
    }
    let text = format!("{}written  {}\n", result.text(), out.display());
    Ok(Seen { text, json, fine: true })
}

/// Below the session, named after what was tried.
fn folder(session: &RecordedSession, other: Option<&Path>) -> PathBuf {
    let name =
        other.and_then(Path::file_stem).map_or("fitted".into(), |stem| stem.to_string_lossy().into_owned());
    session.folder.path().join(format!("counterfactual-{name}"))
}

/// A session that cannot be fitted, and why.
fn refuse(session: &RecordedSession, reason: &str) -> SessionError {
    SessionError::NotReplayable {
        path: session.folder.path().to_owned(),
        reason: format!("it cannot be fitted: {reason}"),
    }
}

/// A participant fitted to a session, with the loops closed through it.
pub struct Fitted {
    /// The session as the fit saw it.
    pub observed: Observed,
    /// The fit.
    pub fit: Fit,
    /// The recorded session itself.
    pub recorded: Closed,
    /// Closed with the recorded controller and, if there is one, with the other: on the recorded day.
    pub same_day: [Vec<Closed>; 2],
    /// ... and on other days.
    pub other_day: [Vec<Closed>; 2],
    /// Slow course of the gain of each draw of the recorded day.
    pub slow_uv: Vec<Vec<f64>>,
    /// Recorded commands that came again to the bit, in the worst draw, under the recorded controller.
    pub commands_again: usize,
}

/// How many days are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// Of the recorded day, at least one.
    pub same_day: usize,
    /// Other days.
    pub other_days: usize,
    /// Seed of all of them; the session's own is mixed in, so that two sessions do not share their draws.
    pub seed: u64,
}

/// Fits, draws days, and closes the loop through each.
///
/// # Errors
/// As [`replay`].
pub fn fitted(
    session: &RecordedSession,
    recorded: &Experiment,
    other: Option<&Other>,
    draws: Draws,
    threads: usize,
) -> Result<Fitted, SessionError> {
    let Draws { same_day, other_days, .. } = draws;
    if !(1..=1000).contains(&same_day) || other_days > 1000 {
        let reason = "1 to 1000 are allowed".to_owned();
        return Err(SessionError::Argument { argument: format!("--draws {same_day}"), reason });
    }
    let name = recording::sha256_hex(session.meta.participant.as_bytes());
    let seed =
        draws.seed ^ session.meta.seed.rotate_left(24) ^ u64::from_str_radix(&name[..8], 16).unwrap_or(0);
    let observed = Observed::of(session, recorded.clone())?;
    let fit = Fit::of(session, &observed)?;
    let first_sample = first_sample(session, recorded, &observed)?;
    let seconds = seconds(session, recorded);
    let same_days: Vec<Drawn> =
        over_cores(threads, same_day, |n| draw::same_day(&fit, &observed, seed, n as u64, first_sample))?;
    let residual = &same_days[0].day.noise_uv;
    let experiments: Vec<&Experiment> =
        [Some(recorded), other.map(|other| &other.experiment)].into_iter().flatten().collect();
    // Every experiment on every day of both kinds, as one list of work.
    let days = same_day + other_days;
    let loops = over_cores(threads, experiments.len() * days, |at| {
        let (experiment, n) = (experiments[at / days], at % days);
        let drawn = match same_days.get(n) {
            Some(drawn) => drawn,
            None => &draw::other_day(&fit, &observed, residual, seed, n as u64),
        };
        Closed::run(experiment, drawn, &observed, session.meta.seed, seconds)
    })?;
    let mut loops = loops.into_iter();
    let mut take = |count| loops.by_ref().take(count).collect::<Vec<Closed>>();
    let (own_same, own_other) = (take(same_day), take(other_days));
    let (other_same, other_other) = (take(same_day), take(other_days));
    let again = own_same.iter().map(|closed| same_commands(&session.commands, &closed.commands)).min();
    Ok(Fitted {
        recorded: Closed::of(session, recorded),
        same_day: [own_same, other_same],
        other_day: [own_other, other_other],
        slow_uv: same_days.into_iter().map(|drawn| drawn.slow_uv).collect(),
        commands_again: again.unwrap_or(0),
        observed,
        fit,
    })
}

/// Which recorded sample is the first of a session on the virtual clock: there the first turn follows the first sample by
/// a known time, live by another.
fn first_sample(
    session: &RecordedSession,
    recorded: &Experiment,
    observed: &Observed,
) -> Result<usize, SessionError> {
    if session.meta.clock == ClockKind::Virtual {
        return Ok(0);
    }
    let short =
        in_memory(recorded.clone(), "nominal", session.meta.seed, Some(0.2), Instead::default(), &mut ())?;
    let lag_s = |turn_ns: Option<i64>, sample_ns: Option<i64>| match (turn_ns, sample_ns) {
        (Some(turn_ns), Some(sample_ns)) => timeline::s_from_ns(turn_ns - sample_ns),
        _ => 0.0,
    };
    let first = short.sources.first().and_then(|source| source.stamps_s.first());
    let virtual_s =
        lag_s(short.turns.first().map(|turn| turn.now_ns), first.map(|s| timeline::ns_from_s(*s)));
    let live_s = lag_s(session.turns.first().map(|turn| turn.now_ns), observed.at_ns.first().copied());
    Ok(((live_s - virtual_s) / observed.sample_s()).round().max(0.0) as usize)
}

/// How long the counterfactual lasts: to the end of its schedule, or as long as a session that was stopped or torn.
fn seconds(session: &RecordedSession, recorded: &Experiment) -> Option<f64> {
    let length_s = match (session.turns.first(), session.turns.last()) {
        (Some(first), Some(last)) => timeline::s_from_ns(last.now_ns - first.now_ns),
        _ => 0.0,
    };
    let planned_s = recorded.protocol.schedule(session.meta.seed).duration_s();
    let asked = session.turns.iter().find(|turn| turn.stop);
    match asked {
        // The instant at which the operator asked for the end, after which the screen went to grey.
        Some(turn) => session.turns.first().map(|first| timeline::s_from_ns(turn.now_ns - first.now_ns)),
        None => (length_s < planned_s).then_some(length_s),
    }
}
