//! The CPU executor: convolutions and matrix products become [`crate::kernel`]s, chosen by timing; all else runs as tract
//! runs it. Node by node, so that a step can be given up between two nodes.

mod convolution;
mod lower;
mod pool;
mod product;
mod rows;
mod timing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::kernel::Threads;
use crate::memory;
use crate::tract::plan::{self, RunOptions, SimplePlan, SimpleState};
use crate::tract::*;
pub use lower::Chosen;
pub(crate) use lower::Tuner;
pub(crate) use timing::Stopwatch;

/// A flag by which another thread stops a step that is under way.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the step at its next node, and every later step until [`Cancel::clear`].
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Allows steps again.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a run gave no result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The flag was raised.
    #[error("cancelled before node {node}")]
    Cancelled {
        /// The node that would have been next.
        node: String,
    },
    /// A node failed.
    #[error("node {node}: {message}")]
    Node {
        /// The node.
        node: String,
        /// tract's words.
        message: String,
    },
}

/// Runs a graph of plain tract operators and the closed set of [`crate::ops`], over and over.
pub(crate) trait Executor: Send {
    /// Runs all nodes in order; the inputs are given away, so that nodes may work in place. With `times`, notes how long
    /// each node took.
    fn run(
        &mut self,
        inputs: TVec<TValue>,
        cancel: &Cancel,
        times: Option<&mut Vec<NodeTime>>,
    ) -> Result<TVec<TValue>, RunError>;
    /// Which method each lowered node uses.
    fn chosen(&self) -> &[Chosen];
}

/// How long one node took in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTime {
    /// The node's name after lowering.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Whether it belongs to the backward run.
    pub backward: bool,
    /// The time.
    pub time: Duration,
}

/// Scratch memory that the kernels of a gradient's graphs share, since they run one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch(Arc<Mutex<Vec<f32>>>);

impl Scratch {
    /// Lends the memory, grown to `len`.
    fn lend<R>(&self, len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
        // A kernel that panicked has left values behind, as any other kernel does.
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() < len {
            // Nothing of the old contents is wanted: freed first, the two never stand side by side.
            *values = Vec::new();
            values.resize(len, 0.0);
        }
        work(&mut values[..len])
    }
}

/// [`Executor`] on the processor's cores.
pub(crate) struct Cpu {
    state: SimpleState<TypedFact, Box<dyn TypedOp>>,
    chosen: Vec<Chosen>,
}

impl Cpu {
    /// Lowers, optimises and plans graphs that share their weights; times the methods that apply to each convolution.
    pub fn prepare<const GRAPHS: usize>(
        mut graphs: [TypedModel; GRAPHS],
        threads: &Threads,
        tuner: &mut Tuner,
        scratch: &Scratch,
    ) -> TractResult<[Self; GRAPHS]> {
        // First the convolutions, or tract would move factors back into their kernels.
        let chosen = lower::convolutions(graphs.each_mut(), tuner)?;
        let planned = graphs.into_iter().zip(chosen);
        let planned = planned.map(|(graph, chosen)| Self::plan(graph, chosen, threads, scratch));
        let planned: Vec<Self> = planned.collect::<TractResult<_>>()?;
        planned.try_into().map_err(|_| format_err!("a graph without a plan"))
    }

    fn plan(
        mut graph: TypedModel,
        chosen: Vec<Chosen>,
        threads: &Threads,
        scratch: &Scratch,
    ) -> TractResult<Self> {
        graph.declutter()?;
        lower::others(&mut graph)?;
        graph.optimize()?;
        memory::give_back();
        let plan = SimplePlan::new_with_options(graph, &RunOptions::default())?;
        let mut state = SimpleState::new(&plan)?;
        state.turn_state.shared.insert(threads.clone());
        state.turn_state.shared.insert(scratch.clone());
        Ok(Self { state, chosen })
    }
}

impl Executor for Cpu {
    fn run(
        &mut self,
        inputs: TVec<TValue>,
        cancel: &Cancel,
        mut times: Option<&mut Vec<NodeTime>>,
    ) -> Result<TVec<TValue>, RunError> {
        let mut failed = None;
        let answer = self.state.run_plan_with_eval(inputs, |ctx, op_state, node, inputs| {
            if cancel.is_raised() {
                failed = Some(RunError::Cancelled { node: node.name.clone() });
                return Err(format_err!("cancelled"));
            }
            let watch = times.is_some().then(Stopwatch::start);
            let values = plan::eval(ctx, op_state, node, inputs).inspect_err(|error| {
                failed = Some(RunError::Node { node: node.name.clone(), message: format!("{error:#}") });
            });
            if let (Some(times), Some(watch)) = (&mut times, watch) {
                let (time, operator) = (watch.elapsed(), node.op.name().into_owned());
                times.push(NodeTime { node: node.name.clone(), operator, backward: false, time });
            }
            values
        });
        answer.map_err(|error| {
            // What a run that ended early has left must not be taken for the next one's.
            let _ = self.state.reset_turn();
            failed.unwrap_or_else(|| RunError::Node { node: "(plan)".into(), message: format!("{error:#}") })
        })
    }

    fn chosen(&self) -> &[Chosen] {
        &self.chosen
    }
}
