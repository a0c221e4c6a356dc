//! Adversaries that optimise flicker against the governor, frame by frame and episode by episode, and an independent
//! judge of everything that was shown: nothing gets past the rule.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]
#![allow(clippy::print_stdout, reason = "a test says what it found")]

#[allow(dead_code, reason = "each test binary uses its own part")]
mod judge;

use judge::{Judgement, STANDARDS, random};
use stimulus::safety::light::{pack, unpack};
use stimulus::safety::{Bound, Governor, LightTables, Mode, Request, Shown};
use stimulus::{Screen, ScreenSpec};

const WIDTH: u32 = 12;
const HEIGHT: u32 = 8;
const PIXELS: usize = (WIDTH * HEIGHT) as usize;

type Pixel = [u8; 3];

fn screen(refresh_hz: f64) -> Screen {
    Screen::new(&ScreenSpec {
        width_cm: 30.0,
        height_cm: 20.0,
        refresh_hz,
        luminance_max_cd_m2: 250.0,
        luminance_min_cd_m2: 0.5,
        ..ScreenSpec::plain(WIDTH, HEIGHT)
    })
    .unwrap()
}

/// A governor, and everything that it let onto the screen.
struct Stage {
    screen: Screen,
    governor: Governor,
    shown: Vec<Vec<Pixel>>,
    /// The first candidates, which the judge has to find unsafe.
    asked: Vec<Vec<Pixel>>,
    frames: usize,
    closed: bool,
    stopped: usize,
    whole: usize,
}

impl Stage {
    fn new(frames: usize, refresh_hz: f64, mode: Mode) -> Self {
        let screen = screen(refresh_hz);
        let tables = LightTables::of_screen(&screen, 256).unwrap();
        let governor = Governor::prepare(&screen, tables, Bound::STANDARDS, mode);
        let shown = Vec::with_capacity(frames);
        Self { screen, governor, shown, asked: Vec::new(), frames, closed: false, stopped: 0, whole: 0 }
    }

    fn step(&mut self, candidate: &[Pixel], release: bool) {
        let packed: Vec<u32> = candidate.iter().map(|&pixel| pack(pixel.map(u32::from))).collect();
        let verdict = self.governor.step(&packed, Request { release, ..Request::default() });
        self.closed = verdict.closed;
        self.stopped += usize::from(verdict.shown != Shown::Candidate);
        let shown: Vec<Pixel> =
            self.governor.shown().map(|pixel| unpack(pixel).map(|code| code as u8)).collect();
        self.whole += usize::from(shown == candidate);
        self.shown.push(shown);
        if self.asked.len() < 2000 {
            self.asked.push(candidate.to_vec());
        }
    }

    fn done(&self) -> bool {
        self.shown.len() >= self.frames
    }

    fn last(&self) -> &[Pixel] {
        self.shown.last().map_or(&[[186; 3]; PIXELS], |frame| frame)
    }

    /// The adversary must have come up to the bound, or the test says nothing.
    fn judged(&self, name: &str) -> Judgement {
        let judgement = judge::judge(&self.screen, &self.shown, STANDARDS);
        println!(
            "{name}: {} frames, {} as asked, {} stopped, at most {} changes of a pixel in a second",
            self.shown.len(),
            self.whole,
            self.stopped,
            judgement.most_changes
        );
        assert_ne!(judge::judge(&self.screen, &self.asked, STANDARDS).flags, 0, "{name} asked for nothing");
        assert_eq!(judgement.flags, 0, "{name}: {judgement:?}");
        assert!(judgement.most_changes >= 6 && self.stopped.min(self.whole) > self.frames / 100, "{name}");
        judgement
    }
}

fn luminance([r, g, b]: Pixel) -> f64 {
    let linear = |code: u8| (f64::from(code) / 255.0).powf(2.2);
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

const PALETTE: [Pixel; 8] = [
    [0, 0, 0],
    [255, 255, 255],
    [255, 0, 0],
    [0, 0, 255],
    [186, 186, 186],
    [124, 124, 124],
    [255, 60, 30],
    [0, 255, 255],
];

/// Flicker of a patch.
#[derive(Clone, Copy)]
struct Patch {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    hz: f64,
    phase: f64,
    duty: f64,
    /// Frames of flicker and of rest, again and again.
    on: f64,
    off: f64,
    stripes: f64,
    colours: [f64; 2],
    level: f64,
}

impl Patch {
    fn random(seed: &mut u64) -> Self {
        let mut within = |from: f64, to: f64| from + (to - from) * random(seed);
        Self {
            left: within(0.0, 8.0),
            top: within(0.0, 5.0),
            width: within(1.0, 12.0),
            height: within(1.0, 8.0),
            hz: within(0.2, 15.0),
            phase: within(0.0, 1.0),
            duty: within(0.1, 0.9),
            on: within(5.0, 200.0),
            off: within(0.0, 60.0),
            stripes: within(-1.0, 1.0),
            colours: [within(0.0, 8.0), within(0.0, 8.0)],
            level: within(0.2, 1.0),
        }
    }

    fn mutated(&self, seed: &mut u64) -> Self {
        if random(seed) < 0.05 {
            return Self::random(seed);
        }
        let mut near = |value: f64, spread: f64| value + spread * (random(seed) + random(seed) - 1.0);
        Self {
            left: near(self.left, 1.5).clamp(0.0, 11.0),
            top: near(self.top, 1.5).clamp(0.0, 7.0),
            width: near(self.width, 1.5).clamp(1.0, 12.0),
            height: near(self.height, 1.5).clamp(1.0, 8.0),
            hz: near(self.hz, 1.0).clamp(0.1, 30.0),
            phase: near(self.phase, 0.2),
            duty: near(self.duty, 0.1).clamp(0.05, 0.95),
            on: near(self.on, 20.0).clamp(2.0, 400.0),
            off: near(self.off, 20.0).clamp(0.0, 200.0),
            stripes: near(self.stripes, 0.3).clamp(-1.0, 1.0),
            colours: self.colours.map(|colour| near(colour, 0.7).clamp(0.0, 7.9)),
            level: near(self.level, 0.2).clamp(0.05, 1.0),
        }
    }

    fn paint(&self, frame: usize, refresh_hz: f64, image: &mut [Pixel]) {
        let frame = frame as f64;
        if frame % (self.on + self.off) >= self.on {
            return;
        }
        let bright = (frame * self.hz / refresh_hz + self.phase).rem_euclid(1.0) < self.duty;
        for (index, pixel) in image.iter_mut().enumerate() {
            let (x, y) = (f64::from(index as u32 % WIDTH), f64::from(index as u32 / WIDTH));
            let inside = (self.left..self.left + self.width).contains(&x)
                && (self.top..self.top + self.height).contains(&y);
            if inside {
                let odd = self.stripes > 0.3 && x as u32 % 2 == 1;
                let colour = PALETTE[self.colours[usize::from(bright != odd)] as usize];
                *pixel = colour.map(|code| (f64::from(code) * self.level + 186.0 * (1.0 - self.level)) as u8);
            }
        }
    }
}

/// An evolution strategy over the parameters of six patches; what it wants is change of what is shown.
fn evolve(frames: usize, refresh_hz: f64, mode: Mode, seed: u64) {
    let mut seed = seed;
    let mut stage = Stage::new(frames, refresh_hz, mode);
    let episode = 250;
    let mut best: [Patch; 6] = std::array::from_fn(|_| Patch::random(&mut seed));
    let (mut best_score, mut tries) = (f64::NEG_INFINITY, 0);
    while !stage.done() {
        let tried = if tries == 0 { best } else { best.map(|patch| patch.mutated(&mut seed)) };
        let from = stage.shown.len();
        for frame in 0..episode {
            let mut image = vec![[186; 3]; PIXELS];
            tried.iter().for_each(|patch| patch.paint(frame, refresh_hz, &mut image));
            let release = frame == 0 || (stage.closed && random(&mut seed) < 0.05);
            stage.step(&image, release);
        }
        let score: f64 = stage.shown[from..]
            .windows(2)
            .flat_map(|pair| pair[0].iter().zip(&pair[1]))
            .filter(|(before, after)| {
                let redder = (before[0] > 200 && before[1] < 40) != (after[0] > 200 && after[1] < 40);
                redder || (luminance(**before) - luminance(**after)).abs() > 0.1
            })
            .count() as f64;
        // What has been best is tried again now and then, because the history that it met was another.
        if score >= best_score {
            (best, best_score) = (tried, score);
        } else {
            best_score *= 0.995;
        }
        tries += 1;
    }
    stage.judged(&format!("evolution at {refresh_hz} Hz, {mode:?}"));
}

/// Looks at what is shown and turns pixels over, bit by bit, as often as it thinks that it may and a little oftener.
fn turn_over(frames: usize, refresh_hz: f64, mode: Mode, seed: u64) {
    let mut seed = seed;
    let mut stage = Stage::new(frames, refresh_hz, mode);
    let second = refresh_hz as usize;
    let mut turned: Vec<Vec<usize>> = vec![Vec::new(); PIXELS];
    while !stage.done() {
        let now = stage.shown.len();
        let mut image = stage.last().to_vec();
        let greed = random(&mut seed);
        let set = random(&mut seed);
        let red = now / 2000 % 3 == 1;
        let stripes = now / 3000 % 4 == 3;
        for (index, pixel) in image.iter_mut().enumerate() {
            turned[index].retain(|&at| now - at < second);
            let (column, row) = (index % WIDTH as usize, index / WIDTH as usize);
            let chosen = match (set * 5.0) as u32 {
                0 => true,
                1 => (column as f64) < greed * 12.0,
                2 => (row as f64) < greed * 8.0,
                3 => random(&mut seed) < greed,
                _ => column / 3 == now % 4,
            };
            // Most know when they have no change left; some do not care.
            let free = turned[index].len() < 6 || random(&mut seed) < 0.1 * greed;
            if chosen && free && random(&mut seed) < 0.6 {
                let bright = luminance(*pixel) > 0.25;
                *pixel = match (red, stripes) {
                    (true, _) => [if pixel[1] < 40 { [128; 3] } else { [255, 0, 0] }, [0, 0, 255]]
                        [usize::from(random(&mut seed) < 0.1)],
                    (_, true) => [[0; 3], [255; 3]][(column + usize::from(bright)) % 2],
                    _ => [[0; 3], [255; 3]][usize::from(!bright)],
                };
            }
        }
        let before = stage.last().to_vec();
        stage.step(&image, random(&mut seed) < 0.3);
        for (index, (before, after)) in before.iter().zip(stage.last()).enumerate() {
            if before != after {
                turned[index].push(now);
            }
        }
    }
    stage.judged(&format!("turning over at {refresh_hz} Hz, {mode:?}"));
}

#[test]
fn evolution_gets_nothing_past_the_ramp() {
    evolve(100_000, 60.0, Mode::Ramp, 11);
}

#[test]
fn evolution_gets_nothing_past_attenuation() {
    evolve(25_000, 30.0, Mode::Attenuate, 12);
}

#[test]
fn turning_pixels_over_gets_nothing_past_the_ramp() {
    turn_over(25_000, 30.0, Mode::Ramp, 13);
}

#[test]
fn turning_pixels_over_gets_nothing_past_attenuation() {
    turn_over(25_000, 60.0, Mode::Attenuate, 14);
}
