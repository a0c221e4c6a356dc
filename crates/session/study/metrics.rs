//! What a session is judged by: the columns of the table.

use crate::steered::Steered;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// It says what happened, not how good that was.
    Neither,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in specification and table, with its unit.
    pub key: &'static str,
    /// What it is.
    pub words: &'static str,
    /// Which way is better.
    pub better: Better,
}

const fn lower(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, better: Better::Lower }
}

const fn higher(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, better: Better::Higher }
}

const fn fact(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, better: Better::Neither }
}

/// Columns that any session has, and those of sessions that choose pictures for a simulated brain.
pub const OF_ANY: usize = 17;
const STEERED: usize = 15;

/// All columns of numbers, in the order of the table.
pub const METRICS: [Metric; OF_ANY + STEERED] = [
    lower("latent_error_uv", "mean absolute error of the noise-free response over all time with a set point"),
    lower("latent_error_settled_uv", "the same without the first two windows of each hold"),
    lower(
        "slow_error_uv",
        "latent error of the response without the fluctuation over seconds, which nobody can foresee",
    ),
    lower("measured_error_uv", "mean absolute error of the decoder's values"),
    lower("measured_error_settled_uv", "the same without the first two windows of each hold"),
    fact("contrast_mean", "mean contrast shown over all time with a set point"),
    fact("contrast_change_per_s", "how much the contrast moved per second of that time"),
    fact("calibrated_uv", "amplitude that the calibration found; missing when it was not trusted"),
    higher("accuracy", "part of the cued decisions that were right"),
    fact("decisions", "decisions of the decoder"),
    fact("commands", "commands to the display"),
    fact("frames", "frames presented"),
    lower("missed_frames", "refreshes that showed an old frame again"),
    fact("samples", "samples recorded"),
    lower("samples_lost", "samples that the loop never saw"),
    fact("held_s", "time with a set point"),
    fact("length_s", "length of the session"),
    higher("normalised_gain", "how far the brain was driven: 0 the best natural picture, 1 the oracle's"),
    lower(
        "kept_error_uv",
        "mean distance of the latent response from the set point of pictures, drift alone",
    ),
    lower("kept_error_nominal_uv", "the same for the nominal open loop, on the same course of the gain"),
    lower("kept_error_once_uv", "the same for the open loop that was calibrated once"),
    lower("kept_of_nominal", "kept_error_uv over kept_error_nominal_uv"),
    lower("kept_of_once", "kept_error_uv over kept_error_once_uv"),
    fact("kept_cycle_p", "probability of so strong a cycle of the measured response by chance (Fisher's g)"),
    higher("target_moved", "latent change of the target in the wanted direction, as a part of its baseline"),
    lower("others_moved", "largest latent change of another population, as a part of its baseline"),
    higher("others_within", "1 where all others are within the tolerance of their baselines, 0 where not"),
    higher("selectivity", "target_moved over others_moved, of which at least 1e-6"),
    higher("open_loop_target_moved", "target_moved of the first picture after the probes, never corrected"),
    lower("open_loop_others_moved", "others_moved of that picture"),
    higher("open_loop_selectivity", "selectivity of that picture"),
    higher(
        "more_selective",
        "1 where the target moved in the wanted direction, and more selectively than by that picture; 0 where not",
    ),
];

/// The columns of [`METRICS`] from the normalised gain on.
pub fn of_pictures(steered: Option<&Steered>) -> [f64; STEERED] {
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let kept = steered.and_then(|steered| steered.kept.as_ref()?.latent.as_ref());
    let selected = steered.and_then(|steered| steered.selected.as_ref());
    let moved = selected.map(|selected| &selected.moved);
    let open_loop = selected.and_then(|selected| Some(&selected.open_loop.as_ref()?.moved));
    [
        or_nan(steered.and_then(|steered| Some(steered.gain.as_ref()?.normalised))),
        or_nan(kept.map(|kept| kept.error_uv)),
        or_nan(kept.map(|kept| kept.nominal_open_loop_uv)),
        or_nan(kept.map(|kept| kept.calibrated_open_loop_uv)),
        or_nan(kept.map(|kept| kept.of_nominal)),
        or_nan(kept.map(|kept| kept.of_calibrated)),
        or_nan(steered.and_then(|steered| Some(steered.kept.as_ref()?.cycle.as_ref()?.p))),
        or_nan(moved.map(|moved| moved.target_moved)),
        or_nan(moved.map(|moved| moved.others_moved)),
        or_nan(selected.and_then(|selected| selected.within_tolerance).map(|is| f64::from(u8::from(is)))),
        or_nan(moved.map(|moved| moved.selectivity)),
        or_nan(open_loop.map(|open| open.target_moved)),
        or_nan(open_loop.map(|open| open.others_moved)),
        or_nan(open_loop.map(|open| open.selectivity)),
        or_nan(
            moved.zip(open_loop).and_then(|(own, open)| own.beats(open)).map(|is| f64::from(u8::from(is))),
        ),
    ]
}

/// The column of that name.
pub fn metric(key: &str) -> Option<usize> {
    METRICS.iter().position(|metric| metric.key == key)
}
