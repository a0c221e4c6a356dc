//! Almost perfect autocorrelation sequences (Wolfmann 1992, IEEE Trans. Inf. Theory 38, 1412).

use super::CodeError;

const LONGEST: usize = 1 << 16;

/// A sequence of `length` bits whose periodic autocorrelation (bits as +1 and -1) is 0 at every shift but 0, where it is
/// `length`, and `length / 2`, where it is 4 - `length`.
///
/// Made for the lengths 2 (p + 1) of odd primes p (Pott and Bradley 1995, IEEE Trans. Inf. Theory 41, 301): bit i says
/// whether the trace of g^i from GF(p^2) to GF(p), for a primitive element g, is a square of GF(p). Half a period on the
/// trace is multiplied by a non-square, so that the sequence is inverted; where the trace is 0, both bits are set, which
/// costs the 4.
///
/// # Errors
/// For other lengths, and beyond 65536; the error names the nearest.
pub fn apa(length: usize) -> Result<Vec<bool>, CodeError> {
    if !exists(length) {
        return Err(CodeError::Length {
            family: "APA sequence",
            length,
            allowed: "2 (p + 1) for odd primes p, 8 to 65536",
            shorter: (8..length.min(LONGEST + 1)).rev().find(|length| exists(*length)),
            longer: (length..LONGEST).find(|length| exists(*length)),
        });
    }
    let field = Field::new(length as u64 / 2 - 1);
    let generator = field.primitive();
    let mut power = ONE;
    let bits = (0..length).map(|_| {
        // The trace of a + b x is 2 a.
        let bit = field.is_square(2 * power.0 % field.prime);
        power = field.times(power, generator);
        bit
    });
    Ok(bits.collect())
}

fn exists(length: usize) -> bool {
    length.is_multiple_of(4) && (8..=LONGEST).contains(&length) && is_prime(length as u64 / 2 - 1)
}

fn is_prime(number: u64) -> bool {
    number > 1 && prime_factors(number) == [number]
}

/// The prime factors, each once, ascending.
fn prime_factors(mut number: u64) -> Vec<u64> {
    let mut factors = Vec::new();
    let mut factor = 2;
    while factor * factor <= number {
        if number.is_multiple_of(factor) {
            factors.push(factor);
            while number.is_multiple_of(factor) {
                number /= factor;
            }
        }
        factor += 1;
    }
    if number > 1 {
        factors.push(number);
    }
    factors
}

/// An element a + b x of GF(p^2).
type Element = (u64, u64);

const ONE: Element = (1, 0);

/// GF(p^2) as GF(p) with the root x of a non-square. Primes lie below 2^15, so products fit.
struct Field {
    prime: u64,
    non_square: u64,
}

impl Field {
    fn new(prime: u64) -> Self {
        let field = Self { prime, non_square: 0 };
        let non_square = (2..prime).find(|element| !field.is_square(*element)).unwrap_or(0);
        Self { non_square, ..field }
    }

    /// Whether an element of GF(p) is a square; 0 is one.
    fn is_square(&self, element: u64) -> bool {
        self.power((element, 0), (self.prime - 1) / 2).0 <= 1
    }

    fn times(&self, one: Element, other: Element) -> Element {
        let (a, b) = one;
        let (c, d) = other;
        ((a * c + b * d % self.prime * self.non_square) % self.prime, (a * d + b * c) % self.prime)
    }

    fn power(&self, mut base: Element, mut exponent: u64) -> Element {
        let mut result = ONE;
        while exponent > 0 {
            if exponent % 2 == 1 {
                result = self.times(result, base);
            }
            base = self.times(base, base);
            exponent /= 2;
        }
        result
    }

    /// The first element x + a whose powers are all of the field but 0.
    fn primitive(&self) -> Element {
        let powers = self.prime * self.prime - 1;
        let factors = prime_factors(powers);
        let primitive =
            |element: &Element| factors.iter().all(|factor| self.power(*element, powers / factor) != ONE);
        let candidates = (1..self.prime).flat_map(|b| (0..self.prime).map(move |a| (a, b)));
        candidates.into_iter().find(primitive).unwrap_or(ONE)
    }
}
