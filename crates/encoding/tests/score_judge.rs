//! Readout and scores against judges/scores.py, on random and on recorded matrices.
#![allow(clippy::print_stdout, reason = "measured figures, for --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use encoding::readout::{Penalty, Prior, Ridge, Scaling};
use encoding::score::{
    Comparison, Dissimilarity, Estimator, Kernel, Noise, Rdm, cka, crossnobis, explained, pearson,
    procrustes_distance, r2, rdm_noise_ceiling, whitened_procrustes_distance,
};
use ndarray::{Array1, Array2, Axis, array, s};
use ndarray_npy::{NpzReader, NpzWriter};
use random::Random;

const BOUND: f64 = 1e-6;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn required() -> bool {
    ["CI", "PHOTIC_REQUIRE_SHARED"].iter().any(|name| std::env::var_os(name).is_some())
}

/// One pair of representations and trials around them.
struct Case {
    name: &'static str,
    x: Array2<f64>,
    y: Array2<f64>,
    conditions: Vec<usize>,
    partitions: Vec<usize>,
    stimuli: Vec<usize>,
    predicted: Array2<f64>,
    observed: Array2<f64>,
    prior: Array1<f64>,
    penalty: Penalty,
}

impl Case {
    fn new(name: &'static str, x: Array2<f64>, y: Array2<f64>, random: &mut Random) -> Self {
        let n = x.nrows();
        // Unequal repeats: 3 or 4 trials of each of n/3.5 stimuli.
        let stimuli: Vec<usize> = (0..n).map(|row| 2 * (row / 7) + usize::from(row % 7 > 2)).collect();
        // With a part that repeats, so that there is something to explain.
        let observed = Array2::from_shape_fn((n, 2), |(row, channel)| {
            let course = y.column(channel);
            course[row] + 2.0 * course.std(0.0) * (1.7 * stimuli[row] as f64 + channel as f64).sin()
        });
        let predicted = Array2::from_shape_fn(observed.raw_dim(), |(row, channel)| {
            let same = stimuli.iter().enumerate().filter(|(_, s)| **s == stimuli[row]).map(|(row, _)| row);
            same.map(|row| observed[[row, channel]]).sum::<f64>() / 3.5 + 0.1 * (stimuli[row] as f64).sin()
        });
        let prior = Array1::from_shape_fn(x.ncols(), |_| 0.3 * random.normal());
        Self {
            name,
            conditions: (0..n).map(|row| row % 3).collect(),
            partitions: (0..n).map(|row| 10 * (row / (n / 3)).min(2)).collect(),
            stimuli,
            predicted,
            observed,
            prior,
            penalty: Penalty { lambda: 3.0, prior_weight: 0.75 },
            x,
            y,
        }
    }

    fn write(&self, path: &Path) {
        let mut file = NpzWriter::new(std::fs::File::create(path).unwrap());
        let numbers = |values: &[usize]| values.iter().map(|&v| v as f64).collect::<Array1<f64>>();
        file.add_array("x", &self.x).unwrap();
        file.add_array("y", &self.y).unwrap();
        file.add_array("conditions", &numbers(&self.conditions)).unwrap();
        file.add_array("partitions", &numbers(&self.partitions)).unwrap();
        file.add_array("stimuli", &numbers(&self.stimuli)).unwrap();
        file.add_array("predicted", &self.predicted).unwrap();
        file.add_array("observed", &self.observed).unwrap();
        file.add_array("prior", &self.prior).unwrap();
        file.add_array("penalty", &array![self.penalty.lambda, self.penalty.prior_weight]).unwrap();
        file.finish().unwrap();
    }

    /// Every number by our own code.
    fn ours(&self) -> BTreeMap<String, Array2<f64>> {
        let mut out = Numbers::default();
        let (x, y) = (self.x.view(), self.y.view());
        for (name, data) in [("x", x), ("y", y)] {
            for (metric, by) in [
                ("correlation", Dissimilarity::Correlation),
                ("euclidean", Dissimilarity::Euclidean),
                ("sqeuclidean", Dissimilarity::SquaredEuclidean),
            ] {
                out.add(&format!("rdm_{metric}_{name}"), Rdm::new(data, by).unwrap().upper().to_vec());
            }
        }
        let a = Rdm::new(x, Dissimilarity::Correlation).unwrap();
        let b = Rdm::new(y, Dissimilarity::Correlation).unwrap();
        let of = |values: Array1<f64>| Rdm::from_upper(a.conditions(), values).unwrap();
        // NumPy rounds halves to even; none of these values is one.
        let coarse = |rdm: &Rdm| of(rdm.upper().mapv(|v| (v * 8.0).round()));
        let people = [0.0, 0.5, 1.0, 2.0].map(|k| of(&a.upper() + &(&b.upper() * k)));
        for (name, by) in [
            ("pearson", Comparison::Pearson),
            ("spearman", Comparison::Spearman),
            ("tau", Comparison::KendallTauA),
        ] {
            out.add(&format!("compare_{name}"), vec![a.compare(&b, by).unwrap()]);
            out.add(&format!("compare_ties_{name}"), vec![coarse(&a).compare(&coarse(&b), by).unwrap()]);
            let bounds = rdm_noise_ceiling(&people, by).unwrap();
            out.add(&format!("bounds_{name}"), vec![bounds.lower, bounds.upper]);
        }
        for (name, kernel) in [("linear", Kernel::Linear), ("rbf", Kernel::Rbf(0.7))] {
            for (kind, estimator) in [("biased", Estimator::Biased), ("unbiased", Estimator::Unbiased)] {
                out.add(&format!("cka_{name}_{kind}"), vec![cka(x, y, kernel, estimator).unwrap()]);
            }
        }
        out.add("procrustes_1.0", vec![procrustes_distance(x, y).unwrap()]);
        for alpha in [0.5, 0.1] {
            out.add(&format!("procrustes_{alpha}"), vec![whitened_procrustes_distance(x, y, alpha).unwrap()]);
        }
        let full = whitened_procrustes_distance(x.slice(s![.., ..3]), y.slice(s![.., ..2]), 0.0).unwrap();
        out.add("procrustes_0", vec![full]);
        out.add("canonical", vec![full]);
        for (name, noise) in [("white", Noise::White), ("residuals", Noise::Residuals)] {
            let rdm = crossnobis(x.slice(s![.., ..6]), &self.conditions, &self.partitions, noise).unwrap();
            out.add(&format!("crossnobis_{name}"), rdm.upper().to_vec());
        }
        let (predicted, observed) = (self.predicted.view(), self.observed.view());
        out.add("r2", r2(predicted, observed).unwrap());
        out.add("pearson", pearson(predicted, observed).unwrap());
        self.add_explained(&mut out);
        self.add_readout(&mut out);
        out.0
    }

    fn add_explained(&self, out: &mut Numbers) {
        let scores = explained(self.predicted.view(), self.observed.view(), &self.stimuli).unwrap();
        let mut rows = Array2::from_elem((scores.len(), 7), f64::NAN);
        let mut errors = rows.clone();
        for (row, score) in scores.iter().enumerate() {
            let estimate =
                |interval: Option<encoding::score::Interval>| interval.map_or(f64::NAN, |i| i.estimate);
            let error =
                |interval: Option<encoding::score::Interval>| interval.map_or(f64::NAN, |i| i.standard_error);
            rows.row_mut(row).assign(&array![
                score.r2,
                score.pearson.unwrap(),
                score.ceiling.signal_power,
                score.ceiling.noise_power,
                score.ceiling.r2,
                estimate(score.normalised_r2),
                estimate(score.cc_norm),
            ]);
            errors[[row, 4]] = score.ceiling_r2.standard_error;
            errors[[row, 5]] = error(score.normalised_r2);
            errors[[row, 6]] = error(score.cc_norm);
        }
        out.0.insert("explained".into(), rows);
        out.0.insert("jackknife".into(), errors);
    }

    fn add_readout(&self, out: &mut Numbers) {
        let y = self.y.slice(s![.., ..1]);
        let mean = self.prior.clone().insert_axis(Axis(1));
        let prior = Prior::from_mean(mean, vec!["first".into()]).unwrap();
        for (name, scaling) in [("standard", Scaling::Standard), ("centred", Scaling::Centred)] {
            let ridge = Ridge::new(self.x.view(), y, scaling, Some(&prior)).unwrap();
            let (weights, intercept) = ridge.solve(&[self.penalty]);
            let posterior = ridge.posterior(&[self.penalty]);
            out.add(&format!("weights_{name}"), weights.column(0).to_vec());
            out.add(&format!("intercept_{name}"), intercept.to_vec());
            out.0.insert(format!("covariance_{name}"), posterior.covariance(0));
            let at = &self.x.slice(s![..5, ..]) * 1.1;
            out.add(
                &format!("predictive_{name}"),
                posterior.predictive_sd(at.view()).unwrap().column(0).to_vec(),
            );
            out.add(&format!("df_{name}"), vec![ridge.degrees_of_freedom(self.penalty.lambda)]);
            out.add(&format!("noise_{name}"), posterior.noise_variance().to_vec());
            if scaling == Scaling::Centred {
                let alone: Vec<usize> = (0..self.x.nrows()).collect();
                out.add("left_out", ridge.left_out(&[self.penalty], &alone).unwrap().column(0).to_vec());
            }
        }
    }

    /// Largest difference to the judge, relative to the largest value of the same kind where that is above 1.
    fn judged(&self, python: &std::ffi::OsStr) -> f64 {
        let folder = tempfile::tempdir().unwrap();
        let (given, said) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
        self.write(&given);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/scores.py");
        let mut command = Command::new(python);
        command
            .arg(script)
            .args([&given, &said])
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut file = NpzReader::new(std::fs::File::open(said).unwrap()).unwrap();
        let names = file.names().unwrap();
        let ours = self.ours();
        assert_eq!(names.len(), ours.len(), "{names:?}");
        let mut worst = 0.0f64;
        for (name, own) in &ours {
            let judge: Array2<f64> = file.by_name(name).unwrap();
            assert_eq!(judge.dim(), own.dim(), "{}: {name}", self.name);
            let size = judge.iter().filter(|v| v.is_finite()).fold(1.0f64, |size, v| size.max(v.abs()));
            // Only estimates have errors: four of seven columns of one matrix are empty.
            let compared: Vec<f64> = own
                .iter()
                .zip(&judge)
                .filter(|(own, _)| !own.is_nan())
                .map(|(a, b)| (a - b).abs() / size)
                .collect();
            let expected = if name == "jackknife" { 3 * own.nrows() } else { own.len() };
            assert_eq!(compared.len(), expected, "{}: {name}", self.name);
            let difference = compared.into_iter().fold(0.0f64, |worst, d| if d <= worst { worst } else { d });
            assert!(difference <= BOUND, "{}: {name} differs by {difference:e}", self.name);
            worst = worst.max(difference);
        }
        println!(
            "{}: {} numbers, largest difference {worst:.1e}",
            self.name,
            ours.values().map(Array2::len).sum::<usize>()
        );
        worst
    }
}

#[derive(Default)]
struct Numbers(BTreeMap<String, Array2<f64>>);

impl Numbers {
    fn add(&mut self, name: &str, values: Vec<f64>) {
        self.0.insert(name.into(), Array1::from(values).insert_axis(Axis(0)));
    }
}

fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("PHOTIC_JUDGE_PYTHON");
    if python.is_none() {
        assert!(!required(), "PHOTIC_JUDGE_PYTHON is not set");
        eprintln!("not run: PHOTIC_JUDGE_PYTHON does not name a Python with numpy and scipy");
    }
    python
}

#[test]
fn random_matrices_get_the_judges_scores() {
    let Some(python) = python() else { return };
    let mut random = Random::new(11, 0);
    for (name, n, p, q) in [("tall", 28, 9, 7), ("wide", 21, 60, 8), ("wider than long, both", 21, 30, 40)] {
        let shared = Array2::from_shape_fn((n, 4), |_| random.normal());
        let mut mixed = |columns: usize| {
            let mix = Array2::from_shape_fn((4, columns), |_| random.normal());
            let own = Array2::from_shape_fn((n, columns), |_| random.normal());
            shared.dot(&mix) + own + 2.0
        };
        let (x, y) = (mixed(p), mixed(q));
        Case::new(name, x, y, &mut random).judged(&python);
    }
}

/// EEGLAB's sample recording: 32 channels at 128 Hz, microvolts.
#[test]
fn recorded_matrices_get_the_judges_scores() {
    let path = root().join("../shared/data/eeg/eeglab_data.fdt");
    let Ok(bytes) = std::fs::read(&path) else {
        assert!(!required(), "{} is missing", path.display());
        eprintln!("not run: {} is missing", path.display());
        return;
    };
    let Some(python) = python() else { return };
    let samples: Vec<f64> =
        bytes.as_chunks::<4>().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect();
    let eeg = Array2::from_shape_vec((samples.len() / 32, 32), samples).unwrap();
    // One second in three; 42 are six blocks of seven.
    let seconds: Vec<_> = (0..42).map(|i| eeg.slice(s![384 * i..384 * i + 128, ..])).collect();
    let deviations = Array2::from_shape_fn((42, 32), |(i, channel)| seconds[i].column(channel).std(0.0));
    let courses = Array2::from_shape_fn((42, 48), |(i, column)| {
        let (channel, part) = (column % 12, column / 12);
        seconds[i].slice(s![32 * part..32 * part + 32, 20 + channel]).sum() / 32.0
    });
    Case::new("recorded", deviations, courses, &mut Random::new(12, 0)).judged(&python);
}
