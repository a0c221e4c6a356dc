//! The sections on trials, and on values that were scored against a baseline.

use timeline::{Trial, TrialOutcome, s_from_ns};

use super::charts::Figure;
use super::page::{Column, Page};
use super::sections::Facts;
use super::svg::{LEFT, Plot, RIGHT, Scale, WIDTH, svg, three_digits};
use crate::tried::{Arm, Threshold, Tried};

/// Height of a figure's plot.
const HEIGHT: f64 = 200.0;

impl Facts<'_> {
    /// What each block of trials found, and its course.
    pub fn trials(&self, page: &mut Page) {
        let Some(all) = &self.summary.trials else { return };
        page.heading("Trials");
        let columns: [Column; 6] = [
            ("block", false),
            ("procedure", false),
            ("trials", true),
            ("detected", true),
            ("lost", true),
            ("threshold", false),
        ];
        page.table(&columns, &all.iter().map(row).collect::<Vec<_>>());
        let arms: Vec<Vec<String>> = all.iter().flat_map(|tried| &tried.arms).map(arm_row).collect();
        if !arms.is_empty() {
            let columns: [Column; 4] =
                [("arm", false), ("contrast", true), ("tried", true), ("mean reward", true)];
            page.table(&columns, &arms);
        }
        let runs = self.session.trials.chunk_by(|a, b| a.block == b.block);
        for (run, tried) in runs.zip(all).filter(|(_, tried)| tried.threshold.is_some()) {
            page.figure(&course(run, tried));
        }
        page.how(
            "A trial is answered by the first decoded window that lies within it (detected: above the protocol's criterion in \
             standard errors of that window), or by a marker. Lost trials told the procedure nothing. Threshold of QUEST+: mean \
             and standard deviation of the posterior of log contrast, interval at 1.96 of them. Of a staircase: mean of the \
             counted reversals, with the standard error of the mid-points between successive ones (Wetherill and Levitt 1965).",
        );
    }

    /// How often decoded values lay above a set point relative to a baseline.
    pub fn scores(&self, page: &mut Page) {
        let Some(all) = &self.summary.scored else { return };
        page.heading("Scores against a baseline");
        let columns: [Column; 7] = [
            ("block", false),
            ("values", true),
            ("frozen", true),
            ("above the set point", true),
            ("baseline (\u{b5}V)", true),
            ("its SD (\u{b5}V)", true),
            ("mean score (SD)", true),
        ];
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|scored| {
                let part = |rate: f64| format!("{:.1} %", 100.0 * rate);
                vec![
                    scored.block.clone(),
                    scored.values.to_string(),
                    scored.frozen.to_string(),
                    scored.success_rate.map_or("\u{2013}".into(), part),
                    three_digits(scored.baseline_uv),
                    three_digits(scored.baseline_sd_uv),
                    scored.mean_sd.map_or("\u{2013}".into(), |mean| format!("{mean:+.2}")),
                ]
            })
            .collect();
        page.table(&columns, &rows);
        page.figure(&self.scores_figure());
        page.how(
            "A score is the decoded value less the centre of the baseline block, over that block's standard deviation (or \
             their robust counterparts, as the protocol says). Frozen: an artefact lay in the window; such a value counts \
             neither way and moves no set point.",
        );
    }

    fn scores_figure(&self) -> Figure {
        let scores = &self.session.scores;
        let start_ns = scores.first().map_or(0, |score| score.at_ns);
        let at = |at_ns: i64| s_from_ns(at_ns - start_ns);
        let extent = |values: [f64; 2]| [values[0].min(-1.0), values[1].max(1.0)];
        let [low, high] = extent(scores.iter().fold([0.0, 0.0], |[low, high], score| {
            [f64::min(low, score.score), f64::max(high, score.score)]
        }));
        let end_s = scores.last().map_or(1.0, |score| at(score.at_ns)).max(1.0);
        let x = Scale::linear(0.0, end_s, LEFT, WIDTH - RIGHT);
        let mut plot = Plot::new(x, Scale::linear(low, high, 14.0 + HEIGHT, 14.0));
        plot.y_axis(5, "score (SD)");
        plot.x_axis(8, Some("time since the first score (s)"));
        for run in scores.chunk_by(|a, b| a.block == b.block) {
            let line: Vec<_> = run.iter().map(|score| (at(score.at_ns), score.score)).collect();
            plot.line(&line, "c1");
            let threshold: Vec<_> = run.iter().map(|score| (at(score.at_ns), score.threshold)).collect();
            plot.line(&threshold, "c0 dashed");
        }
        Figure {
            svg: svg(HEIGHT + 60.0, "Scores against the baseline", [plot]),
            keys: vec![("c1", "score".into()), ("c0 dashed", "set point".into())],
            caption: "Decoded values in standard deviations above the baseline, and the set point.".into(),
            how: String::new(),
        }
    }
}

fn row(tried: &Tried) -> Vec<String> {
    vec![
        tried.block.clone(),
        tried.procedure.unwrap_or("\u{2013}").to_owned(),
        tried.trials.to_string(),
        tried.detected.to_string(),
        tried.lost.to_string(),
        tried.threshold.map_or("\u{2013}".into(), |threshold: Threshold| threshold.to_string()),
    ]
}

fn arm_row(arm: &Arm) -> Vec<String> {
    vec![
        arm.stimulus.clone(),
        three_digits(arm.contrast),
        arm.pulls.to_string(),
        arm.mean_reward.map_or("\u{2013}".into(), three_digits),
    ]
}

/// Contrasts that were tried, by answer, and the threshold as it was known.
fn course(run: &[Trial], tried: &Tried) -> Figure {
    let contrasts = || run.iter().map(|trial| trial.contrast);
    let [low, high] = contrasts().fold([f64::INFINITY, 0.0], |[low, high], contrast| {
        [f64::min(low, contrast), f64::max(high, contrast)]
    });
    let x = Scale::linear(0.0, run.len() as f64 + 1.0, LEFT, WIDTH - RIGHT);
    let mut plot = Plot::new(x, Scale::log(low / 1.3, (high * 1.3).min(1.3), 14.0 + HEIGHT, 14.0));
    plot.y_axis(5, "contrast");
    plot.x_axis(8, Some("trial"));
    let is_posterior = tried.threshold.is_some_and(|threshold| threshold.interval.is_some());
    let known: Vec<(f64, Threshold)> = (1_u32..)
        .zip(run)
        .filter_map(|(n, trial)| Some((f64::from(n), Threshold::of(trial, is_posterior)?)))
        .collect();
    let clip = |contrast: f64| contrast.clamp(low / 1.3, (high * 1.3).min(1.3));
    let band: Vec<_> = known
        .iter()
        .filter_map(|&(n, threshold)| threshold.interval.map(|[low, high]| (n, clip(low), clip(high))))
        .collect();
    plot.band(&band, "c0");
    plot.line(&known.iter().map(|&(n, threshold)| (n, clip(threshold.contrast))).collect::<Vec<_>>(), "c0");
    for (n, trial) in (1_u32..).zip(run) {
        let (class, word) = match trial.outcome {
            TrialOutcome::Yes => ("c1", "detected"),
            TrialOutcome::No => ("c2", "not detected"),
            TrialOutcome::Lost | TrialOutcome::Reward => ("grey", "lost"),
        };
        plot.dot(f64::from(n), trial.contrast, class, &format!("trial {n}: {word}"));
    }
    Figure {
        svg: svg(HEIGHT + 60.0, "Course of the trials", [plot]),
        keys: vec![
            ("c1", "detected".into()),
            ("c2", "not detected".into()),
            ("c0", "threshold, and its 95 % interval".into()),
        ],
        caption: format!("Contrasts tried in block {}, by answer.", tried.block),
        how: String::new(),
    }
}
