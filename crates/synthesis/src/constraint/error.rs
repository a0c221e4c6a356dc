//! Why constraints leave nothing.

/// Constraints that contradict each other, or that a stimulus cannot meet.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// A number outside its range.
    #[error("constraint {what} is {value}, allowed is {allowed}")]
    Range {
        /// Name of the number.
        what: &'static str,
        /// The number found.
        value: f64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// No pixel lies within the aperture.
    #[error(
        "the aperture (radius {radius_px} px, centre {centre_px:?} px off) leaves no pixel of {width} x {height} open"
    )]
    Closed {
        /// Its radius.
        radius_px: f64,
        /// Its centre, from the stimulus's centre.
        centre_px: [f64; 2],
        /// Width of the stimulus in px.
        width: usize,
        /// Height of the stimulus in px.
        height: usize,
    },
    /// The mean luminance cannot be had within the bounds of light.
    #[error("mean luminance {mean} is impossible: range, peak and aperture allow {least:.4} to {most:.4}")]
    Mean {
        /// The mean wanted.
        mean: f64,
        /// The smallest mean allowed.
        least: f64,
        /// The largest mean allowed.
        most: f64,
    },
    /// The contrast cannot be had within the bounds of light and at the mean.
    #[error(
        "RMS contrast {wanted} is impossible{}: range, peak and aperture allow {least:.4} to {most:.4}",
        mean.map_or_else(String::new, |mean| format!(" at mean luminance {mean}"))
    )]
    Contrast {
        /// The contrast wanted.
        wanted: f64,
        /// The mean luminance wanted, if one is.
        mean: Option<f64>,
        /// The smallest contrast allowed.
        least: f64,
        /// The largest contrast allowed.
        most: f64,
    },
    /// The contrast is possible, but not by scaling this stimulus.
    #[error("stimulus {stimulus} cannot have RMS contrast {wanted}: scaling it reaches {reached:.6}")]
    Unreachable {
        /// Which of the set, from 0.
        stimulus: usize,
        /// The contrast wanted.
        wanted: f64,
        /// The nearest contrast that scaling makes.
        reached: f64,
    },
    /// A stimulus larger than the screen on which the flash rule judges it.
    #[error(
        "a stimulus of {width_deg} deg covers {across:.0} x {down:.0} px; the screen has {screen_width} x {screen_height}"
    )]
    Screen {
        /// Width of the stimulus.
        width_deg: f64,
        /// Its width on the screen in px.
        across: f64,
        /// Its height on the screen in px.
        down: f64,
        /// Width of the screen in px.
        screen_width: u32,
        /// Height of the screen in px.
        screen_height: u32,
    },
    /// Numbers that are no light.
    #[error("stimulus {stimulus} holds {value}, which is not finite")]
    NotFinite {
        /// Which of the set, from 0.
        stimulus: usize,
        /// The number.
        value: f32,
    },
}
