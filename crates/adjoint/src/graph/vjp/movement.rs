//! Operators that move, repeat, cut or join elements without changing them.

use std::ops::Range;
use std::sync::Arc;

use super::{Answer, Call, Rule, Tape};
use crate::ops::{MoveOp, ScatterAdd, ScatterMoved, ScatterReduceGradient};
use crate::tract::op::{
    AxisOp, CumSum, Downsample, DynSlice, Gather, GatherElements, GatherNd, Identity, MultiBroadcastTo,
    NearestUpsample, Pad, PadMode, ScatterElements, ScatterNd, ScatterReduction, Slice, StridedSlice, Tile,
    Topk, Trilu, TypedConcat,
};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if op.is::<Identity>() {
        return Some(call.cotangent(tape).map(|cotangent| call.first(cotangent)));
    }
    if let Some(axis) = op.downcast_ref::<AxisOp>() {
        return Some(one(tape, call, |tape, cotangent| tape.wire(axis.recip(), &[cotangent])));
    }
    if let Some(concat) = op.downcast_ref::<TypedConcat>() {
        return Some(concatenation(tape, call, concat.axis));
    }
    if let Some(slice) = op.downcast_ref::<Slice>() {
        return Some(slice_rule(tape, call, slice));
    }
    if let Some(gather) = op.downcast_ref::<Gather>()
        && let Some(run) = consecutive(tape, call.input(1))
    {
        return Some(gathered_run(tape, call, gather.axis, run));
    }
    if let Some(Pad { pads, mode: PadMode::Constant(_) }) = op.downcast_ref::<Pad>() {
        return Some(constant_pad(tape, call, pads));
    }
    if op.is::<MultiBroadcastTo>() {
        return Some(one(tape, call, |tape, cotangent| broadcast_rule(tape, call, cotangent)));
    }
    if let Some(sum) = op.downcast_ref::<CumSum>() {
        let reversed = CumSum { reverse: !sum.reverse, ..sum.clone() };
        return Some(one(tape, call, |tape, cotangent| tape.wire(reversed.clone(), &[cotangent])));
    }
    if let Some(triangle) = op.downcast_ref::<Trilu>() {
        return Some(one(tape, call, |tape, cotangent| {
            tape.wire(triangle.clone(), &[cotangent, call.input(1)])
        }));
    }
    if let Some(top) = op.downcast_ref::<Topk>() {
        return Some(top_k(tape, call, top));
    }
    if let Some(answer) = accumulation(tape, call) {
        return Some(answer);
    }
    moves_only(op).then(|| movement(tape, call))
}

/// Operators whose every output element is one input element or a constant.
fn moves_only(op: &dyn Op) -> bool {
    op.is::<Gather>()
        || op.is::<GatherElements>()
        || op.is::<GatherNd>()
        || op.is::<ScatterNd>()
        || op.is::<ScatterElements>()
        || op.is::<Pad>()
        || op.is::<Tile>()
        || op.is::<StridedSlice>()
        || op.is::<DynSlice>()
        || op.is::<Downsample>()
        || op.is::<NearestUpsample>()
}

/// A rule with one input.
fn one(
    tape: &mut Tape,
    call: &Call,
    pull_back: impl Fn(&mut Tape, OutletId) -> TractResult<OutletId>,
) -> Rule {
    let cotangent = call.cotangent(tape)?;
    Ok(call.first(pull_back(tape, cotangent)?))
}

/// Repeated elements are summed again; axes that the broadcast put in front are summed away.
fn broadcast_rule(tape: &mut Tape, call: &Call, cotangent: OutletId) -> TractResult<OutletId> {
    let shape = tape.shape(call.input(0))?;
    let mut answer = cotangent;
    for _ in shape.len()..tape.shape(cotangent)?.len() {
        answer = tape.sum(answer, tvec!(0))?;
        answer = tape.wire(AxisOp::Rm(0), &[answer])?;
    }
    tape.unbroadcast(answer, &shape)
}

fn concatenation(tape: &mut Tape, call: &Call, axis: usize) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let mut answers = vec![None; call.node.inputs.len()];
    let mut start = 0;
    for (slot, answer) in answers.iter_mut().enumerate() {
        let end = start + tape.shape(call.input(slot))?[axis];
        if call.active[slot] {
            *answer = Some(tape.wire(Slice::new(axis, start, end), &[cotangent])?);
        }
        start = end;
    }
    Ok(Answer::Cotangents(answers))
}

fn slice_rule(tape: &mut Tape, call: &Call, slice: &Slice) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let run = slice.start.to_usize()?..slice.end.to_usize()?;
    Ok(call.first(zeros_around(tape, call, cotangent, slice.axis, run)?))
}

/// Puts zeros around the cotangent of a stretch of one axis.
fn zeros_around(
    tape: &mut Tape,
    call: &Call,
    cotangent: OutletId,
    axis: usize,
    run: Range<usize>,
) -> TractResult<OutletId> {
    let shape = tape.shape(call.input(0))?;
    let mut pads = vec![(0, 0); shape.len()];
    pads[axis] = (run.start, shape[axis] - run.end);
    let mode = PadMode::Constant(Arc::new(tensor0(0f32)));
    tape.wire(Pad { pads, mode }, &[cotangent])
}

/// The run that constant indices count off one by one.
fn consecutive(tape: &Tape, indices: OutletId) -> Option<Range<usize>> {
    let value = tape.value(indices)?.cast_to::<i64>().ok()?.into_owned();
    let indices = value.try_as_plain_ram().ok()?.as_slice::<i64>().ok()?;
    let start = usize::try_from(*indices.first()?).ok()?;
    let counted = indices.iter().zip(start..).all(|(&index, wanted)| usize::try_from(index) == Ok(wanted));
    (counted && value.rank() <= 1).then_some(start..start + indices.len())
}

/// Gathering a run is slicing; a single index also takes the axis away.
fn gathered_run(tape: &mut Tape, call: &Call, axis: usize, run: Range<usize>) -> Rule {
    let mut cotangent = call.cotangent(tape)?;
    if tape.shape(call.input(1))?.is_empty() {
        cotangent = tape.wire(AxisOp::Add(axis), &[cotangent])?;
    }
    Ok(call.first(zeros_around(tape, call, cotangent, axis, run)?))
}

/// The padding is cut off again. A negative pad had cut the input, so zeros come back there.
fn constant_pad(tape: &mut Tape, call: &Call, pads: &[(usize, usize)]) -> Rule {
    let mut answer = call.cotangent(tape)?;
    let shape = tape.shape(call.input(0))?;
    for (axis, &(before, after)) in pads.iter().enumerate() {
        if before + after > 0 {
            answer = tape.wire(Slice::new(axis, before, before + shape[axis]), &[answer])?;
        }
    }
    Ok(call.first(answer))
}

/// The values of TopK are the input's elements at the indices of its second output.
fn top_k(tape: &mut Tape, call: &Call, top: &Topk) -> Rule {
    let Some(cotangent) = call.cotangents[0] else { return Ok(Answer::Step) };
    let indices = OutletId::new(call.node.id, 1);
    let shape = tape.shape(call.input(0))?;
    let gather = MoveOp { op: Box::new(GatherElements { axis: top.axis }), slot: 0, output: 0, shape };
    Ok(call.first(tape.wire(ScatterMoved(gather), &[cotangent, call.input(0), indices])?))
}

/// Scatters that add to what is there: the data keep their cotangent, an update gets that of its place. Those that
/// multiply or compare have an operator of their own.
fn accumulation(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    let (reduction, gather): (&ScatterReduction, Box<dyn TypedOp>) =
        if let Some(scatter) = op.downcast_ref::<ScatterNd>() {
            (&scatter.reduction, Box::new(GatherNd { batch_dims: 0 }))
        } else {
            let scatter = op.downcast_ref::<ScatterElements>()?;
            (&scatter.reduction, Box::new(GatherElements { axis: scatter.axis }))
        };
    match reduction {
        ScatterReduction::None => None,
        ScatterReduction::Add => Some((|| {
            let cotangent = call.cotangent(tape)?;
            let data = call.active[0].then_some(cotangent);
            let updates =
                call.active[2].then(|| tape.wire(gather, &[cotangent, call.input(1)])).transpose()?;
            Ok(Answer::Cotangents(vec![data, None, updates]))
        })()),
        reduction => Some((|| {
            let cotangent = call.cotangent(tape)?;
            let mut answers = vec![None; 3];
            for slot in [0, 2].into_iter().filter(|&slot| call.active[slot]) {
                let op = ScatterReduceGradient {
                    gather: gather.clone(),
                    reduction: *reduction,
                    updates: slot == 2,
                };
                let inputs = [cotangent, call.input(0), call.input(1), call.input(2)];
                answers[slot] = Some(tape.wire(op, &inputs)?);
            }
            Ok(Answer::Cotangents(answers))
        })()),
    }
}

/// Elements are added where they came from. Where no index depends on the run, the places are found now.
fn movement(tape: &mut Tape, call: &Call) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let mut answers = vec![None; call.node.inputs.len()];
    for (slot, answer) in answers.iter_mut().enumerate() {
        if !call.active[slot] {
            continue;
        }
        let shape = tape.shape(call.input(slot))?;
        let moved = MoveOp { op: call.node.op.clone(), slot, output: 0, shape: shape.clone() };
        *answer = Some(match constant_inputs(tape, call)? {
            Some(inputs) => {
                let places = moved.sources(&inputs)?.into();
                tape.wire(ScatterAdd { places, shape }, &[cotangent])?
            }
            None => {
                let inputs: Vec<OutletId> =
                    std::iter::once(cotangent).chain(call.node.inputs.iter().copied()).collect();
                tape.wire(ScatterMoved(moved), &inputs)?
            }
        });
    }
    Ok(Answer::Cotangents(answers))
}

/// The inputs' values where all that are not floats are constant. The floats only have to have the right shape.
fn constant_inputs(tape: &Tape, call: &Call) -> TractResult<Option<TVec<TValue>>> {
    let mut inputs = tvec!();
    for input in &call.node.inputs {
        let fact = tape.model.outlet_fact(*input)?;
        if fact.datum_type.is_float() {
            inputs.push(Tensor::zero::<f32>(&tape.shape(*input)?)?.into_tvalue());
        } else if let Some(value) = tape.value(*input) {
            inputs.push(value.into_tvalue());
        } else {
            return Ok(None);
        }
    }
    Ok(Some(inputs))
}

#[cfg(test)]
mod tests;
