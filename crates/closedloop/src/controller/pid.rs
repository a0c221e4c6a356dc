//! The textbook PID controller in discrete time.
//!
//! Parallel form with set-point weighting, a filtered derivative of the measured value (backward differences), and
//! anti-windup by back-calculation (Astrom and Hagglund 2006, Advanced PID Control, chapters 3 and 13):
//!
//! ```text
//! u = feed_forward + kp (b r - y) + I + D
//! I += ki h (r - y)            + h / Tt (u_applied - u)   after the action
//! D  = Td / (Td + h) D - kd / (Td + h) (y - y_before)
//! ```
//!
//! The derivative acts on the measured value alone, so that a step of the set point gives no kick.

use super::plan::PidGains;

/// A PID controller; see the module.
#[derive(Debug, Clone)]
pub struct Pid {
    gains: PidGains,
    step_s: f64,
    integral: f64,
    derivative: f64,
    measured: Option<f64>,
}

impl Pid {
    /// `step_s` is the time between two measurements.
    pub fn prepare(gains: PidGains, step_s: f64) -> Self {
        Self { gains, step_s, integral: 0.0, derivative: 0.0, measured: None }
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        (self.integral, self.derivative, self.measured) = (0.0, 0.0, None);
    }

    /// The next measurement is not one step after the last: no derivative is taken across the gap.
    pub fn interrupt(&mut self) {
        (self.derivative, self.measured) = (0.0, None);
    }

    /// Takes a measurement, one step after the one before.
    pub fn measure(&mut self, set_point: f64, measured: f64) {
        let PidGains { ki_per_s, kd_s, derivative_tau_s, .. } = self.gains;
        self.integral += ki_per_s * self.step_s * (set_point - measured);
        let span_s = derivative_tau_s + self.step_s;
        let change = self.measured.map_or(0.0, |before| measured - before);
        self.derivative = derivative_tau_s / span_s * self.derivative - kd_s / span_s * change;
        self.measured = Some(measured);
    }

    /// The action, before any limit. Before the first measurement it is the feed-forward.
    pub fn action(&self, set_point: f64, feed_forward: f64) -> f64 {
        let PidGains { kp, set_point_weight, .. } = self.gains;
        let proportional =
            self.measured.map_or(0.0, |measured| kp * (set_point_weight * set_point - measured));
        feed_forward + proportional + self.integral + self.derivative
    }

    /// Says which action was possible where `wanted` was asked for; once per measurement.
    pub fn applied(&mut self, wanted: f64, applied: f64) {
        self.integral += self.step_s / self.gains.tracking_tau_s.max(self.step_s) * (applied - wanted);
    }

    /// The integral term.
    pub fn integral(&self) -> f64 {
        self.integral
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gains(kp: f64, ki_per_s: f64, kd_s: f64) -> PidGains {
        PidGains { kp, ki_per_s, kd_s, derivative_tau_s: 0.05, set_point_weight: 1.0, tracking_tau_s: 0.5 }
    }

    /// A first-order plant with dead time, sampled with a zero-order hold (exact).
    struct Plant {
        keep: f64,
        gain: f64,
        state: f64,
        waiting: std::collections::VecDeque<f64>,
    }

    impl Plant {
        fn new(gain: f64, tau_s: f64, dead_s: f64, step_s: f64) -> Self {
            let waiting = std::iter::repeat_n(0.0, (dead_s / step_s).round() as usize).collect();
            Self { keep: (-step_s / tau_s).exp(), gain, state: 0.0, waiting }
        }

        fn step(&mut self, u: f64) -> f64 {
            self.waiting.push_back(u);
            let u = self.waiting.pop_front().unwrap();
            self.state = self.keep * self.state + (1.0 - self.keep) * self.gain * u;
            self.state
        }
    }

    /// Output after each step, for a unit step of the set point, with the action limited to `limit`.
    fn close(pid: &mut Pid, plant: &mut Plant, steps: usize, limit: f64) -> Vec<f64> {
        let mut y = 0.0;
        (0..steps)
            .map(|_| {
                pid.measure(1.0, y);
                let wanted = pid.action(1.0, 0.0);
                let applied = wanted.clamp(-limit, limit);
                pid.applied(wanted, applied);
                y = plant.step(applied);
                y
            })
            .collect()
    }

    /// PI on a first-order lag with the lag cancelled (`kp = tau / T`, `ki = 1 / T`): the loop is `1 / (T s)`, its step
    /// response `1 - exp(-t / T)`.
    #[test]
    fn the_step_response_of_a_cancelled_lag_is_the_closed_form() {
        let (tau_s, wanted_s, step_s) = (2.0, 0.8, 0.001);
        let mut pid = Pid::prepare(gains(tau_s / wanted_s, 1.0 / wanted_s, 0.0), step_s);
        let output = close(&mut pid, &mut Plant::new(1.0, tau_s, 0.0, step_s), 5000, 1e9);
        for (n, y) in output.iter().enumerate() {
            let t = (n + 1) as f64 * step_s;
            assert!((y - (1.0 - (-t / wanted_s).exp())).abs() < 2e-3, "{y} at {t}");
        }
    }

    /// With the derivative, in discrete time, against the difference equation of the closed loop solved by hand: a plant
    /// that is one step of delay, `y_k = u_{k-1}`.
    #[test]
    fn the_first_steps_are_those_of_the_difference_equation() {
        let step_s = 0.1;
        let mut pid = Pid::prepare(gains(0.3, 0.5, 0.06), step_s);
        let (mut y, mut integral, mut derivative, mut before) = (0.0, 0.0, 0.0, 0.0);
        for n in 0..200 {
            pid.measure(1.0, y);
            let u = pid.action(1.0, 0.0);
            integral += 0.5 * step_s * (1.0 - y);
            derivative = derivative * (0.05 / 0.15) - 0.06 / 0.15 * (y - before);
            let by_hand = 0.3 * (1.0 - y) + integral + derivative;
            assert!((u - by_hand).abs() < 1e-12, "step {n}: {u} {by_hand}");
            before = y;
            y = u;
        }
        assert!((y - 1.0).abs() < 0.01, "{y}");
    }

    #[test]
    fn back_calculation_takes_the_overshoot_of_a_limited_action() {
        let highest = |tracking_tau_s: f64| {
            let gains = PidGains { tracking_tau_s, ..gains(2.0, 2.0, 0.0) };
            let mut pid = Pid::prepare(gains, 0.01);
            let output = close(&mut pid, &mut Plant::new(1.0, 3.0, 0.0, 0.01), 4000, 1.1);
            assert!((output.last().unwrap() - 1.0).abs() < 0.01);
            output.into_iter().fold(0.0, f64::max)
        };
        let (with, without) = (highest(0.5), highest(1e12));
        assert!(with < 1.03 && without > 1.08, "highest {with} with, {without} without");
    }

    #[test]
    fn the_set_point_weight_acts_on_the_proportional_term_only() {
        let gains = PidGains { set_point_weight: 0.0, ..gains(2.0, 0.5, 0.0) };
        let mut pid = Pid::prepare(gains, 0.1);
        assert_eq!(pid.action(1.0, 0.7), 0.7);
        pid.measure(1.0, 0.25);
        assert!((pid.action(1.0, 0.0) - (-0.5 + 0.5 * 0.1 * 0.75)).abs() < 1e-12);
    }
}
