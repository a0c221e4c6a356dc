//! The report page: one HTML file that opens without a network, for a person who has to judge a session.

mod attempts;
mod charts;
mod course;
mod flicker;
mod ledger;
mod notices;
mod onsets;
mod page;
mod quality;
mod sections;
mod signals;
mod spans;
mod spectra;
mod svg;
#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;
mod trials;

use std::path::PathBuf;

use recording::RecordedSession;

use crate::error::SessionError;
use crate::summary::Summary;

pub(crate) use charts::Figure;
pub(crate) use ledger::{Chunks, nearest_rank};
pub(crate) use page::{Page, Picture, escape};
pub(crate) use spans::{Block, Span, blocks, extent};
pub(crate) use svg::{LEFT, Plot, RIGHT, Scale, WIDTH, svg, three_digits};

/// Writes `report.html` into the session's folder (an older one is replaced) and says where it is.
///
/// # Errors
/// When the file cannot be written.
pub fn write(session: &RecordedSession, summary: &Summary) -> Result<PathBuf, SessionError> {
    let path = session.folder.report_path();
    match std::fs::write(&path, render(session, summary)) {
        Ok(()) => Ok(path),
        Err(error) => Err(SessionError::io("write", &path, error)),
    }
}

/// The page as text.
pub fn render(session: &RecordedSession, summary: &Summary) -> String {
    let facts = sections::Facts::of(session, summary);
    let mut page = Page::new(&facts.title());
    facts.head(&mut page);
    if crate::arms::is_blinded(session) {
        facts.blinded(&mut page);
    } else {
        facts.course(&mut page);
        facts.answers(&mut page);
        facts.onsets(&mut page);
        facts.trials(&mut page);
        facts.attempts(&mut page);
        facts.scores(&mut page);
    }
    facts.latency(&mut page);
    facts.frames(&mut page);
    facts.flicker(&mut page);
    facts.signals(&mut page);
    facts.notices(&mut page);
    facts.run(&mut page);
    facts.sources_of_truth(&mut page);
    page.finish()
}
