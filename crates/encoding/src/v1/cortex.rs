//! Simple cells, complex cells, and what they do to each other.

use super::blend::{knots, weights};
use super::filters::Bank;
use super::grid::{Scale, distance_deg, map};
use super::matrix::{Border, Matrix};
use super::net::Net;
use super::params::Cell;
use super::temporal;
use crate::onnx::Value;

/// One scale on its way.
struct Stage {
    scale: Scale,
    /// Linear filters in quadrature [N, 2 C, h, w]: C even ones, then C odd ones.
    linear: Value,
    /// Complex cells before normalisation [N, C, h, w].
    energy: Value,
    /// Sum over C, 1 for an optimal grating of contrast 1.
    sum: Value,
}

/// Largest factor of receptive-field sizes up to which a fittable model follows `rf_scale`.
pub(super) const MOST_RF_SCALE: f64 = 2.0;

/// Contrast [N, 1, H, W] to the taps `v1.*`; gives the answers of the complex cells per scale, [N, C, h, w].
pub(super) fn wire(net: &mut Net, contrast: &Value) -> Vec<Value> {
    let scales = Scale::all(net.params);
    let mut levels = vec![contrast.clone()];
    for level in 0..scales.iter().map(|scale| scale.level).max().unwrap_or(0) {
        let [rows, columns] = net.params.size_px.map(|len| Matrix::halve(len >> level));
        let name = format!("v1.level.{}", level + 1);
        let halved = net.separable(&name, &levels[level], &rows, &columns);
        levels.push(halved);
    }
    let stages: Vec<Stage> = scales.iter().map(|scale| stage(net, *scale, &levels[scale.level])).collect();
    (0..stages.len()).map(|index| answers(net, &stages, index)).collect()
}

/// Channels of complex cells: an orientation each, twice that with directions.
pub(super) fn channels(params: &super::Params) -> usize {
    params.orientations * if params.temporal.is_some() { 2 } else { 1 }
}

fn stage(net: &mut Net, scale: Scale, level: &Value) -> Stage {
    let bank = Bank::new(net.params, &scale);
    let spatial = filters(net, &scale, &bank, level);
    let linear = match &net.params.temporal {
        Some(time) => temporal::wire(net, time, &scale, &spatial),
        None => spatial,
    };
    let name = |what: &str| format!("v1.{what}.s{}", scale.index);
    let channels = channels(net.params);
    let square = net.graph.mul(&name("square"), &linear, &linear);
    let mut pairs = vec![0.0; channels * 2 * channels];
    for channel in 0..channels {
        let orientation = channel % net.params.orientations;
        let gain = net.params.lesion_gain(scale.index, orientation, Cell::Complex);
        pairs[channel * 2 * channels + channel] = gain;
        pairs[channel * 2 * channels + channels + channel] = gain;
    }
    let pairs = net.kernels(&name("pairs"), &[channels, 2 * channels, 1, 1], &pairs);
    let energy = net.graph.conv(&name("energy"), &square, &pairs, 1, 0);
    net.graph.describe("even square plus odd square: the same for every phase of a grating");
    let energy = pooled(net, &name("pooled"), &scale, &bank, &energy);
    let ones = vec![1.0 / bank.energy_sum; channels];
    let ones = net.kernels(&name("ones"), &[1, channels, 1, 1], &ones);
    let sum = net.graph.conv(&name("sum"), &energy, &ones, 1, 0);
    Stage { scale, linear, energy, sum }
}

/// The tap `v1.linear`: filters [N, 2 * orientations, h, w], even ones first. Lesioned simple cells have weaker filters,
/// since their answers are squared.
fn filters(net: &mut Net, scale: &Scale, bank: &Bank, level: &Value) -> Value {
    let orientations = net.params.orientations;
    let mut values = bank.values.clone();
    for (filter, plane) in values.chunks_mut(scale.kernel * scale.kernel).enumerate() {
        let gain = net.params.lesion_gain(scale.index, filter % orientations, Cell::Simple).sqrt();
        plane.iter_mut().for_each(|value| *value *= gain);
    }
    let shape = [2 * orientations, 1, scale.kernel, scale.kernel];
    let kernels = net.kernels(&format!("v1.filters.s{}", scale.index), &shape, &values);
    let pad = scale.kernel / 2 - 1;
    let linear = net.graph.conv(&format!("v1.linear.s{}", scale.index), level, &kernels, 2, pad);
    net.graph.describe("linear receptive fields in quadrature, 1 for an optimal grating of contrast 1");
    linear
}

/// Energies pooled until the receptive field has its size: sigma0 * (1 + e / E2).
fn pooled(net: &mut Net, name: &str, scale: &Scale, bank: &Bank, energy: &Value) -> Value {
    // Both in squared distances of neighbouring cells, which are two px apart.
    let filters = bank.sigma_px * bank.sigma_px / 4.0;
    blended(net, name, scale, energy, 1.0, filters)
}

/// `x` smoothed at each place by a Gaussian of variance `factor` * sigma_rf^2 - `less`.
fn blended(net: &mut Net, name: &str, scale: &Scale, x: &Value, factor: f64, less: f64) -> Value {
    let params = net.params;
    let spacing = scale.spacing_deg(params);
    let field = map(params, scale.cells, |place| {
        let eccentricity = distance_deg(place, params.fovea_deg);
        let foveal = params.fields.sigma_cycles / params.scales_cpd[scale.index];
        let sigma = foveal * (1.0 + eccentricity / params.fields.e2_deg) / spacing;
        factor * sigma * sigma
    });
    let square = params.rf_scale * params.rf_scale;
    let wanted: Vec<f64> = field.iter().map(|field| (square * field - less).max(0.0)).collect();
    let most = |values: &[f64]| values.iter().fold(0.0f64, |most, &value| most.max(value));
    let knots = if net.fitted.is_some() {
        knots(0.0, MOST_RF_SCALE * MOST_RF_SCALE * most(&field))
    } else {
        knots(wanted.iter().fold(f64::INFINITY, |least, &value| least.min(value)), most(&wanted))
    };
    let weights = match &net.fitted {
        Some(fitted) => {
            let rf_scale = fitted.rf_scale.clone();
            fitted_weights(net, name, scale, &rf_scale, &field, less, &knots)
        }
        None => {
            let each: Vec<Vec<f64>> = wanted.iter().map(|&variance| weights(&knots, variance)).collect();
            (0..knots.len())
                .map(|knot| {
                    let values: Vec<f64> = each.iter().map(|weights| weights[knot]).collect();
                    net.map(&format!("{name}.weight.{knot}"), scale.cells, &values)
                })
                .collect()
        }
    };
    let mut total: Option<Value> = None;
    for (index, (&variance, weight)) in knots.iter().zip(&weights).enumerate() {
        let smooth = if variance > 0.0 {
            let [rows, columns] = scale.cells.map(|len| Matrix::gaussian(len, variance, Border::Zero));
            net.separable(&format!("{name}.smooth.{index}"), x, &rows, &columns)
        } else {
            x.clone()
        };
        let part = net.graph.mul(&format!("{name}.part.{index}"), &smooth, weight);
        total = Some(match total {
            Some(total) => net.graph.add(&format!("{name}.total.{index}"), &total, &part),
            None => part,
        });
    }
    total.expect("at least one knot")
}

/// [`weights`] of rf_scale^2 * field - less, written into the graph, so that a gradient reaches `rf_scale`.
fn fitted_weights(
    net: &mut Net,
    name: &str,
    scale: &Scale,
    rf_scale: &Value,
    field: &[f64],
    less: f64,
    knots: &[f64],
) -> Vec<Value> {
    let name = |what: &str| format!("{name}.{what}");
    let field = net.map(&name("field"), scale.cells, field);
    let graph = &mut net.graph;
    let square = graph.mul(&name("rf_scale_square"), rf_scale, rf_scale);
    let variance = graph.mul(&name("whole_variance"), &field, &square);
    let less = graph.scalar(&name("filters_variance"), less as f32);
    let variance = graph.sub(&name("variance"), &variance, &less);
    let (zero, one) = (graph.scalar(&name("zero"), 0.0), graph.scalar(&name("one"), 1.0));
    let mut below = one.clone();
    let mut weights = Vec::new();
    for (index, pair) in knots.windows(2).enumerate() {
        let name = |what: &str| name(&format!("{what}.{index}"));
        let knot = graph.scalar(&name("knot"), pair[0] as f32);
        let slope = graph.scalar(&name("slope"), (1.0 / (pair[1] - pair[0])) as f32);
        let above = graph.sub(&name("above"), &variance, &knot);
        let share = graph.mul(&name("share"), &above, &slope);
        let share = graph.clip(&name("clipped"), &share, &zero, &one);
        weights.push(graph.sub(&name("weight"), &below, &share));
        below = share;
    }
    weights.push(below);
    weights
}

/// Normalised answers of one scale: the taps `v1.simple` and `v1.complex` (`v1.direction` with time).
fn answers(net: &mut Net, stages: &[Stage], index: usize) -> Value {
    let stage = &stages[index];
    let name = |what: &str| format!("v1.{what}.s{index}");
    let gain = normalisation(net, stages, index);
    let minus = net.graph.neg(&name("minus"), &stage.linear);
    let both = net.graph.concat(&name("signs"), &[&stage.linear, &minus], 1);
    let half = net.graph.relu(&name("rectified"), &both);
    let half_square = net.graph.mul(&name("half_square"), &half, &half);
    net.graph.mul(&name("simple"), &half_square, &gain);
    net.graph.describe("simple cells: half-squared filters, normalised; phases 0, 90, 180, 270 deg");
    let what = if net.params.temporal.is_some() { "direction" } else { "complex" };
    let answer = net.graph.mul(&name(what), &stage.energy, &gain);
    net.graph.describe("complex cells: energies, normalised");
    answer
}

/// gain / (sigma^2 + pools), [N, 1, h, w].
fn normalisation(net: &mut Net, stages: &[Stage], index: usize) -> Value {
    let pools = &net.params.normalisation;
    let scale = &stages[index].scale;
    let name = |what: &str| format!("v1.{what}.s{index}");
    let pool = local_pool(net, stages, index);
    // The pooled energies have the receptive field's size already; the surround adds the rest.
    let size = pools.surround_size * pools.surround_size - 1.0;
    let wide = blended(net, &name("surround"), scale, &pool, size, 0.0);
    let graph = &mut net.graph;
    let local_weight = graph.scalar(&name("local_weight"), pools.local_weight as f32);
    let surround_weight = graph.scalar(&name("surround_weight"), pools.surround_weight as f32);
    let sigma = pools.sigma_contrast;
    let sigma = graph.scalar(&name("sigma_square"), (sigma * sigma) as f32);
    let local = graph.mul(&name("local"), &pool, &local_weight);
    let surround = graph.mul(&name("wide"), &wide, &surround_weight);
    let both = graph.add(&name("pools"), &local, &surround);
    let total = graph.add(&name("normaliser"), &both, &sigma);
    let gain = match &net.fitted {
        Some(fitted) => fitted.gain.clone(),
        None => graph.scalar(&name("answer_gain"), net.params.gain as f32),
    };
    graph.div(&name("gain"), &gain, &total)
}

/// The own scale's summed energy and a part of its neighbours', on its own grid.
fn local_pool(net: &mut Net, stages: &[Stage], index: usize) -> Value {
    let part = net.params.normalisation.neighbour_scale;
    let name = |what: &str| format!("v1.{what}.s{index}");
    let mut total = stages[index].sum.clone();
    let neighbours = [index.checked_sub(1), Some(index + 1)];
    for neighbour in neighbours.into_iter().flatten().filter(|&other| part > 0.0 && other < stages.len()) {
        let name = |what: &str| name(&format!("{what}.from.s{neighbour}"));
        let (from, to) = (stages[neighbour].scale.cells, stages[index].scale.cells);
        let mut moved = stages[neighbour].sum.clone();
        if from != to {
            let [rows, columns] = [0, 1].map(|axis| Matrix::resample(from[axis], to[axis]));
            moved = net.separable(&name("moved"), &moved, &rows, &columns);
        }
        let weight = net.graph.scalar(&name("weight"), part as f32);
        let weighted = net.graph.mul(&name("weighted"), &moved, &weight);
        total = net.graph.add(&name("with"), &total, &weighted);
    }
    total
}
