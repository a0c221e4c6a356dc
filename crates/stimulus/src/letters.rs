//! Texts as sheets of coverage: how much of each pixel the letters cover, 0..=1. One texel is one px.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use thiserror::Error;

use crate::sheet::Texels;

/// From one line of a text to the next, in heights of a capital letter.
const LINE_HEIGHTS: f32 = 1.9;

/// Why a text cannot be set.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum LetterError {
    /// The font has no such letter.
    #[error("the font has no letter for `{0}` (U+{code:04X})", code = u32::from(*.0))]
    Missing(char),
    /// Too small or too large.
    #[error("letters of {0:.2} px: allowed are 4 to 1024")]
    Size(f64),
    /// Nothing to set.
    #[error("the text has no letter in it")]
    Empty,
}

/// Sets a text, lines centred below each other, with capitals of this height.
///
/// # Errors
/// A letter that the font does not have, a size that cannot be read or drawn, a text of blanks.
pub fn set(text: &str, capital_px: f64) -> Result<Texels<f32>, LetterError> {
    if !(4.0..=1024.0).contains(&capital_px) {
        return Err(LetterError::Size(capital_px));
    }
    // The font is part of the program; that it can be read is held by a test.
    let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).map_err(|_| LetterError::Empty)?;
    let scale = scale_for(&font, capital_px as f32);
    let glyphs = lay_out(&font, scale, text, LINE_HEIGHTS * capital_px as f32)?;
    let outlines: Vec<_> = glyphs.into_iter().filter_map(|glyph| font.outline_glyph(glyph)).collect();
    let bounds = outlines.iter().map(|outline| outline.px_bounds()).reduce(|all, one| ab_glyph::Rect {
        min: point(all.min.x.min(one.min.x), all.min.y.min(one.min.y)),
        max: point(all.max.x.max(one.max.x), all.max.y.max(one.max.y)),
    });
    let bounds = bounds.ok_or(LetterError::Empty)?;
    let (width, height) = (bounds.width().ceil() as u32, bounds.height().ceil() as u32);
    let mut texels = vec![0.0; width as usize * height as usize];
    for outline in outlines {
        let corner = outline.px_bounds().min;
        let (left, top) = ((corner.x - bounds.min.x) as u32, (corner.y - bounds.min.y) as u32);
        outline.draw(|x, y, coverage| {
            let (column, row) = (left + x, top + y);
            if column < width && row < height {
                let texel: &mut f32 = &mut texels[(row * width + column) as usize];
                // Where letters touch, a pixel is covered by both.
                *texel = (*texel + coverage).min(1.0);
            }
        });
    }
    Ok(Texels { width, height, texels })
}

/// The scale at which a capital letter has this height.
fn scale_for(font: &FontRef<'_>, capital_px: f32) -> PxScale {
    let trial = PxScale::from(1000.0);
    let glyph = font.glyph_id('H').with_scale(trial);
    let height = font.outline_glyph(glyph).map_or(700.0, |outline| {
        let bounds = outline.px_bounds();
        bounds.height()
    });
    PxScale::from(1000.0 * capital_px / height)
}

fn lay_out(font: &FontRef<'_>, scale: PxScale, text: &str, line_px: f32) -> Result<Vec<Glyph>, LetterError> {
    let scaled = font.as_scaled(scale);
    let mut glyphs = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let from = glyphs.len();
        let (mut x, mut before) = (0.0, None);
        for letter in line.chars() {
            let id = font.glyph_id(letter);
            if id.0 == 0 && !letter.is_whitespace() {
                return Err(LetterError::Missing(letter));
            }
            x += before.map_or(0.0, |before| scaled.kern(before, id));
            glyphs.push(id.with_scale_and_position(scale, point(x, number as f32 * line_px)));
            x += scaled.h_advance(id);
            before = Some(id);
        }
        for glyph in &mut glyphs[from..] {
            glyph.position.x -= 0.5 * x;
        }
    }
    Ok(glyphs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_is_as_high_as_asked() {
        for wanted in [8.0, 20.0, 64.0] {
            let sheet = set("H", wanted).unwrap();
            assert!((f64::from(sheet.height) - wanted).abs() <= 1.5, "{wanted}: {}", sheet.height);
            // The bars of an H are full, the gaps between them empty.
            let row = &sheet.texels[(sheet.height / 4 * sheet.width) as usize..][..sheet.width as usize];
            assert!(row[0].max(row[1]) > 0.5 && row[row.len() / 2] < 0.05, "{row:?}");
        }
    }

    #[test]
    fn lines_are_centred_and_below_each_other() {
        let one = set("WWWW", 20.0).unwrap();
        let two = set("WWWW\nI", 20.0).unwrap();
        assert_eq!(two.width, one.width);
        assert!(two.height >= one.height + 30, "{} {}", two.height, one.height);
        let last = &two.texels[((two.height - 3) * two.width) as usize..][..two.width as usize];
        let centre: f32 =
            last.iter().zip(0..).map(|(value, x)| value * x as f32).sum::<f32>() / last.iter().sum::<f32>();
        assert!((centre - 0.5 * two.width as f32).abs() < 2.0, "{centre} of {}", two.width);
    }

    #[test]
    fn what_cannot_be_set_says_why() {
        assert_eq!(set("A\u{4e2d}", 20.0), Err(LetterError::Missing('\u{4e2d}')));
        assert_eq!(set("  ", 20.0), Err(LetterError::Empty));
        assert_eq!(set("A", 1.0), Err(LetterError::Size(1.0)));
        assert!(set("Drücken Sie «Ja» – à gauche?", 20.0).is_ok());
    }
}
