//! Governed frames from the GPU, at leisure: what the tests compare with the rule.

use stimulus::Screen;
use stimulus::safety::{Governor, Request, VERDICT_WORDS, Verdict};

use crate::config::DisplayError;
use crate::governor::{GovernorPasses, read};
use crate::gpu::Gpu;
use crate::target::Offscreen;

/// Of what is shown.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Runs the governor's passes on candidates that are given as pixels, and reads back what they show.
pub struct GovernedFrames {
    gpu: Gpu,
    passes: GovernorPasses,
    target: Offscreen,
    shown: wgpu::Buffer,
    verdict: wgpu::Buffer,
    state: wgpu::Buffer,
    screen: Screen,
    upload: Vec<u8>,
}

/// One governed frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governed {
    /// The frame's record.
    pub verdict: Verdict,
    /// Code values of the surface [r, g, b, a], row-major.
    pub shown: Vec<[u8; 4]>,
}

impl GovernedFrames {
    /// Passes that do what `twin`, a governor of 8-bit code values of this screen, does from where it stands.
    ///
    /// # Errors
    /// When there is no adapter, or the screen is too large for it.
    pub fn prepare(screen: &Screen, twin: &Governor) -> Result<Self, DisplayError> {
        let gpu = Gpu::open(&Gpu::instance(), None, [screen.width_px, screen.height_px])?;
        let passes = GovernorPasses::prepare(&gpu.device, &gpu.queue, twin, FORMAT)?;
        let read = |label, size| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let rows = u64::from(screen.height_px);
        Ok(Self {
            target: Offscreen::prepare(&gpu.device, screen, FORMAT),
            shown: read("shown", u64::from(bytes_per_row(screen)) * rows),
            verdict: read("verdict", 4 * VERDICT_WORDS as u64),
            state: read("state", 4 * twin.state().len() as u64),
            upload: vec![255; 4 * screen.width_px as usize * screen.height_px as usize],
            screen: *screen,
            gpu,
            passes,
        })
    }

    /// Judges and shows one candidate, packed pixels by rows, and waits for it.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn step(&mut self, candidate: &[u32], request: Request) -> Result<Governed, DisplayError> {
        for (to, &pixel) in self.upload.as_chunks_mut::<4>().0.iter_mut().zip(candidate) {
            let [r, g, b] = stimulus::safety::light::unpack(pixel).map(|code| code as u8);
            *to = [r, g, b, 255];
        }
        let size = wgpu::Extent3d {
            width: self.screen.width_px,
            height: self.screen.height_px,
            depth_or_array_layers: 1,
        };
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(4 * self.screen.width_px),
            rows_per_image: None,
        };
        let texture = self.passes.candidate().texture();
        self.gpu.queue.write_texture(texture.as_image_copy(), &self.upload, layout, size);
        self.passes.write(&self.gpu.queue, request, [0, 0]);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.passes.record(&mut encoder);
        self.passes.record_show(&mut encoder, &self.target.texture.create_view(&Default::default()));
        self.passes.record_verdict(&mut encoder, &self.verdict, 0);
        encoder.copy_texture_to_buffer(
            self.target.texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &self.shown,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(bytes_per_row(&self.screen)),
                    rows_per_image: None,
                },
            },
            size,
        );
        self.submit(encoder, &[&self.shown, &self.verdict])?;
        let verdict = mapped(&self.verdict, read)?.ok_or_else(|| lost("a verdict that is none"))?;
        let width = self.screen.width_px as usize;
        let stride = bytes_per_row(&self.screen) as usize;
        let shown = mapped(&self.shown, |bytes| {
            let line = |line: &[u8]| line.as_chunks::<4>().0[..width].to_vec();
            bytes.chunks_exact(stride).flat_map(line).collect()
        })?;
        Ok(Governed { verdict, shown })
    }

    /// The cells' state, to compare with the twin's.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn state(&mut self) -> Result<Vec<u32>, DisplayError> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(self.passes.state(), 0, &self.state, 0, self.state.size());
        self.submit(encoder, &[&self.state])?;
        mapped(&self.state, |bytes| {
            bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        })
    }

    fn submit(&self, encoder: wgpu::CommandEncoder, read: &[&wgpu::Buffer]) -> Result<(), DisplayError> {
        let submission = self.gpu.queue.submit([encoder.finish()]);
        for buffer in read {
            buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        }
        let finished = self.gpu.finish_first(submission);
        match self.gpu.failure() {
            Some(reason) => Err(lost(reason)),
            None if !finished => Err(lost("not done within half a minute")),
            None => Ok(()),
        }
    }
}

fn lost(reason: &str) -> DisplayError {
    DisplayError::Lost { frame: 0, reason: reason.to_string() }
}

fn mapped<T>(buffer: &wgpu::Buffer, read: impl Fn(&[u8]) -> T) -> Result<T, DisplayError> {
    let view = buffer.get_mapped_range(..).map_err(|error| lost(&error.to_string()))?;
    let value = read(&view);
    drop(view);
    buffer.unmap();
    Ok(value)
}

/// A copy's rows must be multiples of 256 bytes.
fn bytes_per_row(screen: &Screen) -> u32 {
    (4 * screen.width_px).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
}
