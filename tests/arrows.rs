//! The crates' arrows are those of ARCHITECTURE.md, and their sources keep to what each must never do.
#![allow(clippy::unwrap_used, reason = "a test that cannot read the workspace should end there")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each crate may use. The root package `photic` may use all.
const TABLE: [(&str, &[&str]); 15] = [
    ("random", &[]),
    ("adjoint", &[]),
    ("encoding", &["adjoint", "random", "stimulus"]),
    ("synthesis", &["adjoint", "encoding", "random", "stimulus"]),
    ("planner", &["adjoint", "encoding", "random", "synthesis", "timeline"]),
    ("timeline", &[]),
    ("protocol", &[]),
    ("lsl", &[]),
    ("stimulus", &["random", "timeline"]),
    ("signal", &["timeline"]),
    ("acquisition", &["timeline", "lsl"]),
    ("recording", &["timeline"]),
    ("closedloop", &["random", "timeline", "signal", "stimulus"]),
    ("participant", &["random", "timeline", "stimulus", "signal"]),
    ("display", &["random", "timeline", "stimulus"]),
];

/// Libraries that belong to one crate alone.
const PRIVATE: [(&str, &str); 10] = [
    ("tract-core", "photic-adjoint"),
    ("tract-onnx", "photic-adjoint"),
    ("tract-onnx-opl", "photic-adjoint"),
    ("wgpu", "photic-display"),
    ("winit", "photic-display"),
    ("libloading", "photic-lsl"),
    ("ringbuf", "photic-timeline"),
    ("triple_buffer", "photic-timeline"),
    ("roxmltree", "photic-recording"),
    ("clap", "photic"),
];

/// Lines that a file should have at most; a longer one must be listed with a reason, and none has 650.
const LONG: usize = 600;
const TOO_LONG: usize = 650;

/// Files above [`LONG`].
const LISTED: [(&str, &str); 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Normal and build dependencies of every package of the workspace, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &Value| {
        let used = package["dependencies"].as_array().unwrap().iter().filter(|used| used["kind"] != "dev");
        used.map(|used| used["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), names(package))).collect()
}

#[test]
fn arrows_point_down_only() {
    let packages = dependencies();
    let table: BTreeMap<String, &[&str]> =
        TABLE.iter().map(|(name, uses)| (format!("photic-{name}"), *uses)).collect();
    let known: BTreeSet<String> = table.keys().cloned().chain(["photic".to_owned()]).collect();
    assert_eq!(
        packages.keys().cloned().collect::<BTreeSet<_>>(),
        known,
        "a crate without its row in the table"
    );
    for (name, uses) in &packages {
        let Some(allowed) = table.get(name) else { continue };
        for used in uses.iter().filter(|used| known.contains(*used)) {
            let plain = used.strip_prefix("photic-").unwrap_or(used);
            assert!(allowed.contains(&plain), "{name} uses {used}, allowed are {allowed:?}");
        }
    }
    for (library, owner) in PRIVATE {
        let users: Vec<&String> =
            packages.iter().filter(|(_, uses)| uses.contains(library)).map(|(name, _)| name).collect();
        assert_eq!(users, [owner], "{library} belongs to {owner}");
    }
    for (name, uses) in &packages {
        for word in ["core", "common", "util", "utils", "helpers", "shared"] {
            assert!(!name.split('-').any(|part| part == word), "{name}: a helper lives with its one caller");
        }
        for never in ["tokio", "async-std", "pyo3"] {
            assert!(!uses.contains(never), "{name} uses {never}");
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The code of a file without comments and without the unit tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    uncommented(text.split("#[cfg(test)]\nmod tests").next().unwrap())
}

fn uncommented(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// What must not stand in the sources of these crates.
fn forbid(crates: &[&str], words: &[&str], why: &str) {
    for name in crates {
        let files = rust_files(&root().join("crates").join(name).join("src"));
        assert!(!files.is_empty(), "{name}");
        for file in files {
            let code = code(&file);
            for word in words {
                assert!(!code.contains(word), "{}: `{word}`: {why}", file.display());
            }
        }
    }
}

#[test]
fn what_is_replayed_reads_no_clock_and_starts_no_thread() {
    let pure = ["closedloop", "signal", "stimulus", "participant"];
    forbid(
        &pure,
        &["Instant::", "SystemTime", "now_ns()", "timeline::clock", " clock::"],
        "time is handed in, or replay is not exact",
    );
    forbid(
        &pure,
        &["thread::", "Mutex", "RwLock", "Atomic"],
        "one thread, or the order of sums would be the machine's",
    );
    forbid(&pure, &["HashMap", "HashSet"], "their order differs between runs");
    forbid(&pure, &["std::fs", "std::io", "std::net", "std::env"], "the step does nothing but compute");
    forbid(&pure, &["println!", "eprintln!"], "the step says what it has to say in its outputs");
}

#[test]
fn transcendental_functions_come_from_libm_where_bits_count() {
    let methods = [
        ".sin()",
        ".cos()",
        ".tan()",
        ".sin_cos()",
        ".exp()",
        ".ln()",
        ".log10()",
        ".powf(",
        ".atan2(",
        ".tanh()",
    ];
    forbid(
        &["closedloop", "signal", "participant", "stimulus"],
        &methods,
        "the system's differs between machines: libm",
    );
}

#[test]
fn each_layer_keeps_to_itself() {
    forbid(&["timeline"], &["std::fs", "wgpu", "Protocol"], "the bottom knows no file, GPU or experiment");
    forbid(
        &["adjoint"],
        &["timeline::", "stimulus", "participant", "retina", "brain"],
        "a gradient is useful to anybody: it knows neither stimuli nor brains",
    );
    forbid(&["lsl"], &["timeline", "Flip", "Decision"], "a binding does not know our types");
    forbid(&["display"], &["Decision", "set_point"], "the display does not decide what to show");
    forbid(
        &["acquisition"],
        &["Decision", "biquad", "Butterworth"],
        "what arrives is neither filtered nor decided on",
    );
    forbid(&["protocol"], &["SceneId", "px_per_deg", "wgpu"], "the protocol speaks human units");
}

#[test]
fn one_file_names_tract() {
    let source = root().join("crates/adjoint/src");
    let adapter = source.join("tract.rs");
    for file in rust_files(&source) {
        // With the unit tests: an upgrade of tract must not break them elsewhere either.
        let code = uncommented(&fs::read_to_string(&file).unwrap());
        let mut words = code.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        let found = words.find(|word| word.starts_with("tract_"));
        assert_eq!(found.is_some(), file == adapter, "{}: {found:?}: only tract.rs names it", file.display());
    }
}

#[test]
fn files_have_one_subject() {
    let mut long = BTreeSet::new();
    for file in rust_files(&root().join("crates")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= TOO_LONG, "{} has {lines} lines: divide it by its subjects", file.display());
        if lines > LONG {
            long.insert(file.strip_prefix(root()).unwrap().display().to_string());
        }
    }
    let listed: BTreeSet<String> = LISTED.iter().map(|(file, _)| (*file).to_owned()).collect();
    for file in &long {
        if !listed.contains(file) {
            eprintln!("warning: {file} has more than {LONG} lines");
        }
    }
    for file in &listed {
        assert!(long.contains(file), "{file} is listed as long and is not");
    }
}
