//! The photosensitivity rule and the governor that keeps it: WCAG 2.2 and ITU-R BT.1702-3, each by its own units and
//! bounds, in whole numbers, so that the GPU's passes give the same bits.
//!
//! - **WCAG 2.2, success criterion 2.3.1.** A *general flash* is a pair of opposing changes of 10 % or more of the maximum
//!   relative luminance where the darker state is below 0.80; a *red flash* is a pair of opposing transitions of which one
//!   is to or from a state with `R / (R + G + B) >= 0.8`, 0.2 or more apart in CIE 1976 u'v' (the working definition of
//!   WCAG 2.2, after ISO 9241-391). More than three of a kind within any second fail, unless their area is at most
//!   0.006 sr within any 10 degree field.
//! - **ITU-R BT.1702-3, guideline 1.** Changes of 20 cd/m2 or more where the darker state is below 160 cd/m2; above that,
//!   for what is brighter than standard television (white above 200 cd/m2), of more than 1/17 Michelson contrast;
//!   transitions to or from a saturated red whatever their luminance. More than three flashes (six changes) within any
//!   second over more than 25 % of the screen fail. A sequence may also be a risk when it lasts longer than five seconds.
//! - **ITU-R BT.1702-3, guideline 2.** More than five pairs of clearly discernible light and dark stripes, in any
//!   orientation, over more than 40 % of the screen where they stand, 25 % where they move, flash or reverse; for half a
//!   second or longer.
//!
//! All are applied cell by cell: a counterphase grating flashes everywhere though its mean is constant. Cells that flash
//! in the same second are counted together whatever their phase. `docs/photosensitivity.md` has the units, every choice
//! where the standards leave one, and what is not covered.
//!
//! - [`light`]: code values to luminance and chromaticity.
//! - [`Geometry`]: cells and 10 degree fields.
//! - [`Governor`]: what may be shown of a candidate frame.
//! - [`assess`]: the rule over a scene's frames, before anything is shown. [`FlashAnalyser`]: over sequences of luminance.

mod analyser;
mod assess;
mod detector;
mod geometry;
mod governor;
pub mod light;
mod params;
mod rule;
mod stripes;

pub use analyser::{FlashAnalyser, FlashReport, FlashVerdict};
pub use assess::{Lit, assess};
pub use geometry::{Geometry, SOLID_ANGLE_UNIT_SR, WCAG_FIELD_DEG};
pub use governor::{Bound, Governor, Mode, Request, Shown, VERDICT_WORDS, Verdict, flag};
pub use light::{LightError, LightTables};
pub use params::Params;
pub use rule::{Areas, state_words};

/// Flashes that both standards allow within any second.
pub const FLASHES_ALLOWED: u32 = 3;

/// WCAG: smallest change, as a part of the maximum relative luminance.
pub const WCAG_CHANGE: f64 = 0.10;

/// WCAG: the darker state must be below this relative luminance for a change to count.
pub const WCAG_DARKER: f64 = 0.80;

/// WCAG: largest flashing area within any 10 degree field.
pub const WCAG_AREA_SR: f64 = 0.006;

/// BT.1702: smallest change.
pub const BT1702_CHANGE_CD_M2: f64 = 20.0;

/// BT.1702: the darker state must be below this luminance for a change to count.
pub const BT1702_DARKER_CD_M2: f64 = 160.0;

/// BT.1702: luminance of white that it assumes for standard dynamic range; brighter screens are judged as high dynamic
/// range as well.
pub const BT1702_SDR_WHITE_CD_M2: f64 = 200.0;

/// BT.1702: largest flashing part of the screen.
pub const BT1702_AREA_FRACTION: f64 = 0.25;

/// BT.1702: seconds after which a sequence of flashes is extended.
pub const EXTENDED_S: u32 = 5;

/// Flashes in each of those seconds that make a sequence.
pub const EXTENDED_FLASHES_PER_S: u32 = 2;

/// The same in changes.
pub const EXTENDED_CHANGES_PER_S: u32 = 2 * EXTENDED_FLASHES_PER_S;

/// BT.1702: time from which a regular pattern counts.
pub const PATTERN_S: f64 = 0.5;

/// Shortest length of a light and a dark stripe together that counts as clearly discernible.
pub const PATTERN_PERIOD_DEG: f64 = 0.1;
