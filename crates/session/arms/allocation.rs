//! Permuted blocks from a trial's key: no central state, and the same arm for the same number, for ever.

use protocol::Arms;
use random::Random;

use super::key::TrialKey;
use crate::error::SessionError;

/// The most participants of one trial; an allocation walks through all before.
const MOST: u32 = 1_000_000;

/// Index of the arm of participant `number`, from 1.
///
/// # Errors
/// A number that no trial has.
pub fn allocate(arms: &Arms, key: &TrialKey, number: u32) -> Result<usize, SessionError> {
    if !(1..=MOST).contains(&number) {
        return Err(SessionError::Usage(format!("--number {number}: 1 to {MOST} is allowed")));
    }
    let mut random = Random::new(key.seed("allocation"), 0);
    let mut left = number as usize - 1;
    loop {
        let size = arms.block_sizes[below(&mut random, arms.block_sizes.len())];
        let mut block = permuted(arms, size, &mut random);
        if left < block.len() {
            return Ok(block.swap_remove(left));
        }
        left -= block.len();
    }
}

/// One block: each arm as often as its ratio says, in an order of which all are equally likely (Fisher and Yates).
fn permuted(arms: &Arms, size: u32, random: &mut Random) -> Vec<usize> {
    let times = size / arms.parts();
    let mut block: Vec<usize> = Vec::with_capacity(size as usize);
    for (index, arm) in arms.arms.iter().enumerate() {
        block.extend(std::iter::repeat_n(index, (times * arm.ratio) as usize));
    }
    for last in (1..block.len()).rev() {
        block.swap(last, below(random, last + 1));
    }
    block
}

/// Uniform on 0..n; what 53 bits leave unequal is below 1e-12 for a block.
fn below(random: &mut Random, n: usize) -> usize {
    ((random.uniform() * n as f64) as usize).min(n.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Arm, ArmKind};

    fn arms(block_sizes: Vec<u32>, ratios: &[u32]) -> Arms {
        let kinds = [ArmKind::Active, ArmKind::Sham, ArmKind::Yoked];
        let arm = |(at, &ratio): (usize, &u32)| Arm { name: format!("arm {at}"), ratio, kind: kinds[at] };
        Arms { block_sizes, arms: ratios.iter().enumerate().map(arm).collect() }
    }

    fn key(byte: u8) -> TrialKey {
        TrialKey::new("t", [byte; 32])
    }

    #[test]
    fn every_block_is_balanced_and_every_number_repeats() {
        let arms = arms(vec![6], &[2, 1]);
        let all: Vec<usize> = (1..=600).map(|number| allocate(&arms, &key(3), number).unwrap()).collect();
        for block in all.chunks(6) {
            assert_eq!(block.iter().filter(|arm| **arm == 0).count(), 4);
        }
        let again: Vec<usize> =
            (1..=600).rev().map(|number| allocate(&arms, &key(3), number).unwrap()).collect();
        assert!(
            all.iter().eq(again.iter().rev()),
            "the order in which numbers are asked for does not matter"
        );
        let other: Vec<usize> = (1..=600).map(|number| allocate(&arms, &key(4), number).unwrap()).collect();
        assert_ne!(all, other);
        assert!(allocate(&arms, &key(3), 0).is_err());
    }

    /// Sizes that are drawn: nobody is sure of the last of a block, and the balance holds over the trial.
    #[test]
    fn drawn_sizes_leave_the_next_arm_open_and_the_trial_balanced() {
        let arms = arms(vec![3, 6], &[1, 1, 1]);
        let all: Vec<usize> = (1..=3000).map(|number| allocate(&arms, &key(9), number).unwrap()).collect();
        for arm in 0..3 {
            let count = all.iter().filter(|found| **found == arm).count();
            assert!((998..=1002).contains(&count), "{count}");
        }
        let thirds = all.chunks(3).filter(|block| block.iter().sum::<usize>() != 3).count();
        assert!(thirds > 100, "blocks of 6 are among them: {thirds}");
    }

    /// All orders of a block come equally often: chi-square over the 6 orders of 2 + 2, 5 degrees of freedom.
    #[test]
    fn all_orders_of_a_block_are_equally_likely() {
        let arms = arms(vec![4], &[1, 1]);
        let mut counts = std::collections::BTreeMap::<Vec<usize>, f64>::new();
        for byte in 0..=255 {
            for block in 0..10 {
                let order = (1..=4).map(|at| allocate(&arms, &key(byte), 4 * block + at).unwrap()).collect();
                *counts.entry(order).or_default() += 1.0;
            }
        }
        let expected = 2560.0 / 6.0;
        let chi: f64 = counts.values().map(|count| (count - expected).powi(2) / expected).sum();
        assert!(counts.len() == 6 && chi < 20.5, "p = 0.001 at 20.5: {chi:.1}, {counts:?}");
    }

    /// A trial that has begun must go on as it was planned in every later version.
    #[test]
    fn the_list_of_a_key_is_the_same_for_ever() {
        let arms = arms(vec![4, 8], &[1, 1]);
        let list: Vec<usize> = (1..=24).map(|number| allocate(&arms, &key(1), number).unwrap()).collect();
        // Computed by a program of its own, in Python, from the definitions of SHA-256 and xoshiro256++.
        assert_eq!(list, [0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0]);
    }
}
