//! A planner for several populations: one is driven or suppressed, the others stay at their baseline.
//!
//! ```text
//! localisers -> topographies -> amplitude of each population per presentation (components)
//! reference picture, again and again -> each population's baseline, and the drift of the gain that they share
//! probes -> a response model of each population -> pictures by gradient through all of them; the best are shown again
//! ```
//!
//! The baseline is what the reference picture does: broadband noise in the whole aperture, at the same contrast as all
//! other pictures. Probes and proposals have its texels where the other populations see ([`Confined`]), and are free in the
//! rest; the models see to what reaches beyond. Probes put the energy of that rest into the target's region where the
//! target is driven, and out of it where it is suppressed.

use random::Random;
use timeline::{Amplitudes, CHANNELS, NoticeKind, Purpose, Request, s_from_ns};

use crate::belief::Prediction;
use crate::components::{Components, FEWEST, TRUSTED};
use crate::confine::{Confined, climb_within};
use crate::drift::Drift;
use crate::features::{Eyes, Near};
use crate::linear::Linear;
use crate::policy::Settings;
use crate::selection::Selection;
use crate::surprise::{Surprise, Turn};
use crate::{Aim, Canvas, PlannerError, Proposal, probe};

/// RMS contrast of a localiser within its region, as far as the contrast of all pictures allows it.
const LOCALISER_RMS: f64 = 0.45;
/// Diameter within which a population sees over that of its region: it has soft borders.
const WIDER: f64 = 1.4;
/// Standard deviation of where its population's weights are expected, as a part of a region's diameter.
const NEAR: f64 = 0.6;

/// A part of the visual field, and so a population.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Its middle, [x, y] in degrees with y up.
    pub centre_deg: [f64; 2],
    /// Its diameter.
    pub diameter_deg: f64,
}

/// What a planner for several populations has to know beside [`Settings`].
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// The populations; at least two.
    pub regions: Vec<Region>,
    /// Which of them is moved; up with [`Aim::Drive`], down with [`Aim::Suppress`].
    pub target: usize,
    /// Presentations of each localiser.
    pub localisers: u32,
    /// Every how manieth presentation is the reference picture's.
    pub reference_every: u32,
    /// Part of its baseline by which another population may change.
    pub tolerance: f64,
    /// Channels of the EEG.
    pub channels: usize,
}

/// A picture that was handed over.
#[derive(Debug, Clone)]
struct Handed {
    /// The first picture with the same texels.
    content: usize,
    pattern: Vec<f32>,
    features: Vec<f64>,
    purpose: Purpose,
    /// What each population was predicted to do; empty where nothing was.
    predicted: Vec<Prediction>,
    measured: bool,
}

/// The planner.
pub struct Selective {
    canvas: Canvas,
    settings: Settings,
    regions: Regions,
    selection: Selection,
    eyes: Eyes,
    random: Random,
    handed: Vec<Handed>,
    /// Picture of each localiser, and of the reference.
    localisers: Vec<usize>,
    reference: Option<usize>,
    confined: Confined,
    /// Windows of each localiser.
    windows: Vec<Vec<Amplitudes>>,
    components: Option<Components>,
    responses: Vec<Linear>,
    /// Sum of the reference's responses over the gain, and how many.
    baseline: (f64, f64),
    drift: Drift,
    surprise: Surprise,
    learnt: u32,
    /// Presentations after the localisers, the reference's left out.
    proposed: u32,
    since_reference: u32,
    begun_s: Option<f64>,
    notices: Vec<(NoticeKind, i64, f64)>,
}

impl Selective {
    /// Prepares a planner around an encoding model.
    ///
    /// # Errors
    /// Settings out of range; a canvas that takes no picture; a model that fails.
    pub fn new(
        canvas: Canvas,
        settings: Settings,
        regions: Regions,
        mut eyes: Eyes,
    ) -> Result<Self, PlannerError> {
        check(&settings, &regions)?;
        canvas.constraints().check([1, 1, 1, canvas.texels, canvas.texels])?;
        let mut random = Random::new(settings.seed, 0);
        let pattern = probe::calibrating(&canvas, &mut random)?;
        let features = eyes.features(&canvas.light(&pattern))?;
        let first = Handed {
            content: 0,
            pattern,
            features,
            purpose: Purpose::Reference,
            predicted: Vec::new(),
            measured: false,
        };
        let reference = probe::broadband(&canvas, &mut random)?;
        let others = regions.regions.iter().enumerate().filter(|(at, _)| *at != regions.target);
        let mut free = vec![1.0; canvas.count()];
        for (_, region) in others {
            let sees = within(&canvas, region, WIDER);
            free.iter_mut().zip(sees).for_each(|(free, sees)| *free *= 1.0 - sees);
        }
        let confined = Confined::new(reference, free);
        let sign = if settings.aim == Aim::Suppress { -1.0 } else { 1.0 };
        let selection = Selection { target: regions.target, sign, tolerance: regions.tolerance };
        let count = regions.regions.len();
        Ok(Self {
            selection,
            responses: regions.regions.iter().map(|region| response(&eyes, &settings, region)).collect(),
            drift: Drift::new(settings.forgetting_s),
            canvas,
            settings,
            regions,
            eyes,
            random,
            handed: vec![first],
            localisers: Vec::new(),
            reference: None,
            confined,
            windows: vec![Vec::new(); count],
            components: None,
            baseline: (0.0, 0.0),
            surprise: Surprise::default(),
            learnt: 0,
            proposed: 0,
            since_reference: 0,
            begun_s: None,
            notices: Vec::new(),
        })
    }

    /// Picture 0, broadband noise of high contrast: what calibration shows.
    pub fn first(&self) -> &[f32] {
        &self.handed[0].pattern
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
        let trust = self.learn(request);
        let purpose = self.purpose();
        let (pattern, content, iterations) = self.make(purpose, is_over)?;
        let features = match content {
            Some(content) => self.handed[content].features.clone(),
            None => self.eyes.features(&self.canvas.light(&pattern))?,
        };
        let predicted: Vec<Prediction> =
            self.responses.iter().map(|response| response.predict(content, &features)).collect();
        let target = match self.learnt {
            0 => Prediction { mean: f64::NAN, sd: f64::NAN },
            _ => predicted[self.regions.target],
        };
        let picture = self.handed.len();
        let content = content.unwrap_or(picture);
        self.handed.push(Handed {
            content,
            pattern: pattern.clone(),
            features,
            purpose,
            predicted,
            measured: false,
        });
        let incumbent = self.best(0.0, 1.0).unwrap_or(0) as u64;
        let predicted = target;
        Ok(Proposal { picture: picture as u64, pattern, purpose, iterations, predicted, incumbent, trust })
    }

    /// Mean squared surprise of the last presentations, and how many.
    pub fn surprise(&self) -> (f64, usize) {
        (self.surprise.mean(), self.surprise.count())
    }

    /// What somebody should know, once: kind, count and value of a notice.
    pub fn notice(&mut self) -> Option<(NoticeKind, i64, f64)> {
        self.notices.pop()
    }

    fn purpose(&mut self) -> Purpose {
        if self.components.is_none() {
            return Purpose::Localiser;
        }
        if self.reference.is_none() || self.since_reference + 1 >= self.regions.reference_every {
            self.since_reference = 0;
            return Purpose::Reference;
        }
        self.since_reference += 1;
        let number = self.proposed;
        self.proposed += 1;
        let after = number.wrapping_sub(self.settings.probes);
        match number {
            n if n < self.settings.probes && n % 2 == 0 => Purpose::ProbeNatural,
            n if n < self.settings.probes => Purpose::ProbeGabor,
            _ if self.learnt < 2 => Purpose::ProbeNatural,
            _ if self.surprise.fails() => {
                [Purpose::Exploit, Purpose::Fallback, Purpose::Repeat][after as usize % 3]
            }
            // The first is what an open loop would show from now on.
            _ => [Purpose::Exploit, Purpose::Repeat, Purpose::Explore, Purpose::Repeat][after as usize % 4],
        }
    }

    fn learn(&mut self, request: &Request) -> Turn {
        let at_s = s_from_ns(request.at_ns);
        let at_s = at_s - *self.begun_s.get_or_insert(at_s);
        let Some(shown) = request.picture.and_then(|picture| self.handed.get(picture as usize)) else {
            return Turn::None;
        };
        let shown = shown.clone();
        if shown.purpose == Purpose::Localiser {
            self.localise(&shown, &request.amplitudes);
            return Turn::None;
        }
        let Some(components) = &self.components else { return Turn::None };
        let Some(values) = components.measure(&request.amplitudes) else { return Turn::None };
        let spreads = components.spreads();
        self.handed[shown.content].measured = true;
        if shown.purpose == Purpose::Reference {
            self.follow(&values, &spreads, at_s);
        }
        let (gain, _) = self.drift.now(at_s);
        let ripe = self.learnt >= self.settings.probes;
        let mut trust = Turn::None;
        for (k, (value, spread)) in values.iter().zip(spreads).enumerate() {
            let predicted = shown.predicted[k];
            let response = &mut self.responses[k];
            let (value, spread) = (value / gain, response.spread(spread, predicted.mean) / gain);
            if ripe && k == self.regions.target {
                trust = self.surprise.judge(predicted.mean, predicted.sd, value, spread);
            }
            let choose = self.learnt + 1 == self.settings.probes;
            response.learn(shown.content, &shown.features, value, spread, at_s, choose);
        }
        self.learnt += 1;
        trust
    }

    /// A localiser's window; with the last one the topographies are known.
    fn localise(&mut self, shown: &Handed, amplitudes: &Amplitudes) {
        let Some(at) = self.localisers.iter().position(|&picture| picture == shown.content) else { return };
        if amplitudes[..self.regions.channels].as_flattened().iter().all(|part| part.is_finite()) {
            self.windows[at].push(*amplitudes);
        }
        let handed = self.handed.iter().filter(|handed| handed.purpose == Purpose::Localiser).count();
        if handed >= self.regions.localisers as usize * self.localisers.len()
            && self.localisers.len() == self.windows.len()
        {
            self.components = Components::fit(&self.windows, self.regions.channels);
            let evidence = self.components.iter().flat_map(Components::evidence).enumerate();
            for (k, &evidence) in evidence.filter(|(_, evidence)| **evidence < TRUSTED) {
                self.notices.push((NoticeKind::LocaliserFailed, k as i64, evidence));
            }
        }
    }

    /// What the reference did says how the gain has drifted.
    fn follow(&mut self, values: &[f64], spreads: &[f64], at_s: f64) {
        let total: f64 = values.iter().sum();
        let noise = spreads.iter().map(|spread| spread * spread).sum::<f64>().sqrt();
        if self.baseline.1 > 0.0 {
            let expected = (self.baseline.0 / self.baseline.1).max(1e-9);
            let spread =
                self.responses[0].spread(0.0, self.responses[0].mean()) / self.responses[0].mean().max(1e-9);
            // The mean of few is not known well itself.
            let spread = libm::hypot(noise / expected, spread) * (1.0 + 1.0 / self.baseline.1).sqrt();
            self.drift.learn(total / expected, spread, at_s);
        }
        let (gain, _) = self.drift.now(at_s);
        self.baseline = (self.baseline.0 + total / gain, self.baseline.1 + 1.0);
    }

    fn baselines(&self) -> Vec<f64> {
        let reference = self.reference.map(|at| &self.handed[at]);
        let predicted = |response: &Linear| match reference {
            Some(shown) => response.predict(Some(shown.content), &shown.features),
            None => Prediction { mean: response.mean(), sd: 0.0 },
        };
        let least = self.responses.iter().map(Linear::mean).fold(0.0, f64::max);
        self.selection.baselines(&self.responses.iter().map(predicted).collect::<Vec<_>>(), least)
    }

    /// The picture of those that were measured that is worth most; neither localisers nor the reference.
    fn best(&self, kappa: f64, wary: f64) -> Option<usize> {
        let baselines = self.baselines();
        let worth = |at: usize| {
            let shown = &self.handed[at];
            let predicted: Vec<Prediction> =
                self.responses.iter().map(|response| response.predict(Some(at), &shown.features)).collect();
            self.selection.worth(&predicted, &baselines, kappa, wary)
        };
        let counts = |at: &usize| {
            let shown = &self.handed[*at];
            let is_given = matches!(shown.purpose, Purpose::Localiser | Purpose::Reference);
            shown.content == *at && shown.measured && !is_given
        };
        let shown = (0..self.handed.len()).filter(counts).map(|at| (at, worth(at)));
        shown.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
    }

    /// A pattern for a purpose; which picture it repeats, if it does; optimiser steps.
    fn make(
        &mut self,
        purpose: Purpose,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<(Vec<f32>, Option<usize>, u32), PlannerError> {
        let again = |handed: &[Handed], at: usize| (handed[at].pattern.clone(), Some(at), 0);
        let next = self.handed.len();
        Ok(match purpose {
            Purpose::Localiser => {
                let handed = self.handed.iter().filter(|handed| handed.purpose == Purpose::Localiser);
                let at = handed.count() % self.windows.len();
                if let Some(&picture) = self.localisers.get(at) {
                    return Ok(again(&self.handed, picture));
                }
                self.localisers.push(next);
                (localiser(&self.canvas, &self.regions.regions[at], &mut self.random)?, None, 0)
            }
            Purpose::Reference => match self.reference {
                Some(at) => again(&self.handed, at),
                None => {
                    self.reference = Some(next);
                    (self.confined.reference().to_vec(), None, 0)
                }
            },
            Purpose::ProbeGabor => (self.gabor()?, None, 0),
            Purpose::Exploit => self.climb(0.0, is_over)?,
            Purpose::Explore => self.climb(self.settings.exploration, is_over)?,
            Purpose::Repeat => match self.best(self.settings.exploration, 0.0) {
                Some(at) => again(&self.handed, at),
                None => (self.natural()?, None, 0),
            },
            Purpose::Fallback => (self.varied()?, None, 0),
            Purpose::ProbeNatural | Purpose::Prepared => (self.natural()?, None, 0),
        })
    }

    fn climb(
        &mut self,
        kappa: f64,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<(Vec<f32>, Option<usize>, u32), PlannerError> {
        let baselines = self.baselines();
        let fresh = self.natural()?;
        let warm = self.best(0.0, 1.0).map(|at| self.handed[at].pattern.clone());
        let (selection, responses) = (&self.selection, &self.responses);
        let judge = |features: &[f64]| selection.slope(responses, &baselines, features, kappa);
        let starts: Vec<Vec<f32>> = warm.into_iter().chain([fresh]).collect();
        let steps = self.settings.steps.div_ceil(starts.len() as u32);
        let (mut best, mut iterations) = (None::<(Vec<f32>, f64)>, 0);
        for start in &starts {
            let found = climb_within(
                &mut self.eyes,
                &self.canvas,
                &self.confined,
                &judge,
                start,
                steps,
                &mut *is_over,
            )?;
            iterations += found.iterations;
            if best.as_ref().is_none_or(|(_, value)| found.value > *value) {
                best = Some((found.pattern, found.value));
            }
        }
        Ok((best.map(|(pattern, _)| pattern).unwrap_or_default(), None, iterations))
    }

    /// The best so far with something natural mixed in: a step of a model-free search.
    fn varied(&mut self) -> Result<Vec<f32>, PlannerError> {
        let part = 0.15 + 0.45 * self.random.uniform();
        let other = self.natural()?;
        let best = &self.handed[self.best(0.0, 1.0).unwrap_or(0)].pattern;
        let keep = (1.0 - part * part).sqrt();
        let mix = |(b, o): (&f32, &f32)| (keep * f64::from(*b) + part * f64::from(*o)) as f32;
        let mixed: Vec<f32> = best.iter().zip(&other).map(mix).collect();
        self.confined.allowed(&self.canvas, &mixed)
    }

    /// Something natural, in the target's region or out of it.
    fn natural(&mut self) -> Result<Vec<f32>, PlannerError> {
        let pattern = probe::natural(&self.canvas, &mut self.random)?;
        self.beside(pattern)
    }

    /// A pattern in the target's region, or out of it where the target is suppressed.
    fn beside(&self, mut pattern: Vec<f32>) -> Result<Vec<f32>, PlannerError> {
        let sees = within(&self.canvas, &self.regions.regions[self.regions.target], WIDER);
        let is_driven = self.selection.sign > 0.0;
        pattern.iter_mut().zip(sees).for_each(|(texel, sees)| {
            *texel *= if is_driven { sees } else { 1.0 - sees } as f32;
        });
        self.confined.allowed(&self.canvas, &pattern)
    }

    /// A Gabor in the target's region or out of it: orientation, phase, spatial frequency (two octaves up to four texels per
    /// cycle), place and size are drawn.
    fn gabor(&mut self) -> Result<Vec<f32>, PlannerError> {
        if self.selection.sign < 0.0 {
            let pattern = probe::gabor(&self.canvas, &mut self.random)?;
            return self.beside(pattern);
        }
        let region = &self.regions.regions[self.regions.target];
        let mut uniform = || self.random.uniform();
        let cpd = 0.25 * self.canvas.texels_per_deg * libm::exp2(-2.0 * uniform());
        let reach = 0.4 * region.diameter_deg;
        let centre = region.centre_deg.map(|middle| middle + reach * (2.0 * uniform() - 1.0));
        let (turn, phase) = (core::f64::consts::PI * uniform(), core::f64::consts::TAU * uniform());
        let sd_deg = region.diameter_deg * (0.3 + 0.2 * uniform());
        let pattern = probe::gabor_at(&self.canvas, centre, turn, cpd, phase, sd_deg);
        self.confined.allowed(&self.canvas, &pattern)
    }
}

fn check(settings: &Settings, regions: &Regions) -> Result<(), PlannerError> {
    let number = |what, value, ok, allowed| match ok {
        true => Ok(()),
        false => Err(PlannerError::Number { what, value, allowed }),
    };
    let count = regions.regions.len();
    number("populations", count as f64, count >= 2, "2 or more")?;
    number("target", regions.target as f64, regions.target < count, "one of the populations")?;
    let channels = regions.channels;
    let enough = (count..=CHANNELS).contains(&channels);
    number("channels", channels as f64, enough, "as many as populations, at most 8")?;
    number(
        "localisers",
        f64::from(regions.localisers),
        regions.localisers as usize >= FEWEST,
        "3 or more of each population",
    )?;
    number("reference_every", f64::from(regions.reference_every), regions.reference_every >= 2, "2 or more")?;
    number("tolerance", regions.tolerance, regions.tolerance > 0.0, "above 0")?;
    number("probes", f64::from(settings.probes), settings.probes >= 2, "2 or more")?;
    number("steps", f64::from(settings.steps), settings.steps >= 1, "1 or more")?;
    number("exploration", settings.exploration, settings.exploration >= 0.0, "0 or more")?;
    number("forgetting_s", settings.forgetting_s, settings.forgetting_s > 0.0, "above 0")
}

/// The same in one region only, of a strong contrast there.
fn localiser(canvas: &Canvas, region: &Region, random: &mut Random) -> Result<Vec<f32>, PlannerError> {
    let part = region.diameter_deg / (canvas.aperture_deg - canvas.edge_deg);
    let contrast_rms = (LOCALISER_RMS * part.min(1.0)).min(canvas.contrast_rms);
    let weaker = Canvas { contrast_rms, ..canvas.clone() };
    let noise = probe::broadband(canvas, random)?;
    let window = within(canvas, region, 1.0);
    let pattern: Vec<f32> =
        noise.iter().zip(window).map(|(n, window)| (f64::from(*n) * window) as f32).collect();
    weaker.allowed(&pattern)
}

/// The model of the population that sees a region: what lies elsewhere says little of it.
fn response(eyes: &Eyes, settings: &Settings, region: &Region) -> Linear {
    let near = Near { centre_deg: region.centre_deg, sd_deg: NEAR * region.diameter_deg };
    Linear::new(eyes, settings.forgetting_s, Some(near))
}

/// 1 in a region, 0 outside, one half at the border of `wider` times its diameter.
fn within(canvas: &Canvas, region: &Region, wider: f64) -> Vec<f64> {
    let radius_deg = 0.5 * wider * region.diameter_deg;
    let window = |[x, y]: [f64; 2]| {
        let off = libm::hypot(x - region.centre_deg[0], y - region.centre_deg[1]) / radius_deg;
        1.0 / (1.0 + libm::pow(off, 8.0))
    };
    canvas.places_deg().map(window).collect()
}
