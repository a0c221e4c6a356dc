//! `photic model v1`, `photic model score` and `photic fit` as a user runs them, on recordings whose truth is known.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use adjoint::Limits;
use encoding::encoder::{Encoder, Features};
use ndarray::{Array2, Array3, Array4, Array5, ArrayD, Axis, arr0};
use ndarray_npy::NpzWriter;
use random::Random;
use support::run;
use tempfile::TempDir;

const SMALL: [&str; 6] = ["--size-px", "32", "--field-deg", "2", "--scales-cpd", "3.2,1.6"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A small V1 in a folder of its own, as a file and as an encoder.
fn v1(more: &[&str]) -> (TempDir, PathBuf, Encoder) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v1.onnx");
    let mut arguments = vec!["model", "v1", "-o", text(&path), "--json"];
    arguments.extend(SMALL);
    arguments.extend(more);
    let json = run(&arguments, 60.0).expect(0).json();
    assert!(json["taps"].as_array().unwrap().len() > 4, "{json}");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(json["sha256"], recording::sha256_hex(&bytes));
    let encoder = Encoder::from_bytes("v1", &bytes, None, &Limits::default()).unwrap();
    (folder, path, encoder)
}

/// Blocks of noise of two sizes, so that both scales of the model answer differently to each.
fn stimuli(count: usize, seed: u64) -> Array5<f32> {
    let mut random = Random::new(seed, 0);
    let mut all = Array5::zeros((count, 1, 1, 32, 32));
    for mut image in all.outer_iter_mut() {
        let coarse = Array2::from_shape_simple_fn((8, 8), || random.normal());
        let fine = Array2::from_shape_simple_fn((32, 32), || random.normal());
        for ((_, _, y, x), light) in image.indexed_iter_mut() {
            *light = (0.5 + 0.12 * coarse[[y / 4, x / 4]] + 0.1 * fine[[y, x]]).clamp(0.0, 1.0) as f32;
        }
    }
    all
}

fn write(path: &Path, stimuli: &Array5<f32>, responses: &Array3<f64>) {
    write_to(NpzWriter::new(fs::File::create(path).unwrap()), stimuli, responses);
}

fn write_to(mut npz: NpzWriter<fs::File>, stimuli: &Array5<f32>, responses: &Array3<f64>) {
    let images: Array4<f32> = stimuli.index_axis(Axis(1), 0).to_owned();
    npz.add_array("stimuli", &images).unwrap();
    npz.add_array("responses", responses).unwrap();
    npz.finish().unwrap();
}

/// Responses [N, repeats, R] that read the coarser scale linearly, with noise of so many signal SDs.
fn responses(encoder: &Encoder, stimuli: &Array5<f32>, repeats: usize, noise: f64) -> Array3<f64> {
    let features = Features::pooled("v1.complex.s1", 2, 2);
    let rows = encoder.features(stimuli.view(), &[features]).unwrap().remove(0);
    let mut random = Random::new(5, 1);
    let weights = Array2::from_shape_simple_fn((rows.ncols(), 3), || random.normal());
    let signal = rows.dot(&weights);
    let sd = signal.std_axis(Axis(0), 0.0);
    Array3::from_shape_fn((rows.nrows(), repeats, 3), |(n, _, r)| {
        signal[[n, r]] + noise * sd[r] * random.normal()
    })
}

#[test]
fn the_model_is_the_same_bytes_and_says_what_it_is() {
    let (_a, first, _) =
        v1(&["--scotoma", "-0.5,0.25,0.3", "--eye", "left", "--lesion", "orientation=2,cell=complex,gain=0"]);
    let (_b, second, _) =
        v1(&["--scotoma", "-0.5,0.25,0.3", "--eye", "left", "--lesion", "orientation=2,cell=complex,gain=0"]);
    assert!(fs::read(first).unwrap() == fs::read(second).unwrap());
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("x.onnx");
    let movie = run(
        [
            "model",
            "v1",
            "-o",
            text(&path),
            "--temporal",
            "4,60",
            "--size-px",
            "32",
            "--field-deg",
            "4",
            "--scales-cpd",
            "1.6",
        ],
        60.0,
    )
    .expect(0);
    assert!(movie.stdout.contains("v1.direction") && movie.stdout.contains("px per deg"), "{}", movie.stdout);
    let cases: &[(&[&str], &str)] = &[
        (&["--scotoma", "1,2"], "--scotoma 1,2: it should read X,Y,R"),
        (&["--size-px", "12x"], "WIDTHxHEIGHT"),
        (&["--lesion", "layer=3,gain=0"], "orientation=N, scale=N"),
        (&["--temporal", "4.5,60"], "whole number of frames"),
        (&["--scales-cpd", "30"], "30 cpd"),
        (&["--orientations", "1"], "orientations"),
    ];
    for (arguments, says) in cases {
        let all = [&["model", "v1", "-o", text(&path)], *arguments].concat();
        run(&all, 60.0).expect(2).says(&[says]);
    }
}

#[test]
fn the_place_that_answers_like_the_recording_is_chosen() {
    let (folder, model, encoder) = v1(&[]);
    let (npz, readout) = (folder.path().join("r.npz"), folder.path().join("readout.json"));
    let shown = stimuli(150, 1);
    write(&npz, &shown, &responses(&encoder, &shown, 4, 1.0));
    let arguments = [
        "model",
        "score",
        text(&model),
        text(&npz),
        "--tap",
        "v1.complex.s0",
        "--tap",
        "v1.complex.s1",
        "--pool",
        "2x2",
        "--out",
        text(&readout),
        "--json",
    ];
    let json = run(arguments, 120.0).expect(0).json();
    assert_eq!(json["chosen"], "v1.complex.s1");
    let tap = &json["taps"][1];
    let number = |key: &str| tap[key].as_f64().unwrap_or_else(|| panic!("{key}: {tap}"));
    // Single trials: half of the variance is noise. Means over four repeats: a fifth.
    assert!((number("cv_r2") - 0.45).abs() < 0.08, "{}", number("cv_r2"));
    assert!((number("ceiling_r2") - 0.8).abs() < 0.06, "{}", number("ceiling_r2"));
    let interval =
        [&tap["normalised_interval_95"][0], &tap["normalised_interval_95"][1]].map(|v| v.as_f64().unwrap());
    assert!(
        number("normalised_r2") > 0.85 && interval[0] < number("normalised_r2") && interval[1] > 0.9,
        "{tap}"
    );
    assert!(
        number("rsa_spearman") > 0.1
            && number("cka_linear_unbiased") > 0.1
            && number("procrustes_angle_rad") > 0.0
    );
    assert!(json["taps"][0]["cv_r2"].as_f64() < tap["cv_r2"].as_f64());

    // The readout is what a specification reads stimuli through.
    let spec = "[synth]\nname = \"h\"\ndescription = \"h\"\nseed = 1\n[stimulus]\ncount = 1\nwidth_px = 32\nheight_px = 32\n\
         width_deg = 2.0\ncolour = \"grey\"\n[model.v1.file]\npath = \"v1.onnx\"\n[readout.me]\nmodel = \"v1\"\n\
         file = \"readout.json\"\n[parametrisation.pixels]\nstart_noise = 0.05\n[constraint]\nrange = [0.0, 1.0]\n\
         [[objective]]\nweight = 1.0\nunit = { model = \"v1\", tap = \"v1.complex.s1\", readout = \"me\", units = [[1]] }\n\
         [optimiser.lbfgs]\nmemory = 5\n[budget]\nsteps = 5\n[output.srgb]\nbits = 8\n";
    fs::write(folder.path().join("h.toml"), spec).unwrap();
    let (spec, out) = (folder.path().join("h.toml"), folder.path().join("out"));
    let outcome = run(["synth", text(&spec), "--out", text(&out), "--json"], 60.0).expect(0).json();
    assert!(outcome["value"].as_f64() > outcome["trajectory"][0]["best"].as_f64(), "{outcome}");
    assert_eq!(outcome["files"][0]["path"], "readout.json");
    // The value is H applied to the features of the stimulus found.
    let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&readout).unwrap()).unwrap();
    let light: Array5<f32> =
        ndarray_npy::ReadNpyExt::read_npy(fs::File::open(out.join("stimuli.npy")).unwrap()).unwrap();
    let rows = encoder.features(light.view(), &[Features::pooled("v1.complex.s1", 2, 2)]).unwrap().remove(0);
    let weight = |feature: usize| file["readout"]["weights"][feature][1].as_f64().unwrap();
    let found: f64 = file["readout"]["intercept"][1].as_f64().unwrap()
        + rows.row(0).iter().enumerate().map(|(feature, value)| value * weight(feature)).sum::<f64>();
    let said = outcome["value"].as_f64().unwrap();
    assert!((found - said).abs() < 1e-4 * said.abs().max(1.0), "{found} {said}");
}

#[test]
fn a_fitted_scotoma_is_where_the_recording_has_one() {
    let (folder, model, mut encoder) = v1(&["--fittable"]);
    let npz = folder.path().join("r.npz");
    let names: Vec<String> = encoder.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    let named = |part: &str| names.iter().find(|name| name.contains(part)).unwrap().clone();
    let (x, y, radius) = (named("x_deg"), named("y_deg"), named("radius"));
    for (name, value) in [(&x, 0.35f32), (&y, -0.25), (&radius, 0.4)] {
        encoder.set_parameter(name, arr0(value).into_dyn()).unwrap();
    }
    let shown = stimuli(60, 2);
    let rows = encoder.features(shown.view(), &[Features::pooled("v1.complex.s1", 4, 4)]).unwrap().remove(0);
    let mut random = Random::new(9, 0);
    let sd = rows.std(0.0);
    // Few components, each a local sum: what an electrode over one part of the map would see.
    let weights =
        Array2::from_shape_simple_fn((rows.ncols(), 12), || if random.uniform() < 0.1 { 1.0 } else { 0.0 });
    let signal = rows.dot(&weights);
    let noisy = signal.mapv(|value| value + 0.05 * sd * random.normal());
    write(&npz, &shown, &noisy.insert_axis(Axis(1)));
    let out = folder.path().join("fitted.json");
    let bounds = [format!("{x}=-1,1"), format!("{y}=-1,1"), format!("{radius}=0.1,1")];
    let mut arguments =
        vec!["fit", text(&model), text(&npz), "--tap", "v1.complex.s1", "--pool", "4x4", "--json"];
    for bound in &bounds {
        arguments.extend(["--parameter", bound]);
    }
    arguments.extend([
        "--folds",
        "0",
        "--screened",
        "24",
        "--starts",
        "2",
        "--penalty",
        "0.05",
        "--out",
        text(&out),
    ]);
    let json = run(&arguments, 200.0).expect(0).json();
    for (estimate, wanted) in json["estimates"].as_array().unwrap().iter().zip([0.35, -0.25, 0.4]) {
        let value = estimate["value"].as_f64().unwrap();
        assert!((value - wanted).abs() < 0.12, "{estimate}: {wanted}");
    }
    let written: serde_json::Value = serde_json::from_str(&fs::read_to_string(out).unwrap()).unwrap();
    assert_eq!(written, json);
    run(["fit", text(&model), text(&npz), "--tap", "v1.complex.s1", "--parameter", "size"], 60.0)
        .expect(2)
        .says(&["no parameter called size", &x]);
}

#[test]
fn recordings_that_cannot_be_scored_say_why() {
    let (folder, model, encoder) = v1(&[]);
    let path = folder.path().join("r.npz");
    let good = stimuli(20, 3);
    let answers = responses(&encoder, &good, 1, 0.1);
    let score =
        |tap: &str| run(["model", "score", text(&model), text(&path), "--tap", tap, "--pool", "2x2"], 60.0);
    let refused = |stimuli: &Array5<f32>, responses: &Array3<f64>, texts: &[&str]| {
        write(&path, stimuli, responses);
        score("v1.complex.s1").expect(2).says(texts);
    };
    refused(&good.mapv(|light| light * 255.0), &answers, &["linear light from 0", "0 to 255"]);
    refused(&good, &answers.select(Axis(0), &[0, 1, 2]), &["20 stimuli and 3 rows"]);
    let few = [0, 1, 2];
    refused(&good.select(Axis(0), &few), &answers.select(Axis(0), &few), &["3 stimuli", "folds"]);
    let mut constant = answers.clone();
    constant.index_axis_mut(Axis(2), 1).fill(3.0);
    refused(&good, &constant, &["do not vary", "response 1"]);
    let mut holed = answers.clone();
    holed[[4, 0, 2]] = f64::NAN;
    refused(&good, &holed, &["`responses` element", "NaN"]);
    let wide = Array5::from_elem((20, 1, 1, 16, 16), 0.5f32);
    refused(&wide, &answers, &["[20, 1, 1, 16, 16]"]);

    write(&path, &good, &answers);
    score("v1.complx.s1").expect(2).says(&["v1.complx.s1"]);
    // Without repeats there is no ceiling, and that is said, not guessed.
    let text_out = score("v1.complex.s1").expect(0).stdout;
    assert!(text_out.contains("no ceiling: no repeats") && text_out.contains("<- chosen"), "{text_out}");
    // As numpy.savez_compressed writes it.
    let file = fs::File::create(&path).unwrap();
    write_to(NpzWriter::new_compressed(file), &good, &answers);
    assert_eq!(score("v1.complex.s1").expect(0).stdout, text_out);
    fs::write(&path, "no archive").unwrap();
    score("v1.complex.s1").expect(2).says(&["not a NumPy archive"]);
    let mut npz = NpzWriter::new(fs::File::create(&path).unwrap());
    npz.add_array("images", &ArrayD::<f32>::zeros(vec![2, 2])).unwrap();
    npz.finish().unwrap();
    score("v1.complex.s1").expect(2).says(&["no array `stimuli`", "images"]);
}
