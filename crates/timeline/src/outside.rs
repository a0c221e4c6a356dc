//! Records of a program outside that takes part in the loop: what it is told, and what it answers.

use crate::row::{Columns, Row, RowError};

/// What the loop tells a program outside at a decision; each state wants a reply before its deadline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn that told it.
    pub turn: u64,
    /// `now` of that turn; the deadline counts from here.
    pub at_ns: i64,
    /// The decision that it tells of.
    pub decision: u64,
    /// The decoder's value, in its unit.
    pub value: f64,
    /// Its standard error.
    pub spread: f64,
    /// The set point at this instant; not a number where none holds.
    pub set_point: f64,
    /// The contrast that the controller asked for last, 0..=1, as far as the photosensitivity governor lets it through.
    pub contrast: f64,
    /// Instants of the first and the last sample of the decoder's window.
    pub window_ns: [i64; 2],
}

/// What a program outside answered, as it came: recorded input of the loop, so that a replay needs no program. Whether it
/// is believed is the loop's to decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reply {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// When the inlet had it.
    pub at_ns: i64,
    /// The state that it says it answers; whatever was sent.
    pub state: f64,
    /// The contrast, 0..=1, or the decoded value; whatever was sent.
    pub value: f64,
    /// Standard error of a decoded value; not a number where a contrast is sent.
    pub spread: f64,
}

impl Row for State {
    const STREAM: &'static str = "photic-states";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "at_ns",
        "decision",
        "value_f64",
        "spread_f64",
        "set_point_f64",
        "contrast_f64",
        "window_start_ns",
        "window_end_ns",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.at_ns);
        put(self.decision as i64);
        for value in [self.value, self.spread, self.set_point, self.contrast] {
            put(value.to_bits() as i64);
        }
        self.window_ns.into_iter().for_each(put);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            at_ns: c.i64(),
            decision: c.int()?,
            value: c.f64(),
            spread: c.f64(),
            set_point: c.f64(),
            contrast: c.f64(),
            window_ns: [c.i64(), c.i64()],
        })
    }
}

impl Row for Reply {
    const STREAM: &'static str = "photic-replies";
    const COLUMNS: &'static [&'static str] = &["index", "at_ns", "state_f64", "value_f64", "spread_f64"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.at_ns);
        for value in [self.state, self.value, self.spread] {
            put(value.to_bits() as i64);
        }
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self { index: c.int()?, at_ns: c.i64(), state: c.f64(), value: c.f64(), spread: c.f64() })
    }
}
