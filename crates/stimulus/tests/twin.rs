//! The CPU twin and the retina against closed forms.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use std::f64::consts::TAU;

use proptest::prelude::*;
use stimulus::element::{Aperture, Course, Outline};
use stimulus::twin::render;
use stimulus::{
    Content, Flicker, FlickerKind, Grating, Moment, Patch, RetinaGrid, RetinaTemplate, Scene, Screen,
    ScreenSpec, Sheets, Waveform, retina_of,
};

fn screen(width_px: u32, height_px: u32) -> Screen {
    Screen::new(&ScreenSpec::plain(width_px, height_px)).unwrap()
}

fn grating(screen: &Screen, waveform: Waveform) -> Grating {
    Grating {
        cycles_per_px: screen.wave_vector(1.0, 45.0),
        phase: 0.05,
        center_px: screen.centre_px(),
        diameter_px: screen.size_px(10.0),
        edge_px: screen.size_px(1.0),
        flicker: Flicker::realise(FlickerKind::Counterphase, 7.5, waveform, 60.0).unwrap(),
    }
}

/// A carrier of `cycles` whole cycles along a screen that it fills, so that closed forms hold without a window.
fn full_field(screen: &Screen, cycles: u32) -> Grating {
    Grating {
        cycles_per_px: [f64::from(cycles) / f64::from(screen.width_px), 0.0],
        phase: 0.0,
        diameter_px: 1e6,
        edge_px: 0.0,
        ..grating(screen, Waveform::Square)
    }
}

#[test]
fn one_line_in_the_spectrum_and_the_stated_contrast() {
    let screen = screen(256, 8);
    for (cycles, contrast) in [(4, 0.9), (16, 0.5), (31, 0.02)] {
        let scene = Scene::grating(&full_field(&screen, cycles));
        let mut pixels = vec![0.0; 256 * 8];
        render(&scene, &Content::NONE, &Moment::new(0, contrast), &Patch::NONE, &screen, &mut pixels);
        let mean = pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels.len() as f64;
        assert!((mean - 0.5).abs() < 1e-6, "mean {mean}");
        let variance =
            pixels.iter().map(|&v| (f64::from(v) / 0.5 - 1.0).powi(2)).sum::<f64>() / pixels.len() as f64;
        // A sine of Michelson contrast C has RMS contrast C / sqrt 2.
        assert!((variance.sqrt() - contrast / 2f64.sqrt()).abs() < 1e-6);
        for line in 0..128_u32 {
            let (mut re, mut im) = (0.0, 0.0);
            for (x, &value) in pixels[..256].iter().enumerate() {
                let angle = TAU * f64::from(line) * x as f64 / 256.0;
                re += (f64::from(value) - 0.5) * angle.cos();
                im += (f64::from(value) - 0.5) * angle.sin();
            }
            let amplitude = 2.0 / 256.0 * re.hypot(im);
            let expected = if line == cycles { 0.5 * contrast } else { 0.0 };
            assert!((amplitude - expected).abs() < 1e-5, "line {line}: {amplitude}, expected {expected}");
        }
    }
}

#[test]
fn the_window_is_a_raised_cosine_inside_its_diameter() {
    let screen = screen(320, 240);
    let grating = grating(&screen, Waveform::Sine);
    let (radius, edge, [x, y]) = (grating.diameter_px / 2.0, grating.edge_px, grating.center_px);
    let aperture = Aperture::new(Outline::Ellipse { radii_px: [radius; 2] }, edge);
    let window = |at_x: f64, at_y: f64| aperture.at(at_x - x, at_y - y, 1.0);
    assert_eq!(window(x, y), 1.0);
    assert_eq!(window(x + radius - edge, y), 1.0);
    assert!((window(x, y + radius - edge / 2.0) - 0.5).abs() < 1e-12);
    assert_eq!(window(x - radius, y), 0.0);
    // Area under a disc with a raised-cosine edge: pi [ (R - e/2)^2 + e^2 (1/4 - 2/pi^2) ].
    let pi = std::f64::consts::PI;
    let expected = pi * ((radius - edge / 2.0).powi(2) + edge * edge * (0.25 - 2.0 / (pi * pi)));
    let mut sum = 0.0;
    for row in 0..240 {
        for column in 0..320 {
            sum += window(f64::from(column) + 0.5, f64::from(row) + 0.5);
        }
    }
    assert!((sum / expected - 1.0).abs() < 1e-3, "{sum} {expected}");
}

#[test]
fn counterphase_reverses_and_keeps_the_mean() {
    let screen = screen(320, 240);
    let scene = Scene::grating(&grating(&screen, Waveform::Sine));
    let (mut early, mut late) = (vec![0.0; 320 * 240], vec![0.0; 320 * 240]);
    render(&scene, &Content::NONE, &Moment::new(2, 0.8), &Patch::NONE, &screen, &mut early);
    render(&scene, &Content::NONE, &Moment::new(6, 0.8), &Patch::NONE, &screen, &mut late);
    for (a, b) in early.iter().zip(&late) {
        assert!((a + b - 1.0).abs() < 1e-6, "{a} {b}");
    }
    assert!(early.iter().any(|&v| v > 0.85));
}

#[test]
fn the_patch_is_white_in_the_first_half_and_black_on_grey() {
    let screen = screen(320, 240);
    let patch = Patch::lower_right(&screen, 24);
    let scene = Scene::grating(&grating(&screen, Waveform::Sine));
    let mut pixels = vec![0.0; 320 * 240];
    let last = pixels.len() - 1;
    for frame in 0..16 {
        render(&scene, &Content::NONE, &Moment::new(frame, 0.5), &patch, &screen, &mut pixels);
        assert_eq!(pixels[last], if frame % 8 < 4 { 1.0 } else { 0.0 });
        assert_eq!(pixels[last - 24], 0.5);
        assert_eq!(pixels.iter().filter(|&&v| v == pixels[last]).count(), 24 * 24);
    }
    render(&Scene::grey(), &Content::NONE, &Moment::new(0, 0.5), &patch, &screen, &mut pixels);
    assert_eq!((pixels[last], pixels[0]), (0.0, 0.5));
}

/// A mark that stands before a flicker, or on it, does not keep the patch white.
#[test]
fn the_patch_follows_the_first_flicker_of_several_scenes() {
    let screen = screen(320, 240);
    let flickering = Scene::grating(&grating(&screen, Waveform::Sine));
    let mut mark = flickering.clone();
    mark.courses[0] = Course::STEADY;
    let unmarked = Scene { patch_course: None, ..mark.clone() };
    for (scenes, course, flickers) in [
        (&[&mark, &flickering][..], Some(1), true),
        (&[&flickering, &mark], Some(0), true),
        (&[&unmarked, &mark, &flickering, &flickering], Some(2), true),
        (&[&unmarked, &mark], Some(1), false),
        (&[&unmarked], None, false),
    ] {
        let all = Scene::together(scenes);
        assert_eq!((all.patch_course, all.flicker().is_some()), (course, flickers));
    }
}

#[test]
fn the_retina_has_four_cells_per_cycle_and_covers_the_stimulus() {
    let screen = screen(320, 240);
    let scenes = [Scene::grey(), Scene::grating(&grating(&screen, Waveform::Sine))];
    let grid = RetinaGrid::for_scenes(&scenes, &screen);
    assert_eq!((grid.cell_px, grid.columns, grid.rows, grid.left_px, grid.top_px), (2, 64, 64, 96, 56));

    let fine =
        Grating { cycles_per_px: [0.3, 0.0], center_px: [300.0, 10.0], ..grating(&screen, Waveform::Sine) };
    let grid = RetinaGrid::for_scenes(&[Scene::grey(), Scene::grating(&fine)], &screen);
    assert_eq!((grid.cell_px, grid.left_px, grid.top_px), (1, 236, 10));
    let coarse = RetinaGrid::for_scenes(&[Scene::grey()], &screen);
    assert_eq!((coarse.columns, coarse.rows), (64.min(320 / coarse.cell_px), 240 / coarse.cell_px));
}

#[test]
fn a_block_attenuates_a_carrier_by_its_dirichlet_factor() {
    // Mean of n samples of cos: sin(n w / 2) / (n sin(w / 2)), at the block's centre.
    let screen = screen(256, 64);
    let grating = full_field(&screen, 16);
    let grid = RetinaGrid { cell_px: 4, columns: 64, rows: 16, left_px: 0, top_px: 0 };
    let scene = Scene::grating(&grating);
    let mut template = RetinaTemplate::prepare(&scene, &Sheets::default(), &grid, &screen);
    let mut cells = vec![0.0; grid.cells()];
    template.frame(&Moment::new(0, 1.0), &mut cells);
    let w = TAU * 16.0 / 256.0;
    let factor = (2.0 * w).sin() / (4.0 * (w / 2.0).sin());
    for (cell, pattern) in cells.iter().map(|light| 2.0 * light - 1.0).enumerate() {
        let centre = (cell % 64) as f64 * 4.0 + 2.0;
        let expected = factor * (w * (centre - 128.0)).cos();
        assert!((pattern - expected).abs() < 1e-9, "cell {cell}: {pattern} {expected}");
    }
}

proptest! {
    #[test]
    fn template_equals_the_reduction(
        frame in 0_u64..1_000_000, contrast in 0.0..=1.0_f64, cpd in 0.2..4.0_f64, orientation in 0.0..180.0_f64,
    ) {
        let screen = screen(160, 120);
        let scene = Scene::grating(&Grating {
            cycles_per_px: screen.wave_vector(cpd, orientation),
            ..grating(&screen, Waveform::Sine)
        });
        let grid = RetinaGrid::for_scenes(std::slice::from_ref(&scene), &screen);
        let (mut direct, mut prepared) = (vec![0.0; grid.cells()], vec![0.0; grid.cells()]);
        let moment = Moment::new(frame, contrast);
        retina_of(&scene, &Content::NONE, &moment, &grid, &screen, &mut direct);
        RetinaTemplate::prepare(&scene, &Sheets::default(), &grid, &screen).frame(&moment, &mut prepared);
        for (a, b) in direct.iter().zip(&prepared) {
            prop_assert!((a - b).abs() < 1e-6);
            prop_assert!((0.0..=1.0).contains(a));
        }
    }
}
