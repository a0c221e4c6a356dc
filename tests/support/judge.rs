//! Python's part: pyxdf and mne as judges of files, pylsl as the source of a stream.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::xdf::expect;
use super::{Process, lsl_session, output, root, skip};

/// The judges' Python; `None` (with a printed reason) when there is none and nobody insists.
pub fn python() -> Option<String> {
    std::env::var("PHOTIC_JUDGE_PYTHON").ok().or_else(|| skip("PHOTIC_JUDGE_PYTHON is not set"))
}

fn script(python: &str, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(root().join("tests/judges").join(name)).current_dir(root());
    command
}

/// pyxdf reads these recordings as we do (raw stamps to the bit, corrected ones to 1 us), mne takes their EEG. What it
/// says of each file.
pub fn read_alike(python: &str, files: &[&Path]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (index, file) in files.iter().enumerate() {
        let copy = folder.path().join(format!("{index}.xdf"));
        fs::copy(file, &copy).unwrap();
        expect(&copy);
    }
    let said = output(script(python, "xdf_judge.py").arg(folder.path()), 120.0);
    String::from_utf8(said.stdout).unwrap()
}

/// A judge that reads one file agrees with it; what it says.
pub fn agrees(python: &str, judge: &str, file: &Path) -> String {
    let said = output(script(python, judge).arg(file), 120.0);
    String::from_utf8(said.stdout).unwrap()
}

/// MNE and SciPy find the phases of a session as we do, and the tracker's forecasts better than an autoregressive one. What
/// they say.
pub fn onset_phases(python: &str, folder: &Path, summary: &Value) -> String {
    let mut command = script(python, "onset_phase.py");
    let said = output(command.arg(folder).arg(summary.to_string()), 120.0);
    String::from_utf8(said.stdout).unwrap()
}

/// Which of these files pyxdf opens with the streams and samples that are in them.
pub fn opens(python: &str, files: &[impl AsRef<Path>]) -> Vec<bool> {
    let files = files.iter().map(AsRef::as_ref);
    let said = output(script(python, "xdf_opens.py").args(files.map(Path::as_os_str)), 120.0);
    let said = String::from_utf8(said.stdout).unwrap();
    eprint!("{said}");
    said.lines().map(|line| line.starts_with("opens")).collect()
}

/// A place in LSL where a foreign source and the program meet.
pub struct Meeting {
    /// The LSL session id.
    pub session: String,
    python: String,
    config: TempDir,
}

impl Meeting {
    /// `None` where there is no pylsl.
    pub fn new() -> Option<Self> {
        let python = python()?;
        let (config, session) = (tempfile::tempdir().unwrap(), lsl_session());
        let content = format!(
            "[ports]\nIPv6 = disable\n[multicast]\nResolveScope = machine\nListenAddress = 127.0.0.1\n\
             [log]\nlevel = -3\n[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = {session}\n"
        );
        fs::write(config.path().join("lsl_api.cfg"), content).unwrap();
        Some(Self { session, python, config })
    }

    /// Starts `eeg_source.py` and waits until its outlet stands.
    pub fn source(&self, arguments: &[&str]) -> Process {
        self.start("eeg_source.py", arguments)
    }

    /// The same for `outside_controller.py`.
    pub fn guest(&self, arguments: &[&str]) -> Process {
        self.start("outside_controller.py", arguments)
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Process {
        let config = self.config.path().join("lsl_api.cfg");
        let mut source = script(&self.python, name);
        let mut source = Process::start(source.env("LSLAPICFG", config).args(arguments));
        source.says("ready", 30.0);
        source
    }

    /// Starts a judge that takes part itself.
    pub fn judge(&self, name: &str, arguments: &[&str]) -> Process {
        let config = self.config.path().join("lsl_api.cfg");
        Process::start(script(&self.python, name).env("LSLAPICFG", config).args(arguments))
    }
}
