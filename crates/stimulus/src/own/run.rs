//! What a program compiles to, and its execution: registers of 32 bits, scalar operations, jumps.

/// A register's number.
pub(super) type Reg = u16;

/// The most registers.
pub(super) const MOST_REGISTERS: usize = 2_048;

/// As many as most programs need.
const FEW_REGISTERS: usize = 256;

/// A scalar operation on bits.
pub(super) type One = fn(u32) -> u32;
/// The same with two operands.
pub(super) type Two = fn(u32, u32) -> u32;
/// The same with three.
pub(super) type Three = fn(u32, u32, u32) -> u32;

/// One step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Copy {
        to: Reg,
        from: Reg,
    },
    One {
        to: Reg,
        f: One,
        a: Reg,
    },
    Two {
        to: Reg,
        f: Two,
        a: Reg,
        b: Reg,
    },
    Three {
        to: Reg,
        f: Three,
        a: Reg,
        b: Reg,
        c: Reg,
    },
    /// From `base` and as many further as `at` says.
    Gather {
        to: Reg,
        base: Reg,
        at: Reg,
    },
    Scatter {
        base: Reg,
        at: Reg,
        from: Reg,
    },
    Jump {
        to: usize,
    },
    /// Where the condition is 0.
    JumpUnless {
        condition: Reg,
        to: usize,
    },
}

/// A program that ends: its jumps back are those of loops that count to a constant.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) ops: Vec<Op>,
    /// What is in the registers before: constants, and zeros. The inputs come first.
    pub(super) image: Vec<u32>,
    pub(super) result: Reg,
}

impl Code {
    /// Runs it on its inputs.
    pub(super) fn run(&self, inputs: &[u32]) -> f32 {
        // Most programs are small, and to clear what they do not need would take longer than they do.
        match self.image.len() {
            0..=FEW_REGISTERS => self.run_in(&mut [0; FEW_REGISTERS], inputs),
            _ => self.run_in(&mut [0; MOST_REGISTERS], inputs),
        }
    }

    fn run_in(&self, all: &mut [u32], inputs: &[u32]) -> f32 {
        let regs = &mut all[..self.image.len()];
        regs.copy_from_slice(&self.image);
        let given = inputs.len().min(regs.len());
        regs[..given].copy_from_slice(&inputs[..given]);
        let mut at = 0;
        while let Some(op) = self.ops.get(at) {
            at += 1;
            match *op {
                Op::Copy { to, from } => regs[usize::from(to)] = regs[usize::from(from)],
                Op::One { to, f, a } => regs[usize::from(to)] = f(regs[usize::from(a)]),
                Op::Two { to, f, a, b } => {
                    regs[usize::from(to)] = f(regs[usize::from(a)], regs[usize::from(b)]);
                }
                Op::Three { to, f, a, b, c } => {
                    regs[usize::from(to)] =
                        f(regs[usize::from(a)], regs[usize::from(b)], regs[usize::from(c)]);
                }
                Op::Gather { to, base, at } => {
                    regs[usize::from(to)] = regs[usize::from(base) + regs[usize::from(at)] as usize];
                }
                Op::Scatter { base, at, from } => {
                    regs[usize::from(base) + regs[usize::from(at)] as usize] = regs[usize::from(from)];
                }
                Op::Jump { to } => at = to,
                Op::JumpUnless { condition, to } => {
                    if regs[usize::from(condition)] == 0 {
                        at = to;
                    }
                }
            }
        }
        f32::from_bits(regs[usize::from(self.result)])
    }
}
