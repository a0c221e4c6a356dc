//! Going on with an interrupted session: what is left of its schedule, in a new folder. What ran comes from the old folder's
//! copies, its seed and its number, so the order is the same; the manifest says what is left out, so a replay needs no other
//! folder.

use std::collections::BTreeSet;

use closedloop::{BlockKind, SetPointPlan};
use recording::{Manifest, RecordedSession};
use serde::{Deserialize, Serialize};
use timeline::{AttemptOutcome, NoticeKind};

use crate::error::SessionError;
use crate::experiment::Lowered;

/// The manifest's key of what a session continues.
pub const CONTINUES_KEY: &str = "continues";

/// What an earlier run has done already.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Continues {
    /// Its folder's name.
    pub session: String,
    /// Blocks that came to their end, by their place in the schedule.
    pub blocks_done: BTreeSet<usize>,
    /// The block in which it stopped, if it stopped in one.
    pub block: Option<usize>,
    /// Trials of that block that need not be attempted again, by their place in its order.
    pub trials_done: BTreeSet<u64>,
}

impl Continues {
    /// What is left of a session; what it itself continued counts too.
    pub fn of(session: &RecordedSession) -> Self {
        let before = entry_of(&session.meta).unwrap_or_default();
        let mut blocks_done = before.blocks_done;
        let mut block = None;
        for notice in &session.notices {
            let Ok(place) = usize::try_from(notice.count) else { continue };
            match notice.kind {
                NoticeKind::BlockBegin => block = Some(place),
                NoticeKind::BlockEnd => {
                    blocks_done.insert(place);
                    block = block.filter(|running| *running != place);
                }
                _ => {}
            }
        }
        // It stopped before it came to where the one before had stopped.
        let block = block.filter(|place| !blocks_done.contains(place)).or(before.block);
        let block = block.filter(|place| !blocks_done.contains(place));
        let mut trials_done = if before.block == block { before.trials_done } else { BTreeSet::new() };
        let is_over = |outcome| !matches!(outcome, AttemptOutcome::Cut | AttemptOutcome::Interrupted);
        for attempt in &session.attempts {
            let is_here = block.is_some_and(|block| attempt.block == block as u64);
            if is_here && attempt.condition.is_some() && !attempt.again && is_over(attempt.outcome) {
                trials_done.insert(attempt.trial);
            }
        }
        Self { session: session.folder.stem().to_owned(), blocks_done, block, trials_done }
    }

    /// Takes what is done from the plan. Calibrations, and rests and baselines that later blocks rely on, run again.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn apply(&self, lowered: &mut Lowered) -> Result<(), SessionError> {
        let plan = &mut lowered.plan;
        let is_done = |place: usize| self.blocks_done.contains(&place);
        if (0..plan.blocks.len()).all(is_done) {
            let text = format!("--resume {}: it ran to its end, nothing is left", self.session);
            return Err(SessionError::Usage(text));
        }
        let baselines: BTreeSet<usize> = plan
            .blocks
            .iter()
            .enumerate()
            .filter(|(place, _)| !is_done(*place))
            .filter_map(|(_, block)| match block.kind {
                BlockKind::Hold { set_point: SetPointPlan::Scored(scored), .. } => {
                    Some(usize::from(scored.baseline))
                }
                _ => None,
            })
            .collect();
        let learns_at_rest = plan.onset.is_some();
        let is_needed = |place: usize, kind: &BlockKind| match kind {
            BlockKind::Calibrate { .. } => true,
            BlockKind::Rest if learns_at_rest => true,
            _ => baselines.contains(&place),
        };
        plan.flow.done = plan
            .blocks
            .iter()
            .enumerate()
            .map(|(place, block)| is_done(place) && !is_needed(place, &block.kind))
            .collect();
        let task = self.block.and_then(|place| match &plan.blocks.get(place)?.kind {
            BlockKind::Task(task) => Some(task.table),
            _ => None,
        });
        if let Some(table) = task.and_then(|table| plan.flow.tables.get_mut(table)) {
            table.trials.retain(|trial| !self.trials_done.contains(&trial.number));
        }
        Ok(())
    }
}

/// What a session continues, if it does.
pub fn entry_of(meta: &Manifest) -> Option<Continues> {
    serde_json::from_value(meta.extra.get(CONTINUES_KEY)?.clone()).ok()
}
