//! lsl
