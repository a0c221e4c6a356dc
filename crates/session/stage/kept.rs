//! Files that stimuli and rig are made of: read where protocol and rig name them, and kept in the session folder, so that
//! what was shown can be shown again.

use std::path::{Path, PathBuf};

use recording::sha256_hex;

use crate::error::SessionError;

/// Folder of these files in a session's folder.
pub const FOLDER: &str = "files";

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedFile {
    /// As the protocol or the rig names it.
    pub name: String,
    /// Where it was.
    pub path: PathBuf,
    /// Of its content.
    pub sha256: String,
}

/// Where such files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// Beside the file that names them.
    Beside {
        /// The protocol's folder.
        protocol: PathBuf,
        /// The rig's folder.
        rig: PathBuf,
    },
    /// In a session's folder.
    Kept(PathBuf),
    /// Part of the program: names and texts.
    BuiltIn(&'static [(&'static str, &'static str)]),
}

/// Which of the two names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namer {
    /// The protocol.
    Protocol,
    /// The rig.
    Rig,
}

impl Files {
    /// Where a file is.
    pub fn path(&self, namer: Namer, name: &str) -> PathBuf {
        match (self, namer) {
            (Self::Beside { protocol, .. }, Namer::Protocol) => protocol.join(name),
            (Self::Beside { rig, .. }, Namer::Rig) => rig.join(name),
            (Self::Kept(session), _) => session.join(FOLDER).join(kept_name(name)),
            (Self::BuiltIn(_), _) => PathBuf::from(name),
        }
    }

    /// What is in a file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, namer: Namer, name: &str) -> std::io::Result<Vec<u8>> {
        if let Self::BuiltIn(files) = self
            && let Some((_, text)) = files.iter().find(|(known, _)| *known == name)
        {
            return Ok(text.as_bytes().to_vec());
        }
        std::fs::read(self.path(namer, name))
    }
}

/// A name for a file of that name which is one in any folder.
fn kept_name(name: &str) -> String {
    let last =
        Path::new(name).file_name().map_or_else(String::new, |last| last.to_string_lossy().into_owned());
    format!("{}-{last}", &sha256_hex(name.as_bytes())[..8])
}

/// Copies what was read into a session's folder.
///
/// # Errors
/// A file that cannot be copied, or that has changed since it was read.
pub fn keep(files: &[UsedFile], session: &Path) -> Result<(), SessionError> {
    if files.is_empty() {
        return Ok(());
    }
    let folder = session.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| SessionError::io("make", &folder, error))?;
    for file in files {
        let bytes = std::fs::read(&file.path).map_err(|error| SessionError::io("read", &file.path, error))?;
        if sha256_hex(&bytes) != file.sha256 {
            let text = format!("{}: it was changed while the session was prepared", file.path.display());
            return Err(SessionError::Usage(text));
        }
        let copy = folder.join(kept_name(&file.name));
        std::fs::write(&copy, bytes).map_err(|error| SessionError::io("write", &copy, error))?;
    }
    Ok(())
}
