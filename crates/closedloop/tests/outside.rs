//! A program outside in the loop: it works, it lies, it stalls; and somebody else's values in a sham arm.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use std::sync::Arc;

use closedloop::*;
use common::*;
use timeline::{NoticeKind, State};

const DEADLINE_NS: i64 = 250_000_000;

fn plan(gives: Gives, fallback: Fallback) -> Plan {
    let outside = Some(OutsidePlan { gives, deadline_ns: DEADLINE_NS, fallback });
    Plan { outside, ..thermostat(pi(6.0), vec![calibrate(24), hold(20, 2.0)]) }
}

fn person() -> Person {
    Person { gain_uv: Arc::new(|_| 7.0), noise_uv: 0.3, seed: 5 }
}

fn log(plan: &Plan, guest: impl FnMut(&[State], i64) -> Vec<[f64; 3]>) -> Log {
    run_with(plan, &person(), 10, 44.5, |_| false, |_, _| (), guest, &UNGOVERNED)
}

/// Contrasts that a session asked for in its hold block.
fn held(log: &Log) -> Vec<f64> {
    let first = log.states.first().unwrap().at_ns;
    let last = log.states.last().unwrap().at_ns;
    let within = log.commands.iter().filter(|c| c.scene == GRATING && (first..=last).contains(&c.issued_ns));
    within.map(|c| c.contrast.to).collect()
}

fn count(log: &Log, kind: NoticeKind, why: Option<i64>) -> usize {
    log.notices.iter().filter(|n| n.kind == kind && why.is_none_or(|why| n.count == why)).count()
}

/// An integrator on the contrast, as somebody might write one in an afternoon.
fn integrator() -> impl FnMut(&[State], i64) -> Vec<[f64; 3]> {
    let mut contrast = 0.3;
    move |states, _| {
        let step = |state: &State| {
            contrast = f64::clamp(contrast + 0.003 * (state.set_point - state.value), 0.0, 0.9);
            [state.index as f64, contrast, f64::NAN]
        };
        states.iter().map(step).collect()
    }
}

#[test]
fn a_controller_outside_holds_the_response() {
    let log = log(&plan(Gives::Contrast, Fallback::Hold), integrator());
    assert!(log.states.len() > 180, "{}", log.states.len());
    assert!(log.states.iter().enumerate().all(|(at, state)| state.index == at as u64));
    assert!(log.states.iter().all(|state| state.set_point == 2.0 && state.window_ns[1] <= state.at_ns));
    let told = |state: &State| {
        let decision = &log.decisions[state.decision as usize];
        (decision.value, decision.spread) == (state.value, state.spread)
    };
    assert!(log.states.iter().all(told));
    // Every contrast on the screen is one that came from outside, and names the decision that it answers.
    for command in log.commands.iter().filter(|c| c.scene == GRATING && c.decision.is_some()) {
        let state = log.states.iter().find(|state| Some(state.decision) == command.decision).unwrap();
        let reply = log.replies.iter().find(|reply| reply.state == state.index as f64).unwrap();
        assert_eq!(reply.value, command.contrast.to);
    }
    let error = latent_error(&log);
    println!("latent error {error:.3} uV of 2");
    assert!(error < 0.3, "{error}");
    assert_eq!(count(&log, NoticeKind::ReplyRefused, None) + count(&log, NoticeKind::OutsideSilent, None), 0);
}

/// Ten honest replies, then the given lie, then honest again.
fn liar(lie: impl Fn(&State) -> [f64; 3]) -> impl FnMut(&[State], i64) -> Vec<[f64; 3]> {
    move |states, _| {
        let reply = |state: &State| match state.index {
            60..120 => lie(state),
            _ => [state.index as f64, 0.25, 0.1],
        };
        states.iter().map(reply).collect()
    }
}

#[test]
fn lies_are_refused_told_and_survived() {
    let index = |state: &State| state.index as f64;
    type Lie = Box<dyn Fn(&State) -> [f64; 3]>;
    let lies: Vec<(i64, Lie)> = vec![
        (3, Box::new(move |s| [index(s), f64::NAN, 0.1])),
        (3, Box::new(move |s| [index(s), f64::NEG_INFINITY, 0.1])),
        (4, Box::new(move |s| [index(s), 7.0, 0.1])),
        (4, Box::new(move |s| [index(s), -0.01, 0.1])),
        (4, Box::new(move |s| [index(s), 0.95, 0.1])),
        (1, Box::new(move |s| [index(s) + 1000.0, 0.9, 0.1])),
        (1, Box::new(|_| [f64::NAN, 0.9, 0.1])),
        (1, Box::new(move |s| [index(s) + 0.5, 0.9, 0.1])),
        (1, Box::new(|_| [-1.0, 0.9, 0.1])),
        (2, Box::new(move |s| [index(s) - 30.0, 0.9, 0.1])),
    ];
    for (why, lie) in lies {
        for fallback in [Fallback::Hold, Fallback::Grey, Fallback::Inside] {
            let log = log(&plan(Gives::Contrast, fallback), liar(&lie));
            let silent = log.notices.iter().find(|n| n.kind == NoticeKind::OutsideSilent).unwrap();
            assert_eq!(silent.count, 60, "the first state without a good reply");
            let late_ns = silent.at_ns - log.states[60].at_ns - DEADLINE_NS;
            assert!((0..=40_000_000).contains(&late_ns), "{late_ns}");
            assert_eq!(count(&log, NoticeKind::ReplyRefused, Some(why)), 1, "told once: {:?}", log.notices);
            assert_eq!(count(&log, NoticeKind::OutsideBack, None), 1);
            let contrasts = held(&log);
            let is_other = |c: &f64| *c != 0.25;
            match fallback {
                Fallback::Hold => assert!(contrasts.iter().skip(1).all(|c| !is_other(c)), "{contrasts:?}"),
                Fallback::Grey => assert!(contrasts.contains(&0.0), "{contrasts:?}"),
                Fallback::Inside => assert!(contrasts.iter().filter(|c| is_other(c)).count() > 10),
            }
            assert_eq!(contrasts.last(), Some(&0.25), "it is believed again as soon as it is honest");
            assert!(contrasts.iter().all(|c| (0.0..=0.9).contains(c)));
        }
    }
}

#[test]
fn a_reply_after_its_deadline_does_not_count() {
    for (delay_ns, is_late) in [(200_000_000, false), (320_000_000, true)] {
        let mut waiting: Vec<State> = Vec::new();
        let log = log(&plan(Gives::Contrast, Fallback::Hold), |states, now_ns| {
            waiting.extend(states);
            let ready = waiting.iter().take_while(|state| now_ns - state.at_ns >= delay_ns).count();
            waiting.drain(..ready).map(|state| [state.index as f64, 0.5, 0.0]).collect()
        });
        assert_eq!(count(&log, NoticeKind::ReplyRefused, Some(2)) > 0, is_late);
        assert_eq!(count(&log, NoticeKind::OutsideSilent, None) > 0, is_late);
        assert_eq!(held(&log).contains(&0.5), !is_late);
    }
}

/// Whoever says nothing at all gets the inside controller, to the bit but for the wait before it is noticed: none, since
/// nothing from outside was ever in charge.
#[test]
fn without_a_program_the_fallback_inside_is_the_plan_itself() {
    let with = plan(Gives::Contrast, Fallback::Inside);
    let alone = Plan { outside: None, ..with.clone() };
    let (with, alone) = (log(&with, |_, _| Vec::new()), log(&alone, |_, _| Vec::new()));
    assert_eq!(with.commands.len(), alone.commands.len());
    let what = |log: &Log| -> Vec<_> { log.commands.iter().map(|c| (c.contrast, c.decision)).collect() };
    assert_eq!(what(&with), what(&alone));
    assert_eq!(count(&with, NoticeKind::OutsideSilent, None), 1);
}

/// A decoder outside that says what ours says changes nothing but the time it takes; one that says otherwise is believed.
#[test]
fn a_decoder_outside_is_heard_by_the_controller_inside() {
    let echo = |factor: f64| {
        move |states: &[State], _: i64| -> Vec<[f64; 3]> {
            states.iter().map(|s| [s.index as f64, factor * s.value, s.spread]).collect()
        }
    };
    let own = log(&Plan { outside: None, ..plan(Gives::Value, Fallback::Hold) }, |_, _| Vec::new());
    let same = log(&plan(Gives::Value, Fallback::Hold), echo(1.0));
    let half = log(&plan(Gives::Value, Fallback::Hold), echo(0.5));
    let end = |log: &Log| {
        let contrasts = held(log);
        contrasts[contrasts.len() - 20..].iter().sum::<f64>() / 20.0
    };
    let own_states = Log { states: same.states.clone(), ..own };
    let (own, same, half) = (end(&own_states), end(&same), end(&half));
    println!("own {own:.3}, echo {same:.3}, half {half:.3}");
    assert!((own - same).abs() < 0.03, "{own} {same}");
    assert!(half > same + 0.05, "half the response asks for more contrast: {half} {same}");
    // One that never answers leaves the decoder inside in charge, if the plan says so.
    let silent = log(&plan(Gives::Value, Fallback::Inside), |_, _| Vec::new());
    assert!((end(&silent) - own).abs() < 0.03);
    assert_eq!(count(&silent, NoticeKind::OutsideSilent, None), 1);
    let bad = log(&plan(Gives::Value, Fallback::Hold), |states, _| {
        states
            .iter()
            .map(|s| [s.index as f64, s.value, if s.index % 2 == 0 { -1.0 } else { f64::NAN }])
            .collect()
    });
    assert_eq!(count(&bad, NoticeKind::ReplyRefused, Some(3)), 1);
    assert_eq!(count(&bad, NoticeKind::ReplyRefused, Some(4)), 1);
}

#[test]
fn what_is_fed_decides_and_the_decisions_stay_the_persons() {
    let own = plan(Gives::Contrast, Fallback::Hold);
    let own = Plan { outside: None, ..own };
    let feed = |value: f64, donor_uv| {
        let values = (0..7).map(|n| [value + 0.01 * f64::from(n), 0.1]).collect();
        Plan { feed: Some(FeedPlan { values, donor_uv }), ..own.clone() }
    };
    let none = log(&own, |_, _| Vec::new());
    let low = log(&feed(1.0, None), |_, _| Vec::new());
    let high = log(&feed(3.0, None), |_, _| Vec::new());
    let last = |log: &Log| log.commands.iter().rev().find(|c| c.contrast.to > 0.0).unwrap().contrast.to;
    assert!(last(&low) > last(&none) + 0.05 && last(&none) > last(&high) + 0.02);
    // Decisions are the person's own in every arm: the first of the hold is the same as without.
    let first = |log: &Log| log.decisions.iter().find(|d| d.set_point.is_some()).unwrap().value;
    assert_eq!(first(&low).to_bits(), first(&none).to_bits());
    // A donor of twice the size is brought to the person's own.
    let calibrated = none.notices.iter().find(|n| n.kind == NoticeKind::Calibrated).unwrap().value;
    let twice = log(&feed(2.0, Some(2.0 * calibrated)), |_, _| Vec::new());
    assert!((last(&twice) - last(&low)).abs() < 0.02, "{} {}", last(&twice), last(&low));
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |plan: Plan, says: &str| {
        let error = Loop::prepare(&plan).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    let good = plan(Gives::Contrast, Fallback::Hold);
    let outside = OutsidePlan { deadline_ns: 7 * S, ..good.outside.unwrap() };
    refused(Plan { outside: Some(outside), ..good.clone() }, "deadline");
    refused(Plan { controller: None, blocks: vec![calibrate(6)], ..good.clone() }, "controller");
    let feed = |values: Vec<[f64; 2]>| Some(FeedPlan { values, donor_uv: None });
    refused(Plan { feed: feed(vec![]), ..good.clone() }, "not one value");
    refused(Plan { feed: feed(vec![[f64::NAN, 0.1]]), ..good.clone() }, "not a number");
}
