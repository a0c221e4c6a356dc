//! Power spectra by Welch's method (1967, IEEE Trans. Audio Electroacoust. 15, 70).

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use recording::{RecordedSession, RecordedSource};
use timeline::SourceId;

use super::ledger::Chunks;
use super::quality::data_rate_hz;
use super::spans::Span;

/// Length of a segment: a quarter of a hertz of resolution.
pub const SEGMENT_S: f64 = 4.0;

/// A mean over this many segments is steady; of longer sessions this many are taken, evenly spread.
const MOST_SEGMENTS: usize = 600;

/// Neighbours of a line in the spectrum, by distance.
const BESIDE_HZ: [f64; 2] = [0.75, 2.5];

/// Power spectral density of one channel, in dB of (unit of the channel) squared per Hz; one value per bin from 0 Hz.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Values.
    pub db: Vec<f64>,
    /// Segments in the mean.
    pub segments: usize,
}

/// Both spectra of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSpectra {
    /// Position of the channel in the stream.
    pub channel: usize,
    /// Over the whole session; `None` when no segment is whole and finite.
    pub whole: Option<Spectrum>,
    /// Over the segments that lie wholly in a stretch of stimulation.
    pub stimulated: Option<Spectrum>,
}

/// Spectra of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectra {
    /// Width of a bin.
    pub resolution_hz: f64,
    /// Half the sampling rate.
    pub nyquist_hz: f64,
    /// In the order asked for.
    pub channels: Vec<ChannelSpectra>,
}

impl Spectrum {
    /// Power at a frequency over the mean power of its neighbours on both sides, in dB.
    pub fn over_neighbours_db(&self, frequency_hz: f64, resolution_hz: f64) -> Option<f64> {
        let bin = (frequency_hz / resolution_hz).round() as usize;
        let [near, far] = BESIDE_HZ.map(|hz| (hz / resolution_hz).round() as usize);
        let power = |bin: usize| self.db.get(bin).map(|db| 10_f64.powf(db / 10.0));
        let (mut sum, mut n) = (0.0, 0);
        for distance in near..=far {
            for beside in [bin.checked_sub(distance), Some(bin + distance)].into_iter().flatten() {
                sum += power(beside)?;
                n += 1;
            }
        }
        let ratio = power(bin)? / (sum / f64::from(n));
        ratio.is_finite().then(|| 10.0 * ratio.log10())
    }
}

impl Spectra {
    /// Spectra of some channels of a source. `stimulated` are stretches on the session's clock. `None` for a stream
    /// without a rate or without values.
    pub fn of(
        session: &RecordedSession,
        source: SourceId,
        channels: &[usize],
        stimulated: &[Span],
    ) -> Option<Self> {
        let recorded = session.source(source)?;
        let rate_hz = data_rate_hz(session, source);
        let length = (rate_hz * SEGMENT_S).round() as usize;
        let width = recorded.info.channel_count;
        if length < 8 || width == 0 || recorded.values.is_empty() {
            return None;
        }
        let rows = recorded.values.len() / width;
        let hop = length / 2;
        let starts: Vec<usize> = (0..).map(|n| n * hop).take_while(|start| start + length <= rows).collect();
        let chunks = Chunks::of(session);
        let within = stimulated_starts(recorded, source, &chunks, &starts, length, stimulated);
        let mut welch = Welch::new(length, rate_hz);
        let [all, within] = [thinned(&starts), thinned(&within)];
        let spectra = channels.iter().map(|&channel| ChannelSpectra {
            channel,
            whole: welch.mean(recorded, channel, &all),
            stimulated: welch.mean(recorded, channel, &within),
        });
        Some(Self {
            channels: spectra.collect(),
            resolution_hz: rate_hz / length as f64,
            nyquist_hz: rate_hz / 2.0,
        })
    }
}

/// Segments that lie wholly inside a stretch of stimulation.
fn stimulated_starts(
    recorded: &RecordedSource,
    source: SourceId,
    chunks: &Chunks,
    starts: &[usize],
    length: usize,
    stimulated: &[Span],
) -> Vec<usize> {
    let at_ns = |sample: usize| {
        let offset_ns = chunks.with_sample(source, sample as u64).map_or(0, |chunk| chunk.offset_ns);
        let stamp_s = recorded.stamps_s.get(sample)?;
        stamp_s.is_finite().then(|| timeline::ns_from_s(*stamp_s).saturating_add(offset_ns))
    };
    let inside = |start: usize| {
        let (Some(first), Some(last)) = (at_ns(start), at_ns(start + length - 1)) else { return false };
        let after = stimulated.partition_point(|span| span.start_ns <= first);
        after.checked_sub(1).and_then(|at| stimulated.get(at)).is_some_and(|span| last <= span.end_ns)
    };
    starts.iter().copied().filter(|&start| inside(start)).collect()
}

fn thinned(starts: &[usize]) -> Vec<usize> {
    let keep = starts.len().min(MOST_SEGMENTS);
    (0..keep).map(|n| starts[n * starts.len() / keep]).collect()
}

/// Hann window, mean removed, one-sided density.
struct Welch {
    fft: std::sync::Arc<dyn realfft::RealToComplex<f64>>,
    window: Vec<f64>,
    segment: Vec<f64>,
    bins: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    /// Turns |X|^2 into power per Hz.
    scale: f64,
}

impl Welch {
    fn new(length: usize, rate_hz: f64) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(length);
        let hann = |n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / length as f64).cos();
        let window: Vec<f64> = (0..length).map(hann).collect();
        let energy: f64 = window.iter().map(|w| w * w).sum();
        Self {
            window,
            segment: fft.make_input_vec(),
            bins: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            scale: 2.0 / (rate_hz * energy),
            fft,
        }
    }

    /// Mean over the segments without a gap (a value that is not finite would spoil the whole spectrum).
    fn mean(&mut self, recorded: &RecordedSource, channel: usize, starts: &[usize]) -> Option<Spectrum> {
        let width = recorded.info.channel_count;
        let length = self.window.len();
        let mut power = vec![0.0; length / 2 + 1];
        let mut segments = 0;
        for &start in starts {
            let rows = recorded.values.chunks_exact(width).skip(start).take(length);
            for (slot, row) in self.segment.iter_mut().zip(rows) {
                *slot = row.get(channel).copied().unwrap_or(f64::NAN);
            }
            let mean = self.segment.iter().sum::<f64>() / length as f64;
            if !mean.is_finite() {
                continue;
            }
            for (value, window) in self.segment.iter_mut().zip(&self.window) {
                *value = (*value - mean) * window;
            }
            if self.fft.process_with_scratch(&mut self.segment, &mut self.bins, &mut self.scratch).is_err() {
                return None;
            }
            for (sum, bin) in power.iter_mut().zip(&self.bins) {
                *sum += bin.norm_sqr();
            }
            segments += 1;
        }
        // A channel of zeros has no power, and no logarithm either.
        let density = |sum: f64| 10.0 * (sum * self.scale / segments as f64).max(1e-30).log10();
        (segments > 0).then(|| Spectrum { db: power.into_iter().map(density).collect(), segments })
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::with_values;
    use super::*;

    #[test]
    fn a_sine_has_its_power_and_white_noise_its_density() {
        // A sine of amplitude 2 has power 2; with a Hann window of 4 s its line is 1.5 bins of 0.25 Hz wide.
        let rate_hz = 250.0;
        let values: Vec<f64> = (0..10_000)
            .map(|n| 2.0 * (std::f64::consts::TAU * 15.0 * f64::from(n) / rate_hz).sin())
            .collect();
        let session = with_values(values, 1, rate_hz);
        let spectra = Spectra::of(&session.session, SourceId(0), &[0], &[]).unwrap();
        let whole = spectra.channels[0].whole.as_ref().unwrap();
        assert_eq!(whole.segments, 19);
        assert_eq!(spectra.channels[0].stimulated, None);
        let expected = 10.0 * (2.0_f64 / (1.5 * 0.25)).log10();
        assert!((whole.db[60] - expected).abs() < 0.01, "{} {expected}", whole.db[60]);
        assert!(whole.db[100] < -100.0);
        let total: f64 = whole.db.iter().map(|db| 10_f64.powf(db / 10.0) * 0.25).sum();
        assert!((total - 2.0).abs() < 1e-6, "{total}");
        assert!(whole.over_neighbours_db(15.0, 0.25).unwrap() > 60.0);
    }

    #[test]
    fn a_recording_played_fast_keeps_its_frequencies() {
        let values: Vec<f64> =
            (0..4000).map(|n| (std::f64::consts::TAU * 13.0 * f64::from(n) / 250.0).sin()).collect();
        let mut held = with_values(values, 1, 8.0 * 250.0);
        held.session.meta.sources[0].time_scale = 8.0;
        let spectra = Spectra::of(&held.session, SourceId(0), &[0], &[]).unwrap();
        let whole = spectra.channels[0].whole.as_ref().unwrap();
        let peak = (0..whole.db.len()).max_by(|a, b| whole.db[*a].total_cmp(&whole.db[*b])).unwrap();
        assert_eq!((peak as f64 * spectra.resolution_hz, spectra.nyquist_hz), (13.0, 125.0));
    }

    #[test]
    fn a_segment_with_a_hole_is_left_out() {
        let mut values = vec![1.0; 3000];
        values[10] = f64::NAN;
        let session = with_values(values, 1, 250.0);
        let spectra = Spectra::of(&session.session, SourceId(0), &[0], &[]).unwrap();
        assert_eq!(spectra.channels[0].whole.as_ref().unwrap().segments, 4);
        let short = with_values(vec![1.0; 999], 1, 250.0);
        assert_eq!(Spectra::of(&short.session, SourceId(0), &[0], &[]).unwrap().channels[0].whole, None);
    }
}
