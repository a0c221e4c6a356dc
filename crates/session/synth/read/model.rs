//! `[model.NAME]`, `[[intervention]]`, `[readout.NAME]`: what answers to the stimuli, and what was done to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding::encoder::{Code, Encoder, EncoderError, Features, form_of, guess_form};
use encoding::form::{Layout, Transfer};
use encoding::readout::Readout;
use encoding::v1::{self, Params};
use ndarray::{Array2, Array5, ArrayD, Axis};
use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use recording::sha256_hex;
use synthesis::assembly::AssemblyError;
use synthesis::objective::{Pool, Site, Source, Term, Units, Weighted};

use super::head::Stimulus;
use crate::model::Loader;
use crate::synth::outcome::FileUsed;
use crate::synth::reached::looking;

/// The models of a search, in the order of the file, with all that is read about them.
pub struct Arms<'s> {
    pub stimulus: &'s Stimulus,
    pub seed: u64,
    /// Folder of the specification, from which its paths count.
    pub folder: PathBuf,
    pub models: Vec<Arm>,
    readouts: Vec<Named>,
    /// Files that the specification names beside the models.
    pub files: Vec<FileUsed>,
}

/// One model.
pub struct Arm {
    pub name: String,
    pub encoder: Encoder,
    /// The embedded model's own description.
    pub params: Option<Params>,
    /// Its file, or what it is.
    pub source: String,
    pub sha256: String,
    /// The changes in words.
    pub interventions: Vec<String>,
    /// Of the taps, for one batch of the model's own.
    shapes: BTreeMap<String, Vec<usize>>,
}

/// Taps that an error lists.
const MOST_LISTED: usize = 40;

/// Reference images that a model is asked about at once.
const ANSWERED_AT_ONCE: usize = 8;

struct Named {
    name: String,
    model: usize,
    features: Features,
    readout: Arc<Readout>,
}

impl<'s> Arms<'s> {
    /// Reads the models, what is done to them, and the readouts.
    pub fn read(
        root: &Table<'_>,
        stimulus: &'s Stimulus,
        seed: u64,
        folder: &Path,
        loader: &Loader,
    ) -> Result<Self, ProtocolError> {
        let mut arms = Self {
            stimulus,
            seed,
            folder: folder.to_owned(),
            models: Vec::new(),
            readouts: Vec::new(),
            files: Vec::new(),
        };
        let kinds = ["embedded", "file"];
        for (name, table) in root.named_tables("model", &kinds)? {
            let arm = match table.one_of(&kinds)? {
                key @ "embedded" => super::embedded::read(&table, key, &name, stimulus, loader)?,
                key => arms.foreign(&table, key, &name, loader)?,
            };
            fits(&table, &arm, stimulus)?;
            arms.models.push(arm);
        }
        if arms.models.is_empty() {
            // Says what is missing in the reader's words.
            root.table_of_any("model")?;
            return Err(root.contradiction(
                "model",
                "needs at least one model, [model.NAME.embedded] or [model.NAME.file]",
            ));
        }
        super::intervention::read(root, &mut arms)?;
        arms.read_readouts(root)?;
        Ok(arms)
    }

    fn foreign(
        &self,
        table: &Table<'_>,
        key: &str,
        name: &str,
        loader: &Loader,
    ) -> Result<Arm, ProtocolError> {
        let keys = ["path", "layout", "transfer", "mean", "sd", "bgr", "parameters"];
        let table = table.table(key, &keys)?;
        let path = super::head::file(&table, "path", &self.folder)?;
        let refuse = |error: String| table.refuse("path", format!("a model that can be used: {error}"));
        let bytes = std::fs::read(&path).map_err(|error| refuse(error.to_string()))?;
        let model = loader.open(&path).map_err(|error| refuse(error.to_string()))?;
        let written = ["transfer", "mean", "sd", "bgr", "layout"].iter().any(|key| table.has(key));
        let form = match written {
            false => None,
            true => {
                let code = code(&table)?;
                let layout = table.optional("layout", |t, key| t.choice(key, &LAYOUTS))?;
                let fail =
                    |error: EncoderError| table.refuse("path", format!("a model whose input fits: {error}"));
                let input = crate::model::encoder::stimulus_input(&model, &path.display().to_string())
                    .map_err(fail)?;
                let open = self.stimulus.shape;
                let form = match layout {
                    Some(layout) => form_of(input, layout, &code, open),
                    None => guess_form(input, &code, open),
                };
                Some(form.map_err(fail)?)
            }
        };
        let mut encoder = Encoder::new(model, &path.display().to_string(), form)
            .map_err(|error| refuse(error.to_string()))?;
        parameters(&table, &mut encoder)?;
        let source = table.text("path")?;
        Ok(Arm::new(name, encoder, source, sha256_hex(&bytes)))
    }

    fn read_readouts(&mut self, root: &Table<'_>) -> Result<(), ProtocolError> {
        for (name, table) in root.named_tables("readout", &["model", "file"])? {
            let model = table.reference("model", "model", self.names())?;
            let path = super::head::file(&table, "file", &self.folder)?;
            self.used(&table, "file", &path)?;
            let (features, readout) = crate::model::readout::load(&path, &self.models[model].encoder)
                .map_err(|error| table.refuse("file", format!("a readout of this model: {error}")))?;
            self.readouts.push(Named { name, model, features, readout: Arc::new(readout) });
        }
        Ok(())
    }

    /// Names of the models in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|arm| arm.name.as_str())
    }

    /// The tap that a key names, which the model must have. Any tensor is one; those that have a name for people are listed
    /// where it is none.
    pub fn tap(&self, table: &Table<'_>, key: &str, arm: usize) -> Result<String, ProtocolError> {
        let name = table.text(key)?;
        let arm = &self.models[arm];
        if arm.shapes.contains_key(&name) {
            return Ok(name);
        }
        let mut listed: Vec<String> = match &arm.params {
            Some(params) => v1::taps(params).into_iter().map(|tap| tap.name).collect(),
            None => {
                arm.shapes.iter().filter(|(_, shape)| shape.len() > 2).map(|(name, _)| name.clone()).collect()
            }
        };
        listed.truncate(MOST_LISTED);
        listed.extend(arm.encoder.model().outputs().iter().map(|output| output.name.clone()));
        listed.dedup();
        table.reference(key, "tap", listed.iter().map(String::as_str)).map(|index| listed[index].clone())
    }

    /// Shape of a tap's values for the whole set: the first axis counts stimuli.
    pub fn shape_at(&self, arm: usize, tap: &str) -> Vec<usize> {
        let mut shape = self.models[arm].shapes.get(tap).cloned().unwrap_or_default();
        if let Some(first) = shape.first_mut() {
            *first = self.stimulus.count;
        }
        shape
    }

    /// Axis of a tap that counts channels, as the layout of the model's input has it.
    pub fn channel_axis(&self, arm: usize) -> usize {
        match self.models[arm].encoder.form().layout {
            Layout::Nhwc => 3,
            Layout::Ntchw => 2,
            _ => 1,
        }
    }

    /// A source through the readout that a key names, which must be of this tap; its pooling is the readout's own.
    pub fn through(&self, table: &Table<'_>, key: &str, source: Source) -> Result<Source, ProtocolError> {
        let index = table.reference(key, "readout", self.readouts.iter().map(|named| named.name.as_str()))?;
        let named = &self.readouts[index];
        if (named.model, named.features.tap.as_str()) != (source.site.arm, source.site.tap.as_str()) {
            let (tap, model) = (&named.features.tap, &self.models[named.model].name);
            return Err(table.refuse(key, format!("a readout of this tap; this one is of {tap} of {model}")));
        }
        let pool = named.features.pool.map(|cells| self.pool(source.site.arm, &source.site.tap, cells));
        Ok(Source { pool, ..source }.through(Arc::clone(&named.readout)))
    }

    /// Pooling over the axes of space that a tap of this model has.
    pub fn pool(&self, arm: usize, tap: &str, cells: [usize; 2]) -> Pool {
        let axes = match (self.models[arm].encoder.form().layout, self.shape_at(arm, tap).len()) {
            (Layout::Nhwc, 4) => [1, 2],
            (_, 5) => [3, 4],
            _ => [2, 3],
        };
        Pool { cells, axes }
    }

    /// What a source answers to stimuli [B, T, C, H, W]: [B, units], after pooling and readout. The model sees them as it does
    /// in the search.
    pub fn answer(&self, source: &Source, stimuli: &Array5<f32>) -> Result<Array2<f64>, String> {
        let words = |error: AssemblyError| error.to_string();
        let encoder = self.models[source.site.arm].encoder.clone();
        let site = Site { arm: 0, ..source.site.clone() };
        let whole = Term::Unit { source: Source { site, ..source.clone() }, units: Units::All };
        let count = stimuli.len_of(Axis(0));
        // One plan for all parts, so that what is left over is filled with repeats of the last stimulus.
        let at_once = count.min(ANSWERED_AT_ONCE);
        let mut synthesis = looking(vec![encoder], vec![Weighted::one(whole)], self.stimulus.shape, at_once)
            .map_err(words)?;
        let mut rows = Vec::new();
        for start in (0..count).step_by(at_once) {
            let chosen: Vec<usize> = (start..start + at_once).map(|index| index.min(count - 1)).collect();
            let read = synthesis.read(&stimuli.select(Axis(0), &chosen)).map_err(words)?.swap_remove(0);
            rows.extend(read.outer_iter().take(count - start).flat_map(|row| row.to_vec()));
        }
        let units = rows.len() / count;
        Array2::from_shape_vec((count, units), rows).map_err(|error| error.to_string())
    }

    /// Takes note of a file for the result's provenance.
    pub fn used(&mut self, table: &Table<'_>, key: &str, path: &Path) -> Result<(), ProtocolError> {
        let name = table.text(key)?;
        self.note(&name, path).map_err(|error| table.refuse(key, error))
    }

    /// The same, for a file of this name in the specification.
    pub fn note(&mut self, name: &str, path: &Path) -> Result<(), String> {
        let bytes = std::fs::read(path).map_err(|error| format!("a file that can be read: {error}"))?;
        if !self.files.iter().any(|other| other.path == name) {
            self.files.push(FileUsed { path: name.to_owned(), sha256: sha256_hex(&bytes) });
        }
        Ok(())
    }
}

impl Arm {
    /// A model that is read, with the shapes of its taps.
    pub fn new(name: &str, encoder: Encoder, source: String, sha256: String) -> Self {
        let taps = encoder.taps().into_iter();
        // A tensor of one axis has nothing but stimuli in it.
        let with_units = taps.filter_map(|tap| Some((tap.name, tap.shape.filter(|shape| shape.len() > 1)?)));
        let shapes = with_units.collect();
        let (params, interventions) = (None, Vec::new());
        Self { name: name.to_owned(), encoder, params, source, sha256, interventions, shapes }
    }
}

/// A model sees stimuli of another size resampled, colour as luminance where it takes grey, and an image in every frame;
/// movies it has to take as they are.
fn fits(table: &Table<'_>, arm: &Arm, stimulus: &Stimulus) -> Result<(), ProtocolError> {
    let (wanted, found) = (arm.encoder.form().shape, stimulus.shape);
    if let Some(open) = arm.encoder.parameters().iter().find(|parameter| parameter.value.is_none()) {
        let name = &open.name;
        return Err(
            table.itself(format!("its input {name} has no value; write `parameters = {{ {name} = ... }}`"))
        );
    }
    if found[0] == 1 || found[0] == wanted[0] {
        return Ok(());
    }
    Err(table.itself(format!("takes {} frames; [stimulus] has {}", wanted[0], found[0])))
}

const LAYOUTS: [(&str, Layout); 4] =
    [("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc), ("ncthw", Layout::Ncthw), ("ntchw", Layout::Ntchw)];

/// What the model's numbers mean: all of it has to be said, for no file of others says it.
pub fn code(table: &Table<'_>) -> Result<Code, ProtocolError> {
    let singles = |key: &str, range: Range| -> Result<Vec<f32>, ProtocolError> {
        Ok(table.numbers(key, None, range)?.into_iter().map(|value| value as f32).collect())
    };
    Ok(Code {
        transfer: table.choice("transfer", &[("linear", Transfer::Linear), ("srgb", Transfer::Srgb)])?,
        mean: singles("mean", Range::from(-1e6).up_to(1e6))?,
        sd: singles("sd", Range::above(0.0).up_to(1e6))?,
        bgr: table.boolean("bgr")?,
    })
}

/// `parameters = { NAME = 0.5 }`: values of the model's other inputs, one number each or a list.
pub fn parameters(table: &Table<'_>, encoder: &mut Encoder) -> Result<(), ProtocolError> {
    if !table.has("parameters") {
        return Ok(());
    }
    let names: Vec<String> = encoder.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let table = table.table("parameters", &names)?;
    for (name, ..) in table.entries() {
        let any = Range::from(-1e30).up_to(1e30);
        let value = match table.number(name, any) {
            Ok(number) => ArrayD::from_elem(vec![], number as f32),
            Err(_) => {
                let numbers = table.numbers(name, None, any)?;
                ArrayD::from_shape_vec(vec![numbers.len()], numbers.into_iter().map(|n| n as f32).collect())
                    .map_err(|error| table.refuse(name, error.to_string()))?
            }
        };
        encoder.set_parameter(name, value).map_err(|error| table.refuse(name, error.to_string()))?;
    }
    Ok(())
}
