//! Representational similarity analysis (Kriegeskorte, Mur and Bandettini, 2008): which stimuli look alike to a model, and
//! to a brain?

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::ScoreError;
use super::error::{enough, finite, sized};
use super::predict::{correlation, varies};
use super::rank::{average_ranks, tau_a};

/// Distance between the responses to two stimuli.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dissimilarity {
    /// 1 - Pearson correlation over features.
    Correlation,
    /// Length of the difference.
    Euclidean,
    /// Its square.
    SquaredEuclidean,
}

/// How two dissimilarity matrices are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Correlation of ranks, equal values sharing their average rank.
    Spearman,
    /// Linear correlation.
    Pearson,
    /// Concordant less discordant pairs over all pairs: the one to take where a model predicts ties (Nili et al., 2014).
    KendallTauA,
}

/// Representational dissimilarity matrix, upper triangle without the diagonal, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Rdm {
    conditions: usize,
    values: Array1<f64>,
}

impl Rdm {
    /// Distances between the rows of responses [conditions, features].
    ///
    /// # Errors
    /// Fewer than 3 conditions or no feature, values that are not finite, and for correlation distance a row that does not
    /// vary (named).
    pub fn new(responses: ArrayView2<'_, f64>, by: Dissimilarity) -> Result<Self, ScoreError> {
        let (conditions, features) = responses.dim();
        enough("conditions", conditions, 3)?;
        enough("features", features, if by == Dissimilarity::Correlation { 2 } else { 1 })?;
        finite("responses", responses)?;
        let mut rows = responses.to_owned();
        if by == Dissimilarity::Correlation {
            for (index, mut row) in rows.rows_mut().into_iter().enumerate() {
                if !varies(row.view()) {
                    return Err(ScoreError::Constant { what: "the response to condition", index });
                }
                let mean = row.sum() / features as f64;
                row -= mean;
                row /= row.dot(&row).sqrt();
            }
        }
        let squared = |i: usize, j: usize| {
            std::iter::zip(rows.row(i), rows.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
        };
        let distance = |i, j| match by {
            // For unit vectors 1 - r is half the squared distance, which does not cancel where r is near 1.
            Dissimilarity::Correlation => squared(i, j) / 2.0,
            Dissimilarity::Euclidean => squared(i, j).sqrt(),
            Dissimilarity::SquaredEuclidean => squared(i, j),
        };
        Ok(Self { conditions, values: pairs(conditions).map(|(i, j)| distance(i, j)).collect() })
    }

    /// From given dissimilarities: upper triangle without the diagonal, row by row.
    ///
    /// # Errors
    /// A length that is not `n (n - 1) / 2`, values that are not finite.
    pub fn from_upper(conditions: usize, values: Array1<f64>) -> Result<Self, ScoreError> {
        enough("conditions", conditions, 3)?;
        sized("dissimilarities", values.len(), conditions * (conditions - 1) / 2)?;
        finite("dissimilarities", values.view().insert_axis(Axis(0)))?;
        Ok(Self { conditions, values })
    }

    /// Conditions.
    pub fn conditions(&self) -> usize {
        self.conditions
    }

    /// Upper triangle without the diagonal, row by row.
    pub fn upper(&self) -> ArrayView1<'_, f64> {
        self.values.view()
    }

    /// The whole matrix, for showing.
    pub fn square(&self) -> Array2<f64> {
        let mut square = Array2::zeros((self.conditions, self.conditions));
        for ((i, j), &value) in pairs(self.conditions).zip(&self.values) {
            square[[i, j]] = value;
            square[[j, i]] = value;
        }
        square
    }

    /// Likeness with another matrix of the same conditions, -1 to 1.
    ///
    /// # Errors
    /// Different conditions, a matrix whose values are all the same.
    pub fn compare(&self, other: &Self, by: Comparison) -> Result<f64, ScoreError> {
        sized("conditions of the second dissimilarity matrix", other.conditions, self.conditions)?;
        for (index, rdm) in [self, other].into_iter().enumerate() {
            if !varies(rdm.upper()) {
                return Err(ScoreError::Constant { what: "dissimilarity matrix", index });
            }
        }
        Ok(likeness(self.upper(), other.upper(), by))
    }
}

/// Both sides vary.
fn likeness(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>, by: Comparison) -> f64 {
    match by {
        Comparison::Pearson => correlation(a, b).unwrap_or(0.0),
        Comparison::Spearman => correlation(average_ranks(a).view(), average_ranks(b).view()).unwrap_or(0.0),
        Comparison::KendallTauA => tau_a(a, b),
    }
}

/// Pairs of conditions in the order of [`Rdm::upper`].
pub(super) fn pairs(conditions: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..conditions).flat_map(move |i| (i + 1..conditions).map(move |j| (i, j)))
}

/// Range in which the likeness of the true model with people's matrices lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Mean likeness of each person with the mean of the others.
    pub lower: f64,
    /// Mean likeness of each person with the mean of all.
    pub upper: f64,
}

/// Noise ceiling from several people's matrices (Nili et al., 2014, "A toolbox for representational similarity analysis").
/// Matrices are made comparable before they are averaged: z-scored for Pearson, by ranks for the others (for tau-a the mean
/// of ranks is the usual approximation of the best matrix).
///
/// # Errors
/// Fewer than 3 people (of two, the others are one, and the lower bound says little), different conditions, a constant matrix.
pub fn noise_ceiling(people: &[Rdm], by: Comparison) -> Result<Bounds, ScoreError> {
    enough("people", people.len(), 3)?;
    let mut comparable = Vec::new();
    for (index, rdm) in people.iter().enumerate() {
        sized("conditions of a dissimilarity matrix", rdm.conditions, people[0].conditions)?;
        if !varies(rdm.upper()) {
            return Err(ScoreError::Constant { what: "dissimilarity matrix", index });
        }
        comparable.push(match by {
            Comparison::Pearson => z_scored(rdm.upper()),
            Comparison::Spearman | Comparison::KendallTauA => average_ranks(rdm.upper()),
        });
    }
    let total = comparable.iter().skip(1).fold(comparable[0].clone(), |sum, one| sum + one);
    let count = people.len() as f64;
    let (mut lower, mut upper) = (0.0, 0.0);
    for (rdm, own) in people.iter().zip(&comparable) {
        upper += likeness(rdm.upper(), total.view(), by) / count;
        lower += likeness(rdm.upper(), (&total - own).view(), by) / count;
    }
    Ok(Bounds { lower, upper })
}

fn z_scored(values: ArrayView1<'_, f64>) -> Array1<f64> {
    let n = values.len() as f64;
    let centred = &values - values.sum() / n;
    let sd = (centred.dot(&centred) / n).sqrt();
    centred / sd
}
