//! Random small changes of the view.
