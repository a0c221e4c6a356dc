//! Bytes that are no model, or not all of one, or too many.

use prost::Message;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TrainingInfoProto};

use adjoint::import::{Fault, Import, Limits, OPSETS};

use crate::common::{ask, graph, load, load_within, model, node, small_net};

fn from_bytes(bytes: &[u8]) -> Result<Import, Fault> {
    Import::from_bytes("net.onnx", bytes, None, &Limits::default()).map_err(|e| *e.fault)
}

#[test]
fn the_small_net_itself_loads() {
    let model = ask(&small_net()).unwrap();
    assert_eq!(model.input_fact(0).unwrap().shape.as_concrete(), Some(&[1, 3, 5, 5][..]));
    assert_eq!(model.output_fact(0).unwrap().shape.as_concrete(), Some(&[1, 2, 5, 5][..]));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Import::open("/no/such/net.onnx".as_ref(), &Limits::default()).unwrap_err();
    assert!(
        error.to_string().contains("/no/such/net.onnx") && matches!(*error.fault, Fault::Io { .. }),
        "{error}"
    );
    let folder = Import::open(std::env::temp_dir().as_path(), &Limits::default()).unwrap_err();
    assert!(folder.to_string().contains("not a regular file"), "{folder}");
}

#[test]
fn a_file_over_the_size_limit_is_not_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    let error = Import::open(file.path(), &limits).unwrap_err();
    assert_eq!(*error.fault, Fault::FileSize { bytes: 1 << 20, limit: 1000 });
}

#[test]
fn files_of_other_kinds_are_not_onnx() {
    for bytes in [
        &b""[..],
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"hello, this is text\n",
        &[0xff; 64],
        b"PK\x03\x04\x14\0\0\0",
    ] {
        match from_bytes(bytes) {
            Err(Fault::NotOnnx { length, .. }) => assert_eq!(length, bytes.len()),
            Err(Fault::NoGraph { .. }) => {}
            other => panic!("{bytes:?}: {other:?}"),
        }
    }
}

#[test]
fn every_truncation_is_an_error_with_its_place() {
    let bytes = small_net().encode_to_vec();
    let mut placed = 0;
    for length in 0..bytes.len() {
        match from_bytes(&bytes[..length]) {
            Err(Fault::NotOnnx { offset, length: found, .. }) => {
                assert!(offset <= length && found == length);
                placed += 1;
            }
            // Cut between two fields of the model: a whole message with fields missing.
            Err(Fault::Opset { .. } | Fault::NoGraph { .. }) => {}
            // Only what comes after the graph is missing.
            Ok(import) => assert_eq!(import.outputs().len(), 1, "cut at {length} of {}", bytes.len()),
            other => panic!("cut at {length} of {}: {other:?}", bytes.len()),
        }
    }
    assert!(placed * 10 > bytes.len() * 9, "only {placed} of {} cuts say where", bytes.len());
}

#[test]
fn a_file_that_unpacks_to_more_than_the_limit_is_not_decoded() {
    // Two bytes for each of a million empty nodes; decoded they would take some 300 MB.
    let mut nodes = Vec::new();
    (0..1_000_000).for_each(|_| nodes.extend([0x0a, 0x00]));
    let mut bytes = vec![0x3a];
    prost::encoding::encode_varint(nodes.len() as u64, &mut bytes);
    bytes.extend(nodes);
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let error = Import::from_bytes("bomb.onnx", &bytes, None, &limits).unwrap_err();
    assert!(matches!(*error.fault, Fault::Memory { limit, .. } if limit == 64 << 20), "{error}");
}

#[test]
fn deep_nesting_is_refused() {
    let mut inner = GraphProto::default();
    for _ in 0..200 {
        let attribute =
            AttributeProto { name: "body".into(), r#type: 5, g: Some(inner), ..Default::default() };
        inner = GraphProto {
            node: vec![NodeProto { attribute: vec![attribute], ..Default::default() }],
            ..Default::default()
        };
    }
    match load(&model(17, inner)) {
        Err(Fault::NotOnnx { reason, .. }) => assert!(reason.contains("nested deeper"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_without_a_graph_is_named() {
    let mut empty = small_net();
    empty.graph = None;
    assert_eq!(load(&empty).unwrap_err(), Fault::NoGraph { detail: String::new() });
    empty.training_info.push(TrainingInfoProto::default());
    match load(&empty) {
        Err(Fault::NoGraph { detail }) => assert!(detail.contains("training"), "{detail}"),
        other => panic!("{other:?}"),
    }
    let hollow = model(17, GraphProto::default());
    assert!(matches!(load(&hollow), Err(Fault::NoGraph { .. })));
}

#[test]
fn operator_sets_outside_the_range_are_named_with_it() {
    for version in [0, 1, 6, OPSETS.end() + 1, i64::MAX, -3] {
        let mut other = small_net();
        other.opset_import[0].version = version;
        let expected = Fault::Opset { found: version, oldest: 7, newest: *OPSETS.end() };
        let fault = load(&other).unwrap_err();
        assert_eq!(fault, expected);
        assert!(fault.to_string().contains("7..="), "{fault}");
    }
    for version in OPSETS {
        let mut other = small_net();
        other.opset_import[0].version = version;
        ask(&other).unwrap_or_else(|e| panic!("operator set {version}: {e}"));
    }
    let none = ModelProto { opset_import: Vec::new(), ..small_net() };
    assert!(matches!(load(&none), Err(Fault::Opset { found: 0, .. })));
}

#[test]
fn too_many_nodes_are_counted() {
    let mut nodes = vec![node("Relu", &["x"], &["t0"])];
    nodes.extend((0..200).map(|i| node("Relu", &[&format!("t{i}")], &[&format!("t{}", i + 1)])));
    let mut long = small_net();
    long.graph = Some(graph(nodes, vec![crate::common::f32_input("x", &[4])], &["t200"], vec![]));
    let limits = Limits { nodes: 100, ..Limits::default() };
    let import = load_within(&long, &limits).unwrap();
    assert_eq!(
        *import.typed(&[], &["t200".into()]).unwrap_err().fault,
        Fault::NodeCount { found: 101, limit: 100 }
    );
    // Depth past the tap costs nothing.
    import.typed(&[], &["t50".into()]).unwrap();
}

#[test]
fn a_chain_of_thousands_of_nodes_loads() {
    let mut nodes = vec![node("Relu", &["x"], &["t0"])];
    nodes.extend((0..3000).map(|i| node("Neg", &[&format!("t{i}")], &[&format!("t{}", i + 1)])));
    let net = model(17, graph(nodes, vec![crate::common::f32_input("x", &[4])], &["t3000"], vec![]));
    ask(&net).unwrap();
}
