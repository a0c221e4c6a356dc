//! Records as rows of `i64` columns: integers and nanoseconds as they are, `f64` as its bits.
//!
//! A recording keeps these columns, not decimal text, so that what is replayed is equal to the bit.

use thiserror::Error;

/// A record that the recording stores as one row of `i64` columns and that replay reads back, equal to the bit.
pub trait Row: Copy {
    /// Name of the stream that holds these rows.
    const STREAM: &'static str;
    /// Column names, in order; a name that ends in `_f64` holds `f64::to_bits`.
    const COLUMNS: &'static [&'static str];
    /// Columns that the oldest recordings have: new ones are only ever added at the end, and read as 0 where they lack.
    const OLDEST_COLUMNS: usize = Self::COLUMNS.len();

    /// Appends exactly `COLUMNS.len()` numbers through `put`.
    fn write(&self, put: &mut impl FnMut(i64));

    /// Reads a row back.
    ///
    /// # Errors
    /// When the row has another length or a column holds a number that [`Row::write`] cannot have written.
    fn read(row: &[i64]) -> Result<Self, RowError>;
}

/// A stored row that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// Wrong number of columns.
    #[error("a row of stream `{stream}` has {found} columns, expected {expected}")]
    Length {
        /// Stream name.
        stream: &'static str,
        /// Columns found.
        found: usize,
        /// Columns expected.
        expected: usize,
    },
    /// A value outside what the column may hold.
    #[error("stream `{stream}`, column `{column}`: {value} is not allowed")]
    Value {
        /// Stream name.
        stream: &'static str,
        /// Column name.
        column: &'static str,
        /// The number found.
        value: i64,
    },
}

/// Walks the columns of a row while reading, so that an error can name the column.
pub(crate) struct Columns<'a> {
    stream: &'static str,
    names: &'static [&'static str],
    row: &'a [i64],
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn of<T: Row>(row: &'a [i64]) -> Result<Self, RowError> {
        if !(T::OLDEST_COLUMNS..=T::COLUMNS.len()).contains(&row.len()) {
            return Err(RowError::Length { stream: T::STREAM, found: row.len(), expected: T::COLUMNS.len() });
        }
        Ok(Self { stream: T::STREAM, names: T::COLUMNS, row, next: 0 })
    }

    pub(crate) fn i64(&mut self) -> i64 {
        let value = self.row.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        value
    }

    pub(crate) fn f64(&mut self) -> f64 {
        f64::from_bits(self.i64() as u64)
    }

    pub(crate) fn int<T: TryFrom<i64>>(&mut self) -> Result<T, RowError> {
        let value = self.i64();
        T::try_from(value).map_err(|_| self.refuse(value))
    }

    /// 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, RowError> {
        match self.i64() {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(self.refuse(value)),
        }
    }

    /// `-1` stands for "none" in a column of indices.
    pub(crate) fn optional_index(&mut self) -> Result<Option<u64>, RowError> {
        match self.i64() {
            -1 => Ok(None),
            value => u64::try_from(value).map(Some).map_err(|_| self.refuse(value)),
        }
    }

    /// The variant whose place in the list is the next column.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T, RowError> {
        let code = self.i64();
        usize::try_from(code).ok().and_then(|code| all.get(code).copied()).ok_or_else(|| self.refuse(code))
    }

    /// The error for `value`, in the column that was read last.
    pub(crate) fn refuse(&self, value: i64) -> RowError {
        let column = self.names.get(self.next.saturating_sub(1)).copied().unwrap_or("?");
        RowError::Value { stream: self.stream, column, value }
    }
}

pub(crate) fn index_column(index: Option<u64>) -> i64 {
    index.map_or(-1, |index| index as i64)
}
