//! `[model.NAME.embedded]`: the embedded primary visual cortex. What is not written is as in the default model, whose
//! numbers stand in docs/synthesis.md with their sources; the result records the hash of the model that came of it.

use encoding::encoder::Encoder;
use encoding::v1::{self, Cell, Eye, Lesion, Noise, Params, Scotoma, Temporal};
use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use recording::sha256_hex;

use super::head::Stimulus;
use super::model::Arm;
use crate::model::Loader;

const KEYS: [&str; 17] = [
    "fovea_deg",
    "orientations",
    "scales_cpd",
    "bandwidth_octaves",
    "half_width_deg",
    "retina",
    "normalisation",
    "fields",
    "scotoma",
    "lesion",
    "gain",
    "rf_scale",
    "eye",
    "noise",
    "temporal",
    "fittable",
    "parameters",
];

/// Builds the model that the table says, as large as the stimulus.
pub fn read(
    table: &Table<'_>,
    key: &str,
    name: &str,
    stimulus: &Stimulus,
    loader: &Loader,
) -> Result<Arm, ProtocolError> {
    let table = table.table(key, &KEYS)?;
    let params = params(&table, stimulus)?;
    let wrong = |reason: String| table.itself(format!("cannot be built: {reason}"));
    params.check().map_err(|fault| wrong(fault.to_string()))?;
    let bytes = v1::build(&params).map_err(|fault| wrong(fault.to_string()))?;
    let encoder = Encoder::from_bytes("the embedded V1", &bytes, None, &loader.limits());
    let mut encoder = encoder.map_err(|error| wrong(error.to_string()))?;
    super::model::parameters(&table, &mut encoder)?;
    let mut arm = Arm::new(name, encoder, "the embedded V1".into(), sha256_hex(&bytes));
    arm.params = Some(params);
    Ok(arm)
}

fn params(table: &Table<'_>, stimulus: &Stimulus) -> Result<Params, ProtocolError> {
    let [frames, _, height, width] = stimulus.shape;
    let mut params = Params { size_px: [height, width], width_deg: stimulus.width_deg, ..Params::default() };
    let share = Range::above(0.0).up_to(1e3);
    if table.has("fovea_deg") {
        params.fovea_deg = pair(table, "fovea_deg")?;
    }
    if table.has("orientations") {
        params.orientations = table.integer("orientations", 1..=64)? as usize;
    }
    if table.has("scales_cpd") {
        params.scales_cpd = table.numbers("scales_cpd", None, share)?;
    }
    for (key, slot) in [
        ("bandwidth_octaves", &mut params.bandwidth_octaves),
        ("half_width_deg", &mut params.half_width_deg),
        ("gain", &mut params.gain),
        ("rf_scale", &mut params.rf_scale),
    ] {
        set(table, key, slot)?;
    }
    retina(table, &mut params)?;
    params.scotomata =
        list(table, "scotoma", &["centre_deg", "radius_deg", "softness_deg", "depth"], scotoma)?;
    params.lesions = list(table, "lesion", &["scale", "orientation", "cell", "gain"], lesion)?;
    if table.has("eye") {
        params.eye =
            table.choice("eye", &[("left", Eye::Left), ("right", Eye::Right), ("both", Eye::Both)])?;
    }
    params.noise = table.optional("noise", |table, key| {
        let noise = table.table(key, &["fano", "floor"])?;
        Ok(Noise { fano: noise.number("fano", share)?, floor: noise.number("floor", share)? })
    })?;
    if table.has("fittable") {
        params.fittable = table.boolean("fittable")?;
    }
    params.temporal = temporal(table, stimulus, frames)?;
    Ok(params)
}

fn retina(table: &Table<'_>, params: &mut Params) -> Result<(), ProtocolError> {
    let (retina, pools, fields) = (&mut params.retina, &mut params.normalisation, &mut params.fields);
    group(
        table,
        "retina",
        &mut [
            ("adaptation_sigma_deg", &mut retina.adaptation_sigma_deg),
            ("dark_light", &mut retina.dark_light),
            ("centre_sigma_deg", &mut retina.centre_sigma_deg),
            ("surround_sigma_deg", &mut retina.surround_sigma_deg),
            ("surround_weight", &mut retina.surround_weight),
            ("gain_control_contrast", &mut retina.gain_control_contrast),
            ("gain_control_sigma_deg", &mut retina.gain_control_sigma_deg),
        ],
    )?;
    group(
        table,
        "normalisation",
        &mut [
            ("sigma_contrast", &mut pools.sigma_contrast),
            ("local_weight", &mut pools.local_weight),
            ("surround_weight", &mut pools.surround_weight),
            ("surround_size", &mut pools.surround_size),
            ("neighbour_scale", &mut pools.neighbour_scale),
        ],
    )?;
    group(table, "fields", &mut [("sigma_cycles", &mut fields.sigma_cycles), ("e2_deg", &mut fields.e2_deg)])
}

/// A movie needs the model with a time axis, and an image the one without.
fn temporal(
    table: &Table<'_>,
    stimulus: &Stimulus,
    frames: usize,
) -> Result<Option<Temporal>, ProtocolError> {
    let given = table.optional("temporal", |table, key| {
        let time = table.table(key, &["rate_per_s", "fast_order", "slow_order"])?;
        let mut temporal = Temporal { frames, ..Temporal::default() };
        set(&time, "rate_per_s", &mut temporal.rate_per_s)?;
        for (key, slot) in
            [("fast_order", &mut temporal.fast_order), ("slow_order", &mut temporal.slow_order)]
        {
            if time.has(key) {
                *slot = time.integer(key, 1..=64)? as u32;
            }
        }
        Ok(temporal)
    })?;
    match (given, stimulus.rate_hz) {
        (Some(temporal), Some(frame_rate_hz)) => Ok(Some(Temporal { frame_rate_hz, ..temporal })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(table.contradiction("temporal", "needs movies: [stimulus] has no `movie`")),
        (None, Some(_)) => {
            Err(table
                .itself("sees one image; for the movies of [stimulus] it needs `temporal = {}`".to_owned()))
        }
    }
}

fn scotoma(table: &Table<'_>) -> Result<Scotoma, ProtocolError> {
    Ok(Scotoma {
        centre_deg: pair(table, "centre_deg")?,
        radius_deg: table.number("radius_deg", Range::above(0.0).up_to(180.0))?,
        softness_deg: table.number("softness_deg", Range::above(0.0).up_to(180.0))?,
        depth: table.number("depth", Range::from(0.0).up_to(1.0))?,
    })
}

fn lesion(table: &Table<'_>) -> Result<Lesion, ProtocolError> {
    let index = |table: &Table<'_>, key: &str| Ok(table.integer(key, 0..=63)? as usize);
    Ok(Lesion {
        scale: table.optional("scale", index)?,
        orientation: table.optional("orientation", index)?,
        cell: table.optional("cell", |t, key| {
            t.choice(key, &[("simple", Cell::Simple), ("complex", Cell::Complex)])
        })?,
        gain: table.number("gain", Range::from(0.0).up_to(100.0))?,
    })
}

fn list<T>(
    table: &Table<'_>,
    key: &str,
    keys: &[&str],
    read: impl Fn(&Table<'_>) -> Result<T, ProtocolError>,
) -> Result<Vec<T>, ProtocolError> {
    if table.has(key) { table.list(key, keys)?.iter().map(read).collect() } else { Ok(Vec::new()) }
}

fn pair(table: &Table<'_>, key: &str) -> Result<[f64; 2], ProtocolError> {
    let numbers = table.numbers(key, Some(2), Range::from(-180.0).up_to(180.0))?;
    Ok([numbers[0], numbers[1]])
}

fn set(table: &Table<'_>, key: &str, slot: &mut f64) -> Result<(), ProtocolError> {
    if table.has(key) {
        *slot = table.number(key, Range::from(0.0).up_to(1e6))?;
    }
    Ok(())
}

fn group(table: &Table<'_>, key: &str, slots: &mut [(&str, &mut f64)]) -> Result<(), ProtocolError> {
    if !table.has(key) {
        return Ok(());
    }
    let names: Vec<&str> = slots.iter().map(|(name, _)| *name).collect();
    let group = table.table(key, &names)?;
    slots.iter_mut().try_for_each(|(name, slot)| set(&group, name, slot))
}
