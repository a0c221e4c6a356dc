//! Penalties for unlikely images.
