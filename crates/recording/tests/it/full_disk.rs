//! A disk that is full: the file ends at its last whole chunk, is told once, and closes.

use std::fs::{File, OpenOptions};
use std::io;
use std::process::Command;

use recording::xdf::{Sink, read, read_path};
use recording::{Options, Recorder, verify};

use crate::support::{Shared, feed, record, recorded, sources};

/// Takes `room` bytes, in pieces when a write does not fit, then fails as a full disk does.
struct Full {
    disk: Shared,
    room: usize,
}

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room);
        if fits == 0 {
            return Err(io::Error::from_raw_os_error(28)); // ENOSPC
        }
        self.room -= fits;
        self.disk.write(&bytes[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Full {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.disk.cut(len)
    }
}

#[test]
fn full_at_any_byte() {
    let whole = recorded(500);
    let heads = recorded(0).len();
    for room in (0..whole.len()).step_by(97) {
        let disk = Shared::default();
        let started = Recorder::start(Full { disk: disk.clone(), room }, &sources(), Options::default());
        let Ok(mut recorder) = started else {
            assert!(room < heads, "headers did not fit into {room} bytes");
            continue;
        };
        let mut told = Vec::new();
        for index in 0..500 {
            told.extend(feed(&mut recorder, index));
            told.extend(recorder.flush(index as i64).err());
        }
        let summary = recorder.close(0);
        let ended = summary.ended_early.expect("the disk was too small");
        assert!(told.len() <= 1, "told {} times", told.len());
        assert!(ended.reason.contains("os error 28"), "{ended}");
        let bytes = disk.bytes();
        assert_eq!(bytes.len() as u64, ended.whole_bytes);
        assert!(bytes.len() <= room && ended.not_written > 0);
        let recording = read(&bytes).unwrap();
        assert_eq!(
            (recording.problem_count, recording.whole_bytes),
            (0, recording.bytes),
            "{:?}",
            recording.problems
        );
        for (stream, count) in recording.streams.iter().zip(&summary.streams) {
            assert_eq!(stream.samples() as u64, count.samples, "{}", count.name);
        }
    }
}

#[test]
fn dev_full_is_an_error_with_the_systems_words() {
    let Ok(device) = OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: no /dev/full");
        return;
    };
    let error = Recorder::start(device, &sources(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("os error 28"), "{error}");
    assert_eq!(error.whole_bytes, 0);
}

const LIMITED: &str = "PHOTIC_TEST_LIMITED_FILE";

/// The child of the next test: records under a file size limit that the shell has set.
#[test]
fn child_under_a_file_size_limit() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    let mut recorder = record(File::create_new(path).unwrap(), 0);
    let mut told = 0;
    for index in 0..3000 {
        told += u32::from(feed(&mut recorder, index).is_some());
        told += u32::from(recorder.flush(index as i64).is_err());
    }
    let ended = recorder.close(0).ended_early.expect("the limit holds");
    assert_eq!(told, 1);
    assert!(ended.not_written > 0 && ended.reason.contains("os error 27"), "{ended}"); // EFBIG
}

#[test]
fn the_systems_own_short_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    // 200 blocks of 512 bytes; SIGXFSZ ignored, so that the write fails instead of killing.
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" --exact full_disk::child_under_a_file_size_limit";
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &path)
        .output();
    let output = status.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report = verify(&path).unwrap();
    assert_eq!((report.problem_count, report.torn_tail_bytes), (0, 0), "{:?}", report.problems);
    assert!(report.bytes <= 200 * 1024 && report.bytes > 50_000, "{}", report.bytes);
    let turns =
        read_path(&path).unwrap().streams.into_iter().find(|stream| stream.header.name == "photic-turns");
    assert!(turns.unwrap().samples() > 100);
}

#[test]
fn an_existing_recording_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    std::fs::write(&path, b"precious").unwrap();
    let error = Recorder::create_at(&path, &sources(), Options::default()).unwrap_err().to_string();
    assert!(error.contains("x.xdf") && error.contains("os error 17"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
