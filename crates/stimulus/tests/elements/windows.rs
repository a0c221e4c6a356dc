//! Areas of windows, soft edges, clips.

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use stimulus::element::{Element, Outline};

use super::{CENTRE, SIDE, plain, shown, sum};

/// Outlines with the areas that geometry gives them.
fn outlines() -> impl Strategy<Value = (Outline, f64)> {
    let disc = (15.0..60.0).prop_map(|r: f64| (Outline::Ellipse { radii_px: [r, r] }, PI * r * r));
    let ellipse = (40.0..60.0, 0.12..1.0).prop_map(|(a, ratio): (f64, f64)| {
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
