//! What we read of XDF files, for the judge in Python to compare with what pyxdf reads. The recorder's own tests use it, too.

use std::fs;
use std::path::Path;

use recording::sha256_hex;
use recording::xdf::{Stream, Values, corrected_stamps, read_path};
use serde_json::{Value, json};

/// Writes what we read from a file beside it.
pub fn expect(file: &Path) {
    let recording = read_path(file).unwrap();
    let streams: Vec<Value> = recording.streams.iter().map(expectation).collect();
    fs::write(file.with_added_extension("json"), json!({ "streams": streams }).to_string()).unwrap();
}

fn expectation(stream: &Stream) -> Value {
    let stamps: Vec<u8> = stream.stamps_s.iter().flat_map(|stamp| stamp.to_le_bytes()).collect();
    json!({
        "id": stream.id,
        "name": stream.header.name,
        "format": stream.header.format.name(),
        "samples": stream.samples(),
        "stamps_sha256": sha256_hex(&stamps),
        "values_sha256": sha256_hex(&bytes_of(&stream.values)),
        "labels": stream.header.channels.iter().map(|channel| &channel.label).collect::<Vec<_>>(),
        "clock_offsets": stream.clock_offsets.len(),
        "footer_samples": stream.footer.as_ref().and_then(|footer| footer.sample_count),
        "corrected_s": corrected_stamps(stream),
    })
}

/// Values as they stand in a file, so that equal means equal to the bit.
pub fn bytes_of(values: &Values) -> Vec<u8> {
    fn all<T: Copy, const N: usize>(values: &[T], to_le: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|value| to_le(*value)).collect()
    }
    match values {
        Values::Float32(values) => all(values, f32::to_le_bytes),
        Values::Double64(values) => all(values, f64::to_le_bytes),
        Values::Int8(values) => all(values, i8::to_le_bytes),
        Values::Int16(values) => all(values, i16::to_le_bytes),
        Values::Int32(values) => all(values, i32::to_le_bytes),
        Values::Int64(values) => all(values, i64::to_le_bytes),
        Values::Text(texts) => texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect(),
    }
}
