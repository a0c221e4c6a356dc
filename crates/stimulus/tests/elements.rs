//! Elements against closed forms: areas of windows, spectra of waves, motion, noise, sheets, and how light adds up.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use stimulus::dots::{Dot, Field};
use stimulus::element::{
    Aperture, Contrast, Course, Draw, Element, Modulation, Moment, Motion, Outline, Paint, Pattern, Renewal,
    Wave,
};
use stimulus::letters;
use stimulus::sheet::{Between, Sheet, Source, Texels, Transfer};
use stimulus::twin::Twin;
use stimulus::{Content, Scene, Screen, ScreenSpec, Sheets};

const SIDE: usize = 200;
const CENTRE: [f64; 2] = [100.0, 100.0];

fn screen() -> Screen {
    Screen::new(&ScreenSpec {
        width_px: SIDE as u32,
        height_px: SIDE as u32,
        width_cm: 20.0,
        height_cm: 20.0,
        distance_cm: 57.3,
        refresh_hz: 60.0,
        luminance_max_cd_m2: 120.0,
        luminance_min_cd_m2: 0.0,
        gamma: 2.2,
    })
    .unwrap()
}

/// Light of a scene, `SIDE * SIDE` pixels.
fn light(
    elements: Vec<Element>,
    courses: Vec<Course>,
    content: &Content<'_>,
    moment: &Moment,
) -> Vec<[f64; 3]> {
    let scene = Scene { elements, courses, patch_course: None };
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

/// Correlation coefficient.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let moment = |x: &[f64], mx: f64, y: &[f64], my: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
    };
    moment(a, mean_a, b, mean_b) / (moment(a, mean_a, a, mean_a) * moment(b, mean_b, b, mean_b)).sqrt()
}

// --------------------------------------------------------------------------------------------------------- windows

/// Outlines with the areas that geometry gives them.
fn outlines() -> impl Strategy<Value = (Outline, f64)> {
    let disc = (15.0..60.0).prop_map(|r: f64| (Outline::Ellipse { radii_px: [r, r] }, PI * r * r));
    let ellipse = (15.0..60.0, 0.25..1.0).prop_map(|(a, ratio): (f64, f64)| {
        (Outline::Ellipse { radii_px: [a, ratio * a] }, PI * a * a * ratio)
    });
    let ring = (5.0..25.0, 30.0..60.0).prop_map(|(inner_px, outer_px): (f64, f64)| {
        let outline = Outline::Sector { inner_px, outer_px, middle_rad: 0.0, half_rad: TAU };
        (outline, PI * (outer_px * outer_px - inner_px * inner_px))
    });
    let sector = (5.0..25.0, 40.0..60.0, -3.0..3.0, 0.4..2.9).prop_map(
        |(inner_px, outer_px, middle_rad, half_rad): (f64, f64, f64, f64)| {
            let outline = Outline::Sector { inner_px, outer_px, middle_rad, half_rad };
            (outline, half_rad * (outer_px * outer_px - inner_px * inner_px))
        },
    );
    let polygon = (3..9_u32, 30.0..60.0).prop_map(|(corners, radius_px): (u32, f64)| {
        let n = f64::from(corners);
        (Outline::Polygon { corners, radius_px }, 0.5 * n * radius_px * radius_px * (TAU / n).sin())
    });
    let cross = (25.0..60.0, 4.0..20.0).prop_map(|(arm_px, half_px): (f64, f64)| {
        (Outline::Cross { arm_px, half_px }, 8.0 * arm_px * half_px - 4.0 * half_px * half_px)
    });
    let rectangle = (15.0..55.0, 15.0..55.0)
        .prop_map(|(hu, hv): (f64, f64)| (Outline::Rectangle { half_px: [hu, hv] }, 4.0 * hu * hv));
    let bell = (5.0..15.0, 5.0..15.0)
        .prop_map(|(su, sv): (f64, f64)| (Outline::Gauss { sigma_px: [su, sv] }, TAU * su * sv));
    prop_oneof![disc, ellipse, ring, sector, polygon, cross, rectangle, bell]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Wherever it lies between the pixels and however it is turned; what it covers inverted is the rest.
    #[test]
    fn windows_have_their_areas(
        (outline, area) in outlines(),
        x in 95.0..105.0_f64,
        y in 95.0..105.0_f64,
        turn in 0.0..TAU,
    ) {
        let element = plain(outline, 0.0, [x, y]).turned(turn);
        let seen = shown(vec![element.clone()], 0);
        let found = sum(&seen);
        prop_assert!((found / area - 1.0).abs() < 0.005, "{outline:?}: {found} px2 of {area}");

        let mut inverted = element.with_half_px([200.0; 2]);
        inverted.aperture.inverted = true;
        let rest = shown(vec![inverted], 0);
        // A bell is drawn to four standard deviations, its inverse to the end.
        let most = if matches!(outline, Outline::Gauss { .. }) { 4e-4 } else { 1e-12 };
        for (seen, rest) in seen.iter().zip(&rest) {
            prop_assert!((seen + rest - 1.0).abs() < most, "{seen} {rest}");
        }
    }

    /// A raised cosine inside the outline: `pi (r - e)^2 + 2 pi (r e / 2 - e^2 / 4 - e^2 / pi^2)`.
    #[test]
    fn a_soft_edge_takes_its_part_of_the_area(r in 20.0..60.0_f64, part in 0.05..1.0_f64, x in 99.0..101.0_f64) {
        let e = (part * r).max(1.0);
        let area = PI * (r - e) * (r - e) + TAU * (r * e / 2.0 - e * e / 4.0 - e * e / (PI * PI));
        let found = sum(&shown(vec![plain(Outline::Ellipse { radii_px: [r; 2] }, e, [x, 100.3])], 0));
        prop_assert!((found / area - 1.0).abs() < 0.005, "{found} of {area}");
    }

    #[test]
    fn a_clip_cuts_and_changes_nothing_else(
        left in 60.0..100.0_f64,
        top in 60.0..100.0_f64,
        width in 1.0..60.0_f64,
        height in 1.0..60.0_f64,
    ) {
        let whole = Element { clip_px: None, ..plain(Outline::Ellipse { radii_px: [50.0; 2] }, 8.0, CENTRE) };
        let [right, bottom] = [left + width, top + height];
        let clipped = Element { clip_px: Some([left, top, right, bottom]), ..whole.clone() };
        let (whole, clipped) = (shown(vec![whole], 0), shown(vec![clipped], 0));
        for (place, (whole, clipped)) in whole.iter().zip(&clipped).enumerate() {
            let (x, y) = ((place % SIDE) as f64 + 0.5, (place / SIDE) as f64 + 0.5);
            let inside = (left..=right).contains(&x) && (top..=bottom).contains(&y);
            prop_assert_eq!(*clipped, if inside { *whole } else { 0.0 });
        }
    }
}

// ----------------------------------------------------------------------------------------------------------- waves

fn grating(cycles_per_px: [f64; 2], phase: f64, wave: Wave) -> Element {
    full(Pattern::Grating { cycles_per_px, phase, wave })
}

/// Mean and amplitude at a frequency, under a Hann window along both axes, which keeps other lines out.
fn line(values: &[f64], [ku, kv]: [f64; 2]) -> (f64, f64) {
    let hann = |at: usize| 0.5 - 0.5 * (TAU * (at as f64 + 0.5) / SIDE as f64).cos();
    let (mut re, mut im, mut all, mut weights) = (0.0, 0.0, 0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        let (column, row) = (place % SIDE, place / SIDE);
        let weight = hann(column) * hann(row);
        let angle = TAU * (ku * column as f64 + kv * row as f64);
        re += weight * value * angle.cos();
        im += weight * value * angle.sin();
        all += weight * value;
        weights += weight;
    }
    (all / weights, 2.0 * re.hypot(im) / weights)
}

/// A pixel takes the mean of the wave over its width: that is the wave's fundamental, `4 / pi`, times `sinc(1 / p)` at p px per
/// cycle, and no offset. Directions are such that no harmonic folds back onto the fundamental, as it does along rows, columns
/// and diagonals at some frequencies: there no picture made of pixels has the amplitude of the wave.
#[test]
fn a_square_wave_keeps_its_mean_and_its_fundamental() {
    for (number, px_per_cycle) in
        [4.0, 4.7, 5.9, 7.3, 9.1, 11.3, 14.2, 18.0, 23.7, 31.0, 40.0].into_iter().enumerate()
    {
        for turn in 0..5 {
            let angle = TAU * ((number * 5 + turn) as f64 * 0.618_034 + 0.07).fract();
            let wave = [angle.cos() / px_per_cycle, -angle.sin() / px_per_cycle];
            let seen = shown(vec![grating(wave, 0.137 * f64::from(turn as u32), Wave::Square)], 0);
            let (offset, fundamental) = line(&seen, wave);
            let pixel = (PI / px_per_cycle).sin() / (PI / px_per_cycle);
            let wanted = 4.0 / PI * pixel;
            assert!(offset.abs() < 0.004, "{px_per_cycle} px, {angle}: offset {offset}");
            assert!(
                (fundamental / wanted - 1.0).abs() < 0.01,
                "{px_per_cycle} px, {angle} rad: {fundamental} of {wanted}"
            );
        }
    }
}

/// Along the rows a pixel's mean over the wave has a closed form of its own.
#[test]
fn along_the_rows_a_pixel_is_the_mean_of_a_square_wave_over_it() {
    for px_per_cycle in [4.0, 6.5, 10.0, 17.3, 40.0] {
        let seen = shown(vec![grating([1.0 / px_per_cycle, 0.0], 0.11, Wave::Square)], 0);
        // The integral of a square wave is a triangle wave.
        let integral = |x: f64| {
            let cycles = x / px_per_cycle + 0.11 + 0.25;
            let within = cycles - cycles.floor();
            px_per_cycle * (0.25 - (within - 0.5).abs())
        };
        for column in 0..SIDE {
            let x = column as f64 - CENTRE[0];
            let wanted = integral(x + 1.0) - integral(x);
            assert!((seen[column] - wanted).abs() < 1e-9, "{px_per_cycle}: {} {wanted}", seen[column]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// After n frames a grating that drifts is a cosine whose phase has gone on by n times the drift.
    #[test]
    fn a_drift_moves_the_phase_by_as_much_in_each_frame(
        k in [-0.2..0.2_f64, -0.2..0.2],
        phase in 0.0..1.0_f64,
        drift in -0.25..0.25_f64,
        frame in 0..2_000_000_u64,
    ) {
        let course = Course { drift, ..Course::STEADY };
        let gone = course.now(&Moment::new(frame, 1.0)).phase;
        let turns = drift * frame as f64 - gone;
        prop_assert!((0.0..1.0).contains(&gone) && (turns - turns.round()).abs() < 1e-9);
        let seen = changed(vec![grating(k, phase, Wave::Sine)], course, frame);
        for place in (0..SIDE * SIDE).step_by(1733) {
            let (x, y) = ((place % SIDE) as f64 + 0.5 - CENTRE[0], (place / SIDE) as f64 + 0.5 - CENTRE[1]);
            let wanted = (TAU * (k[0] * x + k[1] * y + phase + drift * frame as f64)).cos();
            prop_assert!((seen[place] - wanted).abs() < 1e-7, "{} {wanted}", seen[place]);
        }
    }

    /// Light comes to what is below it: in any order, and as much as each alone.
    #[test]
    fn what_modulates_adds_up(k in [-0.2..0.2_f64, -0.2..0.2], x in 80.0..120.0_f64, colour in [-1.0..1.0_f64, -1.0..1.0, -1.0..1.0]) {
        let one = grating(k, 0.2, Wave::Square);
        let mut other = plain(Outline::Gauss { sigma_px: [15.0, 10.0] }, 0.0, [x, 90.0]);
        other.paint = Paint::Modulate(colour);
        let draw = |elements: Vec<Element>| light(elements, vec![Course::STEADY], &Content::NONE, &Moment::new(0, 0.6));
        let alone = [draw(vec![one.clone()]), draw(vec![other.clone()])];
        let (both, swapped) = (draw(vec![one.clone(), other.clone()]), draw(vec![other, one]));
        for place in 0..SIDE * SIDE {
            for channel in 0..3 {
                let wanted = alone[0][place][channel] + alone[1][place][channel] - 0.5;
                prop_assert!((both[place][channel] - wanted).abs() < 1e-12);
                prop_assert!((swapped[place][channel] - wanted).abs() < 1e-12);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------- light on light

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
    let fade = Course { modulation: Modulation::Fade { after: 10, frames }, ..Course::STEADY };
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

// ---------------------------------------------------------------------------------------------------------- motion

/// The half tangent of what approaches is `l / (v t)`, t before the collision (Gabbiani, Krapp and Laurent 1999).
#[test]
fn what_looms_has_the_angular_size_of_something_that_approaches() {
    let distance_px = screen().distance_px;
    let (l_over_v_frames, collision_frames) = (6.0, 120.0);
    let largest = 80.0 / distance_px;
    let motion = Motion::Loom { l_over_v_frames, collision_frames, largest };
    let course = Course { motion, ..Course::STEADY };
    let disc = plain(Outline::Ellipse { radii_px: [80.0; 2] }, 0.0, [100.2, 99.7]);
    for frame in [0, 30, 60, 61, 70, 75, 77, 78, 100, 119, 120, 121, 500] {
        let before = collision_frames - frame as f64;
        let tangent = if before > 0.0 { (l_over_v_frames / before).min(largest) } else { largest };
        let wanted_deg = 2.0 * tangent.atan().to_degrees();
        let area = sum(&changed(vec![disc.clone()], course.clone(), frame));
        let found_deg = 2.0 * ((area / PI).sqrt() / distance_px).atan().to_degrees();
        assert!(
            (found_deg / wanted_deg - 1.0).abs() < 0.002,
            "frame {frame}: {found_deg} of {wanted_deg} deg"
        );
    }
}

#[test]
fn a_sweep_begins_again_and_a_turn_goes_anticlockwise() {
    let motion = Motion::Linear { px_per_frame: [1.25, -0.5], frames: 16 };
    let sweep = Course { motion, ..Course::STEADY };
    let turn = Course { motion: Motion::Turn { cycles_per_frame: 1.0 / 64.0 }, ..Course::STEADY };
    for frame in 0..40 {
        let along = (frame % 16) as f64;
        assert_eq!(sweep.now(&Moment::new(frame, 1.0)).offset_px, [1.25 * along, -0.5 * along]);
    }
    // A narrow sector to the right is above the centre after a quarter of a turn.
    let outline = Outline::Sector { inner_px: 0.0, outer_px: 80.0, middle_rad: 0.0, half_rad: 0.3 };
    for (frame, [x, y]) in [(0, [150, 100]), (16, [100, 50]), (32, [50, 100]), (48, [100, 150])] {
        let seen = changed(vec![plain(outline, 0.0, CENTRE)], turn.clone(), frame);
        assert_eq!(seen[y * SIDE + x], 1.0, "frame {frame}");
        assert!((sum(&seen) / (0.3 * 6400.0) - 1.0).abs() < 0.005);
    }
}

const FIELD: Field = Field {
    half_px: 60.0,
    seen_px: 100.0,
    px_per_frame: 0.0,
    direction_rad: 0.0,
    coherence: 0.0,
    lifetime_frames: 0,
    seed: 5,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every dot moves at the stated speed; the stated part of them in the stated direction, the others in all directions.
    #[test]
    fn dots_have_their_speed_coherence_and_directions(
        speed in 0.2..6.0_f64,
        direction_rad in 0.0..TAU,
        coherence in 0.0..1.0_f64,
        seed in any::<u32>(),
    ) {
        let field = Field { px_per_frame: speed, direction_rad, coherence, seed, ..FIELD };
        let count = 3000_u32;
        let (mut together, mut others) = (0, [0.0; 2]);
        let wanted = [speed * direction_rad.cos(), -speed * direction_rad.sin()];
        for index in 0..count {
            let dot = Dot { index, field };
            let [from, to] = [40, 41].map(|frame| dot.place_px(frame).unwrap());
            // Out on one side and in on the other.
            let step = [0, 1].map(|axis| {
                let step: f64 = to[axis] - from[axis];
                step - 2.0 * field.half_px * (step / (2.0 * field.half_px)).round()
            });
            prop_assert!((step[0].hypot(step[1]) - speed).abs() < 1e-9, "{step:?}");
            if (step[0] - wanted[0]).hypot(step[1] - wanted[1]) < 1e-9 {
                together += 1;
            } else {
                others = [others[0] + step[0] / speed, others[1] + step[1] / speed];
            }
        }
        let n = f64::from(count);
        let found = f64::from(together) / n;
        // Five standard errors, so that a run of hundreds of cases does not fail by chance.
        let error = (coherence * (1.0 - coherence) / n).sqrt();
        prop_assert!((found - coherence).abs() < 5.0 * error + 1e-3, "{found} of {coherence}");
        let left = f64::from(count - together).max(1.0);
        prop_assert!(others[0].hypot(others[1]) / left < 5.0 / left.sqrt(), "{others:?} of {left}");
    }
}

/// A dot of a course lies where its field has it, and one beyond the field's edge is not seen.
#[test]
fn a_dots_course_shows_it_where_its_field_has_it() {
    let field = Field { px_per_frame: 1.7, coherence: 0.5, seen_px: 55.0, lifetime_frames: 9, ..FIELD };
    let disc = plain(Outline::Ellipse { radii_px: [3.0; 2] }, 0.0, CENTRE);
    let mut seen = 0;
    for index in 0..20 {
        let dot = Dot { index, field };
        let course = Course { motion: Motion::Dot(dot), ..Course::STEADY };
        for frame in [0, 8, 31] {
            let values = changed(vec![disc.clone()], course.clone(), frame);
            let area = sum(&values);
            let Some(place_px) = dot.place_px(frame) else {
                assert_eq!(area, 0.0);
                continue;
            };
            seen += 1;
            assert!((area / (9.0 * PI) - 1.0).abs() < 0.02, "{area}");
            for axis in [0, 1] {
                let at = |place: usize| if axis == 0 { place % SIDE } else { place / SIDE } as f64 + 0.5;
                let middle =
                    values.iter().enumerate().map(|(place, value)| value * at(place)).sum::<f64>() / area;
                assert!((middle - CENTRE[axis] - place_px[axis]).abs() < 0.03, "{middle} {place_px:?}");
            }
        }
    }
    assert!((35..60).contains(&seen), "{seen}");
}

// ----------------------------------------------------------------------------------------------------------- noise

fn noise(draw: Draw, cell_px: u32) -> Element {
    full(Pattern::Noise { left_px: 0, top_px: 0, cell_px, draw, seed: 77 })
}

fn renewed(frame: u64, draw: Draw) -> Vec<f64> {
    let renewal = Renewal::Every { frames: 2, count: 0 };
    changed(vec![noise(draw, 1)], Course { renewal, ..Course::STEADY }, frame)
}

#[test]
fn white_noise_has_its_moments_and_no_memory() {
    let n = (SIDE * SIDE) as f64;
    let normal = |sd: f64| sd * sd;
    for (draw, variance, kurtosis) in [
        (Draw::Uniform, 1.0 / 3.0, 1.8),
        (Draw::Binary, 1.0, 1.0),
        (Draw::Gaussian { sd: 0.22 }, normal(0.22), 3.0),
        (Draw::Sparse { density: 0.07 }, 0.07, 1.0 / 0.07),
    ] {
        let frames: Vec<Vec<f64>> = (0..8).map(|frame| renewed(frame, draw)).collect();
        for (frame, values) in frames.iter().enumerate() {
            let (mean, second) = (mean(values), values.iter().map(|v| v * v).sum::<f64>() / n);
            // 4.5 standard errors of the mean and of the variance.
            let error = 4.5 / n.sqrt();
            assert!(mean.abs() < error * variance.sqrt(), "{draw:?}: mean {mean}");
            let most = error * (kurtosis - 1.0_f64).max(1e-9).sqrt() + 1e-4;
            assert!((second / variance - 1.0).abs() < most, "{draw:?}: {second} of {variance}");
            let fourth = values.iter().map(|v| v.powi(4)).sum::<f64>() / n / (second * second);
            assert!((fourth / kurtosis - 1.0).abs() < 0.08, "{draw:?}: kurtosis {fourth} of {kurtosis}");
            for lag in [1, 2, SIDE - 1, SIDE, SIDE + 1, 7 * SIDE] {
                let related = correlation(&values[lag..], &values[..values.len() - lag]);
                assert!(related.abs() < error, "{draw:?}: {related} at a distance of {lag}");
            }
            // The same for two frames, then another.
            let next = &frames[(frame + 1) % 8];
            if frame % 2 == 0 {
                assert_eq!(values, next);
            } else {
                let related = correlation(values, next);
                assert!(related.abs() < error, "{draw:?}: {related} from frame {frame} on");
            }
        }
    }
}

#[test]
fn a_cell_of_noise_is_one_square_of_whole_pixels() {
    let (fine, coarse) = (shown(vec![noise(Draw::Uniform, 1)], 0), shown(vec![noise(Draw::Uniform, 5)], 0));
    for (place, value) in coarse.iter().enumerate() {
        assert_eq!(*value, fine[place / SIDE / 5 * SIDE + place % SIDE / 5]);
    }
}

// ---------------------------------------------------------------------------------------------------------- sheets

fn sheet(width: u32, height: u32, texel_px: f64, between: Between) -> Sheet {
    Sheet { source: Source::Place(0), width, height, texel_px, between, transfer: Transfer::Linear }
}

proptest! {
    /// Between the middles of its texels a ramp is a ramp: for sheets of values and, where they are, of colours.
    #[test]
    fn a_sheet_reproduces_a_ramp(
        across in -31..32_i32,
        down in -31..32_i32,
        texel_px in 0.3..9.0_f64,
        at in [0.5..11.5_f64, 0.5..6.5],
    ) {
        // Numbers that an f32 has to the last bit.
        let value = |column: f64, row: f64| (f64::from(across) * column + f64::from(down) * row) / 1024.0;
        let texels = (0..12 * 7).map(|i| value(f64::from(i % 12), f64::from(i / 12)) as f32).collect();
        let light = |column: u32, row: u32| [(3 * column + 20 * row) as u8, 200 - (9 * column) as u8, 77, 255];
        let images = (0..12 * 7).map(|i| light(i % 12, i / 12)).collect();
        let sheets = Sheets {
            values: vec![Texels::new(12, 7, texels).unwrap()],
            images: vec![Texels::new(12, 7, images).unwrap()],
        };
        let content = Content { sheets: &sheets, picture: &[] };
        let sheet = sheet(12, 7, texel_px, Between::Linear);
        let [u, v] = [(at[0] - 6.0) * texel_px, (at[1] - 3.5) * texel_px];
        let (column, row) = (at[0] - 0.5, at[1] - 0.5);
        prop_assert!((content.value(&sheet, 0, u, v) - value(column, row)).abs() < 1e-12);
        let [r, g, b, a] = content.colour(&sheet, 0, u, v).map(|light| 255.0 * light);
        prop_assert!((r - 3.0 * column - 20.0 * row).abs() < 1e-9 && (g - 200.0 + 9.0 * column).abs() < 1e-9);
        prop_assert!((b - 77.0).abs() < 1e-9 && (a - 255.0).abs() < 1e-9);
    }
}

/// Texels of one pixel on pixels: a picture shows its texels and nothing beside them, in turn where they are renewed.
#[test]
fn sheets_lie_on_the_pixels_and_follow_each_other() {
    let texels =
        |number: usize| -> Vec<f32> { (0..60).map(|i| ((i + 7 * number) % 32) as f32 / 32.0).collect() };
    let values = (0..3).map(|number| Texels::new(10, 6, texels(number)).unwrap()).collect();
    let sheets = Sheets { values, images: Vec::new() };
    let content = Content { sheets: &sheets, picture: &[] };
    let pattern = Pattern::Values(sheet(10, 6, 1.0, Between::Nearest));
    let element = Element::new(CENTRE, pattern, Aperture::OPEN, Paint::ACHROMATIC, 0);
    for (renewal, numbers) in [
        (Renewal::Never, [0, 0, 0, 0, 0]),
        (Renewal::Every { frames: 4, count: 3 }, [0, 1, 2, 0, 1]),
        (Renewal::Once { frames: 4, count: 3 }, [0, 1, 2, 2, 2]),
    ] {
        for (part, number) in numbers.into_iter().enumerate() {
            let course = Course { renewal, contrast: Contrast::Own(0.5), ..Course::STEADY };
            let moment = Moment::new(4 * part as u64 + 3, 0.0);
            let seen = light(vec![element.clone()], vec![course], &content, &moment);
            for (place, rgb) in seen.iter().enumerate() {
                let (column, row) = ((place % SIDE).wrapping_sub(95), (place / SIDE).wrapping_sub(97));
                let inside = column < 10 && row < 6;
                let value = if inside { f64::from(texels(number)[row * 10 + column]) } else { 0.0 };
                assert_eq!(rgb[0], 0.5 + 0.25 * value, "{renewal:?}, {column} {row}");
            }
        }
    }
}

/// Letters are their outlines: coverage is an area, so it grows with the square of the size, and adds up over letters.
#[test]
fn letters_cover_areas() {
    let area = |text: &str, capital_px: f64| -> f64 {
        letters::set(text, capital_px).unwrap().texels.iter().map(|&part| f64::from(part)).sum()
    };
    for text in ["H", "photic", "Ä?\n9"] {
        let unit = area(text, 400.0) / (400.0 * 400.0);
        for capital_px in [12.0, 21.0, 37.5, 90.0] {
            let found = area(text, capital_px) / (capital_px * capital_px);
            assert!((found / unit - 1.0).abs() < 0.02, "{text} at {capital_px} px: {found} of {unit}");
        }
    }
    let (one, two) = (area("O", 60.0), area("OO O\nO", 60.0));
    assert!((two / one - 4.0).abs() < 0.02, "{two} {one}");
    // A stencil leaves as much of what is below as a letter does not cover.
    let texels = letters::set("O", 60.0).unwrap();
    let (width, height) = (texels.width, texels.height);
    let sheets = Sheets { values: vec![texels], images: Vec::new() };
    let pattern = Pattern::Values(sheet(width, height, 1.0, Between::Nearest));
    let on_pixels = [width, height].map(|size| 100.0 + f64::from(size % 2) / 2.0);
    let element = Element::new(on_pixels, pattern, Aperture::OPEN, Paint::Stencil([0.0, 1.0, 0.5]), 0);
    let content = Content { sheets: &sheets, picture: &[] };
    for contrast in [1.0, 0.4] {
        let seen = light(vec![element.clone()], vec![Course::STEADY], &content, &Moment::new(0, contrast));
        let change =
            |channel: usize| seen.iter().map(|rgb| rgb[channel] - 0.5).sum::<f64>() / (0.5 * contrast);
        assert!((change(0) + one).abs() < 1e-6 && (change(1) - one).abs() < 1e-6 && change(2).abs() < 1e-9);
    }
}
