//! What happened that should not have, or that somebody should know of: the page's table of notices.

use stimulus::safety::flag;
use timeline::{Notice, NoticeKind, s_from_ns};

use super::page::{Column, Page};
use super::quality;
use super::sections::{Facts, MOST_ROWS};
use super::svg::counted;

impl Facts<'_> {
    /// Notices and damage.
    pub fn notices(&self, page: &mut Page) {
        page.heading("Notices");
        for problem in self.session.problems.iter().take(MOST_ROWS) {
            page.text(&format!("Recording, byte {}: {}", problem.offset, problem.what));
        }
        if !self.session.is_closed {
            page.text("The recording was not closed: the session ended by a crash or a full disk. Everything up to there is above.");
        }
        let notices = &self.session.notices;
        if notices.is_empty() {
            page.text("No notice was recorded.");
            return;
        }
        let rows = thinned(notices, MOST_ROWS).map(|notice| {
            vec![
                format!("{:.3}", self.extent.since_s(notice.at_ns)),
                notice.kind.name().into(),
                notice.source.map_or("\u{2013}".into(), |source| self.stream_name(source)),
                self.detail(notice),
            ]
        });
        let columns: [Column; 4] =
            [("time (s)", true), ("notice", false), ("stream", false), ("detail", false)];
        page.table(&columns, &rows.collect::<Vec<_>>());
        let counted = if notices.len() > MOST_ROWS {
            format!(
                "{} notices, of which {MOST_ROWS} are shown: block and safety notices first. ",
                notices.len()
            )
        } else {
            String::new()
        };
        page.how(&format!(
            "{counted}Told by the loop, the inlets, the display and the recorder when it happened."
        ));
    }

    fn detail(&self, notice: &Notice) -> String {
        use NoticeKind as N;
        let seconds = || format!("{:.3} s", s_from_ns(notice.count));
        let channel = |place: i64| {
            let source = notice.source.unwrap_or_default();
            let labels = quality::channels(self.session, source);
            let known = usize::try_from(place).ok().and_then(|place| labels.get(place).cloned());
            known.map_or_else(|| format!("channel {}", place.saturating_add(1)), |(_, label)| label)
        };
        match notice.kind {
            N::BlockBegin | N::BlockEnd => {
                let schedule = self
                    .protocol
                    .as_ref()
                    .map(|protocol| crate::experiment::schedule_of(&self.session.meta, protocol));
                let planned =
                    schedule.and_then(|s| s.blocks.get(usize::try_from(notice.count).ok()?).cloned());
                planned.map_or_else(|| format!("block {}", notice.count), |planned| planned.block.name)
            }
            N::BaselineTaken => {
                format!(
                    "standard deviation {:.3} \u{b5}V of {}",
                    notice.value,
                    counted(notice.count, "value", "values")
                )
            }
            N::BaselineFailed => format!("from {}", counted(notice.count, "value", "values")),
            N::Calibrated => format!("amplitude {:.3} \u{b5}V", notice.value),
            N::CalibrationFailed => format!("amplitude is {:.2} times its standard error", notice.value),
            N::RhythmFound | N::RhythmWeak => {
                format!("at {:.2} Hz, log likelihood {} above a background alone", notice.value, notice.count)
            }
            N::OnsetLate => format!("by {}", seconds()),
            N::Stale | N::ToGrey => format!("newest sample {} old", seconds()),
            N::SourceBack => format!("after {}", seconds()),
            N::StampJump => format!("by {}", seconds()),
            N::Skipped | N::SamplesLost | N::NotFinite | N::RetinaLate => {
                counted(notice.count, "sample", "samples")
            }
            N::RingFull => counted(notice.count, "record", "records"),
            N::FlatChannel => format!("{}, {:.2} s without change", channel(notice.count), notice.value),
            N::MissedFrames => counted(notice.count, "refresh", "refreshes"),
            N::Governed => {
                let broken = flag::NAMES.iter().enumerate().filter(|(bit, _)| notice.count >> bit & 1 == 1);
                let broken: Vec<&str> = broken.map(|(_, name)| *name).collect();
                let shown = match notice.value as i64 {
                    1 => "a ramp to grey",
                    2 => "the frame before",
                    _ => "grey",
                };
                format!("{}; {shown} was shown", broken.join(", "))
            }
            N::GovernorOpen => String::new(),
            N::Frozen => {
                let kind = match notice.count {
                    1 => "blink or movement",
                    2 => "muscle",
                    3 => "dead channel",
                    _ => "unknown",
                };
                format!("{kind}, {:.1} \u{b5}V", notice.value)
            }
            N::Paused | N::BlockSkipped => format!("in block {}", notice.count + 1),
            N::Continued => format!("after {}", seconds()),
            N::TrialGivenUp => format!("number {} of its order", notice.count + 1),
            N::ResponsesLost => counted(notice.count, "response", "responses"),
            N::Thawed => format!("controller held for {}", seconds()),
            N::RecordingEnded => format!("{} not written", counted(notice.count, "byte", "bytes")),
            N::DoseSpent => {
                format!("{:.3} s of {:.3} s at full contrast", notice.value, s_from_ns(notice.count))
            }
            N::OnTimeSpent | N::OnTimePause | N::SessionSpent => {
                format!("{} of {:.3} s, less the ramp to grey", seconds(), notice.value)
            }
            N::SlewLimited => {
                format!(
                    "{:.3} per s was asked for, {}",
                    notice.value,
                    counted(notice.count, "command", "commands")
                )
            }
            N::DeadManUp | N::DeadManDown => format!("up for {}", seconds()),
            N::InterlockOpened | N::LoopBack => format!("after {}", seconds()),
            N::TimeJump => format!("by {}", seconds()),
            N::FlipsMissing => format!("newest flip {} old", seconds()),
            N::FlipRefused => counted(notice.count, "flip", "flips"),
            N::SurfaceRebuilt => counted(notice.count, "time", "times"),
            N::DeviceRebuilt => format!("in {}", seconds()),
            N::DisplayGrey => format!("at frame {}", notice.count),
            N::LoopLost | N::WatchdogTook => format!("silent for {}", seconds()),
            N::PlannerSilent => format!("waited {}, {} in a row", seconds(), notice.value),
            N::AnswerRefused => format!("to request {}, picture {}", notice.count, notice.value),
            N::ModelFails | N::ModelBack => {
                format!(
                    "squared surprise {:.2} of what was expected, over {}",
                    notice.value,
                    counted(notice.count, "presentation", "presentations")
                )
            }
            N::OutsideSilent => format!("state {} not answered within {} s", notice.count, notice.value),
            N::OutsideBack => format!("after {}", seconds()),
            N::ReplyRefused => match notice.count {
                1 => format!("{} is not the index of a state", notice.value),
                2 => format!("state {} is answered already, or too late", notice.value),
                3 => format!("{} is not a number", notice.value),
                _ => format!("{} is out of range", notice.value),
            },
            N::RepliesLost => counted(notice.count, "reply", "replies"),
            N::LocaliserFailed => {
                format!("population {}: response {:.2} of its standard error", notice.count, notice.value)
            }
            N::PictureRefused => match notice.count {
                1 => format!("{} texels", notice.value),
                2 => counted(notice.value as i64, "texel that is not finite", "texels that are not finite"),
                3 => format!("a texel of {:.3}, beyond -1 to 1", notice.value),
                4 => format!("RMS contrast {:.3}", notice.value),
                _ => format!("picture {} is not the next, nor one before", notice.value),
            },
            N::ProbesSilent => format!(
                "{}, mean response {:.2} of its standard error",
                counted(notice.count, "probe measured", "probes measured"),
                notice.value
            ),
            N::NotSteered => format!("response {:.2} of its standard error", notice.value),
            N::OutOfReach => format!(
                "{:.2} \u{b5}V is wanted, {:.2} \u{b5}V is the nearest that is predicted",
                notice.count as f64 / 1e3,
                notice.value
            ),
            N::WindowLost | N::WatchdogLost => "\u{2013}".into(),
            N::Resumed | N::Stop | N::Aborted | N::RecorderHeld => "\u{2013}".into(),
        }
    }
}

/// At most `most` notices in the order of time. Those about samples and frames can come by the thousand, so they give
/// way to those about blocks and safety.
fn thinned(notices: &[Notice], most: usize) -> impl Iterator<Item = &Notice> {
    let is_frequent = |kind| {
        use NoticeKind as N;
        matches!(
            kind,
            N::Skipped
                | N::RingFull
                | N::NotFinite
                | N::FlatChannel
                | N::StampJump
                | N::SamplesLost
                | N::MissedFrames
                | N::RetinaLate
                | N::RecorderHeld
        )
    };
    let rare = notices.iter().filter(|notice| !is_frequent(notice.kind)).count().min(most);
    let (mut rare_left, mut frequent_left) = (rare, most - rare);
    notices.iter().filter(move |notice| {
        let left = if is_frequent(notice.kind) { &mut frequent_left } else { &mut rare_left };
        let fits = *left > 0;
        *left -= usize::from(fits);
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_notices_give_way() {
        let notice = |kind| Notice { at_ns: 0, kind, source: None, count: 0, value: 0.0 };
        let mut all = vec![notice(NoticeKind::MissedFrames); 1000];
        all.push(notice(NoticeKind::ToGrey));
        let kept: Vec<_> = thinned(&all, 10).collect();
        assert_eq!(kept.len(), 10);
        assert_eq!(kept[9].kind, NoticeKind::ToGrey);
    }
}
