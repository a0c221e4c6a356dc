//! What can be wanted, in the user's words.

use std::fmt;
use std::sync::Arc;

use encoding::readout::Readout;

/// A tensor of one of the models of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Which model, counted from 0.
    pub arm: usize,
    /// The tensor's name in its graph.
    pub tap: String,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tap {} of model {}", self.tap, self.arm)
    }
}

/// Means over a grid of cells, as in [`encoding`]'s pooled features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Rows and columns of the grid.
    pub cells: [usize; 2],
    /// The tap's axes of rows and columns, the stimuli's being 0: `[2, 3]` in [B, C, H, W], `[1, 2]` in [B, H, W, C].
    pub axes: [usize; 2],
}

/// What a term reads: a tap's values f, pooled or not, or y = H f, the responses that a readout predicts from them.
#[derive(Debug, Clone)]
pub struct Source {
    /// The tap.
    pub site: Site,
    /// Averaged in cells, as the periphery pools (Balas, Nakano and Rosenholtz, J. Vision 2009).
    pub pool: Option<Pool>,
    /// H. Its features are the (pooled) values in order, flattened without the first axis.
    pub readout: Option<Arc<Readout>>,
}

impl Source {
    /// A tap of the only, or first, model.
    pub fn tap(name: &str) -> Self {
        Self::of(0, name)
    }

    /// A tap of model `arm`.
    pub fn of(arm: usize, name: &str) -> Self {
        Self { site: Site { arm, tap: name.to_owned() }, pool: None, readout: None }
    }

    /// The same tap [B, C, H, W] averaged in a grid of so many rows and columns. Indices of terms then count cells.
    #[must_use]
    pub fn pooled(self, rows: usize, columns: usize) -> Self {
        Self { pool: Some(Pool { cells: [rows, columns], axes: [2, 3] }), ..self }
    }

    /// The same tap through H. Indices of terms then count its responses.
    #[must_use]
    pub fn through(mut self, readout: Arc<Readout>) -> Self {
        self.readout = Some(readout);
        self
    }

    /// Whether both read the same numbers.
    pub(super) fn same(&self, other: &Self) -> bool {
        let readouts = match (&self.readout, &other.readout) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        };
        readouts && self.site == other.site && self.pool == other.pool
    }
}

/// Some units of a source, by their index without the first axis: `[channel, row, column]` in a map, `[unit]` in a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Units {
    /// Every unit.
    All,
    /// These, in this order.
    Only(Vec<Vec<usize>>),
    /// All but these.
    Except(Vec<Vec<usize>>),
}

impl Units {
    /// One unit.
    pub fn one(index: &[usize]) -> Self {
        Self::Only(vec![index.to_vec()])
    }
}

/// Which positions of a map count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centre {
    /// All of them.
    Whole,
    /// The middle of every axis but the channels'.
    Only,
}

/// How two responses are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ratio {
    /// Mean of one group minus mean of the other.
    Difference,
    /// log((mean of one + floor) / (mean of the other + floor)): a contrast that does not grow with the drive itself.
    /// Not defined, and so the worst value, where mean + floor is not positive.
    Log {
        /// Added to both, in the responses' unit. At least 0.
        floor: f64,
    },
}

/// A summary of a feature map that forgets where things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The features themselves, flattened.
    Features,
    /// Gram matrix of the channels: mean over positions of products of two channels (Gatys, Ecker and Bethge 2015).
    Gram,
}

/// A response in units of its own spread, so that two models or two people can be compared.
#[derive(Debug, Clone)]
pub struct Response {
    /// What is read.
    pub source: Source,
    /// Which units; as many for both sides of a comparison.
    pub units: Units,
    /// Mean of each unit over a reference set of stimuli.
    pub mean: Vec<f64>,
    /// Standard deviation of each unit over that set. Positive.
    pub sd: Vec<f64>,
}

/// In what two responses should disagree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Versus {
    /// The mean of z_a - z_b over units: a high, b low.
    Signed,
    /// The mean of (z_a - z_b)^2 over units: any disagreement. It has no slope where both agree exactly.
    Squared,
    /// Each side is sure of another unit: the soft minimum of `z_a[first]`, `-z_a[second]`, `z_b[second]`,
    /// `-z_b[first]`, as in the
    /// controversial stimuli of Golan, Raju and Kriegeskorte (PNAS 117, 2020), whose logits are z-scores here.
    Controversial {
        /// Position among the units of the one that a should prefer.
        first: usize,
        /// Position of the one that b should prefer.
        second: usize,
        /// Inverse width of the soft minimum, per z. Positive.
        sharpness: f64,
    },
}

/// One thing to want. Each value is raised by the search; those of single stimuli are averaged over the set.
///
/// `channels` is an axis of the tap as the model names it: 1 in [B, C, H, W], 3 in [B, H, W, C].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Term {
    /// Mean of these units.
    Unit {
        /// Where.
        source: Source,
        /// Which.
        units: Units,
    },
    /// Mean of a channel over positions.
    Channel {
        /// Where.
        source: Source,
        /// The channel.
        channel: usize,
        /// Axis of the channels, the stimuli's being 0.
        channels: usize,
        /// Which positions.
        centre: Centre,
    },
    /// `f.v * max(0.1, cos(f, v))^power`: along v, and with power > 0 nowhere else (Olah, Mordvintsev and Schubert, Distill 2017).
    Direction {
        /// Where.
        source: Source,
        /// As long as the source (whole population), or as its channels (then averaged over positions).
        vector: Vec<f64>,
        /// Axis of the channels, where the vector is one of channels.
        channels: usize,
        /// Exponent of the cosine; 0 for the plain dot product.
        power: f64,
    },
    /// `-|f - s|^2 / |s|^2`: the relative squared distance to a population state (over the number of units where s is 0).
    Target {
        /// Where.
        source: Source,
        /// Which units the state is of.
        units: Units,
        /// The state, of these units in order.
        state: Vec<f64>,
    },
    /// `-mean(((f - baseline) / spread)^2)`: these units stay as they are.
    Hold {
        /// Where.
        source: Source,
        /// Which.
        units: Units,
        /// Their response to be kept: one for all or one each.
        baseline: Vec<f64>,
        /// Deviation that costs 1, in the responses' unit. Positive.
        spread: f64,
    },
    /// Minus the mean of these units.
    Suppress {
        /// Where.
        source: Source,
        /// Which.
        units: Units,
    },
    /// One group of units against another.
    Contrast {
        /// Where.
        source: Source,
        /// The group to be high.
        up: Units,
        /// The group to be low.
        down: Units,
        /// How they are compared.
        ratio: Ratio,
    },
    /// Minus the mean cosine between the statistics of all pairs of stimuli: beside a drive, different ways to the same
    /// response (multifaceted, Nguyen et al. 2016; diversity as in Olah et al. 2017).
    Diverse {
        /// Where.
        source: Source,
        /// What is compared.
        statistic: Statistic,
        /// Axis of the channels (for the Gram matrix).
        channels: usize,
    },
    /// Two models, or two people's readouts, that should answer differently.
    Discriminate {
        /// One side.
        a: Response,
        /// The other.
        b: Response,
        /// In what.
        versus: Versus,
    },
    /// The soft minimum over pairs of stimuli of different classes of d', their distance in feature space in units of noise:
    /// the set whose worst confusion is least. Noise is independent between units. For letters in the periphery the source is
    /// pooled.
    LeastConfusable {
        /// Where.
        source: Source,
        /// Class of each stimulus of the set; pairs of one class are not compared.
        classes: Vec<usize>,
        /// Standard deviation of the noise: one for all units or one each. Positive.
        noise_sd: Vec<f64>,
        /// Inverse width of the soft minimum, per d'. Positive. Large: only the worst pair counts.
        sharpness: f64,
    },
    /// `-|G - R|^2 / |R|^2` between Gram matrices: the same texture (Gatys et al. 2015; in the manner of Portilla and
    /// Simoncelli 2000, with the model's channels as filters).
    Texture {
        /// Where.
        source: Source,
        /// The tap's values for the texture, of its shape without the first axis, flattened.
        reference: Vec<f64>,
        /// Axis of the channels.
        channels: usize,
    },
    /// `-(|f - r| / (tolerance |r|))^2`: the same features within a tolerance, -1 at its edge. Started elsewhere, the pixels
    /// remain different (Freeman and Simoncelli 2011; Feather et al. 2019).
    Metamer {
        /// Where.
        source: Source,
        /// The source's values for the reference image, flattened.
        reference: Vec<f64>,
        /// Relative distance that counts as the same, as 1e-3. Positive.
        tolerance: f64,
    },
}

impl Term {
    /// What it reads, in order.
    pub fn sources(&self) -> Vec<&Source> {
        match self {
            Self::Discriminate { a, b, .. } => vec![&a.source, &b.source],
            Self::Unit { source, .. }
            | Self::Channel { source, .. }
            | Self::Direction { source, .. }
            | Self::Target { source, .. }
            | Self::Hold { source, .. }
            | Self::Suppress { source, .. }
            | Self::Contrast { source, .. }
            | Self::Diverse { source, .. }
            | Self::LeastConfusable { source, .. }
            | Self::Texture { source, .. }
            | Self::Metamer { source, .. } => vec![source],
        }
    }

    /// The name by which messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unit { .. } => "unit",
            Self::Channel { .. } => "channel",
            Self::Direction { .. } => "direction",
            Self::Target { .. } => "target",
            Self::Hold { .. } => "hold",
            Self::Suppress { .. } => "suppress",
            Self::Contrast { .. } => "contrast",
            Self::Diverse { .. } => "diverse",
            Self::Discriminate { .. } => "discriminate",
            Self::LeastConfusable { .. } => "least-confusable",
            Self::Texture { .. } => "texture",
            Self::Metamer { .. } => "metamer",
        }
    }
}

/// A term with its share in the sum.
#[derive(Debug, Clone)]
pub struct Weighted {
    /// Factor before the sum. Negative turns the wish round.
    pub weight: f64,
    /// The wish.
    pub term: Term,
    /// Only this stimulus of the set; all where `None`.
    pub stimulus: Option<usize>,
}

impl Weighted {
    /// Weight 1, over the whole set.
    pub fn one(term: Term) -> Self {
        Self { weight: 1.0, term, stimulus: None }
    }

    /// With this weight.
    #[must_use]
    pub fn times(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// For this stimulus of the set only.
    #[must_use]
    pub fn only(mut self, stimulus: usize) -> Self {
        self.stimulus = Some(stimulus);
        self
    }
}

/// Drives one unit and holds all others of the same source: `f[unit] - weight * mean(((f - baseline) / spread)^2)`.
///
/// `baseline`: one for all, or one for each unit but the driven, in order.
pub fn drive_and_hold(
    source: &Source,
    unit: &[usize],
    baseline: Vec<f64>,
    spread: f64,
    weight: f64,
) -> [Weighted; 2] {
    let units = Units::Except(vec![unit.to_vec()]);
    [
        Weighted::one(Term::Unit { source: source.clone(), units: Units::one(unit) }),
        Weighted::one(Term::Hold { source: source.clone(), units, baseline, spread }).times(weight),
    ]
}
