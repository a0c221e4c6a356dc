//! Limits, dead-man key and faults of clock and display, in the pure loop: each bound holds whatever the controller wants,
//! and nothing goes to grey by a jump.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use closedloop::interlock::{LONGEST_DARKNESS_NS, LONGEST_GAP_NS};
use closedloop::*;
use common::{CHANNELS, GRATING, S, block, calibrate, flip, hold, pi, response, thermostat};
use proptest::prelude::*;
use timeline::{Command, Flip, Notice, NoticeKind, Ramp, SceneId, SourceId};

const MS: i64 = 1_000_000;
const START_NS: i64 = 1_000 * S;
const RAMP_NS: i64 = S / 2;
/// Two refreshes and the tick, which the interlock leaves as a margin.
const SLACK_NS: i64 = 36 * MS;

fn limits() -> LimitsPlan {
    LimitsPlan {
        dose_s: 1e4,
        longest_ns: 10_000 * S,
        pause_ns: S,
        total_ns: 10_000 * S,
        slew_per_s: 2.0,
        session_ns: 10_000 * S,
        dead_man_ns: None,
    }
}

fn limited(limits: LimitsPlan, blocks: Vec<BlockPlan>) -> Plan {
    Plan { interlock: InterlockPlan { faults: true, limits: Some(limits) }, ..thermostat(pi(6.0), blocks) }
}

fn show(seconds: i64, contrast: f64) -> BlockPlan {
    block(seconds, BlockKind::Show { scene: GRATING, contrast })
}

/// Half contrast within `ramp_ms`, again and again.
fn flashes(seconds: i64, ramp_ms: i64) -> BlockPlan {
    let (ramp_ns, on_ns, gap_ns) = (ramp_ms * MS, 300 * MS, 350 * MS);
    let flash = FlashPlan {
        scene: GRATING,
        contrast: 0.5,
        ramp_ns,
        on_ns,
        gap_ns,
        count: 1000,
        rule: OnsetRule::FREE,
    };
    block(seconds, BlockKind::Flash(flash))
}

/// The same with a gate for onsets.
fn gated(plan: Plan) -> Plan {
    let onset = OnsetPlan {
        source: SourceId(0),
        weights: vec![1.0; CHANNELS],
        band_hz: [8.0, 13.0],
        mains_hz: 50.0,
        lead_ns: 60 * MS,
        baseline_s: 8.0,
        power_window_s: 0.5,
        eyes: None,
    };
    Plan { onset: Some(onset), ..plan }
}

/// What happens at a turn, besides samples and flips.
#[derive(Debug, Clone)]
struct Turn {
    now_ns: i64,
    held: bool,
    samples: bool,
    numbers: bool,
    flips: Option<Flip>,
    gain_uv: Option<f64>,
}

#[derive(Default)]
struct Log {
    commands: Vec<Command>,
    notices: Vec<Notice>,
    finished_ns: Option<i64>,
    /// Contrast commanded at each millisecond.
    contrast: Vec<(i64, SceneId, f64)>,
}

/// Turns every 4 ms at most (earlier where the loop asks for it), each changed by `edit`.
fn run(plan: &Plan, seconds: f64, mut edit: impl FnMut(&mut Turn)) -> Log {
    let mut looped = Loop::prepare(plan).unwrap();
    let (mut out, mut log) = (Outputs::default(), Log::default());
    let (mut now_ns, mut index, mut frame, mut sample) = (START_NS, 0, 0u64, 0u64);
    let mut shown: Option<Command> = None;
    let mut looked_ns = START_NS;
    let end_ns = START_NS + (seconds * 1e9) as i64;
    while now_ns < end_ns {
        let due = START_NS + (frame as f64 * 1e9 / 60.0) as i64 <= now_ns;
        let command = shown.map(|command| command.index);
        let flips = due.then(|| Flip { command, ..flip(frame, now_ns) });
        frame += u64::from(due);
        let mut turn =
            Turn { now_ns, held: false, samples: index % 2 == 0, numbers: true, flips, gain_uv: None };
        edit(&mut turn);
        let at_ns: &[i64] = if turn.samples { &[turn.now_ns] } else { &[] };
        let value = if turn.numbers { 1.0 } else { f64::NAN };
        let values = vec![value; at_ns.len() * CHANNELS];
        let input = SourceInput { skipped: 0, first_sample: sample, at_ns, values: &values };
        sample += at_ns.len() as u64;
        if let Some(gain_uv) = turn.gain_uv {
            looped.set_known_gain(gain_uv);
        }
        let flips: Vec<Flip> = turn.flips.into_iter().collect();
        let inputs = Inputs {
            turn: index,
            now_ns: turn.now_ns,
            held: turn.held,
            flips: &flips,
            sources: &[input],
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        index += 1;
        while looked_ns < turn.now_ns {
            if let Some(command) = shown {
                log.contrast.push((looked_ns, command.scene, command.contrast.at(looked_ns)));
            }
            looked_ns += MS;
        }
        shown = out.commands.last().copied().or(shown);
        log.commands.extend(out.commands.iter());
        log.notices.extend(out.notices.iter());
        if out.finished {
            log.finished_ns = Some(turn.now_ns);
            break;
        }
        // `now_ns` is true time; the loop's may have jumped.
        now_ns += (looped.next_wake_ns() - turn.now_ns).clamp(1, 4 * MS);
    }
    log
}

impl Log {
    fn first(&self, kind: NoticeKind) -> Option<&Notice> {
        self.notices.iter().find(|notice| notice.kind == kind)
    }

    fn count(&self, kind: NoticeKind) -> usize {
        self.notices.iter().filter(|notice| notice.kind == kind).count()
    }

    fn dose_s(&self) -> f64 {
        self.contrast.iter().map(|row| row.2 * 1e-3).sum()
    }

    fn on_s(&self) -> f64 {
        self.contrast.iter().filter(|row| row.2 > 0.0).count() as f64 * 1e-3
    }

    /// The longest stretch in which no pause of `pause_s` lies, in s.
    fn longest_s(&self, pause_s: f64) -> f64 {
        let (mut longest, mut lit, mut dark) = (0.0, 0.0, f64::INFINITY);
        for row in &self.contrast {
            if row.2 > 0.0 {
                // On a grid of 1 ms.
                lit = if dark >= pause_s - 2e-3 { 0.0 } else { lit + dark } + 1e-3;
                dark = 0.0;
            } else {
                dark += 1e-3;
            }
            longest = f64::max(longest, lit);
        }
        longest
    }

    /// The fastest change of contrast per s, a change of scene counted as what goes and what comes.
    fn fastest_per_s(&self) -> f64 {
        let rate = |pair: &[(i64, SceneId, f64)]| {
            let seconds = (pair[1].0 - pair[0].0) as f64 / 1e9;
            let change =
                if pair[0].1 == pair[1].1 { (pair[1].2 - pair[0].2).abs() } else { pair[0].2 + pair[1].2 };
            change / seconds
        };
        self.contrast.windows(2).map(rate).fold(0.0, f64::max)
    }

    fn is_grey_at(&self, at_ns: i64) -> bool {
        // It may be on its way back at once.
        let mut around = self.contrast.iter().filter(|row| (at_ns - 10 * MS..=at_ns).contains(&row.0));
        around.any(|row| row.2 == 0.0)
    }

    fn ends_grey(&self) -> bool {
        self.commands.last().is_some_and(|command| command.scene == SceneId::GREY)
    }
}

#[test]
fn the_dose_is_never_more_than_allowed_and_the_run_ends_grey() {
    for (dose_s, contrast) in [(1.0, 0.9), (3.0, 0.31), (5.0, 1.0)] {
        let plan = limited(LimitsPlan { dose_s, ..limits() }, vec![show(60, contrast)]);
        let log = run(&plan, 60.0, |_| ());
        let told = log.first(NoticeKind::DoseSpent).unwrap();
        let (spent, left) = (log.dose_s(), dose_s - log.dose_s());
        println!("dose of {dose_s} s at {contrast}: {spent:.4} s were commanded");
        // What is left is the margin for two refreshes and a tick.
        assert!((0.0..contrast * 1.5e-9 * SLACK_NS as f64 + 2e-3).contains(&left), "{left}");
        assert_eq!(told.count, (dose_s * 1e9) as i64);
        assert!(log.ends_grey() && log.finished_ns.unwrap() - told.at_ns <= RAMP_NS + 8 * MS);
        assert!(log.fastest_per_s() <= 2.0 * 1.001);
    }
}

#[test]
fn on_time_is_bounded_in_total_and_without_a_pause() {
    let longest = LimitsPlan { longest_ns: 5 * S, pause_ns: 2 * S, ..limits() };
    let log = run(&limited(longest, vec![show(40, 0.6)]), 41.0, |_| ());
    let longest_s = log.longest_s(2.0);
    println!("longest stretch {longest_s:.3} s of 5 s");
    assert!(longest_s <= 5.0 && longest_s > 4.9, "{longest_s}");
    assert!((5..=6).contains(&log.count(NoticeKind::OnTimePause)), "{}", log.count(NoticeKind::OnTimePause));
    let open = log.count(NoticeKind::OnTimePause) - log.count(NoticeKind::InterlockOpened);
    assert!(open <= 1, "the end may come in a pause: {open}");

    let total = LimitsPlan { total_ns: 7 * S, ..limits() };
    let log = run(&limited(total, vec![show(40, 0.6)]), 41.0, |_| ());
    println!("total on-time {:.3} s of 7 s", log.on_s());
    assert!(log.on_s() <= 7.0 && log.on_s() > 6.9, "{}", log.on_s());
    assert!(log.ends_grey() && log.first(NoticeKind::OnTimeSpent).is_some());
}

#[test]
fn a_gap_shorter_than_a_pause_is_none() {
    // Calibration is off for 2 s between stretches of 4 s: with a pause of 3 s these do not count.
    for (pause_ns, pauses) in [(S, false), (3 * S, true)] {
        let plan = limited(LimitsPlan { longest_ns: 8 * S, pause_ns, ..limits() }, vec![calibrate(30)]);
        let log = run(&plan, 31.0, |_| ());
        assert_eq!(log.first(NoticeKind::OnTimePause).is_some(), pauses);
        assert!(log.longest_s(pause_ns as f64 / 1e9) <= 8.0);
    }
}

/// What is left after a short gap would not suffice for the ramp to grey: light waits for the rest of the pause.
#[test]
fn light_does_not_come_back_for_a_moment_only() {
    let longest =
        LimitsPlan { longest_ns: 3_500 * MS, pause_ns: 2 * S, dead_man_ns: Some(100 * MS), ..limits() };
    let log = run(&limited(longest, vec![show(20, 0.6)]), 20.0, |turn| {
        turn.held = !(2_300..3_100).contains(&((turn.now_ns - START_NS) / MS));
    });
    let longest_s = log.longest_s(2.0);
    println!("longest stretch with a gap in it {longest_s:.3} s of 3.5 s");
    assert!(longest_s <= 3.5, "{longest_s}");
    let lit = |from_ms: i64, to_ms: i64| {
        let span = START_NS + from_ms * MS..START_NS + to_ms * MS;
        log.contrast.iter().any(|row| span.contains(&row.0) && row.2 > 0.0)
    };
    assert!(lit(2_000, 2_300) && !lit(3_000, 4_800) && lit(5_000, 6_000));
}

#[test]
fn the_session_is_grey_when_its_length_is_reached() {
    let plan = limited(LimitsPlan { session_ns: 6 * S, ..limits() }, vec![show(60, 0.9)]);
    let log = run(&plan, 60.0, |_| ());
    let finished_ns = log.finished_ns.unwrap() - START_NS;
    println!("session of 6 s: finished at {:.3} s", finished_ns as f64 / 1e9);
    assert!(finished_ns <= 6 * S && finished_ns > 6 * S - SLACK_NS - 8 * MS, "{finished_ns}");
    assert!(log.ends_grey());
}

#[test]
fn a_runaway_controller_is_bound_in_rate_and_dose() {
    // The gain it is told alternates, so what it wants is a full-contrast square wave, as fast as decisions come; and it
    // believes that it may change contrast within a millisecond.
    let wild = ResponsePlan { slew_per_s: 1000.0, contrast_max: 1.0, ..response(6.0) };
    let limits = LimitsPlan { dose_s: 4.0, slew_per_s: 2.5, ..limits() };
    let mut plan = limited(limits, vec![calibrate(12), hold(60, 2.0)]);
    plan.controller = Some(ControllerPlan::KnownGain(wild));
    let square = |turn: &mut Turn| {
        let up = (turn.now_ns / (300 * MS)) % 2 == 0;
        turn.gain_uv = Some(if up { 1e-3 } else { 1e9 });
    };
    let log = run(&plan, 60.0, square);
    println!("runaway: dose {:.3} s of 4 s, at most {:.3} per s of 2.5", log.dose_s(), log.fastest_per_s());
    assert!(log.dose_s() <= 4.0 && log.fastest_per_s() <= 2.5 * 1.001);
    assert!(log.first(NoticeKind::DoseSpent).is_some() && log.ends_grey());
    let slowed = log.first(NoticeKind::SlewLimited).unwrap();
    assert_eq!(slowed.value, 1000.0);
    assert!(log.count(NoticeKind::SlewLimited) <= 30, "told once a second at most");
    // Without limits the same controller does what it wants, so the test above tests something.
    plan.interlock.limits = None;
    let free = run(&plan, 30.0, square);
    assert!(free.fastest_per_s() > 100.0 && free.dose_s() > 4.0);
}

#[test]
fn one_scene_is_gone_before_another_comes() {
    let blocks = vec![show(3, 0.8), block(3, BlockKind::Show { scene: SceneId(2), contrast: 0.7 })];
    let log = run(&limited(limits(), blocks), 10.0, |_| ());
    assert!(log.fastest_per_s() <= 2.0 * 1.001, "{}", log.fastest_per_s());
    assert!(log.contrast.iter().any(|row| row.1 == SceneId(2) && row.2 > 0.69));
}

#[test]
fn flashes_keep_to_the_limits_and_begin_and_end_by_ramps() {
    let limits = LimitsPlan { longest_ns: 4 * S, pause_ns: S, slew_per_s: 3.0, ..limits() };
    let other = block(3, BlockKind::Show { scene: SceneId(2), contrast: 0.7 });
    for before in [show(3, 0.8), other] {
        let log = run(&gated(limited(limits, vec![before, flashes(20, 200), other])), 27.0, |_| ());
        let flashes = log
            .commands
            .iter()
            .filter(|c| c.scene == GRATING && c.contrast.from == 0.0 && c.contrast.to == 0.5);
        let (count, longest_s) = (flashes.count(), log.longest_s(1.0));
        println!(
            "{count} flashes, longest stretch {longest_s:.3} s of 4 s, {:.3} per s",
            log.fastest_per_s()
        );
        assert!(count > 15, "{count} flashes");
        assert!(log.fastest_per_s() <= 3.0 * 1.001, "{}", log.fastest_per_s());
        assert!(longest_s <= 4.0 + 2e-3 && longest_s > 3.0, "{longest_s}");
        assert!(log.count(NoticeKind::OnTimePause) > 2 && log.ends_grey());
    }
    let text = Loop::prepare(&gated(limited(limits, vec![flashes(9, 160)]))).unwrap_err().to_string();
    assert!(text.contains("ramp in ns is 160000000") && text.contains("slew_per_s"), "{text}");
}

#[test]
fn stimulation_runs_only_while_the_key_is_held() {
    let plan = limited(LimitsPlan { dead_man_ns: Some(S), ..limits() }, vec![show(10, 0.6)]);
    // Nobody presses: nothing is shown, nothing begins, nothing ends.
    let log = run(&plan, 20.0, |_| ());
    assert!(log.on_s() == 0.0 && log.finished_ns.is_none() && log.first(NoticeKind::BlockBegin).is_none());
    // Held from 2 s, tapped every 0.9 s from 4 s, released at 7 s, held again from 10 s.
    let log = run(&plan, 20.0, |turn| {
        let t_ms = (turn.now_ns - START_NS) / MS;
        turn.held = match t_ms {
            2_000..4_000 => true,
            4_000..7_000 => t_ms % 900 < 5,
            10_000.. => true,
            _ => false,
        };
    });
    let up = log.first(NoticeKind::DeadManUp).unwrap();
    println!("dead-man key: told {:.3} s after the last tap", up.count as f64 / 1e9);
    assert!(up.count > S && up.count <= S + 8 * MS);
    assert!(log.is_grey_at(up.at_ns + RAMP_NS + 8 * MS));
    assert_eq!(log.count(NoticeKind::DeadManUp), 1);
    let begin = log.first(NoticeKind::BlockBegin).unwrap().at_ns - START_NS;
    assert!((2_000 * MS..2_010 * MS).contains(&begin), "the schedule waits for the key: {begin}");
    assert!(log.contrast.iter().any(|row| row.0 > START_NS + 11 * S && row.2 > 0.5), "and it goes on");
    assert!(log.fastest_per_s() <= 2.0 * 1.001);
}

#[test]
fn a_clock_that_goes_back_ends_the_run_by_a_ramp_on_the_new_time() {
    for back_ns in [1, 10 * S, 500 * S] {
        let jump_at = START_NS + 3 * S;
        let log = run(&limited(limits(), vec![show(60, 0.8)]), 60.0, |turn| {
            if turn.now_ns >= jump_at {
                turn.now_ns -= back_ns + 4 * MS;
            }
        });
        let jump = log.first(NoticeKind::TimeJump).unwrap();
        assert!((-jump.count - back_ns).abs() <= 4 * MS, "{jump:?}");
        let fade = log.commands.iter().find(|command| command.issued_ns == jump.at_ns).unwrap();
        let Ramp { from, to, start_ns, end_ns } = fade.contrast;
        assert!((from, to, start_ns, end_ns) == (0.8, 0.0, jump.at_ns, jump.at_ns + RAMP_NS), "{fade:?}");
        assert!(log.ends_grey() && log.finished_ns.is_some());
    }
}

#[test]
fn a_clock_that_leaps_or_a_process_that_stood_still_goes_through_grey() {
    let leap_at = START_NS + 3 * S;
    let plan = Plan { interlock: InterlockPlan::FAULTS, ..limited(limits(), vec![show(60, 0.8)]) };
    let log = run(&plan, 12.0, |turn| {
        if turn.now_ns >= leap_at {
            turn.now_ns += 2 * LONGEST_GAP_NS;
        }
    });
    let jump = log.first(NoticeKind::TimeJump).unwrap();
    assert!(jump.count > 2 * LONGEST_GAP_NS && jump.count < 2 * LONGEST_GAP_NS + 20 * MS);
    assert!(log.is_grey_at(jump.at_ns + RAMP_NS + 8 * MS));
    assert_eq!(log.count(NoticeKind::InterlockOpened), 1, "and comes back");
    assert!(log.fastest_per_s() <= 2.0 * 1.001);
}

#[test]
fn a_display_that_does_not_answer_leads_to_grey_and_back() {
    let plan = Plan { interlock: InterlockPlan::FAULTS, ..limited(limits(), vec![show(60, 0.8)]) };
    let (from, to) = (START_NS + 3 * S, START_NS + 7 * S);
    let log = run(&plan, 12.0, |turn| {
        if (from..to).contains(&turn.now_ns) {
            turn.flips = None;
        }
    });
    let missing = log.first(NoticeKind::FlipsMissing).unwrap();
    let late_ns = missing.at_ns - from - LONGEST_DARKNESS_NS;
    assert!((-20 * MS..8 * MS).contains(&late_ns), "{late_ns}");
    assert!(log.is_grey_at(missing.at_ns + RAMP_NS + 8 * MS));
    let open = log.first(NoticeKind::InterlockOpened).unwrap();
    assert!((to..to + 40 * MS).contains(&open.at_ns));
}

#[test]
fn a_corrupt_flip_is_refused_and_a_display_that_drew_grey_is_noticed() {
    let plan = Plan { interlock: InterlockPlan::FAULTS, ..limited(limits(), vec![show(60, 0.8)]) };
    let log = run(&plan, 6.0, |turn| {
        let second = (turn.now_ns - START_NS) / S;
        if let Some(flip) = &mut turn.flips {
            match (second, flip.frame % 3) {
                (2, 0) => flip.contrast = f64::NAN,
                (2, 1) => flip.onset_ns = if flip.frame % 2 == 0 { i64::MAX } else { i64::MIN },
                (4, _) => flip.command = None,
                _ => {}
            }
        }
    });
    let refused: i64 =
        log.notices.iter().filter(|n| n.kind == NoticeKind::FlipRefused).map(|n| n.count).sum();
    assert_eq!(refused, 40);
    let grey = log.first(NoticeKind::DisplayGrey).unwrap();
    assert!((START_NS + 4 * S..START_NS + 4 * S + 30 * MS).contains(&grey.at_ns));
    assert!(log.is_grey_at(grey.at_ns + RAMP_NS + 8 * MS));
    assert_eq!(log.count(NoticeKind::InterlockOpened), 1);
}

#[test]
fn a_source_that_sends_no_numbers_is_as_good_as_silent() {
    let plan = Plan { interlock: InterlockPlan::FAULTS, ..limited(limits(), vec![show(60, 0.8)]) };
    let (from, to) = (START_NS + 3 * S, START_NS + 6 * S);
    let log = run(&plan, 10.0, |turn| turn.numbers = !(from..to).contains(&turn.now_ns));
    let grey = log.first(NoticeKind::ToGrey).unwrap();
    println!("NaN: ramp begins {:.3} s after the last number", (grey.at_ns - from) as f64 / 1e9);
    assert!(grey.at_ns - from <= S + 8 * MS && log.is_grey_at(grey.at_ns + RAMP_NS + 8 * MS));
    assert!(log.first(NoticeKind::Resumed).is_some_and(|back| back.at_ns >= to));
}

#[test]
fn limits_that_contradict_the_ramp_are_refused() {
    let refused = |limits| Loop::prepare(&limited(limits, vec![show(10, 0.5)])).unwrap_err().to_string();
    let text = refused(LimitsPlan { slew_per_s: 1.9, ..limits() });
    assert!(text.contains("slew_per_s is 1.9") && text.contains("grey ramp"), "{text}");
    assert!(refused(LimitsPlan { dose_s: 0.0, ..limits() }).contains("dose in s is 0"));
    assert!(refused(LimitsPlan { dose_s: f64::NAN, ..limits() }).contains("NaN"));
    assert!(refused(LimitsPlan { pause_ns: 0, ..limits() }).contains("pause"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever the controller wants and however flips, samples, key and clock fail, every bound holds.
    #[test]
    fn every_bound_holds_whatever_happens(
        gains in prop::collection::vec(1e-3..1e3f64, 4..12),
        dose_s in 1.0..6.0f64,
        longest_s in 2.0..6.0f64,
        faults in prop::collection::vec((0i64..20_000, 1i64..2_500, 0u8..4), 0..8),
    ) {
        let limits = LimitsPlan {
            dose_s,
            longest_ns: (longest_s * 1e9) as i64,
            pause_ns: S,
            slew_per_s: 3.0,
            dead_man_ns: Some(S / 2),
            ..limits()
        };
        let wild = ResponsePlan { slew_per_s: 500.0, contrast_max: 1.0, ..response(6.0) };
        let blocks = vec![calibrate(12), hold(5, 2.0), flashes(4, 170), show(3, 0.9), flashes(3, 250), hold(20, 4.0)];
        let mut plan = gated(limited(limits, blocks));
        plan.controller = Some(ControllerPlan::KnownGain(wild));
        let log = run(&plan, 30.0, |turn| {
            let t_ms = (turn.now_ns - START_NS) / MS;
            turn.gain_uv = Some(gains[(t_ms / 137) as usize % gains.len()]);
            turn.held = true;
            for &(from_ms, long_ms, fault) in &faults {
                if (from_ms..from_ms + long_ms).contains(&t_ms) {
                    match fault {
                        0 => turn.held = false,
                        1 => turn.flips = None,
                        2 => turn.samples = false,
                        _ => turn.numbers = false,
                    }
                }
            }
        });
        prop_assert!(log.dose_s() <= dose_s, "{} of {dose_s}", log.dose_s());
        prop_assert!(log.longest_s(1.0) <= longest_s + 2e-3, "{} of {longest_s}", log.longest_s(1.0));
        prop_assert!(log.fastest_per_s() <= 3.0 * 1.001, "{}", log.fastest_per_s());
    }
}
