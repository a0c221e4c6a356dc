//! Presentations of pictures: what the loop asks, shows and measures, and what it does when the planner fails.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use closedloop::*;
use common::*;
use timeline::{
    Answer, Command, Decision, Notice, NoticeKind, Onset, OnsetOutcome, Presentation, Purpose, Request,
    SceneId,
};

const PRESENTATIONS: u32 = 4;

fn plan() -> Plan {
    let steer = SteerPlan {
        scene: GRATING,
        contrast: 1.0,
        on_ns: 3 * S,
        gap_ns: S,
        cross_fade_ns: 0,
        presentations: PRESENTATIONS,
        answer_within_ns: 2 * S,
        // The EEG is noise.
        needs_trust: false,
        rule: None,
    };
    Plan { controller: None, ..thermostat(pi(6.0), vec![calibrate(12), block(60, BlockKind::Steer(steer))]) }
}

#[derive(Default)]
struct Said {
    requests: Vec<Request>,
    presentations: Vec<Presentation>,
    commands: Vec<Command>,
    decisions: Vec<Decision>,
    notices: Vec<Notice>,
    onsets: Vec<Onset>,
    finished_s: Option<f64>,
    /// Steps after which the loop wanted to be called again at once, although it could not do anything more.
    restless: u32,
}

impl Said {
    fn count(&self, kind: NoticeKind) -> usize {
        self.notices.iter().filter(|notice| notice.kind == kind).count()
    }
}

fn answer(request: u64, picture: u64, at_ns: i64) -> Answer {
    let purpose = Purpose::Explore;
    Answer {
        request,
        at_ns,
        picture,
        purpose,
        hash: 7,
        iterations: 3,
        predicted: 1.0,
        predicted_sd: 0.5,
        incumbent: picture,
    }
}

/// Runs the plan with noise for an EEG; `planner` says what it answers in a turn to the request that came last.
fn run(plan: &Plan, seconds: i64, mut planner: impl FnMut(Option<&Request>, i64) -> Vec<Answer>) -> Said {
    let mut looped = Loop::prepare(plan).unwrap();
    let (mut out, mut said, mut noise) = (Outputs::default(), Said::default(), Noise(5));
    let (chunk, mut frame, mut turn) = (5_i64, 0_u64, 0_u64);
    let start_ns = 1_000 * S;
    let period_ns = S / RATE_HZ as i64;
    for first in (0..seconds * RATE_HZ as i64).step_by(chunk as usize) {
        let at_ns: Vec<i64> = (first..first + chunk).map(|index| start_ns + index * period_ns).collect();
        let values: Vec<f64> = (0..chunk as usize * CHANNELS).map(|_| noise.gauss()).collect();
        let now_ns = start_ns + (first + chunk) * period_ns;
        let mut flips = Vec::new();
        while start_ns + (frame as f64 * 1e9 / 60.0) as i64 <= now_ns {
            flips.push(flip(frame, start_ns + (frame as f64 * 1e9 / 60.0) as i64));
            frame += 1;
        }
        let answers = planner(said.requests.last(), now_ns);
        let source = SourceInput { skipped: 0, first_sample: first as u64, at_ns: &at_ns, values: &values };
        let inputs = Inputs {
            turn,
            now_ns,
            flips: &flips,
            sources: &[source],
            answers: &answers,
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        turn += 1;
        said.restless += u32::from(looped.next_wake_ns() <= now_ns + 1_000);
        said.requests.extend(&out.requests);
        said.presentations.extend(&out.presentations);
        said.commands.extend(&out.commands);
        said.decisions.extend(&out.decisions);
        said.notices.extend(&out.notices);
        said.onsets.extend(&out.onsets);
        if out.finished {
            said.finished_s = Some((now_ns - start_ns) as f64 / 1e9);
            break;
        }
    }
    said
}

/// A planner that answers each request once, `delay_ns` later, with the next picture.
fn prompt(delay_ns: i64) -> impl FnMut(Option<&Request>, i64) -> Vec<Answer> {
    let mut next = 0;
    move |request, now_ns| match request {
        Some(request) if request.index == next && now_ns >= request.at_ns + delay_ns => {
            next += 1;
            vec![answer(request.index, request.index + 1, now_ns)]
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_picture_is_shown_once_and_measured_within_its_time() {
    let said = run(&plan(), 60, prompt(S / 2));
    assert_eq!(said.presentations.len(), PRESENTATIONS as usize);
    // One request before the first, and one that reports each.
    assert_eq!(said.requests.len(), PRESENTATIONS as usize + 1);
    assert_eq!(said.requests[0].presentation, None);
    for (at, shown) in said.presentations.iter().enumerate() {
        assert_eq!((shown.index, shown.request, shown.picture), (at as u64, at as u64, at as u64 + 1));
        let command = said.commands.iter().find(|command| command.index == shown.command).unwrap();
        assert_eq!((command.picture, command.scene), (Some(shown.picture), GRATING));
        assert_eq!(shown.end_ns - shown.begin_ns, 3 * S);
        let decision = said.decisions.iter().find(|d| Some(d.index) == shown.decision).unwrap();
        let from_ns = 1_000 * S + (decision.first_sample as i64) * (S / RATE_HZ as i64);
        let to_ns = 1_000 * S + (decision.end_sample as i64) * (S / RATE_HZ as i64);
        assert!(from_ns >= command.contrast.end_ns + 150_000_000, "the ramp and the latency are over");
        assert!(to_ns <= shown.end_ns + 160_000_000, "the picture is still there, but for the latency");
        let report = said.requests[at + 1];
        assert_eq!((report.presentation, report.picture), (Some(shown.index), Some(shown.picture)));
        assert_eq!((report.value, report.spread), (decision.value, decision.spread));
    }
    for pair in said.presentations.windows(2) {
        assert!(pair[1].begin_ns - pair[0].end_ns >= S, "the gap");
    }
    // 12 s of calibration, four times 4 s and the answer's half second; the block has 60 s, but ends when all is shown.
    assert!(said.finished_s.is_some_and(|s| (26.0..33.0).contains(&s)), "{:?}", said.finished_s);
    assert_eq!(said.commands.last().unwrap().scene, SceneId::GREY);
    // On the virtual clock each of these is a turn per nanosecond until samples come.
    assert_eq!(said.restless, 0, "a loop in the dark waits");
}

/// Noise alone is a calibration that fails: nothing is asked and nothing shown, and the block ends at once.
#[test]
fn pictures_that_go_over_into_each_other_leave_no_grey_between() {
    let mut plan = plan();
    let BlockKind::Steer(steer) = &mut plan.blocks[1].kind else { panic!() };
    steer.cross_fade_ns = S / 2;
    let said = run(&plan, 120, prompt(S / 5));
    assert_eq!(said.presentations.len(), PRESENTATIONS as usize);
    let of_pictures: Vec<&Command> =
        said.commands.iter().filter(|command| command.picture.is_some()).collect();
    // Each picture comes once, at the contrast of the one before; the last one goes to grey.
    let shown: Vec<(u64, f64, f64)> =
        of_pictures.iter().map(|c| (c.picture.unwrap(), c.contrast.from, c.contrast.to)).collect();
    assert_eq!(shown, [(1, 0.0, 1.0), (2, 1.0, 1.0), (3, 1.0, 1.0), (4, 1.0, 1.0), (4, 1.0, 0.0)]);
    for (shown, next) in said.presentations.iter().zip(&said.presentations[1..]) {
        let decision = said.decisions.iter().find(|decision| Some(decision.index) == shown.decision).unwrap();
        assert!(next.begin_ns - shown.end_ns >= S, "gap_s passes, with the picture on");
        // 250 samples per second from 1000 s on; the window holds no frame in which the picture before was still there.
        let first_ns = 1_000 * S + (decision.first_sample as f64 / RATE_HZ * 1e9) as i64;
        assert!(first_ns >= shown.begin_ns + S / 2, "{first_ns} {}", shown.begin_ns);
    }
    assert!(said.finished_s.is_some());
}

#[test]
fn after_a_calibration_that_failed_nothing_is_steered() {
    let mut plan = plan();
    for block in &mut plan.blocks {
        if let BlockKind::Steer(steer) = &mut block.kind {
            steer.needs_trust = true;
        }
    }
    let said = run(&plan, 60, prompt(S / 10));
    assert_eq!((said.count(NoticeKind::CalibrationFailed), said.count(NoticeKind::NotSteered)), (1, 1));
    let ratio = |kind| said.notices.iter().find(|notice| notice.kind == kind).unwrap().value;
    assert_eq!(ratio(NoticeKind::NotSteered), ratio(NoticeKind::CalibrationFailed));
    assert!(said.requests.is_empty() && said.presentations.is_empty());
    assert!(said.finished_s.is_some_and(|s| (12.0..13.0).contains(&s)), "{:?}", said.finished_s);
    assert_eq!(said.commands.last().unwrap().scene, SceneId::GREY);
}

#[test]
fn a_silent_planner_is_given_up_and_nothing_stays_on_the_screen() {
    let said = run(&plan(), 60, |_, _| Vec::new());
    assert_eq!(said.count(NoticeKind::PlannerSilent), 5);
    assert!(said.presentations.is_empty());
    let begun_ns = said.requests[0].at_ns;
    assert!(said.commands.iter().filter(|c| c.issued_ns > begun_ns + S).all(|c| c.scene == SceneId::GREY));
    // Five waits of 2 s.
    assert!(said.finished_s.is_some_and(|s| (22.0..24.0).contains(&s)), "{:?}", said.finished_s);
}

#[test]
fn a_planner_that_falls_silent_leaves_its_best_picture() {
    let mut prompt = prompt(S / 10);
    let said = run(&plan(), 80, move |request, now_ns| {
        let first_two = request.is_some_and(|request| request.index < 2);
        if first_two { prompt(request, now_ns) } else { Vec::new() }
    });
    let pictures: Vec<u64> = said.presentations.iter().map(|shown| shown.picture).collect();
    assert_eq!(pictures, [1, 2, 2, 2], "the incumbent of the last answer is shown again");
    assert!(said.count(NoticeKind::PlannerSilent) >= 2);
}

#[test]
fn answers_that_cannot_be_meant_are_refused() {
    let mut once = prompt(S / 10);
    let mut asked = 0;
    let said = run(&plan(), 60, move |request, now_ns| {
        let mut answers = once(request, now_ns);
        if let Some(answer) = answers.first().copied() {
            asked += 1;
            // Again, for a request that is long over, and with a picture that the display does not keep any more.
            answers.push(answer);
            answers.insert(0, Answer { request: 99, ..answer });
            if asked == 3 {
                answers.insert(0, Answer { picture: 1_000, request: 98, ..answer });
            }
        }
        answers
    });
    assert!(said.count(NoticeKind::AnswerRefused) >= 6, "{}", said.count(NoticeKind::AnswerRefused));
    assert!(said.presentations.iter().all(|shown| shown.picture < 100));
    assert_eq!(said.presentations.len(), PRESENTATIONS as usize, "what was refused leaves nothing behind");
    assert!(said.finished_s.is_some());
}

#[test]
fn grey_in_the_middle_of_a_presentation_is_no_measurement() {
    let plan = plan();
    let mut looped_plan = plan.clone();
    looped_plan.sources.push(eeg_source());
    // The second source never sends: the latch closes after a second and stays closed.
    let said = run(&looped_plan, 30, prompt(S / 10));
    assert!(said.count(NoticeKind::ToGrey) > 0);
    assert!(said.presentations.iter().all(|shown| shown.decision.is_none()));
    assert_eq!(said.commands.last().unwrap().scene, SceneId::GREY);
}

/// The plan with presentations that wait for a state.
fn waiting(rule: OnsetRule) -> Plan {
    let mut plan = plan();
    plan.onset = Some(alpha(None));
    for block in &mut plan.blocks {
        if let BlockKind::Steer(steer) = &mut block.kind {
            (steer.rule, steer.presentations) = (Some(rule), 8);
        }
    }
    plan
}

#[test]
fn a_picture_waits_for_its_state_and_everything_counts_from_its_onset() {
    let timeout_ns = 2 * S;
    let rule = OnsetRule { power_min: Some(1.5), timeout_ns, otherwise: Otherwise::Go, ..OnsetRule::FREE };
    let plan = waiting(rule);
    let said = run(&plan, 120, prompt(S / 10));
    assert_eq!((said.presentations.len(), said.onsets.len()), (8, 8));
    assert_eq!(said.count(NoticeKind::OnsetLate), 0);
    let outcomes: Vec<OnsetOutcome> = said.onsets.iter().map(|onset| onset.outcome).collect();
    assert!(
        outcomes.contains(&OnsetOutcome::Met) && outcomes.contains(&OnsetOutcome::TimedOut),
        "{outcomes:?}"
    );
    for (at, (shown, onset)) in said.presentations.iter().zip(&said.onsets).enumerate() {
        assert_eq!((onset.index, onset.command), (at as u64, Some(shown.command)));
        match onset.outcome {
            OnsetOutcome::Met => assert!(onset.power >= 1.5 && onset.waited_ns < timeout_ns, "{onset:?}"),
            _ => assert!((timeout_ns..timeout_ns + S / 10).contains(&onset.waited_ns), "{onset:?}"),
        }
        let command = said.commands.iter().find(|command| command.index == shown.command).unwrap();
        let from_photon_ns = command.contrast.start_ns - onset.photon_ns;
        assert!((-9_000_000..0).contains(&from_photon_ns), "half a refresh before: {from_photon_ns}");
        // On for its time from its onset; turns come every 20 ms.
        assert!((0..25_000_000).contains(&(shown.end_ns - onset.photon_ns - 3 * S)), "{shown:?} {onset:?}");
        if let Some(decision) = said.decisions.iter().find(|d| Some(d.index) == shown.decision) {
            let from_ns = 1_000 * S + decision.first_sample as i64 * (S / RATE_HZ as i64);
            assert!(from_ns >= command.contrast.end_ns + 150_000_000, "the ramp and the latency are over");
        }
        let report = said.requests.iter().find(|request| request.presentation == Some(shown.index)).unwrap();
        let told = [report.state.phase_rad, report.state.resultant, report.state.power].map(f64::to_bits);
        assert_eq!(told, [onset.phase_rad, onset.resultant, onset.power].map(f64::to_bits));
    }
    assert!(said.presentations.iter().filter(|shown| shown.decision.is_some()).count() >= 7);
    for (pair, onset) in said.presentations.windows(2).zip(&said.onsets[1..]) {
        assert!(onset.photon_ns - onset.waited_ns >= pair[0].end_ns + S - 9_000_000, "the gap comes first");
        assert!(pair[1].begin_ns > pair[0].end_ns + S);
    }
    // Without a condition each begins when it may, and the state is on record all the same.
    let free = run(&waiting(OnsetRule::FREE), 120, prompt(S / 10));
    assert_eq!((free.presentations.len(), free.onsets.len()), (8, 8));
    assert!(free.onsets.iter().all(|onset| onset.outcome == OnsetOutcome::Free && onset.power > 0.0));
    assert!(free.onsets.iter().all(|onset| onset.waited_ns < 40_000_000), "{:?}", free.onsets);
    assert!(free.finished_s < said.finished_s);
}

#[test]
fn a_picture_that_is_left_out_counts_and_waits_for_the_next_presentation() {
    let never =
        OnsetRule { power_min: Some(50.0), timeout_ns: S, otherwise: Otherwise::Skip, ..OnsetRule::FREE };
    let said = run(&waiting(never), 60, prompt(S / 10));
    assert!(said.presentations.is_empty());
    assert!(said.onsets.len() == 8 && said.onsets.iter().all(|onset| onset.outcome == OnsetOutcome::Skipped));
    assert_eq!(said.requests.len(), 1, "the planner's picture is not lost");
    let begun_ns = said.requests[0].at_ns;
    assert!(said.commands.iter().filter(|c| c.issued_ns > begun_ns + S).all(|c| c.scene == SceneId::GREY));
    // 12 s of calibration, and eight times a second of gap and one of waiting.
    assert!(said.finished_s.is_some_and(|s| (27.0..30.0).contains(&s)), "{:?}", said.finished_s);
}

#[test]
fn grey_while_a_picture_waits_ends_the_wait_and_it_begins_anew() {
    let rule =
        OnsetRule { timeout_ns: 4 * S, power_min: Some(50.0), otherwise: Otherwise::Go, ..OnsetRule::FREE };
    let mut plan = waiting(rule);
    plan.sources.push(eeg_source());
    // The second source never sends: the latch closes and stays closed.
    let said = run(&plan, 30, prompt(S / 10));
    assert!(said.count(NoticeKind::ToGrey) > 0 && said.onsets.is_empty() && said.presentations.is_empty());
    // Without an onset plan, nothing can be waited for.
    let blind = Plan { onset: None, ..waiting(rule) };
    assert!(Loop::prepare(&blind).is_err());
}
