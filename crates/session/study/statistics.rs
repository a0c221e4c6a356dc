//! Statistics over people: means with bootstrap intervals, paired ratios, losses. A person is the unit: sessions of one
//! person are averaged first, and resampling draws people; but where brains were drawn as well, both are resampled.

use participant::Tercile;
use random::Random;

use super::drive::{self, Estimate, Sample};
use super::{Better, Job, Row, Spec};

/// Resamples behind each interval.
pub const RESAMPLES: usize = 4000;
/// Seed of the resampling; the same for all, so that a table does not change when a row is added.
const BOOTSTRAP_SEED: u64 = 7;

/// Some of a study's people, by place in its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `low`, `middle`, `high`, `all`.
    pub name: String,
    /// Who.
    pub people: Vec<usize>,
}

/// The terciles of signal-to-noise ratio that have anybody in them, and everybody.
pub fn groups(spec: &Spec) -> Vec<Group> {
    let of = |name: String, chosen: &dyn Fn(usize) -> bool| Group {
        name,
        people: (0..spec.participants.len()).filter(|&person| chosen(person)).collect(),
    };
    let terciles = [Tercile::Low, Tercile::Middle, Tercile::High]
        .map(|tercile| of(tercile.to_string(), &|person| spec.participants[person].snr_tercile == tercile));
    let all = of("all".into(), &|_| true);
    terciles.into_iter().filter(|group| !group.people.is_empty()).chain([all]).collect()
}

/// Names of the groups.
pub fn group_names(spec: &Spec) -> Vec<String> {
    groups(spec).into_iter().map(|group| group.name).collect()
}

/// Mean of a metric over the sessions of each person in one condition; NaN for a person without any.
pub fn per_person(spec: &Spec, jobs: &[Job], rows: &[Row], condition: usize, metric: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); spec.participants.len()];
    for (job, row) in jobs.iter().zip(rows).filter(|(job, _)| job.condition == condition) {
        let value = row.values[metric];
        // A session without any decision has no measured error.
        if value.is_finite() {
            sums[job.participant].0 += value;
            sums[job.participant].1 += 1.0;
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n).collect()
}

/// Mean of a metric over all sessions of some people in one condition, where brains were drawn as well as people; sessions
/// without a value are left out.
pub fn over_brains_and_people(
    jobs: &[Job],
    rows: &[Row],
    condition: usize,
    metric: usize,
    chosen: &[usize],
) -> [f64; 3] {
    let own = |job: &Job| job.condition == condition && chosen.contains(&job.participant);
    let sample = |(job, row): (&Job, &Row)| {
        let value = row.values[metric];
        let sample = Sample { brain: job.brain, participant: job.participant, value };
        (own(job) && value.is_finite()).then_some(sample)
    };
    let samples: Vec<Sample> = jobs.iter().zip(rows).filter_map(sample).collect();
    let Estimate { value, low, high } = drive::mean(&samples);
    [value, low, high]
}

/// Mean over some people with its 95 % interval (percentile bootstrap over people); people without a value are left out.
pub fn interval(values: &[f64], chosen: &[usize]) -> [f64; 3] {
    let known: Vec<usize> = chosen.iter().copied().filter(|&person| values[person].is_finite()).collect();
    bootstrap(&known, |picks| picks.iter().map(|&person| values[person]).sum::<f64>() / picks.len() as f64)
}

/// Mean of `a` over mean of `b` among the chosen people, with the 95 % interval of a bootstrap over people (paired: a
/// person keeps both values, and one who lacks either is left out).
pub fn ratio(a: &[f64], b: &[f64], chosen: &[usize]) -> [f64; 3] {
    let known: Vec<usize> =
        chosen.iter().copied().filter(|&person| a[person].is_finite() && b[person].is_finite()).collect();
    bootstrap(&known, |picks| {
        let (top, bottom) =
            picks.iter().fold((0.0, 0.0), |(top, bottom), &person| (top + a[person], bottom + b[person]));
        top / bottom
    })
}

/// For how many of the chosen people `a` is worse than `b`, of how many who have both; `None` where no way is better.
pub fn losses(a: &[f64], b: &[f64], chosen: &[usize], better: Better) -> Option<(usize, usize)> {
    let pairs = chosen.iter().map(|&person| (a[person], b[person]));
    let known: Vec<(f64, f64)> = pairs.filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
    let worse = known.iter().filter(|(a, b)| match better {
        Better::Lower => a > b,
        Better::Higher => a < b,
        Better::Neither => false,
    });
    (better != Better::Neither).then(|| (worse.count(), known.len()))
}

/// The figure on these people, and the 2.5 and 97.5 % points of it over resamples of them.
fn bootstrap(people: &[usize], of: impl Fn(&[usize]) -> f64) -> [f64; 3] {
    if people.is_empty() {
        return [f64::NAN; 3];
    }
    let mut random = Random::new(BOOTSTRAP_SEED, people.len() as u64);
    let mut picks = vec![0; people.len()];
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for pick in &mut picks {
                *pick = people[(random.uniform() * people.len() as f64) as usize];
            }
            of(&picks)
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    let at = |part: f64| resampled[((RESAMPLES - 1) as f64 * part).round() as usize];
    [of(people), at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_normal() {
        let mut random = Random::new(3, 0);
        let values: Vec<f64> = (0..400).map(|_| 2.0 + random.normal()).collect();
        let everybody: Vec<usize> = (0..400).collect();
        let [mean, low, high] = interval(&values, &everybody);
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 400.0;
        let half = 1.96 * (variance / 400.0).sqrt();
        assert!((low - (mean - half)).abs() < 0.1 * half, "{low} {}", mean - half);
        assert!((high - (mean + half)).abs() < 0.1 * half, "{high} {}", mean + half);
    }

    #[test]
    fn pairs_stay_together_and_gaps_are_left_out() {
        // Twice as much for everybody: the ratio has no spread at all, however far people differ.
        let b = [1.0, 10.0, 100.0, f64::NAN, 7.0];
        let a = [2.0, 20.0, 200.0, 5.0, f64::NAN];
        let everybody = [0, 1, 2, 3, 4];
        assert_eq!(ratio(&a, &b, &everybody), [2.0, 2.0, 2.0]);
        assert_eq!(losses(&a, &b, &everybody, Better::Lower), Some((3, 3)));
        assert_eq!(losses(&a, &b, &everybody, Better::Higher), Some((0, 3)));
        assert_eq!(losses(&a, &b, &everybody, Better::Neither), None);
        assert!(interval(&b, &[3])[0].is_nan());
    }

    #[test]
    fn with_brains_every_session_counts_once() {
        let job = |participant, brain| Job { condition: 0, participant, brain, seed: 1 };
        let row = |value| Row { values: vec![value], error: None };
        let jobs = [job(0, 0), job(0, 1), job(1, 0), job(1, 1), Job { condition: 1, ..job(0, 0) }];
        let rows = [1.0, f64::NAN, 4.0, 7.0, 100.0].map(row);
        // Not the mean of the people's means, which is 3.25: the one that is missing is nobody's.
        let [mean, low, high] = over_brains_and_people(&jobs, &rows, 0, 0, &[0, 1]);
        assert_eq!([mean, low, high], [4.0, 1.0, 7.0]);
        assert_eq!(over_brains_and_people(&jobs, &rows, 0, 0, &[1])[0], 5.5);
        assert!(over_brains_and_people(&jobs, &rows, 0, 0, &[]).iter().all(|value| value.is_nan()));
    }
}
