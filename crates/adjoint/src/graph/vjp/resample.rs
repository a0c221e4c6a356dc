//! Resizing, and sampling at the points of a grid.

use std::sync::Arc;

use super::{Answer, Call, Rule, Tape};
use crate::ops::{GridSampleGradient, GridSide, ResampleAxis, SparseMatrix};
use crate::tract::op::{AspectRatio, CoordTransform, GridSample, InterpolationMode, OnnxResize, Resize};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if let Some(resize) = op.downcast_ref::<Resize>() {
        return Some(Probe::of_core(tape, call, resize).and_then(|probe| resized(tape, call, probe)));
    }
    if let Some(resize) = op.downcast_ref::<OnnxResize>() {
        return Some(Probe::of_onnx(tape, call, resize).and_then(|probe| resized(tape, call, probe)));
    }
    op.downcast_ref::<GridSample>().map(|sample| grid_sample(tape, call, sample))
}

/// Sampling with respect to the image and to the grid. By the nearest pixel, the grid has no influence almost everywhere.
fn grid_sample(tape: &mut Tape, call: &Call, sample: &GridSample) -> Rule {
    let mut answers = vec![None; 2];
    let grid_moves = sample.mode != InterpolationMode::Nearest;
    if !call.active[0] && !grid_moves {
        return Ok(Answer::Step);
    }
    let cotangent = call.cotangent(tape)?;
    for (slot, side) in [(0, GridSide::Image), (1, GridSide::Grid)] {
        if call.active[slot] && (slot == 0 || grid_moves) {
            let op = GridSampleGradient { sample: sample.clone(), side };
            answers[slot] = Some(tape.wire(op, &[cotangent, call.input(0), call.input(1)])?);
        }
    }
    Ok(Answer::Cotangents(answers))
}

/// A resizing is a matrix per axis, and its adjoint the transposed matrices.
///
/// The matrix of an axis is found by asking the operator: an identity matrix whose columns are resized as that axis is
/// becomes the transposed matrix. So every coordinate mode, kernel and treatment of borders is served without a word
/// about how tract computes it. A constant for pixels from outside the image adds nothing, since it does not depend on
/// the input.
fn resized(tape: &mut Tape, call: &Call, probe: Option<Probe>) -> Rule {
    let Some(probe) = probe else {
        return Ok(Answer::Unknown("its scales, sizes or region are not constants of the model".into()));
    };
    let mut answer = call.cotangent(tape)?;
    let (input, output) = (tape.shape(call.input(0))?, tape.shape(call.output())?);
    for axis in (0..input.len()).rev().filter(|&axis| probe.resizes(axis, &input)) {
        let dense = probe.transposed(axis, &input)?;
        ensure!(
            dense.len() == input[axis] * output[axis],
            "axis {axis} of {} resized from {} to {} elements, expected {}",
            call.node,
            input[axis],
            dense.len() / input[axis].max(1),
            output[axis]
        );
        let matrix = Arc::new(SparseMatrix::from_dense(&dense, output[axis]));
        answer = tape.wire(ResampleAxis { axis, matrix }, &[answer])?;
    }
    Ok(call.first(answer))
}

/// What has to be known to resize a single axis as the operator does.
struct Probe {
    op: Form,
    /// Per axis of the tensor: the scale, where scales are given.
    scales: Option<Vec<f32>>,
    /// Per axis of the tensor: the length asked for, where scales are not given; 0 for an axis left alone.
    sizes: Vec<i64>,
    /// Per axis: the region's begin and end.
    region: Vec<(f32, f32)>,
}

enum Form {
    Core(Resize),
    Onnx(OnnxResize),
}

impl Probe {
    fn of_core(tape: &Tape, call: &Call, op: &Resize) -> TractResult<Option<Self>> {
        let axes: Vec<usize> = (0..tape.shape(call.input(0))?.len()).collect();
        let form = Form::Core(op.clone());
        Self::new(tape, call, form, &axes, [op.optional_scales_input, op.optional_sizes_input, None])
    }

    fn of_onnx(tape: &Tape, call: &Call, op: &OnnxResize) -> TractResult<Option<Self>> {
        let axes = op.resized_axes(tape.shape(call.input(0))?.len())?;
        // The region counts in one mode only; elsewhere the input may be there without a meaning.
        let region =
            op.optional_roi_input.filter(|_| op.coord_transformer == CoordTransform::TfCropAndResize);
        let form = Form::Onnx(op.clone());
        Self::new(tape, call, form, &axes, [op.optional_scales_input, op.optional_sizes_input, region])
    }

    /// None where one of the parameters is not constant.
    fn new(
        tape: &Tape,
        call: &Call,
        op: Form,
        axes: &[usize],
        slots: [Option<usize>; 3],
    ) -> TractResult<Option<Self>> {
        let rank = tape.shape(call.input(0))?.len();
        let mut values = slots.map(|_| None);
        for (value, slot) in values.iter_mut().zip(slots) {
            let Some(&outlet) = slot.and_then(|slot| call.node.inputs.get(slot)) else { continue };
            let Some(tensor) = tape.value(outlet) else { return Ok(None) };
            // Sizes may be dimensions, which have no cast to a float.
            let tensor = if tensor.datum_type().is_float() {
                tensor
            } else {
                tensor.cast_to::<i64>()?.into_owned().into()
            };
            *value = Some(tensor.cast_to::<f32>()?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec());
        }
        let [scales, sizes, region] = values;
        let spread = |values: Vec<f32>, rest: f32| {
            let mut all = vec![rest; rank];
            axes.iter().zip(values).for_each(|(&axis, value)| all[axis] = value);
            all
        };
        let scales = scales.filter(|scales| scales.len() == axes.len()).map(|scales| spread(scales, 1.0));
        let sizes = spread(sizes.unwrap_or_default(), 0.0).into_iter().map(|size| size as i64).collect();
        let region = region.filter(|region| region.len() == 2 * axes.len()).unwrap_or_default();
        let begin = spread(region.iter().take(axes.len()).copied().collect(), 0.0);
        let end = spread(region.iter().skip(axes.len()).copied().collect(), 1.0);
        Ok(Some(Self { op, scales, sizes, region: begin.into_iter().zip(end).collect() }))
    }

    /// Whether the axis is more than copied.
    fn resizes(&self, axis: usize, input: &[usize]) -> bool {
        let scaled = match &self.scales {
            Some(scales) => scales[axis] != 1.0,
            None => {
                self.sizes[axis] != 0
                    && (self.sizes[axis] as usize != input[axis] || self.leader(axis, input).is_some())
            }
        };
        scaled || self.region[axis] != (0.0, 1.0)
    }

    /// The matrix of an axis, transposed: a row per element of the input's axis.
    fn transposed(&self, axis: usize, input: &[usize]) -> TractResult<Vec<f32>> {
        let length = input[axis];
        // An aspect ratio that is kept makes another axis decide on the scale: it comes along as a third axis, as short
        // as the same ratio allows, along which everything is constant.
        let leader = self.leader(axis, input);
        let (width, target) = match leader {
            Some(other) => {
                let divisor = greatest_common_divisor(input[other], self.sizes[other] as usize).max(1);
                (input[other] / divisor, self.sizes[other] / divisor as i64)
            }
            None => (1, 1),
        };
        let mut probe = Tensor::from_shape(&[length, length, width], &identity(length, width)?)?;
        if leader.is_none() {
            probe.remove_axis(2)?;
        }
        let mut inputs: TVec<TValue> = tvec!(probe.into_tvalue());
        let answer = match &self.op {
            Form::Core(op) => {
                let mut op = op.clone();
                op.optional_scales_input = self.scales.is_some().then_some(1);
                op.optional_sizes_input = self.scales.is_none().then_some(1);
                inputs.push(match &self.scales {
                    Some(scales) => tensor1(&[1.0, scales[axis]]).into_tvalue(),
                    None => tensor1(&[length as i64, self.sizes[axis]]).into_tvalue(),
                });
                op.eval_out_of_plan(inputs)?
            }
            Form::Onnx(op) => {
                let mut op = op.clone();
                op.axes = Some((1..=1 + leader.is_some() as i64).collect());
                op.extrapolation_value_bits = 0f32.to_bits();
                op.optional_roi_input = Some(1);
                op.optional_scales_input = self.scales.is_some().then_some(2);
                op.optional_sizes_input = self.scales.is_none().then_some(2);
                let (begin, end) = self.region[axis];
                let region = if leader.is_some() { vec![begin, 0.0, end, 1.0] } else { vec![begin, end] };
                inputs.push(tensor1(&region).into_tvalue());
                inputs.push(match (&self.scales, leader) {
                    (Some(scales), _) => tensor1(&[scales[axis]]).into_tvalue(),
                    (None, Some(_)) => tensor1(&[self.sizes[axis], target]).into_tvalue(),
                    (None, None) => tensor1(&[self.sizes[axis]]).into_tvalue(),
                });
                op.eval_out_of_plan(inputs)?
            }
        };
        let mut answer = answer.context("the operator has no value outside a plan")?.remove(0).into_tensor();
        if leader.is_some() {
            answer = answer.slice(2, 0, 1)?;
        }
        Ok(answer.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
    }

    /// The axis other than this one that decides on the scale of this one.
    fn leader(&self, axis: usize, input: &[usize]) -> Option<usize> {
        let Form::Onnx(op) = &self.op else { return None };
        if self.scales.is_some() || op.keep_aspect_ratio_policy == AspectRatio::Stretch {
            return None;
        }
        let ratio = |axis: usize| self.sizes[axis] as f32 / input[axis] as f32;
        let resized = (0..input.len()).filter(|&axis| self.sizes[axis] > 0);
        let leader = match op.keep_aspect_ratio_policy {
            AspectRatio::NotLarger => resized.min_by(|&a, &b| ratio(a).total_cmp(&ratio(b))),
            _ => resized.max_by(|&a, &b| ratio(a).total_cmp(&ratio(b))),
        };
        leader.filter(|&leader| ratio(leader) != ratio(axis))
    }
}

/// The elements of an identity matrix, each `width` times.
fn identity(size: usize, width: usize) -> TractResult<Vec<f32>> {
    let len = size.checked_mul(size).and_then(|square| square.checked_mul(width));
    let len = len
        .filter(|&len| len <= 1 << 28)
        .with_context(|| format!("an axis of {size} elements is too long"))?;
    Ok((0..len).map(|place| if (place / width).is_multiple_of(size + 1) { 1.0 } else { 0.0 }).collect())
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
