//! Which stream is meant, and which are there.

use std::thread;
use std::time::Duration;

use lsl::{Inlet, InletOptions, Lsl, Resolver, StreamInfo};

use crate::error::AcquisitionError;
use crate::source::SourceInfo;

/// How long to look on after the first match, so that a second one shows.
const SETTLE_S: f64 = 0.3;
/// A stream that does not answer for this long is gone.
const FORGET_AFTER_S: f64 = 5.0;
/// Between two looks at what has answered.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Which stream is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// Its name, exactly; `None` takes any.
    pub name: Option<String>,
    /// Its type, in any letter case.
    pub stream_type: String,
    /// How long to wait for it to appear.
    pub timeout_s: f64,
}

impl Want {
    fn matches(&self, info: &StreamInfo) -> bool {
        info.stream_type().eq_ignore_ascii_case(&self.stream_type)
            && self.name.as_ref().is_none_or(|name| *name == info.name())
    }
}

/// A stream that was picked. Nothing is pulled from it yet.
pub struct Found {
    /// What it says of itself.
    pub info: SourceInfo,
    pub(crate) lsl: Lsl,
    pub(crate) inlet: Inlet,
}

/// Picks exactly one stream and fetches its full description.
///
/// # Errors
/// [`AcquisitionError::NotFound`] with the streams that are visible, [`AcquisitionError::Ambiguous`] with those that
/// match, or an error of liblsl.
pub fn find(lsl: &Lsl, want: &Want) -> Result<Found, AcquisitionError> {
    let of = AcquisitionError::of(want.name.as_deref().unwrap_or(&want.stream_type));
    let resolver = Resolver::new(lsl, FORGET_AFTER_S).map_err(&of)?;
    let give_up_s = lsl.local_clock_s() + want.timeout_s;
    let mut settled_s = None;
    let (matching, all) = loop {
        let all = resolver.results().map_err(&of)?;
        let now_s = lsl.local_clock_s();
        let (matching, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|info| want.matches(info));
        if !matching.is_empty() && settled_s.is_none() {
            settled_s = Some(now_s + SETTLE_S);
        }
        if now_s >= settled_s.unwrap_or(give_up_s) {
            break (matching, others);
        }
        thread::sleep(LOOK_EVERY);
    };
    match &matching[..] {
        [one] => pick(lsl, one),
        [] => Err(AcquisitionError::NotFound {
            stream_type: want.stream_type.clone(),
            name: want.name.clone(),
            timeout_s: want.timeout_s,
            visible: lines(&all),
        }),
        _ => Err(AcquisitionError::Ambiguous {
            stream_type: want.stream_type.clone(),
            name: want.name.clone(),
            candidates: lines(&matching),
        }),
    }
}

/// Every stream that is visible within `wait_s` (1 s is ample on one machine), with full descriptions where the
/// sender gives one, sorted by name.
///
/// # Errors
/// When liblsl cannot look for streams.
pub fn streams(lsl: &Lsl, wait_s: f64) -> Result<Vec<SourceInfo>, AcquisitionError> {
    let of = AcquisitionError::of("(all)");
    let resolver = Resolver::new(lsl, FORGET_AFTER_S).map_err(&of)?;
    thread::sleep(Duration::try_from_secs_f64(wait_s).unwrap_or_default());
    let short = resolver.results().map_err(&of)?;
    let options = InletOptions { recover: false, timeout_s: 1.0, ..InletOptions::default() };
    let describe = |info: &StreamInfo| match Inlet::new(lsl, info, &options) {
        Ok(inlet) => SourceInfo::from_lsl(inlet.info()),
        Err(_) => SourceInfo::from_lsl(info),
    };
    let mut sources: Vec<SourceInfo> = short.iter().filter_map(describe).collect();
    sources.sort_by(|a, b| {
        (&a.name, &a.stream_type, &a.source_id).cmp(&(&b.name, &b.stream_type, &b.source_id))
    });
    Ok(sources)
}

fn pick(lsl: &Lsl, info: &StreamInfo) -> Result<Found, AcquisitionError> {
    let name = info.name();
    let inlet = Inlet::new(lsl, info, &InletOptions::default()).map_err(AcquisitionError::of(&name))?;
    let Some(info) = SourceInfo::from_lsl(inlet.info()) else {
        let wanted = "use a newer Photic for this format";
        return Err(AcquisitionError::Format { stream: name, found: "unknown", wanted });
    };
    Ok(Found { info, lsl: lsl.clone(), inlet })
}

fn lines(infos: &[StreamInfo]) -> Vec<String> {
    let mut lines: Vec<String> =
        infos.iter().filter_map(SourceInfo::from_lsl).map(|source| source.line()).collect();
    lines.sort();
    lines
}
