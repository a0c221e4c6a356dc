//! How a presentation begins at the onset that the gate has planned, whatever kind of block presents it.

use timeline::{Onset, Ramp, StateAtOnset};

use super::{OnsetGate, OnsetRule, OnsetState};
use crate::interlock::Interlock;
use crate::screen::{Cause, Screen, Shown};
use crate::turn::Outputs;

/// What is to begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rise {
    pub(crate) shown: Shown,
    /// Contrast when it has risen, 0..=1.
    pub(crate) contrast: f64,
    /// Time in which it rises.
    pub(crate) ramp_ns: i64,
    /// What it waits for.
    pub(crate) rule: OnsetRule,
    /// From the instant at which a pause falls due to the earliest onset after it.
    pub(crate) again_ns: i64,
}

/// A wait that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) state: OnsetState,
    /// The command that shows it; `None` where it is left out.
    pub(crate) command: Option<u64>,
    /// When its contrast is reached.
    pub(crate) steady_ns: i64,
}

impl OnsetState {
    /// What a model of the response may condition on.
    pub fn at_onset(&self) -> StateAtOnset {
        StateAtOnset { phase_rad: self.phase_rad, resultant: self.resultant, power: self.power }
    }
}

impl OnsetGate {
    /// Begins what waits, or leaves it out, when its onset is planned, and puts that on record. `None` while the wait goes on;
    /// a pause that is due comes first, and then the wait begins anew.
    pub(crate) fn begin(
        &mut self,
        rise: &Rise,
        cause: Cause,
        interlock: &mut Interlock,
        screen: &mut Screen,
        out: &mut Outputs,
    ) -> Option<Begun> {
        let state = self.ready(cause.now_ns, out)?;
        let is_shown = state.outcome.is_shown();
        if is_shown && interlock.must_pause(cause.now_ns, state.photon_ns, screen.ramp(), out) {
            self.wait(rise.rule, cause.now_ns + rise.again_ns);
            return None;
        }
        let rising = self.course(0.0, rise.contrast, state.photon_ns, rise.ramp_ns, cause.now_ns);
        let command = is_shown.then(|| screen.program(rise.shown, rising, cause, out)).flatten();
        self.record(&rise.rule, &state, command, cause, out);
        Some(Begun { state, command, steady_ns: rising.end_ns })
    }

    /// A course of contrast that is first seen at a refresh. It begins half a refresh before, since the frame's onset may be
    /// predicted a little early; never before now, since the screen would jump to where the course should be already.
    pub(crate) fn course(&self, from: f64, to: f64, photon_ns: i64, over_ns: i64, now_ns: i64) -> Ramp {
        let start_ns = (photon_ns - self.refresh_ns() / 2).max(now_ns);
        Ramp { from, to, start_ns, end_ns: start_ns + over_ns }
    }

    fn record(
        &mut self,
        rule: &OnsetRule,
        state: &OnsetState,
        command: Option<u64>,
        cause: Cause,
        out: &mut Outputs,
    ) {
        // At most one begins in a turn.
        let _ = out.onsets.try_push(Onset {
            index: self.next_index,
            turn: cause.turn,
            command,
            source: self.source(),
            end_sample: state.end_sample,
            sample_ns: state.sample_ns,
            photon_ns: state.photon_ns,
            phase_rad: state.phase_rad,
            resultant: state.resultant,
            power: state.power,
            quiet: state.quiet,
            wanted_rad: rule.phase.map(|phase| phase.wanted_rad),
            waited_ns: state.waited_ns,
            outcome: state.outcome,
        });
        self.next_index += 1;
    }
}
