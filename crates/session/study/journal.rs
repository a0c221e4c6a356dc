//! The journal: one line of JSON per finished session, on the disk before the next one is written.
//!
//! The first line says of which study it is. A line that a kill cut short is the last one and is cut off; any other line
//! that cannot be read is damage and is told. Numbers stand as texts that read back to the same bits.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use recording::sha256_hex;
use serde::{Deserialize, Serialize};

use super::{Job, METRICS, Row, Seeds, Shard, Spec};
use crate::error::SessionError;

/// Which study a journal belongs to. Journals of another specification, build or set of seeds are refused: their lines
/// would stand in the same table and mean something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    study: String,
    seeds: String,
    /// Of the specification and of all protocols, rigs and other files that it leads to.
    study_sha256: String,
    build: String,
    metrics: Vec<String>,
}

impl Head {
    /// What a journal of this study begins with.
    pub fn of(spec: &Spec, seeds: Seeds) -> Self {
        let parts = spec.conditions.iter().flat_map(|condition| {
            let files = condition.files.iter().map(|file| file.sha256.as_str());
            [condition.protocol_sha256.as_str()].into_iter().chain(files)
        });
        let all: Vec<&str> = parts.chain([spec.text.as_str(), spec.rig_sha256.as_str()]).collect();
        Self::new(&spec.name, seeds, &all, METRICS.iter().map(|metric| metric.key))
    }

    /// The same from everything that it depends on, and the names of its columns.
    pub fn new<'a>(
        study: &str,
        seeds: Seeds,
        all: &[&str],
        metrics: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            study: study.to_owned(),
            seeds: seeds.to_string(),
            study_sha256: sha256_hex(all.join("\n").as_bytes()),
            build: build(),
            metrics: metrics.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Version and commit of this build.
pub fn build() -> String {
    format!("{} {}", env!("CARGO_PKG_VERSION"), option_env!("PHOTIC_BUILD").unwrap_or("unknown"))
}

/// Which session a line is of, for people who read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub protocol: String,
    pub arm: String,
    pub participant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brain: Option<String>,
    pub seed: u64,
}

impl Label {
    /// That of a job.
    pub fn of(spec: &Spec, seeds: Seeds, job: &Job) -> Self {
        let condition = &spec.conditions[job.condition];
        Self {
            protocol: spec.protocols[condition.protocol].clone(),
            arm: spec.arms[condition.arm].name.clone(),
            participant: spec.participants[job.participant].name.clone(),
            brain: spec.brain(seeds, job).map(str::to_owned),
            seed: job.seed,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Place in the list of jobs.
    job: usize,
    #[serde(flatten)]
    label: Label,
    values: Vec<String>,
    error: Option<String>,
}

/// The journal's file name.
pub fn name(shard: Option<Shard>) -> String {
    match shard {
        None => "journal.jsonl".into(),
        Some(Shard { index, count }) => format!("journal-{index}-of-{count}.jsonl"),
    }
}

/// A journal that is written to.
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens a journal to go on with, or begins one. Nobody else may write to it meanwhile.
    ///
    /// # Errors
    /// A journal of another study, one that another process writes to, and what the system refuses.
    pub fn open(path: &Path, head: &Head) -> Result<Self, SessionError> {
        let failed = |what| move |error| SessionError::io(what, path, error);
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(failed("open"))?;
        if file.try_lock().is_err() {
            return Err(fault(
                path,
                "another process writes to it: this part of the study is running already",
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed("read"))?;
        let whole = text.rfind('\n').map_or(0, |last| last + 1);
        let mut journal = Self { file, path: path.into() };
        if whole == 0 {
            journal.cut(0)?;
            journal.put(head)?;
        } else {
            check_head(path, &text[..whole], head)?;
            journal.cut(whole as u64)?;
        }
        Ok(journal)
    }

    /// Writes what a session came to, and brings it to the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn append(&mut self, label: Label, place: usize, row: &Row) -> Result<(), SessionError> {
        self.put(&Line {
            job: place,
            label,
            values: row.values.iter().map(|value| format!("{value:?}")).collect(),
            error: row.error.clone(),
        })
    }

    fn cut(&mut self, length: u64) -> Result<(), SessionError> {
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        cut.map(|_| ()).map_err(|error| SessionError::io("cut", &self.path, error))
    }

    fn put(&mut self, line: &impl Serialize) -> Result<(), SessionError> {
        let text = serde_json::to_string(line).map_err(|error| fault(&self.path, &error.to_string()))?;
        // One write, so that a kill leaves at most one line torn.
        let written = self.file.write_all(format!("{text}\n").as_bytes());
        let written = written.and_then(|()| self.file.sync_data());
        written.map_err(|error| SessionError::io("write", &self.path, error))
    }
}

/// What the journals of a folder hold, by place in the list of jobs.
///
/// # Errors
/// A journal of another study, or one that is damaged before its last line.
pub fn read_all(folder: &Path, head: &Head, jobs: usize) -> Result<Vec<Option<Row>>, SessionError> {
    let mut rows: Vec<Option<Row>> = (0..jobs).map(|_| None).collect();
    let entries = fs::read_dir(folder).map_err(|error| SessionError::io("read", folder, error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let is_journal = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("journal") && name.ends_with(".jsonl")
    };
    for path in paths.iter().filter(is_journal) {
        let bytes = fs::read(path).map_err(|error| SessionError::io("read", path, error))?;
        // What another process writes at this moment may end anywhere, even within a character.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = std::str::from_utf8(&bytes[..whole])
            .map_err(|error| fault(path, &format!("not text after byte {}", error.valid_up_to())))?;
        if text.is_empty() {
            continue;
        }
        check_head(path, text, head)?;
        for (number, line) in text.lines().enumerate().skip(1) {
            let (job, row) = read_line(line, jobs, head.metrics.len())
                .map_err(|reason| fault(path, &format!("line {} is damaged: {reason}", number + 1)))?;
            rows[job].get_or_insert(row);
        }
    }
    Ok(rows)
}

fn read_line(line: &str, jobs: usize, wanted: usize) -> Result<(usize, Row), String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.job >= jobs {
        return Err(format!("job {} of {jobs}", line.job));
    }
    let values: Result<Vec<f64>, _> = line.values.iter().map(|text| text.parse()).collect();
    let values = values.map_err(|error: std::num::ParseFloatError| error.to_string())?;
    if values.len() != wanted {
        return Err(format!("{} values, {wanted} are wanted", values.len()));
    }
    Ok((line.job, Row { values, error: line.error }))
}

fn check_head(path: &Path, text: &str, head: &Head) -> Result<(), SessionError> {
    let first = text.lines().next().unwrap_or_default();
    let found: Head = serde_json::from_str(first)
        .map_err(|error| fault(path, &format!("not a journal of a study: line 1: {error}")))?;
    if found == *head {
        return Ok(());
    }
    let parts = [
        ("study", &found.study, &head.study),
        ("seeds", &found.seeds, &head.seeds),
        ("specification with its protocols (SHA-256)", &found.study_sha256, &head.study_sha256),
        ("build", &found.build, &head.build),
    ];
    let other = parts.into_iter().find(|(_, found, wanted)| found != wanted);
    let (what, found, wanted) = other
        .map_or(("metrics", "other ones", "this build's"), |(what, a, b)| (what, a.as_str(), b.as_str()));
    Err(fault(
        path,
        &format!(
            "a journal of another study: its {what} is {found}, this one's is {wanted}; give another --out"
        ),
    ))
}

fn fault(path: &Path, reason: &str) -> SessionError {
    SessionError::Study { path: path.into(), reason: reason.into() }
}
