//! What a frame was known by.

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
    /// Part of the contrast about neutral grey that was shown, of 65535.
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
