//! Maximum length sequences (Golomb 1967, Shift Register Sequences).

use super::{CodeError, MAX_ORDER};

/// A primitive polynomial 1 + x^a + x^b + ... for each order from 2, as the delays a, b, ... of its feedback. Trinomials
/// where there are any.
const TAPS: [&[u32]; 15] = [
    &[1, 2],
    &[1, 3],
    &[1, 4],
    &[2, 5],
    &[1, 6],
    &[1, 7],
    &[2, 3, 4, 8],
    &[4, 9],
    &[3, 10],
    &[2, 11],
    &[1, 4, 6, 12],
    &[1, 3, 4, 13],
    &[1, 3, 5, 14],
    &[1, 15],
    &[1, 3, 12, 16],
];

/// The feedback that [`m_sequence`] takes for an order where none is given.
///
/// # Errors
/// For an order outside 2..=16.
pub fn default_taps(order: u32) -> Result<&'static [u32], CodeError> {
    let order_error = CodeError::Order { family: "m-sequence", order, allowed: "2 to 16" };
    order.checked_sub(2).and_then(|index| TAPS.get(index as usize)).copied().ok_or(order_error)
}

/// The m-sequence of an order: 2^order - 1 bits, in which each bit is the exclusive or of the bits that came `taps` bits
/// before. Taps are the exponents of a primitive polynomial: 1 + x + x^6 is `[1, 6]`.
///
/// The seed is what came before the first bit: its bit 0 (the least) came last, its bit `order - 1` first. Without one,
/// all are 1.
///
/// # Errors
/// When the order is outside 2..=16, the taps are no ascending delays that end with the order or their polynomial is not
/// primitive, or the seed is 0 or has more bits than the order.
pub fn m_sequence(order: u32, taps: Option<&[u32]>, seed: Option<u32>) -> Result<Vec<bool>, CodeError> {
    let taps = match taps {
        Some(taps) => checked(taps, order)?,
        None => default_taps(order)?,
    };
    let ones = (1_u32 << order) - 1;
    let seed = seed.unwrap_or(ones);
    if seed == 0 || seed > ones {
        return Err(CodeError::Seed { seed, order });
    }
    let feedback = taps.iter().fold(0_u32, |mask, delay| mask | 1 << (delay - 1));
    let mut bits = Vec::with_capacity(ones as usize);
    let mut register = seed;
    while bits.len() < ones as usize {
        let bit = (register & feedback).count_ones() & 1;
        register = (register << 1 | bit) & ones;
        bits.push(bit == 1);
        // The register runs through a cycle because the last tap makes its step one that can be undone.
        if register == seed && bits.len() < ones as usize {
            let period = bits.len() as u32;
            return Err(CodeError::NotPrimitive { taps: taps.to_vec(), order, period, needed: ones });
        }
    }
    Ok(bits)
}

fn checked(taps: &[u32], order: u32) -> Result<&[u32], CodeError> {
    default_taps(order)?;
    debug_assert!(order <= MAX_ORDER);
    let ascending = taps.windows(2).all(|pair| pair[0] < pair[1]);
    if ascending && taps.first().is_some_and(|first| *first >= 1) && taps.last() == Some(&order) {
        Ok(taps)
    } else {
        Err(CodeError::Taps { taps: taps.to_vec(), order })
    }
}
