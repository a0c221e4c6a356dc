//! A display before its run: target, pipelines, and how its frames are paced.

use stimulus::picture::Mix;
use stimulus::{Moment, RetinaGrid, Scene, Screen};

use crate::build;
use crate::clock::RefreshClock;
use crate::config::{Config, Description, DisplayError, Mode, Pacing};
use crate::gpu::Gpu;
use crate::plan::{FrameParams, Planned};
use crate::presenter::Gone;
use crate::readback::Readback;
use crate::renderer::Renderer;
use crate::scenery::Scenery;
use crate::sync::SyncBounds;
use crate::target::{Offscreen, OnScreen, Target, describe, pacing_of};
use crate::window::OpenWindow;

/// A prepared display.
pub struct Display {
    /// What it takes to build all of it once more.
    pub(crate) scenery: Scenery,
    pub(crate) mode: Mode,
    pub(crate) gpu: Gpu,
    pub(crate) renderer: Renderer,
    pub(crate) target: Target,
    pub(crate) readback: Readback,
    pub(crate) description: Description,
    /// Where the test before the run found a screen that paces.
    pub(crate) clock: Option<RefreshClock>,
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

    /// Records the scene, and its retina if a buffer is free for it.
    pub(crate) fn record_scene(&mut self, encoder: &mut wgpu::CommandEncoder) -> Option<usize> {
        let slot = self.readback.free();
        let buffer = slot.map(|slot| self.readback.buffer(slot));
        self.renderer.record_scene(encoder, buffer);
        slot
    }

    /// Records what may be shown, its checksum and the governor's verdict.
    pub(crate) fn record_present(
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
