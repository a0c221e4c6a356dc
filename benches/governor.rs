//! Governed frames per second, and the time in each of the governor's passes, on the adapter that is there.
//!
//! Guards against: a judgement that costs a person's screen a frame: passes that do for each pixel what need be done once, sums
//! that all threads wait for, cells at rest that are worked on, and a state that does not fit a binding. Bounds, on llvmpipe:
//! all passes together take at most so many times as long as `measure`, which reads each pixel once: 4.5 at rest; 8.5, 6.5 and 5 at
//! the three sizes with a grating, 11.5, 8.5 and 5 with noise. So they hold however fast the machine is. No buffer is larger
//! than 128 MiB.
//!
//! `cargo bench --bench governor -- [SECONDS] [WIDTH]`. The screen is 53 cm wide and 70 cm away, at 60 Hz, in as many pixels as
//! each table says. Its bound lets everything pass, so each frame is judged as it is; the fields of 10 degrees, which only a frame
//! with too much flashing needs, are not looked for. Passes are measured one by one: the median of each.
#![allow(clippy::print_stdout)] // a bench prints its table

use std::error::Error;

use display::GovernedFilm;
use stimulus::safety::light::pack;
use stimulus::safety::{Bound, Governor, LightTables, Mode};
use stimulus::{Screen, ScreenSpec};

const SIZES: [[u32; 2]; 3] = [[640, 480], [1280, 720], [1920, 1080]];

/// Name, bound at each size, number of frames, and what they are made of by place, frame and noise.
type Film = (&'static str, [f64; 3], u32, Light);

type Light = fn(f64, f64, u32, u32) -> [u32; 3];

/// A frame at rest; a reversing grating of 1 cycle per degree that covers everything; other colours in each pixel and frame.
const FILMS: [Film; 3] = [
    ("grey", [4.5; 3], 1, |_, _, _, _| [186; 3]),
    ("grating", [8.5, 6.5, 5.0], 8, |x_deg, y_deg, frame, _| {
        let turn = std::f64::consts::TAU;
        let wave = 0.9 * (turn * (0.8 * x_deg + 0.6 * y_deg)).sin() * (turn * f64::from(frame) / 8.0).sin();
        [((0.5 + 0.5 * wave).powf(1.0 / 2.2) * 255.0).round() as u32; 3]
    }),
    ("noise", [11.5, 8.5, 5.0], 4, |_, _, _, noise| [noise >> 8 & 255, noise >> 16 & 255, noise >> 24]),
];

/// Bytes of a storage binding that every adapter allows.
const DEFAULT_BINDING: u64 = 128 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let seconds: f64 = args.first().map_or(Ok(3.0), |arg| arg.parse())?;
    let only: Option<u32> = args.get(1).map(|arg| arg.parse()).transpose()?;
    for (place, [width, height]) in SIZES.into_iter().enumerate() {
        if only.is_some_and(|only| only != width) {
            continue;
        }
        let screen = screen(width, height)?;
        let tables = LightTables::of_screen(&screen, 256)?;
        // As many flashes as there are frames: nothing is stopped.
        let twin = Governor::prepare(&screen, tables, Bound::stated(60), Mode::Ramp);
        let mut adapter = GovernedFilm::prepare(&screen, &twin)?;
        let params = *twin.params();
        let (memory, limit) = (adapter.memory(), adapter.largest_binding());
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!("\n{}", adapter.description());
        println!(
            "{width} x {height}: {} cells of {} px, {} words each; {:.0} MiB in all, the largest buffer {:.0} MiB ({} the 128 \
             that every adapter allows; this one {:.0})",
            params.cells,
            params.cell_px,
            stimulus::safety::state_words(&params),
            mib(memory.total),
            mib(memory.largest),
            if memory.largest <= DEFAULT_BINDING { "within" } else { "MORE than" },
            mib(limit)
        );
        for (name, bounds, count, light) in FILMS {
            race(&mut adapter, &screen, (name, bounds[place], count, light), seconds)?;
        }
    }
    Ok(())
}

fn screen(width_px: u32, height_px: u32) -> Result<Screen, Box<dyn Error>> {
    let px_cm = 53.1 / f64::from(width_px);
    Ok(Screen::new(&ScreenSpec {
        width_px,
        height_px,
        width_cm: px_cm * f64::from(width_px),
        height_cm: px_cm * f64::from(height_px),
        distance_cm: 70.0,
        refresh_hz: 60.0,
        luminance_max_cd_m2: 250.0,
        luminance_min_cd_m2: 0.25,
        gamma: 2.2,
    })?)
}

/// A film's line: frames per second, and ms in each pass.
fn race(
    adapter: &mut GovernedFilm,
    screen: &Screen,
    (name, bound, count, light): (&str, f64, u32, Light),
    seconds: f64,
) -> Result<(), Box<dyn Error>> {
    let place = |px: u32| f64::from(px) / screen.px_per_deg;
    let mut noise = 1_u32;
    let mut frame = |frame: u32| -> Vec<u32> {
        let places = (0..screen.height_px).flat_map(|y| (0..screen.width_px).map(move |x| (x, y)));
        places
            .map(|(x, y)| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                pack(light(place(x), place(y), frame, noise))
            })
            .collect()
    };
    let frames: Vec<Vec<u32>> = (0..count).map(&mut frame).collect();
    adapter.load(&frames);
    let warm = adapter.race(4)?;
    let frames = (seconds * 4e9 / warm as f64).max(8.0) as u64;
    let total_ns = adapter.race(frames)?;
    print!(
        "{name:8} {:7.1} fps {:7.2} ms |",
        frames as f64 * 1e9 / total_ns as f64,
        total_ns as f64 / 1e6 / frames as f64
    );
    let passes_ns = adapter.passes_ns((frames / 2).max(9))?;
    let mut measure = 0;
    for (place, pass) in GovernedFilm::passes().into_iter().enumerate() {
        measure = if pass == "measure" { place } else { measure };
        print!(" {pass} {:.2}", median(passes_ns.iter().map(|ns| ns[place] as f64)) / 1e6);
    }
    // Within a frame, because the machine's speed may waver.
    let times = |ns: &[i64]| ns.iter().sum::<i64>() as f64 / ns[measure] as f64;
    let times = median(passes_ns.iter().map(|ns| times(ns)));
    println!(" | {times:.1} times measure, bound {bound}: {}", if times <= bound { "met" } else { "MISSED" });
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
