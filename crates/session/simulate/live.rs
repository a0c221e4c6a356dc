//! The stage on the machine's clock: outlets out, markers in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use acquisition::{AcquisitionError, MarkerOutlet, MarkerPlan, MarkerPorts, TextMarker, ThreadPorts, Want};
use crossbeam_channel::Receiver;
use lsl::Lsl;
use timeline::ring::{Reader, ring};
use timeline::{Marker, SourceId, clock, ns_from_s, s_from_ns};

use super::outlets::Outlets;
use super::pace::Pace;
use super::shown::{self, Look};
use super::{Room, SimulateArgs, Simulated, Stage};
use crate::error::SessionError;
use crate::run::sources;

/// How long one look for the marker stream takes.
const LOOK_S: f64 = 1.0;
/// Markers that may wait.
const MARKERS: usize = 1024;
/// The longest sleep: how fast Ctrl-C and markers are seen.
const NAP_NS: i64 = 5_000_000;

pub(super) fn run(room: &Room, args: &SimulateArgs, network: bool) -> Result<Simulated, SessionError> {
    let stream = sources::participant_stream(&room.experiment.protocol)?;
    // Whoever cannot sit there is told before anything is open.
    drop(room.seat()?);
    let lsl = sources::load_lsl(network)?;
    let name = args.name.clone().unwrap_or_else(|| format!("photic-participant-{}", room.person.name));
    let outlets = Outlets::open(&lsl, room, stream, &name, args.gaze, args.markers)?;
    let shown_out = if args.markers { Some(Outlets::shown_markers(&lsl, room, &name)?) } else { None };
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&stop)?;
    let ears = match room.fixed {
        Some(_) => None,
        None => Some(Ears::open(&lsl, &args.listen, &stop, thread::current())?),
    };
    if args.wait_s > 0.0 && !outlets.wait_for_consumers(args.wait_s) {
        stop.store(true, Ordering::Release);
        return Err(SessionError::Usage(format!("nobody listened within {} s", args.wait_s)));
    }
    let ledger = outlets.ledger();
    let mut stage = Stage::set(room, Box::new(outlets))?;
    let mut simulated = Simulated {
        stream: name,
        samples_sent: 0,
        samples_lost: 0,
        skipped_s: 0.0,
        latest_s: 0.0,
        markers_heard: 0,
        markers_unknown: 0,
    };
    let mut running = Running {
        pace: Pace::begin(stage.start_ns(), clock::now_ns(), stream.samples.rate_hz),
        stimuli: stimuli(room),
        ears,
        shown_out,
    };
    // With the last chunk that is complete by then.
    let end_ns = args.duration.map_or(i64::MAX, |s| stage.start_ns().saturating_add(ns_from_s(s)));
    while !stop.load(Ordering::Acquire) && stage.done_ns() < end_ns {
        let now_ns = clock::now_ns();
        let skipped_ns = running.pace.skipped_ns();
        let due_ns = running.pace.due_ns(now_ns, stage.done_ns()).min(end_ns);
        if running.pace.skipped_ns() > skipped_ns {
            let skip_s = s_from_ns(running.pace.skipped_ns() - skipped_ns);
            tracing::warn!("the machine stood still: {skip_s:.3} s are left out");
        }
        ledger.offset_ns.store(running.pace.live_ns(0), Ordering::Relaxed);
        running.hear(&mut stage, &mut simulated);
        let chunk_ns = stage.next_chunk_ns();
        stage.advance(due_ns)?;
        running.tell_changes(&mut stage)?;
        if stage.next_chunk_ns() > chunk_ns {
            let late_s = s_from_ns(clock::now_ns() - running.pace.live_ns(chunk_ns));
            simulated.latest_s = simulated.latest_s.max(late_s);
        }
        let wait_ns = running.pace.live_ns(stage.next_chunk_ns().min(end_ns)) - clock::now_ns();
        thread::park_timeout(Duration::from_nanos(wait_ns.clamp(0, NAP_NS).unsigned_abs()));
    }
    stop.store(true, Ordering::Release);
    if let Some(ears) = running.ears.take() {
        ears.close()?;
    }
    // liblsl sends from its own threads; an outlet that is dropped at once takes the last chunks with it.
    thread::sleep(Duration::from_millis(500));
    simulated.samples_sent = ledger.sent.load(Ordering::Relaxed);
    simulated.samples_lost = ledger.lost.load(Ordering::Relaxed);
    simulated.skipped_s = s_from_ns(running.pace.skipped_ns());
    Ok(simulated)
}

/// Names and frequencies of what may be shown; what does not flicker has none, which equals no number.
fn stimuli(room: &Room) -> Vec<(String, f64)> {
    let hz =
        |stimulus: &protocol::Stimulus| stimulus.flicker().map_or(f64::NAN, |flicker| flicker.frequency_hz);
    let of = |stimulus: &protocol::Stimulus| (stimulus.name.clone(), hz(stimulus));
    room.experiment.protocol.stimuli.iter().map(of).collect()
}

struct Running {
    pace: Pace,
    stimuli: Vec<(String, f64)>,
    ears: Option<Ears>,
    shown_out: Option<MarkerOutlet>,
}

impl Running {
    /// Takes the markers that came.
    fn hear(&mut self, stage: &mut Stage, simulated: &mut Simulated) {
        let Some(ears) = &mut self.ears else { return };
        while let Some((at_ns, text)) = ears.next() {
            let look = shown::read(&text, &self.stimuli);
            if look.is_some_and(|look| stage.tell(self.pace.own_ns(at_ns), look)) {
                simulated.markers_heard += 1;
            } else {
                simulated.markers_unknown += 1;
                if simulated.markers_unknown == 1 {
                    let names: Vec<String> =
                        self.stimuli.iter().map(|(name, hz)| format!("{name} ({hz} Hz)")).collect();
                    tracing::warn!(
                        "marker {text:?} is none of `off`, `on CONTRAST [STIMULUS [FRAME]]`; stimuli are {}",
                        names.join(", ")
                    );
                }
            }
        }
    }

    /// Says what began to be shown.
    fn tell_changes(&mut self, stage: &mut Stage) -> Result<(), AcquisitionError> {
        for (own_ns, look) in stage.changes() {
            let Some(markers) = &mut self.shown_out else { continue };
            let text = match (look, self.stimuli.get(usize::from(look.scene.0).wrapping_sub(1))) {
                (Look { contrast, .. }, Some((name, _))) => format!("on {contrast} {name}"),
                (_, None) => "off".to_owned(),
            };
            markers.push(s_from_ns(self.pace.live_ns(own_ns)), &text)?;
        }
        Ok(())
    }
}

/// Who hears what is shown: looks for the stream for as long as it takes.
struct Ears {
    thread: JoinHandle<Result<(), AcquisitionError>>,
    markers: Reader<Marker>,
    texts: Receiver<TextMarker>,
}

impl Ears {
    fn open(lsl: &Lsl, name: &str, stop: &Arc<AtomicBool>, wake: Thread) -> Result<Self, SessionError> {
        let (loop_markers, markers) = ring(MARKERS);
        let (texts_in, texts) = crossbeam_channel::bounded(MARKERS);
        // Events of the sink that nobody records; a full ring costs nothing here.
        let (events, _) = ring(1);
        let ports = MarkerPorts { loop_markers, events, texts: texts_in };
        let (lsl, stop) = (lsl.clone(), Arc::clone(stop));
        let want = Want { name: Some(name.to_owned()), stream_type: "Markers".into(), timeout_s: LOOK_S };
        let plan = MarkerPlan {
            source: SourceId(0),
            name: "shown".into(),
            codes: BTreeMap::new(),
            discard_backlog: false,
        };
        let body = move || {
            let mut told = false;
            let found = loop {
                match acquisition::find(&lsl, &want) {
                    Ok(found) => break found,
                    Err(AcquisitionError::NotFound { .. }) if !stop.load(Ordering::Acquire) => {
                        if !std::mem::replace(&mut told, true) {
                            let name = want.name.as_deref().unwrap_or_default();
                            tracing::warn!(
                                "no marker stream `{name}` yet: until it is there, the participant sees grey"
                            );
                        }
                    }
                    Err(AcquisitionError::NotFound { .. }) => return Ok(()),
                    Err(error) => {
                        tracing::error!("{error}");
                        stop.store(true, Ordering::Release);
                        return Err(error);
                    }
                }
            };
            let thread = ThreadPorts { wake, stop, on_start: Box::new(|| ()) };
            acquisition::spawn_markers(found, plan, ports, thread)?.join().map(|_| ())
        };
        let named = |error| SessionError::Thread { name: "listen".into(), error };
        let thread = thread::Builder::new().name("listen".into()).spawn(body).map_err(named)?;
        Ok(Self { thread, markers, texts })
    }

    /// The next marker: its instant on this machine's clock, and its text.
    fn next(&mut self) -> Option<(i64, String)> {
        // The sink pushes the record first, so a text has its record.
        let text = self.texts.try_recv().ok()?;
        while let Some(marker) = self.markers.pop() {
            if marker.index == text.index {
                return Some((marker.at_ns, text.text));
            }
        }
        Some((text.arrival_ns, text.text))
    }

    fn close(self) -> Result<(), SessionError> {
        let joined = self.thread.join().map_err(|_| SessionError::ThreadFailed("listen".into()))?;
        Ok(joined?)
    }
}

/// Ctrl-C ends it.
fn stop_on_signal(stop: &Arc<AtomicBool>) -> Result<(), SessionError> {
    let stop = Arc::clone(stop);
    match ctrlc::set_handler(move || stop.store(true, Ordering::Release)) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(SessionError::Usage(format!("ctrl-c: {error}"))),
    }
}
