//! What the tests of the whole program need: the binary as a child with deadlines, and what may be absent here.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod judge;
pub mod xdf;
pub mod xvfb;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use recording::RecordedSession;
use serde_json::Value;
use tempfile::TempDir;
use timeline::{clock, ns_from_s, s_from_ns};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The main protocol, below the root.
pub const THERMOSTAT: &str = "protocols/thermostat.toml";

/// Channels of the main protocol, as labels for a source.
pub const CHANNELS: &str = "PO7,PO3,POz,PO4,PO8,O1,Oz,O2";

/// A constant stimulus, so that every change of contrast is the loop's.
pub const SHOW: &str = r#"
[protocol]
name = "show"
description = "A constant grating"
grey_ramp_s = 0.5
min_free_mb = 1
[stream.eeg]
type = "EEG"
channels = ["PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"]
rate_hz = 250.0
unit = "uV"
stale_after_s = 0.3
grey_after_s = 1.0
max_lag_s = 0.5
[stimulus.target.grating]
sf_cpd = 1.0
orientation_deg = 45.0
phase_deg = 0.0
diameter_deg = 10.0
edge_deg = 1.0
flicker = { counterphase_hz = 7.5, waveform = "sine" }
[[block]]
name = "show"
duration_s = 60.0
show = { stimulus = "target", contrast = 0.6 }
"#;

/// An LSL session id that no other test has, so that streams of two tests never meet.
pub fn lsl_session() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("photic-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The binary, at the repository's root, alone in its LSL session.
pub fn photic(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_photic"));
    command.args(arguments).current_dir(root()).env("PHOTIC_LSL_SESSION", lsl_session());
    // A desktop would turn a run without --display into a window.
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    command
}

/// A child that ends with the test whatever happens. What it says goes into files, so that it can never block on us.
pub struct Process {
    child: Child,
    said: TempDir,
    command: String,
}

/// What a child left behind.
pub struct Ended {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let said = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(said.path().join(name)).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Self { child, said, command: format!("{command:?}") }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        let kill =
            Command::new("sh").args(["-c", "kill -INT \"$0\"", &self.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    /// `kill -9`; the instant just before it.
    pub fn kill(&mut self) -> i64 {
        let at_ns = clock::now_ns();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        at_ns
    }

    /// Waits for the end; a child that takes longer is killed and fails the test.
    pub fn end(mut self, within_s: f64) -> Ended {
        let deadline_ns = clock::now_ns() + ns_from_s(within_s);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let (stdout, stderr) = (self.read("out"), self.read("err"));
                return Ended { code: status.code(), stdout, stderr, command: self.command.clone() };
            }
            if clock::now_ns() > deadline_ns {
                let _ = self.child.kill();
                panic!(
                    "{} runs longer than {within_s} s:\n{}{}",
                    self.command,
                    self.read("out"),
                    self.read("err")
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the child has said `text` on stdout.
    pub fn says(&mut self, text: &str, within_s: f64) {
        wait_until(within_s, &format!("{} to say {text:?}", self.command.clone()), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}: {}{}", self.command, self.read("out"), self.read("err"));
            }
            self.read("out").contains(text)
        });
    }

    /// Waits until the child has said `text` on stderr.
    pub fn tells(&mut self, text: &str, within_s: f64) {
        wait_until(within_s, &format!("{} to tell {text:?}", self.command.clone()), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}: {}{}", self.command, self.read("out"), self.read("err"));
            }
            self.read("err").contains(text)
        });
    }

    /// What the child has said on stdout so far.
    pub fn said(&self) -> String {
        self.read("out")
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.said.path().join(name)).unwrap()).into_owned()
    }
}

impl Ended {
    /// Asserts the exit status.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// The JSON object on the last line of stdout.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// Asserts that what was said on stderr holds every text.
    pub fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in what it said:\n{}", self.stderr);
        }
    }
}

/// Runs the binary to its end.
pub fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, within_s: f64) -> Ended {
    Process::start(&mut photic(arguments)).end(within_s)
}

/// Polls until it holds.
pub fn wait_until(within_s: f64, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline_ns = clock::now_ns() + ns_from_s(within_s);
    while !holds() {
        assert!(clock::now_ns() < deadline_ns, "waited {within_s} s for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A session on the virtual clock; its summary and its folder.
pub fn virtual_session(out: &Path, participant: &str, seed: u64, more: &[&str]) -> (Value, PathBuf) {
    let (out, seed) = (out.to_str().unwrap(), seed.to_string());
    let mut arguments = vec!["run", THERMOSTAT, "--clock", "virtual", "--participant", participant];
    arguments.extend(["--seed", &seed, "--out", out, "--json"]);
    arguments.extend(more);
    let summary = run(arguments, 120.0).expect(0).json();
    let folder = session_folder(&summary);
    (summary, folder)
}

/// The folder that a summary names.
pub fn session_folder(summary: &Value) -> PathBuf {
    root().join(summary["session"].as_str().unwrap())
}

/// The one session folder below `out`, once its recording is there; its recording.
pub fn recording_below(out: &Path) -> Option<PathBuf> {
    let folder = fs::read_dir(out).ok()?.next()?.ok()?.path();
    let files = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.into_iter().find(|path| path.to_string_lossy().ends_with("_eeg.xdf"))
}

/// The only session below `out`, read back.
pub fn session_below(out: &Path) -> RecordedSession {
    let path = recording_below(out).unwrap_or_else(|| panic!("no session below {}", out.display()));
    RecordedSession::open(path.parent().unwrap()).unwrap()
}

/// `photic replay --json`: exit status and verdict.
pub fn replay(folder: &Path) -> (Ended, Value) {
    let ended = run([OsStr::new("replay"), folder.as_os_str(), OsStr::new("--json")], 120.0);
    let verdict = if ended.code == Some(2) { Value::Null } else { ended.json() };
    (ended, verdict)
}

/// Asserts that a session replays, equal to the bit and to its end.
pub fn replays(folder: &Path) -> Value {
    let (ended, verdict) = replay(folder);
    ended.expect(0);
    assert_eq!(verdict["identical"], true, "{verdict}");
    assert_eq!(verdict["first_difference"], Value::Null, "{verdict}");
    assert_eq!(verdict["ends_early"], Value::Null, "{verdict}");
    verdict
}

/// A copy of a session folder that may be damaged.
pub fn copy_of(folder: &Path, to: &Path) -> PathBuf {
    let copy = to.join(folder.file_name().unwrap());
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    copy
}

/// In CI nothing may be skipped.
pub fn skip<T>(reason: &str) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI this must be there: {reason}");
    eprintln!("skipped: {reason}");
    None
}

/// Whether liblsl is where the binary looks for it.
pub fn lsl_is_there() -> Option<()> {
    let ended = run(["streams", "--wait-s", "0.01"], 20.0);
    if ended.code == Some(0) { Some(()) } else { skip(&format!("no liblsl: {}", ended.stderr)) }
}

/// Whether frames can be rendered: a session of a tenth of a second says so.
pub fn vulkan_is_there() -> Option<()> {
    let out = tempfile::tempdir().unwrap();
    let arguments =
        ["run", THERMOSTAT, "--in-process", "--display", "offscreen", "--seconds", "0.1", "--out"];
    let ended = run(arguments.map(OsStr::new).into_iter().chain([out.path().as_os_str()]), 60.0);
    match ended.stderr.contains("adapter") && ended.code == Some(2) {
        true => skip(&format!("no Vulkan: {}", ended.stderr)),
        false => ended.expect(0).code.map(|_| ()),
    }
}

/// A file of the shared real recordings.
pub fn shared(file: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(file);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("PHOTIC_REQUIRE_SHARED").is_none(), "{} is absent", path.display());
    eprintln!("skipped: no {}", path.display());
    None
}

/// Whether a program can be started here.
pub fn program_is_there(name: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", name]).status();
    found.is_ok_and(|status| status.success())
}

/// What a program left, ended before `within_s`.
pub fn output(command: &mut Command, within_s: f64) -> Output {
    let ended = Process::start(command).end(within_s);
    assert_eq!(ended.code, Some(0), "{}\n{}{}", ended.command, ended.stdout, ended.stderr);
    Output {
        status: Default::default(),
        stdout: ended.stdout.into_bytes(),
        stderr: ended.stderr.into_bytes(),
    }
}

/// The last stamp of a session's first source, in s.
pub fn last_stamp_s(session: &RecordedSession) -> f64 {
    session.sources[0].stamps_s.last().copied().unwrap_or(f64::NEG_INFINITY)
}

/// Seconds since an instant of the monotonic clock.
pub fn since_s(at_ns: i64) -> f64 {
    s_from_ns(clock::now_ns() - at_ns)
}
