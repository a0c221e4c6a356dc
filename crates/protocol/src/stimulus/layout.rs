//! Stimuli made of many parts, and those that move over the visual field.

use super::look::{Code, Colour, Flicker, FlickerKind, Waveform, read_code, read_colour};
use super::wave::{CheckRings, read_check_rings, read_checks_around};
use super::{direction, frequency, pair, rate, size};
use crate::error::ProtocolError;
use crate::reader::{Range, Table};

/// A matrix of letters, each on a box that flickers or follows a code of its own. The boxes go between black and white about
/// the grey, or along the stimulus's `colour`.
#[derive(Debug, Clone, PartialEq)]
pub struct Speller {
    /// The letters, row by row: each row a text, each character a target; a blank leaves a gap.
    pub rows: Vec<String>,
    /// From one target to the next, in degrees.
    pub pitch_deg: [f64; 2],
    /// Width and height of a box in degrees.
    pub box_deg: [f64; 2],
    /// Height of a capital letter in degrees.
    pub letter_deg: f64,
    /// Colour of the letters.
    pub letter_colour: Colour,
    /// What tells targets apart.
    pub targets: Targets,
}

/// What tells targets apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// `flickers = { on_off_hz = [..], phase_deg = [..], waveform = ".." }`: one frequency and phase per target, in their
    /// order (joint frequency-phase coding: Chen et al. 2015, PNAS 112, E6058).
    Flickers(Vec<Flicker>),
    /// `shifted_code = { .. }`: one code, target n of N shifted by n/N of it.
    Shifted(Code),
    /// `gold_codes = { .. }`: target n has code n of the Gold set; the index given is the first.
    Gold(Code),
}

impl Speller {
    pub(super) const KEYS: &[&str] = &[
        "rows",
        "pitch_deg",
        "box_deg",
        "letter_deg",
        "letter_colour",
        "flickers",
        "shifted_code",
        "gold_codes",
    ];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let any = Range::above(0.0).up_to(super::WIDEST_DEG);
        let rows = table.any_texts("rows")?;
        let count = rows.iter().flat_map(|row| row.chars()).filter(|letter| !letter.is_whitespace()).count();
        let (pitch_deg, box_deg) = (pair(table, "pitch_deg", any)?, pair(table, "box_deg", any)?);
        if box_deg[0] > pitch_deg[0] || box_deg[1] > pitch_deg[1] {
            let allowed = format!("at most pitch_deg, {pitch_deg:?}: boxes would lie on each other");
            return Err(table.refuse("box_deg", allowed));
        }
        Ok(Self {
            pitch_deg,
            box_deg,
            letter_deg: size(table, "letter_deg")?,
            letter_colour: read_colour(table, "letter_colour")?,
            targets: read_targets(table, count)?,
            rows,
        })
    }
}

fn read_targets(table: &Table<'_>, count: usize) -> Result<Targets, ProtocolError> {
    Ok(match table.one_of(&["flickers", "shifted_code", "gold_codes"])? {
        key @ "shifted_code" => Targets::Shifted(read_code(table, key)?),
        key @ "gold_codes" => {
            let code = read_code(table, key)?;
            if !matches!(code.kind, super::CodeKind::Gold { .. }) {
                return Err(table.refuse(key, "a code with gold = { order, index }"));
            }
            Targets::Gold(code)
        }
        key => {
            let flickers = table.table(key, &["on_off_hz", "phase_deg", "waveform", "repair"])?;
            let frequencies = flickers.numbers("on_off_hz", Some(count), Range::above(0.0).up_to(1_000.0))?;
            let phases = flickers.numbers("phase_deg", Some(count), Range::from(0.0).below(360.0))?;
            let waveform =
                flickers.choice("waveform", &[("sine", Waveform::Sine), ("square", Waveform::Square)])?;
            let repair = flickers.optional("repair", Table::boolean)?.unwrap_or(false);
            let flicker = |(frequency_hz, phase_deg)| Flicker {
                kind: FlickerKind::OnOff,
                frequency_hz,
                waveform,
                phase_deg: Some(phase_deg),
                repair,
            };
            Targets::Flickers(frequencies.into_iter().zip(phases).map(flicker).collect())
        }
    })
}

/// A disc that approaches at a constant speed, until it is as large as its diameter says (Gabbiani et al. 1999).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looming {
    /// Diameter in degrees at which it stops.
    pub diameter_deg: f64,
    /// Half size over speed, in s.
    pub l_over_v_s: f64,
    /// From the onset to the collision, in s.
    pub collision_s: f64,
}

impl Looming {
    pub(super) const KEYS: &[&str] = &["diameter_deg", "l_over_v_s", "collision_s"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let time = Range::above(0.0).up_to(super::LONGEST_S);
        Ok(Self {
            diameter_deg: size(table, "diameter_deg")?,
            l_over_v_s: table.number("l_over_v_s", time)?,
            collision_s: table.number("collision_s", time)?,
        })
    }
}

/// A bar of checks that sweeps across fixation (Dumoulin and Wandell 2008). It reverses by a `flicker`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Width of the bar along its way, in degrees.
    pub width_deg: f64,
    /// Its length across, in degrees.
    pub length_deg: f64,
    /// Side of a check in degrees.
    pub check_deg: f64,
    /// Where it goes.
    pub direction_deg: f64,
    /// How far it goes, in degrees, half of it on each side of its position.
    pub travel_deg: f64,
    /// How long a sweep takes, in s; then it begins again.
    pub sweep_s: f64,
}

impl Bar {
    pub(super) const KEYS: &[&str] =
        &["width_deg", "length_deg", "check_deg", "direction_deg", "travel_deg", "sweep_s"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            width_deg: size(table, "width_deg")?,
            length_deg: size(table, "length_deg")?,
            check_deg: size(table, "check_deg")?,
            direction_deg: direction(table, "direction_deg")?,
            travel_deg: size(table, "travel_deg")?,
            sweep_s: table.number("sweep_s", Range::above(0.0).up_to(super::LONGEST_S))?,
        })
    }
}

/// A wedge of a radial checkerboard that turns around fixation (Engel et al. 1994). It reverses by a `flicker`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wedge {
    /// Its extent in degrees around the centre.
    pub extent_deg: f64,
    /// Inner and outer diameter in degrees of visual angle.
    pub diameters_deg: [f64; 2],
    /// How wide its rings of checks are.
    pub rings: CheckRings,
    /// Checks around the whole centre, even.
    pub checks_around: u32,
    /// Where its middle is at the onset.
    pub direction_deg: f64,
    /// Turns per second, anticlockwise.
    pub rotation_hz: f64,
}

impl Wedge {
    pub(super) const KEYS: &[&str] = &[
        "extent_deg",
        "diameters_deg",
        "ring_deg",
        "rings_per_fold",
        "checks_around",
        "direction_deg",
        "rotation_hz",
    ];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            extent_deg: table.number("extent_deg", Range::above(0.0).up_to(360.0))?,
            diameters_deg: table
                .span_of_numbers("diameters_deg", Range::from(0.0).up_to(super::WIDEST_DEG))?,
            rings: read_check_rings(table)?,
            checks_around: read_checks_around(table)?,
            direction_deg: direction(table, "direction_deg")?,
            rotation_hz: rate(table, "rotation_hz")?,
        })
    }
}

/// Patches of checks around fixation, each reversing by a shift of one m-sequence (Sutter and Tran 1992; Baseler et al. 1994).
#[derive(Debug, Clone, PartialEq)]
pub struct Multifocal {
    /// Diameters of the circles between rings in degrees, rising, two or more.
    pub diameters_deg: Vec<f64>,
    /// Patches around each ring.
    pub sectors: u32,
    /// Checks along and around a patch.
    pub checks: [u32; 2],
    /// Order of the m-sequence.
    pub m_sequence: u32,
    /// Its bits per second.
    pub bit_rate_hz: f64,
}

impl Multifocal {
    pub(super) const KEYS: &[&str] = &["diameters_deg", "sectors", "checks", "m_sequence", "bit_rate_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let diameters_deg =
            table.numbers("diameters_deg", None, Range::from(0.0).up_to(super::WIDEST_DEG))?;
        if diameters_deg.len() < 2 || diameters_deg.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(table.refuse("diameters_deg", "two or more rising numbers"));
        }
        let checks = table.integers("checks", Some(2), 1..=32)?;
        Ok(Self {
            diameters_deg,
            sectors: table.integer("sectors", 1..=64)? as u32,
            checks: [checks[0] as u32, checks[1] as u32],
            m_sequence: table.integer("m_sequence", 4..=16)? as u32,
            bit_rate_hz: frequency(table, "bit_rate_hz")?,
        })
    }
}
