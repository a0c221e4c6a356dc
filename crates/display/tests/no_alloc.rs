//! Our part of a frame allocates nothing: newest command, plan, uniform bytes, flip to both rings, retina row.

mod support;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use display::clock::RefreshClock;
use display::plan::FramePlan;
use display::presenter::Presenter;
use display::scripted::{Jitter, Script, Scripted};
use display::uniform::{CourseRow, FrameUniform};
use display::{Pacing, Scenery};
use stimulus::element::Now;
use stimulus::{Patch, RetinaGrid, RetinaTemplate, Sheets};
use timeline::latest::latest;
use timeline::ring::{RowHead, ring, rows};
use timeline::{Command, Event, Ramp, SceneId};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn ten_thousand_frames_without_an_allocation() {
    let screen = support::screen(320, 240);
    let scenes = support::scenes(&screen);
    let grid = RetinaGrid::for_scenes(&scenes, &screen);
    let patch = Patch::lower_right(&screen, 24);
    let mut uniform = FrameUniform::prepare(&Scenery {
        patch,
        retina: Some(grid),
        ..Scenery::plain(&screen, scenes.clone(), Sheets::default()).unwrap()
    });
    let mut nows = [Now::NONE];
    let mut row = [0; CourseRow::SIZE];
    let mut template = RetinaTemplate::prepare(&scenes[1], &Sheets::default(), &grid, &screen);
    let scene = scenes[1].clone();
    let mut cells = vec![0.0; grid.cells()];
    let mut plan =
        FramePlan::prepare(scenes, RefreshClock::new(0, screen.refresh_period_ns()), Pacing::Simulated);
    let (mut publish, mut commands) = latest::<Option<Command>>(&None);
    let (mut flips, _flips) = ring(64);
    let (mut events, _events) = ring(64);
    let (mut retina, _retina) = rows(8, grid.cells());
    let mut checksum = 0_u64;
    assert_no_alloc(|| {
        for index in 0..10_000 {
            let contrast = Ramp::constant(0.5);
            publish.publish(Some(Command {
                index,
                turn: index,
                issued_ns: 0,
                decision: None,
                scene: SceneId(1),
                contrast,
                picture: None,
                not_before_ns: 0,
            }));
            let command = *commands.read();
            let planned = plan.step(plan.begin_ns(), command.as_ref(), index > 9_000);
            uniform.set_frame(planned.flip.frame, planned.params.patch_luminance);
            uniform.set_pictures(None, Some(1), planned.params.pictures.weight);
            scene.courses_at(&planned.params.moment, &mut nows);
            CourseRow::write(&nows[0], &mut row);
            checksum += u64::from(uniform.bytes()[28]) + u64::from(row[9]);
            plan.worked(1_000_000);
            let Some(flip) = plan.handed(&planned, planned.flip.onset_ns) else { continue };
            // Full rings refuse, which must not allocate either.
            let _ = flips.push(flip) | events.push(Event::Flip(flip));
            template.frame(&planned.params.moment, &mut cells);
            let head = RowHead { index: flip.frame, stamp_s: 0.0, at_ns: flip.onset_ns };
            let _ = retina.push(head, cells.iter().copied());
        }
    });
    assert!(checksum > 0);
    assert_eq!(flips.refused(), 10_000 - 64);
}

#[test]
fn nor_does_following_a_screen() {
    let screen = support::screen(320, 240);
    let script = Script { jitter: Jitter::Late(4e6), drops: 0.01, doublings: 0.01, ..Script::exact(0, 60.0) };
    let mut scripted = Scripted::new(script);
    let clock = RefreshClock::new(0, screen.refresh_period_ns());
    let mut plan = FramePlan::prepare(support::scenes(&screen), clock, Pacing::Screen);
    let mut seen = 0;
    assert_no_alloc(|| {
        for _ in 0..10_000 {
            let Ok(began) = scripted.begin(0) else { return };
            seen += u64::from(began.stamp.and_then(|stamp| plan.seen(stamp)).is_some());
            let planned = plan.step(began.now_ns, None, false);
            let _ = plan.handed(&planned, scripted.present(planned.flip.onset_ns));
        }
    });
    assert_eq!(seen, 9_999);
}
