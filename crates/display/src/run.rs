//! The frame loop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stimulus::{Scene, Screen};
use timeline::{Command, Event, Flip, NoticeKind, SceneId};

use crate::clock::RefreshClock;
use crate::config::{Config, Description, DisplayError, Mode, Pacing, Ports, Summary};
use crate::gpu::Gpu;
use crate::histogram::Histogram;
use crate::interlock::{Guard, Interlock, notice};
use crate::keys::Keyboard;
use crate::plan::{FrameParams, FramePlan, Planned};
use crate::readback::Readback;
use crate::renderer::Renderer;
use crate::target::{Acquired, OFFSCREEN_FORMAT, Offscreen, OnScreen, describe, pacing_of};
use crate::window::OpenWindow;

/// Grey frames at the end, so that the last thing that a double-buffered screen keeps showing is grey.
const GREY_FRAMES_AT_END: u32 = 2;

/// Refreshes between the start and frame 0, where the schedule paces.
const LEAD_REFRESHES: f64 = 2.0;

/// A window that is not shown at all is given up this long after the end was asked for and the grey ramp.
const END_DEADLINE_NS: i64 = 2_000_000_000;

/// How long before its refresh a software-paced present is handed over.
const PRESENT_LEAD_NS: i64 = 300_000;

/// The display thread's only access to the clock.
pub(crate) fn now_ns() -> i64 {
    timeline::clock::now_ns()
}

/// A prepared display.
pub struct Display {
    screen: Screen,
    scenes: Vec<Scene>,
    gpu: Gpu,
    renderer: Renderer,
    target: Target,
    readback: Option<Readback>,
    description: Description,
}

enum Target {
    Offscreen(Offscreen),
    Window(Box<OpenWindow>, OnScreen),
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
        let Config { mode, screen, scenes, retina, patch, title } = config;
        let (grid, writer) = retina.unzip();
        let (gpu, target, format) = match mode {
            Mode::Offscreen => {
                let gpu = Gpu::open(&Gpu::instance(), None, [screen.width_px, screen.height_px])?;
                let target = Target::Offscreen(Offscreen::prepare(&gpu.device, &screen));
                (gpu, target, OFFSCREEN_FORMAT)
            }
            Mode::Window | Mode::Fullscreen => {
                let size_px = [screen.width_px, screen.height_px];
                let window = OpenWindow::open(size_px, mode, &title, true)?;
                let (gpu, on_screen) = OnScreen::open(&window, size_px, mode)?;
                let format = on_screen.format();
                (gpu, Target::Window(Box::new(window), on_screen), format)
            }
        };
        let mut renderer = Renderer::prepare(&gpu.device, &screen, &scenes, &patch, grid.as_ref(), format);
        let description = settle(&gpu, &mut renderer, &target, &screen, format)?;
        let readback = grid.zip(writer).map(|(grid, writer)| Readback::prepare(&gpu.device, &grid, writer));
        if let Some(reason) = gpu.failure() {
            return Err(DisplayError::Lost { frame: 0, reason: reason.to_string() });
        }
        Ok(Self { screen, scenes, gpu, renderer, target, readback, description })
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
    if config.scenes.first() != Some(&Scene::Grey) {
        return Err(DisplayError::NoGrey { count: config.scenes.len() });
    }
    if let Some((grid, writer)) = &config.retina {
        if grid.cells() != writer.width() {
            return Err(DisplayError::RetinaWidth { cells: grid.cells(), width: writer.width() });
        }
        let right = grid.left_px + grid.columns * grid.cell_px;
        let bottom = grid.top_px + grid.rows * grid.cell_px;
        let (width, height) = (config.screen.width_px, config.screen.height_px);
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
    target: &Target,
    screen: &Screen,
    format: wgpu::TextureFormat,
) -> Result<Description, DisplayError> {
    let grey = FrameParams { scene: 0, amplitude: 0.0, patch_luminance: 0.0, picture: 0 };
    let surface_px = match target {
        Target::Offscreen(_) => [screen.width_px, screen.height_px],
        Target::Window(_, on_screen) => on_screen.size_px(),
    };
    renderer.set_surface(screen, surface_px);
    renderer.write(&gpu.queue, &grey);
    let draw = |view: &wgpu::TextureView| {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        renderer.record_scene(&mut encoder, None);
        renderer.record_encode(&mut encoder, view);
        gpu.queue.submit([encoder.finish()])
    };
    match target {
        Target::Offscreen(offscreen) => {
            // The first frame compiles shaders; it must not be the first one that counts.
            let submission = draw(&offscreen.view);
            gpu.finish(submission);
            Ok(describe(gpu, screen, Pacing::Simulated, surface_px, format))
        }
        Target::Window(_, on_screen) => {
            let interval_ns = on_screen.measure(gpu, |view| {
                draw(view);
            });
            let pacing = pacing_of(gpu.is_software(), interval_ns, screen)?;
            Ok(Description {
                present_mode: Some(format!("{:?}", on_screen.present_mode())),
                measured_interval_ms: interval_ns.map(|interval_ns| interval_ns / 1e6),
                ..describe(gpu, screen, pacing, surface_px, format)
            })
        }
    }
}

/// The state of a running display.
struct FrameLoop {
    display: Display,
    ports: Ports,
    guard: Guard,
    window_lost: bool,
    plan: FramePlan,
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
    refused_events: u64,
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
    fn begin(mut display: Display, mut ports: Ports) -> Result<Self, DisplayError> {
        if let Some(pictures) = ports.pictures.take() {
            display.renderer.pictures.connect(pictures);
        }
        let mut guard = Guard::new(std::mem::replace(&mut ports.interlock, Interlock::none()));
        if let Target::Window(window, _) = &mut display.target {
            window.watch_key(guard.take_key());
            let keyboard = ports.responses.take();
            window.listen(keyboard.map(|responses| Keyboard::new(responses, now_ns())));
        }
        let period_ns = display.screen.refresh_period_ns();
        let pacing = display.description.pacing;
        let start_ns = match (&display.target, pacing) {
            // A present that waited ends at a refresh: refresh 0 of the clock that follows the screen.
            (Target::Window(_, on_screen), Pacing::Screen) => match on_screen.acquire(&display.gpu.device) {
                Acquired::Texture(texture) => {
                    let at_ns = now_ns();
                    let mut encoder = display.gpu.device.create_command_encoder(&Default::default());
                    display
                        .renderer
                        .record_encode(&mut encoder, &texture.texture.create_view(&Default::default()));
                    display.gpu.queue.submit([encoder.finish()]);
                    display.gpu.queue.present(texture);
                    at_ns
                }
                Acquired::NotNow => now_ns(),
                Acquired::Lost(reason) => {
                    return Err(DisplayError::Lost { frame: 0, reason: reason.to_string() });
                }
            },
            _ => now_ns() + (LEAD_REFRESHES * period_ns) as i64,
        };
        let plan = FramePlan::prepare(display.scenes.clone(), RefreshClock::new(start_ns, period_ns), pacing);
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
            refused_events: 0,
            interval: Histogram::new(),
            record: Histogram::new(),
            work: Histogram::new(),
        })
    }

    /// Whether enough grey was shown after the end was asked for.
    fn finished(&self) -> bool {
        self.ending_since_ns.is_some_and(|since_ns| {
            let longest_ns = END_DEADLINE_NS + self.guard.grey_ramp_ns();
            self.grey_frames >= GREY_FRAMES_AT_END || now_ns() - since_ns > longest_ns
        })
    }

    /// One frame, from the newest command to the flip.
    fn frame(&mut self) -> Result<(), DisplayError> {
        self.operator();
        if self.display.description.pacing != Pacing::Screen {
            self.wait_until(self.plan.begin_ns());
        }
        let ending = self.ports.stop.load(Ordering::Acquire);
        for notice in self.guard.look(now_ns(), ending).into_iter().flatten() {
            self.tell(Event::Notice(notice));
        }
        if self.guard.is_taken() {
            self.ports.escape.store(true, Ordering::Release);
        }
        let (planned, begun_ns, outcome) = match self.display.description.pacing {
            Pacing::Simulated => self.simulated(),
            Pacing::Software => self.software()?,
            Pacing::Screen => self.screen()?,
        };
        if ending && self.ending_since_ns.is_none() {
            self.ending_since_ns = Some(begun_ns);
        }
        match outcome {
            Outcome::Shown { submitted_ns } => {
                let flip = self.plan.shown(&planned, submitted_ns);
                self.hand_over(&flip);
                self.grey_frames += u32::from(ending && flip.scene == SceneId::GREY);
            }
            Outcome::Discarded => {
                self.plan.discarded(&planned);
                self.discarded += 1;
            }
        }
        match self.display.gpu.failure() {
            Some(reason) => Err(lost(&planned, reason)),
            None => Ok(()),
        }
    }

    /// Sleeps until an instant; in a window whose keys somebody waits for, by waiting for them.
    fn wait_until(&mut self, at_ns: i64) {
        if let Target::Window(window, _) = &mut self.display.target {
            window.attend(at_ns);
        }
        sleep_until(at_ns);
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
                on_screen.resize(&self.display.gpu.device, size_px);
                self.display.renderer.set_surface(&self.display.screen, size_px);
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
    fn lost_window(&mut self) {
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
        let planned = self.plan.step_veiled(begun_ns, command.as_ref(), &self.guard.veil);
        self.display.renderer.write(&self.display.gpu.queue, &planned.params);
        planned
    }

    /// Offscreen: everything is drawn, waited for, and shown if it was done before its refresh.
    fn simulated(&mut self) -> (Planned, i64, Outcome) {
        let begun_ns = now_ns();
        let planned = self.plan(begun_ns);
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        let slot = self.display.record_scene(&mut encoder);
        if let Target::Offscreen(offscreen) = &self.display.target {
            self.display.renderer.record_encode(&mut encoder, &offscreen.view);
        }
        let submission = self.submit(encoder, slot, &planned, begun_ns);
        let submitted_ns = now_ns();
        let done = self.wait_for(submission, begun_ns, slot, &planned);
        if !done {
            return (planned, begun_ns, Outcome::Discarded);
        }
        sleep_until(planned.flip.onset_ns);
        (planned, begun_ns, Outcome::Shown { submitted_ns })
    }

    /// A window that does not wait: the scene is drawn and waited for first, because a texture that was taken from the
    /// window cannot be given back when it comes too late.
    fn software(&mut self) -> Result<(Planned, i64, Outcome), DisplayError> {
        let begun_ns = now_ns();
        let planned = self.plan(begun_ns);
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        let slot = self.display.record_scene(&mut encoder);
        let submission = self.submit(encoder, slot, &planned, begun_ns);
        if !self.wait_for(submission, begun_ns, slot, &planned) {
            return Ok((planned, begun_ns, Outcome::Discarded));
        }
        let drawn_ns = now_ns();
        let Some(texture) = self.acquire(&planned)? else {
            return Ok((planned, begun_ns, Outcome::Discarded));
        };
        let submission = self.encode_onto(&texture);
        self.display.gpu.finish(submission);
        let ready_ns = now_ns();
        self.encode_ns += (ready_ns - drawn_ns - self.encode_ns) / 8;
        // It cannot be taken back any more: it is shown late, and the summary says so.
        self.late += u64::from(ready_ns > planned.flip.onset_ns);
        self.wait_until(planned.flip.onset_ns - PRESENT_LEAD_NS);
        let submitted_ns = now_ns();
        self.display.gpu.queue.present(texture);
        Ok((planned, begun_ns, Outcome::Shown { submitted_ns }))
    }

    /// A window that waits: taking its next texture ends at a refresh, and the frame drawn now shows at the next one.
    fn screen(&mut self) -> Result<(Planned, i64, Outcome), DisplayError> {
        let Target::Window(_, on_screen) = &self.display.target else {
            return Ok(self.simulated());
        };
        let acquired = on_screen.acquire(&self.display.gpu.device);
        let begun_ns = now_ns();
        let planned = self.plan(begun_ns);
        let texture = match acquired {
            Acquired::Texture(texture) => texture,
            Acquired::NotNow => {
                sleep_until(planned.flip.onset_ns);
                return Ok((planned, begun_ns, Outcome::Discarded));
            }
            Acquired::Lost(reason) => return Err(lost(&planned, reason)),
        };
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        let slot = self.display.record_scene(&mut encoder);
        let view = texture.texture.create_view(&Default::default());
        self.display.renderer.record_encode(&mut encoder, &view);
        self.submit(encoder, slot, &planned, begun_ns);
        let submitted_ns = now_ns();
        self.display.gpu.queue.present(texture);
        self.work.record(now_ns() - begun_ns);
        self.display.gpu.poll();
        if let Some(readback) = &mut self.display.readback {
            readback.collect();
        }
        Ok((planned, begun_ns, Outcome::Shown { submitted_ns }))
    }

    fn acquire(&mut self, planned: &Planned) -> Result<Option<wgpu::SurfaceTexture>, DisplayError> {
        match &self.display.target {
            Target::Offscreen(_) => Ok(None),
            Target::Window(_, on_screen) => match on_screen.acquire(&self.display.gpu.device) {
                Acquired::Texture(texture) => Ok(Some(texture)),
                Acquired::NotNow => Ok(None),
                Acquired::Lost(reason) => Err(lost(planned, reason)),
            },
        }
    }

    fn encode_onto(&self, texture: &wgpu::SurfaceTexture) -> wgpu::SubmissionIndex {
        let mut encoder = self.display.gpu.device.create_command_encoder(&Default::default());
        let view = texture.texture.create_view(&Default::default());
        self.display.renderer.record_encode(&mut encoder, &view);
        self.display.gpu.queue.submit([encoder.finish()])
    }

    fn submit(
        &mut self,
        encoder: wgpu::CommandEncoder,
        slot: Option<usize>,
        planned: &Planned,
        begun_ns: i64,
    ) -> wgpu::SubmissionIndex {
        let submission = self.display.gpu.queue.submit([encoder.finish()]);
        if let (Some(readback), Some(slot)) = (&mut self.display.readback, slot) {
            readback.submitted(slot, &planned.flip);
        }
        self.record.record(now_ns() - begun_ns);
        submission
    }

    /// Waits for the drawing, says whether it was done before its refresh, and hands the retina on if so.
    fn wait_for(
        &mut self,
        submission: wgpu::SubmissionIndex,
        begun_ns: i64,
        slot: Option<usize>,
        planned: &Planned,
    ) -> bool {
        let finished = self.display.gpu.finish(submission);
        let done_ns = now_ns();
        let in_time = finished && done_ns + self.encode_ns <= planned.flip.onset_ns;
        self.work.record(done_ns - begun_ns);
        self.plan.worked(done_ns - begun_ns + self.encode_ns);
        if let Some(readback) = &mut self.display.readback {
            if let (false, Some(slot)) = (in_time, slot) {
                readback.discard(slot);
            }
            readback.collect();
        }
        in_time
    }

    /// The flip goes to the loop and to the recorder; both count what a full ring refuses.
    fn hand_over(&mut self, flip: &Flip) {
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

    /// An event for the recorder. What its ring refused is itself told as soon as there is room again.
    fn tell(&mut self, event: Event) {
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

    fn end(mut self) -> Summary {
        let (rows, skipped, refused_rows) = match &mut self.display.readback {
            None => (0, 0, 0),
            Some(readback) => {
                readback.collect();
                (readback.rows, readback.skipped, readback.refused())
            }
        };
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
        let slot = self.readback.as_mut().and_then(Readback::free);
        let buffer = slot.zip(self.readback.as_ref()).map(|(slot, readback)| readback.buffer(slot));
        self.renderer.record_scene(encoder, buffer);
        slot
    }
}

fn lost(planned: &Planned, reason: &str) -> DisplayError {
    DisplayError::Lost { frame: planned.flip.frame, reason: reason.to_string() }
}

fn sleep_until(at_ns: i64) {
    if let Ok(left_ns @ 1..) = u64::try_from(at_ns - now_ns()) {
        std::thread::sleep(Duration::from_nanos(left_ns));
    }
}
