//! stimulus
