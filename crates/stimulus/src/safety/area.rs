//! The largest flashing area within any round field of a given diameter.

use crate::screen::Screen;

/// Bins across the field: enough that the bins cut by its rim make an error below 1 % of its area.
const BINS_PER_FIELD: f64 = 40.0;

/// Adds flashing cells up in bins and slides a disc over the bins.
pub(super) struct FieldSearch {
    columns: usize,
    cell_px: [f64; 2],
    screen: Screen,
    bin_of_column: Vec<usize>,
    bin_of_row: Vec<usize>,
    bins: [usize; 2],
    bin_sr: Vec<f64>,
    /// Running sums along each row of bins, with a leading 0.
    sums: Vec<f64>,
    /// Half the number of bins that the disc covers, by distance of the bin row from the disc's centre row.
    half_chords: Vec<usize>,
}

impl FieldSearch {
    pub(super) fn new(screen: &Screen, columns: u32, rows: u32, field_deg: f64) -> Self {
        let size = [f64::from(screen.width_px), f64::from(screen.height_px)];
        let cell_px = [size[0] / f64::from(columns), size[1] / f64::from(rows)];
        let field_px = screen.size_px(field_deg);
        let bin_px = (field_px / BINS_PER_FIELD).max(cell_px[0]).max(cell_px[1]);
        let bins = [(size[0] / bin_px).ceil().max(1.0) as usize, (size[1] / bin_px).ceil().max(1.0) as usize];
        let bin_of = |index: u32, cell: f64, count: usize| {
            (((f64::from(index) + 0.5) * cell / bin_px) as usize).min(count - 1)
        };
        let radius = field_px / 2.0 / bin_px;
        let half_chords = (0..=radius.floor() as usize)
            .map(|offset| libm::sqrt(radius * radius - (offset * offset) as f64).floor() as usize)
            .collect();
        Self {
            columns: columns as usize,
            cell_px,
            screen: *screen,
            bin_of_column: (0..columns).map(|column| bin_of(column, cell_px[0], bins[0])).collect(),
            bin_of_row: (0..rows).map(|row| bin_of(row, cell_px[1], bins[1])).collect(),
            bins,
            bin_sr: vec![0.0; bins[0] * bins[1]],
            sums: vec![0.0; (bins[0] + 1) * bins[1]],
            half_chords,
        }
    }

    /// The largest area in sr of flashing cells within any field; 0 is returned when all of them together do not exceed
    /// `known`, because then no field can.
    pub(super) fn largest_sr(&mut self, flashing: impl Fn(usize) -> bool, known: f64) -> f64 {
        self.bin_sr.fill(0.0);
        let mut total = 0.0;
        for (row, &bin_row) in self.bin_of_row.iter().enumerate() {
            for (column, &bin_column) in self.bin_of_column.iter().enumerate() {
                if flashing(row * self.columns + column) {
                    let (left, top) = (column as f64 * self.cell_px[0], row as f64 * self.cell_px[1]);
                    let sr = self.screen.solid_angle_sr(left, top, self.cell_px[0], self.cell_px[1]);
                    self.bin_sr[bin_row * self.bins[0] + bin_column] += sr;
                    total += sr;
                }
            }
        }
        if total <= known {
            return 0.0;
        }
        self.add_up();
        let mut largest = 0.0_f64;
        for centre_row in 0..self.bins[1] {
            for centre_column in 0..self.bins[0] {
                largest = largest.max(self.disc_sr(centre_column, centre_row));
            }
        }
        largest
    }

    fn add_up(&mut self) {
        for (line, sums) in
            self.bin_sr.chunks_exact(self.bins[0]).zip(self.sums.chunks_exact_mut(self.bins[0] + 1))
        {
            let mut sum = 0.0;
            for (bin, slot) in line.iter().zip(&mut sums[1..]) {
                sum += bin;
                *slot = sum;
            }
        }
    }

    fn disc_sr(&self, centre_column: usize, centre_row: usize) -> f64 {
        let mut sum = 0.0;
        for (offset, &half) in self.half_chords.iter().enumerate() {
            let from = centre_column.saturating_sub(half);
            let to = (centre_column + half + 1).min(self.bins[0]);
            let chord = |row: usize| {
                let sums = &self.sums[row * (self.bins[0] + 1)..];
                sums[to] - sums[from]
            };
            if centre_row >= offset {
                sum += chord(centre_row - offset);
            }
            if offset > 0 && centre_row + offset < self.bins[1] {
                sum += chord(centre_row + offset);
            }
        }
        sum
    }
}
