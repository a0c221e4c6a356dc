//! `photic synth` as a user runs it: specifications in, pictures, numbers and a page out.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use encoding::onnx::{Dim, Graph};
use ndarray::{Array5, ArrayD};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use serde_json::Value;
use support::{Ended, Process, photic, root, run};
use tempfile::TempDir;

/// One complex cell of a small V1, in few steps.
const BASE: &str = r#"[synth]
name = "small"
description = "a test"
seed = 7

[stimulus]
count = 1
width_px = 48
height_px = 48
width_deg = 3.0
colour = "grey"

[model.v1.embedded]
scales_cpd = [3.2, 1.6]

[parametrisation.fourier]
exponent = 1.0
start_noise = 0.05

[constraint]
range = [0.0, 1.0]
mean = 0.5
contrast = { sd_at_most = 0.12 }

[[objective]]
weight = 1.0
unit = { model = "v1", tap = "v1.complex.s1", units = [[2, 6, 6]] }

[optimiser.adam]
rate = 0.05

[budget]
steps = 6

[output.srgb]
bits = 8
"#;

const UNIT: &str = r#"unit = { model = "v1", tap = "v1.complex.s1", units = [[2, 6, 6]] }"#;
const FOURIER: &str = "[parametrisation.fourier]\nexponent = 1.0\nstart_noise = 0.05\n";

/// A folder with a specification, a reference image and a direction vector beside it.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new(spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = ArrayD::from_shape_fn(vec![48, 48], |i| {
            0.5 + 0.3 * ((i[0] as f32 * 0.9).sin() * (i[1] as f32 * 0.5).cos())
        });
        image.write_npy(fs::File::create(folder.path().join("image.npy")).unwrap()).unwrap();
        fs::write(folder.path().join("spec.toml"), spec).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self, out: &str, more: &[&str]) -> Vec<String> {
        let (spec, out) = (self.path("spec.toml"), self.path(out));
        let fixed = ["synth", spec.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"];
        fixed.iter().chain(more).map(|text| (*text).to_owned()).collect()
    }

    fn synth(&self, out: &str, more: &[&str]) -> Ended {
        run(self.arguments(out, more), 120.0)
    }

    fn light(&self, out: &str) -> Array5<f32> {
        Array5::read_npy(fs::File::open(self.path(out).join("stimuli.npy")).unwrap()).unwrap()
    }
}

fn first_and_best(outcome: &Value) -> (f64, f64) {
    (outcome["trajectory"][0]["best"].as_f64().unwrap(), outcome["value"].as_f64().unwrap())
}

/// Code values of a PNG's first frame.
fn decoded(path: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    (frame.width, frame.height, pixels)
}

#[test]
fn a_result_is_whole_and_repeats_to_the_byte() {
    let case = Case::new(BASE);
    let outcome = case.synth("a", &[]).expect(0).json();
    let (first, best) = first_and_best(&outcome);
    assert!(best > 1.5 * first && first > 0.0, "{first} {best}");
    assert_eq!((outcome["ended"].as_str(), outcome["steps"].as_u64()), (Some("steps"), Some(6)));
    assert_eq!(outcome["optimiser"]["class"], "gradient");
    assert!(outcome["evaluations"].as_u64().unwrap() >= 6);

    // The light meets the constraints, and the picture is its code.
    let light = case.light("a");
    assert_eq!(light.shape(), [1, 1, 1, 48, 48]);
    assert!((light.mean().unwrap() - 0.5).abs() < 1e-5 && light.std(0.0) < 0.1201);
    let (width, height, pixels) = decoded(&case.path("a").join("stimulus-1.png"));
    assert_eq!((width, height), (48, 48));
    for (code, &light) in pixels.iter().zip(&light) {
        let wanted = 255.0 * encoding::form::Transfer::Srgb.code(light);
        assert!((f32::from(*code) - wanted).abs() <= 0.501, "{code} {wanted}");
    }

    // The value is that of the stimulus in the file: an encoder of our own finds it.
    let params = encoding::v1::Params {
        size_px: [48, 48],
        width_deg: 3.0,
        scales_cpd: vec![3.2, 1.6],
        ..Default::default()
    };
    let bytes = encoding::v1::build(&params).unwrap();
    let encoder =
        encoding::encoder::Encoder::from_bytes("v1", &bytes, None, &adjoint::Limits::default()).unwrap();
    let rows = encoder.features(light.view(), &[encoding::encoder::Features::of("v1.complex.s1")]).unwrap();
    let side = (rows[0].ncols() / 8).isqrt();
    let found = rows[0][[0, (2 * side + 6) * side + 6]];
    assert!((found / best - 1.0).abs() < 1e-4, "{found} {best}");
    assert_eq!(outcome["models"][0]["sha256"], recording::sha256_hex(&bytes));

    let again = case.synth("b", &[]).expect(0).json();
    for name in ["stimulus-1.png", "stimuli.npy", "spec.toml"] {
        let bytes = |out: &str| fs::read(case.path(out).join(name)).unwrap();
        assert!(bytes("a") == bytes("b"), "{name} differs");
    }
    let written: Value =
        serde_json::from_str(&fs::read_to_string(case.path("a").join("synthesis.json")).unwrap()).unwrap();
    assert_eq!(written, outcome);
    let mut pair = [outcome, again];
    for outcome in &mut pair {
        for key in ["elapsed_s", "started_utc", "folder"] {
            assert!(outcome.as_object_mut().unwrap().remove(key).is_some());
        }
    }
    assert_eq!(pair[0], pair[1]);
    case.synth("c", &["--seed", "8"]).expect(0);
    assert!(case.light("a") != case.light("c"));
    case.synth("a", &[]).expect(2).says(&["--out", "not empty"]);
}

#[test]
fn the_page_stands_alone() {
    let case =
        Case::new(&BASE.replace("count = 1", "count = 3").replace("a test", "</p><script>alert(1)</script>"));
    case.synth("a", &[]).expect(0);
    let page = fs::read_to_string(case.path("a").join("sheet.html")).unwrap();
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 3);
    for never in ["<script", "<link", "<iframe", "http:", "https:", "@import", "url("] {
        assert!(!page.contains(never), "{never}");
    }
    for always in ["stimulus-3.png", "<svg", "SHA-256", "light: mean", "&lt;script&gt;"] {
        assert!(page.contains(always), "{always}");
    }
}

/// Each kind of objective, and each other section, makes a way: the value rises within a few steps.
#[test]
fn every_kind_of_objective_rises() {
    let cases: &[(&str, &str)] = &[
        (
            "channel",
            r#"channel = { model = "v1", tap = "v1.complex.s1", channel = 0, positions = "centre" }"#,
        ),
        (
            "cell",
            r#"unit = { model = "v1", tap = "v1.complex", cell = { centre_deg = [0.0, 0.0], cpd = 1.6, orientation_deg = 45.0 } }"#,
        ),
        (
            "direction",
            r#"direction = { model = "v1", tap = "v1.complex.s1", vector = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0], power = 0.0 }"#,
        ),
        ("target", r#"target = { model = "v1", tap = "v1.complex.s1", image = "image.npy" }"#),
        (
            "hold",
            r#"hold = { model = "v1", tap = "v1.complex.s1", units = [[0, 3, 3]], baseline = [0.4], spread = 0.1 }"#,
        ),
        (
            "drive_and_hold",
            r#"drive_and_hold = { model = "v1", tap = "v1.complex.s1", unit = [2, 6, 6], baseline = [0.0], spread = 0.5, hold_weight = 0.5 }"#,
        ),
        ("suppress", r#"suppress = { model = "v1", tap = "v1.complex.s1" }"#),
        (
            "contrast",
            r#"contrast = { model = "v1", tap = "v1.complex.s1", up = [[0, 6, 6]], down = [[4, 6, 6]], ratio = { log = { floor = 0.01 } } }"#,
        ),
        ("texture", r#"texture = { model = "v1", tap = "v1.simple.s1", image = "image.npy" }"#),
        (
            "metamer",
            r#"metamer = { model = "v1", tap = "v1.complex.s1", pool = [2, 2], image = "image.npy", tolerance = 1e-2 }"#,
        ),
    ];
    for (name, objective) in cases {
        let case = Case::new(&BASE.replace(UNIT, objective));
        let outcome = case.synth("a", &[]).expect(0).json();
        let (first, best) = first_and_best(&outcome);
        assert!(best > first + 0.01 * first.abs(), "{name}: {first} to {best}");
    }
}

#[test]
fn sets_two_models_and_letters() {
    let diverse = BASE.replace("count = 1", "count = 3").replace(
        "[optimiser.adam]",
        "[[objective]]\nweight = 0.5\ndiverse = { model = \"v1\", tap = \"v1.complex.s1\", statistic = \"gram\" }\n\n\
         [optimiser.adam]",
    );
    let outcome = Case::new(&diverse).synth("a", &[]).expect(0).json();
    assert!(
        outcome["stimuli"].as_array().unwrap().len() == 3
            && outcome["terms"][1]["value"].as_f64() < Some(0.0)
    );

    // The second model has lost the cells that the first is to use: they disagree where it does.
    let two = BASE
        .replace("[parametrisation", "[model.hurt.embedded]\nscales_cpd = [3.2, 1.6]\n\n[[intervention]]\nmodel = \"hurt\"\n\
             tap = \"v1.complex.s1\"\nlesion = { gain = 0.2, channels = [2] }\n\n[parametrisation")
        .replace(UNIT, r#"discriminate = { a = { model = "v1", tap = "v1.complex.s1", units = [[2, 6, 6]] }, b = { model = "hurt", tap = "v1.complex.s1", units = [[0, 6, 6]] }, signed = {}, reference = { scenes = 16, rms_contrast = 0.2 } }"#);
    let outcome = Case::new(&two).synth("a", &[]).expect(0).json();
    let (first, best) = first_and_best(&outcome);
    assert!(best > first + 0.5, "z-scores {first} to {best}");
    let said = outcome["models"][1]["interventions"][0].as_str().unwrap();
    assert!(said.contains("lesion at v1.complex.s1") && said.contains("of 1152 units"), "{said}");

    let letters = BASE
        .replace("count = 1", "count = 3")
        .replace(FOURIER, "[parametrisation.perturbation]\nletters = { text = \"COD\", height_deg = 1.5, contrast = -0.5, \
             centre_deg = [0.0, 0.0] }\nlinf = 0.1\nstart_noise = 0.01\n")
        .replace("mean = 0.5\ncontrast = { sd_at_most = 0.12 }\n", "")
        .replace(UNIT, r#"least_confusable = { model = "v1", tap = "v1.complex.s1", pool = [4, 4], classes = [0, 1, 2], noise_sd = [0.1], sharpness = 4.0 }"#)
        .replace("[optimiser.adam]\nrate = 0.05", "[optimiser.projected_gradient]\nrule = \"linf\"\nstep = 0.02");
    let case = Case::new(&letters);
    let (first, best) = first_and_best(&case.synth("a", &[]).expect(0).json());
    assert!(best > 1.2 * first, "d' {first} to {best}");
    // Within the bound of the letters, whose ink is 0.25 and whose ground is 0.5.
    let far = |light: &&f32| (**light - 0.25).abs() > 0.101 && (**light - 0.5).abs() > 0.101;
    assert_eq!(case.light("a").iter().filter(far).count(), 0);
}

#[test]
fn searches_without_a_gradient_and_deadlines() {
    let gabor = BASE.replace(FOURIER, "[parametrisation.gabors]\ncount = 1\nstart_contrast = 0.3\n");
    for optimiser in [
        "[optimiser.cma_es]\nsigma = 0.2",
        "[optimiser.genetic]\npopulation = 12\nelite = 3\nspread = 0.3",
        "[optimiser.bayesian]\ninitial = 6",
    ] {
        let spec =
            gabor.replace("[optimiser.adam]\nrate = 0.05", optimiser).replace("steps = 6", "steps = 10");
        let outcome = Case::new(&spec).synth("a", &[]).expect(0).json();
        let (first, best) = first_and_best(&outcome);
        assert!(best > first, "{optimiser}: {first} {best}");
        assert_eq!(outcome["optimiser"]["class"], "gradient-free");
    }
    let outcome = Case::new(&BASE.replace("steps = 6", "deadline_ms = 400")).synth("a", &[]).expect(0).json();
    assert_eq!(outcome["ended"], "deadline");
    assert!(outcome["steps"].as_u64() > Some(0) && outcome["elapsed_s"].as_f64() < Some(2.0));
}

/// A generator of 16 numbers: waves over 48 x 48 pixels, added up and squashed to 0..1.
fn generator() -> Vec<u8> {
    let mut graph = Graph::new("waves", "");
    let z = graph.input("z", &[Dim::Fixed(1), Dim::Fixed(16)], "latent");
    let wave = |wave: usize, pixel: usize| {
        let (x, y) = ((pixel % 48) as f32, (pixel / 48) as f32);
        let angle = wave as f32 * std::f32::consts::PI / 8.0;
        let phase = if wave < 8 { 0.0 } else { std::f32::consts::FRAC_PI_2 };
        (0.6 * (x * angle.cos() + y * angle.sin()) + phase).sin()
    };
    let waves: Vec<f32> = (0..16 * 48 * 48).map(|i| wave(i / (48 * 48), i % (48 * 48))).collect();
    let waves = graph.constant("waves", &[16, 48 * 48], &waves);
    let sum = graph.matmul("sum", &z, &waves);
    let light = graph.sigmoid("light", &sum);
    let image = graph.reshape("image", &light, &[1, 1, 48, 48]);
    graph.output(&image, &[1, 1, 48, 48].map(Dim::Fixed), "image");
    graph.finish().unwrap()
}

#[test]
fn a_generator_is_searched_through_its_latent() {
    let latent = "[parametrisation.latent]\npath = \"waves.onnx\"\nlayout = \"nchw\"\ntransfer = \"linear\"\nmean = [0.0]\nsd = [1.0]\nbgr = false\nlimit = 2.0\n";
    let case = Case::new(&BASE.replace(FOURIER, latent));
    fs::write(case.path("waves.onnx"), generator()).unwrap();
    let outcome = case.synth("a", &[]).expect(0).json();
    let (first, best) = first_and_best(&outcome);
    assert!(best > first, "{first} {best}");
    assert_eq!(outcome["parameters"], 16);
    assert!(outcome["files"].as_array().unwrap().iter().any(|file| file["path"] == "waves.onnx"));
    // The numbers may not leave their bounds: with a limit of next to nothing it stays grey.
    let near = Case::new(&BASE.replace(FOURIER, &latent.replace("limit = 2.0", "limit = 0.001")));
    fs::write(near.path("waves.onnx"), generator()).unwrap();
    near.synth("a", &[]).expect(0);
    assert!(near.light("a").iter().all(|light| (light - 0.5).abs() < 0.01));
}

#[test]
fn a_spectrum_that_is_wanted_is_come_closer_to() {
    let deviation = |weight: f64| {
        let prior =
            format!("[[prior]]\nweight = {weight:?}\nspectrum = {{ exponent = 2.0 }}\n\n[optimiser.adam]");
        let spec = BASE
            .replace(FOURIER, "[parametrisation.pixels]\nstart_noise = 0.05\n")
            .replace("[optimiser.adam]\nrate = 0.05", &format!("{prior}\nrate = 0.01"))
            .replace("steps = 6", "steps = 20");
        let outcome = Case::new(&spec).synth("a", &[]).expect(0).json();
        assert_eq!(outcome["penalties"][0]["name"], "spectrum");
        outcome["penalties"][0]["value"].as_f64().unwrap()
    };
    let (free, bound) = (deviation(1e-6), deviation(10.0));
    assert!(bound < 0.1 * free, "white noise is {free} away, with a weight {bound}");
}

#[test]
fn a_movie_is_an_animated_png_within_the_rule() {
    let rig = root().join("protocols/lab-rig.toml");
    let movie = BASE
        .replace("colour = \"grey\"", "colour = \"grey\"\nmovie = { frames = 6, rate_hz = 60.0 }")
        .replace("scales_cpd = [3.2, 1.6]", "scales_cpd = [1.6]\ntemporal = {}")
        .replace("start_noise = 0.05\n", "start_noise = 0.05\ncut_off_hz = 20.0\n")
        .replace("[[objective]]", &format!("photosensitivity.rule = {{ rig = {rig:?}, looped = true }}\n\n[[objective]]"))
        .replace(UNIT, r#"unit = { model = "v1", tap = "v1.direction", cell = { centre_deg = [0.0, 0.0], cpd = 1.6, orientation_deg = 0.0, direction = "along" } }"#);
    let case = Case::new(&movie);
    let (first, best) = first_and_best(&case.synth("a", &[]).expect(0).json());
    assert!(best > first, "{first} {best}");
    assert_eq!(case.light("a").shape(), [1, 6, 1, 48, 48]);
    let file = fs::File::open(case.path("a").join("stimulus-1.png")).unwrap();
    let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    assert_eq!(reader.info().animation_control().unwrap().num_frames, 6);
    let silent = movie.replace("photosensitivity.rule", "# photosensitivity.rule");
    Case::new(&silent).synth("a", &[]).expect(2).says(&["constraint.photosensitivity", "missing"]);
}

#[test]
fn ctrl_c_keeps_the_best() {
    let case = Case::new(&BASE.replace("steps = 6", "steps = 10000000"));
    let mut process = Process::start(&mut photic(case.arguments("a", &[])));
    process.tells("step 1:", 60.0);
    std::thread::sleep(std::time::Duration::from_millis(300));
    process.interrupt();
    let outcome = process.end(20.0).expect(0).json();
    assert_eq!(outcome["ended"], "cancelled");
    let (first, best) = first_and_best(&outcome);
    assert!(best > first && outcome["steps"].as_u64() > Some(1));
    assert!(case.path("a").join("synthesis.json").is_file() && case.light("a").len() == 48 * 48);
}

/// What is replaced in [`BASE`], by what, the line of the error, and what it says.
#[test]
fn wrong_specifications_are_refused_with_their_place() {
    let table: &[(&str, &str, usize, &[&str])] = &[
        (
            "seed = 7",
            "sead = 7",
            4,
            &["synth.sead", "unknown key", "name, description, seed", "did you mean `seed`?"],
        ),
        ("seed = 7", "", 1, &["synth.seed", "missing", "whole number"]),
        ("width_deg = 3.0", "width_deg = -1", 10, &["found -1", "above 0", "180 deg"]),
        ("colour = \"grey\"", "colour = \"gray\"", 11, &["\"grey\", \"rgb\"", "did you mean \"grey\"?"]),
        ("[model.v1.embedded]", "[model.v1.embeded]", 13, &["model.v1.embeded", "embedded, file"]),
        ("scales_cpd = [3.2, 1.6]", "scales_cpd = [16.0]", 13, &["16 cpd", "px per degree"]),
        ("scales_cpd = [3.2, 1.6]", "scales_cpd = [3.2, \"b\"]", 14, &["found \"b\"", "cycles per degree"]),
        (
            "exponent = 1.0",
            "exponent = 9.0",
            17,
            &["parametrisation.fourier.exponent", "found 9.0", "0 to 4"],
        ),
        ("start_noise = 0.05", "start_noise = 0.05\nchroma = 0.3", 19, &["rgb stimuli only"]),
        ("range = [0.0, 1.0]", "range = [0.4, 0.45]", 20, &["constraint", "mean", "0.45"]),
        ("sd_at_most = 0.12", "sd_most = 0.12", 23, &["unknown key", "sd_at_most, sd_exactly"]),
        ("range = [0.0, 1.0]", "range = [0.5, 0.4]", 21, &["rising"]),
        (
            "tap = \"v1.complex.s1\"",
            "tap = \"v1.complx.s1\"",
            27,
            &["no tap \"v1.complx.s1\"", "did you mean \"v1.complex.s1\"?"],
        ),
        ("model = \"v1\"", "model = \"v2\"", 27, &["no model \"v2\"", "there is: v1"]),
        ("[[2, 6, 6]]", "[[8, 6, 6]]", 25, &["[8, 6, 6]", "[8, 12, 12]"]),
        ("[[2, 6, 6]]", "[[2.5]]", 27, &["list of indices"]),
        (
            UNIT,
            "metamer = { model = \"v1\", tap = \"v1.complex.s1\", image = \"none.npy\", tolerance = 1e-3 }",
            27,
            &["metamer.image", "there is none at"],
        ),
        (
            UNIT,
            "diverse = { model = \"v1\", tap = \"v1.complex.s1\", statistic = \"gram\" }",
            25,
            &["diverse", "1"],
        ),
        (
            "[optimiser.adam]",
            "[optimiser.adams]",
            29,
            &["optimiser.adams", "adam, lbfgs, projected_gradient"],
        ),
        ("rate = 0.05", "rate = 0", 30, &["optimiser.adam.rate", "above 0"]),
        (
            "[optimiser.adam]\nrate = 0.05",
            "[optimiser.bayesian]\n",
            29,
            &["needs a parametrisation whose numbers have bounds"],
        ),
        ("steps = 6", "step = 6", 33, &["budget.step", "steps, deadline_ms", "did you mean `steps`?"]),
        ("steps = 6", "", 32, &["needs `steps`, `deadline_ms` or both"]),
        ("[output.srgb]\nbits = 8", "[output.display]\nbits = 8", 35, &["output.display.gamma", "missing"]),
        ("bits = 8", "bits = 9", 36, &["found 9", "8 or 16"]),
        ("[budget]", "[budgets]", 32, &["budgets", "unknown key"]),
        (
            "[[objective]]\nweight = 1.0\n",
            "[[objective]]\nweight = 1.0\nsuppress = { model = \"v1\", tap = \"v1.complex.s1\", units = [[2, 6, 6]] }\n\n[[objective]]\nweight = 1.0\n",
            29,
            &["unit [2, 6, 6] is", "suppress"],
        ),
    ];
    for (from, to, line, texts) in table {
        assert!(BASE.contains(from), "{from}");
        let case = Case::new(&BASE.replacen(from, to, 1));
        let ended = case.synth("a", &[]).expect(2);
        let place = format!("spec.toml:{line}:");
        ended.says(&[place.as_str()]);
        ended.says(texts);
        assert!(!case.path("a").exists(), "{to}: nothing may be made");
    }
}

#[test]
fn the_shipped_specifications_are_accepted() {
    let models = root().join("../shared/models");
    for entry in fs::read_dir(root().join("specs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "toml") {
            continue;
        }
        if path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("-study")) {
            run(["study", path.to_str().unwrap(), "--check"], 120.0).expect(0);
            continue;
        }
        let foreign = fs::read_to_string(&path).unwrap().contains("/shared/models/");
        if foreign && !models.is_dir() {
            assert!(std::env::var_os("PHOTIC_REQUIRE_SHARED").is_none(), "{} is absent", models.display());
            continue;
        }
        let ended = run(["synth", path.to_str().unwrap(), "--check", "--json"], 120.0).expect(0);
        assert!(ended.json()["parameters"].as_u64() > Some(0), "{}", path.display());
    }
}
