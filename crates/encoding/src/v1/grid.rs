//! Where pixels and cells are.

use super::params::Params;

/// Where the cells of one scale are, and on which level of the image pyramid their filters run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// Index.
    pub index: usize,
    /// Halvings of the image.
    pub level: usize,
    /// A cycle of the preferred spatial frequency in px of that level.
    pub cycle_px: f64,
    /// Width of the filters in px of that level. Even: a filter's centre lies between four pixels.
    pub kernel: usize,
    /// Rows and columns of the cells: one for every 2 x 2 px of the level.
    pub cells: [usize; 2],
}

/// A cycle takes at least this many px, or, where the image itself is coarser, what it takes there.
const SHORT_CYCLE_PX: f64 = 4.5;
/// Width of the filters in cycles.
const KERNEL_CYCLES: f64 = 2.4;

impl Scale {
    pub fn new(params: &Params, index: usize) -> Self {
        let cycle_px = params.px_per_deg() / params.scales_cpd[index];
        let level = libm::floor(libm::log2(cycle_px / SHORT_CYCLE_PX)).max(0.0) as usize;
        let cycle_px = cycle_px / (1u64 << level.min(40)) as f64;
        let kernel = 2 * libm::ceil(KERNEL_CYCLES * cycle_px / 2.0 - 1e-9) as usize;
        Self { index, level, cycle_px, kernel, cells: params.size_px.map(|len| len >> (level + 1).min(40)) }
    }

    pub fn all(params: &Params) -> Vec<Self> {
        (0..params.scales_cpd.len()).map(|index| Self::new(params, index)).collect()
    }

    /// Side of a px of the level, in degrees.
    pub fn px_deg(&self, params: &Params) -> f64 {
        (1u64 << self.level.min(40)) as f64 / params.px_per_deg()
    }

    /// Distance of neighbouring cells, in degrees.
    pub fn spacing_deg(&self, params: &Params) -> f64 {
        2.0 * self.px_deg(params)
    }

    /// Cells of one channel.
    pub fn count(&self) -> usize {
        self.cells[0] * self.cells[1]
    }
}

/// [x, y] of a place on a cell-centred grid of `cells` rows and columns over the whole image.
pub(super) fn place_deg(params: &Params, cells: [usize; 2], row: usize, column: usize) -> [f64; 2] {
    let [height, width] = params.field_deg();
    let x = ((column as f64 + 0.5) / cells[1] as f64 - 0.5) * width;
    let y = (0.5 - (row as f64 + 0.5) / cells[0] as f64) * height;
    [x, y]
}

/// A value for each place of a grid, row by row.
pub(super) fn map(params: &Params, cells: [usize; 2], value: impl Fn([f64; 2]) -> f64) -> Vec<f64> {
    let places = (0..cells[0] * cells[1]).map(|index| (index / cells[1], index % cells[1]));
    places.map(|(row, column)| value(place_deg(params, cells, row, column))).collect()
}

/// Distance of two places.
pub(super) fn distance_deg(a: [f64; 2], b: [f64; 2]) -> f64 {
    libm::hypot(a[0] - b[0], a[1] - b[1])
}
