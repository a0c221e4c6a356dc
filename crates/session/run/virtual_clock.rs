//! The virtual clock: presenter, participant and loop take turns in one thread, in the order of one event queue, as fast
//! as the core goes. The carriers, the step and the recording are those of a live run; frames come from the CPU twin.

use display::clock::{RefreshClock, Stamps};
use display::plan::{FramePlan, Planned};
use display::presenter::{Began, Presenter};
use display::scripted::{Script, Scripted};
use display::sync::{Sync, SyncBounds};
use display::{DisplayError, GazePort, Pacing};
use stimulus::picture::Mix;
use stimulus::{Moment, RetinaTemplate, picture};
use timeline::latest::LatestReader;
use timeline::ring::{RowHead, RowReader, RowWriter, Writer};
use timeline::{Command, Event, Flip, Notice, NoticeKind, s_from_ns};

use super::eyes::Eyes;
use super::operator::Operator;
use super::participant::Chair;
use super::persona::Persona;
use super::planner::{Ready, Seat};
use super::recorder::{PUMP_EVERY_NS, RecorderPump};
use crate::error::SessionError;
use crate::experiment::Lowered;
use crate::turns::{LoopDriver, TurnEnd};

/// Where virtual time begins: not at 0, so that nothing that is "0 = never" can hide.
pub const START_NS: i64 = 1_000_000_000;

/// What a planner takes from the request to the answer: about what the shipped protocols allow it live. Its work is
/// bounded in steps, so its real time does not matter.
const PLANNING_NS: i64 = 500_000_000;

/// What a chunk takes from its last sample to the inlet: an amplifier's driver and LSL on one machine.
const TRANSPORT_NS: i64 = 2_000_000;

/// A presenter that follows the schedule of refreshes exactly, with frames from the CPU twin.
pub struct ScriptedPresenter {
    plan: FramePlan,
    templates: Vec<RetinaTemplate>,
    pictures: Option<Album>,
    /// Per scene, whether it shows pictures.
    is_picture: Vec<bool>,
    cells: Vec<f64>,
    /// `None` where nobody has a brain to see with.
    retina: Option<RowWriter>,
    commands: LatestReader<Option<Command>>,
    gaze: Option<GazePort>,
    flips: Writer<Flip>,
    events: Writer<Event>,
    period_ns: f64,
    phase_frames: i64,
    /// Where the screen has faults: it, and what it has begun.
    screen: Option<(Scripted, Began)>,
}

impl ScriptedPresenter {
    /// Prepares a template per scene.
    pub fn new(
        lowered: &Lowered,
        retina: Option<RowWriter>,
        commands: LatestReader<Option<Command>>,
        flips: Writer<Flip>,
        events: Writer<Event>,
        pictures: Option<RowReader>,
    ) -> Self {
        let period_ns = lowered.scenery.screen.refresh_period_ns();
        let clock = RefreshClock::new(START_NS, period_ns);
        Self {
            plan: FramePlan::prepare(lowered.scenery.scenes.clone(), clock, Pacing::Simulated),
            templates: lowered.templates(),
            pictures: pictures.map(Album::new),
            is_picture: lowered.scenery.scenes.iter().map(|scene| scene.picture_sheet().is_some()).collect(),
            cells: vec![0.0; lowered.retina.cells()],
            retina,
            commands,
            gaze: None,
            flips,
            events,
            period_ns,
            phase_frames: 0,
            screen: None,
        }
    }

    /// The same for scenes that follow the gaze.
    pub fn following(mut self, gaze: GazePort) -> Self {
        self.plan.hold_gaze(gaze.hold_ns);
        self.gaze = Some(gaze);
        self
    }

    /// The same on a screen with faults.
    pub fn on(mut self, tested: Tested) -> Self {
        let Tested { screen, began, clock } = tested;
        self.plan.pace(clock, Pacing::Screen);
        self.screen = Some((screen, began));
        self
    }

    /// From now on flickers are where they would be this many refreshes later (or earlier).
    pub fn shift_phase(&mut self, frames: i64) {
        self.phase_frames = frames;
    }

    /// Presents the first frame that can be up from `begin_ns` on, drawn from the newest command; its onset.
    ///
    /// On a screen with faults, that is when the frame is seen, and its flip comes then.
    ///
    /// # Errors
    /// When there is no screen any more.
    pub fn present(&mut self, begin_ns: i64) -> Result<i64, SessionError> {
        if let Some((screen, began)) = self.screen.take() {
            return self.present_on(screen, began);
        }
        let planned = self.step(begin_ns);
        let Some(flip) = self.plan.handed(&planned, begin_ns) else { return Ok(planned.flip.onset_ns) };
        self.see(flip.frame, flip.onset_ns);
        self.tell(flip);
        Ok(flip.onset_ns)
    }

    fn present_on(&mut self, mut screen: Scripted, began: Began) -> Result<i64, SessionError> {
        if let Some(flip) = began.stamp.and_then(|stamp| self.plan.seen(stamp)) {
            self.tell(flip);
        }
        let planned = self.step(began.now_ns);
        let submitted_ns = screen.present(planned.flip.onset_ns);
        if let Some(flip) = self.plan.handed(&planned, submitted_ns) {
            self.tell(flip);
        }
        let next = begun(&mut screen)?;
        // The stamp of a present that replaced another may lie before that one's; time goes on all the same.
        let next = Began { now_ns: next.now_ns.max(began.now_ns + 1), ..next };
        // Light is seen when it is there, whatever the stamps say.
        self.see(screen.truth().refresh, screen.seen_ns());
        self.screen = Some((screen, next));
        Ok(next.now_ns)
    }

    /// Draws the next frame from the newest command.
    fn step(&mut self, begin_ns: i64) -> Planned {
        let command = *self.commands.read();
        if let Some(gaze) = &mut self.gaze {
            self.plan.look(*gaze.newest.read());
        }
        let planned = self.plan.step(begin_ns, command.as_ref(), false);
        let flip = &planned.flip;
        if let Some(template) = self.templates.get_mut(planned.params.scene) {
            if self.is_picture.get(planned.params.scene) == Some(&true)
                && let Some(texels) =
                    self.pictures.as_mut().and_then(|album| album.turn_to(planned.params.pictures))
            {
                template.load(texels);
            }
            let frame = flip.frame.saturating_add_signed(self.phase_frames);
            template.frame(&Moment { frame, ..planned.params.moment }, &mut self.cells);
        }
        planned
    }

    fn see(&mut self, refresh: u64, at_ns: i64) {
        let head = RowHead { index: refresh, stamp_s: s_from_ns(at_ns), at_ns };
        let cells = self.cells.iter().copied();
        let taken = self.retina.as_mut().is_none_or(|retina| retina.push(head, cells));
        debug_assert!(taken, "one thread empties every ring before it is full");
    }

    fn tell(&mut self, flip: Flip) {
        let mut taken = self.flips.push(flip) && self.events.push(Event::Flip(flip));
        if flip.missed > 0 {
            let (at_ns, count) = (flip.onset_ns, i64::from(flip.missed));
            let kind = NoticeKind::MissedFrames;
            taken &= self.events.push(Event::Notice(Notice { at_ns, kind, source: None, count, value: 0.0 }));
        }
        debug_assert!(taken, "one thread empties every ring before it is full");
    }
}

/// A screen with faults that has passed the test before a run.
pub struct Tested {
    screen: Scripted,
    began: Began,
    clock: RefreshClock,
}

impl Tested {
    /// Tests it as a real one is.
    ///
    /// # Errors
    /// When that refuses it.
    pub fn prepare(script: Script, bounds: &SyncBounds) -> Result<Self, SessionError> {
        let period_ns = 1e9 / script.refresh_hz;
        let before_ns = (1.5 * bounds.presents as f64 * period_ns) as i64;
        let mut screen = Scripted::new(Script { start_ns: START_NS - before_ns, ..script });
        let mut stamps_ns = Vec::new();
        let began = loop {
            let began = begun(&mut screen)?;
            stamps_ns.extend(began.stamp.map(|stamp| stamp.at_ns));
            if began.now_ns >= START_NS {
                break began;
            }
            screen.present(0);
        };
        let stamps = if script.jitter.is_late() { Stamps::Late } else { Stamps::Centred };
        let refused = |measured, fault| SessionError::from(DisplayError::Sync { measured, fault });
        let (sync, clock) =
            Sync::measure(&stamps_ns, period_ns, stamps).map_err(|fault| refused(None, fault))?;
        sync.judge(script.refresh_hz, bounds).map_err(|fault| refused(Some(sync), fault))?;
        let clock = clock.unwrap_or_else(|| RefreshClock::new(began.now_ns, period_ns));
        Ok(Self { screen, began, clock: clock.renumbered(began.now_ns) })
    }
}

fn begun(screen: &mut Scripted) -> Result<Began, SessionError> {
    screen.begin(0).map_err(|gone| SessionError::from(DisplayError::Lost { frame: 0, reason: gone.0 }))
}

/// The pictures that a display keeps, as the GPU's layers are.
struct Album {
    ring: RowReader,
    row: Vec<f64>,
    kept: Vec<(u64, Vec<f32>)>,
    mixed: Vec<f32>,
    open: Option<Mix>,
}

impl Album {
    fn new(ring: RowReader) -> Self {
        let width = ring.width();
        let kept = (0..picture::KEPT).map(|_| (u64::MAX, vec![0.0; width])).collect();
        Self { ring, row: vec![0.0; width], kept, mixed: vec![0.0; width], open: None }
    }

    /// The texels of a picture, or of two while one goes over into the other, when another one is shown than before.
    fn turn_to(&mut self, pictures: Mix) -> Option<&[f32]> {
        while let Some(head) = self.ring.pop(&mut self.row) {
            let (held, texels) = &mut self.kept[picture::layer(head.index)];
            *held = head.index;
            texels.iter_mut().zip(&self.row).for_each(|(texel, &value)| *texel = value as f32);
        }
        if self.open == Some(pictures) {
            return None;
        }
        self.open = Some(pictures);
        // As on the screen: what is not there is grey.
        let texels = |picture: u64| match &self.kept[picture::layer(picture)] {
            (held, texels) if *held == picture => &texels[..],
            _ => &[],
        };
        if pictures.weight == 1.0 {
            return Some(texels(pictures.to));
        }
        pictures.texels(texels(pictures.from), texels(pictures.to), &mut self.mixed);
        Some(&self.mixed)
    }
}

/// Looks at the run between events, for benches (the yardstick arm) and tests.
pub trait Watcher {
    /// Called before each turn.
    fn before_turn(&mut self, driver: &mut LoopDriver, chair: &Chair);
}

impl Watcher for () {
    fn before_turn(&mut self, _: &mut LoopDriver, _: &Chair) {}
}

/// Who take turns.
pub struct Players {
    /// The screen.
    pub presenter: ScriptedPresenter,
    /// The participant, where anything is measured.
    pub chair: Option<Chair>,
    /// The loop.
    pub driver: LoopDriver,
    /// Who proposes pictures, where there are pictures.
    pub planner: Option<Seat>,
    /// Who presses, where a script says what.
    pub persona: Option<Persona>,
    /// Who looks, where a script says where; the participant's own eyes are in its chair.
    pub eyes: Option<Eyes>,
}

/// Runs to the end of the schedule, or asks for the end after `seconds`; when it ended, and whether the operator ended it.
///
/// # Errors
/// When the participant cannot hand over its samples.
pub fn run(
    players: Players,
    pump: &mut RecorderPump,
    seconds: Option<f64>,
    operator: &Operator,
    watcher: &mut impl Watcher,
) -> Result<(i64, bool), SessionError> {
    let Players { mut presenter, mut chair, mut driver, mut planner, mut persona, mut eyes } = players;
    let mut stop_ns = seconds.map_or(i64::MAX, |seconds| START_NS + timeline::ns_from_s(seconds));
    let mut stop = false;
    if let Some(chair) = &mut chair {
        chair.start(START_NS);
    }
    if let Some(persona) = &mut persona {
        persona.start(START_NS);
    }
    if let Some(eyes) = &mut eyes {
        eyes.start(START_NS);
    }
    let mut flip_ns = presenter.present(START_NS)?;
    let mut pump_ns = START_NS;
    let mut ready: Option<(i64, Ready)> = None;
    loop {
        let chunk_ns = chair.as_ref().map_or(i64::MAX, |chair| chair.next_chunk_ns() + TRANSPORT_NS);
        let gaze_ns = eyes.as_ref().map_or(i64::MAX, |eyes| eyes.next_chunk_ns() + TRANSPORT_NS);
        let press_ns = persona.as_ref().map_or(i64::MAX, Persona::next_ns);
        let answer_ns = ready.as_ref().map_or(i64::MAX, |(due_ns, _)| *due_ns);
        let now_ns = flip_ns
            .min(chunk_ns)
            .min(gaze_ns)
            .min(driver.next_wake_ns().max(START_NS))
            .min(stop_ns)
            .min(answer_ns)
            .min(press_ns);
        driver.hold(operator.held(now_ns - START_NS));
        if now_ns == stop_ns {
            // Asked once; as an event that is always due it would hold the clock.
            (stop, stop_ns) = (true, i64::MAX);
        }
        if let Some(chair) = chair.as_mut().filter(|_| now_ns == chunk_ns) {
            chair.advance(now_ns)?;
        }
        if let Some(eyes) = eyes.as_mut().filter(|_| now_ns == gaze_ns) {
            eyes.advance(now_ns);
        }
        if let Some(persona) = &mut persona {
            persona.act(now_ns);
        }
        if let (Some(seat), Some((_, answer))) =
            (&mut planner, ready.take_if(|(due_ns, _)| now_ns >= *due_ns))
        {
            seat.answer(&answer, now_ns);
        }
        if let Some(chair) = &chair {
            watcher.before_turn(&mut driver, chair);
        }
        let end = driver.turn(now_ns, stop, || now_ns);
        if let Some(persona) = &mut persona {
            persona.look();
        }
        if let (Some(seat), None) = (&mut planner, &ready) {
            ready = seat.plan(&mut || false)?.map(|answer| (now_ns + PLANNING_NS, answer));
        }
        if now_ns >= pump_ns || end == TurnEnd::Held {
            pump.pump(now_ns);
            pump_ns = now_ns + PUMP_EVERY_NS;
        }
        if end == TurnEnd::Finished {
            return Ok((now_ns, driver.was_aborted()));
        }
        if now_ns == flip_ns {
            // The next frame is drawn as soon as this one is up, so a command waits one to two refreshes.
            flip_ns = presenter.present(now_ns + (presenter.period_ns * 0.01) as i64)?;
        }
    }
}
