//! A window that is lost, and a process that stands still: the watchdog takes the screen.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use timeline::{NoticeKind, clock};

use super::support::judge::python;
use super::support::xvfb::{HEIGHT, WIDTH, is_lit, picture, x_server};
use super::*;

/// No frame for this long, and the watchdog acts.
const WATCHDOG_S: f64 = 1.5;

/// A session in a window of an X server, its picture on the screen.
fn in_a_window(display: &str, out: &Path, protocol: &str, seconds: &str) -> Process {
    let protocol = write(out, protocol);
    let mut command = photic(["run", protocol.to_str().unwrap(), "--display", "window", "--in-process"]);
    command.args(["--participant", "nominal", "--seconds", seconds, "--json", "--out"]);
    let process = Process::start(command.arg(out.join("sessions")).env("DISPLAY", display));
    wait_until(60.0, "the recording", || recording_below(&out.join("sessions")).is_some());
    wait_until(60.0, "the window", || is_lit(display, out));
    process
}

fn signal(process: u32, name: &str) {
    let script = "kill -\"$0\" \"$1\"";
    let status = Command::new("sh").args(["-c", script, name, &process.to_string()]).status().unwrap();
    assert!(status.success());
}

fn record(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("watchdog.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether the whole screen is neutral grey: 0.5 of the linear range at gamma 2.2 is 186 of 255.
fn is_all_grey(display: &str, folder: &Path) -> bool {
    let levels = picture(display, &folder.join("grey"));
    let grey = levels.iter().filter(|&&level| (180..192).contains(&level)).count();
    grey > WIDTH * HEIGHT * 99 / 100
}

#[test]
fn a_process_that_stands_still_is_covered_and_ends_when_it_comes_back() {
    let Some(()) = vulkan_is_there() else { return };
    let Some((_server, display)) = x_server() else { return };
    let out = tempfile::tempdir().unwrap();
    let process = in_a_window(&display, out.path(), SHOW, "30");
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!is_all_grey(&display, out.path()));
    let stopped_ns = clock::now_ns();
    signal(process.id(), "STOP");
    wait_until(20.0, "the watchdog's grey", || is_all_grey(&display, out.path()));
    eprintln!("a look at the screen says grey {:.3} s after SIGSTOP", since_s(stopped_ns));
    let folder = recording_below(&out.path().join("sessions")).unwrap().parent().unwrap().to_owned();
    let took = record(&folder);
    assert!(took[0]["event"] == "took the screen" && took[0]["how"] == "grey window", "{took:?}");
    holds(
        "SIGSTOP: watchdog covers",
        WATCHDOG_S + 0.5,
        s_from_ns(took[0]["at_ns"].as_i64().unwrap() - stopped_ns),
    );
    signal(process.id(), "CONT");
    let back_ns = clock::now_ns();
    process.end(30.0).expect(0);
    eprintln!("the session ends in order {:.3} s after SIGCONT", since_s(back_ns));
    let session = session_below(&out.path().join("sessions"));
    noticed(&session, NoticeKind::WatchdogTook);
    assert!(noticed(&session, NoticeKind::TimeJump).count > 1_000_000_000);
    let events: Vec<_> =
        record(&folder).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events.last().unwrap(), "session ended", "{events:?}");
    is_readable(&session);
}

#[test]
fn a_window_that_is_destroyed_ends_the_run() {
    let Some(()) = vulkan_is_there() else { return };
    let (Some((_server, display)), Some(python)) = (x_server(), python()) else { return };
    let out = tempfile::tempdir().unwrap();
    let process = in_a_window(&display, out.path(), SHOW, "30");
    std::thread::sleep(Duration::from_millis(1200));
    let lost_ns = clock::now_ns();
    let script = root().join("tests/judges/x_client.py");
    output(Command::new(&python).arg(script).args([&display, "destroy", "320", "240"]), 20.0);
    let ended = process.end(30.0);
    let over_s = since_s(lost_ns);
    let session = session_below(&out.path().join("sessions"));
    // The surface may be lost before the window system says so; then the run fails, in order.
    let exit = session.meta.outcome.as_ref().unwrap().exit.clone();
    eprintln!("window lost: exit status {:?}, {exit}", ended.code);
    assert!(exit == "stopped" || exit.contains("surface") || exit.contains("drawing failed"), "{exit}");
    holds("window lost: run over", RAMP_S + 1.0, over_s);
    noticed(&session, NoticeKind::WindowLost);
    is_readable(&session);
}

#[test]
fn a_session_whose_window_system_dies_leaves_a_record_and_no_process() {
    let Some(()) = vulkan_is_there() else { return };
    let Some((mut server, display)) = x_server() else { return };
    let out = tempfile::tempdir().unwrap();
    let process = in_a_window(&display, out.path(), SHOW, "30");
    // Long enough for the twenty turns that are replayed below, on a busy machine too.
    std::thread::sleep(Duration::from_millis(1500));
    server.kill();
    let lost_ns = clock::now_ns();
    process.end(30.0);
    holds("window system lost: run over", WATCHDOG_S + 1.0, since_s(lost_ns));
    let session = session_below(&out.path().join("sessions"));
    let folder = session.folder.path().to_owned();
    if session.meta.outcome.is_none() {
        // The window system's library has ended the process; else the surface was lost first, and the run failed in order.
        wait_until(5.0, "the watchdog's record", || !record(&folder).is_empty());
        assert_eq!(record(&folder)[0]["event"], "session gone without a word");
    }
    let report = verify(&session.folder.xdf_path()).unwrap();
    assert_eq!(report.damaged_bytes, 0, "torn at the most: {report:?}");
    let replayed = photic::replay::replay(session.folder.path()).unwrap();
    assert!(replayed.identical && replayed.turns > 20, "{replayed}");
}

#[test]
fn the_key_of_a_window_is_the_dead_man_key() {
    let Some(()) = vulkan_is_there() else { return };
    let (Some((_server, display)), Some(python)) = (x_server(), python()) else { return };
    let out = tempfile::tempdir().unwrap();
    let limits = format!("{WIDE}dead_man = {{ key = \"space\", release_s = 0.3 }}\n");
    let process = in_a_window(&display, out.path(), &format!("{SHOW}{limits}"), "6");
    let mut client = Command::new(&python);
    client.arg(root().join("tests/judges/x_client.py")).args([&display, "key", "space", "2.0", "320", "240"]);
    let pressed_ns = clock::now_ns();
    let ended = Process::start(&mut client).end(20.0);
    if ended.stderr.contains("libXtst") {
        let _: Option<()> = skip("no libXtst to press a key");
        return;
    }
    ended.expect(0);
    let let_go_ns = clock::now_ns();
    process.end(60.0).expect(0);
    let session = session_below(&out.path().join("sessions"));
    let lit: Vec<i64> =
        session.flips.iter().filter(|flip| flip.contrast > 0.0).map(|flip| flip.onset_ns).collect();
    assert!(lit.len() > 10 && lit[0] > pressed_ns, "{:?}", session.notices);
    holds("dead-man key in a window", 0.3 + RAMP_S + 0.1, s_from_ns(*lit.last().unwrap() - let_go_ns));
    noticed(&session, NoticeKind::DeadManUp);
    is_readable(&session);
}

/// The watchdog alone, where it has no window: it ends the process that does not beat any more.
#[test]
fn without_a_window_the_watchdog_ends_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Command::new("sleep").arg("60").spawn().unwrap();
    let (mut line, other) = UnixStream::pair().unwrap();
    let mut command = photic(["watchdog", "--level", "0.73", "--pid", &victim.id().to_string(), "--session"]);
    command.arg(folder.path()).stdin(Stdio::from(OwnedFd::from(other)));
    let mut watchdog = command.spawn().unwrap();
    drop(command);
    line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    line.read_exact(&mut [0]).unwrap();
    // Before the first frame nothing is on the screen, so nothing is watched.
    std::thread::sleep(Duration::from_millis(1800));
    for _ in 0..10 {
        line.write_all(b".").unwrap();
        std::thread::sleep(Duration::from_millis(16));
    }
    let silent_ns = clock::now_ns();
    assert!(victim.try_wait().unwrap().is_none());
    wait_until(10.0, "the end of the session", || victim.try_wait().unwrap().is_some());
    holds("SIGSTOP without a window: killed", WATCHDOG_S + 0.1, since_s(silent_ns));
    assert!(watchdog.wait().unwrap().success());
    let said = record(folder.path());
    assert!(said[0]["how"] == "session killed" && said[0]["killed"] == true, "{said:?}");
    assert!(said[0]["silent_s"].as_f64().unwrap() > WATCHDOG_S && said[0]["beats"] == 10, "{said:?}");
}
