//! From naga's syntax tree to scalar steps: functions are written out where they are called, vectors fall into their
//! components, and what is left are operations on registers, and jumps.

use std::collections::BTreeMap;

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{Block, Expression, Function, Handle, Module, Span, Statement, SwitchValue, TypeInner};

use super::loops::Loops;
use super::maths::equal;
use super::rules::Found;
use super::run::{Code, MOST_REGISTERS, One, Op, Reg, Three, Two};
use super::{MOST_PARAMETERS, Refusal};

/// The most steps that are written out.
const MOST_OPS: usize = 32_768;
/// The most steps that a point may take.
const MOST_STEPS: u64 = 65_536;
/// How deep functions may call each other.
const DEEPEST: usize = 32;

pub(super) type Result<T> = std::result::Result<T, Refusal>;

/// Compiles what the shader calls.
pub(super) fn compile(module: &Module, info: &ModuleInfo, found: &Found) -> Result<Code> {
    let mut compiler = Compiler {
        module,
        info,
        ops: Vec::new(),
        image: vec![0; 8 + MOST_PARAMETERS],
        constants: BTreeMap::new(),
        steps: 0,
        depth: 0,
        span: Span::UNDEFINED,
    };
    let mut arguments = vec![Value::Lanes((0..8).collect())];
    if found.takes_parameters {
        arguments.push(Value::Lanes((8..).take(found.parameters.len()).collect()));
    }
    let result = compiler.call(found.function, arguments)?;
    let [result] = result[..] else { return compiler.refuse("it has to give one number") };
    Ok(Code { ops: compiler.ops, image: compiler.image, result })
}

pub(super) struct Compiler<'a> {
    pub(super) module: &'a Module,
    info: &'a ModuleInfo,
    ops: Vec<Op>,
    image: Vec<u32>,
    constants: BTreeMap<u32, Reg>,
    /// Steps that a point takes at most up to here.
    steps: u64,
    depth: usize,
    /// Where an error is.
    pub(super) span: Span,
}

/// A function while it is written out.
pub(super) struct Frame<'a> {
    pub(super) function: &'a Function,
    pub(super) info: &'a FunctionInfo,
    /// Of the expressions that were evaluated, by their number.
    pub(super) values: Vec<Option<Value>>,
    pub(super) arguments: Vec<Value>,
    /// First registers of the variables.
    pub(super) variables: Vec<Place>,
    result: Vec<Reg>,
    returns: Vec<usize>,
    exits: Vec<Exit>,
}

/// What `break` and `continue` leave: jumps to be filled in.
struct Exit {
    is_loop: bool,
    breaks: Vec<usize>,
    continues: Vec<usize>,
}

/// What an expression comes to.
#[derive(Clone)]
pub(super) enum Value {
    /// Components, in order.
    Lanes(Vec<Reg>),
    /// A place in a variable.
    Place(Place),
}

/// Registers in a row, perhaps further on by as many as another register says.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) base: Reg,
    pub(super) lanes: usize,
    pub(super) offset: Option<Reg>,
}

impl<'a> Compiler<'a> {
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Refusal { span: self.span, message: message.into() })
    }

    /// Something that WGSL has and a pattern cannot use.
    pub(super) fn unknown<T>(&self, what: &str) -> Result<T> {
        self.refuse(format!("{what}: the CPU twin has no such thing, so it cannot be used"))
    }

    // -------------------------------------------------------------------------------------------- registers and steps

    pub(super) fn registers(&mut self, count: usize) -> Result<Reg> {
        let first = self.image.len();
        if first + count > MOST_REGISTERS {
            return self.refuse(format!("more than {MOST_REGISTERS} numbers are computed for a point"));
        }
        self.image.resize(first + count, 0);
        Ok(first as Reg)
    }

    pub(super) fn constant(&mut self, bits: u32) -> Result<Reg> {
        if let Some(&reg) = self.constants.get(&bits) {
            return Ok(reg);
        }
        let reg = self.registers(1)?;
        self.image[usize::from(reg)] = bits;
        self.constants.insert(bits, reg);
        Ok(reg)
    }

    fn step(&mut self, op: Op) -> Result<usize> {
        self.steps += 1;
        if self.ops.len() == MOST_OPS {
            return self.refuse(format!("more than {MOST_OPS} steps, with all functions written out"));
        }
        if self.steps > MOST_STEPS {
            return self
                .refuse(format!("more than {MOST_STEPS} steps for a point, with all rounds of its loops"));
        }
        self.ops.push(op);
        Ok(self.ops.len() - 1)
    }

    pub(super) fn one(&mut self, f: One, a: Reg) -> Result<Reg> {
        let to = self.registers(1)?;
        self.step(Op::One { to, f, a })?;
        Ok(to)
    }

    pub(super) fn two(&mut self, f: Two, a: Reg, b: Reg) -> Result<Reg> {
        let to = self.registers(1)?;
        self.step(Op::Two { to, f, a, b })?;
        Ok(to)
    }

    pub(super) fn three(&mut self, f: Three, a: Reg, b: Reg, c: Reg) -> Result<Reg> {
        let to = self.registers(1)?;
        self.step(Op::Three { to, f, a, b, c })?;
        Ok(to)
    }

    pub(super) fn load(&mut self, place: Place) -> Result<Vec<Reg>> {
        let to = self.registers(place.lanes)?;
        let mut lanes = Vec::new();
        for lane in 0..place.lanes as Reg {
            let (to, base) = (to + lane, place.base + lane);
            self.step(match place.offset {
                None => Op::Copy { to, from: base },
                Some(at) => Op::Gather { to, base, at },
            })?;
            lanes.push(to);
        }
        Ok(lanes)
    }

    pub(super) fn store(&mut self, place: Place, lanes: &[Reg]) -> Result<()> {
        for (base, &from) in (place.base..).zip(lanes) {
            self.step(match place.offset {
                None => Op::Copy { to: base, from },
                Some(at) => Op::Scatter { base, at, from },
            })?;
        }
        Ok(())
    }

    fn jump(&mut self) -> Result<usize> {
        self.step(Op::Jump { to: 0 })
    }

    fn jump_unless(&mut self, condition: Reg) -> Result<usize> {
        self.step(Op::JumpUnless { condition, to: 0 })
    }

    /// Lets jumps end here.
    fn land(&mut self, jumps: &[usize]) {
        let here = self.ops.len();
        for &jump in jumps {
            if let Some(Op::Jump { to } | Op::JumpUnless { to, .. }) = self.ops.get_mut(jump) {
                *to = here;
            }
        }
    }

    // -------------------------------------------------------------------------------------------- functions, statements

    /// Writes a function out; what it gives.
    fn call(&mut self, handle: Handle<Function>, arguments: Vec<Value>) -> Result<Vec<Reg>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.refuse(format!("functions call each other more than {DEEPEST} deep"));
        }
        let function = &self.module.functions[handle];
        let result = match &function.result {
            Some(result) => {
                let lanes = self.lanes_of(&self.module.types[result.ty].inner)?;
                (self.registers(lanes)?..).take(lanes).collect()
            }
            None => Vec::new(),
        };
        let mut frame = Frame {
            function,
            info: &self.info[handle],
            values: vec![None; function.expressions.len()],
            arguments,
            variables: Vec::new(),
            result,
            returns: Vec::new(),
            exits: Vec::new(),
        };
        for (_, variable) in function.local_variables.iter() {
            let lanes = self.lanes_of(&self.module.types[variable.ty].inner)?;
            let place = Place { base: self.registers(lanes)?, lanes, offset: None };
            frame.variables.push(place);
        }
        for (place, (_, variable)) in frame.variables.clone().into_iter().zip(function.local_variables.iter())
        {
            let init = match variable.init {
                Some(init) => self.lanes(&frame, init)?,
                None => vec![self.constant(0)?; place.lanes],
            };
            self.store(place, &init)?;
        }
        self.block(&mut frame, &function.body)?;
        self.land(&frame.returns);
        self.depth -= 1;
        Ok(frame.result)
    }

    fn block(&mut self, frame: &mut Frame<'a>, block: &'a Block) -> Result<()> {
        for (statement, &span) in block.span_iter() {
            if span.is_defined() {
                self.span = span;
            }
            self.statement(frame, statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, frame: &mut Frame<'a>, statement: &'a Statement) -> Result<()> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    let value = self.evaluate(frame, handle)?;
                    frame.values[handle.index()] = Some(value);
                }
            }
            Statement::Block(block) => self.block(frame, block)?,
            Statement::If { condition, accept, reject } => {
                let condition = self.lane(frame, *condition)?;
                let over = self.jump_unless(condition)?;
                self.block(frame, accept)?;
                if reject.is_empty() {
                    self.land(&[over]);
                } else {
                    let end = self.jump()?;
                    self.land(&[over]);
                    self.block(frame, reject)?;
                    self.land(&[end]);
                }
            }
            Statement::Switch { selector, cases } => self.switch(frame, *selector, cases)?,
            Statement::Loop { body, continuing, break_if } => {
                let loops = Loops { module: self.module, function: frame.function };
                let rounds = match (loops.most_rounds(body, continuing), break_if) {
                    (Ok(rounds), None) => rounds,
                    (Err(message), _) => return self.refuse(message),
                    (Ok(_), Some(_)) => return self.unknown("`break if`"),
                };
                self.round(frame, body, continuing, rounds)?;
            }
            Statement::Break => {
                let jump = self.jump()?;
                if let Some(exit) = frame.exits.last_mut() {
                    exit.breaks.push(jump);
                }
            }
            Statement::Continue => {
                let jump = self.jump()?;
                if let Some(exit) = frame.exits.iter_mut().rfind(|exit| exit.is_loop) {
                    exit.continues.push(jump);
                }
            }
            Statement::Return { value } => {
                if let Some(value) = value {
                    let lanes = self.lanes(frame, *value)?;
                    let (base, lanes_there) =
                        (frame.result.first().copied().unwrap_or(0), frame.result.len());
                    self.store(Place { base, lanes: lanes_there, offset: None }, &lanes)?;
                }
                let jump = self.jump()?;
                frame.returns.push(jump);
            }
            Statement::Store { pointer, value } => {
                let lanes = self.lanes(frame, *value)?;
                match self.value(frame, *pointer)? {
                    Value::Place(place) => self.store(place, &lanes)?,
                    Value::Lanes(_) => return self.unknown("this assignment"),
                }
            }
            Statement::Call { function, arguments, result } => {
                let given = arguments.iter().map(|&argument| self.value(frame, argument));
                let given = given.collect::<Result<Vec<_>>>()?;
                let span = self.span;
                let lanes = self.call(*function, given)?;
                self.span = span;
                if let Some(result) = result {
                    frame.values[result.index()] = Some(Value::Lanes(lanes));
                }
            }
            Statement::Kill => return self.unknown("`discard`"),
            _ => return self.unknown("this statement"),
        }
        Ok(())
    }

    /// A loop, which counts for as many steps as all of its rounds take.
    fn round(
        &mut self,
        frame: &mut Frame<'a>,
        body: &'a Block,
        continuing: &'a Block,
        rounds: u64,
    ) -> Result<()> {
        let (start, before, span) = (self.ops.len(), self.steps, self.span);
        frame.exits.push(Exit { is_loop: true, breaks: Vec::new(), continues: Vec::new() });
        self.block(frame, body)?;
        if let Some(exit) = frame.exits.last() {
            self.land(&exit.continues);
        }
        self.block(frame, continuing)?;
        self.step(Op::Jump { to: start })?;
        if let Some(exit) = frame.exits.pop() {
            self.land(&exit.breaks);
        }
        // One round more sees that it is over.
        self.steps = before.saturating_add((self.steps - before).saturating_mul(rounds.saturating_add(1)));
        self.span = span;
        if self.steps > MOST_STEPS {
            return self.refuse(format!(
                "up to {} steps for a point with the {rounds} rounds of this loop, allowed are {MOST_STEPS}",
                self.steps
            ));
        }
        Ok(())
    }

    fn switch(
        &mut self,
        frame: &mut Frame<'a>,
        selector: Handle<Expression>,
        cases: &'a [naga::SwitchCase],
    ) -> Result<()> {
        let selector = self.lane(frame, selector)?;
        let mut ways = Vec::new();
        for case in cases {
            let bits = match case.value {
                SwitchValue::I32(value) => value as u32,
                SwitchValue::U32(value) => value,
                SwitchValue::Default => {
                    ways.push(None);
                    continue;
                }
            };
            let wanted = self.constant(bits)?;
            let is = self.two(equal, selector, wanted)?;
            let over = self.jump_unless(is)?;
            ways.push(Some(self.jump()?));
            self.land(&[over]);
        }
        let default = self.jump()?;
        frame.exits.push(Exit { is_loop: false, breaks: Vec::new(), continues: Vec::new() });
        let mut ends = Vec::new();
        for (case, way) in cases.iter().zip(ways) {
            self.land(&[way.unwrap_or(default)]);
            self.block(frame, &case.body)?;
            if !case.fall_through {
                ends.push(self.jump()?);
            }
        }
        self.land(&ends);
        if let Some(exit) = frame.exits.pop() {
            self.land(&exit.breaks);
        }
        Ok(())
    }

    // -------------------------------------------------------------------------------------------- types

    /// How many numbers something of a type has.
    pub(super) fn lanes_of(&self, inner: &TypeInner) -> Result<usize> {
        let of = |handle: Handle<naga::Type>| self.lanes_of(&self.module.types[handle].inner);
        match *inner {
            TypeInner::Scalar(_) => Ok(1),
            TypeInner::Vector { size, .. } => Ok(size as usize),
            TypeInner::Matrix { columns, rows, .. } => Ok(columns as usize * rows as usize),
            TypeInner::Array { base, size: naga::ArraySize::Constant(count), .. } => {
                let lanes = of(base)?.saturating_mul(count.get() as usize);
                if lanes > MOST_REGISTERS {
                    return self.refuse(format!("an array of more than {MOST_REGISTERS} numbers"));
                }
                Ok(lanes)
            }
            TypeInner::Struct { ref members, .. } => {
                let mut sum = 0;
                for member in members {
                    sum += of(member.ty)?;
                }
                Ok(sum)
            }
            _ => self.unknown("this type"),
        }
    }
}
