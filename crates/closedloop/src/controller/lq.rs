//! The linear-quadratic action: how far to follow a target that is known, when changes cost.
//!
//! The action `z` (drive over what the believed gain needs) has the target `exp(-s - f)`, of which the part by the
//! fluctuation fades: `d' = d + m`, `phi' = a phi`, with the distance `d` from the slow target, its fading part `phi` and
//! the move `m`. The cost `sum (d + m - phi)^2 + rho m^2` has the Riccati equation `p^2 + p = rho` (Anderson and Moore
//! 1990, Optimal Control: Linear Quadratic Methods, chapter 2), and all is in closed form, so that `rho` may depend on
//! the set point.

/// Feedback `move = -distance_gain * distance + fading_gain * fading`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LqGain {
    /// Part of the distance to the slow target that one move takes away.
    pub distance: f64,
    /// Part of the fading target that one move adds.
    pub fading: f64,
}

impl LqGain {
    /// The optimal gains for the price `rho >= 0` of a move and a fading part that keeps `keep` per step.
    pub fn optimal(rho: f64, keep: f64) -> Self {
        let p = 0.5 * (libm::sqrt(1.0 + 4.0 * rho) - 1.0);
        let whole = 1.0 + p + rho;
        let cross = -rho / (whole - rho * keep);
        Self { distance: (1.0 + p) / whole, fading: (1.0 - cross * keep) / whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value iteration of the Riccati equation in two states, from zero.
    fn iterated(rho: f64, keep: f64) -> LqGain {
        // V = [d phi] P [d phi]^T; with d' = d + m: Q over (d', phi), then minimise over m.
        let (mut p11, mut p12) = (0.0, 0.0);
        for _ in 0..100_000 {
            let (h, c) = (1.0 + p11, -1.0 + keep * p12);
            // min over d' of h d'^2 + 2 c d' phi + rho (d' - d)^2.
            (p11, p12) = (rho * h / (h + rho), rho * c / (h + rho));
        }
        let (h, c) = (1.0 + p11, -1.0 + keep * p12);
        LqGain { distance: h / (h + rho), fading: -c / (h + rho) }
    }

    #[test]
    fn the_closed_form_is_what_the_riccati_iteration_ends_at() {
        for rho in [0.0, 0.1, 3.0, 400.0] {
            for keep in [0.0, 0.5, 0.97] {
                let (closed, by_steps) = (LqGain::optimal(rho, keep), iterated(rho, keep));
                let same = (closed.distance - by_steps.distance).abs() < 1e-9
                    && (closed.fading - by_steps.fading).abs() < 1e-9;
                assert!(same, "rho {rho}, keep {keep}: {closed:?} {by_steps:?}");
            }
        }
        assert_eq!(LqGain::optimal(0.0, 0.9), LqGain { distance: 1.0, fading: 1.0 });
    }
}
