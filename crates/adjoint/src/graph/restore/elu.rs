//! ELU, which tract imports as a comparison, a choice and a chain of four: as many passes over every activation.

use crate::graph::uniform;
use crate::ops::Elu;
use crate::tract::math::{Add, Exp, Mul, Sub};
use crate::tract::op::{BinMiniOp, ElementWiseOp, Iff, TypedBinOp};
use crate::tract::*;

/// Puts one operator in the place of each such chain; says whether there was any.
pub(super) fn join(model: &mut TypedModel) -> TractResult<bool> {
    let mut changed = false;
    for id in model.eval_order()? {
        let Some((x, alpha)) = meaning(model, id) else { continue };
        let mut patch = TypedModelPatch::default();
        let x = patch.tap_model(model, x)?;
        let name = format!("{}.elu", model.node(id).name);
        let y = patch.wire_node(name, Elu { alpha: alpha.to_bits() }, &[x])?[0];
        patch.shunt_outside(model, id.into(), y)?;
        patch.apply(model)?;
        changed = true;
    }
    Ok(changed)
}

/// x and alpha, where a node is `if 0 < x then x else alpha (e^x - 1)`. A negative alpha is left alone: the derivative
/// is taken from the output, which then no longer tells the sides apart.
fn meaning(model: &TypedModel, id: usize) -> Option<(OutletId, f32)> {
    let node = model.node(id);
    node.op_as::<Iff>()?;
    let [test, x, below] = node.inputs[..] else { return None };
    let shape = |outlet: OutletId| model.outlet_fact(outlet).ok().map(|fact| &fact.shape);
    let test = model.node(test.node);
    let compared = test.op_as::<TypedBinOp>()?;
    let positive = match compared.0.name() {
        "LT" => uniform(model, test.inputs[0]) == Some(0.0) && test.inputs[1] == x,
        "GT" => uniform(model, test.inputs[1]) == Some(0.0) && test.inputs[0] == x,
        _ => false,
    };
    let (minus_one, alpha) = match with_constant::<Mul>(model, below) {
        Some((inner, alpha)) => (inner, alpha),
        None => (below, 1.0),
    };
    let power = match with_constant::<Add>(model, minus_one) {
        Some((power, -1.0)) => power,
        Some(_) => return None,
        None => {
            let node = binary::<Sub>(model, minus_one)?;
            (uniform(model, node.inputs[1]) == Some(1.0)).then_some(node.inputs[0])?
        }
    };
    let exponential = model.node(power.node);
    let same = exponential.op_as::<ElementWiseOp>()?.0.is::<Exp>() && exponential.inputs[0] == x;
    let float = model.outlet_fact(x).is_ok_and(|fact| fact.datum_type == f32::datum_type());
    (positive && same && float && alpha > 0.0 && shape(x) == shape(id.into())).then_some((x, alpha))
}

fn binary<M: BinMiniOp>(model: &TypedModel, outlet: OutletId) -> Option<&TypedNode> {
    let node = model.node(outlet.node);
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<M>()).then_some(node)
}

/// The other side and the constant of a commutative operator with a constant.
fn with_constant<M: BinMiniOp>(model: &TypedModel, outlet: OutletId) -> Option<(OutletId, f32)> {
    let node = binary::<M>(model, outlet)?;
    let sides = [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])];
    sides.into_iter().find_map(|(side, constant)| Some((side, uniform(model, constant)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check::{agrees, model, noise};
    use crate::tract::math::{exp, mul, sub};
    use crate::tract::testing::comp_lt;

    fn chain(alpha: f32, one: f32) -> TypedModel {
        model(&[noise(1, &[2, 9])], |model, x| {
            let constant = |model: &mut TypedModel, name: &str, value: f32| {
                model.add_const(name, tensor0(value).broadcast_into_rank(2)?)
            };
            let zero = constant(model, "zero", 0.0)?;
            let one = constant(model, "one", one)?;
            let alpha = constant(model, "alpha", alpha)?;
            let power = model.wire_node("exp", exp(), x)?[0];
            let minus_one = model.wire_node("minus_one", sub(), &[power, one])?[0];
            let below = model.wire_node("below", mul(), &[alpha, minus_one])?[0];
            let test = model.wire_node("test", TypedBinOp(comp_lt(), None), &[zero, x[0]])?[0];
            model.wire_node("elu", Iff, &[test, x[0], below])
        })
    }

    #[test]
    fn a_chain_becomes_one_operator() {
        for alpha in [1.0f32, 0.3, 2.0] {
            for declutter in [false, true] {
                let chain = chain(alpha, 1.0);
                let mut joined = if declutter { chain.into_decluttered().unwrap() } else { chain };
                assert!(join(&mut joined).unwrap());
                let joined = joined.into_compact().unwrap();
                assert!(joined.nodes.iter().all(|node| !node.op_is::<Iff>()));
                agrees("elu", &joined, &[noise(1, &[2, 9])], &[0], |x| {
                    let elu = |v: f64| if v > 0.0 { v } else { f64::from(alpha) * v.exp_m1() };
                    x[0].iter().map(|&v| elu(v)).collect()
                });
            }
        }
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        assert!(!join(&mut chain(-1.0, 1.0)).unwrap());
        assert!(!join(&mut chain(1.0, 2.0)).unwrap());
    }
}
