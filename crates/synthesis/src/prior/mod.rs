//! Penalties for unlikely images.
//!
//! A penalty is subtracted from what is to be raised. Each is a mean per number of the stimuli (or per plane), so that one
//! weight serves every size, and each has an exact gradient.

mod blur;
mod spectrum;
mod variation;

use ndarray::Array5;

/// A penalty with its weight.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Prior {
    /// Factor of value and gradient; 0 or more.
    pub weight: f64,
    /// What is penalised.
    pub penalty: Penalty,
}

/// What is penalised.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Penalty {
    /// Total variation (Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992):
    /// the mean over all numbers of `sqrt(dx^2 + dy^2 + (temporal dt)^2 + smoothing^2) - smoothing`, with differences to the
    /// next column, row and frame (none beyond the last).
    TotalVariation {
        /// Weight of the difference between frames, 0 for none.
        temporal: f64,
        /// Light below which a difference counts by its square: makes the penalty smooth at 0. More than 0.
        smoothing: f64,
    },
    /// Deviation of each plane's spectrum from the power `1 / f^exponent` of natural scenes (exponent 2: Field 1987; van der
    /// Schaaf and van Hateren, Vision Research 1996), whatever its contrast: the variance of `ln(power) + exponent ln(f)` over
    /// rings of spatial frequency, weighted by their number of coefficients; the mean over planes.
    Spectrum {
        /// Slope of the power spectrum, positive.
        exponent: f64,
    },
    /// Squared distance to the image's own Gaussian blur, per number: fine structure of any orientation. Edges are
    /// continued by reflection.
    Blur {
        /// SD of the Gaussian in px. More than 0.
        sd_px: f64,
    },
}

/// A setting that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("prior {what} is {value}, allowed is {allowed}")]
pub struct PriorError {
    /// Name of the setting.
    pub what: &'static str,
    /// The value found.
    pub value: f64,
    /// What is allowed, in words.
    pub allowed: &'static str,
}

impl Prior {
    /// Whether every setting is within its range.
    ///
    /// # Errors
    /// The first that is not, with its name and value.
    pub fn check(&self) -> Result<(), PriorError> {
        let range = |what, value: f64, ok: bool, allowed| {
            if ok && value.is_finite() { Ok(()) } else { Err(PriorError { what, value, allowed }) }
        };
        range("weight", self.weight, self.weight >= 0.0, "0 or more")?;
        match self.penalty {
            Penalty::TotalVariation { temporal, smoothing } => {
                range("temporal", temporal, temporal >= 0.0, "0 or more")?;
                range("smoothing", smoothing, smoothing > 0.0, "more than 0")
            }
            Penalty::Spectrum { exponent } => {
                range("exponent", exponent, (0.0..=8.0).contains(&exponent), "0 to 8")
            }
            Penalty::Blur { sd_px } => {
                range("sd_px", sd_px, sd_px > 0.0 && sd_px <= 1e3, "above 0, at most 1000")
            }
        }
    }

    /// The weighted penalty of stimuli [B, T, C, H, W]; its gradient is added to `gradient`.
    ///
    /// # Panics
    /// When `gradient` has another shape.
    pub fn value_and_gradient(&self, stimuli: &Array5<f32>, gradient: &mut Array5<f32>) -> f64 {
        assert_eq!(stimuli.shape(), gradient.shape(), "shape of the gradient");
        let light: Vec<f64> = stimuli.iter().map(|&value| f64::from(value)).collect();
        let (b, t, c, h, w) = stimuli.dim();
        let (value, slopes) = self.penalty.value_and_slopes(&light, [b, t, c, h, w]);
        for (slot, slope) in gradient.iter_mut().zip(slopes) {
            *slot += (self.weight * slope) as f32;
        }
        self.weight * value
    }
}

impl Penalty {
    /// Without the weight, in f64.
    fn value_and_slopes(&self, light: &[f64], shape: [usize; 5]) -> (f64, Vec<f64>) {
        match *self {
            Self::TotalVariation { temporal, smoothing } => {
                variation::value_and_slopes(light, shape, temporal, smoothing)
            }
            Self::Spectrum { exponent } => spectrum::value_and_slopes(light, [shape[3], shape[4]], exponent),
            Self::Blur { sd_px } => blur::value_and_slopes(light, [shape[3], shape[4]], sd_px),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_slopes_in_f64() {
        let penalties = [
            Penalty::TotalVariation { temporal: 0.7, smoothing: 0.01 },
            Penalty::TotalVariation { temporal: 0.0, smoothing: 0.2 },
            Penalty::Spectrum { exponent: 2.0 },
            Penalty::Blur { sd_px: 1.3 },
            Penalty::Blur { sd_px: 20.0 },
        ];
        for shape in [[2, 1, 1, 7, 6], [1, 3, 3, 4, 5], [1, 1, 1, 1, 1], [1, 2, 1, 1, 9]] {
            let mut random = random::Random::new(11, 0);
            let len: usize = shape.iter().product();
            let light: Vec<f64> = (0..len).map(|_| 0.5 + 0.2 * random.normal()).collect();
            for penalty in penalties {
                let (_, slopes) = penalty.value_and_slopes(&light, shape);
                for index in (0..len).step_by(1 + len / 23) {
                    let step = 1e-6;
                    let (mut up, mut down) = (light.clone(), light.clone());
                    up[index] += step;
                    down[index] -= step;
                    let rise =
                        penalty.value_and_slopes(&up, shape).0 - penalty.value_and_slopes(&down, shape).0;
                    let slope = rise / (2.0 * step);
                    let found = slopes[index];
                    assert!(
                        (slope - found).abs() < 2e-7 * (1.0 + slope.abs()),
                        "{penalty:?} {shape:?} {index}: {slope} {found}"
                    );
                }
            }
        }
    }
}
