//! photic
fn main() {}
