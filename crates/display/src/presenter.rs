//! What the frame loop asks of whatever shows its frames: to begin one, to take it, and to say when the one before was seen.
//!
//! A trait rather than one enum, because the scripted presenter needs no GPU and the other two own parts of one; every user
//! is generic over it or holds one kind, so nothing on the way of a frame is called through a table.

use timeline::OnsetClass;

use crate::config::Pacing;

/// When a present took effect, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    /// The instant.
    pub at_ns: i64,
    /// `Predicted`: a wake-up that follows from the present, from which the refresh is to be predicted. `System` and
    /// `Photodiode`: the onset itself.
    pub class: OnsetClass,
}

/// A frame may be begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Began {
    /// The instant.
    pub now_ns: i64,
    /// Of the present before, where the presenter learns it.
    pub stamp: Option<Stamp>,
    /// Whether what is drawn now can be shown; a hidden window takes nothing.
    pub takes: bool,
}

/// Nothing can be shown any more, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone(pub String);

/// Shows frames.
pub trait Presenter {
    /// How it keeps the refresh. Where that is [`Pacing::Screen`], each present is stamped by the call of [`Presenter::begin`]
    /// after it.
    fn pacing(&self) -> Pacing;

    /// Waits until a frame can be begun: where a schedule paces, until `begin_ns`; where the screen does, until the present
    /// before took effect.
    ///
    /// # Errors
    /// When nothing can be shown any more.
    fn begin(&mut self, begin_ns: i64) -> Result<Began, Gone>;

    /// Hands over what was drawn, to be seen at `onset_ns`; the instant at which it was handed over. A schedule-paced
    /// presenter waits for that.
    fn present(&mut self, onset_ns: i64) -> i64;
}
