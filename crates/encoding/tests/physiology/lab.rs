//! Stimuli, recordings of single units, and what is computed of them.

use adjoint::{Gradient, Limits, Model, Spec};
use encoding::v1::{self, Params, Unit};
use ndarray::{Array2, ArrayD, IxDyn};

/// A model, and an electrode in each of its units.
pub struct Lab {
    pub params: Params,
    pub units: Vec<Unit>,
    gradient: Gradient,
}

impl Lab {
    /// All complex cells.
    pub fn new(params: Params) -> Self {
        let output = v1::output_name(&params).to_owned();
        Self::with_tap(params, &output)
    }

    /// The cells of one tap.
    pub fn with_tap(params: Params, tap: &str) -> Self {
        let bytes = v1::build(&params).unwrap();
        let model = Model::from_bytes("v1", &bytes, &Limits::default()).unwrap();
        let [height, width] = params.size_px;
        let shape = match params.temporal {
            Some(time) => vec![1, time.frames, 1, height, width],
            None => vec![1, 1, height, width],
        };
        let spec = Spec::new().input("image", &shape).output(tap).untimed();
        let gradient = model.into_gradient(&spec).unwrap();
        Self { units: v1::units(&params), params, gradient }
    }

    /// The answers to an image, flat.
    pub fn show(&mut self, image: &Array2<f64>) -> Vec<f32> {
        let (height, width) = image.dim();
        let image =
            image.mapv(|light| light as f32).into_shape_with_order(IxDyn(&[1, 1, height, width])).unwrap();
        self.answers(&image)
    }

    /// The answers to a movie, flat: frame by frame.
    pub fn play(&mut self, frames: &[Array2<f64>]) -> Vec<f32> {
        let (height, width) = frames[0].dim();
        let values = frames.iter().flat_map(|frame| frame.iter().map(|&light| light as f32)).collect();
        let movie = ArrayD::from_shape_vec(IxDyn(&[1, frames.len(), 1, height, width]), values).unwrap();
        self.answers(&movie)
    }

    fn answers(&mut self, input: &ArrayD<f32>) -> Vec<f32> {
        let outputs = self.gradient.forward(&[input.view()]).unwrap();
        outputs[0].iter().copied().collect()
    }

    /// The unit of a scale, orientation and direction whose receptive field is nearest to a place.
    pub fn unit(&self, scale: usize, orientation: usize, direction: f64, place_deg: [f64; 2]) -> usize {
        let angle = self.params.orientation_deg(orientation);
        let away = |unit: &Unit| (unit.centre_deg[0] - place_deg[0]).hypot(unit.centre_deg[1] - place_deg[1]);
        let all = self.units.iter().enumerate().filter(|(_, unit)| {
            unit.scale == scale && unit.orientation_deg == angle && unit.direction == direction
        });
        all.min_by(|a, b| away(a.1).total_cmp(&away(b.1))).unwrap().0
    }
}

/// A grating in a round window.
#[derive(Debug, Clone, Copy)]
pub struct Grating {
    pub cpd: f64,
    pub orientation_deg: f64,
    pub phase_deg: f64,
    pub contrast: f64,
    pub centre_deg: [f64; 2],
    /// Infinite for the whole field.
    pub radius_deg: f64,
}

impl Grating {
    /// The best grating of a unit, over the whole field, at half contrast.
    pub fn best(unit: &Unit) -> Self {
        Self {
            cpd: unit.cpd,
            orientation_deg: unit.orientation_deg,
            phase_deg: 0.0,
            contrast: 0.5,
            centre_deg: unit.centre_deg,
            radius_deg: f64::INFINITY,
        }
    }

    /// Weber contrast at a place [x, y].
    fn contrast_at(&self, [x, y]: [f64; 2]) -> f64 {
        let (x, y) = (x - self.centre_deg[0], y - self.centre_deg[1]);
        let angle = self.orientation_deg.to_radians();
        let cycles = self.cpd * (x * angle.cos() + y * angle.sin());
        // An edge of one px of the default model, or the window's outline would be a stimulus of its own.
        let inside = ((self.radius_deg - x.hypot(y)) / 0.0625 + 0.5).clamp(0.0, 1.0);
        self.contrast * inside * (cycles * std::f64::consts::TAU - self.phase_deg.to_radians()).cos()
    }
}

/// An image of light around 0.5.
pub fn image(params: &Params, contrast: impl Fn([f64; 2]) -> f64) -> Array2<f64> {
    let [height, width] = params.size_px;
    let px = params.px_per_deg();
    Array2::from_shape_fn((height, width), |(row, column)| {
        let x = (column as f64 + 0.5 - width as f64 / 2.0) / px;
        let y = (height as f64 / 2.0 - row as f64 - 0.5) / px;
        0.5 + 0.5 * contrast([x, y])
    })
}

/// Gratings on top of each other.
pub fn gratings(params: &Params, all: &[Grating]) -> Array2<f64> {
    image(params, |place| all.iter().map(|grating| grating.contrast_at(place)).sum())
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

/// Where a curve falls to half of its peak, left and right of it, with lines between its points.
pub fn half_height(x: &[f64], y: &[f64]) -> Option<[f64; 2]> {
    let peak = (0..y.len()).max_by(|&a, &b| y[a].total_cmp(&y[b]))?;
    let half = 0.5 * y[peak];
    let cross = |a: usize, b: usize| x[a] + (x[b] - x[a]) * (y[a] - half) / (y[a] - y[b]);
    let left = (0..peak).rev().find(|&i| y[i] < half).map(|i| cross(i + 1, i))?;
    let right = (peak + 1..y.len()).find(|&i| y[i] < half).map(|i| cross(i - 1, i))?;
    Some([left, right])
}

/// Amplitude of the first harmonic over the mean, of answers to evenly spaced phases.
pub fn modulation(answers: &[f64]) -> f64 {
    let n = answers.len() as f64;
    let mean = answers.iter().sum::<f64>() / n;
    let phase = |index: usize| std::f64::consts::TAU * index as f64 / n;
    let cosine: f64 = answers.iter().enumerate().map(|(i, y)| y * phase(i).cos()).sum();
    let sine: f64 = answers.iter().enumerate().map(|(i, y)| y * phase(i).sin()).sum();
    2.0 / n * cosine.hypot(sine) / mean
}

/// Least squares of R c^n / (c^n + c50^n): [R, c50, n] and the part of the variance that it explains.
pub fn naka_rushton(contrasts: &[f64], answers: &[f64]) -> ([f64; 3], f64) {
    let mut best = ([0.0; 3], f64::INFINITY);
    for exponent in (50..=500).map(|step| f64::from(step) / 100.0) {
        for half in (2..=90).map(|step| f64::from(step) / 100.0) {
            let shape: Vec<f64> = contrasts
                .iter()
                .map(|c| c.powf(exponent) / (c.powf(exponent) + half.powf(exponent)))
                .collect();
            let top = shape.iter().zip(answers).map(|(s, y)| s * y).sum::<f64>()
                / shape.iter().map(|s| s * s).sum::<f64>();
            let error: f64 = shape.iter().zip(answers).map(|(s, y)| (y - top * s).powi(2)).sum();
            if error < best.1 {
                best = ([top, half, exponent], error);
            }
        }
    }
    let mean = answers.iter().sum::<f64>() / answers.len() as f64;
    let variance: f64 = answers.iter().map(|y| (y - mean).powi(2)).sum();
    (best.0, 1.0 - best.1 / variance)
}

/// Straight line through points: [intercept, slope], and their correlation.
pub fn line(x: &[f64], y: &[f64]) -> ([f64; 2], f64) {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let xy: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let xx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let yy: f64 = y.iter().map(|y| (y - my).powi(2)).sum();
    ([my - xy / xx * mx, xy / xx], xy / (xx * yy).sqrt())
}
