//! The nearest numbers with a given range, mean and contrast: one convex problem, solved exactly.
//!
//! The conditions of Karush, Kuhn and Tucker say that the nearest point within bounds, on a hyperplane of constant mean and
//! within (or on) a sphere of RMS contrast is `y = clip(gain x + offset)` with two scalars, both found on monotone
//! functions. No rounds of alternating projections are needed, and the result is the nearest point and not just a
//! point of the intersection. For a contrast that must be met exactly the set is not convex; the point found
//! minimises the Lagrangian over the convex rest, hence it is the nearest there as well.

use super::Contrast;

/// Deviation below which mean, contrast and bounds count as met: below half a step of f32 near 1.
pub(super) const TOLERANCE: f64 = 1e-7;

/// Numbers, their bounds, and what is asked of them.
pub(super) struct Level<'a> {
    pub light: &'a [f64],
    pub low: &'a [f64],
    pub high: &'a [f64],
    pub mean: Option<f64>,
    pub contrast: Option<Contrast>,
}

/// Least and greatest of the numbers and of what is allowed, and the numbers' mean: the same for every gain that is tried.
struct Extent {
    light: (f64, f64),
    allowed: (f64, f64),
    own: f64,
}

/// The solution `clip(gain x + offset)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    pub gain: f64,
    pub offset: f64,
    /// The contrast binds: a change of the light does not change it.
    pub bound_by_contrast: bool,
}

/// Why the exact contrast is not to be had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unreachable {
    /// The contrast wanted.
    pub wanted: f64,
    /// The nearest contrast that is.
    pub reached: f64,
}

impl Level<'_> {
    /// The numbers under a solution.
    pub fn moved(&self, affine: Affine) -> impl Iterator<Item = f64> + Clone + '_ {
        let bounds = self.low.iter().zip(self.high);
        self.light
            .iter()
            .zip(bounds)
            .map(move |(&x, (&low, &high))| (affine.gain * x + affine.offset).clamp(low, high))
    }

    /// Whether the numbers need no move at all.
    fn holds(&self) -> bool {
        let inside =
            |(&x, (&low, &high)): (&f64, (&f64, &f64))| x >= low - TOLERANCE && x <= high + TOLERANCE;
        let (mean, sd) = mean_and_sd(self.light.iter().copied());
        let contrast_holds = match self.contrast {
            None => true,
            Some(Contrast::AtMost(most)) => sd <= most + TOLERANCE,
            Some(Contrast::Exactly(wanted)) => (sd - wanted).abs() <= TOLERANCE,
        };
        contrast_holds
            && self.mean.is_none_or(|wanted| (mean - wanted).abs() <= TOLERANCE)
            && self.light.iter().zip(self.low.iter().zip(self.high)).all(inside)
    }

    /// Finds gain and offset. Numbers that already meet everything stay to the bit.
    pub fn solve(&self) -> Result<Affine, Unreachable> {
        let extent = self.extent();
        let plain = if self.holds() { STILL } else { self.at_gain(1.0, &extent) };
        let sd = self.sd(plain);
        let bound_by_contrast = match self.contrast {
            None => false,
            Some(Contrast::AtMost(most)) if sd <= most + TOLERANCE => sd >= most - TOLERANCE,
            Some(Contrast::Exactly(wanted)) if (sd - wanted).abs() <= TOLERANCE => true,
            Some(Contrast::AtMost(wanted) | Contrast::Exactly(wanted)) => {
                return self.gained(wanted, sd, &extent);
            }
        };
        Ok(Affine { bound_by_contrast, ..plain })
    }

    /// The smallest contrast that the bounds and the mean allow: that of numbers as equal as they can be.
    pub fn least_contrast(&self) -> f64 {
        self.sd(self.at_gain(0.0, &self.extent()))
    }

    fn extent(&self) -> Extent {
        let spread = |values: &[f64]| {
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)))
        };
        Extent {
            light: spread(self.light),
            allowed: (spread(self.low).0, spread(self.high).1),
            own: self.light.iter().sum::<f64>() / self.light.len() as f64,
        }
    }

    fn at_gain(&self, gain: f64, extent: &Extent) -> Affine {
        Affine { gain, offset: self.offset(gain, extent), bound_by_contrast: true }
    }

    fn sd(&self, affine: Affine) -> f64 {
        mean_and_sd(self.moved(affine)).1
    }

    /// The gain that makes the wanted contrast, which rises with the gain. `sd` is the contrast at gain 1.
    fn gained(&self, wanted: f64, sd: f64, extent: &Extent) -> Result<Affine, Unreachable> {
        let beyond = |gain: f64| self.sd(self.at_gain(gain, extent)) - wanted;
        let (mut low, mut high) = ((0.0, beyond(0.0)), (1.0, sd - wanted));
        if low.1 > TOLERANCE {
            return Err(Unreachable { wanted, reached: low.1 + wanted });
        }
        low.1 = low.1.min(0.0);
        while high.1 < 0.0 {
            low = high;
            high.0 *= 2.0;
            high.1 = beyond(high.0);
            if high.0 > HIGHEST_GAIN {
                return Err(Unreachable { wanted, reached: high.1 + wanted });
            }
        }
        // Regula falsi by the Illinois rule: the contrast is linear in the gain where nothing clips.
        let mut rose = None;
        for _ in 0..100 {
            let gain = (low.0 * high.1 - high.0 * low.1) / (high.1 - low.1);
            let found = beyond(gain);
            if found.abs() < 1e-12 || high.0 - low.0 < 1e-15 * high.0 {
                return Ok(self.at_gain(gain, extent));
            }
            if found < 0.0 {
                high.1 *= if rose == Some(true) { 0.5 } else { 1.0 };
                low = (gain, found);
            } else {
                low.1 *= if rose == Some(false) { 0.5 } else { 1.0 };
                high = (gain, found);
            }
            rose = Some(found < 0.0);
        }
        Ok(self.at_gain(high.0, extent))
    }

    /// The offset at which the mean is as wanted; without a wanted mean, the one at which numbers are pulled towards
    /// their own mean: `(1 - gain) mean(y)`.
    fn offset(&self, gain: f64, extent: &Extent) -> f64 {
        let count = self.light.len() as f64;
        if self.mean.is_none() && gain == 1.0 {
            return 0.0;
        }
        let clipped = |offset: f64| {
            let (mut sum, mut free) = (0.0, 0.0);
            for (&x, (&low, &high)) in self.light.iter().zip(self.low.iter().zip(self.high)) {
                let y = gain * x + offset;
                sum += y.clamp(low, high);
                free += f64::from(u8::from(y > low && y < high));
            }
            (sum / count, free / count)
        };
        let Extent { light: (darkest, lightest), allowed: (lowest, highest), own } = *extent;
        match self.mean {
            Some(mean) => {
                let bracket = [lowest - gain * lightest, highest - gain * darkest];
                root(bracket, mean - gain * own, |offset| {
                    let (found, free) = clipped(offset);
                    (found - mean, free)
                })
            }
            None => {
                let centre = root([lowest, highest], own, |centre| {
                    let (found, free) = clipped((1.0 - gain) * centre);
                    (centre - found, 1.0 - (1.0 - gain) * free)
                });
                (1.0 - gain) * centre
            }
        }
    }

    /// The vector-Jacobian product of the solution: the Jacobian of a projection is symmetric, so it is also the change of
    /// `y` under the change `cotangent` of x. Clipped numbers do not move; the free ones move by `gain` times the
    /// cotangent, less its parts that would change mean and contrast.
    pub fn pull_back(&self, affine: Affine, cotangent: &[f64]) -> Vec<f64> {
        let inside = |(&x, (&low, &high)): (&f64, (&f64, &f64))| {
            let y = affine.gain * x + affine.offset;
            y >= low && y <= high
        };
        let free: Vec<bool> = self.light.iter().zip(self.low.iter().zip(self.high)).map(inside).collect();
        let places = || (0..free.len()).filter(|&i| free[i]);
        let count = free.len() as f64;
        let y: Vec<f64> = self.moved(affine).collect();
        let mean = self.mean.unwrap_or_else(|| y.iter().sum::<f64>() / count);
        let sum = |value: &dyn Fn(usize) -> f64| places().map(value).sum::<f64>();
        let step = |i: usize| affine.gain * cotangent[i];
        // Unknown: the change of the gain, and that of the offset (with a mean) or of the mean (without).
        let share = if self.mean.is_some() { 1.0 } else { 1.0 - affine.gain };
        let moving = if self.mean.is_some() { 0.0 } else { count };
        let (n, all) = (sum(&|_| 1.0), sum(&step));
        let (mut by_gain, mut by_offset) = (0.0, 0.0);
        if affine.bound_by_contrast {
            let rows = [
                [sum(&|i| self.light[i] - mean), share * n - moving, -all],
                [
                    sum(&|i| (y[i] - mean) * (self.light[i] - mean)),
                    share * sum(&|i| y[i] - mean),
                    -sum(&|i| (y[i] - mean) * step(i)),
                ],
            ];
            let alone = if rows[0][1] == 0.0 { 0.0 } else { rows[0][2] / rows[0][1] };
            (by_gain, by_offset) = solve_2x2(rows).unwrap_or((0.0, alone));
        } else if self.mean.is_some() && n > 0.0 {
            by_offset = -all / n;
        }
        let moved = |i: usize| step(i) + (self.light[i] - mean) * by_gain + share * by_offset;
        (0..free.len()).map(|i| if free[i] { moved(i) } else { 0.0 }).collect()
    }
}

/// Nothing moves.
const STILL: Affine = Affine { gain: 1.0, offset: 0.0, bound_by_contrast: false };

/// Beyond this gain every number that can be clipped is.
const HIGHEST_GAIN: f64 = 1e9;

/// Mean and SD, in two passes.
pub(super) fn mean_and_sd(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values.clone() {
        sum += value;
        count += 1.0;
    }
    let mean = sum / count;
    let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// The root of a rising function with its slope: Newton's steps, kept within a bracket that shrinks.
fn root([mut low, mut high]: [f64; 2], start: f64, function: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut at = start.clamp(low, high);
    for _ in 0..200 {
        let (value, slope) = function(at);
        if value.abs() < 1e-14 {
            break;
        }
        if value > 0.0 {
            high = at
        } else {
            low = at
        }
        let newton = at - value / slope;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if next == at || high - low <= 1e-16 * (1.0 + at.abs()) {
            break;
        }
        at = next;
    }
    at
}

/// Two equations `a p + b q = c`; none where they are not independent.
fn solve_2x2([[a, b, c], [d, e, f]]: [[f64; 3]; 2]) -> Option<(f64, f64)> {
    let determinant = a * e - b * d;
    let scale = (a * e).abs() + (b * d).abs();
    if determinant.abs() <= 1e-12 * scale || scale == 0.0 {
        return None;
    }
    Some(((c * e - b * f) / determinant, (a * f - c * d) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    struct Case {
        light: Vec<f64>,
        low: Vec<f64>,
        high: Vec<f64>,
    }

    impl Case {
        fn new(count: usize, random: &mut Random) -> Self {
            let low: Vec<f64> = (0..count).map(|_| 0.3 * random.uniform()).collect();
            Self {
                light: (0..count).map(|_| 0.5 + 0.5 * random.normal()).collect(),
                high: low.iter().map(|low| low + 0.4 + 0.3 * random.uniform()).collect(),
                low,
            }
        }

        fn level(&self, mean: Option<f64>, contrast: Option<Contrast>) -> Level<'_> {
            Level { light: &self.light, low: &self.low, high: &self.high, mean, contrast }
        }
    }

    const TARGETS: [(Option<f64>, Option<Contrast>); 8] = [
        (None, None),
        (Some(0.45), None),
        (None, Some(Contrast::AtMost(0.1))),
        (None, Some(Contrast::Exactly(0.12))),
        (None, Some(Contrast::Exactly(0.18))),
        (Some(0.42), Some(Contrast::AtMost(0.11))),
        (Some(0.42), Some(Contrast::Exactly(0.15))),
        (Some(0.45), Some(Contrast::Exactly(0.18))),
    ];

    fn project(level: &Level<'_>) -> Vec<f64> {
        level.moved(level.solve().unwrap()).collect()
    }

    #[test]
    fn what_is_asked_is_met_to_rounding() {
        let mut random = Random::new(1, 0);
        for _ in 0..50 {
            let case = Case::new(40, &mut random);
            for (mean, contrast) in TARGETS {
                let y = project(&case.level(mean, contrast));
                let (found, sd) = mean_and_sd(y.iter().copied());
                assert!(mean.is_none_or(|mean| (found - mean).abs() < 1e-12), "{mean:?} {found}");
                match contrast {
                    Some(Contrast::Exactly(wanted)) => assert!((sd - wanted).abs() < 1e-10, "{wanted} {sd}"),
                    Some(Contrast::AtMost(most)) => assert!(sd < most + 1e-10, "{most} {sd}"),
                    None => {}
                }
            }
        }
    }

    /// Dykstra's alternating projections (Boyle and Dykstra 1986) onto the box, the hyperplane and the ball: an independent
    /// way to the nearest point of a convex intersection.
    fn dykstra(case: &Case, mean: f64, most: f64) -> Vec<f64> {
        let count = case.light.len();
        let mut y = case.light.clone();
        let mut memory = vec![vec![0.0; count]; 3];
        for _ in 0..20_000 {
            for (set, memory) in memory.iter_mut().enumerate() {
                let from: Vec<f64> = y.iter().zip(&*memory).map(|(y, m)| y + m).collect();
                y = match set {
                    0 => (0..count).map(|i| from[i].clamp(case.low[i], case.high[i])).collect(),
                    1 => {
                        let shift = mean - from.iter().sum::<f64>() / count as f64;
                        from.iter().map(|value| value + shift).collect()
                    }
                    _ => {
                        let square: f64 = from.iter().map(|value| (value - mean).powi(2)).sum();
                        let factor = (most / (square / count as f64).sqrt()).min(1.0);
                        from.iter().map(|value| mean + factor * (value - mean)).collect()
                    }
                };
                for i in 0..count {
                    memory[i] = from[i] - y[i];
                }
            }
        }
        y
    }

    #[test]
    fn it_is_where_alternating_projections_end() {
        let mut random = Random::new(2, 0);
        for count in [3, 5, 12] {
            let case = Case::new(count, &mut random);
            let low = case.low.iter().sum::<f64>() / count as f64;
            let high = case.high.iter().sum::<f64>() / count as f64;
            let mean = 0.5 * (low + high);
            let most = 0.12;
            let found = project(&case.level(Some(mean), Some(Contrast::AtMost(most))));
            for (a, b) in found.iter().zip(dykstra(&case, mean, most)) {
                assert!((a - b).abs() < 1e-6, "{count}: {a} {b}");
            }
        }
    }

    #[test]
    fn without_clipping_it_is_a_scaling_about_the_mean() {
        let case = Case { light: vec![0.3, 0.5, 0.6, 0.4], low: vec![0.0; 4], high: vec![1.0; 4] };
        let found = project(&case.level(Some(0.5), Some(Contrast::Exactly(0.2))));
        let sd = (0.05_f64 / 4.0).sqrt();
        for (x, y) in case.light.iter().zip(found) {
            assert!((y - (0.5 + (x - 0.45) * 0.2 / sd)).abs() < 1e-12);
        }
    }

    #[test]
    fn no_feasible_point_near_it_is_nearer() {
        let mut random = Random::new(3, 0);
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let mut compared = 0;
        for round in 0..40 {
            let case = Case::new(6, &mut random);
            for (mean, contrast) in TARGETS {
                let level = case.level(mean, contrast);
                // Six numbers may not reach an exact contrast from everywhere.
                let Ok(affine) = level.solve() else { continue };
                let y: Vec<f64> = level.moved(affine).collect();
                let nearest = distance(&case.light, &y);
                let spread = if round % 2 == 0 { 0.01 } else { 0.3 };
                for _ in 0..20 {
                    let light = y.iter().map(|value| value + spread * random.normal()).collect();
                    let other = Case { light, low: case.low.clone(), high: case.high.clone() };
                    let level = other.level(mean, contrast);
                    let Ok(affine) = level.solve() else { continue };
                    compared += 1;
                    let z: Vec<f64> = level.moved(affine).collect();
                    assert!(distance(&case.light, &z) >= nearest - 1e-9, "{mean:?} {contrast:?}");
                }
            }
        }
        assert!(compared > 5000, "{compared}");
    }

    #[test]
    fn the_pull_back_is_the_slope_in_f64() {
        let mut random = Random::new(4, 0);
        for (mean, contrast) in TARGETS {
            for _ in 0..6 {
                let case = Case::new(15, &mut random);
                let cotangent: Vec<f64> = (0..15).map(|_| random.normal()).collect();
                let level = case.level(mean, contrast);
                let gradient = level.pull_back(level.solve().unwrap(), &cotangent);
                for index in 0..15 {
                    let value = |step: f64| -> f64 {
                        let mut light = case.light.clone();
                        light[index] += step;
                        let moved = Case { light, low: case.low.clone(), high: case.high.clone() };
                        project(&moved.level(mean, contrast)).iter().zip(&cotangent).map(|(y, c)| y * c).sum()
                    };
                    let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
                    let found = gradient[index];
                    assert!((slope - found).abs() < 2e-5, "{mean:?} {contrast:?} {index}: {slope} {found}");
                }
            }
        }
    }

    #[test]
    fn a_constant_has_no_contrast_to_scale() {
        let case = Case { light: vec![0.4; 9], low: vec![0.0; 9], high: vec![1.0; 9] };
        let found = case.level(None, Some(Contrast::Exactly(0.1))).solve();
        assert!(found.is_err_and(|missed| missed.reached == 0.0 && missed.wanted == 0.1));
        assert!(case.level(None, Some(Contrast::AtMost(0.1))).solve().is_ok());
    }
}
