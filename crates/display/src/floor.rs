//! The lower envelope of a course of numbers, in constant time and memory.

/// Numbers of which one minimum is taken.
const BLOCK: u32 = 64;

/// Minima whose median is the envelope: one number that is too early does not move it.
const BLOCKS: usize = 8;

/// The median of the minima of the newest blocks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Floor {
    lowest: f64,
    minima: [f64; BLOCKS],
    filled: usize,
    next: usize,
    minimum: f64,
    taken: u32,
}

impl Floor {
    /// It is believed to lie there until a block is full.
    pub(crate) fn new(lowest: f64) -> Self {
        Self { lowest, minima: [0.0; BLOCKS], filled: 0, next: 0, minimum: f64::INFINITY, taken: 0 }
    }

    pub(crate) fn lowest_ns(&self) -> f64 {
        self.lowest
    }

    pub(crate) fn take(&mut self, value: f64) {
        self.minimum = self.minimum.min(value);
        self.taken += 1;
        if self.taken < BLOCK {
            return;
        }
        self.minima[self.next] = self.minimum;
        self.next = (self.next + 1) % BLOCKS;
        self.filled = (self.filled + 1).min(BLOCKS);
        (self.minimum, self.taken) = (f64::INFINITY, 0);
        let mut sorted = self.minima;
        let sorted = &mut sorted[..self.filled];
        sorted.sort_unstable_by(f64::total_cmp);
        self.lowest = (sorted[(self.filled - 1) / 2] + sorted[self.filled / 2]) / 2.0;
    }
}
