//! Trial of a foreign file in a child process, under limits that the operating system keeps.
//!
//! The checks of [`crate::import`] bound what a file may cost as far as its sizes tell. What they cannot promise (an
//! abort inside tract's importer, a loop without end) a child process takes upon itself: it loads the file first, and
//! the caller loads it only if the child came back. A program re-executes itself for that:
//!
//! ```no_run
//! use std::process::Command;
//! use adjoint::guard::{ChildLimits, trial};
//!
//! // In `main`, before anything else: the child's part.
//! if std::env::args().nth(1).as_deref() == Some("--trial") {
//!     let path = std::env::args().nth(2).unwrap_or_default();
//!     let limits = adjoint::import::Limits::default();
//!     match adjoint::import::Import::open(path.as_ref(), &limits) {
//!         Ok(import) => println!("{{\"taps\": {}}}", import.taps().len()),
//!         Err(error) => {
//!             eprintln!("{error}");
//!             std::process::exit(1);
//!         }
//!     }
//!     std::process::exit(0);
//! }
//!
//! // The parent's part.
//! let mut child = Command::new(std::env::current_exe()?);
//! child.args(["--trial", "model.onnx"]);
//! let report = trial("model.onnx", child, &ChildLimits::default())?;
//! println!("{}", report.stdout);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Limits hold on Unix; elsewhere only the deadline does.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Fault, LoadError};

/// Bounds on a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildLimits {
    /// Address space of the child in bytes (RLIMIT_AS), its program and stacks included. 6 GiB: the importer's own
    /// limit of 4 GiB, and room for tract's copies.
    pub memory_bytes: u64,
    /// CPU time of the child in seconds, all threads together (RLIMIT_CPU). 120.
    pub cpu_s: u64,
    /// Time from the start until the child is killed. 180 s.
    pub deadline: Duration,
}

impl Default for ChildLimits {
    fn default() -> Self {
        ChildLimits { memory_bytes: 6 << 30, cpu_s: 120, deadline: Duration::from_secs(180) }
    }
}

/// What a trial that went well said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialReport {
    /// The child's standard output (by agreement between parent and child, JSON).
    pub stdout: String,
    /// The child's standard error, shortened.
    pub stderr: String,
}

/// Bytes kept of what a child writes to each of its two streams.
const KEPT: usize = 1 << 20;

/// Runs `command` as the trial of the model called `file`.
///
/// # Errors
///
/// [`Fault::ChildMemory`], [`Fault::ChildCpu`], [`Fault::ChildDeadline`] and [`Fault::ChildCrash`] where the child was
/// stopped, with the limit that stopped it; [`Fault::ChildRefused`] where it ended with an exit code other than zero.
pub fn trial(file: &str, mut command: Command, limits: &ChildLimits) -> Result<TrialReport, LoadError> {
    run(&mut command, limits).map_err(|fault| LoadError::new(file, fault))
}

fn run(command: &mut Command, limits: &ChildLimits) -> Result<TrialReport, Fault> {
    let start = |message: String| Fault::ChildStart { message };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    os::limit(command, limits);
    let mut child = command.spawn().map_err(|e| start(e.to_string()))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(start("its output could not be taken".to_owned()));
    };
    let streams = [collect(stdout, "trial-stdout"), collect(stderr, "trial-stderr")];
    let [stdout, stderr] = match streams {
        [Ok(stdout), Ok(stderr)] => [stdout, stderr],
        [Err(e), _] | [_, Err(e)] => {
            end(&mut child);
            return Err(start(e.to_string()));
        }
    };
    let status = match wait(&mut child, limits.deadline) {
        Ok(status) => status,
        Err(fault) => {
            end(&mut child);
            return Err(fault);
        }
    };
    // The streams close with the child; a grandchild that holds them open must not hold us.
    let text = |stream: Receiver<Vec<u8>>| match stream.recv_timeout(Duration::from_secs(2)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => String::new(),
    };
    judge(status, text(stdout), text(stderr), limits)
}

/// Reads a stream to its end on a thread of its own and hands over the last [`KEPT`] bytes of it.
fn collect(mut stream: impl Read + Send + 'static, name: &str) -> std::io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut kept = Vec::new();
        let mut chunk = [0u8; 8192];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            kept.extend_from_slice(&chunk[..count]);
            if kept.len() > 2 * KEPT {
                kept.drain(..kept.len() - KEPT);
            }
        }
        // A receiver that gave up is no fault of ours.
        let _ = sender.send(kept);
    })?;
    Ok(receiver)
}

/// Waits for the child to end, at most until the deadline, looking at growing intervals of 1 to 20 ms.
#[allow(
    clippy::disallowed_methods,
    reason = "a deadline is kept against the clock; nothing here is replayed"
)]
fn wait(child: &mut Child, deadline: Duration) -> Result<ExitStatus, Fault> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(|e| Fault::ChildStart { message: e.to_string() })? {
            return Ok(status);
        }
        let left = deadline.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Fault::ChildDeadline { deadline_s: deadline.as_secs_f64() });
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Kills the child and takes its remains away.
fn end(child: &mut Child) {
    // Both fail only where the child is gone already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Turns the end of a child into its report or the name of what stopped it.
fn judge(
    status: ExitStatus,
    stdout: String,
    stderr: String,
    limits: &ChildLimits,
) -> Result<TrialReport, Fault> {
    let message = last_line(&stderr);
    if status.success() {
        return Ok(TrialReport { stdout, stderr: message });
    }
    // Rust, tract and C++ all say so before they give up over an allocation that failed.
    let is_about_memory = |line: &&str| {
        let line = line.to_lowercase();
        ["memory allocation of", "failed to allocate", "out of memory", "bad_alloc"]
            .iter()
            .any(|p| line.contains(p))
    };
    if let Some(line) = stderr.lines().find(is_about_memory) {
        return Err(Fault::ChildMemory { limit: limits.memory_bytes, message: line.to_owned() });
    }
    match (status.code(), os::signal(&status)) {
        (Some(code), _) => Err(Fault::ChildRefused { code, message }),
        (None, Some(signal)) if os::is_cpu_limit(signal) => Err(Fault::ChildCpu { limit_s: limits.cpu_s }),
        (None, Some(signal)) => Err(Fault::ChildCrash { signal: os::signal_name(signal), message }),
        (None, None) => Err(Fault::ChildStart { message: format!("it ended in an unknown way: {status}") }),
    }
}

/// The last line with something in it, shortened.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or("it said nothing");
    line.chars().take(400).collect()
}

#[cfg(unix)]
mod os {
    //! Resource limits and signals of Unix.

    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, ExitStatus};

    use super::ChildLimits;

    /// Makes the child set its own limits between fork and exec.
    #[allow(unsafe_code, reason = "limits have to be set in the child, between fork and exec")]
    pub fn limit(command: &mut Command, limits: &ChildLimits) {
        // SIGXCPU ends the child at the soft limit; SIGKILL follows a second later, should it be caught.
        let (memory, cpu) = (limits.memory_bytes, limits.cpu_s);
        // SAFETY: between fork and exec only async-signal-safe calls are allowed. The closure makes two calls of
        // setrlimit, which is one, with values on its own stack, and reads errno; it allocates nothing.
        unsafe {
            command.pre_exec(move || {
                set(libc::RLIMIT_AS, memory, memory)?;
                set(libc::RLIMIT_CPU, cpu, cpu.saturating_add(1))?;
                // A crash is expected here; its memory image is of use to nobody.
                set(libc::RLIMIT_CORE, 0, 0)
            });
        }
    }

    #[cfg(target_env = "gnu")]
    type Resource = libc::__rlimit_resource_t;
    #[cfg(not(target_env = "gnu"))]
    type Resource = libc::c_int;

    #[allow(unsafe_code, reason = "a call of the C library")]
    fn set(resource: Resource, soft: u64, hard: u64) -> std::io::Result<()> {
        let limit = libc::rlimit { rlim_cur: soft as libc::rlim_t, rlim_max: hard as libc::rlim_t };
        // SAFETY: the pointer is to a whole rlimit that outlives the call.
        match unsafe { libc::setrlimit(resource, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    pub fn signal(status: &ExitStatus) -> Option<i32> {
        status.signal()
    }

    pub fn is_cpu_limit(signal: i32) -> bool {
        signal == libc::SIGXCPU
    }

    pub fn signal_name(signal: i32) -> String {
        match signal {
            libc::SIGSEGV => "SIGSEGV (bad memory access or stack overflow)".to_owned(),
            libc::SIGABRT => "SIGABRT (abort)".to_owned(),
            libc::SIGKILL => "SIGKILL (killed, perhaps for memory)".to_owned(),
            libc::SIGBUS => "SIGBUS (bad memory access)".to_owned(),
            libc::SIGILL => "SIGILL (illegal instruction)".to_owned(),
            libc::SIGFPE => "SIGFPE (arithmetic)".to_owned(),
            libc::SIGTRAP => "SIGTRAP (trap)".to_owned(),
            other => format!("signal {other}"),
        }
    }
}

#[cfg(not(unix))]
mod os {
    //! No limits and no signals.

    use std::process::{Command, ExitStatus};

    use super::ChildLimits;

    pub fn limit(_command: &mut Command, _limits: &ChildLimits) {}

    pub fn signal(_status: &ExitStatus) -> Option<i32> {
        None
    }

    pub fn is_cpu_limit(_signal: i32) -> bool {
        false
    }

    pub fn signal_name(signal: i32) -> String {
        format!("signal {signal}")
    }
}
