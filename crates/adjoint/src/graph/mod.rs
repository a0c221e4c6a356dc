//! Reverse mode as a rewrite: from a forward model to a forward model that also gives what must be kept, and a
//! backward model that takes this and a cotangent for each output.
//!
//! The method is that of Griewank and Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapter 3: each node's
//! vector-Jacobian product is wired behind the graph, in the reverse of the evaluation order, and cotangents that
//! meet at a tensor are added. Nothing is differentiated numerically and nothing at run time. There are no loops here:
//! [`crate::import`] has written them out, and one that had slipped through would be an operator without a rule.

#[cfg(test)]
mod check;
mod error;
mod restore;
mod split;
mod tape;
mod total;
mod vjp;

use std::collections::BTreeMap;

use crate::tract::*;
pub use error::GradientError;
use split::split;
use tape::Tape;

/// A forward and a backward model, in plain tract operators and the closed set of [`crate::ops`].
pub(crate) struct Graphs {
    /// Inputs as in the source model; outputs: its outputs, then the kept tensors.
    pub forward: TypedModel,
    /// Inputs: a cotangent per output, then the kept tensors; outputs: a cotangent per wanted input.
    pub backward: TypedModel,
    /// Nodes through which no gradient flows because their derivative is zero almost everywhere.
    pub steps: Vec<NodeName>,
}

/// A node as it is called in messages: its name and its operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName {
    /// Name in the graph, from the ONNX file where it has one.
    pub node: String,
    /// The operator, as tract calls it.
    pub operator: String,
}

impl NodeName {
    fn of(node: &TypedNode) -> Self {
        Self { node: node.name.clone(), operator: node.op.name().into_owned() }
    }
}

/// Builds the gradient of all outputs with respect to the inputs at the given slots.
///
/// # Errors
/// The first operator without a gradient, by name and node; an input that no gradient reaches; a shape that is not
/// known.
pub(crate) fn differentiate(mut forward: TypedModel, wanted: &[usize]) -> Result<Graphs, GradientError> {
    restore::restore(&mut forward)?;
    forward.compute_const_facts().map_err(GradientError::graph)?;
    let reverse = Reverse::prepare(forward, wanted)?;
    reverse.run()
}

/// The one number that all elements of a constant outlet share.
fn uniform(model: &TypedModel, outlet: OutletId) -> Option<f32> {
    let fact = model.outlet_fact(outlet).ok()?;
    let value = fact.uniform.as_ref().or(fact.konst.as_ref().filter(|value| value.len() == 1))?;
    value.cast_to_scalar::<f32>().ok()
}

/// The state of one reverse sweep.
struct Reverse {
    tape: Tape,
    order: Vec<usize>,
    inputs: Vec<OutletId>,
    outputs: Vec<OutletId>,
    wanted: Vec<OutletId>,
    /// Per node of the forward model: its value depends on a wanted input through float tensors.
    active: Vec<bool>,
    /// What has arrived at each tensor so far.
    cotangents: BTreeMap<OutletId, Vec<OutletId>>,
    steps: Vec<NodeName>,
}

impl Reverse {
    fn prepare(forward: TypedModel, wanted: &[usize]) -> Result<Self, GradientError> {
        let graph = GradientError::graph;
        let order = forward.eval_order().map_err(graph)?;
        let inputs = forward.input_outlets().map_err(graph)?.to_vec();
        let outputs = forward.output_outlets().map_err(graph)?.to_vec();
        let wanted: Vec<OutletId> = wanted.iter().map(|&slot| inputs[slot]).collect();
        let mut active = vec![false; forward.nodes.len()];
        for outlet in &wanted {
            active[outlet.node] = true;
        }
        for &id in &order {
            let node = forward.node(id);
            let float = node.outputs.iter().any(|output| output.fact.datum_type == f32::datum_type());
            active[id] |= float && node.inputs.iter().any(|input| active[input.node]);
        }
        Ok(Self {
            tape: Tape::new(forward),
            order,
            inputs,
            outputs,
            wanted,
            active,
            cotangents: BTreeMap::new(),
            steps: Vec::new(),
        })
    }

    fn run(mut self) -> Result<Graphs, GradientError> {
        let sources = self.seed()?;
        for id in self.order.clone().into_iter().rev() {
            if self.active[id] && !self.inputs.iter().any(|input| input.node == id) {
                self.pull_back(id)?;
            }
        }
        let results = self.results()?;
        let (forward, backward) = split(&self.tape.model, &self.inputs, &self.outputs, &sources, &results)
            .map_err(GradientError::graph)?;
        Ok(Graphs { forward, backward, steps: self.steps })
    }

    /// A source node for the cotangent of each output.
    fn seed(&mut self) -> Result<Vec<OutletId>, GradientError> {
        let mut sources = Vec::new();
        for (slot, outlet) in self.outputs.clone().into_iter().enumerate() {
            let fact = self.tape.model.outlet_fact(outlet).map_err(GradientError::graph)?.without_value();
            let source = self.tape.model.add_source(format!("adjoint.cotangent.{slot}"), fact);
            let source = source.map_err(GradientError::graph)?;
            sources.push(source);
            self.cotangents.entry(outlet).or_default().push(source);
        }
        Ok(sources)
    }

    /// The sum of what has arrived at a tensor.
    fn take(&mut self, outlet: OutletId) -> TractResult<Option<OutletId>> {
        self.cotangents.remove(&outlet).map(|arrived| total::total(&mut self.tape, arrived)).transpose()
    }

    /// Turns the cotangents of a node's outputs into those of its inputs.
    fn pull_back(&mut self, id: usize) -> Result<(), GradientError> {
        let node = self.tape.model.node(id).clone();
        let arrived = (0..node.outputs.len()).map(|slot| self.take(OutletId::new(id, slot)));
        let arrived: Vec<Option<OutletId>> =
            arrived.collect::<TractResult<_>>().map_err(|error| GradientError::at(&node, error))?;
        if arrived.iter().all(Option::is_none) {
            return Ok(());
        }
        let call = vjp::Call {
            active: node
                .inputs
                .iter()
                .map(|input| self.active[input.node] && self.is_float(*input))
                .collect(),
            cotangents: arrived,
            node: &node,
        };
        match vjp::vjp(&mut self.tape, &call) {
            Ok(vjp::Answer::Cotangents(answers)) => {
                for (input, answer) in node.inputs.iter().zip(answers) {
                    let Some(answer) = answer else { continue };
                    self.check(&node, *input, answer)?;
                    self.cotangents.entry(*input).or_default().push(answer);
                }
                Ok(())
            }
            Ok(vjp::Answer::Step) => {
                self.steps.push(NodeName::of(&node));
                Ok(())
            }
            Ok(vjp::Answer::Unknown(reason)) => {
                Err(GradientError::NoGradient { node: NodeName::of(&node), reason })
            }
            Err(error) => Err(GradientError::at(&node, error)),
        }
    }

    fn is_float(&self, outlet: OutletId) -> bool {
        self.tape.model.outlet_fact(outlet).is_ok_and(|fact| fact.datum_type == f32::datum_type())
    }

    /// A cotangent has the shape of its tensor; anything else is a mistake in a rule, and is said at load.
    fn check(&self, node: &TypedNode, input: OutletId, cotangent: OutletId) -> Result<(), GradientError> {
        let shapes = self.tape.shape(input).and_then(|want| Ok((want, self.tape.shape(cotangent)?)));
        let (want, got) = shapes.map_err(|error| GradientError::at(node, error))?;
        if want == got {
            return Ok(());
        }
        Err(GradientError::at(
            node,
            format_err!("a cotangent of shape {got:?} for an input of shape {want:?}"),
        ))
    }

    /// The cotangents of the wanted inputs; an input that none reaches is an error, never a silent zero.
    fn results(&mut self) -> Result<Vec<OutletId>, GradientError> {
        let names = |this: &Self, outlet: OutletId| this.tape.model.node(outlet.node).name.clone();
        let mut results = Vec::new();
        for outlet in self.wanted.clone() {
            let Some(cotangent) = self.take(outlet).map_err(GradientError::graph)? else {
                return Err(GradientError::NotReached {
                    input: names(self, outlet),
                    steps: self.steps.clone(),
                });
            };
            results.push(cotangent);
        }
        Ok(results)
    }
}
