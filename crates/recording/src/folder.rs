//! Where a session lies, and what its files are called.
//!
//! Names follow BIDS (key-value entities joined by underscores; labels of letters and digits only):
//! `sub-P07_ses-20261122T170551_task-thermostat_run-01/` holds `<the same>_eeg.xdf`, `<the same>_protocol.toml`,
//! `<the same>_rig.toml`, `manifest.json` and, later, `report.html`. Times in names are UTC.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::WallTime;

/// Why a session folder could not be made or found.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The system refused.
    #[error("{path}: cannot {action}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Every run number is taken.
    #[error("{path}: runs 01 to {last} of this session exist already")]
    NoRunLeft {
        /// The first name tried.
        path: PathBuf,
        /// The last run number tried.
        last: u32,
    },
    /// Not a session: no recording, or more than one.
    #[error("{path}: a session folder holds one file that ends in _eeg.xdf, this one holds {found}")]
    NotASession {
        /// The folder.
        path: PathBuf,
        /// Number of such files.
        found: usize,
    },
}

/// A session's folder; it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFolder {
    path: PathBuf,
    stem: String,
}

const XDF_SUFFIX: &str = "_eeg.xdf";
const LAST_RUN: u32 = 999;

impl SessionFolder {
    /// Makes a new folder below `out` (which is made too). An existing session is never touched: the run number
    /// goes up until the name is free. Characters of the labels that BIDS does not allow are left out.
    ///
    /// # Errors
    /// [`FolderError::Io`] with the path and the system's words; [`FolderError::NoRunLeft`].
    pub fn create(out: &Path, participant: &str, task: &str, started: WallTime) -> Result<Self, FolderError> {
        let fail =
            |path: &Path, error| FolderError::Io { action: "create the folder", path: path.into(), error };
        fs::create_dir_all(out).map_err(|error| fail(out, error))?;
        let session = format!("sub-{}_ses-{}_task-{}", label(participant), started.compact(), label(task));
        for run in 1..=LAST_RUN {
            let stem = format!("{session}_run-{run:02}");
            let path = out.join(&stem);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, stem }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(&path, error)),
            }
        }
        Err(FolderError::NoRunLeft { path: out.join(session), last: LAST_RUN })
    }

    /// Finds an existing session by its folder or by its recording in it. The folder may have been renamed.
    ///
    /// # Errors
    /// [`FolderError::Io`] when it cannot be read, [`FolderError::NotASession`] when it holds no recording.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let fail = |error| FolderError::Io { action: "read the session", path: path.into(), error };
        let meta = fs::metadata(path).map_err(fail)?;
        if meta.is_file() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let stem = name.strip_suffix(XDF_SUFFIX).map(str::to_owned);
            let stem = stem.ok_or_else(|| FolderError::NotASession { path: path.into(), found: 0 })?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            return Ok(Self { path: parent.unwrap_or(Path::new(".")).into(), stem });
        }
        let mut stems = Vec::new();
        for entry in fs::read_dir(path).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
            stems.extend(name.strip_suffix(XDF_SUFFIX).map(str::to_owned));
        }
        match <[String; 1]>::try_from(stems) {
            Ok([stem]) => Ok(Self { path: path.into(), stem }),
            Err(stems) => Err(FolderError::NotASession { path: path.into(), found: stems.len() }),
        }
    }

    /// A name for a session that was never written; nothing is there.
    pub(crate) fn nowhere(name: &Path) -> Self {
        Self { path: name.into(), stem: "memory".into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `sub-.._ses-.._task-.._run-..`.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// The recording.
    pub fn xdf_path(&self) -> PathBuf {
        self.path.join(format!("{}{XDF_SUFFIX}", self.stem))
    }

    /// The copy of the protocol file.
    pub fn protocol_path(&self) -> PathBuf {
        self.path.join(format!("{}_protocol.toml", self.stem))
    }

    /// The copy of the rig file.
    pub fn rig_path(&self) -> PathBuf {
        self.path.join(format!("{}_rig.toml", self.stem))
    }

    /// The manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// The report.
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Writes the copies of protocol and rig, byte for byte.
    ///
    /// # Errors
    /// [`FolderError::Io`] with the path and the system's words.
    pub fn write_copies(&self, protocol: &[u8], rig: &[u8]) -> Result<(), FolderError> {
        for (path, bytes) in [(self.protocol_path(), protocol), (self.rig_path(), rig)] {
            write_atomically(&path, bytes).map_err(|error| FolderError::Io {
                action: "write",
                path,
                error,
            })?;
        }
        Ok(())
    }
}

/// Writes a file whole or not at all: a temporary beside it, brought to the disk, then renamed over it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary); // a leftover must not look like a result; the first error is the news
    })
}

/// A BIDS label: letters and digits only.
fn label(text: &str) -> String {
    let label: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    if label.is_empty() { "unnamed".into() } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_runs() {
        let out = tempfile::tempdir().unwrap();
        let started = WallTime::from_unix_s(1_795_367_151);
        let first = SessionFolder::create(&out.path().join("a/b"), "P07", "ssvep-listen", started).unwrap();
        assert_eq!(first.stem(), "sub-P07_ses-20261122T170551_task-ssveplisten_run-01");
        let second = SessionFolder::create(&out.path().join("a/b"), "P07", "ssvep-listen", started).unwrap();
        assert!(second.stem().ends_with("_run-02"));
        assert_eq!(label("../ .."), "unnamed");

        assert!(matches!(SessionFolder::open(first.path()), Err(FolderError::NotASession { found: 0, .. })));
        fs::write(first.xdf_path(), b"XDF:").unwrap();
        assert_eq!(SessionFolder::open(first.path()).unwrap(), first);
        assert_eq!(SessionFolder::open(&first.xdf_path()).unwrap(), first);
        let renamed = out.path().join("renamed");
        fs::rename(first.path(), &renamed).unwrap();
        assert_eq!(SessionFolder::open(&renamed).unwrap().stem(), first.stem());
    }

    #[test]
    fn unwritable_folder_says_where_and_why() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("a-file");
        fs::write(&file, b"").unwrap();
        let error =
            SessionFolder::create(&file.join("below"), "P", "t", WallTime::from_unix_s(0)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("a-file") && text.contains("os error"), "{text}");
        let error = SessionFolder::open(&out.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent") && error.contains("os error 2"), "{error}");
    }

    #[test]
    fn atomic_write_replaces() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("x.json");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
    }
}
