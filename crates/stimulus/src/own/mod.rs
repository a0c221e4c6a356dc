//! Patterns of one's own: a WGSL file that declares its parameters, and what it shows at a point as a pure function.
//!
//! The same text goes two ways. The GPU gets it as part of the stimulus pass ([`Program::shader`]); the twin gets what the
//! file's syntax tree compiles to, scalar operations in f32 ([`Program::at`]). What the compiler does not know is refused, so
//! there is no pattern without a twin. It also bounds the work: loops count from one constant to another, functions do
//! not recurse, and the steps of a point are counted beforehand, so no file can hang a GPU.

mod compile;
mod expression;
mod loops;
mod maths;
mod rules;
mod run;

use std::fmt::Write as _;

use naga::front::wgsl::{Frontend, Options};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, Span};
use thiserror::Error;

use run::Code;

/// The most parameters that a file may declare.
pub const MOST_PARAMETERS: usize = 16;

/// Numbers that an element hands to its program before its parameters: px per degree, seconds per refresh.
pub const FIXED_NUMBERS: usize = 2;

/// The largest file.
const MOST_BYTES: usize = 65_536;

const HERE: &str = include_str!("../../../../shaders/here.wgsl");
/// What a file finds in front of it where it is looked at alone; in the pass the constants are there already.
const ALONE: &str = concat!(
    "const PI: f32 = 3.14159265358979;\nconst TAU: f32 = 6.28318530717959;\n",
    include_str!("../../../../shaders/here.wgsl")
);
const OWN: &str = include_str!("../../../../shaders/own.wgsl");
/// The stimulus pass but for its function `own`.
const ELEMENT: &str = concat!(
    include_str!("../../../../shaders/frame.wgsl"),
    include_str!("../../../../shaders/light.wgsl"),
    include_str!("../../../../shaders/element.wgsl")
);
const NO_OWN: &str = "fn own(in: Varying, at: vec2<f32>) -> f32 { return 0.0; }\n";

/// The stimulus pass without anybody's own WGSL.
pub fn plain_shader() -> String {
    format!("{ELEMENT}{NO_OWN}")
}

/// A file that was read and checked.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    text: String,
    shader: String,
    parameters: Vec<Parameter>,
    code: Code,
}

/// The same text is the same program.
impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A number that a file wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Lowest value allowed.
    pub low: f64,
    /// Highest value allowed.
    pub high: f64,
    /// What it is where nobody says; without it, it has to be said.
    pub absent: Option<f64>,
}

/// How an element uses a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Own {
    /// Its place in [`crate::Sheets::programs`].
    pub program: u32,
    /// Pixels of a degree.
    pub px_per_deg: f32,
    /// Seconds of a refresh.
    pub frame_s: f32,
    /// Values of the parameters in the order in which the file declares them; the rest is 0.
    pub parameters: [f32; MOST_PARAMETERS],
    /// The highest spatial frequency that it is said to have, in cycles per px.
    pub finest_per_px: f64,
}

/// What a program is told of a point: the numbers of `shaders/here.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Here {
    /// To the right of the centre and above it, in the element's px.
    pub px: [f32; 2],
    /// Size of the element over its own.
    pub scale: f32,
    /// Refreshes since the onset.
    pub frame: u32,
    /// What drifted, in cycles.
    pub cycles: f32,
}

/// Why a file is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct OwnError {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// What is wrong, and where in the text that was parsed.
struct Refusal {
    span: Span,
    message: String,
}

impl Program {
    /// Reads a file; `name` is for errors.
    ///
    /// # Errors
    /// What is no WGSL (in naga's words), what has no twin, names that the stimulus pass needs, more than is allowed.
    pub fn read(text: &str, name: &str) -> Result<Self, OwnError> {
        let at = |refusal: Refusal, before: usize| refusal.place(text, name, before);
        if text.len() > MOST_BYTES {
            let message = format!("the file has {} bytes, allowed are {MOST_BYTES}", text.len());
            return Err(at(Refusal { span: Span::UNDEFINED, message }, 0));
        }
        rules::check_depth(text).map_err(|refusal| at(refusal, 0))?;
        let before = ALONE.len();
        let (module, info) =
            parse(&format!("{ALONE}{text}"), before).map_err(|refusal| at(refusal, before))?;
        let found = rules::check(&module, text, before).map_err(|refusal| at(refusal, before))?;
        let code = compile::compile(&module, &info, &found).map_err(|refusal| at(refusal, before))?;
        // What is valid alone might still not be so beside the rest of the pass, and that is what the driver is given.
        let front = format!("{ELEMENT}{HERE}{OWN}{}", call(found.takes_parameters, found.parameters.len()));
        let shader = format!("{front}{text}\n");
        parse(&shader, front.len()).map_err(|refusal| {
            let message =
                format!("beside Photic's shader, whose names and WGSL's cannot be used: {}", refusal.message);
            at(Refusal { message, ..refusal }, front.len())
        })?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), shader, parameters: found.parameters, code })
    }

    /// The file, as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it wants, in the order in which an element hands it over.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// WGSL of the stimulus pass with this file in it.
    pub fn shader(&self) -> &str {
        &self.shader
    }

    /// The value at a point, -1..=1; what is no number is 0. Allocates nothing.
    pub fn at(&self, own: &Own, here: &Here) -> f64 {
        // In f32 and in the order in which the shader does it.
        let deg = here.px.map(|px| px / own.px_per_deg);
        let deg_per_px = 1.0 / (own.px_per_deg * here.scale);
        let s = here.frame as f32 * own.frame_s;
        let floats = [deg[0], deg[1], here.px[0], here.px[1], deg_per_px, s];
        let mut inputs = [0; 8 + MOST_PARAMETERS];
        inputs[..6].copy_from_slice(&floats.map(f32::to_bits));
        inputs[6] = here.frame;
        inputs[7] = here.cycles.to_bits();
        inputs[8..].copy_from_slice(&own.parameters.map(f32::to_bits));
        let found = self.code.run(&inputs);
        if found.is_finite() { f64::from(found.clamp(-1.0, 1.0)) } else { 0.0 }
    }
}

/// The function through which the pass calls the user's.
fn call(takes_parameters: bool, count: usize) -> String {
    let mut call = String::from(
        "fn own(in: Varying, at: vec2<f32>) -> f32 {\n    return own_value(value(own_here(in, at)",
    );
    if takes_parameters {
        let each: Vec<String> = (0..count).map(|place| format!("own_parameter(in, {place}u)")).collect();
        let _ = write!(call, ", Parameters({})", each.join(", "));
    }
    call + "));\n}\n"
}

/// Parses and validates, both by naga, as the graphics library does it again. An error points behind the first `before` bytes,
/// where it can.
fn parse(text: &str, before: usize) -> Result<(Module, ModuleInfo), Refusal> {
    let is_behind = |span: &Span| span.to_range().is_some_and(|range| range.start >= before);
    let options = Options { parse_doc_comments: true, capabilities: Capabilities::empty() };
    let module = Frontend::new_with_options(options).parse(text).map_err(|error| {
        let label = error.labels().find(|(span, _)| is_behind(span)).or_else(|| error.labels().next());
        let (span, label) = label.unwrap_or((Span::UNDEFINED, ""));
        let notes: String = error.notes().map(|note| format!("; {note}")).collect();
        let says_more = !error.message().contains(label);
        let label = if says_more { format!(" ({label})") } else { String::new() };
        Refusal { span, message: format!("{}{label}{notes}", error.message()) }
    })?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    let info = info.map_err(|error| {
        // The smallest of them says it best: others are the function around it.
        let spans = error.spans().map(|&(span, _)| span).filter(is_behind);
        let span = spans.min_by_key(|span| span.to_range().map(|range| range.len())).unwrap_or_default();
        Refusal { span, message: causes(error.as_inner()) }
    })?;
    Ok((module, info))
}

/// An error with what is behind it: naga says what is wrong in the last of them.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

impl Refusal {
    /// Where it is in a file that `before` bytes stood in front of.
    fn place(self, text: &str, file: &str, before: usize) -> OwnError {
        let start = self.span.to_range().map_or(0, |range| range.start.saturating_sub(before));
        let mut start = start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        OwnError {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message: self.message,
        }
    }
}
