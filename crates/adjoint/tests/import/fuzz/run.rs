//! Running cases, in this process (the child's part) or in children (shrinking).

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adjoint::guard::{ChildLimits, trial};
use adjoint::import::{Dtype, Import, Limits};
use prost::Message;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto};

use super::mutate::{Rng, case};

/// Names the child's part: the first seed, how many, and how many mutations of each to keep.
pub const PART: &str = "PHOTIC_TEST_FUZZ_PART";
/// Names the file in which the child notes the seed it is at.
pub const PROGRESS: &str = "PHOTIC_TEST_FUZZ_PROGRESS";

/// CPU seconds after which a case counts as hung.
const HUNG_S: f64 = 10.0;

/// What else is done with every file that loads: a place to build its gradient and run a step.
pub const AFTER: Option<fn(&[u8], &Limits)> = None;

/// What mutation starts from and takes its pieces from.
pub struct Corpus {
    pub files: Vec<Vec<u8>>,
    pub models: Vec<ModelProto>,
    pub operators: Vec<String>,
    pub attributes: Vec<AttributeProto>,
    pub nodes: Vec<NodeProto>,
}

impl Corpus {
    pub fn read(paths: &[PathBuf]) -> Corpus {
        let files: Vec<Vec<u8>> = paths.iter().filter_map(|p| std::fs::read(p).ok()).collect();
        let models: Vec<ModelProto> =
            files.iter().map(|bytes| ModelProto::decode(bytes.as_slice()).unwrap_or_default()).collect();
        let nodes: Vec<NodeProto> =
            models.iter().filter_map(|m| m.graph.as_ref()).flat_map(|g| g.node.clone()).collect();
        let mut operators: Vec<String> = tract_onnx::onnx().op_register.0.keys().cloned().collect();
        operators.extend(["Loop", "Upsample", "LpPool", "AffineGrid", "ReverseSequence"].map(str::to_owned));
        operators.sort();
        let attributes = nodes.iter().flat_map(|n| n.attribute.clone()).collect();
        Corpus { files, models, operators, attributes, nodes }
    }
}

/// How a case went.
#[derive(Debug)]
pub enum Outcome {
    Answered,
    Refused(String),
    Slow(f64),
}

/// Limits that keep a case small: 96 MB, 2e8 multiply-adds.
fn limits() -> Limits {
    Limits { memory_bytes: 96 << 20, nodes: 3000, multiply_adds: 2e8, steps: 64, ..Limits::default() }
}

/// CPU seconds that this process has used; where the system does not say, none.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime are fields 14 and 15 of proc(5); two of them stand before the bracket. Ticks are 10 ms.
    (ticks(11) + ticks(12)) / 100.0
}

/// Loads a file, lists its tensors, and asks for its outputs and for one inner tensor.
pub fn one(bytes: &[u8]) -> Outcome {
    let start = cpu_seconds();
    let result = answer(bytes);
    let seconds = cpu_seconds() - start;
    if seconds > HUNG_S {
        return Outcome::Slow(seconds);
    }
    result.map_or_else(Outcome::Refused, |()| Outcome::Answered)
}

fn answer(bytes: &[u8]) -> Result<(), String> {
    let import = Import::from_bytes("case.onnx", bytes, None, &limits()).map_err(|e| e.to_string())?;
    let taps = import.taps();
    let outputs: Vec<String> = import.outputs().iter().map(|o| o.name.clone()).collect();
    let whole = import.typed(&[], &outputs).map_err(|e| e.to_string());
    let floats: Vec<&str> =
        taps.iter().filter(|t| t.dtype == Some(Dtype::F32)).map(|t| t.name.as_str()).collect();
    let mut rng = Rng::new(bytes.len() as u64);
    let inner = (!floats.is_empty()).then(|| floats[rng.below(floats.len())].to_owned());
    // Whether the part loads is its own matter; that it is answered at all is what is tested.
    let _ = inner.map(|tap| import.typed(&[], &[tap]));
    if let Some(after) = AFTER {
        after(bytes, &limits());
    }
    whole.map(|_| ())
}

pub fn progress_file(first: u64) -> PathBuf {
    std::env::temp_dir().join(format!("photic-fuzz-{}-{first}", std::process::id()))
}

/// The child's part: cases `first..first + count`, noting each seed before it runs.
pub fn play(corpus: &Corpus, first: u64, count: u64, keep: usize) {
    let path = std::env::var_os(PROGRESS).map_or_else(|| progress_file(first), PathBuf::from);
    let mut progress = File::create(path).unwrap();
    watch();
    let (mut answered, mut refused) = (0u64, 0u64);
    for seed in first..first + count {
        progress.seek(SeekFrom::Start(0)).unwrap();
        write!(progress, "{seed:020}").unwrap();
        BEGUN.store((cpu_seconds() * 100.0) as u64, Ordering::Relaxed);
        match one(&case(corpus, seed, keep)) {
            Outcome::Answered => answered += 1,
            Outcome::Refused(message) => {
                assert!(!message.is_empty());
                refused += 1;
            }
            Outcome::Slow(seconds) => {
                eprintln!("seed {seed} took {seconds:.1} s of CPU time");
                std::process::exit(9);
            }
        }
    }
    println!("answered {answered} refused {refused}");
}

/// CPU time at which the present case began, in ticks of 10 ms.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Ends this process when a case does not end by itself.
fn watch() {
    let watch = || loop {
        std::thread::sleep(Duration::from_millis(500));
        if cpu_seconds() - BEGUN.load(Ordering::Relaxed) as f64 / 100.0 > 2.0 * HUNG_S {
            eprintln!("the case hangs: more than {} s of CPU time", 2.0 * HUNG_S);
            std::process::exit(8);
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(watch).unwrap();
}

/// The fewest leading mutations of a bad seed that are still bad, each tried in a child; saves the file if asked to.
pub fn shrink_in_children(seed: u64, seeds: &[PathBuf]) -> String {
    let is_bad = |keep: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["fuzz::the_part_of_a_child", "--exact", "--nocapture", "--test-threads=1"]);
        let progress = progress_file(seed);
        command.env(PART, format!("{seed} 1 {keep}")).env(PROGRESS, &progress);
        let limits =
            ChildLimits { memory_bytes: super::MEMORY, cpu_s: 60, deadline: Duration::from_secs(120) };
        let bad = trial("one case", command, &limits).is_err();
        let _ = std::fs::remove_file(progress);
        bad
    };
    let keep = (1..=5).find(|keep| is_bad(*keep));
    let text = keep.map_or("not bad when alone".to_owned(), |keep| format!("bad with {keep} mutations"));
    let bytes = case(&Corpus::read(seeds), seed, keep.unwrap_or(usize::MAX));
    match std::env::var_os("PHOTIC_FUZZ_SAVE").map(|dir| Path::new(&dir).join(format!("seed_{seed}.onnx"))) {
        Some(path) if std::fs::write(&path, bytes).is_ok() => format!("{text}, saved as {}", path.display()),
        _ => text,
    }
}
