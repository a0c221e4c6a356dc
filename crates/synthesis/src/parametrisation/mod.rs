//! What the numbers that are searched mean.
