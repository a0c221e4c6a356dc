//! Blocks for people from the protocol's units to the loop's: responses, prompts, tasks with their seeded order, gaze.

use closedloop::{
    ButtonsPlan, Codes, ConditionPlan, FeedbackPlan, GatePlan, GazePlan, PromptPlan, RejectPlan, TaskPlan,
    TaskTable, TaskTrial,
};
use protocol::{GazeStream, GazeUnit, Prompt, Protocol, ResponseKind, ResponseSpec, Shown, SplitMix64, Task};
use stimulus::Screen;
use timeline::{Device, SceneId, SourceId, key_code, ns_from_s};

use crate::error::SessionError;
use crate::experiment::scene_id;

/// What the streams of random numbers of a task are for.
const ORDER: u64 = 1;
const WAITS: u64 = 2;

/// Lowers a response.
pub(crate) fn lower_response(response: &ResponseSpec) -> ButtonsPlan {
    match &response.kind {
        ResponseKind::Keyboard { keys } | ResponseKind::Rating { keys } => {
            // The protocol allows no other keys than there are codes for; a test holds the two lists together.
            let codes: Vec<u32> = keys.iter().filter_map(|key| key_code(key)).collect();
            ButtonsPlan::Keys { device: Device::Keyboard, codes: Codes::new(&codes) }
        }
        ResponseKind::Hid { codes, .. } => {
            ButtonsPlan::Keys { device: Device::Hid, codes: Codes::new(codes) }
        }
        ResponseKind::Marker { stream, codes, .. } => {
            ButtonsPlan::Markers { source: SourceId(*stream as u16), codes: Codes::new(codes) }
        }
    }
}

fn lower_shown(shown: Shown) -> (SceneId, f64) {
    (scene_id(shown.stimulus), shown.contrast)
}

/// Lowers an instruction, a rating, a break or a wait.
pub(crate) fn lower_prompt(prompt: &Prompt, protocol: &Protocol) -> PromptPlan {
    PromptPlan {
        shown: prompt.shown.map(lower_shown),
        buttons: lower_response(&protocol.responses[prompt.response]),
        least_ns: ns_from_s(prompt.least_s),
    }
}

/// Lowers a task; its table is the `table`-th of the plan.
pub(crate) fn lower_task(task: &Task, table: usize, protocol: &Protocol) -> TaskPlan {
    TaskPlan {
        table,
        fixation: task.fixation.map(|fixation| lower_shown(fixation.shown)),
        ramp_ns: ns_from_s(task.ramp_s),
        on_ns: ns_from_s(task.on_s),
        until_response: task.until_response,
        buttons: lower_response(&protocol.responses[task.response]),
        earliest_ns: ns_from_s(task.earliest_s),
        timeout_ns: ns_from_s(task.timeout_s),
        feedback: task.feedback.map_or(FeedbackPlan::default(), |feedback| {
            let shown = |stimulus: Option<usize>| {
                stimulus.map(|stimulus| lower_shown(Shown { stimulus, contrast: feedback.contrast }))
            };
            FeedbackPlan {
                correct: shown(feedback.correct),
                wrong: shown(feedback.wrong),
                none: shown(feedback.none),
                on_ns: ns_from_s(feedback.on_s),
            }
        }),
        gate: task.gate.map(|gate| GatePlan {
            radius_deg: gate.radius_deg,
            stay_ns: ns_from_s(gate.stay_s),
            timeout_ns: ns_from_s(gate.timeout_s),
            away_ns: ns_from_s(gate.away_s),
        }),
        reject: RejectPlan {
            early: task.reject.early,
            no_response: task.reject.no_response,
            artefact: task.reject.artefact,
            missed_frames: task.reject.missed_frames,
        },
        repeats: task.repeats,
        practice: task.practice,
    }
}

/// Conditions and order of a task that stands at `place` in the protocol's file, for one participant.
///
/// # Errors
/// When no order keeps the protocol's constraint.
pub(crate) fn table(task: &Task, place: usize, seed: u64, number: u32) -> Result<TaskTable, SessionError> {
    let order_seed = protocol::stream(seed, number, place, ORDER).next_u64();
    let order = task.order.draw(task.conditions.len(), order_seed, number);
    let order = order.map_err(|error| SessionError::Usage(format!("task: {error}")))?;
    let mut random = protocol::stream(seed, number, place, WAITS);
    let fixation_s = task.fixation.map_or([0.0; 2], |fixation| fixation.for_s);
    let attempts = order.len() * (1 + task.repeats as usize);
    let mut between = |[low, high]: [f64; 2]| ns_from_s(low + (high - low) * uniform(&mut random));
    Ok(TaskTable {
        conditions: task
            .conditions
            .iter()
            .map(|condition| ConditionPlan {
                scene: scene_id(condition.shown.stimulus),
                contrast: condition.shown.contrast,
                correct: condition.correct.map(|button| button as u64),
            })
            .collect(),
        trials: order
            .iter()
            .enumerate()
            .map(|(number, &condition)| TaskTrial::new(number as u64, condition))
            .collect(),
        waits_ns: (0..attempts).map(|_| [between(fixation_s), between(task.gap_s)]).collect(),
    })
}

/// The refreshes for which a task's stimulus is on.
pub(crate) fn on_frames(task: &Task, refresh_hz: f64) -> Result<u64, String> {
    let frames = crate::stage::whole_frames("on_s", task.on_s, refresh_hz)?;
    if frames < LEAST_ON_FRAMES {
        return Err(format!(
            "on_s = {} is {frames} refreshes at {refresh_hz} Hz, at least {LEAST_ON_FRAMES} are needed",
            task.on_s
        ));
    }
    Ok(frames)
}

/// With fewer, the loop cannot end what it began.
const LEAST_ON_FRAMES: u64 = 3;

/// 53 random bits, 0 to below 1.
fn uniform(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Lowers `[gaze]`: fixation is in the middle of the screen.
pub(crate) fn lower_gaze(gaze: &GazeStream, screen: &Screen) -> GazePlan {
    let (origin, deg_per_unit) = match gaze.unit {
        GazeUnit::Degrees => ([0.0, 0.0], 1.0),
        GazeUnit::Pixels => {
            ([f64::from(screen.width_px) / 2.0, f64::from(screen.height_px) / 2.0], 1.0 / screen.px_per_deg)
        }
    };
    GazePlan { source: SourceId(gaze.stream as u16), channels: gaze.channels, origin, deg_per_unit }
}

/// Every scene that a block for people can show, with the highest contrast at which it can.
pub(crate) fn highest_contrasts(kind: &closedloop::BlockKind, tables: &[TaskTable]) -> Vec<(SceneId, f64)> {
    match kind {
        closedloop::BlockKind::Prompt(prompt) => prompt.shown.into_iter().collect(),
        closedloop::BlockKind::Task(task) => {
            let conditions = tables.get(task.table).into_iter().flat_map(|table| &table.conditions);
            let feedback = &task.feedback;
            let others = [task.fixation, feedback.correct, feedback.wrong, feedback.none];
            conditions
                .map(|condition| (condition.scene, condition.contrast))
                .chain(others.into_iter().flatten())
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    /// The protocol knows nothing of records, and a record nothing of protocols; their keys are the same all the same.
    #[test]
    fn every_key_of_a_protocol_has_a_code() {
        assert_eq!(protocol::KEYS, timeline::KEYS);
    }
}
