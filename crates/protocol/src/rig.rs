//! What a rig file says: this room's screen, and which LSL stream is meant where the type alone is not enough.

use std::path::Path;

use crate::error::{ProtocolError, read_text};
use crate::experiment::Protocol;
use crate::light::{self, RigLight};
use crate::reader::{Document, Range, Table};

/// This room's hardware.
#[derive(Debug, Clone, PartialEq)]
pub struct Rig {
    /// The screen that the participant looks at.
    pub screen: Screen,
    /// How that screen makes light; its keys stand in `[screen]` as well.
    pub light: RigLight,
    /// Names of LSL streams, in the order of the file; often empty.
    pub streams: Vec<RigStream>,
    /// What the screen must keep to before a run.
    pub sync: SyncBounds,
    /// The file, as it was named to the parser: for what is found out later.
    pub file: String,
}

/// How the eyes are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stereo {
    /// `"anaglyph"`: the left eye sees red, the right one green and blue.
    Anaglyph,
    /// `"side_by_side"`: each eye sees its half of the screen, as through a mirror stereoscope; fixation is the middle of each
    /// half.
    SideBySide,
}

/// A screen and where the participant sits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    /// Whether no such screen exists (key `simulated = true`): then it may serve only a simulated participant or an
    /// offscreen run. Absent means a real screen.
    pub simulated: bool,
    /// Width in px.
    pub width_px: u32,
    /// Height in px.
    pub height_px: u32,
    /// Width of the lit area in cm.
    pub width_cm: f64,
    /// Height of the lit area in cm.
    pub height_cm: f64,
    /// From the eyes to the middle of the screen, in cm.
    pub distance_cm: f64,
    /// Refreshes per second, as measured, in Hz.
    pub refresh_hz: f64,
    /// Luminance of full white in cd/m2, as measured.
    pub luminance_max_cd_m2: f64,
    /// Luminance of full black in cd/m2, as measured; below that of white.
    pub luminance_min_cd_m2: f64,
    /// How the eyes are told apart, if they are.
    pub stereo: Option<Stereo>,
    /// [`crate::RigTransfer::nominal_gamma`] of the rig's light, which has the transfer itself.
    pub gamma: f64,
}

/// What a window's screen must keep to in the test before a run (table `[sync]`); what is absent is as the program has it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SyncBounds {
    /// The most by which the measured refresh may differ from `refresh_hz`, in percent of it.
    pub refresh_tolerance_percent: Option<f64>,
    /// The most that presents may scatter about the refresh (standard deviation), in percent of its period.
    pub scatter_max_percent: Option<f64>,
    /// The most presents that may not take exactly one refresh, in percent of all.
    pub irregular_max_percent: Option<f64>,
    /// Whether a run is refused where presents do not wait for the screen.
    pub must_wait: Option<bool>,
}

/// Which LSL stream is meant by a stream of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RigStream {
    /// The name of the protocol's stream table, `eeg` for `[stream.eeg]`.
    pub stream: String,
    /// LSL's stream name in this room (key `name`).
    pub lsl_name: String,
}

const SCREEN_KEYS: [&str; 10] = [
    "simulated",
    "stereo",
    "width_px",
    "height_px",
    "width_cm",
    "height_cm",
    "distance_cm",
    "refresh_hz",
    "luminance_max_cd_m2",
    "luminance_min_cd_m2",
];

const LARGEST_SCREEN_PX: u64 = 16_384;
/// Beyond the brightest screens there are; the photosensitivity rule counts up to that.
const BRIGHTEST_CD_M2: f64 = 10_000.0;
/// White above black: with less there is no stimulus.
const LEAST_RANGE_CD_M2: f64 = 1.0;

impl Rig {
    /// Reads a rig from the text of its file; `file` is the name that errors give.
    ///
    /// # Errors
    /// See [`ProtocolError`].
    pub fn parse(text: &str, file: &str) -> Result<Self, ProtocolError> {
        let document = Document::parse(text, file)?;
        let root = document.root(&["screen", "stream", "sync"])?;
        let (screen, light) = read_screen(&root)?;
        let sync = if root.has("sync") { read_sync(&root)? } else { SyncBounds::default() };
        let mut streams = Vec::new();
        for (name, table) in root.named_tables("stream", &["name"])? {
            streams.push(RigStream { stream: name, lsl_name: table.text("name")? });
        }
        Ok(Self { screen, light, streams, sync, file: file.to_owned() })
    }

    /// Reads a rig file.
    ///
    /// # Errors
    /// See [`ProtocolError`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ProtocolError> {
        let (text, file) = read_text(path.as_ref())?;
        Self::parse(&text, &file)
    }

    /// The LSL name that this rig gives to a stream table of a protocol, if it gives one.
    pub fn lsl_name(&self, stream: &str) -> Option<&str> {
        self.streams.iter().find(|s| s.stream == stream).map(|s| s.lsl_name.as_str())
    }

    /// The streams that this rig names and the protocol does not have. One rig serves many protocols, so this is no
    /// error; a check should tell it all the same, because it may be a misspelt table.
    pub fn streams_not_in(&self, protocol: &Protocol) -> Vec<&str> {
        let known = |s: &RigStream| protocol.streams.iter().any(|p| p.name == s.stream);
        self.streams.iter().filter(|s| !known(s)).map(|s| s.stream.as_str()).collect()
    }
}

fn read_sync(root: &Table<'_>) -> Result<SyncBounds, ProtocolError> {
    let keys = ["refresh_tolerance_percent", "scatter_max_percent", "irregular_max_percent", "must_wait"];
    let table = root.table("sync", &keys)?;
    let percent = |key: &str, most: f64| {
        table.optional(key, |table, key| table.number(key, Range::above(0.0).up_to(most)))
    };
    Ok(SyncBounds {
        // Beyond that the model of the screen does not follow; stamps scattered wider cannot be told apart.
        refresh_tolerance_percent: percent("refresh_tolerance_percent", 2.0)?,
        scatter_max_percent: percent("scatter_max_percent", 20.0)?,
        irregular_max_percent: percent("irregular_max_percent", 50.0)?,
        must_wait: table.optional("must_wait", Table::boolean)?,
    })
}

fn read_screen(root: &Table<'_>) -> Result<(Screen, RigLight), ProtocolError> {
    let table = root.table("screen", &[&SCREEN_KEYS[..], &light::KEYS].concat())?;
    let luminance = |key, range: Range| table.number(key, range.up_to(BRIGHTEST_CD_M2));
    let luminance_max_cd_m2 = luminance("luminance_max_cd_m2", Range::from(LEAST_RANGE_CD_M2))?;
    let luminance_min_cd_m2 = luminance("luminance_min_cd_m2", Range::from(0.0))?;
    if luminance_min_cd_m2 > luminance_max_cd_m2 - LEAST_RANGE_CD_M2 {
        let allowed = format!(
            "at least {LEAST_RANGE_CD_M2} cd/m2 less than luminance_max_cd_m2 = {luminance_max_cd_m2}"
        );
        return Err(table.refuse("luminance_min_cd_m2", allowed));
    }
    let light = light::read(&table, luminance_max_cd_m2, luminance_min_cd_m2)?;
    let screen = Screen {
        simulated: table.optional("simulated", Table::boolean)?.unwrap_or(false),
        width_px: table.integer("width_px", 1..=LARGEST_SCREEN_PX)? as u32,
        height_px: table.integer("height_px", 1..=LARGEST_SCREEN_PX)? as u32,
        width_cm: table.number("width_cm", Range::above(0.0).up_to(10_000.0))?,
        height_cm: table.number("height_cm", Range::above(0.0).up_to(10_000.0))?,
        distance_cm: table.number("distance_cm", Range::above(0.0).up_to(10_000.0))?,
        refresh_hz: table.number("refresh_hz", Range::from(1.0).up_to(2_000.0))?,
        luminance_max_cd_m2,
        luminance_min_cd_m2,
        stereo: table.optional("stereo", |table, key| {
            let ways = [("anaglyph", Stereo::Anaglyph), ("side_by_side", Stereo::SideBySide)];
            table.choice(key, &ways)
        })?,
        gamma: light.transfer.nominal_gamma(),
    };
    Ok((screen, light))
}
