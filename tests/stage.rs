//! What is shown, as a user sees it: the gallery against the CPU twin, frames that are drawn once more, the governor in a run,
//! and what cannot be shown.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use photic::frames::Redraw;
use photic::frames::history::{History, Unknown};
use photic::replay;
use recording::RecordedSession;
use stimulus::checksum::Checksum;
use stimulus::safety::Shown;
use support::{root, run, session_folder, vulkan_is_there};
use timeline::{Drawn, NoticeKind};

/// A protocol with these stimuli and one block that shows one of them.
fn protocol(folder: &Path, stimuli: &str, shown: &str, seconds: f64) -> PathBuf {
    let path = folder.join("protocol.toml");
    let text = format!(
        "[protocol]\nname = \"stage\"\ndescription = \"a test\"\ngrey_ramp_s = 0.2\nmin_free_mb = 1\n{stimuli}\n\
         [[block]]\nname = \"show\"\nduration_s = {seconds:?}\nshow = {{ stimulus = \"{shown}\", contrast = 0.8 }}\n"
    );
    fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What an offscreen run of this protocol says of itself.
fn session_of(protocol: &Path, folder: &Path) -> serde_json::Value {
    let out = folder.join("sessions");
    let place = ["--display", "offscreen", "--participant", "none", "--json"];
    run([&["run", text(protocol), "--out", text(&out)][..], &place].concat(), 90.0).expect(0).json()
}

/// Draws all frames of a session again, and counts them by what the governor did: `lowered` is a candidate of which it took
/// contrast. Each has to have its checksum.
fn drawn_again(session: &RecordedSession) -> BTreeMap<&'static str, usize> {
    let experiment = replay::experiment(session).unwrap();
    let lowered = experiment.lower(session.meta.seed).unwrap();
    let history = History::of(session, &lowered.scenery.scenes);
    let mut redraw = Redraw::prepare(session, &lowered).unwrap();
    let mut counts = BTreeMap::new();
    for frame in history.frames() {
        let kind = match history.at(frame) {
            Ok(seen) => {
                let checksum = redraw.draw(&seen).unwrap().checksum();
                let kind = match (seen.shown, seen.gain) {
                    _ if seen.drawn.is_none() => "without a checksum",
                    (Shown::Candidate, Drawn::WHOLE) => "candidate",
                    (Shown::Candidate, _) => "lowered",
                    (Shown::Ramp, _) => "ramp",
                    (Shown::Held, _) => "held",
                    (Shown::Grey, _) => "grey",
                };
                let same = seen.drawn.is_none_or(|drawn| Checksum::from_halves(drawn.checksum) == checksum);
                assert!(same, "frame {frame}: {kind} at {}", seen.gain);
                kind
            }
            Err(Unknown::NoVerdict(_)) => "no verdict of an earlier frame",
            Err(unknown) => panic!("frame {frame}: {unknown}"),
        };
        *counts.entry(kind).or_default() += 1;
    }
    eprintln!("{} flips, {} checksums: {counts:?}", session.flips.len(), session.drawn.len());
    counts
}

/// A PNG image of red, green and blue that is a ramp along both sides.
fn image(path: &Path, side: u32) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), side, side);
    encoder.set_color(png::ColorType::Rgb);
    let pixel = |place: u32| [(place % side * 255 / side) as u8, (place / side * 255 / side) as u8, 128];
    let bytes: Vec<u8> = (0..side * side).flat_map(pixel).collect();
    encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
}

#[test]
fn the_gallery_is_what_the_twin_draws() {
    let Some(()) = vulkan_is_there() else { return };
    let json = run(["gallery", "--compare", "--json"], 300.0).expect(0).json();
    let stimuli = json["stimuli"].as_array().unwrap();
    let kinds =
        fs::read_to_string(root().join("protocols/gallery.toml")).unwrap().matches("\n[stimulus.").count();
    assert_eq!(stimuli.len(), kinds);
    assert!(stimuli.iter().all(|stimulus| stimulus["linear"].as_f64().unwrap() <= 1e-3), "{json}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("gallery");
    run(["gallery", "--out", text(&out), "--seconds", "0.05"], 300.0).expect(0);
    let page = fs::read_to_string(out.join("gallery.html")).unwrap();
    assert_eq!(page.matches("<figure>").count(), kinds);
    assert!(out.join("speller.png").is_file());
    // What is there is not overwritten.
    run(["gallery", "--out", text(&out)], 60.0).expect(2);
}

#[test]
fn presented_frames_are_drawn_again_with_their_checksums_even_when_a_file_is_gone() {
    let Some(()) = vulkan_is_there() else { return };
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("ramp.png");
    image(&picture, 40);
    let stimuli = "[stimulus.ramp.image]\nfile = \"ramp.png\"\nwidth_deg = 9.0\ntransfer = \"srgb\"\n\
        fade = { after_s = 0.1, over_s = 0.5 }\n\
        [stimulus.dots.dots]\ncount = 60\ndot_deg = 0.4\nfield_deg = 12.0\nspeed_deg_s = 6.0\ndirection_deg = 30.0\n\
        coherence = 0.5\nlifetime_s = 0.2\nseed = 3\ncolour = { rgb = [0.9, 0.9, 0.1] }\n\
        [stimulus.both.together]\nof = [\"ramp\", \"dots\"]";
    let path = protocol(folder.path(), stimuli, "both", 1.5);
    let session = session_folder(&session_of(&path, folder.path()));
    fs::remove_file(&picture).unwrap();
    let recorded = RecordedSession::open(&session).unwrap();
    assert!(recorded.drawn.len() > 20, "{}", recorded.drawn.len());
    assert!(recorded.drawn.iter().all(|drawn| drawn.gain == Drawn::WHOLE && drawn.shown == 0));
    let every = recorded.drawn.len() / 4;
    for drawn in recorded.drawn.iter().skip(every / 2).step_by(every) {
        let frame = drawn.frame.to_string();
        let json = run(["frames", text(&session), "--at", &frame, "--json"], 60.0).expect(0).json();
        assert_eq!(json["same"], true, "{json}");
    }
    // Frames differ, or equal checksums would say nothing.
    let mut sums: Vec<_> = recorded.drawn.iter().map(|drawn| drawn.checksum).collect();
    sums.sort_unstable();
    sums.dedup();
    assert!(sums.len() > 10, "{}", sums.len());
    run(["frames", text(&session), "--at", "999999"], 60.0).expect(2).says(&["--at 999999", "frames"]);
}

#[test]
fn a_flicker_above_the_stated_bound_is_stopped_and_the_run_ends() {
    let Some(()) = vulkan_is_there() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stimuli = "[stimulus.flash.shape]\nellipse_deg = [12.0, 12.0]\n\
        flicker = { on_off_hz = 6.0, waveform = \"square\" }\n\
        [safety]\nmax_flashes_per_s = 3.0\nscreening_reference = \"a test\"";
    let path = protocol(folder.path(), stimuli, "flash", 20.0);
    let json = session_of(&path, folder.path());
    assert_eq!(json["exit"], "stopped");
    assert_eq!(json["governed"]["rules"][0], "WCAG 2.2 general flash", "{json}");
    assert!(json["governed"]["frames"].as_u64().unwrap() > 2, "{json}");
    let session = session_folder(&json);
    let recorded = RecordedSession::open(&session).unwrap();
    let told = recorded.notices.iter().find(|notice| notice.kind == NoticeKind::Governed).unwrap();
    let stopped: Vec<&Drawn> = recorded.drawn.iter().filter(|drawn| drawn.shown != 0).collect();
    assert!(stopped.len() > 2, "{stopped:?}");
    assert!(told.at_ns >= recorded.drawn[0].at_ns);
    // Once it led to grey nothing comes back.
    let first = recorded.drawn.iter().position(|drawn| drawn.shown == 1 || drawn.shown == 3).unwrap();
    assert!(recorded.drawn[first..].iter().all(|drawn| drawn.shown != 0), "{:?}", &recorded.drawn[first..]);

    let counts = drawn_again(&recorded);
    assert!(counts["candidate"] > 10 && counts["held"] > 0 && counts["ramp"] > 2, "{counts:?}");
    let ramp = recorded.drawn[first].frame.to_string();
    let out = folder.path().join("ramp.png");
    let line = ["frames", text(&session), "--at", &ramp, "--out", text(&out)];
    let said = run(line, 60.0).expect(0).stdout;
    assert!(said.contains("on the way to grey") && said.contains("are those that were shown"), "{said}");
    assert!(out.is_file());
    what_is_not_recorded_is_said(&recorded, first);
}

/// What a place in the record of frames that led to grey hangs on, taken out of it.
fn what_is_not_recorded_is_said(session: &RecordedSession, at: usize) {
    let experiment = replay::experiment(session).unwrap();
    let scenes = experiment.lower(session.meta.seed).unwrap().scenery.scenes;
    let place = session.drawn[..at].iter().rposition(|it| it.shown == 0).unwrap();
    let [before, source, held, frame] =
        [place - 1, place, place + 1, at].map(|place| session.drawn[place].frame);
    let after = |edit: &dyn Fn(&mut RecordedSession)| {
        let mut session = session.clone();
        edit(&mut session);
        let history = History::of(&session, &scenes);
        history.at(frame).map(|seen| seen.source.map(|source| source.flip.frame))
    };
    assert_eq!(after(&|_| ()), Ok(Some(source)));
    let lacks = |it: u64| after(&move |session| session.drawn.retain(|drawn| drawn.frame != it));
    assert_eq!(lacks(source), Err(Unknown::NoVerdict(source)));
    assert_eq!(lacks(held), Err(Unknown::NoVerdict(held)));
    assert_eq!((lacks(before), lacks(frame)), (Ok(Some(source)), Ok(Some(frame))));
    let no_flip = after(&|session| session.flips.retain(|flip| flip.frame != source));
    assert_eq!(no_flip, Err(Unknown::NoSource(source)));
    assert_eq!(after(&|session| session.flips.retain(|flip| flip.frame != frame)), Err(Unknown::NoFlip));
    // What the governor knew went with its device.
    let lost = after(&|session| {
        let (at_ns, kind) = (
            session.flips.iter().find(|it| it.frame == frame).unwrap().submitted_ns,
            NoticeKind::DeviceRebuilt,
        );
        session.notices.push(timeline::Notice { at_ns, kind, ..session.notices[0] });
    });
    assert_eq!(lost, Ok(None));
}

/// A flicker above the bound in front of a simulated participant: its contrast is lowered, the loop hears of it, and decides
/// the same again when it is replayed.
#[test]
fn what_the_governor_lets_through_is_told_to_the_loop() {
    let Some(()) = vulkan_is_there() else { return };
    let folder = tempfile::tempdir().unwrap();
    let thermostat = fs::read_to_string(root().join("protocols/thermostat.toml")).unwrap();
    let (before, _) = thermostat.split_once("[[block]]").unwrap();
    let blocks = "[[block]]\nname = \"calibrate\"\nduration_s = 18.0\n\
        calibrate = { stimulus = \"target\", contrast = 0.6, on_s = 4.0, off_s = 2.0 }\n\
        [[block]]\nname = \"hold\"\nduration_s = 6.0\nhold = { stimulus = \"target\", set_point_uv = 2.0 }\n\
        [safety]\nmax_flashes_per_s = 3.0\nscreening_reference = \"a test\"\nattenuate = true\n";
    let path = folder.path().join("attenuated.toml");
    fs::write(&path, format!("{before}{blocks}")).unwrap();
    let out = folder.path().join("sessions");
    let place = ["--display", "offscreen", "--participant", "nominal", "--json"];
    let json = run([&["run", text(&path), "--out", text(&out)][..], &place].concat(), 120.0).expect(0).json();
    let session = session_folder(&json);
    let recorded = RecordedSession::open(&session).unwrap();
    let told = &recorded.attenuations;
    assert!(told.len() > 3, "{told:?}");
    for attenuation in told {
        let drawn = recorded.drawn.iter().find(|drawn| drawn.frame == attenuation.frame).unwrap();
        assert_eq!((attenuation.shown, attenuation.gain), (drawn.shown, drawn.gain));
        let turn = recorded.turns.iter().find(|turn| turn.index == attenuation.turn).unwrap();
        let heard_ns = turn.now_ns - attenuation.at_ns;
        // Offscreen a frame is done before the instant at which it would be seen, on a busy machine by some refreshes.
        assert!(
            (-500_000_000..2_000_000_000).contains(&heard_ns),
            "{attenuation:?} heard after {heard_ns} ns"
        );
    }
    let gains: Vec<u32> = told.iter().filter(|told| told.shown == 0).map(|told| told.gain).collect();
    assert!(gains.is_sorted_by(|a, b| a >= b) && gains[0] < Drawn::WHOLE, "{gains:?}");
    let counts = drawn_again(&recorded);
    assert!(counts["candidate"] > 10 && counts["held"] > 10 && counts["lowered"] > 10, "{counts:?}");
    // The participant saw the lower contrast too.
    let seen = |latent: &timeline::Latent| latent.contrast_seen;
    let most = |from: usize| recorded.latents[from..].iter().map(seen).fold(0.0, f64::max);
    let last = f64::from(*gains.last().unwrap()) / 65_535.0;
    let late = most(recorded.latents.len() / 2);
    assert!(late < 1.2 * last * 0.9 + 0.02, "{late} at a gain of {last}");
    let replayed = run(["replay", text(&session), "--json"], 60.0).expect(0).json();
    assert_eq!(replayed["identical"], true, "{replayed}");
}

#[test]
fn what_cannot_be_shown_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.png");
    image(&whole, 40);
    let bytes = fs::read(&whole).unwrap();
    fs::write(folder.path().join("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(folder.path().join("other.png"), b"GIF89a").unwrap();
    let image =
        |file: &str| format!("[stimulus.it.image]\nfile = \"{file}\"\nwidth_deg = 4.0\ntransfer = \"srgb\"");
    let grating = |more: &str| {
        format!(
            "[stimulus.it.grating]\nsf_cpd = 1.0\norientation_deg = 0.0\nphase_deg = 0.0\ndiameter_deg = 4.0\nedge_deg = 0.5\n\
             {more}"
        )
    };
    let speller = "[stimulus.it.speller]\nrows = [\"AB\"]\npitch_deg = [5.0, 5.0]\nbox_deg = [3.0, 3.0]\nletter_deg = 1.0\n\
        letter_colour = { rgb = [0.0, 0.0, 0.0] }\n\
        flickers = { on_off_hz = [10.0, 10.0], phase_deg = [0.0, 0.0], waveform = \"sine\" }";
    let cases: Vec<(String, &[&str])> = vec![
        (image("none.png"), &["`it`", "none.png", "No such file"]),
        (image("cut.png"), &["`it`", "cut.png", "not a whole PNG"]),
        (image("other.png"), &["`it`", "other.png", "not a PNG"]),
        (grating("position_deg = [60.0, 0.0]"), &["`it`", "nothing of it is on the screen"]),
        (grating("eye = \"left\""), &["`it`", "stereo"]),
        (grating("colour = { dkl = [0.0, 0.1, 0.0] }"), &["`it`", "primaries"]),
        (grating("drift_hz = 20.0"), &["`it`", "drift_hz = 20", "frames per cycle"]),
        (grating("flicker = { on_off_hz = 7.3, waveform = \"square\" }"), &["`it`", "7.3 Hz", "nearest are"]),
        (grating("code = { m_sequence = 6, bit_rate_hz = 50.0 }"), &["`it`", "50"]),
        (speller.to_owned(), &["`it`", "show the same"]),
        ("[stimulus.it.text]\ntext = \"A\"\nletter_deg = 1.0".to_owned(), &["`it`", "it needs a colour"]),
    ];
    for (stimulus, said) in cases {
        let path = protocol(folder.path(), &stimulus, "it", 1.0);
        run(["check", text(&path)], 60.0).expect(2).says(said);
    }
}

/// The red of this rig is nearly as bright as its grey, so that red and grey in turn are no flash of luminance.
#[test]
fn a_red_flicker_is_refused_by_its_own_rule_before_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let rig = folder.path().join("rig.toml");
    let primaries = "[screen.primaries]\nred_xy = [0.64, 0.33]\nred_cd_m2 = 50.0\ngreen_xy = [0.3, 0.6]\n\
        green_cd_m2 = 50.0\nblue_xy = [0.15, 0.06]\nblue_cd_m2 = 20.0\n";
    let simulated = fs::read_to_string(root().join("protocols/simulated-rig.toml")).unwrap();
    fs::write(&rig, format!("{simulated}{primaries}")).unwrap();
    let check = |rgb: &str| {
        let stimulus = format!(
            "[stimulus.it.shape]\nscreen = true\ncolour = {{ rgb = {rgb} }}\n\
             flicker = {{ on_off_hz = 15.0, waveform = \"square\" }}"
        );
        let path = protocol(folder.path(), &stimulus, "it", 1.0);
        let full = fs::read_to_string(&path).unwrap().replace("contrast = 0.8", "contrast = 1.0");
        fs::write(&path, full).unwrap();
        let said = |more: &[&str]| {
            run([&["check", text(&path), "--rig", text(&rig)], more].concat(), 60.0).expect(0)
        };
        (said(&[]).stdout, said(&["--json"]).json())
    };
    let (text, json) = check("[1.0, 0.0, 0.0]");
    assert!(text.contains("WCAG 2.2 passes") && text.contains("BT.1702-3 passes"), "{text}");
    assert!(text.contains("WCAG 2.2 red flash fails: 15 flashes"), "{text}");
    assert!(text.contains("BT.1702-3 saturated red fails: 15 flashes"), "{text}");
    assert!(text.contains("is refused: it at contrast 1"), "{text}");
    assert_eq!(
        (&json["flashes"][0]["passes"], &json["flashes"][0]["wcag_2_2"]["red_passes"]),
        (&false.into(), &false.into())
    );
    assert!(json["refused_in_front_of_a_person"].is_string(), "{json}");
    let (text, json) = check("[0.55, 0.44, 0.5]");
    assert!(!text.contains("refused") && json["flashes"][0]["passes"] == true, "{text}");
}

#[test]
fn a_flicker_is_repaired_where_the_protocol_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let stimulus = "[stimulus.it.shape]\nellipse_deg = [4.0, 4.0]\n\
        flicker = { on_off_hz = 7.3, waveform = \"square\", repair = true }";
    let path = protocol(folder.path(), stimulus, "it", 1.0);
    let said = run(["check", text(&path)], 60.0).expect(0).stdout;
    assert!(said.contains("repaired  stimulus `it`: on_off_hz 7.3 -> 7.5"), "{said}");
}

/// What only the screen can say against a stimulus, with the place of the stimulus; and keys that mean nothing.
#[test]
fn what_cannot_be_shown_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let disc = "[stimulus.it.shape]\nellipse_deg = [4.0, 4.0]\n";
    let flickers = |first: &str, second: &str| {
        let part = |name: &str, course: &str| {
            format!("[stimulus.{name}.shape]\nellipse_deg = [2.0, 2.0]\n{course}\n")
        };
        format!("{}{}[stimulus.it.together]\nof = [\"a\", \"b\"]", part("a", first), part("b", second))
    };
    let square =
        |hz: f64| format!("flicker = {{ on_off_hz = {hz:?}, waveform = \"square\", repair = true }}");
    let polar = "checks_around = 24\ndiameter_deg = 10.0\ninner_deg = 1.0";
    let speller = "[stimulus.it.speller]\nrows = [\"AB\"]\npitch_deg = [5.0, 5.0]\nletter_deg = 1.0\n\
        letter_colour = { rgb = [0.0, 0.0, 0.0] }\nshifted_code = { m_sequence = 6, bit_rate_hz = 60.0 }\n";
    image(&folder.path().join("ramp.png"), 8);
    let cases = [
        (format!("{disc}seen_s = [0.11, 0.5]"), "seen_s = 0.11 is 6.60 refreshes at 60 Hz"),
        (format!("{disc}seen_s = [0.1, 0.101]"), "no refresh lies between the two"),
        (flickers(&square(7.0), &square(7.5)), "`a` and `b` ask for different flickers or codes and come out the same"),
        (
            flickers(&square(15.0), "code = { bits = \"10\", bit_rate_hz = 30.0 }"),
            "`a` and `b` ask for different flickers or codes and come out the same",
        ),
        (
            "[stimulus.it.filtered_noise]\nsize_deg = 170.0\nexponent = 1.0\ncontrast_rms = 0.2\nframes = 256\n\
             renew_hz = 10.0\nseed = 1"
                .into(),
            "size_deg = 170 is 13099 px",
        ),
        (
            "[stimulus.it.spokes]\nspokes = 100\nphase_deg = 0.0\ndiameter_deg = 10.0\nedge_deg = 0.0".into(),
            "at most 78 spokes",
        ),
        (
            format!("[stimulus.it.radial_checkerboard]\nring_deg = 1.0\n{}", polar.replace("24", "300")),
            "checks_around = 300: a check has 1.05 px",
        ),
        (
            format!("[stimulus.it.radial_checkerboard]\nring_deg = 1.0\n{polar}\nrotation_hz = 5.0"),
            "rotation_hz = 5 takes a pattern that is the same 12 times around",
        ),
        (
            "[stimulus.it.bar]\nwidth_deg = 3.0\nlength_deg = 20.0\ncheck_deg = 1.0\ndirection_deg = 0.0\n\
             travel_deg = 20.0\nsweep_s = 0.05"
                .into(),
            "sweep_s = 0.05: with travel_deg = 20 the bar goes 101.0 px per refresh",
        ),
        (disc.replace("4.0, 4.0", "0.05, 0.05"), "it is 0.50 px wide on this screen"),
        (disc.replace("4.0, 4.0", "180.0, 4.0"), "a number above 0, at most 170 deg"),
        (
            "[stimulus.it.image]\nfile = \"ramp.png\"\nwidth_deg = 2.0\ntransfer = \"srgb\"\ncolour = { rgb = [1.0, 0.0, 0.0] }"
                .into(),
            "colour: the colours of an image are its own",
        ),
        (format!("{speller}box_deg = [6.0, 4.0]"), "boxes would lie on each other"),
        (format!("{speller}box_deg = [4.0, 4.0]\n{}", square(7.5)), "flicker: each of its targets has a course"),
        ("[stimulus.it.shape]\ncross_deg = [1.0, 2.0]".into(), "no wider than they are long"),
    ];
    for (stimuli, says) in cases {
        let path = protocol(folder.path(), &stimuli, "it", 1.0);
        let ended = run(["check", text(&path)], 60.0).expect(2);
        ended.says(&[says, "protocol.toml:"]);
    }
    // Parts that ask for the same mean it; a text that is too wide for the screen is told.
    let stimuli = flickers(&square(7.5), &square(7.5))
        + "\n[stimulus.wide.text]\ntext = \"abcdefghijkl\"\nletter_deg = 6.0\n\
        colour = { rgb = [0.0, 0.0, 0.0] }";
    let said = run(["check", text(&protocol(folder.path(), &stimuli, "it", 1.0))], 60.0).expect(0).stdout;
    assert!(said.contains("targets 1 and 2 show the same") || said.contains("target 1 to 2"), "{said}");
    assert_eq!(said.matches("cut off by the edge of the screen").count(), 1, "{said}");
}

/// A movie is as long as the adapter has layers, not as the defaults of a library.
#[test]
fn a_movie_of_ten_seconds_is_shown() {
    let Some(()) = vulkan_is_there() else { return };
    let folder = tempfile::tempdir().unwrap();
    image(&folder.path().join("ramp.png"), 8);
    let files = vec!["\"ramp.png\""; 600].join(", ");
    let stimulus = format!(
        "[stimulus.it.sequence]\nfiles = [{files}]\nwidth_deg = 0.8\ntransfer = \"srgb\"\nrate_hz = 60.0\nrepeat = false"
    );
    let path = protocol(folder.path(), &stimulus, "it", 1.0);
    let out = folder.path().join("frame.png");
    run(["render", text(&path), "--trial", "it", "--frame", "599", "--out", text(&out)], 60.0).expect(0);
}

/// A colour that an eye's glass takes away whole.
#[test]
fn what_an_eye_cannot_see_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rig = folder.path().join("rig.toml");
    let simulated = fs::read_to_string(root().join("protocols/simulated-rig.toml")).unwrap();
    fs::write(&rig, format!("{simulated}stereo = \"anaglyph\"\n")).unwrap();
    let check = |eye: &str, code: i32| {
        let stimulus = format!(
            "[stimulus.it.grating]\nsf_cpd = 1.0\norientation_deg = 0.0\nphase_deg = 0.0\ndiameter_deg = 6.0\n\
             edge_deg = 0.0\ncolour = {{ rgb = [0.0, 1.0, 0.0] }}\neye = \"{eye}\""
        );
        let path = protocol(folder.path(), &stimulus, "it", 1.0);
        run(["check", text(&path), "--rig", text(&rig)], 60.0).expect(code)
    };
    check("right", 0);
    check("left", 2).says(&["protocol.toml:6", "this eye sees nothing of the colour"]);
}

/// `photic check ... | head` ends the reader before the writer.
#[test]
fn a_reader_that_went_away_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = protocol(folder.path(), "[stimulus.it.shape]\nellipse_deg = [4.0, 4.0]", "it", 1.0);
    let unread = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let status = support::photic(["check", text(&path)]).stdout(unread()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let status = support::photic(["check", "nowhere.toml"]).stderr(unread()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
