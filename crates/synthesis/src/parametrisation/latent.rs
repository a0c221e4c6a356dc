//! The latent of a generator network.

use adjoint::Gradient;
use encoding::form::{Form, Transfer};
use ndarray::{Array5, ArrayD, ArrayView, IxDyn};
use random::Random;

use super::{ParametrisationError, range};

/// Parameters are the latent of a generator, an ONNX model that makes images or movies.
///
/// The generator's output is read by a [`Form`], in the same sense as a model's input: its numbers are
/// `(transfer(light) - mean) / sd` per channel. A generator that ends in a tanh and speaks sRGB, for instance, has mean
/// 0.5, SD 0.5 and [`Transfer::Srgb`].
#[derive(Debug)]
pub struct Latent {
    pub(super) shape: [usize; 5],
    generator: Gradient,
    form: Form,
    /// Only the order of axes of `form`.
    order: Form,
    latent_shape: Vec<usize>,
    limit: f64,
    /// Where the generator was last run, and what code values came out, [B, T, C, H, W].
    last: Option<(Vec<f32>, Array5<f32>)>,
}

impl Latent {
    /// `generator`: a planned gradient of one input, the latent [B, ...], and one output in the layout of `form`, with the
    /// batch B of the wanted stimuli. `limit`: bound of every latent number, both ways; the start is standard normal within
    /// it.
    ///
    /// # Errors
    /// More than one input or output; an output whose shape does not fit; a mean or SD that does not.
    pub fn new(
        generator: Gradient,
        form: Form,
        batch: usize,
        limit: f64,
    ) -> Result<Self, ParametrisationError> {
        range("limit of the latent", limit, limit > 0.0, "more than 0")?;
        let only = |what, names: Vec<String>| match names.as_slice() {
            [name] => Ok(name.clone()),
            _ => Err(ParametrisationError::OneTensor { what, names: names.join(", ") }),
        };
        let input = only("inputs", generator.input_names().map(str::to_owned).collect())?;
        let output = only("outputs", generator.output_names().map(str::to_owned).collect())?;
        for (what, values) in [("mean", &form.mean), ("sd", &form.sd)] {
            if values.len() != form.shape[1] {
                let (found, wanted) = (values.len(), form.shape[1]);
                return Err(ParametrisationError::Channels { what, found, wanted });
            }
        }
        for &sd in &form.sd {
            range("sd of the generator's output", f64::from(sd), sd > 0.0, "more than 0")?;
        }
        let fits = |tensor: String, found: Vec<usize>, wanted: Vec<usize>| {
            if found == wanted {
                Ok(())
            } else {
                Err(ParametrisationError::Generator { tensor, found, wanted })
            }
        };
        fits(output, generator.output_shape(0), form.input_shape(batch))?;
        let latent_shape = generator.input_shape(0);
        let mut batched = latent_shape.clone();
        if let Some(first) = batched.first_mut() {
            *first = batch;
        }
        fits(input, latent_shape.clone(), batched)?;
        let [frames, channels, height, width] = form.shape;
        Ok(Self {
            shape: [batch, frames, channels, height, width],
            generator,
            order: Form { bgr: form.bgr, ..Form::linear(form.layout, form.shape) },
            form,
            latent_shape,
            limit,
            last: None,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.latent_shape.iter().product()
    }

    pub(super) fn bounds(&self) -> Vec<[f64; 2]> {
        vec![[-self.limit, self.limit]; self.len()]
    }

    pub(super) fn start(&self, random: &mut Random) -> Vec<f64> {
        (0..self.len()).map(|_| random.normal().clamp(-self.limit, self.limit)).collect()
    }

    /// Runs the generator, unless it was last run here, and gives its code values.
    fn codes(&mut self, at: &[f64]) -> Result<&Array5<f32>, ParametrisationError> {
        let latent: Vec<f32> = at.iter().map(|&value| value as f32).collect();
        let last = match self.last.take() {
            Some(last) if last.0 == latent => last,
            _ => {
                let array = ArrayView::from_shape(IxDyn(&self.latent_shape), &latent)
                    .expect("as many numbers as the latent has");
                let output = self.generator.forward(&[array])?.swap_remove(0);
                (latent, self.codes_of(&output))
            }
        };
        Ok(&self.last.insert(last).1)
    }

    fn codes_of(&self, output: &ArrayD<f32>) -> Array5<f32> {
        // The adjoint of a permutation is its inverse: axes come back in the stimulus's order.
        let mut codes = self.order.pull_back(Array5::zeros(self.shape).view(), output.view());
        for (channel, mut plane) in codes.axis_iter_mut(ndarray::Axis(2)).enumerate() {
            let slot = self.slot(channel);
            plane.mapv_inplace(|value| value * self.form.sd[slot] + self.form.mean[slot]);
        }
        codes
    }

    /// The generator's channel for a channel of the stimulus.
    fn slot(&self, channel: usize) -> usize {
        if self.form.bgr { self.shape[2] - 1 - channel } else { channel }
    }

    pub(super) fn render(&mut self, at: &[f64], out: &mut Array5<f32>) -> Result<(), ParametrisationError> {
        let transfer = self.form.transfer;
        out.zip_mut_with(self.codes(at)?, |light, &code| *light = light_of(transfer, code));
        Ok(())
    }

    pub(super) fn pull_back(
        &mut self,
        at: &[f64],
        cotangent: &Array5<f32>,
        gradient: &mut [f64],
    ) -> Result<(), ParametrisationError> {
        let transfer = self.form.transfer;
        let mut back = self.codes(at)?.mapv(|code| slope_of(transfer, code));
        back *= cotangent;
        for (channel, mut plane) in back.axis_iter_mut(ndarray::Axis(2)).enumerate() {
            let sd = self.form.sd[self.slot(channel)];
            plane.mapv_inplace(|value| value * sd);
        }
        let back = self.order.to_input(back.view());
        let latent = self.generator.backward(&[back.view()])?.swap_remove(0);
        gradient.iter_mut().zip(&latent).for_each(|(slot, &value)| *slot = f64::from(value));
        Ok(())
    }
}

/// Light of a code value: the inverse of [`Transfer::code`].
fn light_of(transfer: Transfer, code: f32) -> f32 {
    match transfer {
        Transfer::Srgb if code > SRGB_CODE_KNEE => libm::powf((code + 0.055) / 1.055, 2.4),
        Transfer::Srgb => code / 12.92,
        _ => code,
    }
}

/// Derivative of [`light_of`].
fn slope_of(transfer: Transfer, code: f32) -> f32 {
    match transfer {
        Transfer::Srgb if code > SRGB_CODE_KNEE => 2.4 / 1.055 * libm::powf((code + 0.055) / 1.055, 1.4),
        Transfer::Srgb => 1.0 / 12.92,
        _ => 1.0,
    }
}

/// Where the straight piece of the sRGB curve ends, in code (IEC 61966-2-1).
const SRGB_CODE_KNEE: f32 = 0.040_45;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_inverts_the_code() {
        for transfer in [Transfer::Linear, Transfer::Srgb] {
            for step in 0..=100 {
                let light = step as f32 / 100.0;
                assert!((light_of(transfer, transfer.code(light)) - light).abs() < 1e-5);
                let code = transfer.code(light);
                assert!((slope_of(transfer, code) * transfer.slope(light) - 1.0).abs() < 1e-3, "{light}");
            }
        }
    }
}
