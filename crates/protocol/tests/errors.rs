//! What a wrong file gets to hear: line, column, key, the value found, what is allowed, and a hint.

use protocol::{Protocol, ProtocolError, Rig};

/// A valid protocol with a closed loop; line numbers in the tables below count from its first line.
const HOLD: &str = r#"[protocol]
name = "hold"
description = "for tests"
grey_ramp_s = 0.5
min_free_mb = 200
[stream.eeg]
type = "EEG"
channels = ["O1", "Oz", "O2"]
rate_hz = 250.0
unit = "uV"
stale_after_s = 0.3
grey_after_s = 1.0
max_lag_s = 0.5
[stimulus.target]
grating = { sf_cpd = 1.0, orientation_deg = 45.0, phase_deg = 0.0, diameter_deg = 10.0, edge_deg = 1.0, flicker = { counterphase_hz = 7.5, waveform = "sine" } }
[decoder]
ssvep_amplitude = { stream = "eeg", stimulus = "target", report_channel = "Oz", window_s = 2.0, update_s = 0.1, highpass_hz = 1.0 }
[controller.pi]
kp = 0.2
ki_per_s = 0.5
nominal_gain_uv = 5.0
semisaturation = 0.25
exponent = 2.0
contrast_min = 0.0
contrast_max = 0.9
slew_per_s = 2.0
[[block]]
name = "calibrate"
duration_s = 24.0
calibrate = { stimulus = "target", contrast = 0.6, on_s = 4.0, off_s = 2.0 }
[[block]]
name = "hold"
duration_s = 30.0
hold = { stimulus = "target", set_point_uv = 2.0 }
"#;

/// A valid protocol that decodes cued epochs.
const LISTEN: &str = r#"[protocol]
name = "listen"
description = "for tests"
grey_ramp_s = 0.5
min_free_mb = 200
[stream.eeg]
type = "EEG"
channels = ["O1", "Oz", "O2"]
rate_hz = 100.0
unit = "any"
stale_after_s = 0.3
grey_after_s = 1.0
max_lag_s = 0.5
[stream.cues]
type = "Markers"
markers = { rest = 0, left = 1, right = 2 }
[decoder.cca]
stream = "eeg"
cues = "cues"
harmonics = 2
window_s = 4.0
delay_s = 1.0
band_hz = [6.0, 45.0]
rest_false_alarm = 0.01
[[decoder.cca.classes]]
label = "rest"
code = 0
[[decoder.cca.classes]]
label = "13 Hz"
code = 1
frequency_hz = 13.0
[[decoder.cca.classes]]
label = "17 Hz"
code = 2
frequency_hz = 17.0
[[block]]
name = "listen"
duration_s = 900.0
listen = { until_cues = 32 }
"#;

const RIG: &str = r#"[screen]
width_px = 320
height_px = 240
width_cm = 32.0
height_cm = 24.0
distance_cm = 57.3
refresh_hz = 60.0
luminance_max_cd_m2 = 120.0
luminance_min_cd_m2 = 0.5
gamma = 2.2
[stream.eeg]
name = "amplifier"
"#;

/// The message without its picture of the source line.
fn first_and_hint(error: &ProtocolError) -> String {
    let fault = error.fault().expect("a fault in the text");
    let text = error.to_string();
    let first = text.lines().next().expect("a message");
    match &fault.hint {
        Some(hint) => format!("{first} // {hint}"),
        None => first.to_owned(),
    }
}

fn check<T>(
    base: &str,
    parse: impl Fn(&str, &str) -> Result<T, ProtocolError>,
    cases: &[(&str, &str, &str)],
) {
    if let Err(error) = parse(base, "f.toml") {
        panic!("the base must be valid: {error}");
    }
    let mut wrong = Vec::new();
    for (find, replace, expected) in cases {
        assert_eq!(base.matches(find).count(), 1, "`{find}` must stand in the base once");
        let found = match parse(&base.replace(find, replace), "f.toml") {
            Ok(_) => "accepted".to_owned(),
            Err(error) => first_and_hint(&error),
        };
        if found != *expected {
            wrong.push(format!("{find} -> {replace}\n  expected {expected}\n     found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
#[rustfmt::skip] // a table: one fault per line
fn keys() {
    check(HOLD, Protocol::parse, &[
        ("grey_ramp_s = 0.5", "grey_ramp_s = 0.5\ncolour = 1", "f.toml:5:1: protocol.colour: unknown key; valid here: name, description, grey_ramp_s, min_free_mb, order"),
        ("duration_s = 24.0", "duraton_s = 24.0", "f.toml:29:1: block[calibrate].duraton_s: unknown key; valid here: name, duration_s, shuffle, calibrate, hold, listen, show, flash, steer, trial, instruction, rating, break, wait, task, rest // did you mean `duration_s`?"),
        ("duration_s = 24.0", "duration_ms = 24_000", "f.toml:29:1: block[calibrate].duration_ms: unknown key; valid here: name, duration_s, shuffle, calibrate, hold, listen, show, flash, steer, trial, instruction, rating, break, wait, task, rest // did you mean `duration_s`? Its unit is s, not ms: write `duration_s = 24`"),
        ("duration_s = 24.0", "duration = 24.0", "f.toml:29:1: block[calibrate].duration: unknown key; valid here: name, duration_s, shuffle, calibrate, hold, listen, show, flash, steer, trial, instruction, rating, break, wait, task, rest // did you mean `duration_s`? A number carries its unit in its key: s"),
        ("sf_cpd = 1.0", "sf_cpp = 0.1", "f.toml:15:13: stimulus.target.grating.sf_cpp: unknown key; valid here: sf_cpd, orientation_deg, phase_deg, diameter_deg, edge_deg, carrier, drift_hz, position_deg, follows, eye, colour, flicker, code, fade, seen_s, own_contrast, grid // did you mean `sf_cpd`? Its unit is cycles per degree of visual angle, not cycles per px"),
        ("diameter_deg = 10.0", "diameter_px = 100", "f.toml:15:68: stimulus.target.grating.diameter_px: unknown key; valid here: sf_cpd, orientation_deg, phase_deg, diameter_deg, edge_deg, carrier, drift_hz, position_deg, follows, eye, colour, flicker, code, fade, seen_s, own_contrast, grid // did you mean `diameter_deg`? Its unit is deg, not px"),
        ("phase_deg = 0.0", "phase_rad = 3.141592653589793", "f.toml:15:51: stimulus.target.grating.phase_rad: unknown key; valid here: sf_cpd, orientation_deg, phase_deg, diameter_deg, edge_deg, carrier, drift_hz, position_deg, follows, eye, colour, flicker, code, fade, seen_s, own_contrast, grid // did you mean `phase_deg`? Its unit is deg, not rad: write `phase_deg = 180`"),
        ("set_point_uv = 2.0", "set_point_mv = 0.002", "f.toml:34:31: block[hold].hold.set_point_mv: unknown key; valid here: stimulus, set_point_uv, set_point_steps, set_point_ramp, set_point_sine, set_point_scored, set_point_adaptive // did you mean `set_point_uv`? Its unit is uV, not mV: write `set_point_uv = 2`"),
        ("contrast = 0.6", "contrast_percent = 60", "f.toml:30:36: block[calibrate].calibrate.contrast_percent: unknown key; valid here: stimulus, contrast, on_s, off_s // did you mean `contrast`? It is a share of 1: write `contrast = 0.6`"),
        ("counterphase_hz = 7.5", "counterphase_khz = 0.0075", "f.toml:15:117: stimulus.target.grating.flicker.counterphase_khz: unknown key; valid here: counterphase_hz, on_off_hz, waveform, phase_deg, repair // did you mean `counterphase_hz`? Its unit is Hz, not kHz: write `counterphase_hz = 7.5`"),
        ("[stream.eeg]", "[streams.eeg]", "f.toml:6:2: streams: unknown key; valid here: protocol, stream, stimulus, response, gaze, decoder, controller, onset, artefacts, safety, limits, planner, outside, arms, block // did you mean `stream`?"),
        ("[controller.pi]", "[controller.pdi]", "f.toml:18:13: controller.pdi: unknown key; valid here: pi, on_off, pid, lqg, mpc, open_loop_nominal, open_loop_calibrated // did you mean `pi`?"),
        ("min_free_mb = 200\n", "", "f.toml:1:2: protocol.min_free_mb: missing; wanted: a whole number from 1 to 1000000000"),
        ("rate_hz = 250.0\n", "", "f.toml:6:9: stream.eeg.rate_hz: missing; wanted: a number above 0, at most 200000 Hz"),
        ("kp = 0.2\n", "", "f.toml:18:13: controller.pi.kp: missing; wanted: a number from 0 to 1000"),
        ("window_s = 2.0, ", "", "f.toml:17:1: decoder.ssvep_amplitude.window_s: missing; wanted: a number above 0, at most 600 s"),
        ("name = \"calibrate\"\n", "", "f.toml:27:1: block[#1].name: missing; wanted: a text in quotes that is not empty"),
        (", set_point_uv = 2.0", "", "f.toml:34:1: block[hold].hold: missing; wanted: one of set_point_uv, set_point_steps, set_point_ramp, set_point_sine, set_point_scored, set_point_adaptive"),
        ("counterphase_hz = 7.5, ", "", "f.toml:15:105: stimulus.target.grating.flicker: missing; wanted: one of counterphase_hz, on_off_hz"),
        ("counterphase_hz = 7.5", "counterphase_hz = 7.5, on_off_hz = 10.0", "f.toml:15:140: stimulus.target.grating.flicker.on_off_hz: cannot stand beside counterphase_hz; only one of counterphase_hz, on_off_hz"),
        ("hold = { stimulus = \"target\", set_point_uv = 2.0 }\n", "", "f.toml:31:1: block[hold]: missing; wanted: one of calibrate, hold, listen, show, flash, steer, trial, instruction, rating, break, wait, task, rest"),
        ("hold = {", "rest = {}\nhold = {", "f.toml:35:1: block[hold].hold: cannot stand beside rest; only one of calibrate, hold, listen, show, flash, steer, trial, instruction, rating, break, wait, task, rest"),
        ("[protocol]\nname = \"hold\"\ndescription = \"for tests\"\ngrey_ramp_s = 0.5\nmin_free_mb = 200\n", "", "f.toml:1:1: protocol: missing; wanted: a table [protocol]"),
        ("type = \"EEG\"\n", "", "f.toml:6:9: stream.eeg.type: missing; wanted: a text in quotes that is not empty"),
        ("max_lag_s = 0.5", "max_lag_s = 0.5\nmarkers = { a = 1 }", "f.toml:14:1: stream.eeg.markers: unknown key; valid here: type, name, channels, rate_hz, unit, stale_after_s, grey_after_s, max_lag_s"),
    ]);
}

#[test]
#[rustfmt::skip] // a table: one fault per line
fn values() {
    check(HOLD, Protocol::parse, &[
        ("grey_ramp_s = 0.5", "grey_ramp_s = \"0.5\"", r#"f.toml:4:15: protocol.grey_ramp_s: found "0.5", allowed: a number above 0, at most 60 s"#),
        ("grey_ramp_s = 0.5", "grey_ramp_s = nan", "f.toml:4:15: protocol.grey_ramp_s: found nan, allowed: a number above 0, at most 60 s"),
        ("grey_ramp_s = 0.5", "grey_ramp_s = inf", "f.toml:4:15: protocol.grey_ramp_s: found inf, allowed: a number above 0, at most 60 s"),
        ("grey_ramp_s = 0.5", "grey_ramp_s = -1", "f.toml:4:15: protocol.grey_ramp_s: found -1, allowed: a number above 0, at most 60 s"),
        ("min_free_mb = 200", "min_free_mb = 0.5", "f.toml:5:15: protocol.min_free_mb: found 0.5, allowed: a whole number from 1 to 1000000000"),
        ("min_free_mb = 200", "min_free_mb = -5", "f.toml:5:15: protocol.min_free_mb: found -5, allowed: a whole number from 1 to 1000000000"),
        ("rate_hz = 250.0", "rate_hz = 1e400", "f.toml:9:11: stream.eeg.rate_hz: found 1e400, allowed: a number above 0, at most 200000 Hz"),
        ("rate_hz = 250.0", "rate_hz = 99999999999999999999", "f.toml:9:11: stream.eeg.rate_hz: found 99999999999999999999, allowed: a number above 0, at most 200000 Hz"),
        ("unit = \"uV\"", "unit = \"uv\"", r#"f.toml:10:8: stream.eeg.unit: found "uv", allowed: one of "uV", "any" // did you mean "uV"?"#),
        ("unit = \"uV\"", "unit = \"mV\"", r#"f.toml:10:8: stream.eeg.unit: found "mV", allowed: one of "uV", "any""#),
        ("waveform = \"sine\"", "waveform = \"triangle\"", r#"f.toml:15:151: stimulus.target.grating.flicker.waveform: found "triangle", allowed: one of "sine", "square""#),
        ("channels = [\"O1\", \"Oz\", \"O2\"]", "channels = [\"O1\", \"Oz\", \"Oz\"]", r#"f.toml:8:25: stream.eeg.channels: found "Oz", allowed: each text once"#),
        ("channels = [\"O1\", \"Oz\", \"O2\"]", "channels = []", "f.toml:8:12: stream.eeg.channels: found [], allowed: a list of texts in quotes, at least one, all different"),
        ("channels = [\"O1\", \"Oz\", \"O2\"]", "channels = 8", "f.toml:8:12: stream.eeg.channels: found 8, allowed: a list of texts in quotes, at least one, all different"),
        ("contrast = 0.6", "contrast = 1.2", "f.toml:30:47: block[calibrate].calibrate.contrast: found 1.2, allowed: a number above 0, at most 1"),
        ("window_s = 2.0", "window_s = 0", "f.toml:17:92: decoder.ssvep_amplitude.window_s: found 0, allowed: a number above 0, at most 600 s"),
        ("orientation_deg = 45.0", "orientation_deg = 180", "f.toml:15:45: stimulus.target.grating.orientation_deg: found 180, allowed: a number from 0, below 180 deg"),
        ("contrast_max = 0.9", "contrast_max = 0.0", "f.toml:25:16: controller.pi.contrast_max: found 0.0, allowed: a number above 0, at most 1"),
        ("name = \"calibrate\"", "name = \" \"", r#"f.toml:28:8: block[#1].name: found " ", allowed: a text in quotes that is not empty"#),
        ("duration_s = 30.0", "duration_s = [30.0]", "f.toml:33:14: block[hold].duration_s: found [30.0], allowed: a number above 0, at most 86400 s"),
        ("hold = { stimulus = \"target\", set_point_uv = 2.0 }", "hold = 2.0", "f.toml:34:8: block[hold].hold: found 2.0, allowed: a table, as in hold = { ... }"),
        ("type = \"EEG\"", "type = 1", "f.toml:7:8: stream.eeg.type: found 1, allowed: a text in quotes that is not empty"),
        ("duration_s = 30.0", "duration_s = 30.0\nshuffle = 1", "f.toml:34:11: block[hold].shuffle: found 1, allowed: true or false"),
        ("grey_ramp_s = 0.5", "grey_ramp_s = 0.5\norder = \"shufled\"", r#"f.toml:5:9: protocol.order: found "shufled", allowed: one of "fixed", "shuffled", "counterbalanced" // did you mean "shuffled"?"#),
    ]);
}

#[test]
#[rustfmt::skip] // a table: one fault per line
fn references_and_contradictions() {
    check(HOLD, Protocol::parse, &[
        ("{ stream = \"eeg\"", "{ stream = \"egg\"", r#"f.toml:17:30: decoder.ssvep_amplitude.stream: no stream "egg"; there is: eeg // did you mean "eeg"?"#),
        ("stimulus = \"target\", report", "stimulus = \"tarket\", report", r#"f.toml:17:48: decoder.ssvep_amplitude.stimulus: no stimulus "tarket"; there is: target // did you mean "target"?"#),
        ("report_channel = \"Oz\"", "report_channel = \"Cz\"", r#"f.toml:17:75: decoder.ssvep_amplitude.report_channel: no channel "Cz"; there is: O1, Oz, O2"#),
        ("unit = \"uV\"", "unit = \"any\"", r#"f.toml:17:30: decoder.ssvep_amplitude.stream: found "eeg", allowed: a stream with unit = "uV": the amplitude is one in uV"#),
        ("counterphase_hz = 7.5", "counterphase_hz = 62.5", r#"f.toml:17:48: decoder.ssvep_amplitude.stimulus: found "target", allowed: a stimulus whose response, here at 125 Hz, is below half the stream's rate, 125 Hz"#),
        ("window_s = 2.0", "window_s = 0.05", "f.toml:17:92: decoder.ssvep_amplitude.window_s: found 0.05, allowed: at least one cycle of the response at 15 Hz, 0.0667 s"),
        ("update_s = 0.1", "update_s = 3", "f.toml:17:108: decoder.ssvep_amplitude.update_s: found 3, allowed: at most window_s = 2 s"),
        ("highpass_hz = 1.0", "highpass_hz = 15.0", "f.toml:17:127: decoder.ssvep_amplitude.highpass_hz: found 15.0, allowed: below the response at 15 Hz"),
        ("grey_after_s = 1.0", "grey_after_s = 0.2", "f.toml:12:16: stream.eeg.grey_after_s: found 0.2, allowed: at least stale_after_s = 0.3 s"),
        ("stale_after_s = 0.3", "stale_after_s = 0.004", "f.toml:11:17: stream.eeg.stale_after_s: found 0.004, allowed: more than one sample at 250 Hz, 0.004 s"),
        ("edge_deg = 1.0", "edge_deg = 5.5", "f.toml:15:100: stimulus.target.grating.edge_deg: found 5.5, allowed: at most half of diameter_deg, 5 deg"),
        ("on_s = 4.0", "on_s = 23.0", "f.toml:30:59: block[calibrate].calibrate.on_s: found 23.0, allowed: on_s + off_s within the block's duration_s = 24 s"),
        ("name = \"hold\"\nduration", "name = \"calibrate\"\nduration", r#"f.toml:32:8: block[calibrate].name: found "calibrate", allowed: a name that no other block has"#),
        ("calibrate = { stimulus = \"target\", contrast = 0.6, on_s = 4.0, off_s = 2.0 }", "rest = {}", "f.toml:34:1: block[hold].hold: the controller pi needs a block with `calibrate`, not shuffled, before any that holds"),
        ("hold = { stimulus = \"target\", set_point_uv = 2.0 }", "listen = { until_cues = 3 }", "f.toml:34:1: block[hold].listen: needs the decoder cca, and there is ssvep_amplitude"),
        ("kp = 0.2\nki_per_s = 0.5", "kp = 0\nki_per_s = 0", "f.toml:20:12: controller.pi.ki_per_s: found 0, allowed: above 0 where kp is 0, or nothing is controlled"),
        ("duration_s = 30.0", "duration_s = 30.0\nshuffle = true", r#"f.toml:34:1: block[hold].shuffle: needs order = "shuffled" or "counterbalanced" in [protocol]"#),
        ("grey_ramp_s = 0.5", "grey_ramp_s = 0.5\norder = \"shuffled\"", r#"f.toml:5:9: protocol.order: found "shuffled", allowed: "fixed", or at least two blocks with shuffle = true"#),
        ("[controller.pi]\nkp = 0.2\nki_per_s = 0.5\nnominal_gain_uv = 5.0\nsemisaturation = 0.25\nexponent = 2.0\ncontrast_min = 0.0\ncontrast_max = 0.9\nslew_per_s = 2.0\n", "", "f.toml:25:1: block[hold].hold: needs a [controller], and there is none"),
    ]);
}

#[test]
#[rustfmt::skip] // a table: one fault per line
fn cues_and_classes() {
    check(LISTEN, Protocol::parse, &[
        ("cues = \"cues\"", "cues = \"eeg\"", r#"f.toml:19:8: decoder.cca.cues: found "eeg", allowed: a stream of markers (type = "Markers")"#),
        ("stream = \"eeg\"", "stream = \"cues\"", r#"f.toml:18:10: decoder.cca.stream: found "cues", allowed: a stream of samples, not of markers"#),
        ("right = 2", "right = 3", "f.toml:16:41: stream.cues.markers.right: found 3, allowed: the code of a class of decoder.cca: 0, 1, 2"),
        ("code = 2", "code = 1", r#"f.toml:34:8: decoder.cca.classes[17 Hz].code: found 1, allowed: a code that no other class has ("13 Hz")"#),
        ("code = 0", "code = 4", "f.toml:27:8: decoder.cca.classes[rest].code: found 4, allowed: 0 for rest, the class without frequency_hz; others need frequency_hz"),
        ("code = 1", "code = 0.5", "f.toml:30:8: decoder.cca.classes[13 Hz].code: found 0.5, allowed: a whole number from 0 to 4294967295"),
        ("label = \"17 Hz\"", "label = \"13 Hz\"", r#"f.toml:33:9: decoder.cca.classes[13 Hz].label: found "13 Hz", allowed: a label that no other class has (code 1)"#),
        ("frequency_hz = 17.0", "frequency_hz = 13.0", r#"f.toml:35:16: decoder.cca.classes[17 Hz].frequency_hz: found 13.0, allowed: a frequency that no other class has ("13 Hz")"#),
        ("frequency_hz = 17.0", "frequency_hz = 4.0", "f.toml:35:16: decoder.cca.classes[17 Hz].frequency_hz: found 4.0, allowed: within band_hz, 6 to 45 Hz"),
        ("frequency_hz = 17.0", "frequency_hz = 25.0", "f.toml:35:16: decoder.cca.classes[17 Hz].frequency_hz: found 25.0, allowed: harmonics below half the stream's rate, 50 Hz; harmonic 2 of 25 Hz is at 50 Hz"),
        ("band_hz = [6.0, 45.0]", "band_hz = [45.0, 6.0]", "f.toml:23:11: decoder.cca.band_hz: found [45.0, 6.0], allowed: two rising numbers [low, high], each a number above 0, below 50 Hz"),
        ("band_hz = [6.0, 45.0]", "band_hz = [6.0, 50.0]", "f.toml:23:11: decoder.cca.band_hz: found [6.0, 50.0], allowed: two rising numbers [low, high], each a number above 0, below 50 Hz"),
        ("rest_false_alarm = 0.01", "rest_false_alarm = 1.0", "f.toml:24:20: decoder.cca.rest_false_alarm: found 1.0, allowed: a number above 0, below 1"),
        ("harmonics = 2", "harmonics = 0", "f.toml:20:13: decoder.cca.harmonics: found 0, allowed: a whole number from 1 to 16"),
        ("window_s = 4.0", "window_s = 0.07", "f.toml:21:12: decoder.cca.window_s: found 0.07, allowed: at least one cycle of 13 Hz, 0.0769 s"),
        ("delay_s = 1.0", "delay_s = -0.1", "f.toml:22:11: decoder.cca.delay_s: found -0.1, allowed: a number from 0 to 600 s"),
        ("markers = { rest = 0, left = 1, right = 2 }", "markers = {}", "f.toml:16:11: stream.cues.markers: found {}, allowed: at least one text with its code, as in { cue_rest = 0 }"),
        ("markers = { rest = 0, left = 1, right = 2 }", "markers = { rest = 0, rest = 1 }", "f.toml:16:23: not valid TOML: duplicate key"),
        ("listen = { until_cues = 32 }", "listen = { until_cues = 0 }", "f.toml:39:25: block[listen].listen.until_cues: found 0, allowed: a whole number from 1 to 1000000"),
        ("listen = { until_cues = 32 }", "hold = { stimulus = \"x\", set_point_uv = 1 }", r#"f.toml:39:21: block[listen].hold.stimulus: no stimulus "x"; there is no stimulus at all"#),
        ("[[block]]", "[block]", "f.toml:36:2: block: found block, allowed: a list of tables, at least one // write [[block]] with two brackets"),
        ("[stream.cues]", "[stream.b]\ntype = \"Markers\"\nmarkers = { a = 0 }\n[stream.c]\ntype = \"Markers\"\nmarkers = { a = 0 }\n[stream.d]\ntype = \"Markers\"\nmarkers = { a = 0 }\n[stream.cues]", "f.toml:23:9: stream.cues: one stream too many; a protocol reads at most 4"),
    ]);
}

#[test]
#[rustfmt::skip] // a table: one fault per line
fn rigs() {
    check(RIG, Rig::parse, &[
        ("width_px = 320", "width_px = 320.5", "f.toml:2:12: screen.width_px: found 320.5, allowed: a whole number from 1 to 16384"),
        ("width_px = 320", "width_px = 0", "f.toml:2:12: screen.width_px: found 0, allowed: a whole number from 1 to 16384"),
        ("width_cm = 32.0", "width_mm = 320.0", "f.toml:4:1: screen.width_mm: unknown key; valid here: simulated, stereo, width_px, height_px, width_cm, height_cm, distance_cm, refresh_hz, luminance_max_cd_m2, luminance_min_cd_m2, gamma, gamma_rgb, lut, primaries, bits, dither // did you mean `width_cm`? Its unit is cm, not mm: write `width_cm = 32`"),
        ("distance_cm = 57.3", "distance_in = 22.5", "f.toml:6:1: screen.distance_in: unknown key; valid here: simulated, stereo, width_px, height_px, width_cm, height_cm, distance_cm, refresh_hz, luminance_max_cd_m2, luminance_min_cd_m2, gamma, gamma_rgb, lut, primaries, bits, dither // did you mean `distance_cm`? Its unit is cm, not inches: write `distance_cm = 57.15`"),
        ("refresh_hz = 60.0", "refresh_hz = 0", "f.toml:7:14: screen.refresh_hz: found 0, allowed: a number from 1 to 2000 Hz"),
        ("luminance_min_cd_m2 = 0.5", "luminance_min_cd_m2 = 120.0", "f.toml:9:23: screen.luminance_min_cd_m2: found 120.0, allowed: at least 1 cd/m2 less than luminance_max_cd_m2 = 120"),
        ("luminance_max_cd_m2 = 120.0", "luminance_max_cd_m2 = 20000", "f.toml:8:23: screen.luminance_max_cd_m2: found 20000, allowed: a number from 1 to 10000 cd/m2"),
        ("luminance_max_cd_m2 = 120.0", "luminance_max_nits = 120.0", "f.toml:8:1: screen.luminance_max_nits: unknown key; valid here: simulated, stereo, width_px, height_px, width_cm, height_cm, distance_cm, refresh_hz, luminance_max_cd_m2, luminance_min_cd_m2, gamma, gamma_rgb, lut, primaries, bits, dither // did you mean `luminance_max_cd_m2`? Its unit is cd/m2, not nits: write `luminance_max_cd_m2 = 120`"),
        ("gamma = 2.2", "gama = 2.2", "f.toml:10:1: screen.gama: unknown key; valid here: simulated, stereo, width_px, height_px, width_cm, height_cm, distance_cm, refresh_hz, luminance_max_cd_m2, luminance_min_cd_m2, gamma, gamma_rgb, lut, primaries, bits, dither // did you mean `gamma`?"),
        ("gamma = 2.2\n", "", "f.toml:1:2: screen: missing; wanted: one of gamma, gamma_rgb, lut"),
        ("[stream.eeg]\nname = \"amplifier\"", "stream.eeg = \"amplifier\"", "f.toml:11:1: screen.stream: unknown key; valid here: simulated, stereo, width_px, height_px, width_cm, height_cm, distance_cm, refresh_hz, luminance_max_cd_m2, luminance_min_cd_m2, gamma, gamma_rgb, lut, primaries, bits, dither"),
        ("name = \"amplifier\"", "name = \"amplifier\"\ntype = \"EEG\"", "f.toml:13:1: stream.eeg.type: unknown key; valid here: name"),
        ("[stream.eeg]", "[sync]\nrefresh_tolerance_percent = 3\n[stream.eeg]", "f.toml:12:29: sync.refresh_tolerance_percent: found 3, allowed: a number above 0, at most 2 percent"),
        ("[stream.eeg]", "[sync]\nmust_wait = 1\n[stream.eeg]", "f.toml:12:13: sync.must_wait: found 1, allowed: true or false"),
        ("[stream.eeg]", "[sync]\nscatter_ms = 1\n[stream.eeg]", "f.toml:12:1: sync.scatter_ms: unknown key; valid here: refresh_tolerance_percent, scatter_max_percent, irregular_max_percent, must_wait"),
        ("[screen]", "[screen", "f.toml:1:8: not valid TOML: unclosed table, expected `]`"),
    ]);
}

/// The other controllers, set points over time and artefacts, each written into the base.
const PID: &str = "[controller.pid]\nkp = 0.2\nki_per_s = 0.5\nkd_s = 0.0\nderivative_tau_s = 0.1\nset_point_weight = 1.0\ntracking_tau_s = 2.0\npredictor = \"smith\"\n";
const MPC: &str = "[controller.mpc]\ndrift_sd = 0.2\ndrift_tau_s = 60\nfluctuation_sd = 0.25\nfluctuation_tau_s = 3.5\nlevels = 31\nhorizon = 8\nmove_s = 0.1\nchange_penalty_uv = 1.0\n";

#[test]
#[rustfmt::skip] // a table: one fault per line
fn controllers_and_set_points() {
    let with = |controller: &str| HOLD.replace("[controller.pi]\nkp = 0.2\nki_per_s = 0.5\n", controller);
    let hold = "hold = { stimulus = \"target\", set_point_uv = 2.0 }";
    check(&with(PID), Protocol::parse, &[
        ("kd_s = 0.0\n", "", "f.toml:18:13: controller.pid.kd_s: missing; wanted: a number from 0 to 1000 s"),
        ("\"smith\"", "\"smth\"", r#"f.toml:25:13: controller.pid.predictor: found "smth", allowed: one of "smith", "none" // did you mean "smith"?"#),
        ("set_point_weight = 1.0", "set_point_weight = 1.5", "f.toml:23:20: controller.pid.set_point_weight: found 1.5, allowed: a number from 0 to 1"),
        ("kp = 0.2\nki_per_s = 0.5", "kp = 0\nki_per_s = 0", "f.toml:20:12: controller.pid.ki_per_s: found 0, allowed: above 0 where kp and kd_s are 0, or nothing is controlled"),
        ("calibrate = { stimulus = \"target\", contrast = 0.6, on_s = 4.0, off_s = 2.0 }", "rest = {}", "f.toml:39:1: block[hold].hold: the controller pid needs a block with `calibrate`, not shuffled, before any that holds"),
    ]);
    check(&with(MPC), Protocol::parse, &[
        ("levels = 31", "levels = 3", "f.toml:25:10: controller.mpc.move_s: found 0.1, allowed: at least 0.225 s, in which slew_per_s = 2 reaches the next of 3 levels"),
        ("levels = 31", "levels = 300", "f.toml:23:10: controller.mpc.levels: found 300, allowed: a whole number from 2 to 128"),
        ("drift_sd = 0.2\n", "", "f.toml:18:13: controller.mpc.drift_sd: missing; wanted: a number from 0 to 10"),
    ]);
    check(HOLD, Protocol::parse, &[
        ("set_point_uv = 2.0", "set_point_uv = 6.0", "f.toml:34:46: block[hold].hold.set_point_uv: found 6.0, allowed: 0.000 to 4.642 uV, which the nominal response reaches at contrasts 0 to 0.9 (it would have to reach 6 to 6 uV)"),
        ("set_point_uv = 2.0", "set_point_sine = { mean_uv = 3.0, amplitude_uv = 2.0, period_s = 20 }", "f.toml:34:48: block[hold].hold.set_point_sine: found { mean_uv = 3.0, amplitude_uv = 2.0, period_s = 20 }, allowed: 0.000 to 4.642 uV, which the nominal response reaches at contrasts 0 to 0.9 (it would have to reach 1 to 5 uV)"),
        ("set_point_uv = 2.0", "set_point_sine = { mean_uv = 1.0, amplitude_uv = 2.0, period_s = 20 }", "f.toml:34:80: block[hold].hold.set_point_sine.amplitude_uv: found 2.0, allowed: a number above 0, below 1 uV"),
        ("set_point_uv = 2.0", "set_point_ramp = { from_uv = 1.0, to_uv = 3.0, over_s = 0.01 }", "f.toml:34:87: block[hold].hold.set_point_ramp.over_s: found 0.01, allowed: a number from 0.1 to 86400 s"),
        ("set_point_uv = 2.0", "set_point_uv = 2.0, set_point_ramp = { from_uv = 1.0, to_uv = 3.0, over_s = 10 }", "f.toml:34:51: block[hold].hold.set_point_ramp: cannot stand beside set_point_uv; only one of set_point_uv, set_point_steps, set_point_ramp, set_point_sine, set_point_scored, set_point_adaptive"),
        ("contrast_min = 0.0", "contrast_min = 0.5", "f.toml:34:46: block[hold].hold.set_point_uv: found 2.0, allowed: 4.000 to 4.642 uV, which the nominal response reaches at contrasts 0.5 to 0.9 (it would have to reach 2 to 2 uV)"),
        (hold, "rest = {}\n[artefacts]\nblink_uv = 100\nmuscle_uv = 20\nmuscle_from_hz = 40\nflat_uv = 0.1", "f.toml:35:2: artefacts.segment_s: missing; wanted: a number from 0.01 to 10 s"),
    ]);
    let steps = HOLD.replace("set_point_uv = 2.0", "set_point_steps = { levels_uv = [1.0, 2.0, 4.5], each_s = 5 }");
    let protocol = Protocol::parse(&steps, "f.toml").expect("valid");
    let protocol::BlockKind::Hold(held) = &protocol.blocks[1].kind else { panic!("no hold") };
    assert_eq!(held.set_point.range_uv(), [1.0, 4.5]);
}

#[test]
fn the_picture_points_at_the_spot() {
    let error =
        Protocol::parse(&HOLD.replace("set_point_uv = 2.0", "set_point_mv = 0.002"), "my.toml").unwrap_err();
    let expected = "\
my.toml:34:31: block[hold].hold.set_point_mv: unknown key; valid here: stimulus, set_point_uv, set_point_steps, set_point_ramp, set_point_sine, set_point_scored, set_point_adaptive
   |
34 | hold = { stimulus = \"target\", set_point_mv = 0.002 }
   |                               ^^^^^^^^^^^^
   = did you mean `set_point_uv`? Its unit is uV, not mV: write `set_point_uv = 2`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_picture_of_a_long_line_is_cut_around_the_spot() {
    let error =
        Protocol::parse(&HOLD.replace("waveform = \"sine\"", "waveform = \"saw\""), "my.toml").unwrap_err();
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().skip(1).all(|l| l.chars().count() <= 126), "{text}");
    // The carets stand under the value also where the line is cut and holds characters of several bytes.
    let at = lines[3].find('^').expect("carets");
    assert_eq!(&lines[2][at..at + 5], "\"saw\"");

    let error = Protocol::parse("[protocol]\nname = \"\u{e9}\u{e9}\"\tx = 1", "my.toml").unwrap_err();
    assert_eq!(error.line(), Some(2));
    assert_eq!(error.fault().map(|f| f.column), Some(13), "columns count characters: {error}");
}

#[test]
fn windows_line_ends_change_nothing() {
    let text = HOLD.replace("kp = 0.2", "kpp = 0.2");
    let unix = Protocol::parse(&text, "f.toml").unwrap_err().to_string();
    let windows = Protocol::parse(&text.replace('\n', "\r\n"), "f.toml").unwrap_err().to_string();
    assert_eq!(unix, windows);
}

#[test]
fn both_ways_to_write_a_table_mean_the_same() {
    let start = LISTEN.find("[[decoder.cca.classes]]").expect("the classes");
    let end = LISTEN.find("[[block]]").expect("the blocks");
    let inline = "classes = [{ label = \"rest\", code = 0 }, { label = \"13 Hz\", code = 1, frequency_hz = 13 }, \
                  { label = \"17 Hz\", code = 2, frequency_hz = 17 }]\n";
    let text = format!("{}{inline}{}", &LISTEN[..start], &LISTEN[end..]);
    assert_eq!(Protocol::parse(&text, "f.toml").unwrap(), Protocol::parse(LISTEN, "f.toml").unwrap());
}

#[test]
fn streams_and_blocks_keep_the_order_of_the_file() {
    let swapped =
        LISTEN.replace("stream.eeg", "stream.zeeg").replace("stream = \"eeg\"", "stream = \"zeeg\"");
    let protocol = Protocol::parse(&swapped, "f.toml").unwrap();
    let names: Vec<&str> = protocol.streams.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["zeeg", "cues"], "not by the alphabet");
}

/// A shuffled block that holds may come first, so the calibration has to come before every shuffled place.
#[test]
fn calibration_precedes_every_possible_order() {
    let shuffled = HOLD
        .replace("grey_ramp_s = 0.5", "grey_ramp_s = 0.5\norder = \"shuffled\"")
        .replace("duration_s = 30.0", "duration_s = 30.0\nshuffle = true");
    let pause = "[[block]]\nname = \"pause\"\nduration_s = 5\nshuffle = true\nrest = {}\n";
    let after = format!("{shuffled}{pause}");
    let protocol = Protocol::parse(&after, "f.toml").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(protocol.blocks.iter().filter(|b| b.shuffle).count(), 2);

    let before = shuffled.replacen("[[block]]", &format!("{pause}[[block]]"), 1);
    let error = Protocol::parse(&before, "f.toml").unwrap_err();
    assert_eq!(error.key(), Some("block[hold].hold"));

    let calibration_shuffled = after.replace("duration_s = 24.0", "duration_s = 24.0\nshuffle = true");
    assert!(Protocol::parse(&calibration_shuffled, "f.toml").is_err());
}
