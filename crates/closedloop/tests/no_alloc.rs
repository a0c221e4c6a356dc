//! Every step after `prepare` runs without allocation. A violation aborts this test binary.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use closedloop::*;
use common::*;
use timeline::{Act, Device, Flip, OnsetOutcome, Reply, Response, SceneId, SourceId, State};

#[global_allocator]
static WATCH: AllocDisabler = AllocDisabler;

fn listen_plan() -> Plan {
    listening(60, 3, &[13.0, 17.0])
}

/// Rest, then presentations that wait for any phase that is forecast at all, with quiet eyes.
fn onset_plan() -> Plan {
    let rule = OnsetRule {
        phase: Some(PhaseRule { wanted_rad: 0.0, tolerance_rad: 1.5, resultant_min: 0.0 }),
        quiet_eyes: true,
        timeout_ns: 2 * S,
        ..OnsetRule::FREE
    };
    let eyes = EyesPlan { source: SourceId(0), channels: vec![0], window_s: 0.2, range_max: 1e3 };
    Plan {
        blocks: vec![block(14, BlockKind::Rest), flashes(40, rule)],
        decoder: None,
        onset: Some(alpha(Some(eyes))),
        sources: vec![eeg_source()],
        ..listen_plan()
    }
}

fn quest() -> ProcedurePlan {
    let grid = LogGrid { from: 0.02, to: 0.9, count: 30 };
    ProcedurePlan::QuestPlus(QuestPlan {
        form: PsychometricForm::Logistic,
        contrasts: grid,
        thresholds: grid,
        slopes: Few::new(&[4.0, 9.0]),
        lapses: Few::new(&[0.0, 0.05]),
        guess: 0.03,
        prior: Some([0.2, 0.5]),
        threshold_sd: 0.0,
    })
}

/// A whole session: calibration, holds, silence, holes, jumping stamps, the end.
fn drive(plan: &Plan, cued: bool) -> (u64, bool) {
    let mut looped = Loop::prepare(plan).unwrap();
    let mut out = Outputs::default();
    let mut noise = Noise(1);
    let (mut values, mut at_ns) = ([0.0; 5 * CHANNELS], [0i64; 5]);
    let mut decisions = 0;
    for turn in 0..4000u64 {
        let now_ns = S + turn as i64 * 20_000_000;
        for value in &mut values {
            *value = noise.gauss();
        }
        if turn % 500 == 250 {
            values[3] = f64::NAN;
        }
        let jump = if turn > 1200 { 400_000_000 } else { 0 };
        for (n, at) in at_ns.iter_mut().enumerate() {
            *at = now_ns + n as i64 * 4_000_000 + jump;
        }
        let flips = [flip(turn + turn / 5, now_ns)];
        let cue = [marker(turn / 400, now_ns, (turn / 400 % 3) as u32)];
        let quiet = (2000..2100).contains(&turn);
        let eeg = SourceInput {
            skipped: 0,
            first_sample: turn * 5,
            at_ns: if quiet { &[] } else { &at_ns },
            values: if quiet { &[] } else { &values },
        };
        // A program outside that answers in the next turn, now and then with a lie.
        let reply = |state: &State| Reply {
            index: state.index,
            at_ns: now_ns,
            state: if state.index % 11 == 3 { f64::NAN } else { state.index as f64 },
            value: if state.index % 7 == 3 { 7e3 } else { 0.3 },
            spread: 0.1,
        };
        let replies: Vec<Reply> = out.states.iter().map(reply).collect();
        let inputs = Inputs {
            turn,
            now_ns,
            flips: &flips,
            markers: if cued && turn % 400 == 100 { &cue } else { &[] },
            sources: &[eeg, SourceInput::default()][..plan.sources.len()],
            replies: &replies,
            ..Inputs::default()
        };
        assert_no_alloc(|| {
            looped.step(&inputs, &mut out);
            std::hint::black_box(looped.next_wake_ns());
        });
        decisions += out.decisions.len() as u64;
        // Far more than there are decisions, so that a test sees that these came too.
        decisions += 1000 * u64::from(!out.trials.is_empty() || !out.scores.is_empty());
        decisions += out.onsets.iter().filter(|onset| onset.outcome == OnsetOutcome::Met).count() as u64;
        if out.finished {
            return (decisions, true);
        }
    }
    (decisions, false)
}

#[test]
fn no_step_allocates() {
    let held = thermostat(pi(6.0), vec![calibrate(24), hold(20, 2.0), hold(20, 4.0)]);
    let (decisions, finished) = drive(&held, false);
    assert!(decisions > 100 && finished, "{decisions} decisions: the test did not reach the decoder");
    for (name, controller) in controllers(6.0) {
        let mut held = thermostat(controller, vec![calibrate(24), sine(20), hold(20, 4.0)]);
        held.artefacts = Some(ARTEFACTS);
        let (decisions, finished) = drive(&held, false);
        assert!(decisions > 100 && finished, "{name}: {decisions} decisions");
    }
    for (gives, fallback) in [(Gives::Contrast, Fallback::Inside), (Gives::Value, Fallback::Grey)] {
        let mut held = thermostat(pi(6.0), vec![calibrate(24), hold(20, 2.0), hold(20, 4.0)]);
        held.outside = Some(OutsidePlan { gives, deadline_ns: S / 4, fallback });
        held.feed = Some(FeedPlan { values: vec![[1.0, 0.1]; 9], donor_uv: Some(2.0) });
        let (decisions, finished) = drive(&held, false);
        assert!(decisions > 100 && finished, "{gives:?}: {decisions} decisions");
    }
    let trials = TrialsPlan {
        scene: GRATING,
        on_ns: 29 * S / 10,
        gap_ns: S / 2,
        trials: 1000,
        answer: AnswerPlan::Decoded { criterion_sd: 2.0 },
        procedure: quest(),
    };
    let plan = thermostat(pi(6.0), vec![calibrate(24), block(40, BlockKind::Trial(trials))]);
    let (answers, finished) = drive(&plan, false);
    assert!(answers > 1005 && finished, "{answers}");
    let adapt = AdaptPlan { success_rate: 0.65, step_sd: 0.05, limits_sd: [-3.0, 3.0] };
    let scored = ScoredPlan { baseline: 1, spread: Spread::Robust, at_sd: 0.0, adapt: Some(adapt) };
    let on_off = controllers(6.0).into_iter().find(|(name, _)| *name == "on_off").unwrap().1;
    let show = block(12, BlockKind::Show { scene: GRATING, contrast: 0.4 });
    let held = BlockKind::Hold { scene: GRATING, set_point: SetPointPlan::Scored(scored) };
    let plan = thermostat(on_off, vec![calibrate(24), show, block(30, held)]);
    let (scores, finished) = drive(&Plan { artefacts: Some(ARTEFACTS), ..plan }, false);
    assert!(scores > 1005 && finished, "{scores}");
    let (decisions, finished) = drive(&listen_plan(), true);
    assert!(decisions >= 2 && finished, "{decisions} decisions");
    let (met, finished) = drive(&onset_plan(), false);
    assert!(met > 20 && finished, "{met} onsets");
}

/// A task with fixation, feedback, an eye tracker and repeats; presses, a pause, a skip.
#[test]
fn no_task_allocates() {
    let keys = ButtonsPlan::Keys { device: Device::Keyboard, codes: Codes::new(&[0, 1]) };
    let gate = GatePlan { radius_deg: 2.0, stay_ns: S / 10, timeout_ns: S, away_ns: S / 20 };
    let task = TaskPlan {
        table: 0,
        fixation: Some((SceneId(2), 0.5)),
        ramp_ns: S / 20,
        on_ns: S / 5,
        until_response: true,
        buttons: keys,
        earliest_ns: S / 20,
        timeout_ns: S / 2,
        feedback: FeedbackPlan { correct: Some((SceneId(3), 0.5)), wrong: None, none: None, on_ns: S / 10 },
        gate: Some(gate),
        reject: RejectPlan { early: true, no_response: true, artefact: false, missed_frames: true },
        repeats: 3,
        practice: false,
    };
    let condition = |correct| ConditionPlan { scene: GRATING, contrast: 0.6, correct: Some(correct) };
    let table = TaskTable {
        conditions: vec![condition(0), condition(1)],
        trials: (0..40).map(|number| TaskTrial::new(number, number as usize % 2)).collect(),
        waits_ns: vec![[S / 10, S / 10]],
    };
    let gaze = GazePlan { source: SourceId(0), channels: [0, 1], origin: [0.0; 2], deg_per_unit: 1.0 };
    let prompt = PromptPlan { shown: Some((GRATING, 0.5)), buttons: keys, least_ns: S / 10 };
    let plan = Plan {
        sources: vec![SourcePlan { channels: 2, ..eeg_source() }],
        decoder: None,
        blocks: vec![
            block(9, BlockKind::Prompt(prompt)),
            block(50, BlockKind::Task(task)),
            block(1, BlockKind::Rest),
        ],
        flow: FlowPlan { tables: vec![table], gaze: Some(gaze), done: Vec::new() },
        ..listen_plan()
    };
    let mut looped = Loop::prepare(&plan).unwrap();
    let (mut out, mut newest, mut attempts) = (Outputs::default(), None, 0);
    for turn in 0..5000u64 {
        let now_ns = S + turn as i64 * 16_666_667;
        let mut flips = [flip(turn, now_ns)];
        if let Some(command) = newest {
            let timeline::Command { index, scene, contrast, .. } = command;
            flips[0] = Flip { command: Some(index), scene, contrast: contrast.at(now_ns), ..flips[0] };
        }
        let (device, code) = match turn {
            900 | 960 => (Device::Operator, Act::Toggle.code()),
            2400 => (Device::Operator, Act::Skip.code()),
            _ => (Device::Keyboard, (turn / 40 % 2) as u32),
        };
        let press = [Response {
            index: turn,
            at_ns: now_ns - 3_000_000,
            arrival_ns: now_ns,
            queued_ns: 0,
            device,
            code,
            pressed: true,
        }];
        let away = if turn % 333 < 20 { f64::NAN } else { 0.1 };
        let inputs = Inputs {
            turn,
            now_ns,
            flips: &flips,
            sources: &[SourceInput {
                skipped: 0,
                first_sample: turn,
                at_ns: &[now_ns],
                values: &[away, 0.1],
            }],
            responses: if turn % 37 == 5 || device == Device::Operator { &press } else { &[] },
            ..Inputs::default()
        };
        assert_no_alloc(|| {
            looped.step(&inputs, &mut out);
            std::hint::black_box(looped.next_wake_ns());
        });
        newest = out.commands.last().copied().or(newest);
        attempts += out.attempts.len();
        if out.finished {
            break;
        }
    }
    assert!(out.finished && attempts > 20, "{attempts} attempts");
}

#[test]
fn no_trial_allocates() {
    let stop = QuestPlusStop { trials: 50, threshold_sd: 0.0 };
    let quest = QuestPlusPlan {
        form: PsychometricForm::Logistic,
        levels: (-20..20).map(f64::from).collect(),
        thresholds: (-20..20).map(f64::from).collect(),
        slopes: vec![0.5, 1.0],
        lapses: vec![0.0, 0.05],
        guess: 0.5,
        prior: Some([0.0, 8.0]),
        stop,
    };
    let staircase = StaircasePlan {
        rule: StaircaseRule::UpDown { up: 1, down: 2 },
        start: 3.0,
        limits: [0.0, 10.0],
        step_up: 1.0,
        step_down: 1.0,
        shrink: 0.5,
        least_part: 0.1,
        reversals: 100,
        counted: 8,
    };
    let bandit = |rule| TrialPlan::Bandit(BanditPlan { rule, arms: 4, context: 2, ridge: 1.0, seed: 3 });
    let plans = [
        TrialPlan::QuestPlus(quest),
        TrialPlan::Staircase(staircase),
        bandit(BanditRule::Thompson { noise_sd: 0.5 }),
        bandit(BanditRule::LinUcb { alpha: 1.0 }),
    ];
    for plan in plans {
        let mut controller = TrialController::prepare(&plan).unwrap();
        let mut again = TrialController::prepare(&plan).unwrap();
        let mut noise = Noise(4);
        for trial in 0..200 {
            let context = [noise.uniform(), noise.uniform()];
            let correct = noise.uniform() < 0.7;
            let answer =
                if trial % 2 == 0 { Answer::Correct(correct) } else { Answer::Reward(noise.gauss()) };
            let proposal = assert_no_alloc(|| {
                let proposal = controller.propose(&context);
                controller.answer(proposal, &context, answer);
                std::hint::black_box((controller.is_done(), controller.estimate()));
                proposal
            });
            // The same plan, contexts and answers: the same proposals to the bit.
            assert_eq!(again.propose(&context), proposal, "{plan:?}");
            again.answer(proposal, &context, answer);
        }
        assert_no_alloc(|| controller.reset());
        let fresh = TrialController::prepare(&plan).unwrap().propose(&[0.1, 0.2]);
        assert_eq!(controller.propose(&[0.1, 0.2]), fresh);
    }
}

#[test]
fn no_neurofeedback_step_allocates() {
    let mut noise = Noise(9);
    let mut watch = ArtefactWatch::prepare(ARTEFACTS, CHANNELS, RATE_HZ).unwrap();
    let mut baselines = [Spread::Moments, Spread::Robust].map(|spread| Baseline::prepare(spread, 300));
    let plan = ThresholdPlan { start: 0.0, success_rate: 0.6, step: 0.1, limits: [-3.0, 3.0] };
    let mut threshold = AdaptiveThreshold::prepare(plan);
    assert_no_alloc(|| {
        for index in 0..2000u64 {
            let row: [f64; CHANNELS] = std::array::from_fn(|_| 90.0 * noise.gauss());
            std::hint::black_box(watch.step(index, &row));
            baselines.iter_mut().for_each(|baseline| baseline.step(row[0]));
            threshold.step(row[1]);
        }
        assert!(baselines.iter_mut().all(|baseline| baseline.close().is_some()));
        assert!(baselines[0].score(90.0).is_some_and(|z| (z - 1.0).abs() < 0.2));
    });
}
