//! Weights that lie in files beside the model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::error::Fault;
use crate::tract::pb::{DataLocation, TensorProto};

/// Reads a whole file of at most `limit` bytes.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Fault> {
    let io = |e: std::io::Error| Fault::Io { path: path.display().to_string(), message: e.to_string() };
    let metadata = path.metadata().map_err(io)?;
    // Opening a pipe would wait for somebody to write to it.
    if !metadata.is_file() {
        return Err(io(std::io::Error::other("not a regular file")));
    }
    if metadata.len() > limit {
        return Err(Fault::FileSize { bytes: metadata.len(), limit });
    }
    let file = File::open(path).map_err(io)?;
    // The file may have grown since: what is read counts, not what was promised.
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(Fault::FileSize { bytes: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

pub(super) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External as i32)
}

/// Reads the external data of `tensor`, which must be `expected` bytes, from a file inside `dir`.
pub(super) fn read(tensor: &TensorProto, dir: Option<&Path>, expected: u64) -> Result<Vec<u8>, Fault> {
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let location = entry("location").unwrap_or_default();
    let refuse = |reason: String| Fault::External {
        tensor: tensor.name.clone(),
        location: location.to_owned(),
        reason,
    };
    let number = |key: &str| {
        entry(key)
            .map(|text| {
                text.parse::<u64>().map_err(|_| refuse(format!("{key} is {text:?}, not a number of bytes")))
            })
            .transpose()
    };
    let dir = dir.ok_or_else(|| refuse("the model was not read from a directory".to_owned()))?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let path = resolve(dir, location).map_err(&refuse)?;
    let metadata = path.metadata().map_err(|e| refuse(e.to_string()))?;
    if !metadata.is_file() {
        return Err(refuse("not a regular file".to_owned()));
    }
    let mut file = File::open(&path).map_err(|e| refuse(e.to_string()))?;
    let size = metadata.len();
    let length = length.unwrap_or(size.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(refuse(format!(
            "offset {offset} with length {length} runs past its end at {size} bytes"
        )));
    }
    if length != expected {
        return Err(refuse(format!("it gives {length} bytes where the tensor needs {expected}")));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(|e| refuse(e.to_string()))?;
    bytes.reserve_exact(length as usize);
    file.take(length).read_to_end(&mut bytes).map_err(|e| refuse(e.to_string()))?;
    if bytes.len() as u64 != length {
        return Err(refuse(format!("only {} of {length} bytes could be read", bytes.len())));
    }
    Ok(bytes)
}

/// The file that `location` names, which must lie inside `dir` even after links are followed.
fn resolve(dir: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    if location.is_empty() {
        return Err("no location is given".to_owned());
    }
    if relative.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err("outside the model's directory; allowed is a relative path without ..".to_owned());
    }
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let dir = dir.canonicalize().map_err(|e| format!("the model's directory: {e}"))?;
    let path = dir.join(relative).canonicalize().map_err(|e| e.to_string())?;
    if !path.starts_with(&dir) {
        return Err("a link to outside the model's directory".to_owned());
    }
    Ok(path)
}
