//! Free space: recording refuses to start below a floor, because a full disk ends it in the middle of a person's session.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why recording must not start here.
#[derive(Debug, Error)]
pub enum FreeSpaceError {
    /// Less free than the floor.
    #[error("{path}: {free_mb} MB free, the protocol's floor is {floor_mb} MB")]
    TooLittle {
        /// The folder asked about.
        path: PathBuf,
        /// Free megabytes (10^6 bytes), rounded down.
        free_mb: u64,
        /// The floor in megabytes.
        floor_mb: u64,
    },
    /// The system would not say.
    #[error("{path}: free space unknown: {error}")]
    Unknown {
        /// The folder asked about.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Bytes that an ordinary user may still write on the file system that holds `path`.
///
/// # Errors
/// What `statvfs` says: the path does not exist or cannot be reached.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    #[allow(unsafe_code)] // std has no call for free space
    // SAFETY: `name` is a NUL-terminated string and `stat` is writable memory of the size of a statvfs; the call keeps
    // neither. It fills `stat` whenever it returns 0, which is checked before `assume_init`.
    let stat = unsafe {
        if libc::statvfs(name.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat.assume_init()
    };
    Ok((stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
}

/// Refuses when less than `floor_mb` megabytes (10^6 bytes) are free where `path` lies. The nearest existing parent is
/// asked when `path` does not exist yet.
///
/// # Errors
/// [`FreeSpaceError`].
pub fn check_free(path: &Path, floor_mb: u64) -> Result<u64, FreeSpaceError> {
    let existing = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let free = free_bytes(existing).map_err(|error| FreeSpaceError::Unknown { path: path.into(), error })?;
    let free_mb = free / 1_000_000;
    if free_mb < floor_mb {
        return Err(FreeSpaceError::TooLittle { path: path.into(), free_mb, floor_mb });
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor() {
        let folder = tempfile::tempdir().unwrap();
        let free = check_free(&folder.path().join("not/yet/there"), 0).unwrap();
        assert!(free > 0);
        let error = check_free(folder.path(), free / 1_000_000 + 1_000_000).unwrap_err();
        assert!(error.to_string().contains("MB free"), "{error}");
        assert!(free_bytes(&folder.path().join("absent")).is_err());
    }
}
