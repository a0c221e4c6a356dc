//! A scene by the photosensitivity rule before it is shown, beside the governor that would be given its frames.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use stimulus::element::{Aperture, Course, Draw, Modulation, Outline, Paint, Pattern, Renewal, Span, Wave};
use stimulus::safety::light::pack;
use stimulus::safety::{Bound, Governor, LightTables, Lit, Mode, Request, Shown, assess};
use stimulus::twin::Twin;
use stimulus::{
    Content, Element, FlashReport, Flicker, FlickerKind, Grating, Light, Moment, Scene, Screen, ScreenSpec,
    Sheets, Transfer, Waveform,
};

/// One cm is one degree, and so are ten px.
fn screen(width_px: u32, height_px: u32) -> Screen {
    Screen::new(&ScreenSpec::plain(width_px, height_px)).unwrap()
}

fn light() -> Light {
    Light::prepare(&Transfer::Gamma([2.2; 3]), 8, None).unwrap()
}

fn judged(scene: &Scene, contrast: f64, screen: &Screen) -> FlashReport {
    judged_by(&[Bound::STANDARDS], scene, contrast, screen)[0]
}

fn judged_by(bounds: &[Bound], scene: &Scene, contrast: f64, screen: &Screen) -> Vec<FlashReport> {
    let (light, tables) = (light(), LightTables::of_screen(screen, 256).unwrap());
    let lit = Lit { screen, light: &light, tables: &tables };
    assess(scene, &Sheets::default(), contrast, &lit, bounds)
}

#[test]
fn several_bounds_at_once_say_what_each_says_alone() {
    let screen = screen(120, 90);
    // Of the last, one bound is judged for longer than the others.
    let scenes = [
        grating(&screen, 7.5, 1.0, 8.0),
        grating(&screen, 1.0, 3.0, 8.0),
        pair(&screen, 2.5, [0.2; 3], [0.9; 3]),
        pair(&screen, 5.0, [0.2; 3], [0.9; 3]),
    ];
    let bounds = [2, 3, 8].map(Bound::stated);
    for scene in &scenes {
        let alone = bounds.map(|bound| judged_by(&[bound], scene, 0.8, &screen)[0]);
        assert_eq!(judged_by(&bounds, scene, 0.8, &screen), alone);
    }
    let kept = |scene| {
        judged_by(&bounds, scene, 0.8, &screen).iter().zip(&bounds).map(|(it, by)| it.keeps(by)).collect()
    };
    let kept: Vec<Vec<bool>> = scenes[2..].iter().map(kept).collect();
    assert_eq!(kept, [[false, false, true], [false, false, true]]);
}

fn flicker(kind: FlickerKind, hz: f64, waveform: Waveform) -> Course {
    Course::flickering(Flicker::realise(kind, hz, waveform, 60.0).unwrap())
}

fn grating(screen: &Screen, hz: f64, cpd: f64, diameter_deg: f64) -> Scene {
    Scene::grating(&Grating {
        cycles_per_px: screen.wave_vector(cpd, 45.0),
        phase: 0.0,
        center_px: screen.centre_px(),
        diameter_px: screen.size_px(diameter_deg),
        edge_px: screen.size_px(1.0),
        flicker: Flicker::realise(FlickerKind::Counterphase, hz, Waveform::Sine, 60.0).unwrap(),
    })
}

fn whole(screen: &Screen, pattern: Pattern, paint: Paint, course: usize) -> Element {
    Element::new(screen.centre_px(), pattern, Aperture::OPEN, paint, course).with_half_px(screen.centre_px())
}

/// The whole screen in one colour, on top of it another that comes and goes.
fn pair(screen: &Screen, hz: f64, below: [f64; 3], above: [f64; 3]) -> Scene {
    let elements = vec![
        whole(screen, Pattern::Uniform, Paint::Cover { low: below, high: below }, 0),
        whole(screen, Pattern::Uniform, Paint::Stencil(above), 1),
    ];
    let courses = vec![Course::STEADY, flicker(FlickerKind::OnOff, hz, Waveform::Square)];
    Scene { elements, courses, ..Scene::grey() }
}

#[test]
fn a_counterphase_grating_flashes_though_its_mean_is_constant() {
    let screen = screen(320, 240);
    let judged =
        |hz, diameter_deg, contrast| judged(&grating(&screen, hz, 1.0, diameter_deg), contrast, &screen);
    let report = judged(7.5, 10.0, 0.9);
    assert!(!report.wcag.passes && report.bt1702.passes, "{report:?}");
    assert!((7..=8).contains(&report.max_flashes_per_s()), "{report:?}");
    // A sine of three a second makes a seventh change within its first second, because it comes from grey.
    assert!(!judged(3.0, 10.0, 0.9).passes());
    // Slower than three a second, fainter than a tenth, or smaller than five degrees: allowed.
    assert!(judged(2.5, 10.0, 0.9).passes());
    assert_eq!(judged(7.5, 10.0, 0.09).max_flashes_per_s(), 0);
    assert!(judged(7.5, 4.0, 0.9).passes());
    assert!(self::judged(&Scene::grey(), 1.0, &screen).passes_all());
}

#[test]
fn a_saturated_red_flashes_however_dark_it_is() {
    let screen = screen(320, 240);
    // 10.2 cd/m2, 8.5 % of white: no flash of luminance by either standard.
    let red = judged(&pair(&screen, 15.0, [0.0; 3], [0.4, 0.0, 0.0]), 1.0, &screen);
    assert!(!red.wcag_red.passes && !red.bt1702_red.passes, "{red:?}");
    assert!(red.wcag.passes && red.bt1702.passes && !red.passes(), "{red:?}");
    assert!((14..=16).contains(&red.wcag_red.max_flashes_per_s), "{red:?}");
    // The same luminance in grey, and against a red of the same chromaticity.
    for (below, above) in [([0.0; 3], [0.085; 3]), ([0.2, 0.0, 0.0], [0.4, 0.0, 0.0])] {
        let report = judged(&pair(&screen, 15.0, below, above), 1.0, &screen);
        assert!(report.passes_all(), "{report:?}");
    }
    // Three a second, or a small spot, are allowed in red as well.
    assert!(judged(&pair(&screen, 3.0, [0.0; 3], [0.4, 0.0, 0.0]), 1.0, &screen).passes());
}

#[test]
fn what_lasts_and_what_is_striped_is_judged() {
    let screen = screen(320, 240);
    // Two and a half flashes a second keep the rule of a second, but not for longer than five.
    let slow = judged(&pair(&screen, 2.5, [0.2; 3], [0.7; 3]), 1.0, &screen);
    assert!(slow.passes() && slow.extended_area > 0.25 && !slow.passes_all(), "{slow:?}");
    let red = judged(&pair(&screen, 2.5, [0.0; 3], [0.4, 0.0, 0.0]), 1.0, &screen);
    assert!(red.passes() && red.extended_area > 0.25 && !red.passes_all(), "{red:?}");
    let stripes = |cpd| {
        let wave = screen.wave_vector(cpd, 90.0);
        let pattern = Pattern::Grating { cycles_per_px: wave, phase: 0.0, wave: Wave::Square };
        let element = whole(&screen, pattern, Paint::ACHROMATIC, 0);
        judged(&Scene::of(element, Course::STEADY), 0.9, &screen)
    };
    let fine = stripes(1.0);
    assert!(fine.passes() && fine.pattern_lasts && !fine.passes_all(), "{fine:?}");
    assert!(stripes(0.1).passes_all(), "three pairs");
}

#[test]
fn white_noise_is_no_pattern() {
    let screen = screen(320, 240);
    for draw in [Draw::Binary, Draw::Uniform, Draw::Gaussian { sd: 0.3 }] {
        for cell_px in [4, 7, 16] {
            let pattern = Pattern::Noise { left_px: 5, top_px: 0, cell_px, draw, seed: 8 };
            let scene = Scene::of(whole(&screen, pattern, Paint::ACHROMATIC, 0), Course::STEADY);
            let report = judged(&scene, 1.0, &screen);
            assert!(report.passes_all() && report.pattern_area < 0.25, "{draw:?} {cell_px}: {report:?}");
            assert!(!stopped(&scene, 1.0, 0.6, &screen), "{draw:?} {cell_px}");
        }
    }
}

/// Whether the governor stops any of the frames.
fn stopped(scene: &Scene, contrast: f64, seconds: f64, screen: &Screen) -> bool {
    let (light, tables) = (light(), LightTables::of_screen(screen, 256).unwrap());
    let mut governor = Governor::prepare(screen, tables, Bound::STANDARDS, Mode::Ramp);
    let mut twin = Twin::prepare(screen, scene.courses.len());
    let content = Content { sheets: &Sheets::default(), picture: &[] };
    let width = screen.width_px as usize;
    (0..(seconds * screen.refresh_hz) as u64).any(|frame| {
        let drawn = twin.render(scene, &Moment::new(frame, contrast), &content);
        let pixels: Vec<u32> = drawn
            .iter()
            .enumerate()
            .map(|(place, pixel)| {
                let at = [(place % width) as u32, (place / width) as u32];
                pack(light.encode(pixel.map(|part| part as f32), at, frame))
            })
            .collect();
        governor.step(&pixels, Request::default()).shown != Shown::Candidate
    })
}

#[test]
fn nothing_passes_that_the_governor_would_stop() {
    let screen = &screen(120, 90);
    let disc = |pattern: Pattern, diameter_deg: f64, paint: Paint, course: Course| {
        let outline = Outline::Ellipse { radii_px: [0.5 * screen.size_px(diameter_deg); 2] };
        Scene::of(Element::new(screen.centre_px(), pattern, Aperture::new(outline, 0.0), paint, 0), course)
    };
    let noise = |draw: Draw, cell_px: u32, frames: u32| {
        let pattern = Pattern::Noise { left_px: 0, top_px: 0, cell_px, draw, seed: 3 };
        let renewal = Renewal::Every { frames, count: 0 };
        disc(pattern, 11.0, Paint::ACHROMATIC, Course { renewal, ..Course::STEADY })
    };
    let red = Paint::Cover { low: [0.0, 1.0, 1.0], high: [1.0, 0.0, 0.0] };
    let square = |hz| flicker(FlickerKind::OnOff, hz, Waveform::Square);
    let drifting = |drift: f64| {
        let pattern =
            Pattern::Grating { cycles_per_px: screen.wave_vector(0.8, 20.0), phase: 0.0, wave: Wave::Sine };
        disc(pattern, 9.0, Paint::ACHROMATIC, Course { drift, ..Course::STEADY })
    };
    let checks = Pattern::Checkerboard { check_px: [7.0; 2] };
    let reversing = Course {
        modulation: Modulation::Steady,
        ..flicker(FlickerKind::Counterphase, 2.0, Waveform::Square)
    };
    let scenes = [
        ("grating", grating(screen, 7.5, 1.0, 8.0)),
        ("slow grating", grating(screen, 2.5, 1.0, 8.0)),
        ("fine grating", grating(screen, 6.0, 4.0, 8.0)),
        ("drift", drifting(0.1)),
        ("slow drift", drifting(0.02)),
        ("binary noise", noise(Draw::Binary, 1, 2)),
        ("sparse noise", noise(Draw::Sparse { density: 0.1 }, 3, 2)),
        ("fast sparse noise", noise(Draw::Sparse { density: 0.4 }, 2, 3)),
        ("gaussian noise", noise(Draw::Gaussian { sd: 0.2 }, 4, 4)),
        ("slow noise", noise(Draw::Gaussian { sd: 0.2 }, 4, 20)),
        ("checks", disc(checks, 10.0, Paint::ACHROMATIC, square(15.0))),
        ("still checks", disc(checks, 10.0, Paint::ACHROMATIC, reversing)),
        ("red", pair(screen, 15.0, [0.0; 3], [0.4, 0.0, 0.0])),
        ("red and cyan", disc(Pattern::Uniform, 6.0, red, square(10.0))),
        ("flash", disc(Pattern::Uniform, 5.1, Paint::ACHROMATIC, square(10.0))),
        ("small flash", disc(Pattern::Uniform, 4.6, Paint::ACHROMATIC, square(10.0))),
        ("lasting", pair(screen, 2.5, [0.2; 3], [0.7; 3])),
    ];
    let mut counts = [0; 2];
    for (name, scene) in scenes {
        for contrast in [0.15, 0.9] {
            let seconds = if name == "lasting" { 6.0 } else { 2.0 };
            let stopped = stopped(&scene, contrast, seconds, screen);
            let report = judged(&scene, contrast, screen);
            assert!(!(stopped && report.passes_all()), "{name} at {contrast}: {report:?}");
            // Where areas are counted by samples, that near to their bound.
            assert!(
                stopped || report.passes_all() || name == "sparse noise",
                "{name} at {contrast}: {report:?}"
            );
            counts[usize::from(stopped)] += 1;
        }
    }
    assert!(counts.iter().all(|&count| count > 5), "both sides: {counts:?}");
}

#[test]
fn what_flashes_late_or_between_the_samples_is_seen() {
    let large = &screen(320, 240);
    let judged = |pattern: Pattern, course: Course| {
        judged(&Scene::of(whole(large, pattern, Paint::ACHROMATIC, 0), course), 0.9, large)
    };
    // Four seconds of nothing, then ten flashes a second.
    let flashes = flicker(FlickerKind::OnOff, 10.0, Waveform::Square);
    let late = Course { span: Some(Span::once(240, 1000)), ..flashes };
    assert!(!judged(Pattern::Uniform, late).passes());
    for check_px in [2.0, 40.0] {
        let reversing = flicker(FlickerKind::Counterphase, 5.0, Waveform::Square);
        let report = judged(Pattern::Checkerboard { check_px: [check_px; 2] }, reversing);
        assert!(!report.passes() && report.bt1702.area > 0.9, "{check_px}: {report:?}");
    }
    // A pixel in five flashes at a time, each of them rarely: every cell of 0.1 degree does, often.
    let (draw, cell_px) = (Draw::Sparse { density: 0.4 }, 1);
    let pattern = Pattern::Noise { left_px: 0, top_px: 0, cell_px, draw, seed: 1 };
    let renewal = Renewal::Every { frames: 4, count: 0 };
    assert!(!judged(pattern, Course { renewal, ..Course::STEADY }).passes());
}
