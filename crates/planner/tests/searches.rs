//! The searches that know no model, and the open loop, against a drawn brain.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::features::Eyes;
use planner::search::latent::{Generator, PER_GABOR, dimensions};
use planner::{Aim, AnyPlanner, Canvas, Method, Proposal, Settings, probe};
use random::Random;
use timeline::{Purpose, Request};

fn canvas() -> Canvas {
    Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 }
}

fn brain(canvas: &Canvas) -> Eyes {
    let mut spec = Spec::draw(Family::Energy, 2, canvas.texels, canvas.texels_per_deg, 1);
    spec.semisaturation = vec![0.5];
    let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
    Eyes::values(encoder, "level", canvas, true).unwrap()
}

struct World {
    planner: AnyPlanner,
    canvas: Canvas,
    request: Request,
    noise: (f64, Random),
    /// Level of each picture by its number.
    levels: Vec<f64>,
}

impl World {
    fn new(method: Method, aim: Aim, seed: u64, noise: f64) -> Self {
        let canvas = canvas();
        let settings = Settings {
            aim,
            probes: 12,
            steps: 8,
            exploration: 1.0,
            forgetting_s: 600.0,
            people: Vec::new(),
            seed,
        };
        let eyes = |canvas: &Canvas| Eyes::v1(canvas, true);
        let planner = AnyPlanner::new(method, canvas.clone(), settings, eyes).unwrap();
        let request = Request::first(0);
        Self { planner, canvas, request, noise: (noise, Random::new(seed, 9)), levels: vec![0.0] }
    }

    /// One presentation; its value is lost where `lost`.
    fn turn(&mut self, brain: &mut Eyes, lost: bool) -> Proposal {
        let proposal = self.planner.propose(&self.request, &mut || false).unwrap();
        assert_eq!(proposal.picture as usize, self.levels.len(), "pictures are numbered in their order");
        let level = brain.features(&self.canvas.light(&proposal.pattern)).unwrap()[0];
        self.levels.push(level);
        let (sd, random) = &mut self.noise;
        let value = if lost { f64::NAN } else { level + *sd * random.normal() };
        let index = self.request.index;
        self.request = Request {
            index: index + 1,
            at_ns: (index as i64 + 1) * 3_600_000_000,
            presentation: Some(index),
            picture: Some(proposal.picture),
            value,
            spread: sd.max(0.01),
            ..self.request
        };
        proposal
    }

    fn run(&mut self, brain: &mut Eyes, count: usize) -> Vec<Proposal> {
        (0..count).map(|_| self.turn(brain, false)).collect()
    }

    fn level(&self, proposal: &Proposal) -> f64 {
        self.levels[proposal.incumbent as usize]
    }
}

/// Median level of Gabors, and of pictures of random latents.
fn chance(brain: &mut Eyes) -> [f64; 2] {
    let (canvas, mut random) = (canvas(), Random::new(77, 0));
    let generator = Generator::new(canvas.clone(), 6);
    let mut median = |made: &mut dyn FnMut() -> Vec<f32>| {
        let mut levels: Vec<f64> =
            (0..60).map(|_| brain.features(&canvas.light(&made())).unwrap()[0]).collect();
        levels.sort_by(f64::total_cmp);
        levels[30]
    };
    let gabors = median(&mut || probe::gabor(&canvas, &mut random).unwrap());
    let mut random = Random::new(78, 0);
    let latents = median(&mut || {
        let latent: Vec<f64> = (0..dimensions(6)).map(|_| random.normal()).collect();
        generator.picture(&latent).unwrap()
    });
    [gabors, latents]
}

#[test]
fn searches_find_what_drives_a_brain_and_what_does_not() {
    let canvas = canvas();
    let mut brain = brain(&canvas);
    let [gabors, latents] = chance(&mut brain);
    for method in Method::ALL.into_iter().filter(|method| matches!(method, Method::Search(_))) {
        let mut world = World::new(method, Aim::Drive, 1, 0.05);
        let proposals = world.run(&mut brain, 300);
        let [early, late] = [30, 299].map(|at| world.level(&proposals[at]));
        println!("{method:?}: {early:.3} after 30, {late:.3} after 300; chance {gabors:.3}, {latents:.3}");
        assert!(late > gabors.max(latents) + 0.15 && late > early - 0.05, "{method:?}: {late}");
        let again: Vec<Proposal> = World::new(method, Aim::Drive, 1, 0.05).run(&mut brain, 40);
        let hash = |p: &Proposal| (p.picture, p.pattern.clone(), p.incumbent, p.purpose);
        assert!(again.iter().map(hash).eq(proposals[..40].iter().map(hash)), "{method:?} repeats");
        let mut world = World::new(method, Aim::Suppress, 1, 0.05);
        let proposals = world.run(&mut brain, 120);
        let least = world.level(&proposals[119]);
        assert!(least < 0.5 * gabors.min(latents), "{method:?}: {least} is not suppressed");
    }
}

#[test]
fn a_picture_that_was_not_measured_is_asked_again() {
    let canvas = canvas();
    let mut brain = brain(&canvas);
    for method in Method::ALL.into_iter().filter(|method| matches!(method, Method::Search(_))) {
        let mut world = World::new(method, Aim::Drive, 2, 0.05);
        let mut plain = World::new(method, Aim::Drive, 2, 0.05);
        let (mut seen, mut turns, mut lost_one) = (Vec::new(), 0, None);
        while seen.len() < 60 {
            let lost = turns % 3 == 1;
            if lost {
                let saved = world.noise.1.clone();
                let proposal = world.turn(&mut brain, true);
                world.noise.1 = saved;
                lost_one = Some(proposal.pattern);
            } else {
                let proposal = world.turn(&mut brain, false);
                let before = lost_one.take();
                assert!(
                    before.is_none_or(|before| before == proposal.pattern),
                    "{method:?}: it comes at once"
                );
                seen.push(proposal.pattern);
            }
            turns += 1;
        }
        let whole: Vec<Vec<f32>> = plain.run(&mut brain, 60).into_iter().map(|p| p.pattern).collect();
        assert!(seen == whole, "{method:?}: a lost measurement changed the search");
    }
}

#[test]
fn an_open_loop_shows_its_probes_and_then_one_picture() {
    let canvas = canvas();
    let mut brain = brain(&canvas);
    let mut world = World::new(Method::OpenLoop, Aim::Drive, 3, 0.05);
    let proposals = world.run(&mut brain, 20);
    let is_probe = |p: &Proposal| matches!(p.purpose, Purpose::ProbeNatural | Purpose::ProbeGabor);
    assert!(proposals[..12].iter().all(is_probe) && !proposals[12..].iter().any(is_probe));
    assert!(proposals[..12].iter().all(|p| p.incumbent == 0), "nothing is believed before the fit");
    assert!(proposals[12..].iter().all(|p| p.pattern == proposals[12].pattern));
    assert!(proposals[12..].iter().all(|p| p.incumbent == proposals[12].picture));
    assert!(proposals[13..].iter().all(|p| p.purpose == Purpose::Repeat));
}

#[test]
fn near_latents_give_near_pictures_within_the_constraints() {
    let (canvas, mut random) = (canvas(), Random::new(5, 0));
    let generator = Generator::new(canvas.clone(), 6);
    for _ in 0..20 {
        let latent: Vec<f64> = (0..dimensions(6)).map(|_| random.normal()).collect();
        let picture = generator.picture(&latent).unwrap();
        let again = canvas.allowed(&picture).unwrap();
        assert!(picture.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-3));
        assert!(picture.iter().all(|t| t.abs() <= 1.0 + 1e-5));
        // A step of a thousandth in any number, over the seam of the angles too, moves the picture by little.
        for at in 0..PER_GABOR {
            let mut moved = latent.clone();
            moved[at] += 1e-3;
            let other = generator.picture(&moved).unwrap();
            let apart: f64 =
                picture.iter().zip(&other).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
            assert!(apart < 0.03, "number {at}: {apart}");
        }
    }
}
