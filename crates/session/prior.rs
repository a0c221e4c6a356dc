//! What other people's sessions say of the next person's visual field: `photic prior` and `[planner] prior`.
//!
//! The file is TOML: a `[[person]]` per session with mean and standard deviation of each parameter and gain of the population
//! receptive field ([`planner::field`]), so that a methods section can state what was believed beforehand, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use planner::features::Eyes;
use planner::field::{GAIN_NAMES, NAMES, Posterior};
use planner::response::{Presented, field_of};
use protocol::Protocol;
use recording::RecordedSession;
use serde::Deserialize;
use timeline::s_from_ns;

use crate::cli::PriorArgs;
use crate::conditioned::at_mean_state;
use crate::error::SessionError;
use crate::experiment::Experiment;
use crate::inspect::Seen;
use crate::steering;

/// Fewest people that say how people differ.
const FEWEST: usize = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    person: Vec<Person>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    session: String,
    #[serde(rename = "presentations")]
    _presentations: u32,
    parameters: BTreeMap<String, [f64; 2]>,
    gains: BTreeMap<String, [f64; 2]>,
}

/// The people of a protocol's prior; none where it has none. Its path counts from the folder `beside`.
///
/// # Errors
/// A file that cannot be read, or that says something else.
pub fn of(protocol: &Protocol, beside: &Path) -> Result<Vec<Posterior>, SessionError> {
    let Some(name) = protocol.planner.as_ref().and_then(|planner| planner.prior.as_ref()) else {
        return Ok(Vec::new());
    };
    let path = beside.join(name);
    let refuse = |reason: String| SessionError::Usage(format!("prior {}: {reason}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
    read(&text).map_err(refuse)
}

fn read(text: &str) -> Result<Vec<Posterior>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.person.len() < FEWEST {
        return Err(format!("{} people, allowed is {FEWEST} or more", file.person.len()));
    }
    let one = |person: &Person| {
        Ok(Posterior {
            parameters: guesses(&person.session, "parameters", &person.parameters, &NAMES)?,
            gains: guesses(&person.session, "gains", &person.gains, &GAIN_NAMES)?,
        })
    };
    file.person.iter().map(one).collect()
}

fn guesses<const N: usize>(
    session: &str,
    table: &str,
    found: &BTreeMap<String, [f64; 2]>,
    names: &[&str; N],
) -> Result<[[f64; 2]; N], String> {
    let at = |name: &str| format!("person of session {session}, {table}.{name}");
    if let Some(other) = found.keys().find(|key| !names.contains(&key.as_str())) {
        return Err(format!("{}: unknown; there are {}", at(other), names.join(", ")));
    }
    let mut guesses = [[0.0; 2]; N];
    for (guess, name) in guesses.iter_mut().zip(names) {
        *guess = *found.get(*name).ok_or_else(|| format!("{} is missing", at(name)))?;
        if !(guess[0].is_finite() && guess[1].is_finite() && guess[1] >= 0.0) {
            let [mean, sd] = *guess;
            return Err(format!(
                "{} is [{mean}, {sd}], allowed are a finite mean and an SD of 0 or more",
                at(name)
            ));
        }
    }
    Ok(guesses)
}

/// Fits a field to each session's presentations and writes the file.
///
/// # Errors
/// A session that cannot be read or shows no pictures; a file that cannot be written.
pub fn prior(args: &PriorArgs) -> Result<Seen, SessionError> {
    if args.sessions.len() < FEWEST {
        let count = args.sessions.len();
        return Err(SessionError::Usage(format!(
            "{count} sessions, allowed is {FEWEST} or more: one per person"
        )));
    }
    let mut text = String::from(
        "# Made by `photic prior` from recorded sessions: what is known of each person's population receptive field, [mean, SD].\n",
    );
    for path in &args.sessions {
        let session = RecordedSession::open(path)?;
        let (presentations, field) = fit(&session)?;
        let _ = writeln!(text, "\n[[person]]\nsession = \"{}\"", session.folder.stem());
        let _ = writeln!(text, "presentations = {presentations}");
        let table = |names: &[&str], guesses: &[[f64; 2]]| {
            let one = |(name, [mean, sd]): (&&str, &[f64; 2])| format!("{name} = [{mean:.4}, {sd:.4}]");
            names.iter().zip(guesses).map(one).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(text, "parameters = {{ {} }}", table(&NAMES, &field.parameters));
        let _ = writeln!(text, "gains = {{ {} }}", table(&GAIN_NAMES, &field.gains));
    }
    std::fs::write(&args.out, &text)
        .map_err(|error| SessionError::Usage(format!("{}: {error}", args.out.display())))?;
    let count = args.sessions.len();
    let lines = format!("{count} people written to {}", args.out.display());
    Ok(Seen { text: lines, json: serde_json::json!({ "people": count, "file": args.out }), fine: true })
}

fn fit(session: &RecordedSession) -> Result<(usize, Posterior), SessionError> {
    let (protocol, rig) = (session.folder.protocol_path(), session.folder.rig_path());
    let experiment = Experiment::load(&protocol, Some(&rig))?;
    let lowered = experiment.lower(session.meta.seed)?;
    let id = session.folder.stem();
    let refuse = |reason: &str| SessionError::Usage(format!("session {id}: {reason}"));
    let canvas =
        steering::canvas(&experiment.protocol, &lowered).ok_or_else(|| refuse("it shows no pictures"))?;
    let begun_ns = session.presentations.first().map_or(0, |first| first.begin_ns);
    let learnt = experiment.protocol.planner.as_ref().map(|planner| at_mean_state(session, planner));
    let one = |shown: &timeline::Presentation| {
        let decision = session.decisions.iter().find(|decision| Some(decision.index) == shown.decision)?;
        let known = learnt.as_ref().and_then(|learnt| learnt.get(&shown.index)).copied();
        let [value, spread] = known.unwrap_or([decision.value, decision.spread]);
        Some(Presented {
            pattern: session.pictures.get(shown.picture as usize)?.clone(),
            value,
            spread,
            at_s: s_from_ns(shown.begin_ns - begun_ns),
        })
    };
    let presentations: Vec<Presented> = session.presentations.iter().filter_map(one).collect();
    if presentations.len() < 20 {
        let count = presentations.len();
        return Err(refuse(&format!("{count} presentations were measured, allowed are 20 or more")));
    }
    let mut eyes = Eyes::v1(&canvas, true)?;
    let field = field_of(&mut eyes, &canvas, &presentations, session.meta.seed)?;
    field.map(|field| (presentations.len(), field)).ok_or_else(|| refuse("the model has no tuned cells"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let person = |sd: &str, more: &str| {
            let all = |names: &[&str]| {
                names.iter().map(|n| format!("{n} = [0.1, {sd}]")).collect::<Vec<_>>().join(", ")
            };
            format!(
                "[[person]]\nsession = \"a\"\npresentations = 60\nparameters = {{ {}{more} }}\ngains = {{ {} }}\n",
                all(&NAMES),
                all(&GAIN_NAMES)
            )
        };
        let three = |sd: &str, more: &str| person(sd, more).repeat(3);
        assert_eq!(read(&three("0.2", "")).unwrap().len(), 3);
        for (text, wanted) in [
            (person("0.2", ""), "1 people, allowed is 3 or more"),
            (three("-1.0", ""), "person of session a, parameters.x_deg is [0.1, -1], allowed are"),
            (three("nan", ""), "is [0.1, NaN]"),
            (three("0.2", ", width = [0.0, 1.0]"), "parameters.width: unknown; there are x_deg"),
            (three("0.2", "").replace("pair = [0.1, 0.2]", "pear = [0.1, 0.2]"), "parameters.pear: unknown"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
