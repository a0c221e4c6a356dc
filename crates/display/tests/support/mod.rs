//! What several tests of the display need.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use stimulus::{Flicker, FlickerKind, Grating, Scene, Screen, ScreenSpec, Waveform};

/// The simulated rig, at any size.
pub fn screen(width_px: u32, height_px: u32) -> Screen {
    Screen::new(&ScreenSpec::plain(width_px, height_px)).unwrap()
}

/// A grating in the middle of a screen.
pub fn grating(screen: &Screen, cpd: f64, orientation_deg: f64, diameter_deg: f64) -> Grating {
    Grating {
        cycles_per_px: screen.wave_vector(cpd, orientation_deg),
        phase: 0.05,
        center_px: screen.centre_px(),
        diameter_px: screen.size_px(diameter_deg),
        edge_px: screen.size_px(1.0),
        flicker: Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap(),
    }
}

/// Grey and the thermostat's grating.
pub fn scenes(screen: &Screen) -> Vec<Scene> {
    vec![Scene::grey(), Scene::grating(&grating(screen, 1.0, 45.0, 10.0))]
}

/// The value, or `None` with the reason printed where this machine has no adapter. In CI that is a failure.
pub fn with_adapter<T>(prepared: Result<T, display::DisplayError>) -> Option<T> {
    match prepared {
        Ok(value) => Some(value),
        Err(display::DisplayError::NoAdapter(reason)) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("skipped: no Vulkan adapter ({reason})");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
