//! `[outside]`: a program outside takes part in hold blocks over LSL.

use crate::error::ProtocolError;
use crate::experiment::{BlockKind, Decoder, Protocol};
use crate::reader::{Range, Table};

/// The most decisions that a deadline may span.
const MAX_OPEN: f64 = 64.0;

/// How a program outside takes part.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// What it gives.
    pub gives: Gives,
    /// LSL name of the stream on which it is told each decision.
    pub states: String,
    /// LSL name of the stream on which it replies.
    pub replies: String,
    /// How long a reply may take, in s.
    pub deadline_s: f64,
    /// What holds when it takes longer.
    pub fallback: Fallback,
}

/// What a program outside gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// `"contrast"`: in place of the controller.
    Contrast,
    /// `"value"`: the decoded value in uV with its standard error, in place of the decoder's.
    Value,
}

/// What holds while it gives nothing that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// `"hold"`: what it gave last.
    Hold,
    /// `"grey"`: contrast zero.
    Grey,
    /// `"inside"`: decoder and controller of the protocol.
    Inside,
}

/// Reads the table; the decoder must have been read.
pub(crate) fn read_outside(
    root: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<Outside, ProtocolError> {
    let table = root.table(key, &["gives", "states", "replies", "deadline_s", "fallback"])?;
    let Some(Decoder::SsvepAmplitude(ssvep)) = &protocol.decoder else {
        return Err(table.itself("it needs a table [decoder.ssvep_amplitude], whose decisions are told"));
    };
    if protocol.controller.is_none() {
        let text =
            "it needs a table [controller.*]: for the limits of the contrast, and as the fallback inside";
        return Err(table.itself(text));
    }
    let outside = Outside {
        gives: table.choice("gives", &[("contrast", Gives::Contrast), ("value", Gives::Value)])?,
        states: table.text("states")?,
        replies: table.text("replies")?,
        deadline_s: table
            .number("deadline_s", Range::from(0.001).up_to((MAX_OPEN * ssvep.update_s).min(60.0)))?,
        fallback: table.choice(
            "fallback",
            &[("hold", Fallback::Hold), ("grey", Fallback::Grey), ("inside", Fallback::Inside)],
        )?,
    };
    if outside.states == outside.replies {
        return Err(table.refuse("replies", "another name than that of states"));
    }
    Ok(outside)
}

/// A program outside, or an arm, has something to do only where a set point holds.
pub(crate) fn something_is_held(
    root: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let holds = protocol.blocks.iter().any(|block| matches!(block.kind, BlockKind::Hold(_)));
    if holds { Ok(()) } else { Err(root.refuse(key, "a block that holds a set point, for it to act in")) }
}
