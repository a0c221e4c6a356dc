//! What a frame shows, as a pure function of the frame index.

use std::f64::consts::{PI, TAU};

use crate::flicker::Flicker;
use crate::picture::Picture;
use crate::retina::CELLS_PER_CYCLE;
use crate::screen::Screen;

/// Linear luminance of the neutral grey, which is also the mean of every stimulus.
pub const MEAN_LUMINANCE: f64 = 0.5;

/// A sinusoidal grating in a round window with a raised-cosine edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grating {
    /// Wave vector in cycles per px (x to the right, y down); see [`Screen::wave_vector`].
    pub cycles_per_px: [f64; 2],
    /// Phase of the cosine at the centre.
    pub phase_rad: f64,
    /// Centre of the window, in px from the top left corner.
    pub center_px: [f64; 2],
    /// Diameter at which the window reaches 0.
    pub diameter_px: f64,
    /// Width of the raised-cosine edge, inside the diameter; 0 gives a hard edge.
    pub edge_px: f64,
    /// Its flicker.
    pub flicker: Flicker,
}

impl Grating {
    /// Spatial frequency in cycles per px.
    pub fn frequency_per_px(&self) -> f64 {
        libm::sqrt(
            self.cycles_per_px[0] * self.cycles_per_px[0] + self.cycles_per_px[1] * self.cycles_per_px[1],
        )
    }

    /// The carrier, -1..=1, at a point of the screen.
    pub fn carrier(&self, x_px: f64, y_px: f64) -> f64 {
        let dx = x_px - self.center_px[0];
        let dy = y_px - self.center_px[1];
        libm::cos(TAU * (self.cycles_per_px[0] * dx + self.cycles_per_px[1] * dy) + self.phase_rad)
    }

    /// The window, 0..=1, at a point of the screen.
    pub fn window(&self, x_px: f64, y_px: f64) -> f64 {
        let dx = x_px - self.center_px[0];
        let dy = y_px - self.center_px[1];
        let inside = self.diameter_px / 2.0 - libm::sqrt(dx * dx + dy * dy);
        if inside <= 0.0 {
            0.0
        } else if inside >= self.edge_px {
            1.0
        } else {
            0.5 * (1.0 - libm::cos(PI * inside / self.edge_px))
        }
    }

    /// Carrier times window: what the modulation and the contrast scale.
    pub fn pattern(&self, x_px: f64, y_px: f64) -> f64 {
        let window = self.window(x_px, y_px);
        if window == 0.0 { 0.0 } else { window * self.carrier(x_px, y_px) }
    }
}

/// What the display can be told to show. The scene's id is its place in the list that `display` was prepared with; place
/// 0 is always [`Scene::Grey`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scene {
    /// The neutral grey field.
    Grey,
    /// A flickering grating on neutral grey.
    Grating(Grating),
    /// A flickering picture on neutral grey.
    Picture(Picture),
}

impl Scene {
    /// Linear luminance 0..=1 of a point: `0.5 (1 + contrast * modulation(frame) * pattern(x, y))`. Pixel (i, j) is the
    /// point (i + 0.5, j + 0.5). A picture is taken as empty, which is grey.
    pub fn luminance(&self, frame: u64, contrast: f64, x_px: f64, y_px: f64) -> f64 {
        let amplitude = contrast * self.modulation(frame);
        MEAN_LUMINANCE * (1.0 + amplitude * self.pattern(&[], x_px, y_px))
    }

    /// The pattern -1..=1 at a point; `texels` is what is in the picture, where the scene is one.
    pub fn pattern(&self, texels: &[f32], x_px: f64, y_px: f64) -> f64 {
        match self {
            Scene::Grey => 0.0,
            Scene::Grating(grating) => grating.pattern(x_px, y_px),
            Scene::Picture(picture) => picture.pattern(texels, x_px, y_px),
        }
    }

    /// Modulation of a frame; 0 for grey.
    pub fn modulation(&self, frame: u64) -> f64 {
        self.flicker().map_or(0.0, |flicker| flicker.modulation(frame))
    }

    /// Whether the photodiode patch is white in a frame: in the first half of each cycle of the flicker. Black on grey.
    pub fn patch_is_white(&self, frame: u64) -> bool {
        self.flicker().is_some_and(|flicker| flicker.is_first_half(frame))
    }

    /// The flicker, if the scene has one.
    pub fn flicker(&self) -> Option<&Flicker> {
        match self {
            Scene::Grey => None,
            Scene::Grating(grating) => Some(&grating.flicker),
            Scene::Picture(picture) => Some(&picture.flicker),
        }
    }

    /// The highest spatial frequency in cycles per px; `None` when the scene has no pattern.
    pub fn highest_frequency_per_px(&self) -> Option<f64> {
        match self {
            Scene::Grey => None,
            Scene::Grating(grating) => Some(grating.frequency_per_px()),
            // Half a cycle per texel is finer than cells of four per cycle; a cell that is a texel sees all there is.
            Scene::Picture(picture) => Some(1.0 / (CELLS_PER_CYCLE * f64::from(picture.texel_px))),
        }
    }
}

/// The square in a corner of the screen that a photodiode looks at. It is no part of the scene: the retina does not see
/// it, because the diode covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Left edge.
    pub x_px: u32,
    /// Upper edge.
    pub y_px: u32,
    /// Side; 0 means no patch.
    pub size_px: u32,
}

impl Patch {
    /// No patch.
    pub const NONE: Patch = Patch { x_px: 0, y_px: 0, size_px: 0 };

    /// A patch in the lower right corner, at most as large as the screen.
    pub fn lower_right(screen: &Screen, size_px: u32) -> Self {
        let size_px = size_px.min(screen.width_px).min(screen.height_px);
        Self { x_px: screen.width_px - size_px, y_px: screen.height_px - size_px, size_px }
    }

    /// Whether pixel (column, row) belongs to it.
    pub fn covers(&self, column: u32, row: u32) -> bool {
        let within = |at: u32, from: u32| at >= from && at - from < self.size_px;
        within(column, self.x_px) && within(row, self.y_px)
    }
}
