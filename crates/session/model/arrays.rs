//! Arrays in NumPy's files.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt, WriteNpyExt};

use crate::error::SessionError;

/// Reads a `.npy` of f32, or of f64, which is rounded.
///
/// # Errors
/// A file that is no such array, or has a value that is not finite.
pub(super) fn read(path: &Path) -> Result<ArrayD<f32>, SessionError> {
    let wrong = |reason: String| SessionError::Array { path: path.to_owned(), reason };
    let open = || File::open(path).map(BufReader::new).map_err(|error| SessionError::io("read", path, error));
    let array = match ArrayD::<f32>::read_npy(open()?) {
        Ok(array) => array,
        Err(single) => match ArrayD::<f64>::read_npy(open()?) {
            Ok(array) => array.mapv(|value| value as f32),
            Err(_) => return Err(wrong(format!("not an array of f32 or f64: {single}"))),
        },
    };
    if let Some((place, value)) = array.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(wrong(format!("element {place:?} is {value}; only finite values have a gradient")));
    }
    Ok(array)
}

/// Writes a `.npy` of f32.
///
/// # Errors
/// The system's.
pub(super) fn write(path: &Path, array: &ArrayD<f32>) -> Result<(), SessionError> {
    let file = File::create(path).map_err(|error| SessionError::io("write", path, error))?;
    let wrong = |error: ndarray_npy::WriteNpyError| SessionError::Array {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    array.write_npy(BufWriter::new(file)).map_err(wrong)
}

/// Pairs `[NAME=]FILE` arguments with names: the plain form stands for the only name.
///
/// # Errors
/// A name that is not among them, one twice, or a plain form where there are several.
pub(super) fn named(
    option: &str,
    given: &[String],
    names: &[String],
) -> Result<Vec<(String, PathBuf)>, SessionError> {
    let mut pairs: Vec<(String, PathBuf)> = Vec::new();
    for text in given {
        let wrong = |reason: String| SessionError::Argument { argument: format!("{option} {text}"), reason };
        let (name, file) = match text.split_once('=') {
            Some((name, file)) if names.iter().any(|other| other == name) => (name.to_owned(), file),
            _ if names.len() == 1 => (names[0].clone(), text.as_str()),
            _ => return Err(wrong(format!("it should read NAME=FILE with a name of {}", names.join(", ")))),
        };
        if pairs.iter().any(|(other, _)| other == &name) {
            return Err(wrong(format!("{name} is given twice")));
        }
        pairs.push((name, file.into()));
    }
    Ok(pairs)
}
