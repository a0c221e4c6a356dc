//! The embedded models as encoders.

use adjoint::Limits;

use super::{Encoder, EncoderError};
use crate::v1;

impl Encoder {
    /// The embedded V1 with these parameters. Inputs by which it is fitted start from what the parameters say; noise, where
    /// asked for, is zero until [`Encoder::set_parameter`] gives other numbers.
    ///
    /// # Errors
    /// What [`v1::Params::check`] finds.
    pub fn v1(params: &v1::Params) -> Result<Self, EncoderError> {
        Self::from_bytes("v1", &v1::build(params)?, None, &Limits::default())
    }
}
