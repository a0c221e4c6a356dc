//! The pipelines of a frame: elements in linear light, retina reduction, gamma and patch.

use stimulus::{Patch, RetinaGrid, Scene, Screen, Sheets};

use crate::build::{self, buffer};
use crate::config::DisplayError;
use crate::elements::{Elements, linear_format};
use crate::pictures::Pictures;
use crate::plan::FrameParams;
use crate::uniform::FrameUniform;

/// WGSL of the retina pass.
pub(crate) const RETINA: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/retina.wgsl"));
/// WGSL of the last pass.
pub(crate) const ENCODE: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/encode.wgsl"));

/// What is to be drawn: everything that is settled before the run.
pub(crate) struct Stage<'a> {
    pub(crate) screen: &'a Screen,
    /// Scene 0 is grey.
    pub(crate) scenes: &'a [Scene],
    pub(crate) sheets: &'a Sheets,
    pub(crate) patch: &'a Patch,
    pub(crate) grid: Option<&'a RetinaGrid>,
    /// Format of the surface (or offscreen target). It must not be an sRGB one, because the last pass encodes for the rig's
    /// own gamma.
    pub(crate) format: wgpu::TextureFormat,
}

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
    encode: Pass<wgpu::RenderPipeline>,
    retina: Option<RetinaPass>,
}

struct Pass<P> {
    pipeline: P,
    bindings: wgpu::BindGroup,
}

struct RetinaPass {
    pass: Pass<wgpu::ComputePipeline>,
    cells: wgpu::Buffer,
    workgroups: [u32; 2],
}

impl Renderer {
    /// Builds every pipeline.
    ///
    /// # Errors
    /// When the adapter cannot hold the sheets.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        stage: &Stage<'_>,
    ) -> Result<Self, DisplayError> {
        let Stage { screen, scenes, sheets, patch, grid, format } = *stage;
        let achromatic = scenes.iter().all(Scene::is_achromatic);
        let uniform = FrameUniform::prepare(screen, patch, grid, achromatic);
        let uniform_buffer = buffer(
            device,
            "frame",
            FrameUniform::SIZE as u64,
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        );
        let linear = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("linear"),
            size: wgpu::Extent3d {
                width: screen.width_px,
                height: screen.height_px,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: linear_format(scenes),
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let linear_view = linear.create_view(&Default::default());
        let pictures = Pictures::prepare(device, scenes);
        let elements = Elements::prepare(device, queue, scenes, sheets, &pictures, &uniform_buffer)?;
        let encode = encode_pass(device, format, achromatic, &uniform_buffer, &linear_view);
        let retina = grid.map(|grid| RetinaPass::prepare(device, grid, &uniform_buffer, &linear_view));
        Ok(Self {
            scenes: scenes.to_vec(),
            uniform,
            uniform_buffer,
            pictures,
            elements,
            shown: 0,
            linear,
            linear_view,
            encode,
            retina,
        })
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
        self.uniform.set_frame(params.patch_luminance, self.pictures.layer(params.picture));
        queue.write_buffer(&self.uniform_buffer, 0, self.uniform.bytes());
        self.elements.write(queue, scene, &params.moment);
    }

    /// Records the scene in linear light, and its retina when there is a buffer to copy it to.
    pub(crate) fn record_scene(&self, encoder: &mut wgpu::CommandEncoder, copy_to: Option<&wgpu::Buffer>) {
        self.elements.record(encoder, self.shown, &self.linear_view);
        if let (Some(retina), Some(copy_to)) = (&self.retina, copy_to) {
            retina.record(encoder);
            encoder.copy_buffer_to_buffer(&retina.cells, 0, copy_to, 0, retina.cells.size());
        }
    }

    /// Records gamma and patch onto the surface.
    pub(crate) fn record_encode(&self, encoder: &mut wgpu::CommandEncoder, surface: &wgpu::TextureView) {
        draw(encoder, "encode", &self.encode, surface);
    }

    /// The frame in linear light, before the patch.
    pub(crate) fn linear(&self) -> &wgpu::Texture {
        &self.linear
    }
}

impl RetinaPass {
    fn prepare(
        device: &wgpu::Device,
        grid: &RetinaGrid,
        uniform: &wgpu::Buffer,
        linear: &wgpu::TextureView,
    ) -> Self {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let cells = buffer(device, "retina cells", 4 * grid.cells() as u64, usage);
        let stage = wgpu::ShaderStages::COMPUTE;
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("retina"),
            entries: &[
                build::buffer_entry(0, stage, wgpu::BufferBindingType::Uniform),
                build::texture_entry(1, stage, wgpu::TextureViewDimension::D2),
                build::buffer_entry(2, stage, wgpu::BufferBindingType::Storage { read_only: false }),
            ],
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("retina"),
            layout: Some(&build::pipeline_layout(device, &layout)),
            module: &build::module(device, "retina", RETINA),
            entry_point: Some("retina"),
            compilation_options: Default::default(),
            cache: None,
        });
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("retina"),
            layout: &layout,
            entries: &[build::whole(0, uniform), build::view(1, linear), build::whole(2, &cells)],
        });
        let workgroups = [grid.columns.div_ceil(8), grid.rows.div_ceil(8)];
        Self { pass: Pass { pipeline, bindings }, cells, workgroups }
    }

    fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("retina"),
            timestamp_writes: None,
        });
        pass.set_pipeline(&self.pass.pipeline);
        pass.set_bind_group(0, &self.pass.bindings, &[]);
        pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
    }
}

fn draw(
    encoder: &mut wgpu::CommandEncoder,
    label: &str,
    pass: &Pass<wgpu::RenderPipeline>,
    target: &wgpu::TextureView,
) {
    let mut recorded = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some(label),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: target,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                store: wgpu::StoreOp::Store,
            },
        })],
        ..Default::default()
    });
    recorded.set_pipeline(&pass.pipeline);
    recorded.set_bind_group(0, &pass.bindings, &[]);
    recorded.draw(0..3, 0..1);
}

/// The last pass covers its target with one triangle.
fn encode_pass(
    device: &wgpu::Device,
    format: wgpu::TextureFormat,
    achromatic: bool,
    uniform: &wgpu::Buffer,
    linear: &wgpu::TextureView,
) -> Pass<wgpu::RenderPipeline> {
    let stage = wgpu::ShaderStages::FRAGMENT;
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("encode"),
        entries: &[
            build::buffer_entry(0, stage, wgpu::BufferBindingType::Uniform),
            build::texture_entry(1, stage, wgpu::TextureViewDimension::D2),
        ],
    });
    let module = build::module(device, "encode", ENCODE);
    let constants = [("ACHROMATIC", f64::from(u8::from(achromatic)))];
    let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("encode"),
        layout: Some(&build::pipeline_layout(device, &layout)),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("cover"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("encode"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                ..Default::default()
            },
            targets: &[Some(format.into())],
        }),
        primitive: Default::default(),
        depth_stencil: None,
        multisample: Default::default(),
        multiview_mask: None,
        cache: None,
    });
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("encode"),
        layout: &layout,
        entries: &[build::whole(0, uniform), build::view(1, linear)],
    });
    Pass { pipeline, bindings }
}
