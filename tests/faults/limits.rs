//! A controller that runs away, a key that is let go, and limits that no session could keep.

use timeline::NoticeKind;

use super::*;

/// Holds that alternate between nothing and almost everything, by a controller that may change contrast within a millisecond.
fn runaway(limits: &str) -> String {
    let mut protocol = SHOW[..SHOW.find("[[block]]").unwrap()].to_owned();
    protocol += r#"
[decoder.ssvep_amplitude]
stream = "eeg"
stimulus = "target"
report_channel = "Oz"
window_s = 1.0
update_s = 0.1
highpass_hz = 1.0
[controller.open_loop_nominal]
nominal_gain_uv = 3.5
semisaturation = 0.3
exponent = 2.0
contrast_min = 0.0
contrast_max = 1.0
slew_per_s = 1000.0
"#;
    protocol += limits;
    for block in 0..40 {
        let set_point_uv = if block % 2 == 0 { 3.2 } else { 0.0001 };
        protocol += &format!(
            "[[block]]\nname = \"{block}\"\nduration_s = 0.4\nhold = {{ stimulus = \"target\", set_point_uv = {set_point_uv} }}\n"
        );
    }
    protocol
}

fn virtual_run(protocol: &str, more: &[&str]) -> (Ended, Option<RecordedSession>) {
    let out = tempfile::tempdir().unwrap();
    let path = write(out.path(), protocol);
    let sessions = out.path().join("sessions");
    let mut command =
        photic(["run", path.to_str().unwrap(), "--clock", "virtual", "--participant", "nominal"]);
    let ended = Process::start(command.args(more).args(["--json", "--out"]).arg(&sessions)).end(60.0);
    let session = recording_below(&sessions).map(|_| session_below(&sessions));
    if let Some(session) = &session {
        is_readable(session);
    }
    (ended, session)
}

#[test]
fn a_controller_that_runs_away_is_bound_in_rate_and_dose() {
    let limits =
        WIDE.replace("dose_s = 100.0", "dose_s = 3.0").replace("slew_per_s = 2.0", "slew_per_s = 2.5");
    let (ended, session) = virtual_run(&runaway(&limits), &[]);
    ended.expect(0);
    let session = session.unwrap();
    let (mut dose_s, mut fastest_per_s) = (0.0, 0.0);
    for span in session.flips.windows(7) {
        let long_s = |to: usize| s_from_ns(span[to].onset_ns - span[0].onset_ns);
        dose_s += span[0].contrast * long_s(1);
        let change = (span[6].contrast - span[0].contrast).abs();
        fastest_per_s = f64::max(fastest_per_s, change / (long_s(6) + WAIT_S));
    }
    eprintln!(
        "FAULT runaway controller                 dose {dose_s:.4} s of 3 s, {fastest_per_s:.3} per s of 2.5"
    );
    assert!(dose_s <= 3.0 && dose_s > 2.9, "{dose_s}");
    assert!(fastest_per_s <= 2.5 * 1.001, "{fastest_per_s}");
    let spent = noticed(&session, NoticeKind::DoseSpent);
    holds("runaway controller: grey", RAMP_S + 0.1, grey_after_s(&session, spent.at_ns));
    assert_eq!(noticed(&session, NoticeKind::SlewLimited).value, 1000.0);
    // Without limits it is a square wave, so the test above tests something.
    let (ended, free) = virtual_run(&runaway(""), &[]);
    ended.expect(0);
    let steepest =
        free.unwrap().flips.windows(2).map(|pair| pair[1].contrast - pair[0].contrast).fold(0.0, f64::max);
    assert!(steepest > 0.9, "{steepest}");
}

#[test]
fn a_dead_man_key_that_is_let_go_leads_to_grey() {
    let limits = format!("{WIDE}dead_man = {{ key = \"space\", release_s = 0.3 }}\n");
    let protocol = format!("{SHOW}{limits}");
    let (ended, session) = virtual_run(&protocol, &["--held", "1-4,6-7.5", "--seconds", "9"]);
    ended.expect(0);
    let session = session.unwrap();
    let start_ns = session.turns[0].now_ns;
    let at_ns = |s: f64| start_ns + (s * 1e9) as i64;
    let lit = |from_s: f64, to_s: f64| {
        let span = at_ns(from_s)..at_ns(to_s);
        session.flips.iter().any(|flip| span.contains(&flip.onset_ns) && flip.contrast > 0.0)
    };
    assert!(!lit(0.0, 1.0) && lit(1.5, 4.0) && !lit(4.9, 6.0) && lit(6.6, 7.5) && !lit(8.4, 9.0));
    holds("dead-man key", 0.3 + RAMP_S + 0.05, grey_after_s(&session, at_ns(4.0)));
    assert_eq!(counts(&session, NoticeKind::DeadManUp), 2);
    never_jumps(&session);
    // Where nobody can hold a key, the run is refused before it begins.
    let (ended, session) = virtual_run(&protocol, &[]);
    ended.expect(2).says(&["dead_man", "--held"]);
    assert!(session.is_none());
}

#[test]
fn limits_that_no_block_could_keep_are_refused_with_numbers() {
    let wrong: &[(&str, &str, &[&str])] = &[
        (
            "dose_s = 100.0",
            "dose_s = 5.0",
            &["limits.dose_s", "5.0", "at least 36.150 s", "block `show`", "0.600"],
        ),
        ("total_s = 100.0", "total_s = 30.0", &["limits.on_time.total_s", "30", "60.500 s", "`show`"]),
        ("longest_s = 100.0", "longest_s = 0.9", &["limits.on_time.longest_s", "0.9", "1.000 s"]),
        (
            "slew_per_s = 2.0",
            "slew_per_s = 1.5",
            &["limits.slew_per_s", "1.5", "at least 2 per s", "grey_ramp_s = 0.5"],
        ),
        ("session_s = 100.0", "session_s = 60.0", &["limits.session_s", "60", "60.5"]),
        ("dose_s = 100.0\n", "", &["limits.dose_s", "missing"]),
        ("dose_s", "dose_ms", &["limits.dose_ms", "unknown key", "`dose_s`"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (from, to, says) in wrong {
        assert!(WIDE.contains(from), "{from}");
        let path = write(folder.path(), &format!("{SHOW}{}", WIDE.replacen(from, to, 1)));
        for command in ["check", "run"] {
            run([command, path.to_str().unwrap()], 30.0).expect(2).says(says);
        }
    }
    let path = write(folder.path(), &format!("{SHOW}{WIDE}"));
    let seen = run(["check", path.to_str().unwrap()], 30.0).expect(0);
    assert!(seen.stdout.contains("dose: 36.1 s for the nominal person, 100 s allowed"), "{}", seen.stdout);
}
