//! What a file has to have and must not: its function, its parameters, its names.

use std::collections::BTreeSet;

use naga::keywords::wgsl::BUILTIN_IDENTIFIERS;
use naga::{Function, Handle, Module, ScalarKind, Span, StructMember, TypeInner};

use super::{ELEMENT, HERE, MOST_PARAMETERS, NO_OWN, OWN, Parameter, Refusal};

/// What the shader calls.
const FUNCTION: &str = "value";
const PARAMETERS: &str = "Parameters";

/// naga follows the operators of one expression, and one `else` after the other, as deep as they go: a stack has an end.
const MOST_OPERATORS: usize = 1_000;
const MOST_ELSES: usize = 256;

/// What was found in a file.
pub(super) struct Found {
    /// What is called.
    pub(super) function: Handle<Function>,
    /// Whether it wants parameters.
    pub(super) takes_parameters: bool,
    /// Those.
    pub(super) parameters: Vec<Parameter>,
}

fn refuse<T>(span: Span, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { span, message: message.into() })
}

/// Refuses what could take naga more stack than there is, here or in the graphics library.
pub(super) fn check_depth(text: &str) -> Result<(), Refusal> {
    let (mut operators, mut elses) = (0, 0);
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|&(_, next)| next);
        match (byte, next) {
            (b'/', Some(b'/')) => while bytes.next().is_some_and(|(_, byte)| byte != b'\n') {},
            (b';' | b'{' | b'}', _) => operators = 0,
            (b'.', Some(next)) if !next.is_ascii_alphabetic() => {}
            (b'!' | b'~' | b'-' | b'+' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'.' | b'[', _) => {
                operators += 1
            }
            (b'e', Some(b'l')) if text[at..].starts_with("else") => elses += 1,
            _ => {}
        }
        let message = match (operators > MOST_OPERATORS, elses > MOST_ELSES) {
            (true, _) => {
                format!("more than {MOST_OPERATORS} operators in one expression: write it in several")
            }
            (_, true) => format!("more than {MOST_ELSES} times `else`: use `switch`, or several functions"),
            _ => continue,
        };
        return refuse(Span::new(at as u32, at as u32 + 1), message);
    }
    Ok(())
}

/// Checks what naga does not. `text` is the file, which stands `before` bytes behind the start of what was parsed.
pub(super) fn check(module: &Module, text: &str, before: usize) -> Result<Found, Refusal> {
    if let Some((handle, global)) = module.global_variables.iter().next() {
        let name = global.name.as_deref().unwrap_or_default();
        let message =
            format!("`{name}`: a file has no variables or bindings of its own; use `const`, or parameters");
        return refuse(module.global_variables.get_span(handle), message);
    }
    if let Some((handle, over)) = module.overrides.iter().next() {
        let name = over.name.as_deref().unwrap_or_default();
        let message = format!("`override {name}`: what can be set stands in `struct {PARAMETERS}`");
        return refuse(module.overrides.get_span(handle), message);
    }
    if let Some(entry) = module.entry_points.first() {
        let span = entry.function.body.span_iter().next().map_or(Span::UNDEFINED, |(_, &span)| span);
        let message =
            format!("`{}`: a file has no entry points; `fn {FUNCTION}` is called for each point", entry.name);
        return refuse(span, message);
    }
    check_names(module, text, before)?;
    let found = module.functions.iter().find(|(_, function)| function.name.as_deref() == Some(FUNCTION));
    let Some((handle, function)) = found else {
        return refuse(Span::UNDEFINED, format!("missing: {}", wanted()));
    };
    let span = module.functions.get_span(handle);
    let named = |place: usize| {
        let argument = function.arguments.get(place)?;
        module.types[argument.ty].name.as_deref()
    };
    let gives = function.result.as_ref().map(|result| &module.types[result.ty].inner);
    let gives_number = matches!(gives, Some(TypeInner::Scalar(scalar)) if *scalar == naga::Scalar::F32);
    let takes_parameters = match (function.arguments.len(), named(0), named(1)) {
        (1, Some("Here"), None) if gives_number => false,
        (2, Some("Here"), Some(PARAMETERS)) if gives_number => true,
        _ => return refuse(span, format!("`fn {FUNCTION}`: {}", wanted())),
    };
    let parameters = read_parameters(module, text, before)?;
    if !takes_parameters && !parameters.is_empty() {
        return refuse(
            span,
            format!("`fn {FUNCTION}` takes no parameters, but the file declares {}", parameters.len()),
        );
    }
    Ok(Found { function: handle, takes_parameters, parameters })
}

fn wanted() -> String {
    format!(
        "wanted is `fn {FUNCTION}(here: Here, parameters: {PARAMETERS}) -> f32`, or without parameters \
         `fn {FUNCTION}(here: Here) -> f32`"
    )
}

/// No name of the file is one of the pass, or of WGSL itself: either would be another thing for the pass, too.
fn check_names(module: &Module, text: &str, before: usize) -> Result<(), Refusal> {
    let mut taken = BTreeSet::new();
    if let Ok((pass, _)) = super::parse(&format!("{ELEMENT}{HERE}{OWN}{NO_OWN}"), 0) {
        taken.extend(names(&pass).map(|(name, _)| name.to_owned()));
        taken.extend(pass.entry_points.iter().map(|entry| entry.name.clone()));
    }
    for (name, span) in names(module) {
        let start = span.to_range().map_or(0, |range| range.start);
        // Of the file alone: what stands before it is ours.
        if start < before || name.starts_with("__") {
            continue;
        }
        let of = if taken.contains(name) {
            "of Photic's shader"
        } else if BUILTIN_IDENTIFIERS.contains(&name) {
            "of WGSL itself"
        } else {
            continue;
        };
        let column = text.get(start - before..).and_then(|rest| rest.find(name)).unwrap_or(0);
        let at = (start + column) as u32;
        return refuse(Span::new(at, at), format!("`{name}` is a name {of}; choose another"));
    }
    Ok(())
}

/// Everything that a module names, with its place.
fn names(module: &Module) -> impl Iterator<Item = (&str, Span)> {
    let functions = module.functions.iter().map(|(h, f)| (f.name.as_deref(), module.functions.get_span(h)));
    let constants = module.constants.iter().map(|(h, c)| (c.name.as_deref(), module.constants.get_span(h)));
    let overrides = module.overrides.iter().map(|(h, o)| (o.name.as_deref(), module.overrides.get_span(h)));
    let variables = module.global_variables.iter();
    let variables = variables.map(|(h, v)| (v.name.as_deref(), module.global_variables.get_span(h)));
    let types = module.types.iter().map(|(h, ty)| (ty.name.as_deref(), module.types.get_span(h)));
    let all = functions.chain(constants).chain(overrides).chain(variables).chain(types);
    all.filter_map(|(name, span)| Some((name?, span)))
}

fn read_parameters(module: &Module, text: &str, before: usize) -> Result<Vec<Parameter>, Refusal> {
    let declared = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(PARAMETERS));
    let Some((handle, ty)) = declared else { return Ok(Vec::new()) };
    let span = module.types.get_span(handle);
    let TypeInner::Struct { members, .. } = &ty.inner else {
        return refuse(span, format!("`{PARAMETERS}` has to be a struct"));
    };
    if members.len() > MOST_PARAMETERS {
        return refuse(span, format!("{} parameters, allowed are {MOST_PARAMETERS}", members.len()));
    }
    let mut parameters = Vec::new();
    for (place, member) in members.iter().enumerate() {
        let name = member.name.as_deref().unwrap_or_default();
        let place_of_member = member_span(text, before, span, name);
        let docs = module.doc_comments.as_ref().and_then(|docs| docs.struct_members.get(&(handle, place)));
        let first = docs.and_then(|lines| lines.first()).map_or("", String::as_str);
        parameters.push(
            read_parameter(module, member, first)
                .or_else(|message| refuse(place_of_member, format!("parameter `{name}`: {message}")))?,
        );
    }
    Ok(parameters)
}

/// Where a member stands: naga does not keep it.
fn member_span(text: &str, before: usize, declared: Span, name: &str) -> Span {
    let Some(range) = declared.to_range() else { return declared };
    let from = range.start.saturating_sub(before);
    let body = text.get(from..range.end.saturating_sub(before)).unwrap_or_default();
    let mut at = from;
    for line in body.split_inclusive('\n') {
        let written = line.trim_start();
        if written.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':')) {
            let start = (before + at + line.len() - written.len()) as u32;
            return Span::new(start, start + name.len() as u32);
        }
        at += line.len();
    }
    declared
}

/// `/// 0.1 to 10`, or `/// 0.1 to 10, 1 if absent`, in front of `name: f32`.
fn read_parameter(module: &Module, member: &StructMember, comment: &str) -> Result<Parameter, String> {
    const WANTED: &str = "the line before it has to say what is allowed, as in `/// 0.1 to 10` or \
                          `/// 0.1 to 10, 1 if absent`";
    let is_f32 = matches!(module.types[member.ty].inner,
        TypeInner::Scalar(scalar) if scalar.kind == ScalarKind::Float && scalar.width == 4);
    if !is_f32 {
        return Err("allowed is f32".into());
    }
    let comment = comment.trim_start_matches('/').trim().trim_end_matches('.');
    let (range, absent) = match comment.split_once(',') {
        Some((range, absent)) => (range, Some(absent.trim().strip_suffix("if absent").ok_or(WANTED)?)),
        None => (comment, None),
    };
    let (low, high) = range.split_once(" to ").ok_or(WANTED)?;
    let number = |text: &str| {
        let number: f64 = text.trim().parse().map_err(|_| WANTED.to_owned())?;
        let fits = (number as f32).is_finite();
        if fits { Ok(number) } else { Err(format!("{number} is no f32")) }
    };
    let (low, high) = (number(low)?, number(high)?);
    let absent = absent.map(number).transpose()?;
    if low >= high {
        return Err(format!("{low} to {high} is no range"));
    }
    if let Some(absent) = absent.filter(|absent| !(low..=high).contains(absent)) {
        return Err(format!("{absent} if absent is not within {low} to {high}"));
    }
    Ok(Parameter { name: member.name.clone().unwrap_or_default(), low, high, absent })
}
