//! Projections as users of the crate see them.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use ndarray::{Array5, Axis};
use proptest::prelude::*;
use random::Random;
use stimulus::screen::{Screen, ScreenSpec};
use synthesis::constraint::{Aperture, Constraints, Contrast, Display, FlashRule};

fn noise(shape: [usize; 5], sd: f64, seed: u64) -> Array5<f32> {
    let mut random = Random::new(seed, 0);
    Array5::from_shape_simple_fn(shape, || (0.5 + sd * random.normal()) as f32)
}

fn mean_and_sd(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let variance = values.map(|value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

const WINDOW: Aperture = Aperture { centre_px: [0.5, -1.0], radius_px: 4.0, edge_px: 3.0 };

fn screen() -> Screen {
    Screen::new(&ScreenSpec {
        width_px: 640,
        height_px: 480,
        width_cm: 40.0,
        height_cm: 30.0,
        distance_cm: 57.3,
        refresh_hz: 60.0,
        luminance_max_cd_m2: 150.0,
        luminance_min_cd_m2: 0.5,
        gamma: 2.2,
    })
    .unwrap()
}

fn flash(looped: bool) -> FlashRule {
    FlashRule { screen: screen(), width_deg: 20.0, frame_rate_hz: 30.0, looped }
}

/// A whole field that flickers at `hz`, with a little static texture.
fn flicker(hz: f64, amplitude: f64, frames: usize, channels: usize) -> Array5<f32> {
    Array5::from_shape_fn([1, frames, channels, 12, 16], |(_, frame, _, row, column)| {
        let phase = 2.0 * std::f64::consts::PI * hz * (frame as f64 + 0.25) / 30.0;
        (0.5 + amplitude * phase.sin() + 0.02 * ((row * 5 + column * 3) % 7) as f64 / 7.0) as f32
    })
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let mean = prop::option::of(0.4_f64..0.6);
    let contrast = prop_oneof![
        Just(None),
        (0.02_f64..0.15).prop_map(|most| Some(Contrast::AtMost(most))),
        (0.05_f64..0.15).prop_map(|wanted| Some(Contrast::Exactly(wanted))),
    ];
    let peak = prop::option::of(0.3_f64..0.6);
    (mean, contrast, peak, any::<bool>()).prop_map(|(mean, contrast, peak, window)| Constraints {
        range: [0.05, 0.98],
        aperture: window.then_some(WINDOW),
        mean,
        contrast,
        peak,
        ..Constraints::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn projected_stimuli_meet_everything_and_stay(
        shape in prop::array::uniform3(1_usize..4),
        size in prop::array::uniform2(10_usize..16),
        constraints in constraints(),
        sd in 0.02_f64..1.0,
        seed in 0_u64..1000,
    ) {
        let shape = [shape[0], shape[1], shape[2], size[0], size[1]];
        let mut x = noise(shape, sd, seed);
        prop_assume!(constraints.check(shape).is_ok());
        constraints.project(&mut x).unwrap();
        prop_assert!(constraints.feasible(&x, 1e-6));
        let once = x.clone();
        constraints.project(&mut x).unwrap();
        prop_assert_eq!(x, once, "to the bit");
    }

    #[test]
    fn angles_at_the_nearest_point_are_obtuse(constraints in constraints(), seed in 0_u64..1000) {
        // What marks the nearest point y of a convex set: (x - y) (z - y) <= 0 for every z of the set.
        prop_assume!(!matches!(constraints.contrast, Some(Contrast::Exactly(_))));
        let shape = [1, 1, 1, 12, 11];
        let x = noise(shape, 0.5, seed);
        let mut y = x.clone();
        constraints.project(&mut y).unwrap();
        for other in 0..20 {
            let mut z = noise(shape, 0.05 + 0.05 * other as f64, seed + 1000 + other);
            constraints.project(&mut z).unwrap();
            let product: f64 = (0..132)
                .map(|i| {
                    let [x, y, z] = [&x, &y, &z].map(|array| f64::from(array.as_slice().unwrap()[i]));
                    (x - y) * (z - y)
                })
                .sum();
            prop_assert!(product < 1e-5, "{product}");
        }
    }
}

#[test]
fn the_pull_back_of_the_whole_is_its_slope() {
    let movie = [1, 3, 1, 12, 11];
    for (shape, constraints) in [
        (
            [2, 1, 3, 12, 11],
            Constraints { mean: Some(0.5), contrast: Some(Contrast::Exactly(0.1)), ..Constraints::default() },
        ),
        (movie, Constraints { aperture: Some(WINDOW), mean: Some(0.52), ..Constraints::default() }),
        (
            movie,
            Constraints {
                contrast: Some(Contrast::AtMost(0.05)),
                peak: Some(0.08),
                ..Constraints::default()
            },
        ),
    ] {
        let x = noise(shape, 0.1, 5);
        let cotangent = noise(shape, 1.0, 6);
        let project = |x: &Array5<f32>| {
            let mut y = x.clone();
            let projection = constraints.project(&mut y).unwrap();
            (y, projection)
        };
        let (_, projection) = project(&x);
        let gradient = constraints.pull_back(&x, &projection, &cotangent);
        let value = |x: &Array5<f32>| -> f64 {
            project(x).0.iter().zip(&cotangent).map(|(&y, &c)| f64::from(y) * f64::from(c)).sum()
        };
        // Along random directions: the noise of f32 images averages out, and few numbers come to their clips.
        for seed in 0..5 {
            let direction = noise(shape, 1.0, 100 + seed) - 0.5;
            let step = 2e-4_f32;
            let rise = value(&(&x + &(&direction * step))) - value(&(&x - &(&direction * step)));
            let slope = rise / f64::from(2.0 * step);
            let found: f64 =
                gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
            let size: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            assert!((slope - found).abs() < 0.02 * size, "{shape:?} {slope} {found} {size}");
        }
    }
}

#[test]
fn mean_and_contrast_are_exact_and_taken_within_the_aperture() {
    let constraints = Constraints {
        aperture: Some(WINDOW),
        mean: Some(0.5),
        contrast: Some(Contrast::Exactly(0.12)),
        ..Constraints::default()
    };
    let mut x = noise([1, 2, 1, 24, 20], 0.4, 9);
    constraints.project(&mut x).unwrap();
    let mask = WINDOW.mask(24, 20);
    let within = |open: bool| {
        let mask = &mask;
        let chosen = x.iter().enumerate().filter(move |(i, _)| (mask[i % 480] > 0.0) == open);
        chosen.map(|(_, &light)| light)
    };
    assert!(within(false).all(|light| light == 0.5) && within(false).count() > 0);
    let (mean, sd) = mean_and_sd(within(true));
    assert!((mean - 0.5).abs() < 1e-7 && (sd - 0.12).abs() < 1e-7, "{mean} {sd}");
    // The edge bounds the deviation from grey by its share of the range.
    for (i, light) in x.iter().enumerate() {
        assert!(f64::from((light - 0.5).abs()) <= 0.5 * mask[i % 480] + 1e-7);
    }
}

#[test]
fn contradictions_are_said_with_their_numbers() {
    let plain = Constraints::default();
    let shape = [1, 1, 1, 16, 16];
    let rule = FlashRule { width_deg: 60.0, ..flash(false) };
    for (constraints, shape, words) in [
        // sqrt(0.1 * 0.9) = 0.3
        (
            Constraints { mean: Some(0.9), contrast: Some(Contrast::Exactly(0.5)), ..plain.clone() },
            shape,
            "0.5 is impossible at mean luminance 0.9: range, peak and aperture allow 0.0000 to 0.3000",
        ),
        // sqrt((0.8 - 0.4) (0.4 - 0.2))
        (
            Constraints {
                range: [0.2, 0.8],
                mean: Some(0.4),
                contrast: Some(Contrast::Exactly(0.29)),
                ..plain.clone()
            },
            shape,
            "0.0000 to 0.2828",
        ),
        (Constraints { contrast: Some(Contrast::Exactly(0.6)), ..plain.clone() }, shape, "0.0000 to 0.5000"),
        (
            Constraints { range: [0.2, 0.8], mean: Some(0.9), ..plain.clone() },
            shape,
            "mean luminance 0.9 is impossible: range, peak and aperture allow 0.2000 to 0.8000",
        ),
        (Constraints { range: [0.8, 0.2], ..plain.clone() }, shape, "highest is 0.2"),
        (Constraints { peak: Some(-0.1), ..plain.clone() }, shape, "peak is -0.1"),
        (
            Constraints { aperture: Some(Aperture { centre_px: [40.0, 0.0], ..WINDOW }), ..plain.clone() },
            shape,
            "leaves no pixel of 16 x 16",
        ),
        (Constraints { display: Some(Display { bits: 0, gamma: 2.2 }), ..plain.clone() }, shape, "bits is 0"),
        (Constraints { flash: Some(rule), ..plain.clone() }, [1, 30, 1, 16, 16], "the screen has 640 x 480"),
    ] {
        let message = constraints.check(shape).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    // Along the edge of the aperture light must come down from 0.8 to 0.5: no constant is left.
    let rim = Constraints {
        aperture: Some(WINDOW),
        mean: Some(0.7),
        contrast: Some(Contrast::AtMost(0.05)),
        ..plain.clone()
    };
    assert!(rim.check(shape).unwrap_err().to_string().contains("0.05 is impossible at mean luminance 0.7"));
    let still = Constraints { contrast: Some(Contrast::Exactly(0.1)), ..plain };
    let message = still.project(&mut Array5::from_elem(shape, 0.5)).unwrap_err().to_string();
    assert!(message.contains("stimulus 0 cannot have RMS contrast 0.1"), "{message}");
    let message = still.project(&mut Array5::from_elem(shape, f32::NAN)).unwrap_err().to_string();
    assert!(message.contains("NaN"), "{message}");
}

#[test]
fn the_largest_contrast_is_reached() {
    for (range, mean) in [([0.0, 1.0], 0.3), ([0.1, 0.7], 0.5)] {
        let most = f64::sqrt((range[1] - mean) * (mean - range[0]));
        let constraints = Constraints {
            range,
            mean: Some(mean),
            contrast: Some(Contrast::Exactly(0.999 * most)),
            ..Constraints::default()
        };
        let mut x = noise([1, 1, 1, 40, 40], 0.01, 3);
        constraints.check([1, 1, 1, 40, 40]).unwrap();
        constraints.project(&mut x).unwrap();
        let (found, sd) = mean_and_sd(x.iter().copied());
        assert!((found - mean).abs() < 1e-7 && (sd - 0.999 * most).abs() < 1e-7, "{found} {sd} {most}");
    }
}

#[test]
fn what_is_finished_stands_on_levels_within_half_a_level() {
    let display = Display { bits: 8, gamma: 2.2 };
    let constraints = Constraints { mean: Some(0.4), display: Some(display), ..Constraints::default() };
    let mut projected = noise([1, 1, 3, 16, 16], 0.3, 2);
    let mut finished = projected.clone();
    constraints.project(&mut projected).unwrap();
    constraints.finish(&mut finished).unwrap();
    for (&a, &b) in projected.iter().zip(&finished) {
        let (a, b) = (display.code(f64::from(a)) * 255.0, display.code(f64::from(b)) * 255.0);
        assert!((a - b).abs() <= 0.5 + 1e-4 && (b - b.round()).abs() < 1e-4, "{a} {b}");
    }
    let levels = display.levels(&finished);
    assert!(levels.iter().zip(&finished).all(|(&level, &light)| display.light(level) as f32 == light));
}

#[test]
fn a_flashing_movie_becomes_safe_and_a_safe_one_stays() {
    for (looped, channels) in [(false, 1), (true, 1), (true, 3)] {
        let constraints = Constraints { flash: Some(flash(looped)), ..Constraints::default() };
        let mut dangerous = flicker(10.0, 0.4, 60, channels);
        let shape = [60, channels, 12, 16];
        let report = |movie: &Array5<f32>| flash(looped).report(movie.as_slice().unwrap(), shape);
        assert!(!report(&dangerous).passes());
        let before = dangerous.clone();
        let projection = constraints.project(&mut dangerous).unwrap();
        assert!(report(&dangerous).passes());
        assert!(constraints.feasible(&dangerous, 1e-6));
        let modulation = projection.modulations().next().unwrap();
        // The rule counts changes of 10 % of the luminance of white: about an eighth of the 80 % here.
        assert!((0.08..0.2).contains(&modulation), "{modulation}");
        let (mean, now) = (before.mean_axis(Axis(1)).unwrap(), dangerous.mean_axis(Axis(1)).unwrap());
        assert!(mean.iter().zip(&now).all(|(a, b)| (a - b).abs() < 1e-6), "the temporal mean stays");
        let once = dangerous.clone();
        constraints.project(&mut dangerous).unwrap();
        assert_eq!(dangerous, once);

        let mut safe = flicker(10.0, 0.03, 60, channels);
        let before = safe.clone();
        let projection = constraints.project(&mut safe).unwrap();
        assert_eq!(safe, before, "difference 0");
        assert_eq!(projection.modulations().next(), Some(1.0));
    }
}

#[test]
fn the_modulation_is_the_largest_that_is_safe() {
    let constraints = Constraints { flash: Some(flash(true)), ..Constraints::default() };
    let movie = flicker(6.0, 0.3, 60, 1);
    let mut shown = movie.clone();
    let modulation = constraints.project(&mut shown).unwrap().modulations().next().unwrap();
    let mean = movie.mean_axis(Axis(1)).unwrap().insert_axis(Axis(1));
    let at = |modulation: f64| {
        let mixed = &mean + &((&movie - &mean) * modulation as f32);
        flash(true).report(mixed.as_standard_layout().as_slice().unwrap(), [60, 1, 12, 16]).passes()
    };
    assert!(at(modulation) && !at(modulation + 2e-3), "{modulation}");
}

#[test]
fn three_flashes_are_allowed_and_a_small_patch_may_flash() {
    let constraints = Constraints { flash: Some(flash(true)), ..Constraints::default() };
    let slow = flicker(2.0, 0.4, 60, 1);
    let mut shown = slow.clone();
    constraints.project(&mut shown).unwrap();
    assert_eq!(shown, slow);
    let small = FlashRule { width_deg: 2.0, ..flash(true) };
    let constraints = Constraints { flash: Some(small), ..Constraints::default() };
    let fast = flicker(10.0, 0.4, 60, 1);
    let mut shown = fast.clone();
    constraints.project(&mut shown).unwrap();
    assert_eq!(shown, fast);
}

#[test]
fn contrast_safety_and_levels_hold_together() {
    let display = Display { bits: 8, gamma: 2.2 };
    let constraints = Constraints {
        mean: Some(0.5),
        contrast: Some(Contrast::Exactly(0.1)),
        flash: Some(flash(true)),
        display: Some(display),
        ..Constraints::default()
    };
    let shape = [1, 60, 1, 12, 16];
    constraints.check(shape).unwrap();
    let mut movie = flicker(10.0, 0.3, 60, 1);
    constraints.project(&mut movie).unwrap();
    assert!(constraints.feasible(&movie, 1e-6), "static texture takes the contrast that the flicker loses");
    constraints.finish(&mut movie).unwrap();
    assert!(flash(true).report(movie.as_slice().unwrap(), [60, 1, 12, 16]).passes());
    // Flicker alone has no safe form of that contrast: said, not shown.
    let mut bare = Array5::from_shape_fn(shape, |(_, frame, ..)| if frame % 3 == 0 { 0.9 } else { 0.3 });
    assert!(constraints.project(&mut bare).unwrap_err().to_string().contains("RMS contrast 0.1"));
}

#[test]
fn the_same_stimuli_give_the_same_bytes() {
    let constraints = Constraints {
        aperture: Some(WINDOW),
        contrast: Some(Contrast::Exactly(0.1)),
        flash: Some(flash(false)),
        ..Constraints::default()
    };
    let run = || {
        let mut movie = flicker(8.0, 0.4, 30, 1);
        constraints.finish(&mut movie).unwrap();
        movie
    };
    assert_eq!(run(), run());
}
