//! Says over LSL what is shown, for whoever wants to follow: `photic simulate`, another program's recorder.
//!
//! A marker at each flip that differs from the one before, stamped with the flip's onset: `off`, or `on CONTRAST STIMULUS FRAME`,
//! FRAME being the flip's refresh index, which says the flicker's phase. While nothing changes it is said four times a second, for
//! those who come late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use acquisition::{AcquisitionError, MarkerOutlet};
use timeline::ring::{Reader, ring};
use timeline::{Flip, SceneId, s_from_ns};

use super::{Prepared, sources};
use crate::error::SessionError;
use crate::turns::LoopDriver;

/// Name of the stream.
pub const STREAM: &str = "photic-shown";

/// Flips that may wait: some ten seconds.
const FLIPS: usize = 1 << 11;

/// Between two looks at the flips; a listener has tens of milliseconds.
const TICK: Duration = Duration::from_millis(2);

/// The thread that publishes.
pub struct Presentations(JoinHandle<Result<(), AcquisitionError>>);

impl Presentations {
    /// Opens the stream and starts the thread; it ends with `over`.
    ///
    /// # Errors
    /// When LSL is not there or refuses, or the system gives no thread.
    pub fn open(
        prepared: &Prepared,
        driver: &mut LoopDriver,
        over: &Arc<AtomicBool>,
    ) -> Result<Self, SessionError> {
        let lsl = sources::load_lsl(prepared.network)?;
        let source_id = format!("{STREAM}-{}", std::process::id());
        let mut outlet = MarkerOutlet::new(&lsl, STREAM, "Markers", &source_id, &[])?;
        let (writer, mut flips) = ring(FLIPS);
        driver.show_to(writer);
        let names =
            prepared.experiment.protocol.stimuli.iter().map(|stimulus| stimulus.name.clone()).collect();
        let mut teller = Teller {
            names,
            newest: None,
            every: (prepared.lowered.scenery.screen.refresh_hz / 4.0).ceil() as u64,
        };
        let over = Arc::clone(over);
        let body = move || {
            while !over.load(Ordering::Acquire) {
                teller.tell(&mut flips, &mut outlet)?;
                thread::sleep(TICK);
            }
            teller.tell(&mut flips, &mut outlet)
        };
        let failed = |error| SessionError::Thread { name: "presentations".into(), error };
        thread::Builder::new().name("presentations".into()).spawn(body).map(Self).map_err(failed)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What LSL did not take.
    pub fn join(self) -> Result<(), SessionError> {
        let joined = self.0.join().map_err(|_| SessionError::ThreadFailed("presentations".into()))?;
        Ok(joined?)
    }
}

struct Teller {
    names: Vec<String>,
    newest: Option<Flip>,
    every: u64,
}

impl Teller {
    fn tell(&mut self, flips: &mut Reader<Flip>, outlet: &mut MarkerOutlet) -> Result<(), AcquisitionError> {
        while let Some(flip) = flips.pop() {
            if let Some((stamp_s, text)) = self.marker(&flip) {
                outlet.push(stamp_s, &text)?;
            }
        }
        Ok(())
    }

    /// The marker of a flip, if it has one. Its stamp is the flip's onset and nothing else: not the instant at which it is sent,
    /// nor that of the command.
    fn marker(&mut self, flip: &Flip) -> Option<(f64, String)> {
        self.text(flip).map(|text| (s_from_ns(flip.onset_ns), text))
    }

    /// What is to be said of a flip, if anything.
    fn text(&mut self, flip: &Flip) -> Option<String> {
        let same = |newest: &Flip| (newest.scene, newest.contrast) == (flip.scene, flip.contrast);
        let recent = |newest: &Flip| flip.frame - newest.frame < self.every;
        if self.newest.as_ref().is_some_and(|newest| same(newest) && recent(newest)) {
            return None;
        }
        self.newest = Some(*flip);
        let name = usize::from(flip.scene.0).checked_sub(1).and_then(|place| self.names.get(place));
        Some(match name {
            Some(name) if flip.scene != SceneId::GREY => {
                format!("on {} {name} {}", flip.contrast, flip.drawn_for())
            }
            _ => "off".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use display::clock::{RefreshClock, Stamps};
    use display::plan::FramePlan;
    use display::presenter::Presenter;
    use display::scripted::{Jitter, Script, Scripted};
    use display::{Pacing, interlock::Veil};
    use stimulus::Scene;
    use timeline::{Command, Ramp};

    use super::*;

    #[test]
    fn a_marker_bears_the_instant_at_which_light_changed() {
        let script = Script {
            jitter: Jitter::Uniform(1e6),
            drops: 0.05,
            seed: 3,
            ..Script::exact(2_000_000_000, 60.0)
        };
        let mut screen = Scripted::new(script);
        let clock = RefreshClock::new(script.start_ns, 1e9 / 60.0).of(Stamps::Centred, 0.0);
        let mut plan = FramePlan::prepare(vec![Scene::grey(), Scene::grey()], clock, Pacing::Screen);
        let mut teller = Teller { names: vec!["one".into()], newest: None, every: 15 };
        let (mut told, mut since, mut late) = (0, None, 0);
        for frame in 0..3_000_u64 {
            let began = screen.begin(0).unwrap();
            if let Some(flip) = began.stamp.and_then(|stamp| plan.seen(stamp)) {
                late += u64::from(flip.late > 0);
                let changed = since.replace(flip.scene) != Some(flip.scene);
                if let Some((stamp_s, text)) = teller.marker(&flip) {
                    told += u64::from(changed);
                    let error_s = stamp_s - s_from_ns(screen.seen_ns());
                    // The first frames are those from which the screen is learnt.
                    assert!(frame < 200 || error_s.abs() < 1e-3, "{text}: {error_s} s from the light");
                    assert_eq!(stamp_s, s_from_ns(flip.onset_ns));
                } else {
                    assert!(!changed, "{flip:?}");
                }
            }
            let scene = SceneId(u16::from(frame / 7 % 2 == 1));
            let command = Command {
                index: frame,
                turn: frame,
                issued_ns: 0,
                decision: None,
                scene,
                contrast: Ramp::constant(0.0),
                picture: None,
                not_before_ns: 0,
            };
            let planned = plan.step_veiled(began.now_ns, Some(&command), &Veil::new(0));
            plan.handed(&planned, screen.present(0));
        }
        assert!(told > 400 && late > 50, "{told} changes told, {late} frames late");
    }
}
