//! The streams of a recording, for display.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::xdf::{Format, ReadError, Stream, corrected_stamps, read_path};

/// One stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamInfo {
    /// Its number in the file.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its content type.
    #[serde(rename = "type")]
    pub stream_type: String,
    /// How values are stored.
    pub format: Format,
    /// Values per sample.
    pub channels: usize,
    /// Channel labels, as far as it has them.
    pub labels: Vec<String>,
    /// Channel units, as far as it has them.
    pub units: Vec<String>,
    /// Nominal rate; 0 for an irregular stream.
    pub rate_hz: f64,
    /// Measured rate: (samples - 1) / (last - first), when the stream is regular and has two samples.
    pub effective_rate_hz: Option<f64>,
    /// Number of samples.
    pub samples: u64,
    /// First stamp on the recorder's clock.
    pub first_s: Option<f64>,
    /// Last stamp on the recorder's clock.
    pub last_s: Option<f64>,
    /// Number of clock offsets.
    pub clock_offsets: usize,
    /// Whether it was closed by its footer.
    pub has_footer: bool,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileInfo {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its streams, in file order.
    pub streams: Vec<StreamInfo>,
    /// Number of places that are not as they should be; [`crate::verify()`] lists them.
    pub problems: u64,
}

/// Reads the streams of a recording.
///
/// # Errors
/// [`ReadError`] when it cannot be read or is not XDF.
pub fn info(path: &Path) -> Result<FileInfo, ReadError> {
    let recording = read_path(path)?;
    Ok(FileInfo {
        path: path.into(),
        bytes: recording.bytes,
        streams: recording.streams.iter().map(stream_info).collect(),
        problems: recording.problem_count,
    })
}

fn stream_info(stream: &Stream) -> StreamInfo {
    let header = &stream.header;
    let stamps = corrected_stamps(stream);
    let (first_s, last_s) = (stamps.first().copied(), stamps.last().copied());
    let duration_s = first_s.zip(last_s).map(|(first, last)| last - first);
    let regular = duration_s.filter(|duration| *duration > 0.0 && header.rate_hz > 0.0);
    let texts = |text: fn(&crate::xdf::Channel) -> &String| -> Vec<String> {
        header.channels.iter().map(|channel| text(channel).clone()).collect()
    };
    StreamInfo {
        id: stream.id,
        name: header.name.clone(),
        stream_type: header.stream_type.clone(),
        format: header.format,
        channels: header.channel_count,
        labels: texts(|channel| &channel.label),
        units: texts(|channel| &channel.unit),
        rate_hz: header.rate_hz,
        effective_rate_hz: regular.map(|duration| (stamps.len() - 1) as f64 / duration),
        samples: stream.samples() as u64,
        first_s,
        last_s,
        clock_offsets: stream.clock_offsets.len(),
        has_footer: stream.footer.is_some(),
    }
}
