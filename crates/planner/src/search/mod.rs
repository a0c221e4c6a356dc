//! Searches that know no model: what the closed loop is compared with.
//!
//! | search | proposes |
//! |---|---|
//! | [`gabors`] | Gabors drawn at random; the better ones again, the others dropped |
//! | [`bayesian`] | the Gabor where a Gaussian process over its numbers expects most improvement |
//! | [`evolution`] | pictures of a generator ([`latent`]) whose latent CMA-ES or a genetic algorithm searches |
//!
//! All have one interface ([`Searcher`]): a request tells what the last picture did, a proposal asks for the next. Whom a
//! search believes best is found from its measurements alone. A picture whose response could not be measured is asked
//! again. Settings were found on brains 1 to 4 of each family; see docs/steering.md.

pub mod bayesian;
pub mod evolution;
pub mod gabors;
pub mod latent;
pub mod shown;
pub mod space;

use random::Random;
use synthesis::optimiser::{Settings as Optimiser, cma, genetic};
use timeline::{Purpose, Request};

use crate::belief::Prediction;
use crate::surprise::Turn;
use crate::{Aim, Canvas, PlannerError, Proposal, probe};
use bayesian::Bayesian;
use evolution::Evolution;
use gabors::Gabors;
use shown::Shown;

/// Which search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The best of many Gabors.
    Gabor,
    /// Bayesian optimisation over the numbers of a Gabor.
    Bayesian,
    /// CMA-ES in a generator's latent.
    CmaEs,
    /// A genetic algorithm in it.
    Genetic,
}

/// What a search wants shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// A new pattern.
    New(Vec<f32>),
    /// A picture again, by its content's number.
    Again(usize),
}

/// A search with its settings; those of [`Settings::of`] were found on the tuning brains.
#[derive(Debug, Clone, PartialEq)]
pub enum Settings {
    /// See [`Kind::Gabor`].
    Gabor(gabors::Settings),
    /// See [`Kind::Bayesian`].
    Bayesian(bayesian::Settings),
    /// In the latent of pictures of so many Gabors.
    CmaEs(cma::Settings, usize),
    /// As before.
    Genetic(genetic::Settings, usize),
}

impl Settings {
    /// The settings of a search.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Gabor => Self::Gabor(gabors::Settings::default()),
            Kind::Bayesian => Self::Bayesian(bayesian::Settings::default()),
            Kind::CmaEs => Self::CmaEs(cma::Settings { sigma: 0.5, ..cma::Settings::default() }, 6),
            Kind::Genetic => {
                Self::Genetic(genetic::Settings { again: true, ..genetic::Settings::default() }, 6)
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Search {
    Gabors(Gabors),
    Bayesian(Bayesian),
    Evolution(Evolution),
}

impl Search {
    fn new(settings: Settings, canvas: Canvas, seed: u64) -> Result<Self, PlannerError> {
        Ok(match settings {
            Settings::Gabor(settings) => Self::Gabors(Gabors::new(canvas, settings, seed)),
            Settings::Bayesian(settings) => Self::Bayesian(Bayesian::new(canvas, &settings, seed)?),
            Settings::CmaEs(method, gabors) => {
                Self::Evolution(Evolution::new(canvas, Optimiser::CmaEs(method), gabors, seed)?)
            }
            Settings::Genetic(method, gabors) => {
                Self::Evolution(Evolution::new(canvas, Optimiser::Genetic(method), gabors, seed)?)
            }
        })
    }

    fn ask(&mut self, shown: &Shown) -> Result<Ask, PlannerError> {
        match self {
            Self::Gabors(search) => search.ask(shown),
            Self::Bayesian(search) => search.ask(),
            Self::Evolution(search) => search.ask(),
        }
    }

    fn tell(&mut self, content: usize, value: f64) -> Result<(), PlannerError> {
        match self {
            Self::Gabors(search) => {
                search.tell(content);
                Ok(())
            }
            Self::Bayesian(search) => search.tell(content, value),
            Self::Evolution(search) => search.tell(content, value),
        }
    }

    fn incumbent(&mut self, shown: &Shown) -> Option<usize> {
        match self {
            Self::Gabors(_) => shown.best(),
            Self::Bayesian(search) => search.incumbent(shown),
            Self::Evolution(search) => search.incumbent(shown),
        }
    }
}

/// A search as a session's planner.
#[derive(Debug, Clone)]
pub struct Searcher {
    /// 1 for as much as possible, -1 for as little.
    sign: f64,
    shown: Shown,
    search: Search,
    /// Asked and not yet measured.
    open: Option<usize>,
}

impl Searcher {
    /// A search on a canvas; `seed` settles everything that is drawn.
    ///
    /// # Errors
    /// A canvas that takes no picture.
    pub fn new(canvas: Canvas, settings: Settings, aim: Aim, seed: u64) -> Result<Self, PlannerError> {
        canvas.constraints().check([1, 1, 1, canvas.texels, canvas.texels])?;
        let mut shown = Shown::default();
        shown.add(probe::calibrating(&canvas, &mut Random::new(seed, 0))?);
        let sign = match aim {
            Aim::Drive => 1.0,
            Aim::Suppress => -1.0,
        };
        Ok(Self { sign, shown, search: Search::new(settings, canvas, seed)?, open: None })
    }

    /// Picture 0, which calibration shows.
    pub fn first(&self) -> &[f32] {
        self.shown.pattern(0)
    }

    /// Learns what the last picture did and proposes the next.
    ///
    /// # Errors
    /// A canvas that takes no picture.
    pub fn propose(&mut self, request: &Request) -> Result<Proposal, PlannerError> {
        self.learn(request)?;
        let asked = match self.open {
            Some(content) => Ask::Again(content),
            None => self.search.ask(&self.shown)?,
        };
        let (picture, purpose) = match asked {
            Ask::New(pattern) => (self.shown.add(pattern), Purpose::Explore),
            Ask::Again(content) => (self.shown.repeat(content), Purpose::Repeat),
        };
        self.open = self.shown.content(picture);
        Ok(Proposal {
            picture: picture as u64,
            pattern: self.shown.pattern(picture).to_vec(),
            purpose,
            iterations: 0,
            predicted: Prediction { mean: f64::NAN, sd: f64::NAN },
            incumbent: self.search.incumbent(&self.shown).unwrap_or(0) as u64,
            trust: Turn::None,
        })
    }

    fn learn(&mut self, request: &Request) -> Result<(), PlannerError> {
        let content = request.picture.and_then(|picture| self.shown.content(picture as usize));
        let measured = request.value.is_finite() && request.spread.is_finite();
        // A late answer about another picture says nothing of the one that is asked.
        if let (Some(content), true) = (content.filter(|content| self.open == Some(*content)), measured) {
            self.open = None;
            self.shown.note(content, self.sign * request.value, request.spread);
            self.search.tell(content, self.sign * request.value)?;
        }
        Ok(())
    }
}
