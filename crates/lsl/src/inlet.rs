//! Reading ends.

use std::ffi::{c_char, c_ulong, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::Lsl;
use crate::api::Api;
use crate::error::LslError;
use crate::info::StreamInfo;

/// How an inlet is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InletOptions {
    /// Seconds of samples that liblsl keeps when nobody pulls (hundreds of samples for an irregular stream); older
    /// ones are dropped without a word.
    pub max_buffer_s: u32,
    /// Whether a lost source is looked for again in silence. Pulls then give nothing until it is back.
    pub recover: bool,
    /// How long the source may take to send its full description.
    pub timeout_s: f64,
}

impl Default for InletOptions {
    fn default() -> Self {
        Self { max_buffer_s: 60, recover: true, timeout_s: 5.0 }
    }
}

/// A sample of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSample {
    /// The source's stamp.
    pub stamp_s: f64,
    /// One text per channel; bytes that are not UTF-8 are replaced by U+FFFD.
    pub values: Vec<String>,
}

/// One measurement of the offset between the source's clock and this machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeCorrection {
    /// What has to be added to the source's stamps.
    pub offset_s: f64,
    /// Round-trip time of the measurement, which bounds its error.
    pub uncertainty_s: f64,
    /// The source's clock at the measurement.
    pub remote_s: f64,
}

struct Core {
    api: Arc<Api>,
    raw: NonNull<c_void>,
}

// SAFETY: liblsl's inlet has separate parts for data, description and clock, each with its own lock or queue, and
// none is tied to a thread. The data queue has a single consumer: pulls go through `&mut Inlet` only.
unsafe impl Send for Core {}
// SAFETY: as above; what is reachable through `&Core` (clock, counts) is locked inside liblsl.
unsafe impl Sync for Core {}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: the last owner; the handle is used no more. The call disconnects and joins liblsl's threads.
        unsafe { (self.api.lsl_destroy_inlet)(self.raw.as_ptr()) }
    }
}

/// The reading end of a stream. Post-processing stays off: stamps come as the source gave them.
pub struct Inlet {
    core: Arc<Core>,
    info: StreamInfo,
    channels: usize,
}

/// Measures the clock offset of an inlet's source, from another thread than the one that pulls.
#[derive(Clone)]
pub struct InletClock(Arc<Core>);

macro_rules! pull {
    ($(#[$doc:meta])* $name:ident, $value:ty, $sample:ident, $chunk:ident) => {
        $(#[$doc])*
        ///
        /// Waits up to `timeout_s` for the first sample, then takes what is there already, and returns the number of
        /// samples (0 when the time ran out). `values` has room for `stamps_s.len()` samples, one after the other.
        ///
        /// liblsl's own chunk call with a timeout waits until the *whole* buffer is full, which would add the
        /// timeout to every sample's latency; hence one sample with the timeout, then a chunk without.
        ///
        /// # Errors
        /// When the buffers do not fit together, or the source is lost and cannot be found again.
        pub fn $name(&mut self, stamps_s: &mut [f64], values: &mut [$value], timeout_s: f64) -> Result<usize, LslError> {
            let what = "pulling samples";
            let (channels, samples) = (self.channels, stamps_s.len());
            if samples == 0 || samples.checked_mul(channels) != Some(values.len()) {
                return Err(LslError::Shape { values: values.len(), samples, channels });
            }
            let (api, raw, mut code) = (&self.core.api, self.core.raw.as_ptr(), 0);
            // SAFETY: the handle is valid, and `values` has room for at least one sample of `channels` values.
            let stamp = unsafe { (api.$sample)(raw, values.as_mut_ptr(), channels as i32, timeout_s, &mut code) };
            LslError::check(code, what, timeout_s)?;
            if stamp == 0.0 {
                return Ok(0);
            }
            stamps_s[0] = stamp;
            if samples == 1 {
                return Ok(1);
            }
            let (rest, rest_stamps) = (&mut values[channels..], &mut stamps_s[1..]);
            // SAFETY: both buffers have the lengths said, which liblsl does not exceed. The full description was
            // fetched in `new`, so the call does not wait for it.
            let written = unsafe {
                (api.$chunk)(
                    raw,
                    rest.as_mut_ptr(),
                    rest_stamps.as_mut_ptr(),
                    rest.len() as c_ulong,
                    rest_stamps.len() as c_ulong,
                    0.0,
                    &mut code,
                )
            };
            // A source that is lost just now shows again at the next call; the sample at hand must not go with it.
            Ok(1 + if code == 0 { written as usize / channels } else { 0 })
        }
    };
}

impl Inlet {
    /// Makes an inlet and fetches the full description. Samples are not asked for yet: see [`Inlet::open`].
    ///
    /// # Errors
    /// [`LslError::Timeout`] when the source does not send its description in time, [`LslError::Lost`].
    pub fn new(lsl: &Lsl, info: &StreamInfo, options: &InletOptions) -> Result<Self, LslError> {
        let buffer_s = i32::try_from(options.max_buffer_s).unwrap_or(i32::MAX);
        // SAFETY: a valid description, which liblsl copies. Chunk length 0 leaves the sender's choice.
        let raw = unsafe { (lsl.api.lsl_create_inlet)(info.raw(), buffer_s, 0, i32::from(options.recover)) };
        let raw = NonNull::new(raw).ok_or(LslError::Code { what: "making an inlet", code: 0 })?;
        let core = Arc::new(Core { api: Arc::clone(&lsl.api), raw });
        // SAFETY: the handle is valid; 0 is "no post-processing", so that stamps arrive as they were sent.
        let code = unsafe { (lsl.api.lsl_set_postprocessing)(raw.as_ptr(), 0) };
        LslError::check(code, "switching post-processing off", 0.0)?;

        // liblsl's chunk calls wait for the full description without bound; fetched here, they never do.
        let (what, mut code) = ("fetching a stream's description", 0);
        // SAFETY: the handle is valid; the result is a new description or null.
        let full = unsafe { (lsl.api.lsl_get_fullinfo)(raw.as_ptr(), options.timeout_s, &mut code) };
        LslError::check(code, what, options.timeout_s)?;
        let info = StreamInfo::from_raw(&lsl.api, full, what)?;
        let channels = info.channel_count();
        Ok(Self { core, info, channels })
    }

    /// The full description.
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// Values per sample.
    pub fn channel_count(&self) -> usize {
        self.channels
    }

    /// A handle that measures the clock offset from another thread.
    pub fn clock(&self) -> InletClock {
        InletClock(Arc::clone(&self.core))
    }

    /// Subscribes: every sample sent from now on is queued.
    ///
    /// # Errors
    /// [`LslError::Timeout`] when the source does not answer in time, [`LslError::Lost`].
    pub fn open(&mut self, timeout_s: f64) -> Result<(), LslError> {
        let mut code = 0;
        // SAFETY: the handle is valid.
        unsafe { (self.core.api.lsl_open_stream)(self.core.raw.as_ptr(), timeout_s, &mut code) };
        LslError::check(code, "opening a stream", timeout_s)
    }

    /// Unsubscribes; queued samples are dropped.
    pub fn close(&mut self) {
        // SAFETY: the handle is valid.
        unsafe { (self.core.api.lsl_close_stream)(self.core.raw.as_ptr()) }
    }

    pull!(
        /// Pulls samples as `f64` (exact for every numeric format but 64-bit integers beyond 2^53).
        pull_f64, f64, lsl_pull_sample_d, lsl_pull_chunk_d
    );
    pull!(
        /// Pulls samples as `f32`.
        pull_f32, f32, lsl_pull_sample_f, lsl_pull_chunk_f
    );

    /// Pulls one sample as texts (numbers are written out), waiting up to `timeout_s`; `None` when the time ran out.
    ///
    /// # Errors
    /// [`LslError::Lost`] when the source is lost and cannot be found again.
    pub fn pull_text(&mut self, timeout_s: f64) -> Result<Option<TextSample>, LslError> {
        let api = &self.core.api;
        let mut texts: Vec<*mut c_char> = vec![ptr::null_mut(); self.channels];
        let mut lengths = vec![0u32; self.channels];
        let mut code = 0;
        // SAFETY: the handle is valid, both buffers have one slot per channel.
        let stamp_s = unsafe {
            (api.lsl_pull_sample_buf)(
                self.core.raw.as_ptr(),
                texts.as_mut_ptr(),
                lengths.as_mut_ptr(),
                self.channels as i32,
                timeout_s,
                &mut code,
            )
        };
        // liblsl allocates the texts even when the time ran out, but not when it reports an error (it has freed them
        // then): a slot is ours exactly when there was none.
        LslError::check(code, "pulling a text sample", timeout_s)?;
        let mut values = Vec::with_capacity(self.channels);
        for (&text, &length) in texts.iter().zip(&lengths) {
            if text.is_null() {
                values.push(String::new());
                continue;
            }
            // SAFETY: without an error, `text` is an allocation of `length` bytes that liblsl handed over.
            unsafe {
                let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
                values.push(String::from_utf8_lossy(bytes).into_owned());
                (api.lsl_destroy_string)(text);
            }
        }
        Ok((stamp_s != 0.0).then_some(TextSample { stamp_s, values }))
    }

    /// Samples that wait (an estimate, says liblsl).
    pub fn samples_available(&self) -> usize {
        // SAFETY: the handle is valid.
        (unsafe { (self.core.api.lsl_samples_available)(self.core.raw.as_ptr()) }) as usize
    }

    /// Drops the samples that wait and says how many it was.
    pub fn flush(&mut self) -> usize {
        // SAFETY: the handle is valid; `&mut` because it reads the queue.
        (unsafe { (self.core.api.lsl_inlet_flush)(self.core.raw.as_ptr()) }) as usize
    }
}

impl InletClock {
    /// Measures the clock offset. The first call waits for about ten probes (0.6 s), later ones return the newest of
    /// liblsl's own measurements.
    ///
    /// # Errors
    /// [`LslError::Timeout`] when the source does not answer in time, [`LslError::Lost`].
    pub fn measure(&self, timeout_s: f64) -> Result<TimeCorrection, LslError> {
        let (mut remote_s, mut uncertainty_s, mut code) = (0.0, 0.0, 0);
        // SAFETY: the handle is valid, the pointers are to numbers of this frame.
        let offset_s = unsafe {
            (self.0.api.lsl_time_correction_ex)(
                self.0.raw.as_ptr(),
                &mut remote_s,
                &mut uncertainty_s,
                timeout_s,
                &mut code,
            )
        };
        LslError::check(code, "measuring the clock offset", timeout_s)?;
        Ok(TimeCorrection { offset_s, uncertainty_s, remote_s })
    }
}
