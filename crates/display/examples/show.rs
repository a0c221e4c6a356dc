//! Shows the thermostat's grating for some seconds and prints what came of it:
//! `show [window|fullscreen|offscreen] [SECONDS] [WIDTH HEIGHT]`. Esc ends it sooner.

#![allow(clippy::print_stdout, reason = "printing is this program's purpose")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use display::{Config, Display, Mode, Ports, Progress, Scenery};
use stimulus::{
    Flicker, FlickerKind, Grating, Patch, RetinaGrid, Scene, Screen, ScreenSpec, Sheets, Waveform,
};
use timeline::latest::latest;
use timeline::ring::{ring, rows};
use timeline::{Command, Ramp, SceneId};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = match arguments.first().map(String::as_str) {
        None | Some("offscreen") => Mode::Offscreen,
        Some("window") => Mode::Window,
        Some("fullscreen") => Mode::Fullscreen,
        Some(other) => return Err(format!("`{other}`: allowed are window, fullscreen, offscreen").into()),
    };
    let seconds: f64 = arguments.get(1).map_or(Ok(3.0), |text| text.parse())?;
    let width_px = arguments.get(2).map_or(Ok(320), |text| text.parse())?;
    let height_px = arguments.get(3).map_or(Ok(240), |text| text.parse())?;
    let screen = Screen::new(&ScreenSpec::plain(width_px, height_px))?;
    let grating = Grating {
        cycles_per_px: screen.wave_vector(1.0, 45.0),
        phase: 0.0,
        center_px: screen.centre_px(),
        diameter_px: screen.size_px(10.0),
        edge_px: screen.size_px(1.0),
        flicker: Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, screen.refresh_hz)?,
    };
    let scenes = vec![Scene::grey(), Scene::grating(&grating)];
    let grid = RetinaGrid::for_scenes(&scenes, &screen);
    let (rows_in, mut rows_out) = rows(64, grid.cells());
    let display = Display::prepare(Config {
        mode,
        scenery: Scenery {
            patch: Patch::lower_right(&screen, 24),
            retina: Some(grid),
            ..Scenery::plain(&screen, scenes, Sheets::default())?
        },
        retina: Some(rows_in),
        title: "Photic".to_string(),
        sync: display::sync::SyncBounds::USUAL,
    })?;
    println!("{}", display.description());

    let command = Command {
        index: 0,
        turn: 0,
        issued_ns: 0,
        decision: None,
        scene: SceneId(1),
        contrast: Ramp::constant(0.9),
        picture: None,
        not_before_ns: 0,
    };
    let (_publish, commands) = latest(&Some(command));
    let (flips, mut flips_out) = ring(1024);
    let (events, mut events_out) = ring(1024);
    let stop = Arc::new(AtomicBool::new(false));
    let escape = Arc::new(AtomicBool::new(false));
    let (stop_by_time, escape_seen) = (Arc::clone(&stop), Arc::clone(&escape));
    // Stands for the loop and the recorder: empties the rings, and ends after the time or on Esc.
    let reader = std::thread::Builder::new().name("reader".to_string()).spawn(move || {
        let mut cells = vec![0.0; grid.cells()];
        let end_ns = timeline::clock::now_ns() + timeline::ns_from_s(seconds);
        while !flips_out.is_finished() {
            while flips_out.pop().is_some()
                || events_out.pop().is_some()
                || rows_out.pop(&mut cells).is_some()
            {}
            if timeline::clock::now_ns() > end_ns || escape_seen.load(Ordering::Acquire) {
                stop_by_time.store(true, Ordering::Release);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    })?;
    let summary = display.run(Ports {
        commands,
        pictures: None,
        flips,
        attenuations: ring(8).0,
        events,
        wake: reader.thread().clone(),
        stop,
        escape: Arc::clone(&escape),
        start: Box::new(|| ()),
        progress: Arc::new(Progress::default()),
        interlock: display::interlock::Interlock::none(),
        responses: None,
        gaze: None,
    })?;
    reader.join().map_err(|_| "the reader panicked")?;
    println!("{summary:#?}");
    println!("ended by {}", if escape.load(Ordering::Acquire) { "the operator" } else { "time" });
    Ok(())
}
