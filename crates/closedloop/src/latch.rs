//! Newest first, stale never: what happens when a source falls silent.
//!
//! Beyond the first bound the loop holds its last command; beyond the second the screen ramps to grey and stays there
//! until all sources are back *and* the ramp is complete, because a jump to grey is itself a flash.

use timeline::{Notice, NoticeKind, SourceId};

use crate::plan::Plan;
use crate::turn::{Outputs, SourceInput};

/// Whether new commands may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// All sources are fresh.
    Open,
    /// A source is stale: the last command holds.
    Holding,
    /// Grey is latched; its ramp ends at this instant.
    Grey { ramp_end_ns: i64 },
}

#[derive(Debug, Clone)]
struct Watch {
    source: SourceId,
    stale_after_ns: i64,
    grey_after_ns: i64,
    /// Values that a sample must have to count as one.
    channels: usize,
    newest_ns: i64,
    stale: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Latch {
    watches: Vec<Watch>,
    ramp_ns: i64,
    /// Samples that are no numbers say nothing, so a source that sends only such is as good as silent.
    wants_numbers: bool,
    gate: Gate,
}

impl Latch {
    pub(crate) fn new(plan: &Plan) -> Self {
        let watches = plan.sources.iter().enumerate().filter(|(_, source)| !source.is_marker);
        let watches = watches.map(|(index, source)| Watch {
            source: SourceId(index as u16),
            stale_after_ns: source.stale_after_ns,
            grey_after_ns: source.grey_after_ns,
            channels: source.channels,
            newest_ns: 0,
            stale: false,
        });
        Self {
            watches: watches.collect(),
            ramp_ns: plan.grey_ramp_ns,
            wants_numbers: plan.interlock.faults,
            gate: Gate::Open,
        }
    }

    /// The first step: from here on sources are expected.
    pub(crate) fn start(&mut self, now_ns: i64) {
        self.gate = Gate::Open;
        for watch in &mut self.watches {
            watch.newest_ns = now_ns;
            watch.stale = false;
        }
    }

    pub(crate) fn gate(&self) -> Gate {
        self.gate
    }

    pub(crate) fn step(&mut self, now_ns: i64, sources: &[SourceInput<'_>], out: &mut Outputs) {
        let mut any_stale = false;
        let mut silent = None;
        for watch in &mut self.watches {
            let input = sources.get(usize::from(watch.source.0)).filter(|input| !input.at_ns.is_empty());
            let arrived = input.is_some_and(|input| !self.wants_numbers || input.has_numbers(watch.channels));
            if arrived {
                if watch.stale {
                    out.notice(
                        now_ns,
                        NoticeKind::SourceBack,
                        Some(watch.source),
                        now_ns - watch.newest_ns,
                        0.0,
                    );
                }
                watch.stale = false;
                watch.newest_ns = now_ns;
            }
            let age_ns = now_ns - watch.newest_ns;
            if age_ns > watch.stale_after_ns && !watch.stale {
                watch.stale = true;
                out.notice(now_ns, NoticeKind::Stale, Some(watch.source), age_ns, 0.0);
            }
            any_stale |= watch.stale;
            if age_ns > watch.grey_after_ns {
                silent = silent.or(Some((watch.source, age_ns)));
            }
        }
        self.turn_gate(now_ns, any_stale, silent, out);
    }

    fn turn_gate(
        &mut self,
        now_ns: i64,
        any_stale: bool,
        silent: Option<(SourceId, i64)>,
        out: &mut Outputs,
    ) {
        match (self.gate, silent) {
            (Gate::Open | Gate::Holding, Some((source, age_ns))) => {
                self.gate = Gate::Grey { ramp_end_ns: now_ns + self.ramp_ns };
                out.notice(now_ns, NoticeKind::ToGrey, Some(source), age_ns, 0.0);
            }
            (Gate::Grey { ramp_end_ns }, _) if !any_stale && now_ns >= ramp_end_ns => {
                self.gate = Gate::Open;
                out.notice(now_ns, NoticeKind::Resumed, None, 0, 0.0);
            }
            (Gate::Open, None) if any_stale => self.gate = Gate::Holding,
            (Gate::Holding, None) if !any_stale => self.gate = Gate::Open,
            _ => {}
        }
    }

    /// The next instant at which silence alone changes something.
    pub(crate) fn next_ns(&self) -> i64 {
        let mut next = i64::MAX;
        let mut any_stale = false;
        for watch in &self.watches {
            any_stale |= watch.stale;
            if !watch.stale {
                next = next.min(watch.newest_ns + watch.stale_after_ns + 1);
            } else if !matches!(self.gate, Gate::Grey { .. }) {
                next = next.min(watch.newest_ns + watch.grey_after_ns + 1);
            }
        }
        match self.gate {
            Gate::Grey { ramp_end_ns } if !any_stale => next.min(ramp_end_ns),
            _ => next,
        }
    }
}

impl Outputs {
    /// Adds a notice; beyond the capacity of one turn the rest is dropped, as the first say what is wrong.
    pub(crate) fn notice(
        &mut self,
        at_ns: i64,
        kind: NoticeKind,
        source: Option<SourceId>,
        count: i64,
        value: f64,
    ) {
        let _ = self.notices.try_push(Notice { at_ns, kind, source, count, value });
    }
}
