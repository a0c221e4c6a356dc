//! What people press and where they look: `[response.*]` and `[gaze]`.

use crate::check;
use crate::error::ProtocolError;
use crate::experiment::{Markers, Protocol, StreamKind};
use crate::reader::{Range, Table};

/// Names of the keys that can be a response.
pub const KEYS: [&str; 48] = [
    "left",
    "right",
    "up",
    "down",
    "space",
    "enter",
    "tab",
    "backspace",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "j",
    "k",
    "l",
    "m",
    "n",
    "o",
    "p",
    "q",
    "r",
    "s",
    "t",
    "u",
    "v",
    "w",
    "x",
    "y",
    "z",
    "page_up",
    "page_down",
    "home",
    "end",
];

/// Most buttons of a response.
const MOST_BUTTONS: usize = 16;

/// Longest time for which a gaze holds.
const LONGEST_HOLD_S: f64 = 3_600.0;

/// A response: which buttons there are, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseSpec {
    /// The name of its table, `choice` for `[response.choice]`.
    pub name: String,
    /// What is pressed.
    pub kind: ResponseKind,
}

/// What is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseKind {
    /// `keyboard`: keys in the display's window.
    Keyboard {
        /// Their names, of [`KEYS`].
        keys: Vec<String>,
    },
    /// `hid`: an input device of the kernel, such as a button box or a keyboard of its own.
    Hid {
        /// A part of the device's name.
        device: String,
        /// The kernel's codes of its buttons.
        codes: Vec<u32>,
    },
    /// `marker`: markers of a stream.
    Marker {
        /// Index into [`Protocol::streams`].
        stream: usize,
        /// Their texts.
        markers: Vec<String>,
        /// Their codes.
        codes: Vec<u32>,
    },
    /// `rating`: keys in the display's window that are levels, from 1.
    Rating {
        /// Their names, of [`KEYS`], from the lowest level.
        keys: Vec<String>,
    },
}

impl ResponseSpec {
    /// What a protocol calls each button.
    pub fn buttons(&self) -> Vec<String> {
        match &self.kind {
            ResponseKind::Keyboard { keys } | ResponseKind::Rating { keys } => keys.clone(),
            ResponseKind::Hid { codes, .. } => codes.iter().map(u32::to_string).collect(),
            ResponseKind::Marker { markers, .. } => markers.clone(),
        }
    }
}

/// Where gaze comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GazeStream {
    /// Index into [`Protocol::streams`]: samples.
    pub stream: usize,
    /// Indices of the channels with x and y.
    pub channels: [usize; 2],
    /// What the values are.
    pub unit: GazeUnit,
    /// For how long what follows the gaze stays when the eye is not seen, in s; then it is not drawn. There where something follows.
    pub hold_s: Option<f64>,
}

/// Unit and origin of gaze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GazeUnit {
    /// `"deg"`: degrees of visual angle from the middle of the screen.
    Degrees,
    /// `"px"`: pixels from the upper left corner of the screen.
    Pixels,
}

/// Reads `[response.*]`.
pub(crate) fn read_responses(
    root: &Table<'_>,
    protocol: &Protocol,
) -> Result<Vec<ResponseSpec>, ProtocolError> {
    let kinds = ["keyboard", "hid", "marker", "rating"];
    let mut responses: Vec<ResponseSpec> = Vec::new();
    for (name, table) in root.named_tables("response", &kinds)? {
        let kind = match table.one_of(&kinds)? {
            "keyboard" => ResponseKind::Keyboard { keys: read_keys(&table.table("keyboard", &["keys"])?)? },
            "hid" => read_hid(&table, &responses)?,
            "marker" => read_marker(&table, protocol)?,
            _ => ResponseKind::Rating { keys: read_keys(&table.table("rating", &["keys"])?)? },
        };
        responses.push(ResponseSpec { name, kind });
    }
    Ok(responses)
}

fn read_keys(table: &Table<'_>) -> Result<Vec<String>, ProtocolError> {
    let keys = table.texts("keys")?;
    if keys.len() > MOST_BUTTONS || keys.iter().any(|key| !KEYS.contains(&key.as_str())) {
        let allowed = format!("up to {MOST_BUTTONS} of {}", KEYS.join(", "));
        return Err(table.refuse("keys", allowed));
    }
    Ok(keys)
}

fn read_hid(response: &Table<'_>, before: &[ResponseSpec]) -> Result<ResponseKind, ProtocolError> {
    let table = response.table("hid", &["device", "codes"])?;
    let device = table.text("device")?;
    let codes: Vec<u32> =
        table.integers("codes", None, 0..=0x2ff)?.into_iter().map(|code| code as u32).collect();
    let all_differ = codes.iter().enumerate().all(|(place, code)| !codes[..place].contains(code));
    if codes.len() > MOST_BUTTONS || !all_differ {
        return Err(table.refuse("codes", format!("up to {MOST_BUTTONS} codes, all different")));
    }
    for other in before {
        if let ResponseKind::Hid { device: other, .. } = &other.kind
            && *other != device
        {
            return Err(table.refuse("device", format!("\"{other}\": one device is read in a session")));
        }
    }
    Ok(ResponseKind::Hid { device, codes })
}

fn read_marker(response: &Table<'_>, protocol: &Protocol) -> Result<ResponseKind, ProtocolError> {
    let table = response.table("marker", &["stream", "markers"])?;
    let stream = check::marker_stream(&table, "stream", protocol)?;
    let StreamKind::Markers(Markers { markers: known }) = &protocol.streams[stream].kind else {
        return Err(table.refuse("stream", "a stream of markers"));
    };
    let markers = table.texts("markers")?;
    let code = |text: &String| known.iter().find(|marker| marker.text == *text).map(|marker| marker.code);
    let codes: Option<Vec<u32>> = markers.iter().map(code).collect();
    match codes.filter(|codes| codes.len() <= MOST_BUTTONS) {
        Some(codes) => Ok(ResponseKind::Marker { stream, markers, codes }),
        None => {
            let texts: Vec<&str> = known.iter().map(|marker| marker.text.as_str()).collect();
            let allowed = format!("up to {MOST_BUTTONS} of the markers of the stream: {}", texts.join(", "));
            Err(table.refuse("markers", allowed))
        }
    }
}

/// Reads `[gaze]`.
pub(crate) fn read_gaze(
    root: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<GazeStream, ProtocolError> {
    let table = root.table(key, &["stream", "x", "y", "unit", "hold_s"])?;
    let (stream, samples) = check::sample_stream(&table, "stream", protocol)?;
    let channel = |key: &str| table.reference(key, "channel", samples.channels.iter().map(String::as_str));
    let channels = [channel("x")?, channel("y")?];
    if channels[0] == channels[1] {
        return Err(table.refuse("y", "another channel than x"));
    }
    let unit = table.choice("unit", &[("deg", GazeUnit::Degrees), ("px", GazeUnit::Pixels)])?;
    let follows = protocol.stimuli.iter().any(|stimulus| stimulus.look.follows_gaze);
    let hold_s = match (follows, table.has("hold_s")) {
        (false, true) => return Err(table.contradiction("hold_s", "no stimulus has follows = \"gaze\"")),
        (false, false) => None,
        (true, _) => Some(table.number("hold_s", Range::above(0.0).up_to(LONGEST_HOLD_S))?),
    };
    Ok(GazeStream { stream, channels, unit, hold_s })
}
