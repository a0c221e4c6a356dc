//! A blinded trial as a laboratory runs it: a key, a donor, participants by number; nothing tells the arm until it is opened.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use photic::arms;
use recording::RecordedSession;
use serde_json::Value;
use support::*;
use timeline::NoticeKind;

const ARMS: &str = "[arms]\nblock_sizes = [3]\n\
    [[arms.arm]]\nname = \"feedback\"\nratio = 1\nkind = \"active\"\n\
    [[arms.arm]]\nname = \"placebo\"\nratio = 1\nkind = \"sham\"\n\
    [[arms.arm]]\nname = \"partner\"\nratio = 1\nkind = \"yoked\"\n";

/// The thermostat, short, with or without arms.
fn protocol(folder: &Path, arms: &str) -> PathBuf {
    let text = fs::read_to_string(root().join(THERMOSTAT)).unwrap();
    let (head, _) = text.split_once("[[block]]").unwrap();
    let blocks = "[[block]]\nname = \"calibrate\"\nduration_s = 18.0\n\
        calibrate = { stimulus = \"target\", contrast = 0.8, on_s = 8.0, off_s = 1.0 }\n\
        [[block]]\nname = \"hold\"\nduration_s = 20.0\nhold = { stimulus = \"target\", set_point_uv = 1.2 }\n";
    let path = folder.join(if arms.is_empty() { "open.toml" } else { "trial.toml" });
    fs::write(&path, format!("{head}{arms}{blocks}")).unwrap();
    path
}

struct Trial {
    place: tempfile::TempDir,
    protocol: PathBuf,
    key: PathBuf,
    donor: PathBuf,
}

impl Trial {
    fn begin() -> Self {
        let place = tempfile::tempdir().unwrap();
        let open = protocol(place.path(), "");
        let out = place.path().join("donor");
        let summary = session(&open, &out, "P20", &[]).expect(0).json();
        let key = place.path().join("trial.key");
        let made = run(["trial-key", key.to_str().unwrap(), "--trial", "nf-1"], 30.0).expect(0);
        assert!(!fs::read_to_string(&key).unwrap().contains(&made.stdout));
        run(["trial-key", key.to_str().unwrap(), "--trial", "nf-1"], 30.0).expect(2).says(&["trial.key"]);
        // One that is always the same, so that the arms of this test are.
        let text = format!("[trial_key]\ntrial = \"nf-1\"\nsecret = \"{}\"\n", "5a".repeat(32));
        fs::write(&key, text).unwrap();
        let protocol = protocol(place.path(), ARMS);
        Self { protocol, key, donor: session_folder(&summary), place }
    }

    fn participant(&self, number: u32, person: &str) -> (Ended, Value, PathBuf) {
        let number = number.to_string();
        let more = ["--key", self.key.to_str().unwrap(), "--number", &number];
        let more = [&more[..], &["--donor", self.donor.to_str().unwrap()]].concat();
        let ended = session(&self.protocol, &self.place.path().join("out"), person, &more).expect(0);
        let summary = ended.json();
        let folder = session_folder(&summary);
        (ended, summary, folder)
    }

    fn unblind(&self, folders: &[&Path], key: &Path) -> Ended {
        let folders: Vec<&str> = folders.iter().map(|folder| folder.to_str().unwrap()).collect();
        run([&["unblind", "--key", key.to_str().unwrap(), "--json"], &folders[..]].concat(), 60.0)
    }
}

fn session(protocol: &Path, out: &Path, person: &str, more: &[&str]) -> Ended {
    let (protocol, out) = (protocol.to_str().unwrap(), out.to_str().unwrap());
    let base = ["run", protocol, "--clock", "virtual", "--participant", person, "--out", out, "--json"];
    run([&base[..], more].concat(), 120.0)
}

#[test]
fn a_trial_is_blind_until_it_is_opened_and_repeats_to_the_bit() {
    let trial = Trial::begin();
    let sessions: Vec<_> = (1..=3).map(|number| trial.participant(number, "P31")).collect();
    let mut sizes = BTreeSet::new();
    let mut shapes = BTreeSet::new();
    for (ended, summary, folder) in &sessions {
        assert_eq!(summary["tracking_error"], Value::Null, "{summary}");
        assert_eq!(summary["blinded"]["trial"], "nf-1");
        // Nothing in the open says the arm: output, manifest, page, sealed file; the protocol names all three alike.
        let mut open = format!("{}{}", ended.stdout, ended.stderr);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with("_arm.sealed") {
                sizes.insert(fs::metadata(&path).unwrap().len());
            }
            if name == "manifest.json" || name.ends_with("_arm.sealed") {
                open += &String::from_utf8_lossy(&fs::read(&path).unwrap());
            }
        }
        for word in ["feedback", "placebo", "partner", "sham", "yoked"] {
            assert!(!open.contains(word), "{word} in {open}");
        }
        let page = fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(page.contains("Blinded") && !page.contains("Course of the session"));
        let mut keys: Vec<_> = summary.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        shapes.insert(keys);
    }
    assert_eq!((sizes.len(), shapes.len()), (1, 1), "{sizes:?}");

    // Opened: one of each, as one block of three must be.
    let folders: Vec<&Path> = sessions.iter().map(|(_, _, folder)| folder.as_path()).collect();
    let opened = trial.unblind(&folders, &trial.key).expect(0).json();
    let lines = opened["sessions"].as_array().unwrap();
    let kinds: BTreeSet<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["active", "sham", "yoked"]), "{opened}");
    assert!(lines.iter().all(|line| line["check"] == "ok" && line["measured_error_uv"].is_f64()));
    assert!(lines.iter().all(|line| line["donor"].as_str().unwrap().starts_with("sub-P20")));

    let donor = RecordedSession::open(&trial.donor).unwrap();
    for (line, folder) in lines.iter().zip(&folders) {
        // The record repeats with the key and, all but the controller, without.
        let verdict = replays(folder);
        assert!(verdict["sealed"].as_str().unwrap().contains("--key"), "{verdict}");
        let with = ["replay", folder.to_str().unwrap(), "--json", "--key", trial.key.to_str().unwrap()];
        let with = run(with, 60.0).expect(0).json();
        assert_eq!((&with["identical"], &with["sealed"]), (&Value::Bool(true), &Value::Null), "{with}");
        assert!(with["commands"].as_u64().unwrap() > 20);
        fed_as_said(line["kind"].as_str().unwrap(), folder, &donor, &trial.key);
    }
}

/// What is sealed is what the kind says, and the course of contrast follows the person's own values in the active arm alone.
/// That the controller was fed it, the replay with the key shows.
fn fed_as_said(kind: &str, folder: &Path, donor: &RecordedSession, key: &Path) {
    let session = RecordedSession::open(folder).unwrap();
    let held = |session: &RecordedSession| -> Vec<[f64; 2]> {
        let held = session.decisions.iter().filter(|d| d.set_point.is_some());
        held.map(|decision| [decision.value, decision.spread]).collect()
    };
    let secret = arms::open(&session, &arms::TrialKey::read(key).unwrap()).unwrap();
    let calibrated = donor.notices.iter().find(|n| n.kind == NoticeKind::Calibrated).unwrap().value;
    assert_eq!((secret.kind.as_str(), secret.feed.donor_uv), (kind, Some(calibrated)));
    let theirs = held(donor);
    let moments = |values: &[[f64; 2]]| {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| v[0]).sum::<f64>() / n;
        (mean, values.iter().map(|v| (v[0] - mean).powi(2)).sum::<f64>() / n)
    };
    match kind {
        "active" => assert!(secret.clone().into_feed().is_none()),
        "yoked" => assert_eq!(secret.clone().into_feed().unwrap().values, theirs),
        _ => {
            let made = secret.clone().into_feed().unwrap().values;
            let ((mean, variance), (own_mean, own_variance)) = (moments(&made), moments(&theirs));
            assert!((mean - own_mean).abs() < 1e-9 && (variance / own_variance - 1.0).abs() < 0.05);
            let course = |values: &[[f64; 2]]| values.iter().map(|v| v[0]).collect::<Vec<_>>();
            let alike = correlation(&course(&made), &course(&theirs));
            assert!(alike.abs() < 0.7, "another course: {alike}");
        }
    }
    let own: Vec<f64> = held(&session).iter().map(|v| v[0]).collect();
    let first = session.decisions.iter().find(|d| d.set_point.is_some()).unwrap().index;
    let (mut contrast, mut next) = (Vec::new(), 0.0);
    for at in 0..own.len() as u64 {
        let command = session.commands.iter().find(|c| c.decision == Some(first + at));
        next = command.map_or(next, |command| command.contrast.to);
        contrast.push(next);
    }
    // Contrast moves against what the controller sees.
    let change = |course: &[f64]| -> Vec<f64> { course[60..].windows(6).map(|w| w[5] - w[0]).collect() };
    let follows = -correlation(&change(&contrast), &change(&own));
    eprintln!("{kind}: contrast follows the person by {follows:.2}");
    assert!(if kind == "active" { follows > 0.7 } else { follows.abs() < 0.5 }, "{kind}: {follows}");
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let mean = |x: &[f64]| x[..n].iter().sum::<f64>() / n as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>();
    let covariance = sum(&|i| (a[i] - ma) * (b[i] - mb));
    covariance / (sum(&|i| (a[i] - ma).powi(2)) * sum(&|i| (b[i] - mb).powi(2))).sqrt()
}

#[test]
fn what_was_changed_is_found_and_what_lacks_is_refused() {
    let trial = Trial::begin();
    let (_, _, folder) = trial.participant(1, "P05");
    let (_, _, other) = trial.participant(2, "P05");
    let sealed = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.to_str().unwrap().ends_with("_arm.sealed")).unwrap()
    };
    let key = trial.key.to_str().unwrap().to_owned();
    let verify = |folder: &Path, key: Option<&str>| {
        let key = key.into_iter().flat_map(|key| ["--key", key]);
        run(["verify", folder.to_str().unwrap()].into_iter().chain(key), 60.0)
    };
    assert!(verify(&folder, None).expect(0).stdout.contains("sealed"));
    let with = verify(&folder, Some(&key)).expect(0).stdout;
    assert!(with.contains("commitment holds") && !with.contains("placebo"), "{with}");

    // Another trial's key opens nothing.
    let foreign = trial.place.path().join("foreign.key");
    run(["trial-key", foreign.to_str().unwrap(), "--trial", "other"], 30.0).expect(0);
    let line = trial.unblind(&[&folder], &foreign).expect(1).json();
    assert!(line["sessions"][0]["check"].as_str().unwrap().contains("sealed with key"), "{line}");
    verify(&folder, Some(foreign.to_str().unwrap())).expect(1);

    // Sealed arms that were exchanged, a number that was changed, a byte.
    let copies = trial.place.path().join("copies");
    let copy = copy_of(&folder, &copies);
    fs::copy(sealed(&other), sealed(&copy)).unwrap();
    assert!(verify(&copy, None).expect(1).stdout.contains("was changed"));
    let line = trial.unblind(&[&copy, &other], &trial.key).expect(1).json();
    assert_eq!(line["all_checks_hold"], false);
    let copy = copy_of(&folder, &copies);
    let manifest = fs::read_to_string(copy.join("manifest.json")).unwrap();
    fs::write(copy.join("manifest.json"), manifest.replace("\"number\": 1", "\"number\": 2")).unwrap();
    verify(&copy, None).expect(0);
    assert!(verify(&copy, Some(&key)).expect(1).stdout.contains("does not open"));

    // A repeated number is told.
    let again = trial.unblind(&[&folder, &folder, &other], &trial.key).expect(0).json();
    assert_eq!(again["numbers_with_more_sessions"], serde_json::json!([1]));

    // What lacks, before anything runs.
    let out = trial.place.path().join("none");
    let refused = |protocol: &Path, more: &[&str], says: &[&str]| {
        session(protocol, &out, "P05", more).expect(2).says(says);
        assert!(!out.exists());
    };
    let donor = trial.donor.to_str().unwrap();
    refused(&trial.protocol, &[], &["--key", "--number", "--donor"]);
    refused(&trial.protocol, &["--key", &key, "--number", "1"], &["--donor"]);
    refused(&trial.protocol, &["--key", &key, "--number", "0", "--donor", donor], &["--number 0"]);
    refused(&trial.protocol, &["--key", "Cargo.toml", "--number", "1", "--donor", donor], &["Cargo.toml"]);
    let open = protocol(trial.place.path(), "");
    refused(&open, &["--number", "1"], &["no [arms]"]);
    let longer = trial.place.path().join("longer.toml");
    let text = fs::read_to_string(&trial.protocol).unwrap();
    fs::write(&longer, text.replace("duration_s = 20.0", "duration_s = 30.0")).unwrap();
    refused(&longer, &["--key", &key, "--number", "1", "--donor", donor], &["[[block]]", "differ"]);
    for (from, to, says) in [
        ("block_sizes = [3]", "block_sizes = [4]", "multiples of 3"),
        ("kind = \"active\"", "kind = \"sham\"", "at least one active arm"),
        ("name = \"placebo\"", "name = \"feedback\"", "no other arm"),
    ] {
        fs::write(&longer, text.replace(from, to)).unwrap();
        run(["check", longer.to_str().unwrap()], 30.0).expect(2).says(&[says]);
    }
    // Counterfactuals of a blinded session would tell, and would be wrong.
    run(["replay", folder.to_str().unwrap(), "--participant", "fitted"], 60.0).expect(2).says(&["sealed"]);
}
