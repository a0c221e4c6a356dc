//! `photic frames`: draws a presented frame of a recorded session once more, and says whether its codes are those that were
//! shown.

use std::collections::BTreeMap;

use recording::RecordedSession;
use serde_json::json;
use stimulus::checksum::Checksum;
use stimulus::element::Onset;
use stimulus::picture::{CrossFade, Mix};
use stimulus::{Moment, Scene};
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
    let Then { flip, moment, pictures } = flip_at(&session, &lowered.scenery.scenes, args.at)?;
    let mut adapter = snapshots(&lowered)?;
    for picture in [pictures.from, pictures.to] {
        if let Some(texels) = session.pictures.get(picture as usize) {
            adapter.load_as(picture, texels);
        }
    }
    let shot = adapter.shoot_pictures(usize::from(flip.scene.0), &moment, pictures)?;
    let recorded = session.drawn.iter().find(|drawn| drawn.frame == args.at);
    let same = recorded.map(|drawn| Checksum::from_halves(drawn.checksum) == shot.checksum);
    let name = scene_name(&experiment, flip.scene.0);
    let verdict = verdict(recorded, same);
    let then = recorded.map(|drawn| Checksum::from_halves(drawn.checksum).to_string());
    let mixed = match pictures {
        Mix { weight: 1.0, .. } => String::new(),
        Mix { from, to, weight } => format!(", {weight:.3} of the way from picture {from} to picture {to}"),
    };
    let gaze = flip.gaze.map_or(String::new(), |gaze| {
        let ([x, y], age_ms) = (gaze.offset_px, (flip.onset_ns - gaze.at_ns) as f64 / 1e6);
        format!(
            ", by a gaze {x} px right of and {} px above the middle, {age_ms:.1} ms before its onset",
            -y + 0.0
        )
    });
    let text = format!(
        "frame {}: {name} at contrast {}, {} refreshes after its onset{mixed}{gaze}\nchecksum {}, recorded {}: {verdict}\n",
        args.at,
        moment.contrast,
        moment.since_onset,
        shot.checksum,
        then.as_deref().unwrap_or("none"),
    );
    let json = json!({
        "frame": args.at, "stimulus": name, "contrast": moment.contrast, "since_onset": moment.since_onset,
        "gaze_px": moment.gaze_px, "pictures": [pictures.from, pictures.to], "weight": pictures.weight,
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

/// A frame that somebody saw, as it was drawn.
struct Then<'a> {
    flip: &'a Flip,
    moment: Moment,
    pictures: Mix,
}

/// What a frame was drawn by, as its flip says it.
pub(crate) fn moment_of(flip: &Flip, since_onset: u64) -> Moment {
    Moment {
        frame: flip.drawn_for(),
        since_onset,
        contrast: flip.contrast,
        veil: flip.veil,
        gaze_px: flip.gaze.map(|gaze| gaze.offset_px),
    }
}

/// The frame of a refresh: since when its scene was shown, and what was left of the picture before, follow from the flips before
/// it.
fn flip_at<'a>(session: &'a RecordedSession, scenes: &[Scene], frame: u64) -> Result<Then<'a>, SessionError> {
    let (mut onset, mut fade) = (Onset::default(), CrossFade::default());
    let mut named = BTreeMap::new();
    for command in &session.commands {
        named.insert(command.index, command.picture);
    }
    let mut newest = None;
    for flip in &session.flips {
        let (scene, drawn_for) = (usize::from(flip.scene.0), flip.drawn_for());
        // A frame that the display dimmed by itself names no command; it showed the picture of the one before.
        newest = flip.command.map_or(newest, |command| named.get(&command).copied().flatten());
        let over_frames = scenes.get(scene).map_or(0, |scene| scene.cross_fade_frames);
        let pictures = fade.at(scene, newest.unwrap_or(0), over_frames, drawn_for);
        onset.shown(scene, drawn_for);
        fade.shown(scene, &pictures, flip.contrast, drawn_for);
        if flip.frame == frame {
            let since_onset = onset.since(scene, drawn_for);
            let moment = moment_of(flip, since_onset);
            return Ok(Then { flip, moment, pictures });
        }
    }
    let ends = session.flips.first().zip(session.flips.last());
    let found = ends.map_or("none".into(), |(first, last)| format!("{} to {}", first.frame, last.frame));
    Err(SessionError::Usage(format!(
        "--at {frame}: no frame became visible at that refresh; the session has {} frames, {found}",
        session.flips.len()
    )))
}
