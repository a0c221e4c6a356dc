//! What the folder promises: bytes come back as they went in, damage costs only what it touched, and other people's
//! readers agree.

#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do; clippy knows only functions marked #[test]

mod damage;
mod full_disk;
mod judge;
mod killed;
mod real_files;
mod round_trip;
mod session;
mod support;
#[path = "../../../../tests/support/xdf.rs"]
mod xdf;
