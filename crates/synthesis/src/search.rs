//! One run of an optimiser: anytime, under a deadline, cancellable.
