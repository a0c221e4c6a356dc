//! What the display does by itself, when the loop cannot say it any more: it looks whether the loop's heart beats, draws a
//! veil of neutral grey over what was commanded when it does not, and beats for the watchdog.
//!
//! The veil is a factor on the commanded contrast, and on how much is there of what has a contrast of its own. It goes from
//! 1 to 0 and back over the grey ramp, so that neither the loop's death nor its return is a jump. It also ends every run: a loop that finished left grey behind, and one that
//! failed left a stimulus that has to fade.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use timeline::heartbeat::{Change, Heartbeat, Pulse};
use timeline::{Command, Notice, NoticeKind, Ramp};

/// The loop beats at least every millisecond. This much later the display takes it for dead.
pub const LOOP_SILENT_NS: i64 = 500_000_000;

/// A command issued further in the future than this is from a loop whose clock is wrong: its ramps would come too late.
pub const COMMAND_AHEAD_NS: i64 = 200_000_000;

/// The dead-man key of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The space bar.
    Space,
    /// Enter.
    Enter,
}

/// Whether a key is held. The display writes, the loop reads.
#[derive(Debug, Default)]
pub struct KeyState {
    down: AtomicBool,
    /// Pressed since the last read, so that a tap between two reads is not lost.
    tapped: AtomicBool,
}

impl KeyState {
    /// The key went down or up.
    pub fn set(&self, down: bool) {
        self.down.store(down, Ordering::Release);
        if down {
            self.tapped.store(true, Ordering::Release);
        }
    }

    /// Whether it is down, or was since the last call.
    pub fn held(&self) -> bool {
        self.tapped.swap(false, Ordering::AcqRel) | self.down.load(Ordering::Acquire)
    }
}

/// What the watchdog answered to a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing, as it should be.
    Nothing,
    /// Its process is gone.
    Gone,
    /// It has taken the screen after this long without a frame, in ns.
    Took(i64),
}

/// Whom the display looks at, and who looks at it.
pub struct Interlock {
    /// Time over which the veil falls and rises, in ns.
    pub grey_ramp_ns: i64,
    /// The loop's heart; `None` where no loop drives the display.
    pub loop_beats: Option<Arc<Heartbeat>>,
    /// The dead-man key to be read from the window's events.
    pub key: Option<(Key, Arc<KeyState>)>,
    /// Called with the instant at which each frame begins: the beat for the watchdog.
    pub beat: Box<dyn FnMut(i64) -> Answer>,
}

impl Interlock {
    /// Nobody is looked at, nobody looks, grey comes at once: for a display without a session.
    pub fn none() -> Self {
        Self { grey_ramp_ns: 0, loop_beats: None, key: None, beat: Box::new(|_| Answer::Nothing) }
    }
}

/// The factor on the commanded contrast over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Veil {
    factor: Ramp,
    over_ns: i64,
}

impl Veil {
    /// No veil; it takes `over_ns` to fall or rise in full.
    pub fn new(over_ns: i64) -> Self {
        Self { factor: Ramp::constant(1.0), over_ns }
    }

    /// Towards grey from now on.
    pub fn fall(&mut self, now_ns: i64) {
        self.go(0.0, now_ns);
    }

    /// Towards what is commanded from now on.
    pub fn rise(&mut self, now_ns: i64) {
        self.go(1.0, now_ns);
    }

    /// All grey at once: nothing can be seen now.
    pub fn close(&mut self) {
        self.factor = Ramp::constant(0.0);
    }

    /// What the commanded contrast, or the opacity of what has its own, is multiplied by at an instant.
    pub fn at(&self, at_ns: i64) -> f64 {
        self.factor.at(at_ns)
    }

    fn go(&mut self, to: f64, now_ns: i64) {
        if self.factor.to == to {
            return;
        }
        let from = self.factor.at(now_ns);
        let end_ns = now_ns + ((to - from).abs() * self.over_ns as f64) as i64;
        self.factor = Ramp { from, to, start_ns: now_ns, end_ns };
    }
}

/// The interlock at work.
pub(crate) struct Guard {
    interlock: Interlock,
    pulse: Pulse,
    pub(crate) veil: Veil,
    watchdog_gone: bool,
    taken: bool,
    accepted: Option<Command>,
    untrue: bool,
}

impl Guard {
    pub(crate) fn new(interlock: Interlock) -> Self {
        let veil = Veil::new(interlock.grey_ramp_ns);
        let pulse = Pulse::new(LOOP_SILENT_NS);
        Self { interlock, pulse, veil, watchdog_gone: false, taken: false, accepted: None, untrue: false }
    }

    pub(crate) fn grey_ramp_ns(&self) -> i64 {
        self.interlock.grey_ramp_ns
    }

    /// Whether the watchdog has taken the screen, so that the run has to end.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken
    }

    /// Before each frame: beats, looks, and lets the veil fall or rise. What has to be recorded comes back.
    pub(crate) fn look(&mut self, now_ns: i64, ending: bool) -> [Option<Notice>; 2] {
        let told = [self.beat(now_ns), self.listen(now_ns)];
        if ending || self.taken || self.untrue || self.pulse.is_lost() {
            self.veil.fall(now_ns);
        } else {
            self.veil.rise(now_ns);
        }
        told
    }

    fn beat(&mut self, now_ns: i64) -> Option<Notice> {
        match (self.interlock.beat)(now_ns) {
            Answer::Gone if !std::mem::replace(&mut self.watchdog_gone, true) => {
                Some(notice(now_ns, NoticeKind::WatchdogLost, 0))
            }
            Answer::Took(silent_ns) if !std::mem::replace(&mut self.taken, true) => {
                Some(notice(now_ns, NoticeKind::WatchdogTook, silent_ns))
            }
            _ => None,
        }
    }

    fn listen(&mut self, now_ns: i64) -> Option<Notice> {
        let count = self.interlock.loop_beats.as_ref()?.count();
        match self.pulse.look(count, now_ns)? {
            Change::Lost(age_ns) => Some(notice(now_ns, NoticeKind::LoopLost, age_ns)),
            Change::Back(age_ns) => Some(notice(now_ns, NoticeKind::LoopBack, age_ns)),
        }
    }

    /// The command to draw: the newest, or, where its instant cannot be true (in the future, or before the one that it
    /// follows), the last that could, over which the veil falls.
    pub(crate) fn accept(
        &mut self,
        now_ns: i64,
        newest: Option<Command>,
    ) -> (Option<Command>, Option<Notice>) {
        let Some(newest) = newest else { return (None, None) };
        let lead_ns = newest.issued_ns.saturating_sub(now_ns);
        let back_ns =
            self.accepted.map_or(0, |before| newest.issued_ns.saturating_sub(before.issued_ns)).min(0);
        let was = std::mem::replace(&mut self.untrue, lead_ns > COMMAND_AHEAD_NS || back_ns < 0);
        if !self.untrue {
            self.accepted = Some(newest);
            return (self.accepted, None);
        }
        self.veil.fall(now_ns);
        let jump_ns = if back_ns < 0 { back_ns } else { lead_ns };
        (self.accepted, (!was).then(|| notice(now_ns, NoticeKind::TimeJump, jump_ns)))
    }

    pub(crate) fn take_key(&mut self) -> Option<(Key, Arc<KeyState>)> {
        self.interlock.key.take()
    }
}

pub(crate) fn notice(at_ns: i64, kind: NoticeKind, count: i64) -> Notice {
    Notice { at_ns, kind, source: None, count, value: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAMP_NS: i64 = 500;

    #[test]
    fn the_veil_never_jumps() {
        let mut veil = Veil::new(RAMP_NS);
        let mut last = veil.at(0);
        for now_ns in 0..4_000 {
            match now_ns {
                1_000 | 1_800 | 2_500 => veil.fall(now_ns),
                1_300 | 2_450 | 2_600 => veil.rise(now_ns),
                _ => {}
            }
            let factor = veil.at(now_ns);
            assert!((factor - last).abs() <= 1.001 / RAMP_NS as f64, "{now_ns}: {last} {factor}");
            last = factor;
        }
        assert_eq!(last, 1.0);
        veil.fall(5_000);
        assert_eq!((veil.at(5_250), veil.at(5_500)), (0.5, 0.0));
    }

    #[test]
    fn a_silent_loop_is_told_once_and_veiled_until_it_is_back() {
        let heart = Arc::new(Heartbeat::default());
        let interlock =
            Interlock { grey_ramp_ns: RAMP_NS, loop_beats: Some(Arc::clone(&heart)), ..Interlock::none() };
        let mut guard = Guard::new(interlock);
        let mut told = Vec::new();
        let step_ns = 16_666_667;
        for frame in 0..200 {
            let now_ns = frame * step_ns;
            if !(60..120).contains(&frame) {
                heart.beat();
            }
            told.extend(guard.look(now_ns, false).into_iter().flatten().map(|notice| (frame, notice)));
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0].1.kind, NoticeKind::LoopLost);
        let late_ns = told[0].1.count - LOOP_SILENT_NS;
        assert!((0..=step_ns).contains(&late_ns), "{told:?}");
        assert_eq!((told[1].0, told[1].1.kind), (120, NoticeKind::LoopBack));
        assert_eq!(guard.veil.at(200 * step_ns), 1.0);
    }

    #[test]
    fn a_command_from_a_wrong_clock_is_not_drawn_and_the_last_true_one_fades() {
        let mut guard = Guard::new(Interlock { grey_ramp_ns: RAMP_NS, ..Interlock::none() });
        let command = |index, issued_ns| {
            let (scene, contrast) = (timeline::SceneId(1), Ramp::constant(0.5));
            Some(Command {
                index,
                turn: index,
                issued_ns,
                decision: None,
                scene,
                contrast,
                picture: None,
                not_before_ns: 0,
            })
        };
        let shown =
            |guard: &mut Guard, now_ns, newest| guard.accept(now_ns, newest).0.map(|shown| shown.index);
        assert_eq!(shown(&mut guard, 1_000, None), None);
        assert_eq!(shown(&mut guard, 1_000, command(0, 900)), Some(0));
        assert_eq!(
            (shown(&mut guard, 2_000, command(1, 800)), guard.veil.at(2_000 + RAMP_NS)),
            (Some(0), 0.0)
        );
        assert_eq!(shown(&mut guard, 3_000, command(2, 4_000 + COMMAND_AHEAD_NS)), Some(0));
        assert_eq!(guard.accept(3_001, command(2, 4_001 + COMMAND_AHEAD_NS)).1, None, "told once");
        guard.look(3_002, false);
        assert_eq!((shown(&mut guard, 4_000, command(3, 3_990)), guard.veil.at(4_000)), (Some(3), 0.0));
        guard.look(5_000, false);
        assert_eq!(guard.veil.at(5_000 + RAMP_NS), 1.0);
    }

    #[test]
    fn a_tap_between_two_reads_is_not_lost() {
        let key = KeyState::default();
        assert!(!key.held());
        key.set(true);
        key.set(false);
        assert!(key.held() && !key.held());
        key.set(true);
        assert!(key.held() && key.held());
    }
}
