//! What the display is given, what it gives back, and why it may refuse.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::Thread;

use crate::interlock::Interlock;
use crate::scenery::Scenery;
use crate::sync::{Sync, SyncBounds, SyncFault};
use thiserror::Error;
use timeline::latest::LatestReader;
use timeline::ring::{RowReader, RowWriter, Writer};
use timeline::{Attenuation, Command, Event, Flip, Gaze, Response};

/// Where frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A window of the rig's size in px.
    Window,
    /// The whole screen; it must have the rig's size.
    Fullscreen,
    /// A texture, paced by a simulated refresh.
    Offscreen,
}

/// What to prepare.
pub struct Config {
    /// Where frames go.
    pub mode: Mode,
    /// What can be drawn.
    pub scenery: Scenery,
    /// The ring that takes one row of `cells()` luminances of the scenery's retina per presented frame.
    pub retina: Option<RowWriter>,
    /// Title of the window.
    pub title: String,
    /// What a window's screen must keep to.
    pub sync: SyncBounds,
}

/// Counters that a progress view may read while the display runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Frames shown.
    pub frames: AtomicU64,
    /// Refreshes that showed an old frame again.
    pub missed: AtomicU64,
}

/// The display's ends of the carriers.
pub struct Ports {
    /// The newest command; `None` until there is one, which shows grey.
    pub commands: LatestReader<Option<Command>>,
    /// Patterns of pictures, one row each under the picture's number; a picture must be here before a command names it.
    pub pictures: Option<RowReader>,
    /// Flips for the loop.
    pub flips: Writer<Flip>,
    /// For the loop, what the governor lets through, whenever that changes.
    pub attenuations: Writer<Attenuation>,
    /// Flips and notices for the recorder.
    pub events: Writer<Event>,
    /// The loop's thread, woken (unparked) after each flip.
    pub wake: Thread,
    /// Set when the loop is finished or the session is aborted: the display shows grey and returns.
    pub stop: Arc<AtomicBool>,
    /// Set by the display when the operator pressed Esc or closed the window. The loop answers it with `stop`.
    pub escape: Arc<AtomicBool>,
    /// Called once, when everything is ready and before frame 0: the place to wait for the other threads.
    pub start: Box<dyn FnOnce()>,
    /// Counters for a progress view.
    pub progress: Arc<Progress>,
    /// Whom the display looks at by itself, and who looks at it.
    pub interlock: Interlock,
    /// Keys pressed in the window, for the loop; `None` where nobody wants them.
    pub responses: Option<Writer<Response>>,
    /// Where the person looks; `None` where nothing follows that.
    pub gaze: Option<GazePort>,
}

/// Where the person looks, for what follows it.
pub struct GazePort {
    /// The newest sample in which the eye was seen.
    pub newest: LatestReader<Option<Gaze>>,
    /// How old it may be at a frame's onset; with an older one what follows it is not drawn.
    pub hold_ns: i64,
}

/// How the display keeps the refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// A schedule of refreshes; nothing emits light.
    Simulated,
    /// The schedule paces presents, because presenting does not wait for the screen.
    Software,
    /// Presenting waits for the screen; the schedule follows it.
    Screen,
}

/// The graphics adapter and the target, for the session's manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Adapter's name.
    pub adapter: String,
    /// Driver's name.
    pub driver: String,
    /// Driver's version, as it gives it.
    pub driver_info: String,
    /// Graphics interface.
    pub backend: String,
    /// Whether the adapter is a program on the CPU; its worker threads must not be starved by real-time threads.
    pub software: bool,
    /// How the refresh is kept.
    pub pacing: Pacing,
    /// Size of the stimulus in px.
    pub screen_px: [u32; 2],
    /// Size of the window's surface or of the offscreen target in px.
    pub surface_px: [u32; 2],
    /// Pixel format of that surface.
    pub format: String,
    /// Presentation mode of the window's surface.
    pub present_mode: Option<String>,
    /// What was measured of a window's presents before the run.
    pub sync: Option<Sync>,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.screen_px;
        let [surface_width, surface_height] = self.surface_px;
        write!(
            f,
            "{} ({} {}, {}{}), {width}x{height} px on a {surface_width}x{surface_height} px {} surface, {:?} pacing",
            self.adapter,
            self.driver,
            self.driver_info,
            self.backend,
            if self.software { ", software" } else { "" },
            self.format,
            self.pacing,
        )?;
        self.sync.map_or(Ok(()), |sync| write!(f, "; before the run {sync}"))
    }
}

/// Median and tail of a quantity, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spread {
    /// How many were measured.
    pub count: u64,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Largest.
    pub max_us: f64,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Frames shown.
    pub frames: u64,
    /// Refreshes between the first and the last frame that showed an old frame again.
    pub missed_frames: u64,
    /// Frames drawn but not shown, because they were too late for their refresh.
    pub discarded_frames: u64,
    /// Frames that a software-paced window showed after their refresh had begun, because its last pass took longer
    /// than usual. Their flips state the refresh that they were drawn for, up to half a refresh late, and the next one beyond.
    pub late_frames: u64,
    /// Onset of the first frame.
    pub first_onset_ns: Option<i64>,
    /// Onset of the last frame.
    pub last_onset_ns: Option<i64>,
    /// Intervals between onsets.
    pub interval: Spread,
    /// Time in which our code and wgpu recorded a frame, until submission.
    pub record: Spread,
    /// Time from the start of a frame until its work was done (offscreen) or handed over (window).
    pub frame: Spread,
    /// Retina rows handed over.
    pub retina_rows: u64,
    /// Frames whose retina and checksum were not read because every buffer was in use.
    pub retina_skipped: u64,
    /// Flips or retina rows that a full ring refused.
    pub refused: u64,
    /// Adapter and target.
    pub description: Description,
}

/// Why the display cannot be prepared, or had to end.
#[derive(Debug, Error)]
pub enum DisplayError {
    /// The list of scenes does not begin with grey.
    #[error("scene 0 must be the neutral grey field; {count} scenes were given")]
    NoGrey {
        /// Scenes given.
        count: usize,
    },
    /// The retina's ring does not fit the grid.
    #[error("the retina has {cells} cells but its ring takes rows of {width} values")]
    RetinaWidth {
        /// Cells of the grid.
        cells: usize,
        /// Values per row.
        width: usize,
    },
    /// The retina's grid does not lie on the screen.
    #[error("the retina covers up to ({right}, {bottom}) px, the screen has ({width}, {height}) px")]
    RetinaOutside {
        /// Right edge of the grid.
        right: u32,
        /// Lower edge of the grid.
        bottom: u32,
        /// Width of the screen.
        width: u32,
        /// Height of the screen.
        height: u32,
    },
    /// No usable graphics adapter.
    #[error("no Vulkan adapter found ({0}); software rendering needs Mesa's lavapipe")]
    NoAdapter(String),
    /// More sheets, or larger ones, than the adapter's textures hold.
    #[error(
        "{layers} {what} of up to {width} x {height} texels: this adapter holds {most} of up to {side} x {side}"
    )]
    Sheets {
        /// `values` or `images`.
        what: &'static str,
        /// Columns of the largest.
        width: u32,
        /// Rows of the largest.
        height: u32,
        /// How many.
        layers: u32,
        /// The adapter's limit along a side.
        side: u32,
        /// The adapter's limit of their number.
        most: u32,
    },
    /// The driver does not take what a user wrote.
    #[error("the graphics driver refuses `{file}`: {reason}")]
    Shader {
        /// The user's file.
        file: String,
        /// Its words.
        reason: String,
    },
    /// The adapter refused a device.
    #[error("adapter `{adapter}` gives no device: {reason}")]
    NoDevice {
        /// Adapter's name.
        adapter: String,
        /// Its words.
        reason: String,
    },
    /// The screen is larger than the adapter's largest texture.
    #[error("the screen has {width} x {height} px, adapter `{adapter}` allows {limit} px per side")]
    TooLarge {
        /// Adapter's name.
        adapter: String,
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
        /// The limit.
        limit: u32,
    },
    /// The governor's state is larger than a buffer of the adapter may be.
    #[error(
        "the photosensitivity governor needs a buffer of {needed} bytes for this screen, the adapter allows {limit}"
    )]
    Governor {
        /// Bytes needed.
        needed: u64,
        /// The limit.
        limit: u64,
    },
    /// No window system, or it refused the window.
    #[error("no window: {0}; `--display offscreen` needs none")]
    Window(String),
    /// The window system did not give a surface that can be used.
    #[error("the window's surface cannot be used: {0}")]
    Surface(String),
    /// The screen is not the one of the rig file.
    #[error("full screen has {width} x {height} px, the rig file says {rig_width} x {rig_height} px")]
    ScreenSize {
        /// Width found.
        width: u32,
        /// Height found.
        height: u32,
        /// Width in the rig file.
        rig_width: u32,
        /// Height in the rig file.
        rig_height: u32,
    },
    /// The screen is not one on which a run may begin.
    #[error("{fault}{}", measured.map_or(String::new(), |sync| format!(" (measured: {sync})")))]
    Sync {
        /// What was measured, where that was possible.
        measured: Option<Sync>,
        /// Why it is refused.
        fault: SyncFault,
    },
    /// The GPU or the window failed during the run.
    #[error("drawing failed at frame {frame}: {reason}")]
    Lost {
        /// Frame index.
        frame: u64,
        /// What happened.
        reason: String,
    },
}
