//! A button box, or a keyboard of its own, read from the kernel's input device: stamped by the kernel when the event comes, on
//! the clock that everything here runs on.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use protocol::{Protocol, ResponseKind};
use timeline::ring::Writer;
use timeline::{Device, Response};

use crate::error::SessionError;

/// Where the system lists input devices.
const LISTED: &str = "/sys/class/input";
/// `struct input_event` on 64-bit Linux: seconds, microseconds, type, code, value.
const EVENT_BYTES: usize = 24;
/// Events that are read at once.
const BATCH: usize = 64;
/// Type of an event that is a key or a button.
const EV_KEY: u16 = 1;

/// An input device that is open.
pub struct Hid {
    file: File,
    /// What the kernel calls it.
    pub name: String,
    rest: Vec<u8>,
}

impl Hid {
    /// Opens the device that the protocol names, if it names one.
    ///
    /// # Errors
    /// No such device, more than one, or none that may be read: with the names of those that there are.
    pub fn open(protocol: &Protocol) -> Result<Option<Self>, SessionError> {
        let wanted = protocol.responses.iter().find_map(|response| match &response.kind {
            ResponseKind::Hid { device, .. } => Some(device.as_str()),
            _ => None,
        });
        let Some(wanted) = wanted else { return Ok(None) };
        let all = list(Path::new(LISTED));
        let found: Vec<&(String, PathBuf)> = all.iter().filter(|(name, _)| name.contains(wanted)).collect();
        let [(name, path)] = found[..] else {
            let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            let text = format!(
                "response.hid: {} input devices have `{wanted}` in their name, one is wanted; there are: {}",
                found.len(),
                if names.is_empty() { "none".to_owned() } else { names.join("; ") }
            );
            return Err(SessionError::Usage(text));
        };
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(|error| SessionError::io("read", path, error))?;
        stamp_monotonic(&file).map_err(|error| SessionError::io("set the clock of", path, error))?;
        Ok(Some(Self { file, name: name.clone(), rest: Vec::with_capacity(BATCH * EVENT_BYTES) }))
    }

    /// Hands over what was pressed since the last call; whether there was anything.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn read(&mut self, now_ns: i64, to: &mut Writer<Response>) -> Result<bool, std::io::Error> {
        let mut bytes = [0; BATCH * EVENT_BYTES];
        let mut any = false;
        loop {
            let count = match self.file.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(any),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.rest.extend_from_slice(&bytes[..count]);
            let whole = self.rest.len() / EVENT_BYTES * EVENT_BYTES;
            for response in self.rest[..whole].chunks_exact(EVENT_BYTES).filter_map(|e| parse(e, now_ns)) {
                // What a full ring refuses is counted by it.
                any |= to.push(response);
            }
            self.rest.drain(..whole);
        }
    }
}

/// Names of all input devices that report events, with their files, in the order of their numbers.
fn list(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut all: Vec<(u32, String, PathBuf)> = entries
        .filter_map(|entry| {
            let event = entry.file_name().to_string_lossy().into_owned();
            let number = event.strip_prefix("event")?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("device/name")).ok()?;
            Some((number, name.trim().to_owned(), Path::new("/dev/input").join(event)))
        })
        .collect();
    all.sort();
    all.into_iter().map(|(_, name, path)| (name, path)).collect()
}

/// One event of the kernel; `None` where it is no key, or a key that repeats itself.
fn parse(event: &[u8], now_ns: i64) -> Option<Response> {
    let i64_at = |at: usize| Some(i64::from_ne_bytes(event.get(at..at + 8)?.try_into().ok()?));
    let u16_at = |at: usize| Some(u16::from_ne_bytes(event.get(at..at + 2)?.try_into().ok()?));
    let value = i32::from_ne_bytes(event.get(20..24)?.try_into().ok()?);
    if u16_at(16)? != EV_KEY || !(0..=1).contains(&value) {
        return None;
    }
    let at_ns = i64_at(0)?.checked_mul(1_000_000_000)?.checked_add(i64_at(8)?.checked_mul(1_000)?)?;
    Some(Response {
        index: 0,
        at_ns,
        arrival_ns: now_ns,
        queued_ns: 0,
        device: Device::Hid,
        code: u32::from(u16_at(18)?),
        pressed: value == 1,
    })
}

/// Asks the kernel to stamp this device's events with CLOCK_MONOTONIC (`EVIOCSCLOCKID`, linux/input.h).
#[expect(unsafe_code, reason = "a system call that no safe crate of ours makes")]
fn stamp_monotonic(file: &File) -> Result<(), std::io::Error> {
    /// `_IOW('E', 0xa0, int)`.
    const EVIOCSCLOCKID: libc::c_ulong = 0x4004_45a0;
    let clock: libc::c_int = libc::CLOCK_MONOTONIC;
    // SAFETY: the descriptor is open, and the kernel reads one int from the pointer, which outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), EVIOCSCLOCKID, &raw const clock) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::ring::ring;

    fn event(s: i64, us: i64, kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(s.to_ne_bytes());
        bytes.extend(us.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    #[test]
    fn events_of_the_kernel_become_responses() {
        let down = parse(&event(12, 345_678, 1, 288, 1), 99).unwrap();
        assert_eq!((down.at_ns, down.code, down.pressed), (12_345_678_000, 288, true));
        assert_eq!((down.device, down.arrival_ns), (Device::Hid, 99));
        assert!(!parse(&event(12, 1, 1, 288, 0), 0).unwrap().pressed);
        // A key that repeats itself, a synchronisation, a torn event, a stamp that cannot be.
        assert_eq!(parse(&event(12, 1, 1, 288, 2), 0), None);
        assert_eq!(parse(&event(12, 1, 0, 0, 0), 0), None);
        assert_eq!(parse(&event(12, 1, 1, 288, 1)[..20], 0), None);
        assert_eq!(parse(&event(i64::MAX, 1, 1, 288, 1), 0), None);
    }

    /// Through a real file, in pieces that cut events.
    #[test]
    fn events_in_pieces_are_put_together() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events");
        let all: Vec<u8> = (0..5).flat_map(|n| event(n, 0, 1, 30, 1)).collect();
        let (mut responses, mut taken) = ring(16);
        let mut rest = Vec::new();
        for piece in all.chunks(37) {
            fs::write(&path, piece).unwrap();
            let mut hid = Hid { file: File::open(&path).unwrap(), name: String::new(), rest };
            // A file ends where a device only has nothing to say yet.
            assert_eq!(hid.read(0, &mut responses).unwrap_err().kind(), ErrorKind::UnexpectedEof);
            rest = hid.rest;
        }
        let seconds: Vec<i64> =
            std::iter::from_fn(|| taken.pop()).map(|response| response.at_ns / 1_000_000_000).collect();
        assert_eq!(seconds, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn devices_are_listed_by_name() {
        let place = tempfile::tempdir().unwrap();
        for (event, name) in [("event10", "Box B"), ("event2", "Box A"), ("mouse0", "Mouse")] {
            let folder = place.path().join(event).join("device");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        }
        let listed = list(place.path());
        let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Box A", "Box B"]);
        assert_eq!(listed[1].1, Path::new("/dev/input/event10"));
    }
}
