//! The watchdog, a process of its own: when the display of a session falls silent, it covers the screen with neutral grey,
//! or, where it has no window, ends the session's process, so that its window goes. It writes down what it did.
//!
//! The display sends one byte per frame over the line that is this process's standard input. The watchdog knows nothing
//! else of the session, so whatever hangs there (the display, the driver, the whole process) looks the same from here.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use display::GreyWindow;
use recording::WallTime;
use serde_json::{Value, json};
use timeline::heartbeat::{Change, Pulse};
use timeline::{clock, s_from_ns};

use crate::error::SessionError;

/// No frame for longer than this, and the watchdog takes the screen.
pub const BOUND_NS: i64 = 1_500_000_000;

/// The watchdog's record in the session's folder, there only if it had something to say.
pub const RECORD: &str = "watchdog.jsonl";

/// From the display: one more frame is begun.
pub const BEAT: u8 = b'.';
/// From the session: the display has ended in order.
pub const ENDED: u8 = b'e';
/// To the session: the screen could be taken from now on.
pub const READY: u8 = b'r';
/// To the session: the screen is taken.
pub const TOOK: u8 = b't';

/// How often the line is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// `photic watchdog`, which `photic run` starts.
#[derive(Debug, Clone, Args)]
pub struct WatchdogArgs {
    /// Session folder; the record goes there.
    #[arg(long)]
    pub session: PathBuf,
    /// The session's process.
    #[arg(long)]
    pub pid: u32,
    /// Code value of neutral grey.
    #[arg(long)]
    pub level: f64,
    /// What has to be covered: left, top, width and height in px.
    #[arg(long, value_name = "L,T,W,H", value_delimiter = ',', allow_hyphen_values = true)]
    pub monitor: Vec<i64>,
}

/// What the line said.
enum Said {
    Nothing,
    Beats(u64),
    Ended,
    /// The other end is gone, without a word.
    Gone,
}

/// Watches until the session ends.
///
/// # Errors
/// When the line or the record cannot be used.
pub fn watch(args: &WatchdogArgs) -> Result<(), SessionError> {
    let failed = |error| SessionError::Thread { name: "watchdog".into(), error };
    let line = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let mut line = UnixStream::from(line);
    line.set_read_timeout(Some(LOOK)).map_err(failed)?;
    let monitor = <[i64; 4]>::try_from(args.monitor.as_slice()).ok();
    let window = GreyWindow::prepare(args.level, monitor, "Photic: watchdog");
    let (window, why_none) = match window {
        Ok(window) => (Some(window), None),
        Err(error) => (None, Some(error.to_string())),
    };
    line.write_all(&[READY]).map_err(failed)?;
    let record = Record { path: args.session.join(RECORD), file: None };
    Watchdog { pid: args.pid, line, window, why_none, record, beats: 0, taken: false, back: false }.run()
}

struct Watchdog {
    pid: u32,
    line: UnixStream,
    window: Option<GreyWindow>,
    why_none: Option<String>,
    record: Record,
    beats: u64,
    taken: bool,
    back: bool,
}

impl Watchdog {
    fn run(mut self) -> Result<(), SessionError> {
        let mut pulse = Pulse::new(BOUND_NS);
        loop {
            match self.listen() {
                Said::Ended if self.taken => return self.record.write("session ended", json!({})),
                Said::Ended => return Ok(()),
                Said::Gone => {
                    // The system has closed its windows with it.
                    return self.record.write("session gone without a word", json!({ "beats": self.beats }));
                }
                Said::Beats(count) => {
                    self.beats += count;
                    if self.taken && !std::mem::replace(&mut self.back, true) {
                        self.record.write("display is back, the screen stays grey", json!({}))?;
                    }
                }
                Said::Nothing => {}
            }
            if self.taken {
                if self.keep_covered()? {
                    return Ok(());
                }
            } else if self.beats > 0
                && let Some(Change::Lost(silent_ns)) = pulse.look(self.beats, clock::now_ns())
                && self.take(silent_ns)?
            {
                return Ok(());
            }
        }
    }

    fn listen(&mut self) -> Said {
        let mut words = [0; 256];
        match self.line.read(&mut words) {
            Ok(0) => Said::Gone,
            Ok(count) if words[..count].contains(&ENDED) => Said::Ended,
            Ok(count) => Said::Beats(count as u64),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Said::Nothing
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Said::Nothing,
            Err(_) => Said::Gone,
        }
    }

    /// Takes the screen; whether nothing is left to watch.
    fn take(&mut self, silent_ns: i64) -> Result<bool, SessionError> {
        self.taken = true;
        let begun_ns = clock::now_ns();
        let covered = match &mut self.window {
            Some(window) => window.cover().map_err(|error| error.to_string()),
            None => Err(self.why_none.clone().unwrap_or_default()),
        };
        let mut said =
            json!({ "silent_s": s_from_ns(silent_ns), "bound_s": s_from_ns(BOUND_NS), "beats": self.beats });
        match covered {
            Ok(()) => {
                said["how"] = "grey window".into();
                said["took_s"] = s_from_ns(clock::now_ns() - begun_ns).into();
                // A session that comes back shall end in order; one that does not is not waited for.
                let _ = self.line.write(&[TOOK]);
                self.record.write("took the screen", said)?;
                Ok(false)
            }
            Err(reason) => {
                said["how"] = "session killed".into();
                said["no_window"] = reason.into();
                let killed = kill(self.pid);
                said["killed"] = killed.is_ok().into();
                self.record.write("took the screen", said)?;
                Ok(true)
            }
        }
    }

    /// Goes on covering; whether the operator wanted it to end.
    fn keep_covered(&mut self) -> Result<bool, SessionError> {
        let Some(window) = &mut self.window else { return Ok(true) };
        let lost = window.draw().err().map(|error| error.to_string());
        if !window.escape() && lost.is_none() {
            return Ok(false);
        }
        let killed = kill(self.pid).is_ok();
        let what = if lost.is_some() { "grey window lost" } else { "operator closed the grey window" };
        self.record.write(what, json!({ "reason": lost, "how": "session killed", "killed": killed }))?;
        Ok(true)
    }
}

/// Ends a process that cannot be asked any more. The line to it is still open, so the number is still its own.
fn kill(pid: u32) -> std::io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(std::io::Error::other)?;
    if pid <= 1 {
        return Err(std::io::Error::other(format!("no session has the process id {pid}")));
    }
    #[allow(unsafe_code)] // std can end children only, and the session is this process's parent
    // SAFETY: kill(2) takes two numbers and touches no memory of ours.
    let status = unsafe { libc::kill(pid, libc::SIGKILL) };
    if status == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// JSON lines, each on the disk before anything else happens.
struct Record {
    path: PathBuf,
    file: Option<File>,
}

impl Record {
    fn write(&mut self, event: &str, more: Value) -> Result<(), SessionError> {
        let mut line = json!({ "at_ns": clock::now_ns(), "utc": WallTime::now().iso(), "event": event });
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        let failed = |error| SessionError::io("write", &self.path, error);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().create(true).append(true).open(&self.path).map_err(failed)?,
        };
        let written = writeln!(file, "{line}").and_then(|()| file.sync_data());
        self.file = Some(file);
        written.map_err(failed)
    }
}
