//! The line between a session and its watchdog: one byte per frame, and the watchdog's word back. Neither end ever waits
//! for the other.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use display::interlock::Answer;
use timeline::{clock, ns_from_s};

use crate::error::SessionError;
use crate::watchdog::{BEAT, BOUND_NS, ENDED, READY, TOOK};

/// How long the watchdog may take to get ready: a window and a device, on a busy machine.
const READY_S: f64 = 20.0;

/// How long it may take to end when it is told.
const END_S: f64 = 3.0;

/// The session's end.
pub struct Lifeline {
    stream: UnixStream,
    child: Child,
}

impl Lifeline {
    /// Starts the watchdog and waits until it could take the screen. `level` is the code value of grey, `monitor` what it
    /// would cover.
    ///
    /// # Errors
    /// When it does not start, or does not get ready: stimulation does not begin without it.
    pub fn start(session: &Path, level: f64, monitor: Option<[i64; 4]>) -> Result<Self, SessionError> {
        let failed = |error| SessionError::Thread { name: "watchdog".into(), error };
        let (mut stream, other) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("watchdog").arg("--session").arg(session);
        command.args(["--pid", &std::process::id().to_string(), "--level", &level.to_string()]);
        if let Some(monitor) = monitor {
            command.args(["--monitor", &monitor.map(|px| px.to_string()).join(",")]);
        }
        // Ctrl-C in a terminal is for the session, which tells the watchdog itself.
        command.process_group(0).stdin(Stdio::from(OwnedFd::from(other))).stdout(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        drop(command); // and with it our copy of the watchdog's end
        let ready = stream
            .set_read_timeout(Some(Duration::from_secs_f64(READY_S)))
            .and_then(|()| stream.read_exact(&mut [0]))
            .and_then(|()| stream.set_nonblocking(true));
        if let Err(error) = ready {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(error));
        }
        Ok(Self { stream, child })
    }

    /// What the display calls at each frame.
    ///
    /// # Errors
    /// When the system gives no second handle to the line.
    pub fn beats(&self) -> Result<impl FnMut(i64) -> Answer + use<>, SessionError> {
        let failed = |error| SessionError::Thread { name: "watchdog".into(), error };
        let mut stream = self.stream.try_clone().map_err(failed)?;
        Ok(move |_| match (stream.write(&[BEAT]), read_word(&mut stream)) {
            (_, Some(TOOK)) => Answer::Took(BOUND_NS),
            (Err(error), _) if error.kind() != ErrorKind::WouldBlock => Answer::Gone,
            _ => Answer::Nothing,
        })
    }

    /// The display is done: nothing is on the screen any more that would have to be watched.
    pub fn end(mut self) {
        let _ = self.stream.write(&[ENDED]);
        let deadline_ns = clock::now_ns() + ns_from_s(END_S);
        while clock::now_ns() < deadline_ns {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_word(stream: &mut UnixStream) -> Option<u8> {
    let mut word = [READY];
    match stream.read(&mut word) {
        Ok(1) => Some(word[0]),
        _ => None,
    }
}
