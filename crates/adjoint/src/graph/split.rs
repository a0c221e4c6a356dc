//! The joint graph cut in two: what can run before the cotangents are known, and the rest.

use std::collections::BTreeMap;

use crate::tract::*;

/// Gives the forward model (outputs: `outputs`, then the kept tensors), and the backward model (inputs: `cotangents`,
/// then the kept tensors; outputs: `results`).
pub(super) fn split(
    joint: &TypedModel,
    inputs: &[OutletId],
    outputs: &[OutletId],
    cotangents: &[OutletId],
    results: &[OutletId],
) -> TractResult<(TypedModel, TypedModel)> {
    let mut all = joint.clone();
    all.select_output_outlets(&[outputs, results].concat())?;
    all.set_input_outlets(&[inputs, cotangents].concat())?;
    let order = all.eval_order()?;
    let after = reached_from(&all, &order, cotangents);
    let before = reached_from(&all, &order, inputs);

    // An edge from a forward value into a backward node is what has to be kept. Constants are not: each model
    // holds its own.
    let mut kept: Vec<OutletId> = Vec::new();
    let mut source_of: BTreeMap<OutletId, OutletId> = BTreeMap::new();
    let mut backward = all.clone();
    for &id in order.iter().filter(|&&id| after[id]) {
        for (slot, input) in all.node(id).inputs.iter().enumerate() {
            if after[input.node] || !before[input.node] {
                continue;
            }
            if !source_of.contains_key(input) {
                let fact = all.outlet_fact(*input)?.without_value();
                let source = backward.add_source(format!("adjoint.kept.{}", kept.len()), fact)?;
                source_of.insert(*input, source);
                kept.push(*input);
            }
            backward.add_edge(source_of[input], InletId::new(id, slot))?;
        }
    }

    let mut forward = all;
    forward.select_output_outlets(&[outputs, &kept[..]].concat())?;
    forward.set_input_outlets(inputs)?;
    let sources: Vec<OutletId> = kept.iter().map(|outlet| source_of[outlet]).collect();
    backward.select_output_outlets(results)?;
    backward.set_input_outlets(&[cotangents, &sources[..]].concat())?;
    Ok((forward.into_compact()?, backward.into_compact()?))
}

/// Per node: whether its value depends on one of the sources.
fn reached_from(model: &TypedModel, order: &[usize], sources: &[OutletId]) -> Vec<bool> {
    let mut reached = vec![false; model.nodes.len()];
    for source in sources {
        reached[source.node] = true;
    }
    for &id in order {
        reached[id] |= model.node(id).inputs.iter().any(|input| reached[input.node]);
    }
    reached
}
