//! Records of steering: what the loop asks of the planner, what it is answered, and what came of each picture.

use crate::row::{Columns, Row, RowError, index_column};

/// Channels of which a request can tell the amplitude.
pub const CHANNELS: usize = 8;

/// Complex amplitude [real, imaginary] per channel, in the order of the stream.
pub type Amplitudes = [[f64; 2]; CHANNELS];

/// No channel was measured.
pub const NOT_MEASURED: Amplitudes = [[f64::NAN; 2]; CHANNELS];

/// The state (s0) in which a presentation met the brain, as it was forecast for its first photon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateAtOnset {
    /// Phase of the rhythm in radians: 0 at the positive peak of the signal, pi at its trough.
    pub phase_rad: f64,
    /// Mean resultant length that phases forecast with this certainty have about their truth, 0..=1; 0 where the phase is not
    /// known.
    pub resultant: f64,
    /// Power in the band over its running baseline, above 0; anything else where it is not known.
    pub power: f64,
}

impl StateAtOnset {
    /// Nobody looked.
    pub const UNKNOWN: Self = Self { phase_rad: f64::NAN, resultant: 0.0, power: f64::NAN };
}

/// The loop asks for the next picture and says what the one before did. Every request must arrive: the planner's model of
/// the brain is made of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn that asked.
    pub turn: u64,
    /// `now` of that turn.
    pub at_ns: i64,
    /// The presentation that it reports, if there was one before.
    pub presentation: Option<u64>,
    /// The picture that was shown in it.
    pub picture: Option<u64>,
    /// What was measured, in the decoder's unit; not a number where nothing could be.
    pub value: f64,
    /// Standard error of `value`.
    pub spread: f64,
    /// The same window before any spatial filter: amplitude and phase at the response frequency of the first channels of the
    /// stream. Not a number where nothing was measured or there is no such channel; 0 in recordings older than the column.
    pub amplitudes: Amplitudes,
    /// The state in which that presentation began; all 0, which is unknown, in recordings older than the columns.
    pub state: StateAtOnset,
}

impl Request {
    /// Asks for the first picture of a session.
    pub const fn first(at_ns: i64) -> Self {
        Self {
            index: 0,
            turn: 0,
            at_ns,
            presentation: None,
            picture: None,
            value: f64::NAN,
            spread: f64::NAN,
            amplitudes: NOT_MEASURED,
            state: StateAtOnset::UNKNOWN,
        }
    }
}

/// Why the planner proposes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A probe with the statistics of natural images.
    ProbeNatural,
    /// A Gabor probe.
    ProbeGabor,
    /// The model is unsure of what this picture does, and it might be much.
    Explore,
    /// What the model believes to be best.
    Exploit,
    /// A picture that did well, shown again: the brain picks among the model's candidates.
    Repeat,
    /// The model's predictions have failed: a variation of what did best, whatever the model says.
    Fallback,
    /// A part of the visual field, to find the topography of the population that sees it.
    Localiser,
    /// The picture whose response is the baseline.
    Reference,
    /// A picture that was prepared beforehand, chosen for what it will do.
    Prepared,
}

impl Purpose {
    const ALL: [Purpose; 9] = [
        Self::ProbeNatural,
        Self::ProbeGabor,
        Self::Explore,
        Self::Exploit,
        Self::Repeat,
        Self::Fallback,
        Self::Localiser,
        Self::Reference,
        Self::Prepared,
    ];

    /// A short lower-case name, as it stands in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProbeNatural => "natural probe",
            Self::ProbeGabor => "Gabor probe",
            Self::Explore => "explore",
            Self::Exploit => "exploit",
            Self::Repeat => "repeat",
            Self::Fallback => "fallback",
            Self::Localiser => "localiser",
            Self::Reference => "reference",
            Self::Prepared => "prepared",
        }
    }
}

/// What the planner answers: recorded input of the loop, so that a replay needs no planner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The request that it answers.
    pub request: u64,
    /// When the planner handed it over.
    pub at_ns: i64,
    /// The picture to show. Its texels went ahead to the display and the recording.
    pub picture: u64,
    /// Why this one.
    pub purpose: Purpose,
    /// The first 8 bytes of the SHA-256 of the picture's texels (f32, little-endian).
    pub hash: u64,
    /// Optimiser steps that were made for it.
    pub iterations: u32,
    /// Response that the model predicts, in the decoder's unit, before it is shown.
    pub predicted: f64,
    /// Standard deviation of that prediction, without the measurement's noise.
    pub predicted_sd: f64,
    /// The picture that the planner would show if this were the end: what its knowledge comes to.
    pub incumbent: u64,
}

/// One picture on the screen, and what the decoder made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Presentation {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The answer (by its request) that proposed it.
    pub request: u64,
    /// The picture.
    pub picture: u64,
    /// The command that began it.
    pub command: u64,
    /// When that command was issued.
    pub begin_ns: i64,
    /// When the command that ended it was issued.
    pub end_ns: i64,
    /// The decision that measured it; `None` where no window lay within it.
    pub decision: Option<u64>,
}

impl Row for Request {
    const STREAM: &'static str = "photic-requests";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "at_ns",
        "presentation",
        "picture",
        "value_f64",
        "spread_f64",
        "re_0_f64",
        "im_0_f64",
        "re_1_f64",
        "im_1_f64",
        "re_2_f64",
        "im_2_f64",
        "re_3_f64",
        "im_3_f64",
        "re_4_f64",
        "im_4_f64",
        "re_5_f64",
        "im_5_f64",
        "re_6_f64",
        "im_6_f64",
        "re_7_f64",
        "im_7_f64",
        "phase_rad_f64",
        "resultant_f64",
        "power_f64",
    ];
    const OLDEST_COLUMNS: usize = 7;

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.at_ns);
        put(index_column(self.presentation));
        put(index_column(self.picture));
        put(self.value.to_bits() as i64);
        put(self.spread.to_bits() as i64);
        self.amplitudes.as_flattened().iter().for_each(|part| put(part.to_bits() as i64));
        let StateAtOnset { phase_rad, resultant, power } = self.state;
        [phase_rad, resultant, power].into_iter().for_each(|part| put(part.to_bits() as i64));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            at_ns: c.i64(),
            presentation: c.optional_index()?,
            picture: c.optional_index()?,
            value: c.f64(),
            spread: c.f64(),
            amplitudes: core::array::from_fn(|_| [c.f64(), c.f64()]),
            state: StateAtOnset { phase_rad: c.f64(), resultant: c.f64(), power: c.f64() },
        })
    }
}

impl Row for Answer {
    const STREAM: &'static str = "photic-answers";
    const COLUMNS: &'static [&'static str] = &[
        "request",
        "at_ns",
        "picture",
        "purpose",
        "hash",
        "iterations",
        "predicted_f64",
        "predicted_sd_f64",
        "incumbent",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.request as i64);
        put(self.at_ns);
        put(self.picture as i64);
        put(self.purpose as i64);
        put(self.hash as i64);
        put(i64::from(self.iterations));
        put(self.predicted.to_bits() as i64);
        put(self.predicted_sd.to_bits() as i64);
        put(self.incumbent as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            request: c.int()?,
            at_ns: c.i64(),
            picture: c.int()?,
            purpose: {
                let code = c.i64();
                let purpose = usize::try_from(code).ok().and_then(|code| Purpose::ALL.get(code).copied());
                purpose.ok_or_else(|| c.refuse(code))?
            },
            hash: c.i64() as u64,
            iterations: c.int()?,
            predicted: c.f64(),
            predicted_sd: c.f64(),
            incumbent: c.int()?,
        })
    }
}

impl Row for Presentation {
    const STREAM: &'static str = "photic-presentations";
    const COLUMNS: &'static [&'static str] =
        &["index", "request", "picture", "command", "begin_ns", "end_ns", "decision"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.request as i64);
        put(self.picture as i64);
        put(self.command as i64);
        put(self.begin_ns);
        put(self.end_ns);
        put(index_column(self.decision));
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            request: c.int()?,
            picture: c.int()?,
            command: c.int()?,
            begin_ns: c.i64(),
            end_ns: c.i64(),
            decision: c.optional_index()?,
        })
    }
}
