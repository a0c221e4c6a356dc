//! Cells on the screen: their solid angles, and the round fields within which WCAG adds them up.

use std::f64::consts::PI;

use crate::screen::Screen;

/// A solid angle is a whole number of these, so that 32 bits hold more than a hemisphere.
pub const SOLID_ANGLE_UNIT_SR: f64 = 2e-9;

/// WCAG: diameter of the field in which the area is taken.
pub const WCAG_FIELD_DEG: f64 = 10.0;

/// Bins across a field at the centre of the screen.
const BINS_PER_FIELD: f64 = 40.0;

/// Side of a cell at most: WCAG leaves balanced patterns alone whose squares are smaller than this.
const CELL_DEG: f64 = 0.1;

/// The image that is judged, its cells, and the bins that the fields are made of. All of it is whole numbers after
/// [`Geometry::prepare`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Pixels of the image.
    pub size: [u32; 2],
    /// Side of a cell in pixels of the image; the last column and row may be narrower.
    pub cell: u32,
    /// Columns and rows of cells.
    pub cells: [u32; 2],
    /// Columns and rows of cells in a bin.
    pub bin: [u32; 2],
    /// Columns and rows of bins.
    pub bins: [u32; 2],
    /// Solid angle of each cell, rounded up.
    pub solid_angle: Vec<u32>,
    /// Which row of `chords` belongs to a field around each bin.
    pub class: Vec<u32>,
    /// For each class the half widths of a field in bins, by the distance of a bin's row from the centre's.
    pub chords: Vec<u32>,
    /// Half widths per class.
    pub reach: u32,
}

impl Geometry {
    /// The whole screen, pixel by pixel, in the largest cells of at most 0.1 degree at its centre (1 px at least).
    pub fn of_screen(screen: &Screen) -> Self {
        let cell = (CELL_DEG * screen.px_per_deg + 1e-9).floor().clamp(1.0, 16.0) as u32;
        Self::prepare(screen, [screen.width_px, screen.height_px], cell)
    }

    /// The whole screen as an image of other pixels, in cells of `cell` of those.
    pub fn prepare(screen: &Screen, size: [u32; 2], cell: u32) -> Self {
        let pitch = [
            f64::from(screen.width_px) / f64::from(size[0]),
            f64::from(screen.height_px) / f64::from(size[1]),
        ];
        let cells = size.map(|side| side.div_ceil(cell));
        let field_px = screen.size_px(WCAG_FIELD_DEG);
        let bin = pitch.map(|pitch| {
            (field_px / BINS_PER_FIELD / (pitch * f64::from(cell)) + 1e-9).floor().max(1.0) as u32
        });
        let bins = [cells[0].div_ceil(bin[0]), cells[1].div_ceil(bin[1])];
        let fields =
            Fields::prepare(screen, [0, 1].map(|axis| pitch[axis] * f64::from(cell * bin[axis])), bins);
        Self {
            size,
            cell,
            cells,
            bin,
            bins,
            solid_angle: solid_angles(screen, size, pitch, cell, cells),
            class: fields.class,
            chords: fields.chords,
            reach: fields.reach,
        }
    }

    /// Number of cells.
    pub fn count(&self) -> usize {
        self.cells[0] as usize * self.cells[1] as usize
    }

    /// Pixels in a cell.
    pub fn pixels(&self, cell: usize) -> u32 {
        let at = [cell as u32 % self.cells[0], cell as u32 / self.cells[0]];
        let side = |axis: usize| self.cell.min(self.size[axis] - at[axis] * self.cell);
        side(0) * side(1)
    }

    /// Pixels of the image.
    pub fn total(&self) -> u32 {
        self.size[0] * self.size[1]
    }

    /// The bin of a cell.
    pub fn bin_of(&self, cell: usize) -> usize {
        let (column, row) = (cell as u32 % self.cells[0], cell as u32 / self.cells[0]);
        (row / self.bin[1] * self.bins[0] + column / self.bin[0]) as usize
    }

    /// The largest sum of any field over what lies in each bin.
    pub fn largest(&self, in_bins: &[u32], sums: &mut Vec<u32>) -> u32 {
        let [columns, rows] = self.bins.map(|bins| bins as usize);
        sums.clear();
        for line in in_bins.chunks_exact(columns) {
            let mut sum = 0;
            sums.push(0);
            sums.extend(line.iter().map(|value| {
                sum += value;
                sum
            }));
        }
        let mut largest = 0;
        for centre in 0..columns * rows {
            largest = largest.max(self.field(sums, centre % columns, centre / columns));
        }
        largest
    }

    fn field(&self, sums: &[u32], column: usize, row: usize) -> u32 {
        let [columns, rows] = self.bins.map(|bins| bins as usize);
        let reach = self.reach as usize;
        let class = self.class[row * columns + column] as usize;
        let mut sum = 0;
        for (offset, &half) in self.chords[class * reach..][..reach].iter().enumerate() {
            if half == 0 {
                break;
            }
            // A chord of n bins to each side is stored as n + 1: 0 ends the field.
            let half = half as usize - 1;
            let (from, to) = (column.saturating_sub(half), (column + half + 1).min(columns));
            let chord = |row: usize| {
                let sums = &sums[row * (columns + 1)..];
                sums[to] - sums[from]
            };
            if row >= offset {
                sum += chord(row - offset);
            }
            if offset > 0 && row + offset < rows {
                sum += chord(row + offset);
            }
        }
        sum
    }
}

fn solid_angles(screen: &Screen, size: [u32; 2], pitch: [f64; 2], cell: u32, cells: [u32; 2]) -> Vec<u32> {
    let mut angles = Vec::with_capacity(cells[0] as usize * cells[1] as usize);
    for row in 0..cells[1] {
        for column in 0..cells[0] {
            let start = [column * cell, row * cell];
            let side = |axis: usize| f64::from(cell.min(size[axis] - start[axis])) * pitch[axis];
            let at = |axis: usize| f64::from(start[axis]) * pitch[axis];
            let sr = screen.solid_angle_sr(at(0), at(1), side(0), side(1));
            angles.push((sr / SOLID_ANGLE_UNIT_SR).ceil() as u32);
        }
    }
    angles
}

/// Fields of 10 degrees around every bin. On a flat screen a field away from the centre covers more pixels; it is taken as
/// a circle with the longest of its radii. Half the diagonal of a bin is added twice, for a field whose centre is not a
/// bin's and for cells that are not at the centre of theirs: no field holds more than the sum found here.
struct Fields {
    class: Vec<u32>,
    chords: Vec<u32>,
    reach: u32,
}

impl Fields {
    fn prepare(screen: &Screen, bin_px: [f64; 2], bins: [u32; 2]) -> Self {
        let diagonal = libm::hypot(bin_px[0], bin_px[1]);
        let step = bin_px[0].min(bin_px[1]) / 4.0;
        let radius = |column: u32, row: u32| {
            let at =
                |index: u32, axis: usize| (f64::from(index) + 0.5) * bin_px[axis] - screen.centre_px()[axis];
            let eccentricity = libm::atan(libm::hypot(at(column, 0), at(row, 1)) / screen.distance_px);
            let outer = (eccentricity + WCAG_FIELD_DEG / 2.0 * PI / 180.0).min(1.5);
            screen.distance_px * (libm::tan(outer) - libm::tan(eccentricity)) + diagonal
        };
        let smallest = radius(bins[0] / 2, bins[1] / 2).min(screen.size_px(WCAG_FIELD_DEG) / 2.0 + diagonal);
        let class: Vec<u32> = (0..bins[1])
            .flat_map(|row| (0..bins[0]).map(move |column| (column, row)))
            .map(|(column, row)| ((radius(column, row) - smallest) / step).ceil().max(0.0) as u32)
            .collect();
        let classes = class.iter().max().map_or(1, |most| most + 1);
        let widest = smallest + f64::from(classes - 1) * step;
        let reach = ((widest / bin_px[1]).floor() as u32 + 1).min(bins[1]);
        let chords = (0..classes)
            .flat_map(|class| (0..reach).map(move |offset| (class, offset)))
            .map(|(class, offset)| {
                let radius = smallest + f64::from(class) * step;
                let height = f64::from(offset) * bin_px[1];
                if height > radius {
                    return 0;
                }
                (libm::sqrt(radius * radius - height * height) / bin_px[0]).floor() as u32 + 1
            })
            .collect();
        Self { class, chords, reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::SPEC;

    #[test]
    fn a_field_holds_its_disc_and_not_much_more() {
        let screen = Screen::new(&SPEC).unwrap();
        let geometry = Geometry::of_screen(&screen);
        assert_eq!((geometry.cell, geometry.cells), (1, [320, 240]));
        let mut bins = vec![0; (geometry.bins[0] * geometry.bins[1]) as usize];
        for cell in 0..geometry.count() {
            bins[geometry.bin_of(cell)] += geometry.solid_angle[cell];
        }
        let sr = f64::from(geometry.largest(&bins, &mut Vec::new())) * SOLID_ANGLE_UNIT_SR;
        // A cone of 10 degrees, and the careful margin of one diagonal of a bin.
        let cone = 2.0 * PI * (1.0 - libm::cos(5.0 * PI / 180.0));
        assert!(sr > cone && sr < 1.2 * cone, "{sr} {cone}");
    }
}
