//! State-dependent onset in a protocol: what the shipped file says, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use protocol::{BlockKind, Protocol, Then};

const SHIPPED: &str = include_str!("../../../protocols/phase-onset.toml");

#[test]
fn the_shipped_file_waits_for_peak_and_trough() {
    let protocol = Protocol::parse(SHIPPED, "phase-onset.toml").unwrap();
    let state = protocol.onset.as_ref().unwrap();
    assert_eq!((state.stream, state.channels.len()), (0, 6));
    assert!(state.reference_channels.is_empty() && state.eyes.is_none());
    let wanted: Vec<_> = protocol
        .blocks
        .iter()
        .filter_map(|block| match block.kind {
            BlockKind::Flash(flash) => {
                Some(flash.onset.and_then(|rule| rule.phase).map(|phase| phase.phase_deg))
            }
            _ => None,
        })
        .collect();
    assert_eq!(wanted, [Some(0.0), Some(180.0), None]);
    let BlockKind::Flash(flash) = protocol.blocks[1].kind else { panic!() };
    assert_eq!(flash.onset.unwrap().then, Then::Skip);
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let eyes = "power_window_s = 0.5\neyes = { stream = \"eeg\", channels = [\"PO7\"], window_s = 0.3, range_max = 60.0 }";
    let with_eyes = SHIPPED
        .replace("power_window_s = 0.5", eyes)
        .replace("tolerance_deg = 30.0,", "tolerance_deg = 30.0, quiet_eyes = true,");
    assert!(Protocol::parse(&with_eyes, "x").is_ok());
    for (from, to, says) in [
        ("lead_s = 0.066", "lead_s = 0.0", "above 0"),
        ("lead_s = 0.066", "lead_s = 0.9", "at least lead_s = 0.9 s"),
        ("band_hz = [8.0, 13.0]", "band_hz = [8.0, 8.5]", "at least 1 Hz"),
        ("band_hz = [8.0, 13.0]", "band_hz = [30.0, 80.0]", "62.5 Hz"),
        ("\"POz\", \"PO4\", \"O1\", \"Oz\", \"O2\"]\nband", "\"Cz\"]\nband", "channels of the stream: PO7"),
        ("mains_hz = 50.0", "mains_hz = 16.7", "40"),
        ("baseline_s = 40.0", "baseline_s = 60.0", "61 s of rest"),
        ("baseline_s = 40.0", "base_s = 40.0", "baseline_s"),
        ("mains_hz = 50.0", "mains_hz = 50.0\nreference_channels = [\"Oz\"]", "not in `channels`"),
        ("tolerance_deg = 30.0, ", "", "tolerance_deg"),
        ("phase_deg = 0.0, ", "", "only with phase_deg"),
        ("resultant_min = 0.75", "resultant_min = 1.0", "below 1"),
        ("phase_deg = 0.0, tolerance_deg = 30.0, resultant_min = 0.75, ", "", "waits for nothing"),
        ("phase_deg = 0.0,", "phase_deg = 0.0, power_min = 2.0, power_max = 1.0,", "above power_min = 2"),
        ("phase_deg = 0.0,", "phase_deg = 0.0, quiet_eyes = true,", "needs `eyes`"),
        ("timeout_s = 15.0, ", "", "timeout_s"),
        ("then = \"skip\"", "then = \"wait\"", "\"go\", \"skip\""),
        ("ramp_s = 0.0", "ramp_s = 0.2", "at most on_s = 0.1 s"),
        ("gap_s = 0.8, count = 80, onset", "gap_s = 0.05, count = 80, onset", "at least lead_s"),
        ("count = 80, onset", "count = 0, onset", "1"),
    ] {
        let text = SHIPPED.replacen(from, to, 1);
        assert_ne!(text, SHIPPED, "{from} is not in the file");
        let error = Protocol::parse(&text, "x.toml").unwrap_err();
        assert!(error.to_string().contains(says), "{to}: {error}");
        assert!(error.line().is_some(), "{error}");
    }
    // Without the table, nothing can be waited for.
    let begin = SHIPPED.find("[onset]").unwrap();
    let end = SHIPPED.find("# Without a simulated participant").unwrap();
    let text = [&SHIPPED[..begin], &SHIPPED[end..]].concat();
    let error = Protocol::parse(&text, "x.toml").unwrap_err().to_string();
    assert!(error.contains("[onset]"), "{error}");
}
