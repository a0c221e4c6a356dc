//! The curvature seen in the last steps: the inverse Hessian for free steps, the Hessian for steps at a border.

use std::collections::VecDeque;

use super::super::vector;
use crate::problem::Problem;

/// Pairs of steps s and falls of the gradient y over them, s.y > 0 (the Hessian is that of the negative value).
#[derive(Debug, Clone)]
pub(super) struct Memory {
    pairs: VecDeque<Pair>,
    most: usize,
}

#[derive(Debug, Clone)]
struct Pair {
    step: Vec<f64>,
    fall: Vec<f64>,
    /// step . fall
    product: f64,
}

impl Memory {
    pub fn new(most: usize) -> Self {
        Self { pairs: VecDeque::new(), most }
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Takes in a step. False where the gradient did not fall along it: the model would lose its maximum.
    pub fn learn(&mut self, step: Vec<f64>, fall: Vec<f64>) -> bool {
        let product = vector::dot(&step, &fall);
        if product <= 1e-10 * vector::norm(&step) * vector::norm(&fall) {
            return false;
        }
        if self.pairs.len() == self.most {
            self.pairs.pop_front();
        }
        self.pairs.push_back(Pair { step, fall, product });
        true
    }

    /// Scale of the Hessian before the first pair: that of the newest one.
    fn scale(&self) -> f64 {
        self.pairs.back().map_or(1.0, |newest| vector::dot(&newest.fall, &newest.fall) / newest.product)
    }

    /// The inverse Hessian times a gradient, by the two-loop recursion (Nocedal and Wright, algorithm 7.4).
    pub fn ascent(&self, gradient: &[f64]) -> Vec<f64> {
        let mut out = gradient.to_vec();
        let mut weights = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let weight = vector::dot(&pair.step, &out) / pair.product;
            vector::add_scaled(&mut out, -weight, &pair.fall);
            weights.push(weight);
        }
        let scale = self.scale();
        out.iter_mut().for_each(|x| *x /= scale);
        for (pair, weight) in self.pairs.iter().zip(weights.iter().rev()) {
            let back = vector::dot(&pair.fall, &out) / pair.product;
            vector::add_scaled(&mut out, weight - back, &pair.step);
        }
        out
    }

    /// The Hessian as a sum of outer products, unrolled (Nocedal and Wright, 7.2). Without pairs, its scale is the one with
    /// which `gradient` gives the step `ascent`.
    pub fn model_of(&self, ascent: &[f64], gradient: &[f64]) -> Model {
        let scale = match self.is_empty() {
            true => vector::norm(gradient) / vector::norm(ascent),
            false => self.scale(),
        };
        let mut model = Model { scale, terms: Vec::with_capacity(self.pairs.len()) };
        for pair in &self.pairs {
            let mut taken = model.times(&pair.step);
            let root = vector::dot(&pair.step, &taken).sqrt();
            taken.iter_mut().for_each(|x| *x /= root);
            let root = pair.product.sqrt();
            model.terms.push(Term { given: pair.fall.iter().map(|y| y / root).collect(), taken });
        }
        model
    }
}

/// Hessian B of the negative value: scale I + sum of (given given^T - taken taken^T). Positive definite.
pub(super) struct Model {
    scale: f64,
    terms: Vec<Term>,
}

struct Term {
    given: Vec<f64>,
    taken: Vec<f64>,
}

impl Model {
    /// B v.
    fn times(&self, v: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = v.iter().map(|x| self.scale * x).collect();
        for Term { given, taken } in &self.terms {
            vector::add_scaled(&mut out, vector::dot(given, v), given);
            vector::add_scaled(&mut out, -vector::dot(taken, v), taken);
        }
        out
    }

    /// The allowed point p with the highest g.(p - x) - (p - x).B(p - x) / 2, as far as `projections` spectral projected
    /// gradient steps (Birgin, Martinez and Raydan, SIAM J. Optim. 10, 2000) from the allowed point `p` get.
    pub fn raised_within<P: Problem>(
        &self,
        problem: &P,
        x: &[f64],
        g: &[f64],
        p: Vec<f64>,
        projections: usize,
    ) -> Vec<f64> {
        let mut p = p;
        let mut rise = vector::along(g, -1.0, &self.times(&vector::difference(&p, x)));
        let mut stride = 1.0 / self.scale;
        let mut widest: f64 = 0.0;
        for _ in 0..projections {
            let mut target = vector::along(&p, stride, &rise);
            problem.project(&mut target);
            let step = vector::difference(&target, &p);
            let length = vector::largest(&step);
            widest = widest.max(length);
            let slope = vector::dot(&rise, &step);
            if length <= 1e-9 * widest || slope <= 0.0 || !slope.is_finite() {
                break;
            }
            let bent = self.times(&step);
            let curvature = vector::dot(&step, &bent);
            // The model is a parabola along the step: its top, or the border.
            let share = if curvature > 0.0 { (slope / curvature).min(1.0) } else { 1.0 };
            vector::add_scaled(&mut p, share, &step);
            vector::add_scaled(&mut rise, -share, &bent);
            if curvature > 0.0 {
                stride = vector::dot(&step, &step) / curvature;
            }
        }
        p
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn hessian_and_inverse_hessian_undo_each_other() {
        let n = 7;
        let mut random = Random::new(3, 0);
        let mut memory = Memory::new(4);
        for _ in 0..9 {
            let step: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let fall = step.iter().enumerate().map(|(i, s)| s * (1.0 + i as f64)).collect();
            assert!(memory.learn(step, fall));
        }
        assert_eq!(memory.pairs.len(), 4);
        let g: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let ascent = memory.ascent(&g);
        let back = memory.model_of(&ascent, &g).times(&ascent);
        assert!(vector::largest(&vector::difference(&back, &g)) < 1e-12, "{g:?} {back:?}");
        // The newest pair is met exactly (secant equation).
        let newest = memory.pairs.back().unwrap();
        let step = memory.ascent(&newest.fall);
        assert!(vector::largest(&vector::difference(&step, &newest.step)) < 1e-12);
    }

    #[test]
    fn a_step_without_a_fall_is_not_learned() {
        let mut memory = Memory::new(4);
        assert!(!memory.learn(vec![1.0, 0.0], vec![-1.0, 0.0]));
        assert!(!memory.learn(vec![1.0, 0.0], vec![0.0, 1.0]));
        assert!(memory.is_empty());
    }
}
