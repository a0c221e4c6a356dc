//! Clock correction: from the stream's clock to the recorder's, as pyxdf does it with its default settings, so that
//! files read the same here and there. (`dejitter_timestamps` is not done: it rewrites stamps.)
//!
//! Per stretch without a clock reset, offset(t) = a + b t is fitted to the measured offsets with Huber's loss (Huber
//! 1964) by ADMM (Boyd et al. 2011, section 6.1.1), offsets in units of the threshold beyond which an offset counts as
//! an outlier (0.1 ms).

use super::{ClockMeasure, Stream};

const WINSOR_S: f64 = 1e-4;
const RESET_MADS: f64 = 5.0;
const RESET_S: f64 = 5.0;
const RESET_OFFSET_MADS: f64 = 10.0;
const RESET_OFFSET_S: f64 = 1.0;
const ADMM_STEPS: usize = 1000;

/// A stream's stamps on the recorder's clock, in seconds. Without clock offsets they are the raw stamps.
///
/// One known fault of LSL is repaired as pyxdf repairs it: when an outlet vanishes while a recorder listens, one last
/// offset can be garbage and come with samples beyond the footer's count; both are left out, so the answer can be
/// shorter than the stream.
pub fn corrected_stamps(stream: &Stream) -> Vec<f64> {
    let (samples, offsets) = without_corrupted_end(stream);
    let mut stamps = stream.stamps_s[..samples].to_vec();
    if stamps.is_empty() || offsets.is_empty() {
        return stamps;
    }
    let ranges = stretches(offsets);
    let mut start = 0;
    for (index, range) in ranges.iter().enumerate() {
        let end = match ranges.get(index + 1) {
            None => stamps.len(),
            // The stretch ends at the first stamp that is nearer to the next stretch's first measurement.
            Some(next) => {
                let (last, first) = (offsets[range.end - 1].time_s, offsets[next.start].time_s);
                let nearer = |t: &f64| (t - last).abs() < (t - first).abs();
                start + stamps[start..].iter().take_while(|t| nearer(t)).count()
            }
        };
        let (intercept, slope) = fit(&offsets[range.clone()]);
        for stamp in &mut stamps[start..end] {
            *stamp += intercept + slope * *stamp;
        }
        start = end;
    }
    stamps
}

fn without_corrupted_end(stream: &Stream) -> (usize, &[ClockMeasure]) {
    let all = (stream.samples(), stream.clock_offsets.as_slice());
    let count = stream.footer.as_ref().and_then(|footer| footer.sample_count);
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count < stream.samples());
    match (count, stream.clock_offsets.split_last()) {
        (Some(count), Some((last, before))) if before.len() >= 2 && is_corrupted(before, *last) => {
            (count, before)
        }
        _ => all,
    }
}

/// Whether the last offset is out of line with those before it, in time or in value.
fn is_corrupted(before: &[ClockMeasure], last: ClockMeasure) -> bool {
    let usual_interval = median(before.windows(2).map(|pair| pair[1].time_s - pair[0].time_s).collect());
    let interval = before.last().map_or(0.0, |previous| (last.time_s - previous.time_s).abs());
    let is_late = if usual_interval > 0.0 { interval / usual_interval > 10.0 } else { interval > 0.0 };
    let middle = median(before.iter().map(|offset| offset.offset_s).collect());
    let mad = median(before.iter().map(|offset| (offset.offset_s - middle).abs()).collect());
    // 1.4826 MAD estimates the standard deviation of a normal distribution.
    let is_far = mad > f64::EPSILON && (last.offset_s - middle).abs() / (1.4826 * mad) > 10.0;
    is_late || is_far
}

/// Ranges of offsets between clock resets: where the measuring times go back, or where time and offset jump at once.
fn stretches(offsets: &[ClockMeasure]) -> Vec<std::ops::Range<usize>> {
    let steps = |of: fn(&ClockMeasure) -> f64| -> Vec<f64> {
        offsets.windows(2).map(|pair| of(&pair[1]) - of(&pair[0])).collect()
    };
    let times = steps(|offset| offset.time_s);
    let time_jumps = jumps(&times, RESET_MADS, RESET_S);
    let value_jumps = jumps(&steps(|offset| offset.offset_s), RESET_OFFSET_MADS, RESET_OFFSET_S);
    let mut ranges = Vec::new();
    let mut start = 0;
    for (index, time) in times.iter().enumerate() {
        if *time < 0.0 || (time_jumps[index] && value_jumps[index]) {
            ranges.push(start..index + 1);
            start = index + 1;
        }
    }
    ranges.push(start..offsets.len());
    ranges
}

fn jumps(steps: &[f64], mads: f64, seconds: f64) -> Vec<bool> {
    let middle = median(steps.to_vec());
    let mad = median(steps.iter().map(|step| (step - middle).abs()).collect()) + f64::EPSILON;
    steps.iter().map(|step| (step - middle).abs() / mad > mads && (step - middle).abs() > seconds).collect()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(numbers[half - 1], numbers[half]),
        _ => numbers[half],
    }
}

/// Intercept in seconds and slope of offset over time. No correction when the times do not determine a line.
fn fit(offsets: &[ClockMeasure]) -> (f64, f64) {
    match offsets {
        [] => (0.0, 0.0),
        [only] => (only.offset_s, 0.0),
        _ => {
            let x: Vec<f64> = offsets.iter().map(|offset| offset.time_s / WINSOR_S).collect();
            let y: Vec<f64> = offsets.iter().map(|offset| offset.offset_s / WINSOR_S).collect();
            robust_line(&x, &y).map_or((0.0, 0.0), |(intercept, slope)| (intercept * WINSOR_S, slope))
        }
    }
}

/// Minimises the sum of Huber's loss of `a + b x - y`; `None` when the normal matrix is not positive definite.
fn robust_line(x: &[f64], y: &[f64]) -> Option<(f64, f64)> {
    let origin = x.iter().copied().fold(f64::INFINITY, f64::min);
    let x: Vec<f64> = x.iter().map(|x| x - origin).collect();
    // Cholesky factor of the 2 x 2 normal matrix: [[l00, 0], [l10, l11]].
    let l00 = (x.len() as f64).sqrt();
    let l10 = x.iter().sum::<f64>() / l00;
    let square = x.iter().map(|x| x * x).sum::<f64>() - l10 * l10;
    if !(square > 0.0 && square.is_finite()) {
        return None;
    }
    let l11 = square.sqrt();
    let (mut a, mut b) = (0.0, 0.0);
    let mut z = vec![0.0; x.len()];
    let mut u = vec![0.0; x.len()];
    for _ in 0..ADMM_STEPS {
        let (mut right0, mut right1) = (0.0, 0.0);
        for i in 0..x.len() {
            let target = y[i] + z[i] - u[i];
            right0 += target;
            right1 += x[i] * target;
        }
        let w0 = right0 / l00;
        let w1 = (right1 - l10 * w0) / l11;
        b = w1 / l11;
        a = (w0 - l10 * b) / l00;
        for i in 0..x.len() {
            let d = a + b * x[i] - y[i] + u[i];
            let shrunk = if d == 0.0 { 1.0 } else { (1.0 - 2.0 / d.abs()).max(0.0) };
            z[i] = 0.5 * d + 0.5 * shrunk * d;
            u[i] = d - z[i];
        }
    }
    Some((a - b * origin, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pairs: impl IntoIterator<Item = (f64, f64)>) -> Vec<ClockMeasure> {
        pairs.into_iter().map(|(time_s, offset_s)| ClockMeasure { time_s, offset_s }).collect()
    }

    #[test]
    fn a_drifting_clock_with_outliers() {
        let measured = offsets((0..200).map(|i| {
            let time_s = 1e5 + f64::from(i) * 5.0;
            let outlier = if i % 20 == 7 { 0.05 } else { 0.0 };
            (time_s, -3.0 + 2e-5 * (time_s - 1e5) + outlier)
        }));
        let (intercept, slope) = fit(&measured);
        for time_s in [1e5, 1e5 + 500.0, 1e5 + 1000.0] {
            let wanted = -3.0 + 2e-5 * (time_s - 1e5);
            // Huber's loss bounds an outlier's pull to the threshold: 5 % of outliers pull by less than it.
            assert!(
                (intercept + slope * time_s - wanted).abs() < 2e-5,
                "{}",
                intercept + slope * time_s - wanted
            );
        }
    }

    #[test]
    fn too_little_to_fit() {
        assert_eq!(fit(&offsets([(5.0, 0.25)])), (0.25, 0.0));
        assert_eq!(fit(&offsets([(5.0, 0.25), (5.0, 0.35)])), (0.0, 0.0));
        assert_eq!(fit(&offsets([(f64::NAN, 0.25), (5.0, 0.35)])), (0.0, 0.0));
    }

    #[test]
    fn times_that_go_back_split() {
        let measured = offsets([(10.0, 0.0), (15.0, 0.0), (2.0, 9.0), (7.0, 9.0)]);
        assert_eq!(stretches(&measured), vec![0..2, 2..4]);
    }
}
