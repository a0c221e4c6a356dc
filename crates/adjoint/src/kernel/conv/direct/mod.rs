//! Direct convolution: tiles of output channels by neighbouring output pixels, read straight from the padded copy.
//!
//! No patch matrix is built: with the copy of [`Source`] each step of k (a channel and a tap) is one offset, and the
//! pixels of a tile are contiguous there. Rows of the copy are longer than rows of the output by the kernel's reach;
//! tiles run over the row ends and drop what lies between. The input gradient of a stride s is s^3 (s^2, s) such
//! convolutions of stride 1, one for each remainder of the input's coordinates by s, with the taps that meet it.
#![allow(
    unsafe_code,
    reason = "tiles read and write through pointers; jobs own interleaved pixels of the output"
)]

mod places;
mod results;

use std::sync::Arc;

use super::super::microkernel::{
    Left, PackedRows, TILE_COLUMNS, TILE_LEN, TILE_ROWS, TabledColumns, TwoPanels, add, product, row_panels,
    store, tile_rows,
};
use super::super::simd::{Kernel, LANES, Simd, dispatch_wide, is_wide};
use super::super::threads::{SharedMut, Threads};
use super::source::{SLACK, Source};
use super::{ConvGeometry, Direction, Epilogue, Weights};
use places::{Packing, classes, forward_places, gradient_places};

/// Tiles that share a pass over the weights: a part of a chunk of panels is read once for all of them.
const GROUP: usize = 4;
/// Row panels of a chunk: with a part of k they should stay in the second-level cache beside a group's pixels.
const CHUNK: usize = 8;
/// Row panels of a task.
const PANELS: usize = 64;
/// From as many row panels on, a tile's pixels are first copied together: strided reads cost more than the copy.
const COPY_FROM: usize = 6;
/// Floats of a cache line.
const LINE: usize = 16;
/// Steps of k summed at a time: a panel of weights and the pixels of a tile should stay in the first-level cache
/// together, and sums of parts round less than one long sum.
const STEPS: usize = 320;

/// A direct convolution, packed.
#[derive(Debug, Clone)]
pub(crate) struct Direct {
    source: Source,
    jobs: Vec<Job>,
    /// Per group, the row panels one after the other, each with all steps of k. Nodes may share it.
    weights: Arc<Vec<f32>>,
    packing: Packing,
    /// Steps of k of a panel.
    steps: usize,
    groups: usize,
    /// Rows of one group: channels of the result.
    rows: usize,
    batch: usize,
    /// Values of one image at both ends.
    image_in: usize,
    image_out: usize,
    /// Result pixels per axis.
    pixels: [usize; 3],
    panels: Vec<(usize, usize)>,
    /// Columns of a tile.
    width: usize,
    /// Offsets in a packed tile.
    packed_offsets: Vec<u32>,
}

/// The outputs that share one set of taps.
#[derive(Debug, Clone)]
struct Job {
    /// Per step of k: offset in the copy from a position.
    offsets: Vec<u32>,
    /// Its first step among those of a panel.
    first: usize,
    start: [usize; 3],
    step: [usize; 3],
    count: [usize; 3],
}

impl Direct {
    /// Packs the weights; `None` where offsets do not fit 32 bits.
    pub fn new(geometry: &ConvGeometry, weights: Weights<'_>, direction: Direction) -> Option<Self> {
        Self::with_weights(geometry, direction, |packing, panels| {
            Some(Arc::new(packing.pack(geometry, weights, panels)))
        })
    }

    /// The same weights in a convolution of another geometry; `None` where that packs them in another way.
    pub fn placed(&self, geometry: &ConvGeometry) -> Option<Self> {
        Self::with_weights(geometry, self.packing.direction, |packing, _| {
            (*packing == self.packing).then(|| self.weights.clone())
        })
    }

    fn with_weights(
        geometry: &ConvGeometry,
        direction: Direction,
        weights: impl FnOnce(&Packing, &[(usize, usize)]) -> Option<Arc<Vec<f32>>>,
    ) -> Option<Self> {
        let (channels, rows) = match direction {
            Direction::Forward => (geometry.group_inputs(), geometry.group_outputs()),
            Direction::InputGradient => (geometry.group_outputs(), geometry.group_inputs()),
        };
        let (source, places) = match direction {
            Direction::Forward => forward_places(geometry),
            Direction::InputGradient => gradient_places(geometry),
        };
        u32::try_from(source.len()).ok()?;
        let (inputs, outputs) = (geometry.input_pixels(), geometry.output_pixels());
        let (image_in, image_out, pixels) = match direction {
            Direction::Forward => {
                (geometry.in_channels * inputs, geometry.out_channels * outputs, geometry.output())
            }
            Direction::InputGradient => {
                (geometry.out_channels * outputs, geometry.in_channels * inputs, geometry.input)
            }
        };
        let panels = row_panels(rows);
        let groups = geometry.groups;
        let packing = Packing { direction, groups, channels, rows, classes: classes(geometry) };
        let jobs: Vec<_> = places.into_iter().map(|place| packing.job(&source, place)).collect();
        let width = TILE_COLUMNS * pairs(panels.first().map_or(6, |panel| panel.1), panels.len());
        let weights = weights(&packing, &panels)?;
        let steps = packing.len();
        let batch = geometry.batch;
        let packed_offsets = (0..STEPS).map(|step| (step * width) as u32).collect();
        Some(Self {
            source,
            jobs,
            weights,
            packing,
            steps,
            groups,
            rows,
            batch,
            image_in,
            image_out,
            pixels,
            panels,
            width,
            packed_offsets,
        })
    }

    pub fn packed_bytes(&self) -> usize {
        4 * self.weights.len() + self.jobs.iter().map(|job| 4 * job.offsets.len()).sum::<usize>()
    }

    pub fn scratch_len(&self, threads: &Threads) -> usize {
        self.source.len() + threads.count() * self.slot_len()
    }

    /// Scratch of one thread: the packed pixels and the sums of a group of tiles.
    fn slot_len(&self) -> usize {
        GROUP * self.width * (STEPS + self.piece_rows())
    }

    /// Most rows of a task.
    fn piece_rows(&self) -> usize {
        self.rows.min(PANELS * TILE_ROWS)
    }

    pub fn run(
        &self,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [f32],
        bias: Option<&[f32]>,
        epilogue: &Epilogue<'_>,
        threads: &Threads,
    ) {
        let (copy, slots) = scratch.split_at_mut(self.source.len());
        let slots = SharedMut::new(slots);
        let output = SharedMut::new(output);
        for image in 0..self.batch {
            let from = image * self.image_in..(image + 1) * self.image_in;
            let mask = epilogue.relu_output.map(|mask| &mask[from.clone()]);
            let original = &input[from];
            let in_place = self.source.is_identity() && mask.is_none();
            if !in_place {
                self.source.fill(original, mask, copy, threads);
            }
            let pass = Pass {
                plan: self,
                pixels: if in_place { original } else { copy },
                in_place,
                output: &output,
                image,
                bias,
                epilogue,
            };
            pass.run(&slots, threads);
        }
    }
}

/// Pairs of vectors of a tile with as many rows, where it is the only panel or not.
fn pairs(rows: usize, panels: usize) -> usize {
    match (rows, panels) {
        (1, 1) => 4,
        (2 | 3, 1) => 2,
        // Twelve rows of two registers.
        _ if panels > 1 && is_wide() => 2,
        _ => 1,
    }
}

/// One image's run.
struct Pass<'a> {
    plan: &'a Direct,
    pixels: &'a [f32],
    in_place: bool,
    output: &'a SharedMut<'a>,
    image: usize,
    bias: Option<&'a [f32]>,
    epilogue: &'a Epilogue<'a>,
}

/// Row panels first..end and tiles first..end of one plane of one job of one group.
struct Piece {
    job: usize,
    group: usize,
    plane: usize,
    panels: (usize, usize),
    tiles: (usize, usize),
}

impl Pass<'_> {
    /// Positions of one plane: from its first output to its last, with the row ends between.
    fn positions(&self, job: &Job) -> usize {
        (job.count[1].max(1) - 1) * self.plan.source.axes[2].extent + job.count[2]
    }

    fn run(&self, slots: &SharedMut<'_>, threads: &Threads) {
        let pieces = self.pieces(threads.count());
        threads.for_each(pieces.len(), |task, slot| {
            let piece = &pieces[task];
            let job = &self.plan.jobs[piece.job];
            let slot_len = self.plan.slot_len();
            // SAFETY: a slot is used by one task at a time.
            let slot = unsafe { slots.part(slot * slot_len, slot_len) };
            let (packed, sums) = slot.split_at_mut(GROUP * self.plan.width * STEPS);
            dispatch_wide(Tiles { pass: self, piece, job, packed, sums });
        });
    }

    fn pieces(&self, threads: usize) -> Vec<Piece> {
        let plan = self.plan;
        let mut pieces = Vec::new();
        let planes: usize = plan.jobs.iter().map(|job| job.count[0] * plan.groups).sum();
        for (index, job) in plan.jobs.iter().enumerate() {
            if job.count.contains(&0) {
                continue;
            }
            let chunks = plan.panels.len().div_ceil(PANELS);
            // Even chunks.
            let chunk = plan.panels.len().div_ceil(chunks);
            let tiles = self.positions(job).div_ceil(plan.width);
            let wanted = if threads == 1 { 1 } else { (6 * threads).div_ceil(chunks * planes) };
            // A group of tiles stays together: each pass over the weights serves all of it.
            let run = tiles.div_ceil(wanted.min(tiles.div_ceil(GROUP)));
            // Few groups: cut the rows instead.
            let rows_wanted = wanted.div_ceil(tiles.div_ceil(run));
            let chunk = chunk.div_ceil(rows_wanted).max(CHUNK.min(chunk));
            for group in 0..plan.groups {
                for plane in 0..job.count[0] {
                    for first in (0..plan.panels.len()).step_by(chunk) {
                        for tile in (0..tiles).step_by(run) {
                            let panels = (first, (first + chunk).min(plan.panels.len()));
                            let tiles = (tile, (tile + run).min(tiles));
                            pieces.push(Piece { job: index, group, plane, panels, tiles });
                        }
                    }
                }
            }
        }
        pieces
    }
}

/// A run of neighbouring results of a tile: columns first.., offset in the result's plane, how many.
#[derive(Clone, Copy, Default)]
struct Segment {
    column: usize,
    offset: usize,
    len: usize,
}

/// A tile: its first pixel in the copy, how many of its positions exist, and where its results go.
#[derive(Clone, Copy)]
struct Spot {
    base: usize,
    valid: usize,
    /// Whether its results are in the first pair of vectors.
    narrow: bool,
    segments: [Segment; MOST_SEGMENTS],
    used: usize,
}

/// A tile of the narrowest image has a result per column.
const MOST_SEGMENTS: usize = 8 * LANES;

/// Where the sums of a row panel and a tile go.
struct Target<'a> {
    /// First row within the group.
    row: usize,
    /// Its place among the kept sums.
    sums: usize,
    spot: &'a Spot,
}

/// A part of k.
#[derive(Clone, Copy)]
struct Part {
    /// First step; sums of an earlier part are kept.
    first: usize,
    steps: usize,
    /// Whether the sums are complete after it.
    last: bool,
}

struct Tiles<'a> {
    pass: &'a Pass<'a>,
    piece: &'a Piece,
    job: &'a Job,
    packed: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let steps = self.job.offsets.len();
        let blocks = steps.div_ceil(STEPS).max(1);
        let block = steps.div_ceil(blocks);
        let (first, end) = self.piece.tiles;
        for tile in (first..end).step_by(GROUP) {
            let count = GROUP.min(end - tile);
            let empty = Spot {
                base: 0,
                valid: 0,
                narrow: false,
                segments: [Segment::default(); MOST_SEGMENTS],
                used: 0,
            };
            let mut spots = [empty; GROUP];
            for (index, spot) in spots[..count].iter_mut().enumerate() {
                self.place(tile + index, spot);
            }
            for part in 0..blocks {
                let (first, end) = (part * block, ((part + 1) * block).min(steps));
                let part = Part { first, steps: end - first, last: part + 1 == blocks };
                self.group::<S>(&spots[..count], part);
            }
        }
    }
}

impl Tiles<'_> {
    #[inline(always)]
    fn place(&self, tile: usize, spot: &mut Spot) {
        let plan = self.pass.plan;
        let position = tile * plan.width;
        let axes = &plan.source.axes;
        let channel = self.piece.group * (plan.source.channels / plan.groups) * plan.source.channel_len();
        spot.base = channel + self.piece.plane * axes[1].extent * axes[2].extent + position;
        // The copy has slack behind its end, an image read in place has none.
        let exist = self.pass.positions(self.job) - position;
        spot.valid = if self.pass.in_place { exist.min(plan.width) } else { plan.width };
        debug_assert!(plan.width <= SLACK);
        spot.narrow = exist <= TILE_COLUMNS;
        spot.used = self.segments(position, &mut spot.segments);
    }

    /// One part of k for a group of tiles, all row panels of the piece.
    #[inline(always)]
    fn group<S: Simd>(&mut self, spots: &[Spot], part: Part) {
        let plan = self.pass.plan;
        let (first, end) = self.piece.panels;
        let unread = TabledColumns { first: std::ptr::null(), offsets: plan.packed_offsets.as_ptr() };
        let mut columns = [unread; GROUP];
        for (index, (columns, spot)) in columns.iter_mut().zip(spots).enumerate() {
            *columns = if end - first >= COPY_FROM || spot.valid < plan.width {
                self.pack::<S>(index, spot, part)
            } else {
                // SAFETY: the tile's first pixel is inside the copy, the table has an entry per step.
                unsafe {
                    let first = self.pass.pixels.as_ptr().add(spot.base);
                    TabledColumns { first, offsets: self.job.offsets.as_ptr().add(part.first) }
                }
            };
        }
        for chunk in (first..end).step_by(CHUNK) {
            for (index, spot) in spots.iter().enumerate() {
                let (mut panel, chunk_end) = (chunk, end.min(chunk + CHUNK));
                while panel < chunk_end {
                    let taken = self.panels::<S>(columns[index], (panel, chunk_end), index, spot, part);
                    for next in panel + CHUNK..(panel + CHUNK + taken).min(end) {
                        self.fetch::<S>(next, part, (index, spots.len()));
                    }
                    panel += taken;
                }
            }
        }
    }

    /// Asks for the `index`-th of `count` parts of a panel's weights: those of the next chunk come from memory while
    /// this one is worked on.
    #[inline(always)]
    fn fetch<S: Simd>(&self, panel: usize, part: Part, (index, count): (usize, usize)) {
        let weights = self.weights(panel, part);
        let len = part.steps * self.pass.plan.panels[panel].1;
        for line in (len * index / count..len * (index + 1) / count).step_by(LINE) {
            S::prefetch(weights[line..].as_ptr());
        }
    }

    /// The weights of a panel from a part of k on.
    #[inline(always)]
    fn weights(&self, panel: usize, part: Part) -> &[f32] {
        let plan = self.pass.plan;
        let (row, rows) = plan.panels[panel];
        let first = (self.piece.group * plan.rows + row) * plan.steps + (self.job.first + part.first) * rows;
        &plan.weights[first..]
    }

    /// Copies the columns of a tile together.
    #[inline(always)]
    fn pack<S: Simd>(&mut self, index: usize, spot: &Spot, part: Part) -> TabledColumns {
        let width = self.pass.plan.width;
        let packed = &mut self.packed[index * STEPS * width..][..part.steps * width];
        let offsets = &self.job.offsets[part.first..part.first + part.steps];
        for (to, &offset) in packed.chunks_exact_mut(width).zip(offsets) {
            let from = spot.base + offset as usize;
            if spot.valid == width {
                debug_assert!(from + width <= self.pass.pixels.len());
                for vector in 0..width / LANES {
                    // SAFETY: the tile's pixels under each step are inside the copy and its slack.
                    unsafe {
                        let value = S::load(self.pass.pixels.as_ptr().add(from + vector * LANES));
                        S::store(to.as_mut_ptr().add(vector * LANES), value);
                    }
                }
            } else {
                to[..spot.valid].copy_from_slice(&self.pass.pixels[from..from + spot.valid]);
                to[spot.valid..].fill(0.0);
            }
        }
        TabledColumns { first: packed.as_ptr(), offsets: self.pass.plan.packed_offsets.as_ptr() }
    }

    /// The first tile of the row panels over one part of k; says how many panels it took.
    #[inline(always)]
    fn panels<S: Simd>(
        &mut self,
        right: TabledColumns,
        (panel, end): (usize, usize),
        index: usize,
        spot: &Spot,
        part: Part,
    ) -> usize {
        let plan = self.pass.plan;
        let (row, rows) = plan.panels[panel];
        let left = self.weights(panel, part).as_ptr();
        let two = TwoPanels { first: left, distance: TILE_ROWS * plan.steps };
        let left = PackedRows(left);
        let target =
            Target { row, sums: index * plan.piece_rows() + row - plan.panels[self.piece.panels.0].0, spot };
        let tile = tile_rows::<S>(&plan.panels[panel..end]);
        // SAFETY: the panel has `rows` weights per step; each offset plus the position plus a tile's width is inside
        // the copy and its slack, or inside the packed tile.
        unsafe {
            match (tile, if spot.narrow { 1 } else { plan.width / TILE_COLUMNS }) {
                (12, 1) => self.panel::<S, _, 12, 1>(two, right, &target, part),
                (12, _) => self.panel::<S, _, 12, 2>(two, right, &target, part),
                (6, 1) => self.panel::<S, _, 6, 1>(left, right, &target, part),
                (6, _) => self.panel::<S, _, 6, 2>(left, right, &target, part),
                (5, 1) => self.panel::<S, _, 5, 1>(left, right, &target, part),
                (5, _) => self.panel::<S, _, 5, 2>(left, right, &target, part),
                (4, 1) => self.panel::<S, _, 4, 1>(left, right, &target, part),
                (4, _) => self.panel::<S, _, 4, 2>(left, right, &target, part),
                (3, 1) => self.panel::<S, _, 3, 1>(left, right, &target, part),
                (3, _) => self.panel::<S, _, 3, 2>(left, right, &target, part),
                (2, 1) => self.panel::<S, _, 2, 1>(left, right, &target, part),
                (2, _) => self.panel::<S, _, 2, 2>(left, right, &target, part),
                (_, 1) => self.panel::<S, _, 1, 1>(left, right, &target, part),
                (_, 2) => self.panel::<S, _, 1, 2>(left, right, &target, part),
                _ => self.panel::<S, _, 1, 4>(left, right, &target, part),
            }
        }
        tile / rows
    }

    /// The tile's results, cut at the row ends of the copy.
    #[inline(always)]
    fn segments(&self, position: usize, segments: &mut [Segment; MOST_SEGMENTS]) -> usize {
        let plan = self.pass.plan;
        let pitch = plan.source.axes[2].extent;
        let job = self.job;
        let z = job.start[0] + self.piece.plane * job.step[0];
        let mut used = 0;
        let mut column = 0;
        while column < plan.width {
            let (y, x) = ((position + column) / pitch, (position + column) % pitch);
            if y >= job.count[1] {
                break;
            }
            let len = job.count[2].saturating_sub(x).min(plan.width - column);
            if len > 0 {
                let (at_y, at_x) = (job.start[1] + y * job.step[1], job.start[2] + x * job.step[2]);
                let offset = (z * plan.pixels[1] + at_y) * plan.pixels[2] + at_x;
                segments[used] = Segment { column, offset, len };
                used += 1;
            }
            column += pitch - x;
        }
        used
    }

    /// # Safety
    /// `left` has ROWS weights and `right` columns of 16 * PAIRS floats for each step of the part.
    #[inline(always)]
    unsafe fn panel<S: Simd, L: Left, const ROWS: usize, const PAIRS: usize>(
        &mut self,
        left: L,
        right: TabledColumns,
        target: &Target<'_>,
        part: Part,
    ) {
        let width = PAIRS * TILE_COLUMNS;
        let row = target.row;
        // A narrow tile's sums have the place of a whole one's.
        let kept = &mut self.sums[target.sums * self.pass.plan.width..][..ROWS * width];
        // SAFETY: the caller's promise; the kept sums have the tile's size.
        let sums = unsafe {
            let sums = product::<S, _, _, ROWS, PAIRS>(part.steps, left, right);
            if part.first == 0 { sums } else { add::<S, ROWS, PAIRS>(sums, kept.as_ptr(), width) }
        };
        if !part.last {
            // SAFETY: as above.
            unsafe { store::<S, _, _>(sums, kept.as_mut_ptr(), width) };
            return;
        }
        let segments = &target.spot.segments[..target.spot.used];
        match segments {
            [whole] if whole.len == width && self.job.step[2] == 1 => {
                self.whole::<S, ROWS, PAIRS>(sums, row, whole.offset);
            }
            _ => {
                let mut tile = [0f32; TILE_LEN];
                // SAFETY: ROWS * PAIRS <= 24 pairs fit the tile of 384 floats.
                unsafe { store::<S, _, _>(sums, tile.as_mut_ptr(), width) };
                for index in 0..ROWS {
                    self.cut(row + index, &tile[index * width..], segments);
                }
            }
        }
    }
}
