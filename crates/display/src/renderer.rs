//! The pipelines of a frame: elements in linear light, retina reduction, codes and their checksum, the surface.

use stimulus::picture::Mix;
use stimulus::safety::Request;
use stimulus::{Moment, RetinaGrid, Scene, Screen};

use crate::build::{self, Program, buffer};
use crate::config::DisplayError;
use crate::elements::{Elements, linear_format};
use crate::governor::GovernorPasses;
use crate::gpu::Gpu;
use crate::light::LightTable;
use crate::pictures::Pictures;
use crate::plan::FrameParams;
use crate::present::PresentPass;
use crate::readback::{CHECKSUM_BYTES, HEAD};
use crate::scenery::Scenery;
use crate::uniform::FrameUniform;

/// WGSL of the retina pass.
const RETINA: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/retina.wgsl"));
/// WGSL of the pass from light to codes.
const ENCODE: &str = concat!(
    include_str!("../../../shaders/frame.wgsl"),
    include_str!("../../../shaders/light.wgsl"),
    include_str!("../../../shaders/encode.wgsl")
);
/// WGSL of the checksum.
const CHECKSUM: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/checksum.wgsl"));

/// Rows of pixels that one row of the checksum's invocations takes: `checksum.wgsl` strides by 64.
const CHECKSUM_ROWS: u32 = 64;

/// Everything that a frame needs on the GPU.
pub(crate) struct Renderer {
    scenes: Vec<Scene>,
    uniform: FrameUniform,
    uniform_buffer: wgpu::Buffer,
    pub(crate) pictures: Pictures,
    elements: Elements,
    shown: usize,
    linear: wgpu::Texture,
    linear_view: wgpu::TextureView,
    codes: wgpu::Texture,
    codes_view: wgpu::TextureView,
    encode: Pass,
    present: PresentPass,
    checksum: Compute,
    governor: Option<GovernorPasses>,
    retina: Option<Compute>,
    cells: usize,
}

/// A pass that covers its target.
struct Pass {
    pipeline: wgpu::RenderPipeline,
    bindings: [wgpu::BindGroup; 2],
}

/// A compute pass and what it fills.
struct Compute {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    filled: wgpu::Buffer,
    workgroups: [u32; 2],
}

impl Renderer {
    /// Builds every pipeline. `format` is that of the surface (or offscreen target), and of the codes; it must not be an sRGB
    /// one, because codes are made for the rig's own transfer.
    ///
    /// # Errors
    /// When the adapter cannot hold the sheets.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scenery: &Scenery,
        format: wgpu::TextureFormat,
    ) -> Result<Self, DisplayError> {
        let uniform = FrameUniform::prepare(scenery);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniform_buffer = buffer(device, "frame", FrameUniform::SIZE as u64, usage);
        let linear = target(device, "linear", &scenery.screen, linear_format(scenery));
        let linear_view = linear.create_view(&Default::default());
        let codes = target(device, "codes", &scenery.screen, format);
        let codes_view = codes.create_view(&Default::default());
        let pictures = Pictures::prepare(device, &scenery.scenes);
        let table = LightTable::prepare(device, queue, &scenery.light)?;
        let elements = Elements::prepare(device, queue, scenery, format, &pictures, &table, &uniform_buffer)?;
        // What it lets pass is drawn once more, onto the codes.
        let governor = scenery.governor.as_ref();
        let governor =
            governor.map(|twin| GovernorPasses::prepare(device, queue, twin, format)).transpose()?;
        Ok(Self {
            scenes: scenery.scenes.clone(),
            uniform,
            pictures,
            elements,
            shown: 0,
            encode: encode_pass(device, scenery, format, &uniform_buffer, &linear_view, &table),
            present: PresentPass::prepare(device, format, &uniform_buffer, &codes_view, scenery.patch),
            checksum: checksum_pass(device, scenery, &uniform_buffer, &codes_view),
            governor,
            retina: scenery
                .retina
                .as_ref()
                .map(|grid| retina_pass(device, grid, &uniform_buffer, &linear_view)),
            cells: scenery.retina.as_ref().map_or(0, RetinaGrid::cells),
            uniform_buffer,
            linear,
            linear_view,
            codes,
            codes_view,
        })
    }

    /// Draws every scene once for nobody to see: drivers compile a pipeline when it is first drawn with, and that must not be in
    /// front of a person. `head` takes what a frame copies for the CPU.
    pub(crate) fn warm_up(&mut self, gpu: &Gpu, head: &wgpu::Buffer) {
        for scene in 0..self.scenes.len() {
            let moment = Moment::new(0, 1.0);
            self.write(
                &gpu.queue,
                &FrameParams { scene, moment, patch_luminance: 0.0, pictures: Mix::only(0) },
            );
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            self.record_scene(&mut encoder, Some(head));
            gpu.finish_first(gpu.queue.submit([encoder.finish()]));
        }
    }

    /// Bytes that a frame copies for the CPU.
    pub(crate) fn head_bytes(&self) -> u64 {
        HEAD + 4 * self.cells as u64
    }

    /// Where the stimulus begins on a surface of another size.
    pub(crate) fn set_surface(&mut self, screen: &Screen, surface_px: [u32; 2]) {
        let origin = |surface: u32, size: u32| (i64::from(surface) - i64::from(size)).div_euclid(2) as i32;
        self.uniform
            .set_origin([origin(surface_px[0], screen.width_px), origin(surface_px[1], screen.height_px)]);
    }

    /// Takes new pictures, then hands the frame's numbers over: two buffer writes. A picture whose pattern is not there is
    /// grey.
    pub(crate) fn write(&mut self, queue: &wgpu::Queue, params: &FrameParams) {
        self.pictures.take(queue);
        let Some(scene) = self.scenes.get(params.scene) else { return };
        self.shown = params.scene;
        self.uniform.set_frame(params.moment.frame, params.patch_luminance);
        let Mix { from, to, weight } = params.pictures;
        self.uniform.set_pictures(self.pictures.layer(from), self.pictures.layer(to), weight);
        queue.write_buffer(&self.uniform_buffer, 0, self.uniform.bytes());
        self.elements.write(queue, scene, &params.moment);
    }

    /// A frame's own numbers, without handing them over: what a bench measures of our code.
    pub(crate) fn prepare_frame(&mut self, params: &FrameParams) {
        if let Some(scene) = self.scenes.get(params.scene) {
            self.uniform.set_frame(params.moment.frame, params.patch_luminance);
            self.elements.fill(scene, &params.moment);
        }
    }

    /// Records the scene in codes, through linear light unless it is drawn straight; and its retina, when there is a buffer
    /// to copy it to.
    pub(crate) fn record_scene(&self, encoder: &mut wgpu::CommandEncoder, copy_to: Option<&wgpu::Buffer>) {
        let codes = self.governor.as_ref().map_or(&self.codes_view, GovernorPasses::candidate);
        let is_straight = self.elements.is_straight(self.shown);
        if is_straight {
            self.elements.record_codes(encoder, self.shown, codes);
        }
        if !is_straight || self.retina.is_some() {
            self.record_light(encoder);
        }
        if !is_straight {
            self.encode.cover(encoder, "encode", codes);
        }
        if let (Some(retina), Some(copy_to)) = (&self.retina, copy_to) {
            retina.record(encoder, "retina");
            encoder.copy_buffer_to_buffer(&retina.filled, 0, copy_to, HEAD, retina.filled.size());
        }
    }

    /// Records the scene in linear light.
    pub(crate) fn record_light(&self, encoder: &mut wgpu::CommandEncoder) {
        self.elements.record_light(encoder, self.shown, &self.linear_view);
    }

    /// Records what may be shown of the codes, and the patch, onto the surface; and checksum and verdict, when there is a
    /// buffer to copy them to. What is recorded here has to be presented: the governor takes it for shown.
    pub(crate) fn record_present(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        surface: &wgpu::Texture,
        copy_to: Option<&wgpu::Buffer>,
    ) {
        if let Some(governor) = &self.governor {
            governor.record(encoder);
            governor.record_show(encoder, &self.codes_view);
        }
        if let Some(copy_to) = copy_to {
            encoder.clear_buffer(&self.checksum.filled, 0, None);
            self.checksum.record(encoder, "checksum");
            encoder.copy_buffer_to_buffer(&self.checksum.filled, 0, copy_to, 0, CHECKSUM_BYTES);
            if let Some(governor) = &self.governor {
                governor.record_verdict(encoder, copy_to, CHECKSUM_BYTES);
            }
        }
        self.present.record(encoder, &self.codes, surface);
    }

    /// How many refreshes after the one before the next frame is presented.
    pub(crate) fn set_refreshes(&self, queue: &wgpu::Queue, refreshes: u32) {
        if let Some(governor) = &self.governor {
            governor.write(queue, Request { refreshes, release: false }, [0, 0]);
        }
    }

    /// Whether frames are judged.
    pub(crate) fn is_governed(&self) -> bool {
        self.governor.is_some()
    }

    /// The frame in linear light.
    pub(crate) fn linear(&self) -> &wgpu::Texture {
        &self.linear
    }

    /// The frame in codes, before the patch.
    pub(crate) fn codes(&self) -> &wgpu::Texture {
        &self.codes
    }

    /// Cells of the retina.
    pub(crate) fn cells(&self) -> usize {
        self.cells
    }
}

impl Pass {
    fn cover(&self, encoder: &mut wgpu::CommandEncoder, label: &str, target: &wgpu::TextureView) {
        build::cover(encoder, label, &self.pipeline, &self.bindings, target);
    }
}

impl Compute {
    fn record(&self, encoder: &mut wgpu::CommandEncoder, label: &str) {
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: None });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
    }
}

fn retina_pass(
    device: &wgpu::Device,
    grid: &RetinaGrid,
    uniform: &wgpu::Buffer,
    linear: &wgpu::TextureView,
) -> Compute {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let filled = buffer(device, "retina cells", 4 * grid.cells() as u64, usage);
    let program = Program { name: "retina", wgsl: RETINA, constants: &[] };
    let workgroups = [grid.columns.div_ceil(8), grid.rows.div_ceil(8)];
    compute_pass(device, &program, uniform, linear, filled, workgroups)
}

fn checksum_pass(
    device: &wgpu::Device,
    scenery: &Scenery,
    uniform: &wgpu::Buffer,
    codes: &wgpu::TextureView,
) -> Compute {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let filled = buffer(device, "checksum", CHECKSUM_BYTES, usage);
    let constants = [("HIGHEST", f64::from(scenery.light.highest()))];
    let program = Program { name: "checksum", wgsl: CHECKSUM, constants: &constants };
    let workgroups = [scenery.screen.width_px.div_ceil(8), CHECKSUM_ROWS / 8];
    compute_pass(device, &program, uniform, codes, filled, workgroups)
}

/// A compute pass that reads the frame's numbers and a texture, and fills a buffer.
fn compute_pass(
    device: &wgpu::Device,
    program: &Program<'_>,
    uniform: &wgpu::Buffer,
    texture: &wgpu::TextureView,
    filled: wgpu::Buffer,
    workgroups: [u32; 2],
) -> Compute {
    let stage = wgpu::ShaderStages::COMPUTE;
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(program.name),
        entries: &[
            build::buffer_entry(0, stage, wgpu::BufferBindingType::Uniform),
            build::texture_entry(1, stage, wgpu::TextureViewDimension::D2),
            build::buffer_entry(2, stage, wgpu::BufferBindingType::Storage { read_only: false }),
        ],
    });
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(program.name),
        layout: &layout,
        entries: &[build::whole(0, uniform), build::view(1, texture), build::whole(2, &filled)],
    });
    Compute { pipeline: program.compute(device, &layout), bindings, filled, workgroups }
}

fn encode_pass(
    device: &wgpu::Device,
    scenery: &Scenery,
    format: wgpu::TextureFormat,
    uniform: &wgpu::Buffer,
    linear: &wgpu::TextureView,
    table: &LightTable,
) -> Pass {
    let (layout, bindings) = build::reading(device, "encode", uniform, linear);
    let flag = |on: bool| f64::from(u8::from(on));
    let constants =
        [("ACHROMATIC", flag(scenery.is_achromatic())), ("DITHERS", flag(scenery.light.dither().is_some()))];
    let program = Program { name: "encode", wgsl: ENCODE, constants: &constants };
    Pass {
        pipeline: program.covering(device, &[&layout, &table.layout], format),
        bindings: [bindings, table.bindings.clone()],
    }
}

/// A texture of the screen's size that passes draw to and read from.
fn target(device: &wgpu::Device, label: &str, screen: &Screen, format: wgpu::TextureFormat) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width: screen.width_px, height: screen.height_px, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT
            | wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    })
}
