//! `photic run`: prepare everything that may fail, run on one of the two clocks, close in order, say what it came to.

pub(crate) mod carriers;
pub(crate) mod deadline;
mod ends;
mod eyes;
mod hid;
mod judged;
mod lifeline;
mod live;
mod operator;
mod outside;
pub mod participant;
mod persona;
mod planner;
mod presentations;
mod presses;
mod progress;
mod realtime;
mod recorder;
mod room;
mod screen;
pub mod simulated;
pub(crate) mod sources;
pub mod virtual_clock;

use std::collections::BTreeMap;
use std::path::Path;

use ::participant::Person;
use acquisition::ChunkSink;
use display::{Description, GazePort};
use protocol::StreamKind;
use recording::{
    ClockKind, DisplayInfo, Machine, Manifest, Options, Outcome, RecordedSession, Recorder, SessionFolder,
    WallTime, check_free, sha256_hex,
};
use timeline::latest::latest;
use timeline::ring::RowReader;

use crate::cli::{ClockMode, DisplayMode, RunArgs};
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered, NUMBER_KEY, number_of};
use crate::gaze::GazeFeed;
use crate::resume::{CONTINUES_KEY, Continues};
use crate::steering::NamedFile;
use crate::summary::Summary;
use crate::turns::LoopDriver;
use crate::{brain, events, person, report, safety, selected, steering};
use carriers::{Source, raw_stream, source_entry};
use eyes::{Eyes, Look};
pub use live::Hooks;
pub use operator::HeldSpans;
use operator::Operator;
pub(crate) use outside::lower as lower_outside;
pub(crate) use planner::hash_of;
pub use screen::Faults as ScreenFaults;

/// A session that is ready to be recorded: everything but the carriers and the threads.
pub(crate) struct Prepared {
    pub(crate) experiment: Experiment,
    pub(crate) lowered: Lowered,
    pub(crate) person: Option<Person>,
    pub(crate) args: RunArgs,
    pub(crate) network: bool,
    /// The arm of a blinded trial.
    pub(crate) arm: Option<crate::arms::Assigned>,
    /// What an earlier run has done already.
    pub(crate) continues: Option<Continues>,
    /// What else than protocol and rig decides what is shown and who answers.
    files: Vec<NamedFile>,
}

/// What a run on either clock came to.
pub(crate) struct Ended {
    /// `finished`, `stopped`, `failed: ...`.
    exit: String,
    counts: BTreeMap<String, i64>,
    ended_early: Option<String>,
    display: Option<Description>,
    error: Option<SessionError>,
}

/// Runs a session and writes its report.
///
/// # Errors
/// What kept it from starting, or made it end. Whatever was recorded until then stays.
pub fn run(args: RunArgs, network: bool) -> Result<Summary, SessionError> {
    run_with(args, network, Hooks::default())
}

/// The same with something of one's own in the threads of a live run, for tests that break them.
///
/// # Errors
/// As [`run`].
pub fn run_with(args: RunArgs, network: bool, hooks: Hooks) -> Result<Summary, SessionError> {
    let prepared = prepare(args, network)?;
    let folder = match prepared.args.clock {
        ClockMode::Virtual => simulated::to_folder(&prepared, &mut ())?,
        ClockMode::Live => live::run(&prepared, hooks)?,
    };
    let session = RecordedSession::open(folder.path())?;
    let summary = Summary::of(&session);
    report::write(&session, &summary)?;
    events::write(&session)?;
    Ok(summary)
}

/// Reads, lowers and checks; nothing is opened yet.
pub(crate) fn prepare(args: RunArgs, network: bool) -> Result<Prepared, SessionError> {
    if let Some(path) = &args.resume {
        return prepare_resumed(&path.clone(), args, network);
    }
    let Some(protocol) = &args.protocol else {
        return Err(SessionError::Usage("a protocol file is wanted, or --resume with a session".into()));
    };
    let experiment = Experiment::load(protocol, args.rig.as_deref())?;
    prepare_experiment(experiment, args, network)
}

/// What is left of an interrupted session, from its folder.
fn prepare_resumed(path: &Path, args: RunArgs, network: bool) -> Result<Prepared, SessionError> {
    let session = RecordedSession::open(path)?;
    if crate::arms::is_blinded(&session) {
        let text = "--resume: a blinded session cannot go on, its arm is sealed for one run";
        return Err(SessionError::Usage(text.into()));
    }
    // Files that the protocol names count from where the protocol lies, if it is given.
    let folder = args.protocol.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    let experiment = crate::replay::experiment(&session)?.within(&folder);
    let args = RunArgs {
        seed: session.meta.seed,
        number: number_of(&session.meta),
        participant: args.participant.or(Some(session.meta.participant.clone())),
        ..args
    };
    let mut prepared = prepare_experiment(experiment, args, network)?;
    let continues = Continues::of(&session);
    continues.apply(&mut prepared.lowered)?;
    prepared.continues = Some(continues);
    Ok(prepared)
}

/// The same from an experiment that is already read.
pub(crate) fn prepare_experiment(
    experiment: Experiment,
    args: RunArgs,
    network: bool,
) -> Result<Prepared, SessionError> {
    if args.number == Some(0) {
        return Err(SessionError::Usage("--number 0: the first participant is 1".into()));
    }
    if experiment.protocol.order == protocol::Order::Counterbalanced && args.number.is_none() {
        let text = "order = \"counterbalanced\": --number says which participant it is";
        return Err(SessionError::Usage(text.into()));
    }
    // Everybody would be the first otherwise, and nothing balanced.
    let by_number = experiment.protocol.blocks.iter().find(
        |block| matches!(&block.kind, protocol::BlockKind::Task(task) if task.order.rule == protocol::OrderRule::Williams),
    );
    if let (Some(block), None) = (by_number, args.number) {
        let text =
            format!("block `{}`: order = \"williams\": --number says which participant it is", block.name);
        return Err(SessionError::Usage(text));
    }
    let mut lowered = experiment.lower_for(args.seed, args.number)?;
    let arm = crate::arms::assign(&experiment, &args)?;
    lowered.plan.feed = arm.as_ref().and_then(|arm| arm.feed.clone());
    if let Some(seconds) = args.seconds
        && !(seconds.is_finite() && seconds > 0.0)
    {
        return Err(SessionError::Usage(format!("--seconds {seconds}: more than 0 is allowed")));
    }
    let person = choose_person(&experiment, &args)?;
    let is_alone = person.is_none() && !sources::is_only_gaze(&experiment.protocol);
    if args.clock == ClockMode::Virtual && is_alone {
        let text = "--clock virtual has no brain to measure: give a simulated --participant";
        return Err(SessionError::Usage(text.into()));
    }
    if args.clock == ClockMode::Virtual && args.publish {
        return Err(SessionError::Usage(
            "--publish: on the virtual clock nobody can follow; run live".into(),
        ));
    }
    if args.clock == ClockMode::Virtual && experiment.protocol.outside.is_some() {
        let text = "--clock virtual is faster than any program outside: [outside] needs --clock live";
        return Err(SessionError::Usage(text.into()));
    }
    safety::admit(&experiment, &lowered, &args, person.is_some())?;
    Operator::check(&experiment, &args)?;
    ScreenFaults::check(&args)?;
    let mut files = steering::files(&experiment)?;
    files.extend(lowered.used.iter().map(|file| NamedFile {
        key: "file",
        file: file.name.clone(),
        sha256: file.sha256.clone(),
    }));
    // What is neither a committed brain nor a file is refused with the names of those, when the participant is seated.
    let is_file = |name: &&str| !brain::is_committed(name) && Path::new(name).is_file();
    if let Some(brain) = args.brain.as_deref().filter(is_file) {
        files.push(NamedFile::read("--brain", brain, Path::new(brain))?);
    }
    Ok(Prepared { experiment, lowered, person, args, network, arm, continues: None, files })
}

fn choose_person(experiment: &Experiment, args: &RunArgs) -> Result<Option<Person>, SessionError> {
    let unsaid = if experiment.protocol.controller.is_some() { "nominal" } else { "none" };
    match args.participant.as_deref().unwrap_or(unsaid) {
        "none" if args.with.is_empty() => Ok(None),
        "none" => {
            let with = args.with.join(",");
            Err(SessionError::Usage(format!("--with {with}: it needs a simulated --participant")))
        }
        name => person::choose(name, &args.with).map(Some),
    }
}

impl Prepared {
    /// The planner with its carriers, where the protocol has one; and the pictures' way to the display.
    fn seat_planner(
        &self,
        carriers: &mut carriers::Carriers,
        untimed: bool,
        now_ns: i64,
    ) -> Result<(Option<planner::Seat>, Option<RowReader>), SessionError> {
        let protocol = &self.experiment.protocol;
        let given = steering::Given::of(&self.experiment)?;
        if !untimed {
            deadline::admit(protocol, &self.lowered, &given)?;
        }
        let planned = steering::planner(protocol, &self.lowered, given, self.args.seed, untimed)?;
        let (Some(planned), Some(plan)) = (planned, &protocol.planner) else { return Ok((None, None)) };
        let (seat, ends) = planner::Seat::lay(planned, plan.contrast_rms, plan.probes, now_ns);
        carriers.driver.connect(ends.port);
        carriers.pump.connect(ends.events, ends.recorded);
        Ok((Some(seat), Some(ends.pictures)))
    }

    /// What the scripted person does, if there is one.
    fn script(&self) -> Result<Option<persona::Script>, SessionError> {
        let script = self.args.responses.as_ref();
        script.map(|path| persona::Script::load(path, &self.experiment)).transpose()
    }

    /// Where the scripted person looks; empty where no script says it.
    fn looks(&self) -> Result<Vec<Look>, SessionError> {
        Ok(self.script()?.map(|script| script.looks().to_vec()).unwrap_or_default())
    }

    /// All sources inside this process. Eyes that nobody moves are no gaze.
    fn seat(&self, looks: &[Look]) -> Result<Vec<Source>, SessionError> {
        let protocol = &self.experiment.protocol;
        let effects = self.person.as_ref().map(|person| &person.effects);
        let moves = effects.is_some_and(|effects| effects.saccades.is_some() || effects.blinks.is_some());
        let is_seen = moves && sources::answered(protocol).is_some();
        if let Some(gaze) = &protocol.gaze
            && looks.is_empty()
            && !is_seen
        {
            let name = &protocol.streams[gaze.stream].name;
            let text = format!(
                "stream `{name}`: nobody's gaze is there: give --responses with [[look]], or a simulated participant whose eyes \
                 move (--with saccades or blinks)"
            );
            return Err(SessionError::Usage(text));
        }
        sources::in_process(self.person.as_ref(), protocol)
    }

    /// Eyes inside the process, into the sink of the gaze's stream.
    fn open_eyes(&self, sink: ChunkSink, looks: Vec<Look>) -> Option<Eyes> {
        let way = self.lowered.gaze?;
        match &self.experiment.protocol.streams.get(way.source)?.kind {
            StreamKind::Samples(samples) => {
                Some(Eyes::open(way, sink, samples.rate_hz, samples.channels.len(), looks))
            }
            StreamKind::Markers(_) => None,
        }
    }

    /// The display's end of the gaze, where something follows it.
    fn gaze_port(&self, driver: &mut LoopDriver) -> Option<GazePort> {
        let way = self.lowered.gaze?;
        let hold_ns = way.hold_ns?;
        let (writer, newest) = latest(&None);
        driver.show_gaze(GazeFeed::new(way, writer));
        Some(GazePort { newest, hold_ns })
    }

    /// Values of a picture, where there are pictures.
    fn picture_texels(&self) -> Option<usize> {
        steering::canvas(&self.experiment.protocol, &self.lowered).map(|canvas| canvas.count())
    }

    /// The simulated participant's brain, where it is not its own.
    fn population(&self) -> Result<Option<Box<dyn ::participant::Population>>, SessionError> {
        let canvas = steering::canvas(&self.experiment.protocol, &self.lowered);
        let planner = self.experiment.protocol.planner.as_ref();
        let Some(name) = &self.args.brain else {
            return match planner.and_then(|planner| planner.selective.as_ref()) {
                Some(_) if self.person.is_some() => Err(SessionError::Usage(
                    "the simulated participant's own brain has 1 population: [planner.selective] needs a --brain with several"
                        .into(),
                )),
                _ => Ok(None),
            };
        };
        match (selected::misfit(name, planner), canvas) {
            (Some(text), _) => Err(SessionError::Usage(format!("--brain {text}"))),
            (None, Some(canvas)) => Ok(Some(Box::new(brain::ModelPopulation::open(name, &canvas)?))),
            (None, None) => {
                Err(SessionError::Usage(format!("--brain {name}: the protocol shows no pictures")))
            }
        }
    }

    /// The loop's plan with what the sources really are.
    fn plan_for(&self, sources: &[Source]) -> closedloop::Plan {
        let mut plan = self.lowered.plan.clone();
        for (plan, source) in plan.sources.iter_mut().zip(sources) {
            plan.time_scale = source.info.time_scale;
        }
        plan
    }

    /// Makes the session folder with its copies and first manifest, and opens the recording in it.
    fn open_recording(
        &self,
        sources: &[Source],
        options: Options,
        start_ns: i64,
        display: Option<&Description>,
    ) -> Result<(SessionFolder, Manifest, Recorder), SessionError> {
        let started = WallTime::now();
        let name = self.person.as_ref().map_or("none", |person| person.name.as_str());
        let protocol = &self.experiment.protocol;
        let folder = SessionFolder::create(&self.args.out, name, &protocol.name, started)?;
        check_free(folder.path(), protocol.min_free_mb).inspect_err(|_| {
            // Nothing is in it yet; a folder without a recording would only puzzle somebody later.
            let _ = std::fs::remove_dir(folder.path());
        })?;
        crate::stage::keep(&self.lowered.used, folder.path())?;
        folder.write_copies(self.experiment.protocol_text.as_bytes(), self.experiment.rig_text.as_bytes())?;
        if let Some(arm) = &self.arm {
            arm.write(&folder)?;
        }
        let manifest = self.manifest(sources, started, start_ns, name, display);
        manifest.write(&folder)?;
        let streams: Vec<_> = sources.iter().map(raw_stream).collect();
        let recorder = Recorder::create(&folder, &streams, options)?;
        Ok((folder, manifest, recorder))
    }

    /// A session that ended before its first frame: the folder has everything that it would have been made of, and why it
    /// was not.
    fn refused(&self, sources: &[Source], error: SessionError) -> Result<SessionFolder, SessionError> {
        let now_ns = timeline::clock::now_ns();
        let (folder, mut manifest, recorder) =
            self.open_recording(sources, Options::default(), now_ns, None)?;
        let written = recorder.close(now_ns);
        let ended = Ended::new(true, &recorder::Status::default(), &written, None, Some(error));
        ended.seal(&folder, &mut manifest)?;
        Ok(folder)
    }

    fn manifest(
        &self,
        sources: &[Source],
        started: WallTime,
        start_ns: i64,
        name: &str,
        display: Option<&Description>,
    ) -> Manifest {
        let screen = &self.lowered.scenery.screen;
        let mode = match (self.args.clock, display_mode(&self.args)) {
            (ClockMode::Virtual, _) => "scripted",
            (_, DisplayMode::Window) => "window",
            (_, DisplayMode::Fullscreen) => "fullscreen",
            (_, DisplayMode::Offscreen) => "offscreen",
        };
        Manifest {
            format_version: Manifest::FORMAT_VERSION,
            photic_version: env!("CARGO_PKG_VERSION").into(),
            photic_build: option_env!("PHOTIC_BUILD").unwrap_or("unknown").into(),
            protocol: self.experiment.protocol.name.clone(),
            protocol_sha256: sha256_hex(self.experiment.protocol_text.as_bytes()),
            rig_sha256: sha256_hex(self.experiment.rig_text.as_bytes()),
            seed: self.args.seed,
            participant: name.into(),
            clock: match self.args.clock {
                ClockMode::Live => ClockKind::Live,
                ClockMode::Virtual => ClockKind::Virtual,
            },
            started_utc: started.iso(),
            start_ns,
            command_line: std::env::args().collect(),
            machine: Machine::probe(),
            sources: sources.iter().map(source_entry).collect(),
            display: Some(DisplayInfo {
                mode: mode.into(),
                adapter: display.map(ToString::to_string).unwrap_or_default(),
                width_px: screen.width_px,
                height_px: screen.height_px,
                refresh_hz: screen.refresh_hz,
            }),
            outcome: None,
            extra: {
                let brain = self.args.brain.iter().map(|brain| (crate::steered::BRAIN_KEY, brain.clone()));
                let person = self.person.iter().filter_map(person::to_repeat);
                let text = |(key, text): (&str, String)| (key.to_owned(), text.into());
                let arm = self.arm.iter().map(|arm| (crate::arms::ARMS_KEY.to_owned(), arm.entry()));
                let texts = brain.chain(person.map(|toml| (person::DESCRIPTION_KEY, toml))).map(text);
                let files = (!self.files.is_empty())
                    .then(|| (steering::FILES_KEY.to_owned(), serde_json::json!(self.files)));
                let number = self.args.number.map(|number| (NUMBER_KEY.to_owned(), number.into()));
                let continues = self
                    .continues
                    .iter()
                    .map(|continues| (CONTINUES_KEY.to_owned(), serde_json::json!(continues)));
                texts.chain(arm).chain(files).chain(number).chain(continues).collect()
            },
        }
    }
}

impl Ended {
    fn new(
        stopped: bool,
        status: &recorder::Status,
        written: &recording::Summary,
        display: Option<Description>,
        error: Option<SessionError>,
    ) -> Self {
        let exit = match (&error, stopped) {
            (Some(error), _) => format!("failed: {error}"),
            (None, true) => "stopped".to_owned(),
            (None, false) => "finished".to_owned(),
        };
        let mut counts = BTreeMap::from([
            ("frames".to_owned(), status.frames as i64),
            ("missed_frames".to_owned(), status.missed_frames as i64),
            ("bytes".to_owned(), written.bytes as i64),
        ]);
        for stream in &written.streams {
            counts.insert(format!("samples of {}", stream.name), stream.samples as i64);
        }
        let ended_early = written.ended_early.as_ref().map(ToString::to_string);
        if let Some(reason) = &ended_early {
            // The recording itself cannot say it any more.
            tracing::error!("{reason}");
        }
        Self { exit, counts, ended_early, display, error }
    }

    /// Writes the outcome into the manifest; hands on what ended the run.
    fn seal(self, folder: &SessionFolder, manifest: &mut Manifest) -> Result<(), SessionError> {
        if let (Some(info), Some(display)) = (&mut manifest.display, &self.display) {
            info.adapter = display.to_string();
        }
        manifest.outcome = Some(Outcome {
            exit: self.exit,
            ended_utc: WallTime::now().iso(),
            counts: self.counts,
            recording_ended_early: self.ended_early,
        });
        manifest.write(folder)?;
        self.error.map_or(Ok(()), Err)
    }
}

/// The display mode asked for, or a window where there is a desktop.
pub(crate) fn display_mode(args: &RunArgs) -> DisplayMode {
    args.display.unwrap_or_else(|| {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if set("DISPLAY") || set("WAYLAND_DISPLAY") { DisplayMode::Window } else { DisplayMode::Offscreen }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn a_shader_that_the_driver_refuses_is_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let protocol = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/gallery.toml");
        let out = folder.path().join("sessions");
        let line = ["photic", "run", protocol.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let Command::Run(args) = Cli::try_parse_from(line).unwrap().command else { panic!("a run") };
        let prepared = prepare(args, false).unwrap();
        let refused = display::DisplayError::Shader { file: "quasicrystal.wgsl".into(), reason: "no".into() };
        let error = prepared.refused(&[], refused.into()).unwrap_err();
        assert!(error.to_string().contains("the graphics driver refuses `quasicrystal.wgsl`: no"), "{error}");
        let session = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
        let recorded = RecordedSession::open(&session).unwrap();
        let exit = recorded.meta.outcome.as_ref().unwrap().exit.clone();
        assert!(exit.starts_with("failed: ") && exit.contains("quasicrystal.wgsl"), "{exit}");
        assert!(recorded.flips.is_empty());
        assert!(Summary::of(&recorded).exit.is_some());
        let kept = std::fs::read_dir(session.join("files")).unwrap().next().unwrap().unwrap().path();
        assert!(kept.to_str().unwrap().ends_with("quasicrystal.wgsl"));
    }
}
