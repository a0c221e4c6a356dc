//! Whole sessions on screens that jitter, drop and double: what the record and the summary say of them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::path::Path;

use support::*;
use timeline::OnsetClass;

/// A minute of trials on a screen with faults.
fn session(out: &Path, faults: &str, seed: u64) -> (serde_json::Value, recording::RecordedSession) {
    let protocol = root().join("protocols/threshold.toml");
    let seed = seed.to_string();
    let line = ["run", protocol.to_str().unwrap(), "--clock", "virtual", "--participant", "P10", "--json"];
    let more = ["--seconds", "90", "--seed", &seed, "--screen", faults, "--out", out.to_str().unwrap()];
    let summary = run(line.iter().chain(&more), 60.0).expect(0).json();
    let folder = session_folder(&summary);
    replays(&folder);
    (summary, session_below(out))
}

#[test]
fn faults_of_frames_are_in_the_record_and_joined_to_trials() {
    let out = tempfile::tempdir().unwrap();
    let (summary, session) = session(out.path(), "late_ms=3,ppm=60,drops=0.01,doublings=0.003", 7);
    let flips = &session.flips;
    assert!(flips.iter().all(|flip| flip.class == OnsetClass::Predicted));
    let missed: u64 = flips.iter().map(|flip| u64::from(flip.missed)).sum();
    let replaced = flips.iter().filter(|flip| flip.replaces).count() as u64;
    assert!(missed > 30 && replaced > 5, "{missed} {replaced}");
    // Every refresh is shown once, missed, or shown to nobody.
    let refreshes = flips.last().unwrap().frame - flips[0].frame + 1;
    assert_eq!(flips.len() as u64 - replaced + missed, refreshes);
    let faults = &summary["frame_faults"];
    assert_eq!((&faults["missed"], &faults["replaced"]), (&missed.into(), &replaced.into()));
    let all = |list: &str| -> u64 {
        faults[list].as_array().unwrap().iter().map(|part| part["missed"].as_u64().unwrap()).sum()
    };
    assert!(all("blocks") <= missed && all("blocks") + 10 >= missed, "{faults}");
    assert!(all("trials") > 0 && all("trials") <= all("blocks"));
    for trial in &session.trials {
        // By hand: every refresh without a flip, on the line between its neighbours.
        let expected: u64 = flips
            .windows(2)
            .flat_map(|pair| {
                let (first, last) = (pair[0].frame, pair[1].frame);
                let at_ns = move |frame: u64| {
                    let part = (frame - first) as f64 / (last - first) as f64;
                    pair[0].onset_ns + (part * (pair[1].onset_ns - pair[0].onset_ns) as f64) as i64
                };
                (first + 1..last.max(first + 1)).map(at_ns)
            })
            .filter(|at_ns| (trial.begin_ns..trial.end_ns).contains(at_ns))
            .count() as u64;
        let listed = faults["trials"].as_array().unwrap().iter().find(|entry| entry["which"] == trial.index);
        assert_eq!(listed.map_or(0, |entry| entry["missed"].as_u64().unwrap()), expected, "{}", trial.index);
    }
    let report = std::fs::read_to_string(session.folder.report_path()).unwrap();
    assert!(report.contains("frames seen by nobody") && report.contains("<td>session</td>"));
}

#[test]
fn jitter_alone_is_no_fault() {
    let out = tempfile::tempdir().unwrap();
    let (summary, _) = session(out.path(), "jitter_ms=5,ppm=60", 8);
    assert_eq!(summary["frame_faults"]["missed"], 0);
    assert_eq!(
        (&summary["frame_faults"]["late"], &summary["frame_faults"]["replaced"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn a_screen_that_flicker_cannot_be_shown_on_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let line = ["run", THERMOSTAT, "--clock", "virtual", "--participant", "P10", "--seconds", "2", "--out"];
    let refused = |faults: &str, texts: &[&str]| {
        let more = [out.path().to_str().unwrap(), "--screen", faults];
        run(line.iter().chain(&more), 30.0).expect(2).says(texts);
    };
    refused("variable_ms=4", &["variable refresh has to be off", "measured:"]);
    refused("ppm=20000", &["58.82 Hz", "the rig file says 60 Hz"]);
    refused("drops=0.3", &["did not take exactly one refresh"]);
    assert!(recording_below(out.path()).is_none(), "nothing was begun");
}
