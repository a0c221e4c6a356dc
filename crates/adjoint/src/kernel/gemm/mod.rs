//! Matrix products.

mod pack;
mod tiles;
mod vector;

use super::{KernelError, Threads, check_length, check_room};

/// Where the elements of a batch of matrices lie: element (i, j) of matrix (p, q) is at
/// `p * batch[0] + q * batch[1] + i * row + j * column`, plus `part` for each part of k before its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MatrixLayout {
    /// Distance of neighbouring rows.
    pub row: usize,
    /// Distance of neighbouring columns.
    pub column: usize,
    /// Distances along the two batch axes; 0 shares one matrix.
    pub batch: [usize; 2],
    /// Distance of the parts of k ([`GemmShape::parts`]); nothing to C.
    pub part: usize,
}

impl MatrixLayout {
    /// One contiguous row-major matrix with `columns` columns.
    pub fn row_major(columns: usize) -> Self {
        Self { row: columns, column: 1, ..Self::default() }
    }

    /// One contiguous matrix with `rows` rows whose columns are contiguous: the transpose of a row-major one.
    pub fn column_major(rows: usize) -> Self {
        Self { row: 1, column: rows, ..Self::default() }
    }

    /// The same with batch distances.
    pub fn with_batch(self, batch: [usize; 2]) -> Self {
        Self { batch, ..self }
    }
}

/// C\[m, n\] = A\[m, k\] B\[k, n\] over two batch axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GemmShape {
    /// Matrices along the two batch axes.
    pub batch: [usize; 2],
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A and rows of B.
    pub k: usize,
    /// How many equal parts k consists of, each at its own place in A and B: a sum over two axes that do not lie in
    /// memory as one. 1 for a plain matrix; k must be a multiple.
    pub parts: usize,
    /// Layout of A.
    pub a: MatrixLayout,
    /// Layout of B.
    pub b: MatrixLayout,
    /// Layout of C; no two elements may share a place.
    pub c: MatrixLayout,
}

/// The operand that never changes, if any: it may be packed once.
#[derive(Debug, Clone, Copy)]
pub enum Constant<'a> {
    /// Both change from run to run.
    Neither,
    /// A is constant.
    A(&'a [f32]),
    /// B is constant.
    B(&'a [f32]),
}

/// What is fused into a matrix product: C = relu(scale * A B + row_bias + column_bias + C).
#[derive(Debug, Clone, Copy)]
pub struct GemmEpilogue<'a> {
    /// Factor of the product.
    pub scale: f32,
    /// Add to C instead of overwriting it.
    pub accumulate: bool,
    /// One value per row of C, shared by the batch.
    pub row_bias: Option<&'a [f32]>,
    /// One value per column of C, shared by the batch.
    pub column_bias: Option<&'a [f32]>,
    /// max(0, result). NaN stays NaN.
    pub relu: bool,
}

impl Default for GemmEpilogue<'_> {
    fn default() -> Self {
        Self { scale: 1.0, accumulate: false, row_bias: None, column_bias: None, relu: false }
    }
}

/// A planned matrix product.
#[derive(Debug, Clone)]
pub struct Gemm {
    /// As computed: with A and B exchanged where C's columns are contiguous.
    shape: GemmShape,
    exchanged: bool,
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    Tiles(tiles::Tiles),
    /// B is one column: a matrix times a vector.
    Vector,
}

/// The transposed product: C^T = B^T A^T.
fn exchange(shape: &GemmShape) -> GemmShape {
    let transpose = |layout: MatrixLayout| MatrixLayout { row: layout.column, column: layout.row, ..layout };
    GemmShape {
        m: shape.n,
        n: shape.m,
        a: transpose(shape.b),
        b: transpose(shape.a),
        c: transpose(shape.c),
        ..*shape
    }
}

impl GemmShape {
    /// Values from the first to the last element of an operand, gaps included; 0 where it has none.
    fn extent(&self, layout: &MatrixLayout, rows: usize, columns: usize, parts: usize) -> usize {
        let counts = [self.batch[0], self.batch[1], rows, columns, parts];
        if counts.contains(&0) {
            return 0;
        }
        let distances = [layout.batch[0], layout.batch[1], layout.row, layout.column, layout.part];
        let last = counts.iter().zip(distances).map(|(count, distance)| (count - 1).saturating_mul(distance));
        last.fold(1, usize::saturating_add)
    }

    /// Least lengths of A, B and C.
    pub fn lengths(&self) -> [usize; 3] {
        [
            self.extent(&self.a, self.m, self.steps(), self.parts),
            self.extent(&self.b, self.steps(), self.n, self.parts),
            self.extent(&self.c, self.m, self.n, 1),
        ]
    }

    /// Offset of matrix `index` of the batch.
    fn offset(&self, layout: &MatrixLayout, index: usize) -> usize {
        let inner = self.batch[1].max(1);
        index / inner * layout.batch[0] + index % inner * layout.batch[1]
    }

    /// Steps of one part of k.
    fn steps(&self) -> usize {
        self.k / self.parts.max(1)
    }

    fn matrices(&self) -> usize {
        self.batch[0] * self.batch[1]
    }

    /// Whether two elements of C can share a place: each axis must step over all that the finer ones span.
    fn overlaps(&self) -> bool {
        let mut axes = [
            (self.c.batch[0], self.batch[0]),
            (self.c.batch[1], self.batch[1]),
            (self.c.row, self.m),
            (self.c.column, self.n),
        ];
        axes.sort_unstable();
        let mut span = 1;
        axes.iter().filter(|axis| axis.1 > 1).any(|&(distance, count)| {
            let overlap = distance < span;
            span = distance.saturating_mul(count - 1).saturating_add(span);
            overlap
        })
    }
}

impl Gemm {
    /// Plans a product and packs the constant operand where that pays.
    pub fn prepare(shape: &GemmShape, constant: Constant<'_>) -> Result<Self, KernelError> {
        if shape.parts == 0 || !shape.k.is_multiple_of(shape.parts) {
            let value = format!("{} of {} steps", shape.parts, shape.k);
            return Err(KernelError::Geometry { what: "parts", value, allowed: "k must be a multiple" });
        }
        let lengths = shape.lengths();
        match constant {
            Constant::A(a) => check_room("A", a.len(), lengths[0])?,
            Constant::B(b) => check_room("B", b.len(), lengths[1])?,
            Constant::Neither => {}
        }
        if lengths.iter().any(|&length| length > isize::MAX as usize / 8) {
            let value = format!("{shape:?}");
            return Err(KernelError::Geometry { what: "shape", value, allowed: "operands must fit memory" });
        }
        if lengths[2] > 0 && shape.overlaps() {
            let value = format!("{:?}", shape.c);
            return Err(KernelError::Geometry {
                what: "layout of C",
                value,
                allowed: "no two elements may overlap",
            });
        }
        let vector = shape.parts == 1 && (shape.n == 1 || shape.m == 1);
        let exchanged = if vector { shape.m == 1 && shape.n != 1 } else { shape.c.column != 1 };
        let shape = if exchanged { exchange(shape) } else { *shape };
        let constant = match (constant, exchanged) {
            (Constant::A(a), true) => Constant::B(a),
            (Constant::B(b), true) => Constant::A(b),
            (constant, _) => constant,
        };
        let plan = if vector { Plan::Vector } else { Plan::Tiles(tiles::Tiles::new(&shape, constant)) };
        Ok(Self { shape, exchanged, plan })
    }

    /// Whether [`Gemm::run`] reads A; false where it was packed: an empty slice will do.
    pub fn reads_a(&self) -> bool {
        self.reads(0)
    }

    /// Whether [`Gemm::run`] reads B; false where it was packed: an empty slice will do.
    pub fn reads_b(&self) -> bool {
        self.reads(1)
    }

    fn reads(&self, operand: usize) -> bool {
        match &self.plan {
            Plan::Tiles(plan) => plan.reads(if self.exchanged { 1 - operand } else { operand }),
            Plan::Vector => true,
        }
    }

    /// Bytes that the packed operand holds.
    pub fn packed_bytes(&self) -> usize {
        match &self.plan {
            Plan::Tiles(plan) => plan.packed_bytes(),
            Plan::Vector => 0,
        }
    }

    /// Values of scratch memory that [`Gemm::run`] needs with these threads.
    pub fn scratch_len(&self, threads: &Threads) -> usize {
        match &self.plan {
            Plan::Tiles(plan) => plan.scratch_len(&self.shape, threads),
            Plan::Vector => self.shape.k,
        }
    }

    /// Computes C. Elements of `c` outside the layout keep their values.
    pub fn run(
        &self,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
        scratch: &mut [f32],
        epilogue: &GemmEpilogue<'_>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        let (a, b) = if self.exchanged { (b, a) } else { (a, b) };
        let epilogue = if self.exchanged {
            GemmEpilogue { row_bias: epilogue.column_bias, column_bias: epilogue.row_bias, ..*epilogue }
        } else {
            *epilogue
        };
        let shape = &self.shape;
        let lengths = shape.lengths();
        let names = if self.exchanged { ["B", "A"] } else { ["A", "B"] };
        let reads = [self.reads(usize::from(self.exchanged)), self.reads(usize::from(!self.exchanged))];
        check_room(names[0], a.len(), if reads[0] { lengths[0] } else { 0 })?;
        check_room(names[1], b.len(), if reads[1] { lengths[1] } else { 0 })?;
        check_room("C", c.len(), lengths[2])?;
        check_length("row bias", epilogue.row_bias.map_or(shape.m, <[f32]>::len), shape.m)?;
        check_length("column bias", epilogue.column_bias.map_or(shape.n, <[f32]>::len), shape.n)?;
        check_room("scratch", scratch.len(), self.scratch_len(threads))?;
        if lengths[2] == 0 {
            return Ok(());
        }
        match &self.plan {
            Plan::Tiles(plan) => plan.run(shape, a, b, c, scratch, &epilogue, threads),
            Plan::Vector => vector::run(shape, a, b, c, scratch, &epilogue, threads),
        }
        Ok(())
    }
}
