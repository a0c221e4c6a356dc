//! One turn of the loop: what is taken from the rings, the step, and what is handed on. Live runs and the virtual clock
//! share it; replay builds the same inputs from the recording.

use closedloop::{Inputs, Loop, Outputs, SourceInput};
use timeline::latest::LatestWriter;
use timeline::ring::{Reader, RowReader, Writer};
use timeline::{
    Answer, Attenuation, Command, Event, Flip, MAX_SOURCES, Marker, Notice, NoticeKind, Published, Reply,
    Request, Response, SourceId, State, Take, Turn,
};

use crate::gaze::GazeFeed;

/// The most records that one turn can produce: the turn, its outputs, publications and our own notices.
const RECORDS_PER_TURN: usize =
    1 + TOLD + 32 + 4 + 2 * 8 + 32 + 2 * 2 + 32 + 2 + 32 + PRESSES + 4 + 2 * MAX_SOURCES;

/// Flips and markers that one turn takes at most; the rest waits for the next turn.
const BATCH: usize = 64;

/// Attenuations that one turn takes at most: one comes in a frame.
const TOLD: usize = 8;

/// Responses that one turn takes at most.
const PRESSES: usize = 16;

/// What the loop reads from one source.
pub enum Port {
    /// Rows of samples; more than `max_lag` waiting rows make the reader skip to the newest.
    Samples {
        /// The ring.
        rows: RowReader,
        /// Rows that may wait.
        max_lag: usize,
    },
    /// Markers.
    Markers(Reader<Marker>),
}

/// The loop's ends of the carriers to the planner.
pub struct PlannerPort {
    /// What the loop asks.
    pub requests: Writer<Request>,
    /// What it is answered. The planner hands each answer to the recorder before it puts it here.
    pub answers: Reader<Answer>,
    /// The planner's thread, woken after each request; on the virtual clock there is none.
    pub wake: Option<std::thread::Thread>,
}

/// The loop's ends of the carriers to a program outside.
pub struct OutsidePort {
    /// What it is told.
    pub states: Writer<State>,
    /// What it replied. The inlet hands each reply to the recorder before it puts it here.
    pub replies: Reader<Reply>,
    /// The outlet's thread, woken after each state.
    pub wake: Option<std::thread::Thread>,
}

/// Samples that a turn took, in prepared buffers.
struct Taken {
    skipped: u64,
    first: u64,
    at_ns: Vec<i64>,
    values: Vec<f64>,
    row: Vec<f64>,
}

/// The loop with its carriers.
pub struct LoopDriver {
    step: Loop,
    ports: Vec<Port>,
    flips: Reader<Flip>,
    commands: LatestWriter<Option<Command>>,
    events: Writer<Event>,
    turn: Turn,
    taken: Vec<Taken>,
    new_flips: Vec<Flip>,
    new_markers: Vec<Marker>,
    planner: Option<PlannerPort>,
    shown: Vec<Writer<Flip>>,
    new_answers: Vec<Answer>,
    outside: Option<OutsidePort>,
    new_replies: Vec<Reply>,
    /// What the governor lets through; none where nobody governs.
    attenuations: Option<Reader<Attenuation>>,
    new_attenuations: Vec<Attenuation>,
    /// One ring per thread in which somebody presses.
    responses: Vec<Reader<Response>>,
    new_responses: Vec<Response>,
    /// Whom the newest gaze goes to, where something on the screen follows it.
    gaze: Option<GazeFeed>,
    outputs: Outputs,
    unrecorded: bool,
    /// The dead-man key as the next turn will be told it.
    held: bool,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEnd {
    /// Nothing was new and nothing was due; no turn was made.
    Idle,
    /// A turn was made.
    Stepped,
    /// The recorder cannot take a turn: the loop holds.
    Held,
    /// The run is over and the screen is grey.
    Finished,
}

impl LoopDriver {
    /// Takes the ends of all carriers and allocates the buffers.
    pub fn new(
        step: Loop,
        ports: Vec<Port>,
        flips: Reader<Flip>,
        commands: LatestWriter<Option<Command>>,
        events: Writer<Event>,
    ) -> Self {
        let taken = ports.iter().map(|port| match port {
            Port::Samples { rows, max_lag } => Taken {
                skipped: 0,
                first: 0,
                at_ns: Vec::with_capacity(*max_lag),
                values: Vec::with_capacity(max_lag * rows.width()),
                row: vec![0.0; rows.width()],
            },
            Port::Markers(_) => {
                Taken { skipped: 0, first: 0, at_ns: Vec::new(), values: Vec::new(), row: Vec::new() }
            }
        });
        Self {
            taken: taken.collect(),
            step,
            ports,
            flips,
            commands,
            events,
            turn: Turn {
                index: 0,
                now_ns: 0,
                flips_end: 0,
                stop: false,
                held: false,
                takes: [Take::default(); MAX_SOURCES],
                answers_end: 0,
                replies_end: 0,
                responses_end: 0,
            },
            new_flips: Vec::with_capacity(BATCH),
            new_markers: Vec::with_capacity(BATCH),
            planner: None,
            shown: Vec::new(),
            new_answers: Vec::with_capacity(BATCH),
            outside: None,
            new_replies: Vec::with_capacity(BATCH),
            attenuations: None,
            new_attenuations: Vec::with_capacity(TOLD),
            responses: Vec::new(),
            new_responses: Vec::with_capacity(PRESSES),
            gaze: None,
            outputs: Outputs::default(),
            unrecorded: false,
            held: false,
        }
    }

    /// Where requests go and answers come from.
    pub fn connect(&mut self, planner: PlannerPort) {
        self.planner = Some(planner);
    }

    /// Who else hears of every flip (there may be several); a full ring loses some, nothing else.
    pub fn show_to(&mut self, shown: Writer<Flip>) {
        self.shown.push(shown);
    }

    /// Where states go and replies come from.
    pub fn invite(&mut self, outside: OutsidePort) {
        self.outside = Some(outside);
    }

    /// Where responses of one more thread come from. Their numbers are given here, in the order in which they are taken.
    pub fn hear(&mut self, responses: Reader<Response>) {
        self.responses.push(responses);
    }

    /// Where the newest gaze goes: it is handed on before the loop decides anything, and nothing that is decided depends on it.
    pub fn show_gaze(&mut self, gaze: GazeFeed) {
        self.gaze = Some(gaze);
    }

    /// Where the display tells what the governor lets through. It is recorded here, as input of the turn that takes it.
    pub fn heed(&mut self, attenuations: Reader<Attenuation>) {
        self.attenuations = Some(attenuations);
    }

    /// Whether the operator ended the run.
    pub fn was_aborted(&self) -> bool {
        self.step.was_aborted()
    }

    /// The step, for the yardstick of a bench.
    pub fn step_mut(&mut self) -> &mut Loop {
        &mut self.step
    }

    /// Whether the operator holds the dead-man key from the next turn on.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// When [`LoopDriver::turn`] has to be called at the latest.
    pub fn next_wake_ns(&self) -> i64 {
        self.step.next_wake_ns()
    }

    /// One turn: takes what is new, steps, publishes and records. `clock` is read once more after publishing, so that
    /// the ledger knows the loop's own latency.
    pub fn turn(&mut self, now_ns: i64, stop: bool, clock: impl Fn() -> i64) -> TurnEnd {
        if self.events.vacant() < RECORDS_PER_TURN {
            // Lossless: nothing is taken, so nothing is lost; the loop goes on as soon as the recorder has caught up.
            self.unrecorded = true;
            return TurnEnd::Held;
        }
        let asked = (stop && !self.turn.stop) || self.held != self.turn.held;
        let due = now_ns >= self.step.next_wake_ns() || self.turn.index == 0 || asked;
        if !self.take() && !due {
            return TurnEnd::Idle;
        }
        self.turn.now_ns = now_ns;
        self.turn.stop |= stop;
        self.turn.held = self.held;
        self.run_step();
        self.publish(clock);
        self.record();
        self.turn.index += 1;
        if self.outputs.finished { TurnEnd::Finished } else { TurnEnd::Stepped }
    }

    /// Moves what waits into the prepared buffers; whether there was anything.
    fn take(&mut self) -> bool {
        self.new_flips.clear();
        while self.new_flips.len() < BATCH {
            let Some(flip) = self.flips.pop() else { break };
            self.new_flips.push(flip);
            for shown in &mut self.shown {
                let _ = shown.push(flip);
            }
        }
        self.turn.flips_end += self.new_flips.len() as u64;
        self.new_markers.clear();
        let mut any = !self.new_flips.is_empty();
        for ((port, taken), take) in self.ports.iter_mut().zip(&mut self.taken).zip(&mut self.turn.takes) {
            match port {
                Port::Samples { rows, max_lag } => taken.take(rows, *max_lag, take),
                Port::Markers(markers) => take_markers(markers, &mut self.new_markers, take),
            }
            any |= !taken.at_ns.is_empty() || taken.skipped > 0;
        }
        if let Some(gaze) = &mut self.gaze
            && let Some(taken) = self.taken.get(gaze.source())
        {
            gaze.take(&taken.at_ns, &taken.values);
        }
        self.new_answers.clear();
        if let Some(planner) = &mut self.planner {
            while self.new_answers.len() < BATCH {
                let Some(answer) = planner.answers.pop() else { break };
                self.new_answers.push(answer);
            }
        }
        self.turn.answers_end += self.new_answers.len() as u64;
        self.new_replies.clear();
        if let Some(outside) = &mut self.outside {
            while self.new_replies.len() < BATCH {
                let Some(reply) = outside.replies.pop() else { break };
                self.new_replies.push(reply);
            }
        }
        self.turn.replies_end += self.new_replies.len() as u64;
        self.new_attenuations.clear();
        if let Some(attenuations) = &mut self.attenuations {
            while self.new_attenuations.len() < TOLD {
                let Some(told) = attenuations.pop() else { break };
                self.new_attenuations.push(Attenuation { turn: self.turn.index, ..told });
            }
        }
        any |= !self.new_attenuations.is_empty();
        self.new_responses.clear();
        for ring in &mut self.responses {
            while self.new_responses.len() < PRESSES {
                let Some(response) = ring.pop() else { break };
                let index = self.turn.responses_end + self.new_responses.len() as u64;
                self.new_responses.push(Response { index, ..response });
            }
        }
        self.turn.responses_end += self.new_responses.len() as u64;
        any |= !self.new_markers.is_empty() || !self.new_responses.is_empty();
        any || !self.new_answers.is_empty() || !self.new_replies.is_empty()
    }

    fn run_step(&mut self) {
        let mut sources = [SourceInput::default(); MAX_SOURCES];
        for (source, taken) in sources.iter_mut().zip(&self.taken) {
            *source = SourceInput {
                skipped: taken.skipped,
                first_sample: taken.first,
                at_ns: &taken.at_ns,
                values: &taken.values,
            };
        }
        let inputs = Inputs {
            turn: self.turn.index,
            now_ns: self.turn.now_ns,
            stop: self.turn.stop,
            held: self.turn.held,
            flips: &self.new_flips,
            markers: &self.new_markers,
            sources: &sources[..self.ports.len()],
            answers: &self.new_answers,
            replies: &self.new_replies,
            responses: &self.new_responses,
            attenuations: &self.new_attenuations,
        };
        self.step.step(&inputs, &mut self.outputs);
    }

    fn publish(&mut self, clock: impl Fn() -> i64) {
        if let Some(planner) = &mut self.planner {
            for request in &self.outputs.requests {
                // One is out at a time; a planner that takes none is silent, and the loop notices that.
                let _ = planner.requests.push(*request);
            }
            if let (Some(thread), false) = (&planner.wake, self.outputs.requests.is_empty()) {
                thread.unpark();
            }
        }
        if let Some(outside) = &mut self.outside {
            for state in &self.outputs.states {
                // A program that does not read loses what no longer fits; the record has it, and the deadline passes.
                let _ = outside.states.push(*state);
            }
            if let (Some(thread), false) = (&outside.wake, self.outputs.states.is_empty()) {
                thread.unpark();
            }
        }
        let Some(&newest) = self.outputs.commands.last() else { return };
        self.commands.publish(Some(newest));
        let at_ns = clock();
        for command in &self.outputs.commands {
            put(&mut self.events, Event::Published(Published { command: command.index, at_ns }));
        }
    }

    fn record(&mut self) {
        if self.unrecorded {
            self.unrecorded = false;
            let at_ns = self.turn.now_ns;
            let kind = NoticeKind::RecorderHeld;
            put(&mut self.events, Event::Notice(Notice { at_ns, kind, source: None, count: 0, value: 0.0 }));
        }
        // Before the turn that took them.
        for &told in &self.new_attenuations {
            put(&mut self.events, Event::Attenuation(told));
        }
        for &response in &self.new_responses {
            put(&mut self.events, Event::Response(response));
        }
        put(&mut self.events, Event::Turn(self.turn));
        for (id, taken) in self.taken.iter().enumerate() {
            if taken.skipped > 0 {
                let notice = Notice {
                    at_ns: self.turn.now_ns,
                    kind: NoticeKind::Skipped,
                    source: Some(SourceId(id as u16)),
                    count: taken.skipped as i64,
                    value: 0.0,
                };
                put(&mut self.events, Event::Notice(notice));
            }
        }
        for &decision in &self.outputs.decisions {
            put(&mut self.events, Event::Decision(decision));
        }
        for &onset in &self.outputs.onsets {
            put(&mut self.events, Event::Onset(onset));
        }
        for &command in &self.outputs.commands {
            put(&mut self.events, Event::Command(command));
        }
        for &request in &self.outputs.requests {
            put(&mut self.events, Event::Request(request));
        }
        for &presentation in &self.outputs.presentations {
            put(&mut self.events, Event::Presentation(presentation));
        }
        for &trial in &self.outputs.trials {
            put(&mut self.events, Event::Trial(trial));
        }
        for &attempt in &self.outputs.attempts {
            put(&mut self.events, Event::Attempt(attempt));
        }
        for &score in &self.outputs.scores {
            put(&mut self.events, Event::Score(score));
        }
        for &state in &self.outputs.states {
            put(&mut self.events, Event::State(state));
        }
        for &notice in &self.outputs.notices {
            put(&mut self.events, Event::Notice(notice));
        }
    }
}

/// Room was made sure of before the turn began.
fn put(events: &mut Writer<Event>, event: Event) {
    let taken = events.push(event);
    debug_assert!(taken, "RECORDS_PER_TURN is too small");
}

impl Taken {
    /// Newest first: a reader that lags passes over the oldest. A gap in the indices (the ring had refused a chunk)
    /// keeps only what came after it, so that a turn always has one contiguous run.
    fn take(&mut self, rows: &mut RowReader, max_lag: usize, take: &mut Take) {
        self.at_ns.clear();
        self.values.clear();
        let waiting = rows.waiting();
        if waiting > max_lag {
            // Down to a quarter of the bound, or the loop would skip again in the next turn.
            rows.skip(waiting - max_lag / 4);
        }
        let mut next = take.end;
        self.first = take.end;
        while self.at_ns.len() < max_lag {
            let Some(head) = rows.pop(&mut self.row) else { break };
            if head.index != next {
                self.at_ns.clear();
                self.values.clear();
                self.first = head.index;
            }
            next = head.index + 1;
            self.at_ns.push(head.at_ns);
            self.values.extend_from_slice(&self.row);
        }
        self.skipped = self.first - take.end;
        *take = Take { end: next, skipped: self.skipped };
    }
}

fn take_markers(markers: &mut Reader<Marker>, into: &mut Vec<Marker>, take: &mut Take) {
    while into.len() < BATCH {
        let Some(marker) = markers.pop() else { break };
        take.end = marker.index + 1;
        into.push(marker);
    }
}
