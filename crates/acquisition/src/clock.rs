//! The offset between a source's clock and this machine's, measured on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lsl::{InletClock, LslError};
use timeline::clock::now_ns;
use timeline::ns_from_s;
use timeline::ring::{Reader, Writer, ring};

use crate::error::AcquisitionError;

/// Between two measurements.
const EVERY_S: f64 = 5.0;
/// The longest that one measurement may take. liblsl's first one takes 0.6 s.
const MEASURE_TIMEOUT_S: f64 = 2.0;
/// Stamps of one clock differ by measuring error only (about 0.1 ms, more on a busy machine). A source that names
/// this host but is further off has another clock all the same: two machines can share a name.
const ONE_CLOCK_NS: i64 = 50_000_000;

/// An offset and when it was measured, on this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub at_ns: i64,
    pub offset_ns: i64,
}

/// Measures until it is stopped, or once if the source turns out to share this machine's clock.
pub(crate) struct ClockWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    pub(crate) measured: Reader<Measured>,
}

/// Measures once.
pub(crate) fn measure(clock: &InletClock, same_host: bool) -> Result<Measured, LslError> {
    let offset_s = clock.measure(MEASURE_TIMEOUT_S)?.offset_s;
    Ok(Measured { at_ns: now_ns(), offset_ns: settle(ns_from_s(offset_s), same_host) })
}

/// On one clock the true offset is 0 and what was measured is error.
fn settle(measured_ns: i64, same_host: bool) -> i64 {
    let one_clock = same_host && measured_ns.abs() < ONE_CLOCK_NS;
    if one_clock { 0 } else { measured_ns }
}

impl ClockWatch {
    pub(crate) fn start(clock: InletClock, name: &str, same_host: bool) -> Result<Self, AcquisitionError> {
        let (writer, measured) = ring(64);
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let name = format!("clock-{name}");
        let thread = thread::Builder::new()
            .name(name.clone())
            .spawn(move || watch(&clock, same_host, &seen, writer))
            .map_err(|reason| AcquisitionError::Thread { name, reason })?;
        Ok(Self { stop, thread, measured })
    }

    /// Ends the thread; takes as long as a measurement under way.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // A panic there would have been a fault of measuring only; the samples are whole.
        let _ = self.thread.join();
    }
}

fn watch(clock: &InletClock, same_host: bool, stop: &AtomicBool, mut writer: Writer<Measured>) {
    while !stop.load(Ordering::Relaxed) {
        // A source that is away cannot be measured; its offset stays and the next round tries again.
        if let Ok(measured) = measure(clock, same_host) {
            // A full ring means that the inlet thread has not looked for minutes: a newer value comes.
            let _ = writer.push(measured);
            if same_host && measured.offset_ns == 0 {
                // One clock it is, and will be.
                return;
            }
        }
        thread::park_timeout(Duration::from_secs_f64(EVERY_S));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clock_has_no_offset_and_two_machines_of_one_name_have() {
        assert_eq!(settle(-120_000, true), 0);
        assert_eq!(settle(-120_000, false), -120_000);
        assert_eq!(settle(3_600_000_000_000, true), 3_600_000_000_000);
    }
}
