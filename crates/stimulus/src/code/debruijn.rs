//! De Bruijn sequences: every word of n bits exactly once (de Bruijn 1946, Proc. Kon. Ned. Akad. Wet. 49, 758).

use super::{CodeError, MAX_ORDER};

/// The binary de Bruijn sequence of an order that comes first in the alphabet: 2^order bits, in which every word of
/// `order` bits occurs once (the end continued by the beginning). It is made of the Lyndon words whose length divides
/// the order, in their own order (Fredricksen and Maiorana 1978, Discrete Math. 23, 207).
///
/// # Errors
/// For an order outside 1..=16.
pub fn de_bruijn(order: u32) -> Result<Vec<bool>, CodeError> {
    if !(1..=MAX_ORDER).contains(&order) {
        return Err(CodeError::Order { family: "de Bruijn sequence", order, allowed: "1 to 16" });
    }
    let order = order as usize;
    let mut bits = Vec::with_capacity(1 << order);
    let mut word = vec![false];
    while !word.is_empty() {
        if order.is_multiple_of(word.len()) {
            bits.extend_from_slice(&word);
        }
        next_lyndon_word(&mut word, order);
    }
    Ok(bits)
}

/// The Lyndon word after this one among those of at most `longest` bits; empty after the last (Duval 1988, Theor.
/// Comput. Sci. 60, 255): repeat the word to the full length, cut the ones off its end, raise the last bit.
fn next_lyndon_word(word: &mut Vec<bool>, longest: usize) {
    let period = word.len();
    for place in period..longest {
        word.push(word[place - period]);
    }
    while word.last() == Some(&true) {
        word.pop();
    }
    if let Some(last) = word.last_mut() {
        *last = true;
    }
}
