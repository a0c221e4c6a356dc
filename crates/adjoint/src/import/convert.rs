//! From the checked graph and a question (which inputs, which tensors) to tract's decluttered model.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, operator, shorten};
use super::info::{Dim, TensorInfo};
use super::limits::Limits;
use super::net::{Constant, Net};
use super::prune::{prune, reached_from};
use super::quiet::caught;
use super::rewrite::{self, Intervention, Unfolder};
use crate::error::Fault;
use crate::tract::importer::{InferenceFact, InferenceModel, InferenceModelExt, Register};
use crate::tract::op::Const;
use crate::tract::pb::NodeProto;
use crate::tract::*;

/// Puts an intervention at a tensor that the graph has.
pub(super) fn intervene(net: &mut Net, tap: &str, intervention: &Intervention) -> Result<(), Fault> {
    if has_tensor(net, tap) { rewrite::insert(net, tap, intervention) } else { Err(unknown_tensor(net, tap)) }
}

/// What is fed and what is wanted.
pub(super) struct Question<'a> {
    pub inputs: &'a [(String, Vec<usize>)],
    pub outputs: &'a [String],
}

/// The model that answers `question`: its inputs are those named, in order, then needed ones that were not named.
pub(super) fn typed(net: &Net, question: &Question<'_>, limits: &Limits) -> Result<TypedModel, Fault> {
    check_question(net, question)?;
    let named: BTreeSet<&str> = question.inputs.iter().map(|(name, _)| name.as_str()).collect();
    let mut cut = prune(net, &named, question.outputs);
    for (input, _) in question.inputs {
        let reached = reached_from(&cut, input);
        if !question.outputs.iter().any(|o| reached.contains(o.as_str())) {
            return Err(Fault::Unreached { input: input.clone(), outputs: question.outputs.join(", ") });
        }
    }
    let sources = sources(&cut, question)?;
    rewrite::drop_unread(&mut cut, question.outputs);
    rewrite::check_weights(&cut)?;
    let register = Register::new();
    let mut unfolder = Unfolder::new(&cut, Facts::new(&register, limits, &cut, &sources)?);
    cut.nodes.iter().try_for_each(|node| unfolder.take(node))?;
    for output in question.outputs {
        match unfolder.facts.dtype(output) {
            Some(DatumType::F32) => {}
            Some(other) => {
                return Err(Fault::OutputType { tensor: output.clone(), found: format!("{other:?}") });
            }
            None => return Err(unknown_tensor(net, output)),
        }
    }
    cut.nodes = unfolder.nodes;
    cut.constants.extend(
        unfolder.constants.into_iter().map(|(n, value)| (n, Constant { value: Ok(value), flaw: None })),
    );
    // What unrolling and inlining left unread goes.
    let cut = prune(&cut, &named, question.outputs);
    build(&cut, &sources, question.outputs, &register)
}

fn check_question(net: &Net, question: &Question<'_>) -> Result<(), Fault> {
    if question.outputs.is_empty() {
        return Err(Fault::Request {
            message: "no tensor is asked for; name at least one output".to_owned(),
        });
    }
    let mut seen = BTreeSet::new();
    for (name, _) in question.inputs {
        if !seen.insert(name) {
            return Err(Fault::Request { message: format!("the input {name} is named twice") });
        }
    }
    let mut seen = BTreeSet::new();
    for name in question.outputs {
        if !seen.insert(name) {
            return Err(Fault::Request { message: format!("the tensor {name} is asked for twice") });
        }
        if !has_tensor(net, name) {
            return Err(unknown_tensor(net, name));
        }
    }
    for (name, shape) in question.inputs {
        check_input(net, name, shape)?;
    }
    Ok(())
}

fn has_tensor(net: &Net, name: &str) -> bool {
    !name.is_empty()
        && (net.inputs.iter().any(|i| i.name == name)
            || net.nodes.iter().any(|n| n.output.iter().any(|o| o == name))
            || net.constants.contains_key(name))
}

fn unknown_tensor(net: &Net, name: &str) -> Fault {
    let names = net.nodes.iter().flat_map(|n| n.output.iter().map(String::as_str)).filter(|n| !n.is_empty());
    Fault::UnknownName { role: "tensor", name: name.to_owned(), known: listing(name, names) }
}

/// The names of a list; of a long one those nearest to `wanted`, and how many more there are.
fn listing<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<&str> = names.collect();
    if names.len() > SHOWN {
        names.sort_by_cached_key(|name| edits(wanted, name));
    }
    let more = names.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names[..names.len().min(SHOWN)].join(", "))
}

/// Insertions, deletions and replacements of bytes that lead from one name to another (Levenshtein distance). Names are
/// cut to the first 200 bytes: a file may hold longer ones.
fn edits(a: &str, b: &str) -> usize {
    let cut = |name: &str| name.bytes().take(200).collect::<Vec<u8>>();
    let (a, b) = (cut(a), cut(b));
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            row.push((last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1));
        }
        last = row;
    }
    last[b.len()]
}

/// Checks a named input against what the file declares. Inner tensors may be inputs too; nothing is declared for them.
fn check_input(net: &Net, name: &str, shape: &[usize]) -> Result<(), Fault> {
    let Some(info) = net.inputs.iter().find(|i| i.name == name) else {
        if !has_tensor(net, name) {
            let known = listing(name, net.inputs.iter().map(|i| i.name.as_str()));
            return Err(Fault::UnknownName { role: "input", name: name.to_owned(), known });
        }
        return Ok(());
    };
    if !info.dtype.is_float() {
        let (input, found) = (name.to_owned(), info.dtype.to_string());
        return Err(Fault::InputType { input, found, detail: String::new() });
    }
    let Some(declared) = &info.shape else { return Ok(()) };
    // The first axis is the batch in nearly every file, often fixed to 1 by the export; inference decides whether the
    // graph takes another number.
    let fits = |(axis, (given, dim)): (usize, (&usize, &Dim))| match dim {
        Dim::Known(n) => n == given || (axis == 0 && *given > 0),
        _ => *given > 0,
    };
    if declared.len() != shape.len() || !shape.iter().zip(declared).enumerate().all(fits) {
        return Err(Fault::InputShape {
            input: name.to_owned(),
            given: shape.to_vec(),
            declared: info.shape_text(),
        });
    }
    Ok(())
}

/// Everything that has to be fed, with its shape: the named inputs, then the others that are needed.
fn sources(cut: &Net, question: &Question<'_>) -> Result<Vec<(String, Vec<usize>)>, Fault> {
    let symbols = symbols(cut, question)?;
    let mut sources = question.inputs.to_vec();
    for info in &cut.inputs {
        if question.inputs.iter().any(|(name, _)| *name == info.name) {
            continue;
        }
        if !info.dtype.is_float() {
            return Err(Fault::InputType {
                input: info.name.clone(),
                found: info.dtype.to_string(),
                detail: format!("; {} needs it", question.outputs.join(", ")),
            });
        }
        let number = |dim: &Dim| match dim {
            Dim::Known(n) => Some(*n),
            Dim::Symbol(name) => symbols.get(name).copied(),
            Dim::Unknown => None,
        };
        let shape: Option<Vec<usize>> =
            info.shape.as_ref().and_then(|dims| dims.iter().map(number).collect());
        let symbolic = || Fault::SymbolicShape { input: info.name.clone(), shape: info.shape_text() };
        sources.push((info.name.clone(), shape.ok_or_else(symbolic)?));
    }
    Ok(sources)
}

/// Numbers for the symbols that the given shapes decide; one symbol must not get two.
fn symbols(net: &Net, question: &Question<'_>) -> Result<BTreeMap<String, usize>, Fault> {
    let mut symbols: BTreeMap<String, usize> = BTreeMap::new();
    for (name, given) in question.inputs {
        let info = net.inputs.iter().find(|i| i.name == *name);
        let Some((info, dims)) = info.and_then(|i| Some((i, i.shape.as_ref()?))) else { continue };
        for (dim, &number) in dims.iter().zip(given) {
            let Dim::Symbol(symbol) = dim else { continue };
            if *symbols.entry(symbol.clone()).or_insert(number) != number {
                return Err(Fault::InputShape {
                    input: name.clone(),
                    given: given.clone(),
                    declared: format!("{}, and {symbol} is {} already", info.shape_text(), symbols[symbol]),
                });
            }
        }
    }
    Ok(symbols)
}

/// Hands the graph to tract node by node; constants are shared, not copied.
fn build(
    cut: &Net,
    sources: &[(String, Vec<usize>)],
    outputs: &[String],
    register: &Register,
) -> Result<TypedModel, Fault> {
    let work = || wire(cut, sources, outputs, register)?.into_typed()?.into_decluttered();
    let failed = |message: String| Fault::Importer { node: named_in(&message), message: shorten(&message) };
    match caught(work) {
        Ok(Ok(model)) => check_model(model, sources, outputs),
        Ok(Err(error)) => Err(failed(format!("{error:#}"))),
        Err(panic) => Err(failed(panic)),
    }
}

fn wire(
    cut: &Net,
    sources: &[(String, Vec<usize>)],
    outputs: &[String],
    register: &Register,
) -> TractResult<InferenceModel> {
    let mut model = InferenceModel::default();
    let mut outlets: BTreeMap<&str, OutletId> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (name, shape) in sources {
        let fact = InferenceFact::dt_shape(DatumType::F32, shape.as_slice());
        outlets.insert(name, model.add_source(unique(name, &mut names), fact)?);
    }
    for (name, constant) in &cut.constants {
        let value = constant.value.clone().map_err(|fault| TractError::msg(fault.to_string()))?;
        let fact = InferenceFact::try_from(value.clone())?;
        let id = model.add_node(unique(name, &mut names), Const::new(value)?, tvec!(fact))?;
        outlets.insert(name, OutletId::new(id, 0));
    }
    for node in &cut.nodes {
        let op = operator(register, cut.opset, node)?;
        let made: Vec<&String> = node.output.iter().filter(|o| !o.is_empty()).collect();
        let facts = made.iter().map(|_| InferenceFact::default()).collect();
        let id = model.add_node(unique(&node_name(node), &mut names), op, facts)?;
        for (slot, name) in node.input.iter().filter(|i| !i.is_empty()).enumerate() {
            let outlet =
                outlets.get(name.as_str()).ok_or_else(|| TractError::msg(format!("nothing gives {name}")))?;
            model.add_edge(*outlet, InletId::new(id, slot))?;
        }
        for (slot, name) in made.into_iter().enumerate() {
            model.set_outlet_label(OutletId::new(id, slot), name.clone())?;
            outlets.insert(name, OutletId::new(id, slot));
        }
    }
    let wanted: Option<Vec<OutletId>> = outputs.iter().map(|o| outlets.get(o.as_str()).copied()).collect();
    let wanted = wanted.ok_or_else(|| TractError::msg("a wanted tensor is gone"))?;
    model.select_output_outlets(&wanted)?;
    Ok(model)
}

/// A node's own name, or that of its first output.
fn node_name(node: &NodeProto) -> String {
    let output = node.output.iter().find(|o| !o.is_empty()).cloned();
    if node.name.is_empty() { output.unwrap_or_default() } else { node.name.clone() }
}

/// The name itself, or with a number where a node of that name is there already: ONNX does not forbid it, tract does.
fn unique(name: &str, names: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut count = 1;
    while !names.insert(candidate.clone()) {
        count += 1;
        candidate = format!("{name}#{count}");
    }
    candidate
}

/// The node that a message of tract names, as `#12 "name" Operator`.
fn named_in(message: &str) -> String {
    let quoted = message.split_once(" \"").and_then(|(_, rest)| rest.split_once('"'));
    quoted.map_or_else(|| "an unnamed node".to_owned(), |(name, _)| name.to_owned())
}

/// Last look: inputs and outputs in number, order, type and shape as asked.
fn check_model(
    model: TypedModel,
    sources: &[(String, Vec<usize>)],
    outputs: &[String],
) -> Result<TypedModel, Fault> {
    let broken = |message: String| Fault::Importer { node: "(the whole graph)".to_owned(), message };
    let facts = |outlets: TractResult<&[OutletId]>| -> TractResult<Vec<TypedFact>> {
        outlets?.iter().map(|o| model.outlet_fact(*o).cloned()).collect()
    };
    let (given, made) = match (facts(model.input_outlets()), facts(model.output_outlets())) {
        (Ok(given), Ok(made)) => (given, made),
        (Err(e), _) | (_, Err(e)) => return Err(broken(format!("{e:#}"))),
    };
    if given.len() != sources.len() || made.len() != outputs.len() {
        return Err(broken(format!("{} inputs and {} outputs were left", given.len(), made.len())));
    }
    for (fact, (name, shape)) in given.iter().zip(sources) {
        let is_same = fact.shape.as_concrete().is_some_and(|s| s == shape.as_slice());
        if fact.datum_type != DatumType::F32 || !is_same {
            return Err(broken(format!("the input {name} {shape:?} became {fact:?}")));
        }
    }
    for (fact, name) in made.iter().zip(outputs) {
        if fact.datum_type != DatumType::F32 || fact.shape.as_concrete().is_none() {
            return Err(broken(format!("the tensor {name} became {fact:?}")));
        }
    }
    Ok(model)
}

/// The shapes of the inputs that a listing of all tensors starts from: those given, then those the file fixes.
pub(super) fn known_sources(
    inputs: &[TensorInfo],
    given: &[(String, Vec<usize>)],
) -> Vec<(String, Vec<usize>)> {
    let mut sources = given.to_vec();
    for info in inputs.iter().filter(|i| i.dtype.is_float()) {
        if let (false, Some(shape)) = (given.iter().any(|(n, _)| *n == info.name), info.concrete()) {
            sources.push((info.name.clone(), shape));
        }
    }
    sources
}
