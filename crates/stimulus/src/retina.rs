//! The retina: a linear-light reduction of each frame, which is how the simulated participant sees.
//!
//! The cells are fine enough for the highest spatial frequency on screen (4 or more per cycle), so that what is seen is
//! the local contrast, not a grey average.

use crate::picture::Picture;
use crate::scene::{MEAN_LUMINANCE, Scene};
use crate::screen::Screen;

/// The most cells along a side.
pub const MAX_CELLS: u32 = 64;

/// The fewest cells per cycle of the finest pattern.
pub const CELLS_PER_CYCLE: f64 = 4.0;

/// A square block of the screen per cell; the cells are a crop around the fixation point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetinaGrid {
    /// Side of a cell.
    pub cell_px: u32,
    /// Cells along x.
    pub columns: u32,
    /// Cells along y.
    pub rows: u32,
    /// Left edge of the crop.
    pub left_px: u32,
    /// Upper edge of the crop.
    pub top_px: u32,
}

impl RetinaGrid {
    /// The grid for all scenes of a session: the largest cells that give 4 or more per cycle of the finest pattern (1 px
    /// at least), at most 64 x 64 of them, centred on fixation. When the centre of a stimulus lies outside, the crop
    /// moves just so far that it is covered. A picture settles all: its texels are the cells.
    pub fn for_scenes(scenes: &[Scene], screen: &Screen) -> Self {
        let picture = scenes.iter().find_map(|scene| match scene {
            Scene::Picture(picture) => Some(picture),
            Scene::Grey | Scene::Grating(_) => None,
        });
        if let Some(&Picture { left_px, top_px, texels, texel_px, .. }) = picture {
            return Self { cell_px: texel_px, columns: texels, rows: texels, left_px, top_px };
        }
        let cell_px = cell_for(scenes, screen);
        let columns = (screen.width_px / cell_px).clamp(1, MAX_CELLS);
        let rows = (screen.height_px / cell_px).clamp(1, MAX_CELLS);
        let mut left_px = (screen.width_px - columns * cell_px) / 2;
        let mut top_px = (screen.height_px - rows * cell_px) / 2;
        for scene in scenes {
            if let Scene::Grating(grating) = scene {
                left_px = moved(left_px, columns * cell_px, grating.center_px[0], screen.width_px);
                top_px = moved(top_px, rows * cell_px, grating.center_px[1], screen.height_px);
            }
        }
        Self { cell_px, columns, rows, left_px, top_px }
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.columns as usize * self.rows as usize
    }
}

/// Side in px of the largest square cell with 4 or more per cycle of the finest pattern, 1 px at least.
pub(crate) fn cell_for(scenes: &[Scene], screen: &Screen) -> u32 {
    let finest = scenes.iter().filter_map(Scene::highest_frequency_per_px).fold(0.0, f64::max);
    let most = screen.width_px.min(screen.height_px).div_ceil(MAX_CELLS).max(1);
    if finest <= 0.0 {
        return most;
    }
    // The small excess keeps a quotient of exactly 4 from falling below it by rounding.
    let cell = (1.0 / (CELLS_PER_CYCLE * finest) + 1e-9).floor().max(1.0);
    (cell as u32).min(screen.width_px).min(screen.height_px)
}

fn moved(start: u32, length: u32, point: f64, limit: u32) -> u32 {
    let (from, to) = (f64::from(start), f64::from(start + length));
    let wanted = if point < from {
        point.floor()
    } else if point > to {
        point.ceil() - f64::from(length)
    } else {
        from
    };
    wanted.clamp(0.0, f64::from(limit - length)) as u32
}

/// Mean linear luminance over each cell, row-major: the CPU twin of the GPU's reduction.
///
/// # Panics
/// When `out` does not have [`RetinaGrid::cells`] values: a mistake of the caller.
pub fn retina_of(scene: &Scene, frame: u64, contrast: f64, grid: &RetinaGrid, out: &mut [f64]) {
    assert_eq!(out.len(), grid.cells(), "out must have one value per cell");
    for (cell, mean) in out.iter_mut().enumerate() {
        *mean = mean_over(grid, cell, |x, y| scene.luminance(frame, contrast, x, y));
    }
}

/// A scene's retina, prepared: luminance is separable in space and time, so a frame costs one multiply-add per cell.
#[derive(Debug, Clone, PartialEq)]
pub struct RetinaTemplate {
    scene: Scene,
    grid: RetinaGrid,
    pattern: Vec<f64>,
}

impl RetinaTemplate {
    /// Averages the pattern over each cell once.
    pub fn prepare(scene: &Scene, grid: &RetinaGrid) -> Self {
        let pattern = match scene {
            Scene::Grey => vec![0.0; grid.cells()],
            Scene::Grating(grating) => {
                (0..grid.cells()).map(|cell| mean_over(grid, cell, |x, y| grating.pattern(x, y))).collect()
            }
            Scene::Picture(_) => vec![0.0; grid.cells()],
        };
        Self { scene: *scene, grid: *grid, pattern }
    }

    /// Takes what is now in the picture; nothing where the scene is none. Does not allocate.
    pub fn load(&mut self, texels: &[f32]) {
        let Scene::Picture(picture) = &self.scene else { return };
        for (cell, pattern) in self.pattern.iter_mut().enumerate() {
            *pattern = mean_over(&self.grid, cell, |x, y| picture.pattern(texels, x, y));
        }
    }

    /// The same as [`retina_of`], to rounding. Does not allocate.
    ///
    /// # Panics
    /// When `out` does not have one value per cell.
    pub fn frame(&self, frame: u64, contrast: f64, out: &mut [f64]) {
        assert_eq!(out.len(), self.pattern.len(), "out must have one value per cell");
        let amplitude = MEAN_LUMINANCE * contrast * self.scene.modulation(frame);
        for (cell, pattern) in out.iter_mut().zip(&self.pattern) {
            *cell = MEAN_LUMINANCE + amplitude * pattern;
        }
    }

    /// Mean pattern (carrier times window, -1..=1) of each cell.
    pub fn pattern(&self) -> &[f64] {
        &self.pattern
    }
}

/// Mean of a function over the pixel centres of a cell.
fn mean_over(grid: &RetinaGrid, cell: usize, at: impl Fn(f64, f64) -> f64) -> f64 {
    let cell_px = grid.cell_px;
    let left = grid.left_px + (cell as u32 % grid.columns) * cell_px;
    let top = grid.top_px + (cell as u32 / grid.columns) * cell_px;
    let mut sum = 0.0;
    for row in top..top + cell_px {
        for column in left..left + cell_px {
            sum += at(f64::from(column) + 0.5, f64::from(row) + 0.5);
        }
    }
    sum / f64::from(cell_px * cell_px)
}
