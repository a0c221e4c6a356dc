//! What one buffer write hands to the shaders: the `Frame` struct of `shaders/frame.wgsl`, byte for byte.

use stimulus::{Patch, RetinaGrid, Scene, Screen};

/// Size of the WGSL struct in bytes.
pub const SIZE: usize = 112;

/// Byte offset of each field of the WGSL struct, by its name there.
pub const FIELDS: [(&str, usize); 21] = [
    ("cycles_per_px", CYCLES_PER_PX),
    ("center_px", CENTER_PX),
    ("phase_rad", PHASE_RAD),
    ("radius_px", RADIUS_PX),
    ("edge_px", EDGE_PX),
    ("amplitude", AMPLITUDE),
    ("size_px", SIZE_PX),
    ("origin_px", ORIGIN_PX),
    ("patch_px", PATCH_PX),
    ("patch_size_px", PATCH_SIZE_PX),
    ("patch_luminance", PATCH_LUMINANCE),
    ("retina_px", RETINA_PX),
    ("retina_cells", RETINA_CELLS),
    ("retina_cell_px", RETINA_CELL_PX),
    ("kind", KIND),
    ("gamma_inverse", GAMMA_INVERSE),
    ("picture_layer", PICTURE_LAYER),
    ("picture_px", PICTURE_PX),
    ("picture_texels", PICTURE_TEXELS),
    ("texel_px", TEXEL_PX),
    ("", SIZE),
];

const CYCLES_PER_PX: usize = 0;
const CENTER_PX: usize = 8;
const PHASE_RAD: usize = 16;
const RADIUS_PX: usize = 20;
const EDGE_PX: usize = 24;
const AMPLITUDE: usize = 28;
const SIZE_PX: usize = 32;
const ORIGIN_PX: usize = 40;
const PATCH_PX: usize = 48;
const PATCH_SIZE_PX: usize = 56;
const PATCH_LUMINANCE: usize = 60;
const RETINA_PX: usize = 64;
const RETINA_CELLS: usize = 72;
const RETINA_CELL_PX: usize = 80;
const KIND: usize = 84;
const GAMMA_INVERSE: usize = 88;
const PICTURE_LAYER: usize = 92;
const PICTURE_PX: usize = 96;
const PICTURE_TEXELS: usize = 104;
const TEXEL_PX: usize = 108;

/// One scene's numbers, laid out once; a frame changes three of them in place.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameUniform([u8; SIZE]);

impl FrameUniform {
    /// Lays out what does not change from frame to frame.
    pub fn prepare(scene: &Scene, screen: &Screen, patch: &Patch, retina: Option<&RetinaGrid>) -> Self {
        let mut uniform = Self([0; SIZE]);
        uniform.put(SIZE_PX, screen.width_px.to_le_bytes());
        uniform.put(SIZE_PX + 4, screen.height_px.to_le_bytes());
        uniform.put(PATCH_PX, patch.x_px.to_le_bytes());
        uniform.put(PATCH_PX + 4, patch.y_px.to_le_bytes());
        uniform.put(PATCH_SIZE_PX, patch.size_px.to_le_bytes());
        uniform.put(GAMMA_INVERSE, ((1.0 / screen.gamma) as f32).to_le_bytes());
        if let Some(grid) = retina {
            uniform.put(RETINA_PX, grid.left_px.to_le_bytes());
            uniform.put(RETINA_PX + 4, grid.top_px.to_le_bytes());
            uniform.put(RETINA_CELLS, grid.columns.to_le_bytes());
            uniform.put(RETINA_CELLS + 4, grid.rows.to_le_bytes());
            uniform.put(RETINA_CELL_PX, grid.cell_px.to_le_bytes());
        }
        if let Scene::Grating(grating) = scene {
            uniform.put(KIND, 1_u32.to_le_bytes());
            uniform.put(CYCLES_PER_PX, (grating.cycles_per_px[0] as f32).to_le_bytes());
            uniform.put(CYCLES_PER_PX + 4, (grating.cycles_per_px[1] as f32).to_le_bytes());
            uniform.put(CENTER_PX, (grating.center_px[0] as f32).to_le_bytes());
            uniform.put(CENTER_PX + 4, (grating.center_px[1] as f32).to_le_bytes());
            uniform.put(PHASE_RAD, (grating.phase_rad as f32).to_le_bytes());
            uniform.put(RADIUS_PX, ((grating.diameter_px / 2.0) as f32).to_le_bytes());
            uniform.put(EDGE_PX, (grating.edge_px as f32).to_le_bytes());
        }
        if let Scene::Picture(picture) = scene {
            uniform.put(KIND, 2_u32.to_le_bytes());
            uniform.put(PICTURE_PX, picture.left_px.to_le_bytes());
            uniform.put(PICTURE_PX + 4, picture.top_px.to_le_bytes());
            uniform.put(PICTURE_TEXELS, picture.texels.to_le_bytes());
            uniform.put(TEXEL_PX, picture.texel_px.to_le_bytes());
        }
        uniform
    }

    /// Where the stimulus begins on its surface.
    pub fn set_origin(&mut self, origin_px: [i32; 2]) {
        self.put(ORIGIN_PX, origin_px[0].to_le_bytes());
        self.put(ORIGIN_PX + 4, origin_px[1].to_le_bytes());
    }

    /// The numbers of one frame.
    pub fn set_frame(&mut self, amplitude: f32, patch_luminance: f32, picture_layer: u32) {
        self.put(AMPLITUDE, amplitude.to_le_bytes());
        self.put(PICTURE_LAYER, picture_layer.to_le_bytes());
        self.put(PATCH_LUMINANCE, patch_luminance.to_le_bytes());
    }

    /// Whether the scene shows pictures.
    pub fn is_picture(&self) -> bool {
        self.0[KIND] == 2
    }

    /// The bytes, as the shaders read them.
    pub fn bytes(&self) -> &[u8; SIZE] {
        &self.0
    }

    fn put(&mut self, at: usize, bytes: [u8; 4]) {
        self.0[at..at + 4].copy_from_slice(&bytes);
    }
}
