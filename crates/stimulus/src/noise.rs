//! Gaussian noise with a spectrum, as sheets made before the run.

use random::Random;

use crate::fourier::{Complex, forward, roots_of_one};
use crate::sheet::Texels;

/// Amplitude over spatial frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spectrum {
    /// Alike from the first to the second frequency (cycles per px), nothing outside.
    Band([f64; 2]),
    /// `1 / f^exponent`.
    Power(f64),
}

impl Spectrum {
    fn amplitude(self, cycles_per_px: f64) -> f64 {
        match self {
            _ if cycles_per_px == 0.0 => 0.0,
            Self::Band([low, high]) => f64::from(u8::from((low..=high).contains(&cycles_per_px))),
            Self::Power(exponent) => libm::pow(cycles_per_px, -exponent),
        }
    }
}

/// Independent sheets of noise, `side_px` texels along a side. Each has a mean of 0 and the stated root mean square before it
/// is cut at -1 and 1. A field of the next power of two is filtered and the sheet cut out of it, so that its edges do not
/// match. `None` when the spectrum has no line on that field.
pub fn filtered(
    side_px: u32,
    spectrum: Spectrum,
    rms: f64,
    count: u32,
    seed: u64,
) -> Option<Vec<Texels<f32>>> {
    let size = (side_px.max(2) as usize).next_power_of_two();
    let mut random = Random::new(seed, 0);
    let mut sheets = Vec::new();
    while sheets.len() < count as usize {
        // Both parts of the transform of complex noise are real noise, independent of each other.
        let field = field(size, spectrum, &mut random)?;
        for part in [|value: &Complex| value.0, |value: &Complex| value.1] {
            if sheets.len() < count as usize {
                sheets.push(cut(&field, size, side_px, rms, part));
            }
        }
    }
    Some(sheets)
}

fn field(size: usize, spectrum: Spectrum, random: &mut Random) -> Option<Vec<Complex>> {
    let along = |place: usize| {
        let line = if place > size / 2 { place as f64 - size as f64 } else { place as f64 };
        line / size as f64
    };
    let mut field = Vec::with_capacity(size * size);
    let mut any = false;
    for row in 0..size {
        for column in 0..size {
            let amplitude = spectrum.amplitude(libm::hypot(along(row), along(column)));
            any |= amplitude > 0.0;
            field.push((amplitude * random.normal(), amplitude * random.normal()));
        }
    }
    if !any {
        return None;
    }
    let roots = roots_of_one(size);
    for row in field.chunks_exact_mut(size) {
        forward(row, &roots);
    }
    let mut line = vec![(0.0, 0.0); size];
    for column in 0..size {
        for (row, value) in line.iter_mut().enumerate() {
            *value = field[row * size + column];
        }
        forward(&mut line, &roots);
        for (row, value) in line.iter().enumerate() {
            field[row * size + column] = *value;
        }
    }
    Some(field)
}

fn cut(field: &[Complex], size: usize, side_px: u32, rms: f64, part: fn(&Complex) -> f64) -> Texels<f32> {
    let side = side_px as usize;
    let mut values: Vec<f64> =
        (0..side).flat_map(|row| field[row * size..][..side].iter().map(part)).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter_mut().for_each(|value| *value -= mean);
    let found = libm::sqrt(values.iter().map(|value| value * value).sum::<f64>() / count);
    let scale = if found > 0.0 { rms / found } else { 0.0 };
    let texels = values.iter().map(|value| (scale * value).clamp(-1.0, 1.0) as f32).collect();
    Texels { width: side_px, height: side_px, texels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_contrast_and_its_band() {
        let sheets = filtered(64, Spectrum::Band([0.1, 0.2]), 0.2, 3, 4).unwrap();
        assert_eq!(sheets.len(), 3);
        assert_ne!(sheets[0], sheets[1]);
        for sheet in &sheets {
            let sum: f64 = sheet.texels.iter().map(|&value| f64::from(value)).sum();
            let squares: f64 = sheet.texels.iter().map(|&value| f64::from(value).powi(2)).sum();
            assert!((sum / 4096.0).abs() < 1e-3);
            assert!(((squares / 4096.0).sqrt() - 0.2).abs() < 0.005);
            let mut field: Vec<Complex> = sheet.texels.iter().map(|&value| (f64::from(value), 0.0)).collect();
            let roots = roots_of_one(64);
            field.chunks_exact_mut(64).for_each(|row| forward(row, &roots));
            let mut inside = 0.0;
            let mut all = 0.0;
            for column in 0..64 {
                let mut line: Vec<Complex> = (0..64).map(|row| field[row * 64 + column]).collect();
                forward(&mut line, &roots);
                for (row, value) in line.iter().enumerate() {
                    let off = |at: usize| at.min(64 - at) as f64 / 64.0;
                    let power = value.0 * value.0 + value.1 * value.1;
                    all += power;
                    if (0.095..=0.205).contains(&off(row).hypot(off(column))) {
                        inside += power;
                    }
                }
            }
            assert!(inside / all > 0.98, "{}", inside / all);
        }
        assert_eq!(filtered(64, Spectrum::Band([0.1, 0.2]), 0.2, 3, 4).unwrap(), sheets, "by the seed alone");
        assert!(filtered(64, Spectrum::Band([0.8, 0.9]), 0.2, 1, 4).is_none());
    }

    #[test]
    fn one_over_f_has_more_at_low_frequencies() {
        let sheet = &filtered(128, Spectrum::Power(1.0), 0.2, 1, 4).unwrap()[0];
        let step = |by: usize| {
            let differences = sheet.texels.windows(by + 1).map(|w| f64::from(w[by] - w[0]).powi(2));
            differences.sum::<f64>() / sheet.texels.len() as f64
        };
        assert!(step(1) < 0.3 * step(16), "{} {}", step(1), step(16));
    }
}
