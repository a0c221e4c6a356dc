//! What frames are drawn onto: a texture, or a window's surface.

use std::sync::Arc;
use std::time::Duration;

use stimulus::Screen;

use crate::config::{Description, DisplayError, Mode, Pacing};
use crate::gpu::Gpu;
use crate::run::now_ns;
use crate::window::OpenWindow;

/// Format of the offscreen target.
pub(crate) const OFFSCREEN_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Presents before the run; the first ones do not count, because a compositor needs a moment with a new window.
const MEASURED_PRESENTS: usize = 40;
const UNCOUNTED_PRESENTS: usize = 10;

/// Presents that come faster than this part of a period do not wait for the screen.
const NOT_WAITING: f64 = 0.7;

/// The screen's refresh may differ from the rig file's by this part, measured over 30 intervals.
const REFRESH_TOLERANCE: f64 = 0.05;

/// A texture that nobody sees.
pub(crate) struct Offscreen {
    pub(crate) texture: wgpu::Texture,
    pub(crate) view: wgpu::TextureView,
}

impl Offscreen {
    pub(crate) fn prepare(device: &wgpu::Device, screen: &Screen) -> Self {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("offscreen"),
            size: wgpu::Extent3d {
                width: screen.width_px,
                height: screen.height_px,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: OFFSCREEN_FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = texture.create_view(&Default::default());
        Self { texture, view }
    }
}

/// A window's surface.
pub(crate) struct OnScreen {
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
}

/// What came of asking for the next texture of a surface.
pub(crate) enum Acquired {
    /// Draw onto this.
    Texture(wgpu::SurfaceTexture),
    /// Not now (hidden, resized, late): try again at the next refresh.
    NotNow,
    /// Never again.
    Lost(&'static str),
}

impl OnScreen {
    /// The surface of a window, and the GPU that can present to it.
    pub(crate) fn open(
        open: &OpenWindow,
        screen_px: [u32; 2],
        mode: Mode,
    ) -> Result<(Gpu, Self), DisplayError> {
        let window = &open.window;
        let instance = Gpu::instance();
        let surface = instance
            .create_surface(Arc::clone(window))
            .map_err(|error| DisplayError::Surface(error.to_string()))?;
        let gpu = Gpu::open(&instance, Some(&surface), screen_px)?;
        let size = window.inner_size();
        let [width, height] = open.monitor_px().unwrap_or([size.width, size.height]);
        if mode == Mode::Fullscreen && [width, height] != screen_px {
            return Err(DisplayError::ScreenSize {
                width,
                height,
                rig_width: screen_px[0],
                rig_height: screen_px[1],
            });
        }
        let possible = surface.get_capabilities(&gpu.adapter);
        // The last pass encodes for the rig's gamma; an sRGB surface would encode a second time.
        let format = possible
            .formats
            .iter()
            .copied()
            .find(|format| {
                matches!(format, wgpu::TextureFormat::Bgra8Unorm | wgpu::TextureFormat::Rgba8Unorm)
            })
            .ok_or_else(|| {
                DisplayError::Surface(format!("no 8-bit linear format among {:?}", possible.formats))
            })?;
        let present_mode =
            [wgpu::PresentMode::Fifo, wgpu::PresentMode::Mailbox, wgpu::PresentMode::Immediate]
                .into_iter()
                .find(|mode| possible.present_modes.contains(mode))
                .ok_or_else(|| DisplayError::Surface("no presentation mode".to_string()))?;
        let config = wgpu::SurfaceConfiguration {
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            format,
            color_space: wgpu::SurfaceColorSpace::Auto,
            width: size.width.max(1),
            height: size.height.max(1),
            present_mode,
            // One frame in flight: every further one would add a refresh between command and light.
            desired_maximum_frame_latency: 1,
            alpha_mode: wgpu::CompositeAlphaMode::Auto,
            view_formats: vec![],
        };
        surface.configure(&gpu.device, &config);
        Ok((gpu, Self { surface, config }))
    }

    pub(crate) fn format(&self) -> wgpu::TextureFormat {
        self.config.format
    }

    pub(crate) fn size_px(&self) -> [u32; 2] {
        [self.config.width, self.config.height]
    }

    pub(crate) fn present_mode(&self) -> wgpu::PresentMode {
        self.config.present_mode
    }

    /// The window has another size now.
    pub(crate) fn resize(&mut self, device: &wgpu::Device, size_px: [u32; 2]) {
        self.config.width = size_px[0].max(1);
        self.config.height = size_px[1].max(1);
        self.surface.configure(device, &self.config);
    }

    /// The next texture; waits for the screen where the presentation mode does.
    pub(crate) fn acquire(&self, device: &wgpu::Device) -> Acquired {
        use wgpu::CurrentSurfaceTexture as Current;
        match self.surface.get_current_texture() {
            Current::Success(texture) | Current::Suboptimal(texture) => Acquired::Texture(texture),
            Current::Timeout | Current::Occluded => Acquired::NotNow,
            Current::Outdated => {
                self.surface.configure(device, &self.config);
                Acquired::NotNow
            }
            Current::Lost => Acquired::Lost("the window's surface is lost"),
            Current::Validation => Acquired::Lost("the window's surface is not valid"),
        }
    }

    /// Median interval in ns between presents of whatever `draw` draws; `None` when the window is hidden.
    pub(crate) fn measure(&self, gpu: &Gpu, mut draw: impl FnMut(&wgpu::TextureView)) -> Option<f64> {
        let mut stamps = Vec::with_capacity(MEASURED_PRESENTS);
        let mut attempts = 0;
        while stamps.len() < MEASURED_PRESENTS && attempts < 2 * MEASURED_PRESENTS {
            attempts += 1;
            if let Acquired::Texture(texture) = self.acquire(&gpu.device) {
                stamps.push(now_ns());
                draw(&texture.texture.create_view(&Default::default()));
                gpu.queue.present(texture);
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let mut intervals: Vec<i64> =
            stamps.get(UNCOUNTED_PRESENTS..)?.windows(2).map(|pair| pair[1] - pair[0]).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).map(|&median| median as f64)
    }
}

/// How a window can be paced, from the interval that its presents have by themselves.
///
/// A software adapter is never asked: its presents take as long as its drawing, which says nothing of a screen.
pub(crate) fn pacing_of(
    software: bool,
    interval_ns: Option<f64>,
    screen: &Screen,
) -> Result<Pacing, DisplayError> {
    let period_ns = screen.refresh_period_ns();
    match interval_ns {
        Some(interval_ns) if !software && interval_ns >= NOT_WAITING * period_ns => {
            if (interval_ns / period_ns - 1.0).abs() > REFRESH_TOLERANCE {
                return Err(DisplayError::Refresh {
                    measured_hz: 1e9 / interval_ns,
                    rig_hz: screen.refresh_hz,
                });
            }
            Ok(Pacing::Screen)
        }
        _ => Ok(Pacing::Software),
    }
}

/// Adapter and target in words.
pub(crate) fn describe(
    gpu: &Gpu,
    screen: &Screen,
    pacing: Pacing,
    surface_px: [u32; 2],
    format: wgpu::TextureFormat,
) -> Description {
    Description {
        adapter: gpu.info.name.clone(),
        driver: gpu.info.driver.clone(),
        driver_info: gpu.info.driver_info.clone(),
        backend: gpu.info.backend.to_string(),
        software: gpu.is_software(),
        pacing,
        screen_px: [screen.width_px, screen.height_px],
        surface_px,
        format: format!("{format:?}"),
        present_mode: None,
        measured_interval_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use stimulus::ScreenSpec;

    use super::*;

    #[test]
    fn a_screen_paces_only_at_the_rigs_own_refresh() {
        let screen = Screen::new(&ScreenSpec {
            width_px: 320,
            height_px: 240,
            width_cm: 32.0,
            height_cm: 24.0,
            distance_cm: 57.3,
            refresh_hz: 60.0,
            luminance_max_cd_m2: 120.0,
            luminance_min_cd_m2: 0.0,
            gamma: 2.2,
        })
        .unwrap();
        let pacing = |software, ms: f64| pacing_of(software, Some(ms * 1e6), &screen);
        assert_eq!(pacing(false, 1000.0 / 59.94).unwrap(), Pacing::Screen);
        assert_eq!(pacing(false, 2.0).unwrap(), Pacing::Software);
        assert_eq!(pacing(true, 40.0).unwrap(), Pacing::Software);
        assert_eq!(pacing_of(false, None, &screen).unwrap(), Pacing::Software);
        let message = pacing(false, 20.0).unwrap_err().to_string();
        assert!(message.contains("50.00 Hz") && message.contains("60 Hz"), "{message}");
    }
}
