//! What is shown: stimuli and geometry in machine units, the CPU twin of every shader, and the photosensitivity rule.
//!
//! Machine units: px (origin at the top left corner, x to the right, y down, a pixel's centre at +0.5), rad, cycles per
//! px, cycles per frame. Luminance is linear light relative to the screen's range: 0 is its black, 1 its white, 0.5 the
//! mean of every stimulus. Human units (deg, cpd) enter only through [`Screen`].
//!
//! - [`screen`]: the rig's screen and the conversions that need it.
//! - [`scene`]: what a frame shows: elements on grey, as a pure function of the frame index.
//! - [`element`]: one thing on the screen: its pattern, window, paint and course. [`dots`]: those that wander.
//! - [`sheet`]: texels that are looked up: [`letters`], filtered [`noise`], images. [`picture`]: a square whose content
//!   comes while the session runs.
//! - [`own`]: patterns that a user writes in WGSL, for the shader and for the twin.
//! - [`flicker`]: temporal modulation that the refresh can really make; anything else is refused with numbers.
//! - [`code`]: m-sequences, Gold, de Bruijn, Golay and APA codes, shown bit by bit.
//! - [`repair`]: what was changed, where a protocol lets what the refresh cannot make be repaired.
//! - [`spectrum`]: the lines that a course of frames really has. [`separation`]: how far targets lie apart.
//! - [`transfer`]: what light the display makes of a drive level, by exponents or as a photometer measured it.
//! - [`light`]: linear light to codes of 8 or 10 bits, dithered or not, to the bit as the shader does it.
//! - [`colour`]: cd/m2 and chromaticity, cone contrasts and DKL from the display's primaries; [`observer`]: whose cones.
//! - [`twin`]: the reference renderer that the shaders are compared with. [`checksum`]: what a frame is known by.
//! - [`retina`]: the reduction of a frame that the simulated participant sees.
//! - [`safety`]: WCAG 2.2 and ITU-R BT.1702-3 in whole numbers, and the governor that keeps them.
//!
//! Nothing here knows a GPU, a clock or a thread. Transcendental functions come from `libm`, so that two machines give
//! the same bits.

pub mod checksum;
pub mod code;
pub mod colour;
pub mod dots;
pub mod element;
pub mod flicker;
mod fourier;
pub mod hash;
pub mod letters;
pub mod light;
mod measured;
pub mod noise;
pub mod observer;
pub mod own;
pub mod picture;
pub mod repair;
pub mod retina;
pub mod safety;
pub mod scene;
pub mod screen;
pub mod separation;
pub mod sheet;
pub mod spectrum;
pub mod transfer;
pub mod twin;

pub use code::{Code, CodeError};
pub use colour::{ColourError, Dkl, Gamut, Primary};
pub use element::{Element, Moment};
pub use flicker::{Flicker, FlickerError, FlickerKind, FlickerRequest, Waveform};
pub use light::Light;
pub use measured::MeasuredError;
pub use observer::Spectra;
pub use picture::Picture;
pub use repair::{Change, Repaired};
pub use retina::{RetinaGrid, RetinaTemplate, retina_of};
pub use safety::{FlashAnalyser, FlashReport, FlashVerdict};
pub use scene::{Grating, MEAN_LUMINANCE, Patch, Scene};
pub use screen::{Screen, ScreenError, ScreenSpec};
pub use separation::{SeparationError, separate};
pub use sheet::{Content, Sheets};
pub use spectrum::{Realised, Spectrum, SpectrumError};
pub use transfer::{Transfer, TransferError, TransferTable};
