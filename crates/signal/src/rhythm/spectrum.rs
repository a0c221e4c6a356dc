//! The power spectrum of a stretch of one signal, collected sample by sample.

use core::f64::consts::TAU;

/// Length of a segment: bins of a quarter of a hertz.
const SEGMENT_S: f64 = 4.0;
/// Below are drifts.
const LOWEST_HZ: f64 = 0.75;

/// Welch's averaged periodogram (1967, IEEE Trans. Audio Electroacoust. 15, 70): Hann windows of 4 s that overlap by
/// half, summed as the samples come, so that no step is long.
#[derive(Debug, Clone)]
pub struct RhythmSpectrum {
    length: usize,
    /// The lowest bin kept.
    first: usize,
    /// One turn of the cosine in `length` steps.
    cosine: Vec<f64>,
    halves: [Half; 2],
    position: usize,
    origin: f64,
    sums: Vec<f64>,
    segments: u64,
    rate_hz: f64,
}

#[derive(Debug, Clone)]
struct Half {
    sums: Vec<[f64; 2]>,
    seen: usize,
    running: bool,
}

impl RhythmSpectrum {
    /// For a signal at `rate_hz`; bins up to `highest_hz`, which is kept below half the rate.
    pub fn new(rate_hz: f64, highest_hz: f64) -> Self {
        let length = (libm::round(SEGMENT_S * rate_hz / 4.0) as usize).max(4) * 4;
        let bin_hz = rate_hz / length as f64;
        let first = (libm::ceil(LOWEST_HZ / bin_hz) as usize).max(1);
        let last = ((highest_hz / bin_hz) as usize).clamp(first, length / 2 - 1);
        let bins = last - first + 1;
        let half = Half { sums: vec![[0.0; 2]; bins], seen: 0, running: false };
        Self {
            cosine: (0..length).map(|n| libm::cos(TAU * n as f64 / length as f64)).collect(),
            length,
            first,
            halves: [half.clone(), half],
            position: 0,
            origin: 0.0,
            sums: vec![0.0; bins],
            segments: 0,
            rate_hz,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.sums.fill(0.0);
        self.segments = 0;
        self.cut();
    }

    /// The next sample does not follow the last one: segments begin anew, those that are complete stay.
    pub fn cut(&mut self) {
        self.position = 0;
        for half in &mut self.halves {
            half.running = false;
        }
    }

    /// Takes a sample.
    pub fn step(&mut self, value: f64) {
        if self.position == 0 && !self.halves[0].running {
            self.origin = value;
        }
        let value = value - self.origin;
        for index in 0..2 {
            let begins = if index == 0 { 0 } else { self.length / 2 };
            let half = &mut self.halves[index];
            if self.position == begins {
                half.running = true;
                half.seen = 0;
                half.sums.fill([0.0; 2]);
            }
            if half.running {
                let n = half.seen;
                let windowed = value * (0.5 - 0.5 * self.cosine[n]);
                // The angle of bin k at sample n, as a whole number of steps of the table.
                let mut at = self.first * n % self.length;
                for sum in &mut half.sums {
                    sum[0] += windowed * self.cosine[at];
                    // The sine is the cosine a quarter of a turn earlier.
                    sum[1] += windowed * self.cosine[(at + self.length - self.length / 4) % self.length];
                    at += n;
                    if at >= self.length {
                        at -= self.length;
                    }
                }
                half.seen += 1;
                if half.seen == self.length {
                    self.segments += 1;
                    half.running = false;
                    for (total, sum) in self.sums.iter_mut().zip(&half.sums) {
                        *total += sum[0] * sum[0] + sum[1] * sum[1];
                    }
                }
            }
        }
        self.position = (self.position + 1) % self.length;
    }

    /// Segments in the average.
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.sums.len()
    }

    /// From one bin to the next.
    pub fn bin_hz(&self) -> f64 {
        self.rate_hz / self.length as f64
    }

    /// Frequency of a bin.
    pub fn frequency_hz(&self, bin: usize) -> f64 {
        (self.first + bin) as f64 * self.rate_hz / self.length as f64
    }

    /// One-sided power density of a bin; 0 before the first segment is complete.
    pub fn density(&self, bin: usize) -> f64 {
        // The squares of a Hann window sum to 3/8 of its length.
        let scale = 2.0 / (self.rate_hz * 0.375 * self.length as f64);
        scale * self.sums[bin] / self.segments.max(1) as f64
    }
}
