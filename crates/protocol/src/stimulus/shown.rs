//! Images, letters, shapes: what covers the grey.

use super::{frequency, pair, size};
use crate::error::ProtocolError;
use crate::reader::{Range, Table};

/// What the numbers of an image file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// `"srgb"`: codes by IEC 61966-2-1.
    Srgb,
    /// `"linear"`: linear light.
    Linear,
}

/// An image file (PNG). At a contrast below 1 it is mixed with the neutral grey.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The file, from the protocol's folder.
    pub file: String,
    /// Width in degrees; the height follows from the image.
    pub width_deg: f64,
    /// What its numbers mean.
    pub transfer: Transfer,
}

impl Image {
    pub(super) const KEYS: &[&str] = &["file", "width_deg", "transfer"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            file: table.text("file")?,
            width_deg: size(table, "width_deg")?,
            transfer: read_transfer(table)?,
        })
    }
}

/// Image files of one size, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// The files, from the protocol's folder.
    pub files: Vec<String>,
    /// Width in degrees.
    pub width_deg: f64,
    /// What their numbers mean.
    pub transfer: Transfer,
    /// The next one so often per second: each stays for whole frames.
    pub rate_hz: f64,
    /// Whether it begins again after the last one, which else stays.
    pub repeat: bool,
}

impl Sequence {
    pub(super) const KEYS: &[&str] = &["files", "width_deg", "transfer", "rate_hz", "repeat"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            files: table.any_texts("files")?,
            width_deg: size(table, "width_deg")?,
            transfer: read_transfer(table)?,
            rate_hz: frequency(table, "rate_hz")?,
            repeat: table.boolean("repeat")?,
        })
    }
}

fn read_transfer(table: &Table<'_>) -> Result<Transfer, ProtocolError> {
    table.choice("transfer", &[("srgb", Transfer::Srgb), ("linear", Transfer::Linear)])
}

/// A text, centred line by line. Its `colour` is that of the letters.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Height of a capital letter in degrees.
    pub letter_deg: f64,
}

impl Text {
    pub(super) const KEYS: &[&str] = &["text", "letter_deg"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self { text: table.text("text")?, letter_deg: size(table, "letter_deg")? })
    }
}

/// Texts one after the other at one place. Its `colour` is that of the letters.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// The texts.
    pub words: Vec<String>,
    /// Height of a capital letter in degrees.
    pub letter_deg: f64,
    /// The next one so often per second: each stays for whole frames.
    pub rate_hz: f64,
    /// Whether it begins again after the last one, which else stays.
    pub repeat: bool,
}

impl Words {
    pub(super) const KEYS: &[&str] = &["words", "letter_deg", "rate_hz", "repeat"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            words: table.any_texts("words")?,
            letter_deg: size(table, "letter_deg")?,
            rate_hz: frequency(table, "rate_hz")?,
            repeat: table.boolean("repeat")?,
        })
    }
}

/// A plain shape. Without a `colour` it changes the grey by the commanded contrast: a flash.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Its form.
    pub form: ShapeForm,
    /// How far it is turned, anticlockwise, in degrees.
    pub orientation_deg: f64,
    /// Width of its soft edge in degrees; 0 is hard.
    pub edge_deg: f64,
    /// Whether it is everything around its form, up to the edges of the screen.
    pub inverted: bool,
}

/// Forms of shapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShapeForm {
    /// `ellipse_deg = [width, height]`
    Ellipse([f64; 2]),
    /// `rectangle_deg = [width, height]`
    Rectangle([f64; 2]),
    /// `ring_deg = [inner, outer]` diameter
    Ring([f64; 2]),
    /// `polygon = { corners = 3, diameter_deg = .. }`
    Polygon {
        /// Corners.
        corners: u32,
        /// Diameter of the circle through them, in degrees.
        diameter_deg: f64,
    },
    /// `cross_deg = [length, width]`
    Cross([f64; 2]),
    /// `screen = true`: all of it.
    Screen,
}

impl Shape {
    pub(super) const KEYS: &[&str] = &[
        "ellipse_deg",
        "rectangle_deg",
        "ring_deg",
        "polygon",
        "cross_deg",
        "screen",
        "orientation_deg",
        "edge_deg",
        "inverted",
    ];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let any = Range::above(0.0).up_to(super::WIDEST_DEG);
        let form = match table.one_of(&Self::KEYS[..6])? {
            key @ "ellipse_deg" => ShapeForm::Ellipse(pair(table, key, any)?),
            key @ "rectangle_deg" => ShapeForm::Rectangle(pair(table, key, any)?),
            key @ "ring_deg" => ShapeForm::Ring(table.span_of_numbers(key, any)?),
            key @ "cross_deg" => match pair(table, key, any)? {
                [length, width] if width > length => {
                    return Err(table.refuse(key, "[length, width] of its bars: no wider than they are long"));
                }
                cross => ShapeForm::Cross(cross),
            },
            key @ "polygon" => {
                let polygon = table.table(key, &["corners", "diameter_deg"])?;
                ShapeForm::Polygon {
                    corners: polygon.integer("corners", 3..=64)? as u32,
                    diameter_deg: size(&polygon, "diameter_deg")?,
                }
            }
            key => match table.boolean(key)? {
                true => ShapeForm::Screen,
                false => return Err(table.refuse(key, "true, or another form in its place")),
            },
        };
        let inverted = table.optional("inverted", Table::boolean)?.unwrap_or(false);
        if inverted && form == ShapeForm::Screen {
            return Err(table.contradiction("inverted", "nothing lies around all of the screen"));
        }
        Ok(Self {
            form,
            inverted,
            orientation_deg: table.optional("orientation_deg", super::direction)?.unwrap_or(0.0),
            edge_deg: table
                .optional("edge_deg", |t, key| t.number(key, Range::from(0.0).up_to(super::WIDEST_DEG)))?
                .unwrap_or(0.0),
        })
    }
}

/// A mark to look at; it stays whatever contrast is commanded. Its `colour` is that of the mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixationMark {
    /// Its form.
    pub form: FixationForm,
    /// Its diameter in degrees.
    pub diameter_deg: f64,
}

/// Forms of fixation marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixationForm {
    /// `"dot"`
    Dot,
    /// `"cross"`
    Cross,
    /// `"bullseye"`: a bull's eye and a cross hair, on which gaze is steadiest (Thaler et al. 2013, Vision Res. 76, 31).
    Bullseye,
}

impl FixationMark {
    pub(super) const KEYS: &[&str] = &["form", "diameter_deg"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let forms = [
            ("dot", FixationForm::Dot),
            ("cross", FixationForm::Cross),
            ("bullseye", FixationForm::Bullseye),
        ];
        Ok(Self { form: table.choice("form", &forms)?, diameter_deg: size(table, "diameter_deg")? })
    }
}
