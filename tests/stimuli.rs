//! The CPU twin of every kind of stimulus as stimupy and NumPy draw it (`tests/judges/stimuli.py`). Without
//! PHOTIC_JUDGE_PYTHON it says that nothing was compared.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::Path;

use support::{judge, root, run};

/// The protocol's stimuli with the frames to look at: the first, and of what changes another.
fn stimuli(protocol: &str) -> Vec<(&str, Vec<u32>)> {
    let tables = protocol.split("[stimulus.").skip(1);
    let changes = |table: &str| ["drift_hz", "rotation_hz", "renew_hz"].iter().any(|key| table.contains(key));
    let frames = |table: &str| if changes(table) { vec![0, 7] } else { vec![0] };
    tables.filter_map(|table| Some((table.split_once('.')?.0, frames(table)))).collect()
}

fn render(protocol: &Path, rig: &Path, name: &str, frame: u32, out: &Path) {
    let frame = frame.to_string();
    let fixed = ["render", protocol.to_str().unwrap(), "--rig", rig.to_str().unwrap(), "--twin"];
    let own = ["--trial", name, "--frame", &frame, "--out", out.to_str().unwrap()];
    run(fixed.iter().chain(&own), 60.0).expect(0);
}

#[test]
fn stimupy_draws_the_same_stimuli() {
    let Some(python) = judge::python() else { return };
    let judges = root().join("tests/judges");
    let (protocol, rig) = (judges.join("stimuli.toml"), judges.join("stimuli-rig.toml"));
    let text = fs::read_to_string(&protocol).unwrap();
    let stimuli = stimuli(&text);
    assert!(stimuli.len() >= 30, "{stimuli:?}");

    let folder = tempfile::tempdir().unwrap();
    for (name, frames) in &stimuli {
        for frame in frames {
            render(&protocol, &rig, name, *frame, &folder.path().join(format!("{name}@{frame}.npy")));
        }
    }
    let said = judge::agrees(&python, "stimuli.py", folder.path());
    eprint!("{said}");
    assert!(said.contains(&format!("{} stimuli agree", stimuli.len())), "{said}");
}
