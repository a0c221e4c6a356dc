//! Convolution and its input gradient.

mod direct;
mod fourier;
mod geometry;
mod phases;
mod plain;
mod source;
mod tiled;
mod winograd;

use std::borrow::Cow;

pub use geometry::ConvGeometry;

use super::{KernelError, Threads, check_length, check_room};

/// Which way a convolution runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// x to y.
    Forward,
    /// Gradient of y to gradient of x. Also the forward pass of a transposed convolution.
    InputGradient,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Nested loops; for everything.
    Plain,
    /// Tiles of channels by pixels, from a padded copy of the image; for nearly everything.
    Direct,
    /// Winograd F(2 x 2, 3 x 3): 2.25 times fewer multiplications, about the error of `Direct`.
    Winograd,
    /// Tiles of 16 x 16 pixels in the Fourier domain: for large kernels, also with strides; the least error.
    Fourier,
}

/// A method that applies to a convolution, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The method.
    pub method: Method,
    /// Multiplications of its matrix products.
    pub multiplications: usize,
    /// Values of its packed weights, about.
    pub packed_len: usize,
}

/// What is fused into a convolution.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added to the result, of the output's length: a residual branch, or a gradient that already arrived.
    pub add: Option<&'a [f32]>,
    /// max(0, result), after `add`. NaN stays NaN.
    pub relu: bool,
    /// Of the *input's* length: an input value counts only where this is > 0. For the gradient through a ReLU: pass
    /// the ReLU's output.
    pub relu_output: Option<&'a [f32]>,
}

/// The values of a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// O, I / groups, kD, kH, kW; or I, O / groups, kD, kH, kW.
    pub values: &'a [f32],
    /// The latter.
    pub swapped: bool,
}

impl<'a> From<&'a [f32]> for Weights<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self { values, swapped: false }
    }
}

impl<'a> From<&'a Vec<f32>> for Weights<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        values.as_slice().into()
    }
}

impl Weights<'_> {
    /// The weight of a tap between two channels of a group, counted within the group: output, input.
    fn at(&self, geometry: &ConvGeometry, group: usize, [out, inside]: [usize; 2], tap: usize) -> f32 {
        let (outs, ins) = (geometry.group_outputs(), geometry.group_inputs());
        let place = if self.swapped {
            (group * ins + inside) * outs + out
        } else {
            (group * outs + out) * ins + inside
        };
        self.values[place * geometry.taps() + tap]
    }

    /// With output channels first.
    fn ordered(&self, geometry: &ConvGeometry) -> Cow<'_, [f32]> {
        if !self.swapped {
            return self.values.into();
        }
        let channels = [geometry.in_channels, geometry.out_channels];
        swap_channels(self.values, channels, geometry.groups, geometry.taps()).into()
    }
}

/// `[A, B / groups, taps]` to `[B, A / groups, taps]` for A and B channels, group by group.
pub(crate) fn swap_channels(
    values: &[f32],
    [outer, inner]: [usize; 2],
    groups: usize,
    taps: usize,
) -> Vec<f32> {
    let (outer, inner) = (outer / groups, inner / groups);
    let mut swapped = vec![0f32; values.len()];
    for group in 0..groups {
        for o in 0..outer {
            for i in 0..inner {
                let from = ((group * outer + o) * inner + i) * taps;
                let to = ((group * inner + i) * outer + o) * taps;
                swapped[to..to + taps].copy_from_slice(&values[from..from + taps]);
            }
        }
    }
    swapped
}

/// A convolution with constant weights, packed for one method.
#[derive(Debug, Clone)]
pub struct Convolution {
    geometry: ConvGeometry,
    direction: Direction,
    method: Method,
    bias: Option<Vec<f32>>,
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    Plain(plain::Plain),
    Direct(direct::Direct),
    Winograd(tiled::Tiled<winograd::Winograd>),
    Fourier(tiled::Tiled<fourier::Fourier>),
}

impl Convolution {
    /// The methods that apply, fewest multiplications first. Never empty.
    pub fn candidates(geometry: &ConvGeometry, direction: Direction) -> Vec<Candidate> {
        let multiplications = geometry.multiplications();
        let direct = Candidate { method: Method::Direct, multiplications, packed_len: geometry.weight_len() };
        if geometry.check().is_err() {
            return vec![Candidate { method: Method::Plain, ..direct }];
        }
        let mut found = vec![direct];
        if let Some(phased) = phases::Phased::new(geometry, direction) {
            let most = phased.y.taps.max(phased.x.taps);
            let mut offer = |candidate: Candidate| {
                // The transforms cost about as much as they save where the products shrink by less than this.
                if candidate.multiplications < multiplications / 5 * 4 {
                    found.push(candidate);
                }
            };
            if most <= 3 {
                offer(tiled::Tiled::candidate(Method::Winograd, &winograd::Winograd, 2, &phased));
            }
            if let Some(fourier) = fourier::Fourier::new(&phased) {
                offer(tiled::Tiled::candidate(Method::Fourier, &fourier, fourier.out, &phased));
            }
        }
        found.sort_unstable_by_key(|candidate| (candidate.multiplications, candidate.method));
        found
    }

    /// The methods of [`Convolution::candidates`].
    pub fn methods(geometry: &ConvGeometry, direction: Direction) -> Vec<Method> {
        Self::candidates(geometry, direction).into_iter().map(|candidate| candidate.method).collect()
    }

    /// Packs `weights` for `method`. `bias` has one value per channel of the result.
    ///
    /// A method of [`Convolution::candidates`] always applies; others are refused where they do not. An image of 2^32
    /// values or more gets [`Method::Plain`] for [`Method::Direct`].
    pub fn prepare<'a>(
        geometry: &ConvGeometry,
        weights: impl Into<Weights<'a>>,
        bias: Option<&[f32]>,
        direction: Direction,
        method: Method,
    ) -> Result<Self, KernelError> {
        let weights = weights.into();
        geometry.check()?;
        check_length("weights", weights.values.len(), geometry.weight_len())?;
        if let Some(bias) = bias {
            let channels = match direction {
                Direction::Forward => geometry.out_channels,
                Direction::InputGradient => geometry.in_channels,
            };
            check_length("bias", bias.len(), channels)?;
        }
        let plan = match method {
            Method::Plain => None,
            // The method of the largest kernels: packed without a copy in between.
            Method::Direct => direct::Direct::new(geometry, weights, direction).map(Plan::Direct),
            _ => Self::transformed(geometry, &weights.ordered(geometry), direction, method),
        };
        let (plan, method) = match (plan, method) {
            (Some(plan), _) => (plan, method),
            (None, Method::Plain | Method::Direct) => {
                (Plan::Plain(plain::Plain::new(&weights.ordered(geometry), direction)), Method::Plain)
            }
            (None, _) => {
                let (method, allowed) =
                    (format!("{method:?}"), format!("{:?}", Self::methods(geometry, direction)));
                return Err(KernelError::Method { method, allowed });
            }
        };
        Ok(Self { geometry: *geometry, direction, method, bias: bias.map(<[f32]>::to_vec), plan })
    }

    /// The plan of a method that works on transforms; `None` where it does not apply.
    fn transformed(
        geometry: &ConvGeometry,
        weights: &[f32],
        direction: Direction,
        method: Method,
    ) -> Option<Plan> {
        match method {
            Method::Winograd => {
                tiled::Tiled::new(winograd::Winograd, 2, geometry, weights, direction).map(Plan::Winograd)
            }
            Method::Fourier => phases::Phased::new(geometry, direction)
                .and_then(|phased| fourier::Fourier::new(&phased))
                .and_then(|f| tiled::Tiled::new(f, f.out, geometry, weights, direction))
                .map(Plan::Fourier),
            Method::Plain | Method::Direct => None,
        }
    }

    /// The method that was prepared.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Bytes that the packed weights hold.
    pub fn packed_bytes(&self) -> usize {
        match &self.plan {
            Plan::Plain(plan) => plan.packed_bytes(),
            Plan::Direct(plan) => plan.packed_bytes(),
            Plan::Winograd(plan) => plan.packed_bytes(),
            Plan::Fourier(plan) => plan.packed_bytes(),
        }
    }

    /// The same kernel, bias and method at another place of a network, as the steps of a recurrent area have it: its
    /// packed weights are shared. `None` where the geometry, or the method, packs them in another way.
    pub fn placed(&self, geometry: &ConvGeometry) -> Option<Self> {
        let Plan::Direct(plan) = &self.plan else { return None };
        let plan = Plan::Direct(plan.placed(geometry)?);
        Some(Self { geometry: *geometry, plan, bias: self.bias.clone(), ..*self })
    }

    /// Values of scratch memory that [`Convolution::run`] needs with these threads.
    pub fn scratch_len(&self, threads: &Threads) -> usize {
        match &self.plan {
            Plan::Plain(_) => 0,
            Plan::Direct(plan) => plan.scratch_len(threads),
            Plan::Winograd(plan) => plan.scratch_len(threads),
            Plan::Fourier(plan) => plan.scratch_len(threads),
        }
    }

    /// Input (x, or the gradient of y) to output (y, or the gradient of x), which is overwritten.
    pub fn run(
        &self,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [f32],
        epilogue: &Epilogue<'_>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        let (inputs, outputs) = match self.direction {
            Direction::Forward => (self.geometry.input_len(), self.geometry.output_len()),
            Direction::InputGradient => (self.geometry.output_len(), self.geometry.input_len()),
        };
        check_length("input", input.len(), inputs)?;
        check_length("output", output.len(), outputs)?;
        check_length("add", epilogue.add.map_or(outputs, <[f32]>::len), outputs)?;
        check_length("relu_output", epilogue.relu_output.map_or(inputs, <[f32]>::len), inputs)?;
        check_room("scratch", scratch.len(), self.scratch_len(threads))?;
        let bias = self.bias.as_deref();
        match &self.plan {
            Plan::Plain(plan) => plan.run(&self.geometry, input, output, bias, epilogue),
            Plan::Direct(plan) => plan.run(input, output, scratch, bias, epilogue, threads),
            Plan::Winograd(plan) => plan.run(input, output, scratch, bias, epilogue, threads),
            Plan::Fourier(plan) => plan.run(input, output, scratch, bias, epilogue, threads),
        }
        Ok(())
    }
}
