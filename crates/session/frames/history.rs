//! What was presented, in order, as a record has it: what each frame was drawn by, and what the photosensitivity governor made
//! of it.

use std::collections::BTreeMap;

use recording::RecordedSession;
use stimulus::element::Onset;
use stimulus::picture::{CrossFade, Mix};
use stimulus::safety::Shown;
use stimulus::{Moment, Scene};
use thiserror::Error;
use timeline::{Command, Drawn, Flip, NoticeKind};

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

/// A frame as it was asked for: the governor's candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// Its flip.
    pub flip: &'a Flip,
    /// Which of its scene's frames it is.
    pub moment: Moment,
    /// Which pictures, where the scene shows pictures.
    pub pictures: Mix,
}

/// A frame that was presented. A full ring or buffer may have kept either half out of the record.
#[derive(Debug, Clone, PartialEq)]
struct Presented<'a> {
    frame: u64,
    candidate: Option<Candidate<'a>>,
    drawn: Option<&'a Drawn>,
    /// Graphics devices that were lost before it: with each, the governor began again from grey.
    lost_devices: usize,
}

/// What was on the screen at a refresh.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// What was asked for.
    pub asked: &'a Candidate<'a>,
    /// Checksum and verdict of it. Without them it is taken as shown as it was asked for.
    pub drawn: Option<&'a Drawn>,
    /// What was shown.
    pub shown: Shown,
    /// What its pixels come from: itself or an earlier frame; `None` is neutral grey.
    pub source: Option<&'a Candidate<'a>>,
    /// What was left of their contrast, of 65535.
    pub gain: u32,
}

/// Why it is not known what was on the screen at a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unknown {
    /// No frame became visible at it.
    #[error("no frame became visible at that refresh")]
    NoFlip,
    /// An earlier frame was on, and of this one nothing says whether it was that.
    #[error(
        "the photosensitivity governor showed an earlier frame in its place, and whether that was frame {0} is not known, \
         because the record lacks the governor's verdict on that one (no buffer was free to read it back)"
    )]
    NoVerdict(u64),
    /// This earlier frame was on, and nothing says what it was drawn by.
    #[error(
        "the photosensitivity governor showed frame {0} in its place, and the record lacks the flip of that one, so what it \
         was drawn by is not known"
    )]
    NoSource(u64),
    /// A verdict that this version does not know.
    #[error("the governor's verdict on it is {0}, which this version does not know; known are 0 to 3")]
    NoSuchVerdict(u32),
}

/// Everything that was presented.
pub struct History<'a> {
    presented: Vec<Presented<'a>>,
}

impl<'a> History<'a> {
    /// Of a record of a protocol with these scenes.
    pub fn of(session: &'a RecordedSession, scenes: &[Scene]) -> Self {
        let rebuilt = session.notices.iter().filter(|notice| notice.kind == NoticeKind::DeviceRebuilt);
        let rebuilt_ns: Vec<i64> = rebuilt.map(|notice| notice.at_ns).collect();
        let candidates = candidates(&session.flips, &session.commands, scenes);
        Self::join(candidates, &session.drawn, &rebuilt_ns)
    }

    fn join(candidates: Vec<Candidate<'a>>, drawn: &'a [Drawn], rebuilt_ns: &[i64]) -> Self {
        // A frame that comes in the refresh of the one before has its number, too.
        let mut at = BTreeMap::<u64, (Vec<Candidate<'a>>, Vec<&'a Drawn>)>::new();
        candidates.into_iter().for_each(|it| at.entry(it.flip.frame).or_default().0.push(it));
        drawn.iter().for_each(|drawn| at.entry(drawn.frame).or_default().1.push(drawn));
        let mut presented = Vec::with_capacity(at.len());
        for (frame, (candidates, mut drawn)) in at {
            // Where one of two has no verdict, nobody knows which.
            if !candidates.is_empty() && candidates.len() != drawn.len() {
                drawn.clear();
            }
            let mut candidates = candidates.into_iter().map(Some);
            let mut drawn = drawn.into_iter().map(Some);
            loop {
                let (candidate, drawn) = (candidates.next().flatten(), drawn.next().flatten());
                let submitted_ns = candidate.as_ref().map(|candidate| candidate.flip.submitted_ns);
                let Some(at_ns) = submitted_ns.or(drawn.map(|drawn| drawn.at_ns)) else { break };
                let lost_devices = rebuilt_ns.iter().filter(|&&rebuilt_ns| rebuilt_ns <= at_ns).count();
                presented.push(Presented { frame, candidate, drawn, lost_devices });
            }
        }
        Self { presented }
    }

    /// The frames that became visible, each once.
    pub fn frames(&self) -> Vec<u64> {
        let seen = self.presented.iter().filter(|presented| presented.candidate.is_some());
        let mut frames: Vec<u64> = seen.map(|presented| presented.frame).collect();
        frames.dedup();
        frames
    }

    /// What was on the screen at a refresh at which a frame became visible.
    ///
    /// # Errors
    /// Where the record does not say it.
    pub fn at(&self, frame: u64) -> Result<Seen<'_>, Unknown> {
        let found = |presented: &Presented<'_>| presented.frame == frame && presented.candidate.is_some();
        let place = self.presented.iter().rposition(found).ok_or(Unknown::NoFlip)?;
        let Presented { candidate, drawn, .. } = &self.presented[place];
        let asked = candidate.as_ref().ok_or(Unknown::NoFlip)?;
        let Some(drawn) = *drawn else {
            let shown = Shown::Candidate;
            return Ok(Seen { asked, drawn: None, shown, source: Some(asked), gain: Drawn::WHOLE });
        };
        let shown = Shown::from_word(drawn.shown).ok_or(Unknown::NoSuchVerdict(drawn.shown))?;
        let source = match shown {
            Shown::Candidate => Some(asked),
            _ if drawn.gain == 0 => None,
            Shown::Ramp | Shown::Held | Shown::Grey => self.last_shown(place)?,
        };
        Ok(Seen { asked, drawn: Some(drawn), shown, source, gain: drawn.gain })
    }

    /// The last candidate that was shown before a place; none where that was the grey that a device begins with.
    fn last_shown(&self, place: usize) -> Result<Option<&Candidate<'a>>, Unknown> {
        let (earlier, here) = (&self.presented[..place], &self.presented[place]);
        for before in earlier.iter().rev().take_while(|before| before.lost_devices == here.lost_devices) {
            let drawn = before.drawn.ok_or(Unknown::NoVerdict(before.frame))?;
            if drawn.shown == Shown::Candidate as u32 {
                return before.candidate.as_ref().map(Some).ok_or(Unknown::NoSource(before.frame));
            }
        }
        Ok(None)
    }
}

/// What frames were drawn by. Since when a scene was shown, and what was left of the picture before, follow from the flips before.
fn candidates<'a>(flips: &'a [Flip], commands: &[Command], scenes: &[Scene]) -> Vec<Candidate<'a>> {
    let named: BTreeMap<u64, _> = commands.iter().map(|command| (command.index, command.picture)).collect();
    let (mut onset, mut fade, mut newest) = (Onset::default(), CrossFade::default(), None);
    let candidate = |flip: &'a Flip| {
        let (scene, drawn_for) = (usize::from(flip.scene.0), flip.drawn_for());
        // A frame that the display dimmed by itself names no command; it showed the picture of the one before.
        newest = flip.command.map_or(newest, |command| named.get(&command).copied().flatten());
        let over_frames = scenes.get(scene).map_or(0, |scene| scene.cross_fade_frames);
        let pictures = fade.at(scene, newest.unwrap_or(0), over_frames, drawn_for);
        onset.shown(scene, drawn_for);
        fade.shown(scene, &pictures, flip.contrast, drawn_for);
        Candidate { flip, moment: moment_of(flip, onset.since(scene, drawn_for)), pictures }
    };
    flips.iter().map(candidate).collect()
}
