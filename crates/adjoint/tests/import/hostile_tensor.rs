//! Weights, inputs and sizes that cannot be meant.

use std::fs;

use prost::Message;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{ModelProto, NodeProto, StringStringEntryProto, TensorProto, TensorShapeProto};

use adjoint::import::{Fault, Import, Limits};

use crate::common::{
    With, ask, ask_within, f32_input, f32s, graph, i64s, load, model, node, small_net, value,
};

fn with_weights(change: impl FnOnce(&mut TensorProto)) -> ModelProto {
    let mut net = small_net();
    change(&mut net.graph.as_mut().unwrap().initializer[0]);
    net
}

#[test]
fn dimensions_that_are_negative_or_overflow_are_named() {
    for dims in
        [vec![2, -3, 3, 3], vec![1 << 33, 1 << 33], vec![0, 1 << 33, 1 << 33], vec![i64::MAX, 2], vec![1; 40]]
    {
        match load(&with_weights(|w| w.dims = dims.clone())) {
            Err(Fault::Dimensions { tensor, .. }) => assert_eq!(tensor, "w"),
            other => panic!("{dims:?}: {other:?}"),
        }
    }
}

#[test]
fn data_that_do_not_fill_the_dimensions_are_named() {
    let fault = load(&with_weights(|w| w.float_data.truncate(53))).unwrap_err();
    let dims = vec![2, 3, 3, 3];
    let expected = Fault::DataLength {
        tensor: "w".into(),
        dims,
        dtype: "FLOAT".into(),
        unit: "values",
        expected: 54,
        found: 53,
    };
    assert_eq!(fault, expected);
    let fault = load(&with_weights(|w| w.raw_data = vec![0; 54 * 4 - 1])).unwrap_err();
    assert!(matches!(fault, Fault::DataLength { expected: 216, found: 215, .. }), "{fault}");
    let fault = load(&with_weights(|w| w.data_type = DataType::Double as i32)).unwrap_err();
    assert!(matches!(fault, Fault::DataLength { found: 0, .. }), "{fault}");
}

#[test]
fn types_that_cannot_be_used_are_named_where_they_are_needed() {
    for code in [DataType::String as i32, DataType::Complex64 as i32, DataType::Int4 as i32, 99, -1] {
        let net = with_weights(|w| w.data_type = code);
        load(&net).unwrap();
        match ask(&net) {
            Err(Fault::DataType { tensor, .. }) => assert_eq!(tensor, "w"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn weights_that_are_not_finite_are_named_with_their_place() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let net = with_weights(|w| w.float_data[17] = bad);
        match ask(&net) {
            Err(Fault::NonFinite { tensor, index, value }) => {
                assert_eq!((tensor.as_str(), index, value.to_bits()), ("w", 17, bad.to_bits()));
            }
            other => panic!("{bad}: {other:?}"),
        }
    }
    // An attention mask of zeros and minus infinity is what exporters write, and means something.
    let mask = f32s("m", &[4], &[0.0, 0.0, f32::NEG_INFINITY, 0.0]);
    let nodes = vec![node("Add", &["x", "m"], &["a"]), node("Softmax", &["a"], &["y"]).int("axis", -1)];
    ask(&model(17, graph(nodes, vec![f32_input("x", &[1, 4])], &["y"], vec![mask]))).unwrap();
    // A weight that the wanted tensor does not need may be anything.
    let mut net = small_net();
    net.graph.as_mut().unwrap().initializer.push(f32s("other", &[1], &[f32::NAN]));
    ask(&net).unwrap();
}

fn external(entries: &[(&str, &str)]) -> ModelProto {
    with_weights(|w| {
        w.float_data.clear();
        w.data_location = Some(DataLocation::External as i32);
        let pair =
            |(k, v): &(&str, &str)| StringStringEntryProto { key: k.to_string(), value: v.to_string() };
        w.external_data = entries.iter().map(pair).collect();
    })
}

#[test]
fn external_data_are_read_from_the_model_s_directory_only() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.bin"), vec![0u8; 400]).unwrap();
    let dir = outside.path().join("model");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("weights.bin"), vec![0u8; 300]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.bin", dir.join("link.bin")).unwrap();
    let open = |entries: &[(&str, &str)]| {
        let path = dir.join("net.onnx");
        fs::write(&path, external(entries).encode_to_vec()).unwrap();
        Import::open(&path, &Limits::default()).map_err(|e| *e.fault)
    };
    open(&[("location", "weights.bin"), ("offset", "16"), ("length", "216")]).unwrap();
    let absolute = outside.path().join("secret.bin").display().to_string();
    let refused: [&[(&str, &str)]; 11] = [
        &[],
        &[("location", "missing.bin")],
        &[("location", "../secret.bin")],
        &[("location", "./../secret.bin")],
        &[("location", &absolute)],
        &[("location", "link.bin")],
        &[("location", ".")],
        &[("location", "weights.bin"), ("offset", "290"), ("length", "216")],
        &[("location", "weights.bin"), ("offset", "18446744073709551615"), ("length", "216")],
        &[("location", "weights.bin"), ("length", "100")],
        &[("location", "weights.bin"), ("offset", "-4")],
    ];
    for entries in refused {
        match open(entries) {
            Err(Fault::External { tensor, location, reason }) => {
                assert_eq!(tensor, "w");
                assert!(!reason.is_empty(), "{location}");
            }
            other => panic!("{entries:?}: {other:?}"),
        }
    }
    let nowhere = load(&external(&[("location", "weights.bin")])).unwrap_err();
    assert!(matches!(nowhere, Fault::External { .. }), "{nowhere}");
}

#[test]
fn weights_over_the_memory_limit_are_not_allocated() {
    // A sparse tensor of a hundred bytes claims 4 TB; so does an external one.
    let huge = with_weights(|w| {
        w.dims = vec![1 << 20, 1 << 20];
        w.float_data.clear();
        w.data_location = Some(DataLocation::External as i32);
    });
    match load(&huge) {
        Err(Fault::Memory { bytes, limit, .. }) => assert_eq!((bytes, limit), (1 << 42, 4 << 30)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn shapes_without_numbers_ask_for_them() {
    let symbol =
        Dimension { value: Some(dimension::Value::DimParam("batch".into())), ..Dimension::default() };
    let number = |n| Dimension { value: Some(dimension::Value::DimValue(n)), ..Dimension::default() };
    let mut net = small_net();
    let shape = TensorShapeProto { dim: vec![symbol, number(3), number(5), number(-1)] };
    net.graph.as_mut().unwrap().input[0] = value("x", DataType::Float, Some(shape));
    let fault = ask(&net).unwrap_err();
    assert_eq!(fault, Fault::SymbolicShape { input: "x".into(), shape: "[batch, 3, 5, ?]".into() });
    let import = load(&net).unwrap();
    let typed = import.typed(&[("x".into(), vec![2, 3, 5, 7])], &["y".into()]).unwrap();
    assert_eq!(typed.output_fact(0).unwrap().shape.as_concrete(), Some(&[2, 2, 5, 7][..]));
    for wrong in [vec![2, 4, 5, 7], vec![3, 5, 7], vec![2, 3, 5, 0]] {
        let fault = *import.typed(&[("x".into(), wrong.clone())], &["y".into()]).unwrap_err().fault;
        assert!(matches!(&fault, Fault::InputShape { given, .. } if *given == wrong), "{fault}");
    }
}

#[test]
fn inputs_that_have_no_gradient_are_named_with_their_type() {
    for (dtype, word) in [
        (DataType::Int64, "integer"),
        (DataType::Bool, "bool"),
        (DataType::String, "string"),
        (DataType::Uint8, "integer"),
    ] {
        let net = model(
            17,
            graph(
                vec![node("Cast", &["x"], &["y"]).int("to", DataType::Float as i64)],
                vec![value("x", dtype, Some(crate::common::dims(&[4])))],
                &["y"],
                vec![],
            ),
        );
        let import = load(&net).unwrap();
        for inputs in [vec![], vec![("x".to_owned(), vec![4])]] {
            match import.typed(&inputs, &["y".into()]).map_err(|e| *e.fault) {
                Err(Fault::InputType { input, found, .. }) => {
                    assert!(input == "x" && found == word, "{found}")
                }
                other => panic!("{dtype:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn tensors_that_have_no_gradient_are_named_with_their_type() {
    let nodes = vec![node("ArgMax", &["x"], &["y"]).int("axis", 0)];
    let fault = ask(&model(17, graph(nodes, vec![f32_input("x", &[4, 4])], &["y"], vec![]))).unwrap_err();
    assert!(matches!(&fault, Fault::OutputType { tensor, .. } if tensor == "y"), "{fault}");
}

/// A net of a hundred bytes that would compute something enormous from `x`.
fn bomb(operator: NodeProto, weights: Vec<TensorProto>) -> ModelProto {
    model(17, graph(vec![operator], vec![f32_input("x", &[1, 1, 4, 4])], &["y"], weights))
}

#[test]
fn small_files_do_not_make_large_tensors() {
    let far = 1i64 << 30;
    let grid = "x";
    let bombs = [
        bomb(node("Expand", &["x", "s"], &["y"]), vec![i64s("s", &[far, far, 4, 4])]),
        bomb(node("Expand", &["x", "s"], &["y"]), vec![i64s("s", &[1 << 16, 1 << 16, 4, 4])]),
        bomb(node("Tile", &["x", "s"], &["y"]), vec![i64s("s", &[1 << 16, 1 << 16, 1, 1])]),
        bomb(node("Pad", &["x", "s"], &["y"]), vec![i64s("s", &[0, 0, 1 << 20, 1 << 20, 0, 0, 0, 0])]),
        bomb(node("Resize", &["x", "", "s"], &["y"]), vec![f32s("s", &[4], &[1.0, 1.0, 1e5, 1e5])]),
        bomb(node("MaxPool", &["x"], &["y"]).ints("kernel_shape", &[2, 2]).ints("pads", &[60000; 4]), vec![]),
        bomb(
            node("ConvTranspose", &["x", "w"], &["y"]).ints("strides", &[60000, 60000]),
            vec![f32s("w", &[1, 1, 1, 1], &[1.0])],
        ),
        bomb(node("GridSample", &[grid, "g"], &["y"]), vec![f32s("g", &[1, 0, 1 << 40, 2], &[])]),
    ];
    for net in bombs {
        let operator = net.graph.as_ref().unwrap().node[0].op_type.clone();
        match ask(&net) {
            Err(
                Fault::Memory { .. }
                | Fault::Dimensions { .. }
                | Fault::Attribute { .. }
                | Fault::Importer { .. },
            ) => {}
            other => panic!("{operator}: {other:?}"),
        }
    }
}

#[test]
fn constants_are_not_folded_into_large_ones() {
    let cases = [
        vec![node("ConstantOfShape", &["s"], &["c"])],
        vec![node("Range", &["zero", "far", "one"], &["i"]), node("Cast", &["i"], &["c"]).int("to", 1)],
        vec![node("ConstantOfShape", &["t"], &["z"]), node("OneHot", &["i", "d", "v"], &["c"])],
        vec![node("ConstantOfShape", &["t"], &["z"]), node("EyeLike", &["z"], &["c"])],
    ];
    for mut nodes in cases {
        nodes.push(node("ReduceSum", &["c"], &["r"]).int("keepdims", 0));
        nodes.push(node("Add", &["x", "r"], &["y"]));
        let scalar = |name: &str, v: i64| TensorProto { dims: vec![], ..i64s(name, &[v]) };
        let weights = vec![
            i64s("s", &[1 << 20, 1 << 20]),
            i64s("t", &[1 << 16, 1 << 16]),
            scalar("zero", 0),
            scalar("far", 1 << 40),
            scalar("one", 1),
            scalar("d", 1 << 40),
            i64s("i", &[1]),
            f32s("v", &[2], &[0.0, 1.0]),
        ];
        let weights: Vec<_> =
            weights.into_iter().filter(|w| !nodes.iter().any(|n| n.output.contains(&w.name))).collect();
        let operator = nodes[nodes.len() - 3].op_type.clone();
        match ask(&model(17, graph(nodes, vec![f32_input("x", &[2])], &["y"], weights))) {
            Err(Fault::Memory { .. } | Fault::Dimensions { .. }) => {}
            other => panic!("{operator}: {other:?}"),
        }
    }
}

#[test]
fn doubling_adds_up() {
    let mut nodes = Vec::new();
    for i in 0..60 {
        let (from, to) = (format!("t{i}"), format!("t{}", i + 1));
        nodes.push(node("Concat", &[&from, &from], &[&to]).int("axis", 0));
    }
    let net = model(17, graph(nodes, vec![f32_input("t0", &[4])], &["t60"], vec![]));
    match ask(&net) {
        Err(Fault::Memory { bytes, limit, .. }) => assert!(bytes > limit && bytes < 4 * limit),
        other => panic!("{other:?}"),
    }
}

#[test]
fn work_over_the_limit_is_named_with_the_node() {
    let nodes = vec![node("Expand", &["x", "s"], &["a"]), node("MatMul", &["a", "a"], &["y"])];
    let net = model(17, graph(nodes, vec![f32_input("x", &[1])], &["y"], vec![i64s("s", &[10000, 10000])]));
    match ask(&net) {
        Err(Fault::Work { node, multiply_adds, .. }) => assert!(node == "the_matmul" && multiply_adds > 1e12),
        other => panic!("{other:?}"),
    }
    let wide = node("Einsum", &["x", "x", "x", "x"], &["y"]).text("equation", "a,b,c,d->");
    let net = model(17, graph(vec![wide], vec![f32_input("x", &[2000])], &["y"], vec![]));
    match ask(&net) {
        Err(Fault::Work { multiply_adds, .. }) => assert!(multiply_adds > 1e12),
        other => panic!("{other:?}"),
    }
    let limits = Limits { multiply_adds: 100.0, ..Limits::default() };
    assert!(matches!(ask_within(&small_net(), &limits), Err(Fault::Work { .. })));
}

#[test]
fn shapes_that_only_data_decide_are_named() {
    let nodes = vec![
        node("NonZero", &["x"], &["i"]),
        node("Transpose", &["i"], &["t"]),
        node("GatherND", &["x", "t"], &["y"]),
    ];
    match ask(&model(17, graph(nodes, vec![f32_input("x", &[4])], &["y"], vec![]))) {
        Err(Fault::Shape { node, operator, .. }) => {
            assert_eq!((node.as_str(), operator.as_str()), ("the_nonzero", "NonZero"))
        }
        other => panic!("{other:?}"),
    }
}
