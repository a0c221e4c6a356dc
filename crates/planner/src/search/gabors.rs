//! The best of many Gabors: drawn at random, the better ones measured again, the others dropped.
//!
//! Sequential halving (Karnin, Koren and Somekh, ICML 2013): every round costs about as much as the one before, with fewer
//! Gabors and more measurements of each. The budget is not known beforehand, so halving begins again with new Gabors, and
//! those that won before take part.

use random::Random;

use super::shown::Shown;
use super::{Ask, space};
use crate::{Canvas, PlannerError};

/// Settings of [`Gabors`], found on the tuning brains.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Gabors drawn for each sequence of rounds.
    pub drawn: usize,
    /// One of so many goes on to the next round.
    pub one_of: usize,
    /// Winners of sequences before that take part in the next.
    pub champions: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { drawn: 24, one_of: 3, champions: 2 }
    }
}

/// The search.
#[derive(Debug, Clone)]
pub struct Gabors {
    settings: Settings,
    canvas: Canvas,
    random: Random,
    /// Still to be drawn in this sequence.
    to_draw: usize,
    /// Contents of this round.
    alive: Vec<usize>,
    /// Contents to be measured in this round, the next one last.
    queue: Vec<usize>,
    /// Measurements of each content in a round.
    times: usize,
}

impl Gabors {
    /// Nothing drawn yet.
    pub fn new(canvas: Canvas, settings: Settings, seed: u64) -> Self {
        let to_draw = settings.drawn;
        let random = Random::new(seed, 1);
        Self { settings, canvas, random, to_draw, alive: Vec::new(), queue: Vec::new(), times: 1 }
    }

    pub(super) fn ask(&mut self, shown: &Shown) -> Result<Ask, PlannerError> {
        if self.to_draw == 0 && self.queue.is_empty() {
            self.next_round(shown);
        }
        if let Some(content) = self.queue.pop() {
            return Ok(Ask::Again(content));
        }
        self.to_draw -= 1;
        let numbers = space::anywhere(&self.canvas, &mut self.random);
        space::picture(&self.canvas, &numbers).map(Ask::New)
    }

    pub(super) fn tell(&mut self, content: usize) {
        if !self.alive.contains(&content) {
            self.alive.push(content);
        }
    }

    fn next_round(&mut self, shown: &Shown) {
        let beliefs = shown.beliefs();
        let belief = |content: usize| beliefs.iter().find(|(at, _)| *at == content).map_or(f64::MIN, |b| b.1);
        self.alive.sort_by(|a, b| belief(*b).total_cmp(&belief(*a)));
        let champions = self.settings.champions;
        if self.alive.len() <= champions.max(1) {
            self.to_draw = self.settings.drawn;
            self.times = 1;
            return;
        }
        let kept =
            self.alive.len().div_ceil(self.settings.one_of).max(champions.min(self.alive.len() - 1)).max(1);
        self.alive.truncate(kept);
        self.times *= 2;
        self.queue = (0..self.times).flat_map(|_| self.alive.iter().rev().copied()).collect();
    }
}
