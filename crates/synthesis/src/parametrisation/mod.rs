//! What the numbers that are searched mean.
//!
//! Every parametrisation is a map from a flat vector of numbers to stimuli [B, T, C, H, W], with an exact
//! vector-Jacobian product. Which one is chosen decides what an ascent finds first: pixels go for fine structure, Fourier
//! coefficients for natural spectra, Gabors for what can be described in words, a latent for what its generator knows.

mod colour;
mod fourier;
mod gabor;
mod hartley;
mod latent;
mod perturbation;
mod pixels;

pub use fourier::{Fourier, FourierSpec};
pub use gabor::{Gabor, GaborSpec, Gabors};
pub(crate) use hartley::Hartley;
pub use latent::Latent;
pub use perturbation::{Ball, Perturbation};
pub use pixels::Pixels;

use ndarray::Array5;
use random::Random;

/// A map from numbers to stimuli. Short movies are [`Fourier`] or [`Gabors`] with more than one frame.
#[derive(Debug)]
pub enum Parametrisation {
    /// The light of every pixel.
    Pixels(Pixels),
    /// Coefficients of a spectrum.
    Fourier(Fourier),
    /// Parameters of Gabors.
    Gabors(Gabors),
    /// A bounded change of given stimuli.
    Perturbation(Perturbation),
    /// The latent of a generator network.
    Latent(Box<Latent>),
}

/// Why a parametrisation cannot be made or computed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ParametrisationError {
    /// A number outside its range.
    #[error("{what} is {value}, allowed is {allowed}")]
    Range {
        /// Name of the number.
        what: &'static str,
        /// The number found.
        value: f64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// Stimuli of another shape.
    #[error(
        "the given stimuli have the shape {found:?}; the parametrisation makes {wanted:?} ([B, T, C, H, W])"
    )]
    Shape {
        /// Shape given.
        found: Vec<usize>,
        /// Shape that the parametrisation makes.
        wanted: Vec<usize>,
    },
    /// There is no way from an image to numbers.
    #[error("{kind} cannot start from a given image; pixels, fourier and perturbation can")]
    NoInverse {
        /// The parametrisation.
        kind: &'static str,
    },
    /// A generator with several inputs or outputs.
    #[error("a generator has one latent and one image, this has the {what} {names}")]
    OneTensor {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// Their names.
        names: String,
    },
    /// A mean or SD per channel, of another number than channels.
    #[error("the form of the generator's output has {found} numbers for {what}, its channels are {wanted}")]
    Channels {
        /// `mean` or `sd`.
        what: &'static str,
        /// How many numbers there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// A generator's tensor of another shape than wanted.
    #[error("the generator's {tensor} has the shape {found:?}; wanted is {wanted:?}")]
    Generator {
        /// Name of the tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// What would fit.
        wanted: Vec<usize>,
    },
    /// The generator did not run.
    #[error("generator: {0}")]
    Step(#[from] adjoint::StepError),
}

impl Parametrisation {
    /// Length of the vector, for all stimuli together.
    #[allow(clippy::len_without_is_empty, reason = "no parametrisation is empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Pixels(pixels) => pixels.len(),
            Self::Fourier(fourier) => fourier.len(),
            Self::Gabors(gabors) => gabors.len(),
            Self::Perturbation(perturbation) => perturbation.base.len(),
            Self::Latent(latent) => latent.len(),
        }
    }

    /// Shape [B, T, C, H, W] of the stimuli.
    pub fn shape(&self) -> [usize; 5] {
        match self {
            Self::Pixels(pixels) => pixels.shape,
            Self::Fourier(fourier) => fourier.shape,
            Self::Gabors(gabors) => gabors.shape,
            Self::Perturbation(perturbation) => {
                let (b, t, c, h, w) = perturbation.base.dim();
                [b, t, c, h, w]
            }
            Self::Latent(latent) => latent.shape,
        }
    }

    /// A place to start from: grey with a little noise, faint Gabors, a normal latent.
    pub fn start(&self, random: &mut Random) -> Vec<f64> {
        match self {
            Self::Pixels(pixels) => pixels.start(random),
            Self::Fourier(fourier) => fourier.start(random),
            Self::Gabors(gabors) => gabors.start(random),
            Self::Perturbation(perturbation) => perturbation.start(random),
            Self::Latent(latent) => latent.start(random),
        }
    }

    /// The numbers that come nearest to given stimuli, to start from them.
    ///
    /// # Errors
    /// Stimuli of another shape; a parametrisation without an inverse (Gabors, a latent).
    pub fn start_at(&self, stimuli: &Array5<f32>) -> Result<Vec<f64>, ParametrisationError> {
        let (found, wanted) = (stimuli.shape().to_vec(), self.shape().to_vec());
        if found != wanted {
            return Err(ParametrisationError::Shape { found, wanted });
        }
        match self {
            Self::Pixels(_) => Ok(stimuli.iter().map(|&light| f64::from(light)).collect()),
            Self::Fourier(fourier) => Ok(fourier.parameters_of(stimuli)),
            Self::Perturbation(perturbation) => Ok(perturbation.parameters_of(stimuli)),
            Self::Gabors(_) => Err(ParametrisationError::NoInverse { kind: "gabors" }),
            Self::Latent(_) => Err(ParametrisationError::NoInverse { kind: "latent" }),
        }
    }

    /// Lowest and highest value of every number, where numbers have natural bounds: what gradient-free optimisers search.
    pub fn bounds(&self) -> Option<Vec<[f64; 2]>> {
        match self {
            Self::Pixels(pixels) => Some(vec![[0.0, 1.0]; pixels.len()]),
            Self::Fourier(_) => None,
            Self::Gabors(gabors) => Some(gabors.bounds()),
            Self::Perturbation(perturbation) => perturbation.bounds(),
            Self::Latent(latent) => Some(latent.bounds()),
        }
    }

    /// Moves the numbers to the nearest allowed ones: into their bounds or, for a perturbation, into its ball.
    pub fn project(&self, at: &mut [f64]) {
        match self {
            Self::Perturbation(perturbation) => perturbation.project(at),
            _ => {
                for (value, [low, high]) in at.iter_mut().zip(self.bounds().unwrap_or_default()) {
                    *value = value.clamp(low, high);
                }
            }
        }
    }

    /// The stimuli of these numbers: overwrites `out`, [B, T, C, H, W].
    ///
    /// # Errors
    /// A generator that does not run. Nothing else fails.
    ///
    /// # Panics
    /// When `at` has not the length [`Parametrisation::len`] or `out` not the shape [`Parametrisation::shape`].
    pub fn render(&mut self, at: &[f64], out: &mut Array5<f32>) -> Result<(), ParametrisationError> {
        assert_eq!(at.len(), self.len(), "numbers of the parametrisation");
        assert_eq!(out.shape(), self.shape(), "shape of the stimuli");
        match self {
            Self::Pixels(pixels) => pixels.render(at, out),
            Self::Fourier(fourier) => fourier.render(at, out),
            Self::Gabors(gabors) => gabors.render(at, out),
            Self::Perturbation(perturbation) => perturbation.render(at, out),
            Self::Latent(latent) => latent.render(at, out)?,
        }
        Ok(())
    }

    /// The gradient of `sum(cotangent * render(at))` with respect to `at`: overwrites `gradient`.
    ///
    /// # Errors
    /// As [`Parametrisation::render`].
    ///
    /// # Panics
    /// As [`Parametrisation::render`].
    pub fn pull_back(
        &mut self,
        at: &[f64],
        cotangent: &Array5<f32>,
        gradient: &mut [f64],
    ) -> Result<(), ParametrisationError> {
        assert_eq!(at.len(), self.len(), "numbers of the parametrisation");
        assert_eq!(gradient.len(), self.len(), "numbers of the gradient");
        assert_eq!(cotangent.shape(), self.shape(), "shape of the cotangent");
        match self {
            Self::Pixels(pixels) => pixels.pull_back(cotangent, gradient),
            Self::Fourier(fourier) => fourier.pull_back(at, cotangent, gradient),
            Self::Gabors(gabors) => gabors.pull_back(at, cotangent, gradient),
            Self::Perturbation(perturbation) => perturbation.pull_back(at, cotangent, gradient),
            Self::Latent(latent) => latent.pull_back(at, cotangent, gradient)?,
        }
        Ok(())
    }
}

fn range(
    what: &'static str,
    value: f64,
    ok: bool,
    allowed: &'static str,
) -> Result<(), ParametrisationError> {
    if ok && value.is_finite() { Ok(()) } else { Err(ParametrisationError::Range { what, value, allowed }) }
}
