//! What frames are drawn onto: a texture, or a window's surface.

use std::sync::Arc;
use std::time::Duration;

use stimulus::Screen;
use timeline::OnsetClass;
use winit::window::Window;

use crate::build;
use crate::clock::{RefreshClock, Stamps};
use crate::config::{Description, DisplayError, Mode, Pacing};
use crate::gpu::Gpu;
use crate::presenter::{Began, Gone, Presenter, Stamp};
use crate::run::{now_ns, sleep_until};
use crate::sync::{Sync, SyncBounds};
use crate::window::OpenWindow;

/// The first presents do not count, because a compositor needs a moment with a new window.
const UNCOUNTED_PRESENTS: usize = 10;

/// Presents after which it is clear that they do not wait for the screen.
const CLEAR_PRESENTS: usize = 30;

/// Presents that a window system takes without waiting after a pause or with a new surface: the images of a swap chain.
const QUEUE_PRESENTS: u32 = 3;

/// How long before its refresh a software-paced present is handed over.
const PRESENT_LEAD_NS: i64 = 300_000;

/// Where a display's frames go.
pub(crate) enum Target {
    Offscreen(Offscreen),
    Window(Box<OpenWindow>, Box<OnScreen>),
}

impl Target {
    /// What can be drawn onto now; a window gives its next texture, unless it is hidden.
    pub(crate) fn surface(&mut self) -> Result<Option<wgpu::Texture>, Gone> {
        match self {
            Self::Offscreen(offscreen) => Ok(Some(offscreen.texture.clone())),
            Self::Window(_, on_screen) => {
                if on_screen.taken.is_none() {
                    on_screen.take()?;
                }
                Ok(on_screen.texture())
            }
        }
    }
}

impl Target {
    /// Shows or hides the window.
    pub(crate) fn set_visible(&self, visible: bool) {
        if let Self::Window(window, _) = self {
            window.window.set_visible(visible);
        }
    }

    /// Nothing was presented for a while.
    pub(crate) fn paused(&mut self) {
        if let Self::Window(_, on_screen) = self {
            on_screen.paused();
        }
    }

    /// What is drawn onto, in px.
    pub(crate) fn surface_px(&self, screen: &Screen) -> [u32; 2] {
        match self {
            Self::Offscreen(_) => [screen.width_px, screen.height_px],
            Self::Window(_, on_screen) => on_screen.size_px(),
        }
    }
}

impl Presenter for Target {
    fn pacing(&self) -> Pacing {
        match self {
            Self::Offscreen(_) => Pacing::Simulated,
            Self::Window(_, on_screen) => on_screen.pacing,
        }
    }

    fn begin(&mut self, begin_ns: i64) -> Result<Began, Gone> {
        match self {
            // Taking the next texture ends at a refresh: the one at which the present before took effect.
            Self::Window(_, on_screen) if on_screen.pacing == Pacing::Screen => {
                let takes = on_screen.take()?;
                let now_ns = now_ns();
                let stamp = Stamp { at_ns: now_ns, class: OnsetClass::Predicted };
                let waited = takes && on_screen.filling == 0;
                Ok(Began { now_ns, stamp: waited.then_some(stamp), takes })
            }
            _ => {
                sleep_until(begin_ns);
                Ok(Began { now_ns: now_ns(), stamp: None, takes: true })
            }
        }
    }

    fn present(&mut self, onset_ns: i64) -> i64 {
        match self {
            Self::Offscreen(_) => {
                let submitted_ns = now_ns();
                sleep_until(onset_ns);
                submitted_ns
            }
            Self::Window(_, on_screen) => {
                if on_screen.pacing == Pacing::Software {
                    sleep_until(onset_ns - PRESENT_LEAD_NS);
                }
                let submitted_ns = now_ns();
                on_screen.present();
                submitted_ns
            }
        }
    }
}

/// A texture that nobody sees.
pub(crate) struct Offscreen {
    pub(crate) texture: wgpu::Texture,
}

impl Offscreen {
    pub(crate) fn prepare(device: &wgpu::Device, screen: &Screen, format: wgpu::TextureFormat) -> Self {
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
            format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::COPY_SRC
                | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        Self { texture }
    }
}

/// A window's surface.
pub(crate) struct OnScreen {
    instance: wgpu::Instance,
    device: wgpu::Device,
    queue: wgpu::Queue,
    window: Arc<Window>,
    /// None only while it is made anew: a window has one surface at a time.
    surface: Option<wgpu::Surface<'static>>,
    config: wgpu::SurfaceConfiguration,
    pacing: Pacing,
    taken: Option<wgpu::SurfaceTexture>,
    /// Presents until the window system's queue is full again and taking a texture waits for the screen.
    filling: u32,
    /// Times that the surface was lost and made anew.
    rebuilt: u64,
}

/// What came of asking for the next texture of a surface.
enum Acquired {
    /// Draw onto this.
    Texture(wgpu::SurfaceTexture),
    /// Not now (hidden, resized, late): try again at the next refresh.
    NotNow,
    /// Not from this surface.
    Lost(&'static str),
}

impl OnScreen {
    /// The surface of a window, and the GPU that can present to it.
    pub(crate) fn open(
        open: &OpenWindow,
        screen_px: [u32; 2],
        mode: Mode,
        bits: u32,
    ) -> Result<(Gpu, Self), DisplayError> {
        let window = &open.window;
        let instance = Gpu::instance();
        let surface = surface_of(&instance, window)?;
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
        // Codes are made for the rig's own transfer; an sRGB surface would encode a second time.
        let wanted: &[wgpu::TextureFormat] = match bits {
            10 => &[wgpu::TextureFormat::Rgb10a2Unorm],
            _ => &[wgpu::TextureFormat::Bgra8Unorm, wgpu::TextureFormat::Rgba8Unorm],
        };
        let format =
            possible.formats.iter().copied().find(|format| wanted.contains(format)).ok_or_else(|| {
                let found = &possible.formats;
                DisplayError::Surface(format!("no linear format of {bits} bits per channel among {found:?}"))
            })?;
        let present_mode =
            [wgpu::PresentMode::Fifo, wgpu::PresentMode::Mailbox, wgpu::PresentMode::Immediate]
                .into_iter()
                .find(|mode| possible.present_modes.contains(mode))
                .ok_or_else(|| DisplayError::Surface("no presentation mode".to_string()))?;
        let config = wgpu::SurfaceConfiguration {
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | (possible.usages & wgpu::TextureUsages::COPY_DST),
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
        build::asked(&gpu.device, || surface.configure(&gpu.device, &config))
            .map_err(DisplayError::Surface)?;
        let on_screen = Self {
            instance,
            device: gpu.device.clone(),
            queue: gpu.queue.clone(),
            window: Arc::clone(window),
            surface: Some(surface),
            config,
            pacing: Pacing::Software,
            taken: None,
            filling: QUEUE_PRESENTS,
            rebuilt: 0,
        };
        Ok((gpu, on_screen))
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

    pub(crate) fn pacing(&self) -> Pacing {
        self.pacing
    }

    pub(crate) fn set_pacing(&mut self, pacing: Pacing) {
        self.pacing = pacing;
    }

    /// Times that the surface was lost and made anew since the last call.
    pub(crate) fn rebuilt(&mut self) -> u64 {
        std::mem::take(&mut self.rebuilt)
    }

    /// The window has another size now.
    pub(crate) fn resize(&mut self, size_px: [u32; 2]) {
        self.config.width = size_px[0].max(1);
        self.config.height = size_px[1].max(1);
        self.configure();
    }

    /// Nothing was presented for a while.
    pub(crate) fn paused(&mut self) {
        self.filling = QUEUE_PRESENTS;
    }

    fn configure(&mut self) {
        self.paused();
        // A texture of the old configuration cannot be presented any more.
        self.taken = None;
        // To ask a surface for a texture that could not be configured (its window is gone) is a panic of wgpu's.
        self.surface.take_if(|surface| {
            build::asked(&self.device, || surface.configure(&self.device, &self.config)).is_err()
        });
    }

    /// Lets go of the surface, so that another one of this window can be made.
    pub(crate) fn close(&mut self) {
        self.taken = None;
        self.surface = None;
    }

    /// Takes the next texture, to be drawn onto and presented; waits for the screen where the presentation mode does.
    /// `false` where there is none now. A surface that is lost is made anew, once.
    pub(crate) fn take(&mut self) -> Result<bool, Gone> {
        self.taken = None;
        let acquired = match self.acquire() {
            Acquired::Lost(reason) => {
                self.renew().map_err(|error| Gone(format!("{reason}, and there is no other: {error}")))?;
                self.acquire()
            }
            acquired => acquired,
        };
        match acquired {
            Acquired::Texture(texture) => self.taken = Some(texture),
            Acquired::NotNow => {}
            Acquired::Lost(reason) => return Err(Gone(format!("{reason}, and another one is, too"))),
        }
        Ok(self.taken.is_some())
    }

    /// The texture that was taken.
    pub(crate) fn texture(&self) -> Option<wgpu::Texture> {
        self.taken.as_ref().map(|taken| taken.texture.clone())
    }

    /// Presents the texture that was taken and drawn onto.
    pub(crate) fn present(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.queue.present(taken);
            self.filling = self.filling.saturating_sub(1);
        }
    }

    /// The surface is found to be lost, once.
    #[cfg(test)]
    pub(crate) fn lose(&mut self) {
        self.close();
    }

    fn acquire(&mut self) -> Acquired {
        use wgpu::CurrentSurfaceTexture as Current;
        let Some(surface) = &self.surface else { return Acquired::Lost("the window has no surface") };
        match surface.get_current_texture() {
            Current::Success(texture) | Current::Suboptimal(texture) => Acquired::Texture(texture),
            Current::Timeout | Current::Occluded => Acquired::NotNow,
            Current::Outdated => {
                self.configure();
                Acquired::NotNow
            }
            Current::Lost => Acquired::Lost("the window's surface is lost"),
            Current::Validation => Acquired::Lost("the window's surface is not valid"),
        }
    }

    fn renew(&mut self) -> Result<(), DisplayError> {
        self.close();
        self.surface = Some(surface_of(&self.instance, &self.window)?);
        self.configure();
        self.rebuilt += 1;
        Ok(())
    }

    /// Stamps of presents of whatever `draw` draws; few when the window is hidden, and no more than it takes to see that
    /// they do not wait.
    pub(crate) fn measure(
        &mut self,
        bounds: &SyncBounds,
        period_ns: f64,
        mut draw: impl FnMut(&wgpu::Texture),
    ) -> Result<Vec<i64>, Gone> {
        let wanted = UNCOUNTED_PRESENTS + bounds.presents;
        let mut stamps = Vec::with_capacity(wanted);
        for _ in 0..2 * wanted {
            if self.take()? {
                stamps.push(now_ns());
                if let Some(surface) = self.texture() {
                    draw(&surface);
                }
                self.present();
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
            let counted = stamps.get(UNCOUNTED_PRESENTS..).unwrap_or_default();
            let clear = counted.len() == CLEAR_PRESENTS && !crate::sync::waits(counted, period_ns);
            if stamps.len() == wanted || clear {
                break;
            }
        }
        stamps.drain(..UNCOUNTED_PRESENTS.min(stamps.len()));
        Ok(stamps)
    }
}

fn surface_of(
    instance: &wgpu::Instance,
    window: &Arc<Window>,
) -> Result<wgpu::Surface<'static>, DisplayError> {
    instance.create_surface(Arc::clone(window)).map_err(|error| DisplayError::Surface(error.to_string()))
}

/// How a window can be paced, from the stamps that its presents have by themselves, and the clock that follows from them.
///
/// A software adapter's presents take as long as its drawing, which says nothing of a screen.
pub(crate) fn pacing_of(
    software: bool,
    stamps_ns: &[i64],
    screen: &Screen,
    bounds: &SyncBounds,
) -> Result<(Option<Sync>, Pacing, Option<RefreshClock>), DisplayError> {
    let measured = Sync::measure(stamps_ns, screen.refresh_period_ns(), Stamps::Late);
    let (sync, clock) = match measured {
        Ok((sync, clock)) if !software => (sync, clock),
        Ok((sync, _)) => (Sync { waits: false, period_ns: sync.median_ns, ..sync }, None),
        Err(fault) if bounds.must_wait => return Err(DisplayError::Sync { measured: None, fault }),
        // A hidden window shows nothing that could be wrong.
        Err(_) => return Ok((None, Pacing::Software, None)),
    };
    sync.judge(screen.refresh_hz, bounds)
        .map_err(|fault| DisplayError::Sync { measured: Some(sync), fault })?;
    let pacing = if clock.is_some() { Pacing::Screen } else { Pacing::Software };
    Ok((Some(sync), pacing, clock))
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
        sync: None,
    }
}

#[cfg(test)]
mod tests {
    use stimulus::ScreenSpec;

    use super::*;

    #[test]
    fn a_screen_paces_only_at_the_rigs_own_refresh() {
        let screen = Screen::new(&ScreenSpec::plain(320, 240)).unwrap();
        let pacing = |software, ms: f64| {
            let stamps_ns: Vec<i64> = (0..130).map(|k| (f64::from(k) * ms * 1e6) as i64).collect();
            pacing_of(software, &stamps_ns, &screen, &SyncBounds::USUAL)
        };
        assert_eq!(pacing(false, 1000.0 / 59.94).unwrap().1, Pacing::Screen);
        assert_eq!(pacing(false, 2.0).unwrap().1, Pacing::Software);
        assert_eq!(pacing(true, 40.0).unwrap().1, Pacing::Software);
        assert_eq!(
            pacing_of(false, &[], &screen, &SyncBounds::USUAL).unwrap(),
            (None, Pacing::Software, None)
        );
        let message = pacing(false, 20.0).unwrap_err().to_string();
        assert!(message.contains("50.00 Hz") && message.contains("60 Hz"), "{message}");
        assert!(message.contains("130 presents"), "{message}");
    }
}
