//! Rewrites against the operators' definitions in the ONNX standard, on numbers small enough to write down. The unrolling
//! of RNN, GRU and LSTM is tested by the committed networks of those names, whose references are in f64.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, SparseTensorProto, TensorProto};
use tract_onnx::prelude::*;

use adjoint::import::Fault;

use crate::common::{With, ask, f32_input, f32s, graph, i64s, load, model, node, value};

/// The first output for one input.
fn run(net: &ModelProto, shape: &[usize], x: &[f32]) -> Vec<f32> {
    let typed = ask(net).unwrap_or_else(|e| panic!("{e}"));
    let input = Tensor::from_shape(shape, x).unwrap();
    let outputs = typed.into_runnable().unwrap().run(tvec!(input.into_tvalue())).unwrap();
    outputs[0].as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec()
}

fn net(opset: i64, node: NodeProto, shape: &[i64], weights: Vec<TensorProto>) -> ModelProto {
    model(opset, graph(vec![node], vec![f32_input("x", shape)], &["y"], weights))
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{found:?} instead of {expected:?}");
    }
}

#[test]
fn upsample_repeats_and_interpolates_from_the_left() {
    let x = [1.0, 2.0, 3.0];
    let by_attribute = node("Upsample", &["x"], &["y"]).floats("scales", &[1.0, 1.0, 3.0]);
    close(
        &run(&net(7, by_attribute, &[1, 1, 3], vec![]), &[1, 1, 3], &x),
        &[1., 1., 1., 2., 2., 2., 3., 3., 3.],
    );
    let by_input = node("Upsample", &["x", "s"], &["y"]).text("mode", "linear");
    let scales = f32s("s", &[3], &[1.0, 1.0, 2.0]);
    // Output i reads position i / 2; beyond the last sample there is only the last sample.
    close(&run(&net(9, by_input, &[1, 1, 3], vec![scales]), &[1, 1, 3], &x), &[1., 1.5, 2., 2.5, 3., 3.]);
}

#[test]
fn resize_of_operator_set_10_rounds_down() {
    let scales = f32s("s", &[3], &[1.0, 1.0, 3.0]);
    let resize = node("Resize", &["x", "s"], &["y"]);
    close(
        &run(&net(10, resize, &[1, 1, 2], vec![scales]), &[1, 1, 2], &[4.0, 5.0]),
        &[4., 4., 4., 5., 5., 5.],
    );
}

#[test]
fn lp_pool_is_the_norm_of_each_window() {
    let x = [3.0, -4.0, 1.0, 2.0, -2.0];
    let pool =
        |p: i64| node("LpPool", &["x"], &["y"]).ints("kernel_shape", &[2]).ints("strides", &[2]).int("p", p);
    close(&run(&net(18, pool(2), &[1, 1, 5], vec![]), &[1, 1, 5], &x), &[5.0, 5.0f32.sqrt()]);
    close(&run(&net(18, pool(1), &[1, 1, 5], vec![]), &[1, 1, 5], &x), &[7.0, 3.0]);
    close(&run(&net(18, pool(3), &[1, 1, 5], vec![]), &[1, 1, 5], &x), &[91.0f32.cbrt(), 9.0f32.cbrt()]);
    let padded = pool(2).ints("pads", &[1, 0]);
    close(&run(&net(18, padded, &[1, 1, 5], vec![]), &[1, 1, 5], &x), &[3.0, 17.0f32.sqrt(), 8.0f32.sqrt()]);
    let ceiled = pool(2).int("ceil_mode", 1);
    close(&run(&net(18, ceiled, &[1, 1, 5], vec![]), &[1, 1, 5], &x), &[5.0, 5.0f32.sqrt(), 2.0]);
    let same =
        node("LpPool", &["x"], &["y"]).ints("kernel_shape", &[2]).text("auto_pad", "SAME_UPPER").int("p", 1);
    close(&run(&net(18, same, &[1, 1, 5], vec![]), &[1, 1, 5], &x), &[7.0, 5.0, 3.0, 4.0, 2.0]);
}

#[test]
fn pads_crop_and_wrap() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let crop = net(13, node("Pad", &["x", "p"], &["y"]), &[4], vec![i64s("p", &[-1, 2])]);
    close(&run(&crop, &[4], &x), &[2., 3., 4., 0., 0.]);
    let wrap = node("Pad", &["x", "p"], &["y"]).text("mode", "wrap");
    close(&run(&net(19, wrap, &[4], vec![i64s("p", &[1, 2])]), &[4], &x), &[4., 1., 2., 3., 4., 1., 2.]);
    let on_axis = node("Pad", &["x", "p", "", "a"], &["y"]).text("mode", "wrap");
    let weights = vec![i64s("p", &[0, 1]), i64s("a", &[-1])];
    close(&run(&net(19, on_axis, &[2, 2], weights), &[2, 2], &x), &[1., 2., 1., 3., 4., 3.]);
    let attribute = node("Pad", &["x"], &["y"]).ints("pads", &[1, -2]).float("value", 9.0);
    close(&run(&net(9, attribute, &[4], vec![]), &[4], &x), &[9., 1., 2.]);
    let far = node("Pad", &["x", "p"], &["y"]).text("mode", "reflect");
    let fault = ask(&net(13, far, &[4], vec![i64s("p", &[4, 0])])).unwrap_err();
    assert!(matches!(&fault, Fault::Attribute { attribute, .. } if attribute == "pads"), "{fault}");
}

#[test]
fn a_fill_value_in_a_list_of_one_is_a_scalar() {
    let pad = node("Pad", &["x", "p", "v"], &["y"]);
    let weights = vec![i64s("p", &[1, 0]), f32s("v", &[1], &[7.0])];
    close(&run(&net(13, pad, &[2], weights), &[2], &[1.0, 2.0]), &[7., 1., 2.]);
    let clip = node("Clip", &["x", "l", "h"], &["y"]);
    let weights = vec![f32s("l", &[1], &[0.5]), f32s("h", &[1, 1], &[1.5])];
    close(&run(&net(13, clip, &[3], weights), &[3], &[0.0, 1.0, 2.0]), &[0.5, 1.0, 1.5]);
}

#[test]
fn reverse_sequence_turns_the_first_steps() {
    let lengths = i64s("l", &[3, 1]);
    let by_time = node("ReverseSequence", &["x", "l"], &["y"]);
    let x = [1., 10., 2., 20., 3., 30.];
    close(&run(&net(10, by_time, &[3, 2], vec![lengths.clone()]), &[3, 2], &x), &[3., 10., 2., 20., 1., 30.]);
    let by_batch = node("ReverseSequence", &["x", "l"], &["y"]).int("batch_axis", 0).int("time_axis", 1);
    let x = [1., 2., 3., 10., 20., 30.];
    close(&run(&net(10, by_batch, &[2, 3], vec![lengths]), &[2, 3], &x), &[3., 2., 1., 10., 20., 30.]);
}

#[test]
fn affine_grid_of_the_identity_is_the_positions_themselves() {
    let grid = node("AffineGrid", &["x", "s"], &["y"]);
    let identity = [1., 0., 0., 0., 1., 0.];
    let sizes = i64s("s", &[1, 1, 2, 4]);
    let found = run(&net(20, grid.clone(), &[1, 2, 3], vec![sizes.clone()]), &[1, 2, 3], &identity);
    let columns = [-0.75, -0.25, 0.25, 0.75];
    let expected: Vec<f32> =
        [-0.5, 0.5].iter().flat_map(|y| columns.iter().flat_map(move |x| [*x, *y])).collect();
    close(&found, &expected);
    let found = run(&net(20, grid.int("align_corners", 1), &[1, 2, 3], vec![sizes]), &[1, 2, 3], &identity);
    close(&found[..8], &[-1., -1., -1. / 3., -1., 1. / 3., -1., 1., -1.]);
}

#[test]
fn compress_takes_where_the_condition_holds() {
    let condition = TensorProto {
        name: "c".into(),
        dims: vec![2],
        data_type: DataType::Bool as i32,
        int32_data: vec![0, 1],
        ..TensorProto::default()
    };
    let x = [1., 2., 3., 4., 5., 6.];
    let on_axis = node("Compress", &["x", "c"], &["y"]).int("axis", 0);
    close(&run(&net(11, on_axis, &[3, 2], vec![condition.clone()]), &[3, 2], &x), &[3., 4.]);
    let flat = node("Compress", &["x", "c"], &["y"]);
    close(&run(&net(11, flat, &[3, 2], vec![condition]), &[3, 2], &x), &[2.]);
}

#[test]
fn equations_with_an_ellipsis_or_no_right_side_are_spelt_out() {
    let x: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let product = |equation: &str| node("Einsum", &["x", "w"], &["y"]).text("equation", equation);
    let weights = || vec![f32s("w", &[2, 1], &[1.0, 10.0])];
    let expected = [10., 32., 54., 76.];
    for equation in ["...j,jk->...k", "...j, jk", "abj,jk->abk", "... j , j k -> ... k"] {
        close(&run(&net(12, product(equation), &[2, 2, 2], weights()), &[2, 2, 2], &x), &expected);
    }
    close(&run(&net(12, product("abj,jk->"), &[2, 2, 2], weights()), &[2, 2, 2], &x), &[172.]);
    let fault = ask(&net(12, product("...j,j->"), &[2, 2, 2], weights())).unwrap_err();
    assert!(matches!(&fault, Fault::Attribute { attribute, .. } if attribute == "equation"), "{fault}");
}

#[test]
fn negative_indices_count_from_the_end_and_others_are_named() {
    let x = [1., 2., 3., 4.];
    let gather =
        |indices: TensorProto| net(13, node("GatherND", &["x", "i"], &["y"]), &[2, 2], vec![indices]);
    let indices = |values: &[i64]| TensorProto { dims: vec![1, 2], ..i64s("i", values) };
    close(&run(&gather(indices(&[-1, -2])), &[2, 2], &x), &[3.]);
    let fault = ask(&gather(indices(&[0, 2]))).unwrap_err();
    assert!(matches!(&fault, Fault::Attribute { value, .. } if value.contains("the index 2")), "{fault}");
    let rows = net(13, node("Gather", &["x", "i"], &["y"]), &[2, 2], vec![i64s("i", &[-1])]);
    close(&run(&rows, &[2, 2], &x), &[3., 4.]);
}

#[test]
fn squeeze_without_axes_drops_every_side_of_one() {
    let mut net = net(13, node("Squeeze", &["x"], &["y"]), &[1, 2, 1, 3], vec![]);
    assert_eq!(ask(&net).unwrap().output_fact(0).unwrap().shape.as_concrete(), Some(&[2, 3][..]));
    net.opset_import[0].version = 9;
    assert_eq!(ask(&net).unwrap().output_fact(0).unwrap().shape.as_concrete(), Some(&[2, 3][..]));
}

#[test]
fn swish_takes_its_slope() {
    let swish = node("Swish", &["x"], &["y"]).float("alpha", 2.0);
    let expected = 1.5 / (1.0 + (-3.0f32).exp());
    close(&run(&net(24, swish, &[1], vec![]), &[1], &[1.5]), &[expected]);
}

#[test]
fn the_branch_that_shapes_decide_is_taken() {
    let branch = |operator: &str| graph(vec![node(operator, &["x"], &["r"])], vec![], &["r"], vec![]);
    let choice =
        node("If", &["c"], &["y"]).graph("then_branch", branch("Relu")).graph("else_branch", branch("Neg"));
    for (count, expected) in [(2, [0.0, 2.0]), (3, [1.0, -2.0])] {
        let nodes = vec![
            node("Shape", &["x"], &["s"]),
            node("Equal", &["s", "n"], &["e"]),
            node("Squeeze", &["e"], &["c"]),
            choice.clone(),
        ];
        let net = model(13, graph(nodes, vec![f32_input("x", &[2])], &["y"], vec![i64s("n", &[count])]));
        close(&run(&net, &[2], &[-1.0, 2.0]), &expected);
    }
}

#[test]
fn a_condition_from_outside_keeps_a_loop_going() {
    let mut body = loop_body();
    body.node[0].input[0] = "always".into();
    let steps = node("Loop", &["n", "always", "x"], &["last", "y"]).graph("body", body);
    let truth = |value: i32| TensorProto {
        name: "always".into(),
        data_type: DataType::Bool as i32,
        int32_data: vec![value],
        ..TensorProto::default()
    };
    let net = |value| {
        model(
            13,
            graph(
                vec![steps.clone()],
                vec![f32_input("x", &[1])],
                &["y"],
                vec![i64s("n", &[2]), truth(value)],
            ),
        )
    };
    close(&run(&net(1), &[1], &[1.0]), &[1.0, 2.0]);
    assert!(matches!(ask(&net(0)), Err(Fault::Control { .. })));
}

#[test]
fn updates_larger_than_the_indices_give_their_leading_block() {
    let scatter = node("ScatterElements", &["d", "i", "x"], &["y"]).int("axis", 0);
    let indices = TensorProto { dims: vec![1, 2], ..i64s("i", &[1, 0]) };
    let weights = vec![f32s("d", &[2, 2], &[0.0; 4]), indices];
    close(&run(&net(18, scatter, &[2, 3], weights), &[2, 3], &[1., 2., 3., 4., 5., 6.]), &[0., 2., 1., 0.]);
}

/// `v <- v * w + i` for every step, collecting the values before.
fn loop_body() -> tract_onnx::pb::GraphProto {
    graph(
        vec![
            node("Identity", &["go"], &["on"]),
            node("Cast", &["i"], &["f"]).int("to", DataType::Float as i64),
            node("Mul", &["v", "w"], &["m"]),
            node("Add", &["m", "f"], &["next"]),
            node("Identity", &["v"], &["seen"]),
        ],
        vec![value("i", DataType::Int64, None), value("go", DataType::Bool, None), f32_input("v", &[1])],
        &["on", "next", "seen"],
        vec![f32s("w", &[1], &[2.0])],
    )
}

#[test]
fn a_loop_of_constant_length_is_unrolled() {
    let steps = node("Loop", &["n", "", "x"], &["last", "y"]).graph("body", loop_body());
    let weights = vec![i64s("n", &[3])];
    let mut net = model(13, graph(vec![steps], vec![f32_input("x", &[1])], &["y"], weights));
    // 1, 2 * 1 + 0, 2 * 2 + 1; the value after that is 2 * 5 + 2.
    close(&run(&net, &[1], &[1.0]), &[1.0, 2.0, 5.0]);
    net.graph.as_mut().unwrap().output[0].name = "last".into();
    close(&run(&net, &[1], &[1.0]), &[12.0]);
}

#[test]
fn a_scan_in_either_direction_is_unrolled() {
    let body = graph(
        vec![
            node("Mul", &["s", "half"], &["d"]),
            node("Add", &["d", "e"], &["t"]),
            node("Identity", &["t"], &["o"]),
        ],
        vec![f32_input("s", &[1]), f32_input("e", &[1])],
        &["t", "o"],
        vec![f32s("half", &[], &[0.5])],
    );
    let scan = node("Scan", &["start", "x"], &["", "y"]).graph("body", body).int("num_scan_inputs", 1);
    let weights = || vec![f32s("start", &[1], &[8.0])];
    close(&run(&net(11, scan.clone(), &[3, 1], weights()), &[3, 1], &[1., 2., 3.]), &[5., 4.5, 5.25]);
    let backward = scan.ints("scan_input_directions", &[1]).ints("scan_output_directions", &[1]);
    close(&run(&net(11, backward, &[3, 1], weights()), &[3, 1], &[1., 2., 3.]), &[3.75, 5.5, 7.0]);
}

#[test]
fn other_precisions_become_f32() {
    let half = |values: &[f32]| TensorProto {
        name: "w".into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Float16 as i32,
        raw_data: values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        ..TensorProto::default()
    };
    let mut f16_net = net(17, node("Mul", &["x", "w"], &["y"]), &[2], vec![half(&[0.5, -2.0])]);
    let graph = f16_net.graph.as_mut().unwrap();
    graph.input[0] = value("x", DataType::Float16, Some(crate::common::dims(&[2])));
    close(&run(&f16_net, &[2], &[3.0, 4.0]), &[1.5, -8.0]);
    assert!(load(&f16_net).unwrap().notes().any(|n| n.contains("f32")));
    let double = TensorProto {
        name: "w".into(),
        dims: vec![2],
        data_type: DataType::Double as i32,
        double_data: vec![0.25, -1e300],
        ..TensorProto::default()
    };
    let cast = vec![
        node("Cast", &["x"], &["d"]).int("to", DataType::Double as i64),
        node("Max", &["d", "w"], &["y"]),
    ];
    let f64_net = model(17, crate::common::graph(cast, vec![f32_input("x", &[2])], &["y"], vec![double]));
    close(&run(&f64_net, &[2], &[-1.0, -5.0]), &[0.25, -5.0]);
}

#[test]
fn constants_of_every_kind_are_lifted() {
    let constants = [
        (node("Constant", &[], &["k"]).float("value_float", 2.0), 2.0),
        (node("Constant", &[], &["k"]).floats("value_floats", &[3.0]), 3.0),
        (node("Constant", &[], &["k"]).tensor("value", f32s("", &[], &[4.0])), 4.0),
    ];
    for (constant, factor) in constants {
        let nodes = vec![constant, node("Mul", &["x", "k"], &["y"])];
        close(
            &run(&model(13, graph(nodes, vec![f32_input("x", &[1])], &["y"], vec![])), &[1], &[5.0]),
            &[5.0 * factor],
        );
    }
}

#[test]
fn sparse_weights_are_written_out() {
    let sparse = |indices: TensorProto| SparseTensorProto {
        values: Some(f32s("w", &[2], &[5.0, 7.0])),
        indices: Some(indices),
        dims: vec![2, 2],
    };
    let linear = i64s("", &[1, 2]);
    let rows = TensorProto { dims: vec![2, 2], ..i64s("", &[0, 1, 1, 0]) };
    for indices in [linear, rows] {
        let mut net = net(13, node("Mul", &["x", "w"], &["y"]), &[2, 2], vec![]);
        net.graph.as_mut().unwrap().sparse_initializer = vec![sparse(indices)];
        close(&run(&net, &[2, 2], &[1.0, 1.0, 1.0, 1.0]), &[0.0, 5.0, 7.0, 0.0]);
    }
    let mut outside = net(13, node("Mul", &["x", "w"], &["y"]), &[2, 2], vec![]);
    outside.graph.as_mut().unwrap().sparse_initializer = vec![sparse(i64s("", &[1, 4]))];
    assert!(matches!(load(&outside), Err(Fault::DataType { .. })));
}

#[test]
fn statistics_from_the_data_are_refused() {
    let norm = node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"]).int("training_mode", 1);
    let weights = ["s", "b", "m", "v"].map(|n| f32s(n, &[1], &[1.0])).to_vec();
    let fault = ask(&net(15, norm, &[1, 1, 4], weights)).unwrap_err();
    assert!(matches!(&fault, Fault::Attribute { attribute, .. } if attribute == "training_mode"), "{fault}");
}

#[test]
fn outputs_that_nobody_reads_are_dropped() {
    let drop = node("Dropout", &["x"], &["d", "mask"]);
    let nodes = vec![drop, node("Relu", &["d"], &["y"])];
    close(
        &run(&model(9, graph(nodes, vec![f32_input("x", &[2])], &["y"], vec![])), &[2], &[-1.0, 1.0]),
        &[0.0, 1.0],
    );
}
