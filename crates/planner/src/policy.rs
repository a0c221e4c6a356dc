//! What is shown next, and why.

use random::Random;
use timeline::{Purpose, Request, s_from_ns};

use crate::belief::Prediction;
use crate::features::Eyes;
use crate::field::Posterior;
use crate::propose::climb;
use crate::response::{Measured, Response};
use crate::search::Ask;
use crate::search::bayesian::{self, Bayesian};
use crate::search::shown::Shown;
use crate::surprise::{Surprise, Turn};
use crate::twin::Twin;
use crate::wavering::USUAL;
use crate::{Canvas, PlannerError, probe};

/// Presentations that the model has steered when it is first asked for proof.
const STEERED: usize = 16;

/// What is wanted of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// As much of it as possible.
    Drive,
    /// As little as possible.
    Suppress,
}

/// How a planner plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is wanted.
    pub aim: Aim,
    /// Probes before the model proposes anything; at least 2.
    pub probes: u32,
    /// Optimiser steps of one proposal.
    pub steps: u32,
    /// Standard deviations of the model's uncertainty that count when it explores.
    pub exploration: f64,
    /// Time over which what was learnt loses its worth.
    pub forgetting_s: f64,
    /// Other people whose fields are known: the prior. Nobody: the literature is.
    pub people: Vec<Posterior>,
    /// Settles everything that is drawn.
    pub seed: u64,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The picture's number: 1, 2, 3 ... in the order in which they are proposed. 0 is [`Planner::first`].
    pub picture: u64,
    /// Its pattern.
    pub pattern: Vec<f32>,
    /// Why.
    pub purpose: Purpose,
    /// Optimiser steps.
    pub iterations: u32,
    /// What the model predicts.
    pub predicted: Prediction,
    /// The picture that would be shown if this were the end.
    pub incumbent: u64,
    /// What the last measurement did to the trust in the model.
    pub trust: Turn,
}

/// What the model makes of a picture that was handed over.
#[derive(Debug, Clone)]
struct Seen {
    features: Vec<f64>,
    predicted: Prediction,
    /// Whether the model proposed it.
    is_of_model: bool,
}

/// The planner.
pub struct Planner {
    canvas: Canvas,
    settings: Settings,
    eyes: Eyes,
    response: Response,
    surprise: Surprise,
    /// `None` where nobody asks whether the model is right.
    twin: Option<Twin>,
    /// What knows no model: makes the Gabor probes, and goes on where the model fails.
    free: Bayesian,
    /// Content that `free` asked for and that is not measured yet.
    open: Option<usize>,
    fails: bool,
    random: Random,
    shown: Shown,
    /// Of each picture of `shown`.
    seen: Vec<Seen>,
    learnt: usize,
    begun_s: Option<f64>,
    values: (f64, f64),
}

impl Planner {
    /// Prepares a planner around an encoding model.
    ///
    /// # Errors
    /// Settings out of range; a canvas that takes no picture; a model that fails.
    pub fn new(canvas: Canvas, settings: Settings, mut eyes: Eyes) -> Result<Self, PlannerError> {
        let number = |what, value, ok, allowed| match ok {
            true => Ok(()),
            false => Err(PlannerError::Number { what, value, allowed }),
        };
        number("probes", f64::from(settings.probes), settings.probes >= 2, "2 or more")?;
        number("steps", f64::from(settings.steps), settings.steps >= 1, "1 or more")?;
        number("exploration", settings.exploration, settings.exploration >= 0.0, "0 or more")?;
        number("forgetting_s", settings.forgetting_s, settings.forgetting_s > 0.0, "above 0")?;
        canvas.constraints().check([1, 1, 1, canvas.texels, canvas.texels])?;
        let mut random = Random::new(settings.seed, 0);
        let first = probe::calibrating(&canvas, &mut random)?;
        let features = eyes.features(&canvas.light(&first))?;
        let response = Response::new(&eyes, &settings.people, settings.forgetting_s, settings.seed);
        let unknown = Prediction { mean: f64::NAN, sd: f64::NAN };
        let mut shown = Shown::default();
        shown.add(first);
        let seen = vec![Seen { features, predicted: unknown, is_of_model: false }];
        let twin = Twin::new(&eyes, &settings.people, settings.forgetting_s, settings.seed);
        let initial = (settings.probes as usize / 2).max(2);
        let search = bayesian::Settings { initial, ..bayesian::Settings::default() };
        let free = Bayesian::new(canvas.clone(), &search, settings.seed)?;
        Ok(Self {
            canvas,
            settings,
            eyes,
            response,
            surprise: Surprise::default(),
            twin: Some(twin),
            free,
            open: None,
            fails: false,
            random,
            shown,
            seen,
            learnt: 0,
            begun_s: None,
            values: (0.0, 0.0),
        })
    }

    /// The same without asking whether the model is right.
    pub(crate) fn unjudged(self) -> Self {
        Self { twin: None, ..self }
    }

    /// Picture 0, broadband noise of high contrast: what calibration shows.
    pub fn first(&self) -> &[f32] {
        self.shown.pattern(0)
    }

    /// Learns what the last picture did and proposes the next. `is_over` ends the search for it early (a deadline).
    ///
    /// # Errors
    /// A model that fails.
    pub fn propose(
        &mut self,
        request: &Request,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<Proposal, PlannerError> {
        let trust = self.learn(request, is_over)?;
        let count = self.seen.len() as u64 - 1;
        let probes = u64::from(self.settings.probes);
        let purpose = match count {
            n if n < probes && n % 2 == 0 => Purpose::ProbeNatural,
            n if n < probes => Purpose::ProbeGabor,
            _ if self.learnt < 2 => Purpose::ProbeNatural,
            // Either still proposes some, or nobody would see which is the better one.
            n if self.fails && self.model_leads() => {
                [Purpose::Explore, Purpose::Exploit, Purpose::Fallback, Purpose::Repeat][n as usize % 4]
            }
            n if self.fails => {
                [Purpose::Fallback, Purpose::Fallback, Purpose::Explore, Purpose::Repeat][n as usize % 4]
            }
            n => [Purpose::Explore, Purpose::Exploit, Purpose::Explore, Purpose::Repeat]
                [(n - probes) as usize % 4],
        };
        let (pattern, content, iterations) = self.make(purpose, is_over)?;
        let features = match content {
            Some(content) => self.seen[content].features.clone(),
            None => self.eyes.features(&self.canvas.light(&pattern))?,
        };
        let predicted = match content {
            Some(content) => self.response.predict_shown(content, &features),
            None => self.response.predict_new(&features),
        };
        let picture = match content {
            Some(content) => self.shown.repeat(content),
            None => self.shown.add(pattern.clone()),
        };
        let content = content.unwrap_or(picture);
        let is_of_model = matches!(purpose, Purpose::Explore | Purpose::Exploit);
        self.seen.push(Seen { features, predicted, is_of_model });
        if matches!(purpose, Purpose::ProbeGabor | Purpose::Fallback) {
            self.open = Some(content);
        }
        let incumbent = self.incumbent() as u64;
        Ok(Proposal { picture: picture as u64, pattern, purpose, iterations, predicted, incumbent, trust })
    }

    /// Mean squared surprise of the last presentations, and how many.
    pub fn surprise(&self) -> (f64, usize) {
        (self.surprise.mean(), self.surprise.count())
    }

    /// What is known of the person's field, where the model is one: what a prior for others is made of.
    pub fn posterior(&self) -> Option<Posterior> {
        self.response.posterior()
    }

    fn sign(&self) -> f64 {
        match self.settings.aim {
            Aim::Drive => 1.0,
            Aim::Suppress => -1.0,
        }
    }

    fn learn(&mut self, request: &Request, is_over: &mut dyn FnMut() -> bool) -> Result<Turn, PlannerError> {
        let at_s = s_from_ns(request.at_ns);
        let at_s = at_s - *self.begun_s.get_or_insert(at_s);
        let picture = request.picture.map(|picture| picture as usize);
        let content = picture.and_then(|picture| self.shown.content(picture));
        let measured = request.value.is_finite() && request.spread.is_finite();
        let (Some(picture), Some(content), true) = (picture, content, measured) else {
            return Ok(Turn::None);
        };
        let Seen { features, predicted, .. } = self.seen[picture].clone();
        self.shown.note(content, self.sign() * request.value, request.spread);
        self.values = (self.values.0 + request.value, self.values.1 + 1.0);
        let mean = (self.values.0 / self.values.1).max(0.0);
        let wavering = libm::hypot(USUAL.fast_sd, USUAL.drift_sd);
        let spread = |predicted: f64| libm::hypot(request.spread, wavering * mean.max(predicted));
        let measured = Measured { picture: content, value: request.value, spread: request.spread, at_s };
        if self.open == Some(content) {
            self.open = None;
            self.free.tell(content, self.sign() * request.value)?;
        }
        if let Some(twin) = &mut self.twin {
            twin.judge(measured, &features, predicted, spread, is_over);
        }
        if self.learnt >= self.settings.probes as usize {
            self.surprise.judge(predicted.mean, predicted.sd, request.value, spread(predicted.mean));
        }
        self.response.learn(measured, &features, is_over);
        self.learnt += 1;
        Ok(self.turn())
    }

    /// Whether the model is trusted from now on, by what was measured.
    fn turn(&mut self) -> Turn {
        let steered = self.learnt.saturating_sub(self.settings.probes as usize);
        let is_proven = self.twin.as_ref().is_none_or(|twin| twin.is_beaten(self.fails));
        let fails = self.surprise.fails() || (steered >= STEERED && !is_proven);
        match (std::mem::replace(&mut self.fails, fails), fails) {
            (false, true) => Turn::Fails,
            (true, false) => Turn::Back,
            _ => Turn::None,
        }
    }

    /// The picture of those that were measured that is believed to do most: by the model, or where that was given up and
    /// others found better pictures by what was measured alone.
    fn incumbent(&self) -> usize {
        let best = if self.fails && !self.model_leads() { self.shown.best() } else { self.best_shown(0.0) };
        best.unwrap_or(0)
    }

    /// Whether the picture that did most, as far as measurements alone tell, is one of the model's: it may predict badly and
    /// propose well.
    fn model_leads(&self) -> bool {
        self.shown.best().is_some_and(|best| self.seen[best].is_of_model)
    }

    fn best_shown(&self, kappa: f64) -> Option<usize> {
        let worth = |at: usize| {
            let predicted = self.response.predict_shown(at, &self.seen[at].features);
            self.sign() * predicted.mean + kappa * predicted.sd
        };
        let shown = self.shown.measured().iter().map(|&at| (at, worth(at)));
        shown.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
    }

    /// A pattern for a purpose; which picture it repeats, if it does; optimiser steps.
    fn make(
        &mut self,
        purpose: Purpose,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<(Vec<f32>, Option<usize>, u32), PlannerError> {
        match purpose {
            Purpose::ProbeNatural | Purpose::Localiser | Purpose::Reference | Purpose::Prepared => {
                Ok((probe::natural(&self.canvas, &mut self.random)?, None, 0))
            }
            Purpose::ProbeGabor | Purpose::Fallback => {
                let asked = match self.open {
                    Some(content) => Ask::Again(content),
                    None => self.free.ask()?,
                };
                Ok(match asked {
                    Ask::New(pattern) => (pattern, None, 0),
                    Ask::Again(content) => (self.shown.pattern(content).to_vec(), Some(content), 0),
                })
            }
            Purpose::Exploit => self.climb(None, is_over),
            Purpose::Explore => self.climb(Some(self.settings.exploration), is_over),
            Purpose::Repeat => {
                let best = self.best_shown(self.settings.exploration).unwrap_or(0);
                Ok((self.shown.pattern(best).to_vec(), Some(best), 0))
            }
        }
    }

    fn climb(
        &mut self,
        exploration: Option<f64>,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<(Vec<f32>, Option<usize>, u32), PlannerError> {
        let warm = self.shown.pattern(self.incumbent()).to_vec();
        let fresh = probe::natural(&self.canvas, &mut self.random)?;
        let judge = self.response.judge(self.sign(), exploration);
        let (mut best, mut iterations) = (None::<(Vec<f32>, f64)>, 0);
        for start in [warm, fresh] {
            let steps = self.settings.steps.div_ceil(2);
            let found = climb(&mut self.eyes, &self.canvas, &*judge, &start, steps, &mut *is_over)?;
            iterations += found.iterations;
            if best.as_ref().is_none_or(|(_, value)| found.value > *value) {
                best = Some((found.pattern, found.value));
            }
        }
        let pattern = best.map(|(pattern, _)| pattern).unwrap_or_default();
        Ok((pattern, None, iterations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoint::Limits;
    use encoding::encoder::Encoder;
    use encoding::population::{Family, Spec, build};

    const STEPS: u32 = 40;

    /// What is predicted of the proposal after `count` measured presentations, for which it took `steps`; and its purpose.
    fn predicted(count: u64, steps: u32) -> (f64, Purpose) {
        let canvas =
            Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 };
        let mut spec = Spec::draw(Family::Energy, 2, canvas.texels, canvas.texels_per_deg, 1);
        spec.semisaturation = vec![0.5];
        let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
        let mut brain = Eyes::values(encoder, "level", &canvas, true).unwrap();
        let settings = Settings {
            aim: Aim::Drive,
            probes: 10,
            steps: STEPS,
            exploration: 1.0,
            forgetting_s: 3600.0,
            people: Vec::new(),
            seed: 5,
        };
        let eyes = Eyes::v1(&canvas, true).unwrap();
        let mut planner = Planner::new(canvas.clone(), settings, eyes).unwrap();
        let mut random = Random::new(5, 50);
        let mut request = Request::first(0);
        for index in 0..count {
            let proposal = planner.propose(&request, &mut || false).unwrap();
            let level = brain.features(&canvas.light(&proposal.pattern)).unwrap()[0];
            request = Request {
                index: index + 1,
                at_ns: (index as i64 + 1) * 9_600_000_000,
                presentation: Some(index),
                picture: Some(proposal.picture),
                value: level + 0.1 * random.normal(),
                spread: 0.1,
                ..request
            };
        }
        planner.settings.steps = steps;
        let proposal = planner.propose(&request, &mut || false).unwrap();
        (proposal.predicted.mean, proposal.purpose)
    }

    /// The steps that the protocols allow for reach nine tenths of what ten times as many do.
    #[test]
    fn forty_steps_are_nearly_all_that_there_is() {
        let mut parts = Vec::new();
        for count in 10..30 {
            let (found, purpose) = predicted(count, STEPS);
            if purpose == Purpose::Exploit {
                parts.push(found / predicted(count, 10 * STEPS).0);
            }
        }
        parts.sort_by(f64::total_cmp);
        println!("parts of the converged objective: {parts:.3?}");
        assert!(parts.len() >= 4 && parts[0] > 0.9, "{parts:?}");
    }
}
