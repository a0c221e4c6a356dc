//! Whether a loop runs in a cycle: Fisher's test for a periodic part of what it leaves (Proc. R. Soc. A 125, 1929).

use core::f64::consts::TAU;

use serde::Serialize;

/// The strongest sine in a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cycle {
    /// Its period, in steps of the series.
    pub period: f64,
    /// Its part of the variance: Fisher's g.
    pub part: f64,
    /// Probability that white noise has one as strong.
    pub p: f64,
}

/// Fewest values that are looked at.
const FEWEST: usize = 12;

/// The strongest sine in `values`, which are taken at equal steps; `None` where there are fewer than 12, or all are equal.
pub fn strongest(values: &[f64]) -> Option<Cycle> {
    let count = values.len();
    if count < FEWEST {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let power = |cycles: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (at, value) in values.iter().enumerate() {
            let (sin, cos) = libm::sincos(TAU * (cycles * at % count) as f64 / count as f64);
            (re, im) = (re + (value - mean) * cos, im + (value - mean) * sin);
        }
        re * re + im * im
    };
    // Without the constant, and without the half that a real series shares with the other.
    let powers: Vec<f64> = (1..=(count - 1) / 2).map(power).collect();
    let total: f64 = powers.iter().sum();
    let (at, most) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let part = most / total;
    part.is_finite().then(|| Cycle {
        period: count as f64 / (at + 1) as f64,
        part,
        p: p_of(part, powers.len()),
    })
}

/// Probability that the largest of `count` powers of white noise is this part of their sum, or more.
fn p_of(part: f64, count: usize) -> f64 {
    let (mut sum, mut choose) = (0.0, 1.0);
    for j in 1..=count {
        let left = 1.0 - j as f64 * part;
        if left <= 0.0 {
            break;
        }
        choose *= (count + 1 - j) as f64 / j as f64;
        let sign = if j % 2 == 1 { 1.0 } else { -1.0 };
        sum += sign * choose * libm::pow(left, (count - 1) as f64);
    }
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn the_bounds_are_those_of_the_table() {
        // Fisher 1929, the 5 % points of g.
        for (count, part) in [(5, 0.683_77), (10, 0.444_95), (20, 0.270_40), (50, 0.131_35)] {
            let p = p_of(part, count);
            assert!((p - 0.05).abs() < 2e-5, "{count}: {p}");
        }
    }

    #[test]
    fn a_cycle_is_found_and_noise_is_none() {
        let mut random = Random::new(4, 0);
        let mut false_alarms = 0;
        for _ in 0..400 {
            let noise: Vec<f64> = (0..124).map(|_| random.normal()).collect();
            false_alarms += u32::from(strongest(&noise).unwrap().p < 0.05);
        }
        assert!((8..=34).contains(&false_alarms), "{false_alarms} of 400 at 5 %");
        // Every fourth presentation too high, as much as the noise.
        let hunting: Vec<f64> =
            (0..124).map(|at| libm::cos(TAU * at as f64 / 4.0) + random.normal()).collect();
        let found = strongest(&hunting).unwrap();
        assert!((found.period - 4.0).abs() < 0.1 && found.p < 1e-3, "{found:?}");
        assert_eq!(strongest(&[1.0; 40]), None);
        assert_eq!(strongest(&[1.0, 2.0]), None);
    }
}
