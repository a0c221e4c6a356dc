//! Softmax along the last axes and the costly element-wise functions of a forward graph, as vector kernels on all
//! threads: tract computes their exponentials one by one.

use super::convolution::overwritten;
use crate::kernel::{self, Function};
use crate::ops::{Groups, closed_op, elements, in_place, threads};
use crate::tract::math::{Exp, Tanh};
use crate::tract::op::{ElementWiseOp, Sigmoid, Softmax, SoftmaxKind, gelu_approximate, gelu_exact, silu};
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
        let (x, threads) = (elements(&inputs[0])?, threads(ctx));
        overwritten(&self.shape, |y| {
            let softmax = if self.logarithm { kernel::log_softmax } else { kernel::softmax };
            Ok(softmax(self.length, x, y, &threads)?)
        })
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

/// An element-wise function, in place where nobody else needs its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CpuFunction(Function);
closed_op!(CpuFunction);

impl EvalOp for CpuFunction {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let threads = threads(ctx);
        in_place(args_1!(inputs), |values| {
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
