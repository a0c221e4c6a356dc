//! A thin safe binding to liblsl, the Lab Streaming Layer's library, which is opened at run time.
//!
//! [`Lsl::load`] finds the library, [`Lsl::configure`] says how far streams may travel; after that come
//! [`StreamInfo`], [`Resolver`], [`Inlet`] and [`Outlet`]. Stamps are `f64` seconds of [`Lsl::local_clock_s`] on the
//! sending machine and are handed on untouched: no post-processing of the library is ever switched on.
//!
//! Every call that can wait takes a timeout in seconds. Functions that change the reading or writing end take
//! `&mut self`, because liblsl's queues have one producer and one consumer.
#![allow(unsafe_code, reason = "this crate is the binding: every unsafe block says why it is sound")]

mod api;
mod configure;
mod error;
mod info;
mod inlet;
mod load;
mod outlet;
mod resolve;

pub use configure::Scope;
pub use error::{ConfigureError, LoadError, LslError};
pub use info::{ChannelFormat, Element, StreamInfo, StreamSpec};
pub use inlet::{Inlet, InletClock, InletOptions, TextSample, TimeCorrection};
pub use outlet::{Outlet, OutletOptions};
pub use resolve::Resolver;

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opened liblsl. Cloning is cheap; the library stays open until the process ends.
#[derive(Clone)]
pub struct Lsl {
    api: Arc<api::Api>,
    path: Arc<PathBuf>,
}

impl Lsl {
    /// Opens liblsl: the file or folder in `PHOTIC_LIBLSL`, else the system's library, else `extra_dirs`, else
    /// `.setup/lsl` below the working directory or below a folder that holds the running program.
    ///
    /// # Errors
    /// When no place has a library with the functions that this binding needs; the message lists every place and
    /// says how to get the library. A `PHOTIC_LIBLSL` that does not work is an error even if another place would.
    pub fn load(extra_dirs: &[PathBuf]) -> Result<Self, LoadError> {
        load::load(extra_dirs).map(|(api, path)| Self { api: Arc::new(api), path: Arc::new(path) })
    }

    /// Sets how far this process's streams may travel. Call it once, before any stream is made or looked for:
    /// liblsl reads its configuration at the first such call and never again.
    ///
    /// `session_id` separates groups of programs: only streams of the same session id see each other. `None` is
    /// LSL's own default, which every other LSL program uses.
    ///
    /// # Errors
    /// When the process was configured otherwise before, or the id has other characters than letters, digits,
    /// `-`, `_` and `.`.
    pub fn configure(&self, scope: Scope, session_id: Option<&str>) -> Result<(), ConfigureError> {
        configure::configure(&self.api, scope, session_id)
    }

    /// LSL's clock in seconds. On Linux this is CLOCK_MONOTONIC.
    pub fn local_clock_s(&self) -> f64 {
        // SAFETY: takes nothing, returns a number, callable from any thread.
        unsafe { (self.api.lsl_local_clock)() }
    }

    /// Version of the library as major and minor number, such as (1, 18).
    pub fn version(&self) -> (u32, u32) {
        // SAFETY: takes nothing, returns a number.
        let version = unsafe { (self.api.lsl_library_version)() }.unsigned_abs();
        (version / 100, version % 100)
    }

    /// What the library says about its own build.
    pub fn build_info(&self) -> String {
        // SAFETY: the function returns a pointer to a static, NUL-terminated string of the library, which is never
        // unloaded.
        unsafe { CStr::from_ptr((self.api.lsl_library_info)()) }.to_string_lossy().into_owned()
    }

    /// The file (or the system's library name) that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl std::fmt::Debug for Lsl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lsl").field("path", &self.path).field("version", &self.version()).finish()
    }
}
