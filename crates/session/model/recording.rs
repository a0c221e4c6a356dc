//! What was shown and what came of it: the recording that a model is scored against, as a NumPy archive.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::{Array3, Array5, ArrayD, Axis, Dimension, Ix3};
use ndarray_npy::{NpzReader, ReadNpzError};

use crate::error::SessionError;

/// Stimuli and the responses to them.
pub(super) struct Recording {
    /// [N, T, C, H, W], linear light 0 to 1.
    pub stimuli: Array5<f32>,
    /// [N, repeats, R]. One repeat where the file has none.
    pub responses: Array3<f64>,
}

type Archive = NpzReader<BufReader<File>>;

/// Reads `stimuli` [N, (T,) C, H, W] and `responses` [N, (repeats,) R] from an `.npz`, compressed or not, each f32 or f64.
///
/// # Errors
/// A file that is no such archive, an array that is absent or has another shape, values that are not finite, light
/// outside 0 to 1, counts that differ, a response that never changes.
pub(super) fn read(path: &Path) -> Result<Recording, SessionError> {
    let file = File::open(path).map_err(|error| SessionError::io("read", path, error))?;
    let wrong = |reason: String| SessionError::Array { path: path.to_owned(), reason };
    let mut npz = NpzReader::new(BufReader::new(file))
        .map_err(|error| wrong(format!("not a NumPy archive (.npz): {error}")))?;
    let stimuli = array(&mut npz, "stimuli", path)?;
    let responses = array(&mut npz, "responses", path)?;
    let stimuli = five(stimuli).map_err(wrong)?;
    let responses = three(responses).map_err(wrong)?;
    check(&stimuli, &responses).map_err(wrong)?;
    Ok(Recording { stimuli: stimuli.mapv(|value| value as f32), responses })
}

fn array(npz: &mut Archive, name: &str, path: &Path) -> Result<ArrayD<f64>, SessionError> {
    let wrong = |reason: String| SessionError::Array { path: path.to_owned(), reason };
    let names = npz.names().map_err(|error| wrong(error.to_string()))?;
    if !names.iter().any(|other| other == name) {
        let names = if names.is_empty() { "none".into() } else { names.join(", ") };
        return Err(wrong(format!("holds no array `{name}`; its arrays: {names}")));
    }
    let wide: Result<ArrayD<f64>, ReadNpzError> = npz.by_name(name);
    let array = match wide {
        Ok(array) => array,
        Err(_) => {
            let single: Result<ArrayD<f32>, ReadNpzError> = npz.by_name(name);
            let single = single.map_err(|error| {
                wrong(format!("`{name}` is not an array of f32 or f64 as numpy.savez writes it: {error}"))
            })?;
            single.mapv(f64::from)
        }
    };
    match array.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some((place, value)) => Err(wrong(format!(
            "`{name}` element {:?} is {value}; only finite values are allowed",
            place.slice()
        ))),
        None => Ok(array),
    }
}

fn five(array: ArrayD<f64>) -> Result<Array5<f64>, String> {
    let shape = array.shape().to_vec();
    let array = if array.ndim() == 4 { array.insert_axis(Axis(1)) } else { array };
    let wrong =
        || format!("`stimuli` has shape {shape:?}; [N, C, H, W] or, for movies, [N, T, C, H, W] is allowed");
    array.into_dimensionality().map_err(|_| wrong())
}

fn three(array: ArrayD<f64>) -> Result<Array3<f64>, String> {
    let shape = array.shape().to_vec();
    let array = if array.ndim() == 2 { array.insert_axis(Axis(1)) } else { array };
    let wrong = || format!("`responses` has shape {shape:?}; [N, R] or [N, repeats, R] is allowed");
    array.into_dimensionality::<Ix3>().map_err(|_| wrong())
}

fn check(stimuli: &Array5<f64>, responses: &Array3<f64>) -> Result<(), String> {
    let (shown, answered) = (stimuli.len_of(Axis(0)), responses.len_of(Axis(0)));
    if stimuli.is_empty() || responses.is_empty() {
        let shapes = (stimuli.shape(), responses.shape());
        return Err(format!(
            "`stimuli` {:?} and `responses` {:?}: an axis has no element",
            shapes.0, shapes.1
        ));
    }
    if shown != answered {
        return Err(format!(
            "{shown} stimuli and {answered} rows of responses: one row per stimulus is needed"
        ));
    }
    let channels = stimuli.len_of(Axis(2));
    if channels != 1 && channels != 3 {
        return Err(format!(
            "`stimuli` has {channels} channels; 1 (grey) or 3 (red, green, blue) are allowed"
        ));
    }
    if let Some((place, light)) = stimuli.indexed_iter().find(|(_, light)| !(0.0..=1.0).contains(*light)) {
        let hint = if *light > 1.0 && *light <= 255.0 {
            " (code values 0 to 255? divide, and undo their gamma)"
        } else {
            ""
        };
        return Err(format!(
            "`stimuli` element {place:?} is {light}; linear light from 0 (black) to 1 (white) is allowed{hint}"
        ));
    }
    Ok(())
}

impl Recording {
    /// Frames, channels, height and width of a stimulus.
    pub fn shape(&self) -> [usize; 4] {
        [1, 2, 3, 4].map(|axis| self.stimuli.len_of(Axis(axis)))
    }
}
