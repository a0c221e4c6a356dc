//! Gradient of a product over axes.

use super::group::Groups;
use super::{closed_op, elements, filled};
use crate::tract::*;

/// `(cotangent, x)` to the cotangent of `x`, where the result was the product of `x` over some axes.
///
/// The factor of an element is the product of the others in its group, taken as the product of those before and of
/// those behind it: to divide the result by the element would fail where one is zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProductGradient {
    /// The axes that were multiplied away; they have length 1 in the cotangent.
    pub axes: Vec<usize>,
}
closed_op!(ProductGradient);

impl EvalOp for ProductGradient {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, x) = args_2!(inputs);
        let groups = Groups::new(x.shape(), &self.axes);
        let (cotangent, values) = (elements(&cotangent)?, elements(&x)?);
        filled(x.shape(), |out| {
            let mut places = Vec::with_capacity(groups.length());
            for (group, &cotangent) in groups.iter().zip(cotangent) {
                places.clear();
                places.extend(group);
                let mut before = cotangent;
                for &place in &places {
                    out[place] = before;
                    before *= values[place];
                }
                let mut behind = 1.0;
                for &place in places.iter().rev() {
                    out[place] *= behind;
                    behind *= values[place];
                }
            }
            Ok(())
        })
    }
}

impl TypedOp for ProductGradient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].rank() == inputs[1].rank(), "{:?} against {:?}", inputs[0].shape, inputs[1].shape);
        Ok(tvec!(f32::fact(&*inputs[1].shape)))
    }
    as_op!();
}
