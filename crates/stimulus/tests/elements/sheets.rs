//! What is looked up: ramps, texels on pixels, letters.

use proptest::prelude::*;
use stimulus::element::{Aperture, Contrast, Course, Element, Moment, Paint, Pattern, Renewal};
use stimulus::sheet::{Between, Sheet, Source, Texels, Transfer};
use stimulus::{Content, Sheets, letters};

use super::{CENTRE, SIDE, light};

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
            ..Sheets::NONE
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
    let sheets = Sheets { values, ..Sheets::NONE };
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
    let sheets = Sheets { values: vec![texels], ..Sheets::NONE };
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
