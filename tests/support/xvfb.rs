//! An X server without a screen, and what a person would see on it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Process, output, program_is_there, skip, wait_until};

/// The X server's screen; larger than the rig's 320 x 240.
pub const WIDTH: usize = 800;
pub const HEIGHT: usize = 600;

/// An X server of our own at the first free number.
pub fn x_server() -> Option<(Process, String)> {
    if !program_is_there("Xvfb") {
        return skip("no Xvfb");
    }
    if !program_is_there("import") {
        return skip("no `import` (ImageMagick) to take a picture of the screen");
    }
    let number = (90..190).find(|number| {
        !Path::new(&format!("/tmp/.X{number}-lock")).exists()
            && !Path::new(&format!("/tmp/.X11-unix/X{number}")).exists()
    })?;
    let display = format!(":{number}");
    let mut command = Command::new("Xvfb");
    command.args([&display, "-screen", "0", &format!("{WIDTH}x{HEIGHT}x24"), "-nolisten", "tcp", "-ac"]);
    let server = Process::start(&mut command);
    wait_until(20.0, "the X server", || Path::new(&format!("/tmp/.X11-unix/X{number}")).exists());
    Some((server, display))
}

/// The screen as grey levels 0..=255, row after row; they stay in `file`.gray.
pub fn picture(display: &str, file: &Path) -> Vec<u8> {
    let mut command = Command::new("import");
    let out = file.with_extension("gray");
    let raw = format!("gray:{}", out.display());
    output(
        command.args(["-display", display, "-window", "root", "-depth", "8", "-colorspace", "Gray", &raw]),
        20.0,
    );
    let levels = fs::read(&out).unwrap();
    assert_eq!(levels.len(), WIDTH * HEIGHT);
    levels
}

/// Whether anything is on the screen.
pub fn is_lit(display: &str, folder: &Path) -> bool {
    picture(display, &folder.join("look")).iter().any(|&level| level > 40)
}
