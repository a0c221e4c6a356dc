//! Blocks for people: instructions, ratings, breaks, tasks; and what the operator asks for.
//!
//! A stimulus is a command, its onset the first flip that names that command with contrast, and a reaction time the
//! response's instant less that onset. Nothing is joined by nearness in time.

mod check;
mod gaze;
mod plan;
mod prompt;
mod task;
mod watch;

pub(crate) use check::check;
pub use plan::{
    ButtonsPlan, Codes, ConditionPlan, FeedbackPlan, FlowPlan, GatePlan, GazePlan, MAX_BUTTONS,
    MAX_TASK_TRIALS, PromptPlan, RejectPlan, TaskPlan, TaskTable, TaskTrial,
};
pub(crate) use task::Wish;

use timeline::SceneId;

use crate::neurofeedback::Freeze;
use crate::plan::{BlockKind, Plan};
use crate::screen::Cause;
use crate::turn::{Inputs, Outputs};
use gaze::Gaze;
use prompt::Prompt;
use task::{Desk, INTERRUPTIONS, Task};

#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one value per loop; boxing it would only add a hop")]
enum Running {
    Nothing,
    Prompt(Prompt),
    Task(Task),
}

/// What the operator has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// Paused since then.
    pub(crate) paused_ns: Option<i64>,
    /// The block that runs shall end.
    pub(crate) skip: bool,
    /// The run was ended.
    pub(crate) aborted: bool,
}

/// Runs the blocks for people of a session.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    plan: FlowPlan,
    gaze: Option<Gaze>,
    queue: Vec<TaskTrial>,
    running: Running,
    next_index: u64,
    refresh_ns: i64,
    pub(crate) asked: Asked,
}

impl Flow {
    /// With room for the longest order.
    pub(crate) fn prepare(plan: &Plan) -> Self {
        let room = plan.blocks.iter().filter_map(|block| match &block.kind {
            BlockKind::Task(task) => {
                let trials = plan.flow.tables.get(task.table)?.trials.len();
                Some(trials.saturating_mul(1 + task.repeats as usize) + INTERRUPTIONS)
            }
            _ => None,
        });
        Self {
            gaze: plan.flow.gaze.map(|gaze| {
                let source = plan.sources.get(usize::from(gaze.source.0));
                Gaze::new(gaze, source.map_or(1, |source| source.channels))
            }),
            queue: Vec::with_capacity(room.max().unwrap_or(0)),
            plan: plan.flow.clone(),
            running: Running::Nothing,
            next_index: 0,
            refresh_ns: (1e9 / plan.refresh_hz) as i64,
            asked: Asked::default(),
        }
    }

    pub(crate) fn reset(&mut self) {
        if let Some(gaze) = &mut self.gaze {
            gaze.reset();
        }
        (self.running, self.next_index, self.asked) = (Running::Nothing, 0, Asked::default());
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.asked.paused_ns.is_some()
    }

    /// A block for people begins.
    pub(crate) fn begin(&mut self, kind: &BlockKind, block: usize, from_ns: i64) {
        self.running = match kind {
            BlockKind::Prompt(plan) => Running::Prompt(Prompt::new(*plan, block, from_ns)),
            BlockKind::Task(plan) => match self.plan.tables.get(plan.table) {
                Some(table) => {
                    Running::Task(Task::new(*plan, block, from_ns, self.refresh_ns, table, &mut self.queue))
                }
                None => Running::Nothing,
            },
            _ => Running::Nothing,
        };
    }

    /// The task that runs, with what it uses of the flow.
    fn task<'a>(&'a mut self, freeze: Option<&'a Freeze>) -> Option<(&'a mut Task, Desk<'a>)> {
        let Running::Task(task) = &mut self.running else { return None };
        let desk = Desk {
            table: self.plan.tables.get(task.plan.table)?,
            queue: &mut self.queue,
            gaze: self.gaze.as_ref(),
            freeze,
            next_index: &mut self.next_index,
        };
        Some((task, desk))
    }

    /// Whether the block that runs has come to its end by itself.
    pub(crate) fn is_done(&self) -> bool {
        match &self.running {
            Running::Nothing => true,
            Running::Prompt(prompt) => prompt.is_done(),
            Running::Task(task) => task.is_done(&self.queue),
        }
    }

    /// Flips, presses and gaze of a turn.
    pub(crate) fn hear(&mut self, inputs: &Inputs<'_>) {
        match &mut self.running {
            Running::Nothing => {}
            Running::Prompt(prompt) => prompt.hear(inputs),
            Running::Task(task) => task.hear(inputs, self.gaze.as_mut()),
        }
    }

    /// What shall be on the screen now, and in which time it comes and goes; `None` where its contrast may change as
    /// everything does.
    pub(crate) fn step(
        &mut self,
        may_show: bool,
        freeze: Option<&Freeze>,
        cause: Cause,
        out: &mut Outputs,
    ) -> (Wish, Option<i64>) {
        match &mut self.running {
            Running::Nothing => (None, None),
            Running::Prompt(prompt) => (prompt.plan.shown.filter(|_| !prompt.is_done()), None),
            Running::Task(_) => {
                let Some((task, mut desk)) = self.task(freeze) else { return (None, None) };
                (task.step(may_show, &mut desk, cause, out), Some(task.plan.ramp_ns))
            }
        }
    }

    /// A command brought what [`Flow::step`] wished for.
    pub(crate) fn begun(&mut self, command: u64, scene: SceneId, now_ns: i64) {
        match &mut self.running {
            Running::Nothing => {}
            Running::Prompt(prompt) => prompt.begun(command, now_ns),
            Running::Task(task) => task.begun(command, scene, now_ns),
        }
    }

    pub(crate) fn next_ns(&self, now_ns: i64) -> i64 {
        match &self.running {
            Running::Nothing | Running::Prompt(_) => i64::MAX,
            Running::Task(task) => task.next_ns(now_ns),
        }
    }

    /// The screen goes to grey for a reason of its own.
    pub(crate) fn interrupt(&mut self, freeze: Option<&Freeze>, cause: Cause, out: &mut Outputs) {
        match &mut self.running {
            Running::Nothing => {}
            Running::Prompt(prompt) => prompt.interrupt(cause, &mut self.next_index, out),
            Running::Task(_) => {
                let Some((task, mut desk)) = self.task(freeze) else { return };
                task.interrupt(&mut desk, cause, out);
            }
        }
    }

    /// The block is over.
    pub(crate) fn end(&mut self, freeze: Option<&Freeze>, cause: Cause, out: &mut Outputs) {
        match &mut self.running {
            Running::Nothing => {}
            Running::Prompt(prompt) => prompt.end(cause, &mut self.next_index, out),
            Running::Task(_) => {
                let Some((task, mut desk)) = self.task(freeze) else { return };
                task.end(&mut desk, cause, out);
            }
        }
        self.running = Running::Nothing;
    }
}
