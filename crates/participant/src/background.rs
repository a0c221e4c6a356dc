//! All that an electrode picks up besides the response: 1/f background, alpha, mains hum, blinks, sensor noise.

use core::f64::consts::TAU;

use random::Random;

use crate::{Person, gain::Ou, montage::Electrode};

/// Corner frequencies of the processes that add up to a 1/f spectrum, a factor of three apart.
const CORNERS_HZ: [f64; 6] = [0.15, 0.45, 1.35, 4.05, 12.15, 36.45];
/// Shared sources of the background.
const SHARED: usize = 6;
/// Spread of a shared source over the scalp, in the montage's units.
const SPREAD: f64 = 2.5;
const MAINS_HZ: f64 = 50.0;
const BLINK_S: f64 = 0.3;
/// No second blink begins within this time.
const BLINK_REFRACTORY_S: f64 = 0.6;
/// Time constant of the hum's strength.
const MAINS_TAU_S: f64 = 20.0;

/// Unit-variance 1/f noise: a sum of Ornstein-Uhlenbeck processes whose variances go as `corner^(1 - exponent)`, after
/// the relaxation model of flicker noise (van der Ziel 1950).
#[derive(Debug, Clone)]
struct Pink([Ou; CORNERS_HZ.len()]);

impl Pink {
    fn new(exponent: f64, rate_hz: f64, random: &mut Random) -> Self {
        let variances = CORNERS_HZ.map(|corner| libm::pow(corner, 1.0 - exponent));
        let total: f64 = variances.iter().sum();
        Self(core::array::from_fn(|k| {
            Ou::new((variances[k] / total).sqrt(), 1.0 / (TAU * CORNERS_HZ[k]), rate_hz, random)
        }))
    }

    fn step(&mut self, random: &mut Random) -> f64 {
        self.0.iter_mut().fold(0.0, |sum, part| sum + part.step(random))
    }
}

/// A rhythm of unit variance that waxes and wanes: a damped rotation kicked by noise (complex AR(1)).
#[derive(Debug, Clone)]
struct Rhythm {
    re: f64,
    im: f64,
    keep_cos: f64,
    keep_sin: f64,
    kick: f64,
    /// What the newest sample showed of it; `re` and `im` are already the next sample's.
    shown: [f64; 2],
}

impl Rhythm {
    fn new(hz: f64, half_width_hz: f64, rate_hz: f64, random: &mut Random) -> Self {
        let keep = libm::exp(-TAU * half_width_hz / rate_hz);
        let turn = TAU * hz / rate_hz;
        Self {
            re: random.normal(),
            im: random.normal(),
            keep_cos: keep * libm::cos(turn),
            keep_sin: keep * libm::sin(turn),
            kick: (1.0 - keep * keep).sqrt(),
            shown: [0.0; 2],
        }
    }

    fn step(&mut self, random: &mut Random) -> f64 {
        self.shown = [self.re, self.im];
        let re = self.keep_cos * self.re - self.keep_sin * self.im + self.kick * random.normal();
        self.im = self.keep_sin * self.re + self.keep_cos * self.im + self.kick * random.normal();
        self.re = re;
        self.shown[0]
    }
}

/// Blinks: a Poisson process with a refractory time; a blink is a squared half sine.
#[derive(Debug, Clone)]
struct Blinks {
    mean_gap_s: f64,
    step_s: f64,
    until_next_s: f64,
    /// Time since the running blink began.
    into_s: Option<f64>,
    size: f64,
    begun: u64,
}

impl Blinks {
    fn new(per_min: f64, rate_hz: f64, random: &mut Random) -> Self {
        let mean_gap_s = (60.0 / per_min - BLINK_REFRACTORY_S).max(0.1);
        let until_next_s = random.exponential(mean_gap_s);
        Self { mean_gap_s, step_s: 1.0 / rate_hz, until_next_s, into_s: None, size: 1.0, begun: 0 }
    }

    fn step(&mut self, random: &mut Random) -> f64 {
        self.until_next_s -= self.step_s;
        if self.until_next_s <= 0.0 {
            self.until_next_s = BLINK_REFRACTORY_S + random.exponential(self.mean_gap_s);
            self.into_s = Some(0.0);
            self.size = libm::exp(0.3 * random.normal());
            self.begun += 1;
        }
        let Some(into_s) = self.into_s else { return 0.0 };
        let lid = libm::sin(0.5 * TAU * into_s / BLINK_S);
        let next_s = into_s + self.step_s;
        self.into_s = (next_s < BLINK_S).then_some(next_s);
        self.size * lid * lid
    }
}

/// What one channel takes of each source.
#[derive(Debug, Clone)]
struct Channel {
    shared: [f64; SHARED],
    own_uv: f64,
    own: Pink,
    alpha: [f64; 2],
    mains_cos: f64,
    mains_sin: f64,
    blink_uv: f64,
}

/// The background of one person in all channels.
#[derive(Debug, Clone)]
pub(crate) struct Background {
    random: Random,
    shared: [Pink; SHARED],
    alpha: [Rhythm; 2],
    mains: Ou,
    mains_turn: f64,
    samples: u64,
    blinks: Blinks,
    sensor_uv: f64,
    channels: Vec<Channel>,
}

impl Background {
    pub(crate) fn new(person: &Person, electrodes: &[Electrode], rate_hz: f64, mut random: Random) -> Self {
        let shared = core::array::from_fn(|_| Pink::new(person.background_exponent, rate_hz, &mut random));
        let alpha = core::array::from_fn(|_| {
            Rhythm::new(person.alpha_hz, person.alpha_half_width_hz, rate_hz, &mut random)
        });
        let mains = Ou::new(0.15, MAINS_TAU_S, rate_hz, &mut random);
        let blinks = Blinks::new(person.blinks_per_min, rate_hz, &mut random);
        let places = source_places(person.mixing_seed);
        let channels =
            electrodes.iter().map(|e| Channel::new(person, e, &places, rate_hz, &mut random)).collect();
        Self {
            random,
            shared,
            alpha,
            mains,
            mains_turn: MAINS_HZ / rate_hz,
            samples: 0,
            blinks,
            sensor_uv: person.sensor_uv,
            channels,
        }
    }

    /// Adds one sample of background to each channel, in uV.
    pub(crate) fn add(&mut self, out: &mut [f64]) {
        let Self { random, shared, alpha, mains, mains_turn, samples, blinks, sensor_uv, channels } = self;
        let sources: [f64; SHARED] = core::array::from_fn(|k| shared[k].step(random));
        let rhythm = [alpha[0].step(random), alpha[1].step(random)];
        let turns = *samples as f64 * *mains_turn;
        let phase = TAU * (turns - libm::floor(turns));
        *samples += 1;
        let strength = 1.0 + mains.step(random);
        let (hum_cos, hum_sin) = (strength * libm::cos(phase), strength * libm::sin(phase));
        let blink = blinks.step(random);
        for (place, channel) in out.iter_mut().zip(channels) {
            let mut uv = channel.own_uv * channel.own.step(random) + *sensor_uv * random.normal();
            for (weight, source) in channel.shared.iter().zip(&sources) {
                uv += weight * source;
            }
            uv += channel.alpha[0] * rhythm[0] + channel.alpha[1] * rhythm[1];
            uv += channel.mains_cos * hum_cos + channel.mains_sin * hum_sin;
            *place += uv + channel.blink_uv * blink;
        }
    }

    /// The alpha rhythm of the newest sample, in uV, in a weighted sum of the channels: what is in the signal, and the same
    /// a quarter of a cycle later.
    pub(crate) fn alpha_uv(&self, weights: &[f64]) -> [f64; 2] {
        let mut sum = [0.0; 2];
        for (weight, channel) in weights.iter().zip(&self.channels) {
            for (share, rhythm) in channel.alpha.iter().zip(&self.alpha) {
                sum[0] += weight * share * rhythm.shown[0];
                sum[1] += weight * share * rhythm.shown[1];
            }
        }
        sum
    }

    /// Power of the alpha rhythm of the newest sample in the midline, which takes the same of both sides; 1 on average.
    pub(crate) fn alpha_power(&self) -> f64 {
        let [left, right] = &self.alpha;
        let (re, im) = (left.shown[0] + right.shown[0], left.shown[1] + right.shown[1]);
        (re * re + im * im) / 4.0
    }

    /// Takes over the state of `fresh`, a clone of this background, without allocating.
    pub(crate) fn restore(&mut self, fresh: &Self) {
        let Self { random, shared, alpha, mains, samples, blinks, channels, .. } = fresh;
        self.random = random.clone();
        self.shared = shared.clone();
        self.alpha = alpha.clone();
        self.mains = mains.clone();
        self.samples = *samples;
        self.blinks = blinks.clone();
        self.channels.clone_from_slice(channels);
    }

    #[cfg(test)]
    pub(crate) fn blinks_begun(&self) -> u64 {
        self.blinks.begun
    }
}

/// Places of the shared sources around the back of the head, in the montage's units.
fn source_places(mixing_seed: u64) -> [(f64, f64); SHARED] {
    let mut random = Random::new(mixing_seed, 0);
    core::array::from_fn(|_| (8.0 * random.uniform() - 4.0, 6.0 * random.uniform() - 5.5))
}

impl Channel {
    fn new(
        person: &Person,
        electrode: &Electrode,
        places: &[(f64, f64); SHARED],
        rate_hz: f64,
        random: &mut Random,
    ) -> Self {
        let reach = places.map(|(x, y)| {
            let (dx, dy) = (electrode.x - x, electrode.y - y);
            libm::exp(-0.5 * (dx * dx + dy * dy) / (SPREAD * SPREAD))
        });
        // Every channel has the same variance; only the correlation follows from the places.
        let norm = reach.iter().map(|r| r * r).sum::<f64>().sqrt();
        let shared_uv = person.background_uv * person.background_shared.sqrt();
        let left = libm::exp(-0.25 * (electrode.x + 1.5) * (electrode.x + 1.5));
        let right = libm::exp(-0.25 * (electrode.x - 1.5) * (electrode.x - 1.5));
        let sides = libm::hypot(left, right);
        let alpha_uv = person.alpha_uv * electrode.alpha;
        let hum_uv = person.mains_uv * (1.0 + 0.2 * random.normal());
        let hum_phase = 0.5 * random.normal();
        Self {
            shared: reach.map(|r| shared_uv * r / norm),
            own_uv: person.background_uv * (1.0 - person.background_shared).sqrt(),
            own: Pink::new(person.background_exponent, rate_hz, random),
            alpha: [alpha_uv * left / sides, alpha_uv * right / sides],
            mains_cos: hum_uv * libm::cos(hum_phase),
            mains_sin: hum_uv * libm::sin(hum_phase),
            blink_uv: person.blink_uv * electrode.blink,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{montage::electrode, nominal};

    #[test]
    fn blinks_come_at_their_rate() {
        let electrodes = [electrode("Oz").unwrap()];
        let minutes = 120.0;
        let mut background = Background::new(nominal(), &electrodes, 50.0, Random::new(3, 0));
        let mut out = [0.0];
        for _ in 0..(minutes * 60.0 * 50.0) as u64 {
            background.add(&mut out);
        }
        let rate = background.blinks_begun() as f64 / minutes;
        // Poisson: the SD of the mean of 120 minutes is about sqrt(15 / 120) = 0.35.
        assert!((rate - nominal().blinks_per_min).abs() < 1.4, "{rate}");
    }
}
