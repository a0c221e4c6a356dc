//! The photosensitivity governor on the GPU: passes between the encoded frame and the surface, without a read-back before
//! the frame is presented. What they compute is [`stimulus::safety::Governor`], to the bit.
//!
//! A frame: the last pass of the renderer draws code values onto [`GovernorPasses::candidate`]; [`GovernorPasses::record`]
//! judges them and decides; [`GovernorPasses::record_show`] draws what may be shown onto the surface;
//! [`GovernorPasses::record_verdict`] copies the verdict for the record, where it is read when it arrives.

use std::ops::Range;

use stimulus::safety::{Governor, Params, Request, VERDICT_WORDS, Verdict};

use crate::build;
use crate::config::DisplayError;

/// WGSL of all passes.
pub const GOVERNOR: &str = concat!(
    include_str!("../../../shaders/frame.wgsl"),
    include_str!("../../../shaders/governor.wgsl"),
    include_str!("../../../shaders/flashes.wgsl"),
    include_str!("../../../shaders/stripes.wgsl")
);

/// Words of the shader's `sums` in front of the verdict, and in front of the marks of cells.
const VERDICT_AT: u64 = 16;
const MARKS_AT: u64 = 64;

/// Bytes of a verdict.
pub(crate) const VERDICT_BYTES: u64 = 4 * VERDICT_WORDS as u64;

/// Threads of a workgroup.
const THREADS: u32 = 64;

/// Cells that a thread of `judge` and `commit` takes: 32 at most, because the latter counts them in bits.
const CELLS_EACH: u32 = 8;

/// The compute passes, in their order.
const PASSES: [&str; 9] = [
    "judged_scales",
    "measure",
    "stripes",
    "judge",
    "running_sums",
    "fields",
    "decide",
    "commit",
    "shown_scales",
];

/// Passes of a frame: those, and the one that shows.
pub(crate) const STAGES: usize = PASSES.len() + 1;

/// Their names, in their order.
pub(crate) fn stages() -> [&'static str; STAGES] {
    std::array::from_fn(|stage| PASSES.get(stage).copied().unwrap_or("show"))
}

/// Pipelines and state of the governor.
pub struct GovernorPasses {
    candidate: wgpu::TextureView,
    request: wgpu::Buffer,
    state: wgpu::Buffer,
    sums: wgpu::Buffer,
    held: wgpu::Buffer,
    cleared: u64,
    compute: Vec<(wgpu::ComputePipeline, u32)>,
    compute_bindings: wgpu::BindGroup,
    show: wgpu::RenderPipeline,
    show_bindings: wgpu::BindGroup,
    initial: Initial,
}

/// What [`GovernorPasses::reset`] writes.
struct Initial {
    state: Vec<u8>,
    lasting: Vec<u8>,
    held: Vec<u8>,
}

impl GovernorPasses {
    /// Passes that do what `twin` does, from where it stands. `surface` is the format of candidates and of what is shown on: of as
    /// many bits as the code values have levels in the twin's tables.
    ///
    /// # Errors
    /// When the state of the cells is larger than a buffer of this device may be.
    pub fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        twin: &Governor,
        surface: wgpu::TextureFormat,
    ) -> Result<Self, DisplayError> {
        let params = *twin.params();
        let limit = device.limits().max_storage_buffer_binding_size;
        let sums_words = sums_words(&params);
        let pixels = u64::from(params.total_px);
        let state_words = twin.state().len() as u64 + pixels;
        let largest = 4 * state_words.max(sums_words).max(2 * pixels);
        if largest > limit {
            return Err(DisplayError::Governor { needed: largest, limit });
        }
        let buffer = |label, size: u64, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let (storage, uniform) = (wgpu::BufferUsages::STORAGE, wgpu::BufferUsages::UNIFORM);
        let constants = bytes(twin.constants());
        let params_bytes = bytes(params.words());
        let params_buffer = buffer("governor params", params_bytes.len() as u64, uniform);
        let constants_buffer = buffer("governor constants", constants.len() as u64, storage);
        queue.write_buffer(&params_buffer, 0, &params_bytes);
        queue.write_buffer(&constants_buffer, 0, &constants);
        let request = buffer("governor request", 16, uniform);
        let read_back = storage | wgpu::BufferUsages::COPY_SRC;
        let state = buffer("governor state", 4 * state_words, read_back);
        let sums = buffer("governor sums", 4 * sums_words, read_back);
        let held = buffer("governor held", 8 * pixels, storage);
        let candidate = candidate(device, &params, surface);

        let module = build::module(device, "governor", GOVERNOR);
        let uniform = wgpu::BufferBindingType::Uniform;
        let read = wgpu::BufferBindingType::Storage { read_only: true };
        let write = wgpu::BufferBindingType::Storage { read_only: false };
        let stage = wgpu::ShaderStages::COMPUTE;
        let compute_layout = layout(
            device,
            &[
                build::buffer_entry(0, stage, uniform),
                build::buffer_entry(1, stage, uniform),
                build::buffer_entry(2, stage, read),
                build::buffer_entry(3, stage, write),
                build::buffer_entry(4, stage, write),
                build::buffer_entry(5, stage, write),
                build::texture_entry(6, stage, wgpu::TextureViewDimension::D2),
            ],
        );
        let bindings = |layout: &wgpu::BindGroupLayout, entries: &[wgpu::BindGroupEntry<'_>]| {
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some("governor"), layout, entries })
        };
        let compute_bindings = bindings(
            &compute_layout,
            &[
                build::whole(0, &params_buffer),
                build::whole(1, &request),
                build::whole(2, &constants_buffer),
                build::whole(3, &state),
                build::whole(4, &sums),
                build::whole(5, &held),
                build::view(6, &candidate),
            ],
        );
        let pipeline_layout = build::pipeline_layout(device, &[&compute_layout]);
        let compute = PASSES
            .iter()
            .map(|&pass| {
                let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(pass),
                    layout: Some(&pipeline_layout),
                    module: &module,
                    entry_point: Some(pass),
                    compilation_options: Default::default(),
                    cache: None,
                });
                (pipeline, workgroups(&params, pass))
            })
            .collect();
        let stage = wgpu::ShaderStages::FRAGMENT;
        let show_layout = layout(
            device,
            &[
                build::buffer_entry(0, stage, uniform),
                build::buffer_entry(1, stage, uniform),
                build::buffer_entry(2, stage, read),
                build::buffer_entry(7, stage, read),
                build::buffer_entry(8, stage, read),
            ],
        );
        let show_bindings = bindings(
            &show_layout,
            &[
                build::whole(0, &params_buffer),
                build::whole(1, &request),
                build::whole(2, &constants_buffer),
                build::whole(7, &held),
                build::whole(8, &sums),
            ],
        );
        let show =
            build::covering(device, &[&show_layout], (&module, "governor"), Default::default(), surface);
        let initial = Initial {
            state: bytes(twin.state().iter().copied()),
            lasting: bytes(twin.lasting()),
            held: bytes(twin.held().iter().copied()),
        };
        let cleared = 4 * (MARKS_AT + u64::from(params.cells) + 2 * u64::from(params.bins_x * params.bins_y));
        let passes = Self {
            candidate,
            request,
            state,
            sums,
            held,
            cleared,
            compute,
            compute_bindings,
            show,
            show_bindings,
            initial,
        };
        passes.reset(queue);
        passes.write(queue, Request::default(), [0, 0]);
        Ok(passes)
    }

    /// Starts anew, from where the twin stood.
    pub fn reset(&self, queue: &wgpu::Queue) {
        queue.write_buffer(&self.state, 0, &self.initial.state);
        queue.write_buffer(&self.sums, 0, &self.initial.lasting);
        queue.write_buffer(&self.held, 0, &self.initial.held);
    }

    /// Where the candidate is drawn: the screen's pixels in code values.
    pub fn candidate(&self) -> &wgpu::TextureView {
        &self.candidate
    }

    /// What the next recorded frames are asked for, and where the image begins on the surface. It holds until it is
    /// written again; nothing needs to be written for a frame without missed refreshes and releases.
    pub fn write(&self, queue: &wgpu::Queue, request: Request, origin_px: [i32; 2]) {
        let [x, y] = origin_px.map(|origin| u32::from_ne_bytes(origin.to_ne_bytes()));
        let words = [request.refreshes, u32::from(request.release), x, y];
        let mut packed = [0; 16];
        packed.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
        queue.write_buffer(&self.request, 0, &packed);
    }

    /// Records the judgement of the candidate. Every frame that is recorded has to be shown.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        self.record_clear(encoder);
        self.record_passes(encoder, 0..PASSES.len());
    }

    /// Records one of [`STAGES`] alone; a frame is all of them in their order.
    pub(crate) fn record_stage(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        surface: &wgpu::TextureView,
        stage: usize,
    ) {
        if stage == 0 {
            self.record_clear(encoder);
        }
        if stage < PASSES.len() {
            self.record_passes(encoder, stage..stage + 1);
        } else {
            self.record_show(encoder, surface);
        }
    }

    fn record_clear(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(&self.sums, 4 * VERDICT_AT, Some(self.cleared - 4 * VERDICT_AT));
    }

    fn record_passes(&self, encoder: &mut wgpu::CommandEncoder, passes: Range<usize>) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("governor"),
            timestamp_writes: None,
        });
        pass.set_bind_group(0, &self.compute_bindings, &[]);
        for (pipeline, workgroups) in &self.compute[passes] {
            pass.set_pipeline(pipeline);
            pass.dispatch_workgroups(*workgroups, 1, 1);
        }
    }

    /// Records what may be shown onto the surface.
    pub fn record_show(&self, encoder: &mut wgpu::CommandEncoder, surface: &wgpu::TextureView) {
        build::cover(encoder, "governor", &self.show, std::slice::from_ref(&self.show_bindings), surface);
    }

    /// Records the copy of the verdict to a place in a buffer.
    pub fn record_verdict(&self, encoder: &mut wgpu::CommandEncoder, to: &wgpu::Buffer, at: u64) {
        encoder.copy_buffer_to_buffer(&self.sums, 4 * VERDICT_AT, to, at, VERDICT_BYTES);
    }

    /// What it holds on the GPU, bytes: what a binding may be no larger than is the largest of the buffers.
    pub(crate) fn memory(&self) -> Memory {
        let buffers = [&self.state, &self.sums, &self.held].map(wgpu::Buffer::size);
        let size = self.candidate.texture().size();
        Memory {
            largest: buffers.into_iter().max().unwrap_or(0),
            total: buffers.iter().sum::<u64>() + 4 * u64::from(size.width) * u64::from(size.height),
        }
    }

    /// The cells' state, for comparison with the twin's; behind it the luminance of the judged frame's pixels.
    pub fn state(&self) -> &wgpu::Buffer {
        &self.state
    }
}

/// Bytes on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Of the largest buffer.
    pub largest: u64,
    /// Of all buffers and the candidate.
    pub total: u64,
}

/// The verdict in bytes that came back.
pub(crate) fn read(bytes: &[u8]) -> Option<Verdict> {
    let mut words = [0; VERDICT_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    Verdict::from_words(&words)
}

fn sums_words(params: &Params) -> u64 {
    let bins = u64::from(params.bins_x) * u64::from(params.bins_y);
    let tables = 2 * 3 * u64::from(params.levels);
    MARKS_AT + u64::from(params.cells) + 2 * bins + 2 * (bins + u64::from(params.bins_y)) + tables
}

fn workgroups(params: &Params, pass: &str) -> u32 {
    let threads = match pass {
        "decide" => return 1,
        "judged_scales" | "shown_scales" => 3 * params.levels,
        "stripes" => 3 * (params.rows + params.columns) - 2,
        "running_sums" => 2 * params.bins_y,
        "judge" | "commit" => params.cells.div_ceil(CELLS_EACH),
        "fields" => 2 * params.bins_x * params.bins_y,
        _ => params.cells,
    };
    threads.div_ceil(THREADS)
}

fn bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn candidate(device: &wgpu::Device, params: &Params, format: wgpu::TextureFormat) -> wgpu::TextureView {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("candidate"),
        size: wgpu::Extent3d { width: params.width, height: params.height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT
            | wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    texture.create_view(&Default::default())
}

fn layout(device: &wgpu::Device, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("governor"), entries })
}
