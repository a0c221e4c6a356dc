//! Waves and checks.

use super::{direction, pair, rate, size};
use crate::error::ProtocolError;
use crate::reader::{Range, Table};

/// The profile of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carrier {
    /// `"sine"`, also where the key is absent.
    #[default]
    Sine,
    /// `"square"`
    Square,
}

/// A wave in a round window with a soft edge, on neutral grey.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grating {
    /// Spatial frequency in cycles per degree of visual angle, above 0.
    pub sf_cpd: f64,
    /// Direction in which the grating varies, in degrees from 0 to below 180, anticlockwise from rightward as the
    /// person sees it: 0 gives vertical bars, 90 horizontal ones.
    pub orientation_deg: f64,
    /// Spatial phase in degrees, 0..360.
    pub phase_deg: f64,
    /// Diameter of the window in degrees of visual angle, its edge included.
    pub diameter_deg: f64,
    /// Width of the soft edge in degrees of visual angle, at most half the diameter.
    pub edge_deg: f64,
    /// Its profile.
    pub carrier: Carrier,
    /// Cycles per second at which it drifts along its direction from the onset on; negative against it.
    pub drift_hz: f64,
}

impl Grating {
    pub(super) const KEYS: &[&str] =
        &["sf_cpd", "orientation_deg", "phase_deg", "diameter_deg", "edge_deg", "carrier", "drift_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let grating = Self {
            sf_cpd: read_sf(table)?,
            orientation_deg: read_orientation(table)?,
            phase_deg: direction(table, "phase_deg")?,
            diameter_deg: size(table, "diameter_deg")?,
            edge_deg: read_edge(table, "diameter_deg")?,
            carrier: read_carrier(table)?,
            drift_hz: read_drift(table, "drift_hz")?,
        };
        Ok(grating)
    }
}

/// A wave in a Gaussian window (Gabor 1946; Daugman 1985, J. Opt. Soc. Am. A 2, 1160).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gabor {
    /// As [`Grating::sf_cpd`].
    pub sf_cpd: f64,
    /// As [`Grating::orientation_deg`].
    pub orientation_deg: f64,
    /// As [`Grating::phase_deg`].
    pub phase_deg: f64,
    /// Standard deviation of the window in degrees of visual angle.
    pub sigma_deg: f64,
    /// Its profile.
    pub carrier: Carrier,
    /// As [`Grating::drift_hz`].
    pub drift_hz: f64,
}

impl Gabor {
    pub(super) const KEYS: &[&str] =
        &["sf_cpd", "orientation_deg", "phase_deg", "sigma_deg", "carrier", "drift_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            sf_cpd: read_sf(table)?,
            orientation_deg: read_orientation(table)?,
            phase_deg: direction(table, "phase_deg")?,
            sigma_deg: size(table, "sigma_deg")?,
            carrier: read_carrier(table)?,
            drift_hz: read_drift(table, "drift_hz")?,
        })
    }
}

/// Two sine waves on top of each other, each at half of the contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plaid {
    /// As [`Grating::sf_cpd`], of both.
    pub sf_cpd: f64,
    /// Directions of the two.
    pub orientations_deg: [f64; 2],
    /// As [`Grating::phase_deg`], of both.
    pub phase_deg: f64,
    /// As [`Grating::diameter_deg`].
    pub diameter_deg: f64,
    /// As [`Grating::edge_deg`].
    pub edge_deg: f64,
    /// As [`Grating::drift_hz`], of both.
    pub drift_hz: f64,
}

impl Plaid {
    pub(super) const KEYS: &[&str] =
        &["sf_cpd", "orientations_deg", "phase_deg", "diameter_deg", "edge_deg", "drift_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            sf_cpd: read_sf(table)?,
            orientations_deg: pair(table, "orientations_deg", Range::from(0.0).below(180.0))?,
            phase_deg: direction(table, "phase_deg")?,
            diameter_deg: size(table, "diameter_deg")?,
            edge_deg: read_edge(table, "diameter_deg")?,
            drift_hz: read_drift(table, "drift_hz")?,
        })
    }
}

/// A wave around the centre (a radial grating).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spokes {
    /// Cycles around the centre.
    pub spokes: u32,
    /// Phase to the right of the centre, in degrees of a cycle.
    pub phase_deg: f64,
    /// Diameter of the window in degrees.
    pub diameter_deg: f64,
    /// Width of its soft edge in degrees.
    pub edge_deg: f64,
    /// Its profile.
    pub carrier: Carrier,
    /// Turns per second, anticlockwise, from the onset on.
    pub rotation_hz: f64,
}

impl Spokes {
    pub(super) const KEYS: &[&str] =
        &["spokes", "phase_deg", "diameter_deg", "edge_deg", "carrier", "rotation_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            spokes: table.integer("spokes", 1..=360)? as u32,
            phase_deg: direction(table, "phase_deg")?,
            diameter_deg: size(table, "diameter_deg")?,
            edge_deg: read_edge(table, "diameter_deg")?,
            carrier: read_carrier(table)?,
            rotation_hz: read_drift(table, "rotation_hz")?,
        })
    }
}

/// A wave outwards from the centre (concentric rings).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rings {
    /// Spatial frequency outwards in cycles per degree.
    pub sf_cpd: f64,
    /// Phase in the centre, in degrees of a cycle.
    pub phase_deg: f64,
    /// Diameter of the window in degrees.
    pub diameter_deg: f64,
    /// Width of its soft edge in degrees.
    pub edge_deg: f64,
    /// Its profile.
    pub carrier: Carrier,
    /// Cycles per second by which rings run outwards from the onset on; negative inwards.
    pub drift_hz: f64,
}

impl Rings {
    pub(super) const KEYS: &[&str] =
        &["sf_cpd", "phase_deg", "diameter_deg", "edge_deg", "carrier", "drift_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            sf_cpd: read_sf(table)?,
            phase_deg: direction(table, "phase_deg")?,
            diameter_deg: size(table, "diameter_deg")?,
            edge_deg: read_edge(table, "diameter_deg")?,
            carrier: read_carrier(table)?,
            drift_hz: read_drift(table, "drift_hz")?,
        })
    }
}

/// Rectangles of alternating sign, a corner of four in the centre. It reverses by a square counterphase flicker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkerboard {
    /// Side of a check in degrees.
    pub check_deg: f64,
    /// Width and height in degrees.
    pub size_deg: [f64; 2],
    /// How far it is turned, anticlockwise, in degrees.
    pub orientation_deg: f64,
}

impl Checkerboard {
    pub(super) const KEYS: &[&str] = &["check_deg", "size_deg", "orientation_deg"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            check_deg: size(table, "check_deg")?,
            size_deg: pair(table, "size_deg", Range::above(0.0).up_to(super::WIDEST_DEG))?,
            orientation_deg: table.optional("orientation_deg", direction)?.unwrap_or(0.0),
        })
    }
}

/// Checks in polar coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadialCheckerboard {
    /// How wide its rings are.
    pub rings: CheckRings,
    /// Checks around the centre, even.
    pub checks_around: u32,
    /// Diameter in degrees.
    pub diameter_deg: f64,
    /// Diameter of the hole in the middle in degrees; may be 0.
    pub inner_deg: f64,
    /// Turns per second, anticlockwise, from the onset on.
    pub rotation_hz: f64,
}

/// How wide the rings of checks are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CheckRings {
    /// `ring_deg`: alike.
    Even {
        /// Width in degrees.
        ring_deg: f64,
    },
    /// `rings_per_fold`: as many per e-fold of the eccentricity, so that they grow with it as the cortex magnifies.
    Growing {
        /// Rings per e-fold.
        rings_per_fold: f64,
    },
}

impl RadialCheckerboard {
    pub(super) const KEYS: &[&str] =
        &["ring_deg", "rings_per_fold", "checks_around", "diameter_deg", "inner_deg", "rotation_hz"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let diameter_deg = size(table, "diameter_deg")?;
        Ok(Self {
            rings: read_check_rings(table)?,
            checks_around: read_checks_around(table)?,
            diameter_deg,
            inner_deg: table.number("inner_deg", Range::from(0.0).below(diameter_deg))?,
            rotation_hz: read_drift(table, "rotation_hz")?,
        })
    }
}

pub(super) fn read_check_rings(table: &Table<'_>) -> Result<CheckRings, ProtocolError> {
    Ok(match table.one_of(&["ring_deg", "rings_per_fold"])? {
        "ring_deg" => CheckRings::Even { ring_deg: size(table, "ring_deg")? },
        key => CheckRings::Growing { rings_per_fold: table.number(key, Range::above(0.0).up_to(100.0))? },
    })
}

/// Only an even number of checks alternates all around.
pub(super) fn read_checks_around(table: &Table<'_>) -> Result<u32, ProtocolError> {
    match table.integer("checks_around", 2..=360)? {
        even if even % 2 == 0 => Ok(even as u32),
        _ => Err(table.refuse("checks_around", "an even number from 2 to 360")),
    }
}

pub(super) fn read_sf(table: &Table<'_>) -> Result<f64, ProtocolError> {
    table.number("sf_cpd", Range::above(0.0).up_to(60.0))
}

fn read_orientation(table: &Table<'_>) -> Result<f64, ProtocolError> {
    table.number("orientation_deg", Range::from(0.0).below(180.0))
}

fn read_carrier(table: &Table<'_>) -> Result<Carrier, ProtocolError> {
    let read =
        |t: &Table<'_>, key: &str| t.choice(key, &[("sine", Carrier::Sine), ("square", Carrier::Square)]);
    Ok(table.optional("carrier", read)?.unwrap_or_default())
}

/// What does not say that it drifts stands still.
fn read_drift(table: &Table<'_>, key: &str) -> Result<f64, ProtocolError> {
    Ok(table.optional(key, rate)?.unwrap_or(0.0))
}

/// The width of a soft edge, at most half of the diameter.
pub(super) fn read_edge(table: &Table<'_>, diameter: &str) -> Result<f64, ProtocolError> {
    let (edge_deg, diameter_deg) =
        (table.number("edge_deg", Range::from(0.0).up_to(super::WIDEST_DEG))?, size(table, diameter)?);
    if edge_deg > diameter_deg / 2.0 {
        return Err(
            table.refuse("edge_deg", format!("at most half of {diameter}, {} deg", diameter_deg / 2.0))
        );
    }
    Ok(edge_deg)
}
