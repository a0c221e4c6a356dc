//! Real-time priority and pinning for the inlets and the loop, where the system allows it.
//!
//! Not for the display on software Vulkan: its workers inherit nothing and would starve behind it.

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

/// Gives the calling thread SCHED_FIFO and the last core (the first ones take the interrupts on most machines).
/// `Err` says in one line why not.
pub fn enter(role: Role) -> Result<(), String> {
    let value = match role {
        Role::Inlet => INLET_PRIORITY,
        Role::Loop => LOOP_PRIORITY,
    };
    let priority = ThreadPriorityValue::try_from(value).map_err(|reason| format!("priority {value}: {reason}"))?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy)
        .map_err(|error| format!("SCHED_FIFO was refused ({error:?})"))?;
    let last_core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied());
    match last_core {
        Some(core) if core_affinity::set_for_current(core) => Ok(()),
        _ => Err("pinning to a core was refused".into()),
    }
}
