//! Does the source have what the protocol expects?

use thiserror::Error;

use crate::source::SourceInfo;

/// The most that a source's rate may be off, as a part of the expected rate.
const RATE_TOLERANCE: f64 = 1e-3;

/// What the protocol expects of a source of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Labels of the channels, in the order in which the loop wants them.
    pub channels: Vec<String>,
    /// Samples per second of recorded time.
    pub rate_hz: f64,
    /// Unit of the channels; `None` for any.
    pub unit: Option<String>,
}

/// Which of the source's channels the loop gets, in the protocol's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelMap {
    indices: Vec<usize>,
    assumed_order: bool,
}

impl ChannelMap {
    /// The first `count` channels as they are.
    pub fn identity(count: usize) -> Self {
        Self { indices: (0..count).collect(), assumed_order: false }
    }

    /// Indices into the source's channels.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Number of channels that the loop gets.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether the loop gets nothing.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Whether the source has no labels, so that its channels were taken to be in the protocol's order. Worth a line
    /// to the operator.
    pub fn assumed_order(&self) -> bool {
        self.assumed_order
    }
}

/// A source that is not what the protocol expects.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CheckError {
    /// Too few channels, or another number without labels to choose by.
    #[error("stream `{stream}` has {found} channels{}, the protocol expects {expected}", unlabelled(.labelled))]
    ChannelCount {
        /// Name of the stream.
        stream: String,
        /// Its channels.
        found: usize,
        /// Channels expected.
        expected: usize,
        /// Whether the channels have labels.
        labelled: bool,
    },
    /// As many labels as channels are needed.
    #[error("stream `{stream}` describes {labels} channels and sends {channels}")]
    LabelCount {
        /// Name of the stream.
        stream: String,
        /// Labels in its description.
        labels: usize,
        /// Channels that it sends.
        channels: usize,
    },
    /// Labels that the source does not have.
    #[error(
        "stream `{stream}` has no channel {}; it has {}",
        .missing.join(", "),
        .available.join(", ")
    )]
    MissingChannels {
        /// Name of the stream.
        stream: String,
        /// Labels that are missing.
        missing: Vec<String>,
        /// Labels that are there.
        available: Vec<String>,
    },
    /// A label that stands for several channels.
    #[error("stream `{stream}` has {count} channels labelled `{label}`")]
    DuplicateLabel {
        /// Name of the stream.
        stream: String,
        /// The label.
        label: String,
        /// How often it is there.
        count: usize,
    },
    /// Another rate.
    #[error(
        "stream `{stream}` has {found_hz} samples per second{}, the protocol expects {expected_hz} (within 0.1 %)",
        at_scale(*.time_scale)
    )]
    Rate {
        /// Name of the stream.
        stream: String,
        /// Its rate in samples per second of recorded time; 0 is irregular.
        found_hz: f64,
        /// Rate expected.
        expected_hz: f64,
        /// Its time scale.
        time_scale: f64,
    },
    /// Another unit.
    #[error(
        "stream `{stream}`, channel `{channel}`: the unit is `{found}`, the protocol expects `{expected}` \
         (`any` takes every unit)"
    )]
    Unit {
        /// Name of the stream.
        stream: String,
        /// Label or number of the channel.
        channel: String,
        /// Its unit.
        found: String,
        /// Unit expected.
        expected: String,
    },
}

fn unlabelled(labelled: &bool) -> &'static str {
    if *labelled { "" } else { " without labels" }
}

fn at_scale(time_scale: f64) -> String {
    if time_scale == 1.0 { String::new() } else { format!(" (played at {time_scale} times the speed)") }
}

/// Compares a source with what the protocol expects and says which channels to take. Labels are compared without
/// regard to case where that is unambiguous; further channels of the source do no harm. A source without labels must
/// have the expected number of channels, which are then taken in order.
///
/// # Errors
/// The first difference in the order count, labels, rate, unit.
pub fn check(source: &SourceInfo, expected: &Expected) -> Result<ChannelMap, CheckError> {
    let map = map_channels(source, &expected.channels)?;
    check_rate(source, expected.rate_hz)?;
    if let Some(unit) = &expected.unit {
        check_units(source, &map, unit)?;
    }
    Ok(map)
}

fn map_channels(source: &SourceInfo, wanted: &[String]) -> Result<ChannelMap, CheckError> {
    let (found, labels) = (source.channel_count, &source.channel_labels);
    let labelled = !labels.is_empty();
    if found < wanted.len() || (!labelled && found != wanted.len()) {
        let (stream, expected) = (source.name.clone(), wanted.len());
        return Err(CheckError::ChannelCount { stream, found, expected, labelled });
    }
    if !labelled {
        return Ok(ChannelMap { assumed_order: true, ..ChannelMap::identity(found) });
    }
    if labels.len() != found {
        let stream = source.name.clone();
        return Err(CheckError::LabelCount { stream, labels: labels.len(), channels: found });
    }
    let mut indices = Vec::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for label in wanted {
        let (at, count) = position(labels, label);
        match at {
            Some(index) if count == 1 => indices.push(index),
            Some(_) => {
                let (stream, label) = (source.name.clone(), label.clone());
                return Err(CheckError::DuplicateLabel { stream, label, count });
            }
            None => missing.push(label.clone()),
        }
    }
    if missing.is_empty() {
        Ok(ChannelMap { indices, assumed_order: false })
    } else {
        let (stream, available) = (source.name.clone(), labels.clone());
        Err(CheckError::MissingChannels { stream, missing, available })
    }
}

/// First channel with that label, and how many there are; letter case counts only when it has to.
fn position(labels: &[String], wanted: &str) -> (Option<usize>, usize) {
    let find = |same: &dyn Fn(&str) -> bool| {
        let mut hits = labels.iter().enumerate().filter(|(_, label)| same(label)).map(|(index, _)| index);
        let first = hits.next();
        (first, hits.count() + usize::from(first.is_some()))
    };
    match find(&|label| label == wanted) {
        (None, _) => find(&|label| label.eq_ignore_ascii_case(wanted)),
        exact => exact,
    }
}

fn check_rate(source: &SourceInfo, expected_hz: f64) -> Result<(), CheckError> {
    let found_hz = source.rate_hz / source.time_scale;
    // Written so that a rate that is not a number fails, too.
    if (found_hz - expected_hz).abs() <= RATE_TOLERANCE * expected_hz {
        return Ok(());
    }
    let (stream, time_scale) = (source.name.clone(), source.time_scale);
    Err(CheckError::Rate { stream, found_hz, expected_hz, time_scale })
}

fn check_units(source: &SourceInfo, map: &ChannelMap, expected: &str) -> Result<(), CheckError> {
    for &index in map.indices() {
        let Some(found) = source.units.get(index).filter(|unit| !unit.is_empty()) else { continue };
        if plain_unit(found) != plain_unit(expected) {
            let label = source.channel_labels.get(index).cloned();
            return Err(CheckError::Unit {
                stream: source.name.clone(),
                channel: label.unwrap_or_else(|| index.to_string()),
                found: found.clone(),
                expected: expected.to_owned(),
            });
        }
    }
    Ok(())
}

/// One spelling for the units that amplifiers write in many ways.
fn plain_unit(unit: &str) -> &str {
    match unit {
        "uV" | "\u{b5}V" | "\u{3bc}V" | "microvolts" | "microvolt" | "Microvolts" | "microV" => "uV",
        "mV" | "millivolts" | "millivolt" => "mV",
        "V" | "volts" | "volt" | "Volts" => "V",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlet::OutletSpec;
    use lsl::ChannelFormat;

    fn source(labels: &[&str], rate_hz: f64, time_scale: f64) -> SourceInfo {
        let spec = OutletSpec {
            name: "amp".to_owned(),
            stream_type: "EEG".to_owned(),
            channel_labels: labels.iter().map(ToString::to_string).collect(),
            units: vec!["microvolts".to_owned()],
            rate_hz,
            format: ChannelFormat::Float32,
            source_id: String::new(),
            time_scale,
            positions_mm: Vec::new(),
            desc: Vec::new(),
        };
        SourceInfo::in_process(&spec, 0.0)
    }

    fn expected(labels: &[&str], rate_hz: f64) -> Expected {
        let channels = labels.iter().map(ToString::to_string).collect();
        Expected { channels, rate_hz, unit: Some("uV".to_owned()) }
    }

    #[test]
    fn channels_are_taken_by_label_in_the_protocols_order() {
        let map = check(&source(&["Fz", "O1", "OZ", "O2"], 250.0, 1.0), &expected(&["Oz", "O1"], 250.0));
        let map = map.expect("all are there");
        assert_eq!(map.indices(), [2, 1]);
        assert!(!map.assumed_order());
    }

    #[test]
    fn an_exact_label_wins_over_one_in_other_letters() {
        let source = source(&["oz", "Oz"], 250.0, 1.0);
        assert_eq!(check(&source, &expected(&["Oz"], 250.0)).expect("exact").indices(), [1]);
        let error = check(&source, &expected(&["OZ"], 250.0)).expect_err("either could be meant");
        assert!(matches!(error, CheckError::DuplicateLabel { count: 2, .. }), "{error}");
    }

    #[test]
    fn missing_labels_are_listed_with_those_that_are_there() {
        let error = check(&source(&["Fz", "Cz", "Pz"], 250.0, 1.0), &expected(&["Oz", "Cz", "O1"], 250.0));
        let text = error.expect_err("two are missing").to_string();
        assert_eq!(text, "stream `amp` has no channel Oz, O1; it has Fz, Cz, Pz");
    }

    #[test]
    fn too_few_channels_are_told_in_numbers() {
        let error = check(&source(&["Oz"], 250.0, 1.0), &expected(&["Oz", "O1"], 250.0));
        let text = error.expect_err("one is too few").to_string();
        assert_eq!(text, "stream `amp` has 1 channels, the protocol expects 2");
    }

    #[test]
    fn without_labels_the_number_must_fit_and_the_order_is_assumed() {
        let mut source = source(&["", "", ""], 250.0, 1.0);
        source.channel_labels.clear();
        let map = check(&source, &expected(&["Oz", "O1", "O2"], 250.0)).expect("three of three");
        assert_eq!((map.indices(), map.assumed_order()), (&[0, 1, 2][..], true));
        let text = check(&source, &expected(&["Oz", "O1"], 250.0)).expect_err("three for two").to_string();
        assert_eq!(text, "stream `amp` has 3 channels without labels, the protocol expects 2");
    }

    #[test]
    fn the_rate_is_compared_in_recorded_time() {
        for (rate_hz, scale, fits) in [
            (250.0, 1.0, true),
            (250.2, 1.0, true),
            (250.3, 1.0, false),
            (2500.0, 10.0, true),
            (2500.0, 1.0, false),
            (0.0, 1.0, false),
            (f64::NAN, 1.0, false),
        ] {
            let result = check(&source(&["Oz"], rate_hz, scale), &expected(&["Oz"], 250.0));
            assert_eq!(result.is_ok(), fits, "{rate_hz} Hz at scale {scale}: {result:?}");
        }
    }

    #[test]
    fn units_are_compared_by_meaning() {
        let mut source = source(&["Oz"], 250.0, 1.0);
        for (unit, fits) in [("uV", true), ("\u{b5}V", true), ("", true), ("volts", false), ("a.u.", false)] {
            source.units = vec![unit.to_owned()];
            assert_eq!(check(&source, &expected(&["Oz"], 250.0)).is_ok(), fits, "{unit}");
        }
        source.units = vec!["volts".to_owned()];
        let any = Expected { unit: None, ..expected(&["Oz"], 250.0) };
        assert!(check(&source, &any).is_ok());
    }
}
