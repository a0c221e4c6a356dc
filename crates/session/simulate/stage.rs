//! Screen and participant in time of their own.

use std::sync::{Arc, Mutex, PoisonError};

use acquisition::AcquisitionError;
use display::clock::RefreshClock;
use participant::Participant;
use timeline::latest::{LatestWriter, latest};
use timeline::ring::{Reader, ring};
use timeline::{Command, Event, Flip, NS_PER_S, Ramp, s_from_ns};

use super::Room;
use super::shown::{Look, Shown, Told};
use crate::error::SessionError;
use crate::run::carriers::retina_ring;
use crate::run::participant::{Chair, Taker, Way};
use crate::run::sources;
use crate::run::virtual_clock::{START_NS, ScriptedPresenter};

/// Longest step, so that no ring fills.
const STEP_NS: i64 = 100_000_000;

/// How long a frame may wait for markers that tell of it, where the participant's latency leaves that.
const WAIT_FOR_MARKERS_NS: i64 = 40_000_000;

/// What one step leaves in a ring.
const RING: usize = 1024;

/// The simulated screen and who sits in front of it.
pub struct Stage {
    presenter: ScriptedPresenter,
    chair: Chair,
    commands: LatestWriter<Option<Command>>,
    flips: Reader<Flip>,
    display_events: Reader<Event>,
    chair_events: Reader<Event>,
    clock: RefreshClock,
    frame: u64,
    shown: Shown,
    newest: Option<Look>,
    phase_frames: i64,
    issued: u64,
    changes: Vec<(i64, Look)>,
    lag_ns: i64,
    done_ns: i64,
}

impl Stage {
    /// Sets it for the first frame; the first sample is that frame's instant's.
    ///
    /// # Errors
    /// When the participant cannot sit there.
    pub(crate) fn set(room: &Room, taker: Box<dyn Taker>) -> Result<Self, SessionError> {
        let samples = sources::participant_stream(&room.experiment.protocol)?.samples;
        let participant = room.seat()?;
        let refresh_hz = room.lowered.scenery.screen.refresh_hz;
        let (retina_in, retina) = retina_ring(room.lowered.retina.cells(), refresh_hz);
        let (commands, newest) = latest(&None);
        let (flips_in, flips) = ring(RING);
        let (display_events_in, display_events) = ring(RING);
        let (chair_events_in, chair_events) = ring(RING);
        let presenter =
            ScriptedPresenter::new(&room.lowered, Some(retina_in), newest, flips_in, display_events_in, None);
        let period_ns = room.lowered.scenery.screen.refresh_period_ns();
        let lag_ns = (participant.delay_ns() - period_ns as i64).clamp(0, WAIT_FOR_MARKERS_NS);
        let mut chair = Chair::new(participant, retina, chair_events_in, Way::Taker(taker), samples.rate_hz);
        chair.in_chunks_of(room.chunk);
        chair.start(START_NS);
        let shown = match &room.fixed {
            Some(fixed) => Shown::Fixed(fixed.clone(), START_NS),
            None => Shown::Told(Told::default()),
        };
        Ok(Self {
            presenter,
            chair,
            commands,
            flips,
            display_events,
            chair_events,
            clock: RefreshClock::new(START_NS, period_ns),
            frame: 0,
            shown,
            newest: None,
            phase_frames: 0,
            issued: 0,
            changes: Vec::new(),
            lag_ns,
            done_ns: START_NS,
        })
    }

    /// The instant of the first frame and the first sample.
    pub fn start_ns(&self) -> i64 {
        START_NS
    }

    /// How far it has come.
    pub fn done_ns(&self) -> i64 {
        self.done_ns
    }

    /// When the next chunk is complete.
    pub fn next_chunk_ns(&self) -> i64 {
        self.chair.next_chunk_ns()
    }

    /// Something else is shown from this instant on; `false` where a schedule is fixed, or too much waits.
    pub fn tell(&mut self, at_ns: i64, look: Look) -> bool {
        self.shown.tell(at_ns, look)
    }

    /// Shows every frame and hands over every chunk that is due until `until_ns`. In how many calls does not matter.
    ///
    /// # Errors
    /// When a chunk is not taken.
    pub fn advance(&mut self, until_ns: i64) -> Result<(), SessionError> {
        while self.done_ns < until_ns {
            let now_ns =
                self.chair.next_chunk_ns().max(self.done_ns + 1).min(self.done_ns + STEP_NS).min(until_ns);
            self.present(now_ns - self.lag_ns)?;
            self.chair.advance(now_ns)?;
            // Nobody records here.
            while self.flips.pop().is_some() {}
            while self.display_events.pop().is_some() {}
            while self.chair_events.pop().is_some() {}
            self.done_ns = now_ns;
        }
        Ok(())
    }

    /// What began to be shown, and when, since the last call.
    pub fn changes(&mut self) -> std::vec::Drain<'_, (i64, Look)> {
        self.changes.drain(..)
    }

    fn present(&mut self, until_ns: i64) -> Result<(), SessionError> {
        loop {
            let onset_ns = self.clock.onset_ns(self.frame);
            if onset_ns > until_ns {
                return Ok(());
            }
            let (since_ns, look) = self.shown.at(onset_ns);
            let before = self.newest.replace(look);
            if before != Some(look) {
                self.set_phase(since_ns, look, before);
                self.changes.push((onset_ns, look));
                self.commands.publish(Some(Command {
                    index: self.issued,
                    turn: 0,
                    issued_ns: onset_ns,
                    decision: None,
                    scene: look.scene,
                    contrast: Ramp::constant(look.contrast),
                    picture: None,
                    not_before_ns: 0,
                }));
                self.issued += 1;
            }
            self.presenter.present(onset_ns)?;
            self.frame += 1;
        }
    }

    /// The flicker's phase at the next frame, where it is told; a scheduled flicker has run since the start.
    fn set_phase(&mut self, since_ns: i64, look: Look, before: Option<Look>) {
        if matches!(self.shown, Shown::Fixed(..)) {
            return;
        }
        let now = self.frame as i64;
        if let Some(frame) = look.frame {
            let gone = (self.clock.onset_ns(self.frame) - since_ns) as f64 / self.clock.period_ns();
            let wanted = frame as f64 + gone - now as f64;
            // Half a frame is what two screens differ by; if that moved the phase, stamps that jitter would throw it to and fro.
            if (wanted - self.phase_frames as f64).abs() > 0.75 {
                self.phase_frames = wanted.round() as i64;
            }
        } else if before.is_none_or(|before| before.scene != look.scene) {
            self.phase_frames = -now;
        }
        self.presenter.shift_phase(self.phase_frames);
    }
}

/// Samples that are kept.
#[derive(Default)]
struct Samples {
    times_s: Vec<f64>,
    values: Vec<f64>,
}

/// The reading end of samples that are kept instead of sent.
pub struct Kept(Arc<Mutex<Samples>>);

/// The writing end.
pub struct Keeper(Arc<Mutex<Samples>>);

impl Kept {
    /// Both ends.
    pub fn new() -> (Self, Keeper) {
        let samples = Arc::new(Mutex::new(Samples::default()));
        (Self(Arc::clone(&samples)), Keeper(samples))
    }

    /// Times in s since the first sample, and values one sample after the other.
    pub fn take(self) -> (Vec<f64>, Vec<f64>) {
        let samples = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (samples.times_s, samples.values)
    }
}

impl Taker for Keeper {
    fn sampled(&mut self, _: i64, _: &Participant) {}

    fn chunk(&mut self, stamps_s: &[f64], values: &[f64]) -> Result<(), AcquisitionError> {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start_s = s_from_ns(START_NS);
        samples.times_s.extend(stamps_s.iter().map(|stamp_s| stamp_s - start_s));
        samples.values.extend_from_slice(values);
        Ok(())
    }
}

/// Whole samples that fit into a time, as that time.
pub(super) fn whole_samples_ns(time_ns: i64, rate_hz: f64) -> i64 {
    let samples = (time_ns as f64 / NS_PER_S * rate_hz).floor();
    (samples / rate_hz * NS_PER_S).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as CliCommand};
    use crate::simulate::{SimulateArgs, in_memory};
    use clap::Parser;

    fn args(more: &[&str]) -> SimulateArgs {
        let line = ["photic", "simulate"].iter().chain(more);
        match Cli::try_parse_from(line).unwrap().command {
            CliCommand::Simulate(args) => args,
            _ => unreachable!(),
        }
    }

    const SEEN: &str = "counterphase_hz=7.5,waveform=sine,contrast=0.8,on_s=3,off_s=1";

    #[test]
    fn steps_and_chunks_do_not_change_a_bit() {
        let arguments = ["--stimulus", SEEN, "--with", "saccades,blinks,adaptation,dropouts", "--seed", "7"];
        let whole = in_memory(&args(&arguments), 6.0).unwrap();
        assert!(whole.0.len() > 1000, "{}", whole.0.len());
        for (chunk, step_ns) in [(1, 777_777), (8, 31_000_000), (100, 1_900_000_000)] {
            let args = args(&[&arguments[..], &["--chunk", &chunk.to_string()]].concat());
            let (kept, taker) = Kept::new();
            let mut stage = Stage::set(&Room::furnish(&args).unwrap(), Box::new(taker)).unwrap();
            let mut at_ns = stage.start_ns();
            while at_ns < stage.start_ns() + 6_000_000_000 {
                at_ns += step_ns;
                stage.advance(at_ns).unwrap();
            }
            drop(stage);
            let (times_s, values) = kept.take();
            let count = times_s.len().min(whole.0.len());
            assert!(count > 1000);
            assert_eq!(times_s[..count], whole.0[..count], "chunks of {chunk}");
            assert_eq!(values[..8 * count], whole.1[..8 * count], "chunks of {chunk}");
        }
    }

    #[test]
    fn what_is_told_is_seen() {
        // In time of its own: on at 1 s; the response is there half a second later.
        let (kept, taker) = Kept::new();
        let room = Room::furnish(&args(&["--participant", "P01"])).unwrap();
        let mut stage = Stage::set(&room, Box::new(taker)).unwrap();
        let look = Look { scene: timeline::SceneId(1), contrast: 0.8, frame: None };
        assert!(stage.tell(stage.start_ns() + 1_000_000_000, look));
        stage.advance(stage.start_ns() + 2_000_000_000).unwrap();
        let changes: Vec<_> = stage.changes().collect();
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert_eq!((changes[0].1, changes[1].1), (Look::GREY, look));
        assert!((changes[1].0 - stage.start_ns() - 1_000_000_000).abs() < 17_000_000);
        drop(stage);
        let (_, told) = kept.take();
        let grey = {
            let (kept, taker) = Kept::new();
            let mut stage = Stage::set(&room, Box::new(taker)).unwrap();
            stage.advance(stage.start_ns() + 2_000_000_000).unwrap();
            drop(stage);
            kept.take().1
        };
        let differs = told.iter().zip(&grey).position(|(a, b)| a != b).unwrap() / 8;
        assert!((250..310).contains(&differs), "the first sample that differs is {differs}");
    }

    #[test]
    fn the_phase_is_the_tellers_and_does_not_jump_when_stamps_jitter() {
        let room = Room::furnish(&args(&["--participant", "P01"])).unwrap();
        let (_kept, taker) = Kept::new();
        let mut stage = Stage::set(&room, Box::new(taker)).unwrap();
        let period_ns = stage.clock.period_ns();
        // A screen whose frames lie half a frame beside ours, stamped with a jitter of 2 ms, tells of itself once a second.
        let frame_at = |frame: u64| stage_ns(period_ns * (frame as f64 + 0.5));
        let mut seen = Vec::new();
        for second in 1..20u64 {
            let jitter_ns = if second % 2 == 0 { 2_000_000 } else { -2_000_000 };
            let look =
                Look { scene: timeline::SceneId(1), contrast: 0.5, frame: Some(1_000_000 + 60 * second) };
            assert!(stage.tell(frame_at(60 * second) + jitter_ns, look));
            stage.advance(frame_at(60 * second + 30)).unwrap();
            seen.push(stage.phase_frames);
        }
        assert!(seen.iter().all(|frames| *frames == seen[0]), "{seen:?}");
        assert!((seen[0] - 1_000_000).abs() <= 1, "{seen:?}");
    }

    fn stage_ns(since_start_ns: f64) -> i64 {
        START_NS + since_start_ns.round() as i64
    }
}
