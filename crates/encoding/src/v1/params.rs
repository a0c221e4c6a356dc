//! What the embedded model can be told.

use super::check::Fault;

/// A primary visual cortex in numbers. Degrees are degrees of visual angle; x goes right, y up, from the image's centre.
///
/// The defaults are an 8 deg field of 128 px with its fovea at the centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Height and width of the image in px. Pixels are square.
    pub size_px: [usize; 2],
    /// Width of the image in degrees.
    pub width_deg: f64,
    /// Where the person looks: [x, y].
    pub fovea_deg: [f64; 2],
    /// Number of preferred orientations, spread evenly over 180 deg from 0. As everywhere in Photic an orientation is the
    /// direction in which a grating varies, anticlockwise from rightwards: 0 has vertical bars.
    pub orientations: usize,
    /// Preferred spatial frequencies in cycles per degree, one per scale, falling.
    pub scales_cpd: Vec<f64>,
    /// Full width at half height of the answers' tuning for spatial frequency, in octaves, for weak gratings. Saturation
    /// widens it: by about 0.3 at a contrast of 50 %.
    pub bandwidth_octaves: f64,
    /// Half width at half height of the answers' tuning for orientation, in degrees.
    pub half_width_deg: f64,
    /// The eye.
    pub retina: Retina,
    /// Divisive normalisation.
    pub normalisation: Normalisation,
    /// Size of the receptive fields.
    pub fields: Fields,
    /// Regions that do not see.
    pub scotomata: Vec<Scotoma>,
    /// Cells that answer less, or more.
    pub lesions: Vec<Lesion>,
    /// Factor of all answers. At 1 an optimal grating of full contrast over the whole field gives an answer of about 1, a
    /// patch that leaves the surround alone one of about 2.
    pub gain: f64,
    /// Factor of all receptive-field sizes.
    pub rf_scale: f64,
    /// Which eyes are open.
    pub eye: Eye,
    /// An input `noise` of standard normal numbers, and how it is scaled; none without.
    pub noise: Option<Noise>,
    /// Inputs by which the model is fitted to a person; see [`super::fittable_inputs`].
    pub fittable: bool,
    /// The file leaves the number of images open (always so with `fittable`); else it is 1, and `adjoint` runs a batch
    /// image by image.
    pub open_batch: bool,
    /// A time axis with direction-selective cells; without, the model sees one image.
    pub temporal: Option<Temporal>,
}

/// From light to contrast.
#[derive(Debug, Clone, PartialEq)]
pub struct Retina {
    /// Standard deviation of the Gaussian over which the eye adapts to the local luminance.
    pub adaptation_sigma_deg: f64,
    /// Light, relative to the screen's white, at which adaptation ends.
    pub dark_light: f64,
    /// Standard deviation of the receptive-field centre (Croner and Kaplan, Vision Res. 35, 1995: P cells near the fovea
    /// have a 1/e radius of 0.03 deg).
    pub centre_sigma_deg: f64,
    /// Standard deviation of the surround (there: a 1/e radius of 0.18 deg).
    pub surround_sigma_deg: f64,
    /// Volume of the surround relative to the centre's (there: 0.55).
    pub surround_weight: f64,
    /// RMS contrast at which contrast gain control halves the squared gain (Shapley and Victor, J. Physiol. 285, 1978).
    pub gain_control_contrast: f64,
    /// Standard deviation of the Gaussian over which contrast is measured.
    pub gain_control_sigma_deg: f64,
}

/// R = gain * E / (sigma^2 + local pool + surround pool): Heeger, Vis. Neurosci. 9, 1992; Carandini and Heeger, Nat.
/// Rev. Neurosci. 13, 2012. The answers grow with the contrast's square, since E is an energy.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// Contrast sigma of an optimal grating, before the retina's gain control, that adds as much as the pools.
    pub sigma_contrast: f64,
    /// Weight of the local pool: all orientations and neighbouring scales at the cell's own place.
    pub local_weight: f64,
    /// Weight of the surround pool.
    pub surround_weight: f64,
    /// Standard deviation of the surround pool in standard deviations of the receptive field.
    pub surround_size: f64,
    /// Part of the pools that comes from each neighbouring scale, relative to the own scale's.
    pub neighbour_scale: f64,
}

/// Receptive-field size: sigma(e) = sigma0 * (1 + e / E2), with sigma0 a number of cycles of the preferred spatial frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    /// sigma0 in cycles. Not below what the filters themselves span (about 0.25).
    pub sigma_cycles: f64,
    /// Eccentricity at which receptive fields are twice the foveal ones, in degrees.
    pub e2_deg: f64,
}

/// A region of the visual field that does not see, with a soft edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scotoma {
    /// Centre [x, y] in degrees of the *image*, as everything here.
    pub centre_deg: [f64; 2],
    /// Distance from the centre at which half of the depth is reached.
    pub radius_deg: f64,
    /// Scale of the logistic edge.
    pub softness_deg: f64,
    /// 1 is blind, 0 is sound.
    pub depth: f64,
}

/// Kinds of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Half-squared linear filters.
    Simple,
    /// Sums of simple cells in quadrature.
    Complex,
}

/// Cells whose answers are multiplied by a number; also what they give to the pools, and what complex cells get from simple
/// ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lesion {
    /// The scale, counted from the highest spatial frequency; all without.
    pub scale: Option<usize>,
    /// The orientation, counted from 0 deg; all without.
    pub orientation: Option<usize>,
    /// The kind; both without.
    pub cell: Option<Cell>,
    /// 0 silences, 1 changes nothing.
    pub gain: f64,
}

/// Open eyes. One eye has a blind spot, 15.5 deg temporal and 1.5 deg below the line of sight (Armaly, Arch. Ophthalmol.
/// 81, 1969); two fill each other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eye {
    /// The left one: blind spot on the left.
    Left,
    /// The right one: blind spot on the right.
    Right,
    /// Both.
    Both,
}

/// Answer plus noise * sqrt(fano * answer + floor): variance in proportion to the mean (Tolhurst, Movshon and Dean, Vision
/// Res. 23, 1983), with the normal numbers as an input, so that a gradient exists and bits repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Variance over mean.
    pub fano: f64,
    /// Variance of a silent cell. Positive.
    pub floor: f64,
}

/// Time: (k t)^n exp(-k t) (1/n! - (k t)^2/(n+2)!) with a small and a large n, as Adelson and Bergen, J. Opt. Soc. Am. A 2,
/// 1985, built direction-selective energies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temporal {
    /// Frames of a movie.
    pub frames: usize,
    /// Their rate.
    pub frame_rate_hz: f64,
    /// k.
    pub rate_per_s: f64,
    /// n of the fast filter.
    pub fast_order: u32,
    /// n of the slow filter.
    pub slow_order: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            size_px: [128, 128],
            width_deg: 8.0,
            fovea_deg: [0.0, 0.0],
            orientations: 8,
            scales_cpd: vec![3.2, 1.6, 0.8, 0.4],
            bandwidth_octaves: 1.1,
            half_width_deg: 22.0,
            retina: Retina::default(),
            normalisation: Normalisation::default(),
            fields: Fields::default(),
            scotomata: Vec::new(),
            lesions: Vec::new(),
            gain: 1.0,
            rf_scale: 1.0,
            eye: Eye::Both,
            noise: None,
            fittable: false,
            open_batch: false,
            temporal: None,
        }
    }
}

impl Default for Retina {
    fn default() -> Self {
        Self {
            adaptation_sigma_deg: 1.0,
            dark_light: 0.02,
            centre_sigma_deg: 0.021,
            surround_sigma_deg: 0.127,
            surround_weight: 0.55,
            gain_control_contrast: 0.4,
            gain_control_sigma_deg: 0.5,
        }
    }
}

impl Default for Normalisation {
    fn default() -> Self {
        Self {
            sigma_contrast: 0.18,
            local_weight: 0.2,
            surround_weight: 0.8,
            surround_size: 3.0,
            neighbour_scale: 0.5,
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self { sigma_cycles: 0.3, e2_deg: 2.5 }
    }
}

impl Default for Temporal {
    fn default() -> Self {
        Self { frames: 16, frame_rate_hz: 60.0, rate_per_s: 75.0, fast_order: 3, slow_order: 5 }
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self { fano: 0.05, floor: 1e-4 }
    }
}

impl Scotoma {
    /// What is left of the sight, 0 to 1, at a distance from the centre.
    pub fn sight(&self, distance_deg: f64) -> f64 {
        1.0 - self.depth / (1.0 + libm::exp((distance_deg - self.radius_deg) / self.softness_deg))
    }
}

/// Blind spot: 5.5 deg wide on average.
const BLIND_SPOT: Scotoma =
    Scotoma { centre_deg: [15.5, -1.5], radius_deg: 2.75, softness_deg: 0.1, depth: 1.0 };

impl Params {
    /// Pixels per degree.
    pub fn px_per_deg(&self) -> f64 {
        self.size_px[1] as f64 / self.width_deg
    }

    /// Height and width in degrees.
    pub fn field_deg(&self) -> [f64; 2] {
        self.size_px.map(|len| len as f64 / self.px_per_deg())
    }

    /// Preferred orientation of a channel in degrees.
    pub fn orientation_deg(&self, index: usize) -> f64 {
        180.0 * index as f64 / self.orientations as f64
    }

    /// The open eye's blind spot, in degrees of the image.
    pub fn blind_spot(&self) -> Option<Scotoma> {
        let side = match self.eye {
            Eye::Left => -1.0,
            Eye::Right => 1.0,
            Eye::Both => return None,
        };
        let [x, y] = BLIND_SPOT.centre_deg;
        Some(Scotoma { centre_deg: [self.fovea_deg[0] + side * x, self.fovea_deg[1] + y], ..BLIND_SPOT })
    }

    /// The scotoma that the inputs of a fittable model start from: the first, or a blind disc of 1 deg at the fovea.
    pub fn fitted_scotoma(&self) -> Scotoma {
        let default = Scotoma { centre_deg: self.fovea_deg, radius_deg: 1.0, softness_deg: 0.25, depth: 1.0 };
        self.scotomata.first().copied().unwrap_or(default)
    }

    /// Scotomata that do not change: all, but for the one that is fitted; and the blind spot.
    pub(super) fn fixed_scotomata(&self) -> impl Iterator<Item = Scotoma> + '_ {
        let fitted = usize::from(self.fittable);
        self.scotomata.iter().copied().skip(fitted).chain(self.blind_spot())
    }

    /// Factor of the answers of some cells.
    pub(super) fn lesion_gain(&self, scale: usize, orientation: usize, cell: Cell) -> f64 {
        let hit = |lesion: &&Lesion| {
            lesion.scale.is_none_or(|s| s == scale)
                && lesion.orientation.is_none_or(|o| o == orientation)
                && lesion.cell.is_none_or(|c| c == cell)
        };
        self.lesions.iter().filter(hit).map(|lesion| lesion.gain).product()
    }

    /// Says what is wrong before anything is built.
    ///
    /// # Errors
    /// The first number that no model can have, with what is allowed.
    pub fn check(&self) -> Result<(), Fault> {
        super::check::check(self)
    }
}
