//! Deviation from the power spectrum of natural scenes.

use crate::parametrisation::Hartley;

/// Power per coefficient, in light squared, below which a ring counts as empty: that of rounding to 8 bits, `(1 / 255)^2 /
/// 12`. What lies below it cannot be shown, and the logarithm stays finite.
const FLOOR: f64 = 1.0 / (255.0 * 255.0 * 12.0);

/// Rings of spatial frequency, one cycle per longer side wide.
struct Rings {
    /// Ring of each coefficient; none for the mean.
    ring: Vec<Option<usize>>,
    /// `ln f` of each ring, with the mean frequency of its coefficients.
    log_frequency: Vec<f64>,
    /// Coefficients in each ring; no ring is empty.
    count: Vec<f64>,
}

impl Rings {
    fn new(frequencies: &[f64], longest: usize) -> Self {
        let place = |f: f64| libm::round(f * longest as f64) as usize;
        let rings = frequencies.iter().map(|&f| place(f)).max().unwrap_or(0) + 1;
        let (mut sum, mut count) = (vec![0.0; rings], vec![0.0; rings]);
        for &frequency in frequencies.iter().filter(|&&f| f > 0.0) {
            sum[place(frequency)] += frequency;
            count[place(frequency)] += 1.0;
        }
        let filled: Vec<usize> = (0..rings).filter(|&ring| count[ring] > 0.0).collect();
        let ring_of = |f: f64| if f > 0.0 { filled.binary_search(&place(f)).ok() } else { None };
        Self {
            ring: frequencies.iter().map(|&f| ring_of(f)).collect(),
            log_frequency: filled.iter().map(|&ring| libm::log(sum[ring] / count[ring])).collect(),
            count: filled.iter().map(|&ring| count[ring]).collect(),
        }
    }
}

/// Value and gradient: the mean over all planes of H x W.
pub(super) fn value_and_slopes(light: &[f64], [height, width]: [usize; 2], exponent: f64) -> (f64, Vec<f64>) {
    let hartley = Hartley::new(height, width);
    let rings = Rings::new(&hartley.frequencies(), height.max(width));
    let planes = (light.len() / (height * width)) as f64;
    let mut slopes = light.to_vec();
    let mut value = 0.0;
    for plane in slopes.chunks_exact_mut(height * width) {
        hartley.apply(plane);
        value += of_plane(plane, &rings, exponent, 1.0 / planes) / planes;
        hartley.apply(plane);
    }
    (value, slopes)
}

/// The value of one plane's coefficients, which are replaced by `share` times their slopes.
fn of_plane(coefficients: &mut [f64], rings: &Rings, exponent: f64, share: f64) -> f64 {
    let mut power = vec![0.0; rings.count.len()];
    for (value, ring) in coefficients.iter().zip(&rings.ring) {
        if let Some(ring) = *ring {
            power[ring] += value * value / rings.count[ring];
        }
    }
    let level = |ring: usize| libm::log(power[ring] + FLOOR) + exponent * rings.log_frequency[ring];
    let levels: Vec<f64> = (0..power.len()).map(level).collect();
    let total: f64 = rings.count.iter().sum();
    let weighted = |values: &[f64]| values.iter().zip(&rings.count).map(|(v, n)| v * n).sum::<f64>() / total;
    let mean = if total > 0.0 { weighted(&levels) } else { 0.0 };
    let deviations: Vec<f64> = levels.iter().map(|level| level - mean).collect();
    // The mean's own slope drops out: deviations have a weighted sum of zero.
    for (value, ring) in coefficients.iter_mut().zip(&rings.ring) {
        *value *= ring.map_or(0.0, |ring| share * 4.0 * deviations[ring] / (total * (power[ring] + FLOOR)));
    }
    let squares: Vec<f64> = deviations.iter().map(|deviation| deviation * deviation).collect();
    if total > 0.0 { weighted(&squares) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    /// Normal coefficients times `1 / f^(slope / 2)`, as an image.
    fn noise(slope: f64, seed: u64) -> Vec<f64> {
        let hartley = Hartley::new(48, 64);
        let mut random = Random::new(seed, 0);
        let coefficient = |f: &f64| {
            let normal = random.normal();
            if *f > 0.0 { 0.02 * normal * f.powf(-slope / 2.0) } else { 0.0 }
        };
        let mut plane: Vec<f64> = hartley.frequencies().iter().map(coefficient).collect();
        hartley.apply(&mut plane);
        plane.iter_mut().for_each(|light| *light += 0.5);
        plane
    }

    #[test]
    fn the_natural_slope_costs_least_and_contrast_does_not_matter() {
        let value = |light: &[f64]| value_and_slopes(light, [48, 64], 2.0).0;
        let natural = value(&noise(2.0, 4));
        assert!(value(&noise(0.0, 4)) > natural + 0.5);
        assert!(value(&noise(4.0, 4)) > natural + 0.2);
        let fainter: Vec<f64> = noise(2.0, 4).iter().map(|light| 0.5 + 0.5 * (light - 0.5)).collect();
        assert!((value(&fainter) / natural - 1.0).abs() < 0.02, "{} {natural}", value(&fainter));
    }

    #[test]
    fn the_value_is_what_follows_from_the_slope() {
        // With exact powers f^-s in every ring, the deviation is (2 - s) ln f: its variance is known.
        let hartley = Hartley::new(32, 32);
        let frequencies = hartley.frequencies();
        let rings = Rings::new(&frequencies, 32);
        let mut plane: Vec<f64> = rings
            .ring
            .iter()
            .map(|ring| ring.map_or(0.0, |ring| 10.0 * (-rings.log_frequency[ring] * 0.5).exp()))
            .collect();
        hartley.apply(&mut plane);
        let (value, _) = value_and_slopes(&plane, [32, 32], 2.0);
        let total: f64 = rings.count.iter().sum();
        let mean = rings.log_frequency.iter().zip(&rings.count).map(|(l, n)| l * n).sum::<f64>() / total;
        let variance =
            rings.log_frequency.iter().zip(&rings.count).map(|(l, n)| n * (l - mean).powi(2)).sum::<f64>()
                / total;
        assert!((value - variance).abs() < 1e-6, "{value} {variance}");
    }
}
