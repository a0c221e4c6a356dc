//! Activations against f64 functions, norms against f64 sums.

use super::super::{
    Function, Threads, log_softmax, log_softmax_gradient, rms_norm, rms_norm_gradient, softmax,
    softmax_gradient,
};
use super::random::{relative_error, values};

/// erf by its Taylor series for small, by a continued fraction of erfc for large arguments.
fn erf(x: f64) -> f64 {
    let t = x.abs();
    let value = if t < 3.0 {
        let (mut term, mut sum) = (t, t);
        for n in 1..120 {
            term *= -t * t / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..60).rev().fold(t, |rest, n| t + f64::from(n) / 2.0 / rest);
        1.0 - (-t * t).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn gelu_tanh_inner(x: f64) -> f64 {
    (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)
}

fn value(function: Function, x: f64) -> f64 {
    match function {
        Function::Exp => x.exp(),
        Function::Erf => erf(x),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => sigmoid(x),
        Function::Gelu => x * 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Function::GeluTanh => x * 0.5 * (1.0 + gelu_tanh_inner(x).tanh()),
        Function::Silu => x * sigmoid(x),
        Function::Relu => x.max(0.0),
        Function::Elu(alpha) if x <= 0.0 => f64::from(f32::from_bits(alpha)) * x.exp_m1(),
        Function::Elu(_) => x,
    }
}

fn slope(function: Function, x: f64) -> f64 {
    match function {
        Function::Relu => f64::from(u8::from(x > 0.0)),
        Function::Elu(alpha) if x <= 0.0 => f64::from(f32::from_bits(alpha)) * x.exp(),
        Function::Elu(_) => 1.0,
        _ => {
            // Fourth-order central differences.
            let h = 1e-3;
            let f = |at: f64| value(function, at);
            (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h)
        }
    }
}

const ALL: [Function; 10] = [
    Function::Exp,
    Function::Erf,
    Function::Tanh,
    Function::Sigmoid,
    Function::Gelu,
    Function::GeluTanh,
    Function::Silu,
    Function::Relu,
    // 1 and 0.75
    Function::Elu(0x3f80_0000),
    Function::Elu(0x3f40_0000),
];

/// Largest error in units in the last place of the exact value, over -30..30 finely and -4..4 more finely.
fn worst_ulp(function: Function) -> f64 {
    let x: Vec<f32> = (-300_000..300_000).flat_map(|i| [i as f32 * 1e-4, i as f32 * 1.3e-5]).collect();
    let mut y = vec![0f32; x.len()];
    function.apply(&x, &mut y, &Threads::one()).unwrap();
    let mut worst = (0f64, 0f32);
    for (&x, &y) in x.iter().zip(&y) {
        let exact = value(function, f64::from(x));
        if exact.abs() < f64::from(f32::MIN_POSITIVE) {
            continue;
        }
        let ulp = f64::powi(2.0, exact.abs().log2().floor() as i32 - 23);
        let error = (f64::from(y) - exact).abs() / ulp;
        if error > worst.0 || error.is_nan() {
            worst = (error, x);
        }
    }
    println!("{function:?}: {:.2} ulp at {}", worst.0, worst.1);
    worst.0
}

#[test]
fn functions_are_accurate() {
    assert!(worst_ulp(Function::Exp) < 1.1);
    assert!(worst_ulp(Function::Erf) < 1.2);
    assert!(worst_ulp(Function::Tanh) < 1.5);
    assert!(worst_ulp(Function::Sigmoid) < 2.5);
    assert!(worst_ulp(Function::Silu) < 3.1);
}

#[test]
fn functions_and_slopes() {
    let x: Vec<f32> = values(1, 20_003).iter().map(|value| value * 6.0).collect();
    let g = values(2, x.len());
    for function in ALL {
        let exact: Vec<f64> = x.iter().map(|&x| value(function, f64::from(x))).collect();
        let slopes: Vec<f64> =
            x.iter().zip(&g).map(|(&x, &g)| f64::from(g) * slope(function, f64::from(x))).collect();
        for threads in [Threads::one(), Threads::new(2).unwrap()] {
            let (mut y, mut in_place) = (vec![f32::NAN; x.len()], x.clone());
            function.apply(&x, &mut y, &threads).unwrap();
            function.apply_in_place(&mut in_place, &threads);
            assert!(relative_error(&y, &exact) < 3e-7, "{function:?}");
            assert_eq!(y, in_place);
            let (mut dx, mut in_place) = (vec![f32::NAN; x.len()], g.clone());
            function.gradient(&x, &g, &mut dx, &threads).unwrap();
            function.gradient_in_place(&x, &mut in_place, &threads).unwrap();
            assert!(
                relative_error(&dx, &slopes) < 4e-7,
                "{function:?} slope {:e}",
                relative_error(&dx, &slopes)
            );
            assert_eq!(dx, in_place);
        }
    }
}

#[test]
fn functions_at_the_ends() {
    let mut x = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 200.0, -200.0, -90.0, 88.6, -0.0];
    let mut y = [0f32; 8];
    Function::Exp.apply(&x, &mut y, &Threads::one()).unwrap();
    assert_eq!((y[0], y[1], y[3], y[4]), (f32::INFINITY, 0.0, f32::INFINITY, 0.0));
    assert!(y[2].is_nan() && (y[5] - 8.194e-40).abs() < 1e-42 && y[6].is_finite() && y[7] == 1.0);
    Function::Tanh.apply(&x, &mut y, &Threads::one()).unwrap();
    assert_eq!((y[0], y[1], y[3], y[4]), (1.0, -1.0, 1.0, -1.0));
    assert!(y[2].is_nan() && y[7].is_sign_negative());
    Function::Erf.apply(&x, &mut y, &Threads::one()).unwrap();
    assert_eq!((y[0], y[1], y[3], y[4]), (1.0, -1.0, 1.0, -1.0));
    assert!(y[2].is_nan());
    Function::Elu(1f32.to_bits()).apply(&x, &mut y, &Threads::one()).unwrap();
    assert_eq!((y[0], y[1], y[3], y[4]), (f32::INFINITY, -1.0, 200.0, -1.0));
    assert!(y[2].is_nan() && y[7] == 0.0);
    Function::Relu.apply_in_place(&mut x, &Threads::one());
    assert_eq!((x[0], x[1]), (f32::INFINITY, 0.0));
    assert!(x[2].is_nan());
}

/// Runs a row kernel on one and two threads and compares with f64.
fn check(name: &str, wanted: &[f64], run: impl Fn(&mut [f32], &Threads)) {
    let mut one = vec![f32::NAN; wanted.len()];
    run(&mut one, &Threads::one());
    let error = relative_error(&one, wanted);
    assert!(error < 2e-6, "{name}: error {error:e}");
    let mut two = vec![f32::NAN; wanted.len()];
    run(&mut two, &Threads::new(2).unwrap());
    assert_eq!(one, two, "{name}");
}

/// f64 RMS norm of a row with its gradient.
fn norm(x: &[f64], g: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = x.len() as f64;
    let scale = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / n + f64::from(1e-5f32)).sqrt();
    let dot = g.iter().zip(x).map(|(g, x)| g * x * scale).sum::<f64>() / n;
    let y = x.iter().map(|x| x * scale).collect();
    (y, x.iter().zip(g).map(|(x, g)| scale * (g - x * scale * dot)).collect())
}

#[test]
fn norms() {
    for length in [1, 2, 5, 8, 13, 64, 192, 197] {
        let rows = 4000 / length + 2;
        let x: Vec<f32> = values(3, rows * length).iter().map(|value| value * 4.0 + 1.0).collect();
        let g = values(4, x.len());
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let mut wanted: [Vec<f64>; 6] = Default::default();
        for (x, g) in x.chunks(length).zip(g.chunks(length)) {
            let (x, g) = (wide(x), wide(g));
            let total: f64 = x.iter().map(|x| x.exp()).sum();
            let y: Vec<f64> = x.iter().map(|x| x.exp() / total).collect();
            let dot: f64 = y.iter().zip(&g).map(|(y, g)| y * g).sum();
            let sum: f64 = g.iter().sum();
            wanted[1].extend(y.iter().zip(&g).map(|(y, g)| y * (g - dot)));
            wanted[3].extend(y.iter().zip(&g).map(|(y, g)| g - y * sum));
            wanted[2].extend(y.iter().map(|y| y.ln()));
            wanted[0].extend(y);
            let (y, dx) = norm(&x, &g);
            wanted[4].extend(y);
            wanted[5].extend(dx);
        }
        let (mut y, mut log) = (x.clone(), x.clone());
        softmax(length, &mut y, &Threads::one()).unwrap();
        log_softmax(length, &mut log, &Threads::one()).unwrap();
        // What works in place starts from a copy.
        let from = |values: &[f32], out: &mut [f32]| out.copy_from_slice(values);
        check("softmax", &wanted[0], |out, t| {
            from(&x, out);
            softmax(length, out, t).unwrap();
        });
        check("log_softmax", &wanted[2], |out, t| {
            from(&x, out);
            log_softmax(length, out, t).unwrap();
        });
        check("rms_norm", &wanted[4], |out, t| rms_norm(length, 1e-5, &x, out, t).unwrap());
        if length > 1 {
            check("softmax'", &wanted[1], |out, t| {
                from(&g, out);
                softmax_gradient(length, &y, out, t).unwrap();
            });
            check("log_softmax'", &wanted[3], |out, t| {
                from(&g, out);
                log_softmax_gradient(length, &log, out, t).unwrap();
            });
        }
        // Rows of two close values lose digits in any f32 norm.
        if length > 2 {
            check("rms_norm'", &wanted[5], |out, t| {
                from(&g, out);
                rms_norm_gradient(length, 1e-5, &x, out, t).unwrap();
            });
        }
    }
}

#[test]
fn softmax_of_masked_rows() {
    let x = [f32::NEG_INFINITY, 0.0, 1.0, f32::NEG_INFINITY];
    let mut y = x;
    softmax(4, &mut y, &Threads::one()).unwrap();
    assert_eq!((y[0], y[3]), (0.0, 0.0));
    assert!((y[1] + y[2] - 1.0).abs() < 1e-6);
    assert!(softmax(3, &mut y, &Threads::one()).is_err());
}
