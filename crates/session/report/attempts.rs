//! The section on what people did: attempts at trials by condition, and how fast they were answered.

use std::collections::BTreeMap;

use protocol::{BlockKind, Reject, Task};
use timeline::{Attempt, AttemptOutcome};

use super::ledger::nearest_rank;
use super::page::{Column, Page};
use super::sections::Facts;
use super::svg::counted;
use crate::experiment::schedule_of;

/// A condition of a block in numbers.
#[derive(Default)]
struct Condition {
    /// Trials in the order of the block; none where the protocol cannot be read.
    planned: Option<u64>,
    /// Trials with an attempt that counts.
    done: u64,
    /// Those of them that were answered rightly.
    correct: u64,
    /// Whether an answer can be right.
    has_right: bool,
    /// Attempts after the first.
    repeated: u64,
    /// Trials whose last attempt was rejected.
    given_up: u64,
    /// Rejected attempts by reason.
    rejected: BTreeMap<&'static str, u64>,
    /// Reaction times of the attempts that count, in ms, ascending.
    reaction_ms: Vec<f64>,
}

impl Facts<'_> {
    /// What became of the trials of each condition, and reaction times.
    pub fn attempts(&self, page: &mut Page) {
        let rows = self.conditions();
        if rows.is_empty() {
            return;
        }
        page.heading("Attempts");
        let columns: [Column; 12] = [
            ("block", false),
            ("condition", false),
            ("planned", true),
            ("done", true),
            ("right", true),
            ("repeated", true),
            ("given up", true),
            ("skipped", true),
            ("rejected", false),
            ("reactions", true),
            ("median (ms)", true),
            ("IQR (ms)", true),
        ];
        let cells: Vec<Vec<String>> = rows.iter().map(|(names, condition)| row(names, condition)).collect();
        page.table(&columns, &cells);
        let prompts = self.session.attempts.iter().filter(|attempt| attempt.condition.is_none());
        let prompts: Vec<&Attempt> = prompts.collect();
        if !prompts.is_empty() {
            let answered = prompts.iter().filter(|prompt| prompt.outcome == AttemptOutcome::Answered).count();
            let all =
                counted(prompts.len(), "instruction, break or rating", "instructions, breaks and ratings");
            page.text(&format!("{all}, {answered} answered."));
        }
        page.how(
            "Done: trials with an attempt that counts; right: of those. Repeated: attempts after the first at a trial. Given up: \
             rejected, and not attempted again. Skipped: planned, but neither done nor given up, because the block or the run \
             ended before (in a session that another one was continued by, or that continues one, the other has them). Rejected: \
             attempts that do not count, by their reason. Reactions: from the onset of the first flip that shows the stimulus to \
             the response, of attempts that count, right or wrong; quartiles by nearest rank.",
        );
    }

    /// By block and condition, in their order; blocks that never began are there too.
    fn conditions(&self) -> Vec<([String; 2], Condition)> {
        let mut all = BTreeMap::<[u64; 2], ([String; 2], Condition)>::new();
        let schedule = self.protocol.as_ref().map(|protocol| schedule_of(&self.session.meta, protocol));
        let task_of = |block: u64| {
            let scheduled = schedule.as_ref()?.blocks.get(usize::try_from(block).ok()?)?;
            match &scheduled.block.kind {
                BlockKind::Task(task) => Some((scheduled.block.name.as_str(), &**task)),
                _ => None,
            }
        };
        for (block, name, task) in (0..schedule.as_ref().map_or(0, |schedule| schedule.blocks.len() as u64))
            .filter_map(|block| task_of(block).map(|(name, task)| (block, name, task)))
        {
            let practice = if task.practice && !name.contains("practice") { " (practice)" } else { "" };
            for (at, condition) in task.conditions.iter().enumerate() {
                let names = [format!("{name}{practice}"), condition.name.clone()];
                let planned = Some(u64::from(task.order.repetitions));
                let has_right = condition.correct.is_some();
                all.insert(
                    [block, at as u64],
                    (names, Condition { planned, has_right, ..Condition::default() }),
                );
            }
        }
        let attempts = self.session.attempts.iter();
        for (condition, attempt) in attempts.filter_map(|attempt| Some((attempt.condition?, attempt))) {
            let unnamed = || {
                let names = [format!("block {}", attempt.block), format!("condition {condition}")];
                (names, Condition::default())
            };
            let (_, condition) = all.entry([attempt.block, condition]).or_insert_with(unnamed);
            condition.take(attempt, task_of(attempt.block).map(|(_, task)| task));
        }
        let mut rows: Vec<_> = all.into_values().collect();
        rows.iter_mut().for_each(|(_, condition)| condition.reaction_ms.sort_by(f64::total_cmp));
        rows
    }
}

impl Condition {
    fn take(&mut self, attempt: &Attempt, task: Option<&Task>) {
        self.repeated += u64::from(attempt.repeat > 0);
        self.has_right |= attempt.correct.is_some();
        if is_rejected(attempt, task.map(|task| task.reject).unwrap_or_default()) {
            *self.rejected.entry(attempt.outcome.name()).or_default() += 1;
            self.given_up += u64::from(!attempt.again);
        } else if attempt.outcome != AttemptOutcome::Cut {
            self.done += 1;
            self.correct += u64::from(attempt.outcome == AttemptOutcome::Correct);
            self.reaction_ms.extend(attempt.reaction_ns().map(|reaction_ns| reaction_ns as f64 / 1e6));
        }
    }
}

/// Whether an attempt does not count.
fn is_rejected(attempt: &Attempt, reject: Reject) -> bool {
    use AttemptOutcome::{
        Answered, Artefact, Correct, Cut, Early, FixationBroken, Interrupted, MissedFrames, NoFixation,
        NoResponse, Wrong,
    };
    attempt.again
        || match attempt.outcome {
            NoFixation | FixationBroken | Interrupted | Artefact | MissedFrames => true,
            Early => reject.early,
            NoResponse => reject.no_response,
            Answered | Correct | Wrong | Cut => false,
        }
}

fn row([block, condition]: &[String; 2], found: &Condition) -> Vec<String> {
    let none = || "\u{2013}".to_owned();
    let skipped = found.planned.map(|planned| planned.saturating_sub(found.done + found.given_up));
    let or_none = |count: Option<u64>| count.map_or_else(none, |count| count.to_string());
    let rejected: Vec<String> = found
        .rejected
        .iter()
        .map(|(reason, count)| format!("{count} {}", reason.replace('_', " ")))
        .collect();
    let reactions = &found.reaction_ms;
    let quartile = |p: f64| (!reactions.is_empty()).then(|| nearest_rank(reactions, p));
    let ms = |value: Option<f64>| value.map_or_else(none, |value| format!("{value:.1}"));
    let [first, median, third] = [0.25, 0.5, 0.75].map(quartile);
    let between = first.zip(third);
    vec![
        block.clone(),
        condition.clone(),
        or_none(found.planned),
        found.done.to_string(),
        or_none(found.has_right.then_some(found.correct)),
        found.repeated.to_string(),
        found.given_up.to_string(),
        or_none(skipped),
        if rejected.is_empty() { none() } else { rejected.join(", ") },
        reactions.len().to_string(),
        ms(median),
        between.map_or_else(none, |(first, third)| format!("{first:.1} \u{2013} {third:.1}")),
    ]
}
