//! Recurrent operators written out in plain nodes, before the reverse sweep.
//!
//! A loop has no rule of its own: its iterations do. Weights and all that does not depend on the iteration are
//! computed once and shared.

mod cell;
mod factor;
mod scan;
mod stable;

use std::collections::BTreeMap;

use tract_core::internal::*;
use tract_core::ops::gru_cell::GruEpilogue;
use tract_core::ops::gru_seq::GruSeq;
use tract_core::ops::lstm_cell::LstmEpilogue;
use tract_core::ops::scan::Scan;

use super::GradientError;
pub(super) use stable::stabilised;

/// Nodes that a model may have when its loops are written out.
const LARGEST: usize = 200_000;

/// The model with every loop and recurrent cell written out as plain nodes.
///
/// # Errors
/// A loop whose number of iterations is not known, or more nodes than [`LARGEST`].
pub(super) fn unrolled(model: &TypedModel) -> Result<TypedModel, GradientError> {
    let size = size(model).map_err(GradientError::graph)?;
    if size > LARGEST {
        let what = format!(
            "its loops come to {size} nodes when they are written out, at most {LARGEST} are allowed"
        );
        return Err(GradientError::TooLarge { what });
    }
    if size == model.nodes.len() {
        return Ok(model.clone());
    }
    let mut writer = Writer::default();
    writer.model.symbols = model.symbols.clone();
    writer.model.properties = model.properties.clone();
    writer.rewrite(model)?;
    Ok(writer.model)
}

/// An upper bound of the number of nodes when loops are written out; the number itself where there are none.
fn size(model: &TypedModel) -> TractResult<usize> {
    let mut total = 0usize;
    for node in &model.nodes {
        let op = node.op.as_op();
        let nodes = if let Some(scan) = op.downcast_ref::<Scan>() {
            let turns = scan::iterations(scan, &model.node_input_facts(node.id)?)?;
            // Per turn the body, and for each of its inputs and outputs a slice or a padding.
            let body = size(&scan.body)?.saturating_add(scan.input_mapping.len() + scan.output_mapping.len());
            turns.saturating_mul(body).saturating_add(2)
        } else if op.is::<GruSeq>() {
            let turns = model.outlet_fact(node.inputs[0])?.shape[1].to_usize()?;
            turns.saturating_mul(cell::GRU_TURN).saturating_add(8)
        } else if op.is::<LstmEpilogue>() || op.is::<GruEpilogue>() {
            cell::GRU_TURN
        } else {
            1
        };
        total = total.saturating_add(nodes);
    }
    Ok(total)
}

/// Where the outlets of a model that is being copied are in the new one.
type Places = BTreeMap<OutletId, OutletId>;

/// A model under construction.
///
/// Nodes are added without tract's search for a node of the same name or value, which takes time in proportion to the
/// square of their number; names are unique because each loop and each turn puts its own in front.
#[derive(Default)]
struct Writer {
    model: TypedModel,
}

impl Writer {
    fn rewrite(&mut self, model: &TypedModel) -> Result<(), GradientError> {
        let graph = GradientError::graph;
        let mut places = Places::new();
        for &input in model.input_outlets().map_err(graph)? {
            let fact = model.outlet_fact(input).map_err(graph)?.clone();
            let source = self.model.add_source(model.node(input.node).name.clone(), fact).map_err(graph)?;
            places.insert(input, source);
        }
        for id in model.eval_order().map_err(graph)? {
            let node = model.node(id);
            if !places.contains_key(&OutletId::new(id, 0)) {
                self.copy(node, "", &mut places).map_err(|error| GradientError::at(node, error))?;
            }
        }
        let outputs = model.output_outlets().map_err(graph)?.iter().map(|&outlet| find(&places, outlet));
        let outputs = outputs.collect::<TractResult<Vec<_>>>().map_err(graph)?;
        for (outlet, label) in &model.outlet_labels {
            if let Some(&place) = places.get(outlet) {
                self.model.set_outlet_label(place, label.clone()).map_err(graph)?;
            }
        }
        self.model.select_output_outlets(&outputs).map_err(graph)
    }

    /// Copies a node whose inputs have been copied, or writes it out.
    fn copy(&mut self, node: &TypedNode, prefix: &str, places: &mut Places) -> TractResult<()> {
        let inputs =
            node.inputs.iter().map(|&input| find(places, input)).collect::<TractResult<TVec<_>>>()?;
        let name = format!("{prefix}{}", node.name);
        let op = node.op.as_op();
        let outputs = if let Some(scan) = op.downcast_ref::<Scan>() {
            self.scan(scan, &name, &inputs)?
        } else if let Some(cell) = op.downcast_ref::<LstmEpilogue>() {
            self.lstm_cell(cell, &name, &inputs)?
        } else if op.is::<GruEpilogue>() {
            tvec!(self.gru_cell(&name, inputs[0], inputs[1], inputs[2])?)
        } else if let Some(gru) = op.downcast_ref::<GruSeq>() {
            self.gru(gru, &name, &inputs)?
        } else {
            self.add(name, node.op.clone(), &inputs)?
        };
        for (slot, outlet) in outputs.into_iter().enumerate() {
            places.insert(OutletId::new(node.id, slot), outlet);
        }
        Ok(())
    }

    /// Adds a node.
    fn add(
        &mut self,
        name: String,
        op: Box<dyn TypedOp>,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let facts = {
            let inputs = inputs.iter().map(|&input| self.model.outlet_fact(input));
            let inputs = inputs.collect::<TractResult<TVec<_>>>()?;
            op.output_facts(&inputs).with_context(|| format!("{name} ({})", op.name()))?
        };
        let outputs = facts.len();
        let id = self.model.add_node(name, op, facts)?;
        for (slot, &input) in inputs.iter().enumerate() {
            self.model.add_edge(input, InletId::new(id, slot))?;
        }
        Ok((0..outputs).map(|slot| OutletId::new(id, slot)).collect())
    }

    /// Adds a node with one output.
    fn wire(
        &mut self,
        name: String,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        Ok(self.add(name, op.into(), inputs)?[0])
    }

    fn dim(&self, outlet: OutletId, axis: usize) -> TractResult<usize> {
        Ok(self.model.outlet_fact(outlet)?.shape[axis].to_usize()?)
    }

    /// Elements `start..end` along an axis; nothing is added where that is all of them.
    fn cut(
        &mut self,
        name: String,
        x: OutletId,
        axis: usize,
        start: usize,
        end: usize,
    ) -> TractResult<OutletId> {
        if (start, end) == (0, self.dim(x, axis)?) {
            return Ok(x);
        }
        self.wire(name, tract_core::ops::array::Slice::new(axis, start, end), &[x])
    }
}

fn find(places: &Places, outlet: OutletId) -> TractResult<OutletId> {
    places.get(&outlet).copied().with_context(|| format!("{outlet:?} is used before it is computed"))
}

#[cfg(test)]
mod tests;
