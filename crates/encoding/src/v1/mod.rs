//! The embedded default: a primary visual cortex with known physiology.
