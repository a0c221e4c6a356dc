//! The thermostat against open loops and against an ideal controller: sixty committed people on the virtual clock.
//!
//! Guards against: a decoder or controller change that makes the closed loop worse than leaving it open. The goals on
//! the latent error: at most 0.4 of the open loop at nominal gain, below the open loop calibrated once (with the 95 %
//! interval, under drift), at most 1.5 of the ideal controller.
//!
//! `cargo bench --bench thermostat -- [--full] [--held-out] [--spec FILE]`. Arms, seeds, protocols and lengths are those
//! of specs/thermostat-study.toml, and sessions and statistics those of `photic study`. Without `--full`, one session per
//! person and arm, and the long variant (drift) in the two arms that its goal compares; with it, two sessions as shipped,
//! and all arms. Gains were tuned on the tuning seeds; `--held-out` runs the others, which were written down before.
#![allow(clippy::print_stdout)] // a bench prints its table

use std::error::Error;
use std::path::PathBuf;

use photic::cores::over_cores;
use photic::study::{self, METRICS, Row, Seeds, Spec, groups, losses, metric, per_person, ratio};

type Failure = Box<dyn Error + Send + Sync>;

/// Goals on the latent error of the closed loop over that of another arm.
const GOALS: [(&str, f64); 3] = [("nominal", 0.4), ("calibrated", 1.0), ("ideal", 1.5)];

const COLUMNS: [(&str, &str); 3] =
    [("latent", "latent_error_uv"), ("measured", "measured_error_uv"), ("slow", "slow_error_uv")];

/// What the command line asks for.
struct Options {
    spec: PathBuf,
    seeds: Seeds,
    full: bool,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let begun_ns = timeline::clock::now_ns();
    println!("{}: {} seeds", options.spec.display(), options.seeds);
    let load = || Spec::load(&options.spec);
    compare(&load()?.narrowed(if options.full { 2 } else { 1 }, 0, |_| true), options.seeds)?;
    // One session per person is enough here: it is three times as long.
    let drift = load()?.narrowed(1, 1, |arm| options.full || ["closed", "calibrated"].contains(&&*arm.name));
    compare(&drift, options.seeds)?;
    println!("\n{:.0} s in all", timeline::s_from_ns(timeline::clock::now_ns() - begun_ns));
    Ok(())
}

fn options() -> Result<Options, Failure> {
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("specs/thermostat-study.toml");
    let mut options = Options { spec: shipped, seeds: Seeds::Tuning, full: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {}
            "--held-out" => options.seeds = Seeds::HeldOut,
            "--full" => options.full = true,
            "--spec" => options.spec = args.next().ok_or("--spec wants a file")?.into(),
            other => return Err(format!("{other}: not --full, --held-out or --spec FILE").into()),
        }
    }
    Ok(options)
}

/// Runs all people in all arms and prints the tables.
fn compare(spec: &Spec, seeds: Seeds) -> Result<(), Failure> {
    let jobs = study::jobs(spec, seeds);
    let rows: Vec<Row> = over_cores(0, jobs.len(), |job| Ok(study::run(spec, seeds, &jobs[job])))?;
    if let Some(error) = rows.iter().find_map(|row| row.error.as_ref()) {
        return Err(error.clone().into());
    }
    let groups = groups(spec);
    let (title, length_s) = (&spec.protocols[0], spec.conditions[0].length_s);
    let sessions = spec.seeds(seeds).len();
    println!("\n{title}: {length_s:.0} s, {sessions} sessions per person and arm, errors in uV");
    let names = COLUMNS.map(|(name, _)| format!("{:>27}", format!("{name}: low mid high all")));
    println!("{:22} {}", "", names.join("   "));
    let column = |arm: usize, key: &str| -> Result<Vec<f64>, Failure> {
        let metric = metric(key).ok_or("no such column")?;
        Ok(per_person(spec, &jobs, &rows, arm, metric))
    };
    for (arm, named) in spec.arms.iter().enumerate() {
        let mut parts = Vec::new();
        for (_, key) in COLUMNS {
            let people = column(arm, key)?;
            let mean =
                |chosen: &[usize]| chosen.iter().map(|&p| people[p]).sum::<f64>() / chosen.len() as f64;
            let means: Vec<String> =
                groups.iter().map(|group| format!("{:6.3}", mean(&group.people))).collect();
            parts.push(means.join(" "));
        }
        println!("{:22} {}", named.name, parts.join("   "));
    }
    println!(
        "latent error of {} over that of another arm, 95 % interval over people",
        spec.arms[spec.compared].name
    );
    let latent = metric("latent_error_uv").ok_or("no such column")?;
    let closed = column(spec.compared, METRICS[latent].key)?;
    for (name, goal) in GOALS {
        let Some(arm) = spec.arms.iter().position(|arm| arm.name == name) else { continue };
        print_ratios(spec, name, goal, &closed, &column(arm, METRICS[latent].key)?);
    }
    Ok(())
}

fn print_ratios(spec: &Spec, name: &str, goal: f64, closed: &[f64], other: &[f64]) {
    let groups = groups(spec);
    let (terciles, everybody) = groups.split_at(groups.len() - 1);
    let everybody = &everybody[0].people;
    let [all, low, high] = ratio(closed, other, everybody);
    // Against the calibrated one the whole interval has to lie below; the other goals are on the figure itself.
    let met = if name == "calibrated" { high < goal } else { all <= goal };
    let verdict = if met { "met" } else { "MISSED" };
    let parts: Vec<String> = terciles
        .iter()
        .map(|group| {
            let [ratio, low, high] = ratio(closed, other, &group.people);
            format!("{} {ratio:.2} [{low:.2} {high:.2}]", group.name)
        })
        .collect();
    println!("{name:22} {all:.3} [{low:.3} {high:.3}]  goal {goal}: {verdict:6}  {}", parts.join("  "));
    if let Some((worse, of)) = losses(closed, other, everybody, study::Better::Lower) {
        println!("{:22} the closed loop is worse for {worse} of {of} people", "");
    }
}
