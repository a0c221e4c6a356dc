use super::*;
use crate::graph::check::{adjoint_of, agrees, model, noise};
use crate::tract::op::{Reduce, Reducer, cast};
use crate::tract::testing::tensor2;

/// Checks an operator with constant inputs around the one that moves, which is at `slot`.
fn check(op: impl Into<Box<dyn TypedOp>>, shape: &[usize], slot: usize, others: &[Tensor]) {
    let op = op.into();
    let what = format!("{op:?} on {shape:?} at {slot}");
    let model = model(&[Tensor::zero::<f32>(shape).unwrap()], |model, x| {
        let mut inputs = vec![];
        for (place, value) in others.iter().enumerate() {
            inputs.push(model.add_const(format!("other.{place}"), value.clone())?);
        }
        inputs.insert(slot, x[0]);
        Ok(tvec!(model.wire_node("y", op, &inputs)?[0]))
    });
    adjoint_of(&what, &model, shape);
}

fn indices(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::from_shape(shape, values).unwrap()
}

#[test]
fn gathers_with_repeated_and_negative_indices() {
    check(Gather::new(1), &[2, 5, 3], 0, &[indices(&[2, 2], &[4, 0, -1, 2])]);
    check(Gather::new(0), &[4, 3], 0, &[indices(&[], &[2])]);
    check(GatherElements { axis: 1 }, &[2, 4], 0, &[indices(&[2, 3], &[3, 0, 3, 1, 1, 2])]);
    check(GatherNd { batch_dims: 0 }, &[3, 4, 2], 0, &[indices(&[2, 2], &[2, 1, 2, 1])]);
    check(GatherNd { batch_dims: 1 }, &[2, 4, 3], 0, &[indices(&[2, 1], &[3, 0])]);
}

#[test]
fn scatters_with_respect_to_data_and_updates() {
    let at = indices(&[2, 1], &[3, 1]);
    for reduction in [ScatterReduction::None, ScatterReduction::Add] {
        let op = ScatterNd { reduction };
        check(op.clone(), &[4, 3], 0, &[at.clone(), noise(1, &[2, 3])]);
        check(op, &[2, 3], 2, &[noise(1, &[4, 3]), at.clone()]);
        let op = ScatterElements { axis: 1, reduction };
        let at = indices(&[2, 2], &[3, 1, 0, 2]);
        check(op.clone(), &[2, 4], 0, &[at.clone(), noise(1, &[2, 2])]);
        check(op, &[2, 2], 2, &[noise(1, &[2, 4]), at]);
    }
}

#[test]
fn pads_in_all_modes() {
    for mode in [PadMode::Constant(Arc::new(tensor0(3f32))), PadMode::Reflect, PadMode::Edge] {
        check(Pad { pads: vec![(0, 0), (2, 1), (3, 3)], mode }, &[2, 3, 5], 0, &[]);
    }
}

#[test]
fn cuts_repeats_and_strides() {
    check(Slice::new(1, 1, 3), &[2, 4, 3], 0, &[]);
    check(Tile { multipliers: tvec!(2.to_dim(), 1.to_dim(), 3.to_dim()) }, &[2, 3, 2], 0, &[]);
    for (stride, modulo) in [(2, 0), (2, 1), (3, 1), (-1, 0), (-2, 0)] {
        check(Downsample::new(1, stride, modulo), &[2, 7, 2], 0, &[]);
    }
    check(NearestUpsample { scales: tvec!(1, 2, 3) }, &[2, 3, 2], 0, &[]);
    check(
        MultiBroadcastTo { shape: ShapeFact::from_dims([4, 3, 2].map(|dim: usize| dim.to_dim())) },
        &[4, 1, 2],
        0,
        &[],
    );
    let [start, end] = [1i64, 4].map(tensor0);
    check(DynSlice::new(1, 3.to_dim()), &[2, 5], 0, &[start, end]);
    let strided = StridedSlice {
        optional_axes_input: Some(3),
        optional_steps_input: Some(4),
        begin_mask: 0,
        end_mask: 0,
        shrink_axis_mask: 0,
    };
    let parameters = [&[-1i64, 0][..], &[-6, 3], &[1, 0], &[-2, 2]].map(tensor1);
    check(strided, &[4, 6], 0, &parameters);
}

#[test]
fn axes_move_split_and_merge() {
    check(AxisOp::Move(0, 2), &[2, 3, 4], 0, &[]);
    check(AxisOp::Add(1), &[2, 3], 0, &[]);
    check(AxisOp::Rm(1), &[2, 1, 3], 0, &[]);
    let [two, three, six] = [2usize, 3, 6].map(|dim| dim.to_dim());
    check(AxisOp::Reshape(1, tvec!(two.clone(), three.clone()), tvec!(six.clone())), &[4, 2, 3], 0, &[]);
    check(AxisOp::Reshape(0, tvec!(six), tvec!(three, two)), &[6, 2], 0, &[]);
}

#[test]
fn triangles_and_running_sums() {
    for upper in [false, true] {
        for k in [-1i64, 0, 2] {
            check(Trilu { upper }, &[2, 4, 5], 0, &[tensor0(k)]);
        }
    }
    for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
        check(CumSum { axis: 1, exclusive, reverse }, &[2, 5, 3], 0, &[]);
    }
}

#[test]
fn a_concatenation_with_a_constant_between() {
    let [a, b] = [noise(1, &[2, 3]), noise(2, &[2, 2])];
    let model = model(&[a.clone(), b.clone()], |model, x| {
        let constant = model.add_const("constant", tensor2(&[[7f32], [8.0]]))?;
        model.wire_node("y", TypedConcat::new(1), &[x[0], constant, x[1]])
    });
    agrees("concatenation", &model, &[a, b], &[0, 1], |x| {
        let row = |i: usize| [&x[0][i * 3..][..3], &[7.0 + i as f64], &x[1][i * 2..][..2]].concat();
        [row(0), row(1)].concat()
    });
}

#[test]
fn the_largest_elements() {
    for largest in [true, false] {
        let x = noise(5, &[3, 6]);
        let model = model(std::slice::from_ref(&x), |model, x| {
            let k = model.add_const("k", tensor0(2i64))?;
            Ok(tvec!(model.wire_node("y", Topk { axis: 1, largest, fallback_k: 2.to_dim() }, &[x[0], k])?[0]))
        });
        agrees("top k", &model, &[x], &[0], |x| {
            let top = |row: &[f64]| {
                let mut row = row.to_vec();
                row.sort_by(|a, b| if largest { b.total_cmp(a) } else { a.total_cmp(b) });
                row[..2].to_vec()
            };
            x[0].chunks(6).flat_map(top).collect()
        });
    }
}

#[test]
fn indices_that_the_input_decides() {
    // The row of a table at the largest element: the table has a gradient, the choice has none.
    let [scores, table] = [noise(3, &[4]), noise(4, &[4, 3])];
    let model = model(&[scores.clone(), table.clone()], |model, x| {
        let at = model.wire_node("at", Reduce::new(tvec!(0), Reducer::ArgMax(false)), &[x[0]])?;
        let row = model.wire_node("row", Gather::new(0), &[x[1], at[0]])?;
        let same = model.wire_node("same", cast(f32::datum_type()), &row)?;
        model.wire_node("y", Pad { pads: vec![(0, 0), (1, 0)], mode: PadMode::Edge }, &same)
    });
    let best = crate::graph::check::values(&scores);
    let best = (0..4).max_by(|&a, &b| best[a].total_cmp(&best[b])).unwrap();
    agrees("row", &model, &[scores, table], &[1], |x| {
        let row = &x[1][best * 3..][..3];
        [&row[..1], row].concat()
    });
}

#[test]
fn scatters_that_multiply_or_compare_with_places_hit_twice() {
    // Column 3 of the first row is hit by two updates, and one of its factors is zero.
    let (data, updates) =
        (noise(1, &[2, 4]), Tensor::from_shape(&[2, 3], &[0.5f32, 0.0, -2.0, 3.0, 0.2, -0.7]).unwrap());
    let at = [3usize, 3, 0, 1, 2, 0];
    type Fold = fn(f64, f64) -> f64;
    let folds: [(ScatterReduction, Fold); 3] = [
        (ScatterReduction::Mul, |a, b| a * b),
        (ScatterReduction::Max, f64::max),
        (ScatterReduction::Min, f64::min),
    ];
    for (reduction, fold) in folds {
        let model = model(&[data.clone(), updates.clone()], |model, x| {
            let indices = model.add_const("indices", indices(&[2, 3], &at.map(|place| place as i64)))?;
            model.wire_node("y", ScatterElements { axis: 1, reduction }, &[x[0], indices, x[1]])
        });
        agrees(&format!("{reduction:?}"), &model, &[data.clone(), updates.clone()], &[0, 1], |x| {
            let mut y = x[0].clone();
            for (update, &place) in at.iter().enumerate() {
                let place = update / 3 * 4 + place;
                y[place] = fold(y[place], x[1][update]);
            }
            y
        });
    }
}
