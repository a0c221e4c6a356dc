//! The CPU twin of the shaders: the same frame, pixel by pixel, in f64.

use crate::Moment;
use crate::element::{Element, Now, Paint, Pattern};
use crate::scene::{MEAN_LUMINANCE, Patch, Scene};
use crate::screen::Screen;
use crate::sheet::Content;

/// Renders frames of scenes in linear light. Prepared once; a frame allocates nothing.
#[derive(Debug, Clone)]
pub struct Twin {
    columns: Vec<u32>,
    rows: Vec<u32>,
    nows: Vec<Now>,
    light: Vec<[f64; 3]>,
}

impl Twin {
    /// For scenes of this screen with at most this many courses.
    pub fn prepare(screen: &Screen, courses: usize) -> Self {
        Self::sampled((0..screen.width_px).collect(), (0..screen.height_px).collect(), courses)
    }

    /// The same for those pixels alone where these columns and rows meet; both ascend.
    pub fn sampled(columns: Vec<u32>, rows: Vec<u32>, courses: usize) -> Self {
        let pixels = columns.len() * rows.len();
        Self { columns, rows, nows: vec![Now::NONE; courses], light: vec![[MEAN_LUMINANCE; 3]; pixels] }
    }

    /// Linear light of red, green and blue of each pixel, row-major, without the photodiode patch. Like the texture that the
    /// shaders draw to, it is not clamped: only the screen's codes are.
    pub fn render(&mut self, scene: &Scene, moment: &Moment, content: &Content<'_>) -> &[[f64; 3]] {
        self.light.fill([MEAN_LUMINANCE; 3]);
        let courses = scene.courses.len();
        if self.nows.len() < courses {
            self.nows.resize(courses, Now::NONE);
        }
        scene.courses_at(moment, &mut self.nows);
        let width = self.columns.len();
        for element in &scene.elements {
            let Some(now) = self.nows.get(element.course).filter(|now| now.is_seen()) else { continue };
            let [left, top, right, bottom] = element.bounds_px(now);
            // A pixel belongs to it by its centre.
            let within = |from: f64, to: f64, pixels: &[u32]| {
                pixels.partition_point(|&px| f64::from(px) + 0.5 < from)
                    ..pixels.partition_point(|&px| f64::from(px) + 0.5 <= to)
            };
            let across = within(left, right, &self.columns);
            for row in within(top, bottom, &self.rows) {
                for column in across.clone() {
                    let at = [self.columns[column], self.rows[row]].map(|px| f64::from(px) + 0.5);
                    paint(element, now, content, at, &mut self.light[row * width + column]);
                }
            }
        }
        &self.light
    }
}

/// What an element makes of the light of one point.
fn paint(element: &Element, now: &Now, content: &Content<'_>, [x_px, y_px]: [f64; 2], light: &mut [f64; 3]) {
    let Some(point) = element.local(now, x_px, y_px) else { return };
    let window = element.aperture.at(point.u, point.v, now.scale);
    if window == 0.0 {
        return;
    }
    let (added, opacity) = match (&element.pattern, &element.paint) {
        (Pattern::Image(sheet), _) => {
            let [r, g, b, a] = content.colour(sheet, now.layer, point.u, point.v);
            let contrast = |light: f64| MEAN_LUMINANCE + now.amplitude * (light - MEAN_LUMINANCE);
            ([r, g, b].map(contrast), a * window * now.opacity)
        }
        (pattern, Paint::Modulate(direction)) => {
            let change =
                MEAN_LUMINANCE * now.amplitude * now.opacity * pattern.at(&point, now, content) * window;
            (direction.map(|part| part * change), 0.0)
        }
        (pattern, Paint::Cover { low, high }) => {
            let part = 0.5 * (1.0 + now.amplitude * pattern.at(&point, now, content));
            let mixed = [0, 1, 2].map(|channel| low[channel] + part * (high[channel] - low[channel]));
            (mixed, window * now.opacity)
        }
        (pattern, Paint::Stencil(colour)) => {
            let seen = pattern.at(&point, now, content) * now.amplitude.abs() * now.opacity;
            (*colour, window * seen)
        }
    };
    let covers = !matches!(element.paint, Paint::Modulate(_)) || element.is_image();
    for channel in 0..3 {
        if element.channels[channel] {
            let below = light[channel];
            light[channel] = if covers {
                opacity * added[channel] + (1.0 - opacity) * below
            } else {
                below + added[channel]
            };
        }
    }
}

/// Renders a frame in linear light into `out`, row-major, `width_px * height_px` values of 0..=1, with the patch: the green
/// channel, which is the luminance of everything achromatic.
///
/// # Panics
/// When `out` has another length: that is a mistake of the caller, not of the input.
pub fn render(
    scene: &Scene,
    content: &Content<'_>,
    moment: &Moment,
    patch: &Patch,
    screen: &Screen,
    out: &mut [f32],
) {
    let width = screen.width_px as usize;
    assert_eq!(out.len(), width * screen.height_px as usize, "out must have width x height values");
    let mut twin = Twin::prepare(screen, scene.courses.len());
    let patch_luminance = if scene.patch_is_white(moment) { 1.0 } else { 0.0 };
    let light = twin.render(scene, moment, content);
    for (place, (pixel, light)) in out.iter_mut().zip(light).enumerate() {
        let covered = patch.covers((place % width) as u32, (place / width) as u32);
        *pixel = if covered { patch_luminance } else { light[1].clamp(0.0, 1.0) as f32 };
    }
}
