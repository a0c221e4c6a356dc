//! What buffer writes hand to the shaders: the structs of `shaders/frame.wgsl` and `shaders/element.wgsl`, byte for byte.

use stimulus::element::{Draw, Element, Now, Outline, Paint, Pattern, Wave};
use stimulus::hash::threshold;
use stimulus::sheet::{Between, Sheet, Source, Transfer};

use crate::scenery::Scenery;

/// Names and byte offsets of a WGSL struct's fields; the last one, without a name, is its size.
pub type Layout = &'static [(&'static str, usize)];

/// No picture.
const NO_PICTURE: u32 = u32::MAX;

/// The numbers of a frame that all passes share.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameUniform([u8; Self::SIZE]);

impl FrameUniform {
    /// Size of the WGSL struct `Frame`.
    pub const SIZE: usize = 96;
    /// Its fields.
    pub const LAYOUT: Layout = &[
        ("size_px", 0),
        ("origin_px", 8),
        ("patch_px", 16),
        ("patch_size_px", 24),
        ("patch_luminance", 28),
        ("retina_px", 32),
        ("retina_cells", 40),
        ("luminance_weights", 48),
        ("retina_cell_px", 60),
        ("grey", 64),
        ("picture_layer", 76),
        ("index", 80),
        ("before_layer", 84),
        ("picture_weight", 88),
        ("", Self::SIZE),
    ];

    /// Lays out what does not change from frame to frame.
    pub fn prepare(scenery: &Scenery) -> Self {
        let Scenery { screen, patch, retina, .. } = scenery;
        let mut uniform = Self([0; Self::SIZE]);
        let put = &mut uniform.0;
        put_u32(put, 0, [screen.width_px, screen.height_px]);
        put_u32(put, 16, [patch.x_px, patch.y_px, patch.size_px]);
        // The linear frame of what is achromatic has one channel.
        let weights = if scenery.is_achromatic() { [1.0, 0.0, 0.0] } else { scenery.luminance_weights };
        put_f32(put, 48, weights.map(|weight| weight as f32));
        put_f32(put, 64, scenery.grey().map(|code| code as f32));
        if let Some(grid) = retina {
            put_u32(put, 32, [grid.left_px, grid.top_px, grid.columns, grid.rows]);
            put_u32(put, 60, [grid.cell_px]);
        }
        uniform
    }

    /// Where the stimulus begins on its surface.
    pub fn set_origin(&mut self, origin_px: [i32; 2]) {
        put_u32(&mut self.0, 8, origin_px.map(|at| at as u32));
    }

    /// The numbers of one frame: its index, and the patch.
    pub fn set_frame(&mut self, frame: u64, patch_luminance: f32) {
        put_f32(&mut self.0, 28, [patch_luminance]);
        put_u32(&mut self.0, 80, [frame as u32]);
    }

    /// The layers of the picture before and of its picture, and how much of that is there.
    pub fn set_pictures(&mut self, before: Option<u32>, layer: Option<u32>, weight: f64) {
        put_u32(&mut self.0, 76, [layer.unwrap_or(NO_PICTURE)]);
        put_u32(&mut self.0, 84, [before.unwrap_or(NO_PICTURE)]);
        put_f32(&mut self.0, 88, [weight as f32]);
    }

    /// The bytes, as the shaders read them.
    pub fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

/// What a course comes to in a frame.
pub struct CourseRow;

impl CourseRow {
    /// Size of the WGSL struct `Course`.
    pub const SIZE: usize = 40;
    /// Its fields.
    pub const LAYOUT: Layout = &[
        ("offset_px", 0),
        ("amplitude", 8),
        ("opacity", 12),
        ("phase", 16),
        ("scale", 20),
        ("turn_rad", 24),
        ("layer", 28),
        ("step", 32),
        ("since_onset", 36),
        ("", Self::SIZE),
    ];

    /// Writes it into a row of a buffer.
    pub fn write(now: &Now, row: &mut [u8; Self::SIZE]) {
        let [x, y] = now.offset_px;
        let numbers = [x, y, now.amplitude, now.opacity, now.phase, now.scale, now.turn_rad];
        put_f32(row, 0, numbers.map(|number| number as f32));
        put_u32(row, 28, [now.layer, now.step, now.since_onset]);
    }
}

/// What of an element does not change from frame to frame.
pub struct InstanceRow;

impl InstanceRow {
    /// Size of the WGSL struct `Instance`.
    pub const SIZE: usize = 112;
    /// Its fields.
    pub const LAYOUT: Layout = &[
        ("center_px", 0),
        ("half_px", 8),
        ("clip_px", 16),
        ("outline", 32),
        ("pattern", 48),
        ("low", 64),
        ("rotation_rad", 76),
        ("high", 80),
        ("margin_px", 92),
        ("edge_px", 96),
        ("course", 100),
        ("seed", 104),
        ("first", 108),
        ("", Self::SIZE),
    ];

    /// The bytes of an element.
    pub fn of(element: &Element) -> [u8; Self::SIZE] {
        let mut row = [0; Self::SIZE];
        let put = &mut row;
        let f32s = |numbers: [f64; 2]| numbers.map(|number| number as f32);
        put_f32(put, 0, f32s(element.place.center_px));
        put_f32(put, 8, f32s(element.place.half_px));
        let everywhere = [-1e9, -1e9, 1e9, 1e9];
        put_f32(put, 16, element.clip_px.unwrap_or(everywhere).map(|edge| edge as f32));
        put_f32(put, 32, outline_numbers(&element.aperture.outline));
        let (low, high) = match element.paint {
            Paint::Modulate(direction) => (direction, [0.0; 3]),
            Paint::Cover { low, high } => (low, high),
            Paint::Stencil(colour) => ([0.0; 3], colour),
        };
        put_f32(put, 64, low.map(|part| part as f32));
        put_f32(put, 76, [element.place.rotation_rad as f32]);
        put_f32(put, 80, high.map(|part| part as f32));
        put_f32(put, 92, [element.aperture.margin_px() as f32, element.aperture.edge_px as f32]);
        put_u32(put, 100, [element.course as u32]);
        put_pattern(put, &element.pattern);
        row
    }

    /// Where the numbers of an own pattern are, in a row that is made.
    pub fn set_numbers(row: &mut [u8; Self::SIZE], first: u32) {
        put_u32(row, 104, [first]);
    }
}

/// Which of the shader's cases an element needs: the constants of its pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Kind of pattern.
    pub pattern: u32,
    /// Kind of outline.
    pub outline: u32,
    /// Kind of paint.
    pub paint: u32,
    /// Wave of gratings, draw of noise; of sheets 1 where they are linear between texels, and 2 where these are linear light.
    pub variant: u32,
    /// Whether the window is what is left out.
    pub inverted: bool,
    /// Whether a part of the screen is all that it is seen in.
    pub clipped: bool,
    /// Which of the users' programs, where it is one of theirs.
    pub program: Option<u32>,
    /// Which of red, green and blue are written.
    pub channels: [bool; 3],
}

impl Case {
    /// Of an element.
    pub fn of(element: &Element) -> Self {
        let pattern = match element.pattern {
            Pattern::Uniform => 0,
            Pattern::Grating { .. } => 1,
            Pattern::Polar { .. } => 2,
            Pattern::Checkerboard { .. } => 3,
            Pattern::RadialCheckerboard { .. } => 4,
            Pattern::Noise { .. } => 5,
            Pattern::Values(Sheet { source: Source::Place(_), .. }) => 6,
            Pattern::Values(Sheet { source: Source::Command, .. }) => 7,
            Pattern::Image(_) => 8,
            Pattern::Own(_) => 9,
        };
        let program = if let Pattern::Own(own) = element.pattern { Some(own.program) } else { None };
        let outline = match element.aperture.outline {
            Outline::Open => 0,
            Outline::Rectangle { .. } => 1,
            Outline::Ellipse { radii_px: [u, v] } if u == v => 2,
            Outline::Ellipse { .. } => 3,
            Outline::Sector { .. } => 4,
            Outline::Gauss { .. } => 5,
            Outline::Polygon { .. } => 6,
            Outline::Cross { .. } => 7,
        };
        let paint = match element.paint {
            _ if element.is_image() => 3,
            Paint::Modulate(_) => 0,
            Paint::Cover { .. } => 1,
            Paint::Stencil(_) => 2,
        };
        Self {
            pattern,
            outline,
            paint,
            variant: variant(&element.pattern),
            inverted: element.aperture.inverted,
            clipped: element.clip_px.is_some(),
            program,
            channels: element.channels,
        }
    }
}

fn outline_numbers(outline: &Outline) -> [f32; 4] {
    let numbers = match *outline {
        Outline::Open => [0.0; 4],
        Outline::Rectangle { half_px: [u, v] } | Outline::Ellipse { radii_px: [u, v] } => [u, v, 0.0, 0.0],
        // Once here rather than in each pixel.
        Outline::Gauss { sigma_px: [u, v] } => [1.0 / u, 1.0 / v, 0.0, 0.0],
        Outline::Sector { inner_px, outer_px, middle_rad, half_rad } => {
            [inner_px, outer_px, middle_rad, half_rad]
        }
        Outline::Polygon { corners, radius_px } => [f64::from(corners), radius_px, 0.0, 0.0],
        Outline::Cross { arm_px, half_px } => [arm_px, half_px, 0.0, 0.0],
    };
    numbers.map(|number| number as f32)
}

fn put_pattern(put: &mut [u8; InstanceRow::SIZE], pattern: &Pattern) {
    let numbers = match *pattern {
        Pattern::Uniform | Pattern::Own(_) => [0.0; 4],
        Pattern::Grating { cycles_per_px: [u, v], phase, .. } => [u, v, phase, 0.0],
        Pattern::Polar { rings_per_px, spokes, phase, .. } => [rings_per_px, spokes, phase, 0.0],
        Pattern::Checkerboard { check_px: [u, v] } => [u, v, 0.0, 0.0],
        Pattern::RadialCheckerboard { rings_per_px, from_px, rings_per_fold, checks_around } => {
            [rings_per_px, rings_per_fold, checks_around, from_px]
        }
        Pattern::Noise { left_px, top_px, cell_px, draw, .. } => {
            let sd = if let Draw::Gaussian { sd } = draw { sd } else { 0.0 };
            [f64::from(left_px), f64::from(top_px), f64::from(cell_px), sd]
        }
        Pattern::Values(sheet) | Pattern::Image(sheet) => {
            [f64::from(sheet.width), f64::from(sheet.height), sheet.texel_px, 0.0]
        }
    };
    put_f32(put, 48, numbers.map(|number| number as f32));
    match *pattern {
        Pattern::Noise { draw, seed, .. } => {
            let bound = if let Draw::Sparse { density } = draw { threshold(density) } else { 0 };
            put_u32(put, 104, [seed, bound]);
        }
        Pattern::Values(Sheet { source: Source::Place(first), .. })
        | Pattern::Image(Sheet { source: Source::Place(first), .. }) => put_u32(put, 108, [first]),
        // See `InstanceRow::set_numbers` for a user's own.
        _ => {}
    }
}

fn variant(pattern: &Pattern) -> u32 {
    match *pattern {
        Pattern::Grating { wave, .. } | Pattern::Polar { wave, .. } => u32::from(wave == Wave::Square),
        Pattern::Noise { draw, .. } => match draw {
            Draw::Uniform => 0,
            Draw::Binary => 1,
            Draw::Gaussian { .. } => 2,
            Draw::Sparse { .. } => 3,
        },
        Pattern::Values(sheet) | Pattern::Image(sheet) => {
            let linear = sheet.transfer == Transfer::Linear;
            u32::from(sheet.between == Between::Linear) | u32::from(linear) << 1
        }
        Pattern::Uniform
        | Pattern::Checkerboard { .. }
        | Pattern::RadialCheckerboard { .. }
        | Pattern::Own(_) => 0,
    }
}

fn put_u32<const N: usize>(bytes: &mut [u8], at: usize, numbers: [u32; N]) {
    for (place, number) in bytes[at..].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
}

fn put_f32<const N: usize>(bytes: &mut [u8], at: usize, numbers: [f32; N]) {
    put_u32(bytes, at, numbers.map(f32::to_bits));
}
