//! The CPU twin of the shaders: the same frame, pixel by pixel, in f64.

use crate::scene::{MEAN_LUMINANCE, Patch, Scene};
use crate::screen::Screen;

/// Renders a frame in linear light into `out`, row-major, `width_px * height_px` values of 0..=1, with the patch.
///
/// # Panics
/// When `out` has another length: that is a mistake of the caller, not of the input.
pub fn render(scene: &Scene, frame: u64, contrast: f64, patch: &Patch, screen: &Screen, out: &mut [f32]) {
    render_with(scene, &[], frame, contrast, patch, screen, out);
}

/// The same with the pattern of a picture.
///
/// # Panics
/// As [`render`].
pub fn render_with(
    scene: &Scene,
    texels: &[f32],
    frame: u64,
    contrast: f64,
    patch: &Patch,
    screen: &Screen,
    out: &mut [f32],
) {
    let width = screen.width_px as usize;
    assert_eq!(out.len(), width * screen.height_px as usize, "out must have width x height values");
    let patch_luminance = if scene.patch_is_white(frame) { 1.0 } else { 0.0 };
    // The modulation holds for the whole frame; only the pattern differs between pixels.
    let amplitude = contrast * scene.modulation(frame);
    for (row, line) in out.chunks_exact_mut(width).enumerate() {
        for (column, pixel) in line.iter_mut().enumerate() {
            *pixel = if patch.covers(column as u32, row as u32) {
                patch_luminance
            } else {
                let pattern = scene.pattern(texels, column as f64 + 0.5, row as f64 + 0.5);
                (MEAN_LUMINANCE * (1.0 + amplitude * pattern)) as f32
            };
        }
    }
}

/// The 8-bit code whose light on a screen with `light = code^gamma` is nearest to a linear luminance.
pub fn encode(linear: f64, gamma: f64) -> u8 {
    let code = libm::pow(linear.clamp(0.0, 1.0), 1.0 / gamma);
    // round() of 0..=255 fits by construction
    libm::round(code * 255.0) as u8
}
