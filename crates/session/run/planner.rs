//! The planner in a session: takes requests, hands pictures to the display and the recording, then the answer to the loop.
//!
//! A picture goes ahead of the answer that names it, so that no command can name one that the display does not have.

use planner::surprise::Turn;
use planner::{AnyPlanner, Proposal};
use recording::sha256_hex;
use timeline::ring::{Reader, RowHead, RowReader, RowWriter, Writer, ring, rows};
use timeline::{Answer, Event, Notice, NoticeKind, Request, s_from_ns};

use super::judged::{Bounds, Probes};
use crate::error::SessionError;
use crate::turns::PlannerPort;

/// Requests and answers that may wait.
const WAITING: usize = 64;
/// Pictures that may wait for the display or the recorder.
const PICTURES: usize = 32;
/// Events that may wait for the recorder.
const EVENTS: usize = 256;

/// The planner with its ends of the carriers.
pub struct Seat {
    planner: AnyPlanner,
    bounds: Bounds,
    /// The number of the next picture.
    next: u64,
    probes: Probes,
    requests: Reader<Request>,
    answers: Writer<Answer>,
    events: Writer<Event>,
    to_display: RowWriter,
    to_recorder: RowWriter,
}

/// The other ends.
pub struct SeatEnds {
    /// The loop's.
    pub port: PlannerPort,
    /// The display's.
    pub pictures: RowReader,
    /// The recorder's.
    pub events: Reader<Event>,
    /// The recorder's.
    pub recorded: RowReader,
}

/// An answer that is ready to be handed over.
pub struct Ready {
    proposal: Proposal,
    request: u64,
    surprise: (f64, usize),
    /// Probes without a response: how many were measured, and their mean over its standard error.
    silent: Option<(u32, f64)>,
}

impl Ready {
    /// What is proposed, for tests that corrupt it.
    pub fn proposal_mut(&mut self) -> &mut Proposal {
        &mut self.proposal
    }
}

impl Seat {
    /// Lays the carriers and hands picture 0 over. `contrast_rms`: what no picture may exceed; `probes`: how many there are.
    pub fn lay(planner: AnyPlanner, contrast_rms: f64, probes: u32, now_ns: i64) -> (Self, SeatEnds) {
        let texels = planner.first().len();
        let (requests_in, requests) = ring(WAITING);
        let (answers, answers_out) = ring(WAITING);
        let (events, events_out) = ring(EVENTS);
        let (to_display, pictures) = rows(PICTURES, texels);
        let (to_recorder, recorded) = rows(PICTURES, texels);
        let (bounds, probes) = (Bounds { texels, contrast_rms }, Probes::new(probes));
        let mut seat =
            Self { planner, bounds, next: 1, probes, requests, answers, events, to_display, to_recorder };
        let first = seat.planner.first().to_vec();
        seat.hand_over(0, &first, now_ns);
        let port = PlannerPort { requests: requests_in, answers: answers_out, wake: None };
        (seat, SeatEnds { port, pictures, events: events_out, recorded })
    }

    /// The next answer, if one is asked for. `is_over` ends the search for it early.
    ///
    /// # Errors
    /// A model that fails.
    pub fn plan(&mut self, is_over: &mut dyn FnMut() -> bool) -> Result<Option<Ready>, SessionError> {
        let Some(request) = self.requests.pop() else { return Ok(None) };
        let silent = self.probes.hear(&request);
        let proposal = self.planner.propose(&request, is_over)?;
        Ok(Some(Ready { proposal, request: request.index, surprise: self.planner.surprise(), silent }))
    }

    /// Hands an answer over, the picture first. One that cannot be shown is none: the loop hears nothing, and goes on with the
    /// picture that was best so far.
    pub fn answer(&mut self, ready: &Ready, now_ns: i64) {
        let Ready { proposal, request, surprise, silent } = ready;
        let number = self.next;
        self.next += 1;
        if let Some((measured, clear)) = *silent {
            self.tell(now_ns, NoticeKind::ProbesSilent, measured.into(), clear);
        }
        if let Err(wrong) = self.bounds.check(proposal, number) {
            let (count, value) = wrong.told();
            self.tell(now_ns, NoticeKind::PictureRefused, count, value);
            // Pictures are recorded in the order of their numbers: the one that is missing is grey, and no command names it.
            self.hand_over(number, &vec![0.0; self.bounds.texels], now_ns);
            return;
        }
        self.hand_over(proposal.picture, &proposal.pattern, now_ns);
        let answer = Answer {
            request: *request,
            at_ns: now_ns,
            picture: proposal.picture,
            purpose: proposal.purpose,
            hash: hash_of(&proposal.pattern),
            iterations: proposal.iterations,
            predicted: proposal.predicted.mean,
            predicted_sd: proposal.predicted.sd,
            incumbent: proposal.incumbent,
        };
        let kind = match proposal.trust {
            Turn::None => None,
            Turn::Fails => Some(NoticeKind::ModelFails),
            Turn::Back => Some(NoticeKind::ModelBack),
        };
        let judged = kind.map(|kind| (kind, surprise.1 as i64, surprise.0));
        let also: Vec<_> = std::iter::from_fn(|| self.planner.notice()).collect();
        for (kind, count, value) in judged.into_iter().chain(also) {
            self.tell(now_ns, kind, count, value);
        }
        // The recorder's first: what a recorded turn took must be in the file before the turn is.
        let _ = self.events.push(Event::Answer(answer));
        let _ = self.answers.push(answer);
    }

    fn tell(&mut self, at_ns: i64, kind: NoticeKind, count: i64, value: f64) {
        let _ = self.events.push(Event::Notice(Notice { at_ns, kind, source: None, count, value }));
    }

    fn hand_over(&mut self, picture: u64, pattern: &[f32], now_ns: i64) {
        let head = RowHead { index: picture, stamp_s: s_from_ns(now_ns), at_ns: now_ns };
        let texels = || pattern.iter().map(|&texel| f64::from(texel));
        // Both rings are far longer than what can wait; a picture that does not arrive is shown as grey, and the record lacks it.
        let _ = self.to_recorder.push(head, texels());
        let _ = self.to_display.push(head, texels());
    }
}

/// The first 8 bytes of the SHA-256 of a pattern's texels, as f32, little-endian.
pub fn hash_of(pattern: &[f32]) -> u64 {
    let bytes: Vec<u8> = pattern.iter().flat_map(|texel| texel.to_le_bytes()).collect();
    u64::from_str_radix(&sha256_hex(&bytes)[..16], 16).unwrap_or_default()
}
