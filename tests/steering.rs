//! The inception loop as a command: a short `drive`, what it leaves, and that it repeats.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use recording::RecordedSession;
use serde_json::Value;
use support::*;
use timeline::{NoticeKind, Purpose};

/// The shipped protocol with fewer presentations and steps.
fn short(folder: &Path, edit: impl Fn(String) -> String) -> PathBuf {
    let text = fs::read_to_string(root().join("protocols/drive.toml")).unwrap();
    let changes = [
        ("duration_s = 57.0", "duration_s = 27.0"),
        ("on_s = 10.0", "on_s = 8.0"),
        ("window_s = 8.0", "window_s = 2.0"),
        ("on_s = 8.8", "on_s = 2.8"),
        ("presentations = 120", "presentations = 14"),
        ("probes = 16", "probes = 8"),
        ("steps = 40", "steps = 6"),
    ];
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "protocols/drive.toml has no `{from}` any more");
        text.replace(from, to)
    });
    let path = folder.join("short.toml");
    fs::write(&path, edit(text)).unwrap();
    path
}

fn drive(protocol: &Path, out: &Path, more: &[&str]) -> (Value, PathBuf) {
    let protocol = protocol.to_str().unwrap();
    let out = out.to_str().unwrap();
    let mut arguments =
        vec!["run", protocol, "--clock", "virtual", "--participant", "P31", "--out", out, "--json"];
    arguments.extend(more);
    let summary = run(&arguments, 120.0).expect(0).json();
    let folder = session_folder(&summary);
    (summary, folder)
}

#[test]
fn a_short_drive_is_recorded_replayed_and_repeated() {
    let place = tempfile::tempdir().unwrap();
    let protocol = short(place.path(), |text| text);
    let (summary, folder) = drive(&protocol, &place.path().join("a"), &["--brain", "energy-1"]);
    assert_eq!((&summary["presentations"], &summary["exit"]), (&14.into(), &"finished".into()), "{summary}");
    assert!(summary["normalised_gain"].is_f64(), "{summary}");
    assert_eq!(summary["steered"]["gain"]["course"].as_array().unwrap().len(), 14);

    let session = RecordedSession::open(&folder).unwrap();
    assert_eq!((session.answers.len(), session.pictures.len()), (14, 15), "picture 0 is for calibration");
    let probes = session
        .answers
        .iter()
        .filter(|answer| matches!(answer.purpose, Purpose::ProbeNatural | Purpose::ProbeGabor));
    assert_eq!(probes.count(), 8, "probes count as presentations");
    for shown in &session.presentations {
        let texels = &session.pictures[shown.picture as usize];
        assert_eq!(texels.len(), 48 * 48);
        assert!(texels.iter().all(|texel| (-1.0..=1.0).contains(texel)));
        let rms = (texels.iter().map(|t| f64::from(t * t)).sum::<f64>() / texels.len() as f64).sqrt();
        // The aperture is a part of the square.
        assert!((0.1..0.2).contains(&rms), "{rms}");
    }
    replays(&folder);

    let (again, other) = drive(&protocol, &place.path().join("b"), &["--brain", "energy-1"]);
    assert_eq!(summary["steered"], again["steered"]);
    let other = RecordedSession::open(&other).unwrap();
    assert_eq!((&session.pictures, &session.commands), (&other.pictures, &other.commands));
}

/// The brain that the session's own answers come from makes a difference, and the EEG carries it.
#[test]
fn what_is_measured_is_what_the_brain_does() {
    let place = tempfile::tempdir().unwrap();
    let protocol = short(place.path(), |text| text.replace("presentations = 14", "presentations = 24"));
    let (_, folder) = drive(&protocol, &place.path().join("a"), &["--brain", "energy-1"]);
    let session = RecordedSession::open(&folder).unwrap();
    let pairs: Vec<(f64, f64)> = session
        .presentations
        .iter()
        .filter_map(|shown| {
            let decision = session.decisions.iter().find(|d| Some(d.index) == shown.decision)?;
            let within = session
                .latents
                .iter()
                .filter(|latent| latent.at_ns > shown.begin_ns + 700_000_000 && latent.at_ns < shown.end_ns);
            let latent: Vec<f64> = within.map(|latent| latent.response_uv).collect();
            Some((latent.iter().sum::<f64>() / latent.len() as f64, decision.value))
        })
        .collect();
    let n = pairs.len() as f64;
    assert!(n >= 20.0, "{n}");
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (a, b) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let covariance = sum(&|p| (p.0 - a) * (p.1 - b));
    let correlation = covariance / (sum(&|p| (p.0 - a).powi(2)) * sum(&|p| (p.1 - b).powi(2))).sqrt();
    println!("latent {a:.2} uV, measured {b:.2} uV, correlation {correlation:.2} over {n} presentations");
    assert!(correlation > 0.4, "{correlation}");
}

/// From grey to the first picture, then from picture to picture, without a gap; and drawn once more from the record.
#[test]
fn pictures_go_over_into_each_other_and_frames_between_two_are_drawn_again() {
    let Some(()) = vulkan_is_there() else { return };
    let place = tempfile::tempdir().unwrap();
    let protocol = short(place.path(), |text| {
        let flicker = "flicker = { counterphase_hz = 7.5, waveform = \"sine\" }";
        let text = text.replace(flicker, &format!("{flicker}\ncross_fade_s = 0.5"));
        // No calibration can be trusted after so short a time, and need not.
        let text = text.replace("if_uncalibrated = \"end\"", "if_uncalibrated = \"go-on\"");
        text.replace("duration_s = 27.0", "duration_s = 9.0")
    });
    let out = place.path().join("live");
    let live = [
        "run",
        protocol.to_str().unwrap(),
        "--in-process",
        "--display",
        "offscreen",
        "--participant",
        "P31",
        "--json",
    ];
    let summary = run([&live[..], &["--seconds", "18", "--out", out.to_str().unwrap()]].concat(), 120.0)
        .expect(0)
        .json();
    let folder = session_folder(&summary);
    let session = RecordedSession::open(&folder).unwrap();
    let named: Vec<u64> = session.presentations.iter().map(|shown| shown.picture).collect();
    assert!(named.len() >= 2, "{named:?}");
    // The frames of the second picture's fade.
    let begun = session.commands.iter().find(|command| command.picture == Some(named[1])).unwrap();
    assert_eq!((begun.contrast.from, begun.contrast.to), (1.0, 1.0));
    let flips: Vec<_> = session.flips.iter().filter(|flip| flip.command == Some(begun.index)).collect();
    let first = flips[0].frame;
    let mut seen = Vec::new();
    for drawn in session.drawn.iter().filter(|drawn| (first..first + 34).contains(&drawn.frame)).step_by(6) {
        let json =
            run(["frames", folder.to_str().unwrap(), "--at", &drawn.frame.to_string(), "--json"], 60.0);
        let json = json.expect(0).json();
        assert_eq!(json["same"], true, "{json}");
        let weight = json["weight"].as_f64().unwrap();
        let wanted = ((drawn.frame - first + 1) as f64 / 30.0).min(1.0);
        assert!((weight - wanted).abs() < 1e-12, "{weight} of {wanted}");
        if weight < 1.0 {
            assert_eq!(json["pictures"], serde_json::json!([named[0], named[1]]));
        }
        seen.push(weight);
    }
    assert!(seen.iter().filter(|weight| **weight < 1.0).count() >= 3, "{seen:?}");
    replays(&folder);

    // On the virtual clock the retina sees the same.
    let (summary, folder) = drive(&protocol, &place.path().join("virtual"), &["--brain", "energy-1"]);
    assert_eq!(summary["exit"], "finished", "{summary}");
    replays(&folder);

    let limits = "\n[limits]\ndose_s = 900.0\non_time = { longest_s = 30.0, pause_s = 2.0, total_s = 900.0 }\nslew_per_s = 5.0\n\
        session_s = 3600.0\n";
    let text = fs::read_to_string(&protocol).unwrap();
    let path = place.path().join("apart.toml");
    fs::write(&path, text.replacen("\n[[block]]", &format!("{limits}\n[[block]]"), 1)).unwrap();
    run(["check", path.to_str().unwrap()], 60.0).expect(2).says(&["cross_fade_s", "[limits]"]);
}

/// One step of the model is timed on this machine: a deadline below it is refused, one above it told in steps.
#[test]
fn a_deadline_shorter_than_one_step_is_refused_before_anybody_sits_down() {
    let place = tempfile::tempdir().unwrap();
    let text = |from, to| short(place.path(), move |text: String| text.replace(from, to));
    let path = text("deadline_s = 0.8 ", "deadline_s = 0.000001 ");
    let says = ["deadline_s: found 0.000001", "at least one step", "s on this machine"];
    run(["check", path.to_str().unwrap()], 60.0).expect(2).says(&says);
    let out = place.path().join("none");
    let live = ["run", path.to_str().unwrap(), "--in-process", "--display", "offscreen", "--out"];
    let live = [&live[..], &[out.to_str().unwrap(), "--participant", "P31"]].concat();
    if vulkan_is_there().is_some() {
        run(&live, 60.0).expect(2).says(&says);
    }
    let path = text("deadline_s = 0.8 ", "deadline_s = 0.9 ");
    let seen = run(["check", path.to_str().unwrap()], 60.0).expect(0).stdout;
    let line = seen.lines().find(|line| line.starts_with("planner")).unwrap_or_else(|| panic!("{seen}"));
    assert!(line.contains("ms per step here; deadline_s = 0.9 holds"), "{line}");
}

const SILENT: &str = "name = \"silent\"\nbase = \"P31\"\ngain_uv = 0.0\n";

/// A person whose response cannot be told from the background: the protocol says what then happens.
#[test]
fn without_a_response_nothing_is_steered_unless_the_protocol_says_so() {
    let place = tempfile::tempdir().unwrap();
    let person = place.path().join("silent.toml");
    fs::write(&person, SILENT).unwrap();
    let outcome = |choice: &str| {
        let out = place.path().join(choice);
        let to = format!("if_uncalibrated = \"{choice}\"");
        let protocol = short(place.path(), |text| text.replace("if_uncalibrated = \"end\"", &to));
        let arguments = [
            "run",
            protocol.to_str().unwrap(),
            "--clock",
            "virtual",
            "--participant",
            person.to_str().unwrap(),
        ];
        let summary = run([&arguments[..], &["--out", out.to_str().unwrap(), "--json"]].concat(), 120.0);
        let folder = session_folder(&summary.expect(0).json());
        replays(&folder);
        RecordedSession::open(&folder).unwrap()
    };
    let told = |session: &RecordedSession, kind| {
        session
            .notices
            .iter()
            .filter(|notice| notice.kind == kind)
            .map(|notice| notice.value)
            .collect::<Vec<_>>()
    };
    let ended = outcome("end");
    let failed = told(&ended, NoticeKind::CalibrationFailed);
    assert!(failed.len() == 1 && failed[0] < 4.0, "{failed:?}");
    assert_eq!(told(&ended, NoticeKind::NotSteered), failed);
    assert!(ended.presentations.is_empty() && ended.requests.is_empty());

    let went_on = outcome("go-on");
    assert_eq!(went_on.presentations.len(), 14);
    let probes = told(&went_on, NoticeKind::ProbesSilent);
    assert!(probes.len() == 1 && probes[0] < 4.0, "{:?}", went_on.notices);
}

#[test]
fn the_files_that_a_planner_is_given_are_in_the_manifest() {
    let place = tempfile::tempdir().unwrap();
    let people = fs::read(root().join("priors/drive-people.toml")).unwrap();
    fs::write(place.path().join("people.toml"), &people).unwrap();
    let protocol = short(place.path(), |text| {
        let text = text.replace("presentations = 14", "presentations = 10");
        text.replace("[planner]", "[planner]\nprior = \"people.toml\"")
    });
    let (_, folder) = drive(&protocol, &place.path().join("out"), &["--brain", "energy-1"]);
    let session = RecordedSession::open(&folder).unwrap();
    let sha256 = recording::sha256_hex(&people);
    let told = serde_json::json!([{ "key": "planner.prior", "file": "people.toml", "sha256": sha256 }]);
    assert_eq!(session.meta.extra["files"], told);
    replays(&folder);
}

#[test]
fn what_cannot_be_steered_is_refused_with_numbers() {
    let place = tempfile::tempdir().unwrap();
    let refused = |edit: &dyn Fn(String) -> String, more: &[&str], says: &[&str]| {
        let protocol = short(place.path(), edit);
        let protocol = protocol.to_str().unwrap();
        let out = place.path().join("none");
        let mut arguments = vec!["run", protocol, "--clock", "virtual", "--participant", "P31"];
        arguments.extend(["--out", out.to_str().unwrap()]);
        arguments.extend(more);
        run(&arguments, 60.0).expect(2).says(says);
    };
    refused(&|text| text, &["--brain", "nobody"], &["nobody", "energy-1"]);
    refused(&|text| text.replace("texel_deg = 0.2", "texel_deg = 0.13"), &[], &["0.13", "1.30 px"]);
    refused(
        &|text| text.replace("texels = 48", "texels = 64\n").replace("texel_deg = 0.2", "texel_deg = 0.4"),
        &[],
        &["64 texels", "256 px", "320 x 240"],
    );
    refused(
        &|text| text.replace("answer_within_s = 3.0", "answer_within_s = 0.5"),
        &[],
        &["answer_within_s", "gap_s"],
    );
    refused(
        &|text| text.replace("on_s = 2.8", "on_s = 2.3"),
        &[],
        &["steer.on_s", "2.3", "2.400 s", "window_s = 2"],
    );
    refused(
        &|text| text.replace("duration_s = 1500.0", "duration_s = 2.5"),
        &[],
        &["steer.on_s", "2.8", "duration_s = 2.5"],
    );
    refused(
        &|text| text.replace("presentations = 14", "presentations = 8"),
        &[],
        &["steer.presentations", "8", "more than [planner] probes, 8"],
    );
    refused(
        &|text| {
            let (from, to) =
                (text.find("# The picture that calibrates").unwrap(), text.find("# A presentation").unwrap());
            [&text[..from], &text[to..]].concat()
        },
        &[],
        &["block[drive].steer", "calibrate"],
    );
    refused(
        &|text| text.replace("if_uncalibrated = \"end\"", "if_uncalibrated = \"pray\""),
        &[],
        &["if_uncalibrated", "\"pray\"", "\"end\", \"go-on\""],
    );
    refused(&|text| text.replace("contrast_rms = 0.2", "contrast_rms = 0.9"), &[], &["contrast_rms", "0.5"]);
    refused(&|text| text.replace("[planner]", "[planer]"), &[], &["planer"]);
}
