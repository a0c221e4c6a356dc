//! Graphs that contradict themselves, or ask for what is not there.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, NodeProto, ValueInfoProto};

use adjoint::import::{Fault, Limits};

use crate::common::{
    With, ask, ask_within, f32_input, f32s, graph, i64s, load, model, node, output, small_net, value,
};

/// `y = f(x)` with one node.
fn one(node: NodeProto) -> ModelProto {
    model(17, graph(vec![node], vec![f32_input("x", &[1, 4, 6, 6])], &["y"], vec![]))
}

#[test]
fn a_cycle_is_named_by_its_nodes() {
    let nodes =
        vec![node("Add", &["x", "c"], &["a"]), node("Relu", &["a"], &["b"]), node("Neg", &["b"], &["c"])];
    match load(&model(17, graph(nodes, vec![f32_input("x", &[4])], &["c"], vec![]))) {
        Err(Fault::Cycle { mut nodes }) => {
            nodes.sort();
            assert_eq!(nodes, ["the_add", "the_neg", "the_relu"]);
        }
        other => panic!("{other:?}"),
    }
    let own = vec![node("Add", &["x", "a"], &["a"])];
    let fault = load(&model(17, graph(own, vec![f32_input("x", &[4])], &["a"], vec![]))).unwrap_err();
    assert_eq!(fault, Fault::Cycle { nodes: vec!["the_add".into()] });
}

#[test]
fn nodes_in_any_order_load() {
    let mut net = small_net();
    net.graph.as_mut().unwrap().node.reverse();
    ask(&net).unwrap();
}

#[test]
fn a_tensor_produced_twice_is_named() {
    let mut net = small_net();
    let graph = net.graph.as_mut().unwrap();
    graph.node.push(node("Neg", &["x"], &["c"]));
    let expected =
        Fault::DuplicateTensor { tensor: "c".into(), first: "the_conv".into(), second: "the_neg".into() };
    assert_eq!(load(&net).unwrap_err(), expected);
    let mut net = small_net();
    net.graph.as_mut().unwrap().initializer.push(f32s("w", &[1], &[0.0]));
    assert!(matches!(load(&net), Err(Fault::DuplicateTensor { tensor, .. }) if tensor == "w"));
}

#[test]
fn a_tensor_that_nothing_produces_is_named() {
    let mut net = small_net();
    net.graph.as_mut().unwrap().node[1].input[0] = "nowhere".into();
    assert_eq!(
        load(&net).unwrap_err(),
        Fault::Dangling { node: "the_relu".into(), tensor: "nowhere".into() }
    );
    let mut net = small_net();
    net.graph.as_mut().unwrap().output.push(output("nothing"));
    assert!(matches!(load(&net), Err(Fault::Dangling { tensor, .. }) if tensor == "nothing"));
}

#[test]
fn foreign_domains_and_unknown_operators_are_named() {
    let mut net = small_net();
    net.graph.as_mut().unwrap().node[1].domain = "org.example".into();
    let expected =
        Fault::Domain { node: "the_relu".into(), operator: "Relu".into(), domain: "org.example".into() };
    assert_eq!(ask(&net).unwrap_err(), expected);
    for operator in ["Frobnicate", "NonMaxSuppression", "SequenceAt", "RandomNormalLike", "QLinearConv"] {
        match ask(&one(node(operator, &["x"], &["y"]))) {
            Err(Fault::Operator { operator: found, node, .. }) => {
                assert_eq!((found.as_str(), node), (operator, format!("the_{}", operator.to_lowercase())));
            }
            other => panic!("{operator}: {other:?}"),
        }
    }
}

#[test]
fn operators_that_no_wanted_tensor_needs_do_not_matter() {
    let mut net = small_net();
    let graph = net.graph.as_mut().unwrap();
    graph.node.push(node("NonMaxSuppression", &["y", "y"], &["boxes"]));
    graph.node.push(node("Frobnicate", &["boxes"], &["z"]));
    graph.output.push(output("z"));
    let import = load(&net).unwrap();
    import.typed(&[], &["y".into()]).unwrap();
    assert!(matches!(*import.typed(&[], &["z".into()]).unwrap_err().fault, Fault::Operator { .. }));
    let taps = import.taps();
    assert_eq!(taps.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["c", "y", "boxes", "z"]);
    assert_eq!(taps[1].shape.as_deref(), Some(&[1, 2, 5, 5][..]));
    assert_eq!(taps[3].shape, None);
}

#[test]
fn names_that_are_not_there_are_answered_with_those_that_are() {
    let import = load(&small_net()).unwrap();
    let fault = *import.typed(&[], &["relu".into()]).unwrap_err().fault;
    assert!(matches!(&fault, Fault::UnknownName { role: "tensor", known, .. } if known == "c, y"), "{fault}");
    let fault = *import.typed(&[("image".into(), vec![1])], &["y".into()]).unwrap_err().fault;
    assert!(matches!(&fault, Fault::UnknownName { role: "input", known, .. } if known == "x"), "{fault}");
    for (inputs, outputs) in [(vec![], vec![]), (vec![], vec!["y", "y"]), (vec!["x", "x"], vec!["y"])] {
        let inputs: Vec<_> = inputs.into_iter().map(|n: &str| (n.to_owned(), vec![1, 3, 5, 5])).collect();
        let outputs: Vec<_> = outputs.into_iter().map(str::to_owned).collect();
        assert!(matches!(*import.typed(&inputs, &outputs).unwrap_err().fault, Fault::Request { .. }));
    }
}

#[test]
fn an_input_that_changes_nothing_is_no_silent_zero() {
    let mut net = small_net();
    let graph = net.graph.as_mut().unwrap();
    graph.input.push(f32_input("unused", &[3]));
    let import = load(&net).unwrap();
    let inputs = [("unused".to_owned(), vec![3])];
    let fault = *import.typed(&inputs, &["y".into()]).unwrap_err().fault;
    assert_eq!(fault, Fault::Unreached { input: "unused".into(), outputs: "y".into() });
    import.typed(&[], &["y".into()]).unwrap();
}

#[test]
fn any_inner_tensor_can_be_an_input() {
    let import = load(&small_net()).unwrap();
    let model = import.typed(&[("c".into(), vec![1, 2, 5, 5])], &["y".into()]).unwrap();
    assert_eq!(model.input_outlets().unwrap().len(), 1);
    let weights = import.typed(&[("w".into(), vec![2, 3, 3, 3])], &["y".into()]).unwrap();
    // The image is needed too, and comes after what was named.
    assert_eq!(weights.input_fact(1).unwrap().shape.as_concrete(), Some(&[1, 3, 5, 5][..]));
}

#[test]
fn unreasonable_attributes_are_named_with_what_is_allowed() {
    let conv = |name: &str, values: &[i64]| {
        let mut net = small_net();
        let conv = &mut net.graph.as_mut().unwrap().node[0];
        conv.attribute.retain(|a| a.name != name);
        let spoiled = conv.clone().ints(name, values);
        *conv = spoiled;
        net
    };
    let cases = [
        (conv("strides", &[0, 1]), "strides"),
        (conv("dilations", &[1, -1]), "dilations"),
        (conv("pads", &[1, 1, -9, 1]), "pads"),
        (conv("kernel_shape", &[1 << 40, 3]), "kernel_shape"),
        (conv("strides", &vec![1; 1000]), "strides"),
        (
            one(node("MaxPool", &["x"], &["y"])
                .ints("kernel_shape", &[60000, 60000])
                .ints("pads", &[59999; 4])
                .ints("strides", &[60000, 60000])),
            "kernel_shape",
        ),
        (one(node("Softmax", &["x"], &["y"]).int("axis", 1 << 33)), "axis"),
        (one(node("Flatten", &["x"], &["y"]).int("axis", -1000)), "axis"),
        (one(node("LRN", &["x"], &["y"]).int("size", 0)), "size"),
        (one(node("LeakyRelu", &["x"], &["y"]).float("alpha", f32::NAN)), "alpha"),
        (one(node("Elu", &["x"], &["y"]).float("alpha", 1.0).float("alpha", 2.0)), "alpha"),
        (one(node("Transpose", &["x"], &["y"]).ints("perm", &[0, 1, 2, -1])), "perm"),
    ];
    for (net, name) in cases {
        match ask(&net) {
            Err(Fault::Attribute { attribute, .. }) => assert_eq!(attribute, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn numbers_of_inputs_are_bounded() {
    let names: Vec<String> = (0..2000).map(|_| "x".to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fault = ask(&one(node("Sum", &names, &["y"]))).unwrap_err();
    assert!(matches!(fault, Fault::Arity { found: 2000, what: "inputs", .. }), "{fault}");
    let fault = ask(&one(node("Relu", &[], &["y"]))).unwrap_err();
    assert!(matches!(fault, Fault::Arity { found: 0, .. }), "{fault}");
}

#[test]
fn inputs_that_an_operator_does_not_take_are_named() {
    let bad = [
        (node("Conv", &["x"], &["y"]), "number 1"),
        (node("MatMul", &["x", "s"], &["y"]), "s"),
        (node("Tile", &["x", "i"], &["y"]), "i"),
        (node("Slice", &["x", "i", "s"], &["y"]), "s"),
        (node("Concat", &["x", "i"], &["y"]).int("axis", 0), "i"),
    ];
    for (bad, name) in bad {
        let weights = vec![f32s("s", &[], &[1.0]), i64s("i", &[1])];
        let operator = bad.op_type.clone();
        match ask(&model(17, graph(vec![bad], vec![f32_input("x", &[1, 4, 6, 6])], &["y"], weights))) {
            Err(Fault::Operand { input, .. }) => assert_eq!(input, name, "{operator}"),
            other => panic!("{operator}: {other:?}"),
        }
    }
}

#[test]
fn what_the_importer_says_comes_with_the_node() {
    for bad in [node("Add", &["x", "x", "x"], &["y"]), node("Relu", &["x"], &["y", "z"])] {
        let name = bad.name.clone();
        match ask(&one(bad)) {
            Err(Fault::Importer { node, message }) => {
                assert!(node == name && !message.is_empty(), "{node}: {message}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn control_flow_that_depends_on_data_is_named() {
    let branch = |operator: &str| graph(vec![node(operator, &["x"], &["r"])], vec![], &["r"], vec![]);
    let choice =
        node("If", &["c"], &["y"]).graph("then_branch", branch("Relu")).graph("else_branch", branch("Neg"));
    let test = vec![
        node("ReduceSum", &["x"], &["s"]).int("keepdims", 0),
        node("Greater", &["s", "zero"], &["c"]),
        choice,
    ];
    let net = model(17, graph(test, vec![f32_input("x", &[4])], &["y"], vec![f32s("zero", &[], &[0.0])]));
    match ask(&net) {
        Err(Fault::Control { operator, reason, .. }) => {
            assert!(operator == "If" && reason.contains("(c)"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loop_of_too_many_steps_is_not_unrolled() {
    let body = graph(
        vec![node("Identity", &["go"], &["on"]), node("Relu", &["v"], &["w"])],
        vec![value("i", DataType::Int64, None), value("go", DataType::Bool, None), f32_input("v", &[4])],
        &["on", "w"],
        vec![],
    );
    let steps = node("Loop", &["n", "", "x"], &["y"]).graph("body", body);
    let net =
        |n| model(17, graph(vec![steps.clone()], vec![f32_input("x", &[4])], &["y"], vec![i64s("n", &[n])]));
    ask(&net(5)).unwrap();
    match ask(&net(1 << 40)) {
        Err(Fault::Control { reason, .. }) => assert!(reason.contains("1024"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let limits = Limits { nodes: 100, ..Limits::default() };
    assert!(matches!(ask_within(&net(200), &limits), Err(Fault::NodeCount { limit: 100, .. })));
}

#[test]
fn sequences_and_optionals_are_named() {
    let mut net = small_net();
    net.graph.as_mut().unwrap().input[0] =
        ValueInfoProto { name: "x".into(), r#type: None, ..Default::default() };
    match ask(&net) {
        Err(Fault::InputType { input, found, .. }) => {
            assert!(input == "x" && found.contains("not a tensor"), "{found}")
        }
        other => panic!("{other:?}"),
    }
}
