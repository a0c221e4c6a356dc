//! What a description switches on does what it says to EEG and truth, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

mod common;

use common::*;
use participant::{Effects, Gaze, Latent, OCCIPITAL, Participant, Person, nominal, people};

fn with(person: &Person, names: &[&str]) -> Person {
    person.clone().with(names).unwrap()
}

#[test]
fn what_is_on_moves_no_other_random_number() {
    let person = &people()[7];
    let light = |frame: u64| grating(0.6 * COUNTERPHASE.contrast_at(frame as f64 / 8.0));
    let eeg = |person: &Person| {
        let mut p = Participant::prepare(person, &setup(COUNTERPHASE, 11)).unwrap();
        run(&mut p, 12.0, light)
    };
    let plain = eeg(person);
    // Losses concern the way of the samples, not the samples.
    assert_eq!(eeg(&with(person, &["dropouts"])), plain);
    for name in Effects::NAMES.into_iter().filter(|name| *name != "dropouts") {
        let (eeg, latent) = eeg(&with(person, &[name]));
        assert_ne!(eeg, plain.0, "{name} does something");
        let same = latent.iter().zip(&plain.1).all(|(a, b)| a.gain == b.gain);
        assert_eq!(same, name != "attention", "{name}: only attention moves the gain");
    }
    // Without a picture, adaptation and attention have nothing to act on: what is left is the background, to the bit.
    let grey = |person: &Person| {
        let mut p = Participant::prepare(person, &setup(COUNTERPHASE, 11)).unwrap();
        run(&mut p, 4.0, |_| uniform(0.5)).0
    };
    assert_eq!(grey(&with(person, &["adaptation", "attention", "dropouts"])), grey(person));
}

#[test]
fn adaptation_takes_from_the_steady_state_what_its_formula_says() {
    let person = with(&silent(nominal()), &["adaptation"]);
    let mut p = Participant::prepare(&person, &setup(COUNTERPHASE, 1)).unwrap();
    let frames = eight_frames(0.8);
    let (eeg, latent) = run(&mut p, 90.0, |frame| frames[(frame % 8) as usize].clone());
    let oz = channel(&eeg, OCCIPITAL.len(), OZ);
    let adaptation = person.effects.adaptation.as_ref().unwrap();
    for (from_s, seconds) in [(2usize, 2usize), (20, 2), (84, 4)] {
        let first = from_s * RATE_HZ as usize;
        let (re, im) = component(&oz[first..first + seconds * RATE_HZ as usize], first, 15.0);
        // In the middle of the window, half a latency earlier or later does not matter against 12 s.
        let middle_s = from_s as f64 + seconds as f64 / 2.0 - 0.1;
        let level = person.contrast_response(latent[first].contrast_seen);
        let state = level * (1.0 - (-middle_s / adaptation.onset_tau_s).exp());
        let semisaturation = person.semisaturation * (1.0 + adaptation.semisaturation_shift * state);
        let moved = Person { semisaturation, ..person.clone() };
        let expected = person.gain_uv
            * moved.contrast_response(latent[first].contrast_seen)
            * (1.0 - adaptation.response_loss * state);
        let seen = re.hypot(im);
        assert!((seen / expected - 1.0).abs() < 0.02, "after {from_s} s: {seen} and {expected} uV");
    }
    let (early, late) = (latent[300].response_uv, latent.last().unwrap().response_uv);
    assert!((0.6..0.8).contains(&(late / early)), "about 30 % in a minute and a half: {}", late / early);
}

#[test]
fn the_dipole_turns_with_the_eyes() {
    let person = with(&silent(nominal()), &["saccades"]);
    let mut p = Participant::prepare(&person, &setup(COUNTERPHASE, 5)).unwrap();
    let uv_per_deg = person.effects.saccades.as_ref().unwrap().corneo_retinal_uv_per_deg;
    let mut row = [0.0; 8];
    let (mut before, mut still, mut places) = (Gaze::default(), 0, 0.0);
    for i in 0..250 * 60 {
        p.sample(sample_ns(i), &mut row);
        let gaze = p.gaze().unwrap();
        let [po7, _, poz, _, po8, ..] = row;
        // Away from any spike.
        still = if gaze.saccades == before.saccades && gaze.x_deg == before.x_deg { still + 1 } else { 0 };
        if still > 10 && poz.abs() < 5.0 && (row[0] - row[4]).abs() > 0.0 {
            let right = (po8 - po7) / 2.0;
            if (right - uv_per_deg * gaze.x_deg).abs() < 1e-9 {
                places += 1.0;
            }
        }
        before = gaze;
    }
    assert!(before.saccades > 50, "{}", before.saccades);
    assert!(places > 250.0 * 30.0, "{places}");
    assert_eq!(before.lid, 0.0, "blinks are not on");
}

#[test]
fn looking_away_loses_the_stimulus() {
    // A round patch of 4 deg: a gaze that scatters by 4 deg misses it for much of the time.
    let patch = |frame: u64| {
        let contrast = COUNTERPHASE.contrast_at(frame as f64 / 8.0);
        let middle = CELLS as f64 / 2.0;
        let cell = |(i, light): (usize, f64)| {
            let (x, y) = ((i % CELLS) as f64 + 0.5 - middle, (i / CELLS) as f64 + 0.5 - middle);
            if x.hypot(y) < 2.0 * CELLS_PER_CYCLE { light } else { 0.5 }
        };
        grating(0.8 * contrast).into_iter().enumerate().map(cell).collect::<Vec<f64>>()
    };
    let response = |scatter_deg: f64| {
        let mut person = with(&silent(nominal()), &["saccades"]);
        person.effects.saccades.as_mut().unwrap().scatter_deg = scatter_deg;
        let mut p = Participant::prepare(&person, &setup(COUNTERPHASE, 2)).unwrap();
        let latent = run(&mut p, 40.0, patch).1;
        mean(&latent[250..].iter().map(|latent| latent.response_uv).collect::<Vec<_>>())
    };
    let (fixed, loose, away) = (response(0.0), response(0.35), response(4.0));
    assert!(loose > 0.9 * fixed, "{loose} of {fixed}");
    assert!(away < 0.7 * fixed, "{away} of {fixed}");
}

#[test]
fn a_blink_hides_the_picture() {
    let mut person = with(&silent(nominal()), &["blinks"]);
    person.blink_uv = 6.0;
    let mut p = Participant::prepare(&person, &setup(COUNTERPHASE, 3)).unwrap();
    let frames = eight_frames(0.8);
    let mut row = [0.0; 8];
    let (mut frame, mut closed_at, mut dips, mut open_lowest) = (0, i64::MIN, 0, f64::INFINITY);
    for i in 0..250 * 60u64 {
        let at_ns = sample_ns(i);
        while frame_ns(frame) <= at_ns {
            p.see(frame_ns(frame), &frames[(frame % 8) as usize]);
            frame += 1;
        }
        let seen = p.sample(at_ns, &mut row).contrast_seen;
        if p.gaze().unwrap().lid > 0.9 {
            closed_at = at_ns;
        }
        match at_ns.saturating_sub(closed_at) {
            // The envelope falls when the last open frame is a cycle old, and the latency comes on top.
            150_000_000..200_000_000 if seen < 0.7 => dips += 1,
            1_500_000_000.. if i > 500 => open_lowest = open_lowest.min(seen),
            _ => {}
        }
    }
    let blinks = p.gaze().unwrap().blinks;
    assert!((5..30).contains(&blinks), "{blinks} in a minute");
    assert!(dips as u64 > 2 * blinks, "{dips} samples of {blinks} blinks");
    assert!(open_lowest > 0.75, "{open_lowest}");
}

#[test]
fn all_begins_again_after_a_reset() {
    let person = with(&people()[20], &Effects::NAMES);
    let mut p = Participant::prepare(&person, &setup(COUNTERPHASE, 4)).unwrap();
    let frames = eight_frames(0.5);
    let mut session = || {
        let first = run(&mut p, 20.0, |frame| frames[(frame % 8) as usize].clone());
        let end = (p.gaze(), p.lost(), p.true_gain_uv());
        p.reset();
        (first, end)
    };
    assert_eq!(session(), session());
}

/// A person whose response depends on alpha: what a presentation does follows the power at its begin, and stays.
#[test]
fn alpha_at_onset_sets_the_gain_of_a_presentation() {
    let b = -0.3;
    let plain = Person { alpha_uv: 10.0, alpha_half_width_hz: 0.3, ..silent(nominal()) };
    let person = Person { alpha_gain: b, ..plain.clone() };
    let frames = eight_frames(0.8);
    // A second of light in every two.
    let light = |frame: u64| {
        if frame % 120 < 60 { uniform(0.5) } else { frames[(frame % 8) as usize].clone() }
    };
    let sit = |person: &Person| {
        let mut p = Participant::prepare(person, &setup(COUNTERPHASE, 5)).unwrap();
        let (eeg, latent) = run(&mut p, 200.0, light);
        (eeg, latent, p.true_alpha_uv(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    };
    let ((_, latent, alpha), (_, without, same)) = (sit(&person), sit(&plain));
    assert_eq!(alpha, same, "alpha itself is the same");
    let gain = |latent: &[Latent], s: f64| latent[(s * RATE_HZ) as usize].gain;
    let mut factors = Vec::new();
    for cycle in 1..100 {
        let at_s = 2.0 * f64::from(cycle) + 1.0;
        let early = gain(&latent, at_s + 0.4) / gain(&without, at_s + 0.4);
        assert_eq!(
            early,
            gain(&latent, at_s + 0.9) / gain(&without, at_s + 0.9),
            "held while there is light"
        );
        factors.push(early);
    }
    let n = factors.len() as f64;
    let mean = factors.iter().sum::<f64>() / n;
    let sd = (factors.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Power of four parts under a memory of 0.5 s: its logarithm has an SD of 0.4 to 0.8, and a mean below 0.
    assert!((0.9..1.25).contains(&mean) && (0.12..0.24).contains(&sd), "{mean} {sd}");
    assert_eq!(Person::read(&person_named(&person, "A1").describe(), "x").unwrap().alpha_gain, b);
    assert!(!person_named(&plain, "A2").describe().contains("alpha_gain"), "0 is not said");
}

fn person_named(person: &Person, name: &str) -> Person {
    Person { name: name.into(), ..person.clone() }
}
