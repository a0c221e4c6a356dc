//! What tract's import and simplification made of a function, put back into a form whose gradient is right.

mod elu;
mod factor;
mod stable;

use super::GradientError;
use crate::tract::*;

/// Puts back all that is known to be lost; a model without any of it is left as it is.
pub(super) fn restore(model: &mut TypedModel) -> Result<(), GradientError> {
    let stabilised = stable::stabilise(model)?;
    let joined = elu::join(model).map_err(GradientError::graph)?;
    let factored = factor::factor(model)?;
    if stabilised || joined || factored { model.compact().map_err(GradientError::graph) } else { Ok(()) }
}
