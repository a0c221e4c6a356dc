//! Matrix products in all their forms: tract writes every one of them as an Einstein sum.

use super::{Answer, Call, Rule, Tape};
use crate::tract::op::{AxesMapping, AxisOp, EinSum};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op().downcast_ref::<EinSum>()?;
    Some(einsum(tape, call, op))
}

/// The cotangent of an operand is the sum of the others' product with the output's cotangent, over the axes that the
/// operand does not have.
fn einsum(tape: &mut Tape, call: &Call, op: &EinSum) -> Rule {
    if op.q_params.is_some() {
        return Ok(Answer::Unknown("a quantised product has no gradient".into()));
    }
    let text = op.axes.to_string();
    let (operands, output) = text.split_once("->").context("a product without an output")?;
    let operands: Vec<&str> = operands.split(',').collect();
    if operands.iter().any(|term| repeats(term)) {
        return Ok(Answer::Unknown("an operand that names an axis twice (a diagonal) has no rule".into()));
    }
    let cotangent = call.cotangent(tape)?;
    let mut answers = vec![None; operands.len()];
    for (side, answer) in answers.iter_mut().enumerate() {
        if call.active[side] {
            *answer = Some(operand(tape, call, op, &operands, output, side, cotangent)?);
        }
    }
    Ok(Answer::Cotangents(answers))
}

/// Whether a term names an axis twice.
fn repeats(term: &str) -> bool {
    term.chars().enumerate().any(|(place, axis)| term.chars().skip(place + 1).any(|other| other == axis))
}

fn operand(
    tape: &mut Tape,
    call: &Call,
    op: &EinSum,
    operands: &[&str],
    output: &str,
    side: usize,
    cotangent: OutletId,
) -> TractResult<OutletId> {
    let mut terms = vec![output];
    let mut inputs = vec![cotangent];
    for other in (0..operands.len()).filter(|&other| other != side) {
        terms.push(operands[other]);
        inputs.push(call.input(other));
    }
    // An axis that only this operand has was summed away: left out here, repeated afterwards.
    let target = operands[side];
    let reached: String =
        target.chars().filter(|axis| terms.iter().any(|term| term.contains(*axis))).collect();
    let mut answer = product(tape, op, &terms, &reached, &inputs)?;
    for (position, axis) in target.chars().enumerate() {
        if !reached.contains(axis) {
            answer = tape.wire(AxisOp::Add(position), &[answer])?;
        }
    }
    let shape = tape.shape(call.input(side))?;
    let answer = tape.unbroadcast(answer, &shape)?;
    tape.broadcast(answer, &shape)
}

/// A product of several tensors. With a single one tract would return its input unsummed, so that case is a plain sum
/// and a transposition.
fn product(
    tape: &mut Tape,
    op: &EinSum,
    terms: &[&str],
    result: &str,
    inputs: &[OutletId],
) -> TractResult<OutletId> {
    if inputs.len() > 1 {
        let axes: AxesMapping = format!("{}->{result}", terms.join(",")).parse()?;
        return tape.wire(EinSum::new(axes, op.operating_dt), inputs);
    }
    let mut at: Vec<char> = terms[0].chars().collect();
    let mut answer = inputs[0];
    for axis in (0..at.len()).rev().filter(|&axis| !result.contains(at[axis])).collect::<Vec<_>>() {
        answer = tape.sum(answer, tvec!(axis))?;
        answer = tape.wire(AxisOp::Rm(axis), &[answer])?;
        at.remove(axis);
    }
    for (to, axis) in result.chars().enumerate() {
        let from =
            at.iter().position(|&other| other == axis).context("an axis of the result is in no term")?;
        if from != to {
            answer = tape.wire(AxisOp::Move(from, to), &[answer])?;
            let moved = at.remove(from);
            at.insert(to, moved);
        }
    }
    Ok(answer)
}
