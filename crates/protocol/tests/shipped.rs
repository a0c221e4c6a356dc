//! The files in `protocols/` parse, and say what the rest of the project relies on.

use std::path::PathBuf;

use protocol::*;

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../protocols").join(name)
}

fn samples(protocol: &Protocol, index: usize) -> &Samples {
    match &protocol.streams[index].kind {
        StreamKind::Samples(samples) => samples,
        StreamKind::Markers(_) => panic!("stream {index} carries markers"),
    }
}

#[test]
fn every_file_in_the_folder_parses() {
    let folder = std::fs::read_dir(shipped("")).expect("the folder protocols/");
    let mut seen = 0;
    for entry in folder {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with("-rig.toml") {
            Rig::load(&path).unwrap_or_else(|e| panic!("{e}"));
        } else {
            Protocol::load(&path).unwrap_or_else(|e| panic!("{e}"));
        }
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} files");
}

#[test]
fn thermostat_calibrates_and_then_steps() {
    let protocol = Protocol::load(shipped("thermostat.toml")).expect("valid");
    assert_eq!(protocol.streams.len(), 1);
    let Some(Decoder::SsvepAmplitude(ssvep)) = &protocol.decoder else { panic!("{:?}", protocol.decoder) };
    assert_eq!(samples(&protocol, ssvep.stream).channels[ssvep.report_channel], "Oz");
    assert_eq!(samples(&protocol, ssvep.stream).rate_hz, 250.0);
    let target = &protocol.stimuli[ssvep.stimulus];
    assert!(matches!(target.kind, StimulusKind::Grating(_)));
    let flicker = target.flicker().expect("it flickers");
    assert_eq!(flicker.response_hz(), 15.0, "counterphase answers at twice its frequency");
    assert!(matches!(protocol.controller, Some(Controller::Pi(_))));
    assert!(matches!(protocol.blocks[0].kind, BlockKind::Calibrate(_)));
    let set_points: Vec<f64> = protocol
        .blocks
        .iter()
        .filter_map(|b| match &b.kind {
            BlockKind::Hold(hold) => Some(hold.set_point.range_uv()[1]),
            _ => None,
        })
        .collect();
    assert!(set_points.len() >= 3);
    assert!(set_points.windows(2).any(|s| s[1] > s[0]) && set_points.windows(2).any(|s| s[1] < s[0]));
    // A set point that the nominal person cannot reach would test the limits of contrast, not the controller.
    let response = protocol.controller.expect("a controller").response().to_owned();
    let c = response.contrast_max.powf(response.exponent);
    let reach = response.nominal_gain_uv * c / (c + response.semisaturation.powf(response.exponent));
    assert!(set_points.iter().all(|&s| s < 0.8 * reach), "{set_points:?} against {reach} uV");
}

#[test]
fn listen_fits_the_recording_that_it_is_for() {
    let protocol = Protocol::load(shipped("ssvep-listen.toml")).expect("valid");
    assert_eq!(protocol.streams.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["eeg", "cues"]);
    let Some(Decoder::Cca(cca)) = &protocol.decoder else { panic!("{:?}", protocol.decoder) };
    let eeg = samples(&protocol, cca.stream);
    assert_eq!(eeg.channels, ["Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"]);
    assert_eq!(eeg.rate_hz, 256.0);
    assert_eq!((cca.delay_s, cca.delay_s + cca.window_s), (1.0, 5.0));
    let StreamKind::Markers(Markers { markers }) = &protocol.streams[cca.cues].kind else {
        panic!("no cues")
    };
    let cued = |text: &str| {
        let code = markers.iter().find(|m| m.text == text).expect("the marker").code;
        cca.classes.iter().find(|c| c.code == code).expect("its class").frequency_hz
    };
    assert_eq!(cued("cue_rest"), None);
    assert_eq!(cued("cue_13"), Some(13.0));
    assert_eq!(cued("cue_17"), Some(17.0));
    assert_eq!(cued("cue_21"), Some(21.0));
    let BlockKind::Listen(listen) = protocol.blocks[0].kind else { panic!("{:?}", protocol.blocks) };
    assert_eq!(listen.until_cues, 32);
    assert!(protocol.blocks[0].duration_s > 360.0, "the recording lasts 354 s");
}

#[test]
fn listen_markers_stand_in_the_recording() {
    let recording = shipped("../../shared/data/eeg/ssvep_exo_s12_r1.xdf");
    let Ok(bytes) = std::fs::read(&recording) else {
        assert!(std::env::var_os("PHOTIC_REQUIRE_SHARED").is_none(), "no {}", recording.display());
        println!("skipped: no {}", recording.display());
        return;
    };
    let protocol = Protocol::load(shipped("ssvep-listen.toml")).expect("valid");
    let count = |text: &str| bytes.windows(text.len()).filter(|w| *w == text.as_bytes()).count();
    let mut cues = 0;
    for stream in &protocol.streams {
        match &stream.kind {
            StreamKind::Markers(Markers { markers }) => {
                for marker in markers {
                    assert_eq!(count(&marker.text), 8, "{}", marker.text);
                    cues += count(&marker.text);
                }
            }
            StreamKind::Samples(samples) => {
                // The header lists the channels in their order.
                let labels: String = bytes[..20_000]
                    .split(|&b| b == b'<')
                    .filter_map(|part| part.strip_prefix(b"label>"))
                    .map(|label| format!("{} ", String::from_utf8_lossy(label)))
                    .collect();
                assert_eq!(labels.trim_end(), samples.channels.join(" "));
            }
        }
    }
    assert_eq!(cues, 32);
}

#[test]
fn rigs_say_whether_their_screen_exists() {
    let simulated = Rig::load(shipped("simulated-rig.toml")).expect("valid").screen;
    assert!(simulated.simulated);
    assert_eq!((simulated.width_px, simulated.height_px, simulated.refresh_hz), (320, 240, 60.0));
    // 1 px is 0.1 degrees in the middle of the screen.
    let px_deg =
        (simulated.width_cm / f64::from(simulated.width_px) / simulated.distance_cm).atan().to_degrees();
    assert!((px_deg - 0.1).abs() < 1e-4, "{px_deg}");

    let lab = Rig::load(shipped("lab-rig.toml")).expect("valid");
    assert!(!lab.screen.simulated);
    // Square pixels: a screen measured with its frame would not have them.
    let width = lab.screen.width_cm / f64::from(lab.screen.width_px);
    let height = lab.screen.height_cm / f64::from(lab.screen.height_px);
    assert!((width / height - 1.0).abs() < 0.01, "{width} x {height} cm");
    assert_eq!(lab.streams, []);
}

#[test]
fn a_rig_names_streams() {
    let text = std::fs::read_to_string(shipped("lab-rig.toml")).expect("the file");
    let text = text.replace("# [stream.eeg]", "[stream.eeg]").replace("# name =", "name =");
    let rig = Rig::parse(&text, "lab-rig.toml").expect("the commented lines are valid too");
    assert_eq!(rig.lsl_name("eeg"), Some("LSL name of the amplifier's stream"));
    assert_eq!(rig.lsl_name("cues"), None);
    let thermostat = Protocol::load(shipped("thermostat.toml")).expect("valid");
    assert!(rig.streams_not_in(&thermostat).is_empty());
    let misspelt = Rig::parse(&text.replace("[stream.eeg]", "[stream.egg]"), "lab-rig.toml").expect("valid");
    assert_eq!(misspelt.streams_not_in(&thermostat), ["egg"]);
}

#[test]
fn a_missing_file_and_a_binary_one_are_told_apart() {
    let error = Protocol::load(shipped("no-such-file.toml")).unwrap_err();
    assert_eq!((error.line(), error.key()), (None, None));
    assert!(error.to_string().contains("no-such-file.toml: cannot be read"), "{error}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("binary.toml");
    std::fs::write(&path, b"[protocol]\nname = \"\xff\xfe\"\n").expect("written");
    let error = Protocol::load(&path).unwrap_err();
    assert_eq!(error.line(), Some(2));
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}
