//! A window on an X server without a screen: what a person would see, as a picture.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::process::Command;
use std::time::Duration;

use recording::RecordedSession;
use support::xvfb::{HEIGHT, WIDTH, is_lit, picture, x_server};
use support::*;
use timeline::OnsetClass;

/// Where the window is: the smallest box around everything that is not the black root.
fn window_of(levels: &[u8]) -> (usize, usize, usize, usize) {
    let lit = |x: usize, y: usize| levels[y * WIDTH + x] > 40;
    let columns: Vec<usize> = (0..WIDTH).filter(|&x| (0..HEIGHT).any(|y| lit(x, y))).collect();
    let rows: Vec<usize> = (0..HEIGHT).filter(|&y| (0..WIDTH).any(|x| lit(x, y))).collect();
    (columns[0], rows[0], columns[columns.len() - 1] + 1, rows[rows.len() - 1] + 1)
}

/// Mean and standard deviation of a part of the picture.
fn spread(levels: &[u8], x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> (f64, f64) {
    let part: Vec<f64> = y.flat_map(|y| x.clone().map(move |x| f64::from(levels[y * WIDTH + x]))).collect();
    let mean = part.iter().sum::<f64>() / part.len() as f64;
    let variance = part.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / part.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn a_window_shows_the_grating_and_the_patch() {
    let Some(()) = vulkan_is_there() else { return };
    let Some((_server, display)) = x_server() else { return };
    let out = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        THERMOSTAT,
        "--display",
        "window",
        "--participant",
        "nominal",
        "--in-process",
        "--seconds",
        "8",
    ];
    let mut command = photic(arguments);
    let process = Process::start(command.args(["--json", "--out"]).arg(out.path()).env("DISPLAY", &display));
    let looks = tempfile::tempdir().unwrap();
    wait_until(60.0, "the window", || is_lit(&display, looks.path()));
    std::thread::sleep(Duration::from_millis(1500));
    // The grating changes sign 15 times a second and is grey in between, the patch is white in half of its frames.
    let pictures: Vec<Vec<u8>> = (0..10)
        .map(|index| {
            std::thread::sleep(Duration::from_millis(37));
            picture(&display, &looks.path().join(index.to_string()))
        })
        .collect();
    let summary = process.end(60.0).expect(0).json();
    eprintln!("{summary}");

    let (left, top, right, bottom) = window_of(&pictures[0]);
    assert_eq!((right - left, bottom - top), (320, 240), "the window is as large as the rig says");
    let (x, y) = ((left + right) / 2, (top + bottom) / 2);
    let centre = |levels: &Vec<u8>| spread(levels, x - 25..x + 25, y - 25..y + 25);
    let (best, (mean, strongest)) =
        pictures.iter().map(centre).enumerate().max_by(|one, other| one.1.1.total_cmp(&other.1.1)).unwrap();
    if let Some(keep) = std::env::var_os("PHOTIC_KEEP_PICTURE") {
        let from = looks.path().join(format!("{best}.gray"));
        let size = format!("{WIDTH}x{HEIGHT}");
        let raw = format!("gray:{}", from.display());
        output(Command::new("convert").args(["-size", &size, "-depth", "8", &raw]).arg(keep), 20.0);
    }
    assert!(
        strongest > 15.0,
        "in no picture is there a grating: at most {strongest:.1} of 255 around {mean:.1}"
    );
    // Contrast 0.6 at gamma 2.2, grey at 0.5 of the linear range: 186 of 255.
    assert!((150.0..210.0).contains(&mean), "mean level of the grating is {mean:.1}");
    for levels in &pictures {
        let (corner, flat) = spread(levels, left + 4..left + 40, top + 4..top + 40);
        assert!(
            flat < 1.0 && (180.0..192.0).contains(&corner),
            "beside the grating is neutral grey: {corner:.1} {flat:.1}"
        );
    }
    // The patch stands in the lower right corner, and is black or white as a whole.
    let patch = |levels: &Vec<u8>| spread(levels, right - 16..right - 3, bottom - 16..bottom - 3);
    let seen: Vec<(f64, f64)> = pictures.iter().map(patch).collect();
    assert!(seen.iter().all(|&(mean, flat)| flat < 1.0 && !(5.0..250.0).contains(&mean)), "{seen:?}");
    assert!(seen.iter().any(|seen| seen.0 > 250.0) && seen.iter().any(|seen| seen.0 < 5.0), "{seen:?}");

    let folder = session_folder(&summary);
    let session = RecordedSession::open(&folder).unwrap();
    let shown = session.meta.display.as_ref().unwrap();
    assert_eq!((shown.mode.as_str(), shown.width_px, shown.height_px), ("window", 320, 240));
    assert!(!shown.adapter.is_empty());
    assert!(session.flips.len() > 60 && session.flips.iter().all(|flip| flip.class != OnsetClass::Simulated));
    assert!(session.flips.iter().any(|flip| flip.contrast > 0.5));
    assert!(
        session.latents.iter().any(|latent| latent.contrast_seen > 0.2),
        "the participant sees the window's frames"
    );
    replays(&folder);
}

#[test]
fn a_window_that_does_not_wait_for_its_screen_is_refused_where_the_rig_says_so() {
    let Some(()) = vulkan_is_there() else { return };
    let Some((_server, display)) = x_server() else { return };
    let out = tempfile::tempdir().unwrap();
    let rig = out.path().join("rig.toml");
    let simulated = std::fs::read_to_string(root().join("protocols/simulated-rig.toml")).unwrap();
    std::fs::write(&rig, format!("{simulated}\n[sync]\nmust_wait = true\n")).unwrap();
    let mut command =
        photic(["run", THERMOSTAT, "--display", "window", "--participant", "nominal", "--in-process"]);
    command.args(["--seconds", "2", "--rig"]).arg(&rig).arg("--out").arg(out.path()).env("DISPLAY", &display);
    let ended = Process::start(&mut command).end(60.0).expect(2);
    ended.says(&["presents do not wait for the screen", "a refresh takes 16.667 ms", "measured: "]);
    assert!(recording_below(out.path()).is_none(), "nothing was begun");
}
