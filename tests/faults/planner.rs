//! A planner that dies, never answers, or answers what cannot be shown: the loop goes on with the best picture so far.

use std::thread::sleep;
use std::time::Duration;

use ::planner::Proposal;
use photic::run::Hooks;
use timeline::NoticeKind;

use super::support::vulkan_is_there;
use super::*;

/// `answer_within_s` of [`steering`].
const ANSWER_S: f64 = 0.5;

/// The shipped protocol of pictures with short presentations and a planner without a model; calibrates for 9 s.
fn steering() -> String {
    let text = fs::read_to_string(root().join("protocols/drive.toml")).unwrap();
    let changes = [
        ("window_s = 8.0", "window_s = 0.5"),
        ("aim = \"drive\"", "aim = \"drive\"\nmethod = \"gabor\""),
        ("deadline_s = 0.8 ", "deadline_s = 0.3 "),
        ("duration_s = 57.0", "duration_s = 9.0"),
        ("on_s = 10.0, off_s = 1.0", "on_s = 8.0, off_s = 1.0"),
        ("on_s = 8.8, gap_s = 0.8", "on_s = 1.0, gap_s = 0.3"),
        ("answer_within_s = 3.0", "answer_within_s = 0.5"),
        ("if_uncalibrated = \"end\"", "if_uncalibrated = \"go-on\""),
    ];
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "protocols/drive.toml has no `{from}` any more");
        text.replace(from, to)
    })
}

/// Runs with `act` at each of the planner's answers, which are counted from 1.
fn answering(seconds: f64, mut act: impl FnMut(u32, &mut Proposal) + Send + 'static) -> Broken {
    let mut count = 0;
    let answer = Box::new(move |_: i64, proposal: &mut Proposal| {
        count += 1;
        act(count, proposal);
    });
    live_of(&steering(), seconds, Hooks { answer, ..Hooks::default() })
}

/// The loop notices within the bound that a request is not answered, and shows the best picture so far.
fn goes_on(session: &RecordedSession, fault: &str) {
    let silent = noticed(session, NoticeKind::PlannerSilent);
    let asked = session.requests.iter().rev().find(|request| request.at_ns < silent.at_ns).unwrap();
    holds(&format!("{fault}: noticed"), ANSWER_S, s_from_ns(silent.at_ns - asked.at_ns));
    let next = session.presentations.iter().find(|shown| shown.begin_ns > asked.at_ns).unwrap();
    holds(&format!("{fault}: best picture"), ANSWER_S + 0.1, s_from_ns(next.begin_ns - asked.at_ns));
    let mut answered = session.answers.iter().filter(|answer| answer.request < asked.index);
    assert_eq!(next.picture, answered.next_back().unwrap().incumbent);
}

fn ends_grey(session: &RecordedSession) {
    assert!(session.flips.iter().any(|flip| flip.contrast > 0.9), "pictures were shown");
    assert_eq!(session.flips.last().unwrap().contrast, 0.0, "the last frame is grey");
}

#[test]
fn a_planner_that_never_answers_leaves_the_best_picture_and_the_session_ends() {
    let Some(()) = vulkan_is_there() else { return };
    // Longer than the test: nobody waits for it.
    let broken = answering(15.0, |count, _| {
        if count == 3 {
            sleep(Duration::from_secs(60));
        }
    });
    let error = broken.result.unwrap_err().to_string();
    assert!(error.contains("`planner` was stuck") && error.contains("2 s"), "{error}");
    let session = &broken.session;
    assert!(session.meta.outcome.as_ref().unwrap().exit.contains("planner"));
    assert_eq!(session.answers.len(), 2);
    goes_on(session, "planner stuck");
    assert!(counts(session, NoticeKind::PlannerSilent) >= 2);
    ends_grey(session);
    is_readable(session);
}

#[test]
fn a_planner_that_dies_leaves_the_best_picture_and_the_session_ends() {
    let Some(()) = vulkan_is_there() else { return };
    let broken = answering(14.0, |count, _| assert!(count < 3, "a fault on purpose"));
    let error = broken.result.unwrap_err().to_string();
    assert!(error.contains("`planner` failed"), "{error}");
    let session = &broken.session;
    assert_eq!(session.answers.len(), 2);
    goes_on(session, "thread killed (planner)");
    ends_grey(session);
    is_readable(session);
}

#[test]
fn answers_that_cannot_be_shown_are_refused_and_the_planner_is_heard_again() {
    let Some(()) = vulkan_is_there() else { return };
    let broken = answering(22.0, |count, proposal| match count {
        2 => proposal.pattern[7] = f32::NAN,
        3 => proposal.pattern.truncate(9),
        4 => proposal.pattern.fill(1.0),
        5 => proposal.picture += 1000,
        _ => {}
    });
    broken.result.unwrap();
    let session = &broken.session;
    let refused = session.notices.iter().filter(|notice| notice.kind == NoticeKind::PictureRefused);
    let refused: Vec<(i64, f64)> = refused.map(|notice| (notice.count, notice.value)).collect();
    assert_eq!(refused, [(2, 1.0), (1, 9.0), (4, 1.0), (5, 1005.0)]);
    goes_on(session, "corrupt picture");
    assert_eq!(counts(session, NoticeKind::PlannerSilent), 4);
    let shown: Vec<u64> = session.presentations.iter().map(|shown| shown.picture).collect();
    // The best so far is picture 0: when the first answer was given nothing had been measured.
    assert_eq!(shown[..6], [1, 0, 0, 0, 0, 6], "the best so far for each that is refused, then the next");
    for (number, picture) in session.pictures.iter().enumerate().skip(1) {
        let rms = (picture.iter().map(|texel| texel * texel).sum::<f32>() / picture.len() as f32).sqrt();
        let is_grey = (2..=5).contains(&number);
        assert!(
            picture.len() == 48 * 48 && if is_grey { rms == 0.0 } else { rms <= 0.21 },
            "{number}: {rms}"
        );
    }
    ends_grey(session);
    is_readable(session);
}
