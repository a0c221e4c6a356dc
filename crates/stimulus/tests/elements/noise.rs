//! Moments and independence of white noise.

use stimulus::element::{Course, Draw, Element, Pattern, Renewal};

use super::{SIDE, changed, full, mean, shown};

/// Correlation coefficient.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let moment = |x: &[f64], mx: f64, y: &[f64], my: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
    };
    moment(a, mean_a, b, mean_b) / (moment(a, mean_a, a, mean_a) * moment(b, mean_b, b, mean_b)).sqrt()
}

fn noise(draw: Draw, cell_px: u32) -> Element {
    full(Pattern::Noise { left_px: 0, top_px: 0, cell_px, draw, seed: 77 })
}

fn renewed(frame: u64, draw: Draw) -> Vec<f64> {
    let renewal = Renewal::Every { frames: 2, count: 0 };
    changed(vec![noise(draw, 1)], Course { renewal, ..Course::STEADY }, frame)
}

#[test]
fn white_noise_has_its_moments_and_no_memory() {
    let n = (SIDE * SIDE) as f64;
    let normal = |sd: f64| sd * sd;
    for (draw, variance, kurtosis) in [
        (Draw::Uniform, 1.0 / 3.0, 1.8),
        (Draw::Binary, 1.0, 1.0),
        (Draw::Gaussian { sd: 0.22 }, normal(0.22), 3.0),
        (Draw::Sparse { density: 0.07 }, 0.07, 1.0 / 0.07),
    ] {
        let frames: Vec<Vec<f64>> = (0..8).map(|frame| renewed(frame, draw)).collect();
        for (frame, values) in frames.iter().enumerate() {
            let (mean, second) = (mean(values), values.iter().map(|v| v * v).sum::<f64>() / n);
            // 4.5 standard errors of the mean and of the variance.
            let error = 4.5 / n.sqrt();
            assert!(mean.abs() < error * variance.sqrt(), "{draw:?}: mean {mean}");
            let most = error * (kurtosis - 1.0_f64).max(1e-9).sqrt() + 1e-4;
            assert!((second / variance - 1.0).abs() < most, "{draw:?}: {second} of {variance}");
            let fourth = values.iter().map(|v| v.powi(4)).sum::<f64>() / n / (second * second);
            assert!((fourth / kurtosis - 1.0).abs() < 0.08, "{draw:?}: kurtosis {fourth} of {kurtosis}");
            for lag in [1, 2, SIDE - 1, SIDE, SIDE + 1, 7 * SIDE] {
                let related = correlation(&values[lag..], &values[..values.len() - lag]);
                assert!(related.abs() < error, "{draw:?}: {related} at a distance of {lag}");
            }
            // The same for two frames, then another.
            let next = &frames[(frame + 1) % 8];
            if frame % 2 == 0 {
                assert_eq!(values, next);
            } else {
                let related = correlation(values, next);
                assert!(related.abs() < error, "{draw:?}: {related} from frame {frame} on");
            }
        }
    }
}

/// Fields of neighbouring seeds have nothing to do with each other, nor has a field with itself shifted or turned.
#[test]
fn seeds_make_fields_of_their_own() {
    let field = |seed: u32| {
        let pattern = Pattern::Noise { left_px: 0, top_px: 0, cell_px: 1, draw: Draw::Uniform, seed };
        shown(vec![full(pattern)], 0)
    };
    let first = field(1);
    let turned: Vec<f64> = (0..SIDE * SIDE).map(|place| first[place % SIDE * SIDE + place / SIDE]).collect();
    let others = [2, 3, 1 << 16, 1 << 31, u32::MAX].map(field);
    for other in others.iter().chain([&turned]) {
        for lag in [0, 1, SIDE] {
            let related = correlation(&first[lag..], &other[..other.len() - lag]);
            // The turned field shares its diagonal.
            assert!(related.abs() < 4.5 / SIDE as f64 + 1.0 / SIDE as f64, "{related} at {lag}");
        }
    }
}

#[test]
fn a_cell_of_noise_is_one_square_of_whole_pixels() {
    let (fine, coarse) = (shown(vec![noise(Draw::Uniform, 1)], 0), shown(vec![noise(Draw::Uniform, 5)], 0));
    for (place, value) in coarse.iter().enumerate() {
        assert_eq!(*value, fine[place / SIDE / 5 * SIDE + place % SIDE / 5]);
    }
}
