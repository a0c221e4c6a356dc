//! The frame loop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stimulus::picture::Mix;
use stimulus::{Moment, RetinaGrid, Scene, Screen};
use timeline::{Attenuation, Command, Drawn, Event, Flip, Notice, NoticeKind, SceneId};

use crate::build;
use crate::clock::RefreshClock;
use crate::config::{Config, Description, DisplayError, Mode, Pacing, Ports, Summary};
use crate::gpu::Gpu;
use crate::histogram::Histogram;
use crate::interlock::{Guard, Interlock, notice};
use crate::keys::Keyboard;
use crate::plan::{FrameParams, FramePlan, Planned};
use crate::presenter::{Gone, Presenter};
use crate::readback::Readback;
use crate::renderer::Renderer;
use crate::scenery::Scenery;
use crate::sync::SyncBounds;
use crate::target::{Offscreen, OnScreen, Target, describe, pacing_of};
use crate::window::OpenWindow;

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

/// A prepared display.
pub struct Display {
    /// What it takes to build all of it once more.
    pub(crate) scenery: Scenery,
    pub(crate) mode: Mode,
    pub(crate) gpu: Gpu,
    pub(crate) renderer: Renderer,
    pub(crate) target: Target,
    pub(crate) readback: Readback,
    description: Description,
    /// Where the test before the run found a screen that paces.
    clock: Option<RefreshClock>,
}

impl Display {
    /// Opens the target, builds every pipeline, and finds out how the target can be paced (a window shows grey for
    /// that, for about a second).
    ///
    /// # Errors
    /// When the configuration contradicts itself, when there is no adapter or window system, or when the screen is not
    /// the one of the rig file.
    pub fn prepare(config: Config) -> Result<Self, DisplayError> {
        check(&config)?;
        let Config { mode, scenery, retina, title, sync } = config;
        let size_px = [scenery.screen.width_px, scenery.screen.height_px];
        let (gpu, mut target, format) = match mode {
            Mode::Offscreen => {
                let gpu = Gpu::open(&Gpu::instance(), None, size_px)?;
                let format = scenery.code_format();
                let target = Target::Offscreen(Offscreen::prepare(&gpu.device, &scenery.screen, format));
                (gpu, target, format)
            }
            Mode::Window | Mode::Fullscreen => {
                let window = OpenWindow::open(size_px, mode, &title, true)?;
                let (gpu, on_screen) = OnScreen::open(&window, size_px, mode, scenery.light.bits())?;
                let format = on_screen.format();
                (gpu, Target::Window(Box::new(window), Box::new(on_screen)), format)
            }
        };
        let mut renderer = Renderer::prepare(&gpu.device, &gpu.queue, &scenery, format)?;
        let (description, clock) = settle(&gpu, &mut renderer, &mut target, &scenery.screen, format, &sync)?;
        let readback = Readback::prepare(&gpu.device, renderer.cells(), renderer.is_governed(), retina);
        if let Some(reason) = gpu.failure() {
            return Err(DisplayError::Lost { frame: 0, reason: reason.to_string() });
        }
        Ok(Self { scenery, mode, gpu, renderer, target, readback, description, clock })
    }

    /// Adapter and target.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether the adapter is a program on the CPU.
    pub fn is_software(&self) -> bool {
        self.description.software
    }

    /// Left, top, width and height in px of the monitor that the window is on.
    pub fn monitor(&self) -> Option<[i64; 4]> {
        match &self.target {
            Target::Offscreen(_) => None,
            Target::Window(window, _) => window.monitor(),
        }
    }

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

fn check(config: &Config) -> Result<(), DisplayError> {
    let scenery = &config.scenery;
    if !scenery.scenes.first().is_some_and(Scene::is_grey) {
        return Err(DisplayError::NoGrey { count: scenery.scenes.len() });
    }
    let cells = scenery.retina.as_ref().map_or(0, RetinaGrid::cells);
    if let Some(writer) = &config.retina
        && writer.width() != cells
    {
        return Err(DisplayError::RetinaWidth { cells, width: writer.width() });
    }
    if let Some(grid) = &scenery.retina {
        let right = grid.left_px + grid.columns * grid.cell_px;
        let bottom = grid.top_px + grid.rows * grid.cell_px;
        let (width, height) = (scenery.screen.width_px, scenery.screen.height_px);
        if right > width || bottom > height {
            return Err(DisplayError::RetinaOutside { right, bottom, width, height });
        }
    }
    Ok(())
}

/// Shows grey once (offscreen) or until the presents have been measured (window), and decides on the pacing.
fn settle(
    gpu: &Gpu,
    renderer: &mut Renderer,
    target: &mut Target,
    screen: &Screen,
    format: wgpu::TextureFormat,
    bounds: &SyncBounds,
) -> Result<(Description, Option<RefreshClock>), DisplayError> {
    let grey =
        FrameParams { scene: 0, moment: Moment::new(0, 0.0), patch_luminance: 0.0, pictures: Mix::only(0) };
    let surface_px = match target {
        Target::Offscreen(_) => [screen.width_px, screen.height_px],
        Target::Window(_, on_screen) => on_screen.size_px(),
    };
    renderer.set_surface(screen, surface_px);
    let head = build::buffer(&gpu.device, "head", renderer.head_bytes(), wgpu::BufferUsages::COPY_DST);
    renderer.warm_up(gpu, &head);
    renderer.write(&gpu.queue, &grey);
    let draw = |surface: &wgpu::Texture| {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        renderer.record_scene(&mut encoder, None);
        renderer.record_present(&mut encoder, surface, Some(&head));
        gpu.queue.submit([encoder.finish()])
    };
    match target {
        Target::Offscreen(offscreen) => {
            let submission = draw(&offscreen.texture);
            gpu.finish_first(submission);
            Ok((describe(gpu, screen, Pacing::Simulated, surface_px, format), None))
        }
        Target::Window(_, on_screen) => {
            let draw = |surface: &wgpu::Texture| {
                draw(surface);
            };
            let stamps_ns = on_screen
                .measure(bounds, screen.refresh_period_ns(), draw)
                .map_err(|Gone(reason)| DisplayError::Lost { frame: 0, reason })?;
            let (sync, pacing, clock) = pacing_of(gpu.is_software(), &stamps_ns, screen, bounds)?;
            on_screen.set_pacing(pacing);
            let description = Description {
                present_mode: Some(format!("{:?}", on_screen.present_mode())),
                sync,
                ..describe(gpu, screen, pacing, surface_px, format)
            };
            Ok((description, clock))
        }
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

impl Display {
    /// Records the scene, and its retina if a buffer is free for it.
    fn record_scene(&mut self, encoder: &mut wgpu::CommandEncoder) -> Option<usize> {
        let slot = self.readback.free();
        let buffer = slot.map(|slot| self.readback.buffer(slot));
        self.renderer.record_scene(encoder, buffer);
        slot
    }

    /// Records what may be shown, its checksum and the governor's verdict.
    fn record_present(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        surface: &wgpu::Texture,
        slot: Option<usize>,
        planned: &Planned,
    ) {
        self.renderer.set_refreshes(&self.gpu.queue, planned.flip.missed.saturating_add(1));
        let buffer = slot.map(|slot| self.readback.buffer(slot));
        self.renderer.record_present(encoder, surface, buffer);
    }
}

pub(crate) fn sleep_until(at_ns: i64) {
    if let Ok(left_ns @ 1..) = u64::try_from(at_ns - now_ns()) {
        std::thread::sleep(Duration::from_nanos(left_ns));
    }
}
