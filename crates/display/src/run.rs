//! The frame loop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use timeline::{Attenuation, Command, Drawn, Event, Flip, Notice, NoticeKind, SceneId};

use crate::clock::RefreshClock;
use crate::config::{DisplayError, Pacing, Ports, Summary};
use crate::histogram::Histogram;
use crate::interlock::{Guard, Interlock, notice};
use crate::keys::Keyboard;
use crate::plan::{FramePlan, Planned};
use crate::prepare::Display;
use crate::presenter::{Gone, Presenter};
use crate::target::Target;

/// Grey frames at the end, so that the last thing that a double-buffered screen keeps showing is grey.
const GREY_FRAMES_AT_END: u32 = 2;

/// Refreshes between the start and frame 0, where the schedule paces.
const LEAD_REFRESHES: f64 = 2.0;

/// A window that is not shown at all is given up this long after the end was asked for and the grey ramp.
const END_DEADLINE_NS: i64 = 2_000_000_000;

/// Keys are waited for until this long before a frame's refresh.
const KEYS_LEAD_NS: i64 = 500_000;

/// A drawn scene is presented only this much earlier than the presenting usually takes: once the governor has judged it,
/// it cannot be taken back, and a missed refresh is worth more than a frame behind its onset.
const PRESENT_MARGIN_NS: i64 = 1_000_000;

/// [`Drawn::shown`] of a frame that stays: a governor that attenuates does no more.
const HELD: u32 = 2;

/// The display thread's only access to the clock.
pub(crate) fn now_ns() -> i64 {
    timeline::clock::now_ns()
}

impl Display {
    /// Draws until `stop` is set, fades to grey, then at least two grey frames. Blocks the calling thread, which has to be the main
    /// thread for a window.
    ///
    /// # Errors
    /// When the GPU or the window fails. The flips so far have been handed over.
    pub fn run(self, mut ports: Ports) -> Result<Summary, DisplayError> {
        let start = std::mem::replace(&mut ports.start, Box::new(|| ()));
        start();
        let mut frames = FrameLoop::begin(self, ports)?;
        while !frames.finished() {
            if let Err(error) = frames.frame() {
                frames.lost_window();
                return Err(error);
            }
        }
        Ok(frames.end())
    }
}

/// The state of a running display.
pub(crate) struct FrameLoop {
    pub(crate) display: Display,
    ports: Ports,
    pub(crate) guard: Guard,
    window_lost: bool,
    pub(crate) plan: FramePlan,
    ending_since_ns: Option<i64>,
    grey_frames: u32,
    last_onset_ns: Option<i64>,
    first_onset_ns: Option<i64>,
    frames: u64,
    missed: u64,
    discarded: u64,
    late: u64,
    /// What taking a window's texture and encoding onto it usually costs, after the scene is drawn; 0 offscreen.
    encode_ns: i64,
    pub(crate) rebuilds: u32,
    /// Whether the governor stopped the newest frame that came back.
    stopped: bool,
    /// What the loop knows of what the governor lets through.
    let_through: f64,
    refused_events: u64,
    /// Events that the ring takes when it is empty.
    room: usize,
    interval: Histogram,
    record: Histogram,
    work: Histogram,
}

/// How a frame ended.
enum Outcome {
    /// Handed over in time.
    Shown { submitted_ns: i64 },
    /// Too late, or the window took none.
    Discarded,
}

impl FrameLoop {
    pub(crate) fn begin(mut display: Display, mut ports: Ports) -> Result<Self, DisplayError> {
        if let Some(pictures) = ports.pictures.take() {
            display.renderer.pictures.connect(pictures);
        }
        let mut guard = Guard::new(std::mem::replace(&mut ports.interlock, Interlock::none()));
        if let Target::Window(window, _) = &mut display.target {
            window.watch_key(guard.take_key());
            let keyboard = ports.responses.take();
            window.listen(keyboard.map(|responses| Keyboard::new(responses, now_ns())));
        }
        let room = ports.events.vacant();
        let period_ns = display.scenery.screen.refresh_period_ns();
        let pacing = display.target.pacing();
        let start_ns = now_ns() + (LEAD_REFRESHES * period_ns) as i64;
        let clock = match display.clock.take() {
            Some(clock) => clock.renumbered(start_ns),
            None => RefreshClock::new(start_ns, period_ns),
        };
        display.target.paused();
        let mut plan = FramePlan::prepare(display.scenery.scenes.clone(), clock, pacing);
        if let Some(gaze) = &ports.gaze {
            plan.hold_gaze(gaze.hold_ns);
        }
        Ok(Self {
            display,
            ports,
            guard,
            window_lost: false,
            plan,
            ending_since_ns: None,
            grey_frames: 0,
            last_onset_ns: None,
            first_onset_ns: None,
            frames: 0,
            missed: 0,
            discarded: 0,
            late: 0,
            encode_ns: 0,
            rebuilds: 0,
            stopped: false,
            let_through: 1.0,
            refused_events: 0,
            room,
            interval: Histogram::new(),
            record: Histogram::new(),
            work: Histogram::new(),
        })
    }

    /// Whether enough grey was shown after the end was asked for.
    pub(crate) fn finished(&self) -> bool {
        self.ending_since_ns.is_some_and(|since_ns| {
            let longest_ns = END_DEADLINE_NS + self.guard.grey_ramp_ns();
            self.grey_frames >= GREY_FRAMES_AT_END || now_ns() - since_ns > longest_ns
        })
    }

    /// One frame, from the newest command to the flip.
    pub(crate) fn frame(&mut self) -> Result<(), DisplayError> {
        match self.whole_frame() {
            Ok(()) => {}
            Err(Gone(reason)) => self.rebuild(&reason)?,
        }
        if let Some(reason) = self.display.gpu.failure().map(str::to_owned) {
            self.rebuild(&reason)?;
        }
        Ok(())
    }

    fn whole_frame(&mut self) -> Result<(), Gone> {
        self.operator();
        if self.display.target.pacing() != Pacing::Screen {
            self.wait_until(self.plan.begin_ns());
        }
        let began = self.display.target.begin(self.plan.begin_ns())?;
        self.tell_rebuilt_surface();
        if let Some(flip) = began.stamp.and_then(|stamp| self.plan.seen(stamp)) {
            self.hand_over(&flip);
        }
        let ending = self.ports.stop.load(Ordering::Acquire);
        for notice in self.guard.look(now_ns(), ending).into_iter().flatten() {
            self.tell(Event::Notice(notice));
        }
        if self.guard.is_taken() {
            self.ports.escape.store(true, Ordering::Release);
        }
        let begun_ns = began.now_ns;
        let planned = self.plan(begun_ns);
        let outcome = match self.display.target.pacing() {
            Pacing::Simulated | Pacing::Software => self.scheduled(&planned, begun_ns)?,
            Pacing::Screen if began.takes => self.screen(&planned, begun_ns)?,
            Pacing::Screen => {
                sleep_until(planned.flip.onset_ns);
                Outcome::Discarded
            }
        };
        if ending && self.ending_since_ns.is_none() {
            self.ending_since_ns = Some(begun_ns);
        }
        match outcome {
            Outcome::Shown { submitted_ns } => {
                if let Some(flip) = self.plan.handed(&planned, submitted_ns) {
                    self.hand_over(&flip);
                }
                self.grey_frames += u32::from(ending && planned.flip.scene == SceneId::GREY);
            }
            Outcome::Discarded => {
                self.plan.discarded(&planned);
                self.discarded += 1;
            }
        }
        Ok(())
    }

    /// Sleeps until an instant; in a window whose keys somebody waits for, by waiting for them.
    fn wait_until(&mut self, at_ns: i64) {
        self.attend(at_ns);
        sleep_until(at_ns);
    }

    fn attend(&mut self, until_ns: i64) {
        if let Target::Window(window, _) = &mut self.display.target {
            window.attend(until_ns);
        }
    }

    /// Esc, close button and size of the window.
    fn operator(&mut self) {
        if let Target::Window(window, on_screen) = &mut self.display.target {
            window.pump();
            if window.escape() {
                self.ports.escape.store(true, Ordering::Release);
            }
            let lost = window.is_lost();
            let unheard = window.take_lost_responses();
            if let Some(size_px) = window.take_resized()
                && size_px != on_screen.size_px()
            {
                on_screen.resize(size_px);
                self.display.renderer.set_surface(&self.display.scenery.screen, size_px);
                self.display.description.surface_px = size_px;
            }
            if lost {
                self.lost_window();
            }
            if unheard > 0 {
                self.tell(Event::Notice(notice(now_ns(), NoticeKind::ResponsesLost, unheard)));
            }
        }
    }

    /// For the record, once.
    pub(crate) fn lost_window(&mut self) {
        if !std::mem::replace(&mut self.window_lost, true) {
            self.tell(Event::Notice(notice(now_ns(), NoticeKind::WindowLost, 0)));
        }
    }

    fn plan(&mut self, begun_ns: i64) -> Planned {
        let newest: Option<Command> = *self.ports.commands.read();
        let (command, told) = self.guard.accept(begun_ns, newest);
        if let Some(notice) = told {
            self.tell(Event::Notice(notice));
        }
        if let Some(gaze) = &mut self.ports.gaze {
            self.plan.look(*gaze.newest.read());
        }
        let planned = self.plan.step_veiled(begun_ns, command.as_ref(), &self.guard.veil);
        self.display.renderer.write(&self.display.gpu.queue, &planned.params);
        planned
    }

    /// Offscreen, and a window that does not wait: the scene is drawn and waited for first, because what the governor takes
    /// for shown has to be shown, and a texture that was taken from a window cannot be given back when it comes too late.
    fn scheduled(&mut self, planned: &Planned, begun_ns: i64) -> Result<Outcome, Gone> {
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        let slot = self.display.record_scene(&mut encoder);
        let submission = self.display.gpu.queue.submit([encoder.finish()]);
        self.record.record(now_ns() - begun_ns);
        if !self.wait_for(submission, begun_ns, planned) {
            return Ok(Outcome::Discarded);
        }
        let drawn_ns = now_ns();
        let Some(surface) = self.display.target.surface()? else { return Ok(Outcome::Discarded) };
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        self.display.record_present(&mut encoder, &surface, slot, planned);
        let submission = self.submit(encoder, slot, planned);
        self.display.gpu.finish(submission);
        let ready_ns = now_ns();
        self.encode_ns += (ready_ns - drawn_ns - self.encode_ns) / 8;
        self.plan.presents_in(self.encode_ns + PRESENT_MARGIN_NS);
        self.collect();
        // What is left until the refresh is slept once, in `present`: offscreen after the frame was handed over, so that
        // oversleeping cannot hand it over late.
        self.attend(planned.flip.onset_ns - KEYS_LEAD_NS);
        let submitted_ns = self.display.target.present(planned.flip.onset_ns);
        // It could not be taken back any more: it is shown late, and the summary says so.
        self.late += u64::from(submitted_ns >= planned.flip.onset_ns);
        Ok(Outcome::Shown { submitted_ns })
    }

    /// A window that waits: its texture was taken at a refresh, and the frame drawn now shows at the next one.
    fn screen(&mut self, planned: &Planned, begun_ns: i64) -> Result<Outcome, Gone> {
        let Some(surface) = self.display.target.surface()? else { return Ok(Outcome::Discarded) };
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        let slot = self.display.record_scene(&mut encoder);
        self.display.record_present(&mut encoder, &surface, slot, planned);
        self.submit(encoder, slot, planned);
        self.record.record(now_ns() - begun_ns);
        let submitted_ns = self.display.target.present(planned.flip.onset_ns);
        self.work.record(now_ns() - begun_ns);
        self.display.gpu.poll();
        self.collect();
        Ok(Outcome::Shown { submitted_ns })
    }

    fn submit(
        &mut self,
        encoder: wgpu::CommandEncoder,
        slot: Option<usize>,
        planned: &Planned,
    ) -> wgpu::SubmissionIndex {
        let submission = self.display.gpu.queue.submit([encoder.finish()]);
        if let Some(slot) = slot {
            // In a window it may come late, which its flip says.
            let known = self.display.description.pacing == Pacing::Simulated;
            self.display.readback.submitted(slot, &planned.flip, known);
        }
        submission
    }

    /// Waits for the drawing, and says whether it was done before its refresh.
    fn wait_for(&mut self, submission: wgpu::SubmissionIndex, begun_ns: i64, planned: &Planned) -> bool {
        let finished = self.display.gpu.finish(submission);
        let done_ns = now_ns();
        self.work.record(done_ns - begun_ns);
        self.plan.worked(done_ns - begun_ns);
        finished && done_ns + self.encode_ns + PRESENT_MARGIN_NS <= planned.flip.onset_ns
    }

    /// The flip goes to the loop and to the recorder; both count what a full ring refuses.
    fn hand_over(&mut self, flip: &Flip) {
        self.display.readback.known(flip);
        // Both rings count what they refuse; `end` adds the counts up.
        let _ = self.ports.flips.push(*flip);
        self.ports.wake.unpark();
        self.tell(Event::Flip(*flip));
        if flip.missed > 0 {
            let missed = i64::from(flip.missed);
            self.tell(Event::Notice(notice(flip.onset_ns, NoticeKind::MissedFrames, missed)));
        }
        if let Some(last_ns) = self.last_onset_ns.replace(flip.onset_ns) {
            self.interval.record(flip.onset_ns - last_ns);
        }
        self.first_onset_ns.get_or_insert(flip.onset_ns);
        self.frames += 1;
        self.missed += u64::from(flip.missed);
        self.ports.progress.frames.store(self.frames, Ordering::Relaxed);
        self.ports.progress.missed.store(self.missed, Ordering::Relaxed);
    }

    /// Hands on what came back from the GPU.
    fn collect(&mut self) {
        while let Some(drawn) = self.display.readback.collect() {
            // Half of the ring is for flips: a replay needs each of them, and of checksums as many as there are.
            if 2 * self.ports.events.vacant() > self.room {
                self.tell(Event::Drawn(drawn));
            } else {
                self.display.readback.skipped += 1;
            }
            self.heed(&drawn);
            self.tell_loop(&drawn);
        }
    }

    /// What the governor lets through, where that has changed. A ring that is full takes what holds then.
    fn tell_loop(&mut self, drawn: &Drawn) {
        let told = Attenuation::of(drawn);
        if told.driving() != self.let_through && self.ports.attenuations.push(told) {
            self.let_through = told.driving();
            self.ports.wake.unpark();
        }
    }

    /// What the governor did: told when it begins and ends. A governor that leads to grey stays there, so the run is ended.
    fn heed(&mut self, drawn: &Drawn) {
        let stopped = drawn.shown != 0;
        if stopped != std::mem::replace(&mut self.stopped, stopped) {
            let kind = if stopped { NoticeKind::Governed } else { NoticeKind::GovernorOpen };
            let value = f64::from(drawn.shown);
            let count = i64::from(drawn.broken);
            self.tell(Event::Notice(Notice { value, ..notice(drawn.at_ns, kind, count) }));
        }
        if stopped && drawn.shown != HELD {
            self.ports.escape.store(true, Ordering::Release);
        }
    }

    /// An event for the recorder. What its ring refused is itself told as soon as there is room again.
    pub(crate) fn tell(&mut self, event: Event) {
        let refused = self.ports.events.refused() - self.refused_events;
        if refused > 0 && self.ports.events.vacant() >= 2 {
            let at_ns = self.last_onset_ns.unwrap_or(0);
            let full = notice(at_ns, NoticeKind::RingFull, refused as i64);
            if self.ports.events.push(Event::Notice(full)) {
                self.refused_events += refused;
            }
        }
        // counted by the ring
        let _ = self.ports.events.push(event);
    }

    pub(crate) fn end(mut self) -> Summary {
        if let Some(flip) = self.plan.last() {
            self.hand_over(&flip);
        }
        self.collect();
        let readback = &self.display.readback;
        let (rows, skipped, refused_rows) = (readback.rows, readback.skipped, readback.refused());
        Summary {
            frames: self.frames,
            missed_frames: self.missed,
            discarded_frames: self.discarded,
            late_frames: self.late,
            first_onset_ns: self.first_onset_ns,
            last_onset_ns: self.last_onset_ns,
            interval: self.interval.spread(),
            record: self.record.spread(),
            frame: self.work.spread(),
            retina_rows: rows,
            retina_skipped: skipped,
            refused: refused_rows + self.ports.flips.refused() + self.ports.events.refused(),
            description: self.display.description,
        }
    }
}

pub(crate) fn sleep_until(at_ns: i64) {
    if let Ok(left_ns @ 1..) = u64::try_from(at_ns - now_ns()) {
        std::thread::sleep(Duration::from_nanos(left_ns));
    }
}
