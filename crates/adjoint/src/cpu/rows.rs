//! Softmax and RMS norm along the last axes and the costly element-wise functions of a forward graph, as vector kernels on all
//! threads: tract computes their exponentials one by one.

use crate::kernel::{self, Function};
use crate::ops::{Groups, closed_op, elements, in_place, overwritten, threads};
use crate::tract::math::{Exp, Tanh};
use crate::tract::op::{
    ElementWiseOp, RmsNorm, Sigmoid, Softmax, SoftmaxKind, gelu_approximate, gelu_exact, silu,
};
use crate::tract::*;

/// Softmax, or its logarithm, of rows of `length` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CpuSoftmax {
    length: usize,
    logarithm: bool,
    shape: Vec<usize>,
}
closed_op!(CpuSoftmax);

impl EvalOp for CpuSoftmax {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let softmax = if self.logarithm { kernel::log_softmax } else { kernel::softmax };
        in_place(args_1!(inputs), |values| Ok(softmax(self.length, values, &threads(ctx))?))
    }
}

impl TypedOp for CpuSoftmax {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }
    as_op!();
}

/// The kernel for a softmax node; none where its axes are not the last ones.
pub(super) fn of_softmax(model: &TypedModel, node: &TypedNode) -> TractResult<Option<CpuSoftmax>> {
    let Some(op) = node.op_as::<Softmax>().filter(|op| op.quant_output_dt.is_none()) else { return Ok(None) };
    let Some(shape) = plain_shape(model, node)? else { return Ok(None) };
    let groups = Groups::new(&shape, &op.axes);
    let logarithm = op.kind == SoftmaxKind::LogSoftmax;
    Ok(groups.contiguous().then(|| CpuSoftmax { length: groups.length(), logarithm, shape }))
}

/// x / sqrt(mean(x^2) + epsilon) of rows of `length` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CpuRmsNorm {
    length: usize,
    epsilon: u32,
    shape: Vec<usize>,
}
closed_op!(CpuRmsNorm);

impl EvalOp for CpuRmsNorm {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (x, threads, epsilon) = (elements(&inputs[0])?, threads(ctx), f32::from_bits(self.epsilon));
        overwritten(&self.shape, |y| Ok(kernel::rms_norm(self.length, epsilon, x, y, &threads)?))
    }
}

impl TypedOp for CpuRmsNorm {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }
    as_op!();
}

/// The kernel for an RMS norm; none where its axis is not the last one.
pub(super) fn of_rms_norm(model: &TypedModel, node: &TypedNode) -> TractResult<Option<CpuRmsNorm>> {
    let Some(op) = node.op_as::<RmsNorm>() else { return Ok(None) };
    let Some(shape) = plain_shape(model, node)? else { return Ok(None) };
    let epsilon = op.eps.cast_to_scalar::<f32>()?.to_bits();
    Ok((op.axis + 1 == shape.len()).then(|| CpuRmsNorm { length: shape[op.axis], epsilon, shape }))
}

/// An element-wise function, in place where nobody else needs its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CpuFunction(Function);
closed_op!(CpuFunction);

impl EvalOp for CpuFunction {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (x, threads) = (args_1!(inputs), threads(ctx));
        if !x.is_exclusive() {
            return overwritten(x.shape(), |y| Ok(self.0.apply(elements(&x)?, y, &threads)?));
        }
        in_place(x, |values| {
            self.0.apply_in_place(values, &threads);
            Ok(())
        })
    }
}

impl TypedOp for CpuFunction {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&*inputs[0].shape)))
    }
    as_op!();
}

/// The kernel for an element-wise node; none where there is no kernel of its own.
pub(super) fn of_function(model: &TypedModel, node: &TypedNode) -> TractResult<Option<CpuFunction>> {
    let Some(ElementWiseOp(mini, None)) = node.op_as::<ElementWiseOp>() else { return Ok(None) };
    let function = match () {
        () if mini.is::<gelu_exact::GeluExact>() => Function::Gelu,
        () if mini.is::<gelu_approximate::GeluApproximate>() => Function::GeluTanh,
        () if mini.is::<silu::Silu>() => Function::Silu,
        () if mini.is::<Sigmoid>() => Function::Sigmoid,
        () if mini.is::<Tanh>() => Function::Tanh,
        () if mini.is::<Exp>() => Function::Exp,
        () => return Ok(None),
    };
    Ok(plain_shape(model, node)?.map(|_| CpuFunction(function)))
}

/// The shape of an f32 node's input; none where it is open or empty.
fn plain_shape(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Vec<usize>>> {
    let fact = model.outlet_fact(node.inputs[0])?;
    let shape = fact.shape.as_concrete().filter(|shape| !shape.contains(&0));
    Ok(shape.filter(|_| fact.datum_type == f32::datum_type()).map(<[usize]>::to_vec))
}
