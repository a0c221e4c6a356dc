//! Steering in machine units: pictures, their block, and the planner that a protocol describes.

use std::path::Path;

use closedloop::{OnsetRule, SteerPlan};
use encoding::encoder::{Code, Encoder, guess_form};
use encoding::form::Transfer;
use planner::field::Posterior;
use planner::search::Kind;
use planner::state::Condition;
use planner::{
    AnyPlanner, Canvas, Hold, Holder, Method, PlannerError, Region, Regions, Selective, Settings,
    features::Eyes,
};
use protocol::{
    Aim, ModelFile, Picture, Protocol, ResponseModel, Steer, Stimulus, StimulusKind, Uncalibrated,
};
use recording::sha256_hex;
use serde::Serialize;
use stimulus::{Flicker, Scene, Screen};
use timeline::{SceneId, ns_from_s};

use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered};
use crate::model::Loader;
use crate::model::encoder::stimulus_input;
use crate::onset;
use crate::prior;

/// The screen makes a texel a whole number of px; its size may differ from the wanted one by this part.
const TEXEL_TOLERANCE: f64 = 0.1;

/// The square that pictures are shown in.
pub fn lower_picture(
    stimulus: &Stimulus,
    picture: &Picture,
    flicker: Flicker,
    screen: &Screen,
) -> Result<Scene, SessionError> {
    let wanted_px = picture.texel_deg * screen.px_per_deg;
    let texel_px = wanted_px.round().max(1.0);
    let refuse = |reason: String| SessionError::Stimulus { stimulus: stimulus.name.clone(), reason };
    if (texel_px / wanted_px - 1.0).abs() > TEXEL_TOLERANCE {
        let (nearest_deg, wanted_deg) = (texel_px / screen.px_per_deg, picture.texel_deg);
        return Err(refuse(format!(
            "texel_deg = {wanted_deg} is {wanted_px:.2} px; whole px are shown, and {nearest_deg:.4} deg is the nearest"
        )));
    }
    let side_px = texel_px * f64::from(picture.texels);
    stimulus::Picture::centred(screen, picture.texels, texel_px as u32, flicker)
        .map(|shown| Scene { cross_fade_frames: fade_frames(picture, screen), ..Scene::picture(&shown) })
        .ok_or_else(|| {
            refuse(format!(
                "{} texels of {texel_px} px are {side_px} px; the screen has {} x {} px",
                picture.texels, screen.width_px, screen.height_px
            ))
        })
}

/// Whole frames in which one picture goes over into the next.
fn fade_frames(picture: &Picture, screen: &Screen) -> u32 {
    picture.cross_fade_s.map_or(0, |over_s| (over_s * screen.refresh_hz).round().max(1.0) as u32)
}

/// A block of presentations.
pub fn lower_steer(steer: &Steer, scene: SceneId, protocol: &Protocol) -> SteerPlan {
    let rule = steer.onset.as_ref().map_or(OnsetRule::FREE, onset::lower_rule);
    let cross_fade_s = match &protocol.stimuli[steer.stimulus].kind {
        StimulusKind::Picture(picture) => picture.cross_fade_s,
        _ => None,
    };
    SteerPlan {
        scene,
        contrast: steer.contrast,
        on_ns: ns_from_s(steer.on_s),
        gap_ns: ns_from_s(steer.gap_s),
        cross_fade_ns: cross_fade_s.map_or(0, ns_from_s),
        presentations: steer.presentations,
        answer_within_ns: ns_from_s(steer.answer_within_s),
        needs_trust: steer.if_uncalibrated == Uncalibrated::End,
        // Where a state is followed, the one that a presentation meets is on record even if it waits for none.
        rule: protocol.onset.as_ref().map(|_| rule),
    }
}

/// What pictures of a protocol have in common; `None` where it has no planner or no picture.
pub fn canvas(protocol: &Protocol, lowered: &Lowered) -> Option<Canvas> {
    let planner = protocol.planner.as_ref()?;
    let (_, sheet) = lowered.scenery.scenes.iter().find_map(Scene::picture_sheet)?;
    Some(Canvas {
        texels: sheet.width as usize,
        texels_per_deg: lowered.scenery.screen.px_per_deg / sheet.texel_px,
        contrast_rms: planner.contrast_rms,
        aperture_deg: planner.aperture_deg,
        edge_deg: planner.edge_deg,
    })
}

/// What a planner is given beside its protocol: files that the protocol names.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Other people whose fields are known.
    pub people: Vec<Posterior>,
    /// A model other than the embedded V1.
    pub model: Option<Encoder>,
}

impl Given {
    /// Reads the files that an experiment's protocol names.
    ///
    /// # Errors
    /// Files that cannot be read, or that say something else.
    pub fn of(experiment: &Experiment) -> Result<Self, SessionError> {
        let Experiment { protocol, folder, .. } = experiment;
        let planner = protocol.planner.as_ref();
        let model = match planner.and_then(|planner| planner.model.as_ref()) {
            Some(ResponseModel::File(file)) => Some(encoder(file, folder)?),
            Some(ResponseModel::Shuffled) | None => None,
        };
        Ok(Self { people: prior::of(protocol, folder)?, model })
    }
}

/// Key of the manifest that lists [`NamedFile`]s, where there are any.
pub const FILES_KEY: &str = "files";

/// A file that decides what is shown or who answers, by its bytes. What an ONNX file keeps outside itself is not in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedFile {
    /// What names it: a key of the protocol, or an argument.
    pub key: &'static str,
    /// As it is named.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl NamedFile {
    /// Reads a file at `path`.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn read(key: &'static str, file: &str, path: &Path) -> Result<Self, SessionError> {
        let bytes = std::fs::read(path).map_err(|error| {
            SessionError::Usage(format!("{key}: {} cannot be read: {error}", path.display()))
        })?;
        Ok(Self { key, file: file.to_owned(), sha256: sha256_hex(&bytes) })
    }
}

/// The files beside the protocol that decide what its planner does.
///
/// # Errors
/// One that cannot be read.
pub fn files(experiment: &Experiment) -> Result<Vec<NamedFile>, SessionError> {
    let Some(planner) = &experiment.protocol.planner else { return Ok(Vec::new()) };
    let prior = planner.prior.as_deref().map(|file| ("planner.prior", file));
    let model = planner.model.as_ref().and_then(|model| match model {
        ResponseModel::File(model) => Some(("planner.model", model.file.as_str())),
        ResponseModel::Shuffled => None,
    });
    let named = prior.into_iter().chain(model);
    named.map(|(key, file)| NamedFile::read(key, file, &experiment.folder.join(file))).collect()
}

fn encoder(eyes: &ModelFile, beside: &Path) -> Result<Encoder, SessionError> {
    let path = beside.join(&eyes.file);
    let name = path.display().to_string();
    let model = Loader { threads: 1, memory_mib: MODEL_MIB }.open(&path)?;
    let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
    let code = Code {
        transfer: if eyes.is_srgb { Transfer::Srgb } else { Transfer::Linear },
        mean: single(&eyes.mean),
        sd: single(&eyes.sd),
        bgr: false,
    };
    let form = guess_form(stimulus_input(&model, &name)?, &code, OPEN_SIZE)?;
    Ok(Encoder::new(model, &name, Some(form))?)
}

/// Memory that a planner's model may take.
const MODEL_MIB: u64 = 2048;
/// Input of a model whose file leaves its size open: [frames, channels, rows, columns].
const OPEN_SIZE: [usize; 4] = [1, 1, 64, 64];

/// The planner that a protocol describes, if it describes one. `untimed`: the same pictures on every load.
///
/// # Errors
/// Pictures that cannot be made; a model that fails.
pub fn planner(
    protocol: &Protocol,
    lowered: &Lowered,
    given: Given,
    seed: u64,
    untimed: bool,
) -> Result<Option<AnyPlanner>, SessionError> {
    let (Some(plan), Some(canvas)) = (&protocol.planner, canvas(protocol, lowered)) else { return Ok(None) };
    let Given { people, model } = given;
    let settings = Settings {
        aim: match plan.aim {
            Aim::Drive | Aim::OneHot | Aim::Hold => planner::Aim::Drive,
            Aim::Suppress => planner::Aim::Suppress,
        },
        probes: plan.probes,
        steps: plan.steps,
        exploration: plan.exploration,
        forgetting_s: plan.forgetting_s,
        people,
        seed,
    };
    let eyes = |canvas: &Canvas| eyes(plan, model, canvas, seed, untimed);
    let planner = match (&plan.selective, plan.hold) {
        (Some(selective), _) => {
            let regions = regions(selective, channels(protocol));
            let eyes = eyes(&canvas)?;
            AnyPlanner::Selective(Box::new(Selective::new(canvas, settings, regions, eyes)?))
        }
        (None, Some(hold)) => {
            let hold = Hold { set_point_uv: hold.set_point_uv, pictures: hold.pictures };
            let eyes = eyes(&canvas)?;
            AnyPlanner::Holder(Box::new(Holder::new(canvas, settings, hold, eyes)?))
        }
        (None, None) => AnyPlanner::new(method(plan.method), canvas, settings, eyes)?,
    };
    Ok(Some(match plan.state {
        None => planner,
        Some(state) => planner.conditioned(condition(state)),
    }))
}

/// What the planner's response model looks through; `model` is the file's, where it names one.
///
/// # Errors
/// A tap that the model does not have; a model that fails.
pub fn eyes(
    plan: &protocol::Planner,
    model: Option<Encoder>,
    canvas: &Canvas,
    seed: u64,
    untimed: bool,
) -> Result<Eyes, PlannerError> {
    match (&plan.model, model) {
        (Some(ResponseModel::File(file)), Some(model)) => Eyes::model(model, &file.tap, canvas, untimed),
        (Some(ResponseModel::Shuffled), _) => Eyes::v1(canvas, untimed).map(|eyes| eyes.shuffled(seed)),
        _ => Eyes::v1(canvas, untimed),
    }
}

/// What of the state at onset the response depends on.
pub fn condition(condition: protocol::Condition) -> Condition {
    match condition {
        protocol::Condition::Power => Condition::Power,
        protocol::Condition::Phase => Condition::Phase,
    }
}

fn method(method: protocol::Method) -> Method {
    match method {
        protocol::Method::Model => Method::Model,
        protocol::Method::OpenLoop => Method::OpenLoop,
        protocol::Method::Gabor => Method::Search(Kind::Gabor),
        protocol::Method::Bayesian => Method::Search(Kind::Bayesian),
        protocol::Method::CmaEs => Method::Search(Kind::CmaEs),
        protocol::Method::Genetic => Method::Search(Kind::Genetic),
    }
}

fn regions(selective: &protocol::Selective, channels: usize) -> Regions {
    let region = |population: &protocol::Population| Region {
        centre_deg: population.centre_deg,
        diameter_deg: population.diameter_deg,
    };
    Regions {
        regions: selective.populations.iter().map(region).collect(),
        target: selective.target,
        localisers: selective.localisers,
        reference_every: selective.reference_every,
        tolerance: selective.tolerance,
        channels,
    }
}

/// Channels of the stream that is decoded.
fn channels(protocol: &Protocol) -> usize {
    let Some(protocol::Decoder::SsvepAmplitude(ssvep)) = &protocol.decoder else { return 0 };
    match protocol.streams.get(ssvep.stream).map(|stream| &stream.kind) {
        Some(protocol::StreamKind::Samples(samples)) => samples.channels.len(),
        _ => 0,
    }
}
