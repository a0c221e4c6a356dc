//! Freed memory: back to the system, or kept.

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

/// Largest block that stays with the process when it is freed: glibc's own upper bound on 64-bit systems.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BLOCK_BYTES: i32 = 32 << 20;
/// Free memory at the end of the heap that is not given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_HEAP_BYTES: i32 = 1 << 30;

/// Tells the allocator to keep what is freed, for the rest of the process; for programs that run many steps.
///
/// Each step allocates and frees the same activations. By default glibc gives large ones back to the system and gets them
/// anew, zeroed page by page: about a tenth of a step of a small model. The peak is not higher by that, since the next
/// step has the same one. A library must not decide this for its program, so no other function of this crate calls it.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "calls into the C library")]
    // SAFETY: takes no pointer and may be called at any time from any thread. Refused settings change nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_HEAP_BYTES);
    }
}
