//! Convolutions: every method and direction against loops in f64.

use proptest::prelude::*;

use super::super::{ConvGeometry, Convolution, Direction, Epilogue, Method, Threads};
use super::random::{relative_error, values};

/// Input pixel under tap `tap` of output `at` along an axis.
fn under(q: &ConvGeometry, axis: usize, at: usize, tap: usize) -> Option<usize> {
    let x = at * q.stride[axis] + tap * q.dilation[axis];
    x.checked_sub(q.pad_before[axis]).filter(|&x| x < q.input[axis])
}

/// Visits each product: (x index, weight index, y index).
fn products(q: &ConvGeometry, mut visit: impl FnMut(usize, usize, usize)) {
    let [od, oh, ow] = q.output();
    let [kd, kh, kw] = q.kernel;
    let (ci, co) = (q.in_channels / q.groups, q.out_channels / q.groups);
    for n in 0..q.batch {
        for c in 0..q.out_channels {
            for (z, y, x) in itertools(od, oh, ow) {
                let to = (((n * q.out_channels + c) * od + z) * oh + y) * ow + x;
                for i in 0..ci {
                    for (tz, ty, tx) in itertools(kd, kh, kw) {
                        let place = (under(q, 0, z, tz), under(q, 1, y, ty), under(q, 2, x, tx));
                        let (Some(iz), Some(iy), Some(ix)) = place else { continue };
                        let channel = n * q.in_channels + c / co * ci + i;
                        let from = ((channel * q.input[0] + iz) * q.input[1] + iy) * q.input[2] + ix;
                        visit(from, (((c * ci + i) * kd + tz) * kh + ty) * kw + tx, to);
                    }
                }
            }
        }
    }
}

fn itertools(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

fn reference(q: &ConvGeometry, w: &[f32], direction: Direction, input: &[f32]) -> Vec<f64> {
    let mut out = vec![0f64; if direction == Direction::Forward { q.output_len() } else { q.input_len() }];
    products(q, |x, k, y| {
        let (from, to) = if direction == Direction::Forward { (x, y) } else { (y, x) };
        out[to] += f64::from(w[k]) * f64::from(input[from]);
    });
    out
}

fn run(
    q: &ConvGeometry,
    w: &[f32],
    bias: Option<&[f32]>,
    way: (Direction, Method),
    input: &[f32],
    epilogue: &Epilogue<'_>,
    threads: &Threads,
) -> Vec<f32> {
    let conv = Convolution::prepare(q, w, bias, way.0, way.1).unwrap();
    assert_eq!(conv.method(), way.1);
    let mut out = vec![f32::NAN; if way.0 == Direction::Forward { q.output_len() } else { q.input_len() }];
    // Scratch holds what an earlier node left there.
    let mut scratch = vec![f32::NAN; conv.scratch_len(threads)];
    conv.run(input, &mut out, &mut scratch, epilogue, threads).unwrap();
    out
}

fn tolerance(method: Method) -> f64 {
    match method {
        Method::Plain | Method::Direct => 3e-6,
        Method::Winograd => 3e-6,
        Method::Fourier => 2e-6,
    }
}

/// All candidates, both directions, epilogues, two threads.
fn check(q: &ConvGeometry) {
    let two = Threads::new(2).unwrap();
    let w = values(1, q.weight_len());
    for direction in [Direction::Forward, Direction::InputGradient] {
        let forward = direction == Direction::Forward;
        let (inputs, outputs, channels, pixels) = if forward {
            (q.input_len(), q.output_len(), q.out_channels, q.output_pixels())
        } else {
            (q.output_len(), q.input_len(), q.in_channels, q.input_pixels())
        };
        let (input, mask, add, bias) =
            (values(2, inputs), values(3, inputs), values(4, outputs), values(5, channels));
        let plain = reference(q, &w, direction, &input);
        let masked: Vec<_> = input.iter().zip(&mask).map(|(v, m)| if *m > 0.0 { *v } else { 0.0 }).collect();
        let fused: Vec<f64> = reference(q, &w, direction, &masked)
            .iter()
            .enumerate()
            .map(|(at, v)| (v + f64::from(bias[at / pixels % channels]) + f64::from(add[at])).max(0.0))
            .collect();
        let epilogue = Epilogue { add: Some(&add), relu: true, relu_output: Some(&mask) };
        let mut methods = Convolution::methods(q, direction);
        // Methods that would not pay must still be right.
        for method in [Method::Plain, Method::Direct, Method::Winograd, Method::Fourier] {
            let applies = Convolution::prepare(q, &w, None, direction, method).is_ok();
            if applies && !methods.contains(&method) {
                methods.push(method);
            }
        }
        for method in methods {
            let way = (direction, method);
            let found = run(q, &w, None, way, &input, &Epilogue::default(), &Threads::one());
            let error = relative_error(&found, &plain);
            assert!(error < tolerance(method), "{way:?} {q:?}: error {error:e}");
            let found = run(q, &w, Some(&bias), way, &input, &epilogue, &Threads::one());
            let error = relative_error(&found, &fused);
            assert!(error < tolerance(method), "{way:?} {q:?} fused: error {error:e}");
            let parallel = run(q, &w, Some(&bias), way, &input, &epilogue, &two);
            assert_eq!(bits(&found), bits(&parallel), "{way:?} {q:?}: two threads differ");
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

prop_compose! {
    fn axis()(kernel in 1usize..6, stride in 1usize..5, dilation in 1usize..4, before in 0usize..6, after in 0usize..6,
              input in 1usize..20) -> [usize; 6] {
        let span = (kernel - 1) * dilation + 1;
        let input = input.max((span + 1).saturating_sub(before + after));
        [input, kernel, stride, dilation, before, after]
    }
}

fn geometry(batch: usize, groups: usize, channels: (usize, usize), axes: [[usize; 6]; 3]) -> ConvGeometry {
    let field = |index: usize| axes.map(|axis| axis[index]);
    ConvGeometry {
        batch,
        groups,
        in_channels: groups * channels.0,
        out_channels: groups * channels.1,
        input: field(0),
        kernel: field(1),
        stride: field(2),
        dilation: field(3),
        pad_before: field(4),
        pad_after: field(5),
    }
}

const FLAT: [usize; 6] = [1, 1, 1, 1, 0, 0];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_dimensional(batch in 1usize..3, groups in 1usize..4, ci in 1usize..10, co in 1usize..10, y in axis(), x in axis()) {
        check(&geometry(batch, groups, (ci, co), [FLAT, y, x]));
    }

    #[test]
    fn one_dimensional(batch in 1usize..3, groups in 1usize..4, ci in 1usize..20, co in 1usize..20, x in axis()) {
        check(&geometry(batch, groups, (ci, co), [FLAT, FLAT, x]));
    }

    #[test]
    fn depthwise(groups in 1usize..20, y in axis(), x in axis()) {
        check(&geometry(1, groups, (1, 1), [FLAT, y, x]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_dimensional(groups in 1usize..3, ci in 1usize..4, co in 1usize..4, z in axis(), y in axis(), x in axis()) {
        check(&geometry(1, groups, (ci, co), [z, y, x]));
    }
}

#[test]
fn layers_of_networks_in_small() {
    check(&ConvGeometry::square(3, 20, [32, 32], 7, 2, 3));
    check(&ConvGeometry::square(3, 17, [45, 47], 11, 4, 2));
    check(&ConvGeometry::square(3, 24, [60, 56], 25, 4, 12));
    check(&ConvGeometry::square(64, 40, [14, 14], 3, 1, 1));
    check(&ConvGeometry::square(64, 40, [14, 14], 3, 2, 1));
    check(&ConvGeometry::square(70, 40, [14, 14], 1, 2, 0));
    check(&ConvGeometry::square(70, 40, [14, 13], 1, 1, 0));
    check(&ConvGeometry::square(70, 40, [56, 56], 3, 1, 1));
    check(&ConvGeometry::square(700, 20, [7, 7], 3, 1, 1));
    check(&ConvGeometry::square(24, 30, [27, 27], 5, 1, 2));
}

#[test]
#[ignore = "prints errors for the record"]
fn errors_of_methods() {
    for (channels, size) in [(64, 28), (128, 28), (256, 14), (512, 7)] {
        let q = ConvGeometry::square(channels, channels, [size, size], 3, 1, 1);
        let w = values(1, q.weight_len());
        for direction in [Direction::Forward, Direction::InputGradient] {
            let input = values(2, q.input_len());
            let exact = reference(&q, &w, direction, &input);
            for method in Convolution::methods(&q, direction) {
                let found =
                    run(&q, &w, None, (direction, method), &input, &Epilogue::default(), &Threads::one());
                let scale = exact.iter().fold(0f64, |most, value| most.max(value.abs()));
                let square: f64 = found.iter().zip(&exact).map(|(f, e)| (f64::from(*f) - e).powi(2)).sum();
                let rms = (square / exact.len() as f64).sqrt() / scale;
                println!(
                    "{channels} {direction:?} {method:?}: most {:.1e}, rms {rms:.1e}",
                    relative_error(&found, &exact)
                );
            }
        }
    }
}
