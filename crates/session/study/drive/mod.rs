//! Drive studies: how far, and within how many presentations, each method of choosing pictures drives hidden brains.
//!
//! Brains x participants x methods x seeds. Whole sessions would take minutes each where a search has 2,000 presentations, so
//! presentations are measured by a [`channel`] whose scale and noise were themselves measured in whole sessions.

pub mod channel;
mod results;
mod session;
mod spec;
mod statistics;
mod table;

use std::fmt::Write as _;
use std::path::Path;

use protocol::Method;
use protocol::read_text;
use protocol::reader::Document;
use serde_json::json;

use super::journal::{Head, Label};
use super::{Done, Seeds, TABLE, Work, finished, write_files};
use crate::cli::StudyArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

pub use session::{AFTER, MARKS, column, columns, run};
pub use spec::{Arm, Job, Set, Spec};
pub use statistics::{Estimate, RESAMPLES, Sample, mean, median};

impl Arm {
    /// Name of its method, as in a protocol.
    pub fn method(&self) -> &'static str {
        let method =
            self.experiment.protocol.planner.as_ref().map(|planner| planner.method).unwrap_or_default();
        Method::NAMES.iter().find(|(_, known)| *known == method).map_or("", |(name, _)| name)
    }
}

/// Whether a specification is one of a drive study: it has a table `[drive]`.
///
/// # Errors
/// A file that cannot be read or is no TOML.
pub fn is_of(path: &Path) -> Result<bool, SessionError> {
    let (text, file) = read_text(path)?;
    Ok(Document::parse(&text, &file)?.any_root().has("drive"))
}

/// Runs what is left of a drive study, and writes table and page once every session is there.
///
/// # Errors
/// As [`super::study`].
pub fn study(args: &StudyArgs) -> Result<Seen, SessionError> {
    let spec = Spec::load(&args.spec)?;
    let seeds = if args.held_out { Seeds::HeldOut } else { Seeds::Tuning };
    let jobs = spec.jobs(seeds);
    if args.check {
        return Ok(checked(&spec, seeds, jobs.len()));
    }
    let label = |at: usize| {
        let job: &Job = &jobs[at];
        Label {
            protocol: spec.set(seeds).brains[job.brain].name.clone(),
            arm: spec.arms[job.arm].name.clone(),
            participant: spec.participants[job.participant].name.clone(),
            // Stands where other studies have the protocol, of which there is one.
            brain: None,
            seed: job.seed,
        }
    };
    let files = spec.arms.iter().flat_map(|arm| &arm.files).map(|file| file.sha256.as_str());
    let all: Vec<&str> = [spec.text.as_str(), spec.protocol_sha256.as_str(), channel::TABLE]
        .into_iter()
        .chain(files)
        .collect();
    let work = Work {
        name: &spec.name,
        head: Head::new(&spec.name, seeds, &all, columns()),
        count: jobs.len(),
        label: &label,
        run: &|at| run(&spec, seeds, &jobs[at]),
    };
    let (out, rows, ran) = match work.done(args)? {
        Done::Part(seen) => return Ok(seen),
        Done::Whole { out, rows, ran } => (out, rows, ran),
    };
    let table = table::parquet(&spec, seeds, &jobs, &rows)
        .map_err(|error| SessionError::Study { path: out.join(TABLE), reason: error.to_string() })?;
    let results = results::Results::of(&spec, seeds, &jobs, &rows);
    let text = serde_json::to_string_pretty(&results.json()).unwrap_or_default();
    write_files(&out, &table, &text, &results.page(), &spec.text)?;
    Ok(finished(&spec.name, &rows, &out, ran))
}

fn checked(spec: &Spec, seeds: Seeds, jobs: usize) -> Seen {
    let set = spec.set(seeds);
    let mut text = format!("{}: {}\n", spec.name, spec.description);
    let _ = writeln!(
        text,
        "{} brains, {} participants, {} arms, {} {seeds} seeds: {jobs} sessions",
        set.brains.len(),
        spec.participants.len(),
        spec.arms.len(),
        set.seeds.len()
    );
    for arm in &spec.arms {
        let _ = writeln!(text, "  {}: {}, {} presentations", arm.name, arm.method(), arm.presentations);
    }
    let arms = spec.arms.iter().map(|arm| json!({ "arm": arm.name, "method": arm.method() }));
    let json = json!({
        "study": spec.name,
        "sessions": jobs,
        "seeds": seeds.to_string(),
        "arms": arms.collect::<Vec<_>>(),
    });
    Seen { text, json, fine: true }
}
