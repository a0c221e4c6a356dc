//! ONNX' Scan, and the RNN, LSTM and GRU that tract writes as one.

use tract_core::internal::*;
use tract_core::ops::array::{Pad, PadMode, TypedConcat};
use tract_core::ops::scan::{InputMapping, OutputMapping, Scan, ScanInfo, iteration_count};

use super::{Places, Writer, find};

/// Number of iterations of a loop with the given inputs.
pub(super) fn iterations(scan: &Scan, inputs: &[&TypedFact]) -> TractResult<usize> {
    Ok(iteration_count(&scan.input_mapping, inputs).context("a loop over nothing")?.to_usize()?)
}

impl Writer {
    /// Writes a loop out. The first `skip` turns do not run; their part of an output is zero.
    pub(super) fn scan(
        &mut self,
        scan: &Scan,
        name: &str,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let turns = {
            let facts = inputs.iter().map(|&input| self.model.outlet_fact(input));
            iterations(scan, &facts.collect::<TractResult<TVec<_>>>()?)?
        };
        ensure!(turns > scan.skip, "a loop of {turns} iterations of which {} are skipped", scan.skip);
        let body = Body::new(scan)?;
        let mut fixed = Places::new();
        for ((mapping, &source), &input) in
            scan.input_mapping.iter().zip(scan.body.input_outlets()?).zip(inputs)
        {
            if *mapping == InputMapping::Full {
                fixed.insert(source, input);
            }
        }
        for &id in &body.once {
            self.copy(scan.body.node(id), &format!("{name}."), &mut fixed)?;
        }
        let mut states = Vec::new();
        for (slot, _) in scan.input_mapping.iter().enumerate().filter(|(_, mapping)| mapping.is_state()) {
            states.push(self.first(scan, &format!("{name}.first-{slot}"), slot, inputs[slot])?);
        }
        let mut written: Vec<Vec<OutletId>> = vec![Vec::new(); scan.output_mapping.len()];
        for turn in scan.skip..turns {
            let prefix = format!("{name}.{turn}.");
            let mut places = fixed.clone();
            self.feed(scan, &prefix, turn, inputs, &mut states, &mut places)?;
            for &id in &body.each {
                self.copy(scan.body.node(id), &prefix, &mut places)?;
            }
            for (slot, &outlet) in scan.body.output_outlets()?.iter().enumerate() {
                let value = find(&places, outlet)?;
                written[slot].push(value);
                if scan.output_mapping[slot].state {
                    states.push(value);
                }
            }
        }
        self.collect(scan, name, turns, &written)
    }

    /// A state before the first turn. tract's simplification may move the axes of a state inside the body and leave a
    /// constant outside as it was; one whose elements are all equal is given the shape that the body wants.
    fn first(&mut self, scan: &Scan, name: &str, slot: usize, outside: OutletId) -> TractResult<OutletId> {
        let inside = scan.body.outlet_fact(scan.body.input_outlets()?[slot])?;
        let fact = self.model.outlet_fact(outside)?;
        if inside.shape == fact.shape {
            return Ok(outside);
        }
        let uniform = fact.konst.as_ref().and_then(|value| value.as_uniform());
        let uniform = uniform.filter(|_| inside.shape.volume() == fact.shape.volume());
        let value = uniform
            .with_context(|| format!("a state of {:?} where {:?} is wanted", fact.shape, inside.shape))?;
        let shape = inside.shape.as_concrete().context("a state of unknown shape")?;
        self.model.add_const(name.to_owned(), value.broadcast_scalar_to_shape(shape)?)
    }

    /// Gives the inputs of the body in one turn: the states, which are taken out in their order, and the chunks.
    fn feed(
        &mut self,
        scan: &Scan,
        prefix: &str,
        turn: usize,
        inputs: &[OutletId],
        states: &mut Vec<OutletId>,
        places: &mut Places,
    ) -> TractResult<()> {
        let mut before = std::mem::take(states).into_iter();
        for (slot, (mapping, &source)) in
            scan.input_mapping.iter().zip(scan.body.input_outlets()?).enumerate()
        {
            let value = match mapping {
                InputMapping::Full => continue,
                InputMapping::State => before.next().context("fewer states than the body takes")?,
                InputMapping::Scan(info) => {
                    self.chunk(format!("{prefix}input-{slot}"), inputs[slot], info, turn)?
                }
            };
            places.insert(source, value);
        }
        Ok(())
    }

    /// The chunk of one turn, counted from the end where the loop runs backwards. A last chunk that is not full is
    /// filled up with zeros on the side where it ends.
    fn chunk(
        &mut self,
        name: String,
        input: OutletId,
        info: &ScanInfo,
        turn: usize,
    ) -> TractResult<OutletId> {
        let (axis, length, full) = (info.axis, info.chunk.unsigned_abs(), self.dim(input, info.axis)?);
        let backward = info.chunk < 0;
        let (start, end) = if backward {
            let end = full - turn * length;
            (end.saturating_sub(length), end)
        } else {
            (turn * length, ((turn + 1) * length).min(full))
        };
        let chunk = self.cut(name.clone(), input, axis, start, end)?;
        let missing = length - (end - start);
        self.pad(format!("{name}.fill"), chunk, axis, if backward { (missing, 0) } else { (0, missing) })
    }

    fn pad(&mut self, name: String, x: OutletId, axis: usize, pad: (usize, usize)) -> TractResult<OutletId> {
        if pad == (0, 0) {
            return Ok(x);
        }
        let mut pads = vec![(0, 0); self.model.outlet_fact(x)?.rank()];
        pads[axis] = pad;
        self.wire(name, Pad { pads, mode: PadMode::Constant(Arc::new(tensor0(0f32))) }, &[x])
    }

    /// The outputs of the loop from those of its turns.
    fn collect(
        &mut self,
        scan: &Scan,
        name: &str,
        turns: usize,
        written: &[Vec<OutletId>],
    ) -> TractResult<TVec<OutletId>> {
        let mut outputs: Vec<(usize, OutletId)> = Vec::new();
        for (slot, (mapping, values)) in scan.output_mapping.iter().zip(written).enumerate() {
            if let Some((outlet, info)) = mapping.scan {
                outputs.push((
                    outlet,
                    self.join(format!("{name}.output-{slot}"), mapping, &info, turns, values)?,
                ));
            }
            if let Some(outlet) = mapping.last_value_slot {
                outputs.push((outlet, *values.last().context("a loop without a turn")?));
            }
        }
        outputs.sort_unstable();
        Ok(outputs.into_iter().map(|(_, outlet)| outlet).collect())
    }

    /// The values of all turns behind each other, cut or filled up to the length that the loop states.
    fn join(
        &mut self,
        name: String,
        mapping: &OutputMapping<TDim>,
        info: &ScanInfo,
        turns: usize,
        values: &[OutletId],
    ) -> TractResult<OutletId> {
        let chunk = self.dim(values[0], info.axis)?;
        let length = match &mapping.full_dim_hint {
            Some(hint) => hint.to_usize()?,
            None => chunk * turns,
        };
        let backward = info.chunk < 0;
        let mut values = values.to_vec();
        if backward {
            values.reverse();
        }
        let joined = match values[..] {
            [single] => single,
            _ => self.wire(name.clone(), TypedConcat::new(info.axis), &values)?,
        };
        let skipped = (turns - values.len()) * chunk;
        let whole = self.pad(
            format!("{name}.skipped"),
            joined,
            info.axis,
            if backward { (0, skipped) } else { (skipped, 0) },
        )?;
        let has = chunk * turns;
        if has >= length {
            let start = if backward { has - length } else { 0 };
            self.cut(format!("{name}.cut"), whole, info.axis, start, start + length)
        } else {
            let missing = length - has;
            self.pad(
                format!("{name}.fill"),
                whole,
                info.axis,
                if backward { (missing, 0) } else { (0, missing) },
            )
        }
    }
}

/// The nodes of a loop's body, sources left out, in the order of evaluation.
struct Body {
    /// Those that are the same in every turn.
    once: Vec<usize>,
    /// Those that depend on a state or a chunk.
    each: Vec<usize>,
}

impl Body {
    fn new(scan: &Scan) -> TractResult<Self> {
        let inputs = scan.body.input_outlets()?;
        let mut varies = vec![false; scan.body.nodes.len()];
        for (mapping, input) in scan.input_mapping.iter().zip(inputs) {
            varies[input.node] = *mapping != InputMapping::Full;
        }
        let mut body = Self { once: Vec::new(), each: Vec::new() };
        for id in scan.body.eval_order()? {
            if inputs.iter().any(|input| input.node == id) {
                continue;
            }
            varies[id] = scan.body.node(id).inputs.iter().any(|input| varies[input.node]);
            if varies[id] { body.each.push(id) } else { body.once.push(id) }
        }
        Ok(body)
    }
}
