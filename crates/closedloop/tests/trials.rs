//! Blocks of trials in the loop: answered by keys and by decoded windows, lost to artefacts, the same after a reset; and set
//! points in units of a baseline.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use std::sync::Arc;

use closedloop::*;
use common::*;
use timeline::{Marker, NoticeKind, Row, ScoreOutcome, SourceId, Trial, TrialOutcome};

const YES: u32 = 1;
const NO: u32 = 2;

fn quest(threshold_sd: f64) -> ProcedurePlan {
    ProcedurePlan::QuestPlus(QuestPlan {
        form: PsychometricForm::Weibull,
        contrasts: LogGrid { from: 0.01, to: 0.9, count: 40 },
        thresholds: LogGrid { from: 0.01, to: 0.9, count: 60 },
        slopes: Few::new(&[2.0, 3.5, 5.0]),
        lapses: Few::new(&[0.0, 0.04]),
        guess: 0.03,
        prior: None,
        threshold_sd,
    })
}

fn trials(answer: AnswerPlan, procedure: ProcedurePlan, count: u32) -> BlockPlan {
    let plan = TrialsPlan { scene: GRATING, on_ns: 3 * S, gap_ns: S / 2, trials: count, answer, procedure };
    block(3600, BlockKind::Trial(plan))
}

fn keys(within_ns: i64, procedure: ProcedurePlan, count: u32) -> Plan {
    let answer = AnswerPlan::Marker { source: SourceId(1), yes: YES, no: NO, within_ns };
    Plan {
        controller: None,
        decoder: None,
        sources: vec![eeg_source(), SourcePlan { is_marker: true, ..eeg_source() }],
        ..thermostat(pi(6.0), vec![trials(answer, procedure, count)])
    }
}

/// Somebody with keys: `press` is told each contrast that comes on and says which key they press how long after.
fn sit(looped: &mut Loop, mut press: impl FnMut(f64) -> Option<(i64, u32)>) -> Vec<Trial> {
    let mut out = Outputs::default();
    let (mut found, mut waiting): (Vec<Trial>, Vec<Marker>) = (Vec::new(), Vec::new());
    let (mut pressed, mut was_on) = (0, false);
    for turn in 0..40_000_u64 {
        let now_ns = 1_000 * S + turn as i64 * 40_000_000;
        let at_ns: [i64; 10] = std::array::from_fn(|n| now_ns + n as i64 * 4_000_000);
        let values: Vec<f64> = (0..80).map(|n| f64::from(n % 7)).collect();
        let eeg = SourceInput { skipped: 0, first_sample: turn * 10, at_ns: &at_ns, values: &values };
        let due: Vec<Marker> = waiting.extract_if(.., |marker| marker.at_ns <= now_ns).collect();
        let inputs = Inputs {
            turn,
            now_ns,
            flips: &[flip(turn * 12 / 5, now_ns)],
            markers: &due,
            sources: &[eeg, SourceInput::default()],
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        for command in &out.commands {
            let is_on = command.contrast.to > 0.0;
            if let (true, Some((after_ns, code))) =
                (is_on && !was_on, is_on.then(|| press(command.contrast.to)).flatten())
            {
                waiting.push(marker(pressed, now_ns + after_ns, code));
                pressed += 1;
            }
            was_on = is_on;
        }
        found.extend(&out.trials);
        if out.finished {
            return found;
        }
    }
    panic!("{} trials, and no end", found.len());
}

fn bits(trials: &[Trial]) -> Vec<i64> {
    let mut bits = Vec::new();
    trials.iter().for_each(|trial| trial.write(&mut |value| bits.push(value)));
    bits
}

#[test]
fn keys_answer_and_the_threshold_is_within_its_interval() {
    let mut inside = 0;
    for seed in 1..=10 {
        let mut noise = Noise(seed);
        let threshold = -1.2 + 0.6 * noise.uniform();
        let person =
            Psychometric { form: PsychometricForm::Weibull, threshold, slope: 3.5, guess: 0.03, lapse: 0.02 };
        let mut looped = Loop::prepare(&keys(S, quest(0.0), 80)).unwrap();
        let mut said = Vec::new();
        let found = sit(&mut looped, |contrast| {
            let is_seen = noise.uniform() < person.correct(contrast.log10());
            said.push(is_seen);
            Some((S, if is_seen { YES } else { NO }))
        });
        assert_eq!((found.len(), said.len()), (80, 80));
        for (n, (trial, is_seen)) in found.iter().zip(said).enumerate() {
            let outcome = if is_seen { TrialOutcome::Yes } else { TrialOutcome::No };
            assert_eq!((trial.index, trial.marker, trial.outcome), (n as u64, Some(n as u64), outcome));
            assert!(trial.decision.is_none() && trial.value.is_nan() && trial.block == 0);
            assert!((3 * S..3 * S + S / 10).contains(&(trial.end_ns - trial.begin_ns)));
        }
        let last = found.last().unwrap();
        let z = (last.estimate - threshold) / last.estimate_sd;
        assert!(last.estimate_sd < 0.06 && z.abs() < 4.0, "{z}: {last:?}");
        inside += u32::from(z.abs() < 1.96);
    }
    println!("{inside} of 10 thresholds within their 95 % intervals");
    assert!(inside >= 8, "{inside} of 10");
}

/// The same answers after a reset: the same trials to the bit. And the block ends when enough is known.
#[test]
fn a_reset_forgets_everything_and_certainty_ends_a_block() {
    let mut looped = Loop::prepare(&keys(S, quest(0.08), 200)).unwrap();
    let run = |looped: &mut Loop| {
        let mut noise = Noise(5);
        sit(looped, |contrast| {
            let is_seen = noise.uniform() < f64::from(u8::from(contrast > 0.1)) * 0.9 + 0.05;
            Some((S / 2, if is_seen { YES } else { NO }))
        })
    };
    let first = run(&mut looped);
    assert!(first.len() < 120, "{}", first.len());
    let (last, before) = (first.last().unwrap(), &first[first.len() - 2]);
    assert!(last.estimate_sd <= 0.08 && before.estimate_sd > 0.08);
    looped.reset();
    // By their bits, since the amplitude of a key is not a number.
    assert_eq!(bits(&run(&mut looped)), bits(&first));
}

/// A key that comes too late, or says something else, is no answer, and teaches the procedure nothing.
#[test]
fn late_and_foreign_keys_are_no_answers() {
    let mut looped = Loop::prepare(&keys(S, quest(0.0), 12)).unwrap();
    let mut n = 0;
    let found = sit(&mut looped, |_| {
        n += 1;
        match n % 4 {
            0 => Some((S, YES)),
            1 => Some((S, 9)),
            2 => None,
            _ => Some((4 * S + S / 4, NO)),
        }
    });
    let lost = |trial: &Trial| trial.outcome == TrialOutcome::Lost;
    assert_eq!(found.iter().filter(|trial| !lost(trial)).count(), 3);
    for pair in found.windows(2).filter(|pair| lost(&pair[1])) {
        assert_eq!((pair[1].estimate, pair[1].estimate_sd), (pair[0].estimate, pair[0].estimate_sd));
        assert_eq!(pair[1].marker, None);
    }
}

fn staircase() -> ProcedurePlan {
    ProcedurePlan::Staircase(StaircasePlan {
        rule: StaircaseRule::UpDown { up: 1, down: 1 },
        start: -0.3,
        limits: [-2.0, -0.05],
        step_up: 0.2,
        step_down: 0.2,
        shrink: 0.7,
        least_part: 0.25,
        reversals: 20,
        counted: 14,
    })
}

fn person(seed: u64) -> Person {
    Person { gain_uv: Arc::new(|_| 6.0), noise_uv: 1.0, seed }
}

/// The staircase on decoded answers comes to stand where the noise-free response of a person, whose gain does not move, is
/// the criterion.
#[test]
fn a_staircase_settles_at_the_criterion() {
    let answer = AnswerPlan::Decoded { criterion_sd: 3.0 };
    let (mut off, runs) = (0.0, 4);
    for seed in 1..=runs {
        let plan = Plan {
            controller: None,
            ..thermostat(pi(6.0), vec![calibrate(60), trials(answer, staircase(), 100)])
        };
        let log = run(&plan, &person(seed), 10, 500.0, |_| false, |_, _| {});
        let last = log.trials.last().unwrap();
        assert!(log.trials.len() < 100 && log.trials.iter().all(|trial| trial.decision.is_some()));
        for trial in &log.trials {
            assert_eq!(trial.outcome == TrialOutcome::Yes, trial.value > 3.0 * trial.spread);
        }
        let squares: f64 = log.trials.iter().map(|trial| trial.spread * trial.spread).sum();
        let part = 3.0 * (squares / log.trials.len() as f64).sqrt() / 6.0;
        let own = (0.3 * (part / (1.0 - part)).sqrt()).log10();
        println!("staircase {seed}: {:.3} +- {:.3}, own {own:.3} log10", last.estimate, last.estimate_sd);
        assert!((last.estimate - own).abs() < 0.15, "{} {own}", last.estimate);
        off += (last.estimate - own) / f64::from(runs as u32);
    }
    assert!(off.abs() < 0.06, "{off}");
}

/// A trial whose windows all hold an artefact is lost; the others are not touched.
#[test]
fn artefacts_lose_trials() {
    let answer = AnswerPlan::Decoded { criterion_sd: 3.0 };
    let plan = Plan {
        controller: None,
        artefacts: Some(ARTEFACTS),
        ..thermostat(pi(6.0), vec![calibrate(30), trials(answer, quest(0.0), 12)])
    };
    // A blink every 5 s; a trial takes 3.5 s and is lost a second later.
    let is_bad = |index: u64| {
        let since_s = index as f64 / RATE_HZ - 30.0;
        since_s > 0.0 && since_s.rem_euclid(5.0) < 0.2
    };
    let blink = |index: u64, row: &mut [f64]| row[0] += if is_bad(index) { 900.0 } else { 0.0 };
    let log = run(&plan, &person(2), 10, 120.0, |_| false, blink);
    let lost = log.trials.iter().filter(|trial| trial.outcome == TrialOutcome::Lost).count();
    assert!(log.trials.len() == 12 && (3..11).contains(&lost), "{lost} of {}", log.trials.len());
    for trial in log.trials.iter().filter(|trial| trial.outcome != TrialOutcome::Lost) {
        let decision = &log.decisions[trial.decision.unwrap() as usize];
        // Segments of 0.2 s that end with the window or before it count.
        let end_sample = decision.end_sample / 50 * 50;
        assert!((decision.first_sample..end_sample).all(|index| !is_bad(index)), "{trial:?}");
    }
}

/// Two arms that differ in contrast: the better one is tried more, and the reward expected of it is the response.
#[test]
fn a_bandit_goes_where_the_response_is() {
    let arms = [0.1, 0.3, 0.6].map(|contrast| Arm { scene: GRATING, contrast });
    for rule in [BanditRule::Thompson { noise_sd: 0.5 }, BanditRule::LinUcb { alpha: 1.0 }] {
        let context = ContextPlan { previous_sd: true, minutes: true };
        let bandit = ProcedurePlan::Bandit(ArmsPlan::new(&arms, rule, context, 0.1, 3));
        let plan = Plan {
            controller: None,
            ..thermostat(pi(6.0), vec![calibrate(30), trials(AnswerPlan::Amplitude, bandit, 50)])
        };
        let log = run(&plan, &person(3), 10, 300.0, |_| false, |_, _| {});
        let pulls = |choice| log.trials.iter().filter(|trial| trial.choice == choice).count();
        assert!(log.trials.len() == 50 && pulls(2) > 30, "{rule:?}: {} {} {}", pulls(0), pulls(1), pulls(2));
        let last = log.trials.iter().rfind(|trial| trial.choice == 2).unwrap();
        assert!((last.estimate / (6.0 * drive(0.6)) - 1.0).abs() < 0.3, "{last:?}");
    }
}

fn scored(at_sd: f64, adapt: Option<AdaptPlan>) -> BlockKind {
    let plan = ScoredPlan { baseline: 1, spread: Spread::Moments, at_sd, adapt };
    BlockKind::Hold { scene: GRATING, set_point: SetPointPlan::Scored(plan) }
}

/// A thermostat between two contrasts; the same twice is none.
fn on_off(contrast_low: f64, contrast_high: f64) -> ControllerPlan {
    let response = response(6.0);
    ControllerPlan::OnOff(OnOffPlan {
        response,
        contrast_low,
        contrast_high,
        band_uv: 0.0,
        least_on_ns: 0,
        least_off_ns: 0,
    })
}

fn feedback(controller: ControllerPlan, baseline_s: i64, held_s: i64, held: BlockKind) -> Plan {
    let show = block(baseline_s, BlockKind::Show { scene: GRATING, contrast: 0.4 });
    thermostat(controller, vec![calibrate(30), show, block(held_s, held)])
}

fn mean_and_sd(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    [mean, (values.map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()]
}

/// Scores of the baseline's own windows have mean 0 and standard deviation 1; later ones of the same person at the same
/// contrast have so but for what 120 independent windows leave open.
#[test]
fn scores_have_mean_0_and_deviation_1_where_nothing_changes() {
    let plan = feedback(on_off(0.4, 0.4), 240, 240, scored(0.5, None));
    let log = run(&plan, &person(4), 10, 520.0, |_| false, |_, _| {});
    let [mean, sd] = mean_and_sd(log.scores.iter().map(|score| score.score));
    println!("later scores: mean {mean:.3}, standard deviation {sd:.3}");
    assert!(log.scores.len() > 2300 && mean.abs() < 0.3 && (sd - 1.0).abs() < 0.2, "{mean} {sd}");
    assert!(log.scores.iter().all(|score| score.threshold == 0.5 && score.block == 2));
    let taken = log.notices.iter().find(|notice| notice.kind == NoticeKind::BaselineTaken).unwrap();
    let first = log.scores[0];
    assert_eq!(taken.value, first.baseline_sd_uv);
    let before = first.decision as usize;
    // The windows of the block but for its first, in which the stimulus came.
    let own = &log.decisions[before - taken.count as usize..before];
    let [mean, sd] = mean_and_sd(own.iter().map(|d| (d.value - first.baseline_uv) / first.baseline_sd_uv));
    assert!(mean.abs() < 0.02 && (sd - 1.0).abs() < 0.02, "{mean} {sd}");
    // The set point on record is the score's, in uV.
    let held = log.decisions[before + 5].set_point.unwrap();
    assert!((held - (first.baseline_uv + 0.5 * first.baseline_sd_uv)).abs() < 1e-9);
}

#[test]
fn an_adaptive_set_point_reaches_its_rate() {
    for success_rate in [0.3, 0.65, 0.8] {
        let adapt = AdaptPlan { success_rate, step_sd: 0.05, limits_sd: [-6.0, 6.0] };
        let plan = feedback(on_off(0.3, 0.5), 60, 240, scored(0.0, Some(adapt)));
        let log = run(&plan, &person(6), 10, 340.0, |_| false, |_, _| {});
        let successes = log.scores.iter().filter(|score| score.outcome == ScoreOutcome::Success).count();
        let rate = successes as f64 / log.scores.len() as f64;
        println!("wanted {success_rate}: {rate:.3} of {}", log.scores.len());
        assert!(log.scores.len() > 2300 && (rate - success_rate).abs() < 0.03, "{rate} for {success_rate}");
        // Strong below the set point, faint above it.
        let hold = log.commands.iter().filter(|command| command.issued_ns > 1_091 * S);
        let contrasts: Vec<f64> = hold.map(|command| command.contrast.to).filter(|&to| to > 0.0).collect();
        assert!(contrasts.len() > 10 && contrasts.iter().all(|&to| to == 0.3 || to == 0.5));
    }
}

#[test]
fn an_artefact_moves_neither_baseline_nor_set_point() {
    let adapt = AdaptPlan { success_rate: 0.65, step_sd: 0.05, limits_sd: [-6.0, 6.0] };
    let plan =
        Plan { artefacts: Some(ARTEFACTS), ..feedback(on_off(0.3, 0.5), 60, 60, scored(0.0, Some(adapt))) };
    let blink = |index: u64, row: &mut [f64]| row[1] += if index % 3000 < 40 { 500.0 } else { 0.0 };
    let log = run(&plan, &person(7), 10, 160.0, |_| false, blink);
    let frozen = log.scores.iter().filter(|score| score.outcome == ScoreOutcome::Frozen).count();
    assert!((50..300).contains(&frozen) && kinds(&log).contains(&NoticeKind::Frozen), "{frozen}");
    for pair in log.scores.windows(2) {
        assert_eq!(pair[0].outcome == ScoreOutcome::Frozen, pair[0].threshold == pair[1].threshold);
    }
    let taken = log.notices.iter().find(|notice| notice.kind == NoticeKind::BaselineTaken).unwrap();
    // 60 s less the first window; five blinks that each lie in windows over 2 s.
    assert!((400..520).contains(&taken.count), "{}", taken.count);
}

/// Nothing was decoded in the baseline: nothing is shown against it.
#[test]
fn a_failed_baseline_stays_grey() {
    let plan = feedback(on_off(0.3, 0.5), 20, 20, scored(0.0, None));
    let blink = |_: u64, row: &mut [f64]| row[2] = f64::NAN;
    let log = run(&plan, &person(8), 10, 90.0, |_| false, blink);
    assert!(kinds(&log).contains(&NoticeKind::BaselineFailed) && log.scores.is_empty());
    assert!(
        log.commands.iter().filter(|command| command.issued_ns > 1_051 * S).all(|c| c.contrast.to == 0.0)
    );
}

#[test]
fn impossible_plans_are_refused_with_numbers() {
    let answer = AnswerPlan::Decoded { criterion_sd: 3.0 };
    let refused = |plan: Plan, says: &str| {
        let error = Loop::prepare(&plan).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    let decoded = |blocks| Plan { controller: None, ..thermostat(pi(6.0), blocks) };
    refused(decoded(vec![trials(answer, quest(0.0), 5)]), "calibration");
    let amplitude = trials(AnswerPlan::Amplitude, quest(0.0), 5);
    refused(decoded(vec![calibrate(30), amplitude]), "bandit");
    let BlockKind::Trial(plan) = trials(answer, quest(0.0), 5).kind else { panic!() };
    let brief = block(60, BlockKind::Trial(TrialsPlan { on_ns: S, ..plan }));
    refused(decoded(vec![calibrate(30), brief]), "on time in s is 1");
    let keys = AnswerPlan::Marker { source: SourceId(0), yes: 1, no: 2, within_ns: S };
    refused(decoded(vec![trials(keys, quest(0.0), 5)]), "markers");
    let adapt = AdaptPlan { success_rate: 0.65, step_sd: 0.05, limits_sd: [-6.0, 6.0] };
    refused(feedback(pi(6.0), 60, 60, scored(0.0, Some(adapt))), "on_off");
    refused(
        feedback(on_off(0.3, 0.5), 60, 60, scored(0.0, Some(AdaptPlan { success_rate: 1.5, ..adapt }))),
        "1.5",
    );
    let unseen = thermostat(on_off(0.3, 0.5), vec![calibrate(30), hold(9, 1.0), block(9, scored(0.0, None))]);
    refused(unseen, "baseline");
}
