//! Records of state-dependent onset: in which state a presentation met the brain, and the simulated brain's own.

use crate::SourceId;
use crate::row::{Columns, Row, RowError, index_column};

/// Why a presentation began when it did, or did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnsetOutcome {
    /// Nothing was waited for.
    Free,
    /// Every condition was met.
    Met,
    /// Not within the time allowed; it began all the same.
    TimedOut,
    /// Not within the time allowed; it was left out.
    Skipped,
}

impl OnsetOutcome {
    const ALL: [OnsetOutcome; 4] = [Self::Free, Self::Met, Self::TimedOut, Self::Skipped];

    /// Whether something was shown.
    pub const fn is_shown(self) -> bool {
        !matches!(self, Self::Skipped)
    }
}

/// One presentation that could have waited for a state, and the state (s0) that was forecast for its first photon: a
/// fitted response model may condition on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Onset {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn in which it was decided.
    pub turn: u64,
    /// The command that shows it; `None` when it was left out. The first flip of this command with contrast is the photon.
    pub command: Option<u64>,
    /// The source of the samples.
    pub source: SourceId,
    /// One past the last sample that the decision rests on.
    pub end_sample: u64,
    /// Instant of that last sample, on the smoothed clock of its stream.
    pub sample_ns: i64,
    /// The refresh at which the light was to leave the screen.
    pub photon_ns: i64,
    /// Phase of the rhythm forecast for `photon_ns`, in radians: 0 at the positive peak of the signal, pi at its trough.
    pub phase_rad: f64,
    /// Mean resultant length that phases forecast with this certainty have about their truth, 0..=1.
    pub resultant: f64,
    /// Power in the band over its running baseline; NaN while neither is known.
    pub power: f64,
    /// Whether the eyes were quiet; `None` when nobody looked.
    pub quiet: Option<bool>,
    /// The phase that was wanted.
    pub wanted_rad: Option<f64>,
    /// From the first instant at which it could have begun to `photon_ns`.
    pub waited_ns: i64,
    /// How the wait ended.
    pub outcome: OnsetOutcome,
}

/// The simulated participant's rhythm in the signal that onsets wait for: its true complex value, without noise. Recorded
/// for the judge, never seen by the loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatentRhythm {
    /// The instant.
    pub at_ns: i64,
    /// What of it is in the signal, in uV.
    pub re_uv: f64,
    /// The same a quarter of a cycle later.
    pub im_uv: f64,
}

impl Row for Onset {
    const STREAM: &'static str = "photic-onsets";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "command",
        "source",
        "end_sample",
        "sample_ns",
        "photon_ns",
        "phase_rad_f64",
        "resultant_f64",
        "power_f64",
        "quiet",
        "has_wanted",
        "wanted_rad_f64",
        "waited_ns",
        "outcome",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(index_column(self.command));
        put(i64::from(self.source.0));
        put(self.end_sample as i64);
        put(self.sample_ns);
        put(self.photon_ns);
        put(self.phase_rad.to_bits() as i64);
        put(self.resultant.to_bits() as i64);
        put(self.power.to_bits() as i64);
        put(self.quiet.map_or(-1, i64::from));
        put(i64::from(self.wanted_rad.is_some()));
        put(self.wanted_rad.unwrap_or(0.0).to_bits() as i64);
        put(self.waited_ns);
        put(self.outcome as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            command: c.optional_index()?,
            source: SourceId(c.int()?),
            end_sample: c.int()?,
            sample_ns: c.i64(),
            photon_ns: c.i64(),
            phase_rad: c.f64(),
            resultant: c.f64(),
            power: c.f64(),
            quiet: match c.i64() {
                -1 => None,
                0 => Some(false),
                1 => Some(true),
                other => return Err(c.refuse(other)),
            },
            wanted_rad: {
                let has = c.i64();
                if !(0..=1).contains(&has) {
                    return Err(c.refuse(has));
                }
                let value = c.f64();
                (has == 1).then_some(value)
            },
            waited_ns: c.i64(),
            outcome: {
                let code = c.i64();
                let outcome =
                    usize::try_from(code).ok().and_then(|code| OnsetOutcome::ALL.get(code).copied());
                outcome.ok_or_else(|| c.refuse(code))?
            },
        })
    }
}

impl Row for LatentRhythm {
    const STREAM: &'static str = "photic-latent-rhythm";
    const COLUMNS: &'static [&'static str] = &["at_ns", "re_uv_f64", "im_uv_f64"];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.at_ns);
        put(self.re_uv.to_bits() as i64);
        put(self.im_uv.to_bits() as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self { at_ns: c.i64(), re_uv: c.f64(), im_uv: c.f64() })
    }
}
