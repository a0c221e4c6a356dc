//! What blocks for people need of the rest of the plan.

use super::plan::{ButtonsPlan, MAX_TASK_TRIALS, TaskPlan};
use crate::check::{duration, within};
use crate::plan::{BlockKind, LimitsPlan, Plan, PrepareError};

/// Refreshes that a stimulus has to be on, so that its end can be told before it is due.
const LEAST_REFRESHES: f64 = 3.0;

/// Numbers of all blocks for people, and that what they name is there.
pub(crate) fn check(plan: &Plan) -> Result<(), PrepareError> {
    for (index, block) in plan.blocks.iter().enumerate() {
        let needs = |needs| Err(PrepareError::Block { block: index, needs });
        match &block.kind {
            BlockKind::Prompt(prompt) => {
                if let Some((_, contrast)) = prompt.shown {
                    within("contrast", contrast, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
                }
                duration("least time in ns", prompt.least_ns.max(1))?;
                if !has_source(plan, &prompt.buttons) {
                    return needs("the source of its response's markers");
                }
            }
            BlockKind::Task(task) => {
                check_task(plan, task)?;
                let Some(table) = plan.flow.tables.get(task.table) else { return needs("a table of trials") };
                let is_known = |condition: usize| condition < table.conditions.len();
                if !table.trials.iter().all(|trial| is_known(trial.condition)) {
                    return needs("a condition for each of its trials");
                }
                for condition in &table.conditions {
                    within("contrast", condition.contrast, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
                }
                within("trials", table.trials.len() as f64, 0.0, MAX_TASK_TRIALS as f64, "0 to 100000")?;
                if task.gate.is_some() && plan.flow.gaze.is_none() {
                    return needs("a source of gaze");
                }
                if task.reject.artefact && (plan.artefacts.is_none() || plan.decoder.is_none()) {
                    return needs("artefacts and a decoder, whose samples say where they are");
                }
                if !has_source(plan, &task.buttons) {
                    return needs("the source of its response's markers");
                }
            }
            _ => {}
        }
    }
    if let Some(gaze) = &plan.flow.gaze {
        let source = plan.sources.get(usize::from(gaze.source.0)).filter(|source| !source.is_marker);
        if source.is_none_or(|source| gaze.channels.iter().any(|&channel| channel >= source.channels)) {
            return Err(PrepareError::Source {
                source_id: gaze.source.0,
                wanted: "samples of gaze",
                sources: plan.sources.len(),
            });
        }
        within("degrees per unit of gaze", gaze.deg_per_unit, 1e-9, 1e9, "above 0")?;
    }
    Ok(())
}

fn check_task(plan: &Plan, task: &TaskPlan) -> Result<(), PrepareError> {
    duration("on time in ns", task.on_ns)?;
    duration("timeout in ns", task.timeout_ns)?;
    let least_ns = LEAST_REFRESHES * 1e9 / plan.refresh_hz * (1.0 - 1e-6);
    within("on time in ns", task.on_ns as f64, least_ns, f64::INFINITY, "at least three refreshes")?;
    within("earliest in ns", task.earliest_ns as f64, 0.0, task.timeout_ns as f64, "0 to the timeout")?;
    within("ramp in ns", task.ramp_ns as f64, 0.0, task.on_ns as f64, "0 to the on time")?;
    within("repeats", f64::from(task.repeats), 0.0, 100.0, "0 to 100")?;
    let feedback = &task.feedback;
    for (_, contrast) in
        [task.fixation, feedback.correct, feedback.wrong, feedback.none].into_iter().flatten()
    {
        within("contrast", contrast, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
    }
    if let Some(gate) = &task.gate {
        within("radius in deg", gate.radius_deg, f64::MIN_POSITIVE, 180.0, "above 0, up to 180")?;
        duration("fixation in ns", gate.stay_ns)?;
        duration("timeout of fixation in ns", gate.timeout_ns)?;
        duration("time away in ns", gate.away_ns.max(1))?;
    }
    let Some(limits) = &plan.interlock.limits else { return Ok(()) };
    check_ramp(task, plan, limits)
}

/// A stimulus is shown as it is planned, so its ramp is refused here and not slowed down there.
fn check_ramp(task: &TaskPlan, plan: &Plan, limits: &LimitsPlan) -> Result<(), PrepareError> {
    let conditions = plan.flow.tables.get(task.table).into_iter().flat_map(|table| &table.conditions);
    let feedback = &task.feedback;
    let others = [task.fixation, feedback.correct, feedback.wrong, feedback.none].into_iter().flatten();
    let contrasts =
        conditions.map(|condition| condition.contrast).chain(others.map(|(_, contrast)| contrast));
    let least_ns = contrasts.fold(0.0, f64::max) / limits.slew_per_s * 1e9 * (1.0 - 1e-9) - 1.0;
    within("ramp in ns", task.ramp_ns as f64, least_ns, f64::INFINITY, "at least contrast / slew_per_s")
}

fn has_source(plan: &Plan, buttons: &ButtonsPlan) -> bool {
    match buttons {
        ButtonsPlan::Keys { .. } => true,
        ButtonsPlan::Markers { source, .. } => {
            plan.sources.get(usize::from(source.0)).is_some_and(|source| source.is_marker)
        }
    }
}
