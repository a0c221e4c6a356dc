//! Expressions: most fall into their components without a step.

use naga::{BinaryOperator, Expression, Handle, Literal, ScalarKind, TypeInner, UnaryOperator};

use super::compile::{Compiler, Frame, Place, Result, Value};
use super::maths::{self, Numbers};
use super::run::Reg;

impl<'a> Compiler<'a> {
    /// What an expression comes to, which was evaluated before or is a constant.
    pub(super) fn value(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Value> {
        match &frame.values[handle.index()] {
            Some(value) => Ok(value.clone()),
            None => self.evaluate(frame, handle),
        }
    }

    /// The numbers of an expression.
    pub(super) fn lanes(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Vec<Reg>> {
        match self.value(frame, handle)? {
            Value::Lanes(lanes) => Ok(lanes),
            Value::Place(_) => self.unknown("a pointer as a value"),
        }
    }

    /// The one number of an expression.
    pub(super) fn lane(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Reg> {
        match self.lanes(frame, handle)?[..] {
            [lane] => Ok(lane),
            _ => self.unknown("more than one number here"),
        }
    }

    fn inner(&self, frame: &Frame<'a>, handle: Handle<Expression>) -> &'a TypeInner {
        frame.info[handle].ty.inner_with(&self.module.types)
    }

    fn kind(&self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<ScalarKind> {
        match *self.inner(frame, handle) {
            TypeInner::Scalar(scalar)
            | TypeInner::Vector { scalar, .. }
            | TypeInner::Matrix { scalar, .. }
                if scalar.width == 4 || scalar.kind == ScalarKind::Bool =>
            {
                Ok(scalar.kind)
            }
            _ => self.unknown("arithmetic of this type"),
        }
    }

    pub(super) fn evaluate(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Value> {
        let span = frame.function.expressions.get_span(handle);
        if span.is_defined() {
            self.span = span;
        }
        Ok(Value::Lanes(match frame.function.expressions[handle] {
            Expression::Literal(literal) => vec![self.literal(literal)?],
            Expression::Constant(constant) => self.global(self.module.constants[constant].init)?,
            Expression::ZeroValue(ty) => self.zeros(ty)?,
            Expression::Compose { ref components, .. } => {
                let mut all = Vec::new();
                for &component in components {
                    all.extend(self.lanes(frame, component)?);
                }
                all
            }
            Expression::Splat { size, value } => vec![self.lane(frame, value)?; size as usize],
            Expression::Swizzle { size, vector, pattern } => {
                let lanes = self.lanes(frame, vector)?;
                pattern[..size as usize].iter().map(|&component| lanes[component as usize]).collect()
            }
            Expression::Access { base, index } => return self.access(frame, base, index),
            Expression::AccessIndex { base, index } => return self.component(frame, base, index),
            Expression::FunctionArgument(place) => return Ok(frame.arguments[place as usize].clone()),
            Expression::LocalVariable(variable) => {
                return Ok(Value::Place(frame.variables[variable.index()]));
            }
            Expression::Load { pointer } => match self.value(frame, pointer)? {
                Value::Place(place) => self.load(place)?,
                Value::Lanes(_) => return self.unknown("this pointer"),
            },
            Expression::Unary { op, expr } => {
                let (kind, lanes) = (self.kind(frame, expr)?, self.lanes(frame, expr)?);
                let f = match (op, kind) {
                    (UnaryOperator::Negate, ScalarKind::Float) => maths::negative,
                    (UnaryOperator::Negate, _) => |a: u32| a.wrapping_neg(),
                    (UnaryOperator::LogicalNot, _) => |a: u32| u32::from(a == 0),
                    (UnaryOperator::BitwiseNot, _) => |a: u32| !a,
                };
                lanes.into_iter().map(|a| self.one(f, a)).collect::<Result<_>>()?
            }
            Expression::Binary { op, left, right } => self.binary(frame, op, left, right)?,
            Expression::Select { condition, accept, reject } => {
                let condition = self.lanes(frame, condition)?;
                let (accept, reject) = (self.lanes(frame, accept)?, self.lanes(frame, reject)?);
                self.each3(maths::select, &condition, &accept, &reject)?
            }
            Expression::Relational { fun, argument } => {
                let f = match fun {
                    naga::RelationalFunction::All => |a: u32, b: u32| a & b,
                    naga::RelationalFunction::Any => |a: u32, b: u32| a | b,
                    _ => return self.unknown("this test"),
                };
                let lanes = self.lanes(frame, argument)?;
                vec![self.fold(f, &lanes)?]
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let others = [arg1, arg2, arg3].into_iter().flatten();
                let arguments =
                    std::iter::once(arg).chain(others).map(|argument| self.lanes(frame, argument));
                let arguments = arguments.collect::<Result<Vec<_>>>()?;
                let kind = self.kind(frame, arg)?;
                let shape = self.inner(frame, arg);
                self.math(fun, kind, shape, &arguments)?
            }
            Expression::As { expr, kind, convert } => {
                let lanes = self.lanes(frame, expr)?;
                let from = self.kind(frame, expr)?;
                match convert {
                    None => lanes,
                    Some(_) => match maths::cast(from, kind) {
                        Some(f) => lanes.into_iter().map(|a| self.one(f, a)).collect::<Result<_>>()?,
                        None => return self.unknown("this conversion"),
                    },
                }
            }
            Expression::Derivative { .. } => return self.unknown("a derivative (use here.deg_per_px)"),
            Expression::GlobalVariable(_) => return self.unknown("a variable outside of functions"),
            _ => return self.unknown("this expression"),
        }))
    }

    // -------------------------------------------------------------------------------------------- constants

    fn literal(&mut self, literal: Literal) -> Result<Reg> {
        let bits = match literal {
            Literal::F32(number) => number.to_bits(),
            Literal::U32(number) => number,
            Literal::I32(number) => number as u32,
            Literal::Bool(is) => u32::from(is),
            _ => return self.unknown("a number of this type"),
        };
        self.constant(bits)
    }

    fn zeros(&mut self, ty: Handle<naga::Type>) -> Result<Vec<Reg>> {
        let lanes = self.lanes_of(&self.module.types[ty].inner)?;
        Ok(vec![self.constant(0)?; lanes])
    }

    /// What stands outside of functions: naga has computed it already.
    fn global(&mut self, handle: Handle<Expression>) -> Result<Vec<Reg>> {
        match self.module.global_expressions[handle] {
            Expression::Literal(literal) => Ok(vec![self.literal(literal)?]),
            Expression::Constant(constant) => self.global(self.module.constants[constant].init),
            Expression::ZeroValue(ty) => self.zeros(ty),
            Expression::Splat { size, value } => {
                let lanes = self.global(value)?;
                Ok(lanes.repeat(size as usize))
            }
            Expression::Compose { ref components, .. } => {
                let mut all = Vec::new();
                for &component in components {
                    all.extend(self.global(component)?);
                }
                Ok(all)
            }
            _ => self.unknown("this constant"),
        }
    }

    // -------------------------------------------------------------------------------------------- parts

    /// How many numbers an element of something has, and how many elements there are.
    fn elements(&self, inner: &TypeInner) -> Result<(usize, usize)> {
        match *inner {
            TypeInner::Vector { size, .. } | TypeInner::ValuePointer { size: Some(size), .. } => {
                Ok((1, size as usize))
            }
            TypeInner::Matrix { columns, rows, .. } => Ok((rows as usize, columns as usize)),
            TypeInner::Array { base, size: naga::ArraySize::Constant(count), .. } => {
                Ok((self.lanes_of(&self.module.types[base].inner)?, count.get() as usize))
            }
            TypeInner::Pointer { base, .. } => self.elements(&self.module.types[base].inner),
            _ => self.unknown("an index into this"),
        }
    }

    /// An element by a computed index. One that is not there is the last one, as the graphics library has it.
    fn access(
        &mut self,
        frame: &Frame<'a>,
        base: Handle<Expression>,
        index: Handle<Expression>,
    ) -> Result<Value> {
        let (size, count) = self.elements(self.inner(frame, base))?;
        let index = self.lane(frame, index)?;
        let last = self.constant(count.saturating_sub(1) as u32)?;
        let index = self.two(|a, b| a.min(b), index, last)?;
        let size_reg = self.constant(size as u32)?;
        let mut offset = self.two(|a, b| a.wrapping_mul(b), index, size_reg)?;
        match self.value(frame, base)? {
            Value::Place(place) => {
                if let Some(before) = place.offset {
                    offset = self.two(|a, b| a.wrapping_add(b), before, offset)?;
                }
                Ok(Value::Place(Place { base: place.base, lanes: size, offset: Some(offset) }))
            }
            Value::Lanes(lanes) => {
                let whole = Place { base: self.registers(lanes.len())?, lanes: lanes.len(), offset: None };
                self.store(whole, &lanes)?;
                let element = Place { lanes: size, offset: Some(offset), ..whole };
                Ok(Value::Lanes(self.load(element)?))
            }
        }
    }

    /// A member or an element by its number.
    fn component(&mut self, frame: &Frame<'a>, base: Handle<Expression>, index: u32) -> Result<Value> {
        let inner = match *self.inner(frame, base) {
            TypeInner::Pointer { base, .. } => &self.module.types[base].inner,
            ref other => other,
        };
        let (start, lanes) = match inner {
            TypeInner::Struct { members, .. } => {
                let mut start = 0;
                for member in &members[..index as usize] {
                    start += self.lanes_of(&self.module.types[member.ty].inner)?;
                }
                (start, self.lanes_of(&self.module.types[members[index as usize].ty].inner)?)
            }
            other => {
                let (size, _) = self.elements(other)?;
                (index as usize * size, size)
            }
        };
        Ok(match self.value(frame, base)? {
            Value::Place(place) => {
                Value::Place(Place { base: place.base + start as Reg, lanes, offset: place.offset })
            }
            Value::Lanes(all) => Value::Lanes(all[start..start + lanes].to_vec()),
        })
    }

    // -------------------------------------------------------------------------------------------- arithmetic

    fn binary(
        &mut self,
        frame: &Frame<'a>,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<Vec<Reg>> {
        let (shape_a, shape_b) = (self.inner(frame, left), self.inner(frame, right));
        let (a, b) = (self.lanes(frame, left)?, self.lanes(frame, right)?);
        if op == BinaryOperator::Multiply {
            let sides = |inner: &TypeInner| match *inner {
                TypeInner::Matrix { columns, rows, .. } => Some((columns as usize, rows as usize)),
                _ => None,
            };
            let is_vector = |inner: &TypeInner| matches!(inner, TypeInner::Vector { .. });
            match (sides(shape_a), sides(shape_b)) {
                (Some((_, rows)), Some(_)) => return self.product(&a, &b, rows),
                (Some((_, rows)), None) if is_vector(shape_b) => return self.product(&a, &b, rows),
                // A row times the columns.
                (None, Some(_)) if is_vector(shape_a) => return self.product(&a, &b, 1),
                _ => {}
            }
        }
        let kind = self.kind(frame, left)?;
        match maths::binary(op, Numbers::of(kind)) {
            Some(f) => self.each2(f, &a, &b),
            None => self.unknown("this operator"),
        }
    }

    /// The product of matrices whose columns stand one after the other; `rows` are those of the left one.
    fn product(&mut self, a: &[Reg], b: &[Reg], rows: usize) -> Result<Vec<Reg>> {
        let inner = a.len() / rows;
        let mut all = Vec::new();
        for column in b.chunks_exact(inner) {
            for row in 0..rows {
                let mut terms = Vec::new();
                for (place, &factor) in column.iter().enumerate() {
                    terms.push(self.two(maths::times, a[place * rows + row], factor)?);
                }
                all.push(self.fold(maths::plus, &terms)?);
            }
        }
        Ok(all)
    }
}
