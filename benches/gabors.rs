//! Drifting Gabors, a grid of k x k on 1280 x 720, as fast as the adapter goes; and beside them PsychoPy's.
//!
//! Guards against: work per element on the CPU, a draw call per element, and a last pass that costs more than the stimulus. Bounds:
//! 1.5 times PsychoPy's ElementArrayStim at each count, 15 times its GratingStim at 576, and 0.3 ms (p99) of our own code per
//! frame at 4,096.
//!
//! `cargo bench --bench gabors -- [SECONDS] [COUNT]`. PsychoPy runs in the same minute where `PHOTIC_PSYCHOPY` names a Python that has it;
//! it needs a display (`xvfb-run -a`). Both take turns, because this machine's speed wavers.
#![allow(clippy::print_stdout)] // a bench prints its table

use std::error::Error;
use std::process::Command;

use display::{Scenery, Snapshots};
use stimulus::element::{Aperture, Course, Outline, Paint, Pattern, Wave};
use stimulus::{Element, Scene, Screen, ScreenSpec, Sheets};

const SIZE: [u32; 2] = [1280, 720];
const SIDES: [u32; 3] = [8, 24, 64];
const CYCLES: f64 = 4.0;
const PART_OF_CELL: f64 = 0.9;

fn main() -> Result<(), Box<dyn Error>> {
    // As the program does.
    adjoint::keep_freed_memory();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let seconds: f64 = args.first().map_or(Ok(4.0), |arg| arg.parse())?;
    let only: Option<u32> = args.get(1).map(|arg| arg.parse()).transpose()?;
    let screen = Screen::new(&ScreenSpec {
        width_px: SIZE[0],
        height_px: SIZE[1],
        width_cm: 53.1,
        height_cm: 29.9,
        distance_cm: 70.0,
        refresh_hz: 60.0,
        luminance_max_cd_m2: 250.0,
        luminance_min_cd_m2: 0.25,
        gamma: 2.2,
    })?;
    // Every Gabor drifts at a speed of its own, so that nothing is shared; then all at one.
    let mut scenes = vec![Scene::grey()];
    scenes.extend(SIDES.iter().flat_map(|&side| [gabors(side, true), gabors(side, false)]));
    let mut adapter = Snapshots::prepare(Scenery::plain(&screen, scenes, Sheets::default())?)?;
    println!("{}", adapter.description());
    let python = std::env::var("PHOTIC_PSYCHOPY").ok();
    println!(
        "{:>6} {:>14} {:>12} {:>16} {:>14} {:>14} {:>9} {:>9}",
        "count",
        "own speeds fps",
        "one speed",
        "ours p99 us",
        "element array",
        "grating stim",
        "over",
        "over"
    );
    for (place, side) in (0..).zip(SIDES) {
        let count = side * side;
        if only.is_some_and(|only| only != count) {
            continue;
        }
        let own = race(&mut adapter, 1 + 2 * place, seconds)?;
        let shared = race(&mut adapter, 2 + 2 * place, seconds)?;
        let peers = python.as_deref().map(|python| peer(python, side, seconds)).transpose()?;
        let ratio = |peer: f64| if peer > 0.0 { format!("{:.2}", own.0 / peer) } else { "-".into() };
        let [array, grating] = peers.unwrap_or([0.0; 2]);
        println!(
            "{count:>6} {:>14.0} {:>12.0} {:>16.1} {array:>14.1} {grating:>14.1} {:>9} {:>9}",
            own.0,
            shared.0,
            own.1 as f64 / 1e3,
            ratio(array),
            ratio(grating)
        );
    }
    Ok(())
}

/// A grid that fills the screen; each in 0.9 of its cell, four cycles across.
fn gabors(side: u32, own_speeds: bool) -> Scene {
    let cell = [f64::from(SIZE[0]) / f64::from(side), f64::from(SIZE[1]) / f64::from(side)];
    let size = PART_OF_CELL * cell[0].min(cell[1]);
    let mut scene = Scene::grey();
    for place in 0..side * side {
        let at = |axis: usize, index: u32| (f64::from(index) + 0.5) * cell[axis];
        // Turned by its wave vector: a round window needs no turn.
        let turn = f64::from(place) * 0.37;
        let cycles_per_px = [CYCLES / size * turn.cos(), -CYCLES / size * turn.sin()];
        let pattern = Pattern::Grating { cycles_per_px, phase: 0.1, wave: Wave::Sine };
        // PsychoPy's `gauss` mask reaches three standard deviations at the edge of the stimulus.
        let aperture = Aperture::new(Outline::Gauss { sigma_px: [size / 6.0; 2] }, 0.0);
        let center = [at(0, place % side), at(1, place / side)];
        let course = if own_speeds { place as usize } else { 0 };
        let element =
            Element::new(center, pattern, aperture, Paint::ACHROMATIC, course).with_half_px([size / 2.0; 2]);
        scene.elements.push(element);
        if own_speeds || place == 0 {
            scene.courses.push(Course { drift: 0.02 + 1e-5 * f64::from(place), ..Course::STEADY });
        }
    }
    scene
}

/// Frames per second, and the 99th percentile of our own code's time in ns.
fn race(adapter: &mut Snapshots, scene: usize, seconds: f64) -> Result<(f64, i64), Box<dyn Error>> {
    let warm = adapter.race(scene, 0..30, 0.9)?;
    let frames = (seconds * 30e9 / warm.total_ns as f64).max(30.0) as u64;
    let raced = adapter.race(scene, 30..30 + frames, 0.9)?;
    let mut ours = raced.ours_ns;
    ours.sort_unstable();
    Ok((frames as f64 * 1e9 / raced.total_ns as f64, ours[ours.len() * 99 / 100]))
}

/// Frames per second of the peer's two ways.
fn peer(python: &str, side: u32, seconds: f64) -> Result<[f64; 2], Box<dyn Error>> {
    let mut rates = [0.0; 2];
    for (rate, way) in rates.iter_mut().zip(["array", "grating"]) {
        // One GratingStim per Gabor takes minutes at 4,096.
        if way == "grating" && side > 24 {
            continue;
        }
        let output = Command::new(python)
            .args(["benches/gabors_psychopy.py", way, &side.to_string(), &seconds.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        // It logs to the standard output, too.
        let said = text.lines().find_map(|line| line.strip_prefix("fps ")).unwrap_or_default();
        *rate =
            said.parse().map_err(|_| format!("{way}: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    }
    Ok(rates)
}
