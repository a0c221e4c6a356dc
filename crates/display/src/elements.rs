//! The elements of all scenes on the GPU: an instance of a quad each, and a pipeline for each case of the shader. What a user
//! wrote has a shader of its own: the same pass with the user's file in it.

use std::collections::BTreeMap;

use stimulus::element::{Now, Pattern};
use stimulus::own::{FIXED_NUMBERS, MOST_PARAMETERS, Own};
use stimulus::{Element, Moment, Scene};

use crate::build::{self, buffer};
use crate::config::DisplayError;
use crate::pictures::Pictures;
use crate::scenery::Scenery;
use crate::sheets::SheetArrays;
use crate::uniform::{Case, CourseRow, InstanceRow};

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
    /// When the sheets are too large for the adapter, or the driver refuses what a user wrote.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scenery: &Scenery,
        pictures: &Pictures,
        frame: &wgpu::Buffer,
    ) -> Result<Self, DisplayError> {
        let Scenery { scenes, sheets, .. } = scenery;
        let mut laid = Laid::default();
        let draws = scenes.iter().map(|scene| laid.lay(scene)).collect();
        let Laid { instances, numbers, cases } = laid;
        let courses = scenes.iter().map(|scene| scene.courses.len()).max().unwrap_or(0).max(1);
        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let instance_buffer =
            buffer(device, "instances", instances.len().max(InstanceRow::SIZE) as u64, storage);
        queue.write_buffer(&instance_buffer, 0, &instances);
        let course_buffer = buffer(device, "courses", (CourseRow::SIZE * courses) as u64, storage);
        let number_buffer = buffer(device, "own numbers", numbers.len().max(4) as u64, storage);
        queue.write_buffer(&number_buffer, 0, &numbers);
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
                build::whole(8, &number_buffer),
            ],
        });
        let format = linear_format(scenery);
        let mut cases: Vec<_> = cases.into_iter().collect();
        cases.sort_by_key(|&(_, place)| place);
        let plain = build::module(device, "element", &stimulus::own::plain_shader());
        let mut pipelines = Vec::new();
        for (case, _) in cases {
            let program = case.program.and_then(|program| sheets.programs.get(program as usize));
            pipelines.push(match program {
                None => pipeline(device, &layout, &plain, &case, format),
                Some(program) => watched(device, program.name(), || {
                    let module = build::module(device, program.name(), program.shader());
                    pipeline(device, &layout, &module, &case, format)
                })?,
            });
        }
        Ok(Self {
            pipelines,
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

/// What the elements of all scenes come to.
#[derive(Default)]
struct Laid {
    instances: Vec<u8>,
    /// Of own patterns.
    numbers: Vec<u8>,
    /// With the place of each one's pipeline.
    cases: BTreeMap<Case, usize>,
}

impl Laid {
    /// Appends a scene's instances; returns how to draw them.
    fn lay(&mut self, scene: &Scene) -> Vec<Draw> {
        let mut draws: Vec<Draw> = Vec::new();
        for element in &scene.elements {
            let next = self.cases.len();
            let pipeline = *self.cases.entry(Case::of(element)).or_insert(next);
            let place = (self.instances.len() / InstanceRow::SIZE) as u32;
            let row = self.row(element);
            self.instances.extend(row);
            match draws.last_mut() {
                Some(draw) if draw.pipeline == pipeline => draw.instances.end = place + 1,
                _ => draws.push(Draw { pipeline, instances: place..place + 1 }),
            }
        }
        draws
    }

    fn row(&mut self, element: &Element) -> [u8; InstanceRow::SIZE] {
        let mut row = InstanceRow::of(element);
        if let Pattern::Own(own) = &element.pattern {
            // Copies of one stimulus share their numbers.
            let bytes = numbers_of(own);
            if !self.numbers.ends_with(&bytes) {
                self.numbers.extend(bytes);
            }
            InstanceRow::set_numbers(&mut row, ((self.numbers.len() - bytes.len()) / 4) as u32);
        }
        row
    }
}

/// What `shaders/own.wgsl` reads for an element.
fn numbers_of(own: &Own) -> [u8; 4 * (FIXED_NUMBERS + MOST_PARAMETERS)] {
    let mut bytes = [0; 4 * (FIXED_NUMBERS + MOST_PARAMETERS)];
    let numbers = [own.px_per_deg, own.frame_s].into_iter().chain(own.parameters);
    for (place, number) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    bytes
}

/// Builds something from what a user wrote, and asks whether the driver took it: that has to be known before the first frame.
fn watched<T>(device: &wgpu::Device, file: &str, build: impl FnOnce() -> T) -> Result<T, DisplayError> {
    let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory]
        .map(|filter| device.push_error_scope(filter));
    let built = build();
    let [internal, validation, memory] = scopes;
    // The last one that was opened is the first to be closed.
    for scope in [memory, validation, internal] {
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(DisplayError::Shader { file: file.to_owned(), reason: error.to_string() });
        }
    }
    Ok(built)
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
            build::buffer_entry(8, fragment, storage),
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
        let module = |wgsl: &'static str| {
            let device = &gpu.device;
            watched(device, "rings.wgsl", move || build::module(device, "rings.wgsl", wgsl)).map(|_| ())
        };
        let error = module("fn value() -> f32 { return 1u; }").unwrap_err();
        assert!(matches!(&error, DisplayError::Shader { file, .. } if file == "rings.wgsl"), "{error}");
        module("fn value() -> f32 { return 1.0; }").unwrap();
        assert_eq!(gpu.failure(), None);
    }
}
