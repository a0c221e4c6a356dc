//! Complex amplitudes at a reference phase and at the frequencies beside it, over a sliding window.

use core::f64::consts::PI;

/// Offsets of the bins from the reference, in units of one over the window: the reference itself, then its neighbours.
/// The bins right beside it are left out: a contrast that changes within the window leaks into them.
pub const BINS: [i32; 9] = [0, -5, -4, -3, -2, 2, 3, 4, 5];

/// Sums `x exp(-i phase)` over segments; a window is the sum of the last segments.
///
/// The window is rectangular. All bins are whole multiples of one over the window apart, so they are orthogonal, and of
/// all windows of its length this one has the smallest variance in locally white noise; its delay is exactly half its
/// length. Slow and large signals are the business of the high-pass in front. Work per sample is constant (one sine and
/// cosine and `channels * 9` complex products), so that no update is dearer than another.
#[derive(Debug, Clone)]
pub struct Demodulator {
    channels: usize,
    segment: usize,
    segments: usize,
    /// `exp(-2 pi i m / window)`.
    table: Vec<[f64; 2]>,
    /// Ring of sums: segment, bin, channel.
    sums: Vec<[f64; 2]>,
    usable: Vec<bool>,
    current: usize,
    filled: usize,
    /// Samples in the current segment.
    position: usize,
    /// Samples since the reset, modulo the window.
    phase: usize,
}

impl Demodulator {
    /// For windows of `segments` segments of `segment` samples (both at least 1).
    pub fn new(channels: usize, segment: usize, segments: usize) -> Self {
        let (segment, segments) = (segment.max(1), segments.max(1));
        let window = segment * segments;
        let table = (0..window)
            .map(|m| {
                let angle = 2.0 * PI * m as f64 / window as f64;
                [libm::cos(angle), -libm::sin(angle)]
            })
            .collect();
        Self {
            channels,
            segment,
            segments,
            table,
            // One more than a window: the segment that is being filled.
            sums: vec![[0.0; 2]; (segments + 1) * BINS.len() * channels],
            usable: vec![false; segments + 1],
            current: 0,
            filled: 0,
            position: 0,
            phase: 0,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.sums.fill([0.0; 2]);
        self.usable.fill(false);
        (self.current, self.filled, self.position, self.phase) = (0, 0, 0, 0);
    }

    /// Samples per segment.
    pub fn segment_samples(&self) -> usize {
        self.segment
    }

    /// Segments per window.
    pub fn window_segments(&self) -> usize {
        self.segments
    }

    /// Takes one row at a reference phase given in cycles. `true` when it was the last of its segment, which then must
    /// be closed by [`Demodulator::close`].
    #[must_use]
    pub fn push(&mut self, row: &[f64], cycles: f64) -> bool {
        debug_assert_eq!(row.len(), self.channels);
        debug_assert!(self.position < self.segment);
        let window = self.table.len();
        let turn = 2.0 * PI * (cycles - libm::floor(cycles));
        let carrier = [libm::cos(turn), -libm::sin(turn)];
        let width = BINS.len() * self.channels;
        let sums = &mut self.sums[self.current * width..(self.current + 1) * width];
        for (bin, sums) in BINS.iter().zip(sums.chunks_exact_mut(self.channels)) {
            let beside = self.table[(bin.rem_euclid(window as i32) as usize * self.phase) % window];
            let [re, im] = [
                carrier[0] * beside[0] - carrier[1] * beside[1],
                carrier[0] * beside[1] + carrier[1] * beside[0],
            ];
            for (sum, value) in sums.iter_mut().zip(row) {
                sum[0] += value * re;
                sum[1] += value * im;
            }
        }
        self.phase = (self.phase + 1) % window;
        self.position += 1;
        self.position == self.segment
    }

    /// Closes the segment and starts the next; one that is not `usable` does not count in windows.
    pub fn close(&mut self, usable: bool) {
        self.usable[self.current] = usable;
        self.current = (self.current + 1) % self.usable.len();
        self.filled = (self.filled + 1).min(self.segments);
        self.position = 0;
        let width = BINS.len() * self.channels;
        self.sums[self.current * width..(self.current + 1) * width].fill([0.0; 2]);
    }

    /// Closed segments held, at most a window's.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Complex amplitudes over the `last` closed segments, bin-major (`BINS.len() * channels` values): a signal
    /// `a cos(phase + lag)` gives `a exp(i lag)` at bin 0. Returns how many segments were usable; with none, `out` is
    /// zero. Bins other than 0 are orthogonal only over a whole window.
    pub fn window(&self, last: usize, out: &mut [[f64; 2]]) -> usize {
        let width = BINS.len() * self.channels;
        let out = &mut out[..width];
        out.fill([0.0; 2]);
        let mut used = 0;
        for back in (1..=last.min(self.filled)).rev() {
            let slot = (self.current + self.usable.len() - back) % self.usable.len();
            if !self.usable[slot] {
                continue;
            }
            used += 1;
            for (sum, part) in out.iter_mut().zip(&self.sums[slot * width..(slot + 1) * width]) {
                sum[0] += part[0];
                sum[1] += part[1];
            }
        }
        if used > 0 {
            let scale = 2.0 / (used * self.segment) as f64;
            for value in out {
                *value = [value[0] * scale, value[1] * scale];
            }
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 channels, 10 segments of 25 samples at 250 Hz: windows of one second.
    fn run(
        signal: impl Fn(f64) -> [f64; 2],
        usable: impl Fn(usize) -> bool,
        segments: usize,
    ) -> Vec<[f64; 2]> {
        let mut demodulator = Demodulator::new(2, 25, 10);
        let mut out = vec![[0.0; 2]; 2 * BINS.len()];
        for n in 0..25 * segments {
            let t = n as f64 / 250.0;
            if demodulator.push(&signal(t), 15.0 * t) {
                demodulator.close(usable(n / 25));
            }
        }
        assert_eq!(demodulator.filled(), segments.min(10));
        demodulator.window(10, &mut out);
        out
    }

    #[test]
    fn amplitude_and_lag_are_exact_at_every_window_position() {
        for segments in [10, 11, 17, 23] {
            let signal = |t: f64| {
                let a = 2.0 * PI * 15.0 * t;
                [3.0 * (a + 0.7).cos(), 1.5 * (2.0 * PI * 18.0 * t).cos()]
            };
            let out = run(signal, |_| true, segments);
            assert!(
                (out[0][0] - 3.0 * 0.7f64.cos()).abs() < 1e-9
                    && (out[0][1] - 3.0 * 0.7f64.sin()).abs() < 1e-9
            );
            assert!(out[1][0].abs() < 1e-9);
            for (bin, pair) in BINS.iter().zip(out.chunks_exact(2)) {
                let first = (pair[0][0].powi(2) + pair[0][1].powi(2)).sqrt();
                let second = (pair[1][0].powi(2) + pair[1][1].powi(2)).sqrt();
                assert!((first - if *bin == 0 { 3.0 } else { 0.0 }).abs() < 1e-9, "bin {bin}: {first}");
                assert!((second - if *bin == 3 { 1.5 } else { 0.0 }).abs() < 1e-9, "bin {bin}: {second}");
            }
        }
    }

    #[test]
    fn unusable_segments_do_not_count() {
        let burst = |t: f64| [2.0 * (2.0 * PI * 15.0 * t).cos() + if t < 0.1 { 1e4 } else { 0.0 }, 0.0];
        let out = run(burst, |segment| segment != 0, 10);
        assert!((out[0][0] - 2.0).abs() < 0.2, "{:?}", out[0]);
        let none = run(burst, |_| false, 10);
        assert!(none.iter().all(|v| *v == [0.0; 2]));
    }
}
