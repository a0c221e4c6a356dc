//! The other controller or decoder: tables taken from a file and put into the session's own protocol.

use std::path::Path;

use protocol::reader::Document;
use protocol::{Protocol, read_text, variant};
use recording::RecordedSession;

use super::refuse;
use crate::error::SessionError;
use crate::experiment::Experiment;

/// The session's experiment with what a file has in place of it.
pub struct Other {
    /// The file.
    pub file: String,
    /// With the tables in it.
    pub experiment: Experiment,
    /// Whether the controller is another one.
    pub controller: bool,
    /// Whether the decoder is another one.
    pub decoder: bool,
}

impl Other {
    /// Reads a file with a `[controller.*]`, a `[decoder.*]` or both: a whole protocol, or those tables alone.
    ///
    /// # Errors
    /// When the file has neither, or what it has does not fit the session's protocol; with file, line and key.
    pub fn load(path: &Path, session: &RecordedSession, recorded: &Experiment) -> Result<Self, SessionError> {
        let (text, file) = read_text(path)?;
        Self::parse(&text, file, session, recorded)
    }

    /// The same from a text; `file` is what errors call it.
    ///
    /// # Errors
    /// As [`Other::load`].
    pub fn parse(
        text: &str,
        file: String,
        session: &RecordedSession,
        recorded: &Experiment,
    ) -> Result<Self, SessionError> {
        let document = Document::parse(text, &file)?;
        let root = document.any_root();
        let name = "protocol of the session";
        let mut variant_text = recorded.protocol_text.clone();
        let there: Vec<&str> = ["decoder", "controller"].into_iter().filter(|key| root.has(key)).collect();
        if there.is_empty() {
            let text = "has neither [controller.*] nor [decoder.*]: there is nothing else to try";
            return Err(SessionError::Argument { argument: file, reason: text.into() });
        }
        for key in there {
            variant_text = variant::with_table(&variant_text, name, key, &root.table_of_any(key)?)?;
        }
        let protocol = Protocol::parse(&variant_text, name)?;
        let controller = protocol.controller != recorded.protocol.controller;
        let decoder = protocol.decoder != recorded.protocol.decoder;
        if !controller && !decoder {
            return Err(refuse(
                session,
                &format!("{file} says what the session's own protocol says: there is nothing else to try"),
            ));
        }
        let experiment = Experiment {
            protocol,
            protocol_text: variant_text,
            rig: recorded.rig.clone(),
            rig_text: recorded.rig_text.clone(),
            folder: recorded.folder.clone(),
            files: recorded.files.clone(),
        };
        Ok(Self { file, experiment, controller, decoder })
    }

    /// What is other, in words.
    pub fn words(&self) -> &'static str {
        match (self.controller, self.decoder) {
            (true, true) => "controller and decoder",
            (true, false) => "controller",
            _ => "decoder",
        }
    }
}
