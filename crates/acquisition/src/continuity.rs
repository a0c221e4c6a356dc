//! Is a stream's time whole? Gaps and jumps, read off the stamps.

/// A step of the stamps beyond this is a jump of the clock (or a long gap), in seconds.
const JUMP_S: f64 = 1.0;
/// Longer steps say nothing about how many samples are missing: the clock was set anew.
const LONGEST_GAP_S: f64 = 60.0;
/// The least step of the stamps' line that counts as a gap, in sample periods. One lost sample is a step of 1.
const LEAST_GAP_PERIODS: f64 = 0.75;
/// How far above the usual wobble of the line a step must stand.
const WOBBLES: f64 = 4.0;

/// What one stamp, or the end, tells.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Verdict {
    /// Samples that seem to be missing.
    pub lost: u64,
    /// A step back, a step beyond a second, or a stamp that is no number (NaN), in seconds.
    pub jump_s: Option<f64>,
}

/// Watches the stamps of one source.
///
/// Stamps of real amplifiers jitter: samples that travel in one packet may share a stamp, and stamps taken on arrival
/// are late now and then. A late stamp is not a gap: the stamps come back to their line. So the line is judged, not
/// the single step. Over blocks of about a second the earliest deviation from the ideal line (stamp minus
/// start minus index times period) is kept; lost samples move it for good. Steps from block to block add up to the
/// whole gap wherever it falls, and slow drift of the rate stays below the bound.
pub(crate) struct Continuity {
    /// 0 for an irregular stream, of which only jumps are judged.
    period_s: f64,
    block: u64,
    last_s: Option<f64>,
    anchor_s: f64,
    since_anchor: u64,
    in_block: u64,
    block_min: f64,
    previous_min: Option<f64>,
    wobble: f64,
}

impl Continuity {
    /// `rate_hz` is the nominal rate in stamp time; 0 for an irregular stream.
    pub(crate) fn new(rate_hz: f64) -> Self {
        let regular = rate_hz.is_finite() && rate_hz > 0.0;
        Self {
            period_s: if regular { 1.0 / rate_hz } else { 0.0 },
            block: if regular { (rate_hz.ceil() as u64).max(8) } else { 0 },
            last_s: None,
            anchor_s: 0.0,
            since_anchor: 0,
            in_block: 0,
            block_min: f64::INFINITY,
            previous_min: None,
            // Until the wobble is known, a step must be 1.5 periods.
            wobble: 1.5 / WOBBLES,
        }
    }

    /// Takes the next stamp.
    pub(crate) fn see(&mut self, stamp_s: f64) -> Verdict {
        if !stamp_s.is_finite() {
            // The sample counts for the line, its stamp says nothing.
            self.since_anchor += 1;
            return Verdict { lost: 0, jump_s: Some(f64::NAN) };
        }
        let mut verdict = Verdict::default();
        if let Some(last_s) = self.last_s {
            let step_s = stamp_s - last_s;
            let too_far = step_s > JUMP_S && self.period_s > 0.0 && step_s > 2.5 * self.period_s;
            if step_s < 0.0 || too_far {
                verdict.jump_s = Some(step_s);
            }
            if too_far || step_s < -JUMP_S {
                verdict.lost = self.end_block();
                if (JUMP_S..=LONGEST_GAP_S).contains(&step_s) {
                    verdict.lost += (step_s / self.period_s).round() as u64 - 1;
                }
                self.last_s = None;
            }
        }
        if self.last_s.is_none() {
            (self.anchor_s, self.since_anchor, self.previous_min) = (stamp_s, 0, None);
        }
        self.last_s = Some(stamp_s);
        if self.period_s > 0.0 {
            verdict.lost += self.place(stamp_s);
        }
        verdict
    }

    /// Samples that are missing in what was not judged yet.
    pub(crate) fn finish(&mut self) -> u64 {
        self.end_block()
    }

    fn place(&mut self, stamp_s: f64) -> u64 {
        let line_s = self.anchor_s + self.since_anchor as f64 * self.period_s;
        self.since_anchor += 1;
        self.block_min = self.block_min.min((stamp_s - line_s) / self.period_s);
        self.in_block += 1;
        if self.in_block < self.block { 0 } else { self.end_block() }
    }

    fn end_block(&mut self) -> u64 {
        if self.in_block == 0 {
            return 0;
        }
        let block_min = self.block_min;
        (self.in_block, self.block_min) = (0, f64::INFINITY);
        let Some(previous) = self.previous_min.replace(block_min) else { return 0 };
        let step = block_min - previous;
        if step > LEAST_GAP_PERIODS.max(WOBBLES * self.wobble) {
            return step.round() as u64;
        }
        self.wobble += (step.abs().min(2.0) - self.wobble) / 8.0;
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stamps of a 250 Hz stream with `lost` samples missing before sample `at`, each late by `late(i)` periods.
    fn total_lost(count: u64, gaps: &[(u64, u64)], late: impl Fn(u64) -> f64) -> u64 {
        let mut watch = Continuity::new(250.0);
        let mut lost = 0;
        for i in 0..count {
            let missing: u64 = gaps.iter().filter(|(at, _)| i >= *at).map(|(_, missing)| missing).sum();
            lost += watch.see(100.0 + ((i + missing) as f64 + late(i)) / 250.0).lost;
        }
        lost + watch.finish()
    }

    #[test]
    fn a_whole_stream_has_no_gap() {
        assert_eq!(total_lost(10_000, &[], |_| 0.0), 0);
    }

    #[test]
    fn stamps_shared_by_a_packet_are_no_gap() {
        // 32 samples carry the stamp of the packet's first.
        assert_eq!(total_lost(10_000, &[], |i| -((i % 32) as f64)), 0);
        // And all is as late as a busy machine makes it.
        assert_eq!(total_lost(10_000, &[], |i| ((i * 7919) % 13) as f64), 0);
    }

    #[test]
    fn a_rate_that_is_a_little_off_is_no_gap() {
        assert_eq!(total_lost(100_000, &[], |i| i as f64 * 1e-3), 0);
    }

    #[test]
    fn a_single_lost_sample_shows_once_the_stream_is_known_to_be_clean() {
        assert_eq!(total_lost(10_000, &[(5_000, 1)], |_| 0.0), 1);
    }

    #[test]
    fn a_gap_at_the_very_end_shows_at_the_end() {
        assert_eq!(total_lost(5_003, &[(5_000, 7)], |_| 0.0), 7);
        assert_eq!(total_lost(5_301, &[(5_100, 7)], |_| 0.0), 7);
    }

    #[test]
    fn a_long_break_is_a_jump_and_a_gap() {
        let mut watch = Continuity::new(250.0);
        for i in 0..1000 {
            assert_eq!(watch.see(f64::from(i) / 250.0), Verdict::default());
        }
        let verdict = watch.see(999.0 / 250.0 + 3.0);
        assert_eq!(verdict.lost, 749);
        assert!((verdict.jump_s.expect("three seconds") - 3.0).abs() < 1e-9);
        assert_eq!(watch.see(1000.0 / 250.0 + 3.0), Verdict::default());
    }

    #[test]
    fn a_clock_set_anew_is_a_jump_without_a_count() {
        let mut watch = Continuity::new(250.0);
        watch.see(10.0);
        assert_eq!(watch.see(1e6), Verdict { lost: 0, jump_s: Some(1e6 - 10.0) });
        assert_eq!(watch.see(5.0), Verdict { lost: 0, jump_s: Some(5.0 - 1e6) });
        assert!(watch.see(f64::NAN).jump_s.expect("no number").is_nan());
    }

    #[test]
    fn a_slow_stream_may_take_seconds_between_samples() {
        let mut watch = Continuity::new(0.2);
        let lost: u64 = (0..50).map(|i| watch.see(f64::from(i) * 5.0)).map(|v| v.lost).sum();
        assert_eq!(lost, 0);
        assert_eq!(watch.see(250.0).jump_s, None);
    }

    #[test]
    fn markers_may_be_far_apart_but_not_go_back() {
        let mut watch = Continuity::new(0.0);
        assert_eq!(watch.see(1.0), Verdict::default());
        assert_eq!(watch.see(1000.0), Verdict::default());
        assert_eq!(watch.see(999.5).jump_s, Some(-0.5));
        assert_eq!(watch.finish(), 0);
    }

    proptest! {
        #[test]
        fn gaps_add_up_wherever_they_fall(
            gaps in prop::collection::vec((2_000u64..9_000, 2u64..200), 0..4),
            phase in 0u64..1000,
        ) {
            // A little jitter, as a good amplifier has it.
            let late = |i: u64| ((i + phase) * 2_654_435_761 % 97) as f64 / 97.0 * 0.2;
            let missing: u64 = gaps.iter().map(|(_, lost)| lost).sum();
            let found = total_lost(10_000, &gaps, late);
            prop_assert!(found.abs_diff(missing) <= gaps.len() as u64, "{} of {}", found, missing);
        }
    }
}
