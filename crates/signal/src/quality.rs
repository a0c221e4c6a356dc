//! How good the channels are, for the report and for notices.

use core::f64::consts::PI;

const MAINS_HZ: [f64; 2] = [50.0, 60.0];
const BESIDE_HZ: f64 = 4.0;
/// Mains, and both sides of it, for each mains frequency.
const TONES: usize = MAINS_HZ.len() * 3;
/// The filter of the running rms forgets in this time.
const DRIFT_S: f64 = 1.0;

/// What is known of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityReport {
    /// Finite samples seen.
    pub samples: u64,
    /// Samples that were not finite.
    pub not_finite: u64,
    /// Root mean square about a mean that drifts with a second, in the unit of the channel.
    pub rms: f64,
    /// Longest stretch without any change.
    pub flat_s: f64,
    /// Amplitude at 50 and 60 Hz over the mean of the amplitudes 4 Hz beside it; about 1 without hum. `None` when the
    /// sampling rate cannot show it or less than a second was seen.
    pub mains_ratio: [Option<f64>; 2],
}

#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    samples: u64,
    not_finite: u64,
    last: f64,
    mean: f64,
    square: f64,
    flat_run: u64,
    flat_longest: u64,
    tones: [[f64; 2]; TONES],
    power: [f64; TONES],
}

/// Running quality of each channel of one stream.
#[derive(Debug, Clone)]
pub struct Quality {
    channels: Vec<Channel>,
    /// Cosine and sine of each tone at each sample of a block of one second.
    table: Vec<[f64; 2]>,
    block: usize,
    position: usize,
    blocks: u64,
    forget: f64,
    rate_hz: f64,
}

impl Quality {
    /// For `channels` at `rate_hz` (which must be at least 1).
    pub fn new(channels: usize, rate_hz: f64) -> Self {
        let block = (libm::round(rate_hz) as usize).max(1);
        let mut table = Vec::with_capacity(block * TONES);
        for n in 0..block {
            for mains in MAINS_HZ {
                for tone in [mains, mains - BESIDE_HZ, mains + BESIDE_HZ] {
                    // Whole cycles per block keep the tones orthogonal; a Hann window keeps drift out of them.
                    let angle = 2.0 * PI * tone * n as f64 / block as f64;
                    let window = 0.5 - 0.5 * libm::cos(2.0 * PI * n as f64 / block as f64);
                    table.push([window * libm::cos(angle), window * libm::sin(angle)]);
                }
            }
        }
        Self {
            channels: vec![Channel::default(); channels],
            table,
            block,
            position: 0,
            blocks: 0,
            forget: 1.0 / (DRIFT_S * rate_hz).max(1.0),
            rate_hz,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.channels.fill(Channel::default());
        self.position = 0;
        self.blocks = 0;
    }

    /// Takes one row.
    pub fn step(&mut self, row: &[f64]) {
        let table = &self.table[self.position * TONES..(self.position + 1) * TONES];
        for (channel, &value) in self.channels.iter_mut().zip(row) {
            if !value.is_finite() {
                channel.not_finite += 1;
                continue;
            }
            if channel.samples == 0 {
                channel.mean = value;
            } else if value == channel.last {
                channel.flat_run += 1;
                channel.flat_longest = channel.flat_longest.max(channel.flat_run);
            } else {
                channel.flat_run = 0;
            }
            channel.last = value;
            channel.samples += 1;
            channel.mean += self.forget * (value - channel.mean);
            let deviation = value - channel.mean;
            channel.square += deviation * deviation;
            for (tone, [cos, sin]) in channel.tones.iter_mut().zip(table) {
                tone[0] += deviation * cos;
                tone[1] += deviation * sin;
            }
        }
        self.position += 1;
        if self.position == self.block {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        self.position = 0;
        self.blocks += 1;
        for channel in &mut self.channels {
            for (tone, power) in channel.tones.iter_mut().zip(&mut channel.power) {
                *power += tone[0] * tone[0] + tone[1] * tone[1];
                *tone = [0.0; 2];
            }
        }
    }

    /// How long the channel has not changed, up to now, in samples.
    pub fn flat_run(&self, channel: usize) -> u64 {
        self.channels.get(channel).map_or(0, |channel| channel.flat_run)
    }

    /// What is known of a channel; `None` beyond the last.
    pub fn report(&self, channel: usize) -> Option<QualityReport> {
        let channel = self.channels.get(channel)?;
        let ratio = |mains: usize| {
            let seen = MAINS_HZ[mains] + BESIDE_HZ < self.rate_hz / 2.0 && self.blocks > 0;
            let amplitude = |tone: usize| libm::sqrt(channel.power[3 * mains + tone]);
            let beside = 0.5 * (amplitude(1) + amplitude(2));
            (seen && beside > 0.0).then(|| amplitude(0) / beside)
        };
        Some(QualityReport {
            samples: channel.samples,
            not_finite: channel.not_finite,
            rms: libm::sqrt(channel.square / (channel.samples.max(1)) as f64),
            flat_s: channel.flat_longest as f64 / self.rate_hz,
            mains_ratio: [ratio(0), ratio(1)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_hum_flatness_and_holes() {
        let mut quality = Quality::new(3, 250.0);
        let mut seed = 1u64;
        for n in 0..2500 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let noise = (seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
            let hum = 3.0 * (2.0 * PI * 50.0 * n as f64 / 250.0).sin();
            let hole = if n % 100 == 7 { f64::NAN } else { 400.0 + noise };
            quality.step(&[noise + hum, 5.0, hole]);
        }
        let [hum, flat, hole] = [0, 1, 2].map(|c| quality.report(c).unwrap());
        assert!(hum.mains_ratio[0].unwrap() > 30.0 && hum.mains_ratio[1].unwrap() < 3.0, "{hum:?}");
        assert!((hum.rms - (4.5f64 + 1.0 / 12.0).sqrt()).abs() < 0.05, "{hum:?}");
        assert!((flat.flat_s - 2499.0 / 250.0).abs() < 1e-9 && quality.flat_run(1) == 2499);
        assert!(flat.mains_ratio[0].is_none());
        assert_eq!((hole.not_finite, hole.samples), (25, 2475));
        assert!(hole.rms.is_finite() && hole.mains_ratio[0].unwrap() < 3.0, "{hole:?}");
        assert!(quality.report(3).is_none());
    }
}
