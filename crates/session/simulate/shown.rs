//! What is on the simulated screen: a fixed schedule, or what markers say.

use std::collections::VecDeque;

use protocol::{Course, Flicker, FlickerKind, Stimulus, Waveform};
use timeline::{SceneId, ns_from_s};

use crate::error::SessionError;

/// Markers that are not due yet; whoever sends more at once is not followed.
const WAITING: usize = 1024;

/// A scene at a contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Which; 0 is grey.
    pub scene: SceneId,
    /// Michelson contrast, 0..1.
    pub contrast: f64,
    /// Frames since the flicker's cycle began, at the instant from which it is shown. `None`: the flicker goes on, or begins its
    /// cycle with the first frame of a scene that was not there before.
    pub frame: Option<u64>,
}

impl Look {
    /// Neutral grey.
    pub const GREY: Self = Self { scene: SceneId::GREY, contrast: 0.0, frame: None };
}

/// On and off in turn, from the first frame on.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    flicker: Flicker,
    contrast: f64,
    on_ns: i64,
    off_ns: i64,
}

impl Fixed {
    /// Reads `--stimulus`.
    ///
    /// # Errors
    /// A key that is unknown, missing or twice there, a value that is not allowed.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        let usage = |what: String| SessionError::Usage(format!("--stimulus {text}: {what}"));
        const KEYS: [&str; 6] = ["counterphase_hz", "on_off_hz", "waveform", "contrast", "on_s", "off_s"];
        let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
        for pair in text.split(',') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(place) = KEYS.iter().position(|known| *known == key.trim()) else {
                return Err(usage(format!("key `{}`; allowed are {}", key.trim(), KEYS.join(", "))));
            };
            if values[place].replace(value.trim()).is_some() {
                return Err(usage(format!("key `{}` is there twice", key.trim())));
            }
        }
        let missing = |key: &str| usage(format!("key `{key}` is missing"));
        let number = |place: usize, least: f64, most: f64| -> Result<f64, SessionError> {
            let key = KEYS[place];
            let value = values[place].ok_or_else(|| missing(key))?;
            let parsed = value.parse().ok().filter(|number: &f64| (least..=most).contains(number));
            parsed.ok_or_else(|| usage(format!("{key} = {value}; allowed: {least} to {most}")))
        };
        let (kind, place) = match (values[0], values[1]) {
            (Some(_), None) => (FlickerKind::Counterphase, 0),
            (None, Some(_)) => (FlickerKind::OnOff, 1),
            _ => return Err(usage("give one of counterphase_hz and on_off_hz".into())),
        };
        let waveform = match values[2].ok_or_else(|| missing(KEYS[2]))? {
            "sine" => Waveform::Sine,
            "square" => Waveform::Square,
            other => return Err(usage(format!("waveform = {other}; allowed: sine, square"))),
        };
        Ok(Self {
            flicker: Flicker {
                kind,
                frequency_hz: number(place, 0.5, 500.0)?,
                waveform,
                phase_deg: None,
                repair: false,
            },
            contrast: number(3, 0.0, 1.0)?,
            on_ns: ns_from_s(number(4, 0.1, 1e6)?),
            off_ns: ns_from_s(number(5, 0.0, 1e6)?),
        })
    }

    /// Gives a stimulus this flicker.
    pub fn put_into(&self, stimulus: &mut Stimulus) {
        stimulus.look.course = Course::Flicker(self.flicker);
    }

    fn at(&self, since_ns: i64) -> Look {
        if since_ns.rem_euclid(self.on_ns + self.off_ns) < self.on_ns {
            Look { scene: SceneId(1), contrast: self.contrast, frame: None }
        } else {
            Look::GREY
        }
    }
}

/// What is shown when.
#[derive(Debug, Clone)]
pub enum Shown {
    /// As scheduled, from this instant on.
    Fixed(Fixed, i64),
    /// As told.
    Told(Told),
}

/// What markers told: grey until the first.
#[derive(Debug, Clone)]
pub struct Told {
    now: (i64, Look),
    waiting: VecDeque<(i64, Look)>,
}

impl Default for Told {
    fn default() -> Self {
        Self { now: (i64::MIN, Look::GREY), waiting: VecDeque::new() }
    }
}

impl Shown {
    /// What the frame of this onset shows, and since when that was told; onsets rise.
    pub fn at(&mut self, onset_ns: i64) -> (i64, Look) {
        match self {
            Self::Fixed(fixed, from_ns) => (*from_ns, fixed.at(onset_ns - *from_ns)),
            Self::Told(told) => {
                while let Some(&next) = told.waiting.front().filter(|(at_ns, _)| *at_ns <= onset_ns) {
                    told.now = next;
                    told.waiting.pop_front();
                }
                told.now
            }
        }
    }

    /// From this instant on something else is shown; `false` when that cannot be kept.
    pub fn tell(&mut self, at_ns: i64, look: Look) -> bool {
        match self {
            Self::Fixed(..) => false,
            Self::Told(told) => {
                let fits = told.waiting.len() < WAITING;
                if fits {
                    let place = told.waiting.partition_point(|(earlier_ns, _)| *earlier_ns <= at_ns);
                    told.waiting.insert(place, (at_ns, look));
                }
                fits
            }
        }
    }
}

/// Reads a marker: `off`, or `on CONTRAST` with the stimulus (its name, or its frequency in Hz), which may be left out where there
/// is only one, and the frame of the flicker's cycle. `None` for anything else. `stimuli`: names and frequencies in the order of the scenes after grey.
pub fn read(text: &str, stimuli: &[(String, f64)]) -> Option<Look> {
    let mut words = text.split_whitespace();
    let look = match words.next()? {
        "off" => Look::GREY,
        "on" => {
            let contrast = words.next()?.parse().ok().filter(|contrast| (0.0..=1.0).contains(contrast))?;
            let place = match words.next() {
                None if stimuli.len() == 1 => 0,
                None => return None,
                Some(which) => {
                    let hz: Option<f64> = which.parse().ok();
                    let same = |hz: f64, of: f64| (hz / of - 1.0).abs() < 1e-3;
                    stimuli
                        .iter()
                        .position(|(name, of)| name == which || hz.is_some_and(|hz| same(hz, *of)))?
                }
            };
            let frame = words.next().map(str::parse).transpose().ok()?;
            Look { scene: SceneId(place as u16 + 1), contrast, frame }
        }
        _ => return None,
    };
    words.next().is_none().then_some(look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_say_what_is_shown() {
        let two = [("left".to_owned(), 12.0), ("right".to_owned(), 15.0)];
        let on = |scene, contrast| Some(Look { scene: SceneId(scene), contrast, frame: None });
        for (text, look) in [
            ("off", Some(Look::GREY)),
            ("on 0.5 left", on(1, 0.5)),
            (" on  1 15.0 ", on(2, 1.0)),
            ("on 0.5", None),
            ("on 1.5 left", None),
            ("on nan left", None),
            ("on 0.5 13", None),
            ("on 0.5 left 17", Some(Look { frame: Some(17), ..on(1, 0.5).unwrap() })),
            ("on 0.5 left now", None),
            ("on 0.5 left 17 18", None),
            ("cue", None),
            ("", None),
        ] {
            assert_eq!(read(text, &two), look, "{text:?}");
        }
        assert_eq!(read("on 0.25", &two[..1]), on(1, 0.25));
    }

    #[test]
    fn what_is_told_holds_from_its_instant_on_in_whatever_order_it_comes() {
        let mut shown = Shown::Told(Told::default());
        let look = |contrast| Look { scene: SceneId(1), contrast, frame: None };
        assert!(shown.tell(200, look(0.2)) && shown.tell(100, look(0.1)) && shown.tell(300, Look::GREY));
        let seen = [50, 100, 150, 200, 299, 300].map(|at_ns| shown.at(at_ns).1.contrast);
        assert_eq!(seen, [0.0, 0.1, 0.1, 0.2, 0.2, 0.0]);
    }

    #[test]
    fn a_bad_schedule_is_refused_with_what_is_allowed() {
        let good = "on_off_hz=12,waveform=sine,contrast=0.8,on_s=3,off_s=1";
        let fixed = Fixed::parse(good).unwrap();
        let contrasts = [0, 2_999_999_999, 3_000_000_000, 4_000_000_000].map(|ns| fixed.at(ns).contrast);
        assert_eq!(contrasts, [0.8, 0.8, 0.0, 0.8]);
        for (from, to, says) in [
            ("contrast=0.8", "contrast=8", "contrast = 8; allowed: 0 to 1"),
            ("on_s=3", "on_s=0", "on_s = 0; allowed: 0.1"),
            ("sine", "saw", "waveform = saw; allowed: sine, square"),
            (",off_s=1", "", "`off_s` is missing"),
            ("on_off_hz", "hz", "key `hz`; allowed are counterphase_hz"),
            ("on_off_hz=12", "on_off_hz=12,on_off_hz=13", "twice"),
            ("on_off_hz=12", "on_off_hz=12,counterphase_hz=6", "one of"),
        ] {
            let error = Fixed::parse(&good.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(says), "{says:?} is not in {error}");
        }
    }
}
