//! A model with named taps, virtual lesions and stimulation.
//!
//! An [`Encoder`] is an ONNX model together with the [`Form`] of its input, values for its other inputs (the embedded
//! models take their parameters there) and what was changed in it. It turns stimuli into features, and gives the
//! planned gradient to whoever searches stimuli or fits parameters.

mod contract;
mod embedded;
mod error;
mod guess;
mod metadata;
mod rows;

use std::path::Path;

use adjoint::{Gradient, Intervention, Limits, Model, Spec, Tap, TensorInfo};
use ndarray::{Array2, ArrayD, ArrayView5, Axis, Slice, concatenate, s};

use crate::form::Form;
pub use contract::{Contract, TapRange};
pub use error::EncoderError;
pub use guess::{Code, form_of, guess_form, guess_layout};
pub use rows::{Features, Rows};

/// A model that can be asked what a stimulus does to its units.
#[derive(Debug, Clone)]
pub struct Encoder {
    model: Model,
    file: String,
    form: Form,
    image: TensorInfo,
    parameters: Vec<Parameter>,
    changes: Vec<Change>,
}

/// An input beside the stimulus: a number, or an array of them, that the model computes with.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name of the input.
    pub name: String,
    /// Its value, of the input's shape or broadcast to it; none where the file gives none.
    pub value: Option<ArrayD<f32>>,
    /// Lowest and highest value that makes sense, where the file says so.
    pub range: Option<[f64; 2]>,
}

/// A lesion or stimulation: `gain * tap + offset`.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    tap: String,
    gain: ArrayD<f32>,
    offset: ArrayD<f32>,
}

/// About so many numbers of input are run at once where the model leaves its batch open.
const BATCH_VALUES: usize = 1 << 18;
/// At most so many stimuli at once: more gain no speed.
const BATCH_MOST: usize = 32;

impl Encoder {
    /// Reads a model. Without a form the file has to say it itself, as the embedded models do.
    ///
    /// # Errors
    /// A file that is refused; no form, or one that contradicts itself or the model's input.
    pub fn open(path: &Path, form: Option<Form>, limits: &Limits) -> Result<Self, EncoderError> {
        Self::new(Model::open(path, limits)?, &path.display().to_string(), form)
    }

    /// As [`Encoder::open`], from memory; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        form: Option<Form>,
        limits: &Limits,
    ) -> Result<Self, EncoderError> {
        Self::new(Model::from_bytes(name, bytes, limits)?, name, form)
    }

    /// As [`Encoder::open`], for a model that was read before; `file` stands for it in messages.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    pub fn new(model: Model, file: &str, form: Option<Form>) -> Result<Self, EncoderError> {
        let image = stimulus_input(&model, file)?.clone();
        let form = match form {
            Some(form) => form,
            None => metadata::form(model.metadata(), &image)?
                .ok_or_else(|| EncoderError::NoForm { file: file.to_owned() })?,
        };
        guess::check_form(&form)?;
        check_shape(&form, &image, file)?;
        let others = model.inputs().iter().filter(|info| info.name != image.name && info.dtype.is_float());
        let parameters = others.map(|info| metadata::parameter(model.metadata(), &info.name)).collect();
        Ok(Self { model, file: file.to_owned(), form, image, parameters, changes: Vec::new() })
    }

    /// The model's file as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The model itself.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How a stimulus becomes the model's input.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Name of the input that takes the stimulus.
    pub fn stimulus_input(&self) -> &str {
        &self.image.name
    }

    /// The other inputs, with the values that they are given.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// [`EncoderError::Parameter`] if there is none.
    pub fn parameter(&self, name: &str) -> Result<&Parameter, EncoderError> {
        self.parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            EncoderError::Parameter { file: self.file.clone(), name: name.to_owned(), known }
        })
    }

    /// Gives a parameter a value, of the input's shape or one that broadcasts to it (`[]` for a single number).
    ///
    /// # Errors
    /// No such parameter; a value that is not finite or, where the file gives a range, outside it.
    pub fn set_parameter(&mut self, name: &str, value: ArrayD<f32>) -> Result<(), EncoderError> {
        let known = self.parameter(name)?;
        let range = known.range.unwrap_or([f64::MIN, f64::MAX]);
        let is_wrong = |v: &&f32| !(v.is_finite() && (range[0]..=range[1]).contains(&f64::from(**v)));
        if let Some(found) = value.iter().find(is_wrong) {
            let allowed = match known.range {
                Some([low, high]) => format!("{low} to {high} is allowed"),
                None => "finite numbers are allowed".to_owned(),
            };
            let (name, found) = (name.to_owned(), found.to_string());
            return Err(EncoderError::ParameterValue { name, found, allowed });
        }
        for parameter in self.parameters.iter_mut().filter(|parameter| parameter.name == name) {
            parameter.value = Some(value.clone());
        }
        Ok(())
    }

    /// Every tensor that a node computes, with its shape for one stimulus.
    pub fn taps(&self) -> Vec<Tap> {
        self.model
            .taps_for(&[(self.image.name.clone(), self.form.input_shape(self.own_batch().unwrap_or(1)))])
    }

    /// Replaces a tap by `gain * tap + offset` for all that reads it: a virtual lesion (gain 0), a partial one, a
    /// stimulation (offset). Both broadcast to the tap from the right: `[]` for all of it, `[C, 1, 1]` for each channel
    /// of [B, C, H, W]. Called again for the same tap it takes the place of what was there before; plans made with
    /// arrays of the same shapes stay good.
    ///
    /// # Errors
    /// A tap that the model does not have; shapes that do not broadcast; numbers that are not finite.
    pub fn intervene(
        &mut self,
        tap: &str,
        gain: ArrayD<f32>,
        offset: ArrayD<f32>,
    ) -> Result<(), EncoderError> {
        let shape = self.tap(tap)?.shape;
        let wrong = |reason: String| Err(EncoderError::Intervention { tap: tap.to_owned(), reason });
        for (what, array) in [("gain", &gain), ("offset", &offset)] {
            if let Some(value) = array.iter().find(|value| !value.is_finite()) {
                return wrong(format!("its {what} has a {value}; finite numbers are allowed"));
            }
            // The batch is broadcast over, and may differ between plans.
            if let Some(shape) = &shape
                && (array.ndim() > shape.len() || array.broadcast(shape.as_slice()).is_none())
            {
                let given = array.shape();
                return wrong(format!(
                    "a {what} of shape {given:?} does not broadcast to the tap's {shape:?}"
                ));
            }
        }
        self.changes.retain(|change| change.tap != tap);
        self.changes.push(Change { tap: tap.to_owned(), gain, offset });
        Ok(())
    }

    /// Takes all lesions and stimulation back.
    pub fn heal(&mut self) {
        self.changes.clear();
    }

    /// The planned gradient of the taps with respect to the stimulus input, for `batch` stimuli. Feed it with
    /// [`Encoder::inputs`], turn its answer into one of the light with [`Form::pull_back`].
    ///
    /// `untimed` gives the same bits on every load; see [`Spec::untimed`].
    ///
    /// # Errors
    /// A tap that the model does not have; a tap that the stimulus does not reach; an operator without a gradient.
    pub fn gradient(
        &self,
        taps: &[&str],
        batch: usize,
        threads: usize,
        untimed: bool,
    ) -> Result<Gradient, EncoderError> {
        let spec = self.spec(taps, batch, threads, untimed)?;
        let spec = spec.input(&self.image.name, &self.form.input_shape(batch));
        Ok(self.model.gradient(&spec)?)
    }

    /// As [`Encoder::gradient`], with respect to parameters instead of the stimulus.
    ///
    /// # Errors
    /// As [`Encoder::gradient`], and a parameter that the model does not have or that no tap depends on.
    pub fn parameter_gradient(
        &self,
        taps: &[&str],
        parameters: &[&str],
        batch: usize,
        threads: usize,
        untimed: bool,
    ) -> Result<Gradient, EncoderError> {
        Ok(self.model.gradient(&self.parameter_spec(taps, parameters, batch, threads, untimed)?)?)
    }

    /// Whether a gradient reaches the parameters from the taps, without planning it.
    ///
    /// # Errors
    /// As [`Encoder::parameter_gradient`].
    pub fn reaches(&self, taps: &[&str], parameters: &[&str], batch: usize) -> Result<(), EncoderError> {
        self.model.differentiable(&self.parameter_spec(taps, parameters, batch, 1, true)?)?;
        Ok(())
    }

    fn parameter_spec(
        &self,
        taps: &[&str],
        parameters: &[&str],
        batch: usize,
        threads: usize,
        untimed: bool,
    ) -> Result<Spec, EncoderError> {
        let mut spec = self.spec(taps, batch, threads, untimed)?;
        for name in parameters {
            self.parameter(name)?;
            spec = spec.input_as_declared(name);
        }
        Ok(spec.held(&self.image.name, &self.form.input_shape(batch)))
    }

    /// What a plan of this encoder is fed for these stimuli [B, T, C, H, W], in the plan's order.
    ///
    /// # Errors
    /// Stimuli of another shape or outside 0 to 1; a parameter without a value.
    pub fn inputs(
        &self,
        gradient: &Gradient,
        stimuli: ArrayView5<'_, f32>,
    ) -> Result<Vec<ArrayD<f32>>, EncoderError> {
        self.check_stimuli(stimuli)?;
        let names = gradient.input_names().enumerate();
        names
            .map(|(slot, name)| {
                if name == self.image.name {
                    return Ok(self.form.to_input(stimuli));
                }
                let value = self.value(name)?;
                let shape = gradient.input_shape(slot);
                let whole = value.broadcast(shape.as_slice()).map(|view| view.to_owned());
                whole.ok_or_else(|| EncoderError::ParameterValue {
                    name: name.to_owned(),
                    found: format!("an array of shape {:?}", value.shape()),
                    allowed: format!("the model wants {shape:?}"),
                })
            })
            .collect()
    }

    /// The maps from the taps' tensors in a plan to features.
    ///
    /// # Errors
    /// A tap whose first axis does not count stimuli; pooling that its shape does not allow.
    pub fn rows(
        &self,
        gradient: &Gradient,
        features: &[Features],
        batch: usize,
    ) -> Result<Vec<Rows>, EncoderError> {
        let slots = features.iter().enumerate();
        slots
            .map(|(slot, features)| {
                let shape = gradient.output_shape(slot);
                // A file with a batch of one is run part by part, and its answers are stacked.
                // Frames of a movie may stand beside its stimuli there.
                let counts =
                    [batch, batch * self.form.shape[0]].iter().any(|count| shape.first() == Some(count));
                if !counts && self.own_batch() != Some(1) {
                    return Err(EncoderError::Batch { tap: features.tap.clone(), shape, batch });
                }
                Rows::new(features, &shape, batch, self.form.layout)
            })
            .collect()
    }

    /// Features of stimuli [B, T, C, H, W] at each tap: [B, features], values or pooled values in the tap's row-major
    /// order. Runs in batches, on one thread, the same bits each time.
    ///
    /// # Errors
    /// As [`Encoder::gradient`] and [`Encoder::inputs`]; a value that is not finite.
    pub fn features(
        &self,
        stimuli: ArrayView5<'_, f32>,
        features: &[Features],
    ) -> Result<Vec<Array2<f64>>, EncoderError> {
        self.check_stimuli(stimuli)?;
        let batch = self.batch_for(stimuli.shape()[0]);
        let taps: Vec<&str> = features.iter().map(|features| features.tap.as_str()).collect();
        let mut gradient = self.gradient(&taps, batch, 1, true)?;
        let rows = self.rows(&gradient, features, batch)?;
        let mut found: Vec<Vec<Array2<f64>>> = vec![Vec::new(); taps.len()];
        for start in (0..stimuli.shape()[0]).step_by(batch) {
            let (part, real) = part_of(stimuli, start, batch);
            let inputs = self.inputs(&gradient, part.view())?;
            let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
            let outputs = gradient.forward(&views).map_err(|source| self.step(source))?;
            for ((rows, output), found) in rows.iter().zip(&outputs).zip(&mut found) {
                let values = rows.gather(output.view()).slice_move(s![..real, ..]);
                if let Some(((row, _), value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
                    let (tap, value) = (rows.tap().to_owned(), *value as f32);
                    let stimulus = format!("stimulus {}", start + row);
                    return Err(EncoderError::NonFinite { tap, value, stimulus });
                }
                found.push(values);
            }
        }
        let joined = found.into_iter().zip(&rows).map(|(parts, rows)| {
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            concatenate(Axis(0), &views).unwrap_or_else(|_| Array2::zeros((0, rows.width())))
        });
        Ok(joined.collect())
    }

    /// How many stimuli of `count` are best run at once.
    pub fn batch_for(&self, count: usize) -> usize {
        let one: usize = self.form.shape.iter().product();
        let most = (BATCH_VALUES / one).clamp(1, BATCH_MOST).min(count.max(1));
        match self.own_batch() {
            Some(own) => most.div_ceil(own) * own,
            None => most,
        }
    }

    /// The batch that the file fixes.
    fn own_batch(&self) -> Option<usize> {
        match self.image.shape.as_ref()?.first()? {
            adjoint::Dim::Known(own) if *own > 0 => Some(*own),
            _ => None,
        }
    }

    fn spec(&self, taps: &[&str], batch: usize, threads: usize, untimed: bool) -> Result<Spec, EncoderError> {
        if taps.is_empty() {
            return Err(EncoderError::NoTap { file: self.file.clone() });
        }
        if let Some(own) = self.own_batch().filter(|own| batch == 0 || !batch.is_multiple_of(*own)) {
            return Err(EncoderError::BatchSize { file: self.file.clone(), own, found: batch });
        }
        let mut spec = Spec::new().threads(threads);
        for tap in taps {
            self.tap(tap)?;
            spec = spec.output(tap);
        }
        for change in &self.changes {
            spec = spec.intervene(&change.tap, Intervention::fed(change.gain.shape(), change.offset.shape()));
        }
        Ok(if untimed { spec.untimed() } else { spec })
    }

    /// What an input beside the stimulus is fed.
    fn value(&self, name: &str) -> Result<&ArrayD<f32>, EncoderError> {
        for change in &self.changes {
            if name == Intervention::gain_input(&change.tap) {
                return Ok(&change.gain);
            }
            if name == Intervention::offset_input(&change.tap) {
                return Ok(&change.offset);
            }
        }
        let none = || EncoderError::NoValue { file: self.file.clone(), name: name.to_owned() };
        self.parameter(name)?.value.as_ref().ok_or_else(none)
    }

    /// The tap of this name.
    fn tap(&self, name: &str) -> Result<Tap, EncoderError> {
        let taps = self.taps();
        if let Some(tap) = taps.iter().find(|tap| tap.name == name) {
            return Ok(tap.clone());
        }
        let near = nearest(name, taps.iter().map(|tap| tap.name.as_str()));
        Err(EncoderError::Tap { file: self.file.clone(), name: name.to_owned(), near })
    }

    fn check_stimuli(&self, stimuli: ArrayView5<'_, f32>) -> Result<(), EncoderError> {
        if stimuli.shape()[1..] != self.form.shape {
            return Err(EncoderError::Stimuli { found: stimuli.shape().to_vec(), wanted: self.form.shape });
        }
        let outside = |value: &f32| !(0.0..=1.0).contains(value);
        match stimuli.indexed_iter().find(|(_, value)| outside(value)) {
            Some(((stimulus, ..), &value)) => Err(EncoderError::Light { stimulus, value }),
            None => Ok(()),
        }
    }

    pub(crate) fn step(&self, source: adjoint::StepError) -> EncoderError {
        EncoderError::Step { file: self.file.clone(), source }
    }
}

/// `batch` stimuli from `start` on, the last one repeated where there are fewer, and how many there are.
pub(crate) fn part_of(
    stimuli: ArrayView5<'_, f32>,
    start: usize,
    batch: usize,
) -> (ndarray::Array5<f32>, usize) {
    let count = stimuli.shape()[0];
    let real = batch.min(count - start);
    let indices: Vec<usize> = (start..start + batch).map(|index| index.min(count - 1)).collect();
    if real == batch {
        (stimuli.slice_axis(Axis(0), Slice::from(start..start + batch)).to_owned(), real)
    } else {
        (stimuli.select(Axis(0), &indices), real)
    }
}

/// The one input that can take stimuli.
fn stimulus_input<'a>(model: &'a Model, file: &str) -> Result<&'a TensorInfo, EncoderError> {
    let can = |info: &&TensorInfo| {
        info.dtype.is_float() && info.shape.as_ref().is_some_and(|shape| (4..=5).contains(&shape.len()))
    };
    let mut fitting = model.inputs().iter().filter(can);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(EncoderError::Input {
            file: file.to_owned(),
            count: model.inputs().iter().filter(can).count(),
            inputs: model
                .inputs()
                .iter()
                .map(|info| format!("{} {} {}", info.name, info.dtype, info.shape_text()))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// A form has to be a shape that the file allows its input.
fn check_shape(form: &Form, image: &TensorInfo, file: &str) -> Result<(), EncoderError> {
    let given = form.input_shape(1);
    let dims = image.shape.as_deref().unwrap_or_default();
    let fits = |(dim, size): (&adjoint::Dim, &usize)| match dim {
        adjoint::Dim::Known(own) => own == size,
        _ => true,
    };
    if dims.len() == given.len() && dims.iter().zip(&given).skip(1).all(fits) {
        return Ok(());
    }
    Err(EncoderError::InputShape {
        input: image.name.clone(),
        file: file.to_owned(),
        declared: image.shape_text(),
        layout: form.layout,
        given,
    })
}

/// The end of a message about a name that is not there: up to five that share the most with it.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let pairs = |text: &str| text.to_lowercase().into_bytes();
    let wanted = pairs(name);
    // Pairs of neighbouring letters in common, of those in either name.
    let alike = |other: &str| {
        let other = pairs(other);
        let common = wanted.windows(2).filter(|pair| other.windows(2).any(|p| p == *pair)).count();
        2.0 * common as f64 / (wanted.len() + other.len()).max(1) as f64
    };
    let mut scored: Vec<(f64, &str)> = names.map(|other| (alike(other), other)).collect();
    let total = scored.len();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let close: Vec<&str> = scored.iter().take(5).map(|(_, other)| *other).collect();
    format!("; of {total} taps the closest are {}", close.join(", "))
}
