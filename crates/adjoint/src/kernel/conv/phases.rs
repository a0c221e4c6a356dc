//! A strided convolution as one of stride 1 between more channels.
//!
//! Forward, the pixels of an input channel are sorted by the remainder of their coordinates by the stride: s^2 virtual
//! input channels, and a kernel of ceil(k / s) taps. The input gradient is the mirror image: virtual channels of the
//! result. With stride 1 both are plain convolutions. Only 2-D, one group.

use super::{ConvGeometry, Direction};

/// One axis. Output q and tap t read the source's place q + t.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhaseAxis {
    pub direction: Direction,
    pub stride: usize,
    dilation: usize,
    kernel: usize,
    pad: usize,
    /// Taps of the virtual kernel.
    pub taps: usize,
    /// Positions of a virtual result channel.
    pub outputs: usize,
    /// Original coordinate of the source's place 0 (of phase 0).
    pub origin: isize,
    /// Pixels of the original and of the result.
    pub from_len: usize,
    pub to_len: usize,
}

impl PhaseAxis {
    fn new(geometry: &ConvGeometry, direction: Direction, axis: usize) -> Self {
        let (stride, dilation) = (geometry.stride[axis], geometry.dilation[axis]);
        let (kernel, pad) = (geometry.kernel[axis], geometry.pad_before[axis]);
        let (input, output) = (geometry.input[axis], geometry.output()[axis]);
        let span = (kernel - 1) * dilation;
        match direction {
            Direction::Forward => Self {
                direction,
                stride,
                dilation,
                kernel,
                pad,
                taps: span / stride + 1,
                outputs: output,
                origin: -(pad as isize),
                from_len: input,
                to_len: output,
            },
            Direction::InputGradient => {
                // Phase r sees the outputs (r + pad - k d) / s: from the last tap at r = 0 to the first at r = s - 1.
                let least = -(span as isize - pad as isize).div_euclid(stride as isize);
                let most = pad.div_ceil(stride) as isize;
                Self {
                    direction,
                    stride,
                    dilation,
                    kernel,
                    pad,
                    taps: (most - least + 1).max(1) as usize,
                    outputs: input.div_ceil(stride),
                    origin: least,
                    from_len: output,
                    to_len: input,
                }
            }
        }
    }

    /// The kernel's tap at place `tap` of the virtual kernel of a phase.
    pub fn tap(&self, phase: usize, tap: usize) -> Option<usize> {
        let coordinate = match self.direction {
            Direction::Forward => (tap * self.stride + phase) as isize,
            Direction::InputGradient => {
                (phase + self.pad) as isize - self.stride as isize * (self.origin + tap as isize)
            }
        };
        let coordinate = usize::try_from(coordinate).ok()?;
        let tap = coordinate / self.dilation;
        (coordinate % self.dilation == 0 && tap < self.kernel).then_some(tap)
    }

    /// Phases of the source and of the result.
    pub fn phases(&self) -> (usize, usize) {
        match self.direction {
            Direction::Forward => (self.stride, 1),
            Direction::InputGradient => (1, self.stride),
        }
    }

    /// Original coordinate of a source place of a phase, if it is not in the pad.
    pub fn original(&self, phase: usize, place: usize) -> Option<usize> {
        let step = self.phases().0;
        let at = self.origin + (place * step + phase) as isize;
        usize::try_from(at).ok().filter(|&at| at < self.from_len)
    }
}

/// A 2-D convolution of stride 1 between virtual channels.
#[derive(Debug, Clone)]
pub(crate) struct Phased {
    pub y: PhaseAxis,
    pub x: PhaseAxis,
    /// Virtual channels at both ends.
    pub channels: usize,
    pub rows: usize,
}

/// A virtual channel: the real one and its phases.
#[derive(Clone, Copy)]
pub(crate) struct Virtual {
    pub channel: usize,
    pub y: usize,
    pub x: usize,
}

impl Phased {
    /// `None` for 3-D and grouped convolutions and empty images.
    pub fn new(geometry: &ConvGeometry, direction: Direction) -> Option<Self> {
        let flat = geometry.input[0] == 1 && geometry.kernel[0] == 1 && geometry.output()[0] == 1;
        let flat = flat && geometry.stride[0] == 1 && geometry.pad_before[0] == 0;
        if !flat || geometry.groups != 1 || geometry.output_len() == 0 || geometry.input_len() == 0 {
            return None;
        }
        let (y, x) = (PhaseAxis::new(geometry, direction, 1), PhaseAxis::new(geometry, direction, 2));
        let (from, to) = match direction {
            Direction::Forward => (geometry.in_channels, geometry.out_channels),
            Direction::InputGradient => (geometry.out_channels, geometry.in_channels),
        };
        let (channels, rows) = (from * y.phases().0 * x.phases().0, to * y.phases().1 * x.phases().1);
        Some(Self { y, x, channels, rows })
    }

    pub fn source(&self, index: usize) -> Virtual {
        let (py, px) = (self.y.phases().0, self.x.phases().0);
        Virtual { channel: index / (py * px), y: index / px % py, x: index % px }
    }

    pub fn result(&self, index: usize) -> Virtual {
        let (py, px) = (self.y.phases().1, self.x.phases().1);
        Virtual { channel: index / (py * px), y: index / px % py, x: index % px }
    }

    /// The virtual kernel from virtual channel `channel` to `row`, taps.y x taps.x, into `kernel`.
    pub fn kernel(
        &self,
        geometry: &ConvGeometry,
        weights: &[f32],
        row: usize,
        channel: usize,
        kernel: &mut [f64],
    ) {
        let (from, to) = (self.source(channel), self.result(row));
        let (out, inside, py, px) = match self.y.direction {
            Direction::Forward => (to.channel, from.channel, from.y, from.x),
            Direction::InputGradient => (from.channel, to.channel, to.y, to.x),
        };
        let base = (out * geometry.in_channels + inside) * geometry.taps();
        for (place, value) in kernel[..self.y.taps * self.x.taps].iter_mut().enumerate() {
            let taps = (self.y.tap(py, place / self.x.taps), self.x.tap(px, place % self.x.taps));
            *value = match taps {
                (Some(ty), Some(tx)) => f64::from(weights[base + ty * geometry.kernel[2] + tx]),
                _ => 0.0,
            };
        }
    }
}
