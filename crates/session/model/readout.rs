//! Readouts in files: H with the place of the model from which it reads.

use std::path::Path;

use encoding::encoder::{Encoder, Features};
use encoding::readout::Readout;
use ndarray::{Array2, s};
use recording::WallTime;
use serde::{Deserialize, Serialize};
use synthesis::objective::Linear;


/// What `photic model score --out` writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadoutFile {
    /// Version of this layout.
    pub format_version: u32,
    /// The model's file, as it was given.
    pub model: String,
    /// SHA-256 of the model's file.
    pub model_sha256: String,
    /// SHA-256 of the recording.
    pub recording_sha256: String,
    /// When it was fitted, UTC.
    pub fitted_utc: String,
    /// Where it reads.
    pub features: Features,
    /// H.
    pub readout: Readout,
}

impl ReadoutFile {
    /// Version of the layout.
    pub const FORMAT_VERSION: u32 = 1;

    /// Now.
    pub fn now() -> String {
        WallTime::now().iso()
    }
}

/// Reads a readout's file and makes it one of every value of its tap: pooling becomes part of the matrix.
pub(crate) fn load(path: &Path, encoder: &Encoder) -> Result<(Features, Linear), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: ReadoutFile = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if file.format_version != ReadoutFile::FORMAT_VERSION {
        let (found, wanted) = (file.format_version, ReadoutFile::FORMAT_VERSION);
        return Err(format!("its format_version is {found}; {wanted} is read"));
    }
    let batch = encoder.batch_for(1);
    let whole = |error: encoding::encoder::EncoderError| error.to_string();
    let gradient = encoder.gradient(&[&file.features.tap], batch, 1, true).map_err(whole)?;
    let rows = encoder.rows(&gradient, std::slice::from_ref(&file.features), batch).map_err(whole)?.swap_remove(0);
    let weights = file.readout.weights();
    if rows.width() != weights.nrows() {
        return Err(format!(
            "it reads {} features, and {} of this model has {}",
            weights.nrows(),
            file.features.tap,
            rows.width()
        ));
    }
    let mut matrix: Vec<f64> = Vec::new();
    let mut values = 0;
    for channel in weights.columns() {
        // The adjoint of pooling, applied to a row of H, is that row over the values that were pooled.
        let mut cotangent = Array2::zeros((batch, rows.width()));
        cotangent.slice_mut(s![0, ..]).assign(&channel);
        let spread = rows.spread(cotangent.view());
        values = spread.len() / batch;
        matrix.extend(spread.iter().take(values).map(|&value| f64::from(value)));
    }
    let matrix = Array2::from_shape_vec((weights.ncols(), values), matrix).map_err(|error| error.to_string())?;
    Ok((file.features, Linear { matrix, offset: file.readout.intercept().to_owned() }))
}
