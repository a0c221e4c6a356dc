//! How often a loop goes round at most. What cannot be told beforehand is refused.

use naga::{BinaryOperator, Block, Expression, Function, Handle, Literal, LocalVariable, Module, Statement};

/// What a loop has to look like.
const WANTED: &str = "a loop has to count from one whole constant to another, as in `for (var i = 0; i < 8; i++)`, and nothing \
                      else may change `i`";

/// What is asked of a function about its loops.
pub(super) struct Loops<'a> {
    pub(super) module: &'a Module,
    pub(super) function: &'a Function,
}

impl Loops<'_> {
    /// The most rounds of a loop.
    pub(super) fn most_rounds(&self, body: &Block, continuing: &Block) -> Result<u64, &'static str> {
        let (counter, operator, limit) = self.condition(body).ok_or(WANTED)?;
        let step = self.step(continuing, counter).ok_or(WANTED)?;
        let mut starts = self.starts(counter, body, continuing).ok_or(WANTED)?;
        // The first value that is not let in.
        let (end, rises) = match operator {
            BinaryOperator::Less => (limit, true),
            BinaryOperator::LessEqual => (limit + 1, true),
            BinaryOperator::Greater => (limit, false),
            BinaryOperator::GreaterEqual => (limit - 1, false),
            _ => return Err(WANTED),
        };
        if step == 0 || (step > 0) != rises {
            return Err(WANTED);
        }
        let rounds = |start: i64| {
            let way = if rises { end - start } else { start - end };
            way.max(0).unsigned_abs().div_ceil(step.unsigned_abs())
        };
        starts.sort_unstable();
        let most = starts.iter().map(|&start| rounds(start)).max().unwrap_or(0);
        // The counter may not wrap around before it gets there.
        let last = end + step;
        let range = match self.module.types[self.function.local_variables[counter].ty].inner {
            naga::TypeInner::Scalar(naga::Scalar::U32) => 0..=i64::from(u32::MAX),
            _ => i64::from(i32::MIN)..=i64::from(i32::MAX),
        };
        if range.contains(&last) { Ok(most) } else { Err(WANTED) }
    }

    /// `if i < 8 { } else { break; }` in front of everything else.
    fn condition(&self, body: &Block) -> Option<(Handle<LocalVariable>, BinaryOperator, i64)> {
        let first = body.iter().find(|statement| !matches!(statement, Statement::Emit(_)))?;
        let Statement::If { condition, accept, reject } = first else { return None };
        if !accept.is_empty() || !matches!(reject[..], [Statement::Break]) {
            return None;
        }
        let Expression::Binary { op, left, right } = self.function.expressions[*condition] else {
            return None;
        };
        Some((self.loaded(left)?, op, self.whole(right)?))
    }

    /// `i = i + 1`
    fn step(&self, continuing: &Block, counter: Handle<LocalVariable>) -> Option<i64> {
        let mut steps = continuing.iter().filter_map(|statement| match *statement {
            Statement::Store { pointer, value } if self.variable(pointer) == Some(counter) => Some(value),
            _ => None,
        });
        let (Some(value), None) = (steps.next(), steps.next()) else { return None };
        let Expression::Binary { op, left, right } = self.function.expressions[value] else { return None };
        let by = self.whole(right)?;
        match op {
            _ if self.loaded(left) != Some(counter) => None,
            BinaryOperator::Add => Some(by),
            BinaryOperator::Subtract => Some(-by),
            _ => None,
        }
    }

    /// All values that the counter may begin at: every store to it but the one step.
    fn starts(&self, counter: Handle<LocalVariable>, body: &Block, continuing: &Block) -> Option<Vec<i64>> {
        let mut within = Vec::new();
        self.stores(body, counter, &mut within)?;
        self.stores(continuing, counter, &mut within)?;
        let [step] = within[..] else { return None };
        let mut all = Vec::new();
        self.stores(&self.function.body, counter, &mut all)?;
        let others = all.into_iter().filter(|&value| value != step);
        let mut starts: Vec<i64> = others.map(|value| self.whole(value)).collect::<Option<_>>()?;
        starts.push(match self.function.local_variables[counter].init {
            Some(init) => self.whole(init)?,
            None => 0,
        });
        Some(starts)
    }

    /// What is stored to a variable; `None` where a function gets its address.
    fn stores(
        &self,
        block: &Block,
        counter: Handle<LocalVariable>,
        found: &mut Vec<Handle<Expression>>,
    ) -> Option<()> {
        for statement in block.iter() {
            match statement {
                Statement::Store { pointer, value } if self.variable(*pointer) == Some(counter) => {
                    found.push(*value);
                }
                Statement::Call { arguments, .. }
                    if arguments.iter().any(|&argument| self.variable(argument) == Some(counter)) =>
                {
                    return None;
                }
                Statement::Block(block) => self.stores(block, counter, found)?,
                Statement::If { accept, reject, .. } => {
                    self.stores(accept, counter, found)?;
                    self.stores(reject, counter, found)?;
                }
                Statement::Switch { cases, .. } => {
                    for case in cases {
                        self.stores(&case.body, counter, found)?;
                    }
                }
                Statement::Loop { body, continuing, .. } => {
                    self.stores(body, counter, found)?;
                    self.stores(continuing, counter, found)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn variable(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => Some(variable),
            _ => None,
        }
    }

    fn loaded(&self, expression: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[expression] {
            Expression::Load { pointer } => self.variable(pointer),
            _ => None,
        }
    }

    fn whole(&self, expression: Handle<Expression>) -> Option<i64> {
        let literal = match self.function.expressions[expression] {
            Expression::Literal(literal) => literal,
            Expression::ZeroValue(_) => Literal::I32(0),
            Expression::Constant(constant) => {
                match self.module.global_expressions[self.module.constants[constant].init] {
                    Expression::Literal(literal) => literal,
                    _ => return None,
                }
            }
            _ => return None,
        };
        match literal {
            Literal::I32(number) => Some(number.into()),
            Literal::U32(number) => Some(number.into()),
            _ => None,
        }
    }
}
