//! WGSL of one's own, as a user has it: checked without an adapter, run, drawn again from the folder, and what is wrong with a file or
//! with its parameters.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use recording::RecordedSession;
use support::{root, run, session_folder, vulkan_is_there};

const FILE: &str = "struct Parameters {
    /// 0.1 to 10
    sf_cpd: f32,
    /// -1 to 1, 0 if absent
    bias: f32,
}

fn value(here: Here, p: Parameters) -> f32 {
    let ring = length(here.deg);
    return cos(TAU * fract(p.sf_cpd * ring + here.cycles)) * exp(-0.2 * ring) + p.bias * sin(0.5 * here.s);
}
";

const STIMULUS: &str = "[stimulus.it.wgsl]
file = \"it.wgsl\"
finest_cpd = 1.0
diameter_deg = 12.0
edge_deg = 1.0
drift_hz = 2.0
";

/// A protocol that shows the stimulus for so long, beside its file.
fn lay(folder: &Path, stimulus: &str, file: Option<&str>, seconds: f64) -> PathBuf {
    let path = folder.join("protocol.toml");
    let text = format!(
        "[protocol]\nname = \"own\"\ndescription = \"a test\"\ngrey_ramp_s = 0.2\nmin_free_mb = 1\n{stimulus}\n\
         [[block]]\nname = \"show\"\nduration_s = {seconds:?}\nshow = {{ stimulus = \"it\", contrast = 0.8 }}\n"
    );
    fs::write(&path, text).unwrap();
    let _ = fs::remove_file(folder.join("it.wgsl"));
    if let Some(file) = file {
        fs::write(folder.join("it.wgsl"), file).unwrap();
    }
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The frame as the adapter or its twin draws it, in linear light.
fn light(protocol: &Path, frame: &str, twin: bool) -> Array3<f32> {
    let out = protocol.with_file_name("frame.npy");
    let mut line = vec!["render", text(protocol), "--trial", "it", "--frame", frame, "--out", text(&out)];
    line.extend(twin.then_some("--twin"));
    run(line, 60.0).expect(0);
    ndarray_npy::read_npy(&out).unwrap()
}

#[test]
fn it_is_rendered_run_and_drawn_again_when_its_file_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let stimulus = format!("{STIMULUS}parameters = {{ sf_cpd = 0.7, bias = 0.25 }}");
    let path = lay(folder.path(), &stimulus, Some(FILE), 1.5);
    let said = run(["check", text(&path)], 60.0).expect(0).stdout;
    assert!(said.contains("stimulus  it: 1 element, 10.0 px per cycle at the finest"), "{said}");
    let twin = light(&path, "31", true);
    assert!(twin.iter().any(|&light| light > 0.8) && twin.iter().any(|&light| light < 0.3));
    let Some(()) = vulkan_is_there() else { return };
    let adapter = light(&path, "31", false);
    let apart = adapter.iter().zip(&twin).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart <= 1e-3, "{apart}");

    let out = folder.path().join("sessions");
    let place = ["--display", "offscreen", "--participant", "none", "--json"];
    let json = run([&["run", text(&path), "--out", text(&out)][..], &place].concat(), 90.0).expect(0).json();
    let session = session_folder(&json);
    fs::remove_file(folder.path().join("it.wgsl")).unwrap();
    let recorded = RecordedSession::open(&session).unwrap();
    assert!(recorded.drawn.len() > 20, "{}", recorded.drawn.len());
    for drawn in recorded.drawn.iter().step_by(recorded.drawn.len() / 4) {
        let frame = drawn.frame.to_string();
        let json = run(["frames", text(&session), "--at", &frame, "--json"], 60.0).expect(0).json();
        assert_eq!(json["same"], true, "{json}");
    }
    // Another file in its place is found out.
    let kept = fs::read_dir(session.join("files")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(&kept).unwrap(), FILE);
    fs::write(&kept, FILE.replace("0.2", "0.3")).unwrap();
    let frame = recorded.drawn[15].frame.to_string();
    let said = run(["frames", text(&session), "--at", &frame], 60.0).expect(1).stdout;
    assert!(said.contains("its codes are NOT those that were shown"), "{said}");
}

/// Runs on the virtual clock too, where frames come from the twin alone; the replay is equal to the bit.
#[test]
fn the_simulated_participant_sees_it_and_the_session_replays() {
    let folder = tempfile::tempdir().unwrap();
    let text_of = fs::read_to_string(root().join("protocols/thermostat.toml")).unwrap();
    let start = text_of.find("[stimulus.").unwrap();
    let length = text_of[start + 1..].find("\n[").unwrap() + 1;
    let flicker = "flicker = { counterphase_hz = 7.5, waveform = \"sine\" }";
    let name = text_of[start + 10..].split('.').next().unwrap();
    let own = STIMULUS.replace("stimulus.it", &format!("stimulus.{name}")).replace("drift_hz = 2.0\n", "");
    let own = format!("{own}parameters = {{ sf_cpd = 0.7 }}\n{flicker}\n");
    let path = folder.path().join("protocol.toml");
    fs::write(&path, format!("{}{own}{}", &text_of[..start], &text_of[start + length..])).unwrap();
    fs::write(folder.path().join("it.wgsl"), FILE).unwrap();
    let out = folder.path().join("sessions");
    let line = ["run", text(&path), "--out", text(&out), "--clock", "virtual", "--seconds", "20", "--json"];
    let json = run(line, 120.0).expect(0).json();
    run(["replay", text(&session_folder(&json))], 120.0).expect(0);
}

#[test]
fn what_is_wrong_with_file_or_parameters_is_said_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let with = |parameters: &str| format!("{STIMULUS}parameters = {{ {parameters} }}");
    let fine = with("sf_cpd = 0.7");
    let in_file = |from: &str, to: &str| Some(FILE.replacen(from, to, 1));
    let file = || Some(FILE.to_owned());
    let cases: Vec<(String, Option<String>, &[&str])> = vec![
        (fine.clone(), None, &["`it`", "it.wgsl", "No such file"]),
        (
            fine.clone(),
            in_file("let ring = length", "let ring = lenth"),
            &["`it`", "it.wgsl:9:16: no definition in scope for identifier: `lenth`"],
        ),
        (
            fine.clone(),
            in_file("fn value(here: Here, p: Parameters)", "fn worth(here: Here, p: Parameters)"),
            &["it.wgsl:1:1: missing: wanted is `fn value("],
        ),
        (
            fine.clone(),
            in_file("fn value", "fn window(x: f32) -> f32 { return x; }\nfn value"),
            &["it.wgsl:8:4: `window` is a name of Photic's shader"],
        ),
        (
            fine.clone(),
            in_file("fn value", "@group(0) @binding(1) var<storage> x: array<f32>;\nfn value"),
            &["it.wgsl:8:", "`x`: a file has no variables or bindings of its own"],
        ),
        (
            fine.clone(),
            in_file("    let ring", "    while true { }\n    let ring"),
            &["it.wgsl:9:5: a loop has to count from one whole constant to another"],
        ),
        (
            fine.clone(),
            in_file("0.1 to 10", "whatever"),
            &["it.wgsl:3:5: parameter `sf_cpd`: the line before it has to say what is allowed"],
        ),
        (
            with("sf_cpd = 11"),
            file(),
            &[
                "protocol.toml:12:25: stimulus.it.wgsl.parameters.sf_cpd: found 11, allowed: a number from 0.1 to 10 cycles per degree of visual angle (it.wgsl)",
            ],
        ),
        (
            with("sf_cpd = 1.0, biass = 0.1"),
            file(),
            &[
                "protocol.toml:12:30: stimulus.it.wgsl.parameters.biass: unknown key; valid here: sf_cpd, bias",
                "did you mean `bias`?",
            ],
        ),
        (
            with("bias = 0.1"),
            file(),
            &["stimulus.it.wgsl.parameters.sf_cpd: missing; wanted: a number from 0.1 to 10"],
        ),
        (
            STIMULUS.to_owned(),
            file(),
            &[
                "protocol.toml:6:",
                "stimulus.it.wgsl.parameters.sf_cpd: missing; wanted: a number from 0.1 to 10",
            ],
        ),
        (
            with("sf_cpd = \"1\""),
            file(),
            &["protocol.toml:12:25: stimulus.it.wgsl.parameters.sf_cpd: found \"1\", allowed: a number"],
        ),
        (
            fine.replace("finest_cpd = 1.0", "finest_cpd = 20.0"),
            file(),
            &["`it`", "finest_cpd = 20 has 0.50 px per cycle", "at most 2.50 cpd"],
        ),
        (fine.replace("finest_cpd = 1.0\n", ""), file(), &["stimulus.it.wgsl.finest_cpd: missing"]),
        (
            fine.replace("diameter_deg = 12.0", "sigma_deg = 2.0"),
            file(),
            &["stimulus.it.wgsl.edge_deg: cannot stand beside sigma_deg, which has no edge"],
        ),
        (
            fine.replace("edge_deg = 1.0", "edge_deg = 7.0"),
            file(),
            &["stimulus.it.wgsl.edge_deg: found 7.0, allowed: at most half of the window, 6 deg"],
        ),
    ];
    for (stimulus, file, said) in cases {
        let path = lay(folder.path(), &stimulus, file.as_deref(), 1.0);
        run(["check", text(&path)], 60.0).expect(2).says(said);
    }
    let path = lay(folder.path(), &fine, None, 1.0);
    fs::write(folder.path().join("it.wgsl"), b"// \xff\n").unwrap();
    run(["check", text(&path)], 60.0).expect(2).says(&["it.wgsl`:1: not UTF-8"]);
    // A run refuses it as the check does, before there is a folder.
    let out = folder.path().join("sessions");
    let line = ["run", text(&path), "--out", text(&out), "--display", "offscreen", "--participant", "none"];
    run(line, 60.0).expect(2).says(&["it.wgsl"]);
    assert!(!out.exists());
}

/// As some editors of other systems write it.
#[test]
fn a_mark_of_the_byte_order_and_other_line_ends_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stimulus = format!("{STIMULUS}parameters = {{ sf_cpd = 0.7, bias = 0.25 }}");
    let plain = light(&lay(folder.path(), &stimulus, Some(FILE), 1.5), "7", true);
    let foreign = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
    assert_eq!(light(&lay(folder.path(), &stimulus, Some(&foreign), 1.5), "7", true), plain);
}
