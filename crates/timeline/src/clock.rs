//! The one clock. Hot paths never read it: `session` reads it once per turn or frame and hands the number down.

/// Monotonic nanoseconds now. On Linux this is CLOCK_MONOTONIC, the clock of `lsl_local_clock()`.
pub fn now_ns() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec, and CLOCK_MONOTONIC exists on every POSIX system.
    #[allow(unsafe_code)]
    // the only way to read the clock that LSL stamps with; std's Instant hides its number
    let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    debug_assert_eq!(status, 0);
    #[allow(clippy::unnecessary_cast)] // both fields are 32 bits wide on some targets
    let ns = time.tv_sec as i64 * 1_000_000_000 + time.tv_nsec as i64;
    ns
}
