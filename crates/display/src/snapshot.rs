//! Single frames from the GPU, at leisure: what the tests compare with the CPU twin.

use stimulus::Moment;
use stimulus::checksum::Checksum;
use stimulus::picture::Mix;

use crate::config::{Description, DisplayError, Pacing};
use crate::copied::{self, bytes_per_row, copy};
use crate::gpu::Gpu;
use crate::plan::FrameParams;
use crate::readback::{HEAD, f32_values};
use crate::renderer::Renderer;
use crate::run::now_ns;
use crate::scenery::Scenery;
use crate::target::{Offscreen, describe};

/// One frame, as every pass left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    /// Linear light before the patch, row-major: red, green and blue of each pixel. It is not clamped.
    pub linear: Vec<[f32; 3]>,
    /// Codes before the patch: red, green and blue of each pixel, row-major.
    pub codes: Vec<[u32; 3]>,
    /// Codes of the surface, with the patch.
    pub presented: Vec<[u32; 3]>,
    /// What the codes are known by.
    pub checksum: Checksum,
    /// Retina cells, row-major; empty without a grid.
    pub retina: Vec<f64>,
}

/// What [`Snapshots::race`] took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Race {
    /// All frames.
    pub total_ns: i64,
    /// Each frame's own numbers, in our code.
    pub ours_ns: Vec<i64>,
}

/// Draws any frame of a scenery and reads it back. Uses the shaders and pipelines of the frame loop.
pub struct Snapshots {
    gpu: Gpu,
    renderer: Renderer,
    target: Offscreen,
    scenery: Scenery,
    format: wgpu::TextureFormat,
    head: wgpu::Buffer,
    linear: wgpu::Buffer,
    codes: wgpu::Buffer,
    presented: wgpu::Buffer,
    /// Bytes per pixel of the linear frame.
    linear_bytes: u32,
}

impl Snapshots {
    /// Prepares the pipelines without a window.
    ///
    /// # Errors
    /// When there is no adapter, or the screen or a sheet is too large for it.
    pub fn prepare(scenery: Scenery) -> Result<Self, DisplayError> {
        let screen = &scenery.screen;
        let gpu = Gpu::open(&Gpu::instance(), None, [screen.width_px, screen.height_px])?;
        let format = scenery.code_format();
        let target = Offscreen::prepare(&gpu.device, screen, format);
        let renderer = Renderer::prepare(&gpu.device, &gpu.queue, &scenery, format)?;
        let linear_bytes = if scenery.is_achromatic() { 4 } else { 16 };
        let size = |bytes| u64::from(bytes_per_row(screen, bytes)) * u64::from(screen.height_px);
        Ok(Self {
            head: copied::buffer(&gpu.device, "head", renderer.head_bytes()),
            linear: copied::buffer(&gpu.device, "linear", size(linear_bytes)),
            codes: copied::buffer(&gpu.device, "codes", size(CODE_BYTES)),
            presented: copied::buffer(&gpu.device, "presented", size(CODE_BYTES)),
            linear_bytes,
            gpu,
            renderer,
            target,
            scenery,
            format,
        })
    }

    /// Puts a pattern, `texels * texels` values -1..=1 from the top left corner, into picture 0, the one that is shown.
    pub fn load(&mut self, texels: &[f32]) {
        self.load_as(0, texels);
    }

    /// Puts it into a picture of another number.
    pub fn load_as(&mut self, picture: u64, texels: &[f32]) {
        self.renderer.pictures.load(&self.gpu.queue, picture, texels);
    }

    /// Draws scene number `scene` as it is in a frame, and waits for it.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn shoot(&mut self, scene: usize, moment: &Moment) -> Result<Shot, DisplayError> {
        self.shoot_pictures(scene, moment, Mix::only(0))
    }

    /// The same with pictures of these numbers in it.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn shoot_pictures(
        &mut self,
        scene: usize,
        moment: &Moment,
        pictures: Mix,
    ) -> Result<Shot, DisplayError> {
        let white = self.scenery.scenes.get(scene).is_some_and(|shown| shown.patch_is_white(moment));
        let patch_luminance = if white { 1.0 } else { 0.0 };
        let params = FrameParams { scene, moment: *moment, patch_luminance, pictures };
        let (frame, screen) = (moment.frame, self.scenery.screen);
        self.renderer.write(&self.gpu.queue, &params);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.renderer.record_light(&mut encoder);
        self.renderer.record_scene(&mut encoder, Some(&self.head));
        self.renderer.record_present(&mut encoder, &self.target.texture, Some(&self.head));
        copy(&mut encoder, self.renderer.linear(), &self.linear, &screen, self.linear_bytes);
        copy(&mut encoder, self.renderer.codes(), &self.codes, &screen, CODE_BYTES);
        copy(&mut encoder, &self.target.texture, &self.presented, &screen, CODE_BYTES);
        copied::submit(&self.gpu, encoder, &[&self.linear, &self.codes, &self.presented, &self.head], frame)?;
        let mut sums = [0; 4];
        let retina = copied::read(&self.head, frame, |bytes| {
            let (head, cells) = bytes.split_at(HEAD as usize);
            let words: Vec<u32> =
                head.as_chunks::<4>().0.iter().take(4).map(|bytes| u32::from_le_bytes(*bytes)).collect();
            (words, f32_values(cells).collect())
        })
        .map(|(words, cells): (Vec<u32>, Vec<f64>)| {
            sums.copy_from_slice(&words);
            cells
        })?;
        let codes = |line: &[u8]| codes_of(line, screen.width_px as usize, self.scenery.light.bits());
        Ok(Shot {
            linear: self.rows(&self.linear, self.linear_bytes, frame, |line| {
                light_of(line, screen.width_px as usize, self.linear_bytes as usize / 4)
            })?,
            codes: self.rows(&self.codes, CODE_BYTES, frame, codes)?,
            presented: self.rows(&self.presented, CODE_BYTES, frame, codes)?,
            checksum: Checksum(sums),
            retina,
        })
    }

    /// Draws frames one after the other as fast as it goes, at most two of them on their way, and reads nothing back. Returns
    /// how long all took, and how long each took in our own code before the graphics library was called.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn race(
        &mut self,
        scene: usize,
        frames: std::ops::Range<u64>,
        contrast: f64,
    ) -> Result<Race, DisplayError> {
        let mut race = Race { total_ns: 0, ours_ns: Vec::with_capacity(frames.clone().count()) };
        let mut before = None;
        let begun_ns = now_ns();
        for frame in frames {
            let moment = Moment::new(frame, contrast);
            let params = FrameParams { scene, moment, patch_luminance: 0.0, pictures: Mix::only(0) };
            let ours_ns = now_ns();
            self.renderer.prepare_frame(&params);
            race.ours_ns.push(now_ns() - ours_ns);
            self.renderer.write(&self.gpu.queue, &params);
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            self.renderer.record_scene(&mut encoder, None);
            self.renderer.record_present(&mut encoder, &self.target.texture, None);
            let submission = self.gpu.queue.submit([encoder.finish()]);
            if let Some(before) = before.replace(submission) {
                self.gpu.finish(before);
            }
            if let Some(reason) = self.gpu.failure() {
                return Err(DisplayError::Lost { frame, reason: reason.to_string() });
            }
        }
        if let Some(last) = before {
            self.gpu.finish(last);
        }
        race.total_ns = now_ns() - begun_ns;
        Ok(race)
    }

    /// The adapter that draws.
    pub fn description(&self) -> Description {
        let screen = &self.scenery.screen;
        describe(&self.gpu, screen, Pacing::Simulated, [screen.width_px, screen.height_px], self.format)
    }

    fn rows<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u32,
        frame: u64,
        row: impl Fn(&[u8]) -> Vec<T>,
    ) -> Result<Vec<T>, DisplayError> {
        let stride = bytes_per_row(&self.scenery.screen, bytes) as usize;
        copied::read(buffer, frame, |all| all.chunks_exact(stride).flat_map(&row).collect())
    }
}

/// Red, green and blue of a row of linear light of one or four channels.
fn light_of(line: &[u8], width: usize, channels: usize) -> Vec<[f32; 3]> {
    let (red, green, blue) = if channels == 1 { (0, 0, 0) } else { (0, 1, 2) };
    let light: Vec<f32> = f32_values(line).take(channels * width).map(|value| value as f32).collect();
    light.chunks_exact(channels).map(|pixel| [pixel[red], pixel[green], pixel[blue]]).collect()
}

/// Red, green and blue of a row of codes of 8 or 10 bits.
fn codes_of(line: &[u8], width: usize, bits: u32) -> Vec<[u32; 3]> {
    let pixel = |bytes: &[u8; 4]| {
        let word = u32::from_le_bytes(*bytes);
        let mask = (1 << bits) - 1;
        [word & mask, word >> bits & mask, word >> (2 * bits) & mask]
    };
    line.as_chunks::<4>().0.iter().take(width).map(pixel).collect()
}

/// Bytes per pixel of the surface.
const CODE_BYTES: u32 = 4;
