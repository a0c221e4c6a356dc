//! Replay: the same step over the recorded turns, without threads, clock or screen. Equal to the bit, or the first
//! difference is named.

mod judge;
mod tracks;

use std::fmt;
use std::path::Path;

use closedloop::{Loop, Outputs};
use recording::{RecordedSession, sha256_hex};
use serde::Serialize;
use timeline::{Command, MAX_SOURCES};

use crate::error::SessionError;
use crate::experiment::Experiment;
use crate::stage::Files;
use judge::Judge;
pub(crate) use tracks::{Cursor, Tracks};

/// What a replay came to.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// Turns that were run.
    pub turns: u64,
    /// Decisions that were compared.
    pub decisions: usize,
    /// Commands that were compared.
    pub commands: usize,
    /// Length of the session on its own clock.
    pub session_s: f64,
    /// Whether everything compared was equal to the bit.
    pub identical: bool,
    /// Where it was not.
    pub first_difference: Option<String>,
    /// What was not repeated, because it is sealed.
    pub sealed: Option<String>,
    /// What the recording lacks at its end, if it was torn; what is there was compared.
    pub ends_early: Option<String>,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "replayed {} turns of {:.1} s: {} decisions, {} commands",
            self.turns, self.session_s, self.decisions, self.commands
        )?;
        if let Some(end) = &self.ends_early {
            writeln!(f, "the recording ends early: {end}")?;
        }
        if let Some(sealed) = &self.sealed {
            writeln!(f, "{sealed}")?;
        }
        match &self.first_difference {
            None => write!(f, "identical to the bit"),
            Some(difference) => write!(f, "DIFFERENT, first at {difference}"),
        }
    }
}

/// Replays a session folder turn by turn.
///
/// # Errors
/// When the session cannot be read, its files do not fit their hashes, or its protocol cannot be lowered any more.
pub fn replay(path: &Path) -> Result<Replayed, SessionError> {
    replay_with(path, None)
}

/// The same with the key of a blinded trial. Without it, what the controller of such a session was fed is sealed: the
/// contrasts that it asked for are then taken from the recorded commands, and everything else is repeated.
///
/// # Errors
/// As [`replay`], and a key that does not open what is sealed.
pub fn replay_with(path: &Path, key: Option<&Path>) -> Result<Replayed, SessionError> {
    let (session, mut step) = open(path, key)?;
    let is_sealed = crate::arms::is_blinded(&session) && key.is_none();
    let tracks = Tracks::of(&session)?;
    let mut judge = Judge::of(&session);
    if is_sealed {
        judge.sealed = Some(SEALED.into());
    }
    let mut asked = Asked::default();
    let mut outputs = Outputs::default();
    let mut cursor = Cursor::default();
    for turn in &session.turns {
        if let Err(missing) = tracks.check(turn) {
            judge.ends_early = Some(missing);
            break;
        }
        if is_sealed && let Some(contrast) = asked.at(&session.commands, turn.index) {
            step.set_recorded_contrast(contrast);
        }
        tracks.step(&mut step, &mut cursor, turn, &mut outputs);
        judge.turns += 1;
        if !judge.compare(&outputs) {
            break;
        }
    }
    Ok(judge.verdict())
}

/// Feeds the same samples and markers in turns of `chunk` samples, and compares what was decided, not when.
///
/// # Errors
/// As [`replay`], and when the session has nothing that is decided by samples alone (a controller acts on the screen,
/// and the screen's answer depends on when).
pub fn rechunk(path: &Path, chunk: usize) -> Result<Replayed, SessionError> {
    let (session, mut step) = open(path, None)?;
    if !session.commands.iter().all(|command| command.scene == timeline::SceneId::GREY) {
        let reason = "this session showed stimuli, so its decisions depend on when its turns were".to_owned();
        return Err(SessionError::NotReplayable { path: path.to_owned(), reason });
    }
    let tracks = Tracks::of(&session)?;
    let mut judge = Judge::of_content(&session);
    let mut outputs = Outputs::default();
    let mut cursor = Cursor::default();
    for turn in tracks.synthetic_turns(chunk.max(1), &session) {
        tracks.step(&mut step, &mut cursor, &turn, &mut outputs);
        judge.turns += 1;
        if !judge.compare(&outputs) {
            break;
        }
    }
    Ok(judge.verdict())
}

/// What is said where the key lacks.
const SEALED: &str = "blinded: what the controller was fed is sealed, so the contrasts that it asked for are taken from the \
                      record; decisions, ramps, blocks and interlocks are repeated (--key repeats the controller too)";

/// The contrasts that a sealed controller asked for, as the commands say them.
#[derive(Default)]
struct Asked {
    next: usize,
    contrast: Option<f64>,
}

impl Asked {
    /// What it asked for in a turn, or last before it.
    fn at(&mut self, commands: &[Command], turn: u64) -> Option<f64> {
        while let Some(command) = commands.get(self.next).filter(|command| command.turn <= turn) {
            if command.scene != timeline::SceneId::GREY {
                self.contrast = Some(command.contrast.to);
            }
            self.next += 1;
        }
        self.contrast
    }
}

fn open(path: &Path, key: Option<&Path>) -> Result<(RecordedSession, Loop), SessionError> {
    let session = RecordedSession::open(path)?;
    let number = crate::experiment::number_of(&session.meta);
    let mut lowered = experiment(&session)?.lower_for(session.meta.seed, number)?;
    if let Some(continues) = crate::resume::entry_of(&session.meta) {
        continues.apply(&mut lowered)?;
    }
    let mut plan = lowered.plan;
    for (source, entry) in plan.sources.iter_mut().zip(&session.meta.sources) {
        source.time_scale = entry.time_scale;
    }
    if let Some(key) = key {
        let key = crate::arms::TrialKey::read(key)?;
        plan.feed = crate::arms::open(&session, &key)?.into_feed();
    }
    if session.meta.format_version < 2 {
        // It was decided without an interlock, so it is replayed without one.
        plan.interlock = closedloop::InterlockPlan::OFF;
    }
    Ok((session, Loop::prepare(&plan)?))
}

/// What a session ran, from the copies in its folder.
///
/// # Errors
/// When a copy cannot be read, or was changed since.
pub fn experiment(session: &RecordedSession) -> Result<Experiment, SessionError> {
    let path = session.folder.path();
    let refuse = |reason: String| SessionError::NotReplayable { path: path.to_owned(), reason };
    let read = |path: std::path::PathBuf| {
        std::fs::read_to_string(&path).map_err(|error| SessionError::io("read", &path, error))
    };
    let protocol_text = read(session.folder.protocol_path())?;
    let rig_text = read(session.folder.rig_path())?;
    for (what, text, hash) in [
        ("protocol", &protocol_text, &session.meta.protocol_sha256),
        ("rig", &rig_text, &session.meta.rig_sha256),
    ] {
        let found = sha256_hex(text.as_bytes());
        if found != *hash {
            return Err(refuse(format!("its {what} was changed: SHA-256 is {found}, recorded was {hash}")));
        }
    }
    if session.meta.sources.len() > MAX_SOURCES || session.meta.sources.len() != session.sources.len() {
        let (named, found) = (session.meta.sources.len(), session.sources.len());
        return Err(refuse(format!("the manifest names {named} sources, the recording has {found}")));
    }
    let files = Files::Kept(path.to_owned());
    let texts = (protocol_text, rig_text);
    let experiment = Experiment::parse(texts.0, "protocol of the session", texts.1, "rig of the session")?;
    Ok(Experiment { files, ..experiment })
}
