//! Codes and spectra as pyntbci and NumPy see them (`tests/judges/codes.py`).
#![allow(clippy::unwrap_used, reason = "a test whose judge cannot be run should end there")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use stimulus::code::{GoldSet, apa, de_bruijn, default_taps, golay_pair, m_sequence, modulated, shifted};
use stimulus::{Code, Flicker, FlickerKind, Spectrum};

fn text(bits: &[bool]) -> String {
    bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect()
}

fn numbers<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(",")
}

/// Runs the judge over these lines; what it says, or `None` (with a printed reason) where there is no Python.
fn judged(lines: &str) -> Option<String> {
    let Some(python) = std::env::var_os("PHOTIC_JUDGE_PYTHON") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PHOTIC_JUDGE_PYTHON is not set");
        eprintln!("skipped: PHOTIC_JUDGE_PYTHON is not set");
        return None;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/judges/codes.py");
    let mut judge = Command::new(python);
    let judge = judge.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = judge.spawn().unwrap();
    // A judge that gives up early says why on stderr, which is worth more than the broken pipe.
    let _ = judge.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    eprint!("{said}");
    Some(said)
}

#[test]
fn pyntbci_finds_every_family_to_be_what_it_is_called() {
    let mut lines = String::new();
    for order in 2..=16 {
        let bits = text(&m_sequence(order, None, None).unwrap());
        writeln!(lines, "m_sequence {order} {} {bits}", numbers(default_taps(order).unwrap())).unwrap();
    }
    // The predicate holds all shifts of all codes in memory at once: some codes only of the large sets.
    for (order, codes) in [(3, 9), (5, 33), (6, 65), (7, 43), (9, 10), (10, 4)] {
        let set = GoldSet::new(order).unwrap();
        let step = set.len() / codes;
        let codes = (0..codes).map(|index| text(&set.code(index * step).unwrap())).collect::<Vec<_>>();
        writeln!(lines, "gold {order} {}", codes.join(" ")).unwrap();
    }
    for order in [3, 5, 6, 7, 9, 10, 11, 13, 14, 15] {
        let set = GoldSet::new(order).unwrap();
        let pair = [set.len() - 2, set.len() - 1].map(|index| text(&set.code(index).unwrap()));
        writeln!(lines, "gold_pair {order} {}", pair.join(" ")).unwrap();
    }
    for order in 1..=16 {
        writeln!(lines, "de_bruijn {order} {}", text(&de_bruijn(order).unwrap())).unwrap();
    }
    for order in 1..=13 {
        let pair = golay_pair(1 << order).unwrap().map(|bits| text(&bits));
        writeln!(lines, "golay {}", pair.join(" ")).unwrap();
    }
    for bits in (8..1_000).filter_map(|length| apa(length).ok()) {
        writeln!(lines, "apa {}", text(&bits)).unwrap();
    }
    for order in 2..=10 {
        let bits = de_bruijn(order).unwrap();
        writeln!(lines, "modulated {} {}", text(&bits), text(&modulated(&bits))).unwrap();
        for by in [0, 1, 3, bits.len() - 1, bits.len() + 2] {
            writeln!(lines, "shifted {by} {} {}", text(&bits), text(&shifted(&bits, by))).unwrap();
        }
    }
    let Some(said) = judged(&lines) else { return };
    for expected in [
        "is_m_sequence: 12",
        "is_gold_code: 6",
        "is_de_bruijn_sequence: 16",
        "Golay pair: 13",
        "pyntbci's APA sequence, put right, is ours: 1",
    ] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
}

#[test]
fn numpy_finds_the_same_spectra() {
    let mut courses: Vec<(String, Vec<f64>)> = Vec::new();
    for (hz, phase_rad, refresh_hz) in
        [(8.0, 0.0, 60.0), (15.8, 4.2, 60.0), (7.5, -1.0, 59.94), (12.34, 0.5, 143.98)]
    {
        let flicker = Flicker::sampled_sine(FlickerKind::OnOff, hz, phase_rad, refresh_hz).unwrap();
        let frames = 0..flicker.cycles_per_frame().1;
        courses.push((format!("{hz}"), frames.map(|frame| flicker.modulation(frame)).collect()));
    }
    for (cycle, on, phase) in [(2, 1, 0), (5, 2, 1), (8, 4, 3), (240, 17, 100)] {
        let flicker = Flicker::square(FlickerKind::Counterphase, cycle, on, phase, 60.0).unwrap();
        courses
            .push((format!("{on}/{cycle}"), (0..7 * cycle).map(|frame| flicker.modulation(frame)).collect()));
    }
    let bits = [
        m_sequence(6, None, None).unwrap(),
        GoldSet::new(7).unwrap().code(40).unwrap(),
        de_bruijn(8).unwrap(),
        golay_pair(64).unwrap()[1].clone(),
        apa(60).unwrap(),
        modulated(&m_sequence(9, None, None).unwrap()),
    ];
    for (index, bits) in bits.into_iter().enumerate() {
        for frames_per_bit in [1, 3] {
            let code = Code::new(bits.clone(), frames_per_bit).unwrap();
            let levels = (0..code.period_frames()).map(|frame| code.level(frame)).collect();
            courses.push((format!("code-{index}"), levels));
        }
    }
    let mut lines = String::new();
    for (name, levels) in &courses {
        let spectrum = Spectrum::of(levels, 60.0).unwrap();
        let amplitudes = numbers(spectrum.lines().iter().map(|line| line.amplitude));
        let phases = numbers(spectrum.lines().iter().map(|line| line.phase_rad));
        writeln!(lines, "spectrum {name} {} {amplitudes} {phases}", numbers(levels)).unwrap();
    }
    let Some(said) = judged(&lines) else { return };
    assert_eq!(said.trim(), format!("spectrum is NumPy's FFT to 1e-12: {}", courses.len()));
}
