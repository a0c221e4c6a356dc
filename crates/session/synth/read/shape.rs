//! `[parametrisation]`, `[robustness]`, `[[prior]]`: what is searched, how it is looked at, what is unlikely.

use encoding::encoder::Code;
use encoding::form::{Form, Layout};
use ndarray::Array5;
use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use synthesis::parametrisation::{
    Ball, Fourier, FourierSpec, GaborSpec, Gabors, Latent, Parametrisation, Perturbation, Pixels,
};
use synthesis::prior::{Penalty, Prior};
use synthesis::robustness::Robustness;

use super::letters;
use super::model::Arms;
use crate::model::Loader;
use crate::synth::picture;

/// What is searched, and from where.
pub struct Space {
    pub parametrisation: Parametrisation,
    /// Stimuli to start from; without, as the parametrisation draws them.
    pub start: Option<Array5<f32>>,
    /// In words, for the result.
    pub words: String,
}

const KINDS: [&str; 5] = ["pixels", "fourier", "gabors", "perturbation", "latent"];

/// The start's contrast or noise: as light, at most from black to white.
const FAINT: Range = Range::from(0.0).up_to(0.5);

pub fn space(root: &Table<'_>, arms: &mut Arms<'_>, loader: &Loader) -> Result<Space, ProtocolError> {
    let table = root.table("parametrisation", &KINDS)?;
    let kind = table.one_of(&KINDS)?;
    let [t, c, h, w] = arms.stimulus.shape;
    let shape = [arms.stimulus.count, t, c, h, w];
    let fault = |table: &Table<'_>, error: &dyn std::fmt::Display| table.itself(error.to_string());
    let mut start = None;
    let (parametrisation, words) = match kind {
        "pixels" => {
            let body = table.table(kind, &["start_noise", "start_images"])?;
            let noise = body.number("start_noise", FAINT)?;
            start = body.optional("start_images", |t, key| images(t, key, arms))?;
            (
                Parametrisation::Pixels(Pixels::new(shape, noise)),
                format!("light of pixels, start noise {noise}"),
            )
        }
        "fourier" => {
            let keys = ["exponent", "chroma", "start_noise", "cut_off_hz", "start_images"];
            let body = table.table(kind, &keys)?;
            let spec = FourierSpec {
                exponent: body.number("exponent", Range::from(0.0).up_to(4.0))?,
                chroma: only(&body, "chroma", c == 3, "rgb stimuli", Range::above(0.0).up_to(1.0))?,
                noise: body.number("start_noise", FAINT)?,
                frame_rate_hz: arms.stimulus.rate_hz.unwrap_or(1.0),
                cut_off_hz: only(&body, "cut_off_hz", t > 1, "movies", Range::from(0.0))?,
            };
            start = body.optional("start_images", |t, key| images(t, key, arms))?;
            let mut words =
                format!("Fourier coefficients, 1/f^{}, start noise {}", spec.exponent, spec.noise);
            if c == 3 {
                words.push_str(&format!(", chroma {}", spec.chroma));
            }
            if t > 1 {
                words.push_str(&format!(", up to {} Hz", spec.cut_off_hz));
            }
            (Parametrisation::Fourier(Fourier::new(shape, &spec).map_err(|e| fault(&body, &e))?), words)
        }
        "gabors" => {
            let body = table.table(kind, &["count", "start_contrast"])?;
            let spec = GaborSpec {
                count: body.integer("count", 1..=1000)? as usize,
                px_per_deg: arms.stimulus.px_per_deg(),
                frame_rate_hz: arms.stimulus.rate_hz.unwrap_or(1.0),
                contrast: body.number("start_contrast", Range::above(0.0).up_to(1.0))?,
            };
            let words = format!("{} Gabors for each stimulus, start contrast {}", spec.count, spec.contrast);
            (Parametrisation::Gabors(Gabors::new(shape, &spec).map_err(|e| fault(&body, &e))?), words)
        }
        "perturbation" => {
            let keys = ["images", "letters", "l2", "linf", "start_noise"];
            let body = table.table(kind, &keys)?;
            let base = match body.one_of(&["images", "letters"])? {
                "images" => images(&body, "images", arms)?,
                _ => letters::read(&body, "letters", arms.stimulus)?,
            };
            let radius = Range::above(0.0).up_to(1e6);
            let ball = match body.one_of(&["l2", "linf"])? {
                "l2" => Ball::L2(body.number("l2", radius)?),
                _ => Ball::Linf(body.number("linf", radius.up_to(1.0))?),
            };
            let noise = body.number("start_noise", FAINT)?;
            let words = format!("a change of given images within {ball:?} of light");
            (
                Parametrisation::Perturbation(
                    Perturbation::new(base, ball, noise).map_err(|e| fault(&body, &e))?,
                ),
                words,
            )
        }
        _ => latent(&table, kind, arms, loader)?,
    };
    Ok(Space { parametrisation, start, words })
}

/// A number that is needed where it means something, and an error where it does not.
fn only(body: &Table<'_>, key: &str, applies: bool, what: &str, range: Range) -> Result<f64, ProtocolError> {
    match applies {
        true => body.number(key, range),
        false if body.has(key) => Err(body.contradiction(key, format!("means something for {what} only"))),
        false => Ok(1.0),
    }
}

/// A list of images: one for each stimulus, or one for all.
fn images(body: &Table<'_>, key: &str, arms: &mut Arms<'_>) -> Result<Array5<f32>, ProtocolError> {
    let names = body.texts(key)?;
    let (count, shape) = (arms.stimulus.count, arms.stimulus.shape);
    if names.len() != 1 && names.len() != count {
        return Err(body.refuse(key, format!("one image for all, or one for each of the {count} stimuli")));
    }
    let [t, c, h, w] = shape;
    let mut all = Array5::zeros((count, t, c, h, w));
    for (index, mut stimulus) in all.outer_iter_mut().enumerate() {
        let name = &names[index % names.len()];
        let path = arms.folder.join(name);
        let image = picture::read(&path, shape);
        let image = image.map_err(|error| {
            body.refuse(key, format!("images of the stimulus's shape; {}: {error}", path.display()))
        })?;
        stimulus.assign(&image);
        arms.note(name, &path).map_err(|error| body.refuse(key, error))?;
    }
    Ok(all)
}

fn latent(
    table: &Table<'_>,
    key: &str,
    arms: &mut Arms<'_>,
    loader: &Loader,
) -> Result<(Parametrisation, String), ProtocolError> {
    let body = table.table(key, &["path", "layout", "transfer", "mean", "sd", "bgr", "limit"])?;
    let path = super::head::file(&body, "path", &arms.folder)?;
    let refuse = |error: String| body.refuse("path", format!("a generator that can be used: {error}"));
    let model = loader.open(&path).map_err(|error| refuse(error.to_string()))?;
    let layouts =
        [("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc), ("ncthw", Layout::Ncthw), ("ntchw", Layout::Ntchw)];
    let layout = body.choice("layout", &layouts)?;
    let Code { transfer, mean, sd, bgr } = super::model::code(&body)?;
    let channels = arms.stimulus.shape[1];
    let each = |values: Vec<f32>| if values.len() == 1 { vec![values[0]; channels] } else { values };
    let form = Form { layout, shape: arms.stimulus.shape, transfer, mean: each(mean), sd: each(sd), bgr };
    let limit = body.number("limit", Range::above(0.0).up_to(100.0))?;
    let batch = arms.stimulus.count;
    let [input] = model.inputs() else {
        return Err(refuse(format!("it has {} inputs, and one latent is wanted", model.inputs().len())));
    };
    let mut spec = adjoint::Spec::new().threads(loader.threads).untimed();
    spec = match input.concrete() {
        // A file that fixes its batch runs in as many parts.
        Some(mut shape) if !shape.is_empty() => {
            shape[0] = batch;
            spec.input(&input.name, &shape)
        }
        _ => {
            let dims = input.shape.iter().flatten().skip(1).map(|dim| match dim {
                adjoint::Dim::Known(size) => Some(*size),
                _ => None,
            });
            let rest: Option<Vec<usize>> = dims.collect();
            let rest =
                rest.ok_or_else(|| refuse(format!("its latent has the open shape {}", input.shape_text())))?;
            spec.input(&input.name, &[vec![batch], rest].concat())
        }
    };
    let gradient = model.gradient(&spec).map_err(|error| refuse(error.to_string()))?;
    arms.used(&body, "path", &path)?;
    let latent = Latent::new(gradient, form, batch, limit).map_err(|error| refuse(error.to_string()))?;
    let words = format!("latent of {}, bounded at {limit}", body.text("path")?);
    Ok((Parametrisation::Latent(Box::new(latent)), words))
}

/// How the stimuli are looked at, and by how many views in each step. Without the section: as they are.
pub fn robustness(root: &Table<'_>, arms: &Arms<'_>) -> Result<Option<(Robustness, usize)>, ProtocolError> {
    root.optional("robustness", |root, key| {
        let keys = ["views", "jitter_px", "whole_px", "scale", "rotation_deg", "gaze_deg"];
        let table = root.table(key, &keys)?;
        let optional = |key: &str, most: f64| {
            Ok::<_, ProtocolError>(
                table.optional(key, |t, key| t.number(key, Range::from(0.0).up_to(most)))?.unwrap_or(0.0),
            )
        };
        let robustness = Robustness {
            jitter_px: optional("jitter_px", arms.stimulus.side_px())?,
            whole_px: table.optional("whole_px", Table::boolean)?.unwrap_or(false),
            scale: optional("scale", 1.0)?,
            rotation_deg: optional("rotation_deg", 180.0)?,
            gaze_deg: optional("gaze_deg", 90.0)?,
            px_per_deg: arms.stimulus.px_per_deg(),
        };
        robustness.check().map_err(|error| table.itself(error.to_string()))?;
        if robustness.jitter_px + robustness.scale + robustness.rotation_deg + robustness.gaze_deg == 0.0 {
            let text = "changes nothing: give jitter_px, scale, rotation_deg or gaze_deg, or leave it out";
            return Err(table.itself(text));
        }
        Ok((robustness, table.integer("views", 1..=64)? as usize))
    })
}

const PENALTIES: [&str; 3] = ["total_variation", "spectrum", "blur"];

pub fn priors(root: &Table<'_>, arms: &Arms<'_>) -> Result<Vec<Prior>, ProtocolError> {
    if !root.has("prior") {
        return Ok(Vec::new());
    }
    let keys: Vec<&str> = ["weight"].into_iter().chain(PENALTIES).collect();
    let movie = arms.stimulus.rate_hz.is_some();
    let read = |table: &Table<'_>| {
        let penalty = match table.one_of(&PENALTIES)? {
            key @ "total_variation" => {
                let body = table.table(key, &["smoothing", "temporal"])?;
                Penalty::TotalVariation {
                    smoothing: body.number("smoothing", Range::above(0.0).up_to(1.0))?,
                    temporal: match movie {
                        true => body.number("temporal", Range::from(0.0).up_to(1e6))?,
                        false if body.has("temporal") => {
                            return Err(body.contradiction("temporal", "means something for movies only"));
                        }
                        false => 0.0,
                    },
                }
            }
            key @ "spectrum" => {
                let body = table.table(key, &["exponent"])?;
                Penalty::Spectrum { exponent: body.number("exponent", Range::from(0.0).up_to(8.0))? }
            }
            key => {
                let body = table.table(key, &["sd_deg"])?;
                Penalty::Blur {
                    sd_px: arms.stimulus.px(body.number("sd_deg", Range::above(0.0).up_to(90.0))?),
                }
            }
        };
        let prior = Prior { weight: table.number("weight", Range::above(0.0).up_to(1e12))?, penalty };
        prior.check().map_err(|error| table.itself(error.to_string()))?;
        Ok(prior)
    };
    root.list("prior", &keys)?.iter().map(read).collect()
}

/// The name of a penalty in the specification.
pub fn penalty_name(penalty: &Penalty) -> &'static str {
    match penalty {
        Penalty::TotalVariation { .. } => "total_variation",
        Penalty::Spectrum { .. } => "spectrum",
        _ => "blur",
    }
}
