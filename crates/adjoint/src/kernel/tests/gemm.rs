//! Matrix products with arbitrary layouts against sums in f64.

use proptest::prelude::*;

use super::super::microkernel::{
    StridedColumns, TILE_COLUMNS, TILE_ROWS, TwoColumns, TwoPanels, product, store,
};
use super::super::simd::{Kernel, Simd, dispatch, dispatch_wide};
use super::super::{Constant, Gemm, GemmEpilogue, GemmShape, MatrixLayout, Threads};
use super::random::{relative_error, values};

/// A layout of batch, batch, rows, columns, parts whose axes lie in memory in the given order (outermost first), each
/// with a gap.
fn layout(order: &[usize], counts: [usize; 5], gap: usize) -> (MatrixLayout, usize) {
    let mut distances = [0; 5];
    let mut size = 1;
    for &axis in order.iter().rev() {
        distances[axis] = size;
        size = size * counts[axis] + gap;
    }
    let [first, second, row, column, part] = distances;
    (MatrixLayout { row, column, batch: [first, second], part }, size)
}

fn orders() -> impl Strategy<Value = Vec<usize>> {
    Just(vec![0, 1, 2, 3, 4]).prop_shuffle()
}

fn check(shape: &GemmShape, lengths: [usize; 3], constant: u8, epilogue: (bool, bool, bool, bool)) {
    let (a, b, c) = (values(1, lengths[0]), values(2, lengths[1]), values(3, lengths[2]));
    let (rows, columns) = (values(4, shape.m), values(5, shape.n));
    let epilogue = GemmEpilogue {
        scale: 0.75,
        accumulate: epilogue.0,
        row_bias: epilogue.1.then_some(&rows[..]),
        column_bias: epilogue.2.then_some(&columns[..]),
        relu: epilogue.3,
    };
    let mut wanted: Vec<f64> = c.iter().map(|&value| f64::from(value)).collect();
    for p in 0..shape.batch[0] {
        for q in 0..shape.batch[1] {
            let base = |l: &MatrixLayout| p * l.batch[0] + q * l.batch[1];
            for i in 0..shape.m {
                for j in 0..shape.n {
                    let product = |k: usize| {
                        let (part, k) = (k / (shape.k / shape.parts), k % (shape.k / shape.parts));
                        let x =
                            a[base(&shape.a) + i * shape.a.row + k * shape.a.column + part * shape.a.part];
                        let y =
                            b[base(&shape.b) + k * shape.b.row + j * shape.b.column + part * shape.b.part];
                        f64::from(x) * f64::from(y)
                    };
                    let at = &mut wanted[base(&shape.c) + i * shape.c.row + j * shape.c.column];
                    let mut value = 0.75 * (0..shape.k).map(product).sum::<f64>();
                    value += if epilogue.accumulate { *at } else { 0.0 };
                    value += epilogue.row_bias.map_or(0.0, |bias| f64::from(bias[i]));
                    value += epilogue.column_bias.map_or(0.0, |bias| f64::from(bias[j]));
                    *at = if epilogue.relu { value.max(0.0) } else { value };
                }
            }
        }
    }
    let constant = match constant {
        0 => Constant::Neither,
        1 => Constant::A(&a),
        _ => Constant::B(&b),
    };
    let gemm = Gemm::prepare(shape, constant).unwrap();
    let run = |threads: &Threads| {
        let mut c = c.clone();
        let mut scratch = vec![f32::NAN; gemm.scratch_len(threads)];
        let (a, b) = (if gemm.reads_a() { &a[..] } else { &[] }, if gemm.reads_b() { &b[..] } else { &[] });
        gemm.run(a, b, &mut c, &mut scratch, &epilogue, threads).unwrap();
        c
    };
    let one = run(&Threads::one());
    let error = relative_error(&one, &wanted);
    assert!(error < 3e-6, "{shape:?}: error {error:e}");
    let two = run(&Threads::new(2).unwrap());
    assert!(one.iter().zip(&two).all(|(x, y)| x.to_bits() == y.to_bits()), "{shape:?}: two threads differ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_layout(batch in (1usize..4, 1usize..4), m in 1usize..40, n in 1usize..40, steps in 0usize..70, parts in 1usize..4, orders in (orders(), orders(), orders()),
                  gap in 0usize..3, constant in 0u8..3, epilogue in any::<(bool, bool, bool, bool)>()) {
        let batch = [batch.0, batch.1];
        let (a, a_len) = layout(&orders.0, [batch[0], batch[1], m, steps, parts], gap);
        let (b, b_len) = layout(&orders.1, [batch[0], batch[1], steps, n, parts], gap);
        let (c, c_len) = layout(&orders.2, [batch[0], batch[1], m, n, 1], gap);
        check(&GemmShape { batch, m, n, k: steps * parts, parts, a, b, c }, [a_len, b_len, c_len], constant, epilogue);
    }

    #[test]
    fn vectors(rows in 1usize..300, k in 0usize..200, transposed in any::<bool>(), left in any::<bool>(), epilogue in any::<(bool, bool, bool, bool)>()) {
        let matrix = |r: usize, c: usize| if transposed { MatrixLayout::column_major(r) } else { MatrixLayout::row_major(c) };
        let (m, n) = if left { (1, rows) } else { (rows, 1) };
        let shape = GemmShape { batch: [1, 1], m, n, k, parts: 1, a: matrix(m, k), b: matrix(k, n), c: MatrixLayout::row_major(n) };
        check(&shape, [m * k, k * n, m * n], 0, epilogue);
    }
}

#[test]
fn shared_operands() {
    let row = MatrixLayout::row_major;
    let shape = GemmShape {
        batch: [2, 3],
        m: 9,
        n: 20,
        k: 11,
        parts: 1,
        a: row(11).with_batch([297, 99]),
        b: row(20),
        c: row(20).with_batch([540, 180]),
    };
    for constant in 0..3 {
        check(&shape, [594, 220, 1080], constant, (false, false, true, false));
    }
}

#[test]
fn long_sums() {
    let shape = GemmShape {
        batch: [1, 1],
        m: 50,
        n: 50,
        k: 1500,
        parts: 1,
        a: MatrixLayout::row_major(1500),
        b: MatrixLayout::column_major(1500),
        c: MatrixLayout::row_major(50),
    };
    check(&shape, [75_000, 75_000, 2500], 2, (true, true, true, false));
}

#[test]
fn refusals() {
    let row = MatrixLayout::row_major;
    let shape = GemmShape { batch: [2, 1], m: 4, n: 4, k: 4, parts: 1, a: row(4), b: row(4), c: row(4) };
    assert!(Gemm::prepare(&shape, Constant::Neither).unwrap_err().to_string().contains("overlap"));
    let shape = GemmShape { batch: [1, 1], ..shape };
    let parted = GemmShape { parts: 3, ..shape };
    assert!(Gemm::prepare(&parted, Constant::Neither).unwrap_err().to_string().contains("3 of 4 steps"));
    assert!(Gemm::prepare(&shape, Constant::A(&[0.0; 15])).is_err());
    let gemm = Gemm::prepare(&shape, Constant::Neither).unwrap();
    let one = Threads::one();
    let mut scratch = vec![0.0; gemm.scratch_len(&one)];
    let run = gemm.run(&[0.0; 16], &[0.0; 15], &mut [0.0; 16], &mut scratch, &GemmEpilogue::default(), &one);
    assert!(run.unwrap_err().to_string().contains("B holds 15"));
}

/// Twelve rows by two panels of 16 columns: panel by panel, or both at once.
struct TwoTiles<'a> {
    rows: &'a [f32],
    columns: &'a [f32],
    at_once: bool,
}

impl Kernel for TwoTiles<'_> {
    type Output = Vec<f32>;

    fn run<S: Simd>(self) -> Vec<f32> {
        let steps = self.columns.len() / (2 * TILE_COLUMNS);
        let left = TwoPanels { first: self.rows.as_ptr(), distance: TILE_ROWS * steps };
        let width = 2 * TILE_COLUMNS;
        let mut tile = vec![f32::NAN; 12 * width];
        // SAFETY: two panels of `steps` steps on either side, and tiles of their size.
        #[allow(unsafe_code, reason = "the microkernel reads through pointers")]
        unsafe {
            if self.at_once {
                let right = TwoColumns { first: self.columns.as_ptr(), distance: TILE_COLUMNS * steps };
                store::<S, 12, 2>(product::<S, _, _, 12, 2>(steps, left, right), tile.as_mut_ptr(), width);
                return tile;
            }
            for panel in 0..2 {
                let first = self.columns[panel * TILE_COLUMNS * steps..].as_ptr();
                let right = StridedColumns { first, distance: TILE_COLUMNS };
                let to = tile[panel * TILE_COLUMNS..].as_mut_ptr();
                store::<S, 12, 1>(product::<S, _, _, 12, 1>(steps, left, right), to, width);
            }
        }
        tile
    }
}

#[test]
fn the_width_of_registers_changes_no_bit() {
    let (rows, columns) = (values(1, 12 * 77), values(2, 2 * TILE_COLUMNS * 77));
    let tiles = |at_once| TwoTiles { rows: &rows, columns: &columns, at_once };
    let narrow = dispatch(tiles(false));
    assert!(narrow.iter().all(|sum| sum.is_finite()));
    assert_eq!(narrow, dispatch_wide(tiles(false)));
    assert_eq!(narrow, dispatch_wide(tiles(true)));
    assert_eq!(narrow, dispatch(tiles(true)));
}
