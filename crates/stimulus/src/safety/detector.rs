//! Changes of a cell that count, and how many of them lie within the last second and the last five.
//!
//! A change is taken from the extreme before it (the peak or valley of the standards), so that slow flanks count as well as
//! steps; its time is the frame in which it has grown to the bound. A change that lies wholly within a second, from its
//! peak to its valley, is therefore counted in that second.

use super::light::SATURATED;
use super::params::Params;

/// Words of a detector behind what it remembers of the values.
pub(super) const TRACK_WORDS: u32 = 3;
const TURN: u32 = 0;
const IN_1S: u32 = 1;
const IN_RING: u32 = 2;

/// Direction of the last change that counted; 0 before the first.
const UP: u32 = 1;
const DOWN: u32 = 2;

/// A chromaticity range that holds nothing: its lowest are above its highest.
pub(super) const EMPTY: [u32; 2] = [0xffff_ffff, 0];

/// The extremes since the last change after `value`, the direction of the last change, and whether it was made by it.
pub(super) fn luminance(
    [low, high]: [u32; 2],
    turn: u32,
    value: u32,
    exceeds: impl Fn(u32, u32) -> bool,
) -> ([u32; 2], u32, bool) {
    let (low, high) = (low.min(value), high.max(value));
    let (rises, falls) = (exceeds(low, value), exceeds(value, high));
    if rises && turn != UP {
        ([value, value], UP, true)
    } else if falls && turn != DOWN {
        ([value, value], DOWN, true)
    } else {
        ([low, high], turn, false)
    }
}

/// The range of chromaticities of all states and that of the saturated reds since the last change, after `value`. Up is
/// into a saturated red, down is out of one. The distance is to the farthest corner of a range, which is never too short.
pub(super) fn red(
    [all, reds]: [[u32; 2]; 2],
    turn: u32,
    value: u32,
    distance_squared: u32,
) -> ([[u32; 2]; 2], u32, bool) {
    let saturated = value & SATURATED != 0;
    let uv = value & !SATURATED;
    let here = [uv, uv];
    let red_here = if saturated { here } else { EMPTY };
    let into = saturated && farthest(all, uv) >= distance_squared;
    let out = reds != EMPTY && farthest(reds, uv) >= distance_squared;
    let wider = |range: [u32; 2]| [lowest(range[0], uv), highest(range[1], uv)];
    let red_wider = if saturated { wider(reds) } else { reds };
    if into && turn != UP {
        ([here, red_here], UP, true)
    } else if out && turn != DOWN {
        ([here, red_here], DOWN, true)
    } else {
        ([wider(all), red_wider], turn, false)
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

/// Where the words of one detector's memory of time lie in the state: word `n` of a cell is at `n * cells + cell`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    /// The first word.
    pub first: u32,
    /// Frames that its ring of marks holds: one second or five.
    pub ring: u32,
    /// Frames of a second.
    pub window: u32,
    /// Cells of the state.
    pub cells: u32,
}

/// A detector's memory of time after a frame that has not been committed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    /// Changes within the last second.
    pub in_1s: u32,
    /// Changes within the ring.
    pub in_ring: u32,
}

impl Track {
    fn at(&self, word: u32, cell: u32) -> usize {
        ((self.first + word) * self.cells + cell) as usize
    }

    fn bit(&self, state: &[u32], cell: u32, frame: u32) -> u32 {
        let slot = frame % self.ring;
        state[self.at(TRACK_WORDS + slot / 32, cell)] >> (slot % 32) & 1
    }

    /// Direction of the last change.
    pub fn turn(&self, state: &[u32], cell: u32) -> u32 {
        state[self.at(TURN, cell)]
    }

    /// The counts that `frame` would leave, with a change in it or without.
    pub fn outlook(&self, state: &[u32], cell: u32, frame: u32, changed: bool) -> Outlook {
        let left = |word, frame| state[self.at(word, cell)] - self.bit(state, cell, frame);
        Outlook {
            in_1s: left(IN_1S, frame - self.window) + u32::from(changed),
            in_ring: left(IN_RING, frame) + u32::from(changed),
        }
    }

    /// Whether each of the last five seconds would hold `per_s` changes or more and all five more than that, with
    /// `newest` changes in this frame; `before` is the ring's count without them.
    pub fn extended(&self, state: &[u32], cell: u32, frame: u32, [per_s, before, newest]: [u32; 3]) -> bool {
        let seconds = self.ring / self.window;
        if before + newest <= seconds * per_s {
            return false;
        }
        (0..seconds).all(|second| {
            let first = frame - (second + 1) * self.window + 1;
            if second == 0 {
                // The slot of the newest frame still holds the one that leaves the ring.
                self.ones(state, cell, first, self.window - 1) + newest >= per_s
            } else {
                self.ones(state, cell, first, self.window) >= per_s
            }
        })
    }

    /// Marks of `count` frames from `frame` on.
    fn ones(&self, state: &[u32], cell: u32, frame: u32, count: u32) -> u32 {
        let (mut slot, mut left, mut ones) = (frame % self.ring, count, 0);
        while left > 0 {
            let take = left.min(32 - slot % 32).min(self.ring - slot);
            let mask = (0xffff_ffff >> (32 - take)) << (slot % 32);
            ones += (state[self.at(TRACK_WORDS + slot / 32, cell)] & mask).count_ones();
            left -= take;
            slot += take;
            if slot == self.ring {
                slot = 0;
            }
        }
        ones
    }

    /// Takes the frame into the memory; `turn` is the direction of the last change.
    pub fn commit(&self, state: &mut [u32], cell: u32, frame: u32, turn: u32, changed: bool) {
        let outlook = self.outlook(state, cell, frame, changed);
        let slot = frame % self.ring;
        let word = self.at(TRACK_WORDS + slot / 32, cell);
        state[word] = state[word] & !(1 << (slot % 32)) | u32::from(changed) << (slot % 32);
        state[self.at(TURN, cell)] = turn;
        state[self.at(IN_1S, cell)] = outlook.in_1s;
        state[self.at(IN_RING, cell)] = outlook.in_ring;
    }
}

/// Words of a track whose ring holds that many frames.
pub(super) fn track_words(ring: u32) -> u32 {
    TRACK_WORDS + ring.div_ceil(32)
}

/// The three detectors of a cell: what they remember of values comes first, then their track.
pub(super) fn tracks(params: &Params) -> [Track; 3] {
    let track = |first, ring| Track { first, ring, window: params.window, cells: params.cells };
    [
        track(params.general + 2, params.window),
        track(params.luminance + 2, params.window_5s),
        track(params.red + 4, params.window_5s),
    ]
}
