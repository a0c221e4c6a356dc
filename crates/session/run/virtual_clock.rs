//! The virtual clock: presenter, participant and loop take turns in one thread, in the order of one event queue, as fast
//! as the core goes. The carriers, the step and the recording are those of a live run; frames come from the CPU twin.

use display::Pacing;
use display::clock::RefreshClock;
use display::plan::FramePlan;
use stimulus::{RetinaTemplate, Scene, picture};
use timeline::latest::LatestReader;
use timeline::ring::{RowHead, RowReader, RowWriter, Writer};
use timeline::{Command, Event, Flip, s_from_ns};

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
    flips: Writer<Flip>,
    events: Writer<Event>,
    period_ns: f64,
    phase_frames: i64,
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
        let period_ns = lowered.screen.refresh_period_ns();
        let clock = RefreshClock::new(START_NS, period_ns);
        Self {
            plan: FramePlan::prepare(lowered.scenes.clone(), clock, Pacing::Simulated),
            templates: lowered
                .scenes
                .iter()
                .map(|scene| RetinaTemplate::prepare(scene, &lowered.retina))
                .collect(),
            pictures: pictures.map(Album::new),
            is_picture: lowered.scenes.iter().map(|scene| matches!(scene, Scene::Picture(_))).collect(),
            cells: vec![0.0; lowered.retina.cells()],
            retina,
            commands,
            flips,
            events,
            period_ns,
            phase_frames: 0,
        }
    }

    /// From now on flickers are where they would be this many refreshes later (or earlier).
    pub fn shift_phase(&mut self, frames: i64) {
        self.phase_frames = frames;
    }

    /// Presents the first frame that can be up from `begin_ns` on, drawn from the newest command; its onset.
    pub fn present(&mut self, begin_ns: i64) -> i64 {
        let command = *self.commands.read();
        let planned = self.plan.step(begin_ns, command.as_ref(), false);
        let flip = self.plan.shown(&planned, begin_ns);
        if let Some(template) = self.templates.get_mut(planned.params.scene) {
            if self.is_picture.get(planned.params.scene) == Some(&true)
                && let Some(texels) =
                    self.pictures.as_mut().and_then(|album| album.turn_to(planned.params.picture))
            {
                template.load(texels);
            }
            let frame = flip.frame.saturating_add_signed(self.phase_frames);
            template.frame(frame, flip.contrast, &mut self.cells);
        }
        let head = RowHead { index: flip.frame, stamp_s: s_from_ns(flip.onset_ns), at_ns: flip.onset_ns };
        let cells = self.cells.iter().copied();
        let taken = self.retina.as_mut().is_none_or(|retina| retina.push(head, cells))
            && self.flips.push(flip)
            && self.events.push(Event::Flip(flip));
        debug_assert!(taken, "one thread empties every ring before it is full");
        flip.onset_ns
    }
}

/// The pictures that a display keeps, as the GPU's layers are.
struct Album {
    ring: RowReader,
    row: Vec<f64>,
    kept: Vec<(u64, Vec<f32>)>,
    open: Option<u64>,
}

impl Album {
    fn new(ring: RowReader) -> Self {
        let width = ring.width();
        let kept = (0..picture::KEPT).map(|_| (u64::MAX, vec![0.0; width])).collect();
        Self { ring, row: vec![0.0; width], kept, open: None }
    }

    /// The texels of a picture, when another one is shown than before.
    fn turn_to(&mut self, picture: u64) -> Option<&[f32]> {
        while let Some(head) = self.ring.pop(&mut self.row) {
            let (held, texels) = &mut self.kept[picture::layer(head.index)];
            *held = head.index;
            texels.iter_mut().zip(&self.row).for_each(|(texel, &value)| *texel = value as f32);
        }
        if self.open == Some(picture) {
            return None;
        }
        self.open = Some(picture);
        let (held, texels) = &self.kept[picture::layer(picture)];
        // As on the screen: what is not there is grey.
        Some(if *held == picture { texels } else { &[] })
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
    let Players { mut presenter, mut chair, mut driver, mut planner, mut persona } = players;
    let mut stop_ns = seconds.map_or(i64::MAX, |seconds| START_NS + timeline::ns_from_s(seconds));
    let mut stop = false;
    if let Some(chair) = &mut chair {
        chair.start(START_NS);
    }
    if let Some(persona) = &mut persona {
        persona.start(START_NS);
    }
    let mut flip_ns = presenter.present(START_NS);
    let mut pump_ns = START_NS;
    let mut ready: Option<(i64, Ready)> = None;
    loop {
        let chunk_ns = chair.as_ref().map_or(i64::MAX, |chair| chair.next_chunk_ns() + TRANSPORT_NS);
        let press_ns = persona.as_ref().map_or(i64::MAX, Persona::next_ns);
        let answer_ns = ready.as_ref().map_or(i64::MAX, |(due_ns, _)| *due_ns);
        let now_ns = flip_ns
            .min(chunk_ns)
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
            flip_ns = presenter.present(now_ns + (presenter.period_ns * 0.01) as i64);
        }
    }
}
