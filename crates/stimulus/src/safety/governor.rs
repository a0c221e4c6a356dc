//! The governor: what may be shown of a candidate frame. What was shown is the history that the next one is held against.

use super::FLASHES_ALLOWED;
use super::geometry::Geometry;
use super::light::{FULL_LINEAR, LightTables};
use super::params::Params;
use super::rule::{Areas, Rule, Taken};
use crate::screen::Screen;

/// Bits of [`Verdict::flags`]: the rules that the judged frame would break.
pub mod flag {
    /// WCAG 2.2 general flash.
    pub const WCAG_GENERAL: u32 = 1;
    /// WCAG 2.2 red flash.
    pub const WCAG_RED: u32 = 2;
    /// BT.1702-3 luminance flash.
    pub const BT_LUMINANCE: u32 = 4;
    /// BT.1702-3 red flash.
    pub const BT_RED: u32 = 8;
    /// BT.1702-3 flashes that last longer than five seconds.
    pub const BT_EXTENDED: u32 = 16;
    /// BT.1702-3 regular pattern.
    pub const BT_PATTERN: u32 = 32;
    /// A regular pattern that could not be taken away in time, because its cells have no change left.
    pub const RESERVE: u32 = 64;
    /// The four that count flashes within a second.
    pub const FLASHES: u32 = WCAG_GENERAL | WCAG_RED | BT_LUMINANCE | BT_RED;
    /// All of them.
    pub const ALL: u32 = 127;
    /// Their names, by bit.
    pub const NAMES: [&str; 7] = [
        "WCAG 2.2 general flash",
        "WCAG 2.2 red flash",
        "BT.1702-3 luminance flash",
        "BT.1702-3 red flash",
        "BT.1702-3 extended flash sequence",
        "BT.1702-3 regular pattern",
        "no change left to take a regular pattern away",
    ];
}

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Flashes of a cell within any second.
    pub flashes_per_s: u32,
    /// Whether sequences of more than two flashes a second may last no longer than five seconds.
    pub extended: bool,
    /// Whether regular patterns are refused.
    pub patterns: bool,
}

impl Bound {
    /// The standards as they are.
    pub const STANDARDS: Self = Self { flashes_per_s: FLASHES_ALLOWED, extended: true, patterns: true };

    /// Another number of flashes a second, which takes the place of the standards' own. Above that, somebody screened
    /// the person and takes the responsibility: then flashes may last, and patterns are judged but do not bind.
    pub fn stated(flashes_per_s: u32) -> Self {
        let within = flashes_per_s <= FLASHES_ALLOWED;
        Self { flashes_per_s, extended: within, patterns: within }
    }

    /// The flags that bind.
    pub(super) fn enforced(&self) -> u32 {
        let extended = if self.extended { flag::BT_EXTENDED } else { 0 };
        let patterns = if self.patterns { flag::BT_PATTERN | flag::RESERVE } else { 0 };
        flag::FLASHES | extended | patterns
    }
}

/// What happens to a candidate that would break a rule. It is never shown itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The screen stays as it is and goes to grey as soon as that is allowed, for good: until it is released.
    Ramp,
    /// The screen stays as it is until a candidate may be shown; the contrast of all candidates from then on is lower by a
    /// quarter.
    Attenuate,
}

/// What the caller says with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Refreshes since the frame before: more than 1 after missed ones.
    pub refreshes: u32,
    /// Opens a governor that went to grey, or gives the full contrast back. The history stays.
    pub release: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self { refreshes: 1, release: false }
    }
}

/// What was shown of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The candidate, at [`Verdict::attenuation`].
    Candidate,
    /// The last candidate that was shown, mixed towards grey by [`Verdict::gain`].
    Ramp,
    /// The frame before, once more.
    Held,
    /// Neutral grey at once.
    Grey,
}

impl Shown {
    /// Of the word that a record has for it; `None` where it is none.
    pub fn from_word(word: u32) -> Option<Self> {
        [Self::Candidate, Self::Ramp, Self::Held, Self::Grey].get(word as usize).copied()
    }
}

/// The frame's record. Its words are the same on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Number of the frame since the governor was prepared.
    pub frame: u32,
    /// What was shown.
    pub shown: Shown,
    /// Rules that the judged frame would have broken, enforced or not: see [`flag`].
    pub flags: u32,
    /// Contrast of what is shown, as a part of the frame that it comes from: 65535 is all of it, 0 is grey.
    pub gain: u32,
    /// Contrast left to candidates in [`Mode::Attenuate`], 0..=65535; this frame was judged with it.
    pub attenuation: u32,
    /// Whether the governor has closed: everything is grey, or on its way there, until it is released.
    pub closed: bool,
    /// Sums over the judged frame.
    pub areas: Areas,
}

/// Words of a [`Verdict`].
pub const VERDICT_WORDS: usize = 19;

impl Verdict {
    /// The words, in the order in which the shader writes them.
    pub fn words(&self) -> [u32; VERDICT_WORDS] {
        let areas = &self.areas;
        [
            self.frame,
            self.shown as u32,
            self.flags,
            self.gain,
            self.attenuation,
            u32::from(self.closed),
            areas.general,
            areas.red,
            areas.luminance_px,
            areas.red_px,
            areas.extended_px,
            areas.pattern_px,
            areas.active_px,
            areas.near_general,
            areas.near_red,
            areas.near_px,
            areas.most_general,
            areas.most_luminance,
            areas.most_red,
        ]
    }

    /// The verdict of these words; `None` where they are none.
    pub fn from_words(words: &[u32; VERDICT_WORDS]) -> Option<Self> {
        let &[frame, shown, flags, gain, attenuation, closed, ref areas @ ..] = words;
        let &[general, red, luminance_px, red_px, extended_px, pattern_px, active_px, ref rest @ ..] = areas;
        let &[near_general, near_red, near_px, most_general, most_luminance, most_red] = rest;
        Some(Self {
            frame,
            shown: Shown::from_word(shown)?,
            flags,
            gain,
            attenuation,
            closed: closed == 1,
            areas: Areas {
                general,
                red,
                luminance_px,
                red_px,
                extended_px,
                pattern_px,
                active_px,
                near_general,
                near_red,
                near_px,
                most_general,
                most_luminance,
                most_red,
            },
        })
    }
}

/// What lasts from frame to frame beside the cells; mirrored by the globals of `shaders/governor.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Globals {
    /// Number of the next frame.
    frame: u32,
    /// The same in refreshes.
    now: u32,
    gain: u32,
    attenuation: u32,
    closed: bool,
    /// Refreshes from the first frame of a pattern's presentation and from its latest.
    pattern_since: u32,
    pattern_last: u32,
    /// Whether what is on the screen has a pattern.
    pattern_shown: bool,
    /// Whether the frame before was stopped.
    stopped: bool,
}

/// The rule and what it lets pass, as pure code: the twin of the GPU's passes.
#[derive(Debug, Clone)]
pub struct Governor {
    rule: Rule,
    globals: Globals,
    judged: Vec<u32>,
    held: Vec<u32>,
    /// What becomes of code values in the frame that is judged, and in what is held.
    scales: [Vec<u32>; 2],
}

impl Governor {
    /// A governor of a whole screen, before which grey was shown.
    pub fn prepare(screen: &Screen, tables: LightTables, bound: Bound, mode: Mode) -> Self {
        let geometry = Geometry::of_screen(screen);
        let mut rule = Rule::prepare(screen.refresh_hz, screen.px_per_deg, tables, geometry, &bound);
        rule.params.mode = mode as u32;
        let pixels = rule.params.total_px as usize;
        let grey = rule.tables.grey();
        let globals = Self::start(&rule);
        let mut scales = [Vec::new(), Vec::new()];
        scales.iter_mut().for_each(|tables| rule.tables.scales(FULL_LINEAR, tables));
        Self { rule, globals, judged: vec![grey; pixels], held: vec![grey; pixels], scales }
    }

    fn start(rule: &Rule) -> Globals {
        let frame = rule.first_frame();
        Globals {
            frame,
            now: frame,
            gain: FULL_LINEAR,
            attenuation: FULL_LINEAR,
            closed: false,
            pattern_since: 0,
            pattern_last: 0,
            pattern_shown: false,
            stopped: false,
        }
    }

    /// Forgets everything: as if grey had been shown for ever.
    pub fn reset(&mut self) {
        self.rule.reset();
        self.globals = Self::start(&self.rule);
        self.held.fill(self.rule.tables.grey());
        self.rule.tables.scales(FULL_LINEAR, &mut self.scales[1]);
    }

    /// Judges a candidate, packed pixels by rows, and takes what is shown instead of it (or of it) into the history. Does
    /// not allocate.
    ///
    /// # Panics
    /// When there is not one word per pixel of the screen.
    pub fn step(&mut self, candidate: &[u32], request: Request) -> Verdict {
        assert_eq!(candidate.len(), self.held.len(), "a candidate has one word per pixel");
        let params = self.rule.params;
        let before = self.globals;
        let now = before.now.wrapping_add(request.refreshes.max(1)).wrapping_sub(1);
        let closed = before.closed && !request.release;
        let attenuation = if request.release { FULL_LINEAR } else { before.attenuation };
        let ramp = before.gain.saturating_sub(params.ramp_step);
        let (source, gain) = if closed { (&self.held[..], ramp) } else { (candidate, attenuation) };
        let tables = &self.rule.tables;
        tables.scales(gain, &mut self.scales[0]);
        for (pixel, &from) in self.judged.iter_mut().zip(source) {
            *pixel = tables.scaled(from, &self.scales[0]);
        }
        self.rule.measure(&self.judged);
        let areas = self.rule.judge(before.frame);

        let pattern = pattern_of(&areas, &params);
        let alive = now.wrapping_sub(before.pattern_last) <= params.pattern_frames;
        let since = if alive { before.pattern_since } else { now };
        let flags = flags_of(&areas, &params, pattern && lasts(now, since, &params), pattern);
        let breach = flags & params.enforced != 0;
        let must_go = before.pattern_shown
            && params.enforced & flag::BT_PATTERN != 0
            && lasts(now, before.pattern_since, &params);

        let (shown, taken) = match (breach, closed, must_go) {
            (false, false, _) => (Shown::Candidate, Taken::Judged),
            (false, true, _) => (Shown::Ramp, Taken::Judged),
            (true, _, false) => (Shown::Held, Taken::Held),
            (true, _, true) => (Shown::Grey, Taken::Grey),
        };
        self.rule.commit(before.frame, taken);
        let globals = &mut self.globals;
        globals.gain = match shown {
            Shown::Candidate => FULL_LINEAR,
            Shown::Ramp => ramp,
            Shown::Held => before.gain,
            Shown::Grey => 0,
        };
        // Once for each time that it has to stop: while no change is left, no contrast would be low enough.
        let lower = attenuation - attenuation.div_ceil(4);
        let attenuates = params.mode == Mode::Attenuate as u32;
        let again = before.stopped && !request.release;
        globals.attenuation = if breach && attenuates && !again { lower } else { attenuation };
        globals.stopped = breach;
        globals.closed = closed || (breach && !attenuates);
        globals.pattern_shown = match taken {
            Taken::Judged => pattern,
            Taken::Held => before.pattern_shown,
            Taken::Grey => false,
        };
        if globals.pattern_shown {
            globals.pattern_last = now;
            if taken == Taken::Judged {
                globals.pattern_since = since;
            }
        }
        globals.frame = before.frame.wrapping_add(1);
        globals.now = now.wrapping_add(1);
        if shown == Shown::Candidate {
            std::mem::swap(&mut self.held, &mut self.judged);
        }
        self.rule.tables.scales(globals.gain, &mut self.scales[1]);
        Verdict {
            frame: before.frame - self.rule.first_frame(),
            shown,
            flags,
            gain: globals.gain,
            attenuation,
            closed: globals.closed,
            areas,
        }
    }

    /// The pixels that the last verdict lets onto the screen.
    pub fn shown(&self) -> impl Iterator<Item = u32> + '_ {
        self.held.iter().map(|&pixel| self.rule.tables.scaled(pixel, &self.scales[1]))
    }

    /// The numbers of the rule.
    pub fn params(&self) -> &Params {
        &self.rule.params
    }

    /// Cells and fields.
    pub fn geometry(&self) -> &Geometry {
        &self.rule.geometry
    }

    /// The screen's light.
    pub fn tables(&self) -> &LightTables {
        &self.rule.tables
    }

    /// What the shader looks up: luminance tables, linear tables, solid angles of cells, classes of bins, chords of classes.
    pub fn constants(&self) -> Vec<u32> {
        let geometry = &self.rule.geometry;
        self.rule
            .tables
            .words()
            .chain(geometry.solid_angle.iter().copied())
            .chain(geometry.class.iter().copied())
            .chain(geometry.chords.iter().copied())
            .collect()
    }

    /// What lasts beside the cells, in the order of the shader's words.
    pub fn lasting(&self) -> [u32; 9] {
        let globals = &self.globals;
        [
            globals.frame,
            globals.now,
            globals.gain,
            globals.attenuation,
            u32::from(globals.closed),
            globals.pattern_since,
            globals.pattern_last,
            u32::from(globals.pattern_shown),
            0,
        ]
    }

    /// The last candidate that was shown, packed pixels by rows.
    pub fn held(&self) -> &[u32] {
        &self.held
    }

    /// The cells' state: word `n` of a cell at `n * cells + cell`.
    pub fn state(&self) -> &[u32] {
        &self.rule.state
    }
}

/// Whether stripes cover more than the part of the screen that is allowed: 40 % where they stand, 25 % where an eighth of
/// them or more flashes.
pub(super) fn pattern_of(areas: &Areas, params: &Params) -> bool {
    let standing = 5 * areas.pattern_px > 2 * params.total_px;
    let active = 8 * areas.active_px > areas.pattern_px;
    standing || (4 * areas.pattern_px > params.total_px && active)
}

/// Whether a presentation that began at refresh `since` has lasted half a second by the end of refresh `now`.
pub(super) fn lasts(now: u32, since: u32, params: &Params) -> bool {
    now.wrapping_sub(since) + 1 >= params.pattern_frames
}

/// The rules that these areas break.
pub(super) fn flags_of(areas: &Areas, params: &Params, pattern_lasts: bool, pattern: bool) -> u32 {
    let part = |yes: bool, flag: u32| if yes { flag } else { 0 };
    let quarter = |px: u32| 4 * px > params.total_px;
    let near =
        quarter(areas.near_px) || areas.near_general > params.wcag_area || areas.near_red > params.wcag_area;
    part(areas.general > params.wcag_area, flag::WCAG_GENERAL)
        | part(areas.red > params.wcag_area, flag::WCAG_RED)
        | part(quarter(areas.luminance_px), flag::BT_LUMINANCE)
        | part(quarter(areas.red_px), flag::BT_RED)
        | part(quarter(areas.extended_px), flag::BT_EXTENDED)
        | part(pattern_lasts, flag::BT_PATTERN)
        | part(pattern && near, flag::RESERVE)
}
