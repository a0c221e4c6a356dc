//! Single frames from the GPU, at leisure: what the tests compare with the CPU twin.

use stimulus::{Patch, RetinaGrid, Scene, Screen};

use crate::config::{Description, DisplayError, Pacing};
use crate::gpu::Gpu;
use crate::plan::FrameParams;
use crate::readback::f32_values;
use crate::renderer::Renderer;
use crate::target::{OFFSCREEN_FORMAT, Offscreen, describe};

/// One frame, as every pass left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    /// Linear luminance before the patch, row-major.
    pub linear: Vec<f32>,
    /// Code values of the surface (red; the three channels are equal), row-major.
    pub codes: Vec<u8>,
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
}

impl Snapshots {
    /// Prepares the pipelines without a window.
    ///
    /// # Errors
    /// When there is no adapter, or the screen is too large for it.
    pub fn prepare(
        screen: &Screen,
        scenes: Vec<Scene>,
        patch: &Patch,
        grid: Option<&RetinaGrid>,
    ) -> Result<Self, DisplayError> {
        let gpu = Gpu::open(&Gpu::instance(), None, [screen.width_px, screen.height_px])?;
        let target = Offscreen::prepare(&gpu.device, screen);
        let renderer = Renderer::prepare(&gpu.device, screen, &scenes, patch, grid, OFFSCREEN_FORMAT);
        let read = |label, size| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let pixels = u64::from(bytes_per_row(screen)) * u64::from(screen.height_px);
        Ok(Self {
            cells: grid.map(|grid| read("cells", 4 * grid.cells() as u64)),
            linear: read("linear", pixels),
            codes: read("codes", pixels),
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
    pub fn shoot(&mut self, scene: usize, frame: u64, contrast: f64) -> Result<Shot, DisplayError> {
        let shown = self.scenes.get(scene).copied().unwrap_or(Scene::Grey);
        let params = FrameParams {
            scene,
            amplitude: (contrast * shown.modulation(frame)) as f32,
            patch_luminance: if shown.patch_is_white(frame) { 1.0 } else { 0.0 },
            picture: 0,
        };
        self.renderer.write(&self.gpu.queue, &params);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.renderer.record_scene(&mut encoder, self.cells.as_ref());
        self.renderer.record_encode(&mut encoder, &self.target.view);
        copy(&mut encoder, self.renderer.linear(), &self.linear, &self.screen);
        copy(&mut encoder, &self.target.texture, &self.codes, &self.screen);
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
        Ok(Shot {
            linear: self.rows(&self.linear, frame, |line| {
                f32_values(line).take(width).map(|value| value as f32).collect()
            })?,
            codes: self.rows(&self.codes, frame, |line| {
                line.as_chunks::<4>().0.iter().take(width).map(|pixel| pixel[0]).collect()
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
        frame: u64,
        row: impl Fn(&[u8]) -> Vec<T>,
    ) -> Result<Vec<T>, DisplayError> {
        let stride = bytes_per_row(&self.screen) as usize;
        mapped(buffer, frame, |bytes| bytes.chunks_exact(stride).flat_map(&row).collect())
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

fn copy(encoder: &mut wgpu::CommandEncoder, from: &wgpu::Texture, to: &wgpu::Buffer, screen: &Screen) {
    encoder.copy_texture_to_buffer(
        from.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: to,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(bytes_per_row(screen)),
                rows_per_image: None,
            },
        },
        wgpu::Extent3d { width: screen.width_px, height: screen.height_px, depth_or_array_layers: 1 },
    );
}

/// Both targets have 4 bytes per pixel; a copy's rows must be multiples of 256 bytes.
fn bytes_per_row(screen: &Screen) -> u32 {
    (4 * screen.width_px).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
}
