//! Upsample, older Resize, AffineGrid.

use super::super::attribute;
use super::super::facts::Facts;
use super::super::net::label;
use super::emit::{Emit, int, ints, text};
use crate::error::Fault;
use crate::tract::pb::NodeProto;
use crate::tract::{Tensor, tensor1};

/// Upsample (opset 7 to 9): Resize whose output position `i` reads input position `i / scale`, rounded down where the
/// mode is nearest.
pub(super) fn upsample(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let scales = match attribute::floats(node, "scales")? {
        Some(scales) => emit.constant(tensor1(scales)),
        None => match node.input.get(1) {
            Some(name) if facts.value(name).is_some() => name.clone(),
            _ => return Err(attribute::refuse(node, "scales", "not constant", "constant numbers")),
        },
    };
    let mode = attribute::text(node, "mode")?.unwrap_or("nearest");
    let mode = if mode == "bilinear" { "linear" } else { mode };
    let attributes = vec![
        text("mode", mode),
        text("coordinate_transformation_mode", "asymmetric"),
        text("nearest_mode", "floor"),
    ];
    emit.op_to("Resize", &[&node.input[0], "", &scales], attributes, &node.output[0]);
    Ok(())
}

/// Resize of opset 10 rounds down too; later sets round to the nearest unless they say otherwise, which is also what
/// the importer below assumes.
pub(super) fn resize_10(node: &NodeProto, emit: &mut Emit<'_>) {
    let mode = attribute::text(node, "mode").ok().flatten().unwrap_or("nearest").to_owned();
    let attributes = vec![
        text("mode", &mode),
        text("coordinate_transformation_mode", "asymmetric"),
        text("nearest_mode", "floor"),
    ];
    let scales = node.input.get(1).map_or("", String::as_str);
    emit.op_to("Resize", &[&node.input[0], "", scales], attributes, &node.output[0]);
}

/// AffineGrid (opset 20): every output position, in coordinates from -1 to 1 with the last axis first, times theta.
///
/// `theta` is `[n, 2, 3]` or `[n, 3, 4]`, `size` the shape `[n, c, (d,) h, w]` of the image to sample; the result is
/// `[n, (d,) h, w, 2 or 3]`.
pub(super) fn affine_grid(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let refuse =
        |value: &str| attribute::refuse(node, "size", value, "a constant [n, c, h, w] or [n, c, d, h, w]");
    let size = node.input.get(1).and_then(|s| facts.integers(s)).ok_or_else(|| refuse("not constant"))?;
    let sides: Vec<usize> = size.iter().skip(2).filter_map(|d| usize::try_from(*d).ok()).collect();
    if !(2..=3).contains(&sides.len()) || sides.len() + 2 != size.len() {
        return Err(refuse(&format!("{size:?}")));
    }
    let corners = attribute::int(node, "align_corners")?.unwrap_or(0) == 1;
    facts.check_bytes(&label(node), &sides, 4 * (sides.len() as u64 + 1))?;
    let positions: usize = sides.iter().product();
    let base = base_grid(&sides, corners);
    let width = sides.len() + 1;
    let base = Tensor::from_shape(&[positions, width], &base)
        .map_err(|e| Fault::Importer { node: label(node), message: e.to_string() })?;
    let base = emit.constant(base);
    let theta = emit.op("Transpose", &[&node.input[0]], vec![ints("perm", &[0, 2, 1])]);
    let flat = emit.op("MatMul", &[&base, &theta], Vec::new());
    let mut shape: Vec<i64> = vec![size[0]];
    shape.extend(sides.iter().map(|s| *s as i64));
    shape.push(sides.len() as i64);
    let shape = emit.ints(&shape);
    emit.op_to("Reshape", &[&flat, &shape], vec![int("allowzero", 0)], &node.output[0]);
    Ok(())
}

/// Homogeneous coordinates of all positions in row-major order: the last axis is x and comes first, a 1 comes last.
fn base_grid(sides: &[usize], corners: bool) -> Vec<f32> {
    let coordinate = |index: usize, side: usize| {
        let (index, side) = (index as f64, side as f64);
        match (corners, side > 1.0) {
            (true, true) => 2.0 * index / (side - 1.0) - 1.0,
            (true, false) => 0.0,
            (false, _) => (2.0 * index + 1.0) / side - 1.0,
        }
    };
    let positions: usize = sides.iter().product();
    let mut grid = Vec::with_capacity(positions * (sides.len() + 1));
    for position in 0..positions {
        let mut rest = position;
        for &side in sides.iter().rev() {
            grid.push(coordinate(rest % side, side) as f32);
            rest /= side;
        }
        grid.push(1.0);
    }
    grid
}
