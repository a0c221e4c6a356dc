//! The figures of a study's page.

use super::page::Outcome;
use super::statistics::Group;
use crate::report::{Figure, LEFT, Plot, RIGHT, Scale, WIDTH, svg};

/// Colours of the arms, in their order; with more arms they come again, and the legend and the titles of the points say
/// which is which.
const CLASSES: [&str; 6] = ["c1", "c2", "c3", "c0", "mains", "grey"];

fn class(arm: usize) -> &'static str {
    CLASSES[arm % CLASSES.len()]
}

fn keys(outcome: &Outcome, left_out: Option<usize>) -> Vec<(&'static str, String)> {
    let arms = outcome.arms.iter().enumerate().filter(|(arm, _)| Some(*arm) != left_out);
    arms.map(|(arm, named)| (class(arm), named.arm.clone())).collect()
}

/// The mean of each arm with its interval, by group. `None` where no arm has a value.
pub fn means(groups: &[Group], outcome: &Outcome) -> Option<Figure> {
    let all = || outcome.arms.iter().flat_map(|arm| &arm.by_group);
    let most = all().map(|estimate| estimate.high).filter(|high| high.is_finite()).reduce(f64::max)?;
    let least = all().map(|estimate| estimate.low).filter(|low| low.is_finite()).reduce(f64::min)?;
    let x = Scale::linear(0.0, groups.len() as f64, LEFT, WIDTH - RIGHT);
    let mut plot = Plot::new(x, Scale::linear(least.min(0.0), 1.05 * most.max(0.0), 250.0, 12.0));
    plot.y_axis(5, outcome.metric);
    for (at, group) in groups.iter().enumerate() {
        let centre = plot.x.px(at as f64 + 0.5);
        plot.text(centre, 270.0, "name mid", &format!("{} (n = {})", group.name, group.people.len()));
    }
    let step = 0.7 / outcome.arms.len() as f64;
    for (number, arm) in outcome.arms.iter().enumerate() {
        for (at, estimate) in arm.by_group.iter().enumerate() {
            let x = at as f64 + 0.15 + step * (number as f64 + 0.5);
            let class = class(number);
            plot.line(&[(x, estimate.low), (x, estimate.high)], &format!("{class} thick"));
            let title =
                format!("{}: {:.4} [{:.4}, {:.4}]", arm.arm, estimate.value, estimate.low, estimate.high);
            plot.dot(x, estimate.value, class, &title);
        }
    }
    Some(Figure {
        svg: svg(280.0, &format!("{} by arm and tercile", outcome.metric), [plot]),
        keys: keys(outcome, None),
        caption: format!(
            "{} by tercile of signal-to-noise ratio; points are means, strokes 95 % intervals.",
            outcome.metric
        ),
        how: "The numbers of the table above.".into(),
    })
}

/// Each person's value in the compared arm over the value in each other arm. `None` where nobody has both.
pub fn pairs(outcome: &Outcome, compared: usize) -> Option<Figure> {
    let own = &outcome.arms[compared];
    let others = || outcome.arms.iter().enumerate().filter(|(arm, _)| *arm != compared);
    let points = |arm: &[f64]| -> Vec<(usize, f64, f64)> {
        let pairs = arm.iter().zip(&own.people).enumerate();
        pairs
            .map(|(person, (other, own))| (person, *other, *own))
            .filter(|(_, a, b)| (a + b).is_finite())
            .collect()
    };
    let most = others()
        .flat_map(|(_, arm)| points(&arm.people))
        .map(|(_, other, own)| other.max(own))
        .reduce(f64::max)?;
    let x = Scale::linear(0.0, 1.05 * most, LEFT, LEFT + 400.0);
    let mut plot = Plot::new(x, Scale::linear(0.0, 1.05 * most, 412.0, 12.0));
    plot.y_axis(5, &format!("{} in arm {}", outcome.metric, own.arm));
    plot.x_axis(5, Some(&format!("{} in the other arm", outcome.metric)));
    plot.line(&[(0.0, 0.0), (1.05 * most, 1.05 * most)], "ref");
    for (number, arm) in others() {
        for (person, other, own_value) in points(&arm.people) {
            let title = format!(
                "person {} of the list: {} {other:.4}, {} {own_value:.4}",
                person + 1,
                arm.arm,
                own.arm
            );
            plot.dot(other, own_value, class(number), &title);
        }
    }
    Some(Figure {
        svg: svg(
            452.0,
            &format!("{}: {} against the other arms, by person", outcome.metric, own.arm),
            [plot],
        ),
        keys: keys(outcome, Some(compared)),
        caption: format!("Each point is one person; above the diagonal, {} is the greater.", own.arm),
        how: "Mean of each person's sessions.".into(),
    })
}
