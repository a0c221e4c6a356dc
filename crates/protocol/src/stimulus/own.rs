//! Patterns of one's own, from WGSL files that declare what may be set.

use super::{WIDEST_DEG, direction, pair, rate, size};
use crate::error::{Fault, Problem, ProtocolError};
use crate::reader::{Range, Table, set_hint, with_unit};
use crate::suggest;

/// `wgsl`: what a file gives at each point, in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Wgsl {
    /// The file, from the protocol's folder.
    pub file: String,
    /// The highest spatial frequency that it draws, in cycles per degree: nobody can read that off a program.
    pub finest_cpd: f64,
    /// Through what it is seen.
    pub window: Window,
    /// How far it is turned, anticlockwise.
    pub orientation_deg: f64,
    /// Cycles per second that the file is told of.
    pub drift_hz: f64,
    /// Turns per second, anticlockwise.
    pub rotation_hz: f64,
    /// Values of what the file declares.
    pub parameters: Parameters,
}

/// A window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// `diameter_deg` with `edge_deg`: a disc with a soft edge.
    Disc {
        /// Diameter.
        diameter_deg: f64,
        /// Width of the edge, inside.
        edge_deg: f64,
    },
    /// `sigma_deg`: a Gaussian bell.
    Gauss(f64),
    /// `size_deg = [width, height]` with `edge_deg`: a rectangle with a soft edge.
    Rectangle {
        /// Width and height.
        size_deg: [f64; 2],
        /// Width of the edge, inside.
        edge_deg: f64,
    },
}

/// Values as the protocol gives them; only the file says what they may be, so they know where they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    given: Vec<Given>,
    /// At the table.
    missing: Box<Fault>,
}

#[derive(Debug, Clone, PartialEq)]
struct Given {
    name: String,
    value: f64,
    /// At the name.
    unknown: Box<Fault>,
    /// At the value.
    refused: Box<Fault>,
}

/// A parameter as a file declares it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Declared<'a> {
    /// Its name.
    pub name: &'a str,
    /// The lowest value.
    pub low: f64,
    /// The highest one.
    pub high: f64,
    /// What it is where the protocol does not say.
    pub absent: Option<f64>,
}

impl Wgsl {
    pub(super) const KEYS: &[&str] = &[
        "file",
        "parameters",
        "finest_cpd",
        "diameter_deg",
        "sigma_deg",
        "size_deg",
        "edge_deg",
        "orientation_deg",
        "drift_hz",
        "rotation_hz",
    ];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            file: table.text("file")?,
            finest_cpd: table.number("finest_cpd", Range::above(0.0).up_to(60.0))?,
            window: Window::read(table)?,
            orientation_deg: table.optional("orientation_deg", direction)?.unwrap_or(0.0),
            drift_hz: table.optional("drift_hz", rate)?.unwrap_or(0.0),
            rotation_hz: table.optional("rotation_hz", rate)?.unwrap_or(0.0),
            parameters: Parameters::read(table)?,
        })
    }
}

impl Window {
    fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let edge = |shorter_deg: f64| {
            let edge_deg = table.number("edge_deg", Range::from(0.0).up_to(WIDEST_DEG))?;
            let most_deg = shorter_deg / 2.0;
            if edge_deg > most_deg {
                return Err(table.refuse("edge_deg", format!("at most half of the window, {most_deg} deg")));
            }
            Ok(edge_deg)
        };
        match table.one_of(&["diameter_deg", "sigma_deg", "size_deg"])? {
            key @ "diameter_deg" => {
                let diameter_deg = size(table, key)?;
                Ok(Self::Disc { diameter_deg, edge_deg: edge(diameter_deg)? })
            }
            key @ "size_deg" => {
                let size_deg = pair(table, key, Range::above(0.0).up_to(WIDEST_DEG))?;
                Ok(Self::Rectangle { size_deg, edge_deg: edge(size_deg[0].min(size_deg[1]))? })
            }
            key if table.has("edge_deg") => {
                Err(table.contradiction("edge_deg", format!("cannot stand beside {key}, which has no edge")))
            }
            key => Ok(Self::Gauss(size(table, key)?)),
        }
    }
}

impl Parameters {
    fn read(stimulus: &Table<'_>) -> Result<Self, ProtocolError> {
        if !stimulus.has("parameters") {
            return Ok(Self { given: Vec::new(), missing: boxed(stimulus.itself(""))? });
        }
        let table = stimulus.table_of_any("parameters")?;
        let mut given = Vec::new();
        for (name, _, _) in table.entries() {
            given.push(Given {
                name: name.to_owned(),
                value: table.number(name, Range::from(-1e9).up_to(1e9))?,
                unknown: boxed(table.contradiction(name, ""))?,
                refused: boxed(table.refuse(name, ""))?,
            });
        }
        Ok(Self { given, missing: boxed(table.itself(""))? })
    }

    /// The values in the order of what is declared.
    ///
    /// # Errors
    /// A name that is not declared, a value that is not allowed, one that is missing and may not be: each where it stands
    /// in the protocol. `file` is where it is declared.
    pub fn values(&self, declared: &[Declared<'_>], file: &str) -> Result<Vec<f64>, ProtocolError> {
        for given in &self.given {
            if !declared.iter().any(|declared| declared.name == given.name) {
                let names = || declared.iter().map(|declared| declared.name);
                let hint =
                    suggest::nearest(&given.name, names()).map(|name| format!("did you mean `{name}`?"));
                let problem = match declared {
                    [] => Problem::Contradiction(format!("unknown key; {file} declares no parameters")),
                    _ => Problem::UnknownKey { valid: names().map(str::to_owned).collect() },
                };
                return Err(with(&given.unknown, problem, hint));
            }
        }
        let value = |declared: &Declared<'_>| {
            let range = Range::from(declared.low).up_to(declared.high);
            let wanted = format!("{} ({file})", with_unit(declared.name, range));
            match (self.given.iter().find(|given| given.name == declared.name), declared.absent) {
                (Some(given), _) if (declared.low..=declared.high).contains(&given.value) => Ok(given.value),
                (Some(given), _) => {
                    let Problem::NotAllowed { found, .. } = &given.refused.problem else {
                        return Err(with(&given.refused, Problem::Contradiction(wanted), None));
                    };
                    let problem = Problem::NotAllowed { found: found.clone(), allowed: wanted };
                    Err(with(&given.refused, problem, None))
                }
                (None, Some(absent)) => Ok(absent),
                (None, None) => {
                    let mut fault = self.missing.clone();
                    fault.key = match fault.key.strip_suffix(".parameters") {
                        Some(_) => format!("{}.{}", fault.key, declared.name),
                        None => format!("{}.parameters.{}", fault.key, declared.name),
                    };
                    Err(with(&fault, Problem::Missing { wanted: format!("wanted: {wanted}") }, None))
                }
            }
        };
        declared.iter().map(value).collect()
    }
}

/// The fault of an error that has one.
fn boxed(error: ProtocolError) -> Result<Box<Fault>, ProtocolError> {
    match error {
        ProtocolError::Fault(fault) => Ok(fault),
        other => Err(other),
    }
}

/// The same place with what is wrong there.
fn with(fault: &Fault, problem: Problem, hint: Option<String>) -> ProtocolError {
    let mut error = ProtocolError::Fault(Box::new(Fault { problem, ..fault.clone() }));
    set_hint(&mut error, hint);
    error
}
