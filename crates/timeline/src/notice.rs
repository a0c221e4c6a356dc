//! What somebody should know of afterwards: the closed set of notices.

use crate::event::SourceId;
use crate::row::{Columns, Row, RowError, index_column};

/// Something that somebody should know of afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notice {
    /// When.
    pub at_ns: i64,
    /// What.
    pub kind: NoticeKind,
    /// Whose, if it concerns one source.
    pub source: Option<SourceId>,
    /// How many, which block, or how long in ns: see [`NoticeKind`].
    pub count: i64,
    /// A number that belongs to it: see [`NoticeKind`].
    pub value: f64,
}

macro_rules! notice_kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The closed set of notices; `count` and `value` mean what each line says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum NoticeKind { $($(#[doc = $doc])* $name = $code,)* }

        impl NoticeKind {
            fn from_code(code: i64) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// A short lower-case name, as it stands in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

notice_kinds! {
    /// A block began; `count` is its index.
    BlockBegin = 1, "block begins";
    /// A block ended; `count` is its index.
    BlockEnd = 2, "block ends";
    /// Calibration succeeded; `value` is the calibrated amplitude in uV.
    Calibrated = 3, "calibrated";
    /// Calibration could not be trusted; `value` is the amplitude over its standard error.
    CalibrationFailed = 4, "calibration failed";
    /// The model of the rhythm that onsets wait for was learnt from rest; `value` is its frequency in Hz, `count` the gain
    /// in log likelihood over a background without a rhythm, rounded.
    RhythmFound = 5, "rhythm found";
    /// The same, but it is no more than chance makes: forecasts of its phase will be unsure.
    RhythmWeak = 6, "no clear rhythm";
    /// A planned onset could no longer be reached when its samples came; `count` is by how much in ns.
    OnsetLate = 7, "onset not reached in time";
    /// The planner did not answer in time; `count` is how long it was waited for in ns, `value` how often in a row.
    PlannerSilent = 70, "planner silent";
    /// An answer to no open request, or with a picture that the display keeps no more; `count` is the request that it names,
    /// `value` the picture.
    AnswerRefused = 71, "answer refused";
    /// The planner: its model's predictions fail, and it goes on without the model; `count` is the number of presentations
    /// judged, `value` their mean squared surprise in units of what was expected (1 where the model is right).
    ModelFails = 72, "model fails, going on without it";
    /// The planner: the model predicts again; `count` and `value` as before.
    ModelBack = 73, "model predicts again";
    /// No acceptable reply of the program outside within the deadline; `count` is the state that it was asked with, `value` the
    /// deadline in s. The fallback takes over.
    OutsideSilent = 90, "outside program silent, falling back";
    /// The program outside answers again; `count` is how long the fallback was in charge, in ns.
    OutsideBack = 91, "outside program back";
    /// A reply that was not believed, the first of its kind since the last good one; `count` says why (1 not the index of a
    /// state, 2 that state is answered already or its deadline is past, 3 not a number, 4 out of range), `value` what was
    /// sent: the index (1, 2) or the value (3, 4). `photic-replies` has them all.
    ReplyRefused = 92, "outside program's reply refused";
    /// Replies that came faster than they can be recorded and were not used; `count` says how many.
    RepliesLost = 93, "outside program's replies lost";
    /// The planner: the response to a population's localiser cannot be told from the background; `count` is the population,
    /// `value` the response over its standard error.
    LocaliserFailed = 74, "localiser failed";
    /// The planner: no prepared picture is predicted to reach the set point; `value` is the nearest response that one is
    /// predicted to give in uV, `count` the set point in nV.
    OutOfReach = 75, "set point out of reach of the prepared pictures";
    /// The planner: what it proposed cannot be shown, and was not handed over; `count` says why (1 number of texels, 2 texels
    /// that are not finite, 3 a texel beyond -1..=1, 4 more RMS contrast than allowed, 5 not the number of the next picture
    /// or of one before), `value` what was found.
    PictureRefused = 76, "planner's picture refused";
    /// The planner: the probes together are no clear response; `count` is how many of them were measured, `value` their mean
    /// over its standard error.
    ProbesSilent = 77, "probes without response";
    /// Pictures were to be steered, but the calibration before is not trusted and the protocol says to end then; `value` is
    /// the amplitude over its standard error.
    NotSteered = 78, "not steered, calibration failed";
    /// No sample for longer than the staleness bound; `count` is the age in ns. The loop holds its last command.
    Stale = 10, "source stale, holding";
    /// Still nothing: the screen ramps to neutral grey; `count` is the age in ns.
    ToGrey = 11, "ramping to grey";
    /// The source is back; `count` is how long it was away in ns.
    SourceBack = 12, "source back";
    /// The latch opened: stimulation ramps up again.
    Resumed = 13, "stimulation resumed";
    /// Samples that the loop passed over because newer ones were waiting; `count` says how many.
    Skipped = 20, "samples skipped";
    /// A ring was full and refused; `count` says how many records.
    RingFull = 21, "ring full";
    /// Samples with a value that is not a number; `count` says how many.
    NotFinite = 22, "samples not finite";
    /// A channel that does not change; `count` is the channel, `value` how long in s.
    FlatChannel = 23, "flat channel";
    /// Source stamps that jump; `count` is the jump in ns.
    StampJump = 24, "stamp jump";
    /// The inlet lost samples (gap in a regular stream's stamps); `count` estimates how many.
    SamplesLost = 25, "samples lost at the source";
    /// Frames that came too late for their refresh; `count` says how many.
    MissedFrames = 30, "missed frames";
    /// The photosensitivity governor did not show a frame; `count` is the rules that it would have broken (a bit each), `value`
    /// what was shown in its place (1 a ramp to grey, 2 the frame before, 3 grey).
    Governed = 32, "stopped by the photosensitivity governor";
    /// The governor shows frames again.
    GovernorOpen = 33, "photosensitivity governor lets frames pass again";
    /// Samples of the simulated participant that were answered without a frame that came too late; `count` says how many.
    RetinaLate = 31, "retina late";
    /// The operator asked for the end.
    Stop = 40, "stop";
    /// The controller holds, because an artefact lies in the decoder's window; `count` is its kind (1 blink, 2 muscle,
    /// 3 flat), `value` what was measured in uV.
    Frozen = 80, "frozen by an artefact";
    /// No artefact lies in the window any more; `count` is how long the controller held, in ns.
    Thawed = 81, "artefact over";
    /// A baseline to score against is complete; `count` is the values in it, `value` their standard deviation in uV.
    BaselineTaken = 82, "baseline taken";
    /// A baseline has fewer than two values, or they do not differ: nothing can be scored against it, and the blocks that would
    /// be stay grey; `count` is the values in it.
    BaselineFailed = 83, "baseline failed";
    /// The operator paused: the screen ramps to grey and time stands still; `count` is the block that runs.
    Paused = 100, "paused by the operator";
    /// The operator goes on; `count` is how long it was paused in ns.
    Continued = 101, "continued by the operator";
    /// The operator ended the block that ran; `count` is its index.
    BlockSkipped = 102, "block skipped by the operator";
    /// The operator ended the run.
    Aborted = 103, "aborted by the operator";
    /// Trials that were rejected as often as they may be repeated, and are given up; `count` is the trial's place in the order.
    TrialGivenUp = 104, "trial given up";
    /// Responses that came faster than they can be taken and were not used; `count` says how many.
    ResponsesLost = 105, "responses lost";
    /// The recorder could not take a turn for a while; the loop held, nothing was lost.
    RecorderHeld = 44, "held by the recorder";
    /// The disk is full or failed; recording ended at the last whole chunk; `count` is the bytes not written.
    RecordingEnded = 42, "recording ended early";
    /// The dose of `[limits]` is spent; `value` is the dose in s of full contrast, `count` the bound in ns. The run ends.
    DoseSpent = 50, "dose spent";
    /// The total on-time of `[limits]` is spent; `count` is the on-time in ns, `value` the bound in s. The run ends.
    OnTimeSpent = 51, "on-time spent";
    /// Stimulation without a pause for as long as `[limits]` allows; `count` is how long in ns, `value` the bound in s. Grey
    /// for the pause that `[limits]` states.
    OnTimePause = 52, "pause after the longest on-time";
    /// The session is as long as `[limits]` allows; `count` is how long in ns, `value` the bound in s. The run ends.
    SessionSpent = 53, "session as long as allowed";
    /// Contrast was to change faster than `[limits]` allows, and did not; `value` is the rate asked for per s, `count` the
    /// commands slowed down since the notice before.
    SlewLimited = 54, "rate of change limited";
    /// The dead-man key is up for longer than its bound; `count` is how long in ns.
    DeadManUp = 55, "dead-man key released, ramping to grey";
    /// The dead-man key is held; `count` is how long it was up in ns.
    DeadManDown = 56, "dead-man key held";
    /// No reason for grey is left and the ramp is complete: stimulation ramps up again; `count` is how long it was off in ns.
    InterlockOpened = 57, "interlock released";
    /// The clock went back, or no turn was taken for too long; `count` is the jump in ns.
    TimeJump = 58, "time jumped";
    /// The display hands over no flip while a stimulus should be seen; `count` is the age of the newest in ns.
    FlipsMissing = 59, "display silent, ramping to grey";
    /// Flips that cannot be true (contrast or instant) and were not used; `count` says how many.
    FlipRefused = 60, "flip refused";
    /// The display drew grey by itself; `count` is the frame at which the loop saw it.
    DisplayGrey = 61, "display grey by itself";
    /// The display: the window's surface was lost and is made anew; `count` says how often since the frame before.
    SurfaceRebuilt = 67, "window surface rebuilt";
    /// The display: the graphics device was lost, and everything on it was built anew behind a hidden window; `count` is how
    /// long that took in ns. Its refreshes count as missed, and stimulation ramps up again.
    DeviceRebuilt = 68, "graphics device rebuilt";
    /// The display: no heartbeat of the loop, ramping to grey; `count` is its age in ns.
    LoopLost = 62, "loop silent, display ramping to grey";
    /// The display: the loop's heart beats again; `count` is how long it did not in ns.
    LoopBack = 63, "loop back";
    /// The display: window or graphics device were lost; the run ends.
    WindowLost = 64, "window lost";
    /// The display: the watchdog process is gone; stimulation goes on without it.
    WatchdogLost = 65, "watchdog lost";
    /// The display: the watchdog had to take the screen; `count` is its bound in ns. The run ends.
    WatchdogTook = 66, "watchdog took the screen";
}

impl Row for Notice {
    const STREAM: &'static str = "photic-notices";
    const COLUMNS: &'static [&'static str] = &["at_ns", "kind", "source", "count", "value_f64"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.at_ns);
        put(self.kind as i64);
        put(index_column(self.source.map(|source| u64::from(source.0))));
        put(self.count);
        put(self.value.to_bits() as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            at_ns: c.i64(),
            kind: {
                let code = c.i64();
                NoticeKind::from_code(code).ok_or_else(|| c.refuse(code))?
            },
            source: match c.optional_index()? {
                None => None,
                Some(source) => Some(SourceId(u16::try_from(source).map_err(|_| c.refuse(source as i64))?)),
            },
            count: c.i64(),
            value: c.f64(),
        })
    }
}
