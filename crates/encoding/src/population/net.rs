//! A brain as an ONNX graph.

use core::f64::consts::TAU;

use super::draw::{Family, Population, Spec};
use crate::onnx::{Attribute, Dim, Graph, GraphError, Value};

/// Level far above the semisaturation; at it, the level is half of this. With the semisaturation at the drive of the best
/// picture that can be shown, that picture has the level 0.85: a brain that no picture saturates.
pub const MOST: f64 = 1.7;
/// Window of a filter in standard deviations, either side.
const REACH: f64 = 2.2;
/// Places along a side over which the maximum is taken.
const MAXIMUM: usize = 5;

/// Writes the graph: input `image` [1, 1, n, n] of linear light, output `level` [1, populations], 0..1; `drive` is the same
/// before saturation.
///
/// # Errors
/// A spec that makes no graph: sizes that contradict, numbers that are not finite.
pub fn build(spec: &Spec) -> Result<Vec<u8>, GraphError> {
    let mut graph = Graph::new("population", "A visual brain that is not the embedded V1.");
    let n = spec.texels;
    let doc = "linear light, 0 is the screen's black, 1 its white, 0.5 the mean";
    let image = graph.input("image", &[Dim::Fixed(1), Dim::Fixed(1), Dim::Fixed(n), Dim::Fixed(n)], doc);
    let two = graph.scalar("two", 2.0);
    let one = graph.scalar("one", 1.0);
    let doubled = graph.mul("doubled", &image, &two);
    let pattern = graph.sub("pattern", &doubled, &one);
    let cells: Vec<Value> =
        (0..spec.scales_cpd.len()).map(|scale| cells_of(&mut graph, spec, scale, &pattern)).collect();
    let cells = normalised(&mut graph, spec, &cells);
    let drives: Vec<Value> = spec
        .populations
        .iter()
        .enumerate()
        .map(|(number, population)| drive_of(&mut graph, spec, number, population, &cells))
        .collect();
    let parts: Vec<&Value> = drives.iter().collect();
    let drive = graph.concat("drive", &parts, 1);
    // No exponent here: the cells have theirs.
    let half: Vec<f32> = spec.semisaturation.iter().map(|s| *s as f32).collect();
    let half = graph.constant("semisaturation", &[1, half.len()], &half);
    let below = graph.add("drive.below", &drive, &half);
    let part = graph.div("level.part", &drive, &below);
    let most = graph.scalar("level.most", MOST as f32);
    let level = graph.mul("level", &part, &most);
    graph.output(&level, &[Dim::Fixed(1), Dim::Fixed(spec.populations.len())], "level of each population");
    graph.property("photic.layout", "nchw");
    graph.property("photic.transfer", "linear");
    graph.property("photic.mean", 0);
    graph.property("photic.sd", 1);
    graph.property("spec", format!("{spec:?}"));
    graph.finish()
}

/// Answers of one scale before normalisation, [1, orientations, n, n].
fn cells_of(graph: &mut Graph, spec: &Spec, scale: usize, pattern: &Value) -> Value {
    let (count, name) = (spec.orientations_rad.len(), |what: &str| format!("{what}.s{scale}"));
    let (kernels, side) = filters(spec, scale);
    let kernels = graph.constant(&name("filters"), &[2 * count, 1, side, side], &kernels);
    let linear = graph.conv(&name("linear"), pattern, &kernels, 1, side / 2);
    let rectified = match spec.family {
        Family::Maximum => graph.relu(&name("rectified"), &linear),
        Family::Energy | Family::Conjunction => linear,
    };
    let square = graph.mul(&name("square"), &rectified, &rectified);
    let mut pairs = vec![0.0; count * 2 * count];
    for at in 0..count {
        pairs[at * 2 * count + at] = 1.0;
        pairs[at * 2 * count + count + at] = 1.0;
    }
    let pairs = graph.constant(&name("pairs"), &[count, 2 * count, 1, 1], &pairs);
    graph.conv(&name("energy"), &square, &pairs, 1, 0)
}

/// Divides by a pool over all orientations, scales and neighbouring places; [1, scales * orientations, n, n].
fn normalised(graph: &mut Graph, spec: &Spec, energies: &[Value]) -> Value {
    let parts: Vec<&Value> = energies.iter().collect();
    let all = graph.concat("energy", &parts, 1);
    let count = spec.orientations_rad.len() * energies.len();
    let mean = graph.constant("pool.mean", &[1, count, 1, 1], &vec![1.0 / count as f32; count]);
    let mean = graph.conv("pool.all", &all, &mean, 1, 0);
    let reach = (2.5 * spec.pool_deg * spec.texels_per_deg).ceil() as usize;
    let blur: Vec<f64> = (0..=2 * reach)
        .map(|at| {
            let off = (at as f64 - reach as f64) / (spec.pool_deg * spec.texels_per_deg);
            libm::exp(-0.5 * off * off)
        })
        .collect();
    let sum: f64 = blur.iter().sum();
    let side = blur.len();
    let plane: Vec<f32> =
        blur.iter().flat_map(|a| blur.iter().map(move |b| (a * b / (sum * sum)) as f32)).collect();
    let blur = graph.constant("pool.blur", &[1, 1, side, side], &plane);
    let pool = graph.conv("pool", &mean, &blur, 1, reach);
    // A root of zero has no slope; this much energy is far below what can be seen.
    let least = graph.scalar("least", 1e-9);
    let half = graph.scalar("root", (0.5 * spec.exponent) as f32);
    let weight = graph.scalar("pool.weight", ((6.0 * spec.pool) * (6.0 * spec.pool)) as f32);
    let floor = graph.scalar("floor", libm::pow(0.3, spec.exponent) as f32);
    let base = graph.add("energy.base", &all, &least);
    let above = graph.node("answer", "Pow", &[&base, &half], &[]);
    let pool = graph.mul("pool.weighted", &pool, &pool);
    let pool = graph.mul("pool.scaled", &pool, &weight);
    let pool = graph.add("pool.base", &pool, &least);
    let quarter = graph.scalar("pool.root", (0.25 * spec.exponent) as f32);
    let pool = graph.node("pool.rooted", "Pow", &[&pool, &quarter], &[]);
    let below = graph.add("below", &pool, &floor);
    let answers = graph.div("answers", &above, &below);
    match spec.family {
        Family::Maximum => {
            let (side, pad) = (MAXIMUM as i64, MAXIMUM as i64 / 2);
            graph.node(
                "maxima",
                "MaxPool",
                &[&answers],
                &[
                    ("kernel_shape", Attribute::Ints(vec![side, side])),
                    ("pads", Attribute::Ints(vec![pad; 4])),
                    ("strides", Attribute::Ints(vec![1, 1])),
                ],
            )
        }
        Family::Energy | Family::Conjunction => answers,
    }
}

/// What drives one population, [1, 1].
fn drive_of(graph: &mut Graph, spec: &Spec, number: usize, of: &Population, cells: &Value) -> Value {
    let name = |what: &str| format!("{what}.p{number}");
    let (count, scales) = (spec.orientations_rad.len(), spec.scales_cpd.len());
    let tuned = |preferred: f64| -> Vec<f64> {
        let raw = spec
            .orientations_rad
            .iter()
            .map(|o| libm::exp(of.concentration * (libm::cos(2.0 * (o - preferred)) - 1.0)));
        let raw: Vec<f64> = raw.collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|w| w / sum).collect()
    };
    let by_scale: Vec<f64> = {
        let raw: Vec<f64> = spec
            .scales_cpd
            .iter()
            .map(|cpd| {
                let off = libm::log2(cpd / of.cpd) / of.octaves;
                libm::exp(-0.5 * off * off)
            })
            .collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|w| w / sum).collect()
    };
    let weights = |turned: &[f64]| -> Vec<f32> {
        by_scale.iter().flat_map(|s| turned.iter().map(move |o| (s * o) as f32)).collect()
    };
    let mut answer = |what: &str, turned: &[f64]| {
        let kernel =
            graph.constant(&name(&format!("{what}.weights")), &[1, scales * count, 1, 1], &weights(turned));
        graph.conv(&name(what), cells, &kernel, 1, 0)
    };
    let first = answer("first", &tuned(of.orientation_rad));
    let even = answer("even", &vec![1.0 / count as f64; count]);
    let excited = match spec.family {
        Family::Energy | Family::Maximum => first,
        Family::Conjunction => {
            let second = answer("second", &tuned(of.second_rad));
            let product = graph.mul(&name("product"), &first, &second);
            let least = graph.scalar(&name("product.least"), 1e-9);
            let base = graph.add(&name("product.base"), &product, &least);
            graph.sqrt(&name("conjunction"), &base)
        }
    };
    let inhibition = graph.scalar(&name("inhibition"), of.inhibition as f32);
    let inhibited = graph.mul(&name("inhibited"), &even, &inhibition);
    let left = graph.sub(&name("left"), &excited, &inhibited);
    let n = spec.texels;
    let place = field(spec, of);
    let place = graph.constant(&name("place"), &[1, 1, n, n], &place);
    // A full-size kernel: the weighted sum over all places.
    let sum = graph.conv(&name("sum"), &left, &place, 1, 0);
    let sum = graph.relu(&name("driven"), &sum);
    graph.reshape(&name("drive"), &sum, &[1, 1])
}

/// Weight of each place, summing to 1.
fn field(spec: &Spec, of: &Population) -> Vec<f32> {
    let n = spec.texels;
    let along = |at: usize| (at as f64 + 0.5 - n as f64 / 2.0) / spec.texels_per_deg;
    let raw: Vec<f64> = (0..n * n)
        .map(|at| {
            let (dx, dy) = (along(at % n) - of.centre_deg[0], -along(at / n) - of.centre_deg[1]);
            libm::exp(-0.5 * (dx * dx + dy * dy) / (of.sd_deg * of.sd_deg))
        })
        .collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|w| (w / sum) as f32).collect()
}

/// Filters of one scale, even ones first, each of unit norm and without answer to uniform light; and their side.
fn filters(spec: &Spec, scale: usize) -> (Vec<f32>, usize) {
    let cpd = spec.scales_cpd[scale];
    let sigma = spec.sigma_cycles / cpd;
    let half = (REACH * sigma * spec.aspect.max(1.0) * spec.texels_per_deg).ceil() as usize;
    let side = 2 * half + 1;
    let mut values = Vec::new();
    for phase in [0.0, 0.25 * TAU] {
        for orientation in &spec.orientations_rad {
            let (cos, sin) = (libm::cos(*orientation), libm::sin(*orientation));
            let at = |index: usize| {
                let x = (index % side) as f64 - half as f64;
                let y = half as f64 - (index / side) as f64;
                let (x, y) = (x / spec.texels_per_deg, y / spec.texels_per_deg);
                let (u, v) = (cos * x + sin * y, -sin * x + cos * y);
                let long = sigma * spec.aspect;
                let window = libm::exp(-0.5 * (u * u / (sigma * sigma) + v * v / (long * long)));
                (window, window * libm::cos(TAU * cpd * u + phase))
            };
            let (windows, mut filter): (Vec<f64>, Vec<f64>) = (0..side * side).map(at).unzip();
            let mean = filter.iter().sum::<f64>() / windows.iter().sum::<f64>();
            filter.iter_mut().zip(&windows).for_each(|(f, w)| *f -= mean * w);
            let norm = filter.iter().map(|f| f * f).sum::<f64>().sqrt();
            values.extend(filter.iter().map(|f| (f / norm) as f32));
        }
    }
    (values, side)
}
