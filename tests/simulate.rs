//! `photic simulate` as other software sees it: pylsl finds the streams, records them, and judges what is in them.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::Path;

use clap::Parser;
use photic::cli::{Cli, Command};
use photic::simulate::{SimulateArgs, in_memory};
use serde_json::Value;
use support::judge::Meeting;
use support::*;

/// What the judge records.
const SECONDS: f64 = 6.0;

const SEEN: &str = "counterphase_hz=7.5,waveform=sine,contrast=0.8,on_s=60,off_s=0";

/// Somebody without noise, whose gain stands still: what is in the EEG is the response alone.
const SILENT: &str = r#"
name = "silent"
base = "P31"
drift_sd = 0.0
fluctuation_sd = 0.0
background_uv = 0.0
alpha_uv = 0.0
mains_uv = 0.0
blink_uv = 0.0
sensor_uv = 0.0
"#;

fn arguments(line: &[&str]) -> SimulateArgs {
    match Cli::try_parse_from(["photic", "simulate"].iter().chain(line)).unwrap().command {
        Command::Simulate(args) => args,
        _ => unreachable!(),
    }
}

fn described(folder: &Path, text: &str) -> String {
    let path = folder.join("person.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The simulation and the judge together; what the one summed up and the other saw.
fn meet(meeting: &Meeting, line: &[&str], judge: &[&str]) -> (Value, Value) {
    let mut command = photic(["simulate", "--json"].iter().chain(line));
    let simulated = Process::start(command.env("PHOTIC_LSL_SESSION", &meeting.session));
    let pid = simulated.id().to_string();
    let judge: Vec<&str> = judge.iter().map(|word| if *word == "PID" { &pid } else { *word }).collect();
    let seen = meeting.judge("simulated_participant.py", &judge).end(60.0).expect(0).json();
    (simulated.end(30.0).expect(0).json(), seen)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn another_program_finds_the_participant_with_its_rate_labels_places_and_response() {
    let (Some(()), Some(meeting)) = (lsl_is_there(), Meeting::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let person = described(folder.path(), SILENT);
    let line =
        ["--participant", &person, "--stimulus", SEEN, "--seed", "5", "--wait-s", "20", "--duration", "7"];
    let (summary, seen) = meet(
        &meeting,
        &line,
        &[
            "photic-participant-silent",
            "--seconds",
            "6",
            "--hz",
            "15",
            "--hz",
            "7.5",
            "--span",
            "2:6",
            "--montage",
        ],
    );
    let stream = &seen["streams"][0];
    eprintln!("{summary}\n{stream}");
    assert_eq!((stream["type"].as_str(), number(&stream["rate"])), (Some("EEG"), 250.0));
    let channels = stream["channels"].as_array().unwrap();
    let labels: Vec<&str> = channels.iter().map(|channel| channel["label"].as_str().unwrap()).collect();
    assert_eq!(labels.join(","), CHANNELS);
    assert!(channels.iter().all(|channel| channel["unit"] == "microvolts" && channel["type"] == "EEG"));
    // Two spherical models of the 10-10 system differ by some degrees.
    assert!(number(&seen["worst_angle_deg"]) < 20.0, "{}", seen["worst_angle_deg"]);
    let person =
        participant::Person::read(stream["desc"]["participant_toml"].as_str().unwrap(), "desc").unwrap();
    assert_eq!((person.name.as_str(), stream["desc"]["seed"].as_str()), ("silent", Some("5")));

    let measured = number(&stream["measured_rate"]);
    assert!((measured / 250.0 - 1.0).abs() < 0.001, "{measured} Hz");
    assert_eq!(stream["gaps"].as_array().unwrap().len(), 0);
    assert!(number(&stream["worst_grid"]) < 0.01, "stamps lie on their grid");

    // What the description says: gain times contrast response, at 2f and hardly at f.
    let expected = person.gain_uv * person.contrast_response(0.8);
    let amplitude = number(&stream["amplitudes"]["15.0"]);
    assert!((amplitude / expected - 1.0).abs() < 0.05, "{amplitude} and {expected} uV");
    assert!(number(&stream["amplitudes"]["7.5"]) < 0.02 * expected);

    let (_, values) = in_memory(&arguments(&line), SECONDS + 0.5).unwrap();
    let first = &values[..(SECONDS * 250.0) as usize * channels.len()];
    assert_eq!(stream["sha256"], sha256(first), "the same bits over LSL as in memory");
}

#[test]
fn a_dropout_is_a_gap_and_eyes_and_screen_have_their_streams() {
    let (Some(()), Some(meeting)) = (lsl_is_there(), Meeting::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let person = described(
        folder.path(),
        "name = \"loose\"\nbase = \"P31\"\n[effects.dropouts]\nat_s = [2.0, 4.0]\nduration_s = 1.0\n",
    );
    let with = ["--with", "saccades,blinks", "--gaze", "--markers", "--chunk", "5"];
    let line = ["--participant", &person, "--stimulus", SEEN, "--wait-s", "20", "--duration", "7"];
    let (summary, seen) = meet(
        &meeting,
        &[&line[..], &with[..]].concat(),
        &["photic-participant-loose", "--seconds", "6", "--also=-gaze", "--also=-markers", "--also=-shown"],
    );
    eprintln!("{summary}\n{seen}");
    let [eeg, gaze, markers, shown] = seen["streams"].as_array().unwrap().as_slice() else {
        panic!("{seen}")
    };
    let gaps: Vec<(f64, f64)> =
        eeg["gaps"].as_array().unwrap().iter().map(|gap| (number(&gap[0]), number(&gap[1]))).collect();
    let near = |(at_s, long_s): &(f64, f64), from_s: f64| {
        (at_s - (from_s - 0.004)).abs() < 1e-3 && (long_s - 1.004).abs() < 1e-3
    };
    assert!(gaps.len() == 2 && near(&gaps[0], 2.0) && near(&gaps[1], 4.0), "{gaps:?}");
    assert_eq!((summary["samples_lost"].as_u64(), summary["samples_sent"].as_u64()), (Some(500), Some(1250)));

    assert_eq!((gaze["type"].as_str(), gaze["gaps"].as_array().map(Vec::len)), (Some("Gaze"), Some(0)));
    assert!((0.1..1.0).contains(&number(&gaze["gaze_sd"])), "{}", gaze["gaze_sd"]);
    let texts = |stream: &Value| -> Vec<(f64, String)> {
        let texts = stream["texts"].as_array().unwrap().iter();
        texts.map(|entry| (number(&entry[0]), entry[1].as_str().unwrap().to_owned())).collect()
    };
    let told = texts(markers);
    let count = |what: &str| told.iter().filter(|(_, text)| text == what).count();
    assert!(count("saccade") >= 3, "{told:?}");
    let lost = told
        .iter()
        .filter(|(_, text)| text.starts_with("dropout"))
        .map(|(at_s, text)| ((at_s * 1000.0).round() as i64, text.as_str()));
    let expected = [(2000, "dropout"), (3000, "dropout end"), (4000, "dropout"), (5000, "dropout end")]
        .map(|(ms, text)| (ms, text));
    assert_eq!(lost.collect::<Vec<_>>(), expected);
    assert_eq!(texts(shown)[0].1, "on 0.8 target");
}

#[test]
fn the_participant_sees_what_markers_say_and_a_stall_is_made_up_for() {
    let (Some(()), Some(meeting)) = (lsl_is_there(), Meeting::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let person = described(folder.path(), SILENT);
    let line =
        ["--participant", &person, "--listen", "presentations", "--name", "someone", "--duration", "9"];
    let (summary, seen) = meet(
        &meeting,
        &line,
        &[
            "someone",
            "--seconds",
            "6",
            "--hz",
            "15",
            "--span",
            "4:6",
            "--tell",
            "presentations",
            "--at",
            "1:hello",
            "--at",
            "1:on 0.4",
            "--stall",
            "PID",
            "--stall-at",
            "2",
            "--stall-for",
            "1.2",
        ],
    );
    eprintln!("{summary}\n{seen}");
    assert_eq!((summary["markers_heard"].as_u64(), summary["markers_unknown"].as_u64()), (Some(1), Some(1)));
    let stream = &seen["streams"][0];
    let person = participant::Person::read(SILENT, "silent").unwrap();
    let (amplitude, expected) =
        (number(&stream["amplitudes"]["15.0"]), person.gain_uv * person.contrast_response(0.4));
    assert!((amplitude / expected - 1.0).abs() < 0.06, "{amplitude} and {expected} uV");
    // It stood still for 1.2 s: its samples came late, and none is missing.
    assert!(number(&stream["worst_delay"]) > 1.0, "{}", stream["worst_delay"]);
    assert_eq!(stream["gaps"].as_array().unwrap().len(), 0);
    assert!(number(&summary["latest_s"]) > 1.0 && number(&summary["skipped_s"]) == 0.0);
}

#[test]
fn what_is_refused_says_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let bad = described(folder.path(), "name = \"x\"\nbase = \"P31\"\n[effects.saccades]\nper_s = 2.0\n");
    for (line, says) in [
        (&["--participant", "P99"][..], &["P99", "P01"][..]),
        (&["--participant", "nobody.toml"], &["nobody.toml"]),
        (&["--participant", &bad], &[&bad, "refractory_s"]),
        (&["--with", "hiccups"], &["hiccups", "adaptation, attention, saccades, blinks, dropouts"]),
        (&["--stimulus", "hz=12"], &["hz", "on_off_hz"]),
        (&["--stimulus", "on_off_hz=13,waveform=square,contrast=1,on_s=1,off_s=1"], &["13", "10.0", "15.0"]),
        (&["--chunk", "0"], &["--chunk 0", "1 to 4096"]),
        (&["--duration", "0"], &["--duration 0"]),
        (&["--brain", "maximum-9"], &["maximum-9", "maximum-1"]),
        (&["--gaze"], &["--gaze", "saccades"]),
    ] {
        let ended = run(["simulate"].iter().chain(line), 30.0);
        assert_eq!(ended.code, Some(2), "{line:?}");
        ended.says(says);
    }
    let ended = run(["run", THERMOSTAT, "--participant", "none", "--with", "saccades"], 30.0).expect(2);
    ended.says(&["--with saccades", "--participant"]);
}

/// Another participant's session says in its manifest who it was, and that text brings it about again.
#[test]
fn a_session_with_effects_can_be_repeated_from_its_manifest() {
    let out = tempfile::tempdir().unwrap();
    let short = ["--seconds", "12"];
    let (first, folder) = virtual_session(
        out.path(),
        "P31",
        3,
        &[&short[..], &["--with", "adaptation,attention,saccades,blinks,dropouts"]].concat(),
    );
    replays(&folder);
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let text = manifest["participant_toml"].as_str().unwrap();
    let person = described(out.path(), text);
    let again = tempfile::tempdir().unwrap();
    let (second, folder_again) = virtual_session(again.path(), &person, 3, &short);
    assert_eq!(first["tracking_error"], second["tracking_error"]);
    let [a, b] = [&folder, &folder_again].map(|folder| recording::RecordedSession::open(folder).unwrap());
    assert_eq!(a.meta.participant, b.meta.participant);
    assert!(a.sources[0].values == b.sources[0].values, "the same samples to the bit");
    let (_, plain) = virtual_session(again.path(), "P31", 3, &short);
    let manifest: Value = serde_json::from_slice(&fs::read(plain.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["participant_toml"], Value::Null, "a committed person's name says it all");
}

fn sha256(values: &[f64]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
    recording::sha256_hex(&bytes)
}

/// `photic run` in front of nobody and `photic simulate` in another process: the one says what it shows, the other sees it.
#[test]
fn a_session_and_a_simulated_participant_meet_over_lsl() {
    let (Some(()), Some(())) = (lsl_is_there(), vulkan_is_there()) else { return };
    let out = tempfile::tempdir().unwrap();
    let person = described(out.path(), SILENT);
    let protocol = out.path().join("show.toml");
    fs::write(&protocol, SHOW).unwrap();
    let session = lsl_session();
    let line = ["simulate", "--participant", &person, "--seed", "2", "--json", "--duration", "13"];
    let simulated = Process::start(photic(line).env("PHOTIC_LSL_SESSION", &session));
    let sessions = out.path().join("sessions");
    let mut run =
        photic(["run", "--participant", "none", "--display", "offscreen", "--publish", "--seconds", "7.5"]);
    run.arg(&protocol).arg("--out").arg(&sessions).env("PHOTIC_LSL_SESSION", &session);
    Process::start(&mut run).end(60.0).expect(0);
    let summary = simulated.end(30.0).expect(0).json();
    assert!(
        summary["markers_heard"].as_u64().unwrap() > 30,
        "the ramps and four beats each second: {summary}"
    );
    assert_eq!(summary["markers_unknown"], 0, "{summary}");
    let session = session_below(&sessions);
    let (eeg, rate_hz) = (&session.sources[0], 250.0);
    let on = session.flips.iter().find(|flip| flip.contrast > 0.59).unwrap().onset_ns;
    // Four seconds at Oz, after the listener has found the stream.
    let chosen: Vec<f64> = eeg
        .stamps_s
        .iter()
        .zip(eeg.values.chunks_exact(8))
        .filter(|(stamp_s, _)| (1.5..5.5).contains(&(**stamp_s - timeline::s_from_ns(on))))
        .map(|(_, row)| row[6])
        .collect();
    assert!((998..=1001).contains(&chosen.len()), "{}", chosen.len());
    let turn = std::f64::consts::TAU * 15.0 / rate_hz;
    let part = |f: fn(f64) -> f64| {
        chosen.iter().enumerate().map(|(i, uv)| uv * f(turn * i as f64)).sum::<f64>() * 2.0
            / chosen.len() as f64
    };
    let amplitude = part(f64::cos).hypot(part(f64::sin));
    let person = participant::Person::read(SILENT, "silent").unwrap();
    let expected = person.gain_uv * person.contrast_response(0.6);
    assert!((amplitude / expected - 1.0).abs() < 0.08, "{amplitude} and {expected} uV");
}
