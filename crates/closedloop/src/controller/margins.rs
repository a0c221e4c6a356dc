//! How far a PID loop is from instability, before a person sits down.
//!
//! With `q = exp(-i w h)` the loop is closed by `F(q) = D(q) + N(q) (k G(q))`, where `N / D` is the controller, `G` the
//! plant and `k` the factor by which the true gain exceeds the believed one. All of it is analytic within the unit
//! circle and `F(0) = 1`, so the loop is stable just if `F` does not wind around zero on the circle (Nyquist 1932, in
//! the argument principle's form). With a Smith predictor the plant in `F` is `q + (k - 1) G`: what the model explains
//! comes back after one step, and only what it does not explain comes late (Smith 1957, Chem Eng Prog 53(5), 217-219).

use super::plan::PidGains;
use super::shown::RESPONSE_LATENCY_NS;

/// Points on the upper half of the unit circle: evenly spaced, since a delay turns evenly with frequency, and spaced by
/// a factor, since slow loops cross far below half the rate of the updates.
const EVEN_POINTS: usize = 2048;
const FACTOR: f64 = 1.01;
const LOWEST: f64 = 1e-6;

/// Largest factor of gain that is looked for.
const LARGEST_GAIN: f64 = 100.0;

/// A complex number.
type Complex = [f64; 2];

/// How far a loop is from instability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margins {
    /// Largest factor by which the true gain may exceed the believed one (at most 100).
    pub gain: f64,
    /// Smallest further lag, over all frequencies at which the loop gain is 1; infinite where it never is.
    pub phase_deg: f64,
    /// Smallest further delay that makes it unstable; infinite likewise.
    pub delay_s: f64,
}

/// The margins of a PID controller on a plant of gain 1, given as its response to `q`, the delay by one step of
/// `step_s`: `plant(q)` must hold at least one whole delay. `None` for a loop that is not stable as it stands.
pub fn margins(
    gains: &PidGains,
    step_s: f64,
    smith: bool,
    plant: impl Fn([f64; 2]) -> [f64; 2],
) -> Option<Margins> {
    let circle: Vec<Point> = turns()
        .into_iter()
        .map(|turn| {
            let q = [libm::cos(turn), -libm::sin(turn)];
            let (numerator, denominator) = controller(gains, step_s, q);
            Point { turn, q, plant: plant(q), numerator, denominator }
        })
        .collect();
    let stable = |gain: f64| is_stable(&circle, smith, gain);
    if !stable(1.0) {
        return None;
    }
    let (mut low, mut high) = (1.0, 1.0);
    while high < LARGEST_GAIN && stable(high) {
        low = high;
        high *= 1.02;
    }
    if high < LARGEST_GAIN {
        for _ in 0..30 {
            let middle = 0.5 * (low + high);
            if stable(middle) { low = middle } else { high = middle }
        }
    }
    let (phase_deg, delay_s) = phase_margin(&circle, smith, step_s);
    Some(Margins { gain: low, phase_deg, delay_s })
}

/// The response of a decoder's window to drive: the mean over `window_s`, later by the latency of the response; the drive
/// holds from one update of `update_s` to the next. The weights of `q`, `q^2`, ...
pub fn window_weights(window_s: f64, update_s: f64) -> Vec<f64> {
    let length = window_s / update_s;
    let from = RESPONSE_LATENCY_NS as f64 / 1e9 / update_s;
    let to = from + length;
    (1..=libm::ceil(to) as usize)
        .map(|m| (to.min(m as f64) - from.max((m - 1) as f64)).max(0.0) / length)
        .collect()
}

/// `w_1 q + w_2 q^2 + ...`
pub fn weighted(weights: &[f64], q: [f64; 2]) -> [f64; 2] {
    let sum = weights.iter().rev().fold([0.0; 2], |sum, &weight| add(times(sum, q), [weight, 0.0]));
    times(sum, q)
}

/// Angles in rising order, above 0 and up to pi. At 0 the integral has its pole in the loop gain (not in `F`).
fn turns() -> Vec<f64> {
    let pi = core::f64::consts::PI;
    let mut turns: Vec<f64> = (1..=EVEN_POINTS).map(|n| pi * n as f64 / EVEN_POINTS as f64).collect();
    let mut turn = LOWEST;
    while turn < pi {
        turns.push(turn);
        turn *= FACTOR;
    }
    turns.sort_by(f64::total_cmp);
    turns
}

struct Point {
    turn: f64,
    q: Complex,
    plant: Complex,
    numerator: Complex,
    denominator: Complex,
}

fn add(a: Complex, b: Complex) -> Complex {
    [a[0] + b[0], a[1] + b[1]]
}

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn over(a: Complex, b: Complex) -> Complex {
    let power = b[0] * b[0] + b[1] * b[1];
    let product = times(a, [b[0], -b[1]]);
    [product[0] / power, product[1] / power]
}

fn scaled(a: Complex, by: f64) -> Complex {
    [a[0] * by, a[1] * by]
}

/// Numerator and denominator of the controller; a term that is off brings no pole.
fn controller(gains: &PidGains, step_s: f64, q: Complex) -> (Complex, Complex) {
    let one = [1.0, 0.0];
    let integrates = if gains.ki_per_s > 0.0 { [1.0 - q[0], -q[1]] } else { one };
    let span_s = gains.derivative_tau_s + step_s;
    let keep = gains.derivative_tau_s / span_s;
    let filters = if gains.kd_s > 0.0 { [1.0 - keep * q[0], -keep * q[1]] } else { one };
    let denominator = times(integrates, filters);
    let change = times([1.0 - q[0], -q[1]], integrates);
    let numerator = add(
        scaled(denominator, gains.kp),
        add(scaled(filters, gains.ki_per_s * step_s), scaled(change, gains.kd_s / span_s)),
    );
    (numerator, denominator)
}

fn is_stable(circle: &[Point], smith: bool, gain: f64) -> bool {
    let closed = |point: &Point| {
        let plant =
            if smith { add(point.q, scaled(point.plant, gain - 1.0)) } else { scaled(point.plant, gain) };
        add(point.denominator, times(point.numerator, plant))
    };
    let mut turned = 0.0;
    for pair in circle.windows(2) {
        let step = over(closed(&pair[1]), closed(&pair[0]));
        turned += libm::atan2(step[1], step[0]);
    }
    // The lower half of the circle turns as far again; a whole turn is 2 pi.
    turned.abs() < core::f64::consts::PI / 2.0
}

/// Phase margin in degrees and delay margin in s, of the loop opened at the plant.
fn phase_margin(circle: &[Point], smith: bool, step_s: f64) -> (f64, f64) {
    let open = |point: &Point| {
        let mut denominator = point.denominator;
        if smith {
            let ahead = add(point.q, scaled(point.plant, -1.0));
            denominator = add(denominator, times(point.numerator, ahead));
        }
        over(times(point.numerator, point.plant), denominator)
    };
    let (mut phase, mut delay_s) = (f64::INFINITY, f64::INFINITY);
    for pair in circle.windows(2) {
        let (a, b) = (open(&pair[0]), open(&pair[1]));
        let (large, small) = (libm::hypot(a[0], a[1]), libm::hypot(b[0], b[1]));
        if (large - 1.0) * (small - 1.0) > 0.0 {
            continue;
        }
        // Between the two points, where the loop gain is 1.
        let part = if large == small { 0.0 } else { (large - 1.0) / (large - small) };
        let value = add(a, scaled(add(b, scaled(a, -1.0)), part));
        let turn = pair[0].turn + part * (pair[1].turn - pair[0].turn);
        // From -1 clockwise to the loop gain.
        let angle = libm::atan2(-value[1], -value[0]);
        let lag = if angle > 0.0 { angle } else { angle + 2.0 * core::f64::consts::PI };
        phase = phase.min(angle.abs());
        delay_s = delay_s.min(lag / turn * step_s);
    }
    (phase.to_degrees(), delay_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::pid::Pid;

    fn gains(kp: f64, ki_per_s: f64, kd_s: f64) -> PidGains {
        PidGains { kp, ki_per_s, kd_s, derivative_tau_s: 0.1, set_point_weight: 1.0, tracking_tau_s: 1.0 }
    }

    /// First order with dead time, tuned by SIMC (Skogestad 2003, J Process Control 13, 291-309, with `tau_c = theta`):
    /// the loop is `exp(-theta s) / (2 theta s)`, its gain margin pi, its phase margin `90 - 90 / pi` degrees, its delay
    /// margin 2.14 theta.
    #[test]
    fn margins_of_a_lag_with_dead_time_are_the_closed_form() {
        let (tau_s, dead_s, step_s) = (1.5, 0.4, 0.002);
        let kp = tau_s / (2.0 * dead_s);
        let gains = gains(kp, kp / tau_s, 0.0);
        let keep = (-step_s / tau_s).exp();
        let steps = dead_s / step_s;
        let plant = |q: Complex| {
            let turn = -libm::atan2(q[1], q[0]);
            let late = [libm::cos(turn * steps), -libm::sin(turn * steps)];
            let lag = over(scaled(q, 1.0 - keep), [1.0 - keep * q[0], -keep * q[1]]);
            times(lag, late)
        };
        let found = margins(&gains, step_s, false, plant).unwrap();
        let pi = core::f64::consts::PI;
        assert!((found.gain / pi - 1.0).abs() < 0.01, "{found:?}");
        assert!((found.phase_deg - (90.0 - 90.0 / pi)).abs() < 0.7, "{found:?}");
        assert!((found.delay_s / dead_s - (pi - 1.0)).abs() < 0.05, "{found:?}");
    }

    /// Mean of the drive over a window with latency, as the weights say; the loop closed through it.
    fn diverges(gains: PidGains, smith: bool, gain: f64, weights: &[f64], step_s: f64) -> bool {
        let mut pid = Pid::prepare(gains, step_s);
        let mut past = std::collections::VecDeque::from(vec![0.0; weights.len()]);
        let mut largest: f64 = 0.0;
        for n in 0..20_000 {
            let mean: f64 = weights.iter().zip(&past).map(|(w, u)| w * u).sum();
            let ahead = if smith { past[0] - mean } else { 0.0 };
            pid.measure(0.0, gain * mean + ahead + if n == 0 { 1e-3 } else { 0.0 });
            past.push_front(pid.action(0.0, 0.0));
            past.pop_back();
            if past[0].abs() > 1e3 {
                return true;
            }
            if n > 18_000 {
                largest = largest.max(past[0].abs());
            }
        }
        largest > 1e-2
    }

    /// The controller itself, closed through the decoder's window, is stable below the margin and not above.
    #[test]
    fn the_loop_becomes_unstable_where_the_margin_says() {
        let step_s = 0.1;
        let weights = window_weights(2.0, step_s);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && weights.len() == 22);
        let cases =
            [(gains(0.2, 0.5, 0.0), false), (gains(0.3, 0.8, 0.05), true), (gains(0.0, 0.4, 0.0), true)];
        for (gains, smith) in cases {
            let found = margins(&gains, step_s, smith, |q| weighted(&weights, q)).unwrap();
            println!("{gains:?} smith {smith}: {found:?}");
            assert!(found.gain > 1.1 && found.gain < 90.0 && found.phase_deg > 5.0);
            assert!(!diverges(gains, smith, 0.97 * found.gain, &weights, step_s), "{found:?}");
            assert!(diverges(gains, smith, 1.03 * found.gain, &weights, step_s), "{found:?}");
        }
    }

    #[test]
    fn an_unstable_loop_is_seen() {
        let weights = window_weights(2.0, 0.1);
        for (gains, smith) in [(gains(0.2, 3.0, 0.0), false), (gains(1.1, 0.1, 0.0), true)] {
            assert!(margins(&gains, 0.1, smith, |q| weighted(&weights, q)).is_none());
            assert!(diverges(gains, smith, 1.0, &weights, 0.1));
        }
    }
}
