//! Seeded cross-validation folds in which all repeats of a stimulus stay together.

use std::collections::BTreeMap;

use random::Random;

use super::ReadoutError;

/// One split of the trials; row numbers ascend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to predict.
    pub test: Vec<usize>,
}

/// Splits trials into `count` folds by stimulus: every trial is tested once, and no stimulus stands on both sides (a
/// repeat of a training stimulus has its features exactly, so a score on it would measure memory, not prediction).
///
/// Stimuli are shuffled by `random` and dealt out, those with most repeats first, each to the fold with fewest trials.
///
/// # Errors
/// [`ReadoutError::Folds`] for fewer than two folds or more folds than stimuli.
pub fn grouped_folds(
    stimuli: &[usize],
    count: usize,
    random: &mut Random,
) -> Result<Vec<Fold>, ReadoutError> {
    let mut rows_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, &stimulus) in stimuli.iter().enumerate() {
        rows_of.entry(stimulus).or_default().push(row);
    }
    if count < 2 || count > rows_of.len() {
        return Err(ReadoutError::Folds { folds: count, stimuli: rows_of.len() });
    }
    let mut groups: Vec<Vec<usize>> = rows_of.into_values().collect();
    for i in (1..groups.len()).rev() {
        groups.swap(i, below(random, i + 1));
    }
    groups.sort_by_key(|rows| std::cmp::Reverse(rows.len()));

    let mut sizes = vec![0; count];
    let mut fold_of = vec![0; stimuli.len()];
    for rows in groups {
        let smallest = (0..count).min_by_key(|&fold| sizes[fold]).unwrap_or(0);
        sizes[smallest] += rows.len();
        for row in rows {
            fold_of[row] = smallest;
        }
    }
    let split = |fold| (0..stimuli.len()).partition(|&row| fold_of[row] != fold);
    Ok((0..count).map(split).map(|(train, test)| Fold { train, test }).collect())
}

/// How many different stimuli these rows have.
pub(super) fn distinct(stimuli: &[usize], rows: &[usize]) -> usize {
    rows.iter().map(|&row| stimuli[row]).collect::<std::collections::BTreeSet<_>>().len()
}

/// Uniform below `n`, by rejection of the uneven rest.
fn below(random: &mut Random, n: usize) -> usize {
    let n = n as u64;
    let limit = u64::MAX - u64::MAX % n;
    loop {
        let word = random.next_u64();
        if word < limit {
            return (word % n) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_trial_is_tested_once_and_no_stimulus_stands_on_both_sides(
            stimuli in proptest::collection::vec(0usize..12, 2..80), count in 2usize..6, seed in 0u64..100,
        ) {
            let all: Vec<usize> = (0..stimuli.len()).collect();
            let Ok(folds) = grouped_folds(&stimuli, count, &mut Random::new(seed, 0)) else {
                prop_assert!(distinct(&stimuli, &all) < count);
                return Ok(());
            };
            prop_assert_eq!(folds.len(), count);
            let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
            tested.sort_unstable();
            prop_assert_eq!(&tested, &all);
            for fold in folds {
                prop_assert!(!fold.test.is_empty());
                prop_assert_eq!(fold.train.len() + fold.test.len(), stimuli.len());
                for &row in &fold.test {
                    prop_assert!(fold.train.iter().all(|&other| stimuli[other] != stimuli[row]));
                }
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let stimuli: Vec<usize> = (0..30).map(|row| row / 2).collect();
        let of = |seed| grouped_folds(&stimuli, 5, &mut Random::new(seed, 0)).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).iter().all(|fold| fold.test.len() == 6));
    }
}
