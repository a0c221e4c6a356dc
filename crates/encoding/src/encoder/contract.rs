//! Does a model keep what everything here relies on? Found by running it.

use ndarray::{Array5, ArrayD};
use random::Random;

use super::{Encoder, EncoderError};

/// What a model does that keeps the contract: floating point, finite, the same bits twice, and a gradient at the
/// stimulus.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// Shape of the model's input for the smallest batch.
    pub input_shape: Vec<usize>,
    /// Per channel of the model, the numbers that black and white become.
    pub input_range: Vec<[f32; 2]>,
    /// Each tap asked for.
    pub taps: Vec<TapRange>,
}

/// What a tap did on black, grey, white and noise.
#[derive(Debug, Clone, PartialEq)]
pub struct TapRange {
    /// Name of the tensor.
    pub tap: String,
    /// Its shape for the smallest batch.
    pub shape: Vec<usize>,
    /// Lowest and highest value.
    pub range: [f32; 2],
    /// Root mean square of the gradient of its sum with respect to light, on noise.
    pub gradient_rms: f64,
}

impl Encoder {
    /// Runs the model on black, mean grey, white and seeded noise, and holds what it does against the contract. The
    /// graph's outputs where no taps are named.
    ///
    /// # Errors
    /// The first tap that is not finite, differs between two runs, or has no gradient at the stimulus, with values.
    pub fn check(&self, taps: &[&str], seed: u64) -> Result<Contract, EncoderError> {
        let outputs: Vec<&str> = self.model.outputs().iter().map(|info| info.name.as_str()).collect();
        let taps = if taps.is_empty() { &outputs[..] } else { taps };
        let batch = self.own_batch().unwrap_or(1);
        let mut gradient = self.gradient(taps, batch, 1, true)?;
        let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; taps.len()];
        for (name, stimulus) in probes(batch, self.form.shape, seed) {
            let inputs = self.inputs(&gradient, stimulus.view())?;
            let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
            let first = gradient.forward(&views).map_err(|source| self.step(source))?;
            let second = gradient.forward(&views).map_err(|source| self.step(source))?;
            for (slot, tap) in taps.iter().enumerate() {
                finite(tap, &first[slot], name)?;
                same(tap, &first[slot], &second[slot])?;
                for value in &first[slot] {
                    ranges[slot] = [ranges[slot][0].min(*value), ranges[slot][1].max(*value)];
                }
            }
        }
        let mut found = Vec::new();
        let (name, noise) = probes(batch, self.form.shape, seed).pop().expect("noise is the last probe");
        let inputs = self.inputs(&gradient, noise.view())?;
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        let values = gradient.forward(&views).map_err(|source| self.step(source))?;
        for (slot, tap) in taps.iter().enumerate() {
            let number = |other: usize| if other == slot { 1.0 } else { 0.0 };
            let cotangents: Vec<ArrayD<f32>> = (0..taps.len())
                .map(|other| ArrayD::from_elem(values[other].shape(), number(other)))
                .collect();
            let views: Vec<_> = cotangents.iter().map(|cotangent| cotangent.view()).collect();
            let back = gradient.backward(&views).map_err(|source| self.step(source))?;
            let light = self.form.pull_back(noise.view(), back[0].view());
            finite(&format!("{tap} (its gradient)"), &light.clone().into_dyn(), name)?;
            let power: f64 = light.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            let gradient_rms = (power / light.len() as f64).sqrt();
            if gradient_rms == 0.0 {
                return Err(EncoderError::Flat { tap: (*tap).to_owned(), stimulus: name.to_owned() });
            }
            let (tap, shape) = ((*tap).to_owned(), gradient.output_shape(slot));
            found.push(TapRange { tap, shape, range: ranges[slot], gradient_rms });
        }
        Ok(Contract {
            input_shape: self.form.input_shape(batch),
            input_range: self.input_range(),
            taps: found,
        })
    }

    /// Per channel of the model, the numbers that black and white become.
    pub fn input_range(&self) -> Vec<[f32; 2]> {
        let ends = self.form.mean.iter().zip(&self.form.sd);
        ends.map(|(mean, sd)| [0.0, 1.0].map(|light| (self.form.transfer.code(light) - mean) / sd)).collect()
    }
}

/// Black, mean grey, white, and noise that stays within the middle 80 % of the range, so that nothing is clipped.
fn probes(batch: usize, [t, c, h, w]: [usize; 4], seed: u64) -> Vec<(&'static str, Array5<f32>)> {
    let shape = [batch, t, c, h, w];
    let mut random = Random::new(seed, 0);
    let noise = Array5::from_shape_simple_fn(shape, || 0.1 + 0.8 * random.uniform() as f32);
    let flat = [("black", 0.0), ("mean grey", 0.5), ("white", 1.0)];
    let flat = flat.into_iter().map(|(name, light)| (name, Array5::from_elem(shape, light)));
    flat.chain([("noise", noise)]).collect()
}

fn finite(tap: &str, values: &ArrayD<f32>, stimulus: &str) -> Result<(), EncoderError> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(&value) => {
            Err(EncoderError::NonFinite { tap: tap.to_owned(), value, stimulus: stimulus.to_owned() })
        }
        None => Ok(()),
    }
}

fn same(tap: &str, first: &ArrayD<f32>, second: &ArrayD<f32>) -> Result<(), EncoderError> {
    let mut pairs = first.iter().zip(second).enumerate();
    match pairs.find(|(_, (a, b))| a.to_bits() != b.to_bits()) {
        Some((element, (&first, &second))) => {
            Err(EncoderError::Random { tap: tap.to_owned(), element, first, second })
        }
        None => Ok(()),
    }
}
