//! `photic study` as its users run it: interrupted, in shards, judged by another program, and told what is wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use recording::RecordedSession;
use support::{Process, judge, output, photic, root, run, virtual_session, wait_until};

/// Half a minute: as short as a session with a calibration and a hold can be.
const PROTOCOL: &str = r#"
[protocol]
name = "short"
description = "A thermostat of half a minute"
grey_ramp_s = 0.5
min_free_mb = 1
[stream.eeg]
type = "EEG"
channels = ["O1", "Oz", "O2"]
rate_hz = 250.0
unit = "uV"
stale_after_s = 0.3
grey_after_s = 1.0
max_lag_s = 0.5
[stimulus.target.grating]
sf_cpd = 1.0
orientation_deg = 45.0
phase_deg = 0.0
diameter_deg = 10.0
edge_deg = 1.0
flicker = { counterphase_hz = 7.5, waveform = "sine" }
[decoder.ssvep_amplitude]
stream = "eeg"
stimulus = "target"
report_channel = "Oz"
window_s = 2.0
update_s = 0.1
highpass_hz = 1.0
[controller.pi]
kp = 0.8
ki_per_s = 0.03
nominal_gain_uv = 3.5
semisaturation = 0.3
exponent = 2.0
contrast_min = 0.0
contrast_max = 0.9
slew_per_s = 2.0
[[block]]
name = "calibrate"
duration_s = 18.0
calibrate = { stimulus = "target", contrast = 0.8, on_s = 8.0, off_s = 1.0 }
[[block]]
name = "hold"
duration_s = 10.0
hold = { stimulus = "target", set_point_uv = 1.0 }
"#;

const SPEC: &str = r#"
[study]
name = "short"
description = "Whether studies can be interrupted"
participants = ["P21", "P03", "low"]
tuning_seeds = [1, 2]
held_out_seeds = [3]
outcomes = ["latent_error_uv", "contrast_mean"]
[[protocol]]
name = "short"
file = "short.toml"
[[protocol]]
name = "longer"
file = "short.toml"
length_s = 34.0
[[arm]]
name = "closed"
[[arm]]
name = "open"
controller = { open_loop_nominal = { nominal_gain_uv = 3.5, semisaturation = 0.3, exponent = 2.0, contrast_min = 0.0, contrast_max = 0.9, slew_per_s = 2.0 } }
[[arm]]
name = "ideal"
known_gain = true
"#;

/// What a finished study leaves besides its journals.
const FILES: [&str; 4] = ["sessions.parquet", "study.json", "report.html", "spec.toml"];

struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new(spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("short.toml"), PROTOCOL).unwrap();
        fs::write(folder.path().join("spec.toml"), spec).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn study(&self, out: &str, more: &[&str]) -> Command {
        let (spec, out) = (self.path("spec.toml"), self.path(out));
        let fixed = [
            OsStr::new("study"),
            spec.as_os_str(),
            OsStr::new("--out"),
            out.as_os_str(),
            OsStr::new("--json"),
        ];
        photic(fixed.into_iter().chain(more.iter().map(OsStr::new)))
    }

    fn run(&self, out: &str, more: &[&str]) -> support::Ended {
        Process::start(&mut self.study(out, more)).end(120.0)
    }

    fn same(&self, one: &str, other: &str) {
        for file in FILES {
            let read = |out: &str| fs::read(self.path(out).join(file)).unwrap();
            assert!(read(one) == read(other), "{file} differs between {one} and {other}");
        }
    }
}

fn small() -> String {
    SPEC.replace(r#""low""#, r#""P40""#)
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

#[test]
fn killed_and_resumed_or_in_shards_it_gives_the_same_bytes() {
    let room = Room::new(&small());
    let whole = room.run("whole", &[]).expect(0).json();
    assert_eq!((whole["sessions"].as_u64(), whole["ran"].as_u64()), (Some(36), Some(36)));
    // Killed twice at some moment in the middle; the second time a line is left torn.
    for least in [4, 11] {
        let mut process = Process::start(&mut room.study("killed", &["--threads", "1"]));
        wait_until(60.0, "some sessions", || lines(&room.path("killed/journal.jsonl")) > least);
        process.kill();
    }
    let journal = room.path("killed/journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 17]).unwrap();
    let done = lines(&journal) - 1;
    assert!((10..36).contains(&done), "{done}");
    let resumed = room.run("killed", &[]).expect(0).json();
    assert_eq!(resumed["ran"].as_u64(), Some(36 - done as u64));
    room.same("whole", "killed");
    // Once more there is nothing to run.
    assert_eq!(room.run("killed", &[]).expect(0).json()["ran"], 0);
    room.same("whole", "killed");

    let first = room.run("shards", &["--shard", "2/3"]).expect(0).json();
    assert_eq!((first["there"].as_u64(), first["whole"].as_bool()), (Some(12), Some(false)));
    room.run("shards", &["--merge"]).expect(2).says(&["12 of 36 sessions are there"]);
    room.run("shards", &["--shard", "1/3"]).expect(0);
    assert_eq!(room.run("shards", &["--shard", "3/3"]).expect(0).json()["whole"], true);
    room.same("whole", "shards");
    assert_eq!(room.run("shards", &["--merge"]).expect(0).json()["ran"], 0);
    room.same("whole", "shards");
}

#[test]
fn another_program_reads_the_table() {
    let room = Room::new(&small());
    room.run("out", &["--held-out"]).expect(0);
    let page = fs::read_to_string(room.path("out/report.html")).unwrap();
    assert!(page.contains("held-out seeds") && page.contains("worse for"), "{}", page.len());
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(room.path("out/study.json")).unwrap()).unwrap();
    assert_eq!((json["seeds"].as_str(), json["sessions"].as_u64()), (Some("held-out"), Some(18)));
    let Some(python) = judge::python() else { return };
    let said = output(
        Command::new(python)
            .arg(root().join("tests/judges/study_table.py"))
            .arg(room.path("out/sessions.parquet"))
            .arg(room.path("out/study.json")),
        60.0,
    );
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("18 rows") && said.contains("agrees"), "{said}");
}

#[test]
fn a_session_in_memory_is_the_recorded_one() {
    use photic::experiment::Experiment;
    use photic::run::simulated::{Instead, in_memory};
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "P17", 5, &["--seconds", "40"]);
    let recorded = RecordedSession::open(&folder).unwrap();
    let experiment = Experiment::load(&root().join(support::THERMOSTAT), None).unwrap();
    let kept = in_memory(experiment, "P17", 5, Some(40.0), Instead::default(), &mut ()).unwrap();
    assert!(kept.decisions.len() > 50 && kept.sources[0].values.len() > 70_000);
    // How a stream says that it was made at another second is not the session's.
    let mut sources = kept.sources.clone();
    for (source, recorded) in sources.iter_mut().zip(&recorded.sources) {
        source.info = recorded.info.clone();
    }
    let same =
        RecordedSession { folder: recorded.folder.clone(), meta: recorded.meta.clone(), sources, ..kept };
    assert!(same == recorded, "a session in memory differs from the recorded one");
}

#[test]
fn a_wrong_specification_is_told_with_its_place() {
    let faults: [(&str, &str, &[&str]); 13] = [
        ("held_out_seeds = [3]", "held_out_seeds = [3, 2]", &["held_out_seeds", "as 2 is", "spec.toml:7"]),
        ("tuning_seeds = [1, 2]", "tuning_seeds = [1, 1]", &["1 stands there twice"]),
        (r#""P03""#, r#""P99""#, &["P99", "60 people", "spec.toml:5"]),
        ("\"latent_error_uv\"", "\"latent\"", &["measured_error_uv", "spec.toml:8"]),
        ("length_s = 34.0", "length_s = 3.0", &["3 s cannot be reached", "10 s", "18 s", "spec.toml:15"]),
        (
            "semisaturation = 0.3",
            "semisaturation = -0.3",
            &["spec.toml:20", "controller.open_loop_nominal.semisaturation"],
        ),
        ("known_gain = true", "known_gain = 1", &["true or false", "spec.toml:23"]),
        ("short.toml", "absent.toml", &["absent.toml", "cannot be read"]),
        ("length_s = 34.0", "tuning_brains = [\"energy-1\"]", &["held_out_brains", "missing"]),
        (
            "length_s = 34.0",
            "tuning_brains = [\"energy-1\"]\nheld_out_brains = [\"energy-1\"]",
            &["brains that are not in tuning_brains", "spec.toml:16"],
        ),
        (
            "length_s = 34.0",
            "tuning_brains = [\"energy-1\"]\nheld_out_brains = [\"mind-1\"]",
            &["names of committed brains; mind-1 is none", "conjunction-several-102"],
        ),
        (
            "length_s = 34.0",
            "tuning_brains = [\"energy-1\"]\nheld_out_brains = [\"energy-101\"]",
            &["tuning_brains", "energy-1: the protocol has no [planner]", "spec.toml:15"],
        ),
        (
            "file = \"short.toml\"\nlength_s = 34.0",
            "file = \"DRIVE\"\ntuning_brains = [\"energy-1\"]\nheld_out_brains = [\"energy-several-1\"]",
            &["held_out_brains", "energy-several-1 has several populations", "[planner.selective]"],
        ),
    ];
    for (from, to, says) in faults {
        let drive = root().join("protocols/drive.toml");
        let room = Room::new(&SPEC.replacen(from, to, 1).replace("DRIVE", drive.to_str().unwrap()));
        let ended = room.run("out", &["--check"]);
        ended.expect(2).says(says);
    }
    // A folder of another study is not written to; neither is a damaged journal.
    let room = Room::new(&small());
    room.run("out", &["--shard", "1/36"]).expect(0);
    let other = small().replace("tuning_seeds = [1, 2]", "tuning_seeds = [1, 4]");
    fs::write(room.path("spec.toml"), other).unwrap();
    room.run("out", &["--shard", "1/36"]).expect(2).says(&["another study", "SHA-256", "another --out"]);
    fs::write(room.path("spec.toml"), small()).unwrap();
    let journal = room.path("out/journal-1-of-36.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace("\"job\":0", "\"job\":99")).unwrap();
    room.run("out", &["--shard", "2/36"]).expect(2).says(&["line 2 is damaged", "job 99 of 36"]);
    let shard = run(["study", "x.toml", "--shard", "4/3"], 20.0);
    shard.expect(2).says(&["1 <= i <= n"]);
}
