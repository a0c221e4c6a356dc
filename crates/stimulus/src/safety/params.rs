//! Every number of the rule that is the same in each frame, in one block of words that the shader reads as well.

use super::detector::quarter;
use super::geometry::{Geometry, SOLID_ANGLE_UNIT_SR};
use super::light::{GREY_LINEAR, LightTables};
use super::{
    BT1702_CHANGE_CD_M2, BT1702_DARKER_CD_M2, BT1702_SDR_WHITE_CD_M2, EXTENDED_CHANGES_PER_S, EXTENDED_S,
    PATTERN_PERIOD_DEG, PATTERN_S, WCAG_AREA_SR, WCAG_CHANGE, WCAG_DARKER,
};

/// Rounding of a cell's luminance in mcd/m2: half a unit for each of three channels in both states, and the mean that is
/// rounded down. A change that misses its bound by this counts.
const SLACK_MCD_M2: f64 = 4.0;

/// A refresh rate that was measured a thousandth too high still has its nominal number of frames in a second.
const REFRESH_TOLERANCE: f64 = 1e-3;

/// Time of the ramp to grey.
const RAMP_S: f64 = 0.2;

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a frame is judged with; mirrored by `struct Params` of `shaders/governor.wgsl`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Params { $($(#[$doc])* pub $name: u32,)* }

        impl Params {
            /// Names of the words, in their order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The words, in the order of their names.
            pub fn words(&self) -> impl Iterator<Item = u32> + use<> { [$(self.$name),*].into_iter() }
        }
    };
}

params! {
    /// Pixels of the image along x.
    width,
    /// Pixels of the image along y.
    height,
    /// Code values of a channel.
    levels,
    /// Side of a cell in px.
    cell_px,
    /// Cells along x.
    columns,
    /// Cells along y.
    rows,
    /// Number of cells.
    cells,
    /// Columns of cells in a bin.
    bin_columns,
    /// Rows of cells in a bin.
    bin_rows,
    /// Bins along x.
    bins_x,
    /// Bins along y.
    bins_y,
    /// Half widths per class of fields.
    reach,
    /// Frames of one second.
    window,
    /// Frames of five seconds and a quarter.
    ring,
    /// First field of the detector of WCAG's general flash in a cell's state.
    general,
    /// First field of the detector of BT.1702's luminance flash.
    luminance,
    /// First field of the detector of red flash.
    red,
    /// First field of BT.1702's sequences of luminance flashes.
    luminance_sequence,
    /// First field of BT.1702's sequences of red flashes.
    red_sequence,
    /// Changes allowed within a second.
    allowed,
    /// Frames of half a cycle of the fastest flicker that is allowed.
    half_cycle,
    /// Changes in each of five seconds that make an extended sequence.
    extended,
    /// WCAG: smallest change in mcd/m2.
    wcag_change,
    /// WCAG: the darker state is below this, mcd/m2.
    wcag_darker,
    /// BT.1702: smallest change in mcd/m2.
    bt_change,
    /// BT.1702: the darker state is below this, mcd/m2.
    bt_darker,
    /// 1 where changes above that count by their Michelson contrast of more than 1/17.
    bt_bright,
    /// Smallest distance in u'v', squared, in units of 2^-28.
    red_distance_squared,
    /// 4X of red.
    x4_red,
    /// 4X of green.
    x4_green,
    /// 4X of blue.
    x4_blue,
    /// 9Y of red.
    y9_red,
    /// 9Y of green.
    y9_green,
    /// 9Y of blue.
    y9_blue,
    /// X + 15Y + 3Z of red.
    sum_red,
    /// X + 15Y + 3Z of green.
    sum_green,
    /// X + 15Y + 3Z of blue.
    sum_blue,
    /// Chromaticity of white, packed.
    white,
    /// Neutral grey, a packed pixel.
    grey,
    /// Luminance of neutral grey in mcd/m2.
    grey_luminance,
    /// Chromaticity of neutral grey, packed.
    grey_chromaticity,
    /// WCAG: largest area within a field, in units of solid angle.
    wcag_area,
    /// Pixels of the image.
    total_px,
    /// Shortest length of a light and a dark stripe that are discernible, in px.
    shortest_period,
    /// Frames for which a pattern may not be presented.
    pattern_frames,
    /// Of the gain, in each frame of the ramp.
    ramp_step,
    /// 0 ramp to grey, 1 attenuate.
    mode,
    /// Rules that bind, as bits of a verdict's flags.
    enforced,
}

impl Params {
    /// The numbers of a screen whose image has `px_per_deg`; what depends on the bound, the mode and the state's layout is set by their owners.
    pub(super) fn prepare(
        refresh_hz: f64,
        tables: &LightTables,
        geometry: &Geometry,
        px_per_deg: f64,
    ) -> Self {
        let second = (refresh_hz * (1.0 - REFRESH_TOLERANCE)).ceil().max(1.0);
        let [black, white] = tables.range_mcd_m2();
        let relative = |part: f64| part * (white - black);
        let colour = tables.chromaticity();
        let grey_pixel = tables.grey();
        let floor = |value: f64| value.floor().max(1.0) as u32;
        // The chromaticities are rounded down and their coefficients have 10 bits: 8 units of 2^-14 on the careful side.
        let distance = (0.2 * 16384.0 - 8.0_f64).floor() as u32;
        Self {
            width: geometry.size[0],
            height: geometry.size[1],
            levels: tables.levels(),
            cell_px: geometry.cell,
            columns: geometry.cells[0],
            rows: geometry.cells[1],
            cells: geometry.count() as u32,
            bin_columns: geometry.bin[0],
            bin_rows: geometry.bin[1],
            bins_x: geometry.bins[0],
            bins_y: geometry.bins[1],
            reach: geometry.reach,
            window: second as u32,
            ring: EXTENDED_S * second as u32 + quarter(second as u32),
            extended: EXTENDED_CHANGES_PER_S,
            wcag_change: floor(relative(WCAG_CHANGE) - SLACK_MCD_M2),
            wcag_darker: (black + relative(WCAG_DARKER) + SLACK_MCD_M2).ceil() as u32,
            bt_change: floor(1e3 * BT1702_CHANGE_CD_M2 - SLACK_MCD_M2),
            bt_darker: (1e3 * BT1702_DARKER_CD_M2 + SLACK_MCD_M2).ceil() as u32,
            bt_bright: u32::from(white > 1e3 * BT1702_SDR_WHITE_CD_M2),
            red_distance_squared: distance * distance,
            x4_red: colour.x4[0],
            x4_green: colour.x4[1],
            x4_blue: colour.x4[2],
            y9_red: colour.y9[0],
            y9_green: colour.y9[1],
            y9_blue: colour.y9[2],
            sum_red: colour.sum[0],
            sum_green: colour.sum[1],
            sum_blue: colour.sum[2],
            white: colour.white,
            grey: grey_pixel,
            grey_luminance: tables.luminance(grey_pixel),
            grey_chromaticity: colour.of(tables.linear(grey_pixel)),
            wcag_area: (WCAG_AREA_SR / SOLID_ANGLE_UNIT_SR).round() as u32,
            total_px: geometry.total(),
            shortest_period: (PATTERN_PERIOD_DEG * px_per_deg).floor().max(2.0) as u32,
            pattern_frames: (PATTERN_S * refresh_hz * (1.0 - REFRESH_TOLERANCE)).ceil().max(1.0) as u32,
            ramp_step: (2.0 * f64::from(GREY_LINEAR) / (RAMP_S * refresh_hz)).ceil().min(65_535.0) as u32,
            ..Self::default()
        }
    }

    /// Whether BT.1702 counts a change between these luminances.
    pub(super) fn bt_exceeds(&self, dark: u32, bright: u32) -> bool {
        if dark < self.bt_darker {
            bright - dark >= self.bt_change
        } else {
            self.bt_bright == 1 && 8 * bright > 9 * dark
        }
    }

    /// Whether WCAG counts a change between these luminances.
    pub(super) fn wcag_exceeds(&self, dark: u32, bright: u32) -> bool {
        dark < self.wcag_darker && bright - dark >= self.wcag_change
    }
}
