//! Counts flashes per cell within a sliding second.

/// Direction of the last change that counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Unknown,
    Up,
    Down,
}

/// A cell's course: the extremes since the last change that counted.
#[derive(Debug, Clone, Copy)]
struct Course {
    direction: Direction,
    lowest: f64,
    highest: f64,
}

impl Course {
    /// Whether this value completes a change of at least `change` whose darker state is below `darker`, opposite to the
    /// one before. A change is taken from the extreme before it, so that slow flanks count as well as steps.
    fn advance(&mut self, value: f64, change: f64, darker: f64) -> bool {
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
        let rises = self.direction != Direction::Up && value - self.lowest >= change && self.lowest < darker;
        let falls = self.direction != Direction::Down && self.highest - value >= change && value < darker;
        if !rises && !falls {
            return false;
        }
        *self = Self {
            direction: if rises { Direction::Up } else { Direction::Down },
            lowest: value,
            highest: value,
        };
        true
    }
}

/// Flashes of each cell within the newest `window` frames. A flash is a pair of opposing changes.
pub(super) struct FlashCounter {
    change: f64,
    darker: f64,
    course: Vec<Course>,
    /// Changes of each cell within the window.
    changes: Vec<u16>,
    /// One bit per cell and frame of the window: whether a change was completed in that frame.
    marks: Vec<u64>,
    words_per_frame: usize,
    window: usize,
    next: usize,
    most: u32,
    changed: bool,
}

/// A change of exactly the bound counts; this keeps sums like 0.1 + 0.5 - 0.5 on the careful side.
const ROUNDING: f64 = 1e-9;

impl FlashCounter {
    pub(super) fn new(cells: usize, window: usize, change: f64, darker: f64) -> Self {
        let words_per_frame = cells.div_ceil(64);
        let unknown =
            Course { direction: Direction::Unknown, lowest: f64::INFINITY, highest: f64::NEG_INFINITY };
        Self {
            change: change * (1.0 - ROUNDING),
            darker,
            course: vec![unknown; cells],
            changes: vec![0; cells],
            marks: vec![0; words_per_frame * window],
            words_per_frame,
            window,
            next: 0,
            most: 0,
            changed: false,
        }
    }

    /// The next frame: one value per cell.
    pub(super) fn push(&mut self, values: impl ExactSizeIterator<Item = f64>) {
        assert_eq!(values.len(), self.course.len(), "one value per cell");
        self.changed = false;
        let marks = &mut self.marks[self.next * self.words_per_frame..][..self.words_per_frame];
        self.next = (self.next + 1) % self.window;
        for (cell, value) in values.enumerate() {
            let word = &mut marks[cell / 64];
            let bit = 1_u64 << (cell % 64);
            let left_window = *word & bit != 0;
            let now = self.course[cell].advance(value, self.change, self.darker);
            if left_window == now {
                continue;
            }
            self.changed = true;
            if now {
                *word |= bit;
                self.changes[cell] += 1;
                self.most = self.most.max(u32::from(self.changes[cell]) / 2);
            } else {
                *word &= !bit;
                self.changes[cell] -= 1;
            }
        }
    }

    /// Complete flashes of a cell within the window.
    pub(super) fn flashes(&self, cell: usize) -> u32 {
        u32::from(self.changes[cell]) / 2
    }

    /// The most flashes of any cell within any window so far.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Whether the newest frame changed any count.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// Cells with more than that many flashes now.
    pub(super) fn cells_above(&self, flashes: u32) -> usize {
        self.changes.iter().filter(|&&changes| u32::from(changes) / 2 > flashes).count()
    }
}
