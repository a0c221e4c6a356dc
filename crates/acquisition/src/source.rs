//! What a source says of itself.

use std::fmt::Write as _;

use lsl::{ChannelFormat, Element, StreamInfo};

use crate::outlet::OutletSpec;

/// Entry of a stream's description that says how many seconds of recorded time pass per second: `photic play` with a
/// speed of 2 sends a 250 Hz recording as a 500 Hz stream with the entry 2.
pub const TIME_SCALE_KEY: &str = "photic_speed";

/// What a source says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceInfo {
    /// Name of the stream.
    pub name: String,
    /// Content type, such as `EEG` or `Markers`.
    pub stream_type: String,
    /// Values per sample.
    pub channel_count: usize,
    /// One label per channel, or none at all.
    pub channel_labels: Vec<String>,
    /// One unit per channel as the source writes it (an empty text where it has none), or none at all.
    pub units: Vec<String>,
    /// Samples per second of stamp time; 0 for an irregular stream.
    pub rate_hz: f64,
    /// How values travel.
    pub format: ChannelFormat,
    /// Seconds of recorded time per second of stamp time: 1 unless the source says otherwise.
    pub time_scale: f64,
    /// Device or program that sends, if it gave a name; without, a restarted source must be looked for anew.
    pub source_id: String,
    /// Host that sends.
    pub hostname: String,
    /// The whole description as XML: the stream header of an XDF file.
    pub xml: String,
    /// Whether it sends from this machine, so that its stamps need no correction.
    pub same_host: bool,
}

impl SourceInfo {
    /// Reads a description. A short one (from a look around, not from an inlet) has no labels, units and scale.
    /// `None` when the format is unknown to this program.
    pub(crate) fn from_lsl(info: &StreamInfo) -> Option<Self> {
        let desc = info.desc();
        let channels: Vec<(String, String)> = desc
            .child("channels")
            .map(|channels| channels.children("channel").map(channel).collect())
            .unwrap_or_default();
        let labelled = channels.iter().any(|(label, _)| !label.is_empty());
        let with_units = channels.iter().any(|(_, unit)| !unit.is_empty());
        let (labels, units): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        let hostname = info.hostname();
        Some(Self {
            name: info.name(),
            stream_type: info.stream_type(),
            channel_count: info.channel_count(),
            channel_labels: if labelled { labels } else { Vec::new() },
            units: if with_units { units } else { Vec::new() },
            rate_hz: info.rate_hz(),
            format: info.format()?,
            time_scale: time_scale(&desc.child_text(TIME_SCALE_KEY)),
            source_id: info.source_id(),
            same_host: is_this_host(&hostname),
            hostname,
            xml: info.xml(),
        })
    }

    /// A source inside this process, which needs no liblsl, with the same header that an outlet of `spec` would send.
    /// `created_at_s` is now, in seconds of the machine's clock.
    pub fn in_process(spec: &OutletSpec, created_at_s: f64) -> Self {
        let hostname = this_host();
        Self {
            name: spec.name.clone(),
            stream_type: spec.stream_type.clone(),
            channel_count: spec.channel_labels.len(),
            channel_labels: spec.channel_labels.clone(),
            units: (0..spec.channel_labels.len()).map(|channel| spec.unit_of(channel).to_owned()).collect(),
            rate_hz: spec.rate_hz,
            format: spec.format,
            time_scale: spec.time_scale,
            source_id: spec.source_id.clone(),
            xml: header_xml(spec, created_at_s, &hostname),
            hostname,
            same_host: true,
        }
    }

    /// One line for lists and errors.
    pub fn line(&self) -> String {
        let rate = match self.rate_hz {
            0.0 => "irregular".to_owned(),
            rate_hz => format!("{rate_hz} Hz"),
        };
        let Self { name, stream_type, channel_count, hostname, .. } = self;
        let format = self.format.name();
        format!(
            "  `{name}`, type `{stream_type}`, {channel_count} channels, {rate}, {format}, from `{hostname}`"
        )
    }
}

fn channel(element: Element<'_>) -> (String, String) {
    (element.child_text("label").trim().to_owned(), element.child_text("unit").trim().to_owned())
}

fn time_scale(text: &str) -> f64 {
    text.trim().parse().ok().filter(|scale: &f64| scale.is_finite() && *scale > 0.0).unwrap_or(1.0)
}

fn this_host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn is_this_host(hostname: &str) -> bool {
    !hostname.is_empty() && hostname == this_host()
}

/// The header in LSL's layout, which XDF readers expect.
fn header_xml(spec: &OutletSpec, created_at_s: f64, hostname: &str) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?>\n<info>\n");
    let mut field = |indent: usize, name: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(xml, "{}<{name}>{}</{name}>", "\t".repeat(indent), escape(text));
    };
    field(1, "name", &spec.name);
    field(1, "type", &spec.stream_type);
    field(1, "channel_count", &spec.channel_labels.len().to_string());
    field(1, "channel_format", spec.format.name());
    field(1, "source_id", &spec.source_id);
    field(1, "nominal_srate", &spec.rate_hz.to_string());
    field(1, "version", "1.1");
    field(1, "created_at", &created_at_s.to_string());
    field(1, "hostname", hostname);
    xml += "\t<desc>\n\t\t<channels>\n";
    for (index, label) in spec.channel_labels.iter().enumerate() {
        let (label, unit) = (escape(label), escape(spec.unit_of(index)));
        let kind = escape(&spec.stream_type);
        let _ = writeln!(
            xml,
            "\t\t\t<channel><label>{label}</label><unit>{unit}</unit><type>{kind}</type></channel>"
        );
    }
    xml += "\t\t</channels>\n";
    for (name, text) in spec.desc_entries() {
        let _ = writeln!(xml, "\t\t<{name}>{}</{name}>", escape(&text));
    }
    xml + "\t</desc>\n</info>\n"
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            // XML 1.0 has no way to write other control characters.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> OutletSpec {
        OutletSpec {
            name: "a < b & c".to_owned(),
            stream_type: "EEG".to_owned(),
            channel_labels: vec!["Oz".to_owned(), "O1".to_owned()],
            units: vec!["microvolts".to_owned()],
            rate_hz: 250.0,
            format: ChannelFormat::Float32,
            source_id: "x".to_owned(),
            time_scale: 2.5,
            positions_mm: Vec::new(),
            desc: vec![("participant".to_owned(), "p01".to_owned())],
        }
    }

    #[test]
    fn a_source_in_this_process_writes_lsls_header() {
        let info = SourceInfo::in_process(&spec(), 12.5);
        assert!(info.xml.contains("<name>a &lt; b &amp; c</name>"), "{}", info.xml);
        assert!(info.xml.contains("<nominal_srate>250</nominal_srate>"));
        assert!(info.xml.contains("<label>O1</label><unit>microvolts</unit>"));
        assert!(info.xml.contains("<photic_speed>2.5</photic_speed>"));
        assert!(info.xml.contains("<participant>p01</participant>"));
        assert_eq!(info.units, ["microvolts", "microvolts"]);
        assert!(info.same_host);
    }

    #[test]
    fn a_time_scale_that_is_no_positive_number_counts_as_none() {
        assert_eq!(time_scale("4"), 4.0);
        for text in ["", "0", "-1", "inf", "NaN", "fast"] {
            assert_eq!(time_scale(text), 1.0, "{text}");
        }
    }
}
