//! photic
