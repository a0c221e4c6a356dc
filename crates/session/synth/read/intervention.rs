//! `[[intervention]]`: virtual lesions and stimulation.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use protocol::ProtocolError;
use protocol::reader::{Range, Table};

use super::model::Arms;

const KINDS: [&str; 2] = ["lesion", "stimulation"];
/// Which units: all without these keys.
const WHERE: [&str; 3] = ["channels", "rows", "columns"];

/// Reads the interventions; several at one tap follow each other.
pub fn read(root: &Table<'_>, arms: &mut Arms<'_>) -> Result<(), ProtocolError> {
    if !root.has("intervention") {
        return Ok(());
    }
    let mut changes: BTreeMap<(usize, String), (ArrayD<f32>, ArrayD<f32>)> = BTreeMap::new();
    for table in root.list("intervention", &["model", "tap", "lesion", "stimulation"])? {
        let arm = table.reference("model", "model", arms.names())?;
        let tap = arms.tap(&table, "tap", arm)?;
        let kind = table.one_of(&KINDS)?;
        let (own, keys) = (if kind == "lesion" { "gain" } else { "offset" }, WHERE);
        let body = table.table(kind, &[[own].as_slice(), &keys].concat())?;
        let number = match kind {
            "lesion" => body.number("gain", Range::from(0.0).below(1.0))?,
            _ => body.number("offset", Range::from(-1e6).up_to(1e6))?,
        } as f32;
        let shape = arms.shape_at(arm, &tap)[1..].to_vec();
        let chosen = chosen(&body, &shape, arms.channel_axis(arm) - 1)?;
        let unchanged = || (ArrayD::ones(shape.clone()), ArrayD::zeros(shape.clone()));
        let (gain, offset) = changes.entry((arm, tap.clone())).or_insert_with(unchanged);
        for ((chosen, gain), offset) in chosen.iter().zip(gain.iter_mut()).zip(offset.iter_mut()) {
            match kind {
                _ if !chosen => {}
                "lesion" => (*gain, *offset) = (*gain * number, *offset * number),
                _ => *offset += number,
            }
        }
        let model = &mut arms.models[arm];
        let made = model.encoder.intervene(&tap, gain.clone(), offset.clone());
        made.map_err(|error| table.refuse("tap", format!("a tap that can be changed: {error}")))?;
        let part = match chosen.iter().filter(|chosen| **chosen).count() {
            some if some == chosen.len() => "all units".to_owned(),
            some => format!("{some} of {} units", chosen.len()),
        };
        model.interventions.push(format!("{kind} at {tap}, {own} {number}, {part}"));
    }
    Ok(())
}

/// Which units of a tap (without the axis of stimuli) the keys choose. `channels` counts along the channels' axis,
/// `rows` and `columns` are half-open ranges [from, to) along the last two axes that are not the channels'.
fn chosen(body: &Table<'_>, shape: &[usize], channels: usize) -> Result<ArrayD<bool>, ProtocolError> {
    let space: Vec<usize> = (0..shape.len()).filter(|axis| *axis != channels).collect();
    let axis = |key: &str| -> Result<usize, ProtocolError> {
        let place = match key {
            "channels" => shape.get(channels).map(|_| channels),
            "rows" => space.len().checked_sub(2).map(|at| space[at]),
            _ => space.len().checked_sub(2).map(|at| space[at + 1]),
        };
        place.ok_or_else(|| {
            body.refuse(key, format!("a map of the visual field; the tap's shape is {shape:?}"))
        })
    };
    let list = |key: &str| -> Result<Option<(usize, Vec<usize>)>, ProtocolError> {
        if !body.has(key) {
            return Ok(None);
        }
        let axis = axis(key)?;
        let length = shape[axis] as u64;
        if key == "channels" {
            let list = body.integers(key, None, 0..=length - 1)?;
            return Ok(Some((axis, list.into_iter().map(|n| n as usize).collect())));
        }
        let range = body.integers(key, Some(2), 0..=length)?;
        if range[0] >= range[1] {
            return Err(body.refuse(key, format!("[from, to], rising, within 0 to {length}")));
        }
        Ok(Some((axis, (range[0] as usize..range[1] as usize).collect())))
    };
    let lists = [list("channels")?, list("rows")?, list("columns")?];
    let within = |index: &[usize]| lists.iter().flatten().all(|(axis, list)| list.contains(&index[*axis]));
    Ok(ArrayD::from_shape_fn(shape.to_vec(), |index| within(ndarray::Dimension::slice(&index))))
}
