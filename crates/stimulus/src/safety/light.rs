//! Code values to light, in whole numbers: what the rule and its shader look up for every pixel.

use thiserror::Error;

use crate::colour::Gamut;
use crate::light::Light;
use crate::scene::MEAN_LUMINANCE;
use crate::screen::Screen;

/// Linear light of a channel at its highest code.
pub const FULL_LINEAR: u32 = 65_535;

/// Linear light of neutral grey, in the same unit.
pub const GREY_LINEAR: u32 = 32_768;

/// Chromaticity u' and v' are whole numbers of this part of 1.
pub const CHROMATICITY_UNITS: u32 = 1 << CHROMATICITY_BITS;

const CHROMATICITY_BITS: u32 = 14;

/// Below this mean linear light of all three channels together a chromaticity means nothing: that is 1/256 of one channel,
/// less than what a screen leaks. Such a state is taken as white, so that red against black is far apart.
const DARK: u32 = 256;

/// XYZ of the Rec. 709 primaries with the luminance of white as 1 (IEC 61966-2-1).
const REC709_XYZ: [[f64; 3]; 3] =
    [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]];

/// Bits by which the coefficients of [`Chromaticity`] are scaled.
const COEFFICIENT_SCALE: f64 = 1024.0;

/// Three channels of a pixel's code values in one word: red in the lowest ten bits, then green, then blue.
pub const fn pack(codes: [u32; 3]) -> u32 {
    codes[0] | codes[1] << 10 | codes[2] << 20
}

/// The code values of a packed pixel.
pub const fn unpack(pixel: u32) -> [u32; 3] {
    [pixel & 1023, pixel >> 10 & 1023, pixel >> 20 & 1023]
}

/// Why a description of the screen's light cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum LightError {
    /// Number of code values.
    #[error("channel {channel} has {levels} code values, allowed are 256 or 1024, the same for each channel")]
    Levels {
        /// 0 red, 1 green, 2 blue.
        channel: usize,
        /// Values found.
        levels: usize,
    },
    /// A curve that is not within 0..=1 or falls.
    #[error(
        "channel {channel}: linear light of code {code} is {value}, allowed is 0 to 1 and no less than the code before"
    )]
    Curve {
        /// 0 red, 1 green, 2 blue.
        channel: usize,
        /// The code value.
        code: usize,
        /// Its linear light.
        value: f64,
    },
    /// Primaries or black that no screen has.
    #[error("{what} is {value} cd/m2, allowed is {allowed}")]
    Range {
        /// What it is.
        what: &'static str,
        /// The number found.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// Weights that turn linear light of red, green and blue into the three sums of CIE 1976 u' and v':
/// `u' = 4X / (X + 15Y + 3Z)`, `v' = 9Y / (X + 15Y + 3Z)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chromaticity {
    /// 4X of each channel.
    pub x4: [u32; 3],
    /// 9Y of each channel.
    pub y9: [u32; 3],
    /// X + 15Y + 3Z of each channel.
    pub sum: [u32; 3],
    /// u' and v' of white, packed as [`Chromaticity::of`] gives them.
    pub white: u32,
}

impl Chromaticity {
    fn prepare(xyz: &[[f64; 3]; 3]) -> Self {
        let white_y: f64 = xyz.iter().map(|primary| primary[1]).sum();
        let weights = |sum: fn(&[f64; 3]) -> f64| {
            std::array::from_fn(|channel| {
                libm::round(sum(&xyz[channel]) / white_y * COEFFICIENT_SCALE).max(0.0) as u32
            })
        };
        let mut chromaticity = Self {
            x4: weights(|[x, _, _]| 4.0 * x),
            y9: weights(|[_, y, _]| 9.0 * y),
            sum: weights(|[x, y, z]| x + 15.0 * y + 3.0 * z),
            white: 0,
        };
        chromaticity.white = chromaticity.of([FULL_LINEAR; 3]) & !SATURATED;
        chromaticity
    }

    /// u' in the lower and v' in the upper half of the word, and [`SATURATED`] where the state is a saturated red:
    /// `R / (R + G + B) >= 0.8`, which in whole numbers is `R >= 4 (G + B)`, with four units on the careful side.
    pub fn of(&self, linear: [u32; 3]) -> u32 {
        let [red, green, blue] = linear;
        if red + green + blue < DARK {
            return self.white;
        }
        let dot = |weights: &[u32; 3]| weights[0] * red + weights[1] * green + weights[2] * blue;
        let sum = dot(&self.sum).max(1);
        let uv = fraction(dot(&self.x4), sum) | fraction(dot(&self.y9), sum) << 16;
        let saturated = red + 4 >= 4 * (green + blue);
        if saturated { uv | SATURATED } else { uv }
    }
}

/// Marks a saturated red in a packed chromaticity.
pub const SATURATED: u32 = 1 << 31;

/// `numerator / denominator` in units of 2^-14, rounded down; below 1, as it is for any light that there is.
fn fraction(numerator: u32, denominator: u32) -> u32 {
    let units = (u64::from(numerator) << CHROMATICITY_BITS) / u64::from(denominator);
    units.min(u64::from(CHROMATICITY_UNITS) - 1) as u32
}

/// What the screen makes of each code value.
#[derive(Debug, Clone, PartialEq)]
pub struct LightTables {
    levels: u32,
    /// Luminance in mcd/m2 that each channel adds, three tables in a row; red's holds the screen's black as well.
    luminance: Vec<u32>,
    /// Linear light of each channel, 0..=65535, three tables in a row.
    linear: Vec<u32>,
    chromaticity: Chromaticity,
    black_mcd_m2: f64,
    white_mcd_m2: f64,
}

impl LightTables {
    /// Tables of a measured screen: linear light 0..=1 of each code value and channel (256 or 1024 of them), XYZ in
    /// cd/m2 of each channel at its highest code, and the luminance of black.
    ///
    /// # Errors
    /// When a curve has another length, leaves 0..=1 or falls; when white is outside 1 to 10,000 cd/m2.
    pub fn prepare(curves: [&[f64]; 3], xyz: [[f64; 3]; 3], black_cd_m2: f64) -> Result<Self, LightError> {
        let levels = curves[0].len();
        for (channel, curve) in curves.iter().enumerate() {
            if curve.len() != levels || (levels != 256 && levels != 1024) {
                return Err(LightError::Levels { channel, levels: curve.len() });
            }
            let mut before = 0.0;
            for (code, &value) in curve.iter().enumerate() {
                // Not a number is neither within the range nor above the one before.
                if !(value >= before && value <= 1.0) {
                    return Err(LightError::Curve { channel, code, value });
                }
                before = value;
            }
        }
        let range = |what, value: f64, ok, allowed| {
            if ok && value.is_finite() { Ok(()) } else { Err(LightError::Range { what, value, allowed }) }
        };
        let light: f64 = xyz.iter().map(|primary| primary[1]).sum();
        let positive = xyz.iter().flatten().all(|&value| value >= 0.0);
        range("luminance of white", light, positive && (1.0..=10_000.0).contains(&light), "1 to 10,000")?;
        range("luminance of black", black_cd_m2, (0.0..=10_000.0).contains(&black_cd_m2), "0 to 10,000")?;

        Ok(Self::build(curves, xyz, black_cd_m2))
    }

    fn build(curves: [&[f64]; 3], xyz: [[f64; 3]; 3], black_cd_m2: f64) -> Self {
        let levels = curves[0].len();
        let mut luminance = Vec::with_capacity(3 * levels);
        let mut linear = Vec::with_capacity(3 * levels);
        for (channel, curve) in curves.iter().enumerate() {
            let offset = if channel == 0 { black_cd_m2 } else { 0.0 };
            for &value in *curve {
                luminance.push(libm::round(1e3 * (offset + xyz[channel][1] * value)) as u32);
                linear.push(libm::round(f64::from(FULL_LINEAR) * value) as u32);
            }
        }
        let light: f64 = xyz.iter().map(|primary| primary[1]).sum();
        Self {
            levels: levels as u32,
            luminance,
            linear,
            chromaticity: Chromaticity::prepare(&xyz),
            black_mcd_m2: 1e3 * black_cd_m2,
            white_mcd_m2: 1e3 * (black_cd_m2 + light),
        }
    }

    /// Tables of a screen that is known by its gamma and its luminances: Rec. 709 primaries, all three channels alike.
    ///
    /// # Errors
    /// As [`LightTables::prepare`].
    pub fn of_screen(screen: &Screen, levels: u32) -> Result<Self, LightError> {
        let (curve, xyz) = by_gamma(screen, levels);
        Self::prepare([&curve, &curve, &curve], xyz, screen.luminance_min_cd_m2)
    }

    /// Tables of an encoder: of a display with these primaries, or with those of Rec. 709.
    ///
    /// # Errors
    /// As [`LightTables::prepare`].
    pub fn of_light(light: &Light, gamut: Option<&Gamut>, screen: &Screen) -> Result<Self, LightError> {
        let curve = |channel| (0..=light.highest()).map(move |code| light.light_of(channel, code)).collect();
        let curves: [Vec<f64>; 3] = [0, 1, 2].map(curve);
        let (_, rec709) = by_gamma(screen, 256);
        let xyz = gamut.map_or(rec709, Gamut::primaries_xyz);
        Self::prepare(curves.each_ref().map(Vec::as_slice), xyz, screen.luminance_min_cd_m2)
    }

    /// Any screen's tables for frames that come as luminance.
    pub(super) fn of_luminance(screen: &Screen) -> Self {
        let (curve, xyz) = by_gamma(screen, 256);
        Self::build([&curve, &curve, &curve], xyz, screen.luminance_min_cd_m2)
    }

    /// Number of code values of a channel.
    pub fn levels(&self) -> u32 {
        self.levels
    }

    /// Luminance of a packed pixel in mcd/m2.
    pub fn luminance(&self, pixel: u32) -> u32 {
        let levels = self.levels as usize;
        let [red, green, blue] = unpack(pixel).map(|code| code as usize);
        self.luminance[red] + self.luminance[levels + green] + self.luminance[2 * levels + blue]
    }

    /// Linear light of a packed pixel, 0..=65535 in each channel.
    pub fn linear(&self, pixel: u32) -> [u32; 3] {
        let codes = unpack(pixel);
        std::array::from_fn(|channel| self.linear[channel * self.levels as usize + codes[channel] as usize])
    }

    /// The weights for u' and v'.
    pub fn chromaticity(&self) -> &Chromaticity {
        &self.chromaticity
    }

    /// The code values that all code values become when their contrast around grey is scaled in linear light, `gain` of 0
    /// to 65535: three tables in a row. At 65535 each is itself.
    pub fn scales(&self, gain: u32, tables: &mut Vec<u32>) {
        tables.clear();
        for channel in 0..3 {
            tables.extend((0..self.levels).map(|code| self.scaled_code(channel, code, gain)));
        }
    }

    fn scaled_code(&self, channel: usize, code: u32, gain: u32) -> u32 {
        if gain == FULL_LINEAR {
            return code;
        }
        let linear = self.linear[channel * self.levels as usize + code as usize];
        let away = linear as i32 - GREY_LINEAR as i32;
        let wanted = GREY_LINEAR as i32 + away * gain as i32 / FULL_LINEAR as i32;
        self.nearest(channel, wanted as u32)
    }

    /// A pixel by tables of [`LightTables::scales`].
    pub fn scaled(&self, pixel: u32, tables: &[u32]) -> u32 {
        let codes = unpack(pixel);
        pack(std::array::from_fn(|channel| tables[(channel as u32 * self.levels + codes[channel]) as usize]))
    }

    /// Neutral grey.
    pub fn grey(&self) -> u32 {
        pack([0, 1, 2].map(|channel| self.scaled_code(channel, 0, 0)))
    }

    /// The code value of a channel whose linear light is nearest; the lower one of two.
    fn nearest(&self, channel: usize, wanted: u32) -> u32 {
        let table = &self.linear[channel * self.levels as usize..][..self.levels as usize];
        let (mut below, mut above) = (0, self.levels - 1);
        while above - below > 1 {
            let middle = (below + above) / 2;
            if table[middle as usize] <= wanted {
                below = middle;
            } else {
                above = middle;
            }
        }
        let (lower, upper) = (table[below as usize], table[above as usize]);
        if upper.abs_diff(wanted) < lower.abs_diff(wanted) { above } else { below }
    }

    /// Luminance of black and of white in mcd/m2.
    pub(super) fn range_mcd_m2(&self) -> [f64; 2] {
        [self.black_mcd_m2, self.white_mcd_m2]
    }

    /// Luminance tables, then linear ones, as the shader reads them.
    pub fn words(&self) -> impl Iterator<Item = u32> + '_ {
        self.luminance.iter().chain(&self.linear).copied()
    }
}

/// Linear light with a part of its contrast about neutral grey, of 65535: what [`LightTables::scales`] does to codes.
pub fn lowered(light: f64, gain: u32) -> f64 {
    if gain == FULL_LINEAR {
        return light;
    }
    MEAN_LUMINANCE + (light - MEAN_LUMINANCE) * f64::from(gain) / f64::from(FULL_LINEAR)
}

/// A power curve, and Rec. 709 primaries in cd/m2.
fn by_gamma(screen: &Screen, levels: u32) -> (Vec<f64>, [[f64; 3]; 3]) {
    let last = f64::from(levels.max(2) - 1);
    let curve = (0..levels).map(|code| libm::pow(f64::from(code) / last, screen.gamma)).collect();
    let light = screen.luminance_max_cd_m2 - screen.luminance_min_cd_m2;
    (curve, REC709_XYZ.map(|primary| primary.map(|value| value * light)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::SPEC;

    fn tables() -> LightTables {
        LightTables::of_screen(&Screen::new(&SPEC).unwrap(), 256).unwrap()
    }

    #[test]
    fn chromaticities_are_those_of_the_formula() {
        let tables = tables();
        for linear in [[65535, 0, 0], [0, 65535, 0], [0, 0, 65535], [65535; 3], [40000, 3000, 60000]] {
            let [r, g, b] = linear.map(f64::from);
            let xyz: [f64; 3] =
                std::array::from_fn(|i| r * REC709_XYZ[0][i] + g * REC709_XYZ[1][i] + b * REC709_XYZ[2][i]);
            let sum = xyz[0] + 15.0 * xyz[1] + 3.0 * xyz[2];
            let packed = tables.chromaticity.of(linear) & !SATURATED;
            let (u, v) = (f64::from(packed & 0xffff) / 16384.0, f64::from(packed >> 16) / 16384.0);
            assert!((u - 4.0 * xyz[0] / sum).abs() < 3e-4, "{linear:?} {u}");
            assert!((v - 9.0 * xyz[1] / sum).abs() < 3e-4, "{linear:?} {v}");
        }
        assert_ne!(tables.chromaticity.of([65535, 10000, 6000]) & SATURATED, 0);
        assert_eq!(tables.chromaticity.of([65535, 10000, 6500]) & SATURATED, 0);
        assert_eq!(tables.chromaticity.of([200, 0, 0]), tables.chromaticity.white);
    }

    #[test]
    fn scaling_is_linear_in_light_and_exact_at_both_ends() {
        let tables = tables();
        let scaled = |pixel: u32, gain: u32| {
            let mut scales = Vec::new();
            tables.scales(gain, &mut scales);
            tables.scaled(pixel, &scales)
        };
        assert_eq!(tables.grey(), pack([186; 3]));
        for pixel in [pack([0, 255, 17]), pack([186, 186, 186]), pack([255, 1, 254])] {
            assert_eq!(scaled(pixel, FULL_LINEAR), pixel);
            assert_eq!(scaled(pixel, 0), pack([186; 3]));
            let half = tables.linear(scaled(pixel, FULL_LINEAR / 2));
            for (scaled, full) in half.into_iter().zip(tables.linear(pixel)) {
                let wanted = (f64::from(full) + f64::from(GREY_LINEAR)) / 2.0;
                // Half the step between two codes at the bright end.
                assert!((f64::from(scaled) - wanted).abs() <= 285.0, "{scaled} {wanted}");
            }
        }
    }

    #[test]
    fn tables_that_no_screen_has_are_refused_with_their_numbers() {
        let rising: Vec<f64> = (0..256).map(|code| f64::from(code) / 255.0).collect();
        let mut falling = rising.clone();
        falling[77] = 0.1;
        let xyz = REC709_XYZ.map(|primary| primary.map(|value| 100.0 * value));
        let error = LightTables::prepare([&rising, &falling, &rising], xyz, 0.0).unwrap_err().to_string();
        assert!(error.contains("channel 1") && error.contains("code 77"), "{error}");
        let error = LightTables::prepare([&rising, &rising, &rising[1..]], xyz, 0.0).unwrap_err().to_string();
        assert!(error.contains("channel 2 has 255"), "{error}");
        let error =
            LightTables::prepare([&rising; 3].map(|r| r.as_slice()), xyz, 12_000.0).unwrap_err().to_string();
        assert!(error.contains("black is 12000"), "{error}");
        // A bright room or a projector: black may be brighter than what white adds to it.
        assert!(LightTables::prepare([&rising; 3].map(|r| r.as_slice()), xyz, 120.0).is_ok());
    }
}
