//! Receding horizon over a prepared set: which candidate now, if the best follow.
//!
//! Each candidate is a stimulus with its contrast and the drive that its response takes. The cost over the horizon is
//! `sum (set point - gain * drive)^2 + (penalty * change of contrast)^2`, and no move may change the contrast by more than
//! the slew allows. The candidate shown last is all that the future depends on, so dynamic programming over candidates
//! and moves (Bellman 1957) finds the minimum over all sequences, exactly, in `horizon * candidates^2`.

/// Most candidates of a [`Horizon`].
pub const MAX_CANDIDATES: usize = 128;
/// Most moves of a [`Horizon`].
pub const MAX_HORIZON: usize = 32;

/// One of the prepared stimuli.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its contrast, 0..=1.
    pub contrast: f64,
    /// Its response at a gain of one.
    pub drive: f64,
}

/// The planner; see the module.
#[derive(Debug, Clone)]
pub struct Horizon {
    candidates: Vec<Candidate>,
    penalty_uv: f64,
    /// Largest change of contrast in one move.
    most: f64,
    /// Cost of what follows a candidate, of the move that is planned and of the one after it.
    ahead: Vec<f64>,
    after: Vec<f64>,
}

impl Horizon {
    /// `penalty_uv` is what a change of contrast of 1 costs, `most` the largest change in one move.
    pub fn prepare(candidates: &[Candidate], penalty_uv: f64, most: f64) -> Self {
        let zeros = vec![0.0; candidates.len()];
        Self { candidates: candidates.to_vec(), penalty_uv, most, ahead: zeros.clone(), after: zeros }
    }

    /// The candidate to show now, and the cost of the horizon. `moves` are the gain and the set point of each move in uV,
    /// the one that is chosen now first. Among equal costs the smaller change wins, then the earlier candidate; where the
    /// slew reaches none, the nearest. `None` without candidates or moves.
    pub fn choose(&mut self, contrast: f64, moves: &[[f64; 2]]) -> Option<(usize, f64)> {
        let (first, later) = moves.split_first()?;
        self.after.fill(0.0);
        for &one in later.iter().rev() {
            for from in 0..self.candidates.len() {
                let (_, cost) = self.best(self.candidates[from].contrast, one)?;
                self.ahead[from] = cost;
            }
            core::mem::swap(&mut self.ahead, &mut self.after);
        }
        self.best(contrast, *first)
    }

    /// The candidates.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn best(&self, from: f64, [gain_uv, set_point_uv]: [f64; 2]) -> Option<(usize, f64)> {
        // Rounding must not put a candidate out of reach that lies a whole slew away.
        let most = self.most * (1.0 + 1e-9);
        let mut best: Option<(usize, f64, f64)> = None;
        let mut nearest: Option<(usize, f64, f64)> = None;
        for (index, candidate) in self.candidates.iter().enumerate() {
            let change = (candidate.contrast - from).abs();
            let error_uv = set_point_uv - gain_uv * candidate.drive;
            let price_uv = self.penalty_uv * change;
            let cost = error_uv * error_uv + price_uv * price_uv + self.after[index];
            let found = (index, cost, change);
            if nearest.is_none_or(|(_, _, least)| change < least) {
                nearest = Some(found);
            }
            if change <= most
                && best.is_none_or(|(_, lowest, least)| cost < lowest || (cost == lowest && change < least))
            {
                best = Some(found);
            }
        }
        best.or(nearest).map(|(index, cost, _)| (index, cost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(count: usize) -> Vec<Candidate> {
        (0..count)
            .map(|i| {
                let contrast = 0.9 * i as f64 / (count - 1) as f64;
                Candidate { contrast, drive: contrast * contrast / (contrast * contrast + 0.09) }
            })
            .collect()
    }

    /// Every sequence within the slew.
    fn brute(candidates: &[Candidate], from: f64, penalty: f64, most: f64, moves: &[[f64; 2]]) -> f64 {
        let Some((first, later)) = moves.split_first() else { return 0.0 };
        let costs = candidates.iter().filter(|c| (c.contrast - from).abs() <= most * (1.0 + 1e-9)).map(|c| {
            let (error, price) = (first[1] - first[0] * c.drive, penalty * (c.contrast - from));
            error * error + price * price + brute(candidates, c.contrast, penalty, most, later)
        });
        costs.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_choice_is_the_one_of_brute_force() {
        let candidates = grid(7);
        let mut random = random::Random::new(3, 1);
        for _ in 0..200 {
            let (penalty, most) = (3.0 * random.uniform(), 0.16 + 0.5 * random.uniform());
            let from = 0.9 * random.uniform();
            let moves: Vec<[f64; 2]> =
                (0..5).map(|_| [2.0 + 4.0 * random.uniform(), 3.0 * random.uniform()]).collect();
            let mut horizon = Horizon::prepare(&candidates, penalty, most);
            let (index, cost) = horizon.choose(from, &moves).unwrap();
            let expected = brute(&candidates, from, penalty, most, &moves);
            assert!((cost - expected).abs() < 1e-12 * expected.max(1.0), "{cost} {expected}");
            let chosen = candidates[index].contrast;
            let first = moves[0][1] - moves[0][0] * candidates[index].drive;
            let rest = brute(&candidates, chosen, penalty, most, &moves[1..]);
            let through = first * first + (penalty * (chosen - from)).powi(2) + rest;
            assert!((through - expected).abs() < 1e-12 * expected.max(1.0));
        }
    }

    #[test]
    fn it_moves_before_a_step_that_the_slew_cannot_follow() {
        let mut horizon = Horizon::prepare(&grid(10), 0.0, 0.1);
        let at = |uv| [4.0, uv];
        // The step from 0.4 to 3 uV comes in the next move; the contrast rises before.
        let (now, _) = horizon.choose(0.1, &[at(0.4), at(3.0), at(3.0), at(3.0)]).unwrap();
        let (alone, _) = horizon.choose(0.1, &[at(0.4)]).unwrap();
        assert_eq!((now, alone), (2, 1));
    }

    #[test]
    fn ties_go_to_the_smaller_change_then_to_the_earlier() {
        let same = |contrast| Candidate { contrast, drive: 0.5 };
        let mut horizon = Horizon::prepare(&[same(0.125), same(0.375), same(0.625), same(0.375)], 0.0, 1.0);
        assert_eq!(horizon.choose(0.5, &[[2.0, 1.0], [2.0, 1.0]]).unwrap().0, 1);
        assert_eq!(horizon.choose(0.25, &[[2.0, 1.0]]).unwrap().0, 0);
        let mut far = Horizon::prepare(&[same(0.1), same(0.9)], 0.0, 0.05);
        assert_eq!(far.choose(0.7, &[[2.0, 1.0]]).unwrap().0, 1, "the nearest where none is reached");
        assert!(Horizon::prepare(&[], 0.0, 1.0).choose(0.5, &[[1.0, 1.0]]).is_none());
    }
}
