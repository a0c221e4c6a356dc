//! Loading model files: real ones, odd ones, hostile ones.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it skipped and stops at what it did not expect"
)]
#![allow(clippy::result_large_err, reason = "tests match on the whole fault")]

mod common;
mod forward;
mod fuzz;
mod guard;
mod hostile_file;
mod hostile_graph;
mod hostile_tensor;
mod real;
mod rewrites;
