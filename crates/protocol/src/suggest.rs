//! Guesses at what was meant: the nearest name, and the right unit for a key that carries another.

/// A unit as keys end with it.
struct UnitRow {
    suffix: &'static str,
    /// How a sentence calls it.
    words: &'static str,
    dimension: Dimension,
    /// One of this unit in the dimension's base unit.
    factor: f64,
}

#[derive(PartialEq)]
enum Dimension {
    Share,
    Time,
    Frequency,
    Slope,
    Angle,
    Pixels,
    Length,
    SpatialFrequency,
    PixelFrequency,
    Voltage,
    Luminance,
    Storage,
}

const fn unit(suffix: &'static str, words: &'static str, dimension: Dimension, factor: f64) -> UnitRow {
    UnitRow { suffix, words, dimension, factor }
}

/// Longer suffixes first where one ends with another: `slew_per_s` is per s, not in s.
const UNITS: &[UnitRow] = &[
    unit("_per_ms", "per ms", Dimension::Slope, 1e3),
    unit("_per_min", "per min", Dimension::Slope, 1.0 / 60.0),
    unit("_per_s", "per s", Dimension::Slope, 1.0),
    unit("_cd_m2", "cd/m2", Dimension::Luminance, 1.0),
    unit("_nits", "nits", Dimension::Luminance, 1.0),
    unit("_percent", "percent", Dimension::Share, 0.01),
    unit("_pct", "percent", Dimension::Share, 0.01),
    unit("_ns", "ns", Dimension::Time, 1e-9),
    unit("_us", "us", Dimension::Time, 1e-6),
    unit("_ms", "ms", Dimension::Time, 1e-3),
    unit("_s", "s", Dimension::Time, 1.0),
    unit("_sec", "s", Dimension::Time, 1.0),
    unit("_min", "min", Dimension::Time, 60.0),
    unit("_khz", "kHz", Dimension::Frequency, 1e3),
    unit("_hz", "Hz", Dimension::Frequency, 1.0),
    unit("_deg", "deg", Dimension::Angle, 1.0),
    unit("_arcmin", "arcmin", Dimension::Angle, 1.0 / 60.0),
    unit("_rad", "rad", Dimension::Angle, 180.0 / std::f64::consts::PI),
    unit("_px", "px", Dimension::Pixels, 1.0),
    unit("_mm", "mm", Dimension::Length, 0.1),
    unit("_cm", "cm", Dimension::Length, 1.0),
    unit("_m", "m", Dimension::Length, 100.0),
    unit("_in", "inches", Dimension::Length, 2.54),
    unit("_cpd", "cycles per degree of visual angle", Dimension::SpatialFrequency, 1.0),
    unit("_cpp", "cycles per px", Dimension::PixelFrequency, 1.0),
    unit("_nv", "nV", Dimension::Voltage, 1e-3),
    unit("_uv", "uV", Dimension::Voltage, 1.0),
    unit("_mv", "mV", Dimension::Voltage, 1e3),
    unit("_v", "V", Dimension::Voltage, 1e6),
    unit("_kb", "kB", Dimension::Storage, 1e-3),
    unit("_mb", "MB", Dimension::Storage, 1.0),
    unit("_gb", "GB", Dimension::Storage, 1e3),
];

fn split_unit(key: &str) -> (&str, Option<&'static UnitRow>) {
    for row in UNITS {
        if let Some(stem) = key.strip_suffix(row.suffix).filter(|stem| !stem.is_empty()) {
            return (stem, Some(row));
        }
    }
    (key, None)
}

/// The unit that a key carries, in words.
pub(crate) fn unit_of(key: &str) -> Option<&'static str> {
    split_unit(key).1.map(|row| row.words)
}

/// What somebody who wrote `key = value` may have meant, among the keys that are valid and not there yet.
pub(crate) fn for_unknown_key<'k>(
    key: &str,
    value: &str,
    candidates: impl Iterator<Item = &'k str>,
) -> Option<String> {
    let candidates: Vec<&str> = candidates.collect();
    let (stem, unit) = split_unit(key);
    let same_stem = candidates.iter().find(|c| split_unit(c).0.eq_ignore_ascii_case(stem));
    match same_stem {
        Some(candidate) => Some(unit_hint(candidate, unit, value)),
        None => nearest(key, candidates.into_iter()).map(|name| format!("did you mean `{name}`?")),
    }
}

fn unit_hint(candidate: &str, found: Option<&UnitRow>, value: &str) -> String {
    let meant = format!("did you mean `{candidate}`?");
    let wanted = split_unit(candidate).1;
    let Some(wanted) = wanted else {
        return match found.filter(|f| f.dimension == Dimension::Share) {
            Some(share) => format!("{meant} It is a share of 1{}", rewritten(candidate, value, share.factor)),
            None => meant,
        };
    };
    match found {
        None => format!("{meant} A number carries its unit in its key: {}", wanted.words),
        Some(found) if found.suffix == wanted.suffix => meant,
        Some(found) if found.dimension == wanted.dimension => {
            let rewritten = rewritten(candidate, value, found.factor / wanted.factor);
            format!("{meant} Its unit is {}, not {}{rewritten}", wanted.words, found.words)
        }
        Some(found) => format!("{meant} Its unit is {}, not {}", wanted.words, found.words),
    }
}

/// The corrected line, if the value is a number.
fn rewritten(key: &str, value: &str, factor: f64) -> String {
    let Ok(number) = value.replace('_', "").parse::<f64>() else { return String::new() };
    // 12 digits, so that 700 ms does not become 0.7000000000000001 s.
    match format!("{:.11e}", number * factor).parse::<f64>() {
        Ok(number) if number.is_finite() => format!(": write `{key} = {number}`"),
        _ => String::new(),
    }
}

/// The nearest of several names, if one is near enough to be a slip of the fingers.
pub(crate) fn nearest<'k>(name: &str, names: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // Two short names that differ in one letter are two names: Cz is not a slip for Oz, but POZ is one for POz.
    let most = (name.chars().count() / 3).min(3);
    let (distance, best) = names.map(|n| (edit_distance(name, n), n)).min_by_key(|(d, _)| *d)?;
    (distance <= most).then_some(best)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment) that lead from one name to
/// the other; case does not count.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        assert_eq!(edit_distance("window_s", "window_s"), 0);
        assert_eq!(edit_distance("widnow_s", "window_s"), 1, "a swap of neighbours is one slip");
        assert_eq!(edit_distance("duraton_s", "duration_s"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("POZ", "POz"), 0, "case does not count");
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(nearest("colour", ["sf_cpd", "phase_deg"].into_iter()), None);
        assert_eq!(nearest("phase_dge", ["sf_cpd", "phase_deg"].into_iter()), Some("phase_deg"));
        assert_eq!(nearest("x", std::iter::empty()), None);
        assert_eq!(nearest("Cz", ["Oz", "POz"].into_iter()), None, "another electrode, no slip");
        assert_eq!(nearest("OZ", ["Oz", "POz"].into_iter()), Some("Oz"));
    }

    #[test]
    fn wrong_units_are_converted_where_they_can_be() {
        let hint = |key, value, meant| for_unknown_key(key, value, [meant].into_iter()).expect("a hint");
        assert_eq!(
            hint("duration_ms", "700", "duration_s"),
            "did you mean `duration_s`? Its unit is s, not ms: write `duration_s = 0.7`"
        );
        assert_eq!(
            hint("slew_per_ms", "0.002", "slew_per_s"),
            "did you mean `slew_per_s`? Its unit is per s, not per ms: write `slew_per_s = 2`"
        );
        assert_eq!(
            hint("contrast_percent", "60", "contrast"),
            "did you mean `contrast`? It is a share of 1: write `contrast = 0.6`"
        );
        assert_eq!(
            hint("sf_cpp", "0.1", "sf_cpd"),
            "did you mean `sf_cpd`? Its unit is cycles per degree of visual angle, not cycles per px"
        );
        assert_eq!(
            hint("duration", "3", "duration_s"),
            "did you mean `duration_s`? A number carries its unit in its key: s"
        );
        assert_eq!(
            hint("duration_ms", "\"long\"", "duration_s"),
            "did you mean `duration_s`? Its unit is s, not ms"
        );
    }

    #[test]
    fn units_are_read_off_the_keys() {
        assert_eq!(unit_of("slew_per_s"), Some("per s"));
        assert_eq!(unit_of("luminance_max_cd_m2"), Some("cd/m2"));
        assert_eq!(unit_of("exponent"), None);
        assert_eq!(unit_of("_s"), None, "a unit alone is no key");
    }
}
