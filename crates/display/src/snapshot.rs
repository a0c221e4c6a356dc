//! Single frames from the GPU, at leisure: what the tests compare with the CPU twin.

use stimulus::{Moment, Patch, RetinaGrid, Scene, Screen, Sheets};

use crate::config::{Description, DisplayError, Pacing};
use crate::gpu::Gpu;
use crate::plan::FrameParams;
use crate::readback::f32_values;
use crate::renderer::{Renderer, Stage};
use crate::target::{OFFSCREEN_FORMAT, Offscreen, describe};

/// One frame, as every pass left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    /// Linear light before the patch, row-major: red, green and blue of each pixel. It is not clamped.
    pub linear: Vec<[f32; 3]>,
    /// Code values of the surface: red, green and blue of each pixel, row-major.
    pub codes: Vec<[u8; 3]>,
    /// Retina cells, row-major; empty without a grid.
    pub retina: Vec<f64>,
}

/// Draws any frame of prepared scenes and reads it back. Uses the shaders and pipelines of the frame loop.
pub struct Snapshots {
    gpu: Gpu,
    renderer: Renderer,
    target: Offscreen,
    scenes: Vec<Scene>,
    screen: Screen,
    cells: Option<wgpu::Buffer>,
    linear: wgpu::Buffer,
    codes: wgpu::Buffer,
    /// Bytes per pixel of the linear frame.
    linear_bytes: u32,
}

impl Snapshots {
    /// Prepares the pipelines without a window.
    ///
    /// # Errors
    /// When there is no adapter, or the screen is too large for it.
    pub fn prepare(
        screen: &Screen,
        scenes: Vec<Scene>,
        sheets: &Sheets,
        patch: &Patch,
        grid: Option<&RetinaGrid>,
    ) -> Result<Self, DisplayError> {
        let gpu = Gpu::open(&Gpu::instance(), None, [screen.width_px, screen.height_px])?;
        let target = Offscreen::prepare(&gpu.device, screen);
        let stage = Stage { screen, scenes: &scenes, sheets, patch, grid, format: OFFSCREEN_FORMAT };
        let renderer = Renderer::prepare(&gpu.device, &gpu.queue, &stage)?;
        let read = |label, size| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let achromatic = scenes.iter().all(Scene::is_achromatic);
        let linear_bytes = if achromatic { 4 } else { 16 };
        let size = |bytes| u64::from(bytes_per_row(screen, bytes)) * u64::from(screen.height_px);
        Ok(Self {
            cells: grid.map(|grid| read("cells", 4 * grid.cells() as u64)),
            linear: read("linear", size(linear_bytes)),
            codes: read("codes", size(CODE_BYTES)),
            linear_bytes,
            gpu,
            renderer,
            target,
            scenes,
            screen: *screen,
        })
    }

    /// Puts a pattern, `texels * texels` values -1..=1 from the top left corner, into the picture.
    pub fn load(&mut self, texels: &[f32]) {
        self.renderer.pictures.load(&self.gpu.queue, 0, texels);
    }

    /// Draws scene number `scene` as it is in a frame, and waits for it.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn shoot(&mut self, scene: usize, moment: &Moment) -> Result<Shot, DisplayError> {
        let white = self.scenes.get(scene).is_some_and(|shown| shown.patch_is_white(moment));
        let patch_luminance = if white { 1.0 } else { 0.0 };
        let params = FrameParams { scene, moment: *moment, patch_luminance, picture: 0 };
        let frame = moment.frame;
        self.renderer.write(&self.gpu.queue, &params);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.renderer.record_scene(&mut encoder, self.cells.as_ref());
        self.renderer.record_encode(&mut encoder, &self.target.view);
        copy(&mut encoder, self.renderer.linear(), &self.linear, &self.screen, self.linear_bytes);
        copy(&mut encoder, &self.target.texture, &self.codes, &self.screen, CODE_BYTES);
        let submission = self.gpu.queue.submit([encoder.finish()]);
        for buffer in [Some(&self.linear), Some(&self.codes), self.cells.as_ref()].into_iter().flatten() {
            buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        }
        let finished = self.gpu.finish(submission);
        let lost = |reason: &str| DisplayError::Lost { frame, reason: reason.to_string() };
        if let Some(reason) = self.gpu.failure() {
            return Err(lost(reason));
        }
        if !finished {
            return Err(lost("not done within a second"));
        }
        let width = self.screen.width_px as usize;
        let channels = self.linear_bytes as usize / 4;
        let (red, green, blue) = if channels == 1 { (0, 0, 0) } else { (0, 1, 2) };
        Ok(Shot {
            linear: self.rows(&self.linear, self.linear_bytes, frame, |line| {
                let light: Vec<f32> =
                    f32_values(line).take(channels * width).map(|value| value as f32).collect();
                light.chunks_exact(channels).map(|pixel| [pixel[red], pixel[green], pixel[blue]]).collect()
            })?,
            codes: self.rows(&self.codes, CODE_BYTES, frame, |line| {
                line.as_chunks::<4>().0.iter().take(width).map(|&[r, g, b, _]| [r, g, b]).collect()
            })?,
            retina: match &self.cells {
                None => Vec::new(),
                Some(cells) => mapped(cells, frame, |bytes| f32_values(bytes).collect())?,
            },
        })
    }

    /// The adapter that draws.
    pub fn description(&self) -> Description {
        let surface_px = [self.screen.width_px, self.screen.height_px];
        describe(&self.gpu, &self.screen, Pacing::Simulated, surface_px, OFFSCREEN_FORMAT)
    }

    fn rows<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u32,
        frame: u64,
        row: impl Fn(&[u8]) -> Vec<T>,
    ) -> Result<Vec<T>, DisplayError> {
        let stride = bytes_per_row(&self.screen, bytes) as usize;
        mapped(buffer, frame, |all| all.chunks_exact(stride).flat_map(&row).collect())
    }
}

fn mapped<T>(buffer: &wgpu::Buffer, frame: u64, read: impl Fn(&[u8]) -> T) -> Result<T, DisplayError> {
    let view = buffer
        .get_mapped_range(..)
        .map_err(|error| DisplayError::Lost { frame, reason: error.to_string() })?;
    let value = read(&view);
    drop(view);
    buffer.unmap();
    Ok(value)
}

fn copy(
    encoder: &mut wgpu::CommandEncoder,
    from: &wgpu::Texture,
    to: &wgpu::Buffer,
    screen: &Screen,
    bytes: u32,
) {
    encoder.copy_texture_to_buffer(
        from.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: to,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(bytes_per_row(screen, bytes)),
                rows_per_image: None,
            },
        },
        wgpu::Extent3d { width: screen.width_px, height: screen.height_px, depth_or_array_layers: 1 },
    );
}

/// Bytes per pixel of the surface.
const CODE_BYTES: u32 = 4;

/// A copy's rows must be multiples of 256 bytes.
fn bytes_per_row(screen: &Screen, bytes: u32) -> u32 {
    (bytes * screen.width_px).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
}
