//! What people saw and pressed as BIDS wants it: `*_events.tsv` with its data dictionary `*_events.json` (Brain Imaging Data
//! Structure 1.10, "Events"; Gorgolewski et al. 2016, Sci Data 3, 160044).

use std::fmt::Write as _;
use std::path::PathBuf;

use protocol::{BlockKind, Protocol, Schedule};
use recording::RecordedSession;
use serde_json::{Value, json};
use timeline::{Attempt, NoticeKind, ns_from_s, s_from_ns};

use crate::error::SessionError;
use crate::experiment::schedule_of;
use crate::report::blocks;

/// Columns with what they are, in their order.
const COLUMNS: [(&str, &str); 15] = [
    ("onset", "onset"),
    ("duration", "duration"),
    ("trial_type", "trial_type"),
    ("block", "Name of the block in the protocol."),
    ("trial", "Place of the trial in the order of its block, from 1."),
    ("attempt", "1 for the first attempt at the trial, 2 for its first repeat, and so on."),
    ("stimulus", "Name of the stimulus in the protocol."),
    ("contrast", "Michelson contrast of the stimulus, 0 to 1."),
    ("response", "Key, button or marker that answered; n/a where none did."),
    ("response_time", "response_time"),
    ("correct", "Whether the answer was right; n/a where no answer is right or wrong."),
    ("rating", "Level of a rating, from 1."),
    ("outcome", "What came of the attempt."),
    ("repeated", "Whether the trial was attempted again later."),
    ("practice", "Whether the trial was for practice."),
];

/// A row; what is not known is `n/a`.
struct Row {
    onset_ns: i64,
    texts: [Option<String>; COLUMNS.len()],
}

/// Writes both files into the session's folder (older ones are replaced), where the session has attempts of people at
/// anything; says where the table is. Not for a blinded session, whose folder says nothing that its report does not.
///
/// # Errors
/// When a file cannot be written.
pub fn write(session: &RecordedSession) -> Result<Option<PathBuf>, SessionError> {
    if session.attempts.is_empty() || crate::arms::is_blinded(session) {
        return Ok(None);
    }
    let Some(protocol) = crate::summary::read_protocol(session) else { return Ok(None) };
    let path = session.folder.path().join(format!("{}_events.tsv", session.folder.stem()));
    let dictionary = path.with_extension("json");
    let text = serde_json::to_string_pretty(&describe(session, &protocol)).unwrap_or_default();
    for (path, text) in [(&path, tsv(session, &protocol)), (&dictionary, text + "\n")] {
        std::fs::write(path, text).map_err(|error| SessionError::io("write", path, error))?;
    }
    Ok(Some(path))
}

/// The table.
pub fn tsv(session: &RecordedSession, protocol: &Protocol) -> String {
    let zero_ns = zero_ns(session);
    let schedule = schedule_of(&session.meta, protocol);
    let mut rows: Vec<Row> =
        session.attempts.iter().map(|attempt| of_attempt(attempt, protocol, &schedule)).collect();
    rows.extend(other_blocks(session, protocol, &schedule));
    rows.extend(pauses(session));
    rows.sort_by_key(|row| row.onset_ns);
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut text = names.join("\t") + "\n";
    for row in rows {
        let _ = write!(text, "{:.6}", s_from_ns(row.onset_ns - zero_ns));
        for value in &row.texts[1..] {
            let value = value.as_deref().filter(|value| !value.trim().is_empty()).unwrap_or("n/a");
            // A tab or a line's end within a name would be a column or a row.
            let _ = write!(text, "\t{}", value.replace(['\t', '\n', '\r'], " "));
        }
        text.push('\n');
    }
    text
}

/// The first sample of the first stream of samples; without any, the first turn of the loop.
fn zero_ns(session: &RecordedSession) -> i64 {
    let source = session.sources.iter().position(|source| !source.values.is_empty());
    let sampled = source.and_then(|source| {
        let offset_ns = session.chunks.iter().find(|chunk| usize::from(chunk.source.0) == source);
        let stamp_s = *session.sources[source].stamps_s.first()?;
        stamp_s.is_finite().then(|| ns_from_s(stamp_s) + offset_ns.map_or(0, |chunk| chunk.offset_ns))
    });
    sampled.or_else(|| session.turns.first().map(|turn| turn.now_ns)).unwrap_or(session.meta.start_ns)
}

fn seconds(ns: i64) -> String {
    format!("{:.6}", s_from_ns(ns))
}

fn truth(value: bool) -> String {
    if value { "true" } else { "false" }.to_owned()
}

fn of_attempt(attempt: &Attempt, protocol: &Protocol, schedule: &Schedule) -> Row {
    let scheduled = usize::try_from(attempt.block).ok().and_then(|place| schedule.blocks.get(place));
    let block = scheduled.map(|scheduled| &scheduled.block);
    let (kind, shown, response) = match block.map(|block| &block.kind) {
        Some(BlockKind::Task(task)) => {
            let condition = attempt.condition.and_then(|place| task.conditions.get(place as usize));
            (
                condition.map(|condition| condition.name.clone()),
                condition.map(|condition| condition.shown),
                protocol.responses.get(task.response),
            )
        }
        Some(BlockKind::Prompt(prompt)) => {
            (Some(prompt.kind.name().to_owned()), prompt.shown, protocol.responses.get(prompt.response))
        }
        _ => (None, None, None),
    };
    let button = attempt.button.and_then(|button| response?.buttons().get(button as usize).cloned());
    let is_rating =
        |response: &&protocol::ResponseSpec| matches!(response.kind, protocol::ResponseKind::Rating { .. });
    let rating = response.filter(is_rating).and(attempt.button).map(|button| (button + 1).to_string());
    let is_task = attempt.condition.is_some();
    let is_shown = attempt.frame.is_some();
    let onset_ns = if is_shown { attempt.onset_ns } else { attempt.begin_ns };
    let stimulus = shown.and_then(|shown| protocol.stimuli.get(shown.stimulus));
    Row {
        onset_ns,
        texts: [
            None,
            (is_shown || !is_task).then(|| seconds((attempt.off_ns - onset_ns).max(0))),
            kind,
            block.map(|block| block.name.clone()),
            is_task.then(|| (attempt.trial + 1).to_string()),
            Some((attempt.repeat + 1).to_string()),
            stimulus.filter(|_| is_shown).map(|stimulus| stimulus.name.clone()),
            shown.filter(|_| is_shown).map(|shown| shown.contrast.to_string()),
            button,
            attempt.reaction_ns().map(seconds),
            attempt.correct.map(truth),
            rating,
            Some(attempt.outcome.name().to_owned()),
            Some(truth(attempt.again)),
            Some(truth(attempt.practice)),
        ],
    }
}

/// Blocks in which nobody presses.
fn other_blocks(session: &RecordedSession, protocol: &Protocol, schedule: &Schedule) -> Vec<Row> {
    let kind_of = |name: &str| {
        let scheduled = schedule.blocks.iter().find(|scheduled| scheduled.block.name == name)?;
        other_kind(&scheduled.block.kind).map(|(kind, _)| kind)
    };
    let rows = blocks(session, Some(protocol)).into_iter().filter_map(|block| {
        let mut texts = [const { None }; COLUMNS.len()];
        texts[1] = Some(seconds(block.span.end_ns - block.span.start_ns));
        texts[2] = Some(kind_of(&block.name)?.to_owned());
        texts[3] = Some(block.name);
        Some(Row { onset_ns: block.span.start_ns, texts })
    });
    rows.collect()
}

/// Name and meaning of a block in which nobody presses.
fn other_kind(kind: &BlockKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        BlockKind::Prompt(_) | BlockKind::Task(_) => return None,
        BlockKind::Calibrate(_) => ("calibrate", "The decoder was calibrated."),
        BlockKind::Hold(_) => ("hold", "A controller held the response at a set point."),
        BlockKind::Listen(_) => ("listen", "Cued epochs were decoded, the screen was grey."),
        BlockKind::Show(_) => ("show", "A stimulus was shown at a constant contrast."),
        BlockKind::Flash(_) => ("flash", "Brief presentations."),
        BlockKind::Steer(_) => ("steer", "Pictures of a planner."),
        BlockKind::Trial(_) => ("trial", "Trials at contrasts that a procedure chose."),
        BlockKind::Rest => ("rest", "The screen was grey."),
    })
}

fn pauses(session: &RecordedSession) -> Vec<Row> {
    let paused = session.notices.iter().filter(|notice| notice.kind == NoticeKind::Paused);
    let rows = paused.map(|notice| {
        let continued = session
            .notices
            .iter()
            .find(|other| other.kind == NoticeKind::Continued && other.at_ns >= notice.at_ns);
        let mut texts = [const { None }; COLUMNS.len()];
        texts[1] = continued.map(|continued| seconds(continued.count));
        texts[2] = Some("pause".to_owned());
        Row { onset_ns: notice.at_ns, texts }
    });
    rows.collect()
}

/// The data dictionary.
pub fn describe(session: &RecordedSession, protocol: &Protocol) -> Value {
    let zero = match session.sources.iter().find(|source| !source.values.is_empty()) {
        Some(source) => format!("the first sample of stream `{}`", source.info.name),
        None => "the first turn of Photic's loop".to_owned(),
    };
    let class = session.flips.first().map_or("no frame was shown".to_owned(), |flip| {
        format!("class of the onsets: {:?}", flip.class).to_lowercase()
    });
    // The validator wants every value that stands in the table.
    let mut levels = serde_json::Map::new();
    levels.insert("pause".into(), "The operator paused; time stood still.".into());
    for block in &protocol.blocks {
        match &block.kind {
            BlockKind::Task(task) => {
                for condition in &task.conditions {
                    let text = "A trial of this condition; its onset is that of the stimulus.";
                    levels.insert(condition.name.clone(), text.into());
                }
            }
            BlockKind::Prompt(prompt) => {
                let text = match prompt.kind {
                    protocol::PromptKind::Instruction => "An instruction, until it was answered.",
                    protocol::PromptKind::Rating => "A rating; the level is in `rating`.",
                    protocol::PromptKind::Break => "A break, until the person went on.",
                    protocol::PromptKind::Wait => "A grey screen until a response came.",
                };
                levels.insert(prompt.kind.name().into(), text.into());
            }
            other => levels.extend(other_kind(other).map(|(kind, text)| (kind.to_owned(), text.into()))),
        }
    }
    let mut columns = serde_json::Map::new();
    for (name, description) in COLUMNS {
        let value = match name {
            "onset" => json!({
                "LongName": "Onset of the event",
                "Description": format!("Seconds since {zero}: the onset of the flip that first showed the stimulus ({class}), \
                    or the begin of the event where nothing was shown."),
                "Units": "s",
            }),
            "duration" => json!({
                "LongName": "Duration of the event",
                "Description": "From that flip to the first one without the stimulus.",
                "Units": "s",
            }),
            "trial_type" => json!({
                "LongName": "Kind of event",
                "Description": "The condition of a trial, or the kind of a block.",
                "Levels": levels,
            }),
            "response_time" => json!({
                "LongName": "Reaction time",
                "Description": "Instant of the response less the onset of the flip that first showed the stimulus. Negative \
                    for an answer before it.",
                "Units": "s",
            }),
            "outcome" => json!({
                "Description": description,
                "Levels": {
                    "answered": "Answered, where no answer is right or wrong.",
                    "correct": "The right answer.",
                    "wrong": "Another answer.",
                    "no_response": "No answer in time.",
                    "early": "An answer before anybody can have seen the stimulus.",
                    "no_fixation": "Gaze did not come to the fixation mark in time.",
                    "fixation_broken": "Gaze left the fixation mark.",
                    "artefact": "An artefact lay in it.",
                    "missed_frames": "Frames were missed while the stimulus was on.",
                    "interrupted": "The screen went to grey, for a fault or a pause.",
                    "cut": "The block ended.",
                },
            }),
            _ => json!({ "Description": description }),
        };
        columns.insert(name.into(), value);
    }
    columns.insert(
        "StimulusPresentation".into(),
        json!({
            "OperatingSystem": format!("{} {}", session.meta.machine.os, session.meta.machine.kernel),
            "SoftwareName": "Photic",
            "SoftwareVersion": session.meta.photic_version,
        }),
    );
    Value::Object(columns)
}
