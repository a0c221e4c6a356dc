//! Reading test cases (NAME.onnx with NAME.npz), running them, and judging the result.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs::File;
use std::path::{Path, PathBuf};

use adjoint::{Limits, Model, Spec};
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadNpzError};

/// A network with inputs, cotangents, and the f64 answers.
pub struct Case {
    pub name: String,
    pub model: PathBuf,
    pub inputs: Vec<ArrayD<f32>>,
    pub outputs: Vec<ArrayD<f64>>,
    pub cotangents: Vec<ArrayD<f32>>,
    pub gradients: Vec<ArrayD<f64>>,
    pub smooth: bool,
    /// The tensors asked for; the graph's outputs where empty.
    pub taps: Vec<String>,
}

/// What a run gave.
pub struct Answer {
    pub outputs: Vec<ArrayD<f32>>,
    pub gradients: Vec<ArrayD<f32>>,
}

impl Case {
    /// All cases of a folder, by name.
    pub fn all_in(folder: &Path) -> Vec<Case> {
        let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "onnx"))
            .collect();
        names.sort();
        let taps = names.iter().flat_map(|path| Case::taps_of(path));
        names.iter().map(|path| Case::read(path)).chain(taps).collect()
    }

    /// NAME@TENSOR.npz beside NAME.onnx: the same network asked for an inner tensor.
    fn taps_of(model: &Path) -> Vec<Case> {
        let prefix = format!("{}@", model.file_stem().unwrap().to_string_lossy());
        let entries = std::fs::read_dir(model.parent().unwrap()).unwrap();
        let files = entries.map(|entry| entry.unwrap().path()).filter_map(|path| {
            let stem = path.file_stem()?.to_string_lossy().into_owned();
            Some((stem.strip_prefix(&prefix)?.to_owned(), path))
        });
        let cases = files.map(|(tensor, path)| Case {
            name: format!("{prefix}{tensor}"),
            taps: vec![tensor],
            ..Case::with_arrays(model, &path)
        });
        cases.collect()
    }

    pub fn read(model: &Path) -> Case {
        Case::with_arrays(model, &model.with_extension("npz"))
    }

    fn with_arrays(model: &Path, arrays: &Path) -> Case {
        let file = File::open(arrays).unwrap_or_else(|error| panic!("{}: {error}", arrays.display()));
        let mut npz = NpzReader::new(file).unwrap();
        Case {
            name: model.file_stem().unwrap().to_string_lossy().into_owned(),
            model: model.to_owned(),
            inputs: numbered(&mut npz, "x").into_iter().map(|array| array.mapv(|v| v as f32)).collect(),
            outputs: numbered(&mut npz, "y"),
            cotangents: numbered(&mut npz, "g").into_iter().map(|array| array.mapv(|v| v as f32)).collect(),
            gradients: numbered(&mut npz, "dx"),
            smooth: any(&mut npz, "smooth").is_none_or(|array| array.iter().all(|&v| v != 0.0)),
            taps: Vec::new(),
        }
    }

    /// Forward and backward, through the public interface.
    pub fn run(&self, threads: usize) -> Result<Answer, String> {
        let model = Model::open(&self.model, &Limits::default()).map_err(|error| error.to_string())?;
        let mut spec = Spec::new().threads(threads).untimed();
        let floats: Vec<_> = model.inputs().iter().filter(|input| input.dtype.is_float()).collect();
        if floats.len() != self.inputs.len() {
            return Err(format!("{} inputs for {} arrays", floats.len(), self.inputs.len()));
        }
        for (info, array) in floats.iter().zip(&self.inputs) {
            spec = spec.input(&info.name, array.shape());
        }
        for tap in &self.taps {
            spec = spec.output(tap);
        }
        let mut gradient = model.gradient(&spec).map_err(|error| error.to_string())?;
        let inputs: Vec<_> = self.inputs.iter().map(|array| array.view()).collect();
        let cotangents: Vec<_> = self.cotangents.iter().map(|array| array.view()).collect();
        let outputs = gradient.forward(&inputs).map_err(|error| error.to_string())?;
        let gradients = gradient.backward(&cotangents).map_err(|error| error.to_string())?;
        Ok(Answer { outputs, gradients })
    }
}

/// `prefix0`, `prefix1` ... as far as they go.
fn numbered(npz: &mut NpzReader<File>, prefix: &str) -> Vec<ArrayD<f64>> {
    (0..).map_while(|index| any(npz, &format!("{prefix}{index}"))).collect()
}

/// An array of any float or integer type, widened; none where there is none of that name.
fn any(npz: &mut NpzReader<File>, name: &str) -> Option<ArrayD<f64>> {
    let file = format!("{name}.npy");
    if !npz.names().ok()?.iter().any(|other| other == &file || other == name) {
        return None;
    }
    let wide: Result<ArrayD<f64>, ReadNpzError> = npz.by_name(&file);
    if let Ok(array) = wide {
        return Some(array);
    }
    let single: Result<ArrayD<f32>, ReadNpzError> = npz.by_name(&file);
    if let Ok(array) = single {
        return Some(array.mapv(f64::from));
    }
    let whole: Result<ArrayD<i64>, ReadNpzError> = npz.by_name(&file);
    Some(whole.unwrap_or_else(|error| panic!("{name}: {error}")).mapv(|v| v as f64))
}

/// How far an answer is from the reference.
#[derive(Debug, Clone, Copy, Default)]
pub struct Distance {
    /// Largest difference over the largest absolute value of the reference.
    pub relative: f64,
    /// Elements within 1e-4 of that scale, as a fraction.
    pub within: f64,
    pub cosine: f64,
}

pub fn distance(answer: &ArrayD<f32>, reference: &ArrayD<f64>) -> Result<Distance, String> {
    if answer.shape() != reference.shape() {
        return Err(format!("shape {:?} for {:?}", answer.shape(), reference.shape()));
    }
    let scale = reference.iter().fold(0.0f64, |max, v| max.max(v.abs()));
    let (mut worst, mut within, mut dot, mut a2, mut b2) = (0.0f64, 0usize, 0.0, 0.0, 0.0);
    for (&a, &b) in answer.iter().zip(reference) {
        let a = f64::from(a);
        let off = if a.is_finite() { (a - b).abs() } else { f64::INFINITY };
        worst = worst.max(off);
        within += usize::from(off <= 1e-4 * scale);
        (dot, a2, b2) = (dot + a * b, a2 + a * a, b2 + b * b);
    }
    Ok(Distance {
        relative: if scale > 0.0 { worst / scale } else { worst },
        within: within as f64 / answer.len().max(1) as f64,
        cosine: if a2 * b2 > 0.0 {
            dot / (a2 * b2).sqrt()
        } else if a2 == b2 {
            1.0
        } else {
            0.0
        },
    })
}

fn all_zero(array: &ArrayD<f64>) -> bool {
    array.iter().all(|&value| value == 0.0)
}

/// Collects what fails, so that one run names all of it.
#[derive(Default)]
pub struct Report {
    passed: Vec<(String, f64)>,
    failed: Vec<String>,
}

impl Report {
    pub fn cases(&self) -> usize {
        self.passed.len() + self.failed.len()
    }

    pub fn add(&mut self, case: &Case, answer: &Result<Answer, String>) {
        match answer.as_ref().map_err(Clone::clone).and_then(|answer| judge(case, answer)) {
            Ok(worst) => self.passed.push((case.name.clone(), worst)),
            // Where the truth is a gradient of zeros, to be told that none arrives is the right answer.
            Err(reason) if reason.contains("no gradient reaches") && case.gradients.iter().any(all_zero) => {
                self.passed.push((case.name.clone(), 0.0));
            }
            Err(reason) => self.failed.push(format!("{}: {reason}", case.name)),
        }
    }

    /// Prints the worst and fails if any case did.
    pub fn finish(mut self) {
        self.passed.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (name, worst) in self.passed.iter().take(5) {
            eprintln!("largest error of {name}: {worst:.1e}");
        }
        eprintln!("{} of {} agree", self.passed.len(), self.cases());
        assert!(self.failed.is_empty(), "{} fail:\n{}", self.failed.len(), self.failed.join("\n"));
    }
}

/// Smooth networks to 1e-5 of scale; where there are kinks, 99.9 % of the elements within 1e-4 and a cosine of 0.9999.
fn judge(case: &Case, answer: &Answer) -> Result<f64, String> {
    let mut worst = 0.0f64;
    let pairs =
        [("output", &answer.outputs, &case.outputs), ("gradient", &answer.gradients, &case.gradients)];
    for (what, found, reference) in pairs {
        if found.len() != reference.len() {
            return Err(format!("{} {what}s for {}", found.len(), reference.len()));
        }
        for (index, (found, reference)) in found.iter().zip(reference).enumerate() {
            let off = distance(found, reference).map_err(|reason| format!("{what} {index}: {reason}"))?;
            let good =
                if case.smooth { off.relative <= 1e-5 } else { off.within >= 0.999 && off.cosine >= 0.9999 };
            if !good {
                return Err(format!(
                    "{what} {index}: error {:.2e} of scale, {:.4} within 1e-4, cosine {:.6}",
                    off.relative, off.within, off.cosine
                ));
            }
            worst = worst.max(off.relative);
        }
    }
    Ok(worst)
}
