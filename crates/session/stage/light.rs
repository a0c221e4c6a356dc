//! The rig's light: its transfer, and the colours of its primaries.

use protocol::{RigLut, RigPrimaries, RigTransfer};
use recording::sha256_hex;
use stimulus::{Gamut, Light, Primary, Spectra, Transfer, TransferTable};

use super::kept::{Namer, UsedFile};
use crate::error::SessionError;
use crate::experiment::Experiment;

/// How the screen makes light.
pub struct RigLight {
    /// From linear light to codes.
    pub light: Light,
    /// Colours, where the rig says its primaries.
    pub gamut: Option<Gamut>,
}

/// Prepares the light of an experiment's rig. Files that it names are read and added to `used`.
///
/// # Errors
/// A file that cannot be read or does not say what it must; numbers that contradict each other.
pub fn lower(experiment: &Experiment, seed: u64, used: &mut Vec<UsedFile>) -> Result<RigLight, SessionError> {
    let rig = &experiment.rig;
    let (max, min) = (rig.screen.luminance_max_cd_m2, rig.screen.luminance_min_cd_m2);
    let refuse = |reason: String| SessionError::Rig { file: rig.file.clone(), reason };
    let transfer = match &rig.light.transfer {
        RigTransfer::Gamma(gamma) => Transfer::Gamma([*gamma; 3]),
        RigTransfer::GammaRgb(gammas) => Transfer::Gamma(*gammas),
        RigTransfer::Lut(RigLut::Inline { code, cd_m2 }) => Transfer::Table(
            TransferTable::from_columns("[screen.lut]", code, cd_m2)
                .map_err(|error| refuse(error.to_string()))?,
        ),
        RigTransfer::Lut(RigLut::File(name)) => {
            let text = read(experiment, name, used)?;
            let table = TransferTable::parse(&text, name).map_err(|error| refuse(error.to_string()))?;
            table.agrees_with(max, min).map_err(|error| refuse(error.to_string()))?;
            Transfer::Table(table)
        }
    };
    // Any part of the seed does: the noise has no state.
    let dither = rig.light.dither.then_some(seed as u32);
    let light =
        Light::prepare(&transfer, rig.light.bits, dither).map_err(|error| refuse(error.to_string()))?;
    let gamut = match &rig.light.primaries {
        None => None,
        Some(RigPrimaries::Measured(primaries)) => {
            let primaries = primaries.map(|primary| Primary { xy: primary.xy, cd_m2: primary.cd_m2 });
            Some(Gamut::from_primaries(&primaries, max, min))
        }
        Some(RigPrimaries::Spectra(name)) => {
            let text = read(experiment, name, used)?;
            let spectra = Spectra::parse(&text, name).map_err(|error| refuse(error.to_string()))?;
            Some(Gamut::from_spectra(&spectra, max, min))
        }
    };
    let gamut = gamut.transpose().map_err(|error| refuse(error.to_string()))?;
    Ok(RigLight { light, gamut })
}

fn read(experiment: &Experiment, name: &str, used: &mut Vec<UsedFile>) -> Result<String, SessionError> {
    let path = experiment.files.path(Namer::Rig, name);
    let text = std::fs::read_to_string(&path).map_err(|error| SessionError::io("read", &path, error))?;
    used.push(UsedFile { name: name.to_owned(), path, sha256: sha256_hex(text.as_bytes()) });
    Ok(text)
}
