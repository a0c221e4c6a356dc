//! The streams of the session's file, and what waits for each.

use timeline::{
    Answer, Attempt, Attenuation, Chunk, ClockOffset, Command, Decision, Drawn, Event, Flip, Latent,
    LatentRhythm, Marker, Notice, Onset, Presentation, Published, Reply, Request, Response, Row, Score,
    State, Trial, Turn, s_from_ns,
};

use super::{ROLE, ROLE_PICTURES, ROLE_RECORDS};
use crate::xdf::{Channel, Ended, Format, SampleBlock, Sink, StreamHeader, StreamId, WidthError, Writer};

/// Name of the stream of pictures.
const PICTURES: &str = "photic-pictures";

/// A block goes out early when it has grown to this.
const LARGE_BLOCK: usize = 1 << 15;

/// One stream.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) id: StreamId,
    pub(super) channels: usize,
    pub(super) block: SampleBlock,
    taken: u64,
    pub(super) refused: u64,
    pub(super) out_of_order: u64,
}

/// One stream per record type, causes before effects.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) lanes: [Lane; Kind::COUNT],
}

macro_rules! records {
    ($($kind:ident at $instant:ident,)+) => {
        enum Kind {
            $($kind),+
        }

        impl Kind {
            const COUNT: usize = [$(Self::$kind),+].len();
        }

        impl Records {
            pub(super) fn start<S: Sink>(writer: &mut Writer<S>) -> Result<Self, Ended> {
                Ok(Self { lanes: [$(Lane::of::<$kind, S>(writer)?),+] })
            }

            /// Appends a record to its stream.
            pub(super) fn push(&mut self, event: &Event) -> &mut Lane {
                match event {
                    $(Event::$kind(record) => self.lanes[Kind::$kind as usize].push(record.$instant, record),)+
                }
            }
        }
    };
}

// With the instant that aligns a record with other streams. A file that is torn ends with effects whose causes it has.
records! {
    Chunk at arrival_ns,
    ClockOffset at at_ns,
    Marker at at_ns,
    Flip at onset_ns,
    Latent at at_ns,
    LatentRhythm at at_ns,
    Notice at at_ns,
    Answer at at_ns,
    Reply at at_ns,
    Response at at_ns,
    Attenuation at at_ns,
    Decision at decided_ns,
    Onset at sample_ns,
    Command at issued_ns,
    Published at at_ns,
    Request at at_ns,
    Presentation at begin_ns,
    State at at_ns,
    Trial at end_ns,
    Score at at_ns,
    Drawn at at_ns,
    Attempt at off_ns,
    Turn at now_ns,
}

impl Lane {
    pub(super) fn add<S: Sink>(writer: &mut Writer<S>, header: &StreamHeader) -> Result<Self, Ended> {
        let id = writer.add_stream(header)?;
        Ok(Self {
            name: header.name.clone(),
            id,
            channels: header.channel_count,
            block: SampleBlock::new(id, header.format, header.channel_count),
            taken: 0,
            refused: 0,
            out_of_order: 0,
        })
    }

    fn of<T: Row, S: Sink>(writer: &mut Writer<S>) -> Result<Self, Ended> {
        let mut header = StreamHeader::new(T::STREAM, "photic", T::COLUMNS.len(), 0.0, Format::Int64);
        header.fields.push((ROLE.into(), ROLE_RECORDS.into()));
        header.channels =
            T::COLUMNS.iter().map(|name| Channel { label: (*name).into(), ..Channel::default() }).collect();
        Self::add(writer, &header)
    }

    /// Pictures: one sample each, texels as channels.
    pub(super) fn of_pictures<S: Sink>(writer: &mut Writer<S>, texels: usize) -> Result<Self, Ended> {
        let mut header = StreamHeader::new(PICTURES, "photic", texels, 0.0, Format::Float32);
        header.fields.push((ROLE.into(), ROLE_PICTURES.into()));
        Self::add(writer, &header)
    }

    /// Appends a record; its XDF stamp only aligns it with other streams, the exact instant is in its columns.
    fn push<T: Row>(&mut self, at_ns: i64, record: &T) -> &mut Self {
        /// More columns than any record has.
        const MOST: usize = 32;
        let (mut columns, mut used) = ([0_i64; MOST], 0);
        record.write(&mut |number| {
            if let Some(column) = columns.get_mut(used) {
                *column = number;
                used += 1;
            }
        });
        let taken = self.block.push_ints(s_from_ns(at_ns), &columns[..used]);
        self.count(taken, None);
        self
    }

    pub(super) fn count(&mut self, taken: Result<(), WidthError>, index: Option<u64>) {
        self.out_of_order += u64::from(index.is_some_and(|index| index != self.taken));
        self.taken += 1;
        self.refused += u64::from(taken.is_err());
    }

    pub(super) fn write_if_large<S: Sink>(&mut self, writer: &mut Writer<S>) -> Result<(), Ended> {
        if self.block.bytes() < LARGE_BLOCK { Ok(()) } else { writer.write_block(&mut self.block) }
    }
}
