//! Writing ends.

use std::ffi::{c_char, c_ulong, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::Lsl;
use crate::api::Api;
use crate::error::LslError;
use crate::info::StreamInfo;

/// How an outlet is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutletOptions {
    /// Seconds of samples kept for an inlet that does not read (hundreds of samples for an irregular stream).
    pub max_buffer_s: u32,
}

impl Default for OutletOptions {
    fn default() -> Self {
        Self { max_buffer_s: 360 }
    }
}

/// The writing end of a stream. It is visible from the moment it is made until it is dropped.
pub struct Outlet {
    api: Arc<Api>,
    raw: NonNull<c_void>,
    channels: usize,
    bytes: Vec<*const c_char>,
    lengths: Vec<u32>,
}

// SAFETY: the outlet is not tied to the thread that made it; pushes go through `&mut self`, so there is one producer
// at a time, and its own threads are behind locks of liblsl. The scratch pointers are never read outside one call.
unsafe impl Send for Outlet {}

macro_rules! push {
    ($(#[$doc:meta])* $name:ident, $value:ty, $call:ident) => {
        $(#[$doc])*
        ///
        /// The samples travel as one chunk at once; single-sample pushes above about 25 000 per second are dropped by
        /// liblsl without a word.
        ///
        /// # Errors
        /// When the buffers do not fit together, a stamp is not above 0 and finite, or liblsl refuses.
        pub fn $name(&mut self, stamps_s: &[f64], values: &[$value]) -> Result<(), LslError> {
            let (channels, samples) = (self.channels, stamps_s.len());
            if samples.checked_mul(channels) != Some(values.len()) {
                return Err(LslError::Shape { values: values.len(), samples, channels });
            }
            stamps_s.iter().try_for_each(|&stamp_s| sendable(stamp_s))?;
            if samples == 0 {
                return Ok(());
            }
            // SAFETY: the handle is valid; `values` has the length said, and there is one stamp per sample.
            let code = unsafe {
                (self.api.$call)(
                    self.raw.as_ptr(),
                    values.as_ptr(),
                    values.len() as c_ulong,
                    stamps_s.as_ptr(),
                    1,
                )
            };
            LslError::check(code, "pushing samples", 0.0)
        }
    };
}

fn sendable(stamp_s: f64) -> Result<(), LslError> {
    if stamp_s.is_finite() && stamp_s > 0.0 { Ok(()) } else { Err(LslError::Stamp(stamp_s)) }
}

impl Outlet {
    /// Makes an outlet from a description, which is copied: later changes to it are not seen.
    ///
    /// # Errors
    /// When liblsl cannot open its ports.
    pub fn new(lsl: &Lsl, info: &StreamInfo, options: &OutletOptions) -> Result<Self, LslError> {
        let buffer_s = i32::try_from(options.max_buffer_s).unwrap_or(i32::MAX);
        // SAFETY: a valid description, which liblsl copies. Chunk size 0: each push travels as it is.
        let raw = unsafe { (lsl.api.lsl_create_outlet)(info.raw(), 0, buffer_s) };
        let raw = NonNull::new(raw).ok_or(LslError::Code { what: "making an outlet", code: 0 })?;
        let channels = info.channel_count();
        Ok(Self { api: Arc::clone(&lsl.api), raw, channels, bytes: Vec::new(), lengths: Vec::new() })
    }

    /// Values per sample.
    pub fn channel_count(&self) -> usize {
        self.channels
    }

    push!(
        /// Pushes samples given as `f64`, one after the other, each with its stamp; liblsl converts them to the
        /// stream's own format.
        push_f64, f64, lsl_push_chunk_dtnp
    );
    push!(
        /// Pushes samples given as `f32`, one after the other, each with its stamp.
        push_f32, f32, lsl_push_chunk_ftnp
    );

    /// Pushes one sample of texts, one per channel, with its stamp.
    ///
    /// # Errors
    /// When the number of texts is not the channel count, the stamp is not above 0 and finite, a text is longer than
    /// 4 GiB, or liblsl refuses.
    pub fn push_text(&mut self, stamp_s: f64, texts: &[&str]) -> Result<(), LslError> {
        if texts.len() != self.channels {
            return Err(LslError::Shape { values: texts.len(), samples: 1, channels: self.channels });
        }
        sendable(stamp_s)?;
        self.bytes.clear();
        self.lengths.clear();
        for text in texts {
            self.bytes.push(text.as_ptr().cast());
            let too_long = |_| LslError::Code { what: "pushing a text of 4 GiB or more", code: -3 };
            self.lengths.push(u32::try_from(text.len()).map_err(too_long)?);
        }
        // SAFETY: the handle is valid; there is one pointer and one length per channel, and the texts live through
        // the call, which copies them.
        let code = unsafe {
            (self.api.lsl_push_sample_buftp)(
                self.raw.as_ptr(),
                self.bytes.as_ptr(),
                self.lengths.as_ptr(),
                stamp_s,
                1,
            )
        };
        LslError::check(code, "pushing a text sample", 0.0)
    }

    /// Whether somebody reads.
    pub fn have_consumers(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { (self.api.lsl_have_consumers)(self.raw.as_ptr()) != 0 }
    }

    /// Waits until somebody reads; `false` when the time ran out.
    pub fn wait_for_consumers(&self, timeout_s: f64) -> bool {
        // SAFETY: the handle is valid.
        unsafe { (self.api.lsl_wait_for_consumers)(self.raw.as_ptr(), timeout_s) != 0 }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is used no more; the call ends liblsl's threads.
        unsafe { (self.api.lsl_destroy_outlet)(self.raw.as_ptr()) }
    }
}
