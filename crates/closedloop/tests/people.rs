//! Tasks and prompts in a small world: a screen that shows commands one refresh later, a person who presses, an eye.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use closedloop::*;
use common::{GRATING, S, block};
use timeline::{
    Act, Attempt, AttemptOutcome, Command, Device, Flip, Notice, NoticeKind, OnsetClass, Response, SceneId,
    SourceId,
};

const START_NS: i64 = 7 * S;
const REFRESH_NS: i64 = 16_666_667;
const MARK: SceneId = SceneId(2);
const YES: SceneId = SceneId(3);
const SAMPLE_NS: i64 = 4_000_000;

fn buttons() -> ButtonsPlan {
    ButtonsPlan::Keys { device: Device::Keyboard, codes: Codes::new(&[0, 1]) }
}

fn task() -> TaskPlan {
    TaskPlan {
        table: 0,
        fixation: Some((MARK, 0.8)),
        ramp_ns: 0,
        on_ns: S / 5,
        until_response: false,
        buttons: buttons(),
        earliest_ns: S / 10,
        timeout_ns: S,
        feedback: FeedbackPlan { correct: Some((YES, 0.5)), wrong: None, none: None, on_ns: S / 5 },
        gate: None,
        reject: RejectPlan { early: true, no_response: true, artefact: false, missed_frames: true },
        repeats: 1,
        practice: false,
    }
}

fn plan(task: TaskPlan, trials: usize) -> Plan {
    let condition = |correct| ConditionPlan { scene: GRATING, contrast: 0.6, correct: Some(correct) };
    let table = TaskTable {
        conditions: vec![condition(0), condition(1)],
        trials: (0..trials).map(|number| TaskTrial::new(number as u64, number % 2)).collect(),
        waits_ns: vec![[S / 2, S / 3], [S / 4, S / 2]],
    };
    Plan {
        refresh_hz: 60.0,
        grey_ramp_ns: S / 2,
        sources: Vec::new(),
        blocks: vec![block(600, BlockKind::Task(task))],
        decoder: None,
        controller: None,
        onset: None,
        artefacts: None,
        outside: None,
        feed: None,
        flow: FlowPlan { tables: vec![table], gaze: None, done: Vec::new() },
        interlock: InterlockPlan::FAULTS,
    }
}

/// With an eye tracker in degrees, and a gate.
fn gated(trials: usize) -> Plan {
    let gate = GatePlan { radius_deg: 1.5, stay_ns: S / 5, timeout_ns: 2 * S, away_ns: S / 20 };
    let mut plan = plan(TaskPlan { gate: Some(gate), ..task() }, trials);
    plan.sources = vec![SourcePlan {
        channels: 2,
        rate_hz: 250.0,
        time_scale: 1.0,
        stale_after_ns: S / 2,
        grey_after_ns: S,
        is_marker: false,
    }];
    let gaze = GazePlan { source: SourceId(0), channels: [0, 1], origin: [0.0; 2], deg_per_unit: 1.0 };
    plan.flow.gaze = Some(gaze);
    plan
}

#[derive(Default)]
struct Log {
    attempts: Vec<Attempt>,
    commands: Vec<Command>,
    flips: Vec<Flip>,
    notices: Vec<Notice>,
    over_s: f64,
    aborted: bool,
}

impl Log {
    fn outcomes(&self) -> Vec<(u64, AttemptOutcome)> {
        self.attempts.iter().map(|attempt| (attempt.trial, attempt.outcome)).collect()
    }

    fn noticed(&self, kind: NoticeKind) -> usize {
        self.notices.iter().filter(|notice| notice.kind == kind).count()
    }
}

/// What happens around the loop.
struct World<'a> {
    /// For the n-th appearance of the stimulus: how long after it which key is pressed.
    answers: &'a dyn Fn(usize) -> Option<(i64, u32)>,
    /// Where the eye looks at a time in s, given whether the stimulus is on and how often it came.
    gaze: &'a dyn Fn(f64, bool, usize) -> [f64; 2],
    chunk: usize,
    acts: &'a [(f64, Act)],
    /// Frames that are missed, by their index.
    missed: &'a dyn Fn(u64) -> bool,
}

const CALM: World<'static> = World {
    answers: &|_| Some((400_000_000, 0)),
    gaze: &|_, _, _| [0.2, -0.1],
    chunk: 5,
    acts: &[],
    missed: &|_| false,
};

fn live(plan: &Plan, world: &World<'_>, seconds: f64) -> Log {
    let mut looped = Loop::prepare(plan).unwrap();
    let (mut out, mut log) = (Outputs::default(), Log::default());
    let (mut frame, mut sample, mut turn) = (1u64, 0u64, 0u64);
    let (mut shown, mut newest, mut appeared): (Option<Command>, Option<Command>, usize) = (None, None, 0);
    let (mut lit, mut missed) = (false, 0);
    let mut acts: Vec<_> =
        world.acts.iter().map(|(at_s, act)| (START_NS + (at_s * 1e9) as i64, *act)).collect();
    let mut presses: Vec<(i64, Device, u32)> =
        acts.drain(..).map(|(at_ns, act)| (at_ns, Device::Operator, act.code())).collect();
    let (mut rows, mut stamps): (Vec<f64>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut first, mut pressed) = (0u64, 0u64);
    let has_eye = !plan.sources.is_empty();
    loop {
        let flip_ns = START_NS + frame as i64 * REFRESH_NS;
        let sample_ns = if has_eye { START_NS + sample as i64 * SAMPLE_NS } else { i64::MAX };
        let press_ns = presses.iter().map(|(at_ns, ..)| *at_ns).min().unwrap_or(i64::MAX);
        let now_ns = flip_ns.min(sample_ns).min(press_ns).min(looped.next_wake_ns().max(START_NS));
        let mut flips = Vec::new();
        if now_ns == flip_ns {
            let is_missed = (world.missed)(frame);
            missed += u32::from(is_missed);
            if !is_missed {
                let contrast = shown.map_or(0.0, |command| command.contrast.at(flip_ns));
                let scene = shown.map_or(SceneId::GREY, |command| command.scene);
                let flip = Flip {
                    frame,
                    onset_ns: flip_ns,
                    class: OnsetClass::Simulated,
                    submitted_ns: flip_ns,
                    command: shown.map(|command| command.index),
                    scene,
                    contrast: if scene == SceneId::GREY { 0.0 } else { contrast },
                    missed: core::mem::take(&mut missed),
                    late: 0,
                    replaces: false,
                    gaze: None,
                    veil: 1.0,
                };
                let is_on = scene == GRATING && contrast > 0.0;
                if is_on && !lit {
                    if let Some((after_ns, key)) = (world.answers)(appeared) {
                        presses.push((flip_ns + after_ns, Device::Keyboard, key));
                    }
                    appeared += 1;
                }
                lit = is_on;
                log.flips.push(flip);
                flips.push(flip);
            }
            frame += 1;
            // Drawn now for the next refresh.
            shown = newest;
        }
        if now_ns == sample_ns {
            if stamps.is_empty() {
                first = sample;
            }
            let t = (now_ns - START_NS) as f64 / 1e9;
            rows.extend((world.gaze)(t, lit, appeared));
            stamps.push(now_ns);
            sample += 1;
        }
        let due = presses.iter().filter(|(at_ns, ..)| *at_ns <= now_ns);
        let responses: Vec<Response> = due
            .map(|&(at_ns, device, code)| {
                pressed += 1;
                Response {
                    index: pressed - 1,
                    at_ns,
                    arrival_ns: now_ns,
                    queued_ns: 0,
                    device,
                    code,
                    pressed: true,
                }
            })
            .collect();
        presses.retain(|(at_ns, ..)| *at_ns > now_ns);
        let is_chunk = stamps.len() >= world.chunk;
        let eye = SourceInput {
            skipped: 0,
            first_sample: first,
            at_ns: if is_chunk { &stamps } else { &[] },
            values: if is_chunk { &rows } else { &[] },
        };
        let inputs = Inputs {
            turn,
            now_ns,
            flips: &flips,
            sources: &[eye][..plan.sources.len()],
            responses: &responses,
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        if is_chunk {
            stamps.clear();
            rows.clear();
        }
        turn += 1;
        newest = out.commands.last().copied().or(newest);
        log.commands.extend(out.commands.iter().copied());
        log.attempts.extend(out.attempts.iter().copied());
        log.notices.extend(out.notices.iter().copied());
        log.over_s = (now_ns - START_NS) as f64 / 1e9;
        if out.finished || log.over_s > seconds {
            assert!(out.finished, "not over after {seconds} s: {:?}", log.outcomes());
            log.aborted = looped.was_aborted();
            return log;
        }
    }
}

#[test]
fn reaction_times_are_exact_and_the_stimulus_is_on_for_its_frames() {
    let latency = |n: usize| 300_000_000 + 7_654_321 * n as i64;
    let answers = |n: usize| Some((latency(n), (n % 2) as u32));
    let log = live(&plan(task(), 10), &World { answers: &answers, ..CALM }, 60.0);
    assert_eq!(log.attempts.len(), 10);
    for (n, attempt) in log.attempts.iter().enumerate() {
        assert_eq!((attempt.outcome, attempt.correct), (AttemptOutcome::Correct, Some(true)), "{attempt:?}");
        assert_eq!(attempt.reaction_ns(), Some(latency(n)));
        let flip = log.flips.iter().find(|flip| Some(flip.frame) == attempt.frame).unwrap();
        assert_eq!((flip.onset_ns, flip.command), (attempt.onset_ns, attempt.command));
        assert_eq!(attempt.off_ns - attempt.onset_ns, 12 * REFRESH_NS, "12 refreshes are 0.2 s");
        // Full contrast from the first frame on.
        let on: Vec<_> = log.flips.iter().filter(|flip| flip.command == attempt.command).collect();
        assert!(on.len() == 12 && on.iter().all(|flip| flip.contrast == 0.6));
    }
    // Fixation before, the mark again while an answer is waited for, feedback after it.
    for scene in [MARK, YES] {
        assert!(log.flips.iter().any(|flip| flip.scene == scene && flip.contrast > 0.0));
    }
}

#[test]
fn what_does_not_count_is_repeated_as_often_as_is_said() {
    let answers = |n: usize| match n {
        0 => None,                   // trial 0: nothing
        1 => Some((50_000_000, 0)),  // trial 1: too early
        2 => Some((400_000_000, 1)), // trial 2: wrong, which counts
        3 => Some((400_000_000, 1)), // trial 3: right
        4 => None,                   // trial 0 again
        _ => Some((400_000_000, 1)), // trial 1 again: right
    };
    let log = live(&plan(task(), 4), &World { answers: &answers, ..CALM }, 60.0);
    use AttemptOutcome::{Correct, Early, NoResponse, Wrong};
    let expected = [(0, NoResponse), (1, Early), (2, Wrong), (3, Correct), (0, NoResponse), (1, Correct)];
    assert_eq!(log.outcomes(), expected);
    let again: Vec<bool> = log.attempts.iter().map(|attempt| attempt.again).collect();
    assert_eq!(again, [true, true, false, false, false, false]);
    assert_eq!((log.attempts[4].repeat, log.noticed(NoticeKind::TrialGivenUp)), (1, 1));
    assert!(log.attempts[1].reaction_ns().unwrap() < 100_000_000);
}

#[test]
fn missed_frames_reject_a_trial() {
    let mut first = None;
    let log = live(&plan(task(), 2), &CALM, 60.0);
    first.get_or_insert(log.attempts[0].frame.unwrap() + 5);
    let missed = |frame: u64| Some(frame) == first;
    let log = live(&plan(task(), 2), &World { missed: &missed, ..CALM }, 60.0);
    let attempt = &log.attempts[0];
    assert_eq!((attempt.outcome, attempt.missed, attempt.again), (AttemptOutcome::MissedFrames, 1, true));
    assert_eq!(attempt.correct, Some(true), "what was answered is on record all the same");
    assert_eq!(log.attempts.len(), 3);
}

#[test]
fn a_trial_waits_for_fixation_and_is_broken_without_it() {
    // The eye looks away until 3 s; in the second presentation it leaves, in the third it only blinks for 30 ms.
    let gaze = |t: f64, lit: bool, appeared: usize| match (lit, appeared) {
        _ if t < 3.0 => [5.0, 0.0],
        (true, 2) => [3.0, 0.0],
        (true, 3) if (t * 10.0).fract() < 0.3 => [f64::NAN; 2],
        _ => [0.3, 0.3],
    };
    let all: Vec<Vec<(u64, AttemptOutcome)>> = [1, 5, 20]
        .map(|chunk| {
            let log = live(&gated(3), &World { gaze: &gaze, chunk, ..CALM }, 60.0);
            let first = log.attempts.iter().find(|attempt| attempt.frame.is_some()).unwrap();
            assert!(first.onset_ns >= START_NS + 3 * S + S / 5, "it was not fixated for 0.2 s before");
            log.outcomes()
        })
        .into();
    use AttemptOutcome::*;
    assert!(all.iter().all(|outcomes| *outcomes == all[0]), "chunks matter: {all:?}");
    let kinds: Vec<AttemptOutcome> = all[0].iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(kinds[0], NoFixation, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == FixationBroken).count(), 1, "{kinds:?}");
    assert!(kinds.iter().filter(|kind| matches!(kind, Correct | Wrong)).count() >= 3, "{kinds:?}");
}

#[test]
fn a_pause_stands_still_and_the_trial_comes_again() {
    let calm = live(&plan(task(), 6), &CALM, 60.0);
    let during = (calm.attempts[2].onset_ns - START_NS) as f64 / 1e9 + 0.05;
    let acts = [(during, Act::Toggle), (during + 20.0, Act::Toggle)];
    let log = live(&plan(task(), 6), &World { acts: &acts, ..CALM }, 90.0);
    assert_eq!((log.noticed(NoticeKind::Paused), log.noticed(NoticeKind::Continued)), (1, 1));
    let broken = &log.attempts[2];
    assert_eq!((broken.outcome, broken.again), (AttemptOutcome::Interrupted, true));
    let answered = log.attempts.iter().filter(|attempt| attempt.outcome != AttemptOutcome::Interrupted);
    assert_eq!(answered.count(), 6);
    let stays_grey = |flip: &&Flip| {
        let t = (flip.onset_ns - START_NS) as f64 / 1e9;
        (during + 0.6..during + 20.0).contains(&t)
    };
    assert!(log.flips.iter().filter(stays_grey).all(|flip| flip.contrast == 0.0));
    // It went there by a ramp.
    assert!(log.commands.iter().any(|command| command.contrast.to == 0.0
        && command.contrast.from > 0.5
        && command.contrast.end_ns - command.contrast.start_ns == S / 2));
}

#[test]
fn time_stands_still_in_a_block_that_runs_by_time() {
    let mut plan = plan(task(), 1);
    plan.blocks =
        vec![block(4, BlockKind::Show { scene: GRATING, contrast: 0.5 }), block(2, BlockKind::Rest)];
    let acts = [(1.0, Act::Pause), (6.0, Act::Continue)];
    let paused = live(&plan, &World { acts: &acts, answers: &|_| None, ..CALM }, 60.0);
    let calm = live(&plan, &World { answers: &|_| None, ..CALM }, 60.0);
    assert!((paused.over_s - calm.over_s - 5.0).abs() < 0.05, "{} {}", paused.over_s, calm.over_s);
}

#[test]
fn a_block_is_skipped_and_a_run_aborted() {
    let mut plan = plan(task(), 50);
    plan.blocks.push(block(2, BlockKind::Rest));
    let log = live(&plan, &World { acts: &[(5.0, Act::Skip)], ..CALM }, 60.0);
    assert!(log.over_s < 8.0 && !log.aborted && log.noticed(NoticeKind::BlockSkipped) == 1);
    assert!(log.attempts.last().unwrap().outcome != AttemptOutcome::Interrupted);
    let log = live(&plan, &World { acts: &[(5.0, Act::Abort)], ..CALM }, 60.0);
    assert!(log.over_s < 6.0 && log.aborted && log.noticed(NoticeKind::BlockEnd) == 0);
    // While it is paused too.
    let log = live(&plan, &World { acts: &[(3.0, Act::Pause), (5.0, Act::Abort)], ..CALM }, 60.0);
    assert!(log.over_s < 6.0 && log.aborted);
}

#[test]
fn an_instruction_stays_until_it_is_answered_and_not_before_it_was_seen() {
    let mut plan = plan(task(), 1);
    let prompt = PromptPlan { shown: Some((GRATING, 0.6)), buttons: buttons(), least_ns: S };
    plan.blocks = vec![block(30, BlockKind::Prompt(prompt))];
    let late = live(&plan, &World { answers: &|_| Some((2 * S, 1)), ..CALM }, 60.0);
    let attempt = &late.attempts[0];
    assert_eq!((attempt.outcome, attempt.button), (AttemptOutcome::Answered, Some(1)));
    assert_eq!((attempt.reaction_ns(), late.attempts.len()), (Some(2 * S), 1));
    // Within the least time it does not count, and the block lasts as long as it may.
    let soon = live(&plan, &World { answers: &|_| Some((S / 2, 1)), ..CALM }, 60.0);
    assert_eq!(soon.attempts[0].outcome, AttemptOutcome::NoResponse);
    assert!(soon.over_s >= 30.0);
}

#[test]
fn what_cannot_be_is_refused_with_the_number() {
    let refused = |edit: &dyn Fn(&mut Plan)| {
        let mut plan = gated(2);
        edit(&mut plan);
        Loop::prepare(&plan).unwrap_err().to_string()
    };
    let of_task = |edit: fn(&mut TaskPlan)| {
        refused(&|plan| {
            if let BlockKind::Task(task) = &mut plan.blocks[0].kind {
                edit(task);
            }
        })
    };
    for (text, says) in [
        (of_task(|task| task.on_ns = 10_000_000), "three refreshes"),
        (of_task(|task| task.repeats = 1000), "1000"),
        (of_task(|task| task.table = 4), "table"),
        (of_task(|task| task.reject.artefact = true), "artefacts"),
        (refused(&|plan| plan.flow.gaze = None), "gaze"),
        (refused(&|plan| plan.flow.tables[0].conditions.clear()), "condition"),
    ] {
        assert!(text.contains(says), "{says:?} is not in {text}");
    }
}
