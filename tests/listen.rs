//! Recorded people, played over LSL and listened to live: which light did they attend to?
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::path::Path;

use recording::RecordedSession;
use serde_json::Value;
use support::*;

/// Times real time; an epoch of 4 s is over in half a second.
const SPEED: &str = "8";

const CUES: u64 = 32;

/// Plays a recording into `ssvep-listen`; the summary of the session, whose folder lies below `out`.
fn listen(file: &Path, out: &Path) -> Value {
    let session = lsl_session();
    let play = ["play", file.to_str().unwrap(), "--speed", SPEED, "--wait-s", "60"];
    let played = Process::start(photic(play).env("PHOTIC_LSL_SESSION", &session));
    let run =
        ["run", "protocols/ssvep-listen.toml", "--participant", "none", "--display", "offscreen", "--json"];
    let mut run = photic(run);
    run.args(["--wait-s", "30", "--out"]).arg(out).env("PHOTIC_LSL_SESSION", &session);
    let summary = Process::start(&mut run).end(180.0).expect(0).json();
    played.end(60.0).expect(0);
    summary
}

/// Every cue is answered, nothing was lost, and the live decisions are the offline ones for any chunk size.
fn decided_as_offline(summary: &Value) -> u64 {
    eprintln!("{summary}");
    assert_eq!(summary["exit"], "finished", "{summary}");
    assert_eq!(summary["samples_lost"], 0, "{summary}");
    assert_eq!(summary["decisions"], CUES, "{summary}");
    let counts =
        summary["confusion"]["counts"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), CUES, "{summary}");
    let folder = session_folder(summary);
    replays(&folder);
    for chunk in ["1", "7", "64", "1000"] {
        let verdict =
            run(["replay", folder.to_str().unwrap(), "--json", "--rechunk", chunk], 120.0).expect(0).json();
        assert_eq!(verdict["identical"], true, "chunks of {chunk}: {verdict}");
        assert_eq!(verdict["decisions"], CUES, "chunks of {chunk}: {verdict}");
    }
    let session = RecordedSession::open(&folder).unwrap();
    assert!(session.decisions.iter().all(|decision| decision.cue.is_some() && decision.label.is_some()));
    let right = session.decisions.iter().filter(|decision| decision.cue == decision.label).count();
    assert_eq!((summary["accuracy"].as_f64().unwrap() * CUES as f64).round(), right as f64);
    right as u64
}

#[test]
fn the_easy_person_is_read() {
    let (Some(()), Some(()), Some(file)) =
        (lsl_is_there(), vulkan_is_there(), shared("eeg/ssvep_exo_s12_r1.xdf"))
    else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let right = decided_as_offline(&listen(&file, out.path()));
    eprintln!("ssvep_exo_s12_r1: {right} of {CUES} cues right");
    assert!(right >= 30, "{right} of {CUES} cues right");
}

/// No bound: this person is hard, and no threshold may be fitted on them. Every cue must be answered all the same.
#[test]
fn the_hard_person_is_answered() {
    let (Some(()), Some(()), Some(file)) =
        (lsl_is_there(), vulkan_is_there(), shared("eeg/ssvep_exo_s02_r1_hard.xdf"))
    else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let right = decided_as_offline(&listen(&file, out.path()));
    eprintln!("ssvep_exo_s02_r1_hard: {right} of {CUES} cues right");
}
