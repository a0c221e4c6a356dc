//! The two carriers under load, and the records' way through `i64` columns and back.

use proptest::prelude::*;
use timeline::ring::{RowHead, ring, rows};
use timeline::{latest::latest, *};

fn columns(record: &impl Row) -> Vec<i64> {
    let mut row = Vec::new();
    record.write(&mut |value| row.push(value));
    row
}

fn survives<T: Row + PartialEq + std::fmt::Debug>(record: T) {
    let row = columns(&record);
    assert_eq!(row.len(), T::COLUMNS.len(), "{}", T::STREAM);
    assert_eq!(T::read(&row), Ok(record), "{}", T::STREAM);
    assert!(T::read(&row[..T::OLDEST_COLUMNS - 1]).is_err(), "{}: a short row must be refused", T::STREAM);
}

/// Recordings of format version 1 have no `held`.
#[test]
fn a_turn_of_an_older_recording_is_read() {
    let turn = Turn {
        index: 3,
        now_ns: 4,
        flips_end: 5,
        stop: true,
        held: false,
        takes: Default::default(),
        answers_end: 0,
        replies_end: 0,
        responses_end: 0,
    };
    let mut row = Vec::new();
    turn.write(&mut |value| row.push(value));
    assert_eq!(Turn::read(&row[..12]), Ok(turn));
    assert!(Turn::read(&row[..11]).is_err());
    row[12] = 1;
    assert_eq!(Turn::read(&row), Ok(Turn { held: true, ..turn }));
    row[12] = 2;
    assert!(Turn::read(&row).unwrap_err().to_string().contains("held"));
    row.push(0);
    assert!(Turn::read(&row).is_err());
}

proptest! {
    #[test]
    fn every_record_survives_its_row(a in any::<i64>(), n in 0u64..1 << 62, small in any::<u16>(), x in -1e12f64..1e12,
                                     some in any::<bool>()) {
        let source = SourceId(small);
        survives(Command { index: n, turn: n / 2, issued_ns: a, decision: some.then_some(n), scene: SceneId(small),
            contrast: Ramp { from: x, to: -x, start_ns: a, end_ns: a }, picture: some.then_some(n), not_before_ns: -a });
        survives(Published { command: n, at_ns: a });
        survives(Decision { index: n, turn: n, decided_ns: a, source, first_sample: n, end_sample: n + 1, value: x,
            spread: -x, set_point: some.then_some(x), label: some.then_some(3), cue: (!some).then_some(7) });
        survives(Flip { frame: n, onset_ns: a, class: OnsetClass::Predicted, submitted_ns: a, command: some.then_some(n),
            scene: SceneId(small), contrast: x, missed: u32::from(small), late: -i32::from(small), replaces: some, veil: if some { 1.0 } else { 0.25 },
            gaze: some.then_some(Gaze { at_ns: a | 1, offset_px: [x, -x] }) });
        survives(Chunk { source, first_sample: n, count: 8, arrival_ns: a, offset_ns: a, refused: 0 });
        survives(Marker { source, index: n, at_ns: a, arrival_ns: a, code: some.then_some(2) });
        survives(ClockOffset { source, at_ns: a, offset_ns: a });
        survives(Turn { index: n, now_ns: a, flips_end: n, stop: some, held: !some, takes: [Take { end: n, skipped: n }; MAX_SOURCES], answers_end: n, replies_end: n, responses_end: n });
        survives(State { index: n, turn: n, at_ns: a, decision: n, value: x, spread: x, set_point: x,
            contrast: x, window_ns: [a, a] });
        survives(Reply { index: n, at_ns: a, state: x, value: x, spread: x });
        survives(Latent { at_ns: a, response_uv: x, gain: x, contrast_seen: x });
        survives(LatentRhythm { at_ns: a, re_uv: x, im_uv: -x });
        survives(Onset { index: n, turn: n, command: some.then_some(n), source, end_sample: n, sample_ns: a, photon_ns: a,
            phase_rad: x, resultant: x, power: x, quiet: some.then_some(false), wanted_rad: (!some).then_some(x),
            waited_ns: a, outcome: OnsetOutcome::Skipped });
        survives(Request { index: n, turn: n, at_ns: a, presentation: some.then_some(n), picture: (!some).then_some(n),
            value: x, spread: -x, amplitudes: [[x, -x]; CHANNELS],
            state: StateAtOnset { phase_rad: x, resultant: -x, power: x } });
        survives(Answer { request: n, at_ns: a, picture: n, purpose: Purpose::Fallback, hash: a as u64,
            iterations: u32::from(small), predicted: x, predicted_sd: -x, incumbent: n });
        survives(Presentation { index: n, request: n, picture: n, command: n, begin_ns: a, end_ns: a,
            decision: some.then_some(n) });
        survives(Trial { index: n, turn: n, block: n, command: n, scene: SceneId(small), choice: n, contrast: x, begin_ns: a,
            end_ns: a, decision: some.then_some(n), marker: (!some).then_some(n), value: x, spread: -x,
            outcome: TrialOutcome::Yes, estimate: x, estimate_sd: -x });
        survives(Score { index: n, turn: n, at_ns: a, decision: n, block: n, score: x, threshold: -x, baseline_uv: x,
            baseline_sd_uv: -x, outcome: ScoreOutcome::Frozen });
        survives(Drawn { frame: n, at_ns: a, checksum: [n, a as u64], shown: 2, gain: u32::from(small), broken: 3 });
        survives(Response { index: n, at_ns: a, arrival_ns: a, queued_ns: a, device: Device::Hid, code: 288, pressed: some });
        survives(Attempt { index: n, turn: n, block: n, trial: n, repeat: n, condition: some.then_some(n), practice: some,
            begin_ns: a, command: some.then_some(n), frame: (!some).then_some(n), onset_ns: a, off_ns: a,
            response: some.then_some(n), marker: (!some).then_some(n), button: some.then_some(3), reaction_ns: a,
            correct: some.then_some(n % 2 == 0), outcome: AttemptOutcome::FixationBroken, again: !some,
            missed: u32::from(small) });
        survives(Notice { at_ns: a, kind: NoticeKind::ToGrey, source: some.then_some(source), count: a, value: x });
    }

    #[test]
    fn a_row_that_we_cannot_have_written_is_refused_and_names_its_column(code in 1000i64..i64::MAX) {
        let error = Notice::read(&[0, code, -1, 0, 0]).unwrap_err().to_string();
        prop_assert!(error.contains("`kind`") && error.contains(&code.to_string()), "{error}");
    }

    #[test]
    fn a_ramp_stays_between_its_ends(from in 0.0f64..1.0, to in 0.0f64..1.0, at in -10i64..110) {
        let value = Ramp { from, to, start_ns: 0, end_ns: 100 }.at(at);
        prop_assert!(value >= from.min(to) - 1e-15 && value <= from.max(to) + 1e-15);
    }
}

#[test]
fn a_full_ring_refuses_and_counts() {
    let (mut writer, mut reader) = ring::<u32>(2);
    assert!(writer.push(1) && writer.push(2) && !writer.push(3));
    assert_eq!((writer.refused(), reader.pop(), reader.waiting()), (1, Some(1), 1));
    drop(writer);
    assert!(!reader.is_finished());
    assert_eq!(reader.pop(), Some(2));
    assert!(reader.is_finished());
}

/// The regression: a stamp that shows before its values, or values of another row.
#[test]
fn a_row_is_never_seen_in_part() {
    const ROWS: u64 = 200_000;
    let (mut writer, mut reader) = rows(7, 5);
    let producer = std::thread::Builder::new()
        .name("producer".into())
        .spawn(move || {
            for index in 0..ROWS {
                let head = RowHead { index, stamp_s: index as f64, at_ns: index as i64 };
                while !writer.push(head, (0..5).map(|channel| (index * 5 + channel) as f64)) {
                    std::thread::yield_now();
                }
            }
        })
        .unwrap();
    let mut values = [0.0; 5];
    let mut next = 0;
    while next < ROWS {
        let Some(head) = reader.pop(&mut values) else {
            assert!(!reader.is_finished(), "the writer left after {next} rows");
            std::thread::yield_now();
            continue;
        };
        assert_eq!((head.index, head.stamp_s, head.at_ns), (next, next as f64, next as i64));
        assert!(
            values.iter().enumerate().all(|(c, &v)| v == (next * 5 + c as u64) as f64),
            "row {next}: {values:?}"
        );
        next += 1;
    }
    producer.join().unwrap();
}

#[test]
fn rows_can_be_passed_over() {
    let (mut writer, mut reader) = rows(4, 1);
    for index in 0..4 {
        assert!(writer.push(RowHead { index, stamp_s: 0.0, at_ns: 0 }, [index as f64]));
    }
    assert_eq!(reader.skip(3), 3);
    let mut value = [0.0];
    assert_eq!(reader.pop(&mut value).map(|head| head.index), Some(3));
    assert_eq!((value[0], reader.skip(9)), (3.0, 0));
}

#[test]
fn latest_gives_the_newest_value_or_the_first() {
    let (mut writer, mut reader) = latest(&0);
    assert_eq!(*reader.read(), 0);
    writer.publish(1);
    writer.publish(2);
    assert_eq!((*reader.read(), *reader.read()), (2, 2));
}

#[test]
fn the_clock_is_monotonic() {
    let first = clock::now_ns();
    assert!(first > 0 && clock::now_ns() >= first);
}
