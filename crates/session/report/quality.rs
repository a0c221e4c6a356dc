//! Signal quality of each channel, and how well each stream arrived.

use recording::{RecordedSession, RecordedSource};
use signal::{Quality, QualityReport};
use timeline::{NoticeKind, SourceId, s_from_ns};

use super::ledger::{Chunks, nearest_rank};

/// One channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelQuality {
    /// Label.
    pub label: String,
    /// Root mean square, flat time, non-finite values, mains.
    pub report: QualityReport,
    /// Median over the session's seconds of the range of values within a second.
    pub range_median: Option<f64>,
    /// The greatest such range.
    pub range_max: Option<f64>,
}

/// How a stream arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Samples recorded.
    pub samples: usize,
    /// Intervals over time from the first stamp to the last.
    pub rate_hz: Option<f64>,
    /// Chunks.
    pub chunks: usize,
    /// Arrival minus the stamp of the chunk's newest sample (clock offset applied), in ms: median, p99, greatest.
    pub lag_ms: Option<[f64; 3]>,
    /// Longest time between two arrivals, in ms.
    pub longest_pause_ms: Option<f64>,
    /// Samples passed over by the loop.
    pub skipped: u64,
    /// Samples that the loop's ring refused.
    pub refused: u64,
    /// Samples lost before they reached the inlet; an estimate.
    pub lost_at_source: u64,
}

/// Samples per second of the recorded person's time. A recording that is played at another speed has stamps in the
/// player's time; frequencies and durations of a signal mean the person's.
pub fn data_rate_hz(session: &RecordedSession, source: SourceId) -> f64 {
    session.source(source).map_or(0.0, |recorded| recorded.info.rate_hz) / time_scale(session, source)
}

/// Seconds of the person's time per second of the stamps.
pub fn time_scale(session: &RecordedSession, source: SourceId) -> f64 {
    let entry = session.meta.sources.get(usize::from(source.0));
    entry.map(|entry| entry.time_scale).filter(|scale| scale.is_finite() && *scale > 0.0).unwrap_or(1.0)
}

/// Positions and labels of the channels that the loop used; of all, when the manifest does not say.
pub fn channels(session: &RecordedSession, source: SourceId) -> Vec<(usize, String)> {
    let count = session.source(source).map_or(0, |recorded| recorded.info.channel_count);
    let entry = session.meta.sources.get(usize::from(source.0));
    let wanted = entry.map(|entry| entry.wanted.clone()).unwrap_or_default();
    let all: Vec<usize> = if wanted.is_empty() { (0..count).collect() } else { wanted };
    let label = |channel: usize| {
        let named = entry.and_then(|entry| entry.labels.get(channel)).filter(|label| !label.is_empty());
        named.cloned().unwrap_or_else(|| format!("channel {}", channel + 1))
    };
    all.into_iter().filter(|&channel| channel < count).map(|channel| (channel, label(channel))).collect()
}

/// Quality of the channels that the loop used, in the loop's order.
pub fn channel_quality(session: &RecordedSession, source: SourceId) -> Vec<ChannelQuality> {
    let Some(recorded) = session.source(source) else { return Vec::new() };
    let channels = channels(session, source);
    let rate_hz = data_rate_hz(session, source);
    let second = (rate_hz.round() as usize).max(1);
    if rate_hz < 1.0 || recorded.values.is_empty() {
        return Vec::new();
    }
    let mut quality = Quality::new(channels.len(), rate_hz);
    let mut row = vec![0.0; channels.len()];
    let mut ranges = vec![Vec::new(); channels.len()];
    let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); channels.len()];
    for (n, all) in recorded.values.chunks_exact(recorded.info.channel_count).enumerate() {
        for ((slot, (low, high)), (channel, _)) in row.iter_mut().zip(&mut bounds).zip(&channels) {
            *slot = all[*channel];
            if slot.is_finite() {
                (*low, *high) = (low.min(*slot), high.max(*slot));
            }
        }
        quality.step(&row);
        if (n + 1) % second == 0 {
            for (bound, ranges) in bounds.iter_mut().zip(&mut ranges) {
                ranges.extend((bound.0 <= bound.1).then_some(bound.1 - bound.0));
                *bound = (f64::INFINITY, f64::NEG_INFINITY);
            }
        }
    }
    let of = |(place, ((_, label), mut ranges)): (usize, ((usize, String), Vec<f64>))| {
        ranges.sort_by(f64::total_cmp);
        Some(ChannelQuality {
            label,
            report: quality.report(place)?,
            range_median: (!ranges.is_empty()).then(|| nearest_rank(&ranges, 0.5)),
            range_max: ranges.last().copied(),
        })
    };
    channels.into_iter().zip(ranges).enumerate().filter_map(of).collect()
}

/// How a stream arrived.
pub fn arrival(session: &RecordedSession, source: SourceId) -> Arrival {
    let stamps_s = session.source(source).map_or(&[][..], |recorded: &RecordedSource| &recorded.stamps_s);
    let by_source = Chunks::of(session);
    let chunks = by_source.of_source(source);
    let lag = |chunk: &&timeline::Chunk| {
        let newest = chunk.first_sample.saturating_add(u64::from(chunk.count.checked_sub(1)?));
        let stamp_s = stamps_s.get(usize::try_from(newest).ok()?).filter(|stamp_s| stamp_s.is_finite())?;
        Some(
            s_from_ns(
                chunk
                    .arrival_ns
                    .saturating_sub(timeline::ns_from_s(*stamp_s).saturating_add(chunk.offset_ns)),
            ) * 1e3,
        )
    };
    let mut lags_ms: Vec<f64> = chunks.iter().filter_map(lag).collect();
    lags_ms.sort_by(f64::total_cmp);
    let pauses =
        chunks.windows(2).map(|pair| s_from_ns(pair[1].arrival_ns.saturating_sub(pair[0].arrival_ns)) * 1e3);
    let place = usize::from(source.0);
    let lost =
        session.notices.iter().filter(|n| n.kind == NoticeKind::SamplesLost && n.source == Some(source));
    let length_s = stamps_s.first().zip(stamps_s.last()).map(|(first, last)| last - first);
    let length_s = length_s.filter(|length_s| length_s.is_finite() && *length_s > 0.0);
    Arrival {
        samples: stamps_s.len(),
        rate_hz: length_s.map(|length_s| (stamps_s.len() - 1) as f64 / length_s),
        chunks: chunks.len(),
        lag_ms: (!lags_ms.is_empty()).then(|| [0.5, 0.99, 1.0].map(|p| nearest_rank(&lags_ms, p))),
        longest_pause_ms: pauses.max_by(f64::total_cmp),
        skipped: session.turns.iter().filter_map(|turn| turn.takes.get(place)).map(|take| take.skipped).sum(),
        refused: chunks.iter().map(|chunk| u64::from(chunk.refused)).sum(),
        lost_at_source: lost.map(|notice| u64::try_from(notice.count).unwrap_or(0)).sum(),
    }
}
