//! What a person does besides answering, and what becomes of the samples: each is off unless a description asks for it.
//!
//! A committed person has none of these, so its bits are as they were. `docs/participants.md` has every formula with its
//! source; the numbers that `--with NAME` takes stand in `effects.toml`.

mod adaptation;
mod attention;
mod dropouts;
mod gaze;
mod live;
mod retina;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use adaptation::Adaptation;
pub use attention::Attention;
pub use dropouts::Dropouts;
pub use gaze::{Blinks, Gaze, Saccades};
pub(crate) use live::Live;

/// The committed effects, by name.
const EFFECTS_TOML: &str = include_str!("../../effects.toml");

// The file is compiled in, and a test reads it.
#[allow(clippy::expect_used, reason = "proven by `tests::the_file_reads_and_is_allowed`")]
static COMMITTED: LazyLock<Effects> =
    LazyLock::new(|| toml::from_str(EFFECTS_TOML).expect("effects.toml was checked by a test"));

/// What is switched on. `[effects.NAME]` of a participant's file; nothing by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// The response wanes under lasting stimulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<Adaptation>,
    /// The gain wavers with attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// The gaze jumps, and the picture on the retina with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saccades: Option<Saccades>,
    /// A blink also hides the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blinks: Option<Blinks>,
    /// Samples are lost on their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropouts: Option<Dropouts>,
}

/// A number of a description outside of what is allowed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutOfRange {
    /// Dotted key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

impl OutOfRange {
    fn new(key: &str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.to_string(), allowed: allowed.into() }
    }

    /// The first of `(key, value, least, most)` whose value is outside; not-a-number always is.
    pub(crate) fn first(table: &str, keys: &[(&str, f64, f64, f64)]) -> Result<(), Self> {
        for &(key, value, least, most) in keys {
            if !(least..=most).contains(&value) {
                let key = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
                return Err(Self::new(&key, value, format!("{least} to {most}")));
            }
        }
        Ok(())
    }
}

impl Effects {
    /// The names that exist, in the order of the fields.
    pub const NAMES: [&'static str; 5] = ["adaptation", "attention", "saccades", "blinks", "dropouts"];

    /// Whether nothing is on.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The names of what is on.
    pub fn names(&self) -> Vec<&'static str> {
        let on = [
            self.adaptation.is_some(),
            self.attention.is_some(),
            self.saccades.is_some(),
            self.blinks.is_some(),
            self.dropouts.is_some(),
        ];
        Self::NAMES.into_iter().zip(on).filter_map(|(name, on)| on.then_some(name)).collect()
    }

    /// Switches an effect on with its committed numbers. `None`: there is none of that name; `Some(false)`: it is on already,
    /// with numbers that a description gave it.
    pub fn switch_on(&mut self, name: &str) -> Option<bool> {
        fn copy<T: Clone>(to: &mut Option<T>, from: &Option<T>) -> Option<bool> {
            let free = to.is_none();
            if free {
                to.clone_from(from);
            }
            Some(free)
        }
        let committed = &*COMMITTED;
        match name {
            "adaptation" => copy(&mut self.adaptation, &committed.adaptation),
            "attention" => copy(&mut self.attention, &committed.attention),
            "saccades" => copy(&mut self.saccades, &committed.saccades),
            "blinks" => copy(&mut self.blinks, &committed.blinks),
            "dropouts" => copy(&mut self.dropouts, &committed.dropouts),
            _ => None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), OutOfRange> {
        self.adaptation.as_ref().map_or(Ok(()), Adaptation::check)?;
        self.attention.as_ref().map_or(Ok(()), Attention::check)?;
        self.saccades.as_ref().map_or(Ok(()), Saccades::check)?;
        self.blinks.as_ref().map_or(Ok(()), Blinks::check)?;
        self.dropouts.as_ref().map_or(Ok(()), Dropouts::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_and_is_allowed() {
        let mut all = Effects::default();
        for name in Effects::NAMES {
            assert_eq!(all.switch_on(name), Some(true), "{name}");
            assert_eq!(all.switch_on(name), Some(false), "{name} again");
        }
        assert_eq!(all.switch_on("hiccups"), None);
        assert_eq!(all, *COMMITTED);
        assert_eq!(all.names(), Effects::NAMES);
        assert_eq!(all.check(), Ok(()));
    }
}
