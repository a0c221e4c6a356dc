//! The rules' text as plain floating-point code over a whole sequence that was shown: written for these tests and sharing
//! nothing with the rule that it judges. A pixel is a cell here, so screens have to be coarse.

use stimulus::Screen;
use stimulus::safety::flag;

const PRIMARIES: [[f64; 3]; 3] =
    [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]];

/// What is allowed: flashes a second, and whether sequences and patterns bind.
#[derive(Clone, Copy)]
pub struct Allowed {
    pub flashes_per_s: usize,
    pub extended_and_patterns: bool,
}

pub const STANDARDS: Allowed = Allowed { flashes_per_s: 3, extended_and_patterns: true };

/// A sequence's breaches as bits of `flag`, and the most changes that any pixel made within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judgement {
    pub flags: u32,
    pub most_changes: usize,
}

/// How often a pixel changed: each change's first frame and the frame in which it had grown enough.
type Dates = Vec<(usize, usize)>;

/// A pixel's course by one rule: its changes, and how many there are if only some frames are looked at.
struct Course<'a> {
    dates: Dates,
    within: Box<dyn Fn(usize, usize) -> usize + 'a>,
}

/// Judges frames of 8-bit pixels [r, g, b]; grey was shown before the first. Changes are looked for in two ways: from peak
/// to valley over all of the sequence, those that lie wholly within a second; and within five sixths of a second as if
/// nothing had been before, so that a change that began earlier counts by what is left of it.
pub fn judge(screen: &Screen, frames: &[Vec<[u8; 3]>], allowed: Allowed) -> Judgement {
    let pixels = frames[0].len();
    let window = screen.refresh_hz.round() as usize;
    let mut judgement = Judgement::default();
    let light = Light::of(screen);
    let colours: Vec<Vec<[f64; 3]>> = (0..pixels)
        .map(|pixel| {
            let shown = frames.iter().map(|frame| frame[pixel].map(|code| light.linear[usize::from(code)]));
            std::iter::once([0.5; 3]).chain(shown).collect()
        })
        .collect();
    let relative: Vec<Vec<f64>> =
        colours.iter().map(|series| series.iter().map(light_of).collect()).collect();
    let absolute: Vec<Vec<f64>> =
        relative.iter().map(|series| series.iter().map(|&y| screen.luminance_cd_m2(y)).collect()).collect();
    let general = |dark: f64, bright: f64| dark < 0.8 && bright - dark >= 0.1;
    let bt = |dark: f64, bright: f64| light.counts(dark, bright);
    let kinds: [Vec<Course>; 3] = [
        relative.iter().map(|series| Course::of(series, move |part| changes(part, general))).collect(),
        absolute.iter().map(|series| Course::of(series, move |part| changes(part, bt))).collect(),
        colours.iter().map(|series| Course::of(series, red_changes)).collect(),
    ];
    let too_many = 2 * allowed.flashes_per_s + 1;
    let shorter = window - window.div_ceil(2 * allowed.flashes_per_s);
    let sky = Sky::of(screen);
    let quarter = |set: &[bool]| set.iter().filter(|&&yes| yes).count() * 4 > pixels;
    for (kind, courses) in kinds.iter().enumerate() {
        for Course { dates, .. } in courses {
            for (index, &(_, end)) in dates.iter().enumerate() {
                let inside = dates[..=index].iter().rev().take_while(|&&(_, at)| end - at < window).count();
                judgement.most_changes = judgement.most_changes.max(inside);
            }
        }
        // Every second, by the frame that ends it: those in which a change ends, because sets only grow there.
        let mut ends: Vec<usize> =
            courses.iter().flat_map(|course| course.dates.iter().map(|date| date.1)).collect();
        ends.sort_unstable();
        ends.dedup();
        for end in ends {
            let set: Vec<bool> =
                courses.iter().map(|course| course.too_many(too_many, end, window, shorter)).collect();
            if !set.contains(&true) {
                continue;
            }
            let wcag = sky.largest_sr(&set) > 0.006;
            judgement.flags |= match kind {
                0 => u32::from(wcag) * flag::WCAG_GENERAL,
                1 => u32::from(quarter(&set)) * flag::BT_LUMINANCE,
                _ => (u32::from(wcag) * flag::WCAG_RED) | (u32::from(quarter(&set)) * flag::BT_RED),
            };
        }
    }
    if allowed.extended_and_patterns {
        // Dates to the rounding of a luminance in mcd/m2: what matters here is which second a change is in.
        let rounded = |dark: f64, bright: f64| light.counts(dark, bright + 0.004);
        let ends = |dates: &Dates| dates.iter().map(|date| date.1).collect::<Vec<usize>>();
        let luminance: Vec<Vec<usize>> = absolute
            .iter()
            .map(|series| ends(&changes(series, rounded)).into_iter().map(|at| at - 1).collect())
            .collect();
        let red: Vec<Vec<usize>> = kinds[2].iter().map(|course| ends(&course.dates)).collect();
        judgement.flags |= extended(&[luminance, red], frames.len(), window, &quarter);
        judgement.flags |= patterns(screen, &light, frames);
    }
    judgement
}

impl<'a> Course<'a> {
    /// Entry 0 of the series is what was there before frame 0.
    fn of<T>(series: &'a [T], find: impl Fn(&[T]) -> Dates + 'a) -> Self {
        let dates = find(series).into_iter().map(|(from, at)| (from - 1, at - 1)).collect();
        Self { dates, within: Box::new(move |from, end| find(&series[from + 1..=end + 1]).len()) }
    }

    fn too_many(&self, count: usize, end: usize, window: usize, shorter: usize) -> bool {
        let first = |frames: usize| (end + 1).saturating_sub(frames);
        let last = self.dates.partition_point(|&(_, at)| at <= end);
        let ending = |from: usize| last - self.dates.partition_point(|&(_, at)| at < from);
        let whole = self.dates[..last].iter().rev().take_while(|&&(from, _)| from >= first(window)).count();
        // All but the first change of the shorter time are changes of the whole sequence as well.
        whole >= count || (ending(first(shorter)) + 1 >= count && (self.within)(first(shorter), end) >= count)
    }
}

/// Positions in sorted `stamps` of the first at or after `from` and the first after `to`.
fn between(stamps: &[usize], from: usize, to: usize) -> (usize, usize) {
    (stamps.partition_point(|&at| at < from), stamps.partition_point(|&at| at <= to))
}

fn light_of([r, g, b]: &[f64; 3]) -> f64 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

struct Light {
    linear: Vec<f64>,
    bright: bool,
}

impl Light {
    fn of(screen: &Screen) -> Self {
        let linear = (0..256).map(|code| (f64::from(code) / 255.0).powf(screen.gamma)).collect();
        Self { linear, bright: screen.luminance_max_cd_m2 > 200.0 }
    }

    fn counts(&self, dark: f64, bright: f64) -> bool {
        if dark < 160.0 {
            bright - dark >= 20.0
        } else {
            self.bright && (bright - dark) / (bright + dark) > 1.0 / 17.0
        }
    }
}

/// The changes of a series: the peaks and valleys are found with hindsight, then each swing from one to the next is dated
/// by its first frame and by the one in which it has grown enough.
pub fn changes(series: &[f64], counts: impl Fn(f64, f64) -> bool) -> Dates {
    let swing = |a: usize, b: usize| counts(series[a].min(series[b]), series[a].max(series[b]));
    let lowest = |end: usize| (0..=end).min_by(|&a, &b| series[a].total_cmp(&series[b])).unwrap_or(0);
    let highest = |end: usize| (0..=end).max_by(|&a, &b| series[a].total_cmp(&series[b])).unwrap_or(0);
    // The first swing that counts, from the lowest or the highest value before it.
    let (mut low, mut high) = (0, 0);
    let Some(first) = (1..series.len()).find(|&at| {
        low = if series[at] < series[low] { at } else { low };
        high = if series[at] > series[high] { at } else { high };
        swing(low, at) || swing(high, at)
    }) else {
        return Vec::new();
    };
    let start = if swing(lowest(first - 1), first) { lowest(first - 1) } else { highest(first - 1) };
    let mut turning = vec![start, first];
    for at in first + 1..series.len() {
        let (before, last) = (turning[turning.len() - 2], turning[turning.len() - 1]);
        let rising = series[last] > series[before];
        if (series[at] > series[last]) == rising && series[at] != series[last] {
            turning.pop();
            turning.push(at);
        } else if swing(last, at) {
            turning.push(at);
        }
    }
    let grown = |pair: &[usize]| {
        let at = (pair[0]..=pair[1]).find(|&at| swing(pair[0], at))?;
        let from = (pair[0]..at).rev().find(|&from| series[from] == series[pair[0]])? + 1;
        Some((from, at))
    };
    turning.windows(2).filter_map(grown).collect()
}

/// The most swings that count, one after the other in opposite directions, that can be picked out of a series: tried by
/// brute force.
pub fn most_swings(series: &[f64], counts: impl Fn(f64, f64) -> bool) -> usize {
    // Longest chain that ends at a position with a rise, and with a fall.
    let mut best = vec![[0_usize; 2]; series.len()];
    for at in 0..series.len() {
        for from in 0..at {
            if counts(series[from].min(series[at]), series[from].max(series[at])) {
                let rises = usize::from(series[at] > series[from]);
                best[at][rises] = best[at][rises].max(best[from][1 - rises] + 1);
            }
        }
    }
    best.into_iter().flatten().max().unwrap_or(0)
}

/// Where a pixel goes to or from a saturated red, alternately, by more than 0.2 in u'v'.
fn red_changes(series: &[[f64; 3]]) -> Dates {
    let state = |&[r, g, b]: &[f64; 3]| {
        // Less light than 1/256 of one channel has no colour that anybody sees; it is taken as white.
        let [r, g, b] = if r + g + b < 1.0 / 256.0 { [1.0; 3] } else { [r, g, b] };
        let xyz: [f64; 3] =
            std::array::from_fn(|i| r * PRIMARIES[0][i] + g * PRIMARIES[1][i] + b * PRIMARIES[2][i]);
        let sum = xyz[0] + 15.0 * xyz[1] + 3.0 * xyz[2];
        ((4.0 * xyz[0] / sum, 9.0 * xyz[1] / sum), r / (r + g + b) >= 0.8)
    };
    // States since the last change, each with the last entry in which it was.
    let mut since = vec![(state(&series[0]), 0)];
    let (mut into_red, mut dated) = (None, Vec::new());
    for (at, linear) in series.iter().enumerate().skip(1) {
        let (here, saturated) = state(linear);
        if let Some(last) = since.last_mut().filter(|last| last.0 == (here, saturated)) {
            last.1 = at;
            continue;
        }
        let far = |state: &((f64, f64), bool)| (state.0.0 - here.0).hypot(state.0.1 - here.1) > 0.2;
        let into = since.iter().rev().find(|(state, _)| saturated && far(state));
        let out = since.iter().rev().find(|(state, _)| state.1 && far(state));
        let turned = match (into, out) {
            (Some(from), _) if into_red != Some(true) => Some((true, from.1 + 1)),
            (_, Some(from)) if into_red != Some(false) => Some((false, from.1 + 1)),
            _ => None,
        };
        if let Some((direction, from)) = turned {
            (into_red, since) = (Some(direction), Vec::new());
            dated.push((from, at));
        }
        since.push(((here, saturated), at));
    }
    dated
}

/// Sequences of more than two flashes in each of five seconds, over more than a quarter of the screen.
fn extended(
    kinds: &[Vec<Vec<usize>>; 2],
    frames: usize,
    window: usize,
    quarter: &dyn Fn(&[bool]) -> bool,
) -> u32 {
    // Five seconds before the latest change, which is not older than a quarter of a second.
    let holds = |stamps: &[usize], end: usize| {
        if stamps.len() <= 20 {
            return false;
        }
        let (_, count) = between(stamps, 0, end);
        let Some(&latest) = stamps[..count].last() else { return false };
        let within = |from: usize, frames: usize| {
            let (from, to) = between(stamps, from, from + frames - 1);
            to - from
        };
        let Some(first) = (latest + 1).checked_sub(5 * window) else { return false };
        let counts: Vec<usize> = (0..5).map(|second| within(first + second * window, window)).collect();
        end - latest < window / 4
            && within(first, window / 4) > 0
            && counts.iter().all(|&count| count >= 4)
            && counts.iter().sum::<usize>() > 20
    };
    let pixels = kinds[0].len();
    for end in 0..frames {
        let set: Vec<bool> =
            (0..pixels).map(|pixel| kinds.iter().any(|kind| holds(&kind[pixel], end))).collect();
        if quarter(&set) {
            return flag::BT_EXTENDED;
        }
    }
    0
}

/// Directions to the pixels and the solid angles that they fill.
struct Sky {
    directions: Vec<[f64; 3]>,
    solid_angles: Vec<f64>,
}

impl Sky {
    fn of(screen: &Screen) -> Self {
        let at = |index: usize| {
            let (x, y) = (index as u32 % screen.width_px, index as u32 / screen.width_px);
            let centre = screen.centre_px();
            let v = [f64::from(x) + 0.5 - centre[0], f64::from(y) + 0.5 - centre[1], screen.distance_px];
            (v, (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt())
        };
        let count = (screen.width_px * screen.height_px) as usize;
        let unit = |(v, length): ([f64; 3], f64)| v.map(|value| value / length);
        Self {
            directions: (0..count).map(|index| unit(at(index))).collect(),
            solid_angles: (0..count).map(|index| screen.distance_px / at(index).1.powi(3)).collect(),
        }
    }

    /// The largest sum over a set within 5 degrees of any pixel.
    fn largest_sr(&self, set: &[bool]) -> f64 {
        let chosen: Vec<usize> = (0..set.len()).filter(|&index| set[index]).collect();
        if chosen.iter().map(|&index| self.solid_angles[index]).sum::<f64>() <= 0.006 {
            return 0.0;
        }
        let rim = 5.0_f64.to_radians().cos();
        let within = |centre: &[f64; 3]| -> f64 {
            let near = |index: usize| {
                let d = self.directions[index];
                d[0] * centre[0] + d[1] * centre[1] + d[2] * centre[2] >= rim
            };
            chosen.iter().filter(|&&index| near(index)).map(|&index| self.solid_angles[index]).sum()
        };
        self.directions.iter().map(within).fold(0.0, f64::max)
    }
}

/// Stripes along the rows and the columns, over too much of the screen for half a second.
fn patterns(screen: &Screen, light: &Light, frames: &[Vec<[u8; 3]>]) -> u32 {
    let (width, height) = (screen.width_px as usize, screen.height_px as usize);
    let half_second = (screen.refresh_hz / 2.0).ceil() as usize;
    let window = screen.refresh_hz.round() as usize;
    let mut flashed = vec![Vec::<usize>::new(); width * height];
    let mut levels: Vec<f64> = Vec::new();
    let (mut since, mut last) = (0, None);
    for (number, frame) in frames.iter().enumerate() {
        let image: Vec<f64> = frame
            .iter()
            .map(|pixel| screen.luminance_cd_m2(light_of(&pixel.map(|code| light.linear[usize::from(code)]))))
            .collect();
        for (pixel, &value) in image.iter().enumerate() {
            if levels.get(pixel).is_some_and(|&before| light.counts(value.min(before), value.max(before))) {
                flashed[pixel].push(number);
            }
        }
        let mut striped = vec![false; width * height];
        for row in 0..height {
            stripes(light, (0..width).map(|column| row * width + column).collect(), &image, &mut striped);
        }
        for column in 0..width {
            stripes(light, (0..height).map(|row| row * width + column).collect(), &image, &mut striped);
        }
        levels = image;
        let count = striped.iter().filter(|&&yes| yes).count();
        let recent = |stamps: &[usize]| stamps.iter().rev().take_while(|&&at| number - at < window).count();
        let flashing =
            (0..striped.len()).filter(|&pixel| striped[pixel] && recent(&flashed[pixel]) >= 2).count();
        if count * 5 > striped.len() * 2 || (count * 4 > striped.len() && flashing * 4 > count) {
            if last.is_none_or(|last| number - last > half_second) {
                since = number;
            }
            last = Some(number);
            if number - since + 1 >= half_second {
                return flag::BT_PATTERN;
            }
        }
    }
    0
}

/// Marks what lies in more than five pairs of light and dark runs of the same lengths.
fn stripes(light: &Light, line: Vec<usize>, image: &[f64], striped: &mut [bool]) {
    // Runs of one level; levels that hardly differ are one.
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, &pixel) in line.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if (image[line[run.0]] - image[pixel]).abs() < 1.0 => run.1 += 1,
            _ => runs.push((at, 1)),
        }
    }
    let level = |run: &(usize, usize)| image[line[run.0]];
    let mut first = 0;
    while first + 12 <= runs.len() {
        let mut end = first + 2;
        while end < runs.len() {
            let (a, b, c) = (level(&runs[end - 2]), level(&runs[end - 1]), level(&runs[end]));
            let alternates =
                (b > a) != (c > b) && light.counts(a.min(b), a.max(b)) && light.counts(b.min(c), b.max(c));
            if !alternates || runs[end].1 != runs[end - 2].1 {
                break;
            }
            end += 1;
        }
        if end - first >= 12 {
            for run in &runs[first..end] {
                (run.0..run.0 + run.1).for_each(|at| striped[line[at]] = true);
            }
        }
        first = if end - first >= 12 { end - 1 } else { first + 1 };
    }
}

/// A number of 0..1, the next of a sequence (SplitMix64).
pub fn random(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 53) as f64
}
