//! The gradient of ONNX models with respect to their inputs, at run time, without Python.
//!
//! [tract](https://docs.rs/tract-core) runs ONNX models and cannot differentiate them. This crate takes a decluttered
//! tract model, writes its reverse-mode gradient as a second graph of plain tract operators and a small closed set of
//! its own ([`ops`]), and plans both. Weights are constants: only inputs have gradients.
//!
//! ```no_run
//! use adjoint::{Limits, Model, Spec};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::open("v1.onnx".as_ref(), &Limits::default())?;
//! let mut gradient = model.gradient(&Spec::new().input("x", &[1, 3, 224, 224]).output("relu_4"))?;
//! let x = ndarray::Array4::<f32>::from_elem((1, 3, 224, 224), 0.5).into_dyn();
//! let y = gradient.forward(&[x.view()])?;
//! // Drive the first unit: the cotangent of the objective y[0] is one there and zero elsewhere.
//! let mut cotangent = ndarray::ArrayD::<f32>::zeros(y[0].shape());
//! cotangent[[0, 0, 0, 0]] = 1.0;
//! let dx = gradient.backward(&[cotangent.view()])?;
//! # let _ = dx;
//! # Ok(())
//! # }
//! ```
//!
//! The way of the data: [`import`] turns bytes into a checked model and cuts it to the question, `graph` writes the
//! backward graph, `cpu` plans both graphs on [`kernel`]s chosen by timing, and [`Gradient`] runs them.

mod cpu;
mod error;
mod gradient;
mod graph;
pub mod guard;
pub mod import;
pub mod kernel;
mod memory;
mod model;
pub mod ops;
mod tract;

pub use cpu::{Cancel, Chosen, NodeTime, RunError};
pub use error::{Fault, LoadError};
pub use gradient::{Gradient, StepError, Times};
pub use graph::{GradientError, NodeName};
pub use import::{Dim, Dtype, Intervention, Limits, Tap, TensorInfo};
pub use memory::keep_freed_memory;
pub use model::{Model, ModelError, Spec};
