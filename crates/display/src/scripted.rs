//! A screen that is a script: seeded, without a GPU or a clock, and it says the truth beside the stamps.
//!
//! Its vblank is what a screen's is: periodic, off the nominal period by some parts per million, wandering by a few more as a
//! quartz does with its temperature. What jitters is the stamps.

use std::f64::consts::TAU;

use random::Random;
use timeline::OnsetClass;

use crate::config::Pacing;
use crate::presenter::{Began, Gone, Presenter, Stamp};

/// How stamps lie about the vblanks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Uniform up to that many ns on either side.
    Uniform(f64),
    /// Normal with that standard deviation in ns.
    Normal(f64),
    /// Only late, uniform up to that many ns.
    Late(f64),
    /// Only late, exponential with that mean in ns.
    LateTail(f64),
}

impl Jitter {
    /// Whether no stamp is early.
    pub const fn is_late(self) -> bool {
        matches!(self, Self::None | Self::Late(_) | Self::LateTail(_))
    }

    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Uniform(most) => most * (2.0 * random.uniform() - 1.0),
            Self::Normal(sd) => sd * random.normal(),
            Self::Late(most) => most * random.uniform(),
            Self::LateTail(mean) => random.exponential(mean),
        }
    }
}

/// What the screen does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Script {
    /// Refresh 0 begins here.
    pub start_ns: i64,
    /// The nominal refresh.
    pub refresh_hz: f64,
    /// How much longer the true period is, in parts per million.
    pub offset_ppm: f64,
    /// By how much the period wanders to either side of that, in parts per million ...
    pub wander_ppm: f64,
    /// ... and in which time it goes there and back, in s.
    pub wander_s: f64,
    /// How stamps lie about the vblanks.
    pub jitter: Jitter,
    /// Part of the presents that come a refresh late or more, so that the frame before stays.
    pub drops: f64,
    /// Part of the presents that come in the same refresh as the one before, so that nobody sees that.
    pub doublings: f64,
    /// Variable refresh: the shortest and longest interval in ns, between which each is drawn. Then there is no period, and
    /// no index of a refresh says a time.
    pub variable_ns: Option<[f64; 2]>,
    /// Of everything that is drawn.
    pub seed: u64,
}

impl Script {
    /// A perfect screen.
    pub const fn exact(start_ns: i64, refresh_hz: f64) -> Self {
        Self {
            start_ns,
            refresh_hz,
            offset_ppm: 0.0,
            wander_ppm: 0.0,
            wander_s: 1_200.0,
            jitter: Jitter::None,
            drops: 0.0,
            doublings: 0.0,
            variable_ns: None,
            seed: 0,
        }
    }

    /// When refresh `k` truly begins, in ns since the start; not of a variable refresh.
    pub fn vblank_ns(&self, k: u64) -> f64 {
        let elapsed_ns = k as f64 * (1e9 / self.refresh_hz);
        let wander_ns = self.wander_s * 1e9 / TAU;
        elapsed_ns * (1.0 + 1e-6 * self.offset_ppm)
            + 1e-6 * self.wander_ppm * wander_ns * libm::sin(elapsed_ns / wander_ns)
    }
}

/// What really came of a present.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Index of the refresh at which it was seen.
    pub refresh: u64,
    /// When that began.
    pub vblank_ns: f64,
    /// Refreshes that the frame before stayed longer.
    pub dropped: u64,
    /// Whether it replaced the one before in the same refresh.
    pub doubled: bool,
}

/// The screen.
#[derive(Debug, Clone)]
pub struct Scripted {
    script: Script,
    stamped: Random,
    happens: Random,
    truth: Truth,
    handed: bool,
}

impl Scripted {
    /// A screen before its first refresh.
    pub fn new(script: Script) -> Self {
        Self {
            stamped: Random::new(script.seed, 1),
            happens: Random::new(script.seed, 2),
            truth: Truth { refresh: 0, vblank_ns: 0.0, dropped: 0, doubled: false },
            script,
            handed: false,
        }
    }

    /// What really came of the present that was stamped last; its instant counts from the script's start.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// When the newest present was really seen.
    pub fn seen_ns(&self) -> i64 {
        self.script.start_ns + self.truth.vblank_ns.round() as i64
    }

    /// The present that was handed over takes effect.
    fn take(&mut self) {
        let chance = self.happens.uniform();
        let Script { drops, doublings, variable_ns, .. } = self.script;
        if let Some([least, most]) = variable_ns {
            let (refresh, interval_ns) = (self.truth.refresh + 1, least + chance * (most - least));
            let vblank_ns = self.truth.vblank_ns + interval_ns;
            self.truth = Truth { refresh, vblank_ns, dropped: 0, doubled: false };
            return;
        }
        let doubled = chance < doublings;
        let dropped = match chance - doublings {
            // One refresh mostly, two or three now and then.
            rest if (0.0..drops).contains(&rest) => {
                let part = rest / drops;
                1 + (3.0 * part * part * part * part) as u64
            }
            _ => 0,
        };
        let refresh = self.truth.refresh + if doubled { 0 } else { 1 + dropped };
        self.truth = Truth { refresh, vblank_ns: self.script.vblank_ns(refresh), dropped, doubled };
    }
}

impl Presenter for Scripted {
    fn pacing(&self) -> Pacing {
        Pacing::Screen
    }

    fn begin(&mut self, _: i64) -> Result<Began, Gone> {
        if std::mem::take(&mut self.handed) {
            self.take();
        }
        let jitter_ns = self.script.jitter.draw(&mut self.stamped);
        let at_ns = self.script.start_ns + (self.truth.vblank_ns + jitter_ns).round() as i64;
        let stamp = Some(Stamp { at_ns, class: OnsetClass::Predicted });
        Ok(Began { now_ns: at_ns, stamp, takes: true })
    }

    fn present(&mut self, _: i64) -> i64 {
        self.handed = true;
        self.script.start_ns + self.truth.vblank_ns.round() as i64
    }
}
