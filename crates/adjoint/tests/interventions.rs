//! Virtual lesions and stimulation: `gain * T + offset` in the place of a tensor T.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::result_large_err,
    reason = "a test may fail by panicking, in its helpers too"
)]

#[path = "import/common.rs"]
#[allow(dead_code, reason = "this binary uses a part")]
mod common;

use adjoint::{Fault, Gradient, Intervention, Limits, Model, ModelError, Spec};
use common::{With, f32_input, f32s, graph, model, node};
use ndarray::{Array, Array1, ArrayD, IxDyn, arr0};
use prost::Message;

/// x [1, 2, 5, 5] -> tanh(conv) `t` [1, 3, 5, 5] -> `y`: a smooth function, whose second convolution has these weights.
fn net(second: &[f32]) -> Model {
    let first: Vec<f32> = (0..54).map(|i| ((i * 29 % 53) as f32 / 53.0 - 0.5) * 0.8).collect();
    let conv = |name: &str, x, w, y| {
        let mut conv = node("Conv", &[x, w], &[y]).ints("kernel_shape", &[3, 3]).ints("pads", &[1; 4]);
        conv.name = name.to_owned();
        conv
    };
    let proto = model(
        17,
        graph(
            vec![
                conv("first", "x", "w", "c"),
                node("Tanh", &["c"], &["t"]),
                conv("second", "t", "v", "s"),
                node("Sigmoid", &["s"], &["y"]),
            ],
            vec![f32_input("x", &[1, 2, 5, 5])],
            &["y"],
            vec![f32s("w", &[3, 2, 3, 3], &first), f32s("v", &[2, 3, 3, 3], second)],
        ),
    );
    Model::from_bytes("net.onnx", &proto.encode_to_vec(), &Limits::default()).unwrap()
}

fn weights() -> Vec<f32> {
    (0..54).map(|i| (i * 31 % 47) as f32 / 47.0 - 0.5).collect()
}

fn numbered(shape: &[usize]) -> ArrayD<f32> {
    let len: usize = shape.iter().product();
    Array::from_shape_vec(shape, (0..len).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.4).collect()).unwrap()
}

fn ask(model: &Model, spec: Spec) -> Gradient {
    model.gradient(&spec.untimed()).unwrap_or_else(|error| panic!("{error}"))
}

/// Outputs and gradients at numbered inputs and cotangents.
fn run(gradient: &mut Gradient, inputs: &[ArrayD<f32>]) -> (Vec<ArrayD<f32>>, Vec<ArrayD<f32>>) {
    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    let outputs = gradient.forward(&views).unwrap();
    let cotangents: Vec<_> = outputs.iter().map(|output| numbered(output.shape())).collect();
    let views: Vec<_> = cotangents.iter().map(|cotangent| cotangent.view()).collect();
    let gradients = gradient.backward(&views).unwrap();
    (outputs, gradients)
}

fn value(gradient: &mut Gradient, inputs: &[ArrayD<f32>]) -> f64 {
    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    let outputs = gradient.forward(&views).unwrap();
    let terms = outputs.iter().map(|output| {
        output.iter().zip(&numbered(output.shape())).map(|(&y, &g)| f64::from(y) * f64::from(g)).sum::<f64>()
    });
    terms.sum()
}

/// The slope along one element by a central difference of f32 runs, which is good to about 1e-4 of the values.
fn slope(gradient: &mut Gradient, inputs: &[ArrayD<f32>], input: usize, element: usize) -> f64 {
    let h = 1e-2f32;
    let moved = |by: f32| {
        let mut inputs = inputs.to_vec();
        inputs[input].as_slice_mut().unwrap()[element] += by;
        inputs
    };
    (value(gradient, &moved(h)) - value(gradient, &moved(-h))) / f64::from(2.0 * h)
}

fn close(found: &ArrayD<f32>, expected: &ArrayD<f32>, tolerance: f32) {
    assert_eq!(found.shape(), expected.shape());
    let scale = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    assert!(scale > 0.0, "a comparison with nothing but zeros shows nothing");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * scale, "{a} instead of {b}");
    }
}

fn channels(values: &[f32]) -> ArrayD<f32> {
    Array1::from(values.to_vec()).into_shape_with_order(IxDyn(&[values.len(), 1, 1])).unwrap()
}

fn nothing() -> ArrayD<f32> {
    arr0(0.0).into_dyn()
}

#[test]
fn the_lesion_of_a_channel_is_the_network_without_its_weights() {
    let mut without = weights();
    for kernel in without.chunks_mut(27) {
        kernel[9..18].fill(0.0);
    }
    let mut by_hand = ask(&net(&without), Spec::new());
    let lesion = Intervention::constant(channels(&[1.0, 0.0, 1.0]), nothing());
    let mut lesioned = ask(&net(&weights()), Spec::new().intervene("t", lesion));
    let mut whole = ask(&net(&weights()), Spec::new());
    let x = [numbered(&[1, 2, 5, 5])];
    let (expected, found, intact) = (run(&mut by_hand, &x), run(&mut lesioned, &x), run(&mut whole, &x));
    close(&found.0[0], &expected.0[0], 1e-6);
    close(&found.1[0], &expected.1[0], 1e-6);
    assert!(
        intact.0[0].iter().zip(&found.0[0]).any(|(a, b)| (a - b).abs() > 1e-2),
        "the channel did nothing"
    );
}

#[test]
fn a_tap_behind_and_the_tensor_itself_see_the_change_and_a_tap_before_does_not() {
    let (gain, offset) = (channels(&[0.5, 2.0, -1.0]), numbered(&[3, 5, 5]));
    let taps = |spec: Spec| spec.output("c").output("t").output("s");
    let mut plain = ask(&net(&weights()), taps(Spec::new()));
    let change = Intervention::constant(gain.clone(), offset.clone());
    let mut changed = ask(&net(&weights()), taps(Spec::new().intervene("t", change)));
    let x = [numbered(&[1, 2, 5, 5])];
    let (before, after) = (run(&mut plain, &x).0, run(&mut changed, &x).0);
    assert_eq!(before[0], after[0]);
    close(&after[1], &(&before[1] * &gain + &offset), 1e-6);
    assert!(before[2] != after[2]);
}

#[test]
fn gradients_behind_a_change_are_the_slopes() {
    let model = net(&weights());
    let change = Intervention::constant(numbered(&[1, 3, 5, 5]), channels(&[0.3, -0.2, 0.1]));
    let mut gradient = ask(&model, Spec::new().output("t").output("y").intervene("t", change));
    let x = [numbered(&[1, 2, 5, 5])];
    let found = run(&mut gradient, &x).1;
    for element in [0, 7, 24, 49] {
        let slope = slope(&mut gradient, &x, 0, element);
        let exact = f64::from(found[0].as_slice().unwrap()[element]);
        assert!((slope - exact).abs() < 2e-3, "{element}: {slope} {exact}");
    }
}

#[test]
fn ones_and_zeros_leave_every_bit_alone() {
    for file in common::committed_nets().iter().filter(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        ["cnn_small", "mlp", "lrn", "layer_norm", "max_pool_after_relu"].contains(&name.as_str())
    }) {
        let model = Model::open(file, &Limits::default()).unwrap();
        let mut spec = Spec::new();
        let outputs: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
        for tap in model.taps().iter().filter(|tap| tap.dtype.is_some_and(|dtype| dtype.is_float())) {
            let shape = tap.shape.clone().unwrap();
            let change = Intervention::constant(ArrayD::ones(shape), nothing());
            spec = spec.intervene(&tap.name, change);
        }
        let (mut plain, mut changed) = (ask(&model, Spec::new()), ask(&model, spec));
        let x: Vec<_> = (0..model.inputs().len()).map(|slot| numbered(&plain.input_shape(slot))).collect();
        let bits = |arrays: &[ArrayD<f32>]| -> Vec<u32> {
            arrays.iter().flat_map(|array| array.iter().map(|v| v.to_bits())).collect()
        };
        let (a, b) = (run(&mut plain, &x), run(&mut changed, &x));
        assert!(bits(&a.0) == bits(&b.0) && bits(&a.1) == bits(&b.1), "{}: {outputs:?}", file.display());
    }
}

#[test]
fn a_fed_gain_changes_without_a_new_plan_and_has_a_gradient() {
    let model = net(&weights());
    let spec = Spec::new().intervene("t", Intervention::fed(&[3, 1, 1], &[]));
    let (gain, offset) = (Intervention::gain_input("t"), Intervention::offset_input("t"));
    let mut held = ask(&model, spec.clone());
    assert_eq!(held.input_names().collect::<Vec<_>>(), ["x", gain.as_str(), offset.as_str()]);
    assert_eq!(held.gradient_count(), 1);
    let x = numbered(&[1, 2, 5, 5]);
    for gains in [[1.0, 1.0, 1.0], [1.0, 0.25, 1.0], [0.0, 0.0, 0.0]] {
        let found = run(&mut held, &[x.clone(), channels(&gains), nothing()]);
        if gains == [0.0; 3] {
            assert!(found.1[0].iter().all(|v| *v == 0.0), "a lesion of everything lets no gradient through");
            continue;
        }
        let constant = Intervention::constant(channels(&gains), nothing());
        let expected = run(&mut ask(&model, Spec::new().intervene("t", constant)), std::slice::from_ref(&x));
        close(&found.0[0], &expected.0[0], 1e-6);
        close(&found.1[0], &expected.1[0], 1e-5);
    }
    let mut asked = ask(&model, spec.input("x", &[1, 2, 5, 5]).input(&gain, &[3, 1, 1]).input(&offset, &[]));
    let inputs = [x, channels(&[0.5, 1.5, -1.0]), arr0(0.2).into_dyn()];
    let gradients = run(&mut asked, &inputs).1;
    for (input, element) in [(0, 12), (1, 0), (1, 1), (1, 2), (2, 0)] {
        let slope = slope(&mut asked, &inputs, input, element);
        let exact = f64::from(gradients[input].as_slice().unwrap()[element]);
        assert!((slope - exact).abs() < 5e-3, "input {input}, element {element}: {slope} {exact}");
    }
}

#[test]
fn what_cannot_be_changed_is_named() {
    let model = net(&weights());
    let one = || arr0(1.0).into_dyn();
    let refused = |tap: &str, gain: ArrayD<f32>, offset: ArrayD<f32>| {
        let spec = Spec::new().intervene(tap, Intervention::constant(gain, offset));
        match model.gradient(&spec.untimed()) {
            Err(ModelError::Load(error)) => (*error.fault.clone(), error.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let (fault, message) = refused("u", one(), nothing());
    assert!(matches!(&fault, Fault::UnknownName { known, .. } if known == "c, t, s, y"), "{message}");
    let (fault, message) = refused("t", channels(&[1.0, 2.0]), nothing());
    assert!(matches!(fault, Fault::Intervention { .. }), "{message}");
    assert!(message.contains("gain of shape [2, 1, 1]") && message.contains("[1, 3, 5, 5]"), "{message}");
    // Shapes that broadcast, but to something larger than the tensor.
    let (_, message) = refused("t", one(), ArrayD::zeros(vec![2, 1, 1, 1]));
    assert!(message.contains("offset of shape [2, 1, 1, 1]"), "{message}");
    let (_, message) = refused("t", channels(&[1.0, f32::NAN, 1.0]), nothing());
    assert!(message.contains("t:gain is NaN at [1, 0, 0]"), "{message}");
    let (_, message) = refused("x", one(), nothing());
    assert!(message.contains("it is an input"), "{message}");
    let (_, message) = refused("w", one(), nothing());
    assert!(message.contains("it is a weight"), "{message}");
    let twice = Intervention::constant(one(), nothing());
    let spec = Spec::new().intervene("t", twice.clone()).intervene("t", twice);
    assert!(model.gradient(&spec).unwrap_err().to_string().contains("changed twice"));
    let spec = Spec::new().intervene("t", Intervention::constant(nothing(), nothing()));
    assert!(model.gradient(&spec).unwrap_err().to_string().contains("no gradient reaches"));
}

#[test]
fn keys_and_values_of_the_file_are_read() {
    let mut proto =
        model(17, graph(vec![node("Neg", &["x"], &["y"])], vec![f32_input("x", &[2])], &["y"], Vec::new()));
    proto.metadata_props = [("area", "V1"), ("unit", "Hz")]
        .map(|(key, value)| tract_onnx::pb::StringStringEntryProto { key: key.into(), value: value.into() })
        .to_vec();
    let model = Model::from_bytes("net.onnx", &proto.encode_to_vec(), &Limits::default()).unwrap();
    assert_eq!(
        model.metadata(),
        [("area".to_owned(), "V1".to_owned()), ("unit".to_owned(), "Hz".to_owned())]
    );
}
