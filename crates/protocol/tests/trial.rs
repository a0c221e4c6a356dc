//! Trials and scored set points in a protocol: what the shipped files say, and what is refused, with its place.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use protocol::{Answer, BlockKind, Measure, Procedure, Protocol, SetPoint, StaircaseRule};

const THRESHOLD: &str = include_str!("../../../protocols/threshold.toml");
const STAIRCASE: &str = include_str!("../../../protocols/staircase.toml");
const BANDIT: &str = include_str!("../../../protocols/bandit.toml");
const NEUROFEEDBACK: &str = include_str!("../../../protocols/neurofeedback.toml");

fn trial(text: &str) -> protocol::Trial {
    let protocol = Protocol::parse(text, "x.toml").unwrap();
    match &protocol.blocks[1].kind {
        BlockKind::Trial(trial) => trial.as_ref().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_shipped_files_say_what_they_run() {
    let quest = trial(THRESHOLD);
    assert!(matches!(quest.answer, Answer::Decoded { criterion_sd: 2.0 }));
    let Procedure::QuestPlus(plan) = &quest.procedure else { panic!() };
    assert_eq!((plan.contrasts.count, plan.thresholds.count, plan.prior), (33, 65, Some([0.15, 0.4])));
    let staircase = trial(STAIRCASE);
    let Procedure::Staircase(plan) = &staircase.procedure else { panic!() };
    assert_eq!((plan.rule, plan.reversals, plan.counted), (StaircaseRule::UpDown { up: 1, down: 1 }, 24, 16));
    let bandit = trial(BANDIT);
    let Procedure::Bandit(plan) = &bandit.procedure else { panic!() };
    assert!(plan.context.minutes && !plan.context.previous_sd && bandit.answer == Answer::Amplitude);
    assert_eq!((plan.arms.len(), bandit.procedure.highest_contrast()), (4, 0.5));
    let protocol = Protocol::parse(NEUROFEEDBACK, "x").unwrap();
    let BlockKind::Hold(hold) = &protocol.blocks[2].kind else { panic!() };
    let SetPoint::Scored(scored) = &hold.set_point else { panic!() };
    assert_eq!((scored.baseline, scored.measure, scored.at_sd), (1, Measure::Moments, 0.0));
    assert_eq!(scored.adapt.unwrap().success_rate, 0.65);
}

#[test]
fn keys_can_answer() {
    let (from, to) =
        (THRESHOLD.find("\n[artefacts]").unwrap(), THRESHOLD.find("# Without a simulated").unwrap());
    // Without the words at its head, which name these keys too.
    let begin = THRESHOLD.find("[protocol]").unwrap();
    let text = format!("{}{}", &THRESHOLD[begin..from], &THRESHOLD[to..])
        .replace(
            "[stimulus.target",
            "[stream.keys]\ntype = \"Markers\"\nmarkers = { seen = 1, \"not seen\" = 2, space = 1 }\n\n[stimulus.target",
        )
        .replace(
            "{ decoded = { criterion_sd = 2.0 } }",
            "{ marker = { stream = \"keys\", yes = \"seen\", no = \"not seen\", within_s = 2.0 } }",
        );
    assert_eq!(trial(&text).answer, Answer::Marker { stream: 1, yes: 1, no: 2, within_s: 2.0 });
    for (from, to, key, says) in [
        ("no = \"not seen\"", "no = \"space\"", "no", "another code"),
        ("no = \"not seen\"", "no = \"unseen\"", "no", "not seen"),
        ("stream = \"keys\"", "stream = \"eeg\"", "stream", "Markers"),
    ] {
        refused(&text, from, to, key, says);
    }
}

/// The error names the line of the change, the key, what was found and what is allowed.
fn refused(text: &str, from: &str, to: &str, key: &str, says: &str) {
    let changed = text.replacen(from, to, 1);
    assert_ne!(changed, text, "{from} is not in the file");
    let error = Protocol::parse(&changed, "x.toml").unwrap_err();
    let message = error.to_string();
    assert!(message.contains(says) && message.contains("x.toml:"), "{from} -> {to}: {message}");
    let named = error.key().unwrap();
    assert!(named.ends_with(key), "{from} -> {to}: {named} in {message}");
    assert!(error.line().is_some_and(|line| line > 10), "{message}");
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    for (from, to, key, says) in [
        ("on_s = 3.2", "on_s = 2.2", "on_s", "at least 2.500 s"),
        ("gap_s = 0.8", "gap_s = 0.3", "gap_s", "grey_ramp_s = 0.5"),
        ("trials = 120", "trials = 0", "trials", "1"),
        ("criterion_sd = 2.0", "criterion = 2.0", "criterion", "criterion_sd"),
        ("{ decoded = { criterion_sd = 2.0 } }", "{ amplitude = {} }", "amplitude", "for `bandit`"),
        ("count = 33", "count = 1", "count", "2"),
        ("to = 0.8, count = 33", "to = 1.2, count = 33", "to", "1.2"),
        ("count = 65 }", "count = 512 }\n", "thresholds", ""),
        ("guess_rate = 0.04\n", "", "guess_rate", "missing"),
        ("lapse_rates = [0.0, 0.03, 0.08]", "lapse_rates = [0.0, 0.97]", "lapse_rates", "0.96"),
        ("form = \"logistic\"", "form = \"gumbel\"", "form", "\"weibull\", \"logistic\""),
        ("until_sd_log10 = 0.0\n", "", "until_sd_log10", "missing"),
        (
            "calibrate = { stimulus = \"target\", contrast = 0.8, on_s = 8.0, off_s = 1.0 }",
            "rest = {}",
            "trial",
            "calibrate",
        ),
    ] {
        if from == "count = 65 }" {
            // 33 x 512 x 5 x 3 fits; 512 x 512 x 16 does not.
            let changed = THRESHOLD
                .replace("count = 33", "count = 512")
                .replace("count = 65", "count = 512")
                .replace("[4.0, 6.0, 9.0, 13.0, 19.0]", "[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]");
            let message = Protocol::parse(&changed, "x.toml").unwrap_err().to_string();
            assert!(message.contains("4718592") && message.contains("4194304"), "{message}");
            continue;
        }
        refused(THRESHOLD, from, to, key, says);
    }
    for (from, to, key, says) in [
        ("start_contrast = 0.5", "start_contrast = 0.9", "start_contrast", "0.02 to 0.8"),
        ("step_up_db = 4.0", "step_up_db = 40.0", "step_up_db", "32"),
        ("counted = 16", "counted = 25", "counted", "24"),
        ("up_down = { up = 1, down = 1 }\n", "", "staircase", "up_down, weighted"),
        ("shrink = 0.7", "shrink = 0.0", "shrink", "above 0"),
    ] {
        refused(STAIRCASE, from, to, key, says);
    }
    for (from, to, key, says) in [
        ("context = [\"minutes\"]", "context = [\"mood\"]", "context", "previous_sd"),
        ("thompson = { noise_sd = 0.8 }", "thompson = {}", "noise_sd", "missing"),
        (
            "{ stimulus = \"fine\", contrast = 0.5 }",
            "{ stimulus = \"fine\", contrast = 1.5 }",
            "contrast",
            "1.5",
        ),
        (
            "sf_cpd = 2.0\norientation_deg = 45.0\nphase_deg = 0.0\ndiameter_deg = 10.0\nedge_deg = 1.0\nflicker = { counterphase_hz = 7.5",
            "sf_cpd = 2.0\norientation_deg = 45.0\nphase_deg = 0.0\ndiameter_deg = 10.0\nedge_deg = 1.0\nflicker = { counterphase_hz = 6.0",
            "stimulus",
            "flickers like \"target\"",
        ),
    ] {
        refused(BANDIT, from, to, key, says);
    }
}

#[test]
fn baselines_come_first_and_thermostats_adapt() {
    for (from, to, key, says) in [
        ("baseline = \"baseline\"", "baseline = \"basline\"", "baseline", "did you mean \"baseline\"?"),
        ("baseline = \"baseline\"", "baseline = \"calibrate\"", "baseline", "`rest`"),
        ("duration_s = 60.0\nshow", "duration_s = 5.0\nshow", "baseline", "7.5 s"),
        ("measure = \"moments\"", "measure = \"mean\"", "measure", "\"robust\""),
        ("success_rate = 0.65", "success_rate = 65", "success_rate", "0.99"),
        ("lowest_sd = -4.0", "lowest_sd = 1.0", "lowest_sd", "0"),
        ("step_sd = 0.03, ", "", "step_sd", "missing"),
        (
            "[controller.on_off]\ncontrast_low = 0.3\ncontrast_high = 0.5\nband_uv = 0.0\nleast_on_s = 0.0\nleast_off_s = 0.0\n",
            "[controller.pi]\nkp = 0.8\nki_per_s = 0.03\n",
            "set_point_adaptive",
            "on_off",
        ),
        ("duration_s = 60.0\nshow", "shuffle = true\nduration_s = 60.0\nshow", "baseline", "not shuffled"),
    ] {
        refused(NEUROFEEDBACK, from, to, key, says);
    }
    // A rest is a baseline too: the response above none at all.
    let rest = NEUROFEEDBACK.replace("show = { stimulus = \"target\", contrast = 0.4 }", "rest = {}");
    assert!(Protocol::parse(&rest, "x").is_ok());
    // Any controller may hold a set point that does not move by itself.
    let at = NEUROFEEDBACK.find("[[block]]\nname = \"training\"").unwrap();
    let to = NEUROFEEDBACK.find("[[block]]\nname = \"transfer\"").unwrap();
    let plain = format!("{}{}", &NEUROFEEDBACK[..at], &NEUROFEEDBACK[to..]).replace(
        "[controller.on_off]\ncontrast_low = 0.3\ncontrast_high = 0.5\nband_uv = 0.0\nleast_on_s = 0.0\nleast_off_s = 0.0\n",
        "[controller.pi]\nkp = 0.8\nki_per_s = 0.03\n",
    );
    assert!(Protocol::parse(&plain, "x").is_ok(), "{:?}", Protocol::parse(&plain, "x"));
}
