//! While an artefact lies in the decoder's window, the controller holds.

use timeline::{NoticeKind, SourceId};

use super::artefact::{Artefact, ArtefactPlan, ArtefactWatch};
use crate::decoder::Estimate;
use crate::plan::{Plan, PrepareError};
use crate::turn::{Outputs, SourceInput};

/// Segments with artefacts that are remembered: a window and a backlog of some seconds of them.
const MEMORY: usize = 512;

#[derive(Debug, Clone)]
pub(crate) struct Freeze {
    watch: ArtefactWatch,
    source: SourceId,
    channels: usize,
    /// Newest last, with the instant of its last sample.
    recent: Vec<(Artefact, i64)>,
    frozen_since_ns: Option<i64>,
}

impl Freeze {
    pub(crate) fn new(plan: &Plan, artefacts: ArtefactPlan, source: SourceId) -> Result<Self, PrepareError> {
        let (channels, rate_hz, _) = crate::decoder::sample_source(plan, source)?;
        let watch = ArtefactWatch::prepare(artefacts, channels, rate_hz)?;
        Ok(Self { watch, source, channels, recent: Vec::with_capacity(MEMORY), frozen_since_ns: None })
    }

    pub(crate) fn reset(&mut self) {
        self.watch.reset();
        self.recent.clear();
        self.frozen_since_ns = None;
    }

    /// Whether an artefact lies in the window of an estimate, without a notice.
    pub(crate) fn touches(&self, estimate: &Estimate) -> bool {
        self.within(estimate).is_some()
    }

    fn within(&self, estimate: &Estimate) -> Option<Artefact> {
        let within = |artefact: &&Artefact| {
            artefact.end_sample <= estimate.end_sample && artefact.end_sample > estimate.first_sample
        };
        self.recent.iter().rev().map(|(artefact, _)| artefact).find(within).copied()
    }

    /// Whether an artefact ends between two instants.
    pub(crate) fn any_between(&self, from_ns: i64, until_ns: i64) -> bool {
        self.recent.iter().rev().any(|(_, at_ns)| (from_ns..=until_ns).contains(at_ns))
    }

    /// Takes the samples of a turn.
    pub(crate) fn step(&mut self, sources: &[SourceInput<'_>]) {
        let Some(input) = sources.get(usize::from(self.source.0)) else { return };
        for n in 0..input.count(self.channels) {
            let row = &input.values[n * self.channels..(n + 1) * self.channels];
            let Some(artefact) = self.watch.step(input.first_sample + n as u64, row) else { continue };
            if self.recent.len() == MEMORY {
                self.recent.remove(0);
            }
            self.recent.push((artefact, input.at_ns[n]));
        }
    }

    /// Whether an artefact lies in the window of an estimate. Only segments that end with it or before count, so that
    /// the answer does not depend on how many samples came in one turn.
    pub(crate) fn holds(&mut self, estimate: &Estimate, now_ns: i64, out: &mut Outputs) -> bool {
        let found = self.within(estimate);
        match (found, self.frozen_since_ns) {
            (Some(artefact), None) => {
                self.frozen_since_ns = Some(estimate.end_ns);
                let kind = artefact.kind as i64;
                out.notice(now_ns, NoticeKind::Frozen, Some(self.source), kind, artefact.value_uv);
            }
            (None, Some(since_ns)) => {
                self.frozen_since_ns = None;
                out.notice(now_ns, NoticeKind::Thawed, Some(self.source), estimate.end_ns - since_ns, 0.0);
            }
            _ => {}
        }
        found.is_some()
    }
}
