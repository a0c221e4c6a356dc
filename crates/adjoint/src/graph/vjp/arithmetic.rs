//! Binary arithmetic with broadcasting, and the choice between two tensors.

use super::{Answer, Call, Rule, Tape};
use crate::ops::{Choose, Derivative, Function};
use crate::tract::math::{self, Add, Div, Max, Min, Mul, Pow, Rem, Sub, SubF};
use crate::tract::op::{Iff, TypedBinOp};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if let Some(binary) = op.downcast_ref::<TypedBinOp>() {
        return Some(binary_rule(tape, call, binary));
    }
    op.is::<Iff>().then(|| where_rule(tape, call))
}

fn binary_rule(tape: &mut Tape, call: &Call, op: &TypedBinOp) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let mut answers = vec![None; 2];
    for (side, slot) in answers.iter_mut().enumerate() {
        if !call.active[side] {
            continue;
        }
        let Some(answer) = one_side(tape, call, op, side, cotangent)? else {
            return Ok(Answer::Unknown(format!("no rule for the binary operator {}", op.0.name())));
        };
        let shape = tape.shape(call.input(side))?;
        let answer = tape.unbroadcast(answer, &shape)?;
        // What is taken off is often a mean, small beside what it is taken from: the sign after the sum. SubF is the
        // difference the other way round.
        let taken_off = if side == 0 { op.0.is::<SubF>() } else { op.0.is::<Sub>() };
        *slot = Some(if taken_off { tape.neg(answer)? } else { answer });
    }
    Ok(Answer::Cotangents(answers))
}

/// The cotangent of one operand, in the shape of the result; of a difference without its sign.
fn one_side(
    tape: &mut Tape,
    call: &Call,
    op: &TypedBinOp,
    side: usize,
    cotangent: OutletId,
) -> TractResult<Option<OutletId>> {
    let (mini, other, y) = (&*op.0, call.input(1 - side), call.output());
    let answer = if mini.is::<Add>() || mini.is::<Sub>() || mini.is::<SubF>() {
        cotangent
    } else if mini.is::<Mul>() {
        tape.mul(cotangent, other)?
    } else if mini.is::<Div>() {
        divided(tape, call, side, cotangent)?
    } else if mini.is::<Rem>() {
        remainder(tape, call, side, cotangent)?
    } else if mini.is::<Max>() || mini.is::<Min>() {
        extremum(tape, call, side, cotangent, mini.is::<Max>())?
    } else if mini.is::<Pow>() {
        power(tape, call, side, cotangent, y)?
    } else {
        return Ok(None);
    };
    Ok(Some(answer))
}

/// a / b: 1/b for a, -y/b for b.
fn divided(tape: &mut Tape, call: &Call, side: usize, cotangent: OutletId) -> TractResult<OutletId> {
    let quotient = tape.binary(math::div(), cotangent, call.input(1))?;
    if side == 0 {
        return Ok(quotient);
    }
    let scaled = tape.mul(quotient, call.output())?;
    tape.neg(scaled)
}

/// a mod b = a - q b with a whole q: 1 for a, -q = (y - a) / b for b.
fn remainder(tape: &mut Tape, call: &Call, side: usize, cotangent: OutletId) -> TractResult<OutletId> {
    if side == 0 {
        return Ok(cotangent);
    }
    let difference = tape.binary(math::sub(), call.output(), call.input(0))?;
    let minus_q = tape.binary(math::div(), difference, call.input(1))?;
    tape.mul(cotangent, minus_q)
}

/// The larger (or smaller) of two. Against a constant the mask is taken from the output: nothing else is kept then, and
/// the convolution before a ReLU stays free to be fused with it.
fn extremum(
    tape: &mut Tape,
    call: &Call,
    side: usize,
    cotangent: OutletId,
    larger: bool,
) -> TractResult<OutletId> {
    if let Some(bound) = tape.uniform(call.input(1 - side)).filter(|_| !call.active[1 - side]) {
        let bits = if bound == 0.0 { 0 } else { bound.to_bits() };
        let function = if larger { Function::AboveOutput(bits) } else { Function::BelowOutput(bits) };
        return tape.wire(Derivative { function }, &[cotangent, call.output()]);
    }
    let shape = tape.shape(call.output())?;
    let this = tape.broadcast(call.input(side), &shape)?;
    let other = tape.broadcast(call.input(1 - side), &shape)?;
    tape.wire(Choose { larger }, &[cotangent, this, other])
}

/// a^b: b a^(b-1) for a; y ln a for b.
fn power(
    tape: &mut Tape,
    call: &Call,
    side: usize,
    cotangent: OutletId,
    y: OutletId,
) -> TractResult<OutletId> {
    let (base, exponent) = (call.input(0), call.input(1));
    let factor = if side == 0 {
        let rank = tape.shape(exponent)?.len();
        let one = tape.scalar(1.0, rank)?;
        let less = tape.binary(math::sub(), exponent, one)?;
        let power = tape.binary(math::pow(), base, less)?;
        tape.mul(power, exponent)?
    } else {
        let log = tape.unary(math::ln(), base)?;
        tape.mul(y, log)?
    };
    tape.mul(cotangent, factor)
}

/// Where(condition, a, b): the cotangent where the side was taken, zero elsewhere.
fn where_rule(tape: &mut Tape, call: &Call) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let condition = call.input(0);
    let mut answers = vec![None; 3];
    for (side, slot) in answers.iter_mut().enumerate().skip(1) {
        if !call.active[side] {
            continue;
        }
        let rank = tape.shape(call.output())?.len();
        let zero = tape.scalar(0.0, rank)?;
        let sides = if side == 1 { [condition, cotangent, zero] } else { [condition, zero, cotangent] };
        let taken = tape.wire(Iff, &sides)?;
        let shape = tape.shape(call.input(side))?;
        *slot = Some(tape.unbroadcast(taken, &shape)?);
    }
    Ok(Answer::Cotangents(answers))
}
