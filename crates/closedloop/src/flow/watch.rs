//! One attempt as it is seen and heard: which flip first showed its stimulus, which press answered. Joined by the command
//! that a flip names, never by nearness in time.

use timeline::{Attempt, AttemptOutcome, Device, Flip, Response, SceneId};

use super::plan::ButtonsPlan;
use crate::turn::Inputs;

/// A button was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Press {
    pub(crate) at_ns: i64,
    pub(crate) button: u64,
    response: Option<u64>,
    marker: Option<u64>,
}

impl ButtonsPlan {
    /// Presses of these buttons in a turn, in the order in which they were taken.
    pub(crate) fn presses<'a>(&'a self, inputs: &'a Inputs<'_>) -> impl Iterator<Item = Press> + 'a {
        let keys = inputs.responses.iter().filter_map(|response| self.key(response));
        let markers = inputs.markers.iter().filter_map(|marker| match self {
            Self::Markers { source, codes } if marker.source == *source => {
                let button = codes.button(marker.code?)?;
                Some(Press { at_ns: marker.at_ns, button, response: None, marker: Some(marker.index) })
            }
            _ => None,
        });
        keys.chain(markers)
    }

    fn key(&self, response: &Response) -> Option<Press> {
        match self {
            Self::Keys { device, codes } if response.device == *device && response.pressed => {
                let button = codes.button(response.code)?;
                Some(Press { at_ns: response.at_ns, button, response: Some(response.index), marker: None })
            }
            _ => None,
        }
    }

    /// How long after it a press may come here.
    pub(crate) fn patience_ns(&self) -> i64 {
        match self {
            Self::Keys { device: Device::Hid, .. } => 20_000_000,
            // A frame or two of the display's thread.
            Self::Keys { .. } => 50_000_000,
            // Over LSL.
            Self::Markers { .. } => 100_000_000,
        }
    }
}

/// An attempt that runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Watch {
    begin_ns: i64,
    scene: SceneId,
    pub(crate) command: Option<(u64, i64)>,
    onset: Option<(u64, i64)>,
    off_ns: Option<i64>,
    missed: u32,
    pub(crate) press: Option<Press>,
}

/// What else goes on record of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    pub(crate) index: u64,
    pub(crate) turn: u64,
    pub(crate) block: u64,
    pub(crate) trial: u64,
    pub(crate) repeat: u64,
    pub(crate) condition: Option<u64>,
    pub(crate) practice: bool,
    pub(crate) correct: Option<bool>,
    pub(crate) outcome: AttemptOutcome,
    pub(crate) again: bool,
    pub(crate) closed_ns: i64,
}

impl Watch {
    pub(crate) fn new(scene: SceneId, begin_ns: i64) -> Self {
        Self { begin_ns, scene, command: None, onset: None, off_ns: None, missed: 0, press: None }
    }

    /// A command shows the stimulus from now on.
    pub(crate) fn shown_by(&mut self, command: u64, now_ns: i64) {
        self.command = Some((command, now_ns));
    }

    pub(crate) fn begin_ns(&self) -> i64 {
        self.begin_ns
    }

    /// When its light came.
    pub(crate) fn onset_ns(&self) -> Option<i64> {
        self.onset.map(|(_, onset_ns)| onset_ns)
    }

    /// When it was gone again.
    pub(crate) fn off_ns(&self) -> Option<i64> {
        self.off_ns
    }

    pub(crate) fn missed(&self) -> u32 {
        self.missed
    }

    pub(crate) fn see(&mut self, flip: &Flip) {
        let Some((command, _)) = self.command else { return };
        let is_lit = flip.scene == self.scene && flip.contrast > 0.0;
        match self.onset {
            None if is_lit && flip.command == Some(command) => {
                self.onset = Some((flip.frame, flip.onset_ns));
            }
            Some(_) if self.off_ns.is_none() => {
                self.missed = self.missed.saturating_add(flip.missed);
                if !is_lit {
                    self.off_ns = Some(flip.onset_ns);
                }
            }
            _ => {}
        }
    }

    /// From the onset to the press.
    pub(crate) fn reaction_ns(&self) -> Option<i64> {
        Some(self.press?.at_ns - self.onset_ns()?)
    }

    pub(crate) fn record(&self, told: &Told) -> Attempt {
        Attempt {
            index: told.index,
            turn: told.turn,
            block: told.block,
            trial: told.trial,
            repeat: told.repeat,
            condition: told.condition,
            practice: told.practice,
            begin_ns: self.begin_ns,
            command: self.command.map(|(command, _)| command),
            frame: self.onset.map(|(frame, _)| frame),
            onset_ns: self.onset_ns().unwrap_or(0),
            off_ns: self.off_ns.unwrap_or(told.closed_ns),
            response: self.press.and_then(|press| press.response),
            marker: self.press.and_then(|press| press.marker),
            button: self.press.map(|press| press.button),
            reaction_ns: self.reaction_ns().unwrap_or(0),
            correct: told.correct,
            outcome: told.outcome,
            again: told.again,
            missed: self.missed,
        }
    }
}
