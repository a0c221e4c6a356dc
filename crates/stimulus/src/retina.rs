//! The retina: a linear-light reduction of each frame, which is how the simulated participant sees.
//!
//! The cells are fine enough for the highest spatial frequency on screen (4 or more per cycle), so that what is seen is
//! the local contrast, not a grey average.

use crate::element::{Moment, Now};
use crate::scene::{MEAN_LUMINANCE, Scene};
use crate::screen::Screen;
use crate::sheet::{Content, Sheets};
use crate::twin::Twin;

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
        let picture = scenes.iter().find_map(Scene::picture_sheet);
        if let Some((element, sheet)) = picture {
            let ([x, y], [width, height]) = (element.place.center_px, sheet.size_px());
            return Self {
                cell_px: sheet.texel_px as u32,
                columns: sheet.width,
                rows: sheet.height,
                left_px: (x - 0.5 * width) as u32,
                top_px: (y - 0.5 * height) as u32,
            };
        }
        let cell_px = cell_for(scenes, screen);
        let columns = (screen.width_px / cell_px).clamp(1, MAX_CELLS);
        let rows = (screen.height_px / cell_px).clamp(1, MAX_CELLS);
        let mut left_px = (screen.width_px - columns * cell_px) / 2;
        let mut top_px = (screen.height_px - rows * cell_px) / 2;
        // Of a crowd nobody can see everything from one place.
        for [element] in scenes
            .iter()
            .filter_map(|scene| scene.elements.first_chunk().filter(|_| scene.elements.len() == 1))
        {
            left_px = moved(left_px, columns * cell_px, element.place.center_px[0], screen.width_px);
            top_px = moved(top_px, rows * cell_px, element.place.center_px[1], screen.height_px);
        }
        Self { cell_px, columns, rows, left_px, top_px }
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.columns as usize * self.rows as usize
    }

    /// Mean over each cell of the luminance of a whole frame.
    ///
    /// # Panics
    /// When `out` does not have one value per cell, or the frame not the screen's pixels.
    pub fn reduce(&self, light: &[[f64; 3]], screen: &Screen, out: &mut [f64]) {
        assert_eq!(out.len(), self.cells(), "out must have one value per cell");
        for (cell, mean) in out.iter_mut().enumerate() {
            *mean = mean_over(self, cell, |x, y| {
                // A pixel's centre lies half a pixel behind its index.
                let [r, g, b] = light[y as usize * screen.width_px as usize + x as usize];
                if r == g && g == b { g } else { luminance([r, g, b]) }
            });
        }
    }
}

/// Luminance relative to white of linear light on a display with the primaries of ITU-R BT.709.
pub fn luminance([r, g, b]: [f64; 3]) -> f64 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
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
pub fn retina_of(
    scene: &Scene,
    content: &Content<'_>,
    moment: &Moment,
    grid: &RetinaGrid,
    screen: &Screen,
    out: &mut [f64],
) {
    let mut twin = Twin::prepare(screen, scene.courses.len());
    let light = twin.render(scene, moment, content);
    grid.reduce(light, screen, out);
}

/// A scene's retina, prepared. Where light is separable in space and time, a frame costs one multiply-add per cell and
/// element; any other scene is rendered by the twin.
#[derive(Debug, Clone)]
pub struct RetinaTemplate {
    scene: Scene,
    grid: RetinaGrid,
    screen: Screen,
    sheets: Sheets,
    picture: Vec<f32>,
    nows: Vec<Now>,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// Mean pattern of each cell, for each course: elements that share one are added up.
    Separable(Vec<Vec<f64>>),
    Rendered(Twin),
}

impl RetinaTemplate {
    /// Averages the patterns over each cell once, where that suffices.
    pub fn prepare(scene: &Scene, sheets: &Sheets, grid: &RetinaGrid, screen: &Screen) -> Self {
        let courses = scene.courses.len();
        let way = if scene.is_separable() {
            Way::Separable(vec![vec![0.0; grid.cells()]; courses])
        } else {
            Way::Rendered(Twin::prepare(screen, courses))
        };
        let mut template = Self {
            scene: scene.clone(),
            grid: *grid,
            screen: *screen,
            sheets: sheets.clone(),
            picture: vec![
                0.0;
                scene.picture_sheet().map_or(0, |(_, sheet)| (sheet.width * sheet.height) as usize)
            ],
            nows: vec![Now::NONE; courses],
            way,
        };
        template.average();
        template
    }

    /// Takes what is now in the picture, where the scene has one; other than its number of texels makes it grey. Does not
    /// allocate.
    pub fn load(&mut self, texels: &[f32]) {
        if self.picture.is_empty() {
            return;
        }
        match texels.len() == self.picture.len() {
            true => self.picture.copy_from_slice(texels),
            false => self.picture.fill(0.0),
        }
        self.average();
    }

    fn average(&mut self) {
        let Way::Separable(patterns) = &mut self.way else { return };
        let content = Content { sheets: &self.sheets, picture: &self.picture };
        // At amplitude 1 each course shows its elements' patterns as they are.
        let still = Now { amplitude: 1.0, opacity: 1.0, ..Now::NONE };
        for (course, pattern) in patterns.iter_mut().enumerate() {
            for (cell, mean) in pattern.iter_mut().enumerate() {
                *mean = mean_over(&self.grid, cell, |x, y| {
                    let elements = self.scene.elements.iter().filter(|element| element.course == course);
                    elements.map(|element| element.change(&still, &content, x, y)).sum()
                });
            }
        }
    }

    /// The same as [`retina_of`], to rounding. Does not allocate.
    ///
    /// # Panics
    /// When `out` does not have one value per cell.
    pub fn frame(&mut self, moment: &Moment, out: &mut [f64]) {
        assert_eq!(out.len(), self.grid.cells(), "out must have one value per cell");
        match &mut self.way {
            Way::Separable(patterns) => {
                self.scene.courses_at(moment, &mut self.nows);
                out.fill(MEAN_LUMINANCE);
                for (now, pattern) in self.nows.iter().zip(&*patterns) {
                    let amplitude = MEAN_LUMINANCE * now.amplitude * now.opacity;
                    for (cell, pattern) in out.iter_mut().zip(pattern) {
                        *cell += amplitude * pattern;
                    }
                }
            }
            Way::Rendered(twin) => {
                let content = Content { sheets: &self.sheets, picture: &self.picture };
                self.grid.reduce(twin.render(&self.scene, moment, &content), &self.screen, out);
            }
        }
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
