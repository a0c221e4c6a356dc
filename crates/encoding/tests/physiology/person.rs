//! The inputs by which the model is fitted to a person.

use adjoint::{Gradient, Limits, Model, Spec};
use encoding::v1::{self, Params, Scotoma, fittable_inputs};
use ndarray::ArrayD;

use super::lab::{Grating, Lab, gratings};

fn params() -> Params {
    let scotoma = Scotoma { centre_deg: [0.4, -0.3], radius_deg: 0.7, softness_deg: 0.15, depth: 0.9 };
    Params {
        size_px: [64, 64],
        width_deg: 4.0,
        scales_cpd: vec![3.2, 1.6],
        scotomata: vec![scotoma],
        gain: 1.5,
        ..Params::default()
    }
}

fn fittable(batch: usize) -> Gradient {
    let bytes = v1::build(&Params { fittable: true, ..params() }).unwrap();
    let model = Model::from_bytes("v1", &bytes, &Limits::default()).unwrap();
    let spec = fittable_inputs(&params())
        .iter()
        .fold(Spec::new().untimed(), |spec, input| spec.input(input.name, &[1]));
    model.gradient(&spec.held("image", &[batch, 1, 64, 64])).unwrap()
}

fn stimuli() -> ArrayD<f32> {
    let shown = |cpd, orientation_deg, contrast| {
        let grating = Grating {
            cpd,
            orientation_deg,
            phase_deg: 30.0,
            contrast,
            centre_deg: [0.3, 0.0],
            radius_deg: 1.1,
        };
        gratings(
            &params(),
            &[grating, Grating { cpd: 0.7 * cpd, orientation_deg: 20.0, contrast: 0.2, ..grating }],
        )
    };
    let images = [shown(3.0, 0.0, 0.3), shown(1.5, 70.0, 0.4)];
    let values = images.iter().flat_map(|image| image.iter().map(|&v| v as f32)).collect();
    ArrayD::from_shape_vec(vec![2, 1, 64, 64], values).unwrap()
}

fn starts() -> Vec<f32> {
    fittable_inputs(&params()).iter().map(|input| input.start as f32).collect()
}

fn answers(gradient: &mut Gradient, values: &[f32], images: &ArrayD<f32>) -> ArrayD<f32> {
    let inputs: Vec<ArrayD<f32>> = values.iter().map(|&v| ArrayD::from_elem(vec![1], v)).collect();
    let mut views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    views.push(images.view());
    gradient.forward(&views).unwrap().remove(0)
}

#[test]
fn a_fittable_model_starts_as_its_parameters_say() {
    let images = stimuli();
    let found = answers(&mut fittable(2), &starts(), &images);
    let mut fixed = Lab::new(params());
    for image in 0..2 {
        let plane = images.index_axis(ndarray::Axis(0), image).mapv(f64::from);
        let plane = plane.into_shape_with_order((64, 64)).unwrap();
        let wanted = fixed.show(&plane);
        let scale = wanted.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        // Receptive fields are mixed of other Gaussians where their size may change: alike in variance, not in shape.
        let off = found
            .index_axis(ndarray::Axis(0), image)
            .iter()
            .zip(&wanted)
            .map(|(a, b)| (a - b).abs())
            .sum::<f32>()
            / wanted.len() as f32;
        eprintln!("image {image}: mean difference {:.4} of the largest answer", off / scale);
        assert!(off < 0.01 * scale);
    }
}

/// Of a sum of answers with fixed weights, with respect to each input; differences in f64 of f32 answers.
#[test]
fn the_gradient_reaches_every_input() {
    let images = stimuli();
    let mut gradient = fittable(2);
    let mut random = random::Random::new(11, 0);
    let start = starts();
    let shape = answers(&mut gradient, &start, &images).raw_dim();
    let weights = ArrayD::from_shape_fn(shape, |_| random.uniform() as f32);
    let mut value = |values: &[f32]| -> f64 {
        let found = answers(&mut gradient, values, &images);
        found.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let steps = [0.01f32, 0.01, 0.01, 0.01, 0.002];
    let slopes: Vec<f64> = (0..5)
        .map(|slot| {
            let moved = |sign: f32| {
                let mut values = start.clone();
                values[slot] += sign * steps[slot];
                values
            };
            let (up, down) = (moved(1.0), moved(-1.0));
            (value(&up) - value(&down)) / f64::from(up[slot] - down[slot])
        })
        .collect();
    value(&start);
    let found = gradient.backward(&[weights.view()]).unwrap();
    for ((input, slope), found) in fittable_inputs(&params()).iter().zip(&slopes).zip(&found) {
        let found = f64::from(found[0]);
        eprintln!("{}: {found:.4}, by differences {slope:.4}", input.name);
        assert!((found - slope).abs() < 0.02 * slope.abs() + 0.02, "{}", input.name);
        assert!(found.abs() > 0.05, "{} has no influence", input.name);
    }
}
