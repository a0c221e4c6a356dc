//! Changes of a cell that count, and how many of them lie within the last second and the last five.
//!
//! A change is taken from the extreme before it (the peak or valley of the standards), so that slow flanks count as well as
//! steps; its time is the frame in which it has grown to the bound. A change that lies wholly within a second, from its
//! peak to its valley, is therefore counted in that second. A change that goes on by as much again later than half a
//! cycle of the allowed flicker (1/6 s) takes its time anew: otherwise a small step now would let a large one pass later.
//! So no five sixths of a second hold more changes than are allowed either, however a change that began before is cut.

use super::EXTENDED_S;
use super::light::SATURATED;
use super::params::Params;

/// Words of a track in front of its marks.
const TRACK_WORDS: u32 = 3;
const TURN: u32 = 0;
const STAMP: u32 = 1;
const IN_1S: u32 = 2;

/// Words of a sequence in front of its marks.
const SEQUENCE_WORDS: u32 = 2;
const LATEST: u32 = 0;
const IN_RING: u32 = 1;

/// Direction of the last change that counted; 0 before the first.
pub(super) const UP: u32 = 1;
pub(super) const DOWN: u32 = 2;

/// What a value does to a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing that counts.
    Nothing,
    /// A change opposite to the one before.
    Turned,
    /// The change before has gone on for long and by as much again: it is dated anew.
    Continued,
}

/// A chromaticity range that holds nothing: its lowest are above its highest.
pub(super) const EMPTY: [u32; 2] = [0xffff_ffff, 0];

/// The extremes since the last change after `value`, the direction of the last change, and what `value` did. `old` says
/// that the last change is so old that it can be dated anew.
pub(super) fn luminance(
    [low, high]: [u32; 2],
    (turn, old): (u32, bool),
    value: u32,
    exceeds: impl Fn(u32, u32) -> bool,
) -> ([u32; 2], u32, Event) {
    let (low, high) = (low.min(value), high.max(value));
    let (rises, falls) = (exceeds(low, value), exceeds(value, high));
    if rises && turn != UP {
        ([value, value], UP, Event::Turned)
    } else if falls && turn != DOWN {
        ([value, value], DOWN, Event::Turned)
    } else if rises && old {
        ([value, high], turn, Event::Continued)
    } else if falls && old {
        ([low, value], turn, Event::Continued)
    } else {
        ([low, high], turn, Event::Nothing)
    }
}

/// The range of chromaticities of all states and that of the saturated reds since the last change, after `value`. Up is
/// into a saturated red, down is out of one. The distance is to the farthest corner of a range, which is never too short.
pub(super) fn red(
    [all, reds]: [[u32; 2]; 2],
    (turn, old): (u32, bool),
    value: u32,
    distance_squared: u32,
) -> ([[u32; 2]; 2], u32, Event) {
    let saturated = value & SATURATED != 0;
    let uv = value & !SATURATED;
    let here = [uv, uv];
    let red_here = if saturated { here } else { EMPTY };
    let into = saturated && farthest(all, uv) >= distance_squared;
    let out = reds != EMPTY && farthest(reds, uv) >= distance_squared;
    let wider = |range: [u32; 2]| [lowest(range[0], uv), highest(range[1], uv)];
    let red_wider = if saturated { wider(reds) } else { reds };
    if into && turn != UP {
        ([here, red_here], UP, Event::Turned)
    } else if out && turn != DOWN {
        ([here, red_here], DOWN, Event::Turned)
    } else if into && old {
        ([here, red_wider], turn, Event::Continued)
    } else if out && old {
        ([wider(all), red_here], turn, Event::Continued)
    } else {
        ([wider(all), red_wider], turn, Event::Nothing)
    }
}

fn halves(word: u32) -> [u32; 2] {
    [word & 0xffff, word >> 16]
}

fn lowest(a: u32, b: u32) -> u32 {
    let ([a_u, a_v], [b_u, b_v]) = (halves(a), halves(b));
    a_u.min(b_u) | a_v.min(b_v) << 16
}

fn highest(a: u32, b: u32) -> u32 {
    let ([a_u, a_v], [b_u, b_v]) = (halves(a), halves(b));
    a_u.max(b_u) | a_v.max(b_v) << 16
}

/// Squared distance from a chromaticity to the farthest corner of a range.
fn farthest(range: [u32; 2], uv: u32) -> u32 {
    let (low, high, at) = (halves(range[0]), halves(range[1]), halves(uv));
    let [du, dv] = [0, 1].map(|axis| at[axis].abs_diff(low[axis]).max(at[axis].abs_diff(high[axis])));
    du * du + dv * dv
}

/// Marks of the frames of a cell in which something was, the newest `frames` of them: a ring of bits from word `first` on.
/// Word `n` of a cell is at `n * cells + cell` of the state.
#[derive(Debug, Clone, Copy)]
struct Marks {
    first: u32,
    frames: u32,
    cells: u32,
}

impl Marks {
    fn word(&self, slot: u32, cell: u32) -> usize {
        ((self.first + slot / 32) * self.cells + cell) as usize
    }

    fn get(&self, state: &[u32], cell: u32, frame: u32) -> u32 {
        let slot = frame % self.frames;
        state[self.word(slot, cell)] >> (slot % 32) & 1
    }

    fn set(&self, state: &mut [u32], cell: u32, frame: u32, value: bool) {
        let slot = frame % self.frames;
        let word = &mut state[self.word(slot, cell)];
        *word = *word & !(1 << (slot % 32)) | u32::from(value) << (slot % 32);
    }

    /// Marks in `count` frames from `frame` on.
    fn ones(&self, state: &[u32], cell: u32, frame: u32, count: u32) -> u32 {
        let (mut slot, mut left, mut ones) = (frame % self.frames, count, 0);
        while left > 0 {
            let take = left.min(32 - slot % 32).min(self.frames - slot);
            let mask = (0xffff_ffff >> (32 - take)) << (slot % 32);
            ones += (state[self.word(slot, cell)] & mask).count_ones();
            left -= take;
            slot += take;
            if slot == self.frames {
                slot = 0;
            }
        }
        ones
    }
}

/// The changes of a detector within the last second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    first: u32,
    half_cycle: u32,
    marks: Marks,
}

impl Track {
    pub fn words(window: u32) -> u32 {
        TRACK_WORDS + window.div_ceil(32)
    }

    pub fn prepare(params: &Params, first: u32) -> Self {
        let marks = Marks { first: first + TRACK_WORDS, frames: params.window, cells: params.cells };
        Self { first, half_cycle: params.half_cycle, marks }
    }

    fn at(&self, word: u32, cell: u32) -> usize {
        ((self.first + word) * self.marks.cells + cell) as usize
    }

    /// Direction of the last change, and whether it is old in `frame`.
    pub fn turn(&self, state: &[u32], cell: u32, frame: u32) -> (u32, bool) {
        (state[self.at(TURN, cell)], frame - state[self.at(STAMP, cell)] >= self.half_cycle)
    }

    /// The count that `frame` would leave.
    pub fn outlook(&self, state: &[u32], cell: u32, frame: u32, event: Event) -> u32 {
        // The slot of this frame holds the one that leaves the second.
        let left = state[self.at(IN_1S, cell)] - self.marks.get(state, cell, frame);
        left + match event {
            Event::Nothing => 0,
            Event::Turned => 1,
            // Counts anew only where its old date is forgotten.
            Event::Continued => u32::from(frame - state[self.at(STAMP, cell)] >= self.marks.frames),
        }
    }

    /// Takes the frame into the memory; `turn` is the direction of the last change.
    pub fn commit(&self, state: &mut [u32], cell: u32, frame: u32, turn: u32, event: Event) {
        state[self.at(IN_1S, cell)] = self.outlook(state, cell, frame, event);
        let stamp = state[self.at(STAMP, cell)];
        if event == Event::Continued && frame - stamp < self.marks.frames {
            self.marks.set(state, cell, stamp, false);
        }
        self.marks.set(state, cell, frame, event != Event::Nothing);
        if event != Event::Nothing {
            state[self.at(STAMP, cell)] = frame;
            state[self.at(TURN, cell)] = turn;
        }
    }
}

/// The changes of a detector within the last five seconds, each by its first date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    first: u32,
    window: u32,
    marks: Marks,
}

impl Sequence {
    pub fn words(ring: u32) -> u32 {
        SEQUENCE_WORDS + ring.div_ceil(32)
    }

    pub fn prepare(params: &Params, first: u32) -> Self {
        let marks = Marks { first: first + SEQUENCE_WORDS, frames: params.ring, cells: params.cells };
        Self { first, window: params.window, marks }
    }

    fn at(&self, word: u32, cell: u32) -> usize {
        ((self.first + word) * self.marks.cells + cell) as usize
    }

    /// Whether the cell would be in an extended sequence, with `newest` changes in this frame: five seconds that end with
    /// its latest change hold `per_s` of them or more each and all together more than that, and the first quarter of the
    /// first has one too, so that the sequence lasts. It is over a quarter of a second after its latest change. While
    /// nothing changes, no sequence becomes extended.
    pub fn extended(&self, state: &[u32], cell: u32, frame: u32, [per_s, newest]: [u32; 2]) -> bool {
        let latest = if newest > 0 { frame } else { state[self.at(LATEST, cell)] };
        let too_few = state[self.at(IN_RING, cell)] + newest <= EXTENDED_S * per_s;
        if too_few || frame - latest >= quarter(self.window) {
            return false;
        }
        let mut all = 0;
        for second in 0..EXTENDED_S {
            let first = latest - (second + 1) * self.window + 1;
            // The slot of this frame still holds the one that leaves the ring.
            let changes = if second == 0 && newest > 0 {
                self.marks.ones(state, cell, first, self.window - 1) + newest
            } else {
                self.marks.ones(state, cell, first, self.window)
            };
            if changes < per_s {
                return false;
            }
            all += changes;
        }
        let first = latest - EXTENDED_S * self.window + 1;
        all > EXTENDED_S * per_s && self.marks.ones(state, cell, first, quarter(self.window)) > 0
    }

    /// Takes the frame into the memory.
    pub fn commit(&self, state: &mut [u32], cell: u32, frame: u32, event: Event) {
        let turned = event == Event::Turned;
        let left = state[self.at(IN_RING, cell)] - self.marks.get(state, cell, frame);
        state[self.at(IN_RING, cell)] = left + u32::from(turned);
        self.marks.set(state, cell, frame, turned);
        if turned {
            state[self.at(LATEST, cell)] = frame;
        }
    }
}

/// Frames of a quarter of a second.
pub(super) fn quarter(window: u32) -> u32 {
    (window / 4).max(1)
}
