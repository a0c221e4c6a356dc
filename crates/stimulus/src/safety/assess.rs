//! A scene by the rule, before it is shown: the twin's frames as the display would encode them.

use super::analyser::{FlashAnalyser, FlashReport};
use super::geometry::Geometry;
use super::governor::Bound;
use super::light::{LightTables, pack};
use super::rule::Measured;
use super::{EXTENDED_FLASHES_PER_S, EXTENDED_S, PATTERN_S};
use crate::element::{Course, Moment, Now};
use crate::light::Light;
use crate::retina::cell_for;
use crate::scene::Scene;
use crate::screen::Screen;
use crate::sheet::{Content, Sheets};
use crate::twin::Twin;

/// They see every second of a flicker of 1 Hz or more.
const SECONDS: f64 = 2.0;

/// What comes later is left to the governor.
const LONGEST_S: f64 = 12.0;

/// Hundredths that are added to an area that is counted by samples.
const MARGIN: u32 = 5;

/// Pixels along a side of a cell that are looked at, at most.
const MOST_PIXELS: u32 = 4;

/// Frames that are remembered, because a flicker shows the same few again and again.
const MOST_KEPT: usize = 64;

/// The screen's light, as the governor is given it.
#[derive(Debug, Clone, Copy)]
pub struct Lit<'a> {
    /// The screen.
    pub screen: &'a Screen,
    /// Linear light to code values.
    pub light: &'a Light,
    /// Code values to light.
    pub tables: &'a LightTables,
}

/// Runs the rules over a scene that comes out of grey at a constant contrast, by each of these bounds: over two seconds, and as
/// long before that as something new comes (the frames of a movie, one approach of what looms, one round of a code); twelve
/// seconds at most. Where flashes of more than two a second keep the bound, they are six at least, because flashes may not last.
/// A picture is taken at its worst: white and black in turn. The reports are in the order of the bounds.
///
/// The frames are those that the governor would be given, to the bit. Where a pattern is coarse, not all of each are looked
/// at: cells of the governor's size then stand so far apart that 4 or more come to a cycle of the finest pattern, and 64 or
/// more to the screen's shorter side, and what they say of an area is widened by a twentieth.
pub fn assess(
    scene: &Scene,
    sheets: &Sheets,
    contrast: f64,
    lit: &Lit<'_>,
    bounds: &[Bound],
) -> Vec<FlashReport> {
    // Nobody knows yet what will be in a picture. Nothing flashes more, or on a larger area, than all of it at once.
    let texels = scene.picture_sheet().map_or(0, |(_, sheet)| (sheet.width * sheet.height) as usize);
    let picture = vec![1.0; texels];
    let content = Content { sheets, picture: &picture };
    let frames = |seconds: f64| (seconds * lit.screen.refresh_hz).ceil().max(1.0) as u64;
    let news = scene.courses.iter().map(Course::news).max().unwrap_or(0);
    // What stands still can only be a pattern that lasts.
    let settles = scene.courses.iter().all(Course::settles);
    let more = frames(if settles { 1.2 * PATTERN_S } else { SECONDS });
    let first = (news + more).min(frames(LONGEST_S));
    let longer = first.max(frames(f64::from(EXTENDED_S + 1)));

    let mut look = Look::prepare(scene, lit);
    let analyser =
        |bound| FlashAnalyser::of_light(lit.screen, &look.geometry, lit.tables, bound, look.margin);
    let mut analysers: Vec<FlashAnalyser> = bounds.iter().map(analyser).collect();
    let mut going: Vec<&mut FlashAnalyser> = analysers.iter_mut().collect();
    let mut watch = |going: &mut [&mut FlashAnalyser], from: u64, to: u64| {
        (from..to).for_each(|frame| look.push(scene, &content, &Moment::new(frame, contrast), lit, going));
    };
    watch(&mut going, 0, first);
    let may_last = |report: &FlashReport, bound: &Bound| {
        report.keeps(bound) && report.max_flashes_per_s() > EXTENDED_FLASHES_PER_S
    };
    let mut bound = bounds.iter();
    going.retain(|analyser| bound.next().is_some_and(|bound| may_last(&analyser.worst(), bound)));
    if !going.is_empty() {
        watch(&mut going, first, longer);
    }
    analysers.iter().map(FlashAnalyser::worst).collect()
}

/// What of each frame is looked at: the pixels where `columns` and `rows` of the screen meet.
struct Look {
    columns: Vec<u32>,
    rows: Vec<u32>,
    /// So many of them in a row and in a column are a cell; 0 where they are all pixels, and the governor's cells.
    side: usize,
    twin: Twin,
    pixels: Vec<u32>,
    cells: Vec<[u32; 2]>,
    geometry: Geometry,
    /// Hundredths that are added to an area.
    margin: u32,
    nows: Vec<Now>,
    kept: Vec<(Vec<Now>, Measured)>,
}

impl Look {
    fn prepare(scene: &Scene, lit: &Lit<'_>) -> Self {
        let screen = lit.screen;
        let exact = Geometry::of_screen(screen);
        // One sample for each cell of noise would make stripes of one, two and three samples: alike, but for rounding.
        let irregular = scene.elements.iter().any(|element| element.pattern.is_irregular());
        let spacing = cell_for(std::slice::from_ref(scene), screen);
        let spacing = if irregular { (spacing / 4).max(1) } else { spacing };
        let (side, columns, rows, geometry, margin) = if spacing <= exact.cell {
            let all = |size| (0..size).collect::<Vec<u32>>();
            (0, all(screen.width_px), all(screen.height_px), exact, 0)
        } else {
            let side = exact.cell.min(MOST_PIXELS);
            let along = |size: u32| sampled(size, spacing, exact.cell, side);
            let (columns, rows) = (along(screen.width_px), along(screen.height_px));
            let size = [&columns, &rows].map(|pixels| pixels.len() as u32 / side);
            (side as usize, columns, rows, Geometry::prepare(screen, size, 1), MARGIN)
        };
        let pixels = columns.len() * rows.len();
        Self {
            twin: Twin::sampled(columns.clone(), rows.clone(), scene.courses.len()),
            pixels: vec![0; pixels],
            cells: vec![[0; 2]; pixels.checked_div(side * side).unwrap_or(0)],
            geometry,
            margin,
            nows: vec![Now::NONE; scene.courses.len()],
            kept: Vec::new(),
            columns,
            rows,
            side,
        }
    }

    /// Draws a frame, or finds one that was the same, and measures it once for all.
    fn push(
        &mut self,
        scene: &Scene,
        content: &Content<'_>,
        moment: &Moment,
        lit: &Lit<'_>,
        analysers: &mut [&mut FlashAnalyser],
    ) {
        scene.courses_at(moment, &mut self.nows);
        if let Some((_, measured)) = self.kept.iter().find(|(nows, _)| *nows == self.nows) {
            return analysers.iter_mut().for_each(|analyser| analyser.push_measured(measured));
        }
        let Some(first) = analysers.first_mut() else { return };
        let light = self.twin.render(scene, moment, content);
        let width = self.columns.len();
        for (place, (pixel, light)) in self.pixels.iter_mut().zip(light).enumerate() {
            let at = [self.columns[place % width], self.rows[place / width]];
            *pixel = pack(lit.light.encode(light.map(|part| part as f32), at, moment.frame));
        }
        let measured = if self.side == 0 {
            first.measure_pixels(&self.pixels)
        } else {
            self.measure(lit.tables);
            first.measure_cells(&self.cells)
        };
        analysers.iter_mut().for_each(|analyser| analyser.push_measured(&measured));
        // The dither is another in each frame.
        if lit.light.dither().is_none() && self.kept.len() < MOST_KEPT {
            self.kept.push((self.nows.clone(), measured));
        }
    }

    /// Luminance and chromaticity of each cell, as the governor measures them.
    fn measure(&mut self, tables: &LightTables) {
        let (width, side) = (self.columns.len(), self.side);
        for (cell, values) in self.cells.iter_mut().enumerate() {
            let (left, top) = (cell % (width / side) * side, cell / (width / side) * side);
            let (mut luminance, mut linear) = (0, [0; 3]);
            for line in (top..top + side).map(|row| row * width + left) {
                for &pixel in &self.pixels[line..line + side] {
                    luminance += tables.luminance(pixel);
                    let more = tables.linear(pixel);
                    linear.iter_mut().zip(more).for_each(|(sum, value): (&mut u32, _)| *sum += value);
                }
            }
            let pixels = (side * side) as u32;
            *values = [luminance / pixels, tables.chromaticity().of(linear.map(|sum| sum / pixels))];
        }
    }
}

/// Pixels along a side of the screen: `side` of each cell of `cell` px, one of which stands in the middle of about every
/// `spacing` px.
fn sampled(size: u32, spacing: u32, cell: u32, side: u32) -> Vec<u32> {
    let cells = (size / spacing).max(1);
    let first = |index: u32| ((2 * index + 1) * size / (2 * cells)).saturating_sub(cell / 2);
    (0..cells)
        .flat_map(|index| (0..side).map(move |pixel| first(index) + pixel * cell / side))
        .map(|px| px.min(size - 1))
        .collect()
}
