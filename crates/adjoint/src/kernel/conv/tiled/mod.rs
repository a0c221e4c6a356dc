//! Convolution by tiles in a transformed domain: Winograd's minimal filtering and the Fourier transform.
//!
//! Square tiles of the source, eight channels at a time, are transformed; at each point of the transform tiles times
//! channels is multiplied with channels times rows of the kernels' transforms (packed at preparation); tiles of the
//! products are transformed back. All three steps run for a block of tile rows before the next block starts, so that
//! what lies between them stays in the caches.
#![allow(unsafe_code, reason = "vector loads and stores in scratch memory; threads write disjoint parts")]

mod inputs;
mod outputs;
mod products;

use super::super::microkernel::TILE_COLUMNS;
use super::super::simd::{LANES, Simd, dispatch, dispatch_wide};
use super::super::threads::{SharedMut, Threads};
use super::phases::Phased;
use super::{Candidate, ConvGeometry, Direction, Epilogue, Method};
use inputs::Inputs;
use outputs::Outputs;
use products::Products;

/// Floats of one stage's transformed tiles that a block may hold.
const STAGE_LEN: usize = 1 << 20;
/// Floats between the points of a transform beyond their contents, so that points do not share a cache set.
const SKEW: usize = 16;

/// A tile transform on eight channels at once.
pub(crate) trait Transform: Copy + Send + Sync {
    /// Whether a point is a complex number: two rows per tile (real, imaginary).
    const PAIRED: bool;
    /// Pixels of a source tile along an axis.
    fn size(&self) -> usize;
    /// Points of the transform.
    fn points(&self) -> usize;
    /// Transforms the tile at `from`, rows of eight-channel pixels at `pitch`, to places `point` floats apart; a
    /// complex point is written as imaginary, real and negated imaginary part, `part` floats apart.
    ///
    /// # Safety
    /// The tile can be read and all places can be written.
    unsafe fn input<S: Simd>(&self, from: *const f32, pitch: usize, to: *mut f32, point: usize, part: usize);
    /// Transforms products back: places `point` floats apart (the imaginary part `row` floats after the real one), to
    /// the tile at `to`.
    ///
    /// # Safety
    /// All places can be read and the tile can be written.
    unsafe fn output<S: Simd>(&self, from: *const f32, point: usize, row: usize, to: *mut f32, pitch: usize);
    /// Transforms a kernel of taps\[0\] x taps\[1\]; complex points as real part, imaginary part.
    fn kernel(&self, taps: [usize; 2], kernel: &[f64], points: &mut [f64]);
}

/// A convolution in a transformed domain, packed.
#[derive(Debug, Clone)]
pub(crate) struct Tiled<T> {
    transform: T,
    phased: Phased,
    /// Per point and panel of 16 rows: 16 values per channel (for complex points all real parts, then all imaginary).
    weights: Vec<f32>,
    /// Channels and rows, rounded up to whole vectors and panels.
    channels: usize,
    rows: usize,
    /// Pixels of a result tile along an axis.
    out: usize,
    /// Tiles along each axis.
    tiles: [usize; 2],
    batch: usize,
    image_in: usize,
    image_out: usize,
}

impl<T: Transform> Tiled<T> {
    /// Packs the weights; `None` where the kernel does not fit the tile.
    pub fn new(
        transform: T,
        out: usize,
        geometry: &ConvGeometry,
        weights: &[f32],
        direction: Direction,
    ) -> Option<Self> {
        let phased = Phased::new(geometry, direction)?;
        let taps = [phased.y.taps, phased.x.taps];
        if taps.iter().any(|&taps| taps + out > transform.size() + 1) {
            return None;
        }
        let channels = phased.channels.next_multiple_of(LANES);
        let rows = phased.rows.next_multiple_of(TILE_COLUMNS);
        let (ins, outs) = (
            geometry.in_channels * geometry.input_pixels(),
            geometry.out_channels * geometry.output_pixels(),
        );
        let (image_in, image_out) = if direction == Direction::Forward { (ins, outs) } else { (outs, ins) };
        let tiles = [phased.y.outputs.div_ceil(out), phased.x.outputs.div_ceil(out)];
        let batch = geometry.batch;
        let mut plan = Self {
            transform,
            phased,
            weights: Vec::new(),
            channels,
            rows,
            out,
            tiles,
            batch,
            image_in,
            image_out,
        };
        plan.weights = plan.pack(geometry, weights);
        Some(plan)
    }

    const fn paired() -> usize {
        if T::PAIRED { 2 } else { 1 }
    }

    /// Values of one point's weights.
    fn point_len(&self) -> usize {
        Self::paired() * self.channels * self.rows
    }

    fn pack(&self, geometry: &ConvGeometry, weights: &[f32]) -> Vec<f32> {
        let taps = [self.phased.y.taps, self.phased.x.taps];
        let mut kernel = vec![0f64; taps[0] * taps[1]];
        let mut points = vec![0f64; self.transform.points() * Self::paired()];
        let mut packed = vec![0f32; self.point_len() * self.transform.points()];
        let steps = Self::paired() * self.channels;
        for row in 0..self.phased.rows {
            let column = row / TILE_COLUMNS * TILE_COLUMNS * steps + row % TILE_COLUMNS;
            for channel in 0..self.phased.channels {
                self.phased.kernel(geometry, weights, row, channel, &mut kernel);
                self.transform.kernel(taps, &kernel, &mut points);
                for (point, parts) in points.chunks_exact(Self::paired()).enumerate() {
                    for (part, value) in parts.iter().enumerate() {
                        let step = part * self.channels + channel;
                        packed[point * self.point_len() + column + step * TILE_COLUMNS] = *value as f32;
                    }
                }
            }
        }
        packed
    }

    /// What the method takes, for comparison with others.
    pub fn candidate(method: Method, transform: &T, out: usize, phased: &Phased) -> Candidate {
        let tiles = phased.y.outputs.div_ceil(out) * phased.x.outputs.div_ceil(out);
        let (channels, rows) =
            (phased.channels.next_multiple_of(LANES), phased.rows.next_multiple_of(TILE_COLUMNS));
        let packed_len = transform.points() * Self::paired() * channels * rows;
        Candidate { method, multiplications: tiles.max(3) * Self::paired() * packed_len, packed_len }
    }

    pub fn packed_bytes(&self) -> usize {
        4 * self.weights.len()
    }

    pub fn scratch_len(&self, threads: &Threads) -> usize {
        let layout = self.layout(threads);
        layout.pools * layout.pool_len() + threads.count() * layout.slot_len
    }

    /// How tiles, channels and rows are cut for these threads. The cut of channels is the same for any number.
    fn layout(&self, threads: &Threads) -> Layout {
        let count = threads.count();
        let (points, paired) = (self.transform.points(), Self::paired());
        // Tile rows of a block: enough tiles to reuse each panel of weights, in blocks of about the same size.
        let wanted = if T::PAIRED { 36usize } else { 24 }.div_ceil(self.tiles[1]).min(self.tiles[0]);
        let mut blocks = self.tiles[0].div_ceil(wanted);
        // Sums depend on the cut of the channels, so that must not depend on the threads.
        let most = self.tiles[0].div_ceil(blocks) * self.tiles[1];
        if blocks > 1 {
            // A multiple of the threads where that leaves a tile row per block.
            blocks = blocks.next_multiple_of(count).min(self.tiles[0]);
        }
        let tile_rows = self.tiles[0].div_ceil(blocks);
        let blocks = self.tiles[0].div_ceil(tile_rows);
        let tiles = tile_rows * self.tiles[1];
        // Either side of the product may be cut; the side with more values is.
        let parts = if T::PAIRED { 3 } else { 1 };
        let (ins, outs) = (points * most * parts, points * most * paired);
        let (mut channels, mut rows) = (self.channels, self.rows);
        if ins * channels > STAGE_LEN && ins * channels >= outs * rows {
            channels = even_part(self.channels, (STAGE_LEN / ins).max(4 * LANES), LANES);
        } else if outs * rows > STAGE_LEN {
            rows = even_part(self.rows, (STAGE_LEN / outs).max(2 * TILE_COLUMNS), TILE_COLUMNS);
        }
        let input_point = tiles * parts * channels + SKEW;
        let output_point = tiles * paired * rows + SKEW;
        let side = self.transform.size() - self.out;
        let source = (tile_rows * self.out + side) * (self.tiles[1] * self.out + side) * LANES;
        let stage = tile_rows * self.out * self.tiles[1] * self.out * LANES;
        let pools = if blocks >= 2 * count { count } else { 1 };
        Layout {
            tile_rows,
            blocks,
            channels,
            rows,
            points,
            input_point,
            output_point,
            slot_len: source.max(stage),
            pools,
        }
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
        let layout = self.layout(threads);
        let (pools, slots) = scratch.split_at_mut(layout.pools * layout.pool_len());
        let (pools, slots, output) = (SharedMut::new(pools), SharedMut::new(slots), SharedMut::new(output));
        let one = Threads::one();
        for image in 0..self.batch {
            let from = image * self.image_in..(image + 1) * self.image_in;
            let mask = epilogue.relu_output.map(|mask| &mask[from.clone()]);
            let add = epilogue.add.map(|add| &add[image * self.image_out..(image + 1) * self.image_out]);
            let pass = Pass {
                plan: self,
                layout: &layout,
                input: &input[from],
                mask,
                output: &output,
                image: image * self.image_out,
                bias,
                add,
                relu: epilogue.relu,
                slots: &slots,
            };
            let run = |block: usize, slot: usize, threads: &Threads| {
                // SAFETY: a slot's pool is used by one block at a time.
                let pool = unsafe { pools.part(slot * layout.pool_len(), layout.pool_len()) };
                pass.block(block, slot, pool, threads);
            };
            if layout.pools > 1 {
                threads.for_each(layout.blocks, |block, slot| run(block, slot, &one));
            } else {
                (0..layout.blocks).for_each(|block| run(block, 0, threads));
            }
        }
    }
}

/// A part of `whole` near `wanted`: a multiple of `unit`, parts of about the same size.
fn even_part(whole: usize, wanted: usize, unit: usize) -> usize {
    let count = whole.div_ceil(wanted.max(unit));
    whole.div_ceil(count).next_multiple_of(unit)
}

/// How the work is cut.
struct Layout {
    tile_rows: usize,
    blocks: usize,
    /// Channels and rows whose transforms are held at once.
    channels: usize,
    rows: usize,
    points: usize,
    /// Floats from one point to the next.
    input_point: usize,
    output_point: usize,
    /// Floats of a thread's source pixels or result pixels.
    slot_len: usize,
    /// Blocks that run at the same time.
    pools: usize,
}

impl Layout {
    fn pool_len(&self) -> usize {
        self.points * (self.input_point + self.output_point)
    }
}

/// One image's run.
struct Pass<'a, T> {
    plan: &'a Tiled<T>,
    layout: &'a Layout,
    input: &'a [f32],
    mask: Option<&'a [f32]>,
    output: &'a SharedMut<'a>,
    /// Offset of the image in the output.
    image: usize,
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
    slots: &'a SharedMut<'a>,
}

/// Tile rows first..end.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    end: usize,
}

impl<T: Transform> Pass<'_, T> {
    fn block(&self, block: usize, slot: usize, pool: &mut [f32], threads: &Threads) {
        let (plan, layout) = (self.plan, self.layout);
        let first = block * layout.tile_rows;
        let block = Block { first, end: (first + layout.tile_rows).min(plan.tiles[0]) };
        let (inputs, outputs) = pool.split_at_mut(layout.points * layout.input_point);
        // With one thread inside, the slot is the outer one.
        let outer = threads.count() == 1;
        let part = |inner: usize| {
            let slot = if outer { slot } else { inner };
            // SAFETY: a slot is used by one task at a time.
            unsafe { self.slots.part(slot * layout.slot_len, layout.slot_len) }
        };
        for row in (0..plan.rows).step_by(layout.rows) {
            let rows = layout.rows.min(plan.rows - row);
            for channel in (0..plan.channels).step_by(layout.channels) {
                let channels = layout.channels.min(plan.channels - channel);
                if row == 0 || layout.channels < plan.channels {
                    let shared = SharedMut::new(inputs);
                    threads.for_each(channels / LANES, |group, inner| {
                        let source = part(inner);
                        let range = (channel + group * LANES, group * LANES, channels);
                        dispatch(Inputs { pass: self, block, range, source, to: &shared });
                    });
                }
                let shared = SharedMut::new(outputs);
                threads.for_each(layout.points, |point, _| {
                    let from = &inputs[point * layout.input_point..][..layout.input_point];
                    // SAFETY: each point belongs to one task.
                    let to = unsafe { shared.part(point * layout.output_point, layout.output_point) };
                    let tiles = (block.end - block.first) * plan.tiles[1];
                    dispatch_wide(Products {
                        pass: self,
                        point,
                        tiles,
                        channel,
                        channels,
                        row,
                        rows,
                        from,
                        to,
                    });
                });
            }
            threads.for_each(rows / LANES, |group, inner| {
                if row + group * LANES < plan.phased.rows {
                    let stage = part(inner);
                    let range = (row + group * LANES, group * LANES, rows);
                    dispatch(Outputs { pass: self, block, range, from: outputs, stage });
                }
            });
        }
    }
}
