//! The elements of all scenes on the GPU: an instance of a quad each, and a pipeline for each case of the shader.

use std::collections::BTreeMap;

use stimulus::element::Now;
use stimulus::{Moment, Scene};

use crate::build::{self, buffer};
use crate::config::DisplayError;
use crate::pictures::Pictures;
use crate::scenery::Scenery;
use crate::sheets::SheetArrays;
use crate::uniform::{Case, CourseRow, InstanceRow};

/// WGSL of the stimulus pass.
pub(crate) const ELEMENT: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/element.wgsl"));

/// Format of the linear frame where red, green and blue are alike: 32 bits, so that the retina sees contrast steps far below
/// what the screen can show.
const ACHROMATIC: wgpu::TextureFormat = wgpu::TextureFormat::R32Float;
/// The same with colours.
const CHROMATIC: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Float;

/// What adds has an opacity of 0, what covers has its colour multiplied by its opacity.
const BLEND: wgpu::BlendState = wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING;

/// Format of the linear frame.
pub(crate) fn linear_format(scenery: &Scenery) -> wgpu::TextureFormat {
    if scenery.is_achromatic() { ACHROMATIC } else { CHROMATIC }
}

/// Instances, courses and pipelines.
pub(crate) struct Elements {
    pipelines: Vec<wgpu::RenderPipeline>,
    bindings: wgpu::BindGroup,
    draws: Vec<Vec<Draw>>,
    courses: wgpu::Buffer,
    nows: Vec<Now>,
    rows: Vec<u8>,
}

/// Neighbouring elements of the same case: one draw call.
struct Draw {
    pipeline: usize,
    instances: std::ops::Range<u32>,
}

impl Elements {
    /// Uploads the elements and builds the pipelines that they need.
    ///
    /// # Errors
    /// When the sheets are too large for the adapter.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scenery: &Scenery,
        pictures: &Pictures,
        frame: &wgpu::Buffer,
    ) -> Result<Self, DisplayError> {
        let Scenery { scenes, sheets, .. } = scenery;
        let mut cases = BTreeMap::new();
        let mut instances = Vec::new();
        let mut draws = Vec::new();
        for scene in scenes {
            draws.push(lay(scene, &mut instances, &mut cases));
        }
        let courses = scenes.iter().map(|scene| scene.courses.len()).max().unwrap_or(0).max(1);
        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let instance_buffer =
            buffer(device, "instances", instances.len().max(InstanceRow::SIZE) as u64, storage);
        queue.write_buffer(&instance_buffer, 0, &instances);
        let course_buffer = buffer(device, "courses", (CourseRow::SIZE * courses) as u64, storage);
        let arrays = SheetArrays::prepare(device, queue, sheets)?;
        let layout = layout(device);
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("elements"),
            layout: &layout,
            entries: &[
                build::whole(0, frame),
                build::whole(1, &instance_buffer),
                build::whole(2, &course_buffer),
                build::view(3, pictures.view()),
                build::view(4, &arrays.values),
                build::view(5, &arrays.images),
            ],
        });
        let module = build::module(device, "element", ELEMENT);
        let format = linear_format(scenery);
        let mut pipelines: Vec<_> = cases.into_iter().collect();
        pipelines.sort_by_key(|&(_, place)| place);
        Ok(Self {
            pipelines: pipelines
                .into_iter()
                .map(|(case, _)| pipeline(device, &layout, &module, &case, format))
                .collect(),
            bindings,
            draws,
            courses: course_buffer,
            nows: vec![Now::NONE; courses],
            rows: vec![0; CourseRow::SIZE * courses],
        })
    }

    /// Hands over what a scene's courses come to: one buffer write.
    pub(crate) fn write(&mut self, queue: &wgpu::Queue, scene: &Scene, moment: &Moment) {
        let count = self.fill(scene, moment);
        if count > 0 {
            queue.write_buffer(&self.courses, 0, &self.rows[..count]);
        }
    }

    /// What a scene's courses come to, as the shader reads it: our own work of a frame. Allocates nothing. Returns how many
    /// bytes that are.
    pub(crate) fn fill(&mut self, scene: &Scene, moment: &Moment) -> usize {
        let count = scene.courses.len().min(self.nows.len());
        scene.courses_at(moment, &mut self.nows);
        let rows = self.rows.as_chunks_mut::<{ CourseRow::SIZE }>().0;
        for (now, row) in self.nows[..count].iter().zip(rows) {
            CourseRow::write(now, row);
        }
        CourseRow::SIZE * count
    }

    /// Records a scene onto the linear frame, which is cleared to grey.
    pub(crate) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        scene: usize,
        linear: &wgpu::TextureView,
    ) {
        let mean = stimulus::MEAN_LUMINANCE;
        let grey = wgpu::Color { r: mean, g: mean, b: mean, a: 1.0 };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("elements"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: linear,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(grey), store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        for draw in self.draws.get(scene).into_iter().flatten() {
            pass.set_pipeline(&self.pipelines[draw.pipeline]);
            pass.set_bind_group(0, &self.bindings, &[]);
            pass.draw(0..4, draw.instances.clone());
        }
    }
}

/// Appends a scene's instances; returns how to draw them.
fn lay(scene: &Scene, instances: &mut Vec<u8>, cases: &mut BTreeMap<Case, usize>) -> Vec<Draw> {
    let mut draws: Vec<Draw> = Vec::new();
    for element in &scene.elements {
        let next = cases.len();
        let pipeline = *cases.entry(Case::of(element)).or_insert(next);
        let place = (instances.len() / InstanceRow::SIZE) as u32;
        instances.extend(InstanceRow::of(element));
        match draws.last_mut() {
            Some(draw) if draw.pipeline == pipeline => draw.instances.end = place + 1,
            _ => draws.push(Draw { pipeline, instances: place..place + 1 }),
        }
    }
    draws
}

fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let (vertex, fragment) = (wgpu::ShaderStages::VERTEX, wgpu::ShaderStages::FRAGMENT);
    let storage = wgpu::BufferBindingType::Storage { read_only: true };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("elements"),
        entries: &[
            build::buffer_entry(0, vertex | fragment, wgpu::BufferBindingType::Uniform),
            build::buffer_entry(1, vertex, storage),
            build::buffer_entry(2, vertex, storage),
            build::texture_entry(3, fragment, wgpu::TextureViewDimension::D2Array),
            build::texture_entry(4, fragment, wgpu::TextureViewDimension::D2Array),
            build::texture_entry(5, fragment, wgpu::TextureViewDimension::D2Array),
        ],
    })
}

fn pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    module: &wgpu::ShaderModule,
    case: &Case,
    format: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let constants = [
        ("PATTERN", f64::from(case.pattern)),
        ("OUTLINE", f64::from(case.outline)),
        ("PAINT", f64::from(case.paint)),
    ];
    let options = wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() };
    let flags = [wgpu::ColorWrites::RED, wgpu::ColorWrites::GREEN, wgpu::ColorWrites::BLUE];
    let written = flags.into_iter().zip(case.channels).filter(|&(_, seen)| seen).map(|(flag, _)| flag);
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("element"),
        layout: Some(&build::pipeline_layout(device, layout)),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("place"),
            compilation_options: options.clone(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some("element"),
            compilation_options: options,
            targets: &[Some(wgpu::ColorTargetState {
                format,
                blend: Some(BLEND),
                write_mask: written.fold(wgpu::ColorWrites::ALPHA, |all, flag| all | flag),
            })],
        }),
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..Default::default()
        },
        depth_stencil: None,
        multisample: Default::default(),
        multiview_mask: None,
        cache: None,
    })
}
