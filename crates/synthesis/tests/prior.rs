//! Priors as users of the crate see them: what is likely costs less, weights, and gradients that add up.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use ndarray::Array5;
use random::Random;
use synthesis::parametrisation::{Fourier, FourierSpec, Parametrisation};
use synthesis::prior::{Penalty, Prior};

const PENALTIES: [Penalty; 3] = [
    Penalty::TotalVariation { temporal: 1.0, smoothing: 1e-3 },
    Penalty::Spectrum { exponent: 2.0 },
    Penalty::Blur { sd_px: 1.0 },
];

/// Noise whose amplitude falls as `1 / f^exponent`, at about 10 % contrast.
fn image(exponent: f64, seed: u64) -> Array5<f32> {
    let shape = [1, 1, 1, 32, 40];
    let spec = FourierSpec { exponent, noise: 0.1, ..FourierSpec::default() };
    let mut fourier = Parametrisation::Fourier(Fourier::new(shape, &spec).unwrap());
    let at = fourier.start(&mut Random::new(seed, 0));
    let mut image = Array5::zeros(shape);
    fourier.render(&at, &mut image).unwrap();
    image
}

fn value(prior: Prior, image: &Array5<f32>) -> f64 {
    prior.value_and_gradient(image, &mut Array5::zeros(image.dim()))
}

#[test]
fn natural_images_cost_less_than_white_noise() {
    for penalty in PENALTIES {
        let prior = Prior { weight: 1.0, penalty };
        let (natural, white) = (value(prior, &image(1.0, 3)), value(prior, &image(0.0, 3)));
        assert!(natural < 0.7 * white, "{penalty:?}: {natural} {white}");
    }
}

#[test]
fn the_gradient_is_added_and_weighted() {
    let x = image(0.5, 8);
    for penalty in PENALTIES {
        let (mut once, mut more) = (Array5::zeros(x.dim()), Array5::from_elem(x.dim(), 2.0_f32));
        let value = Prior { weight: 1.0, penalty }.value_and_gradient(&x, &mut once);
        let triple = Prior { weight: 3.0, penalty }.value_and_gradient(&x, &mut more);
        assert!((triple / value - 3.0).abs() < 1e-12);
        assert!(more.iter().zip(&once).all(|(more, once)| (more - 2.0 - 3.0 * once).abs() < 1e-6));
    }
}

#[test]
fn a_set_costs_the_mean_of_its_stimuli() {
    let (a, b) = (image(1.0, 1), image(0.0, 2));
    let both = ndarray::concatenate(ndarray::Axis(0), &[a.view(), b.view()]).unwrap();
    for penalty in PENALTIES {
        let prior = Prior { weight: 1.0, penalty };
        let mean = 0.5 * (value(prior, &a) + value(prior, &b));
        assert!((value(prior, &both) / mean - 1.0).abs() < 1e-12, "{penalty:?}");
    }
}

#[test]
fn a_step_down_the_gradient_lowers_the_penalty_by_its_square() {
    let x = image(0.0, 4);
    for penalty in PENALTIES {
        let prior = Prior { weight: 1.0, penalty };
        let mut gradient = Array5::zeros(x.dim());
        let before = prior.value_and_gradient(&x, &mut gradient);
        let square: f64 = gradient.iter().map(|&slope| f64::from(slope).powi(2)).sum();
        // A fall of a thousandth of the value: far above the rounding of f32 images, small enough to be linear.
        let step = 1e-3 * before / square;
        let after = value(prior, &(&x - &(&gradient * step as f32)));
        let fall = (before - after) / (step * square);
        assert!((fall - 1.0).abs() < 0.03, "{penalty:?}: {fall}");
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let spectrum = Penalty::Spectrum { exponent: 2.0 };
    for (weight, penalty, words) in [
        (-1.0, spectrum, "weight is -1"),
        (1.0, Penalty::Blur { sd_px: 0.0 }, "sd_px is 0"),
        (1.0, Penalty::TotalVariation { temporal: 0.0, smoothing: 0.0 }, "smoothing is 0"),
        (1.0, Penalty::Spectrum { exponent: f64::INFINITY }, "exponent is inf"),
    ] {
        let message = Prior { weight, penalty }.check().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    assert!(Prior { weight: 0.0, penalty: spectrum }.check().is_ok());
}
