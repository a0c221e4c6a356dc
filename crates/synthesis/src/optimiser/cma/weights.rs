//! The constants of CMA-ES, functions of dimension and population.

/// Names as in Hansen, "The CMA evolution strategy: a tutorial", arXiv:1604.00772, table 1.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// By rank, the best first: the first half positive with sum one, the rest negative or zero.
    pub by_rank: Vec<f64>,
    pub mu_eff: f64,
    pub c_sigma: f64,
    pub d_sigma: f64,
    pub c_c: f64,
    pub c_1: f64,
    pub c_mu: f64,
    /// Expected length of a standard normal vector.
    pub chi: f64,
}

impl Weights {
    /// `separable`: faster learning of the n numbers of a diagonal, and no negative weights (Ros and Hansen, PPSN 2008).
    pub fn new(dimensions: usize, population: usize, separable: bool) -> Self {
        let n = dimensions as f64;
        let lambda = population as f64;
        let raw: Vec<f64> =
            (1..=population).map(|i| libm::log((lambda + 1.0) / 2.0) - libm::log(i as f64)).collect();
        let mu = population / 2;
        let mu_eff = effective(&raw[..mu]);
        let mu_eff_negative = effective(&raw[mu..]);
        let c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0);
        let d_sigma = 1.0 + 2.0 * (((mu_eff - 1.0) / (n + 1.0)).max(0.0).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_c = (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n);
        let mut c_1 = 2.0 / ((n + 1.3) * (n + 1.3) + mu_eff);
        let mut c_mu = 2.0 * (0.25 + mu_eff + 1.0 / mu_eff - 2.0) / ((n + 2.0) * (n + 2.0) + mu_eff);
        if separable {
            (c_1, c_mu) = (c_1 * (n + 2.0) / 3.0, c_mu * (n + 2.0) / 3.0);
        }
        c_1 = c_1.min(1.0);
        c_mu = c_mu.min(1.0 - c_1);
        let positive: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let negative: f64 = -raw.iter().filter(|w| **w < 0.0).sum::<f64>();
        // The least of: no net forgetting, as effective as the positive ones, and a matrix that stays positive definite.
        let share = (1.0 + c_1 / c_mu)
            .min(1.0 + 2.0 * mu_eff_negative / (mu_eff + 2.0))
            .min((1.0 - c_1 - c_mu) / (n * c_mu));
        let share = if separable { 0.0 } else { share };
        let by_rank =
            raw.iter().map(|&w| if w >= 0.0 { w / positive } else { w * share / negative }).collect();
        let chi = n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n));
        Self { by_rank, mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi }
    }
}

/// Number of equal weights with the same loss of variance.
fn effective(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    sum * sum / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_tutorial() {
        for (n, population) in [(1, 4), (2, 6), (10, 10), (100, 17), (10, 80)] {
            let w = Weights::new(n, population, false);
            let positive: f64 = w.by_rank.iter().filter(|w| **w > 0.0).sum();
            assert!((positive - 1.0).abs() < 1e-12);
            assert!(w.by_rank.is_sorted_by(|a, b| a >= b));
            assert!(w.mu_eff > 1.0 && w.mu_eff <= population as f64 / 2.0);
            assert!(w.c_1 + w.c_mu <= 1.0);
            // Decay of the matrix in one generation, with the most that the negative weights can take: still positive.
            let negative: f64 = -w.by_rank.iter().filter(|w| **w < 0.0).sum::<f64>();
            assert!(1.0 - w.c_1 - w.c_mu * (1.0 - negative) - w.c_mu * negative * (1.0 + n as f64) > -1e-12);
        }
        // Population 10 in 10 dimensions: mu_eff 3.167 (Hansen's reference implementation).
        assert!((Weights::new(10, 10, false).mu_eff - 3.167_299).abs() < 1e-5);
    }
}
