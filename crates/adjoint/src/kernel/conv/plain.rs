//! Nested loops: slow, for every geometry.

use super::{ConvGeometry, Direction, Epilogue};

#[derive(Debug, Clone)]
pub(crate) struct Plain {
    weights: Vec<f32>,
    direction: Direction,
}

impl Plain {
    pub fn new(weights: &[f32], direction: Direction) -> Self {
        Self { weights: weights.to_vec(), direction }
    }

    pub fn packed_bytes(&self) -> usize {
        4 * self.weights.len()
    }

    pub fn run(
        &self,
        q: &ConvGeometry,
        input: &[f32],
        output: &mut [f32],
        bias: Option<&[f32]>,
        e: &Epilogue<'_>,
    ) {
        let o = q.output();
        let (ci, co) = (q.group_inputs(), q.group_outputs());
        let (pi, po) = (q.input_pixels(), q.output_pixels());
        output.fill(0.0);
        let value = |at: usize| match e.relu_output {
            Some(mask) => {
                if mask[at] > 0.0 {
                    input[at]
                } else {
                    0.0
                }
            }
            None => input[at],
        };
        for n in 0..q.batch {
            for c in 0..q.out_channels {
                let g = c / co;
                for k in 0..ci * q.taps() {
                    let w = self.weights[c * ci * q.taps() + k];
                    let i = g * ci + k / q.taps();
                    let t = k % q.taps();
                    let tap =
                        [t / (q.kernel[1] * q.kernel[2]), t / q.kernel[2] % q.kernel[1], t % q.kernel[2]];
                    for p in 0..po {
                        let at = [p / (o[1] * o[2]), p / o[2] % o[1], p % o[2]];
                        let mut from = 0;
                        let mut inside = true;
                        for a in 0..3 {
                            let x = at[a] * q.stride[a] + tap[a] * q.dilation[a];
                            inside &= x >= q.pad_before[a] && x - q.pad_before[a] < q.input[a];
                            from = from * q.input[a] + x.wrapping_sub(q.pad_before[a]) * usize::from(inside);
                        }
                        if inside {
                            let x = (n * q.in_channels + i) * pi + from;
                            let y = (n * q.out_channels + c) * po + p;
                            match self.direction {
                                Direction::Forward => output[y] += w * value(x),
                                Direction::InputGradient => output[x] += w * value(y),
                            }
                        }
                    }
                }
            }
        }
        let (channels, pixels) = match self.direction {
            Direction::Forward => (q.out_channels, po),
            Direction::InputGradient => (q.in_channels, pi),
        };
        for (at, out) in output.iter_mut().enumerate() {
            *out += bias.map_or(0.0, |b| b[at / pixels % channels]) + e.add.map_or(0.0, |a| a[at]);
            if e.relu && *out < 0.0 {
                *out = 0.0;
            }
        }
    }
}
