//! Pictures that wait for a state, and a planner that conditions on it: a whole session of a simulated person whose response
//! depends on alpha. (Of persons without a dependence: `crates/planner/tests/state.rs`.)
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::Path;

use recording::RecordedSession;
use serde_json::Value;
use support::*;
use timeline::OnsetOutcome;

/// The shipped `drive` with short presentations that wait for low alpha.
fn protocol(folder: &Path) -> String {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let phases = read("protocols/phase-onset.toml");
    let state =
        &phases[phases.find("[onset]").unwrap()..phases.find("# Without a simulated participant").unwrap()];
    let rest = "[[block]]\nname = \"rest\"\nduration_s = 42.0\nrest = {}\n\n";
    let changes = [
        ("duration_s = 57.0", "duration_s = 27.0"),
        ("on_s = 10.0", "on_s = 8.0"),
        ("window_s = 8.0", "window_s = 2.0"),
        ("on_s = 8.8", "on_s = 2.8"),
        ("presentations = 120", "presentations = 60"),
        ("steps = 40", "steps = 6"),
        ("aim = \"drive\"", "aim = \"drive\"\nstate = \"power\""),
        (
            "answer_within_s = 3.0",
            "answer_within_s = 3.0, onset = { power_max = 0.5, timeout_s = 1.0, then = \"go\" }",
        ),
    ];
    let text = changes.iter().fold(read("protocols/drive.toml"), |text, (from, to)| {
        assert!(text.contains(from), "protocols/drive.toml has no `{from}` any more");
        text.replace(from, to)
    });
    let path = folder.join("state.toml");
    fs::write(&path, text.replacen("[[block]]", &format!("{state}\n{rest}[[block]]"), 1)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A session of P31 with alpha that is slow enough to be forecast, and that dependence of the response on it.
fn session(folder: &Path, protocol: &str) -> (Value, RecordedSession) {
    let name = "alpha-gates";
    let person = folder.join(format!("{name}.toml"));
    let text = format!(
        "base = \"P31\"\nname = \"{name}\"\nalpha_gain = -0.4\nalpha_half_width_hz = 0.3\nalpha_uv = 10.0\n"
    );
    fs::write(&person, text).unwrap();
    let (person, out) = (person.to_str().unwrap(), folder.join(name));
    let arguments = ["run", protocol, "--clock", "virtual", "--participant", person, "--brain", "energy-1"];
    let more = ["--seed", "4", "--out", out.to_str().unwrap(), "--json"];
    let summary = run([arguments.as_slice(), &more].concat(), 200.0).expect(0).json();
    let folder = session_folder(&summary);
    replays(&folder);
    (summary, RecordedSession::open(&folder).unwrap())
}

#[test]
fn the_dependence_of_the_response_on_alpha_is_found() {
    let place = tempfile::tempdir().unwrap();
    let protocol = protocol(place.path());
    let (summary, recorded) = session(place.path(), &protocol);
    assert_eq!((&summary["presentations"], &summary["exit"]), (&60.into(), &"finished".into()), "{summary}");
    let onsets = &summary["onsets"];
    println!("{onsets:#}\n{:#}", summary["steered"]["state"]);
    assert_eq!((&onsets["presentations"], &onsets["at_other_refresh"]), (&60.into(), &0.into()));
    let (met, timed_out) = (onsets["met"].as_u64().unwrap(), onsets["timed_out"].as_u64().unwrap());
    assert!(met + timed_out == 60 && met > 10 && timed_out > 10, "{onsets}");
    for onset in &recorded.onsets {
        assert!(onset.outcome == OnsetOutcome::TimedOut || onset.power <= 0.5, "{onset:?}");
    }
    for shown in &recorded.presentations {
        let onset = recorded.onsets.iter().find(|onset| onset.command == Some(shown.command)).unwrap();
        let report =
            recorded.requests.iter().find(|request| request.presentation == Some(shown.index)).unwrap();
        assert_eq!(report.state.power.to_bits(), onset.power.to_bits());
    }
    let state = &summary["steered"]["state"];
    let (b, error) =
        (state["coefficients"][0].as_f64().unwrap(), state["standard_errors"][0].as_f64().unwrap());
    assert!(b < 0.0 && -b > 2.0 * error && state["probability"].as_f64().unwrap() > 0.8, "{state}");
}
