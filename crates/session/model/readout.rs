//! Readouts in files: H with the place of the model from which it reads.

use std::path::Path;

use encoding::encoder::{Encoder, Features};
use encoding::readout::Readout;
use recording::WallTime;
use serde::{Deserialize, Serialize};

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

/// Reads a readout's file for a model: where it reads, and H.
pub(crate) fn load(path: &Path, encoder: &Encoder) -> Result<(Features, Readout), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: ReadoutFile = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if file.format_version != ReadoutFile::FORMAT_VERSION {
        let (found, wanted) = (file.format_version, ReadoutFile::FORMAT_VERSION);
        return Err(format!("its format_version is {found}; {wanted} is read"));
    }
    let batch = encoder.batch_for(1);
    let whole = |error: encoding::encoder::EncoderError| error.to_string();
    let gradient = encoder.gradient(&[&file.features.tap], batch, 1, true).map_err(whole)?;
    let rows = encoder.rows(&gradient, std::slice::from_ref(&file.features), batch).map_err(whole)?;
    let (found, wanted) = (file.readout.weights().nrows(), rows.first().map_or(0, |rows| rows.width()));
    if found != wanted {
        return Err(format!(
            "it reads {found} features, and {} of this model has {wanted}",
            file.features.tap
        ));
    }
    Ok((file.features, file.readout))
}
