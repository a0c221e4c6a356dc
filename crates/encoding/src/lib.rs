//! The in-silico visual system: what a stimulus does to model neurons, and what those have to do with a recording.
//!
//! - [`v1`]: the embedded default, a primary visual cortex with known physiology, written as an ONNX file by our own code.
//! - [`onnx`]: the writer of such files.
//! - [`form`]: how a stimulus becomes a model's input tensor, and a gradient of that tensor one of the stimulus.
//! - [`encoder`]: a model (embedded or foreign) with named taps, virtual lesions and stimulation.
//! - [`readout`]: H, the linear map from model features to recorded responses.
//! - [`fit`]: a model's own parameters fitted to a person.
//! - [`score`]: how well a model predicts a recording.
//!
//! Nothing here runs on a frame or sample thread.

pub mod encoder;
pub mod fit;
pub mod form;
pub mod onnx;
pub mod population;
pub mod readout;
pub mod score;
pub mod v1;
