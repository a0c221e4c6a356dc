//! `manifest.json`: what has to be known about a run besides its data. The host's name is left out on purpose.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::SessionFolder;
use crate::folder::write_atomically;

/// Version of the folder's layout that this crate writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 2;

/// Why a manifest could not be written or read.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not a manifest.
    #[error("{path}: not a manifest: {error}")]
    Json {
        /// The manifest.
        path: PathBuf,
        /// Line, column and reason.
        error: serde_json::Error,
    },
    /// Written by a newer Photic.
    #[error("{path}: format version {found}, this build reads up to {FORMAT_VERSION}")]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The version it states.
        found: u32,
    },
}

/// Which clock drove the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// The machine's monotonic clock.
    Live,
    /// One event queue.
    Virtual,
}

/// What ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `linux`.
    pub os: String,
    /// `x86_64`.
    pub arch: String,
    /// Kernel release.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
}

impl Machine {
    /// Asks the system. The host's name is left out on purpose: it can name a person or a hospital.
    pub fn probe() -> Self {
        let first_line = |path: &str| fs::read_to_string(path).ok();
        let cpu = first_line("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            line.split_once(':').map(|(_, model)| model.trim().to_owned())
        });
        let kernel = first_line("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
        Self {
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            kernel: kernel.unwrap_or_else(|| "unknown".into()),
            cpu: cpu.unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// One source of the session, in the order of its `SourceId`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// The protocol's name for it (`[stream.NAME]`).
    pub name: String,
    /// The stream's own name.
    pub stream_name: String,
    /// The stream's content type (`EEG`, `Markers`).
    pub stream_type: String,
    /// Nominal rate; 0 for an irregular stream.
    pub rate_hz: f64,
    /// Labels of all channels that the stream has.
    pub labels: Vec<String>,
    /// Units of all channels that the stream has; empty when it does not say.
    pub units: Vec<String>,
    /// Indices of the channels that the loop used, in the loop's order.
    pub wanted: Vec<usize>,
    /// Seconds of the recording per second of the source's stamps (`photic play --speed` makes it other than 1).
    pub time_scale: f64,
}

/// What the screen was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisplayInfo {
    /// `window`, `fullscreen`, `offscreen`.
    pub mode: String,
    /// Graphics adapter and driver; empty when nothing was drawn by one.
    pub adapter: String,
    /// Width of the target.
    pub width_px: u32,
    /// Height of the target.
    pub height_px: u32,
    /// Refresh rate that the schedule was computed for.
    pub refresh_hz: f64,
}

/// How it ended; absent while the session runs and after a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `finished`, `stopped`, `failed: ...`.
    pub exit: String,
    /// Wall time of the end, UTC.
    pub ended_utc: String,
    /// Counts by name (frames, decisions, samples of each stream ...).
    pub counts: BTreeMap<String, i64>,
    /// Why recording ended before the session did, if so.
    pub recording_ended_early: Option<String>,
}

/// The manifest. Unknown keys survive in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's layout.
    pub format_version: u32,
    /// Version of Photic.
    pub photic_version: String,
    /// Commit of the build, as the build was told; `unknown` otherwise.
    pub photic_build: String,
    /// Name of the protocol.
    pub protocol: String,
    /// SHA-256 of the protocol file, hexadecimal.
    pub protocol_sha256: String,
    /// SHA-256 of the rig file, hexadecimal.
    pub rig_sha256: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Code of the participant; `none` when nobody was simulated and nobody was named.
    pub participant: String,
    /// Which clock.
    pub clock: ClockKind,
    /// Wall time of the start, UTC, for people; nothing is aligned by it.
    pub started_utc: String,
    /// The same instant on the session's clock.
    pub start_ns: i64,
    /// The command line, as given: it can hold paths.
    pub command_line: Vec<String>,
    /// What ran it.
    pub machine: Machine,
    /// The sources, by `SourceId`.
    pub sources: Vec<SourceEntry>,
    /// The screen, if there was one.
    pub display: Option<DisplayInfo>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whatever else a run wants to keep.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Manifest {
    /// The layout version that goes into [`Manifest::format_version`].
    pub const FORMAT_VERSION: u32 = FORMAT_VERSION;

    /// Writes `manifest.json`, whole or not at all; an older one is replaced.
    ///
    /// # Errors
    /// [`ManifestError::Io`], [`ManifestError::Json`].
    pub fn write(&self, folder: &SessionFolder) -> Result<(), ManifestError> {
        let path = folder.manifest_path();
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| ManifestError::Json { path: path.clone(), error })?;
        write_atomically(&path, text.as_bytes()).map_err(|error| ManifestError::Io { path, error })
    }

    /// Reads `manifest.json`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(folder: &SessionFolder) -> Result<Self, ManifestError> {
        let path = folder.manifest_path();
        let bytes = fs::read(&path).map_err(|error| ManifestError::Io { path: path.clone(), error })?;
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|error| ManifestError::Json { path: path.clone(), error })?;
        if manifest.format_version > FORMAT_VERSION {
            return Err(ManifestError::Version { path, found: manifest.format_version });
        }
        Ok(manifest)
    }
}

/// SHA-256 (FIPS 180-4) of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 (FIPS 180-4) of some bytes, as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::WallTime;

    pub(crate) fn example() -> Manifest {
        let mut extra = serde_json::Map::new();
        extra.insert("realised_hz".into(), serde_json::json!(7.5));
        Manifest {
            format_version: FORMAT_VERSION,
            photic_version: "0.1.0".into(),
            photic_build: "unknown".into(),
            protocol: "thermostat".into(),
            protocol_sha256: sha256_hex(b"p"),
            rig_sha256: sha256_hex(b"r"),
            seed: u64::MAX,
            participant: "P07".into(),
            clock: ClockKind::Virtual,
            started_utc: WallTime::from_unix_s(0).iso(),
            start_ns: 1_234_567_890_123_456_789,
            command_line: vec!["photic".into(), "run".into()],
            machine: Machine::probe(),
            sources: vec![SourceEntry {
                name: "eeg".into(),
                stream_name: "sim".into(),
                stream_type: "EEG".into(),
                rate_hz: 250.0,
                labels: vec!["Oz".into(), "O1".into()],
                units: vec![],
                wanted: vec![1],
                time_scale: 1.0,
            }],
            display: None,
            outcome: None,
            extra,
        }
    }

    #[test]
    fn round_trip_and_rewrite() {
        let out = tempfile::tempdir().unwrap();
        let folder = SessionFolder::create(out.path(), "P07", "t", WallTime::from_unix_s(0)).unwrap();
        let mut manifest = example();
        manifest.write(&folder).unwrap();
        assert_eq!(Manifest::read(&folder).unwrap(), manifest);
        manifest.outcome = Some(Outcome {
            exit: "finished".into(),
            ended_utc: WallTime::from_unix_s(60).iso(),
            counts: BTreeMap::from([("frames".into(), 3600)]),
            recording_ended_early: None,
        });
        manifest.write(&folder).unwrap();
        assert_eq!(Manifest::read(&folder).unwrap(), manifest);
        let text = fs::read_to_string(folder.manifest_path()).unwrap();
        assert!(text.contains("\"realised_hz\": 7.5"));
        if let Ok(host) = fs::read_to_string("/proc/sys/kernel/hostname") {
            assert!(!text.contains(&format!("\"{}\"", host.trim())), "the host's name is private");
        }
    }

    #[test]
    fn bad_manifests_are_named() {
        let out = tempfile::tempdir().unwrap();
        let folder = SessionFolder::create(out.path(), "P07", "t", WallTime::from_unix_s(0)).unwrap();
        assert!(matches!(Manifest::read(&folder), Err(ManifestError::Io { .. })));
        fs::write(folder.manifest_path(), b"{\"seed\": -1}").unwrap();
        assert!(Manifest::read(&folder).unwrap_err().to_string().contains("line 1"));
        let newer = Manifest { format_version: 9, ..example() };
        newer.write(&folder).unwrap();
        assert!(matches!(Manifest::read(&folder), Err(ManifestError::Version { found: 9, .. })));
    }

    #[test]
    fn sha256_of_abc() {
        // FIPS 180-4, example of the standard.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
