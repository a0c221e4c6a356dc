//! Any samples in any chunking come back equal to the bit.

use proptest::prelude::*;
use recording::xdf::{Format, SampleBlock, StreamHeader, Values, Writer, corrected_stamps, read};

/// A sample: bits of its stamp, bits of each channel, whether a chunk ends after it.
type Sample = (u64, Vec<u64>, bool);

fn samples(channels: usize) -> impl Strategy<Value = Vec<Sample>> {
    let sample = (any::<u64>(), prop::collection::vec(any::<u64>(), channels), any::<bool>());
    prop::collection::vec(sample, 0..40)
}

/// Writes the samples into one stream and reads the file back.
fn through_file(
    format: Format,
    channels: usize,
    samples: &[Sample],
    push: impl Fn(&mut SampleBlock, f64, &[u64]),
) -> recording::xdf::Stream {
    let mut writer = Writer::start(Vec::new()).unwrap();
    let header = StreamHeader::new("s", "t", channels, 0.0, format);
    let id = writer.add_stream(&header).unwrap();
    let mut block = SampleBlock::new(id, format, channels);
    for (stamp, values, ends) in samples {
        push(&mut block, f64::from_bits(*stamp), values);
        if *ends {
            writer.write_block(&mut block).unwrap();
        }
    }
    writer.write_block(&mut block).unwrap();
    writer.close().unwrap();
    let mut recording = read(&writer.into_sink()).unwrap();
    assert!(recording.problems.is_empty(), "{:?}", recording.problems);
    assert_eq!(recording.whole_bytes, recording.bytes);
    recording.streams.remove(0)
}

/// A number that the format holds exactly, from any bits.
fn number(format: Format, bits: u64) -> f64 {
    match format {
        Format::Float32 => f64::from(f32::from_bits(bits as u32)),
        Format::Double64 => f64::from_bits(bits),
        Format::Int8 => f64::from(bits as i8),
        Format::Int16 => f64::from(bits as i16),
        Format::Int32 => f64::from(bits as i32),
        Format::Int64 => ((bits as i64) >> 11) as f64,
        Format::Text => 0.0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn numbers(format in prop::sample::select(&Format::ALL[..6]), (channels, samples) in (0usize..5).prop_flat_map(|c| (Just(c), samples(c)))) {
        let stream = through_file(format, channels, &samples, |block, stamp_s, values| {
            let values: Vec<f64> = values.iter().map(|&bits| number(format, bits)).collect();
            block.push_numbers(stamp_s, &values).unwrap();
        });
        let stamps: Vec<u64> = stream.stamps_s.iter().map(|stamp| stamp.to_bits()).collect();
        prop_assert_eq!(stamps, samples.iter().map(|sample| sample.0).collect::<Vec<_>>());
        let wanted = samples.iter().flat_map(|sample| &sample.1).map(|&bits| number(format, bits));
        let found = stream.values.to_f64();
        prop_assert_eq!(found.len(), samples.len() * channels);
        for (found, wanted) in found.iter().zip(wanted) {
            // A NaN may lose its payload on the way through float32, never its NaN-ness.
            prop_assert!(found.to_bits() == wanted.to_bits() || (found.is_nan() && wanted.is_nan()));
        }
        let footer = stream.footer.unwrap();
        prop_assert_eq!(footer.sample_count, Some(samples.len() as u64));
        if let (Some(first), Some(found)) = (samples.first(), footer.first_s) {
            let first = f64::from_bits(first.0);
            prop_assert!(found.to_bits() == first.to_bits() || first.is_nan());
        }
    }

    #[test]
    fn records_keep_every_bit((channels, samples) in (1usize..5).prop_flat_map(|c| (Just(c), samples(c)))) {
        let stream = through_file(Format::Int64, channels, &samples, |block, stamp_s, values| {
            let values: Vec<i64> = values.iter().map(|&bits| bits as i64).collect();
            block.push_ints(stamp_s, &values).unwrap();
        });
        let wanted: Vec<i64> = samples.iter().flat_map(|sample| &sample.1).map(|&bits| bits as i64).collect();
        prop_assert_eq!(stream.values, Values::Int64(wanted));
    }

    #[test]
    fn texts(samples in prop::collection::vec((any::<f64>(), ".{0,300}", any::<bool>()), 0..20)) {
        let texts: Vec<String> = samples.iter().map(|sample| sample.1.clone()).collect();
        let numbered: Vec<Sample> = samples.iter().enumerate().map(|(at, s)| (s.0.to_bits(), vec![at as u64], s.2)).collect();
        let stream = through_file(Format::Text, 1, &numbered, |block, stamp_s, values| {
            block.push_texts(stamp_s, &[&texts[values[0] as usize]]).unwrap();
        });
        prop_assert_eq!(stream.values.texts().unwrap(), &texts[..]);
    }

    #[test]
    fn headers(name in ".*", label in ".*", unit in ".*") {
        let mut header = StreamHeader::new(&name, "EEG", 1, 1.0, Format::Int8);
        header.channels = vec![recording::xdf::Channel { label, unit, kind: String::new() }];
        // Whatever the text, the file stays readable; texts that XML can hold come back but for the space around them.
        let back = StreamHeader::parse(&header.to_xml()).unwrap();
        prop_assert_eq!(back.channel_count, 1);
        if name.chars().all(|c| !c.is_control() && c != '\u{fffe}' && c != '\u{ffff}') {
            prop_assert_eq!(back.name, name.trim());
        }
    }
}

#[test]
fn a_sample_that_does_not_fit_is_refused_with_numbers() {
    let mut writer = Writer::start(Vec::new()).unwrap();
    let id = writer.add_stream(&StreamHeader::new("s", "t", 2, 0.0, Format::Float32)).unwrap();
    let mut block = SampleBlock::new(id, Format::Float32, 2);
    let error = block.push_numbers(0.0, &[1.0]).unwrap_err().to_string();
    assert!(error.contains("1 numbers") && error.contains("2 x Float32"), "{error}");
    assert!(block.push_texts(0.0, &["a", "b"]).is_err());
    assert!(block.push_ints(0.0, &[1, 2]).is_err());
    assert!(block.is_empty());
}

/// Appends a chunk as other writers do: stamps left out, lengths in eight bytes.
fn foreign_chunk(file: &mut Vec<u8>, tag: u16, content: &[u8]) {
    file.push(8);
    file.extend((content.len() as u64 + 2).to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend(content);
}

#[test]
fn left_out_stamps_are_one_period_apart() {
    let mut file = b"XDF:".to_vec();
    let header = StreamHeader::new("s", "t", 1, 4.0, Format::Int16).to_xml();
    foreign_chunk(&mut file, 2, &[&9_u32.to_le_bytes()[..], header.as_bytes()].concat());
    let mut samples = 9_u32.to_le_bytes().to_vec();
    samples.extend([1, 3, 8]);
    samples.extend(10.5_f64.to_le_bytes());
    samples.extend([1, 0, 0, 2, 0, 0, 3, 0]);
    foreign_chunk(&mut file, 3, &samples);
    foreign_chunk(&mut file, 3, &[9, 0, 0, 0, 1, 1, 0, 4, 0]);
    let recording = read(&file).unwrap();
    assert!(recording.problems.is_empty(), "{:?}", recording.problems);
    let stream = &recording.streams[0];
    assert_eq!(stream.stamps_s, [10.5, 10.75, 11.0, 11.25]);
    assert_eq!(stream.deduced, 3);
    assert_eq!(stream.values, Values::Int16(vec![1, 2, 3, 4]));
    assert_eq!(corrected_stamps(stream), stream.stamps_s);
}
