//! The latency ledger: from the newest sample that a decision rests on to the frame that shows what came of it.
//!
//! Each record names its cause (flip <- command <- decision <- sample range), so a chain is followed backwards and no
//! two events are ever paired because they happen to lie close in time.

use recording::{ClockKind, RecordedSession};
use timeline::{Chunk, Command, Flip, OnsetClass, SourceId, s_from_ns};

/// The value at a rank: the smallest value with at least the part `p` of all values at or below it (nearest rank).
/// `sorted` must be sorted and not empty.
pub fn nearest_rank(sorted: &[f64], p: f64) -> f64 {
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Chunks by source and sample.
pub struct Chunks<'a> {
    by_source: Vec<Vec<&'a Chunk>>,
}

impl<'a> Chunks<'a> {
    /// Sorts them.
    pub fn of(session: &'a RecordedSession) -> Self {
        let mut by_source: Vec<Vec<&Chunk>> = Vec::new();
        for chunk in &session.chunks {
            let source = usize::from(chunk.source.0);
            if by_source.len() <= source {
                by_source.resize(source + 1, Vec::new());
            }
            by_source[source].push(chunk);
        }
        for chunks in &mut by_source {
            chunks.sort_by_key(|chunk| chunk.first_sample);
        }
        Self { by_source }
    }

    /// The chunk that brought a sample.
    pub fn with_sample(&self, source: SourceId, sample: u64) -> Option<&'a Chunk> {
        let chunks = self.by_source.get(usize::from(source.0))?;
        let after = chunks.partition_point(|chunk| chunk.first_sample <= sample);
        let chunk = *chunks.get(after.checked_sub(1)?)?;
        (sample - chunk.first_sample < u64::from(chunk.count)).then_some(chunk)
    }

    /// Chunks of a source in the order of their samples.
    pub fn of_source(&self, source: SourceId) -> &[&'a Chunk] {
        self.by_source.get(usize::from(source.0)).map_or(&[], Vec::as_slice)
    }
}

/// One step of the way from sample to light.
pub struct Stage {
    /// From what to what.
    pub name: &'static str,
    /// How the number is known.
    pub how: String,
    /// All values in ms, sorted.
    pub values_ms: Vec<f64>,
}

/// All stages of all chains.
pub struct Ledger {
    /// The stages in the order of time, then the whole way.
    pub stages: Vec<Stage>,
    /// Chains that could be followed from sample to frame.
    pub chains: usize,
    /// Commands that a decision caused.
    pub from_decisions: usize,
    /// Of these, commands that no frame showed, because a newer one stood there before the next refresh.
    pub never_shown: usize,
}

/// The instants of one chain.
struct Chain {
    sample_ns: i64,
    arrival_ns: i64,
    decided_ns: i64,
    published_ns: i64,
    submitted_ns: i64,
    onset_ns: i64,
}

impl Ledger {
    /// Follows every command that a decision caused back to its newest sample and forward to the first frame with it.
    pub fn of(session: &RecordedSession) -> Self {
        let chunks = Chunks::of(session);
        let first_flips = first_flips(session);
        let caused = session.commands.iter().filter(|command| command.decision.is_some());
        let mut chains = Vec::new();
        let (mut from_decisions, mut never_shown) = (0, 0);
        for command in caused {
            from_decisions += 1;
            let Some(flip) = find(&first_flips, command.index, |flip| flip.command.unwrap_or(0)) else {
                never_shown += 1;
                continue;
            };
            chains.extend(follow(session, &chunks, command, flip));
        }
        Self { stages: stages(session, &chains), chains: chains.len(), from_decisions, never_shown }
    }
}

fn follow(session: &RecordedSession, chunks: &Chunks, command: &Command, flip: &Flip) -> Option<Chain> {
    let decision = find(&session.decisions, command.decision?, |decision| decision.index)?;
    let published = find(&session.published, command.index, |published| published.command)?;
    let newest = decision.end_sample.checked_sub(1)?;
    let chunk = chunks.with_sample(decision.source, newest)?;
    let stamp_s = *session.source(decision.source)?.stamps_s.get(usize::try_from(newest).ok()?)?;
    Some(Chain {
        sample_ns: timeline::ns_from_s(stamp_s).saturating_add(chunk.offset_ns),
        arrival_ns: chunk.arrival_ns,
        decided_ns: decision.decided_ns,
        published_ns: published.at_ns,
        submitted_ns: flip.submitted_ns,
        onset_ns: flip.onset_ns,
    })
}

/// Records are numbered in the order in which they are made, so a binary search finds them.
fn find<T>(records: &[T], index: u64, key: impl Fn(&T) -> u64) -> Option<&T> {
    let at = records.partition_point(|record| key(record) < index);
    records.get(at).filter(|record| key(record) == index)
}

/// The first flip of each command, by command.
fn first_flips(session: &RecordedSession) -> Vec<Flip> {
    let mut firsts: Vec<Flip> = Vec::new();
    for flip in session.flips.iter().filter(|flip| flip.command.is_some()) {
        if firsts.last().is_none_or(|last| last.command != flip.command) {
            firsts.push(*flip);
        }
    }
    firsts.sort_by_key(|flip| (flip.command, flip.frame));
    firsts.dedup_by_key(|flip| flip.command);
    firsts
}

fn stages(session: &RecordedSession, chains: &[Chain]) -> Vec<Stage> {
    let stage = |name, how: String, length_ns: fn(&Chain) -> i64| {
        let mut values_ms: Vec<f64> = chains.iter().map(|chain| s_from_ns(length_ns(chain)) * 1e3).collect();
        values_ms.sort_by(f64::total_cmp);
        Stage { name, how, values_ms }
    };
    let clock = match session.meta.clock {
        ClockKind::Live => "clock read",
        ClockKind::Virtual => "virtual clock",
    };
    let read = |what: &str| format!("{clock} {what}");
    let onset = format!("onset {}", onset_words(session));
    vec![
        stage(
            "newest sample → arrival",
            format!("stamp of the source plus its clock offset; {clock} when the inlet had the chunk"),
            |c| c.arrival_ns.saturating_sub(c.sample_ns),
        ),
        stage("arrival → decision", read("at the inlet, then at the begin of the loop's turn"), |c| {
            c.decided_ns.saturating_sub(c.arrival_ns)
        }),
        stage("decision → published", read("at the begin of the turn, then after publishing"), |c| {
            c.published_ns.saturating_sub(c.decided_ns)
        }),
        stage("published → submitted", read("in the loop, then in the display"), |c| {
            c.submitted_ns.saturating_sub(c.published_ns)
        }),
        stage("submitted → onset", format!("{clock} in the display; {onset}"), |c| {
            c.onset_ns.saturating_sub(c.submitted_ns)
        }),
        stage("newest sample → onset", format!("the whole way; {onset}"), |c| {
            c.onset_ns.saturating_sub(c.sample_ns)
        }),
    ]
}

/// How onset times are known, for instance `predicted from earlier presents`.
pub fn onset_words(session: &RecordedSession) -> String {
    let classes = [
        (OnsetClass::Simulated, "simulated (exact by construction, no light)"),
        (OnsetClass::Predicted, "predicted from earlier presents"),
        (OnsetClass::System, "reported by the windowing system"),
        (OnsetClass::Photodiode, "seen by a photodiode"),
    ];
    let count = |class| session.flips.iter().filter(|flip| flip.class == class).count();
    let seen: Vec<_> =
        classes.into_iter().map(|(class, words)| (count(class), words)).filter(|(n, _)| *n > 0).collect();
    match seen.as_slice() {
        [] => "unknown: no frame was recorded".into(),
        [(_, words)] => (*words).into(),
        many => many.iter().map(|(n, words)| format!("{words}: {n}")).collect::<Vec<_>>().join("; "),
    }
}
