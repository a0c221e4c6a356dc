//! Sessions on the virtual clock: into a folder for `photic run`, or kept in memory for studies, benches and
//! counterfactuals, which run many and need no file of each. Both ways run the same and give the same session.

use std::path::{Path, PathBuf};

use acquisition::ChunkSink;
use closedloop::{ControllerPlan, Loop};
use recording::{MemoryRecorder, Options, Outcome, RecordedSession, SessionFolder, WallTime};

use super::carriers::{Carriers, EVENTS, Source, raw_stream, retina_ring};
use super::operator::Operator;
use super::persona::Persona;
use super::recorder::{RecorderPump, Target};
use super::virtual_clock::{self, Players, ScriptedPresenter, Tested, Watcher};
use super::{Ended, Prepared, participant, prepare_experiment, sources};
use crate::cli::{ClockMode, DisplayMode, RunArgs};
use crate::error::SessionError;
use crate::experiment::Experiment;
use ::participant::Participant;

/// What a simulated session has in place of what protocol and command line say.
#[derive(Default)]
pub struct Instead {
    /// Another controller: so the arms of a comparison differ in nothing else, and the yardstick, which no protocol can
    /// name, can run at all.
    pub controller: Option<ControllerPlan>,
    /// Another person than one of the committed ones, ready to see this experiment's screen.
    pub participant: Option<Participant>,
    /// Another brain than the person's own, by name.
    pub brain: Option<String>,
}

/// A session on the virtual clock, kept in memory; `name` stands for the folder that it does not have.
///
/// # Errors
/// What keeps a session of this experiment from starting, or ends it.
pub fn in_memory(
    experiment: Experiment,
    person: &str,
    seed: u64,
    seconds: Option<f64>,
    instead: Instead,
    watcher: &mut impl Watcher,
) -> Result<RecordedSession, SessionError> {
    let args =
        RunArgs { brain: instead.brain, ..virtual_args(PathBuf::from("memory"), person, seed, seconds) };
    let mut prepared = prepare_experiment(experiment, args, false)?;
    if instead.controller.is_some() {
        prepared.lowered.plan.controller = instead.controller;
    }
    let sources = prepared.seat(&prepared.looks()?)?;
    let target = MemoryRecorder::new(&sources.iter().map(raw_stream).collect::<Vec<_>>());
    let started = WallTime::now();
    let mut manifest = prepared.manifest(&sources, started, virtual_clock::START_NS, person, None);
    let target = Target::Memory(Box::new(target));
    let Ran { pump, end_ns, error, .. } = prepared.drive(&sources, target, instead.participant, watcher)?;
    let kept = pump.kept(end_ns);
    let kept = kept.ok_or_else(|| SessionError::Usage("the session was not kept in memory".into()))?;
    manifest.outcome = Some(Outcome {
        exit: if prepared.stops_early() { "stopped" } else { "finished" }.into(),
        ended_utc: started.iso(),
        counts: Default::default(),
        recording_ended_early: None,
    });
    error.map_or_else(|| Ok(kept.into_session(Path::new("memory"), manifest)), Err)
}

/// A session on the virtual clock in a folder that is complete but for the report.
///
/// # Errors
/// As [`super::run`].
pub(crate) fn to_folder(
    prepared: &Prepared,
    watcher: &mut impl Watcher,
) -> Result<SessionFolder, SessionError> {
    let sources = prepared.seat(&prepared.looks()?)?;
    // A screen that is refused leaves no folder behind.
    prepared.tested_screen()?;
    let options = Options { picture_texels: prepared.picture_texels(), ..Options::virtual_clock() };
    let (folder, mut manifest, recorder) =
        prepared.open_recording(&sources, options, virtual_clock::START_NS, None)?;
    let Ran { pump, end_ns, aborted, error } = prepared.drive(&sources, recorder, None, watcher)?;
    let status = pump.status();
    let written = pump.close(end_ns);
    Ended::new(aborted || prepared.stops_early(), &status, &written, None, error)
        .seal(&folder, &mut manifest)?;
    Ok(folder)
}

/// Arguments of a run on the virtual clock, for benches and tests.
pub fn virtual_args(out: PathBuf, participant: &str, seed: u64, seconds: Option<f64>) -> RunArgs {
    RunArgs {
        protocol: None,
        rig: None,
        participant: Some(participant.into()),
        with: Vec::new(),
        display: Some(DisplayMode::Offscreen),
        clock: ClockMode::Virtual,
        out,
        seconds,
        seed,
        json: false,
        wait_s: 0.0,
        in_process: true,
        publish: false,
        no_realtime: true,
        held: None,
        screen: None,
        brain: None,
        key: None,
        number: None,
        donor: None,
        responses: None,
        operator: false,
        resume: None,
    }
}

/// What a run left, before its recording is closed.
struct Ran {
    pump: RecorderPump,
    end_ns: i64,
    aborted: bool,
    error: Option<SessionError>,
}

impl Prepared {
    /// The screen, where it is not to be perfect.
    fn tested_screen(&self) -> Result<Option<Tested>, SessionError> {
        let bounds = super::screen::bounds(&self.experiment.rig);
        let script =
            self.args.screen.map(|faults| faults.of(self.lowered.scenery.screen.refresh_hz, self.args.seed));
        script.map(|script| Tested::prepare(script, &bounds)).transpose()
    }

    /// Whether `--seconds` ends it before its schedule does.
    fn stops_early(&self) -> bool {
        self.args.seconds.is_some_and(|seconds| seconds < self.lowered.schedule.duration_s())
    }

    fn drive(
        &self,
        sources: &[Source],
        target: impl Into<Target>,
        participant: Option<Participant>,
        watcher: &mut impl Watcher,
    ) -> Result<Ran, SessionError> {
        let step = Loop::prepare(&self.plan_for(sources))?;
        let mut carriers = Carriers::lay(sources, step, target, EVENTS);
        let (planner, pictures) = self.seat_planner(&mut carriers, true, virtual_clock::START_NS)?;
        let answer = sources::answered(&self.experiment.protocol);
        let (retina_in, retina) =
            retina_ring(self.lowered.retina.cells(), self.lowered.scenery.screen.refresh_hz);
        let presenter = ScriptedPresenter::new(
            &self.lowered,
            answer.is_some().then_some(retina_in),
            carriers.commands,
            carriers.flips,
            carriers.display_events,
            pictures,
        );
        let presenter = match self.tested_screen()? {
            None => presenter,
            Some(tested) => presenter.on(tested),
        };
        let presenter = match self.gaze_port(&mut carriers.driver) {
            None => presenter,
            Some(gaze) => presenter.following(gaze),
        };
        let ports = carriers.sources.into_iter().enumerate();
        let sinks = ports.map(|(source, ports)| sources::sink(sources, source, ports).map(Some));
        let mut sinks: Vec<Option<ChunkSink>> = sinks.collect::<Result<_, _>>()?;
        let mut chair = match answer {
            None => None,
            Some(answer) => {
                let brain = match (participant, &self.person) {
                    (Some(participant), _) => participant,
                    (None, Some(person)) => participant::prepare(
                        person,
                        &self.lowered,
                        answer.samples,
                        self.args.seed,
                        self.population()?,
                    )?,
                    (None, None) => return Err(SessionError::Usage("no simulated participant".into())),
                };
                let sink = sinks.get_mut(answer.source).and_then(Option::take);
                let sink = sink.ok_or_else(|| SessionError::ThreadFailed("participant".into()))?;
                let way = participant::Way::Sink(Box::new(sink));
                let (events, rate_hz) = (carriers.participant_events, answer.samples.rate_hz);
                let mut chair = participant::Chair::new(brain, retina, events, way, rate_hz);
                chair.record_rhythm(crate::onset::simulated_weights(&self.experiment.protocol));
                Some(chair)
            }
        };
        let looks = self.looks()?;
        let is_scripted = !looks.is_empty();
        let gaze = sources::gaze_of(&self.experiment.protocol);
        let sink = gaze.and_then(|gaze| sinks.get_mut(gaze)?.take());
        let mut eyes = sink.and_then(|sink| self.open_eyes(sink, looks));
        if let Some(chair) = chair.as_mut().filter(|_| !is_scripted)
            && let Some(eyes) = eyes.take()
        {
            chair.show_eyes(eyes);
        }
        let mut driver = carriers.driver;
        let persona = self.script()?.map(|script| {
            let (persona, ends) = Persona::seat(script);
            driver.show_to(ends.flips);
            driver.hear(ends.responses);
            persona
        });
        let mut pump = carriers.pump;
        let (operator, _) = Operator::seat(&self.experiment, &self.args);
        let players = Players { presenter, chair, driver, planner, persona, eyes };
        let ran = virtual_clock::run(players, &mut pump, self.args.seconds, &operator, watcher);
        Ok(match ran {
            Ok((end_ns, aborted)) => Ran { pump, end_ns, aborted, error: None },
            Err(error) => Ran { pump, end_ns: virtual_clock::START_NS, aborted: false, error: Some(error) },
        })
    }
}
