//! LpPool.

use super::super::attribute;
use super::super::facts::Facts;
use super::emit::{Emit, ints};
use crate::error::Fault;
use crate::tract::pb::NodeProto;
use crate::tract::tensor0;

/// LpPool: the p-norm of each window, `(sum |x|^p)^(1/p)`; padding counts as zeros.
///
/// Written as zero padding, power, average without padding times the number of positions, and root.
pub(super) fn lp_pool(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let input = node.input.first().map_or("", String::as_str);
    let shape = facts.shape(input).unwrap_or_default();
    let p = attribute::int(node, "p")?.unwrap_or(2);
    let window = Window::of(node, &shape)?;
    let mut x = input.to_owned();
    if window.pads.iter().any(|p| *p > 0) {
        let mut pads = vec![0; 2 * shape.len()];
        for axis in 0..window.kernel.len() {
            pads[2 + axis] = window.pads[axis];
            pads[shape.len() + 2 + axis] = window.pads[window.kernel.len() + axis];
        }
        let pads = emit.ints(&pads);
        x = emit.op("Pad", &[&x, &pads], Vec::new());
    }
    let powers = match p {
        1 => emit.op("Abs", &[&x], Vec::new()),
        2 => emit.op("Mul", &[&x, &x], Vec::new()),
        _ => {
            let magnitude = emit.op("Abs", &[&x], Vec::new());
            let exponent = emit.constant(tensor0(p as f32));
            emit.op("Pow", &[&magnitude, &exponent], Vec::new())
        }
    };
    let attributes = vec![
        ints("kernel_shape", &window.kernel),
        ints("strides", &window.strides),
        ints("dilations", &window.dilations),
    ];
    let mean = emit.op("AveragePool", &[&powers], attributes);
    let count = emit.constant(tensor0(window.kernel.iter().product::<i64>() as f32));
    let output = &node.output[0];
    match p {
        1 => emit.op_to("Mul", &[&mean, &count], Vec::new(), output),
        2 => {
            let sum = emit.op("Mul", &[&mean, &count], Vec::new());
            emit.op_to("Sqrt", &[&sum], Vec::new(), output);
        }
        _ => {
            let sum = emit.op("Mul", &[&mean, &count], Vec::new());
            let root = emit.constant(tensor0(1.0 / p as f32));
            emit.op_to("Pow", &[&sum, &root], Vec::new(), output);
        }
    }
    Ok(())
}

/// Geometry of a pooling window with all padding explicit.
struct Window {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    /// Before each axis, then after each axis; what `ceil_mode` adds is part of it.
    pads: Vec<i64>,
}

impl Window {
    fn of(node: &NodeProto, shape: &[usize]) -> Result<Window, Fault> {
        let kernel = attribute::ints(node, "kernel_shape")?.unwrap_or_default().to_vec();
        let axes = kernel.len();
        if axes == 0 || shape.len() != axes + 2 {
            let value = format!("{kernel:?} for an input of shape {shape:?}");
            return Err(attribute::refuse(
                node,
                "kernel_shape",
                value,
                "one number per axis after the first two",
            ));
        }
        let list = |name: &str, default: i64| -> Result<Vec<i64>, Fault> {
            let found = attribute::ints(node, name)?.map_or_else(|| vec![default; axes], <[i64]>::to_vec);
            let is_whole = found.len() == axes;
            let wrong = || attribute::refuse(node, name, format!("{found:?}"), &format!("{axes} numbers"));
            if is_whole { Ok(found) } else { Err(wrong()) }
        };
        let (strides, dilations) = (list("strides", 1)?, list("dilations", 1)?);
        let given = attribute::ints(node, "pads")?.map_or_else(|| vec![0; 2 * axes], <[i64]>::to_vec);
        if given.len() != 2 * axes {
            return Err(attribute::refuse(
                node,
                "pads",
                format!("{given:?}"),
                &format!("{} numbers", 2 * axes),
            ));
        }
        let auto = attribute::text(node, "auto_pad")?.unwrap_or("NOTSET");
        let ceil = attribute::int(node, "ceil_mode")?.unwrap_or(0) == 1;
        let mut pads = vec![0; 2 * axes];
        for axis in 0..axes {
            let side = shape[axis + 2] as i64;
            let reach = (kernel[axis] - 1) * dilations[axis] + 1;
            let (before, after) = match auto {
                "SAME_UPPER" | "SAME_LOWER" => {
                    let outputs = (side + strides[axis] - 1) / strides[axis];
                    let total = ((outputs - 1) * strides[axis] + reach - side).max(0);
                    let less = total / 2;
                    if auto == "SAME_UPPER" { (less, total - less) } else { (total - less, less) }
                }
                "VALID" => (0, 0),
                _ => (given[axis], given[axes + axis]),
            };
            pads[axis] = before;
            pads[axes + axis] =
                after + overhang(side + before + after - reach, strides[axis], ceil, side + before);
        }
        Ok(Window { kernel, strides, dilations, pads })
    }
}

/// Padding that a last, partly covered window needs when the number of outputs is rounded up. A window that would
/// start beyond the input and its left padding is dropped.
fn overhang(room: i64, stride: i64, ceil: bool, last_start: i64) -> i64 {
    if !ceil || room < 0 || room % stride == 0 {
        return 0;
    }
    let start = (room / stride + 1) * stride;
    if start >= last_start { 0 } else { start - room }
}
