//! A square picture whose content changes from presentation to presentation.

use crate::flicker::Flicker;
use crate::screen::Screen;
use crate::sheet::{Between, Sheet, Source, Transfer};

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

    /// Its centre on the screen.
    pub fn center_px(&self) -> [f64; 2] {
        let middle = |from_px: u32| f64::from(from_px) + 0.5 * f64::from(self.side_px());
        [middle(self.left_px), middle(self.top_px)]
    }

    /// How an element reads it.
    pub fn sheet(&self) -> Sheet {
        Sheet {
            source: Source::Command,
            width: self.texels,
            height: self.texels,
            texel_px: f64::from(self.texel_px),
            between: Between::Nearest,
            transfer: Transfer::Linear,
        }
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
    use crate::sheet::Content;
    use crate::{FlickerKind, Waveform};

    fn flicker() -> Flicker {
        Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap()
    }

    #[test]
    fn texels_lie_around_the_fixation_point() {
        let screen = Screen::new(&SPEC).unwrap();
        let picture = Picture::centred(&screen, 48, 2, flicker()).unwrap();
        assert_eq!((picture.left_px, picture.top_px, picture.side_px()), (112, 72, 96));
        assert_eq!(picture.center_px(), [160.0, 120.0]);
        let texels: Vec<f32> = (1..=48 * 48).map(|texel| texel as f32).collect();
        let content = Content { picture: &texels, ..Content::NONE };
        let at = |x: f64, y: f64| content.value(&picture.sheet(), 0, x - 160.0, y - 120.0);
        assert_eq!(at(112.5, 72.5), 1.0);
        assert_eq!(at(207.5, 167.5), 48.0 * 48.0);
        assert_eq!(at(114.0, 72.5), 2.0);
        assert_eq!(at(111.9, 72.5), 0.0);
        assert_eq!(at(208.0, 100.0), 0.0);
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
