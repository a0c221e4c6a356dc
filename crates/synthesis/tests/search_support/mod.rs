//! Models and assemblies for the tests of whole searches.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::form::{Form, Layout, Transfer};
use encoding::v1::Params;
use ndarray::Array5;
use random::Random;
use synthesis::assembly::{Parts, Synthesis};
use synthesis::constraint::{Constraints, Contrast};
use synthesis::objective::Weighted;
use synthesis::parametrisation::{Parametrisation, Pixels};
use synthesis::robustness::Robustness;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn open(path: &Path, form: Form) -> Encoder {
    Encoder::open(path, Some(form), &Limits::default()).unwrap()
}

/// A model made by others; `None`, and said so, where the shared folder is missing.
fn shared(name: &str, form: Form) -> Option<Encoder> {
    let path = root().join(format!("../shared/models/{name}.onnx"));
    if !path.is_file() {
        let required = ["CI", "PHOTIC_REQUIRE_SHARED"].iter().any(|name| std::env::var_os(name).is_some());
        assert!(!required, "{} is missing", path.display());
        eprintln!("not run: {} is missing", path.display());
        return None;
    }
    Some(open(&path, form))
}

/// Mouse primary visual cortex: [1, 1, 36, 64], z-scored grey; tap `rate` of 256 neurons.
pub fn mouse() -> Option<Encoder> {
    let form = Form { mean: vec![0.5], sd: vec![0.25], ..Form::linear(Layout::Nchw, [1, 1, 36, 64]) };
    shared("sensorium_sota_256_gather", form)
}

/// VGG16 to relu3_3, tuned for edges: [1, 3, 64, 64], BGR code values 0 to 255 minus their mean.
pub fn vgg() -> Option<Encoder> {
    let form = Form {
        transfer: Transfer::Srgb,
        mean: vec![103.94 / 255.0, 116.78 / 255.0, 123.68 / 255.0],
        sd: vec![1.0 / 255.0; 3],
        bgr: true,
        ..Form::linear(Layout::Nchw, [1, 3, 64, 64])
    };
    shared("vgg16_hed_relu3_3", form)
}

/// First stages of a MobileNetV2: [1, 3, 128, 128]; tap `output` [1, 32, 16, 16].
pub fn mobilenet() -> Option<Encoder> {
    let form = Form {
        transfer: Transfer::Srgb,
        mean: vec![0.485, 0.456, 0.406],
        sd: vec![0.229, 0.224, 0.225],
        ..Form::linear(Layout::Nchw, [1, 3, 128, 128])
    };
    shared("mobilenet_v2_features0_6", form)
}

/// The embedded V1, looking this far past the picture of 8 x 8 degrees.
pub fn v1(eccentricity_deg: f64) -> Encoder {
    Encoder::v1(&Params { fovea_deg: [-eccentricity_deg, 0.0], ..Params::default() }).unwrap()
}

/// A small network of the crate `adjoint`'s tests that takes light as it is.
pub fn plain_arm(name: &str, shape: [usize; 4]) -> Encoder {
    open(&root().join(format!("crates/adjoint/tests/nets/{name}.onnx")), Form::linear(Layout::Nchw, shape))
}

/// Mean 0.5 and this RMS contrast, within black and white.
pub fn contrast(contrast: Contrast) -> Constraints {
    Constraints { mean: Some(0.5), contrast: Some(contrast), ..Constraints::default() }
}

/// Pixels under constraints, plain views, repeatable plans.
pub fn parts(shape: [usize; 5], arms: Vec<Encoder>, terms: Vec<Weighted>, constraints: Constraints) -> Parts {
    Parts {
        parametrisation: Parametrisation::Pixels(Pixels::new(shape, 0.05)),
        constraints,
        robustness: Robustness::default(),
        views: 1,
        priors: Vec::new(),
        arms,
        terms,
        seed: 1,
        threads: 1,
        repeatable: true,
    }
}

pub fn assembled(parts: Parts) -> Synthesis {
    Synthesis::new(parts).unwrap()
}

/// White noise around grey.
pub fn noise(shape: [usize; 5], sd: f64, seed: u64) -> Array5<f32> {
    let mut random = Random::new(seed, 77);
    Array5::from_shape_simple_fn(shape, || (0.5 + sd * random.normal()).clamp(0.0, 1.0) as f32)
}

/// Noise with a spectrum that falls as 1/f, roughly: a sum of block noise of all sizes.
pub fn cloudy(shape: [usize; 5], sd: f64, seed: u64) -> Array5<f32> {
    let [b, t, c, h, w] = shape;
    let mut random = Random::new(seed, 78);
    let mut sum = Array5::<f64>::zeros((b, t, c, h, w));
    let mut size = 1;
    while size <= h.min(w) {
        let coarse =
            Array5::from_shape_simple_fn((b, t, c, h.div_ceil(size), w.div_ceil(size)), || random.normal());
        for ((i, j, k, y, x), value) in sum.indexed_iter_mut() {
            *value += coarse[[i, j, k, y / size, x / size]];
        }
        size *= 2;
    }
    let scale = sum.std(0.0);
    sum.mapv(|value| (0.5 + sd * value / scale).clamp(0.0, 1.0) as f32)
}

/// Root mean square difference of light.
pub fn rms_between(a: &Array5<f32>, b: &Array5<f32>) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a - b).powi(2)).sum();
    (sum / a.len() as f64).sqrt()
}
