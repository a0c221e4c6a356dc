//! The summary in words, as `photic run` and `photic inspect` print it.

use std::fmt;

use super::{Latency, Summary};
use crate::phases::{Circular, Onsets};
use crate::steered::Steered;
use crate::tried::{Scored, Tried};

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: String| writeln!(f, "{name:<16} {text}");
        line("session", self.session.clone())?;
        if let Some(blinded) = &self.blinded {
            let (number, trial) = (blinded.number, &blinded.trial);
            line("blinded", format!("number {number} of trial {trial}; the arm is sealed"))?;
        }
        if let Some(early) = &self.recording_ended_early {
            line("recording", early.clone())?;
        }
        line("ended", self.exit.clone().unwrap_or_else(|| "not in order: no outcome was recorded".into()))?;
        let faults = &self.frame_faults;
        let also =
            |count: usize, what: &str| if count > 0 { format!(", in {count} {what}") } else { String::new() };
        let unseen = match (faults.all.late, faults.all.replaced) {
            (0, 0) => String::new(),
            (late, replaced) => {
                format!("; {late} at another refresh than planned, {replaced} seen by nobody")
            }
        };
        line(
            "frames",
            format!(
                "{}, missed {}{}{}{unseen}",
                self.frames,
                self.missed_frames,
                also(faults.trials.len(), "trials"),
                also(faults.presentations.len(), "presentations"),
            ),
        )?;
        if let Some(governed) = &self.governed {
            line("governor", governed.describe())?;
        }
        if let Some(attempts) = &self.attempts {
            let counted: Vec<String> = attempts
                .iter()
                .map(|(outcome, count)| format!("{count} {}", outcome.replace('_', " ")))
                .collect();
            line("attempts", format!("{}: {}", attempts.values().sum::<u64>(), counted.join(", ")))?;
        }
        let lost = &self.samples_lost_by;
        let by = format!(
            " (skipped {}, refused {}, lost at the source about {})",
            lost.skipped, lost.refused, lost.at_source
        );
        let by = if self.samples_lost > 0 { by } else { String::new() };
        line("samples", format!("{}, lost {}{by}", self.samples, self.samples_lost))?;
        line("decisions", self.decisions.to_string())?;
        line("commands", self.commands.to_string())?;
        if let Some(Latency { n, p50, p99, max }) = self.loop_latency_us {
            let text = format!(
                "p50 {p50:.0} us, p99 {p99:.0} us, max {max:.0} us (chunk arrival to command, n = {n})"
            );
            line("loop latency", text)?;
        }
        if let Some(gaze) = &self.gaze {
            line("gaze", gaze.describe())?;
        }
        if let Some(error) = &self.tracking_error {
            let uv = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3} uV"));
            let settled = match error.settling_s {
                Some(s) => format!("; without the first {s} s of each block"),
                None => String::new(),
            };
            let text = |all, later| match error.settling_s {
                Some(_) => format!("{} mean absolute{settled} {}", uv(all), uv(later)),
                None => format!("{} mean absolute", uv(all)),
            };
            line("error, measured", text(error.measured, error.measured_settled))?;
            if error.latent.is_some() {
                line("error, latent", text(error.latent, error.latent_settled))?;
            }
        }
        for (name, text) in self.steered.iter().flat_map(Steered::lines) {
            line(name, text)?;
        }
        if let Some(onsets) = &self.onsets {
            let Onsets { presentations, met, timed_out, skipped, .. } = onsets;
            line("onsets", format!("{presentations}: {met} met, {timed_out} timed out, {skipped} left out"))?;
            for phases in &onsets.phases {
                let wanted = phases.wanted_deg.map_or("any".into(), |wanted| format!("{wanted:.0} deg"));
                let text = |found: Option<Circular>| {
                    found.map_or("-".into(), |f| format!("R {:.2} at {:.0} deg", f.resultant, f.mean_deg))
                };
                let (recorded, own) = (text(phases.recorded), text(phases.latent));
                line("phase reached", format!("wanted {wanted}: recorded {recorded}, own {own}"))?;
            }
        }
        let tried = self.trials.iter().flatten().flat_map(Tried::lines);
        for (name, text) in tried.chain(self.scored.iter().flatten().map(Scored::line)) {
            line(name, text)?;
        }
        if let Some(confusion) = &self.confusion {
            let (right, total) = (confusion.right(), confusion.total());
            line(
                "accuracy",
                format!("{right} of {total} cues ({:.1} %)", 100.0 * right as f64 / total as f64),
            )?;
        }
        Ok(())
    }
}
