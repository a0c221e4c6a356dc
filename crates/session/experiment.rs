//! Protocol and rig as a run needs them: the texts with their hashes, and what they lower to.
//!
//! Lowering is the one step from human units (deg, cpd, Hz, s) to machine units (px, rad, cycles per frame, ns). After
//! it nothing on a hot path can fail.

use std::path::{Path, PathBuf};

use closedloop::{
    ArtefactPlan, BlockPlan, CcaPlan, ClassPlan, ControllerPlan, DecoderPlan, FlowPlan, GainModel, Levels,
    LqgPlan, MpcPlan, OnOffPlan, PiPlan, PidGains, PidPlan, Plan, ResponsePlan, SetPointPlan, SourcePlan,
    SsvepPlan, StimulusClock,
};
use display::Scenery;
use protocol::{Protocol, Rig, Schedule, StreamKind};
use recording::Manifest;
use stimulus::safety::{Bound, LightTables, Lit, assess};
use stimulus::{FlashReport, Gamut, Patch, RetinaGrid, RetinaTemplate, Scene, Screen};
use timeline::{SceneId, SourceId, ns_from_s};

use crate::cores::over_cores;
use crate::error::SessionError;
use crate::gaze::GazeWay;
use crate::stage::{self, Files, Stage, UsedFile};
use crate::{onset, people};

/// Side of the photodiode patch, as a part of the screen's shorter side.
const PATCH_PART: f64 = 0.08;

/// The rig of a run that names none: simulated, so it is refused where light would reach a person.
pub(crate) const SIMULATED_RIG: &str = include_str!("../../protocols/simulated-rig.toml");

/// Protocol and rig, read and checked, in human units.
#[derive(Clone)]
pub struct Experiment {
    /// The protocol.
    pub protocol: Protocol,
    /// Its file, byte for byte; the session folder keeps it.
    pub protocol_text: String,
    /// The rig.
    pub rig: Rig,
    /// Its file, byte for byte.
    pub rig_text: String,
    /// The folder from which files count that the protocol names.
    pub folder: PathBuf,
    /// Where files are that stimuli and rig are made of.
    pub files: Files,
}

impl Experiment {
    /// Reads a protocol file and a rig file (the simulated rig where there is none).
    ///
    /// # Errors
    /// When a file cannot be read or does not say what it must; the error names file, line and key.
    pub fn load(protocol: &Path, rig: Option<&Path>) -> Result<Self, SessionError> {
        let protocol_text = read(protocol)?;
        let rig_text = rig.map_or_else(|| Ok(SIMULATED_RIG.to_owned()), read)?;
        let rig_name = rig.map_or("the built-in simulated rig".into(), |path| path.display().to_string());
        let folder = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
        let experiment = Self::parse(protocol_text, &protocol.display().to_string(), rig_text, &rig_name)?;
        let files = Files::Beside { protocol: folder(protocol), rig: rig.map(folder).unwrap_or_default() };
        Ok(Self { files, ..experiment }.within(&folder(protocol)))
    }

    /// The same from texts; the names are for error messages. Files that the protocol names count from where the program
    /// runs, until [`Experiment::within`] says from where.
    ///
    /// # Errors
    /// As [`Experiment::load`].
    pub fn parse(
        protocol_text: String,
        protocol_name: &str,
        rig_text: String,
        rig_name: &str,
    ) -> Result<Self, SessionError> {
        let protocol = Protocol::parse(&protocol_text, protocol_name)?;
        let rig = Rig::parse(&rig_text, rig_name)?;
        let files = Files::Beside { protocol: PathBuf::new(), rig: PathBuf::new() };
        Ok(Self { protocol, protocol_text, rig, rig_text, folder: PathBuf::new(), files })
    }

    /// The same with files that count from this folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..self }
    }

    /// Lowers to machine units.
    ///
    /// # Errors
    /// When the screen cannot make what the protocol wants (flicker, size), with the numbers.
    pub fn lower(&self, seed: u64) -> Result<Lowered, SessionError> {
        self.lower_for(seed, None)
    }

    /// The same for the participant of a number, by which orders are counterbalanced.
    ///
    /// # Errors
    /// As [`Experiment::lower`].
    pub fn lower_for(&self, seed: u64, number: Option<u32>) -> Result<Lowered, SessionError> {
        let protocol = &self.protocol;
        let screen = screen(&self.rig)?;
        let schedule = protocol.schedule_of(seed, number);
        let Stage { scenes, sheets, repairs, light, gamut, used } = stage::lower(self, &screen, seed)?;
        let (mut tables, mut blocks) = (Vec::new(), Vec::new());
        for scheduled in &schedule.blocks {
            blocks.push(lower_block(&scheduled.block, protocol, &schedule, tables.len()));
            if let protocol::BlockKind::Task(task) = &scheduled.block.kind {
                people::on_frames(task, screen.refresh_hz).map_err(|reason| {
                    SessionError::Usage(format!("block `{}`: {reason}", scheduled.block.name))
                })?;
                tables.push(people::table(task, scheduled.index, seed, number.unwrap_or(1))?);
            }
        }
        let plan = Plan {
            refresh_hz: screen.refresh_hz,
            grey_ramp_ns: ns_from_s(protocol.grey_ramp_s),
            sources: protocol.streams.iter().map(lower_stream).collect(),
            blocks,
            decoder: protocol.decoder.as_ref().map(|decoder| lower_decoder(decoder, &scenes)).transpose()?,
            controller: protocol.controller.as_ref().map(lower_controller),
            onset: onset::lower_state(protocol, screen.refresh_hz)?,
            interlock: crate::limits::lower(protocol.limits.as_ref()),
            outside: protocol.outside.as_ref().map(crate::run::lower_outside),
            feed: None,
            flow: FlowPlan {
                tables,
                gaze: protocol.gaze.as_ref().map(|gaze| people::lower_gaze(gaze, &screen)),
                done: Vec::new(),
            },
            artefacts: protocol.artefacts.as_ref().map(lower_artefacts),
        };
        let patch_px =
            (PATCH_PART * f64::from(screen.width_px.min(screen.height_px))).round().max(4.0) as u32;
        let retina = RetinaGrid::for_scenes(&scenes, &screen);
        let scenery = Scenery {
            screen,
            scenes,
            sheets,
            light,
            luminance_weights: gamut.as_ref().map_or(display::scenery::BT709, Gamut::luminance_weights),
            patch: Patch::lower_right(&screen, patch_px),
            retina: None,
            governor: None,
        };
        let gaze = GazeWay::lower(protocol, &scenery.screen);
        Ok(Lowered { plan, schedule, scenery, gamut, repairs, used, retina, gaze })
    }
}

/// What the loop, the display and the participant are prepared from.
pub struct Lowered {
    /// For `closedloop`.
    pub plan: Plan,
    /// The blocks in their seeded order, in human units.
    pub schedule: Schedule,
    /// What can be drawn; scenes by [`SceneId`], 0 is grey.
    pub scenery: Scenery,
    /// Colours of the screen, where the rig says its primaries.
    pub gamut: Option<Gamut>,
    /// What was repaired because the protocol allows it, in words.
    pub repairs: Vec<String>,
    /// Files that stimuli and rig are made of.
    pub used: Vec<UsedFile>,
    /// What the simulated participant sees of each frame.
    pub retina: RetinaGrid,
    /// What the gaze stream's values mean on this screen, where there is one.
    pub gaze: Option<GazeWay>,
}

impl Lowered {
    /// Highest contrast at which each scene can be shown by this schedule; scenes that it never shows are left out.
    pub fn highest_contrasts(&self) -> Vec<(SceneId, f64)> {
        use closedloop::BlockKind::{Calibrate, Flash, Hold, Listen, Prompt, Rest, Show, Steer, Task, Trial};
        let limit =
            self.plan.controller.as_ref().map_or(1.0, |controller| response_of(controller).contrast_max);
        let mut highest = std::collections::BTreeMap::<SceneId, f64>::new();
        for block in &self.plan.blocks {
            if let Trial(trials) = &block.kind {
                for (scene, contrast) in crate::trial::highest_contrasts(trials) {
                    let entry = highest.entry(scene).or_insert(0.0);
                    *entry = entry.max(contrast);
                }
            }
            for (scene, contrast) in people::highest_contrasts(&block.kind, &self.plan.flow.tables) {
                let entry = highest.entry(scene).or_insert(0.0);
                *entry = entry.max(contrast);
            }
            let shown = match block.kind {
                Calibrate { scene, contrast, .. } | Show { scene, contrast } => Some((scene, contrast)),
                Hold { scene, .. } => Some((scene, limit)),
                Flash(flash) => Some((flash.scene, flash.contrast)),
                Steer(steer) => Some((steer.scene, steer.contrast)),
                Listen { .. } | Rest | Trial(_) | Prompt(_) | Task(_) => None,
            };
            if let Some((scene, contrast)) = shown {
                let entry = highest.entry(scene).or_insert(0.0);
                *entry = entry.max(contrast);
            }
        }
        highest.into_iter().collect()
    }

    /// What a participant sees of each scene.
    pub fn templates(&self) -> Vec<RetinaTemplate> {
        let template =
            |scene| RetinaTemplate::prepare(scene, &self.scenery.sheets, &self.retina, &self.scenery.screen);
        self.scenery.scenes.iter().map(template).collect()
    }

    /// What the screen makes of code values, in the governor's units.
    ///
    /// # Errors
    /// Light that no screen has.
    pub fn light_tables(&self) -> Result<LightTables, SessionError> {
        let Scenery { light, screen, .. } = &self.scenery;
        LightTables::of_light(light, self.gamut.as_ref(), screen)
            .map_err(|error| SessionError::Usage(format!("the rig's light: {error}")))
    }

    /// The photosensitivity rule on every scene at the highest contrast of the schedule, by each of these bounds.
    ///
    /// # Errors
    /// As [`Lowered::light_tables`]; a thread that cannot be had.
    pub fn assess_flashes(&self, bounds: &[Bound]) -> Result<Vec<Assessed>, SessionError> {
        let Scenery { light, screen, sheets, scenes, .. } = &self.scenery;
        let tables = &self.light_tables()?;
        let lit = Lit { screen, light, tables };
        let shown = self.highest_contrasts();
        let assessed = over_cores(0, shown.len(), |at| {
            let (id, contrast) = shown[at];
            Ok(scenes.get(usize::from(id.0)).map(|scene| {
                let reports = assess(scene, sheets, contrast, &lit, bounds);
                Assessed { scene: id, contrast, reports }
            }))
        })?;
        Ok(assessed.into_iter().flatten().collect())
    }
}

/// What the photosensitivity rule says of a scene.
pub struct Assessed {
    /// The scene.
    pub scene: SceneId,
    /// At this contrast.
    pub contrast: f64,
    /// In the order of the bounds.
    pub reports: Vec<FlashReport>,
}

/// The manifest's key of the participant's number.
pub(crate) const NUMBER_KEY: &str = "participant_number";

/// The participant's number, where the run was given one.
pub(crate) fn number_of(meta: &Manifest) -> Option<u32> {
    meta.extra.get(NUMBER_KEY)?.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// The schedule that a session followed.
pub(crate) fn schedule_of(meta: &Manifest, protocol: &Protocol) -> Schedule {
    protocol.schedule_of(meta.seed, number_of(meta))
}

/// The contrast response of any controller.
pub fn response_of(controller: &ControllerPlan) -> &ResponsePlan {
    controller.response()
}

fn read(path: &Path) -> Result<String, SessionError> {
    protocol::read_text(path).map(|(text, _)| text).map_err(|error| match error {
        protocol::ProtocolError::Read { source, .. } => SessionError::io("read", path, source),
        error => error.into(),
    })
}

/// The rig's screen in machine units.
pub(crate) fn screen(rig: &Rig) -> Result<Screen, SessionError> {
    let screen = &rig.screen;
    let spec = stimulus::ScreenSpec {
        width_px: screen.width_px,
        height_px: screen.height_px,
        width_cm: screen.width_cm,
        height_cm: screen.height_cm,
        distance_cm: screen.distance_cm,
        refresh_hz: screen.refresh_hz,
        luminance_max_cd_m2: screen.luminance_max_cd_m2,
        luminance_min_cd_m2: screen.luminance_min_cd_m2,
        gamma: screen.gamma,
    };
    Screen::new(&spec).map_err(|error| SessionError::Screen { file: rig.file.clone(), error })
}

fn lower_stream(stream: &protocol::Stream) -> SourcePlan {
    match &stream.kind {
        StreamKind::Samples(samples) => SourcePlan {
            channels: samples.channels.len(),
            rate_hz: samples.rate_hz,
            time_scale: 1.0,
            stale_after_ns: ns_from_s(samples.stale_after_s),
            grey_after_ns: ns_from_s(samples.grey_after_s),
            is_marker: false,
        },
        StreamKind::Markers(_) => SourcePlan {
            channels: 0,
            rate_hz: 0.0,
            time_scale: 1.0,
            stale_after_ns: i64::MAX,
            grey_after_ns: i64::MAX,
            is_marker: true,
        },
    }
}

/// Scene 0 is grey, so the stimulus of index 0 is scene 1.
pub(crate) fn scene_id(stimulus: usize) -> SceneId {
    SceneId(stimulus as u16 + 1)
}

/// `table`: the place of its table, where it is a task.
fn lower_block(block: &protocol::Block, protocol: &Protocol, schedule: &Schedule, table: usize) -> BlockPlan {
    let kind = match &block.kind {
        protocol::BlockKind::Calibrate(calibrate) => closedloop::BlockKind::Calibrate {
            scene: scene_id(calibrate.stimulus),
            contrast: calibrate.contrast,
            on_ns: ns_from_s(calibrate.on_s),
            off_ns: ns_from_s(calibrate.off_s),
        },
        protocol::BlockKind::Hold(hold) => closedloop::BlockKind::Hold {
            scene: scene_id(hold.stimulus),
            set_point: match &hold.set_point {
                protocol::SetPoint::Scored(scored) => {
                    SetPointPlan::Scored(crate::trial::lower_scored(scored, schedule))
                }
                other => lower_set_point(other),
            },
        },
        protocol::BlockKind::Listen(listen) => {
            closedloop::BlockKind::Listen { until_cues: listen.until_cues }
        }
        protocol::BlockKind::Show(show) => {
            closedloop::BlockKind::Show { scene: scene_id(show.stimulus), contrast: show.contrast }
        }
        protocol::BlockKind::Flash(flash) => {
            closedloop::BlockKind::Flash(onset::lower_flash(flash, scene_id(flash.stimulus)))
        }
        protocol::BlockKind::Steer(steer) => {
            let scene = scene_id(steer.stimulus);
            closedloop::BlockKind::Steer(crate::steering::lower_steer(steer, scene, protocol))
        }
        protocol::BlockKind::Trial(trial) => closedloop::BlockKind::Trial(crate::trial::lower(trial)),
        protocol::BlockKind::Prompt(prompt) => {
            closedloop::BlockKind::Prompt(people::lower_prompt(prompt, protocol))
        }
        protocol::BlockKind::Task(task) => {
            closedloop::BlockKind::Task(people::lower_task(task, table, protocol))
        }
        protocol::BlockKind::Rest => closedloop::BlockKind::Rest,
    };
    BlockPlan { duration_ns: ns_from_s(block.duration_s), kind }
}

fn lower_decoder(decoder: &protocol::Decoder, scenes: &[Scene]) -> Result<DecoderPlan, SessionError> {
    Ok(match decoder {
        protocol::Decoder::SsvepAmplitude(ssvep) => {
            let flicker = scenes.get(ssvep.stimulus + 1).and_then(Scene::flicker);
            let flicker = flicker.ok_or(SessionError::NoFlicker { stimulus: ssvep.stimulus })?;
            let (num, den) = flicker.cycles_per_frame();
            DecoderPlan::SsvepAmplitude(SsvepPlan {
                source: SourceId(ssvep.stream as u16),
                clock: StimulusClock {
                    cycles_per_frame: num as f64 / den as f64,
                    response_multiple: match flicker.kind() {
                        stimulus::FlickerKind::Counterphase => 2,
                        stimulus::FlickerKind::OnOff => 1,
                    },
                },
                report_channel: ssvep.report_channel,
                window_s: ssvep.window_s,
                update_s: ssvep.update_s,
                highpass_hz: ssvep.highpass_hz,
            })
        }
        protocol::Decoder::Cca(cca) => DecoderPlan::Cca(CcaPlan {
            source: SourceId(cca.stream as u16),
            cues: SourceId(cca.cues as u16),
            classes: cca
                .classes
                .iter()
                .map(|class| ClassPlan { code: class.code, frequency_hz: class.frequency_hz })
                .collect(),
            harmonics: cca.harmonics as usize,
            window_s: cca.window_s,
            delay_s: cca.delay_s,
            band_hz: cca.band_hz,
            rest_false_alarm: cca.rest_false_alarm,
        }),
    })
}

/// The set point over the time of its block; one that is relative to a baseline has none that the protocol tells.
pub(crate) fn lower_set_point(set_point: &protocol::SetPoint) -> SetPointPlan {
    match *set_point {
        protocol::SetPoint::Constant(uv) => SetPointPlan::Constant { uv },
        protocol::SetPoint::Scored(_) => SetPointPlan::Constant { uv: f64::NAN },
        protocol::SetPoint::Steps { ref levels_uv, each_s } => {
            match Levels::new(levels_uv, ns_from_s(each_s)) {
                Some(levels) => SetPointPlan::Steps(levels),
                // The protocol allows no other number of levels; the loop refuses what is not a number.
                None => SetPointPlan::Constant { uv: f64::NAN },
            }
        }
        protocol::SetPoint::Ramp { from_uv, to_uv, over_s } => {
            SetPointPlan::Ramp { from_uv, to_uv, over_ns: ns_from_s(over_s) }
        }
        protocol::SetPoint::Sine { mean_uv, amplitude_uv, period_s } => {
            SetPointPlan::Sine { mean_uv, amplitude_uv, period_ns: ns_from_s(period_s) }
        }
    }
}

fn lower_artefacts(artefacts: &protocol::Artefacts) -> ArtefactPlan {
    ArtefactPlan {
        blink_uv: artefacts.blink_uv,
        muscle_uv: artefacts.muscle_uv,
        muscle_from_hz: artefacts.muscle_from_hz,
        flat_uv: artefacts.flat_uv,
        segment_s: artefacts.segment_s,
    }
}

fn lower_controller(controller: &protocol::Controller) -> ControllerPlan {
    match controller {
        protocol::Controller::Pi(pi) => ControllerPlan::Pi(PiPlan {
            response: lower_response(&pi.response),
            kp: pi.kp,
            ki_per_s: pi.ki_per_s,
        }),
        protocol::Controller::OnOff(on_off) => ControllerPlan::OnOff(OnOffPlan {
            response: lower_response(&on_off.response),
            contrast_low: on_off.contrast_low,
            contrast_high: on_off.contrast_high,
            band_uv: on_off.band_uv,
            least_on_ns: ns_from_s(on_off.least_on_s),
            least_off_ns: ns_from_s(on_off.least_off_s),
        }),
        protocol::Controller::Pid(pid) => ControllerPlan::Pid(PidPlan {
            response: lower_response(&pid.response),
            gains: PidGains {
                kp: pid.kp,
                ki_per_s: pid.ki_per_s,
                kd_s: pid.kd_s,
                derivative_tau_s: pid.derivative_tau_s,
                set_point_weight: pid.set_point_weight,
                tracking_tau_s: pid.tracking_tau_s,
            },
            smith: pid.smith,
        }),
        protocol::Controller::Lqg(lqg) => ControllerPlan::Lqg(LqgPlan {
            response: lower_response(&lqg.response),
            model: lower_model(&lqg.model),
            change_penalty_s: lqg.change_penalty_s,
        }),
        protocol::Controller::Mpc(mpc) => ControllerPlan::Mpc(MpcPlan {
            response: lower_response(&mpc.response),
            model: lower_model(&mpc.model),
            levels: mpc.levels as usize,
            horizon: mpc.horizon as usize,
            move_s: mpc.move_s,
            change_penalty_uv: mpc.change_penalty_uv,
        }),
        protocol::Controller::OpenLoopNominal(response) => {
            ControllerPlan::OpenLoopNominal(lower_response(response))
        }
        protocol::Controller::OpenLoopCalibrated(response) => {
            ControllerPlan::OpenLoopCalibrated(lower_response(response))
        }
    }
}

fn lower_model(model: &protocol::GainModel) -> GainModel {
    GainModel {
        drift_sd: model.drift_sd,
        drift_tau_s: model.drift_tau_s,
        fluctuation_sd: model.fluctuation_sd,
        fluctuation_tau_s: model.fluctuation_tau_s,
    }
}

fn lower_response(response: &protocol::Response) -> ResponsePlan {
    ResponsePlan {
        nominal_gain_uv: response.nominal_gain_uv,
        semisaturation: response.semisaturation,
        exponent: response.exponent,
        contrast_min: response.contrast_min,
        contrast_max: response.contrast_max,
        slew_per_s: response.slew_per_s,
    }
}
