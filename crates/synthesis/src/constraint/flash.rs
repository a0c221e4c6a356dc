//! What the photosensitivity rule allows.

use stimulus::safety::{BT1702_AREA_FRACTION, FlashAnalyser, FlashReport};
use stimulus::{MEAN_LUMINANCE, Screen};

/// WCAG 2.2 general flash and ITU-R BT.1702-3 for movies, as [`stimulus::safety`] judges them.
///
/// The movie stands in the middle of an otherwise grey screen, comes from grey and goes back to it. Pixels of the stimulus
/// are the cells of the analysis. Three channels are judged by their relative luminance (Rec. 709 primaries, as WCAG has
/// it); red flash and patterns are not judged, as there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlashRule {
    /// The screen on which the movie is shown.
    pub screen: Screen,
    /// Width of the stimulus on it, in deg.
    pub width_deg: f64,
    /// Frames of the stimulus per second.
    pub frame_rate_hz: f64,
    /// The movie is shown again and again without a pause, and not once.
    pub looped: bool,
}

/// Seconds of a looped movie that are judged: they see every second of a flicker of 1 Hz or more, as in
/// [`stimulus::assess`].
const LOOPED_S: f64 = 2.0;

/// Weights of red, green and blue in relative luminance (Rec. 709).
const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];

impl FlashRule {
    /// Size on the screen in px of a stimulus of `height` x `width` numbers.
    pub(super) fn size_px(&self, height: usize, width: usize) -> [f64; 2] {
        let across = self.screen.size_px(self.width_deg);
        [across, across * height as f64 / width as f64]
    }

    /// What both rules say of a movie [T, C, H, W]; the area of BT.1702 is a part of the whole screen.
    pub fn report(&self, movie: &[f32], [frames, channels, height, width]: [usize; 4]) -> FlashReport {
        // The grey rest of the screen never flashes: the stimulus alone is analysed, as a screen of its own.
        let [across, down] = self.size_px(height, width);
        let own = Screen {
            width_px: libm::round(across).max(1.0) as u32,
            height_px: libm::round(down).max(1.0) as u32,
            refresh_hz: self.frame_rate_hz,
            ..self.screen
        };
        let mut analyser = FlashAnalyser::prepare(&own, width as u32, height as u32);
        let plane = height * width;
        let grey = vec![MEAN_LUMINANCE; plane];
        let mut cells = grey.clone();
        analyser.push(&grey);
        let turns = if self.looped {
            (LOOPED_S * self.frame_rate_hz / frames as f64).ceil().max(2.0) as usize
        } else {
            1
        };
        for frame in (0..turns).flat_map(|_| movie.chunks_exact(channels * plane)) {
            luminance(frame, plane, &mut cells);
            analyser.push(&cells);
        }
        analyser.push(&grey);
        let mut report = analyser.worst();
        let screen_px = f64::from(self.screen.width_px) * f64::from(self.screen.height_px);
        report.bt1702.area *= across * down / screen_px;
        report.bt1702.passes = report.bt1702.area <= BT1702_AREA_FRACTION;
        report
    }
}

/// Relative luminance of a frame [C, H, W]: Rec. 709 of three channels, the mean of any other number.
fn luminance(frame: &[f32], plane: usize, cells: &mut [f64]) {
    let channels = frame.len() / plane;
    let even = vec![1.0 / channels as f64; channels];
    let weights: &[f64] = if channels == 3 { &LUMINANCE } else { &even };
    cells.fill(0.0);
    for (weight, channel) in weights.iter().zip(frame.chunks_exact(plane)) {
        cells.iter_mut().zip(channel).for_each(|(cell, &light)| *cell += weight * f64::from(light));
    }
}

/// The movie with its deviation from the temporal mean times `modulation`: linear in the movie, and its own adjoint.
pub(super) fn blend(movie: &[f64], frames: usize, modulation: f64) -> Vec<f64> {
    let numbers = movie.len() / frames;
    let mut mean = vec![0.0; numbers];
    for frame in movie.chunks_exact(numbers) {
        mean.iter_mut().zip(frame).for_each(|(sum, value)| *sum += value / frames as f64);
    }
    let still = |(index, &value): (usize, &f64)| {
        let mean = mean[index % numbers];
        mean + modulation * (value - mean)
    };
    movie.iter().enumerate().map(still).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn the_blend_is_its_own_adjoint_and_keeps_the_temporal_mean() {
        let mut random = Random::new(1, 0);
        let mut movie = || -> Vec<f64> { (0..5 * 6).map(|_| random.normal()).collect() };
        let (x, y) = (movie(), movie());
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let blended = blend(&x, 5, 0.3);
        assert!((dot(&blended, &y) - dot(&x, &blend(&y, 5, 0.3))).abs() < 1e-12);
        for pixel in 0..6 {
            let mean = |movie: &[f64]| movie.iter().skip(pixel).step_by(6).sum::<f64>();
            assert!((mean(&blended) - mean(&x)).abs() < 1e-12);
            // Three tenths of the way from the mean.
            let (from, to) = (x[pixel] - mean(&x) / 5.0, blended[pixel] - mean(&x) / 5.0);
            assert!((to - 0.3 * from).abs() < 1e-12);
        }
        assert_eq!(blend(&x, 5, 0.0)[..6], blend(&x, 5, 0.0)[24..]);
    }

    #[test]
    fn white_is_white_in_every_channel_and_green_is_the_brightest() {
        let mut cells = [0.0; 2];
        luminance(&[1.0; 6], 2, &mut cells);
        assert!((cells[0] - 1.0).abs() < 1e-6);
        luminance(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 2, &mut cells);
        assert!((cells[0] - 0.2126).abs() < 1e-9 && (cells[1] - 0.7152).abs() < 1e-9);
        luminance(&[0.25, 0.75], 2, &mut cells);
        assert_eq!(cells, [0.25, 0.75]);
    }
}
