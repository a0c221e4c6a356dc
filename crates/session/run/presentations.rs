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
            if let Some(text) = self.text(&flip) {
                outlet.push(s_from_ns(flip.onset_ns), &text)?;
            }
        }
        Ok(())
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
