//! What looms, sweeps, turns or wanders.

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use stimulus::dots::{Dot, Field};
use stimulus::element::{Course, Moment, Motion, Outline};

use super::{CENTRE, SIDE, changed, plain, screen, sum};

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

#[test]
fn what_follows_the_gaze_moves_with_it_and_is_gone_without_it() {
    let motion = Motion::Linear { px_per_frame: [1.0, 0.0], frames: 0 };
    let course = Course { motion, follows_gaze: true, ..Course::STEADY };
    let at = |gaze_px| course.now(&Moment { gaze_px, ..Moment::new(4, 1.0) });
    assert_eq!((at(Some([10.0, -7.0])).offset_px, at(Some([10.0, -7.0])).opacity), ([14.0, -7.0], 1.0));
    assert_eq!(at(None).opacity, 0.0);
    assert!(!course.is_separable() && !Course { motion: Motion::Still, ..course.clone() }.is_separable());
    let still = Course { follows_gaze: false, ..course.clone() };
    assert_eq!(still.now(&Moment { gaze_px: None, ..Moment::new(4, 1.0) }).offset_px, [4.0, 0.0]);
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
