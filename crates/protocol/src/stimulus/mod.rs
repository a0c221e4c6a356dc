//! What can be shown: `[stimulus.NAME.KIND]`, one table per stimulus, all sizes in degrees of visual angle.

mod layout;
mod look;
mod own;
mod shown;
mod texture;
mod wave;

pub use layout::{Bar, Looming, Multifocal, Speller, Targets, Wedge};
pub use look::{Code, CodeKind, Colour, Course, Eye, Flicker, FlickerKind, Grid, Look, Waveform};
pub use own::{Declared, Parameters, Wgsl, Window};
pub use shown::{FixationForm, FixationMark, Image, Sequence, Shape, ShapeForm, Text, Transfer, Words};
pub use texture::{Dots, Draw, FilteredNoise, Noise, Spectrum};
pub use wave::{Carrier, CheckRings, Checkerboard, Gabor, Grating, Plaid, RadialCheckerboard, Rings, Spokes};

pub(crate) use look::read_flicker;

use crate::error::ProtocolError;
use crate::reader::{Range, Table};
use crate::steering::{Picture, read_picture};

/// Widest thing on a flat screen: 23 times as wide as the screen is far. Towards 180 a size has no end.
const WIDEST_DEG: f64 = 170.0;
/// One hour: longer courses are slips of the unit.
const LONGEST_S: f64 = 3_600.0;

/// Something that can be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Stimulus {
    /// The name of its table, `target` for `[stimulus.target]`.
    pub name: String,
    /// What it is.
    pub kind: StimulusKind,
    /// What all kinds have in common: where it lies, in which colour, and how it changes over time.
    pub look: Look,
    /// Where its table begins, as `FILE:LINE`: for what only the screen can say against it.
    pub place: String,
}

impl Stimulus {
    /// Its flicker, if it has one.
    pub fn flicker(&self) -> Option<&Flicker> {
        match &self.look.course {
            Course::Flicker(flicker) => Some(flicker),
            Course::Steady | Course::Code(_) | Course::Fade { .. } => None,
        }
    }
}

/// The kinds of stimulus.
#[derive(Debug, Clone, PartialEq)]
pub enum StimulusKind {
    /// `grating`: a wave in a round window with a soft edge.
    Grating(Grating),
    /// `gabor`: a wave in a Gaussian window.
    Gabor(Gabor),
    /// `plaid`: two waves on top of each other in a round window.
    Plaid(Plaid),
    /// `spokes`: a wave around the centre.
    Spokes(Spokes),
    /// `rings`: a wave outwards from the centre.
    Rings(Rings),
    /// `checkerboard`
    Checkerboard(Checkerboard),
    /// `radial_checkerboard`
    RadialCheckerboard(RadialCheckerboard),
    /// `dots`: a random-dot kinematogram.
    Dots(Dots),
    /// `noise`: independent cells.
    Noise(Noise),
    /// `filtered_noise`: noise of a band of spatial frequencies, or with a power law.
    FilteredNoise(FilteredNoise),
    /// `image`: a file.
    Image(Image),
    /// `sequence`: files one after the other: a movie, or a rapid serial presentation.
    Sequence(Sequence),
    /// `text`
    Text(Text),
    /// `words`: texts one after the other.
    Words(Words),
    /// `shape`
    Shape(Shape),
    /// `fixation`: a mark to look at.
    Fixation(FixationMark),
    /// `speller`: a matrix of letters, each with a flicker or a code of its own.
    Speller(Speller),
    /// `looming`: a disc that approaches.
    Looming(Looming),
    /// `bar`: a bar of checks that sweeps, for retinotopy.
    Bar(Bar),
    /// `wedge`: a wedge of checks that turns, for retinotopy.
    Wedge(Wedge),
    /// `multifocal`: patches around fixation, each with a code of its own.
    Multifocal(Multifocal),
    /// `wgsl`: a pattern of one's own.
    Wgsl(Wgsl),
    /// `picture`: a square whose content the planner makes.
    Picture(Picture),
    /// `together`: other stimuli on top of each other, by their places in [`crate::Protocol::stimuli`].
    Together(Vec<usize>),
}

const KINDS: [&str; 24] = [
    "grating",
    "gabor",
    "plaid",
    "spokes",
    "rings",
    "checkerboard",
    "radial_checkerboard",
    "dots",
    "noise",
    "filtered_noise",
    "image",
    "sequence",
    "text",
    "words",
    "shape",
    "fixation",
    "speller",
    "looming",
    "bar",
    "wedge",
    "multifocal",
    "wgsl",
    "picture",
    "together",
];

pub(crate) fn read_stimuli(root: &Table<'_>) -> Result<Vec<Stimulus>, ProtocolError> {
    let mut stimuli: Vec<Stimulus> = Vec::new();
    for (name, table) in root.named_tables("stimulus", &KINDS)? {
        let key = table.one_of(&KINDS)?;
        let (kind, look) = read_kind(&table, key, &stimuli)?;
        if look.follows_gaze && !root.has("gaze") {
            let reason = "needs [gaze], which says where the person looks";
            return Err(table.table_of_any(key)?.contradiction("follows", reason));
        }
        stimuli.push(Stimulus { name, kind, look, place: table.line_of(key) });
    }
    Ok(stimuli)
}

fn read_kind(
    stimulus: &Table<'_>,
    key: &str,
    before: &[Stimulus],
) -> Result<(StimulusKind, Look), ProtocolError> {
    use StimulusKind as Kind;
    // The keys of all kinds, then those of this one.
    let table = |own: &[&str]| stimulus.table(key, &[own, &look::KEYS].concat());
    Ok(match key {
        "gabor" => with_look(table(Gabor::KEYS)?, |t| Gabor::read(t).map(Kind::Gabor))?,
        "plaid" => with_look(table(Plaid::KEYS)?, |t| Plaid::read(t).map(Kind::Plaid))?,
        "spokes" => with_look(table(Spokes::KEYS)?, |t| Spokes::read(t).map(Kind::Spokes))?,
        "rings" => with_look(table(Rings::KEYS)?, |t| Rings::read(t).map(Kind::Rings))?,
        "checkerboard" => {
            with_look(table(Checkerboard::KEYS)?, |t| Checkerboard::read(t).map(Kind::Checkerboard))?
        }
        "radial_checkerboard" => with_look(table(RadialCheckerboard::KEYS)?, |t| {
            RadialCheckerboard::read(t).map(Kind::RadialCheckerboard)
        })?,
        "dots" => with_look(table(Dots::KEYS)?, |t| Dots::read(t).map(Kind::Dots))?,
        "noise" => with_look(table(Noise::KEYS)?, |t| Noise::read(t).map(Kind::Noise))?,
        "filtered_noise" => {
            with_look(table(FilteredNoise::KEYS)?, |t| FilteredNoise::read(t).map(Kind::FilteredNoise))?
        }
        "image" => with_look(table(Image::KEYS)?, |t| Image::read(t).map(Kind::Image))?,
        "sequence" => with_look(table(Sequence::KEYS)?, |t| Sequence::read(t).map(Kind::Sequence))?,
        "text" => with_look(table(Text::KEYS)?, |t| Text::read(t).map(Kind::Text))?,
        "words" => with_look(table(Words::KEYS)?, |t| Words::read(t).map(Kind::Words))?,
        "shape" => with_look(table(Shape::KEYS)?, |t| Shape::read(t).map(Kind::Shape))?,
        "fixation" => with_look(table(FixationMark::KEYS)?, |t| FixationMark::read(t).map(Kind::Fixation))?,
        "speller" => with_look(table(Speller::KEYS)?, |t| Speller::read(t).map(Kind::Speller))?,
        "looming" => with_look(table(Looming::KEYS)?, |t| Looming::read(t).map(Kind::Looming))?,
        "bar" => with_look(table(Bar::KEYS)?, |t| Bar::read(t).map(Kind::Bar))?,
        "wedge" => with_look(table(Wedge::KEYS)?, |t| Wedge::read(t).map(Kind::Wedge))?,
        "multifocal" => with_look(table(Multifocal::KEYS)?, |t| Multifocal::read(t).map(Kind::Multifocal))?,
        "wgsl" => with_look(table(Wgsl::KEYS)?, |t| Wgsl::read(t).map(Kind::Wgsl))?,
        "picture" => {
            let (picture, flicker) = read_picture(stimulus, key)?;
            (Kind::Picture(picture), Look { course: Course::Flicker(flicker), ..Look::PLAIN })
        }
        "together" => (Kind::Together(read_together(stimulus, key, before)?), Look::PLAIN),
        _ => with_look(table(Grating::KEYS)?, |t| Grating::read(t).map(Kind::Grating))?,
    })
}

fn with_look(
    table: Table<'_>,
    read: impl FnOnce(&Table<'_>) -> Result<StimulusKind, ProtocolError>,
) -> Result<(StimulusKind, Look), ProtocolError> {
    let kind = read(&table)?;
    let look = look::read(&table)?;
    match unused(&kind, &look) {
        Some((key, reason)) => Err(table.contradiction(key, reason)),
        None => Ok((kind, look)),
    }
}

/// A key of all kinds that this kind has no use for, and why.
const fn unused(kind: &StimulusKind, look: &Look) -> Option<(&'static str, &'static str)> {
    use StimulusKind as Kind;
    match (kind, &look.course) {
        (Kind::Image(_) | Kind::Sequence(_), _) if look.colour.is_some() => {
            Some(("colour", "the colours of an image are its own"))
        }
        (Kind::Speller(_) | Kind::Multifocal(_), Course::Flicker(_)) => {
            Some(("flicker", "each of its targets has a course of its own"))
        }
        (Kind::Speller(_) | Kind::Multifocal(_), Course::Code(_)) => {
            Some(("code", "each of its targets has a course of its own"))
        }
        _ => None,
    }
}

/// `together = { of = ["below", "above"] }`: stimuli that stand before it in the file.
fn read_together(stimulus: &Table<'_>, key: &str, before: &[Stimulus]) -> Result<Vec<usize>, ProtocolError> {
    let table = stimulus.table(key, &["of"])?;
    let place = |name: &String| before.iter().position(|stimulus| stimulus.name == *name);
    let names = table.texts("of")?;
    names
        .iter()
        .map(|name| {
            place(name).ok_or_else(|| {
                let known: Vec<&str> = before.iter().map(|stimulus| stimulus.name.as_str()).collect();
                let known = if known.is_empty() { "there is none".into() } else { known.join(", ") };
                table.refuse("of", format!("stimuli that stand before it in the file: {known}"))
            })
        })
        .collect()
}

/// Two numbers, each in the range.
fn pair(table: &Table<'_>, key: &str, range: Range) -> Result<[f64; 2], ProtocolError> {
    let numbers = table.numbers(key, Some(2), range)?;
    Ok([numbers[0], numbers[1]])
}

/// A size in degrees.
fn size(table: &Table<'_>, key: &str) -> Result<f64, ProtocolError> {
    table.number(key, Range::above(0.0).up_to(WIDEST_DEG))
}

/// A direction in degrees, anticlockwise from rightward.
fn direction(table: &Table<'_>, key: &str) -> Result<f64, ProtocolError> {
    table.number(key, Range::from(0.0).below(360.0))
}

/// Something per second, of either sign.
fn rate(table: &Table<'_>, key: &str) -> Result<f64, ProtocolError> {
    table.number(key, Range::from(-1_000.0).up_to(1_000.0))
}

/// Something per second that is not 0.
fn frequency(table: &Table<'_>, key: &str) -> Result<f64, ProtocolError> {
    table.number(key, Range::above(0.0).up_to(1_000.0))
}

/// A seed.
fn seed(table: &Table<'_>) -> Result<u32, ProtocolError> {
    Ok(table.integer("seed", 0..=u64::from(u32::MAX))? as u32)
}
