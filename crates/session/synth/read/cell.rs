//! A cell of the embedded model by what it prefers, instead of by its place in a tensor.

use encoding::v1;
use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use synthesis::objective::{Source, Units};

use super::model::Arms;

/// `cell = { centre_deg = [0.0, 0.0], cpd = 3.2, orientation_deg = 45.0 }`: the complex cell that comes nearest, of the tap
/// that holds those of all scales. In the model with a time axis it also has a `direction`, 1 or -1 along its orientation,
/// and the unit is its response in every frame.
pub fn units(table: &Table<'_>, key: &str, source: &Source, arms: &Arms<'_>) -> Result<Units, ProtocolError> {
    if table.has("units") {
        return Err(table.contradiction(key, "cannot stand beside units"));
    }
    let arm = &arms.models[source.site.arm];
    let Some(params) = &arm.params else {
        return Err(table.contradiction(key, format!("is for the embedded model; {} is a file", arm.name)));
    };
    let all = if params.temporal.is_some() { "v1.direction" } else { "v1.complex" };
    if source.site.tap != all || source.pool.is_some() || source.readout.is_some() {
        return Err(table.contradiction(key, format!("needs tap = \"{all}\", without pool or readout")));
    }
    let moving = params.temporal.is_some();
    let keys = ["centre_deg", "cpd", "orientation_deg", "direction"];
    let body = table.table(key, &keys[..if moving { 4 } else { 3 }])?;
    let centre = body.numbers("centre_deg", Some(2), Range::from(-180.0).up_to(180.0))?;
    let cpd = body.number("cpd", Range::above(0.0).up_to(100.0))?;
    let orientation = body.number("orientation_deg", Range::from(0.0).below(180.0))?;
    let direction = match moving {
        true => body.choice("direction", &[("along", 1.0), ("against", -1.0)])?,
        false => 0.0,
    };
    let octaves = |unit: &v1::Unit| libm::log2(unit.cpd / cpd).abs();
    let turn = |unit: &v1::Unit| {
        let apart = (unit.orientation_deg - orientation).abs();
        apart.min(180.0 - apart)
    };
    let away = |unit: &v1::Unit| libm::hypot(unit.centre_deg[0] - centre[0], unit.centre_deg[1] - centre[1]);
    // Scale first, then orientation, then place: what a cell is counts before where it is.
    let order = |a: &v1::Unit, b: &v1::Unit| {
        let by = |of: &dyn Fn(&v1::Unit) -> f64| of(a).total_cmp(&of(b));
        by(&octaves).then(by(&turn)).then(by(&away))
    };
    let units = v1::units(params);
    let candidates = units.iter().enumerate().filter(|(_, unit)| unit.direction == direction);
    let nearest = candidates.min_by(|(_, a), (_, b)| order(a, b)).map(|(index, _)| index);
    let index = nearest.ok_or_else(|| body.itself("is like no cell of this model"))?;
    Ok(Units::Only(match params.temporal {
        Some(time) => (0..time.frames).map(|frame| vec![frame, index]).collect(),
        None => vec![vec![index]],
    }))
}
