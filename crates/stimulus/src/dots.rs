//! Random-dot kinematograms: where each dot is, as a pure function of the frame.

use std::f64::consts::TAU;

use crate::hash::{below, hash, part};

/// One dot of a field. A dot lives for a number of frames, then appears elsewhere; at each birth it is drawn anew whether
/// it is one of those that move together (Newsome and Pare 1988, J. Neurosci. 8, 2201: signal dots are drawn again).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Its number.
    pub index: u32,
    /// The field that it belongs to.
    pub field: Field,
}

/// What all dots of a field share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Half the side of the square in which dots wander, leaving it on one side and coming in on the other.
    pub half_px: f64,
    /// Radius within which a dot is seen; the square's half diagonal or more leaves the square.
    pub seen_px: f64,
    /// How far a dot moves in a frame.
    pub px_per_frame: f64,
    /// Where dots that move together go, anticlockwise from rightward.
    pub direction_rad: f64,
    /// The part of dots that move together; the others each go in a direction of their own.
    pub coherence: f64,
    /// Frames that a dot lives; 0 for ever.
    pub lifetime_frames: u32,
    /// Seed of everything drawn.
    pub seed: u32,
}

impl Dot {
    /// Its place relative to the field's centre (x to the right, y down), some frames after the onset; `None` where it is
    /// not seen.
    pub fn place_px(&self, since_onset: u64) -> Option<[f64; 2]> {
        let Field { half_px, seen_px, px_per_frame, direction_rad, coherence, lifetime_frames, seed } =
            self.field;
        let draw = |what: u32, life: u32| hash(seed, self.index, life, what);
        let (life, age) = match u64::from(lifetime_frames) {
            0 => (0, since_onset),
            // Lives begin at different frames, so that the field never jumps as a whole.
            frames => {
                let at = since_onset + u64::from(draw(0, 0)) % frames;
                ((at / frames) as u32, at % frames)
            }
        };
        let born = |what| half_px * (2.0 * part(draw(what, life)) - 1.0);
        let direction =
            if below(draw(3, life), coherence) { direction_rad } else { TAU * part(draw(4, life)) };
        let gone = px_per_frame * age as f64;
        let x = wrapped(born(1) + gone * libm::cos(direction), half_px);
        let y = wrapped(born(2) - gone * libm::sin(direction), half_px);
        (x * x + y * y <= seen_px * seen_px).then_some([x, y])
    }
}

/// Back into -half..half.
fn wrapped(at: f64, half: f64) -> f64 {
    at - 2.0 * half * libm::floor(at / (2.0 * half) + 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: Field = Field {
        half_px: 50.0,
        seen_px: 100.0,
        px_per_frame: 1.5,
        direction_rad: 0.0,
        coherence: 0.4,
        lifetime_frames: 12,
        seed: 9,
    };

    fn steps(field: Field, frames: u64) -> Vec<[f64; 2]> {
        let mut steps = Vec::new();
        for index in 0..500 {
            let dot = Dot { index, field };
            for frame in 0..frames {
                let (a, b) = (dot.place_px(frame).unwrap(), dot.place_px(frame + 1).unwrap());
                steps.push([b[0] - a[0], b[1] - a[1]]);
            }
        }
        steps
    }

    #[test]
    fn the_wanted_part_of_dots_moves_together_and_lives_are_as_long_as_said() {
        let all = steps(FIELD, 24);
        let together = all.iter().filter(|s| (s[0] - 1.5).abs() < 1e-9 && s[1].abs() < 1e-9).count();
        // One step in twelve is a birth, which goes anywhere.
        let expected = 0.4 * 11.0 / 12.0;
        let found = together as f64 / all.len() as f64;
        assert!((found - expected).abs() < 0.02, "{found} of {expected}");
        let long = all.iter().filter(|s| s[0].hypot(s[1]) > 1.6).count() as f64 / all.len() as f64;
        assert!((long - 1.0 / 12.0).abs() < 0.04, "{long}");
    }

    #[test]
    fn dots_that_live_for_ever_stay_in_the_field_and_fill_it_evenly() {
        let field = Field { lifetime_frames: 0, coherence: 1.0, ..FIELD };
        let places: Vec<[f64; 2]> =
            (0..2000).filter_map(|index| Dot { index, field }.place_px(1_000_003)).collect();
        assert_eq!(places.len(), 2000);
        assert!(places.iter().all(|p| p[0].abs() <= 50.0 && p[1].abs() <= 50.0));
        let right = places.iter().filter(|p| p[0] > 0.0).count();
        assert!((900..1100).contains(&right), "{right}");
    }
}
