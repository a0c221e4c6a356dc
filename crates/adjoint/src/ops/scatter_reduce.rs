//! Gradients of scatters that multiply into what is there, or keep the larger or smaller value.

use std::collections::BTreeMap;

use super::{closed_op, elements, filled};
use crate::tract::op::ScatterReduction;
use crate::tract::*;

/// `(cotangent, data, indices, updates)` to the cotangent of the data or of the updates.
///
/// A place of the result is the product, maximum or minimum of its element of the data and of all updates that go
/// there. Of a product each gets the cotangent times the others; the largest or smallest share it equally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScatterReduceGradient {
    /// The gather with the same indices: asked for the places that updates go to.
    pub gather: Box<dyn TypedOp>,
    /// How values meet: `Mul`, `Max` or `Min`.
    pub reduction: ScatterReduction,
    /// For the updates (true) or the data.
    pub updates: bool,
}
closed_op!(ScatterReduceGradient);

impl EvalOp for ScatterReduceGradient {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, data) = (elements(&inputs[0])?, elements(&inputs[1])?);
        let updates = elements(&inputs[3])?;
        let mut arriving: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (update, place) in self.places(&inputs[1], &inputs[2])?.into_iter().enumerate() {
            arriving.entry(place).or_default().push(update);
        }
        let shape = inputs[if self.updates { 3 } else { 1 }].shape();
        filled(shape, |out| {
            if !self.updates {
                out.copy_from_slice(cotangent);
            }
            for (place, arrived) in arriving {
                let mut values = vec![data[place]];
                values.extend(arrived.iter().map(|&update| updates[update]));
                let shares = self.shares(&values);
                if !self.updates {
                    out[place] *= shares[0];
                    continue;
                }
                for (update, share) in arrived.into_iter().zip(&shares[1..]) {
                    out[update] = cotangent[place] * share;
                }
            }
            Ok(())
        })
    }
}

impl ScatterReduceGradient {
    /// For each update the place in the data that it goes to.
    fn places(&self, data: &Tensor, indices: &TValue) -> TractResult<Vec<usize>> {
        let numbers: Vec<i64> = (0..data.len() as i64).collect();
        let numbers = Tensor::from_shape(data.shape(), &numbers)?.into_tvalue();
        let answer = self.gather.eval_out_of_plan(tvec!(numbers, indices.clone()))?;
        let answer = answer.context("the operator has no value outside a plan")?.remove(0).into_tensor();
        Ok(answer.try_as_plain_ram()?.as_slice::<i64>()?.iter().map(|&place| place as usize).collect())
    }

    /// The derivative of what the values come to with respect to each.
    fn shares(&self, values: &[f32]) -> Vec<f32> {
        if self.reduction == ScatterReduction::Mul {
            let others = |at: usize| values.iter().enumerate().filter(move |(other, _)| *other != at);
            return (0..values.len()).map(|at| others(at).map(|(_, value)| value).product()).collect();
        }
        let larger = self.reduction == ScatterReduction::Max;
        let best = values.iter().copied().reduce(if larger { f32::max } else { f32::min });
        let hits = values.iter().filter(|value| Some(**value) == best).count().max(1) as f32;
        values.iter().map(|value| if Some(*value) == best { 1.0 / hits } else { 0.0 }).collect()
    }
}

impl TypedOp for ScatterReduceGradient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].shape == inputs[1].shape, "{:?} against {:?}", inputs[0].shape, inputs[1].shape);
        Ok(tvec!(f32::fact(&*inputs[if self.updates { 3 } else { 1 }].shape)))
    }
    as_op!();
}
