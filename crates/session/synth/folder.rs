//! The result's folder: pictures, light, numbers, the contact sheet, a copy of the specification.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array5;
use ndarray_npy::WriteNpyExt;

use super::outcome::Outcome;
use crate::error::SessionError;

/// Names in the folder.
pub const SPEC: &str = "spec.toml";
const NUMBERS: &str = "synthesis.json";
const LIGHT: &str = "stimuli.npy";
const SHEET: &str = "sheet.html";

/// Makes the folder, before any work: a result must have a place, and must not mix with an older one.
///
/// # Errors
/// A folder that is not empty, or cannot be made.
pub fn create(path: &Path) -> Result<PathBuf, SessionError> {
    fs::create_dir_all(path).map_err(|error| SessionError::io("make", path, error))?;
    let mut inside = fs::read_dir(path).map_err(|error| SessionError::io("read", path, error))?;
    match inside.next() {
        None => Ok(path.to_owned()),
        Some(_) => Err(SessionError::Argument {
            argument: format!("--out {}", path.display()),
            reason: "this folder is not empty; a result needs a folder of its own".into(),
        }),
    }
}

/// Name of a stimulus's picture, counted from 1.
pub fn picture_name(index: usize, count: usize) -> String {
    let digits = count.to_string().len();
    format!("stimulus-{:0digits$}.png", index + 1)
}

/// Writes everything; the numbers last, so that a folder with them is whole.
///
/// # Errors
/// The system's.
pub fn write(
    folder: &Path,
    outcome: &Outcome,
    stimuli: &Array5<f32>,
    pictures: &[Vec<u8>],
    spec: &str,
) -> Result<(), SessionError> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| SessionError::io("write", &path, error))
    };
    for (made, bytes) in outcome.stimuli.iter().zip(pictures) {
        put(&made.file, bytes)?;
    }
    let mut light = Vec::new();
    stimuli
        .write_npy(&mut light)
        .map_err(|error| SessionError::Array { path: folder.join(LIGHT), reason: error.to_string() })?;
    put(LIGHT, &light)?;
    put(SHEET, super::sheet::render(outcome, pictures, spec).as_bytes())?;
    put(SPEC, spec.as_bytes())?;
    let numbers = serde_json::to_string_pretty(outcome)
        .map_err(|error| SessionError::io("write", &folder.join(NUMBERS), std::io::Error::other(error)))?;
    put(NUMBERS, numbers.as_bytes())
}
