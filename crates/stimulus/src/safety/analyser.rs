//! The rule over a sequence of frames before anything is shown: what `photic check` and the search for stimuli ask.

use super::geometry::{Geometry, SOLID_ANGLE_UNIT_SR};
use super::governor::{Bound, flag, flags_of, lasts, pattern_of};
use super::light::LightTables;
use super::rule::{Areas, Measured, Rule, Taken};
use super::{BT1702_AREA_FRACTION, WCAG_AREA_SR};
use crate::screen::Screen;

/// What one rule says of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FlashVerdict {
    /// The most flashes that any cell made within one second.
    pub max_flashes_per_s: u32,
    /// Flashes that the bound allows within one second.
    pub allowed_per_s: u32,
    /// The largest area that made more than those within the same second: sr within a 10 degree field (WCAG), part of the
    /// screen (BT.1702).
    pub area: f64,
    /// The bound of that area, in the same unit.
    pub area_allowed: f64,
    /// Whether the rule is kept.
    pub passes: bool,
}

/// What both standards say of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FlashReport {
    /// WCAG 2.2 general flash; `area` in sr.
    pub wcag: FlashVerdict,
    /// WCAG 2.2 red flash; `area` in sr.
    pub wcag_red: FlashVerdict,
    /// ITU-R BT.1702-3 luminance flash; `area` as a part of the screen.
    pub bt1702: FlashVerdict,
    /// ITU-R BT.1702-3 saturated red; `area` as a part of the screen.
    pub bt1702_red: FlashVerdict,
    /// The largest part of the screen that took part in a sequence of more than two flashes a second for longer than five
    /// seconds (BT.1702-3).
    pub extended_area: f64,
    /// The largest part of the screen in stripes (BT.1702-3).
    pub pattern_area: f64,
    /// Whether stripes were there for half a second over more of the screen than BT.1702-3 allows.
    pub pattern_lasts: bool,
    /// Whether there were such stripes, however short, whose cells had no change left to take them away.
    pub pattern_stays: bool,
}

impl FlashReport {
    /// Whether all four flash rules are kept. Patterns and extended sequences are reported beside them.
    pub fn passes(&self) -> bool {
        self.flashes().iter().all(|verdict| verdict.passes)
    }

    /// Whether every rule is kept.
    pub fn passes_all(&self) -> bool {
        self.keeps(&Bound::STANDARDS)
    }

    /// Whether every rule that binds is kept, of a sequence that was judged by this bound.
    pub fn keeps(&self, bound: &Bound) -> bool {
        let extended = self.extended_area > BT1702_AREA_FRACTION;
        let patterns = self.pattern_lasts || self.pattern_stays;
        self.passes() && !(bound.extended && extended) && !(bound.patterns && patterns)
    }

    /// The most flashes per second by any rule.
    pub fn max_flashes_per_s(&self) -> u32 {
        self.flashes().iter().map(|verdict| verdict.max_flashes_per_s).max().unwrap_or(0)
    }

    fn flashes(&self) -> [&FlashVerdict; 4] {
        [&self.wcag, &self.wcag_red, &self.bt1702, &self.bt1702_red]
    }
}

/// Watches a sequence of frames, given as cells of the whole screen.
pub struct FlashAnalyser {
    rule: Rule,
    screen: Screen,
    cells: Vec<[u32; 2]>,
    frame: u32,
    /// What the first frame is: a change from grey, or none.
    begins_grey: bool,
    /// A part of each area that is added to it, in hundredths.
    margin: u32,
    worst: Areas,
    flags: u32,
    pattern_since: u32,
    pattern_last: u32,
}

impl FlashAnalyser {
    /// Cells of equal size over the whole screen for frames that come as luminance: `columns` x `rows`. Use 4 or more per
    /// cycle of the finest pattern. The first frame is no change.
    pub fn prepare(screen: &Screen, columns: u32, rows: u32) -> Self {
        let geometry = Geometry::prepare(screen, [columns.max(1), rows.max(1)], 1);
        Self::of(screen, geometry, LightTables::of_luminance(screen), &Bound::STANDARDS)
    }

    fn of(screen: &Screen, geometry: Geometry, tables: LightTables, bound: &Bound) -> Self {
        let px_per_deg = screen.px_per_deg * f64::from(geometry.size[0]) / f64::from(screen.width_px);
        let rule = Rule::prepare(screen.refresh_hz, px_per_deg, tables, geometry, bound);
        Self {
            frame: rule.first_frame(),
            cells: vec![[0; 2]; rule.params.cells as usize],
            rule,
            screen: *screen,
            begins_grey: false,
            margin: 0,
            worst: Areas::default(),
            flags: 0,
            pattern_since: 0,
            pattern_last: 0,
        }
    }

    /// For what a screen of this light shows after grey; `margin` hundredths of each area are added to it.
    pub(super) fn of_light(
        screen: &Screen,
        geometry: &Geometry,
        tables: &LightTables,
        bound: &Bound,
        margin: u32,
    ) -> Self {
        Self { begins_grey: true, margin, ..Self::of(screen, geometry.clone(), tables.clone(), bound) }
    }

    /// The next frame: linear luminance 0..=1 of each cell, row-major. Does not allocate.
    ///
    /// # Panics
    /// When there is not one value per cell.
    pub fn push(&mut self, luminance: &[f64]) {
        assert_eq!(luminance.len(), self.cells.len(), "one value per cell");
        let white = self.rule.params.white;
        for (cell, &linear) in self.cells.iter_mut().zip(luminance) {
            *cell = [libm::round(1e3 * self.screen.luminance_cd_m2(linear)).max(0.0) as u32, white];
        }
        self.rule.measure_cells(&self.cells);
        self.judge();
    }

    /// A frame of packed pixels by rows, to be pushed here and wherever the geometry is the same.
    pub(super) fn measure_pixels(&mut self, pixels: &[u32]) -> Measured {
        self.rule.measure(pixels);
        self.rule.measured()
    }

    /// The same of luminance in mcd/m2 and chromaticity of each cell, where cells are pixels.
    pub(super) fn measure_cells(&mut self, cells: &[[u32; 2]]) -> Measured {
        self.rule.measure_cells(cells);
        self.rule.measured()
    }

    /// The next frame.
    pub(super) fn push_measured(&mut self, measured: &Measured) {
        self.rule.take_measured(measured);
        self.judge();
    }

    /// As the governor would, of candidates that all were shown.
    fn judge(&mut self) {
        if self.frame == self.rule.first_frame() && !self.begins_grey {
            self.rule.begin_with_measured();
        }
        let mut areas = self.rule.judge(self.frame);
        self.rule.commit(self.frame, Taken::Judged);
        let params = &self.rule.params;
        areas.widen(self.margin, params.total_px);
        let pattern = pattern_of(&areas, params);
        if pattern {
            let alive = self.frame - self.pattern_last <= params.pattern_frames;
            self.pattern_since = if alive { self.pattern_since } else { self.frame };
            self.pattern_last = self.frame;
        }
        let lasting = pattern && lasts(self.frame, self.pattern_since, params);
        self.flags |= flags_of(&areas, params, lasting, pattern);
        self.worst = self.worst.most(&areas);
        self.frame += 1;
    }

    /// The worst of everything pushed so far.
    pub fn worst(&self) -> FlashReport {
        let params = &self.rule.params;
        let part = |px: u32| f64::from(px) / f64::from(params.total_px);
        let verdict = |most: u32, area: f64, area_allowed: f64, flag: u32| FlashVerdict {
            max_flashes_per_s: most.div_ceil(2),
            allowed_per_s: params.allowed / 2,
            area,
            area_allowed,
            passes: self.flags & flag == 0,
        };
        let in_sr =
            |most, area: u32, flag| verdict(most, f64::from(area) * SOLID_ANGLE_UNIT_SR, WCAG_AREA_SR, flag);
        let on_screen = |most, px, flag| verdict(most, part(px), BT1702_AREA_FRACTION, flag);
        let worst = &self.worst;
        FlashReport {
            wcag: in_sr(worst.most_general, worst.general, flag::WCAG_GENERAL),
            wcag_red: in_sr(worst.most_red, worst.red, flag::WCAG_RED),
            bt1702: on_screen(worst.most_luminance, worst.luminance_px, flag::BT_LUMINANCE),
            bt1702_red: on_screen(worst.most_red, worst.red_px, flag::BT_RED),
            extended_area: part(worst.extended_px),
            pattern_area: part(worst.pattern_px),
            pattern_lasts: self.flags & flag::BT_PATTERN != 0,
            pattern_stays: self.flags & flag::RESERVE != 0,
        }
    }
}
