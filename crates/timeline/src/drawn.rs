//! What a frame was known by, and what the photosensitivity governor let through of it.

use crate::row::{Columns, Row, RowError};

/// The codes of a presented frame as a checksum, and what the photosensitivity governor did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// Index of the refresh at which it became visible: that of its flip.
    pub frame: u64,
    /// When that was.
    pub at_ns: i64,
    /// Checksum of the frame's codes before the photodiode patch, in two halves.
    pub checksum: [u64; 2],
    /// What was shown: 0 the frame as it was drawn, 1 it or an earlier one on the way to grey, 2 the frame before once more,
    /// 3 grey.
    pub shown: u32,
    /// Part of the commanded contrast about neutral grey that was shown, of 65535.
    pub gain: u32,
    /// Which rules of photosensitivity the frame would have broken, a bit each; 0 is none.
    pub broken: u32,
}

impl Drawn {
    /// The gain of a frame that is shown as it was drawn.
    pub const WHOLE: u32 = 65_535;
}

impl Row for Drawn {
    const STREAM: &'static str = "photic-drawn";
    const COLUMNS: &'static [&'static str] =
        &["frame", "at_ns", "checksum_low", "checksum_high", "shown", "gain_of_65535", "broken"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.frame as i64);
        put(self.at_ns);
        put(self.checksum[0] as i64);
        put(self.checksum[1] as i64);
        put(i64::from(self.shown));
        put(i64::from(self.gain));
        put(i64::from(self.broken));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            frame: c.int()?,
            at_ns: c.i64(),
            checksum: [c.i64() as u64, c.i64() as u64],
            shown: c.int()?,
            gain: c.int()?,
            broken: c.int()?,
        })
    }
}

/// What the photosensitivity governor let through of the commanded contrast from a frame on, until the next of these: recorded
/// input of the loop, as it heard it, some frames later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attenuation {
    /// The turn that took it.
    pub turn: u64,
    /// Index of the refresh from which it holds.
    pub frame: u64,
    /// When that was.
    pub at_ns: i64,
    /// As [`Drawn::shown`].
    pub shown: u32,
    /// As [`Drawn::gain`].
    pub gain: u32,
}

impl Attenuation {
    /// Of a frame.
    pub fn of(drawn: &Drawn) -> Self {
        Self { turn: 0, frame: drawn.frame, at_ns: drawn.at_ns, shown: drawn.shown, gain: drawn.gain }
    }

    /// The part of the commanded contrast that was there to be seen.
    pub fn gain(&self) -> f64 {
        f64::from(self.gain.min(Drawn::WHOLE)) / f64::from(Drawn::WHOLE)
    }

    /// The part of it that changed from frame to frame as was commanded: none while a frame stays or fades.
    pub fn driving(&self) -> f64 {
        if self.shown == 0 { self.gain() } else { 0.0 }
    }
}

impl Row for Attenuation {
    const STREAM: &'static str = "photic-attenuations";
    const COLUMNS: &'static [&'static str] = &["turn", "frame", "at_ns", "shown", "gain_of_65535"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.turn as i64);
        put(self.frame as i64);
        put(self.at_ns);
        put(i64::from(self.shown));
        put(i64::from(self.gain));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self { turn: c.int()?, frame: c.int()?, at_ns: c.i64(), shown: c.int()?, gain: c.int()? })
    }
}
