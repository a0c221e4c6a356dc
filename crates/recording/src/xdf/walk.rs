//! Walking over the chunks of a file that may be torn, damaged or hostile.
//!
//! A chunk counts as whole when its length fits into the file and its content is what its tag says. Where one is not,
//! the walk looks for the next place at which a chunk or a boundary's UUID stands, and reports the bytes between as
//! damage. Lengths are compared with what is there before anything is done with them.

use std::collections::BTreeMap;

use super::header::{StreamHeader, parse_xml};
use super::{BOUNDARY, Format, MAGIC, tag, take_varint};

/// Bytes per value and values per sample, as far as the length of a sample depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub format: Format,
    pub channels: usize,
}

/// Content of a whole chunk.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    FileHeader {
        xml: &'a [u8],
    },
    StreamHeader {
        id: u32,
        header: Box<StreamHeader>,
    },
    /// `samples` samples begin at the start of `content`; checked, so decoding cannot fail.
    Samples {
        id: u32,
        layout: Layout,
        samples: usize,
        content: &'a [u8],
    },
    ClockOffset {
        id: u32,
        time_s: f64,
        offset_s: f64,
    },
    Boundary,
    StreamFooter {
        id: u32,
        xml: &'a [u8],
    },
    /// A tag that XDF 1.0 does not know, with a length that leads to another chunk.
    Unknown,
}

/// What the walk finds next.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A whole chunk.
    Chunk { offset: usize, end: usize, piece: Piece<'a> },
    /// Bytes that are not a whole chunk.
    Damage { offset: usize, end: usize, what: String },
}

/// Head of a chunk: `[size of length][length][tag]`.
struct Head {
    tag: u16,
    /// Where the content begins.
    content: usize,
    /// Where the chunk ends; within the file.
    end: usize,
}

/// The walk.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    layouts: BTreeMap<u32, Layout>,
    /// Bytes that may still be looked at in vain, so that a hostile file cannot cost the square of its length. When it
    /// is spent, the rest of the file counts as damage.
    search_budget: usize,
}

/// How often a file may be looked through in vain: far more than damage makes necessary.
const SEARCH_FACTOR: usize = 32;
/// Candidates inside damage that are larger than this are not believed.
const LARGEST_FOUND: usize = 1 << 16;

impl<'a> Walk<'a> {
    /// Starts behind the magic, or at 0 when there is none.
    pub fn new(bytes: &'a [u8]) -> Self {
        let at = if bytes.starts_with(MAGIC) { MAGIC.len() } else { 0 };
        let search_budget = bytes.len().saturating_mul(SEARCH_FACTOR).saturating_add(1 << 20);
        Self { bytes, at, layouts: BTreeMap::new(), search_budget }
    }

    /// The next step; `None` at the end of the file.
    pub fn step(&mut self) -> Option<Step<'a>> {
        let offset = self.at;
        if offset >= self.bytes.len() {
            return None;
        }
        let what = match self.head(offset) {
            Err(what) => what,
            Ok(head) => match self.piece(&head) {
                Ok(piece) if matches!(piece, Piece::Unknown) && !self.leads_on(head.end) => {
                    format!("tag {} is none of XDF's", head.tag)
                }
                Ok(piece) => {
                    self.learn(&piece);
                    self.at = head.end;
                    return Some(Step::Chunk { offset, end: head.end, piece });
                }
                // The frame around bad content holds when another chunk follows it: then only this one is lost.
                Err(what) if self.leads_on(head.end) => {
                    self.at = head.end;
                    return Some(Step::Damage { offset, end: head.end, what });
                }
                Err(what) => {
                    self.search_budget = self.search_budget.saturating_sub(head.end - offset);
                    what
                }
            },
        };
        let end = if self.search_budget == 0 { self.bytes.len() } else { self.resync(offset + 1) };
        self.at = end;
        Some(Step::Damage { offset, end, what })
    }

    fn learn(&mut self, piece: &Piece<'_>) {
        if let Piece::StreamHeader { id, header } = piece {
            let layout = Layout { format: header.format, channels: header.channel_count };
            self.layouts.entry(*id).or_insert(layout); // a second header of one stream does not change the first
        }
    }

    fn head(&self, offset: usize) -> Result<Head, String> {
        let bytes = &self.bytes[offset..];
        let mut rest = bytes;
        let length = take_varint(&mut rest).ok_or_else(|| match bytes {
            [1 | 4 | 8, ..] => "cut off inside the length of a chunk".to_owned(),
            [size, ..] => format!("a chunk's length has a size of {size} bytes, expected 1, 4 or 8"),
            [] => "empty".to_owned(),
        })?;
        if length < 2 {
            return Err(format!("a chunk of {length} bytes, expected at least 2"));
        }
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= rest.len())
            .ok_or_else(|| format!("a chunk of {length} bytes where the file has {} more", rest.len()))?;
        let content = self.bytes.len() - rest.len() + 2;
        Ok(Head { tag: u16::from_le_bytes([rest[0], rest[1]]), content, end: content - 2 + length })
    }

    /// Whether the file ends at `end` or the head of a known chunk stands there.
    fn leads_on(&self, end: usize) -> bool {
        end == self.bytes.len()
            || self.head(end).is_ok_and(|head| (tag::FILE_HEADER..=tag::STREAM_FOOTER).contains(&head.tag))
    }

    fn piece(&self, head: &Head) -> Result<Piece<'a>, String> {
        let content = &self.bytes[head.content..head.end];
        let stream = || match content.split_first_chunk::<4>() {
            Some((id, rest)) => Ok((u32::from_le_bytes(*id), rest)),
            None => Err(format!("a chunk with tag {} and no room for a stream number", head.tag)),
        };
        Ok(match head.tag {
            tag::FILE_HEADER => Piece::FileHeader { xml: content },
            tag::STREAM_HEADER => {
                let (id, xml) = stream()?;
                let header =
                    StreamHeader::parse(&utf8(xml)).map_err(|error| format!("stream {id}: {error}"))?;
                Piece::StreamHeader { id, header: Box::new(header) }
            }
            tag::SAMPLES => {
                let (id, content) = stream()?;
                let layout =
                    self.layouts.get(&id).ok_or_else(|| format!("samples of unknown stream {id}"))?;
                let (samples, content) =
                    check_samples(content, *layout).map_err(|what| format!("stream {id}: {what}"))?;
                Piece::Samples { id, layout: *layout, samples, content }
            }
            tag::CLOCK_OFFSET => {
                let (id, content) = stream()?;
                if !self.layouts.contains_key(&id) {
                    return Err(format!("clock offset of unknown stream {id}"));
                }
                let [time_s, offset_s] = two_doubles(content)
                    .ok_or_else(|| format!("clock offset of {} bytes, expected 16", content.len()))?;
                Piece::ClockOffset { id, time_s, offset_s }
            }
            tag::BOUNDARY if content == BOUNDARY => Piece::Boundary,
            tag::BOUNDARY => return Err("a boundary without its UUID".to_owned()),
            tag::STREAM_FOOTER => {
                let (id, xml) = stream()?;
                if !self.layouts.contains_key(&id) {
                    return Err(format!("footer of unknown stream {id}"));
                }
                parse_xml(&utf8(xml)).map_err(|error| format!("stream {id}, footer: {error}"))?;
                Piece::StreamFooter { id, xml }
            }
            _ => Piece::Unknown,
        })
    }

    /// The first place from `from` on at which reading can go on; the end of the file when there is none.
    fn resync(&mut self, from: usize) -> usize {
        for at in from..self.bytes.len() {
            let rest = &self.bytes[at..];
            if rest[0] == BOUNDARY[0] && rest.starts_with(&BOUNDARY) {
                return at + BOUNDARY.len();
            }
            if matches!(rest[0], 1 | 4 | 8) && self.is_whole_chunk(at) {
                return at;
            }
        }
        self.bytes.len()
    }

    /// A strict look at a candidate: damage must not be mistaken for data.
    fn is_whole_chunk(&mut self, at: usize) -> bool {
        let Ok(head) = self.head(at) else { return false };
        let cost = head.end - at;
        if !(tag::STREAM_HEADER..=tag::STREAM_FOOTER).contains(&head.tag)
            || cost > LARGEST_FOUND
            || cost > self.search_budget
        {
            return false;
        }
        let content = &self.bytes[head.content..head.end];
        let plausible = match head.tag {
            tag::BOUNDARY => content == BOUNDARY,
            tag::STREAM_HEADER | tag::STREAM_FOOTER => content.get(4) == Some(&b'<'),
            // The stream's number is the cheap test; only then is the content looked at.
            _ => content.first_chunk().is_some_and(|id| self.layouts.contains_key(&u32::from_le_bytes(*id))),
        };
        if !plausible {
            return false;
        }
        self.search_budget -= cost;
        self.piece(&head).is_ok()
    }
}

/// XML of a header or footer; other people's files hold bytes that are not UTF-8.
pub(super) fn utf8(xml: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(xml)
}

fn two_doubles(content: &[u8]) -> Option<[f64; 2]> {
    let bytes: &[u8; 16] = content.try_into().ok()?;
    let (first, second) = bytes.split_first_chunk::<8>()?;
    Some([f64::from_le_bytes(*first), f64::from_le_bytes(*second.first_chunk()?)])
}

/// Checks that `[count][samples]` fills the content exactly; gives the count and the samples' bytes.
fn check_samples(content: &[u8], layout: Layout) -> Result<(usize, &[u8]), String> {
    let mut rest = content;
    let count = take_varint(&mut rest).ok_or("no sample count")?;
    let body = rest;
    // A sample has at least the byte that says whether a stamp follows.
    let samples = usize::try_from(count).ok().filter(|count| *count <= body.len());
    let samples = samples.ok_or_else(|| format!("{count} samples in {} bytes", body.len()))?;
    let short = |sample: usize| format!("{count} samples announced, cut off in sample {sample} (from 0)");
    let width = layout.format.value_bytes().map(|bytes| bytes.checked_mul(layout.channels));
    for sample in 0..samples {
        let stamp = match rest.first() {
            Some(0) => 1,
            Some(8) => 9,
            Some(other) => return Err(format!("sample {sample}: a stamp of {other} bytes, expected 0 or 8")),
            None => return Err(short(sample)),
        };
        rest = rest.get(stamp..).ok_or_else(|| short(sample))?;
        match width {
            Some(width) => rest = width.and_then(|width| rest.get(width..)).ok_or_else(|| short(sample))?,
            None => {
                for _ in 0..layout.channels {
                    let length = take_varint(&mut rest).and_then(|length| usize::try_from(length).ok());
                    rest = length.and_then(|length| rest.get(length..)).ok_or_else(|| short(sample))?;
                }
            }
        }
    }
    if rest.is_empty() {
        Ok((samples, body))
    } else {
        Err(format!("{} bytes more than {count} samples need", rest.len()))
    }
}
