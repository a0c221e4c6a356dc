//! The rule over a sequence of luminance images: what `photic check` and the search for stimuli ask before anything is
//! shown.

use super::geometry::{Geometry, SOLID_ANGLE_UNIT_SR};
use super::governor::{Bound, flag, flags_of, pattern_of};
use super::light::LightTables;
use super::rule::{Areas, Rule, Taken};
use super::{BT1702_AREA_FRACTION, EXTENDED_FLASHES_PER_S, EXTENDED_S, WCAG_AREA_SR};
use crate::element::Moment;
use crate::retina::{CELLS_PER_CYCLE, RetinaGrid, RetinaTemplate, cell_for};
use crate::scene::Scene;
use crate::screen::Screen;
use crate::sheet::Sheets;

/// What one rule says of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FlashVerdict {
    /// The most flashes that any cell made within one second.
    pub max_flashes_per_s: u32,
    /// The largest area that made more than three flashes within the same second: sr within a 10 degree field (WCAG),
    /// part of the screen (BT.1702).
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
    /// ITU-R BT.1702-3; `area` as a part of the screen.
    pub bt1702: FlashVerdict,
    /// The largest part of the screen that took part in a sequence of more than two flashes a second for longer than five
    /// seconds (BT.1702-3).
    pub extended_area: f64,
    /// The largest part of the screen in stripes (BT.1702-3).
    pub pattern_area: f64,
    /// Whether stripes were there for half a second over more of the screen than BT.1702-3 allows.
    pub pattern_lasts: bool,
}

impl FlashReport {
    /// Whether both flash rules are kept. Patterns and extended sequences are reported beside them.
    pub fn passes(&self) -> bool {
        self.wcag.passes && self.bt1702.passes
    }

    /// Whether every rule is kept.
    pub fn passes_all(&self) -> bool {
        self.passes() && self.extended_area <= BT1702_AREA_FRACTION && !self.pattern_lasts
    }

    /// The most flashes per second by either rule.
    pub fn max_flashes_per_s(&self) -> u32 {
        self.wcag.max_flashes_per_s.max(self.bt1702.max_flashes_per_s)
    }
}

/// Watches a sequence of frames, given as luminance cells of the whole screen.
pub struct FlashAnalyser {
    rule: Rule,
    screen: Screen,
    frame: u32,
    image: Vec<u32>,
    worst: Areas,
    most: [u32; 2],
    pattern_since: Option<u32>,
    pattern_last: u32,
    pattern_lasts: bool,
}

impl FlashAnalyser {
    /// Cells of equal size over the whole screen: `columns` x `rows`. Use 4 or more per cycle of the finest pattern.
    pub fn prepare(screen: &Screen, columns: u32, rows: u32) -> Self {
        let size = [columns.max(1), rows.max(1)];
        let geometry = Geometry::prepare(screen, size, 1);
        let px_per_deg = screen.px_per_deg * f64::from(size[0]) / f64::from(screen.width_px);
        let tables = LightTables::of_luminance(screen);
        let rule = Rule::prepare(screen.refresh_hz, px_per_deg, tables, geometry, &Bound::STANDARDS);
        Self {
            frame: rule.first_frame(),
            image: vec![0; rule.params.total_px as usize],
            rule,
            screen: *screen,
            worst: Areas::default(),
            most: [0; 2],
            pattern_since: None,
            pattern_last: 0,
            pattern_lasts: false,
        }
    }

    /// The next frame: linear luminance 0..=1 of each cell, row-major. Does not allocate.
    ///
    /// # Panics
    /// When there is not one value per cell.
    pub fn push(&mut self, luminance: &[f64]) {
        assert_eq!(luminance.len(), self.image.len(), "one value per cell");
        for (value, &linear) in self.image.iter_mut().zip(luminance) {
            *value = libm::round(1e3 * self.screen.luminance_cd_m2(linear)).max(0.0) as u32;
        }
        self.rule.measure_luminance(&self.image);
        if self.frame == self.rule.first_frame() {
            // Nothing was shown before: the first frame is no change.
            self.rule.begin_with_measured();
        }
        let areas = self.rule.judge(self.frame);
        self.rule.commit(self.frame, Taken::Judged);
        let worst = &mut self.worst;
        worst.general = worst.general.max(areas.general);
        worst.luminance_px = worst.luminance_px.max(areas.luminance_px);
        worst.extended_px = worst.extended_px.max(areas.extended_px);
        worst.pattern_px = worst.pattern_px.max(areas.pattern_px);
        self.most = [self.most[0].max(areas.most_general), self.most[1].max(areas.most_luminance)];
        self.watch_patterns(&areas);
        self.frame += 1;
    }

    fn watch_patterns(&mut self, areas: &Areas) {
        let params = &self.rule.params;
        if !pattern_of(areas, params) {
            return;
        }
        let alive = self.frame - self.pattern_last <= params.pattern_frames;
        let since = self.pattern_since.filter(|_| alive).unwrap_or(self.frame);
        self.pattern_since = Some(since);
        self.pattern_last = self.frame;
        self.pattern_lasts |= self.frame - since + 1 >= params.pattern_frames;
    }

    /// The worst of everything pushed so far.
    pub fn worst(&self) -> FlashReport {
        let params = &self.rule.params;
        let flags = flags_of(&self.worst, params, false, false);
        let part = |px: u32| f64::from(px) / f64::from(params.total_px);
        FlashReport {
            wcag: FlashVerdict {
                max_flashes_per_s: self.most[0].div_ceil(2),
                area: f64::from(self.worst.general) * SOLID_ANGLE_UNIT_SR,
                area_allowed: WCAG_AREA_SR,
                passes: flags & flag::WCAG_GENERAL == 0,
            },
            bt1702: FlashVerdict {
                max_flashes_per_s: self.most[1].div_ceil(2),
                area: part(self.worst.luminance_px),
                area_allowed: BT1702_AREA_FRACTION,
                passes: flags & flag::BT_LUMINANCE == 0,
            },
            extended_area: part(self.worst.extended_px),
            pattern_area: part(self.worst.pattern_px),
            pattern_lasts: self.pattern_lasts,
        }
    }
}

/// Runs the rules over `seconds` of a scene at a constant contrast, with cells of 4 or more per cycle of its pattern.
/// Two seconds see every second of a flicker of 1 Hz or more; where flashes of more than two a second keep the rules, six
/// are run, because they may not last. A picture is taken at its worst: white and black in turn.
pub fn assess(scene: &Scene, sheets: &Sheets, contrast: f64, seconds: f64, screen: &Screen) -> FlashReport {
    let cell_px = cell_for(std::slice::from_ref(scene), screen);
    let grid = RetinaGrid {
        cell_px,
        columns: (screen.width_px / cell_px).max(1),
        rows: (screen.height_px / cell_px).max(1),
        left_px: 0,
        top_px: 0,
    };
    debug_assert!(
        scene
            .highest_frequency_per_px()
            .is_none_or(|f| cell_px == 1 || f * f64::from(cell_px) * CELLS_PER_CYCLE <= 1.01)
    );
    let mut template = RetinaTemplate::prepare(scene, sheets, &grid, screen);
    if let Some((_, sheet)) = scene.picture_sheet() {
        // Nobody knows yet what will be in it. Nothing flashes more, or on a larger area, than all of it at once.
        template.load(&vec![1.0; (sheet.width * sheet.height) as usize]);
    }
    let mut analyser = FlashAnalyser::prepare(screen, grid.columns, grid.rows);
    let mut cells = vec![0.0; grid.cells()];
    let frames = |seconds: f64| (seconds * screen.refresh_hz).ceil().max(1.0) as u64;
    let mut run = |from: u64, to: u64| {
        for frame in from..to {
            template.frame(&Moment::new(frame, contrast), &mut cells);
            analyser.push(&cells);
        }
        analyser.worst()
    };
    let report = run(0, frames(seconds));
    if report.passes() && report.max_flashes_per_s() > EXTENDED_FLASHES_PER_S {
        run(frames(seconds), frames(f64::from(EXTENDED_S + 1)))
    } else {
        report
    }
}
