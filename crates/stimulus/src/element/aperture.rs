//! Through which window an element is seen.

use std::f64::consts::{PI, TAU};

/// A window in an element's own coordinates (px, `u` to its right, `v` down from its centre). Its value is 1 inside and 0
/// outside; every edge is soft.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aperture {
    /// Its outline.
    pub outline: Outline,
    /// Width of the raised-cosine edge, inside the outline; below 1 px the edge is hard: the part of a pixel that lies inside.
    pub edge_px: f64,
    /// Whether what lies outside is seen instead.
    pub inverted: bool,
}

/// The outline of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outline {
    /// All of the element's rectangle.
    Open,
    /// A rectangle of half this size.
    Rectangle {
        /// Half width and half height.
        half_px: [f64; 2],
    },
    /// An ellipse.
    Ellipse {
        /// Radii along `u` and `v`.
        radii_px: [f64; 2],
    },
    /// What lies between two circles, of which a sector.
    Sector {
        /// Radius of the inner circle.
        inner_px: f64,
        /// Radius of the outer circle.
        outer_px: f64,
        /// Middle of the sector, anticlockwise from rightward.
        middle_rad: f64,
        /// Half of its extent; pi or more is the whole ring.
        half_rad: f64,
    },
    /// A Gaussian bell; it has no edge.
    Gauss {
        /// Standard deviations along `u` and `v`.
        sigma_px: [f64; 2],
    },
    /// A regular polygon with a corner to the right.
    Polygon {
        /// Corners, 3 or more.
        corners: u32,
        /// Radius of the circle through the corners.
        radius_px: f64,
    },
    /// Two crossing bars.
    Cross {
        /// Half length of the bars.
        arm_px: f64,
        /// Half width of the bars.
        half_px: f64,
    },
}

impl Aperture {
    /// No window at all.
    pub const OPEN: Self = Self { outline: Outline::Open, edge_px: 0.0, inverted: false };

    /// A window with this outline.
    pub fn new(outline: Outline, edge_px: f64) -> Self {
        Self { outline, edge_px, inverted: false }
    }

    /// The window's value, 0..=1. `scale` is the screen px that one px here is: a hard edge is one pixel of the screen wide.
    pub fn at(&self, u: f64, v: f64, scale: f64) -> f64 {
        let value = match self.outline {
            Outline::Open => 1.0,
            Outline::Gauss { sigma_px: [su, sv] } => {
                libm::exp(-0.5 * ((u / su) * (u / su) + (v / sv) * (v / sv)))
            }
            outline if self.edge_px < 1.0 => (scale * outline.inside_px(u, v) + 0.5).clamp(0.0, 1.0),
            outline => edge(outline.inside_px(u, v), self.edge_px),
        };
        if self.inverted { 1.0 - value } else { value }
    }

    /// Half width and half height of the rectangle that holds all of the window; `None` where it has no end.
    pub fn half_px(&self) -> Option<[f64; 2]> {
        match self.outline {
            _ if self.inverted => None,
            Outline::Open => None,
            Outline::Rectangle { half_px } | Outline::Ellipse { radii_px: half_px } => Some(half_px),
            Outline::Sector { outer_px: r, .. } | Outline::Polygon { radius_px: r, .. } => Some([r, r]),
            Outline::Cross { arm_px, .. } => Some([arm_px, arm_px]),
            Outline::Gauss { sigma_px: [u, v] } => Some([GAUSS_REACH * u, GAUSS_REACH * v]),
        }
    }

    /// How far beyond that rectangle something may be seen, in px of the screen: a hard edge covers part of a pixel there.
    pub fn margin_px(&self) -> f64 {
        match self.outline {
            Outline::Open | Outline::Gauss { .. } => 0.0,
            // The ends of a long ellipse have a wider edge (see `inside_px`), half of which lies outside.
            Outline::Ellipse { radii_px: [u, v] } => (0.5 * u.max(v) / u.min(v) + 0.5).max(1.0),
            _ => 1.0,
        }
    }
}

/// How far a bell is drawn, in standard deviations: beyond it is below 1/2900 of its top.
const GAUSS_REACH: f64 = 4.0;

impl Outline {
    /// How far inside the outline a point lies, in px; negative outside.
    fn inside_px(&self, u: f64, v: f64) -> f64 {
        let radius = libm::sqrt(u * u + v * v);
        match *self {
            Self::Open | Self::Gauss { .. } => f64::INFINITY,
            Self::Rectangle { half_px: [hu, hv] } => (hu - u.abs()).min(hv - v.abs()),
            Self::Ellipse { radii_px: [ru, rv] } if ru == rv => ru - radius,
            // An ellipse's edge is as wide along its shorter radius as it should be, and wider along the other.
            Self::Ellipse { radii_px: [ru, rv] } => {
                let (x, y) = (u / ru, v / rv);
                (1.0 - libm::sqrt(x * x + y * y)) * ru.min(rv)
            }
            Self::Sector { inner_px, outer_px, middle_rad, half_rad } => {
                let ring = (outer_px - radius).min(if inner_px > 0.0 { radius - inner_px } else { outer_px });
                if half_rad >= PI {
                    return ring;
                }
                let turned = libm::atan2(-v, u) - middle_rad;
                let off = turned - TAU * libm::floor(turned / TAU + 0.5);
                ring.min(radius * (half_rad - off.abs()))
            }
            Self::Polygon { corners, radius_px } => {
                let step = TAU / f64::from(corners);
                let angle = libm::atan2(-v, u);
                let within = angle - step * libm::floor(angle / step) - 0.5 * step;
                radius_px * libm::cos(0.5 * step) - radius * libm::cos(within)
            }
            Self::Cross { arm_px, half_px } => {
                let along = (arm_px - u.abs()).min(half_px - v.abs());
                along.max((half_px - u.abs()).min(arm_px - v.abs()))
            }
        }
    }
}

/// The value of a raised-cosine edge at a point that lies this far inside its outline.
fn edge(inside_px: f64, edge_px: f64) -> f64 {
    if inside_px <= 0.0 {
        0.0
    } else if inside_px >= edge_px {
        1.0
    } else {
        0.5 * (1.0 - libm::cos(PI * inside_px / edge_px))
    }
}
