//! The GPU against the CPU twin: linear light, code values, retina. Every kind of pattern, window and paint is drawn over a
//! sweep of its numbers; `photic gallery --compare` does the same for whole stimuli on a user's own driver.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::f64::consts::{PI, TAU};

use display::{Scenery, Snapshots};
use random::Random;
use stimulus::checksum::Checksum;
use stimulus::dots::{Dot, Field};
use stimulus::element::{
    Aperture, Contrast, Course, Draw, Fade, Modulation, Motion, Outline, Paint, Pattern, Renewal, Span, Wave,
};
use stimulus::own::{MOST_PARAMETERS, Own, Program};
use stimulus::picture::Mix;
use stimulus::sheet::{self, Between, Sheet, Source, Texels};
use stimulus::twin::Twin;
use stimulus::{
    Code, Content, Element, Flicker, FlickerKind, Light, Moment, Patch, Picture, RetinaGrid, RetinaTemplate,
    Scene, Screen, Sheets, Transfer, Waveform, retina_of,
};

const LINEAR_TOLERANCE: f64 = 1e-3;
const SAME_LIGHT: f64 = 1e-4;
const RETINA_TOLERANCE: f64 = 1e-3;

/// Odd on purpose: rows that are no multiple of the copy alignment, and a centre between pixels.
const SIZE: [u32; 2] = [203, 150];

/// Something between two bounds.
fn between(random: &mut Random, from: f64, to: f64) -> f64 {
    from + (to - from) * random.uniform()
}

fn pick<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[(random.uniform() * all.len() as f64) as usize % all.len()]
}

fn pattern(kind: usize, random: &mut Random) -> Pattern {
    let mut frequency = || between(random, -0.25, 0.25);
    let (a, b) = (frequency(), frequency());
    let phase = random.uniform();
    let wave = pick(random, &[Wave::Sine, Wave::Square]);
    let sheet = |first: u32, width: u32, height: u32, random: &mut Random| Sheet {
        source: Source::Place(first),
        width,
        height,
        texel_px: between(random, 0.7, 5.0),
        between: pick(random, &[Between::Nearest, Between::Linear]),
        transfer: pick(random, &[sheet::Transfer::Srgb, sheet::Transfer::Linear]),
    };
    match kind {
        0 => Pattern::Uniform,
        1 => Pattern::Grating { cycles_per_px: [a, b], phase, wave },
        2 => Pattern::Polar { rings_per_px: a.abs(), spokes: (b * 60.0).round(), phase, wave },
        3 => Pattern::Checkerboard { check_px: [between(random, 2.0, 20.0), between(random, 2.0, 20.0)] },
        4 => Pattern::RadialCheckerboard {
            rings_per_px: a.abs(),
            from_px: 30.0 * a,
            rings_per_fold: if b > 0.0 { 12.0 * b } else { 0.0 },
            checks_around: 2.0 * (1.0 + (8.0 * random.uniform()).floor()),
        },
        5 => Pattern::Noise {
            left_px: (200.0 * a) as i32,
            top_px: (200.0 * b) as i32,
            cell_px: 1 + (7.0 * random.uniform()) as u32,
            draw: pick(
                random,
                &[Draw::Uniform, Draw::Binary, Draw::Gaussian { sd: 0.3 }, Draw::Sparse { density: 0.1 }],
            ),
            seed: (1e9 * random.uniform()) as u32,
        },
        6 => Pattern::Values(sheet(0, 40, 31, random)),
        7 => Pattern::Image(sheet(1, 33, 27, random)),
        _ => Pattern::Own(own(&[between(random, 0.1, 2.0), (2.0 + 10.0 * random.uniform()).floor()], 10.0)),
    }
}

/// The first program with these parameters.
fn own(given: &[f64], px_per_deg: f64) -> Own {
    let mut parameters = [0.0; MOST_PARAMETERS];
    for (place, &number) in parameters.iter_mut().zip(given) {
        *place = number as f32;
    }
    let (px_per_deg, frame_s) = (px_per_deg as f32, 1.0 / 60.0);
    Own { program: 0, px_per_deg, frame_s, parameters, finest_per_px: 0.2 }
}

fn outline(kind: usize, random: &mut Random) -> Outline {
    let mut size = || between(random, 8.0, 60.0);
    let (a, b) = (size(), size());
    match kind {
        0 => Outline::Open,
        1 => Outline::Rectangle { half_px: [a, b] },
        2 => Outline::Ellipse { radii_px: [a, a] },
        3 => Outline::Ellipse { radii_px: [a, b] },
        4 => Outline::Sector {
            inner_px: if b < 20.0 { 0.0 } else { 0.4 * a },
            outer_px: a,
            middle_rad: between(random, -PI, PI),
            half_rad: between(random, 0.2, 4.0),
        },
        5 => Outline::Gauss { sigma_px: [a / 3.0, b / 3.0] },
        6 => Outline::Polygon { corners: 3 + (5.0 * random.uniform()) as u32, radius_px: a },
        _ => Outline::Cross { arm_px: a.max(b), half_px: a.min(b) / 3.0 },
    }
}

fn paint(kind: usize, random: &mut Random) -> Paint {
    let mut colour = || [random.uniform(), random.uniform(), random.uniform()];
    match kind {
        0 => Paint::ACHROMATIC,
        1 => Paint::Modulate(colour()),
        2 => Paint::Cover { low: colour(), high: colour() },
        _ => Paint::Stencil(colour()),
    }
}

fn course(random: &mut Random) -> Course {
    let square = Flicker::realise(FlickerKind::OnOff, 10.0, Waveform::Square, 60.0).unwrap();
    let sine = Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap();
    let field = Field {
        half_px: 60.0,
        seen_px: 55.0,
        px_per_frame: 1.3,
        direction_rad: 0.4,
        coherence: 0.5,
        lifetime_frames: 9,
        seed: 5,
    };
    let largest = between(random, 0.1, 0.5);
    Course {
        modulation: match (5.0 * random.uniform()) as u32 {
            0 => Modulation::Flicker(square),
            1 => Modulation::OnsetFlicker(sine),
            2 => Modulation::Code {
                code: Code::new(vec![true, false, false, true, true], 2).unwrap(),
                reverses: random.uniform() < 0.5,
            },
            _ => Modulation::Steady,
        },
        contrast: pick(random, &[Contrast::Commanded(0.8), Contrast::Own(0.9)]),
        fade: pick(random, &[None, None, Some(Fade { after: 3, frames: 20 })]),
        span: pick(random, &[None, None, Some(Span { from: 2, to: 30, every: 40 })]),
        drift: between(random, -0.2, 0.2),
        motion: match (5.0 * random.uniform()) as u32 {
            0 => Motion::Linear { px_per_frame: [1.7, -0.6], frames: 30 },
            1 => Motion::Turn { cycles_per_frame: between(random, -0.02, 0.02) },
            2 => Motion::Loom { l_over_v_frames: 6.0, collision_frames: 60.0, largest },
            3 => Motion::Dot(Dot { index: (40.0 * random.uniform()) as u32, field }),
            _ => Motion::Still,
        },
        follows_gaze: false,
        renewal: pick(
            random,
            &[Renewal::Never, Renewal::Every { frames: 3, count: 0 }, Renewal::Once { frames: 2, count: 1 }],
        ),
    }
}

/// Sheets of noise, so that no two texels are alike.
fn sheets(random: &mut Random) -> Sheets {
    let values = (0..40 * 31).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
    let mut image = |width: u32, height: u32| {
        let texel = |random: &mut Random| [0; 4].map(|_: u8| (256.0 * random.uniform()) as u8);
        let texels = (0..width * height).map(|_| texel(random)).collect();
        Texels::new(width, height, texels).unwrap()
    };
    let images = vec![image(20, 44), image(33, 27)];
    let quasicrystal = include_str!("../../../protocols/quasicrystal.wgsl");
    let programs = vec![Program::read(quasicrystal, "quasicrystal.wgsl").unwrap()];
    Sheets { values: vec![Texels::new(40, 31, values).unwrap()], images, programs }
}

/// One element somewhere on the screen, on top of a coarse grating: what covers must be told from what adds.
fn scene(kinds: [usize; 3], random: &mut Random, screen: &Screen) -> Scene {
    let below = Scene::grating(&support::grating(screen, 0.5, 20.0, 14.0));
    let center_px = [between(random, 20.0, 180.0), between(random, 20.0, 130.0)];
    let aperture = Aperture {
        outline: outline(kinds[1], random),
        edge_px: pick(random, &[0.0, 1.5, 6.0]),
        inverted: random.uniform() < 0.15,
    };
    let element = Element::new(center_px, pattern(kinds[0], random), aperture, paint(kinds[2], random), 0);
    let open = element.place.half_px == [0.0; 2];
    let element = if open { element.with_half_px([33.3, 21.7]) } else { element };
    let mut element = element.turned(between(random, 0.0, TAU));
    if random.uniform() < 0.3 {
        element.clip_px = Some([30.25, 20.75, 150.25, 110.0]);
    }
    if random.uniform() < 0.2 {
        element.channels = pick(random, &[[true, false, false], [false, true, true]]);
    }
    Scene::together(&[&below, &Scene::of(element, course(random))])
}

/// The largest difference of a frame, and the part of pixels that differ by more than the tolerance.
struct Difference {
    linear: f64,
    code: u32,
    above: usize,
}

fn difference(
    gpu: &mut Snapshots,
    place: usize,
    scene: &Scene,
    content: &Content<'_>,
    moment: &Moment,
    scenery: &Scenery,
) -> Difference {
    let shot = gpu.shoot(place, moment).unwrap();
    let (screen, light) = (&scenery.screen, &scenery.light);
    let mut twin = Twin::prepare(screen, scene.courses.len());
    let mut worst = Difference { linear: 0.0, code: 0, above: 0 };
    let rendered = twin.render(scene, moment, content);
    for (place, ((gpu, codes), cpu)) in (0..).zip(shot.linear.iter().zip(&shot.codes).zip(rendered)) {
        let pixel = [place % screen.width_px, place / screen.width_px];
        let expected = light.encode(cpu.map(|part| part as f32), pixel, moment.frame);
        // What the shader makes of its own light is the table's, to the bit.
        assert_eq!(*codes, light.encode(*gpu, pixel, moment.frame), "{pixel:?}");
        let mut off = 0.0_f64;
        for channel in 0..3 {
            let apart = (f64::from(gpu[channel]) - cpu[channel]).abs();
            off = off.max(apart);
            // Near black a code is less light than 32-bit arithmetic of positions is sure of.
            if apart > SAME_LIGHT {
                worst.code = worst.code.max(codes[channel].abs_diff(expected[channel]));
            }
        }
        worst.linear = worst.linear.max(off);
        worst.above += usize::from(off > LINEAR_TOLERANCE);
    }
    assert_eq!(shot.checksum, Checksum::of(shot.codes.iter().copied()));
    worst
}

#[test]
fn every_pattern_window_and_paint_equals_its_twin() {
    let screen = support::screen(SIZE[0], SIZE[1]);
    let mut random = Random::new(20_261_126, 1);
    let sheets = sheets(&mut random);
    let mut scenes = vec![Scene::grey()];
    let mut kinds = Vec::new();
    for pattern in 0..9 {
        for outline in 0..8 {
            kinds.push([pattern, outline, (pattern + outline) % 4]);
            kinds.push([pattern, outline, (pattern + outline + 1) % 4]);
        }
    }
    for (place, &kinds) in kinds.iter().enumerate() {
        let mut scene = scene(kinds, &mut random, &screen);
        scene.courses.iter_mut().for_each(|course| course.follows_gaze = place % 3 == 0);
        scenes.push(scene);
    }
    let scenery = Scenery::plain(&screen, scenes.clone(), sheets.clone()).unwrap();
    let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery.clone())) else {
        return;
    };
    println!("{}", gpu.description());
    let content = Content { sheets: &sheets, picture: &[] };
    let mut worst = [(0.0_f64, 0_u32); 9];
    for (place, kinds) in kinds.iter().enumerate() {
        for frame in [0, 7, 23, 1_000_003] {
            let gaze_px = (frame != 23).then_some([5.0, -3.0]);
            let veil = if frame == 7 { 0.3 } else { 1.0 };
            let moment = Moment { frame: frame + 5, since_onset: frame, contrast: 0.7, veil, gaze_px };
            let found = difference(&mut gpu, place + 1, &scenes[place + 1], &content, &moment, &scenery);
            let (linear, code) = &mut worst[kinds[0]];
            (*linear, *code) = (linear.max(found.linear), (*code).max(found.code));
            assert!(
                found.linear <= LINEAR_TOLERANCE && found.code <= 1,
                "{kinds:?} in frame {frame}: {} in linear light ({} pixels), {} in codes: {:?}",
                found.linear,
                found.above,
                found.code,
                scenes[place + 1].elements[1]
            );
        }
    }
    for (name, (linear, code)) in [
        "uniform",
        "grating",
        "polar",
        "checkerboard",
        "radial checkerboard",
        "noise",
        "values",
        "image",
        "own",
    ]
    .iter()
    .zip(worst)
    {
        println!("{name:20} linear {linear:.1e}, code {code}");
    }
}

#[test]
fn elements_that_share_no_pixel_have_the_codes_of_blended_ones() {
    let screen = support::screen(SIZE[0], SIZE[1]);
    let mut random = Random::new(20_261_127, 1);
    let mut scattered = Scene::grey();
    for place in 0..6 * 4 {
        let aperture = Aperture::new(outline(place % 8, &mut random), pick(&mut random, &[0.0, 2.0]));
        let grey = [random.uniform(); 3];
        let paint = pick(&mut random, &[Paint::ACHROMATIC, Paint::Stencil(grey)]);
        let centre = [17.1 + 33.3 * (place % 6) as f64, 18.7 + 36.9 * (place / 6) as f64];
        let pattern = pattern(place % 6, &mut random);
        let mut element = Element::new(centre, pattern, aperture, paint, place).turned(place as f64);
        // Neighbours' rectangles come as near as a tenth of a pixel.
        let [x, y] = [16.6, 18.4];
        element.clip_px = Some([centre[0] - x, centre[1] - y, centre[0] + x, centre[1] + y]);
        let open = element.place.half_px == [0.0; 2];
        scattered.elements.push(if open { element.with_half_px([40.0, 9.0]) } else { element });
        scattered.courses.push(Course { motion: Motion::Still, ..course(&mut random) });
    }
    assert!(scattered.is_scattered());
    let under = Element { paint: Paint::Modulate([0.0; 3]), ..scattered.elements[0].clone() };
    let blended = Scene::together(&[&Scene::of(under, Course::STEADY), &scattered]);
    assert!(!blended.is_scattered());
    let scenes = vec![Scene::grey(), scattered.clone(), blended];
    let scenery = Scenery::plain(&screen, scenes, Sheets::default()).unwrap();
    let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery.clone())) else { return };
    for frame in [0, 1, 7, 30, 1_000_003] {
        let moment = Moment { frame: frame + 5, since_onset: frame, ..Moment::new(0, 0.7) };
        let found = difference(&mut gpu, 1, &scattered, &Content::NONE, &moment, &scenery);
        assert!(found.linear <= LINEAR_TOLERANCE && found.code <= 1, "{} {}", found.linear, found.code);
        let (straight, blended) = (gpu.shoot(1, &moment).unwrap(), gpu.shoot(2, &moment).unwrap());
        assert_eq!(straight.codes, blended.codes, "frame {frame}");
        assert_eq!(straight.checksum, blended.checksum, "frame {frame}");
    }
}

#[test]
fn retina_and_patch_equal_their_twins() {
    let screen = support::screen(SIZE[0], SIZE[1]);
    let scenes: Vec<Scene> = std::iter::once(Scene::grey())
        .chain([(0.25, 0.0, 14.0), (1.0, 45.0, 10.0), (2.4, 171.0, 3.0)].map(
            |(cpd, orientation_deg, diameter_deg)| {
                Scene::grating(&support::grating(&screen, cpd, orientation_deg, diameter_deg))
            },
        ))
        .collect();
    let patch = Patch::lower_right(&screen, 16);
    let grid = RetinaGrid::for_scenes(&scenes, &screen);
    let scenery = Scenery {
        patch,
        retina: Some(grid),
        ..Scenery::plain(&screen, scenes.clone(), Sheets::default()).unwrap()
    };
    let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery)) else { return };
    let mut retina = vec![0.0; grid.cells()];
    for (place, scene) in scenes.iter().enumerate() {
        for (frame, contrast) in [(0, 1.0), (2, 0.9), (5, 0.02), (3_000_000_002, 0.7)] {
            let moment = Moment::new(frame, contrast);
            let shot = gpu.shoot(place, &moment).unwrap();
            retina_of(scene, &Content::NONE, &moment, &grid, &screen, &mut retina);
            let worst =
                shot.retina.iter().zip(&retina).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f64::max);
            assert!(worst <= RETINA_TOLERANCE, "{worst}");
            let corner = *shot.presented.last().unwrap();
            assert_eq!(corner, [if scene.patch_is_white(&moment) { 255 } else { 0 }; 3]);
        }
    }
}

#[test]
fn ten_bits_three_transfers_and_dithering_equal_their_twins() {
    // An odd width, so that rows of codes are padded; colours, so that all three rows of the table are read.
    let screen = support::screen(101, 60);
    let transfers = [Transfer::Gamma([2.2; 3]), Transfer::Gamma([1.8, 2.2, 2.6])];
    for (transfer, bits, dither) in
        [(&transfers[0], 10, None), (&transfers[1], 8, Some(7)), (&transfers[1], 10, Some(8))]
    {
        let element = Element::new(
            [50.0, 30.0],
            Pattern::Grating { cycles_per_px: [0.02, 0.01], phase: 0.1, wave: Wave::Sine },
            Aperture::new(Outline::Ellipse { radii_px: [45.0, 28.0] }, 5.0),
            Paint::Modulate([1.0, -0.5, 0.25]),
            0,
        );
        let scenes = vec![Scene::grey(), Scene::of(element, Course::STEADY)];
        let scenery = Scenery {
            light: Light::prepare(transfer, bits, dither).unwrap(),
            ..Scenery::plain(&screen, scenes.clone(), Sheets::default()).unwrap()
        };
        let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery.clone())) else { return };
        for (scene, frame) in [(0, 3), (1, 0), (1, 70_000)] {
            let moment = Moment::new(frame, 0.9);
            let found = difference(&mut gpu, scene, &scenes[scene], &Content::NONE, &moment, &scenery);
            assert!(found.linear <= LINEAR_TOLERANCE && found.code <= 1, "{} {}", found.linear, found.code);
        }
    }
}

#[test]
fn the_comparison_can_fail() {
    // A twin with another phase must be told apart, or the sweep above proves nothing.
    let screen = support::screen(96, 64);
    let scenes = support::scenes(&screen);
    let scenery = Scenery::plain(&screen, scenes, Sheets::default()).unwrap();
    let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery.clone())) else { return };
    let grating = support::grating(&screen, 1.0, 45.0, 10.0);
    let other = Scene::grating(&stimulus::Grating { phase: grating.phase + 0.003, ..grating });
    let found = difference(&mut gpu, 1, &other, &Content::NONE, &Moment::new(2, 0.5), &scenery);
    assert!(found.linear > LINEAR_TOLERANCE, "{}", found.linear);
}

/// What a user would write in place of the grating that is built in.
const GRATING: &str = "
struct Parameters {
    /// 0 to 10
    sf_cpd: f32,
    /// 0 to 360
    orientation_deg: f32,
    /// 0 to 1
    phase_cycles: f32,
}

fn value(here: Here, p: Parameters) -> f32 {
    let angle = radians(p.orientation_deg);
    let along = dot(here.deg, vec2(cos(angle), sin(angle)));
    return cos(TAU * fract(p.sf_cpd * along + p.phase_cycles + here.cycles));
}";

/// Reads the clock in both ways that there are.
const CLOCK: &str = "
fn value(here: Here) -> f32 {
    let second = fract(here.s) - fract(f32(here.frame % 60u) / 60.0);
    return select(-1.0, here.s / 4096.0, abs(second) < 0.01 || abs(second) > 0.99);
}";

#[test]
fn an_own_grating_is_the_grating() {
    let screen = support::screen(SIZE[0], SIZE[1]);
    let programs = [GRATING, CLOCK].map(|text| Program::read(text, "own.wgsl").unwrap());
    let sheets = Sheets { programs: programs.to_vec(), ..Sheets::NONE };
    let mut scenes = vec![Scene::grey()];
    let course = Course { drift: -3.0 / 60.0, ..Course::STEADY };
    let aperture = Aperture::new(Outline::Ellipse { radii_px: [60.0, 60.0] }, 8.0);
    let element = |pattern| Element::new(screen.centre_px(), pattern, aperture, Paint::ACHROMATIC, 0);
    for (sf_cpd, orientation_deg, phase) in [(0.5, 0.0, 0.0), (1.3, 33.0, 0.25), (2.0, 151.0, 0.7)] {
        let cycles_per_px = screen.wave_vector(sf_cpd, orientation_deg);
        let own = own(&[sf_cpd, orientation_deg, phase], screen.px_per_deg);
        scenes.push(Scene::of(element(Pattern::Own(own)), course.clone()));
        let built_in = Pattern::Grating { cycles_per_px, phase, wave: Wave::Sine };
        scenes.push(Scene::of(element(built_in), course.clone()));
    }
    let clock = Own { program: 1, ..own(&[], screen.px_per_deg) };
    scenes.push(Scene::of(element(Pattern::Own(clock)), course.clone()));
    let scenery = Scenery::plain(&screen, scenes.clone(), sheets.clone()).unwrap();
    let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery.clone())) else { return };
    let content = Content { sheets: &sheets, picture: &[] };
    let mut worst = 0.0_f64;
    for frame in [0, 7, 23, 100_003] {
        let moment = Moment { frame: frame + 5, since_onset: frame, ..Moment::new(0, 0.7) };
        let mut same = |drawn: usize, computed: usize| {
            let found = difference(&mut gpu, drawn, &scenes[computed], &content, &moment, &scenery);
            worst = worst.max(found.linear);
            assert!(found.linear <= LINEAR_TOLERANCE && found.code <= 1, "{frame}: {drawn} {}", found.linear);
        };
        for own in [1, 3, 5] {
            // By the adapter against its twin; by the adapter and by the twin against the built-in one.
            same(own, own);
            same(own, own + 1);
            same(own + 1, own);
        }
        same(7, 7);
    }
    println!("own grating against the built-in one: linear {worst:.1e}");
}

#[test]
fn a_picture_goes_over_into_another_as_in_its_twin() {
    let screen = support::screen(SIZE[0], SIZE[1]);
    let flicker = Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap();
    let picture = Picture::centred(&screen, 12, 3, flicker).unwrap();
    let scenes = vec![Scene::grey(), Scene::picture(&picture)];
    let sheets = Sheets::default();
    let scenery = Scenery::plain(&screen, scenes.clone(), sheets.clone()).unwrap();
    let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery)) else { return };
    let pattern = |step: usize| -> Vec<f32> {
        (0..picture.count()).map(|at| ((at * at * step + at) % 256) as f32 / 127.5 - 1.0).collect()
    };
    let (before, after) = (pattern(7), pattern(11));
    gpu.load_as(4, &before);
    gpu.load_as(5, &after);
    let mut mixed = vec![0.0; picture.count()];
    let mut twin = Twin::prepare(&screen, 1);
    let moment = Moment::new(1, 0.9);
    // Picture 6 is not there: grey.
    for (from, to, weight) in
        [(4, 5, 0.0), (4, 5, 0.1), (4, 5, 0.5), (4, 5, 1.0), (6, 5, 0.3), (4, 6, 0.3), (4, 4, 1.0)]
    {
        let mix = Mix { from, to, weight };
        let texels = |picture| match picture {
            4 => &before[..],
            5 => &after[..],
            _ => &[],
        };
        mix.texels(texels(from), texels(to), &mut mixed);
        let shot = gpu.shoot_pictures(1, &moment, mix).unwrap();
        let content = Content { sheets: &sheets, picture: &mixed };
        let light = twin.render(&scenes[1], &moment, &content);
        let worst = shot
            .linear
            .iter()
            .zip(light)
            .map(|(gpu, cpu)| (f64::from(gpu[0]) - cpu[0]).abs())
            .fold(0.0, f64::max);
        assert!(worst <= 1e-6, "{mix:?}: {worst}");
    }
    // All of one is the same to the bit as that one without a fade.
    gpu.load(&after);
    let (alone, faded) =
        (gpu.shoot(1, &moment).unwrap(), gpu.shoot_pictures(1, &moment, Mix { from: 4, to: 5, weight: 1.0 }));
    assert_eq!(alone, faded.unwrap());
}

#[test]
fn pictures_equal_their_twin() {
    let screen = support::screen(SIZE[0], SIZE[1]);
    let flicker = Flicker::realise(FlickerKind::Counterphase, 7.5, Waveform::Sine, 60.0).unwrap();
    for (texels, texel_px) in [(1, 1), (12, 3), (48, 3), (7, 20)] {
        let picture = Picture::centred(&screen, texels, texel_px, flicker).unwrap();
        let scenes = vec![Scene::grey(), Scene::picture(&picture)];
        let grid = RetinaGrid::for_scenes(&scenes, &screen);
        assert_eq!((grid.cell_px, grid.left_px, grid.top_px), (texel_px, picture.left_px, picture.top_px));
        let sheets = Sheets::default();
        let scenery = Scenery {
            retina: Some(grid),
            ..Scenery::plain(&screen, scenes.clone(), sheets.clone()).unwrap()
        };
        let Some(mut gpu) = support::with_adapter(Snapshots::prepare(scenery.clone())) else { return };
        let grey = gpu.shoot(1, &Moment::new(1, 1.0)).unwrap();
        assert!(grey.linear.iter().all(|&value| value == [0.5; 3]), "a picture without a pattern is grey");
        // A pattern without any symmetry, from -1 to 1.
        let pattern: Vec<f32> =
            (0..picture.count()).map(|at| ((at * at * 7 + at) % 256) as f32 / 127.5 - 1.0).collect();
        gpu.load(&pattern);
        let content = Content { sheets: &sheets, picture: &pattern };
        let mut retina = vec![0.0; grid.cells()];
        let mut template = RetinaTemplate::prepare(&scenes[1], &sheets, &grid, &screen);
        template.load(&pattern);
        for (frame, contrast) in [(1, 1.0), (3, 0.4), (6, 0.03)] {
            let moment = Moment::new(frame, contrast);
            let found = difference(&mut gpu, 1, &scenes[1], &content, &moment, &scenery);
            assert!(found.linear <= 1e-6, "{texels} texels of {texel_px} px: {}", found.linear);
            let shot = gpu.shoot(1, &moment).unwrap();
            template.frame(&moment, &mut retina);
            let worst =
                shot.retina.iter().zip(&retina).map(|(gpu, cpu)| (gpu - cpu).abs()).fold(0.0, f64::max);
            // The shader sums the pixels of a cell in f32: 400 of them where a texel is 20 px.
            assert!(worst <= 1e-5, "retina of {texels} texels of {texel_px} px: {worst}");
        }
    }
}
