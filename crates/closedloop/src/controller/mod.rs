//! From a measured response to the contrast that keeps it at the set point.
//!
//! The plant is `r = gain * R(c)` with the contrast response `R` of [`Curve`]. `R` is static and known, so it is inverted:
//! controllers work in *drive* `u = R(c)`, in which the plant is linear, and only `gain` is unknown and moves. All
//! share the feed-forward `u = set point / gain`, the calibrated gain ([`Belief`]) and the memory of what was shown
//! ([`Shown`]); they differ in what they make of a measurement ([`Law`]), each in a file of its own. The laws that are of
//! use by themselves are public: [`OnOff`], [`Pid`], [`GainFilter`] with [`LqGain`], [`Horizon`].

mod belief;
mod curve;
mod gain_filter;
mod horizon;
mod lq;
mod lqg;
mod margins;
mod mpc;
mod on_off;
mod pi;
mod pid;
mod plan;
mod shown;

pub use gain_filter::GainFilter;
pub use horizon::{Candidate, Horizon, MAX_CANDIDATES, MAX_HORIZON};
pub use lq::LqGain;
pub use margins::{Margins, margins, weighted, window_weights};
pub use on_off::OnOff;
pub use pid::Pid;
pub use plan::{GainModel, LqgPlan, MpcPlan, OnOffPlan, PidGains, PidPlan};

use belief::Belief;
use curve::Curve;
use lqg::Lqg;
use mpc::Mpc;
use pi::Pi;
use shown::Shown;

use crate::decoder::{Calibrated, Estimate};
use crate::plan::ControllerPlan;
use crate::set_point::SetPointPlan;

pub(crate) use shown::RESPONSE_LATENCY_NS;

/// What a controller must know of the decoder.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timing {
    /// Time between two estimates.
    pub(crate) update_s: f64,
    /// Updates in a window.
    pub(crate) updates: usize,
    /// Changes of contrast that can lie within a window and the latency.
    pub(crate) changes: usize,
}

/// A measurement as the laws take it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    value_uv: f64,
    spread_uv: f64,
    /// Mean drive shown over the window, earlier by the latency; `None` when that is not known.
    drive: Option<f64>,
    elapsed_s: f64,
    window_s: f64,
    end_ns: i64,
}

/// What happens to a measurement. An enum: the set is closed and the hot path has no dynamic dispatch.
#[derive(Debug, Clone)]
enum Law {
    /// Nothing; the gain stays the nominal one, unless it is the yardstick's that is told.
    Fixed {
        told: bool,
    },
    /// Nothing; the gain is the calibrated one.
    Calibrated,
    Pi(Pi),
    OnOff(OnOff),
    Pid {
        pid: Pid,
        smith: bool,
        step_ns: i64,
        last_ns: Option<i64>,
    },
    Lqg(Lqg),
    Mpc(Mpc),
}

#[derive(Debug, Clone)]
pub(crate) struct Controller {
    curve: Curve,
    belief: Belief,
    law: Law,
    shown: Shown,
    /// The set point's course and when it began.
    set_point: Option<(SetPointPlan, i64)>,
    /// The set point that was aimed at last.
    target_uv: f64,
    /// The contrast that was last asked for, while there is a set point.
    contrast: f64,
    /// The contrast that somebody else decides; the law then learns from what is shown and decides nothing.
    driven: Option<f64>,
}

impl Controller {
    pub(crate) fn new(plan: ControllerPlan, timing: Timing) -> Self {
        let curve = Curve(*plan.response());
        let Timing { update_s, updates, changes } = timing;
        let law = match plan {
            ControllerPlan::OpenLoopNominal(_) => Law::Fixed { told: false },
            ControllerPlan::KnownGain(_) => Law::Fixed { told: true },
            ControllerPlan::OpenLoopCalibrated(_) => Law::Calibrated,
            ControllerPlan::Pi(pi) => Law::Pi(Pi::new(pi)),
            ControllerPlan::OnOff(on_off) => Law::OnOff(OnOff::prepare(on_off)),
            ControllerPlan::Pid(pid) => Law::Pid {
                pid: Pid::prepare(pid.gains, update_s),
                smith: pid.smith,
                step_ns: (update_s * 1e9) as i64,
                last_ns: None,
            },
            ControllerPlan::Lqg(lqg) => Law::Lqg(Lqg::new(lqg, update_s, updates)),
            ControllerPlan::Mpc(mpc) => Law::Mpc(Mpc::new(mpc, &curve, update_s, updates)),
        };
        Self {
            belief: Belief::nominal(curve.0.nominal_gain_uv),
            law,
            shown: Shown::new(changes),
            set_point: None,
            target_uv: 0.0,
            contrast: curve.0.contrast_min,
            driven: None,
            curve,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.belief = Belief::nominal(self.curve.0.nominal_gain_uv);
        match &mut self.law {
            Law::Fixed { .. } | Law::Calibrated => {}
            Law::Pi(pi) => pi.restart(0.0),
            Law::OnOff(on_off) => on_off.reset(),
            Law::Pid { pid, last_ns, .. } => {
                pid.reset();
                *last_ns = None;
            }
            Law::Lqg(lqg) => lqg.restart(0.0),
            Law::Mpc(mpc) => mpc.restart(0.0),
        }
        self.shown.reset();
        self.driven = None;
        self.set_point = None;
        (self.target_uv, self.contrast) = (0.0, self.curve.0.contrast_min);
    }

    pub(crate) fn slew_per_s(&self) -> f64 {
        self.curve.0.slew_per_s
    }

    /// What a measured value is multiplied by before it is compared with a set point.
    pub(crate) fn scale(&self) -> f64 {
        self.belief.scale
    }

    /// Takes the result of a calibration at a known contrast.
    pub(crate) fn calibrate(&mut self, result: &Calibrated, contrast: f64) {
        let gain_uv = self.belief.gain_uv;
        self.belief.calibrate(self.curve.0.nominal_gain_uv, result, self.curve.drive(contrast));
        if matches!(self.law, Law::Fixed { .. }) {
            self.belief.gain_uv = gain_uv;
        }
        let doubt = self.belief.doubt;
        match &mut self.law {
            Law::Fixed { .. } | Law::Calibrated | Law::OnOff(_) => {}
            Law::Pi(pi) => pi.restart(doubt),
            Law::Pid { pid, .. } => pid.reset(),
            Law::Lqg(lqg) => lqg.restart(doubt),
            Law::Mpc(mpc) => mpc.restart(doubt),
        }
    }

    pub(crate) fn set_known_gain(&mut self, gain_uv: f64) {
        if matches!(self.law, Law::Fixed { told: true }) && gain_uv.is_finite() && gain_uv > 0.0 {
            self.belief.gain_uv = gain_uv;
        }
    }

    /// A set point, whose course began at `start_ns`, holds from an instant on.
    pub(crate) fn hold(&mut self, set_point: SetPointPlan, start_ns: i64, now_ns: i64, from_ns: i64) {
        self.set_point = Some((set_point, start_ns));
        self.target_uv = set_point.at_uv(now_ns - start_ns);
        self.ask(from_ns);
    }

    /// Follows the course of the set point; what it leads to is shown from an instant on.
    pub(crate) fn follow(&mut self, now_ns: i64, from_ns: i64) {
        let Some((set_point, start_ns)) = self.set_point else { return };
        let target_uv = set_point.at_uv(now_ns - start_ns);
        if target_uv != self.target_uv {
            self.target_uv = target_uv;
            self.ask(from_ns);
        }
    }

    /// No set point any more; measurements that reach back before the next one do not count.
    pub(crate) fn release(&mut self) {
        self.set_point = None;
        self.forget_shown();
    }

    /// The screen was elsewhere until `from_ns`: what was measured before says nothing of the set point.
    pub(crate) fn restart(&mut self, from_ns: i64) {
        self.forget_shown();
        if self.set_point.is_some() {
            self.shown.note(from_ns, self.contrast, &self.curve);
        }
    }

    /// From an instant on, which may be past, this part of what is asked for is let through. Measurements are held against
    /// that; what is asked for stays the law's, because asking for more would only make the governor stop more.
    pub(crate) fn attenuate(&mut self, from_ns: i64, part: f64) {
        self.shown.attenuate(from_ns, part, &self.curve);
    }

    fn forget_shown(&mut self) {
        self.shown.clear();
        match &mut self.law {
            Law::Lqg(lqg) => lqg.interrupt(),
            Law::Mpc(mpc) => mpc.interrupt(),
            _ => {}
        }
    }

    /// Somebody else decides the contrast from an instant on, or nobody else any more.
    pub(crate) fn drive(&mut self, contrast: Option<f64>, from_ns: i64) {
        if contrast == self.driven {
            return;
        }
        self.driven = contrast;
        if self.set_point.is_some() {
            self.ask(from_ns);
        }
    }

    /// The contrast asked for last, within the limits; `None` without a set point.
    pub(crate) fn contrast(&self) -> Option<f64> {
        self.set_point.map(|_| self.contrast)
    }

    /// Takes a measurement `elapsed_s` after the one before and gives the next contrast.
    pub(crate) fn update(&mut self, estimate: &Estimate, elapsed_s: f64) -> Option<f64> {
        self.set_point?;
        let seen = Seen {
            value_uv: self.belief.scale * estimate.value,
            spread_uv: self.belief.scale * estimate.spread,
            drive: self.shown.mean(estimate.start_ns, estimate.end_ns),
            elapsed_s,
            window_s: (estimate.end_ns - estimate.start_ns) as f64 / 1e9,
            end_ns: estimate.end_ns,
        };
        let Belief { gain_uv, trust, .. } = self.belief;
        match &mut self.law {
            Law::Fixed { .. } | Law::Calibrated => {}
            Law::Pi(pi) => pi.feed_back(&seen, gain_uv, trust),
            Law::OnOff(on_off) => {
                on_off.step(seen.value_uv, self.target_uv, estimate.end_ns);
            }
            Law::Lqg(lqg) => lqg.see(&seen, gain_uv, trust, &self.shown),
            Law::Mpc(mpc) => mpc.see(&seen, gain_uv, trust, &self.shown),
            Law::Pid { .. } => self.run_pid(&seen),
        }
        self.ask(estimate.end_ns);
        Some(self.contrast)
    }

    /// The measured value in drive goes to the controller, without what the model knows of window and latency.
    fn run_pid(&mut self, seen: &Seen) {
        let Law::Pid { pid, smith, step_ns, last_ns } = &mut self.law else { return };
        // What a failed calibration measures has no known unit: the feed-forward stays alone.
        let Some(shown) = seen.drive.filter(|_| self.belief.trust >= 1.0) else { return };
        let now = self.shown.drive(&self.curve, self.contrast);
        let ahead = if *smith { now - shown } else { 0.0 };
        let (measured, wanted) =
            (seen.value_uv / self.belief.gain_uv + ahead, self.target_uv / self.belief.gain_uv);
        if !(measured.is_finite() && wanted.is_finite()) {
            return;
        }
        if last_ns.is_none_or(|last_ns| seen.end_ns - last_ns > *step_ns + *step_ns / 2) {
            pid.interrupt();
        }
        *last_ns = Some(seen.end_ns);
        pid.measure(wanted, measured);
        let action = pid.action(wanted, wanted);
        let applied = self.driven.unwrap_or(self.curve.contrast_for(action));
        let possible = self.shown.drive(&self.curve, applied);
        pid.applied(action, possible);
    }

    /// Takes the contrast for the set point as the one that is shown from an instant on.
    fn ask(&mut self, from_ns: i64) {
        let (gain_uv, target_uv) = (self.belief.gain_uv, self.target_uv);
        let own = match &mut self.law {
            Law::Fixed { .. } | Law::Calibrated => self.curve.contrast_for(target_uv / gain_uv),
            Law::Pi(pi) => self.curve.contrast_for(target_uv / (gain_uv * libm::exp(pi.log_gain()))),
            Law::OnOff(on_off) => on_off.contrast(),
            Law::Pid { pid, .. } => {
                let wanted = target_uv / gain_uv;
                self.curve.contrast_for(pid.action(wanted, wanted))
            }
            Law::Lqg(lqg) => lqg.contrast(&self.curve, target_uv, gain_uv),
            Law::Mpc(mpc) => {
                let ahead = |after_ns: i64| match self.set_point {
                    Some((set_point, start_ns)) => set_point.at_uv(from_ns + after_ns - start_ns),
                    None => target_uv,
                };
                mpc.contrast(self.contrast, gain_uv, ahead)
            }
        };
        self.contrast = self.driven.map_or(own, |driven| driven.clamp(0.0, self.curve.0.contrast_max));
        self.shown.note(from_ns, self.contrast, &self.curve);
    }
}
