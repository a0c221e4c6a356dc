//! Governed frames from the GPU, at leisure: what the tests compare with the rule.

use stimulus::Screen;
use stimulus::safety::{Governor, Request, VERDICT_WORDS, Verdict};

use crate::config::DisplayError;
use crate::copied::{self, bytes_per_row};
use crate::governor::{GovernorPasses, read};
use crate::gpu::Gpu;
use crate::target::Offscreen;

/// Of what is shown.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Bytes per pixel of that.
const CODE_BYTES: u32 = 4;

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
        let rows = u64::from(screen.height_px);
        Ok(Self {
            target: Offscreen::prepare(&gpu.device, screen, FORMAT),
            shown: copied::buffer(&gpu.device, "shown", u64::from(bytes_per_row(screen, CODE_BYTES)) * rows),
            verdict: copied::buffer(&gpu.device, "verdict", 4 * VERDICT_WORDS as u64),
            state: copied::buffer(&gpu.device, "state", 4 * twin.state().len() as u64),
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
        copied::copy(&mut encoder, &self.target.texture, &self.shown, &self.screen, CODE_BYTES);
        copied::submit(&self.gpu, encoder, &[&self.shown, &self.verdict], 0)?;
        let verdict = copied::read(&self.verdict, 0, read)?;
        let verdict = verdict
            .ok_or_else(|| DisplayError::Lost { frame: 0, reason: "a verdict that is none".into() })?;
        let width = self.screen.width_px as usize;
        let stride = bytes_per_row(&self.screen, CODE_BYTES) as usize;
        let shown = copied::read(&self.shown, 0, |bytes| {
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
        copied::submit(&self.gpu, encoder, &[&self.state], 0)?;
        copied::read(&self.state, 0, |bytes| {
            bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        })
    }
}
