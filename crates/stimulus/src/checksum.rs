//! What a frame is known by: 16 bytes that no other frame is likely to share.
//!
//! Four sums over all pixels of a hash of the pixel's codes and place. A sum does not depend on the order of its terms, so a GPU
//! may add them as it likes. It finds mistakes, not forgeries. Twin of `shaders/checksum.wgsl`.

use std::fmt;

use crate::hash::{hash, mix};

/// The checksum of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checksum(pub [u32; 4]);

impl Checksum {
    /// Of the codes of all pixels, row-major.
    pub fn of(codes: impl IntoIterator<Item = [u32; 3]>) -> Self {
        let mut sums = [0_u32; 4];
        for (place, [r, g, b]) in (0_u32..).zip(codes) {
            let first = hash(place, r, g, b);
            let second = mix(first ^ SALTS[0]);
            let words = [first, second, mix(first ^ SALTS[1]), mix(second ^ SALTS[2])];
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum = sum.wrapping_add(word);
            }
        }
        Self(sums)
    }

    /// As two columns of a record.
    pub fn halves(&self) -> [u64; 2] {
        let half = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        [half(self.0[0], self.0[1]), half(self.0[2], self.0[3])]
    }

    /// From two columns of a record.
    pub fn from_halves(halves: [u64; 2]) -> Self {
        let [first, second] = halves.map(|half| [half as u32, (half >> 32) as u32]);
        Self([first[0], first[1], second[0], second[1]])
    }
}

/// So that the four sums have nothing to do with each other.
const SALTS: [u32; 3] = [0x2545_f491, 0x9e6c_63d1, 0x85eb_ca77];

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:08x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_or_two_that_change_places_are_found() {
        let frame: Vec<[u32; 3]> = (0..5000).map(|i| [i % 256, (i * 7) % 256, (i * 13) % 256]).collect();
        let sum = Checksum::of(frame.iter().copied());
        assert_eq!(Checksum::from_halves(sum.halves()), sum);
        for place in [0, 1, 4999] {
            let mut other = frame.clone();
            other[place][1] ^= 1;
            assert_ne!(Checksum::of(other), sum);
        }
        let mut swapped = frame.clone();
        swapped.swap(10, 11);
        let swapped = Checksum::of(swapped);
        assert!(swapped.0.iter().zip(sum.0).all(|(one, other)| *one != other));
        assert_eq!(sum.to_string().len(), 32);
    }
}
