//! Mutated model files: whatever comes, an answer or a named fault, never a crash, a hang or unbounded memory.
//!
//! The mutator is our own, seeded, and works on the decoded protobuf as well as on bytes. bolero 0.13 and cargo-fuzz
//! guide by coverage, but both want a nightly compiler or a driver of their own, bytes as input (nearly all mutated
//! bytes are refused by the decoder), and they stop at the first abort; here the cases run in child processes of this
//! test, so that an abort, a stack overflow and memory exhaustion are seen, named by the seed and survived.
//!
//! `PHOTIC_FUZZ_S` sets the seconds (5), `PHOTIC_FUZZ_SEED` the first seed. `PHOTIC_FUZZ_SAVE` names a folder for the
//! files that were bad; those that were worth keeping lie in tests/corpus and are replayed by every run.

mod mutate;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use adjoint::guard::{ChildLimits, trial};

use crate::common::{committed_nets, onnx_files};
use run::{Outcome, PART};

/// Cases that one child runs: enough to make its start cheap, few enough to lose little when one kills it.
const BATCH: u64 = 400;

/// Address space of a child. The cases themselves may take 96 MB each.
const MEMORY: u64 = 1 << 30;

fn corpus() -> Vec<PathBuf> {
    onnx_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus"))
}

/// Files that mutation starts from.
fn seeds() -> Vec<PathBuf> {
    let mut files = committed_nets();
    files.extend(corpus());
    files
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Runs `count` cases from `first` in a child; the seed that it was at when it ended badly, with the reason.
fn batch(first: u64, count: u64) -> Result<(u64, u64), (u64, String)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["fuzz::the_part_of_a_child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(PART, format!("{first} {count}")).env("RUST_BACKTRACE", "0");
    let limits = ChildLimits { memory_bytes: MEMORY, cpu_s: 300, deadline: Duration::from_secs(400) };
    let last = run::progress_file(first);
    command.env(run::PROGRESS, &last);
    let result = trial("a batch of mutated files", command, &limits);
    let at = std::fs::read_to_string(&last).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(first);
    let _ = std::fs::remove_file(&last);
    match result {
        Ok(report) => Ok(counts(&report.stdout)),
        Err(error) => Err((at, error.fault.to_string())),
    }
}

/// How many cases a child answered and refused, from the line it prints.
fn counts(stdout: &str) -> (u64, u64) {
    let line = stdout.lines().find_map(|l| l.split_once("answered ")).map_or("", |(_, rest)| rest);
    let mut numbers = line.split(" refused ").filter_map(|n| n.trim().parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[test]
fn the_part_of_a_child() {
    let Ok(part) = std::env::var(PART) else { return };
    let numbers: Vec<u64> = part.split(' ').filter_map(|n| n.parse().ok()).collect();
    let corpus = run::Corpus::read(&seeds());
    let keep = numbers.get(2).map_or(usize::MAX, |k| *k as usize);
    run::play(&corpus, numbers[0], numbers[1], keep);
    std::process::exit(0);
}

#[test]
fn mutated_files_are_answered_or_refused() {
    let budget = Duration::from_secs(number("PHOTIC_FUZZ_S", 5));
    let first = number("PHOTIC_FUZZ_SEED", 1);
    if seeds().is_empty() {
        println!("skipped: there are no networks to start from");
        return;
    }
    #[allow(clippy::disallowed_methods, reason = "a time budget is kept against the clock")]
    let start = std::time::Instant::now();
    let (mut next, mut answered, mut bad) = (first, 0, Vec::new());
    while start.elapsed() < budget && bad.len() < 20 {
        match batch(next, BATCH) {
            Ok((good, refused)) => {
                assert_eq!(good + refused, BATCH, "a child ended early without saying why");
                answered += good;
                next += BATCH;
            }
            Err((seed, reason)) => {
                bad.push(format!("seed {seed}: {reason}; {}", run::shrink_in_children(seed, &seeds())));
                next = seed + 1;
            }
        }
    }
    let (count, seconds) = (next - first, start.elapsed().as_secs_f64());
    println!("{count} cases from seed {first} in {seconds:.0} s, {answered} of them answered");
    assert!(bad.is_empty(), "{} cases were bad:\n{}", bad.len(), bad.join("\n"));
}

/// Files that were bad once stay good.
#[test]
fn the_corpus_is_answered_or_refused() {
    for path in corpus() {
        let bytes = std::fs::read(&path).unwrap();
        match run::one(&bytes) {
            Outcome::Answered | Outcome::Refused(_) => {}
            Outcome::Slow(seconds) => panic!("{}: {seconds:.1} s", path.display()),
        }
    }
}
