//! Where the electrodes are, and how the rhythms and blinks spread over them.

/// The eight occipital channels, in the order of the thermostat's stream.
pub const OCCIPITAL: [&str; 8] = ["PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"];

/// What a channel sees of the parts that do not differ between people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Electrode {
    /// Index into [`OCCIPITAL`].
    pub index: usize,
    /// Place on a flattened head, in tenths of the nasion-inion arc: right, forward.
    pub x: f64,
    /// See `x`.
    pub y: f64,
    /// RMS of alpha relative to POz.
    pub alpha: f64,
    /// Peak of a blink relative to POz: it comes from the front, so the more occipital the less.
    pub blink: f64,
}

const ELECTRODES: [Electrode; 8] = [
    Electrode { index: 0, x: -2.4, y: -3.2, alpha: 0.85, blink: 0.9 },
    Electrode { index: 1, x: -1.2, y: -3.0, alpha: 0.95, blink: 1.0 },
    Electrode { index: 2, x: 0.0, y: -3.0, alpha: 1.0, blink: 1.0 },
    Electrode { index: 3, x: 1.2, y: -3.0, alpha: 0.95, blink: 1.0 },
    Electrode { index: 4, x: 2.4, y: -3.2, alpha: 0.85, blink: 0.9 },
    Electrode { index: 5, x: -1.2, y: -3.9, alpha: 0.85, blink: 0.7 },
    Electrode { index: 6, x: 0.0, y: -4.0, alpha: 0.9, blink: 0.7 },
    Electrode { index: 7, x: 1.2, y: -3.9, alpha: 0.85, blink: 0.7 },
];

/// Looks a label up, in any case.
pub(crate) fn electrode(label: &str) -> Option<Electrode> {
    OCCIPITAL.iter().position(|known| known.eq_ignore_ascii_case(label)).map(|index| ELECTRODES[index])
}

/// Inclination from the vertex and azimuth from the right ear of the electrodes on a spherical head, in degrees: the 10-10
/// system as BESA lays it (a negative inclination is on the left).
const ANGLES_DEG: [[f64; 2]; 8] = [
    [-92.0, 54.0],
    [-74.0, 67.0],
    [69.0, -90.0],
    [74.0, -67.0],
    [92.0, -54.0],
    [-92.0, 72.0],
    [92.0, -90.0],
    [92.0, -72.0],
];

/// Where an electrode is on a sphere of radius 1: right, forward, up. `None` for a label that the head does not have.
pub fn position(label: &str) -> Option<[f64; 3]> {
    let [inclination, azimuth] = ANGLES_DEG[electrode(label)?.index].map(f64::to_radians);
    let out = libm::sin(inclination);
    Some([out * libm::cos(azimuth), out * libm::sin(azimuth), libm::cos(inclination)])
}
