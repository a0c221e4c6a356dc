//! Views as users of the crate see them: transposes, seeds, what stays.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use ndarray::Array5;
use proptest::prelude::*;
use random::Random;
use synthesis::robustness::Robustness;

const ALL: Robustness = Robustness {
    jitter_px: 2.0,
    whole_px: false,
    scale: 0.2,
    rotation_deg: 20.0,
    gaze_deg: 0.3,
    px_per_deg: 5.0,
};

fn noise(shape: [usize; 5], random: &mut Random) -> Array5<f32> {
    Array5::from_shape_simple_fn(shape, || random.normal() as f32)
}

fn dot(a: &Array5<f32>, b: &Array5<f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_adjoint_is_the_transpose(
        shape in prop::array::uniform5(1_usize..4),
        size in prop::array::uniform2(1_usize..14),
        seed in 0_u64..1000,
    ) {
        let shape = [shape[0], shape[1], shape[2], size[0], size[1]];
        let mut random = Random::new(seed, 0);
        let view = ALL.draw(&mut random, shape[0]);
        let (x, y) = (noise(shape, &mut random), noise(shape, &mut random));
        // The linear part: what is left of the affine map without the grey that it adds.
        let grey = Array5::from_elem(shape, 0.5_f32);
        let linear = view.apply(&(&x + &grey)) - &grey;
        let (forward, back) = (dot(&linear, &y), dot(&x, &view.adjoint(&y)));
        let scale = (dot(&x, &x) * dot(&y, &y)).sqrt();
        prop_assert!((forward - back).abs() < 1e-6 * scale, "{forward} {back}");
    }

    #[test]
    fn grey_stays_grey_and_light_stays_in_range(seed in 0_u64..1000) {
        let shape = [2, 2, 1, 9, 12];
        let mut random = Random::new(seed, 0);
        let view = ALL.draw(&mut random, 2);
        let grey = Array5::from_elem(shape, 0.5_f32);
        prop_assert_eq!(&view.apply(&grey), &grey);
        let x = Array5::from_shape_simple_fn(shape, || random.uniform() as f32);
        prop_assert!(view.apply(&x).iter().all(|light| (-1e-6..=1.000_001).contains(light)));
    }
}

#[test]
fn no_settings_no_change() {
    let mut random = Random::new(5, 0);
    let view = Robustness::default().draw(&mut random, 3);
    assert!(view.is_identity());
    let x = noise([3, 2, 1, 8, 8], &mut random);
    assert_eq!(view.apply(&x), x);
    assert_eq!(view.adjoint(&x), x);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_stimuli_differ() {
    let x = Array5::from_shape_fn([2, 1, 1, 16, 16], |(_, _, _, row, column)| (row * column) as f32 / 256.0);
    let view = |seed| ALL.draw(&mut Random::new(seed, 7), 2).apply(&x);
    assert_eq!(view(1), view(1));
    assert_ne!(view(1), view(2));
    let one = view(1);
    assert_ne!(one.index_axis(ndarray::Axis(0), 0), one.index_axis(ndarray::Axis(0), 1));
}

#[test]
fn all_frames_of_a_stimulus_are_seen_alike() {
    let mut random = Random::new(2, 0);
    let frame = noise([1, 1, 1, 10, 10], &mut random);
    let movie = ndarray::concatenate(ndarray::Axis(1), &[frame.view(), frame.view()]).unwrap();
    let seen = ALL.draw(&mut random, 1).apply(&movie);
    assert_eq!(seen.index_axis(ndarray::Axis(1), 0), seen.index_axis(ndarray::Axis(1), 1));
}

#[test]
fn a_setting_switched_off_does_not_move_the_others() {
    let x = Array5::from_shape_fn([1, 1, 1, 16, 16], |(_, _, _, row, column)| {
        ((row + 3 * column) % 7) as f32 / 7.0
    });
    let jitter = |seed: u64, scale: f64| {
        let robustness = Robustness { jitter_px: 3.0, whole_px: true, scale, ..Robustness::default() };
        let mut random = Random::new(seed, 0);
        robustness.draw(&mut random, 1);
        (robustness.draw(&mut random, 1), random.uniform())
    };
    for seed in 0..10 {
        let ((view, next), (_, wanted)) = (jitter(seed, 0.0), jitter(seed, 0.5));
        assert_eq!(next, wanted);
        // Whole pixels: what is not grey is one of the stimulus's own values.
        let seen = view.apply(&x);
        assert!(seen.iter().all(|light| (light * 7.0 - (light * 7.0).round()).abs() < 1e-5 || *light == 0.5));
    }
}

#[test]
fn gaze_scatters_as_its_sd_says() {
    let robustness = Robustness { gaze_deg: 0.25, px_per_deg: 8.0, ..Robustness::default() };
    let mut random = Random::new(3, 0);
    // A ramp along x shows the shift: two px of SD over a slope of 1/64.
    let ramp = Array5::from_shape_fn([1, 1, 1, 1, 64], |(.., column)| column as f32 / 64.0);
    let shifts: Vec<f64> = (0..4000)
        .map(|_| {
            let tall = ndarray::concatenate(ndarray::Axis(3), &[ramp.view(); 33]).unwrap();
            let seen = robustness.draw(&mut random, 1).apply(&tall);
            64.0 * f64::from(tall[[0, 0, 0, 16, 32]] - seen[[0, 0, 0, 16, 32]])
        })
        .collect();
    let mean = shifts.iter().sum::<f64>() / 4000.0;
    let sd = (shifts.iter().map(|shift| (shift - mean).powi(2)).sum::<f64>() / 4000.0).sqrt();
    // Standard errors: 0.03 and 0.02 px.
    assert!(mean.abs() < 0.13 && (sd - 2.0).abs() < 0.1, "{mean} {sd}");
}

#[test]
fn settings_out_of_range_are_named() {
    for (robustness, words) in [
        (Robustness { scale: -0.1, ..ALL }, "scale is -0.1"),
        (Robustness { jitter_px: f64::NAN, ..ALL }, "jitter_px is NaN"),
        (Robustness { px_per_deg: 0.0, ..ALL }, "px_per_deg is 0"),
    ] {
        let message = robustness.check().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    assert!(ALL.check().is_ok() && Robustness::default().check().is_ok());
}
