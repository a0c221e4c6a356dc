//! One thing on the screen: where it lies, what is in it, through which window it is seen, how it becomes light, and how it
//! changes.

pub mod aperture;
pub mod course;
pub mod pattern;

use crate::sheet::Content;

pub use aperture::{Aperture, Outline};
pub use course::{Contrast, Course, Fade, Modulation, Moment, Motion, Now, Onset, Renewal, Span};
pub use pattern::{Draw, Pattern, Point, Wave};

/// An element of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Where it lies.
    pub place: Place,
    /// What is in it.
    pub pattern: Pattern,
    /// Through which window it is seen.
    pub aperture: Aperture,
    /// How its pattern becomes light.
    pub paint: Paint,
    /// Its course's place in [`crate::Scene::courses`].
    pub course: usize,
    /// The part of the screen in which it is seen: left, top, right, bottom in px; all of it where none is given.
    pub clip_px: Option<[f64; 4]>,
    /// Which of red, green and blue it is seen in: all of them, or those of one eye's glass.
    pub channels: [bool; 3],
}

/// Where an element lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Its centre, in px from the screen's top left corner.
    pub center_px: [f64; 2],
    /// Half of its width and height, before it is turned.
    pub half_px: [f64; 2],
    /// How far it is turned, anticlockwise.
    pub rotation_rad: f64,
}

/// How a pattern becomes light. Colours are linear light of red, green and blue, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Paint {
    /// It changes what is below it: to the light comes `mean luminance * amplitude * opacity * pattern * window` times this colour
    /// direction (1, 1, 1 is achromatic). Patterns on top of each other add up.
    Modulate([f64; 3]),
    /// It covers what is below it, as far as its window is open: the colour goes from `low` to `high` as amplitude times
    /// pattern goes from -1 to 1.
    Cover {
        /// Colour at -1.
        low: [f64; 3],
        /// Colour at 1.
        high: [f64; 3],
    },
    /// It covers what is below it with this colour, as far as the pattern (0..=1) times the amplitude goes: letters.
    Stencil([f64; 3]),
}

impl Paint {
    /// Light and dark about the neutral grey.
    pub const ACHROMATIC: Self = Self::Modulate([1.0; 3]);

    /// Whether red, green and blue are always alike.
    pub fn is_achromatic(&self) -> bool {
        let alike = |colour: &[f64; 3]| colour[0] == colour[1] && colour[1] == colour[2];
        match self {
            Self::Modulate(colour) | Self::Stencil(colour) => alike(colour),
            Self::Cover { low, high } => alike(low) && alike(high),
        }
    }
}

impl Element {
    /// An element as large as its window, or where the window has no end, as what is in it.
    pub fn new(
        center_px: [f64; 2],
        pattern: Pattern,
        aperture: Aperture,
        paint: Paint,
        course: usize,
    ) -> Self {
        let sheet = match &pattern {
            Pattern::Values(sheet) | Pattern::Image(sheet) => Some(sheet.size_px().map(|size| 0.5 * size)),
            _ => None,
        };
        let half_px = aperture.half_px().or(sheet).unwrap_or([0.0; 2]);
        Self {
            place: Place { center_px, half_px, rotation_rad: 0.0 },
            pattern,
            aperture,
            paint,
            course,
            clip_px: None,
            channels: [true; 3],
        }
    }

    /// The same with another rectangle, where neither window nor pattern have an end.
    #[must_use]
    pub fn with_half_px(mut self, half_px: [f64; 2]) -> Self {
        self.place.half_px = half_px;
        self
    }

    /// The same, turned anticlockwise.
    #[must_use]
    pub fn turned(mut self, rotation_rad: f64) -> Self {
        self.place.rotation_rad = rotation_rad;
        self
    }

    /// Whether its colours come from an image.
    pub fn is_image(&self) -> bool {
        matches!(self.pattern, Pattern::Image(_))
    }

    /// Whether red, green and blue are always alike.
    pub fn is_achromatic(&self) -> bool {
        self.channels == [true; 3] && self.paint.is_achromatic() && !self.is_image()
    }

    /// The rectangle that holds all of it, as `now` has it: left, top, right, bottom in px, clipped.
    pub fn bounds_px(&self, now: &Now) -> [f64; 4] {
        let [x, y] = self.center_px(now);
        let turn = self.place.rotation_rad + now.turn_rad;
        let (cos, sin) = (libm::cos(turn).abs(), libm::sin(turn).abs());
        let half = self.place.half_px.map(|half| half * now.scale + self.aperture.margin_px());
        let wide = cos * half[0] + sin * half[1];
        let high = sin * half[0] + cos * half[1];
        let clip =
            self.clip_px.unwrap_or([f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY]);
        [(x - wide).max(clip[0]), (y - high).max(clip[1]), (x + wide).min(clip[2]), (y + high).min(clip[3])]
    }

    /// A point of the screen in the element's own coordinates; `None` outside of its rectangle.
    pub fn local(&self, now: &Now, x_px: f64, y_px: f64) -> Option<Point> {
        let [cx, cy] = self.center_px(now);
        let (dx, dy) = (x_px - cx, y_px - cy);
        let turn = self.place.rotation_rad + now.turn_rad;
        let (cos, sin) = (libm::cos(turn) / now.scale, libm::sin(turn) / now.scale);
        let (u, v) = (cos * dx - sin * dy, sin * dx + cos * dy);
        let margin = self.aperture.margin_px() / now.scale;
        let [hu, hv] = self.place.half_px;
        let inside = u.abs() <= hu + margin && v.abs() <= hv + margin;
        let pixel = [libm::floor(x_px) as i32, libm::floor(y_px) as i32];
        inside.then_some(Point { u, v, pixel })
    }

    /// What it adds at a point to the mean luminance of 1, if it does no more than modulate achromatically.
    pub(crate) fn change(&self, now: &Now, content: &Content<'_>, x_px: f64, y_px: f64) -> f64 {
        let Some(point) = self.local(now, x_px, y_px).filter(|_| self.is_in_clip(x_px, y_px)) else {
            return 0.0;
        };
        let Paint::Modulate(direction) = &self.paint else { return 0.0 };
        let window = self.aperture.at(point.u, point.v, now.scale);
        if window == 0.0 {
            return 0.0;
        }
        let seen = [0, 1, 2].map(|channel| if self.channels[channel] { direction[channel] } else { 0.0 });
        let weight = if seen == [1.0; 3] { 1.0 } else { crate::retina::luminance(seen) };
        weight * window * (now.amplitude * self.pattern.at(&point, now, content))
    }

    fn is_in_clip(&self, x_px: f64, y_px: f64) -> bool {
        self.clip_px.is_none_or(|[left, top, right, bottom]| {
            (left..=right).contains(&x_px) && (top..=bottom).contains(&y_px)
        })
    }

    fn center_px(&self, now: &Now) -> [f64; 2] {
        let [x, y] = self.place.center_px;
        [x + now.offset_px[0], y + now.offset_px[1]]
    }
}
