//! The dependence of a response on the state at onset: found where there is one, harmless where there is none, and the
//! closed form of Bayesian regression.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use planner::belief::Prediction;
use planner::search::Kind;
use planner::state::{Condition, StateGain};
use planner::{Aim, AnyPlanner, Canvas, Method, Settings};
use random::Random;
use timeline::{Request, StateAtOnset};

/// The response's own wavering from presentation to presentation, relative.
const FAST_SD: f64 = 0.2;

/// A session of sixty presentations of a person whose response depends on the state by `b`.
struct Session {
    gain: StateGain,
    /// Squared relative errors against the responses at the mean state: as measured, and corrected.
    raw: f64,
    corrected: f64,
}

const PRESENTATIONS: usize = 60;
/// Relative noise of a measurement beside the response's own wavering.
const NOISE: f64 = 0.2;

impl Session {
    /// `model`: whether somebody predicts the responses.
    fn of(condition: Condition, b: [f64; 2], seed: u64, model: bool) -> Self {
        let mut random = Random::new(seed, 0);
        let mut session = Self { gain: StateGain::new(condition), raw: 0.0, corrected: 0.0 };
        let mut drift = 0.15 * random.normal();
        for at in 0..PRESENTATIONS {
            let keep = libm::exp(-10.0 / 180.0);
            drift = keep * drift + 0.15 * (1.0 - keep * keep).sqrt() * random.normal();
            let response = 2.0 * libm::exp(0.3 * random.normal());
            let (state, x) = state(condition, &mut random);
            let factor = 1.0 + b[0] * x[0] + b[1] * x[1];
            let gain = (1.0 + drift) * (1.0 + FAST_SD * random.normal());
            let value = response * factor * gain + NOISE * 2.0 * random.normal();
            // The model is off by 15 % and thinks so.
            let mean = response * libm::exp(0.15 * random.normal());
            let expected = model.then_some(Prediction { mean, sd: 0.15 * mean });
            let request = Request {
                index: at as u64,
                picture: Some(at as u64),
                value,
                spread: NOISE * 2.0,
                state,
                ..Request::first(10_000_000_000 * at as i64)
            };
            let found = session.gain.take(&request, expected);
            session.raw += (value / response - 1.0).powi(2);
            session.corrected += (found.value / response - 1.0).powi(2);
        }
        session
    }
}

/// A state and its numbers less their means: log power of a chi-squared with six degrees of freedom, or a phase forecast with
/// a certainty of 0.8, for which the true phase has the forecast's cosine times that on average.
fn state(condition: Condition, random: &mut Random) -> (StateAtOnset, [f64; 2]) {
    match condition {
        Condition::Power => {
            let power = (0..6).map(|_| random.normal().powi(2)).sum::<f64>() / 6.0;
            // The mean logarithm: digamma(3) - ln 3.
            let x = libm::log(power) - (0.922_784_335_098_467 - 1.098_612_288_668_11);
            (StateAtOnset { power, ..StateAtOnset::UNKNOWN }, [x, 0.0])
        }
        Condition::Phase => {
            let phase_rad = core::f64::consts::TAU * random.uniform();
            let x = [libm::cos(phase_rad), libm::sin(phase_rad)].map(|part| 0.8 * part);
            (StateAtOnset { phase_rad, resultant: 0.8, power: f64::NAN }, x)
        }
    }
}

const SEEDS: u64 = 200;

/// Root mean square of errors over their standard errors, over sessions of people with these `b`.
struct Errors {
    squares: f64,
    terms: f64,
}

impl Errors {
    const NONE: Self = Self { squares: 0.0, terms: 0.0 };

    fn add(&mut self, session: &Session, b: [f64; 2]) {
        let effect = session.gain.effect();
        for ((found, error), b) in effect.coefficients.iter().zip(&effect.standard_errors).zip(b) {
            self.squares += ((found - b) / error).powi(2);
            self.terms += 1.0;
        }
    }

    fn rms(&self) -> f64 {
        (self.squares / self.terms).sqrt()
    }
}

/// Over people as the prior has them, a posterior is off by its standard error.
#[test]
fn errors_are_as_large_as_the_standard_error_says() {
    for condition in [Condition::Power, Condition::Phase] {
        for model in [true, false] {
            let mut errors = Errors::NONE;
            let mut random = Random::new(4, 1);
            for seed in 0..SEEDS {
                let b = [
                    0.2 * random.normal(),
                    if condition == Condition::Phase { 0.2 * random.normal() } else { 0.0 },
                ];
                errors.add(&Session::of(condition, b, 3000 + seed, model), b);
            }
            let z = errors.rms();
            println!("{condition:?}, model {model}: rms z {z:.2} over the prior");
            assert!((0.8..1.2).contains(&z), "{z}");
        }
    }
}

#[test]
fn a_dependence_is_found_and_taken_out() {
    for (condition, b) in [(Condition::Power, [-0.3, 0.0]), (Condition::Phase, [0.25, -0.15])] {
        for model in [true, false] {
            let (mut sum, mut raw, mut corrected, mut found) = ([0.0; 2], 0.0, 0.0, 0);
            let mut errors = Errors::NONE;
            for seed in 0..SEEDS {
                let session = Session::of(condition, b, seed, model);
                errors.add(&session, b);
                let effect = session.gain.effect();
                for (sum, coefficient) in sum.iter_mut().zip(&effect.coefficients) {
                    *sum += coefficient / SEEDS as f64;
                }
                (raw, corrected) = (raw + session.raw, corrected + session.corrected);
                found += usize::from(effect.probability > 0.9);
            }
            let (left, z) = (corrected / raw, errors.rms());
            println!(
                "{condition:?}, model {model}: b {:.3} {:.3} (true {b:?}), rms z {z:.2}, residual variance {left:.3}, \
                 probability above 0.9 in {found} of {SEEDS}",
                sum[0], sum[1]
            );
            // The prior pulls these towards 0, the more the less is known.
            let least = if model { 0.8 } else { 0.6 };
            assert!((least..1.1).contains(&(sum[0] / b[0])), "{sum:?}");
            assert!(left < 0.97, "{left}");
            if model {
                assert!(z < 1.25 && found > SEEDS as usize / 3, "{z} {found}");
            }
        }
    }
}

#[test]
fn without_a_dependence_nothing_is_lost() {
    for condition in [Condition::Power, Condition::Phase] {
        for model in [true, false] {
            let (mut raw, mut corrected, mut found, mut errors) = (0.0, 0.0, 0, Errors::NONE);
            for seed in 0..SEEDS {
                let session = Session::of(condition, [0.0; 2], 1000 + seed, model);
                let effect = session.gain.effect();
                (raw, corrected) = (raw + session.raw, corrected + session.corrected);
                found += usize::from(effect.probability > 0.9);
                errors.add(&session, [0.0; 2]);
            }
            let (loss, z) = (corrected / raw - 1.0, errors.rms());
            println!(
                "{condition:?}, model {model}: loss {:.2} %, rms z {z:.2}, {found} of {SEEDS} believed",
                100.0 * loss
            );
            assert!(z < 1.1 && loss < 0.02 && found < SEEDS as usize / 20, "{loss} {found}");
        }
    }
}

/// The filter without drift is the posterior of Bayesian linear regression in closed form, with the noise's size as an inverse
/// gamma beside it. What the response wavers by is taken from the ratio expected so far.
#[test]
fn the_filter_is_the_closed_form() {
    use faer::linalg::solvers::Solve;
    let mut random = Random::new(7, 0);
    let mut gain = StateGain::new(Condition::Phase);
    let mut precision = faer::Mat::<f64>::zeros(3, 3);
    for (k, sd) in [0.3, 0.2, 0.2].into_iter().enumerate() {
        precision[(k, k)] = 1.0 / (sd * sd);
    }
    // Of the ratio less 1, so that the prior's mean is 0.
    let (mut right, mut sum, mut squares) = (faer::Mat::<f64>::zeros(3, 1), [0.0; 2], 0.0);
    let (mut known, mut gains) = ([0.0; 3], 0.0);
    for count in 1..=20 {
        let (state, x) = state(Condition::Phase, &mut random);
        let value = 1.0 + 0.3 * random.normal();
        let request = Request { value, spread: 0.2, state, picture: Some(1), ..Request::first(0) };
        gain.take(&request, Some(Prediction { mean: 1.1, sd: 0.1 }));
        sum = [sum[0] + x[0], sum[1] + x[1]];
        let h = [1.0, x[0] - sum[0] / f64::from(count), x[1] - sum[1] / f64::from(count)];
        let ahead: f64 = 1.0 + (0..3).map(|k| known[k] * h[k]).sum::<f64>();
        let noise = 0.04 / 1.21 + (0.01 / 1.21 + FAST_SD * FAST_SD) * ahead * ahead;
        let off = value / 1.1 - 1.0;
        squares += off * off / noise;
        for i in 0..3 {
            right[(i, 0)] += h[i] * off / noise;
            for j in 0..3 {
                precision[(i, j)] += h[i] * h[j] / noise;
            }
        }
        let mean = precision.llt(faer::Side::Lower).unwrap().solve(&right);
        known = [0, 1, 2].map(|k| mean[(k, 0)]);
        gains += 1.0 + known[0];
    }
    let covariance = precision.llt(faer::Side::Lower).unwrap().solve(faer::Mat::<f64>::identity(3, 3));
    // Ten presentations of the size assumed, and the residual sum of the regression.
    let explained: f64 = (0..3).map(|k| known[k] * right[(k, 0)]).sum();
    let scale = (10.0 + squares - explained) / 30.0;
    let effect = gain.effect();
    for k in 0..2 {
        let c = gains / 20.0;
        let (b, error) = (known[k + 1] / c, (scale * covariance[(k + 1, k + 1)]).sqrt() / c);
        assert!((effect.coefficients[k] - b).abs() < 1e-10, "{effect:?} {b}");
        assert!((effect.standard_errors[k] - error).abs() < 1e-10, "{effect:?} {error}");
    }
    assert_eq!(effect.presentations, 20);
}

#[test]
fn what_is_not_known_is_left_alone() {
    let mut gain = StateGain::new(Condition::Power);
    let measured = Request { value: 2.0, spread: 0.3, picture: Some(1), ..Request::first(0) };
    for state in [
        StateAtOnset::UNKNOWN,
        // Recordings older than the columns.
        StateAtOnset { phase_rad: 0.0, resultant: 0.0, power: 0.0 },
        StateAtOnset { power: f64::INFINITY, ..StateAtOnset::UNKNOWN },
    ] {
        let request = Request { state, ..measured };
        let found = gain.take(&request, Some(Prediction { mean: 1.0, sd: 0.1 }));
        assert_eq!((found.value, found.spread), (2.0, 0.3));
    }
    assert_eq!(gain, StateGain::new(Condition::Power));
    let effect = gain.effect();
    assert_eq!((effect.presentations, effect.coefficients), (0, vec![0.0]));
    assert!((effect.probability - 0.5).abs() < 1e-12);
}

/// The stage before a planner: it changes nothing where no state is known, and hands on corrected values where one is.
#[test]
fn any_planner_can_stand_behind_the_stage() {
    let plan = || {
        let canvas =
            Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 };
        let settings = Settings {
            aim: Aim::Drive,
            probes: 4,
            steps: 4,
            exploration: 1.0,
            forgetting_s: 600.0,
            people: Vec::new(),
            seed: 3,
        };
        // A search asks no model.
        AnyPlanner::new(Method::Search(Kind::Gabor), canvas, settings, |_| unreachable!()).unwrap()
    };
    let conditioned = || plan().conditioned(Condition::Power);
    assert_eq!(plan().first(), conditioned().first());
    let mut random = Random::new(2, 0);
    let (mut plain, mut blind, mut sighted) = (plan(), conditioned(), conditioned());
    let mut requests = [Request::first(0); 3];
    let mut differs = false;
    for at in 1..=80 {
        let proposals = [&mut plain, &mut blind, &mut sighted]
            .into_iter()
            .zip(&requests)
            .map(|(planner, request)| planner.propose(request, &mut || false).unwrap())
            .collect::<Vec<_>>();
        let [told, blind_told] = [0, 1].map(|at: usize| {
            let proposal = &proposals[at];
            (proposal.picture, proposal.incumbent, proposal.purpose, &proposal.pattern)
        });
        assert!(told == blind_told, "without a state, at {at}");
        differs |= proposals[0].pattern != proposals[2].pattern;
        let (state, x) = state(Condition::Power, &mut random);
        let value = (1.0 - 0.4 * x[0]) * (2.0 + random.normal()).max(0.2);
        for (request, proposal) in requests.iter_mut().zip(&proposals) {
            let picture = Some(proposal.picture);
            *request = Request {
                index: at,
                picture,
                value,
                spread: 0.3,
                ..Request::first(at as i64 * 1_000_000_000)
            };
        }
        requests[2].state = state;
    }
    assert!(differs, "what is corrected leads elsewhere");
}
