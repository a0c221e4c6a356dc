//! `photic frames`: draws a presented frame of a recorded session once more, and says whether its codes are those that were
//! shown.

use recording::RecordedSession;
use serde_json::json;
use stimulus::Moment;
use stimulus::checksum::Checksum;
use stimulus::element::Onset;
use timeline::{Drawn, Flip};

use crate::cli::FramesArgs;
use crate::error::SessionError;
use crate::inspect::Seen;
use crate::render::{Frame, snapshots, write};
use crate::replay;
use crate::safety::scene_name;

/// Draws it and compares.
///
/// # Errors
/// A session that cannot be read, a frame that it does not have, no adapter.
pub fn frames(args: &FramesArgs) -> Result<Seen, SessionError> {
    let session = RecordedSession::open(&args.session)?;
    let experiment = replay::experiment(&session)?;
    let lowered = experiment.lower(session.meta.seed)?;
    let (flip, moment) = flip_at(&session, args.at)?;
    let mut adapter = snapshots(&lowered)?;
    if let Some(texels) = texels_of(&session, flip) {
        adapter.load(texels);
    }
    let shot = adapter.shoot(usize::from(flip.scene.0), &moment)?;
    let recorded = session.drawn.iter().find(|drawn| drawn.frame == args.at);
    let same = recorded.map(|drawn| Checksum::from_halves(drawn.checksum) == shot.checksum);
    let name = scene_name(&experiment, flip.scene.0);
    let verdict = verdict(recorded, same);
    let then = recorded.map(|drawn| Checksum::from_halves(drawn.checksum).to_string());
    let text = format!(
        "frame {}: {name} at contrast {}, {} refreshes after its onset\nchecksum {}, recorded {}: {verdict}\n",
        args.at,
        moment.contrast,
        moment.since_onset,
        shot.checksum,
        then.as_deref().unwrap_or("none"),
    );
    let json = json!({
        "frame": args.at, "stimulus": name, "contrast": moment.contrast, "since_onset": moment.since_onset,
        "checksum": shot.checksum.to_string(), "recorded": then, "same": same,
    });
    if let Some(out) = &args.out {
        write(&Frame { light: shot.linear, codes: shot.codes }, &lowered, out)?;
    }
    Ok(Seen { text, json, fine: same != Some(false) })
}

fn verdict(recorded: Option<&Drawn>, same: Option<bool>) -> String {
    match (recorded, same) {
        (None, _) | (_, None) => "the session has no checksum of it".into(),
        (_, Some(true)) => "its codes are those that were shown".into(),
        (Some(Drawn { gain: Drawn::WHOLE, .. }), _) => "its codes are NOT those that were shown".into(),
        (Some(Drawn { gain, .. }), _) => format!(
            "NOT what was shown: the photosensitivity governor let {gain} of 65535 of its contrast through"
        ),
    }
}

/// The flip of a refresh, and the moment of its scene: since when it was shown follows from the flips before it.
fn flip_at(session: &RecordedSession, frame: u64) -> Result<(&Flip, Moment), SessionError> {
    let mut onset = Onset::default();
    for flip in &session.flips {
        let (scene, drawn_for) = (usize::from(flip.scene.0), flip.drawn_for());
        onset.shown(scene, drawn_for);
        if flip.frame == frame {
            let since_onset = onset.since(scene, drawn_for);
            let Flip { contrast, veil, .. } = *flip;
            return Ok((flip, Moment { frame: drawn_for, since_onset, contrast, veil }));
        }
    }
    let ends = session.flips.first().zip(session.flips.last());
    let found = ends.map_or("none".into(), |(first, last)| format!("{} to {}", first.frame, last.frame));
    Err(SessionError::Usage(format!(
        "--at {frame}: no frame became visible at that refresh; the session has {} frames, {found}",
        session.flips.len()
    )))
}

/// What was in the picture that the flip's command named.
fn texels_of<'a>(session: &'a RecordedSession, flip: &Flip) -> Option<&'a [f32]> {
    let command = session.commands.iter().find(|command| Some(command.index) == flip.command)?;
    let picture = command.picture?;
    session.pictures.get(picture as usize).map(Vec::as_slice)
}
