//! Referencing (channels were selected and ordered before).

/// Against what the channels are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reference {
    /// As the amplifier gave them.
    #[default]
    None,
    /// Against the mean of all channels.
    CommonAverage,
}

impl Reference {
    /// Re-references one row in place.
    pub fn apply(self, row: &mut [f64]) {
        match self {
            Self::None => {}
            Self::CommonAverage => common_average(row),
        }
    }
}

/// Takes the mean of a row from each of its values. A row with a value that is not finite becomes NaN as a whole: its
/// reference is unknown.
pub fn common_average(row: &mut [f64]) {
    if row.is_empty() {
        return;
    }
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    for value in row {
        *value -= mean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_is_gone() {
        let mut row = [1.0, 2.0, 6.0];
        Reference::CommonAverage.apply(&mut row);
        assert_eq!(row, [-2.0, -1.0, 3.0]);
        Reference::None.apply(&mut row);
        assert_eq!(row, [-2.0, -1.0, 3.0]);
        common_average(&mut []);
    }
}
