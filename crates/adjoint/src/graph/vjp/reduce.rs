//! Reductions over axes, which keep length 1.

use super::{Answer, Call, Rule, Tape};
use crate::ops::ProductGradient;
use crate::tract::op::{Reduce, Reducer, TypedBinOp, cast, comp_eq};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op().downcast_ref::<Reduce>()?;
    Some(match op.reducer {
        Reducer::Sum => sum(tape, call),
        Reducer::MeanOfSquares => mean_of_squares(tape, call, op),
        Reducer::Max | Reducer::Min => extremum(tape, call, op),
        Reducer::Prod => product(tape, call, op),
        Reducer::ArgMax(_) | Reducer::ArgMin(_) => Ok(Answer::Step),
        other => Ok(Answer::Unknown(format!("a reduction by {other:?} has no rule"))),
    })
}

fn sum(tape: &mut Tape, call: &Call) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let shape = tape.shape(call.input(0))?;
    Ok(call.first(tape.broadcast(cotangent, &shape)?))
}

fn mean_of_squares(tape: &mut Tape, call: &Call, op: &Reduce) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let shape = tape.shape(call.input(0))?;
    let count: usize = op.axes.iter().map(|&axis| shape[axis]).product();
    let scaled = tape.scale(cotangent, 2.0 / count as f32)?;
    Ok(call.first(tape.mul(call.input(0), scaled)?))
}

/// The largest or smallest elements share the cotangent equally.
fn extremum(tape: &mut Tape, call: &Call, op: &Reduce) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let hit = tape.binary(TypedBinOp(comp_eq(), None), call.input(0), call.output())?;
    let hit = tape.wire(cast(f32::datum_type()), &[hit])?;
    let count = tape.sum(hit, op.axes.clone())?;
    let share = tape.binary(math::div(), cotangent, count)?;
    Ok(call.first(tape.mul(hit, share)?))
}

fn product(tape: &mut Tape, call: &Call, op: &Reduce) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let op = ProductGradient { axes: op.axes.to_vec() };
    Ok(call.first(tape.wire(op, &[cotangent, call.input(0)])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check::{agrees, gradient, model, noise, values};
    use crate::ops::Groups;

    /// A reduction in f64, group by group.
    fn reduced(shape: &[usize], axes: &[usize], x: &[f64], fold: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        Groups::new(shape, axes).iter().map(|group| fold(&group.map(|i| x[i]).collect::<Vec<_>>())).collect()
    }

    fn reduction(x: &Tensor, axes: &[usize], reducer: Reducer) -> TypedModel {
        model(std::slice::from_ref(x), |model, x| model.wire_node("y", Reduce::new(axes.into(), reducer), x))
    }

    #[test]
    fn reductions_over_any_axes() {
        type Fold = fn(&[f64]) -> f64;
        let folds: [(Reducer, Fold); 5] = [
            (Reducer::Sum, |x| x.iter().sum()),
            (Reducer::Prod, |x| x.iter().product()),
            (Reducer::MeanOfSquares, |x| x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64),
            (Reducer::Max, |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            (Reducer::Min, |x| x.iter().copied().fold(f64::INFINITY, f64::min)),
        ];
        let shape = [2, 3, 4];
        for axes in [&[0][..], &[1], &[2], &[0, 2], &[1, 2], &[0, 1, 2]] {
            for (reducer, fold) in folds {
                let x = noise(7, &shape);
                let model = reduction(&x, axes, reducer);
                agrees(&format!("{reducer:?} over {axes:?}"), &model, &[x], &[0], |x| {
                    reduced(&shape, axes, &x[0], fold)
                });
            }
        }
    }

    #[test]
    fn a_product_with_zeros() {
        let x = Tensor::from_shape(&[3, 3], &[2f32, 0.0, 3.0, 0.0, 0.0, 5.0, 1.0, 2.0, 3.0]).unwrap();
        let model = reduction(&x, &[1], Reducer::Prod);
        let ones = Tensor::from_shape(&[3, 1], &[1f32, 1.0, 1.0]).unwrap();
        let (_, dx) = gradient(&model, &[x], &[ones], &[0]);
        assert_eq!(values(&dx[0]), [0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 6.0, 3.0, 2.0]);
    }

    #[test]
    fn ties_share_equally() {
        let x = Tensor::from_shape(&[1, 4], &[2f32, 5.0, 5.0, -1.0]).unwrap();
        let model = reduction(&x, &[1], Reducer::Max);
        let (_, dx) = gradient(&model, &[x], &[Tensor::from_shape(&[1, 1], &[3f32]).unwrap()], &[0]);
        assert_eq!(values(&dx[0]), [0.0, 1.5, 1.5, 0.0]);
    }
}
