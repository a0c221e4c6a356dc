//! Fitting a model's parameters to simulated people whose parameters are known.

use encoding::encoder::{Encoder, Features};
use encoding::fit::{Effort, Fit, Link, Trials, Unknown, fit};
use encoding::v1;
use ndarray::{Array2, Array5, Axis, arr0};
use random::Random;

/// A field of 8 deg at 8 px per degree.
fn params() -> v1::Params {
    v1::Params {
        size_px: [64, 64],
        width_deg: 8.0,
        orientations: 4,
        scales_cpd: vec![1.6, 0.8],
        fittable: true,
        ..v1::Params::default()
    }
}

/// Multifocal probes: each of 8 x 8 patches shows a checkerboard of random contrast, or nothing.
fn probes(random: &mut Random, count: usize) -> Array5<f32> {
    let mut stimuli = Array5::from_elem([count, 1, 1, 64, 64], 0.5f32);
    for mut stimulus in stimuli.outer_iter_mut() {
        for patch in 0..64 {
            if random.uniform() < 0.5 {
                continue;
            }
            let contrast = 0.4 * random.uniform() as f32;
            let (top, left) = (patch / 8 * 8, patch % 8 * 8);
            for index in 0..64usize {
                let (row, column) = (index / 8, index % 8);
                let sign = if (row / 2 + column / 2) % 2 == 0 { 1.0 } else { -1.0 };
                stimulus[[0, 0, top + row, left + column]] += sign * contrast;
            }
        }
    }
    stimuli
}

/// Complex cells of both scales, averaged over 8 x 8 places.
fn features() -> Vec<Features> {
    (0..2).map(|scale| Features::pooled(&format!("v1.complex.s{scale}"), 8, 8)).collect()
}

/// Six electrodes over the occipital pole: each sums all cells, those near its own place in the visual field most.
fn electrodes() -> Array2<f64> {
    let places = [[-2.0, -1.5], [0.0, -2.0], [2.0, -1.5], [-2.0, 1.5], [0.0, 2.0], [2.0, 1.5]];
    Array2::from_shape_fn((2 * 4 * 64, 6), |(feature, electrode)| {
        let cell = feature % 64;
        let place = [cell % 8, cell / 8].map(|index| (index as f64 + 0.5) - 4.0);
        let [x, y]: [f64; 2] = places[electrode];
        let squared = (place[0] - x).powi(2) + (place[1] - y).powi(2);
        (-squared / (2.0 * 2.5 * 2.5)).exp()
    })
}

/// A simulated person: the model with a scotoma, seen through the electrodes with gains of their own, and noise of
/// `noise` times the variance that the probes make.
fn responses(random: &mut Random, person: &Encoder, stimuli: &Array5<f32>, noise: f64) -> Array2<f64> {
    let found = person.features(stimuli.view(), &features()).unwrap();
    let side: Vec<_> = found.iter().map(|features| features.view()).collect();
    let mut clean = ndarray::concatenate(Axis(1), &side).unwrap().dot(&electrodes());
    for mut column in clean.columns_mut() {
        let gain = 0.5 + random.uniform();
        let mean = column.mean().unwrap();
        let sd = (column.mapv(|v| (v - mean) * (v - mean)).mean().unwrap() * noise).sqrt();
        column.mapv_inplace(|value| gain * (value + sd * random.normal()));
    }
    clean
}

/// Overlap of two discs in the field: 2 |A and B| / (|A| + |B|).
fn dice(a: [f64; 3], b: [f64; 3]) -> f64 {
    let inside = |[x, y, radius]: [f64; 3], px: f64, py: f64| (px - x).hypot(py - y) < radius;
    let (mut both, mut sum) = (0.0, 0.0);
    for row in 0..400 {
        for column in 0..400 {
            let (px, py) = ((f64::from(column) + 0.5) * 0.02 - 4.0, (f64::from(row) + 0.5) * 0.02 - 4.0);
            let (in_a, in_b) = (inside(a, px, py), inside(b, px, py));
            both += f64::from(in_a && in_b);
            sum += f64::from(in_a) + f64::from(in_b);
        }
    }
    2.0 * both / sum
}

fn with_scotoma(encoder: &Encoder, [x, y, radius]: [f64; 3]) -> Encoder {
    let mut encoder = encoder.clone();
    for (name, value) in [("scotoma_x_deg", x), ("scotoma_y_deg", y), ("scotoma_radius_deg", radius)] {
        encoder.set_parameter(name, arr0(value as f32).into_dyn()).unwrap();
    }
    encoder
}

fn scotoma_of(fit: &Fit) -> [f64; 3] {
    [0, 1, 2].map(|slot| fit.estimates[slot].value)
}

#[test]
fn a_fitted_scotoma_overlaps_the_true_one() {
    // A model that sees everywhere is what the fit begins with.
    let sound = with_scotoma(&Encoder::v1(&params()).unwrap(), [0.0, 0.0, -1.5]);
    let unknowns = [
        Unknown::between("scotoma_x_deg", -4.0, 4.0),
        Unknown::between("scotoma_y_deg", -4.0, 4.0),
        Unknown::between("scotoma_radius_deg", -1.5, 4.0),
    ];
    let link = Link::Scaled { weights: electrodes() };
    for seed in 0..4 {
        let mut random = Random::new(seed, 7);
        let truth = [4.0 * random.uniform() - 2.0, 4.0 * random.uniform() - 2.0, 1.0 + random.uniform()];
        let stimuli = probes(&mut random, 200);
        // Noise twice as strong as the signal: a third of a single trial's variance is the stimulus.
        let responses = responses(&mut random, &with_scotoma(&sound, truth), &stimuli, 2.0);
        let trials = Trials { stimuli: stimuli.view(), responses: responses.view() };
        let folds = if seed == 0 { 2 } else { 0 };
        let effort = Effort { screened: 30, starts: 2, steps: 15, folds, seed, threads: 1 };
        let begin = std::time::SystemTime::now();
        let found = fit(&sound, &features(), &link, &unknowns, trials, &effort).unwrap();
        let overlap = dice(scotoma_of(&found), truth);
        eprintln!(
            "seed {seed}: true {truth:.2?}, found {:.2?} +- {:.2?}, Dice {overlap:.3}, loss {:.1} from {:.1} {:?} {:?}",
            scotoma_of(&found),
            found.estimates.iter().map(|estimate| estimate.standard_error).collect::<Vec<_>>(),
            found.loss,
            found.unfitted_loss,
            found.validation, begin.elapsed(),
        );
        for d in &found.descents { eprintln!("   {d:?}"); }
        assert!(overlap >= 0.8, "{overlap}");
    }
}
