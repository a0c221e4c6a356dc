//! `photic model v1`: writes the embedded primary visual cortex.

use std::fmt::Write as _;

use adjoint::{Limits, Model};
use encoding::v1::{self, Cell, Eye, Lesion, Noise, Params, Scotoma, Temporal};
use recording::sha256_hex;
use serde_json::{Value, json};

use crate::cli::{EyeName, V1Args};
use crate::error::SessionError;
use crate::inspect::Seen;

/// Builds the model, writes it, and lists its taps.
///
/// # Errors
/// An argument that does not parse, numbers that no model can have, a file that cannot be written.
pub fn v1(args: &V1Args) -> Result<Seen, SessionError> {
    let params = params(args)?;
    let fault =
        |error: v1::Fault| SessionError::Argument { argument: "model v1".into(), reason: error.to_string() };
    params.check().map_err(fault)?;
    let bytes = v1::build(&params).map_err(fault)?;
    std::fs::write(&args.out, &bytes).map_err(|error| SessionError::io("write", &args.out, error))?;
    let model = Model::from_bytes("the embedded V1", &bytes, &Limits::default())?;
    Ok(describe(args, &params, &bytes, &model))
}

fn params(args: &V1Args) -> Result<Params, SessionError> {
    let mut params = Params {
        size_px: size(&args.size_px)?,
        width_deg: args.field_deg,
        orientations: args.orientations,
        gain: args.gain,
        rf_scale: args.rf_scale,
        eye: match args.eye {
            EyeName::Left => Eye::Left,
            EyeName::Right => Eye::Right,
            EyeName::Both => Eye::Both,
        },
        fittable: args.fittable,
        open_batch: args.open_batch,
        ..Params::default()
    };
    let fovea = numbers("--fovea-deg", &args.fovea_deg, 2..=2, "X,Y")?;
    params.fovea_deg = [fovea[0], fovea[1]];
    if !args.scales_cpd.is_empty() {
        params.scales_cpd = args.scales_cpd.clone();
    }
    params.scotomata = args.scotoma.iter().map(|text| scotoma(text)).collect::<Result<_, _>>()?;
    params.lesions = args.lesion.iter().map(|text| lesion(text)).collect::<Result<_, _>>()?;
    if let Some(text) = &args.noise {
        let noise = numbers("--noise", text, 2..=2, "FANO,FLOOR")?;
        params.noise = Some(Noise { fano: noise[0], floor: noise[1] });
    }
    if let Some(text) = &args.temporal {
        let time = numbers("--temporal", text, 2..=2, "FRAMES,HZ")?;
        let frames = whole("--temporal", text, time[0])?;
        params.temporal = Some(Temporal { frames, frame_rate_hz: time[1], ..Temporal::default() });
    }
    Ok(params)
}

fn wrong(option: &str, text: &str, allowed: &str) -> SessionError {
    SessionError::Argument {
        argument: format!("{option} {text}"),
        reason: format!("it should read {allowed}"),
    }
}

fn numbers(
    option: &str,
    text: &str,
    count: std::ops::RangeInclusive<usize>,
    allowed: &str,
) -> Result<Vec<f64>, SessionError> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse::<f64>()).collect();
    let fits = |numbers: &Vec<f64>| count.contains(&numbers.len()) && numbers.iter().all(|n| n.is_finite());
    numbers.ok().filter(fits).ok_or_else(|| wrong(option, text, &format!("{allowed}, in numbers")))
}

fn whole(option: &str, text: &str, number: f64) -> Result<usize, SessionError> {
    let is_whole = number.fract() == 0.0 && (0.0..1e6).contains(&number);
    if is_whole { Ok(number as usize) } else { Err(wrong(option, text, "a whole number of frames first")) }
}

/// `128`, or `160x120` (width first), as [height, width].
fn size(text: &str) -> Result<[usize; 2], SessionError> {
    let sides: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
    match sides.as_deref() {
        Ok([side]) => Ok([*side, *side]),
        Ok([width, height]) => Ok([*height, *width]),
        _ => Err(wrong("--size-px", text, "128, or WIDTHxHEIGHT as 160x120")),
    }
}

fn scotoma(text: &str) -> Result<Scotoma, SessionError> {
    let n = numbers("--scotoma", text, 3..=5, "X,Y,R, X,Y,R,SOFTNESS or X,Y,R,SOFTNESS,DEPTH")?;
    Ok(Scotoma {
        centre_deg: [n[0], n[1]],
        radius_deg: n[2],
        softness_deg: n.get(3).copied().unwrap_or(0.25),
        depth: n.get(4).copied().unwrap_or(1.0),
    })
}

fn lesion(text: &str) -> Result<Lesion, SessionError> {
    let bad = || wrong("--lesion", text, "some of orientation=N, scale=N, cell=simple|complex, and gain=G");
    let mut lesion = Lesion { scale: None, orientation: None, cell: None, gain: f64::NAN };
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(bad)?;
        match key.trim() {
            "scale" => lesion.scale = Some(value.parse().map_err(|_| bad())?),
            "orientation" => lesion.orientation = Some(value.parse().map_err(|_| bad())?),
            "cell" => {
                lesion.cell = Some(match value {
                    "simple" => Cell::Simple,
                    "complex" => Cell::Complex,
                    _ => return Err(bad()),
                });
            }
            "gain" => lesion.gain = value.parse().map_err(|_| bad())?,
            _ => return Err(bad()),
        }
    }
    if lesion.gain.is_finite() { Ok(lesion) } else { Err(bad()) }
}

fn describe(args: &V1Args, params: &Params, bytes: &[u8], model: &Model) -> Seen {
    let [height_deg, width_deg] = params.field_deg();
    let sha256 = sha256_hex(bytes);
    let mut text = String::new();
    let _ = writeln!(text, "model      {}, {} bytes, SHA-256 {sha256}", args.out.display(), bytes.len());
    let _ = writeln!(
        text,
        "field      {width_deg:.2} x {height_deg:.2} deg, {:.2} px per deg",
        params.px_per_deg()
    );
    for input in model.inputs() {
        let _ = writeln!(text, "input      {}  {} {}", input.name, input.dtype, input.shape_text());
    }
    let taps: Vec<Value> = v1::taps(params)
        .iter()
        .map(|tap| {
            let scale = tap.scale.map(|(_, cpd)| format!(", {cpd} cpd")).unwrap_or_default();
            let _ = writeln!(text, "tap        {}  {:?}  {}: {}{scale}", tap.name, tap.shape, tap.area, tap.meaning);
            json!({
                "name": tap.name, "area": tap.area, "cell": tap.cell.map(|cell| format!("{cell:?}").to_lowercase()),
                "meaning": tap.meaning, "shape": tap.shape, "scale": tap.scale.map(|(index, _)| index),
                "cpd": tap.scale.map(|(_, cpd)| cpd), "orientation_deg": tap.orientation_deg,
                "phase_deg": tap.phase_deg, "direction": tap.direction,
            })
        })
        .collect();
    let inputs: Vec<Value> = model
        .inputs()
        .iter()
        .map(|input| json!({ "name": input.name, "shape": input.shape_text() }))
        .collect();
    let orientations: Vec<f64> =
        (0..params.orientations).map(|index| params.orientation_deg(index)).collect();
    let json = json!({
        "model": args.out, "bytes": bytes.len(), "sha256": sha256, "field_deg": [width_deg, height_deg],
        "px_per_deg": params.px_per_deg(), "orientations_deg": orientations, "scales_cpd": params.scales_cpd,
        "inputs": inputs, "taps": taps,
    });
    Seen { text, json, fine: true }
}
