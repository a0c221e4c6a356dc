use super::*;
use crate::graph::check::{adjoint_of, agrees, model, noise};
use crate::tract::op::PaddingMode;
use crate::tract::testing::{CoordTransformer, Interpolator, Nearest, OnnxNearest};

const TRANSFORMS: [CoordTransformer; 6] = [
    CoordTransformer::HalfPixel,
    CoordTransformer::AlignCorners,
    CoordTransformer::Asymmetric,
    CoordTransformer::PytorchHalfPixel,
    CoordTransformer::HalfPixelSymmetric,
    CoordTransformer::TfHalfPixelForNn,
];
const INTERPOLATORS: [Interpolator; 3] = [Interpolator::Linear, Interpolator::Nearest, Interpolator::Cubic];

#[test]
fn tracts_own_resize_in_all_modes() {
    for coord_transformer in TRANSFORMS {
        for interpolator in INTERPOLATORS {
            for (by_scale, values) in [(true, [1.0f32, 1.0, 2.0, 0.6]), (false, [1.0, 2.0, 7.0, 3.0])] {
                let shape = [1, 2, 4, 5];
                let op = Resize {
                    coord_transformer: coord_transformer.clone(),
                    interpolator: interpolator.clone(),
                    nearest: Nearest::Floor,
                    optional_scales_input: by_scale.then_some(1),
                    optional_sizes_input: (!by_scale).then_some(1),
                };
                let what = format!("{op:?}");
                let model = model(&[Tensor::zero::<f32>(&shape).unwrap()], |model, x| {
                    let values = tensor1(&values);
                    let values = if by_scale { values } else { values.cast_to::<i64>()?.into_owned() };
                    let values = model.add_const("values", values)?;
                    model.wire_node("y", op, &[x[0], values])
                });
                adjoint_of(&what, &model, &shape);
            }
        }
    }
}

fn onnx(interpolator: Interpolator, coord_transformer: CoordTransform) -> OnnxResize {
    OnnxResize {
        axes: None,
        coord_transformer,
        interpolator,
        nearest: OnnxNearest::RoundPreferFloor,
        antialias: false,
        cubic_coeff_a_bits: (-0.5f32).to_bits(),
        exclude_outside: false,
        extrapolation_value_bits: 0f32.to_bits(),
        keep_aspect_ratio_policy: AspectRatio::Stretch,
        optional_roi_input: None,
        optional_scales_input: None,
        optional_sizes_input: None,
    }
}

fn check_onnx(op: OnnxResize, shape: &[usize], parameters: &[Tensor]) {
    let what = format!("{op:?} on {shape:?} with {parameters:?}");
    let model = model(&[Tensor::zero::<f32>(shape).unwrap()], |model, x| {
        let mut inputs = vec![x[0]];
        for (slot, value) in parameters.iter().enumerate() {
            inputs.push(model.add_const(format!("parameter.{slot}"), value.clone())?);
        }
        model.wire_node("y", op, &inputs)
    });
    adjoint_of(&what, &model, shape);
}

#[test]
fn onnx_resize_with_borders_left_out_antialias_and_some_axes() {
    for interpolator in INTERPOLATORS {
        for (exclude_outside, antialias) in [(true, false), (false, true), (true, true)] {
            let op = OnnxResize {
                axes: Some(vec![-1, 1]),
                exclude_outside,
                antialias,
                optional_scales_input: Some(1),
                ..onnx(interpolator.clone(), CoordTransform::Plain(CoordTransformer::HalfPixel))
            };
            check_onnx(op, &[2, 6, 7], &[tensor1(&[0.45f32, 1.7])]);
        }
    }
}

#[test]
fn a_cropped_region_with_a_constant_outside() {
    for interpolator in INTERPOLATORS {
        let op = OnnxResize {
            extrapolation_value_bits: 7f32.to_bits(),
            optional_roi_input: Some(1),
            optional_sizes_input: Some(2),
            ..onnx(interpolator, CoordTransform::TfCropAndResize)
        };
        check_onnx(op, &[2, 5, 6], &[tensor1(&[0f32, 0.2, -0.3, 1.0, 0.7, 1.2]), tensor1(&[2i64, 5, 8])]);
    }
}

#[test]
fn an_aspect_ratio_that_is_kept() {
    for policy in [AspectRatio::NotLarger, AspectRatio::NotSmaller] {
        for transformer in TRANSFORMS {
            let op = OnnxResize {
                axes: Some(vec![1, 2]),
                keep_aspect_ratio_policy: policy,
                optional_sizes_input: Some(1),
                ..onnx(Interpolator::Linear, CoordTransform::Plain(transformer))
            };
            check_onnx(op, &[2, 4, 6], &[tensor1(&[7i64, 8])]);
        }
    }
}

#[test]
fn doubling_a_line_by_half_pixels() {
    let x = noise(4, &[1, 3]);
    let op = Resize {
        coord_transformer: CoordTransformer::HalfPixel,
        interpolator: Interpolator::Linear,
        nearest: Nearest::Floor,
        optional_scales_input: Some(1),
        optional_sizes_input: None,
    };
    let model = model(std::slice::from_ref(&x), |model, x| {
        let scales = model.add_const("scales", tensor1(&[1f32, 2.0]))?;
        model.wire_node("y", op, &[x[0], scales])
    });
    agrees("doubled", &model, &[x], &[0], |x| {
        let (a, b, c) = (x[0][0], x[0][1], x[0][2]);
        vec![a, 0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b, 0.75 * b + 0.25 * c, 0.25 * b + 0.75 * c, c]
    });
}

/// A sampling of `[N, C, space..]` in f64, as the ONNX standard words it: a kernel over the pixels around a point.
fn sampled(sample: &GridSample, shape: &[usize], grid_shape: &[usize], x: &[Vec<f64>]) -> Vec<f64> {
    let sizes = &shape[2..];
    let (axes, area) = (sizes.len(), sizes.iter().product::<usize>());
    let points: usize = grid_shape[1..=axes].iter().product();
    let mut y = Vec::new();
    for (batch, channel) in (0..shape[0]).flat_map(|batch| (0..shape[1]).map(move |channel| (batch, channel)))
    {
        let image = &x[0][(batch * shape[1] + channel) * area..][..area];
        for point in 0..points {
            let coordinates = &x[1][(batch * points + point) * axes..][..axes];
            y.push(sampled_at(sample, sizes, coordinates, image));
        }
    }
    y
}

fn sampled_at(sample: &GridSample, sizes: &[usize], coordinates: &[f64], image: &[f64]) -> f64 {
    let bounds = |size: usize| {
        let last = size as f64 - 1.0;
        if sample.align_corners { (0.0, last) } else { (-0.5, last + 0.5) }
    };
    let fold = |v: f64, (low, high): (f64, f64)| {
        let period = 2.0 * (high - low);
        let v = (v - low).rem_euclid(period);
        low + if v > high - low { period - v } else { v }
    };
    let mut at: Vec<f64> = sizes
        .iter()
        .zip(coordinates.iter().rev())
        .map(|(&size, v)| {
            let (low, high) = bounds(size);
            low + (v + 1.0) / 2.0 * (high - low)
        })
        .collect();
    if sample.mode == InterpolationMode::Nearest {
        at.iter_mut().for_each(|v| *v = v.round_ties_even());
    }
    if at.iter().zip(sizes).any(|(&v, &size)| v < bounds(size).0 || v > bounds(size).1) {
        for (v, &size) in at.iter_mut().zip(sizes) {
            *v = match sample.padding_mode {
                PaddingMode::Zeros => *v,
                PaddingMode::Border => v.clamp(0.0, size as f64 - 1.0),
                PaddingMode::Reflection => fold(*v, bounds(size)),
            };
        }
    }
    let kernel = |distance: f64| match sample.mode {
        InterpolationMode::Nearest => f64::from(distance.abs() < 1e-9),
        InterpolationMode::Bilinear => (1.0 - distance.abs()).max(0.0),
        InterpolationMode::Bicubic => match distance.abs() {
            d if d <= 1.0 => 1.25 * d.powi(3) - 2.25 * d.powi(2) + 1.0,
            d if d < 2.0 => -0.75 * d.powi(3) + 3.75 * d.powi(2) - 6.0 * d + 3.0,
            _ => 0.0,
        },
    };
    let near: Vec<Vec<i64>> =
        at.iter().map(|v| (v.floor() as i64 - 2..=v.floor() as i64 + 3).collect()).collect();
    let mut sum = 0.0;
    for tap in 0..6usize.pow(sizes.len() as u32) {
        let (mut weight, mut place, mut rest, mut inside) = (1.0, 0, tap, true);
        for (axis, &size) in sizes.iter().enumerate() {
            let pixel = near[axis][rest % 6];
            rest /= 6;
            weight *= kernel(at[axis] - pixel as f64);
            let pixel = match sample.padding_mode {
                PaddingMode::Zeros => pixel,
                PaddingMode::Border => pixel.clamp(0, size as i64 - 1),
                PaddingMode::Reflection => fold(pixel as f64, bounds(size)) as i64,
            };
            inside &= (0..size as i64).contains(&pixel);
            place = place * size + pixel.max(0) as usize;
        }
        if inside && weight != 0.0 {
            sum += weight * image[place];
        }
    }
    sum
}

fn samplings(modes: &[InterpolationMode]) -> Vec<GridSample> {
    let mut all = vec![];
    for mode in modes {
        for padding_mode in [PaddingMode::Zeros, PaddingMode::Border, PaddingMode::Reflection] {
            for align_corners in [false, true] {
                all.push(GridSample {
                    mode: mode.clone(),
                    padding_mode: padding_mode.clone(),
                    align_corners,
                });
            }
        }
    }
    all
}

fn check_sampling(sample: GridSample, shape: &[usize], grid_shape: &[usize], wanted: &[usize]) {
    let mut grid = noise(21, grid_shape);
    // Beyond the image on all sides, and more than once over.
    grid.try_as_plain_ram_mut().unwrap().as_slice_mut::<f32>().unwrap().iter_mut().for_each(|v| *v *= 3.1);
    let inputs = [noise(20, shape), grid];
    let what = format!("{sample:?} on {shape:?}");
    let model = model(&inputs, |model, x| model.wire_node("y", sample.clone(), x));
    agrees(&what, &model, &inputs, wanted, |x| sampled(&sample, shape, grid_shape, x));
}

#[test]
fn grid_sampling_in_two_axes() {
    for sample in samplings(&[InterpolationMode::Bilinear, InterpolationMode::Bicubic]) {
        check_sampling(sample, &[2, 2, 4, 5], &[2, 3, 4, 2], &[0, 1]);
    }
}

#[test]
fn grid_sampling_of_the_nearest_pixel_in_one_to_three_axes() {
    for sample in samplings(&[InterpolationMode::Nearest]) {
        check_sampling(sample.clone(), &[2, 3, 6], &[2, 7, 1], &[0]);
        check_sampling(sample.clone(), &[1, 2, 4, 5], &[1, 3, 4, 2], &[0]);
        check_sampling(sample, &[1, 2, 3, 2, 4], &[1, 2, 2, 3, 3], &[0]);
    }
}

#[test]
fn linear_grid_sampling_in_one_and_three_axes() {
    for sample in samplings(&[InterpolationMode::Bilinear]) {
        check_sampling(sample.clone(), &[2, 3, 6], &[2, 7, 1], &[0, 1]);
        check_sampling(sample, &[1, 2, 3, 2, 4], &[1, 2, 2, 3, 3], &[0, 1]);
    }
}

#[test]
fn the_nearest_pixel_does_not_depend_on_the_grid() {
    let [x, grid] = [noise(1, &[1, 1, 3, 3]), noise(2, &[1, 2, 2, 2])];
    let sample = samplings(&[InterpolationMode::Nearest]).remove(0);
    let model = model(&[x, grid], |model, x| model.wire_node("y", sample, x));
    let Err(error) = crate::graph::differentiate(model, &[1]) else { panic!("a gradient") };
    assert!(error.to_string().contains("zero almost everywhere at y"), "{error}");
}
