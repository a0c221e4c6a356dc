//! Stripes: where an image alternates between light and dark at an even pace for more than five pairs.
//!
//! Lines are drawn through the image in four directions, one through each row and column of cells and one through each of
//! their diagonals. Along a line the alternations are found as changes in time are: from extreme to extreme, by the bound
//! of BT.1702. What is compared is each stripe's width with that of the stripe two before it, light with light and dark
//! with dark, so that dots and bars of any duty count, and noise does not. Straight, curved and radial stripes all alternate
//! along some of the lines.

use super::detector::{DOWN, UP};
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
    /// The last change and the two before it.
    last: [u32; 3],
    /// A light and a dark stripe together: from the change before the last one to the newest.
    period: u32,
}

impl Chain {
    /// A change at step `at`. Gives the run that ended with the change before.
    fn push(&mut self, at: u32, shortest: u32) -> Option<Chain> {
        let [last, before, first] = self.last;
        self.last = [at, last, before];
        if self.changes < 2 {
            self.start = if self.changes == 0 { at } else { self.start };
            self.changes += 1;
            return None;
        }
        let period = at - before;
        let even = self.changes == 2 || alike(at - last, before - first);
        let before_this = std::mem::replace(&mut self.period, period);
        if even && period >= shortest {
            self.changes += 1;
            return None;
        }
        let ended = Chain { last: [last, before, first], period: before_this, ..*self };
        if period >= shortest {
            *self = Chain { start: before, changes: 3, ..*self };
        } else {
            *self = Chain { start: last, changes: 2, ..*self };
        }
        Some(ended)
    }

    /// First and last step of the stripes, with those at both ends.
    fn extent(&self) -> Option<[u32; 2]> {
        let half = self.period / 2;
        (self.changes >= CHANGES).then(|| [self.start.saturating_sub(half), self.last[0] + half])
    }
}

/// Whether two stripes differ by no more than a quarter, or the pixel that their edges are rounded by.
const fn alike(one: u32, other: u32) -> bool {
    4 * one <= 5 * other + 4 && 4 * other <= 5 * one + 4
}

/// Pixels whose extremes are looked at first.
const AT_ONCE: u32 = 8;

/// Walks along line `index` and marks the cells that lie in stripes; `light` is the luminance of each pixel.
pub(super) fn walk(params: &Params, index: u32, light: &[u32], mut mark: impl FnMut(u32)) {
    let line = line(params, index);
    let length = length(params, &line);
    let pixel = |step: u32| (line.x + line.dx * step as i32, line.y + line.dy * step as i32);
    let mut mark_chain = |chain: &Chain| {
        let Some([from, to]) = chain.extent() else { return };
        for (x, y) in (from..length.min(to + 1)).map(pixel) {
            mark(y as u32 / params.cell_px * params.columns + x as u32 / params.cell_px);
        }
    };
    let stride = (line.dy * params.width as i32 + line.dx) as isize;
    let first = line.y as usize * params.width as usize + line.x as usize;
    let value = |step: u32| light[first.wrapping_add_signed(step as isize * stride)];
    // The extremes since the last turn, and its direction: as in time, where no change is old.
    let (mut low, mut high, mut turn, mut chain) = (u32::MAX, 0, 0, Chain::default());
    for from in (0..length).step_by(AT_ONCE as usize) {
        let steps = from..length.min(from + AT_ONCE);
        let (mut least, mut most) = (u32::MAX, 0);
        steps.clone().map(value).for_each(|value| (least, most) = (least.min(value), most.max(value)));
        // The bound grows with the darker state, so nothing turns within a group whose extremes would not.
        let rises = turn != UP && params.bt_exceeds(low.min(least), most);
        let falls = turn != DOWN && params.bt_exceeds(least, high.max(most));
        if !rises && !falls {
            (low, high) = (low.min(least), high.max(most));
            continue;
        }
        for step in steps {
            let value = value(step);
            (low, high) = (low.min(value), high.max(value));
            let rises = turn != UP && params.bt_exceeds(low, value);
            if !rises && (turn == DOWN || !params.bt_exceeds(value, high)) {
                continue;
            }
            turn = if rises { UP } else { DOWN };
            (low, high) = (value, value);
            if let Some(ended) = chain.push(step, params.shortest_period) {
                mark_chain(&ended);
            }
        }
    }
    mark_chain(&chain);
}

/// Pixels of a line: none where it begins outside.
fn length(params: &Params, line: &Line) -> u32 {
    let along = |at: i32, step: i32, size: i32| match step {
        0 => i32::MAX,
        1 => size - at,
        _ => at + 1,
    };
    let (width, height) = (params.width as i32, params.height as i32);
    if line.x >= width || !(0..height).contains(&line.y) {
        return 0;
    }
    along(line.x, line.dx, width).min(along(line.y, line.dy, height)) as u32
}

#[cfg(test)]
mod tests {
    use super::super::detector::{Event, luminance};
    use super::*;

    /// The same, step by step through the detector of changes in time.
    fn walk_plainly(params: &Params, index: u32, light: &[u32], mut mark: impl FnMut(u32)) {
        let line = line(params, index);
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
        let (mut memory, mut turn, mut chain, mut step) = ([u32::MAX, 0], 0, Chain::default(), 0);
        while let Some((x, y)) = pixel(step) {
            let value = light[(y * params.width + x) as usize];
            let (next, direction, event) =
                luminance(memory, (turn, false), value, |dark, bright| params.bt_exceeds(dark, bright));
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

    #[test]
    fn looking_at_groups_first_finds_the_same_cells() {
        let (mut seed, mut found) = (1_u32, 0);
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for round in 0..300 {
            let [width, height, cell_px] = [90 + random(60), 40 + random(60), 1 + random(4)];
            let params = Params {
                width,
                height,
                cell_px,
                columns: width.div_ceil(cell_px),
                rows: height.div_ceil(cell_px),
                bt_change: 19_996,
                bt_darker: 160_004,
                bt_bright: round % 2,
                shortest_period: 2 + random(4),
                ..Params::default()
            };
            // Stripes of any direction and contrast, with noise on them, around the bound at which the rule changes.
            let [along, across, noise, swing] =
                [1 + random(9), random(9), 1 + random(30_000), 5_000 + random(60_000)];
            let middle = 60_000 + random(160_000);
            let light: Vec<u32> = (0..width * height)
                .map(|at| {
                    let phase = (at % width) * along + (at / width) * across;
                    let side = if phase / 16 % 2 == 0 { swing } else { 0 };
                    middle + side + random(noise)
                })
                .collect();
            for index in 0..count(&params) {
                let (mut grouped, mut plain) = (Vec::new(), Vec::new());
                walk(&params, index, &light, |cell| grouped.push(cell));
                walk_plainly(&params, index, &light, |cell| plain.push(cell));
                assert_eq!(grouped, plain, "round {round}, line {index}");
                found += plain.len();
            }
        }
        assert!(found > 10_000, "{found}");
    }
}
