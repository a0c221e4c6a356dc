//! Kernels against plain f64 references.

mod conv;
mod gemm;
mod pool;
mod random;
mod rows;
