//! Steering: pictures as stimuli, the planner that proposes them, and the block that shows them.

use crate::check;
use crate::error::ProtocolError;
use crate::experiment::{Block, BlockKind, Decoder, Protocol};
use crate::onset::{self, OnsetRule};
use crate::reader::{Range, Table};
use crate::stimulus::{Flicker, StimulusKind, read_flicker};

/// A square picture whose content the planner makes, centred on fixation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Picture elements along a side.
    pub texels: u32,
    /// Side of one in degrees of visual angle; the screen makes it a whole number of px.
    pub texel_deg: f64,
    /// How long one picture takes to go over into the next, in s; without it the next one comes on grey.
    pub cross_fade_s: Option<f64>,
}

/// What a planner wants of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// `"drive"`: as much of it as possible.
    Drive,
    /// `"suppress"`: as little as possible, at the same contrast.
    Suppress,
    /// `"one-hot"`: as much as possible of one population, the others as they are.
    OneHot,
    /// `"hold"`: a set point.
    Hold,
}

/// Populations of which one is moved: parts of the visual field.
#[derive(Debug, Clone, PartialEq)]
pub struct Selective {
    /// The populations, at least two.
    pub populations: Vec<Population>,
    /// Index of the one to move.
    pub target: usize,
    /// Presentations of each population's localiser, at least 3.
    pub localisers: u32,
    /// Every how manieth presentation is the reference picture's, whose response is the baseline; at least 2.
    pub reference_every: u32,
    /// Part of its baseline by which another population may change.
    pub tolerance: f64,
}

/// One population.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Its name.
    pub name: String,
    /// Middle of its part of the visual field, [x, y] in degrees from fixation, y up.
    pub centre_deg: [f64; 2],
    /// Diameter of that part.
    pub diameter_deg: f64,
}

/// What is held, and with what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldPictures {
    /// The wanted response at the report channel.
    pub set_point_uv: f64,
    /// Pictures that are prepared, from the most driven to the most suppressed; at least 4.
    pub pictures: u32,
}

/// How pictures are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// `"model"`: the closed loop, by a response model that learns from every picture.
    #[default]
    Model,
    /// `"open-loop"`: by the same model, fitted once to the probes.
    OpenLoop,
    /// `"gabor"`: the best of many Gabors.
    Gabor,
    /// `"bayesian"`: Bayesian optimisation over the numbers of a Gabor.
    Bayesian,
    /// `"cma-es"`: CMA-ES in a generator's latent.
    CmaEs,
    /// `"genetic"`: a genetic algorithm in it.
    Genetic,
}

impl Method {
    /// All of them by name.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("model", Self::Model),
        ("open-loop", Self::OpenLoop),
        ("gabor", Self::Gabor),
        ("bayesian", Self::Bayesian),
        ("cma-es", Self::CmaEs),
        ("genetic", Self::Genetic),
    ];
}

/// What the response model looks through.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseModel {
    /// `{ cells = "shuffled" }`: the embedded V1 with its cells in any order, a wrong model to compare the right one with.
    Shuffled,
    /// An ONNX file of one picture.
    File(ModelFile),
}

/// A tap of a model in a file, and what the model's numbers mean: `(transfer(light) - mean) / sd` per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The file, next to the protocol.
    pub file: String,
    /// A tensor [1, channels, rows, columns] in it, averaged over a grid of 8 x 8.
    pub tap: String,
    /// `"srgb"`, or `"linear"` where false.
    pub is_srgb: bool,
    /// Per channel, subtracted.
    pub mean: Vec<f64>,
    /// Per channel, divided by.
    pub sd: Vec<f64>,
}

/// What of the state at onset the response is taken to depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `"power"`: the logarithm of the band power.
    Power,
    /// `"phase"`: cosine and sine of the rhythm's phase.
    Phase,
}

/// How pictures are proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Planner {
    /// By what; `"model"` where the key is absent. The others are what it is compared with, and the searches among them use
    /// only what is said of aim and pictures.
    pub method: Method,
    /// What is wanted.
    pub aim: Aim,
    /// Pictures shown before the model proposes any, with natural statistics and Gabors in turn; at least 2.
    pub probes: u32,
    /// RMS contrast of every picture within the aperture: the SD of its pattern, whose values lie in -1..=1.
    pub contrast_rms: f64,
    /// Diameter in degrees outside which pictures are grey.
    pub aperture_deg: f64,
    /// Width of the aperture's soft edge in degrees.
    pub edge_deg: f64,
    /// Optimiser steps for each picture, where time is virtual or a session is planned again.
    pub steps: u32,
    /// Time for each picture, in s, where it is not.
    pub deadline_s: f64,
    /// Standard deviations of the model's uncertainty that count for a picture, at least 0.
    pub exploration: f64,
    /// Time in s over which what was learnt loses its worth, since the brain drifts.
    pub forgetting_s: f64,
    /// File with the fields of other people (`photic prior`), next to the protocol; none where the key is absent.
    pub prior: Option<String>,
    /// What the response model looks through; the embedded V1 where the key is absent.
    pub model: Option<ResponseModel>,
    /// What of the state at onset the response depends on; on nothing where the key is absent.
    pub state: Option<Condition>,
    /// Only with `aim = "one-hot"` or `"suppress"`.
    pub selective: Option<Selective>,
    /// Only with `aim = "hold"`.
    pub hold: Option<HoldPictures>,
}

/// Pictures that the planner proposes, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steer {
    /// Index into [`Protocol::stimuli`], a picture.
    pub stimulus: usize,
    /// Contrast while on, above 0, at most 1.
    pub contrast: f64,
    /// Time on in s; the decoder's window, the ramp and the latency fit in it.
    pub on_s: f64,
    /// Least time off in s; the planner's time.
    pub gap_s: f64,
    /// How many.
    pub presentations: u32,
    /// How long an answer of the planner may take, in s, at least `gap_s`.
    pub answer_within_s: f64,
    /// What is done after a calibration that cannot be trusted; `"end"` where the key is absent.
    pub if_uncalibrated: Uncalibrated,
    /// What each waits for when its picture and its time have come; nothing where the key is absent.
    pub onset: Option<OnsetRule>,
}

/// What a block of pictures does after a calibration that cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Uncalibrated {
    /// `"end"`: it ends before it shows anything, and the next block begins.
    #[default]
    End,
    /// `"go-on"`: it is measured with the filter that there is, trusted or not.
    GoOn,
}

pub(crate) fn read_picture(stimulus: &Table<'_>, key: &str) -> Result<(Picture, Flicker), ProtocolError> {
    let table = stimulus.table(key, &["texels", "texel_deg", "flicker", "cross_fade_s"])?;
    let picture = Picture {
        texels: table.integer("texels", 8..=64)? as u32,
        texel_deg: table.number("texel_deg", Range::above(0.0).up_to(10.0))?,
        cross_fade_s: table
            .optional("cross_fade_s", |t, key| t.number(key, Range::above(0.0).up_to(60.0)))?,
    };
    Ok((picture, read_flicker(&table)?))
}

const PLANNER_KEYS: [&str; 15] = [
    "method",
    "aim",
    "probes",
    "contrast_rms",
    "aperture_deg",
    "edge_deg",
    "steps",
    "deadline_s",
    "exploration",
    "forgetting_s",
    "prior",
    "model",
    "state",
    "selective",
    "hold",
];

pub(crate) fn read_planner(root: &Table<'_>, key: &str) -> Result<Planner, ProtocolError> {
    let table = root.table(key, &PLANNER_KEYS)?;
    let method = table.optional("method", |table, key| table.choice(key, &Method::NAMES))?;
    let planner = Planner {
        method: method.unwrap_or_default(),
        aim: table.choice(
            "aim",
            &[
                ("drive", Aim::Drive),
                ("suppress", Aim::Suppress),
                ("one-hot", Aim::OneHot),
                ("hold", Aim::Hold),
            ],
        )?,
        probes: table.integer("probes", 2..=10_000)? as u32,
        contrast_rms: table.number("contrast_rms", Range::above(0.0).up_to(0.5))?,
        aperture_deg: table.number("aperture_deg", Range::above(0.0).up_to(180.0))?,
        edge_deg: table.number("edge_deg", Range::from(0.0).up_to(90.0))?,
        steps: table.integer("steps", 1..=100_000)? as u32,
        deadline_s: table.number("deadline_s", Range::above(0.0).up_to(600.0))?,
        exploration: table.number("exploration", Range::from(0.0).up_to(100.0))?,
        forgetting_s: table.number("forgetting_s", Range::above(0.0).up_to(86_400.0))?,
        prior: table.optional("prior", Table::text)?,
        model: table.optional("model", read_model)?,
        state: table.optional("state", |table, key| {
            table.choice(key, &[("power", Condition::Power), ("phase", Condition::Phase)])
        })?,
        selective: table.optional("selective", read_selective)?,
        hold: table.optional("hold", read_hold)?,
    };
    if planner.edge_deg > planner.aperture_deg / 2.0 {
        let allowed = format!("at most half of aperture_deg, {} deg", planner.aperture_deg / 2.0);
        return Err(table.refuse("edge_deg", allowed));
    }
    aim_has_its_table(&table, &planner)?;
    populations_are_seen(&table, &planner)?;
    Ok(planner)
}

/// `model = { cells = "shuffled" }` or `model = { file, tap, transfer, mean, sd }`. Public, because studies state it for an arm.
///
/// # Errors
/// The first fault, with file, line and key.
pub fn read_model(planner: &Table<'_>, key: &str) -> Result<ResponseModel, ProtocolError> {
    let table = planner.table(key, &["cells", "file", "tap", "transfer", "mean", "sd"])?;
    if table.has("cells") {
        let others = ["file", "tap", "transfer", "mean", "sd"];
        if let Some(other) = others.iter().find(|key| table.has(key)) {
            return Err(table.contradiction(other, "cells = \"shuffled\" is the embedded model's"));
        }
        return table.choice("cells", &[("shuffled", ())]).map(|()| ResponseModel::Shuffled);
    }
    let eyes = ModelFile {
        file: table.text("file")?,
        tap: table.text("tap")?,
        is_srgb: table.choice("transfer", &[("linear", false), ("srgb", true)])?,
        mean: table.numbers("mean", None, Range::from(-1e6).up_to(1e6))?,
        sd: table.numbers("sd", None, Range::above(0.0).up_to(1e6))?,
    };
    if eyes.mean.len() != eyes.sd.len() {
        return Err(table.refuse("sd", format!("as many numbers as mean has, {}", eyes.mean.len())));
    }
    Ok(ResponseModel::File(eyes))
}

/// One of several populations is moved up or down, and a set point has pictures.
fn aim_has_its_table(table: &Table<'_>, planner: &Planner) -> Result<(), ProtocolError> {
    let wants = |key: &str, text: &str| Err(table.contradiction(key, text));
    match (planner.aim, &planner.selective, &planner.hold) {
        (Aim::OneHot, None, _) => wants("aim", "\"one-hot\" needs a table [planner.selective]"),
        (Aim::Hold, _, None) => wants("aim", "\"hold\" needs a table [planner.hold]"),
        (Aim::Drive, Some(_), _) => {
            wants("selective", "aim = \"drive\" has one response; \"one-hot\" drives one of several")
        }
        (Aim::Hold, Some(_), _) => wants("selective", "aim = \"hold\" has one response"),
        (Aim::Drive | Aim::Suppress | Aim::OneHot, _, Some(_)) => {
            wants("hold", "only aim = \"hold\" has a set point")
        }
        _ => Ok(()),
    }
}

/// The middle of each population's part of the visual field lies within the aperture, or no picture would reach it.
fn populations_are_seen(table: &Table<'_>, planner: &Planner) -> Result<(), ProtocolError> {
    let Some(selective) = &planner.selective else { return Ok(()) };
    let radius_deg = planner.aperture_deg / 2.0 - planner.edge_deg;
    for population in &selective.populations {
        let [x, y] = population.centre_deg;
        let off_deg = x.hypot(y);
        if off_deg > radius_deg {
            let name = &population.name;
            return Err(table.contradiction(
                "selective",
                format!("population {name} lies {off_deg:.2} deg from fixation; pictures reach {radius_deg:.2} deg"),
            ));
        }
    }
    Ok(())
}

fn read_selective(planner: &Table<'_>, key: &str) -> Result<Selective, ProtocolError> {
    let keys = ["target", "localisers", "reference_every", "tolerance", "population"];
    let table = planner.table(key, &keys)?;
    let mut populations = Vec::new();
    for (name, population) in table.named_tables("population", &["centre_deg", "diameter_deg"])? {
        let centre_deg = population.numbers("centre_deg", Some(2), Range::from(-90.0).up_to(90.0))?;
        populations.push(Population {
            name,
            centre_deg: [centre_deg[0], centre_deg[1]],
            diameter_deg: population.number("diameter_deg", Range::above(0.0).up_to(180.0))?,
        });
    }
    if populations.len() < 2 {
        let found = populations.len();
        return Err(
            table.itself(format!("it needs two tables [{key}.population.NAME] or more, found {found}"))
        );
    }
    let names = populations.iter().map(|population| population.name.as_str());
    Ok(Selective {
        target: table.reference("target", "population", names)?,
        populations,
        localisers: table.integer("localisers", 3..=1_000)? as u32,
        reference_every: table.integer("reference_every", 2..=1_000)? as u32,
        tolerance: table.number("tolerance", Range::above(0.0).up_to(1.0))?,
    })
}

fn read_hold(planner: &Table<'_>, key: &str) -> Result<HoldPictures, ProtocolError> {
    let table = planner.table(key, &["set_point_uv", "pictures"])?;
    Ok(HoldPictures {
        set_point_uv: table.number("set_point_uv", Range::above(0.0).up_to(1_000.0))?,
        pictures: table.integer("pictures", 4..=100)? as u32,
    })
}

pub(crate) fn read_steer(block: &Table<'_>, protocol: &Protocol) -> Result<Steer, ProtocolError> {
    let keys = [
        "stimulus",
        "contrast",
        "on_s",
        "gap_s",
        "presentations",
        "answer_within_s",
        "if_uncalibrated",
        "onset",
    ];
    let uncalibrated = [("end", Uncalibrated::End), ("go-on", Uncalibrated::GoOn)];
    let table = block.table("steer", &keys)?;
    let seconds = Range::above(0.0).up_to(3_600.0);
    let steer = Steer {
        stimulus: check::stimulus(&table, protocol)?,
        contrast: table.number("contrast", Range::above(0.0).up_to(1.0))?,
        on_s: table.number("on_s", seconds)?,
        gap_s: table.number("gap_s", seconds)?,
        presentations: table.integer("presentations", 1..=1_000_000)? as u32,
        answer_within_s: table.number("answer_within_s", seconds)?,
        if_uncalibrated: table
            .optional("if_uncalibrated", |table, key| table.choice(key, &uncalibrated))?
            .unwrap_or_default(),
        onset: table.optional("onset", |table, key| onset::read_rule(table, key, protocol))?,
    };
    let stimulus = &protocol.stimuli[steer.stimulus];
    let StimulusKind::Picture(picture) = &stimulus.kind else {
        return Err(table.refuse("stimulus", "a stimulus that is a picture"));
    };
    let apart = [("limits", protocol.limits.is_some()), ("onset", protocol.onset.is_some())];
    if let Some((key, _)) =
        apart.into_iter().find(|&(_, is_there)| is_there && picture.cross_fade_s.is_some())
    {
        let name = &stimulus.name;
        let text = format!(
            "pictures of `{name}` go over into each other (cross_fade_s); with [{key}] each has to come on grey"
        );
        return Err(table.contradiction("stimulus", text));
    }
    let Some(planner) = &protocol.planner else {
        return Err(table.itself("it needs a table [planner]"));
    };
    if planner.state.is_some() && protocol.onset.is_none() {
        return Err(
            block.contradiction("steer", "[planner] state needs the table [onset], and there is none")
        );
    }
    if steer.answer_within_s < steer.gap_s {
        let allowed = format!("at least gap_s, {} s: the planner may take that long", steer.gap_s);
        return Err(table.refuse("answer_within_s", allowed));
    }
    if planner.deadline_s > steer.answer_within_s {
        let allowed = format!("at least [planner] deadline_s, {} s", planner.deadline_s);
        return Err(table.refuse("answer_within_s", allowed));
    }
    let is_modelled = matches!(planner.method, Method::Model | Method::OpenLoop);
    if is_modelled && steer.presentations <= planner.probes {
        let allowed =
            format!("more than [planner] probes, {}: the model proposes what comes after", planner.probes);
        return Err(table.refuse("presentations", allowed));
    }
    Ok(steer)
}

/// A block of pictures has room for one, and one for a window of the decoder.
pub(crate) fn picture_is_measured(
    block: &Table<'_>,
    steer: &Steer,
    duration_s: f64,
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let table = block.table_of_any("steer")?;
    let Some(Decoder::SsvepAmplitude(ssvep)) = &protocol.decoder else { return Ok(()) };
    // A controller or a limit may only make the ramp longer.
    let fade_s = match &protocol.stimuli[steer.stimulus].kind {
        StimulusKind::Picture(picture) => picture.cross_fade_s.unwrap_or(0.0),
        _ => 0.0,
    };
    let ramp_s = fade_s.max(steer.contrast * protocol.grey_ramp_s);
    let (window_s, update_s) = (ssvep.window_s, ssvep.update_s);
    let least_s = ramp_s + window_s + update_s;
    if protocol.controller.is_none() && steer.on_s < least_s * (1.0 - 1e-9) {
        let allowed = format!(
            "at least {least_s:.3} s, or no picture is measured: the ramp's {ramp_s:.3} s, the decoder's window_s = {window_s} s and \
             update_s = {update_s} s"
        );
        return Err(table.refuse("on_s", allowed));
    }
    if steer.on_s > duration_s {
        return Err(table.refuse("on_s", format!("within the block's duration_s = {duration_s} s")));
    }
    Ok(())
}

/// Pictures are measured by a filter that a calibration finds, whatever the seed.
pub(crate) fn calibration_comes_first(
    tables: &[Table<'_>],
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let blocks = &protocol.blocks;
    let is_steer = |at: &usize| matches!(blocks[*at].kind, BlockKind::Steer(_));
    let Some(first) = (0..blocks.len()).find(is_steer) else { return Ok(()) };
    let calibrates = |block: &Block| matches!(block.kind, BlockKind::Calibrate(_)) && !block.shuffle;
    let place = if blocks[first].shuffle { blocks.iter().position(|block| block.shuffle) } else { None };
    if blocks[..place.unwrap_or(first)].iter().any(calibrates) {
        return Ok(());
    }
    let text = "it needs a block with `calibrate`, not shuffled, before it: pictures are measured by the filter that one finds";
    Err(tables[first].contradiction("steer", text))
}
