//! The last rows of a stream, by sample index.

/// A ring of the last `capacity` rows; each has an index, an instant, a mark whether it can be used, and its values.
/// Epochs are cut by index, never by the moment at which somebody looked.
#[derive(Debug, Clone)]
pub struct History {
    values: Vec<f64>,
    at_ns: Vec<i64>,
    usable: Vec<bool>,
    channels: usize,
    capacity: usize,
    end: u64,
    held: usize,
}

impl History {
    /// Room for `capacity` rows (at least one) of `channels` values.
    pub fn new(capacity: usize, channels: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            values: vec![0.0; capacity * channels],
            at_ns: vec![0; capacity],
            usable: vec![false; capacity],
            channels,
            capacity,
            end: 0,
            held: 0,
        }
    }

    /// Forgets all rows.
    pub fn reset(&mut self) {
        self.end = 0;
        self.held = 0;
    }

    /// Appends a row. An index that does not follow the last one empties the ring first: an epoch never spans a gap.
    pub fn push(&mut self, index: u64, at_ns: i64, usable: bool, row: &[f64]) {
        debug_assert_eq!(row.len(), self.channels);
        if index != self.end {
            self.held = 0;
        }
        let slot = self.slot(index);
        self.values[slot * self.channels..(slot + 1) * self.channels].copy_from_slice(row);
        self.at_ns[slot] = at_ns;
        self.usable[slot] = usable;
        self.end = index + 1;
        self.held = (self.held + 1).min(self.capacity);
    }

    /// Empties the ring but keeps the count: the next row starts a new stretch.
    pub fn cut(&mut self) {
        self.held = 0;
    }

    /// Index of the oldest row held (equal to [`History::end`] when empty).
    pub fn start(&self) -> u64 {
        self.end - self.held as u64
    }

    /// One past the newest row.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether all of `first..end` is held.
    pub fn holds(&self, first: u64, end: u64) -> bool {
        first >= self.start() && end <= self.end && first <= end
    }

    /// The row at an index, if it is held: instant, whether usable, values.
    pub fn row(&self, index: u64) -> Option<(i64, bool, &[f64])> {
        if index < self.start() || index >= self.end {
            return None;
        }
        let slot = self.slot(index);
        let values = &self.values[slot * self.channels..(slot + 1) * self.channels];
        Some((self.at_ns[slot], self.usable[slot], values))
    }

    /// The rows `first..end` in order, or `None` when they are not all held.
    pub fn epoch(&self, first: u64, end: u64) -> Option<impl Iterator<Item = (i64, bool, &[f64])>> {
        self.holds(first, end).then(|| (first..end).filter_map(|index| self.row(index)))
    }

    /// Index of the first row held whose instant is at or after `at_ns` (instants must rise). `None` when even the
    /// newest is earlier.
    pub fn first_at_or_after(&self, at_ns: i64) -> Option<u64> {
        let (mut low, mut high) = (self.start(), self.end);
        while low < high {
            let mid = low + (high - low) / 2;
            if self.at_ns[self.slot(mid)] < at_ns {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        (low < self.end).then_some(low)
    }

    fn slot(&self, index: u64) -> usize {
        (index % self.capacity as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_last_rows_and_never_spans_a_gap() {
        let mut history = History::new(4, 2);
        for i in 10..20u64 {
            history.push(i, i as i64 * 100, i != 17, &[i as f64, -(i as f64)]);
        }
        assert_eq!((history.start(), history.end()), (16, 20));
        assert!(history.epoch(15, 18).is_none() && history.epoch(18, 21).is_none());
        let epoch: Vec<_> = history.epoch(16, 19).unwrap().map(|(t, ok, v)| (t, ok, v[0])).collect();
        assert_eq!(epoch, [(1600, true, 16.0), (1700, false, 17.0), (1800, true, 18.0)]);
        assert_eq!(history.first_at_or_after(1700), Some(17));
        assert_eq!(history.first_at_or_after(1701), Some(18));
        assert_eq!(history.first_at_or_after(0), Some(16));
        assert_eq!(history.first_at_or_after(1901), None);
        history.push(30, 3000, true, &[1.0, 2.0]);
        assert_eq!((history.start(), history.end()), (30, 31));
        history.cut();
        assert_eq!(history.first_at_or_after(0), None);
    }
}
