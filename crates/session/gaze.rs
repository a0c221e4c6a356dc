//! From a row of the gaze stream to a place on the screen, and back for simulated eyes; and what came of it.

use protocol::{GazeStream, GazeUnit, Protocol, StimulusKind};
use recording::RecordedSession;
use serde::Serialize;
use stimulus::Screen;
use timeline::latest::LatestWriter;
use timeline::{Gaze, ns_from_s};

use crate::summary::Latency;

/// The gaze counts as far off the screen as this at most, in screens from the middle: nothing is seen there anyway.
const FARTHEST: f64 = 1.5;

/// What the values of the gaze stream mean on this screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GazeWay {
    /// Place of the stream.
    pub source: usize,
    /// Places of x and y in its rows.
    channels: [usize; 2],
    /// Values in a row.
    width: usize,
    unit: GazeUnit,
    screen: Screen,
    /// For how long an eye that is not seen is taken to stay; `None` where nothing follows the gaze.
    pub hold_ns: Option<i64>,
}

impl GazeWay {
    /// Of a protocol that has a gaze.
    pub(crate) fn lower(protocol: &Protocol, screen: &Screen) -> Option<Self> {
        let GazeStream { stream, channels, unit, hold_s } = *protocol.gaze.as_ref()?;
        let protocol::StreamKind::Samples(samples) = &protocol.streams.get(stream)?.kind else { return None };
        Some(Self {
            source: stream,
            channels,
            width: samples.channels.len(),
            unit,
            screen: *screen,
            hold_ns: hold_s.map(ns_from_s),
        })
    }

    /// Where a row's sample lies: `None` where the eye was not seen, or looked to where no flat screen is. Whole px, so that
    /// what lies on pixels still does.
    pub fn place(&self, at_ns: i64, row: &[f64]) -> Option<Gaze> {
        let [x, y] = self.channels.map(|channel| row.get(channel).copied().unwrap_or(f64::NAN));
        let offset = match self.unit {
            GazeUnit::Degrees if x.abs() < 90.0 && y.abs() < 90.0 => {
                [self.screen.offset_px(x), -self.screen.offset_px(y)]
            }
            GazeUnit::Degrees => return None,
            GazeUnit::Pixels => {
                let [x0, y0] = self.screen.centre_px();
                [x - x0, y - y0]
            }
        };
        if !offset.iter().all(|offset| offset.is_finite()) {
            return None;
        }
        let size = [f64::from(self.screen.width_px), f64::from(self.screen.height_px)];
        let near = |axis: usize| {
            let farthest = FARTHEST * size[axis];
            // A whole number has no negative zero to be recorded.
            libm::round(offset[axis].clamp(-farthest, farthest)) + 0.0
        };
        Some(Gaze { at_ns, offset_px: [near(0), near(1)] })
    }

    /// A row of the stream in which the eye looks there, in degrees from the middle to the right and up; `None` is a closed eye.
    pub(crate) fn row(&self, look_deg: Option<[f64; 2]>, row: &mut [f64]) {
        row.fill(0.0);
        let values = look_deg.map_or([f64::NAN; 2], |[x, y]| match self.unit {
            GazeUnit::Degrees => [x, y],
            GazeUnit::Pixels => {
                let [x0, y0] = self.screen.centre_px();
                [x0 + self.screen.offset_px(x), y0 - self.screen.offset_px(y)]
            }
        });
        for (channel, value) in self.channels.into_iter().zip(values) {
            if let Some(place) = row.get_mut(channel) {
                *place = value;
            }
        }
    }
}

/// Hands the newest place on to whoever draws.
pub struct GazeFeed {
    way: GazeWay,
    newest: LatestWriter<Option<Gaze>>,
}

impl GazeFeed {
    /// Into this carrier.
    pub fn new(way: GazeWay, newest: LatestWriter<Option<Gaze>>) -> Self {
        Self { way, newest }
    }

    /// Place of the stream that it reads.
    pub fn source(&self) -> usize {
        self.way.source
    }

    /// Takes the samples of a turn: the newest in which the eye was seen counts.
    pub fn take(&mut self, at_ns: &[i64], values: &[f64]) {
        let rows = at_ns.iter().zip(values.chunks_exact(self.way.width.max(1))).rev();
        let mut seen = rows.filter_map(|(&at_ns, row)| self.way.place(at_ns, row));
        if let Some(gaze) = seen.next() {
            self.newest.publish(Some(gaze));
        }
    }
}

/// Which scenes have something in them that follows the gaze, by scene number; grey has nothing.
pub(crate) fn following(protocol: &Protocol) -> Vec<bool> {
    let mut follows = vec![false];
    for stimulus in &protocol.stimuli {
        follows.push(match &stimulus.kind {
            // They stand before it.
            StimulusKind::Together(of) => of.iter().any(|place| follows.get(place + 1) == Some(&true)),
            _ => stimulus.look.follows_gaze,
        });
    }
    follows
}

/// How frames followed the gaze.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Followed {
    /// Frames with something that lay where the person looked.
    pub frames: u64,
    /// Frames in which it was not drawn, because the eye had not been seen for longer than `hold_s`.
    pub lost: u64,
    /// From the sample of gaze to the onset of the frame that lay by it.
    pub gaze_to_frame_us: Option<Latency>,
}

impl Followed {
    /// Of a session in which a frame showed something that follows the gaze.
    pub fn of(session: &RecordedSession, protocol: Option<&Protocol>) -> Option<Self> {
        let follows = following(protocol?);
        let flips = session.flips.iter();
        let flips = flips.filter(|flip| follows.get(usize::from(flip.scene.0)) == Some(&true));
        let (mut lost, mut ages_us) = (0, Vec::new());
        for flip in flips {
            match flip.gaze {
                Some(gaze) => ages_us.push(flip.onset_ns.saturating_sub(gaze.at_ns) as f64 / 1e3),
                None => lost += 1,
            }
        }
        let frames = ages_us.len() as u64;
        (frames + lost > 0).then(|| Self { frames, lost, gaze_to_frame_us: Latency::of(ages_us) })
    }

    /// In words.
    pub fn describe(&self) -> String {
        let Self { frames, lost, gaze_to_frame_us } = self;
        let latency = gaze_to_frame_us.map_or(String::new(), |Latency { p50, p99, max, .. }| {
            let ms = [p50, p99, max].map(|us| us / 1e3);
            format!(
                ", p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms (sample to the frame's onset)",
                ms[0], ms[1], ms[2]
            )
        });
        format!("{frames} frames lay by it, {lost} had none{latency}")
    }
}

#[cfg(test)]
mod tests {
    use stimulus::ScreenSpec;
    use timeline::latest::latest;

    use super::*;

    fn way(unit: GazeUnit) -> GazeWay {
        let screen = Screen::new(&ScreenSpec {
            width_px: 320,
            height_px: 240,
            width_cm: 32.0,
            height_cm: 24.0,
            distance_cm: 57.0,
            refresh_hz: 60.0,
            luminance_max_cd_m2: 100.0,
            luminance_min_cd_m2: 0.5,
            gamma: 2.2,
        })
        .unwrap();
        GazeWay { source: 1, channels: [2, 0], width: 3, unit, screen, hold_ns: Some(100_000_000) }
    }

    #[test]
    fn degrees_go_up_and_pixels_down() {
        // 10 px per cm at 57 cm: 570 tan(2 deg) = 19.90 px and 570 tan(-1 deg) = -9.95 px.
        let gaze = way(GazeUnit::Degrees).place(5, &[1.0, f64::NAN, 2.0]).unwrap();
        assert_eq!(gaze, Gaze { at_ns: 5, offset_px: [20.0, -10.0] });
        let gaze = way(GazeUnit::Pixels).place(5, &[110.2, 0.0, 180.0]).unwrap();
        assert_eq!(gaze.offset_px, [20.0, -10.0]);
    }

    #[test]
    fn an_eye_that_is_not_seen_looks_nowhere_and_one_far_off_the_screen_is_near_enough() {
        let degrees = way(GazeUnit::Degrees);
        for (x, y) in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (0.0, 90.0), (-100.0, 0.0)] {
            assert_eq!(degrees.place(0, &[y, 0.0, x]), None, "{x} {y}");
        }
        assert_eq!(degrees.place(0, &[-89.0, 0.0, 85.0]).unwrap().offset_px, [480.0, 360.0]);
        assert_eq!(way(GazeUnit::Pixels).place(0, &[0.0]), None, "a row without the channel");
    }

    #[test]
    fn simulated_eyes_are_found_where_they_look() {
        for unit in [GazeUnit::Degrees, GazeUnit::Pixels] {
            let way = way(unit);
            let mut row = [7.0; 3];
            way.row(Some([2.0, 1.0]), &mut row);
            assert_eq!(way.place(0, &row).unwrap().offset_px, [20.0, -10.0]);
            way.row(None, &mut row);
            assert_eq!(way.place(0, &row), None);
        }
    }

    #[test]
    fn the_newest_sample_in_which_the_eye_was_seen_counts() {
        let (writer, mut newest) = latest(&None);
        let mut feed = GazeFeed::new(way(GazeUnit::Pixels), writer);
        let rows = [[120.0, 0.0, 160.0], [121.0, 0.0, 161.0], [f64::NAN, 0.0, f64::NAN]];
        feed.take(&[10, 20, 30], rows.as_flattened());
        assert_eq!(*newest.read(), Some(Gaze { at_ns: 20, offset_px: [1.0, 1.0] }));
        feed.take(&[40], &rows[2]);
        feed.take(&[], &[]);
        assert_eq!(newest.read().map(|gaze| gaze.at_ns), Some(20));
    }
}
