//! Chains of operators that overflow where the function they stand for does not.
//!
//! tract imports some functions as a chain of elementary ones. In such a chain e^x overflows above 88, and from there
//! on neither the value nor the gradient is right. All of them end in a logarithm.

use crate::graph::{GradientError, uniform};
use crate::ops::{LogSumExp, Softplus};
use crate::tract::math::{Add, Exp, Ln, neg};
use crate::tract::op::{
    ElementWiseMiniOp, ElementWiseOp, Reduce, Reducer, Sigmoid, Softmax, SoftmaxKind, TypedBinOp,
};
use crate::tract::*;

/// A function that a chain stands for, and the tensor that it is a function of.
enum Meant {
    /// ln(1 + e^x)
    Softplus,
    /// ln(1 / (1 + e^-x)) = -ln(1 + e^-x)
    LogSigmoid,
    /// ln(sum(e^x))
    LogSumExp(TVec<usize>),
    /// ln(softmax(x))
    LogSoftmax(TVec<usize>),
}

/// Puts single operators in the place of such chains; says whether there were any.
pub(super) fn stabilise(model: &mut TypedModel) -> Result<bool, GradientError> {
    let mut changed = false;
    for id in model.eval_order().map_err(GradientError::graph)? {
        let Some((meant, x)) = meaning(model, id) else { continue };
        let node = model.node(id).clone();
        replace(model, &node, meant, x).map_err(|error| GradientError::at(&node, error))?;
        changed = true;
    }
    Ok(changed)
}

/// What the chain that ends at a node stands for.
fn meaning(model: &TypedModel, id: usize) -> Option<(Meant, OutletId)> {
    let argument = of::<Ln>(model, id.into())?;
    if let Some(x) = of::<Sigmoid>(model, argument) {
        return Some((Meant::LogSigmoid, x));
    }
    let node = model.node(argument.node);
    if node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>()) {
        let sides = [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])];
        return sides.into_iter().find_map(|(exponential, one)| {
            let x = of::<Exp>(model, exponential)?;
            let same = model.outlet_fact(x).ok()?.shape == model.outlet_fact(argument).ok()?.shape;
            (uniform(model, one) == Some(1.0) && same).then_some((Meant::Softplus, x))
        });
    }
    if let Some(reduce) = node.op_as::<Reduce>().filter(|op| op.reducer == Reducer::Sum) {
        return Some((Meant::LogSumExp(reduce.axes.clone()), of::<Exp>(model, node.inputs[0])?));
    }
    let softmax = node.op_as::<Softmax>().filter(|op| op.kind == SoftmaxKind::Softmax)?;
    Some((Meant::LogSoftmax(softmax.axes.clone()), node.inputs[0]))
}

/// The argument of an element-wise function, where that is what gives the outlet.
fn of<F: ElementWiseMiniOp>(model: &TypedModel, outlet: OutletId) -> Option<OutletId> {
    let node = model.node(outlet.node);
    let op = node.op_as::<ElementWiseOp>()?;
    let float = model.outlet_fact(outlet).ok()?.datum_type == f32::datum_type();
    (op.0.is::<F>() && float).then(|| node.inputs[0])
}

fn replace(model: &mut TypedModel, node: &TypedNode, meant: Meant, x: OutletId) -> TractResult<()> {
    let mut patch = TypedModelPatch::default();
    let x = patch.tap_model(model, x)?;
    let name = format!("{}.stable", node.name);
    let y = match meant {
        Meant::Softplus => patch.wire_node(name, Softplus, &[x])?,
        Meant::LogSigmoid => {
            let negative = patch.wire_node(format!("{name}.minus"), neg(), &[x])?;
            let softplus = patch.wire_node(format!("{name}.softplus"), Softplus, &negative)?;
            patch.wire_node(name, neg(), &softplus)?
        }
        Meant::LogSumExp(axes) => patch.wire_node(name, LogSumExp { axes: axes.to_vec() }, &[x])?,
        Meant::LogSoftmax(axes) => {
            patch.wire_node(name, Softmax::new(axes, None, SoftmaxKind::LogSoftmax), &[x])?
        }
    };
    patch.shunt_outside(model, node.id.into(), y[0])?;
    patch.apply(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check::{agrees, model};
    use crate::tract::math::{add, exp, ln};
    use crate::tract::testing::{sigmoid, tensor2};

    fn extreme() -> Tensor {
        Tensor::from_shape(&[2, 4], &[-120f32, -20.0, -0.5, 0.3, 2.0, 30.0, 95.0, 200.0]).unwrap()
    }

    #[test]
    fn softplus_does_not_overflow_on_either_side_of_the_sum() {
        for swap in [false, true] {
            let x = extreme();
            let model = model(std::slice::from_ref(&x), |model, x| {
                let one = model.add_const("one", tensor2(&[[1f32]]))?;
                let e = model.wire_node("exp", exp(), x)?[0];
                let sum = model.wire_node("sum", add(), &if swap { [one, e] } else { [e, one] })?;
                model.wire_node("ln", ln(), &sum)
            });
            agrees("softplus", &model, &[x], &[0], |x| {
                x[0].iter().map(|&v| v.max(0.0) + (-v.abs()).exp().ln_1p()).collect()
            });
        }
    }

    #[test]
    fn the_logarithm_of_a_sigmoid_does_not_underflow() {
        let x = extreme();
        let model = model(std::slice::from_ref(&x), |model, x| {
            let y = model.wire_node("sigmoid", sigmoid(), x)?;
            model.wire_node("ln", ln(), &y)
        });
        agrees("log-sigmoid", &model, &[x], &[0], |x| {
            x[0].iter().map(|&v| v.min(0.0) - (-v.abs()).exp().ln_1p()).collect()
        });
    }

    #[test]
    fn sums_of_exponentials_and_softmax_under_a_logarithm() {
        let shifted = |row: &[f64]| {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            largest + row.iter().map(|v| (v - largest).exp()).sum::<f64>().ln()
        };
        let x = extreme();
        let sum = model(std::slice::from_ref(&x), |model, x| {
            let e = model.wire_node("exp", exp(), x)?;
            let sum = model.wire_node("sum", Reduce::new(tvec!(1), Reducer::Sum), &e)?;
            model.wire_node("ln", ln(), &sum)
        });
        agrees("log-sum-exp", &sum, std::slice::from_ref(&x), &[0], |x| {
            x[0].chunks(4).map(shifted).collect()
        });
        let softmax = model(std::slice::from_ref(&x), |model, x| {
            let y = model.wire_node("softmax", Softmax::new(tvec!(1), None, SoftmaxKind::Softmax), x)?;
            model.wire_node("ln", ln(), &y)
        });
        agrees("log-softmax", &softmax, &[x], &[0], |x| {
            x[0].chunks(4).flat_map(|row| row.iter().map(|v| v - shifted(row)).collect::<Vec<_>>()).collect()
        });
    }

    #[test]
    fn another_constant_in_the_sum_is_left_alone() {
        let x = Tensor::from_shape(&[2], &[-1f32, 0.5]).unwrap();
        let model = model(std::slice::from_ref(&x), |model, x| {
            let two = model.add_const("two", tensor1(&[2f32]))?;
            let e = model.wire_node("exp", exp(), x)?[0];
            let sum = model.wire_node("sum", add(), &[e, two])?;
            model.wire_node("ln", ln(), &sum)
        });
        agrees("ln(2 + e^x)", &model, &[x], &[0], |x| x[0].iter().map(|v| (v.exp() + 2.0).ln()).collect());
    }
}
