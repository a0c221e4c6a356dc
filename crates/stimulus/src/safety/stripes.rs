//! Stripes: where an image alternates between light and dark at an even pace for more than five pairs.
//!
//! Lines are drawn through the image in four directions, one through each row and column of cells and one through each of
//! their diagonals. Along a line the alternations are found as changes in time are: from extreme to extreme, by the bound
//! of BT.1702. What is compared is the length of a light and a dark stripe together, from one change to the next of the
//! same direction, so that dots and bars of any duty count. Straight, curved and radial stripes all alternate along some
//! of the lines.

use super::detector::{Event, luminance};
use super::params::Params;

/// Changes along a line that more than five pairs make at least: six light and six dark stripes have eleven between them.
pub(super) const CHANGES: u32 = 11;

/// A line through the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub x: i32,
    pub y: i32,
    pub dx: i32,
    pub dy: i32,
}

/// Number of lines through an image.
pub(super) fn count(params: &Params) -> u32 {
    3 * (params.rows + params.columns) - 2
}

/// Line `index`: along the rows of cells, then the columns, then the diagonals that fall and those that rise.
pub(super) fn line(params: &Params, index: u32) -> Line {
    let (columns, rows, cell) = (params.columns as i32, params.rows as i32, params.cell_px as i32);
    let middle = cell / 2;
    let mut index = index as i32;
    if index < rows {
        return Line { x: 0, y: (index * cell + middle).min(params.height as i32 - 1), dx: 1, dy: 0 };
    }
    index -= rows;
    if index < columns {
        return Line { x: (index * cell + middle).min(params.width as i32 - 1), y: 0, dx: 0, dy: 1 };
    }
    index -= columns;
    let diagonals = rows + columns - 1;
    let falling = index < diagonals;
    if !falling {
        index -= diagonals;
    }
    // The first ones start at the left edge, from the last row of cells up; the others at the edge above.
    let (x, y) = if index < rows { (0, (rows - 1 - index) * cell) } else { ((index - rows + 1) * cell, 0) };
    if falling {
        Line { x, y, dx: 1, dy: 1 }
    } else {
        Line { x, y: params.height as i32 - 1 - y, dx: 1, dy: -1 }
    }
}

/// A run of changes at an even pace.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    start: u32,
    changes: u32,
    /// The last change and the one before it.
    last: [u32; 2],
    /// From a change to the next of the same direction; 0 before the first.
    period: u32,
}

impl Chain {
    /// A change at step `at`. Gives the run that ended with the change before.
    fn push(&mut self, at: u32, shortest: u32) -> Option<Chain> {
        let [last, before] = self.last;
        self.last = [at, last];
        if self.changes < 2 {
            self.start = if self.changes == 0 { at } else { self.start };
            self.changes += 1;
            return None;
        }
        let period = at - before;
        let even =
            self.period == 0 || (4 * period <= 5 * self.period + 4 && 4 * self.period <= 5 * period + 4);
        let before_this = std::mem::replace(&mut self.period, period);
        if even && period >= shortest {
            self.changes += 1;
            return None;
        }
        let ended = Chain { last: [last, before], period: before_this, ..*self };
        if period >= shortest {
            *self = Chain { start: before, changes: 3, ..*self };
        } else {
            *self = Chain { start: last, changes: 2, period: 0, ..*self };
        }
        Some(ended)
    }

    /// First and last step of the stripes, with those at both ends.
    fn extent(&self) -> Option<[u32; 2]> {
        let half = self.period / 2;
        (self.changes >= CHANGES).then(|| [self.start.saturating_sub(half), self.last[0] + half])
    }
}

/// Walks along line `index` and marks the cells that lie in stripes; `light` is the luminance of each pixel.
pub(super) fn walk(params: &Params, index: u32, light: &[u32], mut mark: impl FnMut(u32)) {
    let line = line(params, index);
    let value = |x: u32, y: u32| light[(y * params.width + x) as usize];
    let pixel = |step: u32| {
        let (x, y) = (line.x + line.dx * step as i32, line.y + line.dy * step as i32);
        let inside = x >= 0 && y >= 0 && x < params.width as i32 && y < params.height as i32;
        inside.then_some((x as u32, y as u32))
    };
    let mut mark_chain = |chain: &Chain| {
        let Some([from, to]) = chain.extent() else { return };
        for (x, y) in (from..=to).map_while(pixel) {
            mark(y / params.cell_px * params.columns + x / params.cell_px);
        }
    };
    let Some((x, y)) = pixel(0) else { return };
    let first = value(x, y);
    let (mut memory, mut turn, mut chain, mut step) = ([first, first], 0, Chain::default(), 1);
    while let Some((x, y)) = pixel(step) {
        let (next, direction, event) =
            luminance(memory, (turn, false), value(x, y), |dark, bright| params.bt_exceeds(dark, bright));
        (memory, turn) = (next, direction);
        if event == Event::Turned
            && let Some(ended) = chain.push(step, params.shortest_period)
        {
            mark_chain(&ended);
        }
        step += 1;
    }
    mark_chain(&chain);
}
