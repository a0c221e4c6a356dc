//! Golay complementary pairs (Golay 1961, IRE Trans. Inf. Theory 7, 82).

use super::{CodeError, MAX_ORDER};

/// Two sequences of `length` bits whose aperiodic autocorrelations (bits as +1 and -1) add to 2 `length` at shift 0 and
/// to 0 at every other shift. Each doubling appends the second sequence to the first, as it is and inverted.
///
/// # Errors
/// When the length is no power of two in 2..=65536.
pub fn golay_pair(length: usize) -> Result<[Vec<bool>; 2], CodeError> {
    let longest = 1 << MAX_ORDER;
    if !length.is_power_of_two() || !(2..=longest).contains(&length) {
        let longer = length.clamp(2, longest).next_power_of_two();
        let shorter = if length > longest { longest } else { longer / 2 };
        return Err(CodeError::Length {
            family: "Golay pair",
            length,
            allowed: "the powers of two from 2 to 65536",
            shorter: (length > 2).then_some(shorter),
            longer: (length < longest).then_some(longer),
        });
    }
    let mut pair = [vec![true], vec![true]];
    while pair[0].len() < length {
        let [first, second] = pair;
        let inverted = second.iter().map(|bit| !bit);
        let minus = first.iter().copied().chain(inverted).collect();
        let plus = [first, second].concat();
        pair = [plus, minus];
    }
    Ok(pair)
}
