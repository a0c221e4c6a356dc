//! The part of a frame that is ours: which refresh, which numbers, which flip. No GPU, no clock, no allocation.

use stimulus::element::Onset;
use stimulus::{Moment, Scene};
use timeline::{Command, Flip, OnsetClass, SceneId};

use crate::clock::RefreshClock;
use crate::config::Pacing;
use crate::interlock::Veil;

/// Part of the newest frame's work by which the expected work rises or falls.
const WORK_GAIN: f64 = 0.125;

/// Numbers that the shaders need for one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameParams {
    /// Place of the scene in the display's list.
    pub scene: usize,
    /// Which of its frames, at which contrast.
    pub moment: Moment,
    /// Linear luminance of the photodiode patch, 0 or 1.
    pub patch_luminance: f32,
    /// Which picture, where the scene shows pictures.
    pub picture: u64,
}

/// A frame that is to be drawn, and its flip as far as it is known before it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planned {
    /// What to draw.
    pub params: FrameParams,
    /// Its flip; `submitted_ns` is not known yet.
    pub flip: Flip,
}

/// Plans frame after frame.
///
/// A frame is drawn for one refresh, and its look is a function of that refresh alone. A frame that is ready too late is
/// not shown: the old one stays, the refreshes count as missed at the next flip, and the flicker's phase is as if
/// nothing had happened.
#[derive(Debug, Clone)]
pub struct FramePlan {
    clock: RefreshClock,
    scenes: Vec<Scene>,
    pacing: Pacing,
    last_shown: Option<u64>,
    onset: Onset,
    next: u64,
    work_ns: f64,
}

impl FramePlan {
    /// `scenes[0]` must be grey; the clock's refresh 0 is the first that can be drawn for.
    pub fn prepare(scenes: Vec<Scene>, clock: RefreshClock, pacing: Pacing) -> Self {
        Self { clock, scenes, pacing, last_shown: None, onset: Onset::default(), next: 0, work_ns: 0.0 }
    }

    /// The next frame, at `now_ns`. With `end` it is grey, whatever the command says.
    ///
    /// Where the screen paces, `now_ns` must be the instant at which it took the frame before. A scene that does not
    /// exist is shown as grey, a contrast that is not a number as 0.
    pub fn step(&mut self, now_ns: i64, command: Option<&Command>, end: bool) -> Planned {
        let mut veil = Veil::new(0);
        if end {
            veil.fall(i64::MIN);
        }
        self.step_veiled(now_ns, command, &veil)
    }

    /// The same under the display's own veil. A frame that is not just what was commanded names no command.
    pub fn step_veiled(&mut self, now_ns: i64, command: Option<&Command>, veil: &Veil) -> Planned {
        let frame = self.target(now_ns);
        let onset_ns = self.clock.onset_ns(frame);
        let factor = veil.at(onset_ns);
        let command = command.filter(|_| factor > 0.0);
        let scene_id = command.map_or(SceneId::GREY, |command| command.scene);
        let scene_id = if usize::from(scene_id.0) < self.scenes.len() { scene_id } else { SceneId::GREY };
        let place = usize::from(scene_id.0);
        let scene = self.scenes.get(place).filter(|scene| !scene.is_grey());
        let contrast = match (command, scene) {
            (Some(command), Some(_)) => allowed(command.contrast.at(onset_ns)) * factor,
            _ => 0.0,
        };
        let since_onset = self.onset.since(place, frame);
        let moment = Moment { frame, since_onset, contrast };
        Planned {
            params: FrameParams {
                scene: place,
                moment,
                patch_luminance: if scene.is_some_and(|scene| scene.patch_is_white(&moment)) {
                    1.0
                } else {
                    0.0
                },
                picture: command.and_then(|command| command.picture).unwrap_or(0),
            },
            flip: Flip {
                frame,
                onset_ns,
                class: match self.pacing {
                    Pacing::Simulated => OnsetClass::Simulated,
                    Pacing::Software | Pacing::Screen => OnsetClass::Predicted,
                },
                submitted_ns: now_ns,
                command: command.filter(|_| factor == 1.0).map(|command| command.index),
                scene: scene_id,
                contrast,
                missed: self.last_shown.map_or(0, |last| u32::try_from(frame - last - 1).unwrap_or(u32::MAX)),
            },
        }
    }

    /// Which refresh a frame that begins now can reach.
    fn target(&mut self, now_ns: i64) -> u64 {
        let reached = match self.pacing {
            Pacing::Simulated | Pacing::Software => self.clock.first_from(now_ns + self.work_ns as i64),
            Pacing::Screen => self.clock.observe(now_ns) + 1,
        };
        reached.max(self.next)
    }

    /// The planned frame was handed over at `submitted_ns` and is shown: its flip, complete.
    pub fn shown(&mut self, planned: &Planned, submitted_ns: i64) -> Flip {
        self.last_shown = Some(planned.flip.frame);
        self.onset.shown(planned.params.scene, planned.flip.frame);
        self.next = planned.flip.frame + 1;
        Flip { submitted_ns, ..planned.flip }
    }

    /// The planned frame was too late and is not shown; its refresh is over.
    pub fn discarded(&mut self, planned: &Planned) {
        self.next = planned.flip.frame + 1;
    }

    /// How long the work of a frame took, so that the next one aims at a refresh that it can reach.
    pub fn worked(&mut self, work_ns: i64) {
        // One stall must not make the following frames aim several refreshes ahead.
        let most = 4.0 * self.clock.period_ns();
        self.work_ns += WORK_GAIN * ((work_ns as f64).clamp(0.0, most) - self.work_ns);
    }

    /// When to begin the next frame, where the schedule paces: early enough for three times the usual work and at least
    /// half a period ahead of the refresh, but not before the refresh before it, so that a command waits less.
    pub fn begin_ns(&self) -> i64 {
        let period = self.clock.period_ns();
        let lead = (3.0 * self.work_ns).clamp(0.5 * period, period);
        self.clock.onset_ns(self.next) - lead as i64
    }

    /// The screen's refreshes.
    pub fn clock(&self) -> &RefreshClock {
        &self.clock
    }
}

fn allowed(contrast: f64) -> f64 {
    if contrast.is_nan() { 0.0 } else { contrast.clamp(0.0, 1.0) }
}
