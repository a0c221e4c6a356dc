//! How much a node computes, before it computes anything.

use super::attribute;
use crate::error::Fault;
use crate::tract::pb::NodeProto;

/// Shapes of a node's inputs that are there, and of its outputs.
pub(super) struct Shapes<'a> {
    pub inputs: &'a [Vec<usize>],
    pub outputs: &'a [Vec<usize>],
}

fn volume(shape: &[usize]) -> f64 {
    shape.iter().map(|d| *d as f64).product()
}

/// Multiply-adds of one run of `node`, to the factor two that a bound needs.
///
/// Counted exactly where the number of products per output element is not bounded by a constant: convolution, matrix
/// products, Einstein sums, pooling, recurrent cells, attention. Everything else counts its elements.
pub(super) fn multiply_adds(node: &NodeProto, shapes: &Shapes<'_>) -> f64 {
    let input = |index: usize| shapes.inputs.get(index).map_or(&[][..], Vec::as_slice);
    let output = shapes.outputs.first().map_or(&[][..], Vec::as_slice);
    let elements: f64 = shapes.inputs.iter().chain(shapes.outputs).map(|s| volume(s)).sum();
    let per_filter = |weights: &[usize]| volume(weights.get(1..).unwrap_or_default());
    let products = match node.op_type.as_str() {
        "Conv" => volume(output) * per_filter(input(1)),
        "ConvTranspose" => volume(input(0)) * per_filter(input(1)),
        "MatMul" => volume(output) * input(0).last().map_or(1.0, |k| *k as f64),
        "Gemm" => volume(output) * (volume(input(0)) / volume(&output[..output.len().min(1)]).max(1.0)),
        "Einsum" => einsum(node, shapes),
        "MaxPool" | "AveragePool" | "LpPool" => volume(output) * kernel_volume(node),
        "LSTM" | "GRU" | "RNN" => recurrent(shapes),
        "Attention" | "MultiHeadAttention" => {
            volume(input(0)) * input(1).iter().rev().take(2).map(|d| *d as f64).product::<f64>() * 2.0
        }
        "LRN" => volume(output) * attribute::int(node, "size").ok().flatten().unwrap_or(1) as f64,
        "Resize" | "GridSample" => volume(output) * 64.0,
        "TopK" => elements * 32.0,
        _ => 0.0,
    };
    products + elements
}

fn kernel_volume(node: &NodeProto) -> f64 {
    let sides = attribute::ints(node, "kernel_shape").ok().flatten().unwrap_or_default();
    sides.iter().map(|d| *d as f64).product()
}

/// Every step multiplies the input and the state with their weights: batch x (|W| + |R|) per step.
fn recurrent(shapes: &Shapes<'_>) -> f64 {
    match shapes.inputs {
        [x, w, r, ..] => {
            let steps: f64 = x.iter().take(2).map(|d| *d as f64).product();
            steps * (volume(w) + volume(r))
        }
        _ => 0.0,
    }
}

/// Product of all index ranges of the sum. An ellipsis counts the axes it stands for.
fn einsum(node: &NodeProto, shapes: &Shapes<'_>) -> f64 {
    let equation = attribute::text(node, "equation").ok().flatten().unwrap_or_default();
    let left = equation.split("->").next().unwrap_or_default();
    let mut ranges: Vec<(char, usize)> = Vec::new();
    let mut broadcast = 1.0f64;
    for (term, shape) in left.split(',').zip(shapes.inputs) {
        let letters = term.chars().filter(|c| c.is_alphabetic()).count();
        let hidden = shape.len().saturating_sub(letters);
        let mut axes = shape.iter();
        let mut dots = 0;
        for c in term.chars().filter(|c| !c.is_whitespace()) {
            if c == '.' {
                dots += 1;
                if dots == 1 {
                    let range: f64 = axes.by_ref().take(hidden).map(|d| *d as f64).product();
                    broadcast = broadcast.max(range);
                }
            } else if let Some(&side) = axes.next() {
                match ranges.iter_mut().find(|(letter, _)| *letter == c) {
                    Some((_, range)) => *range = side.max(*range),
                    None => ranges.push((c, side)),
                }
            }
        }
    }
    broadcast * ranges.iter().map(|(_, side)| *side as f64).product::<f64>()
}

/// Most table entries that a window operator may need below: border positions x kernel positions.
const WINDOW_TABLE: f64 = (1u64 << 23) as f64;

/// Refuses windows whose tables of border cases would be huge: every output position whose window hangs over the edge
/// in its own way keeps its own list of valid kernel positions.
pub(super) fn check_window(node: &NodeProto, shapes: &Shapes<'_>) -> Result<(), Fault> {
    let kernel: Vec<f64> =
        match (node.op_type.as_str(), attribute::ints(node, "kernel_shape")?, shapes.inputs.get(1)) {
            ("MaxPool" | "AveragePool" | "LpPool" | "Conv" | "ConvTranspose", Some(sides), _) => {
                sides.iter().map(|d| *d as f64).collect()
            }
            ("Conv" | "ConvTranspose", None, Some(weights)) => {
                weights.iter().skip(2).map(|d| *d as f64).collect()
            }
            _ => return Ok(()),
        };
    let output = shapes.outputs.first().map_or(&[][..], |s| s.get(2..).unwrap_or_default());
    let volume: f64 = kernel.iter().product();
    // At most two kernels' lengths of positions along an axis touch its two edges.
    let borders: f64 = kernel.iter().zip(output).map(|(k, o)| (2.0 * k).min(*o as f64).max(1.0)).product();
    let has_pads = attribute::ints(node, "pads")?.is_some_and(|p| p.iter().any(|p| *p > 0))
        || attribute::text(node, "auto_pad")?.is_some_and(|p| p.starts_with("SAME"));
    let table = if has_pads { volume * borders } else { volume };
    if table > WINDOW_TABLE {
        return Err(attribute::refuse(
            node,
            "kernel_shape",
            format!("{kernel:?} with padding: {table:.1e} window positions to tabulate"),
            &format!("at most {WINDOW_TABLE:.1e}"),
        ));
    }
    Ok(())
}
