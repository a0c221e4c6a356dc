//! The photosensitivity rule: WCAG 2.2 general flash and ITU-R BT.1702-3, each by its own units and bounds.
//!
//! - WCAG 2.2, success criterion 2.3.1: a general flash is a pair of opposing changes of 10 % or more of the maximum
//!   relative luminance where the darker state is below 0.80. More than three within any second fail, unless the
//!   flashing area is at most 0.006 sr within any 10 degree field (25 % of a disc of 10 degrees).
//! - ITU-R BT.1702-3: changes of 20 cd/m2 or more where the darker state is below 160 cd/m2; more than three flashes
//!   within any second over more than 25 % of the screen fail.
//!
//! Both are applied cell by cell: a counterphase grating flashes everywhere though its mean is constant. Cells that
//! flash in the same second are counted together whatever their phase, which is the careful side. Red flash and
//! spatial patterns are not judged here.

mod area;
mod counter;

use area::FieldSearch;
use counter::FlashCounter;

use crate::element::Moment;
use crate::retina::{CELLS_PER_CYCLE, RetinaGrid, RetinaTemplate, cell_for};
use crate::scene::Scene;
use crate::screen::Screen;
use crate::sheet::Sheets;

/// Flashes that both rules allow within any second.
pub const FLASHES_ALLOWED: u32 = 3;

/// WCAG: smallest change, as a part of the maximum relative luminance.
pub const WCAG_CHANGE: f64 = 0.10;

/// WCAG: the darker state must be below this relative luminance for a change to count.
pub const WCAG_DARKER: f64 = 0.80;

/// WCAG: largest flashing area within any 10 degree field.
pub const WCAG_AREA_SR: f64 = 0.006;

/// WCAG: diameter of the field in which the area is taken.
pub const WCAG_FIELD_DEG: f64 = 10.0;

/// BT.1702: smallest change.
pub const BT1702_CHANGE_CD_M2: f64 = 20.0;

/// BT.1702: the darker state must be below this luminance for a change to count.
pub const BT1702_DARKER_CD_M2: f64 = 160.0;

/// BT.1702: largest flashing part of the screen.
pub const BT1702_AREA_FRACTION: f64 = 0.25;

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

/// What both rules say of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FlashReport {
    /// WCAG 2.2 general flash; `area` in sr.
    pub wcag: FlashVerdict,
    /// ITU-R BT.1702-3; `area` as a part of the screen.
    pub bt1702: FlashVerdict,
}

impl FlashReport {
    /// Whether both rules are kept.
    pub fn passes(&self) -> bool {
        self.wcag.passes && self.bt1702.passes
    }

    /// The most flashes per second by either rule.
    pub fn max_flashes_per_s(&self) -> u32 {
        self.wcag.max_flashes_per_s.max(self.bt1702.max_flashes_per_s)
    }
}

/// Watches a sequence of frames, given as luminance cells of the whole screen.
pub struct FlashAnalyser {
    screen: Screen,
    wcag: FlashCounter,
    bt1702: FlashCounter,
    field: FieldSearch,
    wcag_area_sr: f64,
    bt1702_area: f64,
}

impl FlashAnalyser {
    /// Cells of equal size over the whole screen: `columns` x `rows`. Use 4 or more per cycle of the finest pattern.
    pub fn prepare(screen: &Screen, columns: u32, rows: u32) -> Self {
        let (columns, rows) = (columns.max(1), rows.max(1));
        let cells = columns as usize * rows as usize;
        let window_frames = screen.refresh_hz.round().max(1.0) as usize;
        Self {
            screen: *screen,
            wcag: FlashCounter::new(cells, window_frames, WCAG_CHANGE, WCAG_DARKER),
            bt1702: FlashCounter::new(cells, window_frames, BT1702_CHANGE_CD_M2, BT1702_DARKER_CD_M2),
            field: FieldSearch::new(screen, columns, rows, WCAG_FIELD_DEG),
            wcag_area_sr: 0.0,
            bt1702_area: 0.0,
        }
    }

    /// The next frame: linear luminance 0..=1 of each cell, row-major. Does not allocate.
    ///
    /// # Panics
    /// When there is not one value per cell.
    pub fn push(&mut self, luminance: &[f64]) {
        let screen = self.screen;
        let white = screen.luminance_max_cd_m2;
        self.wcag.push(luminance.iter().map(|&linear| screen.luminance_cd_m2(linear) / white));
        self.bt1702.push(luminance.iter().map(|&linear| screen.luminance_cd_m2(linear)));

        let flashing = self.bt1702.cells_above(FLASHES_ALLOWED);
        self.bt1702_area = self.bt1702_area.max(flashing as f64 / luminance.len() as f64);
        if self.wcag.changed() && self.wcag.cells_above(FLASHES_ALLOWED) > 0 {
            let wcag = &self.wcag;
            let area_sr =
                self.field.largest_sr(|cell| wcag.flashes(cell) > FLASHES_ALLOWED, self.wcag_area_sr);
            self.wcag_area_sr = self.wcag_area_sr.max(area_sr);
        }
    }

    /// The worst of everything pushed so far.
    pub fn worst(&self) -> FlashReport {
        FlashReport {
            wcag: FlashVerdict {
                max_flashes_per_s: self.wcag.most(),
                area: self.wcag_area_sr,
                area_allowed: WCAG_AREA_SR,
                passes: self.wcag_area_sr <= WCAG_AREA_SR,
            },
            bt1702: FlashVerdict {
                max_flashes_per_s: self.bt1702.most(),
                area: self.bt1702_area,
                area_allowed: BT1702_AREA_FRACTION,
                passes: self.bt1702_area <= BT1702_AREA_FRACTION,
            },
        }
    }
}

/// Runs both rules over `seconds` of a scene at a constant contrast, with cells of 4 or more per cycle of its pattern.
/// Two seconds see every second of a flicker of 1 Hz or more. A picture is taken at its worst: white and black in turn.
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
    for frame in 0..(seconds * screen.refresh_hz).ceil().max(1.0) as u64 {
        template.frame(&Moment::new(frame, contrast), &mut cells);
        analyser.push(&cells);
    }
    analyser.worst()
}
