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

/// Which pictures a frame shows: one, or two while one goes over into the other in linear light.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// The picture before.
    pub from: u64,
    /// The picture that it goes over into.
    pub to: u64,
    /// 0..=1: how much of `to` is there. What is left is of `from`.
    pub weight: f64,
}

impl Mix {
    /// One picture alone.
    pub fn only(picture: u64) -> Self {
        Self { from: picture, to: picture, weight: 1.0 }
    }

    /// Its pattern from those of the two; a pattern that is not there (empty) is grey.
    pub fn texels(&self, from: &[f32], to: &[f32], out: &mut [f32]) {
        let value = |texels: &[f32], at: usize| texels.get(at).copied().map_or(0.0, f64::from);
        for (at, out) in out.iter_mut().enumerate() {
            *out = (value(from, at) * (1.0 - self.weight) + value(to, at) * self.weight) as f32;
        }
    }
}

/// Goes over from picture to picture, frame by frame: what a frame shows follows from the frames before it, and from nothing
/// else. A picture that is named while another still comes waits until that one is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CrossFade {
    /// What the frame before showed, if anything of a picture was to be seen in it.
    shown: Option<Going>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Going {
    scene: usize,
    from: u64,
    to: u64,
    /// The first frame that showed both, or `to` alone.
    since: u64,
}

impl CrossFade {
    /// What a frame shows of a scene whose pictures go over within so many frames, when this picture is named. The first of them has
    /// the first part of it, the last one all. After another scene, or after a frame without contrast, it is there at once.
    pub fn at(&self, scene: usize, picture: u64, over_frames: u32, frame: u64) -> Mix {
        let Some(going) = self.shown.filter(|going| going.scene == scene && over_frames > 1) else {
            return Mix::only(picture);
        };
        let weight = |since: u64| {
            let passed = frame.saturating_sub(since).saturating_add(1) as f64;
            (passed / f64::from(over_frames)).min(1.0)
        };
        match (going.from == going.to, weight(going.since)) {
            (false, weight) if weight < 1.0 => Mix { from: going.from, to: going.to, weight },
            _ if going.to == picture => Mix::only(picture),
            _ => Mix { from: going.to, to: picture, weight: weight(frame) },
        }
    }

    /// This frame was shown, at this contrast.
    pub fn shown(&mut self, scene: usize, mix: &Mix, contrast: f64, frame: u64) {
        let same = |going: &Going| (going.scene, going.from, going.to) == (scene, mix.from, mix.to);
        let since = self.shown.filter(same).map_or(frame, |going| going.since);
        let going = Going { scene, from: mix.from, to: mix.to, since };
        self.shown = (contrast > 0.0).then_some(going);
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

    /// What each frame shows, where a picture is named (`None`: at no contrast).
    fn mixes(named: &[Option<u64>], over_frames: u32) -> Vec<(u64, u64, f64)> {
        let mut fade = CrossFade::default();
        let mix = |(frame, named): (usize, &Option<u64>)| {
            let mix = fade.at(1, named.unwrap_or(0), over_frames, frame as u64);
            fade.shown(1, &mix, f64::from(u8::from(named.is_some())), frame as u64);
            (mix.from, mix.to, mix.weight)
        };
        named.iter().enumerate().map(mix).collect()
    }

    #[test]
    fn one_picture_goes_over_into_the_next_frame_by_frame() {
        let named = [Some(3), Some(3), Some(4), Some(4), Some(4), Some(4), Some(4)];
        let wanted =
            [(3, 3, 1.0), (3, 3, 1.0), (3, 4, 0.25), (3, 4, 0.5), (3, 4, 0.75), (4, 4, 1.0), (4, 4, 1.0)];
        assert_eq!(mixes(&named, 4), wanted);
        let cut: Vec<_> = named.iter().map(|named| (named.unwrap(), named.unwrap(), 1.0)).collect();
        assert_eq!(mixes(&named, 0), cut);
        assert_eq!(mixes(&named, 1), cut);
    }

    #[test]
    fn a_picture_that_is_named_meanwhile_waits_and_the_dark_ends_a_fade() {
        let named = [3, 4, 5, 5, 5, 5, 5, 5].map(Some);
        let to_4 = [(3, 4, 0.25), (3, 4, 0.5), (3, 4, 0.75)];
        let to_5 = [(4, 5, 0.25), (4, 5, 0.5), (4, 5, 0.75)];
        let wanted = [&[(3, 3, 1.0)][..], &to_4, &to_5, &[(5, 5, 1.0)]].concat();
        assert_eq!(mixes(&named, 4), wanted);
        let found = mixes(&[Some(3), None, Some(4), Some(5), None, Some(5)], 2);
        assert_eq!([found[2], found[3], found[5]], [(4, 4, 1.0), (4, 5, 0.5), (5, 5, 1.0)]);
    }

    #[test]
    fn missed_frames_delay_no_fade() {
        let mut fade = CrossFade::default();
        fade.shown(1, &Mix::only(1), 0.5, 10);
        let first = fade.at(1, 2, 10, 11);
        fade.shown(1, &first, 0.5, 11);
        assert_eq!(
            (first.weight, fade.at(1, 2, 10, 15).weight, fade.at(1, 2, 10, 90).weight),
            (0.1, 0.5, 1.0)
        );
        assert_eq!(fade.at(2, 7, 10, 12), Mix::only(7), "another scene");
    }

    #[test]
    fn a_mix_is_one_in_light() {
        let mut out = [9.0; 3];
        Mix { from: 1, to: 2, weight: 0.25 }.texels(&[1.0, -1.0, 0.0], &[0.0, 1.0, 1.0], &mut out);
        assert_eq!(out, [0.75, -0.5, 0.25]);
        Mix { from: 1, to: 2, weight: 0.25 }.texels(&[], &[0.0, 1.0, 1.0], &mut out);
        assert_eq!(out, [0.0, 0.25, 0.25]);
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
