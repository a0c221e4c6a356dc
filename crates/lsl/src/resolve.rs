//! Which streams are there.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::Lsl;
use crate::api::Api;
use crate::error::LslError;
use crate::info::StreamInfo;

/// The most streams that one look can return.
const MOST: usize = 1024;

/// Looks for streams in the background for as long as it lives.
pub struct Resolver {
    api: Arc<Api>,
    raw: NonNull<std::ffi::c_void>,
}

// SAFETY: the results are behind a mutex of liblsl's; the search runs on a thread of the library's own, and the
// handle is not tied to the thread that made it.
unsafe impl Send for Resolver {}

impl Resolver {
    /// Starts to look for every stream of the configured session. A stream that stops answering is forgotten after
    /// `forget_after_s`.
    ///
    /// # Errors
    /// When liblsl cannot open its sockets.
    pub fn new(lsl: &Lsl, forget_after_s: f64) -> Result<Self, LslError> {
        // SAFETY: takes a number, returns a new handle or null.
        let raw = unsafe { (lsl.api.lsl_create_continuous_resolver)(forget_after_s) };
        let raw =
            NonNull::new(raw).ok_or(LslError::Code { what: "starting to look for streams", code: 0 })?;
        Ok(Self { api: Arc::clone(&lsl.api), raw })
    }

    /// The streams seen so far, without their `desc`. On one machine the first answers take about 0.1 s.
    ///
    /// # Errors
    /// When liblsl fails inside.
    pub fn results(&self) -> Result<Vec<StreamInfo>, LslError> {
        let what = "listing streams";
        let mut handles = vec![ptr::null_mut(); MOST];
        // SAFETY: the handle is valid, and the buffer has room for the number of handles said.
        let count =
            unsafe { (self.api.lsl_resolver_results)(self.raw.as_ptr(), handles.as_mut_ptr(), MOST as u32) };
        let count = usize::try_from(count).map_err(|_| LslError::Code { what, code: count })?;
        handles.into_iter().take(count).map(|raw| StreamInfo::from_raw(&self.api, raw, what)).collect()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is used no more; the call ends the library's thread.
        unsafe { (self.api.lsl_destroy_continuous_resolver)(self.raw.as_ptr()) }
    }
}
