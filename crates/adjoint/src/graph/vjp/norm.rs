//! Normalisations: softmax and its logarithm, RMS norm, local response normalisation, log-sum-exp.

use super::{Answer, Call, Rule, Tape};
use crate::ops::{LogSumExp, LrnGradient, RmsNormGradient, SoftmaxGradient};
use crate::tract::math;
use crate::tract::op::{AxisOp, Lrn, RmsNorm, ScaledRmsNorm, Softmax, SoftmaxKind};

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if let Some(softmax) = op.downcast_ref::<Softmax>() {
        return Some(softmax_rule(tape, call, softmax));
    }
    if let Some(norm) = op.downcast_ref::<RmsNorm>() {
        return Some(rms_norm(tape, call, norm));
    }
    if let Some(norm) = op.downcast_ref::<ScaledRmsNorm>() {
        return Some(scaled_rms_norm(tape, call, norm));
    }
    if op.is::<LogSumExp>() {
        return Some(log_sum_exp(tape, call));
    }
    op.downcast_ref::<Lrn>().map(|lrn| local_response(tape, call, lrn))
}

fn softmax_rule(tape: &mut Tape, call: &Call, softmax: &Softmax) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let op =
        SoftmaxGradient { axes: softmax.axes.to_vec(), logarithm: softmax.kind == SoftmaxKind::LogSoftmax };
    Ok(call.first(tape.wire(op, &[cotangent, call.output()])?))
}

fn rms_norm(tape: &mut Tape, call: &Call, norm: &RmsNorm) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let op = RmsNormGradient { axis: norm.axis, epsilon: norm.eps.cast_to_scalar::<f32>()?.to_bits() };
    Ok(call.first(tape.wire(op, &[cotangent, call.input(0)])?))
}

/// [`RmsNorm`] times a weight per element of its axis.
fn scaled_rms_norm(tape: &mut Tape, call: &Call, norm: &ScaledRmsNorm) -> Rule {
    if call.active[1] {
        return Ok(Answer::Unknown("its scale depends on the input".into()));
    }
    let cotangent = call.cotangent(tape)?;
    let rank = tape.shape(cotangent)?.len();
    let mut scale = call.input(1);
    for axis in (0..rank).filter(|&axis| axis != norm.axis) {
        scale = tape.wire(AxisOp::Add(axis), &[scale])?;
    }
    let scaled = tape.mul(cotangent, scale)?;
    let op = RmsNormGradient { axis: norm.axis, epsilon: norm.eps.cast_to_scalar::<f32>()?.to_bits() };
    Ok(call.first(tape.wire(op, &[scaled, call.input(0)])?))
}

/// The derivative of ln(sum(e^x)) is softmax(x) = e^(x - y).
fn log_sum_exp(tape: &mut Tape, call: &Call) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let shifted = tape.binary(math::sub(), call.input(0), call.output())?;
    let softmax = tape.unary(math::exp(), shifted)?;
    Ok(call.first(tape.mul(softmax, cotangent)?))
}

fn local_response(tape: &mut Tape, call: &Call, lrn: &Lrn) -> Rule {
    let cotangent = call.cotangent(tape)?;
    let op = LrnGradient {
        alpha: lrn.alpha.to_bits(),
        beta: lrn.beta.to_bits(),
        bias: lrn.bias.to_bits(),
        size: lrn.size,
    };
    Ok(call.first(tape.wire(op, &[cotangent, call.input(0)])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check::{agrees, model, noise};
    use crate::ops::Groups;
    use crate::tract::*;

    /// Applies a function of one group to all groups along the axes.
    fn grouped(shape: &[usize], axes: &[usize], x: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for group in Groups::new(shape, axes).iter() {
            let values = f(&group.clone().map(|i| x[i]).collect::<Vec<_>>());
            group.zip(values).for_each(|(i, value)| y[i] = value);
        }
        y
    }

    fn softmax(x: &[f64]) -> Vec<f64> {
        let sum: f64 = x.iter().map(|v| v.exp()).sum();
        x.iter().map(|v| v.exp() / sum).collect()
    }

    #[test]
    fn softmax_and_its_logarithm_over_any_axes() {
        let shape = [2, 5, 3];
        for axes in [&[0][..], &[1], &[2], &[0, 2], &[1, 2]] {
            for kind in [SoftmaxKind::Softmax, SoftmaxKind::LogSoftmax] {
                let x = noise(3, &shape);
                let op = Softmax::new(axes.into(), None, kind);
                let model = model(std::slice::from_ref(&x), |model, x| model.wire_node("y", op, x));
                agrees(&format!("{kind:?} over {axes:?}"), &model, &[x], &[0], |x| {
                    let y = grouped(&shape, axes, &x[0], softmax);
                    if kind == SoftmaxKind::Softmax { y } else { y.into_iter().map(f64::ln).collect() }
                });
            }
        }
    }

    fn rms(x: &[f64], epsilon: f64) -> Vec<f64> {
        let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        x.iter().map(|v| v / (mean + epsilon).sqrt()).collect()
    }

    #[test]
    fn rms_norm_along_any_axis_plain_and_scaled() {
        let shape = [2, 19, 3];
        for axis in 0..3 {
            let x = noise(5, &shape);
            let eps = tensor0(0.01f32).into_arc_tensor();
            let op = RmsNorm { axis, eps: eps.clone() };
            let plain = model(std::slice::from_ref(&x), |model, x| model.wire_node("y", op, x));
            agrees(&format!("axis {axis}"), &plain, std::slice::from_ref(&x), &[0], |x| {
                grouped(&shape, &[axis], &x[0], |x| rms(x, f64::from(0.01f32)))
            });
            let scale: Vec<f32> = (0..shape[axis]).map(|i| 1.0 - 0.1 * i as f32).collect();
            let op = ScaledRmsNorm { axis, eps, out_dt: None, scale_dt: None };
            let scaled = model(std::slice::from_ref(&x), |model, x| {
                let scale = model.add_const("scale", tensor1(&scale))?;
                model.wire_node("y", op, &[x[0], scale])
            });
            agrees(&format!("scaled, axis {axis}"), &scaled, &[x], &[0], |x| {
                grouped(&shape, &[axis], &x[0], |x| {
                    let y = rms(x, f64::from(0.01f32));
                    y.iter().zip(&scale).map(|(y, &scale)| y * f64::from(scale)).collect()
                })
            });
        }
    }

    #[test]
    fn local_response_normalisation() {
        for (shape, size, beta) in [
            (&[2, 7, 2, 3][..], 5, 0.75),
            (&[1, 4, 5], 3, 0.5),
            (&[1, 6, 2, 2], 4, 1.0),
            (&[1, 5, 3], 2, 0.6),
        ] {
            let (alpha, bias) = (0.9, 1.5);
            let x = noise(11, shape);
            let op = Lrn { alpha, beta, bias, size };
            let model = model(std::slice::from_ref(&x), |model, x| model.wire_node("y", op, x));
            let (alpha, beta, bias) = (f64::from(alpha), f64::from(beta), f64::from(bias));
            agrees(&format!("{shape:?} size {size} beta {beta}"), &model, &[x], &[0], |x| {
                grouped(shape, &[1], &x[0], |x| {
                    let window =
                        |c: usize| c.saturating_sub((size - 1) / 2)..=(c + size / 2).min(x.len() - 1);
                    let sum = |c: usize| x[window(c)].iter().map(|v| v * v).sum::<f64>();
                    (0..x.len()).map(|c| x[c] / (bias + alpha / size as f64 * sum(c)).powf(beta)).collect()
                })
            });
        }
    }

    #[test]
    fn log_sum_exp_where_the_exponential_overflows() {
        let shape = [3, 4];
        let large: Vec<f32> = (0..12).map(|i| 90.0 + (i % 5) as f32 - 0.3 * i as f32).collect();
        let x = Tensor::from_shape(&shape, &large).unwrap();
        let model =
            model(std::slice::from_ref(&x), |model, x| model.wire_node("y", LogSumExp { axes: vec![1] }, x));
        agrees("log-sum-exp", &model, &[x], &[0], |x| {
            let sum = |row: &[f64]| row.iter().map(|v| (v - 90.0).exp()).sum::<f64>().ln() + 90.0;
            x[0].chunks(4).map(sum).collect()
        });
    }
}
