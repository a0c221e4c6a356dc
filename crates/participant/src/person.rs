//! A person's parameters, and the committed file of sixty people.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Effects;

/// The committed file, made by `scripts/make_participants.py`.
const PEOPLE_TOML: &str = include_str!("../people.toml");

/// Where a person stands among the sixty by signal-to-noise ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tercile {
    /// The twenty people who are hardest to read.
    Low,
    /// The twenty in between.
    Middle,
    /// The twenty who are easiest to read.
    High,
}

impl fmt::Display for Tercile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Middle => "middle",
            Self::High => "high",
        })
    }
}

/// What makes one simulated person. Microvolts are at Oz unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// `P01` .. `P60`, or `nominal`.
    pub name: String,
    /// Amplitude at the response frequency over the mean of the four neighbouring bins (+-1 and +-2 Hz), 1 s windows,
    /// best single channel, contrast 0.9, counterphase 7.5 Hz on a 60 Hz screen (response at 15 Hz). Expected value.
    pub snr: f64,
    /// Third of the sixty people by `snr`.
    pub snr_tercile: Tercile,
    /// Amplitude of the response frequency at Oz for full drive (Naka-Rushton 1): the centre of the slow drift.
    pub gain_uv: f64,
    /// Naka-Rushton semisaturation, Michelson contrast.
    pub semisaturation: f64,
    /// Naka-Rushton exponent.
    pub exponent: f64,
    /// Exponent of the full-wave rectification within a flicker cycle; it sets the harmonics.
    pub rectification: f64,
    /// Apparent latency: slope of the response's phase over frequency, from the photon to the scalp.
    pub latency_s: f64,
    /// Time constant of the eye's low-pass, before rectification.
    pub early_tau_s: f64,
    /// Time constant of each of two cortical low-passes, after rectification.
    pub late_tau_s: f64,
    /// Stationary SD of the slow drift of log gain.
    pub drift_sd: f64,
    /// Time constant of the slow drift.
    pub drift_tau_s: f64,
    /// Stationary SD of the fast fluctuation of log gain.
    pub fluctuation_sd: f64,
    /// Time constant of the fast fluctuation.
    pub fluctuation_tau_s: f64,
    /// Response amplitude by channel label, relative to Oz.
    pub topography: Topography,
    /// RMS of the 1/f background in each channel.
    pub background_uv: f64,
    /// Exponent of the background: power density falls as 1/f to this power between about 1 and 40 Hz.
    pub background_exponent: f64,
    /// Part of the background's variance that comes from sources shared by the channels.
    pub background_shared: f64,
    /// Seed of the places of the shared sources on the head.
    pub mixing_seed: u64,
    /// Centre of the alpha rhythm.
    pub alpha_hz: f64,
    /// Half width at half height of the alpha rhythm's peak.
    pub alpha_half_width_hz: f64,
    /// RMS of the alpha rhythm at POz.
    pub alpha_uv: f64,
    /// How alpha at the onset of a stimulus changes the response to it: the factor is 1 plus this times the natural logarithm
    /// of alpha's power in the midline over its mean. 0, not at all, in a committed person.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub alpha_gain: f64,
    /// Amplitude of the mains hum.
    pub mains_uv: f64,
    /// Mean number of blinks in a minute.
    pub blinks_per_min: f64,
    /// Peak of a typical blink at POz, where little of it is left.
    pub blink_uv: f64,
    /// RMS of the sensor's white noise in each channel.
    pub sensor_uv: f64,
    /// What else happens: nothing, in a committed person.
    #[serde(default, skip_serializing_if = "Effects::is_none")]
    pub effects: Effects,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Amplitude of the response by channel, relative to Oz.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(non_snake_case, reason = "the electrode labels of the 10-10 system are the keys of the file")]
#[allow(missing_docs, reason = "each field is the electrode of its name")]
pub struct Topography {
    pub PO7: f64,
    pub PO3: f64,
    pub POz: f64,
    pub PO4: f64,
    pub PO8: f64,
    pub O1: f64,
    pub Oz: f64,
    pub O2: f64,
}

impl Topography {
    /// In the order of [`crate::OCCIPITAL`].
    pub(crate) fn in_order(&self) -> [f64; 8] {
        [self.PO7, self.PO3, self.POz, self.PO4, self.PO8, self.O1, self.Oz, self.O2]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    nominal: Person,
    person: Vec<Person>,
}

// The file is compiled in, and a test reads it: a broken file cannot leave the build.
#[allow(clippy::expect_used, reason = "proven by `tests::the_file_reads`")]
static FILE: LazyLock<File> =
    LazyLock::new(|| toml::from_str(PEOPLE_TOML).expect("people.toml was checked by a test"));

/// The sixty committed people, `P01` .. `P60`.
pub fn people() -> &'static [Person] {
    &FILE.person
}

/// The typical person, whose gain and contrast response an experimenter would assume of anybody.
pub fn nominal() -> &'static Person {
    &FILE.nominal
}

/// No participant of that name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no participant `{name}`; there are `nominal` and {count} people: {some}, ...")]
pub struct UnknownPerson {
    /// The name that was asked for.
    pub name: String,
    /// How many people there are.
    pub count: usize,
    /// Some of their names.
    pub some: String,
}

impl Person {
    /// Finds a person by name, in any case: `nominal`, `P01` .. `P60`.
    ///
    /// # Errors
    /// When there is nobody of that name; the error names some.
    pub fn find(name: &str) -> Result<&'static Self, UnknownPerson> {
        std::iter::once(nominal()).chain(people()).find(|p| p.name.eq_ignore_ascii_case(name)).ok_or_else(
            || {
                let some: Vec<&str> = people().iter().take(4).map(|p| p.name.as_str()).collect();
                UnknownPerson { name: name.to_owned(), count: people().len(), some: some.join(", ") }
            },
        )
    }

    /// Part of the full drive at a held contrast, 0..1: Naka-Rushton, `c^n / (c^n + s^n)` (Naka and Rushton 1966).
    pub fn contrast_response(&self, contrast: f64) -> f64 {
        naka_rushton(contrast, self.semisaturation, self.exponent)
    }
}

/// `c^n / (c^n + s^n)`; 0 for no contrast.
pub(crate) fn naka_rushton(contrast: f64, semisaturation: f64, exponent: f64) -> f64 {
    if contrast <= 0.0 {
        return 0.0;
    }
    1.0 / (1.0 + libm::pow(semisaturation / contrast, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads() {
        let names: Vec<&str> = people().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names.len(), 60);
        for (i, name) in names.iter().enumerate() {
            assert_eq!(*name, format!("P{:02}", i + 1));
        }
        assert_eq!(nominal().name, "nominal");
    }

    #[test]
    fn terciles_are_thirds_by_snr() {
        let mut by_snr: Vec<&Person> = people().iter().collect();
        by_snr.sort_by(|a, b| a.snr.total_cmp(&b.snr));
        for (i, p) in by_snr.iter().enumerate() {
            let expected = [Tercile::Low, Tercile::Middle, Tercile::High][i / 20];
            assert_eq!(p.snr_tercile, expected, "{} with {}", p.name, p.snr);
        }
    }

    #[test]
    fn find_names_some() {
        assert_eq!(Person::find("p07").map(|p| p.name.as_str()), Ok("P07"));
        assert_eq!(Person::find("Nominal").map(|p| p.name.as_str()), Ok("nominal"));
        let error = Person::find("Q1").unwrap_err().to_string();
        assert!(error.contains("`Q1`") && error.contains("P01") && error.contains("60"), "{error}");
    }

    #[test]
    fn contrast_response_has_its_semisaturation() {
        let p = nominal();
        assert!((p.contrast_response(p.semisaturation) - 0.5).abs() < 1e-12);
        assert_eq!(p.contrast_response(0.0), 0.0);
        assert!(p.contrast_response(1.0) > 0.8);
    }
}
