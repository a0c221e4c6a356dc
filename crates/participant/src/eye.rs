//! What the eye keeps of a frame: band-limited local contrast around the gaze, blind to uniform light.

use core::f64::consts::{PI, TAU};

/// Radius of the pool around the gaze. The pool is a Hann window, so half of its weight lies within 1.2 deg or so.
const POOL_RADIUS_DEG: f64 = 4.0;
/// Centre and surround of the receptive fields, as parts of the grating's period.
const CENTRE_CYCLES: f64 = 0.1;
const SURROUND_CYCLES: f64 = 0.4;
/// Light below which contrast is no longer relative to the local mean.
const DARK_LIGHT: f64 = 0.02;
/// Cells per cycle that are fine enough; a finer retina is averaged down to about this first, for speed.
const ENOUGH_CELLS_PER_CYCLE: f64 = 4.0;

/// Local contrast of a frame: difference of Gaussians over local mean light, at each place of the pool.
///
/// The filter's gain for a grating of the tuned frequency (mean over orientations, with the averaging of screen pixels
/// into cells taken out) is scaled to one, so that the values are those of a pattern whose amplitude is its Michelson
/// contrast. Their weighted mean square is half the square of that contrast, whatever the grating's phase.
#[derive(Debug, Clone)]
pub struct LocalContrast {
    width: usize,
    height: usize,
    bin: usize,
    crop: Rect,
    pool: Rect,
    weights: Vec<f64>,
    centre: Vec<f64>,
    surround: Vec<f64>,
    gain: f64,
    light: Vec<f64>,
    row_centre: Vec<f64>,
    row_surround: Vec<f64>,
    /// One row of the local mean.
    local: Vec<f64>,
}

/// In binned cells, half open.
#[derive(Debug, Clone, Copy)]
struct Rect {
    x0: usize,
    x1: usize,
    y0: usize,
    y1: usize,
}

impl Rect {
    fn width(&self) -> usize {
        self.x1 - self.x0
    }

    fn height(&self) -> usize {
        self.y1 - self.y0
    }
}

/// A sampled Gaussian, normalised; entry `i` belongs to the offset `+-i`.
fn half_gaussian(sigma: f64) -> Vec<f64> {
    let radius = (libm::ceil(3.0 * sigma) as usize).max(1);
    let mut half: Vec<f64> =
        (0..=radius).map(|i| libm::exp(-0.5 * (i as f64 / sigma) * (i as f64 / sigma))).collect();
    let total = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter_mut().for_each(|w| *w /= total);
    half
}

/// Transfer of a symmetric kernel at `f` cycles per cell.
fn transfer(half: &[f64], f: f64) -> f64 {
    half.iter()
        .enumerate()
        .map(|(i, w)| w * libm::cos(TAU * f * i as f64) * if i == 0 { 1.0 } else { 2.0 })
        .sum()
}

/// Transfer of averaging `n` pixels into one cell, at `f` cycles per cell.
fn averaging(n: usize, f: f64) -> f64 {
    let per_pixel = libm::sin(PI * f / n as f64);
    if per_pixel.abs() < 1e-12 { 1.0 } else { libm::sin(PI * f) / (n as f64 * per_pixel) }
}

/// Mean over orientations of the whole filter's gain at the tuned frequency.
fn gain_at(centre: &[f64], surround: &[f64], pixels: usize, cells_per_cycle: f64) -> f64 {
    const ORIENTATIONS: usize = 16;
    let f = 1.0 / cells_per_cycle;
    (0..ORIENTATIONS)
        .map(|k| {
            let angle = PI * k as f64 / ORIENTATIONS as f64;
            let (fx, fy) = (f * libm::cos(angle), f * libm::sin(angle));
            let filter =
                transfer(centre, fx) * transfer(centre, fy) - transfer(surround, fx) * transfer(surround, fy);
            filter * averaging(pixels, fx) * averaging(pixels, fy)
        })
        .sum::<f64>()
        / ORIENTATIONS as f64
}

impl LocalContrast {
    /// For a retina of `width` by `height` cells whose middle is the gaze. `pixels_per_cell` is how many screen pixels
    /// (along one side) were averaged into a cell; 1 when the cells are samples.
    ///
    /// `None` when the retina is empty, has fewer than 4 cells per cycle, or a number is not positive and finite.
    pub fn prepare(
        width: usize,
        height: usize,
        cells_per_deg: f64,
        cells_per_cycle: f64,
        pixels_per_cell: u32,
    ) -> Option<Self> {
        let usable = |x: f64| x.is_finite() && x > 0.0;
        // A little below 4, because a lowered grating is rounded to the machine's units.
        if !usable(cells_per_deg)
            || !usable(cells_per_cycle)
            || cells_per_cycle < 3.99
            || pixels_per_cell == 0
        {
            return None;
        }
        let bin = (libm::floor(cells_per_cycle / ENOUGH_CELLS_PER_CYCLE) as usize).max(1);
        let (w, h) = (width / bin, height / bin);
        if w < 4 || h < 4 {
            return None;
        }
        let period = cells_per_cycle / bin as f64;
        let (centre, surround) =
            (half_gaussian(CENTRE_CYCLES * period), half_gaussian(SURROUND_CYCLES * period));
        let gain = gain_at(&centre, &surround, pixels_per_cell as usize * bin, period);
        let radius = POOL_RADIUS_DEG * cells_per_deg / bin as f64;
        let pool = around_middle(w, h, radius);
        let crop = around_middle(w, h, radius + (surround.len() - 1) as f64);
        let weights = hann_pool(&pool, 0.5 * w as f64, 0.5 * h as f64, radius);
        Some(Self {
            width,
            height,
            bin,
            light: vec![0.0; crop.width() * crop.height()],
            row_centre: vec![0.0; pool.width() * crop.height()],
            row_surround: vec![0.0; pool.width() * crop.height()],
            local: vec![0.0; pool.width()],
            crop,
            pool,
            weights,
            centre,
            surround,
            gain,
        })
    }

    /// Places in the pool; the length that [`Self::see`] fills.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// A pool always has places.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Weights of the places; they add up to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Local contrasts of a frame, signed, into `out` (`len` values). A frame of the wrong size is not looked at and
    /// gives `false`.
    pub fn see(&mut self, cells: &[f64], out: &mut [f64]) -> bool {
        if cells.len() != self.width * self.height || out.len() != self.len() {
            return false;
        }
        self.take_light(cells);
        self.filter_rows();
        self.filter_columns(out);
        true
    }

    /// Copies the crop, averaging `bin` x `bin` cells into one.
    fn take_light(&mut self, cells: &[f64]) {
        let (bin, crop) = (self.bin, self.crop);
        let share = 1.0 / (bin * bin) as f64;
        for (row, y) in self.light.chunks_exact_mut(crop.width()).zip(crop.y0..crop.y1) {
            row.fill(0.0);
            for line in y * bin..(y + 1) * bin {
                let start = line * self.width + crop.x0 * bin;
                let source = &cells[start..start + crop.width() * bin];
                for (sum, cell) in row.iter_mut().zip(source.chunks_exact(bin)) {
                    *sum += cell.iter().sum::<f64>() * share;
                }
            }
        }
    }

    /// Both Gaussians along x, for the pool's columns and the crop's rows. At the picture's border the last cell
    /// repeats, so that uniform light stays uniform.
    fn filter_rows(&mut self) {
        let width = self.crop.width();
        let first = self.pool.x0 - self.crop.x0;
        let out = self.pool.width();
        let rows = self.light.chunks_exact(width);
        let outs = self.row_centre.chunks_exact_mut(out).zip(self.row_surround.chunks_exact_mut(out));
        for (row, (c, s)) in rows.zip(outs) {
            convolve_row(row, first, &self.centre, c);
            convolve_row(row, first, &self.surround, s);
        }
    }

    /// Both Gaussians along y, their difference, and the division by the local mean. Whole rows are added at a time, in
    /// the order of the rows' distance, so that neighbours in memory are worked on together.
    fn filter_columns(&mut self, out: &mut [f64]) {
        let width = self.pool.width();
        let first = self.pool.y0 - self.crop.y0;
        for (j, row) in out.chunks_exact_mut(width).enumerate() {
            convolve_column(&self.row_centre, width, first + j, &self.centre, row);
            convolve_column(&self.row_surround, width, first + j, &self.surround, &mut self.local);
            for (place, local) in row.iter_mut().zip(&self.local) {
                *place = (*place - local) / (self.gain * local.max(DARK_LIGHT));
            }
        }
    }
}

/// Row `y` of `rows` (each of `width`), smoothed along y. At the picture's border the last row repeats.
fn convolve_column(rows: &[f64], width: usize, y: usize, half: &[f64], out: &mut [f64]) {
    let last = rows.len() / width - 1;
    let row = |y: usize| &rows[y * width..(y + 1) * width];
    for (place, value) in out.iter_mut().zip(row(y)) {
        *place = half[0] * value;
    }
    for (i, w) in half.iter().enumerate().skip(1) {
        let (up, down) = (row(y.saturating_sub(i)), row((y + i).min(last)));
        for ((place, up), down) in out.iter_mut().zip(up).zip(down) {
            *place += w * (up + down);
        }
    }
}

fn convolve_row(row: &[f64], first: usize, half: &[f64], out: &mut [f64]) {
    let last = row.len() - 1;
    let reach = half.len() - 1;
    if first >= reach && first + out.len() + reach <= row.len() {
        for (x, place) in out.iter_mut().enumerate() {
            *place = half[0] * row[first + x];
        }
        for (i, w) in half.iter().enumerate().skip(1) {
            let left = &row[first - i..first - i + out.len()];
            let right = &row[first + i..first + i + out.len()];
            for ((place, l), r) in out.iter_mut().zip(left).zip(right) {
                *place += w * (l + r);
            }
        }
        return;
    }
    for (x, place) in out.iter_mut().enumerate() {
        let at = first + x;
        let mut sum = half[0] * row[at];
        for (i, w) in half.iter().enumerate().skip(1) {
            sum += w * (row[at.saturating_sub(i)] + row[(at + i).min(last)]);
        }
        *place = sum;
    }
}

fn around_middle(width: usize, height: usize, radius: f64) -> Rect {
    let span = |size: usize| {
        let middle = 0.5 * size as f64;
        let low = libm::floor(middle - radius).max(0.0) as usize;
        let high = (libm::ceil(middle + radius) as usize).min(size);
        (low, high)
    };
    let ((x0, x1), (y0, y1)) = (span(width), span(height));
    Rect { x0, x1, y0, y1 }
}

fn hann_pool(pool: &Rect, middle_x: f64, middle_y: f64, radius: f64) -> Vec<f64> {
    let mut weights = Vec::with_capacity(pool.width() * pool.height());
    for y in pool.y0..pool.y1 {
        for x in pool.x0..pool.x1 {
            let (dx, dy) = (x as f64 + 0.5 - middle_x, y as f64 + 0.5 - middle_y);
            let distance = libm::hypot(dx, dy) / radius;
            let edge = libm::cos(0.5 * PI * distance.min(1.0));
            weights.push(edge * edge);
        }
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells of a grating over the whole retina.
    fn grating(n: usize, cells_per_cycle: f64, angle: f64, phase: f64, contrast: f64, mean: f64) -> Vec<f64> {
        let (c, s) = (libm::cos(angle), libm::sin(angle));
        (0..n * n)
            .map(|i| {
                let (x, y) = ((i % n) as f64, (i / n) as f64);
                mean * (1.0 + contrast * libm::sin(TAU * (c * x + s * y) / cells_per_cycle + phase))
            })
            .collect()
    }

    fn contrast(eye: &mut LocalContrast, cells: &[f64]) -> f64 {
        let mut out = vec![0.0; eye.len()];
        assert!(eye.see(cells, &mut out));
        let energy: f64 = out.iter().zip(eye.weights()).map(|(v, w)| w * v * v).sum();
        (2.0 * energy).sqrt()
    }

    #[test]
    fn reads_michelson_contrast_at_any_orientation_phase_and_light() {
        for cells_per_cycle in [4.0, 5.0, 7.3, 10.0] {
            let n = (10.0 * cells_per_cycle) as usize;
            let mut eye = LocalContrast::prepare(n, n, cells_per_cycle, cells_per_cycle, 1).unwrap();
            for angle in [0.0, PI / 8.0, PI / 4.0, 1.9] {
                for phase in [0.0, 0.7, PI / 2.0] {
                    for (wanted, mean) in [(0.05, 0.5), (0.5, 0.5), (0.9, 0.3)] {
                        let seen =
                            contrast(&mut eye, &grating(n, cells_per_cycle, angle, phase, wanted, mean));
                        let ratio = seen / wanted;
                        assert!(
                            (ratio - 1.0).abs() < 0.08,
                            "{cells_per_cycle} {angle} {phase} {wanted}: {ratio}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn blind_to_uniform_light() {
        let mut eye = LocalContrast::prepare(50, 40, 5.0, 5.0, 2).unwrap();
        for light in [0.0, 0.01, 0.5, 1.0] {
            assert!(contrast(&mut eye, &vec![light; 2000]) < 1e-12);
        }
    }

    #[test]
    fn a_patch_in_the_corner_is_not_seen() {
        let n = 100;
        let mut cells = vec![0.5; n * n];
        for y in 0..8 {
            cells[y * n..y * n + 8].fill(1.0);
        }
        let mut eye = LocalContrast::prepare(n, n, 5.0, 5.0, 1).unwrap();
        assert!(contrast(&mut eye, &cells) < 1e-12);
    }

    #[test]
    fn bad_set_ups_are_refused() {
        assert!(LocalContrast::prepare(50, 50, 5.0, 3.0, 1).is_none(), "3 cells per cycle are too few");
        assert!(LocalContrast::prepare(0, 50, 5.0, 5.0, 1).is_none());
        assert!(LocalContrast::prepare(50, 50, f64::NAN, 5.0, 1).is_none());
        let mut eye = LocalContrast::prepare(50, 50, 5.0, 5.0, 1).unwrap();
        let mut out = vec![0.0; eye.len()];
        assert!(!eye.see(&[0.5; 10], &mut out), "a frame of another size");
    }
}
