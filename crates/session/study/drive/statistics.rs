//! Statistics over brains and people: both are samples of what might have been, so both are resampled.
//!
//! Intervals are those of the pigeonhole bootstrap (Owen, Ann. Appl. Stat. 1, 2007): brains and people are drawn with
//! replacement, each on its own, and a session counts as often as its brain was drawn times its person.

use random::Random;

/// Resamples behind each interval.
pub const RESAMPLES: usize = 2000;
/// Seed of the resampling; the same for all.
const BOOTSTRAP_SEED: u64 = 7;

/// A value of a session with its place among brains and people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Which brain.
    pub brain: usize,
    /// Which participant.
    pub participant: usize,
    /// The value; infinite where it is censored.
    pub value: f64,
}

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// On these sessions.
    pub value: f64,
    /// 2.5 % point over resamples.
    pub low: f64,
    /// 97.5 % point.
    pub high: f64,
}

/// Median of the samples; infinite where half of them or more are censored.
pub fn median(samples: &[Sample]) -> Estimate {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by(|&a, &b| samples[a].value.total_cmp(&samples[b].value));
    bootstrap(samples, |weights| {
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        for &at in &order {
            sum += weights[at];
            // The upper median: no half-way between a number and none.
            if 2.0 * sum > total {
                return samples[at].value;
            }
        }
        f64::NAN
    })
}

/// Mean of the samples.
pub fn mean(samples: &[Sample]) -> Estimate {
    bootstrap(samples, |weights| {
        let total: f64 = weights.iter().sum();
        samples.iter().zip(weights).map(|(sample, weight)| weight * sample.value).sum::<f64>() / total
    })
}

fn bootstrap(samples: &[Sample], of: impl Fn(&[f64]) -> f64) -> Estimate {
    if samples.is_empty() {
        return Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN };
    }
    let known = |place: fn(&Sample) -> usize| {
        let mut all: Vec<usize> = samples.iter().map(place).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (brains, people) = (known(|sample| sample.brain), known(|sample| sample.participant));
    let mut random = Random::new(BOOTSTRAP_SEED, samples.len() as u64);
    let mut drawn = |among: &[usize]| {
        let mut counts = vec![0.0; among.last().map_or(0, |last| last + 1)];
        for _ in among {
            counts[among[(random.uniform() * among.len() as f64) as usize]] += 1.0;
        }
        counts
    };
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (brains, people) = (drawn(&brains), drawn(&people));
            let weight = |sample: &Sample| brains[sample.brain] * people[sample.participant];
            of(&samples.iter().map(weight).collect::<Vec<f64>>())
        })
        // Where some sessions failed, a resample may be empty.
        .filter(|value| !value.is_nan())
        .collect();
    resampled.sort_by(f64::total_cmp);
    let at = |part: f64| match resampled.len() {
        0 => f64::NAN,
        count => resampled[((count - 1) as f64 * part).round() as usize],
    };
    Estimate { value: of(&vec![1.0; samples.len()]), low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossed(of: impl Fn(usize, usize) -> f64) -> Vec<Sample> {
        (0..12)
            .flat_map(|brain| (0..10).map(move |participant| (brain, participant)))
            .map(|(brain, participant)| Sample { brain, participant, value: of(brain, participant) })
            .collect()
    }

    #[test]
    fn brains_that_differ_widen_the_interval_however_many_people_there_are() {
        let mut random = Random::new(3, 0);
        let of_brain: Vec<f64> = (0..12).map(|_| random.normal()).collect();
        let noise: Vec<f64> = (0..120).map(|_| random.normal()).collect();
        let between = mean(&crossed(|brain, _| of_brain[brain]));
        let within = mean(&crossed(|brain, participant| noise[10 * brain + participant]));
        let width = |e: Estimate| e.high - e.low;
        let mean_of = of_brain.iter().sum::<f64>() / 12.0;
        let sd = (of_brain.iter().map(|v| (v - mean_of) * (v - mean_of)).sum::<f64>() / 11.0).sqrt();
        // That of a mean of 12, not of 120.
        let expected = 2.0 * 1.96 * sd / 12f64.sqrt();
        assert!((width(between) / expected - 1.0).abs() < 0.25, "{} {expected}", width(between));
        // Of independent sessions the pigeonhole bootstrap makes three times the variance, and no more (Owen 2007).
        let mean_of_noise = noise.iter().sum::<f64>() / 120.0;
        let square = noise.iter().map(|v| (v - mean_of_noise) * (v - mean_of_noise)).sum::<f64>() / 119.0;
        let most = 2.0 * 1.96 * (3.0 * square / 120.0).sqrt();
        assert!((width(within) / most - 1.0).abs() < 0.25, "{} {most}", width(within));
        assert!((between.value - mean_of).abs() < 1e-12);
    }

    #[test]
    fn the_median_of_sessions_that_mostly_never_end_is_infinite() {
        let mostly = median(&crossed(|brain, _| if brain < 5 { 40.0 + brain as f64 } else { f64::INFINITY }));
        assert!(
            mostly.value.is_infinite() && mostly.high.is_infinite() && mostly.low.is_finite(),
            "{mostly:?}"
        );
        let rarely = median(&crossed(|brain, _| if brain < 11 { brain as f64 } else { f64::INFINITY }));
        assert_eq!(rarely.value, 6.0);
        assert!(rarely.low >= 1.0 && rarely.high.is_finite());
        assert!(median(&[]).value.is_nan());
    }
}
