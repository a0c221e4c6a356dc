//! `[[objective]]`: what is wanted, term by term.

use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use synthesis::objective::{
    Centre, Objective, ObjectiveError, Ratio, Response, Source, Statistic, Term, Units, Versus, Weighted,
    drive_and_hold,
};

use super::model::Arms;
use super::{cell, reference};

/// Kinds of term, by their key.
const KINDS: [&str; 13] = [
    "unit",
    "channel",
    "direction",
    "target",
    "hold",
    "drive_and_hold",
    "suppress",
    "contrast",
    "diverse",
    "discriminate",
    "least_confusable",
    "texture",
    "metamer",
];

/// The terms in the order of the file, each with the number of its table.
pub struct Wanted {
    pub terms: Vec<Weighted>,
    /// What the terms are called on the contact sheet, in their order.
    pub names: Vec<String>,
}

/// Reads all terms and checks each alone, then together, against the models' taps.
pub fn objective(root: &Table<'_>, arms: &mut Arms<'_>) -> Result<Wanted, ProtocolError> {
    let keys: Vec<&str> = ["name", "weight", "stimulus"].into_iter().chain(KINDS).collect();
    let tables = root.list("objective", &keys)?;
    let (mut terms, mut names, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for table in &tables {
        let kind = table.one_of(&KINDS)?;
        let name = table.optional("name", Table::text)?.unwrap_or_else(|| kind.to_owned());
        let weight = table.number("weight", Range::from(-1e12).up_to(1e12))?;
        let most = arms.stimulus.count as u64 - 1;
        let stimulus = table.optional("stimulus", |t, key| Ok(t.integer(key, 0..=most)? as usize))?;
        for mut term in read(table, kind, arms)? {
            term.weight *= weight;
            term.stimulus = stimulus;
            check(std::slice::from_ref(&term), arms).map_err(|error| table.itself(error.to_string()))?;
            terms.push(term);
            names.push(name.clone());
            owners.push(table);
        }
    }
    check(&terms, arms).map_err(|error| {
        let place = match &error {
            ObjectiveError::Contradiction { second_term, .. } => *second_term,
            _ => 0,
        };
        owners[place].itself(error.to_string())
    })?;
    Ok(Wanted { terms, names })
}

fn check(terms: &[Weighted], arms: &Arms<'_>) -> Result<(), ObjectiveError> {
    let sites = synthesis::objective::sites(terms);
    let shapes: Vec<Vec<usize>> = sites.iter().map(|site| arms.shape_at(site.arm, &site.tap)).collect();
    Objective::new(terms, &shapes).map(|_| ())
}

const SOURCE: [&str; 4] = ["model", "tap", "pool", "readout"];

/// A table of a term: the keys of its source, and its own.
fn body<'a>(table: &Table<'a>, key: &str, own: &[&str]) -> Result<Table<'a>, ProtocolError> {
    let keys: Vec<&str> = SOURCE.iter().chain(own).copied().collect();
    table.table(key, &keys)
}

fn read(table: &Table<'_>, kind: &str, arms: &mut Arms<'_>) -> Result<Vec<Weighted>, ProtocolError> {
    let positive = Range::above(0.0);
    let term = match kind {
        "unit" => {
            let body = body(table, kind, &["units", "cell"])?;
            let source = source(&body, arms)?;
            let units = match body.has("cell") {
                true => cell::units(&body, "cell", &source, arms)?,
                false => units(&body, "units")?,
            };
            Term::Unit { source, units }
        }
        "channel" => {
            let body = body(table, kind, &["channel", "positions", "channel_axis"])?;
            Term::Channel {
                source: source(&body, arms)?,
                channel: body.integer("channel", 0..=u64::from(u32::MAX))? as usize,
                channels: channel_axis(&body, arms)?,
                centre: body.choice("positions", &[("all", Centre::Whole), ("centre", Centre::Only)])?,
            }
        }
        "direction" => {
            let body = body(table, kind, &["vector", "file", "power", "channel_axis"])?;
            Term::Direction {
                source: source(&body, arms)?,
                vector: reference::numbers(&body, "vector", arms)?,
                channels: channel_axis(&body, arms)?,
                power: body.number("power", Range::from(0.0).up_to(100.0))?,
            }
        }
        "target" => {
            let body = body(table, kind, &["units", "state", "file", "image"])?;
            let source = source(&body, arms)?;
            let units = units(&body, "units")?;
            let state = reference::state(&body, "state", &source, &units, arms)?;
            Term::Target { source, units, state }
        }
        "hold" => {
            let body = body(table, kind, &["units", "except", "baseline", "file", "image", "spread"])?;
            let source = source(&body, arms)?;
            let units = some_units(&body)?;
            let baseline = reference::state(&body, "baseline", &source, &units, arms)?;
            Term::Hold { source, units, baseline, spread: body.number("spread", positive)? }
        }
        "drive_and_hold" => {
            let own = ["unit", "baseline", "file", "image", "spread", "hold_weight"];
            let body = body(table, kind, &own)?;
            let source = source(&body, arms)?;
            let unit: Vec<usize> = whole(&body, "unit")?;
            let others = Units::Except(vec![unit.clone()]);
            let baseline = reference::state(&body, "baseline", &source, &others, arms)?;
            let spread = body.number("spread", positive)?;
            let weight = body.number("hold_weight", positive)?;
            return Ok(drive_and_hold(&source, &unit, baseline, spread, weight).into());
        }
        "suppress" => {
            let body = body(table, kind, &["units"])?;
            Term::Suppress { source: source(&body, arms)?, units: units(&body, "units")? }
        }
        "contrast" => {
            let body = body(table, kind, &["up", "down", "ratio"])?;
            let source = source(&body, arms)?;
            let (up, down) = (body.indices("up")?, body.indices("down")?);
            Term::Contrast { source, up: Units::Only(up), down: Units::Only(down), ratio: ratio(&body)? }
        }
        "diverse" => {
            let body = body(table, kind, &["statistic", "channel_axis"])?;
            let statistics = [("features", Statistic::Features), ("gram", Statistic::Gram)];
            let statistic = body.choice("statistic", &statistics)?;
            Term::Diverse { source: source(&body, arms)?, statistic, channels: channel_axis(&body, arms)? }
        }
        "discriminate" => discriminate(table, kind, arms)?,
        "least_confusable" => {
            let body = body(table, kind, &["classes", "noise_sd", "sharpness"])?;
            Term::LeastConfusable {
                source: source(&body, arms)?,
                classes: whole(&body, "classes")?,
                noise_sd: body.numbers("noise_sd", None, positive)?,
                sharpness: body.number("sharpness", positive)?,
            }
        }
        "texture" => {
            let body = body(table, kind, &["image", "channel_axis"])?;
            let source = source(&body, arms)?;
            let reference = reference::features(&body, "image", &source, arms)?;
            Term::Texture { source, reference, channels: channel_axis(&body, arms)? }
        }
        _ => {
            let body = body(table, kind, &["image", "tolerance"])?;
            let source = source(&body, arms)?;
            let reference = reference::features(&body, "image", &source, arms)?;
            Term::Metamer { source, reference, tolerance: body.number("tolerance", positive.up_to(1.0))? }
        }
    };
    Ok(vec![Weighted::one(term)])
}

/// What a term reads: a tap of a model, or a readout of it.
fn source(body: &Table<'_>, arms: &Arms<'_>) -> Result<Source, ProtocolError> {
    let arm = body.reference("model", "model", arms.names())?;
    let tap = arms.tap(body, "tap", arm)?;
    let source = Source::of(arm, &tap);
    if body.has("readout") {
        if body.has("pool") {
            return Err(body.contradiction("pool", "cannot stand beside readout, which has its own"));
        }
        return arms.through(body, "readout", source);
    }
    let pool = body.optional("pool", |t, key| {
        let cells = t.integers(key, Some(2), 1..=1024)?;
        Ok(arms.pool(arm, &tap, [cells[0] as usize, cells[1] as usize]))
    })?;
    Ok(Source { pool, ..source })
}

/// `units = [[...]]`, or all where the key is absent.
fn units(body: &Table<'_>, key: &str) -> Result<Units, ProtocolError> {
    Ok(body.optional(key, |t, key| t.indices(key))?.map_or(Units::All, Units::Only))
}

/// `units` or `except`.
fn some_units(body: &Table<'_>) -> Result<Units, ProtocolError> {
    match body.one_of(&["units", "except"])? {
        "units" => Ok(Units::Only(body.indices("units")?)),
        key => Ok(Units::Except(body.indices(key)?)),
    }
}

fn whole(body: &Table<'_>, key: &str) -> Result<Vec<usize>, ProtocolError> {
    let numbers = body.integers(key, None, 0..=u64::from(u32::MAX))?;
    Ok(numbers.into_iter().map(|number| number as usize).collect())
}

/// The axis of the tap that counts its channels: as given, or as the model's layout has it.
fn channel_axis(body: &Table<'_>, arms: &Arms<'_>) -> Result<usize, ProtocolError> {
    let given = body.optional("channel_axis", |t, key| Ok(t.integer(key, 1..=8)? as usize))?;
    let arm = body.reference("model", "model", arms.names())?;
    Ok(given.unwrap_or_else(|| arms.channel_axis(arm)))
}

/// `ratio = { difference = {} }` or `ratio = { log = { floor = 0.1 } }`.
fn ratio(body: &Table<'_>) -> Result<Ratio, ProtocolError> {
    let kinds = ["difference", "log"];
    let table = body.table("ratio", &kinds)?;
    Ok(match table.one_of(&kinds)? {
        "difference" => {
            table.table("difference", &[])?;
            Ratio::Difference
        }
        key => Ratio::Log { floor: table.table(key, &["floor"])?.number("floor", Range::from(0.0))? },
    })
}

fn discriminate(table: &Table<'_>, kind: &str, arms: &mut Arms<'_>) -> Result<Term, ProtocolError> {
    let ways = ["signed", "squared", "controversial"];
    let keys: Vec<&str> = ["a", "b", "reference"].into_iter().chain(ways).collect();
    let body = table.table(kind, &keys)?;
    let versus = match body.one_of(&ways)? {
        key @ "signed" => {
            body.table(key, &[])?;
            Versus::Signed
        }
        key @ "squared" => {
            body.table(key, &[])?;
            Versus::Squared
        }
        key => {
            let way = body.table(key, &["first", "second", "sharpness"])?;
            Versus::Controversial {
                first: way.integer("first", 0..=u64::from(u32::MAX))? as usize,
                second: way.integer("second", 0..=u64::from(u32::MAX))? as usize,
                sharpness: way.number("sharpness", Range::above(0.0))?,
            }
        }
    };
    let scenes = reference::scenes(&body, "reference", arms)?;
    let mut side = |key: &str| -> Result<Response, ProtocolError> {
        let side = self::body(&body, key, &["units"])?;
        let source = source(&side, arms)?;
        let units = units(&side, "units")?;
        let (mean, sd) = reference::spread(&side, &source, &units, &scenes, arms)?;
        Ok(Response { source, units, mean, sd })
    };
    Ok(Term::Discriminate { a: side("a")?, b: side("b")?, versus })
}
