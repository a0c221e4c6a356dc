//! The elements of all scenes on the GPU: an instance of a quad each, and a pipeline for each case of the shader.
//!
//! A scene whose elements share no pixel is drawn straight as codes; all others are blended in linear light first. What a user
//! wrote has a shader of its own: the same pass with the user's file in it.

use std::ops::Range;

use stimulus::element::Now;
use stimulus::{Moment, Scene};

use crate::build::{self, buffer};
use crate::config::DisplayError;
use crate::laid::{Draw, Laid};
use crate::light::LightTable;
use crate::pictures::Pictures;
use crate::scenery::Scenery;
use crate::sheets::SheetArrays;
use crate::uniform::{Case, CourseRow, InstanceRow};

/// Vertices of an element's two triangles, of its four.
const TRIANGLES: [u32; 6] = [0, 1, 2, 2, 1, 3];

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
    /// Onto the linear frame, by case.
    to_light: Vec<wgpu::RenderPipeline>,
    /// Onto the codes, by case; empty where no scene is drawn straight.
    to_codes: Vec<wgpu::RenderPipeline>,
    /// Indices of all elements' vertices.
    triangles: wgpu::Buffer,
    bindings: wgpu::BindGroup,
    table: wgpu::BindGroup,
    /// The neutral grey's code over the highest.
    grey_code: [f64; 3],
    scenes: Vec<Drawing>,
    courses: wgpu::Buffer,
    nows: Vec<Now>,
    rows: Vec<u8>,
}

/// How a scene is drawn.
struct Drawing {
    draws: Vec<Draw>,
    /// Straight as codes.
    is_straight: bool,
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
        code_format: wgpu::TextureFormat,
        pictures: &Pictures,
        table: &LightTable,
        frame: &wgpu::Buffer,
    ) -> Result<Self, DisplayError> {
        let Scenery { scenes, sheets, .. } = scenery;
        let mut laid = Laid::default();
        let drawing =
            |scene| Drawing { draws: laid.lay(scene), is_straight: scenery.is_drawn_straight(scene) };
        let drawn: Vec<Drawing> = scenes.iter().map(drawing).collect();
        let Laid { instances, numbers, cases } = laid;
        let courses = scenes.iter().map(|scene| scene.courses.len()).max().unwrap_or(0).max(1);
        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let instance_buffer =
            buffer(device, "instances", instances.len().max(InstanceRow::SIZE) as u64, storage);
        queue.write_buffer(&instance_buffer, 0, &instances);
        let count = (instances.len() / InstanceRow::SIZE).max(1) as u32;
        let corners = (0..count).flat_map(|element| TRIANGLES.map(|corner| 4 * element + corner));
        let corners: Vec<u8> = corners.flat_map(u32::to_le_bytes).collect();
        let index = wgpu::BufferUsages::INDEX | wgpu::BufferUsages::COPY_DST;
        let triangles = buffer(device, "triangles", corners.len() as u64, index);
        queue.write_buffer(&triangles, 0, &corners);
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
        let mut cases: Vec<_> = cases.into_iter().collect();
        cases.sort_by_key(|&(_, place)| place);
        let plain = build::module(device, "element", &stimulus::own::plain_shader());
        let pipelines = |end: &End<'_>| {
            let of_case = |(case, _): &(Case, usize)| match case
                .program
                .and_then(|program| sheets.programs.get(program as usize))
            {
                None => Ok(pipeline(device, &plain, case, end)),
                Some(program) => build::asked(device, || {
                    let module = build::module(device, program.name(), program.shader());
                    pipeline(device, &module, case, end)
                })
                .map_err(|reason| DisplayError::Shader { file: program.name().to_owned(), reason }),
            };
            cases.iter().map(of_case).collect::<Result<Vec<_>, DisplayError>>()
        };
        let light =
            End { name: "element", layouts: &[&layout], format: linear_format(scenery), blend: Some(BLEND) };
        let codes = End {
            name: "element_code",
            layouts: &[&layout, &table.layout],
            format: code_format,
            blend: None,
        };
        let is_any_straight = drawn.iter().any(|scene| scene.is_straight);
        Ok(Self {
            to_light: pipelines(&light)?,
            to_codes: if is_any_straight { pipelines(&codes)? } else { Vec::new() },
            triangles,
            bindings,
            table: table.bindings.clone(),
            grey_code: scenery.grey(),
            scenes: drawn,
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

    /// Whether a scene is drawn straight as codes, so that the linear frame is for those who read it.
    pub(crate) fn is_straight(&self, scene: usize) -> bool {
        self.scenes.get(scene).is_some_and(|scene| scene.is_straight)
    }

    /// Records a scene onto the linear frame, which is cleared to grey.
    pub(crate) fn record_light(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        scene: usize,
        linear: &wgpu::TextureView,
    ) {
        let mut pass = cleared(encoder, linear, [stimulus::MEAN_LUMINANCE; 3]);
        self.draw(&mut pass, scene, &self.to_light);
    }

    /// Records a scene that is drawn straight onto the codes.
    pub(crate) fn record_codes(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        scene: usize,
        codes: &wgpu::TextureView,
    ) {
        let mut pass = cleared(encoder, codes, self.grey_code);
        pass.set_bind_group(1, &self.table, &[]);
        self.draw(&mut pass, scene, &self.to_codes);
    }

    fn draw(&self, pass: &mut wgpu::RenderPass<'_>, scene: usize, pipelines: &[wgpu::RenderPipeline]) {
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.set_index_buffer(self.triangles.slice(..), wgpu::IndexFormat::Uint32);
        for draw in self.scenes.get(scene).into_iter().flat_map(|scene| &scene.draws) {
            pass.set_pipeline(&pipelines[draw.pipeline]);
            let Range { start, end } = draw.instances;
            let count = TRIANGLES.len() as u32;
            pass.draw_indexed(count * start..count * end, 0, 0..1);
        }
    }
}

/// A pass over elements on neutral grey.
fn cleared<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    view: &wgpu::TextureView,
    [r, g, b]: [f64; 3],
) -> wgpu::RenderPass<'a> {
    build::pass(encoder, "elements", view, wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a: 1.0 }))
}

fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let (vertex, fragment) = (wgpu::ShaderStages::VERTEX, wgpu::ShaderStages::FRAGMENT);
    let storage = wgpu::BufferBindingType::Storage { read_only: true };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("elements"),
        entries: &[
            build::buffer_entry(0, vertex | fragment, wgpu::BufferBindingType::Uniform),
            build::buffer_entry(1, vertex | fragment, storage),
            build::buffer_entry(2, vertex, storage),
            build::texture_entry(3, fragment, wgpu::TextureViewDimension::D2Array),
            build::texture_entry(4, fragment, wgpu::TextureViewDimension::D2Array),
            build::texture_entry(5, fragment, wgpu::TextureViewDimension::D2Array),
            build::buffer_entry(8, fragment, storage),
        ],
    })
}

/// What the element pass ends in.
struct End<'a> {
    /// The fragment's entry point.
    name: &'static str,
    layouts: &'a [&'a wgpu::BindGroupLayout],
    format: wgpu::TextureFormat,
    blend: Option<wgpu::BlendState>,
}

fn pipeline(
    device: &wgpu::Device,
    module: &wgpu::ShaderModule,
    case: &Case,
    end: &End<'_>,
) -> wgpu::RenderPipeline {
    let constants = [
        ("PATTERN", f64::from(case.pattern)),
        ("OUTLINE", f64::from(case.outline)),
        ("PAINT", f64::from(case.paint)),
        ("VARIANT", f64::from(case.variant)),
        ("INVERTED", f64::from(u8::from(case.inverted))),
        ("CLIPPED", f64::from(u8::from(case.clipped))),
    ];
    let options = wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() };
    let flags = [wgpu::ColorWrites::RED, wgpu::ColorWrites::GREEN, wgpu::ColorWrites::BLUE];
    let written = flags.into_iter().zip(case.channels).filter(|&(_, seen)| seen).map(|(flag, _)| flag);
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(end.name),
        layout: Some(&build::pipeline_layout(device, end.layouts)),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("place"),
            compilation_options: options.clone(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(end.name),
            compilation_options: options,
            targets: &[Some(wgpu::ColorTargetState {
                format: end.format,
                blend: end.blend,
                write_mask: written.fold(wgpu::ColorWrites::ALPHA, |all, flag| all | flag),
            })],
        }),
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleList,
            ..Default::default()
        },
        depth_stencil: None,
        multisample: Default::default(),
        multiview_mask: None,
        cache: None,
    })
}
