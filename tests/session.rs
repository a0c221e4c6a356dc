//! One command runs a session: what it says, what it leaves, and how it ends, on both clocks.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use recording::xdf::read_path;
use recording::{RecordedSession, verify};
use serde_json::Value;
use support::judge::{Meeting, python, read_alike};
use support::xdf::bytes_of;
use support::*;
use timeline::{NoticeKind, OnsetClass, SceneId, ns_from_s};

/// Live runs want the machine for themselves: one at a time.
static LIVE: Mutex<()> = Mutex::new(());

const KEYS: [&str; 12] = [
    "session",
    "frames",
    "missed_frames",
    "decisions",
    "commands",
    "samples",
    "samples_lost",
    "loop_latency_us",
    "tracking_error",
    "accuracy",
    "confusion",
    "exit",
];

#[test]
fn the_summary_and_the_folder_are_complete() {
    let out = tempfile::tempdir().unwrap();
    let (summary, folder) = virtual_session(out.path(), "P07", 5, &["--seconds", "70"]);
    for key in KEYS {
        assert!(summary.get(key).is_some(), "`{key}` is not in {summary}");
    }
    for key in ["latent", "measured"] {
        assert!(summary["tracking_error"][key].as_f64().is_some_and(|uv| uv > 0.0), "{summary}");
    }
    assert_eq!((&summary["accuracy"], &summary["confusion"]), (&Value::Null, &Value::Null));
    assert_eq!(summary["exit"], "stopped");
    assert_eq!(summary["samples_lost"], 0);
    // 70 s and the ramp to grey, at 60 Hz and 250 Hz.
    let frames = summary["frames"].as_u64().unwrap();
    let samples = summary["samples"].as_u64().unwrap();
    assert!((4200..4260).contains(&frames) && (17_500..17_800).contains(&samples), "{summary}");

    let stem = folder.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(stem.starts_with("sub-P07_ses-") && stem.ends_with("_task-thermostat_run-01"), "{stem}");
    let found: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["_eeg.xdf", "_protocol.toml", "_rig.toml"].map(|end| format!("{stem}{end}"));
    let expected = expected.into_iter().chain(["manifest.json".into(), "report.html".into()]).collect();
    assert_eq!(found, expected);
    let session = RecordedSession::open(&folder).unwrap();
    assert_eq!(fs::read(session.folder.protocol_path()).unwrap(), fs::read(root().join(THERMOSTAT)).unwrap());
    assert_eq!((session.meta.seed, session.meta.participant.as_str()), (5, "P07"));
    assert!(session.meta.machine.cores > 0 && !session.meta.photic_version.is_empty());
    assert!(session.is_closed && session.problems.is_empty());
    opens_offline(&folder.join("report.html"));
}

/// Nothing in the page is fetched from elsewhere.
fn opens_offline(report: &Path) {
    let html = fs::read_to_string(report).unwrap();
    assert!(html.len() > 10_000, "{} bytes", html.len());
    for never in ["<script", "<link", "<iframe", "<img", "<object", "@import", "url("] {
        assert!(!html.contains(never), "{never} in {}", report.display());
    }
    for attribute in ["src=\"", "href=\"", "srcset=\"", "action=\""] {
        for (at, _) in html.match_indices(attribute) {
            let target = html[at + attribute.len()..].split('"').next().unwrap();
            assert!(target.starts_with('#'), "{attribute}{target}\" in {}", report.display());
        }
    }
    let elsewhere =
        html.match_indices("://").map(|(at, _)| html[at.saturating_sub(12)..].chars().take(60).collect());
    let elsewhere: Vec<String> =
        elsewhere.filter(|text: &String| !text.contains("http://www.w3.org/")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    for heading in ["<svg", "frame", "latency", "set point", "Oz"] {
        assert!(html.contains(heading), "the report does not speak of {heading}");
    }
}

#[test]
fn the_same_seed_and_participant_give_the_same_bits() {
    let out = tempfile::tempdir().unwrap();
    let payloads = |folder: &Path| -> Vec<(String, Vec<u8>)> {
        let session = RecordedSession::open(folder).unwrap();
        let recording = read_path(&session.folder.xdf_path()).unwrap();
        recording.streams.into_iter().map(|stream| (stream.header.name, bytes_of(&stream.values))).collect()
    };
    let session = |seed| payloads(&virtual_session(out.path(), "P30", seed, &["--seconds", "50"]).1);
    let (first, second, other) = (session(3), session(3), session(4));
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["photic-participant-P30-in-process", "photic-decisions", "photic-commands", "photic-turns"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(names.len(), other.len());
    for ((one, two), other) in first.iter().zip(&second).zip(&other) {
        assert!(one == two, "{}: two runs of one seed differ", one.0);
        if ["photic-decisions", "photic-commands", "photic-participant-P30-in-process"]
            .contains(&one.0.as_str())
        {
            assert!(!one.1.is_empty() && one != other, "{}: another seed gives the same", one.0);
        }
    }
}

#[test]
fn the_virtual_clock_needs_a_brain_and_a_time() {
    let refused = |more: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        let mut arguments =
            vec!["run", THERMOSTAT, "--clock", "virtual", "--out", out.path().to_str().unwrap()];
        arguments.extend(more);
        run(arguments, 30.0).expect(2)
    };
    refused(&["--participant", "none"]).says(&["--clock virtual", "--participant"]);
    refused(&["--participant", "P99"]).says(&["P99", "P01"]);
    refused(&["--seconds=-3"]).says(&["--seconds", "-3"]);
    refused(&["--seconds", "NaN"]).says(&["--seconds", "NaN"]);
}

/// A live session with the simulated participant, ended by `--seconds` or by the caller.
fn live(out: &Path, more: &[&str]) -> Process {
    let arguments = ["run", THERMOSTAT, "--display", "offscreen", "--json", "--out", out.to_str().unwrap()];
    Process::start(&mut photic(arguments.iter().chain(more)))
}

#[test]
fn a_live_session_over_lsl_loses_nothing_and_replays() {
    let _alone = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(()), Some(())) = (lsl_is_there(), vulkan_is_there()) else { return };
    let out = tempfile::tempdir().unwrap();
    // Calibration, which is the first block, and some seconds of the loop.
    let checked = run(["check", THERMOSTAT, "--json"], 30.0).expect(0).json();
    let seconds = checked["blocks"][0]["end_s"].as_f64().unwrap() + 6.0;
    let asked = ["--participant", "P13", "--seconds", &seconds.to_string()];
    let summary = live(out.path(), &asked).end(seconds + 60.0).expect(0).json();
    eprintln!("{summary}");
    assert_eq!(summary["exit"], "stopped");
    assert_eq!(summary["samples_lost"], 0, "{summary}");
    // And the way to grey; how many frames a software renderer makes of 60 Hz is the machine's affair.
    let samples = summary["samples"].as_f64().unwrap() / 250.0;
    assert!((seconds - 0.5..seconds + 2.0).contains(&samples), "{summary}");
    let frames = (summary["frames"].as_f64().unwrap() + summary["missed_frames"].as_f64().unwrap()) / 60.0;
    assert!((seconds - 1.0..seconds + 2.5).contains(&frames), "{summary}");
    assert!(summary["decisions"].as_u64().unwrap() > 20, "{summary}");
    let latency_us = ["p50", "p99", "max"].map(|key| summary["loop_latency_us"][key].as_f64().unwrap());
    assert!(latency_us[0] > 0.0 && latency_us.is_sorted(), "{summary}");
    let folder = session_folder(&summary);
    replays(&folder);
    let session = RecordedSession::open(&folder).unwrap();
    assert!(session.is_closed && session.problems.is_empty());
    assert_eq!(session.sources[0].info.channel_count, 8);
    assert!(session.flips.iter().all(|flip| flip.class == OnsetClass::Simulated));
    assert!(session.flips.windows(2).all(|pair| pair[0].frame < pair[1].frame));
    // The participant saw contrast through the screen, and its samples left and came back over LSL.
    assert!(session.latents.iter().any(|latent| latent.contrast_seen > 0.3));
    assert!(!session.clock_offsets.is_empty(), "an inlet measures the offset of the source's clock");
    opens_offline(&folder.join("report.html"));
    let Some(python) = python() else { return };
    let said = read_alike(&python, &[&session.folder.xdf_path()]);
    assert!(said.contains("24 streams, 1 taken by mne: same"), "{said}");
}

#[test]
fn pyxdf_and_mne_take_a_virtual_session() {
    let Some(python) = python() else { return };
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "P52", 8, &["--seconds", "40"]);
    let session = RecordedSession::open(&folder).unwrap();
    let said = read_alike(&python, &[&session.folder.xdf_path()]);
    assert!(said.contains("24 streams, 1 taken by mne: same"), "{said}");
}

#[test]
fn ctrl_c_ends_in_order() {
    let _alone = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(()) = vulkan_is_there() else { return };
    let out = tempfile::tempdir().unwrap();
    let process = live(out.path(), &["--in-process"]);
    wait_until(60.0, "the recording", || recording_below(out.path()).is_some());
    std::thread::sleep(Duration::from_secs(3));
    process.interrupt();
    let asked_ns = timeline::clock::now_ns();
    let summary = process.end(10.0).expect(0).json();
    assert_eq!(summary["exit"], "stopped");
    let session = session_below(out.path());
    assert_eq!(session.meta.outcome.as_ref().unwrap().exit, "stopped");
    assert!(session.is_closed && verify(&session.folder.xdf_path()).unwrap().is_whole());
    let stop = session.notices.iter().find(|notice| notice.kind == NoticeKind::Stop).expect("a notice of it");
    assert!((stop.at_ns - asked_ns).abs() < 100_000_000, "asked at {asked_ns}, noticed at {}", stop.at_ns);
    let before = session.flips.iter().rev().find(|flip| flip.onset_ns < stop.at_ns).unwrap();
    assert!(before.contrast > 0.0, "nothing was shown, so nothing was ended: {before:?}");
    let last = session.flips.last().unwrap();
    assert_eq!((last.scene, last.contrast), (SceneId::GREY, 0.0));
    never_jumps(&session, stop.at_ns, before.contrast, 0.5);
    assert!(last.onset_ns - stop.at_ns < 2_000_000_000, "{} ns to grey", last.onset_ns - stop.at_ns);
    replays(session.folder.path());
}

/// From `from_ns` on, contrast changes no faster than `most` in `ramp_s`: a jump would itself be a flash.
fn never_jumps(session: &RecordedSession, from_ns: i64, most: f64, ramp_s: f64) {
    let flips: Vec<_> = session.flips.iter().filter(|flip| flip.onset_ns >= from_ns).collect();
    assert!(flips.len() > 10);
    for pair in flips.windows(2) {
        let (change, time_ns) = (pair[1].contrast - pair[0].contrast, pair[1].onset_ns - pair[0].onset_ns);
        // The first frame of a ramp is drawn for an instant up to two refreshes after the ramp's begin.
        let allowed = most * (time_ns + 20_000_000) as f64 / 1e9 / ramp_s;
        assert!(
            change.abs() <= allowed * 1.01 + 1e-9,
            "{change} in {time_ns} ns, at most {allowed}: {pair:?}"
        );
    }
}

#[test]
fn without_liblsl_the_participant_stays_inside() {
    let _alone = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(()) = vulkan_is_there() else { return };
    for more in [&["--in-process"][..], &[]] {
        let out = tempfile::tempdir().unwrap();
        let arguments = ["run", THERMOSTAT, "--display", "offscreen", "--json", "--seconds", "2", "--out"];
        let mut command = photic(arguments.iter().chain(&[out.path().to_str().unwrap()]).chain(more));
        let ended = Process::start(command.env("PHOTIC_LIBLSL", "/nonexistent")).end(60.0).expect(0);
        if more.is_empty() {
            ended.says(&["/nonexistent", "make setup", "inside the process"]);
        }
        let summary = ended.json();
        assert!(summary["samples"].as_u64().unwrap() > 400 && summary["samples_lost"] == 0, "{summary}");
        replays(&session_folder(&summary));
    }
    let mut command = photic(["run", THERMOSTAT, "--participant", "none", "--display", "offscreen"]);
    let ended = Process::start(command.env("PHOTIC_LIBLSL", "/nonexistent")).end(60.0).expect(2);
    ended.says(&["/nonexistent", "make setup"]);
}

#[test]
fn a_source_that_dies_leads_to_hold_then_grey_until_it_is_back() {
    let _alone = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(()), Some(()), Some(meeting)) = (lsl_is_there(), vulkan_is_there(), Meeting::new()) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let protocol = out.path().join("show.toml");
    fs::write(&protocol, SHOW).unwrap();
    let sessions = out.path().join("sessions");
    let mut source = meeting.source(&["--labels", CHANNELS]);
    let arguments = ["--participant", "none", "--display", "offscreen", "--seconds", "20", "--json", "--out"];
    let mut command = photic(["run", protocol.to_str().unwrap()].iter().chain(&arguments));
    let process = Process::start(command.arg(&sessions).env("PHOTIC_LSL_SESSION", &meeting.session));
    wait_until(60.0, "the recording", || recording_below(&sessions).is_some());
    std::thread::sleep(Duration::from_secs(3));
    let died_ns = source.kill();
    std::thread::sleep(Duration::from_millis(2500));
    let again = meeting.source(&["--labels", CHANNELS]);
    let summary = process.end(60.0).expect(0).json();
    drop(again);
    eprintln!("{summary}");

    let session = session_below(&sessions);
    let noticed = |kind| session.notices.iter().find(|notice| notice.kind == kind && notice.at_ns > died_ns);
    let [stale, grey, back, resumed] =
        [NoticeKind::Stale, NoticeKind::ToGrey, NoticeKind::SourceBack, NoticeKind::Resumed].map(|kind| {
            noticed(kind)
                .unwrap_or_else(|| panic!("no notice of {}: {:?}", kind.name(), session.notices))
                .at_ns
        });
    let last_arrival_ns =
        session.chunks.iter().map(|chunk| chunk.arrival_ns).filter(|&at| at <= stale).max().unwrap();
    // In the first turn after the protocol's times, however late a busy machine lets that be.
    let first_turn_ns = |after_s: f64| {
        let due_ns = last_arrival_ns + ns_from_s(after_s);
        session.turns.iter().map(|turn| turn.now_ns).find(|&now_ns| now_ns >= due_ns).unwrap()
    };
    assert_eq!(stale, first_turn_ns(0.3), "stale {} ns after the last chunk", stale - last_arrival_ns);
    assert_eq!(grey, first_turn_ns(1.0), "to grey {} ns after the last chunk", grey - last_arrival_ns);
    assert!(grey < back && back <= resumed, "{grey} {back} {resumed}");
    let ramp = session.commands.iter().find(|command| command.issued_ns >= grey).unwrap().contrast;
    assert_eq!((ramp.from, ramp.to), (0.6, 0.0), "the last command before goes down by a ramp");
    assert!((ramp.end_ns - ramp.start_ns - 500_000_000).abs() < 1_000_000, "{ramp:?}");

    // Held while stale, grey while away, back by a ramp.
    let shown = |from_ns: i64, to_ns: i64| {
        let flips: Vec<_> =
            session.flips.iter().filter(|flip| (from_ns..to_ns).contains(&flip.onset_ns)).collect();
        assert!(flips.len() > 5, "{} flips in {} ms", flips.len(), (to_ns - from_ns) / 1_000_000);
        flips
    };
    assert!(shown(stale, grey).iter().all(|flip| flip.contrast == 0.6));
    assert!(
        shown(grey + 700_000_000, back)
            .iter()
            .all(|flip| flip.scene == SceneId::GREY && flip.contrast == 0.0)
    );
    assert!(shown(resumed + 800_000_000, resumed + 1_200_000_000).iter().all(|flip| flip.contrast == 0.6));
    never_jumps(&session, died_ns, 0.6, 0.5);
    replays(session.folder.path());
}
