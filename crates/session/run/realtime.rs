//! Real-time priority and pinning for the inlets and the loop, where the system allows it.
//!
//! Not for the display on software Vulkan: its workers inherit nothing and would starve behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// SCHED_FIFO priority of the inlets; the loop stands one below, so that a sample is taken before it is worked on.
const INLET_PRIORITY: u8 = 41;
const LOOP_PRIORITY: u8 = 40;

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
