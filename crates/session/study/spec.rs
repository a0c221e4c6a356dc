//! The specification of a study: read, checked, and every protocol of every arm made, before the first session.

use std::path::Path;

use closedloop::Loop;
use participant::{Person, Tercile, people};
use protocol::reader::{Document, Range, Table};
use protocol::{ProtocolError, read_text, variant};
use recording::sha256_hex;

use super::brains::Brains;
use super::metrics::{METRICS, metric};
use super::{Job, Seeds};
use crate::error::SessionError;
use crate::experiment::{Experiment, SIMULATED_RIG, response_of};
use crate::steering::{self, Given, NamedFile};

/// A study as its file states it, with everything that it leads to.
pub struct Spec {
    /// Short name.
    pub name: String,
    /// What it asks, in a sentence for the page.
    pub description: String,
    /// The file, byte for byte.
    pub text: String,
    /// Who takes part.
    pub participants: Vec<&'static Person>,
    /// Names of the protocols.
    pub protocols: Vec<String>,
    /// Of each protocol, the brains that every participant has in turn.
    pub brains: Vec<Brains>,
    /// What is compared.
    pub arms: Vec<Arm>,
    /// Every protocol in every arm, in that order.
    pub conditions: Vec<Condition>,
    /// Columns that the page shows, the leading one first.
    pub outcomes: Vec<usize>,
    /// The arm that ratios and losses are of; they are over each of the others.
    pub compared: usize,
    /// SHA-256 of the rig.
    pub rig_sha256: String,
    tuning_seeds: Vec<u64>,
    held_out_seeds: Vec<u64>,
}

/// One of the things compared. What it changes in a protocol is in [`Condition::experiment`].
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// The yardstick: the controller is told the participant's slow gain, and has the participant's own contrast response.
    pub known_gain: bool,
}

/// One protocol in one arm, ready to run.
pub struct Condition {
    /// Which protocol.
    pub protocol: usize,
    /// Which arm.
    pub arm: usize,
    /// What runs.
    pub experiment: Experiment,
    /// The files beside its protocol that it runs with.
    pub files: Vec<NamedFile>,
    /// SHA-256 of the protocol that runs, with what the arm and the length changed in it.
    pub protocol_sha256: String,
    /// How long a session lasts, in s.
    pub length_s: f64,
}

const SECTIONS: [&str; 3] = ["study", "protocol", "arm"];
const STUDY: [&str; 8] =
    ["name", "description", "participants", "tuning_seeds", "held_out_seeds", "outcomes", "compare", "rig"];
const PROTOCOL: [&str; 5] = ["name", "file", "length_s", Brains::KEYS[0], Brains::KEYS[1]];
const ARM: [&str; 5] = ["name", "controller", "decoder", "protocol", "known_gain"];

/// A seed is a column of the table, whose whole numbers end here.
const SEEDS: std::ops::RangeInclusive<u64> = 0..=i64::MAX as u64;

impl Spec {
    /// Reads a specification; paths in it count from its folder.
    ///
    /// # Errors
    /// The first fault, with file, line and key: of the specification, or of a protocol that it leads to.
    pub fn load(path: &Path) -> Result<Self, SessionError> {
        let (text, file) = read_text(path)?;
        Self::parse(&text, &file, path.parent().unwrap_or(Path::new("")))
    }

    /// The same from a text; `file` is what errors call it, and paths in it count from `folder`.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn parse(text: &str, file: &str, folder: &Path) -> Result<Self, SessionError> {
        let document = Document::parse(text, file)?;
        let root = document.root(&SECTIONS)?;
        let head = root.table("study", &STUDY)?;
        let tuning_seeds = seeds(&head, "tuning_seeds")?;
        let held_out_seeds = head.optional("held_out_seeds", seeds)?.unwrap_or_default();
        if let Some(both) = held_out_seeds.iter().find(|seed| tuning_seeds.contains(seed)) {
            let allowed = format!("seeds that are not in tuning_seeds, as {both} is");
            return Err(head.refuse("held_out_seeds", allowed).into());
        }
        let rig = head.optional("rig", Table::text)?;
        let rig = rig.map(|path| read_text(&folder.join(path))).transpose()?;
        let (rig_text, rig_file) =
            rig.unwrap_or_else(|| (SIMULATED_RIG.to_owned(), "the built-in simulated rig".to_owned()));
        let entries = root.list("protocol", &PROTOCOL)?;
        let arms_read = root.list("arm", &ARM)?;
        let protocols = names(&entries)?;
        let brains: Vec<Brains> = entries.iter().map(Brains::read).collect::<Result<_, _>>()?;
        let arm_names = names(&arms_read)?;
        let mut arms = Vec::new();
        for (table, name) in arms_read.iter().zip(arm_names.iter().cloned()) {
            let known_gain = table.optional("known_gain", Table::boolean)?.unwrap_or(false);
            arms.push(Arm { name, known_gain });
        }
        let mut conditions = Vec::new();
        for (protocol, entry) in entries.iter().enumerate() {
            for (arm, table) in arms_read.iter().enumerate() {
                let path = folder.join(match table.optional("protocol", Table::text)? {
                    Some(own) => own,
                    None => entry.text("file")?,
                });
                let (text, name) = protocol_of(entry, table, &path)?;
                let experiment = Experiment::parse(text, &name, rig_text.clone(), &rig_file)?;
                let experiment = experiment.within(path.parent().unwrap_or(Path::new("")));
                brains[protocol].fit(entry, experiment.protocol.planner.as_ref())?;
                conditions.push(condition(protocol, arm, experiment, table, arms[arm].known_gain)?);
            }
        }
        let compare = head.optional("compare", |head, key| {
            head.reference(key, "arm", arm_names.iter().map(String::as_str))
        })?;
        Ok(Self {
            name: head.text("name")?,
            description: head.text("description")?,
            text: text.to_owned(),
            participants: participants(&head)?,
            protocols,
            brains,
            arms,
            conditions,
            outcomes: outcomes(&head)?,
            compared: compare.unwrap_or(0),
            rig_sha256: sha256_hex(rig_text.as_bytes()),
            tuning_seeds,
            held_out_seeds,
        })
    }

    /// The seeds of one set.
    pub fn seeds(&self, seeds: Seeds) -> &[u64] {
        match seeds {
            Seeds::Tuning => &self.tuning_seeds,
            Seeds::HeldOut => &self.held_out_seeds,
        }
    }

    /// The brain of the job's participant, where it is not their own.
    pub fn brain(&self, seeds: Seeds, job: &Job) -> Option<&str> {
        let brains = &self.brains[self.conditions[job.condition].protocol];
        brains.of(seeds).get(job.brain).map(String::as_str)
    }

    /// The condition of a protocol in an arm.
    pub fn condition(&self, protocol: usize, arm: usize) -> usize {
        protocol * self.arms.len() + arm
    }

    /// Keeps the first seeds of each set, and the arms that `keep` wants; for a quick look.
    #[must_use]
    pub fn narrowed(mut self, seeds: usize, protocol: usize, keep: impl Fn(&Arm) -> bool) -> Self {
        self.tuning_seeds.truncate(seeds);
        self.held_out_seeds.truncate(seeds);
        let kept: Vec<usize> = (0..self.arms.len()).filter(|&arm| keep(&self.arms[arm])).collect();
        self.conditions.retain(|c| c.protocol == protocol && kept.contains(&c.arm));
        for condition in &mut self.conditions {
            condition.protocol = 0;
            condition.arm = kept.iter().position(|&arm| arm == condition.arm).unwrap_or(0);
        }
        self.compared = kept.iter().position(|&arm| arm == self.compared).unwrap_or(0);
        self.arms = kept.into_iter().map(|arm| self.arms[arm].clone()).collect();
        self.protocols = self.protocols.into_iter().skip(protocol).take(1).collect();
        self.brains = self.brains.into_iter().skip(protocol).take(1).collect();
        self
    }
}

pub(super) fn seeds(table: &Table<'_>, key: &str) -> Result<Vec<u64>, ProtocolError> {
    let seeds = table.integers(key, None, SEEDS)?;
    match seeds.iter().enumerate().find(|(at, seed)| seeds[..*at].contains(seed)) {
        Some((_, twice)) => Err(table.refuse(key, format!("each seed once; {twice} stands there twice"))),
        None => Ok(seeds),
    }
}

pub(super) fn names(tables: &[Table<'_>]) -> Result<Vec<String>, ProtocolError> {
    let mut names: Vec<String> = Vec::new();
    for table in tables {
        let name = table.text("name")?;
        if names.contains(&name) {
            return Err(table.refuse("name", "a name that no other has"));
        }
        names.push(name);
    }
    Ok(names)
}

/// The protocol's text as this arm runs it, and what errors call it.
fn protocol_of(entry: &Table<'_>, arm: &Table<'_>, path: &Path) -> Result<(String, String), SessionError> {
    if arm.has("protocol") && (arm.has("controller") || arm.has("decoder")) {
        let text = "a protocol of its own has its own controller and decoder: give one or the other";
        return Err(arm.contradiction("protocol", text).into());
    }
    let (mut text, name) = read_text(path)?;
    for key in ["decoder", "controller"] {
        if arm.has(key) {
            text = variant::with_table(&text, &name, key, &arm.table_of_any(key)?)?;
        }
    }
    if let Some(length_s) = entry.optional("length_s", |entry, key| entry.number(key, Range::above(0.0)))? {
        text = variant::with_length(&text, &name, length_s).map_err(|error| match error {
            variant::VariantError::Protocol(error) => error,
            length @ variant::VariantError::Length { .. } => {
                entry.contradiction("length_s", length.to_string())
            }
        })?;
    }
    Ok((text, name))
}

/// Everything that would keep a session of it from running, except what depends on the participant.
fn condition(
    protocol: usize,
    arm: usize,
    experiment: Experiment,
    table: &Table<'_>,
    known_gain: bool,
) -> Result<Condition, SessionError> {
    let lowered = experiment.lower(0)?;
    Loop::prepare(&lowered.plan)?;
    // Read for its errors; each session reads them again.
    Given::of(&experiment)?;
    if known_gain && lowered.plan.controller.as_ref().map(response_of).is_none() {
        let text = "needs a protocol with a [controller]: its limits of contrast hold for the yardstick too";
        return Err(table.contradiction("known_gain", text).into());
    }
    if experiment.protocol.streams.len() != 1 {
        let streams = experiment.protocol.streams.len();
        let text = format!("its protocol has {streams} streams; a simulated participant answers on one");
        return Err(table.itself(text).into());
    }
    Ok(Condition {
        protocol,
        arm,
        protocol_sha256: sha256_hex(experiment.protocol_text.as_bytes()),
        length_s: lowered.schedule.duration_s(),
        files: steering::files(&experiment)?,
        experiment,
    })
}

/// `all`, a tercile, a name, or several of them; in the order of the committed people, each once.
pub(super) fn participants(head: &Table<'_>) -> Result<Vec<&'static Person>, ProtocolError> {
    let mut chosen: Vec<&'static Person> = Vec::new();
    for word in head.texts("participants")? {
        let tercile = |tercile| people().iter().filter(move |person| person.snr_tercile == tercile).collect();
        let more: Vec<&'static Person> = match word.as_str() {
            "all" => people().iter().collect(),
            "low" => tercile(Tercile::Low),
            "middle" => tercile(Tercile::Middle),
            "high" => tercile(Tercile::High),
            name => match Person::find(name) {
                Ok(person) => vec![person],
                Err(unknown) => {
                    let allowed = format!("\"all\", \"low\", \"middle\", \"high\" or names; {unknown}");
                    return Err(head.refuse("participants", allowed));
                }
            },
        };
        chosen.extend(more);
    }
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    chosen.dedup_by(|a, b| a.name == b.name);
    Ok(chosen)
}

fn outcomes(head: &Table<'_>) -> Result<Vec<usize>, ProtocolError> {
    let keys = head.texts("outcomes")?;
    let find = |key: &String| {
        let known = METRICS.map(|metric| metric.key).join(", ");
        metric(key).ok_or_else(|| head.refuse("outcomes", format!("names of columns: {known}")))
    };
    keys.iter().map(find).collect()
}
