//! What the display can show and the rules allow, as projections.
