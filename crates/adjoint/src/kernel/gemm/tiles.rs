//! Matrix products by tiles of packed panels.
#![allow(unsafe_code, reason = "threads write disjoint tiles of C; tiles are stored through pointers")]

use super::super::microkernel::{
    AHEAD_STEPS, Ahead, LINE, Left, PackedRows, Right, StridedColumns, Sums, TILE_COLUMNS, TILE_LEN,
    TILE_ROWS, TwoColumns, TwoPanels, add, product_ahead, row_panels, store, tile_rows,
};
use super::super::simd::{Kernel, LANES, Simd, dispatch, dispatch_wide, is_wide};
use super::super::threads::{SharedMut, Threads};
use super::pack::{Block, PackColumns, PackRows};
use super::{Constant, GemmEpilogue, GemmShape};

/// Steps of k summed at a time: two panels should stay in the first-level cache, and sums of parts round less than
/// one long sum.
const STEPS: usize = 320;
/// Rows of packed A that one task walks: they should stay in the second-level cache.
const CHUNK_BYTES: usize = 192 << 10;
/// Row panels below which a task would read the columns for too little work.
const LEAST_PANELS: usize = 6;
/// Packed values of one group of matrices of a batch.
const GROUP_LEN: usize = 2 << 20;

#[derive(Debug, Clone)]
pub(crate) struct Tiles {
    panels: Vec<(usize, usize)>,
    packed: Packed,
}

#[derive(Debug, Clone)]
enum Packed {
    Neither,
    A(Vec<f32>),
    B(Vec<f32>),
}

/// Packed values of one matrix of A and B.
fn packed_lens(shape: &GemmShape) -> (usize, usize) {
    (shape.m * shape.k, shape.n.div_ceil(TILE_COLUMNS) * TILE_COLUMNS * shape.k)
}

/// How many different matrices an operand has: 1 where the batch shares it.
fn distinct(shape: &GemmShape, batch: [usize; 2]) -> usize {
    if (batch[0] == 0 || shape.batch[0] <= 1) && (batch[1] == 0 || shape.batch[1] <= 1) {
        1
    } else {
        shape.matrices()
    }
}

impl Tiles {
    pub fn new(shape: &GemmShape, constant: Constant<'_>) -> Self {
        let panels = row_panels(shape.m);
        let (a_len, b_len) = packed_lens(shape);
        let one = Threads::one();
        let packed = match constant {
            Constant::Neither => Packed::Neither,
            Constant::A(a) => {
                let count = distinct(shape, shape.a.batch);
                let mut packed = vec![0.0; a_len * count];
                let indices: Vec<_> = (0..count).collect();
                pack_a(shape, &panels, a, &indices, &mut packed, &one);
                Packed::A(packed)
            }
            Constant::B(b) => {
                let count = distinct(shape, shape.b.batch);
                let mut packed = vec![0.0; b_len * count];
                let indices: Vec<_> = (0..count).collect();
                pack_b(shape, b, &indices, &mut packed, &one);
                Packed::B(packed)
            }
        };
        Self { panels, packed }
    }

    /// Whether a run reads A (0) or B (1).
    pub fn reads(&self, operand: usize) -> bool {
        !matches!((&self.packed, operand), (Packed::A(_), 0) | (Packed::B(_), 1))
    }

    pub fn packed_bytes(&self) -> usize {
        match &self.packed {
            Packed::Neither => 0,
            Packed::A(values) | Packed::B(values) => 4 * values.len(),
        }
    }

    /// Matrices whose operands are packed together, and the scratch of each operand.
    fn group(&self, shape: &GemmShape) -> (usize, usize, usize) {
        let (a_len, b_len) = packed_lens(shape);
        let a_len = if self.reads(0) { a_len } else { 0 };
        let b_len = if self.reads(1) { b_len } else { 0 };
        let group = (GROUP_LEN / (a_len + b_len).max(1)).clamp(1, shape.matrices().max(1));
        (group, a_len, b_len)
    }

    pub fn scratch_len(&self, shape: &GemmShape, threads: &Threads) -> usize {
        let (group, a_len, b_len) = self.group(shape);
        group * (a_len + b_len) + threads.count() * shape.m * 2 * TILE_COLUMNS
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments of Gemm::run")]
    pub fn run(
        &self,
        shape: &GemmShape,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
        scratch: &mut [f32],
        epilogue: &GemmEpilogue<'_>,
        threads: &Threads,
    ) {
        let (group, a_len, b_len) = self.group(shape);
        let (packed_a, rest) = scratch.split_at_mut(group * a_len);
        let (packed_b, slots) = rest.split_at_mut(group * b_len);
        let slots = SharedMut::new(slots);
        let c = SharedMut::new(c);
        for first in (0..shape.matrices()).step_by(group) {
            let indices: Vec<_> = (first..(first + group).min(shape.matrices())).collect();
            let pass = Pass { shape, panels: &self.panels, c: &c, epilogue };
            let by_rows = if a_len > 0 { pass.by_rows(&indices, threads.count()) } else { None };
            if a_len > 0 && by_rows.is_none() {
                pack_a(shape, &self.panels, a, &indices, packed_a, threads);
            }
            if b_len > 0 {
                pack_b(shape, b, &indices, packed_b, threads);
            }
            let (one_a, one_b) = packed_lens(shape);
            let packs = by_rows.is_some();
            let pieces = by_rows.unwrap_or_else(|| pass.pieces(&indices, threads.count()));
            let packed_a = SharedMut::new(packed_a);
            threads.for_each(pieces.len(), |task, slot| {
                let piece = &pieces[task];
                // A packed operand that the batch shares exists once.
                let place = |batch| if distinct(shape, batch) == 1 { 0 } else { piece.matrix };
                let panels = &self.panels[piece.rows.0..piece.rows.1];
                let row = panels[0].0;
                let rows = panels.iter().map(|panel| panel.1).sum::<usize>();
                let own = a_len * (piece.matrix - first) + row * shape.k;
                let a = match &self.packed {
                    Packed::A(values) => &values[one_a * place(shape.a.batch)..][row * shape.k..],
                    // SAFETY: these rows are this task's alone.
                    _ if packs => unsafe {
                        let packed = packed_a.part(own, rows * shape.k);
                        for &(first, rows) in panels {
                            let panel = &mut packed[(first - row) * shape.k..][..rows * shape.k];
                            pack_panel(shape, a, piece.matrix, (first, rows), panel);
                        }
                        packed
                    },
                    // SAFETY: nobody writes here any more.
                    _ => unsafe { std::slice::from_raw_parts(packed_a.pointer().add(own), rows * shape.k) },
                };
                let b = match &self.packed {
                    Packed::B(values) => &values[one_b * place(shape.b.batch)..],
                    _ => &packed_b[b_len * (piece.matrix - first)..],
                };
                let len = shape.m * 2 * TILE_COLUMNS;
                // SAFETY: a slot is used by one task at a time.
                let sums = unsafe { slots.part(slot * len, len) };
                dispatch_wide(Task { pass: &pass, piece, row, a, b: &b[..one_b], sums });
            });
        }
    }
}

fn pack_a(
    shape: &GemmShape,
    panels: &[(usize, usize)],
    a: &[f32],
    indices: &[usize],
    packed: &mut [f32],
    threads: &Threads,
) {
    let (len, _) = packed_lens(shape);
    let packed = SharedMut::new(packed);
    threads.for_each(indices.len() * panels.len(), |task, _| {
        let (place, (first, rows)) = (task / panels.len(), panels[task % panels.len()]);
        // SAFETY: each panel belongs to one task.
        let panel = unsafe { packed.part(place * len + first * shape.k, rows * shape.k) };
        pack_panel(shape, a, indices[place], (first, rows), panel);
    });
}

fn pack_panel(shape: &GemmShape, a: &[f32], matrix: usize, (first, rows): (usize, usize), panel: &mut [f32]) {
    // Without steps of k there may be no values at all.
    let values = &a[shape.offset(&shape.a, matrix).min(a.len())..];
    for part in 0..shape.parts {
        let values = &values[(part * shape.a.part).min(values.len())..];
        let matrix = Block { values, row: shape.a.row, column: shape.a.column };
        let panel = &mut panel[part * shape.steps() * rows..];
        dispatch(PackRows { matrix, first, rows, steps: shape.steps(), panel });
    }
}

fn pack_b(shape: &GemmShape, b: &[f32], indices: &[usize], packed: &mut [f32], threads: &Threads) {
    let (_, len) = packed_lens(shape);
    let panels = shape.n.div_ceil(TILE_COLUMNS);
    let packed = SharedMut::new(packed);
    threads.for_each(indices.len() * panels, |task, _| {
        let (place, panel) = (task / panels, task % panels);
        let values = &b[shape.offset(&shape.b, indices[place]).min(b.len())..];
        let first = panel * TILE_COLUMNS;
        let columns = TILE_COLUMNS.min(shape.n - first);
        // SAFETY: each panel belongs to one task.
        let to = unsafe { packed.part(place * len + first * shape.k, TILE_COLUMNS * shape.k) };
        for part in 0..shape.parts {
            let values = &values[(part * shape.b.part).min(values.len())..];
            let matrix = Block { values, row: shape.b.row, column: shape.b.column };
            let panel = &mut to[part * shape.steps() * TILE_COLUMNS..];
            dispatch(PackColumns { matrix, first, columns, steps: shape.steps(), panel });
        }
    });
}

/// One group's run.
struct Pass<'a> {
    shape: &'a GemmShape,
    panels: &'a [(usize, usize)],
    c: &'a SharedMut<'a>,
    epilogue: &'a GemmEpilogue<'a>,
}

/// Row panels and column panels (first..end) of one matrix.
struct Piece {
    matrix: usize,
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Pass<'_> {
    /// Pieces of rows by all columns, where there are enough for the threads: each packs its rows itself. They stay in the
    /// cache of the core that will read them, and nobody waits for somebody else's.
    fn by_rows(&self, indices: &[usize], threads: usize) -> Option<Vec<Piece>> {
        let rows = self.panels.len();
        let wanted = if threads == 1 { 1 } else { (2 * threads).div_ceil(indices.len()) };
        let fitting = (CHUNK_BYTES / (24 * self.shape.k).max(1)).clamp(2, rows.max(2));
        // Even ones, of the panels by twos that make the widest tile.
        let chunk = rows.div_ceil(wanted.max(rows.div_ceil(fitting))).next_multiple_of(2);
        if rows < LEAST_PANELS * wanted {
            return None;
        }
        let columns = (0, self.shape.n.div_ceil(TILE_COLUMNS));
        let firsts = || (0..rows).step_by(chunk);
        let pieces = indices.iter().flat_map(|&matrix| firsts().map(move |first| (matrix, first)));
        let piece = |(matrix, first)| Piece { matrix, rows: (first, (first + chunk).min(rows)), columns };
        Some(pieces.map(piece).collect())
    }

    fn pieces(&self, indices: &[usize], threads: usize) -> Vec<Piece> {
        let shape = self.shape;
        let rows = self.panels.len();
        let chunks = rows.div_ceil((CHUNK_BYTES / (24 * shape.k).max(1)).clamp(1, rows));
        let chunk = rows.div_ceil(chunks);
        let columns = shape.n.div_ceil(TILE_COLUMNS);
        let wanted = if threads == 1 { 1 } else { (6 * threads).div_ceil(chunks * indices.len()) };
        let run = columns.div_ceil(wanted.min(columns));
        // Two panels make the widest tile.
        let run = if is_wide() { run.next_multiple_of(2) } else { run };
        let mut pieces = Vec::new();
        for &matrix in indices {
            for first in (0..rows).step_by(chunk) {
                for column in (0..columns).step_by(run) {
                    let rows = (first, (first + chunk).min(rows));
                    pieces.push(Piece { matrix, rows, columns: (column, (column + run).min(columns)) });
                }
            }
        }
        pieces
    }
}

struct Task<'a> {
    pass: &'a Pass<'a>,
    piece: &'a Piece,
    /// The piece's first row, where `a` begins.
    row: usize,
    a: &'a [f32],
    b: &'a [f32],
    sums: &'a mut [f32],
}

/// A part of k.
struct Part {
    first: usize,
    steps: usize,
    last: bool,
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let steps = self.pass.shape.k;
        let blocks = steps.div_ceil(STEPS).max(1);
        let block = steps.div_ceil(blocks);
        let (mut column, end) = self.piece.columns;
        while column < end {
            // Registers of sixteen lanes hold the sums of two panels of columns: each row's factor serves both.
            let pairs = if S::WIDE && column + 1 < end { 2 } else { 1 };
            for part in 0..blocks {
                let (first, end) = (part * block, ((part + 1) * block).min(steps));
                let part = Part { first, steps: end - first, last: part + 1 == blocks };
                if pairs == 2 {
                    self.wide_panels::<S>(column, &part)
                } else {
                    self.panels::<S>(column, &part)
                }
            }
            column += pairs;
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn panels<S: Simd>(&mut self, column: usize, part: &Part) {
        let steps = self.pass.shape.k;
        let right = &self.b[column * TILE_COLUMNS * steps + part.first * TILE_COLUMNS..];
        let right = StridedColumns { first: right.as_ptr(), distance: TILE_COLUMNS };
        self.tiles::<S, _, 1>(column, right, part);
    }

    #[inline(always)]
    fn wide_panels<S: Simd>(&mut self, column: usize, part: &Part) {
        let steps = self.pass.shape.k;
        let right = &self.b[column * TILE_COLUMNS * steps + part.first * TILE_COLUMNS..];
        let right = TwoColumns { first: right.as_ptr(), distance: TILE_COLUMNS * steps };
        self.tiles::<S, _, 2>(column, right, part);
    }

    /// All row panels by one or two panels of columns.
    #[inline(always)]
    fn tiles<S: Simd, R: Right, const PAIRS: usize>(&mut self, column: usize, right: R, part: &Part) {
        let steps = self.pass.shape.k;
        let mut panels = &self.pass.panels[self.piece.rows.0..self.piece.rows.1];
        let mut ahead = self.ahead::<S>(panels, column, PAIRS, part);
        while let [(row, rows), ..] = *panels {
            let left = self.a[(row - self.row) * steps + part.first * rows..].as_ptr();
            let two = TwoPanels { first: left, distance: TILE_ROWS * steps };
            let left = PackedRows(left);
            let tile = tile_rows::<S>(panels);
            panels = &panels[tile / rows..];
            // SAFETY: the panels hold `rows` and 16 values for each step of k.
            unsafe {
                match tile {
                    12 => self.panel::<S, _, _, 12, PAIRS>(two, right, row, column, part, ahead),
                    6 => self.panel::<S, _, _, 6, PAIRS>(left, right, row, column, part, ahead),
                    5 => self.panel::<S, _, _, 5, PAIRS>(left, right, row, column, part, ahead),
                    4 => self.panel::<S, _, _, 4, PAIRS>(left, right, row, column, part, ahead),
                    3 => self.panel::<S, _, _, 3, PAIRS>(left, right, row, column, part, ahead),
                    2 => self.panel::<S, _, _, 2, PAIRS>(left, right, row, column, part, ahead),
                    _ => self.panel::<S, _, _, 1, PAIRS>(left, right, row, column, part, ahead),
                }
            }
            ahead.first = ahead.first.wrapping_add(ahead.lines * part.steps.div_ceil(AHEAD_STEPS) * LINE);
        }
    }

    /// The next columns, which come from memory while these are worked on: each part of k and each tile asks for its
    /// share of them.
    #[inline(always)]
    fn ahead<S: Simd>(&self, panels: &[(usize, usize)], column: usize, pairs: usize, part: &Part) -> Ahead {
        let steps = self.pass.shape.k;
        let tiles = if S::WIDE { panels.len().div_ceil(2) } else { panels.len() };
        let requests = tiles * part.steps.div_ceil(AHEAD_STEPS);
        let lines = (pairs * TILE_COLUMNS * part.steps / LINE).div_ceil(requests.max(1));
        let first = self.b[column * TILE_COLUMNS * steps..].as_ptr();
        let first = first.wrapping_add(pairs * TILE_COLUMNS * (steps + part.first));
        Ahead { first, lines }
    }

    /// # Safety
    /// `left` has ROWS values and `right` 16 per pair for each step of the part.
    #[inline(always)]
    unsafe fn panel<S: Simd, L: Left, R: Right, const ROWS: usize, const PAIRS: usize>(
        &mut self,
        left: L,
        right: R,
        row: usize,
        column: usize,
        part: &Part,
        ahead: Ahead,
    ) {
        let width = PAIRS * TILE_COLUMNS;
        let kept = &mut self.sums[row * width..][..ROWS * width];
        // SAFETY: the caller's promise; the kept sums have the tile's size.
        let sums = unsafe {
            let sums = product_ahead::<S, _, _, ROWS, PAIRS>(part.steps, left, right, ahead);
            if part.first == 0 { sums } else { add::<S, ROWS, PAIRS>(sums, kept.as_ptr(), width) }
        };
        if !part.last {
            // SAFETY: as above.
            unsafe { store::<S, _, _>(sums, kept.as_mut_ptr(), width) };
            return;
        }
        let shape = self.pass.shape;
        let columns = (shape.n - column * TILE_COLUMNS).min(width);
        let at = shape.offset(&shape.c, self.piece.matrix)
            + row * shape.c.row
            + column * TILE_COLUMNS * shape.c.column;
        if columns == width && shape.c.column == 1 {
            self.whole::<S, ROWS, PAIRS>(sums, row, column, at);
        } else {
            let mut tile = [0f32; TILE_LEN];
            // SAFETY: at most 12 rows of 32 floats.
            unsafe { store::<S, _, _>(sums, tile.as_mut_ptr(), width) };
            for index in 0..ROWS {
                let values = &tile[index * width..][..columns];
                self.cut(values, row + index, column, at + index * shape.c.row);
            }
        }
    }

    #[inline(always)]
    fn whole<S: Simd, const ROWS: usize, const PAIRS: usize>(
        &self,
        sums: Sums<S, ROWS, PAIRS>,
        row: usize,
        column: usize,
        at: usize,
    ) {
        let epilogue = self.pass.epilogue;
        let scale = S::splat(epilogue.scale);
        for (index, sums) in sums.into_iter().enumerate() {
            let row_bias = S::splat(epilogue.row_bias.map_or(0.0, |bias| bias[row + index]));
            for (half, sum) in sums.into_iter().flat_map(S::halves).enumerate() {
                let at = at + index * self.pass.shape.c.row + half * LANES;
                debug_assert!(at + LANES <= self.pass.c.len());
                // SAFETY: the tile's rows and columns are inside C, the biases have C's sizes.
                unsafe {
                    let to = self.pass.c.pointer().add(at);
                    let mut value = S::add(S::mul(sum, scale), row_bias);
                    if let Some(bias) = epilogue.column_bias {
                        value =
                            S::add(value, S::load(bias.as_ptr().add(column * TILE_COLUMNS + half * LANES)));
                    }
                    if epilogue.accumulate {
                        value = S::add(value, S::load(to));
                    }
                    if epilogue.relu {
                        value = S::max(S::splat(0.0), value);
                    }
                    S::store(to, value);
                }
            }
        }
    }

    #[inline(always)]
    fn cut(&self, sums: &[f32], row: usize, column: usize, at: usize) {
        for (index, &sum) in sums.iter().enumerate() {
            let at = at + index * self.pass.shape.c.column;
            debug_assert!(at < self.pass.c.len());
            // SAFETY: the element is inside C and belongs to this task.
            let to = unsafe { &mut *self.pass.c.pointer().add(at) };
            *to = finish(sum, row, column * TILE_COLUMNS + index, self.pass.epilogue, *to);
        }
    }
}

/// The epilogue of one element, in the order in which the vectors do it.
#[inline(always)]
pub(crate) fn finish(sum: f32, row: usize, column: usize, epilogue: &GemmEpilogue<'_>, old: f32) -> f32 {
    let mut value = sum * epilogue.scale + epilogue.row_bias.map_or(0.0, |bias| bias[row]);
    value += epilogue.column_bias.map_or(0.0, |bias| bias[column]);
    if epilogue.accumulate {
        value += old;
    }
    if epilogue.relu && value < 0.0 { 0.0 } else { value }
}
