//! Maximum, average and sum pooling.

use super::layout::Layout;
use super::{Answer, Call, Rule, Tape};
use crate::ops::{MaxPoolGradient, SumPoolGradient, Window};
use crate::tract::op::{MaxPool, PoolSpec, SumPool};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if let Some(pool) = op.downcast_ref::<MaxPool>() {
        return Some(max_pool(tape, call, pool));
    }
    op.downcast_ref::<SumPool>().map(|pool| sum_pool(tape, call, pool))
}

fn window(tape: &Tape, call: &Call, spec: &PoolSpec, layout: &Layout) -> TractResult<Window> {
    let (input, output) = (tape.shape(call.input(0))?, tape.shape(call.output())?);
    Window::of(spec, &layout.shape(&input), &layout.shape(&output))
}

/// The place of the maximum is found again in the backward step: to keep it would take tract off its fast path.
fn max_pool(tape: &mut Tape, call: &Call, pool: &MaxPool) -> Rule {
    if call.cotangents[0].is_none() {
        // Only the indices were used.
        return Ok(Answer::Step);
    }
    let cotangent = call.cotangent(tape)?;
    let layout = Layout::of(pool.pool_spec.data_format);
    let op = MaxPoolGradient { window: window(tape, call, &pool.pool_spec, &layout)? };
    let inputs = [layout.enter(tape, cotangent)?, layout.enter(tape, call.input(0))?];
    let answer = tape.wire(op, &inputs)?;
    Ok(call.first(layout.leave(tape, answer)?))
}

fn sum_pool(tape: &mut Tape, call: &Call, pool: &SumPool) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let layout = Layout::of(pool.pool_spec.data_format);
    let window = window(tape, call, &pool.pool_spec, &layout)?;
    let op = SumPoolGradient { window, average: pool.normalize, count_include_pad: pool.count_include_pad };
    let cotangent = layout.enter(tape, cotangent)?;
    let answer = tape.wire(op, &[cotangent])?;
    Ok(call.first(layout.leave(tape, answer)?))
}
