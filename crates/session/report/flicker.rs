//! What flickered: the spectrum that each stimulus really had on the screen.

use recording::RecordedSession;

use super::page::Page;
use super::sections::Facts;
use super::svg::short;
use crate::experiment::{Experiment, Lowered};
use crate::replay;
use crate::stage::{Targets, closest};

/// Targets of one stimulus that are listed.
const MOST_TARGETS: usize = 60;

impl Facts<'_> {
    /// The realised flickers and codes of the protocol.
    pub fn flicker(&self, page: &mut Page) {
        let Some((experiment, lowered)) = lowered(self.session) else { return };
        let mut rows = Vec::new();
        let mut apart = Vec::new();
        for (stimulus, scene) in experiment.protocol.stimuli.iter().zip(lowered.scenery.scenes.iter().skip(1))
        {
            let targets = Targets::of(scene, lowered.scenery.screen.refresh_hz).alike();
            for (target, realised) in targets.spectra().take(MOST_TARGETS) {
                let Some(realised) = realised else { continue };
                let decibel = realised.strongest_other_db();
                rows.push(vec![
                    stimulus.name.clone(),
                    target.name.clone(),
                    target.frequency_hz.map_or("code".into(), short),
                    short(realised.fundamental.frequency_hz),
                    target.levels.len().to_string(),
                    decibel.map_or("none".into(), |decibel| format!("{decibel:.0}")),
                ]);
            }
            let pairs = targets.separation().unwrap_or_default();
            if let Some((near, alike)) = closest(&pairs) {
                let place = |pair: [usize; 2]| pair.map(|at| targets.targets[at].name.as_str()).join(" and ");
                apart.push(format!(
                    "Targets of {}: nearest are {} (root mean square difference {:.3} of the full range), most alike {} \
                     (correlation {:.2}).",
                    stimulus.name,
                    place(near.targets),
                    near.distance,
                    place(alike.targets),
                    alike.correlation
                ));
            }
        }
        if rows.is_empty() {
            return;
        }
        page.heading("Flicker");
        let columns = [
            ("stimulus", false),
            ("target", true),
            ("frequency, Hz", true),
            ("strongest line, Hz", true),
            ("frames until it repeats", true),
            ("strongest line that is no harmonic, dB", true),
        ];
        page.table(&columns, &rows);
        for text in apart {
            page.text(&text);
        }
        for repair in &lowered.repairs {
            page.text(&format!("Repaired, as the protocol allows: {repair}."));
        }
        page.how("The discrete Fourier transform of the frames as they were drawn, over the exact period of each course. Refreshes that showed an old frame again are not in it; the section on frames has them.");
    }
}

/// The session's protocol as it was lowered, where this build can read it.
fn lowered(session: &RecordedSession) -> Option<(Experiment, Lowered)> {
    let experiment = replay::experiment(session).ok()?;
    let lowered = experiment.lower(session.meta.seed).ok()?;
    Some((experiment, lowered))
}
