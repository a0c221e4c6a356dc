//! What all kinds of stimulus have in common: where they lie, for which eye, in which colour, and how they change over time.

use super::{LONGEST_S, frequency, pair};
use crate::error::ProtocolError;
use crate::reader::{Range, Table};

/// What all kinds of stimulus have in common. Each key may be absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// `position_deg = [x, y]`: of the centre, to the right of and above the fixation point (0, 0 where it is absent).
    pub position_deg: [f64; 2],
    /// `follows = "gaze"`: its position counts from where the person looks, not from the fixation point.
    pub follows_gaze: bool,
    /// `eye`: which eye sees it, where the rig tells them apart.
    pub eye: Eye,
    /// `colour`: see [`Colour`].
    pub colour: Option<Colour>,
    /// `flicker`, `code` or `fade`.
    pub course: Course,
    /// `seen_s = [from, to]`: when it is seen, in s since its onset.
    pub seen_s: Option<[f64; 2]>,
    /// `own_contrast`: a contrast of its own, whatever is commanded.
    pub own_contrast: Option<f64>,
    /// `grid`: many of it.
    pub grid: Option<Grid>,
}

impl Look {
    /// At the fixation point, for both eyes, achromatic, always the same.
    pub const PLAIN: Self = Self {
        position_deg: [0.0; 2],
        follows_gaze: false,
        eye: Eye::Both,
        colour: None,
        course: Course::Steady,
        seen_s: None,
        own_contrast: None,
        grid: None,
    };
}

/// Which eye sees a stimulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eye {
    /// `"both"`
    #[default]
    Both,
    /// `"left"`
    Left,
    /// `"right"`
    Right,
}

/// A colour. Patterns that modulate the mean luminance want a direction (`dkl`, `cone_contrast`), what covers it a light
/// (`rgb`, `xy` with `cd_m2`, `cd_m2` alone); `rgb` is also a direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Colour {
    /// `{ rgb = [r, g, b] }`: linear light of the display's primaries, 0..=1.
    Rgb([f64; 3]),
    /// `{ cd_m2 = L }`: an achromatic luminance.
    Luminance(f64),
    /// `{ xy = [x, y], cd_m2 = L }`: chromaticity (CIE 1931) and luminance.
    Xy([f64; 2], f64),
    /// `{ cone_contrast = [l, m, s] }`: at a contrast of 1, against the neutral grey.
    ConeContrast([f64; 3]),
    /// `{ dkl = [luminance, l_minus_m, s] }` (Derrington, Krauskopf and Lennie 1984), at a contrast of 1.
    Dkl([f64; 3]),
}

/// A stimulus repeated over a grid around its position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// How many side by side.
    pub columns: u32,
    /// How many below each other.
    pub rows: u32,
    /// From one to the next, in degrees.
    pub pitch_deg: [f64; 2],
}

/// How a stimulus's contrast changes over time.
#[derive(Debug, Clone, PartialEq)]
pub enum Course {
    /// Not at all.
    Steady,
    /// `flicker`
    Flicker(Flicker),
    /// `code`
    Code(Code),
    /// `fade = { after_s = .., over_s = .. }`: it comes by a raised cosine.
    Fade {
        /// From the onset to its begin, in s.
        after_s: f64,
        /// How long it takes, in s.
        over_s: f64,
    },
}

/// A flicker of the contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flicker {
    /// What the frequency means.
    pub kind: FlickerKind,
    /// Cycles per second, above 0. Whether the refresh can make it is decided when the rig is known.
    pub frequency_hz: f64,
    /// The course within a cycle.
    pub waveform: Waveform,
    /// Phase in degrees at the onset, where it is given: then each onset begins a cycle there. Without it the flicker goes by
    /// the count of refreshes, so that its phase goes on from one presentation to the next.
    pub phase_deg: Option<f64>,
    /// Whether a frequency that the refresh cannot make is replaced by the nearest that it can.
    pub repair: bool,
}

impl Flicker {
    /// The frequency at which the visual brain answers, in Hz: the flicker frequency for on/off, twice that for
    /// counterphase, whose two contrast reversals per cycle look alike to the summed response.
    pub fn response_hz(&self) -> f64 {
        match self.kind {
            FlickerKind::Counterphase => 2.0 * self.frequency_hz,
            FlickerKind::OnOff => self.frequency_hz,
        }
    }
}

/// What flickers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlickerKind {
    /// Key `counterphase_hz`: light and dark change places; one cycle there and back.
    Counterphase,
    /// Key `on_off_hz`: the pattern appears and disappears; one cycle on and off.
    OnOff,
}

/// The course of a flicker within its cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waveform {
    /// `"sine"`
    Sine,
    /// `"square"`
    Square,
}

/// A sequence of bits that the contrast follows from the onset on, again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// Which.
    pub kind: CodeKind,
    /// Bits per second.
    pub bit_rate_hz: f64,
    /// Bits by which it is shifted to the left.
    pub shift: usize,
    /// Whether each bit is doubled to a bit and its opposite, so that no run is longer than two.
    pub modulated: bool,
    /// Whether 0 is the opposite contrast in place of none.
    pub reverses: bool,
    /// Whether a rate that the refresh cannot make is replaced by the nearest that it can.
    pub repair: bool,
}

/// Families of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeKind {
    /// `m_sequence = ORDER`
    MSequence(u32),
    /// `gold = { order = .., index = .. }`
    Gold {
        /// Order.
        order: u32,
        /// Which of its set.
        index: usize,
    },
    /// `de_bruijn = ORDER`
    DeBruijn(u32),
    /// `golay = { length = .., member = 0 or 1 }`
    Golay {
        /// Length.
        length: usize,
        /// Which of the pair.
        member: usize,
    },
    /// `apa = LENGTH`
    Apa(usize),
    /// `bits = "0110..."`
    Bits(String),
}

pub(super) const KEYS: [&str; 10] =
    ["position_deg", "follows", "eye", "colour", "flicker", "code", "fade", "seen_s", "own_contrast", "grid"];

pub(super) fn read(table: &Table<'_>) -> Result<Look, ProtocolError> {
    let within = Range::from(-super::WIDEST_DEG / 2.0).up_to(super::WIDEST_DEG / 2.0);
    let eyes = [("both", Eye::Both), ("left", Eye::Left), ("right", Eye::Right)];
    Ok(Look {
        position_deg: table.optional("position_deg", |t, key| pair(t, key, within))?.unwrap_or([0.0; 2]),
        follows_gaze: table
            .optional("follows", |t, key| t.choice(key, &[("fixation", false), ("gaze", true)]))?
            .unwrap_or(false),
        eye: table.optional("eye", |t, key| t.choice(key, &eyes))?.unwrap_or_default(),
        colour: table.optional("colour", read_colour)?,
        course: read_course(table)?,
        seen_s: table
            .optional("seen_s", |t, key| t.span_of_numbers(key, Range::from(0.0).up_to(LONGEST_S)))?,
        own_contrast: table.optional("own_contrast", |t, key| t.number(key, Range::from(0.0).up_to(1.0)))?,
        grid: table.optional("grid", read_grid)?,
    })
}

fn read_course(table: &Table<'_>) -> Result<Course, ProtocolError> {
    let keys = ["flicker", "code", "fade"];
    if !keys.iter().any(|key| table.has(key)) {
        return Ok(Course::Steady);
    }
    Ok(match table.one_of(&keys)? {
        "code" => Course::Code(read_code(table, "code")?),
        "fade" => {
            let fade = table.table("fade", &["after_s", "over_s"])?;
            Course::Fade {
                after_s: fade.number("after_s", Range::from(0.0).up_to(LONGEST_S))?,
                over_s: fade.number("over_s", Range::above(0.0).up_to(LONGEST_S))?,
            }
        }
        _ => Course::Flicker(read_flicker(table)?),
    })
}

pub(crate) fn read_flicker(stimulus: &Table<'_>) -> Result<Flicker, ProtocolError> {
    let keys = ["counterphase_hz", "on_off_hz", "waveform", "phase_deg", "repair"];
    let table = stimulus.table("flicker", &keys)?;
    let key = table.one_of(&["counterphase_hz", "on_off_hz"])?;
    let kind = if key == "on_off_hz" { FlickerKind::OnOff } else { FlickerKind::Counterphase };
    Ok(Flicker {
        kind,
        frequency_hz: frequency(&table, key)?,
        waveform: table.choice("waveform", &[("sine", Waveform::Sine), ("square", Waveform::Square)])?,
        phase_deg: table.optional("phase_deg", super::direction)?,
        repair: table.optional("repair", Table::boolean)?.unwrap_or(false),
    })
}

pub(super) fn read_code(stimulus: &Table<'_>, key: &str) -> Result<Code, ProtocolError> {
    let kinds = ["m_sequence", "gold", "de_bruijn", "golay", "apa", "bits"];
    let others = ["bit_rate_hz", "shift", "modulated", "reverses", "repair"];
    let table = stimulus.table(key, &[&kinds[..], &others[..]].concat())?;
    let order = |key: &str| table.integer(key, 2..=16).map(|order| order as u32);
    let length = |table: &Table<'_>, key: &str| table.integer(key, 2..=65_536).map(|length| length as usize);
    let kind = match table.one_of(&kinds)? {
        key @ "m_sequence" => CodeKind::MSequence(order(key)?),
        key @ "de_bruijn" => CodeKind::DeBruijn(order(key)?),
        key @ "apa" => CodeKind::Apa(length(&table, key)?),
        key @ "bits" => CodeKind::Bits(table.text(key)?),
        key @ "gold" => {
            let gold = table.table(key, &["order", "index"])?;
            CodeKind::Gold {
                order: gold.integer("order", 2..=16)? as u32,
                index: gold.integer("index", 0..=65_537)? as usize,
            }
        }
        key => {
            let golay = table.table(key, &["length", "member"])?;
            CodeKind::Golay {
                length: length(&golay, "length")?,
                member: golay.integer("member", 0..=1)? as usize,
            }
        }
    };
    Ok(Code {
        kind,
        bit_rate_hz: frequency(&table, "bit_rate_hz")?,
        shift: table.optional("shift", |t, key| t.integer(key, 0..=131_072))?.unwrap_or(0) as usize,
        modulated: table.optional("modulated", Table::boolean)?.unwrap_or(false),
        reverses: table.optional("reverses", Table::boolean)?.unwrap_or(false),
        repair: table.optional("repair", Table::boolean)?.unwrap_or(false),
    })
}

pub(super) fn read_colour(stimulus: &Table<'_>, key: &str) -> Result<Colour, ProtocolError> {
    let table = stimulus.table(key, &["rgb", "xy", "cd_m2", "cone_contrast", "dkl"])?;
    let three = |key: &str, range: Range| {
        table.numbers(key, Some(3), range).map(|numbers| [numbers[0], numbers[1], numbers[2]])
    };
    let luminance = |key: &str| table.number(key, Range::from(0.0).up_to(100_000.0));
    let signed = Range::from(-100.0).up_to(100.0);
    if table.has("xy") {
        let xy = pair(&table, "xy", Range::above(0.0).below(1.0))?;
        return Ok(Colour::Xy(xy, luminance("cd_m2")?));
    }
    Ok(match table.one_of(&["rgb", "cd_m2", "cone_contrast", "dkl"])? {
        key @ "cd_m2" => Colour::Luminance(luminance(key)?),
        key @ "cone_contrast" => Colour::ConeContrast(three(key, signed)?),
        key @ "dkl" => Colour::Dkl(three(key, signed)?),
        key => Colour::Rgb(three(key, Range::from(-1.0).up_to(1.0))?),
    })
}

fn read_grid(stimulus: &Table<'_>, key: &str) -> Result<Grid, ProtocolError> {
    let table = stimulus.table(key, &["columns", "rows", "pitch_deg"])?;
    Ok(Grid {
        columns: table.integer("columns", 1..=256)? as u32,
        rows: table.integer("rows", 1..=256)? as u32,
        pitch_deg: pair(&table, "pitch_deg", Range::above(0.0).up_to(super::WIDEST_DEG))?,
    })
}
