//! What the allocator does with memory that a search frees and wants again at once.

/// Largest block that stays with the process when it is freed: glibc's own upper bound on 64-bit systems.
const KEPT_BLOCK_BYTES: i32 = 32 << 20;

/// Free memory at the end of the heap that is not given back.
const KEPT_HEAP_BYTES: i32 = 1 << 30;

/// Tells the allocator to keep what is freed, for the rest of the process.
///
/// Each step of a search allocates and frees the same activations. By default glibc gives large ones back to the system
/// and gets them anew, zeroed page by page: about a tenth of a step on small models. Memory is not larger by that, since the
/// next step has the same peak.
pub(crate) fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "calls into the C library")]
    // SAFETY: takes no pointer and may be called at any time from any thread. Refused settings change nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_HEAP_BYTES);
    }
}
