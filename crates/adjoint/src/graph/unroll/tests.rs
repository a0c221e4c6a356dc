use tract_core::ops::change_axes::AxisOp;
use tract_core::ops::einsum::EinSum;
use tract_core::ops::math::{add, mul, tanh};
use tract_core::ops::scan::{InputMapping, OutputMapping, ScanInfo};

use super::*;
use crate::graph::check::{agrees, model, noise};

/// Positions in `[batch, time, features]` and in `[batch, features]`.
fn at(shape: [usize; 3], batch: usize, time: usize, feature: usize) -> usize {
    (batch * shape[1] + time) * shape[2] + feature
}

fn row(x: &[f64], shape: [usize; 3], batch: usize, time: usize) -> Vec<f64> {
    (0..shape[2]).map(|feature| x[at(shape, batch, time, feature)]).collect()
}

fn exact(tensor: &Tensor) -> Vec<f64> {
    crate::graph::check::values(tensor).into_iter().map(f64::from).collect()
}

fn times(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    matrix.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A loop h' = tanh(x + h * w) over an axis of `[batch, time, features]` that gives all states and the last one.
fn recurrence(chunk: isize, skip: usize, hint: Option<usize>, batch: usize, features: usize) -> Scan {
    let length = chunk.unsigned_abs();
    let mut body = TypedModel::default();
    let x = body.add_source("x", f32::fact([batch, length, features])).unwrap();
    let h = body.add_source("h", f32::fact([batch, 1, features])).unwrap();
    let w = body.add_source("w", f32::fact([1, 1, features])).unwrap();
    let w = body.wire_node("w.tanh", tanh(), &[w]).unwrap();
    let product = body.wire_node("product", mul(), &[h, w[0]]).unwrap();
    let sum = body.wire_node("sum", add(), &[x, product[0]]).unwrap();
    let y = body.wire_node("y", tanh(), &sum).unwrap();
    let state = body.wire_node("state", tract_core::ops::array::Slice::new(1, 0, 1), &y).unwrap();
    body.select_output_outlets(&[state[0], y[0]]).unwrap();
    let info = ScanInfo { axis: 1, chunk };
    let inputs = vec![InputMapping::Scan(info), InputMapping::State, InputMapping::Full];
    let outputs = vec![
        OutputMapping { scan: None, full_dim_hint: None, last_value_slot: Some(1), state: true },
        OutputMapping {
            scan: Some((0, info)),
            full_dim_hint: hint.map(|hint| hint.to_dim()),
            last_value_slot: None,
            state: false,
        },
    ];
    Scan::new(body, inputs, outputs, skip).unwrap()
}

#[test]
fn a_loop_forwards_and_backwards_with_skipped_turns_and_short_chunks() {
    let (batch, features) = (2, 3);
    for (time, chunk, skip, hint) in [
        (5, 1, 0, None),
        (5, -1, 0, None),
        (5, 2, 0, Some(5)),
        (5, -2, 0, Some(5)),
        (4, 1, 2, None),
        (1, 1, 0, None),
    ] {
        let shape = [batch, time, features];
        let inputs = [noise(1, &shape), noise(2, &[batch, 1, features]), noise(3, &[1, 1, features])];
        let scan = recurrence(chunk, skip, hint, batch, features);
        let model = model(&inputs, |model, inputs| model.wire_node("loop", scan, inputs));
        let length = chunk.unsigned_abs();
        let turns = time.div_ceil(length);
        let total = hint.unwrap_or(turns * length);
        agrees(&format!("chunk {chunk} skip {skip}"), &model, &inputs, &[0, 1, 2], |x| {
            let mut states = x[1].clone();
            let mut all = vec![0.0; batch * total * features];
            for turn in skip..turns {
                let mut next = states.clone();
                for (b, f, i) in (0..batch)
                    .flat_map(|b| (0..features).flat_map(move |f| (0..length).map(move |i| (b, f, i))))
                {
                    // Place `i` of the chunk, counted from the start of the axis; a place before or behind it is zero.
                    let from = if chunk < 0 {
                        time as isize - ((turn + 1) * length) as isize
                    } else {
                        (turn * length) as isize
                    };
                    let place = from + i as isize;
                    let inside = (0..time as isize).contains(&place);
                    let value = if inside { x[0][at(shape, b, place as usize, f)] } else { 0.0 };
                    let y = (value + states[b * features + f] * x[2][f].tanh()).tanh();
                    if inside {
                        all[at([batch, total, features], b, place as usize, f)] = y;
                    }
                    if i == 0 {
                        next[b * features + f] = y;
                    }
                }
                states = next;
            }
            [all, states].concat()
        });
    }
}

#[test]
fn a_loop_in_a_loop() {
    // The inner loop runs over axis 1 of a chunk of axis 0; the outer one carries the last inner state.
    let (outer, inner, features) = (3, 4, 2);
    let mut body = TypedModel::default();
    let x = body.add_source("x", f32::fact([1, inner, features])).unwrap();
    let h = body.add_source("h", f32::fact([1, 1, features])).unwrap();
    let w = body.add_source("w", f32::fact([1, 1, features])).unwrap();
    let nested = body.wire_node("inner", recurrence(1, 0, None, 1, features), &[x, h, w]).unwrap();
    body.select_output_outlets(&[nested[1], nested[0]]).unwrap();
    let info = ScanInfo { axis: 0, chunk: 1 };
    let scan = Scan::new(
        body,
        vec![InputMapping::Scan(info), InputMapping::State, InputMapping::Full],
        vec![
            OutputMapping { scan: None, full_dim_hint: None, last_value_slot: Some(1), state: true },
            OutputMapping { scan: Some((0, info)), full_dim_hint: None, last_value_slot: None, state: false },
        ],
        0,
    )
    .unwrap();
    let inputs =
        [noise(4, &[outer, inner, features]), noise(5, &[1, 1, features]), noise(6, &[1, 1, features])];
    let model = model(&inputs, |model, inputs| model.wire_node("outer", scan, inputs));
    agrees("nested", &model, &inputs, &[0, 1, 2], |x| {
        let mut states = x[1].clone();
        let mut all = x[0].clone();
        for step in all.chunks_mut(features) {
            for f in 0..features {
                states[f] = (step[f] + states[f] * x[2][f].tanh()).tanh();
                step[f] = states[f];
            }
        }
        [all, states].concat()
    });
}

#[test]
fn an_lstm_cell() {
    let (batch, h) = (2, 3);
    let inputs = [noise(1, &[batch, 4 * h]), noise(2, &[batch, h])];
    let model = model(&inputs, |model, x| model.wire_node("cell", LstmEpilogue { hidden: h }, x));
    agrees("lstm", &model, &inputs, &[0, 1], |x| {
        let gate = |b: usize, gate: usize, j: usize| x[0][(b * 4 + gate) * h + j];
        let (mut shown, mut cells) = (vec![], vec![]);
        for (b, j) in (0..batch).flat_map(|b| (0..h).map(move |j| (b, j))) {
            let cell =
                sigmoid(gate(b, 2, j)) * x[1][b * h + j] + sigmoid(gate(b, 0, j)) * gate(b, 3, j).tanh();
            cells.push(cell);
            shown.push(sigmoid(gate(b, 1, j)) * cell.tanh());
        }
        [shown, cells].concat()
    });
}

/// A GRU step whose reset gate acts behind the recurrent product.
fn gru_step(from_input: &[f64], from_state: &[f64], before: &[f64]) -> Vec<f64> {
    let h = before.len();
    (0..h)
        .map(|j| {
            let update = sigmoid(from_input[j] + from_state[j]);
            let reset = sigmoid(from_input[h + j] + from_state[h + j]);
            let proposal = (from_input[2 * h + j] + reset * from_state[2 * h + j]).tanh();
            (1.0 - update) * proposal + update * before[j]
        })
        .collect()
}

#[test]
fn a_gru_cell() {
    let (batch, h) = (2, 3);
    let inputs = [noise(1, &[batch, 3 * h]), noise(2, &[batch, 3 * h]), noise(3, &[batch, h])];
    let model = model(&inputs, |model, x| model.wire_node("cell", GruEpilogue { hidden: h }, x));
    agrees("gru", &model, &inputs, &[0, 1, 2], |x| {
        let step = |b: usize| {
            let gates = 3 * h * b..3 * h * (b + 1);
            gru_step(&x[0][gates.clone()], &x[1][gates], &x[2][b * h..(b + 1) * h])
        };
        (0..batch).flat_map(step).collect()
    });
}

#[test]
fn a_whole_gru_with_and_without_bias_forwards_and_backwards() {
    let (batch, time, features, h) = (2, 4, 3, 2);
    let (w, r, b) = (noise(8, &[3 * h, features]), noise(9, &[3 * h, h]), noise(10, &[1, 6 * h]));
    for (chunk, has_bias, projected) in
        [(1, true, false), (-1, true, false), (1, false, false), (-1, true, true)]
    {
        let width = if projected { 3 * h } else { features };
        let shape = [batch, time, width];
        let inputs = [noise(1, &shape), noise(2, &[batch, 1, h])];
        let op = GruSeq {
            hidden: h,
            has_bias,
            chunk,
            emit_y: true,
            reset_every_turn: true,
            projected,
            packed_r: None,
        };
        let model = model(&inputs, |model, x| {
            let mut wires = vec![x[0]];
            if !projected {
                wires.push(model.add_const("w", w.clone())?);
            }
            wires.push(model.add_const("r", r.clone())?);
            if has_bias {
                wires.push(model.add_const("b", b.clone())?);
            }
            wires.push(x[1]);
            model.wire_node("gru", op, &wires)
        });
        let bias = if has_bias { exact(&b) } else { vec![0.0; 6 * h] };
        agrees(
            &format!("chunk {chunk} bias {has_bias} projected {projected}"),
            &model,
            &inputs,
            &[0, 1],
            |x| {
                let mut all = vec![0.0; batch * time * h];
                let mut last = vec![];
                for sample in 0..batch {
                    let mut state = x[1][sample * h..(sample + 1) * h].to_vec();
                    for turn in 0..time {
                        let now = if chunk < 0 { time - 1 - turn } else { turn };
                        let x = row(&x[0], shape, sample, now);
                        let plus = |product: Vec<f64>, bias: &[f64]| -> Vec<f64> {
                            product.iter().zip(bias).map(|(p, b)| p + b).collect()
                        };
                        let from_input =
                            if projected { x } else { plus(times(&exact(&w), &x), &bias[..3 * h]) };
                        let from_state = plus(times(&exact(&r), &state), &bias[3 * h..]);
                        state = gru_step(&from_input, &from_state, &state);
                        all[at([batch, time, h], sample, now, 0)..][..h].copy_from_slice(&state);
                    }
                    last.extend(state);
                }
                [all, last].concat()
            },
        );
    }
}

#[test]
fn weights_are_copied_once() {
    let inputs = [noise(1, &[1, 50, 2]), noise(2, &[1, 1, 2]), noise(3, &[1, 1, 2])];
    let model = model(&inputs, |model, x| model.wire_node("loop", recurrence(1, 0, None, 1, 2), x));
    let unrolled = unrolled(&model).unwrap();
    let named = unrolled.nodes.iter().filter(|node| node.name.contains("w.tanh")).count();
    assert_eq!(named, 1);
}

#[test]
fn too_many_turns_are_refused() {
    let inputs = [noise(1, &[1, 60_000, 1]), noise(2, &[1, 1, 1]), noise(3, &[1, 1, 1])];
    let model = model(&inputs, |model, x| model.wire_node("loop", recurrence(1, 0, None, 1, 1), x));
    let error = unrolled(&model).unwrap_err();
    assert!(matches!(&error, GradientError::TooLarge { what } if what.contains("200000")), "{error}");
}

#[test]
fn a_model_without_a_loop_is_left_alone() {
    let x = noise(1, &[2, 3]);
    let model = model(&[x], |model, x| {
        let moved = model.wire_node("moved", AxisOp::Move(0, 1), x)?;
        model.wire_node("product", EinSum::new("ij,jk->ik".parse()?, f32::datum_type()), &[moved[0], x[0]])
    });
    let names = |model: &TypedModel| model.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&unrolled(&model).unwrap()), names(&model));
}

#[test]
fn a_uniform_first_state_whose_axes_were_moved() {
    let wire = |first: Tensor| {
        model(&[noise(1, &[2, 3, 2]), noise(3, &[1, 1, 2])], |model, x| {
            let first = model.add_const("first", first)?;
            model.wire_node("loop", recurrence(1, 0, None, 2, 2), &[x[0], first, x[1]])
        })
    };
    let written = unrolled(&wire(Tensor::zero::<f32>(&[1, 2, 2]).unwrap())).unwrap();
    assert_eq!(written.output_fact(1).unwrap().shape.as_concrete().unwrap(), [2, 1, 2]);
    let error = unrolled(&wire(noise(9, &[1, 2, 2]))).unwrap_err();
    assert!(error.to_string().contains("a state of"), "{error}");
}
