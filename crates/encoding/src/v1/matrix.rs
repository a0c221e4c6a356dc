//! Smoothing and resampling along one axis, as matrices.
//!
//! A separable linear map of an image X is R X C^T with a matrix for the rows and one for the columns: any width at the same
//! price, and a border of one's choice.

/// A matrix, row-major: out = matrix * in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

/// What lies outside of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Border {
    /// Nothing: zeros.
    Zero,
    /// What lies inside: each row sums to 1.
    Inside,
}

impl Matrix {
    fn new(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..rows * columns).map(|index| value(index / columns, index % columns)).collect();
        Self { rows, columns, values }
    }

    pub fn transposed(&self) -> Self {
        Self::new(self.columns, self.rows, |row, column| self.values[column * self.columns + row])
    }

    /// Gaussian smoothing of `len` samples; the kernel's variance is exact in samples.
    pub fn gaussian(len: usize, variance: f64, border: Border) -> Self {
        let taps = gaussian(variance);
        let reach = taps.len() / 2;
        let matrix = Self::new(len, len, |row, column| {
            (column + reach).checked_sub(row).and_then(|tap| taps.get(tap)).copied().unwrap_or(0.0)
        });
        matrix.bordered(border)
    }

    /// One sample per `factor`, at the centre of each block, smoothed by a Gaussian of sigma `sigma` samples of the input.
    pub fn reduce(len: usize, factor: usize, sigma: f64, border: Border) -> Self {
        let rows = len / factor;
        let mut matrix = Self::new(rows, len, |row, column| {
            let centre = (row as f64 + 0.5) * factor as f64 - 0.5;
            let z = (column as f64 - centre) / sigma;
            if z.abs() > REACH { 0.0 } else { libm::exp(-0.5 * z * z) }
        });
        // In the middle of a wide image a row would hold the whole kernel.
        let whole: f64 = {
            let centre = factor as f64 / 2.0 - 0.5;
            let reach = (REACH * sigma) as i64 + factor as i64 + 1;
            let each = (-reach..=reach).map(|place| (place as f64 - centre) / sigma);
            each.filter(|z| z.abs() <= REACH).map(|z| libm::exp(-0.5 * z * z)).sum()
        };
        matrix.values.iter_mut().for_each(|value| *value /= whole);
        matrix.bordered(border)
    }

    /// Half as many samples, each between two, below the frequencies that they cannot carry: a windowed sinc of 12 taps.
    pub fn halve(len: usize) -> Self {
        let taps = halving_taps();
        let reach = taps.len() / 2 - 1;
        Self::new(len / 2, len, |row, column| {
            (column + reach).checked_sub(2 * row).and_then(|tap| taps.get(tap)).copied().unwrap_or(0.0)
        })
    }

    /// From one cell-centred grid over the same stretch to another: averages where it gets coarser, lines between
    /// neighbours where it gets finer. Rows sum to 1.
    pub fn resample(from: usize, to: usize) -> Self {
        if to <= from {
            let factor = from / to;
            return Self::new(
                to,
                from,
                |row, column| {
                    if column / factor == row { 1.0 / factor as f64 } else { 0.0 }
                },
            );
        }
        let step = from as f64 / to as f64;
        Self::new(to, from, |row, column| {
            let place = ((row as f64 + 0.5) * step - 0.5).clamp(0.0, from as f64 - 1.0);
            (1.0 - (place - column as f64).abs()).max(0.0)
        })
    }

    fn bordered(mut self, border: Border) -> Self {
        if border == Border::Inside {
            for row in self.values.chunks_mut(self.columns) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|value| *value /= sum);
            }
        }
        self
    }
}

/// Where Gaussians are cut, in sigmas.
const REACH: f64 = 4.0;

/// An odd number of taps that sum to 1 and have this variance exactly, which a sampled Gaussian of that variance has not.
pub(super) fn gaussian(variance: f64) -> Vec<f64> {
    if variance <= 0.0 {
        return vec![1.0];
    }
    let reach = libm::ceil(REACH * variance.sqrt()).max(1.0) as i64;
    let taps = |sigma: f64| {
        let each = (-reach..=reach).map(|place| libm::exp(-0.5 * (place * place) as f64 / (sigma * sigma)));
        let taps: Vec<f64> = each.collect();
        let sum: f64 = taps.iter().sum();
        taps.into_iter().map(|tap| tap / sum).collect::<Vec<f64>>()
    };
    let spread = |taps: &[f64]| -> f64 {
        (-reach..=reach).zip(taps).map(|(place, tap)| (place * place) as f64 * tap).sum()
    };
    let (mut low, mut high) = (1e-3, 2.0 * variance.sqrt() + 2.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if spread(&taps(middle)) < variance { low = middle } else { high = middle }
    }
    taps(0.5 * (low + high))
}

/// Half-band low-pass, symmetric between its two middle taps, sum 1.
fn halving_taps() -> [f64; 12] {
    let mut taps = std::array::from_fn(|tap| {
        let x = tap as f64 - 5.5;
        let angle = std::f64::consts::PI * x / 2.0;
        let window = 0.5 + 0.5 * libm::cos(std::f64::consts::PI * x / 6.5);
        libm::sin(angle) / angle * window
    });
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

/// Amplitude at a frequency in cycles per sample of [`Matrix::halve`].
pub(super) fn halving_response(cycles_per_sample: f64) -> f64 {
    let phase = |tap: usize| 2.0 * std::f64::consts::PI * cycles_per_sample * (tap as f64 - 5.5);
    halving_taps().iter().enumerate().map(|(tap, value)| value * libm::cos(phase(tap))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_has_the_variance_that_was_asked_for() {
        for variance in [0.05, 0.16, 0.5, 1.0, 3.7, 20.0] {
            let taps = gaussian(variance);
            let reach = (taps.len() / 2) as f64;
            let sum: f64 = taps.iter().sum();
            let found: f64 = taps.iter().enumerate().map(|(i, tap)| (i as f64 - reach).powi(2) * tap).sum();
            assert!(
                (sum - 1.0).abs() < 1e-12 && (found / variance - 1.0).abs() < 1e-9,
                "{variance}: {found}"
            );
        }
    }

    #[test]
    fn a_border_from_inside_leaves_uniform_light_uniform() {
        for matrix in [
            Matrix::gaussian(32, 30.0, Border::Inside),
            Matrix::reduce(32, 4, 9.0, Border::Inside),
            Matrix::resample(8, 32),
            Matrix::resample(32, 8),
        ] {
            for row in matrix.values.chunks(matrix.columns) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
        let middle = &Matrix::reduce(64, 4, 3.0, Border::Zero);
        let row = &middle.values[8 * 64..9 * 64];
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn halving_keeps_what_the_coarse_grid_carries_and_drops_its_mirror() {
        assert!((halving_response(0.0) - 1.0).abs() < 1e-12);
        assert!(halving_response(0.15) > 0.95, "{}", halving_response(0.15));
        assert!(halving_response(0.35).abs() < 0.05, "{}", halving_response(0.35));
        let matrix = Matrix::halve(32);
        let row = &matrix.values[8 * 32..9 * 32];
        let centre: f64 = row.iter().enumerate().map(|(i, value)| i as f64 * value).sum();
        assert!((centre - 16.5).abs() < 1e-9, "{centre}");
    }
}
