//! Plans of the controllers beyond the proportional-integral one, in machine units.

use crate::plan::ResponsePlan;

/// Plan of the on/off controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnOffPlan {
    /// Contrast response (for reach and report; the switch itself needs no model) and limits.
    pub response: ResponsePlan,
    /// Contrast while off.
    pub contrast_low: f64,
    /// Contrast while on.
    pub contrast_high: f64,
    /// Width of the band around the set point in which nothing changes, in uV.
    pub band_uv: f64,
    /// Shortest time on.
    pub least_on_ns: i64,
    /// Shortest time off.
    pub least_off_ns: i64,
}

/// Gains of a PID controller in its parallel form; see [`crate::Pid`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PidGains {
    /// Proportional gain: action per error.
    pub kp: f64,
    /// Integral gain: action per error and second.
    pub ki_per_s: f64,
    /// Derivative gain: action per speed of the measured value.
    pub kd_s: f64,
    /// Time constant of the derivative's low-pass.
    pub derivative_tau_s: f64,
    /// Part of the set point that the proportional term sees, 0..=1.
    pub set_point_weight: f64,
    /// Time constant with which the integral follows an action at its limit (back-calculation).
    pub tracking_tau_s: f64,
}

/// Plan of the PID controller: it acts in drive, on errors in drive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PidPlan {
    /// Contrast response and limits.
    pub response: ResponsePlan,
    /// The gains.
    pub gains: PidGains,
    /// Whether a Smith predictor takes the decoder's window and the response's latency out of the error.
    pub smith: bool,
}

/// How a person's log gain is believed to move; see [`crate::GainFilter`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GainModel {
    /// What the log gain drifts over `drift_tau_s`, as a standard deviation.
    pub drift_sd: f64,
    /// Time over which it drifts that far.
    pub drift_tau_s: f64,
    /// Standard deviation of the fluctuation over seconds.
    pub fluctuation_sd: f64,
    /// Its time constant.
    pub fluctuation_tau_s: f64,
}

/// Plan of the linear-quadratic Gaussian controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LqgPlan {
    /// Contrast response and limits.
    pub response: ResponsePlan,
    /// How the gain moves.
    pub model: GainModel,
    /// A relative change of contrast per second, times this time, costs as much as that relative error of the response.
    pub change_penalty_s: f64,
}

/// Plan of the receding-horizon controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MpcPlan {
    /// Contrast response and limits.
    pub response: ResponsePlan,
    /// How the gain moves.
    pub model: GainModel,
    /// How many contrasts it chooses among, evenly spaced between the limits, 2 to [`crate::MAX_CANDIDATES`].
    pub levels: usize,
    /// Moves that it looks ahead, 1 to [`crate::MAX_HORIZON`].
    pub horizon: usize,
    /// Time from one move to the next.
    pub move_s: f64,
    /// A change of contrast of 1 in one move costs as much as an error of this many uV.
    pub change_penalty_uv: f64,
}
