//! A model file and the questions it can be asked.

use std::path::Path;

use crate::cpu::Tuner;
use crate::gradient::{Gradient, Signature};
use crate::graph::{GradientError, Graphs, NodeName, differentiate};
use crate::import::{Import, Intervention, Limits, LoadError, Tap, TensorInfo, caught};
use crate::kernel::{KernelError, Threads};
use crate::memory;
use crate::tract::*;

/// An ONNX model, decoded and checked. Nothing is computed until a gradient is asked for.
#[derive(Debug, Clone)]
pub struct Model {
    import: Import,
}

/// Why a model gives no gradient.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file was refused, or cannot be cut to the question.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The graph has no gradient.
    #[error("{file}: {source}")]
    Gradient {
        /// The model's file.
        file: String,
        /// What stands in the way.
        source: GradientError,
    },
    /// The question does not fit the model.
    #[error("{file}: {message}")]
    Question {
        /// The model's file.
        file: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// Threads could not be started, or a kernel refused a shape.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// What is asked of a model: gradients of which tensors, with respect to which inputs, at which shapes.
///
/// Without more said: all outputs of the graph, with respect to all of its floating-point inputs, at the shapes that the
/// file gives them, on one thread.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    inputs: Vec<(String, Option<Vec<usize>>)>,
    held: Vec<(String, Vec<usize>)>,
    outputs: Vec<String>,
    interventions: Vec<(String, Intervention)>,
    threads: usize,
    untimed: bool,
}

impl Spec {
    /// The default question.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the gradient with respect to this input (not all), at this shape.
    ///
    /// A first axis that is a multiple of the one that the file fixes is run in as many parts, one after the other.
    #[must_use]
    pub fn input(mut self, name: &str, shape: &[usize]) -> Self {
        self.inputs.push((name.to_owned(), Some(shape.to_vec())));
        self
    }

    /// Asks for the gradient with respect to this input at the shape that the file gives.
    #[must_use]
    pub fn input_as_declared(mut self, name: &str) -> Self {
        self.inputs.push((name.to_owned(), None));
        self
    }

    /// Gives the shape of an input that has to be fed but whose gradient is not wanted.
    #[must_use]
    pub fn held(mut self, name: &str, shape: &[usize]) -> Self {
        self.held.push((name.to_owned(), shape.to_vec()));
        self
    }

    /// Asks for the gradient of this tensor of the graph (not of the outputs); may be called for several.
    #[must_use]
    pub fn output(mut self, tensor: &str) -> Self {
        self.outputs.push(tensor.to_owned());
        self
    }

    /// Replaces the tensor `tap` by `gain * tap + offset` for all that read it and as an output: a virtual lesion or
    /// stimulation. May be called for several tensors; one behind which nothing is asked for has no effect.
    #[must_use]
    pub fn intervene(mut self, tap: &str, intervention: Intervention) -> Self {
        self.interventions.push((tap.to_owned(), intervention));
        self
    }

    /// Computes with so many threads. The bits of the result do not depend on it.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = count;
        self
    }

    /// Takes each convolution's first method instead of timing all of them: loads faster, steps slower, and the
    /// same bits on every load.
    #[must_use]
    pub fn untimed(mut self) -> Self {
        self.untimed = true;
        self
    }
}

impl Model {
    /// Reads a model file; external data are looked for beside it.
    ///
    /// # Errors
    /// A named fault of the file; see [`LoadError`].
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, LoadError> {
        Ok(Self { import: Import::open(path, limits)? })
    }

    /// Reads a model from memory; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(name: &str, bytes: &[u8], limits: &Limits) -> Result<Self, LoadError> {
        Ok(Self { import: Import::from_bytes(name, bytes, None, limits)? })
    }

    /// The graph's inputs.
    pub fn inputs(&self) -> &[TensorInfo] {
        self.import.inputs()
    }

    /// The graph's outputs.
    pub fn outputs(&self) -> &[TensorInfo] {
        self.import.outputs()
    }

    /// Every tensor that a node computes, in the order of the graph: each can be asked for as an output.
    pub fn taps(&self) -> Vec<Tap> {
        self.import.taps()
    }

    /// As [`Model::taps`], with the shapes that follow from these shapes of the inputs.
    pub fn taps_for(&self, inputs: &[(String, Vec<usize>)]) -> Vec<Tap> {
        self.import.taps_for(inputs)
    }

    /// Keys and values that the file carries beside the graph (`metadata_props`), in its order.
    pub fn metadata(&self) -> &[(String, String)] {
        self.import.metadata()
    }

    /// What was changed while the file was read, for people to know (types widened, old operators rewritten).
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.import.notes()
    }

    /// Plans the forward and the backward step, times the methods that apply, and runs both once.
    ///
    /// The model keeps its weights beside the plans', for other questions; [`Model::into_gradient`] gives them up.
    ///
    /// # Errors
    /// The first operator without a gradient, by node; an input that no gradient reaches; shapes without values.
    pub fn gradient(&self, spec: &Spec) -> Result<Gradient, ModelError> {
        self.clone().into_gradient(spec)
    }

    /// As [`Model::gradient`], for a model of which nothing else is asked: each weight is freed once it is packed.
    ///
    /// # Errors
    /// As [`Model::gradient`].
    pub fn into_gradient(self, spec: &Spec) -> Result<Gradient, ModelError> {
        let question = self.asked(spec)?;
        let threads = Threads::new(spec.threads)?;
        let mut tuner = Tuner::new(&threads, if spec.untimed { 0 } else { 3 });
        let file = self.import.file().to_owned();
        guarded(&file, || {
            let (graphs, signature) = self.graphs(&question)?;
            drop(self);
            memory::give_back();
            Gradient::prepare(graphs, signature, &threads, &mut tuner).map_err(|source| wrong(&file, source))
        })
    }

    /// The nodes between the inputs and the outputs at which the derivative is zero almost everywhere, or the first
    /// operator without a gradient: what [`Model::gradient`] would find, without planning.
    ///
    /// # Errors
    /// As [`Model::gradient`].
    pub fn differentiable(&self, spec: &Spec) -> Result<Vec<NodeName>, ModelError> {
        let question = self.asked(spec)?;
        guarded(self.import.file(), || Ok(self.graphs(&question)?.0.steps))
    }

    fn graphs(&self, question: &Question) -> Result<(Graphs, Signature), ModelError> {
        let file = self.import.file();
        let mut inputs = question.wanted.clone();
        inputs.extend(question.held.iter().cloned());
        for (_, shape) in inputs.iter_mut().filter(|_| question.parts > 1) {
            shape[0] /= question.parts;
        }
        let typed = match &question.interventions[..] {
            [] => self.import.typed(&inputs, &question.outputs),
            changes => self.import.intervened(changes)?.typed(&inputs, &question.outputs),
        }?;
        let slots: Vec<usize> = (0..question.wanted.len()).collect();
        let signature = Signature {
            inputs: inputs_of(&typed).map_err(|error| wrong(file, GradientError::graph(error)))?,
            wanted: slots.len(),
            outputs: question.outputs.clone(),
            parts: question.parts,
        };
        let graphs = differentiate(typed, &slots).map_err(|source| wrong(file, source))?;
        Ok((graphs, signature))
    }

    fn question(&self, message: String) -> ModelError {
        ModelError::Question { file: self.import.file().to_owned(), message }
    }

    /// The question with the file's own names and shapes where it left them open.
    fn asked(&self, spec: &Spec) -> Result<Question, ModelError> {
        let wanted = if spec.inputs.is_empty() {
            let held = |name: &str| spec.held.iter().any(|(other, _)| other == name);
            let floats = self.inputs().iter().filter(|info| info.dtype.is_float() && !held(&info.name));
            floats
                .map(|info| Ok((info.name.clone(), self.declared(&info.name)?)))
                .collect::<Result<_, ModelError>>()?
        } else {
            let asked = spec.inputs.iter().map(|(name, shape)| match shape {
                Some(shape) => Ok((name.clone(), shape.clone())),
                None => Ok((name.clone(), self.declared(name)?)),
            });
            asked.collect::<Result<Vec<_>, ModelError>>()?
        };
        let outputs = match &spec.outputs[..] {
            [] => self.outputs().iter().map(|output| output.name.clone()).collect(),
            names => names.to_vec(),
        };
        let interventions = spec.interventions.clone();
        // What has no batch of its own cannot be cut into parts.
        let whole = interventions.iter().any(|(_, intervention)| intervention.is_fed())
            || self.inputs().iter().any(|info| info.concrete().is_some_and(|shape| shape.is_empty()));
        let parts = if whole { 1 } else { self.parts(wanted.iter().chain(&spec.held))? };
        Ok(Question { wanted, held: spec.held.clone(), outputs, interventions, parts })
    }

    fn declared(&self, name: &str) -> Result<Vec<usize>, ModelError> {
        let info = self.inputs().iter().find(|info| info.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.inputs().iter().map(|info| info.name.as_str()).collect();
            self.question(format!("no input is called {name}; the inputs are {}", names.join(", ")))
        })?;
        info.concrete().ok_or_else(|| {
            let shape = info.shape_text();
            self.question(format!("input {name} has the shape {shape}: give a value to each of its axes"))
        })
    }

    /// How many times the model's own batch goes into the one asked for; 1 where the file leaves the batch open.
    fn parts<'a>(&self, asked: impl Iterator<Item = &'a (String, Vec<usize>)>) -> Result<usize, ModelError> {
        let mut parts = None;
        for (name, shape) in asked {
            let Some(own) =
                self.inputs().iter().find(|info| &info.name == name).and_then(TensorInfo::concrete)
            else {
                return Ok(1);
            };
            let multiple = match (own.first(), shape.first()) {
                (Some(&own_batch), Some(&batch))
                    if own_batch > 0 && batch % own_batch == 0 && own[1..] == shape[1..] =>
                {
                    batch / own_batch
                }
                _ => 1,
            };
            if parts.is_some_and(|other| other != multiple) {
                return Err(self
                    .question("the batches of the inputs are not the same multiple of the model's".into()));
            }
            parts = Some(multiple);
        }
        Ok(parts.unwrap_or(1).max(1))
    }
}

/// tract may panic over a graph that nobody foresaw: that is an error of the model, not of the caller.
fn guarded<T>(file: &str, work: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    caught(work).map_err(|message| wrong(file, GradientError::Graph { message }))?
}

fn wrong(file: &str, source: GradientError) -> ModelError {
    ModelError::Gradient { file: file.to_owned(), source }
}

/// A [`Spec`] with nothing left open.
struct Question {
    wanted: Vec<(String, Vec<usize>)>,
    held: Vec<(String, Vec<usize>)>,
    outputs: Vec<String>,
    interventions: Vec<(String, Intervention)>,
    parts: usize,
}

/// Names and shapes of a graph's inputs, in order.
fn inputs_of(typed: &TypedModel) -> TractResult<Vec<(String, Vec<usize>)>> {
    let named = typed.input_outlets()?.iter().map(|outlet| {
        let shape = &typed.outlet_fact(*outlet)?.shape;
        let shape = shape.as_concrete().with_context(|| format!("an input of shape {shape:?}"))?;
        Ok((typed.node(outlet.node).name.clone(), shape.to_vec()))
    });
    named.collect()
}
