//! Records of what people press: responses of the participant, acts of the operator, and attempts at trials with them.

use crate::row::{Columns, Row, RowError, index_column};

/// Names of the keys that can be a response; a key's place is its [`Response::code`] for [`Device::Keyboard`]. Only ever
/// added to at the end.
pub const KEYS: [&str; 48] = [
    "left",
    "right",
    "up",
    "down",
    "space",
    "enter",
    "tab",
    "backspace",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "j",
    "k",
    "l",
    "m",
    "n",
    "o",
    "p",
    "q",
    "r",
    "s",
    "t",
    "u",
    "v",
    "w",
    "x",
    "y",
    "z",
    "page_up",
    "page_down",
    "home",
    "end",
];

/// The code of a key, if it can be a response.
pub fn key_code(name: &str) -> Option<u32> {
    KEYS.iter().position(|key| *key == name).map(|place| place as u32)
}

/// What was pressed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The keyboard, through the display's window; codes are places in [`KEYS`].
    Keyboard,
    /// A button box or keyboard read from the kernel's input device; codes are the kernel's (Linux: `EV_KEY` codes).
    Hid,
    /// The operator; codes are [`Act`]s.
    Operator,
}

impl Device {
    const ALL: [Device; 3] = [Self::Keyboard, Self::Hid, Self::Operator];
}

/// What an operator can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Pause, or go on where it is paused: one key for both.
    Toggle,
    /// Ramp to grey; time stands still.
    Pause,
    /// Go on.
    Continue,
    /// End the block that runs.
    Skip,
    /// End the run.
    Abort,
}

impl Act {
    const ALL: [Act; 5] = [Self::Toggle, Self::Pause, Self::Continue, Self::Skip, Self::Abort];

    /// As [`Response::code`].
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The act of a code.
    pub fn of(code: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// Something was pressed or released: recorded input of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// 0, 1, 2 ... in one session, in the order in which the loop took them.
    pub index: u64,
    /// When, as far as is known: for [`Device::Hid`] the kernel's stamp, for [`Device::Keyboard`] when the display's thread
    /// heard of it.
    pub at_ns: i64,
    /// When it was handed to the loop.
    pub arrival_ns: i64,
    /// How long it may have waited, at most, before it was stamped; 0 where somebody was waiting for it.
    pub queued_ns: i64,
    /// On what.
    pub device: Device,
    /// Which key, button or act.
    pub code: u32,
    /// Pressed; `false` for released.
    pub pressed: bool,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// Answered where no answer is right or wrong (an instruction, a rating).
    Answered,
    /// The right answer.
    Correct,
    /// Another answer.
    Wrong,
    /// No answer in time.
    NoResponse,
    /// An answer before anybody can have seen the stimulus.
    Early,
    /// Gaze did not come to the fixation mark in time.
    NoFixation,
    /// Gaze left it.
    FixationBroken,
    /// An artefact lay in it.
    Artefact,
    /// Frames were missed while the stimulus was on.
    MissedFrames,
    /// The screen went to grey, for a fault or a pause.
    Interrupted,
    /// The block ended.
    Cut,
}

impl AttemptOutcome {
    const ALL: [AttemptOutcome; 11] = [
        Self::Answered,
        Self::Correct,
        Self::Wrong,
        Self::NoResponse,
        Self::Early,
        Self::NoFixation,
        Self::FixationBroken,
        Self::Artefact,
        Self::MissedFrames,
        Self::Interrupted,
        Self::Cut,
    ];

    /// As it stands in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Correct => "correct",
            Self::Wrong => "wrong",
            Self::NoResponse => "no_response",
            Self::Early => "early",
            Self::NoFixation => "no_fixation",
            Self::FixationBroken => "fixation_broken",
            Self::Artefact => "artefact",
            Self::MissedFrames => "missed_frames",
            Self::Interrupted => "interrupted",
            Self::Cut => "cut",
        }
    }
}

/// One attempt at a trial of a task, or at an instruction, a rating, a break: what was shown, when its light came, what was
/// pressed. A trial that is rejected is attempted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn in which it went on record.
    pub turn: u64,
    /// The block, in the order in which blocks run.
    pub block: u64,
    /// The trial's place in the order of its block.
    pub trial: u64,
    /// 0 for the first attempt at it.
    pub repeat: u64,
    /// Its condition; none for an instruction, a rating or a break.
    pub condition: Option<u64>,
    /// Whether it is for practice.
    pub practice: bool,
    /// When it began: with fixation, where there is one.
    pub begin_ns: i64,
    /// The command that showed the stimulus, if it came to that.
    pub command: Option<u64>,
    /// The flip that first showed it, by its refresh.
    pub frame: Option<u64>,
    /// Onset of that flip; meaningless without one.
    pub onset_ns: i64,
    /// Onset of the first flip without it; when the attempt was over, where it was still on then.
    pub off_ns: i64,
    /// The response that answered, by [`Response::index`].
    pub response: Option<u64>,
    /// The marker that answered, by its number in its source.
    pub marker: Option<u64>,
    /// Which of the response's buttons, from 0.
    pub button: Option<u64>,
    /// From that flip's onset to the response; meaningless without both.
    pub reaction_ns: i64,
    /// Whether the answer was right, where one is.
    pub correct: Option<bool>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// Whether the trial is attempted again.
    pub again: bool,
    /// Refreshes that were missed while the stimulus was on.
    pub missed: u32,
}

impl Attempt {
    /// The reaction time, where there was a stimulus and a response.
    pub fn reaction_ns(&self) -> Option<i64> {
        (self.frame.is_some() && self.button.is_some()).then_some(self.reaction_ns)
    }
}

impl Row for Response {
    const STREAM: &'static str = "photic-responses";
    const COLUMNS: &'static [&'static str] =
        &["index", "at_ns", "arrival_ns", "queued_ns", "device", "code", "pressed"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.at_ns);
        put(self.arrival_ns);
        put(self.queued_ns);
        put(self.device as i64);
        put(i64::from(self.code));
        put(i64::from(self.pressed));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            at_ns: c.i64(),
            arrival_ns: c.i64(),
            queued_ns: c.i64(),
            device: c.one_of(&Device::ALL)?,
            code: c.int()?,
            pressed: c.flag()?,
        })
    }
}

impl Row for Attempt {
    const STREAM: &'static str = "photic-attempts";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "block",
        "trial",
        "repeat",
        "condition",
        "practice",
        "begin_ns",
        "command",
        "frame",
        "onset_ns",
        "off_ns",
        "response",
        "marker",
        "button",
        "reaction_ns",
        "correct",
        "outcome",
        "again",
        "missed",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.block as i64);
        put(self.trial as i64);
        put(self.repeat as i64);
        put(index_column(self.condition));
        put(i64::from(self.practice));
        put(self.begin_ns);
        put(index_column(self.command));
        put(index_column(self.frame));
        put(self.onset_ns);
        put(self.off_ns);
        put(index_column(self.response));
        put(index_column(self.marker));
        put(index_column(self.button));
        put(self.reaction_ns);
        put(index_column(self.correct.map(u64::from)));
        put(self.outcome as i64);
        put(i64::from(self.again));
        put(i64::from(self.missed));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            block: c.int()?,
            trial: c.int()?,
            repeat: c.int()?,
            condition: c.optional_index()?,
            practice: c.flag()?,
            begin_ns: c.i64(),
            command: c.optional_index()?,
            frame: c.optional_index()?,
            onset_ns: c.i64(),
            off_ns: c.i64(),
            response: c.optional_index()?,
            marker: c.optional_index()?,
            button: c.optional_index()?,
            reaction_ns: c.i64(),
            correct: match c.optional_index()? {
                None => None,
                Some(0) => Some(false),
                Some(1) => Some(true),
                Some(other) => return Err(c.refuse(other as i64)),
            },
            outcome: c.one_of(&AttemptOutcome::ALL)?,
            again: c.flag()?,
            missed: c.int()?,
        })
    }
}
