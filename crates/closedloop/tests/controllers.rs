//! Every controller in the loop: it holds, it replays, it does not depend on chunks, and it freezes on artefacts.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use std::sync::Arc;

use closedloop::*;
use common::*;
use timeline::NoticeKind;

fn person(seed: u64, noise_uv: f64) -> Person {
    Person { gain_uv: Arc::new(|_| 6.0), noise_uv, seed }
}

/// A controller that believes in a gain of 9 uV where it is 6, closes at least half of what that leaves open.
#[test]
fn each_controller_finds_the_gain_that_the_protocol_does_not_know() {
    let error = |controller: ControllerPlan| {
        let errors = (1..=4).map(|seed| {
            let plan = thermostat(controller, vec![calibrate(24), hold(30, 2.0), hold(30, 4.0)]);
            // The gain fades after the calibration, so that the calibrated one is wrong too.
            let fading = |t: f64| if t < 24.0 { 6.0 } else { 6.0 - 2.0 * ((t - 24.0) / 60.0).min(1.0) };
            let person = Person { gain_uv: Arc::new(fading), noise_uv: 0.3, seed };
            let log = run(&plan, &person, 5, 90.0, |_| false, |_, _| {});
            assert!(log.finished_ns.is_some());
            latent_error(&log)
        });
        errors.sum::<f64>() / 4.0
    };
    let open = error(ControllerPlan::OpenLoopNominal(response(9.0)));
    for (name, controller) in controllers(9.0) {
        let closed = error(controller);
        println!("{name}: {closed:.3} uV, open loop {open:.3} uV");
        // A switch between two contrasts swings around the set point for ever.
        let bound = if name == "on_off" { 1.2 } else { 0.45 };
        assert!(closed < bound * open, "{name}: {closed} against {open}");
    }
}

/// Turns that end with every estimate ask for the same contrasts to the bit; longer turns, with several estimates in
/// one, for that of their last.
#[test]
fn decisions_and_contrasts_do_not_depend_on_chunks() {
    for (name, controller) in controllers(6.0) {
        let mut plan = thermostat(controller, vec![calibrate(12), hold(20, 2.0)]);
        plan.artefacts = Some(ARTEFACTS);
        // All flips come in the first turn here, which is no display that an interlock would believe.
        plan.interlock = InterlockPlan::OFF;
        // Not to the end of the schedule: how long decisions go on there depends on when a turn ends.
        let samples = recorded(32.0);
        let (decisions, contrasts) = play(&plan, &samples, 1);
        assert!(decisions.len() > 190 && contrasts.len() > 1, "{name}: {}", contrasts.len());
        for chunk in [5, 25, 50, 100] {
            let (others, asked) = play(&plan, &samples, chunk);
            assert!(others == decisions, "{name}: decisions differ in turns of {chunk} samples");
            if chunk <= 25 {
                assert_eq!(asked, contrasts, "{name}, turns of {chunk} samples");
            }
            let differs = |(decision, contrast): &&(u64, u64)| {
                contrasts.iter().any(|(same, other)| same == decision && other != contrast)
            };
            assert_eq!(asked.iter().find(differs), None, "{name}, turns of {chunk} samples");
            assert!(asked.len() > 1, "{name}");
        }
    }
}

type Answers = (Vec<(u64, u64, u64, u64)>, Vec<(u64, u64)>);

/// Samples with a response of a constant 2.5 uV, a blink in each ten seconds.
fn recorded(seconds: f64) -> Vec<f64> {
    let mut noise = Noise(8);
    let mut values = Vec::new();
    for n in 0..(seconds * RATE_HZ) as usize {
        let t = n as f64 / RATE_HZ;
        let blink =
            if t % 10.0 < 0.3 { 300.0 * (std::f64::consts::PI * (t % 10.0) / 0.3).sin() } else { 0.0 };
        let off = t < 12.0 && t % 6.0 > 4.0;
        let tone = if off { 0.0 } else { 2.5 * (2.0 * std::f64::consts::PI * 15.0 * t).cos() };
        values.extend((0..CHANNELS).map(|c| tone * (0.4 + 0.1 * c as f64) + noise.gauss() + blink));
    }
    values
}

/// What was decided (index, end, value, spread) and which contrast each decision led to. The first turn has 25 samples,
/// a decoder's update, so that blocks begin at the same instant; all flips are known from the begin.
fn play(plan: &Plan, values: &[f64], chunk: usize) -> Answers {
    let mut looped = Loop::prepare(plan).unwrap();
    let mut out = Outputs::default();
    let (mut decisions, mut contrasts) = (Vec::new(), Vec::new());
    let count = values.len() / CHANNELS;
    let flips: Vec<_> = (0..60 * 40).map(|n| flip(n, S + (n as f64 * 1e9 / 60.0) as i64)).collect();
    let (mut at, mut turn) = (0, 0);
    while at < count {
        let end = (at + if turn == 0 { 25 } else { chunk }).min(count);
        let at_ns: Vec<i64> = (at..end).map(|n| S + n as i64 * 4_000_000).collect();
        let input = SourceInput {
            skipped: 0,
            first_sample: at as u64,
            at_ns: &at_ns,
            values: &values[at * CHANNELS..end * CHANNELS],
        };
        let inputs = Inputs {
            turn,
            now_ns: S + end as i64 * 4_000_000,
            flips: if turn == 0 { &flips } else { &[] },
            sources: &[input],
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        decisions.extend(
            out.decisions.iter().map(|d| (d.index, d.end_sample, d.value.to_bits(), d.spread.to_bits())),
        );
        contrasts.extend(out.commands.iter().filter_map(|c| Some((c.decision?, c.contrast.to.to_bits()))));
        (at, turn) = (end, turn + 1);
    }
    (decisions, contrasts)
}

#[test]
fn each_controller_replays_and_starts_again_to_the_bit() {
    for (name, controller) in controllers(6.0) {
        let mut plan = thermostat(controller, vec![calibrate(12), sine(16)]);
        plan.artefacts = Some(ARTEFACTS);
        let contents = |looped: &mut Loop| {
            let mut noise = Noise(21);
            let (mut out, mut all) = (Outputs::default(), Vec::new());
            for turn in 0..1500u64 {
                let now_ns = S + turn as i64 * 20_000_000;
                let at_ns: Vec<i64> = (0..5).map(|n| now_ns + n * 4_000_000).collect();
                let values: Vec<f64> = (0..5 * CHANNELS)
                    .map(|n| {
                        let t = turn as f64 * 0.02 + (n / CHANNELS) as f64 * 0.004;
                        2.0 * (2.0 * std::f64::consts::PI * 15.0 * t).cos() + noise.gauss()
                    })
                    .collect();
                let input =
                    SourceInput { skipped: 0, first_sample: turn * 5, at_ns: &at_ns, values: &values };
                let flips = [flip(turn * 6 / 5, S + (turn * 6 / 5) as i64 * 16_666_667)];
                let flips = if turn % 5 == 0 { &flips[..] } else { &[] };
                let inputs = Inputs { turn, now_ns, flips, sources: &[input], ..Inputs::default() };
                looped.step(&inputs, &mut out);
                all.extend(
                    out.commands.iter().map(|c| (c.index, c.contrast.to.to_bits(), c.contrast.end_ns)),
                );
            }
            all
        };
        let mut live = Loop::prepare(&plan).unwrap();
        let first = contents(&mut live);
        assert!(first.len() > 10, "{name}: {} commands", first.len());
        assert_eq!(first, contents(&mut Loop::prepare(&plan).unwrap()), "{name}");
        live.reset();
        assert_eq!(first, contents(&mut live), "{name} after a reset");
    }
}

/// While a blink lies in the window nothing moves, and the notices say from when to when.
#[test]
fn an_artefact_in_the_window_freezes_the_controller() {
    for (name, controller) in controllers(6.0) {
        let mut plan = thermostat(controller, vec![calibrate(24), hold(20, 2.0)]);
        plan.artefacts = Some(ARTEFACTS);
        let log = run(
            &plan,
            &person(3, 0.5),
            5,
            44.0,
            |_| false,
            |index, row| {
                let t = index as f64 / RATE_HZ;
                if (34.0..34.25).contains(&t) {
                    row.iter_mut()
                        .for_each(|v| *v += 400.0 * (std::f64::consts::PI * (t - 34.0) / 0.25).sin());
                }
            },
        );
        let at = |kind| {
            let found: Vec<_> = log.notices.iter().filter(|n| n.kind == kind).collect();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            (found[0].at_ns as f64 / 1e9 - 1000.0, found[0].count)
        };
        let (frozen, kind) = at(NoticeKind::Frozen);
        let (thawed, held_ns) = at(NoticeKind::Thawed);
        assert!((34.0..34.4).contains(&frozen) && kind == 1, "{name}: frozen at {frozen}");
        // The window of 2 s, and the rest of the segment of the blink.
        assert!((36.1..36.7).contains(&thawed), "{name}: thawed at {thawed}");
        assert!(((thawed - frozen) - held_ns as f64 / 1e9).abs() < 0.1, "{name}: {held_ns}");
        let moved = log.commands.iter().filter(|c| {
            let t = c.issued_ns as f64 / 1e9 - 1000.0;
            t > frozen + 0.05 && t < thawed - 0.05
        });
        assert_eq!(moved.count(), 0, "{name} moved while an artefact lay in the window");
        assert!(log.commands.iter().any(|c| c.issued_ns as f64 / 1e9 - 1000.0 > thawed) || name == "on_off");
    }
}

/// Set points over time are followed by the feed-forward at once, and each decision names the one that held.
#[test]
fn set_points_over_time_are_followed() {
    let steps = SetPointPlan::Steps(Levels::new(&[1.0, 3.0, 2.0], 8 * S).unwrap());
    let ramp = SetPointPlan::Ramp { from_uv: 1.0, to_uv: 3.0, over_ns: 20 * S };
    for (what, set_point) in [("steps", steps), ("ramp", ramp), ("sine", SINE)] {
        for (name, controller) in controllers(6.0).into_iter().filter(|(name, _)| *name != "on_off") {
            let held = block(24, BlockKind::Hold { scene: GRATING, set_point });
            let plan = thermostat(controller, vec![calibrate(24), held]);
            let log = run(&plan, &person(3, 0.1), 5, 50.0, |_| false, |_, _| {});
            let rows: Vec<_> = log.latent.iter().filter(|row| row.2.is_some() && row.0 > 26.0).collect();
            let worst = rows.iter().map(|(t, _, named)| {
                let since_ns = ((t - 24.0) * 1e9) as i64;
                let set = [since_ns - 40_000_000, since_ns].map(|ns| set_point.at_uv(ns));
                set.map(|uv| (named.unwrap() - uv).abs()).into_iter().fold(f64::INFINITY, f64::min)
            });
            assert!(worst.fold(0.0, f64::max) < 1e-9, "{what}: a decision names another set point");
            let error =
                rows.iter().map(|row| (row.1 - row.2.unwrap()).abs()).sum::<f64>() / rows.len() as f64;
            println!("{what}, {name}: mean error {error:.3} uV");
            // The screen's slew and the response's latency cost a little; a loop that only fed back would be at 0.5.
            assert!(error < 0.22, "{what}, {name}: {error}");
        }
    }
}

#[test]
fn plans_that_cannot_work_are_refused_with_their_numbers() {
    let refused = |controller: ControllerPlan, words: &[&str]| {
        let plan = thermostat(controller, vec![calibrate(24), hold(20, 2.0)]);
        let text = Loop::prepare(&plan).unwrap_err().to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let all = controllers(6.0);
    let of = |wanted: &str| all.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let ControllerPlan::Pid(pid) = of("pid") else { unreachable!() };
    let gains = PidGains { ki_per_s: 3.0, ..pid.gains };
    refused(ControllerPlan::Pid(PidPlan { gains, smith: false, ..pid }), &["unstable", "ki 3 per s", "2 s"]);
    let ControllerPlan::Mpc(mpc) = of("mpc") else { unreachable!() };
    refused(ControllerPlan::Mpc(MpcPlan { levels: 1, ..mpc }), &["levels is 1"]);
    refused(ControllerPlan::Mpc(MpcPlan { levels: 2, move_s: 0.1, ..mpc }), &["slew_per_s * move_s is 0.2"]);
    let ControllerPlan::Lqg(lqg) = of("lqg") else { unreachable!() };
    let model = GainModel { fluctuation_tau_s: 0.0, ..lqg.model };
    refused(ControllerPlan::Lqg(LqgPlan { model, ..lqg }), &["fluctuation_tau_s is 0"]);
    let ControllerPlan::OnOff(on_off) = of("on_off") else { unreachable!() };
    refused(ControllerPlan::OnOff(OnOffPlan { contrast_high: 0.95, ..on_off }), &["contrast_high is 0.95"]);
}
