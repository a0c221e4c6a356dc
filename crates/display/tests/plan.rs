//! The part of a frame that needs no GPU: refreshes, missed frames, phase, grey at the end.

mod support;

use display::Pacing;
use display::clock::RefreshClock;
use display::interlock::Veil;
use display::plan::FramePlan;
use display::presenter::Stamp;
use proptest::prelude::*;
use stimulus::Moment;
use stimulus::picture::Mix;
use timeline::{Command, Flip, Gaze, OnsetClass, Ramp, SceneId};

const PERIOD_NS: f64 = 1e9 / 60.0;
const START_NS: i64 = 7_000_000_123;

fn command(index: u64, scene: u16, contrast: Ramp) -> Command {
    Command {
        index,
        turn: index,
        issued_ns: 0,
        decision: None,
        scene: SceneId(scene),
        contrast,
        picture: None,
        not_before_ns: 0,
    }
}

fn plan(pacing: Pacing) -> FramePlan {
    let scenes = support::scenes(&support::screen(320, 240));
    FramePlan::prepare(scenes, RefreshClock::new(START_NS, PERIOD_NS), pacing)
}

#[test]
fn a_punctual_loop_misses_nothing() {
    let mut plan = plan(Pacing::Simulated);
    let full = command(3, 1, Ramp::constant(0.8));
    for frame in 0..10_000_u64 {
        let planned = plan.step(plan.begin_ns(), Some(&full), false);
        plan.worked(1_000_000);
        let flip = plan.handed(&planned, planned.flip.onset_ns - 500_000).unwrap();
        assert_eq!((flip.frame, flip.missed, flip.command, flip.scene), (frame, 0, Some(3), SceneId(1)));
        assert_eq!(flip.class, OnsetClass::Simulated);
        assert_eq!(flip.submitted_ns, flip.onset_ns - 500_000);
        assert!((flip.onset_ns as f64 - START_NS as f64 - frame as f64 * PERIOD_NS).abs() <= 1.0);
        assert_eq!(planned.params.moment, Moment { gaze_px: None, ..Moment::new(frame, 0.8) });
        assert_eq!(planned.params.patch_luminance, if frame % 8 < 4 { 1.0 } else { 0.0 });
    }
}

#[test]
fn what_follows_the_gaze_lies_where_it_was_last_seen_until_that_is_too_old() {
    let mut scenes = support::scenes(&support::screen(320, 240));
    let mut following = scenes[1].clone();
    following.courses[0].follows_gaze = true;
    scenes.push(following);
    let (following, still) = (scenes.len() as u16 - 1, 1);
    let clock = RefreshClock::new(START_NS, PERIOD_NS);
    let mut plan = FramePlan::prepare(scenes, clock, Pacing::Simulated);
    plan.hold_gaze(50_000_000);
    let mut frame = |scene: u16, newest: Option<Gaze>| {
        plan.look(newest);
        let planned = plan.step(plan.begin_ns(), Some(&command(0, scene, Ramp::constant(1.0))), false);
        let flip = plan.handed(&planned, planned.flip.onset_ns).unwrap();
        assert_eq!(planned.params.moment.gaze_px, flip.gaze.map(|gaze| gaze.offset_px));
        flip
    };
    assert_eq!(frame(following, None).gaze, None, "nobody has looked anywhere");
    let seen = |flip: &Flip, x: f64| Gaze { at_ns: flip.onset_ns, offset_px: [x, -3.0] };
    let first = seen(&frame(following, None), 7.0);
    assert_eq!(frame(following, Some(first)).gaze, Some(first));
    let newer = Gaze { at_ns: first.at_ns + 5_000_000, offset_px: [8.0, -3.0] };
    assert_eq!(frame(following, Some(newer)).gaze, Some(newer));
    // It was 28 ms old; at the next onsets it is 45 and 62.
    let held: Vec<bool> = (0..2).map(|_| frame(following, Some(newer)).gaze.is_some()).collect();
    assert_eq!(held, [true, false]);
    let back = seen(&frame(still, Some(newer)), 9.0);
    assert_eq!(frame(still, Some(back)).gaze, None, "nothing follows it in this scene");
    assert_eq!(frame(following, Some(back)).gaze, Some(back));
}

#[test]
fn a_picture_goes_over_into_the_next_by_the_frames_that_were_handed_over() {
    let mut scenes = support::scenes(&support::screen(320, 240));
    scenes[1].cross_fade_frames = 4;
    let mut plan = FramePlan::prepare(scenes, RefreshClock::new(START_NS, PERIOD_NS), Pacing::Simulated);
    let mut frame = |picture: u64, is_shown: bool| {
        let command = Command { picture: Some(picture), ..command(picture, 1, Ramp::constant(0.5)) };
        let planned = plan.step(plan.begin_ns(), Some(&command), false);
        match is_shown {
            true => _ = plan.handed(&planned, planned.flip.onset_ns),
            false => plan.discarded(&planned),
        }
        planned.params.pictures
    };
    assert_eq!(frame(1, true), Mix::only(1));
    // A frame that was too late began nothing; a refresh that was missed in between counts.
    assert_eq!(frame(2, false), Mix { from: 1, to: 2, weight: 0.25 });
    assert_eq!(frame(2, true), Mix { from: 1, to: 2, weight: 0.25 });
    assert_eq!(frame(2, false), Mix { from: 1, to: 2, weight: 0.5 });
    assert_eq!(frame(2, true), Mix { from: 1, to: 2, weight: 0.75 });
    assert_eq!(frame(2, true), Mix::only(2));
}

#[test]
fn the_veil_is_in_contrast_moment_and_flip() {
    let mut plan = plan(Pacing::Simulated);
    let mut veil = Veil::new(1_000_000_000);
    let full = command(3, 1, Ramp::constant(0.8));
    for frame in 0..90 {
        if frame == 15 {
            veil.fall(plan.begin_ns());
        }
        let planned = plan.step_veiled(plan.begin_ns(), Some(&full), &veil);
        let (flip, moment) = (plan.handed(&planned, 0).unwrap(), planned.params.moment);
        let factor = veil.at(flip.onset_ns);
        assert_eq!((flip.veil, flip.contrast), (moment.veil, moment.contrast));
        if flip.scene == SceneId(1) {
            assert_eq!((flip.veil, flip.contrast), (factor, 0.8 * factor));
            assert_eq!(flip.command, (factor == 1.0).then_some(3));
        } else {
            // Grey needs no veil.
            assert_eq!((factor, flip.veil, flip.contrast, flip.scene), (0.0, 1.0, 0.0, SceneId::GREY));
        }
    }
}

#[test]
fn contrast_is_that_of_the_onset() {
    let mut plan = plan(Pacing::Simulated);
    let ramp = Ramp { from: 0.0, to: 0.6, start_ns: START_NS, end_ns: START_NS + 1_000_000_000 };
    for _ in 0..90 {
        let planned = plan.step(plan.begin_ns(), Some(&command(0, 1, ramp)), false);
        let flip = plan.handed(&planned, 0).unwrap();
        assert_eq!(flip.contrast, ramp.at(flip.onset_ns));
    }
}

#[test]
fn what_cannot_be_shown_is_grey() {
    let mut plan = plan(Pacing::Software);
    let now_ns = START_NS - 1_000_000;
    let cases = [
        (None, false),
        (Some(command(0, 0, Ramp::constant(0.9))), false),
        (Some(command(0, 7, Ramp::constant(0.9))), false),
        (Some(command(0, 1, Ramp::constant(0.9))), true),
    ];
    for (command, end) in cases {
        let planned = plan.step(now_ns, command.as_ref(), end);
        assert_eq!(
            (planned.params.scene, planned.params.moment.contrast, planned.params.patch_luminance),
            (0, 0.0, 0.0)
        );
        assert_eq!((planned.flip.scene, planned.flip.contrast), (SceneId::GREY, 0.0));
        assert_eq!(planned.flip.class, OnsetClass::Predicted);
        if end {
            assert_eq!(planned.flip.command, None, "the end shows no command");
        }
    }
    for (contrast, shown) in [(f64::NAN, 0.0), (-0.5, 0.0), (1.5, 1.0)] {
        let planned = plan.step(now_ns, Some(&command(0, 1, Ramp::constant(contrast))), false);
        assert_eq!(planned.flip.contrast, shown);
    }
}

#[test]
fn work_longer_than_a_period_leaves_regular_gaps() {
    let mut plan = plan(Pacing::Simulated);
    let work_ns = (2.4 * PERIOD_NS) as i64;
    let mut now_ns = START_NS;
    let (mut shown, mut discarded, mut last_missed) = (0, 0, 0);
    for _ in 0..300 {
        now_ns = now_ns.max(plan.begin_ns());
        let planned = plan.step(now_ns, None, false);
        now_ns += work_ns;
        plan.worked(work_ns);
        if now_ns <= planned.flip.onset_ns {
            now_ns = planned.flip.onset_ns;
            last_missed = plan.handed(&planned, now_ns).unwrap().missed;
            shown += 1;
        } else {
            plan.discarded(&planned);
            discarded += 1;
        }
    }
    assert_eq!(last_missed, 2, "one frame per three refreshes");
    assert!(shown > 250 && discarded < 30, "{shown} {discarded}");
}

/// A screen whose vblanks are exact and of another period than the rig's, seen through late wake-ups.
fn follow(true_period_ns: f64, lateness_ns: impl Fn(u64) -> i64, frames: u64) -> (FramePlan, u64, f64) {
    let mut plan = plan(Pacing::Screen);
    let (mut missed, mut worst_ns) = (0, 0.0_f64);
    for vblank in 1..=frames {
        let true_ns = |vblank: u64| START_NS as f64 + vblank as f64 * true_period_ns;
        let at_ns = true_ns(vblank) as i64 + lateness_ns(vblank);
        if let Some(flip) = plan.seen(Stamp { at_ns, class: OnsetClass::Predicted }) {
            assert_eq!((flip.late, flip.replaces, flip.class), (0, false, OnsetClass::Predicted));
            missed += u64::from(flip.missed);
        }
        let planned = plan.step(at_ns, None, false);
        assert_eq!(plan.handed(&planned, at_ns), None, "its flip comes with its stamp");
        if vblank > frames / 2 {
            worst_ns = worst_ns.max((planned.flip.onset_ns as f64 - true_ns(vblank + 1)).abs());
        }
    }
    (plan, missed, worst_ns)
}

#[test]
fn the_clock_follows_a_screen_that_is_not_quite_the_rigs() {
    for true_hz in [59.94, 60.0, 60.05] {
        let (plan, missed, worst_ns) = follow(1e9 / true_hz, |k| (k * 7919 % 97) as i64 * 3_000, 6000);
        assert_eq!(missed, 0, "{true_hz} Hz");
        assert!(worst_ns < 400_000.0, "{true_hz} Hz: {worst_ns} ns");
        assert!(
            (plan.clock().period_ns() / (1e9 / true_hz) - 1.0).abs() < 2e-4,
            "{}",
            plan.clock().period_ns()
        );
    }
}

#[test]
fn one_stall_does_not_turn_the_phase() {
    let stall = |k: u64| if k == 3000 { (0.4 * PERIOD_NS) as i64 } else { 20_000 };
    let (_, missed, worst_ns) = follow(PERIOD_NS, stall, 6000);
    assert_eq!(missed, 0);
    assert!(worst_ns < 100_000.0, "{worst_ns}");
}

proptest! {
    #[test]
    fn refreshes_are_either_shown_or_missed(late_ns in prop::collection::vec(0_i64..60_000_000, 1..300)) {
        let mut plan = plan(Pacing::Simulated);
        let full = command(0, 1, Ramp::constant(1.0));
        let mut now_ns = START_NS - 5_000_000;
        let (mut first, mut last, mut shown, mut missed) = (None, None, 0, 0);
        for late_ns in late_ns {
            now_ns = now_ns.max(plan.begin_ns());
            let planned = plan.step(now_ns, Some(&full), false);
            prop_assert!(planned.flip.onset_ns >= now_ns, "aims at a refresh that is over");
            prop_assert!(last.is_none_or(|last| planned.flip.frame > last));
            // Phase is that of the refresh, whatever was missed before; time since the onset counts missed ones, too.
            let frame = planned.flip.frame;
            let since_onset = first.map_or(0, |first| frame - first);
            let wanted = Moment { frame, since_onset, gaze_px: None, ..Moment::new(frame, 1.0) };
            prop_assert_eq!(planned.params.moment, wanted);
            now_ns += late_ns;
            plan.worked(late_ns);
            if now_ns <= planned.flip.onset_ns {
                let flip = plan.handed(&planned, now_ns).unwrap();
                now_ns = flip.onset_ns;
                first.get_or_insert(flip.frame);
                last = Some(flip.frame);
                shown += 1;
                missed += u64::from(flip.missed);
            } else {
                plan.discarded(&planned);
            }
        }
        if let (Some(first), Some(last)) = (first, last) {
            prop_assert_eq!(shown + missed, last - first + 1);
        }
    }

    #[test]
    fn onsets_and_indices_agree(frame in 0_u64..1_000_000_000, refresh_hz in 24.0..500.0_f64) {
        let clock = RefreshClock::new(START_NS, 1e9 / refresh_hz);
        let onset_ns = clock.onset_ns(frame);
        prop_assert_eq!(clock.nearest(onset_ns), frame);
        prop_assert_eq!(clock.first_from(onset_ns), frame);
        prop_assert_eq!(clock.first_from(onset_ns + 1), frame + 1);
    }
}
