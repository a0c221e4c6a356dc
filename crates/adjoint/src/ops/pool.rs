//! Adjoints of pooling.

use super::{closed_op, elements, filled, threads, three};
use crate::kernel::{self, Divisor, PoolGeometry};
use crate::tract::op::{PaddingSpec, PoolSpec};
use crate::tract::*;

/// The windows of a pool over N, C, space.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// The windows on up to three axes.
    pub geometry: PoolGeometry,
    /// Shape of the pool's input.
    pub input: Vec<usize>,
}

impl Window {
    /// The windows of tract's pool between these shapes, both N, C, space.
    ///
    /// # Errors
    /// More than three axes of space.
    pub fn of(spec: &PoolSpec, input: &[usize], output: &[usize]) -> TractResult<Self> {
        let space = &input[2..];
        let pads = spec.computed_padding(space);
        let before: Vec<usize> = pads.iter().map(|pad| pad.pad_before).collect();
        // In ceil mode the last window may reach over the padding; what lies beyond it does not count as padding.
        let after: Vec<usize> = match &spec.padding {
            PaddingSpec::ExplicitOnnxPool(_, after, true) => after.to_vec(),
            _ => pads.iter().map(|pad| pad.pad_after).collect(),
        };
        Ok(Self {
            geometry: PoolGeometry {
                planes: input[0] * input[1],
                input: three(space, 1)?,
                output: three(&output[2..], 1)?,
                kernel: three(&spec.kernel_shape, 1)?,
                stride: three(&spec.strides(), 1)?,
                dilation: three(&spec.dilations(), 1)?,
                pad_before: three(&before, 0)?,
                pad_after: three(&after, 0)?,
            },
            input: input.to_vec(),
        })
    }
}

/// `(cotangent, input)`: each element goes to the first maximum of its window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MaxPoolGradient {
    /// The pool's windows.
    pub window: Window,
}
closed_op!(MaxPoolGradient);

impl EvalOp for MaxPoolGradient {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, input) = (elements(&inputs[0])?, elements(&inputs[1])?);
        filled(&self.window.input, |out| {
            Ok(kernel::max_pool_gradient(&self.window.geometry, input, cotangent, out, &threads(ctx))?)
        })
    }
}

impl TypedOp for MaxPoolGradient {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.window.input)))
    }
    as_op!();
}

/// Each element of the cotangent goes to all elements of its window, divided as the pool divided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SumPoolGradient {
    /// The pool's windows.
    pub window: Window,
    /// Whether the pool was an average.
    pub average: bool,
    /// Whether padding counted as elements of the window.
    pub count_include_pad: bool,
}
closed_op!(SumPoolGradient);

/// What a pool divides its sums by.
pub(crate) fn divisor(average: bool, count_include_pad: bool) -> Divisor {
    match (average, count_include_pad) {
        (false, _) => Divisor::One,
        (true, true) => Divisor::WithPad,
        (true, false) => Divisor::WithoutPad,
    }
}

impl EvalOp for SumPoolGradient {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let cotangent = elements(&inputs[0])?;
        let divisor = divisor(self.average, self.count_include_pad);
        filled(&self.window.input, |out| {
            Ok(kernel::sum_pool_gradient(&self.window.geometry, divisor, cotangent, out, &threads(ctx))?)
        })
    }
}

impl TypedOp for SumPoolGradient {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.window.input)))
    }
    as_op!();
}
