//! `photic synth`: from a specification to stimuli, with everything that a reader needs to judge them.

mod folder;
mod outcome;
mod picture;
mod reached;
mod read;
mod sheet;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::OnceLock;

use adjoint::Cancel;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array5, Axis};
use recording::{WallTime, sha256_hex};
use serde_json::json;
use synthesis::search::{Best, Deadline, Ended, Record, Search, Settings, Trajectory};
use timeline::clock::now_ns;

use crate::cli::SynthArgs;
use crate::error::SessionError;
use crate::inspect::Seen;
use outcome::{OptimiserUsed, Outcome, Point, StimulusMade, TermReached};
use read::Task;

/// Reads a specification, searches the stimuli, writes the result's folder.
///
/// # Errors
/// A specification that is wrong, with the place; a model that fails; a folder that cannot be written.
pub fn synth(args: &SynthArgs) -> Result<Seen, SessionError> {
    let (text, _) = protocol::read_text(&args.spec)?;
    let loader = args.loader;
    let mut task = read::task(&text, &args.spec, args.seed, &loader)?;
    if args.check {
        return Ok(checked(&task));
    }
    let started = WallTime::now();
    let name: String = task
        .head
        .name
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .collect();
    let default = || PathBuf::from("synthesis").join(format!("{name}-{}", started.compact()));
    adjoint::keep_freed_memory();
    let folder = folder::create(&args.out.clone().unwrap_or_else(default))?;
    let run = search(&mut task)?;
    let pictures = pictures(&run.best.shown.stimuli, &task)?;
    let each = reached::each(&task.encoders, &task.terms, &run.best.shown)
        .map_err(|error| SessionError::Search(Box::new(error.into())))?;
    let outcome = outcome(&task, &run, each, &folder.display().to_string(), &text, &started);
    folder::write(&folder, &outcome, &run.best.shown.stimuli, &pictures, &text)?;
    let json = serde_json::to_value(&outcome).unwrap_or_else(|error| json!({ "error": error.to_string() }));
    Ok(Seen { text: format!("{outcome}\n"), json, fine: true })
}

/// What `--check` says.
fn checked(task: &Task) -> Seen {
    let parameters = task.synthesis.parametrisation().len();
    let step_ms = task.synthesis.step_cost_ns() as f64 / 1e6;
    let text = format!(
        "{}: {}\nsearches {parameters} numbers ({}) with {}; about {step_ms:.1} ms for each evaluation\n",
        task.head.name,
        task.head.description,
        task.parametrisation,
        task.optimiser.name()
    );
    let json = json!({ "name": task.head.name, "parameters": parameters, "evaluation_ms": step_ms });
    Seen { text, json, fine: true }
}

/// A search that has ended.
struct Run {
    best: Best,
    trajectory: Trajectory,
    ended: Ended,
    elapsed_s: f64,
}

fn search(task: &mut Task) -> Result<Run, SessionError> {
    let begun_ns = now_ns();
    let deadline = task.budget.deadline_ms.map(|ms| Deadline {
        clock: || now_ns().unsigned_abs(),
        at_ns: begun_ns.unsigned_abs().saturating_add((ms * 1e6) as u64),
    });
    let steps = task.budget.steps.map_or(u64::MAX, |steps| steps as u64);
    let settings = Settings {
        seed: task.head.seed,
        start: task.start.clone(),
        steps,
        deadline,
        enough: task.budget.enough,
        ..Settings::default()
    };
    let cancel = task.synthesis.cancel();
    stop_on_signal(&cancel)?;
    let bar = Bar::new(task.budget, begun_ns);
    let wrong = |error: synthesis::search::SearchError| SessionError::Search(Box::new(error));
    let mut search = Search::begin(&mut task.synthesis, task.optimiser.clone(), settings).map_err(wrong)?;
    let ended = search.run(|record| bar.shows(record)).map_err(wrong)?;
    bar.bar.finish_and_clear();
    let (best, trajectory) = search.finish();
    Ok(Run { best, trajectory, ended, elapsed_s: (now_ns() - begun_ns) as f64 / 1e9 })
}

/// Ctrl-C ends the search at the next node of a model; the best so far is kept. A second one ends the program.
fn stop_on_signal(cancel: &Cancel) -> Result<(), SessionError> {
    // One handler serves a process; it raises the flag of its first search.
    static FLAG: OnceLock<Cancel> = OnceLock::new();
    if FLAG.set(cancel.clone()).is_err() {
        return Ok(());
    }
    let raised = std::sync::atomic::AtomicBool::new(false);
    let result = ctrlc::set_handler(move || {
        if raised.swap(true, std::sync::atomic::Ordering::AcqRel) {
            std::process::exit(130);
        }
        cancel_first(&FLAG);
    });
    match result {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(ctrlc::Error::NoSuchSignal(signal)) => Err(SessionError::Usage(format!("no signal {signal:?}"))),
        Err(ctrlc::Error::System(error)) => Err(SessionError::Thread { name: "ctrl-c".into(), error }),
    }
}

fn cancel_first(flag: &OnceLock<Cancel>) {
    if let Some(cancel) = flag.get() {
        cancel.raise();
    }
}

/// The live view: one line on a terminal, or a plain line now and then where stderr is a file.
struct Bar {
    bar: ProgressBar,
    in_time: bool,
    begun_ns: i64,
    told_ns: Cell<i64>,
}

/// Between two plain lines.
const TELL_EVERY_NS: i64 = 2_000_000_000;

impl Bar {
    fn new(budget: read::head::Budget, begun_ns: i64) -> Self {
        let (length, template) = match (budget.steps, budget.deadline_ms) {
            (Some(steps), None) => (steps as u64, "{elapsed_precise} {bar:24} {pos}/{len} steps  {msg}"),
            (_, deadline_ms) => {
                (deadline_ms.unwrap_or(0.0) as u64, "{elapsed_precise} {bar:24} {pos}/{len} ms  {msg}")
            }
        };
        let bar = ProgressBar::new(length);
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { bar, in_time: budget.deadline_ms.is_some(), begun_ns, told_ns: Cell::new(i64::MIN) }
    }

    fn shows(&self, record: &Record) {
        let now_ns = now_ns();
        let elapsed_ms = ((now_ns - self.begun_ns) / 1_000_000).unsigned_abs();
        let message = format!("value {:.5}, best {:.5}", record.value, record.best);
        if self.bar.is_hidden() {
            if now_ns.saturating_sub(self.told_ns.get()) >= TELL_EVERY_NS {
                self.told_ns.set(now_ns);
                crate::voice::tell(format_args!("step {}: {message}", record.step));
            }
            return;
        }
        self.bar.set_position(if self.in_time { elapsed_ms } else { record.step });
        self.bar.set_message(message);
    }
}

fn pictures(stimuli: &Array5<f32>, task: &Task) -> Result<Vec<Vec<u8>>, SessionError> {
    let each =
        stimuli.outer_iter().map(|stimulus| picture::png(stimulus, task.coding, task.stimulus.rate_hz));
    each.collect::<Result<_, _>>().map_err(|error| SessionError::Picture(error.to_string()))
}

fn outcome(
    task: &Task,
    run: &Run,
    each: Vec<Vec<(String, f64)>>,
    folder: &str,
    text: &str,
    started: &WallTime,
) -> Outcome {
    let shown = &run.best.shown;
    let terms = task.terms.iter().zip(&shown.terms);
    let penalties = task.priors.iter().map(|prior| {
        let unweighted = synthesis::prior::Prior { weight: 1.0, ..*prior };
        let value =
            unweighted.value_and_gradient(&shown.stimuli, &mut Array5::zeros(shown.stimuli.raw_dim()));
        TermReached { name: read::shape::penalty_name(&prior.penalty).into(), weight: prior.weight, value }
    });
    let settings = serde_json::to_value(&task.optimiser).unwrap_or_default();
    let last = run.trajectory.records.last();
    Outcome {
        format_version: 1,
        folder: folder.into(),
        name: task.head.name.clone(),
        description: task.head.description.clone(),
        spec_sha256: sha256_hex(text.as_bytes()),
        photic_version: env!("CARGO_PKG_VERSION").into(),
        photic_build: option_env!("PHOTIC_BUILD").unwrap_or("unknown").into(),
        seed: task.head.seed,
        models: task.models.clone(),
        files: task.files.clone(),
        optimiser: OptimiserUsed {
            name: task.optimiser.name().into(),
            class: if task.optimiser.needs_gradient() { "gradient" } else { "gradient-free" },
            settings,
        },
        parametrisation: task.parametrisation.clone(),
        parameters: task.synthesis.parametrisation().len(),
        ended: serde_json::to_value(run.ended)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default(),
        steps: last.map_or(0, |record| record.step),
        evaluations: last.map_or(0, |record| record.evaluations),
        dead_starts: run.trajectory.dead_starts,
        value: shown.value,
        best_at_step: run.best.step,
        terms: terms
            .map(|((name, term), value)| TermReached {
                name: name.clone(),
                weight: term.weight,
                value: *value,
            })
            .collect(),
        penalties: penalties.collect(),
        elapsed_s: run.elapsed_s,
        started_utc: started.iso(),
        png: task.coding.words(),
        npy: "linear light relative to the screen, 0 black to 1 white, float32 [N, T, C, H, W]".into(),
        stimuli: made(&shown.stimuli, each),
        trajectory: run
            .trajectory
            .records
            .iter()
            .map(|record| Point { evaluations: record.evaluations, value: record.value, best: record.best })
            .collect(),
    }
}

fn made(stimuli: &Array5<f32>, terms: Vec<Vec<(String, f64)>>) -> Vec<StimulusMade> {
    let count = stimuli.len_of(Axis(0));
    let each = stimuli.outer_iter().zip(terms).enumerate().map(|(index, (stimulus, terms))| {
        let light = || stimulus.iter().map(|&light| f64::from(light));
        let n = stimulus.len() as f64;
        let mean = light().sum::<f64>() / n;
        let sd = (light().map(|light| (light - mean) * (light - mean)).sum::<f64>() / n).sqrt();
        StimulusMade {
            file: folder::picture_name(index, count),
            mean,
            sd,
            least: light().fold(f64::INFINITY, f64::min),
            greatest: light().fold(f64::NEG_INFINITY, f64::max),
            terms,
        }
    });
    each.collect()
}
