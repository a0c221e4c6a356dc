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

#[test]
fn flashes_have_to_fit_into_the_limits() {
    let limits = "[limits]\ndose_s = 100.0\non_time = { longest_s = 30.0, pause_s = 5.0, total_s = 100.0 }\n\
                  slew_per_s = 10.0\nsession_s = 2000.0\n[onset]";
    let limited = SHIPPED.replace("[onset]\nstream", &format!("{limits}\nstream"));
    // Steps are no rate at all.
    let error = Protocol::parse(&limited, "x.toml").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("limits.slew_per_s") && text.contains("`peak`"), "{text}");
    assert!(text.contains("ramp_s is 0 s") && text.contains("needs 0.080 s"), "{text}");
    assert!(error.line().is_some());
    let ramped = limited.replace("ramp_s = 0.0", "ramp_s = 0.08");
    let protocol = Protocol::parse(&ramped, "x.toml").unwrap();
    let worth = protocol.worth(&protocol.blocks[1]);
    // 80 flashes of 0.1 s at 0.8, each with 0.08 s in which it falls.
    assert!(
        (worth.on_s - 80.0 * 0.18).abs() < 1e-9 && (worth.dose_s - 0.8 * 80.0 * 0.14).abs() < 1e-9,
        "{worth:?}"
    );
    let little = ramped.replace("dose_s = 100.0", "dose_s = 8.0");
    let text = Protocol::parse(&little, "x.toml").unwrap_err().to_string();
    assert!(text.contains("limits.dose_s") && text.contains("8.960 s"), "{text}");
}

/// The shipped `drive` with a state that its presentations wait for and its planner conditions on.
fn steered(edit: impl Fn(String) -> String) -> String {
    let state = &SHIPPED
        [SHIPPED.find("[onset]").unwrap()..SHIPPED.find("# Without a simulated participant").unwrap()];
    let rest = "[[block]]\nname = \"rest\"\nduration_s = 42.0\nrest = {}\n";
    let text = include_str!("../../../protocols/drive.toml")
        .replacen("[[block]]", &format!("{state}\n{rest}\n[[block]]"), 1)
        .replace("aim = \"drive\"", "aim = \"drive\"\nstate = \"power\"")
        .replace(
            "answer_within_s = 3.0",
            "answer_within_s = 3.0, onset = { power_max = 0.8, timeout_s = 5.0, then = \"go\" }",
        );
    edit(text)
}

#[test]
fn pictures_wait_for_a_state_like_flashes() {
    let protocol = Protocol::parse(&steered(|text| text), "x.toml").unwrap();
    assert_eq!(protocol.planner.as_ref().unwrap().state, Some(protocol::Condition::Power));
    let BlockKind::Steer(steer) = protocol.blocks[2].kind else { panic!() };
    let rule = steer.onset.unwrap();
    assert_eq!((rule.power_max, rule.timeout_s, rule.then), (Some(0.8), 5.0, Then::Go));
    let cases: [(&dyn Fn(String) -> String, &str); 4] = [
        (&|text| text.replace("duration_s = 42.0", "duration_s = 20.0"), "41 s of rest"),
        (&|text| text.replace("state = \"power\"", "state = \"mood\""), "\"power\", \"phase\""),
        (&|text| text.replace("power_max = 0.8, ", ""), "waits for nothing"),
        (
            &|text| {
                let (from, to) = (text.find("[onset]").unwrap(), text.find("[[block]]").unwrap());
                let text = [&text[..from], &text[to..]].concat();
                let (from, to) = (text.find(", onset = {").unwrap(), text.find("\"go\" }").unwrap() + 6);
                [&text[..from], &text[to..]].concat()
            },
            "[planner] state needs the table [onset]",
        ),
    ];
    for (edit, says) in cases {
        let error = Protocol::parse(&steered(edit), "x.toml").unwrap_err();
        assert!(error.to_string().contains(says) && error.line().is_some(), "{says}: {error}");
    }
}
