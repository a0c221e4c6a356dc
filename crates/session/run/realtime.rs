//! Real-time priority and pinning for the inlets and the loop, where the system allows it; less than the usual for the
//! planner.
//!
//! Not for the display on software Vulkan: its workers inherit nothing and would starve behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// SCHED_FIFO priority of the inlets; the loop stands one below, so that a sample is taken before it is worked on.
const INLET_PRIORITY: u8 = 41;
const LOOP_PRIORITY: u8 = 40;

/// The planner's place among all priorities, 0 to 99; on Linux it is a nice value of 10, a tenth of the usual weight.
/// Higher, and it takes time from a software renderer on a machine of two cores; SCHED_IDLE, and it would starve where
/// other programs keep all cores busy.
const PLANNER_PRIORITY: u8 = 22;

/// Which kind of thread asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An inlet.
    Inlet,
    /// The loop.
    Loop,
}

/// What each thread got, by its name: for the manifest, because a methods section has to say it.
#[derive(Clone, Default)]
pub struct Granted(Arc<Mutex<BTreeMap<String, String>>>);

impl Granted {
    /// Asks for the calling thread, and says in one plain line where the system refuses.
    pub fn enter(&self, role: Role) {
        let line = match enter(role) {
            Ok(line) => line,
            Err(reason) => {
                tracing::warn!("{role:?} runs without real-time priority: {reason}");
                format!("no: {reason}")
            }
        };
        self.note(line);
    }

    /// Makes the calling thread, and those that it starts, give way to all others. It needs no right, so it is done also
    /// where no real-time priority is wanted.
    pub fn give_way(&self) {
        self.note(match give_way() {
            Ok(()) if cfg!(target_os = "linux") => "gives way: nice 10".into(),
            Ok(()) => "gives way".into(),
            Err(reason) => {
                tracing::warn!("the planner competes with the display: {reason}");
                format!("does not give way: {reason}")
            }
        });
    }

    /// The calling thread stays as it is, because the operator wants it so.
    pub fn decline(&self) {
        self.note("no: not asked for".into());
    }

    fn note(&self, line: String) {
        let thread = thread::current().name().unwrap_or("?").to_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(thread, line);
    }

    /// The lines by thread.
    pub fn lines(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Gives the calling thread SCHED_FIFO and the last core (the first ones take the interrupts on most machines); says
/// what it got, or in one line why not.
fn enter(role: Role) -> Result<String, String> {
    let value = match role {
        Role::Inlet => INLET_PRIORITY,
        Role::Loop => LOOP_PRIORITY,
    };
    let priority =
        ThreadPriorityValue::try_from(value).map_err(|reason| format!("priority {value}: {reason}"))?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy)
        .map_err(|error| format!("SCHED_FIFO was refused ({error:?})"))?;
    let last_core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied());
    match last_core {
        Some(core) if core_affinity::set_for_current(core) => {
            Ok(format!("SCHED_FIFO {value}, core {}", core.id))
        }
        _ => Err("pinning to a core was refused".into()),
    }
}

fn give_way() -> Result<(), String> {
    let value = PLANNER_PRIORITY;
    let priority =
        ThreadPriorityValue::try_from(value).map_err(|reason| format!("priority {value}: {reason}"))?;
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy)
        .map_err(|error| format!("a lower priority was refused ({error:?})"))
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
mod tests {
    use super::*;

    /// The nice value of the calling thread: field 19 of its `stat`, the 17th after the name in brackets.
    fn nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn who_gives_way_is_nice_and_so_are_the_threads_that_it_starts() {
        let before = nice();
        let granted = Granted::default();
        let own = granted.clone();
        let body = move || {
            own.give_way();
            let started = thread::scope(|scope| scope.spawn(nice).join().unwrap());
            (nice(), started)
        };
        let of_planner = thread::Builder::new().name("planner".into()).spawn(body).unwrap().join().unwrap();
        assert_eq!(of_planner, (10, 10));
        assert_eq!(nice(), before, "nobody else is touched");
        assert_eq!(granted.lines()["planner"], "gives way: nice 10");
    }
}
