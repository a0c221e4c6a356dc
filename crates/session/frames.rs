//! `photic frames`: draws a presented frame of a recorded session once more, and says whether its codes are those that were
//! shown.

pub mod history;

use display::Snapshots;
use recording::RecordedSession;
use serde_json::json;
use stimulus::MEAN_LUMINANCE;
use stimulus::checksum::Checksum;
use stimulus::picture::Mix;
use stimulus::safety::light::{lowered, pack, unpack};
use stimulus::safety::{LightTables, Shown};
use timeline::Drawn;

use crate::cli::FramesArgs;
use crate::error::SessionError;
use crate::experiment::Lowered;
use crate::frames::history::{Candidate, History, Seen as OnScreen, Unknown};
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
    let history = History::of(&session, &lowered.scenery.scenes);
    let on_screen = match history.at(args.at) {
        Ok(on_screen) => on_screen,
        Err(Unknown::NoFlip) => return Err(none_at(args.at, &session)),
        Err(unknown) => return Ok(undetermined(args.at, unknown)),
    };
    let frame = Redraw::prepare(&session, &lowered)?.draw(&on_screen)?;
    let checksum = frame.checksum();
    let recorded = on_screen.drawn.map(|drawn| Checksum::from_halves(drawn.checksum));
    let same = recorded.map(|recorded| recorded == checksum);
    let verdict = match same {
        None => "the session has no checksum of it, nor the governor's verdict: drawn as it was asked for",
        Some(true) => "its codes are those that were shown",
        Some(false) => "its codes are NOT those that were shown",
    };
    let Candidate { flip, moment, pictures } = on_screen.asked;
    let name = scene_name(&experiment, flip.scene.0);
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
    let then = recorded.map(|recorded| recorded.to_string());
    let text = format!(
        "frame {}: {name} at contrast {}, {} refreshes after its onset{mixed}{gaze}\n{}checksum {checksum}, recorded {}: {verdict}\n",
        args.at,
        moment.contrast,
        moment.since_onset,
        governed(&on_screen),
        then.as_deref().unwrap_or("none"),
    );
    let json = json!({
        "frame": args.at, "stimulus": name, "contrast": moment.contrast, "since_onset": moment.since_onset,
        "gaze_px": moment.gaze_px, "pictures": [pictures.from, pictures.to], "weight": pictures.weight,
        "shown": format!("{:?}", on_screen.shown).to_lowercase(), "gain_of_65535": on_screen.gain,
        "from_frame": on_screen.source.map(|source| source.flip.frame),
        "checksum": checksum.to_string(), "recorded": then, "same": same,
    });
    if let Some(out) = &args.out {
        write(&frame, &lowered, out)?;
    }
    Ok(Seen { text, json, fine: same != Some(false) })
}

/// What the photosensitivity governor showed, in a line; nothing where that is the frame as it was asked for.
fn governed(seen: &OnScreen<'_>) -> String {
    let part = format!("{} of 65535 of the contrast", seen.gain);
    let what = match (seen.shown, seen.source) {
        (Shown::Candidate, _) if seen.gain == Drawn::WHOLE => return String::new(),
        (Shown::Candidate, _) => format!("let {part} through"),
        (_, None) => "showed neutral grey".to_owned(),
        (Shown::Ramp, Some(from)) => {
            format!("showed {part} of frame {}, on the way to grey", from.flip.frame)
        }
        (_, Some(from)) => format!("still showed {part} of frame {}", from.flip.frame),
    };
    format!("the photosensitivity governor {what}\n")
}

fn none_at(frame: u64, session: &RecordedSession) -> SessionError {
    let ends = session.flips.first().zip(session.flips.last());
    let found = ends.map_or("none".into(), |(first, last)| format!("{} to {}", first.frame, last.frame));
    SessionError::Usage(format!(
        "--at {frame}: no frame became visible at that refresh; the session has {} frames, {found}",
        session.flips.len()
    ))
}

fn undetermined(frame: u64, unknown: Unknown) -> Seen {
    let text = format!("frame {frame} cannot be drawn again: {unknown}\n");
    let json = json!({ "frame": frame, "same": null, "undetermined": unknown.to_string() });
    Seen { text, json, fine: false }
}

/// Draws what was on the screen in a recorded session.
pub struct Redraw<'a> {
    session: &'a RecordedSession,
    adapter: Snapshots,
    tables: LightTables,
    pixels: usize,
}

impl<'a> Redraw<'a> {
    /// For a session of this experiment.
    ///
    /// # Errors
    /// No adapter; light that no screen has.
    pub fn prepare(session: &'a RecordedSession, lowered: &Lowered) -> Result<Self, SessionError> {
        let screen = &lowered.scenery.screen;
        let pixels = screen.width_px as usize * screen.height_px as usize;
        Ok(Self { session, adapter: snapshots(lowered)?, tables: lowered.light_tables()?, pixels })
    }

    /// Draws a frame as it was shown: by the governor's own tables, where it showed something else than was asked for.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn draw(&mut self, seen: &OnScreen<'_>) -> Result<Frame, SessionError> {
        let Some(source) = seen.source else {
            let grey = unpack(self.tables.grey());
            return Ok(Frame {
                light: vec![[MEAN_LUMINANCE as f32; 3]; self.pixels],
                codes: vec![grey; self.pixels],
            });
        };
        for picture in [source.pictures.from, source.pictures.to] {
            if let Some(texels) = self.session.pictures.get(picture as usize) {
                self.adapter.load_as(picture, texels);
            }
        }
        let scene = usize::from(source.flip.scene.0);
        let shot = self.adapter.shoot_pictures(scene, &source.moment, source.pictures)?;
        let mut frame = Frame { light: shot.linear, codes: shot.codes };
        if seen.gain != Drawn::WHOLE {
            let mut scales = Vec::new();
            self.tables.scales(seen.gain, &mut scales);
            for (light, codes) in frame.light.iter_mut().zip(&mut frame.codes) {
                *light = light.map(|part| lowered(part.into(), seen.gain) as f32);
                *codes = unpack(self.tables.scaled(pack(*codes), &scales));
            }
        }
        Ok(frame)
    }
}
