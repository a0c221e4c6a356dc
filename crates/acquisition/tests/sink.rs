//! The pure part of an inlet: a chunk becomes rows and events.

mod common;

use acquisition::{
    AcquisitionError, ChannelMap, ChunkSink, MarkerPorts, MarkerSink, SinkPorts, SinkSpec, TextMarker,
};
use common::{drain, drain_rows};
use proptest::prelude::*;
use timeline::ring::{Reader, RowReader, ring, rows};
use timeline::{Chunk, Event, Marker, Notice, NoticeKind, SourceId};

const RATE_HZ: f64 = 250.0;
const CHANNELS: usize = 3;

struct Bench {
    sink: ChunkSink,
    loop_rows: RowReader,
    recorder_rows: RowReader,
    events: Reader<Event>,
}

/// The loop gets all channels, turned round; rings of the given sizes.
fn bench(loop_size: usize, recorder_size: usize, events_size: usize) -> Bench {
    let (loop_writer, loop_rows) = rows(loop_size, CHANNELS);
    let (recorder_writer, recorder_rows) = rows(recorder_size, CHANNELS);
    let (events_writer, events) = ring(events_size);
    let ports = SinkPorts { loop_rows: loop_writer, recorder_rows: recorder_writer, events: events_writer };
    let spec = SinkSpec {
        source: SourceId(1),
        channel_count: CHANNELS,
        map: ChannelMap::identity(CHANNELS),
        rate_hz: RATE_HZ,
    };
    Bench { sink: ChunkSink::new(spec, ports).expect("widths fit"), loop_rows, recorder_rows, events }
}

fn stamps(first: usize, count: usize) -> Vec<f64> {
    (first..first + count).map(|i| 50.0 + i as f64 / RATE_HZ).collect()
}

fn values(first: usize, count: usize) -> Vec<f64> {
    (first * CHANNELS..(first + count) * CHANNELS).map(|i| i as f64 * 0.5).collect()
}

fn chunks(events: &[Event]) -> Vec<Chunk> {
    events
        .iter()
        .filter_map(|event| if let Event::Chunk(chunk) = event { Some(*chunk) } else { None })
        .collect()
}

fn notices(events: &[Event]) -> Vec<Notice> {
    let notice = |event: &Event| if let Event::Notice(notice) = event { Some(*notice) } else { None };
    events.iter().filter_map(notice).collect()
}

#[test]
fn a_chunk_becomes_rows_in_both_rings_and_an_event() {
    let mut b = bench(16, 16, 16);
    b.sink.accept(7, &stamps(0, 4), &values(0, 4));
    let rows = drain_rows(&mut b.loop_rows);
    assert_eq!(rows, drain_rows(&mut b.recorder_rows));
    assert_eq!(rows.len(), 4);
    let (head, row) = &rows[2];
    assert_eq!((head.index, head.stamp_s, head.at_ns), (2, 50.008, 50_008_000_000));
    assert_eq!(row, &[3.0, 3.5, 4.0]);
    let chunk =
        Chunk { source: SourceId(1), first_sample: 0, count: 4, arrival_ns: 7, offset_ns: 0, refused: 0 };
    assert_eq!(drain(&mut b.events), [Event::Chunk(chunk)]);
}

#[test]
fn the_loop_gets_the_wanted_channels_in_the_wanted_order() {
    let source = acquisition::SourceInfo::in_process(
        &acquisition::OutletSpec {
            name: "amp".to_owned(),
            stream_type: "EEG".to_owned(),
            channel_labels: ["A", "B", "C"].map(str::to_owned).to_vec(),
            units: Vec::new(),
            rate_hz: RATE_HZ,
            format: acquisition::ChannelFormat::Float32,
            source_id: String::new(),
            time_scale: 1.0,
            positions_mm: Vec::new(),
            desc: Vec::new(),
        },
        0.0,
    );
    let expected = acquisition::Expected {
        channels: vec!["C".to_owned(), "A".to_owned()],
        rate_hz: RATE_HZ,
        unit: None,
    };
    let map = acquisition::check(&source, &expected).expect("both are there");
    let ((loop_writer, mut loop_rows), (recorder_writer, mut recorder_rows)) = (rows(8, 2), rows(8, 3));
    let ports = SinkPorts { loop_rows: loop_writer, recorder_rows: recorder_writer, events: ring(8).0 };
    let spec = SinkSpec { source: SourceId(0), channel_count: 3, map, rate_hz: RATE_HZ };
    let mut sink = ChunkSink::new(spec, ports).expect("widths fit");
    sink.accept(0, &[1.0], &[10.0, 20.0, 30.0]);
    assert_eq!(drain_rows(&mut loop_rows)[0].1, [30.0, 10.0]);
    assert_eq!(drain_rows(&mut recorder_rows)[0].1, [10.0, 20.0, 30.0]);
}

#[test]
fn a_ring_for_another_source_is_refused() {
    let ports = SinkPorts { loop_rows: rows(8, 2).0, recorder_rows: rows(8, 3).0, events: ring(8).0 };
    let map = ChannelMap::identity(3);
    let spec = SinkSpec { source: SourceId(0), channel_count: 3, map, rate_hz: RATE_HZ };
    let error = ChunkSink::new(spec, ports).err().expect("2 is not 3");
    assert!(matches!(error, AcquisitionError::RowWidth { ring: "loop", found: 2, expected: 3 }), "{error}");
}

#[test]
fn a_full_loop_ring_refuses_the_whole_chunk_and_the_index_goes_on() {
    let mut b = bench(10, 100, 100);
    b.sink.accept(1, &stamps(0, 8), &values(0, 8));
    b.sink.accept(2, &stamps(8, 3), &values(8, 3));
    let first = drain_rows(&mut b.loop_rows);
    assert_eq!(first.len(), 8, "3 do not fit into 2, so none of them is there");
    b.sink.accept(3, &stamps(11, 5), &values(11, 5));
    assert_eq!(drain_rows(&mut b.loop_rows)[0].0.index, 11, "the gap shows in the index");

    let chunks = chunks(&drain(&mut b.events));
    assert_eq!(
        chunks.iter().map(|chunk| (chunk.first_sample, chunk.count, chunk.refused)).collect::<Vec<_>>(),
        [(0, 8, 0), (8, 3, 3), (11, 5, 0)]
    );
    assert_eq!(drain_rows(&mut b.recorder_rows).len(), 16, "the recording has them all");
    assert_eq!((b.sink.counts().samples, b.sink.counts().refused_by_loop), (16, 3));
}

#[test]
fn what_the_recorder_cannot_take_is_told() {
    let mut b = bench(100, 10, 100);
    b.sink.accept(1, &stamps(0, 14), &values(0, 14));
    let recorded = drain_rows(&mut b.recorder_rows);
    assert_eq!(recorded.len(), 10);
    assert_eq!(drain_rows(&mut b.loop_rows).len(), 14, "the loop does not suffer from it");
    let notices = notices(&drain(&mut b.events));
    assert_eq!((notices[0].kind, notices[0].count), (NoticeKind::RingFull, 4));
    assert_eq!(b.sink.counts().refused_by_recorder, 4);
}

#[test]
fn events_that_were_refused_are_owned_up_to() {
    let mut b = bench(100, 100, 2);
    for i in 0..5 {
        b.sink.accept(i as i64, &stamps(i, 1), &values(i, 1));
    }
    assert_eq!(b.sink.counts().refused_events, 3);
    assert_eq!(chunks(&drain(&mut b.events)).len(), 2);
    b.sink.accept(5, &stamps(5, 1), &values(5, 1));
    let events = drain(&mut b.events);
    assert_eq!((notices(&events)[0].kind, notices(&events)[0].count), (NoticeKind::RingFull, 3));
    assert_eq!(chunks(&events)[0].first_sample, 5);
    assert_eq!(b.sink.counts().refused_events, 0);
}

#[test]
fn values_that_are_no_numbers_pass_and_are_counted() {
    let mut b = bench(100, 100, 100);
    let mut values = values(0, 6);
    values[2 * CHANNELS + 1] = f64::NAN;
    values[4 * CHANNELS] = f64::NEG_INFINITY;
    values[4 * CHANNELS + 2] = f64::NAN;
    b.sink.accept(9, &stamps(0, 6), &values);
    let told = notices(&drain(&mut b.events));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, told[0].count, told[0].value), (NoticeKind::NotFinite, 2, 1.0));
    assert_eq!((told[0].at_ns, told[0].source), (9, Some(SourceId(1))));
    let rows = drain_rows(&mut b.loop_rows);
    assert!(rows[2].1[1].is_nan() && rows[4].1[0] == f64::NEG_INFINITY);
}

#[test]
fn a_gap_in_the_stamps_is_told_with_its_size() {
    let mut b = bench(10_000, 10_000, 10_000);
    b.sink.accept(1, &stamps(0, 1000), &values(0, 1000));
    b.sink.accept(2, &stamps(1025, 1000), &values(1025, 1000));
    b.sink.finish(3);
    let told = notices(&drain(&mut b.events));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, told[0].count), (NoticeKind::SamplesLost, 25));
    assert_eq!(b.sink.counts().lost, 25);
    assert_eq!(drain_rows(&mut b.loop_rows)[1000].0.index, 1000, "indices count what arrived");
}

#[test]
fn stamps_that_go_back_or_far_forward_are_told_once_a_chunk() {
    let mut b = bench(1000, 1000, 1000);
    let mut stamps_s = stamps(0, 10);
    stamps_s[4] -= 0.25;
    stamps_s[9] += 100.0;
    b.sink.accept(1, &stamps_s, &values(0, 10));
    let told = notices(&drain(&mut b.events));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, NoticeKind::StampJump);
    assert_eq!(told[0].count, 100_004_000_000, "the largest of the chunk");
    assert_eq!(b.sink.counts().jumps, 2);

    let mut b = bench(10, 10, 10);
    b.sink.accept(77, &[f64::NAN], &[0.0; CHANNELS]);
    let told = notices(&drain(&mut b.events));
    assert_eq!((told[0].kind, told[0].count), (NoticeKind::StampJump, 0));
    let (head, _) = drain_rows(&mut b.loop_rows)[0];
    assert!(head.stamp_s.is_nan(), "raw time is kept");
    assert_eq!(head.at_ns, 77);
}

#[test]
fn the_clock_offset_moves_the_instant_and_not_the_stamp() {
    let mut b = bench(10, 10, 10);
    b.sink.set_clock_offset(5, -1_000_000);
    b.sink.accept(6, &[2.0], &[0.0; CHANNELS]);
    let (head, _) = drain_rows(&mut b.recorder_rows)[0];
    assert_eq!((head.stamp_s, head.at_ns), (2.0, 1_999_000_000));
    let events = drain(&mut b.events);
    assert!(matches!(events[0], Event::ClockOffset(o) if (o.at_ns, o.offset_ns) == (5, -1_000_000)));
    assert_eq!(chunks(&events)[0].offset_ns, -1_000_000);
}

#[test]
fn markers_carry_their_codes_and_their_texts() {
    let ((loop_markers, mut to_loop), (events, mut to_recorder)) = (ring::<Marker>(2), ring::<Event>(16));
    let (texts, received) = crossbeam_channel::bounded::<TextMarker>(2);
    let codes = [("cue_13".to_owned(), 1)].into_iter().collect();
    let mut sink = MarkerSink::new(SourceId(2), codes, MarkerPorts { loop_markers, events, texts });
    for (i, text) in ["cue_13", "cue_99", "cue_13"].iter().enumerate() {
        sink.accept(i as i64, 1.0 + i as f64, (*text).to_owned());
    }
    let markers = drain(&mut to_loop);
    assert_eq!(
        markers.iter().map(|m| (m.index, m.code, m.at_ns)).collect::<Vec<_>>(),
        [(0, Some(1), 1_000_000_000), (1, None, 2_000_000_000)]
    );
    let texts: Vec<TextMarker> = received.try_iter().collect();
    assert_eq!(texts[1].text, "cue_99");
    assert_eq!((texts[1].source, texts[1].index, texts[1].stamp_s), (SourceId(2), 1, 2.0));
    let events = drain(&mut to_recorder);
    assert_eq!(notices(&events).len(), 1, "both refusals of the third in one");
    assert_eq!(notices(&events)[0].count, 2);
    let counts = sink.counts();
    assert_eq!((counts.markers, counts.unnamed), (3, 1));
    assert_eq!((counts.refused_by_loop, counts.refused_by_recorder), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any chunking gives the same rows, with contiguous indices, and the same counts.
    #[test]
    fn chunking_does_not_matter(
        cuts in prop::collection::vec(1usize..60, 1..60),
        lost_at in 1usize..400,
        lost in 0usize..40,
        bad in prop::collection::vec(0usize..1200, 0..5),
    ) {
        let total = 400;
        let mut stamps_s = stamps(0, lost_at);
        stamps_s.extend(stamps(lost_at + lost, total - lost_at));
        let mut values = values(0, total);
        for &at in &bad {
            values[at] = f64::NAN;
        }
        let run = |cuts: &[usize]| {
            let mut b = bench(total, total, 4 * total);
            let mut first = 0;
            for cut in cuts.iter().cycle() {
                let end = (first + cut).min(total);
                b.sink.accept(end as i64, &stamps_s[first..end], &values[first * CHANNELS..end * CHANNELS]);
                first = end;
                if first == total {
                    break;
                }
            }
            b.sink.finish(0);
            let bits = |rows: Vec<(timeline::ring::RowHead, Vec<f64>)>| -> Vec<Vec<u64>> {
                let row = |(head, row): (timeline::ring::RowHead, Vec<f64>)| {
                    let head = [head.index, head.stamp_s.to_bits(), head.at_ns as u64];
                    head.into_iter().chain(row.into_iter().map(f64::to_bits)).collect()
                };
                rows.into_iter().map(row).collect()
            };
            let chunks = chunks(&drain(&mut b.events));
            (bits(drain_rows(&mut b.loop_rows)), bits(drain_rows(&mut b.recorder_rows)), chunks, b.sink.counts())
        };
        let (loop_rows, recorder_rows, chunks, counts) = run(&cuts);
        let (whole_loop, whole_recorder, _, whole_counts) = run(&[total]);
        prop_assert_eq!(&loop_rows, &whole_loop);
        prop_assert_eq!(&recorder_rows, &whole_recorder);
        let contiguous = loop_rows.iter().enumerate().all(|(i, row)| row[0] == i as u64);
        prop_assert!(contiguous);
        let mut next = 0;
        for chunk in chunks {
            prop_assert_eq!(chunk.first_sample, next);
            next += u64::from(chunk.count);
        }
        prop_assert_eq!(next, total as u64);
        prop_assert_eq!(acquisition::SinkCounts { chunks: 0, ..counts }, acquisition::SinkCounts { chunks: 0, ..whole_counts });
    }
}
