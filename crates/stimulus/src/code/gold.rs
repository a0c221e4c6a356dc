//! Gold codes: a set of 2^n + 1 sequences any two of which correlate little at any shift (Gold 1967, IEEE Trans. Inf.
//! Theory 13, 619).

use super::{CodeError, m_sequence, shifted};

/// The whole set of an order: the two m-sequences of a preferred pair, and the first xor the second at each shift.
///
/// Periodic correlations of two codes, and of one with itself at other shifts, take three values only: -1, -1 - t and
/// t - 1 with t = 2^((n + 1) / 2) for odd n and 2^((n + 2) / 2) for even n. No preferred pair exists for an n that is a
/// multiple of 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldSet {
    order: u32,
    pair: [Vec<bool>; 2],
}

impl GoldSet {
    /// The set of an order. The second sequence of the pair is every q-th bit of the first, with q = 3 for odd orders
    /// and 5 for even ones (2^k + 1 with order / gcd(k, order) odd), begun after its run of ones, as a register full of
    /// ones would. For order 6 these are the polynomials 1 + x + x^6 and 1 + x + x^2 + x^5 + x^6.
    ///
    /// # Errors
    /// For an order outside 3..=15 or one that is a multiple of 4.
    pub fn new(order: u32) -> Result<Self, CodeError> {
        if !(3..=15).contains(&order) || order.is_multiple_of(4) {
            let allowed = "3, 5, 6, 7, 9, 10, 11, 13, 14 and 15 (a multiple of 4 has no preferred pair)";
            return Err(CodeError::Order { family: "Gold code", order, allowed });
        }
        let first = m_sequence(order, None, None)?;
        let step = if order.is_multiple_of(2) { 5 } else { 3 };
        let every: Vec<bool> = (0..first.len()).map(|index| first[index * step % first.len()]).collect();
        let second = after_the_ones(every, order as usize);
        Ok(Self { order, pair: [first, second] })
    }

    /// How many codes there are: 2^order + 1.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.pair[0].len() + 2
    }

    /// A code, 2^order - 1 bits: 0 to len - 3 are the first sequence xor the second, which comes `index` bits earlier;
    /// the last two are the sequences of the pair themselves.
    ///
    /// # Errors
    /// When there is no such code.
    pub fn code(&self, index: usize) -> Result<Vec<bool>, CodeError> {
        let [first, second] = &self.pair;
        let length = first.len();
        if index >= self.len() {
            return Err(CodeError::GoldIndex { index, order: self.order, last: self.len() - 1 });
        }
        if index >= length {
            return Ok(self.pair[index - length].clone());
        }
        let earlier = shifted(second, length - index);
        Ok(first.iter().zip(earlier).map(|(one, other)| one ^ other).collect())
    }
}

/// Turns an m-sequence so that it begins after its only run of `order` ones.
fn after_the_ones(bits: Vec<bool>, order: usize) -> Vec<bool> {
    let length = bits.len();
    let run = |start: &usize| (0..order).all(|step| bits[(start + step) % length]);
    let start = (0..length).find(run).unwrap_or(0);
    shifted(&bits, 2 * length - start - order)
}
