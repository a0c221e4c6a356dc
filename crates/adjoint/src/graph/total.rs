//! The sum of the cotangents that meet at a tensor.

use super::tape::Tape;
use crate::tract::op::{Pad, PadMode, TypedConcat};
use crate::tract::*;

/// A cotangent that is zero outside a stretch of one axis: what comes back from a slice.
struct Piece {
    axis: usize,
    start: usize,
    len: usize,
    /// The stretch itself.
    inside: OutletId,
}

/// Adds them up in the order of arrival.
///
/// Pieces of one axis that do not overlap (the queries, keys and values of an attention, the steps of a recurrent
/// network) are joined instead: that costs one copy of the tensor, and not a tensor of zeros and an addition for each.
pub(super) fn total(tape: &mut Tape, arrived: Vec<OutletId>) -> TractResult<OutletId> {
    let mut pieces: Vec<Piece> =
        arrived.iter().filter_map(|&outlet| piece(tape, outlet).transpose()).collect::<TractResult<_>>()?;
    let mut terms = arrived;
    if let Some(axis) = pieces.first().map(|piece| piece.axis) {
        pieces.retain(|piece| piece.axis == axis);
        pieces.sort_by_key(|piece| piece.start);
        let apart = pieces.windows(2).all(|pair| pair[0].start + pair[0].len <= pair[1].start);
        if pieces.len() > 1 && apart {
            let shape = tape.shape(terms[0])?;
            terms.retain(|&term| !matches!(piece(tape, term), Ok(Some(piece)) if piece.axis == axis));
            terms.insert(0, joined(tape, &pieces, &shape)?);
        }
    }
    let (&first, others) = terms.split_first().context("a sum of nothing")?;
    others.iter().try_fold(first, |sum, &term| tape.binary(math::add(), sum, term))
}

fn piece(tape: &Tape, outlet: OutletId) -> TractResult<Option<Piece>> {
    let node = tape.model.node(outlet.node);
    let Some(Pad { pads, mode: PadMode::Constant(fill) }) = node.op_as::<Pad>() else { return Ok(None) };
    let mut padded = (0..pads.len()).filter(|&axis| pads[axis] != (0, 0));
    let (Some(axis), None) = (padded.next(), padded.next()) else { return Ok(None) };
    let inside = node.inputs[0];
    let zero = fill.cast_to_scalar::<f32>()? == 0.0;
    Ok(zero.then_some(Piece { axis, start: pads[axis].0, len: tape.shape(inside)?[axis], inside }))
}

/// Pieces in ascending order, with zeros where there is none.
fn joined(tape: &mut Tape, pieces: &[Piece], shape: &[usize]) -> TractResult<OutletId> {
    let axis = pieces[0].axis;
    let mut parts = Vec::new();
    let mut at = 0;
    let zeros = |tape: &mut Tape, len: usize| -> TractResult<Option<OutletId>> {
        let mut gap = shape.to_vec();
        gap[axis] = len;
        (len > 0).then(|| tape.constant(Tensor::zero::<f32>(&gap)?)).transpose()
    };
    for piece in pieces {
        parts.extend(zeros(tape, piece.start - at)?);
        parts.push(piece.inside);
        at = piece.start + piece.len;
    }
    parts.extend(zeros(tape, shape[axis] - at)?);
    tape.wire(TypedConcat { axis }, &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check::{agrees, model, noise};
    use crate::graph::differentiate;
    use crate::tract::op::{Gather, Slice};

    /// The sum of the k-th powers of stretches `start..end` of axis 1, k = 2, 3, ...
    fn powers(stretches: &[(usize, usize)]) -> (TypedModel, impl Fn(&[Vec<f64>]) -> Vec<f64> + '_) {
        let model = model(&[noise(1, &[2, 6, 3])], |model, x| {
            let mut outputs = tvec!();
            for (k, &(start, end)) in stretches.iter().enumerate() {
                let slice = model.wire_node(format!("slice.{k}"), Slice::new(1, start, end), x)?[0];
                let mut power = slice;
                for factor in 0..=k {
                    let name = format!("power.{k}.{factor}");
                    power = model.wire_node(name, math::mul(), &[power, slice])?[0];
                }
                outputs.push(power);
            }
            Ok(outputs)
        });
        let reference = move |x: &[Vec<f64>]| {
            let stretch = |&(start, end): &(usize, usize)| {
                (0..2).flat_map(move |n| {
                    (start..end).flat_map(move |c| (0..3).map(move |i| (n * 6 + c) * 3 + i))
                })
            };
            let powers = stretches.iter().zip(2..);
            powers
                .flat_map(|(at, k)| stretch(at).map(|place| x[0][place].powi(k)).collect::<Vec<_>>())
                .collect()
        };
        (model, reference)
    }

    fn count<O: Op>(model: &TypedModel) -> usize {
        model.nodes.iter().filter(|node| node.op_is::<O>()).count()
    }

    #[test]
    fn pieces_that_do_not_overlap_are_joined() {
        for (stretches, padded) in [
            (&[(0, 2), (2, 4), (4, 6)][..], 0),
            (&[(4, 6), (1, 2)], 0),
            (&[(0, 3), (2, 6)], 2),
            (&[(1, 3)], 1),
        ] {
            let (model, reference) = powers(stretches);
            let backward = differentiate(model.clone(), &[0]).unwrap().backward;
            assert_eq!(count::<Pad>(&backward), padded, "{stretches:?}");
            assert_eq!(count::<TypedConcat>(&backward), usize::from(padded == 0), "{stretches:?}");
            agrees(&format!("{stretches:?}"), &model, &[noise(1, &[2, 6, 3])], &[0], reference);
        }
    }

    #[test]
    fn single_indices_are_pieces() {
        let x = noise(1, &[3, 4]);
        let model = model(std::slice::from_ref(&x), |model, x| {
            let mut outputs = tvec!();
            for index in 0..3i64 {
                let at = model.add_const(format!("at.{index}"), tensor0(index))?;
                outputs.push(model.wire_node(format!("y.{index}"), Gather::new(0), &[x[0], at])?[0]);
            }
            Ok(outputs)
        });
        let backward = differentiate(model.clone(), &[0]).unwrap().backward;
        assert_eq!((count::<Pad>(&backward), count::<TypedConcat>(&backward)), (0, 1));
        agrees("rows", &model, &[x], &[0], |x| x[0].clone());
    }
}
