//! Short forms of what every pass is built from.

pub(crate) fn module(device: &wgpu::Device, name: &str, wgsl: &str) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(wgsl.into()),
    })
}

/// Of a pass with these bind groups, in their order.
pub(crate) fn pipeline_layout(
    device: &wgpu::Device,
    layouts: &[&wgpu::BindGroupLayout],
) -> wgpu::PipelineLayout {
    let layouts: Vec<_> = layouts.iter().map(|&layout| Some(layout)).collect();
    device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &layouts,
        immediate_size: 0,
    })
}

pub(crate) fn buffer(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    })
}

pub(crate) fn buffer_entry(
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

pub(crate) fn texture_entry(
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

/// A whole buffer as a binding.
pub(crate) fn whole(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
}

/// A texture as a binding.
pub(crate) fn view(binding: u32, view: &wgpu::TextureView) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) }
}

/// A shader's entry point of its own name, with its constants.
pub(crate) struct Program<'a> {
    pub(crate) name: &'static str,
    pub(crate) wgsl: &'static str,
    pub(crate) constants: &'a [(&'static str, f64)],
}

impl Program<'_> {
    fn options(&self) -> wgpu::PipelineCompilationOptions<'_> {
        wgpu::PipelineCompilationOptions { constants: self.constants, ..Default::default() }
    }

    /// As a compute pipeline.
    pub(crate) fn compute(
        &self,
        device: &wgpu::Device,
        layout: &wgpu::BindGroupLayout,
    ) -> wgpu::ComputePipeline {
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&pipeline_layout(device, &[layout])),
            module: &module(device, self.name, self.wgsl),
            entry_point: Some(self.name),
            compilation_options: self.options(),
            cache: None,
        })
    }

    /// As a fragment shader that covers its target with one triangle.
    pub(crate) fn covering(
        &self,
        device: &wgpu::Device,
        layouts: &[&wgpu::BindGroupLayout],
        format: wgpu::TextureFormat,
    ) -> wgpu::RenderPipeline {
        let module = module(device, self.name, self.wgsl);
        covering(device, layouts, (&module, self.name), self.options(), format)
    }
}

/// A fragment shader of a module, by its name, that covers its target with one triangle.
pub(crate) fn covering(
    device: &wgpu::Device,
    layouts: &[&wgpu::BindGroupLayout],
    (module, name): (&wgpu::ShaderModule, &str),
    compilation_options: wgpu::PipelineCompilationOptions<'_>,
    format: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout(device, layouts)),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("cover"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(name),
            compilation_options,
            targets: &[Some(format.into())],
        }),
        primitive: Default::default(),
        depth_stencil: None,
        multisample: Default::default(),
        multiview_mask: None,
        cache: None,
    })
}

/// The bind group of a fragment shader that reads the frame's numbers (0) and a texture of the screen's size (1).
pub(crate) fn reading(
    device: &wgpu::Device,
    label: &str,
    frame: &wgpu::Buffer,
    texture: &wgpu::TextureView,
) -> (wgpu::BindGroupLayout, wgpu::BindGroup) {
    let stage = wgpu::ShaderStages::FRAGMENT;
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(label),
        entries: &[
            buffer_entry(0, stage, wgpu::BufferBindingType::Uniform),
            texture_entry(1, stage, wgpu::TextureViewDimension::D2),
        ],
    });
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(label),
        layout: &layout,
        entries: &[whole(0, frame), view(1, texture)],
    });
    (layout, bindings)
}

/// Records a pass of [`covering`] onto a target.
pub(crate) fn cover(
    encoder: &mut wgpu::CommandEncoder,
    label: &str,
    pipeline: &wgpu::RenderPipeline,
    bindings: &[wgpu::BindGroup],
    target: &wgpu::TextureView,
) {
    let mut pass = pass(encoder, label, target, wgpu::LoadOp::Clear(wgpu::Color::BLACK));
    pass.set_pipeline(pipeline);
    for (place, group) in (0..).zip(bindings) {
        pass.set_bind_group(place, group, &[]);
    }
    pass.draw(0..3, 0..1);
}

/// A pass onto one target.
pub(crate) fn pass<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    label: &str,
    view: &wgpu::TextureView,
    load: wgpu::LoadOp<wgpu::Color>,
) -> wgpu::RenderPass<'a> {
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some(label),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    })
}

/// Asks something of the driver that it may refuse, and says in its words that it did: wgpu would tell it later, to nobody.
pub(crate) fn asked<T>(device: &wgpu::Device, ask: impl FnOnce() -> T) -> Result<T, String> {
    let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory]
        .map(|filter| device.push_error_scope(filter));
    let answer = ask();
    let [internal, validation, memory] = scopes;
    // The last one that was opened is the first to be closed.
    for scope in [memory, validation, internal] {
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(error.to_string());
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Gpu;

    #[test]
    fn a_shader_that_is_refused_is_named_and_nothing_else_is_broken() {
        let gpu = match Gpu::open(&Gpu::instance(), None, [64, 48]) {
            Ok(gpu) => gpu,
            Err(error) if std::env::var_os("CI").is_none() => {
                return eprintln!("passes without a look: {error}");
            }
            Err(error) => panic!("{error}"),
        };
        let device = &gpu.device;
        let taken = |wgsl| asked(device, || module(device, "rings.wgsl", wgsl)).map(|_| ());
        let error = taken("fn value() -> f32 { return 1u; }").unwrap_err();
        assert!(error.contains("rings.wgsl"), "{error}");
        taken("fn value() -> f32 { return 1.0; }").unwrap();
        assert_eq!(gpu.failure(), None);
    }
}
