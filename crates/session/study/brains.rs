//! The brains of a study's participants, by set of seeds.

use protocol::reader::Table;
use protocol::{Planner, ProtocolError};

use super::Seeds;
use crate::brain;
use crate::selected::misfit;

/// Names of committed brains; every participant has each of them in turn. None in both sets at once. Empty: participants
/// have their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brains {
    tuning: Vec<String>,
    held_out: Vec<String>,
}

impl Brains {
    /// The keys that they are read from.
    pub const KEYS: [&'static str; 2] = ["tuning_brains", "held_out_brains"];

    /// Reads both keys of a table, or neither.
    ///
    /// # Errors
    /// A name that no committed brain has, or that both sets have; one key without the other.
    pub fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let [tuning, held_out] = Self::KEYS;
        if !table.has(tuning) && !table.has(held_out) {
            return Ok(Self::default());
        }
        let brains = Self { tuning: committed(table, tuning)?, held_out: committed(table, held_out)? };
        if let Some(both) = brains.held_out.iter().find(|name| brains.tuning.contains(name)) {
            let allowed = format!("brains that are not in tuning_brains, as {both} is");
            return Err(table.refuse(held_out, allowed));
        }
        Ok(brains)
    }

    /// Those of one set.
    pub fn of(&self, seeds: Seeds) -> &[String] {
        match seeds {
            Seeds::Tuning => &self.tuning,
            Seeds::HeldOut => &self.held_out,
        }
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.tuning.is_empty()
    }

    /// Whether sessions of this planner can have them.
    ///
    /// # Errors
    /// With the brain and what it lacks.
    pub fn fit(&self, table: &Table<'_>, planner: Option<&Planner>) -> Result<(), ProtocolError> {
        let [tuning, held_out] = Self::KEYS;
        if self.is_empty() && planner.is_some_and(|planner| planner.selective.is_some()) {
            let text = "is missing: a participant's own brain has 1 population, and [planner.selective] needs several";
            return Err(table.itself(format!("{tuning} {text}")));
        }
        for (key, names) in [(tuning, &self.tuning), (held_out, &self.held_out)] {
            if let Some(text) = names.iter().find_map(|name| misfit(name, planner)) {
                return Err(table.contradiction(key, text));
            }
        }
        Ok(())
    }
}

fn committed(table: &Table<'_>, key: &str) -> Result<Vec<String>, ProtocolError> {
    let names = table.texts(key)?;
    match names.iter().find(|name| !brain::is_committed(name)) {
        Some(name) => {
            let known: Vec<&str> = brain::names().collect();
            Err(table
                .refuse(key, format!("names of committed brains; {name} is none of {}", known.join(", "))))
        }
        None => Ok(names),
    }
}
