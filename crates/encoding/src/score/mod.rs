//! How well a model predicts a recording.
