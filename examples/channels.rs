//! Writes the table of channels of drive studies: what presentations measure in each committed person, from whole sessions on
//! the virtual clock. Takes some 20 s per person.
//!
//! Usage: channels [NAME...] > crates/session/study/drive/channels.toml (all sixty without a name)
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use std::path::Path;

use participant::{Person, people};
use photic::brain::Brain;
use photic::experiment::Experiment;
use photic::study::drive::channel::{Calibration, fitted, observe};

/// Sessions of a person, each with another seed and brain.
const SESSIONS: [(u64, &str); 4] =
    [(501, "energy-1"), (502, "maximum-2"), (503, "conjunction-1"), (504, "energy-2")];
/// Calibration and 30 presentations.
const SECONDS: f64 = 58.0 + 30.0 * 9.6;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut experiment = Experiment::load(Path::new("protocols/drive.toml"), None).unwrap();
    // A search shows pictures of all levels, and costs less than the model.
    experiment.protocol.planner.as_mut().unwrap().method = protocol::Method::Bayesian;
    println!(
        "# Made by the example `channels`; do not edit. Keys: `Channel` in channel.rs. Sessions of protocols/drive.toml with"
    );
    println!("# method \"bayesian\", {SECONDS} s each: {SESSIONS:?} (seed, brain).");
    let is_wanted = |person: &&Person| names.is_empty() || names.contains(&person.name);
    for person in people().iter().filter(is_wanted) {
        println!("\n[[channel]]\nparticipant = \"{}\"\ncalibrations = [", person.name);
        for (seed, brain) in SESSIONS {
            let brain = Brain::find(brain).unwrap();
            let seen = observe(&experiment, person, brain, seed, SECONDS).unwrap();
            let Calibration { presentations, scale_uv, scale_error_uv, sd_uv, spread_uv, lost } =
                fitted(person, &seen).unwrap();
            println!(
                "  {{ presentations = {presentations}, scale_uv = {scale_uv:.4}, scale_error_uv = {scale_error_uv:.4}, \
                 sd_uv = {sd_uv:.4}, spread_uv = {spread_uv:.4}, lost = {lost:.4} }},"
            );
        }
        println!("]");
    }
}
