//! What the display can show and the rules allow, as projections.
//!
//! Per stimulus, over all of its frames and channels:
//!
//! 1. Bounds of every number: the range, the peak contrast and the aperture together are one interval per pixel.
//! 2. Mean luminance and RMS contrast. Together with the bounds they make one problem with one solution, the nearest
//!    stimulus that meets them all (`level.rs`): no order among them matters, and no rounds are needed.
//! 3. The photosensitivity rule, for movies: the deviation from the temporal mean is scaled down, to the largest factor at
//!    which the movie is safe after the steps above.
//!
//! Levels of the display come last, once ([`Constraints::finish`]): rounding has no slope to search along. Where a display
//! is given, the flash rule judges the rounded frames, which are those that are shown.
//!
//! Contrast is the SD of light in units of the display's range: `sqrt(mean((light - mean(light))^2))`. Between black lo and
//! white hi and at the mean m it cannot exceed `sqrt((hi - m)(m - lo))`.

mod aperture;
mod display;
mod error;
mod flash;
mod level;

pub use aperture::Aperture;
pub use display::Display;
pub use error::ConstraintError;
pub use flash::FlashRule;

use aperture::Bounds;
use level::{Affine, Level, TOLERANCE, Unreachable, mean_and_sd};
use ndarray::Array5;

/// Bound of the RMS contrast, the SD of light over a stimulus.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contrast {
    /// Higher contrasts are reduced.
    AtMost(f64),
    /// Contrasts are reduced or raised to this.
    Exactly(f64),
}

/// What every stimulus must meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraints {
    /// Lowest and highest light; 0 and 1 are the display's black and white.
    pub range: [f64; 2],
    /// Window outside which the light is grey 0.5.
    pub aperture: Option<Aperture>,
    /// Mean luminance over all numbers of a stimulus within the aperture.
    pub mean: Option<f64>,
    /// RMS contrast over the same numbers.
    pub contrast: Option<Contrast>,
    /// Largest deviation of any number from the mean luminance (0.5 where none is given).
    pub peak: Option<f64>,
    /// Photosensitivity rule for movies.
    pub flash: Option<FlashRule>,
    /// Levels of the display.
    pub display: Option<Display>,
}

impl Default for Constraints {
    /// The range 0 to 1 and nothing else.
    fn default() -> Self {
        Self {
            range: [0.0, 1.0],
            aperture: None,
            mean: None,
            contrast: None,
            peak: None,
            flash: None,
            display: None,
        }
    }
}

/// What a projection did, stimulus by stimulus.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    moves: Vec<Move>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Move {
    affine: Affine,
    modulation: f64,
}

impl Projection {
    /// Factor by which each stimulus's deviation from its mean was scaled, before it was clipped.
    pub fn gains(&self) -> impl Iterator<Item = f64> + '_ {
        self.moves.iter().map(|step| step.affine.gain)
    }

    /// Factor by which each stimulus's deviation from its temporal mean was scaled: 1 where the movie was safe.
    pub fn modulations(&self) -> impl Iterator<Item = f64> + '_ {
        self.moves.iter().map(|step| step.modulation)
    }
}

/// Halvings of the modulation's interval: to 2^-14 of full modulation.
const HALVINGS: usize = 14;

impl Constraints {
    /// Whether anything is left for stimuli of this shape.
    ///
    /// # Errors
    /// The first number out of range, or the first contradiction, with its numbers.
    pub fn check(&self, shape: [usize; 5]) -> Result<(), ConstraintError> {
        self.check_numbers()?;
        let [_, frames, _, height, width] = shape;
        let bounds = self.bounds(height, width);
        if let (Some(window), true) = (&self.aperture, bounds.open.is_empty()) {
            let (radius_px, centre_px) = (window.radius_px, window.centre_px);
            return Err(ConstraintError::Closed { radius_px, centre_px, width, height });
        }
        let open = |values: &[f64]| -> Vec<f64> { bounds.open.iter().map(|&pixel| values[pixel]).collect() };
        let (low, high) = (open(&bounds.low), open(&bounds.high));
        if let Some(mean) = self.mean {
            let (least, most) = (average(&low), average(&high));
            if mean < least - TOLERANCE || mean > most + TOLERANCE {
                return Err(ConstraintError::Mean { mean, least, most });
            }
        }
        if let Some(Contrast::AtMost(wanted) | Contrast::Exactly(wanted)) = self.contrast {
            let level = Level { light: &low, low: &low, high: &high, mean: self.mean, contrast: None };
            let (least, most) = (level.least_contrast(), largest_contrast(&low, &high, self.mean));
            let must_reach = matches!(self.contrast, Some(Contrast::Exactly(_)));
            if wanted < least - TOLERANCE || must_reach && wanted > most + TOLERANCE {
                return Err(ConstraintError::Contrast { wanted, mean: self.mean, least, most });
            }
        }
        match &self.flash {
            Some(rule) if frames > 1 => check_screen(rule, height, width),
            _ => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<(), ConstraintError> {
        let [low, high] = self.range;
        range("range, lowest", low, (0.0..1.0).contains(&low), "0 to below 1")?;
        range("range, highest", high, high > low && high <= 1.0, "above the lowest, at most 1")?;
        if let Some(mean) = self.mean {
            range("mean", mean, (0.0..=1.0).contains(&mean), "0 to 1")?;
        }
        if let Some(Contrast::AtMost(contrast) | Contrast::Exactly(contrast)) = self.contrast {
            range("contrast", contrast, contrast >= 0.0, "0 or more")?;
        }
        if let Some(peak) = self.peak {
            range("peak", peak, peak > 0.0, "more than 0")?;
        }
        if let Some(window) = &self.aperture {
            range("aperture radius_px", window.radius_px, window.radius_px >= 0.0, "0 or more")?;
            range("aperture edge_px", window.edge_px, window.edge_px >= 0.0, "0 or more")?;
            let grey = 0.5;
            range("range, lowest, with an aperture", low, low <= grey, "at most 0.5, the grey outside")?;
            range("range, highest, with an aperture", high, high >= grey, "at least 0.5, the grey outside")?;
        }
        if let Some(rule) = &self.flash {
            range(
                "flash width_deg",
                rule.width_deg,
                rule.width_deg > 0.0 && rule.width_deg < 180.0,
                "0 to 180",
            )?;
            let rate = rule.frame_rate_hz;
            range("flash frame_rate_hz", rate, (1.0..=1000.0).contains(&rate), "1 to 1000")?;
        }
        if let Some(display) = &self.display {
            range("display bits", f64::from(display.bits), (1..=16).contains(&display.bits), "1 to 16")?;
            range("display gamma", display.gamma, (0.5..=5.0).contains(&display.gamma), "0.5 to 5")?;
        }
        Ok(())
    }

    /// Moves stimuli [B, T, C, H, W] to the nearest ones that meet everything but the display's levels. Stimuli that do
    /// are left to the bit.
    ///
    /// # Errors
    /// A number that is not finite; a stimulus that no scaling brings to an exact contrast (a constant one). Contradictions
    /// that [`Constraints::check`] names come out as such a stimulus here.
    pub fn project(&self, stimuli: &mut Array5<f32>) -> Result<Projection, ConstraintError> {
        let (batch, frames, channels, height, width) = stimuli.dim();
        let bounds = self.bounds(height, width);
        let shape = [frames, channels, height, width];
        let numbers = frames * channels * height * width;
        let mut values: Vec<f32> = stimuli.iter().copied().collect();
        let mut moves = Vec::with_capacity(batch);
        for (stimulus, values) in values.chunks_exact_mut(numbers).enumerate() {
            if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                return Err(ConstraintError::NotFinite { stimulus, value });
            }
            let light: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            let (moved, step) =
                self.project_one(&light, shape, &bounds).map_err(|Unreachable { wanted, reached }| {
                    ConstraintError::Unreachable { stimulus, wanted, reached }
                })?;
            values.copy_from_slice(&moved);
            moves.push(step);
        }
        stimuli.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
        Ok(Projection { moves })
    }

    /// One stimulus: levelled, then with less modulation until it is safe.
    fn project_one(
        &self,
        light: &[f64],
        shape: [usize; 4],
        bounds: &Bounds,
    ) -> Result<(Vec<f32>, Move), Unreachable> {
        let at = |modulation: f64| -> Result<_, Unreachable> {
            let blended =
                if modulation < 1.0 { flash::blend(light, shape[0], modulation) } else { light.to_vec() };
            let (moved, affine) = self.levelled(&blended, shape, bounds)?;
            Ok((moved, Move { affine, modulation }))
        };
        let whole = at(1.0)?;
        if self.is_safe(&whole.0, shape) {
            return Ok(whole);
        }
        let (mut safe, mut unsafe_) = (0.0, 1.0);
        let mut best = at(0.0)?;
        for _ in 0..HALVINGS {
            let middle = 0.5 * (safe + unsafe_);
            match at(middle) {
                Ok(found) if self.is_safe(&found.0, shape) => (safe, best) = (middle, found),
                _ => unsafe_ = middle,
            }
        }
        Ok(best)
    }

    /// Bounds, mean and contrast of one stimulus [T, C, H, W].
    fn levelled(
        &self,
        light: &[f64],
        shape: [usize; 4],
        bounds: &Bounds,
    ) -> Result<(Vec<f32>, Affine), Unreachable> {
        let open = Open::of(light, shape, bounds);
        let level = self.level(&open);
        let affine = level.solve()?;
        // Beyond the aperture both bounds are the grey.
        let mut moved: Vec<f32> = light
            .iter()
            .zip(bounds.low.iter().cycle().zip(bounds.high.iter().cycle()))
            .map(|(&x, (&low, &high))| x.clamp(low, high) as f32)
            .collect();
        for (&place, value) in open.places.iter().zip(level.moved(affine)) {
            moved[place] = value as f32;
        }
        Ok((moved, affine))
    }

    fn level<'a>(&self, open: &'a Open) -> Level<'a> {
        Level {
            light: &open.light,
            low: &open.low,
            high: &open.high,
            mean: self.mean,
            contrast: self.contrast,
        }
    }

    /// The gradient of `sum(cotangent * project(at))` with respect to `at`, where `projection` is what
    /// [`Constraints::project`] said of `at`.
    ///
    /// Clipped numbers have no slope; mean and contrast are followed exactly. The modulation that makes a movie safe is held:
    /// a verdict has no slope.
    ///
    /// # Panics
    /// When the shapes of `at` and `cotangent` differ or `projection` is of another batch.
    pub fn pull_back(
        &self,
        at: &Array5<f32>,
        projection: &Projection,
        cotangent: &Array5<f32>,
    ) -> Array5<f32> {
        assert_eq!(at.shape(), cotangent.shape(), "shape of the cotangent");
        let (batch, frames, channels, height, width) = at.dim();
        assert_eq!(batch, projection.moves.len(), "stimuli of the projection");
        let bounds = self.bounds(height, width);
        let shape = [frames, channels, height, width];
        let numbers = frames * channels * height * width;
        let wide =
            |array: &Array5<f32>| -> Vec<f64> { array.iter().map(|&value| f64::from(value)).collect() };
        let (at, cotangent) = (wide(at), wide(cotangent));
        let stimuli = at.chunks_exact(numbers).zip(cotangent.chunks_exact(numbers)).zip(&projection.moves);
        let gradient = stimuli.flat_map(|((at, cotangent), step)| {
            let blend = |values: &[f64]| {
                if step.modulation < 1.0 {
                    flash::blend(values, frames, step.modulation)
                } else {
                    values.to_vec()
                }
            };
            let open = Open::of(&blend(at), shape, &bounds);
            let cotangent: Vec<f64> = open.places.iter().map(|&place| cotangent[place]).collect();
            let mut gradient = vec![0.0; numbers];
            let pulled = self.level(&open).pull_back(step.affine, &cotangent);
            open.places.iter().zip(pulled).for_each(|(&place, value)| gradient[place] = value);
            blend(&gradient)
        });
        let gradient: Vec<f32> = gradient.map(|value| value as f32).collect();
        Array5::from_shape_vec([batch, frames, channels, height, width], gradient).expect("the same number")
    }

    /// [`Constraints::project`], then the display's levels: the stimuli as they are shown. Rounding moves mean and contrast
    /// by less than half a level; the flash rule has judged the rounded frames.
    ///
    /// # Errors
    /// As [`Constraints::project`].
    pub fn finish(&self, stimuli: &mut Array5<f32>) -> Result<Projection, ConstraintError> {
        let projection = self.project(stimuli)?;
        if let Some(display) = &self.display {
            display.quantise(stimuli);
        }
        Ok(projection)
    }

    /// Whether stimuli [B, T, C, H, W] meet everything but the display's levels, each number, mean and contrast to
    /// `tolerance`.
    pub fn feasible(&self, stimuli: &Array5<f32>, tolerance: f64) -> bool {
        let (_, frames, channels, height, width) = stimuli.dim();
        let bounds = self.bounds(height, width);
        let shape = [frames, channels, height, width];
        let values: Vec<f32> = stimuli.iter().copied().collect();
        values.chunks_exact(frames * channels * height * width).all(|values| {
            let light: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            let edges = bounds.low.iter().cycle().zip(bounds.high.iter().cycle());
            let inside =
                |(&x, (&low, &high)): (&f64, (&f64, &f64))| x >= low - tolerance && x <= high + tolerance;
            let open = Open::of(&light, shape, &bounds);
            let (mean, sd) = mean_and_sd(open.light.iter().copied());
            light.iter().zip(edges).all(inside)
                && self.mean.is_none_or(|wanted| (mean - wanted).abs() <= tolerance)
                && match self.contrast {
                    None => true,
                    Some(Contrast::AtMost(most)) => sd <= most + tolerance,
                    Some(Contrast::Exactly(wanted)) => (sd - wanted).abs() <= tolerance,
                }
                && self.is_safe(values, shape)
        })
    }

    /// Whether the flash rule lets a movie [T, C, H, W] pass, as the display shows it. An image always.
    fn is_safe(&self, movie: &[f32], shape: [usize; 4]) -> bool {
        let Some(rule) = self.flash.as_ref().filter(|_| shape[0] > 1) else {
            return true;
        };
        match &self.display {
            None => rule.report(movie, shape).passes(),
            Some(display) => {
                let shown: Vec<f32> = movie.iter().map(|&light| display.shown(light)).collect();
                rule.report(&shown, shape).passes()
            }
        }
    }

    fn bounds(&self, height: usize, width: usize) -> Bounds {
        let grey = f64::from(0.5_f32);
        let [mut low, mut high] = self.range;
        if let Some(peak) = self.peak {
            let centre = self.mean.unwrap_or(grey).clamp(low, high);
            (low, high) = (low.max(centre - peak), high.min(centre + peak));
        }
        Bounds::new([low, high], grey, self.aperture.as_ref(), height, width)
    }
}

/// The numbers of one stimulus that lie in the open part of the aperture.
struct Open {
    places: Vec<usize>,
    light: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Open {
    fn of(light: &[f64], [_, _, height, width]: [usize; 4], bounds: &Bounds) -> Self {
        let plane = height * width;
        let starts = (0..light.len()).step_by(plane);
        let places: Vec<usize> =
            starts.flat_map(|start| bounds.open.iter().map(move |&p| start + p)).collect();
        let edge = |values: &[f64]| places.iter().map(|&place| values[place % plane]).collect();
        Self {
            light: places.iter().map(|&place| light[place]).collect(),
            low: edge(&bounds.low),
            high: edge(&bounds.high),
            places,
        }
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The largest SD of numbers within bounds, at a mean if one is given.
///
/// By duality: the least over a multiplier of the greatest over the bounds, where each number takes the better of its
/// two ends. For equal bounds at the mean m this is `sqrt((hi - m)(m - lo))`.
fn largest_contrast(low: &[f64], high: &[f64], mean: Option<f64>) -> f64 {
    let greatest = |value: &dyn Fn(f64) -> f64| {
        low.iter().zip(high).map(|(&a, &b)| value(a).max(value(b))).sum::<f64>() / low.len() as f64
    };
    let dual = |multiplier: f64| match mean {
        Some(mean) => greatest(&|y| (y - mean) * (y - mean) + multiplier * (y - mean)),
        None => greatest(&|y| (y - multiplier) * (y - multiplier)),
    };
    // Both are convex in the multiplier; light within 0..1 keeps the minimum within -2..2.
    let (mut left, mut right) = (-2.0, 2.0);
    for _ in 0..100 {
        let (a, b) = (left + (right - left) / 3.0, right - (right - left) / 3.0);
        if dual(a) <= dual(b) { right = b } else { left = a }
    }
    dual(0.5 * (left + right)).max(0.0).sqrt()
}

fn check_screen(rule: &FlashRule, height: usize, width: usize) -> Result<(), ConstraintError> {
    let [across, down] = rule.size_px(height, width);
    let (screen_width, screen_height) = (rule.screen.width_px, rule.screen.height_px);
    if across > f64::from(screen_width) + 0.5 || down > f64::from(screen_height) + 0.5 {
        let width_deg = rule.width_deg;
        return Err(ConstraintError::Screen { width_deg, across, down, screen_width, screen_height });
    }
    Ok(())
}

fn range(what: &'static str, value: f64, ok: bool, allowed: &'static str) -> Result<(), ConstraintError> {
    if ok && value.is_finite() { Ok(()) } else { Err(ConstraintError::Range { what, value, allowed }) }
}
