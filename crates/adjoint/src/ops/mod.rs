//! The closed set of operators that backward graphs need beyond tract's own.
//!
//! A backward graph consists of plain tract operators and of these. Each has one meaning, written in its own
//! words, so that an executor other than the CPU's can give it another implementation:
//!
//! | operator | inputs | output |
//! |---|---|---|
//! | [`Derivative`] | cotangent, input or output of an element-wise function | cotangent times the derivative |
//! | [`Choose`] | cotangent, the two sides of a maximum or minimum | the part that goes to the first side |
//! | [`ScatterAdd`] | cotangent | each element added at a place known at load |
//! | [`ScatterMoved`] | cotangent, the inputs of a data movement | the same, places found at run time |
//! | [`ScatterReduceGradient`] | cotangent, data, indices, updates of a scatter that reduces | cotangent of the data or the updates |
//! | [`MaxPoolGradient`], [`SumPoolGradient`] | cotangent (, pool's input) | cotangent of the pool's input |
//! | [`RmsNormGradient`], [`LrnGradient`] | cotangent, the norm's input | cotangent of that input |
//! | [`GridSampleGradient`] | cotangent, image, grid | cotangent of the image or of the grid |
//! | [`ProductGradient`] | cotangent, input of a product over axes | cotangent of that input |
//! | [`SoftmaxGradient`] | cotangent, output of a softmax or of its logarithm | cotangent of the input |
//! | [`SwapChannels`] | kernel of a convolution | the kernel of its adjoint |
//! | [`ResampleAxis`] | x | x times a sparse matrix along one axis |
//! | [`Softplus`] | x | ln(1 + e^x) without overflow; stands in for tract's three operators in forward graphs |
//! | [`Elu`] | x | x above 0, else alpha (e^x - 1); stands in for six operators |
//! | [`LogSumExp`] | x | ln(sum(e^x)) without overflow; the same |

mod derivative;
mod grid;
mod group;
mod layout;
mod log_sum_exp;
mod norm;
mod pool;
mod product;
mod resample;
mod scatter;
mod scatter_reduce;

pub use derivative::{Choose, Derivative, Elu, Function, Softplus};
pub use grid::{GridSampleGradient, GridSide};
pub(crate) use group::Groups;
pub use layout::SwapChannels;
pub(crate) use layout::{adjoint_pads, three};
pub use log_sum_exp::LogSumExp;
pub use norm::{LrnGradient, RmsNormGradient, SoftmaxGradient};
pub(crate) use pool::divisor;
pub use pool::{MaxPoolGradient, SumPoolGradient, Window};
pub use product::ProductGradient;
pub use resample::{ResampleAxis, SparseMatrix};
pub use scatter::{MoveOp, ScatterAdd, ScatterMoved};
pub use scatter_reduce::ScatterReduceGradient;

use crate::kernel::Threads;
use crate::tract::*;

/// What every operator of the set shares: its name, and that it may be evaluated while a graph is built.
macro_rules! closed_op {
    ($type:ident) => {
        impl Op for $type {
            fn name(&self) -> StaticName {
                concat!("Adjoint", stringify!($type)).into()
            }
            op_as_typed_op!();
        }
    };
}
pub(crate) use closed_op;

/// The elements of a dense f32 tensor, in row-major order.
pub(crate) fn elements(tensor: &Tensor) -> TractResult<&[f32]> {
    tensor.try_as_plain_ram()?.as_slice::<f32>()
}

/// The threads that the executor lends to the operators of a run; one where there is no executor.
pub(crate) fn threads(ctx: &EvalContext) -> Threads {
    ctx.shared.and_then(|shared| shared.get::<Threads>()).cloned().unwrap_or_default()
}

/// Runs `fill` on the elements of a new f32 tensor of `shape`, all zero before.
pub(crate) fn filled(
    shape: &[usize],
    fill: impl FnOnce(&mut [f32]) -> TractResult<()>,
) -> TractResult<TVec<TValue>> {
    let mut tensor = Tensor::zero::<f32>(shape)?;
    fill(tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?)?;
    Ok(tvec!(tensor.into_tvalue()))
}

/// A new tensor whose every element `write` sets.
#[allow(unsafe_code, reason = "zeroing what is overwritten costs a pass over every activation")]
pub(crate) fn overwritten(
    shape: &[usize],
    write: impl FnOnce(&mut [f32]) -> TractResult<()>,
) -> TractResult<TVec<TValue>> {
    // SAFETY: f32 has no invalid bit patterns, and `write` sets every element before anything reads it.
    let mut tensor = unsafe { Tensor::uninitialized::<f32>(shape)? };
    write(tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?)?;
    Ok(tvec!(tensor.into_tvalue()))
}

/// Runs `change` on the elements of a tensor, in place where nobody else holds it.
pub(crate) fn in_place(
    tensor: TValue,
    change: impl FnOnce(&mut [f32]) -> TractResult<()>,
) -> TractResult<TVec<TValue>> {
    let mut tensor = tensor.into_tensor();
    change(tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?)?;
    Ok(tvec!(tensor.into_tvalue()))
}
