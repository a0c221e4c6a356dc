//! What the screen has been told: the one place that issues commands.

use timeline::{Command, Ramp, SceneId};

use crate::turn::Outputs;

/// Changes of contrast below this are not worth a command (an 8-bit display shows steps of 0.004).
const DEAD_BAND: f64 = 5e-4;

/// Who asks, for the record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) turn: u64,
    pub(crate) now_ns: i64,
    pub(crate) decision: Option<u64>,
}

/// What is on the screen, apart from its contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) scene: SceneId,
    /// Which picture; the first where a scene of pictures is shown without one.
    pub(crate) picture: Option<u64>,
    /// Whether it comes at the contrast of the picture before it, from which the display goes over into it.
    pub(crate) goes_over: bool,
}

impl From<SceneId> for Shown {
    fn from(scene: SceneId) -> Self {
        Self { scene, picture: None, goes_over: false }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Screen {
    next_index: u64,
    shown: Shown,
    ramp: Ramp,
    grey_ramp_ns: i64,
    /// Whether one scene has to be gone before another comes, because the rate of change is limited.
    fades_between: bool,
}

impl Screen {
    pub(crate) fn new(grey_ramp_ns: i64, fades_between: bool) -> Self {
        Self {
            next_index: 0,
            shown: Shown::from(SceneId::GREY),
            ramp: Ramp::constant(0.0),
            grey_ramp_ns,
            fades_between,
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.grey_ramp_ns, self.fades_between);
    }

    /// Which scene was told last.
    pub(crate) fn scene(&self) -> SceneId {
        self.shown.scene
    }

    /// What was told last.
    pub(crate) fn ramp(&self) -> &Ramp {
        &self.ramp
    }

    /// The clock went from one instant back to an earlier one: what runs now stands still from there on.
    pub(crate) fn rebase(&mut self, before_ns: i64) {
        self.ramp = Ramp::constant(self.ramp.at(before_ns));
    }

    /// Grey, and nothing on the way there any more.
    pub(crate) fn is_grey(&self) -> bool {
        self.shown.scene == SceneId::GREY
    }

    /// The first command of a session: grey, so that the display's state has a cause on record.
    pub(crate) fn start(&mut self, cause: Cause, out: &mut Outputs) {
        self.issue(SceneId::GREY.into(), Ramp::constant(0.0), cause, out);
    }

    /// Goes to a contrast, no faster than `slew_per_s`; a change too small to see makes no command.
    pub(crate) fn show(
        &mut self,
        shown: impl Into<Shown>,
        contrast: f64,
        slew_per_s: f64,
        cause: Cause,
        out: &mut Outputs,
    ) {
        let shown = shown.into();
        let contrast = if contrast.is_finite() { contrast.clamp(0.0, 1.0) } else { 0.0 };
        let same = shown == self.shown;
        if same && (contrast - self.ramp.to).abs() < DEAD_BAND && (contrast > 0.0 || self.ramp.to == 0.0) {
            return;
        }
        if !same && self.fades_between && self.ramp.at(cause.now_ns) > 0.0 {
            // Asked again in every turn, so the other scene comes when this one is gone.
            if self.ramp.to > 0.0 {
                self.change(self.shown, 0.0, slew_per_s, cause, out);
            }
            return;
        }
        self.change(shown, contrast, slew_per_s, cause, out);
    }

    fn change(&mut self, shown: Shown, contrast: f64, slew_per_s: f64, cause: Cause, out: &mut Outputs) {
        let same = shown == self.shown || (shown.goes_over && shown.scene == self.shown.scene);
        // Another scene starts from zero contrast: scenes share the mean luminance, so that alone is no flash.
        let from = if same { self.ramp.at(cause.now_ns) } else { 0.0 };
        let over_ns = libm::ceil((contrast - from).abs() / slew_per_s * 1e9) as i64;
        let ramp = Ramp { from, to: contrast, start_ns: cause.now_ns, end_ns: cause.now_ns + over_ns };
        self.issue(shown, ramp, cause, out);
    }

    /// A scene with a course of contrast that begins later; the index of the command.
    pub(crate) fn program(
        &mut self,
        shown: impl Into<Shown>,
        ramp: Ramp,
        cause: Cause,
        out: &mut Outputs,
    ) -> Option<u64> {
        let index = self.next_index;
        self.issue(shown.into(), ramp, cause, out);
        (self.next_index > index).then_some(index)
    }

    /// Ramps to zero contrast; the grey scene follows by [`Screen::tick`] when the ramp is complete.
    pub(crate) fn fade(&mut self, cause: Cause, out: &mut Outputs) {
        if self.is_grey() || (self.ramp.to == 0.0 && self.ramp.end_ns - cause.now_ns <= self.grey_ramp_ns) {
            return;
        }
        let from = self.ramp.at(cause.now_ns);
        let end_ns = cause.now_ns + self.grey_ramp_ns;
        self.issue(self.shown, Ramp { from, to: 0.0, start_ns: cause.now_ns, end_ns }, cause, out);
    }

    /// Shows the grey scene if the fade is complete.
    pub(crate) fn settle_grey(&mut self, cause: Cause, out: &mut Outputs) {
        if !self.is_grey() && self.ramp.to == 0.0 && cause.now_ns >= self.ramp.end_ns {
            self.issue(SceneId::GREY.into(), Ramp::constant(0.0), cause, out);
        }
    }

    /// When nothing is to be seen any more, if the screen fades from now on.
    pub(crate) fn dark_ns(&self, now_ns: i64) -> i64 {
        let faded_ns = now_ns + self.grey_ramp_ns;
        if self.ramp.to == 0.0 { self.ramp.end_ns.clamp(now_ns, faded_ns) } else { faded_ns }
    }

    /// When the ramp that runs is complete.
    pub(crate) fn ramp_end_ns(&self) -> i64 {
        self.ramp.end_ns
    }

    fn issue(&mut self, shown: Shown, ramp: Ramp, cause: Cause, out: &mut Outputs) {
        let command = Command {
            index: self.next_index,
            turn: cause.turn,
            issued_ns: cause.now_ns,
            decision: cause.decision,
            scene: shown.scene,
            contrast: ramp,
            picture: shown.picture,
            not_before_ns: 0,
        };
        // A turn asks for a few commands at most; were it more, the last state would still be reached in the next turn.
        if out.commands.try_push(command).is_ok() {
            self.next_index += 1;
            self.shown = shown;
            self.ramp = ramp;
        }
    }
}
