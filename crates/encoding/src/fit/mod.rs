//! A model's own parameters fitted to a person by the gradient.
