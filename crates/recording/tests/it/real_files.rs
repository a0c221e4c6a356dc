//! Facts about other people's files that can be looked up without a reader.

use recording::info;
use recording::xdf::{Format, Values, read_path};

use crate::support::shared_data;

#[test]
fn the_xdf_projects_minimal_file() {
    let Some(data) = shared_data() else { return };
    let recording = read_path(&data.join("xdf/minimal.xdf")).unwrap();
    assert!(recording.problems.is_empty(), "{:?}", recording.problems);
    let [numbers, texts] = &recording.streams[..] else { panic!("{} streams", recording.streams.len()) };
    assert_eq!((numbers.header.name.as_str(), numbers.header.format), ("SendDataC", Format::Int16));
    assert_eq!(numbers.header.channel_count, 3);
    assert_eq!(numbers.samples(), 9);
    assert!(numbers.deduced > 0, "this file leaves stamps out");
    for (found, tenth) in numbers.stamps_s.iter().zip(51..60) {
        assert!((found - f64::from(tenth) / 10.0).abs() < 1e-9, "{found}");
    }
    let Values::Int16(values) = &numbers.values else { panic!("{:?}", numbers.values) };
    assert_eq!(&values[..9], [192, 255, 238, 12, 22, 32, 13, 23, 33]);
    assert_eq!(numbers.clock_offsets.len(), 2);
    let footer = numbers.footer.as_ref().unwrap();
    assert_eq!((footer.sample_count, footer.first_s, footer.last_s), (Some(9), Some(5.1), Some(5.9)));
    let texts = texts.values.texts().unwrap();
    assert!(texts[0].starts_with("<?xml"), "{}", texts[0]);
    assert_eq!(texts[1..4], ["Hello", "World", "from"]);
}

#[test]
fn a_recorded_ssvep_session() {
    let Some(data) = shared_data() else { return };
    let file = info(&data.join("eeg/ssvep_exo_s12_r1.xdf")).unwrap();
    assert_eq!(file.problems, 0);
    let [eeg, markers] = &file.streams[..] else { panic!("{} streams", file.streams.len()) };
    assert_eq!(eeg.labels, ["Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"]);
    assert_eq!((eeg.stream_type.as_str(), eeg.rate_hz, eeg.format), ("EEG", 256.0, Format::Float32));
    assert!((eeg.effective_rate_hz.unwrap() - 256.0).abs() < 2.56);
    assert!(markers.samples >= 32);
    let json = serde_json::to_value(&file).unwrap();
    assert_eq!(json["streams"][0]["type"], "EEG");
    assert_eq!(json["streams"][0]["format"], "float32");
}

#[test]
fn empty_streams_are_streams() {
    let Some(data) = shared_data() else { return };
    let file = info(&data.join("xdf/empty_streams.xdf")).unwrap();
    assert!(file.streams.iter().any(|stream| stream.samples == 0 && stream.first_s.is_none()));
    assert!(file.streams.iter().any(|stream| stream.samples > 0));
}
