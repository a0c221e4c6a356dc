//! Replay: the same step over the recorded turns, without threads, clock or screen. Equal to the bit, or the first
//! difference is named.

use std::fmt::{self, Write as _};
use std::path::Path;

use closedloop::{Inputs, Loop, Outputs, SourceInput};
use recording::{RecordedSession, sha256_hex};
use serde::Serialize;
use timeline::{
    Answer, Attempt, Attenuation, Command, Decision, Flip, MAX_SOURCES, Marker, Onset, Reply, Response, Row,
    Score, State, Take, Trial, Turn, ns_from_s, s_from_ns,
};

use crate::error::SessionError;
use crate::experiment::Experiment;
use crate::stage::Files;

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
    let mut judge = Judge::new(&session);
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
    Ok(judge.verdict(&session))
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
    let mut judge = Judge { commands_count: false, ..Judge::new(&session) };
    let mut outputs = Outputs::default();
    let mut cursor = Cursor::default();
    for turn in tracks.synthetic_turns(chunk.max(1), &session) {
        tracks.step(&mut step, &mut cursor, &turn, &mut outputs);
        judge.turns += 1;
        if !judge.compare_content(&outputs) {
            break;
        }
    }
    Ok(judge.verdict(&session))
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

/// One source as the loop saw it.
pub(crate) struct Track {
    /// Values per sample.
    pub(crate) channels: usize,
    /// Instants of the samples.
    pub(crate) at_ns: Vec<i64>,
    /// Samples x channels.
    pub(crate) values: Vec<f64>,
    /// Markers, for a marker source.
    markers: Vec<Marker>,
}

/// All that the recorded turns refer to.
pub(crate) struct Tracks<'a> {
    /// By source.
    pub(crate) sources: Vec<Track>,
    flips: &'a [Flip],
    answers: &'a [Answer],
    replies: &'a [Reply],
    responses: &'a [Response],
    attenuations: &'a [Attenuation],
}

/// How far the turns have come.
#[derive(Default)]
pub(crate) struct Cursor {
    flips: usize,
    answers: usize,
    replies: usize,
    responses: usize,
    attenuations: usize,
    takes: [Take; MAX_SOURCES],
    markers: Vec<Marker>,
}

impl<'a> Tracks<'a> {
    /// Takes them from the recording.
    ///
    /// # Errors
    /// When they are not all there.
    pub(crate) fn of(session: &'a RecordedSession) -> Result<Self, SessionError> {
        let mut sources = Vec::new();
        for (id, (source, entry)) in session.sources.iter().zip(&session.meta.sources).enumerate() {
            let width = source.info.channel_count.max(1);
            if let Some(&beyond) = entry.wanted.iter().find(|&&wanted| wanted >= width) {
                let reason =
                    format!("source `{}` has {width} channels, the loop used number {beyond}", entry.name);
                return Err(SessionError::NotReplayable { path: session.folder.path().to_owned(), reason });
            }
            // As the inlet did it: a stamp that is no number counts as its chunk's arrival.
            let mut at_ns: Vec<i64> = source.stamps_s.iter().map(|&stamp_s| ns_from_s(stamp_s)).collect();
            for chunk in session.chunks.iter().filter(|chunk| usize::from(chunk.source.0) == id) {
                let first = usize::try_from(chunk.first_sample).unwrap_or(usize::MAX).min(at_ns.len());
                let end = first.saturating_add(chunk.count as usize).min(at_ns.len());
                for (at_ns, stamp_s) in at_ns[first..end].iter_mut().zip(&source.stamps_s[first..end]) {
                    let on_clock_ns = at_ns.saturating_add(chunk.offset_ns);
                    *at_ns = if stamp_s.is_finite() { on_clock_ns } else { chunk.arrival_ns };
                }
            }
            let handed_over = session.chunks.iter().rfind(|chunk| usize::from(chunk.source.0) == id);
            let handed_over = handed_over.map_or(0, |chunk| chunk.first_sample + u64::from(chunk.count));
            let recorded = source.stamps_s.len() as u64;
            if session.is_closed && !entry.wanted.is_empty() && handed_over != recorded {
                let name = &entry.name;
                let reason =
                    format!("source `{name}` sent {handed_over} samples, {recorded} of them were recorded");
                return Err(SessionError::NotReplayable { path: session.folder.path().to_owned(), reason });
            }
            sources.push(Track {
                channels: entry.wanted.len(),
                at_ns,
                values: source
                    .values
                    .chunks_exact(width)
                    .flat_map(|row| entry.wanted.iter().map(|&wanted| row[wanted]))
                    .collect(),
                markers: session.markers.iter().filter(|m| usize::from(m.source.0) == id).copied().collect(),
            });
        }
        Ok(Self {
            sources,
            flips: &session.flips,
            answers: &session.answers,
            replies: &session.replies,
            responses: &session.responses,
            attenuations: &session.attenuations,
        })
    }

    /// Whether the recording still holds what the turn took.
    pub(crate) fn check(&self, turn: &Turn) -> Result<(), String> {
        let lacks = |what: &str, has: usize, end: u64| {
            let at = s_from_ns(turn.now_ns);
            format!("turn {} (at {at:.3} s) took {what} up to {end}, the recording has {has}", turn.index)
        };
        if turn.flips_end > self.flips.len() as u64 {
            return Err(lacks("flips", self.flips.len(), turn.flips_end));
        }
        if turn.answers_end > self.answers.len() as u64 {
            return Err(lacks("answers", self.answers.len(), turn.answers_end));
        }
        if turn.replies_end > self.replies.len() as u64 {
            return Err(lacks("replies", self.replies.len(), turn.replies_end));
        }
        if turn.responses_end > self.responses.len() as u64 {
            return Err(lacks("responses", self.responses.len(), turn.responses_end));
        }
        for (track, take) in self.sources.iter().zip(&turn.takes) {
            let has =
                if track.channels == 0 { track.markers.len() } else { track.at_ns.len().min(track.rows()) };
            if take.end > has as u64 {
                return Err(lacks("samples", has, take.end));
            }
        }
        Ok(())
    }

    /// Feeds one recorded turn to a loop.
    pub(crate) fn step(&self, step: &mut Loop, cursor: &mut Cursor, turn: &Turn, outputs: &mut Outputs) {
        let mut inputs = [SourceInput::default(); MAX_SOURCES];
        cursor.markers.clear();
        for (id, track) in self.sources.iter().enumerate() {
            let (before, take) = (cursor.takes[id].end as usize, turn.takes[id]);
            let end = take.end as usize;
            if track.channels == 0 {
                cursor.markers.extend_from_slice(track.markers.get(before..end).unwrap_or_default());
                continue;
            }
            let first = (before + take.skipped as usize).min(end);
            inputs[id] = SourceInput {
                skipped: take.skipped,
                first_sample: first as u64,
                at_ns: track.at_ns.get(first..end).unwrap_or_default(),
                values: track.values.get(first * track.channels..end * track.channels).unwrap_or_default(),
            };
        }
        let flips_end = turn.flips_end as usize;
        let attenuations = self.attenuations.get(cursor.attenuations..).unwrap_or_default();
        let attenuations = &attenuations[..attenuations.partition_point(|told| told.turn <= turn.index)];
        let inputs = Inputs {
            turn: turn.index,
            now_ns: turn.now_ns,
            stop: turn.stop,
            held: turn.held,
            flips: self.flips.get(cursor.flips..flips_end).unwrap_or_default(),
            markers: &cursor.markers,
            sources: &inputs[..self.sources.len()],
            answers: self.answers.get(cursor.answers..turn.answers_end as usize).unwrap_or_default(),
            replies: self.replies.get(cursor.replies..turn.replies_end as usize).unwrap_or_default(),
            responses: self.responses.get(cursor.responses..turn.responses_end as usize).unwrap_or_default(),
            attenuations,
        };
        step.step(&inputs, outputs);
        cursor.flips = flips_end;
        cursor.answers = turn.answers_end as usize;
        cursor.replies = turn.replies_end as usize;
        cursor.responses = turn.responses_end as usize;
        cursor.attenuations += attenuations.len();
        cursor.takes = turn.takes;
    }

    /// Turns of `chunk` samples each, of every source in step; markers and flips come with the samples of their time.
    fn synthetic_turns(&self, chunk: usize, session: &RecordedSession) -> Vec<Turn> {
        let longest = self.sources.iter().map(|track| track.at_ns.len()).max().unwrap_or(0);
        let lead = self.sources.iter().find(|track| track.channels > 0 && track.at_ns.len() == longest);
        let Some(lead) = lead else { return Vec::new() };
        let start_ns = session.turns.first().map_or(0, |turn| turn.now_ns);
        let mut turns: Vec<Turn> = Vec::new();
        let mut end = 0;
        while end < longest {
            end = (end + chunk).min(longest);
            let now_ns = lead.at_ns[end - 1].max(start_ns);
            let mut takes = [Take::default(); MAX_SOURCES];
            for (take, track) in takes.iter_mut().zip(&self.sources) {
                take.end = if track.channels > 0 {
                    end.min(track.at_ns.len()) as u64
                } else {
                    track.markers.partition_point(|marker| marker.at_ns <= now_ns) as u64
                };
            }
            let flips_end = self.flips.partition_point(|flip| flip.onset_ns <= now_ns) as u64;
            turns.push(Turn {
                index: turns.len() as u64,
                now_ns,
                flips_end,
                stop: false,
                held: false,
                takes,
                answers_end: 0,
                replies_end: 0,
                responses_end: 0,
            });
        }
        turns
    }
}

impl Track {
    /// Whole samples.
    pub(crate) fn rows(&self) -> usize {
        self.values.len() / self.channels.max(1)
    }
}

/// Compares what comes out with what was recorded.
struct Judge<'a> {
    decisions: &'a [Decision],
    commands: &'a [Command],
    onsets: &'a [Onset],
    states: &'a [State],
    trials: &'a [Trial],
    attempts: &'a [Attempt],
    scores: &'a [Score],
    seen_states: usize,
    seen_trials: usize,
    seen_attempts: usize,
    seen_scores: usize,
    seen_onsets: usize,
    seen_decisions: usize,
    seen_commands: usize,
    /// Whether commands are compared at all.
    commands_count: bool,
    turns: u64,
    difference: Option<String>,
    sealed: Option<String>,
    ends_early: Option<String>,
    is_closed: bool,
}

impl<'a> Judge<'a> {
    fn new(session: &'a RecordedSession) -> Self {
        Self {
            decisions: &session.decisions,
            commands: &session.commands,
            onsets: &session.onsets,
            states: &session.states,
            trials: &session.trials,
            attempts: &session.attempts,
            scores: &session.scores,
            seen_states: 0,
            seen_trials: 0,
            seen_attempts: 0,
            seen_scores: 0,
            seen_onsets: 0,
            seen_decisions: 0,
            seen_commands: 0,
            commands_count: true,
            turns: 0,
            difference: None,
            sealed: None,
            ends_early: None,
            is_closed: session.is_closed,
        }
    }

    /// `false` at the first difference.
    fn compare(&mut self, outputs: &Outputs) -> bool {
        for decision in &outputs.decisions {
            let place = format!(
                "decision {} of turn {} (samples {}..{})",
                decision.index, decision.turn, decision.first_sample, decision.end_sample
            );
            let recorded = self.decisions.get(self.seen_decisions);
            if let Some(difference) = self.difference_in(recorded, decision, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_decisions += usize::from(recorded.is_some());
        }
        for onset in &outputs.onsets {
            let place = format!("onset {} of turn {}", onset.index, onset.turn);
            let recorded = self.onsets.get(self.seen_onsets);
            if let Some(difference) = self.difference_in(recorded, onset, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_onsets += usize::from(recorded.is_some());
        }
        for state in &outputs.states {
            let place = format!("state {} of turn {}", state.index, state.turn);
            let recorded = self.states.get(self.seen_states);
            if let Some(difference) = self.difference_in(recorded, state, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_states += usize::from(recorded.is_some());
        }
        for trial in &outputs.trials {
            let place = format!("trial {} of turn {}", trial.index, trial.turn);
            let recorded = self.trials.get(self.seen_trials);
            if let Some(difference) = self.difference_in(recorded, trial, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_trials += usize::from(recorded.is_some());
        }
        for attempt in &outputs.attempts {
            let place = format!("attempt {} of turn {}", attempt.index, attempt.turn);
            let recorded = self.attempts.get(self.seen_attempts);
            if let Some(difference) = self.difference_in(recorded, attempt, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_attempts += usize::from(recorded.is_some());
        }
        for score in &outputs.scores {
            let place = format!("score {} of turn {}", score.index, score.turn);
            let recorded = self.scores.get(self.seen_scores);
            if let Some(difference) = self.difference_in(recorded, score, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_scores += usize::from(recorded.is_some());
        }
        for command in &outputs.commands {
            let place = format!("command {} of turn {}", command.index, command.turn);
            let recorded = self.commands.get(self.seen_commands);
            if let Some(difference) = self.difference_in(recorded, command, &place) {
                self.difference = Some(difference);
                return false;
            }
            self.seen_commands += usize::from(recorded.is_some());
        }
        true
    }

    /// The same for decisions alone, and of them only what does not depend on the turns.
    fn compare_content(&mut self, outputs: &Outputs) -> bool {
        for &decision in &outputs.decisions {
            let Some(&recorded) = self.decisions.get(self.seen_decisions) else {
                // The live session ended before this epoch was complete.
                continue;
            };
            let place = format!(
                "decision {} (samples {}..{})",
                decision.index, decision.first_sample, decision.end_sample
            );
            let timeless = |d: Decision| Decision { turn: 0, decided_ns: 0, ..d };
            if let Some(difference) =
                self.difference_in(Some(&timeless(recorded)), &timeless(decision), &place)
            {
                self.difference = Some(difference);
                return false;
            }
            self.seen_decisions += 1;
        }
        true
    }

    fn difference_in<T: Row>(&self, recorded: Option<&T>, replayed: &T, place: &str) -> Option<String> {
        let Some(recorded) = recorded else {
            // The tail of a torn recording may hold a turn but not yet its outputs.
            return self.is_closed.then(|| format!("{place}: replayed, but not recorded"));
        };
        let (was, is) = (columns(recorded), columns(replayed));
        let column = was.iter().zip(&is).position(|(was, is)| was != is)?;
        let name = T::COLUMNS.get(column).copied().unwrap_or("?");
        let mut text =
            format!("{place}: `{name}` was recorded as {}, replayed as {}", was[column], is[column]);
        if name.ends_with("_f64") {
            let value = |bits: i64| f64::from_bits(bits as u64);
            let _ = write!(text, " ({:?} and {:?})", value(was[column]), value(is[column]));
        }
        Some(text)
    }

    fn verdict(mut self, session: &RecordedSession) -> Replayed {
        // A recording torn between a turn's outputs and the turn itself holds outputs of a turn that it does not have.
        let turns_end =
            if self.is_closed { u64::MAX } else { session.turns.last().map_or(0, |turn| turn.index + 1) };
        let decisions = self.decisions.partition_point(|decision| decision.turn < turns_end);
        let commands = self.commands.partition_point(|command| command.turn < turns_end);
        let onsets = self.onsets.partition_point(|onset| onset.turn < turns_end);
        let states = self.states.partition_point(|state| state.turn < turns_end);
        let trials = self.trials.partition_point(|trial| trial.turn < turns_end);
        let attempts = self.attempts.partition_point(|attempt| attempt.turn < turns_end);
        let scores = self.scores.partition_point(|score| score.turn < turns_end);
        let counts = [
            ("state", self.seen_states, if self.commands_count { states } else { 0 }),
            ("trial", self.seen_trials, if self.commands_count { trials } else { 0 }),
            ("attempt", self.seen_attempts, if self.commands_count { attempts } else { 0 }),
            ("score", self.seen_scores, if self.commands_count { scores } else { 0 }),
            ("onset", self.seen_onsets, if self.commands_count { onsets } else { 0 }),
            ("decision", self.seen_decisions, decisions),
            ("command", self.seen_commands, if self.commands_count { commands } else { 0 }),
        ];
        for (what, seen, all) in counts {
            if self.difference.is_none() && self.ends_early.is_none() && seen < all {
                self.difference = Some(format!("{what} {seen} of {all} was recorded, but not replayed"));
            }
        }
        let span = |first: &Turn, last: &Turn| s_from_ns(last.now_ns - first.now_ns);
        Replayed {
            turns: self.turns,
            decisions: self.seen_decisions,
            commands: self.seen_commands,
            session_s: session
                .turns
                .first()
                .zip(session.turns.last())
                .map_or(0.0, |(first, last)| span(first, last)),
            identical: self.difference.is_none(),
            first_difference: self.difference,
            sealed: self.sealed,
            ends_early: self.ends_early,
        }
    }
}

fn columns(record: &impl Row) -> Vec<i64> {
    let mut row = Vec::new();
    record.write(&mut |value| row.push(value));
    row
}
