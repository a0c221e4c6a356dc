//! How a display turns a drive level into light, as measured: an exponent per channel, or a table from a photometer.

use thiserror::Error;

use crate::measured::{Columns, MeasuredError};

/// The fewest levels of a table, black and full drive among them.
pub const FEWEST_LEVELS: usize = 5;

/// Measured numbers of one screen that say the same thing may differ by this part of its white: a photometer repeats
/// itself to 2 %, a warm screen drifts by as much.
pub const AGREEMENT: f64 = 0.05;

/// Between measured levels a table is interpolated in `light^(1 / 2.2)`, where a display's curve is nearly straight.
const STRAIGHTENING: f64 = 2.2;

/// Light of a drive level, both 0..=1: 0 is the black that the screen cannot go below, 1 its white.
#[derive(Debug, Clone, PartialEq)]
pub enum Transfer {
    /// `light = drive^gamma`, for red, green and blue.
    Gamma([f64; 3]),
    /// As measured.
    Table(TransferTable),
}

/// Why a transfer cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TransferError {
    /// An exponent outside its range.
    #[error("gamma of {channel} is {value}, allowed is 0.5 to 5")]
    Gamma {
        /// Red, green or blue.
        channel: &'static str,
        /// The number found.
        value: f64,
    },
    /// A row of the table.
    #[error(transparent)]
    Table(#[from] MeasuredError),
    /// The table is another screen's, or another brightness's.
    #[error(
        "{table}: {what} is {measured:.3} cd/m2, the screen's {key} is {stated}; they may differ by {allowed:.3} cd/m2"
    )]
    Luminance {
        /// The file, or the name of the inline table.
        table: String,
        /// Black or white.
        what: &'static str,
        /// The table's, in cd/m2.
        measured: f64,
        /// The key of the rig file.
        key: &'static str,
        /// Its value in cd/m2.
        stated: f64,
        /// 5 % of white.
        allowed: f64,
    },
    /// Bits per channel that no surface has.
    #[error("bits is {0}, allowed is 8 or 10")]
    Bits(u32),
}

impl Transfer {
    /// Checks the exponents; a table was checked when it was read.
    ///
    /// # Errors
    /// [`TransferError::Gamma`].
    pub fn check(&self) -> Result<(), TransferError> {
        let Transfer::Gamma(exponents) = self else { return Ok(()) };
        for (channel, &value) in ["red", "green", "blue"].into_iter().zip(exponents) {
            if !(0.5..=5.0).contains(&value) {
                return Err(TransferError::Gamma { channel, value });
            }
        }
        Ok(())
    }

    /// Light 0..=1 of a drive level 0..=1 of channel 0 (red), 1 or 2.
    pub fn light(&self, channel: usize, drive: f64) -> f64 {
        match self {
            Transfer::Gamma(exponents) => libm::pow(drive.clamp(0.0, 1.0), exponents[channel]),
            Transfer::Table(table) => table.light(channel, drive),
        }
    }

    /// Whether red, green and blue have the same curve.
    pub fn is_grey(&self) -> bool {
        match self {
            Transfer::Gamma([red, green, blue]) => red == green && green == blue,
            Transfer::Table(table) => table.curves.len() == 1,
        }
    }
}

/// A transfer as a photometer measured it: luminance of at least [`FEWEST_LEVELS`] codes from 0 to full drive, of grey,
/// or of red, green and blue each alone. Between them it is interpolated by monotone cubics (Fritsch and Butland, SIAM J.
/// Sci. Stat. Comput. 5:300, 1984) of the light's 2.2th root.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferTable {
    measured: Columns,
    curves: Vec<Curve>,
}

impl TransferTable {
    /// Reads a file's text: `code,cd_m2` or `code,red_cd_m2,green_cd_m2,blue_cd_m2`, one level per row. Codes rise from 0
    /// to 255 or 1023, which is full drive whatever the surface's bits; luminances never fall.
    ///
    /// # Errors
    /// The first row that is not so, with its line.
    pub fn parse(text: &str, file: &str) -> Result<Self, MeasuredError> {
        let grey: &[&str] = &["code", "cd_m2"];
        Self::new(Columns::parse(text, file, &[grey, &["code", "red_cd_m2", "green_cd_m2", "blue_cd_m2"]])?)
    }

    /// The same from numbers: `cd_m2` is grey's column, or those of red, green and blue. `source` names the table in
    /// errors.
    ///
    /// # Errors
    /// As [`TransferTable::parse`]; and columns of different length.
    pub fn from_columns(source: &str, codes: &[u64], cd_m2: &[Vec<f64>]) -> Result<Self, MeasuredError> {
        if !matches!(cd_m2.len(), 1 | 3) {
            let what = format!("{} columns of luminance, allowed is 1 (grey) or 3", cd_m2.len());
            return Err(MeasuredError::new(source, what));
        }
        if let Some(column) = cd_m2.iter().find(|column| column.len() != codes.len()) {
            let what = format!("{} codes and {} luminances, allowed is one each", codes.len(), column.len());
            return Err(MeasuredError::new(source, what));
        }
        let codes = codes.iter().map(|&code| code as f64).collect();
        Self::new(Columns::inline(source, std::iter::once(codes).chain(cd_m2.iter().cloned()).collect()))
    }

    fn new(measured: Columns) -> Result<Self, MeasuredError> {
        let rows = measured.places.len();
        if rows < FEWEST_LEVELS {
            let what = format!("{rows} levels, allowed is {FEWEST_LEVELS} or more");
            return Err(MeasuredError::new(&measured.source, what));
        }
        measured.rises(0, "code", false)?;
        let (codes, last) = (&measured.values[0], rows - 1);
        for (place, code) in measured.places.iter().zip(codes) {
            if code.fract() != 0.0 {
                return Err(MeasuredError::new(place, format!("code is {code}, allowed is a whole number")));
            }
        }
        if codes[0] != 0.0 {
            let what = format!("code is {}, the first has to be 0", codes[0]);
            return Err(MeasuredError::new(&measured.places[0], what));
        }
        if codes[last] != 255.0 && codes[last] != 1023.0 {
            let what =
                format!("code is {}, the last has to be 255 or 1023, which is full drive", codes[last]);
            return Err(MeasuredError::new(&measured.places[last], what));
        }
        let names = if measured.values.len() == 2 { &["cd_m2"][..] } else { &COLOUR_NAMES };
        for (column, name) in names.iter().enumerate() {
            let values = &measured.values[column + 1];
            if values[0] < 0.0 {
                let what = format!("{name} is {}, allowed is 0 or more", values[0]);
                return Err(MeasuredError::new(&measured.places[0], what));
            }
            measured.rises(column + 1, name, true)?;
            if values[last] == values[0] {
                let what = format!("{name} is {} as at code 0: the channel gives no light", values[last]);
                return Err(MeasuredError::new(&measured.places[last], what));
            }
        }
        let drives: Vec<f64> = codes.iter().map(|code| code / codes[last]).collect();
        let curves = measured.values[1..].iter().map(|column| Curve::new(&drives, column)).collect();
        Ok(Self { measured, curves })
    }

    /// Refuses a table whose black or white is not the screen's.
    ///
    /// # Errors
    /// [`TransferError::Luminance`].
    pub fn agrees_with(&self, max_cd_m2: f64, min_cd_m2: f64) -> Result<(), TransferError> {
        let allowed = AGREEMENT * max_cd_m2;
        let pairs = [
            ("white", self.white_cd_m2(), "luminance_max_cd_m2", max_cd_m2),
            ("black", self.black_cd_m2(), "luminance_min_cd_m2", min_cd_m2),
        ];
        for (what, measured, key, stated) in pairs {
            if (measured - stated).abs() > allowed {
                let table = self.measured.source.clone();
                return Err(TransferError::Luminance { table, what, measured, key, stated, allowed });
            }
        }
        Ok(())
    }

    /// Luminance at code 0; the mean of three where the channels were measured alone, because it is the same black.
    pub fn black_cd_m2(&self) -> f64 {
        let columns = &self.measured.values[1..];
        columns.iter().map(|column| column[0]).sum::<f64>() / columns.len() as f64
    }

    /// Luminance at full drive of all channels; from channels that were measured alone by their sum above black.
    pub fn white_cd_m2(&self) -> f64 {
        let above = |column: &Vec<f64>| column[column.len() - 1] - column[0];
        self.black_cd_m2() + self.measured.values[1..].iter().map(above).sum::<f64>()
    }

    /// Light 0..=1 of a drive level 0..=1; a table of grey holds for each channel.
    pub fn light(&self, channel: usize, drive: f64) -> f64 {
        self.curves[channel.min(self.curves.len() - 1)].light(drive)
    }
}

const COLOUR_NAMES: [&str; 3] = ["red_cd_m2", "green_cd_m2", "blue_cd_m2"];

/// A monotone cubic through the straightened levels.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    drive: Vec<f64>,
    root: Vec<f64>,
    slope: Vec<f64>,
}

impl Curve {
    fn new(drive: &[f64], cd_m2: &[f64]) -> Self {
        let (black, white) = (cd_m2[0], cd_m2[cd_m2.len() - 1]);
        let root: Vec<f64> =
            cd_m2.iter().map(|l| libm::pow((l - black) / (white - black), 1.0 / STRAIGHTENING)).collect();
        let slope = slopes(drive, &root);
        Self { drive: drive.to_vec(), root, slope }
    }

    fn light(&self, drive: f64) -> f64 {
        let drive = drive.clamp(0.0, 1.0);
        let above = self.drive.partition_point(|&d| d < drive).clamp(1, self.drive.len() - 1);
        let (i, width) = (above - 1, self.drive[above] - self.drive[above - 1]);
        let t = (drive - self.drive[i]) / width;
        // The cubic of Hermite: two values, two slopes.
        let (a, b) = (self.root[i], self.root[above]);
        let (p, q) = (width * self.slope[i], width * self.slope[above]);
        let root = a + t * (p + t * (3.0 * (b - a) - 2.0 * p - q + t * (2.0 * (a - b) + p + q)));
        libm::pow(root.clamp(0.0, 1.0), STRAIGHTENING)
    }
}

/// Slopes that keep the cubic monotone: the weighted harmonic mean of the chords on both sides, and a three-point formula
/// at the ends that never overshoots.
fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let width: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
    let chord: Vec<f64> = y.windows(2).zip(&width).map(|(w, h)| (w[1] - w[0]) / h).collect();
    let mut slope = vec![0.0; x.len()];
    for i in 1..x.len() - 1 {
        if chord[i - 1] * chord[i] > 0.0 {
            let (before, after) = (2.0 * width[i] + width[i - 1], width[i] + 2.0 * width[i - 1]);
            slope[i] = (before + after) / (before / chord[i - 1] + after / chord[i]);
        }
    }
    let last = chord.len() - 1;
    slope[0] = end_slope([width[0], width[1]], [chord[0], chord[1]]);
    slope[last + 1] = end_slope([width[last], width[last - 1]], [chord[last], chord[last - 1]]);
    slope
}

fn end_slope(width: [f64; 2], chord: [f64; 2]) -> f64 {
    let slope = ((2.0 * width[0] + width[1]) * chord[0] - width[0] * chord[1]) / (width[0] + width[1]);
    if slope * chord[0] <= 0.0 {
        0.0
    } else if chord[0] * chord[1] <= 0.0 {
        // Curves never fall, so chords of both sides differ in sign only where one is 0.
        slope.min(3.0 * chord[0])
    } else {
        slope
    }
}
