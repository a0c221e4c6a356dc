//! The latent of a generator: one of the small networks of `adjoint`'s tests, a transposed convolution.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use std::path::Path;

use adjoint::{Gradient, Limits, Model, Spec};
use encoding::form::{Form, Layout, Transfer};
use ndarray::Array5;
use random::Random;
use synthesis::parametrisation::{Latent, Parametrisation};

fn net(file: &str, spec: &Spec) -> Gradient {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adjoint/tests/nets").join(file);
    Model::open(&path, &Limits::default()).unwrap().into_gradient(&spec.clone().untimed()).unwrap()
}

/// Four planes of 5 x 6 to an image of 3 x 10 x 12, for two stimuli.
fn generator() -> Gradient {
    net("conv_transpose_2d.onnx", &Spec::new().input("x", &[2, 4, 5, 6]).output("ConvTranspose_0_out"))
}

fn form() -> Form {
    Form {
        transfer: Transfer::Srgb,
        mean: vec![0.5, 0.45, 0.4],
        sd: vec![0.05, 0.06, 0.07],
        bgr: true,
        ..Form::linear(Layout::Nchw, [1, 3, 10, 12])
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_image() {
    let mut latent = Parametrisation::Latent(Box::new(Latent::new(generator(), form(), 2, 3.0).unwrap()));
    assert_eq!((latent.shape(), latent.len()), ([2, 1, 3, 10, 12], 240));
    let at = latent.start(&mut Random::new(3, 0));
    assert!(at.iter().all(|value| value.abs() <= 3.0));
    let mut random = Random::new(4, 0);
    let cotangent = Array5::from_shape_simple_fn(latent.shape(), || random.normal() as f32);
    let mut gradient = vec![f64::NAN; 240];
    // Without a render before, and after a render elsewhere: the point is the one that is given.
    latent.pull_back(&at, &cotangent, &mut gradient).unwrap();
    let mut value = |at: &[f64]| -> f64 {
        let mut out = Array5::zeros([2, 1, 3, 10, 12]);
        latent.render(at, &mut out).unwrap();
        out.iter().zip(&cotangent).map(|(&y, &c)| f64::from(y) * f64::from(c)).sum()
    };
    let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    for index in (0..240).step_by(13) {
        let moved = |step: f64| {
            let mut at = at.clone();
            at[index] += step;
            at
        };
        let slope = (value(&moved(1e-2)) - value(&moved(-1e-2))) / 2e-2;
        assert!((slope - gradient[index]).abs() < 1e-3 * size, "{index}: {slope} {}", gradient[index]);
    }
    let mut again = vec![f64::NAN; 240];
    latent.pull_back(&at, &cotangent, &mut again).unwrap();
    assert_eq!(gradient, again);
}

#[test]
fn the_output_is_read_as_the_form_says() {
    let mut raw = generator();
    let at: Vec<f64> = (0..240).map(|i| (i as f64 * 0.7).sin()).collect();
    let input =
        ndarray::ArrayD::from_shape_vec(vec![2, 4, 5, 6], at.iter().map(|&v| v as f32).collect()).unwrap();
    let output = raw.forward(&[input.view()]).unwrap().remove(0);
    let form = form();
    let mut latent = Parametrisation::Latent(Box::new(Latent::new(raw, form.clone(), 2, 3.0).unwrap()));
    let mut image = Array5::zeros([2, 1, 3, 10, 12]);
    latent.render(&at, &mut image).unwrap();
    // What the form makes of the image is what the generator said.
    let back = form.to_input(image.view());
    assert!(back.iter().zip(&output).all(|(a, b)| (a - b).abs() < 1e-4));
    assert_eq!(latent.bounds().unwrap(), vec![[-3.0, 3.0]; 240]);
}

#[test]
fn what_does_not_fit_is_named() {
    let linear = |shape| Form::linear(Layout::Nchw, shape);
    let pair = net("two_inputs.onnx", &Spec::new());
    for (result, words) in [
        (
            Latent::new(generator(), linear([1, 3, 12, 12]), 2, 3.0),
            "ConvTranspose_0_out has the shape [2, 3, 10, 12]; wanted is [2, 3, 12, 12]",
        ),
        (
            Latent::new(generator(), Form { mean: vec![0.0], ..linear([1, 3, 10, 12]) }, 2, 3.0),
            "1 numbers for mean",
        ),
        (
            Latent::new(generator(), Form { sd: vec![1.0, 0.0, 1.0], ..linear([1, 3, 10, 12]) }, 2, 3.0),
            "is 0",
        ),
        (Latent::new(generator(), linear([1, 3, 10, 12]), 2, 0.0), "limit of the latent is 0"),
        (Latent::new(pair, linear([1, 4, 6, 5]), 1, 3.0), "inputs image, context"),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}
