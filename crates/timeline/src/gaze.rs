//! Where the person looked.

/// Where the person looked, as a frame may be placed by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaze {
    /// The instant of the sample, on this machine's clock.
    pub at_ns: i64,
    /// From the middle of the screen to the right and **down**, in whole px.
    pub offset_px: [f64; 2],
}
