//! Drive studies as their users run them, the channel that they run over, and searches as planners of a session.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use participant::Person;
use photic::brain::Brain;
use photic::experiment::Experiment;
use photic::study::drive::channel::{Channel, Line, fitted, observe};
use support::{judge, output, photic, replays, root, run, session_folder};

const SPEC: &str = r#"
[study]
name = "few"
description = "Whether drive studies can be interrupted"
participants = ["P18", "P21"]
tuning_seeds = [1]
held_out_seeds = [2]
compare = "Gabors"
[drive]
protocol = "PROTOCOL"
tuning_brains = ["energy-1", "maximum-1"]
held_out_brains = ["energy-101"]
[[arm]]
name = "Gabors"
method = "gabor"
presentations = 64
[[arm]]
name = "CMA-ES"
method = "cma-es"
presentations = 40
"#;

fn room() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let protocol = root().join("protocols/drive.toml");
    let path = folder.path().join("spec.toml");
    fs::write(&path, SPEC.replace("PROTOCOL", protocol.to_str().unwrap())).unwrap();
    (folder, path)
}

fn study(spec: &Path, out: &Path, more: &[&str]) -> support::Ended {
    let fixed = ["study", spec.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"];
    support::Process::start(&mut photic(fixed.iter().chain(more))).end(300.0)
}

#[test]
fn whole_or_in_shards_it_gives_the_same_bytes() {
    let (folder, spec) = room();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let said = study(&spec, &whole, &[]).expect(0).json();
    assert_eq!((said["sessions"].as_u64(), said["failed"].as_u64()), (Some(8), Some(0)), "{said}");
    study(&spec, &parts, &["--shard", "1/2"]).expect(0);
    // What a kill left torn runs again.
    let journal = parts.join("journal-1-of-2.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 30]).unwrap();
    assert_eq!(study(&spec, &parts, &["--shard", "1/2"]).expect(0).json()["ran"], 1);
    assert_eq!(study(&spec, &parts, &["--shard", "2/2"]).expect(0).json()["whole"], true);
    for file in ["sessions.parquet", "study.json", "report.html", "spec.toml"] {
        assert!(fs::read(whole.join(file)).unwrap() == fs::read(parts.join(file)).unwrap(), "{file} differs");
    }
    let results: serde_json::Value =
        serde_json::from_slice(&fs::read(whole.join("study.json")).unwrap()).unwrap();
    assert!(results["channel"].as_str().unwrap().contains("No EEG was simulated"));
    let last = &results["arms"][1]["by_group"][2];
    assert_eq!((last["group"].as_str(), last["sessions"].as_u64()), (Some("all"), Some(4)));
    let page = fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("not a result to be quoted") && page.contains("&gt;40"), "{}", page.len());
    let Some(python) = judge::python() else { return };
    let script = "import duckdb, json, sys\n\
                  rows = duckdb.sql(f\"select arm, avg(gain_20) as gain, count(*) as n from '{sys.argv[1]}' \
                  where not isnan(gain_20) group by arm order by arm\").fetchall()\n\
                  told = {arm['arm']: arm for arm in json.load(open(sys.argv[2]))['arms']}\n\
                  for arm, gain, n in rows:\n\
                  \x20   mean = told[arm]['by_group'][2]['gain_after'][0]['mean']['value']\n\
                  \x20   assert abs(mean - gain) < 1e-12 and n == 4, (arm, mean, gain, n)\n\
                  print('agrees on', len(rows))";
    let said = output(
        Command::new(python)
            .args(["-c", script])
            .args([whole.join("sessions.parquet"), whole.join("study.json")]),
        60.0,
    );
    assert!(String::from_utf8_lossy(&said.stdout).contains("agrees on 2"), "{said:?}");
}

#[test]
fn a_wrong_specification_is_told_with_its_place() {
    let faults: [(&str, &str, &[&str]); 6] = [
        ("\"energy-101\"", "\"energy-1\"", &["held_out_brains", "as energy-1 is"]),
        ("\"maximum-1\"", "\"maximum-99\"", &["tuning_brains", "maximum-99 is none"]),
        ("\"maximum-1\"", "\"energy-1\"", &["tuning_brains", "each text once"]),
        ("\"cma-es\"", "\"cma\"", &["arm", "method", "cma-es"]),
        ("compare = \"Gabors\"", "compare = \"Gabor\"", &["compare", "Gabors"]),
        ("presentations = 64", "presentations = 0", &["presentations", "1"]),
    ];
    for (from, to, says) in faults {
        let (folder, spec) = room();
        let text = fs::read_to_string(&spec).unwrap();
        fs::write(&spec, text.replacen(from, to, 1)).unwrap();
        study(&spec, &folder.path().join("out"), &["--check"]).expect(2).says(says);
    }
    let shipped = root().join("specs/drive-study.toml");
    let arguments = ["study", shipped.to_str().unwrap(), "--check", "--held-out", "--json"];
    assert_eq!(run(arguments, 20.0).expect(0).json()["sessions"], 24 * 6 * 8);
}

/// The channel against a session of that person that it was not made from: another seed, another brain.
#[test]
fn the_channel_is_what_sessions_measure() {
    let mut experiment = Experiment::load(&root().join("protocols/drive.toml"), None).unwrap();
    experiment.protocol.planner.as_mut().unwrap().method = protocol::Method::Gabor;
    for (name, seed, brain) in [("P18", 777, "energy-3"), ("P02", 778, "maximum-3")] {
        let person = Person::find(name).unwrap();
        let seen =
            observe(&experiment, person, Brain::find(brain).unwrap(), seed, 58.0 + 30.0 * 9.6).unwrap();
        let session = fitted(person, &seen).unwrap();
        let channel = Channel::of(person).unwrap();
        let count = channel.calibrations.len() as f64;
        let mean = channel.calibrations.iter().map(|c| c.scale_uv).sum::<f64>() / count;
        let sd = channel.calibrations.iter().map(|c| c.sd_uv).sum::<f64>() / count;
        println!(
            "{name}: scale {:.2} +- {:.2}, channel {mean:.2}; SD {:.3}, channel {sd:.3}",
            session.scale_uv, session.scale_error_uv, session.sd_uv
        );
        let between =
            channel.calibrations.iter().map(|c| (c.scale_uv - mean) * (c.scale_uv - mean)).sum::<f64>()
                / (count - 1.0);
        let error = (between + session.scale_error_uv * session.scale_error_uv).sqrt();
        assert!((session.scale_uv - mean).abs() < 3.0 * error, "{name}: {} and {mean}", session.scale_uv);
        assert!((0.6..1.7).contains(&(session.sd_uv / sd)), "{name}: {} and {sd}", session.sd_uv);

        // The line itself has the mean and the SD of the table, and the person's gain.
        let mut sums = [0.0; 4];
        let lines = 400;
        for seed in 0..lines {
            let mut line = Line::open(person, seed).unwrap();
            let [nothing, full] =
                [(0.0, 60.0), (1.0, 64.0)].map(|(level, at_s)| line.measure(level, at_s)[0]);
            sums[0] += nothing;
            sums[1] += nothing * nothing;
            sums[2] += full;
            sums[3] += 1.0;
        }
        let rms = (sums[1] / sums[3]).sqrt();
        let expected = (channel.calibrations.iter().map(|c| c.sd_uv * c.sd_uv).sum::<f64>() / count).sqrt();
        assert!((rms / expected - 1.0).abs() < 0.12, "{name}: {rms} and {expected}");
        let gain = (0.5 * person.drift_sd * person.drift_sd).exp();
        assert!(
            (sums[2] / sums[3] / (mean * gain) - 1.0).abs() < 0.1,
            "{name}: {} and {mean}",
            sums[2] / sums[3]
        );
    }
}

#[test]
fn a_session_with_any_search_runs_and_replays() {
    let out = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root().join("protocols/drive.toml")).unwrap();
    for method in ["gabor", "bayesian", "cma-es", "genetic", "open-loop"] {
        let path = out.path().join(format!("{method}.toml"));
        let own = format!("[planner]\nmethod = \"{method}\"");
        fs::write(&path, text.replace("[planner]", &own).replace("probes = 16 ", "probes = 6 ")).unwrap();
        let fixed = [
            "run",
            path.to_str().unwrap(),
            "--clock",
            "virtual",
            "--participant",
            "P02",
            "--brain",
            "energy-1",
        ];
        let more = ["--seconds", "170", "--seed", "4", "--json", "--out", out.path().to_str().unwrap()];
        let summary = run(fixed.iter().chain(&more), 60.0).expect(0).json();
        let steered = &summary["steered"];
        assert!(steered["measured"].as_u64().unwrap() >= 9, "{method}: {steered}");
        assert!(steered["gain"]["normalised"].is_number(), "{method}: {steered}");
        replays(&session_folder(&summary));
    }
    let path = out.path().join("wrong.toml");
    fs::write(&path, text.replace("[planner]", "[planner]\nmethod = \"gabors\"")).unwrap();
    run(["check", path.to_str().unwrap()], 20.0)
        .expect(2)
        .says(&["planner.method", "did you mean \"gabor\"?"]);
}
