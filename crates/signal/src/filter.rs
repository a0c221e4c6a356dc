//! Causal filters as cascades of second-order sections.

use core::f64::consts::PI;
use thiserror::Error;

/// Why a filter cannot be designed.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum DesignError {
    /// A corner is not inside the band that the sampling rate allows.
    #[error("{what} of {value_hz} Hz: allowed is 0 < f < {nyquist_hz} Hz, half the sampling rate")]
    Frequency {
        /// Which frequency.
        what: &'static str,
        /// Its value.
        value_hz: f64,
        /// Half the sampling rate.
        nyquist_hz: f64,
    },
    /// The order of the filter.
    #[error("filter order {order}: allowed is 1..=12")]
    Order {
        /// The order asked for.
        order: usize,
    },
}

/// Coefficients of one section, normalised to `a0 = 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Section {
    b: [f64; 3],
    a: [f64; 2],
}

/// A causal filter for a fixed number of channels; the state of each channel is its own.
///
/// Sections run in transposed direct form II. Streaming is exact: any cut into chunks gives the same bits, because
/// there is only [`Cascade::step`], which takes one row.
#[derive(Debug, Clone)]
pub struct Cascade {
    sections: Vec<Section>,
    /// Two numbers per section and channel, section-major within a channel.
    state: Vec<[f64; 2]>,
    channels: usize,
}

impl Cascade {
    /// Butterworth low-pass of order `order` with its -3 dB point at `corner_hz` (bilinear transform with prewarping;
    /// Oppenheim and Schafer, Discrete-Time Signal Processing, 7.1).
    ///
    /// # Errors
    /// When the corner is not below half the rate or the order is not 1..=12.
    pub fn lowpass(order: usize, corner_hz: f64, rate_hz: f64, channels: usize) -> Result<Self, DesignError> {
        let k = prewarp("low-pass corner", corner_hz, rate_hz)?;
        let sections = poles(order)?.map(|pole| match pole {
            Pole::Pair { damping } => {
                let norm = 1.0 / (1.0 + damping * k + k * k);
                let b = k * k * norm;
                Section { b: [b, 2.0 * b, b], a: pair_feedback(k, damping, norm) }
            }
            Pole::Real => {
                let norm = 1.0 / (1.0 + k);
                Section { b: [k * norm, k * norm, 0.0], a: [(k - 1.0) * norm, 0.0] }
            }
        });
        Ok(Self::of(sections.collect(), channels))
    }

    /// Butterworth high-pass of order `order` with its -3 dB point at `corner_hz`.
    ///
    /// # Errors
    /// As [`Cascade::lowpass`].
    pub fn highpass(
        order: usize,
        corner_hz: f64,
        rate_hz: f64,
        channels: usize,
    ) -> Result<Self, DesignError> {
        let k = prewarp("high-pass corner", corner_hz, rate_hz)?;
        let sections = poles(order)?.map(|pole| match pole {
            Pole::Pair { damping } => {
                let norm = 1.0 / (1.0 + damping * k + k * k);
                Section { b: [norm, -2.0 * norm, norm], a: pair_feedback(k, damping, norm) }
            }
            Pole::Real => {
                let norm = 1.0 / (1.0 + k);
                Section { b: [norm, -norm, 0.0], a: [(k - 1.0) * norm, 0.0] }
            }
        });
        Ok(Self::of(sections.collect(), channels))
    }

    /// High-pass and low-pass of order `order` each, one after the other: -3 dB at both corners when they lie apart.
    ///
    /// # Errors
    /// As [`Cascade::lowpass`], and when the band is empty.
    pub fn bandpass(
        order: usize,
        band_hz: [f64; 2],
        rate_hz: f64,
        channels: usize,
    ) -> Result<Self, DesignError> {
        if band_hz[0] >= band_hz[1] {
            return Err(DesignError::Frequency {
                what: "lower edge at or above the upper edge, band",
                value_hz: band_hz[0],
                nyquist_hz: rate_hz / 2.0,
            });
        }
        let mut sections = Self::highpass(order, band_hz[0], rate_hz, channels)?.sections;
        sections.extend(Self::lowpass(order, band_hz[1], rate_hz, channels)?.sections);
        Ok(Self::of(sections, channels))
    }

    /// Notch with a -3 dB width of `notch_hz / quality` (Orfanidis, Introduction to Signal
    /// Processing, 11.3: exact width).
    ///
    /// # Errors
    /// When the frequency or the width is not below half the rate.
    pub fn notch(notch_hz: f64, quality: f64, rate_hz: f64, channels: usize) -> Result<Self, DesignError> {
        prewarp("notch", notch_hz, rate_hz)?;
        let width = prewarp("notch width", notch_hz / quality, rate_hz)?;
        let gain = 1.0 / (1.0 + width);
        let mid = -2.0 * gain * libm::cos(2.0 * PI * notch_hz / rate_hz);
        let section = Section { b: [gain, mid, gain], a: [mid, 2.0 * gain - 1.0] };
        Ok(Self::of(vec![section], channels))
    }

    fn of(sections: Vec<Section>, channels: usize) -> Self {
        let state = vec![[0.0; 2]; sections.len() * channels];
        Self { sections, state, channels }
    }

    /// Values per row.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Forgets the past: the state of a filter that has seen zeros for ever.
    pub fn reset(&mut self) {
        self.state.fill([0.0; 2]);
    }

    /// The state of a filter that has seen `row` for ever, so that an offset at the start makes no transient.
    /// `row` must have the filter's channels.
    pub fn settle(&mut self, row: &[f64]) {
        debug_assert_eq!(row.len(), self.channels);
        for (states, &value) in self.state.chunks_exact_mut(self.sections.len()).zip(row) {
            let mut x = value;
            for (s, state) in self.sections.iter().zip(states) {
                let y = x * (s.b[0] + s.b[1] + s.b[2]) / (1.0 + s.a[0] + s.a[1]);
                state[1] = s.b[2] * x - s.a[1] * y;
                state[0] = s.b[1] * x - s.a[0] * y + state[1];
                x = y;
            }
        }
    }

    /// Filters one row in place. Values must be finite: one NaN would stay in the state for ever.
    pub fn step(&mut self, row: &mut [f64]) {
        debug_assert_eq!(row.len(), self.channels);
        for (states, value) in self.state.chunks_exact_mut(self.sections.len()).zip(row) {
            let mut x = *value;
            for (s, state) in self.sections.iter().zip(states) {
                let y = s.b[0] * x + state[0];
                state[0] = s.b[1] * x - s.a[0] * y + state[1];
                state[1] = s.b[2] * x - s.a[1] * y;
                x = y;
            }
            *value = x;
        }
    }

    /// Magnitude of the frequency response.
    pub fn magnitude(&self, frequency_hz: f64, rate_hz: f64) -> f64 {
        let w = 2.0 * PI * frequency_hz / rate_hz;
        let (c1, s1, c2, s2) = (libm::cos(w), libm::sin(w), libm::cos(2.0 * w), libm::sin(2.0 * w));
        self.sections.iter().fold(1.0, |product, s| {
            let numerator = libm::hypot(s.b[0] + s.b[1] * c1 + s.b[2] * c2, s.b[1] * s1 + s.b[2] * s2);
            let denominator = libm::hypot(1.0 + s.a[0] * c1 + s.a[1] * c2, s.a[0] * s1 + s.a[1] * s2);
            product * numerator / denominator
        })
    }
}

enum Pole {
    /// A conjugate pair; `damping` is `1/Q`.
    Pair { damping: f64 },
    /// The real pole of an odd order.
    Real,
}

/// Poles of the analogue prototype: on the unit circle at equal angles.
fn poles(order: usize) -> Result<impl Iterator<Item = Pole>, DesignError> {
    if !(1..=12).contains(&order) {
        return Err(DesignError::Order { order });
    }
    let pairs = (0..order / 2)
        .map(move |i| Pole::Pair { damping: 2.0 * libm::sin(PI * (2 * i + 1) as f64 / (2 * order) as f64) });
    Ok(pairs.chain((order % 2 == 1).then_some(Pole::Real)))
}

fn pair_feedback(k: f64, damping: f64, norm: f64) -> [f64; 2] {
    [2.0 * (k * k - 1.0) * norm, (1.0 - damping * k + k * k) * norm]
}

fn prewarp(what: &'static str, value_hz: f64, rate_hz: f64) -> Result<f64, DesignError> {
    let nyquist_hz = rate_hz / 2.0;
    if value_hz > 0.0 && value_hz < nyquist_hz {
        Ok(libm::tan(PI * value_hz / rate_hz))
    } else {
        Err(DesignError::Frequency { what, value_hz, nyquist_hz })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn db(x: f64) -> f64 {
        20.0 * x.log10()
    }

    #[test]
    fn minus_three_db_at_the_corners() {
        for order in 1..=8 {
            let low = Cascade::lowpass(order, 40.0, 250.0, 1).unwrap();
            let high = Cascade::highpass(order, 1.0, 250.0, 1).unwrap();
            for (filter, corner) in [(&low, 40.0), (&high, 1.0)] {
                assert!((db(filter.magnitude(corner, 250.0)) + 3.0103).abs() < 1e-3, "order {order}");
            }
            assert!((low.magnitude(1e-3, 250.0) - 1.0).abs() < 1e-6);
            assert!((high.magnitude(124.9, 250.0) - 1.0).abs() < 1e-6);
            // 6 dB per octave and order, far from Nyquist
            let slope = db(high.magnitude(0.02, 250.0)) - db(high.magnitude(0.01, 250.0));
            assert!((slope - 6.0206 * order as f64).abs() < 0.05, "order {order}: {slope}");
        }
        let notch = Cascade::notch(50.0, 25.0, 250.0, 1).unwrap();
        assert!(notch.magnitude(50.0, 250.0) < 1e-9 && notch.magnitude(30.0, 250.0) > 0.99);
        assert!((db(notch.magnitude(51.0, 250.0)) + 3.0).abs() < 0.2);
    }

    #[test]
    fn measured_sine_agrees_with_the_magnitude_and_the_impulse_dies() {
        let mut filter = Cascade::bandpass(4, [6.0, 45.0], 256.0, 1).unwrap();
        let mut peak = 0.0f64;
        for n in 0..4096 {
            let mut row = [(2.0 * PI * 45.0 * n as f64 / 256.0 + 0.3).sin()];
            filter.step(&mut row);
            if n > 2048 {
                peak = peak.max(row[0].abs());
            }
        }
        assert!((peak - filter.magnitude(45.0, 256.0)).abs() < 1e-3, "{peak}");
        for order in 1..=12 {
            let mut filter = Cascade::highpass(order, 0.5, 1000.0, 1).unwrap();
            let mut last = 0.0f64;
            for n in 0..40_000 {
                let mut row = [f64::from(n == 0)];
                filter.step(&mut row);
                last = row[0].abs();
            }
            assert!(last < 1e-9, "order {order}: {last}");
        }
    }

    #[test]
    fn settle_leaves_no_transient() {
        let mut filter = Cascade::bandpass(4, [1.0, 45.0], 250.0, 2).unwrap();
        filter.settle(&[4000.0, -20.0]);
        for _ in 0..500 {
            let mut row = [4000.0, -20.0];
            filter.step(&mut row);
            assert!(row.iter().all(|v| v.abs() < 1e-6), "{row:?}");
        }
        let mut low = Cascade::lowpass(3, 10.0, 250.0, 1).unwrap();
        low.settle(&[7.0]);
        let mut row = [7.0];
        low.step(&mut row);
        assert!((row[0] - 7.0).abs() < 1e-12);
    }

    #[test]
    fn refuses_what_cannot_be() {
        assert!(Cascade::lowpass(4, 125.0, 250.0, 1).is_err());
        assert!(Cascade::lowpass(4, f64::NAN, 250.0, 1).is_err());
        assert!(Cascade::lowpass(0, 10.0, 250.0, 1).is_err());
        assert!(Cascade::bandpass(4, [45.0, 6.0], 256.0, 1).is_err());
    }

    proptest! {
        /// One channel of a filter for many gives what a filter for one gives: no state is shared.
        #[test]
        fn channels_are_apart(values in prop::collection::vec(-100.0f64..100.0, 3..300)) {
            let mut three = Cascade::bandpass(3, [2.0, 30.0], 200.0, 3).unwrap();
            let mut one = Cascade::bandpass(3, [2.0, 30.0], 200.0, 1).unwrap();
            for row in values.chunks_exact(3) {
                let mut all = [row[0], row[1], row[2]];
                let mut single = [row[1]];
                three.step(&mut all);
                one.step(&mut single);
                prop_assert_eq!(all[1].to_bits(), single[0].to_bits());
            }
        }
    }
}
