//! Brains of simulated participants that are not ours: drawn populations (`energy-3`), or any ONNX file.

use std::path::Path;
use std::sync::LazyLock;

use adjoint::{Gradient, Limits};
use encoding::encoder::{Code, Encoder, EncoderError, guess_form};
use encoding::form::Transfer;
use encoding::population::{Family, Spec, build};
use ndarray::{Array5, ArrayD};
use participant::Population;
use planner::Canvas;
use serde::Deserialize;

use crate::error::SessionError;

/// The committed brains, made by the example `brains` of crate `planner`.
const BRAINS_TOML: &str = include_str!("brains.toml");

static BRAINS: LazyLock<Brains> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a committed file that a test reads")]
    toml::from_str(BRAINS_TOML).expect("brains.toml")
});

/// The file of committed brains.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brains {
    /// Pictures on which the numbers were found.
    canvas: OfCanvas,
    /// The brains.
    brain: Vec<Brain>,
    /// Those of several populations.
    #[serde(default)]
    several: Vec<Several>,
}

/// A drawn brain of several populations ([`Spec::several`]).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Several {
    /// Its name, `FAMILY-several-NUMBER`.
    pub name: String,
    /// How its cells are made.
    pub family: Family,
    /// Seed of its parameters.
    pub seed: u64,
    /// Per population, the drive of the best picture that some ascents found; also the semisaturation.
    pub oracle_drives: Vec<f64>,
}

impl Several {
    /// The names of the populations, in order: the parts of the visual field that they see.
    pub const POPULATIONS: [&str; 3] = ["left", "right", "lower"];

    /// The committed brains.
    pub fn all() -> &'static [Several] {
        &BRAINS.several
    }

    /// The committed brain of that name.
    pub fn find(name: &str) -> Option<&'static Several> {
        Self::all().iter().find(|brain| brain.name == name)
    }

    fn spec(&self, canvas: &Canvas) -> Spec {
        let spec = Spec::several(self.family, self.seed, canvas.texels, canvas.texels_per_deg);
        Spec { semisaturation: self.oracle_drives.clone(), ..spec }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfCanvas {
    texels: usize,
    texels_per_deg: f64,
    contrast_rms: f64,
    aperture_deg: f64,
    edge_deg: f64,
}

/// A drawn brain and what pictures can do to it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brain {
    /// Its name, `FAMILY-NUMBER`.
    pub name: String,
    /// How its cells are made.
    pub family: Family,
    /// Seed of its parameters.
    pub seed: u64,
    /// Drive of the best picture that 20 ascents from natural pictures found; also the semisaturation.
    pub oracle_drive: f64,
    /// Level of that picture.
    pub oracle_level: f64,
    /// Highest level among 200 natural pictures.
    pub natural_level: f64,
}

impl Brain {
    /// The committed brains.
    pub fn all() -> &'static [Brain] {
        &BRAINS.brain
    }

    /// The committed brain of that name.
    pub fn find(name: &str) -> Option<&'static Brain> {
        Self::all().iter().find(|brain| brain.name == name)
    }

    /// Gain of a level over the best natural picture's, 1 at the oracle's. `None` for other pictures than those on which the
    /// two were found.
    pub fn normalised_gain(&self, level: f64, canvas: &Canvas) -> Option<f64> {
        let of = &BRAINS.canvas;
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.01;
        let same = of.texels == canvas.texels
            && near(of.texels_per_deg, canvas.texels_per_deg)
            && near(of.contrast_rms, canvas.contrast_rms)
            && near(of.aperture_deg, canvas.aperture_deg)
            && near(of.edge_deg, canvas.edge_deg);
        same.then(|| (level - self.natural_level) / (self.oracle_level - self.natural_level))
    }

    fn spec(&self, canvas: &Canvas) -> Spec {
        let mut spec = Spec::draw(self.family, self.seed, canvas.texels, canvas.texels_per_deg, 1);
        spec.semisaturation = vec![self.oracle_drive];
        spec
    }
}

/// The names of all committed brains, those of several populations last.
pub fn names() -> impl Iterator<Item = &'static str> {
    let single = Brain::all().iter().map(|brain| brain.name.as_str());
    single.chain(Several::all().iter().map(|brain| brain.name.as_str()))
}

/// Whether a committed brain has this name; another is that of a file.
pub fn is_committed(name: &str) -> bool {
    names().any(|known| known == name)
}

/// A model as a population: its first output's first value, for a picture that fills the retina.
pub struct ModelPopulation {
    encoder: Encoder,
    gradient: Gradient,
    others: Vec<ArrayD<f32>>,
    side: usize,
    /// Where each population lies, where there are several.
    centres_deg: Vec<[f64; 2]>,
}

impl ModelPopulation {
    /// A committed brain by name, or a file.
    ///
    /// # Errors
    /// A name that is neither; a file that is refused; a model whose answer is no number.
    pub fn open(name: &str, canvas: &Canvas) -> Result<Self, SessionError> {
        if let Some(brain) = Brain::find(name) {
            return Self::drawn(brain, canvas);
        }
        if let Some(several) = Several::find(name) {
            return Self::several(several, canvas);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|end| end != "onnx") {
            let known = names().collect::<Vec<_>>().join(", ");
            return Err(SessionError::Usage(format!(
                "--brain {name}: no such brain and no .onnx file; there are {known}"
            )));
        }
        let encoder = match Encoder::open(path, None, &Limits::default()) {
            Err(EncoderError::NoForm { .. }) => foreign(path, name, canvas)?,
            other => other?,
        };
        let output = encoder.model().outputs().first().map(|output| output.name.clone());
        let output = output.ok_or_else(|| SessionError::Usage(format!("{name}: it has no output")))?;
        Self::new(encoder, &output, canvas)
    }

    /// A committed brain.
    ///
    /// # Errors
    /// As [`ModelPopulation::open`].
    pub fn drawn(brain: &Brain, canvas: &Canvas) -> Result<Self, SessionError> {
        let bytes = build(&brain.spec(canvas)).map_err(|error| SessionError::Usage(error.to_string()))?;
        let encoder = Encoder::from_bytes(&brain.name, &bytes, None, &Limits::default())?;
        Self::new(encoder, "level", canvas)
    }

    /// A committed brain of several populations.
    ///
    /// # Errors
    /// As [`ModelPopulation::open`].
    pub fn several(brain: &Several, canvas: &Canvas) -> Result<Self, SessionError> {
        let spec = brain.spec(canvas);
        let bytes = build(&spec).map_err(|error| SessionError::Usage(error.to_string()))?;
        let encoder = Encoder::from_bytes(&brain.name, &bytes, None, &Limits::default())?;
        let centres_deg = spec.populations.iter().map(|population| population.centre_deg).collect();
        Ok(Self { centres_deg, ..Self::new(encoder, "level", canvas)? })
    }

    fn new(encoder: Encoder, tap: &str, canvas: &Canvas) -> Result<Self, SessionError> {
        let gradient = encoder.gradient(&[tap], 1, 1, true)?;
        let [t, c, h, w] = encoder.form().shape;
        let grey = Array5::from_elem((1, t, c, h, w), 0.5);
        let mut others = encoder.inputs(&gradient, grey.view())?;
        others.remove(0);
        let mut population = Self { encoder, gradient, others, side: canvas.texels, centres_deg: Vec::new() };
        let level = population.level_of(&vec![0.5; canvas.count()]);
        match level {
            Some(level) if level.is_finite() => Ok(population),
            _ => Err(SessionError::Usage(format!(
                "brain {}: its answer to grey is no number",
                population.encoder.file()
            ))),
        }
    }

    /// The level for cells of linear light; of the first population, where there are several.
    pub fn level_of(&mut self, cells: &[f64]) -> Option<f64> {
        self.levels_of(cells)?.first().copied()
    }

    /// The level of each population.
    pub fn levels_of(&mut self, cells: &[f64]) -> Option<Vec<f64>> {
        let [t, c, h, w] = self.encoder.form().shape;
        // Nearest cell: a model of another size sees the same picture larger or smaller.
        let at = |row: usize, column: usize| {
            let (row, column) = (row * self.side / h, column * self.side / w);
            cells.get(row * self.side + column).copied().unwrap_or(0.5) as f32
        };
        let light = Array5::from_shape_fn((1, t, c, h, w), |(_, _, _, row, column)| at(row, column));
        let input = self.encoder.form().to_input(light.view());
        let inputs: Vec<_> = std::iter::once(&input).chain(&self.others).map(|array| array.view()).collect();
        let outputs = self.gradient.forward(&inputs).ok()?;
        outputs.first().map(|levels| levels.iter().map(|&level| f64::from(level)).collect())
    }
}

/// A file that does not say what its numbers mean: linear light around 0.5, which is what most filters are blind to.
fn foreign(path: &Path, name: &str, canvas: &Canvas) -> Result<Encoder, SessionError> {
    let model = adjoint::Model::open(path, &Limits::default()).map_err(EncoderError::from)?;
    let code = Code { transfer: Transfer::Linear, mean: vec![0.5], sd: vec![0.5], bgr: false };
    let input = crate::model::encoder::stimulus_input(&model, name)?;
    let form = guess_form(input, &code, [1, 1, canvas.texels, canvas.texels])?;
    Ok(Encoder::new(model, name, Some(form))?)
}

impl Population for ModelPopulation {
    fn level(&mut self, cells: &[f64]) -> f64 {
        self.level_of(cells).filter(|level| level.is_finite()).unwrap_or(0.0)
    }

    fn centres_deg(&self) -> &[[f64; 2]] {
        &self.centres_deg
    }

    fn levels(&mut self, cells: &[f64], levels: &mut [f64]) {
        levels.fill(0.0);
        let found = self.levels_of(cells).unwrap_or_default();
        for (level, found) in levels.iter_mut().zip(found) {
            *level = if found.is_finite() { found } else { 0.0 };
        }
    }
}
