//! The pipelines of a frame: stimulus in linear light, retina reduction, gamma and patch.

use stimulus::{Patch, RetinaGrid, Scene, Screen};

use crate::pictures::Pictures;
use crate::plan::FrameParams;
use crate::uniform::{self, FrameUniform};

/// WGSL of the stimulus pass.
pub(crate) const STIMULUS: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/stimulus.wgsl"));
/// WGSL of the retina pass.
pub(crate) const RETINA: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/retina.wgsl"));
/// WGSL of the last pass.
pub(crate) const ENCODE: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/encode.wgsl"));

/// Format of the linear frame: one channel, because stimuli are achromatic; 32 bits, so that the retina sees contrast
/// steps far below what the screen can show.
const LINEAR: wgpu::TextureFormat = wgpu::TextureFormat::R32Float;

/// Everything that a frame needs on the GPU.
pub(crate) struct Renderer {
    uniforms: Vec<FrameUniform>,
    pub(crate) pictures: Pictures,
    uniform_buffer: wgpu::Buffer,
    linear: wgpu::Texture,
    linear_view: wgpu::TextureView,
    stimulus: Pass<wgpu::RenderPipeline>,
    encode: Pass<wgpu::RenderPipeline>,
    retina: Option<RetinaPass>,
}

struct Pass<P> {
    pipeline: P,
    bindings: wgpu::BindGroup,
}

/// What a pass reads beside the frame's numbers.
struct Texture<'a> {
    view: &'a wgpu::TextureView,
    dimension: wgpu::TextureViewDimension,
}

struct RetinaPass {
    pass: Pass<wgpu::ComputePipeline>,
    cells: wgpu::Buffer,
    workgroups: [u32; 2],
}

impl Renderer {
    /// Builds every pipeline; `format` is that of the surface (or offscreen target) and must not be an sRGB one, because
    /// the last pass encodes for the rig's own gamma.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        screen: &Screen,
        scenes: &[Scene],
        patch: &Patch,
        grid: Option<&RetinaGrid>,
        format: wgpu::TextureFormat,
    ) -> Self {
        let uniforms = scenes.iter().map(|scene| FrameUniform::prepare(scene, screen, patch, grid)).collect();
        let uniform_buffer = buffer(
            device,
            "frame",
            uniform::SIZE as u64,
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
            format: LINEAR,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let linear_view = linear.create_view(&Default::default());
        let pictures = Pictures::prepare(device, scenes);
        let texture = Texture { view: pictures.view(), dimension: wgpu::TextureViewDimension::D2Array };
        let stimulus = covering(device, "stimulus", STIMULUS, LINEAR, &uniform_buffer, texture);
        let texture = Texture { view: &linear_view, dimension: wgpu::TextureViewDimension::D2 };
        let encode = covering(device, "encode", ENCODE, format, &uniform_buffer, texture);
        let retina = grid.map(|grid| RetinaPass::prepare(device, grid, &uniform_buffer, &linear_view));
        Self { uniforms, pictures, uniform_buffer, linear, linear_view, stimulus, encode, retina }
    }

    /// Where the stimulus begins on a surface of another size.
    pub(crate) fn set_surface(&mut self, screen: &Screen, surface_px: [u32; 2]) {
        let origin = |surface: u32, size: u32| (i64::from(surface) - i64::from(size)).div_euclid(2) as i32;
        let origin_px = [origin(surface_px[0], screen.width_px), origin(surface_px[1], screen.height_px)];
        for uniform in &mut self.uniforms {
            uniform.set_origin(origin_px);
        }
    }

    /// Takes new pictures, then hands the frame's numbers over: the one buffer write of a frame. A picture whose pattern is
    /// not there is grey.
    pub(crate) fn write(&mut self, queue: &wgpu::Queue, params: &FrameParams) {
        self.pictures.take(queue);
        if let Some(uniform) = self.uniforms.get_mut(params.scene) {
            let layer = self.pictures.layer(params.picture);
            let amplitude = match layer {
                None if uniform.is_picture() => 0.0,
                _ => params.amplitude,
            };
            uniform.set_frame(amplitude, params.patch_luminance, layer.unwrap_or(0));
            queue.write_buffer(&self.uniform_buffer, 0, uniform.bytes());
        }
    }

    /// Records the scene in linear light, and its retina when there is a buffer to copy it to.
    pub(crate) fn record_scene(&self, encoder: &mut wgpu::CommandEncoder, copy_to: Option<&wgpu::Buffer>) {
        draw(encoder, "stimulus", &self.stimulus, &self.linear_view);
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
                buffer_entry(0, stage, wgpu::BufferBindingType::Uniform),
                texture_entry(1, stage, wgpu::TextureViewDimension::D2),
                buffer_entry(2, stage, wgpu::BufferBindingType::Storage { read_only: false }),
            ],
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("retina"),
            layout: Some(&pipeline_layout(device, &layout)),
            module: &module(device, "retina", RETINA),
            entry_point: Some("retina"),
            compilation_options: Default::default(),
            cache: None,
        });
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("retina"),
            layout: &layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(linear) },
                wgpu::BindGroupEntry { binding: 2, resource: cells.as_entire_binding() },
            ],
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

/// A pipeline whose fragment entry point has the pass's name and which covers its target with one triangle.
fn covering(
    device: &wgpu::Device,
    name: &str,
    wgsl: &str,
    format: wgpu::TextureFormat,
    uniform: &wgpu::Buffer,
    texture: Texture<'_>,
) -> Pass<wgpu::RenderPipeline> {
    let stage = wgpu::ShaderStages::FRAGMENT;
    let layout_entries = [
        buffer_entry(0, stage, wgpu::BufferBindingType::Uniform),
        texture_entry(1, stage, texture.dimension),
    ];
    let entries = [
        wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
        wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(texture.view) },
    ];
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(name),
        entries: &layout_entries,
    });
    let module = module(device, name, wgsl);
    let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout(device, &layout)),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("cover"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some(name),
            compilation_options: Default::default(),
            targets: &[Some(format.into())],
        }),
        primitive: Default::default(),
        depth_stencil: None,
        multisample: Default::default(),
        multiview_mask: None,
        cache: None,
    });
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(name),
        layout: &layout,
        entries: &entries,
    });
    Pass { pipeline, bindings }
}

fn module(device: &wgpu::Device, name: &str, wgsl: &str) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(wgsl.into()),
    })
}

fn pipeline_layout(device: &wgpu::Device, layout: &wgpu::BindGroupLayout) -> wgpu::PipelineLayout {
    device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    })
}

fn buffer(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    })
}

fn buffer_entry(
    binding: u32,
    visibility: wgpu::ShaderStages,
    ty: wgpu::BufferBindingType,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

fn texture_entry(
    binding: u32,
    visibility: wgpu::ShaderStages,
    view_dimension: wgpu::TextureViewDimension,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility,
        ty: wgpu::BindingType::Texture {
            // loaded pixel by pixel, never filtered
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension,
            multisampled: false,
        },
        count: None,
    }
}
