//! What a study came to: the numbers, as JSON and as a page.

use serde::Serialize;
use serde_json::Value;

use super::drive;
use super::figures;
use super::journal::build;
use super::metrics::{Better, METRICS};
use super::statistics::{
    Group, RESAMPLES, groups, interval, losses, over_brains_and_people, per_person, ratio,
};
use super::{Job, Row, Seeds, Spec};
use crate::report::{Page, three_digits};

/// The statistics of all outcomes.
pub struct Results<'a> {
    spec: &'a Spec,
    seeds: Seeds,
    sessions: usize,
    groups: Vec<Group>,
    /// Sessions that did not run, with what they said.
    failed: Vec<(String, String)>,
    outcomes: Vec<Outcome>,
}

/// One metric under one protocol.
#[derive(Serialize)]
pub struct Outcome {
    protocol: String,
    pub(super) metric: &'static str,
    #[serde(skip)]
    pub(super) words: &'static str,
    #[serde(skip)]
    better: Better,
    /// Behind each interval.
    resamples: usize,
    #[serde(skip)]
    has_brains: bool,
    pub(super) arms: Vec<ArmOutcome>,
    ratios: Vec<Ratio>,
}

/// One arm: a mean with its interval for each group.
#[derive(Serialize)]
pub struct ArmOutcome {
    pub(super) arm: String,
    pub(super) by_group: Vec<Estimate>,
    /// Mean of each person's sessions, in the order of the participants.
    #[serde(skip)]
    pub(super) people: Vec<f64>,
    /// Sessions whose value is missing.
    missing: usize,
}

/// A number with its 95 % interval over people, or over brains and people.
#[derive(Serialize)]
pub struct Estimate {
    pub(super) group: String,
    pub(super) people: usize,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The compared arm over another.
#[derive(Serialize)]
struct Ratio {
    arm: String,
    over: String,
    by_group: Vec<Estimate>,
    /// People for whom the compared arm is worse, by group, of how many.
    worse: Option<Vec<(usize, usize)>>,
}

fn estimate(group: &Group, [value, low, high]: [f64; 3]) -> Estimate {
    Estimate { group: group.name.clone(), people: group.people.len(), value, low, high }
}

impl<'a> Results<'a> {
    /// From the rows, which stand in the order of the jobs.
    pub fn of(spec: &'a Spec, seeds: Seeds, jobs: &[Job], rows: &[Row]) -> Self {
        let groups = groups(spec);
        let mut outcomes = Vec::new();
        for protocol in 0..spec.protocols.len() {
            for &metric in &spec.outcomes {
                outcomes.push(outcome(spec, jobs, rows, &groups, protocol, metric));
            }
        }
        let failed = jobs.iter().zip(rows).filter_map(|(job, row)| {
            let condition = &spec.conditions[job.condition];
            let brain = spec.brain(seeds, job).map_or(String::new(), |brain| format!(", {brain}"));
            let name = format!(
                "{}, {}, {}{brain}, seed {}",
                spec.protocols[condition.protocol],
                spec.arms[condition.arm].name,
                spec.participants[job.participant].name,
                job.seed
            );
            Some((name, row.error.clone()?))
        });
        Self { spec, seeds, sessions: jobs.len(), failed: failed.collect(), groups, outcomes }
    }

    /// For programs. What is not a number is `null`.
    pub fn json(&self) -> Value {
        let spec = self.spec;
        let conditions: Vec<Value> = spec
            .conditions
            .iter()
            .map(|condition| {
                serde_json::json!({
                    "protocol": spec.protocols[condition.protocol],
                    "arm": spec.arms[condition.arm].name,
                    "brains": spec.brains[condition.protocol].of(self.seeds),
                    "files": condition.files,
                    "length_s": condition.length_s,
                    "protocol_sha256": condition.protocol_sha256,
                })
            })
            .collect();
        serde_json::json!({
            "study": spec.name,
            "description": spec.description,
            "seeds": self.seeds.to_string(),
            "seed_values": spec.seeds(self.seeds),
            "participants": spec.participants.iter().map(|person| &person.name).collect::<Vec<_>>(),
            "sessions": self.sessions,
            "failed": self.failed,
            "build": build(),
            "rig_sha256": spec.rig_sha256,
            "conditions": conditions,
            "outcomes": self.outcomes,
        })
    }

    /// For people.
    pub fn page(&self) -> String {
        let spec = self.spec;
        let mut page = Page::new(&format!("{} - photic study", spec.name));
        page.title(&format!("photic study, {} seeds", self.seeds), &spec.name, &spec.description);
        let held_out = match self.seeds {
            Seeds::HeldOut => "on seeds that were held out while settings were tuned",
            Seeds::Tuning => "on the seeds that settings may be tuned on: not a result to be quoted",
        };
        page.tiles(&[
            (self.sessions.to_string(), "", format!("sessions, {held_out}")),
            (spec.participants.len().to_string(), "", "simulated participants".into()),
            (spec.arms.len().to_string(), "", "arms".into()),
            (self.failed.len().to_string(), "", "sessions failed".into()),
        ]);
        if !self.failed.is_empty() {
            page.verdict(false, &format!("{} of {} sessions did not run", self.failed.len(), self.sessions));
        }
        for outcome in &self.outcomes {
            page.heading(&format!("{}: {}", outcome.protocol, outcome.metric));
            page.text(outcome.words);
            self.means(&mut page, outcome);
            self.ratios(&mut page, outcome);
            if let Some(figure) = figures::means(&self.groups, outcome) {
                page.figure(&figure);
            }
            let compared = spec.compared;
            if outcome.better != Better::Neither
                && !outcome.has_brains
                && let Some(figure) = figures::pairs(outcome, compared)
            {
                page.figure(&figure);
            }
        }
        page.heading("What ran");
        self.provenance(&mut page);
        page.folded("The specification", &spec.text);
        page.finish()
    }

    fn means(&self, page: &mut Page, outcome: &Outcome) {
        let columns = self.columns("arm", "sessions without a value");
        let rows: Vec<Vec<String>> = outcome
            .arms
            .iter()
            .map(|arm| {
                let cells = arm.by_group.iter().map(with_interval);
                [arm.arm.clone()].into_iter().chain(cells).chain([arm.missing.to_string()]).collect()
            })
            .collect();
        table(page, &columns, &rows);
        let resamples = outcome.resamples;
        page.how(&if outcome.has_brains {
            format!(
                "Mean over sessions, by tercile of signal-to-noise ratio, with the 95 % interval of a bootstrap over brains and \
                 people (pigeonhole bootstrap, Owen 2007; {resamples} resamples, seeded), so over brains alone where n = 1. \
                 All sessions of a person with the same seed have the same noise and the same course of the gain."
            )
        } else {
            format!(
                "Mean over people of each person's mean over sessions, by tercile of signal-to-noise ratio, with the 95 % \
                 interval of a percentile bootstrap over people ({resamples} resamples, seeded)."
            )
        });
    }

    fn ratios(&self, page: &mut Page, outcome: &Outcome) {
        if outcome.ratios.is_empty() {
            return;
        }
        page.subheading(&format!("{} over the other arms", outcome.ratios[0].arm));
        let columns = self.columns("over", "worse for (of all people)");
        let rows: Vec<Vec<String>> = outcome
            .ratios
            .iter()
            .map(|ratio| {
                let losses = ratio.worse.as_ref().and_then(|worse| worse.last());
                let losses = losses.map_or("-".into(), |(worse, of)| format!("{worse} of {of}"));
                let cells = ratio.by_group.iter().map(with_interval);
                [ratio.over.clone()].into_iter().chain(cells).chain([losses]).collect()
            })
            .collect();
        table(page, &columns, &rows);
        page.how("Mean of the one over mean of the other, paired by person; the interval is over people. Losses are people, not sessions.");
    }

    fn columns(&self, first: &str, last: &str) -> Vec<(String, bool)> {
        let groups =
            self.groups.iter().map(|group| (format!("{} (n = {})", group.name, group.people.len()), true));
        [(first.to_owned(), false)].into_iter().chain(groups).chain([(last.to_owned(), true)]).collect()
    }

    fn provenance(&self, page: &mut Page) {
        let spec = self.spec;
        let seeds: Vec<String> = spec.seeds(self.seeds).iter().map(u64::to_string).collect();
        page.list(&[
            ("program", format!("photic {}", build())),
            ("seeds", format!("{} ({})", seeds.join(", "), self.seeds)),
            ("rig", format!("SHA-256 {}", spec.rig_sha256)),
            ("numbers", "simulated: participants on the virtual clock".into()),
        ]);
        let rows: Vec<Vec<String>> = spec
            .conditions
            .iter()
            .map(|condition| {
                vec![
                    spec.protocols[condition.protocol].clone(),
                    spec.arms[condition.arm].name.clone(),
                    match spec.brains[condition.protocol].of(self.seeds) {
                        [] => "their own".into(),
                        brains => brains.join(", "),
                    },
                    format!("{:.1}", condition.length_s),
                    condition.protocol_sha256.clone(),
                ]
            })
            .collect();
        page.table(
            &[
                ("protocol", false),
                ("arm", false),
                ("brains", false),
                ("length (s)", true),
                ("SHA-256 of what ran", false),
            ],
            &rows,
        );
        for (name, error) in &self.failed {
            page.text(&format!("failed: {name}: {error}"));
        }
    }
}

fn table(page: &mut Page, columns: &[(String, bool)], rows: &[Vec<String>]) {
    let columns: Vec<(&str, bool)> = columns.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    page.table(&columns, rows);
}

fn with_interval(estimate: &Estimate) -> String {
    if estimate.value.is_nan() {
        return "-".into();
    }
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(three_digits);
    format!("{value} [{low}, {high}]")
}

fn outcome(
    spec: &Spec,
    jobs: &[Job],
    rows: &[Row],
    groups: &[Group],
    protocol: usize,
    metric: usize,
) -> Outcome {
    let better = METRICS[metric].better;
    let has_brains = !spec.brains[protocol].is_empty();
    let arms: Vec<ArmOutcome> = spec
        .arms
        .iter()
        .enumerate()
        .map(|(arm, named)| {
            let condition = spec.condition(protocol, arm);
            let people = per_person(spec, jobs, rows, condition, metric);
            let mean = |group: &Group| match has_brains {
                true => over_brains_and_people(jobs, rows, condition, metric, &group.people),
                false => interval(&people, &group.people),
            };
            let by_group = groups.iter().map(|group| estimate(group, mean(group))).collect();
            let of_arm = jobs.iter().zip(rows).filter(|(job, _)| job.condition == condition);
            let missing = of_arm.filter(|(_, row)| !row.values[metric].is_finite()).count();
            ArmOutcome { arm: named.name.clone(), by_group, people, missing }
        })
        .collect();
    let compared = &arms[spec.compared];
    // Ratios and losses pair people; sessions with brains would have to be paired by both.
    let is_paired = better != Better::Neither && !has_brains;
    let others = arms.iter().enumerate().filter(|(arm, _)| *arm != spec.compared && is_paired);
    let ratios = others.map(|(_, other)| Ratio {
        arm: compared.arm.clone(),
        over: other.arm.clone(),
        by_group: groups
            .iter()
            .map(|group| estimate(group, ratio(&compared.people, &other.people, &group.people)))
            .collect(),
        worse: groups
            .iter()
            .map(|group| losses(&compared.people, &other.people, &group.people, better))
            .collect(),
    });
    let ratios = ratios.collect();
    Outcome {
        protocol: spec.protocols[protocol].clone(),
        metric: METRICS[metric].key,
        words: METRICS[metric].words,
        better,
        resamples: if has_brains { drive::RESAMPLES } else { RESAMPLES },
        has_brains,
        ratios,
        arms,
    }
}
