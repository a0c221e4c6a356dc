//! Wall time, for names and manifests only. Nothing is ever aligned by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// An instant of UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime {
    unix_s: i64,
}

impl WallTime {
    /// Now. The only place where the wall clock is read.
    #[allow(clippy::disallowed_methods)] // the session folder's name and manifest need it, see clippy.toml
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { unix_s: since as i64 }
    }

    /// From seconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix_s(unix_s: i64) -> Self {
        Self { unix_s }
    }

    /// `2026-11-22T17:05:51Z` (ISO 8601).
    pub fn iso(&self) -> String {
        let (y, mo, d, h, mi, s) = self.civil();
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
    }

    /// `20261122T170551`, as it stands in a session's name.
    pub fn compact(&self) -> String {
        let (y, mo, d, h, mi, s) = self.civil();
        format!("{y:04}{mo:02}{d:02}T{h:02}{mi:02}{s:02}")
    }

    /// Year, month, day, hour, minute, second of the proleptic Gregorian calendar. Eras of 400 years (146 097 days)
    /// that start on 1 March make the leap day the last of its year.
    fn civil(&self) -> (i64, i64, i64, i64, i64, i64) {
        let (days, second) = (self.unix_s.div_euclid(86_400), self.unix_s.rem_euclid(86_400));
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day, second / 3_600, second / 60 % 60, second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        assert_eq!(WallTime::from_unix_s(0).iso(), "1970-01-01T00:00:00Z");
        assert_eq!(WallTime::from_unix_s(951_782_399).iso(), "2000-02-28T23:59:59Z");
        assert_eq!(WallTime::from_unix_s(951_782_400).iso(), "2000-02-29T00:00:00Z");
        assert_eq!(WallTime::from_unix_s(1_709_251_199).compact(), "20240229T235959");
        assert_eq!(WallTime::from_unix_s(4_107_542_400).iso(), "2100-03-01T00:00:00Z");
        assert_eq!(WallTime::from_unix_s(-1).iso(), "1969-12-31T23:59:59Z");
    }
}
