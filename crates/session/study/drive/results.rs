//! What a drive study came to: the numbers, as JSON and as a page.

use serde::Serialize;
use serde_json::{Value, json};

use participant::Tercile;

use super::super::journal::build;
use super::super::{Row, Seeds};
use super::session::{AFTER, MARKS, column};
use super::spec::{Job, Spec};
use super::statistics::{Estimate, RESAMPLES, Sample, mean, median};
use crate::report::{Figure, LEFT, Page, Plot, RIGHT, Scale, WIDTH, svg, three_digits};

/// The statistics of all arms.
pub struct Results<'a> {
    spec: &'a Spec,
    seeds: Seeds,
    /// `low`, `middle`, `high`, `all`, with the participants of each.
    groups: Vec<(String, Vec<usize>)>,
    arms: Vec<ArmResult>,
    sessions: usize,
    failed: Vec<(String, String)>,
}

#[derive(Serialize)]
struct ArmResult {
    arm: String,
    method: &'static str,
    presentations: u32,
    by_group: Vec<GroupResult>,
}

#[derive(Serialize)]
struct GroupResult {
    group: String,
    sessions: usize,
    /// For 0.5, 0.8 and 0.95. `null` where half of the sessions or more never get there.
    presentations_to: Vec<Reached>,
    /// When the model was first given up; `null` where half of the sessions or more never gave it up.
    given_up_after: Reached,
    gain_after: Vec<GainAfter>,
}

#[derive(Serialize)]
struct Reached {
    /// `null` where it is not a gain that is reached.
    gain: Option<f64>,
    median: Estimate,
    /// Sessions that got there within the arm's presentations.
    reached: usize,
}

#[derive(Serialize)]
struct GainAfter {
    presentations: u32,
    mean: Estimate,
    /// The compared arm's gain less this one's, in the same sessions; and in how many of them the compared arm is worse.
    lead: Option<Estimate>,
    worse: Option<usize>,
}

impl<'a> Results<'a> {
    /// From the rows, which stand in the order of the jobs.
    pub fn of(spec: &'a Spec, seeds: Seeds, jobs: &[Job], rows: &[Row]) -> Self {
        let of = |tercile: Tercile| -> Vec<usize> {
            (0..spec.participants.len()).filter(|&at| spec.participants[at].snr_tercile == tercile).collect()
        };
        let terciles = [Tercile::Low, Tercile::Middle, Tercile::High].map(|t| (t.to_string(), of(t)));
        let all = ("all".to_owned(), (0..spec.participants.len()).collect());
        let groups: Vec<_> =
            terciles.into_iter().filter(|(_, people)| !people.is_empty()).chain([all]).collect();
        let table = Table { spec, jobs, rows };
        let arms = (0..spec.arms.len()).map(|arm| table.arm(arm, &groups)).collect();
        let name = |job: &Job| {
            let (arm, brain) = (&spec.arms[job.arm].name, &spec.set(seeds).brains[job.brain].name);
            format!("{arm}, {brain}, {}, seed {}", spec.participants[job.participant].name, job.seed)
        };
        let failed = jobs.iter().zip(rows).filter_map(|(job, row)| Some((name(job), row.error.clone()?)));
        Self { spec, seeds, groups, arms, sessions: jobs.len(), failed: failed.collect() }
    }

    /// For programs. What is not a number, or infinite, is `null`.
    pub fn json(&self) -> Value {
        let set = self.spec.set(self.seeds);
        json!({
            "study": self.spec.name,
            "description": self.spec.description,
            "seeds": self.seeds.to_string(),
            "seed_values": set.seeds,
            "brains": set.brains.iter().map(|brain| &brain.name).collect::<Vec<_>>(),
            "participants": self.spec.participants.iter().map(|person| &person.name).collect::<Vec<_>>(),
            "sessions": self.sessions,
            "failed": self.failed,
            "build": build(),
            "protocol_sha256": self.spec.protocol_sha256,
            "channel": CHANNEL,
            "resamples": RESAMPLES,
            "arms": self.arms,
        })
    }

    /// For people.
    pub fn page(&self) -> String {
        let spec = self.spec;
        let mut page = Page::new(&format!("{} - photic study", spec.name));
        page.title(&format!("photic study, {} set", self.seeds), &spec.name, &spec.description);
        let held_out = match self.seeds {
            Seeds::HeldOut => "on brains and seeds that were held out while settings were tuned",
            Seeds::Tuning => "on the brains that settings may be tuned on: not a result to be quoted",
        };
        page.tiles(&[
            (self.sessions.to_string(), "", format!("sessions, {held_out}")),
            (spec.set(self.seeds).brains.len().to_string(), "", "brains".into()),
            (spec.participants.len().to_string(), "", "simulated participants".into()),
            (self.failed.len().to_string(), "", "sessions failed".into()),
        ]);
        page.text(CHANNEL);
        for (at, (mark, _)) in MARKS.iter().enumerate() {
            page.heading(&format!("Presentations to a normalised gain of {mark}"));
            self.table(&mut page, |arm, group| counted(arm, group, &group.presentations_to[at]));
            page.how(&format!(
                "Median over sessions, with the 95 % interval of a bootstrap over brains and people ({RESAMPLES} resamples, \
                 seeded); and how many sessions got there. A session that did not within the arm's presentations counts as \
                 later than all others."
            ));
        }
        for at in AFTER.iter().enumerate().filter(|(_, after)| [60, 120].contains(&after.0)).map(|(at, _)| at)
        {
            self.gains(&mut page, at);
        }
        page.heading("Presentations until the model was given up");
        self.table(&mut page, |arm, group| match arm.method {
            "model" => counted(arm, group, &group.given_up_after),
            _ => "-".into(),
        });
        page.how(
            "Probes included; how many sessions ever did. A model is given up when it predicts no better than its own cells \
             in any order would, and taken back when it does (docs/steering.md).",
        );
        page.heading("Gain over presentations");
        for (group, (name, _)) in self.groups.iter().enumerate() {
            if let Some(figure) = self.course(group, name) {
                page.figure(&figure);
            }
        }
        self.provenance(&mut page);
        page.finish()
    }

    fn gains(&self, page: &mut Page, at: usize) {
        page.heading(&format!("Normalised gain after {} presentations", AFTER[at].0));
        self.table(page, |_, group| with_interval(&group.gain_after[at].mean));
        let compared = &self.arms[self.spec.compared].arm;
        page.subheading(&format!("{compared} less the others"));
        self.table(page, |_, group| match (&group.gain_after[at].lead, group.gain_after[at].worse) {
            (Some(lead), Some(worse)) => {
                format!("{}; worse in {worse} of {}", with_interval(lead), group.sessions)
            }
            _ => "-".into(),
        });
        page.how(
            "Mean over sessions of the incumbent's latent level: 0 is the best of 200 natural pictures, 1 the best of 20 \
             ascents through the brain itself. Differences are of sessions with the same brain, person and seed.",
        );
    }

    fn table(&self, page: &mut Page, cell: impl Fn(&ArmResult, &GroupResult) -> String) {
        let names = self.groups.iter().map(|(name, people)| (format!("{name} (n = {})", people.len()), true));
        let columns: Vec<(String, bool)> = [("arm".to_owned(), false)].into_iter().chain(names).collect();
        let columns: Vec<(&str, bool)> =
            columns.iter().map(|(name, right)| (name.as_str(), *right)).collect();
        let row = |arm: &ArmResult| {
            let cells = arm.by_group.iter().map(|group| cell(arm, group));
            [arm.arm.clone()].into_iter().chain(cells).collect::<Vec<String>>()
        };
        page.table(&columns, &self.arms.iter().map(row).collect::<Vec<_>>());
    }

    /// Mean gain of each arm over presentations. `None` where no arm has one.
    fn course(&self, group: usize, name: &str) -> Option<Figure> {
        let points = |arm: &ArmResult| -> Vec<(f64, f64)> {
            let after = arm.by_group[group].gain_after.iter();
            let points = after.map(|after| (f64::from(after.presentations), after.mean.value));
            points.filter(|(_, gain)| gain.is_finite()).collect()
        };
        let lowest = self.arms.iter().flat_map(points).map(|point| point.1).reduce(f64::min)?;
        let x = Scale::log(18.0, 2200.0, LEFT, WIDTH - RIGHT);
        let mut plot = Plot::new(x, Scale::linear(lowest.min(0.0), 1.0, 290.0, 12.0));
        plot.y_axis(5, "normalised gain");
        for (count, _) in AFTER {
            let at = plot.x.px(f64::from(count));
            plot.text(at, 308.0, "name mid", &count.to_string());
        }
        for (number, arm) in self.arms.iter().enumerate() {
            let class = CLASSES[number % CLASSES.len()];
            plot.line(&points(arm), class);
            for (count, gain) in points(arm) {
                plot.dot(count, gain, class, &format!("{}: {gain:.3} after {count}", arm.arm));
            }
        }
        let keys =
            self.arms.iter().enumerate().map(|(at, arm)| (CLASSES[at % CLASSES.len()], arm.arm.clone()));
        Some(Figure {
            svg: svg(320.0, &format!("Gain over presentations, {name}"), [plot]),
            keys: keys.collect(),
            caption: format!("Mean normalised gain of the incumbent after so many presentations; {name}."),
            how: "The axis of presentations is logarithmic.".into(),
        })
    }

    fn provenance(&self, page: &mut Page) {
        let set = self.spec.set(self.seeds);
        let texts = |values: Vec<String>| values.join(", ");
        page.heading("What ran");
        page.list(&[
            ("program", format!("photic {}", build())),
            ("brains", texts(set.brains.iter().map(|brain| brain.name.clone()).collect())),
            ("participants", texts(self.spec.participants.iter().map(|p| p.name.clone()).collect())),
            ("seeds", format!("{} ({})", texts(set.seeds.iter().map(u64::to_string).collect()), self.seeds)),
            ("protocol", format!("SHA-256 {}", self.spec.protocol_sha256)),
            ("numbers", "simulated".into()),
        ]);
        for (name, error) in &self.failed {
            page.text(&format!("failed: {name}: {error}"));
        }
        page.folded("The specification", &self.spec.text);
    }
}

const CLASSES: [&str; 6] = ["c1", "c2", "c3", "c0", "mains", "grey"];

const CHANNEL: &str = "No EEG was simulated in these sessions: a presentation's value is scale x gain x level + noise, with scale and noise of \
     each person as they were measured in whole sessions on the virtual clock, decoder included, and with the person's own drift and \
     fluctuation of gain (channels.toml).";

/// A median with its interval, and in how many sessions it happened.
fn counted(arm: &ArmResult, group: &GroupResult, Reached { median, reached, .. }: &Reached) -> String {
    let count = |value: f64| match value.is_finite() {
        true => format!("{value:.0}"),
        false => format!(">{}", arm.presentations),
    };
    let [value, low, high] = [median.value, median.low, median.high].map(count);
    format!("{value} [{low}, {high}]; {reached} of {}", group.sessions)
}

fn with_interval(estimate: &Estimate) -> String {
    if estimate.value.is_nan() {
        return "-".into();
    }
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(three_digits);
    format!("{value} [{low}, {high}]")
}

/// The rows with what they are of.
struct Table<'a> {
    spec: &'a Spec,
    jobs: &'a [Job],
    rows: &'a [Row],
}

impl Table<'_> {
    fn arm(&self, arm: usize, groups: &[(String, Vec<usize>)]) -> ArmResult {
        let named = &self.spec.arms[arm];
        ArmResult {
            arm: named.name.clone(),
            method: named.method(),
            presentations: named.presentations,
            by_group: groups.iter().map(|(name, people)| self.group(arm, name, people)).collect(),
        }
    }

    /// A column of the sessions of an arm that ran.
    fn samples(&self, arm: usize, people: &[usize], key: &str) -> Vec<Sample> {
        let at = column(key).unwrap_or_default();
        let of_arm =
            self.jobs.iter().zip(self.rows).filter(|(job, row)| {
                job.arm == arm && people.contains(&job.participant) && row.error.is_none()
            });
        of_arm
            .map(|(job, row)| Sample {
                brain: job.brain,
                participant: job.participant,
                value: row.values[at],
            })
            .collect()
    }

    fn group(&self, arm: usize, name: &str, people: &[usize]) -> GroupResult {
        let censored = |mut sample: Sample| {
            sample.value = if sample.value.is_nan() { f64::INFINITY } else { sample.value };
            sample
        };
        let reached = |gain: Option<f64>, key: &str| {
            let samples: Vec<Sample> = self.samples(arm, people, key).into_iter().map(censored).collect();
            let reached = samples.iter().filter(|sample| sample.value.is_finite()).count();
            Reached { gain, median: median(&samples), reached }
        };
        let after = |(presentations, key): (u32, &str)| {
            let samples = self.samples(arm, people, key);
            let known: Vec<Sample> = samples.iter().copied().filter(|s| s.value.is_finite()).collect();
            let leads = self.leads(arm, people, key);
            let lead = leads.as_ref().map(|leads| mean(leads));
            let worse = leads.map(|leads| leads.iter().filter(|sample| sample.value < 0.0).count());
            GainAfter { presentations, mean: mean(&known), lead, worse }
        };
        GroupResult {
            group: name.to_owned(),
            sessions: self.samples(arm, people, "presentations").len(),
            presentations_to: MARKS.into_iter().map(|(gain, key)| reached(Some(gain), key)).collect(),
            given_up_after: reached(None, "model_failed_at"),
            gain_after: AFTER.into_iter().map(after).collect(),
        }
    }

    /// The compared arm less this one, session by session. `None` for the arm itself and where either has no value.
    fn leads(&self, arm: usize, people: &[usize], key: &str) -> Option<Vec<Sample>> {
        let at = column(key)?;
        let compared = self.spec.compared;
        if arm == compared {
            return None;
        }
        let each = self.jobs.len() / self.spec.arms.len();
        // Jobs of all arms stand in the same order.
        let pairs = (0..each).map(|place| (arm * each + place, compared * each + place));
        let known = pairs.filter(|&(other, _)| people.contains(&self.jobs[other].participant));
        let leads = known.map(|(other, own)| {
            let Job { brain, participant, .. } = self.jobs[own];
            Sample { brain, participant, value: self.rows[own].values[at] - self.rows[other].values[at] }
        });
        let leads: Vec<Sample> = leads.filter(|sample| sample.value.is_finite()).collect();
        if leads.is_empty() { None } else { Some(leads) }
    }
}
