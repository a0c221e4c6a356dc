//! The graph under construction: the forward model, to which backward nodes are added.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::tract::op::{ElementWiseOp, MultiBroadcastTo, Reduce, Reducer, TypedBinOp};
use crate::tract::*;

/// Forward and backward nodes in one model, before they are split.
pub(super) struct Tape {
    /// The joint model.
    pub model: TypedModel,
    added: usize,
    /// Constants that were derived from a weight, by the weight and what was done to it: a weight that several nodes
    /// share (a recurrent area) stays one.
    derived: BTreeMap<(usize, String), OutletId>,
}

impl Tape {
    pub fn new(model: TypedModel) -> Self {
        Self { model, added: 0, derived: BTreeMap::new() }
    }

    fn fresh(&mut self, what: &str) -> String {
        self.added += 1;
        format!("adjoint.{}.{what}", self.added)
    }

    /// Adds a node with one output.
    pub fn wire(&mut self, op: impl Into<Box<dyn TypedOp>>, inputs: &[OutletId]) -> TractResult<OutletId> {
        let op = op.into();
        let name = self.fresh(&op.name());
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    /// Adds a binary node; the operands' shapes must broadcast.
    pub fn binary(&mut self, op: TypedBinOp, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.wire(op, &[a, b])
    }

    /// Adds an element-wise node.
    pub fn unary(&mut self, op: ElementWiseOp, x: OutletId) -> TractResult<OutletId> {
        self.wire(op, &[x])
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: Tensor) -> TractResult<OutletId> {
        let name = self.fresh("const");
        self.model.add_const(name, tensor)
    }

    /// Adds what `derive` makes of a constant, once for each constant and `how`.
    pub fn derived(
        &mut self,
        constant: &Arc<Tensor>,
        how: &str,
        derive: impl FnOnce(&Tensor) -> TractResult<Tensor>,
    ) -> TractResult<OutletId> {
        // The address names the tensor while the model that holds it lives.
        let key = (Arc::as_ptr(constant) as usize, how.to_owned());
        if let Some(&known) = self.derived.get(&key) {
            return Ok(known);
        }
        let outlet = self.constant(derive(constant)?)?;
        self.derived.insert(key, outlet);
        Ok(outlet)
    }

    /// Adds a constant of one element in `rank` axes.
    pub fn scalar(&mut self, value: f32, rank: usize) -> TractResult<OutletId> {
        self.constant(tensor0(value).broadcast_into_rank(rank)?)
    }

    /// The shape of an outlet, which is known since the model has no symbols left.
    pub fn shape(&self, outlet: OutletId) -> TractResult<Vec<usize>> {
        let fact = self.model.outlet_fact(outlet)?;
        Ok(fact.shape.as_concrete().with_context(|| format!("symbolic shape {:?}", fact.shape))?.to_vec())
    }

    /// The value of an outlet where it does not depend on any input.
    pub fn value(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        self.model.outlet_fact(outlet).ok()?.konst.clone()
    }

    /// The one number that all elements of a constant outlet share.
    pub fn uniform(&self, outlet: OutletId) -> Option<f32> {
        super::uniform(&self.model, outlet)
    }

    /// Sums a cotangent over the axes along which its operand was broadcast.
    pub fn unbroadcast(&mut self, cotangent: OutletId, shape: &[usize]) -> TractResult<OutletId> {
        let has = self.shape(cotangent)?;
        ensure!(has.len() == shape.len(), "cotangent of {has:?} for an operand of {shape:?}");
        let axes: TVec<usize> = (0..has.len()).filter(|&axis| shape[axis] == 1 && has[axis] != 1).collect();
        if axes.is_empty() { Ok(cotangent) } else { self.sum(cotangent, axes) }
    }

    /// Repeats along axes of length 1 until the shape fits.
    pub fn broadcast(&mut self, x: OutletId, shape: &[usize]) -> TractResult<OutletId> {
        if self.shape(x)? == shape {
            return Ok(x);
        }
        let shape = ShapeFact::from_dims(shape.iter().map(|dim| dim.to_dim()));
        self.wire(MultiBroadcastTo { shape }, &[x])
    }

    pub fn sum(&mut self, x: OutletId, axes: TVec<usize>) -> TractResult<OutletId> {
        self.wire(Reduce::new(axes, Reducer::Sum), &[x])
    }

    pub fn mul(&mut self, a: OutletId, b: OutletId) -> TractResult<OutletId> {
        self.binary(math::mul(), a, b)
    }

    pub fn neg(&mut self, x: OutletId) -> TractResult<OutletId> {
        self.unary(math::neg(), x)
    }

    /// Multiplies by a number.
    pub fn scale(&mut self, x: OutletId, factor: f32) -> TractResult<OutletId> {
        let rank = self.shape(x)?.len();
        let factor = self.scalar(factor, rank)?;
        self.mul(x, factor)
    }
}
