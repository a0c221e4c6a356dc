"""Networks with f64 reference gradients for the tests of `crates/adjoint`; see ../make_nets.py."""
