//! Files of measurements: a line of column names, then one row of numbers per line, separated by commas. Empty lines and
//! what follows a `#` do not count.

use thiserror::Error;

/// What is wrong with a measurement.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{place}: {what}")]
pub struct MeasuredError {
    /// File and line, or the name of an inline table and its row.
    pub place: String,
    /// The value found and what is allowed.
    pub what: String,
}

impl MeasuredError {
    pub(crate) fn new(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.to_owned(), what: what.into() }
    }
}

/// Columns of numbers, and where each row stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    /// The file, or the name of the inline table.
    pub(crate) source: String,
    /// One place per row, for errors.
    pub(crate) places: Vec<String>,
    /// `values[column][row]`.
    pub(crate) values: Vec<Vec<f64>>,
}

impl Columns {
    /// Reads a text whose names are one of the `allowed` lists, in that order.
    pub(crate) fn parse(text: &str, file: &str, allowed: &[&[&str]]) -> Result<Self, MeasuredError> {
        let mut lines = text.lines().enumerate().filter_map(|(index, line)| {
            let line = line.split('#').next().unwrap_or("").trim_matches([' ', '\t', '\r', '\u{feff}']);
            (!line.is_empty()).then(|| (format!("{file}:{}", index + 1), line))
        });
        let in_words = || allowed.iter().map(|names| names.join(",")).collect::<Vec<_>>().join(" or ");
        let Some((place, head)) = lines.next() else {
            return Err(MeasuredError::new(
                file,
                format!("is empty; its first line has to be {}", in_words()),
            ));
        };
        let names: Vec<&str> = head.split(',').map(str::trim).collect();
        if !allowed.contains(&names.as_slice()) {
            return Err(MeasuredError::new(&place, format!("found {head}, allowed: {}", in_words())));
        }
        let mut columns = Self { source: file.to_owned(), places: vec![], values: vec![vec![]; names.len()] };
        for (place, line) in lines {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            if cells.len() != names.len() {
                let what =
                    format!("{} numbers, wanted are {}: {}", cells.len(), names.len(), names.join(","));
                return Err(MeasuredError::new(&place, what));
            }
            for ((cell, name), column) in cells.iter().zip(&names).zip(&mut columns.values) {
                match cell.parse::<f64>() {
                    Ok(number) if number.is_finite() => column.push(number),
                    _ => {
                        let what = format!("{name} is {cell:?}, allowed is a number with a decimal point");
                        return Err(MeasuredError::new(&place, what));
                    }
                }
            }
            columns.places.push(place);
        }
        Ok(columns)
    }

    /// Columns that were not read from a file; `source` names them. All are equally long.
    pub(crate) fn inline(source: &str, values: Vec<Vec<f64>>) -> Self {
        let rows = values.first().map_or(0, Vec::len);
        let places = (1..=rows).map(|row| format!("{source}, row {row}")).collect();
        Self { source: source.to_owned(), places, values }
    }

    /// Refuses the first row whose value is not above the one before (or, where `equal` is allowed, is below it).
    pub(crate) fn rises(&self, column: usize, name: &str, equal: bool) -> Result<(), MeasuredError> {
        let values = &self.values[column];
        for (row, pair) in values.windows(2).enumerate() {
            if pair[1] < pair[0] || (pair[1] == pair[0] && !equal) {
                let than = if equal { "at least" } else { "more than" };
                let what = format!("{name} is {}, allowed is {than} {} of the row before", pair[1], pair[0]);
                return Err(MeasuredError::new(&self.places[row + 1], what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_line_and_value() {
        let names: &[&[&str]] = &[&["a", "b"], &["a", "b", "c"]];
        let read = |text| Columns::parse(text, "m.csv", names);
        let columns = read("\u{feff}# by hand\na, b\n\n1,2 # first\r\n 3 ,4.5e1\n").unwrap();
        assert_eq!(columns.values, [[1.0, 3.0], [2.0, 45.0]]);
        assert_eq!(columns.places, ["m.csv:4", "m.csv:5"]);
        let cases = [
            ("", "m.csv: is empty; its first line has to be a,b or a,b,c"),
            ("a;b\n1;2", "m.csv:1: found a;b, allowed: a,b or a,b,c"),
            ("a,b\n1", "m.csv:2: 1 numbers, wanted are 2: a,b"),
            ("a,b\n1,x", "m.csv:2: b is \"x\", allowed is a number with a decimal point"),
            ("a,b\n1,NaN", "m.csv:2: b is \"NaN\", allowed is a number with a decimal point"),
        ];
        for (text, message) in cases {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        let falls = read("a,b\n1,2\n2,2\n3,1").unwrap();
        assert_eq!(falls.rises(0, "a", false), Ok(()));
        let said = |equal| falls.rises(1, "b", equal).unwrap_err().to_string();
        assert_eq!(said(false), "m.csv:3: b is 2, allowed is more than 2 of the row before");
        assert_eq!(said(true), "m.csv:4: b is 1, allowed is at least 2 of the row before");
    }
}
