//! Which block runs. Blocks run by time from the first step; those that count or ask end early, and those that an earlier
//! run of the session did are left out.

use timeline::NoticeKind;

use crate::plan::{BlockKind, BlockPlan};
use crate::turn::Outputs;

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    blocks: Vec<BlockPlan>,
    done: Vec<bool>,
    current: usize,
    last: usize,
    start_ns: i64,
    running: bool,
}

/// What an advance did: the block that ended (if one did), so that the loop can act on it. Called until `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Advance {
    Began(BlockKind, i64),
    Ended(BlockKind),
}

impl Schedule {
    pub(crate) fn new(blocks: &[BlockPlan], done: &[bool]) -> Self {
        let mut schedule = Self {
            blocks: blocks.to_vec(),
            done: done.to_vec(),
            current: 0,
            last: 0,
            start_ns: 0,
            running: false,
        };
        schedule.reset();
        schedule
    }

    pub(crate) fn reset(&mut self) {
        (self.last, self.start_ns, self.running) = (0, 0, false);
        self.current = self.first_from(0);
    }

    /// The first block from a place on that is to be run.
    fn first_from(&self, place: usize) -> usize {
        let is_done = |place: &usize| self.done.get(*place) == Some(&true);
        (place..self.blocks.len()).find(|place| !is_done(place)).unwrap_or(self.blocks.len())
    }

    /// Time stood still for so long.
    pub(crate) fn shift(&mut self, by_ns: i64) {
        self.start_ns += by_ns;
    }

    /// The block that runs begins anew.
    pub(crate) fn restart(&mut self, now_ns: i64) {
        self.start_ns = now_ns;
    }

    /// Index of the block that ended last.
    pub(crate) fn last(&self) -> usize {
        self.last
    }

    pub(crate) fn start(&mut self, now_ns: i64) {
        self.start_ns = now_ns;
    }

    /// The block that runs, with its start.
    pub(crate) fn block(&self) -> Option<(BlockKind, i64)> {
        let block = self.blocks.get(self.current)?;
        self.running.then_some((block.kind, self.start_ns))
    }

    /// Index of the block that runs, or of the next one.
    pub(crate) fn index(&self) -> usize {
        self.current
    }

    pub(crate) fn is_over(&self) -> bool {
        self.current >= self.blocks.len()
    }

    /// The set point that holds at `now_ns`, even when that block has not been begun by [`Schedule::advance`] yet.
    pub(crate) fn set_point_at(&self, now_ns: i64) -> Option<f64> {
        let mut start_ns = self.start_ns;
        for (place, block) in self.blocks.iter().enumerate().skip(self.current) {
            if self.done.get(place) == Some(&true) {
                continue;
            }
            if now_ns < start_ns + block.duration_ns {
                return match block.kind {
                    BlockKind::Hold { set_point, .. } => Some(set_point.at_uv(now_ns - start_ns)),
                    _ => None,
                };
            }
            start_ns += block.duration_ns;
        }
        None
    }

    /// One step of the schedule: ends the block whose time (or work, `done`) is over, or begins the next one.
    pub(crate) fn advance(&mut self, now_ns: i64, done: bool, out: &mut Outputs) -> Option<Advance> {
        let block = *self.blocks.get(self.current)?;
        let index = self.current as i64;
        if !self.running {
            self.running = true;
            out.notice(now_ns, NoticeKind::BlockBegin, None, index, 0.0);
            return Some(Advance::Began(block.kind, self.start_ns));
        }
        let end_ns = self.start_ns + block.duration_ns;
        if now_ns < end_ns && !done {
            return None;
        }
        out.notice(now_ns, NoticeKind::BlockEnd, None, index, 0.0);
        self.running = false;
        self.last = self.current;
        self.current = self.first_from(self.current + 1);
        self.start_ns = end_ns.min(now_ns);
        Some(Advance::Ended(block.kind))
    }

    /// When the block ends or its stimulus changes.
    pub(crate) fn next_ns(&self, now_ns: i64) -> i64 {
        let Some(block) = self.blocks.get(self.current) else { return i64::MAX };
        let end_ns = self.start_ns + block.duration_ns;
        match block.kind {
            BlockKind::Calibrate { on_ns, off_ns, .. } => {
                end_ns.min(self.start_ns + next_switch_ns(now_ns - self.start_ns, on_ns, off_ns))
            }
            BlockKind::Hold { set_point, .. } => {
                end_ns.min(self.start_ns.saturating_add(set_point.next_change_ns(now_ns - self.start_ns)))
            }
            _ => end_ns,
        }
    }
}

/// Whether the calibration stimulus is on at a time since the block began.
pub(crate) fn is_on(since_ns: i64, on_ns: i64, off_ns: i64) -> bool {
    since_ns.rem_euclid(on_ns + off_ns) < on_ns
}

fn next_switch_ns(since_ns: i64, on_ns: i64, off_ns: i64) -> i64 {
    let period_ns = on_ns + off_ns;
    let cycle_ns = since_ns.div_euclid(period_ns) * period_ns;
    cycle_ns + if since_ns - cycle_ns < on_ns { on_ns } else { period_ns }
}
