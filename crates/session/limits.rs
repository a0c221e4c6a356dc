//! The protocol's limits in machine units, and what a schedule takes of them.

use std::fmt::Write as _;

use closedloop::{InterlockPlan, LimitsPlan};
use protocol::{Limits, Protocol, Schedule};
use serde_json::{Value, json};
use timeline::ns_from_s;

/// Faults are always watched for; limits hold where the protocol states them.
pub fn lower(limits: Option<&Limits>) -> InterlockPlan {
    let limits = limits.map(|limits| LimitsPlan {
        dose_s: limits.dose_s,
        longest_ns: ns_from_s(limits.on_time.longest_s),
        pause_ns: ns_from_s(limits.on_time.pause_s),
        total_ns: ns_from_s(limits.on_time.total_s),
        slew_per_s: limits.slew_per_s,
        session_ns: ns_from_s(limits.session_s),
        dead_man_ns: limits.dead_man.map(|dead_man| ns_from_s(dead_man.release_s)),
    });
    InterlockPlan { limits, ..InterlockPlan::FAULTS }
}

/// The limits beside what the whole schedule takes of them, for `photic check`. A schedule that takes more is no fault:
/// it will end early, and this says so before somebody sits down.
pub fn describe(protocol: &Protocol, schedule: &Schedule) -> Option<(String, Value)> {
    let limits = protocol.limits.as_ref()?;
    let worths = schedule.blocks.iter().map(|scheduled| protocol.worth(&scheduled.block));
    let (dose_s, on_s) = worths.fold((0.0, 0.0), |sum, worth| (sum.0 + worth.dose_s, sum.1 + worth.on_s));
    let whole_s = schedule.duration_s() + protocol.grey_ramp_s;
    let mut text = String::new();
    let rows = [
        ("dose", dose_s, limits.dose_s),
        ("on-time", on_s, limits.on_time.total_s),
        ("session", whole_s, limits.session_s),
    ];
    for (name, needed_s, allowed_s) in rows {
        let ends = if needed_s > allowed_s { ": THE RUN WILL END EARLY" } else { "" };
        let _ = writeln!(
            text,
            "limits    {name}: {needed_s:.1} s for the nominal person, {allowed_s} s allowed{ends}"
        );
    }
    let on_time = &limits.on_time;
    let _ = writeln!(
        text,
        "limits    at most {} s without a pause of {} s, contrast changes by at most {} per s",
        on_time.longest_s, on_time.pause_s, limits.slew_per_s
    );
    if let Some(dead_man) = &limits.dead_man {
        let (key, release_s) = (dead_man.key, dead_man.release_s);
        let _ = writeln!(text, "limits    dead-man key {key:?}, grey after {release_s} s without it");
    }
    let json = json!({
        "dose_s": { "needed": dose_s, "allowed": limits.dose_s },
        "on_time_s": { "needed": on_s, "allowed": on_time.total_s, "longest": on_time.longest_s,
            "pause": on_time.pause_s },
        "session_s": { "needed": whole_s, "allowed": limits.session_s },
        "slew_per_s": limits.slew_per_s,
        "dead_man_release_s": limits.dead_man.map(|dead_man| dead_man.release_s),
    });
    Some((text, json))
}
