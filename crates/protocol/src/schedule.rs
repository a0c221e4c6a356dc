//! The order in which the blocks run, settled by the seed.

use crate::experiment::{Block, BlockKind, Order, Protocol};

/// The blocks in the order in which they run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The seed that settled the order.
    pub seed: u64,
    /// The blocks, each beginning where the one before ends; the first begins at 0.
    pub blocks: Vec<ScheduledBlock>,
}

/// A block and its place in time.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledBlock {
    /// Index into [`Protocol::blocks`].
    pub index: usize,
    /// The block itself.
    pub block: Block,
    /// When it begins, in s from the begin of the run.
    pub start_s: f64,
    /// When it ends at the latest, in s from the begin of the run.
    pub end_s: f64,
}

impl Schedule {
    /// Length of the whole schedule in s.
    pub fn duration_s(&self) -> f64 {
        self.blocks.last().map_or(0.0, |b| b.end_s)
    }
}

impl Protocol {
    /// Whether an order depends on the participant's number.
    pub fn is_by_number(&self) -> bool {
        self.order == Order::Counterbalanced
            || self.blocks.iter().any(|block| matches!(block.kind, BlockKind::Task(_)))
    }

    /// The blocks in the order of the seed: the same protocol and seed give the same schedule in every version.
    ///
    /// Where the order is [`Order::Shuffled`], the blocks that carry `shuffle = true` are permuted among their own
    /// places by the Fisher-Yates shuffle (Durstenfeld 1964, CACM 7, 420) on [`SplitMix64`]; the others stay.
    pub fn schedule(&self, seed: u64) -> Schedule {
        self.schedule_of(seed, None)
    }

    /// The same for the participant of a number, from 1; without one, for the first. Where the order is
    /// [`Order::Counterbalanced`], the blocks with `shuffle = true` stand among their own places as that participant's row of
    /// a Williams design says ([`crate::williams`]).
    pub fn schedule_of(&self, seed: u64, number: Option<u32>) -> Schedule {
        let mut order: Vec<usize> = (0..self.blocks.len()).collect();
        if self.order == Order::Shuffled {
            let places: Vec<usize> = order.iter().copied().filter(|&i| self.blocks[i].shuffle).collect();
            let mut random = SplitMix64::new(seed);
            for last in (1..places.len()).rev() {
                let other = random.below(last as u64 + 1) as usize;
                order.swap(places[last], places[other]);
            }
        }
        if self.order == Order::Counterbalanced {
            let places: Vec<usize> = order.iter().copied().filter(|&i| self.blocks[i].shuffle).collect();
            let rows = crate::williams(places.len());
            let row = &rows[(number.unwrap_or(1).max(1) as usize - 1) % rows.len()];
            places.iter().zip(row).for_each(|(&place, &other)| order[place] = places[other]);
        }
        let mut start_s = 0.0;
        let mut blocks = Vec::with_capacity(order.len());
        for index in order {
            let block = self.blocks[index].clone();
            let end_s = start_s + block.duration_s;
            blocks.push(ScheduledBlock { index, block, start_s, end_s });
            start_s = end_s;
        }
        Schedule { seed, blocks }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, 453): small, and written out here because a schedule must not
/// change with the version of a dependency.
#[derive(Debug, Clone)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// A generator that begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, each equally likely; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Draws from the incomplete last stretch of the 64-bit range would favour small numbers.
        let whole = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.next_u64();
            if draw < whole {
                return draw % bound;
            }
        }
    }
}
