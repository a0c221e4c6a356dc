//! A flicker as a protocol asks for it, made exactly or repaired.

use std::f64::consts::TAU;

use super::{Flicker, FlickerError, FlickerKind, Waveform, square_cycle};
use crate::repair::{Change, Repaired, nearer};

/// A flicker as it is asked for, before a screen has said whether it can make it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlickerRequest {
    /// What flickers.
    pub kind: FlickerKind,
    /// Its course. A sine is one that is sampled at the refresh ([`Flicker::sampled_sine`]).
    pub waveform: Waveform,
    /// Frequency.
    pub frequency_hz: f64,
    /// Phase of frame 0.
    pub phase_rad: f64,
    /// The part of a cycle in which a square is at its top; 0.5 for a sine.
    pub duty: f64,
}

impl FlickerRequest {
    /// A flicker of phase 0 with two equal halves.
    pub fn new(kind: FlickerKind, waveform: Waveform, frequency_hz: f64) -> Self {
        Self { kind, waveform, frequency_hz, phase_rad: 0.0, duty: 0.5 }
    }

    /// The same that begins at a phase.
    #[must_use]
    pub fn with_phase(self, phase_rad: f64) -> Self {
        Self { phase_rad, ..self }
    }

    /// The same that is at its top for another part of a cycle.
    #[must_use]
    pub fn with_duty(self, duty: f64) -> Self {
        Self { duty, ..self }
    }

    /// The flicker, where the refresh makes it exactly.
    ///
    /// - Square: a cycle must have a whole number of frames, 2 or more, and an even one where the duty is 0.5; duty and
    ///   phase must be whole numbers of frames.
    /// - Sine: see [`Flicker::sampled_sine`].
    ///
    /// # Errors
    /// When this refresh rate cannot make it; the error names the nearest that it can.
    pub fn realise(&self, refresh_hz: f64) -> Result<Flicker, FlickerError> {
        let Self { kind, waveform, frequency_hz, phase_rad, duty } = *self;
        super::positive(frequency_hz, refresh_hz)?;
        if !phase_rad.is_finite() {
            return Err(FlickerError::PhaseNotFinite { phase_rad });
        }
        match waveform {
            Waveform::Sine if duty != 0.5 => Err(FlickerError::DutyRange { duty, waveform: "sine" }),
            Waveform::Sine => Flicker::sampled_sine(kind, frequency_hz, phase_rad, refresh_hz),
            Waveform::Square if !(duty > 0.0 && duty < 1.0) => {
                Err(FlickerError::DutyRange { duty, waveform: "square" })
            }
            Waveform::Square => {
                let cycle_frames = square_cycle(frequency_hz, refresh_hz, duty == 0.5)?;
                let on_frames = on_frames(duty, cycle_frames)?;
                let phase_frames = phase_frames(phase_rad, cycle_frames)?;
                Flicker::square(kind, cycle_frames, on_frames, phase_frames, refresh_hz)
            }
        }
    }

    /// The nearest flicker that the refresh makes, with what that changed: first the frequency (to an even number of
    /// frames per cycle where the duty is 0.5, so that the halves stay equal), then duty and phase, to whole frames.
    ///
    /// # Errors
    /// When nothing is near: numbers that mean nothing, and a sine whose response would not stay below half the refresh.
    pub fn repair(&self, refresh_hz: f64) -> Result<Repaired<Flicker>, FlickerError> {
        let mut request = *self;
        let mut changes = Vec::new();
        loop {
            let refused = match request.realise(refresh_hz) {
                Ok(value) => return Ok(Repaired { value, changes }),
                Err(refused) => refused,
            };
            // Each number is changed at most once: what an error names as near can be made.
            if changes.len() == 3 {
                return Err(refused);
            }
            let (key, number, made) = match refused {
                FlickerError::SquareFrames { frequency_hz, lower_hz, higher_hz, .. } => {
                    ("frequency_hz", &mut request.frequency_hz, nearer(frequency_hz, lower_hz, higher_hz))
                }
                FlickerError::NotRational { frequency_hz, lower_hz, higher_hz, .. } => (
                    "frequency_hz",
                    &mut request.frequency_hz,
                    nearer(frequency_hz, lower_hz, Some(higher_hz)),
                ),
                FlickerError::Duty { duty, lower, higher, .. } => {
                    ("duty", &mut request.duty, nearer(duty, lower, higher))
                }
                FlickerError::Phase { phase_rad, lower_rad, higher_rad, .. } => {
                    ("phase_rad", &mut request.phase_rad, nearer(phase_rad, lower_rad, Some(higher_rad)))
                }
                other => return Err(other),
            };
            changes.push(Change { key, asked: *number, made });
            *number = made;
        }
    }
}

/// How far (frames) duty and phase may lie from whole frames: what their rounding as decimals and rad costs.
const FRAME_TOLERANCE: f64 = 1e-6;

fn on_frames(duty: f64, cycle_frames: u64) -> Result<u64, FlickerError> {
    let cycle = cycle_frames as f64;
    let asked = duty * cycle;
    let whole = libm::round(asked);
    if (asked - whole).abs() <= FRAME_TOLERANCE && whole >= 1.0 && whole <= cycle - 1.0 {
        return Ok(whole as u64);
    }
    let fewer = libm::floor(asked).clamp(1.0, cycle - 1.0);
    let more = libm::ceil(asked).clamp(1.0, cycle - 1.0);
    let higher = (more > fewer).then_some(more / cycle);
    Err(FlickerError::Duty { duty, cycle_frames, lower: fewer / cycle, higher })
}

fn phase_frames(phase_rad: f64, cycle_frames: u64) -> Result<u64, FlickerError> {
    let cycle = cycle_frames as f64;
    let asked = phase_rad / TAU * cycle;
    let whole = libm::round(asked);
    if (asked - whole).abs() <= FRAME_TOLERANCE {
        let turned = whole - cycle * libm::floor(whole / cycle);
        return Ok(turned as u64);
    }
    let rad = |frames: f64| frames / cycle * TAU;
    let (lower_rad, higher_rad) = (rad(libm::floor(asked)), rad(libm::ceil(asked)));
    Err(FlickerError::Phase { phase_rad, cycle_frames, lower_rad, higher_rad })
}
