//! A square picture whose content changes from presentation to presentation.

use crate::flicker::Flicker;
use crate::screen::Screen;

/// A square of texels centred on fixation. Where it lies and how it flickers is settled before the run; what is in it is
/// a pattern of `texels * texels` values -1..=1, row-major from the top left corner, that comes by the picture's number
/// while the session runs. A picture without a pattern is grey.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Left edge.
    pub left_px: u32,
    /// Upper edge.
    pub top_px: u32,
    /// Texels along a side.
    pub texels: u32,
    /// Side of a texel in px: whole, so that what a retina cell sees is a texel.
    pub texel_px: u32,
    /// Its flicker.
    pub flicker: Flicker,
}

impl Picture {
    /// In the middle of the screen; `None` when it does not fit.
    pub fn centred(screen: &Screen, texels: u32, texel_px: u32, flicker: Flicker) -> Option<Self> {
        let side_px = texels.checked_mul(texel_px)?;
        let left_px = screen.width_px.checked_sub(side_px)? / 2;
        let top_px = screen.height_px.checked_sub(side_px)? / 2;
        (side_px > 0).then_some(Self { left_px, top_px, texels, texel_px, flicker })
    }

    /// Texels of a pattern.
    pub fn count(&self) -> usize {
        self.texels as usize * self.texels as usize
    }

    /// Side in px.
    pub fn side_px(&self) -> u32 {
        self.texels * self.texel_px
    }

    /// The texel that covers a point of the screen.
    pub fn texel_at(&self, x_px: f64, y_px: f64) -> Option<usize> {
        let along = |at_px: f64, from_px: u32| {
            let texel = libm::floor((at_px - f64::from(from_px)) / f64::from(self.texel_px));
            (texel >= 0.0 && texel < f64::from(self.texels)).then_some(texel as usize)
        };
        Some(along(y_px, self.top_px)? * self.texels as usize + along(x_px, self.left_px)?)
    }

    /// The pattern at a point of the screen; 0 outside, and where the pattern has no such texel.
    pub fn pattern(&self, texels: &[f32], x_px: f64, y_px: f64) -> f64 {
        self.texel_at(x_px, y_px).and_then(|texel| texels.get(texel)).map_or(0.0, |&value| f64::from(value))
    }
}

/// Patterns that a display keeps: the first picture always, and the newest of the rest. A command may name no older one.
pub const KEPT: u64 = 16;

/// Where a display keeps a picture's pattern, below [`KEPT`].
pub fn layer(picture: u64) -> usize {
    // The first picture serves calibration, early and late.
    if picture == 0 { 0 } else { (1 + (picture - 1) % (KEPT - 1)) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::SPEC;
    use crate::{FlickerKind, Waveform};

    fn flicker() -> Flicker {
        Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap()
    }

    #[test]
    fn texels_lie_around_the_fixation_point() {
        let screen = Screen::new(&SPEC).unwrap();
        let picture = Picture::centred(&screen, 48, 2, flicker()).unwrap();
        assert_eq!((picture.left_px, picture.top_px, picture.side_px()), (112, 72, 96));
        assert_eq!(picture.texel_at(112.5, 72.5), Some(0));
        assert_eq!(picture.texel_at(207.5, 167.5), Some(48 * 48 - 1));
        assert_eq!(picture.texel_at(114.0, 72.5), Some(1));
        assert_eq!(picture.texel_at(111.9, 72.5), None);
        assert_eq!(picture.texel_at(208.0, 100.0), None);
        assert!(Picture::centred(&screen, 121, 2, flicker()).is_none(), "242 px are higher than the screen");
        assert!(Picture::centred(&screen, 0, 2, flicker()).is_none());
    }

    #[test]
    fn the_newest_pictures_are_kept_and_the_first() {
        let layers: Vec<usize> = (100..100 + KEPT - 1).map(layer).collect();
        for (at, one) in layers.iter().enumerate() {
            assert!(*one > 0 && !layers[..at].contains(one));
        }
        assert_eq!(layer(0), 0);
    }
}
