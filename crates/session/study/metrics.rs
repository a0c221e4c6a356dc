//! What a session is judged by: the columns of the table.

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

const fn fact(key: &'static str, words: &'static str) -> Metric {
    Metric { key, words, better: Better::Neither }
}

/// All columns of numbers, in the order of the table.
pub const METRICS: [Metric; 17] = [
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
    Metric { key: "accuracy", words: "part of the cued decisions that were right", better: Better::Higher },
    fact("decisions", "decisions of the decoder"),
    fact("commands", "commands to the display"),
    fact("frames", "frames presented"),
    lower("missed_frames", "refreshes that showed an old frame again"),
    fact("samples", "samples recorded"),
    lower("samples_lost", "samples that the loop never saw"),
    fact("held_s", "time with a set point"),
    fact("length_s", "length of the session"),
];

/// The column of that name.
pub fn metric(key: &str) -> Option<usize> {
    METRICS.iter().position(|metric| metric.key == key)
}
