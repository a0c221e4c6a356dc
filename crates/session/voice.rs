//! What is said on the terminal. A reader that went away (`photic run ... | head`) is no fault of a session, and must not end it: the
//! macros of the standard library would panic.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// A result, on the standard output.
///
/// # Errors
/// When it cannot be written though somebody reads it, as on a full disk.
pub fn say(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// A word on the side, as a line on the standard error; there is nowhere to say that it was not heard.
pub fn tell(text: impl Display) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
