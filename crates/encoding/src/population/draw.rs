//! What makes one brain, and how it is drawn.

use core::f64::consts::PI;

use random::Random;

/// How cells are made of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Complex cells by the energy model, with another bandwidth, aspect ratio, exponent and normalisation than the
    /// embedded V1's (Adelson and Bergen, J. Opt. Soc. Am. A 2, 1985).
    Energy,
    /// Half-rectified filters, then the maximum over neighbouring places (Riesenhuber and Poggio, Nat. Neurosci. 2, 1999):
    /// one contrast polarity counts, and position is forgotten in another way.
    Maximum,
    /// The geometric mean of two orientations at one place: junctions and textures, which no weighted sum of energies is.
    Conjunction,
}

impl Family {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Energy, Self::Maximum, Self::Conjunction];
}

/// A population of cells whose summed answer is one response.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Centre of its region of the visual field [x, y] in degrees, y up.
    pub centre_deg: [f64; 2],
    /// SD of that region.
    pub sd_deg: f64,
    /// Preferred orientation: the direction in which a grating varies.
    pub orientation_rad: f64,
    /// Concentration of the tuning around it: `exp(k (cos 2(o - preferred) - 1))`.
    pub concentration: f64,
    /// The second orientation of a conjunction.
    pub second_rad: f64,
    /// Preferred spatial frequency.
    pub cpd: f64,
    /// SD of the tuning around it in octaves.
    pub octaves: f64,
    /// Part of the answers of all orientations that inhibits.
    pub inhibition: f64,
}

/// A brain.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// How cells are made.
    pub family: Family,
    /// Pixels along a side of the picture.
    pub texels: usize,
    /// Pixels per degree.
    pub texels_per_deg: f64,
    /// Preferred orientations of the filters, rad.
    pub orientations_rad: Vec<f64>,
    /// Preferred spatial frequencies of the filters.
    pub scales_cpd: Vec<f64>,
    /// SD of a filter's window along its direction, in cycles.
    pub sigma_cycles: f64,
    /// Length of that window over its width.
    pub aspect: f64,
    /// Exponent of the energy's root: 1 is amplitude, 2 energy.
    pub exponent: f64,
    /// Weight of the normalisation pool.
    pub pool: f64,
    /// SD of the normalisation pool in degrees.
    pub pool_deg: f64,
    /// The populations; the first is the one that a protocol drives.
    pub populations: Vec<Population>,
    /// Per population, the drive at which its level is one half.
    pub semisaturation: Vec<f64>,
}

impl Spec {
    /// A brain of a family, drawn from a seed, for pictures of this size. Its first population lies within 2.5 deg of the
    /// fixation point, others each in another direction.
    pub fn draw(family: Family, seed: u64, texels: usize, texels_per_deg: f64, populations: usize) -> Self {
        let mut random = Random::new(seed, 77 + family as u64);
        let mut between = |low: f64, high: f64| low + (high - low) * random.uniform();
        let count = between(5.0, 8.0) as usize;
        let first = between(0.0, PI / count as f64);
        let lowest = between(0.36, 0.46);
        let ratio = libm::exp2(between(0.6, 0.8));
        let spec = Self {
            family,
            texels,
            texels_per_deg,
            orientations_rad: (0..count).map(|at| first + PI * at as f64 / count as f64).collect(),
            scales_cpd: (0..3).map(|at| lowest * libm::pow(ratio, f64::from(at))).collect(),
            sigma_cycles: between(0.35, 0.6),
            aspect: between(0.8, 1.6),
            exponent: between(1.0, 1.6),
            pool: between(0.5, 2.0),
            pool_deg: between(0.8, 1.6),
            populations: Vec::new(),
            semisaturation: vec![1.0; populations],
        };
        let turn = between(0.0, 2.0 * PI);
        let populations = (0..populations).map(|at| {
            let (angle, eccentricity) = match at {
                0 => (turn, between(0.0, 2.5)),
                _ => (turn + PI * (0.5 + 0.5 * at as f64), between(1.0, 3.0)),
            };
            let orientation_rad = between(0.0, PI);
            Population {
                centre_deg: [eccentricity * libm::cos(angle), eccentricity * libm::sin(angle)],
                sd_deg: between(0.9, 1.6),
                orientation_rad,
                concentration: 0.25 / between(20.0, 35.0).to_radians().powi(2),
                second_rad: orientation_rad + between(50.0, 90.0).to_radians(),
                cpd: between(0.4, 1.1),
                octaves: between(0.5, 0.9),
                inhibition: between(0.0, 0.6),
            }
        });
        let populations = populations.collect();
        Self { populations, ..spec }
    }

    /// A brain with three populations that see the left, the right and the lower part of the visual field, in this order: the
    /// parts of a map that every brain has, each brain in its own way. What they prefer is drawn as by [`Spec::draw`].
    pub fn several(family: Family, seed: u64, texels: usize, texels_per_deg: f64) -> Self {
        let mut spec = Self::draw(family, seed, texels, texels_per_deg, 3);
        let mut random = Random::new(seed, 177 + family as u64);
        let mut between = |low: f64, high: f64| low + (high - low) * random.uniform();
        for (at, population) in spec.populations.iter_mut().enumerate() {
            let middle = [PI, 0.0, -0.5 * PI][at % 3];
            let (angle, eccentricity) = (middle + between(-0.2, 0.2), between(2.2, 3.0));
            population.centre_deg = [eccentricity * libm::cos(angle), eccentricity * libm::sin(angle)];
            population.sd_deg = between(0.7, 1.1);
        }
        spec
    }
}
