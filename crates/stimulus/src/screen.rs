//! The rig's screen in machine units, and the conversions from degrees of visual angle.

use std::f64::consts::PI;

use thiserror::Error;

/// Width and height of a pixel may differ by this part before a screen is refused: all geometry here assumes square
/// pixels, and a ruler reads a screen's size to about one part in a hundred.
const SQUARE_TOLERANCE: f64 = 0.02;

/// A screen as the rig file describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScreenSpec {
    /// Width in px.
    pub width_px: u32,
    /// Height in px.
    pub height_px: u32,
    /// Width of the lit area in cm.
    pub width_cm: f64,
    /// Height of the lit area in cm.
    pub height_cm: f64,
    /// Distance of the eye from the centre of the screen in cm.
    pub distance_cm: f64,
    /// Refresh rate in Hz.
    pub refresh_hz: f64,
    /// Luminance of white in cd/m2.
    pub luminance_max_cd_m2: f64,
    /// Luminance of black in cd/m2.
    pub luminance_min_cd_m2: f64,
    /// Exponent of the screen's response: light = code^gamma.
    pub gamma: f64,
}

impl ScreenSpec {
    /// A plain screen of this size: ten px per cm at 57.3 cm, so that one degree has ten px, 60 Hz, black to 120 cd/m2 by a gamma of
    /// 2.2. Examples and tests draw on it where the screen is not what they are about.
    pub const fn plain(width_px: u32, height_px: u32) -> Self {
        Self {
            width_px,
            height_px,
            width_cm: width_px as f64 / 10.0,
            height_cm: height_px as f64 / 10.0,
            distance_cm: 57.3,
            refresh_hz: 60.0,
            luminance_max_cd_m2: 120.0,
            luminance_min_cd_m2: 0.0,
            gamma: 2.2,
        }
    }
}

/// A screen in machine units. The person fixates its centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    /// Width in px.
    pub width_px: u32,
    /// Height in px.
    pub height_px: u32,
    /// Distance of the eye from the centre, in px of this screen.
    pub distance_px: f64,
    /// Pixels that one degree covers at the centre: `2 distance tan(0.5 deg)`.
    pub px_per_deg: f64,
    /// Refresh rate in Hz.
    pub refresh_hz: f64,
    /// Luminance of white in cd/m2.
    pub luminance_max_cd_m2: f64,
    /// Luminance of black in cd/m2.
    pub luminance_min_cd_m2: f64,
    /// Exponent of the screen's response: light = code^gamma.
    pub gamma: f64,
}

/// Why a screen cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ScreenError {
    /// A number outside its range.
    #[error("screen {what} is {value}, allowed is {allowed}")]
    Range {
        /// Name of the number in the rig file.
        what: &'static str,
        /// The number found.
        value: f64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// Width and height contradict each other.
    #[error(
        "pixels are not square: {width_cm} cm over {width_px} px and {height_cm} cm over {height_px} px differ by \
         {percent:.1} %, allowed are 2 %"
    )]
    NotSquare {
        /// Width in cm.
        width_cm: f64,
        /// Width in px.
        width_px: u32,
        /// Height in cm.
        height_cm: f64,
        /// Height in px.
        height_px: u32,
        /// Their difference in per cent.
        percent: f64,
    },
}

impl Screen {
    /// Checks a description and computes the machine units.
    ///
    /// # Errors
    /// When a number is not finite or outside its range, or when the pixels are not square.
    pub fn new(spec: &ScreenSpec) -> Result<Self, ScreenError> {
        let positive = |what, value: f64| range(what, value, value > 0.0, "more than 0");
        range("width_px", spec.width_px.into(), (1..=16384).contains(&spec.width_px), "1 to 16384")?;
        range("height_px", spec.height_px.into(), (1..=16384).contains(&spec.height_px), "1 to 16384")?;
        positive("width_cm", spec.width_cm)?;
        positive("height_cm", spec.height_cm)?;
        positive("distance_cm", spec.distance_cm)?;
        range("refresh_hz", spec.refresh_hz, (1.0..=1000.0).contains(&spec.refresh_hz), "1 to 1000")?;
        range("gamma", spec.gamma, (0.5..=5.0).contains(&spec.gamma), "0.5 to 5")?;
        positive("luminance_max_cd_m2", spec.luminance_max_cd_m2)?;
        let (black, white) = (spec.luminance_min_cd_m2, spec.luminance_max_cd_m2);
        range("luminance_min_cd_m2", black, black >= 0.0 && black < white, "0 to below luminance_max_cd_m2")?;

        let px_per_cm = f64::from(spec.width_px) / spec.width_cm;
        let vertical = f64::from(spec.height_px) / spec.height_cm;
        let difference = (vertical / px_per_cm - 1.0).abs();
        if difference > SQUARE_TOLERANCE {
            return Err(ScreenError::NotSquare {
                width_cm: spec.width_cm,
                width_px: spec.width_px,
                height_cm: spec.height_cm,
                height_px: spec.height_px,
                percent: difference * 100.0,
            });
        }
        let distance_px = spec.distance_cm * px_per_cm;
        Ok(Self {
            width_px: spec.width_px,
            height_px: spec.height_px,
            distance_px,
            px_per_deg: 2.0 * distance_px * libm::tan(0.5 * PI / 180.0),
            refresh_hz: spec.refresh_hz,
            luminance_max_cd_m2: spec.luminance_max_cd_m2,
            luminance_min_cd_m2: spec.luminance_min_cd_m2,
            gamma: spec.gamma,
        })
    }

    /// Size in px of something centred on fixation that subtends `size_deg`: `2 distance tan(size / 2)`.
    pub fn size_px(&self, size_deg: f64) -> f64 {
        2.0 * self.distance_px * libm::tan(0.5 * size_deg * PI / 180.0)
    }

    /// Distance in px from fixation of a point at `eccentricity_deg`: `distance tan(eccentricity)`.
    pub fn offset_px(&self, eccentricity_deg: f64) -> f64 {
        self.distance_px * libm::tan(eccentricity_deg * PI / 180.0)
    }

    /// Spatial frequency in cycles per px of `cpd` cycles per degree, by the size of a degree at the centre. A flat
    /// screen shows the same grating finer (in cpd) towards its edge, by `1 / cos^2` of the eccentricity.
    pub fn cycles_per_px(&self, cpd: f64) -> f64 {
        cpd / self.px_per_deg
    }

    /// Wave vector in cycles per px. `orientation_deg` is the direction in which the grating varies, anticlockwise from
    /// rightward as the person sees it: 0 gives vertical bars, 90 horizontal ones. y points down, hence the sign.
    pub fn wave_vector(&self, cpd: f64, orientation_deg: f64) -> [f64; 2] {
        let frequency = self.cycles_per_px(cpd);
        let angle = orientation_deg * PI / 180.0;
        [frequency * libm::cos(angle), -frequency * libm::sin(angle)]
    }

    /// The fixation point: the centre of the screen, in px.
    pub fn centre_px(&self) -> [f64; 2] {
        [f64::from(self.width_px) / 2.0, f64::from(self.height_px) / 2.0]
    }

    /// Nanoseconds from one refresh to the next.
    pub fn refresh_period_ns(&self) -> f64 {
        1e9 / self.refresh_hz
    }

    /// Linear luminance 0..=1 in cd/m2.
    pub fn luminance_cd_m2(&self, linear: f64) -> f64 {
        self.luminance_min_cd_m2 + (self.luminance_max_cd_m2 - self.luminance_min_cd_m2) * linear
    }

    /// Solid angle in sr of a rectangle of the screen (px), by the flat-screen formula at the rectangle's centre:
    /// `area distance / (distance^2 + r^2)^(3/2)`.
    pub fn solid_angle_sr(&self, left_px: f64, top_px: f64, width_px: f64, height_px: f64) -> f64 {
        let centre = self.centre_px();
        let x = left_px + width_px / 2.0 - centre[0];
        let y = top_px + height_px / 2.0 - centre[1];
        let squared = self.distance_px * self.distance_px + x * x + y * y;
        width_px * height_px * self.distance_px / (squared * libm::sqrt(squared))
    }
}

fn range(what: &'static str, value: f64, ok: bool, allowed: &'static str) -> Result<(), ScreenError> {
    if ok && value.is_finite() { Ok(()) } else { Err(ScreenError::Range { what, value, allowed }) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SPEC: ScreenSpec = ScreenSpec::plain(320, 240);

    #[test]
    fn one_centimetre_at_57_is_one_degree() {
        let screen = Screen::new(&SPEC).unwrap();
        assert!((screen.px_per_deg - 10.0).abs() < 0.01, "{}", screen.px_per_deg);
        assert!((screen.size_px(1.0) - screen.px_per_deg).abs() < 1e-12);
        // 2 * 573 px * tan(5 deg)
        assert!((screen.size_px(10.0) - 100.262_4).abs() < 1e-3, "{}", screen.size_px(10.0));
        assert!((screen.offset_px(45.0) - 573.0).abs() < 1e-9);
    }

    #[test]
    fn orientation_turns_anticlockwise_on_a_screen_whose_y_points_down() {
        let screen = Screen::new(&SPEC).unwrap();
        let vertical_bars = screen.wave_vector(1.0, 0.0);
        assert!(vertical_bars[0] > 0.09 && vertical_bars[1].abs() < 1e-12);
        let diagonal = screen.wave_vector(1.0, 45.0);
        assert!(diagonal[0] > 0.0 && (diagonal[0] + diagonal[1]).abs() < 1e-12);
    }

    #[test]
    fn solid_angles_of_a_grid_add_up_to_the_screen() {
        let screen = Screen::new(&SPEC).unwrap();
        let mut sum = 0.0;
        for y in 0..240 {
            for x in 0..320 {
                sum += screen.solid_angle_sr(f64::from(x), f64::from(y), 1.0, 1.0);
            }
        }
        // Closed form of a rectangle seen from above its centre: 4 asin(a b / sqrt((a^2+d^2)(b^2+d^2))).
        let (a, b, d) = (160.0_f64, 120.0_f64, 573.0_f64);
        let exact = 4.0 * (a * b / ((a * a + d * d) * (b * b + d * d)).sqrt()).asin();
        assert!((sum / exact - 1.0).abs() < 1e-4, "{sum} {exact}");
    }

    #[test]
    fn bad_screens_are_refused_with_their_numbers() {
        let cases = [
            (ScreenSpec { distance_cm: 0.0, ..SPEC }, "distance_cm is 0"),
            (ScreenSpec { refresh_hz: f64::NAN, ..SPEC }, "refresh_hz is NaN"),
            (ScreenSpec { width_px: 0, ..SPEC }, "width_px is 0"),
            (ScreenSpec { luminance_min_cd_m2: 130.0, ..SPEC }, "luminance_min_cd_m2 is 130"),
            (ScreenSpec { height_cm: 20.0, ..SPEC }, "differ by 20.0 %"),
        ];
        for (spec, words) in cases {
            let message = Screen::new(&spec).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
