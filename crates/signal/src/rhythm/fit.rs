//! The rhythm of a person, from the spectrum of a rest period.

use super::spectrum::RhythmSpectrum;
use super::{CORNERS_HZ, RhythmModel, oscillator_density, relaxation_density, white_density};

/// Half widths that are tried.
const HALF_WIDTHS_HZ: [f64; 6] = [0.4, 0.6, 0.9, 1.3, 1.9, 2.7];
/// Step of the frequencies that are tried.
const STEP_HZ: f64 = 0.25;
/// Multiplicative updates per candidate; the powers stand to a few per cent after half of them.
const UPDATES: usize = 40;
/// Everything that is always part of the model: the relaxation processes, white noise, the mains line.
const FIXED: usize = CORNERS_HZ.len() + 2;
const WHITE: usize = CORNERS_HZ.len();
const MAINS: usize = WHITE + 1;
const RHYTHM: usize = FIXED;
const PARTS: usize = FIXED + 1;
/// Gain in log likelihood above which a rhythm is more than chance: twice it is a chi-square of three parameters, the
/// best of many is taken, and neighbouring bins and overlapping segments share their noise.
const EVIDENCE: f64 = 15.0;
/// The mains line in bins of a Hann window: the part of its power in its own bin and in each neighbour.
const LINE: [f64; 2] = [2.0 / 3.0, 1.0 / 6.0];

/// What a fit found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RhythmFound {
    /// The model of greatest likelihood.
    pub model: RhythmModel,
    /// Log likelihood over that of a background without rhythm.
    pub evidence: f64,
    /// Whether that is more than chance makes.
    pub is_rhythm: bool,
}

/// Fits a [`RhythmModel`] to a [`RhythmSpectrum`] by greatest Whittle likelihood (Whittle 1953, Ark. Mat. 2, 423): each
/// frequency and width of a grid is one candidate, and the powers at it follow from multiplicative updates, which keep
/// them positive (Fevotte, Bertin and Durrieu 2009, Neural Computation 21, 793, for this divergence, the Itakura-Saito's).
/// The frequency is read between the grid's points from a parabola through the likelihoods; it is the individual alpha
/// frequency where the band is alpha's.
///
/// [`RhythmFit::step`] tries one candidate, so that the fit may run beside a stream: a tenth of a millisecond a step.
#[derive(Debug, Clone)]
pub struct RhythmFit {
    rate_hz: f64,
    first_hz: f64,
    bin_hz: f64,
    band_hz: [f64; 2],
    mains_hz: Option<f64>,
    /// Densities of the fixed parts for unit power, part by part.
    fixed: Vec<f64>,
    /// Density of the candidate's rhythm for unit power.
    rhythm: Vec<f64>,
    measured: Vec<f64>,
    modelled: Vec<f64>,
    frequencies: usize,
    /// Cost by candidate, width by width.
    costs: Vec<f64>,
    next: Option<usize>,
    segments: f64,
    without: f64,
    best: Candidate,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    index: usize,
    cost: f64,
    powers: [f64; PARTS],
}

const NONE: Candidate = Candidate { index: 0, cost: f64::INFINITY, powers: [0.0; PARTS] };

impl RhythmFit {
    /// For spectra laid out as `spectrum`, and a rhythm within `band_hz`.
    pub fn new(spectrum: &RhythmSpectrum, rate_hz: f64, band_hz: [f64; 2], mains_hz: Option<f64>) -> Self {
        let bins = spectrum.bins();
        let first_hz = spectrum.frequency_hz(0);
        let bin_hz = spectrum.bin_hz();
        let last_hz = spectrum.frequency_hz(bins.saturating_sub(1));
        let mains_hz = mains_hz.filter(|&hz| hz < last_hz);
        let mut fixed = Vec::with_capacity(FIXED * bins);
        for part in 0..FIXED {
            for bin in 0..bins {
                let hz = spectrum.frequency_hz(bin);
                fixed.push(match part {
                    WHITE => white_density(rate_hz),
                    MAINS => mains_hz.map_or(0.0, |mains_hz| line_part(hz - mains_hz, bin_hz) / bin_hz),
                    corner => relaxation_density(hz, CORNERS_HZ[corner], rate_hz),
                });
            }
        }
        let frequencies = ((band_hz[1] - band_hz[0]) / STEP_HZ) as usize + 1;
        Self {
            rate_hz,
            first_hz,
            bin_hz,
            band_hz,
            mains_hz,
            fixed,
            rhythm: vec![0.0; bins],
            measured: vec![0.0; bins],
            modelled: vec![0.0; bins],
            frequencies,
            costs: vec![0.0; frequencies * HALF_WIDTHS_HZ.len()],
            next: None,
            segments: 0.0,
            without: 0.0,
            best: NONE,
        }
    }

    /// Begins with a spectrum; one without a segment, or with a bin without power, is refused.
    #[must_use]
    pub fn start(&mut self, spectrum: &RhythmSpectrum) -> bool {
        for (bin, measured) in self.measured.iter_mut().enumerate() {
            *measured = spectrum.density(bin);
        }
        let usable = spectrum.segments() > 0 && self.measured.iter().all(|&d| d > 0.0 && d.is_finite());
        self.next = usable.then_some(0);
        self.segments = spectrum.segments() as f64;
        self.best = NONE;
        usable
    }

    /// Whether a fit runs.
    pub fn runs(&self) -> bool {
        self.next.is_some()
    }

    /// Forgets the fit that runs.
    pub fn reset(&mut self) {
        self.next = None;
    }

    /// Candidates of one fit: the number of steps it takes.
    pub fn candidates(&self) -> usize {
        self.costs.len()
    }

    /// Tries one candidate; the result comes with the last one.
    pub fn step(&mut self) -> Option<RhythmFound> {
        let index = self.next?;
        if index == 0 {
            self.rhythm.fill(0.0);
            (self.without, _) = self.powers();
        }
        let (centre_hz, half_width_hz) = self.candidate(index);
        for (bin, density) in self.rhythm.iter_mut().enumerate() {
            let hz = self.first_hz + bin as f64 * self.bin_hz;
            *density = oscillator_density(hz, centre_hz, half_width_hz, self.rate_hz);
        }
        let (cost, powers) = self.powers();
        self.costs[index] = cost;
        if cost < self.best.cost {
            self.best = Candidate { index, cost, powers };
        }
        self.next = (index + 1 < self.costs.len()).then_some(index + 1);
        self.next.is_none().then(|| self.found())
    }

    fn candidate(&self, index: usize) -> (f64, f64) {
        let (width, frequency) = (index / self.frequencies, index % self.frequencies);
        (self.band_hz[0] + frequency as f64 * STEP_HZ, HALF_WIDTHS_HZ[width])
    }

    /// The powers of all parts at which the modelled spectrum is most likely, and the cost there: the negative log
    /// likelihood for one segment, but for a constant.
    fn powers(&mut self) -> (f64, [f64; PARTS]) {
        let bins = self.measured.len();
        let mean = self.measured.iter().sum::<f64>() / bins as f64;
        let mut powers = [0.0; PARTS];
        for (part, power) in powers.iter_mut().enumerate() {
            let density = self.part(part).iter().sum::<f64>() / bins as f64;
            *power = if density > 0.0 { mean / (PARTS as f64 * density) } else { 0.0 };
        }
        for _ in 0..UPDATES {
            self.model(&powers);
            for (part, power) in powers.iter_mut().enumerate() {
                let (mut up, mut down) = (0.0, 0.0);
                for ((d, v), s) in self.part(part).iter().zip(&self.modelled).zip(&self.measured) {
                    let weight = d / v;
                    up += weight * s / v;
                    down += weight;
                }
                if down > 0.0 {
                    *power *= up / down;
                }
            }
        }
        self.model(&powers);
        let cost = |(v, s): (&f64, &f64)| libm::log(*v) + s / v;
        (self.modelled.iter().zip(&self.measured).map(cost).sum(), powers)
    }

    fn part(&self, part: usize) -> &[f64] {
        let bins = self.measured.len();
        if part == RHYTHM { &self.rhythm } else { &self.fixed[part * bins..(part + 1) * bins] }
    }

    fn model(&mut self, powers: &[f64; PARTS]) {
        let bins = self.measured.len();
        for bin in 0..bins {
            let mut sum = powers[RHYTHM] * self.rhythm[bin];
            for (part, power) in powers[..FIXED].iter().enumerate() {
                sum += power * self.fixed[part * bins + bin];
            }
            self.modelled[bin] = sum;
        }
    }

    fn found(&self) -> RhythmFound {
        let Candidate { index, cost, powers } = self.best;
        let (grid_hz, half_width_hz) = self.candidate(index);
        let mut background_power = [0.0; CORNERS_HZ.len()];
        background_power.copy_from_slice(&powers[..CORNERS_HZ.len()]);
        let evidence = self.segments * (self.without - cost);
        RhythmFound {
            model: RhythmModel {
                centre_hz: grid_hz + self.beside(index),
                half_width_hz,
                rhythm_power: powers[RHYTHM],
                background_power,
                white_power: powers[WHITE],
                mains_hz: self.mains_hz,
                mains_power: powers[MAINS],
            },
            evidence,
            is_rhythm: evidence > EVIDENCE,
        }
    }

    /// From the best candidate's frequency to the top of the parabola through it and its neighbours.
    fn beside(&self, index: usize) -> f64 {
        let frequency = index % self.frequencies;
        if frequency == 0 || frequency + 1 == self.frequencies {
            return 0.0;
        }
        let (before, here, after) = (self.costs[index - 1], self.costs[index], self.costs[index + 1]);
        let bend = before - 2.0 * here + after;
        if bend > 0.0 { STEP_HZ * (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 }
    }
}

/// How much of a line's power a bin takes, that far from the line.
fn line_part(apart_hz: f64, bin_hz: f64) -> f64 {
    let apart = libm::round(apart_hz / bin_hz).abs();
    if apart == 0.0 {
        LINE[0]
    } else if apart == 1.0 {
        LINE[1]
    } else {
        0.0
    }
}
