//! A window of neutral grey that waits unseen until it has to cover the screen: the watchdog's.
//!
//! Everything that takes time (window system, adapter, device) is done before, so that covering is one request and one
//! clear. It is cleared again and again, because a window system may forget what was drawn before a window was seen.

use crate::build;
use crate::config::{DisplayError, Mode};
use crate::gpu::Gpu;
use crate::target::OnScreen;
use crate::window::OpenWindow;

/// Side of the window while nobody sees it, in px.
const WAITING_PX: u32 = 64;

/// The window.
pub struct GreyWindow {
    window: OpenWindow,
    gpu: Gpu,
    surface: OnScreen,
    level: f64,
    monitor: [i64; 4],
}

impl GreyWindow {
    /// Opens it unseen. `level` is the code value of neutral grey, 0..=1; `monitor` is what it has to cover (left, top,
    /// width, height in px), the first monitor without one.
    ///
    /// # Errors
    /// Without a window system or an adapter that can draw to it.
    pub fn prepare(level: f64, monitor: Option<[i64; 4]>, title: &str) -> Result<Self, DisplayError> {
        let size_px = [WAITING_PX; 2];
        let window = OpenWindow::open(size_px, Mode::Window, title, false)?;
        let (gpu, surface) = OnScreen::open(&window, size_px, Mode::Window, 8)?;
        let monitor = monitor.or_else(|| window.first_monitor());
        let monitor = monitor.ok_or_else(|| DisplayError::Window("it has no monitor".into()))?;
        Ok(Self { window, gpu, surface, level: level.clamp(0.0, 1.0), monitor })
    }

    /// Covers the monitor.
    ///
    /// # Errors
    /// When the window is lost.
    pub fn cover(&mut self) -> Result<(), DisplayError> {
        self.window.cover(self.monitor);
        self.draw()
    }

    /// Takes the window's events, and draws grey again.
    ///
    /// # Errors
    /// When the window is lost.
    pub fn draw(&mut self) -> Result<(), DisplayError> {
        self.window.pump();
        if let Some(size_px) = self.window.take_resized()
            && size_px != self.surface.size_px()
        {
            self.surface.resize(size_px);
        }
        self.surface.take().map_err(|gone| DisplayError::Surface(gone.0))?;
        if let Some(surface) = self.surface.texture() {
            self.clear(&surface.create_view(&Default::default()));
        }
        match self.gpu.failure() {
            Some(reason) => Err(DisplayError::Surface(reason.into())),
            None => Ok(()),
        }
    }

    /// Whether somebody pressed Esc in it, or closed it.
    pub fn escape(&self) -> bool {
        self.window.escape()
    }

    fn clear(&mut self, view: &wgpu::TextureView) {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let grey = wgpu::Color { r: self.level, g: self.level, b: self.level, a: 1.0 };
        // Only the clear at its begin is wanted of this pass.
        drop(build::pass(&mut encoder, "grey", view, wgpu::LoadOp::Clear(grey)));
        self.gpu.queue.submit([encoder.finish()]);
        self.surface.present();
    }
}
