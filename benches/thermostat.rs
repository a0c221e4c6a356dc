//! The thermostat against open loops and against an ideal controller: sixty committed people on the virtual clock.
//!
//! Guards against: a decoder or controller change that makes the closed loop worse than leaving it open. The goals on
//! the latent error: at most 0.4 of the open loop at nominal gain, below the open loop calibrated once (with the 95 %
//! interval, under drift), at most 1.5 of the ideal controller.
//!
//! `cargo bench --bench thermostat -- [--full] [--held-out] [--protocol FILE]`. Without `--full`, one session per person
//! and arm, and the long variant (drift) in the two arms that its goal compares; with it, two sessions, and all arms.
//! `--controllers` adds one arm per file of benches/controllers (or of another folder, `--controllers-from DIR`): the
//! controller that the file states, on the protocol's own response, in place of the PI controller.
//! Gains were tuned on `TUNING_SEEDS`; `--held-out` runs `HELD_OUT_SEEDS`, which were written down before. `--protocol`
//! takes another file in place of protocols/thermostat.toml.
//!
//! The arms differ in the controller and in nothing else: same person, same seed, same background and gain course.
//! The ideal controller is told the person's slow gain (with drift, without the fluctuation over seconds) before each
//! turn, and has the person's own contrast response. Nobody can foresee the fluctuation, so its error is not zero; the
//! column `slow` leaves the fluctuation out of the response.
#![allow(clippy::print_stdout)] // a bench prints its table

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use closedloop::{ControllerPlan, ResponsePlan};
use participant::{Person, Tercile, people};
use photic::experiment::{Experiment, response_of};
use photic::run::participant::Chair;
use photic::run::virtual_clock::Watcher;
use photic::run::{simulate, virtual_args};
use photic::summary::{Summary, TrackingError};
use photic::turns::LoopDriver;
use random::Random;
use recording::RecordedSession;

/// Sessions per person on which gains may be tuned.
const TUNING_SEEDS: [u64; 2] = [101, 102];
/// Sessions per person for the one look at the end.
const HELD_OUT_SEEDS: [u64; 2] = [90_001, 90_002];
/// Length of the variant that shows drift, whose time constants are 2 to 7 minutes.
const DRIFT_S: f64 = 600.0;
/// Resamples of people behind each interval, and their seed.
const RESAMPLES: usize = 4000;
const BOOTSTRAP_SEED: u64 = 7;

type Failure = Box<dyn Error + Send + Sync>;

/// Goals on the latent error of the closed loop over that of another arm.
const GOALS: [(Arm, f64); 3] = [(Arm::Nominal, 0.4), (Arm::Calibrated, 1.0), (Arm::Ideal, 1.5)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Closed,
    Nominal,
    Calibrated,
    Ideal,
    /// The controller of a file.
    Other(&'static Other),
}

/// A controller from a file.
#[derive(Debug, PartialEq)]
struct Other {
    name: String,
    plan: ControllerPlan,
}

impl Eq for Other {}

const ARMS: [Arm; 4] = [Arm::Closed, Arm::Nominal, Arm::Calibrated, Arm::Ideal];

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "a closed loop (pi)",
            Self::Nominal => "b open, nominal gain",
            Self::Calibrated => "c open, calibrated",
            Self::Ideal => "d ideal, knows gain",
            Self::Other(other) => &other.name,
        })
    }
}

impl Arm {
    fn controller(self, protocol: ControllerPlan, person: &Person) -> ControllerPlan {
        let response = *response_of(&protocol);
        match self {
            Self::Closed => protocol,
            Self::Other(other) => other.plan,
            Self::Nominal => ControllerPlan::OpenLoopNominal(response),
            Self::Calibrated => ControllerPlan::OpenLoopCalibrated(response),
            Self::Ideal => ControllerPlan::KnownGain(ResponsePlan {
                semisaturation: person.semisaturation,
                exponent: person.exponent,
                ..response
            }),
        }
    }
}

/// Mean absolute errors of one session over all its hold time, in uV.
#[derive(Debug, Clone, Copy)]
struct Errors {
    latent: f64,
    measured: f64,
    slow: f64,
}

/// One session to run.
#[derive(Debug, Clone, Copy)]
struct Job {
    person: usize,
    arm: Arm,
    seed: u64,
}

/// Tells the ideal controller what it may know, and notes the slow gain at each chunk for the judge.
#[derive(Default)]
struct Whisper {
    gains_uv: Vec<f64>,
}

impl Watcher for Whisper {
    fn before_turn(&mut self, driver: &mut LoopDriver, chair: &Chair) {
        let gain_uv = chair.true_gain_uv();
        driver.step_mut().set_known_gain(gain_uv);
        // The gain moves with every chunk, and only then.
        if self.gains_uv.last() != Some(&gain_uv) {
            self.gains_uv.push(gain_uv);
        }
    }
}

/// What the command line asks for.
struct Options {
    protocol: PathBuf,
    seeds: [u64; 2],
    seeds_name: &'static str,
    full: bool,
    /// Where the files of further controllers lie.
    controllers: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let text = std::fs::read_to_string(&options.protocol)
        .map_err(|error| format!("{}: {error}", options.protocol.display()))?;
    let begun_ns = timeline::clock::now_ns();
    println!("{}: seeds {:?} ({})", options.protocol.display(), options.seeds, options.seeds_name);
    let (arms, sessions): (&[Arm], _) =
        if options.full { (&ARMS, 2) } else { (&[Arm::Closed, Arm::Calibrated], 1) };
    let short_s = experiment(&text)?.lower(0)?.schedule.duration_s();
    let others = options.controllers.as_deref().map_or(Ok(Vec::new()), |folder| others(&text, folder))?;
    let all: Vec<Arm> = ARMS.iter().chain(&others).copied().collect();
    study("as shipped", &text, short_s, &all, &options.seeds[..sessions])?;
    let held_s = held_s(&text)?;
    let factor = (DRIFT_S - (short_s - held_s)) / held_s;
    // One session per person is enough here: it is three times as long.
    let long = lengthen(&text, factor)?;
    let arms: Vec<Arm> = arms.iter().chain(&others).copied().collect();
    study("drift: holds lengthened", &long, DRIFT_S, &arms, &options.seeds[..1])?;
    println!("\n{:.0} s in all", timeline::s_from_ns(timeline::clock::now_ns() - begun_ns));
    Ok(())
}

fn options() -> Result<Options, Failure> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/thermostat.toml");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/controllers");
    let mut options = Options {
        protocol: shipped,
        seeds: TUNING_SEEDS,
        seeds_name: "tuning",
        full: false,
        controllers: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {}
            "--held-out" => (options.seeds, options.seeds_name) = (HELD_OUT_SEEDS, "held out"),
            "--full" => options.full = true,
            "--controllers" => options.controllers = Some(folder.clone()),
            "--controllers-from" => {
                options.controllers = Some(args.next().ok_or("--controllers-from wants a folder")?.into());
            }
            "--protocol" => options.protocol = args.next().ok_or("--protocol wants a file")?.into(),
            other => return Err(format!("{other}: not an option; see the head of the file").into()),
        }
    }
    Ok(options)
}

/// The protocol with each file's controller in place of its own.
fn others(text: &str, folder: &Path) -> Result<Vec<Arm>, Failure> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut arms = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let law = std::fs::read_to_string(&file)?;
        let mut other = String::new();
        // The response's keys stay; the head and the gains of the PI controller go.
        for line in text.lines() {
            match line.split('=').next().map(str::trim) {
                Some("[controller.pi]") => other.push_str(&law),
                Some("kp" | "ki_per_s") => {}
                _ => other.push_str(&format!("{line}\n")),
            }
        }
        let plan = experiment(&other)?.lower(0)?.plan.controller.ok_or("no controller")?;
        arms.push(Arm::Other(Box::leak(Box::new(Other { name, plan }))));
    }
    Ok(arms)
}

fn experiment(text: &str) -> Result<Experiment, Failure> {
    const RIG: &str = include_str!("../protocols/simulated-rig.toml");
    Ok(Experiment::parse(text.to_owned(), "thermostat.toml", RIG.to_owned(), "simulated-rig.toml")?)
}

/// Time with a set point.
fn held_s(text: &str) -> Result<f64, Failure> {
    let blocks = experiment(text)?.protocol.blocks;
    let held = blocks.iter().filter(|block| matches!(block.kind, protocol::BlockKind::Hold(_)));
    Ok(held.map(|block| block.duration_s).sum())
}

/// The protocol with all hold blocks `factor` times as long: in the text, so that the session's own copy says so too.
fn lengthen(text: &str, factor: f64) -> Result<String, Failure> {
    let mut parts = text.split("[[block]]");
    let mut longer = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        longer.push_str("[[block]]");
        let holds = part.lines().any(|line| line.starts_with("hold ="));
        for line in part.split_inclusive('\n') {
            match line.strip_prefix("duration_s =").filter(|_| holds) {
                Some(value) => {
                    let seconds: f64 = value.trim().parse().map_err(|error| format!("{line}: {error}"))?;
                    longer.push_str(&format!("duration_s = {:?}\n", seconds * factor));
                }
                None => longer.push_str(line),
            }
        }
    }
    Ok(longer)
}

/// Runs all people in all arms and prints the tables.
fn study(title: &str, text: &str, length_s: f64, arms: &[Arm], seeds: &[u64]) -> Result<(), Failure> {
    let jobs: Vec<Job> = seeds
        .iter()
        .flat_map(|&seed| (0..people().len()).map(move |person| (seed, person)))
        .flat_map(|(seed, person)| arms.iter().map(move |&arm| Job { person, arm, seed }))
        .collect();
    let results = run_all(text, &jobs)?;
    println!("\n{title}: {length_s:.0} s, {} sessions per person and arm, errors in uV", seeds.len());
    println!(
        "{:22} {:>27}   {:>27}   {:>27}",
        "", "latent: low mid high all", "measured: low mid high all", "slow: low mid high all"
    );
    for &arm in arms {
        let of = |error: fn(&Errors) -> f64| per_person(&jobs, &results, arm, error);
        println!(
            "{arm:22} {}   {}   {}",
            by_tercile(&of(|e| e.latent)),
            by_tercile(&of(|e| e.measured)),
            by_tercile(&of(|e| e.slow))
        );
    }
    let latent = |arm| per_person(&jobs, &results, arm, |e| e.latent);
    let closed = latent(Arm::Closed);
    println!("latent error of a over that of another arm, 95 % interval over people");
    for (arm, goal) in GOALS.into_iter().filter(|(arm, _)| arms.contains(arm)) {
        print_ratios(arm, goal, &closed, &latent(arm));
    }
    for &arm in arms.iter().filter(|arm| matches!(arm, Arm::Other(_))) {
        let [ratio, low, high] = ratio(&latent(arm), &closed, &(0..people().len()).collect::<Vec<_>>());
        println!("{arm:22} {ratio:.3} [{low:.3} {high:.3}] of a");
    }
    Ok(())
}

fn print_ratios(arm: Arm, goal: f64, closed: &[f64], other: &[f64]) {
    let everybody: Vec<usize> = (0..people().len()).collect();
    let [ratio, low, high] = ratio(closed, other, &everybody);
    // Against the calibrated one the whole interval has to lie below; the other goals are on the figure itself.
    let met = if arm == Arm::Calibrated { high < goal } else { ratio <= goal };
    let verdict = if met { "met" } else { "MISSED" };
    let parts = TERCILES.map(|tercile| {
        let [ratio, low, high] = self::ratio(closed, other, &members(tercile));
        format!("{tercile} {ratio:.2} [{low:.2} {high:.2}]")
    });
    println!("{arm:22} {ratio:.3} [{low:.3} {high:.3}]  goal {goal}: {verdict:6}  {}", parts.join("  "));
    let worse = closed.iter().zip(other).filter(|(a, b)| a > b).count();
    println!("{:22} a is worse for {worse} of {} people", "", closed.len());
}

const TERCILES: [Tercile; 3] = [Tercile::Low, Tercile::Middle, Tercile::High];

fn members(tercile: Tercile) -> Vec<usize> {
    (0..people().len()).filter(|&person| people()[person].snr_tercile == tercile).collect()
}

fn by_tercile(errors: &[f64]) -> String {
    let mean =
        |chosen: Vec<usize>| chosen.iter().map(|&person| errors[person]).sum::<f64>() / chosen.len() as f64;
    let parts = TERCILES.map(|tercile| format!("{:6.3}", mean(members(tercile))));
    format!("{} {:6.3}", parts.join(" "), mean((0..errors.len()).collect()))
}

/// Mean over the sessions of each person.
fn per_person(jobs: &[Job], results: &[Errors], arm: Arm, error: fn(&Errors) -> f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); people().len()];
    for (job, errors) in jobs.iter().zip(results).filter(|(job, _)| job.arm == arm) {
        // A session without any decision has no measured error.
        if error(errors).is_finite() {
            sums[job.person].0 += error(errors);
            sums[job.person].1 += 1.0;
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n).collect()
}

/// Mean of `a` over mean of `b` among the chosen people, with the 95 % interval of a bootstrap over people (paired: a
/// person keeps both values).
fn ratio(a: &[f64], b: &[f64], chosen: &[usize]) -> [f64; 3] {
    let of = |picks: &mut dyn Iterator<Item = usize>| {
        let (top, bottom) =
            picks.fold((0.0, 0.0), |(top, bottom), person| (top + a[person], bottom + b[person]));
        top / bottom
    };
    let mut random = Random::new(BOOTSTRAP_SEED, chosen.len() as u64);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut picks =
                (0..chosen.len()).map(|_| chosen[(random.uniform() * chosen.len() as f64) as usize]);
            of(&mut picks)
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    let at = |part: f64| resampled[((RESAMPLES - 1) as f64 * part).round() as usize];
    [of(&mut chosen.iter().copied()), at(0.025), at(0.975)]
}

/// All jobs over the cores. Results stand in the order of the jobs.
fn run_all(text: &str, jobs: &[Job]) -> Result<Vec<Errors>, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Errors, Failure>>>> =
        Mutex::new(jobs.iter().map(|_| None).collect());
    let folder = tempfile::tempdir()?;
    let work = |_core: usize| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return };
            let result = session(text, job, &folder.path().join(index.to_string()));
            let failed = result.is_err();
            if let Ok(mut results) = results.lock() {
                results[index] = Some(result);
            }
            if failed {
                next.store(jobs.len(), Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| -> std::io::Result<()> {
        for core in 0..cores {
            std::thread::Builder::new()
                .name(format!("study-{core}"))
                .spawn_scoped(scope, move || work(core))?;
        }
        Ok(())
    })?;
    let results = results.into_inner().map_err(|_| "a thread of the study panicked")?;
    results.into_iter().flatten().collect()
}

/// One session in a folder of its own, which is gone afterwards.
fn session(text: &str, job: &Job, out: &Path) -> Result<Errors, Failure> {
    std::fs::create_dir_all(out)?;
    let person = &people()[job.person];
    let experiment = experiment(text)?;
    let protocol = experiment.protocol.clone();
    let pi = experiment.lower(job.seed)?.plan.controller.ok_or("the protocol has no controller")?;
    let mut whisper = Whisper::default();
    let args = virtual_args(out.to_owned(), &person.name, job.seed, None);
    let mut session = simulate(experiment, args, Some(job.arm.controller(pi, person)), &mut whisper)?;
    std::fs::remove_dir_all(out)?;
    let error = |session: &RecordedSession| -> Result<TrackingError, Failure> {
        Summary::with_protocol(session, Some(&protocol)).tracking_error.ok_or_else(|| "no set point".into())
    };
    let TrackingError { latent, measured, .. } = error(&session)?;
    take_out_the_fluctuation(&mut session, person, &whisper.gains_uv)?;
    let slow = error(&session)?.latent;
    Ok(Errors {
        latent: latent.ok_or("no latent response was recorded")?,
        measured: measured.unwrap_or(f64::NAN),
        slow: slow.ok_or("no latent response was recorded")?,
    })
}

/// Replaces the latent response by the one of the slow gain.
fn take_out_the_fluctuation(
    session: &mut RecordedSession,
    person: &Person,
    gains_uv: &[f64],
) -> Result<(), Failure> {
    // Before the first chunk there was a gain too, but no latent response.
    let latents = session.latents.len();
    let first = gains_uv.len().checked_sub(latents).filter(|&first| first <= 1);
    let first = first.ok_or_else(|| format!("{latents} latent responses, {} gains", gains_uv.len()))?;
    for (latent, gain_uv) in session.latents.iter_mut().zip(&gains_uv[first..]) {
        latent.response_uv = gain_uv * person.contrast_response(latent.contrast_seen);
    }
    Ok(())
}
