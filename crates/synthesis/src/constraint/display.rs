//! What a display can show: levels.

use ndarray::Array5;

/// The levels of a display. Stimuli are given in its own primaries relative to its black and white, so that its gamut is
/// the range 0..1 of every channel.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Display {
    /// Bits per channel, 1 to 16.
    pub bits: u32,
    /// Exponent of the response: light = code^gamma.
    pub gamma: f64,
}

impl Display {
    /// Number of the highest level: `2^bits - 1`.
    pub fn highest(&self) -> u16 {
        (u32::MAX >> (32 - self.bits.clamp(1, 16))) as u16
    }

    /// Code value 0..1 of a light, before rounding.
    pub fn code(&self, light: f64) -> f64 {
        libm::pow(light.clamp(0.0, 1.0), 1.0 / self.gamma)
    }

    /// The level nearest to a light, in code.
    pub fn level(&self, light: f64) -> u16 {
        libm::round(self.code(light) * f64::from(self.highest())) as u16
    }

    /// The light of a level.
    pub fn light(&self, level: u16) -> f64 {
        libm::pow(f64::from(level) / f64::from(self.highest()), self.gamma)
    }

    /// Replaces every light by that of its nearest level.
    pub fn quantise(&self, stimuli: &mut Array5<f32>) {
        stimuli.iter_mut().for_each(|light| *light = self.shown(*light));
    }

    /// The levels of every light, for a file or a screen.
    pub fn levels(&self, stimuli: &Array5<f32>) -> Array5<u16> {
        stimuli.mapv(|light| self.level(f64::from(light)))
    }

    pub(super) fn shown(&self, light: f32) -> f32 {
        self.light(self.level(f64::from(light))) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_lies_within_half_a_level_and_stays_there() {
        for display in [
            Display { bits: 8, gamma: 2.2 },
            Display { bits: 10, gamma: 1.0 },
            Display { bits: 1, gamma: 1.8 },
        ] {
            for step in 0..=5000 {
                let light = step as f32 / 5000.0;
                let shown = display.shown(light);
                let apart = display.code(f64::from(shown)) - display.code(f64::from(light));
                assert!(apart.abs() <= 0.5 / f64::from(display.highest()) + 1e-7, "{display:?} {light}");
                assert_eq!(display.shown(shown), shown);
            }
            assert_eq!((display.shown(0.0), display.shown(1.0)), (0.0, 1.0));
        }
        assert_eq!(Display { bits: 8, gamma: 2.2 }.highest(), 255);
        assert_eq!(Display { bits: 16, gamma: 2.2 }.highest(), 65535);
    }
}
