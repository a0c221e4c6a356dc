//! The recurrent cells that tract fuses into one operator, in plain nodes.

use tract_core::internal::*;
use tract_core::ops::array::TypedConcat;
use tract_core::ops::change_axes::AxisOp;
use tract_core::ops::einsum::EinSum;
use tract_core::ops::gru_seq::GruSeq;
use tract_core::ops::lstm_cell::LstmEpilogue;
use tract_core::ops::math::{add, mul, sub, tanh};
use tract_core::ops::nn::sigmoid;

use super::Writer;

/// An upper bound of the nodes of one turn of a cell.
pub(super) const GRU_TURN: usize = 24;

impl Writer {
    /// One step of an LSTM from `[the four gates before activation, cell]` to `[output, cell]`, with ONNX' order of gates:
    /// input, output, forget, cell.
    pub(super) fn lstm_cell(
        &mut self,
        cell: &LstmEpilogue,
        name: &str,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let (gates, before, h) = (inputs[0], inputs[1], cell.hidden);
        let axis = self.model.outlet_fact(gates)?.rank() - 1;
        let open = self.cut(format!("{name}.open"), gates, axis, 0, 3 * h)?;
        let open = self.wire(format!("{name}.sigmoid"), sigmoid(), &[open])?;
        let input = self.cut(format!("{name}.input"), open, axis, 0, h)?;
        let output = self.cut(format!("{name}.output"), open, axis, h, 2 * h)?;
        let forget = self.cut(format!("{name}.forget"), open, axis, 2 * h, 3 * h)?;
        let proposal = self.cut(format!("{name}.proposal"), gates, axis, 3 * h, 4 * h)?;
        let proposal = self.wire(format!("{name}.tanh"), tanh(), &[proposal])?;
        let kept = self.wire(format!("{name}.kept"), mul(), &[forget, before])?;
        let taken = self.wire(format!("{name}.taken"), mul(), &[input, proposal])?;
        let after = self.wire(format!("{name}.cell"), add(), &[kept, taken])?;
        let shown = self.wire(format!("{name}.cell.tanh"), tanh(), &[after])?;
        let shown = self.wire(format!("{name}.shown"), mul(), &[output, shown])?;
        Ok(tvec!(shown, after))
    }

    /// One step of a GRU whose reset gate acts behind the recurrent product: from the two products with their biases,
    /// in ONNX' order of gates (update, reset, hidden), and the state, to the state.
    pub(super) fn gru_cell(
        &mut self,
        name: &str,
        from_input: OutletId,
        from_state: OutletId,
        before: OutletId,
    ) -> TractResult<OutletId> {
        let axis = self.model.outlet_fact(before)?.rank() - 1;
        let h = self.dim(before, axis)?;
        let a = self.cut(format!("{name}.input.gates"), from_input, axis, 0, 2 * h)?;
        let b = self.cut(format!("{name}.state.gates"), from_state, axis, 0, 2 * h)?;
        let gates = self.wire(format!("{name}.gates"), add(), &[a, b])?;
        let gates = self.wire(format!("{name}.sigmoid"), sigmoid(), &[gates])?;
        let update = self.cut(format!("{name}.update"), gates, axis, 0, h)?;
        let reset = self.cut(format!("{name}.reset"), gates, axis, h, 2 * h)?;
        let a = self.cut(format!("{name}.input.hidden"), from_input, axis, 2 * h, 3 * h)?;
        let b = self.cut(format!("{name}.state.hidden"), from_state, axis, 2 * h, 3 * h)?;
        let b = self.wire(format!("{name}.reset.hidden"), mul(), &[reset, b])?;
        let proposal = self.wire(format!("{name}.hidden"), add(), &[a, b])?;
        let proposal = self.wire(format!("{name}.tanh"), tanh(), &[proposal])?;
        let difference = self.wire(format!("{name}.difference"), sub(), &[before, proposal])?;
        let kept = self.wire(format!("{name}.kept"), mul(), &[update, difference])?;
        self.wire(format!("{name}.state"), add(), &[proposal, kept])
    }

    /// A whole GRU: inputs x `[batch, time, features]`, W (unless x has been multiplied by it), R, the bias where there is
    /// one, the first state `[batch, 1, hidden]`; outputs all states and the last.
    pub(super) fn gru(
        &mut self,
        gru: &GruSeq,
        name: &str,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let h = gru.hidden;
        let mut rest = inputs[1..].iter().copied();
        let mut next = || rest.next().context("a recurrent operator with too few inputs");
        let mut products = inputs[0];
        if !gru.projected {
            let op = EinSum::new("btk,gk->btg".parse()?, f32::datum_type());
            products = self.wire(format!("{name}.input"), op, &[products, next()?])?;
        }
        let recurrent = next()?;
        let bias = if gru.has_bias { Some(self.bias(name, next()?)?) } else { None };
        let mut state = self.wire(format!("{name}.first"), AxisOp::Rm(1), &[next()?])?;
        if let Some(bias) = bias.filter(|_| !gru.projected) {
            let bias = self.cut(format!("{name}.input.bias"), bias, 1, 0, 3 * h)?;
            let bias = self.wire(format!("{name}.input.bias.time"), AxisOp::Add(0), &[bias])?;
            products = self.wire(format!("{name}.input.biased"), add(), &[products, bias])?;
        }
        let bias = match bias {
            Some(bias) => Some(self.cut(format!("{name}.state.bias"), bias, 1, 3 * h, 6 * h)?),
            None => None,
        };
        let turns = self.dim(products, 1)?;
        let mut states = Vec::with_capacity(turns);
        for turn in 0..turns {
            let time = if gru.chunk < 0 { turns - 1 - turn } else { turn };
            let name = format!("{name}.{turn}");
            let from_input = self.cut(format!("{name}.time"), products, 1, time, time + 1)?;
            let from_input = self.wire(format!("{name}.now"), AxisOp::Rm(1), &[from_input])?;
            let op = EinSum::new("bk,gk->bg".parse()?, f32::datum_type());
            let mut from_state = self.wire(format!("{name}.recurrent"), op, &[state, recurrent])?;
            if let Some(bias) = bias {
                from_state = self.wire(format!("{name}.recurrent.biased"), add(), &[from_state, bias])?;
            }
            state = self.gru_cell(&name, from_input, from_state, state)?;
            states.push(self.wire(format!("{name}.then"), AxisOp::Add(1), &[state])?);
        }
        let last = *states.last().context("a recurrent operator over nothing")?;
        if gru.chunk < 0 {
            states.reverse();
        }
        let all = if gru.emit_y {
            self.wire(format!("{name}.all"), TypedConcat::new(1), &states)?
        } else {
            let none = Tensor::zero::<f32>(&[self.dim(last, 0)?, 0, h])?;
            self.model.add_const(format!("{name}.all"), none)?
        };
        Ok(tvec!(all, last))
    }

    /// A bias as `[1, 6 hidden]`.
    fn bias(&mut self, name: &str, bias: OutletId) -> TractResult<OutletId> {
        match self.model.outlet_fact(bias)?.rank() {
            1 => self.wire(format!("{name}.bias"), AxisOp::Add(0), &[bias]),
            _ => Ok(bias),
        }
    }
}
