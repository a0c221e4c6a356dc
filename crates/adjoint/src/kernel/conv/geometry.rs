//! Shapes of a convolution.

use super::super::KernelError;

/// A convolution of N, C, D, H, W images; 1-D and 2-D ones have ones in front.
///
/// Weights are O, I / groups, kD, kH, kW. As in ONNX this is a cross-correlation: the kernel is not flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Images.
    pub batch: usize,
    /// Groups: input and output channels are cut into as many independent parts.
    pub groups: usize,
    /// Channels of the input, all groups together.
    pub in_channels: usize,
    /// Channels of the output, all groups together.
    pub out_channels: usize,
    /// Depth, height and width of the input, in pixels.
    pub input: [usize; 3],
    /// Taps per axis.
    pub kernel: [usize; 3],
    /// Distance of neighbouring outputs, in input pixels.
    pub stride: [usize; 3],
    /// Distance of neighbouring taps, in input pixels.
    pub dilation: [usize; 3],
    /// Zeros before the first pixel of each axis.
    pub pad_before: [usize; 3],
    /// Zeros after the last pixel of each axis.
    pub pad_after: [usize; 3],
}

impl ConvGeometry {
    /// A 2-D convolution with one square kernel, stride and pad, dilation 1, one group and one image.
    pub fn square(
        in_channels: usize,
        out_channels: usize,
        input: [usize; 2],
        kernel: usize,
        stride: usize,
        pad: usize,
    ) -> Self {
        Self {
            batch: 1,
            groups: 1,
            in_channels,
            out_channels,
            input: [1, input[0], input[1]],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            dilation: [1; 3],
            pad_before: [0, pad, pad],
            pad_after: [0, pad, pad],
        }
    }

    /// Extent of the kernel along an axis, in input pixels.
    pub(crate) fn span(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Depth, height and width of the output. An axis shorter than the kernel has no output.
    pub fn output(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| {
            let padded = self.input[axis] + self.pad_before[axis] + self.pad_after[axis];
            if padded < self.span(axis) { 0 } else { (padded - self.span(axis)) / self.stride[axis] + 1 }
        })
    }

    /// Input pixels of one channel.
    pub fn input_pixels(&self) -> usize {
        self.input.iter().product()
    }

    /// Output pixels of one channel.
    pub fn output_pixels(&self) -> usize {
        self.output().iter().product()
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.in_channels * self.input_pixels()
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.out_channels * self.output_pixels()
    }

    /// Taps of one kernel plane.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Values of the weights.
    pub fn weight_len(&self) -> usize {
        self.out_channels * (self.in_channels / self.groups.max(1)) * self.taps()
    }

    /// Input channels of one group.
    pub(crate) fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of one group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Multiplications of the plain method, as a measure of size.
    pub fn multiplications(&self) -> usize {
        self.output_len() * self.group_inputs() * self.taps()
    }

    /// Refuses zero sizes, groups that do not divide the channels, and sizes beyond memory.
    pub fn check(&self) -> Result<(), KernelError> {
        let positive = [
            ("groups", self.groups),
            ("kernel", self.taps()),
            ("stride", self.stride.iter().product()),
            ("dilation", self.dilation.iter().product()),
        ];
        for (what, value) in positive {
            if value == 0 {
                return Err(KernelError::Geometry {
                    what,
                    value: "0".into(),
                    allowed: "it must be 1 or more",
                });
            }
        }
        for (what, channels) in [("in_channels", self.in_channels), ("out_channels", self.out_channels)] {
            if channels % self.groups != 0 {
                let value = format!("{channels} in {} groups", self.groups);
                return Err(KernelError::Geometry {
                    what,
                    value,
                    allowed: "groups must divide the channels",
                });
            }
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), KernelError> {
        // 2^40 values are 4 TiB: no product below can overflow after this.
        const MOST: u128 = 1 << 40;
        let padded = [0, 1, 2].map(|axis| {
            let parts = [self.input[axis], self.pad_before[axis], self.pad_after[axis]];
            let reach = (self.dilation[axis] as u128) * (self.kernel[axis] as u128);
            parts.into_iter().map(|part| part as u128).sum::<u128>().max(reach)
        });
        let product = |factors: &[u128]| {
            factors
                .iter()
                .try_fold(1u128, |all, &next| all.checked_mul(next.max(1)).filter(|&all| all <= MOST))
        };
        let channels = self.in_channels.max(self.out_channels) as u128;
        let image = product(&[self.batch as u128, channels, padded[0], padded[1], padded[2]]);
        let taps = self.kernel.map(|taps| taps as u128);
        let weights =
            product(&[self.in_channels as u128, self.out_channels as u128, taps[0], taps[1], taps[2]]);
        if image.is_none() || weights.is_none() {
            let value = format!("{self:?}");
            return Err(KernelError::Geometry { what: "size", value, allowed: "at most 2^40 values" });
        }
        Ok(())
    }
}
