//! The scalar to raise.
