//! Products of two tensors as batched matrix products.

use std::sync::Arc;

use super::convolution::with_scratch;
use crate::kernel::{Constant, Gemm, GemmEpilogue, GemmShape, MatrixLayout};
use crate::ops::{closed_op, elements, overwritten, threads};
use crate::tract::math::Add;
use crate::tract::op::{EinSum, TypedBinOp};
use crate::tract::*;

/// A planned product. Inputs: the operands that were not packed, in the order of the product; nothing holds the others,
/// so that a weight exists once.
#[derive(Debug, Clone)]
pub(super) struct CpuProduct {
    kernel: Arc<Gemm>,
    output: Vec<usize>,
    /// Which input is the kernel's A and which its B; none for the packed one.
    slots: [Option<usize>; 2],
    /// The output's axes that are the kernel's rows and columns, where one axis is all of them: it can add a bias there.
    axes: [Option<usize>; 2],
    bias: Option<Bias>,
}
closed_op!(CpuProduct);

/// A value for each of the kernel's rows, or for each of its columns.
#[derive(Debug, Clone, PartialEq)]
struct Bias {
    of_rows: bool,
    values: Arc<Tensor>,
}

impl PartialEq for CpuProduct {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel) && self.bias == other.bias
    }
}
impl Eq for CpuProduct {}

impl EvalOp for CpuProduct {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let threads = threads(ctx);
        let operand = |slot: Option<usize>| slot.map_or(Ok(&[][..]), |slot| elements(&inputs[slot]));
        let (a, b) = (operand(self.slots[0])?, operand(self.slots[1])?);
        let bias = |of_rows: bool| {
            let bias = self.bias.as_ref().filter(|bias| bias.of_rows == of_rows);
            bias.map(|bias| elements(&bias.values)).transpose()
        };
        let epilogue =
            GemmEpilogue { row_bias: bias(true)?, column_bias: bias(false)?, ..GemmEpilogue::default() };
        overwritten(&self.output, |values| {
            with_scratch(ctx, self.kernel.scratch_len(&threads), |scratch| {
                Ok(self.kernel.run(a, b, values, scratch, &epilogue, &threads)?)
            })
        })
    }
}

impl TypedOp for CpuProduct {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.output)))
    }
    as_op!();
}

/// One axis of a product: its length and its distance in memory in A, B and C (0 where the tensor does not have it).
#[derive(Debug, Clone, Copy)]
struct Axis {
    len: usize,
    step: [usize; 3],
}

impl Axis {
    /// Present in which of A, B, C.
    fn in_tensors(&self) -> [bool; 3] {
        self.step.map(|step| step > 0)
    }

    /// Whether `self` directly encloses `inner` in every tensor that has them.
    fn encloses(&self, inner: &Axis) -> bool {
        self.in_tensors() == inner.in_tensors()
            && (0..3).all(|tensor| self.step[tensor] == inner.step[tensor] * inner.len)
    }
}

/// The matrix product behind a two-operand Einstein sum, and its inputs; none where it has no such form.
pub(super) fn of_einsum(
    model: &TypedModel,
    node: &TypedNode,
    op: &EinSum,
) -> TractResult<Option<(CpuProduct, TVec<OutletId>)>> {
    if op.q_params.is_some() || node.inputs.len() != 2 {
        return Ok(None);
    }
    let outlets = [node.inputs[0], node.inputs[1], OutletId::new(node.id, 0)];
    let mut shapes = Vec::new();
    for outlet in outlets {
        let fact = model.outlet_fact(outlet)?;
        match fact.shape.as_concrete() {
            Some(shape) if fact.datum_type == f32::datum_type() && !shape.contains(&0) => {
                shapes.push(shape.to_vec())
            }
            _ => return Ok(None),
        }
    }
    let Some(axes) = axes(&op.axes.to_string(), &shapes)? else { return Ok(None) };
    let Some((shape, swapped)) = matrix_form(merged(axes)) else { return Ok(None) };
    let values: Vec<Option<Arc<Tensor>>> = node
        .inputs
        .iter()
        .map(|input| Ok(model.outlet_fact(*input)?.konst.clone()))
        .collect::<TractResult<_>>()?;
    let (a, b) = if swapped { (&values[1], &values[0]) } else { (&values[0], &values[1]) };
    let constant = match (a, b) {
        (Some(a), _) => Constant::A(elements(a)?),
        (_, Some(b)) => Constant::B(elements(b)?),
        _ => Constant::Neither,
    };
    let kernel = Arc::new(Gemm::prepare(&shape, constant)?);
    let output = shapes[2].clone();
    let axis = |len: usize, step: usize| {
        let behind = |axis: usize| output[axis + 1..].iter().product::<usize>();
        (0..output.len()).find(|&axis| len > 1 && output[axis] == len && behind(axis) == step)
    };
    let axes = [axis(shape.m, shape.c.row), axis(shape.n, shape.c.column)];
    let operands = if swapped { [1, 0] } else { [0, 1] };
    let read = [kernel.reads_a(), kernel.reads_b()];
    // Where both are read they keep their places; one alone is the only input.
    let both = read[0] && read[1];
    let slots = [0, 1].map(|side| read[side].then_some(if both { operands[side] } else { 0 }));
    let inputs = (0..2).filter(|&slot| both || (0..2).any(|side| read[side] && operands[side] == slot));
    let inputs = inputs.map(|slot| node.inputs[slot]).collect();
    Ok(Some((CpuProduct { kernel, output, slots, axes, bias: None }, inputs)))
}

/// The product with its bias, for a node that adds a constant along one axis of a product that nothing else reads.
pub(super) fn of_addition(
    model: &TypedModel,
    node: &TypedNode,
) -> TractResult<Option<(OutletId, CpuProduct)>> {
    let Some(TypedBinOp(mini, None)) = node.op_as::<TypedBinOp>() else { return Ok(None) };
    if !mini.is::<Add>() {
        return Ok(None);
    }
    for (product, bias) in [(0, 1), (1, 0)].map(|(p, b)| (node.inputs[p], node.inputs[b])) {
        let Some(op) = model.node(product.node).op_as::<CpuProduct>() else { continue };
        let Some(values) = model.outlet_fact(bias)?.konst.clone() else { continue };
        let alone = model.node(product.node).outputs[0].successors.len() == 1
            && !model.output_outlets()?.contains(&product);
        let same = *model.outlet_fact(OutletId::new(node.id, 0))?.shape == *model.outlet_fact(product)?.shape;
        let float = values.datum_type() == f32::datum_type();
        let along = op.along(values.shape());
        if let Some(of_rows) = along.filter(|_| op.bias.is_none() && alone && same && float) {
            return Ok(Some((product, CpuProduct { bias: Some(Bias { of_rows, values }), ..op.clone() })));
        }
    }
    Ok(None)
}

impl CpuProduct {
    /// Whether a constant of this shape has a value per row (true) or per column (false) of the kernel; none otherwise.
    fn along(&self, shape: &[usize]) -> Option<bool> {
        let mut long = (0..shape.len()).filter(|&axis| shape[axis] > 1);
        let axis = long.next().filter(|_| long.next().is_none() && shape.len() == self.output.len())?;
        let side = self.axes.iter().position(|&own| own == Some(axis))?;
        (shape[axis] == self.output[axis]).then_some(side == 0)
    }
}

/// The axes longer than one, outermost first as C and then A and B have them; none if an axis is summed within one
/// operand alone.
fn axes(text: &str, shapes: &[Vec<usize>]) -> TractResult<Option<Vec<Axis>>> {
    let (operands, output) = text.split_once("->").context("a product without an output")?;
    let (a, b) = operands.split_once(',').context("a product of two")?;
    let terms: Vec<Vec<char>> = [a, b, output].iter().map(|term| term.chars().collect()).collect();
    let mut names: Vec<char> = Vec::new();
    for term in [&terms[2], &terms[0], &terms[1]] {
        for &name in term {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut axes = Vec::new();
    for name in names {
        let mut axis = Axis { len: 1, step: [0; 3] };
        for tensor in 0..3 {
            let Some(position) = terms[tensor].iter().position(|&other| other == name) else { continue };
            if shapes[tensor][position] > 1 {
                axis.len = axis.len.max(shapes[tensor][position]);
                axis.step[tensor] = shapes[tensor][position + 1..].iter().product();
            }
        }
        if axis.len == 1 {
            continue;
        }
        match axis.in_tensors() {
            [true, false, false] | [false, true, false] | [false, false, true] => return Ok(None),
            _ => axes.push(axis),
        }
    }
    Ok(Some(axes))
}

/// Neighbouring axes that lie in memory as one are made one.
fn merged(mut axes: Vec<Axis>) -> Vec<Axis> {
    let mut index = 0;
    while index < axes.len() {
        match (0..axes.len()).find(|&inner| inner != index && axes[index].encloses(&axes[inner])) {
            Some(inner) => {
                axes[index] = Axis { len: axes[index].len * axes[inner].len, step: axes[inner].step };
                axes.remove(inner);
                index = 0;
            }
            None => index += 1,
        }
    }
    axes
}

/// Gives each axis its role: summed, row, column or batch.
fn matrix_form(axes: Vec<Axis>) -> Option<(GemmShape, bool)> {
    let of = |which: [bool; 3]| -> Vec<Axis> {
        axes.iter().copied().filter(|axis| axis.in_tensors() == which).collect()
    };
    let mut summed = of([true, true, false]);
    let mut rows = of([true, false, true]);
    let mut columns = of([false, true, true]);
    let mut batch = of([true, true, true]);
    // The kernel writes rows of C: its fastest axis has to be a column.
    let fastest = |axes: &[Axis]| axes.iter().map(|axis| axis.step[2]).min().unwrap_or(usize::MAX);
    let swapped = fastest(&rows) < fastest(&columns);
    if swapped {
        std::mem::swap(&mut rows, &mut columns);
        for axes in [&mut summed, &mut rows, &mut columns, &mut batch] {
            axes.iter_mut().for_each(|axis| axis.step.swap(0, 1));
        }
    }
    let mut pick = |axes: &mut Vec<Axis>| -> Axis {
        // The longest is the matrix's; what is left over runs as batch.
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.len));
        let chosen = if axes.is_empty() { Axis { len: 1, step: [0; 3] } } else { axes.remove(0) };
        batch.append(axes);
        chosen
    };
    let (row, column) = (pick(&mut rows), pick(&mut columns));
    if summed.len() > 2 || batch.len() > 2 {
        return None;
    }
    // The axis that is finest in A runs within a part: it is packed the fastest.
    summed.sort_by_key(|axis| axis.step[0]);
    summed.resize(2, Axis { len: 1, step: [0; 3] });
    batch.resize(2, Axis { len: 1, step: [0; 3] });
    let (sum, parts) = (summed[0], summed[1]);
    let layout = |tensor: usize, row: Axis, column: Axis| MatrixLayout {
        row: row.step[tensor],
        column: column.step[tensor],
        batch: [batch[0].step[tensor], batch[1].step[tensor]],
        part: parts.step[tensor],
    };
    let shape = GemmShape {
        batch: [batch[0].len, batch[1].len],
        m: row.len,
        n: column.len,
        k: sum.len * parts.len,
        parts: parts.len,
        a: layout(0, row, sum),
        b: layout(1, sum, column),
        c: layout(2, row, column),
    };
    Some((shape, swapped))
}
