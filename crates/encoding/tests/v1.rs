//! The file of the embedded V1: its bytes, its form, its errors, and what other runtimes make of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its model should end there")]

use std::path::Path;
use std::process::Command;

use adjoint::{Gradient, Limits, Model, Spec};
use encoding::v1::{self, Lesion, Noise, Params, Scotoma, Temporal, fittable_inputs, taps, units};
use ndarray::ArrayD;

/// A small one, so that the standard's reference evaluator has an end.
fn small() -> Params {
    Params { size_px: [48, 32], width_deg: 2.0, scales_cpd: vec![3.2, 1.6], ..Params::default() }
}

fn movie() -> Params {
    let temporal = Temporal { frames: 5, ..Temporal::default() };
    Params {
        size_px: [32, 32],
        scales_cpd: vec![3.2],
        width_deg: 2.0,
        temporal: Some(temporal),
        ..Params::default()
    }
}

fn model(params: &Params) -> Model {
    Model::from_bytes("v1", &v1::build(params).unwrap(), &Limits::default()).unwrap()
}

fn numbers(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut random = random::Random::new(seed, 0);
    ArrayD::from_shape_fn(shape.to_vec(), |_| random.uniform() as f32)
}

fn run(gradient: &mut Gradient, inputs: &[ArrayD<f32>]) -> Vec<ArrayD<f32>> {
    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    gradient.forward(&views).unwrap()
}

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whoever changes the model on purpose writes the new number here, and says so: readouts fitted to the old one end.
#[test]
fn the_default_file_is_the_same_on_every_machine() {
    let bytes = v1::build(&Params::default()).unwrap();
    assert_eq!(bytes, v1::build(&Params::default()).unwrap());
    assert_eq!(format!("{:016x}", hash(&bytes)), "d3ec5bc2cd6c8609", "{} bytes", bytes.len());
}

#[test]
fn every_tap_is_in_the_file_with_its_shape() {
    for params in [Params::default(), small(), Params { noise: Some(Noise::default()), ..small() }, movie()] {
        let [height, width] = params.size_px;
        let image = match params.temporal {
            Some(time) => vec![1, time.frames, 1, height, width],
            None => vec![1, 1, height, width],
        };
        let mut inputs = vec![("image".to_owned(), image)];
        if params.noise.is_some() {
            inputs.push(("noise".into(), vec![1, units(&params).len()]));
        }
        let found = model(&params).taps_for(&inputs);
        for tap in taps(&params) {
            let shape =
                found.iter().find(|other| other.name == tap.name).map(|other| format!("{:?}", other.shape));
            let shape = shape.unwrap_or_else(|| panic!("no tensor {}", tap.name));
            let wanted: Vec<String> = tap.shape.iter().map(ToString::to_string).collect();
            let digits: Vec<String> = shape
                .split(|c: char| !c.is_ascii_digit())
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect();
            assert_eq!(digits, wanted, "{}: {shape}", tap.name);
            let channels = tap.orientation_deg.len();
            assert!(channels == 0 || channels == tap.shape[1], "{}", tap.name);
        }
        let output = taps(&params).into_iter().find(|tap| tap.name == v1::output_name(&params)).unwrap();
        assert_eq!(*output.shape.last().unwrap(), units(&params).len());
    }
}

#[test]
fn a_batch_in_one_go_is_the_batch_image_by_image() {
    let images = numbers(&[3, 1, 48, 32], 1);
    let spec = Spec::new().untimed().input("image", images.shape());
    let by_parts = run(&mut model(&small()).gradient(&spec).unwrap(), std::slice::from_ref(&images));
    let open = Params { open_batch: true, ..small() };
    let at_once = run(&mut model(&open).gradient(&spec).unwrap(), &[images]);
    let scale = by_parts[0].iter().fold(0.0f32, |most, v| most.max(*v));
    let off = by_parts[0].iter().zip(&at_once[0]).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(scale > 0.1 && off < 1e-5 * scale, "{off} of {scale}");
}

/// The gradient of the image by finite differences, in the direction of the gradient itself.
#[test]
fn the_gradient_is_that_of_the_model() {
    let mut gradient = model(&small()).gradient(&Spec::new().untimed()).unwrap();
    let image = numbers(&[1, 1, 48, 32], 2);
    let answers = run(&mut gradient, std::slice::from_ref(&image)).remove(0);
    let slope = gradient.backward(&[answers.view()]).unwrap().remove(0);
    let length = slope.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let mut energy = |step: f64| -> f64 {
        let moved = &image + &slope.mapv(|v| (f64::from(v) * step / length) as f32);
        run(&mut gradient, &[moved])[0].iter().map(|v| 0.5 * f64::from(*v).powi(2)).sum()
    };
    let found = (energy(0.02) - energy(-0.02)) / 0.04;
    assert!((found / length - 1.0).abs() < 0.01, "{found} for {length}");
}

#[test]
fn parameters_that_no_model_can_have_are_refused_with_names_and_numbers() {
    let fault = |change: fn(&mut Params)| {
        let mut params = Params::default();
        change(&mut params);
        v1::build(&params).unwrap_err().to_string()
    };
    type Case = (fn(&mut Params), &'static str);
    let cases: [Case; 12] = [
        (|p| p.scales_cpd[0] = 4.5, "scale 0 prefers 4.5 cpd, but 16 px per degree carry at most 4 cpd"),
        (|p| p.scales_cpd.push(0.15), "the filters of scale 4 (0.15 cpd) span 16.00 deg, the image 8.00 deg"),
        (|p| p.size_px = [128, 120], "120 px cannot be halved 4 times"),
        (
            |p| p.fields.sigma_cycles = 0.1,
            "fields.sigma_cycles * rf_scale is 0.100, but the filters of scale 0",
        ),
        (|p| p.orientations = 2, "orientations is 2: 4 to 64"),
        (|p| p.scales_cpd = vec![], "number of scales is 0"),
        (|p| p.scales_cpd = vec![1.6, 3.2], "scales_cpd[1] is 3.2"),
        (|p| p.normalisation.sigma_contrast = f64::NAN, "normalisation.sigma_contrast is NaN"),
        (
            |p| p.lesions = vec![Lesion { scale: Some(4), orientation: None, cell: None, gain: 0.0 }],
            "lesions[0].scale is 4: 0 to 3",
        ),
        (
            |p| {
                p.scotomata =
                    vec![Scotoma { centre_deg: [0.0; 2], radius_deg: 1.0, softness_deg: 0.0, depth: 1.0 }]
            },
            "scotomata[0].softness_deg is 0",
        ),
        (
            |p| p.temporal = Some(Temporal { rate_per_s: 500.0, ..Temporal::default() }),
            "temporal.rate_per_s is 500",
        ),
        (|p| p.width_deg = -1.0, "width_deg is -1: above 0"),
    ];
    for (change, words) in cases {
        let found = fault(change);
        assert!(found.contains(words), "{found}\nlacks\n{words}");
    }
}

const JUDGE: &str = r#"
import sys, onnx, numpy
from onnx.reference import ReferenceEvaluator
folder, names = sys.argv[1], sys.argv[2].split(",")
model = onnx.load(folder + "/model.onnx")
onnx.checker.check_model(model, full_check=True)
feeds = {name: numpy.load(f"{folder}/{name}.npy") for name in names}
(y,) = ReferenceEvaluator(model).run(None, feeds)
want = numpy.load(folder + "/y.npy")
assert y.shape == want.shape, (y.shape, want.shape)
off = numpy.abs(y - want).max() / numpy.abs(y).max()
assert numpy.abs(y).max() > 0.1 and off < 1e-5, off
print(off)
"#;

/// The standard's own checker takes the file, and its reference evaluator gives what `adjoint` gives.
#[test]
fn the_reference_evaluator_agrees() {
    let Some(python) = std::env::var_os("PHOTIC_JUDGE_PYTHON") else {
        let required = ["CI", "PHOTIC_REQUIRE_SHARED"].iter().any(|name| std::env::var_os(name).is_some());
        assert!(!required, "PHOTIC_JUDGE_PYTHON is not set");
        eprintln!("not run: PHOTIC_JUDGE_PYTHON does not name a Python with numpy and onnx");
        return;
    };
    let fittable = Params { fittable: true, noise: Some(Noise::default()), ..small() };
    for (params, images) in [(small(), 1), (fittable, 2), (movie(), 1)] {
        let folder = tempfile::tempdir().unwrap();
        judge(&params, images, python.as_ref(), folder.path());
    }
}

fn judge(params: &Params, images: usize, python: &Path, folder: &Path) {
    std::fs::write(folder.join("model.onnx"), v1::build(params).unwrap()).unwrap();
    let mut inputs: Vec<(&str, ArrayD<f32>)> = Vec::new();
    let [height, width] = params.size_px;
    inputs.push(match params.temporal {
        Some(time) => ("image", numbers(&[images, time.frames, 1, height, width], 5)),
        None => ("image", numbers(&[images, 1, height, width], 5)),
    });
    if params.fittable {
        inputs.extend(
            fittable_inputs(params)
                .iter()
                .map(|i| (i.name, ArrayD::from_elem(vec![1], 1.1 * i.start as f32))),
        );
    }
    if params.noise.is_some() {
        inputs.push(("noise", numbers(&[images, units(params).len()], 6)));
    }
    let spec =
        inputs.iter().fold(Spec::new().untimed(), |spec, (name, array)| spec.input(name, array.shape()));
    let arrays: Vec<ArrayD<f32>> = inputs.iter().map(|(_, array)| array.clone()).collect();
    let y = run(&mut model(params).gradient(&spec).unwrap(), &arrays);
    ndarray_npy::write_npy(folder.join("y.npy"), &y[0]).unwrap();
    for (name, array) in &inputs {
        ndarray_npy::write_npy(folder.join(format!("{name}.npy")), array).unwrap();
    }
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let output = Command::new(python).args(["-c", JUDGE]).arg(folder).arg(names.join(",")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{names:?}: largest difference {}", String::from_utf8_lossy(&output.stdout).trim());
}
