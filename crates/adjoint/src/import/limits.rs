//! Bounds on what a foreign file may cost.

/// Bounds on what a model may cost to load and to run; each is checked before the cost is paid.
///
/// The defaults admit every published vision model up to about 400 million weights at its usual image size and stop
/// files that would take a desktop machine down.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of the decoded protobuf; and bytes of the weights together with all tensors that one forward step computes,
    /// which the gradient may have to keep. 4 GiB. While weights are decoded, both forms of one file are in memory for
    /// a moment, so reading may take up to twice the limit.
    pub memory_bytes: u64,
    /// Bytes of the model file, without its external data. 2 GiB, which is also the limit of protobuf itself.
    pub file_bytes: u64,
    /// Nodes of the graph cut to one question, after unrolling. 10 000. tract's simplification takes a time that grows
    /// with the square of the number of nodes it rewrites: 1000 convolutions of 1 x 1 take 16 s, 10 000 plain
    /// element-wise nodes 1 s.
    pub nodes: usize,
    /// Inputs or outputs of one node. 1024.
    pub fan: usize,
    /// Multiply-adds of one forward step. 1e12, about 250 ResNet-50 at 224 x 224.
    pub multiply_adds: f64,
    /// Steps that one `Loop`, `Scan`, `LSTM`, `GRU` or `RNN` is unrolled to. 1024.
    pub steps: usize,
    /// Bytes of stack of the thread that imports; reserved, touched only where needed. 64 MiB.
    pub stack_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 4 << 30,
            file_bytes: 2 << 30,
            nodes: 10_000,
            fan: 1024,
            multiply_adds: 1e12,
            steps: 1024,
            stack_bytes: 64 << 20,
        }
    }
}
