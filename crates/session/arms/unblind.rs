//! `photic unblind`: opens the arms of a trial's sessions, checks each, and writes the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use protocol::Protocol;
use recording::RecordedSession;
use serde::Serialize;

use super::{TrialKey, allocate, is_blinded, open};
use crate::cli::UnblindArgs;
use crate::error::SessionError;
use crate::inspect::Seen;
use crate::replay;
use crate::summary::Summary;

/// A line of the table.
#[derive(Debug, Serialize)]
struct Line {
    session: String,
    trial: Option<String>,
    number: Option<u32>,
    arm: Option<String>,
    kind: Option<String>,
    donor: Option<String>,
    protocol_sha256: String,
    commitment: Option<String>,
    /// Mean absolute distance of the person's own decoded values from the set point, in uV.
    measured_error_uv: Option<f64>,
    decisions: u64,
    exit: Option<String>,
    /// `ok`, or what is wrong.
    check: String,
}

/// Opens every session and writes the table.
///
/// # Errors
/// When the key or a session cannot be read, or the table cannot be written. What is wrong with an arm stands in its line.
pub fn unblind(args: &UnblindArgs) -> Result<Seen, SessionError> {
    let key = TrialKey::read(&args.key)?;
    let mut lines = args.sessions.iter().map(|path| line(path, &key)).collect::<Result<Vec<_>, _>>()?;
    lines.sort_by(|a, b| (a.number, &a.session).cmp(&(b.number, &b.session)));
    let mut text = table(&lines);
    let fine = lines.iter().all(|line| line.check == "ok");
    let mut times = BTreeMap::<u32, usize>::new();
    lines.iter().filter_map(|line| line.number).for_each(|number| *times.entry(number).or_default() += 1);
    let repeated: Vec<u32> =
        times.iter().filter(|(_, times)| **times > 1).map(|(number, _)| *number).collect();
    if let Some(out) = &args.out {
        std::fs::write(out, &text).map_err(|error| SessionError::io("write", out, error))?;
        text = format!("{}: {} sessions\n", out.display(), lines.len());
    }
    if !repeated.is_empty() {
        let numbers: Vec<String> = repeated.iter().map(u32::to_string).collect();
        let _ = writeln!(text, "more than one session of number {}", numbers.join(", "));
    }
    for line in lines.iter().filter(|line| line.check != "ok") {
        let _ = writeln!(text, "{}: {}", line.session, line.check);
    }
    let json = serde_json::json!({
        "trial": key.trial, "key_id": key.id(), "sessions": lines, "numbers_with_more_sessions": repeated,
        "all_checks_hold": fine,
    });
    Ok(Seen { text, json, fine })
}

fn line(path: &Path, key: &TrialKey) -> Result<Line, SessionError> {
    let session = RecordedSession::open(path)?;
    let summary = Summary::unblinded(&session);
    let mut line = Line {
        session: session.folder.stem().to_owned(),
        trial: None,
        number: None,
        arm: None,
        kind: None,
        donor: None,
        protocol_sha256: session.meta.protocol_sha256.clone(),
        commitment: super::entry_of(&session).map(|entry| entry.commitment),
        measured_error_uv: summary.tracking_error.and_then(|error| error.measured),
        decisions: summary.decisions,
        exit: summary.exit,
        check: "ok".into(),
    };
    if !is_blinded(&session) {
        line.check = "it is not blinded: nothing to open".into();
        return Ok(line);
    }
    match open(&session, key) {
        Err(error) => line.check = error.to_string(),
        Ok(secret) => {
            if let Err(reason) = as_planned(&session, key, secret.number, &secret.arm, &secret.kind) {
                line.check = reason;
            }
            line.trial = Some(secret.trial);
            line.number = Some(secret.number);
            line.arm = Some(secret.arm);
            line.kind = Some(secret.kind);
            line.donor = Some(secret.donor);
        }
    }
    Ok(line)
}

/// Whether the key allocates this number to this arm, under the protocol that the session ran.
pub fn as_planned(
    session: &RecordedSession,
    key: &TrialKey,
    number: u32,
    arm: &str,
    kind: &str,
) -> Result<(), String> {
    let experiment = replay::experiment(session).map_err(|error| error.to_string())?;
    let Protocol { arms: Some(arms), .. } = &experiment.protocol else {
        return Err("its protocol has no [arms]".into());
    };
    let index = allocate(arms, key, number).map_err(|error| error.to_string())?;
    let planned = &arms.arms[index];
    if (planned.name.as_str(), planned.kind.name()) != (arm, kind) {
        return Err(format!("number {number} is allocated to `{}`, `{arm}` was run", planned.name));
    }
    Ok(())
}

/// Comma-separated values (RFC 4180) with a line of names.
fn table(lines: &[Line]) -> String {
    let mut text = String::from(
        "session,trial,number,arm,kind,donor,protocol_sha256,commitment,measured_error_uv,decisions,exit,check\n",
    );
    let quoted = |cell: &str| match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    for line in lines {
        let some = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let cells = [
            line.session.clone(),
            some(&line.trial),
            line.number.map(|number| number.to_string()).unwrap_or_default(),
            some(&line.arm),
            some(&line.kind),
            some(&line.donor),
            line.protocol_sha256.clone(),
            some(&line.commitment),
            line.measured_error_uv.map(|uv| uv.to_string()).unwrap_or_default(),
            line.decisions.to_string(),
            some(&line.exit),
            line.check.clone(),
        ];
        let _ = writeln!(text, "{}", cells.map(|cell| quoted(&cell)).join(","));
    }
    text
}

/// What `photic verify` says of a session's arm, and whether it is well.
pub fn verify(path: &Path, key: Option<&PathBuf>) -> Result<Option<(String, bool)>, SessionError> {
    if !path.is_dir() {
        return Ok(None);
    }
    let folder = recording::SessionFolder::open(path)?;
    // A manifest that cannot be read is no reason to say nothing of the recording.
    let Ok(manifest) = recording::Manifest::read(&folder) else { return Ok(None) };
    let Some(entry) = manifest.extra.get(super::ARMS_KEY) else { return Ok(None) };
    let entry: super::Entry = match serde_json::from_value(entry.clone()) {
        Ok(entry) => entry,
        Err(error) => {
            return Ok(Some((format!("arm: the manifest's entry cannot be read: {error}\n"), false)));
        }
    };
    let who = format!("arm of number {} in trial `{}`", entry.number, entry.trial);
    if let Err(reason) = super::check_unopened(&folder, &entry) {
        return Ok(Some((format!("{who}: {reason}\n"), false)));
    }
    let Some(key) = key else {
        let text =
            format!("{who}: sealed, the file is the one that was written; --key checks the commitment\n");
        return Ok(Some((text, true)));
    };
    let key = TrialKey::read(key)?;
    let session = RecordedSession::open(path)?;
    let checked = open(&session, &key).map_err(|error| error.to_string()).and_then(|secret| {
        // Only whether it holds is said: verifying is no unblinding.
        as_planned(&session, &key, secret.number, &secret.arm, &secret.kind)
            .map_err(|_| "the arm that was run is not the one that the key allocates".to_owned())
    });
    Ok(Some(match checked {
        Ok(()) => (format!("{who}: sealed, the commitment holds, and the arm is the one allocated\n"), true),
        Err(reason) => (format!("{who}: {reason}\n"), false),
    }))
}
