//! Durations, counted in buckets that were allocated beforehand.

use crate::config::Spread;

/// Buckets per doubling: a percentile is read with an error below 1/512, so that an interval of 16.67 ms reads as such.
const PER_OCTAVE: usize = 512;
const OCTAVES: usize = 40;

/// Counts durations in ns. Recording neither allocates nor fails.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    max_ns: i64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; PER_OCTAVE * OCTAVES], count: 0, max_ns: 0 }
    }

    pub(crate) fn record(&mut self, ns: i64) {
        let bucket = bucket_of(ns.max(1) as u64).min(self.buckets.len() - 1);
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub(crate) fn spread(&self) -> Spread {
        let us = |quantile| self.quantile_ns(quantile).min(self.max_ns as f64) / 1e3;
        Spread { count: self.count, p50_us: us(0.5), p99_us: us(0.99), max_us: self.max_ns as f64 / 1e3 }
    }

    pub(crate) fn quantile_ns(&self, quantile: f64) -> f64 {
        let rank = (quantile * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return upper_edge_ns(bucket);
            }
        }
        0.0
    }
}

/// Octave from the leading bit, place in it from the bits after it.
fn bucket_of(ns: u64) -> usize {
    let octave = ns.ilog2() as usize;
    let place = ((u128::from(ns) * PER_OCTAVE as u128) >> octave) as usize - PER_OCTAVE;
    octave * PER_OCTAVE + place
}

fn upper_edge_ns(bucket: usize) -> f64 {
    let (octave, place) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    (1.0 + (place + 1) as f64 / PER_OCTAVE as f64) * 2f64.powi(octave as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut histogram = Histogram::new();
        for us in 1..=1000 {
            histogram.record(us * 1000);
        }
        let spread = histogram.spread();
        assert!((spread.p50_us / 500.0 - 1.0).abs() < 0.004, "{spread:?}");
        assert!((spread.p99_us / 990.0 - 1.0).abs() < 0.004, "{spread:?}");
        assert_eq!((spread.count, spread.max_us), (1000, 1000.0));
    }

    #[test]
    fn extremes_do_not_leave_the_buckets() {
        let mut histogram = Histogram::new();
        for ns in [i64::MIN, -1, 0, 1, i64::MAX] {
            histogram.record(ns);
        }
        assert_eq!(histogram.spread().count, 5);
        assert_eq!(Histogram::new().spread(), Spread::default());
    }
}
