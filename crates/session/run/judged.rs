//! What a proposal must be before anything of it leaves the planner: the display draws, and the record keeps, what it is given.

use planner::Proposal;
use timeline::Request;

/// The filter's bound for a calibration, and for the same reason: on noise alone one in ten thousand exceeds it.
const CLEAR: f64 = 4.0;

/// Part by which a picture's contrast may exceed the protocol's: texels are f32, and the aperture's edge is soft.
const CONTRAST_TOLERANCE: f64 = 0.02;

/// What all pictures of a session have to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Texels of a picture.
    pub texels: usize,
    /// Their RMS at most, of the range -1..=1.
    pub contrast_rms: f64,
}

/// Why a proposal is not used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wrong {
    /// So many texels.
    Texels(usize),
    /// So many texels that are not finite.
    NotFinite(usize),
    /// A texel that is not in -1..=1, the farthest one.
    Range(f64),
    /// More contrast than the protocol allows: its RMS.
    Contrast(f64),
    /// Not the next picture's number, or an incumbent that is none of the pictures so far.
    Number(u64),
}

impl Wrong {
    /// `count` and `value` of [`timeline::NoticeKind::PictureRefused`].
    pub fn told(self) -> (i64, f64) {
        match self {
            Self::Texels(found) => (1, found as f64),
            Self::NotFinite(found) => (2, found as f64),
            Self::Range(found) => (3, found),
            Self::Contrast(found) => (4, found),
            Self::Number(found) => (5, found as f64),
        }
    }
}

impl Bounds {
    /// Whether a proposal can be picture `number`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, proposal: &Proposal, number: u64) -> Result<(), Wrong> {
        let pattern = &proposal.pattern;
        if proposal.picture != number {
            return Err(Wrong::Number(proposal.picture));
        }
        if proposal.incumbent > number {
            return Err(Wrong::Number(proposal.incumbent));
        }
        if pattern.len() != self.texels {
            return Err(Wrong::Texels(pattern.len()));
        }
        let strange = pattern.iter().filter(|texel| !texel.is_finite()).count();
        if strange > 0 {
            return Err(Wrong::NotFinite(strange));
        }
        let farthest = pattern.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default();
        if farthest.abs() > 1.0 + 1e-5 {
            return Err(Wrong::Range(farthest.into()));
        }
        let square: f64 = pattern.iter().map(|&texel| f64::from(texel).powi(2)).sum();
        let rms = (square / self.texels.max(1) as f64).sqrt();
        if rms > self.contrast_rms * (1.0 + CONTRAST_TOLERANCE) {
            return Err(Wrong::Contrast(rms));
        }
        Ok(())
    }
}

/// Whether the probes did anything at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probes {
    left: u32,
    measured: u32,
    sum: f64,
    square: f64,
}

impl Probes {
    /// So many are to come.
    pub fn new(count: u32) -> Self {
        Self { left: count, measured: 0, sum: 0.0, square: 0.0 }
    }

    /// Takes what a request reports. After the last probe, where all of them together are no clear response: how many were
    /// measured, and their mean response over its standard error, 0 if there was none.
    pub fn hear(&mut self, request: &Request) -> Option<(u32, f64)> {
        request.picture?;
        self.left = self.left.checked_sub(1)?;
        if request.value.is_finite() && request.spread > 0.0 {
            self.measured += 1;
            self.sum += request.value;
            self.square += request.spread * request.spread;
        }
        let clear = if self.square > 0.0 { self.sum / self.square.sqrt() } else { 0.0 };
        (self.left == 0 && clear < CLEAR).then_some((self.measured, clear))
    }
}

#[cfg(test)]
mod tests {
    use planner::belief::Prediction;
    use planner::surprise::Turn;
    use timeline::Purpose;

    use super::*;

    fn proposal() -> Proposal {
        Proposal {
            picture: 3,
            pattern: vec![0.2, -0.2, 0.2, -0.2],
            purpose: Purpose::Explore,
            iterations: 1,
            predicted: Prediction { mean: f64::NAN, sd: f64::NAN },
            incumbent: 2,
            trust: Turn::None,
        }
    }

    #[test]
    fn a_proposal_that_cannot_be_shown_is_told_by_what_is_wrong() {
        let bounds = Bounds { texels: 4, contrast_rms: 0.2 };
        let with = |edit: &dyn Fn(&mut Proposal)| {
            let mut proposal = proposal();
            edit(&mut proposal);
            bounds.check(&proposal, 3)
        };
        assert_eq!(with(&|_| ()), Ok(()));
        assert_eq!(with(&|p| p.pattern[1] = f32::NAN), Err(Wrong::NotFinite(1)));
        assert_eq!(with(&|p| p.pattern.fill(f32::INFINITY)), Err(Wrong::NotFinite(4)));
        assert_eq!(with(&|p| p.pattern.truncate(3)), Err(Wrong::Texels(3)));
        assert_eq!(with(&|p| p.pattern.push(0.0)), Err(Wrong::Texels(5)));
        assert_eq!(with(&|p| p.pattern[0] = -1.5), Err(Wrong::Range(-1.5)));
        assert_eq!(with(&|p| p.pattern.fill(0.5)), Err(Wrong::Contrast(0.5)));
        assert_eq!(with(&|p| p.picture = 4), Err(Wrong::Number(4)));
        assert_eq!(with(&|p| p.picture = 2), Err(Wrong::Number(2)));
        assert_eq!(with(&|p| p.incumbent = 9), Err(Wrong::Number(9)));
        assert_eq!(with(&|p| p.incumbent = 3), Ok(()), "it may propose itself");
    }

    fn report(value: f64) -> Request {
        Request { presentation: Some(0), picture: Some(1), value, spread: 0.5, ..Request::first(0) }
    }

    #[test]
    fn probes_without_a_response_are_told_once_and_with_numbers() {
        let hear = |values: &[f64]| {
            let mut probes = Probes::new(values.len() as u32);
            assert_eq!(probes.hear(&Request { picture: None, ..report(0.0) }), None, "before the first");
            let told: Vec<_> = values.iter().filter_map(|value| probes.hear(&report(*value))).collect();
            assert_eq!(probes.hear(&report(0.0)), None, "what comes later is no probe");
            told
        };
        assert_eq!(hear(&[2.0; 4]), []);
        assert_eq!(hear(&[0.2, -0.2, 0.2, -0.2]), [(4, 0.0)]);
        assert_eq!(hear(&[0.5; 4]), [(4, 2.0)]);
        assert_eq!(hear(&[f64::NAN, 1.0, f64::NAN, 0.0]), [(2, 1.0 / 0.5_f64.sqrt())]);
        assert_eq!(hear(&[f64::NAN; 3]), [(0, 0.0)]);
    }
}
