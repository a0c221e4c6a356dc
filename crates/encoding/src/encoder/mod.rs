//! A model with named taps, virtual lesions and stimulation.
