//! Trials and scored set points through the whole program, against the simulated participant's own latent response: the
//! threshold that QUEST+ and a staircase find, the arm that a bandit settles on, the rate that an adaptive set point keeps.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use participant::Person;
use photic::cli::RunArgs;
use photic::run::simulated::virtual_args;
use photic::summary::Summary;
use recording::RecordedSession;
use timeline::{Row, ScoreOutcome, Trial, TrialOutcome};

/// Runs a shipped protocol with a simulated participant on the virtual clock; the session replays to the bit.
fn run(
    protocol: &str,
    participant: &str,
    seed: u64,
    edit: impl Fn(String) -> String,
) -> (Summary, RecordedSession) {
    let place = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(support::root().join("protocols").join(protocol)).unwrap();
    let file = place.path().join(protocol);
    std::fs::write(&file, edit(text)).unwrap();
    let sessions = place.path().join("sessions");
    let args = RunArgs { protocol: Some(file), ..virtual_args(sessions.clone(), participant, seed, None) };
    let summary = photic::run::run(args, false).unwrap();
    let session = support::session_below(&sessions);
    let replayed = photic::replay::replay(session.folder.path()).unwrap();
    assert!(replayed.identical, "{protocol} {participant} {seed}: {replayed}");
    assert_eq!(replayed.first_difference, None);
    (summary, session)
}

/// Mean latent response over the window that answered a trial.
fn latent_uv(session: &RecordedSession, trial: &Trial) -> f64 {
    let decision = session.decisions.iter().find(|decision| Some(decision.index) == trial.decision).unwrap();
    let stamps = &session.sources[0].stamps_s;
    let span = stamps[decision.first_sample as usize]..=stamps[decision.end_sample as usize - 1];
    let within = session.latents.iter().filter(|latent| span.contains(&timeline::s_from_ns(latent.at_ns)));
    let (sum, n) = within.fold((0.0, 0.0), |(sum, n), latent| (sum + latent.response_uv, n + 1.0));
    sum / n
}

/// The contrast at which the participant's noise-free response, by their own contrast response and their mean gain over the
/// trials, is the criterion: that many standard errors of a window. In decimal logarithm.
fn latent_threshold(session: &RecordedSession, person: &Person, criterion_sd: f64) -> f64 {
    let answered: Vec<&Trial> = session.trials.iter().filter(|trial| trial.decision.is_some()).collect();
    let n = answered.len() as f64;
    // The log gain wavers symmetrically, and half of the windows lie above its median.
    let gains =
        answered.iter().map(|trial| latent_uv(session, trial) / person.contrast_response(trial.contrast));
    let gain_uv = (gains.map(f64::ln).sum::<f64>() / n).exp();
    let noise_uv = (answered.iter().map(|trial| trial.spread * trial.spread).sum::<f64>() / n).sqrt();
    let part = criterion_sd * noise_uv / gain_uv;
    (person.semisaturation * (part / (1.0 - part)).powf(1.0 / person.exponent)).log10()
}

/// By the interval of QUEST+, and by its standard deviation: the participant's own threshold.
#[test]
fn quest_plus_finds_the_participants_own_threshold() {
    let mut inside = 0;
    let people = [("nominal", 1), ("nominal", 2), ("nominal", 3), ("P31", 1), ("P31", 2), ("P10", 1)];
    for (name, seed) in people {
        let (summary, session) = run("threshold.toml", name, seed, |text| text);
        let tried = &summary.trials.unwrap()[0];
        let threshold = tried.threshold.unwrap();
        let own = latent_threshold(&session, Person::find(name).unwrap(), 2.0);
        let ([low, high], sd) = (threshold.interval.unwrap(), threshold.sd_log10.unwrap());
        let (found, own_contrast) = (threshold.contrast, 10_f64.powf(own));
        println!("{name} {seed}: found {found:.4} ({low:.4} to {high:.4}), own {own_contrast:.4}");
        assert!((found.log10() - own).abs() < 3.0 * sd && sd < 0.08);
        inside += u32::from((low..=high).contains(&own_contrast));
        // What the summary says is what the last record says, and each answer is its decision's.
        assert_eq!((tried.trials, tried.procedure), (session.trials.len() as u64, Some("quest_plus")));
        for trial in session.trials.iter().filter(|trial| trial.outcome != TrialOutcome::Lost) {
            let decision = &session.decisions[trial.decision.unwrap() as usize];
            assert_eq!((trial.value, trial.spread), (decision.value, decision.spread));
            assert_eq!(trial.outcome == TrialOutcome::Yes, trial.value > 2.0 * trial.spread);
        }
    }
    assert!(inside >= 5, "{inside} of {}", people.len());
}

/// Two sessions of one seed are the same, and the report shows them.
#[test]
fn a_staircase_and_its_report() {
    let (summary, session) = run("staircase.toml", "P31", 2, |text| text);
    let (again, other) = run("staircase.toml", "P31", 2, |text| text);
    assert!(summary.trials == again.trials && !session.trials.is_empty());
    // By their bits, since what is not known yet is not a number.
    let bits = |session: &RecordedSession| {
        let mut bits = Vec::new();
        session.trials.iter().for_each(|trial| trial.write(&mut |value| bits.push(value)));
        bits
    };
    assert!(bits(&session) == bits(&other));
    let tried = &summary.trials.as_ref().unwrap()[0];
    let threshold = tried.threshold.unwrap();
    let own = latent_threshold(&session, Person::find("P31").unwrap(), 2.0);
    println!("staircase: {threshold} after {} trials, own {:.4}", tried.trials, 10_f64.powf(own));
    assert!(tried.trials < 120 && (threshold.contrast.log10() - own).abs() < 0.12);
    assert!(threshold.sd_log10.is_some() && threshold.interval.is_none());
    let page = photic::report::render(&session, &summary);
    for part in ["<h2", "Trials", "staircase", "Course of the trials", "standard error"] {
        assert!(page.contains(part), "{part}");
    }
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["trials"][0]["threshold"]["contrast"].as_f64(), Some(threshold.contrast));
}

#[test]
fn a_bandit_tries_most_what_drives_most() {
    let (summary, session) = run("bandit.toml", "nominal", 3, |text| text);
    let arms = &summary.trials.unwrap()[0].arms;
    let most = (0..arms.len()).max_by_key(|&arm| arms[arm].pulls).unwrap();
    // By the latent response, which the loop never saw.
    let latent = |arm: usize| {
        let tried = session.trials.iter().filter(|trial| trial.choice == arm as u64);
        let values: Vec<f64> = tried.map(|trial| latent_uv(&session, trial)).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let best = (0..arms.len()).max_by(|&a, &b| latent(a).total_cmp(&latent(b))).unwrap();
    println!("pulls {:?}, best {best}", arms.iter().map(|arm| arm.pulls).collect::<Vec<_>>());
    assert!(most == best && arms[best].pulls >= 50 && arms.iter().all(|arm| arm.pulls > 0));
}

/// The rate is kept, artefacts are left out, and the page says so.
#[test]
fn neurofeedback_keeps_its_rate() {
    let (summary, session) =
        run("neurofeedback.toml", "P31", 4, |text| text.replace("blink_uv = 150.0", "blink_uv = 90.0"));
    let scored = summary.scored.clone().unwrap();
    let training = &scored[0];
    let rate = training.success_rate.unwrap();
    println!("{} frozen of {}, rate {rate:.3}", training.frozen, training.values);
    assert!((0.6..=0.7).contains(&rate) && training.values > 2000 && training.frozen > 0, "{training:?}");
    for pair in session.scores.windows(2).filter(|pair| pair[0].block == pair[1].block) {
        let holds = pair[0].outcome == ScoreOutcome::Frozen || pair[0].block == 3;
        assert_eq!(holds, pair[0].threshold == pair[1].threshold, "{pair:?}");
    }
    for score in &session.scores {
        let decision = &session.decisions[score.decision as usize];
        assert_eq!(score.score, (decision.value - score.baseline_uv) / score.baseline_sd_uv);
    }
    let page = photic::report::render(&session, &summary);
    assert!(page.contains("Scores against a baseline") && page.contains("training"));
}
