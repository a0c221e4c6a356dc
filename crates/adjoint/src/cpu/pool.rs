//! Forward pooling as one kernel call.

use super::convolution::Shapes;
use crate::kernel::{self, Divisor};
use crate::ops::{Window, closed_op, divisor, elements, overwritten, threads};
use crate::tract::op::{MaxPool, SumPool};
use crate::tract::*;

/// What a window gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    Maximum,
    Sum(Divisor),
}

/// A pool over N, C, space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CpuPool {
    pub window: Window,
    pub statistic: Statistic,
    pub output: Vec<usize>,
}
closed_op!(CpuPool);

impl EvalOp for CpuPool {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (geometry, input, threads) = (&self.window.geometry, elements(&inputs[0])?, threads(ctx));
        overwritten(&self.output, |values| match self.statistic {
            Statistic::Maximum => Ok(kernel::max_pool(geometry, input, values, &threads)?),
            Statistic::Sum(divisor) => Ok(kernel::sum_pool(geometry, divisor, input, values, &threads)?),
        })
    }
}

impl TypedOp for CpuPool {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.output)))
    }
    as_op!();
}

/// The kernel for a pooling node; none for layouts with the channels last and pools that also give indices.
pub(super) fn of_pool(model: &TypedModel, node: &TypedNode) -> TractResult<Option<CpuPool>> {
    let (spec, statistic) = if let Some(pool) = node.op_as::<MaxPool>() {
        if pool.with_index_outputs.is_some() {
            return Ok(None);
        }
        (&pool.pool_spec, Statistic::Maximum)
    } else if let Some(pool) = node.op_as::<SumPool>() {
        (&pool.pool_spec, Statistic::Sum(divisor(pool.normalize, pool.count_include_pad)))
    } else {
        return Ok(None);
    };
    if model.outlet_fact(node.inputs[0])?.datum_type != f32::datum_type() {
        return Ok(None);
    }
    let Some(shapes) = Shapes::of(model, node, spec)? else { return Ok(None) };
    let window = Window::of(spec, &shapes.input, &shapes.output)?;
    Ok(Some(CpuPool { window, statistic, output: shapes.declared }))
}
