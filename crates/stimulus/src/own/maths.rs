//! Scalar operations on bits, and the functions of WGSL that are made of them.

use naga::{BinaryOperator as Op, MathFunction as Fun, ScalarKind, TypeInner};

use super::compile::{Compiler, Result};
use super::run::{One, Reg, Three, Two};

/// A function of floats as one of bits.
macro_rules! on_floats {
    (|$a:ident| $body:expr) => {
        (|a: u32| {
            let $a = f32::from_bits(a);
            f32::to_bits($body)
        }) as One
    };
    (|$a:ident, $b:ident| $body:expr) => {
        (|a: u32, b: u32| {
            let ($a, $b) = (f32::from_bits(a), f32::from_bits(b));
            f32::to_bits($body)
        }) as Two
    };
    (|$a:ident, $b:ident, $c:ident| $body:expr) => {
        (|a: u32, b: u32, c: u32| {
            let ($a, $b, $c) = (f32::from_bits(a), f32::from_bits(b), f32::from_bits(c));
            f32::to_bits($body)
        }) as Three
    };
}

/// A comparison of two numbers of a kind.
macro_rules! compare {
    ($numbers:expr, $operator:tt) => {
        match $numbers {
            Numbers::Float => (|a, b| u32::from(f32::from_bits(a) $operator f32::from_bits(b))) as Two,
            Numbers::Signed => |a, b| u32::from((a as i32) $operator (b as i32)),
            Numbers::Bits => |a, b| u32::from(a $operator b),
        }
    };
}

/// How bits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Float,
    Signed,
    /// Unsigned, and truth: 0 or 1.
    Bits,
}

impl Numbers {
    pub(super) fn of(kind: ScalarKind) -> Self {
        match kind {
            ScalarKind::Float | ScalarKind::AbstractFloat => Self::Float,
            ScalarKind::Sint | ScalarKind::AbstractInt => Self::Signed,
            ScalarKind::Uint | ScalarKind::Bool => Self::Bits,
        }
    }
}

pub(super) fn equal(a: u32, b: u32) -> u32 {
    u32::from(a == b)
}

pub(super) fn select(condition: u32, accept: u32, reject: u32) -> u32 {
    if condition == 0 { reject } else { accept }
}

pub(super) fn negative(a: u32) -> u32 {
    (-f32::from_bits(a)).to_bits()
}

pub(super) fn plus(a: u32, b: u32) -> u32 {
    (f32::from_bits(a) + f32::from_bits(b)).to_bits()
}

pub(super) fn times(a: u32, b: u32) -> u32 {
    (f32::from_bits(a) * f32::from_bits(b)).to_bits()
}

fn minus(a: u32, b: u32) -> u32 {
    (f32::from_bits(a) - f32::from_bits(b)).to_bits()
}

/// An operator on two scalars. Division by 0 of whole numbers gives what is divided, as the specification says.
pub(super) fn binary(op: Op, numbers: Numbers) -> Option<Two> {
    use Numbers::{Bits, Float, Signed};
    Some(match (op, numbers) {
        (Op::Add, Float) => plus,
        (Op::Add, _) => |a, b| a.wrapping_add(b),
        (Op::Subtract, Float) => minus,
        (Op::Subtract, _) => |a, b| a.wrapping_sub(b),
        (Op::Multiply, Float) => times,
        (Op::Multiply, _) => |a, b| a.wrapping_mul(b),
        (Op::Divide, Float) => on_floats!(|a, b| a / b),
        (Op::Divide, Signed) => |a, b| if b == 0 { a } else { (a as i32).wrapping_div(b as i32) as u32 },
        (Op::Divide, Bits) => |a, b| a.checked_div(b).unwrap_or(a),
        (Op::Modulo, Float) => on_floats!(|a, b| a - b * libm::truncf(a / b)),
        (Op::Modulo, Signed) => |a, b| if b == 0 { 0 } else { (a as i32).wrapping_rem(b as i32) as u32 },
        (Op::Modulo, Bits) => |a, b| a.checked_rem(b).unwrap_or(0),
        (Op::Equal, _) => compare!(numbers, ==),
        (Op::NotEqual, _) => compare!(numbers, !=),
        (Op::Less, _) => compare!(numbers, <),
        (Op::LessEqual, _) => compare!(numbers, <=),
        (Op::Greater, _) => compare!(numbers, >),
        (Op::GreaterEqual, _) => compare!(numbers, >=),
        (Op::And | Op::LogicalAnd, _) => |a, b| a & b,
        (Op::InclusiveOr | Op::LogicalOr, _) => |a, b| a | b,
        (Op::ExclusiveOr, _) => |a, b| a ^ b,
        (Op::ShiftLeft, _) => |a, b| a << (b & 31),
        (Op::ShiftRight, Signed) => |a, b| ((a as i32) >> (b & 31)) as u32,
        (Op::ShiftRight, _) => |a, b| a >> (b & 31),
    })
}

/// A conversion of a scalar; floats that a whole number cannot hold become the nearest that it can.
pub(super) fn cast(from: ScalarKind, to: ScalarKind) -> Option<One> {
    use ScalarKind::{Bool, Float, Sint, Uint};
    Some(match (from, to) {
        (Float, Float) | (Bool | Sint | Uint, Sint | Uint) | (Bool, Bool) => |a| a,
        (Float, Sint) => |a| f32::from_bits(a) as i32 as u32,
        (Float, Uint) => |a| f32::from_bits(a) as u32,
        (Float, Bool) => |a| u32::from(f32::from_bits(a) != 0.0),
        (Sint, Float) => |a| (a as i32 as f32).to_bits(),
        (Uint | Bool, Float) => |a| (a as f32).to_bits(),
        (Sint | Uint, Bool) => |a| u32::from(a != 0),
        _ => return None,
    })
}

/// Functions of one float.
fn of_one_float(fun: Fun) -> Option<One> {
    Some(match fun {
        Fun::Abs => on_floats!(|x| x.abs()),
        Fun::Saturate => on_floats!(|x| x.clamp(0.0, 1.0)),
        Fun::Cos => on_floats!(|x| libm::cosf(x)),
        Fun::Cosh => on_floats!(|x| libm::coshf(x)),
        Fun::Sin => on_floats!(|x| libm::sinf(x)),
        Fun::Sinh => on_floats!(|x| libm::sinhf(x)),
        Fun::Tan => on_floats!(|x| libm::tanf(x)),
        Fun::Tanh => on_floats!(|x| libm::tanhf(x)),
        Fun::Acos => on_floats!(|x| libm::acosf(x)),
        Fun::Asin => on_floats!(|x| libm::asinf(x)),
        Fun::Atan => on_floats!(|x| libm::atanf(x)),
        Fun::Asinh => on_floats!(|x| libm::asinhf(x)),
        Fun::Acosh => on_floats!(|x| libm::acoshf(x)),
        Fun::Atanh => on_floats!(|x| libm::atanhf(x)),
        Fun::Radians => on_floats!(|x| x * (std::f32::consts::PI / 180.0)),
        Fun::Degrees => on_floats!(|x| x * (180.0 / std::f32::consts::PI)),
        Fun::Ceil => on_floats!(|x| libm::ceilf(x)),
        Fun::Floor => on_floats!(|x| libm::floorf(x)),
        Fun::Round => on_floats!(|x| libm::rintf(x)),
        Fun::Fract => on_floats!(|x| x - libm::floorf(x)),
        Fun::Trunc => on_floats!(|x| libm::truncf(x)),
        Fun::Exp => on_floats!(|x| libm::expf(x)),
        Fun::Exp2 => on_floats!(|x| libm::exp2f(x)),
        Fun::Log => on_floats!(|x| libm::logf(x)),
        Fun::Log2 => on_floats!(|x| libm::log2f(x)),
        Fun::Sqrt => on_floats!(|x| libm::sqrtf(x)),
        Fun::InverseSqrt => on_floats!(|x| 1.0 / libm::sqrtf(x)),
        Fun::Sign => on_floats!(|x| if x > 0.0 {
            1.0
        } else if x < 0.0 {
            -1.0
        } else {
            0.0
        }),
        _ => return None,
    })
}

/// Functions of one whole number.
fn of_one_whole(fun: Fun, numbers: Numbers) -> Option<One> {
    let signed = numbers == Numbers::Signed;
    Some(match fun {
        Fun::Abs if signed => |a| (a as i32).wrapping_abs() as u32,
        Fun::Abs => |a| a,
        Fun::Sign if signed => |a| (a as i32).signum() as u32,
        Fun::CountOneBits => u32::count_ones,
        Fun::CountLeadingZeros => u32::leading_zeros,
        Fun::CountTrailingZeros => u32::trailing_zeros,
        Fun::ReverseBits => u32::reverse_bits,
        Fun::FirstTrailingBit => |a| if a == 0 { u32::MAX } else { a.trailing_zeros() },
        Fun::FirstLeadingBit if !signed => |a| 31_u32.wrapping_sub(a.leading_zeros()),
        _ => return None,
    })
}

/// Functions of two numbers, component by component.
fn of_two(fun: Fun, numbers: Numbers) -> Option<Two> {
    Some(match (fun, numbers) {
        (Fun::Min, Numbers::Float) => on_floats!(|a, b| a.min(b)),
        (Fun::Max, Numbers::Float) => on_floats!(|a, b| a.max(b)),
        (Fun::Min, Numbers::Signed) => |a, b| (a as i32).min(b as i32) as u32,
        (Fun::Max, Numbers::Signed) => |a, b| (a as i32).max(b as i32) as u32,
        (Fun::Min, Numbers::Bits) => |a, b| a.min(b),
        (Fun::Max, Numbers::Bits) => |a, b| a.max(b),
        (Fun::Atan2, Numbers::Float) => on_floats!(|y, x| libm::atan2f(y, x)),
        (Fun::Pow, Numbers::Float) => on_floats!(|x, y| libm::powf(x, y)),
        (Fun::Step, Numbers::Float) => on_floats!(|edge, x| if x >= edge { 1.0 } else { 0.0 }),
        (Fun::Ldexp, Numbers::Float) => {
            |a, exponent| libm::ldexpf(f32::from_bits(a), exponent as i32).to_bits()
        }
        _ => return None,
    })
}

/// Functions of three floats, component by component.
fn of_three_floats(fun: Fun) -> Option<Three> {
    Some(match fun {
        Fun::Clamp => on_floats!(|x, low, high| x.max(low).min(high)),
        Fun::Fma => on_floats!(|a, b, c| a * b + c),
        Fun::Mix => on_floats!(|a, b, part| a * (1.0 - part) + b * part),
        Fun::SmoothStep => on_floats!(|low, high, x| {
            let part = ((x - low) / (high - low)).clamp(0.0, 1.0);
            part * part * (3.0 - 2.0 * part)
        }),
        _ => return None,
    })
}

impl Compiler<'_> {
    /// One operation for each component; a single number goes with all.
    pub(super) fn each2(&mut self, f: Two, a: &[Reg], b: &[Reg]) -> Result<Vec<Reg>> {
        let count = a.len().max(b.len());
        (0..count).map(|place| self.two(f, lane(a, place), lane(b, place))).collect()
    }

    /// The same with three.
    pub(super) fn each3(&mut self, f: Three, a: &[Reg], b: &[Reg], c: &[Reg]) -> Result<Vec<Reg>> {
        let count = a.len().max(b.len()).max(c.len());
        (0..count).map(|place| self.three(f, lane(a, place), lane(b, place), lane(c, place))).collect()
    }

    /// All components together, in their order.
    pub(super) fn fold(&mut self, f: Two, lanes: &[Reg]) -> Result<Reg> {
        let Some((&first, others)) = lanes.split_first() else { return self.constant(0) };
        others.iter().try_fold(first, |sum, &lane| self.two(f, sum, lane))
    }

    fn dot(&mut self, a: &[Reg], b: &[Reg]) -> Result<Reg> {
        let products = self.each2(times, a, b)?;
        self.fold(plus, &products)
    }

    fn length(&mut self, a: &[Reg]) -> Result<Reg> {
        match a {
            &[one] => self.one(on_floats!(|x| x.abs()), one),
            all => {
                let square = self.dot(all, all)?;
                self.one(on_floats!(|x| libm::sqrtf(x)), square)
            }
        }
    }

    /// A function of WGSL.
    pub(super) fn math(
        &mut self,
        fun: Fun,
        kind: ScalarKind,
        shape: &TypeInner,
        arguments: &[Vec<Reg>],
    ) -> Result<Vec<Reg>> {
        let numbers = Numbers::of(kind);
        match (arguments, numbers) {
            ([a], Numbers::Float) => {
                if let Some(f) = of_one_float(fun) {
                    return a.iter().map(|&a| self.one(f, a)).collect();
                }
            }
            ([a], _) => {
                if let Some(f) = of_one_whole(fun, numbers) {
                    return a.iter().map(|&a| self.one(f, a)).collect();
                }
            }
            ([a, b], _) => {
                if let Some(f) = of_two(fun, numbers) {
                    return self.each2(f, a, b);
                }
            }
            ([a, b, c], Numbers::Float) => {
                if let Some(f) = of_three_floats(fun) {
                    return self.each3(f, a, b, c);
                }
            }
            _ => {}
        }
        match (fun, arguments) {
            (Fun::Clamp, [x, low, high]) => {
                let least = of_two(Fun::Max, numbers).zip(of_two(Fun::Min, numbers));
                let Some((max, min)) = least else { return self.unknown("`clamp` of this") };
                let above = self.each2(max, x, low)?;
                self.each2(min, &above, high)
            }
            (Fun::Dot, [a, b]) if numbers == Numbers::Float => Ok(vec![self.dot(a, b)?]),
            (Fun::Dot, [a, b]) => {
                let products = self.each2(|a, b| a.wrapping_mul(b), a, b)?;
                Ok(vec![self.fold(|a, b| a.wrapping_add(b), &products)?])
            }
            (Fun::Length, [a]) => Ok(vec![self.length(a)?]),
            (Fun::Distance, [a, b]) => {
                let apart = self.each2(minus, a, b)?;
                Ok(vec![self.length(&apart)?])
            }
            (Fun::Normalize, [a]) => {
                let length = self.length(a)?;
                self.each2(on_floats!(|a, b| a / b), a, &[length])
            }
            (Fun::Cross, [a, b]) if a.len() == 3 && b.len() == 3 => {
                let mut all = Vec::new();
                for (p, q) in [(1, 2), (2, 0), (0, 1)] {
                    let (first, second) = (self.two(times, a[p], b[q])?, self.two(times, a[q], b[p])?);
                    all.push(self.two(minus, first, second)?);
                }
                Ok(all)
            }
            (Fun::FaceForward, [a, incident, reference]) => {
                let turned = self.dot(incident, reference)?;
                let ahead = self.one(|x| u32::from(f32::from_bits(x) < 0.0), turned)?;
                let back = a.iter().map(|&a| self.one(negative, a)).collect::<Result<Vec<_>>>()?;
                self.each3(select, &[ahead], a, &back)
            }
            (Fun::Reflect, [incident, normal]) => {
                let along = self.dot(normal, incident)?;
                let twice = self.one(on_floats!(|x| 2.0 * x), along)?;
                let change = self.each2(times, &[twice], normal)?;
                self.each2(minus, incident, &change)
            }
            (Fun::Transpose, [a]) => match *shape {
                TypeInner::Matrix { columns, rows, .. } => {
                    let (columns, rows) = (columns as usize, rows as usize);
                    Ok((0..rows)
                        .flat_map(|row| (0..columns).map(move |column| (row, column)))
                        .map(|(row, column)| a[column * rows + row])
                        .collect())
                }
                _ => self.unknown("`transpose` of this"),
            },
            _ => self.unknown(&format!("the function {fun:?}")),
        }
    }
}

/// A component, or the one number that goes with all.
fn lane(lanes: &[Reg], place: usize) -> Reg {
    if lanes.len() == 1 { lanes[0] } else { lanes[place] }
}
