//! State-dependent onset from the protocol's units to the loop's.

use closedloop::{EyesPlan, FlashPlan, OnsetPlan, OnsetRule, Otherwise, PhaseRule};
use protocol::{Protocol, StreamKind};
use timeline::{SceneId, SourceId, ns_from_s};

use crate::error::SessionError;

/// Refreshes that a command may need before its light leaves the screen.
const REFRESHES: f64 = 2.0;

/// Lowers `[onset]`, if the protocol has it.
///
/// # Errors
/// When the lead is shorter than two refreshes of this screen: nothing that is planned could be shown.
pub fn lower_state(protocol: &Protocol, refresh_hz: f64) -> Result<Option<OnsetPlan>, SessionError> {
    let Some(state) = &protocol.onset else { return Ok(None) };
    let least_s = REFRESHES / refresh_hz;
    if state.lead_s < least_s {
        let text = format!(
            "onset.lead_s is {} s; at {refresh_hz} Hz at least {least_s:.4} s are needed: a command is shown after one to \
             two refreshes",
            state.lead_s
        );
        return Err(SessionError::Usage(text));
    }
    Ok(Some(OnsetPlan {
        source: SourceId(state.stream as u16),
        weights: weights(protocol),
        band_hz: state.band_hz,
        mains_hz: state.mains_hz,
        lead_ns: ns_from_s(state.lead_s),
        baseline_s: state.baseline_s,
        power_window_s: state.power_window_s,
        eyes: state.eyes.as_ref().map(|eyes| EyesPlan {
            source: SourceId(eyes.stream as u16),
            channels: eyes.channels.clone(),
            window_s: eyes.window_s,
            range_max: eyes.range_max,
        }),
    }))
}

/// Weight of each channel of the stream in the signal whose rhythm counts: the mean of some less the mean of others.
/// Empty without `[onset]`.
pub fn weights(protocol: &Protocol) -> Vec<f64> {
    let Some(state) = &protocol.onset else { return Vec::new() };
    let StreamKind::Samples(samples) = &protocol.streams[state.stream].kind else { return Vec::new() };
    let mut weights = vec![0.0; samples.channels.len()];
    for (channels, sign) in [(&state.channels, 1.0), (&state.reference_channels, -1.0)] {
        for &channel in channels {
            weights[channel] += sign / channels.len() as f64;
        }
    }
    weights
}

/// The same where the simulated participant answers on that stream; else empty, since its rhythm is nowhere in the signal.
pub fn simulated_weights(protocol: &Protocol) -> Vec<f64> {
    let answers = protocol.streams.iter().position(|stream| matches!(stream.kind, StreamKind::Samples(_)));
    let follows = protocol.onset.as_ref().map(|state| state.stream);
    if follows.is_some() && follows == answers { weights(protocol) } else { Vec::new() }
}

/// Lowers a block of flashes.
pub fn lower_flash(flash: &protocol::Flash, scene: SceneId) -> FlashPlan {
    FlashPlan {
        scene,
        contrast: flash.contrast,
        ramp_ns: ns_from_s(flash.ramp_s),
        on_ns: ns_from_s(flash.on_s),
        gap_ns: ns_from_s(flash.gap_s),
        count: flash.count,
        rule: flash.onset.as_ref().map_or(OnsetRule::FREE, lower_rule),
    }
}

/// Lowers what a presentation waits for.
pub fn lower_rule(rule: &protocol::OnsetRule) -> OnsetRule {
    OnsetRule {
        phase: rule.phase.map(|phase| PhaseRule {
            wanted_rad: phase.phase_deg.to_radians(),
            tolerance_rad: phase.tolerance_deg.to_radians(),
            resultant_min: phase.resultant_min,
        }),
        power_min: rule.power_min,
        power_max: rule.power_max,
        quiet_eyes: rule.quiet_eyes,
        timeout_ns: ns_from_s(rule.timeout_s),
        otherwise: match rule.then {
            protocol::Then::Go => Otherwise::Go,
            protocol::Then::Skip => Otherwise::Skip,
        },
    }
}
