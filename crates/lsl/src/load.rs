//! Where liblsl is looked for.

use std::env;
use std::path::{Path, PathBuf};

use libloading::Library;

use crate::api::Api;
use crate::error::LoadError;

/// Names under which systems and wheels keep the library.
const NAMES: &[&str] = if cfg!(windows) {
    &["lsl.dll", "liblsl.dll", "liblsl64.dll"]
} else if cfg!(target_os = "macos") {
    &["liblsl.dylib", "liblsl.2.dylib"]
} else {
    &["liblsl.so.2", "liblsl.so"]
};

const VARIABLE: &str = "PHOTIC_LIBLSL";
const SET_UP_FOLDER: &str = ".setup/lsl";

pub(crate) fn load(extra_dirs: &[PathBuf]) -> Result<(Api, PathBuf), LoadError> {
    search(env::var_os(VARIABLE).map(PathBuf::from), extra_dirs, &set_up_folders())
}

/// The places in order. A library named by the operator is taken or refused, never passed over.
fn search(
    named: Option<PathBuf>,
    extra_dirs: &[PathBuf],
    set_up: &[PathBuf],
) -> Result<(Api, PathBuf), LoadError> {
    let mut tried = Vec::new();
    if let Some(path) = named {
        let candidates = if path.is_dir() { inside(&path) } else { vec![path] };
        return first(&candidates, &format!("{VARIABLE}="), &mut tried).ok_or(LoadError { tried });
    }
    let system: Vec<PathBuf> = NAMES.iter().map(PathBuf::from).collect();
    if let Some(found) = first(&system, "the system's ", &mut tried) {
        return Ok(found);
    }
    for folder in extra_dirs.iter().chain(set_up) {
        let candidates = inside(folder);
        if candidates.is_empty() {
            tried.push((folder.display().to_string(), "holds no liblsl".to_owned()));
        } else if let Some(found) = first(&candidates, "", &mut tried) {
            return Ok(found);
        }
    }
    Err(LoadError { tried })
}

/// The files in a folder that could be the library.
fn inside(folder: &Path) -> Vec<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

fn first(candidates: &[PathBuf], prefix: &str, tried: &mut Vec<(String, String)>) -> Option<(Api, PathBuf)> {
    if candidates.is_empty() {
        tried.push((prefix.to_owned(), "holds no liblsl".to_owned()));
    }
    for path in candidates {
        match open(path) {
            Ok(api) => return Some((api, path.clone())),
            Err(error) => tried.push((format!("{prefix}{}", path.display()), error.to_string())),
        }
    }
    None
}

fn open(path: &Path) -> Result<Api, libloading::Error> {
    // SAFETY: opening runs the library's initialisers. The file is liblsl by its name or by the operator's word, and
    // liblsl's initialisers only set up its own tables.
    let library = unsafe { Library::new(path) }?;
    // SAFETY: as above; a library without liblsl's functions is refused by the look-up.
    unsafe { Api::new(library) }
}

/// `.setup/lsl` below the working directory and below each folder above the running program.
fn set_up_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::current_dir().map(|dir| dir.join(SET_UP_FOLDER)).into_iter().collect();
    if let Ok(program) = env::current_exe() {
        let above = program.ancestors().skip(1).map(|dir| dir.join(SET_UP_FOLDER));
        folders.extend(above.filter(|folder| folder.is_dir()));
    }
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_lists_every_place_and_the_way_out() {
        let named = PathBuf::from("/nonexistent/liblsl-of-nobody.so");
        let error = search(Some(named), &[], &[]).err().expect("there is no such file");
        assert_eq!(error.tried.len(), 1);
        let text = error.to_string();
        assert!(text.contains("PHOTIC_LIBLSL=/nonexistent/liblsl-of-nobody.so"), "{text}");
        assert!(text.contains("make setup"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_library_is_refused() {
        let named = env::current_exe().expect("the test runs from a file");
        let error = search(Some(named), &[], &[]).err().expect("a program is not liblsl");
        assert_eq!(error.tried.len(), 1);
        assert!(!error.tried[0].1.is_empty());
    }

    #[test]
    fn an_empty_folder_is_named() {
        let folder = env::temp_dir().join("photic-no-liblsl-here");
        if let Err(error) = search(None, &[folder], &[]) {
            assert!(error.to_string().contains("photic-no-liblsl-here: holds no liblsl"), "{error}");
        }
    }
}
