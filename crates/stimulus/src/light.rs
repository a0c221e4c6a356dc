//! Linear light to codes: the last pass of a frame, the same to the bit on the CPU and in `shaders/light.wgsl`.
//!
//! A code is looked up, not computed by a power function, because no two GPUs round a power alike. The table holds the
//! *drive*: the code as a continuous number, straight in light between the lights of neighbouring codes on this display.
//! It is kept in whole numbers at edges that lie close together where light is faint (256 to an octave, from 2^-16 of white
//! on), and interpolated with whole numbers. A light is found by the bits of `light + 2^-16`, which is one rounded addition.
//!
//! **Dithering** adds noise of one step, uniform, to the drive and cuts off the fraction. So the upper of two neighbouring
//! codes is shown with probability `(wanted - below) / (above - below)`, where `below` and `above` are their *lights*, and
//! the mean light is the wanted one whatever the display's transfer. Noise added to a code that was computed by the
//! transfer itself would be right for a straight transfer only. The noise is drawn anew for each pixel and frame from a
//! hash of (x, y, frame, seed), so that it is white in space and time: its spectrum has no lines. Ordered and
//! low-discrepancy sequences are quieter, but periodic in time, and a period of four frames is a line at 15 Hz on a 60 Hz
//! screen. Red, green and blue share the noise: what is grey stays grey in every frame.
//!
//! Without dithering half a step is added, which gives the code that is nearest in light.

use crate::transfer::{Transfer, TransferError};

/// Noise 0..65536 that gives the nearest code.
pub const NEAREST: u32 = 1 << 15;

/// What is added to a light before its bits are taken: bins are evenly spaced below it, 256 to an octave above it.
pub const DARKEST: f32 = 1.0 / 65_536.0;

/// Bits of a light that say where in its bin it lies.
pub const BIN_SHIFT: u32 = 15;

/// Bins from black to white, the columns of the table.
pub const BINS: u32 = (((1.0 + DARKEST).to_bits() - DARKEST.to_bits()) >> BIN_SHIFT) + 1;

const PART_MASK: u32 = (1 << BIN_SHIFT) - 1;

/// A drive has 24 bits, so that 15 of a light times these, in two parts, stay within 32.
const DRIVE_BITS: u32 = 24;

/// A display's encoder, prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Light {
    bits: u32,
    dither: Option<u32>,
    /// Light 0..=1 of each code, of red, green and blue; never falls.
    levels: [Vec<f64>; 3],
    table: Vec<[u32; 2]>,
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
        let rows = if transfer.is_grey() { &levels[..1] } else { &levels[..] };
        let table = rows.iter().flat_map(|levels| bins(levels, DRIVE_BITS - bits)).collect();
        Ok(Self { bits, dither, levels, table })
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

    /// Light 0..=1 that a code of channel 0 (red), 1 or 2 gives.
    ///
    /// # Panics
    /// When there is no such channel or code: a mistake of the caller.
    pub fn light_of(&self, channel: usize, code: u32) -> f64 {
        self.levels[channel][code as usize]
    }

    /// The noise 0..65536 of a pixel (column, row) in a frame, of whose index the lowest 32 bits count. Twin of the
    /// shader's `noise_at`.
    pub fn noise(&self, pixel: [u32; 2], frame: u64) -> u32 {
        self.dither.map_or(NEAREST, |seed| mixed([pixel[0], pixel[1], frame as u32, seed])[0] >> 16)
    }

    /// The code of linear light in channel 0 (red), 1 or 2, by a noise 0..65536; what is not within 0..=1 is clamped. Twin
    /// of the shader's `code_of`.
    pub fn code(&self, linear: f32, channel: usize, noise: u32) -> u32 {
        // A light that is no number is black.
        let clamped = if linear > 0.0 { linear.min(1.0) } else { 0.0 };
        if clamped >= 1.0 {
            return self.highest();
        }
        let key = (clamped + DARKEST).to_bits() - DARKEST.to_bits();
        let row = channel.min(self.rows() as usize - 1);
        let [start, rise] = self.table[row * BINS as usize + (key >> BIN_SHIFT) as usize];
        let drive = start + ((u64::from(key & PART_MASK) * u64::from(rise)) >> BIN_SHIFT) as u32;
        (drive + (noise >> (16 - self.fraction_bits()))) >> self.fraction_bits()
    }

    /// The codes of a pixel's linear red, green and blue. Twin of the shader's `encode_light`, which divides them by
    /// [`Light::highest`], and of `encode_grey`, which takes one light and is right where all channels share a row.
    pub fn encode(&self, linear: [f32; 3], pixel: [u32; 2], frame: u64) -> [u32; 3] {
        let noise = self.noise(pixel, frame);
        [0, 1, 2].map(|channel| self.code(linear[channel], channel, noise))
    }

    /// Rows of the table: 1 where all channels share it, or 3.
    pub fn rows(&self) -> u32 {
        self.table.len() as u32 / BINS
    }

    /// What the shader's texture `drives` holds, [`Light::rows`] rows of [`BINS`] texels: the drive at the bin's lower edge
    /// and its rise over the bin, in codes times 2^fraction_bits.
    pub fn table(&self) -> &[[u32; 2]] {
        &self.table
    }

    /// The shader's uniform `light`: highest code, fraction bits, rows, seed. Whether it dithers is the constant `DITHERS` of
    /// the pipeline, because a software GPU runs both sides of a branch.
    pub fn uniform(&self) -> [u32; 4] {
        [self.highest(), self.fraction_bits(), self.rows(), self.dither.unwrap_or(0)]
    }

    fn fraction_bits(&self) -> u32 {
        DRIVE_BITS - self.bits
    }
}

fn levels(transfer: &Transfer, channel: usize, highest: u32) -> Vec<f64> {
    let mut levels: Vec<f64> = Vec::with_capacity(highest as usize + 1);
    for code in 0..=highest {
        let light = transfer.light(channel, f64::from(code) / f64::from(highest)).clamp(0.0, 1.0);
        // A cubic through equal levels may fall by a rounding.
        levels.push(light.max(levels.last().copied().unwrap_or(0.0)));
    }
    levels
}

/// The continuous code of a light; of codes that give the same light, the lowest.
fn drive(levels: &[f64], light: f64) -> f64 {
    match levels.partition_point(|&level| level < light) {
        0 => 0.0,
        above if above == levels.len() => (levels.len() - 1) as f64,
        above => {
            let below = levels[above - 1];
            (above - 1) as f64 + (light - below) / (levels[above] - below)
        }
    }
}

/// Drive at each bin's lower edge, and its rise over the bin.
fn bins(levels: &[f64], fraction_bits: u32) -> Vec<[u32; 2]> {
    let at = |edge: u32| {
        let light = f32::from_bits(DARKEST.to_bits() + (edge << BIN_SHIFT)) - DARKEST;
        libm::round(drive(levels, f64::from(light)) * f64::from(1 << fraction_bits)) as u32
    };
    (0..BINS).map(|bin| [at(bin), at(bin + 1) - at(bin)]).collect()
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
