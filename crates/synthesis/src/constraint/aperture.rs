//! A round window with a soft edge, and the bounds of light that follow from it.

/// A round window; the light beyond it is grey 0.5.
///
/// The window bounds the light, it does not multiply it: along the edge the allowed range shrinks as a raised cosine
/// from the full range to grey. A multiplied window would shrink what it has shrunk before, each time it is applied; a
/// bound is a convex set with a nearest point, and what already fades is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Aperture {
    /// Centre, in px right of and below the stimulus's centre.
    pub centre_px: [f64; 2],
    /// Radius within which the full range is allowed.
    pub radius_px: f64,
    /// Width of the edge around that radius.
    pub edge_px: f64,
}

impl Aperture {
    /// Share of the range that is allowed at each pixel of a plane, row-major: 1 within, 0 beyond.
    pub fn mask(&self, height: usize, width: usize) -> Vec<f64> {
        let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let share = |(row, column): (usize, usize)| {
            let x = column as f64 + 0.5 - width as f64 / 2.0 - self.centre_px[0];
            let y = row as f64 + 0.5 - height as f64 / 2.0 - self.centre_px[1];
            let beyond = libm::hypot(x, y) - self.radius_px;
            if beyond <= 0.0 {
                1.0
            } else if beyond >= self.edge_px {
                0.0
            } else {
                0.5 + 0.5 * libm::cos(std::f64::consts::PI * beyond / self.edge_px)
            }
        };
        places.map(share).collect()
    }
}

/// Lowest and highest light of each pixel of a plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    /// Pixels that an aperture leaves open, at least in part; all without one. Mean and contrast are taken over them.
    pub open: Vec<usize>,
}

impl Bounds {
    /// `range` at every pixel, shrunk to `grey` by the mask.
    pub fn new(range: [f64; 2], grey: f64, aperture: Option<&Aperture>, height: usize, width: usize) -> Self {
        let mask = aperture.map_or_else(|| vec![1.0; height * width], |window| window.mask(height, width));
        let shrunk = |edge: f64| mask.iter().map(|share| grey + share * (edge - grey)).collect();
        Self {
            low: shrunk(range[0]),
            high: shrunk(range[1]),
            open: (0..mask.len()).filter(|&pixel| mask[pixel] > 0.0).collect(),
        }
    }
}
