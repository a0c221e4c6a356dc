//! Terms that couple the stimuli of a set.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::features::Channels;
use super::statistic::{gram, gram_pull_back};

#[derive(Debug, Clone)]
pub(super) enum Set {
    /// Minus the mean cosine of all pairs; of Gram matrices where channels are given.
    Diverse {
        gram: Option<Channels>,
    },
    LeastConfusable(LeastConfusable),
}

impl Set {
    pub fn evaluate(&self, values: ArrayView2<'_, f64>) -> (f64, Array2<f64>) {
        match self {
            Self::Diverse { gram } => diverse(gram.as_ref(), values),
            Self::LeastConfusable(set) => set.evaluate(values),
        }
    }
}

fn diverse(channels: Option<&Channels>, values: ArrayView2<'_, f64>) -> (f64, Array2<f64>) {
    let summaries: Vec<Array1<f64>> = values
        .rows()
        .into_iter()
        .map(|row| match channels {
            Some(channels) => gram(channels, row).flatten().into_owned(),
            None => row.to_owned(),
        })
        .collect();
    let count = summaries.len();
    let share = 2.0 / (count * (count - 1)) as f64;
    let mut slopes: Vec<Array1<f64>> = summaries.iter().map(|one| Array1::zeros(one.len())).collect();
    let mut value = 0.0;
    for i in 0..count {
        for j in i + 1..count {
            let (a, b) = (&summaries[i], &summaries[j]);
            let (aa, bb) = (a.dot(a), b.dot(b));
            // A stimulus without any response is like no other, and gives no direction to move in.
            if aa == 0.0 || bb == 0.0 {
                continue;
            }
            let lengths = (aa * bb).sqrt();
            let cosine = a.dot(b) / lengths;
            value -= share * cosine;
            slopes[i].scaled_add(-share / lengths, b);
            slopes[i].scaled_add(share * cosine / aa, a);
            slopes[j].scaled_add(-share / lengths, a);
            slopes[j].scaled_add(share * cosine / bb, b);
        }
    }
    let mut gradient = Array2::zeros(values.raw_dim());
    for (index, slope) in slopes.into_iter().enumerate() {
        match channels {
            Some(channels) => {
                let square = slope.into_shape_with_order((channels.count, channels.count));
                let square = square.expect("a Gram matrix is square");
                gram_pull_back(channels, values.row(index), &square, gradient.row_mut(index));
            }
            None => gradient.row_mut(index).assign(&slope),
        }
    }
    (value, gradient)
}

/// Pairs of stimuli of different classes.
pub(super) fn pairs(classes: &[usize], stimuli: usize) -> Result<Vec<(usize, usize)>, String> {
    if classes.len() != stimuli {
        return Err(format!("{} classes for {stimuli} stimuli", classes.len()));
    }
    let all = (0..stimuli).flat_map(|i| (i + 1..stimuli).map(move |j| (i, j)));
    let pairs: Vec<_> = all.filter(|&(i, j)| classes[i] != classes[j]).collect();
    if pairs.is_empty() {
        return Err(format!(
            "all {stimuli} stimuli are of class {}; at least two classes are needed",
            classes[0]
        ));
    }
    Ok(pairs)
}

/// Soft minimum of d' over pairs.
#[derive(Debug, Clone)]
pub(super) struct LeastConfusable {
    pub pairs: Vec<(usize, usize)>,
    pub noise_sd: Vec<f64>,
    pub sharpness: f64,
}

/// Added to d'^2: two equal stimuli have no direction apart, and must not divide by zero either.
const LEAST_SQUARE: f64 = 1e-12;

impl LeastConfusable {
    fn evaluate(&self, values: ArrayView2<'_, f64>) -> (f64, Array2<f64>) {
        let noise = ArrayView1::from(&self.noise_sd[..]).insert_axis(Axis(0));
        let scaled = &values / &noise;
        let apart = |&(i, j): &(usize, usize)| &scaled.row(i) - &scaled.row(j);
        let distances: Vec<f64> = self
            .pairs
            .iter()
            .map(|pair| {
                let apart = apart(pair);
                (apart.dot(&apart) + LEAST_SQUARE).sqrt()
            })
            .collect();
        let (value, shares) = soft_minimum(&distances, self.sharpness);
        let mut gradient = Array2::<f64>::zeros(scaled.raw_dim());
        for ((pair, distance), share) in self.pairs.iter().zip(&distances).zip(&shares) {
            let apart = apart(pair);
            gradient.row_mut(pair.0).scaled_add(share / distance, &apart);
            gradient.row_mut(pair.1).scaled_add(-share / distance, &apart);
        }
        gradient /= &noise;
        (value, gradient)
    }
}

/// `-log(mean(exp(-sharpness x))) / sharpness`, between the minimum and the mean, and its gradient (positive, sum 1).
pub(super) fn soft_minimum(values: &[f64], sharpness: f64) -> (f64, Vec<f64>) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = values.iter().map(|value| libm::exp(-sharpness * (value - least))).collect();
    let sum: f64 = weights.iter().sum();
    let value = least - libm::log(sum / values.len() as f64) / sharpness;
    (value, weights.into_iter().map(|weight| weight / sum).collect())
}
