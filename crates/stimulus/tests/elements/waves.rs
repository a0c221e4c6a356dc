//! Spectra and phases of waves, and that they add up.

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use stimulus::Content;
use stimulus::element::{Course, Element, Moment, Outline, Paint, Wave};

use super::{CENTRE, SIDE, changed, grating, light, plain, shown};

/// Mean and amplitude at a frequency, under a Hann window along both axes, which keeps other lines out.
fn line(values: &[f64], [ku, kv]: [f64; 2]) -> (f64, f64) {
    let hann = |at: usize| 0.5 - 0.5 * (TAU * (at as f64 + 0.5) / SIDE as f64).cos();
    let (mut re, mut im, mut all, mut weights) = (0.0, 0.0, 0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        let (column, row) = (place % SIDE, place / SIDE);
        let weight = hann(column) * hann(row);
        let angle = TAU * (ku * column as f64 + kv * row as f64);
        re += weight * value * angle.cos();
        im += weight * value * angle.sin();
        all += weight * value;
        weights += weight;
    }
    (all / weights, 2.0 * re.hypot(im) / weights)
}

/// A pixel takes the mean of the wave over its width: that is the wave's fundamental, `4 / pi`, times `sinc(1 / p)` at p px per
/// cycle, and no offset. Directions are such that no harmonic folds back onto the fundamental, as it does along rows, columns
/// and diagonals at some frequencies: there no picture made of pixels has the amplitude of the wave.
#[test]
fn a_square_wave_keeps_its_mean_and_its_fundamental() {
    for (number, px_per_cycle) in
        [4.0, 4.7, 5.9, 7.3, 9.1, 11.3, 14.2, 18.0, 23.7, 31.0, 40.0].into_iter().enumerate()
    {
        for turn in 0..5 {
            let angle = TAU * ((number * 5 + turn) as f64 * 0.618_034 + 0.07).fract();
            let wave = [angle.cos() / px_per_cycle, -angle.sin() / px_per_cycle];
            let seen = shown(vec![grating(wave, 0.137 * f64::from(turn as u32), Wave::Square)], 0);
            let (offset, fundamental) = line(&seen, wave);
            let pixel = (PI / px_per_cycle).sin() / (PI / px_per_cycle);
            let wanted = 4.0 / PI * pixel;
            assert!(offset.abs() < 0.004, "{px_per_cycle} px, {angle}: offset {offset}");
            assert!(
                (fundamental / wanted - 1.0).abs() < 0.01,
                "{px_per_cycle} px, {angle} rad: {fundamental} of {wanted}"
            );
        }
    }
}

/// Along the rows a pixel's mean over the wave has a closed form of its own.
#[test]
fn along_the_rows_a_pixel_is_the_mean_of_a_square_wave_over_it() {
    for px_per_cycle in [4.0, 6.5, 10.0, 17.3, 40.0] {
        let seen = shown(vec![grating([1.0 / px_per_cycle, 0.0], 0.11, Wave::Square)], 0);
        // The integral of a square wave is a triangle wave.
        let integral = |x: f64| {
            let cycles = x / px_per_cycle + 0.11 + 0.25;
            let within = cycles - cycles.floor();
            px_per_cycle * (0.25 - (within - 0.5).abs())
        };
        for (column, seen) in seen[..SIDE].iter().enumerate() {
            let x = column as f64 - CENTRE[0];
            let wanted = integral(x + 1.0) - integral(x);
            assert!((seen - wanted).abs() < 1e-9, "{px_per_cycle}: {seen} {wanted}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// After n frames a grating that drifts is a cosine whose phase has gone on by n times the drift.
    #[test]
    fn a_drift_moves_the_phase_by_as_much_in_each_frame(
        k in [-0.2..0.2_f64, -0.2..0.2],
        phase in 0.0..1.0_f64,
        drift in -0.25..0.25_f64,
        frame in 0..2_000_000_u64,
    ) {
        let course = Course { drift, ..Course::STEADY };
        let gone = course.now(&Moment::new(frame, 1.0)).phase;
        let turns = drift * frame as f64 - gone;
        prop_assert!((0.0..1.0).contains(&gone) && (turns - turns.round()).abs() < 1e-9);
        let seen = changed(vec![grating(k, phase, Wave::Sine)], course, frame);
        for place in (0..SIDE * SIDE).step_by(1733) {
            let (x, y) = ((place % SIDE) as f64 + 0.5 - CENTRE[0], (place / SIDE) as f64 + 0.5 - CENTRE[1]);
            let wanted = (TAU * (k[0] * x + k[1] * y + phase + drift * frame as f64)).cos();
            prop_assert!((seen[place] - wanted).abs() < 1e-7, "{} {wanted}", seen[place]);
        }
    }

    /// Light comes to what is below it: in any order, and as much as each alone.
    #[test]
    fn what_modulates_adds_up(k in [-0.2..0.2_f64, -0.2..0.2], x in 80.0..120.0_f64, colour in [-1.0..1.0_f64, -1.0..1.0, -1.0..1.0]) {
        let one = grating(k, 0.2, Wave::Square);
        let mut other = plain(Outline::Gauss { sigma_px: [15.0, 10.0] }, 0.0, [x, 90.0]);
        other.paint = Paint::Modulate(colour);
        let draw = |elements: Vec<Element>| light(elements, vec![Course::STEADY], &Content::NONE, &Moment::new(0, 0.6));
        let alone = [draw(vec![one.clone()]), draw(vec![other.clone()])];
        let (both, swapped) = (draw(vec![one.clone(), other.clone()]), draw(vec![other, one]));
        for place in 0..SIDE * SIDE {
            for channel in 0..3 {
                let wanted = alone[0][place][channel] + alone[1][place][channel] - 0.5;
                prop_assert!((both[place][channel] - wanted).abs() < 1e-12);
                prop_assert!((swapped[place][channel] - wanted).abs() < 1e-12);
            }
        }
    }
}
