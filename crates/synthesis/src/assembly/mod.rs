//! The pieces put together: from parameters to a value, and back to their gradient.
//!
//! One evaluation renders the parameters, projects them onto what can be shown, and for each view of it feeds every model,
//! asks the [`Objective`], and carries the cotangents back through models, forms, view, projection and rendering. The value
//! is the mean over the views minus the priors' penalties. Models, forms and images are f32, parameters and sums f64.
//!
//! The views are drawn by [`Synthesis::draw_views`] and stay until it is called again: all evaluations in between are of one
//! function, so that a line search compares like with like.

mod arm;
mod error;
mod fit;

use adjoint::Cancel;
use encoding::encoder::Encoder;
use ndarray::{Array2, Array5, ArrayD};
use random::Random;

pub use error::AssemblyError;

use crate::constraint::{Constraints, Projection};
use crate::objective::{self, Evaluation, Objective, ObjectiveError, Weighted};
use crate::parametrisation::Parametrisation;
use crate::prior::Prior;
use crate::problem::Problem;
use crate::robustness::{Robustness, View};
use arm::{Manner, Planned, Taps, descend};

/// What a search is made of.
#[derive(Debug)]
pub struct Parts {
    /// What is searched.
    pub parametrisation: Parametrisation,
    /// What can be shown.
    pub constraints: Constraints,
    /// How views differ.
    pub robustness: Robustness,
    /// Views per evaluation; at least 1. One is enough where nothing is drawn.
    pub views: usize,
    /// Penalties.
    pub priors: Vec<Prior>,
    /// The models, which terms count from 0: with their parameters, lesions and stimulation. Stimuli of another size than a
    /// model's are resampled for it, colour becomes luminance for one that takes grey.
    pub arms: Vec<Encoder>,
    /// The objective.
    pub terms: Vec<Weighted>,
    /// Settles the views.
    pub seed: u64,
    /// Threads of each model; the bits do not depend on it.
    pub threads: usize,
    /// Plans models without timing ([`adjoint::Spec::untimed`]): the same seed and number of steps then give the same
    /// bytes on every load (on one kind of processor), and steps are slower. Otherwise the fastest methods are chosen by
    /// timing, and two loads may differ in the last bits.
    pub repeatable: bool,
}

/// Stream of the views' random numbers; one stream per drawing.
const VIEW_STREAM: u64 = 1 << 32;

/// A [`Problem`] of models, readouts and what can be shown.
#[derive(Debug)]
pub struct Synthesis {
    parametrisation: Parametrisation,
    constraints: Constraints,
    robustness: Robustness,
    priors: Vec<Prior>,
    arms: Vec<Planned>,
    objective: Objective,
    /// Per arm, the places of its taps among the objective's sites.
    slots: Vec<Vec<usize>>,
    seed: u64,
    count: usize,
    /// Empty: what is shown is seen as it is.
    views: Vec<View>,
    /// What the last evaluation saw, where that is what is shown.
    seen: Option<Shown>,
    cancel: Cancel,
}

/// A stimulus as it is shown, and what it is worth without any view's noise.
#[derive(Debug, Clone)]
pub struct Shown {
    /// [B, T, C, H, W] after projection and, where a display is given, at its levels.
    pub stimuli: Array5<f32>,
    /// Objective minus penalty.
    pub value: f64,
    /// The objective alone.
    pub objective: f64,
    /// The priors' penalties.
    pub penalty: f64,
    /// Each term's value before its weight.
    pub terms: Vec<f64>,
    /// All taps are zero.
    pub silent: bool,
}

/// Stimuli before and after projection, and what that did.
struct Projected {
    raw: Array5<f32>,
    stimuli: Array5<f32>,
    projection: Projection,
}

impl Shown {
    fn new(stimuli: Array5<f32>, evaluation: Evaluation, penalty: f64) -> Self {
        let Evaluation { value: objective, terms, silent, .. } = evaluation;
        Self { stimuli, value: objective - penalty, objective, penalty, terms, silent }
    }
}

impl Synthesis {
    /// Checks everything, then plans the models.
    ///
    /// # Errors
    /// Whatever does not fit or contradicts, with names and numbers, before any gradient is computed.
    pub fn new(parts: Parts) -> Result<Self, AssemblyError> {
        let shape = parts.parametrisation.shape();
        parts.constraints.check(shape)?;
        parts.robustness.check()?;
        parts.priors.iter().try_for_each(Prior::check)?;
        if parts.views == 0 {
            return Err(AssemblyError::Views { views: 0 });
        }
        if parts.terms.is_empty() {
            return Err(ObjectiveError::Empty.into());
        }
        let sites = objective::sites(&parts.terms);
        let count = parts.arms.len();
        for weighted in &parts.terms {
            if let Some(source) = weighted.term.sources().into_iter().find(|source| source.site.arm >= count)
            {
                return Err(AssemblyError::Arm { term: weighted.term.name(), arm: source.site.arm, count });
            }
        }
        let [stimuli, t, c, h, w] = shape;
        let manner =
            Manner { stimuli, shape: [t, c, h, w], threads: parts.threads, repeatable: parts.repeatable };
        let (mut arms, mut slots) = (Vec::new(), Vec::new());
        let mut shapes = vec![Vec::new(); sites.len()];
        for (number, arm) in parts.arms.iter().enumerate() {
            let own: Vec<usize> = (0..sites.len()).filter(|&site| sites[site].arm == number).collect();
            if own.is_empty() {
                return Err(AssemblyError::Idle { arm: number });
            }
            let taps: Vec<&str> = own.iter().map(|&site| sites[site].tap.as_str()).collect();
            let planned = Planned::new(number, arm, &taps, manner)?;
            own.iter().enumerate().for_each(|(slot, &site)| shapes[site] = planned.output_shape(slot));
            arms.push(planned);
            slots.push(own);
        }
        let objective = Objective::new(&parts.terms, &shapes)?;
        let mut synthesis = Self {
            parametrisation: parts.parametrisation,
            constraints: parts.constraints,
            robustness: parts.robustness,
            priors: parts.priors,
            arms,
            objective,
            slots,
            seed: parts.seed,
            count: parts.views,
            views: Vec::new(),
            seen: None,
            cancel: Cancel::new(),
        };
        synthesis.draw_views(0);
        Ok(synthesis)
    }

    /// The flag that ends an evaluation at the next node of a model.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// What is searched.
    pub fn parametrisation(&self) -> &Parametrisation {
        &self.parametrisation
    }

    /// The checked objective.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Draws the views of a step; each step's are the same whenever they are drawn.
    pub fn draw_views(&mut self, step: u64) {
        self.views.clear();
        if self.robustness == Robustness::default() {
            return;
        }
        let batch = self.parametrisation.shape()[0];
        let mut random = Random::new(self.seed, VIEW_STREAM + step);
        self.views = (0..self.count).map(|_| self.robustness.draw(&mut random, batch)).collect();
    }

    /// Whether a value under the views is that of [`Synthesis::shown`].
    pub fn is_plain(&self) -> bool {
        self.views.is_empty() && self.constraints.display.is_none()
    }

    /// What one evaluation with its gradient costs in the models, in ns, as measured when they were planned.
    pub fn step_cost_ns(&self) -> u64 {
        let once: u128 = self.arms.iter().map(|arm| arm.times().step().as_nanos()).sum();
        u64::try_from(once * self.views.len().max(1) as u128).unwrap_or(u64::MAX)
    }

    /// What parameters look like on the screen, and their plain value.
    ///
    /// # Errors
    /// A raised flag, a model that fails, constraints that this stimulus cannot meet.
    pub fn shown(&mut self, at: &[f64]) -> Result<Shown, AssemblyError> {
        let mut stimuli = self.rendered(at)?;
        self.constraints.finish(&mut stimuli)?;
        let evaluation = self.judged(&stimuli)?;
        let penalty = self.penalty(&stimuli, &mut Array5::zeros(stimuli.raw_dim()));
        Ok(Shown::new(stimuli, evaluation, penalty))
    }

    /// [`Synthesis::shown`] of the last evaluation's parameters, without another one: where that saw what is shown.
    pub fn take_seen(&mut self) -> Option<Shown> {
        self.seen.take()
    }

    /// What the objective's terms read of stimuli [B, T, C, H, W] as they are; see [`Objective::read`].
    ///
    /// # Errors
    /// A raised flag, a model that fails.
    ///
    /// # Panics
    /// When the stimuli have not the parametrisation's shape.
    pub fn read(&mut self, stimuli: &Array5<f32>) -> Result<Vec<Array2<f64>>, AssemblyError> {
        assert_eq!(stimuli.shape(), self.parametrisation.shape(), "shape of the stimuli");
        let outputs = self.forward(stimuli)?;
        Ok(self.objective.read(&gathered(&self.slots, &outputs))?)
    }

    fn rendered(&mut self, at: &[f64]) -> Result<Array5<f32>, AssemblyError> {
        let mut stimuli = Array5::zeros(self.parametrisation.shape());
        self.parametrisation.render(at, &mut stimuli)?;
        Ok(stimuli)
    }

    /// `None` where there is no projection: the worst value, not an error, since an optimiser may come by such a place (a
    /// constant image that has to have contrast).
    fn projected(&mut self, at: &[f64]) -> Result<Option<Projected>, AssemblyError> {
        let raw = self.rendered(at)?;
        let mut stimuli = raw.clone();
        let projection = self.constraints.project(&mut stimuli).ok();
        Ok(projection.map(|projection| Projected { raw, stimuli, projection }))
    }

    /// The penalties' sum; their gradient is added.
    fn penalty(&self, stimuli: &Array5<f32>, gradient: &mut Array5<f32>) -> f64 {
        self.priors.iter().map(|prior| prior.value_and_gradient(stimuli, gradient)).sum()
    }

    fn forward(&mut self, seen: &Array5<f32>) -> Result<Taps, AssemblyError> {
        let cancel = &self.cancel;
        self.arms.iter_mut().map(|arm| arm.forward(&arm.input(seen).1, cancel)).collect()
    }

    fn judged(&mut self, seen: &Array5<f32>) -> Result<Evaluation, AssemblyError> {
        let outputs = self.forward(seen)?;
        Ok(self.objective.evaluate(&gathered(&self.slots, &outputs))?)
    }

    /// Value of what is seen, and its gradient with respect to that.
    fn judged_with_gradient(
        &mut self,
        seen: &Array5<f32>,
    ) -> Result<(Evaluation, Array5<f32>), AssemblyError> {
        let (views, inputs): (Vec<_>, Vec<_>) = self.arms.iter().map(|arm| arm.input(seen)).unzip();
        let (objective, slots) = (&self.objective, &self.slots);
        let mut found = None;
        let mut judge = |outputs: &Taps| -> Result<Taps, AssemblyError> {
            let mut evaluation = objective.evaluate(&gathered(slots, outputs))?;
            let cotangents = std::mem::take(&mut evaluation.cotangents);
            found = Some(evaluation);
            let mut cotangents: Vec<Option<ArrayD<f32>>> = cotangents.into_iter().map(Some).collect();
            let of_arm = |own: &Vec<usize>| own.iter().filter_map(|&site| cotangents[site].take()).collect();
            Ok(slots.iter().map(of_arm).collect())
        };
        let gradients = descend(&mut self.arms, &inputs, &self.cancel, &mut judge)?;
        let mut sum = Array5::zeros(seen.raw_dim());
        for ((arm, view), gradient) in self.arms.iter().zip(&views).zip(&gradients) {
            sum += &arm.pull_back(view, gradient);
        }
        // A descent that ends well has asked the judge.
        found.map(|evaluation| (evaluation, sum)).ok_or(AssemblyError::Cancelled)
    }

    /// Before each evaluation: what was seen is of another one, and a raised flag ends this one.
    fn begin(&mut self) -> Result<(), AssemblyError> {
        self.seen = None;
        if self.cancel.is_raised() { Err(AssemblyError::Cancelled) } else { Ok(()) }
    }
}

/// Taps by arm as taps by site.
fn gathered(slots: &[Vec<usize>], outputs: &Taps) -> Vec<ArrayD<f32>> {
    let mut by_site: Vec<(usize, &ArrayD<f32>)> =
        slots.iter().flatten().copied().zip(outputs.iter().flatten()).collect();
    by_site.sort_by_key(|&(site, _)| site);
    by_site.into_iter().map(|(_, array)| array.clone()).collect()
}

impl Problem for Synthesis {
    type Error = AssemblyError;

    fn dimensions(&self) -> usize {
        self.parametrisation.len()
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, AssemblyError> {
        self.begin()?;
        let Some(Projected { stimuli, .. }) = self.projected(at)? else { return Ok(f64::NEG_INFINITY) };
        let penalty = self.penalty(&stimuli, &mut Array5::zeros(stimuli.raw_dim()));
        if self.views.is_empty() {
            let evaluation = self.judged(&stimuli)?;
            let shown = Shown::new(stimuli, evaluation, penalty);
            let value = shown.value;
            self.seen = self.is_plain().then_some(shown);
            return Ok(value);
        }
        let mut sum = 0.0;
        for index in 0..self.views.len() {
            let seen = self.views[index].apply(&stimuli);
            sum += self.judged(&seen)?.value;
        }
        Ok(sum / self.views.len() as f64 - penalty)
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, AssemblyError> {
        self.begin()?;
        let Some(Projected { raw, stimuli, projection }) = self.projected(at)? else {
            gradient.fill(0.0);
            return Ok(f64::NEG_INFINITY);
        };
        let mut slope = Array5::<f32>::zeros(stimuli.raw_dim());
        let penalty = self.penalty(&stimuli, &mut slope);
        slope.mapv_inplace(|value| -value);
        let mut value = -penalty;
        if self.views.is_empty() {
            let (evaluation, rise) = self.judged_with_gradient(&stimuli)?;
            slope += &rise;
            let shown = Shown::new(stimuli.clone(), evaluation, penalty);
            value = shown.value;
            self.seen = self.is_plain().then_some(shown);
        }
        let share = 1.0 / self.views.len().max(1) as f64;
        for index in 0..self.views.len() {
            let seen = self.views[index].apply(&stimuli);
            let (evaluation, rise) = self.judged_with_gradient(&seen)?;
            value += share * evaluation.value;
            slope.scaled_add(share as f32, &self.views[index].adjoint(&rise));
        }
        let slope = self.constraints.pull_back(&raw, &projection, &slope);
        self.parametrisation.pull_back(at, &slope, gradient)?;
        Ok(value)
    }

    /// Into the parametrisation's own bounds. Pixels also onto the constraints, for they are the stimulus: what an
    /// optimiser holds is then what is shown, and does not drift where projection hides it.
    fn project(&self, at: &mut [f64]) {
        self.parametrisation.project(at);
        if !matches!(self.parametrisation, Parametrisation::Pixels(_)) {
            return;
        }
        let shape = self.parametrisation.shape();
        let light = at.iter().map(|&value| value as f32).collect();
        let Ok(mut stimuli) = Array5::from_shape_vec(shape, light) else { return };
        let before = stimuli.clone();
        if self.constraints.project(&mut stimuli).is_ok() {
            // Numbers that stay keep their f64.
            for ((value, after), before) in at.iter_mut().zip(&stimuli).zip(&before) {
                if after != before {
                    *value = f64::from(*after);
                }
            }
        }
    }
}
