//! From samples to measurements. A decoder sees the samples of its source one by one, each with its place on the
//! smoothed clock of the stream, and answers with [`Estimate`]s that name the samples they rest on.

mod calibration;
mod cca;
mod ssvep;

use signal::{Cascade, StampEvent, StampModel, StampPlan};
use timeline::{Amplitudes, NoticeKind, SourceId};

pub(crate) use calibration::Calibrated;
pub(crate) use cca::Listener;
pub(crate) use ssvep::Ssvep;

use crate::plan::{DecoderPlan, Plan, PrepareError};
use crate::turn::{Outputs, SourceInput};

/// What a decoder concluded, before the loop numbers and stamps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) spread: f64,
    pub(crate) first_sample: u64,
    pub(crate) end_sample: u64,
    /// Instants of the first sample and of the last, on the smoothed clock.
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    pub(crate) label: Option<u32>,
    pub(crate) cue: Option<u32>,
    /// Complex amplitude of the first channels at the response frequency, where there is one.
    pub(crate) amplitudes: Amplitudes,
}

/// A decoder. An enum: the set is closed and the hot path has no dynamic dispatch.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one value per session; boxing it would only add a hop per sample"
)]
pub(crate) enum Decoder {
    Ssvep(Ssvep),
    Cca(Listener),
}

impl Decoder {
    pub(crate) fn new(plan: &Plan, decoder: &DecoderPlan) -> Result<Self, PrepareError> {
        Ok(match decoder {
            DecoderPlan::SsvepAmplitude(ssvep) => Self::Ssvep(Ssvep::new(plan, ssvep)?),
            DecoderPlan::Cca(cca) => Self::Cca(Listener::new(plan, cca)?),
        })
    }

    pub(crate) fn reset(&mut self) {
        match self {
            Self::Ssvep(ssvep) => ssvep.reset(),
            Self::Cca(listener) => listener.reset(),
        }
    }

    pub(crate) fn source(&self) -> SourceId {
        match self {
            Self::Ssvep(ssvep) => ssvep.front.source,
            Self::Cca(listener) => listener.front.source,
        }
    }
}

/// The way in, the same for every decoder: holes are bridged, stamps smoothed, samples filtered.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) source: SourceId,
    /// Index of the next sample that would follow without a gap.
    next: Option<u64>,
    stamps: StampModel,
    filter: Cascade,
    /// Last finite value of each channel: holes in the data repeat it, so that the filter's state stays finite.
    bridge: Vec<f64>,
    row: Vec<f64>,
    fresh: bool,
}

/// One sample behind the front; its filtered values are in [`Front::row`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) index: u64,
    pub(crate) at_ns: i64,
    /// All its values were finite.
    pub(crate) whole: bool,
    /// It does not follow the sample before: windows must start again here.
    pub(crate) restarted: bool,
}

impl Front {
    pub(crate) fn new(source: SourceId, period_ns: f64, channels: usize, filter: Cascade) -> Self {
        Self {
            source,
            next: None,
            stamps: StampModel::new(StampPlan::samples(period_ns)),
            filter,
            bridge: vec![0.0; channels],
            row: vec![0.0; channels],
            fresh: true,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.next = None;
        self.stamps.reset();
        self.filter.reset();
        self.bridge.fill(0.0);
        self.fresh = true;
    }

    /// Filtered values of the sample taken last.
    pub(crate) fn row(&self) -> &[f64] {
        &self.row
    }

    /// Takes sample `n` of a run.
    pub(crate) fn take(
        &mut self,
        input: &SourceInput<'_>,
        n: usize,
        now_ns: i64,
        out: &mut Outputs,
    ) -> Sample {
        let index = input.first_sample + n as u64;
        let channels = self.row.len();
        let values = &input.values[n * channels..(n + 1) * channels];
        let (at_ns, event) = self.stamps.update(index, input.at_ns[n]);
        let mut restarted = self.next != Some(index);
        if let StampEvent::Jumped { by_ns } = event {
            out.notice(now_ns, NoticeKind::StampJump, Some(self.source), by_ns as i64, 0.0);
            restarted = true;
        }
        self.next = Some(index + 1);
        let mut whole = true;
        for (bridge, &value) in self.bridge.iter_mut().zip(values) {
            if value.is_finite() {
                *bridge = value;
            } else {
                whole = false;
            }
        }
        self.row.copy_from_slice(&self.bridge);
        if restarted || self.fresh {
            // The first sample is the best guess of the past; a hole in it must not settle the filter at zero.
            self.filter.settle(&self.row);
            self.fresh = !whole;
        }
        self.filter.step(&mut self.row);
        Sample { index, at_ns, whole, restarted }
    }
}

/// The sample source that a decoder names: its channels, rate and stamp period.
pub(crate) fn sample_source(plan: &Plan, source: SourceId) -> Result<(usize, f64, f64), PrepareError> {
    let found = plan.sources.get(usize::from(source.0)).filter(|found| !found.is_marker);
    let found = found.ok_or(PrepareError::Source {
        source_id: source.0,
        wanted: "samples",
        sources: plan.sources.len(),
    })?;
    Ok((found.channels, found.rate_hz, 1e9 / (found.rate_hz * found.time_scale)))
}
