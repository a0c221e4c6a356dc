//! Streams that die or send no numbers, and a disk that is full.

use std::process::Command;
use std::time::Duration;

use timeline::{NoticeKind, clock};

use super::support::judge::Meeting;
use super::*;

/// The loop's bound of [`SHOW`] for a silent stream.
const GREY_AFTER_S: f64 = 1.0;

fn listening(meeting: &Meeting, out: &Path, seconds: &str) -> Process {
    let protocol = write(out, SHOW);
    let mut command = photic(["run", protocol.to_str().unwrap(), "--participant", "none", "--json"]);
    command.args(["--display", "offscreen", "--seconds", seconds, "--out"]).arg(out.join("sessions"));
    Process::start(command.env("PHOTIC_LSL_SESSION", &meeting.session))
}

#[test]
fn samples_that_are_no_numbers_lead_to_grey() {
    let (Some(()), Some(()), Some(meeting)) = (lsl_is_there(), vulkan_is_there(), Meeting::new()) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let _source = meeting.source(&["--labels", CHANNELS, "--nan-every", "1"]);
    listening(&meeting, out.path(), "3").end(60.0).expect(0);
    let session = session_below(&out.path().join("sessions"));
    let begin_ns = session.turns[0].now_ns;
    let lit = session.flips.iter().find(|flip| flip.contrast > 0.0).unwrap();
    assert!(lit.onset_ns - begin_ns < 300_000_000, "stimulation begins before the fault is known");
    holds("NaN samples", GREY_AFTER_S + RAMP_S + 0.1, {
        s_from_ns(lit.onset_ns - begin_ns) + grey_after_s(&session, lit.onset_ns)
    });
    noticed(&session, NoticeKind::NotFinite);
    noticed(&session, NoticeKind::ToGrey);
    never_jumps(&session);
    is_readable(&session);
}

#[test]
fn a_stream_that_dies_leads_to_grey() {
    let (Some(()), Some(()), Some(meeting)) = (lsl_is_there(), vulkan_is_there(), Meeting::new()) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let mut source = meeting.source(&["--labels", CHANNELS]);
    let process = listening(&meeting, out.path(), "5");
    wait_until(60.0, "the recording", || recording_below(&out.path().join("sessions")).is_some());
    std::thread::sleep(Duration::from_millis(1800));
    let died_ns = source.kill();
    process.end(60.0).expect(0);
    let session = session_below(&out.path().join("sessions"));
    holds("dead stream", GREY_AFTER_S + RAMP_S + 0.1, grey_after_s(&session, died_ns));
    noticed(&session, NoticeKind::ToGrey);
    never_jumps(&session);
    is_readable(&session);
}

#[test]
fn with_limits_a_full_disk_ends_the_run() {
    let Some(()) = vulkan_is_there() else { return };
    let out = tempfile::tempdir().unwrap();
    let protocol = write(out.path(), &format!("{SHOW}{WIDE}"));
    // The limit of a file's size stands in for a full disk.
    let script = "trap '' XFSZ; ulimit -f 160; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_photic"), "run", protocol.to_str().unwrap()]);
    command.args(["--in-process", "--participant", "nominal", "--display", "offscreen", "--seconds", "40"]);
    command.args(["--json", "--out"]).arg(out.path().join("sessions"));
    let process = Process::start(command.current_dir(root()).env("PHOTIC_LSL_SESSION", lsl_session()));
    let ended = process.end(60.0).expect(0);
    let ended_ns = clock::now_ns();
    ended.says(&["recording ended", "bytes not written"]);
    let session = session_below(&out.path().join("sessions"));
    let early = session.meta.outcome.as_ref().unwrap().recording_ended_early.as_deref();
    assert!(early.unwrap().contains("last whole chunk"), "{early:?}");
    // The last frame on record is from just before the disk was full; the end of the process is later than grey.
    let full_ns = session.flips.last().unwrap().onset_ns;
    holds("full disk (with limits): run over", 0.2 + RAMP_S + 0.5, s_from_ns(ended_ns - full_ns));
    is_readable(&session);
}
