//! The threads that pull: one per stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};

use lsl::{ChannelFormat, Inlet, Lsl, LslError};
use timeline::SourceId;
use timeline::clock::now_ns;

use crate::check::ChannelMap;
use crate::clock::{self, ClockWatch, Measured};
use crate::error::AcquisitionError;
use crate::find::{Found, Want, find};
use crate::marker::{MarkerCounts, MarkerPorts, MarkerSink};
use crate::sink::{ChunkSink, SinkCounts, SinkPorts, SinkSpec};
use crate::source::SourceInfo;

/// The longest that a pull waits for a sample: how fast the thread sees that it should stop.
pub(crate) const PULL_TIMEOUT_S: f64 = 0.1;
/// How long a source may take to accept the subscription.
const OPEN_TIMEOUT_S: f64 = 5.0;
/// How long one look for a source that was lost takes.
const LOOK_AGAIN_S: f64 = 1.0;

/// What a thread of samples has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct InletPlan {
    /// The source.
    pub source: SourceId,
    /// Name of the stream in the protocol; the thread is called `inlet-NAME`.
    pub name: String,
    /// Which channels the loop gets.
    pub map: ChannelMap,
    /// The most samples taken at once.
    pub max_chunk: usize,
    /// Whether samples that came before `on_start` returned are dropped: a session starts with what is new.
    pub discard_backlog: bool,
}

/// What a thread of markers has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkerPlan {
    /// The source.
    pub source: SourceId,
    /// Name of the stream in the protocol; the thread is called `inlet-NAME`.
    pub name: String,
    /// The protocol's codes by text.
    pub codes: BTreeMap<String, u32>,
    /// Whether markers that came before `on_start` returned are dropped.
    pub discard_backlog: bool,
}

/// How a thread starts, whom it wakes and when it ends.
pub struct ThreadPorts {
    /// Unparked after each chunk or marker: the loop's thread.
    pub wake: Thread,
    /// Ends the thread within about 0.1 s.
    pub stop: Arc<AtomicBool>,
    /// Runs first on the new thread: real-time priority, pinning, the barrier at which all threads wait.
    pub on_start: Box<dyn FnOnce() + Send>,
}

/// A running thread of samples.
pub struct InletThread(Running<SinkCounts>);

/// A running thread of markers.
pub struct MarkerThread(Running<MarkerCounts>);

pub(crate) struct Running<T> {
    name: String,
    thread: JoinHandle<Result<T, AcquisitionError>>,
}

impl<T> Running<T> {
    pub(crate) fn join(self) -> Result<T, AcquisitionError> {
        self.thread.join().unwrap_or(Err(AcquisitionError::Panicked { name: self.name }))
    }
}

impl InletThread {
    /// Waits for the end (set `stop` before) and says what went through.
    ///
    /// # Errors
    /// When liblsl failed in another way than by losing the source, which is waited for.
    pub fn join(self) -> Result<SinkCounts, AcquisitionError> {
        self.0.join()
    }

    /// Whether it has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.0.thread.is_finished()
    }
}

impl MarkerThread {
    /// Waits for the end (set `stop` before) and says what went through.
    ///
    /// # Errors
    /// When liblsl failed in another way than by losing the source, which is waited for.
    pub fn join(self) -> Result<MarkerCounts, AcquisitionError> {
        self.0.join()
    }

    /// Whether it has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.0.thread.is_finished()
    }
}

/// Subscribes to a stream of numbers and starts the thread that pulls it into `ports`.
///
/// # Errors
/// When the stream carries texts, a ring has another width, the source does not answer in time, or (of another
/// machine) its clock cannot be measured.
pub fn spawn_inlet(
    found: Found,
    plan: InletPlan,
    ports: SinkPorts,
    thread: ThreadPorts,
) -> Result<InletThread, AcquisitionError> {
    let info = &found.info;
    if info.format == ChannelFormat::String {
        let (stream, found) = (info.name.clone(), info.format.name());
        return Err(AcquisitionError::Format { stream, found, wanted: "samples are numbers" });
    }
    let (channel_count, rate_hz) = (info.channel_count, info.rate_hz);
    let InletPlan { source, name, map, max_chunk, discard_backlog } = plan;
    let mut sink = ChunkSink::new(SinkSpec { source, channel_count, map, rate_hz }, ports)?;
    let mut line = Line::open(found, name)?;
    if let Some(Measured { at_ns, offset_ns }) = line.first.take() {
        sink.set_clock_offset(at_ns, offset_ns);
    }
    let name = line.thread_name();
    let running = start(name, move || {
        let ThreadPorts { wake, stop, on_start } = thread;
        let max_chunk = max_chunk.max(1);
        let mut stamps_s = vec![0.0; max_chunk];
        let mut values = vec![0.0; max_chunk * channel_count];
        on_start();
        line.begin(discard_backlog);
        while !stop.load(Ordering::Relaxed) {
            let pulled = line.inlet.pull_f64(&mut stamps_s, &mut values, PULL_TIMEOUT_S);
            let arrival_ns = now_ns();
            while let Some(Measured { at_ns, offset_ns }) = line.measured() {
                sink.set_clock_offset(at_ns, offset_ns);
            }
            match pulled {
                Ok(0) => {}
                Ok(count) => {
                    sink.accept(arrival_ns, &stamps_s[..count], &values[..count * channel_count]);
                    wake.unpark();
                }
                Err(error) => line.recover(error, &stop)?,
            }
        }
        sink.finish(now_ns());
        line.end();
        Ok(sink.counts())
    });
    running.map(InletThread)
}

/// Subscribes to a stream of markers (texts, or numbers that are taken as texts) and starts the thread that pulls it
/// into `ports`.
///
/// # Errors
/// When the stream has more than one channel, the source does not answer in time, or (of another machine) its clock
/// cannot be measured.
pub fn spawn_markers(
    found: Found,
    plan: MarkerPlan,
    ports: MarkerPorts,
    thread: ThreadPorts,
) -> Result<MarkerThread, AcquisitionError> {
    if found.info.channel_count != 1 {
        let (stream, found) = (found.info.name.clone(), found.info.channel_count);
        return Err(AcquisitionError::MarkerChannels { stream, found });
    }
    let MarkerPlan { source, name, codes, discard_backlog } = plan;
    let mut sink = MarkerSink::new(source, codes, ports);
    let mut line = Line::open(found, name)?;
    if let Some(Measured { at_ns, offset_ns }) = line.first.take() {
        sink.set_clock_offset(at_ns, offset_ns);
    }
    let name = line.thread_name();
    let running = start(name, move || {
        let ThreadPorts { wake, stop, on_start } = thread;
        on_start();
        line.begin(discard_backlog);
        while !stop.load(Ordering::Relaxed) {
            let pulled = line.inlet.pull_text(PULL_TIMEOUT_S);
            let arrival_ns = now_ns();
            while let Some(Measured { at_ns, offset_ns }) = line.measured() {
                sink.set_clock_offset(at_ns, offset_ns);
            }
            match pulled {
                Ok(None) => {}
                Ok(Some(sample)) => {
                    let text = sample.values.into_iter().next().unwrap_or_default();
                    sink.accept(arrival_ns, sample.stamp_s, text);
                    wake.unpark();
                }
                Err(error) => line.recover(error, &stop)?,
            }
        }
        line.end();
        Ok(sink.counts())
    });
    running.map(MarkerThread)
}

pub(crate) fn start<T: Send + 'static>(
    name: String,
    body: impl FnOnce() -> Result<T, AcquisitionError> + Send + 'static,
) -> Result<Running<T>, AcquisitionError> {
    match thread::Builder::new().name(name.clone()).spawn(body) {
        Ok(thread) => Ok(Running { name, thread }),
        Err(reason) => Err(AcquisitionError::Thread { name, reason }),
    }
}

/// A subscribed inlet with the watch on its clock, and the way back when the source is lost.
pub(crate) struct Line {
    lsl: Lsl,
    pub(crate) inlet: Inlet,
    info: SourceInfo,
    name: String,
    /// The first clock offset, of a source on another machine.
    first: Option<Measured>,
    watch: Option<ClockWatch>,
}

impl Line {
    pub(crate) fn open(found: Found, name: String) -> Result<Self, AcquisitionError> {
        let Found { info, lsl, mut inlet } = found;
        inlet.open(OPEN_TIMEOUT_S).map_err(AcquisitionError::of(&info.name))?;
        let mut line = Self { lsl, inlet, info, name, first: None, watch: None };
        line.watch_clock()?;
        Ok(line)
    }

    /// Stamps of another machine mean nothing here before its clock is measured, so that is waited for.
    fn watch_clock(&mut self) -> Result<(), AcquisitionError> {
        let (clock, same_host) = (self.inlet.clock(), self.info.same_host);
        if !same_host {
            let first = clock::measure(&clock, same_host);
            self.first = Some(first.map_err(AcquisitionError::of(&self.info.name))?);
        }
        self.watch = Some(ClockWatch::start(clock, &self.name, same_host)?);
        Ok(())
    }

    pub(crate) fn thread_name(&self) -> String {
        format!("inlet-{}", self.name)
    }

    pub(crate) fn begin(&mut self, discard_backlog: bool) {
        if discard_backlog {
            self.inlet.flush();
        }
    }

    fn measured(&mut self) -> Option<Measured> {
        self.first.take().or_else(|| self.watch.as_mut()?.measured.pop())
    }

    /// liblsl itself finds a source again that has a source id. One without is looked for here, by name, type and
    /// channel count, until it is back or the session ends.
    pub(crate) fn recover(&mut self, error: LslError, stop: &AtomicBool) -> Result<(), AcquisitionError> {
        if !matches!(error, LslError::Lost { .. }) {
            return Err(AcquisitionError::of(&self.info.name)(error));
        }
        let want = Want {
            name: Some(self.info.name.clone()),
            stream_type: self.info.stream_type.clone(),
            timeout_s: LOOK_AGAIN_S,
        };
        while !stop.load(Ordering::Relaxed) {
            // Not there yet, two of them, or gone again while asked: look once more.
            let Ok(Found { info, mut inlet, .. }) = find(&self.lsl, &want) else { continue };
            let same = info.channel_count == self.info.channel_count
                && info.format == self.info.format
                && info.channel_labels == self.info.channel_labels
                && info.rate_hz == self.info.rate_hz;
            if same && inlet.open(LOOK_AGAIN_S).is_ok() {
                self.end_watch();
                (self.inlet, self.info) = (inlet, info);
                match self.watch_clock() {
                    Err(AcquisitionError::Lsl { .. }) => continue,
                    other => return other,
                }
            }
        }
        Ok(())
    }

    fn end_watch(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.end();
        }
    }

    pub(crate) fn end(mut self) {
        self.end_watch();
        self.inlet.close();
    }
}
