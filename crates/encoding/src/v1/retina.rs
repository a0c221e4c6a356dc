//! From light to contrast: adaptation to the local luminance, centre and surround, contrast gain control.

use super::grid::distance_deg;
use super::matrix::{Border, Matrix};
use super::net::Net;
use crate::onnx::Value;

/// Light [N, 1, H, W] to the tap `retina.contrast` of the same shape.
///
/// Around the adapted light everything is relative (Weber), so outside of the image the light is taken to be like that at
/// its border, and zeros beyond it mean no contrast.
pub(super) fn wire(net: &mut Net, light: &Value) -> Value {
    let adapted = adapt(net, light);
    let seen = match sight(net) {
        Some(sight) => net.graph.mul("retina.seen", &adapted, &sight),
        None => adapted,
    };
    let retina = &net.params.retina;
    let surround = smoothed(net, "retina.surround", &seen, retina.surround_sigma_deg);
    let centre = smoothed(net, "retina.centre", &seen, retina.centre_sigma_deg);
    let weight = net.graph.scalar("retina.surround_weight", retina.surround_weight as f32);
    let surround = net.graph.mul("retina.weighted_surround", &surround, &weight);
    let opponent = net.graph.sub("retina.opponent", &centre, &surround);
    gain_control(net, &opponent)
}

/// (light - local mean) / (local mean + dark light).
fn adapt(net: &mut Net, light: &Value) -> Value {
    let retina = &net.params.retina;
    let mean = coarse(net, "retina.luminance", light, retina.adaptation_sigma_deg, Border::Inside);
    let mean = finer(net, "retina.luminance", mean);
    let dark = net.graph.scalar("retina.dark_light", retina.dark_light as f32);
    let difference = net.graph.sub("retina.difference", light, &mean);
    let scale = net.graph.add("retina.adaptation", &mean, &dark);
    let weber = net.graph.div("retina.weber", &difference, &scale);
    net.graph.describe("contrast relative to the local luminance");
    weber
}

/// Opponent signal times c50 / sqrt(c50^2 + local mean square).
fn gain_control(net: &mut Net, opponent: &Value) -> Value {
    let retina = &net.params.retina;
    let square = net.graph.mul("retina.square", opponent, opponent);
    let sigma_deg = retina.gain_control_sigma_deg;
    let (energy, factor) = coarse(net, "retina.energy", &square, sigma_deg, Border::Zero);
    let half = retina.gain_control_contrast;
    let half_square = net.graph.scalar("retina.gain_control_contrast_square", (half * half) as f32);
    let half = net.graph.scalar("retina.gain_control_contrast", half as f32);
    let sum = net.graph.add("retina.energy_and_half", &energy, &half_square);
    let root = net.graph.sqrt("retina.root", &sum);
    let gain = net.graph.div("retina.coarse_gain", &half, &root);
    let gain = finer(net, "retina.gain", (gain, factor));
    let contrast = net.graph.mul("retina.contrast", opponent, &gain);
    net.graph.describe("answers of the retina, on minus off");
    contrast
}

/// A slowly varying mean, on a grid that is coarser by the factor that is returned.
fn coarse(net: &mut Net, name: &str, x: &Value, sigma_deg: f64, border: Border) -> (Value, usize) {
    let sigma = sigma_deg * net.params.px_per_deg();
    let [height, width] = net.params.size_px;
    let fits = |factor: &usize| {
        height % factor == 0 && width % factor == 0 && 2.0 * *factor as f64 <= sigma.max(2.0)
    };
    let factor = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
    let [rows, columns] = [height, width].map(|len| Matrix::reduce(len, factor, sigma, border));
    (net.separable(&format!("{name}.coarse"), x, &rows, &columns), factor)
}

/// Back to the image's own grid.
fn finer(net: &mut Net, name: &str, (x, factor): (Value, usize)) -> Value {
    if factor == 1 {
        return x;
    }
    let [rows, columns] = net.params.size_px.map(|len| Matrix::resample(len / factor, len));
    net.separable(name, &x, &rows, &columns)
}

fn smoothed(net: &mut Net, name: &str, x: &Value, sigma_deg: f64) -> Value {
    let sigma = sigma_deg * net.params.px_per_deg();
    let [rows, columns] = net.params.size_px.map(|len| Matrix::gaussian(len, sigma * sigma, Border::Zero));
    net.separable(name, x, &rows, &columns)
}

/// What scotomata leave of the sight, [1, 1, H, W]; none where all is sound.
fn sight(net: &mut Net) -> Option<Value> {
    let params = net.params;
    let fixed: Vec<_> = params.fixed_scotomata().collect();
    let fixed = (!fixed.is_empty()).then(|| {
        net.map_of("retina.fixed_sight", params.size_px, |place| {
            fixed.iter().map(|scotoma| scotoma.sight(distance_deg(place, scotoma.centre_deg))).product()
        })
    });
    match (fixed, fitted_sight(net)) {
        (Some(fixed), Some(fitted)) => Some(net.graph.mul("retina.sight", &fixed, &fitted)),
        (fixed, fitted) => fixed.or(fitted),
    }
}

/// 1 - depth * sigmoid((radius - distance) / softness) with centre and radius as inputs.
fn fitted_sight(net: &mut Net) -> Option<Value> {
    let params = net.params;
    net.fitted.as_ref()?;
    let start = params.fitted_scotoma();
    let x = net.map_of("retina.x_deg", params.size_px, |place| place[0]);
    let y = net.map_of("retina.y_deg", params.size_px, |place| place[1]);
    let (graph, fitted) = (&mut net.graph, net.fitted.as_ref()?);
    let right = graph.sub("scotoma.right", &x, &fitted.scotoma_x_deg);
    let up = graph.sub("scotoma.up", &y, &fitted.scotoma_y_deg);
    let right = graph.mul("scotoma.right_square", &right, &right);
    let up = graph.mul("scotoma.up_square", &up, &up);
    let square = graph.add("scotoma.square", &right, &up);
    // Keeps the root's slope finite in the very centre.
    let least = graph.scalar("scotoma.least", 1e-6);
    let square = graph.add("scotoma.kept_square", &square, &least);
    let distance = graph.sqrt("scotoma.distance_deg", &square);
    let inside = graph.sub("scotoma.inside_deg", &fitted.scotoma_radius_deg, &distance);
    let steepness = graph.scalar("scotoma.steepness_per_deg", (1.0 / start.softness_deg) as f32);
    let scaled = graph.mul("scotoma.scaled", &inside, &steepness);
    let blind = graph.sigmoid("scotoma.blind", &scaled);
    let depth = graph.scalar("scotoma.depth", start.depth as f32);
    let lost = graph.mul("scotoma.lost", &blind, &depth);
    let one = graph.scalar("scotoma.one", 1.0);
    Some(graph.sub("scotoma.sight", &one, &lost))
}
