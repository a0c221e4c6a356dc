//! A person fitted to a recorded session: the brain of a [`crate::Person`] with the course of gain and the noise of one day.

use std::sync::Arc;

use crate::background::Background;

/// What one day had, besides the person.
#[derive(Debug, Clone)]
pub struct Day {
    /// Amplitude of the response by channel, in the order of [`crate::Setup::channels`], relative to the channel in whose unit
    /// the gain is. Any channels will do.
    pub topography: Vec<f64>,
    /// The gain's course: natural logarithm of microvolts for full drive, at knots.
    pub ln_gain_uv: Arc<[f64]>,
    /// Samples from one knot to the next; the first stands at the first sample. Straight lines in between.
    pub knot_samples: f64,
    /// Everything in the samples that is not the response, samples x channels, in uV. After its end it is read backwards,
    /// and forwards again: a session that lasts a little longer finds no jump.
    pub noise_uv: Arc<[f64]>,
}

/// What an electrode picks up besides the response: made from a seed, or as it was on a day.
#[derive(Debug, Clone)]
pub(crate) enum Noise {
    Made(Box<Background>),
    Recorded { rows_uv: Arc<[f64]>, next: usize },
}

impl Noise {
    /// Adds one sample to each channel.
    pub(crate) fn add(&mut self, out: &mut [f64]) {
        match self {
            Self::Made(background) => background.add(out),
            Self::Recorded { rows_uv, next } => {
                let channels = out.len();
                let rows = rows_uv.len() / channels.max(1);
                if rows > 0 {
                    let row = *next % (2 * rows);
                    let row = if row < rows { row } else { 2 * rows - 1 - row };
                    for (place, uv) in out.iter_mut().zip(&rows_uv[row * channels..]) {
                        *place += uv;
                    }
                }
                *next += 1;
            }
        }
    }

    /// The true alpha rhythm ([`Background::alpha_uv`]); that of a recorded day nobody knows.
    pub(crate) fn alpha_uv(&self, weights: &[f64]) -> [f64; 2] {
        match self {
            Self::Made(background) => background.alpha_uv(weights),
            Self::Recorded { .. } => [f64::NAN; 2],
        }
    }

    /// Power of the alpha rhythm, 1 on average ([`Background::alpha_power`]); that of a recorded day nobody knows.
    pub(crate) fn alpha_power(&self) -> f64 {
        match self {
            Self::Made(background) => background.alpha_power(),
            Self::Recorded { .. } => 1.0,
        }
    }

    /// Takes over the state of `fresh`, a clone, without allocating.
    pub(crate) fn restore(&mut self, fresh: &Self) {
        match (self, fresh) {
            (Self::Made(background), Self::Made(fresh)) => background.restore(fresh),
            (Self::Recorded { next, .. }, _) => *next = 0,
            (Self::Made(_), Self::Recorded { .. }) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flicker, FlickerKind, Participant, Setup, Waveform, nominal};

    #[test]
    fn noise_and_gain_are_those_of_the_day_and_come_again_after_a_reset() {
        let setup = Setup {
            rate_hz: 100.0,
            channels: vec!["A1".into(), "X9".into()],
            retina_width: 40,
            retina_height: 40,
            cells_per_deg: 4.0,
            cells_per_cycle: 4.0,
            pixels_per_cell: 1,
            refresh_hz: 60.0,
            flicker: Flicker { kind: FlickerKind::Counterphase, hz: 7.5, waveform: Waveform::Sine },
            seed: 1,
        };
        let day = Day {
            topography: vec![1.0, 0.5],
            ln_gain_uv: Arc::new([0.0, 1.0, 1.0]),
            knot_samples: 2.0,
            noise_uv: Arc::new([1.0, 2.0, 3.0, 4.0]),
        };
        let mut participant = Participant::on_day(nominal(), &setup, day).unwrap();
        for _ in 0..2 {
            let mut rows = Vec::new();
            let mut gains = Vec::new();
            for sample in 0..5 {
                let mut row = [0.0; 2];
                participant.sample(sample * 10_000_000, &mut row);
                rows.push(row);
                gains.push(participant.true_gain_uv().ln());
            }
            assert_eq!(rows, [[1.0, 2.0], [3.0, 4.0], [3.0, 4.0], [1.0, 2.0], [1.0, 2.0]]);
            assert!(
                gains.iter().zip([0.0, 0.5, 1.0, 1.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-12),
                "{gains:?}"
            );
            participant.reset();
        }
    }
}
