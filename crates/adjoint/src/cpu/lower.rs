//! Lowering: semantic nodes are replaced by kernels where the kernels serve them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::convolution::{self, CpuConvolution, Wanted};
use super::{pool, product, rows, timing};
use crate::kernel::{ConvGeometry, Convolution, Direction, Epilogue, Method, Threads};
use crate::memory;
use crate::ops::SwapChannels;
use crate::tract::op::{Const, Conv, Deconv, Dummy, EinSum};
use crate::tract::*;

/// The method that a node was given, and what it cost at load.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The node.
    pub node: String,
    /// What it does, with its shapes.
    pub what: String,
    /// The method.
    pub method: String,
    /// The shortest time seen at load and what reading the packed weights adds, in nanoseconds; none where there was
    /// nothing to choose.
    pub time_ns: Option<u64>,
}

/// Packed weights of so many bytes are worth a call to the system for the memory of the unpacked ones.
const RETURNED_BYTES: usize = 1 << 20;
/// The most bytes of packed weights by which a method may win: it is the user's memory, and while the methods are tried
/// the model's own weights stand beside it.
const MOST_PACKED: usize = 48 << 20;
/// What a method pays for a byte of packed weights, in nanoseconds: in a step they come from main memory, at about
/// 5 GB/s, while the repeated runs at load find them in a cache. It also keeps the memory small where that costs little.
const STREAMING_NS: f64 = 0.2;

/// Finds the fastest method for each convolution by running it; asks once per shape.
pub(crate) struct Tuner {
    threads: Threads,
    known: BTreeMap<String, (Method, Option<Duration>)>,
    runs: usize,
}

impl Tuner {
    /// `runs` timed runs per method; with 0 the method is taken by its number of multiplications.
    pub fn new(threads: &Threads, runs: usize) -> Self {
        Self { threads: threads.clone(), known: BTreeMap::new(), runs }
    }

    fn method(&mut self, wanted: &Wanted) -> TractResult<(Method, Option<Duration>)> {
        let key = format!("{:?} {:?}", wanted.geometry, wanted.direction);
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let mut candidates = Convolution::candidates(&wanted.geometry, wanted.direction);
        let fewest = candidates.iter().map(|candidate| candidate.packed_len).min().unwrap_or(0);
        candidates.retain(|candidate| candidate.packed_len <= fewest.max(MOST_PACKED / 4));
        let first = candidates.first().context("a convolution without a method")?.method;
        let mut best = (first, None);
        if candidates.len() > 1 && self.runs > 0 {
            // The leanest first: it bounds what the others can reach, and some need not even be packed.
            candidates.sort_by_key(|candidate| candidate.packed_len);
            let leanest = candidates[0];
            let mut bound = None;
            for candidate in candidates {
                let fewer = candidate.multiplications as f64 / leanest.multiplications as f64;
                let least = bound
                    .map(|time: Duration| time.mul_f64(fewer / 2.0) + streaming(4 * candidate.packed_len));
                if least.zip(best.1).is_some_and(|(least, best)| least > best) {
                    continue;
                }
                let time = self.time(wanted, candidate.method, best.1)?;
                bound = bound.or(Some(time));
                if best.1.is_none_or(|other| time < other) {
                    best = (candidate.method, Some(time));
                }
            }
        }
        self.known.insert(key, best);
        Ok(best)
    }

    fn time(&self, wanted: &Wanted, method: Method, best: Option<Duration>) -> TractResult<Duration> {
        let kernel = prepare(wanted, method)?;
        let (input_len, output_len) = lengths(&wanted.geometry, wanted.direction);
        // Values of ordinary size: zeros or denormals could favour a method.
        let input: Vec<f32> = (0..input_len).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
        let mut output = vec![0f32; output_len];
        let mut scratch = vec![0f32; kernel.scratch_len(&self.threads)];
        let mut run = || kernel.run(&input, &mut output, &mut scratch, &Epilogue::default(), &self.threads);
        run()?;
        Ok(timing::shortest(self.runs, best, run)? + streaming(kernel.packed_bytes()))
    }
}

fn streaming(packed_bytes: usize) -> Duration {
    Duration::from_nanos((packed_bytes as f64 * STREAMING_NS) as u64)
}

/// Kernels by what they compute: nodes that share their weights (the steps of a recurrent area) share the packed ones.
struct Packed(Vec<(Key, ConvGeometry, Arc<Convolution>)>);

/// What decides over packed weights beside the geometry: direction, method, the order of the channels, and a hash of the
/// values.
type Key = (Direction, Method, bool, u64);

impl Packed {
    fn kernel(&mut self, wanted: &Wanted, method: Method) -> TractResult<Arc<Convolution>> {
        let mut hasher = DefaultHasher::new();
        let bits = |values: &[f32], hasher: &mut DefaultHasher| {
            values.iter().for_each(|value| hasher.write_u32(value.to_bits()));
        };
        bits(wanted.weights()?.values, &mut hasher);
        wanted.bias.iter().for_each(|bias| bits(bias, &mut hasher));
        let key = (wanted.direction, method, wanted.swapped, hasher.finish());
        let mut known = self.0.iter().filter(|(other, ..)| *other == key);
        if let Some((.., kernel)) = known.clone().find(|(_, geometry, _)| *geometry == wanted.geometry) {
            return Ok(kernel.clone());
        }
        let kernel = match known.find_map(|(.., kernel)| kernel.placed(&wanted.geometry)) {
            Some(kernel) => kernel,
            None => prepare(wanted, method)?,
        };
        let kernel = Arc::new(kernel);
        self.0.push((key, wanted.geometry, kernel.clone()));
        Ok(kernel)
    }
}

fn prepare(wanted: &Wanted, method: Method) -> TractResult<Convolution> {
    let Wanted { geometry, direction, bias, .. } = wanted;
    Ok(Convolution::prepare(geometry, wanted.weights()?, bias.as_deref(), *direction, method)?)
}

fn lengths(geometry: &ConvGeometry, direction: Direction) -> (usize, usize) {
    match direction {
        Direction::Forward => (geometry.input_len(), geometry.output_len()),
        Direction::InputGradient => (geometry.output_len(), geometry.input_len()),
    }
}

/// A convolution that the kernels serve.
struct Job {
    graph: usize,
    node: usize,
    /// Its place in the graph's order.
    place: usize,
    /// The first job with the same weights.
    first: usize,
    bytes: usize,
}

/// Replaces the convolutions that the kernels serve in graphs that share their weights, and says what was chosen for
/// each.
///
/// The largest weights come first, in all graphs at once: until they are packed for the last time they stand beside
/// everything that was packed before them.
pub(super) fn convolutions<const GRAPHS: usize>(
    mut models: [&mut TypedModel; GRAPHS],
    tuner: &mut Tuner,
) -> TractResult<[Vec<Chosen>; GRAPHS]> {
    let mut chosen = [const { Vec::new() }; GRAPHS];
    let mut packed = [const { Packed(Vec::new()) }; GRAPHS];
    for Job { graph, node, place, .. } in jobs(&models)? {
        let model = &mut *models[graph];
        let node = model.node(node).clone();
        let Some(wanted) = wanted(model, &node)? else { continue };
        let (method, time) = tuner.method(&wanted)?;
        let made = Chosen {
            node: node.name.clone(),
            what: describe(&wanted),
            method: format!("{method:?}"),
            time_ns: time.map(|time| time.as_nanos() as u64),
        };
        chosen[graph].push((place, made));
        let kernel = packed[graph].kernel(&wanted, method)?;
        let bytes = kernel.packed_bytes();
        replace(model, &node, &node.inputs[..1], CpuConvolution { kernel, output: wanted.output })?;
        drop((node, wanted.weights));
        if bytes > RETURNED_BYTES {
            forget_unused(model)?;
            memory::give_back();
        }
    }
    for model in &mut models {
        swapped_kernels(model)?;
    }
    Ok(chosen.map(|mut chosen| {
        chosen.sort_by_key(|(place, _)| *place);
        chosen.into_iter().map(|(_, chosen)| chosen).collect()
    }))
}

/// The largest weights first; those of one size by where they are first used, not by where they lie.
fn jobs(models: &[&mut TypedModel]) -> TractResult<Vec<Job>> {
    let mut jobs = Vec::new();
    let mut firsts = BTreeMap::new();
    for (graph, model) in models.iter().enumerate() {
        for (place, node) in model.eval_order()?.into_iter().enumerate() {
            if let Some(wanted) = wanted(model, model.node(node))? {
                let first = *firsts.entry(Arc::as_ptr(&wanted.weights)).or_insert(jobs.len());
                jobs.push(Job { graph, node, place, first, bytes: wanted.weights.len() * 4 });
            }
        }
    }
    jobs.sort_by_key(|job| (Reverse(job.bytes), job.first));
    Ok(jobs)
}

/// Lets go of the constants that only replaced nodes read: the graph keeps those nodes until it is next put in order.
fn forget_unused(model: &mut TypedModel) -> TractResult<()> {
    let mut used = vec![false; model.nodes.len()];
    model.eval_order()?.into_iter().for_each(|id| used[id] = true);
    for node in model.nodes.iter_mut().filter(|node| !used[node.id] && node.op_is::<Const>()) {
        node.op = Box::new(Dummy::new());
        node.outputs.iter_mut().for_each(|output| output.fact.konst = None);
    }
    Ok(())
}

/// What is left to tract reads its kernels as they stand.
fn swapped_kernels(model: &mut TypedModel) -> TractResult<()> {
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(swap) = node.op_as::<SwapChannels>() else { continue };
        let kernel =
            model.outlet_fact(node.inputs[0])?.konst.clone().context("a kernel that is not constant")?;
        let mut patch = TypedModelPatch::default();
        let swapped = patch.add_const(&node.name, swap.apply(&kernel)?)?;
        patch.shunt_outside(model, id.into(), swapped)?;
        patch.apply(model)?;
    }
    Ok(())
}

/// Replaces everything else that the kernels serve.
pub(super) fn others(model: &mut TypedModel) -> TractResult<()> {
    for id in model.eval_order()? {
        let node = model.node(id).clone();
        if let Some(op) = pool::of_pool(model, &node)? {
            replace(model, &node, &node.inputs, op)?;
        } else if let Some(op) = rows::of_softmax(model, &node)? {
            replace(model, &node, &node.inputs, op)?;
        } else if let Some(op) = rows::of_rms_norm(model, &node)? {
            replace(model, &node, &node.inputs, op)?;
        } else if let Some(op) = rows::of_function(model, &node)? {
            replace(model, &node, &node.inputs, op)?;
        } else if let Some(einsum) = node.op_as::<EinSum>()
            && let Some((op, inputs)) = product::of_einsum(model, &node, einsum)?
        {
            replace(model, &node, &inputs, op)?;
        } else if let Some((outlet, op)) = product::of_addition(model, &node)? {
            let inputs = model.node(outlet.node).inputs.clone();
            replace(model, &node, &inputs, op)?;
        }
    }
    Ok(())
}

fn wanted(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Wanted>> {
    if let Some(conv) = node.op_as::<Conv>() {
        return convolution::of_conv(model, node, conv);
    }
    match node.op_as::<Deconv>() {
        Some(deconv) => convolution::of_deconv(model, node, deconv),
        None => Ok(None),
    }
}

fn replace(
    model: &mut TypedModel,
    node: &TypedNode,
    inputs: &[OutletId],
    op: impl Into<Box<dyn TypedOp>>,
) -> TractResult<()> {
    TypedModelPatch::replace_single_op(model, node, inputs, op)?.apply(model)
}

fn describe(wanted: &Wanted) -> String {
    let q = &wanted.geometry;
    let space = |axes: [usize; 3]| {
        let from = axes.iter().take(2).take_while(|&&len| len == 1).count();
        axes[from..].iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
    };
    format!(
        "{:?} {}x{} -> {} kernel {} stride {} groups {}",
        wanted.direction,
        q.in_channels,
        space(q.input),
        q.out_channels,
        space(q.kernel),
        space(q.stride),
        q.groups
    )
}
