//! XDF 1.0, the container that LSL's recorder writes: <https://github.com/sccn/xdf/wiki/Specifications>.
//!
//! A file is `XDF:` and then chunks `[size of length][length][tag][content]`, little-endian. Streams are declared by a
//! header chunk (XML), filled by sample chunks (each sample with its own `f64` stamp), and closed by a footer chunk.
//! Boundary chunks carry a fixed UUID at which a reader can find its way again after damage.

mod block;
mod header;
mod reader;
mod sync;
mod walk;
mod writer;

pub use block::{SampleBlock, WidthError};
pub use header::{Channel, HeaderError, StreamHeader};
pub(crate) use reader::read_bytes;
pub use reader::{ClockMeasure, Footer, Problem, ReadError, Recording, Stream, Values, read, read_path};
pub use sync::corrected_stamps;
pub(crate) use walk::{Piece, Step, Walk};
pub use writer::{Ended, Plain, Sink, StreamId, Writer};

/// The first four bytes of a file.
pub(crate) const MAGIC: &[u8; 4] = b"XDF:";

/// Content of a boundary chunk.
pub(crate) const BOUNDARY: [u8; 16] =
    [0x43, 0xA5, 0x46, 0xDC, 0xCB, 0xF5, 0x41, 0x0F, 0xB3, 0x0E, 0xD5, 0x46, 0x73, 0x83, 0xCB, 0xE4];

/// Chunk tags of the specification.
pub(crate) mod tag {
    pub const FILE_HEADER: u16 = 1;
    pub const STREAM_HEADER: u16 = 2;
    pub const SAMPLES: u16 = 3;
    pub const CLOCK_OFFSET: u16 = 4;
    pub const BOUNDARY: u16 = 5;
    pub const STREAM_FOOTER: u16 = 6;
}

/// How a stream stores its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Format {
    /// `float32`.
    #[serde(rename = "float32")]
    Float32,
    /// `double64`.
    #[serde(rename = "double64")]
    Double64,
    /// `int8`.
    #[serde(rename = "int8")]
    Int8,
    /// `int16`.
    #[serde(rename = "int16")]
    Int16,
    /// `int32`.
    #[serde(rename = "int32")]
    Int32,
    /// `int64`.
    #[serde(rename = "int64")]
    Int64,
    /// `string`.
    #[serde(rename = "string")]
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 7] =
        [Self::Float32, Self::Double64, Self::Int8, Self::Int16, Self::Int32, Self::Int64, Self::Text];

    /// The specification's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Double64 => "double64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Text => "string",
        }
    }

    /// By the specification's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Bytes of one value; `None` for text, whose length varies.
    pub const fn value_bytes(self) -> Option<usize> {
        match self {
            Self::Int8 => Some(1),
            Self::Int16 => Some(2),
            Self::Float32 | Self::Int32 => Some(4),
            Self::Double64 | Self::Int64 => Some(8),
            Self::Text => None,
        }
    }
}

/// Appends a variable-length integer: the number of bytes (1, 4 or 8), then the number.
pub(crate) fn put_varint(out: &mut Vec<u8>, number: u64) {
    if let Ok(byte) = u8::try_from(number) {
        out.extend([1, byte]);
    } else if let Ok(word) = u32::try_from(number) {
        out.push(4);
        out.extend(word.to_le_bytes());
    } else {
        out.push(8);
        out.extend(number.to_le_bytes());
    }
}

/// Takes a variable-length integer off the front; `None` when it is cut off or its size is not 1, 4 or 8.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (&size, rest) = bytes.split_first()?;
    let (number, rest) = match size {
        1 => rest.split_first().map(|(&byte, rest)| (u64::from(byte), rest))?,
        4 => {
            rest.split_first_chunk::<4>().map(|(word, rest)| (u64::from(u32::from_le_bytes(*word)), rest))?
        }
        8 => rest.split_first_chunk::<8>().map(|(word, rest)| (u64::from_le_bytes(*word), rest))?,
        _ => return None,
    };
    *bytes = rest;
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_at_every_edge() {
        for number in [0, 1, 255, 256, 65_536, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            for cut in 0..out.len() {
                assert_eq!(take_varint(&mut &out[..cut]), None);
            }
            let mut rest = &out[..];
            assert_eq!(take_varint(&mut rest), Some(number));
            assert!(rest.is_empty());
        }
        for size in [0, 2, 3, 5, 6, 7, 9, 255] {
            assert_eq!(take_varint(&mut &[size, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]), None);
        }
    }
}
