//! Threads that die, hang or come late, clocks that jump, rings that fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use photic::run::Hooks;
use timeline::NoticeKind;

use super::support::vulkan_is_there;
use super::*;

fn instant() -> Arc<AtomicI64> {
    Arc::default()
}

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

#[test]
fn a_loop_that_dies_leaves_grey_by_a_ramp_and_a_whole_record() {
    let Some(()) = vulkan_is_there() else { return };
    let injected = instant();
    let die = from_then_on(1.2, &injected, |_| panic!("a fault on purpose"), |now_ns| now_ns);
    let broken = live(20.0, Hooks { turn: Box::new(die), ..Hooks::default() });
    let error = broken.result.unwrap_err().to_string();
    assert!(error.contains("`loop` failed"), "{error}");
    let session = &broken.session;
    holds("thread killed (loop)", RAMP_S + 0.1, grey_after_s(session, injected.load(Ordering::Acquire)));
    assert!(session.meta.outcome.as_ref().unwrap().exit.contains("loop"));
    never_jumps(session);
    is_readable(session);
}

#[test]
fn a_loop_that_hangs_is_veiled_by_the_display_until_it_is_back() {
    let Some(()) = vulkan_is_there() else { return };
    let injected = instant();
    let mut hung = false;
    let hang = from_then_on(
        1.2,
        &injected,
        move |now_ns| {
            if !std::mem::replace(&mut hung, true) {
                sleep(seconds(1.5));
            }
            now_ns
        },
        |now_ns| now_ns,
    );
    let broken = live(4.2, Hooks { turn: Box::new(hang), ..Hooks::default() });
    broken.result.unwrap();
    let (session, at_ns) = (&broken.session, injected.load(Ordering::Acquire));
    holds("loop hung", 0.5 + RAMP_S + 0.1, grey_after_s(session, at_ns));
    assert!(noticed(session, NoticeKind::LoopLost).count >= 500_000_000);
    assert!(noticed(session, NoticeKind::LoopBack).at_ns > at_ns);
    // The loop sees from the flips that the display drew grey by itself, and comes back by a ramp of its own.
    let grey = noticed(session, NoticeKind::DisplayGrey).at_ns;
    let opened = noticed(session, NoticeKind::InterlockOpened).at_ns;
    assert!(grey < opened);
    assert!(session.flips.iter().any(|flip| flip.onset_ns > opened && flip.contrast > 0.4));
    never_jumps(session);
    is_readable(session);
}

#[test]
fn late_frames_cost_themselves_and_a_display_that_stands_still_comes_back_grey() {
    let Some(()) = vulkan_is_there() else { return };
    let injected = instant();
    let mut late = 0;
    let stall = from_then_on(
        1.0,
        &injected,
        move |_| {
            late += 1;
            match late {
                1 | 10 | 20 => sleep(seconds(0.12)),
                40 => sleep(seconds(1.8)),
                _ => {}
            }
        },
        |_| (),
    );
    let broken = live(5.2, Hooks { frame: Box::new(stall), ..Hooks::default() });
    broken.result.unwrap();
    let session = &broken.session;
    assert!(counts(session, NoticeKind::MissedFrames) >= 4, "{:?}", session.notices);
    let stood = session.flips.windows(2).max_by_key(|pair| pair[1].onset_ns - pair[0].onset_ns).unwrap();
    let missing = noticed(session, NoticeKind::FlipsMissing);
    // What is frozen on the screen cannot be changed; what is shown next is grey.
    assert_eq!(stood[1].contrast, 0.0, "{stood:?}");
    holds("late frames: loop notices", 1.0, s_from_ns(missing.at_ns - stood[0].onset_ns));
    holds("late frames: grey with next frame", 0.05, grey_after_s(session, stood[1].onset_ns));
    // A short delay costs its own frames and nothing else.
    let before = injected.load(Ordering::Acquire)..stood[0].onset_ns;
    let short = session.flips.iter().filter(|flip| flip.missed > 0 && before.contains(&flip.onset_ns));
    assert!(short.clone().count() >= 3 && short.clone().all(|flip| flip.contrast == 0.6));
    assert!(session.flips.iter().any(|flip| flip.onset_ns > stood[1].onset_ns && flip.contrast > 0.5));
    is_readable(session);
}

#[test]
fn a_clock_that_jumps_leads_to_grey_by_a_ramp() {
    let Some(()) = vulkan_is_there() else { return };
    for (name, jump_ns) in [("clock jump +5 s", 5_000_000_000), ("clock jump -5 s", -5_000_000_000)] {
        let injected = instant();
        let jump = from_then_on(1.2, &injected, move |now_ns| now_ns + jump_ns, |now_ns| now_ns);
        let broken = live(7.0, Hooks { turn: Box::new(jump), ..Hooks::default() });
        broken.result.unwrap();
        let session = &broken.session;
        holds(name, RAMP_S + 0.1, grey_after_s(session, injected.load(Ordering::Acquire)));
        let told = noticed(session, NoticeKind::TimeJump);
        assert!((told.count - jump_ns).abs() < 700_000_000, "{told:?}");
        never_jumps(session);
        is_readable(session);
    }
}

#[test]
fn a_full_ring_holds_the_loop_and_the_display_goes_grey() {
    let Some(()) = vulkan_is_there() else { return };
    let injected = instant();
    let mut stuck = false;
    let stall = from_then_on(
        1.0,
        &injected,
        move |_| {
            if !std::mem::replace(&mut stuck, true) {
                sleep(seconds(3.5));
            }
        },
        |_| (),
    );
    let broken = live(6.0, Hooks { pump: Box::new(stall), room: 300, ..Hooks::default() });
    broken.result.unwrap();
    let session = &broken.session;
    // The ring is full when the loop takes no turn any more.
    let stood = session.turns.windows(2).max_by_key(|pair| pair[1].now_ns - pair[0].now_ns).unwrap();
    assert!(stood[1].now_ns - stood[0].now_ns > 700_000_000, "the ring was never full");
    holds("ring full", 0.5 + RAMP_S + 0.1, grey_after_s(session, stood[0].now_ns));
    assert!(noticed(session, NoticeKind::RecorderHeld).at_ns >= stood[1].now_ns);
    noticed(session, NoticeKind::LoopLost);
    noticed(session, NoticeKind::InterlockOpened);
    never_jumps(session);
    is_readable(session);
}
