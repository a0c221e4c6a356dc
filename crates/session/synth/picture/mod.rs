//! Pictures: stimuli written as PNG, images read from PNG or NumPy's files.

mod read;
mod write;

pub use read::read;
pub use write::{Code, Coding, Depth, png};
