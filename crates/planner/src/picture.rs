//! Pictures as the screen takes them: patterns -1..=1 on a square of texels, within an aperture, at one RMS contrast.

use ndarray::Array5;
use synthesis::constraint::{Aperture, Constraints, Contrast};

use crate::PlannerError;

/// What every picture of a session has in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// Texels along a side.
    pub texels: usize,
    /// Texels per degree of visual angle.
    pub texels_per_deg: f64,
    /// SD of the pattern within the aperture.
    pub contrast_rms: f64,
    /// Diameter beyond which the pattern is 0, in degrees.
    pub aperture_deg: f64,
    /// Width of the soft edge inside that diameter, in degrees.
    pub edge_deg: f64,
}

impl Canvas {
    /// Texels of a picture.
    pub fn count(&self) -> usize {
        self.texels * self.texels
    }

    /// The constraints as `synthesis` has them: in light, of which a pattern p is `0.5 + 0.5 p`.
    pub fn constraints(&self) -> Constraints {
        let radius_deg = self.aperture_deg / 2.0 - self.edge_deg;
        Constraints {
            range: [0.0, 1.0],
            aperture: Some(Aperture {
                centre_px: [0.0, 0.0],
                radius_px: (radius_deg * self.texels_per_deg).max(0.0),
                edge_px: self.edge_deg * self.texels_per_deg,
            }),
            mean: Some(0.5),
            contrast: Some(Contrast::Exactly(0.5 * self.contrast_rms)),
            ..Constraints::default()
        }
    }

    /// Place of each texel's centre in degrees, x to the right and y up, row-major from the top left corner.
    pub fn places_deg(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let along = |index: usize| (index as f64 + 0.5 - self.texels as f64 / 2.0) / self.texels_per_deg;
        (0..self.count()).map(move |at| [along(at % self.texels), -along(at / self.texels)])
    }

    /// A pattern as a stimulus [1, 1, 1, n, n] of light.
    pub fn light(&self, pattern: &[f32]) -> Array5<f32> {
        let light = pattern.iter().map(|p| 0.5 + 0.5 * p).collect();
        Array5::from_shape_vec((1, 1, 1, self.texels, self.texels), light).expect("a texel each")
    }

    /// The pattern of a stimulus of light.
    pub fn pattern(&self, light: &Array5<f32>) -> Vec<f32> {
        light.iter().map(|l| 2.0 * l - 1.0).collect()
    }

    /// The nearest allowed picture.
    ///
    /// # Errors
    /// A pattern that no scaling brings to the contrast, as a constant one.
    pub fn allowed(&self, pattern: &[f32]) -> Result<Vec<f32>, PlannerError> {
        let mut light = self.light(pattern);
        self.constraints().project(&mut light)?;
        Ok(self.pattern(&light))
    }
}
