//! A whole run without a window: flips, retina, end on grey.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use display::{Config, Display, DisplayError, Mode, Pacing, Ports, Progress, Scenery};
use stimulus::{Moment, Patch, RetinaGrid, RetinaTemplate, Scene, Sheets};
use timeline::latest::latest;
use timeline::ring::{ring, rows};
use timeline::{Command, Event, Flip, OnsetClass, Ramp, SceneId};

#[test]
fn flips_are_gapless_or_say_so_and_the_retina_is_what_the_twin_sees() {
    let screen = support::screen(160, 120);
    let scenes = support::scenes(&screen);
    let grid = RetinaGrid::for_scenes(&scenes, &screen);
    let mut template = RetinaTemplate::prepare(&scenes[1], &Sheets::default(), &grid, &screen);
    let (row_writer, mut row_reader) = rows(256, grid.cells());
    let config = Config {
        mode: Mode::Offscreen,
        scenery: Scenery {
            patch: Patch::lower_right(&screen, 12),
            retina: Some(grid),
            ..Scenery::plain(&screen, scenes, Sheets::default()).unwrap()
        },
        retina: Some(row_writer),
        title: String::new(),
        sync: display::sync::SyncBounds::USUAL,
    };
    let Some(display) = support::with_adapter(Display::prepare(config)) else { return };
    assert_eq!(display.description().pacing, Pacing::Simulated);

    let (mut publish, commands) = latest::<Option<Command>>(&None);
    let (flips, mut flip_reader) = ring::<Flip>(256);
    let (events, mut event_reader) = ring::<Event>(1024);
    let stop = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicBool::new(false));
    let (stop_after, started_by) = (Arc::clone(&stop), Arc::clone(&started));
    let progress = Arc::new(Progress::default());
    let ports = Ports {
        commands,
        pictures: None,
        flips,
        attenuations: ring(8).0,
        events,
        wake: std::thread::current(),
        stop,
        escape: Arc::default(),
        start: Box::new(move || started_by.store(true, Ordering::Release)),
        progress: Arc::clone(&progress),
        interlock: display::interlock::Interlock::none(),
        responses: None,
        gaze: None,
    };
    let operator = std::thread::Builder::new()
        .name("operator".to_string())
        .spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            let contrast = Ramp::constant(0.6);
            let index = 5;
            publish.publish(Some(Command {
                index,
                turn: 9,
                issued_ns: 0,
                decision: None,
                scene: SceneId(1),
                contrast,
                picture: None,
                not_before_ns: 0,
            }));
            std::thread::sleep(Duration::from_millis(600));
            stop_after.store(true, Ordering::Release);
        })
        .unwrap();
    let summary = display.run(ports).unwrap();
    operator.join().unwrap();
    println!("{summary:?}");

    assert!(started.load(Ordering::Acquire));
    let mut flips = Vec::new();
    while let Some(flip) = flip_reader.pop() {
        flips.push(flip);
    }
    assert_eq!((summary.frames, summary.refused), (flips.len() as u64, 0));
    assert_eq!(progress.frames.load(Ordering::Relaxed), summary.frames);
    for pair in flips.windows(2) {
        assert_eq!(u64::from(pair[1].missed), pair[1].frame - pair[0].frame - 1);
        assert!(pair[1].onset_ns > pair[0].onset_ns);
        assert_eq!(pair[1].class, OnsetClass::Simulated);
    }
    // On a busy machine a frame comes behind its onset; it is counted then.
    let late = flips.iter().filter(|flip| flip.submitted_ns >= flip.onset_ns).count();
    assert_eq!(late as u64, summary.late_frames);
    let elapsed = flips.last().unwrap().frame - flips[0].frame + 1;
    assert_eq!(summary.frames + summary.missed_frames, elapsed);
    let recorded =
        std::iter::from_fn(|| event_reader.pop()).filter(|event| matches!(event, Event::Flip(_))).count();
    assert_eq!(recorded, flips.len(), "the recorder has every flip too");
    let shown = flips.iter().filter(|flip| flip.scene == SceneId(1) && flip.command == Some(5)).count();
    assert!(shown >= 10, "{shown} frames of the grating");
    assert!(flips.iter().rev().take(2).all(|flip| flip.scene == SceneId::GREY && flip.contrast == 0.0));

    let (mut cells, mut twin, mut seen) = (vec![0.0; grid.cells()], vec![0.0; grid.cells()], 0);
    while let Some(head) = row_reader.pop(&mut cells) {
        let flip =
            flips.iter().find(|flip| flip.frame == head.index).expect("a row belongs to a shown frame");
        assert_eq!(head.at_ns, flip.onset_ns);
        if flip.scene == SceneId::GREY {
            twin.fill(0.5);
        } else {
            template.frame(&Moment::new(flip.frame, flip.contrast), &mut twin);
        }
        let worst = cells.iter().zip(&twin).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-3, "frame {}: {worst}", head.index);
        seen += 1;
    }
    assert_eq!(seen, summary.retina_rows);
    assert!(seen + summary.retina_skipped >= summary.frames, "{summary:?}");
}

#[test]
fn contradictions_are_refused_before_anything_opens() {
    let screen = support::screen(64, 64);
    let config = |scenes, grid, retina| Config {
        mode: Mode::Offscreen,
        scenery: Scenery { retina: grid, ..Scenery::plain(&screen, scenes, Sheets::default()).unwrap() },
        retina,
        title: String::new(),
        sync: display::sync::SyncBounds::USUAL,
    };
    let grid = RetinaGrid { cell_px: 2, columns: 8, rows: 8, left_px: 0, top_px: 0 };
    let refused = |config| Display::prepare(config).err().unwrap();
    assert!(matches!(refused(config(vec![], None, None)), DisplayError::NoGrey { count: 0 }));
    let narrow = config(vec![Scene::grey()], Some(grid), Some(rows(2, 63).0));
    assert!(matches!(refused(narrow), DisplayError::RetinaWidth { cells: 64, width: 63 }));
    let outside = RetinaGrid { left_px: 60, ..grid };
    let outside = config(vec![Scene::grey()], Some(outside), Some(rows(2, 64).0));
    assert!(matches!(refused(outside), DisplayError::RetinaOutside { right: 76, .. }));
}
