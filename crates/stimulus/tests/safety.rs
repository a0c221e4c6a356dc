//! The photosensitivity rule on both sides of each of its bounds.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use stimulus::safety::{BT1702_AREA_FRACTION, WCAG_AREA_SR};
use stimulus::{FlashAnalyser, FlashReport, Screen, ScreenSpec};

fn screen(luminance_max_cd_m2: f64) -> Screen {
    Screen::new(&ScreenSpec { luminance_max_cd_m2, ..ScreenSpec::plain(320, 240) }).unwrap()
}

/// Three seconds in which cells for which `inside` holds go from `dark` to `bright` and back `hz` times a second.
fn run(screen: &Screen, hz: f64, dark: f64, bright: f64, inside: impl Fn(f64, f64) -> bool) -> FlashReport {
    let mut analyser = FlashAnalyser::prepare(screen, 64, 48);
    let mut cells = vec![dark; 64 * 48];
    for frame in 0..180_u32 {
        let value = if (f64::from(frame) * hz / 60.0).fract() < 0.5 { dark } else { bright };
        for (at, cell) in cells.iter_mut().enumerate() {
            if inside((at % 64) as f64 * 5.0 + 2.5, (at / 64) as f64 * 5.0 + 2.5) {
                *cell = value;
            }
        }
        analyser.push(&cells);
    }
    analyser.worst()
}

fn everywhere(_: f64, _: f64) -> bool {
    true
}

#[test]
fn three_flashes_a_second_pass_and_four_fail() {
    let screen = screen(120.0);
    let three = run(&screen, 3.0, 0.2, 0.7, everywhere);
    assert!(three.passes() && three.max_flashes_per_s() == 3, "{three:?}");
    let four = run(&screen, 4.0, 0.2, 0.7, everywhere);
    assert!(!four.wcag.passes && !four.bt1702.passes, "{four:?}");
    assert_eq!((four.wcag.max_flashes_per_s, four.bt1702.max_flashes_per_s), (4, 4));
    assert!((four.bt1702.area - 1.0).abs() < 1e-12);
}

#[test]
fn wcag_counts_changes_of_a_tenth_of_the_maximum() {
    let screen = screen(1000.0);
    assert_eq!(run(&screen, 6.0, 0.30, 0.39, everywhere).wcag.max_flashes_per_s, 0);
    assert_eq!(run(&screen, 6.0, 0.30, 0.41, everywhere).wcag.max_flashes_per_s, 6);
    // The darker state at 0.80 and above does not count.
    assert_eq!(run(&screen, 6.0, 0.81, 1.0, everywhere).wcag.max_flashes_per_s, 0);
    assert_eq!(run(&screen, 6.0, 0.79, 1.0, everywhere).wcag.max_flashes_per_s, 6);
}

#[test]
fn bt1702_counts_changes_of_twenty_candela() {
    let dim = screen(100.0);
    assert_eq!(run(&dim, 6.0, 0.30, 0.49, everywhere).bt1702.max_flashes_per_s, 0);
    assert_eq!(run(&dim, 6.0, 0.30, 0.51, everywhere).bt1702.max_flashes_per_s, 6);
    let standard = screen(199.0);
    assert_eq!(run(&standard, 6.0, 161.0 / 199.0, 1.0, everywhere).bt1702.max_flashes_per_s, 0);
    assert_eq!(run(&standard, 6.0, 159.0 / 199.0, 1.0, everywhere).bt1702.max_flashes_per_s, 6);
    // A screen that is brighter than standard television: above 160 cd/m2 by contrast, more than 1/17.
    let bright = screen(400.0);
    assert_eq!(run(&bright, 6.0, 0.5, 0.5 * 1.12, everywhere).bt1702.max_flashes_per_s, 0);
    assert_eq!(run(&bright, 6.0, 0.5, 0.5 * 1.13, everywhere).bt1702.max_flashes_per_s, 6);
    // The two rules differ in units: the same frames on a dim screen keep one and break the other.
    let very_dim = screen(30.0);
    let report = run(&very_dim, 6.0, 0.2, 0.7, everywhere);
    assert!(report.bt1702.passes && !report.wcag.passes, "{report:?}");
}

#[test]
fn areas_below_the_bound_pass() {
    let screen = screen(120.0);
    let disc = |diameter_deg: f64| {
        let radius = screen.size_px(diameter_deg) / 2.0;
        move |x: f64, y: f64| (x - 160.0).hypot(y - 120.0) <= radius
    };
    // 0.006 sr is a disc of 5.0 degrees.
    let small = run(&screen, 6.0, 0.2, 0.7, disc(4.7));
    assert!(small.wcag.passes && small.wcag.area > 0.9 * 0.88 * WCAG_AREA_SR, "{small:?}");
    let large = run(&screen, 6.0, 0.2, 0.7, disc(5.4));
    assert!(!large.wcag.passes && large.wcag.area < 1.25 * WCAG_AREA_SR, "{large:?}");
    assert!(large.bt1702.passes, "3 % of the screen");
    // 15 and 17 of 64 columns are 23 % and 27 % of the screen.
    let columns = |count: f64| move |x: f64, _: f64| x < count * 5.0;
    let narrow = run(&screen, 6.0, 0.2, 0.7, columns(15.0));
    assert!(narrow.bt1702.passes && (narrow.bt1702.area - 15.0 / 64.0).abs() < 1e-12);
    let wide = run(&screen, 6.0, 0.2, 0.7, columns(17.0));
    assert!(!wide.bt1702.passes && wide.bt1702.area > BT1702_AREA_FRACTION);
}

#[test]
fn two_far_spots_are_not_one_field() {
    let screen = screen(120.0);
    let radius = screen.size_px(4.5) / 2.0;
    let spots = |distance_px: f64| {
        move |x: f64, y: f64| {
            let near = |centre: f64| (x - centre).hypot(y - 120.0) <= radius;
            near(160.0 - distance_px / 2.0) || near(160.0 + distance_px / 2.0)
        }
    };
    let apart = run(&screen, 6.0, 0.2, 0.7, spots(200.0));
    assert!(apart.wcag.passes, "{apart:?}");
    // 5 degrees apart both lie within one field of 10 degrees.
    let together = run(&screen, 6.0, 0.2, 0.7, spots(50.0));
    assert!(!together.wcag.passes, "{together:?}");
}

#[test]
fn a_burst_counts_wherever_it_falls_in_the_second() {
    // Four flashes in 0.8 s, then nothing: a window that only looks at whole seconds could cut it in two.
    let screen = screen(120.0);
    let mut analyser = FlashAnalyser::prepare(&screen, 8, 6);
    for frame in 0..300_u32 {
        let burst = (95..143).contains(&frame) && (frame - 95) % 12 < 6;
        analyser.push(&[if burst { 0.7 } else { 0.2 }; 48]);
    }
    let report = analyser.worst();
    assert_eq!(report.max_flashes_per_s(), 4);
    assert!(!report.passes());
}
