//! What a rig file says of its screen's light: the transfer from drive level to light, the primaries, and the surface.
//!
//! Files that the rig names are not read here; `session` hands their text to the crate that knows what a table must be.

use crate::error::ProtocolError;
use crate::reader::{Range, Table};

/// Keys of `[screen]` that are read here.
pub(crate) const KEYS: [&str; 6] = ["gamma", "gamma_rgb", "lut", "primaries", "bits", "dither"];

/// Measured numbers of one screen that say the same thing may differ by this part of its white.
const AGREEMENT: f64 = 0.05;

const FEWEST_LEVELS: usize = 5;
const COLOURS: [&str; 3] = ["red", "green", "blue"];

/// How the screen makes light.
#[derive(Debug, Clone, PartialEq)]
pub struct RigLight {
    /// Light of a drive level: exactly one of the keys `gamma`, `gamma_rgb`, `lut`.
    pub transfer: RigTransfer,
    /// Colours of red, green and blue (key `primaries`); without them colours cannot be asked for in units of light or of
    /// cones.
    pub primaries: Option<RigPrimaries>,
    /// Bits per channel of the surface, 8 or 10 (key `bits`). Absent means 8.
    pub bits: u32,
    /// Whether codes are dithered (key `dither`). Absent means not.
    pub dither: bool,
}

/// From drive level to light above black.
#[derive(Debug, Clone, PartialEq)]
pub enum RigTransfer {
    /// `light = drive^gamma`, all channels alike.
    Gamma(f64),
    /// The same with an exponent for each of red, green and blue.
    GammaRgb([f64; 3]),
    /// Measured levels.
    Lut(RigLut),
}

/// Where measured levels stand.
#[derive(Debug, Clone, PartialEq)]
pub enum RigLut {
    /// In a file of this path, relative to the rig's.
    File(String),
    /// In the rig: codes from 0 to 255 or 1023, and luminances in cd/m2 of grey (one list) or of red, green and blue, each
    /// measured alone (three); all lists are equally long.
    Inline {
        /// The codes.
        code: Vec<u64>,
        /// The luminances.
        cd_m2: Vec<Vec<f64>>,
    },
}

/// Colours of red, green and blue at full drive, each alone.
#[derive(Debug, Clone, PartialEq)]
pub enum RigPrimaries {
    /// As a colorimeter reads them, the screen's black included.
    Measured([RigPrimary; 3]),
    /// Spectra in a file of this path, relative to the rig's.
    Spectra(String),
}

/// One primary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RigPrimary {
    /// CIE 1931 x, y.
    pub xy: [f64; 2],
    /// Luminance in cd/m2.
    pub cd_m2: f64,
}

impl RigTransfer {
    /// An exponent for what takes only one and shows no measured light: the `gamma`, that of green, or 2.2 in place of a
    /// table. The last pass of a frame does not use it.
    pub fn nominal_gamma(&self) -> f64 {
        match self {
            RigTransfer::Gamma(gamma) => *gamma,
            RigTransfer::GammaRgb([_, green, _]) => *green,
            RigTransfer::Lut(_) => 2.2,
        }
    }
}

/// Reads the keys of `[screen]` that are named in [`KEYS`]; white and black are the screen's, in cd/m2.
pub(crate) fn read(screen: &Table<'_>, max_cd_m2: f64, min_cd_m2: f64) -> Result<RigLight, ProtocolError> {
    let exponent = Range::from(0.5).up_to(5.0);
    let transfer = match screen.one_of(&["gamma", "gamma_rgb", "lut"])? {
        "gamma" => RigTransfer::Gamma(screen.number("gamma", exponent)?),
        "gamma_rgb" => RigTransfer::GammaRgb(three(&screen.numbers("gamma_rgb", Some(3), exponent)?)),
        _ => RigTransfer::Lut(read_lut(screen, max_cd_m2, min_cd_m2)?),
    };
    let bits = match screen.optional("bits", |table, key| table.integer(key, 8..=10))? {
        Some(9) => return Err(screen.refuse("bits", "8 or 10")),
        bits => bits.unwrap_or(8) as u32,
    };
    let primaries = match screen.has("primaries") {
        true => Some(read_primaries(screen, max_cd_m2, min_cd_m2)?),
        false => None,
    };
    let dither = screen.optional("dither", Table::boolean)?.unwrap_or(false);
    Ok(RigLight { transfer, primaries, bits, dither })
}

fn read_lut(screen: &Table<'_>, max_cd_m2: f64, min_cd_m2: f64) -> Result<RigLut, ProtocolError> {
    let keys = COLOURS.map(|colour| format!("{colour}_cd_m2"));
    let [red, green, blue] = keys.each_ref().map(String::as_str);
    let table = screen.table("lut", &["file", "code", "cd_m2", red, green, blue])?;
    if table.one_of(&["file", "code"])? == "file" {
        only(&table, "file", &["cd_m2", red, green, blue])?;
        return Ok(RigLut::File(table.text("file")?));
    }
    let code = table.integers("code", None, 0..=1023)?;
    let last = code[code.len() - 1];
    if code.len() < FEWEST_LEVELS || code[0] != 0 || !matches!(last, 255 | 1023) || !rises(&code) {
        let allowed = format!("at least {FEWEST_LEVELS} rising codes from 0 to 255 or 1023, full drive");
        return Err(table.refuse("code", allowed));
    }
    let columns = if table.one_of(&["cd_m2", red])? == "cd_m2" {
        only(&table, "cd_m2", &[red, green, blue])?;
        vec!["cd_m2"]
    } else {
        vec![red, green, blue]
    };
    let mut cd_m2 = Vec::new();
    for key in columns {
        let column = table.numbers(key, Some(code.len()), Range::from(0.0).up_to(100_000.0))?;
        if let Some(at) = (1..column.len()).find(|&at| column[at] < column[at - 1]) {
            let (found, before, code) = (column[at], column[at - 1], code[at]);
            let allowed = format!("luminances that never fall: {found} at code {code} is below {before}");
            return Err(table.refuse(key, allowed));
        }
        if column[0] == column[column.len() - 1] {
            return Err(table.refuse(key, "luminances that rise: the channel gives no light"));
        }
        cd_m2.push(column);
    }
    let above = |column: &Vec<f64>| column[column.len() - 1] - column[0];
    let black = cd_m2.iter().map(|column| column[0]).sum::<f64>() / cd_m2.len() as f64;
    let white = black + cd_m2.iter().map(above).sum::<f64>();
    for (what, found, key, stated) in [
        ("white", white, "luminance_max_cd_m2", max_cd_m2),
        ("black", black, "luminance_min_cd_m2", min_cd_m2),
    ] {
        if (found - stated).abs() > AGREEMENT * max_cd_m2 {
            let text = format!(
                "its {what} is {found:.3} cd/m2, {key} is {stated}; they may differ by {:.3}",
                AGREEMENT * max_cd_m2
            );
            return Err(screen.contradiction("lut", text));
        }
    }
    Ok(RigLut::Inline { code, cd_m2 })
}

fn read_primaries(screen: &Table<'_>, max_cd_m2: f64, min_cd_m2: f64) -> Result<RigPrimaries, ProtocolError> {
    let keys = COLOURS.map(|colour| [format!("{colour}_xy"), format!("{colour}_cd_m2")]);
    let all: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
    let table = screen.table("primaries", &[&["file"], &all[..]].concat())?;
    if table.has("file") {
        only(&table, "file", &all)?;
        return Ok(RigPrimaries::Spectra(table.text("file")?));
    }
    let mut primaries = [RigPrimary { xy: [0.0; 2], cd_m2: 0.0 }; 3];
    for (primary, [xy, cd_m2]) in primaries.iter_mut().zip(&keys) {
        let found = table.numbers(xy, Some(2), Range::from(0.0).up_to(1.0))?;
        if found[1] == 0.0 || found[0] + found[1] > 1.0 {
            return Err(table.refuse(xy, "x and y of a colour: y above 0, x + y at most 1"));
        }
        let cd_m2 = table.number(cd_m2, Range::above(min_cd_m2).below(max_cd_m2))?;
        *primary = RigPrimary { xy: [found[0], found[1]], cd_m2 };
    }
    let sum = primaries.iter().map(|p| p.cd_m2 - min_cd_m2).sum::<f64>();
    let white = max_cd_m2 - min_cd_m2;
    if (sum - white).abs() > AGREEMENT * max_cd_m2 {
        return Err(table.itself(format!(
            "red, green and blue add up to {sum:.3} cd/m2 above black, white is {white:.3} above black; they may differ by \
             {:.3}: either was measured at another brightness, or the channels depend on each other",
            AGREEMENT * max_cd_m2
        )));
    }
    Ok(RigPrimaries::Measured(primaries))
}

/// Beside `key` none of the others may stand.
fn only(table: &Table<'_>, key: &str, others: &[&str]) -> Result<(), ProtocolError> {
    match others.iter().find(|other| table.has(other)) {
        Some(other) => Err(table.contradiction(other, format!("cannot stand beside {key}"))),
        None => Ok(()),
    }
}

fn rises(values: &[u64]) -> bool {
    values.windows(2).all(|pair| pair[0] < pair[1])
}

fn three(values: &[f64]) -> [f64; 3] {
    [values[0], values[1], values[2]]
}
