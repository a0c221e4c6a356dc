//! What is shown: stimuli and geometry in machine units, the CPU twin of every shader, and the photosensitivity rule.
//!
//! Machine units: px (origin at the top left corner, x to the right, y down, a pixel's centre at +0.5), rad, cycles per
//! px, cycles per frame. Luminance is linear light relative to the screen's range: 0 is its black, 1 its white, 0.5 the
//! mean of every stimulus. Human units (deg, cpd) enter only through [`Screen`].
//!
//! - [`screen`]: the rig's screen and the conversions that need it.
//! - [`scene`]: what a frame shows: elements on grey, as a pure function of the frame index.
//! - [`element`]: one thing on the screen: its pattern, window, paint and course. [`dots`]: those that wander.
//! - [`sheet`]: texels that are looked up: [`letters`], filtered [`noise`], images. [`picture`]: a square whose content comes while the
//!   session runs.
//! - [`flicker`]: temporal modulation that the refresh can really make; anything else is refused with numbers.
//! - [`code`]: m-sequences, Gold, de Bruijn, Golay and APA codes, shown bit by bit.
//! - [`repair`]: what was changed, where a protocol lets what the refresh cannot make be repaired.
//! - [`spectrum`]: the lines that a course of frames really has. [`separation`]: how far targets lie apart.
//! - [`twin`]: the reference renderer that the shaders are compared with.
//! - [`retina`]: the reduction of a frame that the simulated participant sees.
//! - [`safety`]: WCAG 2.2 general flash and ITU-R BT.1702-3, as pure code.
//!
//! Nothing here knows a GPU, a clock or a thread. Transcendental functions come from `libm`, so that two machines give
//! the same bits.

pub mod code;
pub mod dots;
pub mod element;
pub mod flicker;
mod fourier;
pub mod hash;
pub mod letters;
pub mod noise;
pub mod picture;
pub mod repair;
pub mod retina;
pub mod safety;
pub mod scene;
pub mod screen;
pub mod separation;
pub mod sheet;
pub mod spectrum;
pub mod twin;

pub use code::{Code, CodeError};
pub use element::{Element, Moment};
pub use flicker::{Flicker, FlickerError, FlickerKind, FlickerRequest, Waveform};
pub use picture::Picture;
pub use repair::{Change, Repaired};
pub use retina::{RetinaGrid, RetinaTemplate, retina_of};
pub use safety::{FlashAnalyser, FlashReport, FlashVerdict, assess};
pub use scene::{Grating, MEAN_LUMINANCE, Patch, Scene};
pub use screen::{Screen, ScreenError, ScreenSpec};
pub use separation::{SeparationError, separate};
pub use sheet::{Content, Sheets};
pub use spectrum::{Realised, Spectrum, SpectrumError};
