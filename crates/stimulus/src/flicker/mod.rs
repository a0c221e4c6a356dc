//! Temporal modulation that a screen of a given refresh rate can really make.
//!
//! A flicker is a rational number of cycles per frame. What the refresh cannot make is refused, with the nearest
//! frequencies that it can: a toolbox that silently changes the frequency makes its users decode the wrong one.

mod request;

use std::f64::consts::TAU;

use thiserror::Error;

use crate::repair::neighbours;

pub use request::FlickerRequest;

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
    /// At its top, then at its bottom: two halves of equal length, unless a duty is asked for.
    Square,
}

/// A flicker that the refresh makes exactly: `num / den` cycles per frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flicker {
    kind: FlickerKind,
    waveform: Waveform,
    num: u64,
    den: u64,
    /// Phase of frame 0 in cycles, 0..1; a whole number of frames for a square.
    phase_cycles: f64,
    /// Frames at the top of a square's cycle; half of `den` for a sine.
    on_frames: u64,
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
    /// A square wave needs two halves of equally many frames, or a whole number of frames for any other duty.
    #[error(
        "square flicker of {frequency_hz} Hz needs {frames_per_cycle:.4} frames per cycle at {refresh_hz} Hz, allowed \
         are {}whole numbers: {}", if *halves { "even " } else { "" }, neighbours(*lower_hz, *higher_hz, " Hz")
    )]
    SquareFrames {
        /// Requested frequency.
        frequency_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
        /// Frames per cycle that it would need.
        frames_per_cycle: f64,
        /// Whether the number must be even, for two equal halves.
        halves: bool,
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
        neighbours(*lower_hz, Some(*higher_hz), " Hz")
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
    /// A sampled sinusoid whose response would be seen at another frequency.
    #[error(
        "sampled sine flicker of {frequency_hz} Hz on {refresh_hz} Hz: the response at {response_hz} Hz must stay below \
         half the refresh rate, {} Hz", refresh_hz / 2.0
    )]
    AboveHalfRefresh {
        /// Requested frequency.
        frequency_hz: f64,
        /// Refresh rate.
        refresh_hz: f64,
        /// Frequency of the response.
        response_hz: f64,
    },
    /// The part of a cycle at its top is not a whole number of frames, or none or all of them.
    #[error(
        "duty {duty} of a square flicker with {cycle_frames} frames per cycle: allowed are whole numbers of frames, 1 to \
         {}: {}", cycle_frames - 1, neighbours(*lower, *higher, "")
    )]
    Duty {
        /// Requested part of a cycle.
        duty: f64,
        /// Frames per cycle.
        cycle_frames: u64,
        /// The next lower duty that can be made (the lowest, where there is no lower one).
        lower: f64,
        /// The next higher duty that can be made, if there is one.
        higher: Option<f64>,
    },
    /// A duty that means nothing: not between 0 and 1, or of a sine.
    #[error("duty {duty} of a {waveform} flicker: allowed is {}", if *waveform == "sine" { "0.5" } else { "between 0 and 1" })]
    DutyRange {
        /// Requested part of a cycle.
        duty: f64,
        /// `sine` or `square`.
        waveform: &'static str,
    },
    /// The phase of a square is not a whole number of frames.
    #[error(
        "phase {phase_rad} rad of a square flicker with {cycle_frames} frames per cycle: allowed are whole numbers of \
         frames: {}", neighbours(*lower_rad, Some(*higher_rad), " rad")
    )]
    Phase {
        /// Requested phase.
        phase_rad: f64,
        /// Frames per cycle.
        cycle_frames: u64,
        /// The next lower phase that can be made.
        lower_rad: f64,
        /// The next higher phase that can be made.
        higher_rad: f64,
    },
    /// The phase is not a number.
    #[error("phase {phase_rad} rad of a flicker: it must be a finite number")]
    PhaseNotFinite {
        /// Requested phase.
        phase_rad: f64,
    },
    /// A square in frames that is none.
    #[error(
        "square flicker with {on_frames} of {cycle_frames} frames on: allowed are 2 to {MAX_PERIOD_FRAMES} frames per \
         cycle, 1 or more of them on and 1 or more off"
    )]
    Frames {
        /// Frames per cycle.
        cycle_frames: u64,
        /// Frames at the top.
        on_frames: u64,
    },
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
        positive(frequency_hz, refresh_hz)?;
        let (num, den) = match waveform {
            Waveform::Square => (1, square_cycle(frequency_hz, refresh_hz, true)?),
            Waveform::Sine => sine_ratio(kind, frequency_hz, refresh_hz)?,
        };
        Ok(Self { kind, waveform, num, den, phase_cycles: 0.0, on_frames: den / 2, refresh_hz })
    }

    /// A sinusoid of any frequency and phase, sampled at the refresh: on/off, frame n shows
    /// `0.5 (1 + sin(2 pi f n / refresh + phase))`. Targets of one speller differ in frequency and phase together
    /// (Manyakov et al. 2013, J. Neural Eng. 10, 036011; Chen et al. 2015, PNAS 112, E6058).
    ///
    /// Up to half the refresh, where [`Flicker::realise`] asks for 4 frames per cycle: the frames of a fast one swell
    /// and fade, because the light holds as much at refresh - f as at f, but what lies below half the refresh is f alone.
    ///
    /// # Errors
    /// When the pattern does not repeat within a million frames, or the response (f for on/off, 2 f for counterphase)
    /// does not stay below half the refresh rate.
    pub fn sampled_sine(
        kind: FlickerKind,
        frequency_hz: f64,
        phase_rad: f64,
        refresh_hz: f64,
    ) -> Result<Self, FlickerError> {
        positive(frequency_hz, refresh_hz)?;
        if !phase_rad.is_finite() {
            return Err(FlickerError::PhaseNotFinite { phase_rad });
        }
        let response_hz = match kind {
            FlickerKind::Counterphase => 2.0 * frequency_hz,
            FlickerKind::OnOff => frequency_hz,
        };
        if response_hz / refresh_hz >= 0.5 - RATIO_TOLERANCE {
            return Err(FlickerError::AboveHalfRefresh { frequency_hz, refresh_hz, response_hz });
        }
        let (num, den) = sine_rational(frequency_hz, refresh_hz)?;
        let phase_cycles = fraction(phase_rad / TAU);
        Ok(Self { kind, waveform: Waveform::Sine, num, den, phase_cycles, on_frames: den / 2, refresh_hz })
    }

    /// A square of `cycle_frames` frames per cycle, the first `on_frames` of them at its top, begun `phase_frames` frames
    /// into its cycle.
    ///
    /// # Errors
    /// When no frame is on or none off, a cycle is longer than a million frames, or the refresh rate is no positive
    /// number.
    pub fn square(
        kind: FlickerKind,
        cycle_frames: u64,
        on_frames: u64,
        phase_frames: u64,
        refresh_hz: f64,
    ) -> Result<Self, FlickerError> {
        if !(2..=MAX_PERIOD_FRAMES).contains(&cycle_frames) || !(1..cycle_frames).contains(&on_frames) {
            return Err(FlickerError::Frames { cycle_frames, on_frames });
        }
        positive(refresh_hz / cycle_frames as f64, refresh_hz)?;
        let phase_cycles = (phase_frames % cycle_frames) as f64 / cycle_frames as f64;
        let (num, den) = (1, cycle_frames);
        Ok(Self { kind, waveform: Waveform::Square, num, den, phase_cycles, on_frames, refresh_hz })
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

    /// Phase of frame 0 in rad, 0..2 pi.
    pub fn phase_rad(&self) -> f64 {
        TAU * self.phase_cycles
    }

    /// The part of a cycle in which a square is at its top; 0.5 for a sine.
    pub fn duty(&self) -> f64 {
        match self.waveform {
            Waveform::Sine => 0.5,
            Waveform::Square => self.on_frames as f64 / self.den as f64,
        }
    }

    /// Phase of a frame in cycles, 0..1: no drift after any number of frames.
    pub fn cycles_at(&self, frame: u64) -> f64 {
        fraction(self.remainder(frame) as f64 / self.den as f64 + self.phase_cycles)
    }

    /// Whether a frame lies in the first part of its cycle, in which the modulation is above its middle: the first
    /// half, or the frames of a square that are on. The photodiode patch is white there.
    pub fn is_first_half(&self, frame: u64) -> bool {
        match self.waveform {
            Waveform::Sine => self.cycles_at(frame) < 0.5,
            // In whole frames, so that no rounding can move an edge.
            Waveform::Square => {
                let phase_frames = libm::round(self.phase_cycles * self.den as f64) as u64;
                (frame % self.den + phase_frames) % self.den < self.on_frames
            }
        }
    }

    /// Modulation of a frame: -1..=1 for counterphase, 0..=1 for on/off. A sine is `sin` of the phase (so the first
    /// frame of a cycle lies in the middle of the range), a square is at its top in the first part.
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

fn positive(frequency_hz: f64, refresh_hz: f64) -> Result<(), FlickerError> {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    if positive(frequency_hz) && positive(refresh_hz) {
        Ok(())
    } else {
        Err(FlickerError::NotPositive { frequency_hz, refresh_hz })
    }
}

/// The part after the point, 0..1, of a number of cycles; a number within 0..1 stays as it is.
fn fraction(cycles: f64) -> f64 {
    let fraction = cycles - libm::floor(cycles);
    if fraction < 1.0 { fraction } else { 0.0 }
}

/// Frames per cycle of a square: a whole number, an even one for two equal halves.
fn square_cycle(frequency_hz: f64, refresh_hz: f64, halves: bool) -> Result<u64, FlickerError> {
    let step = if halves { 2.0 } else { 1.0 };
    let most = MAX_PERIOD_FRAMES as f64;
    let frames_per_cycle = refresh_hz / frequency_hz;
    let whole = frames_per_cycle.round();
    let exact = (frames_per_cycle - whole).abs() <= 1e-9 * whole;
    if exact && whole >= 2.0 && whole % step == 0.0 && whole <= most {
        return Ok(whole as u64);
    }
    let shorter = (step * (frames_per_cycle / step).floor()).min(most);
    let longer = (shorter + step).max(2.0).min(most);
    Err(FlickerError::SquareFrames {
        frequency_hz,
        refresh_hz,
        frames_per_cycle,
        halves,
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
    sine_rational(frequency_hz, refresh_hz)
}

/// Cycles per frame as a fraction, or the nearest that there are.
fn sine_rational(frequency_hz: f64, refresh_hz: f64) -> Result<(u64, u64), FlickerError> {
    let ratio = frequency_hz / refresh_hz;
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
