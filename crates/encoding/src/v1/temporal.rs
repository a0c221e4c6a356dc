//! Time: fast and slow filters, and linear receptive fields that are oriented in space and time.
//!
//! Adelson and Bergen, J. Opt. Soc. Am. A 2, 1985; Watson and Ahumada, the same volume.

use std::f64::consts::PI;

use super::grid::Scale;
use super::matrix::Matrix;
use super::net::Net;
use super::params::Temporal;
use crate::onnx::Value;

/// Spatial filters [N T, 2 O, h, w] (even, odd) to [N T, 4 O, h, w]: even ones that prefer motion along the wave vector,
/// even ones that prefer the opposite, and the odd ones alike.
pub(super) fn wire(net: &mut Net, time: &Temporal, scale: &Scale, spatial: &Value) -> Value {
    let name = |what: &str| format!("v1.{what}.s{}", scale.index);
    let orientations = net.params.orientations;
    let [height, width] = scale.cells;
    let (frames, each) = (time.frames as i64, (2 * orientations * scale.count()) as i64);
    let images = [-1, 2 * orientations as i64, height as i64, width as i64];
    let rows = net.graph.reshape(&name("over_time"), spatial, &[-1, frames, each]);
    let parts = filters(time).map(|(what, taps)| {
        let matrix = net.matrix(causal(time.frames, &taps));
        let filtered = net.graph.matmul(&name(&format!("{what}_rows")), &matrix, &rows);
        net.graph.reshape(&name(what), &filtered, &images)
    });
    let all = net.graph.concat(&name("fast_and_slow"), &[&parts[0], &parts[1]], 1);
    let mixed = mixtures(orientations);
    let mixed =
        net.kernels(&name("space_time_mixtures"), &[4 * orientations, 4 * orientations, 1, 1], &mixed);
    let linear = net.graph.conv(&name("space_time"), &all, &mixed, 1, 0);
    net.graph.describe("linear receptive fields oriented in space and time");
    linear
}

/// From [fast even, fast odd, slow even, slow odd] to [even along, even against, odd along, odd against].
///
/// Slow lags fast by a quarter of a cycle. Of a grating that moves along its wave vector the odd filter lags the even one
/// by as much: fast even and slow odd then cancel or add up.
fn mixtures(orientations: usize) -> Vec<f64> {
    const SIGNS: [[f64; 4]; 4] =
        [[1.0, 0.0, 0.0, -1.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, 0.0]];
    let channels = 4 * orientations;
    let mut values = vec![0.0; channels * channels];
    for (out, signs) in SIGNS.iter().enumerate() {
        for (part, sign) in signs.iter().enumerate() {
            for orientation in 0..orientations {
                let row = out * orientations + orientation;
                values[row * channels + part * orientations + orientation] = *sign;
            }
        }
    }
    values
}

/// Frames before the first are like the adapted light: no contrast.
fn causal(frames: usize, taps: &[f64]) -> Matrix {
    let values = (0..frames * frames).map(|index| {
        let (row, column) = (index / frames, index % frames);
        row.checked_sub(column).map_or(0.0, |lag| taps[lag])
    });
    Matrix { rows: frames, columns: frames, values: values.collect() }
}

/// Both filters, one value per frame of lag, scaled so that a space-time filter answers the best moving grating with 1.
fn filters(time: &Temporal) -> [(&'static str, Vec<f64>); 2] {
    let [mut fast, mut slow] = [time.fast_order, time.slow_order].map(|order| {
        let taps = biphasic(time, order);
        let peak = frequencies(time).map(|hz| amplitude(response(&taps, hz, time))).fold(0.0, f64::max);
        taps.into_iter().map(|tap| tap / peak).collect::<Vec<f64>>()
    });
    let along = |hz| {
        let (fast, slow) = (response(&fast, hz, time), response(&slow, hz, time));
        amplitude([fast[0] - slow[1], fast[1] + slow[0]])
    };
    let peak = frequencies(time).map(along).fold(0.0, f64::max);
    fast.iter_mut().chain(&mut slow).for_each(|tap| *tap /= peak);
    [("fast", fast), ("slow", slow)]
}

fn biphasic(time: &Temporal, order: u32) -> Vec<f64> {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let tap = |lag: usize| {
        let z = time.rate_per_s * lag as f64 / time.frame_rate_hz;
        libm::pow(z, f64::from(order))
            * libm::exp(-z)
            * (1.0 / factorial(order) - z * z / factorial(order + 2))
    };
    (0..time.frames).map(tap).collect()
}

fn frequencies(time: &Temporal) -> impl Iterator<Item = f64> {
    let most = time.frame_rate_hz / 2.0;
    (1..200).map(move |step| most * f64::from(step) / 200.0)
}

/// Fourier transform [re, im] at a temporal frequency.
fn response(taps: &[f64], hz: f64, time: &Temporal) -> [f64; 2] {
    taps.iter().enumerate().fold([0.0, 0.0], |[re, im], (lag, tap)| {
        let phase = 2.0 * PI * hz * lag as f64 / time.frame_rate_hz;
        [re + tap * libm::cos(phase), im - tap * libm::sin(phase)]
    })
}

fn amplitude([re, im]: [f64; 2]) -> f64 {
    libm::hypot(re, im)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_prefers_one_direction_over_a_band_of_frequencies() {
        let time = Temporal::default();
        let [(_, fast), (_, slow)] = filters(&time);
        let both = |hz: f64| {
            let (f, s) = (response(&fast, hz, &time), response(&slow, hz, &time));
            [amplitude([f[0] - s[1], f[1] + s[0]]), amplitude([f[0] + s[1], f[1] - s[0]])]
        };
        let best = frequencies(&time).max_by(|a, b| both(*a)[0].total_cmp(&both(*b)[0])).unwrap();
        eprintln!("best temporal frequency {best:.1} Hz: {:?}", both(best));
        assert!((4.0..14.0).contains(&best));
        for hz in [0.75 * best, best, 1.5 * best] {
            let [along, against] = both(hz);
            assert!(against < 0.5 * along, "{hz} Hz: {along} {against}");
        }
        assert!(both(0.0)[0] < 0.2, "steady light: {:?}", both(0.0));
    }
}
