//! The page as a whole: complete where there is data, honest where there is none, safe with hostile texts, small for
//! long sessions.

use std::time::{Duration, SystemTime};

use super::synthetic::{
    Held, LISTEN, PEOPLE, Synthetic, THERMOSTAT, empty, listening, notice, thermostat, turn,
};
use super::*;
use timeline::{Attempt, AttemptOutcome, NoticeKind, SourceId};

fn page(held: &Held) -> String {
    let session = &held.session;
    let path = write(session, &Summary::of(session)).unwrap();
    // To look at the pages: keep them where this variable says.
    if let Some(keep) = std::env::var_os("PHOTIC_KEEP_REPORTS") {
        let name = format!("{}-{}.html", session.meta.protocol, session.flips.len());
        std::fs::copy(&path, PathBuf::from(keep).join(name)).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    check_form(&text);
    text
}

/// Every tag is closed in order, nothing is fetched, no number is broken.
fn check_form(html: &str) {
    let mut open = Vec::new();
    let body = &html[html.find("<body>").unwrap()..html.find("</html>").unwrap()];
    for piece in body.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "near </{name}>");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for bad in
        ["http://", "https://", "<script", "url(", "@import", " src=", "\"NaN", "NaN ", "LNaN", "inf\""]
    {
        assert!(!html.contains(bad), "{bad}");
    }
}

#[test]
fn a_thermostat_session_has_every_section() {
    let held = thermostat(&Synthetic::default());
    let html = page(&held);
    for text in [
        "Ended: finished",
        "The screen went grey for want of samples 1 time.",
        "hold-2.0",
        "Set point".to_lowercase().as_str(),
        "latent response (simulated participant)",
        "newest sample → onset",
        "source stale",
        "screen grey",
        "predicted from earlier presents",
        "response frequency, 15 Hz",
        "mains, 50 Hz",
        "550 samples",
        "Synthetic amplifier",
        &held.session.meta.rig_sha256,
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(html.len() < 700_000, "{}", html.len());
}

#[test]
fn a_listening_session_has_its_confusion() {
    let html = page(&listening());
    for text in [
        "30 of 32 right: 93.8 %",
        "79.9 to 98.3 %",
        "cued \\ decided",
        "21 Hz",
        "decided, wrong",
        "no command was caused",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn an_empty_session_says_what_is_missing() {
    for protocol in [THERMOSTAT, LISTEN, "not a protocol"] {
        let mut held = empty(protocol);
        held.session.is_closed = false;
        let html = page(&held);
        for text in [
            "Did not end in order",
            "No intervals: 0 frames were recorded.",
            "no frame was recorded",
            "No stream was recorded.",
            "No notice was recorded.",
            "The recording was not closed",
        ] {
            assert!(html.contains(text), "{text}");
        }
        assert_eq!(html.contains("not readable by this build"), protocol == "not a protocol");
    }
}

#[test]
fn each_part_may_be_missing() {
    let strip: [fn(&mut RecordedSession); 9] = [
        |s| s.flips.clear(),
        |s| s.decisions.clear(),
        |s| s.commands.clear(),
        |s| s.published.clear(),
        |s| s.chunks.clear(),
        |s| s.turns.clear(),
        |s| s.notices.clear(),
        |s| s.latents.clear(),
        |s| s.sources.clear(),
    ];
    for cut in strip {
        let mut held = thermostat(&Synthetic { seconds: 40.0, channels: 2, seed: 2 });
        cut(&mut held.session);
        page(&held);
        held.session.flips.truncate(1);
        held.session.decisions.truncate(1);
        held.session.sources.truncate(0);
        page(&held);
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let mut held = thermostat(&Synthetic { seconds: 30.0, channels: 1, seed: 2 });
    let bad = "</td><script>alert(1)</script>\"'&\u{0}\u{1b}";
    let session = &mut held.session;
    session.meta.protocol = "x<img src=y>".into();
    session.meta.sources[0].name = bad.into();
    session.meta.sources[0].stream_name = bad.into();
    session.meta.sources[0].labels = vec![bad.into()];
    session.meta.sources[0].units = vec![bad.into()];
    session.meta.participant = bad.into();
    session.meta.command_line = vec![bad.into()];
    session.meta.extra.insert(bad.into(), bad.into());
    session.meta.outcome.as_mut().unwrap().exit = bad.into();
    session.folder.write_copies(bad.as_bytes(), bad.as_bytes()).unwrap();
    let html = render(session, &Summary::of(session));
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains('\u{0}'));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
}

#[test]
fn numbers_that_are_none_break_nothing() {
    let mut held = thermostat(&Synthetic { seconds: 40.0, channels: 3, seed: 2 });
    let session = &mut held.session;
    for (n, decision) in session.decisions.iter_mut().enumerate() {
        match n % 5 {
            0 => decision.value = f64::NAN,
            1 => decision.spread = f64::INFINITY,
            2 if n % 100 == 2 => decision.value = 1e300,
            _ => {}
        }
    }
    for latent in session.latents.iter_mut().step_by(7) {
        latent.response_uv = f64::NAN;
    }
    for value in session.sources[0].values.iter_mut().step_by(3) {
        *value = f64::NAN;
    }
    session.sources[0].values[1] = f64::INFINITY;
    session.sources[0].stamps_s[10] = f64::NAN;
    session.sources[0].stamps_s[20] = 1e300;
    session.commands[0].contrast.to = f64::NAN;
    session.meta.display.as_mut().unwrap().refresh_hz = f64::NAN;
    let html = page(&held);
    assert!(html.contains("beyond the axis"));
    let error = Summary::of(&held.session).tracking_error.unwrap();
    assert!(error.latent.unwrap() < 10.0);
}

#[test]
fn a_long_session_has_a_small_page() {
    let mut held = thermostat(&Synthetic { seconds: 7200.0, channels: 2, seed: 5 });
    let end_ns = held.session.flips.last().unwrap().onset_ns;
    for n in 0..50_000 {
        let at_ns = end_ns - i64::from(n);
        held.session.notices.push(notice(at_ns, NoticeKind::StampJump, Some(SourceId(0)), 5));
    }
    let html = page(&held);
    assert!(html.len() < 1_000_000, "{}", html.len());
    assert!(html.contains("50"));
}

#[test]
fn ten_minutes_are_written_in_two_seconds() {
    let held = thermostat(&Synthetic { seconds: 600.0, channels: 8, seed: 5 });
    #[expect(clippy::disallowed_methods, reason = "a test's stopwatch")]
    let begin = SystemTime::now();
    let html = page(&held);
    let took = begin.elapsed().unwrap();
    assert!(html.len() < 3_000_000 && took < Duration::from_secs(2), "{} bytes in {took:?}", html.len());
}

#[test]
fn time_that_runs_backwards_is_survived() {
    let mut held = thermostat(&Synthetic { seconds: 60.0, channels: 1, seed: 5 });
    held.session.flips.reverse();
    held.session.decisions.reverse();
    held.session.chunks.reverse();
    held.session.turns.push(turn(9_999_999, 0, 3));
    assert!(page(&held).len() < 1_000_000);
}

/// An attempt at a trial that was answered after so many ms, or not at all.
fn attempt(
    block: u64,
    trial: u64,
    condition: u64,
    outcome: AttemptOutcome,
    reaction_ms: Option<i64>,
) -> Attempt {
    Attempt {
        index: 0,
        turn: 0,
        block,
        trial,
        repeat: 0,
        condition: Some(condition),
        practice: false,
        begin_ns: 0,
        command: Some(1),
        frame: Some(1),
        onset_ns: 0,
        off_ns: 0,
        response: None,
        marker: None,
        button: reaction_ms.map(|_| 0),
        reaction_ns: reaction_ms.unwrap_or(0) * 1_000_000,
        correct: reaction_ms.map(|_| outcome == AttemptOutcome::Correct),
        outcome,
        again: false,
        missed: 0,
    }
}

#[test]
fn attempts_are_counted_by_condition() {
    use AttemptOutcome::{Answered, Correct, Cut, Early, Interrupted, MissedFrames, NoResponse, Wrong};
    let mut held = empty(PEOPLE);
    let attempts = &mut held.session.attempts;
    attempts.push(Attempt { condition: None, ..attempt(0, 0, 0, Answered, Some(900)) });
    // Block 2 of the schedule is a task with 20 trials of each of two conditions, and 2 repeats.
    for (trial, ms) in [(0, 400), (1, 300), (2, 500), (3, 200)] {
        let outcome = if trial == 3 { Wrong } else { Correct };
        attempts.push(attempt(2, trial, 0, outcome, Some(ms)));
    }
    attempts.push(Attempt { again: true, ..attempt(2, 4, 0, MissedFrames, Some(50)) });
    attempts.push(Attempt { again: true, repeat: 1, ..attempt(2, 4, 0, Interrupted, None) });
    attempts.push(Attempt { repeat: 2, ..attempt(2, 4, 0, Correct, Some(600)) });
    attempts.push(Attempt { again: true, ..attempt(2, 5, 0, Early, Some(20)) });
    attempts.push(Attempt { repeat: 1, ..attempt(2, 5, 0, NoResponse, None) });
    attempts.push(attempt(2, 6, 0, Cut, None));
    let html = page(&held);
    let row = |cells: &[&str]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('-', "\u{2013}")).collect();
        let plain = html.replace("<td class=\"number\">", "<td>");
        assert!(plain.contains(&format!("<td>{}</td>", cells.join("</td><td>"))), "{cells:?} in {plain}");
    };
    let rejected = "1 early, 1 interrupted, 1 missed frames, 1 no response";
    row(&["left", "20", "5", "4", "3", "1", "14", rejected, "5", "400.0", "300.0 - 500.0"]);
    row(&["right", "20", "0", "0", "0", "0", "20", "-", "0", "-", "-"]);
    row(&["practice", "left", "4", "0"]);
    for text in ["Attempts", "1 instruction, break or rating, 1 answered."] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!page(&empty(THERMOSTAT)).contains("Attempts"));
    // A protocol that this build cannot read takes names and plans away, nothing else.
    let mut unread = empty("not a protocol");
    unread.session.attempts.push(attempt(3, 0, 1, Correct, Some(321)));
    assert!(page(&unread).contains("condition 1"));
}
