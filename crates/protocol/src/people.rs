//! What people do: the blocks `instruction`, `rating`, `break`, `wait` and `task`.

use crate::check;
use crate::error::ProtocolError;
use crate::experiment::Protocol;
use crate::order::{OrderError, TaskOrder};
use crate::reader::{Range, Table};
use crate::response::{ResponseKind, ResponseSpec};

/// Most conditions of a task.
const MOST_CONDITIONS: usize = 256;
/// Longest time in a trial.
const LONGEST_S: f64 = 3_600.0;

/// A stimulus at a contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// Index into [`Protocol::stimuli`].
    pub stimulus: usize,
    /// Michelson contrast, above 0, at most 1.
    pub contrast: f64,
}

/// A block that shows something, or nothing, until a button is pressed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prompt {
    /// What it is for.
    pub kind: PromptKind,
    /// What is shown; grey without.
    pub shown: Option<Shown>,
    /// Index into [`Protocol::responses`].
    pub response: usize,
    /// Presses in the first so many s do not count.
    pub least_s: f64,
}

/// What a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// `instruction`
    Instruction,
    /// `rating`
    Rating,
    /// `break`
    Break,
    /// `wait`
    Wait,
}

impl PromptKind {
    /// Its key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Rating => "rating",
            Self::Break => "break",
            Self::Wait => "wait",
        }
    }
}

/// A block of trials that a person answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Index into [`Protocol::responses`].
    pub response: usize,
    /// Shown before each stimulus, for a time in s between two bounds.
    pub fixation: Option<Fixation>,
    /// What can be shown.
    pub conditions: Vec<TaskCondition>,
    /// In which order, and how often.
    pub order: TaskOrder,
    /// Time in which contrast rises and falls, in s; 0 for a step, which no `[limits]` allow.
    pub ramp_s: f64,
    /// From the onset of the stimulus to the refresh at which it goes off, in s.
    pub on_s: f64,
    /// Whether it goes off at the answer, if that comes before.
    pub until_response: bool,
    /// An answer sooner after the onset than this, in s, is none to the stimulus.
    pub earliest_s: f64,
    /// How long after the onset an answer counts, in s.
    pub timeout_s: f64,
    /// From the end of a trial to the begin of the next, in s: drawn between two bounds.
    pub gap_s: [f64; 2],
    /// What is shown after the answer.
    pub feedback: Option<Feedback>,
    /// What a trial waits for, and is broken by.
    pub gate: Option<Gate>,
    /// Which attempts do not count.
    pub reject: Reject,
    /// How often a trial is attempted again at most.
    pub repeats: u32,
    /// Whether it is for practice: recorded as such.
    pub practice: bool,
}

/// What is shown before a stimulus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fixation {
    /// The mark.
    pub shown: Shown,
    /// For how long in s: drawn between two bounds.
    pub for_s: [f64; 2],
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskCondition {
    /// Its name, different from all others'.
    pub name: String,
    /// What is shown.
    pub shown: Shown,
    /// Index of the right button, if one is.
    pub correct: Option<usize>,
}

/// What is shown after an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feedback {
    /// After a right one: index into [`Protocol::stimuli`].
    pub correct: Option<usize>,
    /// After a wrong one.
    pub wrong: Option<usize>,
    /// After none, or one that came too early.
    pub none: Option<usize>,
    /// At which contrast.
    pub contrast: f64,
    /// For how long, in s.
    pub on_s: f64,
}

/// Fixation: a trial begins only when gaze has stayed near the mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    /// How near, in degrees.
    pub radius_deg: f64,
    /// For how long without a break, in s.
    pub stay_s: f64,
    /// The attempt is given up after this time, in s.
    pub timeout_s: f64,
    /// Fixation is broken when gaze is away for longer than this while the stimulus is on, in s.
    pub away_s: f64,
}

/// Which attempts do not count, besides those whose fixation failed and those that were interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reject {
    /// `"early"`
    pub early: bool,
    /// `"no_response"`
    pub no_response: bool,
    /// `"artefact"`
    pub artefact: bool,
    /// `"missed_frames"`
    pub missed_frames: bool,
}

impl Task {
    /// Trials, repeats not counted.
    pub fn trials(&self) -> usize {
        self.order.repetitions as usize * self.conditions.len()
    }

    /// The longest that one attempt can take, in s.
    pub fn longest_s(&self) -> f64 {
        let fixation_s = self.fixation.map_or(0.0, |fixation| fixation.for_s[1]);
        let feedback_s = self.feedback.map_or(0.0, |feedback| feedback.on_s);
        fixation_s.max(self.gate.map_or(0.0, |gate| gate.timeout_s))
            + self.on_s.max(self.timeout_s)
            + feedback_s
            + self.gap_s[1]
    }

    /// All that it can show.
    pub fn shown(&self) -> Vec<Shown> {
        let mut all: Vec<Shown> = self.conditions.iter().map(|condition| condition.shown).collect();
        all.extend(self.fixation.map(|fixation| fixation.shown));
        if let Some(feedback) = self.feedback {
            let stimuli = [feedback.correct, feedback.wrong, feedback.none];
            let contrast = feedback.contrast;
            all.extend(stimuli.into_iter().flatten().map(|stimulus| Shown { stimulus, contrast }));
        }
        all
    }
}

// ------------------------------------------------------------------------------------------------- reading

fn response(table: &Table<'_>, protocol: &Protocol) -> Result<usize, ProtocolError> {
    table.reference("response", "response", protocol.responses.iter().map(|r| r.name.as_str()))
}

fn read_contrast(table: &Table<'_>) -> Result<f64, ProtocolError> {
    table.number("contrast", Range::above(0.0).up_to(1.0))
}

fn read_shown(table: &Table<'_>, protocol: &Protocol) -> Result<Shown, ProtocolError> {
    Ok(Shown { stimulus: check::stimulus(table, protocol)?, contrast: read_contrast(table)? })
}

/// Reads `instruction`, `rating`, `break` or `wait`.
pub(crate) fn read_prompt(
    block: &Table<'_>,
    kind: PromptKind,
    duration_s: f64,
    protocol: &Protocol,
) -> Result<Prompt, ProtocolError> {
    let seconds = Range::from(0.0).below(duration_s);
    let keys: &[&str] = match kind {
        PromptKind::Wait => &["response"],
        _ => &["stimulus", "contrast", "response", "least_s"],
    };
    let table = block.table(kind.name(), keys)?;
    let least_s = match kind {
        PromptKind::Wait => 0.0,
        // How long people rested belongs into a methods section.
        PromptKind::Break => table.number("least_s", seconds)?,
        _ => table.optional("least_s", |table, key| table.number(key, seconds))?.unwrap_or(0.0),
    };
    let response = response(&table, protocol)?;
    if kind == PromptKind::Rating && !matches!(protocol.responses[response].kind, ResponseKind::Rating { .. })
    {
        return Err(table.refuse("response", "a response of kind `rating`"));
    }
    let shown = match kind {
        PromptKind::Wait => None,
        _ => Some(read_shown(&table, protocol)?),
    };
    Ok(Prompt { kind, shown, response, least_s })
}

const TASK_KEYS: [&str; 17] = [
    "response",
    "fixation",
    "conditions",
    "order",
    "repetitions",
    "most_in_a_row",
    "ramp_s",
    "on_s",
    "until_response",
    "earliest_s",
    "timeout_s",
    "gap_s",
    "feedback",
    "gate",
    "reject",
    "repeats",
    "practice",
];

/// Reads `task`.
pub(crate) fn read_task(
    block: &Table<'_>,
    duration_s: f64,
    protocol: &Protocol,
) -> Result<Task, ProtocolError> {
    let table = block.table("task", &TASK_KEYS)?;
    let seconds = Range::above(0.0).up_to(LONGEST_S);
    let timeout_s = table.number("timeout_s", seconds)?;
    let on_s = table.number("on_s", seconds)?;
    let response = response(&table, protocol)?;
    let task = Task {
        response,
        fixation: table.optional("fixation", |table, key| read_fixation(table, key, protocol))?,
        conditions: read_conditions(&table, &protocol.responses[response], protocol)?,
        order: TaskOrder::read(&table)?,
        ramp_s: table.number("ramp_s", Range::from(0.0).up_to(on_s))?,
        on_s,
        until_response: table.boolean("until_response")?,
        earliest_s: table.number("earliest_s", Range::from(0.0).below(timeout_s))?,
        timeout_s,
        gap_s: span(&table, "gap_s", Range::from(0.0).up_to(LONGEST_S))?,
        feedback: table.optional("feedback", |table, key| read_feedback(table, key, protocol))?,
        gate: table.optional("gate", |table, key| read_gate(table, key, protocol))?,
        reject: table.optional("reject", read_reject)?.unwrap_or_default(),
        repeats: table.integer("repeats", 0..=100)? as u32,
        practice: table.optional("practice", Table::boolean)?.unwrap_or(false),
    };
    if task.reject.artefact && (protocol.artefacts.is_none() || protocol.decoder.is_none()) {
        let text = "\"artefact\" needs [artefacts], and a [decoder] whose stream they are looked for in";
        return Err(table.contradiction("reject", text));
    }
    match task.order.check(task.conditions.len()) {
        Ok(()) => {}
        Err(error @ OrderError::Constraint { .. }) => {
            return Err(table.contradiction("most_in_a_row", error.to_string()));
        }
        Err(error) => return Err(table.contradiction("repetitions", error.to_string())),
    }
    let least_s = task.longest_s() * task.trials() as f64;
    if duration_s < least_s {
        let text = format!(
            "{} trials of up to {:.3} s need a block of {least_s:.3} s, and its duration_s is {duration_s} s",
            task.trials(),
            task.longest_s()
        );
        return Err(table.contradiction("repetitions", text));
    }
    Ok(task)
}

fn read_fixation(table: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Fixation, ProtocolError> {
    let table = table.table(key, &["stimulus", "contrast", "for_s"])?;
    let for_s = span(&table, "for_s", Range::from(0.0).up_to(LONGEST_S))?;
    Ok(Fixation { shown: read_shown(&table, protocol)?, for_s })
}

fn read_conditions(
    task: &Table<'_>,
    response: &ResponseSpec,
    protocol: &Protocol,
) -> Result<Vec<TaskCondition>, ProtocolError> {
    let tables = task.list("conditions", &["name", "stimulus", "contrast", "correct"])?;
    if tables.is_empty() || tables.len() > MOST_CONDITIONS {
        let text = format!("1 to {MOST_CONDITIONS} conditions are wanted, there are {}", tables.len());
        return Err(task.contradiction("conditions", text));
    }
    let buttons = response.buttons();
    let mut conditions: Vec<TaskCondition> = Vec::new();
    for table in &tables {
        let name = table.text("name")?;
        if conditions.iter().any(|condition| condition.name == name) {
            return Err(table.refuse("name", "a name that no other condition has"));
        }
        let correct =
            |table: &Table<'_>, key: &str| table.reference(key, "button", buttons.iter().map(String::as_str));
        let correct = table.optional("correct", correct)?;
        conditions.push(TaskCondition { name, shown: read_shown(table, protocol)?, correct });
    }
    Ok(conditions)
}

fn read_feedback(table: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Feedback, ProtocolError> {
    let kinds = ["correct", "wrong", "none"];
    let table = table.table(key, &["correct", "wrong", "none", "contrast", "on_s"])?;
    let stimulus = |table: &Table<'_>, key: &str| {
        table.reference(key, "stimulus", protocol.stimuli.iter().map(|s| s.name.as_str()))
    };
    let [correct, wrong, none] = kinds.map(|key| table.optional(key, stimulus));
    Ok(Feedback {
        correct: correct?,
        wrong: wrong?,
        none: none?,
        contrast: read_contrast(&table)?,
        on_s: table.number("on_s", Range::above(0.0).up_to(LONGEST_S))?,
    })
}

fn read_gate(table: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Gate, ProtocolError> {
    if protocol.gaze.is_none() {
        return Err(table.contradiction(key, "needs [gaze], which says where the person looks"));
    }
    let table = table.table(key, &["radius_deg", "stay_s", "timeout_s", "away_s"])?;
    let stay_s = table.number("stay_s", Range::above(0.0).up_to(60.0))?;
    Ok(Gate {
        radius_deg: table.number("radius_deg", Range::above(0.0).up_to(180.0))?,
        stay_s,
        timeout_s: table.number("timeout_s", Range::above(stay_s).up_to(LONGEST_S))?,
        away_s: table.number("away_s", Range::from(0.0).up_to(60.0))?,
    })
}

fn read_reject(table: &Table<'_>, key: &str) -> Result<Reject, ProtocolError> {
    let mut reject = Reject::default();
    for text in table.texts(key)? {
        match text.as_str() {
            "early" => reject.early = true,
            "no_response" => reject.no_response = true,
            "artefact" => reject.artefact = true,
            "missed_frames" => reject.missed_frames = true,
            _ => {
                return Err(
                    table.refuse(key, "of \"early\", \"no_response\", \"artefact\", \"missed_frames\"")
                );
            }
        }
    }
    Ok(reject)
}

/// A number, or `[low, high]`.
fn span(table: &Table<'_>, key: &str, range: Range) -> Result<[f64; 2], ProtocolError> {
    if table.is_list(key) {
        table.span_of_numbers(key, range)
    } else {
        let number = table.number(key, range)?;
        Ok([number, number])
    }
}
