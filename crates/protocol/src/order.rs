//! Orders of trials and of blocks: from the seed and the participant's number, the same in every version.

use thiserror::Error;

use crate::error::ProtocolError;
use crate::reader::Table;
use crate::schedule::SplitMix64;

/// Attempts at an order that gets stuck between two rounds.
const ATTEMPTS: usize = 1_000;

/// Most trials of a task.
const MOST_TRIALS: usize = 100_000;

/// How the conditions of a task follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskOrder {
    /// By which rule.
    pub rule: OrderRule,
    /// How often each condition comes.
    pub repetitions: u32,
    /// The most trials of one condition in a row; `None` for any number.
    pub most_in_a_row: Option<u32>,
}

/// By which rule conditions follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRule {
    /// `"fixed"`: as they stand in the file, again and again.
    Fixed,
    /// `"random"`: all trials in one random order.
    Random,
    /// `"rounds"`: each round has every condition once, in a random order.
    Rounds,
    /// `"williams"`: each round is the participant's row of a Williams design.
    Williams,
}

/// Why there is no such order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OrderError {
    /// More trials than a task may have.
    #[error("{found} trials, at most {MOST_TRIALS} are allowed")]
    Trials {
        /// How many.
        found: usize,
    },
    /// The constraint cannot be kept.
    #[error(
        "no order of {conditions} conditions, {repetitions} times each, has at most {most} of one in a row under this rule"
    )]
    Constraint {
        /// Conditions.
        conditions: usize,
        /// How often each comes.
        repetitions: u32,
        /// The most in a row.
        most: u32,
    },
}

impl TaskOrder {
    pub(crate) fn read(task: &Table<'_>) -> Result<Self, ProtocolError> {
        let rules = [
            ("fixed", OrderRule::Fixed),
            ("random", OrderRule::Random),
            ("rounds", OrderRule::Rounds),
            ("williams", OrderRule::Williams),
        ];
        let most = |table: &Table<'_>, key: &str| Ok(table.integer(key, 1..=1_000)? as u32);
        Ok(Self {
            rule: task.choice("order", &rules)?,
            repetitions: task.integer("repetitions", 1..=100_000)? as u32,
            most_in_a_row: task.optional("most_in_a_row", most)?,
        })
    }

    /// Whether there is such an order, whatever the seed.
    pub(crate) fn check(&self, conditions: usize) -> Result<(), OrderError> {
        let found = conditions.saturating_mul(self.repetitions as usize);
        if found > MOST_TRIALS {
            return Err(OrderError::Trials { found });
        }
        self.draw(conditions, 1, 1).map(|_| ())
    }

    /// The conditions of all trials in their order. `number` is the participant's, from 1.
    ///
    /// # Errors
    /// When no order keeps the constraint.
    pub fn draw(&self, conditions: usize, seed: u64, number: u32) -> Result<Vec<usize>, OrderError> {
        let repetitions = self.repetitions as usize;
        let stuck = OrderError::Constraint {
            conditions,
            repetitions: self.repetitions,
            most: self.most_in_a_row.unwrap_or(u32::MAX),
        };
        let most = self.most_in_a_row.map_or(usize::MAX, |most| most as usize);
        let mut random = SplitMix64::new(seed);
        let repeated = |row: Vec<usize>| -> Vec<usize> {
            row.iter().copied().cycle().take(conditions * repetitions).collect()
        };
        let order = match self.rule {
            OrderRule::Fixed => Some(repeated((0..conditions).collect())),
            OrderRule::Williams => {
                let rows = williams(conditions);
                Some(repeated(rows[(number.max(1) as usize - 1) % rows.len()].clone()))
            }
            OrderRule::Random => rounds(&[vec![repetitions; conditions]], most, &mut random),
            OrderRule::Rounds => {
                let all = vec![vec![1; conditions]; repetitions];
                (0..ATTEMPTS).find_map(|_| rounds(&all, most, &mut random))
            }
        };
        order.filter(|order| longest_run(order) <= most).ok_or(stuck)
    }
}

/// Draws trial by trial among those that are left, each as likely, but only what leaves an order for the rest: `left` of a
/// condition and `others` of all others fit when `left <= most * (others + 1)`, less what is in a row already.
fn rounds(rounds: &[Vec<usize>], most: usize, random: &mut SplitMix64) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = Vec::new();
    let (mut last, mut run) = (usize::MAX, 0);
    for round in rounds {
        let mut left = round.clone();
        let mut total: usize = left.iter().sum();
        while total > 0 {
            let allowed: Vec<usize> = (0..left.len())
                .filter(|&next| {
                    let run = if next == last { run + 1 } else { 1 };
                    let is_free = most == usize::MAX;
                    left[next] > 0 && (is_free || (run <= most && fits(&left, total, next, run, most)))
                })
                .collect();
            let weight: usize = allowed.iter().map(|&condition| left[condition]).sum();
            let mut draw = random.below(weight as u64) as usize;
            let next = allowed.into_iter().find(|&condition| {
                let hit = draw < left[condition];
                draw = draw.saturating_sub(left[condition]);
                hit
            })?;
            run = if next == last { run + 1 } else { 1 };
            last = next;
            left[next] -= 1;
            total -= 1;
            order.push(next);
        }
    }
    Some(order)
}

/// Whether an order is left after `next`, which is then `run` times in a row.
fn fits(left: &[usize], total: usize, next: usize, run: usize, most: usize) -> bool {
    left.iter().enumerate().all(|(condition, &count)| {
        let count = count - usize::from(condition == next);
        let others = total - 1 - count;
        let first = if condition == next { most.saturating_sub(run) } else { most };
        count <= first.saturating_add(most.saturating_mul(others))
    })
}

fn longest_run(order: &[usize]) -> usize {
    order.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap_or(0)
}

/// The rows of a Williams design: every condition stands once at every place and, over all rows, follows every other one
/// equally often (Williams 1949, Aust J Sci Res A 2, 149-168). As many rows as conditions where their number is even, else
/// twice as many.
pub fn williams(conditions: usize) -> Vec<Vec<usize>> {
    let n = conditions.max(1);
    // 0, 1, n-1, 2, n-2 ...: the steps between neighbours are all different.
    let first: Vec<usize> =
        (0..n).map(|place| if place % 2 == 1 { place.div_ceil(2) } else { (n - place / 2) % n }).collect();
    let row = |by: usize| -> Vec<usize> { first.iter().map(|condition| (condition + by) % n).collect() };
    let mut rows: Vec<Vec<usize>> = (0..n).map(row).collect();
    if n % 2 == 1 && n > 1 {
        let mirrored: Vec<Vec<usize>> = rows.iter().map(|row| row.iter().rev().copied().collect()).collect();
        rows.extend(mirrored);
    }
    rows
}

/// A generator for one purpose of a session: the place keeps blocks apart, the number people.
pub fn stream(seed: u64, number: u32, place: usize, purpose: u64) -> SplitMix64 {
    let mut mixed = SplitMix64::new(seed);
    for part in [u64::from(number), place as u64, purpose] {
        let word = mixed.next_u64();
        mixed = SplitMix64::new(word ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    mixed
}
