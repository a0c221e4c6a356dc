//! The encoder against its definition, the words that the shader reads, and what dithering does to spectra.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use stimulus::light::{BINS, NEAREST};
use stimulus::{Light, Transfer, TransferTable};

const SRGB_LIKE: Transfer = Transfer::Gamma([2.2; 3]);

fn light(transfer: &Transfer, bits: u32, seed: Option<u32>) -> Light {
    Light::prepare(transfer, bits, seed).unwrap()
}

/// A table that is no power law: a straight foot, a shoulder, and two codes of the same light.
fn odd_table() -> Transfer {
    let text = "code,red_cd_m2,green_cd_m2,blue_cd_m2\n0,0.2,0.2,0.2\n32,0.2,1.5,0.4\n64,2.0,6,0.8\n\
                128,9,31,2.5\n192,30,110,8\n224,41,150,13\n255,42,160,15.5\n";
    Transfer::Table(TransferTable::parse(text, "odd.csv").unwrap())
}

fn transfers() -> Vec<Transfer> {
    vec![SRGB_LIKE, Transfer::Gamma([1.0; 3]), Transfer::Gamma([5.0, 0.5, 2.4]), odd_table()]
}

/// How far the light may be off, in parts of white: the table is interpolated over bins, straight within each. A measured
/// curve may have a knee within a bin, and one that flattens towards white has many codes in the last ones.
fn bound(transfer: &Transfer, linear: f32) -> f64 {
    match transfer {
        Transfer::Gamma(exponents) if *exponents == [2.2; 3] => 6e-6,
        Transfer::Table(_) if linear > 0.99 => 6e-4,
        Transfer::Table(_) => 2e-4,
        _ => 4e-5,
    }
}

#[test]
fn the_nearest_code_in_light() {
    for transfer in transfers() {
        for bits in [8, 10] {
            let light = light(&transfer, bits, None);
            for channel in 0..3 {
                for step in 0..=1600 {
                    let linear = step as f32 / 1600.0;
                    let code = light.code(linear, channel, NEAREST);
                    let miss = |code: u32| (light.light_of(channel, code) - f64::from(linear)).abs();
                    let best = (0..=light.highest()).map(miss).fold(f64::MAX, f64::min);
                    // At the middle between two codes either will do: what is off there counts twice.
                    let excess = miss(code) - best;
                    assert!(
                        excess <= 2.0 * bound(&transfer, linear),
                        "{bits} {channel} {linear}: {code}, {excess}"
                    );
                }
            }
        }
    }
}

#[test]
fn codes_come_back_from_their_light() {
    let codes = |light: &Light| -> Vec<u32> {
        (0..=light.highest()).map(|code| light.code(light.light_of(1, code) as f32, 1, NEAREST)).collect()
    };
    // Where codes differ in light by more than a unit, each is found again, whatever the threshold.
    for light in [light(&SRGB_LIKE, 8, None), light(&Transfer::Gamma([1.0; 3]), 10, None)] {
        assert_eq!(codes(&light), (0..=light.highest()).collect::<Vec<_>>());
        for code in [0, 1, 100, light.highest()] {
            let linear = light.light_of(0, code) as f32;
            assert_eq!(light.code(linear, 0, NEAREST), code);
        }
    }
    // Codes of the same light: the lowest, so that black is code 0.
    let light = light(&odd_table(), 8, None);
    assert_eq!(light.light_of(0, 20), 0.0);
    assert_eq!(light.code(0.0, 0, NEAREST), 0);
}

#[test]
fn what_is_no_light_is_clamped() {
    let light = light(&SRGB_LIKE, 8, Some(1));
    let encoded = |linear: f32| light.encode([linear; 3], [3, 4], 5);
    assert_eq!(encoded(-1.0), [0; 3]);
    assert_eq!(encoded(-0.0), [0; 3]);
    assert_eq!(encoded(f32::NAN), [0; 3]);
    assert_eq!(encoded(1.0), [255; 3]);
    assert_eq!(encoded(f32::INFINITY), [255; 3]);
    assert!(Light::prepare(&SRGB_LIKE, 12, None).unwrap_err().to_string().contains("bits is 12"));
    let steep = Light::prepare(&Transfer::Gamma([2.2, 6.0, 2.2]), 8, None).unwrap_err();
    assert_eq!(steep.to_string(), "gamma of green is 6, allowed is 0.5 to 5");
}

/// The shader's arithmetic on what it is given, of 32 bits: Rust would stop where a product did not fit.
fn by_shader(light: &Light, linear: f32, channel: u32, noise: u32) -> u32 {
    let [highest, fraction_bits, rows, ..] = light.uniform();
    let clamped = linear.clamp(0.0, 1.0);
    let key = (clamped + 1.0 / 65_536.0).to_bits() - (1.0_f32 / 65_536.0).to_bits();
    let texel = channel.min(rows - 1) * BINS + (key >> 15);
    let [start, rise] = light.table()[texel as usize];
    let part = key & 32_767;
    let drive = start + ((part * (rise >> 8) + ((part * (rise & 255)) >> 8)) >> 7);
    let code = (drive + (noise >> (16 - fraction_bits))) >> fraction_bits;
    if clamped >= 1.0 { highest } else { code }
}

proptest! {
    #[test]
    fn the_shaders_arithmetic_gives_the_same_code(
        linear in prop_oneof![0.0_f32..1.0, (-30.0_f32..0.0).prop_map(f32::exp2), Just(1.0), Just(0.0)],
        noise in 0_u32..65_536,
    ) {
        for transfer in transfers() {
            for bits in [8, 10] {
                let light = light(&transfer, bits, Some(1));
                for channel in 0..3 {
                    let code = light.code(linear, channel, noise);
                    prop_assert_eq!(by_shader(&light, linear, channel as u32, noise), code);
                }
            }
        }
    }
}

#[test]
fn the_worst_tables_stay_within_32_bits() {
    // Nearly all light in one step, and nearly all codes in one bin.
    let step = "code,cd_m2\n0,0\n400,0\n401,100\n900,100\n1023,100.1\n";
    let step = Transfer::Table(TransferTable::parse(step, "step.csv").unwrap());
    for transfer in [step, Transfer::Gamma([5.0; 3]), Transfer::Gamma([0.5; 3])] {
        for bits in [8, 10] {
            let light = light(&transfer, bits, Some(1));
            for n in 0..100_000 {
                let linear = (-24.0 * f64::from(n) / 1e5).exp2() as f32;
                for noise in [0, 32_768, 65_535] {
                    assert_eq!(by_shader(&light, linear, 0, noise), light.code(linear, 0, noise));
                }
            }
        }
    }
}

#[test]
fn the_mean_light_over_all_noise_is_the_wanted_one() {
    let mut worst: f64 = 0.0;
    for transfer in transfers() {
        for bits in [8, 10] {
            let light = light(&transfer, bits, Some(1));
            for (n, channel) in (1..300).flat_map(|n| [(n, 0), (n, 1), (n, 2)]) {
                let linear = (f64::from(n) / 300.0).powf(1.7) as f32;
                let codes = (0..2048).map(|noise| light.code(linear, channel, 32 * noise + 16));
                let mean = codes.map(|code| light.light_of(channel, code)).sum::<f64>() / 2048.0;
                let miss = (mean - f64::from(linear)).abs();
                if linear < 0.99 {
                    worst = worst.max(miss);
                }
                assert!(miss < bound(&transfer, linear), "{bits} bits {linear}: {miss}");
            }
        }
    }
    eprintln!("mean light: worst {worst:.1e} of white");
}

#[test]
fn thresholds_are_uniform_and_independent() {
    let thresholds = |seed: u32| {
        let light = light(&SRGB_LIKE, 8, Some(seed));
        move |x, y, frame| (f64::from(light.noise([x, y], frame)) + 0.5) / 65_536.0 - 0.5
    };
    let (at, other) = (thresholds(7), thresholds(8));
    let (mut bins, mut products, mut count) = ([0_u32; 256], [0.0; 6], 0.0);
    for frame in 0..64 {
        for y in 0..64 {
            for x in 0..64 {
                let value = at(x, y, frame);
                bins[((value + 0.5) * 256.0) as usize] += 1;
                let neighbours = [
                    at(x + 1, y, frame),
                    at(x, y + 1, frame),
                    at(x, y, frame + 1),
                    at(y, x, frame + 64),
                    at(x + 1, y + 1, frame + 1),
                    other(x, y, frame),
                ];
                for (product, neighbour) in products.iter_mut().zip(neighbours) {
                    *product += value * neighbour;
                }
                count += 1.0;
            }
        }
    }
    let expected = count / 256.0;
    let chi: f64 = bins.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: mean 255, SD 22.6.
    assert!((chi - 255.0).abs() < 4.0 * 22.6, "{chi}");
    for product in products {
        // Correlation; its SD under independence is 1 / sqrt(n) = 0.002.
        let correlation = 12.0 * product / count;
        assert!(correlation.abs() < 4.0 / count.sqrt(), "{correlation}");
    }
}

/// Frames of one row of pixels after another, as light.
struct Movie {
    width: u32,
    height: u32,
    frames: Vec<Vec<f64>>,
}

impl Movie {
    fn shown(
        light: &Light,
        [width, height, frames]: [u32; 3],
        wanted: impl Fn(u32, u32, u32) -> f64,
    ) -> Self {
        let show = |frame: u32| {
            let mut pixels = Vec::with_capacity((width * height) as usize);
            for y in 0..height {
                for x in 0..width {
                    let linear = wanted(x, y, frame) as f32;
                    let code = light.encode([linear; 3], [x, y], frame.into())[1];
                    pixels.push(light.light_of(1, code));
                }
            }
            pixels
        };
        Self { width, height, frames: (0..frames).map(show).collect() }
    }

    /// Mean over blocks of `side` pixels: `[frame][cell]`.
    fn cells(&self, side: u32) -> Vec<Vec<f64>> {
        let columns = self.width / side;
        let cells = (columns * (self.height / side)) as usize;
        let reduce = |pixels: &Vec<f64>| {
            let mut means = vec![0.0; cells];
            for (index, value) in pixels.iter().enumerate() {
                let (x, y) = (index as u32 % self.width, index as u32 / self.width);
                means[(y / side * columns + x / side) as usize] += value / f64::from(side * side);
            }
            means
        };
        self.frames.iter().map(reduce).collect()
    }
}

/// Amplitude of the line with `cycles` whole cycles in a series.
fn line(series: impl ExactSizeIterator<Item = f64>, cycles: f64) -> f64 {
    let count = series.len() as f64;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (index, value) in series.enumerate() {
        let angle = TAU * cycles * index as f64 / count;
        real += value * angle.cos();
        imaginary += value * angle.sin();
    }
    2.0 * real.hypot(imaginary) / count
}

/// The amplitude of a flicker of full contrast about the mean grey, to which all dB below refer.
const FULL_FLICKER: f64 = 0.5;

fn db(amplitude: f64) -> f64 {
    20.0 * (amplitude / FULL_FLICKER).log10()
}

/// A static grating of 8 cycles over 128 px on mean grey.
fn grating(contrast: f64) -> impl Fn(u32, u32, u32) -> f64 {
    move |x, _, _| 0.5 * (1.0 + contrast * (TAU * 8.0 * (f64::from(x) + 0.5) / 128.0).cos())
}

#[test]
fn a_grating_of_1_in_2048_has_its_amplitude() {
    let wanted = 0.5 / 2048.0;
    for transfer in [SRGB_LIKE, odd_table()] {
        for bits in [8, 10] {
            let amplitude = |seed| {
                let movie =
                    Movie::shown(&light(&transfer, bits, seed), [128, 64, 256], grating(1.0 / 2048.0));
                let columns = (0..128).map(|x| {
                    let frames = movie.frames.iter();
                    frames.map(|f| f.iter().skip(x).step_by(128).sum::<f64>()).sum::<f64>() / (64.0 * 256.0)
                });
                let columns: Vec<f64> = columns.collect();
                line(columns.into_iter(), 8.0)
            };
            let (dithered, plain) = (amplitude(Some(2048)), amplitude(None));
            eprintln!(
                "{bits} bits: amplitude {:.4} of the wanted, undithered {:.4}",
                dithered / wanted,
                plain / wanted
            );
            assert!((dithered / wanted - 1.0).abs() < 0.05, "{dithered} {wanted}");
            // Why it is needed.
            assert!((plain / wanted - 1.0).abs() > 0.05, "{plain} {wanted}");
        }
    }
}

/// Tagged frequencies that 240 frames at 60 Hz hold a whole number of times.
const TAGS_HZ: [f64; 6] = [6.0, 7.5, 8.0, 10.0, 12.0, 15.0];

#[test]
fn a_dithered_static_grating_has_no_line_at_tagged_frequencies() {
    let movie = Movie::shown(&light(&SRGB_LIKE, 8, Some(60)), [128, 64, 240], grating(1.0 / 2048.0));
    let series = |cells: &[Vec<f64>], cell: usize, cycles: f64| {
        let values: Vec<f64> = cells.iter().map(|frame| frame[cell]).collect();
        line(values.into_iter(), cycles)
    };
    let (pixels, cells, field) = (movie.cells(1), movie.cells(8), movie.cells(64));
    for tag_hz in TAGS_HZ {
        let cycles = tag_hz * 4.0;
        let whole = field[0].len();
        let in_field = (0..whole).map(|c| series(&field, c, cycles)).fold(0.0, f64::max);
        let in_cell = (0..cells[0].len()).map(|c| series(&cells, c, cycles)).fold(0.0, f64::max);
        // A pixel alone is noise of a step's size. A line would be what its mean power has above its neighbours'.
        let power = |cycles: f64| {
            (0..pixels[0].len()).map(|p| series(&pixels, p, cycles).powi(2)).sum::<f64>()
                / pixels[0].len() as f64
        };
        let noise = [-4.0, -2.0, 2.0, 4.0].map(|off| power(cycles + off)).iter().sum::<f64>() / 4.0;
        let line_power = (power(cycles) - noise).max(0.0);
        eprintln!(
            "{tag_hz} Hz: field {:.1} dB, worst 8 px cell {:.1} dB, line in a pixel below {:.1} dB (noise {:.1} dB)",
            db(in_field),
            db(in_cell),
            db(line_power.sqrt().max(1e-9)),
            db(noise.sqrt())
        );
        assert!(db(in_field) < -60.0 && db(in_cell) < -60.0, "{tag_hz} Hz: {in_field} {in_cell}");
        assert!(db(line_power.sqrt()) < -60.0, "{tag_hz} Hz: {line_power}");
        assert!(db(noise.sqrt()) < -60.0, "{tag_hz} Hz: {noise}");
    }
}

#[test]
fn a_faint_flicker_keeps_its_amplitude_and_gets_no_harmonics() {
    // 12 Hz in 240 frames at 60 Hz: five frames per cycle, so that rounding repeats itself and makes harmonics.
    let flicker = |_, _, frame: u32| 0.5 * (1.0 + 0.008 * (TAU * f64::from(frame) / 5.0 + PI / 7.0).cos());
    let field = |seed| {
        let movie = Movie::shown(&light(&SRGB_LIKE, 8, seed), [64, 64, 240], flicker);
        movie.cells(64).into_iter().map(|frame| frame[0]).collect::<Vec<f64>>()
    };
    let (dithered, plain) = (field(Some(3)), field(None));
    let at = |series: &[f64], cycles| line(series.iter().copied(), cycles);
    assert!((at(&dithered, 48.0) / 0.004 - 1.0).abs() < 0.02, "{}", at(&dithered, 48.0));
    eprintln!("24 Hz: dithered {:.1} dB, rounded {:.1} dB", db(at(&dithered, 96.0)), db(at(&plain, 96.0)));
    assert!(db(at(&dithered, 96.0)) < -80.0, "{}", db(at(&dithered, 96.0)));
    assert!(db(at(&plain, 96.0)) > -60.0, "{}", db(at(&plain, 96.0)));
}

#[test]
fn tables_are_refused_with_their_row() {
    let cases = [
        ("0,0.1\n64,2\n128,9\n192,30", "lut.csv: 4 levels, allowed is 5 or more"),
        (
            "0,0.1\n64,2\n128,1.9\n192,30\n255,90",
            "lut.csv:4: cd_m2 is 1.9, allowed is at least 2 of the row before",
        ),
        (
            "0,0.1\n64,2\n64,3\n192,30\n255,90",
            "lut.csv:4: code is 64, allowed is more than 64 of the row before",
        ),
        ("0,0.1\n64,2\n128.5,3\n192,30\n255,90", "lut.csv:4: code is 128.5, allowed is a whole number"),
        ("1,0.1\n64,2\n128,3\n192,30\n255,90", "lut.csv:2: code is 1, the first has to be 0"),
        (
            "0,0\n64,2\n128,3\n192,30\n250,90",
            "lut.csv:6: code is 250, the last has to be 255 or 1023, which is full drive",
        ),
        ("0,-0.1\n64,2\n128,3\n192,30\n255,90", "lut.csv:2: cd_m2 is -0.1, allowed is 0 or more"),
        ("0,2\n64,2\n128,2\n192,2\n255,2", "lut.csv:6: cd_m2 is 2 as at code 0: the channel gives no light"),
    ];
    for (rows, message) in cases {
        let error = TransferTable::parse(&format!("code,cd_m2\n{rows}\n"), "lut.csv").unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let codes = [0, 64, 128, 192, 255];
    let inline = |columns: &[Vec<f64>]| TransferTable::from_columns("screen.lut", &codes, columns);
    let falls = inline(&[vec![0.1, 2.0, 9.0, 8.0, 90.0]]).unwrap_err().to_string();
    assert_eq!(falls, "screen.lut, row 4: cd_m2 is 8, allowed is at least 9 of the row before");
    let short = inline(&[vec![0.1, 2.0]]).unwrap_err().to_string();
    assert_eq!(short, "screen.lut: 5 codes and 2 luminances, allowed is one each");
    let table = inline(&[vec![0.1, 2.0, 9.0, 30.0, 90.0]]).unwrap();
    assert_eq!((table.black_cd_m2(), table.white_cd_m2()), (0.1, 90.0));
    assert_eq!(table.agrees_with(92.0, 0.1), Ok(()));
    let other = table.agrees_with(250.0, 0.1).unwrap_err().to_string();
    assert_eq!(
        other,
        "screen.lut: white is 90.000 cd/m2, the screen's luminance_max_cd_m2 is 250; they may differ by 12.500 cd/m2"
    );
}

#[test]
fn a_table_of_a_power_law_is_that_power_law() {
    for (gamma, bound) in [(2.2, 1e-12), (1.8, 2e-3), (2.6, 2e-3)] {
        let codes: Vec<u64> = (0..=16).map(|n| (n * 255 + 8) / 16).collect();
        let cd_m2 = codes.iter().map(|&code| 0.3 + 120.0 * (code as f64 / 255.0).powf(gamma)).collect();
        let table = TransferTable::from_columns("power", &codes, &[cd_m2]).unwrap();
        let worst = (0..=1000)
            .map(|n| f64::from(n) / 1000.0)
            .map(|drive| (table.light(2, drive) - drive.powf(gamma)).abs())
            .fold(0.0, f64::max);
        eprintln!("17 levels of gamma {gamma}: worst light {worst:.1e}");
        assert!(worst < bound, "{gamma}: {worst}");
    }
}
