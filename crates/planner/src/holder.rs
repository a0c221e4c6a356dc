//! A planner that keeps a response at a set point with pictures that it has prepared.
//!
//! ```text
//! probes -> response model -> prepared pictures: the most driven, the most suppressed, and steps between, around the
//! set point -> per presentation: the one whose expected squared distance from the set point is least; where that leaves a
//! gap, a mixture of the two pictures on either side of it
//! ```
//!
//! The gain of a person drifts, and what each picture does is never quite known: every presentation tells of both, and how much
//! of each is one posterior ([`Linear::wandering`]). The choice is a model-predictive controller over prepared inputs: what is shown now changes
//! neither the drift nor later responses, so the best sequence over any horizon begins with the best next picture
//! (certainty is not assumed: `E (g r - w)^2` has the variances of both).

use random::Random;
use timeline::{NoticeKind, Purpose, Request, s_from_ns};

use crate::belief::{Prediction, Wandering};
use crate::features::Eyes;
use crate::linear::Linear;
use crate::policy::Settings;
use crate::propose::climb;
use crate::surprise::{Surprise, Turn};
use crate::{Canvas, PlannerError, Proposal, probe};

/// The steps between prepared pictures reach from the set point over this to the set point times this: more than a gain
/// drifts within a session.
const AROUND: f64 = 1.8;
/// Standard deviations of the prediction by which the set point must lie beyond every prepared picture to be out of reach.
const BEYOND: f64 = 1.0;
/// Amplitudes of one person within a session stray from their mean by about this part, from minute to minute.
const DRIFT_SD: f64 = 0.2;
/// A gain near zero would ask for any response.
const LEAST_GAIN: f64 = 0.3;
/// A distance from the set point, as a part of it, that no picture is made for.
const GAP: f64 = 0.05;
/// Part of the variance of what a new picture does that is left once it was shown some times.
const KNOWN_SOON: f64 = 0.5;
/// Presentations from one such picture to the next.
const REST: u32 = 3;
/// So many times the number of pictures may be prepared in all.
const MOST_MADE: usize = 3;
/// By how much the variance of what was measured grows when predictions fail.
const DOUBT: f64 = 4.0;

/// What is held, and with how many pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hold {
    /// The wanted response.
    pub set_point_uv: f64,
    /// Prepared pictures; at least 4.
    pub pictures: u32,
}

/// A picture that was handed over.
#[derive(Debug, Clone)]
struct Handed {
    content: usize,
    pattern: Vec<f32>,
    features: Vec<f64>,
    predicted: Prediction,
}

/// The planner.
pub struct Holder {
    canvas: Canvas,
    settings: Settings,
    hold: Hold,
    eyes: Eyes,
    random: Random,
    handed: Vec<Handed>,
    /// The prepared pictures, in the order in which they were made.
    bank: Vec<usize>,
    response: Linear,
    surprise: Surprise,
    learnt: u32,
    /// Presentations since a picture was made.
    since_made: u32,
    begun_s: Option<f64>,
    notice: Option<(NoticeKind, i64, f64)>,
}

impl Holder {
    /// Prepares a planner around an encoding model.
    ///
    /// # Errors
    /// Settings out of range; a canvas that takes no picture; a model that fails.
    pub fn new(canvas: Canvas, settings: Settings, hold: Hold, mut eyes: Eyes) -> Result<Self, PlannerError> {
        let number = |what, value, ok, allowed| match ok {
            true => Ok(()),
            false => Err(PlannerError::Number { what, value, allowed }),
        };
        number("probes", f64::from(settings.probes), settings.probes >= 2, "2 or more")?;
        number("steps", f64::from(settings.steps), settings.steps >= 1, "1 or more")?;
        number("forgetting_s", settings.forgetting_s, settings.forgetting_s > 0.0, "above 0")?;
        number("set_point_uv", hold.set_point_uv, hold.set_point_uv > 0.0, "above 0")?;
        number("pictures", f64::from(hold.pictures), hold.pictures >= 4, "4 or more")?;
        canvas.constraints().check([1, 1, 1, canvas.texels, canvas.texels])?;
        let mut random = Random::new(settings.seed, 0);
        let pattern = probe::calibrating(&canvas, &mut random)?;
        let features = eyes.features(&canvas.light(&pattern))?;
        let predicted = Prediction { mean: f64::NAN, sd: f64::NAN };
        Ok(Self {
            response: Linear::wandering(&eyes, Wandering { sd: DRIFT_SD, tau_s: settings.forgetting_s }),
            canvas,
            settings,
            hold,
            eyes,
            random,
            handed: vec![Handed { content: 0, pattern, features, predicted }],
            bank: Vec::new(),
            surprise: Surprise::default(),
            learnt: 0,
            since_made: 0,
            begun_s: None,
            notice: None,
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
        let at_s = s_from_ns(request.at_ns);
        let at_s = at_s - *self.begun_s.get_or_insert(at_s);
        let trust = self.learn(request, at_s);
        let count = self.handed.len() as u64 - 1;
        let probes = u64::from(self.settings.probes);
        let (purpose, pattern, content, iterations) = match count {
            n if n < probes && n % 2 == 0 => self.probe(Purpose::ProbeNatural)?,
            n if n < probes => self.probe(Purpose::ProbeGabor)?,
            _ if self.learnt < 2 => self.probe(Purpose::ProbeNatural)?,
            _ if self.bank.len() < self.hold.pictures as usize => self.prepare(at_s, is_over)?,
            _ => match self.between(at_s)? {
                Some(made) => made,
                None => {
                    let at = self.choose(at_s);
                    self.since_made += 1;
                    (Purpose::Prepared, self.handed[at].pattern.clone(), Some(at), 0)
                }
            },
        };
        let features = match content {
            Some(content) => self.handed[content].features.clone(),
            None => self.eyes.features(&self.canvas.light(&pattern))?,
        };
        // In uV as it will be measured, with the gain of now. A picture that was never shown has a number of its own.
        let shown = content.unwrap_or(self.handed.len());
        let predicted = self.response.belief().predict_at(shown, &features, at_s);
        let picture = self.handed.len();
        if purpose == Purpose::Exploit {
            self.bank.push(picture);
        }
        let content = content.unwrap_or(picture);
        self.handed.push(Handed { content, pattern: pattern.clone(), features, predicted });
        if purpose == Purpose::Exploit && self.bank.len() == self.hold.pictures as usize {
            self.judge_reach(at_s);
        }
        let incumbent = if self.bank.is_empty() { 0 } else { self.choose(at_s) as u64 };
        Ok(Proposal { picture: picture as u64, pattern, purpose, iterations, predicted, incumbent, trust })
    }

    /// Mean squared surprise of the last presentations, and how many.
    pub fn surprise(&self) -> (f64, usize) {
        (self.surprise.mean(), self.surprise.count())
    }

    /// What somebody should know, once: kind, count and value of a notice.
    pub fn notice(&mut self) -> Option<(NoticeKind, i64, f64)> {
        self.notice.take()
    }

    fn learn(&mut self, request: &Request, at_s: f64) -> Turn {
        let shown = request.picture.and_then(|picture| self.handed.get(picture as usize));
        let (Some(shown), true) = (shown, request.value.is_finite() && request.spread.is_finite()) else {
            return Turn::None;
        };
        let Handed { content, features, predicted, .. } = shown.clone();
        let spread = self.response.spread(request.spread, predicted.mean);
        let mut trust = Turn::None;
        if self.learnt >= self.settings.probes {
            trust = self.surprise.judge(predicted.mean, predicted.sd, request.value, spread);
            if trust == Turn::Fails {
                // The gain may have jumped: what is measured from now on counts more.
                self.response.doubt(DOUBT);
            }
        }
        let choose = self.learnt + 1 == self.settings.probes;
        self.response.learn(content, &features, request.value, spread, at_s, choose);
        self.learnt += 1;
        trust
    }

    fn prepared(&self, at_s: f64) -> impl Iterator<Item = (usize, Prediction)> + '_ {
        self.bank
            .iter()
            .map(move |&at| (at, self.response.belief().predict_at(at, &self.handed[at].features, at_s)))
    }

    /// The prepared picture whose expected squared distance from the set point is least.
    fn choose(&self, at_s: f64) -> usize {
        self.nearest(at_s).map_or(0, |(at, _)| at)
    }

    fn nearest(&self, at_s: f64) -> Option<(usize, Prediction)> {
        let cost = |one: &Prediction| (one.mean - self.hold.set_point_uv).powi(2) + one.sd * one.sd;
        self.prepared(at_s).min_by(|a, b| cost(&a.1).total_cmp(&cost(&b.1)))
    }

    /// A new picture where the set point lies in a gap between the prepared ones: on the way from the nearest below to the
    /// nearest above. What a picture does changes little by little on that way, so it passes the set point. That it is not known
    /// costs, so a gap has to be wide.
    fn between(&mut self, at_s: f64) -> Result<Option<Made>, PlannerError> {
        let wanted = self.hold.set_point_uv;
        let is_full = self.bank.len() >= MOST_MADE * self.hold.pictures as usize;
        let Some((_, nearest)) = self.nearest(at_s).filter(|_| self.since_made >= REST && !is_full) else {
            return Ok(None);
        };
        let all: Vec<(usize, Prediction)> = self.prepared(at_s).collect();
        let near = |a: &&(usize, Prediction), b: &&(usize, Prediction)| {
            (a.1.mean - wanted).abs().total_cmp(&(b.1.mean - wanted).abs())
        };
        let below = all.iter().filter(|one| one.1.mean <= wanted).min_by(near);
        let above = all.iter().filter(|one| one.1.mean > wanted).min_by(near);
        let (Some(&(below, low)), Some(&(above, high))) = (below, above) else { return Ok(None) };
        let part = (wanted - low.mean) / (high.mean - low.mean);
        let mix = |(a, b): (&f32, &f32)| ((1.0 - part) * f64::from(*a) + part * f64::from(*b)) as f32;
        let patterns = [below, above].map(|at| &self.handed[at].pattern);
        let mixed: Vec<f32> = patterns[0].iter().zip(patterns[1]).map(mix).collect();
        let pattern = self.canvas.allowed(&mixed)?;
        let features = self.eyes.features(&self.canvas.light(&pattern))?;
        let new = self.response.belief().predict_at(self.handed.len(), &features, at_s);
        let off = nearest.mean - wanted;
        if off * off + nearest.sd * nearest.sd < KNOWN_SOON * new.sd * new.sd + GAP * GAP * wanted * wanted {
            return Ok(None);
        }
        self.since_made = 0;
        Ok(Some((Purpose::Exploit, pattern, None, 0)))
    }

    fn probe(&mut self, purpose: Purpose) -> Result<Made, PlannerError> {
        let pattern = match purpose {
            Purpose::ProbeGabor => probe::gabor(&self.canvas, &mut self.random)?,
            _ => probe::natural(&self.canvas, &mut self.random)?,
        };
        Ok((purpose, pattern, None, 0))
    }

    /// The next prepared picture: the most driven, the most suppressed, then steps around the set point.
    fn prepare(&mut self, at_s: f64, is_over: &mut dyn FnMut() -> bool) -> Result<Made, PlannerError> {
        let start = probe::natural(&self.canvas, &mut self.random)?;
        let gain = self.response.belief().gain(at_s).max(LEAST_GAIN);
        let steps = f64::from(self.hold.pictures - 2);
        let wanted = match self.bank.len() {
            0 | 1 => None,
            n => {
                let part = 2.0 * (n - 2) as f64 / (steps - 1.0) - 1.0;
                Some(self.hold.set_point_uv / gain * libm::pow(AROUND, part))
            }
        };
        let sign = if self.bank.is_empty() { 1.0 } else { -1.0 };
        let belief = self.response.belief();
        let judge = |features: &[f64]| match wanted {
            None => belief.bound(features, sign, 0.0),
            Some(wanted) => {
                let (mean, mut slope) = belief.bound(features, 1.0, 0.0);
                slope.iter_mut().for_each(|slope| *slope *= -2.0 * (mean - wanted));
                (-(mean - wanted) * (mean - wanted), slope)
            }
        };
        let steps = self.settings.steps;
        let found = climb(&mut self.eyes, &self.canvas, &judge, &start, steps, &mut *is_over)?;
        Ok((Purpose::Exploit, found.pattern, None, found.iterations))
    }

    /// Says so when no prepared picture is predicted to reach the set point.
    fn judge_reach(&mut self, at_s: f64) {
        let wanted = self.hold.set_point_uv;
        let reached = self.prepared(at_s).map(|(_, one)| one);
        let all: Vec<Prediction> = reached.collect();
        let below = all.iter().all(|one| one.mean + BEYOND * one.sd < wanted);
        let above = all.iter().all(|one| one.mean - BEYOND * one.sd > wanted);
        if below || above {
            let off = |one: &&Prediction| (one.mean - wanted).abs();
            let nearest =
                all.iter().min_by(|a, b| off(a).total_cmp(&off(b))).map_or(f64::NAN, |one| one.mean);
            self.notice = Some((NoticeKind::OutOfReach, (1e3 * wanted).round() as i64, nearest));
        }
    }
}

/// Purpose, pattern, which picture it repeats, optimiser steps.
type Made = (Purpose, Vec<f32>, Option<usize>, u32);
