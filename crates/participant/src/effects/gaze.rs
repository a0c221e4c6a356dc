//! Where the eyes look, and when the lids hide everything: schedules in time that frames and samples both walk along.

use random::Random;
use serde::{Deserialize, Serialize};
use timeline::{NS_PER_S, ns_from_s};

use super::OutOfRange;
use crate::Person;

/// Length of a blink; it is a squared half sine.
const BLINK_S: f64 = 0.3;
/// No second blink begins within this time.
const BLINK_REFRACTORY_S: f64 = 0.6;
/// SD of the spike potential's Gaussian, whose derivative it is.
const SPIKE_S: f64 = 0.005;

/// Saccades around the fixation point.
///
/// They begin as a Poisson process with a refractory time (fixational saccades: one or two per second, Martinez-Conde, Macknik
/// and Hubel 2004), and each goes to a new place, drawn from a normal distribution around the fixation point. Peak velocity
/// follows the main sequence, `peak_velocity_deg_s (1 - exp(-amplitude / main_sequence_deg))` (Bahill, Clark and Stark 1975),
/// on which small ones lie too (Zuber, Stark and Cook 1965); the course is that of least jerk, so the duration is
/// `1.875 amplitude / velocity`.
///
/// In the EEG the corneo-retinal dipole turns with the eyes (a potential proportional to the gaze), and each saccade begins with
/// a spike potential (Keren, Yuval-Greenberg and Deouell 2010): `spike_uv (1 - exp(-amplitude / spike_deg))` times the
/// derivative of a Gaussian of 5 ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saccades {
    /// Mean number per second, 0.01..5.
    pub per_s: f64,
    /// Least time from one onset to the next, 0.05 s .. 2 s.
    pub refractory_s: f64,
    /// SD of the gaze around the fixation point, sideways, 0..10 deg.
    pub scatter_deg: f64,
    /// SD up and down over that sideways, 0..2.
    pub vertical_part: f64,
    /// Peak velocity that large saccades approach, 50..1000 deg/s.
    pub peak_velocity_deg_s: f64,
    /// Amplitude at which 63 % of it is reached, 0.5..50 deg.
    pub main_sequence_deg: f64,
    /// Potential of the corneo-retinal dipole: at PO8 per degree of gaze to the right, at POz per degree up; 0..20 uV.
    pub corneo_retinal_uv_per_deg: f64,
    /// Peak of a large saccade's spike potential at POz, 0..100 uV.
    pub spike_uv: f64,
    /// Amplitude at which 63 % of it is reached, 0.05..20 deg.
    pub spike_deg: f64,
}

impl Saccades {
    pub(super) fn check(&self) -> Result<(), OutOfRange> {
        OutOfRange::first(
            "effects.saccades",
            &[
                ("per_s", self.per_s, 0.01, 5.0),
                ("refractory_s", self.refractory_s, 0.05, 2.0),
                ("scatter_deg", self.scatter_deg, 0.0, 10.0),
                ("vertical_part", self.vertical_part, 0.0, 2.0),
                ("peak_velocity_deg_s", self.peak_velocity_deg_s, 50.0, 1000.0),
                ("main_sequence_deg", self.main_sequence_deg, 0.5, 50.0),
                ("corneo_retinal_uv_per_deg", self.corneo_retinal_uv_per_deg, 0.0, 20.0),
                ("spike_uv", self.spike_uv, 0.0, 100.0),
                ("spike_deg", self.spike_deg, 0.05, 20.0),
            ],
        )?;
        if self.per_s * self.refractory_s < 0.95 {
            return Ok(());
        }
        let allowed = format!("less than {:.3} with per_s = {}", 0.95 / self.per_s, self.per_s);
        Err(OutOfRange::new("effects.saccades.refractory_s", self.refractory_s, allowed))
    }

    /// How long a saccade of this amplitude takes, in s.
    fn duration_s(&self, amplitude_deg: f64) -> f64 {
        let peak = -self.peak_velocity_deg_s * libm::expm1(-amplitude_deg / self.main_sequence_deg);
        // No way at all takes no time; the limit of the formula is not 0.
        if amplitude_deg > 0.0 { 1.875 * amplitude_deg / peak } else { 0.0 }
    }
}

/// Blinks that hide the picture. Rate and potential are the person's (`blinks_per_min`, `blink_uv`), the potential has its usual
/// form, and while the lid is beyond `closed_from` of its way the eye sees the frame's mean light, uniform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blinks {
    /// Part of the lid's way from which on nothing is seen, 0.05..0.95: at 0.5 for half of the 0.3 s.
    pub closed_from: f64,
}

impl Blinks {
    pub(super) fn check(&self) -> Result<(), OutOfRange> {
        OutOfRange::first("effects.blinks", &[("closed_from", self.closed_from, 0.05, 0.95)])
    }
}

/// Where a person looks, at the newest sample. For judges and for an eye tracker's stream, never for the loop.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gaze {
    /// Degrees right of the fixation point.
    pub x_deg: f64,
    /// Degrees above it.
    pub y_deg: f64,
    /// How far the lid is down, 0..1.
    pub lid: f64,
    /// Saccades that began so far.
    pub saccades: u64,
    /// Blinks that began so far.
    pub blinks: u64,
}

/// One way along the schedule of saccades.
#[derive(Debug, Clone)]
struct Walk {
    plan: Saccades,
    random: Random,
    from: [f64; 2],
    to: [f64; 2],
    onset_ns: i64,
    duration_s: f64,
    next_to: [f64; 2],
    next_ns: i64,
    begun: u64,
}

impl Walk {
    fn new(plan: &Saccades, random: Random) -> Self {
        let far = i64::MIN / 4;
        let (plan, at) = (plan.clone(), [0.0; 2]);
        Self {
            plan,
            random,
            from: at,
            to: at,
            onset_ns: far,
            duration_s: 0.0,
            next_to: at,
            next_ns: far,
            begun: 0,
        }
    }

    /// The schedule begins.
    fn begin(&mut self, origin_ns: i64) {
        self.next_ns = origin_ns;
        self.draw();
    }

    /// Draws the saccade after `next_ns`.
    fn draw(&mut self) {
        let gap_s = 1.0 / self.plan.per_s - self.plan.refractory_s;
        let wait_s = self.plan.refractory_s + self.random.exponential(gap_s);
        self.next_ns += ns_from_s(wait_s.max(self.duration_s));
        let x = self.plan.scatter_deg * self.random.normal();
        let y = self.plan.scatter_deg * self.plan.vertical_part * self.random.normal();
        self.next_to = [x, y];
    }

    /// Instants must not go back.
    fn advance(&mut self, at_ns: i64) {
        while at_ns >= self.next_ns {
            (self.from, self.to, self.onset_ns) = (self.to, self.next_to, self.next_ns);
            self.duration_s = self.plan.duration_s(distance(self.from, self.to));
            self.begun += 1;
            self.draw();
        }
    }

    /// The gaze; `at_ns` not before the last `advance`.
    fn gaze(&self, at_ns: i64) -> [f64; 2] {
        let since_s = (at_ns - self.onset_ns) as f64 / NS_PER_S;
        let part = if since_s >= self.duration_s { 1.0 } else { least_jerk(since_s / self.duration_s) };
        core::array::from_fn(|k| self.from[k] + part * (self.to[k] - self.from[k]))
    }

    /// Spike potential in uV at POz.
    fn spike_uv(&self, at_ns: i64) -> f64 {
        let spike = |onset_ns: i64, amplitude_deg: f64| {
            let u = (at_ns - onset_ns) as f64 / NS_PER_S / SPIKE_S;
            if u.abs() > 6.0 {
                return 0.0;
            }
            let size = -self.plan.spike_uv * libm::expm1(-amplitude_deg / self.plan.spike_deg);
            -size * u * libm::exp(0.5 - 0.5 * u * u)
        };
        spike(self.onset_ns, distance(self.from, self.to))
            + spike(self.next_ns, distance(self.to, self.next_to))
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    libm::hypot(b[0] - a[0], b[1] - a[1])
}

/// Part of the way after part `x` of the time, in the movement of least jerk (Flash and Hogan 1985).
fn least_jerk(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * x * (10.0 + x * (6.0 * x - 15.0))
}

/// One way along the schedule of blinks.
#[derive(Debug, Clone)]
struct Lids {
    gap_s: f64,
    random: Random,
    onset_ns: i64,
    next_ns: i64,
    size: f64,
    begun: u64,
}

impl Lids {
    fn new(person: &Person, random: Random) -> Self {
        let gap_s = (60.0 / person.blinks_per_min - BLINK_REFRACTORY_S).max(0.1);
        let far = i64::MIN / 4;
        Self { gap_s, random, onset_ns: far, next_ns: far, size: 1.0, begun: 0 }
    }

    fn begin(&mut self, origin_ns: i64) {
        self.next_ns = origin_ns + ns_from_s(self.random.exponential(self.gap_s));
    }

    fn advance(&mut self, at_ns: i64) {
        while at_ns >= self.next_ns {
            self.onset_ns = self.next_ns;
            self.size = libm::exp(0.3 * self.random.normal());
            self.next_ns += ns_from_s(BLINK_REFRACTORY_S + self.random.exponential(self.gap_s));
            self.begun += 1;
        }
    }

    /// How far the lid is down, 0..1.
    fn lid(&self, at_ns: i64) -> f64 {
        let into_s = (at_ns - self.onset_ns) as f64 / NS_PER_S;
        if into_s >= BLINK_S {
            return 0.0;
        }
        let lid = libm::sin(core::f64::consts::PI * into_s / BLINK_S);
        lid * lid
    }
}

/// Both schedules, walked by one who asks at instants that rise.
#[derive(Debug, Clone)]
pub(super) struct Eyes {
    walk: Option<Walk>,
    lids: Option<Lids>,
    begun: bool,
}

impl Eyes {
    pub(super) fn new(
        saccades: Option<&Saccades>,
        blinks: Option<&Blinks>,
        person: &Person,
        random: impl Fn(u64) -> Random,
    ) -> Self {
        Self {
            walk: saccades.map(|plan| Walk::new(plan, random(0))),
            lids: blinks.map(|_| Lids::new(person, random(1))),
            begun: false,
        }
    }

    /// The schedules begin at this instant, once.
    pub(super) fn begin(&mut self, origin_ns: i64) {
        if core::mem::replace(&mut self.begun, true) {
            return;
        }
        self.walk.iter_mut().for_each(|walk| walk.begin(origin_ns));
        self.lids.iter_mut().for_each(|lids| lids.begin(origin_ns));
    }

    pub(super) fn at(&mut self, at_ns: i64) -> Gaze {
        let mut gaze = Gaze::default();
        if let Some(walk) = &mut self.walk {
            walk.advance(at_ns);
            [gaze.x_deg, gaze.y_deg] = walk.gaze(at_ns);
            gaze.saccades = walk.begun;
        }
        if let Some(lids) = &mut self.lids {
            lids.advance(at_ns);
            (gaze.lid, gaze.blinks) = (lids.lid(at_ns), lids.begun);
        }
        gaze
    }

    /// At the instant asked for last: spike potential in uV at POz, and how large the running blink is.
    pub(super) fn potentials(&self, at_ns: i64) -> (f64, f64) {
        (
            self.walk.as_ref().map_or(0.0, |walk| walk.spike_uv(at_ns)),
            self.lids.as_ref().map_or(0.0, |lids| lids.size),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effects, nominal};

    fn plan() -> Saccades {
        let mut effects = Effects::default();
        effects.switch_on("saccades");
        effects.saccades.unwrap()
    }

    #[test]
    fn saccades_lie_on_the_main_sequence() {
        let plan = Saccades { scatter_deg: 4.0, ..plan() };
        let mut walk = Walk::new(&plan, Random::new(1, 4));
        walk.begin(0);
        let mut seen = 0;
        for _ in 0..300 {
            walk.advance(walk.next_ns);
            let amplitude = distance(walk.from, walk.to);
            if amplitude < 0.2 {
                continue;
            }
            // The steepest of the course, by finite differences of 10 us.
            let step_ns = 10_000;
            let end_ns = walk.onset_ns + ns_from_s(walk.duration_s);
            let steps = (end_ns - walk.onset_ns) / step_ns;
            let speed = |k: i64| {
                let a = walk.gaze(walk.onset_ns + k * step_ns);
                distance(a, walk.gaze(walk.onset_ns + (k + 1) * step_ns)) / 1e-5
            };
            let peak = (0..steps).map(speed).fold(0.0, f64::max);
            let expected = plan.peak_velocity_deg_s * (1.0 - libm::exp(-amplitude / plan.main_sequence_deg));
            assert!((peak / expected - 1.0).abs() < 0.01, "{amplitude} deg: {peak} and {expected}");
            // Carpenter's line for the duration, 2.2 ms per degree and 21 ms, within a third up to 15 deg.
            let line_s = 0.0022 * amplitude + 0.021;
            assert!(amplitude > 15.0 || (walk.duration_s / line_s - 1.0).abs() < 0.34, "{amplitude} deg");
            seen += 1;
        }
        assert!(seen > 200);
    }

    #[test]
    fn they_come_at_their_rate_and_stay_around_the_fixation() {
        let plan = plan();
        let mut eyes = Eyes::new(Some(&plan), None, nominal(), |k| Random::new(2, 10 + k));
        eyes.begin(5_000_000_000);
        let seconds = 2000;
        let at = |s: i64| 5_000_000_000 + s * 1_000_000_000;
        let places: Vec<Gaze> = (0..seconds).map(|s| eyes.at(at(s))).collect();
        let rate = places.last().unwrap().saccades as f64 / seconds as f64;
        assert!((rate / plan.per_s - 1.0).abs() < 0.1, "{rate}");
        let sd = (places.iter().map(|gaze| gaze.x_deg * gaze.x_deg).sum::<f64>() / seconds as f64).sqrt();
        assert!((sd / plan.scatter_deg - 1.0).abs() < 0.1, "{sd}");
    }

    #[test]
    fn how_often_one_asks_does_not_matter() {
        let (plan, blinks) = (plan(), Blinks { closed_from: 0.5 });
        let eyes = || {
            let mut eyes = Eyes::new(Some(&plan), Some(&blinks), nominal(), |k| Random::new(9, 10 + k));
            eyes.begin(0);
            eyes
        };
        let (mut often, mut seldom) = (eyes(), eyes());
        for k in 0..30_000 {
            let now = often.at(k * 4_000_000);
            if k % 17 == 0 {
                assert_eq!(seldom.at(k * 4_000_000), now);
            }
        }
    }
}
