//! The embedded default: a primary visual cortex with known physiology, written as an ONNX file.
//!
//! ```text
//! light -> retina: / local luminance, centre - surround, contrast gain control   retina.contrast
//!       -> filters in quadrature: orientations x scales x 2 phases               v1.linear.s0 ...
//!            -> half-squared, / pool                                             v1.simple.s0 ...
//!            -> even^2 + odd^2, pooled over the receptive field, / pool          v1.complex.s0 ..., v1.complex
//! ```
//!
//! The pool is a weighted sum of energies over all orientations, neighbouring scales, and space: one divisor gives contrast
//! saturation, cross-orientation suppression and surround suppression (Heeger, Vis. Neurosci. 9, 1992; Carandini and Heeger,
//! Nat. Rev. Neurosci. 13, 2012). Coarse scales run on halved images. With [`Temporal`] the filters are followed by temporal
//! ones, and the cells prefer a direction of motion (`v1.direction`).
//!
//! [`build`] gives the same bytes for the same parameters on every machine. What the model does to gratings, spots and
//! masks is measured in `tests/physiology.rs`, against what has been published.

mod blend;
mod check;
mod cortex;
mod filters;
mod grid;
mod matrix;
mod net;
mod params;
mod retina;
mod taps;
mod temporal;

pub use check::{Fault, LEAST_CYCLE_PX};
pub use params::{Cell, Eye, Fields, Lesion, Noise, Normalisation, Params, Retina, Scotoma, Temporal};
pub use taps::{FittableInput, Tap, Unit, fittable_inputs, output_name, taps, units};

use grid::Scale;
use net::{Fitted, Net};

use crate::onnx::{Dim, Graph, Value};

/// The model as an ONNX file.
///
/// Inputs: `image` [1, 1, H, W], linear light with the mean 0.5; with [`Temporal`] [1, T, 1, H, W]. With `fittable` or
/// `open_batch` the first axis is open. Then, where asked for, `noise` of the output's shape and the five inputs of
/// [`fittable_inputs`]. Output: [`output_name`], the units of [`units`]; [`taps`] lists what else can be read.
///
/// # Errors
/// What [`Params::check`] finds.
pub fn build(params: &Params) -> Result<Vec<u8>, Fault> {
    params.check()?;
    let graph =
        Graph::new("v1", "Primary visual cortex of Photic: retina, simple and complex cells, normalisation.");
    let mut net = Net::new(graph, params);
    let image = inputs(&mut net);
    let contrast = retina::wire(&mut net, &image);
    let answers = cortex::wire(&mut net, &contrast);
    let all = flattened(&mut net, &answers);
    output(&mut net, &all);
    properties(&mut net);
    net.finish()
}

impl Params {
    /// Standard deviation of the receptive fields of a scale at a place [x, y].
    pub fn rf_sigma_deg(&self, scale: usize, place_deg: [f64; 2]) -> f64 {
        let foveal = self.rf_scale * self.fields.sigma_cycles / self.scales_cpd[scale];
        foveal * (1.0 + grid::distance_deg(place_deg, self.fovea_deg) / self.fields.e2_deg)
    }
}

/// Declares the inputs; gives the image as [N, 1, H, W], the frames of a movie as images.
fn inputs(net: &mut Net) -> Value {
    let params = net.params;
    let [height, width] = params.size_px;
    let batch = net.batch();
    let space = [Dim::Fixed(1), Dim::Fixed(height), Dim::Fixed(width)];
    let doc = "linear light, 0 is the screen's black, 1 its white, 0.5 the mean";
    let image = match params.temporal {
        Some(time) => {
            let movie =
                net.graph.input("image", &[&[batch, Dim::Fixed(time.frames)], &space[..]].concat(), doc);
            net.graph.reshape("frames", &movie, &[-1, 1, height as i64, width as i64])
        }
        None => net.graph.input("image", &[&[batch], &space[..]].concat(), doc),
    };
    if params.fittable {
        let mut inputs = fittable_inputs(params).into_iter();
        let mut next = || {
            let input = inputs.next().expect("five inputs");
            net.graph.input(input.name, &[Dim::Fixed(1)], input.meaning)
        };
        net.fitted = Some(Fitted {
            scotoma_x_deg: next(),
            scotoma_y_deg: next(),
            scotoma_radius_deg: next(),
            gain: next(),
            rf_scale: next(),
        });
    }
    image
}

/// The answers of all scales side by side: [N, units], or [N, T, units].
fn flattened(net: &mut Net, answers: &[Value]) -> Value {
    let frames = net.params.temporal.map(|time| time.frames as i64);
    let name = if frames.is_some() { "v1.direction" } else { "v1.complex" };
    let mut flat = Vec::new();
    for (index, (answer, scale)) in answers.iter().zip(Scale::all(net.params)).enumerate() {
        let units = (cortex::channels(net.params) * scale.count()) as i64;
        let shape = frames.map_or(vec![-1, units], |frames| vec![-1, frames, units]);
        flat.push(net.graph.reshape(&format!("v1.flat.s{index}"), answer, &shape));
    }
    let parts: Vec<&Value> = flat.iter().collect();
    net.graph.concat(name, &parts, -1)
}

/// Declares the output, with noise where it is asked for.
fn output(net: &mut Net, answers: &Value) {
    let params = net.params;
    let units = Scale::all(params).iter().map(|scale| cortex::channels(params) * scale.count()).sum();
    let mut shape = vec![net.batch()];
    shape.extend(params.temporal.map(|time| Dim::Fixed(time.frames)));
    shape.push(Dim::Fixed(units));
    let answers = match params.noise {
        Some(noise) => noisy(net, answers, &noise, &shape),
        None => answers.clone(),
    };
    net.graph.output(&answers, &shape, "answers of the complex cells");
}

/// answer + noise * sqrt(fano * answer + floor).
fn noisy(net: &mut Net, answers: &Value, noise: &Noise, shape: &[Dim]) -> Value {
    let graph = &mut net.graph;
    let numbers = graph.input("noise", shape, "standard normal numbers");
    let fano = graph.scalar("noise.fano", noise.fano as f32);
    let floor = graph.scalar("noise.floor", noise.floor as f32);
    let variance = graph.mul("noise.part", answers, &fano);
    let variance = graph.add("noise.variance", &variance, &floor);
    let sigma = graph.sqrt("noise.sigma", &variance);
    let scaled = graph.mul("noise.scaled", &numbers, &sigma);
    graph.add("v1.response", answers, &scaled)
}

/// The parameters and taps as the file's metadata.
fn properties(net: &mut Net) {
    let (params, graph) = (net.params, &mut net.graph);
    let list = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    graph.property("px_per_deg", params.px_per_deg());
    graph.property("width_deg", params.width_deg);
    graph.property("fovea_deg", list(&params.fovea_deg));
    graph.property("scales_cpd", list(&params.scales_cpd));
    let orientations: Vec<f64> = (0..params.orientations).map(|k| params.orientation_deg(k)).collect();
    graph.property("orientation_deg", list(&orientations));
    graph.property("input", "image: linear light, mean 0.5");
    graph.property("output", output_name(params));
    graph.property("params", format!("{params:?}"));
    for tap in taps(params) {
        let scale = tap.scale.map_or(String::new(), |(_, cpd)| format!(", {cpd} cpd"));
        let value = format!("{}: {}{scale}, shape {:?}", tap.area, tap.meaning, tap.shape);
        graph.property(&format!("tap {}", tap.name), value);
    }
    said_to_encoders(net);
}

/// What [`crate::encoder`] reads of a file: layout and meaning of its numbers, values and bounds of the other inputs.
fn said_to_encoders(net: &mut Net) {
    let (params, graph) = (net.params, &mut net.graph);
    graph.property("photic.layout", if params.temporal.is_some() { "ntchw" } else { "nchw" });
    graph.property("photic.transfer", "linear");
    graph.property("photic.mean", 0);
    graph.property("photic.sd", 1);
    if params.noise.is_some() {
        graph.property("photic.parameter.noise", 0);
    }
    for input in fittable_inputs(params).iter().filter(|_| params.fittable) {
        let [low, high] = input.bounds;
        graph
            .property(&format!("photic.parameter.{}", input.name), format!("{}, {low}, {high}", input.start));
    }
}
