//! Counterfactual replay: the fitted participant against the real (simulated) one, who sat there with the other
//! controller too, on the same day.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::sync::Arc;

use participant::{Day, Participant, nominal, people};
use photic::counterfactual::{Came, Draws, Fit, Observed, Other, fitted};
use photic::experiment::Experiment;
use photic::run::participant::setup;
use photic::run::simulated::{Instead, in_memory};
use random::Random;
use recording::RecordedSession;
use support::{root, run, virtual_session};

const OPEN: &str = r#"
[controller.open_loop_nominal]
nominal_gain_uv = 3.5
semisaturation = 0.3
exponent = 2.0
contrast_min = 0.0
contrast_max = 0.9
slew_per_s = 2.0
"#;

/// A number of a closed loop and its name.
type Field = (&'static str, fn(&Came) -> f64);

fn thermostat() -> Experiment {
    Experiment::load(&root().join(support::THERMOSTAT), None).unwrap()
}

fn session(person: &str, seed: u64, seconds: Option<f64>) -> RecordedSession {
    in_memory(thermostat(), person, seed, seconds, Instead::default(), &mut ()).unwrap()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let all: Vec<f64> = values.collect();
    all.iter().sum::<f64>() / all.len() as f64
}

/// The measured figures (twelve people of all terciles, 4 draws each) stand in docs/studies.md.
#[test]
fn the_fitted_participant_predicts_another_controller() {
    let mut worst: f64 = 0.0;
    let mut errors = Vec::new();
    for (person, seed) in [("P01", 300), ("P20", 304), ("P55", 311)] {
        let recorded = session(person, seed, None);
        let other = Other::parse(OPEN, "open.toml".into(), &recorded, &thermostat()).unwrap();
        let draws = Draws { same_day: 2, other_days: 0, seed: 1 };
        let found = fitted(&recorded, &thermostat(), Some(&other), draws, 0).unwrap();
        // Whatever was drawn, it explains the recording: the same controller does the same again, to the bit.
        assert_eq!(found.commands_again, recorded.commands.len(), "{person}");
        let truth =
            in_memory(other.experiment.clone(), person, seed, None, Instead::default(), &mut ()).unwrap();
        let truth = Came::of(&truth, &other.experiment);
        let modelled = mean(found.same_day[1].iter().map(|closed| closed.came.latent_error_uv));
        let error = modelled / truth.latent_error_uv - 1.0;
        println!("{person}: true {:.3} uV, modelled {modelled:.3} uV", truth.latent_error_uv);
        worst = worst.max(error.abs());
        errors.push(error);
        // Which of the two is better, and by about how much, must come out right.
        let own = Came::of(&recorded, &thermostat()).latent_error_uv;
        let own_modelled = mean(found.same_day[0].iter().map(|closed| closed.came.latent_error_uv));
        assert_eq!(own < truth.latent_error_uv, own_modelled < modelled, "{person}");
    }
    let all = mean(errors.iter().copied());
    assert!(worst < 0.30 && all.abs() < 0.15, "worst {worst:.2}, mean {all:.2}");
}

#[test]
fn on_other_days_the_same_controller_does_alike() {
    let recorded = session("P25", 305, None);
    let draws = Draws { same_day: 1, other_days: 8, seed: 1 };
    let found = fitted(&recorded, &thermostat(), None, draws, 0).unwrap();
    let own = found.recorded.came;
    let fields: [Field; 3] = [
        ("contrast", |came| came.contrast_mean),
        ("change of contrast", |came| came.contrast_change_per_s),
        ("measured error", |came| came.measured_error_uv),
    ];
    for (name, of) in fields {
        let days: Vec<f64> = found.other_day[0].iter().map(|closed| of(&closed.came)).collect();
        let centre = mean(days.iter().copied());
        let sd = mean(days.iter().map(|day| (day - centre).powi(2))).sqrt();
        let z = (of(&own) - centre) / sd;
        println!("{name}: recorded {:.4}, other days {centre:.4} +- {sd:.4}", of(&own));
        assert!(z.abs() < 3.5 && sd < 0.6 * centre, "{name}: recorded {} against {days:?}", of(&own));
    }
}

#[test]
fn the_fit_finds_the_person() {
    let person = people().iter().find(|person| person.name == "P45").unwrap();
    let recorded = session("P45", 309, None);
    let observed = Observed::of(&recorded, thermostat()).unwrap();
    let fit = Fit::of(&recorded, &observed).unwrap();
    // The mean gain of this very day, drift and fluctuation included; what comes out at 0.3 is what a controller uses.
    let day = mean(recorded.latents.iter().map(|latent| latent.gain)) * nominal().gain_uv;
    let found = fit.person.gain_uv * fit.person.contrast_response(0.3);
    assert!((found / (day * person.contrast_response(0.3)) - 1.0).abs() < 0.25, "{found} {day}");
    assert!((fit.person.latency_s - person.latency_s).abs() < 0.008, "{}", fit.person.latency_s);
    let topography = &fit.amplitudes.topography_uv;
    let relative = topography[5] / topography[6];
    assert!((relative - person.topography.O1).abs() < 0.15, "{relative} {}", person.topography.O1);
    assert!((0.8..1.1).contains(&fit.left_over_noise), "{}", fit.left_over_noise);
}

#[test]
fn what_cannot_be_fitted_is_refused_with_numbers() {
    let refused = |session: &RecordedSession, says: &[&str]| {
        let draws = Draws { same_day: 1, other_days: 0, seed: 1 };
        let error = fitted(session, &thermostat(), None, draws, 0).err().unwrap().to_string();
        assert!(says.iter().all(|text| error.contains(text)), "{error}");
    };
    refused(&session("P45", 1, Some(4.0)), &["4.", "s of calibration", "at least 6 s"]);
    // Somebody who looks away: white noise, and a response that nobody could find.
    let lowered = thermostat().lower(1).unwrap();
    let protocol = thermostat().protocol;
    let protocol::StreamKind::Samples(samples) = &protocol.streams[0].kind else { panic!("no samples") };
    let mut random = Random::new(3, 3);
    let noise: Vec<f64> = (0..8 * 250 * 60).map(|_| 3.0 * random.normal()).collect();
    let day = Day {
        topography: vec![1e-9; 8],
        ln_gain_uv: Arc::from([1.0]),
        knot_samples: 100.0,
        noise_uv: Arc::from(noise),
    };
    let participant = Participant::on_day(nominal(), &setup(&lowered, samples, 1), day).unwrap();
    let instead = Instead { participant: Some(participant), ..Instead::default() };
    let away = in_memory(thermostat(), "nominal", 1, Some(60.0), instead, &mut ()).unwrap();
    refused(&away, &["no response", "uV at 15 Hz", "evidence", "at least 6"]);
}

#[test]
fn the_command_writes_both_side_by_side() {
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "P45", 309, &["--seconds", "80"]);
    let write = |name: &str, text: &str| {
        let path = out.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let session = folder.to_str().unwrap();
    let open = write("open.toml", OPEN);
    let closed = run(
        ["replay", session, "--controller", &open, "--participant", "fitted", "--draws", "1", "--json"],
        120.0,
    );
    let json = closed.expect(0).json();
    assert_eq!(json["this_day"]["other"]["source"], "modelled");
    assert_eq!(json["recorded"]["source"], "recorded");
    assert_eq!(json["commands_again"], json["commands"]);
    let page = fs::read_to_string(folder.join("counterfactual-open/counterfactual.html")).unwrap();
    assert!(page.contains("Side by side") && page.contains("modelled") && page.contains("recorded"));

    // A longer window on the recorded samples; the recorded decoder again, through the same way, decides the same.
    let shipped = fs::read_to_string(root().join(support::THERMOSTAT)).unwrap();
    let longer = write("longer.toml", &shipped.replace("window_s = 2.0", "window_s = 3.0"));
    let json = run(["replay", session, "--controller", &longer, "--json"], 60.0).expect(0).json();
    let (recorded, other) = (&json["recorded"], &json["other_decoder"]);
    assert!(other["decisions"].as_u64() > Some(400) && other["decisions"] != 0, "{json}");
    assert!(other["mean_spread"].as_f64() < recorded["mean_spread"].as_f64(), "{json}");

    run(["replay", session, "--controller", &open], 60.0)
        .expect(2)
        .says(&["nobody answered", "--participant fitted"]);
    let same = write("same.toml", &shipped);
    run(["replay", session, "--controller", &same], 60.0).expect(2).says(&["nothing else to try"]);
    let empty = write("empty.toml", "[protocol]\nname = \"x\"\n");
    run(["replay", session, "--controller", &empty], 60.0)
        .expect(2)
        .says(&["neither [controller.*] nor [decoder.*]"]);
    let wrong = write("wrong.toml", &OPEN.replace("exponent = 2.0", "exponent = -2.0"));
    run(["replay", session, "--controller", &wrong, "--participant", "fitted"], 60.0).expect(2).says(&[
        "wrong.toml:5",
        "controller.open_loop_nominal.exponent",
        "-2.0",
    ]);
    run(["replay", session, "--participant", "P01"], 60.0).expect(2).says(&["allowed: fitted"]);
}
