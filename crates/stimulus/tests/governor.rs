//! The governor on sequences made from the rules' text, safe and unsafe, each held against an independent judge.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod judge;

use judge::STANDARDS;
use stimulus::safety::light::pack;
use stimulus::safety::{Bound, Governor, LightTables, Mode, Request, Shown, flag};
use stimulus::{Screen, ScreenSpec};

const WIDTH: u32 = 40;
const HEIGHT: u32 = 30;

/// A pixel is a degree at the centre, so that the screen is large; 1 cm at 57.3 cm.
fn near(luminance_max_cd_m2: f64) -> Screen {
    at(57.3, luminance_max_cd_m2)
}

/// The same screen from ten times as far: all of it is below WCAG's area.
fn far(luminance_max_cd_m2: f64) -> Screen {
    at(573.0, luminance_max_cd_m2)
}

fn at(distance_cm: f64, luminance_max_cd_m2: f64) -> Screen {
    Screen::new(&ScreenSpec {
        width_px: WIDTH,
        height_px: HEIGHT,
        width_cm: f64::from(WIDTH),
        height_cm: f64::from(HEIGHT),
        distance_cm,
        refresh_hz: 60.0,
        luminance_max_cd_m2,
        luminance_min_cd_m2: 0.0,
        gamma: 2.2,
    })
    .unwrap()
}

/// The code whose linear light is nearest.
fn code(linear: f64) -> u8 {
    (255.0 * linear.powf(1.0 / 2.2)).round() as u8
}

fn grey(linear: f64) -> [u8; 3] {
    [code(linear); 3]
}

type Pixel = [u8; 3];
const GREY: Pixel = [186; 3];
const BLACK: Pixel = [0; 3];
const WHITE: Pixel = [255; 3];
const RED: Pixel = [255, 0, 0];

struct Case {
    name: &'static str,
    screen: Screen,
    frames: Vec<Vec<Pixel>>,
    /// Flags that the judge and the governor have to find; 0 for a sequence that is safe.
    wanted: u32,
}

/// `seconds` of frames from a pixel's column, row and the frame's number.
fn film(seconds: f64, pixel: impl Fn(f64, f64, u32) -> Pixel) -> Vec<Vec<Pixel>> {
    (0..(seconds * 60.0) as u32)
        .map(|frame| {
            (0..WIDTH * HEIGHT)
                .map(|index| pixel(f64::from(index % WIDTH) + 0.5, f64::from(index / WIDTH) + 0.5, frame))
                .collect()
        })
        .collect()
}

/// Alternation at `hz` between two pixels everywhere.
fn flicker(seconds: f64, hz: f64, one: Pixel, other: Pixel) -> Vec<Vec<Pixel>> {
    film(seconds, |_, _, frame| if half(frame, hz) { one } else { other })
}

fn half(frame: u32, hz: f64) -> bool {
    (f64::from(frame) * hz / 60.0 + 1e-9).fract() < 0.5
}

/// Alternation inside a region, grey outside.
fn region(hz: f64, [one, other]: [Pixel; 2], inside: impl Fn(f64, f64) -> bool) -> Vec<Vec<Pixel>> {
    film(2.0, |x, y, frame| match (inside(x, y), half(frame, hz)) {
        (false, _) => GREY,
        (true, true) => one,
        (true, false) => other,
    })
}

fn disc(centres: &'static [f64], radius: f64) -> impl Fn(f64, f64) -> bool {
    move |x, y| centres.iter().any(|centre| (x - centre).hypot(y - 15.0) <= radius)
}

/// Changes at these frames, between two pixels everywhere.
fn at_frames(seconds: f64, frames: &'static [u32], one: Pixel, other: Pixel) -> Vec<Vec<Pixel>> {
    film(
        seconds,
        |_, _, frame| {
            if frames.iter().filter(|&&at| at <= frame).count() % 2 == 1 { other } else { one }
        },
    )
}

fn case(name: &'static str, screen: Screen, frames: Vec<Vec<Pixel>>, wanted: u32) -> Case {
    Case { name, screen, frames, wanted }
}

/// WCAG 2.2 general flash: on a dim screen no change reaches 20 cd/m2.
fn general() -> Vec<Case> {
    let dim = near(30.0);
    let (low, high) = (grey(0.2), grey(0.7));
    let unsafe_ = flag::WCAG_GENERAL;
    let triangle = |hz: f64| {
        film(2.0, move |_, _, frame| {
            grey(0.1 + 0.55 * (2.0 * (f64::from(frame) * hz / 60.0).fract() - 1.0).abs())
        })
    };
    vec![
        case("three flashes a second", dim, flicker(8.0, 3.0, low, high), 0),
        case("four flashes a second", dim, flicker(2.0, 4.0, low, high), unsafe_),
        case("changes below a tenth", dim, flicker(2.0, 10.0, grey(0.40), grey(0.495)), 0),
        case("changes above a tenth", dim, flicker(2.0, 10.0, grey(0.40), grey(0.51)), unsafe_),
        case("darker state above 0.80", dim, flicker(2.0, 10.0, grey(0.81), WHITE), 0),
        case("darker state below 0.80", dim, flicker(2.0, 10.0, grey(0.79), WHITE), unsafe_),
        case("a disc of 4.4 degrees", dim, region(10.0, [low, high], disc(&[20.0], 2.2)), 0),
        case("a disc of 5.8 degrees", dim, region(10.0, [low, high], disc(&[20.0], 2.9)), unsafe_),
        case("two small discs far apart", dim, region(10.0, [low, high], disc(&[8.0, 32.0], 2.2)), 0),
        case("two small discs together", dim, region(10.0, [low, high], disc(&[17.0, 23.0], 2.2)), unsafe_),
        case(
            "six changes in a tenth of a second",
            dim,
            at_frames(3.0, &[90, 91, 92, 93, 94, 95], low, high),
            0,
        ),
        case(
            "seven changes in a tenth of a second",
            dim,
            at_frames(3.0, &[90, 91, 92, 93, 94, 95, 96], low, high),
            unsafe_,
        ),
        case(
            "seven changes in 61 frames",
            dim,
            at_frames(3.0, &[91, 100, 110, 120, 130, 140, 151], low, high),
            0,
        ),
        case(
            "seven changes in 60 frames",
            dim,
            at_frames(3.0, &[91, 100, 110, 120, 130, 140, 150], low, high),
            unsafe_,
        ),
        case(
            "a staircase up, which never comes back",
            dim,
            film(2.0, |_, _, frame| grey(f64::from(frame.min(100)) / 100.0)),
            0,
        ),
        case("slow flanks, 5 Hz", dim, triangle(5.0), unsafe_),
        case("slow flanks, 2 Hz", dim, triangle(2.0), 0),
        case(
            "a counterphase checkerboard whose mean never changes",
            dim,
            film(2.0, |x, y, frame| {
                let odd = (x.floor() + y.floor()) as u32 % 2 == 1;
                if odd == half(frame, 6.0) { low } else { high }
            }),
            unsafe_,
        ),
        case("full white and black once a second", dim, flicker(6.0, 1.0, BLACK, WHITE), 0),
    ]
}

/// BT.1702-3 luminance flash and extended sequences: from afar nothing reaches WCAG's area.
fn luminance() -> Vec<Case> {
    let (usual, standard, bright) = (far(120.0), far(199.0), far(400.0));
    let (low, high) = (grey(0.2), grey(0.7));
    let unsafe_ = flag::BT_LUMINANCE;
    let columns = |count: f64| move |x: f64, _: f64| x < count;
    let bursts =
        film(10.0, |_, _, frame| if frame % 360 < 240 && half(frame % 360, 3.0) { high } else { low });
    vec![
        case("three flashes a second", usual, flicker(4.0, 3.0, low, high), 0),
        case("four flashes a second", usual, flicker(2.0, 4.0, low, high), unsafe_),
        case("19 cd/m2", usual, flicker(2.0, 10.0, grey(0.40), grey(0.40 + 19.0 / 120.0)), 0),
        case("22 cd/m2", usual, flicker(2.0, 10.0, grey(0.40), grey(0.40 + 22.0 / 120.0)), unsafe_),
        case("darker state above 160 cd/m2", standard, flicker(2.0, 10.0, grey(0.82), WHITE), 0),
        case("darker state below 160 cd/m2", standard, flicker(2.0, 10.0, grey(0.79), WHITE), unsafe_),
        case("less than 1/17 above 160 cd/m2", bright, flicker(2.0, 10.0, grey(0.5), grey(0.555)), 0),
        case("more than 1/17 above 160 cd/m2", bright, flicker(2.0, 10.0, grey(0.5), grey(0.575)), unsafe_),
        case("a quarter of the screen", usual, region(10.0, [low, high], columns(10.0)), 0),
        case("more than a quarter", usual, region(10.0, [low, high], columns(11.0)), unsafe_),
        case("three a second for 4.7 s", usual, flicker(4.7, 3.0, low, high), 0),
        case("three a second for 7 s", usual, flicker(7.0, 3.0, low, high), flag::BT_EXTENDED),
        case("2.5 a second for 8 s", usual, flicker(8.0, 2.5, low, high), flag::BT_EXTENDED),
        case("two a second for 12 s", usual, flicker(12.0, 2.0, low, high), 0),
        case("three a second with pauses", usual, bursts, 0),
    ]
}

/// Red flash, against a grey of the same luminance: no change of luminance counts.
fn red() -> Vec<Case> {
    let (near, far) = (near(100.0), far(100.0));
    let equal = grey(0.2126);
    let both = flag::WCAG_RED | flag::BT_RED;
    let columns = |count: f64| move |x: f64, _: f64| x < count;
    // R / (R + G + B) of 0.78 and 0.83, and a blue that is far from both.
    let (dull, deep) = ([code(0.60), 0, code(0.17)], [code(0.62), 0, code(0.125)]);
    let blue = [0, code(0.08), code(1.0)];
    vec![
        case("red three times a second", near, flicker(2.0, 3.0, equal, RED), 0),
        case("red four times a second", near, flicker(2.0, 4.0, equal, RED), both),
        case("a red that is not saturated", near, flicker(2.0, 10.0, blue, dull), 0),
        case("a red that is just saturated", near, flicker(2.0, 10.0, blue, deep), both),
        case(
            "saturated red, less than 0.2 away",
            near,
            flicker(2.0, 10.0, [code(0.5), code(0.15), 0], RED),
            0,
        ),
        case("green and blue", near, flicker(2.0, 12.0, [0, code(0.1), 0], [0, 0, code(1.0)]), 0),
        case("red and blue at 12 Hz", near, flicker(2.0, 12.0, [0, code(0.2), code(1.0)], RED), both),
        case(
            "red and black, darker than any flash",
            far_dim(),
            flicker(2.0, 10.0, BLACK, [code(0.4), 0, 0]),
            flag::BT_RED,
        ),
        case("a small red disc", near, region(10.0, [equal, RED], disc(&[20.0], 2.2)), 0),
        case("a larger red disc", near, region(10.0, [equal, RED], disc(&[20.0], 2.9)), flag::WCAG_RED),
        case("red on a quarter of the screen", far, region(10.0, [equal, RED], columns(10.0)), 0),
        case("red on more than a quarter", far, region(10.0, [equal, RED], columns(11.0)), flag::BT_RED),
    ]
}

fn far_dim() -> Screen {
    far(40.0)
}

/// BT.1702-3 regular patterns, from afar.
fn patterns() -> Vec<Case> {
    let screen = far(120.0);
    let unsafe_ = flag::BT_PATTERN;
    // Rows of the screen that a pattern covers: 12 of 30 are 40 %.
    let bars = |rows: f64, wide: f64, seconds: f64, pixel: [Pixel; 2]| {
        film(seconds, move |x, y, _| match y < rows {
            false => GREY,
            true => pixel[(x / wide) as usize % 2],
        })
    };
    let reversing = |rows: f64| {
        film(4.0, move |x, y, frame| match y < rows {
            false => GREY,
            true if ((x / 2.0) as u32).is_multiple_of(2) == half(frame, 1.0) => WHITE,
            true => BLACK,
        })
    };
    let blocks = |side: u32| {
        film(1.5, move |x, y, _| {
            let at =
                (x as u32 / side).wrapping_mul(2654435761) ^ (y as u32 / side).wrapping_mul(40503 * 65537);
            if (at ^ at >> 15).wrapping_mul(0x2c1b_3c6d) >> 13 & 1 == 1 { WHITE } else { BLACK }
        })
    };
    vec![
        case("standing bars on 43 %", screen, bars(13.0, 2.0, 1.0, [BLACK, WHITE]), unsafe_),
        case("standing bars on 40 %", screen, bars(12.0, 2.0, 2.0, [BLACK, WHITE]), 0),
        case("bars of one pixel on 43 %", screen, bars(13.0, 1.0, 1.0, [BLACK, WHITE]), unsafe_),
        case(
            "bars for 0.45 s",
            screen,
            [bars(30.0, 2.0, 0.45, [BLACK, WHITE]), film(1.0, |_, _, _| GREY)].concat(),
            0,
        ),
        case("five pairs on all of the screen", screen, bars(30.0, 4.0, 2.0, [BLACK, WHITE]), 0),
        case("bars of 15 cd/m2", screen, bars(30.0, 2.0, 2.0, [grey(0.4), grey(0.525)]), 0),
        case("bars of 25 cd/m2", screen, bars(30.0, 2.0, 2.0, [grey(0.4), grey(0.61)]), unsafe_),
        case("reversing bars on 27 %", screen, reversing(8.0), unsafe_),
        case("reversing bars on 23 %", screen, reversing(7.0), 0),
        case(
            "bars that come and go",
            screen,
            film(2.0, |x, y, frame| match y < 9.0 && frame % 30 < 18 {
                false => GREY,
                true => [BLACK, WHITE][(x / 2.0) as usize % 2],
            }),
            unsafe_,
        ),
        case(
            "a checkerboard",
            screen,
            film(1.0, |x, y, _| [BLACK, WHITE][((x / 2.0) as usize + (y / 2.0) as usize) % 2]),
            unsafe_,
        ),
        case("noise of one pixel", screen, blocks(1), 0),
        case("noise of three pixels", screen, blocks(3), 0),
        case("one edge", screen, film(3.0, |x, _, _| if x < 20.0 { BLACK } else { WHITE }), 0),
    ]
}

fn packed(frame: &[Pixel]) -> Vec<u32> {
    frame.iter().map(|&pixel| pack(pixel.map(u32::from))).collect()
}

fn unpacked(governor: &Governor) -> Vec<Pixel> {
    governor.shown().map(|pixel| stimulus::safety::light::unpack(pixel).map(|code| code as u8)).collect()
}

fn governor(screen: &Screen, bound: Bound, mode: Mode) -> Governor {
    Governor::prepare(screen, LightTables::of_screen(screen, 256).unwrap(), bound, mode)
}

/// Safe sequences come through as they are; unsafe ones are stopped by the rule that they break, and what is shown
/// instead is safe. The judge agrees about both.
fn hold(cases: Vec<Case>) {
    for Case { name, screen, frames, wanted } in cases {
        let asked = judge::judge(&screen, &frames, STANDARDS);
        assert_eq!(asked.flags, wanted, "{name}: the sequence is not what it should be, {asked:?}");
        let mut governor = governor(&screen, Bound::STANDARDS, Mode::Ramp);
        let (mut found, mut shown) = (0, Vec::new());
        for (number, frame) in frames.iter().enumerate() {
            let verdict = governor.step(&packed(frame), Request::default());
            if found == 0 && verdict.flags != 0 {
                found = verdict.flags;
                assert_ne!(verdict.shown, Shown::Candidate, "{name}: frame {number}");
            }
            shown.push(unpacked(&governor));
            if wanted == 0 {
                assert_eq!(verdict.flags, 0, "{name}: frame {number} of a safe sequence, {verdict:?}");
                assert_eq!(shown[number], *frame, "{name}: frame {number}");
            }
        }
        if wanted == 0 {
            continue;
        }
        assert_ne!(found & wanted, 0, "{name}: wanted {wanted:b}, found {found:b}");
        let shown = judge::judge(&screen, &shown, STANDARDS);
        assert_eq!(shown.flags, 0, "{name}: what was shown, {shown:?}");
        // A breach ends in grey: half a second longer at most than the second in which no change may be made.
        let grey = packed(&vec![GREY; (WIDTH * HEIGHT) as usize]);
        let end = (0..90).map(|_| governor.step(&packed(&frames[0]), Request::default())).last().unwrap();
        assert!(end.closed && end.gain == 0, "{name}: {end:?}");
        assert_eq!(governor.shown().collect::<Vec<_>>(), grey, "{name}");
    }
}

#[test]
fn wcag_general_flash() {
    hold(general());
}

#[test]
fn bt1702_luminance_flash_and_extended_sequences() {
    hold(luminance());
}

#[test]
fn red_flash_of_both() {
    hold(red());
}

#[test]
fn bt1702_regular_patterns() {
    hold(patterns());
}

#[test]
fn the_judge_finds_as_many_changes_as_there_are() {
    let mut seed = 1_u64;
    for _ in 0..300 {
        let series: Vec<f64> = (0..40).map(|_| judge::random(&mut seed).powi(2)).collect();
        for counts in [
            (|dark, bright| dark < 0.8 && bright - dark >= 0.1) as fn(f64, f64) -> bool,
            |_, bright| bright >= 2.0,
            |dark, bright| bright - dark >= 0.45,
        ] {
            assert_eq!(
                judge::changes(&series, counts).len(),
                judge::most_swings(&series, counts),
                "{series:?}"
            );
        }
    }
}

#[test]
fn forty_sequences_and_more_of_each_kind() {
    let all = [general(), luminance(), red(), patterns()].concat_cases();
    let safe = all.iter().filter(|case| case.wanted == 0).count();
    assert!(all.len() >= 40 && safe >= 20 && all.len() - safe >= 20, "{} of {}", safe, all.len());
    for rule in [
        flag::WCAG_GENERAL,
        flag::WCAG_RED,
        flag::BT_LUMINANCE,
        flag::BT_RED,
        flag::BT_EXTENDED,
        flag::BT_PATTERN,
    ] {
        assert!(all.iter().filter(|case| case.wanted & rule != 0).count() >= 2, "{rule}");
    }
}

#[test]
fn another_bound_binds_as_well() {
    let screen = near(120.0);
    let (low, high) = (grey(0.2), grey(0.7));
    let mut governor = governor(&screen, Bound::stated(10), Mode::Ramp);
    // Ten seconds at ten a second, in bars: untouched.
    for frame in film(10.0, |x, _, frame| [low, high][usize::from(half(frame, 10.0) == (x % 4.0 < 2.0))]) {
        let verdict = governor.step(&packed(&frame), Request::default());
        assert_eq!(verdict.shown, Shown::Candidate, "{verdict:?}");
        assert_eq!(unpacked(&governor), frame);
    }
    let twelve = flicker(2.0, 12.0, low, high);
    let verdicts: Vec<_> =
        twelve.iter().map(|frame| governor.step(&packed(frame), Request::default())).collect();
    let first = verdicts.iter().find(|verdict| verdict.shown != Shown::Candidate).unwrap();
    assert_ne!(first.flags & flag::FLASHES, 0);
    assert!(verdicts.last().unwrap().closed);
    // None at all.
    let mut none = self::governor(&screen, Bound::stated(0), Mode::Ramp);
    let verdict = none.step(&packed(&film(0.1, |_, _, _| WHITE)[0]), Request::default());
    assert_eq!((verdict.shown, unpacked(&none)[0]), (Shown::Held, GREY));
}

#[test]
fn attenuation_is_recorded_and_a_release_gives_the_contrast_back() {
    let screen = near(30.0);
    let mut governor = governor(&screen, Bound::STANDARDS, Mode::Attenuate);
    let frames = flicker(10.0, 10.0, grey(0.2), grey(0.8));
    let (mut shown, mut last) = (Vec::new(), 65_535);
    for frame in &frames {
        let verdict = governor.step(&packed(frame), Request::default());
        assert!(verdict.attenuation <= last && !verdict.closed);
        last = verdict.attenuation;
        shown.push(unpacked(&governor));
        if verdict.shown == Shown::Candidate {
            // The contrast around grey in linear light is the recorded part of what was asked, to the step of a code.
            let linear = |code: u8| (f64::from(code) / 255.0).powf(2.2) - 0.5;
            let wanted = linear(frame[0][0]) * f64::from(verdict.attenuation) / 65_535.0;
            assert!((linear(shown.last().unwrap()[0][0]) - wanted).abs() < 0.005);
        }
    }
    assert_eq!(judge::judge(&screen, &shown, STANDARDS).flags, 0);
    // Changes of a tenth are left at a sixth of the contrast: it ends below that, by less than a quarter.
    assert!((0.12..0.17).contains(&(f64::from(last) / 65_535.0)), "{last}");
    let released = Request { release: true, ..Request::default() };
    assert_eq!(governor.step(&packed(&frames[0]), released).attenuation, 65_535);
}

#[test]
fn a_governor_that_went_to_grey_opens_on_release_with_its_history() {
    let screen = near(120.0);
    let mut governor = governor(&screen, Bound::STANDARDS, Mode::Ramp);
    for frame in flicker(4.0, 10.0, BLACK, WHITE) {
        governor.step(&packed(&frame), Request::default());
    }
    let white = packed(&film(0.1, |_, _, _| WHITE)[0]);
    let black = packed(&film(0.1, |_, _, _| BLACK)[0]);
    assert!(governor.step(&white, Request::default()).closed);
    let released = Request { release: true, ..Request::default() };
    let verdict = governor.step(&white, released);
    assert_eq!((verdict.shown, verdict.closed), (Shown::Candidate, false));
    // Five more changes within the second, then it closes again.
    let later: Vec<_> =
        (0..6).map(|step| governor.step([&black, &white][step % 2], released).shown).collect();
    assert_eq!(later, [[Shown::Candidate; 5].as_slice(), &[Shown::Held]].concat());
}

trait ConcatCases {
    fn concat_cases(self) -> Vec<Case>;
}

impl<const N: usize> ConcatCases for [Vec<Case>; N] {
    fn concat_cases(self) -> Vec<Case> {
        self.into_iter().flatten().collect()
    }
}
