//! A recorder that is killed: at most a torn chunk, at most what one flush holds.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use recording::xdf::read_path;
use recording::{repair, verify};

use crate::support::{Dice, feed, record};

const VICTIM: &str = "PHOTIC_TEST_VICTIM_FILE";

/// The child: records ten times faster than a session until it is killed.
#[test]
fn child_that_is_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let mut recorder = record(File::create_new(path).unwrap(), 0);
    for index in 0..100_000 {
        feed(&mut recorder, index);
        if index % 25 == 24 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn kill_at_random_moments() {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(71);
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.xdf"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child_that_is_killed"])
            .env(VICTIM, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline_ns = timeline::clock::now_ns() + 20_000_000_000;
        while std::fs::metadata(&path).map_or(0, |meta| meta.len()) < 10_000 {
            assert!(timeline::clock::now_ns() < deadline_ns, "the child writes nothing");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(dice.below(100_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();

        let report = verify(&path).unwrap();
        assert_eq!(report.damaged_bytes, 0, "{:?}", report.problems);
        let turns = report.streams.iter().find(|stream| stream.name == "photic-turns").unwrap().samples;
        let amp = report.streams.iter().find(|stream| stream.name == "amp").unwrap().samples;
        // Samples go out before turns, in lots of 25: a turn in the file has its samples in the file.
        assert!(amp >= turns && amp - turns <= 25 && turns > 0, "{amp} samples, {turns} turns");
        let turns_before = turns;
        repair(&path).unwrap();
        assert!(verify(&path).unwrap().is_whole());
        let recording = read_path(&path).unwrap();
        let turns = recording.streams.iter().find(|stream| stream.header.name == "photic-turns").unwrap();
        assert_eq!(turns.samples() as u64, turns_before);
    }
}
