//! The governor's passes against the pure rule: verdicts, what is shown, and the state of every cell, to the bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]
#![allow(clippy::print_stdout, reason = "a test says what it found")]

mod support;

use display::GovernedFrames;
use stimulus::safety::light::{pack, unpack};
use stimulus::safety::{Bound, Governor, LightTables, Mode, Request, Shown, flag};
use stimulus::{Screen, ScreenSpec};

/// Odd sizes, so that the cells at the edges are narrower, and 25 px per degree: cells of 2 px.
const WIDTH: u32 = 173;
const HEIGHT: u32 = 131;

fn screen(refresh_hz: f64, px_per_cm: f64, luminance_max_cd_m2: f64) -> Screen {
    Screen::new(&ScreenSpec {
        width_px: WIDTH,
        height_px: HEIGHT,
        width_cm: f64::from(WIDTH) / px_per_cm,
        height_cm: f64::from(HEIGHT) / px_per_cm,
        distance_cm: 57.3,
        refresh_hz,
        luminance_max_cd_m2,
        luminance_min_cd_m2: 0.3,
        gamma: 2.2,
    })
    .unwrap()
}

/// The next of a sequence of whole numbers (SplitMix64).
fn random(seed: &mut u64) -> u32 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 33) as u32
}

type Film = fn(x: u32, y: u32, frame: u32, noise: u32) -> [u32; 3];

/// Everything that the rules look at: flicker of several rates, reds, stripes of all kinds, noise, rest.
const FILMS: [Film; 8] = [
    |_, _, frame, _| [[40; 3], [230; 3]][(frame / 4 % 2) as usize],
    |x, _, frame, _| if x < 60 && frame % 14 < 7 { [255, 3, 0] } else { [120; 3] },
    |x, y, frame, _| if (x / 5 + y / 7 + frame / 8) % 2 == 0 { [0; 3] } else { [255; 3] },
    |x, y, frame, _| if ((x + y) / 6) % 2 == 0 && frame < 200 { [20, 30, 40] } else { [250, 255, 240] },
    |_, _, _, noise| [noise & 255, noise >> 8 & 255, noise >> 16 & 255],
    |x, y, frame, noise| {
        let distance = (x as i32 - 80).pow(2) + (y as i32 - 60).pow(2);
        let ring = (f64::from(distance).sqrt() / 5.0) as u32;
        if ring.is_multiple_of(2) { [noise % 40; 3] } else { [180 + frame % 70; 3] }
    },
    |x, _, frame, _| if frame % 20 < 10 { [(x * 255 / WIDTH) % 256; 3] } else { [255 - x * 255 / WIDTH; 3] },
    |_, y, frame, _| if y > 70 { [0, 0, 255 * (frame / 3 % 2)] } else { [186; 3] },
];

/// Runs both over `frames` frames of films that change every `length`, with a release in one of `release` frames; gives
/// what was shown how often, and the flags that were found.
fn compare(
    screen: &Screen,
    (bound, mode): (Bound, Mode),
    films: &[Film],
    [frames, length, release]: [u32; 3],
) -> Option<([u32; 4], u32)> {
    let tables = LightTables::of_screen(screen, 256).unwrap();
    let mut twin = Governor::prepare(screen, tables, bound, mode);
    let mut gpu = support::with_adapter(GovernedFrames::prepare(screen, &twin))?;
    let (mut seed, mut counts, mut flags) = (u64::from(frames), [0; 4], 0);
    let mut candidate = vec![0; (WIDTH * HEIGHT) as usize];
    for frame in 0..frames {
        let film = films[(frame / length) as usize % films.len()];
        for (index, pixel) in candidate.iter_mut().enumerate() {
            let at = index as u32;
            *pixel = pack(film(at % WIDTH, at / WIDTH, frame % length, random(&mut seed)));
        }
        let request = Request {
            refreshes: 1 + u32::from(random(&mut seed).is_multiple_of(50)),
            release: random(&mut seed).is_multiple_of(release),
        };
        let verdict = twin.step(&candidate, request);
        let governed = gpu.step(&candidate, request).unwrap();
        assert_eq!(governed.verdict, verdict, "frame {frame}");
        let same = governed.shown.iter().zip(twin.shown()).all(|(gpu, pixel)| {
            let [r, g, b] = unpack(pixel).map(|code| code as u8);
            *gpu == [r, g, b, 255]
        });
        assert!(same, "frame {frame}: other pixels were shown, {verdict:?}");
        if verdict.shown == Shown::Candidate && verdict.attenuation == 65535 {
            assert!(twin.shown().eq(candidate.iter().copied()), "frame {frame} was touched");
        }
        if frame % 60 == 59 || frame + 1 == frames {
            assert!(gpu.state().unwrap() == twin.state(), "frame {frame}: the state of the cells");
        }
        counts[verdict.shown as usize] += 1;
        flags |= verdict.flags;
    }
    println!(
        "{mode:?} at {} Hz: candidate, ramp, held, grey {counts:?}, flags {flags:07b}",
        screen.refresh_hz
    );
    Some((counts, flags))
}

#[test]
fn the_passes_equal_the_rule_to_the_bit() {
    let near = screen(60.0, 25.0, 220.0);
    let standards = (Bound::STANDARDS, Mode::Ramp);
    let Some((counts, flags)) = compare(&near, standards, &FILMS, [400, 50, 6]) else { return };
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    let (seen, missed) = (flag::WCAG_GENERAL | flag::BT_LUMINANCE | flag::BT_PATTERN, flag::BT_EXTENDED);
    assert_eq!((flags & seen, flags & missed), (seen, 0), "{flags:b}");
    // Three flashes a second that last, and red alone.
    let far = screen(30.0, 80.0, 220.0);
    let lasting: Film = |_, _, frame, _| if frame % 10 < 5 { [90; 3] } else { [200; 3] };
    let (_, flags) = compare(&far, standards, &[lasting], [190, 190, 1000]).unwrap();
    assert_eq!(flags, flag::BT_EXTENDED, "{flags:b}");
    let red: Film = |x, _, frame, _| if x < 70 && frame % 6 < 3 { [255, 3, 0] } else { [125; 3] };
    let near = screen(30.0, 8.0, 100.0);
    let (_, flags) = compare(&near, standards, &[red], [60, 60, 1000]).unwrap();
    assert_eq!(flags, flag::WCAG_RED | flag::BT_RED, "{flags:b}");
    let lasting: Film = |_, _, frame, _| if frame % 10 < 5 { [255, 3, 0] } else { [125; 3] };
    let (_, flags) = compare(&near, standards, &[lasting], [190, 190, 1000]).unwrap();
    assert_eq!(flags, flag::BT_EXTENDED, "{flags:b}");
}

#[test]
fn attenuation_and_other_refresh_rates_equal_the_rule() {
    let slow = screen(24.0, 8.0, 120.0);
    let attenuate = (Bound::STANDARDS, Mode::Attenuate);
    let Some((counts, _)) = compare(&slow, attenuate, &FILMS, [240, 30, 24]) else { return };
    assert!(counts[0] > 60 && counts[2] > 10, "{counts:?}");
    let fast = screen(144.0, 12.0, 120.0);
    compare(&fast, (Bound::stated(8), Mode::Ramp), &FILMS, [128, 16, 12]);
}

#[test]
fn the_comparison_can_fail() {
    // A twin of another bound has to differ, or the equality above proves nothing.
    let screen = screen(60.0, 8.0, 120.0);
    let tables = LightTables::of_screen(&screen, 256).unwrap();
    let mut other = Governor::prepare(&screen, tables.clone(), Bound::stated(9), Mode::Ramp);
    let twin = Governor::prepare(&screen, tables, Bound::STANDARDS, Mode::Ramp);
    let Some(mut gpu) = support::with_adapter(GovernedFrames::prepare(&screen, &twin)) else { return };
    let mut differs = false;
    for frame in 0..60 {
        let candidate = vec![pack(FILMS[0](0, 0, frame, 0)); (WIDTH * HEIGHT) as usize];
        let governed = gpu.step(&candidate, Request::default()).unwrap();
        let verdict = other.step(&candidate, Request::default());
        differs |= governed.verdict != verdict;
        if governed.verdict.flags & flag::FLASHES != 0 {
            break;
        }
    }
    assert!(differs);
}
