//! The specification of a drive study.

use std::path::Path;

use participant::Person;
use planner::Canvas;
use protocol::reader::{Document, Table};
use protocol::{BlockKind, Method, ProtocolError, read_text};
use recording::sha256_hex;

use super::super::Seeds;
use super::super::brains::Brains;
use super::super::spec::{names, participants, seeds};
use super::channel::Channel;
use crate::brain::Brain;
use crate::error::SessionError;
use crate::experiment::{Experiment, SIMULATED_RIG};
use crate::steering::{self, Given, NamedFile};

/// A drive study as its file states it, with everything that it leads to.
pub struct Spec {
    /// Short name.
    pub name: String,
    /// What it asks, in a sentence for the page.
    pub description: String,
    /// The file, byte for byte.
    pub text: String,
    /// Who takes part.
    pub participants: Vec<&'static Person>,
    /// What is compared.
    pub arms: Vec<Arm>,
    /// The arm that differences and losses are of.
    pub compared: usize,
    /// SHA-256 of the protocol.
    pub protocol_sha256: String,
    /// What all pictures have in common.
    pub canvas: Canvas,
    /// Time from one presentation to the next.
    pub period_s: f64,
    tuning: Set,
    held_out: Set,
}

/// Brains and seeds that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// Brains of the participants.
    pub brains: Vec<&'static Brain>,
    /// Seeds of noise, gain and searches.
    pub seeds: Vec<u64>,
}

/// One of the methods compared.
pub struct Arm {
    /// Its name.
    pub name: String,
    /// How many presentations it has.
    pub presentations: u32,
    /// What it runs: the protocol with its planner.
    pub experiment: Experiment,
    /// The files that its planner is given.
    pub given: Given,
    /// By their bytes.
    pub files: Vec<NamedFile>,
}

const SECTIONS: [&str; 3] = ["study", "drive", "arm"];
const STUDY: [&str; 6] = ["name", "description", "participants", "tuning_seeds", "held_out_seeds", "compare"];
const DRIVE: [&str; 3] = ["protocol", "tuning_brains", "held_out_brains"];
const ARM: [&str; 6] = ["name", "method", "presentations", "probes", "prior", "model"];

impl Spec {
    /// Reads a specification; paths in it count from its folder.
    ///
    /// # Errors
    /// The first fault, with file, line and key.
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
        let drive = root.table("drive", &DRIVE)?;
        let brains = Brains::read(&drive)?;
        if brains.is_empty() {
            // Says what is missing in the reader's words.
            drive.texts(Brains::KEYS[0])?;
        }
        let (protocol_text, protocol_file) = read_text(&folder.join(drive.text("protocol")?))?;
        let experiment = Experiment::parse(
            protocol_text.clone(),
            &protocol_file,
            SIMULATED_RIG.to_owned(),
            "the built-in simulated rig",
        )?
        .within(folder);
        brains.fit(&drive, experiment.protocol.planner.as_ref())?;
        let steer = experiment.protocol.blocks.iter().find_map(|block| match block.kind {
            BlockKind::Steer(steer) => Some(steer),
            _ => None,
        });
        let canvas = steering::canvas(&experiment.protocol, &experiment.lower(0)?);
        let (Some(steer), Some(canvas)) = (steer, canvas) else {
            return Err(drive.refuse("protocol", "a protocol with a block `steer`").into());
        };
        if experiment.protocol.planner.as_ref().is_some_and(|planner| planner.selective.is_some()) {
            let allowed = "a protocol with one response; one with [planner.selective] runs in whole sessions";
            return Err(drive.refuse("protocol", allowed).into());
        }
        let set = |of: Seeds, key| -> Result<Set, ProtocolError> {
            let brains = brains.of(of).iter().filter_map(|name| Brain::find(name)).collect();
            Ok(Set { brains, seeds: seeds(&head, key)? })
        };
        let (tuning, held_out) =
            (set(Seeds::Tuning, "tuning_seeds")?, set(Seeds::HeldOut, "held_out_seeds")?);
        let unknown =
            tuning.brains.iter().chain(&held_out.brains).find(|b| b.normalised_gain(0.0, &canvas).is_none());
        if let Some(brain) = unknown {
            let text = format!("the pictures on which the numbers of {} were found", brain.name);
            return Err(drive.refuse("protocol", format!("a protocol with {text}")).into());
        }
        let entries = root.list("arm", &ARM)?;
        let arm_names = names(&entries)?;
        let arms: Result<Vec<Arm>, SessionError> =
            entries.iter().zip(&arm_names).map(|(table, name)| arm(table, name, &experiment)).collect();
        let compare = head.optional("compare", |head, key| {
            head.reference(key, "arm", arm_names.iter().map(String::as_str))
        })?;
        let people = participants(&head)?;
        if let Some(person) = people.iter().find(|person| Channel::of(person).is_none()) {
            let allowed =
                format!("people whose channel was measured (example `channels`); {} was not", person.name);
            return Err(head.refuse("participants", allowed).into());
        }
        Ok(Self {
            name: head.text("name")?,
            description: head.text("description")?,
            text: text.to_owned(),
            participants: people,
            arms: arms?,
            compared: compare.unwrap_or(0),
            protocol_sha256: sha256_hex(protocol_text.as_bytes()),
            canvas,
            period_s: steer.on_s + steer.gap_s,
            tuning,
            held_out,
        })
    }

    /// Brains and seeds of one set.
    pub fn set(&self, seeds: Seeds) -> &Set {
        match seeds {
            Seeds::Tuning => &self.tuning,
            Seeds::HeldOut => &self.held_out,
        }
    }

    /// All sessions in the order of the table: by arm, brain, participant, seed, each as the specification lists them.
    pub fn jobs(&self, seeds: Seeds) -> Vec<Job> {
        let set = self.set(seeds);
        let mut jobs = Vec::new();
        for arm in 0..self.arms.len() {
            for brain in 0..set.brains.len() {
                for participant in 0..self.participants.len() {
                    jobs.extend(set.seeds.iter().map(|&seed| Job { arm, brain, participant, seed }));
                }
            }
        }
        jobs
    }
}

/// One session: places in the specification's lists, and the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Which arm.
    pub arm: usize,
    /// Which brain of the set.
    pub brain: usize,
    /// Which participant.
    pub participant: usize,
    /// The seed.
    pub seed: u64,
}

fn arm(table: &Table<'_>, name: &str, experiment: &Experiment) -> Result<Arm, SessionError> {
    let mut experiment = experiment.clone();
    let probes = table.optional("probes", |table, key| table.integer(key, 2..=10_000))?;
    let prior = table.optional("prior", Table::text)?;
    let model = table.optional("model", protocol::read_model)?;
    let method = table.choice("method", &Method::NAMES)?;
    if let Some(planner) = &mut experiment.protocol.planner {
        planner.method = method;
        planner.probes = probes.map_or(planner.probes, |probes| probes as u32);
        planner.prior = prior;
        planner.model = model;
    }
    let presentations = table.integer("presentations", 1..=100_000)? as u32;
    let (given, files) = (Given::of(&experiment)?, steering::files(&experiment)?);
    Ok(Arm { name: name.to_owned(), presentations, experiment, given, files })
}
