//! Pseudorandom and other binary codes, shown bit by bit, for responses that a code modulates (c-VEP, multifocal maps).
//!
//! A code is a row of bits; each is shown for a whole number of frames, 1 as the bright state and 0 as the dark one, and
//! the row repeats. Sequences come from [`m_sequence`], [`GoldSet`], [`de_bruijn`], [`golay_pair`] and [`apa`], or are
//! given by the user ([`bits_of`]).

mod apa;
mod debruijn;
mod golay;
mod gold;
mod msequence;

use thiserror::Error;

use crate::repair::{Change, Repaired, nearer, neighbours};

pub use apa::apa;
pub use debruijn::de_bruijn;
pub use golay::golay_pair;
pub use gold::GoldSet;
pub use msequence::{default_taps, m_sequence};

/// The highest order of a sequence: 65 536 bits, 18 minutes at 60 bit/s.
pub const MAX_ORDER: u32 = 16;

/// The most bits of a code.
pub const MAX_BITS: usize = 1 << 20;

/// Why a code cannot be made or shown.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CodeError {
    /// The order is out of range for this family.
    #[error("{family} of order {order}: allowed is {allowed}")]
    Order {
        /// Which family.
        family: &'static str,
        /// The order asked for.
        order: u32,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Feedback taps are not a set of delays that ends with the order.
    #[error(
        "taps {taps:?} of an m-sequence of order {order}: allowed are ascending delays from 1 that end with {order}"
    )]
    Taps {
        /// The taps asked for.
        taps: Vec<u32>,
        /// The order.
        order: u32,
    },
    /// The polynomial of the taps is not primitive.
    #[error("taps {taps:?} repeat after {period} bits, an m-sequence of order {order} needs {needed}")]
    NotPrimitive {
        /// The taps asked for.
        taps: Vec<u32>,
        /// The order.
        order: u32,
        /// After how many bits the register comes back.
        period: u32,
        /// 2^order - 1.
        needed: u32,
    },
    /// The register would stay at zero, or has bits beyond the order.
    #[error("seed {seed:#b} of an m-sequence of order {order}: allowed are {order} bits, not all of them 0")]
    Seed {
        /// The seed asked for.
        seed: u32,
        /// The order.
        order: u32,
    },
    /// No such code in the set.
    #[error("Gold code {index}: the set of order {order} has the codes 0 to {last}")]
    GoldIndex {
        /// The index asked for.
        index: usize,
        /// The order.
        order: u32,
        /// The last index.
        last: usize,
    },
    /// The family has no sequence of this length.
    #[error("{family} of {length} bits: allowed are {allowed}; {}", near(*shorter, *longer))]
    Length {
        /// Which family.
        family: &'static str,
        /// The length asked for.
        length: usize,
        /// What is allowed.
        allowed: &'static str,
        /// The next shorter length.
        shorter: Option<usize>,
        /// The next longer length.
        longer: Option<usize>,
    },
    /// Text that is not made of 0 and 1.
    #[error("bit {place} of a code is {found:?}: allowed are 0 and 1 (and spaces between them)")]
    Bit {
        /// Counted from 1.
        place: usize,
        /// What stands there.
        found: char,
    },
    /// Bits that no code can be made of.
    #[error("a code of {length} bits: allowed are 2 to {MAX_BITS}")]
    Bits {
        /// How many there are.
        length: usize,
    },
    /// All bits are alike.
    #[error("all {length} bits of a code are {bit}: nothing would change on the screen")]
    Constant {
        /// How many there are.
        length: usize,
        /// 0 or 1.
        bit: u8,
    },
    /// A bit that is shown for no frame.
    #[error("a code of 0 frames per bit: allowed is 1 or more")]
    NoFrames,
    /// Rate or refresh is not a positive number.
    #[error("{bit_rate_hz} bit/s on a screen of {refresh_hz} Hz: both must be more than 0")]
    NotPositive {
        /// The rate asked for.
        bit_rate_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
    },
    /// A bit would not last a whole number of frames.
    #[error(
        "{bit_rate_hz} bit/s need {frames_per_bit:.4} frames per bit at {refresh_hz} Hz, allowed are whole numbers: {}",
        neighbours(*lower_hz, *higher_hz, " bit/s")
    )]
    Rate {
        /// The rate asked for.
        bit_rate_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
        /// Frames per bit that it would need.
        frames_per_bit: f64,
        /// The next lower rate that can be made.
        lower_hz: f64,
        /// The next higher rate that can be made, if there is one.
        higher_hz: Option<f64>,
    },
    /// A target that is not one of the set.
    #[error(
        "{targets} targets (this one is number {target}, from 0) on a code of {length} bits: at most {length} have a shift of their own"
    )]
    Target {
        /// Which target, from 0.
        target: usize,
        /// Of how many.
        targets: usize,
        /// Bits of the code.
        length: usize,
    },
}

fn near(shorter: Option<usize>, longer: Option<usize>) -> String {
    match (shorter, longer) {
        (Some(shorter), Some(longer)) => format!("nearest are {shorter} and {longer}"),
        (Some(one), None) | (None, Some(one)) => format!("nearest is {one}"),
        (None, None) => "there is none".to_owned(),
    }
}

/// The bits that a text of 0 and 1 gives; white space and `_` between them are skipped.
///
/// # Errors
/// At the first other character.
pub fn bits_of(text: &str) -> Result<Vec<bool>, CodeError> {
    let written = text.chars().filter(|char| !char.is_whitespace() && *char != '_');
    let bit = |(index, found)| match found {
        '0' => Ok(false),
        '1' => Ok(true),
        found => Err(CodeError::Bit { place: index + 1, found }),
    };
    written.enumerate().map(bit).collect()
}

/// Each bit as two: 1 as `01`, 0 as `10`, so that no state lasts longer than two bits and little is left at low
/// frequencies. It is the exclusive or with a clock of twice the rate (Thielen et al. 2015, PLOS ONE 10, e0133797).
pub fn modulated(bits: &[bool]) -> Vec<bool> {
    bits.iter().flat_map(|&bit| [!bit, bit]).collect()
}

/// The row turned so that it comes `by` bits later: bit i becomes bit i + by.
pub fn shifted(bits: &[bool], by: usize) -> Vec<bool> {
    let mut turned = bits.to_vec();
    if !bits.is_empty() {
        turned.rotate_right(by % bits.len());
    }
    turned
}

/// A code that the refresh shows exactly: its bits, each for a whole number of frames, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    bits: Vec<bool>,
    frames_per_bit: u32,
}

impl Code {
    /// A code of these bits.
    ///
    /// # Errors
    /// When a bit has no frame, there are fewer than 2 bits or more than [`MAX_BITS`], or all are alike.
    pub fn new(bits: Vec<bool>, frames_per_bit: u32) -> Result<Self, CodeError> {
        if frames_per_bit == 0 {
            return Err(CodeError::NoFrames);
        }
        if !(2..=MAX_BITS).contains(&bits.len()) {
            return Err(CodeError::Bits { length: bits.len() });
        }
        if bits.iter().all(|bit| *bit == bits[0]) {
            return Err(CodeError::Constant { length: bits.len(), bit: u8::from(bits[0]) });
        }
        Ok(Self { bits, frames_per_bit })
    }

    /// A code of these bits at a rate, which must be the refresh divided by a whole number of frames.
    ///
    /// # Errors
    /// When the refresh cannot make the rate (the error names the nearest that it can), and as [`Code::new`].
    pub fn realise(bits: Vec<bool>, bit_rate_hz: f64, refresh_hz: f64) -> Result<Self, CodeError> {
        let frames_per_bit = whole_frames(bit_rate_hz, refresh_hz)?;
        Self::new(bits, frames_per_bit)
    }

    /// The same at the nearest rate that the refresh makes, with what that changed.
    ///
    /// # Errors
    /// As [`Code::new`], and when a rate is not a positive number.
    pub fn repair(bits: Vec<bool>, bit_rate_hz: f64, refresh_hz: f64) -> Result<Repaired<Self>, CodeError> {
        match whole_frames(bit_rate_hz, refresh_hz) {
            Ok(frames) => Ok(Repaired { value: Self::new(bits, frames)?, changes: Vec::new() }),
            Err(CodeError::Rate { lower_hz, higher_hz, .. }) => {
                let made = nearer(bit_rate_hz, lower_hz, higher_hz);
                let value = Self::realise(bits, made, refresh_hz)?;
                Ok(Repaired { value, changes: vec![Change { key: "bit_rate_hz", asked: bit_rate_hz, made }] })
            }
            Err(error) => Err(error),
        }
    }

    /// The bits in the order in which they are shown.
    pub fn bits(&self) -> &[bool] {
        &self.bits
    }

    /// How many frames a bit is shown for.
    pub fn frames_per_bit(&self) -> u32 {
        self.frames_per_bit
    }

    /// How many bits a screen shows per second.
    pub fn bit_rate_hz(&self, refresh_hz: f64) -> f64 {
        refresh_hz / f64::from(self.frames_per_bit)
    }

    /// After how many frames the code begins again.
    pub fn period_frames(&self) -> u64 {
        self.bits.len() as u64 * u64::from(self.frames_per_bit)
    }

    /// Whether a frame is bright, counted from the onset.
    pub fn bit(&self, frame_since_onset: u64) -> bool {
        let bit = frame_since_onset / u64::from(self.frames_per_bit) % self.bits.len() as u64;
        self.bits[bit as usize]
    }

    /// The level of a frame counted from the onset: 1 bright, 0 dark.
    pub fn level(&self, frame_since_onset: u64) -> f64 {
        if self.bit(frame_since_onset) { 1.0 } else { 0.0 }
    }

    /// The code turned so that it comes `by` bits later.
    pub fn shifted(&self, by: usize) -> Self {
        Self { bits: shifted(&self.bits, by), frames_per_bit: self.frames_per_bit }
    }

    /// The code of one of several targets that share it at evenly spread shifts: it comes `target * bits / targets`
    /// bits later (rounded down). The shifts all differ; whether the rows do, a code with a period of its own inside
    /// may break, which [`crate::separation::separate`] finds.
    ///
    /// # Errors
    /// When the target is none of them, or there are more targets than bits.
    pub fn target(&self, target: usize, targets: usize) -> Result<Self, CodeError> {
        let length = self.bits.len();
        if target >= targets || targets > length {
            return Err(CodeError::Target { target, targets, length });
        }
        Ok(self.shifted(target * length / targets))
    }
}

/// Frames per bit, where the refresh makes the rate.
fn whole_frames(bit_rate_hz: f64, refresh_hz: f64) -> Result<u32, CodeError> {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    if !positive(bit_rate_hz) || !positive(refresh_hz) {
        return Err(CodeError::NotPositive { bit_rate_hz, refresh_hz });
    }
    let frames_per_bit = refresh_hz / bit_rate_hz;
    let whole = frames_per_bit.round();
    let most = f64::from(u32::MAX);
    if whole >= 1.0 && whole <= most && (frames_per_bit - whole).abs() <= 1e-9 * whole {
        return Ok(whole as u32);
    }
    let fewer = frames_per_bit.floor().min(most - 1.0);
    Err(CodeError::Rate {
        bit_rate_hz,
        refresh_hz,
        frames_per_bit,
        lower_hz: refresh_hz / (fewer + 1.0),
        higher_hz: (fewer >= 1.0).then(|| refresh_hz / fewer),
    })
}
