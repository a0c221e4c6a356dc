//! The logarithm of a sum of exponentials, for forward graphs.

use super::group::Groups;
use super::{closed_op, elements, filled};
use crate::tract::*;

/// ln(sum(e^x)) over some axes, which keep length 1, as max + ln(sum(e^(x - max))): tract's chain of three operators
/// overflows above 88.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogSumExp {
    /// The axes of the sum.
    pub axes: Vec<usize>,
}
closed_op!(LogSumExp);

impl EvalOp for LogSumExp {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        let groups = Groups::new(x.shape(), &self.axes);
        let shape: Vec<usize> = x
            .shape()
            .iter()
            .enumerate()
            .map(|(axis, &dim)| if self.axes.contains(&axis) { 1 } else { dim })
            .collect();
        let values = elements(&x)?;
        filled(&shape, |out| {
            for (group, out) in groups.iter().zip(out) {
                let largest = group.clone().map(|place| values[place]).fold(f32::NEG_INFINITY, f32::max);
                // Where all are -inf, or one is +inf, there is nothing to shift.
                let shift = if largest.is_finite() { largest } else { 0.0 };
                *out = shift + group.map(|place| (values[place] - shift).exp()).sum::<f32>().ln();
            }
            Ok(())
        })
    }
}

impl TypedOp for LogSumExp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.to_tvec();
        for &axis in &self.axes {
            ensure!(axis < shape.len(), "axis {axis} of {:?}", inputs[0].shape);
            shape[axis] = 1.to_dim();
        }
        Ok(tvec!(f32::fact(&*shape)))
    }
    as_op!();
}
