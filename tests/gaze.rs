//! What follows the gaze, through the whole program: a scripted person and a simulated participant look somewhere, frames are
//! placed there, and are drawn once more from the record alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use recording::RecordedSession;
use support::{replays, root, run, session_folder, vulkan_is_there};
use timeline::{Flip, ns_from_s};

const PROTOCOL: &str = "protocols/scotoma.toml";

/// Where the script looks, in s and degrees; closed eyes from 1.3 to 1.7 s.
const LOOKS: &str = "[[look]]\nat_s = 0.4\ngaze_deg = [3.0, 1.0]\n[[look]]\nat_s = 0.9\ngaze_deg = [-4.0, -2.0]\n\
    [[look]]\nat_s = 1.3\nclosed = true\n[[look]]\nat_s = 1.7\ngaze_deg = [1.0, 0.0]\n";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn shipped() -> String {
    fs::read_to_string(root().join(PROTOCOL)).unwrap()
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// A run of the shipped protocol with the script, for so long.
fn looked(folder: &Path, seconds: &str, place: &[&str]) -> (PathBuf, RecordedSession, serde_json::Value) {
    let script = write(folder, "script.toml", LOOKS);
    let out = folder.join("sessions");
    let arguments =
        ["run", PROTOCOL, "--responses", text(&script), "--seconds", seconds, "--out", text(&out), "--json"];
    let json = run([&arguments[..], place].concat(), 120.0).expect(0).json();
    let session = session_folder(&json);
    let recorded = RecordedSession::open(&session).unwrap();
    (session, recorded, json)
}

/// The place of a direction, to the right and down, on the screen of the session's rig.
fn place_px(lowered: &photic::experiment::Lowered, [x, y]: [f64; 2]) -> [f64; 2] {
    let screen = &lowered.scenery.screen;
    [screen.offset_px(x).round(), -screen.offset_px(y).round() + 0.0]
}

/// Each frame lies where the script looked at the instant of the sample that it names.
fn frames_lie_by_the_script(session: &RecordedSession, lowered: &photic::experiment::Lowered) -> Vec<Flip> {
    let first_ns = ns_from_s(session.sources[0].stamps_s[0]);
    let followed: Vec<Flip> = session.flips.iter().filter(|flip| flip.scene.0 != 0).copied().collect();
    for flip in &followed {
        let Some(gaze) = flip.gaze else { continue };
        let at_s = (gaze.at_ns - first_ns) as f64 / 1e9;
        let wanted = match at_s {
            ..0.3999 => [0.0, 0.0],
            ..0.8999 => [3.0, 1.0],
            ..1.2999 => [-4.0, -2.0],
            ..1.6999 => panic!("the eyes were closed at {at_s} s"),
            _ => [1.0, 0.0],
        };
        assert_eq!(gaze.offset_px, place_px(lowered, wanted), "{at_s} s");
        assert!(flip.onset_ns - gaze.at_ns <= 100_000_000, "older than hold_s");
    }
    followed
}

#[test]
fn on_the_virtual_clock_every_frame_takes_the_newest_gaze_and_a_lost_one_is_held_for_hold_s() {
    let folder = tempfile::tempdir().unwrap();
    let (session, recorded, json) = looked(folder.path(), "2.5", &["--clock", "virtual"]);
    let lowered =
        photic::experiment::Experiment::load(&root().join(PROTOCOL), None).unwrap().lower(1).unwrap();
    let followed = frames_lie_by_the_script(&recorded, &lowered);
    let seen: Vec<&Flip> = followed.iter().filter(|flip| flip.gaze.is_some()).collect();
    // A sample waits for its chunk (4 ms, one sample at 250 Hz) and 2 ms on its way; a frame is drawn right after the one before
    // and is seen at the next refresh (16.7 ms).
    let age_ms = |flip: &&Flip| (flip.onset_ns - flip.gaze.unwrap().at_ns) as f64 / 1e6;
    let blinks = |flip: &&&Flip| age_ms(flip) > 25.0;
    assert!(seen.iter().all(|flip| age_ms(flip) > 16.0));
    let old = seen.iter().filter(blinks).count();
    assert!((3..=6).contains(&old), "{old} frames held the gaze in the blink");
    let lost: Vec<usize> = (0..followed.len()).filter(|&place| followed[place].gaze.is_none()).collect();
    // 400 ms of closed eyes less 100 of hold_s are 18 refreshes; a frame or two at the onset have no sample yet.
    let in_blink = lost.iter().filter(|&&place| place > 10).count();
    assert!((17..=20).contains(&in_blink), "{in_blink} of {lost:?}");
    let summary = &json["gaze"];
    assert_eq!(
        (summary["frames"].as_u64(), summary["lost"].as_u64()),
        (Some(seen.len() as u64), Some(lost.len() as u64))
    );
    assert!(summary["gaze_to_frame_us"]["p50"].as_f64().unwrap() < 25_000.0, "{summary}");
    replays(&session);
    let page = fs::read_to_string(
        fs::read_dir(&session)
            .unwrap()
            .find_map(|entry| {
                let path = entry.unwrap().path();
                path.extension().is_some_and(|end| end == "html").then_some(path)
            })
            .unwrap(),
    );
    assert!(page.unwrap().contains("What follows the gaze: "));
}

#[test]
fn frames_by_a_gaze_are_drawn_again_with_their_checksums() {
    let Some(()) = vulkan_is_there() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = ["--display", "offscreen", "--participant", "none", "--in-process"];
    let (session, recorded, _) = looked(folder.path(), "2.2", &place);
    let lowered =
        photic::experiment::Experiment::load(&root().join(PROTOCOL), None).unwrap().lower(1).unwrap();
    let followed = frames_lie_by_the_script(&recorded, &lowered);
    let mut places: Vec<[i64; 2]> =
        followed.iter().filter_map(|f| f.gaze).map(|gaze| gaze.offset_px.map(|px| px as i64)).collect();
    places.dedup();
    assert_eq!(places.len(), 4, "{places:?}");
    // One frame of each place, and one in which the scotoma was not drawn.
    let drawn = |flip: &&Flip| recorded.drawn.iter().any(|drawn| drawn.frame == flip.frame);
    let whole = followed.iter().filter(|flip| flip.command.is_some()).filter(drawn);
    let mut shown: Vec<(Option<[i64; 2]>, u64, [u64; 2])> = Vec::new();
    for flip in whole.skip(20) {
        let place = flip.gaze.map(|gaze| gaze.offset_px.map(|px| px as i64));
        if shown.last().is_none_or(|(last, ..)| *last != place) {
            let drawn = recorded.drawn.iter().find(|drawn| drawn.frame == flip.frame).unwrap();
            shown.push((place, flip.frame, drawn.checksum));
        }
    }
    assert!(shown.len() >= 4 && shown.iter().any(|(place, ..)| place.is_none()), "{shown:?}");
    for (place, frame, checksum) in &shown {
        let json =
            run(["frames", text(&session), "--at", &frame.to_string(), "--json"], 60.0).expect(0).json();
        assert_eq!(json["same"], true, "{json}");
        assert_eq!(json["gaze_px"].is_null(), place.is_none(), "{json}");
        let alike = shown.iter().filter(|(_, _, other)| other == checksum).count();
        assert_eq!(alike, 1, "the scotoma covers other letters at each place: {shown:?}");
    }
    replays(&session);
}

#[test]
fn a_simulated_participants_eyes_are_followed_when_they_move() {
    let folder = tempfile::tempdir().unwrap();
    let eeg = "[stream.eeg]\ntype = \"EEG\"\nchannels = [\"O1\", \"Oz\", \"O2\"]\nrate_hz = 250.0\nunit = \"uV\"\n\
        stale_after_s = 0.3\ngrey_after_s = 1.0\nmax_lag_s = 0.5\n\n[stream.eye]";
    let protocol = shipped().replace("[stream.eye]", eeg).replace("hold_s = 0.1", "hold_s = 0.06");
    let protocol = write(folder.path(), "protocol.toml", &protocol);
    let out = folder.path().join("sessions");
    let base = [
        "run",
        text(&protocol),
        "--clock",
        "virtual",
        "--participant",
        "nominal",
        "--out",
        text(&out),
        "--json",
    ];
    let still = run(base, 60.0).expect(2);
    still.says(&["`eye`", "saccades"]);
    assert!(!out.exists() || fs::read_dir(&out).unwrap().next().is_none(), "a refused run leaves no folder");
    let json =
        run([&base[..], &["--with", "saccades,blinks", "--seconds", "12"]].concat(), 120.0).expect(0).json();
    let session = session_folder(&json);
    let recorded = RecordedSession::open(&session).unwrap();
    let mut places: Vec<[i64; 2]> =
        recorded.flips.iter().filter_map(|f| f.gaze).map(|gaze| gaze.offset_px.map(|px| px as i64)).collect();
    places.dedup();
    assert!(places.len() > 10, "{} places", places.len());
    replays(&session);
}

#[test]
fn what_cannot_follow_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let base = shipped();
    let gaze = &base[base.find("[gaze]").unwrap()..base.find("[stimulus.page").unwrap()];
    let probe = &base[base.find("[stimulus.probe").unwrap()..base.find("[stimulus.without_fovea").unwrap()];
    let noise = "[stimulus.probe.noise]\ncell_deg = 1.0\nsize_deg = [4.0, 4.0]\ndraw = \"binary\"\nrenew_hz = 0.0\nseed = 1\n\
        follows = \"gaze\"\n";
    let cases: [(String, &[&str]); 6] = [
        (base.replace(gaze, ""), &["stimulus.scotoma.shape.follows", "needs [gaze]"]),
        (base.replace("hold_s = 0.1", ""), &["gaze", "hold_s"]),
        (base.replace("follows = \"gaze\"", ""), &["gaze.hold_s", "no stimulus has follows"]),
        (base.replace("follows = \"gaze\"", "follows = \"gaz\""), &["follows", "gaze", "fixation"]),
        (base.replace(probe, noise), &["`probe`", "noise", "cannot follow the gaze"]),
        (
            base.replace("ellipse_deg = [5.0, 5.0]\nedge_deg = 0.5", "screen = true"),
            &["inverted", "nothing lies around"],
        ),
    ];
    for (protocol, said) in cases {
        assert_ne!(protocol, base);
        let path = write(folder.path(), "protocol.toml", &protocol);
        run(["check", text(&path)], 60.0).expect(2).says(said);
    }
    let check = run(["check", PROTOCOL], 60.0).expect(0).stdout;
    assert_eq!(check.matches("follows the gaze: judged here").count(), 5, "{check}");
    // Nobody whose gaze could be followed.
    run(["run", PROTOCOL, "--clock", "virtual"], 60.0).expect(2).says(&["`eye`", "[[look]]"]);
    let look = write(folder.path(), "script.toml", LOOKS);
    let other = [
        "run",
        "protocols/two-choice.toml",
        "--clock",
        "virtual",
        "--number",
        "1",
        "--responses",
        text(&look),
    ];
    run(other, 60.0).expect(2).says(&["look", "[gaze]"]);
}

#[test]
fn a_rig_without_a_gaze_stream_is_refused() {
    let Some(()) = support::lsl_is_there() else { return };
    let place = ["--display", "offscreen", "--participant", "none", "--wait-s", "0.5"];
    run([&["run", PROTOCOL][..], &place].concat(), 60.0).expect(2).says(&["Gaze"]);
}
