//! pyxdf and mne as judges: what we write, what we read and what we repair, they read the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use recording::xdf::{Stream, Values, corrected_stamps, read_path};
use recording::{repair, sha256_hex};
use serde_json::{Value, json};

use crate::support::{Dice, every_format, recorded, shared_xdf};

/// The judges' Python; `None` (with a printed reason) when there is none and nobody insists.
fn python() -> Option<String> {
    let python = std::env::var("PHOTIC_JUDGE_PYTHON").ok();
    if python.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PHOTIC_JUDGE_PYTHON is not set");
        eprintln!("skipped: PHOTIC_JUDGE_PYTHON is not set");
    }
    python
}

fn bytes_of(values: &Values) -> Vec<u8> {
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

/// Writes what we read from `folder/name` beside it.
fn expect(folder: &Path, name: &str) {
    let recording = read_path(&folder.join(name)).unwrap();
    let streams: Vec<Value> = recording.streams.iter().map(expectation).collect();
    fs::write(folder.join(format!("{name}.json")), json!({ "streams": streams }).to_string()).unwrap();
}

fn judge(python: &str, folder: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/judges/xdf_judge.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    eprintln!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn files_read_the_same() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("formats.xdf"), every_format(300)).unwrap();
    fs::write(folder.path().join("session.xdf"), recorded(2000)).unwrap();
    for file in shared_xdf() {
        fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for name in names {
        expect(folder.path(), &name.to_string_lossy());
    }
    judge(&python, folder.path());
}

#[test]
fn repaired_files_open() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(17);
    for (kind, file) in [("formats", every_format(200)), ("session", recorded(700))] {
        for round in 0..20 {
            // Both kinds have their headers within the first 10 kB; nothing can be saved without them.
            let cut = 10_000 + dice.below(file.len() - 10_000);
            let mut bytes = file[..cut].to_vec();
            if round % 4 == 3 {
                let at = 9_000 + dice.below(cut - 9_000);
                let end = (at + 50).min(cut);
                bytes[at..end].fill(0x5A);
            }
            let name = format!("{kind}-{round}.xdf");
            let path = folder.path().join(&name);
            fs::write(&path, bytes).unwrap();
            repair(&path).unwrap();
            expect(folder.path(), &name);
        }
    }
    judge(&python, folder.path());
}
