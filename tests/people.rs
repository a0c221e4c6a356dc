//! Protocols for people through the whole program, with a scripted person: reaction times against the script, the order by
//! number, pauses, an interrupted session that goes on, events that the BIDS validator takes.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use photic::cli::{ClockMode, RunArgs};
use photic::run::simulated::virtual_args;
use recording::RecordedSession;
use serde_json::Value;
use support::judge::python;
use support::xvfb::x_server;
use support::{Process, output, photic, recording_below, replays, root, session_below, wait_until};
use timeline::{Attempt, AttemptOutcome, NoticeKind, OnsetClass, Row, SceneId, ns_from_s};

const PROTOCOL: &str = "protocols/two-choice.toml";

/// Latencies in s after each appearance, in turn, and the keys.
const LEFT: (&[f64], &[&str]) = (&[0.31, 0.4237, 0.5501], &["left", "left", "right", "none", "left"]);
const RIGHT: (&[f64], &[&str]) = (&[0.2801, 0.6123456], &["right", "right", "right", "left"]);
const WELCOME: (&[f64], &[&str]) = (&[1.2], &["space"]);
const PAUSE: (&[f64], &[&str]) = (&[11.0], &["space"]);
const SCALE: (&[f64], &[&str]) = (&[1.5], &["5"]);

fn script(more: &str) -> String {
    let answer = |name: &str, (after, keys): (&[f64], &[&str])| {
        format!("[[answer]]\nstimulus = \"{name}\"\nafter_s = {after:?}\nkeys = {keys:?}\n")
    };
    [
        answer("leans_left", LEFT),
        answer("leans_right", RIGHT),
        answer("welcome", WELCOME),
        answer("pause", PAUSE),
        answer("scale", SCALE),
        more.into(),
    ]
    .concat()
}

/// Scenes of the protocol's stimuli, in the order of the file.
const LEFT_SCENE: SceneId = SceneId(1);

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn args(&self, more: &str, number: u32) -> RunArgs {
        RunArgs {
            protocol: Some(root().join(PROTOCOL)),
            responses: Some(self.write("script.toml", &script(more))),
            number: Some(number),
            participant: None,
            ..virtual_args(self.folder.path().join("sessions"), "none", 20, None)
        }
    }

    fn run(&self, args: RunArgs) -> RecordedSession {
        let summary = photic::run::run(args, false).unwrap();
        RecordedSession::open(Path::new(&summary.session)).unwrap()
    }
}

/// Attempts with a stimulus, and what the script says of each.
fn scripted(session: &RecordedSession) -> Vec<(Attempt, Option<f64>)> {
    let mut given = BTreeMap::<SceneId, usize>::new();
    let mut attempts: Vec<Attempt> =
        session.attempts.iter().filter(|a| a.frame.is_some() && a.condition.is_some()).copied().collect();
    attempts.sort_by_key(|attempt| attempt.onset_ns);
    let scene_of = |attempt: &Attempt| {
        session.flips.iter().find(|flip| Some(flip.frame) == attempt.frame).unwrap().scene
    };
    attempts
        .into_iter()
        .map(|attempt| {
            let scene = scene_of(&attempt);
            let (after, keys) = if scene == LEFT_SCENE { LEFT } else { RIGHT };
            let n = given.entry(scene).or_insert(0);
            let wanted = (keys[*n % keys.len()] != "none").then_some(after[*n % after.len()]);
            *n += 1;
            (attempt, wanted)
        })
        .collect()
}

/// The largest distance of a reaction time from the script, in s, over so many; each attempt without an answer is one that the
/// script does not answer.
fn largest_error_s(session: &RecordedSession) -> (f64, usize) {
    let (mut largest, mut count) = (0.0f64, 0);
    // What `--seconds` cut off may have been answered later.
    for (attempt, wanted) in scripted(session).into_iter().filter(|(a, _)| a.outcome != AttemptOutcome::Cut) {
        assert_eq!(attempt.reaction_ns().is_some(), wanted.is_some(), "{attempt:?} {wanted:?}");
        if let (Some(reaction_ns), Some(wanted)) = (attempt.reaction_ns(), wanted) {
            largest = largest.max((reaction_ns - ns_from_s(wanted)).abs() as f64 / 1e9);
            count += 1;
        }
    }
    (largest, count)
}

fn judge(folder: &Path) -> Option<Value> {
    let python = python()?;
    let said = output(
        Command::new(python).arg(root().join("tests/judges/bids_events.py")).arg(folder).current_dir(root()),
        120.0,
    );
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    eprintln!("{said}");
    Some(said)
}

#[test]
fn a_whole_protocol_runs_scripted_and_its_events_are_valid() {
    let place = Place::new();
    let session = place.run(place.args("", 1));
    let (error_s, count) = largest_error_s(&session);
    eprintln!("{count} reaction times, largest error {error_s} s");
    assert!(count > 70 && error_s <= 1e-3);
    let folder = session.folder.path();
    replays(folder);
    // Every trial of the three tasks came to an end that counts, or was given up after its repeats.
    let names = ["practice", "high contrast", "low contrast"];
    for (block, trials, name) in [(1, 8, names[0]), (2, 40, names[1]), (4, 40, names[2])] {
        let last = |trial: u64| {
            session.attempts.iter().rfind(|a| a.block == block && a.trial == trial && a.condition.is_some())
        };
        let all: Vec<&Attempt> = (0..trials).map(|trial| last(trial).unwrap()).collect();
        assert!(all.iter().all(|attempt| !attempt.again), "{name}");
        assert!(all.iter().all(|attempt| attempt.practice == (block == 1)));
    }
    let given_up = session.notices.iter().filter(|n| n.kind == NoticeKind::TrialGivenUp).count();
    let repeated = session.attempts.iter().filter(|attempt| attempt.again).count();
    assert!(repeated > 5 && given_up < 3, "{repeated} repeated, {given_up} given up");
    let table = fs::read_to_string(folder.join(format!("{}_events.tsv", session.folder.stem()))).unwrap();
    let (rating, rest) = ("\trating\teffort\t", "\trest\trest\t");
    assert!(table.contains("\tinstruction\twelcome\t") && table.contains(rating) && table.contains(rest));
    assert!(table.contains("\tbreak\tbreak\t") && table.contains("\tno_response\ttrue\tfalse\n"));
    if let Some(said) = judge(folder) {
        assert_eq!(said["rows"].as_u64().unwrap() as usize, table.lines().count() - 1);
        if !said["validator"].is_null() {
            assert_eq!(said["errors"], serde_json::json!([]), "{said}");
        }
    }
    // The table says what another run of the same seed and number says.
    let again = place.run(place.args("", 1));
    let bits = |session: &RecordedSession| {
        let mut bits = Vec::new();
        session.attempts.iter().for_each(|attempt| attempt.write(&mut |value| bits.push(value)));
        bits
    };
    assert_eq!(bits(&session), bits(&again));
    // Another participant has the blocks in the other order, and trials in an order of their own.
    let other = place.run(place.args("", 2));
    let order = |session: &RecordedSession, block: u64| -> Vec<u64> {
        let first = session.attempts.iter().filter(|a| a.block == block && a.repeat == 0);
        first.filter_map(|attempt| attempt.condition).collect()
    };
    assert_ne!(order(&session, 2), order(&other, 2));
    let contrast = |session: &RecordedSession, block: u64| {
        let attempt = session.attempts.iter().find(|a| a.block == block && a.frame.is_some()).unwrap();
        session.flips.iter().find(|flip| Some(flip.frame) == attempt.frame).unwrap().contrast
    };
    assert_eq!((contrast(&session, 2), contrast(&other, 2)), (0.9, 0.1));
    replays(other.folder.path());
}

/// Live, offscreen: through the real threads, rings and frames.
#[test]
fn reaction_times_hold_live() {
    let Some(()) = support::vulkan_is_there() else { return };
    let place = Place::new();
    let args = RunArgs { clock: ClockMode::Live, seconds: Some(14.0), ..place.args("", 1) };
    let session = place.run(args);
    let (error_s, count) = largest_error_s(&session);
    let late = session.responses.iter().map(|response| response.arrival_ns - response.at_ns).max().unwrap();
    eprintln!(
        "live: {count} reaction times, largest error {error_s} s; a press was handed over at most {late} ns late"
    );
    assert!(count >= 3 && error_s <= 1e-3);
    assert!(session.flips.iter().all(|flip| flip.class == OnsetClass::Simulated));
    replays(session.folder.path());
}

#[test]
fn the_operator_pauses_and_skips() {
    let place = Place::new();
    let acts = "[[press]]\nat_s = 6.0\nact = \"pause\"\n[[press]]\nat_s = 30.0\nact = \"toggle\"\n\
                [[press]]\nat_s = 50.0\nact = \"skip\"\n[[press]]\nat_s = 50.5\nact = \"skip\"\n\
                [[press]]\nat_s = 60.0\nact = \"skip\"\n";
    let session = place.run(place.args(acts, 1));
    let count = |kind| session.notices.iter().filter(|notice| notice.kind == kind).count();
    let counts = [NoticeKind::Paused, NoticeKind::Continued, NoticeKind::BlockSkipped].map(count);
    assert_eq!(counts, [1, 1, 3]);
    let start_ns = session.turns[0].now_ns;
    let paused = |at_ns: i64| (6.6..30.0).contains(&((at_ns - start_ns) as f64 / 1e9));
    assert!(session.flips.iter().filter(|flip| paused(flip.onset_ns)).all(|flip| flip.contrast == 0.0));
    assert_eq!(session.meta.outcome.as_ref().unwrap().exit, "finished");
    replays(session.folder.path());
    let table = session.folder.path().join(format!("{}_events.tsv", session.folder.stem()));
    assert!(fs::read_to_string(table).unwrap().contains("\tpause\t"));
}

/// Aborted in the middle of a task, resumed, aborted again, resumed to the end: every trial once, in the same order.
#[test]
fn an_interrupted_session_goes_on() {
    let place = Place::new();
    let whole = place.run(place.args("", 1));
    let abort = |at_s: f64| format!("[[press]]\nat_s = {at_s}\nact = \"abort\"\n");
    let first = place.run(place.args(&abort(60.3), 1));
    assert_eq!(first.meta.outcome.as_ref().unwrap().exit, "stopped");
    let resume = |from: &RecordedSession, more: &str| {
        place.run(RunArgs {
            resume: Some(from.folder.path().to_owned()),
            seed: 999,
            number: None,
            ..place.args(more, 1)
        })
    };
    let second = resume(&first, &abort(20.2));
    // As somebody types it: without a protocol.
    let (script, out) = (place.write("rest.toml", &script("")), place.folder.path().join("third"));
    let mut command = photic(["run", "--clock", "virtual", "--resume"]);
    command.arg(second.folder.path()).arg("--responses").arg(script).arg("--out").arg(&out);
    Process::start(&mut command).end(120.0).expect(0);
    let third = session_below(&out);
    assert_eq!(third.meta.extra["continues"]["session"], second.folder.stem());
    assert_eq!(third.meta.seed, 20);
    let mut done = BTreeMap::<(u64, u64), (u64, usize)>::new();
    for session in [&first, &second, &third] {
        replays(session.folder.path());
        for attempt in session.attempts.iter().filter(|a| a.condition.is_some() && !a.again) {
            if !matches!(attempt.outcome, AttemptOutcome::Cut | AttemptOutcome::Interrupted) {
                let entry =
                    done.entry((attempt.block, attempt.trial)).or_insert((attempt.condition.unwrap(), 0));
                entry.1 += 1;
            }
        }
    }
    let mut expected = BTreeMap::new();
    for attempt in whole.attempts.iter().filter(|attempt| attempt.condition.is_some()) {
        expected.insert((attempt.block, attempt.trial), (attempt.condition.unwrap(), 1));
    }
    assert_eq!(done, expected);
    let ended = photic::run::run(
        RunArgs { resume: Some(third.folder.path().to_owned()), number: None, ..place.args("", 1) },
        false,
    );
    assert!(ended.unwrap_err().to_string().contains("nothing is left"));
}

/// An order that is balanced over people wants to know which of them sits there.
#[test]
fn a_balanced_order_wants_a_number() {
    let place = Place::new();
    let text = fs::read_to_string(root().join(PROTOCOL)).unwrap();
    let text = text.replace("order = \"counterbalanced\"", "").replace("shuffle = true\n", "");
    let text = text.replacen("order = \"random\"", "order = \"williams\"", 1);
    let protocol = Some(place.write("williams.toml", &text));
    let args = |number| RunArgs { protocol: protocol.clone(), number, ..place.args("", 1) };
    let error = photic::run::run(args(None), false).unwrap_err().to_string();
    assert!(error.contains("block `practice`") && error.contains("--number"), "{error}");
    let seconds = Some(1.0);
    assert_eq!(place.run(RunArgs { seconds, ..args(Some(3)) }).meta.extra["participant_number"], 3);
}

/// With EEG beside it: the participant's brain is measured while the scripted one presses.
#[test]
fn a_task_runs_beside_a_simulated_brain() {
    let place = Place::new();
    let text = fs::read_to_string(root().join(PROTOCOL)).unwrap().replacen(
        "[response.lean",
        "[stream.eeg]\ntype = \"EEG\"\nchannels = [\"PO7\", \"PO3\", \"POz\", \"PO4\", \"PO8\", \"O1\", \"Oz\", \"O2\"]\n\
         rate_hz = 250.0\nunit = \"uV\"\nstale_after_s = 0.3\ngrey_after_s = 1.0\nmax_lag_s = 0.5\n\n[response.lean",
        1,
    );
    let args = place.args("", 1);
    let args = RunArgs {
        protocol: Some(place.write("with-eeg.toml", &text)),
        participant: Some("P07".into()),
        seconds: Some(40.0),
        ..args
    };
    let session = place.run(args);
    let (error_s, count) = largest_error_s(&session);
    assert!(count >= 8 && error_s <= 1e-3 && session.sources[0].stamps_s.len() > 9000);
    replays(session.folder.path());
}

/// A key that another client of the X server presses in the window.
#[test]
fn a_key_in_the_window_answers_an_instruction() {
    let Some(()) = support::vulkan_is_there() else { return };
    let (Some((_server, display)), Some(python)) = (x_server(), python()) else { return };
    let place = Place::new();
    let out = place.folder.path().join("sessions");
    let mut command =
        photic(["run", PROTOCOL, "--display", "window", "--participant", "nominal", "--in-process"]);
    let text = fs::read_to_string(root().join(PROTOCOL)).unwrap().replacen(
        "[response.lean",
        "[stream.eeg]\ntype = \"EEG\"\nchannels = [\"Oz\", \"O1\", \"O2\"]\nrate_hz = 250.0\nunit = \"uV\"\n\
         stale_after_s = 0.3\ngrey_after_s = 1.0\nmax_lag_s = 0.5\n\n[response.lean",
        1,
    );
    let protocol = place.write("with-eeg.toml", &text);
    command.args(["--number", "1", "--seconds", "12", "--out"]).arg(&out).env("DISPLAY", &display);
    let command_line: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut replaced = photic(command_line.iter().map(|argument| {
        if argument == PROTOCOL { protocol.as_os_str().to_owned() } else { argument.clone() }
    }));
    let process = Process::start(replaced.env("DISPLAY", &display));
    wait_until(60.0, "the recording", || recording_below(&out).is_some());
    std::thread::sleep(std::time::Duration::from_millis(3500));
    let client = root().join("tests/judges/x_client.py");
    output(Command::new(python).arg(client).args([&display, "key", "space", "0.1", "320", "240"]), 20.0);
    process.end(60.0).expect(0);
    let session = session_below(&out);
    let keys: Vec<_> = session.responses.iter().map(|r| (r.code, r.pressed, r.queued_ns)).collect();
    eprintln!("responses: {keys:?}");
    let space = timeline::key_code("space").unwrap();
    let pressed: Vec<(u32, bool)> = keys.iter().map(|(code, pressed, _)| (*code, *pressed)).collect();
    assert_eq!(pressed, [(space, true), (space, false)]);
    let answered = &session.attempts[0];
    assert_eq!((answered.outcome, answered.response), (AttemptOutcome::Answered, Some(0)));
    replays(session.folder.path());
}
