//! Stretches of time in a session: blocks, stimulation, absences. Everything on the report's time axis comes from here.

use closedloop::SetPointPlan;
use protocol::{BlockKind, Protocol};
use recording::RecordedSession;
use timeline::{NoticeKind, SceneId, SourceId};

use crate::experiment::lower_set_point;

/// From one instant to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Begin.
    pub start_ns: i64,
    /// End.
    pub end_ns: i64,
}

impl Span {
    /// Length in s.
    pub fn length_s(&self) -> f64 {
        timeline::s_from_ns(self.end_ns.saturating_sub(self.start_ns))
    }

    /// An instant in s since the begin.
    pub fn since_s(&self, at_ns: i64) -> f64 {
        timeline::s_from_ns(at_ns.saturating_sub(self.start_ns))
    }

    /// The part that both have, if it is not empty.
    pub fn overlap(&self, other: &Span) -> Option<Span> {
        let both =
            Span { start_ns: self.start_ns.max(other.start_ns), end_ns: self.end_ns.min(other.end_ns) };
        (both.start_ns < both.end_ns).then_some(both)
    }
}

/// A block as it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its name in the protocol, or its number when the protocol cannot be read.
    pub name: String,
    /// When it ran.
    pub span: Span,
    /// The set point that held in it, over the time since its begin.
    pub set_point: Option<SetPointPlan>,
}

impl Block {
    /// The set point as a line: instants and uV, one pair per stretch between changes.
    pub fn set_point_line(&self) -> Vec<(i64, f64)> {
        let Some(set_point) = self.set_point else { return Vec::new() };
        let length_ns = self.span.end_ns - self.span.start_ns;
        let (mut line, mut since_ns) = (Vec::new(), 0);
        while since_ns < length_ns {
            let (uv, next_ns) =
                (set_point.at_uv(since_ns), set_point.next_change_ns(since_ns).min(length_ns));
            line.push((self.span.start_ns + since_ns, uv));
            line.push((self.span.start_ns + next_ns, uv));
            since_ns = next_ns;
        }
        line
    }
}

/// The whole session on its own clock: from the loop's first turn (from whatever is earliest, when no turn was
/// recorded) to the last record.
pub fn extent(session: &RecordedSession) -> Span {
    let firsts = [
        session.flips.first().map(|flip| flip.onset_ns),
        session.chunks.first().map(|chunk| chunk.arrival_ns),
        session.notices.first().map(|notice| notice.at_ns),
    ];
    let first = session.turns.first().map(|turn| turn.now_ns);
    let start_ns = first.or_else(|| firsts.into_iter().flatten().min()).unwrap_or(session.meta.start_ns);
    let lasts = [
        session.turns.last().map(|turn| turn.now_ns),
        session.flips.last().map(|flip| flip.onset_ns),
        session.chunks.last().map(|chunk| chunk.arrival_ns),
        session.notices.last().map(|notice| notice.at_ns),
    ];
    Span { start_ns, end_ns: lasts.into_iter().flatten().max().unwrap_or(start_ns).max(start_ns) }
}

/// The blocks as they ran. The notices say when, the protocol says what; without a protocol that can be read, a block's
/// set point is the one that its first decision names, and without notices each run of decisions with one set point
/// counts as a block.
pub fn blocks(session: &RecordedSession, protocol: Option<&Protocol>) -> Vec<Block> {
    let schedule = protocol.map(|protocol| crate::experiment::schedule_of(&session.meta, protocol));
    let end_ns = extent(session).end_ns;
    let mut blocks: Vec<Block> = Vec::new();
    let mut running: Option<i64> = None;
    for notice in &session.notices {
        match notice.kind {
            NoticeKind::BlockBegin => {
                if let (Some(_), Some(last)) = (running, blocks.last_mut()) {
                    last.span.end_ns = notice.at_ns;
                }
                let planned =
                    usize::try_from(notice.count).ok().and_then(|index| schedule.as_ref()?.blocks.get(index));
                let set_point = match planned.map(|planned| &planned.block.kind) {
                    // What is relative to a baseline stands in the decisions only.
                    Some(BlockKind::Hold(hold)) => Some(lower_set_point(&hold.set_point))
                        .filter(|set_point| !set_point.at_uv(0).is_nan()),
                    _ => None,
                };
                let name =
                    planned.map_or_else(|| format!("block {}", notice.count), |p| p.block.name.clone());
                blocks.push(Block { name, span: Span { start_ns: notice.at_ns, end_ns }, set_point });
                running = Some(notice.count);
            }
            NoticeKind::BlockEnd if running == Some(notice.count) => {
                if let Some(last) = blocks.last_mut() {
                    last.span.end_ns = notice.at_ns;
                }
                running = None;
            }
            _ => {}
        }
    }
    if blocks.is_empty() {
        return blocks_of_decisions(session);
    }
    if schedule.is_none() {
        for block in &mut blocks {
            let span = block.span;
            let inside = |at_ns: i64| at_ns >= span.start_ns && at_ns < span.end_ns;
            let mut held = session.decisions.iter().filter(|d| inside(d.decided_ns));
            let uv = held.find_map(|decision| decision.set_point);
            block.set_point = uv.map(|uv| SetPointPlan::Constant { uv });
        }
    }
    blocks
}

fn blocks_of_decisions(session: &RecordedSession) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for decision in &session.decisions {
        let at_ns = decision.decided_ns;
        let same = blocks
            .last_mut()
            .filter(|last| last.set_point == decision.set_point.map(|uv| SetPointPlan::Constant { uv }));
        if let Some(last) = same {
            last.span.end_ns = at_ns;
        } else if let Some(set_point) = decision.set_point {
            let name = format!("set point {set_point} uV");
            let span = Span { start_ns: at_ns, end_ns: at_ns };
            blocks.push(Block { name, span, set_point: Some(SetPointPlan::Constant { uv: set_point }) });
        } else if let Some(last) = blocks.last_mut() {
            // A decision without a set point ends the run; the next one with a set point begins a new block.
            last.span.end_ns = last.span.end_ns.max(last.span.start_ns);
        }
    }
    blocks
}

/// Stretches in which the screen showed a stimulus at a contrast above zero, from the flips.
pub fn stimulated(session: &RecordedSession) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut open: Option<i64> = None;
    for flip in &session.flips {
        let shows = flip.scene != SceneId::GREY && flip.contrast > 0.0;
        match (shows, open) {
            (true, None) => open = Some(flip.onset_ns),
            (false, Some(start_ns)) => {
                spans.push(Span { start_ns, end_ns: flip.onset_ns });
                open = None;
            }
            _ => {}
        }
    }
    if let (Some(start_ns), Some(last)) = (open, session.flips.last()) {
        spans.push(Span { start_ns, end_ns: last.onset_ns });
    }
    spans
}

/// Stretches from a notice of one kind to the next notice of another (of the same source, where the end names one); a
/// stretch that nothing ended lasts to the end of the session.
pub fn between(session: &RecordedSession, begin: NoticeKind, end: NoticeKind) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut open: Vec<(Option<SourceId>, i64)> = Vec::new();
    for notice in &session.notices {
        if notice.kind == begin {
            if !open.iter().any(|(source, _)| *source == notice.source) {
                open.push((notice.source, notice.at_ns));
            }
        } else if notice.kind == end {
            open.retain(|&(source, start_ns)| {
                let ends = notice.source.is_none() || notice.source == source;
                if ends {
                    spans.push(Span { start_ns, end_ns: notice.at_ns });
                }
                !ends
            });
        }
    }
    let end_ns = extent(session).end_ns;
    spans.extend(open.into_iter().map(|(_, start_ns)| Span { start_ns, end_ns: end_ns.max(start_ns) }));
    spans
}
