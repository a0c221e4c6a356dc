//! What the tests with liblsl share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::sync::OnceLock;

use lsl::{Lsl, Scope};
use timeline::ring::{Reader, RowHead, RowReader};

pub const DEADLINE_S: f64 = 20.0;

/// Session id of this process: what other tests do at the same time stays unseen.
pub fn session_id() -> String {
    format!("photic-test-acquisition-{}", std::process::id())
}

/// liblsl in that session; `None` (with the reason printed) where it is not installed.
pub fn library() -> Option<Lsl> {
    static LIBRARY: OnceLock<Option<Lsl>> = OnceLock::new();
    let load = || {
        let set_up = repository().join(".setup/lsl");
        match Lsl::load(&[set_up]) {
            Ok(lsl) => {
                lsl.configure(Scope::Machine, Some(&session_id())).expect("the first configuration");
                Some(lsl)
            }
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "{error}");
                eprintln!("skipped: {error}");
                None
            }
        }
    };
    LIBRARY.get_or_init(load).clone()
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All rows that wait.
pub fn drain_rows(reader: &mut RowReader) -> Vec<(RowHead, Vec<f64>)> {
    let mut rows = Vec::new();
    let mut values = vec![0.0; reader.width()];
    while let Some(head) = reader.pop(&mut values) {
        rows.push((head, values.clone()));
    }
    rows
}

/// All records that wait.
pub fn drain<T: Copy>(reader: &mut Reader<T>) -> Vec<T> {
    std::iter::from_fn(|| reader.pop()).collect()
}

/// Calls `done` every few milliseconds until it says yes.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up_ns = timeline::clock::now_ns() + timeline::ns_from_s(DEADLINE_S);
    while !done() {
        assert!(timeline::clock::now_ns() < give_up_ns, "{what}: not within {DEADLINE_S} s");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
