//! Elements against closed forms: areas of windows, spectra of waves, motion, noise, sheets, and how light adds up.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod covering;
mod motion;
mod noise;
mod sheets;
mod waves;
mod windows;

use stimulus::element::{Aperture, Course, Element, Moment, Outline, Paint, Pattern, Wave};
use stimulus::twin::Twin;
use stimulus::{Content, Scene, Screen, ScreenSpec};

const SIDE: usize = 200;
const CENTRE: [f64; 2] = [100.0, 100.0];

fn screen() -> Screen {
    Screen::new(&ScreenSpec::plain(SIDE as u32, SIDE as u32)).unwrap()
}

/// Light of a scene, `SIDE * SIDE` pixels.
fn light(
    elements: Vec<Element>,
    courses: Vec<Course>,
    content: &Content<'_>,
    moment: &Moment,
) -> Vec<[f64; 3]> {
    let scene = Scene { elements, courses, ..Scene::grey() };
    Twin::prepare(&screen(), scene.courses.len()).render(&scene, moment, content).to_vec()
}

/// What elements with a steady course add to the grey, over its half: the value of their patterns.
fn shown(elements: Vec<Element>, frame: u64) -> Vec<f64> {
    changed(elements, Course::STEADY, frame)
}

fn changed(elements: Vec<Element>, course: Course, frame: u64) -> Vec<f64> {
    let light = light(elements, vec![course], &Content::NONE, &Moment::new(frame, 1.0));
    light.iter().map(|rgb| 2.0 * rgb[1] - 1.0).collect()
}

fn plain(outline: Outline, edge_px: f64, center_px: [f64; 2]) -> Element {
    Element::new(center_px, Pattern::Uniform, Aperture::new(outline, edge_px), Paint::ACHROMATIC, 0)
}

/// A pattern over all of the screen.
fn full(pattern: Pattern) -> Element {
    let half = [SIDE as f64 / 2.0; 2];
    Element::new(CENTRE, pattern, Aperture::OPEN, Paint::ACHROMATIC, 0).with_half_px(half)
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn mean(values: &[f64]) -> f64 {
    sum(values) / values.len() as f64
}

/// A grating over all of the screen.
fn grating(cycles_per_px: [f64; 2], phase: f64, wave: Wave) -> Element {
    full(Pattern::Grating { cycles_per_px, phase, wave })
}
