//! What the tests of rules share: the gradient of a small model, held against central differences of a reference that
//! the test writes in f64.

use super::differentiate;
use crate::tract::testing::TypedSimplePlan;
use crate::tract::*;

/// The same numbers in every run, from -1 to 1, no two alike: a linear congruential generator (Knuth, MMIX).
pub(super) fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_shape(shape, &values).unwrap()
}

/// A model with these inputs and whatever `wire` adds behind them.
pub(super) fn model(
    inputs: &[Tensor],
    wire: impl FnOnce(&mut TypedModel, &[OutletId]) -> TractResult<TVec<OutletId>>,
) -> TypedModel {
    let mut model = TypedModel::default();
    let sources: Vec<OutletId> = inputs
        .iter()
        .enumerate()
        .map(|(slot, input)| model.add_source(format!("x{slot}"), f32::fact(input.shape())).unwrap())
        .collect();
    let outputs = wire(&mut model, &sources).unwrap();
    model.select_output_outlets(&outputs).unwrap();
    model
}

pub(super) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec()
}

fn run(model: TypedModel, inputs: Vec<Tensor>) -> TVec<TValue> {
    let plan = TypedSimplePlan::new(model).unwrap();
    plan.run(inputs.into_iter().map(IntoTValue::into_tvalue).collect()).unwrap()
}

/// The outputs, and the gradient of their scalar product with the cotangents.
pub(super) fn gradient(
    model: &TypedModel,
    inputs: &[Tensor],
    cotangents: &[Tensor],
    wanted: &[usize],
) -> (Vec<Tensor>, Vec<Tensor>) {
    let graphs = differentiate(model.clone(), wanted).unwrap();
    let mut outputs: Vec<Tensor> =
        run(graphs.forward, inputs.to_vec()).into_iter().map(IntoTensor::into_tensor).collect();
    let kept = outputs.split_off(cotangents.len());
    let gradients = run(graphs.backward, [cotangents, &kept[..]].concat());
    (outputs, gradients.into_iter().map(IntoTensor::into_tensor).collect())
}

/// Holds a model and its gradient against a reference: from the inputs' elements to those of all outputs.
pub(super) fn agrees(
    what: &str,
    model: &TypedModel,
    inputs: &[Tensor],
    wanted: &[usize],
    reference: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let outputs = model.output_outlets().unwrap().to_vec();
    let cotangents: Vec<Tensor> = outputs
        .iter()
        .enumerate()
        .map(|(slot, &outlet)| {
            noise(1000 + slot as u64, model.outlet_fact(outlet).unwrap().shape.as_concrete().unwrap())
        })
        .collect();
    let (got_outputs, got) = gradient(model, inputs, &cotangents, wanted);
    let exact: Vec<Vec<f64>> =
        inputs.iter().map(|input| values(input).into_iter().map(f64::from).collect()).collect();
    let expected = reference(&exact);
    near(&format!("{what}: output"), &got_outputs.iter().flat_map(values).collect::<Vec<_>>(), &expected);
    let weights: Vec<f64> = cotangents.iter().flat_map(values).map(f64::from).collect();
    let objective = |at: &[Vec<f64>]| reference(at).iter().zip(&weights).map(|(y, g)| y * g).sum::<f64>();
    for (&slot, got) in wanted.iter().zip(&got) {
        assert_eq!(got.shape(), inputs[slot].shape(), "{what}");
        let expected: Vec<f64> =
            (0..exact[slot].len()).map(|place| slope(&exact, slot, place, &objective)).collect();
        near(&format!("{what}: gradient of input {slot}"), &values(got), &expected);
    }
}

fn slope(at: &[Vec<f64>], slot: usize, place: usize, objective: &impl Fn(&[Vec<f64>]) -> f64) -> f64 {
    const STEP: f64 = 1e-6;
    let mut at = at.to_vec();
    let here = at[slot][place];
    at[slot][place] = here + STEP;
    let above = objective(&at);
    at[slot][place] = here - STEP;
    (above - objective(&at)) / (2.0 * STEP)
}

/// Holds the gradient of a model that is linear in its only input, but for a constant, against the model's own columns.
pub(super) fn adjoint_of(what: &str, model: &TypedModel, shape: &[usize]) {
    let x = Tensor::zero::<f32>(shape).unwrap();
    let output = model.outlet_fact(model.output_outlets().unwrap()[0]).unwrap().shape.as_concrete().unwrap();
    let cotangent = noise(2, output);
    let apply = |x: Tensor| gradient(model, &[x], std::slice::from_ref(&cotangent), &[0]);
    let (offset, dx) = apply(x.clone());
    let weights = values(&cotangent);
    let expected: Vec<f64> = (0..x.len())
        .map(|place| {
            let mut unit = values(&x);
            unit[place] = 1.0;
            let (y, _) = apply(Tensor::from_shape(shape, &unit).unwrap());
            let column = values(&y[0]).into_iter().zip(values(&offset[0])).zip(&weights);
            column.map(|((y, y0), g)| f64::from(y - y0) * f64::from(*g)).sum()
        })
        .collect();
    near(what, &values(&dx[0]), &expected);
}

/// Equal to 1e-5 of the largest value.
pub(super) fn near(what: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    let scale = expected.iter().fold(1e-6f64, |largest, value| largest.max(value.abs()));
    for (place, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / scale;
        assert!(error < 1e-5, "{what}: {got} at {place}, expected {expected}: off by {error:e} of {scale}");
    }
}
