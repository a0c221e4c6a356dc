//! Freed memory, back to the system.

/// Returns freed memory to the system where the allocator would keep it.
///
/// Loading a model frees as much as it keeps (the file, its decoded form, weights that were packed), in pieces that glibc
/// holds back for allocations to come. They would come: but of other sizes, on top of it.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "a call into the C library")]
    // SAFETY: takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
