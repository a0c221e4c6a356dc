//! `[optimiser]`: what moves the numbers. What decides the result most has no default; finer settings are those of the
//! papers where they are not written. All of them stand in the result.

use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use synthesis::optimiser::{Settings, adam, bayesian, cma, genetic, lbfgs, projected};

const KINDS: [&str; 6] = ["adam", "lbfgs", "projected_gradient", "cma_es", "genetic", "bayesian"];

const POSITIVE: Range = Range::above(0.0).up_to(1e12);
const SHARE: Range = Range::from(0.0).below(1.0);

/// Reads the settings for a search over `dimensions` numbers, of which `bounds` are the natural limits.
pub fn read(
    root: &Table<'_>,
    dimensions: usize,
    bounds: Option<Vec<[f64; 2]>>,
) -> Result<Settings, ProtocolError> {
    let table = root.table("optimiser", &KINDS)?;
    let kind = table.one_of(&KINDS)?;
    let settings = match kind {
        "adam" => Settings::Adam(adam(&table, kind)?),
        "lbfgs" => Settings::Lbfgs(lbfgs(&table, kind)?),
        "projected_gradient" => Settings::ProjectedGradient(projected(&table, kind)?),
        "cma_es" => Settings::CmaEs(cma(&table, kind)?),
        "genetic" => Settings::Genetic(genetic(&table, kind)?),
        _ => Settings::Bayesian(bayesian(&table, kind, bounds)?),
    };
    settings.check(dimensions).map_err(|error| table.contradiction(kind, error.to_string()))?;
    Ok(settings)
}

fn adam(table: &Table<'_>, key: &str) -> Result<adam::Settings, ProtocolError> {
    let body = table.table(key, &["rate", "half_life", "beta1", "beta2", "epsilon", "normalise"])?;
    let mut settings = adam::Settings { rate: body.number("rate", POSITIVE)?, ..Default::default() };
    number(&body, "half_life", Range::from(0.0), &mut settings.half_life)?;
    number(&body, "beta1", SHARE, &mut settings.beta1)?;
    number(&body, "beta2", SHARE, &mut settings.beta2)?;
    number(&body, "epsilon", POSITIVE, &mut settings.epsilon)?;
    flag(&body, "normalise", &mut settings.normalise)?;
    Ok(settings)
}

fn lbfgs(table: &Table<'_>, key: &str) -> Result<lbfgs::Settings, ProtocolError> {
    let keys = ["memory", "first_step", "sufficient", "curvature", "evaluations", "projections", "tolerance"];
    let body = table.table(key, &keys)?;
    let mut settings =
        lbfgs::Settings { memory: body.integer("memory", 1..=1000)? as usize, ..Default::default() };
    number(&body, "first_step", POSITIVE, &mut settings.first_step)?;
    number(&body, "sufficient", SHARE, &mut settings.sufficient)?;
    number(&body, "curvature", SHARE, &mut settings.curvature)?;
    count(&body, "evaluations", &mut settings.evaluations)?;
    count(&body, "projections", &mut settings.projections)?;
    number(&body, "tolerance", Range::from(0.0), &mut settings.tolerance)?;
    Ok(settings)
}

fn projected(table: &Table<'_>, key: &str) -> Result<projected::Settings, ProtocolError> {
    let body = table.table(key, &["rule", "step", "backtracks", "history", "tolerance"])?;
    let rules = [
        ("spectral", projected::Rule::Spectral),
        ("l2", projected::Rule::L2),
        ("linf", projected::Rule::Linf),
    ];
    let (rule, step) = (body.choice("rule", &rules)?, body.number("step", POSITIVE)?);
    let mut settings = projected::Settings { rule, step, ..Default::default() };
    count(&body, "backtracks", &mut settings.backtracks)?;
    count(&body, "history", &mut settings.history)?;
    number(&body, "tolerance", Range::from(0.0), &mut settings.tolerance)?;
    Ok(settings)
}

fn cma(table: &Table<'_>, key: &str) -> Result<cma::Settings, ProtocolError> {
    let body = table.table(key, &["sigma", "population", "full_up_to", "restarts", "tolerance"])?;
    let mut settings = cma::Settings { sigma: body.number("sigma", POSITIVE)?, ..Default::default() };
    settings.population =
        body.optional("population", |t, key| Ok(t.integer(key, 2..=1_000_000)? as usize))?;
    count(&body, "full_up_to", &mut settings.full_up_to)?;
    count(&body, "restarts", &mut settings.restarts)?;
    number(&body, "tolerance", Range::from(0.0), &mut settings.tolerance)?;
    Ok(settings)
}

fn genetic(table: &Table<'_>, key: &str) -> Result<genetic::Settings, ProtocolError> {
    let keys = [
        "population",
        "elite",
        "spread",
        "temperature",
        "heritability",
        "rate",
        "size",
        "half_life",
        "floor",
        "again",
    ];
    let body = table.table(key, &keys)?;
    let mut settings = genetic::Settings {
        population: body.integer("population", 2..=1_000_000)? as usize,
        elite: body.integer("elite", 1..=1_000_000)? as usize,
        spread: body.number("spread", POSITIVE)?,
        ..Default::default()
    };
    for (key, slot) in [
        ("temperature", &mut settings.temperature),
        ("heritability", &mut settings.heritability),
        ("rate", &mut settings.rate),
        ("size", &mut settings.size),
        ("half_life", &mut settings.half_life),
        ("floor", &mut settings.floor),
    ] {
        number(&body, key, Range::from(0.0), slot)?;
    }
    flag(&body, "again", &mut settings.again)?;
    Ok(settings)
}

/// The box is the parametrisation's own: pixels, Gabors, latents and perturbations within linf have one.
fn bayesian(
    table: &Table<'_>,
    key: &str,
    bounds: Option<Vec<[f64; 2]>>,
) -> Result<bayesian::Settings, ProtocolError> {
    let body = table.table(key, &["initial", "noise_variance", "candidates", "climbs"])?;
    let bounds = bounds.ok_or_else(|| {
        let text = "needs a parametrisation whose numbers have bounds: gabors, latent, pixels, or perturbation with linf";
        table.contradiction(key, text)
    })?;
    let (lower, upper) = bounds.iter().map(|[low, high]| (*low, *high)).unzip();
    let mut settings = bayesian::Settings {
        initial: body.optional("initial", |t, key| Ok(t.integer(key, 2..=100_000)? as usize))?,
        noise_variance: body.optional("noise_variance", |t, key| t.number(key, Range::from(0.0)))?,
        ..bayesian::Settings::within(lower, upper)
    };
    count(&body, "candidates", &mut settings.candidates)?;
    count(&body, "climbs", &mut settings.climbs)?;
    Ok(settings)
}

fn number(body: &Table<'_>, key: &str, range: Range, slot: &mut f64) -> Result<(), ProtocolError> {
    if body.has(key) {
        *slot = body.number(key, range)?;
    }
    Ok(())
}

fn count(body: &Table<'_>, key: &str, slot: &mut usize) -> Result<(), ProtocolError> {
    if body.has(key) {
        *slot = body.integer(key, 0..=1_000_000)? as usize;
    }
    Ok(())
}

fn flag(body: &Table<'_>, key: &str, slot: &mut bool) -> Result<(), ProtocolError> {
    if body.has(key) {
        *slot = body.boolean(key)?;
    }
    Ok(())
}
