//! ONNX bytes -> checked protobuf -> pruned to the wanted tensors -> decluttered tract model in f32.
//!
//! A model file is foreign: it may be cut short, hostile or only odd. tract's importer trusts what it reads, so
//! everything that could make it panic, allocate without bound or compute without end is checked here first, on the
//! decoded protobuf, and named in a [`LoadError`]. What is left (a panic nobody foresaw) is caught.
//!
//! The order of work, by module:
//!
//! 1. `wire` walks the protobuf without decoding it and bounds what decoding would allocate.
//! 2. `check` looks at names and cycles; `tensor` and `external` turn weights into tensors, each held once.
//! 3. `prune` cuts the graph to what the wanted tensors need: what is not needed may be as odd as it likes.
//! 4. Node by node, with the shapes before it known: `operators` and `forms` check what the operator allows, `rewrite`
//!    puts what exporters write into what tract reads (older operators, f16 and f64, control flow, recurrence), and
//!    `facts` infers shapes and refuses sizes and work over the limits *before* constants are folded.
//! 5. `convert` hands the rest to tract, with panics caught by `quiet`.

mod attribute;
mod check;
mod convert;
mod external;
mod facts;
mod forms;
mod info;
mod limits;
mod load;
mod net;
mod operators;
mod prune;
mod quiet;
mod rewrite;
mod taps;
mod tensor;
mod wire;
mod work;

use std::path::Path;

pub use crate::error::{Fault, LoadError};
use crate::tract::TypedModel;
pub use info::{Dim, Dtype, Tap, TensorInfo};
pub use limits::Limits;
pub(crate) use quiet::caught;
pub use rewrite::Intervention;

/// Oldest and newest operator set that are taken.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=24;

/// A model file, decoded and checked, not yet cut to a question.
#[derive(Debug, Clone)]
pub struct Import {
    file: String,
    limits: Limits,
    net: net::Net,
}

impl Import {
    /// Reads and checks the model file at `path`; external data are looked for in its directory.
    pub fn open(path: &Path, limits: &Limits) -> Result<Import, LoadError> {
        let name = path.display().to_string();
        let bytes =
            external::read_bounded(path, limits.file_bytes).map_err(|fault| LoadError::new(&name, fault))?;
        Import::from_vec(&name, bytes, path.parent(), limits)
    }

    /// Checks a model from memory. `name` stands for it in messages; external data are looked for in `dir`.
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        dir: Option<&Path>,
        limits: &Limits,
    ) -> Result<Import, LoadError> {
        Import::from_vec(name, bytes.to_vec(), dir, limits)
    }

    fn from_vec(
        name: &str,
        bytes: Vec<u8>,
        dir: Option<&Path>,
        limits: &Limits,
    ) -> Result<Import, LoadError> {
        let net =
            on_large_stack(limits, || load::load(bytes, dir, limits)).map_err(|f| LoadError::new(name, f))?;
        Ok(Import { file: name.to_owned(), limits: limits.clone(), net })
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What has to be fed: the graph's inputs without those that have a value in the file.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.net.inputs
    }

    /// What the graph declares as its outputs.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.net.outputs
    }

    /// Keys and values that the file carries beside the graph, in its order.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.net.metadata
    }

    /// The same graph with the tensors of these names changed.
    ///
    /// # Errors
    /// A name that no node computes, one that is changed twice, numbers that are not finite. Whether shapes broadcast
    /// is found when a question is asked.
    pub fn intervened(&self, interventions: &[(String, Intervention)]) -> Result<Import, LoadError> {
        let mut changed = self.clone();
        for (tap, intervention) in interventions {
            convert::intervene(&mut changed.net, tap, intervention)
                .map_err(|fault| LoadError::new(&self.file, fault))?;
        }
        Ok(changed)
    }

    /// Remarks on what was changed on the way in, such as f64 computed as f32.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.net.notes.iter().map(String::as_str)
    }

    /// Every tensor that a node of the main graph computes, in graph order, with shapes where the file's own input
    /// shapes allow inference.
    pub fn taps(&self) -> Vec<Tap> {
        self.taps_for(&[])
    }

    /// The same for given shapes of inputs. A node that cannot be inferred leaves its tensors without a shape.
    pub fn taps_for(&self, inputs: &[(String, Vec<usize>)]) -> Vec<Tap> {
        on_large_stack(&self.limits, || Ok(taps::list(&self.net, inputs, &self.limits))).unwrap_or_default()
    }

    /// The decluttered f32 model from the named inputs to the named tensors, both in the given order.
    ///
    /// Everything that the wanted tensors do not need is cut away first. Inputs may be graph inputs or any inner
    /// tensor (the graph is cut there). Inputs that are needed and not named come after the named ones, in the file's
    /// order; they must be floating point and of known shape.
    pub fn typed(
        &self,
        inputs: &[(String, Vec<usize>)],
        outputs: &[String],
    ) -> Result<TypedModel, LoadError> {
        let question = convert::Question { inputs, outputs };
        on_large_stack(&self.limits, || convert::typed(&self.net, &question, &self.limits))
            .map_err(|fault| LoadError::new(&self.file, fault))
    }
}

/// Runs `work` on a thread of its own with the stack that the limits name: tract and the decoder recurse with the depth
/// of what they read, and the caller's stack may be small.
fn on_large_stack<T: Send>(
    limits: &Limits,
    work: impl FnOnce() -> Result<T, Fault> + Send,
) -> Result<T, Fault> {
    let failed = |message: String| Fault::Importer { node: "(the import thread)".to_owned(), message };
    std::thread::scope(|scope| {
        let builder =
            std::thread::Builder::new().name("adjoint-import".to_owned()).stack_size(limits.stack_bytes);
        let thread = builder.spawn_scoped(scope, || caught(work)).map_err(|e| failed(e.to_string()))?;
        match thread.join() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(failed(panic)),
            Err(_) => Err(failed("it ended without a result".to_owned())),
        }
    })
}
