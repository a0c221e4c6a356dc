//! Writing ONNX graphs.
