//! Temporal modulation that a screen of a given refresh rate can really make.
//!
//! A flicker is a rational number of cycles per frame. What the refresh cannot make is refused, with the nearest
//! frequencies that it can: a toolbox that silently changes the frequency makes its users decode the wrong one.

use std::f64::consts::TAU;

use thiserror::Error;

/// The longest pattern of frames that a sine may need until it repeats. Frequencies and refresh rates that are written
/// with four decimals (59.9513 Hz) stay below it.
const MAX_PERIOD_FRAMES: u64 = 1_000_000;

/// How far (cycles per frame) the rational may lie from the quotient of the two numbers given: their rounding error.
const RATIO_TOLERANCE: f64 = 1e-13;

/// What flickers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlickerKind {
    /// The contrast changes its sign: light and dark bars swap. Twice per cycle the pattern has reversed, and the
    /// cortex answers at twice the frequency.
    Counterphase,
    /// The pattern comes and goes over mean grey; the cortex answers at the frequency itself.
    OnOff,
}

/// The course of the modulation over one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waveform {
    /// Sinusoidal, sampled at the refresh.
    Sine,
    /// Two halves of equal length.
    Square,
}

/// A flicker that the refresh makes exactly: `num / den` cycles per frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flicker {
    kind: FlickerKind,
    waveform: Waveform,
    num: u64,
    den: u64,
    refresh_hz: f64,
}

/// Why a refresh rate cannot make a flicker.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum FlickerError {
    /// Frequency or refresh rate is not a positive number.
    #[error("flicker of {frequency_hz} Hz on a screen of {refresh_hz} Hz: both must be more than 0")]
    NotPositive {
        /// Requested frequency.
        frequency_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
    },
    /// A square wave needs two halves of equally many frames.
    #[error(
        "square flicker of {frequency_hz} Hz needs {frames_per_cycle:.4} frames per cycle at {refresh_hz} Hz, allowed \
         are even whole numbers: {}", nearest(*lower_hz, *higher_hz)
    )]
    SquareFrames {
        /// Requested frequency.
        frequency_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
        /// Frames per cycle that it would need.
        frames_per_cycle: f64,
        /// The next lower frequency that can be made.
        lower_hz: f64,
        /// The next higher frequency that can be made, if there is one.
        higher_hz: Option<f64>,
    },
    /// A sampled sine that is too fast would be seen at another frequency, or with beats.
    #[error(
        "{what} sine flicker of {frequency_hz} Hz is too fast for {refresh_hz} Hz: allowed is {} {limit_hz} Hz, so \
         that a cycle has 4 frames or more and the response at {response_hz} Hz stays below half the refresh rate",
        if *limit_included { "up to" } else { "below" }
    )]
    TooFast {
        /// `counterphase` or `on/off`.
        what: &'static str,
        /// Requested frequency.
        frequency_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
        /// Frequency of the response.
        response_hz: f64,
        /// The bound.
        limit_hz: f64,
        /// Whether the bound itself is allowed.
        limit_included: bool,
    },
    /// The pattern of frames would not repeat within a million frames.
    #[error(
        "flicker of {frequency_hz} Hz at {refresh_hz} Hz is not a ratio of whole numbers up to 1000000: {}",
        nearest(*lower_hz, Some(*higher_hz))
    )]
    NotRational {
        /// Requested frequency.
        frequency_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
        /// A lower frequency that can be made.
        lower_hz: f64,
        /// A higher frequency that can be made.
        higher_hz: f64,
    },
}

fn nearest(lower_hz: f64, higher_hz: Option<f64>) -> String {
    match higher_hz {
        Some(higher_hz) => format!("nearest are {lower_hz:.6} Hz and {higher_hz:.6} Hz"),
        None => format!("nearest is {lower_hz:.6} Hz"),
    }
}

impl Flicker {
    /// Finds the exact realisation of a frequency, or says what is wrong with it.
    ///
    /// - Square: a cycle must have an even whole number of frames (two equal halves), 2 or more.
    /// - Sine: the quotient of the frequencies must be rational (the pattern of frames repeats), a cycle must have 4
    ///   frames or more, and the response (f for on/off, 2 f for counterphase) must stay below half the refresh rate.
    ///
    /// # Errors
    /// When this refresh rate cannot make the frequency; the error names the nearest that it can.
    pub fn realise(
        kind: FlickerKind,
        frequency_hz: f64,
        waveform: Waveform,
        refresh_hz: f64,
    ) -> Result<Self, FlickerError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(frequency_hz) || !positive(refresh_hz) {
            return Err(FlickerError::NotPositive { frequency_hz, refresh_hz });
        }
        let (num, den) = match waveform {
            Waveform::Square => square_ratio(frequency_hz, refresh_hz)?,
            Waveform::Sine => sine_ratio(kind, frequency_hz, refresh_hz)?,
        };
        Ok(Self { kind, waveform, num, den, refresh_hz })
    }

    /// What flickers.
    pub fn kind(&self) -> FlickerKind {
        self.kind
    }

    /// The course over one cycle.
    pub fn waveform(&self) -> Waveform {
        self.waveform
    }

    /// Cycles per frame as a reduced fraction (numerator, denominator). The denominator is the number of frames after
    /// which the pattern repeats.
    pub fn cycles_per_frame(&self) -> (u64, u64) {
        (self.num, self.den)
    }

    /// The realised frequency.
    pub fn frequency_hz(&self) -> f64 {
        self.num as f64 / self.den as f64 * self.refresh_hz
    }

    /// Frequency at which a cortex answers: f for on/off, 2 f for counterphase.
    pub fn response_hz(&self) -> f64 {
        match self.kind {
            FlickerKind::Counterphase => 2.0 * self.frequency_hz(),
            FlickerKind::OnOff => self.frequency_hz(),
        }
    }

    /// Phase of a frame in cycles, 0..1, exact: no drift after any number of frames.
    pub fn cycles_at(&self, frame: u64) -> f64 {
        self.remainder(frame) as f64 / self.den as f64
    }

    /// Whether a frame lies in the first half of its cycle, in which the modulation is above its middle. The
    /// photodiode patch is white there.
    pub fn is_first_half(&self, frame: u64) -> bool {
        2 * self.remainder(frame) < self.den
    }

    /// Modulation of a frame: -1..=1 for counterphase, 0..=1 for on/off. A sine is `sin` of the phase (so the first
    /// frame of a cycle lies in the middle of the range), a square is at its top in the first half.
    pub fn modulation(&self, frame: u64) -> f64 {
        let signed = match self.waveform {
            Waveform::Sine => libm::sin(TAU * self.cycles_at(frame)),
            Waveform::Square => {
                if self.is_first_half(frame) {
                    1.0
                } else {
                    -1.0
                }
            }
        };
        match self.kind {
            FlickerKind::Counterphase => signed,
            FlickerKind::OnOff => 0.5 * (1.0 + signed),
        }
    }

    /// `frame * num mod den`, without overflow because both factors are below 10^6.
    fn remainder(&self, frame: u64) -> u64 {
        (frame % self.den) * self.num % self.den
    }
}

fn square_ratio(frequency_hz: f64, refresh_hz: f64) -> Result<(u64, u64), FlickerError> {
    let frames_per_cycle = refresh_hz / frequency_hz;
    let whole = frames_per_cycle.round();
    let exact = (frames_per_cycle - whole).abs() <= 1e-9 * whole;
    if exact && whole >= 2.0 && whole % 2.0 == 0.0 && whole <= MAX_PERIOD_FRAMES as f64 {
        return Ok((1, whole as u64));
    }
    let shorter = 2.0 * ((frames_per_cycle / 2.0).floor()).min((MAX_PERIOD_FRAMES / 2) as f64);
    let longer = (shorter + 2.0).min(MAX_PERIOD_FRAMES as f64);
    Err(FlickerError::SquareFrames {
        frequency_hz,
        refresh_hz,
        frames_per_cycle,
        lower_hz: refresh_hz / longer,
        higher_hz: (shorter >= 2.0).then(|| refresh_hz / shorter),
    })
}

fn sine_ratio(kind: FlickerKind, frequency_hz: f64, refresh_hz: f64) -> Result<(u64, u64), FlickerError> {
    let ratio = frequency_hz / refresh_hz;
    let (what, response_hz, limit_included, too_fast) = match kind {
        FlickerKind::Counterphase => {
            ("counterphase", 2.0 * frequency_hz, false, ratio >= 0.25 - RATIO_TOLERANCE)
        }
        FlickerKind::OnOff => ("on/off", frequency_hz, true, ratio > 0.25 + RATIO_TOLERANCE),
    };
    if too_fast {
        let limit_hz = refresh_hz / 4.0;
        return Err(FlickerError::TooFast {
            what,
            frequency_hz,
            refresh_hz,
            response_hz,
            limit_hz,
            limit_included,
        });
    }
    rational(ratio).ok_or_else(|| {
        let steps = (ratio * MAX_PERIOD_FRAMES as f64).floor();
        let hz = |steps: f64| steps / MAX_PERIOD_FRAMES as f64 * refresh_hz;
        FlickerError::NotRational {
            frequency_hz,
            refresh_hz,
            lower_hz: hz(steps.max(1.0)),
            higher_hz: hz(steps + 1.0),
        }
    })
}

/// The fraction with the smallest denominator within the tolerance, by continued fractions.
fn rational(ratio: f64) -> Option<(u64, u64)> {
    let (mut before, mut last) = ((0_u64, 1_u64), (1_u64, 0_u64));
    let mut rest = ratio;
    for _ in 0..64 {
        let whole = rest.floor();
        if whole > MAX_PERIOD_FRAMES as f64 {
            return None;
        }
        let whole_part = whole as u64;
        let next = (whole_part * last.0 + before.0, whole_part * last.1 + before.1);
        if next.1 > MAX_PERIOD_FRAMES {
            return None;
        }
        if next.0 > 0 && (next.0 as f64 / next.1 as f64 - ratio).abs() <= RATIO_TOLERANCE {
            return Some(next);
        }
        (before, last) = (last, next);
        rest = 1.0 / (rest - whole);
        if !rest.is_finite() {
            return None;
        }
    }
    None
}
