//! The closed set of records. Each names its cause: photon <- flip <- command <- decision <- sample range.

use crate::drawn::{Attenuation, Drawn};
use crate::notice::Notice;
use crate::onset::{LatentRhythm, Onset};
use crate::outside::{Reply, State};
use crate::response::{Attempt, Response};
use crate::row::{Columns, Row, RowError, index_column};
use crate::shown::{Command, Flip, Published};
use crate::steering::{Answer, Presentation, Request};
use crate::trial::{Score, Trial};

/// The most sources (inlets) that one session can have.
pub const MAX_SOURCES: usize = 4;

/// Which source (inlet) of the session, in the order of the protocol's `[stream.*]` tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u16);

/// What a decoder concluded from a range of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn in which it was taken.
    pub turn: u64,
    /// `now` of that turn.
    pub decided_ns: i64,
    /// The source of the samples.
    pub source: SourceId,
    /// First sample of the range.
    pub first_sample: u64,
    /// One past the last sample of the range.
    pub end_sample: u64,
    /// The measured quantity, in the decoder's unit (uV for an amplitude, canonical correlation for CCA).
    pub value: f64,
    /// Its standard error (amplitude) or its margin over the runner-up (class), in the same unit.
    pub spread: f64,
    /// The set point that holds at this instant, if there is one.
    pub set_point: Option<f64>,
    /// The class decided, if the decoder classifies; 0 is rest.
    pub label: Option<u32>,
    /// The class cued, if a cue started this epoch.
    pub cue: Option<u32>,
}

/// A chunk of samples as it came out of an inlet. Samples themselves travel in rows (see [`crate::ring::rows`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chunk {
    /// The source.
    pub source: SourceId,
    /// Index of the chunk's first sample.
    pub first_sample: u64,
    /// Number of samples.
    pub count: u32,
    /// When the inlet had it.
    pub arrival_ns: i64,
    /// What has to be added to the source's stamps to reach this machine's clock (0 on the same host).
    pub offset_ns: i64,
    /// Samples of this chunk that the loop's ring refused because it was full (all or none).
    pub refused: u32,
}

/// A labelled instant from a marker stream, or from the run itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marker {
    /// The source.
    pub source: SourceId,
    /// 0, 1, 2 ... in this source.
    pub index: u64,
    /// The instant it names, on this machine's clock.
    pub at_ns: i64,
    /// When the inlet had it.
    pub arrival_ns: i64,
    /// The protocol's code for its text; `None` when the protocol does not name it.
    pub code: Option<u32>,
}

/// One measurement of the offset between a source's clock and this machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockOffset {
    /// The source.
    pub source: SourceId,
    /// When it was measured, on this machine's clock.
    pub at_ns: i64,
    /// What has to be added to the source's stamps.
    pub offset_ns: i64,
}

/// What one turn of the loop took from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Take {
    /// One past the last sample (or marker) taken so far.
    pub end: u64,
    /// Samples passed over in this turn, oldest first, because they were too old or the ring had refused them.
    pub skipped: u64,
}

/// The unit of replay: one call of the loop's step, with all it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The instant it was handed.
    pub now_ns: i64,
    /// Flips taken so far.
    pub flips_end: u64,
    /// Whether the operator (Esc, Ctrl-C, end of `--seconds`) asked for the end.
    pub stop: bool,
    /// Whether the operator held the dead-man key; `false` in recordings of format version 1, which knew none.
    pub held: bool,
    /// Per source, in the order of [`SourceId`].
    pub takes: [Take; MAX_SOURCES],
    /// The planner's answers taken so far.
    pub answers_end: u64,
    /// Replies of a program outside taken so far.
    pub replies_end: u64,
    /// Responses taken so far.
    pub responses_end: u64,
}

/// What the simulated participant's brain really did, without noise. Recorded for the judge, never seen by the loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latent {
    /// The instant.
    pub at_ns: i64,
    /// Noise-free amplitude at the response frequency, at Oz (the participant's reference; give `report_channel = "Oz"` to
    /// compare).
    pub response_uv: f64,
    /// The participant's gain at this instant, relative to the nominal person.
    pub gain: f64,
    /// The contrast that the participant's retina saw.
    pub contrast_seen: f64,
}

/// Everything that a thread can tell the recorder, as one type, so that one ring per thread suffices.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Event {
    Command(Command),
    Published(Published),
    Decision(Decision),
    Flip(Flip),
    Chunk(Chunk),
    Marker(Marker),
    ClockOffset(ClockOffset),
    Turn(Turn),
    Latent(Latent),
    LatentRhythm(LatentRhythm),
    Onset(Onset),
    Request(Request),
    Answer(Answer),
    Presentation(Presentation),
    State(State),
    Reply(Reply),
    Trial(Trial),
    Score(Score),
    Drawn(Drawn),
    Attenuation(Attenuation),
    Response(Response),
    Attempt(Attempt),
    Notice(Notice),
}

impl Row for Decision {
    const STREAM: &'static str = "photic-decisions";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "decided_ns",
        "source",
        "first_sample",
        "end_sample",
        "value_f64",
        "spread_f64",
        "has_set_point",
        "set_point_f64",
        "label",
        "cue",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.decided_ns);
        put(i64::from(self.source.0));
        put(self.first_sample as i64);
        put(self.end_sample as i64);
        put(self.value.to_bits() as i64);
        put(self.spread.to_bits() as i64);
        put(i64::from(self.set_point.is_some()));
        put(self.set_point.unwrap_or(0.0).to_bits() as i64);
        put(index_column(self.label.map(u64::from)));
        put(index_column(self.cue.map(u64::from)));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            decided_ns: c.i64(),
            source: SourceId(c.int()?),
            first_sample: c.int()?,
            end_sample: c.int()?,
            value: c.f64(),
            spread: c.f64(),
            set_point: {
                let has = c.i64();
                if !(0..=1).contains(&has) {
                    return Err(c.refuse(has));
                }
                let value = c.f64();
                (has == 1).then_some(value)
            },
            label: c.optional_index()?.map(|label| label as u32),
            cue: c.optional_index()?.map(|cue| cue as u32),
        })
    }
}

impl Row for Chunk {
    const STREAM: &'static str = "photic-chunks";
    const COLUMNS: &'static [&'static str] =
        &["source", "first_sample", "count", "arrival_ns", "offset_ns", "refused"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(i64::from(self.source.0));
        put(self.first_sample as i64);
        put(i64::from(self.count));
        put(self.arrival_ns);
        put(self.offset_ns);
        put(i64::from(self.refused));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            source: SourceId(c.int()?),
            first_sample: c.int()?,
            count: c.int()?,
            arrival_ns: c.i64(),
            offset_ns: c.i64(),
            refused: c.int()?,
        })
    }
}

impl Row for Marker {
    const STREAM: &'static str = "photic-markers";
    const COLUMNS: &'static [&'static str] = &["source", "index", "at_ns", "arrival_ns", "code"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(i64::from(self.source.0));
        put(self.index as i64);
        put(self.at_ns);
        put(self.arrival_ns);
        put(index_column(self.code.map(u64::from)));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            source: SourceId(c.int()?),
            index: c.int()?,
            at_ns: c.i64(),
            arrival_ns: c.i64(),
            code: c.optional_index()?.map(|code| code as u32),
        })
    }
}

impl Row for ClockOffset {
    const STREAM: &'static str = "photic-clock-offsets";
    const COLUMNS: &'static [&'static str] = &["source", "at_ns", "offset_ns"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(i64::from(self.source.0));
        put(self.at_ns);
        put(self.offset_ns);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self { source: SourceId(c.int()?), at_ns: c.i64(), offset_ns: c.i64() })
    }
}

impl Row for Turn {
    const STREAM: &'static str = "photic-turns";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "now_ns",
        "flips_end",
        "stop",
        "end_0",
        "skipped_0",
        "end_1",
        "skipped_1",
        "end_2",
        "skipped_2",
        "end_3",
        "skipped_3",
        "held",
        "answers_end",
        "replies_end",
        "responses_end",
    ];
    const OLDEST_COLUMNS: usize = 12;

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.now_ns);
        put(self.flips_end as i64);
        put(i64::from(self.stop));
        for take in self.takes {
            put(take.end as i64);
            put(take.skipped as i64);
        }
        put(i64::from(self.held));
        put(self.answers_end as i64);
        put(self.replies_end as i64);
        put(self.responses_end as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        let mut turn = Self {
            index: c.int()?,
            now_ns: c.i64(),
            flips_end: c.int()?,
            stop: c.flag()?,
            held: false,
            takes: [Take::default(); MAX_SOURCES],
            answers_end: 0,
            replies_end: 0,
            responses_end: 0,
        };
        for take in &mut turn.takes {
            *take = Take { end: c.int()?, skipped: c.int()? };
        }
        turn.held = c.flag()?;
        turn.answers_end = c.int()?;
        turn.replies_end = c.int()?;
        turn.responses_end = c.int()?;
        Ok(turn)
    }
}

impl Row for Latent {
    const STREAM: &'static str = "photic-latent";
    const COLUMNS: &'static [&'static str] = &["at_ns", "response_uv_f64", "gain_f64", "contrast_seen_f64"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.at_ns);
        put(self.response_uv.to_bits() as i64);
        put(self.gain.to_bits() as i64);
        put(self.contrast_seen.to_bits() as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self { at_ns: c.i64(), response_uv: c.f64(), gain: c.f64(), contrast_seen: c.f64() })
    }
}
