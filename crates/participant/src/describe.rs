//! A person as a text, to be written by hand or repeated from a manifest.

use thiserror::Error;
use toml::{Table, Value};

use crate::{Effects, Person, UnknownPerson, effects::OutOfRange};

/// A description that is not one of a person.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DescriptionError {
    /// Not TOML, a key that is unknown, missing or of another kind.
    #[error("{file}: {reason}")]
    Text {
        /// The file.
        file: String,
        /// Place and reason.
        reason: String,
    },
    /// A value that is not allowed.
    #[error("{file}: {key} = {value}; allowed: {allowed}")]
    Value {
        /// The file.
        file: String,
        /// Dotted key.
        key: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// An effect that does not exist, or is on already.
    #[error("effect `{name}`: {reason}; there are {}", Effects::NAMES.join(", "))]
    Effect {
        /// Its name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
}

impl Person {
    /// Reads a description. `file` is its name in errors.
    ///
    /// Keys are those of [`Person`]. With `base = "P31"` (`nominal`, `P01` .. `P60`) what the text does not give is that
    /// person's; without, all must be there. The name must not be a committed person's. `snr` and `snr_tercile` are not
    /// measured anew.
    ///
    /// # Errors
    /// [`DescriptionError::Text`] and [`DescriptionError::Value`], with file, key, value and what is allowed.
    pub fn read(text: &str, file: &str) -> Result<Self, DescriptionError> {
        let told = |reason: String| DescriptionError::Text { file: file.to_owned(), reason };
        let refused = |key: &str, value: &str, allowed: String| DescriptionError::Value {
            file: file.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
            allowed,
        };
        let mut given: Table = toml::from_str(text).map_err(|error| told(error.to_string()))?;
        let person = match given.remove("base") {
            None => given,
            Some(base) => {
                let name = base.as_str().map_or_else(|| base.to_string(), str::to_owned);
                let unknown = |error: UnknownPerson| refused("base", &name, error.to_string());
                let base = Self::find(&name).map_err(unknown)?;
                let mut table = Table::try_from(base).map_err(|error| told(error.to_string()))?;
                if !given.contains_key("name") {
                    return Err(told("the key name is missing: what this person is called".into()));
                }
                lay_over(&mut table, given);
                table
            }
        };
        let mut person: Self = person.try_into().map_err(|error| told(error.to_string()))?;
        person.name = person.name.trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fine = (1..=80).contains(&person.name.len()) && person.name.chars().all(plain);
        if !fine || person.name == "none" || Self::find(&person.name).is_ok() {
            let allowed = "1 to 80 letters, digits, - and _, not a committed person's name and not none";
            return Err(refused("name", &person.name, allowed.into()));
        }
        person.check().map_err(|OutOfRange { key, value, allowed }| refused(&key, &value, allowed))?;
        Ok(person)
    }

    /// The description that [`Person::read`] reads as this person, to the bit, unless it is a committed one, whose name stands for
    /// it.
    pub fn describe(&self) -> String {
        // A person has nothing that TOML cannot say.
        Table::try_from(self).map(|table| table.to_string()).unwrap_or_default()
    }

    /// The person with these effects on, with the committed numbers. A committed person is then another one, and is called
    /// `P31-with-saccades`.
    ///
    /// # Errors
    /// [`DescriptionError::Effect`]: a name that is unknown, or of an effect that is on already.
    pub fn with(mut self, names: &[impl AsRef<str>]) -> Result<Self, DescriptionError> {
        for name in names {
            let name = name.as_ref();
            let failed = |reason| Err(DescriptionError::Effect { name: name.to_owned(), reason });
            match self.effects.switch_on(name) {
                Some(true) => {}
                Some(false) => return failed("it is on already, with the description's numbers"),
                None => return failed("no such effect"),
            }
        }
        if !names.is_empty() && Self::find(&self.name).is_ok() {
            self.name = [&[self.name.as_str(), "with"][..], &self.effects.names()].concat().join("-");
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), OutOfRange> {
        OutOfRange::first(
            "",
            &[
                ("snr", self.snr, 0.0, 1000.0),
                ("gain_uv", self.gain_uv, 0.0, 100.0),
                ("semisaturation", self.semisaturation, 0.01, 1.0),
                ("exponent", self.exponent, 0.5, 6.0),
                ("rectification", self.rectification, 0.2, 4.0),
                ("latency_s", self.latency_s, 0.03, 0.5),
                ("early_tau_s", self.early_tau_s, 0.001, 0.1),
                ("late_tau_s", self.late_tau_s, 0.001, 0.1),
                ("drift_sd", self.drift_sd, 0.0, 2.0),
                ("drift_tau_s", self.drift_tau_s, 1.0, 1e5),
                ("fluctuation_sd", self.fluctuation_sd, 0.0, 2.0),
                ("fluctuation_tau_s", self.fluctuation_tau_s, 0.1, 1e4),
                ("background_uv", self.background_uv, 0.0, 1000.0),
                ("background_exponent", self.background_exponent, 0.0, 3.0),
                ("background_shared", self.background_shared, 0.0, 1.0),
                ("alpha_hz", self.alpha_hz, 4.0, 16.0),
                ("alpha_half_width_hz", self.alpha_half_width_hz, 0.05, 5.0),
                ("alpha_uv", self.alpha_uv, 0.0, 200.0),
                ("alpha_gain", self.alpha_gain, -0.5, 0.5),
                ("mains_uv", self.mains_uv, 0.0, 1000.0),
                ("blinks_per_min", self.blinks_per_min, 0.1, 60.0),
                ("blink_uv", self.blink_uv, 0.0, 500.0),
                ("sensor_uv", self.sensor_uv, 0.0, 100.0),
            ],
        )?;
        let share = |(label, value): (&'static str, f64)| (label, value, -3.0, 3.0);
        let labelled: Vec<_> =
            crate::OCCIPITAL.into_iter().zip(self.topography.in_order()).map(share).collect();
        OutOfRange::first("topography", &labelled)?;
        self.effects.check()
    }
}

/// Puts what is given over what is there, table by table.
fn lay_over(there: &mut Table, given: Table) {
    for (key, value) in given {
        match (there.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(given)) => lay_over(there, given),
            (_, value) => {
                there.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{nominal, people};

    #[test]
    fn a_description_reads_back_to_the_bit() {
        for person in people().iter().chain([nominal()]) {
            let name = format!("{}-with-adaptation-saccades-dropouts", person.name);
            let person = person.clone().with(&["adaptation", "saccades", "dropouts"]).unwrap();
            assert_eq!(person.name, name);
            let text = person.describe();
            assert_eq!(Person::read(&text, "text"), Ok(person.clone()), "{text}");
            assert_eq!(person.describe(), text);
        }
    }

    #[test]
    fn a_base_gives_what_is_not_said() {
        let text = "name = \"tired\"\nbase = \"P31\"\ngain_uv = 2.0\n[topography]\nPO7 = 0.1\n[effects.dropouts]\nat_s = [3.0]\nduration_s = 2.0";
        let person = Person::read(text, "tired.toml").unwrap();
        let base = Person::find("P31").unwrap();
        assert_eq!((person.gain_uv, person.latency_s), (2.0, base.latency_s));
        assert_eq!((person.topography.PO7, person.topography.O1), (0.1, base.topography.O1));
        assert_eq!(person.effects.names(), ["dropouts"]);
    }

    #[test]
    fn errors_name_file_key_value_and_what_is_allowed() {
        let read = |more: &str| {
            Person::read(&format!("name = \"x\"\nbase = \"P31\"\n{more}"), "x.toml").unwrap_err().to_string()
        };
        for (text, says) in [
            ("gain_uv = -1.0", &["gain_uv = -1", "0 to 100"][..]),
            ("gain_uv = nan", &["gain_uv = NaN", "0 to 100"]),
            ("gain_mv = 2.0", &["gain_mv", "gain_uv"]),
            ("gain_uv = \"much\"", &["gain_uv", "much"]),
            ("[topography]\nOz = 7.0", &["topography.Oz = 7", "-3 to 3"]),
            ("[effects.adaption]\nx = 1", &["adaption", "adaptation"]),
            ("[effects.blinks]\nclosed_from = 1.5", &["effects.blinks.closed_from = 1.5", "0.05 to 0.95"]),
            ("[effects.dropouts]\nduration_s = 1.0", &["effects.dropouts = neither", "per_min", "at_s"]),
            ("gain_uv = = 2", &["line 3"]),
        ] {
            let error = read(text);
            assert!(error.starts_with("x.toml: "), "{error}");
            for says in says {
                assert!(error.contains(says), "{says:?} is not in {error}");
            }
        }
        let named = |text: &str| Person::read(text, "x.toml").unwrap_err().to_string();
        assert!(named("name = \"P07\"\nbase = \"P31\"").contains("name = P07"));
        assert!(named("name = \"x\"\nbase = \"P99\"").contains("base = P99"));
        assert!(named("base = \"P31\"").contains("name"));
        assert!(named("name = \"x\"").contains("missing"));
        let unknown = nominal().clone().with(&["hiccups"]).unwrap_err().to_string();
        assert!(unknown.contains("hiccups") && unknown.contains("dropouts"), "{unknown}");
    }
}
