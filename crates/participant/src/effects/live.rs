//! The effects of one person in one session.

use random::Random;

use super::adaptation::Adapting;
use super::attention::Attending;
use super::dropouts::Losing;
use super::gaze::{Eyes, Gaze};
use super::retina::Retina;
use crate::montage::Electrode;
use crate::{Drive, Person, Setup};

/// Random numbers of each purpose; 1 and 2 are gain and background.
const ATTENTION_STREAM: u64 = 3;
const DROPOUT_STREAM: u64 = 4;
const GAZE_STREAM: u64 = 5;

/// PO8's place to the right, at which the corneo-retinal potential is given.
const PO8_X: f64 = 2.4;

/// All that is on.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    adaptation: Option<Adapting>,
    attention: Option<Attending>,
    losing: Option<Losing>,
    dropouts_at_s: Vec<f64>,
    /// The same schedule twice: frames come ahead of the samples.
    seeing: Eyes,
    sampling: Eyes,
    has_gaze: bool,
    gaze: Gaze,
    closed_from: f64,
    retina: Retina,
    leads: Vec<Lead>,
}

/// What a channel takes of the eyes' potentials.
#[derive(Debug, Clone, Copy)]
struct Lead {
    right_uv_per_deg: f64,
    up_uv_per_deg: f64,
    spike: f64,
    blink_uv: f64,
}

impl Live {
    /// `None` when nothing is on.
    pub(crate) fn new(person: &Person, setup: &Setup, electrodes: &[Electrode], seed: u64) -> Option<Self> {
        let effects = &person.effects;
        if effects.is_none() {
            return None;
        }
        let rate_hz = setup.rate_hz;
        let (saccades, blinks) = (effects.saccades.as_ref(), effects.blinks.as_ref());
        let eyes = Eyes::new(saccades, blinks, person, |k| Random::new(seed, GAZE_STREAM + k));
        let uv_per_deg = saccades.map_or(0.0, |saccades| saccades.corneo_retinal_uv_per_deg);
        let lead = |electrode: &Electrode| Lead {
            right_uv_per_deg: uv_per_deg * electrode.x / PO8_X,
            up_uv_per_deg: uv_per_deg * electrode.blink,
            spike: electrode.blink,
            blink_uv: if blinks.is_some() { person.blink_uv * electrode.blink } else { 0.0 },
        };
        Some(Self {
            adaptation: effects.adaptation.as_ref().map(|a| Adapting::new(a, person, rate_hz)),
            attention: effects
                .attention
                .as_ref()
                .map(|a| Attending::new(a, rate_hz, Random::new(seed, ATTENTION_STREAM))),
            losing: effects
                .dropouts
                .as_ref()
                .map(|d| Losing::new(d, rate_hz, Random::new(seed, DROPOUT_STREAM))),
            dropouts_at_s: effects.dropouts.as_ref().map_or(Vec::new(), |d| d.at_s.clone()),
            seeing: eyes.clone(),
            sampling: eyes,
            has_gaze: saccades.is_some() || blinks.is_some(),
            gaze: Gaze::default(),
            closed_from: blinks.map_or(f64::INFINITY, |blinks| blinks.closed_from),
            retina: Retina::new(setup.retina_width, setup.retina_height, setup.cells_per_deg),
            leads: electrodes.iter().map(lead).collect(),
        })
    }

    /// What of a frame reaches the retina.
    pub(crate) fn look<'a>(&'a mut self, onset_ns: i64, cells: &'a [f64]) -> &'a [f64] {
        self.begin(onset_ns);
        let gaze = self.seeing.at(onset_ns);
        if !self.retina.fits(cells) || (gaze.x_deg == 0.0 && gaze.y_deg == 0.0 && gaze.lid == 0.0) {
            // The brain refuses a frame of another size.
            return cells;
        }
        if gaze.lid > self.closed_from {
            return self.retina.covered(cells);
        }
        self.retina.shifted(cells, gaze.x_deg, gaze.y_deg)
    }

    pub(crate) fn drive(&mut self, drive: Drive) -> Drive {
        self.adaptation.as_mut().map_or(drive, |adapting| adapting.step(drive))
    }

    /// Moves attention and losses on by one sample; the factor of the gain.
    pub(crate) fn step(&mut self) -> f64 {
        if let Some(losing) = &mut self.losing {
            losing.step(&self.dropouts_at_s);
        }
        self.attention.as_mut().map_or(1.0, Attending::step)
    }

    /// The factor of the newest sample.
    pub(crate) fn factor(&self) -> f64 {
        self.attention.as_ref().map_or(1.0, Attending::factor)
    }

    /// Adds the eyes' potentials at this sample.
    pub(crate) fn add(&mut self, at_ns: i64, out: &mut [f64]) {
        self.begin(at_ns);
        self.gaze = self.sampling.at(at_ns);
        let (spike_uv, blink) = self.sampling.potentials(at_ns);
        let Gaze { x_deg, y_deg, lid, .. } = self.gaze;
        for (place, lead) in out.iter_mut().zip(&self.leads) {
            *place += lead.right_uv_per_deg * x_deg + lead.up_uv_per_deg * y_deg;
            *place += lead.spike * spike_uv + lead.blink_uv * blink * lid;
        }
    }

    pub(crate) fn gaze(&self) -> Option<Gaze> {
        self.has_gaze.then_some(self.gaze)
    }

    /// Whether the newest sample is lost.
    pub(crate) fn lost(&self) -> bool {
        self.losing.as_ref().is_some_and(Losing::lost)
    }

    /// Takes over the state of `fresh`, a clone, without allocating.
    pub(crate) fn restore(&mut self, fresh: &Self) {
        self.adaptation.clone_from(&fresh.adaptation);
        self.attention.clone_from(&fresh.attention);
        self.losing.clone_from(&fresh.losing);
        self.seeing.clone_from(&fresh.seeing);
        self.sampling.clone_from(&fresh.sampling);
        self.gaze = fresh.gaze;
    }

    fn begin(&mut self, at_ns: i64) {
        self.seeing.begin(at_ns);
        self.sampling.begin(at_ns);
    }
}
