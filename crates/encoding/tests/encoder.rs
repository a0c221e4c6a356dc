//! An encoder as its users see it: a small network that is checked by hand, and real models made by others.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::path::PathBuf;

use adjoint::{Cancel, Limits, Model};
use encoding::encoder::{Code, Encoder, EncoderError, Features, guess_form, guess_layout};
use encoding::form::{Form, Layout, Transfer};
use encoding::onnx::{Dim, Graph};
use encoding::v1;
use ndarray::{Array, Array5, ArrayD, arr0};
use random::Random;

const SIDE: usize = 6;

/// image [batch, 1, 6, 6] -> two 1x1 filters (2 x, -3 x) `cells` -> times the input `gain` -> `y`, and `flat` [batch, 72].
fn network(batch: Dim) -> Vec<u8> {
    let mut graph = Graph::new("small", "two filters and a gain");
    let shape = [batch, Dim::Fixed(1), Dim::Fixed(SIDE), Dim::Fixed(SIDE)];
    let x = graph.input("image", &shape, "light");
    let gain = graph.input("gain", &[Dim::Fixed(1)], "factor");
    let kernels = graph.constant("kernels", &[2, 1, 1, 1], &[2.0, -3.0]);
    let cells = graph.conv("cells", &x, &kernels, 1, 0);
    let y = graph.mul("y", &cells, &gain);
    let flat = graph.reshape("flat", &y, &[-1, 72]);
    graph.output(&flat, &[batch, Dim::Fixed(72)], "answers");
    graph.property("photic.transfer", "linear");
    graph.property("photic.mean", 0.5);
    graph.property("photic.sd", 0.25);
    graph.property("photic.parameter.gain", "1.5, 0, 4");
    graph.finish().unwrap()
}

fn encoder() -> Encoder {
    Encoder::from_bytes("small.onnx", &network(Dim::Open("batch")), None, &Limits::default()).unwrap()
}

fn stimuli(count: usize) -> Array5<f32> {
    let mut random = Random::new(11, 0);
    Array5::from_shape_simple_fn([count, 1, 1, SIDE, SIDE], || random.uniform() as f32)
}

#[test]
fn features_are_the_taps_of_every_stimulus() {
    let x = stimuli(70);
    let encoder = encoder();
    let wanted = [Features::of("flat"), Features::pooled("cells", 2, 3)];
    let found = encoder.features(x.view(), &wanted).unwrap();
    assert_eq!((found[0].dim(), found[1].dim()), ((70, 72), (70, 12)));
    for (stimulus, row, column) in [(0, 0, 0), (31, 2, 5), (69, 5, 3)] {
        let code = (f64::from(x[[stimulus, 0, 0, row, column]]) - 0.5) / 0.25;
        for (channel, weight) in [2.0, -3.0].into_iter().enumerate() {
            let value = found[0][[stimulus, channel * 36 + row * SIDE + column]];
            assert!((value - 1.5 * weight * code).abs() < 1e-5, "{value}");
        }
        let cell = x.slice(ndarray::s![stimulus, 0, 0, 3..6, 2..4]).mean().unwrap();
        let code = (f64::from(cell) - 0.5) / 0.25;
        assert!((found[1][[stimulus, 6 + 4]] + 3.0 * code).abs() < 1e-5);
    }
    // The same file with a batch of one is run image by image.
    let one = Encoder::from_bytes("one.onnx", &network(Dim::Fixed(1)), None, &Limits::default()).unwrap();
    assert_eq!(
        one.features(x.slice(ndarray::s![..1, .., .., .., ..]), &wanted[..1]).unwrap()[0].row(0),
        found[0].row(0)
    );
}

#[test]
fn parameters_and_lesions_change_features_and_plans_stay_good() {
    let x = stimuli(3);
    let mut encoder = encoder();
    let before = encoder.features(x.view(), &[Features::of("flat")]).unwrap().remove(0);
    encoder.set_parameter("gain", arr0(3.0).into_dyn()).unwrap();
    let doubled = encoder.features(x.view(), &[Features::of("flat")]).unwrap().remove(0);
    assert!(doubled.iter().zip(&before).all(|(a, b)| (a - 2.0 * b).abs() < 1e-5));
    let gain = |second: f32| ArrayD::from_shape_vec(vec![2, 1, 1], vec![1.0, second]).unwrap();
    encoder.intervene("cells", gain(0.0), arr0(0.0).into_dyn()).unwrap();
    let mut plan = encoder.gradient(&["flat"], 3, 1, true).unwrap();
    for depth in [0.0, 0.5, 1.0] {
        encoder.intervene("cells", gain(depth), arr0(0.0).into_dyn()).unwrap();
        let inputs = encoder.inputs(&plan, x.view()).unwrap();
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        let mut values = Vec::new();
        let back = plan
            .step(
                &views,
                |outputs| {
                    values.clone_from(&outputs[0].iter().copied().collect::<Vec<f32>>());
                    vec![ArrayD::ones(outputs[0].shape())]
                },
                &Cancel::new(),
            )
            .unwrap();
        for (unit, value) in values.iter().enumerate() {
            let kept = if unit % 72 < 36 { 1.0 } else { f64::from(depth) };
            let expected = kept * doubled[[unit / 72, unit % 72]];
            assert!((f64::from(*value) - expected).abs() < 1e-5);
        }
        let light = encoder.form().pull_back(x.view(), back[0].view());
        let expected = 3.0 * (2.0 - 3.0 * depth) / 0.25;
        assert!(
            light.iter().all(|slope| (slope - expected).abs() < 1e-4),
            "{} {expected}",
            light[[0, 0, 0, 0, 0]]
        );
    }
    encoder.intervene("cells", gain(0.0), arr0(1.0).into_dyn()).unwrap();
    let stimulated = encoder.features(x.view(), &[Features::of("flat")]).unwrap().remove(0);
    assert!(
        (36..72).all(|unit| (stimulated[[0, unit]] - 3.0).abs() < 1e-6),
        "an offset of 1 times the gain of 3"
    );
    encoder.heal();
    assert_eq!(encoder.features(x.view(), &[Features::of("flat")]).unwrap()[0], doubled);
}

#[test]
fn a_contract_is_checked_by_running() {
    let contract = encoder().check(&["cells", "flat"], 1).unwrap();
    assert_eq!(contract.input_range, [[-2.0, 2.0]]);
    assert_eq!(contract.input_shape, [1, 1, SIDE, SIDE]);
    assert_eq!(contract.taps[0].range, [-6.0, 6.0]);
    assert!((contract.taps[1].gradient_rms - 1.5 / 0.25).abs() < 1e-4, "{}", contract.taps[1].gradient_rms);
    let mut silent = encoder();
    silent.set_parameter("gain", arr0(0.0).into_dyn()).unwrap();
    assert!(matches!(silent.check(&[], 1), Err(EncoderError::Flat { tap, .. }) if tap == "flat"));
    let mut graph = Graph::new("pole", "1 / (light - 1/2)");
    let shape = [Dim::Fixed(1), Dim::Fixed(1), Dim::Fixed(2), Dim::Fixed(2)];
    let x = graph.input("image", &shape, "");
    let (half, one) = (graph.scalar("half", 0.5), graph.scalar("one", 1.0));
    let off = graph.sub("off", &x, &half);
    let y = graph.div("y", &one, &off);
    graph.output(&y, &shape, "");
    let bytes = graph.finish().unwrap();
    let form = Form::linear(Layout::Nchw, [1, 1, 2, 2]);
    let pole = Encoder::from_bytes("pole.onnx", &bytes, Some(form), &Limits::default()).unwrap();
    let message = pole.check(&[], 1).unwrap_err().to_string();
    assert!(message.contains("y is inf at mean grey"), "{message}");
}

#[test]
fn layouts_are_guessed_where_only_one_fits() {
    let info = |shape: &[usize]| {
        let mut graph = Graph::new("g", "");
        let dims: Vec<Dim> =
            shape.iter().map(|&n| if n == 0 { Dim::Open("n") } else { Dim::Fixed(n) }).collect();
        let x = graph.input("image", &dims, "");
        let y = graph.relu("y", &x);
        graph.output(&y, &dims, "");
        let model = Model::from_bytes("g", &graph.finish().unwrap(), &Limits::default()).unwrap();
        model.inputs()[0].clone()
    };
    let layout = |shape: &[usize]| guess_layout(&info(shape)).map_err(|error| error.to_string());
    assert_eq!(layout(&[0, 3, 64, 64]), Ok(Layout::Nchw));
    assert_eq!(layout(&[1, 64, 64, 1]), Ok(Layout::Nhwc));
    assert_eq!(layout(&[0, 1, 16, 64, 64]), Ok(Layout::Ncthw));
    assert_eq!(layout(&[0, 16, 1, 64, 64]), Ok(Layout::Ntchw));
    assert!(layout(&[1, 3, 64, 3]).unwrap_err().contains("Nchw and as Nhwc"));
    assert!(layout(&[1, 3, 3, 64, 64]).unwrap_err().contains("Ncthw and as Ntchw"));
    assert!(layout(&[1, 4, 64, 64]).unwrap_err().contains("1 or 3 channels"));
    assert!(layout(&[64, 64]).unwrap_err().contains("not 2"));
    let code = Code { transfer: Transfer::Srgb, mean: vec![0.5], sd: vec![0.25], bgr: false };
    let form = guess_form(&info(&[0, 3, 0, 64]), &code, [0, 0, 48, 0]).unwrap();
    assert_eq!((form.shape, form.mean), ([1, 3, 48, 64], vec![0.5; 3]));
    let open = guess_form(&info(&[0, 3, 0, 64]), &code, [0; 4]).unwrap_err().to_string();
    assert!(open.contains("leaves the height open"), "{open}");
}

#[test]
fn what_cannot_be_meant_is_named_before_anything_runs() {
    let mut encoder = encoder();
    let x = stimuli(2);
    let wrong = |result: Result<Vec<ndarray::Array2<f64>>, EncoderError>| result.unwrap_err().to_string();
    let tap = wrong(encoder.features(x.view(), &[Features::of("cell")]));
    assert!(tap.contains("no tap called cell") && tap.contains("closest are cells"), "{tap}");
    assert!(wrong(encoder.features(x.view(), &[])).contains("no tap"));
    assert!(wrong(encoder.features(x.view(), &[Features::pooled("cells", 7, 2)])).contains("1 to 6 rows"));
    let small = Array5::zeros([2, 1, 1, 5, SIDE]);
    assert!(wrong(encoder.features(small.view(), &[Features::of("flat")])).contains("[B, 1, 1, 6, 6]"));
    let mut bright = x.clone();
    bright[[1, 0, 0, 2, 2]] = 1.5;
    assert!(
        wrong(encoder.features(bright.view(), &[Features::of("flat")]))
            .contains("stimulus 1 has a light of 1.5")
    );
    let mut wrong =
        |name: &str, value: f32| encoder.set_parameter(name, arr0(value).into_dyn()).unwrap_err().to_string();
    assert!(wrong("gian", 1.0).contains("it has gain"));
    assert!(wrong("gain", 5.0).contains("0 to 4 is allowed"));
    let ones = |shape: &[usize]| ArrayD::ones(shape);
    let lesion = encoder.intervene("cells", ones(&[3, 1, 1]), ones(&[])).unwrap_err().to_string();
    assert!(lesion.contains("[3, 1, 1]") && lesion.contains("[1, 2, 6, 6]"), "{lesion}");
    let lesion = encoder.intervene("cells", arr0(f32::NAN).into_dyn(), ones(&[])).unwrap_err().to_string();
    assert!(lesion.contains("NaN"), "{lesion}");
    let open = |form: Form| {
        let bytes = network(Dim::Open("batch"));
        Encoder::from_bytes("small.onnx", &bytes, Some(form), &Limits::default()).unwrap_err().to_string()
    };
    let form = Form::linear(Layout::Nchw, [1, 1, SIDE, SIDE]);
    assert!(open(Form::linear(Layout::Nchw, [1, 1, SIDE, 7])).contains("[batch, 1, 6, 6]"));
    assert!(open(Form { sd: vec![0.0], ..form.clone() }).contains("the sd 0"));
    assert!(open(Form { mean: vec![0.0; 3], ..form.clone() }).contains("3 channels"));
    assert!(open(Form { shape: [4, 1, SIDE, SIDE], ..form }).contains("Nchw is an image"));
    let mut graph = Graph::new("bare", "");
    let shape = [Dim::Fixed(1), Dim::Fixed(1), Dim::Fixed(4), Dim::Fixed(4)];
    let x = graph.input("image", &shape, "");
    let y = graph.relu("y", &x);
    graph.output(&y, &shape, "");
    let bare = Encoder::from_bytes("bare.onnx", &graph.finish().unwrap(), None, &Limits::default());
    assert!(matches!(bare, Err(EncoderError::NoForm { .. })));
}

#[test]
fn the_embedded_model_says_its_own_form_and_parameters() {
    let time = v1::Temporal { frames: 8, ..v1::Temporal::default() };
    let params = v1::Params {
        size_px: [32, 32],
        orientations: 4,
        scales_cpd: vec![0.8],
        temporal: Some(time),
        noise: Some(v1::Noise::default()),
        fittable: true,
        ..v1::Params::default()
    };
    let encoder = Encoder::v1(&params).unwrap();
    assert_eq!(*encoder.form(), Form::linear(Layout::Ntchw, [8, 1, 32, 32]));
    let names: Vec<&str> = encoder.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    let fittable = v1::fittable_inputs(&params);
    for input in &fittable {
        let known = encoder.parameter(input.name).unwrap();
        assert_eq!(
            (known.value.clone(), known.range),
            (Some(arr0(input.start as f32).into_dyn()), Some(input.bounds))
        );
    }
    assert_eq!(names.len(), fittable.len() + 1, "{names:?}");
    // Movies, of which some taps have the frames beside the stimuli.
    let mut random = Random::new(2, 0);
    let movies = Array5::from_shape_simple_fn([3, 8, 1, 32, 32], || random.uniform() as f32);
    let wanted = [Features::pooled("retina.contrast", 4, 4), Features::of(v1::output_name(&params))];
    let all = encoder.features(movies.view(), &wanted).unwrap();
    assert_eq!(all[0].dim(), (3, 8 * 16));
    let last = encoder.features(movies.slice(ndarray::s![2.., .., .., .., ..]), &wanted).unwrap();
    for (all, last) in all.iter().zip(&last) {
        let scale = all.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        assert!(all.row(2).iter().zip(last.row(0)).all(|(a, b)| (a - b).abs() < 1e-5 * scale));
    }
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models").join(name);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("PHOTIC_REQUIRE_SHARED").is_none(), "{} is missing", path.display());
    eprintln!("not run: {} is missing", path.display());
    None
}

#[test]
fn a_mouse_cortex_made_by_others_keeps_the_contract_and_can_be_lesioned() {
    let Some(path) = shared("sensorium_sota_256_gather.onnx") else { return };
    let model = Model::open(&path, &Limits::default()).unwrap();
    let code = Code { transfer: Transfer::Linear, mean: vec![0.5], sd: vec![0.25], bgr: false };
    let form = guess_form(&model.inputs()[0], &code, [0; 4]).unwrap();
    assert_eq!((form.layout, form.shape), (Layout::Nchw, [1, 1, 36, 64]));
    let mut encoder = Encoder::new(model, "sensorium", Some(form)).unwrap();
    let contract = encoder.check(&[], 3).unwrap();
    assert!(contract.taps[0].range[0] >= 0.0, "firing rates are not negative: {:?}", contract.taps[0]);
    let output = encoder.model().outputs()[0].name.clone();
    // A layer with channels in the middle of the network, all of them lesioned: the stimulus no longer matters.
    let taps = encoder.taps();
    let layer =
        taps.iter().rfind(|tap| tap.operator == "Elu" && tap.shape.as_ref().is_some_and(|s| s.len() == 4));
    let layer = layer.expect("a convolutional layer").name.clone();
    let mut random = Random::new(5, 0);
    let x = Array::from_shape_simple_fn([3, 1, 1, 36, 64], || random.uniform() as f32);
    let sound = encoder.features(x.view(), &[Features::of(&output)]).unwrap().remove(0);
    assert!(sound.row(0) != sound.row(1));
    encoder.intervene(&layer, arr0(0.0).into_dyn(), arr0(0.0).into_dyn()).unwrap();
    let blind = encoder.features(x.view(), &[Features::of(&output)]).unwrap().remove(0);
    assert_eq!(blind.row(0), blind.row(1));
    assert!(matches!(encoder.check(&[], 3), Err(EncoderError::Flat { .. })));
}
