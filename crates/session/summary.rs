//! What a session came to, in numbers: the last line of `photic run --json`, and the text that a person reads.

use closedloop::SetPointPlan;
use protocol::{Decoder, Protocol};
use recording::{ClockKind, RecordedSession};
use serde::Serialize;
use timeline::{Decision, NoticeKind, SourceId};

use crate::gaze::Followed;
use crate::missed::Missed;
use crate::phases::Onsets;
use crate::report::{Block, Chunks, Span, blocks, nearest_rank};
use crate::steered::Steered;
use crate::tried::{Scored, Tried};

mod stopped;
mod text;

pub use stopped::Governed;

/// The summary. What a session does not have (no set point, no cues) is `None`, and `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The session's folder.
    pub session: String,
    /// Only in a blinded trial, and then without anything that would tell the arm.
    pub blinded: Option<crate::arms::Entry>,
    /// Frames presented.
    pub frames: u64,
    /// Refreshes that showed an old frame again.
    pub missed_frames: u64,
    /// The same, and frames seen at another refresh than planned or by nobody, by block, trial and presentation.
    pub frame_faults: Missed,
    /// What the photosensitivity governor did not show; only where it stopped something.
    pub governed: Option<Governed>,
    /// Attempts at trials by their outcome; only with a task.
    pub attempts: Option<std::collections::BTreeMap<&'static str, u64>>,
    /// Decisions of the decoder.
    pub decisions: u64,
    /// Commands to the display.
    pub commands: u64,
    /// Samples of all numeric streams, as recorded.
    pub samples: u64,
    /// Samples that the loop never saw: the sum of [`Summary::samples_lost_by`].
    pub samples_lost: u64,
    /// The same by cause.
    pub samples_lost_by: SamplesLost,
    /// Arrival at the inlet of the newest chunk that a turn took, to the instant at which that turn's command stood
    /// published; over all turns that took samples and published a command. `None` on the virtual clock, on which
    /// software takes no time.
    pub loop_latency_us: Option<Latency>,
    /// Only where something on the screen follows the gaze.
    pub gaze: Option<Followed>,
    /// Only with a set point.
    pub tracking_error: Option<TrackingError>,
    /// Only with presentations.
    pub steered: Option<Steered>,
    /// Pictures shown, probes included; only with presentations.
    pub presentations: Option<u64>,
    /// See [`crate::steered::Gain`]; only where the brain is a committed one.
    pub normalised_gain: Option<f64>,
    /// Part of the cued decisions that were right; only with cues.
    pub accuracy: Option<f64>,
    /// Decided class against cued class; only with cues.
    pub confusion: Option<Confusion>,
    /// Which states presentations met that could wait for one; only with such presentations.
    pub onsets: Option<Onsets>,
    /// Blocks of trials and what their procedures found, in the order in which they ran; only with trials.
    pub trials: Option<Vec<Tried>>,
    /// Blocks whose set point was relative to a baseline; only with such blocks.
    pub scored: Option<Vec<Scored>>,
    /// Why the recording ended before the session did (a full disk), if so; the numbers count what was recorded.
    pub recording_ended_early: Option<String>,
    /// How the session ended; `None` when it did not end in order.
    pub exit: Option<String>,
}

/// Samples that the loop never saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SamplesLost {
    /// Passed over by a turn, because newer ones waited or the ring had refused them.
    pub skipped: u64,
    /// Refused by a full ring after the last turn that took samples (earlier ones count as skipped).
    pub refused: u64,
    /// Never sent: gaps in the stamps of a regular stream; an estimate.
    pub at_source: u64,
}

/// A distribution of latencies in us; percentiles by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Number of values.
    pub n: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Greatest.
    pub max: f64,
}

/// Mean absolute distance between response and set point, in uV.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct TrackingError {
    /// The simulated participant's noise-free response, over the whole time of all hold blocks; `None` for a person.
    pub latent: Option<f64>,
    /// The decoder's value, over all decisions with a set point.
    pub measured: Option<f64>,
    /// As `latent`, without the first `settling_s` of each hold block.
    pub latent_settled: Option<f64>,
    /// As `measured`, without the first `settling_s` of each hold block.
    pub measured_settled: Option<f64>,
    /// Two windows of the decoder; `None` when the protocol names no window.
    pub settling_s: Option<f64>,
    /// Decisions in `measured`.
    pub measured_n: u64,
    /// Time in `latent`, in s.
    pub latent_s: f64,
}

/// Counts of decisions by cue and answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Names of the classes, as the protocol gives them.
    pub classes: Vec<String>,
    /// `counts[cued][decided]`, in the order of `classes`.
    pub counts: Vec<Vec<u64>>,
    /// Cued decisions that name no class, by cue.
    pub undecided: Vec<u64>,
}

impl Confusion {
    /// All cued decisions.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().chain(&self.undecided).sum()
    }

    /// Cued decisions that were right.
    pub fn right(&self) -> u64 {
        self.counts.iter().enumerate().map(|(class, row)| row[class]).sum()
    }
}

impl Summary {
    /// Counts and measures a session. The copy of the protocol in its folder gives names, windows and set points; where
    /// it cannot be read, the records alone have to do.
    pub fn of(session: &RecordedSession) -> Self {
        Self::with_protocol(session, read_protocol(session).as_ref())
    }

    /// The same with what a blinded session does not tell, for whoever has opened its arm.
    pub fn unblinded(session: &RecordedSession) -> Self {
        let protocol = read_protocol(session);
        let tracking_error = tracking_error(session, protocol.as_ref());
        Self { tracking_error, ..Self::with_protocol(session, protocol.as_ref()) }
    }

    /// The same with a protocol that has been read already.
    pub fn with_protocol(session: &RecordedSession, protocol: Option<&Protocol>) -> Self {
        let samples_lost_by = samples_lost(session);
        let SamplesLost { skipped, refused, at_source } = samples_lost_by;
        let steered = Steered::of(session);
        let confusion = confusion(&session.decisions, protocol);
        let numeric =
            session.sources.iter().filter(|source| source.texts.is_empty() && !source.values.is_empty());
        Self {
            session: session.folder.path().display().to_string(),
            blinded: crate::arms::entry_of(session),
            frames: session.flips.len() as u64,
            missed_frames: session.flips.iter().map(|flip| u64::from(flip.missed)).sum(),
            frame_faults: Missed::of(session, &blocks(session, protocol)),
            governed: Governed::of(session),
            attempts: stopped::attempts(session),
            decisions: session.decisions.len() as u64,
            commands: session.commands.len() as u64,
            samples: numeric.map(|source| source.stamps_s.len() as u64).sum(),
            samples_lost: skipped + refused + at_source,
            samples_lost_by,
            loop_latency_us: match session.meta.clock {
                ClockKind::Live => Latency::of(loop_latencies_us(session)),
                ClockKind::Virtual => None,
            },
            gaze: Followed::of(session, protocol),
            tracking_error: match crate::arms::is_blinded(session) {
                // How well the set point was followed differs between arms.
                true => None,
                false => tracking_error(session, protocol),
            },
            presentations: steered.as_ref().map(|steered| steered.presentations),
            normalised_gain: steered.as_ref().and_then(|steered| Some(steered.gain.as_ref()?.normalised)),
            steered,
            accuracy: confusion.as_ref().map(|confusion| confusion.right() as f64 / confusion.total() as f64),
            confusion,
            onsets: Onsets::of(session, protocol),
            trials: Tried::of(session, protocol),
            scored: Scored::of(session, protocol),
            recording_ended_early: session
                .meta
                .outcome
                .as_ref()
                .and_then(|outcome| outcome.recording_ended_early.clone()),
            exit: session.meta.outcome.as_ref().map(|outcome| outcome.exit.clone()),
        }
    }
}

/// The protocol of a session, from the copy in its folder; `None` when it is missing or this build cannot read it.
pub(crate) fn read_protocol(session: &RecordedSession) -> Option<Protocol> {
    let path = session.folder.protocol_path();
    let text = std::fs::read_to_string(&path).ok()?;
    Protocol::parse(&text, &path.display().to_string()).ok()
}

impl Latency {
    pub(crate) fn of(mut values_us: Vec<f64>) -> Option<Self> {
        values_us.sort_by(f64::total_cmp);
        let max = *values_us.last()?;
        let at = |p| nearest_rank(&values_us, p);
        Some(Self { n: values_us.len() as u64, p50: at(0.5), p99: at(0.99), max })
    }
}

fn samples_lost(session: &RecordedSession) -> SamplesLost {
    let skipped = session.turns.iter().flat_map(|turn| turn.takes).map(|take| take.skipped).sum();
    let taken = |source: SourceId| {
        let last = session.turns.last();
        last.and_then(|turn| turn.takes.get(usize::from(source.0))).map_or(0, |take| take.end)
    };
    let late = session.chunks.iter().filter(|chunk| chunk.first_sample >= taken(chunk.source));
    let gaps = session.notices.iter().filter(|notice| notice.kind == NoticeKind::SamplesLost);
    SamplesLost {
        skipped,
        refused: late.map(|chunk| u64::from(chunk.refused)).sum(),
        at_source: gaps.map(|notice| u64::try_from(notice.count).unwrap_or(0)).sum(),
    }
}

/// One value per turn that took samples and published; only the turn's first command counts, the others stood published
/// at the same instant.
fn loop_latencies_us(session: &RecordedSession) -> Vec<f64> {
    let chunks = Chunks::of(session);
    let mut values = Vec::new();
    let mut published = session.published.iter().peekable();
    let mut commands = session.commands.iter().peekable();
    let mut ends = [0_u64; timeline::MAX_SOURCES];
    for turn in &session.turns {
        let mut arrival_ns: Option<i64> = None;
        for (source, (take, end)) in turn.takes.iter().zip(&mut ends).enumerate() {
            if take.end > *end {
                let chunk = chunks.with_sample(SourceId(source as u16), take.end - 1);
                arrival_ns = arrival_ns.max(chunk.map(|chunk| chunk.arrival_ns));
                *end = take.end;
            }
        }
        let Some(arrival_ns) = arrival_ns else { continue };
        while commands.next_if(|command| command.turn < turn.index).is_some() {}
        let Some(command) = commands.peek().filter(|command| command.turn == turn.index) else { continue };
        while published.next_if(|published| published.command < command.index).is_some() {}
        if let Some(published) = published.peek().filter(|published| published.command == command.index) {
            values.push(published.at_ns.saturating_sub(arrival_ns) as f64 / 1e3);
        }
    }
    values
}

/// A stretch of a block with a set point, whose course began with the block.
#[derive(Clone, Copy)]
struct Held {
    span: Span,
    begin_ns: i64,
    set_point: SetPointPlan,
}

fn tracking_error(session: &RecordedSession, protocol: Option<&Protocol>) -> Option<TrackingError> {
    let held = blocks(session, protocol);
    let held: Vec<Held> = held
        .iter()
        .filter_map(|Block { span, set_point, .. }| {
            Some(Held { span: *span, begin_ns: span.start_ns, set_point: (*set_point)? })
        })
        .collect();
    if held.is_empty() && !session.decisions.iter().any(|decision| decision.set_point.is_some()) {
        return None;
    }
    let window_s = match protocol.and_then(|protocol| protocol.decoder.as_ref()) {
        Some(Decoder::SsvepAmplitude(decoder)) => Some(decoder.window_s),
        _ => None,
    };
    let settling_s = window_s.map(|window_s| 2.0 * window_s);
    let settled: Option<Vec<Held>> = settling_s.map(|settling_s| {
        let settling_ns = timeline::ns_from_s(settling_s);
        let later = |span: &Span| Span { start_ns: (span.start_ns + settling_ns).min(span.end_ns), ..*span };
        held.iter().map(|held| Held { span: later(&held.span), ..*held }).collect()
    });
    let measured = measured_error(session, |_| true);
    let (latent, latent_s) = latent_error(session, &held).unzip();
    Some(TrackingError {
        latent,
        measured: measured.map(|(error, _)| error),
        latent_settled: settled
            .as_ref()
            .and_then(|settled| latent_error(session, settled))
            .map(|(error, _)| error),
        measured_settled: settled
            .and_then(|settled| {
                let within = |at_ns| {
                    settled.iter().any(|held| at_ns >= held.span.start_ns && at_ns < held.span.end_ns)
                };
                measured_error(session, within)
            })
            .map(|(error, _)| error),
        settling_s,
        measured_n: measured.map_or(0, |(_, n)| n),
        latent_s: latent_s.unwrap_or(0.0),
    })
}

/// Mean absolute error and number of decisions; a value that is not a number cannot be averaged and is left out.
fn measured_error(session: &RecordedSession, counts: impl Fn(i64) -> bool) -> Option<(f64, u64)> {
    let (mut sum, mut n) = (0.0, 0);
    for decision in session.decisions.iter().filter(|decision| counts(decision.decided_ns)) {
        let Some(set_point) = decision.set_point else { continue };
        let error = (decision.value - set_point).abs();
        if error.is_finite() {
            sum += error;
            n += 1;
        }
    }
    (n > 0).then(|| (sum / n as f64, n))
}

/// Mean absolute error over time and the time in s. A latent value holds until the next one.
fn latent_error(session: &RecordedSession, held: &[Held]) -> Option<(f64, f64)> {
    let (mut sum, mut time_s) = (0.0, 0.0);
    let mut next_block = 0;
    for (at, latent) in session.latents.iter().enumerate() {
        let end_ns = session.latents.get(at + 1).map_or(latent.at_ns, |next| next.at_ns);
        let holds = Span { start_ns: latent.at_ns, end_ns };
        while held.get(next_block).is_some_and(|held| held.span.end_ns <= holds.start_ns) {
            next_block += 1;
        }
        for held in &held[next_block..] {
            if held.span.start_ns >= holds.end_ns {
                break;
            }
            let Some(both) = holds.overlap(&held.span) else { continue };
            // A latent value holds for milliseconds; the set point at its begin stands for it.
            let error = (latent.response_uv - held.set_point.at_uv(both.start_ns - held.begin_ns)).abs();
            if error.is_finite() {
                sum += error * both.length_s();
                time_s += both.length_s();
            }
        }
    }
    (time_s > 0.0).then(|| (sum / time_s, time_s))
}

fn confusion(decisions: &[Decision], protocol: Option<&Protocol>) -> Option<Confusion> {
    let cued: Vec<(u32, Option<u32>)> = decisions.iter().filter_map(|d| Some((d.cue?, d.label))).collect();
    if cued.is_empty() {
        return None;
    }
    let classes = classes_of(decisions, protocol);
    let place = |code: u32| classes.iter().position(|(known, _)| *known == code).unwrap_or(0);
    let mut counts = vec![vec![0; classes.len()]; classes.len()];
    let mut undecided = vec![0; classes.len()];
    for (cue, label) in cued {
        match label {
            Some(label) => counts[place(cue)][place(label)] += 1,
            None => undecided[place(cue)] += 1,
        }
    }
    Some(Confusion { classes: classes.into_iter().map(|(_, name)| name).collect(), counts, undecided })
}

/// Code and name of each class: those of the protocol's decoder, then codes of cued decisions that the protocol does
/// not name (it may be unreadable), for they must not vanish from a count.
pub(crate) fn classes_of(decisions: &[Decision], protocol: Option<&Protocol>) -> Vec<(u32, String)> {
    let mut classes: Vec<(u32, String)> = match protocol.and_then(|protocol| protocol.decoder.as_ref()) {
        Some(Decoder::Cca(cca)) => {
            cca.classes.iter().map(|class| (class.code, class.label.clone())).collect()
        }
        _ => Vec::new(),
    };
    for decision in decisions.iter().filter(|decision| decision.cue.is_some()) {
        for code in [decision.cue, decision.label].into_iter().flatten() {
            if !classes.iter().any(|(known, _)| *known == code) {
                classes.push((code, format!("class {code}")));
            }
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use timeline::{Chunk, Command, Latent, NoticeKind, Published, Ramp, SceneId};

    use super::*;
    use crate::report::synthetic::{
        LISTEN, Synthetic, THERMOSTAT, ZERO_NS, add_source, decision, empty, flip, listening, notice,
        thermostat, turn,
    };

    const S: i64 = 1_000_000_000;

    fn command(index: u64, turn: u64) -> Command {
        let contrast = Ramp::constant(0.5);
        Command {
            index,
            turn,
            issued_ns: 0,
            decision: None,
            scene: SceneId(1),
            contrast,
            picture: None,
            not_before_ns: 0,
        }
    }

    fn chunk(first_sample: u64, count: u32, arrival_ns: i64) -> Chunk {
        Chunk { source: SourceId(0), first_sample, count, arrival_ns, offset_ns: 0, refused: 0 }
    }

    #[test]
    fn counts() {
        let mut held = empty(THERMOSTAT);
        let session = &mut held.session;
        session.flips = (0..5).map(|n| flip(n, n as i64, 0.0, None)).collect();
        session.flips[2].missed = 3;
        session.flips[4].missed = 1;
        add_source(session, &["a".into(), "b".into()], 250.0, vec![0.0; 40], vec![0.0; 80]);
        let summary = Summary::of(session);
        assert_eq!((summary.frames, summary.missed_frames, summary.samples), (5, 4, 40));
        assert_eq!((summary.samples_lost, summary.exit), (0, None));
    }

    #[test]
    fn each_lost_sample_counts_once() {
        let mut held = empty(THERMOSTAT);
        let session = &mut held.session;
        // Samples 10..20 were refused, and the turn that took 20..30 skipped them; 30..40 were refused and no later
        // turn took any; 7 never came.
        session.chunks = vec![chunk(0, 10, 1), chunk(10, 10, 2), chunk(20, 10, 3), chunk(30, 10, 4)];
        session.chunks[1].refused = 10;
        session.chunks[3].refused = 10;
        session.turns = vec![turn(0, 1, 10), turn(1, 3, 30)];
        session.turns[1].takes[0].skipped = 10;
        session.notices = vec![notice(2, NoticeKind::SamplesLost, Some(SourceId(0)), 7)];
        let summary = Summary::of(session);
        assert_eq!(summary.samples_lost_by, SamplesLost { skipped: 10, refused: 10, at_source: 7 });
        assert_eq!(summary.samples_lost, 27);
    }

    #[test]
    fn loop_latency_is_from_the_newest_chunk_of_a_turn_that_published() {
        let mut held = empty(THERMOSTAT);
        let session = &mut held.session;
        // Turn n takes two chunks, the second of which arrives 1 s later, and publishes n + 1 us after that; turns from
        // 100 on publish without samples, or take samples without publishing.
        for n in 0..100_i64 {
            let index = n as u64;
            session.chunks.push(chunk(8 * index, 4, 10 * n * S));
            session.chunks.push(chunk(8 * index + 4, 4, (10 * n + 1) * S));
            session.turns.push(turn(index, (10 * n + 1) * S, 8 * index + 8));
            session.commands.extend([command(2 * index, index), command(2 * index + 1, index)]);
            let at_ns = (10 * n + 1) * S + (n + 1) * 1000;
            session.published.extend([2 * index, 2 * index + 1].map(|command| Published { command, at_ns }));
        }
        session.turns.push(turn(100, 2000 * S, 800));
        session.commands.push(command(200, 100));
        session.published.push(Published { command: 200, at_ns: 2001 * S });
        session.chunks.push(chunk(800, 4, 2002 * S));
        session.turns.push(turn(101, 2002 * S, 804));
        let latency = Summary::of(session).loop_latency_us.unwrap();
        assert_eq!(latency, Latency { n: 100, p50: 50.0, p99: 99.0, max: 100.0 });
        session.meta.clock = ClockKind::Virtual;
        assert_eq!(Summary::of(session).loop_latency_us, None);
    }

    #[test]
    fn percentiles_are_ranks_not_means() {
        let at = |values: &[f64], p| nearest_rank(values, p);
        assert_eq!(at(&[1.0, 2.0], 0.5), 1.0);
        assert_eq!(at(&[1.0, 2.0, 3.0], 0.5), 2.0);
        assert_eq!((at(&[5.0], 0.0), at(&[5.0], 1.0)), (5.0, 5.0));
        assert_eq!(Latency::of(vec![]), None);
    }

    /// One hold block at 2 uV from 24 s to 54 s: the thermostat's second block.
    fn held_at_two() -> crate::report::synthetic::Held {
        let mut held = empty(THERMOSTAT);
        let begin = notice(ZERO_NS + 24 * S, NoticeKind::BlockBegin, None, 1);
        let end = notice(ZERO_NS + 54 * S, NoticeKind::BlockEnd, None, 1);
        held.session.notices = vec![begin, end];
        held
    }

    #[test]
    fn tracking_errors_by_hand() {
        let mut held = held_at_two();
        let session = &mut held.session;
        let at = |s: i64| ZERO_NS + s * S;
        let all = [(20, 9.0, None), (25, 1.0, Some(2.0)), (40, 2.5, Some(2.0)), (50, f64::NAN, Some(2.0))];
        session.decisions =
            (0_u64..).zip(all).map(|(n, (s, value, set))| decision(n, at(s), value, set)).collect();
        // 5 uV before the block and for its first 3 s, 2.5 uV for 17 s, 1 uV for its last 10 s and after it.
        let latent = |s, response_uv| Latent { at_ns: at(s), response_uv, gain: 1.0, contrast_seen: 0.5 };
        session.latents =
            vec![latent(0, 5.0), latent(27, 2.5), latent(44, 1.0), latent(60, 9.0), latent(61, 9.0)];
        let error = Summary::of(session).tracking_error.unwrap();
        assert_eq!((error.measured, error.measured_n), (Some((1.0 + 0.5) / 2.0), 2));
        assert_eq!(error.measured_settled, Some(0.5));
        assert_eq!((error.settling_s, error.latent_s), (Some(4.0), 30.0));
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} {b}");
        close(error.latent, (3.0 * 3.0 + 0.5 * 17.0 + 1.0 * 10.0) / 30.0);
        close(error.latent_settled, (0.5 * 16.0 + 1.0 * 10.0) / 26.0);
    }

    #[test]
    fn without_the_protocol_the_decisions_say_the_set_point() {
        let mut held = held_at_two();
        let session = &mut held.session;
        session.decisions = vec![decision(0, ZERO_NS + 30 * S, 3.0, Some(2.0))];
        let latent =
            |s, response_uv| Latent { at_ns: ZERO_NS + s * S, response_uv, gain: 1.0, contrast_seen: 0.5 };
        session.latents = vec![latent(0, 1.5), latent(60, 1.5)];
        let error = Summary::with_protocol(session, None).tracking_error.unwrap();
        assert_eq!((error.measured, error.latent, error.settling_s), (Some(1.0), Some(0.5), None));
        session.notices.clear();
        session.decisions.push(decision(1, ZERO_NS + 40 * S, 1.0, Some(2.0)));
        let error = Summary::with_protocol(session, None).tracking_error.unwrap();
        assert_eq!((error.latent, error.latent_s), (Some(0.5), 10.0));
    }

    #[test]
    fn confusion_by_cue_and_answer() {
        let mut held = empty(LISTEN);
        let cued = [(0, Some(0)), (1, Some(1)), (1, Some(2)), (3, Some(3)), (3, None), (9, Some(9))];
        held.session.decisions = (0_u64..)
            .zip(cued)
            .map(|(n, (cue, label))| Decision { cue: Some(cue), label, ..decision(n, 0, 0.0, None) })
            .collect();
        held.session.decisions.push(decision(6, 0, 0.0, None));
        let summary = Summary::of(&held.session);
        let confusion = summary.confusion.unwrap();
        assert_eq!(confusion.classes, ["rest", "13 Hz", "17 Hz", "21 Hz", "class 9"]);
        assert_eq!(confusion.counts[1], [0, 1, 1, 0, 0]);
        assert_eq!(confusion.undecided, [0, 0, 0, 1, 0]);
        assert_eq!((confusion.right(), confusion.total(), summary.accuracy), (4, 6, Some(4.0 / 6.0)));
    }

    #[test]
    fn the_json_has_the_documented_keys() {
        let keys =
            |held: &crate::report::synthetic::Held| serde_json::to_value(Summary::of(&held.session)).unwrap();
        let json = keys(&empty("not a protocol"));
        for key in ["loop_latency_us", "tracking_error", "accuracy", "confusion", "exit"] {
            assert!(json[key].is_null(), "{key}");
        }
        for key in ["session", "frames", "missed_frames", "decisions", "commands", "samples", "samples_lost"]
        {
            assert!(!json[key].is_null(), "{key}");
        }
        let json = keys(&thermostat(&Synthetic { seconds: 60.0, channels: 1, seed: 1 }));
        assert!(json["loop_latency_us"]["p99"].as_f64().unwrap() > 30.0);
        assert!(json["tracking_error"]["latent"].as_f64().unwrap() < 2.0);
        assert!(json["tracking_error"]["measured"].is_f64() && json["exit"] == "finished");
        let json = keys(&listening());
        assert_eq!(json["accuracy"], 30.0 / 32.0);
        assert_eq!(json["confusion"]["counts"][0].as_array().unwrap().len(), 4);
    }

    #[test]
    fn the_text_is_aligned_and_has_units() {
        let text =
            Summary::of(&thermostat(&Synthetic { seconds: 60.0, channels: 1, seed: 1 }).session).to_string();
        assert!(text.lines().all(|line| line.len() > 17 && &line[16..17] == " "), "{text}");
        for part in [
            "frames",
            "lost",
            "us (chunk arrival to command",
            "error, latent",
            " uV mean absolute",
            "first 4 s",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
