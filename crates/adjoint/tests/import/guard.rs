//! Trials in child processes: this test binary runs itself, with one of the tests below as the child's part.

use std::process::Command;
use std::time::Duration;

use adjoint::guard::{ChildLimits, TrialReport, trial};
use adjoint::import::Fault;

/// Names the part that a child plays; absent in the parent.
const PART: &str = "PHOTIC_TEST_CHILD_PART";

/// Runs this binary again with only [`the_part_of_a_child`], which then plays `part`.
fn play(part: &str, limits: &ChildLimits) -> Result<TrialReport, Fault> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["guard::the_part_of_a_child", "--exact", "--nocapture", "--test-threads=1"])
        .env(PART, part);
    let result = trial("model.onnx", command, limits);
    result.map_err(|error| {
        assert!(error.to_string().starts_with("model.onnx: "), "{error}");
        *error.fault
    })
}

fn limits() -> ChildLimits {
    ChildLimits { memory_bytes: 1 << 30, cpu_s: 20, deadline: Duration::from_secs(30) }
}

#[test]
fn the_part_of_a_child() {
    let Ok(part) = std::env::var(PART) else { return };
    match part.as_str() {
        "report" => println!("{{\"taps\": 3}}"),
        "allocate" => {
            let mut held = Vec::new();
            for _ in 0..64 {
                held.push(vec![1u8; 64 << 20]);
            }
            println!("{}", held.iter().map(|h| h[h.len() / 2] as usize).sum::<usize>());
        }
        "loop" => {
            let mut n = 1u64;
            while std::hint::black_box(n) != 0 {
                n = n.wrapping_mul(3) | 1;
            }
        }
        "sleep" => std::thread::sleep(Duration::from_secs(60)),
        "abort" => std::process::abort(),
        "overflow" => println!("{}", deep(1)),
        "refuse" => {
            eprintln!("net.onnx: the graph has a cycle");
            std::process::exit(3);
        }
        "chatter" => (0..400_000).for_each(|n| println!("line {n}")),
        other => panic!("no part called {other}"),
    }
    std::process::exit(0);
}

/// Recursion that the compiler cannot turn into a loop.
fn deep(n: u64) -> u64 {
    let block = std::hint::black_box([n; 64]);
    if n == 0 { 0 } else { deep(n + 1) + block[(n % 64) as usize] }
}

#[test]
fn a_good_child_reports() {
    let report = play("report", &limits()).unwrap();
    assert!(report.stdout.contains("{\"taps\": 3}"), "{}", report.stdout);
}

#[test]
fn a_child_over_its_memory_is_named_with_the_limit() {
    match play("allocate", &limits()) {
        Err(Fault::ChildMemory { limit, message }) => {
            assert_eq!(limit, 1 << 30);
            assert!(message.contains("allocation"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_child_over_its_cpu_time_is_named_with_the_limit() {
    let limits = ChildLimits { cpu_s: 1, ..limits() };
    assert_eq!(play("loop", &limits), Err(Fault::ChildCpu { limit_s: 1 }));
}

#[test]
fn a_child_past_the_deadline_is_killed() {
    let limits = ChildLimits { deadline: Duration::from_millis(300), ..limits() };
    assert_eq!(play("sleep", &limits), Err(Fault::ChildDeadline { deadline_s: 0.3 }));
}

#[test]
fn a_child_that_dies_by_a_signal_is_named() {
    for (part, name) in [("abort", "SIGABRT"), ("overflow", "SIG")] {
        match play(part, &limits()) {
            Err(Fault::ChildCrash { signal, .. }) => assert!(signal.starts_with(name), "{part}: {signal}"),
            other => panic!("{part}: {other:?}"),
        }
    }
}

#[test]
fn a_child_that_refuses_passes_its_reason_on() {
    match play("refuse", &limits()) {
        Err(Fault::ChildRefused { code: 3, message }) => {
            assert_eq!(message, "net.onnx: the graph has a cycle")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_child_that_says_much_does_not_block() {
    let report = play("chatter", &limits()).unwrap();
    assert!(report.stdout.trim_end().lines().any(|l| l == "line 399999"));
    assert!(report.stdout.len() <= 2 << 20);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    match trial("model.onnx", Command::new("/there/is/no/such/program"), &limits()).map_err(|e| *e.fault) {
        Err(Fault::ChildStart { message }) => assert!(!message.is_empty()),
        other => panic!("{other:?}"),
    }
}
