//! How an element changes from frame to frame: a pure function of the frame, and of how long its scene has been shown.

use std::f64::consts::TAU;

use crate::code::Code;
use crate::dots::Dot;
use crate::flicker::Flicker;

/// A frame of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Index of the refresh.
    pub frame: u64,
    /// Refreshes since the scene's first frame.
    pub since_onset: u64,
    /// The contrast that was commanded, 0..=1, under the display's own veil.
    pub contrast: f64,
    /// What the display's own veil leaves, 0..=1: of what has a contrast of its own too.
    pub veil: f64,
    /// Where the person looks, in px from the middle of the screen to the right and down; `None` where nobody knows.
    pub gaze_px: Option<[f64; 2]>,
}

impl Moment {
    /// A frame of a scene that was there from frame 0 on, to a person who looks at the middle of the screen.
    pub fn new(frame: u64, contrast: f64) -> Self {
        Self { frame, since_onset: frame, contrast, veil: 1.0, gaze_px: Some([0.0; 2]) }
    }
}

/// Since when a scene is shown: its onset is the first frame of it that was shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Onset {
    shown: Option<(usize, u64)>,
}

impl Onset {
    /// Refreshes since the onset, if this frame shows the scene of this number.
    pub fn since(&self, scene: usize, frame: u64) -> u64 {
        let same = self.shown.filter(|&(shown, _)| shown == scene);
        same.map_or(0, |(_, first)| frame.saturating_sub(first))
    }

    /// This frame was shown.
    pub fn shown(&mut self, scene: usize, frame: u64) {
        if self.shown.is_none_or(|(shown, _)| shown != scene) {
            self.shown = Some((scene, frame));
        }
    }
}

/// What a course comes to in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Now {
    /// Contrast with its sign, -1..=1: what patterns are multiplied with.
    pub amplitude: f64,
    /// 0..=1: how much of it is there.
    pub opacity: f64,
    /// What drifted, in cycles, 0..1.
    pub phase: f64,
    /// What moved, in screen px.
    pub offset_px: [f64; 2],
    /// Size over its own.
    pub scale: f64,
    /// What turned, anticlockwise.
    pub turn_rad: f64,
    /// How many sheets after its own.
    pub layer: u32,
    /// Renewals of noise.
    pub step: u32,
    /// Refreshes since the onset, in 32 bits: two years.
    pub since_onset: u32,
}

impl Now {
    /// Not to be seen.
    pub const NONE: Self = Self {
        amplitude: 0.0,
        opacity: 0.0,
        phase: 0.0,
        offset_px: [0.0; 2],
        scale: 1.0,
        turn_rad: 0.0,
        layer: 0,
        step: 0,
        since_onset: 0,
    };

    /// Whether anything may be seen.
    pub fn is_seen(&self) -> bool {
        self.opacity != 0.0
    }
}

/// How an element changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// What the pattern's contrast is multiplied with.
    pub modulation: Modulation,
    /// Whose contrast it is.
    pub contrast: Contrast,
    /// How it comes.
    pub fade: Option<Fade>,
    /// When it is seen; always where there is none.
    pub span: Option<Span>,
    /// Cycles per frame that the pattern's phase goes on by.
    pub drift: f64,
    /// How it moves.
    pub motion: Motion,
    /// Whether its place counts from where the person looks: then nothing of it is seen where that is not known.
    pub follows_gaze: bool,
    /// Which sheet, or which renewal of noise.
    pub renewal: Renewal,
}

/// When something is seen, in frames since onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first frame.
    pub from: u64,
    /// The first one after it.
    pub to: u64,
    /// After how many frames it begins again; 0 is never.
    pub every: u64,
}

impl Span {
    /// Once.
    pub fn once(from: u64, to: u64) -> Self {
        Self { from, to, every: 0 }
    }

    fn has(&self, since_onset: u64) -> bool {
        let at = if self.every == 0 { since_onset } else { since_onset % self.every };
        (self.from..self.to).contains(&at)
    }
}

/// What a contrast is multiplied with from frame to frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Modulation {
    /// 1.
    Steady,
    /// By the index of the refresh, so that its phase goes on from scene to scene.
    Flicker(Flicker),
    /// The same, counted from the onset.
    OnsetFlicker(Flicker),
    /// The bits of a code from the onset on, again and again.
    Code {
        /// Which.
        code: Code,
        /// Whether a 0 is -1 in place of 0.
        reverses: bool,
    },
}

/// How something comes: from nothing to all of it by a raised cosine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fade {
    /// Frames before it begins.
    pub after: u64,
    /// Frames that it takes.
    pub frames: u64,
}

impl Fade {
    fn at(self, since_onset: u64) -> f64 {
        let part = since_onset.saturating_sub(self.after) as f64 / self.frames.max(1) as f64;
        0.5 * (1.0 - libm::cos(0.5 * TAU * part.min(1.0)))
    }
}

/// Whose contrast an element has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contrast {
    /// The commanded one, times this.
    Commanded(f64),
    /// Its own, whatever is commanded; under the veil it gives way to what is below it.
    Own(f64),
}

/// How an element moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Motion {
    /// Not at all.
    Still,
    /// Evenly, in px per frame, and from `frames` on again from its place (0: on and on).
    Linear {
        /// Velocity.
        px_per_frame: [f64; 2],
        /// Frames of one sweep.
        frames: u64,
    },
    /// It turns, anticlockwise.
    Turn {
        /// Cycles per frame.
        cycles_per_frame: f64,
    },
    /// It grows as something that approaches at a constant speed: the angle's half tangent is `l / (v (collision - t))`
    /// (Gabbiani, Krapp and Laurent 1999, J. Neurosci. 19, 1122). Its own size is the largest.
    Loom {
        /// Half size over speed, in frames.
        l_over_v_frames: f64,
        /// Frames from the onset to the collision.
        collision_frames: f64,
        /// The half tangent of its own size, where it stops growing.
        largest: f64,
    },
    /// It is one of many dots that wander ([`crate::dots`]).
    Dot(Dot),
}

/// Which sheet is read, or which noise is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Always the first.
    Never,
    /// The next one every so many frames since onset, and after `count` the first again (0: noise, which has no end).
    Every {
        /// Frames.
        frames: u32,
        /// How many there are.
        count: u32,
    },
    /// The same, but the last one stays.
    Once {
        /// Frames.
        frames: u32,
        /// How many there are.
        count: u32,
    },
}

impl Course {
    /// Always there, at the commanded contrast.
    pub const STEADY: Self = Self {
        modulation: Modulation::Steady,
        contrast: Contrast::Commanded(1.0),
        fade: None,
        span: None,
        drift: 0.0,
        motion: Motion::Still,
        follows_gaze: false,
        renewal: Renewal::Never,
    };

    /// The same with a flicker that goes by the index of the refresh.
    pub fn flickering(flicker: Flicker) -> Self {
        Self { modulation: Modulation::Flicker(flicker), ..Self::STEADY }
    }

    /// Its flicker, if it has one.
    pub fn flicker(&self) -> Option<&Flicker> {
        match &self.modulation {
            Modulation::Flicker(flicker) | Modulation::OnsetFlicker(flicker) => Some(flicker),
            Modulation::Steady | Modulation::Code { .. } => None,
        }
    }

    /// Whether nothing but the amplitude changes from frame to frame.
    pub fn is_separable(&self) -> bool {
        self.drift == 0.0 && self.is_still() && self.renewal == Renewal::Never
    }

    /// Whether it always lies in one place, of one size and turned one way.
    pub fn is_still(&self) -> bool {
        self.motion == Motion::Still && !self.follows_gaze
    }

    /// Frames since onset after which it shows nothing new, as far as that has an end: what is drawn anew for ever has none.
    pub fn news(&self) -> u64 {
        let code = match &self.modulation {
            Modulation::Code { code, .. } => code.period_frames(),
            _ => 0,
        };
        let fade = self.fade.map_or(0, |fade| fade.after + fade.frames);
        let span = self.span.map_or(0, |span| span.to.max(span.every));
        let motion = match self.motion {
            Motion::Linear { frames, .. } => frames,
            Motion::Loom { collision_frames, .. } => collision_frames.max(0.0) as u64,
            Motion::Still | Motion::Turn { .. } | Motion::Dot(_) => 0,
        };
        let renewal = match self.renewal {
            Renewal::Never => 0,
            Renewal::Every { frames, count } | Renewal::Once { frames, count } => {
                u64::from(frames) * u64::from(count)
            }
        };
        [code, fade, span, motion, renewal].into_iter().max().unwrap_or(0)
    }

    /// Whether it stands still after that.
    pub fn settles(&self) -> bool {
        self.modulation == Modulation::Steady
            && self.drift == 0.0
            && self.span.is_none_or(|span| span.every == 0)
            && matches!(self.motion, Motion::Still | Motion::Loom { .. })
            && matches!(self.renewal, Renewal::Never | Renewal::Once { .. })
    }

    /// What it comes to in a frame.
    pub fn now(&self, moment: &Moment) -> Now {
        let since = moment.since_onset;
        let (contrast, veil) = match self.contrast {
            Contrast::Commanded(part) => (part * moment.contrast, 1.0),
            Contrast::Own(contrast) => (contrast, moment.veil),
        };
        let seen = self.span.is_none_or(|span| span.has(since));
        let (sheet, step) = self.renewal.at(since);
        let mut now = Now {
            amplitude: contrast * self.modulation.at(moment),
            opacity: if seen { veil * self.fade.map_or(1.0, |fade| fade.at(since)) } else { 0.0 },
            phase: whole_cycles_off(self.drift * since as f64),
            offset_px: [0.0; 2],
            scale: 1.0,
            turn_rad: 0.0,
            layer: sheet,
            step,
            since_onset: since as u32,
        };
        self.motion.go(since, &mut now);
        match moment.gaze_px {
            Some([x, y]) if self.follows_gaze => {
                now.offset_px[0] += x;
                now.offset_px[1] += y;
            }
            None if self.follows_gaze => now.opacity = 0.0,
            _ => {}
        }
        now
    }
}

impl Modulation {
    /// -1..=1.
    pub fn at(&self, moment: &Moment) -> f64 {
        match self {
            Self::Steady => 1.0,
            Self::Flicker(flicker) => flicker.modulation(moment.frame),
            Self::OnsetFlicker(flicker) => flicker.modulation(moment.since_onset),
            Self::Code { code, reverses: false } => code.level(moment.since_onset),
            Self::Code { code, reverses: true } => 2.0 * code.level(moment.since_onset) - 1.0,
        }
    }

    /// Whether the photodiode patch is white: in the first half of a cycle, and above the middle of a code.
    pub fn patch_is_white(&self, moment: &Moment) -> bool {
        match self {
            Self::Steady => true,
            Self::Flicker(flicker) => flicker.is_first_half(moment.frame),
            Self::OnsetFlicker(flicker) => flicker.is_first_half(moment.since_onset),
            Self::Code { .. } => self.at(moment) > 0.5,
        }
    }
}

impl Motion {
    fn go(&self, since: u64, now: &mut Now) {
        match *self {
            Self::Still => {}
            Self::Linear { px_per_frame: [x, y], frames } => {
                let along = if frames == 0 { since } else { since % frames } as f64;
                now.offset_px = [x * along, y * along];
            }
            Self::Turn { cycles_per_frame } => {
                now.turn_rad = TAU * whole_cycles_off(cycles_per_frame * since as f64);
            }
            Self::Loom { l_over_v_frames, collision_frames, largest } => {
                let left = collision_frames - since as f64;
                let tangent = if left > 0.0 { l_over_v_frames / left } else { f64::INFINITY };
                now.scale = (tangent / largest).clamp(1e-3, 1.0);
            }
            Self::Dot(dot) => match dot.place_px(since) {
                Some(place_px) => now.offset_px = place_px,
                None => now.opacity = 0.0,
            },
        }
    }
}

impl Renewal {
    /// Sheet and step.
    fn at(self, since: u64) -> (u32, u32) {
        let passed = |frames: u32| since / u64::from(frames.max(1));
        match self {
            Self::Never => (0, 0),
            Self::Every { frames, count: 0 } => (0, passed(frames) as u32),
            Self::Every { frames, count } => {
                ((passed(frames) % u64::from(count)) as u32, passed(frames) as u32)
            }
            Self::Once { frames, count } => {
                let last = u64::from(count.saturating_sub(1));
                (passed(frames).min(last) as u32, passed(frames).min(last) as u32)
            }
        }
    }
}

fn whole_cycles_off(cycles: f64) -> f64 {
    cycles - libm::floor(cycles)
}
