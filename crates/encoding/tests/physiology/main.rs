//! The embedded V1 in the laboratory: what its cells do to gratings, spots and masks, against what has been published about
//! the primary visual cortex of monkeys and cats. Each test prints what it measured; `--nocapture` shows it.
#![allow(clippy::unwrap_used, reason = "a laboratory that cannot be set up ends there")]

mod damage;
mod fields;
mod lab;
mod motion;
mod person;
mod suppression;
mod tuning;
