//! A Python program over LSL as the controller, or the decoder: it works, lies, stalls and dies, and the session goes on,
//! says so, and replays to the bit without it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use recording::RecordedSession;
use serde_json::Value;
use support::judge::Meeting;
use support::*;
use timeline::NoticeKind;

/// The thermostat, short, with a table `[outside]`.
fn protocol(folder: &Path, gives: &str, fallback: &str) -> PathBuf {
    let text = fs::read_to_string(root().join(THERMOSTAT)).unwrap();
    let (head, _) = text.split_once("[[block]]").unwrap();
    let outside = format!(
        "[outside]\ngives = \"{gives}\"\nstates = \"told\"\nreplies = \"guest\"\ndeadline_s = 0.5\nfallback = \"{fallback}\"\n"
    );
    let blocks = "[[block]]\nname = \"calibrate\"\nduration_s = 9.0\n\
        calibrate = { stimulus = \"target\", contrast = 0.8, on_s = 8.0, off_s = 1.0 }\n\
        [[block]]\nname = \"hold\"\nduration_s = 9.0\nhold = { stimulus = \"target\", set_point_uv = 1.2 }\n";
    let path = folder.join("outside.toml");
    fs::write(&path, format!("{head}{outside}{blocks}")).unwrap();
    path
}

/// A session with the program; what each says, and the folder.
fn together(gives: &str, fallback: &str, script: &str) -> Option<(Value, RecordedSession, PathBuf)> {
    let (Some(meeting), Some(()), Some(())) = (Meeting::new(), lsl_is_there(), vulkan_is_there()) else {
        return None;
    };
    let place = tempfile::tempdir().unwrap();
    let protocol = protocol(place.path(), gives, fallback);
    let guest = ["--states", "told", "--replies", "guest", "--gives", gives, "--script", script];
    let guest = meeting.guest(&guest);
    let mut run =
        photic(["run", protocol.to_str().unwrap(), "--in-process", "--display", "offscreen", "--json"]);
    run.env("PHOTIC_LSL_SESSION", &meeting.session).arg("--out").arg(place.path().join("out"));
    let summary = Process::start(&mut run).end(60.0).expect(0).json();
    assert_eq!(summary["exit"], "finished", "{summary}");
    let folder = session_folder(&summary);
    // All of it without the program.
    replays(&folder);
    let said = guest.end(60.0).expect(0).json();
    let kept = place.keep();
    let session = RecordedSession::open(&folder).unwrap();
    Some((said, session, kept))
}

fn count(session: &RecordedSession, kind: NoticeKind, why: Option<i64>) -> usize {
    session.notices.iter().filter(|n| n.kind == kind && why.is_none_or(|why| n.count == why)).count()
}

#[test]
fn it_works_lies_stalls_dies_and_the_session_goes_on() {
    let script = "works:20,nan:8,works:4,range:8,works:4,index:8,works:4,stall:10,works:6";
    let Some((said, session, kept)) = together("contrast", "hold", script) else { return };
    assert_eq!(said["said"]["gives"], "contrast");
    assert_eq!((&said["said"]["deadline_s"], &said["said"]["contrast_max"]), (&"0.5".into(), &"0.9".into()));
    // All that it sent came, as it was sent.
    let sent: u64 = said["sent"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    let heard = session.replies.len() as u64;
    // The last may be on its way when the session ends.
    assert!(sent == 62 && (61..=62).contains(&heard), "{heard}, {said}");
    assert_eq!(session.replies.iter().filter(|reply| reply.value.is_nan()).count(), 8);
    assert_eq!(session.replies.iter().filter(|reply| reply.value == 7.0).count(), 8);
    assert!(session.states.len() > 75, "{}", session.states.len());
    for (kind, why, least) in [
        (NoticeKind::ReplyRefused, Some(1), 1),
        (NoticeKind::ReplyRefused, Some(3), 1),
        (NoticeKind::ReplyRefused, Some(4), 1),
        // NaN, range, index, the stall and the end: each is longer than the deadline.
        (NoticeKind::OutsideSilent, None, 5),
        (NoticeKind::OutsideBack, None, 4),
    ] {
        let found = count(&session, kind, why);
        assert!(found >= least, "{kind:?} {why:?}: {found}, {:?}", session.notices);
    }
    // What it gave was shown: contrasts that it sent, and none that it may not send.
    let good: Vec<f64> =
        session.replies.iter().map(|reply| reply.value).filter(|value| *value <= 0.9).collect();
    let first_ns = session.states[0].at_ns;
    let caused = session.commands.iter().filter(|c| c.issued_ns >= first_ns && c.decision.is_some());
    let caused: Vec<f64> = caused.map(|command| command.contrast.to).collect();
    assert!(caused.len() > 15 && caused.iter().all(|to| good.contains(to)), "{caused:?} {good:?}");
    fs::remove_dir_all(kept).unwrap();
}

#[test]
fn a_decoder_outside_works_and_lies() {
    let Some((_, session, kept)) = together("value", "inside", "works:30,nan:10,range:10,works:20") else {
        return;
    };
    assert!(count(&session, NoticeKind::ReplyRefused, Some(3)) >= 1);
    assert!(count(&session, NoticeKind::ReplyRefused, Some(4)) >= 1);
    assert!(count(&session, NoticeKind::OutsideSilent, None) >= 1);
    let holds = session.commands.iter().filter(|c| c.decision.is_some()).count();
    assert!(holds > 20, "the controller inside went on: {holds}");
    fs::remove_dir_all(kept).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_before_a_person_sits_down() {
    let place = tempfile::tempdir().unwrap();
    let file = protocol(place.path(), "contrast", "hold");
    let out = place.path().join("out");
    let arguments = |more: &[&str]| -> Vec<String> {
        let base = ["run", file.to_str().unwrap(), "--out", out.to_str().unwrap()];
        base.iter().chain(more).map(|text| (*text).to_owned()).collect()
    };
    run(arguments(&["--clock", "virtual"]), 60.0).expect(2).says(&["[outside]", "--clock live"]);
    let edited = |from: &str, to: &str, says: &[&str]| {
        let text = fs::read_to_string(&file).unwrap();
        let path = place.path().join("edited.toml");
        assert!(text.contains(from));
        fs::write(&path, text.replace(from, to)).unwrap();
        run(["check", path.to_str().unwrap()], 60.0).expect(2).says(says);
    };
    edited("deadline_s = 0.5", "deadline_s = 6.5", &["deadline_s", "6.4"]);
    edited("fallback = \"hold\"", "fallback = \"hope\"", &["fallback", "grey"]);
    edited("replies = \"guest\"", "replies = \"told\"", &["replies"]);
    edited("hold = { stimulus = \"target\", set_point_uv = 1.2 }", "rest = {}", &["outside", "set point"]);
    if lsl_is_there().is_none() {
        return;
    }
    let ended = run(arguments(&["--in-process", "--display", "offscreen", "--wait-s", "0.5"]), 60.0);
    ended.expect(2).says(&["guest", "0.5 s"]);
    assert!(fs::read_dir(&out).is_err(), "no session was begun");
    let Some(meeting) = Meeting::new() else { return };
    let guest = [
        "--states",
        "told",
        "--replies",
        "guest",
        "--channels",
        "4",
        "--script",
        "works:1",
        "--seconds",
        "5",
    ];
    let _guest = meeting.guest(&guest);
    let mut wrong = photic(arguments(&["--in-process", "--display", "offscreen"]));
    let ended = Process::start(wrong.env("PHOTIC_LSL_SESSION", &meeting.session)).end(60.0);
    ended.expect(2).says(&["guest", "4 channels", "2"]);
}
