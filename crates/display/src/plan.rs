//! The part of a frame that is ours: which refresh, which numbers, which flip. No GPU, no clock, no allocation.

use stimulus::element::Onset;
use stimulus::picture::{CrossFade, Mix};
use stimulus::{Moment, Scene};
use timeline::{Command, Flip, Gaze, OnsetClass, SceneId};

use crate::clock::RefreshClock;
use crate::config::Pacing;
use crate::interlock::Veil;
use crate::presenter::Stamp;

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
    /// Which pictures, where the scene shows pictures.
    pub pictures: Mix,
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
    /// What is shown until a command that came early may be.
    standing: Option<Command>,
    /// Handed over, but not seen yet, where the screen paces.
    handed: Option<Planned>,
    /// Where the person looked at last, and for how long that counts.
    gaze: Option<Gaze>,
    hold_gaze_ns: i64,
    last_shown: Option<u64>,
    onset: Onset,
    fade: CrossFade,
    next: u64,
    work_ns: f64,
    /// What judging and presenting usually take after that.
    present_ns: i64,
}

impl FramePlan {
    /// `scenes[0]` must be grey; the clock's refresh 0 is the first that can be drawn for.
    pub fn prepare(scenes: Vec<Scene>, clock: RefreshClock, pacing: Pacing) -> Self {
        Self {
            clock,
            scenes,
            pacing,
            standing: None,
            handed: None,
            gaze: None,
            hold_gaze_ns: 0,
            last_shown: None,
            onset: Onset::default(),
            fade: CrossFade::default(),
            next: 0,
            work_ns: 0.0,
            present_ns: 0,
        }
    }

    /// Another clock and way of pacing, before the first frame.
    pub fn pace(&mut self, clock: RefreshClock, pacing: Pacing) {
        (self.clock, self.pacing) = (clock, pacing);
    }

    /// For how long before a frame's onset a person may have been seen to look somewhere, for what follows the gaze to be there.
    pub fn hold_gaze(&mut self, hold_ns: i64) {
        self.hold_gaze_ns = hold_ns;
    }

    /// Where the person looked at last: told right before a frame is planned.
    pub fn look(&mut self, newest: Option<Gaze>) {
        self.gaze = newest;
    }

    /// The next frame, at `now_ns`. With `end` it is grey, whatever the command says.
    ///
    /// A command that is not to be seen before an instant is not at any refresh before that; what was shown stays. A scene
    /// that does not exist is shown as grey, a contrast that is not a number as 0.
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
        self.stand(command, onset_ns);
        let command = self.standing.as_ref().filter(|_| factor > 0.0);
        let scene_id = command.map_or(SceneId::GREY, |command| command.scene);
        let scene_id = if usize::from(scene_id.0) < self.scenes.len() { scene_id } else { SceneId::GREY };
        let place = usize::from(scene_id.0);
        let scene = self.scenes.get(place).filter(|scene| !scene.is_grey());
        let contrast = match (command, scene) {
            (Some(command), Some(_)) => allowed(command.contrast.at(onset_ns)) * factor,
            _ => 0.0,
        };
        let since_onset = self.onset.since(place, frame);
        let veil = if scene.is_some() { factor } else { 1.0 };
        let held = self.gaze.filter(|gaze| onset_ns.saturating_sub(gaze.at_ns) <= self.hold_gaze_ns);
        let gaze = held.filter(|_| scene.is_some_and(Scene::follows_gaze));
        let moment = Moment { frame, since_onset, contrast, veil, gaze_px: gaze.map(|gaze| gaze.offset_px) };
        let picture = command.and_then(|command| command.picture).unwrap_or(0);
        let over_frames = scene.map_or(0, |scene| scene.cross_fade_frames);
        Planned {
            params: FrameParams {
                scene: place,
                moment,
                patch_luminance: if scene.is_some_and(|scene| scene.patch_is_white(&moment)) {
                    1.0
                } else {
                    0.0
                },
                pictures: self.fade.at(place, picture, over_frames, frame),
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
                veil,
                missed: self.missed_before(frame),
                late: 0,
                replaces: false,
                gaze,
            },
        }
    }

    /// The newest command stands from the first refresh that it may be seen at.
    fn stand(&mut self, newest: Option<&Command>, onset_ns: i64) {
        if newest.is_none_or(|newest| newest.not_before_ns <= onset_ns) {
            self.standing = newest.copied();
        }
    }

    fn missed_before(&self, frame: u64) -> u32 {
        let missed = |last: u64| u32::try_from(frame.saturating_sub(last + 1)).unwrap_or(u32::MAX);
        self.last_shown.map_or(0, missed)
    }

    /// Which refresh a frame that begins now can reach.
    fn target(&self, now_ns: i64) -> u64 {
        match self.pacing {
            Pacing::Simulated | Pacing::Software => {
                self.clock.first_from(now_ns + self.work_ns as i64 + self.present_ns).max(self.next)
            }
            // The one after that at which the frame before was seen; without a stamp, the next one there is.
            Pacing::Screen => self.clock.first_from(now_ns).max(self.next),
        }
    }

    /// The planned frame was handed over at `submitted_ns`: its flip, where a schedule says when that is seen. Where the
    /// screen does, [`FramePlan::seen`] gives it.
    ///
    /// A schedule-paced frame that is handed over more than half a refresh late is shown at a later one.
    pub fn handed(&mut self, planned: &Planned, submitted_ns: i64) -> Option<Flip> {
        let planned = Planned { flip: Flip { submitted_ns, ..planned.flip }, ..*planned };
        let FrameParams { scene, moment, pictures, .. } = &planned.params;
        self.onset.shown(*scene, moment.frame);
        self.fade.shown(*scene, pictures, moment.contrast, moment.frame);
        match self.pacing {
            Pacing::Simulated => Some(self.shown(planned, planned.flip.frame)),
            Pacing::Software => {
                let frame = self.clock.nearest(submitted_ns).max(planned.flip.frame);
                Some(self.shown(planned, frame))
            }
            Pacing::Screen => {
                self.next = planned.flip.frame + 1;
                self.handed.replace(planned).map(|before| self.shown(before, before.flip.frame))
            }
        }
    }

    /// A present took effect: the flip of the frame that was handed over before, complete.
    ///
    /// Refreshes at which that frame should have been seen and was not are counted as missed, and one in whose refresh
    /// another had been seen already replaces that.
    pub fn seen(&mut self, stamp: Stamp) -> Option<Flip> {
        let observed = self.clock.observe(stamp.at_ns);
        self.next = observed.frame + 1;
        let flip = self.handed.take().map(|planned| self.shown(planned, observed.frame))?;
        Some(match stamp.class {
            OnsetClass::Predicted | OnsetClass::Simulated => Flip { class: stamp.class, ..flip },
            // Known better than from the line.
            OnsetClass::System | OnsetClass::Photodiode => {
                Flip { onset_ns: stamp.at_ns, class: stamp.class, ..flip }
            }
        })
    }

    /// What was handed over and whose stamp never comes.
    pub fn last(&mut self) -> Option<Flip> {
        self.handed.take().map(|planned| self.shown(planned, planned.flip.frame))
    }

    /// What was handed over is lost, and nobody saw it.
    pub fn forget(&mut self) {
        self.handed = None;
    }

    /// The first refresh that a frame may still be drawn for.
    pub fn next(&self) -> u64 {
        self.next
    }

    fn shown(&mut self, planned: Planned, frame: u64) -> Flip {
        let late = i64::try_from(frame).unwrap_or(i64::MAX) - planned.flip.frame as i64;
        let flip = Flip {
            frame,
            onset_ns: self.clock.onset_ns(frame),
            missed: self.missed_before(frame),
            late: late.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            replaces: self.last_shown == Some(frame),
            ..planned.flip
        };
        self.last_shown = Some(frame);
        self.next = frame + 1;
        flip
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

    /// What it takes from a drawn scene to a presented frame, smoothed by the caller.
    pub fn presents_in(&mut self, present_ns: i64) {
        self.present_ns = present_ns.max(0);
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
