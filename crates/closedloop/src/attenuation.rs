//! What the photosensitivity governor lets through of the commanded contrast, as the loop hears it from the display.

use timeline::Attenuation;

/// The part that drives, over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LetThrough {
    part: f64,
    /// Since when the mean is taken.
    since_ns: i64,
    /// The part's integral up to `until_ns`; none while it has not changed since then.
    sum: Option<(f64, i64)>,
}

impl LetThrough {
    pub(crate) const ALL: Self = Self { part: 1.0, since_ns: 0, sum: None };

    /// The mean is taken from this instant on.
    pub(crate) fn begin(&mut self, now_ns: i64) {
        (self.since_ns, self.sum) = (now_ns, None);
    }

    pub(crate) fn hear(&mut self, told: &Attenuation) {
        let (sum, until_ns) = self.sum.unwrap_or((0.0, self.since_ns));
        let at_ns = told.at_ns.max(until_ns);
        self.sum = Some((sum + self.part * (at_ns - until_ns) as f64, at_ns));
        self.part = told.driving();
    }

    /// What is let through now, as far as that is known.
    pub(crate) fn now(&self) -> f64 {
        self.part
    }

    /// What was let through on average.
    pub(crate) fn mean(&self, now_ns: i64) -> f64 {
        let Some((sum, until_ns)) = self.sum.filter(|_| now_ns > self.since_ns) else { return self.part };
        let rest_ns = (now_ns - until_ns).max(0);
        (sum + self.part * rest_ns as f64) / (until_ns + rest_ns - self.since_ns) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_time() {
        let mut let_through = LetThrough::ALL;
        let told = |at_ns, shown, gain| Attenuation { turn: 0, frame: 0, at_ns, shown, gain };
        let_through.begin(1_000);
        assert_eq!(let_through.mean(3_000), 1.0);
        let_through.hear(&told(2_000, 2, 65_535));
        let_through.hear(&told(2_500, 0, 52_428));
        assert!((let_through.mean(5_000) - (1_000.0 + 2_500.0 * 0.8) / 4_000.0).abs() < 1e-12);
        let_through.begin(5_000);
        assert_eq!((let_through.mean(5_000), let_through.mean(6_000)), (0.8, 0.8));
    }
}
