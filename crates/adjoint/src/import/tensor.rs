//! ONNX tensors -> tract tensors. Every floating type becomes f32.

use std::path::Path;
use std::sync::Arc;

use super::external;
use super::net::Constant;
use crate::error::Fault;
use crate::tract::pb::{DataType, SparseTensorProto, TensorProto};
use crate::tract::{Datum, DatumType, Tensor, bf16, f16};

/// Most dimensions a tensor may have; ONNX knows no limit, tract and the operators here stay well below.
pub(super) const MAX_RANK: usize = 12;

/// Bytes of one element in the file, for the types that are taken.
fn width(dtype: DataType) -> Option<u64> {
    match dtype {
        DataType::Bool | DataType::Uint8 | DataType::Int8 => Some(1),
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => Some(2),
        DataType::Uint32 | DataType::Int32 | DataType::Float => Some(4),
        DataType::Uint64 | DataType::Int64 | DataType::Double => Some(8),
        _ => None,
    }
}

/// Number of elements of `dims`, checked for sign, overflow and rank.
pub(super) fn volume(name: &str, dims: &[i64]) -> Result<u64, Fault> {
    let fault = |reason: &str| Fault::Dimensions {
        tensor: name.to_owned(),
        dims: dims.iter().copied().take(MAX_RANK + 1).collect(),
        reason: reason.to_owned(),
    };
    if dims.len() > MAX_RANK {
        return Err(fault(&format!("are {}; at most {MAX_RANK} are allowed", dims.len())));
    }
    let mut volume = 1u64;
    // A zero would hide an overflow of the rest, so the product of the others is checked.
    for &dim in dims {
        let dim = u64::try_from(dim).map_err(|_| fault("have a negative number"))?;
        volume = volume.checked_mul(dim.max(1)).ok_or_else(|| fault("overflow"))?;
    }
    if volume > 1 << 48 {
        return Err(fault("overflow"));
    }
    Ok(if dims.contains(&0) { 0 } else { volume })
}

/// Bytes that the decoded tensor takes; 0 for types that are not taken.
pub(super) fn decoded_bytes(proto: &TensorProto) -> Result<u64, Fault> {
    let volume = volume(&proto.name, &proto.dims)?;
    let dtype = DataType::try_from(proto.data_type).unwrap_or(DataType::Undefined);
    let bytes = match dtype {
        DataType::Float16 | DataType::Bfloat16 | DataType::Double => 4,
        other => width(other).unwrap_or(0),
    };
    Ok(volume.saturating_mul(bytes))
}

/// Decodes a tensor. `Err` is for a file that contradicts itself; a type that cannot be used is left as the fault of the
/// constant, for whoever needs it.
pub(super) fn decode(mut proto: TensorProto, dir: Option<&Path>) -> Result<Constant, Fault> {
    let volume = volume(&proto.name, &proto.dims)?;
    let refused = |found: String| Constant {
        value: Err(Fault::DataType {
            tensor: proto.name.clone(),
            found,
            allowed: "f16, bf16, f32, f64, bool and integers of 8 to 64 bits".to_owned(),
        }),
        flaw: None,
    };
    let Ok(dtype) = DataType::try_from(proto.data_type) else {
        return Ok(refused(format!("number {}", proto.data_type)));
    };
    let Some(width) = width(dtype) else { return Ok(refused(dtype.as_str_name().to_owned())) };
    if external::is_external(&proto) {
        proto.raw_data = external::read(&proto, dir, volume.saturating_mul(width))?;
    }
    let tensor = if proto.raw_data.is_empty() {
        from_fields(&proto, dtype, volume)?
    } else {
        from_raw(&proto, dtype, volume, width)?
    };
    Ok(Constant::of(tensor))
}

/// The first element of an f32 tensor that is not finite.
pub(super) fn first_flaw(tensor: &Tensor) -> Option<(usize, f32)> {
    let values = tensor.as_plain_ram()?.as_slice::<f32>().ok()?.iter();
    values.enumerate().find(|(_, v)| !v.is_finite()).map(|(index, value)| (index, *value))
}

/// A tensor of `dims` (already checked) with the values of `values`, of which there must be as many.
fn fill<T: Datum + Copy>(
    proto: &TensorProto,
    unit: (&'static str, u64),
    values: impl ExactSizeIterator<Item = T>,
) -> Result<Tensor, Fault> {
    let shape: Vec<usize> = proto.dims.iter().map(|d| *d as usize).collect();
    let volume: usize = shape.iter().product();
    if values.len() != volume {
        return Err(length_fault(proto, unit.0, volume as u64 * unit.1, values.len() as u64 * unit.1));
    }
    let values: Vec<T> = values.collect();
    Tensor::from_shape(&shape, &values)
        .map_err(|e| Fault::Importer { node: proto.name.clone(), message: e.to_string() })
}

fn length_fault(proto: &TensorProto, unit: &'static str, expected: u64, found: u64) -> Fault {
    let dtype = Dt(proto.data_type).name();
    Fault::DataLength { tensor: proto.name.clone(), dims: proto.dims.clone(), dtype, unit, expected, found }
}

struct Dt(i32);

impl Dt {
    fn name(&self) -> String {
        DataType::try_from(self.0).map_or_else(|_| self.0.to_string(), |d| d.as_str_name().to_owned())
    }
}

fn from_raw(proto: &TensorProto, dtype: DataType, volume: u64, width: u64) -> Result<Tensor, Fault> {
    let raw = &proto.raw_data;
    if raw.len() as u64 != volume.saturating_mul(width) {
        return Err(length_fault(proto, "bytes", volume.saturating_mul(width), raw.len() as u64));
    }
    // The standard fixes little-endian order. The chunks have the width of the type, so the conversion cannot fail.
    macro_rules! values {
        ($kind:ty, $width:literal, $map:expr) => {
            fill(
                proto,
                ("bytes", $width as u64),
                raw.as_chunks::<$width>().0.iter().map(|b| $map(<$kind>::from_le_bytes(*b))),
            )
        };
    }
    match dtype {
        DataType::Float => values!(f32, 4, |v| v),
        DataType::Float16 => values!(f16, 2, f16::to_f32),
        DataType::Bfloat16 => values!(bf16, 2, bf16::to_f32),
        DataType::Double => values!(f64, 8, narrow),
        DataType::Bool => values!(u8, 1, |v| v != 0),
        DataType::Uint8 => values!(u8, 1, |v| v),
        DataType::Int8 => values!(i8, 1, |v| v),
        DataType::Uint16 => values!(u16, 2, |v| v),
        DataType::Int16 => values!(i16, 2, |v| v),
        DataType::Uint32 => values!(u32, 4, |v| v),
        DataType::Int32 => values!(i32, 4, |v| v),
        DataType::Uint64 => values!(u64, 8, |v| v),
        _ => values!(i64, 8, |v| v),
    }
}

fn from_fields(proto: &TensorProto, dtype: DataType, _volume: u64) -> Result<Tensor, Fault> {
    let unit = ("values", 1);
    let ints = || proto.int32_data.iter();
    match dtype {
        DataType::Float => fill(proto, unit, proto.float_data.iter().copied()),
        DataType::Float16 => fill(proto, unit, ints().map(|v| f16::from_bits(*v as u16).to_f32())),
        DataType::Bfloat16 => fill(proto, unit, ints().map(|v| bf16::from_bits(*v as u16).to_f32())),
        DataType::Double => fill(proto, unit, proto.double_data.iter().map(|v| narrow(*v))),
        DataType::Bool => fill(proto, unit, ints().map(|v| *v != 0)),
        DataType::Uint8 => fill(proto, unit, ints().map(|v| *v as u8)),
        DataType::Int8 => fill(proto, unit, ints().map(|v| *v as i8)),
        DataType::Uint16 => fill(proto, unit, ints().map(|v| *v as u16)),
        DataType::Int16 => fill(proto, unit, ints().map(|v| *v as i16)),
        DataType::Int32 => fill(proto, unit, ints().copied()),
        DataType::Uint32 => fill(proto, unit, proto.uint64_data.iter().map(|v| *v as u32)),
        DataType::Uint64 => fill(proto, unit, proto.uint64_data.iter().copied()),
        _ => fill(proto, unit, proto.int64_data.iter().copied()),
    }
}

/// f64 -> f32. Values beyond f32 (exporters write the lowest f64 into attention masks) stay finite: the nearest f32.
fn narrow(value: f64) -> f32 {
    if value.is_finite() {
        value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    } else {
        value as f32
    }
}

/// A sparse tensor, written out. Its indices are positions in row-major order, or one row of coordinates per value.
pub(super) fn decode_sparse(
    sparse: SparseTensorProto,
    dir: Option<&Path>,
) -> Result<(String, Constant), Fault> {
    let (Some(values), Some(indices)) = (sparse.values, sparse.indices) else {
        return Err(Fault::Importer {
            node: "a sparse tensor".to_owned(),
            message: "it lacks its values or its indices".to_owned(),
        });
    };
    let name = values.name.clone();
    let volume = volume(&name, &sparse.dims)?;
    let (values, indices) = (decode(values, dir)?.value?, decode(indices, dir)?.value?);
    let wrong = |found: &str, allowed: &str| Fault::DataType {
        tensor: name.clone(),
        found: format!("sparse with {found}"),
        allowed: allowed.to_owned(),
    };
    let (Some(plain_values), Some(plain_indices)) = (values.as_plain_ram(), indices.as_plain_ram()) else {
        return Err(wrong("no data", "values and indices"));
    };
    let values =
        plain_values.as_slice::<f32>().map_err(|_| wrong("other values", "floating-point values"))?;
    let indices = plain_indices.as_slice::<i64>().map_err(|_| wrong("other indices", "indices of i64"))?;
    let per_value = if values.is_empty() { 1 } else { indices.len() / values.len() };
    let is_linear = per_value == 1;
    if !indices.is_empty()
        && (indices.len() != per_value * values.len() || !(is_linear || per_value == sparse.dims.len()))
    {
        return Err(wrong(
            &format!("{} indices for {} values", indices.len(), values.len()),
            "one row per value",
        ));
    }
    let mut dense = vec![0f32; volume as usize];
    for (value, row) in values.iter().zip(indices.chunks(per_value.max(1))) {
        let position = if is_linear { row[0] } else { linear_position(row, &sparse.dims) };
        let slot = usize::try_from(position).ok().and_then(|p| dense.get_mut(p));
        *slot.ok_or_else(|| wrong(&format!("the index {row:?}"), "indices inside its dimensions"))? = *value;
    }
    let shape: Vec<usize> = sparse.dims.iter().map(|d| *d as usize).collect();
    let tensor = Tensor::from_shape(&shape, &dense)
        .map_err(|e| Fault::Importer { node: name.clone(), message: e.to_string() })?;
    Ok((name, Constant::of(tensor)))
}

/// Row-major position of a coordinate; negative where it lies outside `dims`.
fn linear_position(row: &[i64], dims: &[i64]) -> i64 {
    row.iter().zip(dims).fold(0, |at, (i, d)| if at < 0 || *i < 0 || i >= d { -1 } else { at * d + i })
}

/// The values of a small integer constant (i64, i32 or tract's dimensions), widened.
pub(super) fn integers(tensor: &Arc<Tensor>) -> Option<Vec<i64>> {
    if tensor.datum_type().is_float() || tensor.datum_type() == DatumType::String {
        return None;
    }
    let cast = tensor.cast_to::<i64>().ok()?;
    Some(cast.as_plain_ram()?.as_slice::<i64>().ok()?.to_vec())
}
