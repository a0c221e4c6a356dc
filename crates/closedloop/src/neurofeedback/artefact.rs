//! Blinks, muscle and dead channels, found in short segments of the raw samples.

use signal::{Cascade, DesignError};

/// What counts as an artefact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArtefactPlan {
    /// A blink or movement: peak to peak in any channel above this, in uV.
    pub blink_uv: f64,
    /// Muscle: root mean square above `muscle_from_hz` in any channel above this, in uV.
    pub muscle_uv: f64,
    /// Corner of the high-pass before that (Butterworth, second order).
    pub muscle_from_hz: f64,
    /// Dead: peak to peak at most this, in uV, in a channel that was alive before.
    pub flat_uv: f64,
    /// Length of the segments that are judged.
    pub segment_s: f64,
}

/// The kinds, with the codes that notices give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtefactKind {
    /// Peak to peak too large.
    Blink = 1,
    /// Too much at high frequencies.
    Muscle = 2,
    /// No change.
    Flat = 3,
}

/// An artefact in one segment of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Artefact {
    /// What it is; the first of the kinds, in their order, in the first channel that shows it.
    pub kind: ArtefactKind,
    /// The channel.
    pub channel: usize,
    /// What was measured, in uV.
    pub value_uv: f64,
    /// First sample of the segment.
    pub first_sample: u64,
    /// Sample after its last.
    pub end_sample: u64,
}

/// Judges segments of samples; segments begin at multiples of their length, so chunks do not matter.
#[derive(Debug, Clone)]
pub struct ArtefactWatch {
    plan: ArtefactPlan,
    segment: u64,
    filter: Cascade,
    row: Vec<f64>,
    filtered: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    square: Vec<f64>,
    alive: Vec<bool>,
    next: Option<u64>,
    taken: u64,
}

impl ArtefactWatch {
    /// For `channels` at `rate_hz`.
    ///
    /// # Errors
    /// When the high-pass cannot be designed at this rate.
    pub fn prepare(plan: ArtefactPlan, channels: usize, rate_hz: f64) -> Result<Self, DesignError> {
        Ok(Self {
            plan,
            segment: (libm::round(plan.segment_s * rate_hz) as u64).max(2),
            filter: Cascade::highpass(2, plan.muscle_from_hz, rate_hz, channels)?,
            row: vec![0.0; channels],
            filtered: vec![0.0; channels],
            low: vec![f64::INFINITY; channels],
            high: vec![f64::NEG_INFINITY; channels],
            square: vec![0.0; channels],
            alive: vec![false; channels],
            next: None,
            taken: 0,
        })
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.filter.reset();
        self.row.fill(0.0);
        self.alive.fill(false);
        self.next = None;
        self.clear();
    }

    /// Takes one row of samples; when it ends a segment with an artefact, that.
    pub fn step(&mut self, index: u64, values: &[f64]) -> Option<Artefact> {
        let restarted = self.next != Some(index);
        if restarted {
            self.clear();
        }
        self.next = Some(index + 1);
        let columns = self.row.iter_mut().zip(values).zip(self.low.iter_mut().zip(&mut self.high));
        for ((row, &value), (low, high)) in columns {
            // A hole is not an artefact of the person; the last value stands in for it, as in the decoders.
            if value.is_finite() {
                *row = value;
            }
            *low = low.min(*row);
            *high = high.max(*row);
        }
        self.filter(restarted);
        self.taken += 1;
        if !(index + 1).is_multiple_of(self.segment) {
            return None;
        }
        // A segment that began in its middle says too little.
        let found = if self.taken == self.segment { self.judge(index + 1) } else { None };
        self.clear();
        found
    }

    fn filter(&mut self, restarted: bool) {
        // The filter works in place, and the row has to stay as it came.
        self.filtered.copy_from_slice(&self.row);
        if restarted {
            self.filter.settle(&self.filtered);
        }
        self.filter.step(&mut self.filtered);
        for (square, value) in self.square.iter_mut().zip(&self.filtered) {
            *square += value * value;
        }
    }

    fn judge(&mut self, end_sample: u64) -> Option<Artefact> {
        let channels = 0..self.row.len();
        let range = |c: usize| self.high[c] - self.low[c];
        let rms = |c: usize| libm::sqrt(self.square[c] / self.segment as f64);
        let blink = channels.clone().find(|&c| range(c) > self.plan.blink_uv);
        let muscle = channels.clone().find(|&c| rms(c) > self.plan.muscle_uv);
        let flat = channels.clone().find(|&c| range(c) <= self.plan.flat_uv && self.alive[c]);
        let found = blink
            .map(|c| (ArtefactKind::Blink, c, range(c)))
            .or(muscle.map(|c| (ArtefactKind::Muscle, c, rms(c))))
            .or(flat.map(|c| (ArtefactKind::Flat, c, range(c))));
        let (low, high, flat_uv) = (&self.low, &self.high, self.plan.flat_uv);
        for (alive, (low, high)) in self.alive.iter_mut().zip(low.iter().zip(high)) {
            *alive |= high - low > flat_uv;
        }
        found.map(|(kind, channel, value_uv)| Artefact {
            kind,
            channel,
            value_uv,
            first_sample: end_sample - self.segment,
            end_sample,
        })
    }

    fn clear(&mut self) {
        self.low.fill(f64::INFINITY);
        self.high.fill(f64::NEG_INFINITY);
        self.square.fill(0.0);
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: ArtefactPlan =
        ArtefactPlan { blink_uv: 120.0, muscle_uv: 15.0, muscle_from_hz: 40.0, flat_uv: 0.5, segment_s: 0.2 };

    /// Two channels at 250 Hz with alpha and noise; `edit` may change a row.
    fn watch(edit: impl Fn(f64, &mut [f64; 2])) -> Vec<Artefact> {
        let mut random = random::Random::new(1, 1);
        let mut watch = ArtefactWatch::prepare(PLAN, 2, 250.0).unwrap();
        let mut found = Vec::new();
        for n in 0..2500u64 {
            let t = n as f64 / 250.0;
            let alpha = 15.0 * (2.0 * std::f64::consts::PI * 10.0 * t).sin();
            let mut row = [alpha + 4.0 * random.normal(), 0.5 * alpha + 4.0 * random.normal()];
            edit(t, &mut row);
            found.extend(watch.step(n, &row));
        }
        found
    }

    #[test]
    fn background_is_none_and_each_kind_is_found_where_it_is() {
        assert_eq!(watch(|_, _| ()), []);
        let blinks = watch(|t, row| {
            if (4.0..4.3).contains(&t) {
                row[0] += 250.0 * (std::f64::consts::PI * (t - 4.0) / 0.3).sin();
            }
        });
        assert!(!blinks.is_empty() && blinks.iter().all(|a| a.kind == ArtefactKind::Blink && a.channel == 0));
        assert!(blinks.iter().all(|a| a.end_sample > 1000 && a.first_sample < 1075));
        let muscle = watch(|t, row| {
            if (4.0..5.0).contains(&t) {
                row[1] += 40.0 * (2.0 * std::f64::consts::PI * 70.0 * t).sin();
            }
        });
        assert_eq!(muscle.len(), 5, "{muscle:?}");
        assert!(muscle.iter().all(|a| a.kind == ArtefactKind::Muscle && a.channel == 1));
        let flat = watch(|t, row| {
            if t >= 8.0 {
                row[1] = 3.0;
            }
        });
        assert_eq!(flat.len(), 10);
        assert!(flat.iter().all(|a| a.kind == ArtefactKind::Flat && a.channel == 1));
    }

    #[test]
    fn a_channel_that_never_lived_freezes_nothing() {
        assert_eq!(watch(|_, row| row[1] = 0.0), []);
    }

    #[test]
    fn holes_and_gaps_are_no_artefacts() {
        assert_eq!(watch(|t, row| row[0] = if t % 1.0 < 0.01 { f64::NAN } else { row[0] }), []);
        let mut watch = ArtefactWatch::prepare(PLAN, 1, 250.0).unwrap();
        // From 0 to 1 mV between two runs: a step of the offset, not of the person.
        let found = (0..100).chain(1010..1400).filter_map(|n: u64| {
            watch.step(n, &[if n < 1000 { (n % 7) as f64 } else { 1000.0 + (n % 7) as f64 }])
        });
        assert_eq!(found.count(), 0);
    }
}
