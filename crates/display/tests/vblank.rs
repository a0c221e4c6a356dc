//! The screen's refreshes, found from stamps that jitter, against a script that knows the truth.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use display::clock::Stamps;
use display::plan::FramePlan;
use display::presenter::Presenter;
use display::scripted::{Jitter, Script, Scripted};
use display::sync::{Sync, SyncBounds, SyncFault};
use display::{Pacing, clock::RefreshClock};
use timeline::{Command, Flip, Ramp, SceneId};

const START_NS: i64 = 5_000_000_321;
const FRAMES: usize = 1_000_000;

/// A screen with everything that screens have.
fn script(refresh_hz: f64, jitter: Jitter, seed: u64) -> Script {
    Script {
        offset_ppm: 87.0,
        wander_ppm: 2.0,
        jitter,
        drops: 0.002,
        doublings: 0.001,
        seed,
        ..Script::exact(START_NS, refresh_hz)
    }
}

/// Stamps of presents before the run, the last one with its truth.
fn stamps(screen: &mut Scripted, count: usize) -> Vec<i64> {
    (0..count)
        .map(|_| {
            let began = screen.begin(0).unwrap();
            screen.present(0);
            began.stamp.unwrap().at_ns
        })
        .collect()
}

/// What was counted, and what was counted wrongly, of frames on a scripted screen.
#[derive(Debug, Default)]
struct Counted {
    drops: u64,
    doublings: u64,
    lost: u64,
    invented: u64,
    /// Predicted onset less true vblank, in ns.
    errors_ns: Vec<f64>,
}

impl Counted {
    fn p99_ns(&mut self) -> f64 {
        let place = self.errors_ns.len() * 99 / 100;
        *self.errors_ns.select_nth_unstable_by(place, f64::total_cmp).1
    }
}

/// Runs as the frame loop does: sync test, then frame after frame, each flip judged by the truth.
fn run(script: Script, kind: Stamps, frames: usize) -> Counted {
    let mut screen = Scripted::new(script);
    let nominal_ns = 1e9 / script.refresh_hz;
    let before = stamps(&mut screen, SyncBounds::USUAL.presents);
    let (sync, clock) = Sync::measure(&before, nominal_ns, kind).unwrap();
    sync.judge(script.refresh_hz, &SyncBounds::USUAL).unwrap();
    let mut plan: Option<FramePlan> = None;
    let mut counted = Counted::default();
    for _ in 0..=frames {
        let stamp = screen.begin(0).unwrap().stamp.unwrap();
        let truth = *screen.truth();
        let plan = plan.get_or_insert_with(|| {
            let scenes = support::scenes(&support::screen(320, 240));
            FramePlan::prepare(scenes, clock.clone().unwrap().renumbered(stamp.at_ns), Pacing::Screen)
        });
        if let Some(flip) = plan.seen(stamp) {
            judge(&flip, truth.dropped, truth.doubled, &mut counted);
        }
        let planned = plan.step(stamp.at_ns, None, false);
        let next_ns = START_NS as f64 + script.vblank_ns(truth.refresh + 1);
        counted.errors_ns.push((planned.flip.onset_ns as f64 - next_ns).abs());
        plan.handed(&planned, screen.present(planned.flip.onset_ns));
    }
    counted
}

fn judge(flip: &Flip, dropped: u64, doubled: bool, counted: &mut Counted) {
    counted.drops += u64::from(dropped > 0);
    counted.doublings += u64::from(doubled);
    let late = if doubled { -1 } else { dropped as i32 };
    let right = (u64::from(flip.missed), flip.replaces, flip.late) == (dropped, doubled, late);
    if !right {
        counted.lost += u64::from(dropped > 0 || doubled);
        counted.invented += u64::from(flip.missed > 0 || flip.replaces);
    }
}

#[test]
fn every_drop_and_doubling_is_found_and_none_invented() {
    for refresh_hz in [60.0, 120.0, 144.0, 240.0] {
        let frame_ns = 1e9 / refresh_hz;
        let jitters = [
            ("+-0.3 frame", Jitter::Uniform(0.3 * frame_ns), Stamps::Centred, None),
            ("0..0.3 frame late", Jitter::Late(0.3 * frame_ns), Stamps::Late, None),
            ("normal, 0.1 ms", Jitter::Normal(1e5), Stamps::Centred, Some(1e5)),
            ("exponential, 0.1 ms late", Jitter::LateTail(1e5), Stamps::Late, Some(1e5)),
        ];
        for (name, jitter, kind, most_ns) in jitters {
            // Without a last moment that is as far as a third of a frame, normal and exponential stamps have outliers.
            let mut counted = run(script(refresh_hz, jitter, 11), kind, FRAMES);
            let p99_ns = counted.p99_ns();
            eprintln!(
                "{refresh_hz} Hz, stamps {name}: {} drops, {} doublings, {} not found, {} invented; predicted vblank within \
                 {:.4} ms of the truth (p99)",
                counted.drops,
                counted.doublings,
                counted.lost,
                counted.invented,
                p99_ns / 1e6
            );
            assert!(counted.drops > 1_500 && counted.doublings > 700);
            assert_eq!((counted.lost, counted.invented), (0, 0), "{refresh_hz} Hz, {name}");
            assert!(most_ns.is_none_or(|most_ns| p99_ns <= most_ns), "{refresh_hz} Hz, {name}: {p99_ns} ns");
        }
    }
}

#[test]
fn a_screen_without_a_period_or_with_another_is_refused() {
    let measured = |script: Script| {
        let before = stamps(&mut Scripted::new(script), SyncBounds::USUAL.presents);
        Sync::measure(&before, 1e9 / 60.0, Stamps::Late).unwrap()
    };
    let judged = |script: Script| measured(script).0.judge(60.0, &SyncBounds::USUAL);
    for seed in 0..200 {
        let plain = Script { seed, ..Script::exact(START_NS, 60.0) };
        assert_eq!(judged(Script { jitter: Jitter::Uniform(5e6), ..plain }), Ok(()));
        assert_eq!(
            judged(Script { offset_ppm: 1_000.0, jitter: Jitter::Late(2e6), drops: 0.03, ..plain }),
            Ok(())
        );
        for part in [0.03, 0.1, 0.3] {
            let variable_ns = Some([1e9 / 60.0 * (1.0 - part), 1e9 / 60.0 * (1.0 + part)]);
            let varies = judged(Script { variable_ns, jitter: Jitter::Late(1e5), ..plain });
            assert!(matches!(varies, Err(SyncFault::Varies { .. })), "seed {seed}, {part}: {varies:?}");
        }
        for hz in [50.0, 59.0, 75.0] {
            let other = Script { refresh_hz: hz, jitter: Jitter::Normal(1e5), ..plain };
            let fault = judged(other).unwrap_err();
            let SyncFault::Refresh { measured_hz, .. } = fault else { panic!("{hz} Hz: {fault:?}") };
            assert!((measured_hz - hz).abs() < 0.05, "{fault}");
            assert!(fault.to_string().contains("the rig file says 60 Hz"), "{fault}");
        }
        let loose = judged(Script { jitter: Jitter::Normal(1e5), drops: 0.4, ..plain });
        assert!(matches!(loose, Err(SyncFault::Irregular { .. })), "{loose:?}");
    }
    let (fast, clock) = measured(Script::exact(START_NS, 400.0));
    assert!(!fast.waits && clock.is_none());
    assert_eq!(fast.judge(60.0, &SyncBounds::USUAL), Ok(()));
    let must = SyncBounds { must_wait: true, ..SyncBounds::USUAL };
    assert!(matches!(fast.judge(60.0, &must), Err(SyncFault::DoesNotWait { .. })));
    assert_eq!(
        Sync::measure(&[1, 2, 3], 1e9 / 60.0, Stamps::Late).unwrap_err(),
        SyncFault::Few { presents: 3 }
    );
}

#[test]
fn a_phase_that_jumps_is_found_again() {
    // A mode change: everything is half a period later than before.
    let period_ns = 1e9 / 60.0;
    for part in [0.25, 0.5, 0.75] {
        let mut clock = RefreshClock::new(START_NS, period_ns).of(Stamps::Centred, 0.0);
        let at_ns =
            |k: i64, shift: f64| START_NS + ((k as f64 + shift) * period_ns) as i64 + k * 7919 % 40_000;
        (1..2_000).for_each(|k| {
            clock.observe(at_ns(k, 0.0));
        });
        (2_000..2_300).for_each(|k| {
            clock.observe(at_ns(k, part));
        });
        let worst = (2_300..2_400).map(|k| clock.observe(at_ns(k, part)).error_ns.abs()).fold(0.0, f64::max);
        assert!(worst < 1e5, "{part}: {worst} ns");
    }
}

#[test]
fn a_command_for_an_instant_is_seen_at_the_first_refresh_from_then_on() {
    let script = Script { drops: 0.0, doublings: 0.0, ..script(60.0, Jitter::Normal(1e5), 5) };
    let period_ns = 1e9 / 60.0;
    for (drops, seed) in [(0.0, 5), (0.05, 6)] {
        let mut screen = Scripted::new(Script { drops, seed, ..script });
        let before = stamps(&mut screen, 120);
        let clock = Sync::measure(&before, period_ns, Stamps::Centred).unwrap().1.unwrap();
        let mut plan: Option<FramePlan> = None;
        let scene = |index: u64| SceneId(u16::from(index % 2 == 1));
        let mut index = 0;
        let (mut due_ns, mut seen, mut began_late) = (0, 0, 0);
        let (mut shown, mut late_before) = (SceneId::GREY, false);
        for _ in 0..20_000 {
            let began = screen.begin(0).unwrap();
            let plan = plan.get_or_insert_with(|| {
                let scenes = support::scenes(&support::screen(320, 240));
                FramePlan::prepare(scenes, clock.clone().renumbered(began.now_ns), Pacing::Screen)
            });
            if let Some(flip) = began.stamp.and_then(|stamp| plan.seen(stamp)) {
                let truth_ns = screen.seen_ns();
                if flip.scene != shown {
                    shown = flip.scene;
                    seen += 1;
                    // A tenth of a millisecond is how well the screen is known.
                    let after_ns = truth_ns - due_ns;
                    assert!(after_ns > -100_000, "{after_ns} ns: before it was wanted");
                    let first = (after_ns as f64) < period_ns + 1e5;
                    // Nothing comes between when it is late itself, or the frame that took its refresh was.
                    let excused = flip.late > 0 || late_before;
                    assert!(first || excused, "{after_ns} ns: not the first refresh");
                    began_late += u64::from(!first);
                } else if index > 0 && shown != scene(index) && flip.missed == 0 {
                    assert!(truth_ns < due_ns + 100_000 || flip.late > 0, "the old one stayed too long");
                }
                late_before = flip.late > 0;
            }
            if index == 0 || shown == scene(index) {
                index += 1;
                // Any instant within the next ten refreshes.
                due_ns =
                    began.now_ns + (index as i64 * 7_654_321) % (10 * period_ns as i64) + period_ns as i64;
            }
            let command = Command {
                index,
                turn: index,
                issued_ns: 0,
                decision: None,
                scene: scene(index),
                contrast: Ramp::constant(0.5),
                picture: None,
                not_before_ns: due_ns,
            };
            let planned = plan.step(began.now_ns, Some(&command), false);
            plan.handed(&planned, screen.present(0));
        }
        eprintln!(
            "{seen} scenes for an instant; {began_late} of them later than the first refresh, by a drop"
        );
        assert!(seen > 1_500 && (drops > 0.0) == (began_late > 0));
    }
}

#[test]
fn a_newer_command_takes_the_place_of_one_that_waits() {
    let scenes = support::scenes(&support::screen(320, 240));
    let period_ns = 1e9 / 60.0;
    let mut plan = FramePlan::prepare(scenes, RefreshClock::new(START_NS, period_ns), Pacing::Simulated);
    let command = |index, scene, contrast, not_before_ns| Command {
        index,
        turn: index,
        issued_ns: 0,
        decision: None,
        scene: SceneId(scene),
        contrast: Ramp::constant(contrast),
        picture: None,
        not_before_ns,
    };
    let mut show = |command: &Command| {
        let planned = plan.step(plan.begin_ns(), Some(command), false);
        plan.handed(&planned, planned.flip.onset_ns).unwrap()
    };
    let far_ns = START_NS + 1_000_000_000;
    assert_eq!(show(&command(0, 1, 0.3, far_ns)).command, None, "nothing was shown before it");
    assert_eq!(show(&command(1, 1, 0.4, 0)).contrast, 0.4);
    let waits = show(&command(2, 1, 0.8, far_ns));
    assert_eq!((waits.command, waits.contrast), (Some(1), 0.4), "the old one stays");
    assert_eq!(show(&command(3, 0, 0.0, 0)).scene, SceneId::GREY, "whatever waited is gone");
    let shown: Vec<Flip> = (0..60).map(|_| show(&command(4, 1, 0.9, far_ns))).collect();
    let first = shown.iter().find(|flip| flip.command == Some(4)).unwrap();
    assert!((far_ns..far_ns + period_ns as i64 + 1).contains(&first.onset_ns));
}
