//! The trial's key: one secret, from which allocation and seals are derived, each for itself.

use std::io::Write as _;
use std::path::Path;

use protocol::reader::Document;
use recording::{WallTime, sha256};

use crate::cli::TrialKeyArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

/// What the statistician keeps, and what a run reads.
#[derive(Clone, PartialEq, Eq)]
pub struct TrialKey {
    /// Name of the trial.
    pub trial: String,
    secret: [u8; 32],
}

impl TrialKey {
    /// From a secret that is there.
    pub fn new(trial: &str, secret: [u8; 32]) -> Self {
        Self { trial: trial.to_owned(), secret }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read, or is no key.
    pub fn read(path: &Path) -> Result<Self, SessionError> {
        let text = std::fs::read_to_string(path).map_err(|error| SessionError::io("read", path, error))?;
        let name = path.display().to_string();
        let document = Document::parse(&text, &name)?;
        let table = document.root(&["trial_key"])?.table("trial_key", &["trial", "secret"])?;
        let secret = bytes_of_hex(&table.text("secret")?);
        let secret = secret.ok_or_else(|| SessionError::Argument {
            argument: format!("--key {}", path.display()),
            reason: "`secret` is not 64 hexadecimal digits: `photic trial-key` makes a key".into(),
        })?;
        Ok(Self { trial: table.text("trial")?, secret })
    }

    /// 32 bytes for one purpose: SHA-256 of purpose and secret. The secret is uniform, so that is a key derivation.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        sha256(&[format!("photic {purpose} v1\0").as_bytes(), &self.secret].concat())
    }

    /// The same as a seed.
    pub fn seed(&self, purpose: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.derive(purpose);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Names the key without saying anything of it.
    pub fn id(&self) -> String {
        hex(&self.derive("key id")[..8])
    }
}

/// `photic trial-key`: makes a key file.
///
/// # Errors
/// When the file is there already, or cannot be written.
pub fn trial_key(args: &TrialKeyArgs) -> Result<Seen, SessionError> {
    if args.trial.is_empty() || !args.trial.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let (argument, reason) =
            (format!("--trial {}", args.trial), "letters, digits, `-`, `_`, `.` are allowed".into());
        return Err(SessionError::Argument { argument, reason });
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| SessionError::Usage(format!("no randomness from the system: {error}")))?;
    let key = TrialKey::new(&args.trial, secret);
    let text = format!(
        "# Key of the blinded trial `{}`, made {}. Whoever reads it can find out every arm, past and future: keep a copy\n\
         # with the statistician, leave this one to `photic run`, and do not open it before the trial is over.\n\
         [trial_key]\ntrial = \"{}\"\nsecret = \"{}\"\n",
        args.trial,
        WallTime::now().iso(),
        args.trial,
        hex(&secret)
    );
    let path = &args.file;
    let io = |error| SessionError::io("make the key file", path, error);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(io)?;
    Ok(Seen {
        text: format!("{}: key {} of trial `{}`\n", path.display(), key.id(), key.trial),
        json: serde_json::json!({ "file": path.display().to_string(), "key_id": key.id(), "trial": key.trial }),
        fine: true,
    })
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As many bytes as asked for, from twice as many digits.
pub fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
