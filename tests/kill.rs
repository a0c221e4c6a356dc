//! `kill -9` of a live session at any moment: what was recorded up to a second before is there, for us and for pyxdf.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use recording::RecordedSession;
use support::judge::{opens, python};
use support::*;
use timeline::s_from_ns;

/// How much a kill may cost.
const MOST_LOST_S: f64 = 1.0;

/// Moments of a run; twenty in CI.
fn rounds() -> usize {
    let all = std::env::var("CI").as_deref() == Ok("true") || std::env::var_os("PHOTIC_SLOW").is_some();
    if all { 20 } else { 6 }
}

/// Runs a session, kills it after `alive`, and says what is left: the recording and how much of the end is missing.
fn killed_after(out: &Path, alive: Duration) -> (PathBuf, f64) {
    let arguments =
        ["run", THERMOSTAT, "--in-process", "--display", "offscreen", "--participant", "P07", "--out"];
    let mut process = Process::start(photic(arguments).arg(out));
    // The file begins with its headers; then the threads start.
    wait_until(60.0, "the recording", || {
        recording_below(out).is_some_and(|path| fs::metadata(path).unwrap().len() > 20_000)
    });
    std::thread::sleep(alive);
    let killed_ns = process.kill();
    let path = recording_below(out).unwrap();
    let session = RecordedSession::open(path.parent().unwrap()).unwrap();
    (path, s_from_ns(killed_ns) - last_stamp_s(&session))
}

#[test]
fn a_killed_session_is_there_up_to_its_last_second() {
    let Some(()) = vulkan_is_there() else { return };
    let out = tempfile::tempdir().unwrap();
    let mut dice = u64::from(std::process::id());
    let mut moments = (0..rounds()).map(|round| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (out.path().join(round.to_string()), Duration::from_millis(500 + (dice >> 33) % 3000))
    });
    let mut left = Vec::new();
    // Two at a time: their renderers share the cores.
    while let Some((one, alive)) = moments.next() {
        let other = moments.next();
        std::thread::scope(|threads| {
            let beside = other.map(|(two, alive)| threads.spawn(move || killed_after(&two, alive)));
            left.push(killed_after(&one, alive));
            left.extend(beside.map(|thread| thread.join().unwrap()));
        });
    }
    assert_eq!(left.len(), rounds());
    let lost_s = left.iter().map(|(_, lost_s)| *lost_s).fold(0.0, f64::max);
    eprintln!("{} kills, at most {lost_s:.3} s of samples lost", left.len());
    assert!(lost_s <= MOST_LOST_S, "{left:?}");

    for (path, _) in &left {
        let torn = run(["verify", path.to_str().unwrap(), "--json"], 30.0);
        let verdict = torn.json();
        assert_eq!(torn.code, Some(1), "a session without its footers is not whole: {verdict}");
        assert_eq!(verdict["damaged_bytes"], 0, "{verdict}");
        let replayed =
            run(["replay", path.parent().unwrap().to_str().unwrap(), "--json"], 60.0).expect(0).json();
        assert!(replayed["identical"] == true && replayed["turns"].as_u64().unwrap() > 10, "{replayed}");
    }
    let paths: Vec<&PathBuf> = left.iter().map(|(path, _)| path).collect();
    let unrepaired = python().map(|python| opens(&python, &paths));
    for path in &paths {
        run(["verify", path.to_str().unwrap(), "--repair"], 30.0).expect(0);
        run(["verify", path.to_str().unwrap()], 30.0).expect(0);
    }
    let (Some(unrepaired), Some(python)) = (unrepaired, python()) else { return };
    assert_eq!(unrepaired.len(), paths.len());
    let open = unrepaired.iter().filter(|&&opens| opens).count();
    eprintln!("pyxdf opens {open} of {} unrepaired", paths.len());
    // At least 19 of 20; of fewer, one may fail.
    assert!(paths.len() - open <= 1, "pyxdf opens {open} of {} unrepaired", paths.len());
    let repaired = opens(&python, &paths);
    assert!(repaired.len() == paths.len() && repaired.iter().all(|&opens| opens), "{repaired:?}");
}
