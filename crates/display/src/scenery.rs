//! What can be drawn: everything that is settled before the run.

use stimulus::safety::Governor;
use stimulus::{Light, Patch, RetinaGrid, Scene, Screen, Sheets};

/// Luminance of red, green and blue relative to white, where the rig says nothing else: ITU-R BT.709.
pub const BT709: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// Screen, scenes, and what turns them into light.
#[derive(Debug, Clone)]
pub struct Scenery {
    /// The rig's screen.
    pub screen: Screen,
    /// What can be shown; a scene's id is its place. Place 0 must be [`Scene::grey`].
    pub scenes: Vec<Scene>,
    /// What their elements look up.
    pub sheets: Sheets,
    /// From linear light to the screen's codes.
    pub light: Light,
    /// Luminance of red, green and blue relative to white.
    pub luminance_weights: [f64; 3],
    /// The photodiode patch; [`Patch::NONE`] for none.
    pub patch: Patch,
    /// What the simulated participant sees of each frame.
    pub retina: Option<RetinaGrid>,
    /// Judges each frame before it is presented, where there is one.
    pub governor: Option<Governor>,
}

impl Scenery {
    /// Scenes on a screen with the transfer of its exponent and 8 bits, without patch and retina.
    ///
    /// # Errors
    /// An exponent that no display has.
    pub fn plain(
        screen: &Screen,
        scenes: Vec<Scene>,
        sheets: Sheets,
    ) -> Result<Self, stimulus::TransferError> {
        let light = Light::prepare(&stimulus::Transfer::Gamma([screen.gamma; 3]), 8, None)?;
        Ok(Self {
            screen: *screen,
            scenes,
            sheets,
            light,
            luminance_weights: BT709,
            patch: Patch::NONE,
            retina: None,
            governor: None,
        })
    }

    /// Whether red, green and blue are always alike, in light and in codes.
    pub fn is_achromatic(&self) -> bool {
        self.light.rows() == 1 && self.scenes.iter().all(Scene::is_achromatic)
    }

    /// Whether a scene's elements may be drawn as codes right away: each pixel is one element's, all channels have one code,
    /// and the grey around is one everywhere. It must not depend on who reads the frame, so that a frame that is drawn again
    /// has the same codes.
    pub(crate) fn is_drawn_straight(&self, scene: &Scene) -> bool {
        self.is_achromatic() && self.light.dither().is_none() && scene.is_scattered()
    }

    /// Format of what is drawn for nobody to see, and of the frame's codes.
    pub(crate) fn code_format(&self) -> wgpu::TextureFormat {
        match self.light.bits() {
            10 => wgpu::TextureFormat::Rgb10a2Unorm,
            _ => wgpu::TextureFormat::Rgba8Unorm,
        }
    }

    /// Code of the neutral grey over the highest, of red, green and blue.
    pub fn grey(&self) -> [f64; 3] {
        let grey = [stimulus::MEAN_LUMINANCE as f32; 3];
        let codes =
            [0, 1, 2].map(|channel| self.light.code(grey[channel], channel, stimulus::light::NEAREST));
        codes.map(|code| f64::from(code) / f64::from(self.light.highest()))
    }
}
