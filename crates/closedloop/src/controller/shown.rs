//! What was asked for and when, and what the governor let through of it: the memory that a predictor needs.

use std::collections::VecDeque;

use super::curve::Curve;

/// From the command to the response in the samples: two frames, the retina, the cortex (steady-state apparent
/// latencies are 0.08-0.15 s; Regan 1989).
pub(crate) const RESPONSE_LATENCY_NS: i64 = 150_000_000;

/// Contrast asked for, from the instant on at which it is shown, with the drive that it makes; oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    changes: VecDeque<Change>,
    /// The part of the contrast that is let through.
    part: f64,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    from_ns: i64,
    contrast: f64,
    drive: f64,
}

impl Shown {
    /// `changes` is how many changes can lie within the longest span that is asked for.
    pub(crate) fn new(changes: usize) -> Self {
        Self { changes: VecDeque::with_capacity(changes.max(4)), part: 1.0 }
    }

    pub(crate) fn reset(&mut self) {
        self.changes.clear();
        self.part = 1.0;
    }

    /// What was shown before says nothing any more.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
    }

    /// The drive that a contrast makes of which no more is let through than now.
    pub(crate) fn drive(&self, curve: &Curve, contrast: f64) -> f64 {
        curve.drive(self.part * contrast)
    }

    pub(crate) fn note(&mut self, from_ns: i64, contrast: f64, curve: &Curve) {
        let drive = self.drive(curve, contrast);
        // Where nothing is let through, another contrast makes the same drive, but not for ever.
        let same =
            |newest: &Change| newest.drive == drive && (self.part == 1.0 || newest.contrast == contrast);
        if self.changes.back().is_some_and(same) {
            return;
        }
        if self.changes.len() == self.changes.capacity() {
            self.changes.pop_front();
        }
        let from_ns = self.changes.back().map_or(from_ns, |newest| from_ns.max(newest.from_ns));
        self.changes.push_back(Change { from_ns, contrast, drive });
    }

    /// From an instant on, which may be past, this part of the contrast is let through.
    pub(crate) fn attenuate(&mut self, from_ns: i64, part: f64, curve: &Curve) {
        if std::mem::replace(&mut self.part, part) == part {
            return;
        }
        let mut first = self.changes.partition_point(|change| change.from_ns < from_ns);
        // What holds at that instant is cut in two.
        if let Some(&holds) = first.checked_sub(1).and_then(|before| self.changes.get(before)) {
            if self.changes.len() == self.changes.capacity() {
                self.changes.pop_front();
                first -= 1;
            }
            self.changes.insert(first, Change { from_ns, ..holds });
        }
        for change in self.changes.range_mut(first..) {
            change.drive = curve.drive(part * change.contrast);
        }
    }

    /// Mean of the drive whose response lies between two instants of the samples: earlier by the latency. `None` when
    /// that reaches back before the first.
    pub(crate) fn mean(&self, start_ns: i64, end_ns: i64) -> Option<f64> {
        let (start_ns, end_ns) = (start_ns - RESPONSE_LATENCY_NS, end_ns - RESPONSE_LATENCY_NS);
        if self.changes.front().is_none_or(|first| first.from_ns > start_ns) || end_ns <= start_ns {
            return None;
        }
        let mut sum = 0.0;
        for (i, change) in self.changes.iter().enumerate() {
            let until_ns = self.changes.get(i + 1).map_or(end_ns, |next| next.from_ns).min(end_ns);
            let span_ns = (until_ns - change.from_ns.max(start_ns)).max(0);
            sum += change.drive * span_ns as f64;
        }
        Some(sum / (end_ns - start_ns) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ResponsePlan;

    const CURVE: Curve = Curve(ResponsePlan {
        nominal_gain_uv: 2.0,
        semisaturation: 0.3,
        exponent: 2.0,
        contrast_min: 0.0,
        contrast_max: 0.9,
        slew_per_s: 1.0,
    });
    const S: i64 = 1_000_000_000;

    /// Mean drive over a second that ends at this one, latency taken off.
    fn mean(shown: &Shown, end_s: i64) -> f64 {
        let [start_ns, end_ns] = [(end_s - 1) * S, end_s * S].map(|at_ns| at_ns + RESPONSE_LATENCY_NS);
        shown.mean(start_ns, end_ns).expect("it reaches back")
    }

    #[test]
    fn what_is_let_through_counts_from_the_frame_on_that_it_is_heard_of_late() {
        let mut shown = Shown::new(8);
        shown.note(0, 0.8, &CURVE);
        shown.note(3 * S, 0.4, &CURVE);
        let full = mean(&shown, 2);
        assert_eq!(full, CURVE.drive(0.8));
        shown.attenuate(2 * S + S / 2, 0.75, &CURVE);
        assert_eq!(mean(&shown, 2), full, "what lies before stays, to the bit");
        assert!((mean(&shown, 3) - 0.5 * (full + CURVE.drive(0.6))).abs() < 1e-12);
        assert_eq!(mean(&shown, 4), CURVE.drive(0.75 * 0.4));
        // While a frame stays nothing drives, whatever is commanded then; afterwards the newest contrast does.
        shown.attenuate(4 * S, 0.0, &CURVE);
        shown.note(5 * S, 0.2, &CURVE);
        shown.attenuate(6 * S, 0.5, &CURVE);
        assert_eq!(mean(&shown, 5), 0.0);
        assert_eq!(mean(&shown, 7), CURVE.drive(0.1));
        for second in 7..40 {
            shown.attenuate(second * S, 1.0 / second as f64, &CURVE);
        }
        assert_eq!(mean(&shown, 40), CURVE.drive(0.2 / 39.0));
    }
}
