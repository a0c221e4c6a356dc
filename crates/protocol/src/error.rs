//! One error type for everything that can be wrong with a file, always with its place.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Why a file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The file could not be read at all.
    #[error("{file}: cannot be read: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in the file is wrong.
    #[error("{0}")]
    Fault(Box<Fault>),
}

impl ProtocolError {
    /// The line of the fault, from 1; `None` when the file could not be read.
    pub fn line(&self) -> Option<usize> {
        self.fault().map(|f| f.line)
    }

    /// The dotted path of the key, as in `stream.eeg.rate_hz` or `block[hold-low].hold.set_point_uv`; a block without
    /// a readable name is `block[#2]`, counted from 1. Empty for the file as a whole.
    pub fn key(&self) -> Option<&str> {
        self.fault().map(|f| f.key.as_str())
    }

    /// The place and the nature of the fault; `None` when the file could not be read.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Read { .. } => None,
        }
    }
}

/// One fault and its place. Its `Display` shows the source line with the spot underlined.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The file, as it was named to the parser.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The dotted path of the key; see [`ProtocolError::key`].
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
    /// What to do about it, where that can be guessed.
    pub hint: Option<String>,
    /// The source line.
    pub source_line: String,
    /// How many characters of the line, from `column`, are at fault; at least 1.
    pub width: usize,
}

/// What is wrong at one place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The bytes are not text.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// The text is not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// Nobody knows this key here.
    #[error("unknown key; valid here: {}", join(.valid))]
    UnknownKey {
        /// The keys that are valid in this table.
        valid: Vec<String>,
    },
    /// A key that has no default is absent.
    #[error("missing; {wanted}")]
    Missing {
        /// What the key would have to be.
        wanted: String,
    },
    /// A value of the wrong type or outside its range, or one that contradicts another.
    #[error("found {found}, allowed: {allowed}")]
    NotAllowed {
        /// The value as it stands in the file.
        found: String,
        /// What would be accepted.
        allowed: String,
    },
    /// A name that refers to nothing.
    #[error("no {what} {found}; {}", defined(.what, .names))]
    Undefined {
        /// The sort of thing: stream, stimulus, channel.
        what: &'static str,
        /// The name as it stands in the file.
        found: String,
        /// The names that exist.
        names: Vec<String>,
    },
    /// Two things that cannot both stand.
    #[error("{0}")]
    Contradiction(String),
}

fn join(names: &[String]) -> String {
    names.join(", ")
}

fn defined(what: &str, names: &[String]) -> String {
    if names.is_empty() { format!("there is no {what} at all") } else { format!("there is: {}", join(names)) }
}

/// Longest part of a source line that is shown; a longer one is cut on both sides of the fault.
const SHOWN_CHARS: usize = 120;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        writeln!(f, "{}", self.problem)?;

        let first = (self.column - 1).saturating_sub(SHOWN_CHARS / 2);
        let shown = self.source_line.chars().skip(first).take(SHOWN_CHARS);
        // One column per character, or the carets would stand elsewhere.
        let shown: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(self.column - 1 - first);
        let room = SHOWN_CHARS - indent.len();
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", shown.trim_end())?;
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width.clamp(1, room)))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = {hint}")?;
        }
        Ok(())
    }
}

/// Builds a fault from a byte range of the text.
pub(crate) fn fault_at(text: &str, file: &str, span: Range<usize>, key: String, problem: Problem) -> Fault {
    let start = start_inside(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
    let end = char_floor(text, span.end).clamp(start, line_end);
    Fault {
        file: file.to_owned(),
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        key,
        problem,
        hint: None,
        source_line: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        width: text[start..end].chars().count().max(1),
    }
}

/// A fault at the end of the file belongs to its last line, not to the line that would come after it.
fn start_inside(text: &str, start: usize) -> usize {
    let start = char_floor(text, start);
    if start == text.len() { text.strip_suffix('\n').map_or(start, str::len) } else { start }
}

fn char_floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The text of a file and the name that errors give it.
///
/// # Errors
/// A file that cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<(String, String), ProtocolError> {
    let file = path.display().to_string();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ProtocolError::Read { file, source }),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, file)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let fault = fault_at(&text, &file, at..at + 1, String::new(), Problem::NotText);
            Err(ProtocolError::Fault(Box::new(fault)))
        }
    }
}
