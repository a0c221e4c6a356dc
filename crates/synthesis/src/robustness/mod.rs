//! Random small changes of the view, so that a stimulus does not hang on one pixel grid or one gaze.
//!
//! A person's eyes are never quite where they should be, and a model's pixel grid is no part of a visual system. Averaging
//! the objective over small shifts, turns and scalings keeps what survives them. Each change is a linear resampling, and
//! gradients go back through its exact transpose.

mod view;

pub use view::View;

use random::Random;
use view::Placement;

/// How large the changes are. All zero: no change.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Robustness {
    /// Shift along each axis, uniform up to this many px.
    pub jitter_px: f64,
    /// Round the jitter to whole px: nothing is smoothed by the resampling.
    pub whole_px: bool,
    /// Magnification, log-uniform between `1 / (1 + scale)` and `1 + scale`.
    pub scale: f64,
    /// Turn about the centre, uniform up to this many degrees both ways.
    pub rotation_deg: f64,
    /// SD of the gaze's offset along each axis, normal, in degrees of visual angle.
    pub gaze_deg: f64,
    /// Pixels of the stimulus per degree of visual angle; read with `gaze_deg` only.
    pub px_per_deg: f64,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("robustness {what} is {value}, allowed is {allowed}")]
pub struct RobustnessError {
    /// Name of the setting.
    pub what: &'static str,
    /// The value found.
    pub value: f64,
    /// What is allowed, in words.
    pub allowed: &'static str,
}

impl Robustness {
    /// Whether every setting is within its range.
    ///
    /// # Errors
    /// The first that is not, with its name and value.
    pub fn check(&self) -> Result<(), RobustnessError> {
        let within = |what, value: f64, most: f64, allowed| {
            if (0.0..=most).contains(&value) { Ok(()) } else { Err(RobustnessError { what, value, allowed }) }
        };
        within("jitter_px", self.jitter_px, 1e4, "0 to 10000")?;
        within("scale", self.scale, 1.0, "0 to 1")?;
        within("rotation_deg", self.rotation_deg, 180.0, "0 to 180")?;
        within("gaze_deg", self.gaze_deg, 90.0, "0 to 90")?;
        if self.gaze_deg > 0.0 && !(self.px_per_deg > 0.0 && self.px_per_deg.is_finite()) {
            return Err(RobustnessError {
                what: "px_per_deg",
                value: self.px_per_deg,
                allowed: "more than 0 where gaze_deg is",
            });
        }
        Ok(())
    }

    /// One view of `batch` stimuli: every stimulus has its own change, common to all of its frames.
    ///
    /// The same numbers are drawn whatever the settings, so that switching one off does not move the others.
    pub fn draw(&self, random: &mut Random, batch: usize) -> View {
        let placements = (0..batch).map(|_| {
            let mut both_ways = |most: f64| most * (2.0 * random.uniform() - 1.0);
            let jitter = [both_ways(self.jitter_px), both_ways(self.jitter_px)];
            let log_scale = both_ways(libm::log1p(self.scale));
            let turn = both_ways(self.rotation_deg).to_radians();
            let mut gaze = || {
                let normal = random.normal();
                if self.gaze_deg > 0.0 { normal * self.gaze_deg * self.px_per_deg } else { 0.0 }
            };
            let gaze = [gaze(), gaze()];
            let rounded = |px: f64| if self.whole_px { libm::round(px) } else { px };
            Placement::new(
                [rounded(jitter[0]) + gaze[0], rounded(jitter[1]) + gaze[1]],
                libm::exp(log_scale),
                turn,
            )
        });
        View::new(placements.collect())
    }
}
