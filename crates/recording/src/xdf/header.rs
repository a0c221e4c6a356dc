//! Stream headers: the XML that says what a stream holds.
//!
//! Parsed by `roxmltree`: a header is small and read once, so a read-only tree is the simplest thing that works; it has
//! no unsafe code, refuses DTDs (no entity bombs) and reports positions. `quick-xml` would be faster on documents of
//! megabytes, which headers are not, and asks for a hand-written state machine.

use std::fmt::Write as _;

use thiserror::Error;

use super::Format;

/// A channel's description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel {
    /// Label, e.g. `Oz`; empty when the stream does not say.
    pub label: String,
    /// Unit, e.g. `microvolts`; empty when the stream does not say.
    pub unit: String,
    /// Content type, e.g. `EEG`; empty when the stream does not say.
    pub kind: String,
}

/// What a stream holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamHeader {
    /// Name.
    pub name: String,
    /// Content type, e.g. `EEG`.
    pub stream_type: String,
    /// Values per sample.
    pub channel_count: usize,
    /// Nominal rate; 0 for an irregular stream (and when the header's rate is not a positive number).
    pub rate_hz: f64,
    /// How values are stored.
    pub format: Format,
    /// One per channel that `desc/channels` describes; may be empty or, in other people's files, of another number.
    pub channels: Vec<Channel>,
    /// Further top-level elements that hold text, in order.
    pub fields: Vec<(String, String)>,
    /// What stands in `desc` besides `channels`, as XML.
    pub desc_xml: String,
    /// The header as it stands in the file; empty for one that is still to be written.
    pub raw_xml: String,
}

/// A header that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Not XML.
    #[error("header is not XML: {0}")]
    Xml(String),
    /// An element is missing or holds something else than it must.
    #[error("header: `{element}` is `{found}`, expected {expected}")]
    Element {
        /// Name of the element.
        element: &'static str,
        /// Its text; empty when it is missing.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
}

/// XML of nested elements costs stack in any tree; nobody's header is deeper than this.
const DEEPEST: usize = 64;
/// And nobody's header has more nodes than this.
const MOST_NODES: u32 = 1_000_000;

/// Parses XML from a file that may be hostile.
pub(super) fn parse_xml(text: &str) -> Result<roxmltree::Document<'_>, HeaderError> {
    let mut depth = 0_usize;
    for (at, _) in text.match_indices('<') {
        match text.as_bytes().get(at + 1) {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(b'?' | b'!') => {}
            _ => {
                // No `<` may stand inside a tag, so the search ends there and the whole check stays linear.
                let rest = &text[at + 1..];
                let tag = rest.find(['<', '>']).map_or(rest, |end| &rest[..end]);
                depth += usize::from(!tag.ends_with('/'));
            }
        }
        if depth > DEEPEST {
            return Err(HeaderError::Xml(format!("nested deeper than {DEEPEST}")));
        }
    }
    let options = roxmltree::ParsingOptions { nodes_limit: MOST_NODES, ..Default::default() };
    roxmltree::Document::parse_with_options(text.trim_matches(['\0', ' ', '\n', '\r', '\t']), options)
        .map_err(|error| HeaderError::Xml(error.to_string()))
}

/// Text of the first child element of that name.
pub(super) fn child_text<'a>(node: roxmltree::Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.has_tag_name(name))?;
    Some(child.text().unwrap_or("").trim())
}

impl StreamHeader {
    /// A header to be written, without channel descriptions.
    pub fn new(name: &str, stream_type: &str, channel_count: usize, rate_hz: f64, format: Format) -> Self {
        Self {
            name: name.into(),
            stream_type: stream_type.into(),
            channel_count,
            rate_hz,
            format,
            channels: Vec::new(),
            fields: Vec::new(),
            desc_xml: String::new(),
            raw_xml: String::new(),
        }
    }

    /// Text of a further top-level element, e.g. `source_id`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str())
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`HeaderError`] when it is not XML, or when channel count or format, without which samples cannot be read, are
    /// missing or impossible.
    pub fn parse(xml: &str) -> Result<Self, HeaderError> {
        let document = parse_xml(xml)?;
        let info = document.root_element();
        let needed = |element| child_text(info, element).unwrap_or("");
        let count = needed("channel_count");
        let channel_count = count.parse::<u32>().map_err(|_| HeaderError::Element {
            element: "channel_count",
            found: clip(count),
            expected: "a whole number from 0 to 4294967295",
        })?;
        let format = needed("channel_format");
        let format = Format::from_name(format).ok_or_else(|| HeaderError::Element {
            element: "channel_format",
            found: clip(format),
            expected: "float32, double64, int8, int16, int32, int64 or string",
        })?;
        let rate_hz = needed("nominal_srate").parse().ok().filter(|hz: &f64| hz.is_finite() && *hz > 0.0);
        let mut header =
            Self::new(needed("name"), needed("type"), channel_count as usize, rate_hz.unwrap_or(0.0), format);
        header.raw_xml = xml.to_owned();
        header.read_rest(info);
        Ok(header)
    }

    fn read_rest(&mut self, info: roxmltree::Node<'_, '_>) {
        const NAMED: [&str; 5] = ["name", "type", "channel_count", "nominal_srate", "channel_format"];
        for child in info.children().filter(roxmltree::Node::is_element) {
            let name = child.tag_name().name();
            if name == "desc" {
                self.read_desc(child);
            } else if !NAMED.contains(&name) && !child.children().any(|part| part.is_element()) {
                self.fields.push((name.to_owned(), child.text().unwrap_or("").trim().to_owned()));
            }
        }
    }

    fn read_desc(&mut self, desc: roxmltree::Node<'_, '_>) {
        for child in desc.children().filter(roxmltree::Node::is_element) {
            if child.has_tag_name("channels") {
                let channels = child.children().filter(|channel| channel.has_tag_name("channel"));
                self.channels.extend(channels.map(|channel| {
                    let text = |name| child_text(channel, name).unwrap_or("").to_owned();
                    Channel { label: text("label"), unit: text("unit"), kind: text("type") }
                }));
            } else {
                self.desc_xml.push_str(&child.document().input_text()[child.range()]);
            }
        }
    }

    /// The header as XML.
    pub fn to_xml(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\"?><info>");
        put(&mut xml, "name", &self.name);
        put(&mut xml, "type", &self.stream_type);
        put(&mut xml, "channel_count", &self.channel_count.to_string());
        put(&mut xml, "nominal_srate", &self.rate_hz.to_string());
        put(&mut xml, "channel_format", self.format.name());
        for (name, text) in self.fields.iter().filter(|(name, _)| is_element_name(name)) {
            put(&mut xml, name, text);
        }
        xml.push_str("<desc>");
        if !self.channels.is_empty() {
            xml.push_str("<channels>");
            for channel in &self.channels {
                xml.push_str("<channel>");
                for (name, text) in
                    [("label", &channel.label), ("unit", &channel.unit), ("type", &channel.kind)]
                {
                    if !text.is_empty() {
                        put(&mut xml, name, text);
                    }
                }
                xml.push_str("</channel>");
            }
            xml.push_str("</channels>");
        }
        xml.push_str(&self.desc_xml);
        xml.push_str("</desc></info>");
        xml
    }
}

/// Appends `<name>text</name>`, escaped.
pub(super) fn put(xml: &mut String, name: &str, text: &str) {
    let _ = write!(xml, "<{name}>"); // writing to a String cannot fail
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            // XML 1.0 has no way to write these, escaped or not.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                xml.push('\u{fffd}');
            }
            '\r' => xml.push_str("&#13;"),
            other => xml.push(other),
        }
    }
    let _ = write!(xml, "</{name}>");
}

fn is_element_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text from a hostile file, short enough for an error message.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let mut header = StreamHeader::new("a <b> & \"c\"", "EEG", 2, 256.5, Format::Int16);
        header.channels = vec![
            Channel { label: "Oz".into(), unit: "uV".into(), kind: "EEG".into() },
            Channel { label: "O1".into(), ..Channel::default() },
        ];
        header.fields = vec![("source_id".into(), "x&y".into())];
        header.desc_xml = "<manufacturer>A &amp; B</manufacturer>".into();
        let mut back = StreamHeader::parse(&header.to_xml()).unwrap();
        assert_eq!(back.raw_xml, header.to_xml());
        back.raw_xml.clear();
        assert_eq!(back, header);
    }

    #[test]
    fn hostile_headers_are_refused() {
        let deep = "<a>".repeat(1_000_000);
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aa\">]><info>&a;</info>";
        for xml in ["", "<info>", "garbage", deep.as_str(), bomb, "<info><a:b/></info>"] {
            assert!(matches!(StreamHeader::parse(xml), Err(HeaderError::Xml(_))));
        }
        let count = "<info><channel_count>-1</channel_count><channel_format>int8</channel_format></info>";
        assert!(StreamHeader::parse(count).unwrap_err().to_string().contains("`-1`"));
        let format = "<info><channel_count>1</channel_count><channel_format>int9</channel_format></info>";
        assert!(StreamHeader::parse(format).unwrap_err().to_string().contains("`int9`"));
    }

    #[test]
    fn an_odd_rate_is_irregular() {
        for rate in ["nan", "-5", "", "inf", "fast"] {
            let xml = format!(
                "<info><channel_count>1</channel_count><channel_format>int8</channel_format>\
                 <nominal_srate>{rate}</nominal_srate></info>"
            );
            assert_eq!(StreamHeader::parse(&xml).unwrap().rate_hz, 0.0);
        }
    }

    #[test]
    fn control_characters_still_make_xml() {
        let header = StreamHeader::new("bell\u{7}null\0", "x", 1, 0.0, Format::Text);
        assert_eq!(StreamHeader::parse(&header.to_xml()).unwrap().name, "bell\u{fffd}null\u{fffd}");
    }
}
