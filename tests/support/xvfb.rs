//! An X server without a screen, and what a person would see on it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Process, output, program_is_there, skip};

/// The X server's screen; larger than the rig's 320 x 240.
pub const WIDTH: usize = 800;
pub const HEIGHT: usize = 600;

/// An X server of our own and its display. It finds a free number itself and says it once it listens: tests that each
/// looked for one could find the same. It does not start afresh when its last client leaves, or a next client that
/// comes at that moment would be turned away.
pub fn x_server() -> Option<(Process, String)> {
    if !program_is_there("Xvfb") {
        return skip("no Xvfb");
    }
    if !program_is_there("import") {
        return skip("no `import` (ImageMagick) to take a picture of the screen");
    }
    let mut command = Command::new("Xvfb");
    let screen = format!("{WIDTH}x{HEIGHT}x24");
    command.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp", "-ac", "-noreset"]);
    let mut server = Process::start(&mut command);
    server.says("\n", 60.0);
    let display = format!(":{}", server.said().trim());
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
