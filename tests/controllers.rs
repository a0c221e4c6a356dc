//! The controllers' numbers against numpy and scipy: what Rust finds is written down, and the judge computes it anew.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use closedloop::*;
use serde_json::{Value, json};

#[test]
fn numpy_and_scipy_find_the_same() {
    let Some(python) = support::judge::python() else { return };
    let found = json!({
        "lq": linear_quadratic(),
        "filter": gain_filter(),
        "margins": stability(),
        "quest": [quest_plus(PsychometricForm::Weibull), quest_plus(PsychometricForm::Logistic)],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("controllers.json");
    std::fs::write(&file, found.to_string()).unwrap();
    print!("{}", support::judge::agrees(&python, "controllers.py", &file));
}

fn linear_quadratic() -> Vec<Value> {
    let pairs = [0.01, 1.0, 40.0].into_iter().flat_map(|rho| [0.2, 0.9, 0.97].map(|keep| (rho, keep)));
    pairs
        .map(|(rho, keep)| {
            let LqGain { distance, fading } = LqGain::optimal(rho, keep);
            json!({ "rho": rho, "keep": keep, "distance": distance, "fading": fading })
        })
        .collect()
}

/// Measurements are what the filter expects, so that its linearisation stays at the believed gain.
fn gain_filter() -> Value {
    let model = GainModel { drift_sd: 0.2, drift_tau_s: 120.0, fluctuation_sd: 0.25, fluctuation_tau_s: 3.5 };
    let (step_s, segments, drive_uv, spread_uv) = (0.1, 20, 1.5, 0.3);
    let mut filter = GainFilter::prepare(&model, step_s, segments, 0.3);
    for _ in 0..20_000 {
        filter.pass(drive_uv, spread_uv);
        filter.measure(drive_uv, spread_uv);
    }
    let keep = filter.keep();
    json!({
        "segments": segments, "drive_uv": drive_uv, "spread_uv": spread_uv, "keep": keep,
        "drift_variance": 0.04 * step_s / 120.0, "kick_variance": 0.0625 * (1.0 - keep * keep),
        "variances": filter.variances(),
    })
}

fn stability() -> Vec<Value> {
    let mut cases = Vec::new();
    for (kp, ki_per_s, kd_s, smith) in
        [(0.2, 0.5, 0.0, false), (0.3, 0.8, 0.05, true), (0.0, 0.4, 0.0, true), (0.4, 0.1, 0.3, false)]
    {
        let step_s = 0.1;
        let gains = PidGains {
            kp,
            ki_per_s,
            kd_s,
            derivative_tau_s: 0.3,
            set_point_weight: 1.0,
            tracking_tau_s: 1.0,
        };
        let weights = window_weights(2.0, step_s);
        let found = margins(&gains, step_s, smith, |q| weighted(&weights, q)).unwrap();
        cases.push(json!({
            "kp": kp, "ki_per_s": ki_per_s, "kd_s": kd_s, "derivative_tau_s": 0.3, "step_s": step_s,
            "smith": smith, "weights": weights, "gain": found.gain,
        }));
    }
    cases
}

fn quest_plus(form: PsychometricForm) -> Value {
    let spaced =
        |low: f64, high: f64, n: usize| (0..n).map(move |i| low + (high - low) * i as f64 / (n - 1) as f64);
    let plan = QuestPlusPlan {
        form,
        levels: spaced(-2.0, 0.0, 31).collect(),
        thresholds: spaced(-1.9, -0.1, 25).collect(),
        slopes: vec![2.0, 3.5, 6.0],
        lapses: vec![0.0, 0.02, 0.05],
        guess: 0.25,
        prior: None,
        stop: QuestPlusStop { trials: 60, threshold_sd: 0.0 },
    };
    let truth = Psychometric { form, threshold: -1.13, slope: 4.0, guess: 0.25, lapse: 0.03 };
    let mut quest = QuestPlus::prepare(&plan).unwrap();
    let mut random = random::Random::new(17, 2);
    let (mut proposed, mut correct) = (Vec::new(), Vec::new());
    while !quest.is_done() {
        let index = quest.propose();
        let right = random.uniform() < truth.correct(plan.levels[index]);
        quest.answer(index, right);
        proposed.push(index);
        correct.push(right);
    }
    let form = if form == PsychometricForm::Weibull { "weibull" } else { "logistic" };
    json!({
        "form": form, "levels": plan.levels, "thresholds": plan.thresholds, "slopes": plan.slopes,
        "lapses": plan.lapses, "guess": plan.guess, "proposed": proposed, "correct": correct,
        "weights": quest.weights(),
    })
}
