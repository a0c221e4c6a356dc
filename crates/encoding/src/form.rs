//! How a stimulus becomes a model's input tensor.
//!
//! A stimulus is an array [B, T, C, H, W] of linear light relative to the screen's range: 0 is its black, 1 its white,
//! 0.5 the mean of every stimulus. B counts stimuli of a set, T frames of a movie (1 for an image), C channels (1 grey,
//! 3 red, green, blue).

use ndarray::{Array5, ArrayD, ArrayView5, ArrayViewD, Axis, IxDyn};

/// Order of a model's input axes. One stimulus is one item of the model's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Layout {
    /// [B, C, H, W]: an image.
    Nchw,
    /// [B, H, W, C]: an image, channels last.
    Nhwc,
    /// [B, C, T, H, W]: a movie.
    Ncthw,
    /// [B, T, C, H, W]: a movie.
    Ntchw,
}

/// What a model's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Transfer {
    /// Linear light, 0 to 1.
    Linear,
    /// sRGB code values 0 to 1 (IEC 61966-2-1), as photographs are stored: what networks trained on photographs expect.
    Srgb,
}

/// A model's input: layout, size, and the map `(transfer(light) - mean) / sd` per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Order of axes.
    pub layout: Layout,
    /// Frames T, channels C, height H, width W of one stimulus.
    pub shape: [usize; 4],
    /// Code of the values before mean and sd.
    pub transfer: Transfer,
    /// Per channel of the *model*, subtracted.
    pub mean: Vec<f32>,
    /// Per channel of the *model*, divided by. Positive.
    pub sd: Vec<f32>,
    /// The model wants blue, green, red.
    pub bgr: bool,
}

impl Form {
    /// Linear light as it is, in this layout and shape [T, C, H, W].
    pub fn linear(layout: Layout, shape: [usize; 4]) -> Self {
        let channels = shape[1];
        Self {
            layout,
            shape,
            transfer: Transfer::Linear,
            mean: vec![0.0; channels],
            sd: vec![1.0; channels],
            bgr: false,
        }
    }

    /// Shape of the model's input for `batch` stimuli.
    pub fn input_shape(&self, batch: usize) -> Vec<usize> {
        let [t, c, h, w] = self.shape;
        match self.layout {
            Layout::Nchw => vec![batch, c, h, w],
            Layout::Nhwc => vec![batch, h, w, c],
            Layout::Ncthw => vec![batch, c, t, h, w],
            Layout::Ntchw => vec![batch, t, c, h, w],
        }
    }

    /// Stimuli [B, T, C, H, W] as the model's input.
    pub fn to_input(&self, stimuli: ArrayView5<'_, f32>) -> ArrayD<f32> {
        let mut values = stimuli.to_owned();
        for (channel, mut plane) in values.axis_iter_mut(Axis(2)).enumerate() {
            let slot = self.slot(channel);
            plane.mapv_inplace(|light| (self.transfer.code(light) - self.mean[slot]) / self.sd[slot]);
        }
        self.arranged(values)
    }

    /// Gradient with respect to the model's input, as one with respect to the stimuli at which it was taken.
    pub fn pull_back(&self, stimuli: ArrayView5<'_, f32>, gradient: ArrayViewD<'_, f32>) -> Array5<f32> {
        let mut values = self.returned(gradient, stimuli.shape()[0]);
        for (channel, mut plane) in values.axis_iter_mut(Axis(2)).enumerate() {
            let sd = self.sd[self.slot(channel)];
            plane.zip_mut_with(&stimuli.index_axis(Axis(2), channel), |gradient, &light| {
                *gradient *= self.transfer.slope(light) / sd;
            });
        }
        values
    }

    /// The model's channel for a channel of the stimulus.
    fn slot(&self, channel: usize) -> usize {
        if self.bgr { self.shape[1] - 1 - channel } else { channel }
    }

    fn arranged(&self, mut values: Array5<f32>) -> ArrayD<f32> {
        if self.bgr {
            values.invert_axis(Axis(2));
        }
        let batch = values.shape()[0];
        let moved = match self.layout {
            Layout::Nchw | Layout::Ntchw => values,
            Layout::Ncthw => values.permuted_axes([0, 2, 1, 3, 4]),
            Layout::Nhwc => values.permuted_axes([0, 1, 3, 4, 2]),
        };
        let moved = moved.as_standard_layout().into_owned();
        moved.into_shape_with_order(IxDyn(&self.input_shape(batch))).expect("the same number of elements")
    }

    fn returned(&self, gradient: ArrayViewD<'_, f32>, batch: usize) -> Array5<f32> {
        let [t, c, h, w] = self.shape;
        let axes = match self.layout {
            Layout::Nchw | Layout::Ntchw => [batch, t, c, h, w],
            Layout::Ncthw => [batch, c, t, h, w],
            Layout::Nhwc => [batch, t, h, w, c],
        };
        let gradient = gradient.as_standard_layout().into_owned();
        let five = gradient.into_shape_with_order(axes).expect("a gradient has its input's shape");
        let mut back = match self.layout {
            Layout::Nchw | Layout::Ntchw => five,
            Layout::Ncthw => five.permuted_axes([0, 2, 1, 3, 4]),
            Layout::Nhwc => five.permuted_axes([0, 1, 4, 2, 3]),
        };
        if self.bgr {
            back.invert_axis(Axis(2));
        }
        back.as_standard_layout().into_owned()
    }
}

impl Transfer {
    /// Code value of a linear light.
    pub fn code(self, light: f32) -> f32 {
        match self {
            Self::Linear => light,
            Self::Srgb if light <= SRGB_KNEE => 12.92 * light,
            Self::Srgb => 1.055 * libm::powf(light, 1.0 / 2.4) - 0.055,
        }
    }

    /// Derivative of [`Transfer::code`].
    pub fn slope(self, light: f32) -> f32 {
        match self {
            Self::Linear => 1.0,
            Self::Srgb if light <= SRGB_KNEE => 12.92,
            Self::Srgb => 1.055 / 2.4 * libm::powf(light, 1.0 / 2.4 - 1.0),
        }
    }
}

/// Where the straight piece of the sRGB curve ends.
const SRGB_KNEE: f32 = 0.003_130_8;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(shape: [usize; 5]) -> Array5<f32> {
        let len: usize = shape.iter().product();
        Array5::from_shape_vec(shape, (0..len).map(|i| 0.05 + 0.9 * (i * 37 % 101) as f32 / 101.0).collect())
            .unwrap()
    }

    #[test]
    fn a_gradient_of_the_input_is_carried_back_through_every_layout() {
        for layout in [Layout::Nchw, Layout::Nhwc, Layout::Ncthw, Layout::Ntchw] {
            let frames = if matches!(layout, Layout::Nchw | Layout::Nhwc) { 1 } else { 2 };
            let form = Form {
                transfer: Transfer::Srgb,
                mean: vec![0.4, 0.5, 0.6],
                sd: vec![0.2, 0.3, 0.4],
                bgr: true,
                ..Form::linear(layout, [frames, 3, 4, 5])
            };
            let x = numbered([2, frames, 3, 4, 5]);
            let input = form.to_input(x.view());
            assert_eq!(input.shape(), form.input_shape(2));
            let cotangent = input.mapv(|v| (3.0 * v).sin());
            let back = form.pull_back(x.view(), cotangent.view());
            let value = |x: &Array5<f32>| -> f64 {
                let input = form.to_input(x.view());
                input.iter().zip(&cotangent).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            for index in [0, 17, 58] {
                let (mut up, mut down) = (x.clone(), x.clone());
                let h = 1e-3;
                up.as_slice_mut().unwrap()[index] += h;
                down.as_slice_mut().unwrap()[index] -= h;
                let slope = (value(&up) - value(&down)) / f64::from(2.0 * h);
                let found = f64::from(back.as_slice().unwrap()[index]);
                assert!(
                    (slope - found).abs() < 2e-2 * (1.0 + found.abs()),
                    "{layout:?} {index}: {slope} {found}"
                );
            }
        }
    }
}
