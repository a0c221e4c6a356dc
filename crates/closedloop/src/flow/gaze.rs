//! Whether gaze stays near the fixation mark, sample by sample, so that chunks do not matter.

use super::plan::{GatePlan, GazePlan};
use crate::turn::SourceInput;

#[derive(Debug, Clone)]
pub(crate) struct Gaze {
    plan: GazePlan,
    channels: usize,
    /// Since when it is near without a break.
    near_since_ns: Option<i64>,
    /// Since when it is away, or not known.
    away_since_ns: Option<i64>,
    newest_ns: i64,
}

impl Gaze {
    pub(crate) fn new(plan: GazePlan, channels: usize) -> Self {
        Self { plan, channels, near_since_ns: None, away_since_ns: None, newest_ns: i64::MIN }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.plan, self.channels);
    }

    /// Takes the samples of a turn. Whether gaze was away for too long at any sample between two instants: those while the
    /// stimulus was on.
    pub(crate) fn step(
        &mut self,
        sources: &[SourceInput<'_>],
        gate: &GatePlan,
        watched: Option<(i64, i64)>,
    ) -> bool {
        let Some(input) = sources.get(usize::from(self.plan.source.0)) else { return false };
        let mut broken = false;
        for (&at_ns, row) in input.at_ns.iter().zip(input.values.chunks_exact(self.channels.max(1))) {
            let [x, y] = self.plan.channels.map(|channel| row.get(channel).copied().unwrap_or(f64::NAN));
            let [x0, y0] = self.plan.origin;
            let away_deg = libm::hypot(x - x0, y - y0) * self.plan.deg_per_unit;
            self.newest_ns = at_ns;
            // An eye that is not seen (a blink) is no number, and not near.
            if away_deg <= gate.radius_deg {
                self.near_since_ns.get_or_insert(at_ns);
                self.away_since_ns = None;
                continue;
            }
            let since_ns = *self.away_since_ns.get_or_insert(at_ns);
            self.near_since_ns = None;
            if let Some((from_ns, until_ns)) = watched {
                let is_on = (from_ns..until_ns).contains(&at_ns);
                broken |= is_on && at_ns - since_ns.max(from_ns) >= gate.away_ns;
            }
        }
        broken
    }

    /// Whether it has stayed near for long enough, since an instant at the earliest.
    pub(crate) fn is_steady(&self, gate: &GatePlan, from_ns: i64) -> bool {
        self.near_since_ns.is_some_and(|since_ns| self.newest_ns - since_ns.max(from_ns) >= gate.stay_ns)
    }
}
