//! Gradient and gradient-free ways up.
