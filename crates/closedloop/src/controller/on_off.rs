//! The room thermostat: two contrasts, a band in which nothing changes, and least times between switches.

use super::plan::OnOffPlan;

/// On while the measured amplitude is too low. It needs no model of the person, and pays with a limit cycle: about the
/// loop's delay (half the decoder's window, and the latency) and the dwell times to either side.
#[derive(Debug, Clone)]
pub struct OnOff {
    plan: OnOffPlan,
    on: bool,
    /// When it last switched; `None` before the first measurement.
    switched_ns: Option<i64>,
}

impl OnOff {
    /// Off.
    pub fn prepare(plan: OnOffPlan) -> Self {
        Self { plan, on: false, switched_ns: None }
    }

    /// Off again, and free to switch at once.
    pub fn reset(&mut self) {
        (self.on, self.switched_ns) = (false, None);
    }

    /// Takes a measurement and gives the contrast from now on.
    pub fn step(&mut self, measured_uv: f64, set_point_uv: f64, now_ns: i64) -> f64 {
        let half_uv = 0.5 * self.plan.band_uv;
        let wanted = if measured_uv < set_point_uv - half_uv {
            true
        } else if measured_uv > set_point_uv + half_uv {
            false
        } else {
            self.on
        };
        let least_ns = if self.on { self.plan.least_on_ns } else { self.plan.least_off_ns };
        let free = self.switched_ns.is_none_or(|at_ns| now_ns - at_ns >= least_ns);
        if wanted != self.on && free {
            (self.on, self.switched_ns) = (wanted, Some(now_ns));
        }
        self.contrast()
    }

    /// The contrast that holds.
    pub fn contrast(&self) -> f64 {
        if self.on { self.plan.contrast_high } else { self.plan.contrast_low }
    }
}
