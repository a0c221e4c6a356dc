//! Spatial operators come in four layouts; their rules are written for batch, channels, space.

use super::Tape;
use crate::tract::op::{AxisOp, DataFormat};
use crate::tract::*;

/// How to bring a tensor of some layout to N, C, space, and back.
pub(super) struct Layout {
    has_batch: bool,
    channels_last: bool,
}

impl Layout {
    pub fn of(format: DataFormat) -> Self {
        Self {
            has_batch: matches!(format, DataFormat::NCHW | DataFormat::NHWC),
            channels_last: matches!(format, DataFormat::NHWC | DataFormat::HWC),
        }
    }

    fn channel_axis(&self) -> usize {
        usize::from(self.has_batch)
    }

    /// The shape that a tensor has as N, C, space.
    pub fn shape(&self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if self.channels_last
            && let Some(channels) = shape.pop()
        {
            shape.insert(self.channel_axis(), channels);
        }
        if !self.has_batch {
            shape.insert(0, 1);
        }
        shape
    }

    /// Moves the tensor to N, C, space.
    pub fn enter(&self, tape: &mut Tape, x: OutletId) -> TractResult<OutletId> {
        let last = tape.shape(x)?.len() - 1;
        let mut x = x;
        if self.channels_last && last != self.channel_axis() {
            x = tape.wire(AxisOp::Move(last, self.channel_axis()), &[x])?;
        }
        if self.has_batch { Ok(x) } else { tape.wire(AxisOp::Add(0), &[x]) }
    }

    /// The way back.
    pub fn leave(&self, tape: &mut Tape, x: OutletId) -> TractResult<OutletId> {
        let mut x = x;
        if !self.has_batch {
            x = tape.wire(AxisOp::Rm(0), &[x])?;
        }
        let last = tape.shape(x)?.len() - 1;
        if self.channels_last && last != self.channel_axis() {
            x = tape.wire(AxisOp::Move(self.channel_axis(), last), &[x])?;
        }
        Ok(x)
    }
}
