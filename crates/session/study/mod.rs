//! `photic study`: many seeded sessions (participants x protocols x arms x seeds) on the virtual clock, over all cores.
//!
//! A session is a *job* with a place in one list that the specification alone decides. What it came to is a line in a
//! journal as soon as it has ended, brought to the disk before the next; so a study that is killed goes on where it was.
//! The table, the statistics and the page are made from the journals in the order of the list, so they are the same to
//! the byte however often a study was interrupted and however many shards it ran in. Nothing depends on wall-clock time:
//! sessions run on the virtual clock, to their end.

mod brains;
pub mod drive;
mod figures;
mod jobs;
mod journal;
mod metrics;
mod page;
mod session;
mod spec;
mod statistics;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::json;

use crate::cli::StudyArgs;
use crate::cores::over_cores;
use crate::error::SessionError;
use crate::inspect::Seen;

pub use jobs::{Job, Row, Seeds, jobs};
pub use metrics::{Better, METRICS, Metric, metric};
pub(crate) use session::contrast_held;
pub use session::run;
pub use spec::{Arm, Condition, Spec};
pub use statistics::{Group, RESAMPLES, group_names, groups, interval, losses, per_person, ratio};

use journal::{Head, Journal, Label};

/// Which part of the jobs one process takes: `i` of `n`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: i/n with whole numbers, 1 <= i <= n, as in 3/8");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count) =
            (index.trim().parse().map_err(|_| wrong())?, count.trim().parse().map_err(|_| wrong())?);
        if index >= 1 && index <= count { Ok(Self { index, count }) } else { Err(wrong()) }
    }
}

/// Runs what is left of a study, and writes table and page once every session is there.
///
/// # Errors
/// A specification that does not say what it must, a folder of another study, a disk that does not take the journal.
pub fn study(args: &StudyArgs) -> Result<Seen, SessionError> {
    if drive::is_of(&args.spec)? {
        return drive::study(args);
    }
    let spec = Spec::load(&args.spec)?;
    let seeds = if args.held_out { Seeds::HeldOut } else { Seeds::Tuning };
    let jobs = jobs(&spec, seeds);
    if args.check {
        return Ok(checked(&spec, seeds, jobs.len()));
    }
    let work = Work {
        name: &spec.name,
        head: Head::of(&spec, seeds),
        count: jobs.len(),
        label: &|job| Label::of(&spec, seeds, &jobs[job]),
        run: &|job| run(&spec, seeds, &jobs[job]),
    };
    match work.done(args)? {
        Done::Part(seen) => Ok(seen),
        Done::Whole { out, rows, ran } => {
            write(&spec, seeds, &jobs, &rows, &out)?;
            Ok(finished(&spec.name, &rows, &out, ran))
        }
    }
}

/// The sessions of a study, whatever they are.
struct Work<'a> {
    name: &'a str,
    head: Head,
    count: usize,
    label: &'a (dyn Fn(usize) -> Label + Sync),
    run: &'a (dyn Fn(usize) -> Row + Sync),
}

/// What was done of them.
enum Done {
    /// A shard's part.
    Part(Seen),
    /// All of them are there, `ran` of them new.
    Whole { out: PathBuf, rows: Vec<Row>, ran: usize },
}

impl Work<'_> {
    /// Runs what is left, in the folder of the arguments.
    fn done(&self, args: &StudyArgs) -> Result<Done, SessionError> {
        let out = args.out.clone().unwrap_or_else(|| {
            let suffix = if args.held_out { "-held-out" } else { "" };
            PathBuf::from("studies").join(format!("{}{suffix}", self.name))
        });
        fs::create_dir_all(&out).map_err(|error| SessionError::io("create", &out, error))?;
        let mut rows = journal::read_all(&out, &self.head, self.count)?;
        let ran = if args.merge { 0 } else { self.run_missing(args, &out, &mut rows)? };
        // What other shards have finished meanwhile.
        for (row, found) in rows.iter_mut().zip(journal::read_all(&out, &self.head, self.count)?) {
            *row = row.take().or(found);
        }
        let there = rows.iter().flatten().count();
        let whole: Option<Vec<Row>> = rows.into_iter().collect();
        match whole {
            Some(rows) => Ok(Done::Whole { out, rows, ran }),
            None => unfinished(args, &out, ran, there, self.count).map(Done::Part),
        }
    }

    /// Runs this shard's jobs that no journal has; how many those were.
    fn run_missing(
        &self,
        args: &StudyArgs,
        out: &Path,
        rows: &mut [Option<Row>],
    ) -> Result<usize, SessionError> {
        let shard = args.shard.unwrap_or(Shard { index: 1, count: 1 });
        let is_left = |job: &usize| rows[*job].is_none() && job % shard.count == shard.index - 1;
        let left: Vec<usize> = (0..self.count).filter(is_left).collect();
        if left.is_empty() {
            return Ok(0);
        }
        let path = out.join(journal::name(args.shard));
        let journal = Mutex::new(Journal::open(&path, &self.head)?);
        let bar = indicatif::ProgressBar::new(left.len() as u64);
        let style = indicatif::ProgressStyle::with_template("{pos} of {len} sessions, {elapsed}, left {eta}");
        bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
        let found = over_cores(args.threads, left.len(), |at| {
            let job = left[at];
            let row = (self.run)(job);
            let mut journal = journal.lock().map_err(|_| SessionError::ThreadFailed("study".into()))?;
            journal.append((self.label)(job), job, &row)?;
            bar.inc(1);
            Ok(row)
        })?;
        bar.finish_and_clear();
        let ran = found.len();
        for (job, row) in left.into_iter().zip(found) {
            rows[job] = Some(row);
        }
        Ok(ran)
    }
}

/// Table, statistics, page and the specification's copy; each whole or not at all.
fn write(spec: &Spec, seeds: Seeds, jobs: &[Job], rows: &[Row], out: &Path) -> Result<(), SessionError> {
    let table = table::parquet(spec, seeds, jobs, rows)
        .map_err(|error| SessionError::Study { path: out.join(TABLE), reason: error.to_string() })?;
    let results = page::Results::of(spec, seeds, jobs, rows);
    let text = serde_json::to_string_pretty(&results.json()).unwrap_or_default();
    write_files(out, &table, &text, &results.page(), &spec.text)
}

fn write_files(out: &Path, table: &[u8], json: &str, page: &str, spec: &str) -> Result<(), SessionError> {
    let files: [(&str, &[u8]); 4] = [
        (TABLE, table),
        ("study.json", json.as_bytes()),
        (PAGE, page.as_bytes()),
        ("spec.toml", spec.as_bytes()),
    ];
    files.into_iter().try_for_each(|(name, bytes)| write_whole(&out.join(name), bytes))
}

const TABLE: &str = "sessions.parquet";
const PAGE: &str = "report.html";

/// Two shards that end at the same time both write, the same; so each writes beside it and renames.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SessionError> {
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|error| SessionError::io("write", path, error))
}

fn checked(spec: &Spec, seeds: Seeds, jobs: usize) -> Seen {
    let mut text = format!("{}: {}\n", spec.name, spec.description);
    let _ = writeln!(
        text,
        "{} participants, {} protocols, {} arms, {} {seeds} seeds: {jobs} sessions",
        spec.participants.len(),
        spec.protocols.len(),
        spec.arms.len(),
        spec.seeds(seeds).len()
    );
    let mut conditions = Vec::new();
    for condition in &spec.conditions {
        let name = format!("{} / {}", spec.protocols[condition.protocol], spec.arms[condition.arm].name);
        let brains = match spec.brains[condition.protocol].of(seeds) {
            [] => String::new(),
            brains => format!(", each with {} brains", brains.len()),
        };
        let _ = writeln!(text, "  {name}: {:.1} s a session{brains}", condition.length_s);
        conditions.push(json!({
            "protocol": spec.protocols[condition.protocol],
            "arm": spec.arms[condition.arm].name,
            "length_s": condition.length_s,
            "protocol_sha256": condition.protocol_sha256,
        }));
    }
    let json =
        json!({ "study": spec.name, "sessions": jobs, "seeds": seeds.to_string(), "conditions": conditions });
    Seen { text, json, fine: true }
}

/// A shard's part is done, or sessions are missing where nothing was to be run.
fn unfinished(
    args: &StudyArgs,
    out: &Path,
    ran: usize,
    there: usize,
    all: usize,
) -> Result<Seen, SessionError> {
    if args.merge || args.shard.is_none() {
        let reason =
            format!("{there} of {all} sessions are there; the others must be run before they are merged");
        return Err(SessionError::Study { path: out.into(), reason });
    }
    let text = format!(
        "{}: {ran} sessions run, {there} of {all} there; table and page come with the last\n",
        out.display()
    );
    let json = json!({ "out": out, "ran": ran, "sessions": all, "there": there, "whole": false });
    Ok(Seen { text, json, fine: true })
}

fn finished(name: &str, rows: &[Row], out: &Path, ran: usize) -> Seen {
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    let mut text = format!(
        "{}: {} sessions, {ran} of them run now, {failed} failed\ntable  {}\npage   {}\n",
        name,
        rows.len(),
        out.join(TABLE).display(),
        out.join(PAGE).display()
    );
    if let Some(error) = rows.iter().find_map(|row| row.error.as_ref()) {
        let _ = writeln!(text, "the first that failed: {error}");
    }
    let json = json!({
        "out": out,
        "table": out.join(TABLE),
        "page": out.join(PAGE),
        "ran": ran,
        "sessions": rows.len(),
        "there": rows.len(),
        "failed": failed,
        "whole": true,
    });
    Seen { text, json, fine: failed == 0 }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn shards_count_from_one() {
        assert_eq!("3/8".parse(), Ok(Shard { index: 3, count: 8 }));
        for wrong in ["0/8", "9/8", "3", "a/b", "3/0", "-1/2"] {
            let error = wrong.parse::<Shard>().unwrap_err();
            assert!(error.contains(wrong) && error.contains("1 <= i <= n"), "{error}");
        }
    }
}
