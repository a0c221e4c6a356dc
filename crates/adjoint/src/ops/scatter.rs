//! Adjoints of operators that only move elements: each output element is one input element, or a constant.
//!
//! Where such an operator takes its elements from is found by asking it: run on the numbers 1, 2, 3 ... it answers with
//! its own index map. That serves Gather, GatherND, ScatterND, Pad by reflection, Tile, and whatever else moves elements,
//! without a word about how each counts its indices.

use std::sync::Arc;

use super::{closed_op, elements, filled};
use crate::tract::*;

/// An operator that moves elements, kept by value so that its index map can be asked for again at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveOp {
    /// The operator.
    pub op: Box<dyn TypedOp>,
    /// Which of its inputs the cotangent is wanted for.
    pub slot: usize,
    /// Which of its outputs the cotangent belongs to.
    pub output: usize,
    /// Shape of that input.
    pub shape: Vec<usize>,
}

impl MoveOp {
    /// For each output element the 1-based place in the input that it comes from, or 0.
    ///
    /// `others` are the operator's inputs; the one in the slot is not read.
    ///
    /// # Errors
    /// The operator's own, or that it does not answer without a plan around it.
    pub fn sources(&self, others: &[TValue]) -> TractResult<Vec<u32>> {
        let len: usize = self.shape.iter().product();
        ensure!(len < u32::MAX as usize, "{} elements are more than an index of 32 bits counts", len);
        let inputs = others.iter().enumerate().map(|(slot, value)| match slot {
            slot if slot == self.slot => self.numbered(),
            _ if value.datum_type().is_float() => Ok(Tensor::zero::<i64>(value.shape())?.into_tvalue()),
            _ => Ok(value.clone()),
        });
        let inputs = inputs.collect::<TractResult<TVec<TValue>>>()?;
        let answer = self.op.eval_out_of_plan(inputs)?.context("the operator has no value outside a plan")?;
        let answer = answer[self.output].cast_to::<i64>()?;
        Ok(answer.try_as_plain_ram()?.as_slice::<i64>()?.iter().map(|&place| place as u32).collect())
    }

    fn numbered(&self) -> TractResult<TValue> {
        let len: usize = self.shape.iter().product();
        let numbers: Vec<i64> = (1..=len as i64).collect();
        Ok(Tensor::from_shape(&self.shape, &numbers)?.into_tvalue())
    }
}

/// Adds each element of the cotangent at its place in a zero tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScatterAdd {
    /// For each element of the cotangent its 1-based place, or 0 for an element that came from nowhere.
    pub places: Arc<[u32]>,
    /// Shape of the output.
    pub shape: Vec<usize>,
}
closed_op!(ScatterAdd);

impl EvalOp for ScatterAdd {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let cotangent = args_1!(inputs);
        filled(&self.shape, |out| add_at(out, &self.places, elements(&cotangent)?))
    }
}

impl TypedOp for ScatterAdd {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }
    as_op!();
}

/// [`ScatterAdd`] whose places depend on values computed at run time (indices from an `ArgMax`, a `TopK`, a mask).
///
/// Inputs: the cotangent, then all inputs of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScatterMoved(pub MoveOp);
closed_op!(ScatterMoved);

impl EvalOp for ScatterMoved {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let places = self.0.sources(&inputs[1..])?;
        filled(&self.0.shape, |out| add_at(out, &places, elements(&inputs[0])?))
    }
}

impl TypedOp for ScatterMoved {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.0.shape)))
    }
    as_op!();
}

fn add_at(out: &mut [f32], places: &[u32], cotangent: &[f32]) -> TractResult<()> {
    ensure!(places.len() == cotangent.len(), "{} places, {} elements", places.len(), cotangent.len());
    for (&place, &value) in places.iter().zip(cotangent) {
        if place > 0 {
            let slot = out.get_mut(place as usize - 1).context("a place beyond the end")?;
            *slot += value;
        }
    }
    Ok(())
}
