//! What the planner's encoding model makes of a picture: pooled answers of its cells, on a common scale.

use adjoint::{Cancel, Gradient, Limits};
use encoding::encoder::Encoder;
use encoding::v1;
use ndarray::{Array5, ArrayD, CowArray, Ix5};
use random::Random;

use crate::covariance::{Axis, Covariance};
use crate::field::KINDS;
use crate::view::{Root, View};
use crate::{Canvas, PlannerError, probe};

/// Cells of the grid over the visual field within which answers are averaged, along a side.
const GRID: usize = 8;
/// Most scales of the embedded model.
const SCALES: usize = 3;
/// Probes from which the features' mean and spread are taken.
const REFERENCE: usize = 64;
/// Stream of their random numbers.
const REFERENCE_STREAM: u64 = 1 << 40;

/// The embedded V1 for a canvas: one octave from scale to scale, from four texels per cycle down.
fn v1_params(canvas: &Canvas, scales: usize) -> v1::Params {
    let highest_cpd = 0.99 * canvas.texels_per_deg / v1::LEAST_CYCLE_PX;
    v1::Params {
        size_px: [canvas.texels, canvas.texels],
        width_deg: canvas.texels as f64 / canvas.texels_per_deg,
        scales_cpd: (0..scales).map(|at| highest_cpd * libm::exp2(-(at as f64))).collect(),
        ..v1::Params::default()
    }
}

/// An encoding model ready to be asked and climbed.
pub struct Eyes {
    gradient: Gradient,
    encoder: Encoder,
    views: Vec<View>,
    others: Vec<ArrayD<f32>>,
    mean: Vec<f64>,
    /// Per feature; the same for all of one view, so that a covariance over the grid keeps its form.
    scale: Vec<f64>,
    /// Which raw feature each feature is, where they are shuffled.
    order: Option<Vec<usize>>,
    grid: Grid,
}

/// What the features are.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Kinds of cells; each has all scales.
    pub(crate) kinds: usize,
    /// log2 of the spatial frequency of each tap; its number where it has none.
    pub(crate) scales: Vec<f64>,
    pub(crate) orientations_rad: Vec<f64>,
    pub(crate) channels: usize,
    /// Centres of the grid's columns in degrees.
    pub(crate) places_deg: Vec<f64>,
}

impl Eyes {
    /// The embedded V1, for a canvas.
    ///
    /// # Errors
    /// A canvas that the model cannot see; a model that fails.
    pub fn v1(canvas: &Canvas, untimed: bool) -> Result<Self, PlannerError> {
        let build = |scales| {
            let params = v1_params(canvas, scales);
            v1::build(&params).map(|bytes| (params, bytes))
        };
        // As many scales as the field has room for.
        let most = (2..=SCALES).rev().find_map(|scales| build(scales).ok());
        let built = most.map_or_else(|| build(1), Ok);
        let (params, bytes) = built.map_err(|fault| PlannerError::Step(fault.to_string()))?;
        let encoder = Encoder::from_bytes("the embedded V1", &bytes, None, &Limits::default())?;
        let scales = params.scales_cpd.len();
        // Brains differ in nothing more than in how they normalise, and in how an answer grows with contrast.
        let kinds = [("complex", Root::Amplitude), ("complex", Root::Energy), ("energy", Root::Amplitude)];
        let taps: Vec<(String, Root)> = kinds
            .iter()
            .flat_map(|(kind, root)| (0..scales).map(move |at| (format!("v1.{kind}.s{at}"), *root)))
            .collect();
        let orientations = (0..params.orientations).map(|at| params.orientation_deg(at).to_radians());
        Self::of(
            encoder,
            &taps,
            params.scales_cpd.iter().map(|cpd| libm::log2(*cpd)).collect(),
            orientations.collect(),
            canvas,
            untimed,
        )
    }

    /// Any model of one picture: a tap [N, C, h, w], pooled in a grid. A model of another size than the canvas sees the nearest
    /// texels.
    ///
    /// # Errors
    /// A tap that the model does not have or whose shape does not fit; a model that fails.
    pub fn model(encoder: Encoder, tap: &str, canvas: &Canvas, untimed: bool) -> Result<Self, PlannerError> {
        let taps = [(tap.to_owned(), Root::Energy)];
        Self::of(encoder, &taps, vec![0.0], Vec::new(), canvas, untimed)
    }

    /// Any model, by every value of a tap as it is: for whoever knows what the values mean. [`Eyes::covariance`] says nothing
    /// of such features.
    ///
    /// # Errors
    /// As [`Eyes::model`].
    pub fn values(encoder: Encoder, tap: &str, canvas: &Canvas, untimed: bool) -> Result<Self, PlannerError> {
        let mut eyes =
            Self::of(encoder, &[(tap.to_owned(), Root::Whole)], vec![0.0], Vec::new(), canvas, untimed)?;
        eyes.mean.fill(0.0);
        eyes.scale.fill(1.0);
        Ok(eyes)
    }

    fn of(
        encoder: Encoder,
        taps: &[(String, Root)],
        scales: Vec<f64>,
        orientations_rad: Vec<f64>,
        canvas: &Canvas,
        untimed: bool,
    ) -> Result<Self, PlannerError> {
        let mut names: Vec<&str> = taps.iter().map(|(tap, _)| tap.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut gradient = encoder.gradient(&names, 1, 1, untimed)?;
        let [t, c, h, w] = encoder.form().shape;
        let grey = Array5::from_elem((1, t, c, h, w), 0.5);
        let mut others = encoder.inputs(&gradient, grey.view())?;
        // The picture is the only input with a gradient, and those come first.
        others.remove(0);
        let input = encoder.form().to_input(grey.view());
        let inputs: Vec<_> = std::iter::once(&input).chain(&others).map(|array| array.view()).collect();
        let outputs = gradient.forward(&inputs).map_err(|error| PlannerError::Step(error.to_string()))?;
        let view = |(tap, root): &(String, Root)| {
            let output = names.iter().position(|name| name == tap).unwrap_or_default();
            View::new(tap, output, *root, outputs[output].shape(), GRID)
        };
        let views: Vec<View> = taps.iter().map(view).collect::<Result<_, _>>()?;
        let side_deg = canvas.texels as f64 / canvas.texels_per_deg;
        let place = |at: usize| ((at as f64 + 0.5) / GRID as f64 - 0.5) * side_deg;
        let width: usize = views.iter().map(View::width).sum();
        let grid = Grid {
            kinds: (views.len() / scales.len()).max(1),
            channels: width / (views.len() * GRID * GRID),
            scales,
            orientations_rad,
            places_deg: (0..GRID).map(place).collect(),
        };
        let mut eyes = Self {
            gradient,
            encoder,
            views,
            others,
            mean: vec![0.0; width],
            scale: vec![1.0; width],
            order: None,
            grid,
        };
        eyes.standardise(canvas)?;
        Ok(eyes)
    }

    /// Sets mean and scale by a reference set of probes.
    fn standardise(&mut self, canvas: &Canvas) -> Result<(), PlannerError> {
        let mut random = Random::new(0, REFERENCE_STREAM);
        let mut all = Vec::new();
        for at in 0..REFERENCE {
            let picture = match at % 2 {
                0 => probe::natural(canvas, &mut random)?,
                _ => probe::gabor(canvas, &mut random)?,
            };
            all.push(self.features(&canvas.light(&picture))?);
        }
        let count = REFERENCE as f64;
        let mean: Vec<f64> =
            (0..self.mean.len()).map(|f| all.iter().map(|row| row[f]).sum::<f64>() / count).collect();
        let square = |f: usize| all.iter().map(|row| (row[f] - mean[f]).powi(2)).sum::<f64>() / count;
        let variances: Vec<f64> = (0..mean.len()).map(square).collect();
        let mut from = 0;
        // One scale for a kind of cells, whatever their spatial frequency: how much of a picture lies in which is no accident.
        for views in self.views.chunks(self.grid.scales.len()) {
            let width = views.iter().map(View::width).sum::<usize>();
            let kind = from..from + width;
            let variance = variances[kind.clone()].iter().sum::<f64>() / width as f64;
            if !(variance > 0.0 && variance.is_finite()) {
                let tap = views.first().map_or_else(String::new, |view| view.tap().to_owned());
                return Err(PlannerError::Silent { tap, count: width, probes: REFERENCE });
            }
            from = kind.end;
            self.scale[kind].fill(1.0 / variance.sqrt());
        }
        self.mean = mean;
        Ok(())
    }

    /// How the features lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The same model with its cells in any order: a wrong model, for showing that it is noticed.
    pub fn shuffled(mut self, seed: u64) -> Self {
        let mut random = Random::new(seed, REFERENCE_STREAM + 1);
        let mut order: Vec<usize> = (0..self.count()).collect();
        shuffle(&mut order, &mut random);
        self.order = Some(order);
        self
    }

    /// What is added to the features to count them from zero: they come as differences from the mean over probes.
    pub fn origin(&self) -> Vec<f64> {
        let plain = self.mean.iter().zip(&self.scale).map(|(mean, scale)| mean * scale).collect();
        shuffled(plain, self.order.as_deref())
    }

    /// Whether the cells are tuned to orientation and spatial frequency, so that a field over them can be said in a dozen
    /// numbers.
    pub fn is_tuned(&self) -> bool {
        self.grid.kinds == KINDS && !self.grid.orientations_rad.is_empty()
    }

    /// Features.
    pub fn count(&self) -> usize {
        self.mean.len()
    }

    /// What is believed of H beforehand, with these length scales: degrees of the visual field, radians of orientation,
    /// octaves. Features of a probe then have about the variance 1 in each of the covariance's directions. `near`: where the
    /// weights are expected, if that is known.
    pub fn covariance(
        &self,
        [place_deg, orientation_rad, octaves]: [f64; 3],
        near: Option<Near>,
    ) -> Covariance {
        let grid = &self.grid;
        let channels = match grid.orientations_rad.len() {
            0 => Axis::independent(grid.channels),
            _ => Axis::circular(&grid.orientations_rad, orientation_rad),
        };
        let places = Axis::smooth(&grid.places_deg, place_deg);
        let around = |centre_deg: f64, sd_deg: f64, up: f64| -> Vec<f64> {
            let off = |place: &f64| 0.5 * ((up * place - centre_deg) / sd_deg).powi(2);
            // Against the nearest place, or a small region between places would be nowhere.
            let least = grid.places_deg.iter().map(off).fold(f64::INFINITY, f64::min);
            grid.places_deg.iter().map(|place| libm::exp(least - off(place))).collect()
        };
        let (rows, columns) = match near {
            None => (places.clone(), places),
            // Rows go down, y goes up.
            Some(Near { centre_deg: [x, y], sd_deg }) => (
                places.clone().with_factors(&around(y, sd_deg, -1.0)),
                places.with_factors(&around(x, sd_deg, 1.0)),
            ),
        };
        let kinds = Axis::independent(grid.kinds);
        Covariance::new(vec![kinds, Axis::smooth(&grid.scales, octaves), channels, rows, columns])
    }

    /// Features of a picture [1, 1, 1, n, n] of light.
    ///
    /// # Errors
    /// A model that fails.
    pub fn features(&mut self, light: &Array5<f32>) -> Result<Vec<f64>, PlannerError> {
        let input = self.encoder.form().to_input(self.seen(light).view());
        let inputs: Vec<_> = std::iter::once(&input).chain(&self.others).map(|array| array.view()).collect();
        let outputs =
            self.gradient.forward(&inputs).map_err(|error| PlannerError::Step(error.to_string()))?;
        let plain = standardised(gathered(&self.views, &outputs), &self.mean, &self.scale);
        Ok(shuffled(plain, self.order.as_deref()))
    }

    /// What `judge` says of a picture's features (a value and its slope), and the slope of that value with respect to the
    /// light.
    ///
    /// # Errors
    /// A model that fails.
    pub fn slope(
        &mut self,
        light: &Array5<f32>,
        judge: impl FnOnce(&[f64]) -> (f64, Vec<f64>),
    ) -> Result<(f64, Array5<f32>), PlannerError> {
        let seen = self.seen(light);
        let input = self.encoder.form().to_input(seen.view());
        let inputs: Vec<_> = std::iter::once(&input).chain(&self.others).map(|array| array.view()).collect();
        let (views, mean, scale) = (&self.views, &self.mean, &self.scale);
        let order = self.order.as_deref();
        let mut value = f64::NAN;
        let answer = self.gradient.step(
            &inputs,
            |outputs| {
                let features = standardised(gathered(views, outputs), mean, scale);
                let (found, slope) = judge(&shuffled(features, order));
                let mut slope = restored(slope, order);
                value = found;
                slope.iter_mut().zip(scale).for_each(|(slope, scale)| *slope *= scale);
                let mut cotangents: Vec<ArrayD<f32>> =
                    outputs.iter().map(|output| ArrayD::zeros(output.raw_dim())).collect();
                let mut from = 0;
                for view in views {
                    let part = from..from + view.width();
                    from = part.end;
                    view.spread(&outputs[view.output()], &slope[part], &mut cotangents[view.output()]);
                }
                cotangents
            },
            &Cancel::new(),
        );
        let answer = answer.map_err(|error| PlannerError::Step(error.to_string()))?.swap_remove(0);
        let slope = self.encoder.form().pull_back(seen.view(), answer.view());
        Ok((value, self.unseen(light, &slope)))
    }

    /// The picture as the model takes it: the nearest texel where the model has another size, the same in all channels and
    /// frames.
    fn seen<'a>(&self, light: &'a Array5<f32>) -> CowArray<'a, f32, Ix5> {
        let [t, c, h, w] = self.encoder.form().shape;
        if light.dim() == (1, t, c, h, w) {
            return light.into();
        }
        let (_, _, _, rows, columns) = light.dim();
        Array5::from_shape_fn((1, t, c, h, w), |(.., row, column)| {
            light[[0, 0, 0, row * rows / h, column * columns / w]]
        })
        .into()
    }

    /// The slope with respect to the picture, from that with respect to what [`Eyes::seen`] makes of it: its transpose.
    fn unseen(&self, light: &Array5<f32>, slope: &Array5<f32>) -> Array5<f32> {
        if slope.dim() == light.dim() {
            return slope.clone();
        }
        let (_, _, _, h, w) = slope.dim();
        let (_, _, _, rows, columns) = light.dim();
        let mut plain = Array5::zeros(light.raw_dim());
        for ((.., row, column), value) in slope.indexed_iter() {
            plain[[0, 0, 0, row * rows / h, column * columns / w]] += value;
        }
        plain
    }
}

/// Where in the visual field weights are expected: a Gaussian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Its middle, [x, y] in degrees with y up.
    pub centre_deg: [f64; 2],
    /// Its standard deviation.
    pub sd_deg: f64,
}

/// Puts numbers in any order, all orders alike (Fisher and Yates).
pub(crate) fn shuffle(order: &mut [usize], random: &mut Random) {
    for at in (1..order.len()).rev() {
        order.swap(at, (random.uniform() * (at + 1) as f64) as usize);
    }
}

fn gathered(views: &[View], outputs: &[ArrayD<f32>]) -> Vec<f64> {
    let mut all = Vec::with_capacity(views.iter().map(View::width).sum());
    for view in views {
        view.gather(&outputs[view.output()], &mut all);
    }
    all
}

fn standardised(raw: Vec<f64>, mean: &[f64], scale: &[f64]) -> Vec<f64> {
    raw.iter().zip(mean).zip(scale).map(|((f, mean), scale)| (f - mean) * scale).collect()
}

fn shuffled(values: Vec<f64>, order: Option<&[usize]>) -> Vec<f64> {
    match order {
        Some(order) => order.iter().map(|&at| values[at]).collect(),
        None => values,
    }
}

fn restored(values: Vec<f64>, order: Option<&[usize]>) -> Vec<f64> {
    let Some(order) = order else { return values };
    let mut plain = vec![0.0; values.len()];
    order.iter().zip(values).for_each(|(&at, value)| plain[at] = value);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_expected_where_cells_see_the_region() {
        let canvas =
            Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 };
        let mut eyes = Eyes::v1(&canvas, true).unwrap();
        let centre_deg = [2.4, 1.2];
        let covariance = eyes.covariance([1.0, 0.35, 0.8], Some(Near { centre_deg, sd_deg: 1.0 }));
        let side = eyes.grid().places_deg.len();
        let mut unit = vec![0.0; covariance.size()];
        let mut variance = |at: usize| {
            unit[at] = 1.0;
            let variance = covariance.apply(&unit)[at];
            unit[at] = 0.0;
            variance
        };
        let expected = (0..side * side).max_by(|&a, &b| variance(a).total_cmp(&variance(b))).unwrap();
        // A grating there, and nothing elsewhere: the cells whose features it changes most.
        let grating = |[x, y]: [f64; 2]| {
            let inside = libm::hypot(x - centre_deg[0], y - centre_deg[1]) < 0.8;
            if inside { libm::sin(6.0 * x) as f32 } else { 0.0 }
        };
        let pattern: Vec<f32> = canvas.places_deg().map(grating).collect();
        let grey = eyes.features(&canvas.light(&vec![0.0; canvas.count()])).unwrap();
        let lit = eyes.features(&canvas.light(&pattern)).unwrap();
        let change: Vec<f64> = lit.iter().zip(&grey).map(|(lit, grey)| (lit - grey).abs()).collect();
        let most =
            (0..change.len()).max_by(|&a, &b| change[a].total_cmp(&change[b])).unwrap() % (side * side);
        assert_eq!([most / side, most % side], [expected / side, expected % side]);
    }
}
