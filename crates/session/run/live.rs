//! A live run: display on the main thread, the loop, one inlet per stream, the recorder, the participant, all named and
//! waiting at one barrier; ended in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use acquisition::ThreadPorts;
use closedloop::Loop;
use display::interlock::{Answer, Interlock};
use display::{Config, Display, DisplayError, Mode, Ports, Scenery};
use planner::Proposal;
use recording::{Options, SessionFolder};
use timeline::heartbeat::Heartbeat;
use timeline::latest::{LatestWriter, latest};
use timeline::ring::RowReader;
use timeline::{clock, ns_from_s};

use super::carriers::{Carriers, EVENTS, Source, retina_ring};
use super::ends::{EndsWith, join, join_within};
use super::eyes::Eyes;
use super::lifeline::Lifeline;
use super::operator::Operator;
use super::outside::Guest;
use super::participant::Chair;
use super::planner::Seat;
use super::presentations::Presentations;
use super::presses::{Pressers, Presses};
use super::progress;
use super::realtime::{Granted, Role};
use super::recorder::{PUMP_EVERY_NS, RecorderPump, Status};
use super::room::Room;
use super::{Ended, Prepared, display_mode};
use crate::cli::DisplayMode;
use crate::error::SessionError;
use crate::safety;
use crate::turns::{LoopDriver, TurnEnd};

/// The loop's tick where nothing wakes it.
const TICK: Duration = Duration::from_millis(1);

/// How often the planner looks for a request; a picture takes it hundreds of times as long.
const PLANNER_TICK: Duration = Duration::from_millis(2);

/// How long a planner may take to end; it looks whether all is over before each of its steps. The screen is grey by then.
const PLANNER_END_S: f64 = 2.0;

/// Who asks for the end, and whether it has come.
#[derive(Default)]
pub struct Ending {
    /// Ctrl-C, Esc, the window closed: the loop ramps to grey and finishes.
    pub asked: Arc<AtomicBool>,
    /// The loop is finished, or failed: everybody ends.
    pub over: Arc<AtomicBool>,
}

/// Gets the instant and a proposal before it is judged.
pub type AnswerHook = Box<dyn FnMut(i64, &mut Proposal) + Send>;

/// What tests do inside a live run to break it; each function is called with the instant at which it is.
pub struct Hooks {
    /// Before each turn of the loop; gives what the loop takes for that instant.
    pub turn: Box<dyn FnMut(i64) -> i64 + Send>,
    /// Before each frame of the display.
    pub frame: Box<dyn FnMut(i64)>,
    /// Before each write of the recorder.
    pub pump: Box<dyn FnMut(i64) + Send>,
    /// Before each answer of the planner, with what it proposes.
    pub answer: AnswerHook,
    /// Events of one thread that may wait for the recorder.
    pub room: usize,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            turn: Box::new(|now_ns| now_ns),
            frame: Box::new(|_| ()),
            pump: Box::new(|_| ()),
            answer: Box::new(|_, _| ()),
            room: EVENTS,
        }
    }
}

/// Real-time priority: whether it is wanted, and who got it.
#[derive(Clone)]
pub(super) struct Rights {
    wanted: bool,
    granted: Granted,
}

impl Rights {
    pub(super) fn enter(&self, role: Role) {
        if self.wanted { self.granted.enter(role) } else { self.granted.decline() }
    }
}

/// Runs live. The folder is complete but for the report.
///
/// # Errors
/// What kept the session from starting, or ended it; what was recorded stays.
pub(crate) fn run(prepared: &Prepared, hooks: Hooks) -> Result<SessionFolder, SessionError> {
    // First, so that the program outside can find our stream while we look for the others.
    let guest = Guest::meet(&prepared.experiment.protocol, prepared.network, prepared.args.wait_s)?;
    let pressers = Pressers::find(prepared)?;
    let mut room = Room::furnish(prepared)?;
    let sources: Vec<&Source> = room.sources.iter().collect();
    let step = Loop::prepare(&prepared.plan_for(&room.sources))?;
    drop(sources);

    let with_retina = room.answer.is_some();
    let (retina_in, retina) =
        retina_ring(prepared.lowered.retina.cells(), prepared.lowered.scenery.screen.refresh_hz);
    // A software adapter takes and frees megabytes for each frame.
    adjoint::keep_freed_memory();
    let display = match Display::prepare(Config {
        mode: match display_mode(&prepared.args) {
            DisplayMode::Window => Mode::Window,
            DisplayMode::Fullscreen => Mode::Fullscreen,
            DisplayMode::Offscreen => Mode::Offscreen,
        },
        scenery: Scenery {
            retina: with_retina.then_some(prepared.lowered.retina),
            governor: safety::governor(
                &prepared.experiment,
                &prepared.lowered,
                &prepared.args,
                prepared.person.is_some(),
            )?,
            ..prepared.lowered.scenery.clone()
        },
        retina: with_retina.then_some(retina_in),
        title: format!("Photic: {}", prepared.experiment.protocol.name),
        sync: super::screen::bounds(&prepared.experiment.rig),
    }) {
        // Any other error is the room's; a user's shader is part of the experiment, so it is on record.
        Err(error @ DisplayError::Shader { .. }) => return prepared.refused(&room.sources, error.into()),
        display => display?,
    };
    let description = display.description().clone();
    let options = Options { picture_texels: prepared.picture_texels(), ..Options::default() };
    let (folder, mut manifest, recorder) =
        prepared.open_recording(&room.sources, options, clock::now_ns(), Some(&description))?;
    let mut carriers = Carriers::lay(&room.sources, step, recorder, hooks.room);
    let (planner, pictures) = prepared.seat_planner(&mut carriers, false, clock::now_ns())?;
    let gaze = prepared.gaze_port(&mut carriers.driver);
    let ending = Ending::default();
    let presentations = prepared
        .args
        .publish
        .then(|| Presentations::open(prepared, &mut carriers.driver, &ending.over))
        .transpose()?;
    let mut presses = Presses::lay(prepared, pressers, &mut carriers);
    let lifeline = lifeline(prepared, &folder, &display)?;
    let (operator, key) = Operator::seat(&prepared.experiment, &prepared.args);
    let beats = Arc::new(Heartbeat::default());

    stop_on_signal(&ending)?;
    // Display, loop, recorder, one per source, the participant, the planner, two for a program outside.
    let threads = 3
        + room.sources.len()
        + usize::from(room.answer.is_some())
        + usize::from(room.is_scripted())
        + usize::from(planner.is_some())
        + presses.threads()
        + 2 * usize::from(guest.is_some());
    let barrier = Arc::new(Barrier::new(threads));

    let seconds = prepared.args.seconds;
    let rights = Rights { wanted: !prepared.args.no_realtime, granted: Granted::default() };
    if let Some(guest) = &guest {
        manifest.extra.insert("outside".into(), guest.describe());
    }
    let enter = |barrier: &Arc<Barrier>| {
        let barrier = Arc::clone(barrier);
        move || {
            barrier.wait();
        }
    };
    let guest = guest.map(|guest| guest.tell(&mut carriers, &ending.over, enter(&barrier))).transpose()?;
    let running = Running { driver: carriers.driver, operator, beats: Arc::clone(&beats), hook: hooks.turn };
    let loop_thread = spawn_loop(running, &ending, &barrier, seconds, &rights)?;
    let wake = loop_thread.thread().clone();
    let listen = |wake: &Thread| ThreadPorts {
        wake: wake.clone(),
        stop: Arc::clone(&ending.over),
        on_start: Box::new(enter(&barrier)),
    };
    let guest = guest.map(|guest| guest.listen(listen(&wake))).transpose()?;
    let mut inlets = room.spawn_inlets(carriers.sources, &wake, &ending, &barrier, &rights)?;
    let is_scripted = room.is_scripted();
    let mut eyes = room.open_eyes(prepared, &mut inlets);
    let eyes_thread = match eyes.take_if(|_| is_scripted) {
        Some(eyes) => Some(spawn_eyes(eyes, &ending, &barrier, wake.clone())?),
        None => None,
    };
    let answered = room.answers_on.and_then(|source| inlets.take_sink(source));
    let chair_thread = match room.take_way(answered)? {
        Some(way) => {
            let (rate_hz, brain) =
                room.answer.take().ok_or_else(|| SessionError::ThreadFailed("participant".into()))?;
            let mut chair = Chair::new(brain, retina, carriers.participant_events, way, rate_hz);
            chair.record_rhythm(crate::onset::simulated_weights(&prepared.experiment.protocol));
            if let Some(eyes) = eyes.take() {
                chair.show_eyes(eyes);
            }
            Some(spawn_chair(chair, &ending, &barrier, wake.clone())?)
        }
        None => {
            drop(carriers.participant_events);
            drop::<RowReader>(retina);
            None
        }
    };
    let deadline_s = prepared.experiment.protocol.planner.as_ref().map_or(0.0, |planner| planner.deadline_s);
    let planner_thread = planner
        .map(|seat| {
            let answering = Answering { seat, deadline_s, wake: wake.clone(), hook: hooks.answer };
            spawn_planner(answering, &ending, &barrier, &rights)
        })
        .transpose()?;
    if let Some(name) = presses.hid_name() {
        manifest.extra.insert("input_device".into(), name.into());
    }
    let keyboard = presses.take_keyboard();
    let presses = presses.spawn(&ending.over, &wake, || enter(&barrier))?;
    let (status_in, status) = latest(&Status::default());
    // Who limits a dose wants it on record: without a record such a run ends.
    let end = prepared.lowered.plan.interlock.limits.map(|_| Arc::clone(&ending.asked));
    let recorder_thread = spawn_recorder(carriers.pump, status_in, &barrier, end, hooks.pump)?;
    let view = progress::spawn(status, prepared, &ending)?;

    let at_start = Arc::clone(&barrier);
    let shown = display.run(Ports {
        commands: carriers.commands,
        pictures,
        flips: carriers.flips,
        attenuations: carriers.attenuations,
        events: carriers.display_events,
        wake,
        stop: Arc::clone(&ending.over),
        escape: Arc::clone(&ending.asked),
        start: Box::new(move || {
            at_start.wait();
        }),
        progress: Arc::default(),
        interlock: Interlock {
            grey_ramp_ns: prepared.lowered.plan.grey_ramp_ns,
            loop_beats: Some(beats),
            key,
            beat: beat(lifeline.as_ref(), hooks.frame)?,
        },
        responses: keyboard,
        gaze,
    });
    if let Some(lifeline) = lifeline {
        lifeline.end();
    }
    // However the display ended, nobody may go on without it.
    ending.asked.store(true, Ordering::Release);
    if shown.is_err() {
        ending.over.store(true, Ordering::Release);
    }
    let (shown, mut error) = match shown {
        Ok(shown) => (Some(shown), None),
        Err(error) => (None, Some(SessionError::from(error))),
    };
    let mut note = |result: Result<(), SessionError>| error = error.take().or(result.err());
    let stopped = join(loop_thread, "loop").map(|asked| asked == Asked::Early);
    ending.over.store(true, Ordering::Release);
    note(inlets.join());
    if let Some(guest) = guest {
        note(guest.join());
    }
    if let Some(thread) = planner_thread {
        note(join_within(thread, "planner", PLANNER_END_S).and_then(|result| result));
    }
    if let Some(thread) = eyes_thread {
        note(join(thread, "eyes"));
    }
    if let Some(thread) = chair_thread {
        note(join(thread, "participant").and_then(|result| result));
    }
    note(presses.join());
    if let Some(presentations) = presentations {
        note(presentations.join());
    }
    let (pump, status) = join(recorder_thread, "recorder")?;
    let written = pump.close(clock::now_ns());
    let _ = view.join();
    let stopped = match stopped {
        Ok(stopped) => stopped,
        Err(failed) => {
            note(Err(failed));
            true
        }
    };
    if let Some(shown) = shown {
        let counts = [
            ("discarded_frames", shown.discarded_frames),
            ("retina_rows", shown.retina_rows),
            ("retina_skipped", shown.retina_skipped),
            ("refused_by_full_rings", shown.refused),
        ];
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        manifest.extra.insert("display_counts".into(), serde_json::Value::Object(counts));
    }
    let lines = rights.granted.lines().into_iter().map(|(thread, line)| (thread, line.into())).collect();
    manifest.extra.insert("real_time".into(), serde_json::Value::Object(lines));
    Ended::new(stopped, &status, &written, Some(description), error).seal(&folder, &mut manifest)?;
    Ok(folder)
}

/// Whether the loop ran to the end of its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Somebody asked for the end.
    Early,
    /// The schedule was over.
    Never,
}

/// The watchdog, where light reaches somebody.
fn lifeline(
    prepared: &Prepared,
    folder: &SessionFolder,
    display: &Display,
) -> Result<Option<Lifeline>, SessionError> {
    if display_mode(&prepared.args) == DisplayMode::Offscreen {
        return Ok(None);
    }
    let [_, level, _] = prepared.lowered.scenery.grey();
    Lifeline::start(folder.path(), level, display.monitor()).map(Some)
}

/// What the display calls at each frame: the test's hook, then the watchdog's beat.
fn beat(
    lifeline: Option<&Lifeline>,
    mut hook: Box<dyn FnMut(i64)>,
) -> Result<Box<dyn FnMut(i64) -> Answer>, SessionError> {
    let mut beats = lifeline.map(Lifeline::beats).transpose()?;
    Ok(Box::new(move |now_ns| {
        hook(now_ns);
        beats.as_mut().map_or(Answer::Nothing, |beats| beats(now_ns))
    }))
}

/// What the loop's thread has.
struct Running {
    driver: LoopDriver,
    operator: Operator,
    beats: Arc<Heartbeat>,
    hook: Box<dyn FnMut(i64) -> i64 + Send>,
}

fn spawn_loop(
    running: Running,
    ending: &Ending,
    barrier: &Arc<Barrier>,
    seconds: Option<f64>,
    rights: &Rights,
) -> Result<JoinHandle<Asked>, SessionError> {
    let (asked, over) = (Arc::clone(&ending.asked), Arc::clone(&ending.over));
    let (barrier, rights) = (Arc::clone(barrier), rights.clone());
    spawn("loop", move || {
        let _ends = EndsWith::new(&over);
        let Running { mut driver, operator, beats, mut hook } = running;
        rights.enter(Role::Loop);
        barrier.wait();
        let start_ns = clock::now_ns();
        let end_ns = seconds.map_or(i64::MAX, |seconds| start_ns.saturating_add(ns_from_s(seconds)));
        loop {
            let now_ns = hook(clock::now_ns());
            let stop = now_ns >= end_ns || asked.load(Ordering::Acquire);
            driver.hold(operator.held(now_ns - start_ns));
            let end = driver.turn(now_ns, stop, clock::now_ns);
            if end != TurnEnd::Held {
                // A loop that is held does not decide, so it is as good as silent.
                beats.beat();
            }
            match end {
                TurnEnd::Finished if stop || driver.was_aborted() => return Asked::Early,
                TurnEnd::Finished => return Asked::Never,
                TurnEnd::Stepped => {}
                TurnEnd::Idle | TurnEnd::Held => thread::park_timeout(TICK),
            }
            if over.load(Ordering::Acquire) {
                return Asked::Early;
            }
        }
    })
}

/// What the planner's thread has.
struct Answering {
    seat: Seat,
    deadline_s: f64,
    wake: Thread,
    hook: AnswerHook,
}

/// The planner works whenever it is asked. When it fails or hangs the loop gets no answers, notices, and ends its block.
fn spawn_planner(
    answering: Answering,
    ending: &Ending,
    barrier: &Arc<Barrier>,
    rights: &Rights,
) -> Result<JoinHandle<Result<(), SessionError>>, SessionError> {
    let (over, barrier) = (Arc::clone(&ending.over), Arc::clone(barrier));
    let granted = rights.granted.clone();
    spawn("planner", move || {
        let Answering { mut seat, deadline_s, wake, mut hook } = answering;
        granted.give_way();
        barrier.wait();
        while !over.load(Ordering::Acquire) {
            let until_ns = clock::now_ns().saturating_add(ns_from_s(deadline_s));
            let mut is_over = || clock::now_ns() >= until_ns || over.load(Ordering::Acquire);
            match seat.plan(&mut is_over)? {
                Some(mut ready) => {
                    hook(clock::now_ns(), ready.proposal_mut());
                    seat.answer(&ready, clock::now_ns());
                    wake.unpark();
                }
                None => thread::sleep(PLANNER_TICK),
            }
        }
        Ok(())
    })
}

fn spawn_chair(
    mut chair: Chair,
    ending: &Ending,
    barrier: &Arc<Barrier>,
    wake: Thread,
) -> Result<JoinHandle<Result<(), SessionError>>, SessionError> {
    let (over, barrier) = (Arc::clone(&ending.over), Arc::clone(barrier));
    spawn("participant", move || {
        barrier.wait();
        chair.start(clock::now_ns());
        while !over.load(Ordering::Acquire) {
            let now_ns = clock::now_ns();
            chair.advance(now_ns)?;
            // Over LSL the inlet does this; inside the process nobody else would.
            wake.unpark();
            let wait_ns = (chair.next_chunk_ns() - clock::now_ns()).clamp(0, 20_000_000);
            thread::sleep(Duration::from_nanos(wait_ns.unsigned_abs()));
        }
        Ok(())
    })
}

fn spawn_eyes(
    mut eyes: Eyes,
    ending: &Ending,
    barrier: &Arc<Barrier>,
    wake: Thread,
) -> Result<JoinHandle<()>, SessionError> {
    let (over, barrier) = (Arc::clone(&ending.over), Arc::clone(barrier));
    spawn("eyes", move || {
        barrier.wait();
        eyes.start(clock::now_ns());
        while !over.load(Ordering::Acquire) {
            eyes.advance(clock::now_ns());
            wake.unpark();
            let wait_ns = (eyes.next_chunk_ns() - clock::now_ns()).clamp(0, 20_000_000);
            thread::sleep(Duration::from_nanos(wait_ns.unsigned_abs()));
        }
    })
}

fn spawn_recorder(
    mut pump: RecorderPump,
    mut status: LatestWriter<Status>,
    barrier: &Arc<Barrier>,
    end: Option<Arc<AtomicBool>>,
    mut hook: Box<dyn FnMut(i64) + Send>,
) -> Result<JoinHandle<(RecorderPump, Status)>, SessionError> {
    let barrier = Arc::clone(barrier);
    spawn("recorder", move || {
        barrier.wait();
        let mut pump_once = move |pump: &mut RecorderPump| {
            hook(clock::now_ns());
            pump.pump(clock::now_ns())
        };
        while !pump_once(&mut pump) {
            status.publish(pump.status());
            if let Some(end) = end.as_ref().filter(|_| pump.has_ended()) {
                end.store(true, Ordering::Release);
            }
            thread::sleep(Duration::from_nanos(PUMP_EVERY_NS.unsigned_abs()));
        }
        let last = pump.status();
        (pump, last)
    })
}

/// Ctrl-C asks for the end; a second one ends at once (the screen still goes to grey).
fn stop_on_signal(ending: &Ending) -> Result<(), SessionError> {
    let (asked, over) = (Arc::clone(&ending.asked), Arc::clone(&ending.over));
    let result = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::AcqRel) {
            over.store(true, Ordering::Release);
        }
    });
    match result {
        // A second session in one process (tests) keeps the first handler.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(ctrlc::Error::NoSuchSignal(signal)) => Err(SessionError::Usage(format!("no signal {signal:?}"))),
        Err(ctrlc::Error::System(error)) => Err(SessionError::Thread { name: "ctrl-c".into(), error }),
    }
}

pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, SessionError> {
    let failed = |error| SessionError::Thread { name: name.into(), error };
    thread::Builder::new().name(name.into()).spawn(body).map_err(failed)
}
