//! f32 kernels on plain slices: matrix products, convolution and its input gradient, pooling, activations, norms.
//!
//! Nothing here knows a graph or a tensor type. Tensors are contiguous and row-major; images are N, C, D, H, W, and
//! lower ranks have ones in front (a 2-D image has depth 1). Weights are constant: they are packed once, at
//! preparation, and gradients exist with respect to inputs only.
//!
//! Every kernel gives the same bits for any number of [`Threads`]: the order in which the terms of one output are
//! added depends on the geometry and the method only.

mod activation;
mod conv;
mod gemm;
mod math;
mod microkernel;
mod norm;
mod pool;
mod simd;
#[cfg(test)]
mod tests;
mod threads;

pub use activation::Function;
pub(crate) use conv::swap_channels;
pub use conv::{ConvGeometry, Convolution, Direction, Epilogue, Method, Weights};
pub use gemm::{Constant, Gemm, GemmEpilogue, GemmShape, MatrixLayout};
pub use norm::{log_softmax, log_softmax_gradient, rms_norm, rms_norm_gradient, softmax, softmax_gradient};
pub use pool::{Divisor, PoolGeometry, max_pool, max_pool_gradient, sum_pool, sum_pool_gradient};
pub use threads::Threads;

/// Why a kernel refuses its arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice does not have the length that the shapes ask for.
    #[error("{what} holds {found} values, the shapes ask for {wanted}")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Values the shapes ask for.
        wanted: usize,
        /// Values given.
        found: usize,
    },
    /// A geometry that no convolution or pooling has.
    #[error("{what} is {value}: {allowed}")]
    Geometry {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A method that does not apply to the geometry.
    #[error("method {method} does not apply to this convolution; its candidates are {allowed}")]
    Method {
        /// The method asked for.
        method: String,
        /// The methods that apply.
        allowed: String,
    },
    /// The thread pool could not be made.
    #[error("could not start {count} threads: {reason}")]
    Threads {
        /// Threads asked for.
        count: usize,
        /// The operating system's reason.
        reason: String,
    },
}

/// Refuses a slice of another length than `wanted`.
pub(crate) fn check_length(what: &'static str, found: usize, wanted: usize) -> Result<(), KernelError> {
    if found == wanted { Ok(()) } else { Err(KernelError::Length { what, wanted, found }) }
}

/// Refuses a slice shorter than `wanted`.
pub(crate) fn check_room(what: &'static str, found: usize, wanted: usize) -> Result<(), KernelError> {
    if found >= wanted { Ok(()) } else { Err(KernelError::Length { what, wanted, found }) }
}
