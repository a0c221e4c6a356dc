//! Bad input ends with an error or an event that carries numbers, never with a crash, and what was recorded stays.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use recording::verify;
use support::judge::Meeting;
use support::*;
use timeline::NoticeKind;

/// Live runs want the machine for themselves: one at a time.
static LIVE: Mutex<()> = Mutex::new(());

/// Writes a protocol in which one place is other than in [`SHOW`].
fn changed(folder: &Path, from: &str, to: &str) -> PathBuf {
    assert!(SHOW.contains(from), "{from}");
    let path = folder.join("bad.toml");
    fs::write(&path, SHOW.replacen(from, to, 1)).unwrap();
    path
}

/// Line of the first place that differs, from 1.
fn line_of(from: &str) -> usize {
    SHOW[..SHOW.find(from).unwrap()].lines().count()
        + usize::from(SHOW[..SHOW.find(from).unwrap()].ends_with('\n'))
}

#[test]
fn a_slip_in_a_protocol_is_named_with_its_line_and_what_is_allowed() {
    let slips: &[(&str, &str, &[&str])] = &[
        ("stale_after_s", "stale_aftr_s", &["stream.eeg.stale_aftr_s", "unknown key", "`stale_after_s`"]),
        ("[stimulus.target", "[stimulis.target", &["stimulis", "stimulus"]),
        ("grey_ramp_s = 0.5", "grey_ramp_ms = 500.0", &["grey_ramp_ms", "`grey_ramp_s`", "s, not ms", "0.5"]),
        ("\"uV\"", "\"mV\"", &["stream.eeg.unit", "mV", "\"uV\", \"any\""]),
        ("sf_cpd = 1.0", "sf_cpd = -1.0", &["sf_cpd", "-1"]),
        ("sf_cpd = 1.0", "sf_cpd = \"1\"", &["sf_cpd", "\"1\""]),
        ("contrast = 0.6", "contrast = 1.5", &["show.contrast", "1.5", "1"]),
        ("rate_hz = 250.0", "rate_hz = nan", &["rate_hz", "nan"]),
        ("stimulus = \"target\"", "stimulus = \"targt\"", &["targt", "target"]),
        ("max_lag_s = 0.5\n", "max_lag_s = 0.5\nmax_lag_s = 0.5\n", &["max_lag_s", "duplicate"]),
        ("waveform = \"sine\"", "waveform = \"sinus\"", &["waveform", "sinus", "\"sine\", \"square\""]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (from, to, says) in slips {
        let path = changed(folder.path(), from, to);
        for command in ["check", "run"] {
            let ended = run([command, path.to_str().unwrap()], 30.0).expect(2);
            ended.says(says);
            let line = line_of(from) + usize::from(says.contains(&"duplicate"));
            ended.says(&[&format!("{}:{line}:", path.display())]);
        }
    }
}

#[test]
fn what_the_screen_cannot_make_is_refused_with_what_it_can() {
    let wrong: &[(&str, &str, &[&str])] = &[
        ("counterphase_hz = 7.5", "counterphase_hz = 29.0", &["`target`", "29 Hz", "60 Hz", "too fast"]),
        (
            "counterphase_hz = 7.5, waveform = \"sine\"",
            "on_off_hz = 11.0, waveform = \"square\"",
            &["`target`", "11 Hz", "5.4545", "10", "15"],
        ),
        ("sf_cpd = 1.0", "sf_cpd = 5.0", &["sf_cpd = 5", "2.00 px per cycle", "at least 4", "2.50 cpd"]),
        ("diameter_deg = 10.0", "diameter_deg = 30.0", &["diameter_deg = 30", "307 px", "240 px"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (from, to, says) in wrong {
        let path = changed(folder.path(), from, to);
        for command in [&["check"][..], &["run", "--clock", "virtual", "--participant", "nominal"]] {
            let out = folder.path().join("out");
            let mut arguments = command.to_vec();
            arguments.push(path.to_str().unwrap());
            if command[0] == "run" {
                arguments.extend(["--out", out.to_str().unwrap()]);
            }
            run(arguments, 30.0).expect(2).says(says);
            assert!(!out.exists(), "nothing was run, so nothing is left");
        }
    }
}

#[test]
fn absent_files_are_named() {
    for arguments in [
        &["run", "nowhere/p.toml"][..],
        &["check", "nowhere/p.toml"],
        &["check", THERMOSTAT, "--rig", "nowhere/r.toml"],
        &["replay", "nowhere/s"],
        &["report", "nowhere/s"],
        &["verify", "nowhere/f.xdf"],
        &["info", "nowhere/f.xdf"],
        &["play", "nowhere/f.xdf"],
    ] {
        let ended = run(arguments, 30.0).expect(2);
        ended.says(&["nowhere", "No such file"]);
    }
    run(["runn"], 10.0).expect(2).says(&["runn", "run"]);
    run(["run", THERMOSTAT, "--clock", "sundial"], 10.0).expect(2).says(&["sundial", "live", "virtual"]);
}

/// Runs a protocol on whatever streams are in this LSL session.
fn hears(meeting: &Meeting, protocol: &Path, out: &Path, more: &[&str]) -> Ended {
    let arguments =
        ["run", protocol.to_str().unwrap(), "--participant", "none", "--display", "offscreen", "--json"];
    let mut command = photic(arguments.iter().chain(more));
    Process::start(command.arg("--out").arg(out).env("PHOTIC_LSL_SESSION", &meeting.session)).end(60.0)
}

#[test]
fn a_stream_that_is_missing_or_does_not_fit_is_told_in_numbers() {
    let (Some(()), Some(meeting)) = (lsl_is_there(), Meeting::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let protocol = folder.path().join("show.toml");
    fs::write(&protocol, SHOW).unwrap();

    let ended = hears(&meeting, &protocol, &out, &["--wait-s", "0.5"]).expect(2);
    ended.says(&["no LSL stream of type `EEG`", "within 0.5 s", "--network"]);
    {
        let _other = meeting.source(&["--name", "muscle", "--type", "EMG", "--labels", "left,right"]);
        let ended = hears(&meeting, &protocol, &out, &["--wait-s", "1.5"]).expect(2);
        ended.says(&[
            "no LSL stream of type `EEG`",
            "within 1.5 s",
            "visible are",
            "muscle",
            "EMG",
            "2 channels",
        ]);
    }
    let wrong: &[(&[&str], &[&str])] = &[
        (&["--labels", "Oz,O1,O2"], &["3 channels", "expects 8"]),
        (&["--labels", "PO7,PO3,POz,PO4,PO8,O1,O9,O2"], &["no channel Oz", "O9"]),
        (&["--labels", CHANNELS, "--rate", "500"], &["500 samples per second", "expects 250"]),
        (&["--labels", CHANNELS, "--unit", "volts"], &["`PO7`", "`volts`", "`microvolts`"]),
    ];
    for (index, (arguments, says)) in wrong.iter().enumerate() {
        let name = format!("amp-{index}");
        let mut source = meeting.source(&[&["--name", &name], *arguments].concat());
        let ended = hears(&meeting, &protocol, &out, &["--wait-s", "10"]).expect(2);
        ended.says(&[&format!("stream `{name}`")]);
        ended.says(says);
        source.kill();
    }
    let _two = (
        meeting.source(&["--name", "one", "--labels", CHANNELS]),
        meeting.source(&["--name", "two", "--labels", CHANNELS]),
    );
    // They are not there at once for everybody, so the first to be seen waits a moment for the second.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let ended = hears(&meeting, &protocol, &out, &["--wait-s", "10"]).expect(2);
    ended.says(&["2 streams match", "rig file", "one", "two"]);
    assert!(!out.exists(), "no session began, so none is left");
}

#[test]
fn nan_and_flat_channels_are_events_and_the_run_goes_on() {
    let _alone = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(()), Some(()), Some(meeting)) = (lsl_is_there(), vulkan_is_there(), Meeting::new()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let protocol = folder.path().join("show.toml");
    fs::write(&protocol, SHOW).unwrap();
    let _source = meeting.source(&["--labels", CHANNELS, "--nan-every", "100", "--flat", "4"]);
    let summary = hears(&meeting, &protocol, folder.path(), &["--seconds", "6"]).expect(0).json();
    assert_eq!(summary["samples_lost"], 0, "{summary}");
    let session = recording::RecordedSession::open(&session_folder(&summary)).unwrap();
    let values = &session.sources[0].values;
    let broken = values.chunks_exact(8).filter(|row| row[1].is_nan()).count();
    assert!(broken >= 10, "{broken} of {} samples have a NaN", values.len() / 8);
    let noticed = |kind| session.notices.iter().filter(move |notice| notice.kind == kind);
    let told: i64 = noticed(NoticeKind::NotFinite).map(|notice| notice.count).sum();
    assert!(told >= broken as i64, "{told} of {broken} told");
    let flat: Vec<_> = noticed(NoticeKind::FlatChannel).collect();
    assert!(
        !flat.is_empty() && flat.iter().all(|notice| notice.count == 4 && notice.value > 0.0),
        "{flat:?}"
    );
    replays(session.folder.path());
}

#[test]
fn files_that_are_no_recordings_are_refused_and_torn_ones_read_as_far_as_they_go() {
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "nominal", 2, &["--seconds", "5"]);
    let whole = fs::read(recording_below(out.path()).unwrap()).unwrap();
    let garbage: Vec<u8> =
        (0..5000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let file = out.path().join("some_eeg.xdf");
    fs::copy(folder.join("manifest.json"), out.path().join("manifest.json")).unwrap();
    let path = file.to_str().unwrap();
    for bytes in [&garbage[..], &[], b"XDF", b"RIFF and so on", &[0; 4096]] {
        fs::write(&file, bytes).unwrap();
        // A verdict on a file that can be read is no error of the command.
        let verdict = run(["verify", path, "--json"], 30.0).expect(1).json();
        assert_eq!(
            (verdict["bytes"].as_u64(), verdict["whole_bytes"].as_u64()),
            (Some(bytes.len() as u64), Some(0))
        );
        for command in ["info", "play", "replay"] {
            run([command, path], 30.0).expect(2).says(&[path, "not an XDF file", "byte 0"]);
        }
        assert!(run(["verify", path], 30.0).expect(1).stdout.contains("nothing can be mended"));
        run(["verify", path, "--repair"], 30.0).expect(2).says(&[path]);
        assert_eq!(fs::read(&file).unwrap(), bytes, "a file that cannot be mended is left alone");
    }
    for part in [3, 40, 77, 99] {
        let cut = whole.len() * part / 100;
        fs::write(&file, &whole[..cut]).unwrap();
        let verdict = run(["verify", path, "--json"], 30.0).expect(1).json();
        assert!(
            verdict["torn_tail_bytes"].as_u64().unwrap() < 20_000 && verdict["damaged_bytes"] == 0,
            "{verdict}"
        );
        let info = run(["info", path, "--json"], 30.0).expect(0).json();
        let described = info["streams"].as_array().unwrap();
        assert!(part < 40 || described.iter().any(|stream| stream["samples"].as_u64() > Some(100)), "{info}");
        run(["verify", path, "--repair"], 30.0).expect(0);
        run(["verify", path], 30.0).expect(0);
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "keep me").unwrap();
    for out in [file.clone(), file.join("below")] {
        let arguments = ["run", THERMOSTAT, "--clock", "virtual", "--out", out.to_str().unwrap()];
        run(arguments, 30.0).expect(2).says(&[out.to_str().unwrap(), "cannot create the folder", "os error"]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");
}

#[test]
fn recording_does_not_start_below_the_floor_of_free_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(folder.path(), "min_free_mb = 1", "min_free_mb = 900000000");
    let out = folder.path().join("out");
    let arguments = [
        "run",
        path.to_str().unwrap(),
        "--clock",
        "virtual",
        "--participant",
        "nominal",
        "--out",
        out.to_str().unwrap(),
    ];
    run(arguments, 30.0).expect(2).says(&["MB free", "900000000 MB"]);
    assert_eq!(fs::read_dir(&out).map_or(0, Iterator::count), 0, "no folder without a recording is left");
}

/// The limit of a file's size stands in for a full disk: a write fails in the middle of a session.
fn on_a_small_disk(kilobytes: u32, arguments: &[&str], out: &Path) -> Ended {
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kilobytes * 2); // blocks of 512 bytes
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_photic")]).args(arguments).arg("--out").arg(out);
    Process::start(command.current_dir(root()).env("PHOTIC_LSL_SESSION", lsl_session())).end(120.0)
}

#[test]
fn a_full_disk_ends_the_file_at_the_last_whole_chunk_and_not_the_session() {
    let _alone = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let virtual_run: &[&str] = &["run", THERMOSTAT, "--clock", "virtual", "--json"];
    let live_run: &[&str] =
        &["run", THERMOSTAT, "--in-process", "--display", "offscreen", "--seconds", "14", "--json"];
    let can_render = vulkan_is_there().is_some();
    for (arguments, kilobytes) in [(virtual_run, 1000), (live_run, 230)] {
        if arguments == live_run && !can_render {
            continue;
        }
        let out = tempfile::tempdir().unwrap();
        let ended = on_a_small_disk(kilobytes, arguments, out.path()).expect(0);
        ended.says(&["recording ended", "bytes not written"]);
        let session = session_below(out.path());
        let outcome = session.meta.outcome.as_ref().expect("the session itself ended in order");
        let early = outcome.recording_ended_early.as_deref().expect("the manifest says so");
        assert!(early.contains("last whole chunk") && early.contains("bytes not written"), "{early}");
        let path = session.folder.xdf_path();
        let report = verify(&path).unwrap();
        assert_eq!((report.torn_tail_bytes, report.damaged_bytes), (0, 0), "{report:?}");
        assert!(
            report.bytes <= u64::from(kilobytes) * 1024
                && report.bytes > u64::from(kilobytes) * 1024 - 40_000
        );
        let (ended, verdict) = replay(session.folder.path());
        ended.expect(0);
        assert!(verdict["identical"] == true && verdict["turns"].as_u64().unwrap() > 100, "{verdict}");
        run(["verify", path.to_str().unwrap(), "--repair"], 30.0).expect(0);
    }
}

#[test]
fn a_flagged_schedule_is_not_shown_to_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let window = |protocol: &str, more: &[&str]| {
        let out = folder.path().join("out");
        let mut arguments =
            vec!["run", protocol, "--participant", "none", "--wait-s", "0.2", "--out", out.to_str().unwrap()];
        arguments.extend(more);
        let mut command = photic(arguments);
        // Should it be let in by mistake, there is no screen to open.
        let ended = Process::start(command.env("PHOTIC_LIBLSL", "/nonexistent")).end(30.0).expect(2);
        assert!(!out.exists());
        ended
    };
    let safety = |bound: &str| {
        let path = folder.path().join(format!("safety-{bound}.toml"));
        let table = format!("[safety]\nmax_flashes_per_s = {bound}\nscreening_reference = \"form 7\"\n");
        fs::write(&path, format!("{SHOW}{table}")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let lab = ["--rig", "protocols/lab-rig.toml"];
    for display in ["window", "fullscreen"] {
        let shown = [&lab[..], &["--display", display]].concat();
        let refused = ["refused by the photosensitivity rule", "target at contrast", "WCAG 2.2 fails"];
        window(THERMOSTAT, &shown)
            .says(&[&refused[..], &["limits: 3", "[safety]", "screening_reference"]].concat());
        window(&safety("2.0"), &shown).says(
            &[&refused[..], &["limits: 2", "[safety] allows 2 flashes per second, the schedule makes"]]
                .concat(),
        );
        // A sufficient bound lets it pass to the next thing that is missing here.
        window(&safety("20.0"), &shown).says(&["/nonexistent"]);
        window(THERMOSTAT, &["--display", display]).says(&["--rig FILE", "simulated rig"]);
    }
    // Nobody looks at an offscreen frame.
    window(THERMOSTAT, &["--display", "offscreen"]).says(&["/nonexistent"]);
    let said = run(["check", THERMOSTAT, "--rig", "protocols/lab-rig.toml"], 30.0).expect(0).stdout;
    assert!(said.contains("WCAG 2.2 fails") && said.contains("a [safety] table"), "{said}");
}
