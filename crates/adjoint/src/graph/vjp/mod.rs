//! Vector-Jacobian products, one rule per operator of a decluttered tract model.

mod arithmetic;
mod convolution;
mod einsum;
mod elementwise;
mod layout;
mod movement;
mod norm;
mod pooling;
mod reduce;
mod resample;

use super::tape::Tape;
use crate::tract::*;

/// A node whose inputs' cotangents are wanted.
pub(super) struct Call<'a> {
    pub node: &'a TypedNode,
    /// Per input: whether its cotangent is wanted.
    pub active: Vec<bool>,
    /// Per output: the cotangent that arrived, if any did.
    pub cotangents: Vec<Option<OutletId>>,
}

/// What a rule answers.
pub(super) enum Answer {
    /// A cotangent per input; none where it is not wanted, or zero because the value has no influence.
    Cotangents(Vec<Option<OutletId>>),
    /// The operator's derivative is zero almost everywhere: no gradient passes.
    Step,
    /// There is no rule, for this reason.
    Unknown(String),
}

/// A rule's result; an error is a failure to wire, not a missing rule.
pub(super) type Rule = TractResult<Answer>;

impl Call<'_> {
    /// The cotangent of the first output; zeros if only another output has one.
    fn cotangent(&self, tape: &mut Tape) -> TractResult<OutletId> {
        if let Some(cotangent) = self.cotangents[0] {
            return Ok(cotangent);
        }
        let shape = tape.shape(self.output())?;
        tape.constant(Tensor::zero::<f32>(&shape)?)
    }

    fn output(&self) -> OutletId {
        OutletId::new(self.node.id, 0)
    }

    fn input(&self, slot: usize) -> OutletId {
        self.node.inputs[slot]
    }

    /// An answer for an operator with a single input that matters, the first.
    fn first(&self, cotangent: OutletId) -> Answer {
        let mut answers = vec![None; self.node.inputs.len()];
        answers[0] = Some(cotangent);
        Answer::Cotangents(answers)
    }
}

/// Finds the rule of a node's operator.
pub(super) fn vjp(tape: &mut Tape, call: &Call) -> Rule {
    const FAMILIES: [fn(&mut Tape, &Call) -> Option<Rule>; 9] = [
        arithmetic::rule,
        elementwise::rule,
        einsum::rule,
        convolution::rule,
        pooling::rule,
        movement::rule,
        reduce::rule,
        norm::rule,
        resample::rule,
    ];
    for family in FAMILIES {
        if let Some(rule) = family(tape, call) {
            return rule;
        }
    }
    Ok(Answer::Unknown("it has no rule".into()))
}
