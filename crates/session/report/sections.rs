//! What stands in each section of the page.

use protocol::Protocol;
use recording::{ClockKind, RecordedSession};
use timeline::NoticeKind;

use super::charts::{self, TimeAxis};
use super::course::course;
use super::ledger::{Ledger, nearest_rank};
use super::page::{Column, Page};
use super::spans::{Block, Span, blocks, extent};
use super::svg::{counted, short};
use crate::missed::Faults;
use crate::summary::{Summary, classes_of, read_protocol};

/// Rows that a table of decisions or notices shows; the recording holds all.
pub(super) const MOST_ROWS: usize = 200;

/// Characters of a protocol or rig file that the page repeats.
const MOST_TEXT: usize = 60_000;

/// Everything that more than one section needs.
pub struct Facts<'a> {
    pub(super) session: &'a RecordedSession,
    pub(super) summary: &'a Summary,
    pub(super) protocol: Option<Protocol>,
    blocks: Vec<Block>,
    pub(super) extent: Span,
    time: TimeAxis,
}

impl<'a> Facts<'a> {
    /// Gathers them.
    pub fn of(session: &'a RecordedSession, summary: &'a Summary) -> Self {
        let protocol = read_protocol(session);
        let blocks = blocks(session, protocol.as_ref());
        let extent = extent(session);
        Self { session, summary, protocol, blocks, extent, time: TimeAxis::of(extent) }
    }

    /// The page's title.
    pub fn title(&self) -> String {
        format!("{} \u{2013} {}", self.session.meta.protocol, self.session.folder.stem())
    }

    /// Title, verdict and the numbers that matter most.
    pub fn head(&self, page: &mut Page) {
        let meta = &self.session.meta;
        let description = self.protocol.as_ref().map_or("", |protocol| protocol.description.as_str());
        page.title(self.session.folder.stem(), &meta.protocol, description);
        let (is_good, verdict) = self.verdict();
        page.verdict(is_good, &verdict);
        page.tiles(&self.tiles());
        let mut how = String::from("Frames, samples, decisions and commands are counted in the recording.");
        if self.summary.loop_latency_us.is_some() {
            how += " Loop latency: arrival of a turn's newest chunk at the inlet until its command stood published, both \
                    read from one clock.";
        }
        if self.summary.tracking_error.is_some() {
            how += " Errors: mean absolute distance from the set point, over all hold blocks.";
        }
        page.how(&how);
    }

    /// How it ended, and what a reader must know before believing the rest.
    fn verdict(&self) -> (bool, String) {
        let length = format!("{:.1} s recorded", self.extent.length_s());
        let outcome = self.session.meta.outcome.as_ref();
        let ended = match outcome {
            None => format!("Did not end in order: no outcome was written, {length}."),
            Some(outcome) => format!("Ended: {}, {length}.", outcome.exit),
        };
        let mut doubts = Vec::new();
        if let Some(why) = outcome.and_then(|outcome| outcome.recording_ended_early.as_ref()) {
            doubts.push(format!("Recording ended before the session did: {why}."));
        }
        let damaged = self.session.problems.len();
        if damaged > 0 {
            let places = counted(damaged, "damaged place", "damaged places");
            doubts.push(format!("The recording has {places}, listed under Notices."));
        }
        let count = |kind| self.session.notices.iter().filter(|notice| notice.kind == kind).count();
        if count(NoticeKind::CalibrationFailed) > 0 {
            doubts.push("The calibration could not be trusted (see Notices).".into());
        }
        let greys = count(NoticeKind::ToGrey);
        if greys > 0 {
            doubts.push(format!(
                "The screen went grey for want of samples {}.",
                counted(greys, "time", "times")
            ));
        }
        let calm = outcome.is_some_and(|outcome| outcome.exit == "finished" || outcome.exit == "stopped");
        let is_good = calm && doubts.is_empty();
        (is_good, std::iter::once(ended).chain(doubts).collect::<Vec<_>>().join(" "))
    }

    fn tiles(&self) -> Vec<(String, &'static str, String)> {
        let summary = self.summary;
        let mut tiles = vec![(
            summary.frames.to_string(),
            "",
            format!("frames, {} missed", counted(summary.missed_frames, "refresh", "refreshes")),
        )];
        if let Some(latency) = summary.loop_latency_us {
            let meaning = format!("loop latency p99; median {}", micro(latency.p50));
            tiles.push((micro(latency.p99), "", meaning));
        }
        if let Some(error) = &summary.tracking_error {
            if let Some(latent) = error.latent {
                tiles.push((
                    format!("{latent:.2}"),
                    "\u{b5}V",
                    "mean absolute error, latent response".into(),
                ));
            }
            if let Some(measured) = error.measured {
                tiles.push((
                    format!("{measured:.2}"),
                    "\u{b5}V",
                    "mean absolute error, measured response".into(),
                ));
            }
        }
        if let Some(confusion) = &summary.confusion {
            let meaning = format!("cues decoded right of {}", confusion.total());
            tiles.push((confusion.right().to_string(), "", meaning));
        }
        tiles.push((summary.samples.to_string(), "", format!("samples, {} lost", summary.samples_lost)));
        tiles.push((
            summary.decisions.to_string(),
            "",
            format!("decisions, {}", counted(summary.commands, "command", "commands")),
        ));
        tiles
    }

    /// What stands in place of the course in a blinded session.
    pub fn blinded(&self, page: &mut Page) {
        page.heading("Blinded");
        match &self.summary.blinded {
            Some(entry) => page.text(&format!(
                "Participant number {} of trial \u{201c}{}\u{201d}. The arm is sealed (commitment {}); set point, decoded \
                 values and contrast are not drawn, because together they tell it. `photic unblind` opens it with the \
                 trial\u{2019}s key.",
                entry.number, entry.trial, entry.commitment
            )),
            None => page.text("The arm is sealed, and what the manifest says of it cannot be read."),
        }
    }

    /// The course of the session.
    pub fn course(&self, page: &mut Page) {
        page.heading("Course of the session");
        let classes = classes_of(&self.session.decisions, self.protocol.as_ref());
        match course(self.session, &self.time, &self.blocks, &classes) {
            Some(figure) => page.figure(&figure),
            None => page.text("Nothing to draw: no block, decision, command or event was recorded."),
        }
        if let Some(error) = &self.summary.tracking_error {
            let uv = |value: Option<f64>| value.map_or("\u{2013}".into(), |value| format!("{value:.3}"));
            let settled = error
                .settling_s
                .map_or("settled".into(), |s| format!("without the first {s} s of each block (\u{b5}V)"));
            let columns: [Column; 4] = [
                ("mean absolute error of", false),
                ("whole time (\u{b5}V)", true),
                (&settled, true),
                ("over", true),
            ];
            let measured = vec![
                "measured response".into(),
                uv(error.measured),
                uv(error.measured_settled),
                format!("{} decisions", error.measured_n),
            ];
            let latent = vec![
                "latent response".into(),
                uv(error.latent),
                uv(error.latent_settled),
                format!("{:.1} s", error.latent_s),
            ];
            let rows: Vec<_> = std::iter::once(measured).chain(error.latent.map(|_| latent)).collect();
            page.table(&columns, &rows);
            page.how(
                "Measured: |value \u{2212} set point|, mean over all decisions with a set point. Latent: |noise-free response \u{2212} set point \
                 in force|, mean over time. The time that the response needs after each step is part of the first number.",
            );
        }
    }

    /// Confusion matrix and decisions, where there are cues.
    pub fn answers(&self, page: &mut Page) {
        let Some(confusion) = &self.summary.confusion else { return };
        page.heading("Answers to cues");
        let (right, total) = (confusion.right(), confusion.total());
        let [low, high] = wilson_95(right, total);
        page.text(&format!(
            "{right} of {total} right: {:.1} %, 95 % confidence interval {:.1} to {:.1} %.",
            100.0 * right as f64 / total as f64,
            100.0 * low,
            100.0 * high
        ));
        let mut columns = confusion.classes.clone();
        let is_undecided = confusion.undecided.iter().any(|n| *n > 0);
        columns.extend(is_undecided.then(|| "undecided".into()));
        let rows = confusion.classes.iter().zip(&confusion.counts).zip(&confusion.undecided);
        let rows: Vec<_> = rows
            .map(|((name, counts), undecided)| {
                (name.clone(), counts.iter().copied().chain(is_undecided.then_some(*undecided)).collect())
            })
            .collect();
        page.matrix("cued \\ decided", &columns, &rows);
        page.how(
            "Counts of cued decisions, as taken live. Interval: Wilson (1927, J. Am. Stat. Assoc. 22, 209).",
        );
        self.decisions(page);
    }

    fn decisions(&self, page: &mut Page) {
        let classes = classes_of(&self.session.decisions, self.protocol.as_ref());
        let name = |code: Option<u32>| match code {
            None => "\u{2013}".into(),
            Some(code) => {
                let known = classes.iter().find(|(known, _)| *known == code);
                known.map_or_else(|| format!("class {code}"), |(_, name)| name.clone())
            }
        };
        let cued: Vec<_> = self.session.decisions.iter().filter(|decision| decision.cue.is_some()).collect();
        let rows = cued.iter().take(MOST_ROWS).map(|d| {
            vec![
                d.index.to_string(),
                format!("{:.3}", self.extent.since_s(d.decided_ns)),
                format!("{} to {}", d.first_sample, d.end_sample),
                name(d.cue),
                name(d.label),
                if d.label == d.cue { "right".into() } else { "wrong".into() },
                format!("{:.3}", d.value),
                format!("{:.3}", d.spread),
            ]
        });
        let columns: [Column; 8] = [
            ("no.", true),
            ("decided at (s)", true),
            ("samples (end excluded)", true),
            ("cued", false),
            ("decided", false),
            ("", false),
            ("value", true),
            ("margin", true),
        ];
        page.subheading("Decisions");
        page.table(&columns, &rows.collect::<Vec<_>>());
        page.how(&format!(
            "Value: the decoder's score of the class (for CCA the canonical correlation); margin: its distance from the runner-up. {}",
            shown(cued.len())
        ));
    }

    /// The ledger.
    pub fn latency(&self, page: &mut Page) {
        page.heading("Latency ledger");
        if let Some(latency) = self.summary.loop_latency_us {
            page.text(&format!(
                "Chunk arrival at the inlet to command published: median {}, 99th percentile {}, longest {} (n = {} turns).",
                micro(latency.p50),
                micro(latency.p99),
                micro(latency.max),
                latency.n
            ));
        }
        if let Some(gaze) = &self.summary.gaze {
            page.text(&format!("What follows the gaze: {}.", gaze.describe()));
        }
        if self.session.meta.clock == ClockKind::Virtual {
            page.text(
                "This session ran on the virtual clock. Delays of software are not measured here: they are what the event \
                 queue makes them, mostly zero.",
            );
        }
        let ledger = Ledger::of(self.session);
        let Some(figure) = charts::latencies(&ledger).filter(|_| ledger.chains > 0) else {
            let why = if self.session.flips.is_empty() {
                "no frame was recorded"
            } else if ledger.from_decisions == 0 {
                "no command was caused by a decision"
            } else {
                "no command could be followed back to its samples and forward to a frame"
            };
            page.text(&format!("No way from sample to frame can be followed: {why}."));
            return;
        };
        let rows: Vec<_> = ledger
            .stages
            .iter()
            .map(|stage| {
                let at = |p| format!("{:.3}", nearest_rank(&stage.values_ms, p));
                vec![stage.name.into(), at(0.5), at(0.95), at(0.99), at(1.0), stage.how.clone()]
            })
            .collect();
        let columns: [Column; 6] = [
            ("stage", false),
            ("median (ms)", true),
            ("p95", true),
            ("p99", true),
            ("longest", true),
            ("how it is known", false),
        ];
        page.table(&columns, &rows);
        page.figure(&figure);
        page.text(&format!(
            "Commands that a decision caused: {}. Reached a frame and counted here: {}. Replaced by a newer command before any \
             frame showed them: {}.",
            ledger.from_decisions, ledger.chains, ledger.never_shown
        ));
    }

    /// Frames.
    pub fn frames(&self, page: &mut Page) {
        page.heading("Frames");
        match charts::frames(self.session, &self.time) {
            Some(figure) => page.figure(&figure),
            None => page.text(&format!("No intervals: {} frames were recorded.", self.session.flips.len())),
        }
        self.frame_faults(page);
    }

    /// Frames that were not seen when they should have been, where that was.
    fn frame_faults(&self, page: &mut Page) {
        let found = &self.summary.frame_faults;
        if found.all.is_none() {
            return;
        }
        let row = |name: String, faults: &Faults| {
            let counts = [faults.missed, faults.late, faults.replaced].map(|count| count.to_string());
            std::iter::once(name).chain(counts).collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = found
            .blocks
            .iter()
            .map(|block| row(format!("block {}", block.which), &block.faults))
            .chain(found.trials.iter().map(|trial| row(format!("trial {}", trial.which), &trial.faults)))
            .chain(
                found
                    .presentations
                    .iter()
                    .map(|shown| row(format!("presentation {}", shown.which), &shown.faults)),
            )
            .chain([row("session".into(), &found.all)])
            .collect();
        let columns: [Column; 4] = [
            ("where", false),
            ("missed refreshes", true),
            ("frames at another refresh", true),
            ("frames seen by nobody", true),
        ];
        page.table(&columns, &rows);
        page.how(
            "A missed refresh showed an old frame again. A frame at another refresh than planned has the flicker's phase of the \
             refresh that it was drawn for. A frame is seen by nobody when another replaces it in the same refresh. Trials and \
             presentations without any are not listed; they last from the command that began them to the one that ended them.",
        );
    }

    /// What ran, and on what.
    pub fn run(&self, page: &mut Page) {
        let meta = &self.session.meta;
        page.heading("What ran");
        let clock = match meta.clock {
            ClockKind::Live => "live: the machine's monotonic clock",
            ClockKind::Virtual => "virtual: one event queue, no light and no real delays",
        };
        let ended = meta.outcome.as_ref().map_or("\u{2013}", |outcome| outcome.ended_utc.as_str());
        let machine = &meta.machine;
        let display = meta.display.as_ref().map_or_else(
            || "none".into(),
            |display| {
                let adapter =
                    if display.adapter.is_empty() { "no graphics adapter" } else { &display.adapter };
                let size = format!("{} \u{d7} {} px", display.width_px, display.height_px);
                let refresh =
                    if display.refresh_hz.is_finite() { short(display.refresh_hz) } else { "unknown".into() };
                format!("{}, {size}, {refresh} Hz, {adapter}", display.mode)
            },
        );
        let mut entries = vec![
            ("protocol", meta.protocol.clone()),
            ("participant", meta.participant.clone()),
            ("seed", meta.seed.to_string()),
            ("clock", clock.into()),
            ("started (UTC)", meta.started_utc.clone()),
            ("ended (UTC)", ended.into()),
            ("display", display),
            ("machine", format!("{}, {} cores", machine.cpu, machine.cores)),
            ("system", format!("{} {} {}", machine.os, machine.arch, machine.kernel)),
            ("Photic", format!("{}, build {}", meta.photic_version, meta.photic_build)),
            ("command line", meta.command_line.join(" ")),
            ("protocol SHA-256", meta.protocol_sha256.clone()),
            ("rig SHA-256", meta.rig_sha256.clone()),
        ];
        let extra: Vec<(&String, String)> =
            meta.extra.iter().take(40).map(|(key, value)| (key, value.to_string())).collect();
        entries.extend(extra.iter().map(|(key, value)| (key.as_str(), value.chars().take(600).collect())));
        page.list(&entries);
        page.how("From the session's manifest, which the run wrote. Hashes are those of the copies in the session folder at the start.");
    }

    /// The texts that the session ran from.
    pub fn sources_of_truth(&self, page: &mut Page) {
        let folder = &self.session.folder;
        for (name, path) in [("Protocol file", folder.protocol_path()), ("Rig file", folder.rig_path())] {
            match std::fs::read_to_string(&path) {
                Ok(text) if text.len() > MOST_TEXT => {
                    let part: String = text.chars().take(MOST_TEXT).collect();
                    page.folded(&format!("{name} (its begin; the rest is in the session folder)"), &part);
                }
                Ok(text) => page.folded(name, &text),
                Err(error) => {
                    page.text(&format!("{name}: the copy in the session folder cannot be read ({error})."))
                }
            }
        }
        if self.protocol.is_none() {
            page.text("The copy of the protocol is missing or not readable by this build: names, set points and classes are from the records alone.");
        }
    }
}

/// Microseconds or milliseconds, whichever reads better.
fn micro(value_us: f64) -> String {
    if value_us.abs() < 1000.0 {
        format!("{value_us:.0} \u{b5}s")
    } else {
        format!("{:.2} ms", value_us / 1e3)
    }
}

fn shown(n: usize) -> String {
    if n > MOST_ROWS { format!("The first {MOST_ROWS} of {n} are shown.") } else { format!("n = {n}.") }
}

/// Wilson's score interval for a proportion, 95 %.
fn wilson_95(right: u64, total: u64) -> [f64; 2] {
    let (n, z) = (total.max(1) as f64, 1.959_964);
    let p = right as f64 / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_of_the_text_book() {
        // Newcombe 1998, Stat. Med. 17, 857, table I: 81 of 263 gives 0.2553 to 0.3662 by this method.
        let [low, high] = wilson_95(81, 263);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        assert_eq!(wilson_95(0, 0)[0], 0.0);
        assert!(wilson_95(32, 32)[1] <= 1.0);
    }
}
