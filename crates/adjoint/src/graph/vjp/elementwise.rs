//! Functions of one tensor, element by element, and changes of number type.

use super::{Answer, Call, Rule, Tape};
use crate::ops::{Derivative, Elu, Function, Softplus};
use crate::tract::math::{
    Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Erf, Exp, Floor, Ln, Neg, PowConst, Recip,
    Round, RoundHalfToEven, Rsqrt, Sign, Sin, Sinh, Sqrt, Square, Tan, Tanh,
};
use crate::tract::op::{
    Cast, ElementWiseMiniOp, ElementWiseOp, HardSwish, LeakyRelu, Sigmoid, gelu_approximate, gelu_exact, silu,
};

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if op.is::<Softplus>() {
        return Some(derivative(tape, call, Function::Softplus));
    }
    if let Some(elu) = op.downcast_ref::<Elu>() {
        return Some(derivative(tape, call, Function::EluOutput(elu.alpha)));
    }
    if op.is::<Cast>() {
        // Only casts between floats get here as f32; a model is f32 throughout, so this one changes nothing.
        return Some(call.cotangent(tape).map(|cotangent| call.first(cotangent)));
    }
    let mini = &*op.downcast_ref::<ElementWiseOp>()?.0;
    if mini.is::<Neg>() {
        let negated = call.cotangent(tape).and_then(|cotangent| tape.neg(cotangent));
        return Some(negated.map(|cotangent| call.first(cotangent)));
    }
    if mini.is::<Floor>()
        || mini.is::<Ceil>()
        || mini.is::<Round>()
        || mini.is::<RoundHalfToEven>()
        || mini.is::<Sign>()
    {
        return Some(Ok(Answer::Step));
    }
    Some(match function_of(mini) {
        Some(function) => derivative(tape, call, function),
        None => Ok(Answer::Unknown(format!("no derivative is known for {}", mini.name()))),
    })
}

/// The function behind an element-wise operator of tract.
fn function_of(mini: &dyn ElementWiseMiniOp) -> Option<Function> {
    macro_rules! first_of {
        ($($type:ty => $function:expr),* $(,)?) => {
            $(if mini.is::<$type>() { return Some($function); })*
        };
    }
    first_of! {
        Sigmoid => Function::SigmoidOutput,
        Tanh => Function::TanhOutput,
        Exp => Function::ExpOutput,
        Sqrt => Function::SqrtOutput,
        Rsqrt => Function::RsqrtOutput,
        Recip => Function::RecipOutput,
        Ln => Function::Ln,
        Square => Function::Square,
        Abs => Function::Abs,
        Sin => Function::Sin,
        Cos => Function::Cos,
        Tan => Function::TanOutput,
        Asin => Function::Asin,
        Acos => Function::Acos,
        Atan => Function::Atan,
        Sinh => Function::Sinh,
        Cosh => Function::Cosh,
        Asinh => Function::Asinh,
        Acosh => Function::Acosh,
        Atanh => Function::Atanh,
        Erf => Function::Erf,
        gelu_exact::GeluExact => Function::GeluExact,
        gelu_approximate::GeluApproximate => Function::GeluTanh,
        silu::Silu => Function::Silu,
        HardSwish => Function::HardSwish,
    }
    if let Some(leaky) = mini.downcast_ref::<LeakyRelu>() {
        return Some(Function::LeakyRelu(leaky.alpha.to_bits()));
    }
    mini.downcast_ref::<PowConst>().map(|power| Function::Power(power.exponent.to_bits()))
}

fn derivative(tape: &mut Tape, call: &Call, function: Function) -> Rule {
    use Function::*;
    let from_output = matches!(
        function,
        SigmoidOutput
            | TanhOutput
            | ExpOutput
            | SqrtOutput
            | RsqrtOutput
            | RecipOutput
            | TanOutput
            | EluOutput(_)
    );
    let at = if from_output { call.output() } else { call.input(0) };
    let cotangent = call.cotangent(tape)?;
    Ok(call.first(tape.wire(Derivative { function }, &[cotangent, at])?))
}
