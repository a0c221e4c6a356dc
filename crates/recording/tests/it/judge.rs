//! pyxdf and mne as judges: what we write, what we read and what we repair, they read the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use recording::repair;

use crate::support::{Dice, every_format, recorded, shared_xdf};
use crate::xdf::expect;

/// The judges' Python; `None` (with a printed reason) when there is none and nobody insists.
fn python() -> Option<String> {
    let python = std::env::var("PHOTIC_JUDGE_PYTHON").ok();
    if python.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PHOTIC_JUDGE_PYTHON is not set");
        eprintln!("skipped: PHOTIC_JUDGE_PYTHON is not set");
    }
    python
}

fn judge(python: &str, folder: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/judges/xdf_judge.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    eprintln!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn files_read_the_same() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("formats.xdf"), every_format(300)).unwrap();
    fs::write(folder.path().join("session.xdf"), recorded(2000)).unwrap();
    for file in shared_xdf() {
        fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for name in names {
        expect(&folder.path().join(name));
    }
    judge(&python, folder.path());
}

#[test]
fn repaired_files_open() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(17);
    for (kind, file) in [("formats", every_format(200)), ("session", recorded(700))] {
        for round in 0..20 {
            // Both kinds have their headers within the first 10 kB; nothing can be saved without them.
            let cut = 10_000 + dice.below(file.len() - 10_000);
            let mut bytes = file[..cut].to_vec();
            if round % 4 == 3 {
                let at = 9_000 + dice.below(cut - 9_000);
                let end = (at + 50).min(cut);
                bytes[at..end].fill(0x5A);
            }
            let path = folder.path().join(format!("{kind}-{round}.xdf"));
            fs::write(&path, bytes).unwrap();
            repair(&path).unwrap();
            expect(&path);
        }
    }
    judge(&python, folder.path());
}
