//! The live view: one line on a terminal, or a plain line per block where stderr is a file.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use timeline::latest::LatestReader;

use super::Prepared;
use super::live::Ending;
use super::recorder::Status;
use crate::error::SessionError;

const EVERY: Duration = Duration::from_millis(200);

/// Starts the view; it ends with the session.
pub fn spawn(
    mut status: LatestReader<Status>,
    prepared: &Prepared,
    ending: &Ending,
) -> Result<JoinHandle<()>, SessionError> {
    let over = Arc::clone(&ending.over);
    let whole_s = prepared.lowered.schedule.duration_s();
    let whole_s = prepared.args.seconds.map_or(whole_s, |seconds| seconds.min(whole_s));
    let blocks: Vec<String> =
        prepared.lowered.schedule.blocks.iter().map(|scheduled| scheduled.block.name.clone()).collect();
    let classes = class_names(prepared);
    // What is measured and what is shown together tell the arm.
    let blinded = prepared.arm.is_some();
    let bar = ProgressBar::new((whole_s * 10.0) as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:24} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let body = move || {
        let start_ns = timeline::clock::now_ns();
        let mut shown_block = None;
        while !over.load(Ordering::Acquire) {
            let mut status = *status.read();
            if blinded {
                (status.decision, status.command) = (None, None);
            }
            if bar.is_hidden() && status.block != shown_block {
                shown_block = status.block;
                let block = status.block.and_then(|block| blocks.get(block));
                crate::voice::tell(format_args!("block {}", block.map_or("-", String::as_str)));
            }
            let elapsed_s = timeline::s_from_ns(timeline::clock::now_ns() - start_ns);
            bar.set_position((elapsed_s * 10.0) as u64);
            bar.set_message(line(&status, &blocks, &classes));
            std::thread::sleep(EVERY);
        }
        bar.finish_and_clear();
    };
    let failed = |error| SessionError::Thread { name: "progress".into(), error };
    Builder::new().name("progress".into()).spawn(body).map_err(failed)
}

fn class_names(prepared: &Prepared) -> Vec<(u32, String)> {
    match &prepared.experiment.protocol.decoder {
        Some(protocol::Decoder::Cca(cca)) => {
            cca.classes.iter().map(|class| (class.code, class.label.clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn line(status: &Status, blocks: &[String], classes: &[(u32, String)]) -> String {
    let mut text = String::new();
    if let Some(block) = status.block.and_then(|block| blocks.get(block)) {
        let _ = write!(text, "{block}");
    }
    if let Some(decision) = status.decision {
        match decision.label {
            Some(label) => {
                let name = classes.iter().find(|(code, _)| *code == label).map_or("?", |(_, name)| name);
                let _ = write!(text, "  decided {name} (r {:.2})", decision.value);
            }
            None => {
                let _ = write!(text, "  measured {:.2} uV", decision.value);
            }
        }
        if let Some(set_point) = decision.set_point {
            let _ = write!(text, "  set point {set_point:.2} uV");
        }
    }
    if let Some(command) = status.command {
        let _ = write!(text, "  contrast {:.2}", command.contrast.to);
    }
    let _ = write!(
        text,
        "  frames {} (missed {})  samples {}",
        status.frames, status.missed_frames, status.samples
    );
    if let Some(notice) = status.notice {
        let _ = write!(text, "  [{}]", notice.kind.name());
    }
    text
}
