//! The effects of one person in one session.

use random::Random;

use super::adaptation::Adapting;
use super::attention::Attending;
use super::dropouts::Losing;
use super::gaze::{Eyes, Gaze};
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

/// The moved picture.
#[derive(Debug, Clone)]
struct Retina {
    width: usize,
    height: usize,
    cells_per_deg: f64,
    cells: Vec<f64>,
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
            retina: Retina {
                width: setup.retina_width,
                height: setup.retina_height,
                cells_per_deg: setup.cells_per_deg,
                cells: vec![0.0; setup.retina_width * setup.retina_height],
            },
            leads: electrodes.iter().map(lead).collect(),
        })
    }

    /// What of a frame reaches the retina.
    pub(crate) fn look<'a>(&'a mut self, onset_ns: i64, cells: &'a [f64]) -> &'a [f64] {
        self.begin(onset_ns);
        let gaze = self.seeing.at(onset_ns);
        if cells.len() != self.retina.cells.len() {
            // The brain refuses it.
            return cells;
        }
        if gaze.lid > self.closed_from {
            let mean = cells.iter().sum::<f64>() / cells.len() as f64;
            self.retina.cells.fill(mean);
            return &self.retina.cells;
        }
        if gaze.x_deg == 0.0 && gaze.y_deg == 0.0 {
            return cells;
        }
        self.retina.shift(cells, gaze.x_deg, gaze.y_deg);
        &self.retina.cells
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

impl Retina {
    /// The picture when one looks this far right of and above its middle, by bilinear interpolation. What lies beyond the border
    /// is as the border.
    fn shift(&mut self, cells: &[f64], right_deg: f64, up_deg: f64) {
        let (width, height) = (self.width, self.height);
        let columns = Between::new(right_deg * self.cells_per_deg);
        // Rows go down.
        let rows = Between::new(-up_deg * self.cells_per_deg);
        for (y, row) in self.cells.chunks_exact_mut(width).enumerate() {
            let (upper, lower) = rows.neighbours(y, height);
            let (upper, lower) = (&cells[upper * width..][..width], &cells[lower * width..][..width]);
            for (x, place) in row.iter_mut().enumerate() {
                let (left, right) = columns.neighbours(x, width);
                let above = upper[left] + columns.part * (upper[right] - upper[left]);
                let below = lower[left] + columns.part * (lower[right] - lower[left]);
                *place = above + rows.part * (below - above);
            }
        }
    }
}

/// A shift by whole cells and a part.
struct Between {
    whole: i64,
    part: f64,
}

impl Between {
    fn new(cells: f64) -> Self {
        let whole = libm::floor(cells);
        Self { whole: whole as i64, part: cells - whole }
    }

    fn neighbours(&self, at: usize, size: usize) -> (usize, usize) {
        let place = |k: i64| k.clamp(0, size as i64 - 1) as usize;
        let first = at as i64 + self.whole;
        (place(first), place(first + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_right_moves_the_picture_left_and_looking_up_moves_it_down() {
        let mut retina = Retina { width: 5, height: 4, cells_per_deg: 2.0, cells: vec![0.0; 20] };
        let picture: Vec<f64> = (0..20).map(f64::from).collect();
        retina.shift(&picture, 0.5, 0.0);
        assert_eq!(retina.cells[..5], [1.0, 2.0, 3.0, 4.0, 4.0]);
        retina.shift(&picture, 0.0, 0.5);
        assert_eq!(retina.cells[5..10], picture[..5]);
        retina.shift(&picture, 0.125, -0.25);
        // A quarter of a cell right, half a cell down: 0.25 + 0.5 x 5.
        assert_eq!(retina.cells[0], 2.75);
    }
}
