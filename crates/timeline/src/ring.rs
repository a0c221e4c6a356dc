//! The carrier for "every value must arrive": single-producer single-consumer rings of fixed size.
//!
//! [`ring`] carries `Copy` records. [`rows`] carries rows of a fixed number of `f64` values with a stamp and an index
//! (samples, retina frames); a row is committed as one, so that a stamp never shows without its values. A full ring
//! refuses and the writer counts: nothing is dropped in silence, nothing waits.

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Writing end of a ring of records.
pub struct Writer<T> {
    ring: HeapProd<T>,
    refused: u64,
}

/// Reading end of a ring of records.
pub struct Reader<T>(HeapCons<T>);

/// A ring for `capacity` records.
pub fn ring<T: Copy + Send>(capacity: usize) -> (Writer<T>, Reader<T>) {
    let (writer, reader) = HeapRb::new(capacity).split();
    (Writer { ring: writer, refused: 0 }, Reader(reader))
}

impl<T: Copy> Writer<T> {
    /// Hands a record over; `false` when the ring is full (the record is counted as refused).
    #[must_use]
    pub fn push(&mut self, record: T) -> bool {
        // An `if`, not `refused += u64::from(!taken)`: rustc 1.95's SimplifyComparisonIntegral pass gets that sum wrong
        // once the caller branches on the result (the carriers test holds this).
        if self.ring.try_push(record).is_err() {
            self.refused += 1;
            return false;
        }
        true
    }

    /// Records refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Room for that many more records now.
    pub fn vacant(&self) -> usize {
        self.ring.vacant_len()
    }
}

impl<T: Copy> Reader<T> {
    /// The oldest record, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        self.0.try_pop()
    }

    /// Records that wait.
    pub fn waiting(&self) -> usize {
        self.0.occupied_len()
    }

    /// Whether the other end is gone and everything was read.
    pub fn is_finished(&self) -> bool {
        !self.0.write_is_held() && self.0.is_empty()
    }
}

/// Index and stamp of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowHead {
    /// Sample index, or frame index.
    pub index: u64,
    /// The stamp as the source gave it, in seconds of the source's clock (samples), untouched.
    pub stamp_s: f64,
    /// The same instant on this machine's clock (samples), or the frame's onset (retina).
    pub at_ns: i64,
}

const HEAD_WORDS: usize = 3;

/// Writing end of a ring of rows.
pub struct RowWriter {
    ring: HeapProd<u64>,
    row: Vec<u64>,
    refused: u64,
}

/// Reading end of a ring of rows.
pub struct RowReader {
    ring: HeapCons<u64>,
    row: Vec<u64>,
}

/// A ring for `capacity` rows of `width` values.
pub fn rows(capacity: usize, width: usize) -> (RowWriter, RowReader) {
    let words = width + HEAD_WORDS;
    let (writer, reader) = HeapRb::new(capacity * words).split();
    (
        RowWriter { ring: writer, row: vec![0; words], refused: 0 },
        RowReader { ring: reader, row: vec![0; words] },
    )
}

impl RowWriter {
    /// Values per row.
    pub fn width(&self) -> usize {
        self.row.len() - HEAD_WORDS
    }

    /// Commits one row as a whole; `false` when there is no room (counted). Values beyond the width are not allowed.
    #[must_use]
    pub fn push(&mut self, head: RowHead, values: impl IntoIterator<Item = f64>) -> bool {
        if self.ring.vacant_len() < self.row.len() {
            self.refused += 1;
            return false;
        }
        self.row[0] = head.index;
        self.row[1] = head.stamp_s.to_bits();
        self.row[2] = head.at_ns as u64;
        let mut filled = 0;
        for (slot, value) in self.row[HEAD_WORDS..].iter_mut().zip(values) {
            *slot = value.to_bits();
            filled += 1;
        }
        debug_assert_eq!(filled, self.width());
        self.ring.push_slice(&self.row);
        true
    }

    /// Room for that many more rows now.
    pub fn vacant(&self) -> usize {
        self.ring.vacant_len() / self.row.len()
    }

    /// Rows refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl RowReader {
    /// Values per row.
    pub fn width(&self) -> usize {
        self.row.len() - HEAD_WORDS
    }

    /// Rows that wait.
    pub fn waiting(&self) -> usize {
        self.ring.occupied_len() / self.row.len()
    }

    /// Reads the oldest row into `values` (which must have the row's width).
    pub fn pop(&mut self, values: &mut [f64]) -> Option<RowHead> {
        debug_assert_eq!(values.len(), self.width());
        if self.ring.occupied_len() < self.row.len() {
            return None;
        }
        self.ring.pop_slice(&mut self.row);
        for (value, &word) in values.iter_mut().zip(&self.row[HEAD_WORDS..]) {
            *value = f64::from_bits(word);
        }
        Some(RowHead { index: self.row[0], stamp_s: f64::from_bits(self.row[1]), at_ns: self.row[2] as i64 })
    }

    /// Passes over up to `count` of the oldest rows and says how many it was.
    pub fn skip(&mut self, count: usize) -> usize {
        let count = count.min(self.waiting());
        self.ring.skip(count * self.row.len()) / self.row.len()
    }

    /// Whether the other end is gone and everything was read.
    pub fn is_finished(&self) -> bool {
        !self.ring.write_is_held() && self.ring.is_empty()
    }
}
