//! Pooling against loops in f64.

use proptest::prelude::*;

use super::super::{
    Divisor, PoolGeometry, Threads, max_pool, max_pool_gradient, sum_pool, sum_pool_gradient,
};
use super::random::{relative_error, values};

/// Inputs of each window in row-major order of its taps.
fn windows(q: &PoolGeometry) -> Vec<Vec<usize>> {
    let mut windows = Vec::new();
    for plane in 0..q.planes {
        for window in 0..q.output.iter().product() {
            let at = [
                window / (q.output[1] * q.output[2]),
                window / q.output[2] % q.output[1],
                window % q.output[2],
            ];
            let mut inputs = Vec::new();
            for tap in 0..q.kernel.iter().product() {
                let tap =
                    [tap / (q.kernel[1] * q.kernel[2]), tap / q.kernel[2] % q.kernel[1], tap % q.kernel[2]];
                let place = [0, 1, 2].map(|axis| {
                    let x = at[axis] * q.stride[axis] + tap[axis] * q.dilation[axis];
                    x.checked_sub(q.pad_before[axis]).filter(|&x| x < q.input[axis])
                });
                if let [Some(z), Some(y), Some(x)] = place {
                    inputs.push(((plane * q.input[0] + z) * q.input[1] + y) * q.input[2] + x);
                }
            }
            windows.push(inputs);
        }
    }
    windows
}

fn divisor(q: &PoolGeometry, divisor: Divisor, window: usize, inputs: &[usize]) -> f64 {
    let window = window % q.output.iter().product::<usize>();
    let at = [window / (q.output[1] * q.output[2]), window / q.output[2] % q.output[1], window % q.output[2]];
    let count = |axis: usize| {
        let end = q.input[axis] + q.pad_before[axis] + q.pad_after[axis];
        (0..q.kernel[axis]).filter(|tap| at[axis] * q.stride[axis] + tap * q.dilation[axis] < end).count()
    };
    match divisor {
        Divisor::One => 1.0,
        Divisor::WithPad => (count(0) * count(1) * count(2)) as f64,
        Divisor::WithoutPad => inputs.len() as f64,
    }
}

fn check(q: &PoolGeometry, ties: bool) {
    let threads = [Threads::one(), Threads::new(2).unwrap()];
    let windows = windows(q);
    let ins = q.planes * q.input.iter().product::<usize>();
    let mut x = values(1, ins);
    if ties {
        x.iter_mut().for_each(|value| *value = (*value * 3.0).floor().max(0.0));
    }
    let g = values(2, windows.len());
    let first = |inputs: &[usize]| inputs.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a });
    let mut dx = vec![0f64; ins];
    let mut y = vec![f32::NEG_INFINITY; windows.len()];
    for (window, inputs) in windows.iter().enumerate() {
        if let Some(at) = first(inputs) {
            y[window] = x[at];
            dx[at] += f64::from(g[window]);
        }
    }
    for threads in &threads {
        let mut found = vec![f32::NAN; windows.len()];
        max_pool(q, &x, &mut found, threads).unwrap();
        assert_eq!(found, y, "{q:?}");
        let mut found = vec![f32::NAN; ins];
        max_pool_gradient(q, &x, &g, &mut found, threads).unwrap();
        assert!(relative_error(&found, &dx) < 1e-6, "{q:?}");
    }
    for kind in [Divisor::One, Divisor::WithPad, Divisor::WithoutPad] {
        let (mut y, mut dx) = (vec![0f64; windows.len()], vec![0f64; ins]);
        for (window, inputs) in windows.iter().enumerate() {
            for &at in inputs {
                let over = divisor(q, kind, window, inputs);
                y[window] += f64::from(x[at]) / over;
                dx[at] += f64::from(g[window]) / over;
            }
        }
        for threads in &threads {
            let mut found = vec![f32::NAN; windows.len()];
            sum_pool(q, kind, &x, &mut found, threads).unwrap();
            assert!(relative_error(&found, &y) < 1e-6, "{q:?} {kind:?}");
            let mut found = vec![f32::NAN; ins];
            sum_pool_gradient(q, kind, &g, &mut found, threads).unwrap();
            assert!(relative_error(&found, &dx) < 1e-6, "{q:?} {kind:?}");
        }
    }
}

prop_compose! {
    fn axis()(kernel in 1usize..5, stride in 1usize..4, dilation in 1usize..3, before in 0usize..4, after in 0usize..4,
              input in 1usize..20, more in 0usize..2) -> [usize; 7] {
        let span = (kernel - 1) * dilation + 1;
        let output = (input + before + after).saturating_sub(span) / stride + 1 + more;
        [input, output, kernel, stride, dilation, before, after]
    }
}

fn geometry(planes: usize, axes: [[usize; 7]; 3]) -> PoolGeometry {
    let field = |index: usize| axes.map(|axis| axis[index]);
    PoolGeometry {
        planes,
        input: field(0),
        output: field(1),
        kernel: field(2),
        stride: field(3),
        dilation: field(4),
        pad_before: field(5),
        pad_after: field(6),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_window(planes in 1usize..5, z in axis(), y in axis(), x in axis(), rank in 1usize..4, ties in any::<bool>()) {
        let flat = [1, 1, 1, 1, 1, 0, 0];
        check(&geometry(planes, [if rank < 3 { flat } else { z }, if rank < 2 { flat } else { y }, x]), ties);
    }
}

fn flat(input: usize, output: usize, kernel: usize, stride: usize, pad: usize) -> PoolGeometry {
    let axis = [input, output, kernel, stride, 1, pad, pad];
    geometry(3, [[1, 1, 1, 1, 1, 0, 0], axis, axis])
}

#[test]
fn windows_of_networks() {
    check(&flat(112, 56, 3, 2, 1), false);
    check(&flat(112, 56, 3, 2, 1), true);
    check(&flat(55, 27, 3, 2, 0), true);
    check(&flat(28, 14, 2, 2, 0), true);
    check(&flat(7, 1, 7, 1, 0), true);
}

#[test]
fn nothing_above_minus_infinity() {
    let q = flat(4, 2, 2, 2, 0);
    let x = vec![f32::NEG_INFINITY; 48];
    let mut dx = vec![f32::NAN; 48];
    max_pool_gradient(&q, &x, &[1.0; 12], &mut dx, &Threads::one()).unwrap();
    for plane in dx.chunks(16) {
        let wanted: Vec<f32> =
            (0..16).map(|at| if [0, 2, 8, 10].contains(&at) { 1.0 } else { 0.0 }).collect();
        assert_eq!(plane, wanted);
    }
}

#[test]
fn the_first_nan_wins() {
    let q = PoolGeometry { planes: 1, ..flat(4, 2, 2, 2, 0) };
    let mut x = vec![0f32; 16];
    (x[1], x[4], x[5]) = (f32::NAN, f32::NAN, 3.0);
    let (mut y, mut dx) = (vec![0f32; 4], vec![0f32; 16]);
    max_pool(&q, &x, &mut y, &Threads::one()).unwrap();
    assert!(y[0].is_nan() && y[1..] == [0.0; 3]);
    max_pool_gradient(&q, &x, &[1.0; 4], &mut dx, &Threads::one()).unwrap();
    assert_eq!(dx.iter().position(|&value| value == 1.0), Some(1));
}
