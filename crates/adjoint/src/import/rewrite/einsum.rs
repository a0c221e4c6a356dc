//! Einsum with its equation written out.

use super::super::attribute;
use super::super::facts::Facts;
use super::emit::{Emit, int, text};
use crate::error::Fault;
use crate::tract::pb::NodeProto;

/// Einsum: ellipses become letters (aligned at the right, as numpy does) and a missing right side is written (letters
/// that appear once, in alphabetical order, after the ellipsis). Returns whether anything was to be changed.
pub(super) fn explicit(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<bool, Fault> {
    let equation = attribute::text(node, "equation")?.unwrap_or_default();
    let plain: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let refuse = || attribute::refuse(node, "equation", equation, "terms of letters and ..., one per input");
    let (left, right) = match plain.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (plain.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != node.input.len() || !terms.iter().chain(&right).all(|t| is_term(t)) {
        return Err(refuse());
    }
    let mut ranks = Vec::new();
    for (term, input) in terms.iter().zip(&node.input) {
        let Some(shape) = facts.shape(input) else { return Ok(false) };
        let letters = term.chars().filter(|c| *c != '.').count();
        let has_dots = term.contains("...");
        if letters > shape.len() || (!has_dots && letters != shape.len()) {
            return Err(refuse());
        }
        ranks.push(if has_dots { shape.len() - letters } else { 0 });
    }
    let hidden = ranks.iter().max().copied().unwrap_or(0);
    let free: String = ('A'..='Z').chain('a'..='z').filter(|l| !plain.contains(*l)).take(hidden).collect();
    if free.len() < hidden {
        return Err(refuse());
    }
    let spelt: Vec<String> =
        terms.iter().zip(&ranks).map(|(t, rank)| t.replace("...", &free[hidden - rank..])).collect();
    let result = right.map_or_else(|| implicit(&terms, &free), |r| r.replace("...", &free));
    if result.is_empty() {
        sum_of_all(node, &spelt, emit).ok_or_else(refuse)?;
        return Ok(true);
    }
    let spelt = format!("{}->{result}", spelt.join(","));
    if spelt == equation {
        return Ok(false);
    }
    let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
    emit.op_to("Einsum", &inputs, vec![text("equation", &spelt)], &node.output[0]);
    Ok(true)
}

/// A sum over everything: the importer below reads an empty right side as a missing one, so one axis is kept through the
/// sum of products and summed behind it.
fn sum_of_all(node: &NodeProto, terms: &[String], emit: &mut Emit<'_>) -> Option<()> {
    let letter = terms.iter().find_map(|t| t.chars().next())?;
    let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
    let equation = format!("{}->{letter}", terms.join(","));
    let sum = emit.op("Einsum", &inputs, vec![text("equation", &equation)]);
    let first = emit.ints(&[0]);
    emit.op_to("ReduceSum", &[&sum, &first], vec![int("keepdims", 0)], &node.output[0]);
    Some(())
}

/// Letters, with at most one ellipsis among them.
fn is_term(term: &str) -> bool {
    term.replacen("...", "", 1).chars().all(|c| c.is_ascii_alphabetic())
}

/// The right side that the standard gives an equation without one.
fn implicit(terms: &[&str], hidden: &str) -> String {
    let all: String = terms.concat();
    let once = |l: &char| all.matches(*l).count() == 1;
    let letters: String = ('A'..='Z').chain('a'..='z').filter(once).collect();
    format!("{hidden}{letters}")
}
