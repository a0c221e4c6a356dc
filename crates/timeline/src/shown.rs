//! What is shown: the loop's commands, and the frames that came of them.

use crate::gaze::Gaze;
use crate::row::{Columns, Row, RowError, index_column};

/// Which prepared scene of the display. Scene 0 is always the neutral grey field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SceneId(pub u16);

impl SceneId {
    /// The neutral grey field, with the fixation mark off.
    pub const GREY: SceneId = SceneId(0);
}

/// How the time of an onset is known. Never one number for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnsetClass {
    /// Computed by the scripted or simulated presenter: exact by construction, no light was emitted.
    Simulated,
    /// Predicted from the history of presents.
    Predicted,
    /// Reported by the windowing system.
    System,
    /// Seen by a photodiode.
    Photodiode,
}

impl OnsetClass {
    const ALL: [OnsetClass; 4] = [Self::Simulated, Self::Predicted, Self::System, Self::Photodiode];
}

/// A linear change of contrast between two instants; constant before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// Contrast up to `start_ns`.
    pub from: f64,
    /// Contrast from `end_ns` on.
    pub to: f64,
    /// Start of the change.
    pub start_ns: i64,
    /// End of the change.
    pub end_ns: i64,
}

impl Ramp {
    /// A constant contrast.
    pub const fn constant(contrast: f64) -> Self {
        Self { from: contrast, to: contrast, start_ns: 0, end_ns: 0 }
    }

    /// Contrast at an instant.
    pub fn at(&self, at_ns: i64) -> f64 {
        if at_ns >= self.end_ns {
            self.to
        } else if at_ns <= self.start_ns {
            self.from
        } else {
            let part = (at_ns - self.start_ns) as f64 / (self.end_ns - self.start_ns) as f64;
            self.from + (self.to - self.from) * part
        }
    }
}

/// What the loop wants on the screen. The display always draws the newest command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Command {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn that issued it.
    pub turn: u64,
    /// `now` of that turn.
    pub issued_ns: i64,
    /// The decision that caused it, if one did (schedule and safety also cause commands).
    pub decision: Option<u64>,
    /// What to show.
    pub scene: SceneId,
    /// Michelson contrast over time, 0..=1.
    pub contrast: Ramp,
    /// Which picture, where the scene shows pictures; none in recordings of format version 1, which knew none.
    pub picture: Option<u64>,
    /// The first refresh that begins at this instant or after it is the first to show it; until then what was shown stays.
    /// 0 (at once) in older recordings.
    pub not_before_ns: i64,
}

/// The instant at which a command stood where the display reads it: the end of the loop's own latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The command's index.
    pub command: u64,
    /// When it was published.
    pub at_ns: i64,
}

/// One presented frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flip {
    /// Index of the refresh at which the frame became visible. Refreshes that showed an old frame again leave a gap,
    /// so this number is a clock of the screen; phase is computed from it.
    pub frame: u64,
    /// When the first line of the frame left the screen.
    pub onset_ns: i64,
    /// How `onset_ns` is known.
    pub class: OnsetClass,
    /// When the frame was handed to the system.
    pub submitted_ns: i64,
    /// The command it shows.
    pub command: Option<u64>,
    /// What it shows.
    pub scene: SceneId,
    /// The contrast it shows.
    pub contrast: f64,
    /// What the display's own veil of grey left of it, above 0 and up to 1; 1 in recordings that did not say it.
    pub veil: f64,
    /// Refreshes since the flip before that showed an old frame again (missed frames).
    pub missed: u32,
    /// Refreshes by which it came after the one that it was drawn for, where stamps tell (negative: before it).
    pub late: i32,
    /// Whether it came in the same refresh as the flip before, so that nobody saw that one.
    pub replaces: bool,
    /// Where what follows the gaze was placed; `None` where nothing does, and where the gaze was lost (nothing of it was drawn).
    pub gaze: Option<Gaze>,
}

impl Flip {
    /// The refresh that it was drawn for, from which its flicker's phase was computed.
    pub fn drawn_for(&self) -> u64 {
        self.frame.saturating_add_signed(-i64::from(self.late))
    }
}

impl Row for Command {
    const STREAM: &'static str = "photic-commands";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "issued_ns",
        "decision",
        "scene",
        "contrast_from_f64",
        "contrast_to_f64",
        "ramp_start_ns",
        "ramp_end_ns",
        "picture_plus_1",
        "not_before_ns",
    ];
    const OLDEST_COLUMNS: usize = 9;

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.issued_ns);
        put(index_column(self.decision));
        put(i64::from(self.scene.0));
        put(self.contrast.from.to_bits() as i64);
        put(self.contrast.to.to_bits() as i64);
        put(self.contrast.start_ns);
        put(self.contrast.end_ns);
        // A column that lacks reads as 0.
        put(self.picture.map_or(0, |picture| picture as i64 + 1));
        put(self.not_before_ns);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            issued_ns: c.i64(),
            decision: c.optional_index()?,
            scene: SceneId(c.int()?),
            contrast: Ramp { from: c.f64(), to: c.f64(), start_ns: c.i64(), end_ns: c.i64() },
            picture: c.int::<u64>()?.checked_sub(1),
            not_before_ns: c.i64(),
        })
    }
}

impl Row for Published {
    const STREAM: &'static str = "photic-published";
    const COLUMNS: &'static [&'static str] = &["command", "at_ns"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.command as i64);
        put(self.at_ns);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self { command: c.int()?, at_ns: c.i64() })
    }
}

impl Row for Flip {
    const STREAM: &'static str = "photic-flips";
    const COLUMNS: &'static [&'static str] = &[
        "frame",
        "onset_ns",
        "class",
        "submitted_ns",
        "command",
        "scene",
        "contrast_f64",
        "missed",
        "late",
        "replaces",
        "gaze_ns",
        "gaze_x_px_f64",
        "gaze_y_px_f64",
        "veil_if_not_1_f64",
    ];
    const OLDEST_COLUMNS: usize = 8;

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.frame as i64);
        put(self.onset_ns);
        put(self.class as i64);
        put(self.submitted_ns);
        put(index_column(self.command));
        put(i64::from(self.scene.0));
        put(self.contrast.to_bits() as i64);
        put(i64::from(self.missed));
        put(i64::from(self.late));
        put(i64::from(self.replaces));
        // A column that lacks reads as 0, which is the instant of no sample.
        let [x, y] = self.gaze.map_or([f64::NAN; 2], |gaze| gaze.offset_px);
        put(self.gaze.map_or(0, |gaze| gaze.at_ns));
        put(x.to_bits() as i64);
        put(y.to_bits() as i64);
        // A column that lacks reads as 0.
        put(if self.veil == 1.0 { 0 } else { self.veil.to_bits() as i64 });
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            frame: c.int()?,
            onset_ns: c.i64(),
            class: {
                let code = c.i64();
                let class = usize::try_from(code).ok().and_then(|code| OnsetClass::ALL.get(code).copied());
                class.ok_or_else(|| c.refuse(code))?
            },
            submitted_ns: c.i64(),
            command: c.optional_index()?,
            scene: SceneId(c.int()?),
            contrast: c.f64(),
            missed: c.int()?,
            late: c.int()?,
            replaces: c.flag()?,
            gaze: {
                let (at_ns, offset_px) = (c.i64(), [c.f64(), c.f64()]);
                (at_ns != 0).then_some(Gaze { at_ns, offset_px })
            },
            veil: match c.f64() {
                0.0 => 1.0,
                veil => veil,
            },
        })
    }
}
