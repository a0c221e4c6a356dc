//! What covers, in which order, and in which channels.

use std::f64::consts::PI;

use stimulus::element::{Contrast, Course, Element, Fade, Moment, Motion, Outline, Paint, Wave};
use stimulus::{Content, Scene};

use super::{CENTRE, SIDE, grating, light, plain};

const RED: [f64; 3] = [0.8, 0.1, 0.2];
const BLUE: [f64; 3] = [0.1, 0.2, 0.9];

fn cover(outline: Outline, edge_px: f64, center_px: [f64; 2], colour: [f64; 3], course: usize) -> Element {
    let paint = Paint::Cover { low: colour, high: colour };
    Element { paint, course, ..plain(outline, edge_px, center_px) }
}

#[test]
fn what_covers_hides_by_its_window_and_its_opacity() {
    let below = grating([0.06, 0.03], 0.0, Wave::Sine);
    let (outline, frames) = (Outline::Ellipse { radii_px: [60.0; 2] }, 40);
    let fade = Course { fade: Some(Fade { after: 10, frames }), ..Course::STEADY };
    for frame in [0, 10, 17, 30, 43, 50, 90] {
        let moment = Moment::new(frame, 1.0);
        let draw = |elements: Vec<Element>| {
            light(elements, vec![Course::STEADY, fade.clone()], &Content::NONE, &moment)
        };
        let under = draw(vec![below.clone()]);
        let over = draw(vec![below.clone(), cover(outline, 30.0, CENTRE, RED, 1)]);
        let part = (frame.saturating_sub(10) as f64 / frames as f64).min(1.0);
        let opacity = 0.5 - 0.5 * (PI * part).cos();
        for place in 0..SIDE * SIDE {
            let (x, y) = ((place % SIDE) as f64 + 0.5, (place / SIDE) as f64 + 0.5);
            let inside = 60.0 - (x - CENTRE[0]).hypot(y - CENTRE[1]);
            let hidden = opacity * (0.5 - 0.5 * (PI * (inside / 30.0).clamp(0.0, 1.0)).cos());
            for channel in 0..3 {
                let wanted = hidden * RED[channel] + (1.0 - hidden) * under[place][channel];
                assert!((over[place][channel] - wanted).abs() < 1e-12, "frame {frame}, {x} {y}");
            }
        }
    }
}

#[test]
fn the_last_of_two_that_cover_lies_on_top() {
    let disc = |x: f64, colour| cover(Outline::Ellipse { radii_px: [30.0; 2] }, 0.0, [x, 100.0], colour, 0);
    let draw = |elements| light(elements, vec![Course::STEADY], &Content::NONE, &Moment::new(0, 1.0));
    let at = |light: &[[f64; 3]], x: usize| light[100 * SIDE + x];
    for (elements, top) in
        [(vec![disc(85.0, RED), disc(115.0, BLUE)], BLUE), (vec![disc(115.0, BLUE), disc(85.0, RED)], RED)]
    {
        let seen = draw(elements);
        assert_eq!([at(&seen, 60), at(&seen, 100), at(&seen, 140)], [RED, top, BLUE]);
        assert_eq!(at(&seen, 160), [0.5; 3]);
    }
    // What modulates changes what covers only from above.
    let wave = grating([0.0, 0.0], 0.0, Wave::Sine);
    let above = at(&draw(vec![disc(100.0, RED), wave.clone()]), 100);
    let below = at(&draw(vec![wave, disc(100.0, RED)]), 100);
    assert_eq!(below, RED);
    assert_eq!(above, RED.map(|light| light + 0.5));
}

#[test]
fn an_eyes_glass_lets_its_channels_change_alone() {
    let mut left = grating([0.05, 0.02], 0.0, Wave::Sine);
    left.channels = [true, false, false];
    let mut right = cover(Outline::Cross { arm_px: 70.0, half_px: 20.0 }, 0.0, CENTRE, [0.9; 3], 0);
    right.channels = [false, true, true];
    let draw = |elements| light(elements, vec![Course::STEADY], &Content::NONE, &Moment::new(0, 0.7));
    let open = |element: &Element| draw(vec![Element { channels: [true; 3], ..element.clone() }]);
    let (whole, seen) = ([open(&left), open(&right)], draw(vec![left.clone(), right.clone()]));
    for (place, [r, g, b]) in seen.iter().enumerate() {
        assert_eq!([*r, *g, *b], [whole[0][place][0], whole[1][place][1], whole[1][place][2]]);
    }
    let changed = |light: &[[f64; 3]], channel: usize| light.iter().any(|rgb| rgb[channel] != 0.5);
    let alone = [draw(vec![left]), draw(vec![right])];
    assert_eq!([0, 1, 2].map(|channel| changed(&alone[0], channel)), [true, false, false]);
    assert_eq!([0, 1, 2].map(|channel| changed(&alone[1], channel)), [false, true, true]);
}

/// Whether two elements may be drawn without blending: counted pixel by pixel, and by what the scene says.
#[test]
fn elements_are_scattered_just_where_no_pixel_is_shared() {
    let still = |second: Element| Scene {
        elements: vec![plain(Outline::Rectangle { half_px: [10.0, 20.0] }, 0.0, CENTRE), second],
        courses: vec![Course::STEADY],
        ..Scene::grey()
    };
    let square = |at: [f64; 2]| plain(Outline::Rectangle { half_px: [5.0; 2] }, 0.0, at);
    for (x, y, apart) in
        [(115.2, 100.0, false), (117.5, 100.0, true), (100.0, 127.5, true), (90.0, 74.5, false)]
    {
        let scene = still(square([x, y]));
        assert_eq!(scene.is_scattered(), apart, "{x} {y}");
        if apart {
            let one = |element: &Element| {
                light(vec![element.clone()], vec![Course::STEADY], &Content::NONE, &Moment::new(0, 1.0))
            };
            let (first, second) = (one(&scene.elements[0]), one(&scene.elements[1]));
            assert!(first.iter().zip(&second).all(|(a, b)| a[1] == 0.5 || b[1] == 0.5));
        }
    }
    // Far apart, but it is turned: its corner reaches across; or it moves.
    assert!(still(square([117.5, 100.0])).is_scattered());
    assert!(!still(square([117.5, 100.0]).turned(0.6)).is_scattered());
    let mut moving = still(square([150.0, 100.0]));
    assert!(moving.is_scattered());
    moving.courses[0].motion = Motion::Turn { cycles_per_frame: 0.01 };
    assert!(!moving.is_scattered());
    assert!(Scene::grey().is_scattered());
}

/// A mark that stays whatever is commanded gives way to grey under the display's veil, as evenly as the veil falls.
#[test]
fn what_has_a_contrast_of_its_own_fades_with_the_veil() {
    let mark = cover(Outline::Ellipse { radii_px: [20.0; 2] }, 0.0, CENTRE, RED, 0);
    let letter = Element { paint: Paint::Stencil(BLUE), ..mark.clone() };
    let wave = grating([0.0, 0.0], 0.0, Wave::Sine);
    let own = Course { contrast: Contrast::Own(1.0), ..Course::STEADY };
    let middle = |element: &Element, contrast: f64, veil: f64| {
        let moment = Moment { veil, ..Moment::new(3, contrast) };
        light(vec![element.clone()], vec![own.clone()], &Content::NONE, &moment)[100 * SIDE + 100]
    };
    for element in [&mark, &letter, &wave] {
        let whole = middle(element, 0.4, 1.0);
        assert_eq!(whole, middle(element, 0.0, 1.0), "whatever is commanded");
        for veil in [0.75, 0.5, 0.125, 0.0] {
            for (seen, whole) in middle(element, 0.4, veil).into_iter().zip(whole) {
                assert!((seen - (0.5 + veil * (whole - 0.5))).abs() < 1e-12, "{veil}: {seen} of {whole}");
            }
        }
    }
    // What is commanded has the veil in its contrast.
    let commanded = |veil| {
        let moment = Moment { veil, ..Moment::new(3, 0.4) };
        light(vec![wave.clone()], vec![Course::STEADY], &Content::NONE, &moment)
    };
    assert_eq!(commanded(0.5), commanded(1.0));
}
