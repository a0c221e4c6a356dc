//! What is shown: stimuli and geometry in machine units, the CPU twin of every shader, and the photosensitivity rule.
//!
//! Machine units: px (origin at the top left corner, x to the right, y down, a pixel's centre at +0.5), rad, cycles per
//! px, cycles per frame. Luminance is linear light relative to the screen's range: 0 is its black, 1 its white, 0.5 the
//! mean of every stimulus. Human units (deg, cpd) enter only through [`Screen`].
//!
//! - [`screen`]: the rig's screen and the conversions that need it.
//! - [`flicker`]: temporal modulation that the refresh can really make; anything else is refused with numbers.
//! - [`scene`]: what a frame shows, as a pure function of the frame index.
//! - [`picture`]: a square whose content comes while the session runs.
//! - [`twin`]: the reference renderer that the shaders are compared with.
//! - [`retina`]: the reduction of a frame that the simulated participant sees.
//! - [`safety`]: WCAG 2.2 and ITU-R BT.1702-3 in whole numbers, and the governor that keeps them.
//!
//! Nothing here knows a GPU, a clock or a thread. Transcendental functions come from `libm`, so that two machines give
//! the same bits.

pub mod flicker;
pub mod picture;
pub mod retina;
pub mod safety;
pub mod scene;
pub mod screen;
pub mod twin;

pub use flicker::{Flicker, FlickerError, FlickerKind, Waveform};
pub use picture::Picture;
pub use retina::{RetinaGrid, RetinaTemplate, retina_of};
pub use safety::{FlashAnalyser, FlashReport, FlashVerdict, assess};
pub use scene::{Grating, MEAN_LUMINANCE, Patch, Scene};
pub use screen::{Screen, ScreenError, ScreenSpec};
