//! Linear light to codes: the last pass of a frame, the same to the bit on the CPU and in `shaders/light.wgsl`.
//!
//! A code is found by looking it up, not by a power function, because no two GPUs round a power alike. Light is counted
//! in whole units of 2^-24 of the screen's range, an f32 of the linear frame gives its units exactly, and the rest is
//! comparisons of whole numbers with a table of the light of each code.
//!
//! **Dithering.** Between the codes below and above the wanted light, the upper one is shown with the probability that
//! makes the mean *light* right: `(wanted - below) / (above - below)`, where `below` and `above` are the lights of the two
//! codes on this display. Rounding after noise was added in code space would be right for a straight transfer only. The
//! probability is exact to 2^-16 of a step. The noise is drawn anew for each pixel and frame from a hash of (x, y, frame,
//! seed), so that it is white in space and time: its spectrum has no lines. Ordered and low-discrepancy sequences are
//! quieter, but periodic in time, and a period of four frames is a line at 15 Hz on a 60 Hz screen. Red, green and blue
//! share it: what is grey stays grey in every frame.
//!
//! Without dithering the code is the one nearest in light.

use crate::transfer::{Transfer, TransferError};

/// Units of light from black to white.
pub const LIGHT_UNITS: u32 = 1 << 24;

/// The threshold that gives the nearest code.
pub const NEAREST: u32 = 1 << 15;

/// An f32 is sorted into bins by its exponent and seven bits of its mantissa ...
const BIN_SHIFT: u32 = 16;

/// ... from 2^12 units on; all that is darker shares the first.
const FIRST_BIN: u32 = 4096.0_f32.to_bits() >> BIN_SHIFT;

/// Bins of the shader's table: [`FIRST_BIN`] to that of white, and one behind.
const BINS: usize = ((16_777_216.0_f32.to_bits() >> BIN_SHIFT) - FIRST_BIN) as usize + 2;

/// Words before the table: highest code, whether it dithers, seed, words per channel.
const HEADER_WORDS: usize = 4;

/// A display's encoder, prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Light {
    bits: u32,
    dither: Option<u32>,
    /// Light of each code in units, of red, green and blue; never falls, from 0 to [`LIGHT_UNITS`].
    levels: [Vec<u32>; 3],
    words: Vec<u32>,
}

impl Light {
    /// Prepares a transfer for a surface of 8 or 10 `bits` per channel; with a seed it dithers.
    ///
    /// # Errors
    /// Other bits, and exponents outside their range.
    pub fn prepare(transfer: &Transfer, bits: u32, dither: Option<u32>) -> Result<Self, TransferError> {
        if bits != 8 && bits != 10 {
            return Err(TransferError::Bits(bits));
        }
        transfer.check()?;
        let levels = [0, 1, 2].map(|channel| levels(transfer, channel, (1 << bits) - 1));
        let words = words(&levels, transfer.is_grey(), dither);
        Ok(Self { bits, dither, levels, words })
    }

    /// Bits per channel of the surface.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The highest code, 255 or 1023.
    pub fn highest(&self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The seed of the dither, if there is any.
    pub fn dither(&self) -> Option<u32> {
        self.dither
    }

    /// Light 0..=1 that a code of channel 0 (red), 1 or 2 gives, to 2^-25.
    ///
    /// # Panics
    /// When there is no such channel or code: a mistake of the caller.
    pub fn light_of(&self, channel: usize, code: u32) -> f64 {
        f64::from(self.levels[channel][code as usize]) / f64::from(LIGHT_UNITS)
    }

    /// The threshold 0..65536 of a pixel (column, row) in a frame, of whose index the lowest 32 bits count.
    pub fn threshold(&self, pixel: [u32; 2], frame: u64) -> u32 {
        self.dither.map_or(NEAREST, |seed| mixed([pixel[0], pixel[1], frame as u32, seed])[0] >> 16)
    }

    /// The code of linear light in channel 0 (red), 1 or 2, by a threshold 0..65536; what is not within 0..=1 is clamped.
    /// Twin of the shader's `encode_channel`, which divides it by [`Light::highest`].
    pub fn encode_channel(&self, linear: f32, channel: usize, threshold: u32) -> u32 {
        // Scaling by a power of two is exact, and so is dropping the fraction; NaN becomes 0.
        let units = (linear.clamp(0.0, 1.0) * LIGHT_UNITS as f32) as u32;
        let levels = &self.levels[channel];
        let code = levels.partition_point(|&level| level < units);
        if code == 0 {
            return 0;
        }
        let below = levels[code - 1];
        let gap = levels[code] - below;
        let part = (u64::from(threshold) * u64::from(gap)) >> 16;
        let is_above = part < u64::from(units - below);
        (code - usize::from(!is_above)) as u32
    }

    /// The codes of a pixel's linear red, green and blue. Twin of the shader's `encode_light`.
    pub fn encode(&self, linear: [f32; 3], pixel: [u32; 2], frame: u64) -> [u32; 3] {
        let threshold = self.threshold(pixel, frame);
        [0, 1, 2].map(|channel| self.encode_channel(linear[channel], channel, threshold))
    }

    /// What the shader reads, as its `struct Light` lies in memory: highest code, whether it dithers, seed, words per
    /// channel (0 where all share one table), then per channel the light of each code and, per bin of the light's
    /// logarithm, the first code that is at least as light as the bin's lower edge.
    pub fn words(&self) -> &[u32] {
        &self.words
    }
}

fn levels(transfer: &Transfer, channel: usize, highest: u32) -> Vec<u32> {
    let mut levels: Vec<u32> = Vec::with_capacity(highest as usize + 1);
    for code in 0..=highest {
        let light = transfer.light(channel, f64::from(code) / f64::from(highest));
        let level = libm::round(light.clamp(0.0, 1.0) * f64::from(LIGHT_UNITS)) as u32;
        // A cubic through equal levels may fall by a rounding.
        levels.push(level.max(levels.last().copied().unwrap_or(0)));
    }
    levels
}

fn words(levels: &[Vec<u32>; 3], shared: bool, dither: Option<u32>) -> Vec<u32> {
    let stride = levels[0].len() + BINS;
    let channels = if shared { &levels[..1] } else { &levels[..] };
    let mut words = Vec::with_capacity(HEADER_WORDS + channels.len() * stride);
    words.extend([
        levels[0].len() as u32 - 1,
        u32::from(dither.is_some()),
        dither.unwrap_or(0),
        if shared { 0 } else { stride as u32 },
    ]);
    for levels in channels {
        words.extend(levels);
        words.extend((0..BINS as u32).map(|bin| {
            // The first bin begins at no light at all; the edges of the others are whole numbers of units.
            let edge = if bin == 0 { 0 } else { f32::from_bits((FIRST_BIN + bin) << BIN_SHIFT) as u32 };
            levels.partition_point(|&level| level < edge).min(levels.len() - 1) as u32
        }));
    }
    words
}

/// Four well mixed words of four: pcg4d of Jarzynski and Olano, "Hash functions for GPU rendering", Journal of Computer
/// Graphics Techniques 9(3):20, 2020.
fn mixed(words: [u32; 4]) -> [u32; 4] {
    let round = |[x, y, z, w]: [u32; 4]| {
        let x = x.wrapping_add(y.wrapping_mul(w));
        let y = y.wrapping_add(z.wrapping_mul(x));
        let z = z.wrapping_add(x.wrapping_mul(y));
        let w = w.wrapping_add(y.wrapping_mul(z));
        [x, y, z, w]
    };
    let words = words.map(|word| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    round(round(words).map(|word| word ^ (word >> 16)))
}
