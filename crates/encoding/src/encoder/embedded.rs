//! The embedded models as encoders.

use adjoint::Limits;
use ndarray::arr0;

use super::{Encoder, EncoderError};
use crate::form::{Form, Layout};
use crate::v1;

impl Encoder {
    /// The embedded V1 with these parameters. Inputs by which it is fitted start from what the parameters say; noise, where
    /// asked for, is zero until [`Encoder::set_parameter`] gives other numbers.
    ///
    /// # Errors
    /// What [`v1::Params::check`] finds.
    pub fn v1(params: &v1::Params) -> Result<Self, EncoderError> {
        let bytes = v1::build(params)?;
        let [height, width] = params.size_px;
        let form = match params.temporal {
            Some(time) => Form::linear(Layout::Ntchw, [time.frames, 1, height, width]),
            None => Form::linear(Layout::Nchw, [1, 1, height, width]),
        };
        let mut encoder = Self::from_bytes("v1", &bytes, Some(form), &Limits::default())?;
        let fittable = v1::fittable_inputs(params);
        for parameter in &mut encoder.parameters {
            let known = fittable.iter().find(|input| input.name == parameter.name);
            parameter.value = Some(arr0(known.map_or(0.0, |input| input.start as f32)).into_dyn());
            parameter.range = known.map(|input| input.bounds);
        }
        Ok(encoder)
    }
}
