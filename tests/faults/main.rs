//! Twelve faults, injected into whole sessions: each ends inside its bound (docs/interlocks.md), and leaves a record that
//! opens, is whole or can be mended, and replays to the fault. What is measured goes to stderr, one line for each fault.
//!
//! Where a fault needs a thread to misbehave, the session runs in this process, with a hook in that thread; else it is the
//! binary. Faults of the clock, of answers that are corrupt or never come, and of a controller that runs away are also
//! searched through in the pure loop (`crates/closedloop/tests/interlock.rs`).
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod limits;
mod planner;
mod streams;
mod threads;
mod window;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use photic::cli::{ClockMode, RunArgs};
use photic::error::SessionError;
use photic::run::simulated::virtual_args;
use photic::run::{Hooks, run_with};
use photic::summary::Summary;
use recording::{RecordedSession, verify};
use support::*;
use timeline::{Notice, NoticeKind, SceneId, s_from_ns};

/// Limits that a short session does not reach.
const WIDE: &str = r#"
[limits]
dose_s = 100.0
on_time = { longest_s = 100.0, pause_s = 1.0, total_s = 100.0 }
slew_per_s = 2.0
session_s = 100.0
"#;

/// The grey ramp of [`SHOW`].
const RAMP_S: f64 = 0.5;

/// What a busy machine may add to a bound: threads wake late and frames come late.
const BUSY_S: f64 = 0.25;

/// A session that was broken on purpose.
struct Broken {
    result: Result<Summary, SessionError>,
    session: RecordedSession,
    _out: tempfile::TempDir,
}

fn write(folder: &Path, protocol: &str) -> PathBuf {
    let path = folder.join("protocol.toml");
    fs::write(&path, protocol).unwrap();
    path
}

/// A live session in this process, offscreen, with the simulated participant and with hooks in its threads.
fn live(seconds: f64, hooks: Hooks) -> Broken {
    live_of(SHOW, seconds, hooks)
}

/// The same with another protocol.
fn live_of(protocol: &str, seconds: f64, hooks: Hooks) -> Broken {
    let out = tempfile::tempdir().unwrap();
    let sessions = out.path().join("sessions");
    let args = RunArgs {
        protocol: Some(write(out.path(), protocol)),
        clock: ClockMode::Live,
        ..virtual_args(sessions.clone(), "nominal", 1, Some(seconds))
    };
    let result = run_with(args, false, hooks);
    Broken { result, session: session_below(&sessions), _out: out }
}

/// Calls `act` with each instant from `after_s` on, counted from the first call; `injected` keeps the first such instant.
fn from_then_on<T, A: FnMut(i64) -> T, O: Fn(i64) -> T>(
    after_s: f64,
    injected: &Arc<AtomicI64>,
    mut act: A,
    otherwise: O,
) -> impl FnMut(i64) -> T + use<T, A, O> {
    let (mut start_ns, injected) = (None, Arc::clone(injected));
    move |now_ns| {
        if s_from_ns(now_ns - *start_ns.get_or_insert(now_ns)) < after_s {
            return otherwise(now_ns);
        }
        let _ = injected.compare_exchange(0, now_ns, Ordering::AcqRel, Ordering::Acquire);
        act(now_ns)
    }
}

/// From an instant to the first frame after it that shows no contrast, in s.
fn grey_after_s(session: &RecordedSession, at_ns: i64) -> f64 {
    let grey = session.flips.iter().find(|flip| flip.onset_ns >= at_ns && flip.contrast == 0.0);
    let grey = grey.unwrap_or_else(|| panic!("no grey frame after the fault: {:?}", session.notices));
    s_from_ns(grey.onset_ns - at_ns)
}

/// One line of the table, and the bound.
fn holds(fault: &str, bound_s: f64, measured_s: f64) {
    eprintln!("FAULT {fault:34} bound {bound_s:.2} s   measured {measured_s:.3} s");
    assert!(measured_s <= bound_s + BUSY_S, "{fault}: {measured_s} s, the bound is {bound_s} s");
}

/// What has run of a ramp when the first frame shows it: a command waits one to two refreshes.
const WAIT_S: f64 = 2.0 / 60.0;

/// Contrast goes at most as fast as the grey ramp, whatever scene the frames show.
fn never_jumps(session: &RecordedSession) {
    assert!(session.flips.iter().any(|flip| flip.contrast > 0.5), "something was shown");
    for pair in session.flips.windows(2) {
        let change = (pair[1].contrast - pair[0].contrast).abs();
        let most = (s_from_ns(pair[1].onset_ns - pair[0].onset_ns) + WAIT_S) / RAMP_S;
        assert!(change <= most * 1.01 + 1e-6, "{pair:?}");
    }
    let last = session.flips.last().unwrap();
    assert_eq!((last.scene, last.contrast), (SceneId::GREY, 0.0), "the last frame is grey");
}

/// The record opens, is whole, and replays as far as it goes.
fn is_readable(session: &RecordedSession) {
    let report = verify(&session.folder.xdf_path()).unwrap();
    assert_eq!((report.torn_tail_bytes, report.damaged_bytes), (0, 0), "{report:?}");
    let replayed = photic::replay::replay(session.folder.path()).unwrap();
    assert!(replayed.identical && replayed.turns > 20, "{replayed}");
}

fn noticed(session: &RecordedSession, kind: NoticeKind) -> &Notice {
    let found = session.notices.iter().find(|notice| notice.kind == kind);
    found.unwrap_or_else(|| panic!("no notice of {:?}: {:?}", kind.name(), session.notices))
}

fn counts(session: &RecordedSession, kind: NoticeKind) -> usize {
    session.notices.iter().filter(|notice| notice.kind == kind).count()
}
