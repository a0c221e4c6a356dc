//! Why a model file could not be used: one named fault per cause, with the node, the tensor, the value and what is
//! allowed instead.

/// A model file that was refused.
///
/// The message is `FILE: FAULT`. Match on [`LoadError::fault`] to tell the causes apart.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct LoadError {
    /// Path or name of the model as it was given.
    pub file: String,
    /// What is wrong with it.
    #[source]
    pub fault: Box<Fault>,
}

impl LoadError {
    /// A fault of the model called `file`.
    pub fn new(file: &str, fault: Fault) -> Self {
        LoadError { file: file.to_owned(), fault: Box::new(fault) }
    }
}

/// One cause for refusing a model.
///
/// Names of nodes and tensors are those of the ONNX file; a node without a name is called `OPERATOR producing TENSOR`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    // The file.
    /// The operating system would not hand out the file.
    #[error("cannot read {path}: {message}")]
    Io {
        /// What was read.
        path: String,
        /// The system's words.
        message: String,
    },
    /// More bytes than [`Limits::file_bytes`](crate::import::Limits::file_bytes).
    #[error("the file has {bytes} bytes; at most {limit} are read (Limits::file_bytes)")]
    FileSize {
        /// Size found, bytes.
        bytes: u64,
        /// Size allowed, bytes.
        limit: u64,
    },
    /// The bytes are no ONNX model: not protobuf, or protobuf of another schema, or cut short.
    #[error("not a whole ONNX model: {reason} (byte {offset} of {length})")]
    NotOnnx {
        /// What was found at the offset.
        reason: String,
        /// Where, bytes from the start.
        offset: usize,
        /// Length of what was read, bytes.
        length: usize,
    },
    /// A model without a graph (for instance training info only), or a graph without nodes and outputs.
    #[error("the model has no graph{detail}")]
    NoGraph {
        /// What there is instead.
        detail: String,
    },
    /// An operator set outside the accepted range.
    #[error("operator set {found} is outside the accepted range {oldest}..={newest}")]
    Opset {
        /// Version the file asks for; 0 where it names none.
        found: i64,
        /// Oldest accepted version.
        oldest: i64,
        /// Newest accepted version.
        newest: i64,
    },
    /// More nodes than [`Limits::nodes`](crate::import::Limits::nodes), counting what unrolling and inlining add.
    #[error("the graph has {found} nodes; at most {limit} are taken (Limits::nodes)")]
    NodeCount {
        /// Nodes found.
        found: usize,
        /// Nodes allowed.
        limit: usize,
    },

    // The graph.
    /// An operator of a domain that this importer does not know.
    #[error(
        "node {node}: operator {operator} belongs to the foreign domain {domain:?}; known are ai.onnx and some of com.microsoft"
    )]
    Domain {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// The operator's domain.
        domain: String,
    },
    /// An operator that neither the importer's rewriting nor tract knows.
    #[error("node {node}: the operator {operator} is not supported{detail}")]
    Operator {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// Why, where there is more to say.
        detail: String,
    },
    /// Nodes that wait for each other.
    #[error("the graph has a cycle through the nodes {}", .nodes.join(" -> "))]
    Cycle {
        /// The nodes on one cycle, in order; the last feeds the first.
        nodes: Vec<String>,
    },
    /// Two producers of one tensor.
    #[error("the tensor {tensor} is produced twice, by {first} and by {second}")]
    DuplicateTensor {
        /// Tensor's name.
        tensor: String,
        /// First producer.
        first: String,
        /// Second producer.
        second: String,
    },
    /// A tensor that nothing produces.
    #[error("node {node} reads the tensor {tensor}, which nothing in the graph produces")]
    Dangling {
        /// The reader.
        node: String,
        /// Tensor's name.
        tensor: String,
    },
    /// A name asked for that the graph does not have.
    #[error("the model has no {role} called {name:?}; it has {known}")]
    UnknownName {
        /// `input` or `tensor`.
        role: &'static str,
        /// Name asked for.
        name: String,
        /// Names there are (shortened).
        known: String,
    },
    /// A request that cannot be meant: nothing asked for, or something twice.
    #[error("{message}")]
    Request {
        /// What is wrong with the request.
        message: String,
    },
    /// A lesion or a stimulation that the tensor it is meant for does not allow.
    #[error("the tensor {tap} cannot be changed: {reason}")]
    Intervention {
        /// The tensor.
        tap: String,
        /// What is wrong, with shapes or values.
        reason: String,
    },
    /// An attribute outside what its operator allows, or of the wrong kind.
    #[error("node {node} ({operator}): attribute {attribute} is {value}; allowed is {allowed}")]
    Attribute {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// The attribute.
        attribute: String,
        /// Value found.
        value: String,
        /// Values allowed.
        allowed: String,
    },
    /// A node with too few or too many inputs or outputs.
    #[error("node {node} ({operator}) has {found} {what}; allowed is {allowed}")]
    Arity {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// `inputs` or `outputs`.
        what: &'static str,
        /// Number found.
        found: usize,
        /// Numbers allowed.
        allowed: String,
    },
    /// An input of a node whose shape, type or value its operator does not allow.
    #[error("node {node} ({operator}): the input {input} is {found}; allowed is {allowed}")]
    Operand {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// Name of the tensor.
        input: String,
        /// Shape, type or value found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// An `If`, `Loop` or `Scan` whose course depends on the data, or is too long to unroll.
    #[error(
        "node {node}: {operator} {reason}; only control flow that is fixed by shapes and constants has a gradient here"
    )]
    Control {
        /// The node.
        node: String,
        /// `If`, `Loop`, `Scan`, ...
        operator: String,
        /// What depends on the data.
        reason: String,
    },

    // Tensors.
    /// Dimensions that are negative, that overflow, or that are too many.
    #[error("tensor {tensor}: the dimensions {dims:?} {reason}")]
    Dimensions {
        /// Tensor's name.
        tensor: String,
        /// Dimensions as written.
        dims: Vec<i64>,
        /// What is wrong with them.
        reason: String,
    },
    /// Data that do not fill the dimensions.
    #[error("tensor {tensor}: {dims:?} of {dtype} need {expected} {unit}, the file holds {found}")]
    DataLength {
        /// Tensor's name.
        tensor: String,
        /// Dimensions.
        dims: Vec<i64>,
        /// Type of the elements.
        dtype: String,
        /// `bytes` or `values`.
        unit: &'static str,
        /// Needed.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// A type of elements that cannot be used there.
    #[error("tensor {tensor} has the type {found}; allowed is {allowed}")]
    DataType {
        /// Tensor's name.
        tensor: String,
        /// Type found.
        found: String,
        /// Types allowed.
        allowed: String,
    },
    /// A weight that is NaN or infinite.
    #[error("tensor {tensor}: element {index} is {value}; weights must be finite")]
    NonFinite {
        /// Tensor's name.
        tensor: String,
        /// Position in row-major order.
        index: usize,
        /// Value found.
        value: f32,
    },
    /// External data that are missing, out of range, or outside the model's directory.
    #[error("tensor {tensor}: external data {location:?}: {reason}")]
    External {
        /// Tensor's name.
        tensor: String,
        /// File name as the model writes it.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// A sum of bytes over [`Limits::memory_bytes`](crate::import::Limits::memory_bytes), found before anything was
    /// allocated.
    #[error("{what} would take {bytes} bytes; the limit is {limit} (Limits::memory_bytes)")]
    Memory {
        /// What is too large, with its node or tensor.
        what: String,
        /// Bytes needed at least.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// One step over [`Limits::multiply_adds`](crate::import::Limits::multiply_adds).
    #[error(
        "a forward step takes about {multiply_adds:.2e} multiply-adds up to node {node} ({operator}); the limit is {limit:.2e} (Limits::multiply_adds)"
    )]
    Work {
        /// Node at which the sum passed the limit.
        node: String,
        /// Its operator.
        operator: String,
        /// Sum so far.
        multiply_adds: f64,
        /// Sum allowed.
        limit: f64,
    },
    /// An input whose shape has no number for some dimension.
    #[error("input {input} has the shape {shape}; give a number for every dimension")]
    SymbolicShape {
        /// Input's name.
        input: String,
        /// Shape as the file writes it.
        shape: String,
    },
    /// A given shape that the file's shape does not allow.
    #[error("input {input} cannot have the shape {given:?}: the file says {declared}")]
    InputShape {
        /// Input's name.
        input: String,
        /// Shape asked for.
        given: Vec<usize>,
        /// Shape as the file writes it.
        declared: String,
    },
    /// An input that has no gradient because it is not floating point, or is no tensor at all.
    #[error(
        "input {input} is {found}; a gradient needs floating-point tensors (f16, bf16, f32 or f64){detail}"
    )]
    InputType {
        /// Input's name.
        input: String,
        /// Its type.
        found: String,
        /// What it is needed for, where that helps.
        detail: String,
    },
    /// An input asked for that no wanted tensor depends on: its gradient would be zero everywhere.
    #[error(
        "none of the tensors {outputs} depends on the input {input}: its gradient would be zero everywhere"
    )]
    Unreached {
        /// Input's name.
        input: String,
        /// Tensors wanted.
        outputs: String,
    },
    /// A wanted tensor that is not floating point.
    #[error("the tensor {tensor} is {found}, not floating point: it has no gradient")]
    OutputType {
        /// Tensor's name.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A shape that only the data decide.
    #[error(
        "node {node} ({operator}): the shape of {tensor} depends on the data or cannot be inferred{detail}"
    )]
    Shape {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// Its output.
        tensor: String,
        /// What inference found, where it found something.
        detail: String,
    },

    // The importer below.
    /// tract refused the graph, or panicked over it (the panic was caught).
    #[error("the importer failed at {node}: {message}")]
    Importer {
        /// The node, as far as known.
        node: String,
        /// tract's words, shortened.
        message: String,
    },

    // The trial in a child process.
    /// The child process could not be started or spoken with.
    #[error("the trial process could not be run: {message}")]
    ChildStart {
        /// What went wrong.
        message: String,
    },
    /// The child used up its address space.
    #[error("loading needs more than the {limit} bytes of memory that a trial may take ({message})")]
    ChildMemory {
        /// RLIMIT_AS of the child, bytes.
        limit: u64,
        /// What the child said last.
        message: String,
    },
    /// The child used up its CPU time.
    #[error("loading needs more than the {limit_s} s of CPU time that a trial may take")]
    ChildCpu {
        /// RLIMIT_CPU of the child, seconds.
        limit_s: u64,
    },
    /// The child was still at work at the deadline and was killed.
    #[error("loading took longer than the {deadline_s:.1} s that a trial may take")]
    ChildDeadline {
        /// Deadline, seconds after the start.
        deadline_s: f64,
    },
    /// The child died by a signal.
    #[error("the trial process died by {signal} ({message}): the file crashes the importer")]
    ChildCrash {
        /// Signal's name.
        signal: String,
        /// What the child said last.
        message: String,
    },
    /// The child ended with an error of its own: it refused the file.
    #[error("the trial process refused the file (exit code {code}): {message}")]
    ChildRefused {
        /// Exit code.
        code: i32,
        /// What the child said.
        message: String,
    },
}
