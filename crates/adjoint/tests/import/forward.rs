//! The imported networks compute what ONNX defines: outputs against the f64 references beside the committed networks.

use std::fs::File;
use std::path::{Path, PathBuf};

use adjoint::import::{Import, Limits};
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadNpzError};
use tract_onnx::prelude::*;

use crate::common::{committed_nets, onnx_files};

/// An array of the archive in f64, whatever float it is stored in.
fn read(npz: &mut NpzReader<File>, name: &str) -> Option<ArrayD<f64>> {
    let key = [name.to_owned(), format!("{name}.npy")]
        .into_iter()
        .find(|k| npz.names().is_ok_and(|n| n.contains(k)))?;
    let wide: Result<ArrayD<f64>, ReadNpzError> = npz.by_name(&key);
    wide.ok().or_else(|| {
        npz.by_name::<ndarray::OwnedRepr<f32>, ndarray::IxDyn>(&key).ok().map(|a| a.mapv(f64::from))
    })
}

/// Largest difference relative to the largest value, over all outputs.
fn largest_error(model: &Path, case: &Path) -> Result<f64, String> {
    let import = Import::open(model, &Limits::default()).map_err(|e| e.to_string())?;
    let mut npz = NpzReader::new(File::open(case).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    let stem = case.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let outputs: Vec<String> = match stem.split_once('@') {
        Some((_, tap)) => vec![tap.to_owned()],
        None => import.outputs().iter().map(|o| o.name.clone()).collect(),
    };
    let xs: Vec<ArrayD<f64>> =
        (0..import.inputs().len()).filter_map(|i| read(&mut npz, &format!("x{i}"))).collect();
    let inputs: Vec<_> =
        import.inputs().iter().zip(&xs).map(|(info, x)| (info.name.clone(), x.shape().to_vec())).collect();
    let runnable = import.typed(&inputs, &outputs).map_err(|e| e.to_string())?.into_runnable();
    let feed = |x: &ArrayD<f64>| {
        let values: Vec<f32> = x.iter().map(|v| *v as f32).collect();
        Tensor::from_shape(x.shape(), &values).unwrap().into_tvalue()
    };
    let results = runnable.map_err(|e| format!("{e:#}"))?.run(xs.iter().map(feed).collect());
    let mut worst = 0f64;
    for (index, result) in results.map_err(|e| format!("{e:#}"))?.iter().enumerate() {
        let expected = read(&mut npz, &format!("y{index}")).ok_or("no reference")?;
        if result.shape() != expected.shape() {
            return Err(format!(
                "output {index} has the shape {:?} instead of {:?}",
                result.shape(),
                expected.shape()
            ));
        }
        let plain = result.as_plain_ram().ok_or("not plain")?;
        let scale = expected.iter().fold(1e-30, |m, v| v.abs().max(m));
        let found = plain.as_slice::<f32>().map_err(|e| e.to_string())?;
        for (a, b) in found.iter().zip(&expected) {
            let error = (f64::from(*a) - b).abs() / scale;
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
    }
    Ok(worst)
}

/// Runs all cases beside `models`; what went wrong with each that did, and how many there were.
fn failures(models: &[PathBuf]) -> (Vec<String>, usize) {
    let (mut failures, mut cases) = (Vec::new(), 0);
    for model in models {
        let stem = model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for entry in std::fs::read_dir(model.parent().unwrap()).unwrap().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != format!("{stem}.npz")
                && !(name.starts_with(&format!("{stem}@")) && name.ends_with(".npz"))
            {
                continue;
            }
            cases += 1;
            let run = || largest_error(model, &entry.path());
            match std::panic::catch_unwind(run).unwrap_or_else(|_| Err("panic while it ran".to_owned())) {
                Ok(error) if error <= 3e-5 => {}
                Ok(error) => failures.push(format!("{name}: off by {error:.1e} of the largest value")),
                Err(message) => failures.push(format!("{name}: {message}")),
            }
        }
    }
    (failures, cases)
}

#[test]
fn committed_networks_compute_their_references() {
    let models = committed_nets();
    let (failures, cases) = failures(&models);
    println!("{cases} cases");
    assert!(failures.is_empty(), "{} of {cases}:\n{}", failures.len(), failures.join("\n"));
    assert!(cases >= models.len());
}

/// Cases from elsewhere, for developers: `PHOTIC_CASES` names a folder of NAME.onnx and NAME.npz.
#[test]
fn cases_from_elsewhere_compute_their_references() {
    let Some(folder) = std::env::var_os("PHOTIC_CASES") else {
        println!("skipped: PHOTIC_CASES names no folder");
        return;
    };
    let (failures, cases) = failures(&onnx_files(Path::new(&folder)));
    assert!(failures.is_empty() && cases > 0, "{} of {cases}:\n{}", failures.len(), failures.join("\n"));
}
