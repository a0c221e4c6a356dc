//! Blinded arms: a participant is allocated by the trial's key and a number, what the controller is fed is sealed into the
//! session's folder, and only the key says afterwards which arm it was.
//!
//! What blinding can and cannot do here stands in `docs/arms.md`: whoever runs the session has the key's *file*, or
//! nothing could be allocated; nothing that is shown, printed or written in the open says the arm.

mod allocation;
mod donor;
mod key;
mod seal;
mod unblind;

use std::path::PathBuf;

use closedloop::FeedPlan;
use protocol::ArmKind;
use recording::{RecordedSession, SessionFolder, sha256_hex};

use crate::cli::RunArgs;
use crate::error::SessionError;
use crate::experiment::Experiment;

pub use allocation::allocate;
pub use key::{TrialKey, trial_key};
pub use seal::{Entry, Secret};
pub use unblind::{unblind, verify};

/// The manifest's key of an [`Entry`].
pub const ARMS_KEY: &str = "arms";

/// What a run needs of its arm.
pub struct Assigned {
    /// What the controller is fed; `None` where that is the person's own.
    pub feed: Option<FeedPlan>,
    entry: Entry,
    sealed: Vec<u8>,
}

/// Allocates the participant of a run; `None` where the protocol has no arms.
///
/// # Errors
/// A key, a number or a donor that lacks or does not fit; options of arms where there are none.
pub fn assign(experiment: &Experiment, args: &RunArgs) -> Result<Option<Assigned>, SessionError> {
    let usage = |text: &str| Err(SessionError::Usage(text.to_owned()));
    let Some(arms) = &experiment.protocol.arms else {
        return match (&args.key, &args.donor, args.number) {
            (None, None, None) => Ok(None),
            (None, None, Some(_)) if experiment.protocol.is_by_number() => Ok(None),
            _ => usage(
                "--key, --number, --donor: the protocol has no [arms], and no order that depends on a number",
            ),
        };
    };
    let (Some(file), Some(number), Some(donor)) = (&args.key, args.number, &args.donor) else {
        return usage(
            "the protocol has [arms]: give --key (the trial's), --number (the participant's, from 1) and --donor (an earlier \
             session), whichever arm it will be",
        );
    };
    let key = TrialKey::read(file)?;
    let arm = &arms.arms[allocate(arms, &key, number)?];
    let donor = donor::Donor::open(donor, &experiment.protocol)?;
    // Every arm holds a trace of the same length, so that the size of what is sealed says nothing.
    let values = match arm.kind {
        ArmKind::Sham => donor.surrogate(key.seed("surrogate"), u64::from(number)),
        ArmKind::Yoked | ArmKind::Active => donor.values.clone(),
    };
    let feed = FeedPlan { values, donor_uv: donor.calibrated_uv };
    let longest = |of: fn(&protocol::Arm) -> usize| arms.arms.iter().map(of).max().unwrap_or(0);
    let secret = Secret {
        trial: key.trial.clone(),
        number,
        arm: arm.name.clone(),
        kind: arm.kind.name().to_owned(),
        donor: donor.name,
        feed,
        length: longest(|arm| arm.name.len()) + longest(|arm| arm.kind.name().len()),
    };
    let protocol_sha256 = sha256_hex(experiment.protocol_text.as_bytes());
    let (entry, sealed) = secret.seal(&key, &protocol_sha256)?;
    let feed = (arm.kind != ArmKind::Active).then_some(secret.feed);
    Ok(Some(Assigned { feed, entry, sealed }))
}

impl Assigned {
    /// What the manifest says in the open.
    pub fn entry(&self) -> serde_json::Value {
        serde_json::to_value(&self.entry).unwrap_or_default()
    }

    /// Puts the sealed arm into the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &SessionFolder) -> Result<(), SessionError> {
        let path = sealed_path(folder);
        std::fs::write(&path, &self.sealed).map_err(|error| SessionError::io("write", &path, error))
    }
}

/// Where a session keeps its sealed arm.
pub fn sealed_path(folder: &SessionFolder) -> PathBuf {
    folder.path().join(format!("{}_arm.sealed", folder.stem()))
}

/// What a session's manifest says of its arm; `None` where it is not blinded.
pub fn entry_of(session: &RecordedSession) -> Option<Entry> {
    serde_json::from_value(session.meta.extra.get(ARMS_KEY)?.clone()).ok()
}

/// Whether a session is blinded, however badly its manifest says so.
pub fn is_blinded(session: &RecordedSession) -> bool {
    session.meta.extra.contains_key(ARMS_KEY)
}

/// Opens what a session has sealed, and checks it against its commitment.
///
/// # Errors
/// Another trial's key, a file that was changed, a commitment that does not hold; each says which.
pub fn open(session: &RecordedSession, key: &TrialKey) -> Result<Secret, SessionError> {
    let path = sealed_path(&session.folder);
    let refuse = |reason: String| SessionError::Sealed { path: path.clone(), reason };
    let entry =
        entry_of(session).ok_or_else(|| refuse("its manifest has no arm that could be opened".into()))?;
    let sealed = std::fs::read(&path).map_err(|error| SessionError::io("read", &path, error))?;
    Secret::open(&entry, &sealed, key, &session.meta.protocol_sha256).map_err(refuse)
}

/// Whether what is sealed is the file that the manifest names; what is wrong otherwise. Needs no key.
pub fn check_unopened(folder: &SessionFolder, entry: &Entry) -> Result<(), String> {
    let path = sealed_path(folder);
    let sealed = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let found = sha256_hex(&sealed);
    if found == entry.sealed_sha256 {
        return Ok(());
    }
    Err(format!(
        "{}: SHA-256 is {found}, the manifest names {}: it was changed",
        path.display(),
        entry.sealed_sha256
    ))
}
