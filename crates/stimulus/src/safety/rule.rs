//! One frame against everything shown before it: areas per rule, without and with what taking it would change.

use super::detector::{self, EMPTY, Event, Sequence, Track};
use super::geometry::Geometry;
use super::light::{LightTables, SATURATED};
use super::params::Params;
use super::{Bound, stripes};

/// Words of a cell's state in front of the detectors: luminance and chromaticity of the frame that is judged.
const VALUES: u32 = 2;

/// Sums over the cells of a frame; mirrored by the accumulators of `shaders/governor.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    /// WCAG general flash: the largest flashing area within a field; that of the whole screen where even that is allowed.
    pub general: u32,
    /// WCAG red flash: the same.
    pub red: u32,
    /// BT.1702 luminance flash: flashing px.
    pub luminance_px: u32,
    /// BT.1702 red flash: flashing px.
    pub red_px: u32,
    /// BT.1702 extended sequence of either kind: px.
    pub extended_px: u32,
    /// Px in stripes.
    pub pattern_px: u32,
    /// Px in stripes that flash.
    pub active_px: u32,
    /// Solid angle of all cells that one more change would make flash too often, WCAG general.
    pub near_general: u32,
    /// The same of red flash.
    pub near_red: u32,
    /// Px that one more change would make flash too often or for too long, BT.1702.
    pub near_px: u32,
    /// Most changes of a cell within the second, WCAG general.
    pub most_general: u32,
    /// The same of BT.1702 luminance.
    pub most_luminance: u32,
    /// The same of red flash.
    pub most_red: u32,
}

impl Areas {
    /// The larger of each.
    pub(super) fn most(&self, other: &Self) -> Self {
        Self {
            general: self.general.max(other.general),
            red: self.red.max(other.red),
            luminance_px: self.luminance_px.max(other.luminance_px),
            red_px: self.red_px.max(other.red_px),
            extended_px: self.extended_px.max(other.extended_px),
            pattern_px: self.pattern_px.max(other.pattern_px),
            active_px: self.active_px.max(other.active_px),
            near_general: self.near_general.max(other.near_general),
            near_red: self.near_red.max(other.near_red),
            near_px: self.near_px.max(other.near_px),
            most_general: self.most_general.max(other.most_general),
            most_luminance: self.most_luminance.max(other.most_luminance),
            most_red: self.most_red.max(other.most_red),
        }
    }

    /// Adds `hundredths` of each area to it, as far as the image goes.
    pub(super) fn widen(&mut self, hundredths: u32, total_px: u32) {
        let more = |area: u32| area.saturating_add((u64::from(area) * u64::from(hundredths) / 100) as u32);
        for px in [
            &mut self.luminance_px,
            &mut self.red_px,
            &mut self.extended_px,
            &mut self.pattern_px,
            &mut self.active_px,
            &mut self.near_px,
        ] {
            *px = more(*px).min(total_px);
        }
        for angle in [&mut self.general, &mut self.red, &mut self.near_general, &mut self.near_red] {
            *angle = more(*angle);
        }
    }
}

/// What of a frame enters the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The frame that was judged.
    Judged,
    /// The one before, once more.
    Held,
    /// Neutral grey everywhere.
    Grey,
}

/// The history of every cell. The state is one block of words, word `n` of a cell at `n * cells + cell`, as the shader
/// holds it.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub params: Params,
    pub geometry: Geometry,
    pub tables: LightTables,
    pub state: Vec<u32>,
    tracks: [Track; 3],
    sequences: [Sequence; 2],
    /// Luminance of each pixel.
    light: Vec<u32>,
    marked: Vec<bool>,
    /// What the judged frame does to each cell.
    looks: Vec<Look>,
    general_in_bins: Vec<u32>,
    red_in_bins: Vec<u32>,
    sums: Vec<u32>,
}

/// A frame as the rule sees it.
pub(super) struct Measured {
    values: Vec<u32>,
    marked: Vec<bool>,
}

/// A value of a cell against its history.
#[derive(Debug, Clone, Copy)]
struct Look {
    general: ([u32; 2], u32, Event),
    luminance: ([u32; 2], u32, Event),
    red: ([[u32; 2]; 2], u32, Event),
}

impl Rule {
    pub fn prepare(
        refresh_hz: f64,
        px_per_deg: f64,
        tables: LightTables,
        geometry: Geometry,
        bound: &Bound,
    ) -> Self {
        let mut params = Params::prepare(refresh_hz, &tables, &geometry, px_per_deg);
        params.allowed = 2 * bound.flashes_per_s.min(params.window);
        params.half_cycle = params.window.div_ceil(params.allowed.max(1));
        params.enforced = bound.enforced();
        params.general = VALUES;
        params.luminance = params.general + 2 + Track::words(params.window);
        params.red = params.luminance + 2 + Track::words(params.window);
        params.luminance_sequence = params.red + 4 + Track::words(params.window);
        params.red_sequence = params.luminance_sequence + Sequence::words(params.ring);
        let tracks = [params.general + 2, params.luminance + 2, params.red + 4];
        let sequences = [params.luminance_sequence, params.red_sequence];
        let bins = (params.bins_x * params.bins_y) as usize;
        let mut rule = Self {
            params,
            tracks: tracks.map(|first| Track::prepare(&params, first)),
            sequences: sequences.map(|first| Sequence::prepare(&params, first)),
            state: vec![0; (state_words(&params) * params.cells) as usize],
            light: vec![0; params.total_px as usize],
            marked: vec![false; params.cells as usize],
            looks: Vec::with_capacity(params.cells as usize),
            general_in_bins: vec![0; bins],
            red_in_bins: vec![0; bins],
            sums: Vec::with_capacity(bins + params.bins_y as usize),
            geometry,
            tables,
        };
        rule.reset();
        rule
    }

    /// As if grey had been shown for ever.
    pub fn reset(&mut self) {
        let cells = self.params.cells as usize;
        self.state.fill(0);
        self.state[..cells].fill(self.params.grey_luminance);
        self.state[cells..2 * cells].fill(self.params.grey_chromaticity);
        self.begin_with_measured();
    }

    /// As if the measured frame had been shown for ever; only before the first frame.
    pub fn begin_with_measured(&mut self) {
        let params = self.params;
        for cell in 0..params.cells {
            let luminance = self.word(0, cell);
            let chromaticity = self.word(1, cell) & !SATURATED;
            let reds = if self.word(1, cell) == chromaticity { EMPTY } else { [chromaticity; 2] };
            self.remember(params.general, cell, [luminance; 2]);
            self.remember(params.luminance, cell, [luminance; 2]);
            self.remember(params.red, cell, [chromaticity; 2]);
            self.remember(params.red + 2, cell, reds);
        }
    }

    /// The number of the first frame: every mark that the ring could hold lies behind it.
    pub fn first_frame(&self) -> u32 {
        self.params.ring
    }

    fn word(&self, word: u32, cell: u32) -> u32 {
        self.state[(word * self.params.cells + cell) as usize]
    }

    fn set_word(&mut self, word: u32, cell: u32, value: u32) {
        self.state[(word * self.params.cells + cell) as usize] = value;
    }

    /// Reads a frame of packed pixels: mean light of each cell, and the cells that lie in stripes.
    pub fn measure(&mut self, frame: &[u32]) {
        let params = self.params;
        assert_eq!(frame.len(), params.total_px as usize, "a frame has one word per pixel");
        for cell in 0..params.cells {
            let (column, row) = (cell % params.columns, cell / params.columns);
            let (mut luminance, mut linear) = (0, [0; 3]);
            let edge = |at: u32, size: u32| (at * params.cell_px, ((at + 1) * params.cell_px).min(size));
            let ((left, right), (top, bottom)) = (edge(column, params.width), edge(row, params.height));
            for y in top..bottom {
                let line = (y * params.width + left) as usize..(y * params.width + right) as usize;
                for (&pixel, light) in frame[line.clone()].iter().zip(&mut self.light[line]) {
                    *light = self.tables.luminance(pixel);
                    luminance += *light;
                    let more = self.tables.linear(pixel);
                    linear.iter_mut().zip(more).for_each(|(sum, value): (&mut u32, _)| *sum += value);
                }
            }
            let pixels = (right - left) * (bottom - top);
            let chromaticity = self.tables.chromaticity().of(linear.map(|sum| sum / pixels));
            self.set_word(0, cell, luminance / pixels);
            self.set_word(1, cell, chromaticity);
        }
        self.find_stripes();
    }

    /// Takes luminance in mcd/m2 and chromaticity of each cell of an image whose cells are pixels.
    pub fn measure_cells(&mut self, cells: &[[u32; 2]]) {
        let (luminances, rest) = self.state.split_at_mut(cells.len());
        for (cell, &[luminance, chromaticity]) in cells.iter().enumerate() {
            luminances[cell] = luminance;
            rest[cell] = chromaticity;
            self.light[cell] = luminance;
        }
        self.find_stripes();
    }

    /// What the last measurement found.
    pub fn measured(&self) -> Measured {
        let values = (VALUES * self.params.cells) as usize;
        Measured { values: self.state[..values].to_vec(), marked: self.marked.clone() }
    }

    /// What was found once, here or by a rule of the same geometry, without looking again.
    pub fn take_measured(&mut self, measured: &Measured) {
        self.state[..measured.values.len()].copy_from_slice(&measured.values);
        self.marked.copy_from_slice(&measured.marked);
    }

    fn find_stripes(&mut self) {
        let Self { params, marked, light, .. } = self;
        marked.fill(false);
        for line in 0..stripes::count(params) {
            stripes::walk(params, line, light, |cell| marked[cell as usize] = true);
        }
    }

    fn look(&self, cell: u32, frame: u32, [luminance, chromaticity]: [u32; 2]) -> Look {
        let params = &self.params;
        let pair = |word: u32| [self.word(word, cell), self.word(word + 1, cell)];
        let turn = |track: usize| self.tracks[track].turn(&self.state, cell, frame);
        Look {
            general: detector::luminance(pair(params.general), turn(0), luminance, |dark, bright| {
                params.wcag_exceeds(dark, bright)
            }),
            luminance: detector::luminance(pair(params.luminance), turn(1), luminance, |dark, bright| {
                params.bt_exceeds(dark, bright)
            }),
            red: detector::red(
                [pair(params.red), pair(params.red + 2)],
                turn(2),
                chromaticity,
                params.red_distance_squared,
            ),
        }
    }

    /// The areas that the measured frame would make as number `frame`. Changes nothing of the history.
    pub fn judge(&mut self, frame: u32) -> Areas {
        let params = self.params;
        let mut areas = Areas::default();
        self.looks.clear();
        self.general_in_bins.fill(0);
        self.red_in_bins.fill(0);
        let [mut general, mut red] = [0, 0];
        for cell in 0..params.cells {
            let look = self.look(cell, frame, [self.word(0, cell), self.word(1, cell)]);
            self.looks.push(look);
            let events = [look.general.2, look.luminance.2, look.red.2];
            let in_1s: [u32; 3] =
                std::array::from_fn(|i| self.tracks[i].outlook(&self.state, cell, frame, events[i]));
            let extended = |more: u32| {
                self.sequences.iter().zip(&events[1..]).any(|(sequence, &event)| {
                    let newest = u32::from(event == Event::Turned) + more;
                    sequence.extended(&self.state, cell, frame, [params.extended, newest])
                })
            };
            let over = in_1s.map(|changes| changes > params.allowed);
            let near = in_1s.map(|changes| changes + 1 > params.allowed);
            let index = cell as usize;
            let (pixels, angle) = (self.geometry.pixels(index), self.geometry.solid_angle[index]);
            let bin = self.geometry.bin_of(index);
            let part = |yes: bool, of: u32| if yes { of } else { 0 };
            self.general_in_bins[bin] += part(over[0], angle);
            self.red_in_bins[bin] += part(over[2], angle);
            general += part(over[0], angle);
            red += part(over[2], angle);
            areas.luminance_px += part(over[1], pixels);
            areas.red_px += part(over[2], pixels);
            areas.extended_px += part(extended(0), pixels);
            areas.pattern_px += part(self.marked[index], pixels);
            areas.active_px += part(self.marked[index] && in_1s[1] >= 2, pixels);
            areas.near_general += part(near[0], angle);
            areas.near_red += part(near[2], angle);
            areas.near_px += part(near[1] || near[2] || extended(1), pixels);
            areas.most_general = areas.most_general.max(in_1s[0]);
            areas.most_luminance = areas.most_luminance.max(in_1s[1]);
            areas.most_red = areas.most_red.max(in_1s[2]);
        }
        // No field holds more than the whole screen.
        let (geometry, sums) = (&self.geometry, &mut self.sums);
        let mut largest = |all: u32, in_bins: &[u32]| {
            if all > params.wcag_area { geometry.largest(in_bins, sums) } else { all }
        };
        areas.general = largest(general, &self.general_in_bins);
        areas.red = largest(red, &self.red_in_bins);
        areas
    }

    /// Takes a frame into the history, after it was judged.
    pub fn commit(&mut self, frame: u32, taken: Taken) {
        let params = self.params;
        for cell in 0..params.cells {
            let look = match taken {
                Taken::Judged => self.looks[cell as usize],
                Taken::Grey => self.look(cell, frame, [params.grey_luminance, params.grey_chromaticity]),
                Taken::Held => {
                    for track in self.tracks {
                        track.commit(&mut self.state, cell, frame, 0, Event::Nothing);
                    }
                    for sequence in self.sequences {
                        sequence.commit(&mut self.state, cell, frame, Event::Nothing);
                    }
                    continue;
                }
            };
            let (memory, turn, event) = look.general;
            self.remember(params.general, cell, memory);
            self.tracks[0].commit(&mut self.state, cell, frame, turn, event);
            let (memory, turn, event) = look.luminance;
            self.remember(params.luminance, cell, memory);
            self.tracks[1].commit(&mut self.state, cell, frame, turn, event);
            self.sequences[0].commit(&mut self.state, cell, frame, event);
            let ([all, reds], turn, event) = look.red;
            self.remember(params.red, cell, all);
            self.remember(params.red + 2, cell, reds);
            self.tracks[2].commit(&mut self.state, cell, frame, turn, event);
            self.sequences[1].commit(&mut self.state, cell, frame, event);
        }
    }

    fn remember(&mut self, word: u32, cell: u32, memory: [u32; 2]) {
        self.set_word(word, cell, memory[0]);
        self.set_word(word + 1, cell, memory[1]);
    }
}

/// Words of state that a cell has.
pub fn state_words(params: &Params) -> u32 {
    params.red_sequence + Sequence::words(params.ring)
}
