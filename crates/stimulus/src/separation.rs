//! How far the targets of one paradigm lie apart, whatever drives them: two of them never end up the same.

use thiserror::Error;

/// How much two levels (of a range of 1) may differ and still be one step of an 8-bit screen at most: half of it.
pub const SAME_LEVEL: f64 = 0.5 / 255.0;

/// One target: its course, frame by frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// How errors call it.
    pub name: String,
    /// Level of each frame from the onset, 0..=1 for its full range: one exact period, which repeats, or as many frames
    /// as are compared.
    pub levels: Vec<f64>,
    /// Its frequency, where it has one.
    pub frequency_hz: Option<f64>,
}

/// How far two targets lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Places of the two in the list.
    pub targets: [usize; 2],
    /// Difference of their frequencies, where both have one. Zero for two that differ in phase only.
    pub frequency_hz: Option<f64>,
    /// Root mean square difference of their levels over the window: 0 the same, 1 one bright where the other is dark.
    pub distance: f64,
    /// The correlation coefficient -1..=1 that is largest in size over the shifts: what a decoder that knows the
    /// onset to within that many frames can still take the one for the other by. 0 where a course does not change.
    pub correlation: f64,
    /// At which shift: frame n of the first against frame n + shift of the second.
    pub shift_frames: i64,
}

/// Why targets cannot be told apart, or compared.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SeparationError {
    /// Two targets show the same.
    #[error(
        "targets `{first}` and `{second}` show the same levels over the {window_frames} frames that are compared: \
         nobody could tell them apart"
    )]
    Same {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// How many frames were compared.
        window_frames: usize,
    },
    /// A target has no frames.
    #[error("target `{name}` has no frames")]
    Empty {
        /// Which.
        name: String,
    },
    /// A level that is not a number.
    #[error("target `{name}`, frame {frame}: level {level} is not a finite number")]
    NotFinite {
        /// Which.
        name: String,
        /// Which frame.
        frame: usize,
        /// Its level.
        level: f64,
    },
    /// Nothing to compare over.
    #[error("targets compared over 0 frames: 1 or more are needed")]
    NoWindow,
}

/// Compares each pair of targets over a window of frames from the onset, any mix of flickers and codes. `shifts_frames`
/// is how many frames a decoder may mistake the onset by: 0 where the flip is known, half the distance of two shifts
/// of one code (less a frame) where it must be found.
///
/// # Errors
/// When two targets show the same over the window, to within half a step of an 8-bit screen ([`SAME_LEVEL`]): aliases,
/// equal shifts, a shift by a code's own period. The error names the first such pair. And when there is nothing to
/// compare, or a level is not a number.
pub fn separate(
    targets: &[Target],
    window_frames: usize,
    shifts_frames: usize,
) -> Result<Vec<Pair>, SeparationError> {
    if window_frames == 0 {
        return Err(SeparationError::NoWindow);
    }
    targets.iter().try_for_each(check)?;
    let mut pairs = Vec::new();
    for (place, second) in targets.iter().enumerate() {
        for (before, first) in targets[..place].iter().enumerate() {
            if same(first, second, window_frames) {
                let (first, second) = (first.name.clone(), second.name.clone());
                return Err(SeparationError::Same { first, second, window_frames });
            }
            pairs.push(pair([before, place], [first, second], window_frames, shifts_frames));
        }
    }
    pairs.sort_by_key(|pair| pair.targets);
    Ok(pairs)
}

impl Target {
    /// The levels of a window that begins at a frame; they repeat in both directions.
    fn window(&self, from: i64, frames: usize) -> impl Iterator<Item = f64> + '_ {
        let start = from.rem_euclid(self.levels.len() as i64) as usize;
        self.levels[start..].iter().chain(self.levels.iter().cycle()).copied().take(frames)
    }
}

fn check(target: &Target) -> Result<(), SeparationError> {
    if target.levels.is_empty() {
        return Err(SeparationError::Empty { name: target.name.clone() });
    }
    match target.levels.iter().enumerate().find(|(_, level)| !level.is_finite()) {
        Some((frame, &level)) => Err(SeparationError::NotFinite { name: target.name.clone(), frame, level }),
        None => Ok(()),
    }
}

fn same(first: &Target, second: &Target, frames: usize) -> bool {
    let mut levels = first.window(0, frames).zip(second.window(0, frames));
    levels.all(|(one, other)| (one - other).abs() <= SAME_LEVEL)
}

fn pair(targets: [usize; 2], [first, second]: [&Target; 2], frames: usize, shifts: usize) -> Pair {
    let squares = first.window(0, frames).zip(second.window(0, frames)).map(|(one, other)| {
        let difference = one - other;
        difference * difference
    });
    let distance = libm::sqrt(squares.sum::<f64>() / frames as f64);
    // Nearest shifts first, so that of two that are equally large the smaller one is told.
    let (mut correlation, mut shift_frames) = (0.0_f64, 0);
    for size in 0..=shifts as i64 {
        for shift in [size, -size] {
            let found = correlation_at(first, second, frames, shift);
            if found.abs() > correlation.abs() + 1e-12 {
                (correlation, shift_frames) = (found, shift);
            }
        }
    }
    let frequency_hz = first.frequency_hz.zip(second.frequency_hz).map(|(one, other)| (one - other).abs());
    Pair { targets, frequency_hz, distance, correlation, shift_frames }
}

/// Pearson's coefficient of frame n of the first and frame n + shift of the second.
fn correlation_at(first: &Target, second: &Target, frames: usize, shift: i64) -> f64 {
    let mean = |target: &Target, from| target.window(from, frames).sum::<f64>() / frames as f64;
    let (mean_first, mean_second) = (mean(first, 0), mean(second, shift));
    let (mut product, mut square_first, mut square_second) = (0.0, 0.0, 0.0);
    for (one, other) in first.window(0, frames).zip(second.window(shift, frames)) {
        let (one, other) = (one - mean_first, other - mean_second);
        product += one * other;
        square_first += one * one;
        square_second += other * other;
    }
    let scale = libm::sqrt(square_first * square_second);
    if scale <= 1e-12 * frames as f64 { 0.0 } else { product / scale }
}
