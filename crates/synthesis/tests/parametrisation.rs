//! Parametrisations as users of the crate see them: gradients, starts, closed forms.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use ndarray::Array5;
use random::Random;
use synthesis::parametrisation::{
    Ball, Fourier, FourierSpec, GaborSpec, Gabors, Parametrisation, Perturbation, Pixels,
};

const GABORS: GaborSpec = GaborSpec { count: 2, px_per_deg: 5.0, frame_rate_hz: 40.0, contrast: 0.4 };

fn image(shape: [usize; 5], seed: u64) -> Array5<f32> {
    let mut random = Random::new(seed, 0);
    Array5::from_shape_simple_fn(shape, || random.uniform() as f32)
}

fn all(shape: [usize; 5]) -> Vec<(&'static str, Parametrisation)> {
    vec![
        ("pixels", Parametrisation::Pixels(Pixels::new(shape, 0.1))),
        ("fourier", Parametrisation::Fourier(Fourier::new(shape, &FourierSpec::default()).unwrap())),
        ("gabors", Parametrisation::Gabors(Gabors::new(shape, &GABORS).unwrap())),
        (
            "within linf",
            Parametrisation::Perturbation(Perturbation::new(image(shape, 1), Ball::Linf(0.1), 0.05).unwrap()),
        ),
        (
            "within l2",
            Parametrisation::Perturbation(Perturbation::new(image(shape, 1), Ball::L2(0.5), 0.01).unwrap()),
        ),
    ]
}

fn render(parametrisation: &mut Parametrisation, at: &[f64]) -> Array5<f32> {
    let mut out = Array5::from_elem(parametrisation.shape(), f32::NAN);
    parametrisation.render(at, &mut out).unwrap();
    out
}

fn dot(a: &Array5<f32>, b: &Array5<f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Compares a gradient with differences of fourth order along single numbers and along random directions.
fn check_gradient(name: &str, parametrisation: &mut Parametrisation, at: &[f64], step: f64) {
    let shape = parametrisation.shape();
    let cotangent = image(shape, 77).mapv(|value| 2.0 * value - 1.0);
    let mut gradient = vec![f64::NAN; at.len()];
    parametrisation.pull_back(at, &cotangent, &mut gradient).unwrap();
    let mut random = Random::new(4, 0);
    let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    for trial in 0..16 {
        let mut direction: Vec<f64> =
            (0..at.len()).map(|_| random.normal() / (at.len() as f64).sqrt()).collect();
        if trial < 10 {
            direction.fill(0.0);
            direction[trial * 7919 % at.len()] = 1.0;
        }
        let mut value = |share: f64| {
            let moved: Vec<f64> = at.iter().zip(&direction).map(|(at, d)| at + share * step * d).collect();
            dot(&render(parametrisation, &moved), &cotangent)
        };
        let slope = (8.0 * (value(1.0) - value(-1.0)) - (value(2.0) - value(-2.0))) / (12.0 * step);
        let found: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        assert!(
            (slope - found).abs() < 2e-4 * (size + found.abs()),
            "{name} {shape:?} {trial}: {slope} {found}"
        );
    }
}

#[test]
fn every_gradient_is_the_slope_of_what_is_rendered() {
    for shape in [[2, 1, 1, 10, 9], [1, 1, 3, 8, 10], [1, 4, 1, 9, 8]] {
        for (name, mut parametrisation) in all(shape) {
            let at = parametrisation.start(&mut Random::new(12, 3));
            assert_eq!(at.len(), parametrisation.len());
            // Beyond the balls on purpose, so that their projections are differentiated too; and off the kinks of Linf.
            let beyond = |value: &f64| match name {
                "within l2" => 30.0 * value,
                "within linf" if value.abs() > 0.08 => 1.5 * value,
                _ => *value,
            };
            let at: Vec<f64> = at.iter().map(beyond).collect();
            check_gradient(name, &mut parametrisation, &at, 2e-3);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for (name, mut parametrisation) in all([2, 3, 3, 6, 7]) {
        let mut run = |seed| {
            let at = parametrisation.start(&mut Random::new(seed, 0));
            render(&mut parametrisation, &at)
        };
        assert_eq!(run(5), run(5), "{name}");
        assert_ne!(run(5), run(6), "{name}");
    }
}

#[test]
fn starts_are_near_grey_or_the_base() {
    let shape = [1, 1, 3, 32, 32];
    for (name, mut parametrisation) in all(shape) {
        let at = parametrisation.start(&mut Random::new(1, 0));
        let seen = render(&mut parametrisation, &at);
        let base = if name.starts_with("within") { image(shape, 1) } else { Array5::from_elem(shape, 0.5) };
        let difference = &seen - &base;
        let rms = (dot(&difference, &difference) / difference.len() as f64).sqrt();
        assert!(rms > 1e-4 && rms < 0.12, "{name}: {rms}");
    }
}

#[test]
fn a_given_image_comes_back() {
    let shape = [2, 1, 3, 12, 10];
    let wanted = image(shape, 3).mapv(|light| 0.01 + 0.98 * light);
    for (name, mut parametrisation) in all(shape) {
        match parametrisation.start_at(&wanted) {
            Err(error) => {
                assert_eq!(name, "gabors");
                assert!(error.to_string().contains("gabors cannot start from a given image"), "{error}");
            }
            Ok(at) if name.starts_with("within") => {
                // The nearest within the ball, not the image.
                let seen = render(&mut parametrisation, &at);
                let before = dot(&(&wanted - &image(shape, 1)), &(&wanted - &image(shape, 1)));
                assert!(dot(&(&wanted - &seen), &(&wanted - &seen)) < before);
            }
            Ok(at) => {
                let seen = render(&mut parametrisation, &at);
                assert!(seen.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
            }
        }
        let error = parametrisation.start_at(&image([1, 1, 3, 12, 10], 3)).unwrap_err().to_string();
        assert!(error.contains("[1, 1, 3, 12, 10]") && error.contains("[2, 1, 3, 12, 10]"), "{error}");
    }
    // A movie within the cut-off comes back too.
    let mut movie =
        Parametrisation::Fourier(Fourier::new([1, 12, 1, 6, 6], &FourierSpec::default()).unwrap());
    let at: Vec<f64> = movie.start(&mut Random::new(2, 0)).iter().map(|value| 10.0 * value).collect();
    let seen = render(&mut movie, &at);
    let back = movie.start_at(&seen).unwrap();
    assert!(at.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn gabors_are_what_their_description_says() {
    let shape = [1, 5, 3, 14, 18];
    let gabors = Gabors::new(shape, &GABORS).unwrap();
    let mut parametrisation = Parametrisation::Gabors(gabors.clone());
    let mut at = parametrisation.start(&mut Random::new(6, 0));
    let stride = at.len() / 2;
    at[8] = -0.2;
    at[stride + 9] = 0.7;
    let seen = render(&mut parametrisation, &at);
    let described = gabors.describe(&at).remove(0);
    for ((_, frame, channel, row, column), &light) in seen.indexed_iter() {
        let (x, y) = ((column as f64 - 8.5) / 5.0, (6.5 - row as f64) / 5.0);
        let mut wanted = 0.5;
        for g in &described {
            let angle = g.orientation_deg.to_radians();
            let (dx, dy) = (x - g.x_deg, y - g.y_deg);
            let across = dx * angle.cos() + dy * angle.sin();
            let along = -dx * angle.sin() + dy * angle.cos();
            let envelope = (-(across / g.size_deg).powi(2) / 2.0
                - (along / (g.size_deg * g.aspect)).powi(2) / 2.0)
                .exp();
            let turns = g.cpd * across - g.drift_hz * frame as f64 / 40.0 + g.phase_deg / 360.0;
            wanted += 0.5 * g.contrast[channel] * envelope * (2.0 * std::f64::consts::PI * turns).cos();
        }
        assert!((f64::from(light) - wanted).abs() < 1e-6, "{frame} {channel} {row} {column}");
    }
}

#[test]
fn a_gabor_drifts_where_it_varies() {
    // Rightward, 5 Hz at 1 cpd and 40 frames a second: an eighth of a cycle per frame is 0.625 px.
    let gabors = Gabors::new([1, 9, 1, 21, 21], &GaborSpec { count: 1, ..GABORS }).unwrap();
    let at = [0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.5, 5.0];
    let seen = render(&mut Parametrisation::Gabors(gabors), &at);
    let brightest = |frame: usize| {
        (8..13).max_by(|&a, &b| seen[[0, frame, 0, 10, a]].total_cmp(&seen[[0, frame, 0, 10, b]])).unwrap()
    };
    assert_eq!((brightest(0), brightest(2), brightest(8)), (10, 11, 10));
    assert!((seen[[0, 0, 0, 10, 10]] - 0.75).abs() < 1e-6);
}

#[test]
fn perturbations_stay_in_their_ball_at_the_nearest_point() {
    let shape = [2, 1, 1, 6, 6];
    let base = image(shape, 9);
    let mut random = Random::new(3, 0);
    let far: Vec<f64> = (0..72).map(|_| random.normal()).collect();
    for (ball, norm) in [(Ball::L2(0.7), true), (Ball::Linf(0.2), false)] {
        let mut parametrisation =
            Parametrisation::Perturbation(Perturbation::new(base.clone(), ball, 0.0).unwrap());
        let change = render(&mut parametrisation, &far) - &base;
        for (change, far) in change.axis_iter(ndarray::Axis(0)).zip(far.chunks(36)) {
            let change: Vec<f64> = change.iter().map(|&value| f64::from(value)).collect();
            if norm {
                let length = change.iter().map(|v| v * v).sum::<f64>().sqrt();
                assert!((length - 0.7).abs() < 1e-6, "each stimulus has its own ball: {length}");
                let ratio = change[0] / far[0];
                assert!(change.iter().zip(far).all(|(c, f)| (c - ratio * f).abs() < 1e-6));
            } else {
                assert!(change.iter().zip(far).all(|(c, f)| (c - f.clamp(-0.2, 0.2)).abs() < 1e-6));
            }
        }
        let mut at = far.clone();
        parametrisation.project(&mut at);
        let once = at.clone();
        parametrisation.project(&mut at);
        assert!(at.iter().zip(&once).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn bounds_hold_what_is_projected() {
    for (name, parametrisation) in all([1, 2, 1, 8, 8]) {
        let mut at: Vec<f64> = (0..parametrisation.len()).map(|i| 50.0 * (i as f64).sin()).collect();
        parametrisation.project(&mut at);
        match parametrisation.bounds() {
            None => assert!(["fourier", "within l2"].contains(&name), "{name}"),
            Some(bounds) => {
                assert_eq!(bounds.len(), at.len());
                assert!(at.iter().zip(bounds).all(|(value, [low, high])| (low..=high).contains(value)));
            }
        }
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let shape = [1, 10, 1, 8, 8];
    let fourier = FourierSpec::default();
    let messages = [
        (Fourier::new(shape, &FourierSpec { cut_off_hz: 40.0, ..fourier }).map(|_| ()), "cut_off_hz is 40"),
        (Fourier::new(shape, &FourierSpec { exponent: -1.0, ..fourier }).map(|_| ()), "exponent is -1"),
        (Gabors::new(shape, &GaborSpec { count: 0, ..GABORS }).map(|_| ()), "gabors per stimulus is 0"),
        (
            Gabors::new(shape, &GaborSpec { frame_rate_hz: f64::NAN, ..GABORS }).map(|_| ()),
            "frame_rate_hz is NaN",
        ),
        (Perturbation::new(image(shape, 1), Ball::L2(0.0), 0.1).map(|_| ()), "radius is 0"),
    ];
    for (result, words) in messages {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}
