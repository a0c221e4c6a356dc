//! The planned gradient of a model: forward, backward, one step.

use std::time::Duration;

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use crate::cpu::{Cancel, Chosen, Cpu, Executor, NodeTime, RunError, Scratch, Stopwatch, Tuner};
use crate::graph::{GradientError, Graphs, NodeName};
use crate::kernel::Threads;
use crate::tract::*;

/// Names and shapes of what goes in and out.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// All inputs, those that have a gradient first, with the shape of one part.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// How many of them have a gradient.
    pub wanted: usize,
    /// Tensors whose gradient is taken.
    pub outputs: Vec<String>,
    /// Parts along the first axis that are run one after the other.
    pub parts: usize,
}

/// Forward and backward plans of one model for fixed shapes.
pub struct Gradient {
    signature: Signature,
    output_shapes: Vec<Vec<usize>>,
    forward: Box<dyn Executor>,
    backward: Box<dyn Executor>,
    /// Tensors that the backward plan needs, per part, from the last forward run.
    kept: Vec<TVec<TValue>>,
    steps: Vec<NodeName>,
    times: Times,
}

impl std::fmt::Debug for Gradient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gradient").field("signature", &self.signature).finish_non_exhaustive()
    }
}

/// What one step costs, as measured when the gradient was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The forward run.
    pub forward: Duration,
    /// The backward run.
    pub backward: Duration,
}

impl Times {
    /// Forward and backward together.
    pub fn step(&self) -> Duration {
        self.forward + self.backward
    }
}

/// Why a step gave no result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// An array of another shape than planned.
    #[error("{what} {name} has the shape {found:?}; planned was {wanted:?}")]
    Shape {
        /// `input` or `cotangent of`.
        what: &'static str,
        /// The tensor.
        name: String,
        /// Shape given.
        found: Vec<usize>,
        /// Shape planned.
        wanted: Vec<usize>,
    },
    /// Too few or too many arrays.
    #[error("{found} arrays for {wanted} {what}: {names}")]
    Count {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// Number given.
        found: usize,
        /// Number planned.
        wanted: usize,
        /// Their names, in order.
        names: String,
    },
    /// A backward run without a forward run.
    #[error("backward needs a forward run before it")]
    NoForward,
    /// The run itself.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Gradient {
    pub(crate) fn prepare(
        graphs: Graphs,
        signature: Signature,
        threads: &Threads,
        tuner: &mut Tuner,
    ) -> Result<Self, GradientError> {
        let outputs = signature.outputs.len();
        let facts = (0..outputs).map(|slot| {
            let fact = graphs.forward.output_fact(slot)?;
            Ok(fact.shape.as_concrete().context("an output without a shape")?.to_vec())
        });
        let output_shapes = facts.collect::<TractResult<Vec<Vec<usize>>>>().map_err(GradientError::graph)?;
        let scratch = Scratch::default();
        let both = [graphs.forward, graphs.backward];
        let [forward, backward] =
            Cpu::prepare(both, threads, tuner, &scratch).map_err(GradientError::graph)?;
        let mut gradient = Self {
            signature,
            output_shapes,
            forward: Box::new(forward),
            backward: Box::new(backward),
            kept: Vec::new(),
            steps: graphs.steps,
            times: Times { forward: Duration::ZERO, backward: Duration::ZERO },
        };
        gradient.measure().map_err(|error| GradientError::Graph { message: error.to_string() })?;
        Ok(gradient)
    }

    /// Runs a grey input twice and keeps the second run's times: the first touches all memory.
    fn measure(&mut self) -> Result<(), StepError> {
        let parts = self.signature.parts;
        let whole = |shape: &[usize]| {
            let mut shape = shape.to_vec();
            if parts > 1 {
                shape[0] *= parts;
            }
            shape
        };
        let inputs: Vec<ArrayD<f32>> =
            self.signature.inputs.iter().map(|(_, shape)| ArrayD::from_elem(whole(shape), 0.5)).collect();
        let cotangents: Vec<ArrayD<f32>> =
            self.output_shapes.iter().map(|shape| ArrayD::from_elem(whole(shape), 1.0)).collect();
        let views: Vec<ArrayViewD<f32>> = inputs.iter().map(|array| array.view()).collect();
        let cotangents: Vec<ArrayViewD<f32>> = cotangents.iter().map(|array| array.view()).collect();
        for _ in 0..2 {
            let watch = Stopwatch::start();
            self.forward(&views)?;
            self.times.forward = watch.elapsed();
            let watch = Stopwatch::start();
            let kept = std::mem::take(&mut self.kept);
            self.backward_with(kept, &cotangents, &Cancel::new())?;
            self.times.backward = watch.elapsed();
        }
        Ok(())
    }

    /// What a step cost when it was planned. A caller with a deadline asks this before it starts one.
    pub fn times(&self) -> Times {
        self.times
    }

    /// Names of all inputs, in the order in which their arrays are given; those that have a gradient come first.
    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.signature.inputs.iter().map(|(name, _)| name.as_str())
    }

    /// How many of the inputs, counted from the first, have a gradient.
    pub fn gradient_count(&self) -> usize {
        self.signature.wanted
    }

    /// Names of the tensors whose gradient is taken, in order.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.signature.outputs.iter().map(String::as_str)
    }

    /// Shape of an input, the whole batch.
    pub fn input_shape(&self, slot: usize) -> Vec<usize> {
        self.whole(&self.signature.inputs[slot].1)
    }

    /// Shape of an output, the whole batch.
    pub fn output_shape(&self, slot: usize) -> Vec<usize> {
        self.whole(&self.output_shapes[slot])
    }

    /// Nodes through which no gradient flows because their derivative is zero almost everywhere (rounding, a sign).
    pub fn steps(&self) -> &[NodeName] {
        &self.steps
    }

    /// The method chosen for each convolution, forward then backward.
    pub fn chosen(&self) -> impl Iterator<Item = &Chosen> {
        self.forward.chosen().iter().chain(self.backward.chosen())
    }

    /// Computes the outputs, and keeps what the backward run needs.
    ///
    /// `inputs`: an array per input, of the planned shape, in any memory order.
    ///
    /// # Errors
    /// A wrong number or shape of arrays; a node that fails.
    pub fn forward(&mut self, inputs: &[ArrayViewD<'_, f32>]) -> Result<Vec<ArrayD<f32>>, StepError> {
        self.forward_until(inputs, &Cancel::new())
    }

    /// As [`Gradient::forward`]; gives up before the next node once the flag is raised.
    ///
    /// # Errors
    /// As [`Gradient::forward`], and [`RunError::Cancelled`].
    pub fn forward_until(
        &mut self,
        inputs: &[ArrayViewD<'_, f32>],
        cancel: &Cancel,
    ) -> Result<Vec<ArrayD<f32>>, StepError> {
        self.kept.clear();
        let names = self.input_names().map(str::to_owned).collect::<Vec<_>>();
        let shapes = (0..names.len()).map(|slot| self.input_shape(slot)).collect::<Vec<_>>();
        check("input", "inputs", &names, &shapes, inputs)?;
        let count = self.output_shapes.len();
        let mut parts = Vec::new();
        for part in 0..self.signature.parts {
            let given = inputs.iter().map(|input| self.part(input, part)).collect::<Result<TVec<_>, _>>()?;
            let mut results = self.forward.run(given, cancel, None)?;
            self.kept.push(results.drain(count..).collect());
            parts.push(results);
        }
        join(parts)
    }

    /// Gives the gradients of `sum(cotangent * output)` with respect to the inputs, at the last forward run's point.
    ///
    /// May be called again with other cotangents. `cotangents`: an array per output, of its shape.
    ///
    /// # Errors
    /// No forward run before; a wrong number or shape of arrays; a node that fails.
    pub fn backward(&mut self, cotangents: &[ArrayViewD<'_, f32>]) -> Result<Vec<ArrayD<f32>>, StepError> {
        let kept = self.kept.clone();
        self.backward_with(kept, cotangents, &Cancel::new())
    }

    /// One forward run, the cotangents that `objective` makes of the outputs, and the backward run, which frees what
    /// was kept as it goes.
    ///
    /// # Errors
    /// As [`Gradient::forward_until`] and [`Gradient::backward`].
    pub fn step(
        &mut self,
        inputs: &[ArrayViewD<'_, f32>],
        objective: impl FnOnce(&[ArrayD<f32>]) -> Vec<ArrayD<f32>>,
        cancel: &Cancel,
    ) -> Result<Vec<ArrayD<f32>>, StepError> {
        let outputs = self.forward_until(inputs, cancel)?;
        let cotangents = objective(&outputs);
        drop(outputs);
        let kept = std::mem::take(&mut self.kept);
        let views: Vec<ArrayViewD<f32>> = cotangents.iter().map(|array| array.view()).collect();
        self.backward_with(kept, &views, cancel)
    }

    /// One step with the time of each node, slowest first. Slower than a step by the clock's own cost.
    ///
    /// # Errors
    /// As [`Gradient::forward`] and [`Gradient::backward`].
    pub fn profile(
        &mut self,
        inputs: &[ArrayViewD<'_, f32>],
        cotangents: &[ArrayViewD<'_, f32>],
    ) -> Result<Vec<NodeTime>, StepError> {
        let mut times = Vec::new();
        let given = inputs.iter().map(|input| self.part(input, 0)).collect::<Result<TVec<_>, _>>()?;
        let mut results = self.forward.run(given, &Cancel::new(), Some(&mut times))?;
        let forward = times.len();
        let given = cotangents.iter().map(|cotangent| self.part(cotangent, 0));
        let mut given = given.collect::<Result<TVec<_>, _>>()?;
        given.extend(results.drain(self.output_shapes.len()..));
        self.backward.run(given, &Cancel::new(), Some(&mut times))?;
        times[forward..].iter_mut().for_each(|node| node.backward = true);
        times.sort_by_key(|node| std::cmp::Reverse(node.time));
        Ok(times)
    }

    fn backward_with(
        &mut self,
        kept: Vec<TVec<TValue>>,
        cotangents: &[ArrayViewD<'_, f32>],
        cancel: &Cancel,
    ) -> Result<Vec<ArrayD<f32>>, StepError> {
        if kept.is_empty() {
            return Err(StepError::NoForward);
        }
        let shapes = (0..self.output_shapes.len()).map(|slot| self.output_shape(slot)).collect::<Vec<_>>();
        check("cotangent of", "outputs", &self.signature.outputs, &shapes, cotangents)?;
        let mut parts = Vec::new();
        for (part, kept) in kept.into_iter().enumerate() {
            let given = cotangents.iter().map(|cotangent| self.part(cotangent, part));
            let mut given = given.collect::<Result<TVec<_>, _>>()?;
            given.extend(kept);
            parts.push(self.backward.run(given, cancel, None)?);
        }
        join(parts)
    }

    fn whole(&self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if self.signature.parts > 1 {
            shape[0] *= self.signature.parts;
        }
        shape
    }

    /// One part of a batch as a tensor.
    fn part(&self, whole: &ArrayViewD<'_, f32>, part: usize) -> Result<TValue, StepError> {
        let array = if self.signature.parts > 1 {
            let len = whole.shape()[0] / self.signature.parts;
            whole.slice_axis(Axis(0), (part * len..(part + 1) * len).into()).to_owned()
        } else {
            whole.to_owned()
        };
        Ok(Tensor::from(array.as_standard_layout().into_owned()).into_tvalue())
    }
}

/// Arrays of the planned number and shapes.
fn check(
    what: &'static str,
    plural: &'static str,
    names: &[String],
    shapes: &[Vec<usize>],
    arrays: &[ArrayViewD<'_, f32>],
) -> Result<(), StepError> {
    if arrays.len() != shapes.len() {
        let (found, wanted) = (arrays.len(), shapes.len());
        return Err(StepError::Count { what: plural, found, wanted, names: names.join(", ") });
    }
    for ((name, wanted), array) in names.iter().zip(shapes).zip(arrays) {
        if array.shape() != wanted {
            let (name, found, wanted) = (name.clone(), array.shape().to_vec(), wanted.clone());
            return Err(StepError::Shape { what, name, found, wanted });
        }
    }
    Ok(())
}

/// The parts' results, joined along the first axis.
fn join(parts: Vec<TVec<TValue>>) -> Result<Vec<ArrayD<f32>>, StepError> {
    let wrong = |message: String| StepError::Run(RunError::Node { node: "(result)".into(), message });
    let mut slots: Vec<Vec<ArrayD<f32>>> = Vec::new();
    for part in parts {
        for (slot, value) in part.into_iter().enumerate() {
            let array =
                value.into_tensor().into_plain_array::<f32>().map_err(|error| wrong(format!("{error:#}")))?;
            match slots.get_mut(slot) {
                Some(arrays) => arrays.push(array),
                None => slots.push(vec![array]),
            }
        }
    }
    let joined = slots.into_iter().map(|mut arrays| match arrays.pop() {
        Some(only) if arrays.is_empty() => Ok(only),
        Some(last) => {
            arrays.push(last);
            let views: Vec<ArrayViewD<f32>> = arrays.iter().map(|array| array.view()).collect();
            concatenate(Axis(0), &views).map_err(|error| wrong(error.to_string()))
        }
        None => Err(wrong("no result".into())),
    });
    joined.collect()
}
