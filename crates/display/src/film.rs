//! Governed frames as fast as the adapter goes: what a bench measures of the governor.

use stimulus::Screen;
use stimulus::safety::Governor;
use stimulus::safety::light::unpack;

use crate::config::{Description, DisplayError, Pacing};
use crate::governor::{GovernorPasses, Memory, STAGES, stages};
use crate::gpu::Gpu;
use crate::run::now_ns;
use crate::target::{Offscreen, describe};

/// Of what is judged and shown.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Runs the governor's passes on the frames of a film, again and again, and reads nothing back.
pub struct GovernedFilm {
    gpu: Gpu,
    passes: GovernorPasses,
    target: Offscreen,
    screen: Screen,
    film: Vec<wgpu::Texture>,
    next: usize,
}

impl GovernedFilm {
    /// Passes that do what `twin`, a governor of 8-bit code values of this screen, does from where it stands.
    ///
    /// # Errors
    /// When there is no adapter, or the screen is too large for it.
    pub fn prepare(screen: &Screen, twin: &Governor) -> Result<Self, DisplayError> {
        let gpu = Gpu::open(&Gpu::instance(), None, [screen.width_px, screen.height_px])?;
        let passes = GovernorPasses::prepare(&gpu.device, &gpu.queue, twin, FORMAT)?;
        let target = Offscreen::prepare(&gpu.device, screen, FORMAT);
        Ok(Self { target, passes, film: Vec::new(), next: 0, screen: *screen, gpu })
    }

    /// The adapter that judges.
    pub fn description(&self) -> Description {
        let size = [self.screen.width_px, self.screen.height_px];
        describe(&self.gpu, &self.screen, Pacing::Simulated, size, FORMAT)
    }

    /// What the governor holds on the GPU.
    pub fn memory(&self) -> Memory {
        self.passes.memory()
    }

    /// Bytes that a storage binding of this device may have.
    pub fn largest_binding(&self) -> u64 {
        self.gpu.device.limits().max_storage_buffer_binding_size
    }

    /// Takes another film, packed pixels by rows for each frame, and forgets what was shown.
    pub fn load(&mut self, frames: &[Vec<u32>]) {
        self.passes.reset(&self.gpu.queue);
        self.next = 0;
        self.film.clear();
        let size = self.passes.candidate().texture().size();
        for pixels in frames {
            let texture = self.gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("film"),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::COPY_SRC | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            });
            let codes = |&pixel: &u32| unpack(pixel).map(|code| code as u8);
            let bytes: Vec<u8> = pixels.iter().map(codes).flat_map(|[r, g, b]| [r, g, b, 255]).collect();
            let layout = wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(4 * size.width),
                rows_per_image: None,
            };
            self.gpu.queue.write_texture(texture.as_image_copy(), &bytes, layout, size);
            self.film.push(texture);
        }
    }

    /// Judges and shows frames one after the other as fast as it goes, at most two of them on their way. Gives how long all
    /// took, in ns.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn race(&mut self, frames: u64) -> Result<i64, DisplayError> {
        let surface = self.target.texture.create_view(&Default::default());
        let mut before = None;
        let begun_ns = now_ns();
        for _ in 0..frames {
            let mut encoder = self.begin();
            self.passes.record(&mut encoder);
            self.passes.record_show(&mut encoder, &surface);
            let submission = self.gpu.queue.submit([encoder.finish()]);
            if let Some(before) = before.replace(submission) {
                self.wait(before)?;
            }
        }
        before.map_or(Ok(()), |last| self.wait(last))?;
        Ok(now_ns() - begun_ns)
    }

    /// The names of the passes, in the order of [`GovernedFilm::passes_ns`].
    pub fn passes() -> [&'static str; STAGES] {
        stages()
    }

    /// Time of each pass in each of `frames` frames in ns: they are handed over one by one and waited for, and what handing over
    /// nothing takes is taken off. No clock of the adapter is asked: a software adapter's stamps come from another thread,
    /// which may have to wait for the next pass.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn passes_ns(&mut self, frames: u64) -> Result<Vec<[i64; STAGES]>, DisplayError> {
        let surface = self.target.texture.create_view(&Default::default());
        let mut all = Vec::new();
        for _ in 0..frames {
            let candidate = self.begin();
            self.timed(candidate)?;
            let nothing = self.gpu.device.create_command_encoder(&Default::default());
            let nothing_ns = self.timed(nothing)?;
            let mut passes_ns = [0; STAGES];
            for (stage, ns) in passes_ns.iter_mut().enumerate() {
                let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
                self.passes.record_stage(&mut encoder, &surface, stage);
                *ns = self.timed(encoder)? - nothing_ns;
            }
            all.push(passes_ns);
        }
        Ok(all)
    }

    fn timed(&self, encoder: wgpu::CommandEncoder) -> Result<i64, DisplayError> {
        let commands = encoder.finish();
        let begun_ns = now_ns();
        let submission = self.gpu.queue.submit([commands]);
        self.wait(submission)?;
        Ok(now_ns() - begun_ns)
    }

    /// The next frame of the film as the candidate.
    fn begin(&mut self) -> wgpu::CommandEncoder {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        if let Some(frame) = self.film.get(self.next) {
            let candidate = self.passes.candidate().texture();
            encoder.copy_texture_to_texture(
                frame.as_image_copy(),
                candidate.as_image_copy(),
                candidate.size(),
            );
            self.next = (self.next + 1) % self.film.len();
        }
        encoder
    }

    fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), DisplayError> {
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
