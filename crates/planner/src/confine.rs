//! Pictures that differ from a reference in one part of the visual field only.
//!
//! What lies outside the part is the reference's, texel by texel, so that populations that see nothing of the part stay
//! where the reference has them. The part has as much contrast energy as the reference has there, and the picture decides
//! where to put it: the RMS contrast of the whole picture is the same.

use ndarray::Array5;
use synthesis::optimiser::{Optimiser, Settings, adam};
use synthesis::problem::Problem;

use crate::features::Eyes;
use crate::propose::{Found, Judge};
use crate::{Canvas, PlannerError};

/// Steps to a part's contrast; five are enough from within a factor of four.
const STEPS: usize = 6;

/// The reference and the part.
#[derive(Debug, Clone, PartialEq)]
pub struct Confined {
    reference: Vec<f32>,
    /// 0..1 per texel: how much of it is free.
    free: Vec<f64>,
}

impl Confined {
    /// Pictures that differ from `reference` where `free` is above 0.
    pub fn new(reference: Vec<f32>, free: Vec<f64>) -> Self {
        Self { reference, free }
    }

    /// The reference.
    pub fn reference(&self) -> &[f32] {
        &self.reference
    }

    /// The reference with the part taken from a pattern, whose contrast there becomes the reference's; and the factor by which
    /// the pattern was scaled.
    pub fn picture(&self, pattern: &[f64]) -> (Vec<f64>, f64) {
        let wanted: f64 = self.reference.iter().map(|r| f64::from(*r) * f64::from(*r)).sum();
        let parts = || pattern.iter().zip(&self.reference).zip(&self.free);
        let energy = parts().map(|((p, _), free)| (free * p) * (free * p)).sum::<f64>();
        let is_blank = energy.is_nan() || energy <= 1e-12;
        let mut scale = if is_blank { 0.0 } else { 1.0 };
        // Newton's steps to the wanted energy, of what is left after texels were cut at black and white.
        for _ in 0..if is_blank { 0 } else { STEPS } {
            let (mut energy, mut rise) = (0.0, 0.0);
            for ((p, r), free) in parts() {
                let texel = scale * free * p + (1.0 - free) * f64::from(*r);
                if texel.abs() < 1.0 {
                    energy += texel * texel;
                    rise += 2.0 * texel * free * p;
                } else {
                    energy += 1.0;
                }
            }
            if rise > 1e-9 {
                scale = (scale + (wanted - energy) / rise).clamp(0.25 * scale, 4.0 * scale);
            }
        }
        let texel = |((p, r), free): ((&f64, &f32), &f64)| {
            (scale * free * p + (1.0 - free) * f64::from(*r)).clamp(-1.0, 1.0)
        };
        (parts().map(texel).collect(), scale)
    }

    /// The same as an allowed picture of a canvas.
    ///
    /// # Errors
    /// As [`Canvas::allowed`].
    pub fn allowed(&self, canvas: &Canvas, pattern: &[f32]) -> Result<Vec<f32>, PlannerError> {
        let pattern: Vec<f64> = pattern.iter().map(|texel| f64::from(*texel)).collect();
        canvas.allowed(&self.picture(&pattern).0.iter().map(|texel| *texel as f32).collect::<Vec<_>>())
    }
}

/// As [`crate::propose::climb`], over pictures that are confined.
///
/// # Errors
/// A picture that no scaling brings to the canvas's contrast; a model that fails.
pub fn climb_within(
    eyes: &mut Eyes,
    canvas: &Canvas,
    confined: &Confined,
    judge: &Judge<'_>,
    start: &[f32],
    steps: u32,
    mut is_over: impl FnMut() -> bool,
) -> Result<Found, PlannerError> {
    let mut at: Vec<f64> = start.iter().map(|&texel| f64::from(texel)).collect();
    let mut problem = Ascent { eyes, judge, confined, canvas };
    problem.project(&mut at);
    // As fast as an ascent over whole pictures: there it is a quarter of the contrast in light, which has half the range.
    let rate = 0.5 * canvas.contrast_rms;
    let settings = Settings::Adam(adam::Settings { rate, half_life: 40.0, ..adam::Settings::default() });
    let failed = |error: &dyn std::fmt::Display| PlannerError::Step(error.to_string());
    let mut optimiser = Optimiser::prepare(settings, &at, 0).map_err(|error| failed(&error))?;
    let mut iterations = 0;
    while iterations < steps && !is_over() {
        optimiser.step(&mut problem).map_err(|error| failed(&error))?;
        iterations += 1;
    }
    let (best, value) = optimiser.best();
    let best: Vec<f32> = if iterations == 0 { &at[..] } else { best }.iter().map(|t| *t as f32).collect();
    Ok(Found { pattern: confined.allowed(canvas, &best)?, value, iterations })
}

struct Ascent<'a> {
    eyes: &'a mut Eyes,
    judge: &'a Judge<'a>,
    confined: &'a Confined,
    canvas: &'a Canvas,
}

impl Ascent<'_> {
    fn light(&self, picture: &[f64]) -> Array5<f32> {
        let picture: Vec<f32> = picture.iter().map(|texel| *texel as f32).collect();
        self.canvas.light(&picture)
    }
}

impl Problem for Ascent<'_> {
    type Error = PlannerError;

    fn dimensions(&self) -> usize {
        self.canvas.count()
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, PlannerError> {
        let light = self.light(&self.confined.picture(at).0);
        Ok((self.judge)(&self.eyes.features(&light)?).0)
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, PlannerError> {
        let (picture, scale) = self.confined.picture(at);
        let light = self.light(&picture);
        let (value, slope) = self.eyes.slope(&light, self.judge)?;
        // Light is half of the pattern. What would only change the part's contrast is scaled away, so it is left out.
        let (mut along, mut square) = (0.0, 0.0);
        for (((g, slope), free), p) in gradient.iter_mut().zip(&slope).zip(&self.confined.free).zip(at) {
            *g = 0.5 * scale * free * f64::from(*slope);
            along += *g * p;
            square += free * p * p;
        }
        let along = if square > 0.0 { along / square } else { 0.0 };
        let parts = gradient.iter_mut().zip(&self.confined.free).zip(at);
        parts.for_each(|((g, free), p)| *g -= along * free * p);
        Ok(value)
    }

    fn project(&self, at: &mut [f64]) {
        let (_, scale) = self.confined.picture(at);
        for (texel, free) in at.iter_mut().zip(&self.confined.free) {
            // Where nothing is free nothing wanders off.
            *texel = if *free > 1e-3 { (scale * *texel).clamp(-1.0, 1.0) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe;
    use random::Random;

    #[test]
    fn only_the_part_differs_and_the_contrast_is_the_same() {
        let canvas =
            Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 };
        let mut random = Random::new(2, 0);
        let reference = probe::natural(&canvas, &mut random).unwrap();
        let free: Vec<f64> =
            canvas.places_deg().map(|[x, y]| f64::from(u8::from((x + 1.5).hypot(y) < 1.5))).collect();
        let confined = Confined::new(reference.clone(), free.clone());
        for _ in 0..5 {
            let other = probe::gabor(&canvas, &mut random).unwrap();
            let picture = confined.allowed(&canvas, &other).unwrap();
            let square = |pattern: &[f32]| pattern.iter().map(|p| f64::from(*p).powi(2)).sum::<f64>();
            assert!((square(&picture) / square(&reference) - 1.0).abs() < 0.01);
            let outside = |pattern: &[f32]| -> Vec<f64> {
                let part = pattern.iter().zip(&free).filter(|(_, free)| **free == 0.0);
                part.map(|(p, _)| f64::from(*p)).collect()
            };
            let off =
                outside(&picture).iter().zip(outside(&reference)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            assert!(off < 0.01 * square(&reference), "{off}");
            let inside = picture.iter().zip(&reference).zip(&free).filter(|(_, free)| **free == 1.0);
            assert!(
                inside.map(|((a, b), _)| f64::from(a - b).powi(2)).sum::<f64>() > 0.02 * square(&reference)
            );
        }
        let blank = confined.picture(&vec![0.0; canvas.count()]);
        assert_eq!(blank.1, 0.0, "nothing has no contrast to scale");
    }
}
